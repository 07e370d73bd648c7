//! X-Request-Id: kept, or generated after the request key was read, so that it does not affect routing.

use crate::http1::fields::Fields;
use crate::http1::known::Known;

/// Adds an X-Request-Id of 128 random bits in hexadecimal if it is absent or empty; returns whether it did.
pub(crate) fn ensure_request_id(fields: &mut Fields, rng: &mut fastrand::Rng) -> bool {
    if fields.get(Known::XRequestId).is_some_and(|id| !id.is_empty()) {
        return false;
    }
    let bits = rng.u128(..);
    // Without `format!`, which would cost half as much as a whole header field, for every request.
    let digits: [u8; 32] = std::array::from_fn(|at| b"0123456789abcdef"[(bits >> (4 * at)) as usize & 15]);
    fields.set(Known::XRequestId, &digits);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::fields::FieldValues;

    #[test]
    fn an_id_is_kept_or_generated() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut id = |given: Option<&'static str>| {
            let mut fields = Fields::default();
            given.inspect(|id| fields.add(Known::XRequestId, id.as_bytes()));
            ensure_request_id(&mut fields, &mut rng);
            fields.text("x-request-id").unwrap().to_owned()
        };
        assert_eq!(id(Some("given")), "given");
        let generated = [id(None), id(Some("")), id(None)];
        assert!(generated.iter().all(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())));
        assert!(generated[0] != generated[1] && generated[1] != generated[2]);
    }
}
