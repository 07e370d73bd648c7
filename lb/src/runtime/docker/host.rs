//! Address of the engine: `unix://PATH` or `tcp://HOST[:PORT]`.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio::net::{TcpStream, UnixStream};

/// Docker's port without TLS.
const PORT: u16 = 2375;

/// Schemes that other Docker clients support and this one does not.
const UNSUPPORTED: [&str; 5] = ["ssh://", "https://", "http://", "fd://", "npipe://"];

/// The address of a Docker engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A socket of the local machine; an absolute path.
    Unix(PathBuf),
    /// Unencrypted HTTP at this `HOST:PORT`.
    Tcp(String),
}

/// Reasons why a text is no address of an engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHost {
    /// The scheme is a known one, but is not supported.
    #[error(
        "{0} is not supported: use unix://PATH or tcp://HOST:PORT (plain HTTP), or forward the engine's socket \
         (ssh -L /tmp/docker.sock:/var/run/docker.sock HOST)"
    )]
    Unsupported(&'static str),
    /// The text has neither of the two forms.
    #[error("must be unix:///PATH, such as unix:///var/run/docker.sock, or tcp://HOST:PORT")]
    Invalid,
}

impl Host {
    /// Opens a connection, to test whether the engine listens.
    pub(super) async fn connect(&self) -> io::Result<()> {
        match self {
            Self::Unix(path) => UnixStream::connect(path).await.map(drop),
            Self::Tcp(authority) => TcpStream::connect(authority).await.map(drop),
        }
    }

    /// Describes why a connection failed or ended, with a remedy if one is known.
    pub(super) fn explain(&self, error: &io::Error) -> String {
        match (self, error.kind()) {
            (Self::Unix(path), io::ErrorKind::ConnectionRefused) if is_dead_mount(path) => format!(
                "{} was replaced by a restarted engine, and the mounted file is dead; mount its directory instead \
                 of the file (as docker-compose.yml does), then start this container again",
                path.display()
            ),
            (Self::Unix(path), io::ErrorKind::NotFound) => format!("there is no {}", path.display()),
            (_, io::ErrorKind::ConnectionRefused) => format!("nothing listens at {self}"),
            (_, io::ErrorKind::PermissionDenied) => format!("no permission to open {self}"),
            (_, io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {
                format!("{self} closed the connection")
            }
            (_, io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof) => {
                format!("{self} closed the connection")
            }
            _ => format!("{self}: {error}"),
        }
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::Unix("/var/run/docker.sock".into())
    }
}

impl FromStr for Host {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(scheme) = UNSUPPORTED.iter().find(|scheme| text.starts_with(**scheme)) {
            return Err(InvalidHost::Unsupported(scheme));
        }
        if let Some(path) = text.strip_prefix("unix://") {
            return path.starts_with('/').then(|| Self::Unix(path.into())).ok_or(InvalidHost::Invalid);
        }
        let authority = text.strip_prefix("tcp://").map(|rest| rest.trim_end_matches('/'));
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-:[]".contains(c);
        let authority =
            authority.filter(|text| text.starts_with(|c: char| c != ':') && text.chars().all(allowed));
        let authority = authority.ok_or(InvalidHost::Invalid)?;
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        match port.map_or(Ok(PORT), str::parse::<u16>) {
            Ok(port) if port > 0 => Ok(Self::Tcp(format!("{host}:{port}"))),
            _ => Err(InvalidHost::Invalid),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(authority) => write!(f, "tcp://{authority}"),
        }
    }
}

/// Whether the socket is mounted as a single file that does not exist any more outside the container.
fn is_dead_mount(socket: &Path) -> bool {
    let socket = socket.canonicalize().unwrap_or_else(|_| socket.to_owned());
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    is_deleted(&mounts, &socket)
}

/// Whether `/proc/self/mountinfo` shows that the file mounted at `point` was deleted: the kernel appends `//deleted`
/// to its path.
fn is_deleted(mounts: &str, point: &Path) -> bool {
    let fields = mounts.lines().map(|line| line.split(' ').skip(3));
    fields.into_iter().any(|mut fields| match (fields.next(), fields.next()) {
        (Some(root), Some(at)) => root.ends_with("//deleted") && Path::new(at) == point,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let tcp = |text: &str| Ok(Host::Tcp(text.into()));
        assert_eq!("unix:///run/docker.sock".parse(), Ok(Host::Unix("/run/docker.sock".into())));
        assert_eq!("tcp://10.0.0.1:2376".parse(), tcp("10.0.0.1:2376"));
        assert_eq!("tcp://socket-proxy".parse(), tcp("socket-proxy:2375"));
        assert_eq!("tcp://[::1]".parse(), tcp("[::1]:2375"));
        assert_eq!("tcp://[::1]:1/".parse(), tcp("[::1]:1"));
        for bad in
            ["", "/run/docker.sock", "unix://docker.sock", "tcp://", "tcp://:1", "tcp://a:x", "tcp://a/b"]
        {
            assert_eq!(bad.parse::<Host>(), Err(InvalidHost::Invalid), "{bad:?}");
        }
        for scheme in UNSUPPORTED {
            let error = format!("{scheme}a").parse::<Host>().unwrap_err().to_string();
            assert!(error.starts_with(scheme) && error.contains("unix://PATH"), "{error}");
        }
        for host in [Host::default(), Host::Tcp("a:1".into())] {
            assert_eq!(host.to_string().parse(), Ok(host));
        }
    }

    #[test]
    fn a_deleted_mounted_file_is_detected() {
        let mounts = "1 2 0:1 /docker.sock//deleted /run/docker.sock rw - tmpfs tmpfs rw\n\
                      2 2 0:1 /x.sock /run/x.sock rw - tmpfs tmpfs rw\n";
        assert!(is_deleted(mounts, Path::new("/run/docker.sock")));
        assert!(!is_deleted(mounts, Path::new("/run/x.sock")));
        assert!(!is_deleted(mounts, Path::new("/run/docker")));
    }
}
