//! The report as a whole, and its files.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Section, html, markdown};
use crate::output::{self, Output};

/// All sections of a run.
#[derive(Debug)]
pub struct Page {
    /// What was measured (balancer, load, seed …), as name and value.
    pub settings: Vec<(&'static str, String)>,
    /// Sections in the order in which the experiments ran.
    pub sections: Vec<Section>,
}

impl Page {
    /// JSON for other programs.
    pub fn json(&self) -> Value {
        let settings: serde_json::Map<_, _> =
            self.settings.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        json!({ "settings": settings, "experiments": self.sections.iter().map(Section::json).collect::<Vec<_>>() })
    }

    /// Writes `report.html`, `REPORT.md`, `report.json` and the files of each section. Returns the
    /// path of `report.html`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, output: &Output) -> Result<PathBuf, output::Error> {
        for section in &self.sections {
            for chart in &section.charts {
                output.write(&format!("{}.png", chart.name), &chart.png)?;
                output.write(&format!("{}.svg", chart.name), chart.svg.as_bytes())?;
            }
            for table in &section.tables {
                output.write(&format!("{}.csv", table.name), table.csv().as_bytes())?;
                output.write(&format!("{}.json", table.name), pretty(&table.json()).as_bytes())?;
            }
            for (name, content) in &section.files {
                output.write(name, content.as_bytes())?;
            }
        }
        output.write("report.json", pretty(&self.json()).as_bytes())?;
        output.write("REPORT.md", markdown::of(self).as_bytes())?;
        output.write("report.html", html::of(self).as_bytes())
    }
}

/// Indented JSON with a final newline.
pub fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
