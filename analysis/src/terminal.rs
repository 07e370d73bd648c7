//! What is said on standard output and standard error. That nobody listens any more (`analysis | head`) is no reason to
//! break off and leave a fleet half-way: `print!` would panic.

use std::io::{self, Write};

/// To standard output, as it stands.
pub fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A line to standard error.
pub fn note(line: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
