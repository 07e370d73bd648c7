//! Reads the admin token from a file or an environment variable. No error and no `Debug` text contains it.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use super::Control;
use super::args::Listeners;
use super::exit::Exit;
use super::validator::Validator;
use crate::auth::token::Token;

/// The unvalidated text of [`Token::VARIABLE`].
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(String);

impl Secret {
    /// The value in the environment; an empty variable counts as absent, as for the settings.
    pub fn of(env: &HashMap<String, String>) -> Option<Self> {
        env.get(Token::VARIABLE).filter(|text| !text.is_empty()).cloned().map(Self)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl Validator<'_> {
    /// The configured token; `None` if there is none.
    ///
    /// # Errors
    /// When no listener would use it, or the token is invalid.
    pub fn token(&self, listeners: &Listeners, control: Control) -> Result<Option<Token>, Exit> {
        if listeners.admin_listen.is_none() {
            let off = "only with an --admin-listen, which is off";
            self.reject(&["admin-host"], off)?;
            if control != Control::Token {
                self.reject(&["admin-token-file"], &format!("{off}, or --control token"))?;
            }
        }
        let Self(settings) = self;
        let file = listeners.admin_token_file.clone();
        read(file.map(|file| (settings.place("admin-token-file"), file)), settings.secret())
    }
}

/// The token that a subcommand sends: that of the file (with the setting that names it, for errors), or of the
/// environment.
///
/// # Errors
/// When both are given, or the token is invalid.
pub(crate) fn token(
    file: Option<(String, PathBuf)>,
    env: &HashMap<String, String>,
) -> Result<Option<Token>, Exit> {
    read(file, Secret::of(env).as_ref())
}

/// Reads the token from the file, or takes it from the variable. Both at once are an error.
fn read(file: Option<(String, PathBuf)>, secret: Option<&Secret>) -> Result<Option<Token>, Exit> {
    let variable = Token::VARIABLE;
    let bad = |place: &str, why: &dyn fmt::Display| Exit::bad(format!("{place}: {why}"));
    match (file, secret) {
        (Some((place, _)), Some(_)) => {
            Err(bad(&place, &format_args!("{variable} is set too; give only one of the two")))
        }
        (Some((place, file)), None) => Token::read(&file).map(Some).map_err(|error| bad(&place, &error)),
        (None, Some(Secret(text))) => Token::new(text).map(Some).map_err(|error| bad(variable, &error)),
        (None, None) => Ok(None),
    }
}
