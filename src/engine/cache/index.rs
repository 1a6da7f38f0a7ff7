//! What is known of the responses in a store, and who is asking for one of them.

use std::{
    sync::{Arc, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

use super::{Hash, PARTS, Store};
use crate::{
    engine::{clock, deposit::elsewhere},
    plan::hash::Map,
};

/// Shut until somebody opens it, for good: who comes late waits no more.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    fn new() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    fn open(&self) {
        self.0.close();
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Waits until it is open.
    pub async fn wait(&self) {
        // There are no permits: only its end ends this.
        let _ = self.0.acquire().await;
    }
}

/// What is known of one response.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// Whether there is a file.
    pub(super) exists: bool,
    /// How long that is.
    pub(super) size: u64,
    /// How often it was asked for.
    uses: u32,
    /// When it was last, in the store's seconds.
    pub(super) used: u64,
    /// An error that is answered instead, until then in seconds since the epoch.
    error: Option<(u16, u64)>,
    /// Who is asking for it, and until when nobody else does.
    asking: Option<(Gate, Instant)>,
    /// Whether its file is about to be in its place.
    soon: Option<Gate>,
}

/// What a visitor learns.
#[derive(Debug)]
pub enum Visit {
    /// This status is answered.
    Error(u16),
    /// It was not asked for often enough to be kept.
    Scarce,
    /// Its file is about to be there.
    Soon(Gate),
    /// There may be a file.
    Present,
    /// There is none.
    Absent,
}

/// Whose turn it is to ask for a response.
#[derive(Debug)]
pub enum Turn {
    /// One's own: others hear of it when the lease is dropped.
    Own(Lease),
    /// Somebody else's: wait for that, at most until then.
    Other(Gate, Instant),
}

/// The right to ask for a response.
#[derive(Debug)]
pub struct Lease {
    store: Arc<Store>,
    hash: Hash,
    told: Gate,
}

/// That a file is about to be in its place, until it is dropped.
#[derive(Debug)]
pub(super) struct Soon {
    store: Arc<Store>,
    hash: Hash,
    gate: Gate,
}

impl Drop for Soon {
    fn drop(&mut self) {
        let mut part = self.store.part(&self.hash);
        if let Some(entry) = part.get_mut(&self.hash)
            && entry.soon.as_ref().is_some_and(|gate| gate.is(&self.gate))
        {
            entry.soon = None;
        }
        drop(part);
        self.gate.open();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut part = self.store.part(&self.hash);
        if let Some(entry) = part.get_mut(&self.hash)
            && entry.asking.as_ref().is_some_and(|(told, _)| told.is(&self.told))
        {
            entry.asking = None;
        }
        drop(part);
        self.told.open();
    }
}

impl Store {
    pub(super) fn part(&self, hash: &Hash) -> MutexGuard<'_, Map<Hash, Entry>> {
        self.parts[usize::from(hash[0]) % PARTS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a response. `first` is for the first time in a request.
    pub fn visit(&self, hash: &Hash, min_uses: u32, first: bool, now: u64) -> Visit {
        let used = self.age();
        let mut part = self.part(hash);
        let is_new = !part.contains_key(hash);
        if is_new {
            if self.count.load(Relaxed) as u64 >= self.declared.entries {
                self.make_room(&mut part);
            }
            self.count.fetch_add(1, Relaxed);
        }
        let entry = part.entry(*hash).or_default();
        entry.used = used;
        entry.uses = entry.uses.saturating_add(u32::from(first));
        match entry.error {
            Some((status, until)) if until >= now => return Visit::Error(status),
            Some(_) => entry.error = None,
            None => {}
        }
        if let Some(gate) = &entry.soon {
            return Visit::Soon(gate.clone());
        }
        if entry.exists || (is_new && self.is_cold()) {
            Visit::Present
        } else if entry.uses >= min_uses {
            Visit::Absent
        } else {
            Visit::Scarce
        }
    }

    /// Forgets the one of some that was not asked for longest, with its file.
    fn make_room(&self, part: &mut Map<Hash, Entry>) {
        let candidates =
            part.iter().filter(|(_, entry)| entry.asking.is_none() && entry.soon.is_none()).take(16);
        let Some(oldest) = candidates.min_by_key(|(_, entry)| entry.used).map(|(hash, _)| *hash) else {
            return;
        };
        self.remove(part, &oldest);
    }

    /// Forgets a response, and removes its file.
    pub(super) fn remove(&self, part: &mut Map<Hash, Entry>, hash: &Hash) {
        let Some(entry) = part.remove(hash) else { return };
        self.count.fetch_sub(1, Relaxed);
        if entry.exists {
            self.size.fetch_sub(entry.size, Relaxed);
            let path = self.path(hash);
            elsewhere(move || drop(std::fs::remove_file(path)));
        }
    }

    /// Takes the turn to ask for a response, unless somebody has it for no longer than allowed.
    pub fn turn(self: &Arc<Self>, hash: &Hash, lasts: Duration) -> Turn {
        let now = clock::moment();
        let mut part = self.part(hash);
        let entry = part.entry(*hash).or_insert_with(|| {
            self.count.fetch_add(1, Relaxed);
            Entry::default()
        });
        if let Some((told, until)) = entry.asking.as_ref().filter(|(_, until)| *until > now) {
            return Turn::Other(told.clone(), *until);
        }
        let told = Gate::new();
        entry.asking = Some((told.clone(), now + lasts));
        Turn::Own(Lease { store: Arc::clone(self), hash: *hash, told })
    }

    /// Answers this status from memory for a while.
    pub fn keep_error(&self, hash: &Hash, status: u16, until: u64) {
        if let Some(entry) = self.part(hash).get_mut(hash) {
            entry.error = Some((status, until));
        }
    }

    /// The file is about to be in its place: whoever asks waits for that.
    pub(super) fn announce(self: &Arc<Self>, hash: &Hash) -> Soon {
        let used = self.age();
        let gate = Gate::new();
        let mut part = self.part(hash);
        let entry = part.entry(*hash).or_insert_with(|| {
            self.count.fetch_add(1, Relaxed);
            Entry { used, uses: 1, ..Entry::default() }
        });
        entry.soon = Some(gate.clone());
        drop(part);
        Soon { store: Arc::clone(self), hash: *hash, gate }
    }

    /// There is a file now, of this length.
    pub(super) fn add(&self, hash: &Hash, size: u64) {
        let used = self.age();
        let mut part = self.part(hash);
        let entry = part.entry(*hash).or_insert_with(|| {
            self.count.fetch_add(1, Relaxed);
            Entry { used, uses: 1, ..Entry::default() }
        });
        if entry.exists {
            self.size.fetch_sub(entry.size, Relaxed);
        }
        (entry.exists, entry.size, entry.error) = (true, size, None);
        self.size.fetch_add(size, Relaxed);
    }

    /// There is none, or none that can be read.
    pub fn lose(&self, hash: &Hash) {
        if let Some(entry) = self.part(hash).get_mut(hash).filter(|entry| entry.exists) {
            entry.exists = false;
            self.size.fetch_sub(entry.size, Relaxed);
        }
    }
}

impl Entry {
    /// Whether somebody is asking for it.
    pub(super) fn is_asked_for(&self, now: Instant) -> bool {
        self.asking.as_ref().is_some_and(|(_, until)| *until > now)
    }
}
