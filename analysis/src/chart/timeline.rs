//! Time line: stacked counts per step of time, with marked events.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Chart, Drawn, GRID, INK, text_style, title_style};
use crate::table::{cut, grouped};

/// Stacked counts over time, with a vertical line for each event.
pub struct TimeLine<'a> {
    /// Title above the chart.
    pub title: String,
    /// Label of the vertical axis.
    pub values_axis: &'a str,
    /// Label of the horizontal axis, in seconds.
    pub time_axis: &'a str,
    /// Start of the first step, in milliseconds.
    pub from: i32,
    /// Length of a step, in milliseconds.
    pub step: i32,
    /// Bands from the bottom; each has a count for every step.
    pub bands: Vec<Band>,
    /// Number of failures in every step; a cross marks steps with failures.
    pub failed: Vec<u32>,
    /// Time in milliseconds and label of each event.
    pub events: Vec<(i32, String)>,
}

/// One layer of the stack.
pub struct Band {
    /// Name in the legend.
    pub name: String,
    /// Colour of the band.
    pub colour: RGBColor,
    /// Count for every step.
    pub counts: Vec<u32>,
}

impl Chart for TimeLine<'_> {
    fn height(&self) -> u32 {
        900
    }

    fn draw<B: DrawingBackend>(&self, sheet: &DrawingArea<B, Shift>) -> Drawn<B> {
        let steps = self.failed.len();
        let begin = |step: usize| self.from + self.step * step as i32;
        let to = begin(steps);
        let total = |step: usize| self.bands.iter().map(|band| band.counts[step] as i32).sum::<i32>();
        let peak = self.cut_at((0..steps).map(total).collect());
        // The labels of the events are in rows above the counts.
        let row = |at: usize| peak + peak.max(10) * (1 + at as i32) / 8;
        let top = row(self.events.len());

        let plot = sheet.margin(20, 0, 0, 0).titled(&self.title, title_style())?;
        let (legend, plot) = plot.split_vertically(70);
        self.draw_legend(&legend)?;
        let mut chart = ChartBuilder::on(&plot)
            .margin(30)
            .margin_top(0)
            .x_label_area_size(100)
            .y_label_area_size(150)
            .build_cartesian_2d(
                (self.from..to).with_key_points(ticks(self.from, to, 1000)),
                (0..top).with_key_points(ticks(0, peak, 1)),
            )?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(INK)
            .label_style(text_style())
            .x_label_formatter(&|ms| (ms / 1000).to_string())
            .y_label_formatter(&|count| grouped(*count as u64))
            .x_desc(self.time_axis)
            .y_desc(self.values_axis)
            .draw()?;

        let mut below = vec![0; steps];
        for band in &self.bands {
            let colour = band.colour.filled();
            chart.draw_series(band.counts.iter().zip(&mut below).enumerate().map(
                |(step, (count, below))| {
                    let bottom = *below;
                    *below += *count as i32;
                    Rectangle::new(
                        [(begin(step), bottom.min(peak)), (begin(step + 1), (*below).min(peak))],
                        colour,
                    )
                },
            ))?;
        }
        let tallest = (0..steps).max_by_key(|step| total(*step)).filter(|step| total(*step) > peak);
        if let Some(step) = tallest {
            let left = text_style().pos(Pos::new(HPos::Right, VPos::Top));
            let label = Text::new(format!("{} ↑", grouped(total(step) as u64)), (-12, 0), left);
            chart.draw_series([EmptyElement::at((begin(step), peak)) + label])?;
        }
        let failed = self.failed.iter().enumerate().filter(|(_, count)| **count > 0);
        chart.draw_series(failed.map(|(step, _)| {
            Cross::new((begin(step) + self.step / 2, below[step].min(peak)), 12, INK.stroke_width(5))
        }))?;
        for (at, (when, what)) in self.events.iter().enumerate() {
            let height = row(self.events.len() - 1 - at);
            chart.draw_series(DashedLineSeries::new(
                [(*when, 0), (*when, height)],
                10,
                6,
                INK.stroke_width(3),
            ))?;
            chart.draw_series([Circle::new((*when, height), 8, INK.filled())])?;
            // The label goes to the side with more room.
            let (side, gap) = match when - self.from > (to - self.from) / 10 * 6 {
                true => (HPos::Right, -20),
                false => (HPos::Left, 20),
            };
            let label = Text::new(what.clone(), (gap, 0), text_style().pos(Pos::new(side, VPos::Center)));
            chart.draw_series([EmptyElement::at((*when, height)) + label])?;
        }
        Ok(())
    }
}

