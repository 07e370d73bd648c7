//! `lb plan`: the request of `/api/plan`; and the text of a plan, also for `--dry-run`.

use serde::Deserialize;
use serde_json::json;

use super::args::Plan;
use super::client::Request;
use super::table::Column::Number;
use super::table::{Table, or_dash};

#[derive(Deserialize)]
struct Planned {
    epoch: u64,
    slots_moved: u64,
    moved_percent: f64,
    ideal_percent: Option<f64>,
    moves: Vec<Move>,
    peak_to_average: PeakToAverage,
}

/// `from` or `to` is null where a slot has no owner: before the first seat is added or after the last is removed.
#[derive(Deserialize)]
struct Move {
    from: Option<u32>,
    to: Option<u32>,
    slots: u64,
}

#[derive(Deserialize)]
struct PeakToAverage {
    before: Option<f64>,
    after: Option<f64>,
}

/// The request of /api/plan.
pub fn request(Plan { add, remove, weight }: &Plan) -> Request {
    let body = match add {
        Some(n) => json!({ "add": n }),
        None if weight.is_empty() => json!({ "remove": remove }),
        None => {
            let weights: serde_json::Map<_, _> =
                weight.iter().map(|(seat, weight)| (seat.to_string(), json!(weight))).collect();
            json!({ "weights": weights })
        }
    };
    Request::post("/api/plan", body)
}

/// Formats the total of moved slots, then a line for each pair of seats.
pub fn read(answer: &str, width: usize) -> serde_json::Result<String> {
    let Planned { epoch, slots_moved, moved_percent, ideal_percent, moves, peak_to_average } =
        serde_json::from_str(answer)?;
    let two = |ratio: Option<f64>| or_dash(ratio.map(|ratio| format!("{ratio:.2}")));
    let ideal = ideal_percent.map(|ideal| format!(" (ideal: {ideal:.1} %)")).unwrap_or_default();
    let mut text =
        format!("{slots_moved} slots would move, {moved_percent:.1} % of all{ideal}, from epoch {epoch}\n");
    let PeakToAverage { before, after } = peak_to_average;
    text += &format!("peak-to-average {} → {}\n", two(before), two(after));
    if !moves.is_empty() {
        let mut table = Table::new([Number("from seat"), Number("to seat"), Number("slots")]);
        for Move { from, to, slots } in moves {
            table.row([or_dash(from), or_dash(to), slots.to_string()]);
        }
        text += &format!("\n{}", table.text(width));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::table::WIDTH;
    use super::*;

    #[test]
    fn the_request_has_the_change() {
        let body = |add, remove: &[&str]| {
            let remove = remove.iter().map(|name| name.parse().unwrap()).collect();
            request(&Plan { add, remove, weight: vec![] }).body.unwrap()
        };
        assert_eq!(body(Some(2), &[]), json!({ "add": 2 }));
        assert_eq!(body(None, &["server2", "S 5"]), json!({ "remove": ["server2", "S 5"] }));
        let weights = request(&Plan { add: None, remove: vec![], weight: vec![(1, 200), (12, 1)] });
        assert_eq!(weights.body.unwrap(), json!({ "weights": { "1": 200, "12": 1 } }));
    }

    #[test]
    fn the_moves_are_a_table() {
        let answer = json!({
            "epoch": 4, "slots_moved": 130, "moved_percent": 25.39, "ideal_percent": 25.0,
            "moves": [{ "from": 1, "to": 4, "slots": 130 }],
            "peak_to_average": { "before": 1.101, "after": 1.09 }, "seats": 4, "digest": "00",
        });
        let expected = "\
130 slots would move, 25.4 % of all (ideal: 25.0 %), from epoch 4
peak-to-average 1.10 → 1.09

from seat  to seat  slots
        1        4    130
";
        assert_eq!(read(&answer.to_string(), WIDTH).unwrap(), expected);
    }

    #[test]
    fn a_plan_without_moves_has_no_table() {
        let answer = json!({
            "epoch": 9, "slots_moved": 0, "moved_percent": 0, "ideal_percent": null, "moves": [],
            "peak_to_average": { "before": 1.0, "after": null },
        });
        let expected = "0 slots would move, 0.0 % of all, from epoch 9\npeak-to-average 1.00 → –\n";
        assert_eq!(read(&answer.to_string(), WIDTH).unwrap(), expected);
    }
}
