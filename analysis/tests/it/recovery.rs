//! Experiment A-3: replicas are killed and stopped, and the fleet is restored afterwards.

use crate::program::{Balancer, LoneServer, Running, analysis};

#[test]
fn kills_and_a_hang_are_measured_and_the_fleet_is_restored() {
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
fn an_interrupt_after_a_kill_restores_the_fleet() {
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
fn an_unidentified_replica_is_not_killed_and_the_reason_is_given() {
    // No admin listener, and no container.
    let balancer = Balancer::start();
    let run = analysis(&["recovery", "--url", &balancer.url]);
    assert_eq!(run.code, Some(0), "{}", run.errors);
    assert!(run.printed.contains("All of 18 requests"), "{}", run.printed);
    assert!(
        run.printed.contains(
            "Skipped the kills: the process or container of server1 is not known without --admin URL"
        )
    );
    // No balancer at all.
    let server = LoneServer::start();
    let run = analysis(&["recovery", "--url", &server.url, "--assert", "endpoints_wrong=0"]);
    assert_eq!(run.code, Some(0), "{}", run.errors);
    assert!(run.printed.contains("All of 3 requests"), "{}", run.printed);
    assert!(run.printed.contains("Skipped: /rep, /add and /rm are not checked: "), "{}", run.printed);
    assert!(run.printed.contains("Skipped the kills: /rep answers 400"), "{}", run.printed);
    assert!(!run.files().iter().any(|name| name.ends_with(".png")));
}
