//! Smooth weighted round robin: in each turn every endpoint gains its weight, and the one chosen gives all of it back.

use super::{Endpoints, Tried, peer::List};

/// The next endpoint; backups when no other one can be used.
pub(super) fn choose(endpoints: &Endpoints, tried: &mut Tried, now: i64) -> Option<usize> {
    let active = if tried.backup {
        None
    } else if endpoints.single {
        // The only endpoint is tried however often it failed, but not while it was found ill when it was looked at.
        endpoints.active.peers.iter().position(|peer| !peer.down && !peer.is_ill() && peer.has_room())
    } else {
        turn(&endpoints.active, tried, now)
    };
    if active.is_some() || endpoints.backup.peers.is_empty() {
        return active;
    }
    if !tried.backup {
        tried.go_to_backup();
    }
    turn(&endpoints.backup, tried, now)
}

/// One turn over a list.
fn turn(list: &List, tried: &mut Tried, now: i64) -> Option<usize> {
    let usable = |index: usize| !tried.has(index) && list.peers[index].usable(now);
    let best = best_of(list, (0..list.peers.len()).filter(|&index| usable(index)), now)?;
    list.peers[best].probe(now);
    tried.mark(best);
    Some(best)
}

/// Lets these take part in a turn and chooses the first with the greatest weight.
pub(super) fn best_of(list: &List, indexes: impl Iterator<Item = usize>, now: i64) -> Option<usize> {
    let (mut best, mut total) = (None, 0);
    for index in indexes {
        let peer = &list.peers[index];
        total += peer.advance(now);
        if best.is_none_or(|best: usize| peer.current() > list.peers[best].current()) {
            best = Some(index);
        }
    }
    list.peers[best?].give_back(total);
    best
}
