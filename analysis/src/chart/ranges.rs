//! Ranges with their medians, one below the other.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Chart, Drawn, GRID, INK, PALETTE, TEXT, text_style, title_style};
use crate::table::cut;

/// A row for each range: a line from low to high, a dot at the median.
pub struct RangeChart {
    /// Title above the chart.
    pub title: String,
    /// Label of the axis, with the unit.
    pub axis: String,
    /// Lowest value of the axis.
    pub origin: f64,
    /// Ranges from the top.
    pub ranges: Vec<Range>,
    /// Value and label of a vertical line.
    pub guide: (f64, String),
}

/// One row of the chart.
pub struct Range {
    /// Name, to the left of the row.
    pub name: String,
    /// Low value, median and high value.
    pub values: [f64; 3],
    /// Index into [`PALETTE`]; ranges of one group have one colour.
    pub colour: usize,
}

const ROW: u32 = 56;

impl Chart for RangeChart {
    fn height(&self) -> u32 {
        300 + ROW * self.ranges.len() as u32
    }

    fn draw<B: DrawingBackend>(&self, sheet: &DrawingArea<B, Shift>) -> Drawn<B> {
        let plot = sheet.margin(20, 0, 0, 0).titled(&self.title, title_style())?;
        let ranges: Vec<_> = self.ranges.iter().rev().collect();
        let greatest = ranges.iter().map(|range| range.values[2]).fold(self.origin + 1e-3, f64::max);
        let longest = ranges.iter().map(|range| cut(&range.name).chars().count()).max().unwrap_or(0) as i32;
        // A row takes 20 units of the axis and is centred in them.
        let middle = |at: usize| 20 * at as i32 + 10;
        let (bottom, top) = (0, 20 * ranges.len() as i32);
        // Room for the medians to the right of the longest line.
        let end = greatest + (greatest - self.origin) * 0.12;
        let mut chart = ChartBuilder::on(&plot)
            .margin(30)
            .margin_top(60)
            .x_label_area_size(100)
            .y_label_area_size(30 + longest * TEXT * 56 / 100)
            .build_cartesian_2d(
                self.origin..end,
                (bottom..top).with_key_points((0..ranges.len()).map(middle).collect()),
            )?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(INK)
            .label_style(text_style())
            .x_labels(10)
            .x_label_formatter(&|value| {
                if end - self.origin < 0.5 { format!("{value:.2}") } else { format!("{value:.1}") }
            })
            .y_label_formatter(&|at| {
                ranges.get(*at as usize / 20).map(|range| cut(&range.name)).unwrap_or_default()
            })
            .x_desc(&self.axis)
            .draw()?;
        let (value, words) = &self.guide;
        let ends = [(*value, bottom), (*value, top)];
        chart.draw_series(DashedLineSeries::new(ends, 12, 10, INK.stroke_width(3)))?;
        let above = text_style().pos(Pos::new(HPos::Left, VPos::Bottom));
        chart.draw_series([EmptyElement::at(ends[1]) + Text::new(words.clone(), (-10, -8), above)])?;
        for (at, Range { values: [low, median, high], colour, .. }) in ranges.iter().enumerate() {
            let (y, colour) = (middle(at), PALETTE[*colour]);
            chart
                .draw_series([Rectangle::new([(*low, y - 2), (*high, y + 2)], colour.mix(0.55).filled())])?;
            chart.draw_series([Circle::new((*median, y), 12, colour.filled())])?;
            let right = text_style().pos(Pos::new(HPos::Left, VPos::Center));
            let words = Text::new(format!("{median:.2}"), (18, 0), right);
            chart.draw_series([EmptyElement::at((high.max(*median), y)) + words])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::svg;

    #[test]
    fn a_range_shows_its_name_and_its_median() {
        let range = |values| Range { name: "some scheme".into(), values, colour: 2 };
        let chart = RangeChart {
            title: "ranges".into(),
            axis: "value".into(),
            origin: 1.0,
            ranges: vec![range([1.0, 1.0, 1.0]), range([1.2, 1.377, 2.0])],
            guide: (1.1, "perfect".into()),
        };
        let drawn = svg(&chart).unwrap();
        assert!(
            ["some scheme", "1.00", "1.38", "perfect"].iter().all(|words| drawn.contains(words)),
            "{drawn}"
        );
    }
}
