//! One block with settings of its own, and what it hands down.

use std::collections::HashSet;

use super::{
    super::tree::{Item, directives},
    Cx, Kind, SETTLE, charset, gateway, headers, is_nested, listen, location, lowering, names, nested, proxy,
    referer, rewrite, scalar, tls, try_files, upstream, userid,
};
use crate::{
    ir::{self, Text},
    source::Span,
};

/// One block with settings of its own.
pub(super) struct Level {
    /// What kind of block.
    pub(super) kind: Kind,
    /// The location it is, or that it stands in.
    pub(super) place: Place,
    /// The settings written in it.
    pub(super) set: ir::Settings,
    /// What it got from the level around it, and hands down.
    pub(super) inherited: Inherited,
    /// What it remembers for itself.
    pub(super) own: Own,
    /// Where it was written: from its name to its last argument.
    pub(super) span: Span,
    pub(super) seen: HashSet<Vec<u8>>,
}

/// Which location a level is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// None: `http`, `server`.
    #[default]
    Outside,
    /// `location /p` or `location ^~ /p`
    Prefix(Text),
    /// `location = /p`
    Exact(Text),
    /// `location ~ re`, `location ~* re`: the text of the pattern.
    Regex(Text),
    /// `location @name`, the `@` included.
    Named(Text),
}

/// What a level hands down beside its settings. Lists are as nginx inherits them, before defaults are added.
#[derive(Clone, Debug, Default)]
pub(super) struct Inherited {
    /// TLS of the host, as written so far.
    pub(super) tls: ir::HostTls,
    /// The same in pieces.
    pub(super) tls_written: tls::Written,
    /// Whether all addresses of servers speak TLS.
    pub(super) tls_everywhere: bool,
    /// What is added to responses.
    pub(super) added: headers::Added,
    /// What the lists of `proxy_*`, `uwsgi_*` and so on are made of, by protocol.
    pub(super) pieces: [gateway::Pieces; ir::Protocol::ALL.len()],
    /// How fields of an upstream's response are mapped.
    pub(super) mappings: proxy::Mappings,
    /// What TLS towards upstreams has, by protocol.
    pub(super) upstream_keys: [proxy::Keys; ir::Protocol::ALL.len()],
    /// Whether the location is closed to requests from outside: nested locations are, too.
    pub(super) internal: bool,
    /// Who answers.
    pub(super) answers: Answers,
    /// Whether the level or one around it has a `try_files`, which is not inherited.
    pub(super) prepares: bool,
    /// The path that the `alias` in force stands for.
    pub(super) cut: Option<Text>,
    /// The `alias` in force that is a whole file name, given in a location with a pattern.
    pub(super) whole: Option<ir::Template>,
    /// Where a cache is written for a protocol, and whether it has a key.
    pub(super) cached: [Option<Span>; ir::Protocol::ALL.len()],
    pub(super) keyed: [bool; ir::Protocol::ALL.len()],
    /// Whether responses are stored, by protocol.
    pub(super) stored: [bool; ir::Protocol::ALL.len()],
    /// The character sets of content.
    pub(super) charsets: charset::Sets,
    /// What is written of the cookie that clients are told apart by.
    pub(super) identifier: userid::Written,
    /// Changes to the request when a location's program has run.
    pub(super) input: Vec<(ir::Step, Span)>,
    /// What `valid_referers` make of a request.
    pub(super) referers: Option<ir::VarId>,
    /// The names of the server.
    pub(super) host_names: Vec<Text>,
}

/// Who answers at a level, as far as levels inside it need to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Answers {
    /// Files.
    #[default]
    Files,
    /// An upstream: inherited by `if` and `limit_except`.
    Upstream,
    /// A handler of our own: inherited by `if`.
    Reply,
}

/// What a level remembers until it is settled.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// The rewrite program.
    pub(super) program: rewrite::Program,
    /// Steps taken when that was run, however it ended, if the request stays.
    pub(super) after: Vec<(ir::Step, Span)>,
    /// The locations in it.
    pub(super) locations: location::Locations,
    /// The addresses of a server.
    pub(super) listens: Vec<listen::Listen>,
    /// The names of a server.
    pub(super) names: names::Names,
    /// The methods that `limit_except` leaves alone, and the block of all others.
    pub(super) limited: Option<(Vec<ir::Name>, ir::Block)>,
    /// Whether it has a cache of its own.
    pub(super) caches: bool,
    /// Its `health_check`s.
    pub(super) checks: Vec<upstream::health::Asked>,
    /// Its `valid_referers`.
    pub(super) referers: Option<referer::Referers>,
    /// Its `proxy_pass`.
    pub(super) pass: Option<proxy::Pass>,
    /// Its `proxy_set_header` fields.
    pub(super) request_fields: Vec<(ir::Name, ir::Template)>,
    /// Its `grpc_set_header` fields.
    pub(super) call_fields: Vec<(ir::Name, ir::Template)>,
    /// The last value of its `try_files`, where variables are in it.
    pub(super) try_last: Option<ir::Template>,
}

impl Level {
    /// A level inside `outer`.
    pub(super) fn new(kind: Kind, span: Span, outer: &Self) -> Self {
        Self {
            kind,
            place: outer.place.clone(),
            set: ir::Settings::default(),
            inherited: outer.inherited.clone(),
            own: Own::default(),
            span,
            seen: HashSet::new(),
        }
    }

    /// The level around everything.
    pub(super) fn root() -> Self {
        Self {
            kind: Kind::Main,
            place: Place::default(),
            set: ir::Settings::default(),
            inherited: Inherited::default(),
            own: Own::default(),
            span: Span::NONE,
            seen: HashSet::new(),
        }
    }

    /// Lowers what stands in the level, in the four steps.
    pub(super) fn fill(&mut self, cx: &mut Cx, items: &[Item]) {
        for directive in directives(items) {
            if rewrite::is_step(self.kind, directive.name()) || is_nested(self.kind, directive.name()) {
                continue;
            }
            match lowering(directive.name()) {
                Some(lower) => lower(cx, self, directive),
                None => scalar(cx, self, directive),
            }
            self.set.written_at(directive.head());
        }
        for settle in SETTLE {
            settle(cx, self);
        }
        try_files::settle(cx, self);
        location::settle_handler(self);
        upstream::health::settle(cx, self);
        referer::begin(cx, self);
        rewrite::program(cx, self, items);
        try_files::refuse_rewritten(self);
        headers::more::end(self);
        for directive in directives(items) {
            nested(cx, self, directive);
        }
    }

    /// Whether this is the first time that `name` is asked for at this level: an array's first entry
    /// throws the inherited array away.
    pub(super) fn first(&mut self, name: &str) -> bool {
        self.seen.insert(name.as_bytes().to_vec())
    }

    /// Whether `first` was asked for `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.seen.contains(name.as_bytes())
    }
}
