//! The routing IR: what a server does with each request, as plain data.
//!
//! Nothing here names a configuration dialect, holds a compiled object or
//! performs I/O. The defaults of a dialect are data too: its lowering writes
//! them to [`Config::base`]. `print` gives the text that golden files hold,
//! `validate` the invariants on which `plan` relies.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde::Serialize;

use crate::source::Span;

mod access;
mod block;
mod cache;
pub mod case;
mod cluster;
mod companion;
mod compare;
mod group;
mod handler;
pub mod local;
mod map;
mod negotiate;
mod pattern;
pub mod print;
pub mod settings;
mod template;
mod text;
mod tls;
mod validate;
mod var;
pub mod walk;
mod watched;

pub use access::{Credentials, Digest, Joined, Naming, Required, Requirement};
pub use block::{
    AddressRange, Asking, Base, Block, By, FileKind, Hook, Join, Jump, Locate, Order, Probe, Relation, Route,
    Scope, Step, Table, Test,
};
pub use cache::{Cache, Pace, Stale, Validity};
pub use cluster::{
    Affinity, Balance, Cluster, Endpoint, Expectation, IdleConnections, Queue, Role, Timing, Watch,
};
pub use companion::Companion;
pub use group::{Check, Duty, Group, Live, Member, Share, State, Sticky};
pub use handler::{
    Change, Control, Edit, Expiry, Figures, Forward, Handler, Overview, Program, Protocol, Query, Recovery,
    RecoveryStatus, RecoveryTarget, Reply, ReplyContent, Standing, Target, Upgrade, Upstream, UrlMatch,
};
pub use map::{Encoding, Lookup, Map, MapId, MapSource};
pub use negotiate::{Negotiate, Noted};
pub use pattern::{Kind, Pattern, Register, Syntax};
pub use print::{print, print_base, print_setting, print_template};
pub use settings::Settings;
pub use template::{
    AnnouncedAttr, Attr, Escape, GroupAttr, Load, Moment, Part, ProofAttr, Stat, TcpInfo, Template, TimeForm,
    TimeUnit, TlsAttr,
};
pub use text::{Name, Text};
pub use tls::{ClientCertificates, ComputedCertificate, HostTls, Staple};
pub use validate::validate;
pub use var::{Bucket, Choice, Network, Row, Var, VarKind};
pub use watched::Watched;

/// Index into [`Config::hosts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct HostId(pub u32);

/// Index into [`Config::clusters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ClusterId(pub u32);

/// Index into [`Config::vars`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct VarId(pub u32);

/// One running server.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Config {
    /// The process: workers, credentials, files of its own.
    pub process: Process,
    /// The settings in force where nothing is set: the dialect's defaults, all of them.
    pub base: Settings,
    /// Settings written for all hosts, laid over `base`: the scope of a host's program lies on both.
    pub common: Settings,
    /// Reason phrases (RFC 9112 § 4) by status; a status without one is sent with an empty phrase.
    pub reasons: Vec<(u16, Text)>,
    /// Reason phrases that are made for each answer of ours, by status, in the place of those.
    pub phrases: Vec<(u16, Template)>,
    /// The content of a reply of our own that brings none, by status, as `text/html`.
    pub pages: Vec<(u16, Template)>,
    /// Pages that take the place of those of their statuses where requests to upstreams failed.
    pub failures: Vec<Failure>,
    /// Statuses that are sent, and logged, as another one; recoveries and pages go by the first.
    pub sent_as: Vec<(u16, u16)>,
    /// Character sets that are known by name, in lower case: an upstream may choose among these alone.
    pub charsets: Vec<Text>,
    /// Which character sets can be made of each other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recodings: Vec<Recoding>,
    /// Whether a target is normalized by the settings of the host that the connection began with (that of its
    /// handshake, else the listener's default) instead of those of the host that the request is for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub targets_by_connection: bool,
    /// The addresses to accept on.
    pub listeners: Vec<Listener>,
    /// The virtual hosts.
    pub hosts: Vec<Host>,
    /// The groups of endpoints.
    pub clusters: Vec<Cluster>,
    /// The named values.
    pub vars: Vec<Var>,
    /// What limits are counted in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<Zone>,
    /// What requests are counted in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tallies: Vec<Tally>,
    /// Whether what endpoints and caches do is counted, too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub counts: bool,
    /// Where responses are kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub caches: Vec<Cache>,
    /// What is looked up outside of the configuration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maps: Vec<Map>,
}

/// What requests are counted in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Its name.
    pub name: Text,
    /// Whether it counts requests to hosts; else those that were answered from places.
    pub of_hosts: bool,
}

/// How content in one character set becomes content in another, and back. Names are in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recoding {
    /// A set of one byte for each character.
    pub from: Text,
    /// Another, or `utf-8`.
    pub to: Text,
    /// The bytes whose characters have another byte, or other bytes, there.
    pub pairs: Vec<(u8, Text)>,
}

/// A table that all workers count requests in, by a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Zone {
    /// Its name: a reload that leaves a zone as it is leaves its counts.
    pub name: Name,
    /// What requests are told apart by; one whose key is empty is not counted.
    pub key: Template,
    /// Thousandths of requests a second; 0 where only requests under way are counted.
    pub rate: u64,
    /// How many keys there is room for.
    pub entries: u32,
}

