//! Programs that run beside the server for as long as it does, and answer what is forwarded to them.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde::Serialize;

use super::Text;

/// A program beside the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Companion {
    /// Its name, for people.
    pub name: Text,
    /// The file to run.
    pub command: PathBuf,
    /// Its arguments.
    pub arguments: Vec<Text>,
    /// Its working directory.
    pub folder: PathBuf,
    /// Variables of its environment, besides our own.
    pub environment: Vec<(Text, Text)>,
    /// Where it listens when it is ready.
    pub address: SocketAddr,
    /// How long it may take until it does.
    pub start_limit: Duration,
    /// How long it may take to end.
    pub stop_limit: Duration,
    /// How often it may end in a minute and be started again.
    pub restarts: u32,
    /// The beginning of the names of files for what it prints; `None` is our own standard error.
    pub output: Option<PathBuf>,
}
