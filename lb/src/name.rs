//! Names of replicas: their grammar, their container names, and random names.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::text::shortened;

/// Number of characters of a refused text that the error repeats at most.
const MAX_ECHO: usize = 80;

/// A replica's hostname: 1–63 of `[A-Za-z0-9 _.-]`, starting with a letter or a digit, without `.leaving.`,
/// and not `lb.record.<n>`: the engine has containers of that name that store the target.
///
/// Two names clash ([`Name::clashes`]) when their container names are equal, for example `a b` and `a_b`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, utoipa::ToSchema)]
#[schema(value_type = String, pattern = "^[A-Za-z0-9][A-Za-z0-9 _.-]{0,62}$", example = "server1")]
pub struct Name(Arc<str>);

/// Error of a text that is not a valid [`Name`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Hostname '{0}' is not allowed: 1 to 63 of letters, digits, space, '_', '.' and '-', starting with a \
     letter or a digit, without '.leaving.', and not 'lb.record.' with a number"
)]
pub struct InvalidName(String);

impl Name {
    /// Maximum length in bytes.
    pub const MAX: usize = 63;

    /// `server<n>`: the names of the replicas of the first start.
    pub fn server(n: usize) -> Self {
        Self(format!("server{n}").into())
    }

    /// A random name of the form `[a-z][a-z0-9]{6}`.
    pub fn random(rng: &mut fastrand::Rng) -> Self {
        let first = rng.lowercase();
        let rest = std::iter::repeat_with(|| char::from_digit(rng.u32(0..36), 36).unwrap_or('0'));
        Self(std::iter::once(first).chain(rest.take(6)).collect::<String>().into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The container name: spaces become `_`, and a single character gets a `_` appended, because Docker refuses names
    /// of one character.
    pub fn container(&self) -> String {
        let mut container = self.0.replace(' ', "_");
        if container.len() == 1 {
            container.push('_');
        }
        container
    }

    /// Whether both have the same container name.
    pub fn clashes(&self, other: &Self) -> bool {
        self.container() == other.container()
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '.' | '-');
        let good = (1..=Self::MAX).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(allowed)
            && !text.contains(".leaving.")
            && !text.strip_prefix("lb.record.").is_some_and(|n| n.chars().all(|c| c.is_ascii_digit()));
        if good { Ok(Self(text.into())) } else { Err(InvalidName(shortened(text, MAX_ECHO))) }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_validated() {
        let longest = "a".repeat(63);
        for good in ["server1", "S5", "3", "a b", "a_b.c-d", longest.as_str()] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        let too_long = "a".repeat(64);
        for bad in [
            "",
            " a",
            ".a",
            "_a",
            "a/b",
            "../a",
            "ä",
            "a\nb",
            "a.leaving.7",
            "lb.record.7",
            too_long.as_str(),
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_error_shows_only_the_start_of_a_long_text() {
        let error = "x".repeat(1 << 20).parse::<Name>().unwrap_err();
        assert!(error.to_string().len() < 400);
    }

    #[test]
    fn names_with_equal_container_names_clash() {
        let name = |text: &str| text.parse::<Name>().unwrap();
        assert_eq!(name("3").container(), "3_");
        assert_eq!(name("a b c").container(), "a_b_c");
        assert!(name("a b").clashes(&name("a_b")));
        assert!(!name("a").clashes(&name("b")));
    }

    #[test]
    fn random_names_are_valid() {
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..1000 {
            let name = Name::random(&mut rng);
            assert_eq!(name.as_str().len(), 7);
            assert!(name.as_str().starts_with(|c: char| c.is_ascii_lowercase()));
            assert!(name.as_str().parse::<Name>().is_ok());
        }
    }
}
