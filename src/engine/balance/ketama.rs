//! Consistent hashing: 160 points per unit of weight on a ring, as `Cache::Memcached::Fast` places them.

use super::{Endpoints, TURNS, Tried, peer::List, round_robin};
use crate::ir;

/// A point on the ring, and the line whose endpoints it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Point {
    pub(super) hash: u32,
    pub(super) server: usize,
}

/// The ring of these endpoints.
pub(super) fn ring(definition: &[ir::Endpoint], list: &List) -> Vec<Point> {
    let mut points = Vec::new();
    for peer in &list.peers {
        let Some(endpoint) = definition.get(peer.line) else { continue };
        let (host, port) = split(&endpoint.address);
        let mut base = crc32fast::Hasher::new();
        base.update(host);
        base.update(&[0]);
        base.update(port);
        let mut last = 0u32;
        for _ in 0..peer.weight * 160 {
            let mut hasher = base.clone();
            hasher.update(&last.to_le_bytes());
            last = hasher.finalize();
            points.push(Point { hash: last, server: peer.server });
        }
    }
    points.sort_by_key(|point| point.hash);
    points.dedup_by_key(|point| point.hash);
    points
}

/// Host and port of a server as written.
fn split(address: &[u8]) -> (&[u8], &[u8]) {
    if let Some((prefix, path)) = address.split_at_checked(5)
        && prefix.eq_ignore_ascii_case(b"unix:")
    {
        return (path, b"");
    }
    let digits = address.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (before, port) = address.split_at(address.len() - digits);
    match before {
        [host @ .., b':'] => (host, port),
        _ => (address, b""),
    }
}

/// The endpoint of the key: of the first point at or after its hash, going round.
pub(super) fn choose(endpoints: &Endpoints, tried: &mut Tried, now: i64) -> Option<usize> {
    let (list, ring) = (endpoints.list(tried.backup), &endpoints.ring);
    let key = tried.key.as_deref().unwrap_or_default();
    if key.is_empty() || ring.is_empty() {
        return round_robin::choose(endpoints, tried, now);
    }
    let first = || {
        let hash = crc32fast::hash(key);
        ring.partition_point(|point| point.hash < hash) as u32
    };
    let mut at = tried.hash.unwrap_or_else(first);
    while tried.turns <= TURNS {
        tried.hash = Some(at);
        let server = ring[at as usize % ring.len()].server;
        let of_server = |index: usize| {
            let peer = &list.peers[index];
            !tried.has(index) && peer.server == server && peer.usable(now)
        };
        if let Some(best) =
            round_robin::best_of(list, (0..list.peers.len()).filter(|&index| of_server(index)), now)
        {
            list.peers[best].probe(now);
            tried.mark(best);
            return Some(best);
        }
        at += 1;
        tried.turns += 1;
    }
    round_robin::choose(endpoints, tried, now)
}
