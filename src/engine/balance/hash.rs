//! CRC-32 of a key over the weights, as `Cache::Memcached` does it; hashed again when the endpoint cannot be used.

use std::io::Write as _;

use super::{Endpoints, TURNS, Tried, round_robin};

/// The endpoint of the key.
pub(super) fn choose(endpoints: &Endpoints, tried: &mut Tried, now: i64) -> Option<usize> {
    let list = endpoints.list(tried.backup);
    let key = tried.key.take().unwrap_or_default();
    let mut found = None;
    if !key.is_empty() && list.total_weight > 0 {
        while tried.turns <= TURNS {
            let at = next(&key, &mut tried.rehash, tried.hash.unwrap_or(0));
            tried.hash = Some(at);
            if let Some((index, peer)) = list.at_weight(u64::from(at) % list.total_weight)
                && !tried.has(index)
                && peer.usable(now)
            {
                peer.probe(now);
                tried.mark(index);
                found = Some(index);
                break;
            }
            tried.turns += 1;
        }
    }
    tried.key = Some(key);
    found.or_else(|| round_robin::choose(endpoints, tried, now))
}

/// The sum of the hashes so far and the next one.
fn next(key: &[u8], rehash: &mut u32, sum: u32) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    if *rehash > 0 {
        let mut digits = [0; 10];
        let mut rest = &mut digits[..];
        let _ = write!(rest, "{rehash}");
        let length = 10 - rest.len();
        hasher.update(&digits[..length]);
    }
    hasher.update(key);
    *rehash += 1;
    sum.wrapping_add(hasher.finalize() >> 16 & 0x7fff)
}
