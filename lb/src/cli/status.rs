//! `lb status`: the text of `/api/state`.

use serde::Deserialize;

use super::table::Column::{Number, Words};
use super::table::{Table, WIDTH, or_dash, plain};

/// Characters of an id that are shown: as many as `docker ps` shows, or as many as fit a terminal.
const ID_LENGTHS: [usize; 2] = [12, 6];

#[derive(Deserialize)]
struct State {
    cluster: String,
    epoch: u64,
    digest: String,
    layout: Layout,
    target: usize,
    seats: Vec<Seat>,
    others: Vec<Replica>,
    rolling: Option<Rolling>,
}

#[derive(Deserialize)]
struct Rolling {
    done: usize,
    total: usize,
}

#[derive(Deserialize)]
struct Layout {
    name: String,
    slots: usize,
    virtual_nodes: Option<u32>,
    hash: String,
    slot_cap: Option<f64>,
}

#[derive(Deserialize)]
struct Seat {
    seat: u32,
    weight: u32,
    slots: usize,
    replica: Option<Replica>,
    name: Option<String>,
    upstream: Option<String>,
    reason: Option<String>,
    last_error: Option<String>,
}

#[derive(Deserialize)]
struct Replica {
    seat: u32,
    name: String,
    id: Option<String>,
    address: Option<String>,
    phase: String,
    drained: bool,
    in_flight: u64,
    skip: Option<String>,
}

/// Formats a summary, then a line for each seat (with its occupant, or the replica drained from it) and for each other
/// replica, then the reasons of vacant seats.
pub fn read(answer: &str, width: usize) -> serde_json::Result<String> {
    let State { cluster, epoch, digest, layout, target, seats, others, rolling } =
        serde_json::from_str(answer)?;
    let id_length = ID_LENGTHS[usize::from(width < WIDTH)];
    let serving = seats.iter().filter_map(|seat| seat.replica.as_ref());
    let serving = serving.filter(|replica| matches!(replica.phase.as_str(), "ready" | "suspect")).count();
    let mut table = Table::new([
        Number("seat"),
        Words("replica"),
        Words("phase"),
        Number("in flight"),
        Number("slots"),
        Number("share"),
        Number("weight"),
        Words("id"),
        Words("address"),
    ]);
    let (drained, others): (Vec<Replica>, Vec<Replica>) = others.into_iter().partition(|other| other.drained);
    for Seat { seat, weight, slots, replica, name: external, .. } in &seats {
        let share = 100.0 * *slots as f64 / layout.slots.max(1) as f64;
        let drained = || drained.iter().find(|drained| drained.seat == *seat);
        let [mut name, phase, in_flight, id, address] = cells(replica.as_ref().or_else(drained), id_length);
        if let (None, None, Some(external)) = (replica, drained(), external) {
            name.clone_from(external);
        }
        let [seat, slots, weight] = [seat.to_string(), slots.to_string(), weight.to_string()];
        table.row([seat, name, phase, in_flight, slots, format!("{share:.1} %"), weight, id, address]);
    }
    for replica in &others {
        let [name, phase, in_flight, id, address] = cells(Some(replica), id_length);
        let none = || or_dash(None::<&str>);
        table.row([none(), name, phase, in_flight, none(), none(), none(), id, address]);
    }
    let (cluster, digest) = (plain(&cluster), plain(&digest));
    let head = format!("cluster {cluster}: {serving} of {target} replicas serve; {layout}");
    let rolling = rolling.map_or_else(String::new, |Rolling { done, total }| {
        format!("\nrolling replacement: {done} of {total} are done")
    });
    let vacant = seats.iter().filter_map(Seat::vacancy).collect::<String>();
    let vacant = if vacant.is_empty() { vacant } else { format!("\n{vacant}") };
    Ok(format!("{head}\nepoch {epoch}, digest {digest}{rolling}\n\n{}{vacant}", table.text(width)))
}

impl Seat {
    /// The line for a vacant seat: the reason, and the last error if it differs; `None` if it is occupied.
    fn vacancy(&self) -> Option<String> {
        let reason = self.reason.as_ref().filter(|_| self.replica.is_none())?;
        let upstream = self.upstream.as_ref().map(|upstream| format!(" ({})", plain(upstream)));
        let last = self.last_error.as_ref().filter(|last| *last != reason);
        let last = last.map(|last| format!("; now: {}", plain(last)));
        let (upstream, last) = (upstream.unwrap_or_default(), last.unwrap_or_default());
        Some(format!("seat {}{upstream} is vacant: {}{last}\n", self.seat, plain(reason)))
    }
}

fn cells(replica: Option<&Replica>, id_length: usize) -> [String; 5] {
    let Some(Replica { name, id, address, phase, drained, in_flight, skip, .. }) = replica else {
        let none = || or_dash(None::<&str>);
        return [none(), "vacant".into(), none(), none(), none()];
    };
    let phase = match skip {
        _ if *drained && phase != "draining" => format!("drained, {phase}"),
        Some(skip) if skip != phase => format!("{phase}, {skip}"),
        _ => phase.clone(),
    };
    let id = id.as_ref().map(|id| id.chars().take(id_length).collect::<String>());
    [name.clone(), phase, in_flight.to_string(), or_dash(id), or_dash(address.as_ref())]
}

