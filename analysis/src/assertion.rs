//! `--assert` conditions on results, for use in CI: `peak_to_average<1.2`.

use std::fmt;
use std::str::FromStr;

use crate::report::Section;

/// A bound on a metric of one experiment, or of every experiment that has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Assertion {
    experiment: Option<String>,
    figure: String,
    comparison: Comparison,
    bound: f64,
}

/// The text is not an [`Assertion`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected [EXPERIMENT.]FIGURE, one of < <= > >= = and a number, as in 'peak_to_average<1.2'")]
pub struct InvalidAssertion;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    AtMost,
    Below,
    AtLeast,
    Above,
    Equal,
}

/// Longer signs come first, because `<=` starts with `<`.
const SIGNS: [(&str, Comparison); 5] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("<", Comparison::Below),
    (">", Comparison::Above),
    ("=", Comparison::Equal),
];

impl Assertion {
    /// Whether it applies to this figure of this experiment.
    pub fn matches(&self, experiment: &str, figure: &str) -> bool {
        self.experiment.as_ref().is_none_or(|name| name == experiment) && self.figure == figure
    }

    /// One line per experiment in which the assertion does not hold. A figure that was not measured is a violation.
    pub fn violations(&self, sections: &[Section]) -> Vec<String> {
        let value = |section: &Section| {
            let metric = section.metrics.iter().find(|(figure, _)| self.matches(section.name, figure));
            metric.map(|(figure, value)| (format!("{}.{figure}", section.name), *value))
        };
        let measured: Vec<_> = sections.iter().filter_map(value).collect();
        if measured.is_empty() {
            return vec![format!("{self} does not hold: it was not measured")];
        }
        let failed = measured.into_iter().filter(|(_, value)| !self.holds(*value));
        failed.map(|(name, value)| format!("{self} does not hold: {name} is {value}")).collect()
    }

    fn holds(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::AtMost => value <= self.bound,
            Comparison::Below => value < self.bound,
            Comparison::AtLeast => value >= self.bound,
            Comparison::Above => value > self.bound,
            Comparison::Equal => value == self.bound,
        }
    }
}

impl FromStr for Assertion {
    type Err = InvalidAssertion;

    fn from_str(text: &str) -> Result<Self, InvalidAssertion> {
        let signs = SIGNS.iter().find_map(|(sign, it)| text.split_once(sign).map(|parts| (parts, *it)));
        let ((name, bound), comparison) = signs.ok_or(InvalidAssertion)?;
        let (experiment, figure) = match name.trim().split_once('.') {
            Some((experiment, figure)) => (Some(experiment.to_owned()), figure),
            None => (None, name.trim()),
        };
        let bound: f64 = bound.trim_start_matches('=').trim().parse().map_err(|_| InvalidAssertion)?;
        if figure.is_empty() || !bound.is_finite() {
            return Err(InvalidAssertion);
        }
        Ok(Self { experiment, figure: figure.into(), comparison, bound })
    }
}

impl fmt::Display for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(experiment) = &self.experiment {
            write!(f, "{experiment}.")?;
        }
        let sign = SIGNS.iter().find(|(_, comparison)| *comparison == self.comparison);
        write!(f, "{}{}{}", self.figure, sign.map_or("", |(sign, _)| sign), self.bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assertion(text: &str) -> Assertion {
        text.parse().unwrap()
    }

    fn section(name: &'static str, metrics: &[(&'static str, f64)]) -> Section {
        Section { metrics: metrics.to_vec(), ..Section::new(name, name) }
    }

    #[test]
    fn assertions_are_parsed() {
        for text in ["peak_to_average<1.2", "a.b>=0", "x=0.5", "x<=1", "x>-3"] {
            assert_eq!(assertion(text).to_string(), text);
        }
        assert_eq!(assertion("x == 2"), assertion("x=2"));
        for bad in ["", "x", "x<", "<1", "x<y", "x<inf", "x!1", "a.<1"] {
            assert_eq!(bad.parse::<Assertion>(), Err(InvalidAssertion), "{bad}");
        }
    }

    #[test]
    fn an_assertion_must_hold_in_every_experiment_that_has_the_figure() {
        let sections = [section("a", &[("x", 1.0), ("y", 9.0)]), section("b", &[("x", 2.0)])];
        let violations = |text: &str| assertion(text).violations(&sections);
        assert!(
            violations("x<3").is_empty() && violations("a.x<=1").is_empty() && violations("y=9").is_empty()
        );
        assert_eq!(violations("x<2"), ["x<2 does not hold: b.x is 2"]);
        assert_eq!(violations("x>2").len(), 2);
        assert_eq!(violations("b.y>0"), ["b.y>0 does not hold: it was not measured"]);
    }
}
