//! Lines over a few named steps, above a band from least to most and below single points.

use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Chart, Drawn, FONT, GRID, INK, PALETTE, TEXT, letters, title_letters};
use crate::table::grouped;

/// Lines from the left to the right; the values start at 0. The legend lies at the upper right: they should
/// fall.
pub struct LineChart<'a> {
    /// Above the chart.
    pub title: String,
    /// What the steps are.
    pub steps_axis: &'a str,
    /// What the values are, with their unit.
    pub values_axis: &'a str,
    /// From the left.
    pub steps: &'a [String],
    /// The least and the most at each step, and what they are.
    pub band: Option<(&'a str, Vec<(f64, f64)>)>,
    /// Points at a step, by its place, and what they are.
    pub points: Option<(&'a str, Vec<(usize, f64)>)>,
    /// In the order of the legend.
    pub lines: Vec<Line<'a>>,
}

/// One of the lines.
pub struct Line<'a> {
    /// In the legend.
    pub name: &'a str,
    /// Its place in the [`PALETTE`].
    pub color: usize,
    /// Dots, numbers or dashes.
    pub style: LineStyle,
    /// At each step.
    pub values: Vec<f64>,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineStyle {
    /// With a dot at each step.
    Dots,
    /// With a dot at each step, and its value in numbers.
    Numbers,
    /// Dashes, without dots.
    Dashes,
}

/// plotters sets the words of a legend so much above their middle.
const LIFT: i32 = 7;

impl Chart for LineChart<'_> {
    fn height(&self) -> u32 {
        900
    }

    fn draw<B: DrawingBackend>(&self, sheet: &DrawingArea<B, Shift>) -> Drawn<B> {
        let plot = sheet.margin(20, 0, 0, 0).titled(&self.title, title_letters())?;
        let places: Vec<_> = (0..self.steps.len()).map(place).collect();
        let last = places.last().copied().unwrap_or_default();
        let mut chart = ChartBuilder::on(&plot)
            .margin(30)
            .x_label_area_size(100)
            .y_label_area_size(160)
            // Room for a number above the highest point.
            .build_cartesian_2d((-4..last + 4).with_key_points(places), 0.0..1.12 * self.highest())?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(INK)
            .label_style(letters())
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
        // A single line is named by its axis.
        if self.lines.len() > 1 || self.band.is_some() {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperRight)
                .margin(0)
                .legend_area_size(80)
                .label_font(letters())
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
        // Never an axis without length.
        lines.chain(band).chain(points).fold(1.0, f64::max)
    }
}

/// Where a step lies on its axis: ten units apart.
fn place(at: usize) -> i32 {
    10 * at as i32
}
