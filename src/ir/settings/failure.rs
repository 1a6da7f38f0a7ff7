//! How requests to upstreams fail, and what is done about it.

use serde::Serialize;

use super::FilesInForce;

/// How a request to an upstream fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Fault {
    /// The name of the host has no address.
    Unresolved,
    /// There is no connection to be had.
    Unreachable,
    /// The TLS handshake fails.
    Tls,
    /// TLS is needed, and not allowed.
    NoTls,
    /// Sending takes too long.
    SendTimeout,
    /// The answer takes too long.
    ReadTimeout,
    /// The connection ends before a head came.
    Closed,
    /// The same, on a client's connection that carried requests before.
    ClosedLater,
    /// The head cannot be read.
    InvalidHead,
    /// No endpoint can be used.
    NoEndpoint,
}

/// Why no file is sent that could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum FileFault {
    /// Its type is unknown, where it has to be known.
    UnknownType,
    /// It is a folder without an index file, and there are no listings.
    NoListing,
}

/// What lets another endpoint be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Retry {
    /// Failure to connect, to send or to read the head.
    Error,
    /// Taking too long for these.
    Timeout,
    /// An empty or invalid head.
    InvalidHead,
    /// This status.
    Status(u16),
    /// Also after content or a head of a method that is not idempotent was sent.
    NonIdempotent,
}

impl FilesInForce {
    /// What a reason to send no file is answered with.
    pub fn answer_to(&self, fault: FileFault, usual: u16) -> u16 {
        self.faults.iter().find(|(listed, _)| *listed == fault).map_or(usual, |(_, status)| *status)
    }
}
