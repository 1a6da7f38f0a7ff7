//! The configurations of the fixtures, to be read without asking anything of this machine.

use std::{
    fs,
    path::{Path, PathBuf},
};

use triglot::{
    cli::load::Request,
    dialect::{Dialect, Options},
};

/// All below a project's `fixtures/` that are no mistakes, with their language. `CASE=text` narrows them down.
pub(crate) fn all(root: &Path) -> Vec<(PathBuf, Dialect)> {
    let wanted = std::env::var("CASE").unwrap_or_default();
    let mut found = Vec::new();
    for dialect in Dialect::ALL {
        let folder = root.join("fixtures").join(dialect.name());
        for topic in fs::read_dir(folder).expect("there are fixtures").flatten() {
            for file in fs::read_dir(topic.path()).into_iter().flatten().flatten() {
                let path = file.path();
                let is = path.extension().is_some_and(|found| found == "conf" || found == "config");
                let name = path.to_string_lossy().into_owned();
                if is && path.is_file() && name.contains(&wanted) && !name.contains("/mistakes/") {
                    found.push((path, dialect));
                }
            }
        }
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

/// One of them, away from its machine.
pub(crate) fn request(path: &Path, dialect: Dialect) -> Request {
    let prefix = path.parent().unwrap_or(Path::new("")).to_path_buf();
    let options = Options { prefix, offline: true, ..Options::default() };
    Request { path: path.to_path_buf(), dialect: Some(dialect), options, listen: None }
}
