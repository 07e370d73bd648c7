//! Writes to standard output and standard error, ignoring write errors. `print!` panics when the reader has closed the
//! pipe (`analysis | head`), which would end a run before the fleet is restored.

use std::io::{self, IsTerminal, Write};

/// Characters of a line on standard output: 80 on a terminal, 100 in a file or a pipe.
pub fn width() -> usize {
    if io::stdout().is_terminal() { 80 } else { 100 }
}

/// Writes the text to standard output.
pub fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes a line to standard error.
pub fn note(line: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
