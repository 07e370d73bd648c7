//! Parses arguments, environment and a file into a [`Config`], or one line of error.

mod change;
mod errors;
mod layers;

use awc::http::uri::PathAndQuery;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use super::layers::{names, variable};
use super::*;
use crate::admin::{Difference, NotReloaded};
use crate::balance::Policy;
use crate::cli::{Command, parse, source};
use crate::proxy::dispatcher::UpgradeAllow;
use crate::proxy::redaction::LogKey;
use crate::ring::{HashPair, Layout, SlotCap, Weight};

/// Runs `lb` with a command line, split at spaces (`_` stands for a space in a value).
fn run(line: &str, env: &[(&str, &str)]) -> Result<Command, Exit> {
    let words = line.split(' ').filter(|word| !word.is_empty()).map(|word| word.replace('_', " "));
    parse(std::iter::once("lb".to_owned()).chain(words), env.iter().copied())
}

fn config(line: &str) -> Config {
    match run(line, &[]) {
        Ok(Command::Run(config)) => config,
        other => panic!("{line}: {other:?}"),
    }
}

/// The error line of an invalid configuration.
#[track_caller]
fn error(line: &str, env: &[(&str, &str)]) -> String {
    let exit = run(line, env).unwrap_err();
    assert_eq!(exit.code, 64, "{line}");
    assert_eq!(exit.text.lines().count(), 1, "{}", exit.text);
    exit.text
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// Runs `lb` with a file; its path is replaced by `FILE` in an error.
fn with_file(text: &str, line: &str, env: &[(&str, &str)]) -> Result<Command, String> {
    let file = file(text);
    let path = file.path().to_str().unwrap();
    let words = ["lb", "--config", path].into_iter().chain(line.split(' ').filter(|word| !word.is_empty()));
    parse(words, env.iter().copied()).map_err(|exit| exit.text.replace(path, "FILE"))
}

#[test]
fn the_defaults_are_the_contract() {
    let ms = Duration::from_millis;
    let expected = Config {
        listen: "127.0.0.1:5000".parse().unwrap(),
        admin_listen: Some("127.0.0.1:5001".parse().unwrap()),
        admin_hosts: Vec::new(),
        admin_token: None,
        runtime: RuntimeConfig::Process { command: None },
        replicas: 3,
        max_replicas: 56,
        weights: BTreeMap::new(),
        cluster: value::cluster("default").unwrap(),
        layout: Layout::default(),
        key: "header:X-Request-Id,query:request_id,query:rid,query:id,random".parse().unwrap(),
        policy: Policy::Hash,
        bounded_load: Some(1250),
        bounded_load_floor: 16,
        heartbeat: Heartbeat {
            path: Some(PathAndQuery::from_static("/heartbeat")),
            host: None,
            statuses: value::good_statuses("200-399").unwrap(),
            interval: ms(500),
            timeout: ms(400),
            failures: 3,
            replace_after: ms(3_000),
        },
        eject_on: value::eject_on("500,502-504").unwrap(),
        connect_timeout: ms(1_000),
        head_timeout: Some(ms(30_000)),
        idle_timeout: ms(60_000),
        pool_idle: Some(ms(60_000)),
        request_timeout: None,
        retries: 2,
        retry_budget: 20,
        start_timeout: ms(30_000),
        drain: ms(30_000),
        stop_timeout: ms(10_000),
        on_exit: OnExit::Stop,
        control: Control::Open,
        strict_rm: false,
        trusted_proxies: Vec::new(),
        map_404: false,
        max_control_body: 65_536,
        max_connections: 25_000,
        max_in_flight: 10_000,
        max_header_size: 16_384,
        max_target: 8_192,
        max_body: None,
        client_head_timeout: ms(10_000),
        client_idle_timeout: ms(75_000),
        upgrade_allow: UpgradeAllow::Any,
        access_log: None,
        log_key: LogKey::Hash,
        debug_headers: false,
        workers: std::thread::available_parallelism().unwrap().get(),
    };
    assert_eq!(config(""), expected);
    assert_eq!(Config::default(), expected);
}

#[test]
fn the_help_names_flag_variable_and_default() {
    const WITHOUT_DEFAULT: [&str; 4] = ["preset", "upstream", "replica-env", "replica-cap-add"];
    let help = run("--help", &[]).unwrap_err();
    assert_eq!(help.code, 0);
    for name in names() {
        let start = help.text.find(&format!("      --{name} ")).unwrap_or_else(|| panic!("{name}"));
        let entry = help.text[start..].split("\n      --").next().unwrap();
        let entry = entry.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(entry.contains(&format!("[env: {}]", variable(&name))), "{entry}");
        assert_eq!(entry.contains("[default: "), !WITHOUT_DEFAULT.contains(&name.as_str()), "{entry}");
    }
    assert!(help.text.contains("--config <FILE>") && help.text.contains("[env: LB_CONFIG]"));
    assert!(help.text.starts_with("An HTTP load balancer"));
    let widest = help.text.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(100), "{widest:?}");
    for line in ["-h", "help"] {
        assert_eq!(run(line, &[]).unwrap_err(), help);
    }
    let version = run("--version", &[]).unwrap_err();
    assert_eq!((version.text, version.code), (format!("lb {}", env!("CARGO_PKG_VERSION")), 0));
}

