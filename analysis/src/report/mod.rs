//! What the experiments found, and how it is written down.

mod html;
mod markdown;
mod page;

use serde_json::{Value, json};

use crate::chart::Picture;
use crate::table::Table;

pub use page::{Page, pretty};

/// What one experiment found.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// The experiment: `distribution`.
    pub name: &'static str,
    /// Its heading: `A-1 distribution: …`.
    pub title: String,
    /// What was found, in a sentence: it stands at the top of the report too.
    pub summary: String,
    /// What was done and what the figures mean, a paragraph each.
    pub text: Vec<String>,
    /// In the order of reading.
    pub tables: Vec<Table>,
    /// In the order of reading.
    pub pictures: Vec<Picture>,
    /// Figures that `--assert` can name.
    pub facts: Vec<(&'static str, f64)>,
    /// More files, by name, for programs that look for them.
    pub files: Vec<(String, String)>,
}

impl Section {
    /// Nothing yet.
    pub fn new(name: &'static str, title: impl Into<String>) -> Self {
        Self { name, title: title.into(), ..Self::default() }
    }

    /// An experiment that could not be made here, and why.
    pub fn skipped(name: &'static str, title: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Self { summary: format!("Skipped: {reason}."), ..Self::new(name, title) }
    }

    /// The summary, if there is one, and the text.
    pub fn paragraphs(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.summary).chain(&self.text).filter(|paragraph| !paragraph.is_empty())
    }

    /// For a terminal.
    pub fn terminal(&self) -> String {
        let mut text = format!("{}\n\n", self.title);
        for paragraph in self.paragraphs() {
            text += &format!("{}\n\n", textwrap::fill(paragraph, 100));
        }
        for table in &self.tables {
            text += &format!("{}\n\n{}\n", textwrap::fill(&table.caption, 100), table.text());
        }
        text
    }

    /// For a program.
    pub fn json(&self) -> Value {
        let facts: serde_json::Map<_, _> =
            self.facts.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let tables: serde_json::Map<_, _> =
            self.tables.iter().map(|table| (table.name.clone(), table.json())).collect();
        json!({
            "name": self.name,
            "title": self.title,
            "summary": self.summary,
            "text": self.text,
            "facts": facts,
            "tables": tables,
        })
    }
}
