//! The server whose replicas `lb` runs: says who it is, and that it is alive.
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

/// How long an idle connection is kept: longer than any balancer's pool keeps it.
const KEEP_ALIVE: Duration = Duration::from_secs(120);

/// How long requests in flight may take after the stop, in seconds.
const STOP_TIMEOUT_SECS: u64 = 1;

/// Connections that wait to be accepted: a burst of a thousand clients loses none.
const BACKLOG: i32 = 4096;

/// Serves as replica `id` until SIGTERM or SIGINT: then it finishes what is in flight, closes kept connections and
/// returns within 2 s. Raises the process's soft limit of open files to the hard one.
///
/// # Errors
/// When the listener or the signal handlers cannot be set up.
pub async fn serve(listener: TcpListener, id: String) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    raise_file_limit();
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => log::info!("signal=SIGTERM stopping"),
            _ = interrupt.recv() => log::info!("signal=SIGINT stopping"),
        }
    };
    serve_until(listener, id, stop).await
}

/// As [`serve`], until `stop` is ready; touches neither signals nor limits.
///
/// # Errors
/// When the listener cannot be set up.
pub async fn serve_until(
    listener: TcpListener,
    id: String,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    // Whoever bound it: a second listen(2) only changes the backlog.
    rustix::net::listen(&listener, BACKLOG)?;
    log::info!("replica={id} address={} listening", listener.local_addr()?);
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

/// The whole contract. The path is compared and echoed as requested: not percent-decoded.
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

/// Raises this process's soft limit of open files (usually 1,024) to the hard one: ten thousand connections are more.
/// Refused is no harm: fewer then.
pub fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        log::warn!("cannot raise the limit of open files: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    /// A running replica `S 1"`, what stops it, and a connection to it.
    async fn start() -> (JoinHandle<io::Result<()>>, oneshot::Sender<()>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = actix_web::rt::spawn(serve_until(listener, "S1".into(), async move {
            stopped.await.unwrap();
        }));
        (server, stop, TcpStream::connect(address).await.unwrap())
    }

    /// Sends one request, the connection's last, and returns head and body without the `date`.
    async fn ask(mut connection: TcpStream, method_and_target: &str) -> (String, String) {
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
        let (head, body) = ask(connection, method_and_target).await;
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
    async fn anything_else() {
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
    async fn a_stop_closes_kept_connections() {
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
