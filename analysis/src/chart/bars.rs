//! Horizontal bars.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Chart, Drawn, FONT, GRID, INK, PALETTE, TEXT, text_style, title_style};
use crate::table::{cut, grouped};

/// Horizontal bars, which leave room for long names, with their mean as a dashed line.
pub struct BarChart<'a> {
    /// Title above the chart.
    pub title: String,
    /// Label of the vertical axis.
    pub bars_axis: &'a str,
    /// Label of the horizontal axis.
    pub values_axis: &'a str,
    /// Name and value of each bar, from the top.
    pub bars: &'a [(String, u32)],
    /// Mean of all bars.
    pub mean: f64,
}

impl Chart for BarChart<'_> {
    fn height(&self) -> u32 {
        // The height is bounded, so that a chart of hundreds of bars can still be opened.
        (300 + 90 * self.bars.len() as u32).clamp(600, 10_000)
    }

    fn draw<B: DrawingBackend>(&self, sheet: &DrawingArea<B, Shift>) -> Drawn<B> {
        let bars: Vec<_> = self.bars.iter().rev().collect();
        let peak = bars.iter().map(|(_, count)| *count).max().unwrap_or_default();
        let longest = bars.iter().map(|(name, _)| cut(name).chars().count()).max().unwrap_or_default() as i32;
        let text = text_style();
        let plot = sheet.margin(20, 0, 0, 0).titled(&self.title, title_style())?;

        // A bar takes 20 units of the axis and is centred in them.
        let middle = |at: usize| 20 * at as i32 + 10;
        let (bottom, top) = (0, 20 * bars.len() as i32);
        let mut chart = ChartBuilder::on(&plot)
            .margin(30)
            // Room above for the label of the mean.
            .margin_top(60)
            .x_label_area_size(100)
            .y_label_area_size(100 + longest * TEXT * 55 / 100)
            .build_cartesian_2d(
                // Room for the counts to the right of the longest bar.
                0..peak + peak / 6 + 1,
                (bottom..top).with_key_points((0..bars.len()).map(middle).collect()),
            )?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(INK)
            .label_style(text.clone())
            .x_labels(6)
            .x_label_formatter(&|count| grouped((*count).into()))
            .y_label_formatter(&|at| {
                bars.get(*at as usize / 20).map(|(name, _)| cut(name)).unwrap_or_default()
            })
            .x_desc(self.values_axis)
            .y_desc(self.bars_axis)
            .draw()?;

        let numbered = || bars.iter().enumerate().map(|(at, (_, count))| (middle(at), *count));
        chart.draw_series(
            numbered().map(|(at, count)| Rectangle::new([(0, at - 7), (count, at + 7)], PALETTE[0].filled())),
        )?;
        let column = text.pos(Pos::new(HPos::Left, VPos::Center));
        chart.draw_series(numbered().map(|(at, count)| {
            EmptyElement::at((peak, at)) + Text::new(grouped(count.into()), (20, 0), column.clone())
        }))?;
        let mean = self.mean.round() as u32;
        let line = DashedLineSeries::new([(mean, bottom), (mean, top)], 16, 10, PALETTE[1].stroke_width(5));
        chart.draw_series(line)?;
        let above = (FONT, TEXT).into_font().color(&PALETTE[1]).pos(Pos::new(HPos::Center, VPos::Bottom));
        let label = Text::new(format!("mean {}", grouped(mean.into())), (0, -12), above);
        chart.draw_series([EmptyElement::at((mean, top)) + label])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::{ChartImage, WIDTH};

    #[test]
    fn the_height_grows_with_the_bars_within_bounds() {
        for (bars, height) in [(1, 600), (10, 1200), (300, 10_000)] {
            let bars: Vec<_> = (1..=bars).map(|i| (format!("server{i}"), i)).collect();
            let chart = BarChart {
                title: "bars".into(),
                bars_axis: "Bar",
                values_axis: "Height",
                bars: &bars,
                mean: 1.0,
            };
            let chart = ChartImage::of("bars", "bars", &chart).unwrap();
            // PNG, section 11.2.1: width and height are the first fields of the first chunk.
            let header = chart.png[16..24].to_vec();
            assert_eq!(header, [WIDTH.to_be_bytes(), u32::to_be_bytes(height)].concat());
        }
    }
}
