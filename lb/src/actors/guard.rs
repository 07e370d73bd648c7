//! A panic inside an actor ends the process: its state can no longer be trusted, and the next start adopts the replicas.

use std::future::Future;
use std::pin::Pin;
use std::task::{self, Poll};

/// Lives in an actor, or while one of its futures is polled; dropped by a panic it ends the process with code 1.
///
/// A panic hook would be wrong: a panic in actix-http's connection task must end that connection only.
#[derive(Debug)]
pub struct Guard(pub &'static str);

/// A future of an actor, under a [`Guard`] while it is polled. No `async fn`, which would keep the future twice.
#[derive(Debug)]
pub struct Guarded<F> {
    actor: &'static str,
    future: F,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            log::error!("panic actor={} exit=1", self.0);
            std::process::exit(1);
        }
    }
}

impl<F: Future + Unpin> Future for Guarded<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        let _guard = Guard(self.actor);
        Pin::new(&mut self.future).poll(cx)
    }
}

/// Puts a future of an actor, boxed unless it can be moved, under a [`Guard`].
pub fn guarded<F: Future + Unpin>(actor: &'static str, future: F) -> Guarded<F> {
    Guarded { actor, future }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use actix::prelude::*;

    use super::*;

    struct Panicking {
        _guard: Guard,
    }

    impl Actor for Panicking {
        type Context = Context<Self>;

        fn started(&mut self, _: &mut Self::Context) {
            panic!("in a handler");
        }
    }

    /// Run as a process of its own: `LB_TEST_PANIC` says what panics.
    #[test]
    fn panics() {
        let Ok(what) = std::env::var("LB_TEST_PANIC") else { return };
        System::new().block_on(async {
            match what.as_str() {
                "actor" => drop(Panicking { _guard: Guard("test") }.start()),
                "future" => drop(actix_rt::spawn(guarded("test", Box::pin(async { panic!("in a future") })))),
                _ => drop(actix_rt::spawn(async { panic!("in somebody else's task") })),
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            std::process::exit(7);
        });
    }

    #[test]
    fn a_panic_in_an_actor_or_its_future_ends_the_process_and_any_other_does_not() {
        for (what, code) in [("actor", 1), ("future", 1), ("connection", 7)] {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["actors::guard::tests::panics", "--exact", "--nocapture"]);
            let ended = command.env("LB_TEST_PANIC", what).output().unwrap();
            assert_eq!(ended.status.code(), Some(code), "{what}");
        }
    }
}
