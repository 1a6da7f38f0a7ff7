//! A hash of the client's address: three octets of IPv4, all of IPv6.

use std::net::IpAddr;

use super::{Endpoints, TURNS, Tried, round_robin};

/// Where hashing begins.
const SEED: u32 = 89;

/// The endpoint of the client's network.
pub(super) fn choose(endpoints: &Endpoints, tried: &mut Tried, now: i64) -> Option<usize> {
    let list = endpoints.list(tried.backup);
    if list.total_weight > 0 {
        while tried.turns <= TURNS {
            let hash = next(tried.hash.unwrap_or(SEED), tried.client);
            tried.hash = Some(hash);
            if let Some((index, peer)) = list.at_weight(u64::from(hash) % list.total_weight)
                && !tried.has(index)
                && peer.usable(now)
            {
                peer.probe(now);
                tried.mark(index);
                return Some(index);
            }
            tried.turns += 1;
        }
    }
    round_robin::choose(endpoints, tried, now)
}

/// Goes on hashing with the address.
pub(super) fn next(hash: u32, client: Option<IpAddr>) -> u32 {
    let mix = |octets: &[u8]| octets.iter().fold(hash, |hash, &octet| (hash * 113 + u32::from(octet)) % 6271);
    match client {
        Some(IpAddr::V4(ip)) => mix(&ip.octets()[..3]),
        Some(IpAddr::V6(ip)) => mix(&ip.octets()),
        None => mix(&[0; 3]),
    }
}
