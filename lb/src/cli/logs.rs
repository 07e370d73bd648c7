//! `lb logs NAME`: prints the output of a replica.

use futures::StreamExt;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::args::Logs;
use super::client::{Error, Server};
use super::{Output, write};

/// A longer line is printed in pieces, in bytes.
const MAX_LINE: usize = 64 << 10;

/// Prints the output until it ends or standard output is closed. Control characters are replaced unless `raw`.
pub async fn run(server: &Server<'_>, raw: bool, Logs { name, tail, follow }: &Logs) -> Result<(), Error> {
    let name = utf8_percent_encode(name.as_str(), NON_ALPHANUMERIC);
    let target = format!("/api/replicas/{name}/logs?tail={tail}&follow={}", u8::from(*follow));
    let mut pieces = server.stream(&target, None).await?;
    let mut input = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| Error::NoAnswer(server.admin.clone(), error.to_string()))?;
        input.extend_from_slice(&piece);
        let whole = match input.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if input.len() > MAX_LINE => input.len(),
            None => 0,
        };
        let text: Vec<u8> = input.drain(..whole).collect();
        if write(&printable(&text, raw))? == Output::Closed {
            return Ok(());
        }
    }
    write(&printable(&input, raw))?;
    Ok(())
}

fn printable(text: &[u8], raw: bool) -> String {
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
    fn control_characters_are_replaced_unless_raw() {
        assert_eq!(printable(b"a\tb\r\n\x1b[31mred\n", false), "a\tb\n\u{fffd}[31mred\n");
        assert_eq!(printable(b"a\x1b[31m\r\n", true), "a\x1b[31m\r\n");
    }
}
