//! `lb events`: what happened to the fleet, a line for each event; with `--follow` also what happens.

use std::time::Duration;

use futures::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{self, Asked, Error, Request};
use super::table::{WIDTH, plain};
use super::{Output, told};

/// Until a stream that broke off is opened again.
const PAUSE: Duration = Duration::from_secs(1);

/// An event is a few hundred bytes, the state of 1,000 seats 200 kB.
const LONGEST: usize = 64 << 20;

/// What an event says of a transition.
#[derive(Deserialize)]
struct Transition {
    name: String,
    time: String,
    seat: u32,
    replica: Option<String>,
    was: Option<String>,
    now: Option<String>,
    why: Option<String>,
    done: Option<u64>,
    total: Option<u64>,
}

/// One event of a `text/event-stream`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Event {
    name: String,
    data: String,
    id: Option<String>,
}

/// What the balancer keeps.
#[derive(Deserialize)]
struct History {
    events: Vec<Value>,
}

/// Prints what the balancer keeps; with `follow` goes on, over restarts of the balancer too, until nobody reads.
pub async fn run(asked: &Asked<'_>, json: bool, follow: bool) -> Result<(), Error> {
    let answer = client::send(asked, &Request::get("/api/history")).await?;
    let unreadable = |error| Error::Unreadable(asked.admin.clone(), error);
    let History { events } = serde_json::from_str(&answer).map_err(unreadable)?;
    let last = events.last().and_then(|event| Some(event["id"].as_u64()?.to_string()));
    let mut printer = Printer { json, last };
    let lines = events.iter().filter_map(|event| printer.line("", &event.to_string()));
    if told(&lines.map(|line| line + "\n").collect::<String>())? == Output::Closed || !follow {
        return Ok(());
    }
    loop {
        match printer.print(asked).await {
            Ok(Output::Closed) => return Ok(()),
            Ok(Output::Open) => eprintln!("lb: {}: the events broke off; asking again", asked.admin),
            Err(Error::Nobody(_) | Error::NoAnswer(..)) => {}
            Err(error) => return Err(error),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

struct Printer {
    json: bool,
    /// The last event that was printed.
    last: Option<String>,
}

impl Printer {
    /// Prints a stream to its end.
    async fn print(&mut self, asked: &Asked<'_>) -> Result<Output, Error> {
        let mut stream = asked.stream("/api/events", self.last.as_deref()).await?;
        let mut input = Vec::new();
        while let Some(Ok(bytes)) = stream.next().await {
            input.extend_from_slice(&bytes);
            while let Some(event) = take(&mut input) {
                self.last = event.id.clone().or(self.last.take());
                if !event.name.is_empty()
                    && let Some(line) = self.line(&event.name, &event.data)
                    && told(&format!("{line}\n"))? == Output::Closed
                {
                    return Ok(Output::Closed);
                }
            }
            if input.len() > LONGEST {
                return Err(asked.foreign());
            }
        }
        Ok(Output::Open)
    }

    /// What is printed of an event; of a whole state nothing.
    fn line(&self, name: &str, data: &str) -> Option<String> {
        let lost = "… some events are lost: the balancer was restarted, or more happened than it keeps";
        match (name, self.json) {
            ("state", _) => None,
            ("reset", true) => Some(json!({ "name": "reset" }).to_string()),
            ("reset", false) => Some(lost.to_owned()),
            (_, true) => Some(data.to_owned()),
            (_, false) => Some(line(data)),
        }
    }
}

/// The first whole event of the input.
fn take(input: &mut Vec<u8>) -> Option<Event> {
    let end = input.windows(2).position(|two| two == b"\n\n")?;
    let text: Vec<u8> = input.drain(..end + 2).collect();
    let mut event = Event::default();
    for line in String::from_utf8_lossy(&text).lines() {
        match line.split_once(": ") {
            Some(("id", id)) => event.id = Some(id.to_owned()),
            Some(("event", name)) => name.clone_into(&mut event.name),
            Some(("data", data)) => data.clone_into(&mut event.data),
            _ => {}
        }
    }
    Some(event)
}

/// An event for people, in at most 100 columns.
fn line(data: &str) -> String {
    let text = match serde_json::from_str::<Transition>(data) {
        Ok(transition) => transition.text(),
        // Of a younger balancer: all that it says.
        Err(_) => {
            serde_json::from_str::<Value>(data).map_or_else(|_| data.to_owned(), |data| data.to_string())
        }
    };
    let text = plain(text.trim_end());
    match text.char_indices().nth(WIDTH) {
        None => text,
        Some(_) => text.chars().take(WIDTH - 1).chain(['…']).collect(),
    }
}

impl Transition {
    fn text(&self) -> String {
        let Self { name, time, seat, replica, was, now, why, done, total } = self;
        let what = match (name.as_str(), was.as_deref(), now.as_deref()) {
            ("phase", was, now) => format!("{} → {}", was.unwrap_or("new"), now.unwrap_or("gone")),
            ("rolling", _, Some(now)) => format!("rolling {now}"),
            (name, ..) => name.to_owned(),
        };
        let far = done.zip(*total).map(|(done, total)| format!("{done} of {total}"));
        let why = [far.as_deref(), why.as_deref()].into_iter().flatten().collect::<Vec<_>>().join("; ");
        // The milliseconds are in --json.
        let time = time.get(..19).map_or(time.as_str(), |time| time);
        let replica = replica.as_deref().unwrap_or("–");
        format!("{time}Z  seat {seat:<3} {replica:<10}  {what:<19}  {why}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_taken_one_by_one_from_pieces() {
        let mut input = b": heartbeat\n\nid: 7\nevent: phase\ndata: {\"a\":1}\n\nid: 8\nev".to_vec();
        assert_eq!(take(&mut input), Some(Event::default()));
        let event = Event { name: "phase".into(), data: r#"{"a":1}"#.into(), id: Some("7".into()) };
        assert_eq!(take(&mut input), Some(event));
        assert_eq!(take(&mut input), None);
        input.extend(b"ent: leave\n\n");
        assert_eq!(take(&mut input).unwrap().id.as_deref(), Some("8"));
        assert!(input.is_empty());
    }

    #[test]
    fn a_line_fits_the_terminal_and_does_not_steer_it() {
        let event = |why: &str| {
            json!({
                "id": 1, "name": "phase", "epoch": 3, "time": "2026-11-21T19:25:38.123Z", "seat": 2,
                "replica": "server2", "incarnation": 4, "was": "ready", "now": "dead", "why": why,
            })
        };
        assert_eq!(
            line(&event("signal: 9 (SIGKILL)").to_string()),
            "2026-11-21T19:25:38Z  seat 2   server2     ready → dead         signal: 9 (SIGKILL)"
        );
        let long = line(&event(&"x\u{1b}[2J".repeat(50)).to_string());
        assert!(long.chars().count() == 100 && long.ends_with('…') && !long.contains('\u{1b}'), "{long}");
        let mut leave = event("");
        leave["name"] = "leave".into();
        for field in ["replica", "was", "now", "why"] {
            leave[field] = Value::Null;
        }
        assert_eq!(line(&leave.to_string()), "2026-11-21T19:25:38Z  seat 2   –           leave");
        let mut rolling = event("it ended");
        rolling["name"] = "rolling".into();
        (rolling["replica"], rolling["now"]) = (Value::Null, "stopped".into());
        (rolling["done"], rolling["total"]) = (1.into(), 3.into());
        let told = "2026-11-21T19:25:38Z  seat 2   –           rolling stopped      1 of 3; it ended";
        assert_eq!(line(&rolling.to_string()), told);
        assert_eq!(line(r#"{"name":"of tomorrow"}"#), r#"{"name":"of tomorrow"}"#);
    }

    #[test]
    fn what_is_printed() {
        let line = |json, name: &str| Printer { json, last: None }.line(name, "{}");
        assert_eq!((line(false, "state"), line(true, "state")), (None, None));
        assert!(line(false, "reset").unwrap().starts_with("… some events are lost"));
        assert_eq!(line(true, "reset").unwrap(), r#"{"name":"reset"}"#);
        assert_eq!(line(true, "phase").unwrap(), "{}");
    }
}
