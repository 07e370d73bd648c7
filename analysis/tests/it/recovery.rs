//! Experiment A-3: replicas die and hang, and afterwards the fleet is as it was found.

use crate::program::{Balancer, Lone, Running, analysis};

#[test]
fn kills_and_a_hang_and_the_fleet_as_it_was() {
    let balancer = Balancer::start();
    let before = balancer.replicas();
    let run = analysis(&[
        "recovery",
        "--url",
        &balancer.url,
        "--admin",
        &balancer.admin,
        "--kills",
        "2",
        "--rate",
        "50",
        "--json",
        "--assert",
        "endpoints_wrong=0",
        "--assert",
        "unreplaced=0",
        "--assert",
        "kills=2",
    ]);
    assert_eq!(run.code, Some(0), "{}", run.errors);
    assert_eq!(balancer.replicas(), before);
    let report: serde_json::Value = serde_json::from_str(&run.printed).unwrap();
    let tables = &report["experiments"][0]["tables"];
    assert!(tables["endpoints"].as_array().unwrap().iter().all(|check| check["ok"] == "yes"));
    let incidents = tables["recovery-incidents"].as_array().unwrap();
    let column = |name: &str| incidents.iter().map(|one| one[name].clone()).collect::<Vec<_>>();
    assert_eq!(column("how"), ["kill -9", "kill -9", "SIGSTOP"]);
    // Round robin over the seats.
    assert_eq!(column("victim"), before);
    assert!(column("ready (ms)").iter().all(serde_json::Value::is_number));
    for name in ["recovery-kill", "recovery-kills", "recovery-hang"] {
        assert!(run.file(&format!("{name}.svg")).starts_with("<svg"), "{name}");
    }
}

#[test]
fn broken_off_after_a_kill_it_leaves_the_fleet_as_it_was() {
    let balancer = Balancer::start();
    let before = balancer.replicas();
    let args = ["recovery", "--url", &balancer.url, "--admin", &balancer.admin, "--rate", "50"];
    let running = Running::start(&args);
    balancer.until(|state| state["seats"][0]["replica"]["name"] != before[0].as_str());
    let run = running.interrupt();
    assert_eq!((run.code, run.files().len()), (Some(1), 0), "{}", run.errors);
    assert!(run.errors.contains("interrupted; nothing was written"), "{}", run.errors);
    assert_eq!(balancer.replicas(), before);
}

#[test]
fn what_cannot_be_killed_is_skipped_with_a_reason() {
    // No admin listener, and no container.
    let balancer = Balancer::start();
    let run = analysis(&["recovery", "--url", &balancer.url]);
    assert_eq!(run.code, Some(0), "{}", run.errors);
    assert!(run.printed.contains("All of 18 requests"), "{}", run.printed);
    assert!(
        run.printed.contains("Skipped the kills: which process or container is server1? --admin URL tells")
    );
    // No balancer at all.
    let server = Lone::start();
    let run = analysis(&["recovery", "--url", &server.url, "--assert", "endpoints_wrong=0"]);
    assert_eq!(run.code, Some(0), "{}", run.errors);
    assert!(run.printed.contains("All of 3 requests"), "{}", run.printed);
    assert!(run.printed.contains("Skipped: /rep, /add and /rm are not asked: "), "{}", run.printed);
    assert!(run.printed.contains("Skipped the kills: /rep answers 400"), "{}", run.printed);
    assert!(!run.files().iter().any(|name| name.ends_with(".png")));
}
