//! Numbered points in a plane, with a legend beside them.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Chart, Drawn, FONT, GRID, INK, PALETTE, TEXT, text_style, title_style};

/// Numbered points whose names are in the legend, because names beside the points would overlap.
pub struct Scatter {
    /// Title above the chart.
    pub title: String,
    /// Label of the horizontal axis, with the unit.
    pub x_axis: String,
    /// Label of the vertical axis, with the unit.
    pub y_axis: String,
    /// The lowest value of each axis.
    pub origin: (f64, f64),
    /// Points in the order of the legend.
    pub points: Vec<Point>,
    /// Value and label of a horizontal line.
    pub guide: (f64, String),
}

/// A numbered point.
pub struct Point {
    /// Name in the legend.
    pub name: String,
    /// Coordinates on the horizontal and the vertical axis.
    pub at: (f64, f64),
    /// Index into [`PALETTE`]; points of one group have one colour.
    pub colour: usize,
}

/// Width of the legend in pixels.
const LEGEND: u32 = 500;

/// Radius of a point in pixels.
const RADIUS: i32 = 11;

/// Line height of the legend in pixels.
const LINE: i32 = 44;

/// Half width and half height of a number in pixels.
const LABEL: (i32, i32) = (22, 17);

/// Pixels by which text is moved down, so that it looks vertically centred.
const LIFT: i32 = 4;

/// An axis-parallel rectangle: centre, and half width and half height.
#[derive(Clone, Copy)]
struct Area {
    middle: (i32, i32),
    half: (i32, i32),
}

impl Chart for Scatter {
    fn height(&self) -> u32 {
        (240 + LINE as u32 * self.points.len() as u32).max(1000)
    }

    fn draw<B: DrawingBackend>(&self, sheet: &DrawingArea<B, Shift>) -> Drawn<B> {
        let (width, _) = sheet.dim_in_pixel();
        let plot = sheet.margin(20, 0, 0, 0).titled(&self.title, title_style())?;
        let (plot, _) = plot.split_horizontally(width - LEGEND);
        let greatest = |of: fn(&Point) -> f64| self.points.iter().map(of).fold(0.0, f64::max);
        let ((left, bottom), (right, top)) = (self.origin, (greatest(|p| p.at.0), greatest(|p| p.at.1)));
        // Margin, so that points on an edge and their numbers are not clipped.
        let (beyond_x, beyond_y) = (((right - left) * 0.07).max(1e-3), ((top - bottom) * 0.07).max(1e-3));
        let mut chart = ChartBuilder::on(&plot)
            .margin(30)
            .x_label_area_size(100)
            .y_label_area_size(130)
            .build_cartesian_2d(left - beyond_x..right + beyond_x, bottom - beyond_y..top + beyond_y)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(INK)
            .label_style(text_style())
            .x_labels(8)
            .y_labels(8)
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| if top - bottom < 0.5 { format!("{y:.2}") } else { format!("{y:.1}") })
            .x_desc(&self.x_axis)
            .y_desc(&self.y_axis)
            .draw()?;
        let (y, words) = &self.guide;
        let ends = [(left - beyond_x, *y), (right + beyond_x, *y)];
        chart.draw_series(DashedLineSeries::new(ends, 12, 10, INK.stroke_width(3)))?;
        let above = text_style().pos(Pos::new(HPos::Right, VPos::Bottom));
        chart.draw_series([EmptyElement::at(ends[1]) + Text::new(words.clone(), (-12, -6), above)])?;
        let places: Vec<_> = self.points.iter().map(|point| chart.backend_coord(&point.at)).collect();
        let frame = chart.plotting_area().get_pixel_range();
        self.draw_points(sheet, &places, &labels(&places, &frame))?;
        self.draw_legend(sheet, (width - LEGEND) as i32 + 20)
    }
}

impl Scatter {
    fn draw_points<B: DrawingBackend>(
        &self,
        sheet: &DrawingArea<B, Shift>,
        places: &[(i32, i32)],
        labels: &[(i32, i32)],
    ) -> Drawn<B> {
        for (place, label) in places.iter().zip(labels) {
            let (dx, dy) = (f64::from(place.0 - label.0), f64::from(place.1 - label.1));
            // The line starts at the edge of the number.
            let edge = (f64::from(LABEL.0) / dx.abs()).min(f64::from(LABEL.1) / dy.abs()).min(1.0);
            let from = (label.0 + (dx * edge) as i32, label.1 + (dy * edge) as i32);
            sheet.draw(&PathElement::new([from, *place], INK.stroke_width(2)))?;
        }
        for (point, place) in self.points.iter().zip(places) {
            sheet.draw(&Circle::new(*place, RADIUS + 2, WHITE.filled()))?;
            sheet.draw(&Circle::new(*place, RADIUS, PALETTE[point.colour].filled()))?;
        }
        for (number, (x, y)) in (1..).zip(labels) {
            let centred = text_style().pos(Pos::new(HPos::Center, VPos::Center));
            sheet.draw(&Text::new(format!("{number}"), (*x, y + LIFT), centred))?;
        }
        Ok(())
    }

