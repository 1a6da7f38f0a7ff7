//! Sessions that endpoints began, remembered: which of them has which.
//!
//! All workers share a table. It is in parts by the name's digest, each behind a lock that is held for one look-up.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{Mutex, PoisonError},
};

use crate::plan::hash::Map;

/// Parts of a table.
const PARTS: usize = 32;

/// A table of sessions.
#[derive(Debug)]
pub(super) struct Table {
    parts: [Mutex<Map<Vec<u8>, Known>>; PARTS],
    state: RandomState,
    /// How many a part has room for.
    room: usize,
}

#[derive(Debug)]
struct Known {
    endpoint: Box<str>,
    /// When it was asked for last, in seconds.
    used: i64,
}

impl Table {
    pub(super) fn new(entries: u32) -> Self {
        let room = (entries as usize).div_ceil(PARTS).max(1);
        Self { parts: std::array::from_fn(|_| Mutex::default()), state: RandomState::new(), room }
    }

    fn part(&self, name: &[u8]) -> &Mutex<Map<Vec<u8>, Known>> {
        &self.parts[self.state.hash_one(name) as usize % PARTS]
    }

    /// What the endpoint of a session is called; one that was not asked for in so many seconds is forgotten.
    pub(super) fn find(&self, name: &[u8], lasts: i64, now: i64) -> Option<Vec<u8>> {
        let mut part = self.part(name).lock().unwrap_or_else(PoisonError::into_inner);
        let known = part.get_mut(name)?;
        if now - known.used > lasts {
            part.remove(name);
            return None;
        }
        known.used = now;
        Some(known.endpoint.as_bytes().to_vec())
    }

    /// Remembers a session; where there is no room, the one not asked for longest of some is forgotten.
    pub(super) fn put(&self, name: &[u8], endpoint: &str, lasts: i64, now: i64) {
        let mut part = self.part(name).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = part.get_mut(name) {
            known.used = now;
            if *known.endpoint != *endpoint {
                known.endpoint = endpoint.into();
            }
            return;
        }
        if part.len() >= self.room {
            part.retain(|_, known| now - known.used <= lasts);
        }
        if part.len() >= self.room {
            let oldest = part.iter().take(16).min_by_key(|(_, known)| known.used);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                part.remove(&oldest);
            }
        }
        part.insert(name.to_vec(), Known { endpoint: endpoint.into(), used: now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_remembered_as_long_as_somebody_asks() {
        let table = Table::new(64);
        table.put(b"a", "one", 10, 0);
        assert_eq!(table.find(b"a", 10, 9).as_deref(), Some(&b"one"[..]));
        assert_eq!(table.find(b"a", 10, 19).as_deref(), Some(&b"one"[..]));
        assert_eq!(table.find(b"a", 10, 30), None);
        for number in 0..1000 {
            table.put(format!("s{number}").as_bytes(), "two", 10, 0);
        }
        let kept = (0..1000).filter(|number| table.find(format!("s{number}").as_bytes(), 10, 0).is_some());
        assert!(kept.count() <= 64);
    }
}
