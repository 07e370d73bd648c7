//! A proxy socket between the balancer and the engine that can simulate failures.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

const ENGINE: &str = "/var/run/docker.sock";

/// How often a connection checks whether it should break off.
const LOOK: Duration = Duration::from_millis(20);

/// What the proxy does with requests.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// Requests are passed to the engine.
    Passing,
    /// Requests are accepted and never answered.
    Hanging,
    /// Requests are answered with 500.
    Failing,
    /// Connections are closed, including existing ones.
    Refusing,
}

/// Removed when dropped.
pub struct Proxy {
    /// The address of the proxy as a value of `--docker-host`.
    pub url: String,
    mode: Arc<AtomicU8>,
    _directory: Option<tempfile::TempDir>,
}

impl Proxy {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("docker.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let mode = Arc::new(AtomicU8::new(Mode::Passing as u8));
        let url = format!("unix://{}", path.display());
        std::thread::spawn({
            let mode = mode.clone();
            move || {
                for client in listener.incoming().map_while(Result::ok) {
                    let mode = mode.clone();
                    std::thread::spawn(move || serve(client, &mode));
                }
            }
        });
        Self { url, mode, _directory: Some(directory) }
    }

    /// A proxy on a TCP port that passes everything on.
    pub fn tcp() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("tcp://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || {
                    let engine = UnixStream::connect(ENGINE).unwrap();
                    let (mut from, mut to) = (client.try_clone().unwrap(), engine.try_clone().unwrap());
                    std::thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                    let (mut from, mut to) = (engine, client);
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Both);
                });
            }
        });
        Self { url, mode: Arc::new(AtomicU8::new(Mode::Passing as u8)), _directory: None }
    }

    pub fn set(&self, mode: Mode) {
        self.mode.store(mode as u8, Ordering::Relaxed);
    }
}

fn serve(mut client: UnixStream, mode: &AtomicU8) {
    let is = |wanted: Mode| mode.load(Ordering::Relaxed) == wanted as u8;
    if is(Mode::Failing) {
        let _ = client.read(&mut [0; 65536]);
        let body = r#"{"message":"out of order"}"#;
        let head = format!(
            "HTTP/1.1 500 x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let _ = client.write_all((head + body).as_bytes());
        return;
    }
    if is(Mode::Passing) {
        let engine = UnixStream::connect(ENGINE).unwrap();
        let ends = [(&client, &engine), (&engine, &client)].map(|(from, to)| {
            let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
                let _ = from.shutdown(Shutdown::Both);
            })
        });
        while !is(Mode::Refusing) && !ends.iter().all(std::thread::JoinHandle::is_finished) {
            std::thread::sleep(LOOK);
        }
        let _ = engine.shutdown(Shutdown::Both);
    }
    while is(Mode::Hanging) {
        std::thread::sleep(LOOK);
    }
    let _ = client.shutdown(Shutdown::Both);
}
