//! `lb reload`: shows which settings have changed, and which need a restart.

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

/// The request of /api/reload.
pub fn request() -> Request {
    Request::post_empty("/api/reload").without_timeout()
}

/// Formats a line for each setting that differs.
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
    fn changed_settings_and_those_that_need_a_restart_are_listed() {
        let text =
            |message: &str| read(&format!(r#"{{"message":{message},"status":"successful"}}"#)).unwrap();
        assert_eq!(text(r#"{"changed":[],"restart":[]}"#), "nothing has changed\n");
        assert_eq!(
            text(r#"{"changed":["key","retries"],"restart":["listen"]}"#),
            "key has changed\nretries has changed\nlisten needs a restart, and stays as it is\n"
        );
    }
}
