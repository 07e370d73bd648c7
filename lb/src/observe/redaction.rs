//! Which form a request's key takes where people read it (`--log-key`): the access log and the hot keys.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

/// How much of a key is shown, in bytes.
pub const MAX_SHOWN: usize = 256;

/// The form (`--log-key`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogKey {
    /// As it is, cut at [`MAX_SHOWN`] bytes.
    Plain,
    /// Its hash: the same key is the same hash, in the log and in the hot keys, until the process ends.
    ///
    /// It hides who is who, numbers and addresses too: without the secret, which is drawn at the start and never
    /// written down, keys cannot be tried out. It does not hide how often a key comes, or with what.
    #[default]
    Hash,
    /// Not at all.
    Off,
}

/// Puts keys into that form.
#[derive(Clone, Debug)]
pub struct KeyRedactor {
    form: LogKey,
    secret: RandomState,
}

/// A key as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RedactedKey {
    /// The key.
    Plain(Arc<[u8]>),
    /// Its hash.
    Hash(u64),
    /// There is one.
    Off,
}

impl KeyRedactor {
    /// With a new secret.
    pub fn new(form: LogKey) -> Self {
        Self { form, secret: RandomState::new() }
    }

    /// Another form, with the same secret.
    pub fn with(&self, form: LogKey) -> Self {
        Self { form, secret: self.secret.clone() }
    }

    /// The form.
    pub fn form(&self) -> LogKey {
        self.form
    }

    /// A number that stands for this key until the process ends.
    pub fn identify(&self, key: &[u8]) -> u64 {
        self.secret.hash_one(key)
    }

    /// The key as it may be shown.
    pub fn show(&self, key: &[u8]) -> RedactedKey {
        match self.form {
            LogKey::Plain => RedactedKey::Plain(key[..key.len().min(MAX_SHOWN)].into()),
            LogKey::Hash => RedactedKey::Hash(self.identify(key)),
            LogKey::Off => RedactedKey::Off,
        }
    }
}

impl fmt::Display for RedactedKey {
    /// A plain key as text, what is none replaced; a hash as sixteen digits; `-` for what is not shown.
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
    fn every_form_of_a_key() {
        let show = |form, key: &[u8]| KeyRedactor::new(form).show(key).to_string();
        assert_eq!(show(LogKey::Plain, b"alice\xff"), "alice\u{fffd}");
        assert_eq!(show(LogKey::Plain, &[b'x'; 300]).len(), MAX_SHOWN);
        assert_eq!(show(LogKey::Off, b"alice"), "-");
        let hash = show(LogKey::Hash, b"alice");
        assert!(hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash}");
        assert_ne!(hash, show(LogKey::Hash, b"alice"), "another process has another secret");
    }

    #[test]
    fn within_a_process_a_hash_stands_for_its_key() {
        let form = KeyRedactor::new(LogKey::Hash);
        let worker = form.clone();
        assert_eq!(form.show(b"alice"), worker.show(b"alice"));
        assert_ne!(form.show(b"alice"), form.show(b"alicf"));
        assert_ne!(form.show(&[b'x'; 300]), form.show(&[b'x'; 301]), "nothing is cut before it is hashed");
    }
}
