//! Cost of counting a request among the hot keys.

use divan::{Bencher, black_box};
use lb::balance::SpaceSaving;
use lb::proxy::redaction::{KeyRedactor, LogKey};

fn main() {
    divan::main();
}

/// A key with a counter: the usual case with hot keys.
#[divan::bench(args = [1, 256])]
fn existing_key(bencher: Bencher, keys: u64) {
    let mut sketch = SpaceSaving::<Vec<u8>>::new(256);
    let mut next = 0;
    bencher.bench_local(|| {
        next = (next + 1) % keys;
        sketch.offer(black_box(next), |_| {});
    });
}

/// A new key: the worst case, and the usual one if every request has a different key.
#[divan::bench]
fn new_key(bencher: Bencher) {
    let form = KeyRedactor::new(LogKey::Plain);
    let mut sketch = SpaceSaving::<Vec<u8>>::new(256);
    let mut next = 0u64;
    bencher.bench_local(|| {
        next += 1;
        let key = next.to_be_bytes();
        sketch.offer(form.identify(black_box(&key)), |label| {
            label.clear();
            label.extend_from_slice(&key);
        });
    });
}
