//! Checks `Host`, as a defence against DNS rebinding.
//!
//! The owner of another site can let its name resolve to our address; a browser then treats its page as same-origin.
//! The name is in `Host`, so only configured names, IP addresses and `localhost` are accepted: DNS cannot redirect
//! these.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header;

use crate::admin::error::Error;

/// How many characters of a wrong name the error message repeats.
const MAX_SHOWN: usize = 100;

/// The accepted names beside `localhost` (`--admin-host`).
#[derive(Clone)]
pub(crate) struct Hosts(Arc<[String]>);

impl Hosts {
    pub fn new(names: &[String]) -> Self {
        Self(names.into())
    }

    /// Checks the host in `Host`, and in the request target if that is in absolute form.
    ///
    /// # Errors
    /// [`Error::NoHost`] without exactly one `Host` field; [`Error::OtherHost`] if a host is not accepted.
    pub fn check(&self, request: &HttpRequest) -> Result<(), Error> {
        let mut fields = request.headers().get_all(header::HOST);
        let (Some(field), None) = (fields.next(), fields.next()) else { return Err(Error::NoHost) };
        let field = field.to_str().map_err(|_| Error::NoHost)?;
        let target = request.uri().authority().map(|authority| authority.as_str());
        [Some(field), target].into_iter().flatten().try_for_each(|host| match self.is_accepted(host) {
            true => Ok(()),
            false => Err(Error::OtherHost(host.chars().take(MAX_SHOWN).collect())),
        })
    }

    /// Parses `host[:port]`. Any port is accepted, since a container's port may be published as another.
    fn is_accepted(&self, host: &str) -> bool {
        let (name, port) = match host.rfind(']') {
            Some(end) => host.split_at(end + 1),
            None => host.split_at(host.find(':').unwrap_or(host.len())),
        };
        let good_port = port.is_empty() || port[1..].parse::<u16>().is_ok() && port.starts_with(':');
        good_port && (is_address(name) || name.eq_ignore_ascii_case("localhost") || self.is_configured(name))
    }

    fn is_configured(&self, name: &str) -> bool {
        self.0.iter().any(|configured| configured.eq_ignore_ascii_case(name))
    }
}

fn is_address(name: &str) -> bool {
    match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(name) => name.parse::<Ipv6Addr>().is_ok(),
        None => name.parse::<Ipv4Addr>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn hosts() -> Hosts {
        Hosts::new(&["lb.example".to_owned()])
    }

    #[test]
    fn accepted_hosts() {
        for good in [
            "127.0.0.1",
            "127.0.0.1:5001",
            "10.1.2.3:80",
            "[::1]",
            "[::1]:5001",
            "[::ffff:127.0.0.1]:1",
            "localhost",
            "LocalHost:65535",
            "LB.example:5001",
        ] {
            assert!(hosts().is_accepted(good), "{good}");
        }
    }

    #[test]
    fn rejected_hosts() {
        for bad in [
            "",
            ":5001",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil.example:5001",
            "evil-localhost",
            "localhost.",
            "localhost:",
            "localhost:x",
            "localhost:99999",
            "localhost:-1",
            "localhost:80:80",
            "localhost:80@evil.example",
            "localhost@evil.example",
            "127.1",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "2130706433",
            "127.0.0.1/x",
            " localhost",
            "::1",
            "[::1",
            "::1]",
            "[::1]evil.example",
            "[::1].evil.example:80",
            "[localhost]",
            "[127.0.0.1]",
            "[::1%eth0]",
            "a]:80",
            "b.example",
            "x.lb.example",
            "lb.example.evil.example",
        ] {
            assert!(!hosts().is_accepted(bad), "{bad}");
        }
    }

    #[test]
    fn an_absolute_target_is_checked_too_and_exactly_one_host_field_is_required() {
        let check = |target: &str, fields: &[&str]| {
            let mut request = TestRequest::with_uri(target);
            for field in fields {
                request = request.append_header((header::HOST, *field));
            }
            hosts().check(&request.to_http_request())
        };
        assert!(check("/", &["localhost"]).is_ok());
        assert!(check("http://127.0.0.1:1/", &["localhost"]).is_ok());
        assert!(matches!(check("http://evil.example/", &["localhost"]), Err(Error::OtherHost(_))));
        assert!(matches!(check("http://localhost/", &["evil.example"]), Err(Error::OtherHost(_))));
        for none in [&[][..], &["localhost", "localhost"], &["localhost", "evil.example"]] {
            assert!(matches!(check("/", none), Err(Error::NoHost)), "{none:?}");
        }
        let long = "x".repeat(5_000);
        let Err(Error::OtherHost(shown)) = check("/", &[&long]) else { panic!() };
        assert_eq!(shown.len(), MAX_SHOWN);
    }
}
