//! Rules that files of the repository keep.

mod dockerfiles;
mod documents;
mod regressions;
mod source;
mod words;

use std::path::{Path, PathBuf};

/// The top folder of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The files below some files and folders whose names end in one of some extensions.
fn files(below: &[&str], extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut paths: Vec<PathBuf> = below.iter().map(|path| root().join(path)).collect();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if extensions.iter().any(|extension| path.extension().is_some_and(|of| of == *extension)) {
            found.push(path);
        }
    }
    assert!(found.len() > 200, "the files were not found");
    found
}
