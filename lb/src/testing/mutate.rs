//! Mutations of a corpus, each determined by its seed.

/// Byte sequences on which HTTP parsers tend to fail.
const TOKENS: [&[u8]; 32] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b"=",
    b"\0",
    b"\x7f",
    b"\x85",
    b"\xff",
    b"0",
    b"-1",
    b"+1",
    b"0x",
    b"ffffffffffffffff",
    b"18446744073709551616",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"HTTP/2.0",
    b"Content-Length: 5\r\n",
    b"Content-Length: 6\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"chunked",
    b"identity",
    b"Connection: close\r\n",
    b"Host: other\r\n",
    b"0\r\n\r\n",
    b"5\r\nhello\r\n",
];

/// The case of a seed. The first seeds are the corpus itself.
pub fn case(corpus: &[Vec<u8>], seed: u64) -> Vec<u8> {
    if let Some(bytes) = usize::try_from(seed).ok().and_then(|n| corpus.get(n)) {
        return bytes.clone();
    }
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut bytes = corpus[rng.usize(..corpus.len())].clone();
    for _ in 0..rng.usize(1..6) {
        mutate(&mut bytes, &corpus[rng.usize(..corpus.len())], &mut rng);
    }
    bytes
}

fn mutate(bytes: &mut Vec<u8>, other: &[u8], rng: &mut fastrand::Rng) {
    let (a, b) = (rng.usize(..=bytes.len()), rng.usize(..=bytes.len().min(32)));
    let (from, to) = (a, (a + b).min(bytes.len()));
    match rng.u8(..8) {
        0 if from < to => bytes[from] = rng.u8(..),
        1 if from < to => bytes[from] ^= 1 << rng.u8(..8),
        2 => drop(bytes.drain(from..to)),
        3 => {
            let again = bytes[from..to].to_vec();
            bytes.splice(from..from, again).for_each(drop);
        }
        4 => bytes.truncate(from),
        5 => {
            let at = rng.usize(..=other.len());
            bytes.splice(from..to, other[at..].iter().take(64).copied()).for_each(drop);
        }
        _ => {
            let token = TOKENS[rng.usize(..TOKENS.len())];
            bytes.splice(from..if rng.bool() { from } else { to }, token.iter().copied()).for_each(drop);
        }
    }
}
