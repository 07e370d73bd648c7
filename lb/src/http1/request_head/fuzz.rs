//! Fuzzing of the request parser: the result does not depend on how the bytes are split, and accepted requests are
//! unambiguous to an independent analyser.

use http_desync_guardian::RequestSafetyTier;
use http_desync_guardian::request_analyzer::HttpRequestData;

use super::*;
use crate::testing::corpus;
use crate::testing::fuzz::{cuts, fuzz};

const LIMITS: Limits = Limits { fields: 16 * 1024, target: 8 * 1024 };

#[test]
fn an_accepted_head_is_unambiguous() {
    let corpus: Vec<_> = corpus::requests().into_iter().map(|(_, request)| request).collect();
    let mut passed = 0;
    fuzz(&corpus, |bytes| {
        let whole = read_in(&[bytes]);
        let cuts = cuts(bytes.len(), bytes.len() as u64);
        let pieces: Vec<_> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
        match (&whole, read_in(&pieces)) {
            (Ok(whole), Ok(in_pieces)) => assert_eq!(*whole, in_pieces),
            // The errors may differ: with all bytes at once a later one may be found first.
            (Err(_), Err(_)) => {}
            (whole, in_pieces) => panic!("{whole:?} is {in_pieces:?} in pieces"),
        }
        if let Ok(Some(head)) = whole {
            let analysis = HttpRequestData::analyze_raw_request(&head);
            let shown = head.escape_ascii();
            assert!(analysis.tier <= RequestSafetyTier::Acceptable, "{:?} {shown}", analysis.reason);
            passed += 1;
        }
    });
    assert!(passed > 0 || std::env::var_os("LB_FUZZ_SEED").is_some());
}

/// Parses a head that arrives in pieces, and serialises it with its fields sorted.
fn read_in(pieces: &[&[u8]]) -> Result<Option<Vec<u8>>, Rejection> {
    let (mut input, mut scan) = (BytesMut::new(), Scan::default());
    for piece in pieces {
        input.extend_from_slice(piece);
        if let Some(head) = read(&mut input, &mut scan, LIMITS)? {
            let field = |(name, value): (&[u8], &[u8])| [name, b": ", value, b"\r\n"].concat();
            let mut lines: Vec<_> = head.fields.iter().map(field).collect();
            lines.sort_unstable();
            let first = format!("{} {} {:?}\r\n", head.method, head.target, head.version);
            return Ok(Some([first.as_bytes(), &lines.concat(), b"\r\n"].concat()));
        }
    }
    Ok(None)
}
