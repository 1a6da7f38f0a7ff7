//! Folders for temporary files: there before anything is served, and open to the workers.

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, chown},
    path::Path,
};

use super::{plain, system};
use crate::{
    cli::{
        files::{self, Files},
        report,
    },
    diagnostic::Diagnostic,
    ir::Process,
};

/// Makes those that are missing; as root, gives them to the workers' user.
///
/// Reference: <https://nginx.org/r/client_body_temp_path>
pub(crate) fn make(files: &Files, process: &Process) -> Result<(), Diagnostic> {
    let owner = files::owner(process).filter(|_| system::is_root()).and_then(|user| system::user_id(user));
    files.folders.iter().try_for_each(|folder| make_one(folder, owner))
}

fn make_one(folder: &Path, owner: Option<u32>) -> Result<(), Diagnostic> {
    if let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(folder) {
        return Err(plain(report::failed("mkdir", folder, &error)));
    }
    let Some(owner) = owner else { return Ok(()) };
    if fs::metadata(folder).is_ok_and(|found| found.uid() == owner) {
        return Ok(());
    }
    chown(folder, Some(owner), None).map_err(|error| plain(report::failed("chown", folder, &error)))
}
