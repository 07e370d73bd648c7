//! Invalid configurations, each with its error line.

use super::{error, run, with_file};

#[test]
fn an_error_shows_the_value_as_the_user_wrote_it() {
    let expected = "must be a whole number from 0 to 20";
    assert_eq!(error("--retries x", &[]), format!("--retries x: {expected}"));
    assert_eq!(error("", &[("LB_RETRIES", "x")]), format!("LB_RETRIES=x: {expected}"));
    assert_eq!(with_file("\n\nretries = 99", "", &[]), Err(format!("FILE line 3, retries = 99: {expected}")));
    // An overridden value is not validated.
    assert!(run("--retries 1", &[("LB_RETRIES", "x")]).is_ok());
    let error = error("", &[("LB_CLUSTER", "a\nb")]);
    assert!(error.starts_with("LB_CLUSTER=a b: must be"), "{error}");
}

#[test]
fn bad_values() {
    for (line, start) in [
        ("--retries -1", "--retries -1: must be a whole number from 0 to 20"),
        ("--slot-cap 0.5", "--slot-cap 0.5: slot cap '0.5' is not a number from 1.00"),
        ("--slot-cap=", "--slot-cap=: slot cap '' is not a number"),
        ("--hash md4", "--hash md4: unknown hash pair 'md4': use polynomial"),
        ("--probing x", "--probing x: unknown probing 'x': use linear or quadratic"),
        ("--layout jump", "--layout jump: must be 'ring', 'rendezvous' or 'maglev'"),
        ("--runtime swarm", "--runtime swarm: must be 'process', 'docker' or 'static'"),
        ("--docker-host a:1", "--docker-host a:1: must be unix:///PATH, such as"),
        ("--docker-host ssh://a", "--docker-host ssh://a: ssh:// is not supported: use unix://PATH"),
        ("--replica-memory 1KiB", "--replica-memory 1KiB: must be a size such as 512MiB"),
        ("--replica-env PORT=1", "--replica-env PORT=1: PORT is set by the balancer"),
        ("--on-exit drop", "--on-exit drop: must be 'stop' or 'keep'"),
        ("--preset x", "--preset x: must be 'assignment'"),
        ("--control on", "--control on: must be 'open', 'token' or 'off'"),
        ("--admin-host a,b:80", "--admin-host b:80: must be host names such as lb.example, without a port"),
        ("--admin-token-file /nonexistent", "--admin-token-file /nonexistent: not readable: No such file"),
        ("--admin-token-file /dev/null", "--admin-token-file /dev/null: a token is 16 to 512 visible"),
        ("--strict-rm=yes", "--strict-rm yes: must be 'on' or 'off'"),
        ("--listen localhost:5000", "--listen localhost:5000: must be an IP address and a port"),
        (
            "--admin-listen on",
            "--admin-listen on: must be an IP address and a port, such as 127.0.0.1:5000, or 'off'",
        ),
        ("--key heder:x", "--key heder:x: 'heder:x' is no key source: header:NAME, query:NAME"),
        ("--policy random", "--policy random: must be 'hash', 'round-robin', 'least-requests' or"),
        ("--bounded-load 0.9", "--bounded-load 0.9: must be a number such as 1.25, from 1 to 1000"),
        ("--retry-budget 200", "--retry-budget 200: must be a percentage such as 20%"),
        ("--request-timeout 0", "--request-timeout 0: must be a duration such as 500ms"),
        ("--drain 5", "--drain 5: must be a duration such as 500ms, 2s or 1m, from 0s to 1day"),
        ("--head-timeout 0s", "--head-timeout 0s: must be a duration"),
        ("--max-control-body 1kb", "--max-control-body 1kb: must be a size such as 512, 16KiB"),
        (
            "--max-header-size 1",
            "--max-header-size 1: must be a size such as 512, 16KiB or 1MiB, from 1KiB to 1MiB",
        ),
        (
            "--max-target 64KiB",
            "--max-target 64KiB: must be a size such as 512, 16KiB or 1MiB, from 128 to 63KiB",
        ),
        ("--max-body no", "--max-body no: must be a size"),
        ("--heartbeat-path x", "--heartbeat-path x: must be a path that starts with '/'"),
        ("--cluster A", "--cluster A: must be 1 to 63 of a-z"),
        ("--replica-command 'x", "--replica-command 'x: has a quote that is not closed"),
        (
            "--trusted-proxies 10.0.0.0/8,x",
            "--trusted-proxies x: must be networks or addresses, such as 10.0.0.0/8",
        ),
        ("--trusted-proxies 10.0.0.0/33", "--trusted-proxies 10.0.0.0/33: must be networks"),
        ("--workers 0", "--workers 0: must be a whole number from 1 to 1024"),
        ("--max-connections 0", "--max-connections 0: must be a whole number from 1"),
    ] {
        let error = error(line, &[]);
        assert!(error.starts_with(start), "{error}");
    }
}

