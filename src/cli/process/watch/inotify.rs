//! What the kernel tells of changes in folders: inotify(7).

use std::{
    ffi::{CString, OsString},
    io,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::ffi::{OsStrExt as _, OsStringExt as _},
    },
    path::Path,
    time::Duration,
};

/// What is told: files written to the end, moved, removed; folders made.
const EVENTS: u32 = libc::IN_CLOSE_WRITE
    | libc::IN_CREATE
    | libc::IN_DELETE
    | libc::IN_MOVED_FROM
    | libc::IN_MOVED_TO
    | libc::IN_ONLYDIR
    | libc::IN_EXCL_UNLINK;

/// A change.
#[derive(Debug)]
pub(super) struct Event {
    /// The folder, by the number that [`Inotify::add`] gave.
    pub(super) folder: i32,
    /// The name in it.
    pub(super) name: OsString,
    /// Whether it is a folder that is new there.
    pub(super) new_folder: bool,
    /// Whether it is something else that is new there: it may be a link to a folder.
    pub(super) new_entry: bool,
    /// Whether it is a folder or only a file that was begun, of which nothing is in it yet.
    pub(super) of_no_file: bool,
    /// Whether changes were lost before it.
    pub(super) overflow: bool,
}

/// The kernel's queue of changes.
#[derive(Debug)]
pub(super) struct Inotify(OwnedFd);

impl Inotify {
    #[expect(unsafe_code, reason = "changes in folders are told by inotify(7)")]
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no pointers; a descriptor that is returned is nobody else's.
        let fd = unsafe { libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made and has no other owner.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Has changes in a folder told.
    #[expect(unsafe_code, reason = "changes in folders are told by inotify(7)")]
    pub(super) fn add(&self, folder: &Path) -> io::Result<i32> {
        let path = CString::new(folder.as_os_str().as_bytes())?;
        // SAFETY: the path ends with NUL and lives as long as the call.
        let number = unsafe { libc::inotify_add_watch(self.0.as_raw_fd(), path.as_ptr(), EVENTS) };
        if number < 0 { Err(io::Error::last_os_error()) } else { Ok(number) }
    }

    /// The next changes; none after so long.
    #[expect(unsafe_code, reason = "waiting for a descriptor outside of the engine needs poll(2)")]
    pub(super) fn next(&self, most: Duration) -> io::Result<Vec<Event>> {
        let mut poll = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let wait = i32::try_from(most.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: one live structure is given, and its number is one.
        let ready = unsafe { libc::poll(&raw mut poll, 1, wait) };
        if ready <= 0 {
            let error = io::Error::last_os_error();
            return if ready == 0 || error.kind() == io::ErrorKind::Interrupted {
                Ok(Vec::new())
            } else {
                Err(error)
            };
        }
        let mut bytes = [0u8; 16 << 10];
        // SAFETY: the buffer is live and as long as is said.
        let length = unsafe { libc::read(self.0.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len()) };
        let Ok(length) = usize::try_from(length) else {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::WouldBlock { Ok(Vec::new()) } else { Err(error) };
        };
        Ok(events(&bytes[..length]))
    }
}

/// Takes a read apart: `wd`, `mask`, `cookie`, `len`, each in four bytes, and a name filled up with NULs.
fn events(mut bytes: &[u8]) -> Vec<Event> {
    const HEAD: usize = 16;
    let mut out = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(HEAD) {
        let word = |at: usize| u32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (mask, length) = (word(4), word(12) as usize);
        let Some((name, rest)) = rest.split_at_checked(length) else { break };
        bytes = rest;
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(length);
        let (is_folder, begun) = (mask & libc::IN_ISDIR != 0, mask & libc::IN_CREATE != 0);
        let new = mask & (libc::IN_CREATE | libc::IN_MOVED_TO) != 0;
        out.push(Event {
            folder: word(0).cast_signed(),
            name: OsString::from_vec(name[..end].to_vec()),
            new_folder: is_folder && new,
            new_entry: !is_folder && new,
            of_no_file: is_folder || begun,
            overflow: mask & libc::IN_Q_OVERFLOW != 0,
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told() {
        let folder = std::env::temp_dir().join(format!("inotify-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let inotify = Inotify::new().unwrap();
        let number = inotify.add(&folder).unwrap();
        assert!(inotify.next(Duration::ZERO).unwrap().is_empty());
        std::fs::write(folder.join("a.txt"), "x").unwrap();
        std::fs::create_dir(folder.join("sub")).unwrap();
        let mut seen = Vec::new();
        while seen.len() < 3 {
            let events = inotify.next(Duration::from_secs(10)).unwrap();
            assert!(!events.is_empty(), "{seen:?}");
            seen.extend(events);
        }
        assert!(seen.iter().all(|event| event.folder == number && !event.overflow));
        let of = |name: &str| seen.iter().filter(|event| event.name == name).collect::<Vec<_>>();
        assert!(of("a.txt").iter().any(|event| !event.of_no_file));
        assert!(of("sub")[0].new_folder);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_cut_short_is_nothing() {
        assert!(events(&[0; 15]).is_empty());
        let mut bytes = [0u8; 20];
        bytes[12] = 16;
        assert!(events(&bytes).is_empty());
    }
}
