//! The numbers in the repository, and the rustc version that they belong to.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::callgrind::Instructions;

/// Instructions a request without `mem*`, by case. How `memcpy` is counted depends on the processor.
#[derive(Serialize, Deserialize)]
pub struct Recorded {
    rustc: String,
    without_memory: BTreeMap<String, u64>,
}

impl Recorded {
    /// The numbers of this run.
    pub fn new(counted: &[(&str, Instructions)]) -> Self {
        let numbers = counted.iter().map(|(name, count)| ((*name).to_owned(), count.without_memory));
        Self { rustc: rustc(), without_memory: numbers.collect() }
    }

    pub fn read() -> Self {
        let text = std::fs::read_to_string(path()).expect("the recorded numbers are in the repository");
        serde_json::from_str(&text).expect("the recorded numbers are JSON")
    }

    pub fn write(&self) {
        let text = serde_json::to_string_pretty(self).expect("numbers and texts are JSON");
        std::fs::write(path(), text + "\n").expect("the repository is writable");
    }

    /// The recorded number of a case; `None` if it was recorded with another rustc version, or not at all.
    pub fn number(&self, case: &str) -> Option<u64> {
        self.without_memory.get(case).copied().filter(|_| self.rustc == rustc())
    }

    /// Which version the numbers belong to.
    pub fn about(&self) -> String {
        match rustc() {
            rustc if rustc == self.rustc => format!("recorded with {rustc}, without mem*"),
            rustc => format!("not compared: recorded with {}, this is {rustc}", self.rustc),
        }
    }
}

fn path() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions/recorded.json"))
}

fn rustc() -> String {
    let output = Command::new("rustc").arg("-V").output().expect("rustc has built this bench");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