impl std::fmt::Display for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} slots", plain(&self.name), self.slots)?;
        if let Some(virtual_nodes) = self.virtual_nodes {
            write!(f, " × {virtual_nodes} virtual nodes")?;
        }
        write!(f, ", {}", plain(&self.hash))?;
        self.slot_cap.map_or(Ok(()), |cap| write!(f, ", cap {cap:.2}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn occupied_and_vacant_seats_and_leaving_replicas_are_listed() {
        let replica = |name: &str, id: Option<&str>, skip: Option<&str>| {
            json!({
                "seat": 3, "name": name, "id": id, "incarnation": 1,
                "address": "[fd00:1111:2222:3333:4444:5555:6666:7777]:5000",
                "phase": "ready", "drained": false, "in_flight": 7, "skip": skip,
            })
        };
        let mut drained = replica("server3", None, None);
        (drained["phase"], drained["drained"]) = (json!("draining"), json!(true));
        let state = json!({
            "cluster": "default", "epoch": 4, "digest": "7451535ca6c03b765aae21947c171cd3", "target": 2,
            "layout": {
                "name": "ring", "slots": 512, "virtual_nodes": 9, "hash": "xxh3", "probing": "linear", "slot_cap": 1.1,
            },
            "seats": [
                { "seat": 1, "weight": 100, "slots": 256, "replica": replica(&"x".repeat(63), Some(&"f".repeat(64)), Some("ejected")) },
                { "seat": 2, "weight": 1000, "slots": 256, "replica": null },
                { "seat": 3, "weight": 1, "slots": 0, "replica": null },
            ],
            "rolling": { "done": 1, "total": 2 },
            "others": [replica("server7", None, None), drained],
        });
        let text = read(&state.to_string(), WIDTH).unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert!(
            text.starts_with(
                "cluster default: 1 of 2 replicas serve; ring: 512 slots × 9 virtual nodes, xxh3, cap 1.10\n\
             epoch 4, digest 7451535ca6c03b765aae21947c171cd3\nrolling replacement: 1 of 2 are done\n\n"
            ),
            "{text}"
        );
        let rows: Vec<Vec<&str>> =
            text.lines().skip(5).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0][2..4], ["ready,", "ejected"]);
        assert!(rows[0].contains(&"50.0") && rows[0].contains(&"ffffffffffff"), "{text}");
        assert_eq!(rows[1], ["2", "–", "vacant", "–", "256", "50.0", "%", "1000", "–", "–"]);
        assert_eq!(rows[2][..4], ["3", "server3", "draining", "7"]);
        let text = read(&state.to_string().replace("draining", "dead"), WIDTH).unwrap();
        assert!(text.contains("drained, dead"), "{text}");
        assert_eq!(rows.len(), 4);
        assert_eq!(rows[3][..7], ["–", "server7", "ready", "7", "–", "–", "–"]);
    }

    #[test]
    fn a_terminal_shows_names_phases_and_addresses_in_full() {
        let seat = json!({ "seat": 1, "weight": 100, "slots": 171, "replica": {
            "seat": 1, "name": "server1", "id": "f".repeat(64), "incarnation": 1, "address": "172.18.0.12:5000",
            "phase": "ready", "drained": false, "in_flight": 7, "skip": null,
        } });
        let state = json!({
            "cluster": "default", "epoch": 4, "digest": "7451535ca6c03b765aae21947c171cd3", "target": 1,
            "layout": { "name": "maglev", "slots": 512, "hash": "xxh3" }, "rolling": null, "others": [],
            "seats": [seat],
        });
        let text = read(&state.to_string(), 80).unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let row: Vec<&str> = text.lines().nth(4).unwrap().split_whitespace().collect();
        let expected =
            ["1", "server1", "ready", "7", "171", "33.4", "%", "100", "ffffff", "172.18.0.12:5000"];
        assert_eq!(row, expected, "{text}");
    }

    #[test]
    fn a_vacant_seat_is_shown_with_its_name_and_reason() {
        let state = json!({
            "cluster": "default", "epoch": 4, "digest": "7451535ca6c03b765aae21947c171cd3", "target": 1,
            "layout": { "name": "maglev", "slots": 512, "hash": "xxh3" }, "rolling": null, "others": [],
            "seats": [{
                "seat": 1, "weight": 100, "slots": 512, "replica": null, "name": "b", "upstream": "b.example:80",
                "reason": "10.0.0.1:80: it refuses connections", "last_error": "b.example does not resolve: gone",
            }],
        });
        let text = read(&state.to_string(), WIDTH).unwrap();
        let row: Vec<&str> = text.lines().nth(4).unwrap().split_whitespace().collect();
        assert_eq!(row[..3], ["1", "b", "vacant"], "{text}");
        let why = "\n\nseat 1 (b.example:80) is vacant: 10.0.0.1:80: it refuses connections; \
                   now: b.example does not resolve: gone\n";
        assert!(text.ends_with(why), "{text}");
    }

    #[test]
    fn json_of_another_shape_is_an_error() {
        assert!(read(r#"{"message":"hello"}"#, WIDTH).unwrap_err().to_string().starts_with("missing field"));
    }
}
