//! One look-up of a host name by the system's resolver (`getaddrinfo`: hosts file and DNS).
//!
//! glibc 2.34 and later has the hosts file and DNS built in, so this works in the static image too, which has no
//! shared library and no nsswitch.conf. There only the first line of /etc/hosts for a name would count if the image did
//! not set `RESOLV_MULTI=on`.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use tokio::sync::oneshot;

/// Prefix that Rust's standard library puts before the text of the resolver.
const PREFIX: &str = "failed to lookup address information: ";

/// The addresses of a host, at least one; the error is the resolver's text.
///
/// It runs on a thread of its own and not in the runtime's blocking pool: the process waits for that pool when it ends,
/// and a look-up takes up to half a minute when no DNS server answers.
pub async fn lookup(host: String, port: u16) -> Result<Vec<SocketAddr>, String> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![(address, port).into()]);
    }
    let (answer, answered) = oneshot::channel();
    let resolve = move || {
        let addresses = (host.as_str(), port).to_socket_addrs().map(|addresses| addresses.collect());
        // The receiver is missing only when the process ends.
        let _ = answer.send(addresses);
    };
    let started = std::thread::Builder::new().name("resolver".to_owned()).spawn(resolve);
    started.map_err(|error| format!("no thread for the look-up: {error}"))?;
    let ended = || Err(io::Error::other("the look-up ended without an answer"));
    let addresses: Vec<SocketAddr> =
        answered.await.unwrap_or_else(|_| ended()).map_err(|error| shown(&error))?;
    if addresses.is_empty() { Err("it has no address".to_owned()) } else { Ok(addresses) }
}

fn shown(error: &io::Error) -> String {
    let text = error.to_string();
    text.strip_prefix(PREFIX).unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn names_and_addresses() {
        assert_eq!(lookup("::1".to_owned(), 80).await, Ok(vec!["[::1]:80".parse().unwrap()]));
        let local = lookup("localhost".to_owned(), 80).await.unwrap();
        assert!(local.contains(&([127, 0, 0, 1], 80).into()), "{local:?}");
        // RFC 6761 section 6.4: "invalid" never resolves.
        let error = lookup("no.invalid".to_owned(), 80).await.unwrap_err();
        assert!(!error.is_empty() && !error.contains("failed to lookup"), "{error}");
    }
}
