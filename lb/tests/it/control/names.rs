//! External servers by name: each test has a hosts file, which is mounted only for the balancer.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::load::Load;
use crate::support::origin::Origin;
use crate::support::{Balancer, call, lb, until};

/// Mounts the files over those of the system, in a mount namespace of `lb`.
const MOUNT: &str = r#"
mount --bind "$1" /etc/hosts &&
if [ -e /etc/nsswitch.conf ]; then mount --bind "$2" /etc/nsswitch.conf; fi &&
shift 2 && exec "$@"
"#;

/// The hosts file of a test.
struct Hosts(tempfile::TempDir);

impl Hosts {
    /// Returns `None` without the permission to mount.
    fn new() -> Option<Self> {
        let unshared = Command::new("unshare").args(["-m", "--propagation", "private", "true"]).output();
        if !unshared.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: no private mount can be made (unshare -m needs root)");
            return None;
        }
        let hosts = Self(tempfile::tempdir().unwrap());
        hosts.write(&[]);
        // No name is looked up in DNS.
        std::fs::write(hosts.path("nsswitch.conf"), "hosts: files\n").unwrap();
        Some(hosts)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// Overwrites the file in place, because it is mounted.
    fn write(&self, lines: &[(IpAddr, &str)]) {
        let lines: String = lines.iter().map(|(address, name)| format!("{address} {name}\n")).collect();
        std::fs::write(self.path("hosts"), lines).unwrap();
    }

    fn launch(&self, args: &[&str]) -> Balancer {
        let mut command = Command::new("unshare");
        command.args(["-m", "--propagation", "private", "sh", "-c", MOUNT, "sh"]);
        command.args([&self.path("hosts"), &self.path("nsswitch.conf"), env!("CARGO_BIN_EXE_lb")]);
        Balancer::launch_by(command, args, &[("RESOLV_MULTI", "on")])
    }
}

/// A server that answers like the built-in replica of this name.
fn server(address: SocketAddr, name: &str) -> Origin {
    let body = json!({ "message": format!("Hello from Server: {name}"), "status": "successful" }).to_string();
    let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    Origin::at(address, move |peer| {
        loop {
            peer.wire.request()?;
            peer.wire.send(reply.as_bytes());
        }
    })
}

/// An address on loopback that no other test uses.
fn address(third: u8, last: u8) -> IpAddr {
    Ipv4Addr::new(127, 77, third, last).into()
}

fn vacancy(lb: &Balancer, member: &str) -> String {
    lb.state()["seats"][0][member].as_str().unwrap_or_default().to_owned()
}

fn events(lb: &Balancer, name: &str) -> Vec<Value> {
    let history = call(lb.admin, "GET", "/api/history", &[], b"").json();
    history["events"].as_array().unwrap().iter().filter(|event| event["name"] == name).cloned().collect()
}

#[test]
fn changes_of_a_name_are_followed() {
    let Some(hosts) = Hosts::new() else { return };
    let old = server((address(1, 1), 0).into(), "old");
    let port = old.address.port();
    let mut new = server((address(1, 2), port).into(), "new");
    let upstream = format!("alpha=alpha.example:{port}");
    let mut lb = hosts.launch(&["--runtime", "static", "--upstream", &upstream, "--workers", "2"]);
    lb.until("the state shows why the seat is vacant", |lb| {
        vacancy(lb, "reason").contains("alpha.example does not resolve")
    });
    let seat = lb.state()["seats"][0].clone();
    assert_eq!((&seat["replica"], &seat["name"]), (&Value::Null, &json!("alpha")));
    assert_eq!(seat["upstream"], json!(format!("alpha.example:{port}")));
    assert_eq!(lb.get("/home").status, 503);
    assert_eq!(events(&lb, "unreachable").len(), 1);
    assert_eq!(events(&lb, "unreachable")[0]["replica"], "alpha");

    hosts.write(&[(address(1, 1), "alpha.example")]);
    lb.until("alpha serves", |lb| lb.names() == ["alpha"]);
    lb.wait_for("] ready ");
    assert_eq!(lb.owner("key"), "old");
    assert_eq!(vacancy(&lb, "reason"), "");

    let load = Load::start(lb.traffic, 2);
    hosts.write(&[(address(1, 2), "alpha.example")]);
    lb.until("the new address serves", |lb| lb.owner("key") == "new");
    let answered = load.answered();
    until("the load goes on", || load.answered() > answered + 50);
    let (_, failed) = load.finish();
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!((events(&lb, "handover").len(), events(&lb, "vacate").len()), (1, 0));
    lb.until("the old one is released", |lb| lb.state()["others"] == json!([]));

    hosts.write(&[]);
    lb.wait_for("upstream does not resolve name=alpha");
    assert_eq!(lb.owner("key"), "new", "the old address still answers");
    new.refuse();
    lb.until("the seat is vacant", |lb| vacancy(lb, "last_error").contains("does not resolve"));
    let refused = format!("127.77.1.2:{port}: it refuses connections");
    assert_eq!(vacancy(&lb, "reason"), refused);
    let status = lb_status(&lb);
    let line =
        format!("seat 1 (alpha.example:{port}) is vacant: {refused}; now: alpha.example does not resolve");
    assert!(status.contains(&line) && status.contains("alpha"), "{status}");
    assert_eq!(lb.replicas(), [Value::Null]);
    lb.until("there are two events", |lb| events(lb, "unreachable").len() == 2);
    let logged = lb.log().iter().filter(|line| line.contains("upstream unreachable")).count();
    assert_eq!(logged, 2, "one line for each episode: {:?}", lb.seen);
}

fn lb_status(balancer: &Balancer) -> String {
    lb(&["status"], &[("LB_ADMIN", &format!("http://{}", balancer.admin))]).stdout
}

/// Whether a request is served by this server. A server that refuses connections still answers on those it has.
fn served_by(lb: &Balancer, name: &str) -> bool {
    let answer = lb.get("/home");
    answer.status == 200 && String::from_utf8_lossy(&answer.body).contains(name)
}

#[test]
fn all_addresses_of_a_name_are_tried() {
    let Some(hosts) = Hosts::new() else { return };
    let mut second = server((address(2, 2), 0).into(), "second");
    let port = second.address.port();
    let third = server((address(2, 3), port).into(), "third");
    // Nothing listens on the first two addresses.
    let of = |address| (address, "many.example");
    hosts.write(&[of("::1".parse().unwrap()), of(address(2, 1)), of(address(2, 2)), of(address(2, 3))]);
    let upstream = format!("many=many.example:{port}");
    let args = ["--runtime", "static", "--upstream", &upstream, "--heartbeat-interval", "1s"];
    let mut lb = hosts.launch(&args);
    lb.until("one address serves", |lb| lb.names() == ["many"]);
    let first = lb.owner("key");
    assert!(["second", "third"].contains(&first.as_str()), "{first}");
    // The system chooses the order: it may prefer the third.
    if first == "third" {
        drop(third);
        lb.until("the other address serves", |lb| served_by(lb, "second"));
    } else {
        second.refuse();
        lb.until("the other address serves", |lb| served_by(lb, "third"));
    }
    assert!(lb.log().iter().all(|line| !line.contains("upstream unreachable")), "{:?}", lb.seen);
}
