//! Small responses that a worker read lately: their files are not opened again while nothing became of them.
//!
//! A file is believed, not memory: each use asks the file system once whether the path still leads to what was read,
//! as others may remove files at any time, or write that they hold for longer. Each worker has its own, of bounded
//! size. What is asked for once is not taken in.

use std::{
    cell::{OnceCell, RefCell},
    fs::{File, Metadata},
    io,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    rc::Rc,
    sync::Arc,
};

use bytes::Bytes;

use super::{Hash, Store, file::Kept, file::Meta};
use crate::{engine::http1::response::ResponseHead, ir::Protocol, plan::hash::Map};

/// Bytes of one half: what was not asked for while a half was filled is forgotten.
const HALF: usize = 2 * 1024 * 1024;

/// What an entry takes besides its texts, about.
const ENTRY: usize = 512;

/// Places for what was asked for once.
const PLACES: usize = 1024;

/// Seconds that a file was left alone before it is taken in: times of files are coarse.
const REST: i64 = 2;

/// A head that was kept, as a protocol reads it.
pub type Read = Rc<OnceCell<(Protocol, ResponseHead)>>;

thread_local! {
    static LATELY: RefCell<Lately> = RefCell::default();
}

/// What this thread read.
#[derive(Debug, Default)]
struct Lately {
    young: Map<Hash, Held>,
    old: Map<Hash, Held>,
    /// Bytes of the young.
    bytes: usize,
    /// Beginnings of what was asked for once.
    once: Vec<u32>,
}

/// A response, and what its file was like.
#[derive(Debug)]
struct Held {
    /// Which store it is of.
    store: u64,
    place: PathBuf,
    stamp: Stamp,
    key: Box<[u8]>,
    meta: Arc<Meta>,
    head: Bytes,
    read: Read,
    content: Bytes,
}

/// By which a file is known to be the same, and unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(known: &Metadata) -> Self {
        Self {
            file: (known.dev(), known.ino()),
            size: known.size(),
            written: (known.mtime(), known.mtime_nsec()),
            changed: (known.ctime(), known.ctime_nsec()),
        }
    }
}

/// The response of a key, where its file is what it was.
pub(super) fn find(store: &Store, hash: &Hash, key: &[u8]) -> Option<Kept> {
    LATELY.with_borrow_mut(|lately| lately.find(store, hash, key))
}

/// Remembers a response that was read from this file, where it is asked for more than once.
pub(super) fn hold(store: &Store, kept: &mut Kept, key: &[u8], file: &File, now: u64) {
    // Nothing becomes of a failure: the next one reads the file.
    let _ = LATELY.with_borrow_mut(|lately| lately.hold(store, kept, key, file, now));
}

impl Lately {
    fn find(&mut self, store: &Store, hash: &Hash, key: &[u8]) -> Option<Kept> {
        if !self.young.contains_key(hash) {
            let held = self.old.remove(hash)?;
            self.add(*hash, held);
        }
        let held = self.young.get(hash).filter(|held| held.store == store.number && *held.key == *key)?;
        let now = std::fs::metadata(&held.place);
        if now.is_ok_and(|now| Stamp::of(&now) == held.stamp) {
            return Some(Kept {
                meta: Arc::clone(&held.meta),
                head: held.head.clone(),
                read: Some(Rc::clone(&held.read)),
                file: None,
                place: Some(held.stamp.file),
                begin: 0,
                content: Some(held.content.clone()),
                length: held.content.len() as u64,
                hash: *hash,
            });
        }
        if let Some(held) = self.young.remove(hash) {
            self.bytes = self.bytes.saturating_sub(held.size());
        }
        None
    }

    fn hold(&mut self, store: &Store, kept: &mut Kept, key: &[u8], file: &File, now: u64) -> io::Result<()> {
        let Some(content) = &kept.content else { return Ok(()) };
        if self.is_first(&kept.hash) {
            return Ok(());
        }
        let stamp = Stamp::of(&file.metadata()?);
        let rested = |(second, _): (i64, i64)| second.saturating_add(REST) <= now.cast_signed();
        if !rested(stamp.written) || !rested(stamp.changed) {
            return Ok(());
        }
        let read = Read::default();
        kept.read = Some(Rc::clone(&read));
        let held = Held {
            store: store.number,
            place: store.path(&kept.hash),
            stamp,
            key: key.into(),
            meta: Arc::clone(&kept.meta),
            head: kept.head.clone(),
            read,
            content: content.clone(),
        };
        self.add(kept.hash, held);
        Ok(())
    }

    fn add(&mut self, hash: Hash, held: Held) {
        self.bytes += held.size();
        if let Some(before) = self.young.insert(hash, held) {
            self.bytes = self.bytes.saturating_sub(before.size());
        }
        if self.bytes > HALF {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
    }

    /// Whether nobody asked for it lately; now somebody did.
    fn is_first(&mut self, hash: &Hash) -> bool {
        let [which, place, begin @ ..] = hash;
        let begin = begin.first_chunk().map_or(0, |begin| u32::from_le_bytes(*begin));
        if self.once.is_empty() {
            self.once.resize(PLACES, 0);
        }
        let place = &mut self.once[usize::from(u16::from_le_bytes([*which, *place])) % PLACES];
        std::mem::replace(place, begin) != begin
    }
}

impl Held {
    fn size(&self) -> usize {
        ENTRY + self.key.len() + self.head.len() + self.content.len()
    }
}
