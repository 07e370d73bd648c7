//! Parsers of single values: durations, sizes, numbers, words.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use awc::http::uri::PathAndQuery;
use ipnet::IpNet;

pub(super) use crate::number::count;
use crate::observe::access_log;
use crate::ring::{Layout, SeatId, Weight};
use crate::statuses::Statuses;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A value that can be turned `off`, which is `None`.
pub(super) type OrOff<T> = Option<T>;

/// The label that separates balancers on one engine: `[a-z0-9][a-z0-9_.-]*`, at most 63.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster(String);

impl Cluster {
    /// The label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A duration from `MIN` milliseconds to a day; a longer one could overflow a timer, and is most likely a typing error.
pub(super) fn duration<const MIN: u64>(text: &str) -> Result<Duration, String> {
    let min = Duration::from_millis(MIN);
    humantime::parse_duration(text).ok().filter(|given| (min..=DAY).contains(given)).ok_or_else(|| {
        let (min, max) = (humantime::format_duration(min), humantime::format_duration(DAY));
        format!("must be a duration such as 500ms, 2s or 1m, from {min} to {max}")
    })
}

/// A duration as [`duration`] parses it, or `off`.
pub(super) fn duration_or_off<const MIN: u64>(text: &str) -> Result<OrOff<Duration>, String> {
    if text == "off" {
        return Ok(None);
    }
    duration::<MIN>(text).map(Some).map_err(|error| format!("{error}, or 'off'"))
}

/// A percentage from 0 to 100, its sign optional.
pub(super) fn percent(text: &str) -> Result<u32, String> {
    count::<u32, 0, 100>(text.strip_suffix('%').unwrap_or(text).trim_end())
        .map_err(|_| "must be a percentage such as 20%, from 0% to 100%".into())
}

/// A factor from 1 to 1,000 in thousandths, or `off`.
pub(super) fn factor_or_off(text: &str) -> Result<OrOff<u32>, String> {
    if text == "off" {
        return Ok(None);
    }
    let factor = text.parse::<f64>().ok().filter(|factor| (1.0..=1000.0).contains(factor));
    let per_mille = factor.map(|factor| (factor * 1000.0).round() as u32);
    per_mille.map(Some).ok_or_else(|| "must be a number such as 1.25, from 1 to 1000, or 'off'".into())
}

/// A size in bytes, from MIN to MAX.
pub(super) fn size<const MIN: usize, const MAX: usize>(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text[digits.len()..].trim() {
        "" | "B" => Some(1),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    let range = || format!("must be a size such as 512, 16KiB or 1MiB, from {} to {}", Size(MIN), Size(MAX));
    unit.and_then(|unit| digits.parse::<usize>().ok()?.checked_mul(unit))
        .filter(|size| (MIN..=MAX).contains(size))
        .ok_or_else(range)
}

/// The largest body of a request, from 1 B to 1 TiB, or `off`.
pub(super) fn body_or_off(text: &str) -> Result<OrOff<u64>, String> {
    if text == "off" {
        return Ok(None);
    }
    size::<1, { 1 << 40 }>(text).map(|size| Some(size as u64)).map_err(|error| format!("{error}, or 'off'"))
}

/// A host name (RFC 1123 §2.1), without a port.
pub(super) fn host(text: &str) -> Result<String, String> {
    let good = |label: &str| {
        let of = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        !label.is_empty() && label.len() <= 63 && label.chars().all(of)
    };
    if text.len() > 253 || !text.split('.').all(good) {
        return Err("must be host names such as lb.example, without a port".into());
    }
    Ok(text.to_owned())
}

/// The value of a `Host` header: a name or an address, an IPv6 address in brackets, with or without a port.
pub(super) fn host_field(text: &str) -> Result<String, String> {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let is_name = match address {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host(name).is_ok(),
    };
    if !is_name || port.is_some_and(|port| count::<u16, 1, 65_535>(port).is_err()) {
        return Err("must be a host, such as shop.example, shop.example:8080 or [::1]:80".into());
    }
    Ok(text.to_owned())
}

/// Statuses of final replies that a heartbeat accepts.
pub(super) fn good_statuses(text: &str) -> Result<Statuses, String> {
    Statuses::parse(text, &(200..=599))
        .ok_or_else(|| "must be statuses such as 200-299,404 or 2xx, from 200 to 599".into())
}

/// Statuses of replies that count towards an ejection, or `off`: none.
pub(super) fn eject_on(text: &str) -> Result<Statuses, String> {
    if text == "off" {
        return Ok(Statuses::none());
    }
    Statuses::parse(text, &(400..=599))
        .ok_or_else(|| "must be statuses such as 500,502-504 or 5xx, from 400 to 599, or 'off'".into())
}

/// An address to listen on.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "must be an IP address and a port, such as 127.0.0.1:5000".into())
}

/// An address to listen on, or `off`.
pub(super) fn address_or_off(text: &str) -> Result<OrOff<SocketAddr>, String> {
    if text == "off" {
        return Ok(None);
    }
    address(text).map(Some).map_err(|error| format!("{error}, or 'off'"))
}

/// The access log, or `off`.
pub(super) fn access_log_or_off(text: &str) -> Result<OrOff<access_log::Settings>, String> {
    if text == "off" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(str::to_owned)
}

/// A network such as `10.0.0.0/8` or `fd00::/8`, or a single address.
pub(super) fn cidr(text: &str) -> Result<IpNet, String> {
    let single = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let net = text.parse().ok().or_else(single);
    net.ok_or_else(|| "must be networks or addresses, such as 10.0.0.0/8,192.0.2.1,fd00::/8".into())
}

/// A request target in origin form (RFC 9112, 3.2.1), or `off`.
pub(super) fn path_or_off(text: &str) -> Result<OrOff<PathAndQuery>, String> {
    if text == "off" {
        return Ok(None);
    }
    let target = text.starts_with('/') && !text.contains('#');
    let path = text.parse().ok().filter(|_| target);
    path.map(Some).ok_or_else(|| "must be a path that starts with '/', without spaces, or 'off'".into())
}

/// The value that belongs to one of these words.
pub(super) fn one_of<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| format!("'{word}'")).collect();
        match words.split_last() {
            Some((last, others)) if !others.is_empty() => format!("must be {} or {last}", others.join(", ")),
            _ => format!("must be {}", words.concat()),
        }
    })
}

