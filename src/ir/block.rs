//! The program of a host: steps, conditions, route tables.

use std::net::IpAddr;

use serde::Serialize;

use super::{Edit, Lookup, Name, Negotiate, Pattern, Query, Register, Reply, Settings, Template, VarId};
use crate::source::Span;

/// Steps run in order. The settings a block brings stay in force after it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Block {
    /// A name for [`Jump`]s from inside.
    pub label: Option<Name>,
    /// The settings it brings.
    pub scope: Option<Scope>,
    /// What it does, each step with its place.
    pub steps: Vec<(Step, Span)>,
    /// Where it was written.
    pub span: Span,
}

/// Settings brought by a block, on top of `base`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scope {
    /// What they are laid over.
    pub base: Base,
    /// The settings.
    pub set: Box<Settings>,
}

/// What a scope's settings are laid over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Base {
    /// The settings of the lexically enclosing block: a sibling's are dropped.
    Enclosing,
    /// The settings now in force: they accumulate, and lists are extended.
    Current,
}

/// One thing done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Step {
    /// Run a block.
    Do(Block),
    /// Run one of two blocks.
    When {
        /// The question.
        test: Test,
        /// Run when it holds.
        then: Block,
        /// Run when it does not.
        otherwise: Block,
    },
    /// Enter the block of at most one route.
    Route(Table),
    /// Replace the path and query that later steps see. The request counts as internal from here on
    /// when the path is replaced.
    Rewrite {
        /// The new path, decoded; `None` keeps it.
        path: Option<Template>,
        /// The new query.
        query: Query,
    },
    /// Take path and query of this text, which begins with `/`, as those of a request target are taken: the path
    /// is decoded and normalized. 400 when it cannot be.
    Target(Template),
    /// Write a variable.
    Assign {
        /// Which.
        var: VarId,
        /// Its value, evaluated now.
        value: Template,
    },
    /// Look a value up in a map.
    Lookup(Box<Lookup>),
    /// Make a variable what it was before anything wrote it.
    Unassign(VarId),
    /// Replace the bandwidth limit of this response, bytes per second.
    LimitRate(Template),
    /// Empty a register.
    Forget(Register),
    /// Edit the message at hand: the request, or in `on_response` the response.
    Edit(Edit),
    /// Add a field to the response, once there is one; its value is evaluated now.
    Promise {
        /// The field.
        field: Name,
        /// Its value; nothing is added when it is empty.
        value: Template,
        /// Whether also to answers of our own that are errors or redirects, and to those of HTTP upstreams.
        always: bool,
        /// Whether the value becomes a member of the list that is the field, once, instead of a line of its own.
        member: bool,
    },
    /// Refuse content longer than the settings in force allow, by its `Content-Length`.
    Admit,
    /// Apply the access settings in force; stop with their answer if they refuse.
    Authorize(Asking),
    /// Answer now, whatever the handler.
    Respond(Reply),
    /// Go elsewhere.
    Jump(Jump),
    /// Replace the jump taken when the innermost labelled block ends.
    AtEnd(Option<Jump>),
    /// A line for the error log at level notice, where `logs.rewrite` is on.
    Trace(Template),
    /// A line for the error log at level error, about this.
    Complain(super::settings::Topic, Template),
    /// Run the blocks that the settings in force have for this phase, in order. Settings that one of them brings
    /// stay in force; what the others are is not changed by it.
    Perform(Name),
    /// If the path was rewritten since a route was entered, it counts as rewritten in the routes that follow, too,
    /// until an internal redirect.
    Detach,
    /// Find out whose address is the client's, by the settings in force, unless it was found out before.
    Identify,
    /// Find out how a request for another target would be answered.
    Probe(Box<Probe>),
    /// Choose one of the files that stand for one name, by what the client accepts and the settings in force.
    Negotiate(Box<Negotiate>),
    /// Look at the file that a variable names.
    Locate(Locate),
    /// Where the directory that this variable names brings steps of its own, they are run instead of the rest of
    /// the program (see [`super::local::Provider`]).
    Local(VarId),
}

/// When access is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Asking {
    /// Each time.
    Always,
    /// Not under the settings under which it was asked for the last time: before an internal redirect, or by the
    /// request that this is a question of. So the page for a refusal may lie where access is refused.
    Changed,
    /// Not for the path for which it was asked for the last time.
    Moved,
}

/// A question of [`Step::Probe`]. The program is run for that target with all variables as they are, up to where the
/// handler in force would answer; nothing is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// Path and query, as in a request.
    pub target: Template,
    /// Takes the status; 200 where a handler would answer.
    pub status: VarId,
    /// Variables as they are then, and what takes them.
    pub take: Vec<(VarId, VarId)>,
}

