//! Output directory. Files appear atomically; a directory that stays empty is removed again.

use std::io;
use std::path::PathBuf;

/// Output directory, created when it is opened and removed on drop if it is still empty.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    /// Directories that this run created, the deepest first.
    made: Vec<PathBuf>,
}

/// The file or directory cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to {}: {source}", path.display())]
pub struct Error {
    path: PathBuf,
    source: io::Error,
}

impl Output {
    /// Creates the directory if it does not exist, and checks that files can be created in it.
    ///
    /// # Errors
    /// When it cannot be created or written to.
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

    /// Writes a file atomically (through a temporary name) and returns its path.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<PathBuf, Error> {
        let (partial, path) = (self.path.join(format!(".partial-{name}")), self.path.join(name));
        match std::fs::write(&partial, content).and_then(|()| std::fs::rename(&partial, &path)) {
            Ok(()) => Ok(path),
            Err(source) => {
                // The write may have failed before the file was created.
                let _ = std::fs::remove_file(&partial);
                Err(Error { path, source })
            }
        }
    }
}

impl Drop for Output {
    /// Removes the directories that this run created, as far as they are empty.
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
    fn files_are_written_atomically() {
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
    fn a_created_directory_without_files_is_removed() {
        let found = tempfile::tempdir().unwrap();
        drop(Output::open(found.path().join("a/b")).unwrap());
        assert_eq!(std::fs::read_dir(found.path()).unwrap().count(), 0);
        drop(Output::open(found.path().into()).unwrap());
        assert!(found.path().exists());
        Output::open(found.path().join("a/b")).unwrap().write("good.txt", b"all").unwrap();
        assert!(found.path().join("a/b/good.txt").exists());
    }

    #[test]
    fn a_directory_that_cannot_be_created_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Output::open(file.path().join("out")).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot write to ") && error.ends_with("Not a directory (os error 20)"),
            "{error}"
        );
    }
}