/// `on` or `off`; TOML's `true` and `false` too.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err("must be 'on' or 'off'".into()),
    }
}

/// A command line, split into words by the quoting rules of a shell; other shell syntax is not interpreted.
pub(super) fn command(text: &str) -> Result<Vec<String>, String> {
    let words = shlex::split(text).ok_or("has a quote that is not closed")?;
    if words.first().is_none_or(String::is_empty) {
        return Err("must name a program".into());
    }
    Ok(words)
}

/// Parses a [`Cluster`].
pub(super) fn cluster(text: &str) -> Result<Cluster, String> {
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good = text.len() <= 63
        && text.starts_with(lower)
        && text.chars().all(|c| lower(c) || matches!(c, '_' | '.' | '-'));
    if !good {
        return Err("must be 1 to 63 of a-z, 0-9, '_', '.' and '-', starting with a letter or a digit".into());
    }
    Ok(Cluster(text.into()))
}

/// Weights by seat.
pub(super) type Weights = BTreeMap<SeatId, Weight>;

/// `SEAT=WEIGHT,…`, each seat at most once; empty for an empty TOML table.
pub(super) fn weights(text: &str) -> Result<Weights, String> {
    let mut weights = Weights::new();
    for part in text.split(',').filter(|_| !text.is_empty()) {
        let seat = |text: &str| count::<u32, 1, { Layout::MAX_SLOTS }>(text).ok().and_then(SeatId::new);
        let weight = |text: &str| text.parse().ok().and_then(Weight::new);
        let pair = part.split_once('=').and_then(|(of, w)| Some((seat(of.trim())?, weight(w.trim())?)));
        let (seat, weight) =
            pair.ok_or("must be SEAT=WEIGHT, such as 1=200,2=50, with weights from 1 to 1000")?;
        if weights.insert(seat, weight).is_some() {
            return Err(format!("seat {seat} is given twice"));
        }
    }
    Ok(weights)
}

