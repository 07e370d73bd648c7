//! X-Request-Id: kept, or made when the request's key has been read: a made one must not decide where it goes.

use awc::http::header::{HeaderMap, HeaderName, HeaderValue};

pub(crate) static NAME: HeaderName = HeaderName::from_static("x-request-id");

/// Gives a request that has no X-Request-Id, or an empty one, 128 random bits in hexadecimal; whether it did.
pub(crate) fn identify(headers: &mut HeaderMap, rng: &mut fastrand::Rng) -> bool {
    if headers.get(&NAME).is_some_and(|id| !id.is_empty()) {
        return false;
    }
    let bits = rng.u128(..);
    // Not by `format!`: half of what a whole field costs, for every request.
    let digits: [u8; 32] = std::array::from_fn(|at| b"0123456789abcdef"[(bits >> (4 * at)) as usize & 15]);
    if let Ok(id) = HeaderValue::from_bytes(&digits) {
        headers.insert(NAME.clone(), id);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_kept_or_made() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut id = |given: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            given.map(|id| headers.insert(NAME.clone(), HeaderValue::from_static(id)));
            identify(&mut headers, &mut rng);
            headers.get(&NAME).unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(id(Some("mine")), "mine");
        let made = [id(None), id(Some("")), id(None)];
        assert!(made.iter().all(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())));
        assert!(made[0] != made[1] && made[1] != made[2]);
    }
}
