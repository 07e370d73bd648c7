//! Text in columns, at most as wide as a terminal.

/// The most characters of a line.
pub const WIDTH: usize = 100;

const GAP: &str = "  ";

/// The smallest width to which a column is cut.
const MIN_COLUMN: usize = 8;

/// A header and rows.
#[derive(Clone, Debug)]
pub struct Table<const N: usize> {
    columns: [Column; N],
    rows: Vec<[String; N]>,
}

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
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row; control characters in its cells are replaced.
    pub fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| plain(&cell)));
    }

    /// The header and the rows as lines; the widest columns of words are shortened until the lines fit.
    pub fn text(&self) -> String {
        let widths = self.widths();
        let lines = std::iter::once(self.columns.map(|column| column.name().to_owned()));
        let lines = lines.chain(self.rows.iter().cloned());
        lines.map(|cells| self.line(&cells, &widths) + "\n").collect()
    }

    fn line(&self, cells: &[String; N], widths: &[usize; N]) -> String {
        let padded =
            self.columns.iter().zip(cells).zip(widths).map(|((column, cell), &width)| match column {
                Column::Words(_) => format!("{:width$}", shortened(cell, width)),
                Column::Number(_) => format!("{cell:>width$}"),
            });
        padded.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    }

    fn widths(&self) -> [usize; N] {
        let mut widths = self.columns.map(|column| column.name().len());
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        while widths.iter().sum::<usize>() + GAP.len() * N.saturating_sub(1) > WIDTH {
            let words = widths.iter_mut().zip(&self.columns);
            let words = words.filter(|(width, column)| column.can_shrink() && **width > MIN_COLUMN);
            let Some((widest, _)) = words.max_by_key(|(width, _)| **width) else { break };
            *widest -= 1;
        }
        widths
    }
}

impl Column {
    fn name(self) -> &'static str {
        let (Self::Words(name) | Self::Number(name)) = self;
        name
    }

    fn can_shrink(self) -> bool {
        matches!(self, Self::Words(_))
    }
}

/// The text, or a dash for `None`.
pub fn or_dash(text: Option<impl ToString>) -> String {
    text.map_or_else(|| "–".to_owned(), |text| text.to_string())
}

/// Replaces control characters, so that a key or a response cannot send escape sequences to the terminal.
pub fn plain(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// The first `longest` characters of a text, with `…` as the last one if it was cut.
pub fn shortened(words: &str, longest: usize) -> String {
    if words.chars().count() <= longest {
        return words.to_owned();
    }
    words.chars().take(longest - 1).chain(['…']).collect()
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
        let text = table.text();
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
        assert_eq!(table.text(), "a    n\none  1\n");
    }

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(plain("a\u{1b}[2J\n\u{9b}b"), "a\u{fffd}[2J\u{fffd}\u{fffd}b");
    }
}
