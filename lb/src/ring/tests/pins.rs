//! Digests and maps of twenty seat sets per layout. They detect an accidental change of placement, which would move
//! the keys of a running fleet at its next upgrade.

use sha2::{Digest, Sha256};

use super::{seat, weight};
use crate::ring::{Layout, Ring};

/// Seats as `number*weight`.
type Set = &'static [(u32, u32)];

const SETS: [Set; 20] = [
    &[(1, 100)],
    &[(1, 100), (2, 100)],
    &[(1, 100), (2, 100), (3, 100)],
    &[(1, 100), (2, 100), (3, 100), (4, 100)],
    &[(1, 100), (2, 100), (3, 100), (4, 100), (5, 100)],
    &[(1, 100), (2, 100), (3, 100), (4, 100), (5, 100), (6, 100)],
    &[(1, 100), (3, 100)],
    &[(2, 100), (3, 100), (5, 100), (7, 100), (11, 100), (13, 100)],
    &[(1, 100), (2, 100), (4, 100), (8, 100), (16, 100), (32, 100), (64, 100)],
    &[(1000, 100), (2000, 100), (3000, 100)],
    &[(100_000, 100), (123_456, 100), (654_321, 100), (999_999, 100)],
    &[(4_294_967_295, 100), (1, 100)],
    &[(1, 50), (2, 100)],
    &[(1, 1), (2, 100), (3, 100)],
    &[(1, 1000), (2, 100), (3, 100)],
    &[(1, 1000), (2, 1000), (3, 1000)],
    &[(1, 10), (2, 20), (3, 30), (4, 40), (5, 50)],
    &[(1, 100), (2, 200), (3, 300), (4, 400), (5, 500)],
    &[(7, 33), (8, 66), (9, 99), (10, 101), (11, 150), (12, 999)],
    &[(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1), (7, 1), (8, 1), (9, 1), (10, 1)],
];

const DEFAULT: [(&str, &str); 20] = [
    ("5437ddbec9f17d68e4fdf2dc560302ed", "6323b30c3d5f9b89"),
    ("d83b3d231ab11c243da425c6f71145c4", "52b1e292f822e3cf"),
    ("7451535ca6c03b765aae21947c171cd3", "bd6b795df97bab24"),
    ("2b649cdfc0bab54008c3e469b3292484", "d5aa26d0eb3b029b"),
    ("222d02e2ac2f52d1bbef115df58d43f7", "a8609a715fb5a68d"),
    ("69862fabf9ccb2e907e6e1c9cb3cd466", "743a205f7371b29d"),
    ("9da1ea4197f6c9ccafcd9847d13e730e", "e4aed9d4719abef2"),
    ("6f973e83d02e8896a019bb50b71857aa", "d17ebe00c1fd29b9"),
    ("5dfcdada3ef9716a23f36468bcbc8715", "77db7d246e34b22a"),
    ("df4ca4ce67a6a85b5ba32b5640e0f92c", "12829bae076c5221"),
    ("ab45f0a40d026661bdf5ab30e83822d5", "fff99230390b1912"),
    ("978b54fabb5853fb869692db7b8ef7b1", "670768da88708799"),
    ("8547ac90fcaafafd7b1a2c794aeb90fe", "243faf1d01aae286"),
    ("8b3d1ebb270513b5c341b9b2fe7fad16", "cc76a56c4dce8c44"),
    ("f34a224f555d255af70f65bb094efca3", "a97c5dea9f107c66"),
    ("1b0a14c80ada6434c38083f4eadb3729", "0470286fee537e17"),
    ("ae8a02a697a3475cec31e8057b07dc33", "47ca8af595ccc645"),
    ("3a4ad05922d8ae27294a537418a43092", "951b27af1076c4e7"),
    ("ec6bf0f783c86c46cbd87b06a9200a06", "6eedd3cb94311678"),
    ("d3fe25f1c0509e54526dde664f201874", "a08205fba4a50188"),
];

