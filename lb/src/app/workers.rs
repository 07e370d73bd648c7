//! The HTTP workers: threads that accept the connections of one listener, each in a loop of its own.
//!
//! actix-server accepts in a thread of its own that hands each connection over to a worker; accepting where a connection is
//! served saves that. The workers share the listener instead of having one each with SO_REUSEPORT: a second balancer on the
//! port is refused, and no queued connection is lost with a worker.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

use actix_http::body::MessageBody;
use actix_rt::Arbiter;
use actix_service::Service;
use futures::future::join_all;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{sleep, timeout};

use crate::control::panic_guard::{PanicGuard, exit_on_panic};
use crate::proxy::dispatcher::{Admission, Incoming, Response};
use crate::shortage;

/// Pause after a connection that could not be accepted for a shortage.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(100);

/// Pause after an unexpected error, which may last.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// Time limit of the end of workers that do not wait for their connections.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// What a worker serves its connections with.
pub(super) struct Worker<S> {
    pub admission: Rc<Admission>,
    pub service: Rc<S>,
}

/// The running workers of one listener. They stop, without waiting for their connections, when this is dropped.
pub(super) struct Workers {
    drain: watch::Sender<()>,
    /// Resolve when a worker has ended.
    ended: Vec<oneshot::Receiver<()>>,
}

impl Workers {
    /// Starts `count` workers, at least one. `start` is called once on the thread of each. A worker has at most `max_open`
    /// connections at one time; further ones wait in the listener's queue.
    ///
    /// A worker that cannot start (actix panics without descriptors for it) or accept ends the process with code 1: without
    /// it the balancer would keep running without serving.
    ///
    /// # Errors
    /// The listener cannot be cloned.
    pub fn start<S, B, F>(
        count: usize,
        listener: TcpListener,
        max_open: usize,
        start: impl Fn() -> F + Clone + Send + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = Worker<S>> + 'static,
        S: Service<Incoming, Response = Response<B>, Error = Infallible> + 'static,
        S::Future: Unpin,
        B: MessageBody + Unpin + 'static,
    {
        let _exit_on_panic = PanicGuard("worker");
        let (drain, draining) = watch::channel(());
        let mut ended = Vec::with_capacity(count);
        let clones = (1..count).map(|_| listener.try_clone()).collect::<io::Result<Vec<_>>>()?;
        for listener in clones.into_iter().chain([listener]) {
            let (start, draining) = (start.clone(), draining.clone());
            let (end, has_ended) = oneshot::channel();
            ended.push(has_ended);
            Arbiter::new().spawn_fn(move || {
                let worker = async move {
                    work(listener, start().await, max_open, draining).await;
                    let _ = end.send(());
                    Arbiter::current().stop();
                };
                actix_rt::spawn(exit_on_panic("worker", Box::pin(worker)));
            });
        }
        Ok(Self { drain, ended })
    }

    /// Stops accepting, and returns when all connections have ended.
    pub async fn drain(&mut self) {
        let _ = self.drain.send(());
        join_all(self.ended.drain(..)).await;
    }

    /// Stops without waiting for connections, and returns when the address is free.
    pub async fn stop(self) {
        drop(self.drain);
        let _ = timeout(STOP_TIMEOUT, join_all(self.ended)).await;
    }
}

/// The open connections of a worker.
#[derive(Default)]
struct Open {
    count: Cell<usize>,
    closed: Notify,
}

/// One open connection; counted until it is dropped, also by a panic of its task.
struct Counted(Rc<Open>);

impl Counted {
    fn new(open: &Rc<Open>) -> Self {
        open.count.set(open.count.get() + 1);
        Self(open.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.count.set(self.0.count.get() - 1);
        self.0.closed.notify_one();
    }
}

/// Whether the client has left before its connection was accepted.
fn has_left(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Accepts and serves until the workers are drained, then waits for the open connections; until they are dropped.
async fn work<S, B>(
    listener: TcpListener,
    Worker { admission, service }: Worker<S>,
    max_open: usize,
    mut draining: watch::Receiver<()>,
) where
    S: Service<Incoming, Response = Response<B>, Error = Infallible> + 'static,
    S::Future: Unpin,
    B: MessageBody + Unpin + 'static,
{
    let listener = tokio::net::TcpListener::from_std(listener).expect("the worker's event loop has room");
    let open = Rc::<Open>::default();
    loop {
        tokio::select! {
            biased;
            drains = draining.changed() => match drains {
                Ok(()) => break,
                Err(_) => return,
            },
            accepted = listener.accept(), if open.count.get() < max_open => match accepted {
                Ok((io, peer)) => {
                    let connection = admission.serve(io, Some(peer), service.clone());
                    let counted = Counted::new(&open);
                    actix_rt::spawn(async move {
                        let _counted = counted;
                        connection.await;
                    });
                    // Other workers may accept too, and the new connection begins.
                    tokio::task::yield_now().await;
                }
                Err(error) if shortage::is_own_shortage(&error) => {
                    shortage::report("accept", &error);
                    sleep(SHORTAGE_PAUSE).await;
                }
                Err(error) if has_left(&error) => log::debug!(error:%; "connection not accepted"),
                Err(error) => {
                    log::warn!(error:%; "connection not accepted");
                    sleep(FAILURE_PAUSE).await;
                }
            },
            () = open.closed.notified(), if open.count.get() >= max_open => {}
        }
    }
    drop(listener);
    admission.drain();
    while open.count.get() > 0 {
        tokio::select! {
            () = open.closed.notified() => {}
            Err(_) = draining.changed() => return,
        }
    }
}
