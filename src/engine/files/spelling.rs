//! Names of files whose case does not count: as they are spelled on a disk where it does.
//!
//! Each worker remembers the names of some folders for as long as the folders are as they were, so that asking for what is
//! not there, as rules for single-page applications do, costs a look at the folder and no listing of it.

use std::{
    cell::RefCell,
    collections::HashMap,
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Component, Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::ir::case::fold;

/// Folders that a worker remembers.
const REMEMBERED: usize = 64;

/// A folder that changed just now may change again without its time doing so.
const SETTLED: Duration = Duration::from_secs(2);

/// The names of a folder, folded as patterns are, by which they are refused; and when it changed last.
type Names = (SystemTime, HashMap<String, OsString>);

thread_local! {
    static FOLDERS: RefCell<HashMap<PathBuf, Names>> = RefCell::default();
}

/// Entries of a folder that are looked at: a name that is not there should not cost more than one that is.
const MOST: usize = 10_000;

/// Puts the spelling on disk in the place of a name that is not there; the exact one comes first.
pub fn correct(name: &mut Vec<u8>) {
    let path = Path::new(OsStr::from_bytes(name));
    if name.is_empty() || std::fs::symlink_metadata(path).is_ok() {
        return;
    }
    let Some(found) = find(path) else { return };
    let slash = name.ends_with(b"/");
    *name = found.into_os_string().into_vec();
    if slash && !name.ends_with(b"/") {
        name.push(b'/');
    }
}

fn find(path: &Path) -> Option<PathBuf> {
    let mut found = PathBuf::new();
    for component in path.components() {
        let Component::Normal(wanted) = component else {
            found.push(component);
            continue;
        };
        found.push(wanted);
        if std::fs::symlink_metadata(&found).is_ok() {
            continue;
        }
        found.pop();
        let folder = if found.as_os_str().is_empty() { Path::new(".") } else { &found };
        let wanted = fold(wanted.to_str()?);
        found.push(spelled(folder, &wanted)?);
    }
    Some(found)
}

/// The name in a folder that is this one when it is folded.
fn spelled(folder: &Path, wanted: &str) -> Option<OsString> {
    let changed = std::fs::metadata(folder).ok()?.modified().ok()?;
    FOLDERS.with_borrow_mut(|folders| {
        if let Some((then, names)) = folders.get(folder)
            && *then == changed
        {
            return names.get(wanted).cloned();
        }
        let mut all: Vec<OsString> =
            std::fs::read_dir(folder).ok()?.take(MOST).flatten().map(|entry| entry.file_name()).collect();
        // Of several that differ in case alone, always the same.
        all.sort_by(|one, other| other.cmp(one));
        let names: HashMap<String, OsString> =
            all.into_iter().filter_map(|name| Some((fold(name.to_str()?), name.clone()))).collect();
        let found = names.get(wanted).cloned();
        let settled = changed.elapsed().is_ok_and(|since| since > SETTLED);
        if settled {
            if folders.len() >= REMEMBERED {
                folders.clear();
            }
            folders.insert(folder.to_path_buf(), (changed, names));
        }
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exact_name_comes_first() {
        let folder = std::env::temp_dir().join(format!("triglot-spelling-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("Sub")).unwrap();
        for name in ["Sub/File.txt", "a", "A", "B", "k", "\u{dc}ber"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        let spelled = |name: &str| {
            let mut name = folder.join(name).into_os_string().into_vec();
            correct(&mut name);
            let prefix = folder.as_os_str().len() + 1;
            String::from_utf8_lossy(&name[prefix..]).into_owned()
        };
        assert_eq!(spelled("SUB/fILE.TXT"), "Sub/File.txt");
        assert_eq!(spelled("sub/"), "Sub/");
        assert_eq!(
            (spelled("a"), spelled("A"), spelled("b")),
            ("a".to_owned(), "A".to_owned(), "B".to_owned())
        );
        assert_eq!(spelled("none/x"), "none/x");
        assert_eq!(spelled("\u{fc}BER"), "\u{dc}ber");
        // No pattern takes the Kelvin sign for a `k`.
        assert_eq!(spelled("\u{212a}"), "\u{212a}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
