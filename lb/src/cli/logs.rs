//! `lb logs NAME`: what a replica writes.

use futures::StreamExt;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::args::Logs;
use super::client::{Asked, Error};
use super::{Output, told};

/// A longer line is printed in pieces.
const LONGEST: usize = 64 << 10;

/// Prints it until it ends or nobody reads; `raw`: with what would steer a terminal.
pub async fn run(asked: &Asked<'_>, raw: bool, Logs { name, tail, follow }: &Logs) -> Result<(), Error> {
    let name = utf8_percent_encode(name.as_str(), NON_ALPHANUMERIC);
    let target = format!("/api/replicas/{name}/logs?tail={tail}&follow={}", u8::from(*follow));
    let mut pieces = asked.stream(&target, None).await?;
    let mut input = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| Error::NoAnswer(asked.admin.clone(), error.to_string()))?;
        input.extend_from_slice(&piece);
        let whole = match input.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if input.len() > LONGEST => input.len(),
            None => 0,
        };
        let text: Vec<u8> = input.drain(..whole).collect();
        if told(&shown(&text, raw))? == Output::Closed {
            return Ok(());
        }
    }
    told(&shown(&input, raw))?;
    Ok(())
}

fn shown(text: &[u8], raw: bool) -> String {
    let text = String::from_utf8_lossy(text);
    if raw {
        return text.into_owned();
    }
    text.replace("\r\n", "\n").replace(|c: char| c.is_control() && !matches!(c, '\n' | '\t'), "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal_unless_asked_for() {
        assert_eq!(shown(b"a\tb\r\n\x1b[31mred\n", false), "a\tb\n\u{fffd}[31mred\n");
        assert_eq!(shown(b"a\x1b[31m\r\n", true), "a\x1b[31m\r\n");
    }
}
