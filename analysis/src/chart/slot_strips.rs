//! Slot maps as strips: keys on each slot, home slots of the virtual nodes, and owners.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Chart, Drawn, FONT, GRID, INK, PALETTE, TEXT, WIDTH, text_style, title_style};

/// Strips below each other, all with the same number of slots.
pub struct SlotStrips {
    /// Title above the strips.
    pub title: String,
    /// Legend below the title.
    pub note: String,
    /// Strips from the top.
    pub strips: Vec<Strip>,
}

/// One slot map.
pub struct Strip {
    /// Name above the strip.
    pub name: String,
    /// Keys per slot; the bars are relative to the largest.
    pub keys: Vec<u64>,
    /// Virtual nodes: slot, and index of the seat.
    pub nodes: Vec<(usize, usize)>,
    /// Index of the owning seat, per slot.
    pub owners: Vec<usize>,
    /// Caption of each seat, drawn in its colour.
    pub seats: Vec<String>,
}

const HEAD: i32 = 170;
const STRIP: i32 = 390;
/// Left margin that leaves three pixels for each of 512 slots.
const LEFT: i32 = 32;
const BARS: i32 = 120;
const BAR: RGBColor = RGBColor(110, 110, 110);
const NODES: i32 = 44;
const BAND: i32 = 56;

impl Chart for SlotStrips {
    fn height(&self) -> u32 {
        (HEAD + STRIP * self.strips.len() as i32) as u32
    }

    fn draw<B: DrawingBackend>(&self, sheet: &DrawingArea<B, Shift>) -> Drawn<B> {
        let centred = title_style().pos(Pos::new(HPos::Center, VPos::Center));
        sheet.draw(&Text::new(self.title.clone(), (WIDTH as i32 / 2, 50), centred))?;
        let small = (FONT, TEXT - 4).into_font().color(&INK);
        let centred = small.pos(Pos::new(HPos::Center, VPos::Center));
        sheet.draw(&Text::new(self.note.clone(), (WIDTH as i32 / 2, 104), centred))?;
        for (at, strip) in (0..).zip(&self.strips) {
            strip.draw(sheet, HEAD + STRIP * at)?;
        }
        Ok(())
    }
}

impl Strip {
    fn draw<B: DrawingBackend>(&self, sheet: &DrawingArea<B, Shift>, top: i32) -> Drawn<B> {
        let (slots, most) = (self.owners.len().max(1), self.keys.iter().max().copied().unwrap_or(0).max(1));
        let x = |slot: usize| LEFT + ((WIDTH as i32 - 2 * LEFT) as f64 * slot as f64 / slots as f64) as i32;
        let fill = |from: (i32, i32), to: (i32, i32), colour: RGBColor| {
            sheet.draw(&Rectangle::new([from, to], colour.filled()))
        };
        let left = Pos::new(HPos::Left, VPos::Center);
        sheet.draw(&Text::new(self.name.clone(), (LEFT, top + 16), text_style().pos(left)))?;

        let floor = top + 46 + BARS;
        fill((LEFT, floor), (x(slots), floor + 1), GRID)?;
        for (slot, keys) in self.keys.iter().enumerate().filter(|(_, keys)| **keys > 0) {
            let bar = (f64::from(BARS) * *keys as f64 / most as f64).ceil() as i32;
            fill((x(slot), floor - bar), (x(slot + 1), floor), BAR)?;
        }
        let band = floor + 10 + NODES;
        for (slot, seat) in self.owners.iter().enumerate() {
            fill((x(slot), band), (x(slot + 1), band + BAND), colour(*seat))?;
        }
        for (slot, seat) in &self.nodes {
            let tip = x(*slot) + 1;
            let pin = vec![(tip - 8, band - NODES + 8), (tip + 8, band - NODES + 8), (tip, band - 4)];
            sheet.draw(&Polygon::new(pin, colour(*seat)))?;
        }
        let mut at = LEFT;
        for (seat, words) in self.seats.iter().enumerate() {
            let style = (FONT, TEXT).into_font().color(&colour(seat)).pos(left);
            sheet.draw(&Text::new(words.clone(), (at, band + BAND + 30), style.clone()))?;
            at += sheet.estimate_text_size(words, &style)?.0 as i32 + 50;
        }
        Ok(())
    }
}

fn colour(seat: usize) -> RGBColor {
    PALETTE[seat % PALETTE.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::svg;

    #[test]
    fn a_strip_has_a_bar_for_each_slot_with_keys() {
        let strip = Strip {
            name: "strip".into(),
            keys: vec![0, 7, 1, 0],
            nodes: vec![(1, 0), (3, 1)],
            owners: vec![0, 0, 1, 1],
            seats: vec!["one".into(), "two".into()],
        };
        let strips = SlotStrips { title: "strips".into(), note: "read".into(), strips: vec![strip] };
        let drawn = svg(&strips).unwrap();
        assert_eq!(drawn.matches("fill=\"#6E6E6E\" stroke=\"none\"/>").count(), 2, "{drawn}");
        assert_eq!(drawn.matches("<polygon").count(), 2, "{drawn}");
        assert!(["strip", "one", "two"].iter().all(|words| drawn.contains(words)), "{drawn}");
    }
}
