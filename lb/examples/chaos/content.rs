//! Bodies derived from an id, so that the receiver can check every byte.

/// Length of a request body in bytes.
pub const REQUEST_BYTES: usize = 64;

/// The body of a reply to the request with this id.
pub fn reply(id: u64, size: usize) -> Vec<u8> {
    bytes(id, size)
}

/// The body of a POST with this id.
pub fn request(id: u64) -> Vec<u8> {
    bytes(!id, REQUEST_BYTES)
}

fn bytes(seed: u64, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_depend_on_the_id_and_the_direction() {
        assert_eq!(reply(7, 100), reply(7, 100));
        assert_ne!(reply(7, 100), reply(8, 100));
        assert_ne!(request(7), reply(7, REQUEST_BYTES));
    }
}
