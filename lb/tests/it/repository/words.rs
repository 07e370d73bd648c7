//! Rules of language: no words of personification or of the former private dialect, and documentation with content.

use std::path::Path;

use super::{files, root};

/// Words that personify code or readers. Pronouns for persons have no use in a description of code.
const PERSONS: &[&str] = &[
    "anybody",
    "anyone",
    "asks",
    "blame",
    "blames",
    "everybody",
    "everyone",
    "knows",
    "nobody",
    "somebody",
    "someone",
    "speaks",
    "tells",
    "told",
    "who",
    "whoever",
    "whom",
    "whomever",
    "wish",
    "wished",
    "wishes",
];

/// Words of the former private dialect that have a standard term: a request log was a trail, an ejection a verdict.
const DIALECT: &[&str] = &[
    "befall", "befalls", "befell", "bereave", "bereaved", "buried", "bury", "door", "judge", "judged",
    "judges", "lest", "patience", "rival", "sick", "trail", "trails", "trouble", "verdict", "verdicts",
    "witness",
];

/// Texts with such words that stay: the file, the text and the reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("lb/src/fleet/death.rs", "somebody_else", "a value of the log key `by`, which stays"),
    ("lb/src/fleet/recorder.rs", "somebody_else", "a value of the log key `by`, which stays"),
];

/// Files and folders that are searched.
const PLACES: &[&str] = &[
    ".deny.toml",
    ".clippy.toml",
    ".github",
    "Cargo.toml",
    "README.md",
    "analysis",
    "docker-compose.yml",
    "lb",
    "replica",
];

/// Folders with data from elsewhere, and this file.
const NOT_SEARCHED: &[&str] =
    &["lb/tests/corpora", "lb/proptest-regressions", "lb/tests/it/repository/words.rs"];

const EXTENSIONS: &[&str] = &["css", "html", "js", "json", "md", "rs", "svg", "toml", "yml"];

/// The words of a line in lower case. Identifiers in snake_case and CamelCase are split.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in line.chars() {
        if !c.is_alphabetic() || (c.is_uppercase() && before.is_lowercase()) {
            words.push(String::new());
        }
        if c.is_alphabetic() {
            words.last_mut().unwrap().extend(c.to_lowercase());
        }
        before = c;
    }
    words
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_string_lossy().into_owned()
}

/// The lines of comments, code, documents and texts that contain a banned word and are no exception.
#[test]
fn texts_and_identifiers_are_free_of_banned_words() {
    let mut wrong = Vec::new();
    let mut used = vec![false; EXCEPTIONS.len()];
    for path in files(PLACES, EXTENSIONS) {
        let file = relative(&path);
        if NOT_SEARCHED.iter().any(|place| file.starts_with(place)) {
            continue;
        }
        for (line, text) in std::fs::read_to_string(&path).unwrap().lines().enumerate() {
            let mut rest = text.to_owned();
            for (at, (_, exception, _)) in EXCEPTIONS.iter().enumerate().filter(|(_, e)| e.0 == file) {
                used[at] |= text.contains(exception);
                rest = rest.replace(exception, " ");
            }
            let banned = |word: &&String| [PERSONS, DIALECT].concat().contains(&word.as_str());
            if let Some(word) = words(&rest).iter().find(banned) {
                wrong.push(format!("{file}:{}: {word}: {}", line + 1, text.trim()));
            }
        }
    }
    wrong.sort();
    assert!(wrong.is_empty(), "{} lines with banned words:\n{}", wrong.len(), wrong.join("\n"));
    let unused: Vec<_> = EXCEPTIONS.iter().zip(&used).filter(|(_, used)| !**used).collect();
    assert!(unused.is_empty(), "{unused:?}");
}

/// Whether a line declares a public item, or a field or variant of any item: without content their documentation is
/// better removed.
fn needs_content(line: &str) -> bool {
    let is_private = ["fn ", "const ", "static ", "struct ", "enum ", "trait ", "type ", "mod ", "impl "];
    !line.starts_with("pub mod") && !is_private.iter().any(|start| line.starts_with(start))
}

#[test]
fn documentation_of_items_has_more_than_two_words() {
    let mut wrong = Vec::new();
    for path in files(&["analysis", "lb", "replica"], &["rs"]) {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (at, window) in lines.windows(2).enumerate().filter(|(_, two)| two[1].starts_with("///")) {
            let (before, doc) = (window[0], window[1]);
            let Some(item) = lines[at + 2..].iter().find(|line| !line.starts_with("#[")) else { continue };
            let single = !before.starts_with("///") && !item.starts_with("///");
            let words = doc.trim_start_matches('/').split_whitespace().count();
            if single && needs_content(item) && words <= 2 {
                wrong.push(format!("{}:{}: {doc}", relative(&path), at + 2));
            }
        }
    }
    wrong.sort();
    assert!(wrong.is_empty(), "{} too short:\n{}", wrong.len(), wrong.join("\n"));
}
