//! `lb explain KEY`: the request and response of `/api/explain`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use serde::Deserialize;

use super::client::Request;
use super::table::Column::{Number, Words};
use super::table::{Table, or_dash, plain};
use crate::text::shortened;

/// Seats of a walk that are shown; more only up to the chosen one.
const MIN_SHOWN: usize = 8;

#[derive(Deserialize)]
struct Explained {
    key: String,
    number: String,
    slot: u64,
    epoch: u64,
    walk: Vec<Place>,
    policy: String,
    chosen: Option<Chosen>,
}

#[derive(Deserialize)]
struct Place {
    seat: u32,
    replica: Option<String>,
    skip: Option<String>,
}

#[derive(Deserialize)]
struct Chosen {
    seat: u32,
}

/// The request for a key; every byte is percent-encoded.
pub fn request(key: &OsStr) -> Request {
    Request::get(format!("/api/explain?key={}", percent_encode(key.as_bytes(), NON_ALPHANUMERIC)))
}

/// Formats the slot of the key, then a line for each seat of its walk.
pub fn read(answer: &str, width: usize) -> serde_json::Result<String> {
    let Explained { key, number, slot, epoch, walk, policy, chosen } = serde_json::from_str(answer)?;
    let chosen = chosen.map(|chosen| chosen.seat);
    let mut table = Table::new([Number("choice"), Number("seat"), Words("replica"), Words("now")]);
    let until =
        walk.iter().position(|place| Some(place.seat) == chosen).map_or(0, |at| at + 1).max(MIN_SHOWN);
    for (choice, Place { seat, replica, skip }) in walk.iter().take(until).enumerate() {
        let now = match skip {
            Some(skip) if Some(*seat) == chosen => format!("chosen, although: {skip}"),
            Some(skip) => format!("passed over: {skip}"),
            None if Some(*seat) == chosen => "chosen".to_owned(),
            None => String::new(),
        };
        table.row([(choice + 1).to_string(), seat.to_string(), or_dash(replica.as_ref()), now]);
    }
    let path = format!(" → number {} → slot {slot} (epoch {epoch})", plain(&number));
    let room = width.saturating_sub("key ".len() + path.chars().count()).max(1);
    let mut text = format!("key {}{path}\n\n{}", shortened(&plain(&key), room), table.text(width));
    if walk.len() > until {
        text += &format!("… and {} more; --json lists all\n", walk.len() - until);
    }
    if policy != "hash" {
        text +=
            &format!("The policy {} chooses the first replica; retries follow this order.\n", plain(&policy));
    } else if chosen.is_none() {
        text += "No replica can take a request with this key now.\n";
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::table::WIDTH;
    use super::*;

    fn answer(walk: &[(u32, Option<&str>)], chosen: Option<u32>) -> Value {
        let walk: Vec<_> = walk
            .iter()
            .map(|(seat, skip)| json!({ "seat": seat, "replica": format!("server{seat}"), "skip": skip }))
            .collect();
        let chosen = chosen.map(|seat| json!({ "seat": seat, "replica": format!("server{seat}") }));
        json!({
            "key": "a\nb", "source": "given", "number": "18446744073709551615", "slot": 176, "epoch": 4,
            "walk": walk, "policy": "hash", "chosen": chosen,
        })
    }

    #[test]
    fn the_walk_marks_the_chosen_seat() {
        let text =
            read(&answer(&[(3, Some("ejected")), (1, None), (2, None)], Some(1)).to_string(), WIDTH).unwrap();
        let expected = "\
key a\u{fffd}b → number 18446744073709551615 → slot 176 (epoch 4)

choice  seat  replica  now
     1     3  server3  passed over: ejected
     2     1  server1  chosen
     3     2  server2
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_long_walk_is_cut_after_the_chosen_seat() {
        let walk: Vec<_> = (1..=12).map(|seat| (seat, (seat < 10).then_some("vacant"))).collect();
        let text = read(&answer(&walk, Some(10)).to_string(), WIDTH).unwrap();
        assert!(text.contains("server10  chosen\n… and 2 more; --json lists all\n"), "{text}");
        let text = read(&answer(&walk[..9], None).to_string(), WIDTH).unwrap();
        assert!(
            text.ends_with(
                "… and 1 more; --json lists all\nNo replica can take a request with this key now.\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn a_long_key_is_shortened() {
        let mut long = answer(&[(3, None)], Some(3));
        long["key"] = "ü".repeat(300).into();
        let text = read(&long.to_string(), WIDTH).unwrap();
        let first = text.lines().next().unwrap();
        assert!(
            first.chars().count() == WIDTH && first.contains("ü… → number 18446744073709551615 → slot 176"),
            "{text}"
        );
    }

    #[test]
    fn a_last_resort_and_another_policy_are_explained() {
        let walk = [(3, Some("ejected")), (1, Some("over bound"))];
        let text = read(&answer(&walk, Some(1)).to_string(), WIDTH).unwrap();
        assert!(text.ends_with("  server1  chosen, although: over bound\n"), "{text}");
        let mut other = answer(&[(3, None)], None);
        other["policy"] = "round-robin".into();
        let text = read(&other.to_string(), WIDTH).unwrap();
        assert!(
            text.ends_with(
                "\nThe policy round-robin chooses the first replica; retries follow this order.\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn a_key_is_sent_byte_for_byte() {
        let request = request(OsStr::from_bytes(b"a b&c=\xff%"));
        assert_eq!(request.target, "/api/explain?key=a%20b%26c%3D%FF%25");
    }
}
