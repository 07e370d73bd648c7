//! A table, and its text, CSV and JSON forms.

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

/// Characters per line on a terminal.
const WIDTH: usize = 100;

/// Separator of two columns.
const GAP: &str = "  ";

/// Longest text in a cell or in a chart, in characters; the rest is cut.
const MAX_TEXT: usize = 32;

/// Columns of text are not made narrower than this.
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

    /// Plain text for a terminal; text cells are cut until a row fits 100 characters.
    pub fn text(&self) -> String {
        let cells: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(Cell::to_string).collect()).collect();
        let widths = self.widths(&cells);
        let line = |cells: &[String]| {
            let padded = cells.iter().enumerate().map(|(at, cell)| {
                let (cell, width) = (shortened(cell, widths[at]), widths[at]);
                if self.is_text(at) { format!("{cell:width$}") } else { format!("{cell:>width$}") }
            });
            let line = padded.collect::<Vec<_>>().join(GAP);
            line.trim_end().chars().take(WIDTH).chain(['\n']).collect::<String>()
        };
        let head = line(&self.columns);
        let rule = "─".repeat(length(&head).saturating_sub(1)) + "\n";
        cells.iter().fold(head + &rule, |text, row| text + &line(row))
    }

    /// The widest cell of each column; the widest text columns shrink until the row fits.
    fn widths(&self, cells: &[Vec<String>]) -> Vec<usize> {
        let widest = |(at, head): (usize, &String)| {
            cells.iter().map(|row| length(&row[at])).max().unwrap_or(0).min(MAX_TEXT).max(length(head))
        };
        let mut widths: Vec<usize> = self.columns.iter().enumerate().map(widest).collect();
        let gaps = GAP.len() * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > WIDTH {
            let texts =
                widths.iter_mut().enumerate().filter(|(at, width)| self.is_text(*at) && **width > MIN_TEXT);
            let Some((_, width)) = texts.max_by_key(|(_, width)| **width) else { break };
            *width -= 1;
        }
        widths
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
        let text = table().text();
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
        let text = words.text();
        assert!(
            text.contains("short") && text.matches("x…  ").count() == 3 && text.ends_with("  7\n"),
            "{text}"
        );
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        let wide = Table::new("w", "", &["c"; 60]).text();
        assert!(wide.lines().all(|line| line.chars().count() == 100), "{wide}");
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
