//! Replicas that misbehave: this test executable, started again as a replica command.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The `--replica-command` that runs this executable as a replica.
pub fn command() -> String {
    let executable = std::env::current_exe().unwrap();
    format!(
        "env LB_TEST_REPLICA=1 {} support::test_replica::replica --exact --nocapture",
        executable.display()
    )
}

/// Runs a replica if `LB_TEST_REPLICA` is set; otherwise this is an empty test. With `LB_TEST_ELSEWHERE` the replica
/// ignores `$PORT`.
///
/// `/home` answers; `/tunnel` accepts an offer to upgrade and then echoes every byte; `/slow?MS` answers after that time;
/// `/mute` stops `/heartbeat` from answering, and `/unhealthy` (or `LB_TEST_UNHEALTHY`) makes it answer 500.
#[test]
fn replica() {
    if std::env::var_os("LB_TEST_REPLICA").is_none() {
        return;
    }
    let elsewhere = std::env::var_os("LB_TEST_ELSEWHERE").is_some();
    let port: u16 = if elsewhere { 0 } else { std::env::var("PORT").unwrap().parse().unwrap() };
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let mute: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
    let unhealthy: &'static AtomicBool =
        Box::leak(Box::new(AtomicBool::new(std::env::var_os("LB_TEST_UNHEALTHY").is_some())));
    for connection in listener.incoming() {
        let connection = connection.unwrap();
        std::thread::spawn(move || serve(connection, mute, unhealthy));
    }
}

fn serve(connection: TcpStream, mute: &AtomicBool, unhealthy: &AtomicBool) -> Option<()> {
    let mut reader = BufReader::new(connection);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let path = line.split(' ').nth(1)?.to_owned();
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        }
        match path.split_once('?').unwrap_or((&path, "")) {
            ("/heartbeat", _) if mute.load(Ordering::Relaxed) => {
                std::thread::sleep(Duration::from_secs(3600)) // no answer in any test
            }
            ("/slow", ms) => std::thread::sleep(Duration::from_millis(ms.parse().ok()?)),
            ("/mute", _) => mute.store(true, Ordering::Relaxed),
            ("/tunnel", _) => {
                let accepted =
                    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
                reader.get_mut().write_all(accepted).ok()?;
                let mut writer = reader.get_ref().try_clone().ok()?;
                return std::io::copy(&mut reader, &mut writer).ok().map(drop);
            }
            ("/unhealthy", _) => unhealthy.store(true, Ordering::Relaxed),
            _ => {}
        }
        let name = std::env::var("SERVER_ID").unwrap_or_default();
        let body = format!(r#"{{"message":"Hello from Server: {name}","status":"successful"}}"#);
        let failing = path == "/heartbeat" && unhealthy.load(Ordering::Relaxed);
        let status = if failing { "500 Internal Server Error" } else { "200 OK" };
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        reader.get_mut().write_all((head + &body).as_bytes()).ok()?;
    }
}
