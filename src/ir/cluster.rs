//! Groups of interchangeable endpoints.

use std::time::Duration;

use serde::Serialize;

use super::{Group, Member, Name, Template, Text, settings::Resolve};
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
    /// Two at random by weight; the one with fewer connections.
    RandomTwo,
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
