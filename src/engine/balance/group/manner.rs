//! What people may change of a group while the server runs, shared by all workers.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use arc_swap::ArcSwap;

use super::{Group, weakly::Weakly};
use crate::ir::{self, Share, Sticky, Text};

/// How a group works now.
#[derive(Clone, Debug, PartialEq)]
pub struct Manner {
    /// What decides between members.
    pub share: Share,
    /// Which requests belong together.
    pub sticky: Option<Sticky>,
    /// Whether a session whose member cannot be used is refused.
    pub force: bool,
    /// How many members are tried after the first; `None` is all others.
    pub attempts: Option<u32>,
    /// How long a request waits for a member that can be used.
    pub wait: Duration,
}

/// What all workers know of a group.
#[derive(Debug)]
pub(super) struct Shared {
    manner: ArcSwap<Manner>,
    /// What the configuration says: what was changed lasts as long as that stays the same.
    written: Manner,
    nonce: Text,
}

/// Groups by their number: what was changed outlives a plan.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Weakly<u64, Shared>>);

impl Known {
    pub(super) fn of(&self, number: u64, how: &ir::Group) -> Arc<Shared> {
        let manner = Manner {
            share: how.share,
            sticky: how.sticky.clone(),
            force: how.sticky.as_ref().is_some_and(|sticky| sticky.force),
            attempts: how.attempts,
            wait: how.wait,
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = known.get(&number).filter(|shared| shared.written == manner);
        if let Some(shared) = same {
            return shared;
        }
        let nonce = how.nonce.clone().unwrap_or_else(|| nonce(number));
        let now = ArcSwap::from_pointee(manner.clone());
        let shared = Arc::new(Shared { manner: now, written: manner, nonce });
        known.insert(number, &shared);
        shared
    }
}

/// A text that nobody can guess, in the form of a UUID (RFC 9562).
fn nonce(number: u64) -> Text {
    // Both are keyed with what the system gives at random.
    let (high, low) = (RandomState::new().hash_one(number), RandomState::new().hash_one(number));
    let digits = format!("{high:016x}{low:016x}");
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    Text::from(parts.join("-"))
}

impl Group {
    /// How it works now.
    pub fn manner(&self) -> Arc<Manner> {
        self.shared.manner.load_full()
    }

    /// Makes it work otherwise.
    pub fn set_manner(&self, manner: Manner) {
        self.shared.manner.store(Arc::new(manner));
    }

    /// What a change has to bring; empty for nothing.
    pub fn nonce(&self) -> &Text {
        &self.shared.nonce
    }

    /// A number that it has as long as it is defined the same.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Turns begin anew, each member with its factor.
    pub fn begin_turns(&self) {
        for (_, _, standing) in &self.members {
            standing.turn.store(i64::from(standing.factor()), Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Known, nonce};
    use crate::ir;

    #[test]
    fn what_is_written_otherwise_counts() {
        let known = Known::default();
        let group = ir::Group::alone(ir::Text::from("balancer://b"));
        let first = known.of(1, &group);
        first.manner.store(std::sync::Arc::new(super::Manner { attempts: Some(7), ..first.written.clone() }));
        assert_eq!(known.of(1, &group).manner.load().attempts, Some(7));
        let other = ir::Group { attempts: Some(3), ..group.clone() };
        assert_eq!(known.of(1, &other).manner.load().attempts, Some(3));
        assert_eq!(known.of(2, &group).manner.load().attempts, group.attempts);
    }

    #[test]
    fn nonces_differ() {
        let (one, other) = (nonce(1), nonce(1));
        assert_ne!(one, other);
        assert_eq!(one.len(), 36);
    }
}
