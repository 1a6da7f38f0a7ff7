//! One request's decision.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{EditOp, Failure, Plan, SettingsId, pattern::Find};
use crate::ir::{Attr, FileKind, HostId, Name, Register, Reply, Template, VarId};

/// What the run reads of the exchange. Implemented by the engine, by tests and by `explain`.
///
/// The run itself answers [`Attr::Path`], [`Attr::PathRest`], [`Attr::Query`], [`Attr::QueryMark`],
/// [`Attr::Param`] and, once a step has set it, [`Attr::LimitRate`].
pub trait View {
    /// Appends the value of an attribute; `false` when it is missing.
    fn attr(&self, run: &Run, attr: &Attr, out: &mut Vec<u8>) -> bool;
    /// The method now in force.
    fn method(&self) -> &[u8];
    /// `Content-Length`, where the request has one.
    fn content_length(&self) -> Option<u64>;
    /// The status of the response; 0 before there is one.
    fn status(&self) -> u16;
    /// Whether the target as received held a `%` or a `+`.
    fn received_encoded(&self) -> bool;
}

/// What a run needs before it can go on, or where it ends.
#[derive(Debug)]
pub enum Need<'p> {
    /// Whether there is such a file; its path is in [`Run::asked`]. Then [`Run::tell`].
    File(FileKind),
    /// Whether the access settings in force let the request pass. Then [`Run::tell`]; a refusal that is
    /// answered at once needs no telling.
    Access,
    /// This change to the request head. Then [`Run::step`].
    Edit(&'p EditOp),
    /// A line for the error log at level notice; it is in [`Run::asked`]. Then [`Run::step`].
    Trace,
    /// The end: the handler in force answers.
    Handle,
    /// The end: this answers.
    Reply(&'p Reply),
    /// The end: the content is longer than allowed (413).
    TooLarge,
    /// The end: redirected more often than allowed (500).
    Exhausted,
    /// The end: there is no named block of this name (500).
    NoBlock(&'p Name),
    /// The end: the path was rewritten to nothing (500).
    EmptyPath,
    /// The end: a pattern came to no answer (500).
    Failed(Failure),
}

/// The state of one request's decision, reused for the next request of the connection.
#[derive(Debug, Default)]
pub struct Run {
    /// The host whose program runs.
    pub host: HostId,
    /// The path: decoded, normalized, as last rewritten. Set by the caller before [`Run::start`].
    pub path: Vec<u8>,
    /// The query, without `?`. Set by the caller before [`Run::start`].
    pub query: Vec<u8>,
    /// Whether path or query are no longer as received.
    pub rewritten: bool,
    /// Whether the request was rewritten or redirected internally.
    pub internal: bool,
    /// The settings in force.
    pub settings: SettingsId,
    /// The bandwidth limit that a step has set, bytes per second; 0 is none.
    pub limit_rate: Option<u64>,
    /// Where in the path begins what follows the prefix that the route matched.
    pub path_rest: usize,
    /// What a [`Need`] speaks of.
    pub asked: Vec<u8>,
    /// Variables read before they were written, for the log; emptied by who logs them.
    pub unset_reads: SmallVec<[VarId; 2]>,
}

impl Run {
    /// Forgets the request, keeps the memory.
    pub fn reset(&mut self) {}

    /// Begins the program of a host.
    pub fn start(&mut self, plan: &Plan, host: HostId) {}

    /// Goes on to the next need.
    pub fn step<'p>(&mut self, plan: &'p Plan, view: &impl View) -> Need<'p> {
        Need::Handle
    }

    /// The answer to [`Need::File`] and [`Need::Access`].
    pub fn tell(&mut self, answer: bool) {}

    /// Internal redirect: the host's program again with this path and query, variables kept. `false` when the budget is spent.
    pub fn restart(&mut self, plan: &Plan, path: &[u8], query: &[u8]) -> bool {
        true
    }

    /// Goes on at a named block of the host. `Ok(false)` when the budget is spent.
    pub fn enter(&mut self, plan: &Plan, name: &[u8]) -> Result<bool, NoSuchBlock> {
        Ok(true)
    }

    /// Appends the value of a template; `false` when it is a single part and that is missing.
    pub fn eval(&mut self, plan: &Plan, view: &impl View, template: &Template, out: &mut Vec<u8>) -> bool {
        true
    }

    /// Runs the `on_response` blocks in force: their edits, in order.
    pub fn response_edits<'p>(&mut self, plan: &'p Plan, view: &impl View) -> SmallVec<[&'p EditOp; 8]> {
        SmallVec::new()
    }

    /// Searches `subject`; a match fills the register and assigns named groups.
    pub fn find(&mut self, find: &Find, into: Register, subject: &[u8]) -> Result<bool, Failure> {
        Ok(false)
    }

    /// The bytes of the last match written to a register, as offsets into its subject.
    pub fn matched(&self, register: Register) -> Option<(usize, usize)> {
        None
    }

    /// Writes a variable.
    pub fn assign(&mut self, var: VarId, value: &[u8]) {}
}

/// There is no named block of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such named block")]
pub struct NoSuchBlock;
