//! Failed starts print the reason in one line; failed additions return the reason and change nothing.

use std::io::Write;
use std::net::TcpListener;

use crate::support::test_replica;
use crate::support::{Balancer, lb};

/// Asserts that `lb` fails with this code, one line on standard error and nothing on standard output; returns the line.
fn refused(args: &[&str], env: &[(&str, &str)], code: i32) -> String {
    let ended = lb(args, env);
    assert_eq!(ended.status.code(), Some(code), "{args:?}: {}", ended.stderr);
    assert_eq!(ended.stdout, "");
    let lines: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("lb: ")).collect();
    assert_eq!(lines.len(), 1, "{args:?}: {}", ended.stderr);
    lines[0].to_owned()
}

#[test]
fn a_bad_configuration_prints_one_line_and_exits_with_64() {
    for (args, named) in [
        (&["--replicas", "57"][..], "--replicas"),
        (&["--slot-cap", "0.5"], "--slot-cap"),
        (&["--no-such-flag"], "--no-such-flag"),
        (&["--runtime", "static"], "--upstream"),
        (&["--runtime", "static", "--upstream", "a:1", "--upstream", "a:1"], "a:1"),
        (&["--config", "/no/such/file.toml"], "/no/such/file.toml"),
        (&["check", "--listen", "nowhere"], "--listen"),
    ] {
        let line = refused(args, &[], 64);
        assert!(line.contains(named), "{line}");
    }
    let line = refused(&[], &[("LB_RETRIES", "many")], 64);
    assert!(line.contains("LB_RETRIES=many"), "{line}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let line = refused(&["--listen", &address, "--admin-listen", "off"], &[], 1);
    assert!(line.contains("--listen") && line.contains(&address), "{line}");
    let line = refused(&["--listen", "127.0.0.1:0", "--admin-listen", &address], &[], 1);
    assert!(line.contains("--admin-listen") && line.contains(&address), "{line}");
}

#[test]
fn a_limit_of_open_files_that_carries_nothing_is_named() {
    let start = |files: u64, workers: &str| {
        let args = ["--workers", workers, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &format!("ulimit -n {files}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_lb")]);
        // A balancer that starts all the same is killed.
        let killer = ["timeout", "-s", "KILL", "20"];
        let (program, arguments) = (killer[0], &killer[1..]);
        let mut bounded = std::process::Command::new(program);
        bounded.args(arguments).arg(command.get_program()).args(command.get_args()).args(args);
        let ended = bounded.args(["--replicas", "3"]).output().unwrap();
        (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
    };
    for (files, workers) in [(16, "2"), (20, "2"), (30, "2"), (34, "2"), (256, "64")] {
        let (code, stderr) = start(files, workers);
        assert_eq!(code, Some(1), "{files}: {stderr}");
        let line = stderr.lines().find(|line| line.starts_with("lb: ")).expect("a reason");
        for named in [&format!("open files is {files}"), "ulimit -n", "--workers"] {
            assert!(line.contains(named), "{line}");
        }
        assert!(!stderr.contains("panic"), "{stderr}");
    }
}

#[test]
fn a_balancer_starts_with_40_open_files_and_two_workers() {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -n 40; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_lb")]);
    let mut lb = Balancer::launch_by(command, &["--workers", "2", "--replicas", "3"], &[]);
    lb.wait_for("] ready ");
    assert_eq!(lb.get("/home").status, 200);
}

#[test]
fn check_help_and_healthcheck_work() {
    let ok = lb(&["check", "--replicas", "5"], &[]);
    assert_eq!(ok.status.code(), Some(0));
    assert!(ok.stdout.starts_with("ok: 5 built-in replicas"), "{}", ok.stdout);

    let help = lb(&["--help"], &[]);
    assert_eq!(help.status.code(), Some(0));
    assert!(help.stdout.lines().all(|line| line.chars().count() <= 100));

    let balancer = Balancer::start(&["--replicas", "1"]);
    let admin = balancer.admin.to_string();
    assert_eq!(lb(&["healthcheck", "--admin-listen", &admin], &[]).status.code(), Some(0));
    drop(balancer);
    let down = lb(&["healthcheck"], &[("LB_ADMIN_LISTEN", &admin)]);
    assert_eq!(down.status.code(), Some(1));
    assert!(down.stderr.contains(&admin), "{}", down.stderr);
}

#[test]
fn flags_take_precedence_over_the_environment_and_that_over_the_file() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"replicas = 1\nmax-replicas = 9\ncluster = 'blue'\nkey = ['header:X-User', 'random']\n")
        .unwrap();
    let path = &file.path().to_str().unwrap().to_owned();
    let check = lb(
        &["check", "--config", path, "--replicas", "4"],
        &[("LB_MAX_REPLICAS", "8"), ("LB_REPLICAS", "5")],
    );
    assert_eq!(check.status.code(), Some(0), "{}", check.stderr);
    assert!(check.stdout.starts_with("ok: 4 built-in replicas, at most 8; "), "{}", check.stdout);
    assert!(
        check.stdout.contains("cluster=blue") && check.stdout.contains("key=header:x-user,random"),
        "{}",
        check.stdout
    );
    let by_env = lb(&["check"], &[("LB_CONFIG", path)]);
    assert!(by_env.stdout.starts_with("ok: 1 built-in replicas, at most 9; "), "{}", by_env.stdout);

    let balancer = Balancer::start(&["--config", path]);
    assert_eq!((balancer.names().len(), balancer.state()["cluster"].as_str()), (1, Some("blue")));
    let (status, answer) = balancer.control("POST", "/add", r#"{"n":9}"#);
    assert_eq!(status, 400);
    assert!(answer["message"].as_str().unwrap().contains("--max-replicas 9"), "{answer}");

    file.write_all(b"retrys = 3\n").unwrap();
    let line = refused(&["--config", path], &[], 64);
    assert!(line.ends_with("line 5: unknown key 'retrys', did you mean 'retries'?"), "{line}");
}

