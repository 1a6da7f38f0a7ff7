//! Where responses of upstreams are kept.

use std::{path::PathBuf, time::Duration};

use serde::Serialize;

use super::Name;
use crate::source::Span;

/// A folder of kept responses, which all workers share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cache {
    /// Its name: a reload that leaves it as it is leaves what is known of it, too.
    pub name: Name,
    /// The folder.
    pub folder: PathBuf,
    /// How many last digits of a file's name are the names of the folders that it is in, from the outermost.
    pub levels: Vec<u8>,
    /// How many responses there is room for.
    pub entries: u64,
    /// What nobody asked for so long is removed.
    pub inactive: Duration,
    /// How many bytes the files may have; what was not asked for longest is removed.
    pub max_size: Option<u64>,
    /// How many bytes of the file system have to be free, likewise.
    pub min_free: u64,
    /// How what is removed at once is bounded.
    pub manager: Pace,
    /// Likewise what is looked at when the process starts.
    pub loader: Pace,
    /// Where it was written.
    pub span: Span,
}

/// Files in one turn, how long a turn may take, and the pause after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Pace {
    /// Files in one turn.
    pub files: u32,
    /// How long a turn may take.
    pub threshold: Duration,
    /// The pause after it.
    pub sleep: Duration,
}

/// What lets a response be sent whose time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Stale {
    /// No endpoint answers.
    Error,
    /// It takes too long.
    Timeout,
    /// An empty or invalid head.
    InvalidHead,
    /// The upstream answers with this status.
    Status(u16),
    /// Somebody else is asking the upstream already.
    Updating,
}

/// How long a response of which nothing is said is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Validity {
    /// The statuses; none is any.
    pub statuses: Vec<u16>,
    /// How long; zero is not at all.
    pub lasts: Duration,
}
