//! Redaction of request keys in the access log and in the list of hot keys (`--log-key`).

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

/// Length to which a plain key is cut, in bytes.
pub const MAX_SHOWN: usize = 256;

/// Form in which keys are shown (`--log-key`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogKey {
    /// The key itself, cut to [`MAX_SHOWN`] bytes.
    Plain,
    /// A keyed hash: equal keys have equal hashes, in the log and in the list of hot keys, until the process ends.
    ///
    /// Keys with few possible values (numbers, addresses) are hidden too: the secret is random and never stored, so
    /// hashes of candidates cannot be computed. The frequency of a key and the other fields of its lines stay visible.
    #[default]
    Hash,
    /// `-` instead of the key.
    Off,
}

/// Converts keys to the form in which they are shown.
#[derive(Clone, Debug)]
pub struct KeyRedactor {
    form: LogKey,
    secret: RandomState,
}

/// A key in the form in which it is shown; see [`LogKey`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RedactedKey {
    /// The first [`MAX_SHOWN`] bytes of the key.
    Plain(Arc<[u8]>),
    /// The keyed hash.
    Hash(u64),
    /// The key is not shown.
    Off,
}

impl KeyRedactor {
    /// A redactor with a new random secret.
    pub fn new(form: LogKey) -> Self {
        Self { form, secret: RandomState::new() }
    }

    /// A redactor with another form and the same secret, so that hashes stay comparable.
    pub fn with(&self, form: LogKey) -> Self {
        Self { form, secret: self.secret.clone() }
    }

    /// The form in which keys are shown.
    pub fn form(&self) -> LogKey {
        self.form
    }

    /// The keyed hash of a key, constant until the process ends.
    pub fn identify(&self, key: &[u8]) -> u64 {
        self.secret.hash_one(key)
    }

    /// Converts a key to the form in which it is shown.
    pub fn show(&self, key: &[u8]) -> RedactedKey {
        match self.form {
            LogKey::Plain => RedactedKey::Plain(key[..key.len().min(MAX_SHOWN)].into()),
            LogKey::Hash => RedactedKey::Hash(self.identify(key)),
            LogKey::Off => RedactedKey::Off,
        }
    }
}

impl fmt::Display for RedactedKey {
    /// A plain key as text, with U+FFFD for bytes that are not UTF-8; a hash as sixteen hexadecimal digits; otherwise
    /// `-`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(key) => f.write_str(&String::from_utf8_lossy(key)),
            Self::Hash(hash) => write!(f, "{hash:016x}"),
            Self::Off => f.write_str("-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_in_each_form() {
        let show = |form, key: &[u8]| KeyRedactor::new(form).show(key).to_string();
        assert_eq!(show(LogKey::Plain, b"alice\xff"), "alice\u{fffd}");
        assert_eq!(show(LogKey::Plain, &[b'x'; 300]).len(), MAX_SHOWN);
        assert_eq!(show(LogKey::Off, b"alice"), "-");
        let hash = show(LogKey::Hash, b"alice");
        assert!(hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash}");
        assert_ne!(hash, show(LogKey::Hash, b"alice"), "another process has another secret");
    }

    #[test]
    fn equal_keys_have_equal_hashes_within_a_process() {
        let form = KeyRedactor::new(LogKey::Hash);
        let worker = form.clone();
        assert_eq!(form.show(b"alice"), worker.show(b"alice"));
        assert_ne!(form.show(b"alice"), form.show(b"alicf"));
        assert_ne!(form.show(&[b'x'; 300]), form.show(&[b'x'; 301]), "the whole key is hashed");
    }
}
