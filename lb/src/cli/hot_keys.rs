//! `lb hot-keys`: the request and response of `/api/hot-keys`.

use serde::Deserialize;

use super::client::Request;
use super::table::Column::{Number, Words};
use super::table::{Table, or_dash};

#[derive(Deserialize)]
struct Answer {
    seconds: f64,
    requests: u64,
    keys: Vec<Key>,
    imbalance: Imbalance,
}

#[derive(Deserialize)]
struct Key {
    key: Option<String>,
    count: u64,
    error: u64,
    share: f64,
    slot: u32,
    seat: Option<u32>,
    replica: Option<String>,
}

#[derive(Deserialize)]
struct Imbalance {
    peak_to_average: Option<f64>,
    without_hot_keys: Option<f64>,
}

/// The request for the `limit` most frequent keys.
pub fn request(limit: usize) -> Request {
    Request::get(format!("/api/hot-keys?limit={limit}"))
}

/// Formats a line for each key, and the imbalance with and without these keys.
pub fn read(answer: &str, width: usize) -> serde_json::Result<String> {
    let Answer { seconds, requests, keys, imbalance } = serde_json::from_str(answer)?;
    let mut text = format!("{requests} requests with a key in the last {seconds:.0} s\n");
    if keys.is_empty() {
        return Ok(text);
    }
    let mut table = Table::new([
        Words("key"),
        Number("share"),
        Number("requests"),
        Number("at most too many"),
        Number("slot"),
        Number("seat"),
        Words("replica"),
    ]);
    for Key { key, count, error, share, slot, seat, replica } in &keys {
        table.row([
            or_dash(key.as_ref()),
            format!("{:.1} %", share * 100.0),
            count.to_string(),
            error.to_string(),
            slot.to_string(),
            or_dash(seat.as_ref()),
            or_dash(replica.as_ref()),
        ]);
    }
    text += &format!("\n{}", table.text(width));
    if let Some(peak) = imbalance.peak_to_average {
        let without = imbalance.without_hot_keys;
        let without = without.map_or("nothing is left".to_owned(), |without| format!("it is {without:.2}"));
        text += &format!(
            "\nPeak-to-average of the seats by their keys: {peak:.2}; without these keys {without}.\n"
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::table::WIDTH;
    use super::*;

    #[test]
    fn keys_and_imbalance_are_shown() {
        let answer = json!({
            "seconds": 130.4, "requests": 1000,
            "keys": [
                { "key": "al\nice", "count": 501, "error": 1, "share": 0.5, "slot": 12, "seat": 2,
                  "replica": "server2" },
                { "key": null, "count": 9, "error": 0, "share": 0.009, "slot": 3, "seat": null, "replica": null },
            ],
            "imbalance": { "peak_to_average": 1.804, "without_hot_keys": 1.05 },
        });
        let expected = "\
1000 requests with a key in the last 130 s

key      share  requests  at most too many  slot  seat  replica
al\u{fffd}ice  50.0 %       501                 1    12     2  server2
–        0.9 %         9                 0     3     –  –

Peak-to-average of the seats by their keys: 1.80; without these keys it is 1.05.
";
        assert_eq!(read(&answer.to_string(), WIDTH).unwrap(), expected);
    }

    #[test]
    fn a_long_key_is_shortened() {
        let key = json!({ "key": "x".repeat(300), "count": 1, "error": 0, "share": 1.0, "slot": 1, "seat": 1,
            "replica": "y".repeat(63) });
        let answer = json!({ "seconds": 1.0, "requests": 1, "keys": [key],
            "imbalance": { "peak_to_average": null, "without_hot_keys": null } });
        let text = read(&answer.to_string(), WIDTH).unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
}