    fn draw_legend<B: DrawingBackend>(&self, sheet: &DrawingArea<B, Shift>, left: i32) -> Drawn<B> {
        for (number, point) in (1..).zip(&self.points) {
            let y = 90 + LINE * number;
            let right = text_style().pos(Pos::new(HPos::Right, VPos::Center));
            sheet.draw(&Text::new(format!("{number}"), (left + 44, y + LIFT), right))?;
            sheet.draw(&Circle::new((left + 66, y), RADIUS, PALETTE[point.colour].filled()))?;
            let name = (FONT, TEXT - 2).into_font().color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
            sheet.draw(&Text::new(point.name.clone(), (left + 88, y + LIFT), name))?;
        }
        Ok(())
    }
}

/// Positions of the numbers: as close to their points as the frame allows without covering a point, another number, or
/// the line from another number to its point.
fn labels(points: &[(i32, i32)], (xs, ys): &(Range<i32>, Range<i32>)) -> Vec<(i32, i32)> {
    let inside = |(x, y): (i32, i32)| {
        let within =
            |at: i32, half: i32, range: &Range<i32>| range.start <= at - half && at + half < range.end;
        within(x, LABEL.0, xs) && within(y, LABEL.1, ys)
    };
    let half = (RADIUS, RADIUS);
    let mut taken: Vec<_> = points.iter().map(|middle| Area { middle: *middle, half }).collect();
    let mut lines = Vec::new();
    let mut labels = Vec::new();
    for point @ (x, y) in points {
        let around = (0..60).flat_map(|ring| (0..48).map(move |turn| (34.0 + 22.0 * f64::from(ring), turn)));
        let places = around.map(|(distance, turn)| {
            let angle = std::f64::consts::TAU * (f64::from(turn) - 6.0) / 48.0;
            (x + (distance * angle.cos()) as i32, y + (distance * angle.sin()) as i32)
        });
        let free = |middle: &(i32, i32)| {
            let label = Area { middle: *middle, half: LABEL };
            inside(*middle) && !taken.iter().any(|area| area.overlaps(label))
        };
        let uncrossed = |middle: &(i32, i32)| {
            let label = Area { middle: *middle, half: LABEL };
            let numbers = &taken[points.len()..];
            !lines.iter().any(|line| label.is_crossed_by(*line))
                && !numbers.iter().any(|number| number.is_crossed_by((*point, *middle)))
        };
        // Fallback: with many numbers around one place, or a very small frame, no position satisfies all conditions.
        let mut free_places = places.filter(free);
        let nearest = free_places.clone().next();
        let place = free_places.find(uncrossed).or(nearest).unwrap_or(*point);
        taken.push(Area { middle: place, half: LABEL });
        lines.push((*point, place));
        labels.push(place);
    }
    labels
}

impl Area {
    fn overlaps(self, other: Self) -> bool {
        let near = |a: i32, b: i32, reach: i32| (a - b).abs() < reach;
        near(self.middle.0, other.middle.0, self.half.0 + other.half.0)
            && near(self.middle.1, other.middle.1, self.half.1 + other.half.1)
    }

    /// Whether the segment crosses the rectangle, to within a few pixels.
    fn is_crossed_by(self, (from, to): ((i32, i32), (i32, i32))) -> bool {
        let steps = ((to.0 - from.0).abs().max((to.1 - from.1).abs()) / 4).max(1);
        (0..=steps).any(|step| {
            let at = |from: i32, to: i32| from + (to - from) * step / steps;
            self.overlaps(Self { middle: (at(from.0, to.0), at(from.1, to.1)), half: (2, 2) })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::svg;

    #[test]
    fn numbers_cover_no_point_and_no_other_number() {
        let points: Vec<_> =
            (0..20).map(|n| (400 + n % 4, 300 + n / 4)).chain([(100, 100), (0, 0)]).collect();
        let labels = labels(&points, &(0..1000, 0..800));
        for (at, label) in labels.iter().enumerate() {
            let area = Area { middle: *label, half: LABEL };
            let point = |middle: &(i32, i32)| Area { middle: *middle, half: (RADIUS, RADIUS) };
            assert!(area.middle.0 >= LABEL.0 && area.middle.1 >= LABEL.1, "{at}");
            assert!(!points.iter().any(|middle| point(middle).overlaps(area)), "{at}");
            let others = labels[..at].iter().map(|middle| Area { middle: *middle, half: LABEL });
            assert!(others.into_iter().all(|other| !other.overlaps(area)), "{at}");
        }
        assert!((labels[20].0 - 100).abs() < 40, "an isolated point has its number beside it");
    }

    #[test]
    fn a_number_is_not_crossed_by_the_line_of_another_number() {
        let points: Vec<_> = (0..6).map(|n| (400, 300 + 3 * n)).collect();
        let labels = labels(&points, &(0..1000, 0..800));
        for (at, label) in labels.iter().enumerate() {
            let area = Area { middle: *label, half: LABEL };
            let mut others = points.iter().zip(&labels).filter(|(_, other)| *other != label);
            assert!(!others.any(|(point, label)| area.is_crossed_by((*point, *label))), "{at} {labels:?}");
        }
    }

    #[test]
    fn equal_points_are_drawn_with_every_name() {
        let points = ["one", "two"].map(|name| Point { name: name.into(), at: (0.0, 1.0), colour: 0 });
        let scatter = Scatter {
            title: "points".into(),
            x_axis: "x".into(),
            y_axis: "y".into(),
            origin: (0.0, 1.0),
            points: points.into(),
            guide: (1.0, "even".into()),
        };
        let drawn = svg(&scatter).unwrap();
        assert!(["one", "two", "even"].iter().all(|words| drawn.contains(words)), "{}", drawn);
    }
}
