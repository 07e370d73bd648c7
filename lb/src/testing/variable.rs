//! Numbers that environment variables give to tests: seeds, sizes, durations. `lb/docs/testing.md` lists them.

/// Value of a variable; `None` if it is not set. Panics if it is not a number.
pub fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|error| panic!("{name}={value}: {error}")))
}
