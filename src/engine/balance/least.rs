//! The fewest connections relative to weight, or the least time and connections; round robin among equals.
//!
//! Time and connections count together: the average time of an answer times the connections there would be, relative
//! to weight. An endpoint of which no time is known comes first.

use super::{
    Endpoints, Tried, milliseconds,
    peer::{List, Peer},
    round_robin,
};
use crate::ir::Timing;

/// The endpoint with the least load; backups when no other one can be used.
pub(super) fn choose(
    endpoints: &Endpoints,
    tried: &mut Tried,
    timing: Option<Timing>,
    now: i64,
) -> Option<usize> {
    let found = least(endpoints.list(tried.backup), tried, timing, now);
    if found.is_some() || tried.backup || endpoints.backup.peers.is_empty() {
        return found;
    }
    tried.go_to_backup();
    least(&endpoints.backup, tried, timing, now)
}

/// What an endpoint has to do, times the share of another one.
pub(super) fn load(one: &Peer, other: &Peer, timing: Option<Timing>, now: i64) -> u128 {
    let own = match timing {
        None => u128::from(one.connections()),
        Some(timing) => u128::from(one.time(timing, milliseconds())) * u128::from(one.connections() + 1),
    };
    own * u128::from(other.share(now))
}

fn least(list: &List, tried: &mut Tried, timing: Option<Timing>, now: i64) -> Option<usize> {
    let load = |one: usize, other: usize| load(&list.peers[one], &list.peers[other], timing, now);
    let usable = |index: &usize| !tried.has(*index) && list.peers[*index].usable(now);
    let mut best = None;
    let mut several = false;
    for index in (0..list.peers.len()).filter(usable) {
        match best {
            Some(so_far) if load(index, so_far) == load(so_far, index) => several = true,
            Some(so_far) if load(index, so_far) > load(so_far, index) => {}
            _ => (best, several) = (Some(index), false),
        }
    }
    let mut best = best?;
    if several {
        let equal = |index: &usize| load(*index, best) == load(best, *index);
        best = round_robin::best_of(list, (best..list.peers.len()).filter(usable).filter(equal), now)?;
    }
    list.peers[best].probe(now);
    tried.mark(best);
    Some(best)
}