#[test]
fn the_head_timeout_can_be_off() {
    assert_eq!(config("--head-timeout off").head_timeout, None);
    assert_eq!(config("--head-timeout 5s").head_timeout, Some(Duration::from_secs(5)));
}

#[test]
fn subcommands() {
    assert_eq!(run("replica", &[]), Ok(Command::Replica));
    assert_eq!(run("check --retries 1", &[]), Ok(Command::Check(config("--retries 1"))));
    let file = file("retries = 1");
    let check = parse(["lb", "check", "--config", file.path().to_str().unwrap()], [("", "")]);
    assert_eq!(check, Ok(Command::Check(config("--retries 1"))));

    let healthcheck = |line: &str, env: &[(&str, &str)]| match run(line, env) {
        Ok(Command::Healthcheck { admin }) => admin.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(healthcheck("healthcheck", &[]), "127.0.0.1:5001");
    assert_eq!(healthcheck("healthcheck --admin-listen 10.0.0.1:7", &[]), "10.0.0.1:7");
    let env = [("LB_ADMIN_LISTEN", "[::]:7"), ("LB_RETRIES", "1")];
    assert_eq!(healthcheck("healthcheck", &env), "[::1]:7");
    assert_eq!(
        error("healthcheck --admin-listen off", &[]),
        "--admin-listen off: there is no admin listener to check"
    );
    assert_eq!(
        error("--replicas 5 check", &[]),
        "the subcommand 'check' cannot be used with '--replicas <N>'"
    );
}

#[test]
fn static_upstreams() {
    let given = config("--runtime static --upstream a=host:1*50 --upstream [::1]:2,10.0.0.1:3");
    let RuntimeConfig::Static { upstreams } = &given.runtime else { panic!() };
    let shown: Vec<_> = upstreams.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["a=host:1*50", "1-2=[::1]:2*100", "10.0.0.1-3=10.0.0.1:3*100"]);
    assert_eq!(upstreams[0].weight, Weight::new(50).unwrap());
    assert_eq!((given.replicas, given.max_replicas), (3, 3));

    let env = [("LB_RUNTIME", "static"), ("LB_UPSTREAM", "a=host:1*50,[::1]:2,10.0.0.1:3")];
    assert_eq!(run("", &env), Ok(Command::Run(given.clone())));
    let text = "runtime = 'static'\nupstream = ['a=host:1*50', '[::1]:2', '10.0.0.1:3']";
    assert_eq!(with_file(text, "", &[]), Ok(Command::Run(given)));

    for (line, expected) in [
        ("", "--runtime static: needs at least one --upstream"),
        ("--upstream a:1,b:x", "--upstream b:x: 'x' is no port: a number from 1 to 65535"),
        ("--upstream a:1,x=A:1", "--upstream a:1,x=A:1: a:1 is given twice"),
        ("--upstream x=a:1,x=b:1", "--upstream x=a:1,x=b:1: the name 'x' is given twice"),
        (
            "--upstream a:1 --replicas 1",
            "--replicas 1: not with --runtime static, whose servers lb does not run",
        ),
        (
            "--upstream a:1 --strict-rm",
            "--strict-rm on: not with --runtime static, whose servers lb does not run",
        ),
        (
            "--upstream a:1*1000 --slots 80",
            "--upstream a:1*1000: 1 seats with 90 virtual nodes together do not fit 80 slots",
        ),
    ] {
        assert_eq!(error(&format!("--runtime static {line}"), &[]), expected);
    }
    for name in ["replica-command", "max-replicas", "start-timeout", "stop-timeout"] {
        let value = layers::OTHER.into_iter().find(|(other, _)| *other == name).unwrap().1;
        let env = [("LB_RUNTIME", "static"), ("LB_UPSTREAM", "a:1"), (&variable(name), value)];
        assert!(error("", &env).contains("not with --runtime static"), "{name}");
    }
}

