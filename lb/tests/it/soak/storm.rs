//! The recall protocol under load and thousands of random changes. The test implements the runtime, so that it can check
//! every guarantee.
//!
//! A replica is a task of this process. From its stop (SIGTERM) on, no request may be in flight to it and none may
//! arrive: this is the purpose of `Leave`, recalls and idle notices.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{FutureExt, LocalBoxFuture, ready};
use futures::stream::{self, LocalBoxStream};
use lb::app::start;
use lb::config::Config;
use lb::ring::Incarnation;
use lb::runtime::{Error, Event, Exit, Found, Instance, Launch, Runtime};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc as channel, oneshot};
use tokio::task::JoinHandle;

use crate::support::load::Load;
use crate::support::{call, until};
use crate::testing::variable::number;

/// Number of changes of the fleet; `LB_STORM` overrides it.
const CHANGES: u64 = 3000;

/// Counts of violations, which must stay 0.
#[derive(Default)]
struct Faults {
    /// Requests that arrived after the stop of the replica.
    late: AtomicU64,
    /// Replicas that were stopped with a request in flight.
    cut: AtomicU64,
}

/// A runtime whose replicas are tasks of the balancer's thread.
struct Tasks {
    faults: Arc<Faults>,
    running: Rc<RefCell<BTreeMap<Incarnation, Task>>>,
    events: channel::UnboundedSender<Event>,
    exits: RefCell<Option<channel::UnboundedReceiver<Event>>>,
    kill: RefCell<Option<channel::UnboundedReceiver<usize>>>,
}

struct Task {
    serving: JoinHandle<()>,
    stopped: Arc<AtomicBool>,
    in_flight: Arc<AtomicUsize>,
}

impl Runtime for Tasks {
    fn launch(&self, launch: Launch) -> LocalBoxFuture<'static, Result<Instance, Error>> {
        let (running, faults) = (self.running.clone(), self.faults.clone());
        async move {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let address = listener.local_addr().unwrap();
            let (stopped, in_flight) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
            let replica = Replica { name: launch.name.to_string(), stopped, in_flight, faults };
            let (stopped, in_flight) = (replica.stopped.clone(), replica.in_flight.clone());
            let serving = actix_rt::spawn(replica.serve(listener));
            running.borrow_mut().insert(launch.incarnation, Task { serving, stopped, in_flight });
            Ok(Instance { id: launch.incarnation.to_string(), address })
        }
        .boxed_local()
    }

    fn stop(&self, incarnation: Incarnation, grace: Duration) -> LocalBoxFuture<'static, ()> {
        if let Some(task) = self.running.borrow_mut().remove(&incarnation) {
            task.stopped.store(true, Ordering::SeqCst);
            if !grace.is_zero() && task.in_flight.load(Ordering::SeqCst) > 0 {
                self.faults.cut.fetch_add(1, Ordering::SeqCst);
            }
            // It keeps listening for this time, so that a late request is counted, not refused.
            actix_rt::spawn(async move {
                tokio::time::sleep(Duration::from_millis(200)).await;
                task.serving.abort();
            });
        }
        ready(()).boxed_local()
    }

    fn list(&self) -> LocalBoxFuture<'static, Result<Vec<Found>, Error>> {
        ready(Ok(Vec::new())).boxed_local()
    }

    /// Also carries out the kills: the n-th running replica ends abruptly.
    fn events(&self) -> LocalBoxStream<'static, Event> {
        let (running, events) = (self.running.clone(), self.events.clone());
        let mut kill = self.kill.take().unwrap();
        actix_rt::spawn(async move {
            while let Some(n) = kill.recv().await {
                let mut running = running.borrow_mut();
                let Some(victim) = running.keys().nth(n % running.len().max(1)).copied() else { continue };
                if let Some(task) = running.remove(&victim) {
                    task.serving.abort();
                    let exit = Exit::Ended("killed".into());
                    let _ = events.send(Event::Exited { incarnation: victim, exit });
                }
            }
        });
        let mut exits = self.exits.take().unwrap();
        stream::poll_fn(move |cx| exits.poll_recv(cx)).boxed_local()
    }
}

#[derive(Clone)]
struct Replica {
    name: String,
    stopped: Arc<AtomicBool>,
    in_flight: Arc<AtomicUsize>,
    faults: Arc<Faults>,
}

impl Replica {
    /// Serves until it is aborted, which ends all of its connections too.
    async fn serve(self, listener: TcpListener) {
        let mut connections = stream::FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let (connection, _) = accepted.unwrap();
                    connections.push(self.clone().answer(connection));
                }
                Some(_) = connections.next() => {}
            }
        }
    }

    async fn answer(self, connection: TcpStream) -> Option<()> {
        let mut connection = BufReader::new(connection);
        loop {
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                connection.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
                if line == "\r\n" {
                    break;
                }
                lines.push(line);
            }
            let heartbeat = lines.first()?.starts_with("GET /heartbeat ");
            if !heartbeat {
                self.in_flight.fetch_add(1, Ordering::SeqCst);
                if self.stopped.load(Ordering::SeqCst) {
                    self.faults.late.fetch_add(1, Ordering::SeqCst);
                }
                tokio::task::yield_now().await; // lets other tasks run while the request is in flight
            }
            let body = format!(r#"{{"message":"Hello from Server: {}","status":"successful"}}"#, self.name);
            let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            // Before the write: the balancer may have read the whole reply before write_all returns.
            if !heartbeat {
                self.in_flight.fetch_sub(1, Ordering::SeqCst);
            }
            connection.get_mut().write_all(reply.as_bytes()).await.ok()?;
        }
    }
}

