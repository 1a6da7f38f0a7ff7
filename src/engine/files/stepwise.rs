//! Names opened one component after another, so that what links may be followed is decided for each.
//!
//! A folder that was opened stays the one that was looked at, whatever its name leads to by then.
//!
//! Reference: <https://nginx.org/r/disable_symlinks>; openat(2). Observed: nginx 1.22.1,
//! fixtures/nginx/files/symlinks.conf.

use std::{
    ffi::CString,
    fs::File,
    io,
    os::{
        fd::{FromRawFd as _, OwnedFd},
        unix::fs::MetadataExt as _,
    },
};

use super::super::exchange::Exchange;
use crate::plan::Plan;

/// Which links are followed on the way to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Those that belong to whom what they lead to belongs to, not none.
    owned: bool,
    /// And all in as many bytes that the name begins with.
    skip: usize,
}

impl Exchange {
    /// The rule in force for a name; `None` follows all links.
    pub fn link_rule(&mut self, plan: &Plan, name: &[u8]) -> Option<Rule> {
        let files = std::sync::Arc::clone(&self.settings(plan).files);
        if files.stepwise == 0 {
            return None;
        }
        let from = self.value(&files.stepwise_from);
        let skip = match name.strip_prefix(from.as_slice()) {
            _ if from.is_empty() => 0,
            None => 0,
            // All of it is beyond doubt.
            Some([]) => return None,
            Some([b'/', ..]) => from.len(),
            Some(_) if from.ends_with(b"/") => from.len() - 1,
            Some(_) => 0,
        };
        Some(Rule { owned: files.stepwise == 2, skip })
    }
}

/// Opens a file, or a folder to look at.
pub(super) fn open(rule: Rule, name: &[u8]) -> io::Result<File> {
    const FOLDER: i32 = libc::O_PATH | libc::O_DIRECTORY | libc::O_NONBLOCK;
    const FILE: i32 = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY;
    let (trusted, rest) = name.split_at(rule.skip.min(name.len()));
    let begin = match (trusted, name) {
        ([], [b'/', ..]) => open_at(None, b"/", FOLDER)?,
        ([], _) => open_at(None, b".", FOLDER)?,
        _ => open_at(None, trusted, FOLDER)?,
    };
    let mut at = begin;
    let mut components = rest.split(|byte| *byte == b'/').peekable();
    while let Some(component) = components.next() {
        let last = components.peek().is_none();
        if component.is_empty() && !last {
            continue;
        }
        if last {
            // A name that ends in a slash is that of a folder, which is what is at hand.
            let (component, trusted) =
                if component.is_empty() { (&b"."[..], true) } else { (component, false) };
            return step(&at, component, FILE, trusted, rule.owned).map(File::from);
        }
        at = step(&at, component, FOLDER, false, rule.owned)?;
    }
    Err(io::ErrorKind::NotFound.into())
}

fn step(at: &OwnedFd, component: &[u8], flags: i32, trusted: bool, owned: bool) -> io::Result<OwnedFd> {
    if trusted {
        return open_at(Some(at), component, flags);
    }
    if !owned {
        return open_at(Some(at), component, flags | libc::O_NOFOLLOW);
    }
    let opened = open_at(Some(at), component, flags)?;
    let itself = File::from(open_at(Some(at), component, libc::O_PATH | libc::O_NOFOLLOW)?).metadata()?;
    let opened = File::from(opened);
    if itself.uid() != opened.metadata()?.uid() {
        return Err(io::Error::from_raw_os_error(libc::ELOOP));
    }
    Ok(opened.into())
}

#[expect(unsafe_code, reason = "no safe interface to openat exists in the libraries used")]
fn open_at(at: Option<&OwnedFd>, name: &[u8], flags: i32) -> io::Result<OwnedFd> {
    let name = CString::new(name).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let at = at.map_or(libc::AT_FDCWD, std::os::fd::AsRawFd::as_raw_fd);
    // SAFETY: the name ends in a NUL and lives through the call; what it returns is a descriptor of ours or negative.
    unsafe {
        let opened = libc::openat(at, name.as_ptr(), flags | libc::O_CLOEXEC);
        if opened < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(opened)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_by_the_rule() {
        let folder = std::env::temp_dir().join(format!("triglot-stepwise-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("real/below")).unwrap();
        std::fs::write(folder.join("real/below/file"), "x").unwrap();
        std::os::unix::fs::symlink("real", folder.join("link")).unwrap();
        std::os::unix::fs::symlink("file", folder.join("real/below/other")).unwrap();
        let base = folder.to_str().unwrap();
        let opens = |name: &str, owned: bool, skip: &str| {
            let skip = if skip.is_empty() { 0 } else { base.len() + skip.len() };
            let opened = open(Rule { owned, skip }, format!("{base}{name}").as_bytes());
            opened.map(|_| ()).map_err(|error| error.raw_os_error().unwrap_or(0))
        };
        assert_eq!(opens("/real//below/file", false, ""), Ok(()));
        assert_eq!(opens("/real/below/", false, ""), Ok(()));
        assert_eq!(opens("/real/below/other", false, ""), Err(libc::ELOOP));
        assert_eq!(opens("/real/below/other", true, ""), Ok(()));
        assert_eq!(opens("/link/below/file", false, ""), Err(libc::ENOTDIR));
        assert_eq!(opens("/link/below/file", true, ""), Ok(()));
        assert_eq!(opens("/link/below/file", false, "/link"), Ok(()));
        assert_eq!(opens("/link/below/other", false, "/link"), Err(libc::ELOOP));
        assert_eq!(opens("/real/none", false, ""), Err(libc::ENOENT));
        assert_eq!(opens("/real/a\0b", false, ""), Err(0));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
