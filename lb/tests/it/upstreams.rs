//! `--runtime static`: real servers that somebody else runs, which die and come back.

use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::balancer::{Balancer, runs, signal_pid, until};
use crate::port;

/// A server that is not the balancer's; killed when dropped.
struct Server {
    port: u16,
    name: &'static str,
    child: Child,
}

impl Server {
    fn start(name: &'static str) -> Self {
        let port = port::free();
        Self { port, name, child: serve(port, name) }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn restart(&mut self) {
        self.child = serve(self.port, self.name);
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(port: u16, name: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command.arg("replica").env("PORT", port.to_string()).env("SERVER_ID", name);
    command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn until_listed(lb: &Balancer, names: &[&str]) {
    lb.until(&format!("{names:?} are listed"), |lb| lb.names() == names);
}

#[test]
fn a_dead_server_leaves_its_seat_vacant_and_comes_back_under_its_name() {
    let (mut one, two) = (Server::start("one"), Server::start("two"));
    let a = format!("a=localhost:{}", one.port);
    let b = format!("127.0.0.1:{}*50", two.port);
    let lb = Balancer::start(&["--runtime", "static", "--upstream", &a, "--upstream", &b]);
    let default = format!("127.0.0.1-{}", two.port);
    until_listed(&lb, &["a", &default]);
    let (target, digest) = (lb.state()["target"].clone(), lb.state()["digest"].clone());
    let weights: Vec<Value> =
        lb.state()["seats"].as_array().unwrap().iter().map(|seat| seat["weight"].clone()).collect();
    assert_eq!((target, weights), (json!(2), vec![json!(100), json!(50)]));
    let before: Vec<String> = (0..50).map(|key| lb.owner(&key.to_string())).collect();
    assert!(before.iter().any(|name| name == "one") && before.iter().any(|name| name == "two"));

    one.kill();
    until_listed(&lb, &[&default]);
    assert_eq!(lb.replicas()[0], Value::Null);
    assert!((0..50).all(|key| lb.owner(&key.to_string()) == "two"));

    one.restart();
    until_listed(&lb, &["a", &default]);
    let after: Vec<String> = (0..50).map(|key| lb.owner(&key.to_string())).collect();
    assert_eq!((after, lb.state()["digest"].clone()), (before, digest));
}

#[test]
fn servers_that_hang_are_passed_over_also_when_they_are_most() {
    let servers = ["one", "two", "three"].map(Server::start);
    let upstreams = servers.each_ref().map(|server| format!("{}=127.0.0.1:{}", server.name, server.port));
    let mut args = vec!["--runtime", "static", "--replace-after", "1s", "--heartbeat-interval", "200ms"];
    args.extend(upstreams.iter().flat_map(|upstream| ["--upstream", upstream]));
    let mut lb = Balancer::start(&args);
    until_listed(&lb, &["one", "two", "three"]);
    servers[..2].iter().for_each(|server| signal_pid(server.pid(), Signal::STOP));
    until_listed(&lb, &["three"]);
    servers[..2].iter().for_each(|server| signal_pid(server.pid(), Signal::CONT));
    until_listed(&lb, &["one", "two", "three"]);

    lb.signal(Signal::TERM);
    assert_eq!(lb.ended().code(), Some(0));
    assert!(servers.iter().all(|server| runs(server.pid())), "the servers are not ours to stop");
    assert!(!lb.log().iter().any(|line| line.contains("replica stopping")), "nor do we say so");
}

#[test]
fn add_and_rm_are_refused_with_the_reason() {
    let one = Server::start("one");
    let lb = Balancer::start(&["--runtime", "static", "--upstream", &format!("one=127.0.0.1:{}", one.port)]);
    for (method, path) in [("POST", "/add"), ("DELETE", "/rm")] {
        let (status, answer) = lb.control(method, path, r#"{"n":1}"#);
        assert_eq!((status, answer["status"].clone()), (400, json!("failure")));
        assert!(answer["message"].as_str().unwrap().contains("--runtime static"), "{answer}");
    }
    assert_eq!(lb.names(), ["one"]);
}

#[test]
fn a_server_that_is_not_there_at_the_start_is_taken_in_later() {
    let (mut late, one) = (Server::start("late"), Server::start("one"));
    late.kill();
    let upstreams = format!("late=127.0.0.1:{},one=127.0.0.1:{}", late.port, one.port);
    let lb = Balancer::start(&["--runtime", "static", "--upstream", &upstreams]);
    until("one serves", || lb.get("/home").status == 200);
    assert_eq!(lb.names(), ["one"]);
    late.restart();
    until_listed(&lb, &["late", "one"]);
}
