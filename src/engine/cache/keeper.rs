//! The thread that looks after a store: first it looks through the folder, then it removes what nobody asks for, and
//! what is too much.

use std::{
    fs,
    path::Path,
    sync::{Arc, Weak, atomic::Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use super::{Hash, Store, index::Entry};
use crate::{engine::clock, ir::Pace};

/// How often sizes are looked at.
const TICK: Duration = Duration::from_millis(500);

/// Every how many ticks what is inactive is looked for.
const ROUND: u32 = 10;

/// What was being written longer ago than this was left behind by a process that ended.
const LEFT_BEHIND: Duration = Duration::from_mins(10);

/// Starts the thread; it ends with the store.
pub(super) fn start(store: &Arc<Store>) {
    let weak = Arc::downgrade(store);
    let thread = std::thread::Builder::new().name("cache".to_owned());
    // Without it the cache works, and is never made smaller.
    let _ = thread.spawn(move || keep(&weak));
}

fn keep(store: &Weak<Store>) {
    {
        let Some(store) = store.upgrade() else { return };
        let folder = store.declared.folder.clone();
        let mut paced = Paced::new(store.declared.loader);
        let weak = Arc::downgrade(&store);
        drop(store);
        look_through(&weak, &folder, 0, &mut paced);
        if let Some(store) = weak.upgrade() {
            store.cold.store(false, Relaxed);
        }
    }
    let mut tick = 0;
    loop {
        std::thread::sleep(TICK);
        let Some(store) = store.upgrade() else { return };
        tick += 1;
        let mut paced = Paced::new(store.declared.manager);
        if tick % ROUND == 0 {
            store.remove_inactive(&mut paced);
        }
        store.remove_excess(&mut paced);
    }
}

/// Counts what is done in a turn, and pauses between turns.
struct Paced {
    pace: Pace,
    done: u32,
    began: std::time::Instant,
}

impl Paced {
    fn new(pace: Pace) -> Self {
        Self { pace, done: 0, began: clock::moment() }
    }

    fn step(&mut self) {
        self.done += 1;
        let Pace { files, threshold, sleep } = self.pace;
        if self.done >= files.max(1) || clock::since(self.began) >= threshold {
            std::thread::sleep(sleep.min(Duration::from_secs(10)));
            (self.done, self.began) = (0, clock::moment());
        }
    }
}

/// Finds the responses in a folder and in those below it.
fn look_through(store: &Weak<Store>, folder: &Path, depth: usize, paced: &mut Paced) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(known) = entry.metadata() else { continue };
        let path = entry.path();
        if known.is_dir() {
            if depth < 3 {
                look_through(store, &path, depth + 1, paced);
            }
            continue;
        }
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let Some(store) = store.upgrade() else { return };
        match digest(name) {
            Some(hash) if store.path(&hash) == path => store.found(&hash, known.len()),
            _ => {
                let old = known.modified().ok().and_then(|time| SystemTime::now().duration_since(time).ok());
                if is_unfinished(name) && old.is_some_and(|old| old > LEFT_BEHIND) {
                    let _ = fs::remove_file(&path);
                }
            }
        }
        paced.step();
    }
}

/// Whether a file of this name was being written.
fn is_unfinished(name: &str) -> bool {
    name.split_once('.').is_some_and(|(hash, number)| {
        digest(hash).is_some() && number.len() == 10 && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The digest that a file's name is.
fn digest(name: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    if name.len() != 32 || !name.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
        return None;
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(name.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(hash)
}

impl Store {
    /// There is a file, unless that is known better.
    fn found(&self, hash: &Hash, size: u64) {
        let known = self.part(hash).get(hash).is_some_and(|entry| entry.exists);
        if !known && (self.count.load(Relaxed) as u64) < self.declared.entries {
            self.add(hash, size);
        }
    }

    fn remove_inactive(&self, paced: &mut Paced) {
        let limit = self.declared.inactive.as_secs();
        let age = self.age();
        let now = clock::moment();
        for part in &self.parts {
            let gone: Vec<Hash> = {
                let part = part.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                let is_old =
                    |entry: &Entry| age.saturating_sub(entry.used) > limit && !entry.is_asked_for(now);
                part.iter().filter(|(_, entry)| is_old(entry)).map(|(hash, _)| *hash).collect()
            };
            for hash in gone {
                let mut part = self.part(&hash);
                self.remove(&mut part, &hash);
                drop(part);
                paced.step();
            }
        }
    }

    /// How many bytes are too many.
    fn excess(&self) -> u64 {
        let size = self.size.load(Relaxed);
        let over = self.declared.max_size.map_or(0, |most| size.saturating_sub(most));
        if self.declared.min_free == 0 {
            return over;
        }
        over.max(self.declared.min_free.saturating_sub(free(&self.declared.folder)))
    }

    /// Removes what was not asked for longest.
    fn remove_excess(&self, paced: &mut Paced) {
        let excess = self.excess();
        if excess == 0 {
            return;
        }
        let now = clock::moment();
        let mut all: Vec<(u64, u64, Hash)> = Vec::new();
        for part in &self.parts {
            let part = part.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let kept = part.iter().filter(|(_, entry)| entry.exists && !entry.is_asked_for(now));
            all.extend(kept.map(|(hash, entry)| (entry.used, entry.size, *hash)));
        }
        all.sort_unstable();
        let mut left = excess;
        for (_, size, hash) in all {
            let mut part = self.part(&hash);
            self.remove(&mut part, &hash);
            drop(part);
            paced.step();
            left = left.saturating_sub(size.max(1));
            if left == 0 {
                return;
            }
        }
    }
}

/// Bytes that are free in the file system of a folder.
#[expect(unsafe_code, reason = "no safe interface to statvfs exists in the libraries used")]
fn free(folder: &Path) -> u64 {
    use std::os::unix::ffi::OsStrExt as _;
    let Ok(name) = std::ffi::CString::new(folder.as_os_str().as_bytes()) else { return u64::MAX };
    // SAFETY: zeroes are a valid `statvfs`, the name ends with NUL, and the kernel writes to a live value.
    let (done, known) = unsafe {
        let mut known: libc::statvfs = std::mem::zeroed();
        (libc::statvfs(name.as_ptr(), &raw mut known), known)
    };
    if done == 0 { known.f_bavail.saturating_mul(known.f_frsize) } else { u64::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_digests() {
        let name = "00112233445566778899aabbccddeeff";
        assert_eq!(digest(name).map(|hash| (hash[0], hash[15])), Some((0, 0xff)));
        for other in ["", "x", "00112233445566778899AABBCCDDEEFF", &name[1..]] {
            assert_eq!(digest(other), None);
        }
        assert!(is_unfinished(&format!("{name}.0000000001")));
        assert!(!is_unfinished(&format!("{name}.1")));
        assert!(!is_unfinished(name));
        assert!(!is_unfinished("notes.0000000001"));
    }
}
