//! A table, and its text, CSV and JSON forms.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Row, TableStyle, Width};
use serde_json::{Map, Value};

/// Rows under named columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Stem of its file names: `distribution`.
    pub name: String,
    /// Caption, one line.
    pub caption: String,
    /// Column heads, with units: `share (%)`.
    pub columns: Vec<String>,
    /// Rows; each has as many cells as there are columns.
    pub rows: Vec<Vec<Cell>>,
}

/// A value in a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Text; aligned left.
    Text(String),
    /// A whole number; displayed with thousands separators.
    Count(u64),
    /// A number, and the number of digits after the point.
    Number(f64, usize),
    /// No value was measured.
    None,
}

/// Blanks between two columns.
const GAP: u16 = 2;

/// Longest text in a cell or in a chart, in characters; the rest is cut.
const MAX_TEXT: usize = 32;

/// Columns of text are not made narrower than this, as long as the heads of numbers can be wrapped instead.
const MIN_TEXT: usize = 8;

impl Table {
    /// A table without rows.
    pub fn new(name: impl Into<String>, caption: impl Into<String>, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|head| (*head).to_owned()).collect();
        Self { name: name.into(), caption: caption.into(), columns, rows: Vec::new() }
    }

    /// Appends a row.
    pub fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        let cells = cells.into();
        debug_assert_eq!(cells.len(), self.columns.len(), "a row of {}", self.name);
        self.rows.push(cells);
    }

    /// Plain text in lines of at most `width` characters. Where a row is longer, text is cut to [`MIN_TEXT`] characters
    /// at the least, and then the heads of numbers are wrapped. A number is never cut.
    pub fn text(&self, width: usize) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─')));
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(fitting(width));
        table.set_truncation_indicator("…").set_header(&self.columns);
        for cells in &self.rows {
            let mut row = Row::from(cells.iter().map(|cell| cut(&cell.to_string())));
            row.max_height(1);
            table.add_row(row);
        }
        let wraps = self.least_width() > width;
        for (at, column) in table.column_iter_mut().enumerate() {
            let gap = if at + 1 < self.columns.len() { GAP } else { 0 };
            // No cell has a line break: text is cut after the last character that fits, a head after a word.
            column.set_padding((0, gap)).set_delimiter(if self.is_text(at) { '\n' } else { ' ' });
            if !self.is_text(at) {
                column.set_cell_alignment(CellAlignment::Right);
                column.set_constraint(match wraps {
                    true => ColumnConstraint::Absolute(Width::Fixed(fitting(self.wrapped(at)) + gap)),
                    false => ColumnConstraint::ContentWidth,
                });
            }
        }
        table
            .trim_fmt()
            .lines()
            .map(|line| line.chars().take(width).chain(['\n']).collect::<String>())
            .collect()
    }

    /// Characters of a row whose text is cut to [`MIN_TEXT`].
    fn least_width(&self) -> usize {
        let widths = self.columns.iter().enumerate().map(|(at, head)| match self.is_text(at) {
            true => self.widest_cell(at).max(length(head)).min(MIN_TEXT),
            false => self.widest_cell(at).max(length(head)),
        });
        widths.sum::<usize>() + usize::from(GAP) * self.columns.len().saturating_sub(1)
    }

    /// Width of a column of numbers whose head is wrapped.
    fn wrapped(&self, at: usize) -> usize {
        self.columns[at].split(' ').map(length).max().unwrap_or(0).max(self.widest_cell(at))
    }

    fn widest_cell(&self, at: usize) -> usize {
        self.rows.iter().map(|row| length(&row[at].to_string())).max().unwrap_or(0)
    }

    /// Comma-separated values with a header line (RFC 4180).
    pub fn csv(&self) -> String {
        let rows = self.rows.iter().map(|row| row.iter().map(Cell::plain).collect::<Vec<_>>());
        let lines = [self.columns.clone()].into_iter().chain(rows);
        lines
            .map(|cells| cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",") + "\r\n")
            .collect()
    }

    /// An array with one object per row.
    pub fn json(&self) -> Value {
        let object = |row: &Vec<Cell>| {
            let fields = self.columns.iter().cloned().zip(row.iter().map(Cell::json));
            Value::Object(fields.collect::<Map<_, _>>())
        };
        self.rows.iter().map(object).collect()
    }

    /// Whether a column holds text.
    pub fn is_text(&self, column: usize) -> bool {
        self.rows.iter().any(|row| matches!(row[column], Cell::Text(_)))
    }
}

