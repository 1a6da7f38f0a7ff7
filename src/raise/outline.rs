//! What a configuration says: servers with places, rules and upstreams, without a dialect's way of running them.

use std::collections::BTreeSet;

use super::Match;
use crate::{
    ir::{
        Address, ClusterId, Config, Edit, FileKind, HostTls, Name, Pattern, Protocol, Query, Reply, Settings,
        SocketOptions, Template, Test, VarId, settings::Forwarding,
    },
    source::Span,
};

/// All of a configuration.
#[derive(Debug)]
pub struct Outline<'a> {
    /// The IR that it was raised from: clusters and variables are there.
    pub config: &'a Config,
    /// What is written for all servers.
    pub common: Area,
    /// The variables that something in it assigns.
    pub assigned: BTreeSet<VarId>,
    /// The servers that an address leads to.
    pub servers: Vec<Server>,
}

/// A virtual host.
#[derive(Clone, Debug, Default)]
pub struct Server {
    /// The names it answers to.
    pub names: Vec<Pattern>,
    /// Where it listens.
    pub listens: Vec<Listen>,
    /// TLS to offer.
    pub tls: Option<HostTls>,
    /// What it does.
    pub area: Area,
    /// Blocks that are entered by name.
    pub named: Vec<(Name, Area)>,
    /// Where it was written.
    pub span: Span,
}

/// An address of a server.
#[derive(Clone, Debug, PartialEq)]
pub struct Listen {
    /// Where to accept.
    pub address: Address,
    /// Whether over TLS.
    pub tls: bool,
    /// Whether the server answers names that no other claims.
    pub default: bool,
    /// How many servers there are at the address.
    pub shared: bool,
    /// Options of the socket.
    pub options: SocketOptions,
    /// Where it was written.
    pub span: Span,
}

/// What is said of a server or of a part of its paths.
#[derive(Clone, Debug, Default)]
pub struct Area {
    /// Settings as written, without what the other fields say.
    pub settings: Settings,
    /// Edits of the request's head that are made whoever answers.
    pub edits: Vec<Edit>,
    /// To whom requests are sent.
    pub pass: Option<Pass>,
    /// Whether files are answered with though something above says otherwise.
    pub files: bool,
    /// What is looked for before the handler.
    pub fallback: Option<Fallback>,
    /// The rest, in order.
    pub items: Vec<Item>,
    /// Where it was written.
    pub span: Span,
}

/// One thing said in an area.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a configuration has few, and most are rules")]
pub enum Item {
    /// Something done on a condition.
    Rule(Rule),
    /// What is said of some paths.
    Place(Place),
}

/// What is said of some paths.
#[derive(Clone, Debug)]
pub struct Place {
    /// Which.
    pub at: Match,
    /// How it is chosen.
    pub kind: PlaceKind,
    /// What is said.
    pub area: Area,
    /// Where it was written.
    pub span: Span,
}

/// How a place is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceKind {
    /// One of all by how specific it is; the flag keeps regular expressions from being tried.
    Specific(bool),
    /// The first that matches.
    First,
    /// Every one that matches, later ones over earlier ones.
    Every,
    /// The same for what is answered with files below the root; what is sent on, or is elsewhere, has none of it.
    Folder,
    /// It was not written: a place whose path ends in a slash redirects the path without it.
    Slash,
}

impl Place {
    /// Whether it lies over whatever place is chosen.
    pub fn is_section(&self) -> bool {
        matches!(self.kind, PlaceKind::Every | PlaceKind::Folder)
    }

    /// Whether it counts for what another place says.
    pub fn reaches(&self, area: &Area) -> bool {
        self.kind == PlaceKind::Every
            || (area.pass.is_none()
                && area.settings.files.alias.is_none()
                && area.settings.files.root.is_none())
    }
}

/// Something done on a condition.
#[derive(Clone, Debug)]
pub struct Rule {
    /// On the path.
    pub at: Option<Match>,
    /// On anything else; all have to hold.
    pub tests: Vec<Test>,
    /// What is done.
    pub acts: Vec<Act>,
    /// Where it was written.
    pub span: Span,
}

