//! AuthActor: compares tokens with the admin token and counts failures by address. It is one actor for all workers of
//! both listeners, so that the limit of ten failures a minute holds for the process and not for each worker.

use std::net::IpAddr;
use std::time::Duration;

use actix::prelude::*;
use tokio::time::Instant;

use super::failures::Failures;
use super::token::Token;
use crate::control::panic_guard::PanicGuard;

/// Owns the admin token and the recent failures.
pub struct AuthActor {
    token: Token,
    failures: Failures,
    _guard: PanicGuard,
}

/// Replaces the admin token.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Change(pub Token);

/// Compares a token with the admin token.
#[derive(Message)]
#[rtype(result = "Verification")]
pub struct VerifyToken {
    /// Address of the client.
    pub from: IpAddr,
    /// The token that the client sent.
    pub token: Vec<u8>,
}

/// The reply to `VerifyToken`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, MessageResponse)]
pub enum Verification {
    /// The token is the admin token.
    Granted,
    /// The token is not the admin token; the failure is counted.
    Wrong,
    /// The address has reached the limit of failures; the value is the time until it may try again. The token is not
    /// compared: otherwise an attacker could go on guessing.
    Limited(Duration),
}

impl AuthActor {
    /// An actor that grants access to clients with this token.
    pub fn new(token: Token) -> Self {
        // `gate` is a log value, which keeps the former name of the actor.
        Self { token, failures: Failures::default(), _guard: PanicGuard("gate") }
    }
}

impl Actor for AuthActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
    }
}

impl Handler<VerifyToken> for AuthActor {
    type Result = Verification;

    fn handle(&mut self, VerifyToken { from, token }: VerifyToken, _: &mut Self::Context) -> Verification {
        let now = Instant::now().into_std();
        if let Some(left) = self.failures.limited(from, now) {
            return Verification::Limited(left);
        }
        if self.token.is(&token) {
            return Verification::Granted;
        }
        self.failures.add(from, now);
        if self.failures.limited(from, now).is_some() {
            log::warn!(
                from:%, why = "wrong_tokens", wait_s:% = super::failures::WINDOW.as_secs();
                "tokens not looked at"
            );
        }
        Verification::Wrong
    }
}

impl Handler<Change> for AuthActor {
    type Result = ();

    fn handle(&mut self, Change(token): Change, _: &mut Self::Context) {
        self.token = token;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix::test]
    async fn after_ten_wrong_tokens_an_address_is_refused_for_a_minute() {
        let auth = AuthActor::new(Token::new("correct-horse-battery").unwrap()).start();
        tokio::time::pause();
        let verify = async |from: [u8; 4], token: &str| {
            auth.send(VerifyToken { from: from.into(), token: token.into() }).await.unwrap()
        };
        let (attacker, operator) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        for _ in 0..10 {
            assert_eq!(verify(attacker, "correct-horse-batterx").await, Verification::Wrong);
            assert_eq!(
                verify(operator, "correct-horse-battery").await,
                Verification::Granted,
                "success is not counted"
            );
        }
        let minute = Duration::from_secs(60);
        assert_eq!(verify(attacker, "correct-horse-battery").await, Verification::Limited(minute));
        assert_eq!(verify(operator, "correct-horse-battery").await, Verification::Granted);
        tokio::time::advance(minute).await;
        assert_eq!(verify(attacker, "correct-horse-battery").await, Verification::Granted);
    }
}
