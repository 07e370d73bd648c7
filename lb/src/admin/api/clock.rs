//! Converts monotonic instants to the time of day.

use std::time::{Instant, SystemTime};

/// One instant on both clocks. Every other instant is converted relative to it, so that it always gives the same time
/// of day, even if the system clock is set meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    instant: Instant,
    time: SystemTime,
}

impl Clock {
    /// Reads both clocks.
    pub fn now() -> Self {
        Self { instant: Instant::now(), time: SystemTime::now() }
    }

    /// The time of day of an instant: RFC 3339, UTC, in milliseconds.
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
    fn an_instant_is_converted_relative_to_the_clock() {
        let hour = Duration::from_secs(3600);
        let clock = Clock { instant: Instant::now(), time: SystemTime::UNIX_EPOCH + hour };
        assert_eq!(clock.time(clock.instant), "1970-01-01T01:00:00.000Z");
        assert_eq!(clock.time(clock.instant + hour), "1970-01-01T02:00:00.000Z");
        assert_eq!(clock.time(clock.instant - hour), "1970-01-01T00:00:00.000Z");
    }
}