impl Cell {
    /// A text cell.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The value without thousands separators, for CSV.
    fn plain(&self) -> String {
        match self {
            Self::Count(number) => number.to_string(),
            Self::None => String::new(),
            other => other.to_string(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Text(text) => text.clone().into(),
            Self::Count(number) => (*number).into(),
            // The JSON value has the digits of the table: more digits would claim an accuracy that was not measured.
            Self::Number(..) => self.to_string().parse::<f64>().ok().into(),
            Self::None => Value::Null,
        }
    }
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Count(number) => f.write_str(&grouped(*number)),
            Self::Number(number, digits) => write!(f, "{number:.digits$}"),
            Self::None => f.write_str("–"),
        }
    }
}

/// A number with thousands separators: 10,000.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or("")).collect();
    groups.join(",")
}

/// Shortens a text to the longest that a table or a chart shows.
pub fn cut(text: &str) -> String {
    shortened(text, MAX_TEXT)
}

fn shortened(text: &str, longest: usize) -> String {
    if length(text) <= longest {
        return text.to_owned();
    }
    text.chars().take(longest - 1).chain(['…']).collect()
}

/// The width as comfy-table counts it.
fn fitting(width: usize) -> u16 {
    width.try_into().unwrap_or(u16::MAX)
}

fn length(text: &str) -> usize {
    text.chars().count()
}

fn quoted(cell: &str) -> String {
    match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new("t", "a table", &["replica", "requests", "share (%)"]);
        table.row([Cell::text("x".repeat(63)), Cell::Count(3_000_000), Cell::Number(75.0, 1)]);
        table.row([Cell::text("a \"b\", c"), Cell::Count(0), Cell::None]);
        table
    }

    #[test]
    fn text_fits_100_columns() {
        let text = table().text(100);
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert!(text.contains("…  3,000,000       75.0\n"), "{text}");
        assert!(text.ends_with("          0          –\n"), "{text}");
        let mut words = Table::new("w", "", &["a", "b", "c", "d", "n"]);
        let long = "x".repeat(31);
        words.row([
            Cell::text("short"),
            Cell::text(&long),
            Cell::text(&long),
            Cell::text(&long),
            Cell::Count(7),
        ]);
        let text = words.text(100);
        assert!(
            text.contains("short") && text.matches("x…  ").count() == 3 && text.ends_with("  7\n"),
            "{text}"
        );
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        let wide = Table::new("w", "", &["c"; 60]).text(100);
        assert!(wide.lines().all(|line| line.chars().count() == 100), "{wide}");
    }

    #[test]
    fn heads_are_wrapped_where_the_terminal_is_too_narrow() {
        let columns = ["name", "of the ideal", "needless (%)", "peak, cap 1.10"];
        let mut table = Table::new("t", "", &columns);
        table.row([
            Cell::text("x".repeat(20)),
            Cell::Number(1.5, 2),
            Cell::Number(0.25, 2),
            Cell::Count(1000),
        ]);
        let expected = "\
name             of  needless  peak,
                the       (%)    cap
              ideal             1.10
────────────────────────────────────
xxxxxxxxxxx…   1.50      0.25  1,000
";
        assert_eq!(table.text(36), expected);
    }

    #[test]
    fn csv_and_json_keep_the_values() {
        let csv = table().csv();
        assert!(csv.starts_with("replica,requests,share (%)\r\n"), "{csv}");
        assert!(csv.ends_with("\"a \"\"b\"\", c\",0,\r\n"), "{csv}");
        assert_eq!(
            table().json()[1],
            serde_json::json!({"replica": "a \"b\", c", "requests": 0, "share (%)": null})
        );
        assert_eq!(table().json()[0]["share (%)"], 75.0);
    }

    #[test]
    fn thousands_are_separated() {
        let shown = [0, 999, 1000, 10_000, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "10,000", "1,234,567"]);
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(cut("server1"), "server1");
        assert_eq!(cut(&"é".repeat(33)), format!("{}…", "é".repeat(31)));
    }
}
