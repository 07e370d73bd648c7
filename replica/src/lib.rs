//! The built-in server that `lb` runs as replicas: it returns its name, and answers heartbeats.
//!
//! | call | answer |
//! | --- | --- |
//! | GET, HEAD `/home` | 200 `{"message":"Hello from Server: <id>","status":"successful"}` |
//! | GET, HEAD `/heartbeat` | 200, empty |
//! | anything else | 400 `{"message":"<Error> '<path>' endpoint does not exist in server replicas","status":"failure"}` |

pub mod cli;

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

/// Idle time after which a connection is closed; longer than the pool of any balancer keeps one.
const KEEP_ALIVE: Duration = Duration::from_secs(120);

/// Longest time that requests in flight get to complete after a stop, in seconds.
const STOP_TIMEOUT_SECS: u64 = 1;

/// Length of the accept queue: enough for a burst of a thousand clients.
const BACKLOG: i32 = 4096;

/// Serves as replica `id` until SIGTERM or SIGINT; then completes the requests in flight, closes idle connections and
/// returns within 2 s. Raises the soft limit of open files of the process to the hard limit.
///
/// # Errors
/// When the listener or the signal handlers cannot be set up.
pub async fn serve(listener: TcpListener, id: String) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    raise_file_limit();
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => log::info!(signal = "SIGTERM"; "stopping"),
            _ = interrupt.recv() => log::info!(signal = "SIGINT"; "stopping"),
        }
    };
    serve_until(listener, id, stop).await
}

/// Serves like [`serve`], until `stop` completes; changes neither signal handlers nor limits.
///
/// # Errors
/// When the listener cannot be set up.
pub async fn serve_until(
    listener: TcpListener,
    id: String,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    // A listener that is bound already may have a short queue; a second listen(2) only changes the length.
    rustix::net::listen(&listener, BACKLOG)?;
    let address = listener.local_addr()?;
    log::info!(replica:% = id, address:%; "listening");
    let hello = body("successful", format!("Hello from Server: {id}"));
    HttpServer::new(move || {
        let hello = hello.clone();
        App::new().default_service(web::to(move |request| std::future::ready(answer(&request, &hello))))
    })
    .workers(1)
    .keep_alive(KEEP_ALIVE)
    .shutdown_timeout(STOP_TIMEOUT_SECS)
    .shutdown_signal(stop)
    .listen(listener)?
    .run()
    .await
}

/// Answers a request by the contract. The path is compared and echoed without percent-decoding.
fn answer(request: &HttpRequest, hello: &Bytes) -> HttpResponse {
    let path = request.uri().path();
    match (request.method(), path) {
        (&Method::GET | &Method::HEAD, "/home") => {
            HttpResponse::Ok().content_type("application/json").body(hello.clone())
        }
        (&Method::GET | &Method::HEAD, "/heartbeat") => HttpResponse::Ok().finish(),
        _ => {
            let message = format!("<Error> '{path}' endpoint does not exist in server replicas");
            HttpResponse::BadRequest().content_type("application/json").body(body("failure", message))
        }
    }
}

fn body(status: &str, message: String) -> Bytes {
    json!({ "message": message, "status": status }).to_string().into()
}

/// Raises the soft limit of open files (usually 1,024) to the hard limit, because ten thousand connections need more.
/// A failure is only logged: the replica then serves fewer connections.
pub fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        log::warn!(error:%; "cannot raise the limit of open files");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    /// Starts replica `S1`; returns its task, the sender that stops it, and a connection to it.
    async fn start() -> (JoinHandle<io::Result<()>>, oneshot::Sender<()>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = actix_web::rt::spawn(serve_until(listener, "S1".into(), async move {
            stopped.await.unwrap();
        }));
        (server, stop, TcpStream::connect(address).await.unwrap())
    }

    /// Sends one request with `connection: close`; returns head and body of the reply, without the `date` field.
    async fn exchange(mut connection: TcpStream, method_and_target: &str) -> (String, String) {
        let request = format!("{method_and_target} HTTP/1.1\r\nhost: r\r\nconnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut reply = String::new();
        connection.read_to_string(&mut reply).await.unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        let mut lines: Vec<&str> = head.lines().filter(|line| !line.starts_with("date:")).collect();
        lines[1..].sort_unstable();
        (lines.join("\n"), body.to_owned())
    }

    async fn golden(method_and_target: &str, status: &str, content: &str) {
        let (server, stop, connection) = start().await;
        let (head, body) = exchange(connection, method_and_target).await;
        let json = if content.is_empty() { "" } else { "\ncontent-type: application/json" };
        let length = content.len();
        let expected = format!("HTTP/1.1 {status}\nconnection: close\ncontent-length: {length}{json}");
        assert_eq!(head, expected, "{method_and_target}");
        let bodiless = method_and_target.starts_with("HEAD");
        assert_eq!(body, if bodiless { "" } else { content }, "{method_and_target}");
        stop.send(()).unwrap();
        server.await.unwrap().unwrap();
    }

    #[actix_web::test]
    async fn home() {
        let hello = r#"{"message":"Hello from Server: S1","status":"successful"}"#;
        golden("GET /home", "200 OK", hello).await;
        golden("GET /home?id=7", "200 OK", hello).await;
        golden("HEAD /home", "200 OK", hello).await;
    }

    #[actix_web::test]
    async fn heartbeat() {
        golden("GET /heartbeat", "200 OK", "").await;
        golden("HEAD /heartbeat", "200 OK", "").await;
    }

    #[actix_web::test]
    async fn any_other_request_is_an_error() {
        let error = |path: &str| {
            format!(
                r#"{{"message":"<Error> '{path}' endpoint does not exist in server replicas","status":"failure"}}"#
            )
        };
        golden("GET /other?a=b", "400 Bad Request", &error("/other")).await;
        golden("GET /a%20%C3%A4//..", "400 Bad Request", &error("/a%20%C3%A4//..")).await;
        golden("GET /%68ome", "400 Bad Request", &error("/%68ome")).await;
        golden("GET /home/", "400 Bad Request", &error("/home/")).await;
        golden("GET /'\"", "400 Bad Request", &error(r#"/'\""#)).await;
        golden("DELETE /other", "400 Bad Request", &error("/other")).await;
        golden("POST /home", "400 Bad Request", &error("/home")).await;
        golden("PUT /heartbeat", "400 Bad Request", &error("/heartbeat")).await;
    }

    #[actix_web::test]
    async fn a_stop_closes_idle_connections() {
        let (server, stop, mut connection) = start().await;
        connection.write_all(b"GET /heartbeat HTTP/1.1\r\nhost: r\r\n\r\n").await.unwrap();
        let mut reply = [0; 15];
        connection.read_exact(&mut reply).await.unwrap();
        assert_eq!(&reply, b"HTTP/1.1 200 OK");

        stop.send(()).unwrap();
        let mut rest = Vec::new();
        connection.read_to_end(&mut rest).await.unwrap();
        server.await.unwrap().unwrap();
    }
}