impl TimeLine<'_> {
    /// Height of the axis. A few much higher steps (as when all pending requests are answered at once) are cut off, so
    /// that the others remain visible.
    fn cut_at(&self, mut totals: Vec<i32>) -> i32 {
        totals.sort_unstable();
        let usual = totals.get(totals.len() / 2).copied().unwrap_or_default();
        let peak = totals.last().copied().unwrap_or_default().max(1);
        if usual > 0 && peak > 4 * usual { 5 * usual / 2 } else { peak }
    }

    /// Draws a coloured square and a name for each band, and a cross if any request failed.
    fn draw_legend<B: DrawingBackend>(&self, strip: &DrawingArea<B, Shift>) -> Drawn<B> {
        let (mut x, y) = (180, 35);
        let style = text_style().pos(Pos::new(HPos::Left, VPos::Center));
        let name = |x: &mut i32, name: &str| {
            strip.draw(&Text::new(name.to_owned(), (*x + 44, y), style.clone()))?;
            *x += 90 + strip.estimate_text_size(name, &style)?.0 as i32;
            Ok(())
        };
        for band in &self.bands {
            strip.draw(&Rectangle::new([(x, y - 16), (x + 32, y + 16)], band.colour.filled()))?;
            name(&mut x, &cut(&band.name))?;
        }
        let failed: u32 = self.failed.iter().sum();
        if failed > 0 {
            strip.draw(&Cross::new((x + 16, y), 12, INK.stroke_width(5)))?;
            name(&mut x, &format!("{} failed", grouped(failed.into())))?;
        }
        Ok(())
    }
}

/// At most eleven round multiples of `unit` in this range.
fn ticks(from: i32, to: i32, unit: i32) -> Vec<i32> {
    let steps = (0..9).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_i32.pow(power)));
    let mut steps = steps.map(|step| step.saturating_mul(unit));
    let step = steps.find(|step| (to - from) / step <= 10).unwrap_or(i32::MAX);
    (from.div_euclid(step)..=to.div_euclid(step)).map(|at| at * step).filter(|tick| *tick >= from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::{PALETTE, svg};

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks(-1000, 3050, 1000), [-1000, 0, 1000, 2000, 3000]);
        assert_eq!(ticks(0, 113, 1), [0, 20, 40, 60, 80, 100]);
        assert_eq!(ticks(-900, 33_900, 1000), [0, 5000, 10_000, 15_000, 20_000, 25_000, 30_000]);
    }

    #[test]
    fn every_name_and_event_is_drawn() {
        let band = |name: &str, counts: &[u32]| Band {
            name: name.into(),
            colour: PALETTE[0],
            counts: counts.to_vec(),
        };
        let line = |failed: u32| TimeLine {
            title: "A death".into(),
            values_axis: "Requests",
            time_axis: "Time (s)",
            from: -100,
            step: 100,
            bands: vec![band("server1", &[3, 2, 3]), band("server2", &[2, 0, 0])],
            failed: vec![0, failed, 0],
            events: vec![(0, "killed".into()), (50, "ready after 50 ms".into())],
        };
        let drawn = svg(&line(7)).unwrap();
        for text in ["A death", "server1", "server2", "7 failed", "killed", "ready after 50 ms"] {
            assert!(drawn.contains(text), "{text}");
        }
        let drawn = svg(&line(0)).unwrap();
        assert!(!drawn.contains("failed") && !drawn.contains('↑'));
    }

    #[test]
    fn a_single_peak_is_cut_and_labelled_with_its_height() {
        let mut counts = vec![100; 30];
        counts[20] = 1234;
        let line = TimeLine {
            title: "A flood".into(),
            values_axis: "Requests",
            time_axis: "Time (s)",
            from: 0,
            step: 100,
            failed: vec![0; 30],
            bands: vec![Band { name: "server1".into(), colour: PALETTE[0], counts }],
            events: Vec::new(),
        };
        let drawn = svg(&line).unwrap();
        assert!(
            drawn.contains("1,234 ↑") && drawn.contains("\n200\n") && !drawn.contains("\n500\n"),
            "{drawn}"
        );
    }
}
