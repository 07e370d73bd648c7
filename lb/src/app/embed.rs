//! Runs a balancer inside another program, on its own thread with its own actix system.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::config::Config;

use super::{Running, StartError, runtime, start};

/// A balancer that runs until it is dropped; its replicas end with it.
///
/// The program's `main` must call [`child::dispatch`](crate::child::dispatch) first.
///
/// # Examples
/// A balancer with one built-in replica, on a free port; `examples/embed.rs` shows how keys are spread over three.
/// ```standalone_crate
/// use std::io::{Write, read_to_string};
/// use std::net::{Ipv4Addr, TcpStream};
///
/// use lb::app::Embedded;
/// use lb::config::Config;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     lb::child::dispatch();
///     let listen = (Ipv4Addr::LOCALHOST, 0).into();
///     let config = Config { listen, admin_listen: None, replicas: 1, ..Config::default() };
///     let balancer = Embedded::start(config, std::env::current_exe()?)?;
///
///     let mut client = TcpStream::connect(balancer.traffic)?;
///     client.write_all(b"GET /home HTTP/1.0\r\n\r\n")?;
///     assert!(read_to_string(client)?.contains("Hello from Server: server1"));
///
///     drop(balancer); // its replica ends with it
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Embedded {
    /// The address of the traffic listener, with the actual port.
    pub traffic: SocketAddr,
    /// The address of the admin listener, with the actual port; `None` if it is off.
    pub admin: Option<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Embedded {
    /// Starts a balancer and returns when all its replicas are ready. `executable` is the path of this program.
    ///
    /// # Errors
    /// Those of [`start`]; [`StartError::NotReady`] when the replicas are not ready within `--start-timeout`.
    pub fn start(config: Config, executable: PathBuf) -> Result<Self, StartError> {
        let (opened, open) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            actix_rt::System::new().block_on(async {
                match serve(&config, executable).await {
                    Err(error) => drop(opened.send(Err(error))),
                    Ok(running) => {
                        let _ = opened.send(Ok((running.traffic, running.admin)));
                        let _ = stopped.await; // also when the handle is dropped
                        running.stop().await;
                    }
                }
            });
        });
        let (traffic, admin) = open.recv().unwrap_or(Err(StartError::NotReady))?;
        Ok(Self { traffic, admin, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A panic of the thread has already been printed to standard error.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

async fn serve(config: &Config, executable: PathBuf) -> Result<Running, StartError> {
    let mut running = start(config, None, runtime(config, executable).await?).await?;
    if timeout(config.start_timeout, running.serving()).await.is_ok() {
        return Ok(running);
    }
    running.stop().await;
    Err(StartError::NotReady)
}