/// A balancer on a separate thread.
struct Storm {
    traffic: SocketAddr,
    admin: SocketAddr,
    kill: channel::UnboundedSender<usize>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Storm {
    fn start(faults: Arc<Faults>) -> Self {
        let (opened, open) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let (kill, kills) = channel::unbounded_channel();
        let thread = std::thread::spawn(move || {
            actix_rt::System::new().block_on(async {
                let (events, exits) = channel::unbounded_channel();
                let tasks = Tasks {
                    faults,
                    running: Rc::default(),
                    events,
                    exits: RefCell::new(Some(exits)),
                    kill: RefCell::new(Some(kills)),
                };
                let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                let config = Config {
                    listen: free,
                    admin_listen: Some(free),
                    replicas: 6,
                    max_replicas: 12,
                    workers: 4,
                    retries: 8,
                    ..Config::default()
                };
                let mut running = start(&config, None, Rc::new(tasks)).await.unwrap();
                running.serving().await;
                opened.send((running.traffic, running.admin.unwrap())).unwrap();
                let _ = stopped.await;
                running.stop().await;
            });
        });
        let (traffic, admin) = open.recv().unwrap();
        Self { traffic, admin, kill, stop: Some(stop), thread: Some(thread) }
    }
}

impl Storm {
    fn admin(&self, method: &str, path: &str, body: &str) -> (u16, serde_json::Value) {
        let answer = call(self.admin, method, path, &[("X-LB-Admin", "1")], body.as_bytes());
        (answer.status, answer.json())
    }

    /// Makes one manual change of a replica or seat. After a kill it may be refused: 404, 409, 503.
    fn change_manually(&self, rng: &mut fastrand::Rng, change: u64) {
        let rep = call(self.traffic, "GET", "/rep", &[], b"").json();
        let listed = rep["message"]["replicas"].as_array().unwrap().clone();
        let name = rng.choice(&listed).unwrap().as_str().unwrap();
        let (method, path, body) = match rng.u32(0..4) {
            // Rarely: a seat is limited to five launches a minute.
            _ if change.is_multiple_of(40) => {
                ("POST", format!("/api/replicas/{name}/replace"), String::new())
            }
            0 | 1 if listed.len() > 3 => ("POST", format!("/api/replicas/{name}/drain"), String::new()),
            2 => {
                let (seat, weight) = (rng.u32(1..13), rng.u32(1..300));
                ("PUT", format!("/api/seats/{seat}/weight"), format!("{{\"weight\":{weight}}}"))
            }
            _ => return self.undrain_all(),
        };
        let (status, answer) = self.admin(method, &path, &body);
        assert!(matches!(status, 200 | 404 | 409 | 503), "{path}: {status} {answer}");
    }

    fn undrain_all(&self) {
        let state = self.admin("GET", "/api/state", "").1;
        let others = state["others"].as_array().unwrap();
        for name in others
            .iter()
            .filter(|other| other["drained"] == true)
            .map(|other| other["name"].as_str().unwrap())
        {
            let (status, answer) = self.admin("POST", &format!("/api/replicas/{name}/undrain"), "");
            assert!(matches!(status, 200 | 503), "{name}: {status} {answer}");
        }
    }
}

#[test]
fn no_request_reaches_a_replica_that_has_left_and_none_is_lost() {
    let seed = number("LB_SEED").unwrap_or_else(|| fastrand::u64(..));
    let changes = number("LB_STORM").unwrap_or(CHANGES);
    eprintln!("LB_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let faults = Arc::new(Faults::default());
    let mut storm = Storm::start(faults.clone());
    let load = Load::start(storm.traffic, 8);
    let mut n = 6;
    for change in 0..changes {
        match rng.u32(0..10) {
            0..4 if n < 10 => {
                let more = rng.usize(1..=2);
                let answer = call(storm.traffic, "POST", "/add", &[], format!("{{\"n\":{more}}}").as_bytes());
                // A kill may hit a replica that is being added: then the addition is undone.
                assert!(matches!(answer.status, 200 | 503), "change {change}: {answer:?}");
                n += if answer.status == 200 { more } else { 0 };
            }
            4..8 if n > 4 => {
                let fewer = rng.usize(1..=2);
                let answer =
                    call(storm.traffic, "DELETE", "/rm", &[], format!("{{\"n\":{fewer}}}").as_bytes());
                assert_eq!(answer.status, 200, "change {change}: {answer:?}");
                n -= fewer;
            }
            // Rarely: a seat is limited to five launches a minute, and a request survives at most a few dead replicas.
            8 if change % 20 == 0 => storm.kill.send(rng.usize(0..12)).unwrap(),
            9 => storm.change_manually(&mut rng, change),
            _ => {}
        }
    }
    storm.undrain_all();
    until("the fleet is whole again", || {
        let rep = call(storm.traffic, "GET", "/rep", &[], b"").json();
        rep["message"]["N"] == n
    });
    let state = call(storm.admin, "GET", "/api/state", &[], b"").json();
    assert_eq!(state["target"], n);
    let (answered, failed) = load.finish();
    assert_eq!(failed, Vec::<String>::new(), "of {answered} with LB_SEED={seed}");
    assert_eq!(faults.late.load(Ordering::SeqCst), 0, "requests after the stop, LB_SEED={seed}");
    assert_eq!(faults.cut.load(Ordering::SeqCst), 0, "stops with requests in flight, LB_SEED={seed}");
    assert!(answered > changes, "{answered} requests are no load");
    drop(storm.stop.take());
    storm.thread.take().unwrap().join().unwrap();
}
