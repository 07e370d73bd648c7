//! AuthActor: compares the tokens that are shown with the admin token, and counts the wrong ones. Both listeners ask
//! it, so that an address has ten failures a minute and not ten at each worker.

use std::net::IpAddr;
use std::time::Duration;

use actix::prelude::*;
use tokio::time::Instant;

use super::token::Token;

use super::failures::Failures;
use crate::control::panic_guard::PanicGuard;

/// Owns the failures.
pub struct AuthActor {
    token: Token,
    failures: Failures,
    _guard: PanicGuard,
}

/// From now on this is the token.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Change(pub Token);

/// Somebody shows a token.
#[derive(Message)]
#[rtype(result = "Verdict")]
pub struct VerifyToken {
    /// Where it comes from.
    pub from: IpAddr,
    /// What is shown.
    pub token: Vec<u8>,
}

/// The answer to [`VerifyToken`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, MessageResponse)]
pub enum Verdict {
    /// It is the token.
    Granted,
    /// It is another.
    Wrong,
    /// Too many from this address were wrong: not looked at, though it may be right. Otherwise whoever guesses would
    /// learn from the answer. What is left of the minute.
    Limited(Duration),
}

impl AuthActor {
    /// Lets in who shows `token`.
    pub fn new(token: Token) -> Self {
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
    type Result = Verdict;

    fn handle(&mut self, VerifyToken { from, token }: VerifyToken, _: &mut Self::Context) -> Verdict {
        let now = Instant::now().into_std();
        if let Some(left) = self.failures.limited(from, now) {
            return Verdict::Limited(left);
        }
        if self.token.is(&token) {
            return Verdict::Granted;
        }
        self.failures.add(from, now);
        if self.failures.limited(from, now).is_some() {
            log::warn!(
                "tokens not looked at from={from} why=wrong_tokens wait_s={}",
                super::failures::WINDOW.as_secs()
            );
        }
        Verdict::Wrong
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
    async fn the_right_token_is_not_looked_at_after_ten_wrong_ones_until_the_minute_is_over() {
        let gate = AuthActor::new(Token::new("correct-horse-battery").unwrap()).start();
        tokio::time::pause();
        let show = async |from: [u8; 4], token: &str| {
            gate.send(VerifyToken { from: from.into(), token: token.into() }).await.unwrap()
        };
        let (enemy, friend) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        for _ in 0..10 {
            assert_eq!(show(enemy, "correct-horse-batterx").await, Verdict::Wrong);
            assert_eq!(
                show(friend, "correct-horse-battery").await,
                Verdict::Granted,
                "what is right is not counted"
            );
        }
        let minute = Duration::from_secs(60);
        assert_eq!(show(enemy, "correct-horse-battery").await, Verdict::Limited(minute));
        assert_eq!(show(friend, "correct-horse-battery").await, Verdict::Granted);
        tokio::time::advance(minute).await;
        assert_eq!(show(enemy, "correct-horse-battery").await, Verdict::Granted);
    }
}
