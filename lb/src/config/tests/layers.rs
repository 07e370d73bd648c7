//! The layers: every setting in each of them, and their precedence.

use super::*;

#[test]
fn flags_override_the_environment_the_file_and_the_defaults() {
    let text = "retries = 5\nslots = 1024\ncluster = 'file'\n";
    let env =
        [("LB_RETRIES", "6"), ("LB_SLOTS", "2048"), ("LB_DRAIN", ""), ("LB_NO_FLAG", "x"), ("HOME", "/")];
    let Ok(Command::Run(config)) = with_file(text, "--retries 7", &env) else { panic!() };
    assert_eq!((config.retries, config.layout.slots()), (7, 2048));
    assert_eq!(config.cluster.as_str(), "file");
    assert_eq!(config.drain, Config::default().drain);
}

#[test]
fn the_file_can_be_named_by_the_environment() {
    let file = file("retries = 9");
    let Ok(Command::Run(config)) = run("", &[("LB_CONFIG", file.path().to_str().unwrap())]) else { panic!() };
    assert_eq!(config.retries, 9);
}

/// A value other than the default for every setting of the process runtime.
pub(super) const OTHER: [(&str, &str); 53] = [
    ("listen", "0.0.0.0:1"),
    ("admin-listen", "127.0.0.2:7"),
    ("admin-token-file", concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/tests/token")),
    ("admin-host", "lb.example,lb"),
    ("workers", "1023"),
    ("runtime", "process"),
    ("replicas", "4"),
    ("max-replicas", "5"),
    ("replica-command", "serve --port {port}"),
    ("weights", "1=101"),
    ("cluster", "blue"),
    ("start-timeout", "1s"),
    ("drain", "0s"),
    ("stop-timeout", "2s"),
    ("layout", "ring"),
    ("slots", "256"),
    ("virtual-nodes", "8"),
    ("probing", "quadratic"),
    ("hash", "md5"),
    ("slot-cap", "1.25"),
    ("key", "path,random"),
    ("policy", "hash"),
    ("bounded-load", "1.5"),
    ("bounded-load-floor", "8"),
    ("heartbeat-path", "/health"),
    ("heartbeat-host", "shop.example:8080"),
    ("heartbeat-status", "2xx,404"),
    ("eject-on", "5xx"),
    ("heartbeat-interval", "100ms"),
    ("heartbeat-timeout", "90ms"),
    ("heartbeat-failures", "2"),
    ("replace-after", "1s"),
    ("connect-timeout", "3s"),
    ("head-timeout", "4s"),
    ("idle-timeout", "5s"),
    ("pool-idle", "9s"),
    ("request-timeout", "8s"),
    ("retries", "0"),
    ("trusted-proxies", "10.0.0.0/8,::1"),
    ("retry-budget", "0%"),
    ("map-404", "on"),
    ("max-connections", "11"),
    ("max-in-flight", "12"),
    ("max-header-size", "8KiB"),
    ("max-target", "1KiB"),
    ("max-body", "1MiB"),
    ("client-head-timeout", "6s"),
    ("client-idle-timeout", "7s"),
    ("upgrade-allow", "websocket,irc/6.9"),
    ("control", "token"),
    ("access-log", "json:/tmp/access.log"),
    ("log-key", "plain"),
    ("debug-headers", "on"),
];

/// A value other than the default for every setting of the Docker runtime.
pub(super) const DOCKER: [(&str, &str); 11] = [
    ("image", "my/server:1.2"),
    ("network", "net2"),
    ("docker-host", "unix:///run/other.sock"),
    ("replica-port", "80"),
    ("replica-env", "A=1,B=2"),
    ("replica-memory", "1GiB"),
    ("replica-pids", "100"),
    ("replica-writable", "on"),
    ("replica-init", "off"),
    ("replica-cap-add", "NET_RAW,NET_BIND_SERVICE"),
    ("on-exit", "keep"),
];

pub(super) fn other() -> impl Iterator<Item = (&'static str, &'static str)> {
    OTHER.into_iter().chain([("strict-rm", "on"), ("max-control-body", "1KiB")])
}

#[test]
fn every_flag_is_a_variable_and_a_key() {
    let covered: Vec<_> = other().chain(DOCKER).map(|(name, _)| name).chain(["preset", "upstream"]).collect();
    for name in names() {
        assert!(
            covered.contains(&name.as_str()),
            "--{name}: add a value that is not its default to OTHER or DOCKER (lb/src/config/tests/layers.rs)"
        );
    }
    let by_flag =
        parse(["lb".to_owned()].into_iter().chain(other().map(|(k, v)| format!("--{k}={v}"))), [("", "")]);
    let by_env = parse(["lb"], other().map(|(k, v)| (variable(k), v)));
    let text: String = other().map(|(k, v)| format!("{k} = '{v}'\n")).collect();
    let by_file = with_file(&text, "", &[]);
    assert_eq!(by_env, by_flag);
    assert_eq!(by_file.unwrap(), by_flag.unwrap());
}

#[test]
fn every_docker_flag_is_a_variable_and_a_key() {
    let default = config("--runtime docker");
    let flags = |name, value| parse(["lb", "--runtime=docker", &format!("--{name}={value}")], [("", "")]);
    for (name, value) in DOCKER {
        let by_flag = flags(name, value);
        assert_ne!(by_flag, Ok(Command::Run(default.clone())), "--{name} {value}");
        let env = [("LB_RUNTIME", "docker"), (&variable(name), value)];
        assert_eq!(parse(["lb"], env), by_flag);
        let text = format!("runtime = 'docker'\n{name} = '{value}'");
        assert_eq!(with_file(&text, "", &[]).unwrap(), by_flag.unwrap());
    }
    let line = "--runtime docker --replica-env A=1,2 --replica-env B=3 --replica-cap-add X,Y";
    let RuntimeConfig::Docker { template, .. } = config(line).runtime else { panic!() };
    let pairs: Vec<_> = template.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(pairs, [("A", "1,2"), ("B", "3")]);
    assert_eq!(Vec::from_iter(template.capabilities), ["X", "Y"]);
}

#[test]
fn docker_host_is_used_with_the_docker_runtime_unless_a_setting_overrides_it() {
    let host = |line: &str, env: &[(&str, &str)]| match run(line, env) {
        Ok(Command::Run(Config { runtime: RuntimeConfig::Docker { host, .. }, .. })) => host.to_string(),
        other => panic!("{line}: {other:?}"),
    };
    let docker_host = ("DOCKER_HOST", "tcp://a:1");
    assert_eq!(host("--runtime docker", &[docker_host]), "tcp://a:1");
    assert_eq!(host("", &[docker_host, ("LB_RUNTIME", "docker")]), "tcp://a:1");
    assert_eq!(host("--runtime docker", &[("DOCKER_HOST", "")]), "unix:///var/run/docker.sock");
    let own_variable = ("LB_DOCKER_HOST", "unix:///b");
    assert_eq!(host("--runtime docker", &[docker_host, own_variable]), "unix:///b");
    assert_eq!(host("--runtime docker --docker-host unix:///c", &[docker_host, own_variable]), "unix:///c");
    assert_eq!(run("", &[("DOCKER_HOST", "ssh://a")]), run("", &[]), "the process runtime has no engine");
    let error = error("--runtime docker", &[("DOCKER_HOST", "ssh://a")]);
    assert!(error.starts_with("DOCKER_HOST=ssh://a: ssh:// is not supported: use unix://PATH"), "{error}");
}

#[test]
fn every_flag_reaches_the_configuration() {
    let default = config("--runtime process");
    for (name, value) in other().filter(|(name, _)| !["runtime", "layout", "policy"].contains(name)) {
        // Each value is valid together with the defaults of all other settings.
        let Ok(Command::Run(config)) = parse(["lb", &format!("--{name}"), value], [("", "")]) else {
            panic!("{name}")
        };
        assert_ne!(config, default, "--{name} {value} is not copied into Config (lb/src/config/resolve.rs)");
    }
}

#[test]
fn every_policy() {
    for policy in Policy::ALL {
        let config = config(&format!("--policy {}", policy.as_str()));
        assert_eq!((config.policy, config.bounded_load.is_some()), (policy, policy == Policy::Hash));
    }
}

#[test]
fn only_lists_may_be_arrays_in_the_file() {
    let settings = other().chain(DOCKER).filter(|(name, _)| *name != "runtime");
    for (name, value) in settings {
        let one = |text: &str| match with_file(text, "--runtime docker", &[]) {
            Err(error) if error.ends_with("must be one value, not an array") => false,
            Ok(_) | Err(_) => true,
        };
        assert!(one(&format!("{name} = '{value}'")), "{name}");
        let is_list = value.contains(',') || ["weights", "eject-on"].contains(&name);
        assert_eq!(one(&format!("{name} = ['{value}']")), is_list, "{name}");
    }
}

#[test]
fn values_as_toml_types() {
    let text = "slot-cap = 1.20\nreplicas = 2\nstrict-rm = true\nkey = ['path', 'random']\n";
    let by_flags = config("--slot-cap 1.20 --replicas 2 --strict-rm --key path,random");
    assert_eq!(with_file(text, "", &[]), Ok(Command::Run(by_flags.clone())));
    assert_eq!(config("--slot-cap 1.20 --replicas 2 --strict-rm on --key path,random"), by_flags);
    assert!(by_flags.strict_rm);
}
