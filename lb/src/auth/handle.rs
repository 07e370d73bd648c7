//! The handle of AuthActor.

use std::net::IpAddr;

use actix::prelude::*;

use super::actor::{AuthActor, Change, Verification, VerifyToken};
use super::token::Token;

/// Access to AuthActor from any thread.
#[derive(Clone, Debug)]
pub struct AuthHandle(Addr<AuthActor>);

impl AuthHandle {
    /// Starts the actor on this thread; it grants access to clients with this token.
    pub fn start(token: Token) -> Self {
        Self(AuthActor::new(token).start())
    }

    /// Compares the token that a client at `from` has sent with the admin token. `None`: the actor has stopped, because
    /// the process ends.
    pub async fn verify(&self, from: IpAddr, token: &[u8]) -> Option<Verification> {
        self.0.send(VerifyToken { from, token: token.to_owned() }).await.ok()
    }

    /// Replaces the admin token.
    pub fn change(&self, token: Token) {
        self.0.do_send(Change(token));
    }
}
