//! Settings in force by their ids: those known at compile time, and merges made when first needed.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::{Effective, SettingsId, hash::Map};

/// A store that only grows, so that what it gave out stays.
#[derive(Debug, Default)]
pub(super) struct Store {
    fixed: Vec<Effective>,
    /// Merges: chunk `n` holds `2^n`.
    merged: [OnceLock<Box<[OnceLock<Effective>]>>; 24],
    /// Which merge of settings and layer is where.
    known: Mutex<Map<(SettingsId, u32), SettingsId>>,
}

impl Store {
    pub(super) fn new(fixed: Vec<Effective>) -> Self {
        Self { fixed, ..Self::default() }
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