/// One thing that a rule does.
#[derive(Clone, Debug)]
pub enum Act {
    /// Answer.
    Reply(Reply),
    /// Redirect the client.
    Redirect(Redirect),
    /// Replace path and query.
    Rewrite {
        /// The path; `None` keeps it.
        path: Option<Template>,
        /// The query.
        query: Query,
        /// What comes after.
        then: Then,
    },
    /// Write a variable.
    Assign(VarId, Template),
    /// Send the request on.
    Pass(Box<Pass>),
    /// Bring settings.
    Set(Box<Area>),
    /// Another rule within.
    Rule(Rule),
    /// Leave the rules that follow.
    Stop,
}

/// A redirect of the client.
#[derive(Clone, Debug, PartialEq)]
pub struct Redirect {
    /// Its status.
    pub status: u16,
    /// Where to, without escapes that every server makes by itself.
    pub to: Template,
    /// Whether the request's query is appended.
    pub keep_query: bool,
}

/// What comes after a rewrite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The next rule.
    Next,
    /// The choice of a place, by the new path.
    Choose,
    /// The handler, without another rule or choice.
    Handle,
}

/// To whom, and what, a request is sent on.
#[derive(Clone, Debug, PartialEq)]
pub struct Pass {
    /// What is spoken.
    pub protocol: Protocol,
    /// Whether that is HTTP/2.
    pub frames: bool,
    /// Over what.
    pub scheme: Scheme,
    /// To whom.
    pub to: To,
    /// Which target is sent.
    pub path: PassPath,
    /// What the head says.
    pub head: Head,
    /// Whether the upstream's URL in `Location` becomes that of the place.
    pub reverse: bool,
    /// Edits of the response's head beside that, as written.
    pub response_edits: Vec<Edit>,
    /// Settings that are the upstream's own.
    pub settings: Forwarding,
    /// Where it was written.
    pub span: Span,
}

impl Pass {
    /// What is spoken, where HTTP/2 has a name of its own.
    pub fn spoken(&self) -> Protocol {
        if self.frames { Protocol::Grpc } else { self.protocol }
    }
}

/// Whether an upstream is reached over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// No.
    Plain,
    /// Yes.
    Tls,
    /// As the client's connection.
    Client,
}

/// To whom a request is sent.
#[derive(Clone, Debug, PartialEq)]
pub enum To {
    /// A group that was written as one.
    Cluster(ClusterId),
    /// An authority or a socket.
    Authority(String),
    /// Known when it is read.
    Dynamic(Template),
}

/// The target that is sent.
#[derive(Clone, Debug, PartialEq)]
pub enum PassPath {
    /// As received or rewritten.
    Same,
    /// This instead of what the place's prefix matched.
    Replace(String),
    /// This path; and whether the query follows.
    Exact(Template, bool),
}

/// The head of a request that is sent on, as far as it differs from the one received.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Head {
    /// `Host`.
    pub host: Template,
    /// Other fields: name, value, and whether it is appended to what was received.
    pub set: Vec<(Name, Template, bool)>,
    /// Fields that are not sent, beside those of the connection.
    pub remove: Vec<Name>,
    /// Whether a WebSocket can be opened.
    pub upgrade: bool,
}

/// What is looked for before the handler.
#[derive(Clone, Debug, PartialEq)]
pub struct Fallback {
    /// What is served when it exists.
    pub existing: Vec<Existing>,
    /// What happens when none of it does.
    pub to: FallbackTo,
    /// Where it was written.
    pub span: Span,
}

/// Something looked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Existing {
    /// Its path below the root.
    pub path: Template,
    /// What it has to be.
    pub kind: FileKind,
}

/// What happens when nothing was found.
#[derive(Clone, Debug, PartialEq)]
pub enum FallbackTo {
    /// Another path.
    Path(Template, Query),
    /// An answer.
    Status(u16),
    /// A block.
    Named(Name),
}

/// How much of a configuration it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// All of it.
    Whole,
    /// Servers, and what belongs to them.
    Servers,
    /// What stands in a server.
    Inside,
}
