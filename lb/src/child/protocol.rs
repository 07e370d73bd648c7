//! Messages between a balancer and a launcher: one JSON document per line, on a socket that is the launcher's standard
//! input.
//!
//! The balancer sends [`Order::Launch`] first; the launcher answers [`Report::Started`] or [`Report::Failed`]. After
//! that the balancer may send [`Order::Stop`] and [`Order::Kill`], any number of times. The launcher's last message is
//! [`Report::Exited`]; it ends after it. The end of the socket is an order to kill.
//!
//! The executable may be replaced by another build while a balancer runs, so both sides may be of different builds.
//! A change that an older peer would misread needs another [`VERSION`]; members that are new are ignored by an older
//! peer.

use serde::{Deserialize, Serialize};

/// The version of these messages. A launcher refuses another one.
pub(crate) const VERSION: u32 = 1;

/// A message of the balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// Start the command. Environment, output and working directory are those of the launcher.
    Launch {
        /// [`VERSION`] of the balancer.
        protocol: u32,
        /// The command's soft limit of open files; `None`: unlimited.
        files: Option<u64>,
        /// The program, looked up in `$PATH`.
        program: String,
        /// The arguments of the program.
        arguments: Vec<String>,
    },
    /// Send SIGTERM to the command's process group and to every descendant outside of it.
    Stop,
    /// Send SIGKILL to the command and every descendant, until none is left.
    Kill,
}

/// A message of the launcher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    /// The command runs, as the leader of a process group of its own.
    Started {
        /// Its process id.
        pid: i32,
    },
    /// The command could not be started.
    Failed {
        /// The text of the operating system's error.
        error: String,
        /// Whether the cause is a shortage of descriptors, memory or processes of the machine or the user.
        shortage: bool,
        /// The errno of the error; `None` if it has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        errno: Option<i32>,
    },
    /// The command has exited, and its descendants are gone.
    Exited {
        /// Its wait status as wait(2) gives it; `None` if it could not be killed.
        status: Option<i32>,
        /// Descendants that ran on after the command had exited with code 0 by itself: it went into the background.
        background: usize,
        /// Descendants that SIGKILL has not ended, for lack of permission or because the kernel holds them.
        left: usize,
    },
}

/// The message as a line.
pub(crate) fn line(message: &impl Serialize) -> String {
    // Serialization cannot fail: there is no map with keys other than strings.
    serde_json::to_string(message).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_are_those_of_version_1() {
        let launch = Order::Launch {
            protocol: VERSION,
            files: Some(1024),
            program: "sh".into(),
            arguments: vec!["-c".into(), "a\nb".into()],
        };
        let lines = [line(&launch), line(&Order::Stop), line(&Order::Kill)];
        let expected = [
            r#"{"launch":{"protocol":1,"files":1024,"program":"sh","arguments":["-c","a\nb"]}}"#,
            r#""stop""#,
            r#""kill""#,
        ];
        assert_eq!(lines.map(|line| line.trim_end().to_owned()), expected);
        let exited = Report::Exited { status: Some(0), background: 2, left: 0 };
        let lines = [
            line(&Report::Started { pid: 7 }),
            line(&Report::Failed { error: "no".into(), shortage: true, errno: Some(11) }),
            line(&exited),
        ];
        let expected = [
            r#"{"started":{"pid":7}}"#,
            r#"{"failed":{"error":"no","shortage":true,"errno":11}}"#,
            r#"{"exited":{"status":0,"background":2,"left":0}}"#,
        ];
        assert_eq!(lines.map(|line| line.trim_end().to_owned()), expected);
        let older = r#"{"failed":{"error":"no","shortage":true}}"#;
        let failed = Report::Failed { error: "no".into(), shortage: true, errno: None };
        assert_eq!(serde_json::from_str::<Report>(older).unwrap(), failed);
        let newer = r#"{"exited":{"status":0,"background":2,"left":0,"core":true}}"#;
        assert_eq!(serde_json::from_str::<Report>(newer).unwrap(), exited);
    }
}
