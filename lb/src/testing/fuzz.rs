//! Fuzzing on stable Rust: unit tests that try mutations of a corpus for a limited time.
//!
//! `LB_FUZZ_SECONDS` limits the time of each run; `LB_FUZZ_SEED` is its first seed. With `LB_FUZZ_SECONDS=0` a run
//! tries this seed only, which reproduces a finding.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use super::mutate::case;
use super::variable::number;

/// Default duration of a run in seconds.
const SECONDS: u64 = 2;

/// Calls `check` with each input of the corpus, then with mutations of them until the time is over.
pub fn fuzz(corpus: &[Vec<u8>], mut check: impl FnMut(&[u8])) {
    let end = Instant::now() + Duration::from_secs(number("LB_FUZZ_SECONDS").unwrap_or(SECONDS));
    let first = number("LB_FUZZ_SEED").unwrap_or(0);
    for seed in first.. {
        let bytes = case(corpus, seed);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&bytes))) {
            eprintln!("found with LB_FUZZ_SEED={seed} LB_FUZZ_SECONDS=0: \"{}\"", bytes.escape_ascii());
            resume_unwind(panic);
        }
        if Instant::now() >= end {
            println!(
                "{} cases, {} of them mutated",
                seed - first + 1,
                (seed + 1).saturating_sub(corpus.len() as u64)
            );
            break;
        }
    }
}

/// Random positions, 0 and `length` among them, at which an input of this length is split into pieces.
pub fn cuts(length: usize, seed: u64) -> Vec<usize> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut cuts: Vec<_> = (0..rng.usize(0..8)).map(|_| rng.usize(..=length)).collect();
    cuts.extend([0, length]);
    cuts.sort_unstable();
    cuts
}
