//! Conditions on results, for use as a gate: `peak_to_average<1.2`.

use std::fmt;
use std::str::FromStr;

use crate::report::Section;

/// A bound on a figure, of one experiment or of all that have it.
#[derive(Clone, Debug, PartialEq)]
pub struct Assertion {
    experiment: Option<String>,
    figure: String,
    comparison: Comparison,
    bound: f64,
}

/// A text that is no [`Assertion`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected [EXPERIMENT.]FIGURE, one of < <= > >= = and a number, as in 'peak_to_average<1.2'")]
pub struct NotAnAssertion;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    AtMost,
    Below,
    AtLeast,
    Above,
    Equal,
}

/// The longer signs first: `<=` starts with `<`.
const SIGNS: [(&str, Comparison); 5] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("<", Comparison::Below),
    (">", Comparison::Above),
    ("=", Comparison::Equal),
];

impl Assertion {
    /// Whether it speaks of this figure.
    pub fn names(&self, experiment: &str, figure: &str) -> bool {
        self.experiment.as_ref().is_none_or(|name| name == experiment) && self.figure == figure
    }

    /// Why it does not hold, a line for each experiment; a figure that was not measured does not hold either.
    pub fn broken(&self, sections: &[Section]) -> Vec<String> {
        let named = |section: &Section| {
            let fact = section.facts.iter().find(|(figure, _)| self.names(section.name, figure));
            fact.map(|(figure, value)| (format!("{}.{figure}", section.name), *value))
        };
        let measured: Vec<_> = sections.iter().filter_map(named).collect();
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
    type Err = NotAnAssertion;

    fn from_str(text: &str) -> Result<Self, NotAnAssertion> {
        let signs = SIGNS.iter().find_map(|(sign, it)| text.split_once(sign).map(|parts| (parts, *it)));
        let ((name, bound), comparison) = signs.ok_or(NotAnAssertion)?;
        let (experiment, figure) = match name.trim().split_once('.') {
            Some((experiment, figure)) => (Some(experiment.to_owned()), figure),
            None => (None, name.trim()),
        };
        let bound: f64 = bound.trim_start_matches('=').trim().parse().map_err(|_| NotAnAssertion)?;
        if figure.is_empty() || !bound.is_finite() {
            return Err(NotAnAssertion);
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

    fn section(name: &'static str, facts: &[(&'static str, f64)]) -> Section {
        Section { facts: facts.to_vec(), ..Section::new(name, name) }
    }

    #[test]
    fn what_is_an_assertion() {
        for text in ["peak_to_average<1.2", "a.b>=0", "x=0.5", "x<=1", "x>-3"] {
            assert_eq!(assertion(text).to_string(), text);
        }
        assert_eq!(assertion("x == 2"), assertion("x=2"));
        for bad in ["", "x", "x<", "<1", "x<y", "x<inf", "x!1", "a.<1"] {
            assert_eq!(bad.parse::<Assertion>(), Err(NotAnAssertion), "{bad}");
        }
    }

    #[test]
    fn it_must_hold_wherever_the_figure_was_measured() {
        let sections = [section("a", &[("x", 1.0), ("y", 9.0)]), section("b", &[("x", 2.0)])];
        let broken = |text: &str| assertion(text).broken(&sections);
        assert!(broken("x<3").is_empty() && broken("a.x<=1").is_empty() && broken("y=9").is_empty());
        assert_eq!(broken("x<2"), ["x<2 does not hold: b.x is 2"]);
        assert_eq!(broken("x>2").len(), 2);
        assert_eq!(broken("b.y>0"), ["b.y>0 does not hold: it was not measured"]);
    }
}
