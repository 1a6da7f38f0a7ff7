//! Settings in force by their ids: those known at compile time, and merges made when first needed.

use std::{
    cell::RefCell,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{Effective, SettingsId, hash::Map};

type Known = Map<(SettingsId, u32), SettingsId>;

thread_local! {
    /// What this thread asked for, and of which store, so that threads do not wait for each other.
    static SEEN: RefCell<(u64, Known)> = RefCell::default();
}

/// A store that only grows, so that what it gave out stays.
#[derive(Debug)]
pub(super) struct Store {
    /// No other store has it.
    number: u64,
    fixed: Vec<Effective>,
    /// Merges: chunk `n` holds `2^n`.
    merged: [OnceLock<Box<[OnceLock<Effective>]>>; 24],
    /// Which merge of settings and layer is where.
    known: Mutex<Known>,
}

impl Store {
    pub(super) fn new(fixed: Vec<Effective>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { number, fixed, merged: [const { OnceLock::new() }; 24], known: Mutex::default() }
    }

    /// Those known at compile time.
    pub(super) fn fixed(&self) -> &[Effective] {
        &self.fixed
    }

    pub(super) fn get(&self, id: SettingsId) -> &Effective {
        let at = id.0 as usize;
        if let Some(found) = self.fixed.get(at) {
            return found;
        }
        let (chunk, place) = split(at - self.fixed.len());
        let found = self.merged.get(chunk).and_then(OnceLock::get).and_then(|chunk| chunk[place].get());
        // Ids come from here alone; the first entry is the base.
        found.unwrap_or(&self.fixed[0])
    }

    /// The settings of a layer over others, made by `make` the first time.
    pub(super) fn over(
        &self,
        base: SettingsId,
        layer: u32,
        make: impl FnOnce(&Effective) -> Effective,
    ) -> SettingsId {
        let seen = SEEN.with_borrow_mut(|(of, seen)| {
            if *of != self.number {
                (*of, *seen) = (self.number, Known::default());
            }
            seen.get(&(base, layer)).copied()
        });
        if let Some(seen) = seen {
            return seen;
        }
        let found = self.find_over(base, layer, make);
        SEEN.with_borrow_mut(|(of, seen)| {
            if *of == self.number {
                seen.insert((base, layer), found);
            }
        });
        found
    }

    fn find_over(
        &self,
        base: SettingsId,
        layer: u32,
        make: impl FnOnce(&Effective) -> Effective,
    ) -> SettingsId {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(&(base, layer)) {
            return *found;
        }
        let at = known.len();
        let (chunk, place) = split(at);
        let Some(slots) = self.merged.get(chunk) else { return base };
        let slots = slots.get_or_init(|| (0..1 << chunk).map(|_| OnceLock::new()).collect());
        let merged = make(self.get(base));
        let id = SettingsId((self.fixed.len() + at) as u32);
        // Under the lock nobody else fills this place.
        let _ = slots[place].set(merged);
        known.insert((base, layer), id);
        id
    }
}

/// The chunk that an index lies in, and its place there.
fn split(index: usize) -> (usize, usize) {
    let chunk = (index + 1).ilog2() as usize;
    (chunk, index + 1 - (1 << chunk))
}