#[test]
fn bad_command_lines() {
    for (line, expected) in [
        ("--retrys 1", "unexpected argument '--retrys' found; a similar argument exists: '--retries'"),
        ("--retries", "a value is required for '--retries <N>' but none was supplied"),
        ("--drain 1s --drain 2s", "the argument '--drain <DURATION>' cannot be used multiple times"),
        ("chekc", "unrecognized subcommand 'chekc'; a similar subcommand exists: 'check'"),
        ("replica --retries 1", "unexpected argument '--retries' found"),
        (
            "--config /nonexistent/lb.toml",
            "/nonexistent/lb.toml: not readable: No such file or directory (os error 2)",
        ),
    ] {
        assert_eq!(error(line, &[]), expected);
    }
    assert_eq!(
        with_file("retrys = 1", "", &[]),
        Err("FILE line 1: unknown key 'retrys', did you mean 'retries'?".into())
    );
    assert_eq!(with_file("config = 'x'", "", &[]), Err("FILE line 1: unknown key 'config'".into()));
}

#[test]
fn contradicting_settings() {
    for (line, expected) in [
        (
            "--listen 127.0.0.1:5001",
            "--listen 127.0.0.1:5001: --listen and --admin-listen must be different addresses",
        ),
        (
            "--admin-listen [::]:5000",
            "--admin-listen [::]:5000: --listen and --admin-listen must be different addresses",
        ),
        ("--weights 60=1", "--weights 60=1: there is no seat 60: max-replicas is 56"),
        (
            "--runtime static --upstream a:1 --weights 1=2",
            "--weights 1=2: not with --runtime static: the weight is part of the upstream, HOST:PORT*WEIGHT",
        ),
        (
            "--heartbeat-path off --heartbeat-host a",
            "--heartbeat-host a: only with a --heartbeat-path, which is off",
        ),
        (
            "--heartbeat-path off --heartbeat-status 200",
            "--heartbeat-status 200: only with a --heartbeat-path, which is off",
        ),
        ("--replicas 4 --max-replicas 2", "--replicas 4: must not be more than max-replicas, which is 2"),
        ("--max-replicas 2", "--max-replicas 2: must not be less than replicas, which is 3"),
        ("--slots 1024 --replicas 65", "--replicas 65: must not be more than max-replicas, which is 64"),
        (
            "--heartbeat-timeout 4s",
            "--heartbeat-timeout 4s: must not be more than replace-after, which is 3s",
        ),
        (
            "--replace-after 450ms",
            "--replace-after 450ms: must not be less than heartbeat-interval, which is 500ms",
        ),
        ("--upstream a:1", "--upstream a:1: only with --runtime static"),
        ("--runtime docker --upstream a:1", "--upstream a:1: only with --runtime static"),
        ("--on-exit keep", "--on-exit keep: only with --runtime docker"),
        ("--admin-listen off --admin-host a", "--admin-host a: only with an --admin-listen, which is off"),
        (
            "--admin-listen off --admin-token-file /x",
            "--admin-token-file /x: only with an --admin-listen, which is off, or --control token",
        ),
        ("--image x", "--image x: only with --runtime docker"),
        ("--runtime docker --replica-command x", "--replica-command x: only with --runtime process"),
        ("--policy peak-ewma --bounded-load 2", "--bounded-load 2: only with --policy hash"),
        (
            "--bounded-load off --bounded-load-floor 4",
            "--bounded-load-floor 4: only with a --bounded-load, which is off",
        ),
        (
            "--preset assignment --bounded-load 2",
            "--bounded-load 2: --preset assignment sets it to off; give only one of the two",
        ),
        ("--layout rendezvous --virtual-nodes 9", "--virtual-nodes 9: only with --layout ring"),
        ("--layout maglev --probing linear", "--probing linear: only with --layout ring"),
        (
            "--layout maglev --slot-cap 1.10",
            "--slot-cap 1.10: not with --layout maglev, which is even without a cap",
        ),
        (
            "--layout maglev --slots 65536",
            "--slots 65536: 65536 slots: maglev needs a prime number of them, such as 65521 or 65537",
        ),
        (
            "--preset assignment --layout maglev",
            "--layout maglev: --preset assignment sets it to ring; give only one of the two",
        ),
    ] {
        assert_eq!(error(line, &[]), expected);
    }
    for (line, start) in [
        ("--replicas 57", "--replicas 57: the layout has at most 56 seats (ring slots=512"),
        ("--max-replicas 57", "--max-replicas 57: the layout has at most 56 seats (ring slots=512"),
        (
            "--max-replicas 56 --weights 1=200",
            "--max-replicas 56: the layout has at most 55 seats with these weights (ring slots=512",
        ),
        ("--slots 18", "--replicas 3 (by default): the layout has at most 2 seats (ring slots=18"),
        ("--virtual-nodes 513", "--virtual-nodes 513: 513 virtual nodes a seat"),
        (
            "--layout maglev --slots 2",
            "--replicas 3 (by default): the layout has at most 2 seats (maglev slots=2 hash=xxh3)",
        ),
        ("--slots 500 --probing quadratic", "--probing quadratic: 500 slots: quadratic probing reaches"),
    ] {
        let error = error(line, &[]);
        assert!(error.starts_with(start), "{error}");
    }
    for line in ["--listen 127.0.0.1:0 --admin-listen 127.0.0.1:0", "--listen 127.0.0.2:5001", "--replicas 0"]
    {
        assert!(run(line, &[]).is_ok(), "{line}");
    }
}

