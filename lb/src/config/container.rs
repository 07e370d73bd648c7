//! Value parsers of the Docker settings: image, network, environment, limits, capabilities.

use std::collections::BTreeMap;

/// Environment variables by name.
pub(super) type Variables = BTreeMap<String, String>;

/// The smallest memory limit that the engine accepts.
const MIN_MEMORY: u64 = 6 << 20;

/// Variables that the balancer sets itself.
const RESERVED: [&str; 2] = ["PORT", "SERVER_ID"];

/// The name of an image, `[HOST/]PATH[:TAG][@DIGEST]`, or its id. Only the characters are checked; the engine checks
/// the grammar.
pub(super) fn image(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-:/@".contains(c);
    let good = text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(allowed);
    if good { Ok(text.into()) } else { Err("must be the name of an image, such as my-server:1.2".into()) }
}

/// The name of a Docker network.
pub(super) fn network(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let good = text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(allowed);
    if good { Ok(text.into()) } else { Err("must be the name of a network, such as net1".into()) }
}

/// `K=V,…`; a part that is not `K=V` belongs to the value before it.
pub(super) fn variables(text: &str) -> Result<Variables, String> {
    let mut variables: Vec<(String, String)> = Vec::new();
    for part in text.split(',') {
        match (part.split_once('=').filter(|(name, _)| is_variable(name)), variables.last_mut()) {
            (Some((name, value)), _) => variables.push((name.into(), value.into())),
            (None, Some((_, value))) => *value = format!("{value},{part}"),
            (None, None) => return Err("must be K=V, where K is a name of letters, digits and '_'".into()),
        }
    }
    match variables.iter().find(|(name, _)| RESERVED.contains(&name.as_str())) {
        Some((name, _)) => Err(format!("{name} is set by the balancer")),
        None => Ok(variables.into_iter().collect()),
    }
}

/// The memory of a container, from 6 MiB to 1 TiB.
pub(super) fn memory(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text[digits.len()..].trim() {
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    unit.and_then(|unit| digits.parse::<u64>().ok()?.checked_mul(unit))
        .filter(|size| (MIN_MEMORY..=1 << 40).contains(size))
        .ok_or_else(|| "must be a size such as 512MiB or 2GiB, from 6MiB to 1024GiB".into())
}

/// A Linux capability, with or without `CAP_`.
pub(super) fn capability(text: &str) -> Result<String, String> {
    let name = text.strip_prefix("CAP_").unwrap_or(text);
    let good = !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    if good { Ok(name.into()) } else { Err("must be a capability, such as NET_BIND_SERVICE".into()) }
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_variables() {
        let parsed = variables("A=1,B=x,y=,z,C=,D=a=b").unwrap();
        let expected = [("A", "1"), ("B", "x"), ("y", ",z"), ("C", ""), ("D", "a=b")];
        assert_eq!(parsed, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert_eq!(variables("OPTS=-a,-b").unwrap()["OPTS"], "-a,-b");
        for bad in ["", "A", "=1", "1A=1", "a b=1", "SERVER_ID=x", "A=1,PORT=2"] {
            assert!(variables(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(memory("6MiB"), Ok(6 << 20));
        assert_eq!(memory("2 GiB"), Ok(2 << 30));
        for bad in ["", "5MiB", "512", "1025GiB", "1kb", "-1GiB", "99999999999999999999GiB"] {
            assert!(memory(bad).unwrap_err().contains("512MiB"), "{bad:?}");
        }
    }

    #[test]
    fn names() {
        for good in ["lb-replica", "host:5000/a/b_c:1.2", "a@sha256:00ff", "sha256:00ff"] {
            assert_eq!(image(good).as_deref(), Ok(good));
        }
        for bad in ["", "-x", "a b", "ä", "a\nb"] {
            assert!(image(bad).is_err() && network(bad).is_err(), "{bad:?}");
        }
        assert_eq!(capability("CAP_NET_RAW").as_deref(), Ok("NET_RAW"));
        for bad in ["", "CAP_", "net_raw", "A B"] {
            assert!(capability(bad).is_err(), "{bad:?}");
        }
    }
}
