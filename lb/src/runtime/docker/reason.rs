//! How a container ended, in words for people.

use super::Inner;

impl Inner {
    /// The exit status, whether the kernel killed it for its memory, and its last line of output.
    pub(super) async fn ended(&self, id: &str, code: i64) -> String {
        let state = self.engine.inspect(id).await.ok().and_then(|container| container.state);
        let out_of_memory = state.and_then(|state| state.oom_killed).unwrap_or_default();
        let line = self.engine.last_line(id).await;
        reason(code, out_of_memory.then_some(self.template.memory), line.as_deref())
    }
}

/// `limit`: the memory, in bytes, that it was killed for.
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
    fn a_container_that_was_killed_for_its_memory_says_so() {
        assert_eq!(reason(1, None, None), "exit status: 1");
        assert_eq!(
            reason(137, Some(512 << 20), Some("x")),
            "exit status: 137, killed for its memory (--replica-memory 512MiB); its last line: x"
        );
    }
}
