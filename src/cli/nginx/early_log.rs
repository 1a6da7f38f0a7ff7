//! What is said before the server's own logs are open: to standard error and to the first log of errors.
//!
//! Reference: <https://nginx.org/en/docs/switches.html>, `-e`.

use std::{
    fs::File,
    io::Write as _,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    cli::{report, say},
    diagnostic::{
        Diagnostic, Severity,
        render::{Colour, Format, render},
    },
    source::SourceMap,
};

/// This many findings are shown with the lines in question; the next only in one line, and the rest is counted.
const SHOWN: usize = 20;
/// This many findings are shown at all.
const LISTED: usize = 100;

/// The log that is open before any configuration is read.
#[derive(Debug)]
pub(super) struct EarlyLog {
    file: Option<File>,
}

impl EarlyLog {
    /// Opens it; what fails is said and is no reason to stop.
    pub(super) fn open(path: Option<&Path>) -> Self {
        let Some(path) = path else { return Self { file: None } };
        match File::options().append(true).create(true).open(path) {
            Ok(file) => Self { file: Some(file) },
            Err(error) => {
                let failed = report::failed("open", path, &error);
                say::remark(format!("nginx: [alert] could not open error log file: {failed}\n"));
                Self { file: None }
            }
        }
    }

    /// Writes a line to the log alone.
    pub(super) fn note(&self, level: &str, message: &str) {
        if let Some(mut file) = self.file.as_ref() {
            let id = std::process::id();
            let line = format!("{} [{level}] {id}#{id}: {message}\n", now());
            // Who cannot log cannot say so either.
            let _ = file.write_all(line.as_bytes());
        }
    }

    /// Writes a line to the log and to standard error.
    pub(super) fn say(&self, level: &str, message: &str) {
        self.note(level, message);
        say::remark(format!("nginx: [{level}] {message}\n"));
    }

    /// Says what was found in a configuration; notes are for `check`.
    pub(super) fn findings(&self, sources: &SourceMap, found: &[Diagnostic]) {
        let mut said = 0;
        let mut unsaid = 0;
        for one in found {
            let level = match one.severity {
                Severity::Note => continue,
                Severity::Warning => "warn",
                Severity::Error => "emerg",
            };
            said += 1;
            if said > LISTED {
                unsaid += 1;
                continue;
            }
            self.say(level, &report::line(sources, one));
            if one.severity == Severity::Error && said <= SHOWN {
                say::remark(excerpt(sources, one));
            }
        }
        if unsaid > 0 {
            say::remark(format!("nginx: [emerg] and {unsaid} more\n"));
        }
    }
}

/// The lines in question, without the message that stands above them already.
fn excerpt(sources: &SourceMap, found: &Diagnostic) -> String {
    let text = render(sources, std::slice::from_ref(found), Format::Human, Colour::Never);
    text.split_once('\n').map_or(String::new(), |(_, rest)| rest.to_owned())
}

/// The local time as logs write it.
fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (year, month, day, hour, minute, second) = local(since.as_secs());
    format!("{year:04}/{month:02}/{day:02} {hour:02}:{minute:02}:{second:02}")
}

#[expect(unsafe_code, reason = "the local time is known to localtime_r(3) alone")]
fn local(seconds: u64) -> (i32, i32, i32, i32, i32, i32) {
    let seconds = seconds as libc::time_t;
    // SAFETY: all zeroes is a valid value of this C structure.
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both point to valid values for the time of the call.
    unsafe { libc::localtime_r(&raw const seconds, &raw mut parts) };
    (parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec)
}
