//! Responses of upstreams that are kept: an index in memory that all workers share, and a file for each response.
//!
//! The index says what there is, who is asking for it, and when it was asked for last. It is split into parts by the
//! key's digest, each behind a lock that is held for one look-up, so that workers rarely meet. What a file says of
//! itself (`file`) is believed, not what the index says: files may be removed by others at any time. A thread of its
//! own (`keeper`) finds out what a folder has, and removes what nobody asks for.

mod counts;
mod file;
mod index;
mod keeper;
mod lately;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use md5::{Digest as _, Md5};

use super::clock;
use crate::{
    ir::Cache as Declared,
    plan::{Plan, hash::Map},
};

pub use counts::Counts;
pub use file::{Kept, Meta, keep};
pub use index::{Gate, Lease, Turn, Visit};
pub use lately::Read;

/// The digest of what a response is found by.
pub type Hash = [u8; 16];

/// Parts of an index.
const PARTS: usize = 64;

/// The caches of the process.
#[derive(Debug, Default)]
pub struct Caches(Mutex<Vec<Arc<Store>>>, AtomicU64);

/// A folder of kept responses.
#[derive(Debug)]
pub struct Store {
    declared: Declared,
    /// What no other store of the process has or had.
    number: u64,
    parts: [Mutex<Map<Hash, index::Entry>>; PARTS],
    /// Bytes of all files.
    size: AtomicU64,
    /// Entries of all parts.
    count: AtomicUsize,
    /// Whether the folder has not been looked through yet.
    cold: AtomicBool,
    /// What became of requests.
    counts: Counts,
    began: Instant,
}

impl Caches {
    /// The caches of a plan; what is known of those that were there already stays known.
    pub fn of(&self, plan: &Plan) -> Box<[Arc<Store>]> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What no plan has any more; the keeper has none of its own.
        known.retain(|store| Arc::strong_count(store) > 1);
        let store = |declared: &Declared| {
            if let Some(store) = known.iter().find(|store| store.is(declared)) {
                return Arc::clone(store);
            }
            let store = Arc::new(Store {
                declared: declared.clone(),
                number: self.1.fetch_add(1, Relaxed),
                parts: std::array::from_fn(|_| Mutex::default()),
                size: AtomicU64::new(0),
                count: AtomicUsize::new(0),
                cold: AtomicBool::new(true),
                counts: Counts::default(),
                began: clock::moment(),
            });
            keeper::start(&store);
            known.push(Arc::clone(&store));
            store
        };
        plan.config.caches.iter().map(store).collect()
    }
}

impl Store {
    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.declared.name
    }

    /// What was counted.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.size.load(Relaxed)
    }

    /// How many there may be.
    pub fn max_size(&self) -> Option<u64> {
        self.declared.max_size
    }

    /// Whether it is the one declared; where it was written says nothing.
    fn is(&self, declared: &Declared) -> bool {
        let Declared { name, folder, levels, entries, .. } = declared;
        let own = &self.declared;
        (name, folder, levels, entries) == (&own.name, &own.folder, &own.levels, &own.entries)
    }

    /// The file of a response.
    fn path(&self, hash: &Hash) -> PathBuf {
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
        let name: [u8; 32] = std::array::from_fn(|at| {
            let byte = hash[at / 2];
            digit(if at.is_multiple_of(2) { byte >> 4 } else { byte & 15 }) as u8
        });
        let name = std::str::from_utf8(&name).unwrap_or_default();
        let folder = &self.declared.folder;
        let mut path = PathBuf::with_capacity(folder.as_os_str().len() + 2 * name.len());
        path.push(folder);
        let mut end = name.len();
        for level in &self.declared.levels {
            let start = end.saturating_sub(usize::from(*level));
            path.push(&name[start..end]);
            end = start;
        }
        path.push(name);
        path
    }

    /// Seconds since the store is there.
    fn age(&self) -> u64 {
        clock::since(self.began).as_secs()
    }

    /// Whether there may be files that the index does not have.
    pub fn is_cold(&self) -> bool {
        self.cold.load(Relaxed)
    }
}

/// The digest of a key.
pub fn hash(key: &[u8]) -> Hash {
    Md5::digest(key).into()
}

/// The digest of what a response is found by that depends on fields of the request (RFC 9110 § 12.5.5).
pub fn variant<'v>(main: &Hash, vary: &[u8], value: impl Fn(&[u8]) -> Vec<&'v [u8]>) -> Hash {
    let mut sum = Md5::new().chain_update(main);
    for name in vary.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty()) {
        sum.update(name.to_ascii_lowercase());
        sum.update(b":");
        for (at, value) in value(name).into_iter().enumerate() {
            if at > 0 {
                sum.update(b",");
            }
            // White space around commas says nothing.
            for (nth, item) in value.split(|byte| *byte == b',').enumerate() {
                if nth > 0 {
                    sum.update(b",");
                }
                sum.update(item.trim_ascii());
            }
        }
        sum.update(b"\r\n");
    }
    sum.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_go_by_the_named_fields() {
        let main = hash(b"key");
        let of = |vary: &str, fields: &[(&str, &'static str)]| {
            variant(&main, vary.as_bytes(), |name| {
                let named = fields.iter().filter(|(field, _)| field.as_bytes().eq_ignore_ascii_case(name));
                named.map(|(_, value)| value.as_bytes()).collect()
            })
        };
        let gzip = of("Accept-Encoding", &[("accept-encoding", "gzip, br")]);
        assert_eq!(gzip, of("accept-encoding", &[("Accept-Encoding", "gzip,br"), ("X", "1")]));
        assert_ne!(gzip, of("Accept-Encoding", &[("Accept-Encoding", "br")]));
        assert_ne!(gzip, of("Accept-Encoding, X", &[("Accept-Encoding", "gzip, br")]));
        assert_ne!(gzip, of("Accept-Encoding", &[]));
    }
}
