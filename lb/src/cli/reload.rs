//! `lb reload`: which settings have changed, and which wait for a restart.

use serde::Deserialize;

use super::client::Request;
use super::table::plain;

#[derive(Deserialize)]
struct Answer {
    message: Settings,
}

#[derive(Deserialize)]
struct Settings {
    changed: Vec<String>,
    restart: Vec<String>,
}

/// The file read again.
pub fn request() -> Request {
    Request::command("/api/reload").patient()
}

/// The settings that differ, a line for each.
pub fn read(answer: &str) -> serde_json::Result<String> {
    let Answer { message: Settings { changed, restart } } = serde_json::from_str(answer)?;
    let changed = changed.iter().map(|name| format!("{} has changed\n", plain(name)));
    let restart = restart.iter().map(|name| format!("{} needs a restart, and stays as it is\n", plain(name)));
    let lines: String = changed.chain(restart).collect();
    Ok(if lines.is_empty() { "nothing has changed\n".to_owned() } else { lines })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_changed_and_what_waits() {
        let text =
            |message: &str| read(&format!(r#"{{"message":{message},"status":"successful"}}"#)).unwrap();
        assert_eq!(text(r#"{"changed":[],"restart":[]}"#), "nothing has changed\n");
        assert_eq!(
            text(r#"{"changed":["key","retries"],"restart":["listen"]}"#),
            "key has changed\nretries has changed\nlisten needs a restart, and stays as it is\n"
        );
    }
}
