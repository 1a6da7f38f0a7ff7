//! Groups of interchangeable endpoints.

use std::time::Duration;

use serde::Serialize;

use super::{
    Check, Group, Member, Name, Pattern, Template, Text,
    settings::{Forwarding, Lifetime, Resolve},
};
use crate::source::Span;

/// A group of interchangeable endpoints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cluster {
    /// Its name, which is also the authority sent to it by default.
    pub name: Name,
    /// Whether it was written as a group; else it stands for one authority of a forward.
    pub declared: bool,
    /// How an endpoint is chosen.
    pub balance: Balance,
    /// Idle connections to keep; `None` keeps none.
    pub idle: Option<IdleConnections>,
    /// Whether health and load are shared by all workers.
    pub shared: bool,
    /// How endpoints are looked up again; `None` where none is to be.
    pub resolve: Option<Resolve>,
    /// What keeps requests of one session on one endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Box<Affinity>>,
    /// Where requests wait while no endpoint takes them; `None` refuses them at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<Queue>,
    /// How the health of its endpoints is looked at without requests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub watches: Vec<Watch>,
    /// The endpoints, in order.
    pub endpoints: Vec<Endpoint>,
    /// What makes its endpoints members of a group; they are chosen by it, not by `balance`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Box<Group>>,
    /// Where it was written.
    pub span: Span,
}

/// One endpoint, or several when its name resolves to several addresses.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Endpoint {
    /// `host`, `host:port`, `[v6]:port` or `unix:/path`, as written.
    pub address: Text,
    /// The port where `address` has none.
    pub default_port: u16,
    /// Its share relative to others.
    pub weight: u32,
    /// Connections at one time; 0 is no limit.
    pub max_connections: u32,
    /// Failures within `fail_timeout` that take it out; 0 never does.
    pub max_fails: u32,
    /// How long failures count, and how long it stays out.
    pub fail_timeout: Duration,
    /// When it is used.
    pub role: Role,
    /// Whether its name is looked up again when the answer expires.
    pub resolve: bool,
    /// The name of the records that say where it is (RFC 2782): their targets, ports, priorities and, where it has none
    /// of its own, weights. Those that are not of the first priority are backups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Name>,
    /// After it was out of use, its share grows from nothing in this time; zero is at once.
    pub slow_start: Duration,
    /// Whether it takes requests of its own sessions only.
    pub draining: bool,
    /// What sessions call it; empty is a digest of its address.
    pub route: Text,
    /// What it is in a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<Box<Member>>,
    /// Where it was written.
    pub span: Span,
}

/// When an endpoint is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Role {
    /// Always.
    Active,
    /// When no active one can be.
    Backup,
    /// Never; it keeps its place in hashes.
    Down,
}

/// How an endpoint is chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Balance {
    /// Smooth weighted round robin.
    RoundRobin,
    /// The fewest connections relative to weight.
    LeastConnections,
    /// A hash of the client's address: three octets of IPv4, all of IPv6.
    ClientAddress,
    /// CRC-32 of a key over the weights, hashed again when the endpoint cannot be used.
    Hash(Template),
    /// CRC-32 of a key on a ring of 160 points per unit of weight.
    ConsistentHash(Template),
    /// At random by weight.
    Random,
    /// Two at random by weight; the one with fewer connections, or with less of this time.
    RandomTwo(Option<Timing>),
    /// The least time and connections relative to weight.
    LeastTime(Timing),
}

impl Balance {
    /// Whether endpoints may stand by until no other can be used.
    pub fn knows_backups(&self) -> bool {
        match self {
            Self::RoundRobin | Self::LeastConnections | Self::LeastTime(_) => true,
            Self::ClientAddress
            | Self::Hash(_)
            | Self::ConsistentHash(_)
            | Self::Random
            | Self::RandomTwo(_) => false,
        }
    }
}

/// The average time that an endpoint takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Timing {
    /// To the end of an answer, not only to its head.
    pub whole: bool,
    /// Whether requests under way that already take longer count.
    pub under_way: bool,
}

/// What keeps requests of one session on one endpoint, as long as that can be used. Where it cannot, another one is
/// chosen as if there were no session.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Affinity {
    /// A cookie of ours names it; a response from another one than the request names brings it.
    Cookie {
        /// The cookie's name.
        name: Text,
        /// How long it lasts.
        lasts: Lifetime,
        /// Its attributes in order, each with its value; those without one are flags. An attribute whose value comes
        /// out empty is left out.
        attributes: Vec<(Text, Option<Template>)>,
    },
    /// The first of these that has a value, and whose value is a route.
    Route(Vec<Template>),
    /// What an endpoint said earlier.
    Learned {
        /// The name of a session that begins: the first of these that has a value when the response is there.
        begins: Vec<Template>,
        /// The name of the session of a request: the first that has a value.
        goes_on: Vec<Template>,
        /// What sessions are remembered in: clusters that name the same share it, and a reload leaves it.
        table: Text,
        /// How many there is room for.
        entries: u32,
        /// How long one that nobody asks for is remembered.
        lasts: Duration,
        /// Whether it begins with the head of the response, not its end.
        at_head: bool,
    },
}

/// Where requests wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Queue {
    /// How many at most.
    pub places: u32,
    /// For how long.
    pub timeout: Duration,
}

/// How the health of endpoints is looked at without requests.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Watch {
    /// What is asked, how often, and what counts.
    pub check: Check,
    /// Up to so much later, at random.
    pub jitter: Duration,
    /// The port asked; `None` is the endpoint's.
    pub port: Option<u16>,
    /// Whether over TLS.
    pub tls: bool,
    /// Whether an endpoint is not used before it was found well.
    pub mandatory: bool,
    /// Whether what was found before a reload holds after it.
    pub persistent: bool,
    /// The service of gRPC whose health is asked for, empty for that of the server; `None` asks over HTTP/1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Text>,
    /// What is sent and how: laid over the settings of the process.
    pub settings: Forwarding,
    /// What the answer has to be besides; all of it.
    pub expects: Vec<Expectation>,
    /// Where it was written.
    pub span: Span,
}

/// What an answer has to be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Expectation {
    /// Its status is one of these, from and to; the flag is the opposite.
    Status(Vec<(u16, u16)>, bool),
    /// It has this field; the flag is the opposite.
    Field(Name, bool),
    /// The value of this field, empty where there is none, matches; the flag is the opposite.
    Value(Name, Pattern, bool),
    /// Its content matches; the flag is the opposite.
    Content(Pattern, bool),
    /// This comes out neither empty nor as 0 of it.
    Holds(Template),
    /// It is the answer of gRPC's health checking protocol that says that the service is served, or has this status.
    Served(Option<u32>),
}

/// Idle connections to a cluster, per worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct IdleConnections {
    /// How many at most; the least recently used is closed.
    pub max: u32,
    /// Requests that one connection may carry.
    pub requests: u64,
    /// Age after which a connection is not kept.
    pub time: Duration,
    /// How long one may be idle.
    pub timeout: Duration,
    /// Whether a route only takes up connections that its own requests left.
    pub per_route: bool,
}
