//! The directory that results are written to. A file is there whole or not at all, and so is the directory.

use std::io;
use std::path::PathBuf;

/// A directory that can be written to.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    /// It and those above it that were not there before, the deepest first.
    made: Vec<PathBuf>,
}

/// A file or directory that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to {}: {source}", path.display())]
pub struct Error {
    path: PathBuf,
    source: io::Error,
}

impl Output {
    /// Makes the directory if it is not there, and makes sure that files can be made in it.
    ///
    /// # Errors
    /// When it cannot be made or written to.
    pub fn open(path: PathBuf) -> Result<Self, Error> {
        let probe = path.join(".partial");
        let made = path.ancestors().take_while(|path| !path.exists()).map(PathBuf::from).collect();
        let output = Self { path, made };
        std::fs::create_dir_all(&output.path)
            .and_then(|()| std::fs::write(&probe, ""))
            .and_then(|()| std::fs::remove_file(&probe))
            .map_err(|source| Error { path: output.path.clone(), source })?;
        Ok(output)
    }

    /// Writes a file under another name first, and returns its path once it has the right one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<PathBuf, Error> {
        let (partial, path) = (self.path.join(format!(".partial-{name}")), self.path.join(name));
        match std::fs::write(&partial, content).and_then(|()| std::fs::rename(&partial, &path)) {
            Ok(()) => Ok(path),
            Err(source) => {
                // It may not even have been made.
                let _ = std::fs::remove_file(&partial);
                Err(Error { path, source })
            }
        }
    }
}

impl Drop for Output {
    /// A run without results leaves no directory behind: one that holds anything is not removed.
    fn drop(&mut self) {
        for path in &self.made {
            let _ = std::fs::remove_dir(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let output = Output::open(directory.path().join("a/b")).unwrap();
        let path = output.write("good.txt", b"all").unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "all");

        let taken = directory.path().join("a/b/taken/within");
        std::fs::create_dir_all(&taken).unwrap();
        let error = output.write("taken", b"all").unwrap_err().to_string();
        assert!(error.contains("a/b/taken: "), "{error}");
        assert_eq!(std::fs::read_dir(directory.path().join("a/b")).unwrap().count(), 2);
    }

    #[test]
    fn a_directory_that_was_made_for_nothing_goes_again() {
        let found = tempfile::tempdir().unwrap();
        drop(Output::open(found.path().join("a/b")).unwrap());
        assert_eq!(std::fs::read_dir(found.path()).unwrap().count(), 0);
        drop(Output::open(found.path().into()).unwrap());
        assert!(found.path().exists());
        Output::open(found.path().join("a/b")).unwrap().write("good.txt", b"all").unwrap();
        assert!(found.path().join("a/b/good.txt").exists());
    }

    #[test]
    fn a_directory_that_cannot_be_made() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Output::open(file.path().join("out")).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot write to ") && error.ends_with("Not a directory (os error 20)"),
            "{error}"
        );
    }
}
