//! Results of the experiments, and the formats they are written in.

mod html;
mod markdown;
mod page;

use serde_json::{Value, json};

use crate::chart::ChartImage;
use crate::table::Table;

pub use page::{Page, pretty};

/// Results of one experiment.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// Name of the experiment: `distribution`.
    pub name: &'static str,
    /// Heading: `A-1 distribution: …`.
    pub title: String,
    /// The main result in one sentence; it also appears in the contents of the report.
    pub summary: String,
    /// Paragraphs that say what was done and what the figures mean.
    pub text: Vec<String>,
    /// Tables in reading order.
    pub tables: Vec<Table>,
    /// Charts in reading order.
    pub charts: Vec<ChartImage>,
    /// Values that `--assert` can name; `facts` in the JSON report.
    pub metrics: Vec<(&'static str, f64)>,
    /// Additional files as name and content, for other programs.
    pub files: Vec<(String, String)>,
}

impl Section {
    /// A section without results yet.
    pub fn new(name: &'static str, title: impl Into<String>) -> Self {
        Self { name, title: title.into(), ..Self::default() }
    }

    /// The section of an experiment that could not run, with the reason.
    pub fn skipped(name: &'static str, title: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Self { summary: format!("Skipped: {reason}."), ..Self::new(name, title) }
    }

    /// The summary, unless it is empty, followed by the text.
    pub fn paragraphs(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.summary).chain(&self.text).filter(|paragraph| !paragraph.is_empty())
    }

    /// Plain text in lines of at most `width` characters.
    pub fn terminal(&self, width: usize) -> String {
        let mut text = format!("{}\n\n", self.title);
        for paragraph in self.paragraphs() {
            text += &format!("{}\n\n", textwrap::fill(paragraph, width));
        }
        for table in &self.tables {
            text += &format!("{}\n\n{}\n", textwrap::fill(&table.caption, width), table.text(width));
        }
        text
    }

    /// JSON for other programs.
    pub fn json(&self) -> Value {
        let metrics: serde_json::Map<_, _> =
            self.metrics.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let tables: serde_json::Map<_, _> =
            self.tables.iter().map(|table| (table.name.clone(), table.json())).collect();
        json!({
            "name": self.name,
            "title": self.title,
            "summary": self.summary,
            "text": self.text,
            "facts": metrics,
            "tables": tables,
        })
    }
}
