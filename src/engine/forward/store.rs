//! Copies of responses: the content of an answer with status 200 becomes a file of the name that settings say.
//!
//! The file is written beside its place under another name and put there when all of the content came, with the
//! upstream's `Last-Modified` as its time; folders that are missing are made. Who asked may leave meanwhile. What
//! goes wrong with the file is a line in the log and nothing to the client.

use std::{
    fs::{File, FileTimes, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::{
        ffi::OsStringExt as _,
        fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    },
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use super::super::{content::failed, exchange::Exchange, files::condition, http1::field::Known};
use crate::{ir::settings::Level, plan::ForwardingPlan};

/// Content collected before it is written.
const BUFFER: usize = 64 * 1024;

/// A copy that is being written.
#[derive(Debug)]
pub struct Copy {
    file: File,
    temp: PathBuf,
    place: PathBuf,
    access: u32,
    modified: Option<i64>,
    waiting: Vec<u8>,
    written: u64,
    trouble: Option<String>,
    placed: bool,
}

impl Exchange {
    /// Begins to copy the response under way, where settings ask for it.
    pub(super) fn begin_copy(&mut self, how: &ForwardingPlan, buffering: bool) -> Option<Copy> {
        if how.store.is_empty()
            || !buffering
            || self.facts.asked_head
            || self.facts.upstream_head.status != 200
        {
            return None;
        }
        let place = self.value(&how.store);
        if place.is_empty() || place.contains(&0) {
            return None;
        }
        let facts = &self.facts;
        let mut fields = facts.upstream_head.fields.iter();
        let modified = fields.find(|field| field.known == Known::LastModified);
        let modified = modified.and_then(|field| condition::date(field.value.of(&facts.upstream)));
        let place = PathBuf::from(std::ffi::OsString::from_vec(place));
        match Copy::begin(place, how.store_access, modified) {
            Ok(copy) => Some(copy),
            Err(message) => {
                self.log(Level::Crit, format_args!("{message} while reading upstream"));
                None
            }
        }
    }

    /// Puts a copy in its place, once all of the content came.
    pub(super) fn end_copy(&self, copy: Option<Copy>, whole: bool, expected: Option<u64>) {
        if let Some(copy) = copy.filter(|_| whole)
            && let Err(message) = copy.finish(expected)
        {
            self.log(Level::Crit, format_args!("{message} while reading upstream"));
        }
    }
}

impl Copy {
    fn begin(place: PathBuf, access: u32, modified: Option<i64>) -> Result<Self, String> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let (file, temp) = loop {
            let mut name = place.clone().into_os_string();
            name.push(format!(".{}.{:010}", std::process::id(), NEXT.fetch_add(1, Relaxed)));
            let temp = PathBuf::from(name);
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temp) {
                Ok(file) => break (file, temp),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let folder = place.parent().unwrap_or(&place);
                    // Who may read a file may look into the folder.
                    let mode = access | (access & 0o444) >> 2;
                    let made = std::fs::DirBuilder::new().recursive(true).mode(mode).create(folder);
                    made.map_err(|error| failed("mkdir", folder, &error))?;
                }
                Err(error) => return Err(failed("open", &temp, &error)),
            }
        };
        let (waiting, written) = (Vec::new(), 0);
        Ok(Self { file, temp, place, access, modified, waiting, written, trouble: None, placed: false })
    }

    /// Takes content.
    pub fn push(&mut self, data: &[u8]) {
        if self.trouble.is_some() {
            return;
        }
        self.waiting.extend_from_slice(data);
        if self.waiting.len() >= BUFFER {
            self.write();
        }
    }

    fn write(&mut self) {
        match self.file.write_all(&self.waiting) {
            Ok(()) => self.written += self.waiting.len() as u64,
            Err(error) => self.trouble = Some(failed("write", &self.temp, &error)),
        }
        self.waiting.clear();
    }

    fn finish(mut self, expected: Option<u64>) -> Result<(), String> {
        self.write();
        if let Some(trouble) = self.trouble.take() {
            return Err(trouble);
        }
        if expected.is_some_and(|expected| expected != self.written) {
            return Ok(());
        }
        let permitted = self.file.set_permissions(Permissions::from_mode(self.access));
        permitted.map_err(|error| failed("chmod", &self.temp, &error))?;
        if let Some(seconds) = self.modified.and_then(|modified| u64::try_from(modified).ok()) {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            let timed = self.file.set_times(FileTimes::new().set_modified(time).set_accessed(time));
            timed.map_err(|error| failed("utimes", &self.temp, &error))?;
        }
        std::fs::rename(&self.temp, &self.place).map_err(|error| failed("rename", &self.temp, &error))?;
        self.placed = true;
        Ok(())
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if !self.placed {
            let _ = std::fs::remove_file(&self.temp);
        }
    }
}