const ASSIGNMENT: [(&str, &str); 20] = [
    ("575ac67e08cc83446f8e4595064badc5", "6323b30c3d5f9b89"),
    ("ed090b35a1fc5762e7862eae5d3e3d70", "6b5fce5ca14cc684"),
    ("93a68071475a6e327b44752566f87de1", "c93ec7d43cfdb16c"),
    ("1643cacc0a5298d95c24ddaaedb597b9", "577e7daafdf3b856"),
    ("1612931e666e9a513bb9e7d025a419af", "6f509a8e21841708"),
    ("6a1dbc9a46886ae15d93cf40fdeee557", "c3ebeab18931a8e1"),
    ("0257c46a0a98e3526df3ec3a5d69c0f5", "3895faf0a0d6d260"),
    ("c217593faa2c5fc4ed2b306209ac5252", "235321c290ee0487"),
    ("522157cb3f7300caadbc9e413f7faad8", "f4be912a1a021087"),
    ("fb4ef2e4f0df493ae0143cafc27c5eee", "d5dfb537ae3a4c21"),
    ("d16fa49cfe050f02bb3542f7a09b4f6d", "6c24f7ae667fccc9"),
    ("cbeda4c84c2ef07eab832aa953f3058a", "15570614c2d7e86d"),
    ("a9237d629049d2d49eb98c663090b61b", "9b61397a6ac10df9"),
    ("a513dd3310856b9e40ea3bb1f3163511", "401da9e158b3e54a"),
    ("676dab58a45b99b11f1422b028e77a7a", "40912e17abf79723"),
    ("f521fec5901d9ad50c4e6987f7904cd9", "f791ba33859fbb01"),
    ("12353aec0253e52471061b76acdb9c43", "ec5622e7fd6ae721"),
    ("cb4216db370d59745de4031901b323cf", "c1388f9bee207e54"),
    ("9cde5f3a4e6a15dff9a5e401ce38650b", "fcce0e42c6f50d92"),
    ("996a49c6654e13e25ebc2d68ffeedcf1", "d3813932cd88fab0"),
];

const RENDEZVOUS: [(&str, &str); 20] = [
    ("47dff733033ef4998a690a095b758e3c", "9635bc8b9a9ed53c"),
    ("2c6f1a76a0b2235e39928c11c5d48cec", "8fe6493c229dc7eb"),
    ("c80b73bfe6419a2114a8eff243091922", "f77c9b15d8a1098e"),
    ("aa053609d804205cd4d957087db86a52", "92941eda1507e90b"),
    ("9223050e7b05735ac3d446630194f456", "1571b601aac96afa"),
    ("c92aba95202caa69417309ba5824fbb3", "4775f286dc25ea2c"),
    ("12a3ba50ee764bde208584894ea90ff0", "d1223850c43c6479"),
    ("62ec1939fa07156a781023d924562c31", "fd6871e989bbb14e"),
    ("6c23106c41c5dc70db668f3ff70b1eaf", "6e39497df0276f93"),
    ("1bc2506aff217585e501123a8446c002", "3d6f80d43dd3a4dd"),
    ("fbde17aff940c2ac9f9622c774db3278", "8e9949fff0bf7d2f"),
    ("c979859ca2c2584e020818086c1fea0d", "0589fd93d2bac1a3"),
    ("258b702f39a4e45e014983fe38053e6d", "6a6909c7f8744fa1"),
    ("361b08df53e46fa33a220db722540ef1", "7da845723298482a"),
    ("2683f7ec8d6954f232f44d6b7d583d2a", "a53576dae0ad5831"),
    ("064975edd84d9420bf8788e0d1fde35c", "f77c9b15d8a1098e"),
    ("707f1bcb293a6d46cadf48d363a4709a", "e51f6ba494237dd4"),
    ("a7dfa68082d65ecf4358673fbe18b060", "e51f6ba494237dd4"),
    ("fe861d5cd7ace7356f32d1c286e22fc1", "b3628b69698d7cd7"),
    ("1024ca4911b5d96151f69198c8b5c2ee", "d0fab4504c9019c9"),
];

