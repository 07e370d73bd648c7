//! The report section of A-2: text, tables and charts.

use super::{METRICS, NAME, Scaling, Size, Step};
use crate::chart::{ChartImage, Line, LineChart, LineStyle};
use crate::error::Error;
use crate::report::Section;
use crate::stats::perfect_peak_to_average;
use crate::table::{Cell, Table, grouped};

impl Scaling {
    /// Builds the section of the report.
    pub fn section(&self) -> Result<Section, Error> {
        let (smallest, largest) = (self.sizes[0].replicas, self.sizes[self.sizes.len() - 1].replicas);
        let title = format!(
            "A-2 scaling: from {smallest} to {largest} replicas and back, {} requests each",
            grouped(self.load.requests.into())
        );
        let mut section = Section::new(NAME, title);
        section.summary = self.summary();
        section.text = self.paragraphs();
        section.tables = vec![self.sizes_table(), self.steps_table()];
        section.charts = self.charts()?;
        section.files = vec![("scaling-per-replica.csv".into(), self.per_replica())];
        let worst = |of: fn(&Size) -> f64| self.sizes.iter().map(of).fold(0.0, f64::max);
        section.metrics = vec![
            ("peak_to_average", worst(|size| size.spread.peak_to_average)),
            ("deviation", worst(|size| size.spread.deviation)),
            ("failed", self.failed().into()),
            (
                "throughput",
                self.sizes.iter().map(|size| size.answers.throughput()).fold(f64::INFINITY, f64::min),
            ),
            ("p99_ms", worst(|size| size.latency.p99)),
            ("moved_worst_ratio", self.steps.iter().map(Step::ratio).fold(0.0, f64::max)),
            ("needless_moves", self.needless().into()),
        ];
        debug_assert!(section.metrics.iter().map(|(name, _)| name).eq(METRICS));
        Ok(section)
    }

    fn failed(&self) -> u32 {
        self.sizes.iter().map(|size| size.answers.failed).sum()
    }

    fn needless(&self) -> u32 {
        self.steps.iter().map(|step| step.moved.needless).sum()
    }

    fn paragraphs(&self) -> Vec<String> {
        let mut paragraphs = vec![
            "The mean is requests / N for every hash function, good or bad. What distinguishes balancers is how far \
             the replicas deviate from it."
                .into(),
        ];
        paragraphs.push(self.moves_text());
        if let Some(reason) = &self.stopped {
            paragraphs.push(format!("The fleet did not become larger: {reason}."));
        }
        if let Some(reason) = self.sizes.iter().find_map(|size| size.answers.first_failure.as_ref()) {
            paragraphs.push(format!("{} requests failed, the first with: {reason}.", self.failed()));
        }
        paragraphs
    }

    fn summary(&self) -> String {
        let ratios = || self.steps.iter().map(Step::ratio);
        let (least, most) = (ratios().fold(f64::INFINITY, f64::min), ratios().fold(0.0, f64::max));
        let busiest = self
            .sizes
            .iter()
            .max_by(|a, b| a.spread.peak_to_average.total_cmp(&b.spread.peak_to_average))
            .map(|size| {
                format!(
                    "The busiest replica got at most {:.3} times the mean, with {} replicas (a perfect mapping of \
                     random keys: {:.3}); ",
                    size.spread.peak_to_average,
                    size.replicas,
                    size.perfect(),
                )
            });
        format!(
            "{}a step moved {least:.2} to {most:.2} times the ideal share of the keys; {} requests failed.",
            busiest.unwrap_or_default(),
            grouped(self.failed().into()),
        )
    }

    fn moves_text(&self) -> String {
        let keys = self.steps.iter().map(|step| step.moved.keys).max().unwrap_or_default();
        let method = match self.explained {
            true => "the admin listener explained each of them (/api/explain), which does not depend on load",
            false => "each was sent to /home as a request id, and the reply named its replica",
        };
        format!(
            "A replica that joins N others should take 1/(N+1) of the keys, and one that leaves should give back what \
             it had: less means that it has less than its share, more that keys move needlessly. {} fixed keys were \
             tracked: {method}. {}",
            grouped(keys.into()),
            self.needless_text(),
        )
    }

    fn needless_text(&self) -> String {
        const NEEDLESS: &str = "from one replica to another while both were there before and after";
        if self.idle.moved > 0 {
            return format!(
                "But {:.1} % of them changed their replica between two measurements of an unchanged fleet: the \
                 balancer does not route by the request id alone, so these moves are not only due to its placement. \
                 With --admin URL, lb reports the placement itself.",
                100.0 * self.idle.share(),
            );
        }
        match self.needless() {
            0 => format!("No key moved needlessly, {NEEDLESS}."),
            some => format!(
                "In all {} moves were needless, {NEEDLESS}: a cap on the share of a replica costs such moves, and so \
                 does any mapping that is not consistent hashing.",
                grouped(some.into())
            ),
        }
    }

