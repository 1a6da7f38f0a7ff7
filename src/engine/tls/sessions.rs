//! Sessions kept here, for clients that come back without a ticket: a limited number, for a limited time, through
//! reloads.
//!
//! nginx and Apache name a cache's size; one megabyte holds about 4,000 sessions of theirs
//! (<https://nginx.org/r/ssl_session_cache>), and so many are kept here for it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use rustls::server::StoresServerSessions;

use super::witness;

/// Caches in use, by whose they are.
static KEPT: Mutex<Vec<(Vec<u8>, Weak<Sessions>)>> = Mutex::new(Vec::new());

/// The sessions of one host.
#[derive(Debug)]
pub(super) struct Sessions {
    most: usize,
    lifetime: Duration,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    sessions: HashMap<Vec<u8>, (Instant, Vec<u8>)>,
    /// By age; those that were taken since are among them.
    order: VecDeque<(Instant, Vec<u8>)>,
}

impl Sessions {
    /// Those of `whose`: at most so many, for so long.
    pub(super) fn of(whose: &[u8], most: u32, lifetime: Duration) -> Arc<Self> {
        let most = usize::try_from(most).unwrap_or(usize::MAX).max(1);
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(_, sessions)| sessions.strong_count() > 0);
        let mut same = kept.iter().filter(|(name, _)| name == whose).filter_map(|(_, known)| known.upgrade());
        if let Some(known) = same.find(|known| known.most == most && known.lifetime == lifetime) {
            return known;
        }
        let made = Arc::new(Self { most, lifetime, kept: Mutex::default() });
        kept.push((whose.to_vec(), Arc::downgrade(&made)));
        made
    }

    fn live(&self, (then, session): (Instant, Vec<u8>)) -> Option<Vec<u8>> {
        (then.elapsed() <= self.lifetime).then_some(session)
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, session: Vec<u8>) -> bool {
        witness::kept(&key);
        let now = Instant::now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = &mut *kept;
        while let Some((then, oldest)) = kept.order.front()
            && (kept.order.len() >= self.most || now.duration_since(*then) > self.lifetime)
        {
            // One that was put again since is not as old.
            if kept.sessions.get(oldest).is_some_and(|(made, _)| made == then) {
                kept.sessions.remove(oldest);
            }
            kept.order.pop_front();
        }
        kept.order.push_back((now, key.clone()));
        kept.sessions.insert(key, (now, session));
        true
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        self.live(kept.sessions.get(key)?.clone())
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.sessions.remove(key)?;
        drop(kept);
        self.live(found)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room_and_age_ends_a_session() {
        let sessions = Sessions::of(b"room", 2, Duration::from_mins(5));
        for key in [b"a", b"b", b"c"] {
            assert!(sessions.put(key.to_vec(), b"state".to_vec()));
        }
        assert_eq!(sessions.get(b"a"), None);
        assert_eq!(sessions.get(b"b"), Some(b"state".to_vec()));
        assert_eq!(sessions.take(b"c"), Some(b"state".to_vec()));
        assert_eq!(sessions.take(b"c"), None);
        let brief = Sessions::of(b"room", 2, Duration::ZERO);
        brief.put(b"a".to_vec(), b"state".to_vec());
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(brief.get(b"a"), None);
    }

    #[test]
    fn a_reload_finds_what_is_in_use() {
        let sessions = Sessions::of(b"kept", 8, Duration::from_mins(5));
        sessions.put(b"a".to_vec(), b"state".to_vec());
        assert!(Sessions::of(b"kept", 8, Duration::from_mins(5)).get(b"a").is_some());
        assert!(Sessions::of(b"other", 8, Duration::from_mins(5)).get(b"a").is_none());
        drop(sessions);
        assert!(Sessions::of(b"kept", 8, Duration::from_mins(5)).get(b"a").is_none());
    }
}
