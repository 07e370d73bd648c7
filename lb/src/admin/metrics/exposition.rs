//! Metric families in the text format of Prometheus, encoded by its client library.

use prometheus::proto::{Bucket, Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{TEXT_FORMAT, TextEncoder};

use crate::stats::histogram::Histogram;

/// The content type of [`Exposition::text`].
pub const CONTENT_TYPE: &str = TEXT_FORMAT;

/// The families of one scrape, in the order in which they were added.
#[derive(Default)]
pub struct Exposition(Vec<MetricFamily>);

/// Label names and values of a series.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// A family to which series are added.
pub struct Family<'a>(&'a mut MetricFamily);

impl Exposition {
    /// Adds a family of counters; its name ends with `_total`.
    pub fn counters(&mut self, name: &str, help: &str) -> Family<'_> {
        self.family(name, help, MetricType::COUNTER)
    }

    /// Adds a family of gauges.
    pub fn gauges(&mut self, name: &str, help: &str) -> Family<'_> {
        self.family(name, help, MetricType::GAUGE)
    }

    /// Adds a family of histograms; its name ends with `_seconds`.
    pub fn histograms(&mut self, name: &str, help: &str) -> Family<'_> {
        self.family(name, help, MetricType::HISTOGRAM)
    }

    /// Adds a counter without labels.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.counters(name, help).count(&[], value);
    }

    /// Adds a gauge without labels.
    pub fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.gauges(name, help).set(&[], value);
    }

    /// Encodes all families; one without series is omitted.
    pub fn text(mut self) -> String {
        self.0.retain(|family| !family.get_metric().is_empty());
        // The encoder fails only for families without a name or a series.
        TextEncoder.encode_to_string(&self.0).unwrap_or_default()
    }

    fn family(&mut self, name: &str, help: &str, kind: MetricType) -> Family<'_> {
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        let at = self.0.len();
        self.0.push(family);
        Family(&mut self.0[at])
    }
}

impl Family<'_> {
    /// Adds a counter.
    pub fn count(&mut self, labels: Labels<'_>, value: u64) {
        let mut counter = Counter::default();
        counter.set_value(value as f64);
        self.add(labels, |metric| metric.set_counter(counter));
    }

    /// Adds a counter with a fractional value.
    pub fn sum(&mut self, labels: Labels<'_>, value: f64) {
        let mut counter = Counter::default();
        counter.set_value(value);
        self.add(labels, |metric| metric.set_counter(counter));
    }

    /// Adds a gauge.
    pub fn set(&mut self, labels: Labels<'_>, value: f64) {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        self.add(labels, |metric| metric.set_gauge(gauge));
    }

    /// Adds a histogram in seconds, with upper bounds of 2^n µs for each n of `doublings`.
    pub fn observe(
        &mut self,
        labels: Labels<'_>,
        seen: &Histogram,
        doublings: std::ops::RangeInclusive<u32>,
    ) {
        let bucket = |n: u32| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound((1u64 << n) as f64 / 1e6);
            bucket.set_cumulative_count(seen.up_to(n));
            bucket
        };
        let mut histogram = prometheus::proto::Histogram::default();
        histogram.set_bucket(doublings.map(bucket).collect());
        histogram.set_sample_count(seen.count());
        histogram.set_sample_sum(seen.sum().as_secs_f64());
        self.add(labels, |metric| metric.set_histogram(histogram));
    }

    fn add(&mut self, labels: Labels<'_>, set: impl FnOnce(&mut Metric)) {
        let label = |(name, value): &(&str, &str)| {
            let mut label = LabelPair::default();
            label.set_name((*name).to_owned());
            label.set_value((*value).to_owned());
            label
        };
        let mut metric = Metric::from_label(labels.iter().map(label).collect());
        set(&mut metric);
        self.0.mut_metric().push(metric);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_text_follows_the_prometheus_format() {
        let mut exposition = Exposition::default();
        exposition.counters("lb_a_total", "As.").count(&[("name", "a\"b\\c\nd")], 3);
        exposition.gauges("lb_nothing", "Has no series.");
        let mut seen = Histogram::default();
        [1, 2, 3000].map(Duration::from_millis).iter().for_each(|took| seen.record(*took));
        exposition.histograms("lb_b_seconds", "Bs.").observe(&[], &seen, 10..=11);
        let expected = r#"# HELP lb_a_total As.
# TYPE lb_a_total counter
lb_a_total{name="a\"b\\c\nd"} 3
# HELP lb_b_seconds Bs.
# TYPE lb_b_seconds histogram
lb_b_seconds_bucket{le="0.001024"} 1
lb_b_seconds_bucket{le="0.002048"} 2
lb_b_seconds_bucket{le="+Inf"} 3
lb_b_seconds_sum 3.003
lb_b_seconds_count 3
"#;
        assert_eq!(exposition.text(), expected);
    }
}
