//! Symbolic links that settings do not follow.
//!
//! What a client names is looked at: the last component of a file's name, and those before it as long as they are the
//! path's. What stands before is the server's own doing, and its links are followed.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt as _, os::unix::fs::MetadataExt as _, path::Path};

/// Whether a link is in the way. `mode` is that of the settings: 1 follows none, 2 those whose owner is the target's.
pub(super) fn forbid(mode: u8, path: &[u8], name: &[u8]) -> bool {
    let (mut name, mut path) = (name.strip_suffix(b"/").unwrap_or(name), path);
    loop {
        if is_forbidden(mode, name) {
            return true;
        }
        let Some(slash) = memchr::memrchr(b'/', name) else { return false };
        let last = memchr::memrchr(b'/', path).unwrap_or(0);
        // A folder's file stands for the folder.
        if !path.ends_with(b"/") && path.get(last..) != name.get(slash..) {
            return false;
        }
        (name, path) = (&name[..slash], &path[..last]);
        if path.is_empty() {
            return false;
        }
    }
}

fn is_forbidden(mode: u8, name: &[u8]) -> bool {
    let name = Path::new(OsStr::from_bytes(name));
    let Ok(link) = fs::symlink_metadata(name) else { return false };
    // Whether the target is there shows when it is opened.
    link.is_symlink() && (mode == 1 || fs::metadata(name).is_ok_and(|target| target.uid() != link.uid()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_must_be_no_link() {
        let root = std::env::temp_dir().join(format!("links-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("site/d")).unwrap();
        fs::write(root.join("site/d/f"), "x").unwrap();
        let link = |to: &str, at: &str| std::os::unix::fs::symlink(root.join(to), root.join(at)).unwrap();
        link("site", "www");
        link("site/d/f", "site/d/l");
        link("site/d", "site/dd");
        for (path, name, expected) in [
            ("/d/f", "www/d/f", false),
            ("/d/l", "site/d/l", true),
            ("/dd/f", "site/dd/f", true),
            ("/dd/", "site/dd/f", true),
            ("/dd/", "site/dd/", true),
            ("/d/", "site/d/l", true),
            ("/d/", "www/d/f", false),
            ("/", "www/d/f", false),
            ("/other", "site/dd/f", false),
            ("/d/none", "site/d/none", false),
        ] {
            let name = [root.as_os_str().as_bytes(), b"/", name.as_bytes()].concat();
            assert_eq!(forbid(1, path.as_bytes(), &name), expected, "{path} {}", name.escape_ascii());
            // All of them are ours.
            assert!(!forbid(2, path.as_bytes(), &name), "{path}");
        }
        fs::remove_dir_all(root).unwrap();
    }
}
