//! Tests of the request parser: accepted and rejected heads, with the same result for every split of the bytes.

use std::num::NonZeroU64;

use proptest::prelude::*;

use super::*;
use crate::http1::fields::FieldValues;
use crate::http1::known::Known;

const LIMITS: Limits = Limits { fields: 16 * 1024, target: 8 * 1024 };

/// Parses `text` and checks that every split in two gives the same result.
fn read(text: &str) -> Result<Option<Head>, Rejection> {
    let bytes = text.as_bytes();
    let whole = super::read(&mut BytesMut::from(bytes), &mut Scan::default(), LIMITS);
    for at in (0..bytes.len()).filter(|at| *at < 300 || at % 97 == 0) {
        let (mut input, mut scan) = (BytesMut::from(&bytes[..at]), Scan::default());
        let mut split = super::read(&mut input, &mut scan, LIMITS);
        if let Ok(None) = split {
            input.extend_from_slice(&bytes[at..]);
            split = super::read(&mut input, &mut scan, LIMITS);
        }
        assert_eq!(split.as_ref().err(), whole.as_ref().err(), "split at {at}: {text:?}");
    }
    whole
}

fn head(fields: &str) -> Result<Head, Rejection> {
    read(&format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n")).map(Option::unwrap)
}

fn accepted(fields: &str) -> Head {
    head(fields).unwrap_or_else(|rejection| panic!("{fields:?}: {rejection}"))
}

fn malformed(text: &str) {
    assert!(matches!(read(text), Err(Malformed(_))), "{text:?}");
}

#[test]
fn framing_follows_rfc_9112() {
    let five = NonZeroU64::new(5).unwrap();
    for (fields, framing) in [
        ("", Framing::None),
        ("Content-Length: 5\r\n", Framing::Length(five)),
        ("content-length:\t005 \r\n", Framing::Length(five)),
        ("Content-Length: 0\r\n", Framing::None),
        ("Content-Length: 000\r\n", Framing::None),
        ("Transfer-Encoding: Chunked\r\n", Framing::Chunked),
    ] {
        assert_eq!(accepted(fields).framing, framing, "{fields:?}");
    }
}

#[test]
fn a_request_of_length_zero_has_no_body() {
    for method in ["GET", "HEAD", "TRACE", "OPTIONS", "POST", "DELETE"] {
        let fields = "Host: h\r\nContent-Length: 0\r\nConnection: upgrade\r\nUpgrade: x\r\n";
        let head = read(&format!("{method} / HTTP/1.1\r\n{fields}\r\n")).unwrap().unwrap();
        assert_eq!((head.framing, head.upgrade), (Framing::None, method != "HEAD"), "{method}");
        assert_eq!(head.fields.text("content-length"), Some("0"), "the field is passed on");
        let old = read(&format!("{method} / HTTP/1.0\r\n{fields}\r\n")).unwrap().unwrap();
        assert_eq!((old.framing, old.upgrade), (Framing::None, false), "{method}");
        assert!(!old.fields.has(Known::Upgrade), "{method}");
    }
}

#[test]
fn ambiguous_framing_is_malformed() {
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 0\r\nContent-Length: 0\r\n",
        "Content-Length: 0, 0\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5;\r\n",
        "Content-Length:\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer_Encoding: chunked\r\n",
        "Content_Length: 5\r\n",
        "Content.Length: 5\r\n",
        "ContentLength: 5\r\n",
        "Content8Length: 5\r\n",
        "Content-Lengt!: 5\r\n",
        "Transfer8Encodin%: chunked\r\n",
        "Transfer8Encoding: chunked\r\n",
        "_Transfer--Encoding: chunked\r\n",
    ] {
        assert!(matches!(head(fields), Err(Malformed(_))), "{fields:?}");
    }
    malformed("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
    for method in ["GET", "HEAD", "TRACE"] {
        malformed(&format!("{method} / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n"));
        malformed(&format!("{method} / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"));
    }
    accepted("X-Content-Length: 5\r\nContent-Lengths: 7\r\nTransfer-Encodings: x\r\n");
    accepted(
        "Content-Type: a\r\nContent-Language: b\r\nContent-Location: c\r\nContent-L: d\r\nTE: trailers\r\n",
    );
}

#[test]
fn invalid_fields_are_malformed() {
    for field in [
        " X: folded start",
        "X : y",
        "X\t: y",
        ": y",
        "no colon",
        "X\0: y",
        "X(: y",
        "X\": y",
        "X\u{e9}: y",
        "X: a\0b",
        "X: a\rb",
        "X: a\r",
        "X: \u{c}a",
        "X: a\u{7}b",
        "X: a\u{7f}b",
        "X: a\r\n folded",
        "X: a\r\n\tfolded",
        "X: a\nY: b",
        "X: a\r\n\n",
    ] {
        assert!(matches!(head(&format!("{field}\r\n")), Err(Malformed(_))), "{field:?}");
    }
    let head = accepted("X:  a \"b\" \t\u{e9} \r\nX:\r\n!#$%&'*+-.^_`|~9z: 1\r\n");
    let values: Vec<_> = head.fields.values("x").collect();
    assert_eq!(values, ["a \"b\" \t\u{e9}".as_bytes(), b""]);
    assert_eq!(head.fields.count(), 4);
}

#[test]
fn lines_end_with_carriage_return_and_line_feed() {
    malformed("GET / HTTP/1.1\nHost: h\r\n\r\n");
    malformed("GET / HTTP/1.1\r\nHost: h\n\r\n");
    malformed("GET / HTTP/1.1\r\nHost: h\r\n\n");
    malformed("\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
    malformed("GET / HTTP/1.1\rHost: h\r\n\r\n");
    assert!(read("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap().is_some());
    assert!(read("\r\n\r\n\r").unwrap().is_none());
}

#[test]
fn there_is_one_host_and_the_authority_of_the_target_replaces_it() {
    malformed("GET / HTTP/1.1\r\n\r\n");
    for host in ["", "a b", "u@h", "a,b/", "h:x", "[::1", "h\u{e9}"] {
        malformed(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        malformed(&format!("GET / HTTP/1.0\r\nHost: {host}\r\n\r\n"));
    }
    malformed("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n");
    malformed("GET http://a/ HTTP/1.1\r\n\r\n");
    let host = |text: &str| {
        let head = read(text).unwrap().unwrap();
        let hosts: Vec<_> = head.fields.all(Known::Host).map(<[u8]>::to_vec).collect();
        (hosts, head.target.to_string())
    };
    let (hosts, target) = host("GET http://a:1/x HTTP/1.1\r\nHost: b\r\n\r\n");
    assert_eq!((hosts, target.as_str()), (vec![b"a:1".to_vec()], "/x"));
    assert_eq!(host("GET / HTTP/1.0\r\n\r\n").0, [] as [Vec<u8>; 0]);
}

#[test]
fn keep_alive_follows_the_version_and_the_connection_field() {
    for (version, connection, kept) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: x, Close\r\n", false),
        ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let head = read(&format!("GET / HTTP/{version}\r\nHost: h\r\n{connection}\r\n")).unwrap().unwrap();
        assert_eq!(head.keep_alive, kept, "{version} {connection:?}");
    }
}

#[test]
fn an_upgrade_is_offered_only_where_it_is_possible() {
    let offer = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n";
    assert!(accepted(offer).upgrade);
    let chunked = format!("POST / HTTP/1.1\r\nHost: h\r\n{offer}Transfer-Encoding: chunked\r\n\r\n");
    for with_body in [chunked.replace("Transfer-Encoding: chunked", "Content-Length: 3"), chunked] {
        assert!(read(&with_body).unwrap().unwrap().upgrade, "{with_body:?}");
    }
    for fields in [
        "Upgrade: websocket\r\n".to_owned(),
        "Connection: upgrade\r\n".to_owned(),
        format!("{offer}Connection: close\r\n"),
    ] {
        let head = accepted(&fields);
        assert!(!head.upgrade && !head.fields.has(Known::Upgrade), "{fields:?}");
    }
    let head = read(&format!("HEAD / HTTP/1.1\r\nHost: h\r\n{offer}\r\n")).unwrap().unwrap();
    assert!(!head.upgrade);
    let old = read(&format!("GET / HTTP/1.0\r\n{offer}\r\n")).unwrap().unwrap();
    assert!(!old.upgrade && !old.fields.has(Known::Upgrade));
}

#[test]
fn only_100_continue_can_be_expected() {
    assert!(accepted("Expect: 100-Continue\r\n").expects_continue);
    assert!(!accepted("").expects_continue);
    for value in ["", "x", "100-continue, x", "100-continue;a"] {
        assert_eq!(head(&format!("Expect: {value}\r\n")).err(), Some(Rejection::Expectation), "{value:?}");
    }
    assert!(!read("GET / HTTP/1.0\r\nExpect: x\r\n\r\n").unwrap().unwrap().expects_continue);
}

#[test]
fn size_limits_are_exact_to_the_byte() {
    let padded = |n: usize| format!("X: {}\r\n", "x".repeat(n - "Host: h\r\nX: \r\n\r\n".len()));
    accepted(&padded(LIMITS.fields));
    let too_large = Rejection::HeaderTooLarge(LIMITS.fields);
    assert_eq!(head(&padded(LIMITS.fields + 1)).err(), Some(too_large.clone()));
    let endless = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(LIMITS.fields));
    assert_eq!(read(&endless).err(), Some(too_large));

    accepted(&"X: y\r\n".repeat(MAX_FIELDS - 1));
    assert_eq!(head(&"X: y\r\n".repeat(MAX_FIELDS)).err(), Some(Rejection::TooManyFields(MAX_FIELDS)));

    let too_long = Some(Rejection::TargetTooLong(LIMITS.target));
    let get = |n: usize| format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(n - 1));
    assert!(read(&get(LIMITS.target)).is_ok());
    assert_eq!(read(&get(LIMITS.target + 1)).err(), too_long);
    assert_eq!(read(&format!("GET /{}", "x".repeat(LIMITS.target + 100))).err(), too_long);
    let method = "M".repeat(LIMITS.target + 100_000);
    let rejections =
        [read(&method), read(&format!("{method} / HTTP/1.1\r\nHost: h\r\n\r\n"))].map(Result::err);
    assert_eq!(rejections, [const { Some(Rejection::Malformed("the method is too long")) }; 2]);
}

#[test]
fn a_field_name_may_be_as_long_as_the_limit() {
    let limits = Limits { fields: 1 << 20, target: 100 };
    for n in [65_535, 65_536, 100_000] {
        let mut input =
            BytesMut::from(&*format!("GET / HTTP/1.1\r\nHost: h\r\n{}: x\r\n\r\n", "n".repeat(n)));
        let head = super::read(&mut input, &mut Scan::default(), limits).unwrap().unwrap();
        assert_eq!(head.fields.value(&"N".repeat(n)), Some(&b"x"[..]));
    }
}

proptest! {
    /// Any bytes give a result that does not depend on the split, and the bytes after the head stay in the input.
    #[test]
    fn the_result_for_any_bytes_does_not_depend_on_the_split(
        bytes in proptest::collection::vec(
            proptest::sample::select(vec![
                "GET / HTTP/1.1\r\n", "Host: h\r\n", "\r\n", "Content-Length: 3\r\n", "\n", "\r", ":", " ", "\0",
                "Transfer-Encoding: chunked\r\n", "\u{ff}", "a", "http://h", "/?#",
            ]),
            0..12,
        ),
        at in 0..200_usize,
    ) {
        let bytes = bytes.concat().into_bytes();
        let mut input = BytesMut::from(&bytes[..]);
        let whole = super::read(&mut input, &mut Scan::default(), LIMITS);
        let at = at.min(bytes.len());
        let (mut split, mut scan) = (BytesMut::from(&bytes[..at]), Scan::default());
        match super::read(&mut split, &mut scan, LIMITS) {
            Ok(None) => {
                split.extend_from_slice(&bytes[at..]);
                let late = super::read(&mut split, &mut scan, LIMITS);
                prop_assert_eq!(late.as_ref().err(), whole.as_ref().err());
                prop_assert_eq!(late.is_ok_and(|head| head.is_some()), whole.as_ref().is_ok_and(|head| head.is_some()));
                if let Ok(Some(_)) = whole { prop_assert_eq!(split, input) }
            }
            early => prop_assert_eq!(early.err(), whole.err()),
        }
    }
}
