//! The processes of a container, as the engine's `top` lists them.

/// A process of a container.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Process {
    pid: String,
    parent: String,
    /// Its state is T or t.
    stopped: bool,
}

/// The columns that `top` is called with: what `ps -o` takes.
pub(super) const COLUMNS: &str = "-o pid,ppid,stat";

impl Process {
    /// A row of the answer; `None` if it has other columns.
    pub fn new(row: &[String]) -> Option<Self> {
        let [pid, parent, state] = row else { return None };
        Some(Self { pid: pid.clone(), parent: parent.clone(), stopped: state.starts_with(['T', 't']) })
    }
}

/// Whether all processes without a child are stopped, and there is one: the initial process and shells only wait for
/// their children.
pub(super) fn all_stopped(processes: &[Process]) -> bool {
    let is_parent = |process: &Process| processes.iter().any(|other| other.parent == process.pid);
    let mut leaves = processes.iter().filter(|process| !is_parent(process)).peekable();
    leaves.peek().is_some() && leaves.all(|process| process.stopped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_without_a_child_decide() {
        let rows = |rows: &[[&str; 3]]| -> Vec<Process> {
            rows.iter().filter_map(|row| Process::new(&row.map(str::to_owned))).collect()
        };
        assert!(!all_stopped(&[]));
        assert!(all_stopped(&rows(&[["10", "1", "Ss"], ["11", "10", "Tl"]])));
        assert!(!all_stopped(&rows(&[["10", "1", "Ts"], ["11", "10", "Sl"]])));
        assert!(!all_stopped(&rows(&[["10", "1", "Ss"], ["11", "10", "T"], ["12", "10", "R"]])));
        assert_eq!(Process::new(&["1".to_owned()]), None);
    }
}