/// A size in the largest unit that gives a whole number.
struct Size(usize);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bits, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
            if self.0 >= 1 << bits && self.0.is_multiple_of(1 << bits) {
                return write!(f, "{}{unit}", self.0 >> bits);
            }
        }
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration::<1>("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration::<1>("1m"), Ok(Duration::from_secs(60)));
        assert_eq!(duration::<0>("0s"), Ok(Duration::ZERO));
        assert_eq!(duration::<1>("24h"), Ok(DAY));
        for bad in ["", "5", "0s", "-1s", "25h", "1.5s x", "1e30y", "soon"] {
            let error = duration::<1>(bad).unwrap_err();
            assert_eq!(error, "must be a duration such as 500ms, 2s or 1m, from 1ms to 1day", "{bad:?}");
        }
    }

    #[test]
    fn shares() {
        assert_eq!(percent("20%"), Ok(20));
        assert_eq!(percent("0"), Ok(0));
        assert_eq!(factor_or_off("1.25"), Ok(Some(1250)));
        assert_eq!(factor_or_off("off"), Ok(None));
        assert_eq!(duration_or_off::<1>("off"), Ok(None));
        assert!(duration_or_off::<1>("0s").unwrap_err().ends_with(", or 'off'"));
        for bad in ["", "101%", "-1", "0.2", "%", "NaN"] {
            assert!(percent(bad).unwrap_err().contains("20%"), "{bad:?}");
        }
        for bad in ["", "0.99", "1001", "NaN", "inf", "-2", "on"] {
            assert!(factor_or_off(bad).unwrap_err().contains("1.25"), "{bad:?}");
        }
    }

    #[test]
    fn sizes() {
        let size = size::<1, { 64 << 20 }>;
        assert_eq!(size("512"), Ok(512));
        assert_eq!(size("512B"), Ok(512));
        assert_eq!(size("16KiB"), Ok(16384));
        assert_eq!(size("64 MiB"), Ok(64 << 20));
        for bad in
            ["", "0", "KiB", "-1", "1kb", "65MiB", "1GiB", "99999999999999999999", "9007199254740993MiB"]
        {
            assert!(size(bad).unwrap_err().ends_with("from 1 to 64MiB"), "{bad:?}");
        }
        assert_eq!(body_or_off("off"), Ok(None));
        assert_eq!(body_or_off("2GiB"), Ok(Some(2 << 30)));
        assert!(body_or_off("no").unwrap_err().ends_with("from 1 to 1024GiB, or 'off'"));
    }

    #[test]
    fn numbers_and_words() {
        assert_eq!(count::<u32, 0, 20>("20"), Ok(20));
        for bad in ["", "-1", "21", "1.0", "x", "99999999999999999999"] {
            assert_eq!(
                count::<u32, 0, 20>(bad).unwrap_err(),
                "must be a whole number from 0 to 20",
                "{bad:?}"
            );
        }
        assert_eq!(switch("true"), Ok(true));
        assert_eq!(switch("off"), Ok(false));
        assert!(switch("yes").is_err());
        assert_eq!(path_or_off("off"), Ok(None));
        assert_eq!(path_or_off("/health?full=1"), Ok(Some(PathAndQuery::from_static("/health?full=1"))));
        for bad in ["", "health", "/a b", "/a#b", "/ä", "/a\r\nHost: x"] {
            assert!(path_or_off(bad).is_err(), "{bad:?}");
        }
        assert_eq!(address_or_off("off"), Ok(None));
        assert!(address_or_off("localhost:5001").unwrap_err().contains("'off'"));
        assert_eq!(host("LB-1.example"), Ok("LB-1.example".into()));
        for bad in ["", "a:80", "a..b", ".a", "a.", "*.a", "a b", "http://a", "[::1]", "ä", &"a.".repeat(130)]
        {
            assert!(host(bad).is_err(), "{bad:?}");
        }
        for good in ["shop.example", "shop.example:8080", "10.0.0.1:1", "[::1]", "[fd00::1]:80", "localhost"]
        {
            assert_eq!(host_field(good), Ok(good.into()));
        }
        for bad in
            ["", ":80", "a:", "a:0", "a:65536", "::1", "[::1", "[a]:1", "http://a", "a b", "a\r\nb", "a/b"]
        {
            assert!(host_field(bad).is_err(), "{bad:?}");
        }
        assert!(eject_on("501,5xx").is_ok_and(|statuses| statuses.contains(505)));
        assert_eq!(eject_on("off"), Ok(Statuses::none()));
        assert!(eject_on("200").unwrap_err().ends_with("or 'off'"));
        assert!(good_statuses("off").is_err() && good_statuses("404").is_ok());
        for bad in ["", "-a", "A", "a/b", "a b"] {
            assert!(cluster(bad).is_err(), "{bad:?}");
        }
        assert!(cluster(&"a".repeat(64)).is_err());
        assert_eq!(cluster("team-1.x_y").unwrap().as_str(), "team-1.x_y");
    }

    #[test]
    fn weights_of_seats() {
        let parsed = weights("1=200, 3 = 1,2=1000").unwrap();
        let shown: Vec<_> = parsed.iter().map(|(seat, weight)| (seat.get(), weight.get())).collect();
        assert_eq!(shown, [(1, 200), (2, 1000), (3, 1)]);
        assert_eq!(weights(""), Ok(Weights::new()));
        for bad in ["1", "0=1", "1=0", "1=1001", "1=-1", "1=1.5", "a=1", "1=2=3", "1=2,", "1048577=1"] {
            assert!(weights(bad).unwrap_err().starts_with("must be SEAT=WEIGHT"), "{bad:?}");
        }
        assert_eq!(weights("1=2,01=3").unwrap_err(), "seat 1 is given twice");
    }

    #[test]
    fn command_lines() {
        assert_eq!(
            command("python3 -m http.server '{port}' --dir \"a b\"").unwrap(),
            ["python3", "-m", "http.server", "{port}", "--dir", "a b"]
        );
        for bad in ["", "  ", "''", "# comment", "echo 'x"] {
            assert!(command(bad).is_err(), "{bad:?}");
        }
    }
}
