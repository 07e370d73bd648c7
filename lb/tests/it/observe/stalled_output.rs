//! Requests, changes and signals continue when standard error stalls, is closed or is full.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::SocketAddr;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};

use rustix::process::Signal;

use crate::support::test_replica;
use crate::support::{Killed, STATE_TIMEOUT, call, until};

/// A named pipe that is open for reading and writing, as with `lb 2<> FIFO`, so that opening it never blocks.
struct Fifo {
    both: File,
    directory: tempfile::TempDir,
}

impl Fifo {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let both = OpenOptions::new().read(true).write(true).open(path).unwrap();
        Self { both, directory }
    }

    fn reader(&self) -> BufReader<File> {
        BufReader::new(File::open(self.directory.path().join("fifo")).unwrap())
    }

    /// Fills the pipe to the last byte.
    fn fill(&self) {
        let mut writer = OpenOptions::new().write(true).open(self.directory.path().join("fifo")).unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        for piece in [[b'.'; 4096].as_slice(), b"."] {
            let full = loop {
                if let Err(error) = writer.write_all(piece) {
                    break error;
                }
            };
            assert_eq!(full.kind(), ErrorKind::WouldBlock);
        }
    }
}

/// A balancer whose standard error is a full named pipe without a reader.
struct Stalled {
    lb: Killed,
    traffic: SocketAddr,
    admin: SocketAddr,
    fifo: Fifo,
}

impl Stalled {
    fn start(args: &[&str]) -> Self {
        let fifo = Fifo::new();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
        command.args(["--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"]).args(args);
        command.env("RUST_LOG", "info").stdin(Stdio::null()).stdout(Stdio::null());
        let lb = Killed(command.stderr(fifo.both.try_clone().unwrap()).spawn().unwrap());
        let mut reader = fifo.reader();
        let mut listening = String::new();
        let mut line = String::new();
        while !line.contains("] ready ") {
            line.clear();
            assert_ne!(reader.read_line(&mut line).unwrap(), 0);
            if line.contains("] listening traffic=") {
                listening.clone_from(&line);
            }
        }
        let address = |name: &str| {
            let (_, rest) = listening.split_once(name).unwrap();
            rest.split_whitespace().next().unwrap().parse().unwrap()
        };
        let (traffic, admin) = (address("traffic="), address("admin="));
        fifo.fill();
        Self { lb, traffic, admin, fifo }
    }

    fn get(&self, path: &str) -> u16 {
        call(self.traffic, "GET", path, &[], b"").status
    }

    fn control(&self, path: &str, body: &str) -> u16 {
        call(self.traffic, "POST", path, &[], body.as_bytes()).status
    }

    fn signal(&self, signal: Signal) {
        self.lb.signal(signal);
    }

    /// Waits for the end of the process.
    fn ended(&mut self) -> ExitStatus {
        self.lb.ended()
    }
}

/// Reads the pipe until the dropped lines are reported, ends the balancer, and reads to the end. Returns the lines
/// without the filler.
fn read_to_end(fifo: Fifo, lb: &mut Killed) -> Vec<String> {
    let reader = fifo.reader();
    drop(fifo.both);
    let (sender, received) = channel();
    std::thread::spawn(move || {
        let lines = reader.lines().map_while(Result::ok);
        lines.map(|line| line.trim_start_matches('.').to_owned()).try_for_each(|line| sender.send(line))
    });
    let mut lines = Vec::new();
    loop {
        match received.recv_timeout(STATE_TIMEOUT) {
            Ok(line) => lines.push(line),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => panic!("the log does not go on: {:?}", lines.last()),
        }
        if lines.last().is_some_and(|line| line.contains("log lines dropped")) {
            lb.signal(Signal::TERM);
        }
    }
    assert_eq!(lb.ended().code(), Some(0));
    lines
}

/// A replica command that prints 40,000 lines before it serves, only in the replica of this name. When it serves, the
/// balancer has read more of them than fit the queue: the pipe in between holds 8,192.
fn loud_command(name: &str) -> String {
    format!(
        "sh -c 'test {{name}} != {name} || yes chatter | head -n 40000; exec {}'",
        test_replica::command()
    )
}

