//! Text in columns, at most as wide as a terminal.

use std::io::{IsTerminal as _, stdout};

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Row, presets};

/// The most characters of a line in a file or a pipe, and of the line of an event.
pub const WIDTH: usize = 100;

/// The most characters of a line on a terminal.
const TERMINAL_WIDTH: usize = 80;

/// Blanks between two columns.
const GAP: u16 = 2;

/// The most characters of a line on standard output.
pub fn width() -> usize {
    if stdout().is_terminal() { TERMINAL_WIDTH } else { WIDTH }
}

/// A header and rows.
#[derive(Clone, Debug)]
pub struct Table<const N: usize>(comfy_table::Table);

/// The header and alignment of a column.
#[derive(Clone, Copy, Debug)]
pub enum Column {
    /// Aligned left; shortened where a line is too long.
    Words(&'static str),
    /// Aligned right; never shortened.
    Number(&'static str),
}

impl<const N: usize> Table<N> {
    /// A table without rows.
    pub fn new(columns: [Column; N]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        // No cell has a line break, so that a cell is cut after the last character that fits, not after a word.
        table.set_truncation_indicator("…").set_delimiter('\n');
        table.set_header(line(columns.map(|column| column.name().to_owned())));
        for (at, (drawn, column)) in table.column_iter_mut().zip(columns).enumerate() {
            drawn.set_padding((0, if at + 1 < N { GAP } else { 0 }));
            if let Column::Number(_) = column {
                drawn.set_cell_alignment(CellAlignment::Right);
                drawn.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        Self(table)
    }

    /// Adds a row; control characters in its cells are replaced.
    pub fn row(&mut self, cells: [String; N]) {
        self.0.add_row(line(cells.map(|cell| plain(&cell))));
    }

    /// The header and the rows as lines; the widest columns of words are shortened until the lines fit `width`.
    pub fn text(mut self, width: usize) -> String {
        self.0.set_width(width.try_into().unwrap_or(u16::MAX)).trim_fmt() + "\n"
    }
}

impl Column {
    fn name(self) -> &'static str {
        let (Self::Words(name) | Self::Number(name)) = self;
        name
    }
}

/// A row that is one line high.
fn line<const N: usize>(cells: [String; N]) -> Row {
    let mut row = Row::from(cells);
    row.max_height(1);
    row
}

/// The text, or a dash for `None`.
pub fn or_dash(text: Option<impl ToString>) -> String {
    text.map_or_else(|| "–".to_owned(), |text| text.to_string())
}

/// Replaces control characters, so that a key or a response cannot send escape sequences to the terminal.
pub fn plain(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_shortened_and_numbers_are_not() {
        let mut table =
            Table::new([Column::Number("seat"), Column::Words("replica"), Column::Words("address")]);
        table.row(["1000000".into(), "x".repeat(63), "y".repeat(63)]);
        table.row(["2".into(), "a".into(), or_dash(None::<u8>)]);
        let text = table.text(WIDTH);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(lines[1].starts_with("1000000  xxx") && lines[1].matches('…').count() == 2, "{text}");
        assert!(lines[2].starts_with("      2  a ") && lines[2].ends_with("  –"), "{text}");
    }

    #[test]
    fn a_table_that_fits_is_not_shortened() {
        let mut table = Table::new([Column::Words("a"), Column::Number("n")]);
        table.row(["one".into(), "1".into()]);
        assert_eq!(table.text(WIDTH), "a    n\none  1\n");
    }

    #[test]
    fn a_terminal_gets_lines_of_80_columns() {
        let mut table = Table::new([Column::Words("replica"), Column::Number("slots"), Column::Words("now")]);
        table.row(["é".repeat(63), "1048576".into(), "passed over: ejected".into()]);
        let text = table.text(TERMINAL_WIDTH);
        assert_eq!(text.lines().map(|line| line.chars().count()).max(), Some(TERMINAL_WIDTH), "{text}");
        assert!(text.ends_with("é…  1048576  passed over: ejected\n"), "{text}");
    }

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(plain("a\u{1b}[2J\n\u{9b}b"), "a\u{fffd}[2J\u{fffd}\u{fffd}b");
    }
}
