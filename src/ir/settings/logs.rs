//! Settings of logs: where lines go, which, and what they say.

use std::{path::PathBuf, time::Duration};

use serde::Serialize;

use super::{ErrorLines, Levels, Setting, Template, Text, Value};
use crate::ir::Name;
use crate::source::Span;

settings! {
    /// Logs.
    Logs, LogsInForce {
        /// Lines written at the end of a request.
        access: Vec<AccessLog>,
        /// Where errors go.
        errors: Vec<ErrorLog>,
        /// What their lines say, where it is not the usual.
        lines: Option<ErrorLines>,
        /// How bad lines have to be, where it is not as their log has it.
        levels: Levels,
        /// Whether `Trace` steps are logged.
        rewrite: bool,
        /// Whether subrequests are logged.
        subrequests: bool,
        /// Whether reading a variable before it is written is logged.
        uninitialized: bool,
    }
}

/// A log with a line for each request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccessLog {
    /// Where lines go.
    pub to: LogTarget,
    /// What a line is.
    pub format: LogFormat,
    /// Written only when this is neither empty nor `0`.
    pub when: Option<Template>,
    /// Bytes collected before they are written; 0 writes each line.
    pub buffer: u64,
    /// How long a line may wait in the buffer.
    pub flush: Option<Duration>,
    /// Compression level; `None` writes plain text.
    pub gzip: Option<u8>,
}

/// Where log lines go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum LogTarget {
    /// A file; a template without variables is opened at start and at reopening. The span is where it is named.
    File(Template, Span),
    /// Standard error.
    Stderr,
    /// Syslog (RFC 3164).
    Syslog(Syslog),
    /// Files that follow each other.
    Series(Series, Span),
}

/// Files in a folder, a new one for each period or size.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Series {
    /// The folder; it is made where it is not there.
    pub folder: PathBuf,
    /// What names of files begin with.
    pub prefix: String,
    /// When a new file begins.
    pub period: Period,
    /// The size after which one begins, where sizes count; 0 is none.
    pub size: u64,
    /// Whether periods are those of local time.
    pub local: bool,
    /// What stands at the beginning of each file; a line `#Date:` gets the time.
    pub heading: Text,
}

/// When a new file begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "each is what it is called")]
pub enum Period {
    Size,
    Hour,
    #[default]
    Day,
    Week,
    Month,
}

/// A syslog receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Syslog {
    /// `host:port` or `unix:/path`.
    pub server: Text,
    /// Facility number.
    pub facility: u8,
    /// Severity number.
    pub severity: u8,
    /// Tag.
    pub tag: Text,
    /// Whether the host's name is sent.
    pub host_name: bool,
}

/// What a log line is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogFormat {
    /// Its name, for people.
    pub name: Name,
    /// How values are written.
    pub escape: LogEscape,
    /// The line, without its line end.
    pub line: Template,
}

/// How values are written to a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum LogEscape {
    /// `"`, `\`, controls and bytes from 0x7f on as `\xHH`; missing as `-`.
    #[default]
    Hex,
    /// `"` and `\` behind a backslash, controls as in C, what is not ASCII as `\xhh`; missing as `-`.
    C,
    /// As in JSON strings; missing as nothing.
    Json,
    /// As they are; missing as nothing.
    None,
    /// White space and controls as `+`; missing or empty as `-`.
    Plus,
}

/// A log of errors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorLog {
    /// Where lines go.
    pub to: LogTarget,
    /// The least level written.
    pub level: Level,
}

/// How bad a line of the error log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[expect(missing_docs, reason = "syslog's names, from harmless to fatal")]
pub enum Level {
    Debug,
    Info,
    Notice,
    Warn,
    #[default]
    Error,
    Crit,
    Alert,
    Emerg,
}
