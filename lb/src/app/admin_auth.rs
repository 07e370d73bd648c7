//! Decides where the admin token is required, starts the AuthActor that verifies it, and logs a generated token.

use std::io;
use std::net::SocketAddr;

use crate::admin::Access;
use crate::auth::AuthHandle;
use crate::auth::token::Token;
use crate::config::{Config, Control};
use crate::logging::ESSENTIAL;
use crate::proxy::socket::reachable;

use super::reload::ReloadHandle;

/// The authorisation of both listeners.
pub(super) struct AdminAuth {
    /// Verifies the tokens of both listeners.
    pub auth: AuthHandle,
    /// The rules of the admin listener.
    pub access: Access,
    /// The token if we have generated it; only then it may be logged.
    generated: Option<Token>,
    /// The admin listener requires the token.
    admin_token_required: bool,
    control: Control,
}

impl AdminAuth {
    /// Generates a token if none is configured, since a reload may require one, and starts the AuthActor.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn open(config: &Config) -> io::Result<Self> {
        let (token, generated) = match &config.admin_token {
            Some(given) => (given.clone(), None),
            None => Token::random().map(|token| (token.clone(), Some(token)))?,
        };
        let exposed = config.admin_listen.is_some_and(is_exposed);
        let admin_token_required = exposed || (config.admin_listen.is_some() && generated.is_none());
        let auth = AuthHandle::start(token);
        let verifier = if admin_token_required { Some((auth.clone(), Token::random()?)) } else { None };
        warn(config);
        let access = Access::new(verifier, &config.access());
        Ok(Self { auth, access, generated, admin_token_required, control: config.control })
    }

    /// Logs the login URL, with the token if it was generated; or the generated token if only --control requires it.
    pub fn announce(&self, admin: Option<SocketAddr>) {
        match (admin.filter(|_| self.admin_token_required).map(reachable), &self.generated) {
            (Some(admin), Some(token)) => {
                let url = format!("http://{admin}/login?token={}", token.reveal());
                log::info!(target: ESSENTIAL, url:%; "login")
            }
            (Some(admin), None) => {
                log::info!(target: ESSENTIAL, url:% = format_args!("http://{admin}/login"); "login")
            }
            (None, Some(token)) if self.control == Control::Token => log_control_token(token),
            (None, _) => {}
        }
    }

    /// Changes the token with each new configuration, and logs the generated one when --control begins to require it.
    pub fn follow(&self, reload: &ReloadHandle) {
        let (auth, generated) = (self.auth.clone(), self.generated.clone());
        reload.follow(move |before, config| {
            if let (Some(token), Control::Token, true) =
                (&generated, config.control, config.control != before.control)
            {
                log_control_token(token);
            }
            if let (Some(token), true) = (&config.admin_token, config.admin_token != before.admin_token) {
                auth.change(token.clone());
            }
        });
    }
}

/// Logs the generated token that /rep, /add and /rm require.
fn log_control_token(token: &Token) {
    log::info!(target: ESSENTIAL, token:% = token.reveal(); "control");
}

fn warn(config: &Config) {
    if config.control == Control::Open && is_exposed(config.listen) {
        log::warn!(listen:% = config.listen, change_by = "--control"; "control open to every client");
    }
    if let Some(file) = config.admin_token.as_ref().and_then(Token::exposed) {
        log::warn!(file:% = file.display(); "admin token readable by all users of this machine");
    }
}

/// Whether an address may be reachable from other machines.
fn is_exposed(address: SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}
