//! The file of a kept response: what is to be known of it, its key, the upstream's head as received, the content.
//!
//! How a file is written is said in `deposit`; who asks for a response whose file is about to be there waits for that
//! (`index`). Numbers are little-endian. The key stands on a line of its own behind `KEY: `, for people who
//! look for the files of a URL.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    sync::Arc,
};

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::{Hash, Lease, Store, index::Soon, lately};
use crate::engine::{
    deposit::{Deposit, Hears, Order},
    files::send,
    scratch,
};

/// What a file begins with; the digit changes with the form.
const MAGIC: &[u8; 8] = b"KEPTRSP1";

/// Bytes before the key's line.
const FIXED: usize = 8 + 8 * 5 + 16 + 4 * 4;

/// Read at first: most responses are whole in that.
const FIRST: u64 = 32 * 1024;

/// What memory holds of a file has ends that are multiples of this, but for the file's own.
const PAGE: usize = 4096;

/// What is to be known of a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Until when it is sent without asking, in seconds since the epoch.
    pub valid: u64,
    /// Until when it may be sent while somebody asks.
    pub while_updating: u64,
    /// Until when it may be sent where there is an error.
    pub if_error: u64,
    /// The upstream's `Last-Modified`; -1 is none.
    pub modified: i64,
    /// The fields of the request that it depends on.
    pub vary: Vec<u8>,
    /// And the digest of what they were.
    pub variant: Hash,
    /// The upstream's `ETag`.
    pub tag: Vec<u8>,
}

/// A response in its file.
#[derive(Debug)]
pub struct Kept {
    /// What is to be known of it.
    pub meta: Arc<Meta>,
    /// The upstream's head.
    pub head: Bytes,
    /// What that says, once a request of this worker read it; only of what is in memory.
    pub read: Option<lately::Read>,
    /// The file; none where the content is in memory.
    pub file: Option<Arc<File>>,
    /// Device and number of the file, where it is not open.
    pub place: Option<(u64, u64)>,
    /// Where its content begins.
    pub begin: u64,
    /// The content, where all of it was read already.
    pub content: Option<Bytes>,
    /// How long it is.
    pub length: u64,
    /// The digest that it was found by.
    pub hash: Hash,
}