#[test]
fn bad_arguments_of_calls() {
    for (line, expected) in [
        ("add", "the following required arguments were not provided: <N>"),
        (
            "add 0",
            "invalid value '0' for '<N>': the number of replicas must be a whole number from 1 to 1048576",
        ),
        (
            "rm server2",
            "invalid value 'server2' for '<N>': the number of replicas must be a whole number from 1 to",
        ),
        ("add 1 ../x", "Hostname '../x' is not allowed"),
        (
            "plan",
            "the following required arguments were not provided: <--add <N>|--remove <NAME>|--weight <SEAT=WEIGHT>>",
        ),
        ("plan --add 1 --remove a", "' cannot be used with '--"),
        (
            "plan --add -1",
            "invalid value '-1' for '--add <N>': the number of replicas must be a whole number",
        ),
        ("explain", "the following required arguments were not provided: <KEY>"),
        ("explain ", "the following required arguments were not provided: <KEY>"),
        (
            "status --admin 127.0.0.1:5001",
            "invalid value '127.0.0.1:5001' for '--admin <URL>': expected http://HOST",
        ),
        (
            "status --admin http://user:secret@127.0.0.1:5001",
            "invalid value '…@127.0.0.1:5001' for '--admin <URL>': expected http://HOST",
        ),
        ("upstream", "requires a subcommand but one was not provided"),
        ("completions", "the following required arguments were not provided: <SHELL>"),
    ] {
        let error = error(line, &[]);
        assert!(error.contains(expected), "{line}: {error}");
    }
    let empty = super::parse(["lb", "explain", ""], [("LB_ADMIN", "")]).unwrap_err();
    assert_eq!((empty.text.as_str(), empty.code), ("invalid value '' for '<KEY>': must not be empty", 64));
}

#[test]
fn a_bad_token_is_not_repeated() {
    let message = error("status", &[("LB_ADMIN", "http://user:secret@balancer:5001")]);
    assert_eq!(message, "LB_ADMIN=…@balancer:5001: expected http://HOST[:PORT]");
    let message = error("", &[("LB_ADMIN_TOKEN", "my secret token, with blanks")]);
    assert_eq!(message, "LB_ADMIN_TOKEN: a token is 16 to 512 visible ASCII characters without blanks");
    let (file, env) = (super::file("correct-horse-battery\n"), [("LB_ADMIN_TOKEN", "correct-horse-staple")]);
    let line = format!("--admin-token-file {}", file.path().display());
    assert_eq!(error(&line, &env), format!("{line}: LB_ADMIN_TOKEN is set too; give only one of the two"));
    let shown = format!("{:?}", run(&line, &[("LB_ADMIN_TOKEN", "")]).unwrap());
    assert!(shown.contains("admin_token: Some(") && !shown.contains("correct"), "{shown}");
    let shown = format!("{:?}", run("", &env));
    assert!(shown.contains("admin_token: Some(") && !shown.contains("correct"), "{shown}");
}