#[test]
fn a_full_pipe_delays_neither_requests_nor_changes_and_the_log_continues_when_it_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("lb.toml");
    std::fs::write(&config, "control = 'open'").unwrap();
    let lb = Stalled::start(&[
        "--replicas=1",
        "--config",
        config.to_str().unwrap(),
        "--replica-command",
        &loud_command("loud"),
    ]);
    assert_eq!((lb.get("/home"), lb.get("/rep")), (200, 200));
    // The queue overflows before the response: the replica prints first, then serves.
    assert_eq!(lb.control("/add", r#"{"n":2,"hostnames":["loud","quiet"]}"#), 200);
    assert_eq!(lb.control("/rm", r#"{"n":1,"hostnames":["quiet"]}"#), 200);
    std::fs::write(&config, "control = 'token'").unwrap();
    lb.signal(Signal::HUP);
    until("the control token is asked for", || lb.get("/rep") == 401);
    assert_eq!(lb.get("/home"), 200);
    assert_eq!(call(lb.admin, "GET", "/readyz", &[], b"").status, 200);

    let Stalled { mut lb, fifo, .. } = lb;
    let lines = read_to_end(fifo, &mut lb);
    let find = |text: &str| lines.iter().filter(|line| line.contains(text)).collect::<Vec<_>>();
    let gaps = find("log lines dropped lines=");
    assert_eq!(gaps.len(), 1, "one line for the episode: {gaps:?}");
    let (_, dropped) = gaps[0].rsplit_once('=').unwrap();
    let dropped: usize = dropped.parse().unwrap();
    let printed = find("replica=loud chatter").len();
    assert!(printed > 0 && printed + dropped >= 40_000, "{printed} printed, {dropped} dropped");
    assert_eq!(find("control token=").len(), 1, "the token is never dropped");
    assert_eq!(find("] stopped").len(), 1, "the last line is there");
}

#[test]
fn the_login_link_is_not_dropped_when_the_queue_overflows() {
    let fifo = Fifo::new();
    fifo.fill();
    let (traffic, admin) = (crate::support::port::free(), crate::support::port::free());
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command.args(["--replicas=1", "--replica-command", &loud_command("server1"), "--listen"]);
    command.args([format!("127.0.0.1:{traffic}"), format!("--admin-listen=0.0.0.0:{admin}")]);
    let mut lb =
        Killed(command.stdout(Stdio::null()).stderr(fifo.both.try_clone().unwrap()).spawn().unwrap());
    let traffic = SocketAddr::from(([127, 0, 0, 1], traffic));
    until("the balancer serves", || {
        std::net::TcpStream::connect(traffic).is_ok() && call(traffic, "GET", "/home", &[], b"").status == 200
    });
    drop(command); // closes its handle of the pipe
    let lines = read_to_end(fifo, &mut lb);
    let (_, token) = lines.iter().find_map(|line| line.split_once("/login?token=")).expect("a login link");
    assert_eq!(lines.iter().filter(|line| line.contains("log lines dropped lines=")).count(), 1);
    assert_eq!(token.len(), 64, "{token}");
}

#[test]
fn a_signal_ends_a_balancer_with_a_stalled_log() {
    let mut lb = Stalled::start(&["--replicas=2"]);
    assert_eq!(lb.control("/add", r#"{"n":1}"#), 200);
    lb.signal(Signal::TERM);
    assert_eq!(lb.ended().code(), Some(0));
}

#[test]
fn a_second_signal_ends_a_balancer_with_a_stalled_log() {
    let mut lb =
        Stalled::start(&["--replicas=1", "--drain=1h", "--replica-command", &test_replica::command()]);
    let to = lb.traffic;
    let request = std::thread::spawn(move || {
        use std::io::Read;
        let mut connection = std::net::TcpStream::connect(to).unwrap();
        connection.write_all(b"GET /slow?3600000 HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        let _ = connection.read(&mut [0]);
    });
    until("the request is in flight", || {
        let state = call(lb.admin, "GET", "/api/state", &[], b"").json();
        state["seats"][0]["replica"]["in_flight"] == 1
    });
    lb.signal(Signal::TERM);
    until("the balancer is not ready", || call(lb.admin, "GET", "/readyz", &[], b"").status == 503);
    let mut status = None;
    until("a second signal ends the balancer", || {
        lb.signal(Signal::TERM);
        status = lb.lb.0.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(1));
    request.join().unwrap();
}

#[test]
fn a_failed_start_exits_although_its_reason_cannot_be_written() {
    let fifo = Fifo::new();
    fifo.fill();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command.args(["--admin-listen=off", "--listen", &taken.local_addr().unwrap().to_string()]);
    let lb = command.stdout(Stdio::null()).stderr(fifo.both.try_clone().unwrap()).spawn().unwrap();
    assert_eq!(Killed(lb).ended().code(), Some(1));
}

#[test]
fn requests_continue_when_the_reader_leaves_or_the_disk_is_full() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    for stderr in [Stdio::from(writer), full.into(), Stdio::null()] {
        let port = crate::support::port::free();
        let listen = format!("127.0.0.1:{port}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
        command.args(["--admin-listen=off", "--replicas=1", "--listen", &listen]);
        let mut lb = Killed(command.stdout(Stdio::null()).stderr(stderr).spawn().unwrap());
        let to: SocketAddr = listen.parse().unwrap();
        until("the balancer serves", || {
            std::net::TcpStream::connect(to).is_ok() && call(to, "GET", "/home", &[], b"").status == 200
        });
        assert_eq!(call(to, "POST", "/add", &[], br#"{"n":1}"#).status, 200);
        lb.signal(Signal::TERM);
        assert_eq!(lb.ended().code(), Some(0));
    }
}

#[test]
fn rust_log_and_rust_log_style_set_filter_and_colours() {
    for (style, coloured) in [("always", true), ("auto", false)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
        command
            .args(["--listen=127.0.0.1:0", "--admin-listen=off", "--replicas=1", "--max-connections=100"])
            .env("RUST_LOG_STYLE", style);
        command.env("RUST_LOG", "off,lb::app=info").stdout(Stdio::null()).stderr(Stdio::piped());
        let mut lb = Killed(command.spawn().unwrap());
        let mut lines = BufReader::new(lb.0.stderr.take().unwrap()).lines().map(Result::unwrap);
        let first = lines.next().unwrap();
        assert_eq!(first.contains("\x1b[32mINFO"), coloured, "{first:?}");
        assert!(first.contains(" listening traffic="), "{first:?}");
        assert!(lines.next().unwrap().contains(" ready url="), "other modules are filtered out");
        lb.signal(Signal::TERM);
        let rest: Vec<String> = lines.collect();
        assert_eq!(rest.iter().filter(|line| line.ends_with(" stopped")).count(), 1, "{rest:?}");
        assert_eq!(lb.ended().code(), Some(0));
    }
}
