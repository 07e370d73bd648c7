//! One dot per measurement, and the median of each series.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Chart, Drawn, FONT, GRID, INK, PALETTE, TEXT, text_style, title_style};
use crate::table::grouped;

/// Values of repeated measurements, in the order of the runs.
pub struct DotChart<'a> {
    /// Title above the chart.
    pub title: String,
    /// Label of the horizontal axis.
    pub runs_axis: &'a str,
    /// Label of the vertical axis, with the unit.
    pub values_axis: &'a str,
    /// Series, the highest first; at most as many as there are colours. The first has the largest dots, so that no dot
    /// hides another.
    pub series: Vec<Dots<'a>>,
}

/// A series of dots of one colour.
pub struct Dots<'a> {
    /// Name of the series.
    pub name: &'a str,
    /// Values in the order of the runs; `None` where nothing was measured.
    pub values: Vec<Option<f64>>,
    /// Median of the values.
    pub median: f64,
}

impl Chart for DotChart<'_> {
    fn height(&self) -> u32 {
        800
    }

    fn draw<B: DrawingBackend>(&self, sheet: &DrawingArea<B, Shift>) -> Drawn<B> {
        let runs = self.series.iter().map(|dots| dots.values.len()).max().unwrap_or_default() as f64;
        let values = self.series.iter().flat_map(|dots| dots.values.iter().flatten().copied());
        let top = 1.1 * values.fold(1.0, f64::max);
        let plot = sheet.margin(20, 0, 0, 0).titled(&self.title, title_style())?;
        let mut chart = ChartBuilder::on(&plot)
            .margin(30)
            // Room for the medians to the right of the last run.
            .margin_right(430)
            .x_label_area_size(100)
            .y_label_area_size(170)
            .build_cartesian_2d(0.4..runs + 0.6, 0.0..top)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .disable_x_mesh()
            .axis_style(INK)
            .label_style(text_style())
            .x_labels((runs as usize).min(10))
            .y_labels(8)
            .x_label_formatter(&|run| format!("{run:.0}"))
            .y_label_formatter(&|value| grouped(*value as u64))
            .x_desc(self.runs_axis)
            .y_desc(self.values_axis)
            .draw()?;
        let heights = self.heights(top);
        let looks = PALETTE.into_iter().zip([16, 10, 6].into_iter().cycle());
        for ((dots, (colour, size)), height) in self.series.iter().zip(looks).zip(heights) {
            let line = [(0.4, dots.median), (runs + 0.6, dots.median)];
            chart.draw_series(DashedLineSeries::new(line, 16, 10, colour.stroke_width(3)))?;
            let measured = dots.values.iter().enumerate().filter_map(|(run, value)| Some((run, (*value)?)));
            chart.draw_series(
                measured.map(|(run, value)| Circle::new((run as f64 + 1.0, value), size, colour.filled())),
            )?;
            let right = (FONT, TEXT).into_font().color(&colour).pos(Pos::new(HPos::Left, VPos::Center));
            let name = Text::new(dots.name.to_owned(), (20, -18), right.clone());
            let median = Text::new(format!("median {:.0}", dots.median), (20, 20), right);
            chart.plotting_area().draw(&(EmptyElement::at((runs + 0.6, height)) + name + median))?;
        }
        Ok(())
    }
}

impl DotChart<'_> {
    /// Height of the label of each series: beside its median, and clear of the axis and of the label below.
    fn heights(&self, top: f64) -> Vec<f64> {
        let mut free = 0.06 * top;
        let upwards = self.series.iter().rev().map(|dots| {
            let height = dots.median.max(free);
            free = height + 0.17 * top;
            height
        });
        let mut heights: Vec<_> = upwards.collect();
        heights.reverse();
        heights
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::svg;

    #[test]
    fn every_value_has_its_dot_and_every_series_its_median() {
        let series = vec![
            Dots { name: "ready", values: vec![Some(20.0), None, Some(40.0)], median: 30.0 },
            Dots { name: "detected", values: vec![Some(10.0), Some(10.0), Some(40.0)], median: 10.0 },
        ];
        let chart = DotChart { title: "Dots".into(), runs_axis: "Run", values_axis: "Time (ms)", series };
        let drawn = svg(&chart).unwrap();
        assert_eq!(drawn.matches("<circle").count(), 5);
        for text in ["ready", "median 30", "detected", "median 10"] {
            assert!(drawn.contains(text), "{text}");
        }
    }
}
