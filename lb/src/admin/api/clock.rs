//! Moments as the time of day.

use std::time::{Instant, SystemTime};

/// One moment on both clocks: whatever is told of another reads the same each time, also if the day's is set anew.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    instant: Instant,
    time: SystemTime,
}

impl Clock {
    /// Read now.
    pub fn now() -> Self {
        Self { instant: Instant::now(), time: SystemTime::now() }
    }

    /// RFC 3339, in milliseconds.
    pub fn time(self, moment: Instant) -> String {
        let time = match moment.checked_duration_since(self.instant) {
            Some(later) => self.time + later,
            None => self.time - self.instant.saturating_duration_since(moment),
        };
        humantime::format_rfc3339_millis(time).to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_moment_reads_the_same_each_time() {
        let hour = Duration::from_secs(3600);
        let clock = Clock { instant: Instant::now(), time: SystemTime::UNIX_EPOCH + hour };
        assert_eq!(clock.time(clock.instant), "1970-01-01T01:00:00.000Z");
        assert_eq!(clock.time(clock.instant + hour), "1970-01-01T02:00:00.000Z");
        assert_eq!(clock.time(clock.instant - hour), "1970-01-01T00:00:00.000Z");
    }
}
