//! Bodies that follow from an id: whoever knows the id can check every byte.

/// The bytes of a request's small body.
pub const REQUEST: usize = 64;

/// The body of a reply to the request with this id.
pub fn reply(id: u64, size: usize) -> Vec<u8> {
    bytes(id, size)
}

/// The body of a POST with this id.
pub fn request(id: u64) -> Vec<u8> {
    bytes(!id, REQUEST)
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
    fn an_id_fixes_its_bodies_and_no_others() {
        assert_eq!(reply(7, 100), reply(7, 100));
        assert_ne!(reply(7, 100), reply(8, 100));
        assert_ne!(request(7), reply(7, REQUEST));
    }
}
