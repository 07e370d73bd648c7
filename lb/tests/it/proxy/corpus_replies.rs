//! Every reply of the corpus, sent by a replica: the client gets valid HTTP or a closed connection, and the next request
//! is served.

use std::sync::Arc;

use crate::support::Balancer;
use crate::support::origin::{OK, Origin};
use crate::support::strict::{Reply, read};
use crate::support::wire::Wire;

/// Replies from the tests of other projects; see `tests/corpora/README.md`.
fn corpus() -> Arc<Vec<(String, Vec<u8>)>> {
    let vector = |line: &str| {
        let vector: serde_json::Value = serde_json::from_str(line).unwrap();
        let bytes = vector["reply"].as_str().unwrap().chars().map(|byte| u8::try_from(byte as u32).unwrap());
        (vector["id"].as_str().unwrap().to_owned(), bytes.collect())
    };
    let vectors: Vec<_> = include_str!("../../corpora/replies.jsonl").lines().map(vector).collect();
    assert_eq!(vectors.len(), 754);
    Arc::new(vectors)
}

/// A replica that sends the N-th reply: for /N it closes the connection, for /N/open it keeps it. Any other path gets an
/// ordinary reply.
fn replica(corpus: &Arc<Vec<(String, Vec<u8>)>>) -> (Origin, Balancer) {
    let vectors = corpus.clone();
    let origin = Origin::new(move |peer| {
        loop {
            let line = peer.request()?.line().to_owned();
            let mut path = line.split(['/', ' ']).skip(2);
            let vector = path.next()?.parse::<usize>().ok().map(|number| &vectors[number].1[..]);
            peer.wire.send(vector.unwrap_or(OK.as_bytes()));
            if vector.is_some() && path.next() != Some("open") {
                return None;
            }
        }
    });
    let lb = Origin::balanced(&[&origin], &["--retries", "0", "--workers", "1"]);
    (origin, lb)
}

/// Whether an ordinary request on this connection gets its reply.
fn is_served(client: &mut Wire) -> bool {
    client.send("GET /ordinary HTTP/1.1\r\nHost: h\r\n\r\n");
    client.reply().is_some_and(|reply| (reply.status(), reply.text()) == (200, "ok"))
}

#[track_caller]
fn assert_none(failed: &[String]) {
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn clients_get_valid_http_or_a_closed_connection_for_every_reply() {
    let corpus = corpus();
    let (_origin, lb) = replica(&corpus);
    let (mut failed, mut whole) = (Vec::new(), 0);
    for (number, (id, vector)) in corpus.iter().enumerate() {
        let mut client = Wire::connect(lb.traffic);
        client.send(format!("GET /{number} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
        let got = client.read_until_end();
        match (read(vector), read(&got)) {
            (_, Reply::Refused(why)) => failed.push(format!("{id}: the client got {why}")),
            (_, Reply::Whole { length, .. }) if length < got.len() => {
                failed.push(format!("{id}: the client got more than the reply"));
            }
            (Reply::Whole { .. }, Reply::Cut) => failed.push(format!("{id}: a good reply was cut")),
            (Reply::Whole { status, body, .. }, Reply::Whole { status: passed, body: same, .. }) => {
                whole += 1;
                if (status, body) != (passed, same) {
                    failed.push(format!("{id}: the client got another reply ({passed})"));
                }
            }
            (Reply::Cut | Reply::Refused(_), _) => {}
        }
        if !is_served(&mut Wire::connect(lb.traffic)) {
            failed.push(format!("{id}: the next request failed"));
        }
    }
    assert_none(&failed);
    assert!(whole > 500, "most of the corpus is good: {whole}");
}

#[test]
fn bytes_after_a_reply_are_discarded() {
    let corpus = corpus();
    let (_origin, lb) = replica(&corpus);
    let (mut failed, mut client, mut more) = (Vec::new(), Wire::connect(lb.traffic), 0);
    for (number, (id, vector)) in corpus.iter().enumerate() {
        let Reply::Whole { status, hints, length, until_close: false, .. } = read(vector) else { continue };
        more += usize::from(length < vector.len());
        client.send(format!("GET /{number}/open HTTP/1.1\r\nHost: h\r\n\r\n"));
        for _ in 0..hints {
            client.head().unwrap();
        }
        if client.reply().is_none_or(|reply| reply.status() != status) || !is_served(&mut client) {
            failed.push(format!("{id} on a kept connection"));
            client = Wire::connect(lb.traffic);
        }
    }
    assert_none(&failed);
    assert!(more > 10, "some replies have bytes behind them: {more}");
}
