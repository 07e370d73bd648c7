//! Reads the configuration, at the start and again: flags and environment of the start, with the current content of the
//! file.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;

use clap::ArgMatches;

use super::layers::{Settings, path};
use super::{Config, Exit};
use crate::admin::NotReloaded;

/// The arguments and the environment of the start.
#[derive(Clone)]
pub struct Source {
    matches: ArgMatches,
    env: HashMap<String, String>,
}

impl fmt::Debug for Source {
    /// Omits the environment, which may contain the admin token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}

impl From<Exit> for NotReloaded {
    fn from(exit: Exit) -> Self {
        Self::Invalid(exit.text)
    }
}

impl Source {
    /// Takes the parsed arguments and the environment.
    pub(crate) fn new(matches: &ArgMatches, env: &HashMap<String, String>) -> Self {
        Self { matches: matches.clone(), env: env.clone() }
    }

    /// The configuration of a start.
    ///
    /// # Errors
    /// When the file cannot be read, or the configuration is invalid.
    pub(crate) fn resolve(&self) -> Result<Config, Exit> {
        Config::resolve(&self.settings()?)
    }

    /// The address of the admin listener.
    ///
    /// # Errors
    /// Those of [`resolve`](Self::resolve); when the listener is off.
    pub(crate) fn admin_listen(&self) -> Result<SocketAddr, Exit> {
        let settings = self.settings()?;
        let place = || settings.place("admin-listen");
        let off = || Exit::bad(format!("{}: there is no admin listener to check", place()));
        settings.args()?.listeners.admin_listen.ok_or_else(off)
    }

    fn settings(&self) -> Result<Settings, Exit> {
        Settings::gather(&self.matches, &self.env)
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
        let settings = self.settings()?;
        if path.is_none() && settings.text("admin-token-file").is_none() {
            return Err(NotReloaded::NoFile);
        }
        Ok(Config::resolve(&settings)?)
    }
}