#[test]
fn the_preset_is_the_assignment() {
    let preset = config("--preset assignment");
    assert_eq!(preset.layout, Layout::assignment());
    let typed = "--slots 512 --virtual-nodes 9 --probing linear --hash polynomial --slot-cap off --key random \
                 --bounded-load off";
    assert_eq!(config(typed), preset);
    assert_eq!(config(&format!("--preset assignment --layout ring {typed}")), preset);
    assert_eq!(
        error("--preset assignment --slots 1024", &[]),
        "--slots 1024: --preset assignment sets it to 512; give only one of the two"
    );
    assert_eq!(
        error("--key path", &[("LB_PRESET", "assignment")]),
        "--key path: LB_PRESET=assignment sets it to random; give only one of the two"
    );
}

#[test]
fn the_slot_cap_is_off_by_default_with_polynomial() {
    let cap = |line: &str| config(line).layout.scheme().slot_cap();
    assert_eq!(cap("--hash polynomial"), SlotCap::OFF);
    assert_eq!(cap("--hash polynomial --slot-cap 1.10"), SlotCap::DEFAULT);
    assert_eq!(cap("--hash md5"), SlotCap::DEFAULT);
    assert_eq!(cap("--slot-cap off"), SlotCap::OFF);
    assert_eq!(config("--hash sha256").layout.hash(), HashPair::Sha256);
}

#[test]
fn layouts_have_their_own_defaults() {
    for (name, layout, most) in [
        ("ring", Layout::default(), 56),
        ("rendezvous", Layout::rendezvous(), 64),
        ("maglev", Layout::maglev(), 64),
    ] {
        let by_flag = config(&format!("--layout {name}"));
        assert_eq!((by_flag.layout, by_flag.max_replicas), (layout, most), "{name}");
        assert_eq!(run("", &[("LB_LAYOUT", name)]), Ok(Command::Run(by_flag.clone())));
        assert_eq!(with_file(&format!("layout = '{name}'"), "", &[]), Ok(Command::Run(by_flag)));
    }
    let shown = |line: &str| config(line).layout.to_string();
    let rendezvous = shown("--layout rendezvous --slots 1000 --slot-cap 1.5 --hash md5");
    assert_eq!(rendezvous, "rendezvous slots=1000 hash=md5 slot_cap=1.50");
    assert_eq!(
        shown("--layout rendezvous --hash polynomial"),
        "rendezvous slots=65537 hash=polynomial slot_cap=off"
    );
    assert_eq!(shown("--layout maglev --slots 251"), "maglev slots=251 hash=xxh3");
    assert_eq!(config("--layout maglev --max-replicas 1000").max_replicas, 1000);
    assert_eq!(config("--runtime static --layout maglev --upstream a:1*1000,b:1").max_replicas, 2);
}

#[test]
fn commands_are_split_into_words() {
    let RuntimeConfig::Process { command } = config("--replica-command python3_-m_'a_b'_{port}").runtime
    else {
        panic!()
    };
    assert_eq!(command.unwrap(), ["python3", "-m", "a b", "{port}"]);
}

#[test]
fn a_configuration_is_summarised_in_one_line() {
    assert_eq!(
        config("--admin-listen off").to_string(),
        "3 built-in replicas, at most 56; listen=127.0.0.1:5000 admin-listen=off cluster=default; layout ring \
         slots=512 hash=xxh3 virtual_nodes=9 probing=linear slot_cap=1.10; \
         key=header:x-request-id,query:request_id,query:rid,query:id,random"
    );
    let shown = config("--runtime static --upstream a:1,[::1]:2").to_string();
    assert!(shown.starts_with("2 static replicas a:1 [::1]:2; listen="), "{shown}");
    let shown = config("--runtime docker --image a:b").to_string();
    assert!(shown.starts_with("3 containers of 'a:b' in network net1, at most 56; listen="), "{shown}");
}
