//! Reads the configuration again: flags and environment of the start, with the current content of the file.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;

use clap::ArgMatches;

use super::settings::{Settings, path};
use super::{Config, Exit, cli};

/// The arguments and the environment of the start.
#[derive(Clone)]
pub struct Source {
    matches: ArgMatches,
    env: HashMap<String, String>,
}

/// Why a reload failed; nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReloaded {
    /// Neither `--config` nor `--admin-token-file` was given at the start.
    #[error("There is no file to read again: start lb with --config FILE")]
    NoFile,
    /// The file is a pipe, for example, whose content cannot be read twice.
    #[error("{0} is not a regular file: it cannot be read again")]
    NotRegular(String),
    /// The configuration is invalid; the text names the line.
    #[error("{0}")]
    Bad(#[from] Exit),
    /// The balancer is ending.
    #[error("The balancer is stopping")]
    Stopping,
}

impl fmt::Debug for Source {
    /// Omits the environment, which may contain the admin token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}

impl Source {
    /// Takes the same arguments and environment as [`parse`](super::parse).
    ///
    /// # Errors
    /// As [`parse`](super::parse), if the command line is invalid. The file is not read.
    pub fn new<T, K, V>(
        args: impl IntoIterator<Item = T>,
        env: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, Exit>
    where
        T: Into<OsString> + Clone,
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let (matches, env) = cli::layers(args, env)?;
        Ok(Self { matches, env })
    }

    /// Reads the configuration that a start would use now.
    ///
    /// # Errors
    /// When there is no file, it is not a regular file, or the configuration is invalid.
    pub fn read(&self) -> Result<Config, NotReloaded> {
        let path = path(&self.matches, &self.env);
        let irregular = |path: &String| std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
        if let Some(path) = path.as_ref().filter(|path| irregular(path)) {
            return Err(NotReloaded::NotRegular(path.clone()));
        }
        let settings = Settings::gather(&self.matches, &self.env)?;
        if path.is_none() && settings.text("admin-token-file").is_none() {
            return Err(NotReloaded::NoFile);
        }
        Ok(Config::resolve(&settings)?)
    }
}
