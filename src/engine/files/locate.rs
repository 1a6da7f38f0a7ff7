//! What a name is in the file system, and which part of it names a file.

use std::{ffi::OsStr, fs::Metadata, io, os::unix::ffi::OsStrExt as _, path::Path};

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// How much of the name is the file's: up to the first component that is no directory.
    pub length: usize,
    /// How much of that is the directory it is in, or that it is; with a slash, perhaps.
    pub folder: usize,
    /// `file`, `directory`, `other`, `denied`, or nothing.
    pub kind: &'static str,
}

/// Looks at a file.
pub fn locate(name: &[u8]) -> Found {
    locate_by(name, look)
}

/// Looks at a file by asking what names are.
pub fn locate_by(name: &[u8], look: impl Fn(&[u8]) -> io::Result<Metadata>) -> Found {
    match look(name) {
        Ok(known) if known.is_dir() => Found { length: name.len(), folder: name.len(), kind: "directory" },
        Ok(known) => Found { length: name.len(), folder: folder(name), kind: kind(&known) },
        Err(error) => search(name, &error, look),
    }
}

/// Goes down from the root to the first component that is no directory.
fn search(name: &[u8], error: &io::Error, look: impl Fn(&[u8]) -> io::Result<Metadata>) -> Found {
    let none = |length, kind| Found { length, folder: folder(&name[..length]), kind };
    if !is_missing(error) {
        return none(name.len(), "denied");
    }
    let mut at = 1;
    while at < name.len() {
        let length = memchr::memchr(b'/', &name[at..]).map_or(name.len(), |slash| at + slash);
        // Slashes that follow each other are one.
        if length > at {
            match look(&name[..length]) {
                Ok(known) if known.is_dir() => {}
                Ok(known) => return none(length, kind(&known)),
                Err(error) if is_missing(&error) => return none(length, ""),
                Err(_) => return none(length, "denied"),
            }
        }
        at = length + 1;
    }
    // It came into being meanwhile, or ends in a slash although it is no directory.
    none(name.len(), "")
}

fn look(name: &[u8]) -> io::Result<Metadata> {
    std::fs::metadata(Path::new(OsStr::from_bytes(name)))
}

fn kind(known: &Metadata) -> &'static str {
    if known.is_file() { "file" } else { "other" }
}

/// Where the last component begins.
fn folder(name: &[u8]) -> usize {
    memchr::memrchr(b'/', name).map_or(0, |slash| slash + 1)
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_at_the_first_that_is_no_directory() {
        let root = std::env::temp_dir().join(format!("locate-{}", std::process::id()));
        std::fs::create_dir_all(root.join("d/e")).unwrap();
        std::fs::write(root.join("d/f.txt"), "x").unwrap();
        let root_name = root.as_os_str().as_bytes();
        for (name, file, folder, kind) in [
            ("/d/f.txt", "/d/f.txt", "/d/", "file"),
            ("/d/f.txt/more/x", "/d/f.txt", "/d/", "file"),
            ("/d/f.txt/", "/d/f.txt", "/d/", "file"),
            ("/d/e", "/d/e", "/d/e", "directory"),
            ("/d/e/", "/d/e/", "/d/e/", "directory"),
            ("/d/no/x/y", "/d/no", "/d/", ""),
            ("/d/no", "/d/no", "/d/", ""),
            ("/d//no/x", "/d//no", "/d//", ""),
            ("/d/no\0x", "/d/no\0x", "/d/", "denied"),
        ] {
            let whole = [root_name, name.as_bytes()].concat();
            let found = locate(&whole);
            let cut = |length: usize| String::from_utf8_lossy(&whole[root_name.len()..length]).into_owned();
            assert_eq!(
                (&*cut(found.length), &*cut(found.folder), found.kind),
                (file, folder, kind),
                "{name:?}"
            );
        }
        std::fs::remove_dir_all(root).unwrap();
    }
}
