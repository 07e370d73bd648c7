//! What the documents say about files and tests is true.

use std::collections::BTreeSet;
use std::path::Path;

use super::{files, root};

/// Calls whose argument is the name of a variable that a test or a simulation reads.
const READS: [&str; 4] = ["env::var(\"LB_", "env::var_os(\"LB_", "number(\"LB_", "var(\"LB_"];

/// Documents that describe the code by files, relative to `lb/src`, and functions.
const MAPS: [&str; 3] =
    ["lb/docs/architecture.md", "lb/docs/life-of-a-request.md", "lb/docs/life-of-a-replica.md"];

/// Documents that name files and tests.
const DOCUMENTS: [&str; 5] = [
    "README.md",
    ".github/CONTRIBUTING.md",
    "lb/docs/testing.md",
    "lb/docs/placement.md",
    "lb/docs/grafana/README.md",
];

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The names that begin with `LB_` after each occurrence of a text.
fn names_after(text: &str, before: &str) -> BTreeSet<String> {
    let rest = text.split(before).skip(1);
    let name =
        |rest: &str| rest.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect::<String>();
    rest.map(|rest| format!("LB_{}", name(rest))).collect()
}

#[test]
fn the_variables_of_the_tests_are_documented() {
    let this = Path::new(file!()).file_name();
    let mut read_by_tests = BTreeSet::new();
    for path in files(&["lb", "analysis", "replica"], &["rs"]).iter().filter(|path| path.file_name() != this)
    {
        let text = std::fs::read_to_string(path).unwrap();
        read_by_tests.extend(READS.iter().flat_map(|read| names_after(&text, read)));
    }
    let tables: String =
        read("lb/docs/testing.md").lines().filter(|line| line.starts_with("| `LB_")).collect();
    assert_eq!(names_after(&tables, "| `LB_"), read_by_tests, "documented, read");
}

#[test]
fn files_that_documents_name_exist() {
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        let text = read(document);
        let names = text.split('`').skip(1).step_by(2);
        let is_path = |name: &&str| {
            ["lb/", "analysis/", "replica/", ".ci/"].iter().any(|folder| name.starts_with(folder))
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/".contains(c))
        };
        missing.extend(
            names
                .filter(is_path)
                .filter(|name| !root().join(name).exists())
                .map(|name| format!("{document}: {name}")),
        );
    }
    assert_eq!(missing, Vec::<String>::new());
}

/// A filter that matches no test would pass silently.
#[test]
fn test_commands_of_documents_select_files_with_tests() {
    let modules: BTreeSet<String> = files(&["lb", "analysis", "replica"], &["rs"])
        .iter()
        .map(|path| if path.ends_with("mod.rs") { path.parent().unwrap() } else { path.as_path() })
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let mut wrong = Vec::new();
    for document in DOCUMENTS {
        let text = read(document);
        for command in text.split("cargo test -p lb ").skip(1) {
            let command = command.split(['`', '\n', '#']).next().unwrap();
            let filter = command.split_whitespace().find(|word| !["--lib", "--test", "it"].contains(word));
            let part = filter.and_then(|filter| filter.split("::").find(|part| !part.is_empty()));
            if part.is_some_and(|part| !modules.contains(part)) {
                wrong.push(format!("{document}: {command}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// In each row of a table the functions in the last column are defined in the files that the row names.
#[test]
fn maps_of_the_code_name_existing_files_and_functions() {
    let mut wrong = Vec::new();
    for map in MAPS {
        for row in read(map).lines() {
            let quoted: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
            let is_file = |name: &&&str| name.ends_with(".rs") && !name.starts_with("lb/");
            let files: Vec<&str> = quoted.iter().filter(is_file).copied().collect();
            let texts = files.iter().map(|file| std::fs::read_to_string(root().join("lb/src").join(file)));
            let Ok(code) = texts.collect::<Result<Vec<_>, _>>().map(|texts| texts.concat()) else {
                wrong.push(format!("{map}: {files:?}"));
                continue;
            };
            let last = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
            let functions = last.split('`').skip(1).step_by(2).map(|name| name.rsplit("::").next().unwrap());
            let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            let undefined = functions.filter(is_name).filter(|name| !code.contains(&format!("fn {name}")));
            if row.starts_with('|') && map.contains("life-of") && !files.is_empty() {
                wrong.extend(undefined.map(|name| format!("{map}: {name} in {files:?}")));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
