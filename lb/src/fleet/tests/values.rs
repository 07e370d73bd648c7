//! Settings, names, seats and instances for the scenes.

use super::*;

pub(super) fn settings() -> Settings {
    Settings {
        replicas: 3,
        max_replicas: 8,
        weights: BTreeMap::new(),
        ownership: Ownership::Managed,
        upstreams: Vec::new(),
        heartbeat_interval: 500 * MS,
        heartbeat_failures: 3,
        replace_after: 3 * SECOND,
        head_timeout: Some(30 * SECOND),
        start_timeout: 30 * SECOND,
        drain: 30 * SECOND,
        stop_timeout: 10 * SECOND,
        layout: Layout::default(),
        strict_rm: false,
        keep: false,
    }
}

pub(super) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(super) fn seat(id: u32) -> SeatId {
    SeatId::new(id).unwrap()
}

pub(super) fn instance(n: u64) -> Instance {
    Instance { id: format!("id{n}"), address: ([127, 0, 0, 1], 1000 + n as u16).into() }
}

pub(super) fn found(id: u32, called: &str, incarnation: u64, runs: bool) -> Found {
    let incarnation = Incarnation(incarnation);
    Found {
        launch: Launch { seat: seat(id), name: name(called), incarnation },
        weight: Weight::DEFAULT,
        instance: runs.then(|| instance(incarnation.0)),
        standing: Standing::Current,
    }
}

pub(super) fn is_launch(action: &Action) -> bool {
    matches!(action, Action::Launch(_))
}

pub(super) fn is_ring(action: &Action) -> bool {
    matches!(action, Action::Ring { .. })
}

pub(super) fn is_random(name: &Name) -> bool {
    name.as_str().len() == 7 && !name.as_str().starts_with("server")
}