/// Asserts that /add of a replica that cannot become ready is answered with 503 and the reason, and changes nothing.
fn add_fails(command: &str, reason: &[&str]) {
    let lb = Balancer::launch(&["--replica-command", command, "--start-timeout", "2s", "--replicas", "1"]);
    let (status, answer) = lb.control("POST", "/add", r#"{"n":2,"hostnames":["S5"]}"#);
    assert_eq!(status, 503, "{answer}");
    let message = answer["message"].as_str().unwrap();
    assert!(message.starts_with("<Error> ") && !message.contains('\n'), "{message}");
    for part in reason {
        assert!(message.contains(part), "{message}");
    }
    let state = lb.state();
    assert_eq!((state["target"].as_u64(), state["seats"].as_array().unwrap().len()), (Some(1), 1));
    lb.until("nothing is left over", |lb| {
        let others = lb.state()["others"].clone();
        others.as_array().unwrap().iter().all(|other| other["name"] != "S5")
    });
}

#[test]
fn a_replica_command_that_does_not_exist_fails_the_add() {
    add_fails("/no/such/program --port {port}", &["/no/such/program"]);
}

#[test]
fn a_replica_command_that_exits_fails_the_add() {
    add_fails("sh -c 'echo the disk is full; exit 7'", &["7", "the disk is full"]);
}

#[test]
fn a_replica_command_that_never_listens_fails_the_add() {
    add_fails("sh -c 'echo still thinking; sleep 1000'", &["not ready within 2s", "still thinking"]);
}

#[test]
fn a_replica_command_that_listens_elsewhere_fails_the_add() {
    let command = test_replica::command().replace("env ", "env LB_TEST_ELSEWHERE=1 ");
    add_fails(&command, &["S5", "not ready within 2s", "refuses"]);
}

#[test]
fn a_replica_command_whose_heartbeat_is_an_error_fails_the_add() {
    let command = test_replica::command().replace("env ", "env LB_TEST_UNHEALTHY=1 ");
    add_fails(&command, &["S5", "not ready within 2s", "answered 500"]);
    // With `--heartbeat-path off` a connection is enough.
    let lb = Balancer::start(&["--replica-command", &command, "--heartbeat-path", "off"]);
    assert_eq!(lb.names(), ["server1", "server2", "server3"]);
}