const MAGLEV: [(&str, &str); 20] = [
    ("009c004a3bec22ee9af8416a81771775", "9635bc8b9a9ed53c"),
    ("d46c3d0ad3c7c86ce5bd8282aea5dfde", "71836cbb700d2d4e"),
    ("c813bc40d62a9c2462016fe5ef6dd1f8", "ef4c748669e7a798"),
    ("6a0bc738280ff3b4079fda91cdd737a2", "4582423b63db56ee"),
    ("baf1d763f24830276c0569efebc15ff7", "0bb3ae33c4a4817c"),
    ("6e773d9e0bd340ea992dd0d5f7a920b7", "d58cb7d0c678d3d6"),
    ("28566cdf36f13cabe35b4579b89c6778", "7af0a5e793500ad4"),
    ("3b1b37b87855e44302862c4691e298bd", "f537519a972b0372"),
    ("88e58c3b68a1fb6782e31c878f1445d0", "a22d11e1ba2043d4"),
    ("f33d21fd8d0895973906402e82e26fee", "30bd6a13b49d5a11"),
    ("4b5bb03393503d570bfcb399bdecbc3f", "63a726cb7de1eeee"),
    ("63d7340ac3b2de46b8b94041f9cb11d4", "85cbe327c43c95a0"),
    ("5700820ba47dcdee1343f7d81c66bacd", "fadba27bc66d0df2"),
    ("6d74d99b0acf09e90730c2c2f5d92c9b", "2a5509e37b01f1ea"),
    ("64be4803829f681bddd59a5836f79304", "0577f189e522fa7d"),
    ("049704780653df18d1a6792c302f530a", "ef4c748669e7a798"),
    ("aa0e886a2c1a6de80ff105aa010f43f1", "aadc6606c0adab02"),
    ("8749191a5e6c6a1836223352e6721851", "aadc6606c0adab02"),
    ("2c0c791db805a60738aae95de0768898", "ebc5978757903cfa"),
    ("3c02e0ca1e1de8fa1bd50e6a8fd974eb", "c2fb1a236cd39503"),
];

/// For each set, the digest of the ring, and the SHA-256 (first 8 bytes) of the owners of slots 0, 1, 2 … as
/// little-endian `u32`.
fn pins(layout: Layout) -> Vec<(String, String)> {
    let pin = |set: &[(u32, u32)]| {
        let mut ring = Ring::new(layout);
        ring.join(&set.iter().map(|(n, w)| (seat(*n), weight(*w), None)).collect::<Vec<_>>()).unwrap();
        let owners = ring.slot_map().owners().flat_map(|(_, owner)| owner.get().to_le_bytes());
        let map = Sha256::digest(owners.collect::<Vec<_>>());
        (ring.digest(), map[..8].iter().map(|byte| format!("{byte:02x}")).collect())
    };
    SETS.into_iter().map(pin).collect()
}

fn assert_pinned(layout: Layout, expected: [(&str, &str); 20]) {
    for ((pin, expected), set) in pins(layout).iter().zip(expected).zip(SETS) {
        assert_eq!((pin.0.as_str(), pin.1.as_str()), expected, "{layout} {set:?}");
    }
}

#[test]
fn the_default_layout_is_unchanged() {
    assert_pinned(Layout::default(), DEFAULT);
}

#[test]
fn the_layout_of_the_assignment_is_unchanged() {
    assert_pinned(Layout::assignment(), ASSIGNMENT);
}

#[test]
fn rendezvous_is_unchanged() {
    assert_pinned(Layout::rendezvous(), RENDEZVOUS);
}

#[test]
fn maglev_is_unchanged() {
    assert_pinned(Layout::maglev(), MAGLEV);
}
