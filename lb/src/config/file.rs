//! The TOML file: one key for each setting; only `weights` may be a table.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::exit::Exit;
use super::layers::{Origin, Setting};

/// The keys that a file may have.
pub(super) struct Keys {
    /// The names of all settings.
    pub names: Vec<String>,
    /// The settings that may be arrays.
    pub lists: Vec<String>,
}

/// The settings that may be tables: `weights = { 1 = 200 }`.
const TABLES: [&str; 1] = ["weights"];

/// The largest file in bytes.
const MAX_FILE_SIZE: u64 = 1 << 20;

/// Reads the settings of a file. A key that is none of `keys` is an error.
pub(super) fn read(path: &str, keys: &Keys) -> Result<BTreeMap<String, Setting>, Exit> {
    let text = text(path).map_err(|error| Exit::bad(format!("{path}: not readable: {error}")))?;
    parse(path, &text, keys)
}

fn text(path: &str) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_FILE_SIZE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE_SIZE {
        return Err(io::Error::other(format!("it is larger than {MAX_FILE_SIZE} bytes")));
    }
    Ok(text)
}

fn parse(path: &str, text: &str, keys: &Keys) -> Result<BTreeMap<String, Setting>, Exit> {
    let line = |at: usize| 1 + text.bytes().take(at).filter(|&byte| byte == b'\n').count();
    let bad = |at: usize, reason: &str| Exit::bad(format!("{path} line {}: {reason}", line(at)));

    let table = DeTable::parse(text)
        .map_err(|error| bad(error.span().map_or(0, |span| span.start), error.message()))?;
    let mut settings = BTreeMap::new();
    for (key, value) in table.get_ref() {
        let (name, at) = (key.get_ref().as_ref(), key.span().start);
        if !keys.names.iter().any(|known| known == name) {
            return Err(bad(at, &unknown(name, &keys.names)));
        }
        let text =
            one_text(name, value, keys).map_err(|reason| bad(at, &format!("key '{name}': {reason}")))?;
        let origin = Origin::File { path: path.to_owned(), line: line(at) };
        settings.insert(name.to_owned(), Setting { text, origin });
    }
    Ok(settings)
}

fn one_text(name: &str, value: &Spanned<DeValue<'_>>, keys: &Keys) -> Result<String, &'static str> {
    match value.get_ref() {
        DeValue::Array(items) if keys.lists.iter().any(|list| list == name) => {
            let texts = items.iter().map(scalar).collect::<Option<Vec<_>>>();
            Ok(texts.ok_or("must be an array of strings")?.join(","))
        }
        DeValue::Array(_) => Err("must be one value, not an array"),
        DeValue::Table(entries) if TABLES.contains(&name) => {
            let texts =
                entries.iter().map(|(seat, weight)| Some(format!("{}={}", seat.get_ref(), scalar(weight)?)));
            let texts = texts.collect::<Option<Vec<_>>>();
            Ok(texts.ok_or("must be a table of numbers")?.join(","))
        }
        _ => scalar(value).ok_or("must be a string, a number or a boolean"),
    }
}

fn scalar(value: &Spanned<DeValue<'_>>) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(on) => Some(on.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

fn unknown(name: &str, names: &[String]) -> String {
    let alike = |known: &&String| strsim::jaro_winkler(name, known);
    let nearest = names.iter().max_by(|a, b| alike(a).total_cmp(&alike(b)));
    match nearest.filter(|known| alike(known) > 0.8) {
        Some(known) => format!("unknown key '{name}', did you mean '{known}'?"),
        None => format!("unknown key '{name}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<(String, String)>, String> {
        let names = ["key", "upstream", "retries", "slot-cap", "strict-rm", "weights"];
        let lists = ["key", "upstream", "weights"].map(str::to_owned).to_vec();
        let keys = Keys { names: names.map(str::to_owned).to_vec(), lists };
        let settings = parse("lb.toml", text, &keys).map_err(|exit| exit.text)?;
        Ok(settings.into_iter().map(|(name, setting)| (name, setting.text)).collect())
    }

    #[test]
    fn values_become_texts() {
        let text = "retries = 1_0\nslot-cap = 1.10\nstrict-rm = true\nkey = ['path', 'random']\n\
                    upstream = [\n  'a:1', # first\n  'b:2',\n]\n";
        let expected = [
            ("key", "path,random"),
            ("retries", "10"),
            ("slot-cap", "1.10"),
            ("strict-rm", "true"),
            ("upstream", "a:1,b:2"),
        ];
        assert_eq!(parsed(text), Ok(expected.map(|(name, text)| (name.into(), text.into())).to_vec()));
    }

    #[test]
    fn weights_are_a_table_or_a_list() {
        let expected = Ok(vec![("weights".to_owned(), "1=200,3=50".to_owned())]);
        for text in
            ["weights = { 1 = 200, 3 = 50 }", "[weights]\n1 = 200\n3 = '50'", "weights = ['1=200', '3=50']"]
        {
            assert_eq!(parsed(text), expected, "{text}");
        }
    }

    #[test]
    fn an_error_names_line_and_key() {
        for (text, error) in [
            ("\nretrys = 2", "lb.toml line 2: unknown key 'retrys', did you mean 'retries'?"),
            ("[table]\nx = 1", "lb.toml line 1: unknown key 'table'"),
            ("\nweights = { 1 = [2] }", "lb.toml line 2: key 'weights': must be a table of numbers"),
            ("retries = [1, 2]", "lb.toml line 1: key 'retries': must be one value, not an array"),
            ("#\n\nretries.x = 1", "lb.toml line 3: key 'retries': must be a string, a number or a boolean"),
            ("upstream = [[1]]", "lb.toml line 1: key 'upstream': must be an array of strings"),
            (
                "retries = 1979-05-27",
                "lb.toml line 1: key 'retries': must be a string, a number or a boolean",
            ),
        ] {
            assert_eq!(parsed(text), Err(error.into()), "{text:?}");
        }
        for (text, start) in
            [("retries = 1\nretries = 2", "lb.toml line 2: "), ("retries = \nkey = ''", "lb.toml line 1: ")]
        {
            let error = parsed(text).unwrap_err();
            assert!(error.starts_with(start) && error.lines().count() == 1, "{error}");
        }
    }
}
