//! Curves in panels below each other, with a common horizontal axis.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::{Chart, Drawn, GRID, INK, PALETTE, text_style, title_style};

/// Panels with a common horizontal axis.
pub struct Curves {
    /// Title above the chart.
    pub title: String,
    /// Label of the horizontal axis.
    pub x_axis: String,
    /// Panels from the top.
    pub panels: Vec<Panel>,
}

/// Curves over one vertical axis.
pub struct Panel {
    /// Label of the vertical axis, with the unit.
    pub y_axis: String,
    /// Lowest value of the vertical axis.
    pub origin: f64,
    /// Curves, coloured in the order of the palette.
    pub curves: Vec<Curve>,
}

/// A curve with a range around it.
pub struct Curve {
    /// Name in the legend.
    pub name: String,
    /// Points from left to right: x, and low, middle and high y.
    pub points: Vec<(f64, [f64; 3])>,
}

impl Chart for Curves {
    fn height(&self) -> u32 {
        100 + 560 * self.panels.len() as u32
    }

    fn draw<B: DrawingBackend>(&self, sheet: &DrawingArea<B, Shift>) -> Drawn<B> {
        let plot = sheet.margin(20, 0, 0, 0).titled(&self.title, title_style())?;
        for (panel, area) in self.panels.iter().zip(plot.split_evenly((self.panels.len(), 1))) {
            panel.draw(&area, &self.x_axis)?;
        }
        Ok(())
    }
}

impl Panel {
    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, x_axis: &str) -> Drawn<B> {
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let right = points().map(|(x, _)| *x).fold(1.0, f64::max);
        let left = points().map(|(x, _)| *x).fold(right, f64::min);
        let top = points().map(|(_, [.., high])| *high).fold(self.origin + 1e-3, f64::max);
        let mut chart = ChartBuilder::on(area)
            .margin(30)
            .x_label_area_size(90)
            .y_label_area_size(130)
            .build_cartesian_2d(left..right, self.origin..top + (top - self.origin) * 0.05)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(INK)
            .label_style(text_style())
            .x_labels(12)
            .y_labels(6)
            .x_label_formatter(&|x| format!("{x:.0}"))
            .x_desc(x_axis)
            .y_desc(&self.y_axis)
            .draw()?;
        for (Curve { name, points }, colour) in self.curves.iter().zip(PALETTE) {
            let low = points.iter().map(|(x, [low, ..])| (*x, *low));
            let high = points.iter().rev().map(|(x, [.., high])| (*x, *high));
            chart.draw_series([Polygon::new(low.chain(high).collect::<Vec<_>>(), colour.mix(0.18))])?;
            let middle = points.iter().map(|(x, [_, middle, _])| (*x, *middle));
            let line = chart.draw_series(LineSeries::new(middle, colour.stroke_width(5)))?;
            line.label(name.clone())
                .legend(move |(x, y)| Rectangle::new([(x, y - 4), (x + 50, y + 4)], colour.filled()));
        }
        chart
            .configure_series_labels()
            .label_font(text_style())
            .legend_area_size(60)
            .margin(16)
            .background_style(WHITE.mix(0.85))
            .position(SeriesLabelPosition::UpperRight)
            .draw()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::svg;

    #[test]
    fn every_panel_shows_its_curve() {
        let panel = |name: &str| Panel {
            y_axis: format!("{name} axis"),
            origin: 0.0,
            curves: vec![Curve { name: name.into(), points: vec![(1.0, [1.0, 2.0, 3.0]), (2.0, [0.0; 3])] }],
        };
        let chart =
            Curves { title: "curves".into(), x_axis: "x".into(), panels: vec![panel("one"), panel("two")] };
        let drawn = svg(&chart).unwrap();
        assert!(["one axis", "two axis"].iter().all(|words| drawn.contains(words)), "{drawn}");
        assert_eq!(drawn.matches("stroke-width=\"5\"").count(), 2, "one line per panel: {drawn}");
    }
}