impl Kept {
    /// Reads the response of a key; `None` when there is none.
    ///
    /// `now` is in seconds since the epoch.
    pub async fn open(store: &Store, hash: &Hash, key: &[u8], now: u64) -> io::Result<Option<Self>> {
        if let Some(kept) = lately::find(store, hash, key) {
            return Ok(Some(kept));
        }
        let file = match OpenOptions::new().read(true).open(store.path(hash)) {
            Ok(file) => Arc::new(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // What is in memory takes one call: a file ends where a reading ends that is no page's end.
        let first = scratch::with(|bytes| {
            let first = &mut bytes[..FIRST as usize];
            let length = send::read_cached(&file, first, 0).ok()?;
            let size = if length < first.len() && length % PAGE != 0 {
                length as u64
            } else {
                file.metadata().ok()?.len()
            };
            Self::of(&first[..length], size, hash, key, &file)
        });
        if let Some(mut kept) = first {
            lately::hold(store, &mut kept, key, &file, now);
            return Ok(Some(kept));
        }
        let size = file.metadata()?.len();
        let mut bytes = Vec::new();
        send::read(&file, 0..size.min(FIRST), &mut bytes).await?;
        let Some(begin) = whole_head(&bytes) else { return Ok(None) };
        if begin > size {
            return Ok(None);
        }
        if begin > bytes.len() as u64 {
            let from = bytes.len() as u64;
            send::read(&file, from..begin, &mut bytes).await?;
        }
        Ok(Self::of(&bytes, size, hash, key, &file))
    }

    /// The response of a key whose file begins like this; `None` where its head is not in that.
    fn of(bytes: &[u8], size: u64, hash: &Hash, key: &[u8], file: &Arc<File>) -> Option<Self> {
        let begin = whole_head(bytes)?;
        let length = size.checked_sub(begin)?;
        let (meta, head) = parse(bytes, key)?;
        let head = Bytes::copy_from_slice(bytes.get(head..begin as usize)?);
        let content = (bytes.len() as u64 == size).then(|| Bytes::copy_from_slice(&bytes[begin as usize..]));
        let (meta, file) = (Arc::new(meta), Some(Arc::clone(file)));
        Some(Self { meta, head, read: None, file, place: None, begin, content, length, hash: *hash })
    }

    /// Writes down that it holds for longer, unless another one came in its place.
    pub async fn renew(&self, store: &Store) -> io::Result<()> {
        let place = store.path(&self.hash);
        let Meta { valid, while_updating, if_error, .. } = *self.meta;
        let bytes = [valid, while_updating, if_error].map(u64::to_le_bytes);
        let (open, known) = (self.file.clone(), self.place);
        let task = spawn_blocking(move || {
            let identity = |file: &File| file.metadata().map(|it| (it.dev(), it.ino()));
            let mine = match &open {
                Some(file) => Some(identity(file)?),
                None => known,
            };
            let file = OpenOptions::new().write(true).open(place)?;
            if mine == Some(identity(&file)?) {
                file.write_all_at(bytes.as_flattened(), 16)?;
            }
            Ok(())
        });
        task.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

/// Where the content begins, by the first bytes of a file; `None` when it is none of ours.
fn whole_head(bytes: &[u8]) -> Option<u64> {
    if bytes.len() < FIXED || bytes[..8] != *MAGIC {
        return None;
    }
    let begin = u64::from_le_bytes(bytes[8..16].try_into().ok()?);
    // No head is longer than what an upstream's buffer takes.
    (begin >= FIXED as u64 && begin <= 64 << 20).then_some(begin)
}

/// What is to be known, and where the head begins; `None` when the file is of another key.
fn parse(bytes: &[u8], key: &[u8]) -> Option<(Meta, usize)> {
    let number = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let length = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
    let lengths = 48 + 16;
    let (key_length, vary, tag) = (length(lengths)?, length(lengths + 4)?, length(lengths + 8)?);
    let line = FIXED + 6;
    let vary_at = line.checked_add(key_length)?.checked_add(1)?;
    let tag_at = vary_at.checked_add(vary)?;
    let head = tag_at.checked_add(tag)?;
    if bytes.get(line..line + key_length)? != key || head as u64 > number(8)? {
        return None;
    }
    let meta = Meta {
        valid: number(16)?,
        while_updating: number(24)?,
        if_error: number(32)?,
        modified: number(40)?.cast_signed(),
        variant: bytes.get(48..64)?.try_into().ok()?,
        vary: bytes.get(vary_at..tag_at)?.to_vec(),
        tag: bytes.get(tag_at..head)?.to_vec(),
    };
    Some((meta, head))
}

/// Begins the file of a response; `lease` is given back when it is there, or comes to nothing.
pub fn keep(
    store: &Arc<Store>,
    (hash, key): (Hash, &[u8]),
    meta: &Meta,
    head: &[u8],
    expected: Option<u64>,
    lease: Option<Lease>,
    status: &'static str,
) -> Deposit {
    let begin = FIXED + 6 + key.len() + 1 + meta.vary.len() + meta.tag.len() + head.len();
    let mut first = Vec::with_capacity(begin + 4096);
    first.extend_from_slice(MAGIC);
    for number in
        [begin as u64, meta.valid, meta.while_updating, meta.if_error, meta.modified.cast_unsigned()]
    {
        first.extend_from_slice(&number.to_le_bytes());
    }
    first.extend_from_slice(&meta.variant);
    for length in [key.len(), meta.vary.len(), meta.tag.len(), 0] {
        first.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    }
    for part in [b"\nKEY: ", key, b"\n", &meta.vary, &meta.tag, head] {
        first.extend_from_slice(part);
    }
    let order = Order { place: store.path(&hash), folders: 0o777, expected, ..Order::default() };
    let hears = Keeping { store: Arc::clone(store), hash, soon: None, status, _lease: lease };
    Deposit::begin(order, first, Some(Box::new(hears)))
}

/// What becomes known of a file.
struct Keeping {
    store: Arc<Store>,
    hash: Hash,
    soon: Option<Soon>,
    /// What became of the request that it was asked for by.
    status: &'static str,
    _lease: Option<Lease>,
}

impl Hears for Keeping {
    fn sealed(&mut self) {
        self.soon = Some(self.store.announce(&self.hash));
    }

    fn placed(&mut self, length: u64) {
        self.store.add(&self.hash, length);
        self.store.counts().kept(self.status, length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_response_is_none() {
        assert_eq!(whole_head(b""), None);
        assert_eq!(whole_head(&[0; 200]), None);
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&u64::MAX.to_le_bytes());
        bytes.resize(FIXED, 0);
        assert_eq!(whole_head(&bytes), None);
        bytes[8..16].copy_from_slice(&(FIXED as u64 + 7).to_le_bytes());
        assert_eq!(whole_head(&bytes), Some(FIXED as u64 + 7));
        assert_eq!(parse(&bytes, b""), None);
        bytes.extend_from_slice(b"\nKEY: \n");
        assert_eq!(parse(&bytes, b"").map(|(_, head)| head), Some(FIXED + 7));
        assert_eq!(parse(&bytes, b"other"), None);
        // Lengths that lie.
        for at in [64, 68, 72] {
            let mut wrong = bytes.clone();
            wrong[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
            assert_eq!(parse(&wrong, b""), None);
        }
    }
}
