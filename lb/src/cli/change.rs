//! `lb add` and `lb rm`: the request, and the list of replicas after the change.

use serde::Deserialize;
use serde_json::json;

use super::args::Change;
use super::client::Request;
use super::table::plain;

#[derive(Deserialize)]
struct Changed {
    message: List,
}

#[derive(Deserialize)]
struct List {
    #[serde(rename = "N")]
    n: usize,
    replicas: Vec<String>,
}

/// The request of /api/add or /api/remove. Only a dry run has a timeout: a change may wait for new replicas.
pub fn request(path: &str, Change { n, names, dry_run }: &Change) -> Request {
    let body = json!({ "n": n, "hostnames": names, "dry_run": dry_run });
    let request = Request::post(path, body);
    if *dry_run { request } else { request.without_timeout() }
}

/// Formats the number of replicas and their names, wrapped at `width`.
pub fn read(answer: &str, width: usize) -> serde_json::Result<String> {
    let Changed { message: List { n, replicas } } = serde_json::from_str(answer)?;
    let mut lines = vec![format!("{n} {}:", if n == 1 { "replica" } else { "replicas" })];
    for (at, name) in replicas.iter().enumerate() {
        let comma = if at + 1 < replicas.len() { "," } else { "" };
        let word = format!(" {}{comma}", plain(name));
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() <= width => *line += &word,
            _ => lines.push(format!(" {word}")),
        }
    }
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::super::table::WIDTH;
    use super::*;

    #[test]
    fn only_a_dry_run_has_a_timeout() {
        let names = vec!["S5".parse().unwrap()];
        let sent = request("/api/add", &Change { n: 2, names, dry_run: false });
        assert_eq!((sent.target.as_str(), sent.timeout), ("/api/add", None));
        assert_eq!(sent.body, Some(json!({ "n": 2, "hostnames": ["S5"], "dry_run": false })));
        let sent = request("/api/remove", &Change { n: 1, names: vec![], dry_run: true });
        assert!(sent.timeout.is_some());
        assert_eq!(sent.body, Some(json!({ "n": 1, "hostnames": [], "dry_run": true })));
    }

    #[test]
    fn the_names_are_wrapped() {
        let list = |names: &[String]| {
            let message = json!({ "N": names.len(), "replicas": names });
            read(&json!({ "message": message, "status": "successful" }).to_string(), WIDTH).unwrap()
        };
        assert_eq!(list(&[]), "0 replicas:\n");
        assert_eq!(list(&["server1".into()]), "1 replica: server1\n");
        assert_eq!(list(&["server1".into(), "S 4".into()]), "2 replicas: server1, S 4\n");
        let names: Vec<_> = (1..=64).map(|n| format!("{n:063}")).collect();
        let text = list(&names);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(names.iter().all(|name| text.contains(name)), "{text}");
    }
}
