//! `lb events`: prints the kept events of the fleet, one on each line; with `--follow` also new ones.

use std::time::Duration;

use futures::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{self, Error, Request, Server};
use super::table::{WIDTH, plain};
use super::{Output, write};
use crate::text::shortened;

/// The wait before a broken stream is opened again.
const RECONNECT_DELAY: Duration = Duration::from_secs(1);

/// The largest event; most have a few hundred bytes, the state of 1,000 seats 200 kB.
const MAX_EVENT: usize = 64 << 20;

/// The data of an event.
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

/// The response of /api/history.
#[derive(Deserialize)]
struct History {
    events: Vec<Value>,
}

/// Prints the events that the balancer keeps. With `follow` it goes on with new events, also after restarts of the
/// balancer, until standard output is closed.
pub async fn run(server: &Server<'_>, json: bool, follow: bool) -> Result<(), Error> {
    let answer = client::send(server, &Request::get("/api/history")).await?;
    let unreadable = |error| Error::InvalidBody(server.admin.clone(), error);
    let History { events } = serde_json::from_str(&answer).map_err(unreadable)?;
    let last = events.last().and_then(|event| Some(event["id"].as_u64()?.to_string()));
    let mut printer = Printer { json, last };
    let lines = events.iter().filter_map(|event| printer.line("", &event.to_string()));
    if write(&lines.map(|line| line + "\n").collect::<String>())? == Output::Closed || !follow {
        return Ok(());
    }
    loop {
        match printer.print(server).await {
            Ok(Output::Closed) => return Ok(()),
            Ok(Output::Open) => {
                eprintln!("lb: {}: the stream of events ended; connecting again", server.admin)
            }
            Err(Error::NotListening(_) | Error::NoAnswer(..)) => {}
            Err(error) => return Err(error),
        }
        tokio::time::sleep(RECONNECT_DELAY).await;
    }
}

struct Printer {
    json: bool,
    /// The id of the last event that was printed.
    last: Option<String>,
}

impl Printer {
    /// Prints the events of a stream until it ends.
    async fn print(&mut self, server: &Server<'_>) -> Result<Output, Error> {
        let mut stream = server.stream("/api/events", self.last.as_deref()).await?;
        let mut input = Vec::new();
        while let Some(Ok(bytes)) = stream.next().await {
            input.extend_from_slice(&bytes);
            while let Some(event) = take(&mut input) {
                self.last = event.id.clone().or(self.last.take());
                if !event.name.is_empty()
                    && let Some(line) = self.line(&event.name, &event.data)
                    && write(&format!("{line}\n"))? == Output::Closed
                {
                    return Ok(Output::Closed);
                }
            }
            if input.len() > MAX_EVENT {
                return Err(server.not_a_balancer());
            }
        }
        Ok(Output::Open)
    }

    /// The line for an event; `None` for the event `state`, which is no transition.
    fn line(&self, name: &str, data: &str) -> Option<String> {
        let lost = "… some events were lost: the balancer was restarted, or does not keep them any more";
        match (name, self.json) {
            ("state", _) => None,
            ("reset", true) => Some(json!({ "name": "reset" }).to_string()),
            ("reset", false) => Some(lost.to_owned()),
            (_, true) => Some(data.to_owned()),
            (_, false) => Some(line(data)),
        }
    }
}

/// Takes the first complete event from the input; `None` if there is none yet.
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

/// The text of an event, at most [`WIDTH`] characters.
fn line(data: &str) -> String {
    let text = match serde_json::from_str::<Transition>(data) {
        Ok(transition) => transition.text(),
        // An event of a newer version: its whole JSON.
        Err(_) => {
            serde_json::from_str::<Value>(data).map_or_else(|_| data.to_owned(), |data| data.to_string())
        }
    };
    shortened(&plain(text.trim_end()), WIDTH)
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
        // Without the milliseconds, which --json shows.
        let time = time.get(..19).map_or(time.as_str(), |time| time);
        let replica = replica.as_deref().unwrap_or("–");
        format!("{time}Z  seat {seat:<3} {replica:<10}  {what:<19}  {why}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_split_out_of_pieces() {
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
    fn a_line_fits_the_width_and_has_no_control_characters() {
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
        let expected = "2026-11-21T19:25:38Z  seat 2   –           rolling stopped      1 of 3; it ended";
        assert_eq!(line(&rolling.to_string()), expected);
        assert_eq!(line(r#"{"name":"of tomorrow"}"#), r#"{"name":"of tomorrow"}"#);
    }

    #[test]
    fn states_are_not_printed_and_resets_are() {
        let line = |json, name: &str| Printer { json, last: None }.line(name, "{}");
        assert_eq!((line(false, "state"), line(true, "state")), (None, None));
        assert!(line(false, "reset").unwrap().starts_with("… some events were lost"));
        assert_eq!(line(true, "reset").unwrap(), r#"{"name":"reset"}"#);
        assert_eq!(line(true, "phase").unwrap(), "{}");
    }
}
