//! The regression files of proptest are found: each lies where proptest looks for the cases of a source file.

use std::path::{Path, PathBuf};

use super::root;

/// Name of the folders in which proptest keeps its regression files. By default the cases of `src/a/b.rs` are in
/// `proptest-regressions/a/b.txt`, those of `tests/it/a.rs` in `tests/proptest-regressions/a.txt`.
const FOLDER: &str = "proptest-regressions";

/// The files below a folder; none if it does not exist.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// A file without its source is never replayed: proptest looks it up by the path of the source.
#[test]
fn regression_files_have_a_source_file() {
    let mut orphans = Vec::new();
    let mut seen = 0;
    for package in ["lb", "analysis", "replica"] {
        for (folder, sources) in [("", "src"), ("tests", "tests/it")] {
            let regressions = root().join(package).join(folder).join(FOLDER);
            for file in files(&regressions) {
                let source = file.strip_prefix(&regressions).unwrap().with_extension("rs");
                let is_found = root().join(package).join(sources).join(source).is_file();
                seen += 1;
                if !is_found || file.extension().is_none_or(|extension| extension != "txt") {
                    orphans.push(file);
                }
            }
        }
    }
    assert!(seen > 0, "no regression file was found");
    assert_eq!(orphans, Vec::<PathBuf>::new());
}