/// The process as a whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Process {
    /// Worker threads; `None` is one per processor.
    pub workers: Option<u32>,
    /// Connections per worker, both sides counted.
    pub connections: u32,
    /// Open-files limit to ask for (`RLIMIT_NOFILE`).
    pub descriptors: Option<u64>,
    /// The user and the group that workers run as.
    pub user: Option<(Text, Option<Text>)>,
    /// Where the process id is written.
    pub pid_file: Option<PathBuf>,
    /// Whether to leave the terminal and go to the background.
    pub daemon: bool,
    /// How long a graceful stop waits for exchanges and tunnels; `None` is as long as they last.
    pub shutdown_timeout: Option<Duration>,
    /// Environment: names kept, or set to a value; everything else is cleared.
    pub environment: Vec<(Text, Option<Text>)>,
    /// The working directory of the workers.
    pub working_directory: Option<PathBuf>,
    /// Programs that run beside the server.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub companions: Vec<Companion>,
    /// Files whose change has the configuration read again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub watched: Vec<Watched>,
}

impl Default for Process {
    fn default() -> Self {
        Self {
            workers: Some(1),
            connections: 512,
            descriptors: None,
            user: None,
            pid_file: None,
            daemon: false,
            shutdown_timeout: None,
            environment: Vec::new(),
            working_directory: None,
            companions: Vec::new(),
            watched: Vec::new(),
        }
    }
}

/// An address to accept on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listener {
    /// Where to accept.
    pub address: Address,
    /// Whether connections begin with a TLS handshake.
    pub tls: bool,
    /// Whether HTTP/2 is spoken to all of its hosts, too (RFC 9113).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub http2: bool,
    /// Whether they begin, before that, with the PROXY protocol's header, and of which clients they do not.
    pub announced: Option<Vec<AddressRange>>,
    /// Options of the socket.
    pub options: SocketOptions,
    /// The host that answers names which no host claims; one of `hosts`.
    pub default: HostId,
    /// Whether somebody wrote that it is that one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub chosen: bool,
    /// The hosts to choose from, in order.
    pub hosts: Vec<HostId>,
    /// Which of several hosts with a matching name is taken.
    pub order: Order,
    /// For requests that name no host: paths, as received, and the host that answers what lies below them; the first
    /// counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<(Text, HostId)>,
    /// Where the captures of a matching pattern go.
    pub into: Register,
    /// Where it was written first.
    pub span: Span,
}

/// A local address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Address {
    /// TCP; an unspecified IP address stands for all of its family.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// Options of a listening socket; `None` leaves the system's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SocketOptions {
    /// Length of the queue of connections not yet accepted.
    pub backlog: Option<u32>,
    /// Whether an IPv6 socket takes IPv6 only.
    pub ipv6_only: Option<bool>,
    /// Whether each worker has a socket of its own (`SO_REUSEPORT`) because the configuration asks for it.
    pub reuse_port: bool,
    /// A socket of its own even where a wildcard address covers this one.
    pub separate: bool,
    /// `SO_RCVBUF`
    pub receive_buffer: Option<u64>,
    /// `SO_SNDBUF`
    pub send_buffer: Option<u64>,
    /// `TCP_DEFER_ACCEPT`
    pub deferred: bool,
    /// `TCP_FASTOPEN` queue length
    pub fast_open: Option<u32>,
    /// TCP keep-alive.
    pub keep_alive: Option<TcpKeepAlive>,
    /// Routing table (`SO_SETFIB`), kept for translation; no effect on Linux.
    pub fib: Option<u32>,
}

/// TCP keep-alive of accepted connections; `None` leaves the system's default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TcpKeepAlive {
    /// Whether probes are sent.
    pub on: bool,
    /// Idle seconds before the first.
    pub idle: Option<u32>,
    /// Seconds between them.
    pub interval: Option<u32>,
    /// How many go unanswered before the connection is dead.
    pub count: Option<u32>,
}

/// A virtual host: the program run for each of its requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Host {
    /// What it is called in logs and in `{host-name}`: its first name, or empty.
    pub name: Text,
    /// The names it answers to. Matching a pattern assigns its named groups.
    pub names: Vec<Pattern>,
    /// TLS to offer when a listener asks for it.
    pub tls: Option<HostTls>,
    /// The program. The scope of this block also governs reading the request head.
    pub request: Block,
    /// Blocks entered only by [`Jump::Enter`] and recoveries; each is a whole program. What encloses them is
    /// `request`: their scopes lie on its scope.
    pub named: Vec<(Name, Block)>,
    /// Where it was written.
    pub span: Span,
}

impl Config {
    /// The host of an id.
    pub fn host(&self, id: HostId) -> &Host {
        &self.hosts[id.0 as usize]
    }

    /// The cluster of an id.
    pub fn cluster(&self, id: ClusterId) -> &Cluster {
        &self.clusters[id.0 as usize]
    }

    /// The variable of an id.
    pub fn var(&self, id: VarId) -> &Var {
        &self.vars[id.0 as usize]
    }
}

/// The page of a request to an upstream that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// How it failed.
    pub fault: settings::Fault,
    /// What it is answered with.
    pub status: u16,
    /// The reason phrase sent.
    pub reason: Text,
    /// The content, as `text/html`.
    pub page: Template,
}
