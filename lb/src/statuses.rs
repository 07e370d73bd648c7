//! Sets of HTTP status codes in the form of the configuration: `500,502-504`, `5xx`.

use std::ops::RangeInclusive;
use std::sync::Arc;

/// A set of HTTP status codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses(Arc<[RangeInclusive<u16>]>);

impl Default for Statuses {
    /// 200 to 399: the statuses that are not errors.
    fn default() -> Self {
        Self([200..=399].into())
    }
}

impl Statuses {
    /// The empty set.
    pub fn none() -> Self {
        Self(Arc::default())
    }

    /// Whether a status is in the set.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }

    /// Parses a comma-separated list of statuses (`500`), ranges (`502-504`) and classes (`5xx`), each within
    /// `allowed`. `None` if an item is none of these or the list is empty.
    pub(crate) fn parse(text: &str, allowed: &RangeInclusive<u16>) -> Option<Self> {
        let ranges = text.split(',').map(|item| range(item.trim()));
        let ranges = ranges.map(|range| {
            range.filter(|range| {
                range.start() <= range.end()
                    && allowed.contains(range.start())
                    && allowed.contains(range.end())
            })
        });
        ranges.collect::<Option<Vec<_>>>().map(|ranges| Self(ranges.into()))
    }
}

/// Parses one item of the list: a status, a range or a class.
fn range(item: &str) -> Option<RangeInclusive<u16>> {
    let status = |text: &str| {
        let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok())?
    };
    let class = item.strip_suffix("xx").or_else(|| item.strip_suffix("XX"));
    if let Some(class) = class {
        let first = status(&format!("{class}00"))?;
        return Some(first..=first + 99);
    }
    match item.split_once('-') {
        Some((first, last)) => Some(status(first.trim_end())?..=status(last.trim_start())?),
        None => status(item).map(|status| status..=status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_ranges_and_classes_are_parsed() {
        let members = |text: &str| {
            let statuses = Statuses::parse(text, &(200..=599)).unwrap_or_else(|| panic!("{text}"));
            (100..1000).filter(|status| statuses.contains(*status)).collect::<Vec<_>>()
        };
        assert_eq!(members("500,502-504"), [500, 502, 503, 504]);
        assert_eq!(members(" 501 , 404 - 405"), [404, 405, 501]);
        assert_eq!(members("5xx"), (500..600).collect::<Vec<_>>());
        assert_eq!(members("2xx,200"), (200..300).collect::<Vec<_>>());
        for bad in [
            "", ",", "500,", "50", "5000", "5x", "xxx", "9xx", "504-502", "100", "600", "199-200", "+50",
            "5-6", "off",
        ] {
            assert_eq!(Statuses::parse(bad, &(200..=599)), None, "{bad:?}");
        }
        assert!((0..1000).all(|status| !Statuses::none().contains(status)));
    }
}
