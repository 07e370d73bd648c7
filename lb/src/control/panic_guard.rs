//! A panic inside an actor ends the process: the actor's state may be inconsistent, and the next start adopts the
//! replicas.

use std::future::Future;
use std::pin::Pin;
use std::task::{self, Poll};

use crate::logging::ESSENTIAL;

/// Ends the process with code 1 when it is dropped by a panic. Held by an actor, and while one of its futures is
/// polled.
///
/// A panic hook would be wrong: a panic in the task of a connection must end that connection only.
#[derive(Debug)]
pub struct PanicGuard(pub &'static str);

/// A future of an actor that is polled under a [`PanicGuard`]. Not an `async fn`, which would store the future twice.
#[derive(Debug)]
pub struct ExitOnPanic<F> {
    actor: &'static str,
    future: F,
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            log::error!(target: ESSENTIAL, actor:% = self.0, exit = "1"; "panic");
            // Bounded in time: a stalled reader of standard error must not keep the process alive.
            log::logger().flush();
            std::process::exit(1);
        }
    }
}

impl<F: Future + Unpin> Future for ExitOnPanic<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        let _guard = PanicGuard(self.actor);
        Pin::new(&mut self.future).poll(cx)
    }
}

/// Wraps a future of an actor in a [`PanicGuard`]. A future that is not `Unpin` must be boxed.
pub fn exit_on_panic<F: Future + Unpin>(actor: &'static str, future: F) -> ExitOnPanic<F> {
    ExitOnPanic { actor, future }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use actix::prelude::*;

    use super::*;
    use crate::logging::Logging;

    struct Panicking {
        _guard: PanicGuard,
    }

    impl Actor for Panicking {
        type Context = Context<Self>;

        fn started(&mut self, _: &mut Self::Context) {
            panic!("in a handler");
        }
    }

    /// Runs as a child process; `LB_TEST_PANIC` selects what panics.
    #[test]
    fn panics() {
        let Ok(what) = std::env::var("LB_TEST_PANIC") else { return };
        let _logging = Logging::start().unwrap();
        System::new().block_on(async {
            match what.as_str() {
                "actor" => drop(Panicking { _guard: PanicGuard("test") }.start()),
                "future" => {
                    drop(actix_rt::spawn(exit_on_panic("test", Box::pin(async { panic!("in a future") }))))
                }
                _ => drop(actix_rt::spawn(async { panic!("in a task without a guard") })),
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            log::logger().flush();
            std::process::exit(7);
        });
    }

    fn process(what: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["control::panic_guard::tests::panics", "--exact", "--nocapture"]);
        command.env("LB_TEST_PANIC", what).env_remove("RUST_BACKTRACE").env("RUST_LOG", "error");
        command
    }

    #[test]
    fn only_a_panic_in_an_actor_or_its_future_ends_the_process() {
        for (what, code, message) in [
            ("actor", 1, "in a handler"),
            ("future", 1, "in a future"),
            ("connection", 7, "in a task without a guard"),
        ] {
            let output = process(what).output().unwrap();
            assert_eq!(output.status.code(), Some(code), "{what}");
            let log = String::from_utf8(output.stderr).unwrap();
            let lines: Vec<&str> = log.lines().collect();
            assert!(
                lines[0].contains("ERROR panic] thread 'control::panic_guard") || lines[0].contains("'main'"),
                "{log}"
            );
            assert!(lines[0].contains(" panicked at ") && lines[0].ends_with(message), "{log}");
            assert_eq!(lines.get(1).is_some_and(|line| line.ends_with("panic actor=test exit=1")), code == 1);
            assert_eq!(lines.len(), if code == 1 { 2 } else { 1 }, "{log}");
        }
    }

    #[test]
    fn a_panic_in_an_actor_ends_the_process_although_the_pipe_at_standard_error_is_full() {
        let (_reader, mut writer) = std::io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        while writer.write_all(b".").is_ok() {}
        rustix::io::ioctl_fionbio(&writer, false).unwrap();
        let mut child = process("actor").stdout(Stdio::null()).stderr(writer).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() > deadline => {
                    child.kill().unwrap();
                    panic!("the process does not end");
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        assert_eq!(status.code(), Some(1));
    }
}
