//! Columns of a line of an access log.

/// Iterator over the columns of a line, separated by white space. `"A quoted part"` and `[a bracketed one]` are one
/// column each, without the quotes and brackets, as in the common and combined log formats. A backslash in a quoted part
/// escapes the next quote; it is not removed.
pub struct Columns<'a>(&'a [u8]);

impl<'a> Columns<'a> {
    /// Splits this line.
    pub fn of(line: &'a [u8]) -> Self {
        Self(line)
    }
}

impl<'a> Iterator for Columns<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.0.trim_ascii_start();
        let (opening, inner) = rest.split_first()?;
        let closed = match opening {
            b'"' => end_of_quotes(inner),
            b'[' => inner.iter().position(|byte| *byte == b']'),
            _ => None,
        };
        // An opening quote or bracket without its closing one has no special meaning.
        let (column, rest) = match closed {
            Some(end) => (&inner[..end], &inner[end + 1..]),
            None => rest.split_at(rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len())),
        };
        self.0 = rest;
        Some(column)
    }
}

fn end_of_quotes(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    text.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(line: &str) -> Vec<&str> {
        Columns::of(line.as_bytes()).map(|column| str::from_utf8(column).unwrap()).collect()
    }

    #[test]
    fn a_combined_log_has_nine_columns() {
        let line = r#"192.0.2.7 - frank [10/Oct/2000:13:55:36 -0700] "GET /a?id=1 HTTP/1.0" 200 2326 "-" "Mo \"x\" 5""#;
        let expected = [
            "192.0.2.7",
            "-",
            "frank",
            "10/Oct/2000:13:55:36 -0700",
            "GET /a?id=1 HTTP/1.0",
            "200",
            "2326",
            "-",
            r#"Mo \"x\" 5"#,
        ];
        assert_eq!(columns(line), expected);
    }

    #[test]
    fn an_unclosed_quote_or_bracket_is_a_plain_column() {
        assert_eq!(columns(r#"a "b c"#), ["a", "\"b", "c"]);
        assert_eq!(columns("[b c"), ["[b", "c"]);
        assert_eq!(columns(" \t a  b\t"), ["a", "b"]);
        assert_eq!(columns(r#""" []x "\\" y"#), ["", "", "x", r"\\", "y"]);
        assert_eq!(columns(" "), [""; 0]);
    }
}
