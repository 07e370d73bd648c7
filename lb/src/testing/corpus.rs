//! Test inputs of other projects, read from `lb/tests/corpora`.

use serde_json::Value;

/// Valid and invalid requests: the source of each, and its bytes.
pub fn requests() -> Vec<(String, Vec<u8>)> {
    let mut requests = load(include_str!("../../tests/corpora/requests.jsonl"), "request");
    for (id, field) in load(include_str!("../../tests/corpora/smuggling.jsonl"), "field") {
        requests.extend(ATTACKS.map(|(name, rest)| {
            let request = [b"POST / HTTP/1.1\r\n", field.as_slice(), b"Host: localhost\r\n", rest.as_bytes()];
            (format!("{id}/{name}"), request.concat())
        }));
    }
    requests
}

/// The `id` of each line, and the bytes of another field.
pub fn load(file: &str, field: &str) -> Vec<(String, Vec<u8>)> {
    let lines = file.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| (line["id"].as_str().unwrap().to_owned(), bytes(&line[field]))).collect()
}

/// A body after a disguised `Transfer-Encoding: chunked`: of two servers one sees a second request, or waits.
const ATTACKS: [(&str, &str); 3] = [
    ("CLTE", "Content-Length: 4\r\n\r\n1\r\nZ\r\n0\r\n\r\n"),
    ("CLTE-get", "Content-Length: 48\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("TECL", "Content-Length: 6\r\n\r\n0\r\n\r\nX"),
];

/// Decodes a text in which each character is a byte and long repetitions are abbreviated.
fn bytes(text: &Value) -> Vec<u8> {
    match text {
        Value::String(text) => text.chars().map(|c| u8::try_from(c).unwrap()).collect(),
        Value::Array(parts) => parts.iter().flat_map(bytes).collect(),
        part => bytes(&part["repeat"]).repeat(part["times"].as_u64().unwrap() as usize),
    }
}
