//! The directory that results are written to. A file is there whole or not at all.

use std::io;
use std::path::PathBuf;

/// A directory that can be written to.
#[derive(Debug)]
pub struct Output(PathBuf);

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
        std::fs::create_dir_all(&path)
            .and_then(|()| std::fs::write(&probe, ""))
            .and_then(|()| std::fs::remove_file(&probe))
            .map_err(|source| Error { path: path.clone(), source })?;
        Ok(Self(path))
    }

    /// Writes a file under another name first, and returns its path once it has the right one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<PathBuf, Error> {
        let (partial, path) = (self.0.join(format!(".partial-{name}")), self.0.join(name));
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
    fn a_directory_that_cannot_be_made() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Output::open(file.path().join("out")).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot write to ") && error.ends_with("Not a directory (os error 20)"),
            "{error}"
        );
    }
}