/// Variables of [`Step::Locate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Locate {
    /// The file's name. `.`, `..` and empty components are taken out; it is cut after the first one that is no directory.
    pub file: VarId,
    /// Takes what was cut off, with its slash.
    pub rest: VarId,
    /// Takes the directory that the file is in, or that it is, with a slash at the end.
    pub folder: VarId,
    /// Takes the last component of the file's name.
    pub name: VarId,
    /// Takes what the file is: `file`, `directory`, `other`; nothing when there is none; `denied` when that cannot
    /// be found out.
    pub kind: VarId,
}

/// Blocks for one phase of a program, as settings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hook {
    /// The phase: see [`Step::Perform`].
    pub phase: Name,
    /// What becomes of the blocks that are there already.
    pub join: Join,
    /// The blocks.
    pub blocks: Vec<Block>,
}

/// How blocks of a phase join those that are in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Join {
    /// They take their place.
    Replace,
    /// They run after them.
    After,
    /// They run before them.
    Before,
}

/// Structured jumps: a label names a block that encloses the step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Jump {
    /// Leave the block.
    Exit(Name),
    /// Run it again. Spends budget.
    Repeat(Name),
    /// Run it again, at most so often since it was entered; 500 when that is spent.
    Again(Name, u32),
    /// Go on at a named block of the host, with path and query as they are. Spends budget.
    Enter(Name),
    /// The same as [`Self::Restart`], for what is found in place of what was asked for: the response goes on to depend on
    /// what it depended on so far.
    Resume,
    /// Internal redirect: run the host's program again with path and query as they are, settings as at
    /// the start, registers and variables kept (as nginx 1.22.1 keeps both). Spends budget.
    Restart,
}

/// Routes to choose from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// Which route is taken when several match the path.
    pub order: Order,
    /// Where captures go.
    pub into: Register,
    /// The routes.
    pub routes: Vec<Route>,
}

/// Which of several matching patterns is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Order {
    /// The first that matches.
    First,
    /// Exact, then the longest prefix if it is `decisive`, then the first regex, then the longest
    /// prefix; nested tables are searched on the way. Among names and keys: exact, the longest
    /// wildcard at the start, the longest at the end, then patterns in order.
    Specific,
}

/// One row of a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Route {
    /// On the path: exact, prefix or regex.
    pub path: Pattern,
    /// A prefix that, as the longest of its table, keeps the table's regexes from being tried.
    pub decisive: bool,
    /// What to do. The scopes of nested routes lie in this block's scope.
    pub body: Block,
    /// More specific routes, searched with the same path. A nested route's block is entered instead.
    pub nested: Option<Table>,
}

/// A question about the exchange.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Test {
    /// All hold.
    All(Vec<Self>),
    /// At least one holds.
    Any(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// `into` names the register that a match fills with captures.
    Match {
        /// What is looked at.
        subject: Template,
        /// What it is matched against.
        pattern: Pattern,
        /// Where captures go.
        into: Option<Register>,
    },
    /// Two values are the same bytes.
    Equal(Template, Template),
    /// Two values stand in a relation.
    Compare {
        /// The one.
        left: Template,
        /// The other.
        right: Template,
        /// Which relation.
        relation: Relation,
        /// What is compared of them.
        by: By,
    },
    /// Always; and the response depends on these fields of the request (`Vary`, RFC 9110 § 12.5.5), unless another
    /// one comes in its place.
    Depends(Vec<Name>),
    /// Not missing, if perhaps empty.
    Present(Template),
    /// An address in one of these networks; what is no address is in none.
    InNetwork(Template, Vec<(IpAddr, u8)>),
    /// A value has more bytes than this.
    Longer(Template, u64),
    /// Neither empty nor `0`.
    Truthy(Template),
    /// There is such a file.
    File(Template, FileKind),
    /// The method is one of these.
    Method(Vec<Name>),
    /// The status is one of these (response steps only).
    Status(Vec<u16>),
    /// The request was rewritten or redirected internally.
    Internal,
}

/// How one value stands to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[expect(missing_docs, reason = "each is what it is called")]
pub enum Relation {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// What is compared of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum By {
    /// Their bytes.
    Bytes,
    /// Their bytes, without regard to ASCII case.
    Letters,
    /// Their lengths, and where these are equal, their bytes.
    LengthThenBytes,
    /// The integers that they begin with, after white space; 0 where there is none.
    Integer,
}

/// What a file test asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// Anything.
    Any,
    /// Anything that may be executed.
    Executable,
    /// A file that is not empty.
    NonEmpty,
    /// A symbolic link, wherever it leads.
    Link,
}

/// Addresses that an access rule speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum AddressRange {
    /// Every client.
    All,
    /// Clients on Unix sockets.
    Unix,
    /// A network: address and bits that count.
    Network(IpAddr, u8),
}
