//! The same requests to two servers as they are installed: what each answers, and what each sends to upstreams.
//!
//! Configurations stay as they are written; the machine around them is made up instead. Both servers run, one after the
//! other, in namespaces of their own ([`stage`]): every port is free there, every address is near, every name has an
//! address, every upstream is one that answers ([`origin`]), and no file of this machine can be changed. Where no such
//! namespaces can be had, nothing is replayed and the reason is told.
//!
//! References: unshare(1), ip-route(8) (`local` routes), mount(8) (overlays).

mod client;
mod gateway;
mod names;
pub mod observed;
mod origin;
mod server;
mod stage;
mod tls;

use std::{
    io::Write as _,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use serde::{Deserialize, Serialize};

use super::process::system;
use crate::{dialect::Dialect, raise::Shape};

/// The word that begins the command line of the process in the namespaces.
const STAGE: &str = "__replay-stage";
/// And that of the one with the upstreams.
const ORIGINS: &str = "__replay-origins";

/// A server to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Side {
    /// Whose: `nginx`, `apache`, or anything else for our own.
    pub program: String,
    /// How much of a configuration the main file is: `whole`, `servers`, `inside`.
    pub shape: String,
    /// The main file.
    pub main: PathBuf,
    /// All files, with their texts.
    pub files: Vec<(PathBuf, String)>,
    /// What relative paths are relative to.
    pub prefix: PathBuf,
    /// Addresses that it listens on.
    pub listen: Vec<SocketAddr>,
    /// Where programs behind handlers are reached, by the handlers' names.
    pub handlers: Vec<(String, String)>,
}

/// A request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asked {
    /// Where it is sent, and whether over TLS: for each of the servers.
    pub to: Vec<(SocketAddr, bool)>,
    /// The name that is asked for in the handshake.
    pub name: String,
    /// Where it comes from.
    pub client: IpAddr,
    /// Its head.
    pub head: Vec<u8>,
    /// How much content follows.
    pub content: u64,
}

/// What is to be replayed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Job {
    /// The servers.
    pub sides: Vec<Side>,
    /// The requests.
    pub requests: Vec<Asked>,
    /// Files that exist while they are sent; a folder's name ends in `/`.
    pub present: Vec<PathBuf>,
    /// Upstreams, as `host:port` or `unix:/path`.
    pub upstreams: Vec<String>,
    /// An empty folder of this machine, over which the other one is mounted.
    pub root: PathBuf,
}

/// A request that came to an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrived {
    /// Which upstream.
    pub at: String,
    /// What was spoken: `http`, `https`, `fastcgi`, `scgi`, `uwsgi`, or `?`.
    pub protocol: String,
    /// The head, or the parameters of a gateway, a line each.
    pub head: Vec<u8>,
}

/// What came of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// What the client read; empty when the connection was closed or refused.
    pub answer: Vec<u8>,
    /// What upstreams were asked.
    pub arrived: Vec<Arrived>,
}

/// What a server did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Ran {
    /// One for each request, in their order.
    Served(Vec<Seen>),
    /// It did not start, and said this.
    Refused(String),
}

/// Whether a language's own server is here to be asked.
pub fn is_installed(dialect: Dialect) -> bool {
    server::program(dialect.name()).is_some()
}

/// The word for a shape in a job.
pub fn shape_name(shape: Shape) -> &'static str {
    match shape {
        Shape::Whole => "whole",
        Shape::Servers => "servers",
        Shape::Inside => "inside",
    }
}

/// Replays, with `own` (this program) for what is not installed. `Err` is why that is impossible here.
pub fn replay(own: &Path, job: &Job) -> Result<Vec<Ran>, String> {
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child"]);
    if !system::is_root() {
        command.args(["--map-root-user", "--map-auto"]);
    }
    let folder = std::env::temp_dir().join(format!("triglot-replay-{}-{}", std::process::id(), serial()));
    std::fs::create_dir_all(&folder).map_err(|error| super::report::failed("make", &folder, &error))?;
    let job = Job { root: folder.clone(), ..job.clone() };
    let done = call(command.arg(own).arg(STAGE), &job);
    let _ = std::fs::remove_dir(&folder);
    done
}

/// A number for each replay of this process.
fn serial() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Gives the job to a process and reads what it found.
fn call(command: &mut Command, job: &Job) -> Result<Vec<Ran>, String> {
    let text = serde_json::to_vec(job).map_err(|error| error.to_string())?;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("`unshare` cannot be run: {error}"))?;
    let stdin = child.stdin.take();
    let writer = std::thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&text)));
    let ended = child.wait_with_output().map_err(|error| error.to_string())?;
    let _ = writer.join();
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr);
        return Err(said.trim().lines().last().unwrap_or("it ended without a word").to_owned());
    }
    serde_json::from_slice(&ended.stdout).map_err(|error| error.to_string())
}

/// The processes inside, where the command line begins with one of their words.
pub fn is_called(word: &std::ffi::OsStr) -> Option<fn() -> ExitCode> {
    if word == STAGE {
        Some(stage::main)
    } else if word == ORIGINS {
        Some(origin::main)
    } else {
        None
    }
}
