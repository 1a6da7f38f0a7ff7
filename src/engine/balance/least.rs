//! The fewest connections relative to weight; round robin among equals.

use super::{Endpoints, Tried, peer::List, round_robin};

/// The endpoint with the least load; backups when no other one can be used.
pub(super) fn choose(endpoints: &Endpoints, tried: &mut Tried, now: i64) -> Option<usize> {
    let found = least(endpoints.list(tried.backup), tried, now);
    if found.is_some() || tried.backup || endpoints.backup.peers.is_empty() {
        return found;
    }
    tried.go_to_backup();
    least(&endpoints.backup, tried, now)
}

fn least(list: &List, tried: &mut Tried, now: i64) -> Option<usize> {
    let load = |one: usize, other: usize| list.peers[one].connections() * list.peers[other].weight as u64;
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
        best = round_robin::best_of(list, (best..list.peers.len()).filter(usable).filter(equal))?;
    }
    list.peers[best].probe(now);
    tried.mark(best);
    Some(best)
}
