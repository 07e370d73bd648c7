//! Reloads: settings that change live, and settings that need a restart.

use super::super::args::SETTINGS;
use super::super::change::{Class, Setting};
use super::layers::{DOCKER, other};
use super::*;

fn difference(running: &str, read: &str) -> (Vec<&'static str>, Vec<&'static str>) {
    let mut running = config(running);
    let Difference { changed, restart } = running.change_to(&config(read));
    (changed, restart)
}

/// Fails for a flag that has no class beside its argument.
#[test]
fn every_setting_is_in_exactly_one_class() {
    let docker =
        DOCKER.map(|(name, value)| (name, format!("--runtime=docker --{name}={}", value.replace('_', ""))));
    let others = other().map(|(name, value)| (name, format!("--{name}={}", value.replace(' ', "_"))));
    let mut more = vec![
        ("runtime", "--runtime=docker".to_owned()),
        ("layout", "--layout=rendezvous --slots=512".to_owned()),
        ("policy", "--policy=round-robin".to_owned()),
        ("upstream", "--runtime=static --upstream=a:1 --upstream=b:2*50".to_owned()),
    ];
    more.extend(
        docker.into_iter().chain(others.filter(|(name, _)| !["runtime", "layout", "policy"].contains(name))),
    );
    for name in names().into_iter().filter(|name| name != "preset") {
        let (_, line) = more.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("{name}"));
        let before = match name.as_str() {
            "upstream" => "--runtime=static --upstream=a:1",
            _ if line.starts_with("--runtime=docker ") => "--runtime=docker",
            _ => "",
        };
        let (mut running, read) = (config(before), config(line));
        let Difference { changed, restart } = running.change_to(&read);
        let mut named: Vec<_> = changed.iter().chain(&restart).copied().collect();
        // A change of the layout or runtime changes dependent defaults and settings too.
        named.retain(|of| *of == name || !["layout", "runtime"].contains(&name.as_str()));
        let derived = ["max-replicas", "virtual-nodes", "probing"];
        named.retain(|of| *of == name || !derived.contains(of) || restart.is_empty());
        assert_eq!(
            named,
            [name.as_str()],
            "{line}: declare it in SETTINGS beside the flag (lb/src/config/args/)"
        );
        let live = running != config(before);
        assert_eq!(live, !changed.is_empty(), "{name} is reported as changed but is not, or the reverse");
        assert_eq!(running.change_to(&read).changed, Vec::<&str>::new(), "{name} changes only once");
        assert_eq!(running.change_to(&read).restart, restart, "{name} still needs a restart");
    }
}

#[test]
fn the_documentation_lists_every_live_setting() {
    let table = include_str!("../../../docs/reload.md").lines().filter(|line| line.starts_with('|'));
    let table = table.collect::<String>().replace("`-", "`heartbeat-");
    for Setting { name, class, .. } in SETTINGS.into_iter().flatten() {
        let is_live = !matches!(class, Class::Restart);
        let listed = table.contains(&format!("`{name}`"));
        assert_eq!(listed, is_live, "--{name} in the table of lb/docs/reload.md (live: {is_live})");
    }
}

#[test]
fn names_are_sorted_and_equal_values_are_no_change() {
    assert_eq!(difference("", ""), (vec![], vec![]));
    assert_eq!(difference("--drain 1m", "--drain 60s"), (vec![], vec![]));
    let (changed, restart) =
        difference("", "--retries 1 --listen 127.0.0.1:1 --head-timeout 1s --workers 1000");
    assert_eq!((changed, restart), (vec!["head-timeout", "retries"], vec!["listen", "workers"]));
}

#[test]
fn a_change_of_the_policy_does_not_report_the_bound() {
    let mut running = config("--bounded-load 2");
    let changed = |changed: &[&'static str]| Difference { changed: changed.to_vec(), restart: vec![] };
    assert_eq!(running.change_to(&config("--policy round-robin")), changed(&["policy"]));
    assert_eq!((running.policy, running.bounded_load), (Policy::RoundRobin, None));
    assert_eq!(running.change_to(&config("")), changed(&["policy"]));
    assert_eq!(running.bounded_load, Some(1250));
    assert_eq!(running.change_to(&config("--bounded-load 2")), changed(&["bounded-load"]));
}

#[test]
fn settings_validated_against_another_layout_need_a_restart() {
    let mut running = config("");
    let read = config("--slots 1024 --max-replicas 60 --replicas 58 --weights 60=2");
    let restart = vec!["max-replicas", "replicas", "slots", "weights"];
    assert_eq!(running.change_to(&read), Difference { changed: vec![], restart });
    assert_eq!(running, config(""));
}

#[test]
fn upstreams_change_live_and_derived_settings_are_not_reported() {
    let mut running = config("--runtime static --upstream a:1,b:1");
    let read = config("--runtime static --upstream a:1*50");
    let changed = Difference { changed: vec!["upstream"], restart: vec![] };
    assert_eq!(running.change_to(&read), changed);
    assert_eq!(running, read);
    let restart = config("--runtime static --upstream b:1 --slots 1024");
    let waits = Difference { changed: vec![], restart: vec!["slots", "upstream"] };
    assert_eq!(running.change_to(&restart), waits);
    let process =
        Difference { changed: vec![], restart: vec!["max-replicas", "replicas", "runtime", "upstream"] };
    assert_eq!(running.change_to(&config("")), process);
}

#[test]
fn the_file_is_read_again_with_the_flags_of_the_start() {
    let file = file("retries = 5\ndrain = '5s'\n");
    let path = file.path().to_str().unwrap();
    let running = source(["lb", "--config", path, "--retries", "3"], [("LB_DRAIN", "")]).unwrap();
    let read = running.read().unwrap();
    assert_eq!((read.retries, read.drain), (3, Duration::from_secs(5)));
    std::fs::write(path, "drain = '6s'").unwrap();
    assert_eq!(running.read().unwrap().drain, Duration::from_secs(6));
    std::fs::write(path, "\ndrain = 'soon'").unwrap();
    let error = running.read().unwrap_err().to_string();
    assert!(error.starts_with(&format!("{path} line 2, drain = soon: must be a duration")), "{error}");
    std::fs::write(path, "#".repeat(1 << 20) + "\n").unwrap();
    assert!(running.read().unwrap_err().to_string().contains("larger than 1048576 bytes"));
    drop(file);
    assert!(running.read().unwrap_err().to_string().contains("not readable"));

    assert_eq!(source(["lb"], [("LB_CONFIG", "")]).unwrap().read(), Err(NotReloaded::NoFile));
    let pipe = source(["lb"], [("LB_CONFIG", "/dev/null")]).unwrap().read();
    assert_eq!(pipe, Err(NotReloaded::NotRegular("/dev/null".into())));
}
