//! The numbers in the repository, and the rustc version and processor that they belong to.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::callgrind::Instructions;

/// What the numbers depend on, besides the program.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Environment {
    /// The version of the compiler.
    rustc: String,
    /// The model of the processor: libraries choose their code by what it supports.
    processor: String,
}

/// Instructions a request without `mem*`, by case.
#[derive(Serialize, Deserialize)]
pub struct Recorded {
    #[serde(flatten)]
    on: Environment,
    without_memory: BTreeMap<String, u64>,
}

impl Recorded {
    /// The numbers of this run.
    pub fn new(counted: &[(&str, Instructions)]) -> Self {
        let numbers = counted.iter().map(|(name, count)| ((*name).to_owned(), count.without_memory));
        Self { on: Environment::here(), without_memory: numbers.collect() }
    }

    pub fn read() -> Self {
        let text = std::fs::read_to_string(path()).expect("the recorded numbers are in the repository");
        serde_json::from_str(&text).expect("the recorded numbers are JSON")
    }

    pub fn write(&self) {
        let text = serde_json::to_string_pretty(self).expect("numbers and texts are JSON");
        std::fs::write(path(), text + "\n").expect("the repository is writable");
    }

    /// The recorded number of a case; `None` if it was recorded with another rustc version or processor, or not at all.
    pub fn number(&self, case: &str) -> Option<u64> {
        self.without_memory.get(case).copied().filter(|_| self.on == Environment::here())
    }

    /// What the numbers belong to.
    pub fn about(&self) -> String {
        let here = Environment::here();
        match here == self.on {
            true => format!("recorded with {here}, without mem*"),
            false => format!("not compared: recorded with {}, this is {here}", self.on),
        }
    }
}

fn path() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions/recorded.json"))
}

impl Environment {
    /// That of this run.
    fn here() -> Self {
        let output = Command::new("rustc").arg("-V").output().expect("rustc has built this bench");
        let rustc = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Self { rustc, processor: model.map_or("unknown", |(_, model)| model.trim()).to_owned() }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.rustc, self.processor)
    }
}
