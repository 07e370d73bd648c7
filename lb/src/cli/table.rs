//! Columns of text that fit a terminal.

/// What a terminal shows in a line.
pub const WIDTH: usize = 100;

const GAP: &str = "  ";

/// A column is never cut further than this.
const SHORTEST: usize = 8;

/// Rows under the names of their columns.
#[derive(Clone, Debug)]
pub struct Table<const N: usize> {
    columns: [Column; N],
    rows: Vec<[String; N]>,
}

/// What stands over a column, and where its cells stand.
#[derive(Clone, Copy, Debug)]
pub enum Column {
    /// Left; gives way where a line is too long.
    Words(&'static str),
    /// Right; never cut.
    Number(&'static str),
}

impl<const N: usize> Table<N> {
    /// A table without rows.
    pub fn new(columns: [Column; N]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// One more row.
    pub fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| plain(&cell)));
    }

    /// A line for the names and one for each row; the widest words are cut until all fits.
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
            let words = words.filter(|(width, column)| column.gives_way() && **width > SHORTEST);
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

    fn gives_way(self) -> bool {
        matches!(self, Self::Words(_))
    }
}

/// Where there is nothing to say, or the text for something.
pub fn or_dash(text: Option<impl ToString>) -> String {
    text.map_or_else(|| "–".to_owned(), |text| text.to_string())
}

/// Without line breaks and escape sequences: a key or an answer must not steer the terminal.
pub fn plain(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// At most so many characters of a text.
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
    fn words_give_way_and_numbers_do_not() {
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
    fn what_fits_is_left_as_it_is() {
        let mut table = Table::new([Column::Words("a"), Column::Number("n")]);
        table.row(["one".into(), "1".into()]);
        assert_eq!(table.text(), "a    n\none  1\n");
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(plain("a\u{1b}[2J\n\u{9b}b"), "a\u{fffd}[2J\u{fffd}\u{fffd}b");
    }
}
