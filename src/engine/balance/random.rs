//! At random by weight: one endpoint, or the less loaded of two.

use std::{
    cell::Cell,
    hash::{BuildHasher, RandomState},
};

use super::{Endpoints, TURNS, Tried, least::load, round_robin};
use crate::ir::Timing;

/// One endpoint.
pub(super) fn choose(endpoints: &Endpoints, tried: &mut Tried, now: i64) -> Option<usize> {
    let list = endpoints.list(tried.backup);
    while tried.turns <= TURNS && list.total_weight > 0 {
        if let Some((index, peer)) = list.at_weight(random() % list.total_weight)
            && !tried.has(index)
            && peer.usable(now)
        {
            peer.probe(now);
            tried.mark(index);
            return Some(index);
        }
        tried.turns += 1;
    }
    round_robin::choose(endpoints, tried, now)
}

/// The less loaded of two endpoints; of equals the second.
pub(super) fn choose_of_two(
    endpoints: &Endpoints,
    tried: &mut Tried,
    timing: Option<Timing>,
    now: i64,
) -> Option<usize> {
    let list = endpoints.list(tried.backup);
    let mut first = None;
    while tried.turns <= TURNS && list.total_weight > 0 {
        if let Some((index, peer)) = list.at_weight(random() % list.total_weight)
            && first != Some(index)
            && !tried.has(index)
            && peer.usable(now)
        {
            let Some(before) = first else {
                first = Some(index);
                continue;
            };
            let other = &list.peers[before];
            let heavier = load(peer, other, timing, now) > load(other, peer, timing, now);
            let chosen = if heavier { before } else { index };
            list.peers[chosen].probe(now);
            tried.mark(chosen);
            return Some(chosen);
        }
        tried.turns += 1;
    }
    round_robin::choose(endpoints, tried, now)
}

/// A number that is good enough for spreading load (xorshift).
fn random() -> u64 {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(0u8) | 1);
    }
    let mut state = STATE.get();
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    STATE.set(state);
    state >> 11
}