    fn sizes_table(&self) -> Table {
        let columns =
            ["N", "mean", "std. dev.", "peak/mean", "if perfect", "requests/s", "p99 (ms)", "failed"];
        let mut table = Table::new(NAME, "Requests per replica at each size of the fleet", &columns);
        for size in &self.sizes {
            table.row([
                Cell::Count(size.replicas as u64),
                Cell::Number(size.spread.mean, 1),
                Cell::Number(size.spread.deviation, 1),
                Cell::Number(size.spread.peak_to_average, 3),
                Cell::Number(size.perfect(), 3),
                Cell::Count(size.answers.throughput() as u64),
                Cell::Number(size.latency.p99, 2),
                Cell::Count(size.answers.failed.into()),
            ]);
        }
        table
    }

    fn steps_table(&self) -> Table {
        let columns = ["replicas", "by", "keys moved", "share (%)", "ideal (%)", "of the ideal", "needless"];
        let mut table = Table::new("scaling-moves", "Keys that moved at each step", &columns);
        for step in &self.steps {
            table.row([
                Cell::text(format!("{} → {}", step.from, step.to)),
                Cell::text(if step.grows() { "/add" } else { "/rm" }),
                Cell::Count(step.moved.moved.into()),
                Cell::Number(100.0 * step.moved.share(), 1),
                Cell::Number(100.0 * step.ideal(), 1),
                Cell::Number(step.ratio(), 2),
                Cell::Count(step.moved.needless.into()),
            ]);
        }
        table
    }

    fn per_replica(&self) -> String {
        let mut table = Table::new("", "", &["N", "replica", "requests"]);
        for size in &self.sizes {
            for (name, count) in size.answers.in_natural_order() {
                let replicas = Cell::Count(size.replicas as u64);
                table.row([replicas, Cell::text(name), Cell::Count(count.into())]);
            }
        }
        table.csv()
    }

    fn charts(&self) -> Result<Vec<ChartImage>, Error> {
        let sizes: Vec<_> = self.sizes.iter().map(|size| size.replicas.to_string()).collect();
        let means: Vec<_> = self.sizes.iter().map(|size| size.spread.mean).collect();
        let requests = grouped(self.load.requests.into());
        let average = LineChart {
            title: format!("A-2: the average per replica is {requests} / N"),
            steps_axis: "Replicas (N)",
            values_axis: "Requests per replica",
            steps: &sizes,
            band: None,
            points: None,
            lines: vec![Line { name: "mean", color: 0, style: LineStyle::Numbers, values: means.clone() }],
        };
        let bounds = |size: &Size| {
            let counts = || size.answers.by_replica.values().copied();
            (counts().min().unwrap_or_default().into(), counts().max().unwrap_or_default().into())
        };
        let points = self.sizes.iter().enumerate().flat_map(|(at, size)| {
            size.answers.by_replica.values().map(move |count| (at, f64::from(*count)))
        });
        let band = LineChart {
            title: format!("A-2: range of requests per replica, {requests} requests"),
            steps_axis: "Replicas (N)",
            values_axis: "Requests per replica",
            steps: &sizes,
            band: Some(("least to most loaded", self.sizes.iter().map(bounds).collect())),
            points: Some(("a replica", points.collect())),
            lines: vec![Line { name: "mean", color: 0, style: LineStyle::Dashes, values: means }],
        };
        let up: Vec<_> = self.steps.iter().filter(|step| step.grows()).collect();
        let mut down: Vec<_> = self.steps.iter().filter(|step| !step.grows()).collect();
        down.reverse();
        let percent =
            |steps: &[&Step]| steps.iter().map(|step| 100.0 * step.moved.share()).collect::<Vec<_>>();
        let ideal = up.iter().map(|step| 100.0 * step.ideal()).collect();
        let between: Vec<_> = up.iter().map(|step| format!("{} ↔ {}", step.from, step.to)).collect();
        let moves = LineChart {
            title: "A-2: keys that move when one replica joins or leaves".into(),
            steps_axis: "Replicas before and after",
            values_axis: "Keys that moved (%)",
            steps: &between,
            band: None,
            points: Some(("one removed", percent(&down).into_iter().enumerate().collect())),
            lines: vec![
                Line { name: "one added", color: 0, style: LineStyle::Dots, values: percent(&up) },
                Line { name: "ideal: 1/(N+1)", color: 1, style: LineStyle::Dashes, values: ideal },
            ],
        };
        Ok(vec![
            ChartImage::of("scaling", "The mean per replica: requests / N", &average)?,
            ChartImage::of("scaling-band", "From the least to the most loaded replica", &band)?,
            ChartImage::of("scaling-moves", "The share of keys that moved, and the ideal", &moves)?,
        ])
    }
}

impl Size {
    fn perfect(&self) -> f64 {
        perfect_peak_to_average(self.answers.by_replica.len(), self.answers.times.len() as u32)
    }
}

impl Step {
    fn grows(&self) -> bool {
        self.to > self.from
    }

    /// The share of keys that the joining or leaving replica should have: 1/N of the larger fleet.
    fn ideal(&self) -> f64 {
        1.0 / self.from.max(self.to) as f64
    }

    fn ratio(&self) -> f64 {
        self.moved.share() / self.ideal()
    }
}
