//! Why a container ended, as text for logs and error messages.

use super::Inner;

impl Inner {
    /// Returns the exit status, whether the kernel killed the container for its memory, and its last line of output.
    pub(super) async fn ended(&self, id: &str, code: i64) -> String {
        let state = self.engine.inspect(id).await.ok().and_then(|container| container.state);
        let out_of_memory = state.and_then(|state| state.oom_killed).unwrap_or_default();
        let line = self.engine.last_line(id).await;
        reason(code, out_of_memory.then_some(self.template.memory), line.as_deref())
    }
}

/// `limit`: its memory limit in bytes, if it was killed because of it.
fn reason(code: i64, limit: Option<u64>, line: Option<&str>) -> String {
    let mut reason = format!("exit status: {code}");
    if let Some(limit) = limit {
        reason += &format!(", killed for its memory (--replica-memory {}MiB)", limit >> 20);
    }
    if let Some(line) = line {
        reason += &format!("; its last line: {line}");
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_names_a_kill_for_memory() {
        assert_eq!(reason(1, None, None), "exit status: 1");
        assert_eq!(
            reason(137, Some(512 << 20), Some("x")),
            "exit status: 137, killed for its memory (--replica-memory 512MiB); its last line: x"
        );
    }
}
