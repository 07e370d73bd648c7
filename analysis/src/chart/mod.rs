//! Charts as PNG and SVG, legible at half their size. The font is embedded, because a machine may have none.

mod bars;
mod curves;
mod dots;
mod lines;
mod outline;
mod ranges;
mod ring_drawing;
mod scatter;
mod slot_strips;
mod timeline;

use ab_glyph::FontRef;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{TextStyle, register_font};

pub use bars::BarChart;
pub use curves::{Curve, Curves, Panel};
pub use dots::{DotChart, Dots};
pub use lines::{Line, LineChart, LineStyle};
pub use ranges::{Range, RangeChart};
pub use ring_drawing::{Ring, RingDrawing};
pub use scatter::{Point, Scatter};
pub use slot_strips::{SlotStrips, Strip};
pub use timeline::{Band, TimeLine};

/// The palette of Okabe and Ito, which colour-blind readers can distinguish, also in print; blue and vermilion first.
pub const PALETTE: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(120, 110, 0),
    RGBColor(0, 0, 0),
];

/// Colour of text and axes.
pub const INK: RGBColor = RGBColor(40, 40, 40);

/// Colour of grid lines.
pub const GRID: RGBColor = RGBColor(215, 215, 215);

/// Name under which the embedded font is registered.
pub const FONT: &str = "sans-serif";

/// Height of text in pixels, for a chart of width [`WIDTH`].
pub const TEXT: i32 = 34;

/// Height of a title in pixels.
pub const TITLE: i32 = 44;

/// Width of every chart in pixels.
pub const WIDTH: u32 = 1600;

/// Result of drawing on a backend.
pub type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// A chart that can be drawn on a white sheet.
pub trait Chart {
    /// Height of the sheet in pixels; its width is [`WIDTH`].
    fn height(&self) -> u32;

    /// Draws the chart on the sheet.
    fn draw<B: DrawingBackend>(&self, sheet: &DrawingArea<B, Shift>) -> Drawn<B>;
}

/// A rendered chart.
#[derive(Clone, Debug)]
pub struct ChartImage {
    /// Stem of its file names.
    pub name: String,
    /// Caption, one line.
    pub caption: String,
    /// The chart as SVG.
    pub svg: String,
    /// The chart as PNG.
    pub png: Vec<u8>,
}

/// The chart cannot be drawn.
#[derive(Debug, thiserror::Error)]
#[error("the chart '{name}' cannot be drawn: {reason}")]
pub struct Error {
    name: String,
    reason: String,
}

impl ChartImage {
    /// Renders a chart.
    ///
    /// # Errors
    /// When the figures do not allow to draw axes.
    pub fn of(
        name: impl Into<String>,
        caption: impl Into<String>,
        chart: &impl Chart,
    ) -> Result<Self, Error> {
        let (name, caption) = (name.into(), caption.into());
        let error = |reason: String| Error { name: name.clone(), reason };
        let bytes = dejavu::sans::regular();
        let font = FontRef::try_from_slice(bytes).map_err(|reason| error(reason.to_string()))?;
        let svg = outline::outlined(&svg(chart).map_err(error)?, &caption, &font);
        let size = (WIDTH, chart.height());
        let mut pixels = vec![0; 3 * (size.0 * size.1) as usize];
        render(BitMapBackend::with_buffer(&mut pixels, size), chart).map_err(error)?;
        let png = png(&pixels, size).map_err(|reason| error(reason.to_string()))?;
        Ok(Self { name, caption, svg, png })
    }
}

/// Style of normal text.
pub fn text_style() -> TextStyle<'static> {
    (FONT, TEXT).into_font().color(&INK)
}

/// Style of titles.
pub fn title_style() -> TextStyle<'static> {
    (FONT, TITLE).into_font().color(&INK)
}

/// The chart as SVG with `<text>` elements.
fn svg(chart: &impl Chart) -> Result<String, String> {
    register_font(FONT, FontStyle::Normal, dejavu::sans::regular())
        .map_err(|_| "the built-in font is damaged".to_owned())?;
    let mut svg = String::new();
    render(SVGBackend::with_string(&mut svg, (WIDTH, chart.height())), chart)?;
    Ok(svg)
}

fn render<B: DrawingBackend>(backend: B, chart: &impl Chart) -> Result<(), String> {
    let sheet = backend.into_drawing_area();
    let drawn = sheet.fill(&WHITE).and_then(|()| chart.draw(&sheet)).and_then(|()| sheet.present());
    drawn.map_err(|error| error.to_string())
}

fn png(pixels: &[u8], (width, height): (u32, u32)) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}
