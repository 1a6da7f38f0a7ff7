//! Members by the hash of a key: each member has a score for a key, and the best one takes it, so that keys move only
//! when their own member goes or comes. Reference: Thaler and Ravishankar, "A Name-Based Mapping Scheme for Rendezvous",
//! weighted by the logarithm of a uniform number.

use crate::ir::Member;

/// The score of a member for a key.
pub(super) fn score(key: &[u8], member: &Member, factor: u32) -> f64 {
    let name = if member.route.is_empty() { &member.url } else { &member.route };
    // FNV-1a, then the finalizer of SplitMix64, whose bits are even.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in name.iter().chain(b"\0").chain(key) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    let uniform = ((hash >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    -f64::from(factor) / uniform.ln()
}
