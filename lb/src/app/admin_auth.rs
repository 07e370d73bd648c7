//! Who may come in: where the admin token is needed, the gate that knows it, and what is told of it.

use std::io;
use std::net::SocketAddr;

use actix::{Actor, Addr};

use crate::admin::Access;
use crate::auth::actor::AuthActor;
use crate::auth::token::Token;
use crate::config::{Config, Control};
use crate::logging::ESSENTIAL;
use crate::proxy::socket::reachable;

/// What both listeners go by.
pub(super) struct AdminAuth {
    /// Compares tokens.
    pub gate: Addr<AuthActor>,
    /// For the admin listener.
    pub access: Access,
    /// The token, if it is ours to tell: a user's is told nowhere.
    pub made: Option<Token>,
    exit_on_panic: bool,
    control: Control,
}

impl AdminAuth {
    /// Decides where the token is needed, makes one if none is given (a reload may come to need it), and starts the gate.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn open(config: &Config) -> io::Result<Self> {
        let (token, made) = match &config.admin_token {
            Some(given) => (given.clone(), None),
            None => Token::random().map(|made| (made.clone(), Some(made)))?,
        };
        let exposed = config.admin_listen.is_some_and(is_exposed);
        let exit_on_panic = exposed || (config.admin_listen.is_some() && made.is_none());
        let gate = AuthActor::new(token).start();
        let lock = if exit_on_panic { Some((gate.clone(), Token::random()?)) } else { None };
        warn(config);
        let access = Access::new(lock, config);
        Ok(Self { gate, access, made, exit_on_panic, control: config.control })
    }

    /// Tells where to log in, and a token that is needed and that nobody else knows.
    pub fn announce(&self, admin: Option<SocketAddr>) {
        match (admin.filter(|_| self.exit_on_panic).map(reachable), &self.made) {
            (Some(admin), Some(token)) => {
                log::info!(target: ESSENTIAL, "login url=http://{admin}/login?token={}", token.reveal())
            }
            (Some(admin), None) => log::info!(target: ESSENTIAL, "login url=http://{admin}/login"),
            (None, Some(token)) if self.control == Control::Token => tell(token),
            (None, _) => {}
        }
    }
}

/// Tells the token that /rep, /add and /rm need.
pub(super) fn tell(made: &Token) {
    log::info!(target: ESSENTIAL, "control token={}", made.reveal());
}

fn warn(config: &Config) {
    if config.control == Control::Open && is_exposed(config.listen) {
        log::warn!("control open to whoever reaches listen={} change_by=--control", config.listen);
    }
    if let Some(file) = config.admin_token.as_ref().and_then(Token::exposed) {
        log::warn!("admin token readable by everybody on this machine file={}", file.display());
    }
}

/// Whether others than this machine may reach an address.
fn is_exposed(address: SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}
