//! Lines over a few named steps, with an optional band (least to most) and single points.

use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Chart, Drawn, FONT, GRID, INK, PALETTE, TEXT, text_style, title_style};
use crate::table::grouped;

/// Lines from left to right; the values start at 0. The legend is at the upper right, which suits falling lines.
pub struct LineChart<'a> {
    /// Title above the chart.
    pub title: String,
    /// Label of the horizontal axis.
    pub steps_axis: &'a str,
    /// Label of the vertical axis, with the unit.
    pub values_axis: &'a str,
    /// Names of the steps, from the left.
    pub steps: &'a [String],
    /// Legend of the band, and its lowest and highest value at each step.
    pub band: Option<(&'a str, Vec<(f64, f64)>)>,
    /// Legend of the points, and step index and value of each.
    pub points: Option<(&'a str, Vec<(usize, f64)>)>,
    /// Lines in the order of the legend.
    pub lines: Vec<Line<'a>>,
}

/// One line of the chart.
pub struct Line<'a> {
    /// Name in the legend.
    pub name: &'a str,
    /// Index into [`PALETTE`].
    pub color: usize,
    /// How the line is drawn.
    pub style: LineStyle,
    /// Value at each step.
    pub values: Vec<f64>,
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineStyle {
    /// With a dot at each step.
    Dots,
    /// With a dot and the value at each step.
    Numbers,
    /// Dashed, without dots.
    Dashes,
}

/// Pixels by which plotters draws the text of a legend too high.
const LIFT: i32 = 7;

impl Chart for LineChart<'_> {
    fn height(&self) -> u32 {
        900
    }

    fn draw<B: DrawingBackend>(&self, sheet: &DrawingArea<B, Shift>) -> Drawn<B> {
        let plot = sheet.margin(20, 0, 0, 0).titled(&self.title, title_style())?;
        let places: Vec<_> = (0..self.steps.len()).map(place).collect();
        let last = places.last().copied().unwrap_or_default();
        let mut chart = ChartBuilder::on(&plot)
            .margin(30)
            .x_label_area_size(100)
            .y_label_area_size(160)
            // Room for the value above the highest point.
            .build_cartesian_2d((-4..last + 4).with_key_points(places), 0.0..1.12 * self.highest())?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(INK)
            .label_style(text_style())
            .y_labels(6)
            .x_label_formatter(&|at| self.steps.get(*at as usize / 10).cloned().unwrap_or_default())
            .y_label_formatter(&|value| grouped(value.round() as u64))
            .x_desc(self.steps_axis)
            .y_desc(self.values_axis)
            .draw()?;

        if let Some((name, band)) = &self.band {
            let most = band.iter().enumerate().map(|(at, (_, most))| (place(at), *most));
            let least = band.iter().enumerate().map(|(at, (least, _))| (place(at), *least)).rev();
            let light = PALETTE[4].mix(0.35);
            chart
                .draw_series([Polygon::new(most.chain(least).collect::<Vec<_>>(), light)])?
                .label(*name)
                .legend(move |(x, y)| {
                    Rectangle::new([(x, y - LIFT - 14), (x + 60, y - LIFT + 14)], light.filled())
                });
        }
        for Line { name, color, style, values } in &self.lines {
            let color = PALETTE[*color];
            let (line, dots) = (color.stroke_width(5), *style != LineStyle::Dashes);
            let places = || values.iter().enumerate().map(|(at, value)| (place(at), *value));
            if dots {
                chart
                    .draw_series(LineSeries::new(places(), line))?
                    .label(*name)
                    .legend(move |(x, y)| PathElement::new([(x, y - LIFT), (x + 60, y - LIFT)], line));
                chart.draw_series(places().map(|at| Circle::new(at, 7, color.filled())))?;
            } else {
                chart.draw_series(DashedLineSeries::new(places(), 16, 10, line))?.label(*name).legend(
                    move |(x, y)| DashedPathElement::new([(x, y - LIFT), (x + 60, y - LIFT)], 16, 10, line),
                );
            }
            if *style == LineStyle::Numbers {
                let above = (FONT, TEXT).into_font().color(&color).pos(Pos::new(HPos::Left, VPos::Bottom));
                chart.draw_series(places().map(|at| {
                    let number = grouped(at.1.round() as u64);
                    EmptyElement::at(at) + Text::new(number, (10, -12), above.clone())
                }))?;
            }
        }
        if let Some((name, points)) = &self.points {
            let ring = INK.stroke_width(3);
            let circles = points.iter().map(|(at, value)| Circle::new((place(*at), *value), 10, ring));
            chart
                .draw_series(circles)?
                .label(*name)
                .legend(move |(x, y)| Circle::new((x + 30, y - LIFT), 10, ring));
        }
        // A single line needs no legend: the axis names it.
        if self.lines.len() > 1 || self.band.is_some() {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperRight)
                .margin(0)
                .legend_area_size(80)
                .label_font(text_style())
                .background_style(WHITE.filled())
                .draw()?;
        }
        Ok(())
    }
}

impl LineChart<'_> {
    fn highest(&self) -> f64 {
        let lines = self.lines.iter().flat_map(|line| line.values.iter().copied());
        let band = self.band.iter().flat_map(|(_, band)| band.iter().map(|(_, most)| *most));
        let points = self.points.iter().flat_map(|(_, points)| points.iter().map(|(_, value)| *value));
        // At least 1, so that the axis has a length.
        lines.chain(band).chain(points).fold(1.0, f64::max)
    }
}

/// Coordinate of a step: steps are ten units apart.
fn place(at: usize) -> i32 {
    10 * at as i32
}
