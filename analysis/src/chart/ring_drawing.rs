//! Slot maps as small rings side by side.

use std::f64::consts::TAU;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Chart, Drawn, FONT, INK, PALETTE, TEXT, WIDTH, text_style, title_style};

/// Rings in rows of four, below a legend of the seats' colours.
pub struct RingDrawing {
    /// Title above the rings.
    pub title: String,
    /// Names of the seats, in the order of their colours.
    pub seats: Vec<String>,
    /// Rings from left to right, row by row.
    pub rings: Vec<Ring>,
}

/// A slot map drawn as a ring.
pub struct Ring {
    /// Name below the ring.
    pub name: String,
    /// Note below the name.
    pub note: String,
    /// Text in the middle.
    pub middle: String,
    /// Index of the owning seat per slot, clockwise from the top.
    pub owners: Vec<usize>,
}

const COLUMNS: usize = 4;
const CELL: (i32, i32) = (WIDTH as i32 / COLUMNS as i32, 420);
const HEAD: i32 = 160;
const OUTER: f64 = 150.0;
const INNER: f64 = 88.0;

impl Chart for RingDrawing {
    fn height(&self) -> u32 {
        (HEAD + CELL.1 * self.rings.len().div_ceil(COLUMNS) as i32) as u32
    }

    fn draw<B: DrawingBackend>(&self, sheet: &DrawingArea<B, Shift>) -> Drawn<B> {
        let sheet = &sheet.margin(20, 0, 0, 0);
        let centred = |style: TextStyle<'static>| style.pos(Pos::new(HPos::Center, VPos::Center));
        let middle = WIDTH as i32 / 2;
        sheet.draw(&Text::new(self.title.clone(), (middle, 30), centred(title_style())))?;
        self.draw_legend(sheet)?;
        for (at, ring) in self.rings.iter().enumerate() {
            let (column, row) = ((at % COLUMNS) as i32, (at / COLUMNS) as i32);
            let (x, y) = (CELL.0 * column + CELL.0 / 2, HEAD + CELL.1 * row + OUTER as i32);
            ring.draw(sheet, (x, y))?;
            sheet.draw(&Text::new(ring.middle.clone(), (x, y), centred(text_style())))?;
            let below = y + OUTER as i32;
            sheet.draw(&Text::new(ring.name.clone(), (x, below + 30), centred(text_style())))?;
            let small = (FONT, TEXT - 6).into_font().color(&INK);
            sheet.draw(&Text::new(ring.note.clone(), (x, below + 68), centred(small)))?;
        }
        Ok(())
    }
}

impl RingDrawing {
    fn draw_legend<B: DrawingBackend>(&self, sheet: &DrawingArea<B, Shift>) -> Drawn<B> {
        let style = text_style().pos(Pos::new(HPos::Left, VPos::Center));
        let room = |name: &String| Ok(sheet.estimate_text_size(name, &style)?.0 as i32 + 90);
        let rooms = self.seats.iter().map(room).collect::<Result<Vec<_>, DrawingAreaErrorKind<_>>>()?;
        let mut x = (WIDTH as i32 - rooms.iter().sum::<i32>()) / 2;
        for ((seat, name), room) in self.seats.iter().enumerate().zip(rooms) {
            sheet.draw(&Rectangle::new([(x, 76), (x + 34, 104)], colour(seat).filled()))?;
            sheet.draw(&Text::new(name.clone(), (x + 48, 90), style.clone()))?;
            x += room;
        }
        Ok(())
    }
}

impl Ring {
    fn draw<B: DrawingBackend>(&self, sheet: &DrawingArea<B, Shift>, (x, y): (i32, i32)) -> Drawn<B> {
        let slots = self.owners.len() as f64;
        for (from, to, seat) in runs(&self.owners) {
            let turns = [from, to].map(|slot| slot as f64 / slots);
            // Chords of at most 1.5 degrees look like an arc.
            let steps = ((turns[1] - turns[0]) * 240.0).ceil().max(1.0) as u32;
            let turn = |step: u32| turns[0] + (turns[1] - turns[0]) * f64::from(step) / f64::from(steps);
            let point = |radius: f64, turn: f64| {
                let (sin, cos) = (turn * TAU).sin_cos();
                (x + (radius * sin).round() as i32, y - (radius * cos).round() as i32)
            };
            let outer = (0..=steps).map(|step| point(OUTER, turn(step)));
            let inner = (0..=steps).rev().map(|step| point(INNER, turn(step)));
            sheet.draw(&Polygon::new(outer.chain(inner).collect::<Vec<_>>(), colour(seat)))?;
        }
        Ok(())
    }
}

/// Runs of slots of one seat: first slot, slot after the last, seat.
fn runs(owners: &[usize]) -> Vec<(usize, usize, usize)> {
    let mut from = 0;
    let chunks = owners.chunk_by(|a, b| a == b);
    chunks
        .map(|run| {
            let start = from;
            from += run.len();
            (start, from, run[0])
        })
        .collect()
}

fn colour(seat: usize) -> RGBColor {
    PALETTE[seat % PALETTE.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::svg;

    #[test]
    fn runs_cover_the_ring() {
        assert_eq!(runs(&[0, 0, 1, 0]), [(0, 2, 0), (2, 3, 1), (3, 4, 0)]);
        assert_eq!(runs(&[]), []);
    }

    #[test]
    fn rings_are_in_rows_of_four() {
        let ring = |n: usize| Ring {
            name: format!("ring {n}"),
            note: "3 slots".into(),
            middle: "1.00".into(),
            owners: vec![0, 1, 2],
        };
        let drawing = |n| RingDrawing {
            title: "rings".into(),
            seats: vec!["seat 1".into(), "seat 2".into(), "seat 3".into()],
            rings: (0..n).map(ring).collect(),
        };
        assert_eq!([1, 4, 5].map(|n| drawing(n).height()), [580, 580, 1000]);
        let drawn = svg(&drawing(5)).unwrap();
        assert_eq!(drawn.matches("<polygon").count(), 15);
        assert!(drawn.contains("ring 4") && drawn.contains("seat 3"));
    }
}
