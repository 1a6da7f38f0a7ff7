//! Named values.

use std::net::IpAddr;

use serde::Serialize;

use super::{Name, Order, Pattern, Register, Template, Test, Text};
use crate::source::Span;

/// A named value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Var {
    /// Its name, for people.
    pub name: Name,
    /// Where its value comes from.
    pub kind: VarKind,
    /// Where it was written.
    pub span: Span,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum VarKind {
    /// Written by [`super::Step::Assign`] and named groups; empty until then.
    Assigned,
    /// Written by [`super::Step::Assign`]; missing until then, and once a [`super::Step::Unassign`] came.
    Optional,
    /// The value of the first choice whose test holds when it is read.
    Choice {
        /// The choices.
        choices: Vec<Choice>,
        /// The value when no test holds.
        default: Template,
    },
    /// Looked up when read, unless a [`super::Step::Assign`] wrote it before.
    Table {
        /// What is looked up.
        key: Template,
        /// Which row is taken when several match.
        order: Order,
        /// The rows.
        rows: Vec<Row>,
        /// The value when no row matches.
        default: Template,
        /// Keeps the first answer until the request ends, across internal redirects too.
        once: bool,
        /// Where captures of a row's pattern go.
        into: Register,
    },
    /// The most specific network that an address is in.
    Network {
        /// The address; what is no address stands for 255.255.255.255.
        key: Template,
        /// Networks, disjoint or nested: the one with the longest prefix wins. Ranges come as several.
        rows: Vec<Network>,
        /// The value when no network matches.
        default: Text,
        /// Addresses of proxies whose `X-Forwarded-For` is taken instead.
        proxies: Vec<(IpAddr, u8)>,
        /// Whether to go on past trusted addresses in `X-Forwarded-For`.
        recursive: bool,
    },
    /// By the `MurmurHash2` of a text: the first bucket whose limit is above it.
    Split {
        /// What is hashed.
        key: Template,
        /// Buckets in order.
        buckets: Vec<Bucket>,
    },
}

/// A value and when it counts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// When.
    pub test: Test,
    /// The value.
    pub value: Template,
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// When it is taken.
    pub pattern: Pattern,
    /// What it gives.
    pub value: Template,
}

/// A network and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Network {
    /// First address.
    pub address: IpAddr,
    /// Bits that count.
    pub prefix: u8,
    /// The value.
    pub value: Text,
}

/// A share of the hash space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// Hashes below this are in; `None` is the rest.
    pub below: Option<u32>,
    /// The value.
    pub value: Text,
}
