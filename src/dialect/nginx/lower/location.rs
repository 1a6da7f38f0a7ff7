//! `location`, `limit_except` and `internal`: routes.
//!
//! A location becomes a route whose block brings the location's settings and
//! then does what nginx does once it has found it: refuse what is internal,
//! check the length of the content, run the program. A location with a path
//! that ends in `/` and an upstream has a second route for the path without
//! the slash.
//!
//! Reference: <https://nginx.org/r/location>; the checks and their order are
//! those of nginx 1.22.1, observed.

use std::collections::{HashMap, HashSet};

use super::{
    super::tree::{Directive, Item, Word},
    Answers, CAPTURES, Cx, Kind, Level, Lower, Place, regex,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Attr, Base, Block, Escape, Handler, Name, Order, Part, Pattern, Reply, ReplyContent, Route, Scope,
        Settings, Step, Table, Template, Test, Text, settings::Group,
    },
    source::Span,
};

/// The locations of a level.
#[derive(Debug, Default)]
pub(super) struct Locations {
    routes: Vec<Route>,
    /// Routes for a path without its final slash.
    slashes: Vec<Slash>,
    /// Named ones, with the `@`.
    pub(super) named: Vec<(Name, Block)>,
    /// Where paths were written first: exact or not, and the path.
    written: HashMap<(bool, Text), Span>,
}

/// A route for the path of a location without its final slash.
///
/// Observed: of two locations with the same path, any may have the upstream for which there is a redirect; the
/// settings of the exact one hold for it.
#[derive(Debug)]
struct Slash {
    exact: bool,
    /// Whether the location has an upstream.
    asked: bool,
    route: Route,
}

impl Locations {
    /// Adds a route.
    pub(super) fn push(&mut self, route: Route) {
        self.routes.push(route);
    }

    /// Whether there is a location for this path as a prefix.
    pub(super) fn has_prefix(&self, path: &str) -> bool {
        self.written.contains_key(&(false, path.into()))
    }

    /// The table of routes; `None` when there is none.
    pub(super) fn table(self) -> (Option<Table>, Vec<(Name, Block)>) {
        let Self { mut routes, slashes, named, written } = self;
        // Observed: a location of exactly that path is taken instead, whatever it is.
        let free = |route: &Route| {
            [true, false].iter().all(|exact| !written.contains_key(&(*exact, route.path.text.clone())))
        };
        let asked: HashSet<_> =
            slashes.iter().filter(|slash| slash.asked).map(|slash| slash.route.path.text.clone()).collect();
        let (exact, others): (Vec<_>, Vec<_>) = slashes.into_iter().partition(|slash| slash.exact);
        let mut done = HashSet::new();
        for Slash { route, .. } in exact.into_iter().chain(others) {
            let path = &route.path.text;
            if asked.contains(path) && free(&route) && done.insert(path.clone()) {
                routes.push(route);
            }
        }
        let table = (!routes.is_empty()).then_some(Table { order: Order::Specific, into: CAPTURES, routes });
        (table, named)
    }
}

/// `location [modifier] path { … }`
pub(super) fn lower(cx: &mut Cx, outer: &mut Level, directive: &Directive) {
    let Some(Head { place, word, from, ignore_case, decisive }) = head(cx, directive) else { return };
    if !fits(cx, outer, &place, word) || !is_new(cx, outer, &place, word) {
        return;
    }
    let mut level = Level::new(Kind::Location, directive.head(), outer);
    level.place = place.clone();
    // Named groups are variables from here on, also for what stands inside.
    let pattern = match &place {
        Place::Prefix(path) => Pattern::prefix(path.clone()),
        Place::Exact(path) => Pattern::exact(path.clone()),
        Place::Named(name) => Pattern::exact(name.clone()),
        Place::Regex(_) | Place::Outside => regex(cx, word, from, ignore_case),
    };
    level.fill(cx, directive.block());
    let slash = slash_redirect(&level, &place);
    let (body, nested) = body(&mut level);
    match place {
        Place::Named(name) => outer.own.locations.named.push((name, body)),
        // Observed: of what is nested in a location with a pattern, only patterns are ever taken.
        Place::Prefix(_) | Place::Exact(_) if matches!(outer.place, Place::Regex(_)) => {
            let message = "no request takes this location";
            let found = Diagnostic::warning("unreachable-location", word.span, message);
            cx.report(found.because("it stands in one given by a pattern, where only patterns are tried"));
            return;
        }
        _ => outer.own.locations.routes.push(Route { path: pattern, decisive, body, nested }),
    }
    outer.own.locations.slashes.extend(slash);
}

/// The directives of a location that nobody wrote: it is `/`.
pub(super) fn lower_alone(cx: &mut Cx, outer: &mut Level, items: &[Item]) {
    let mut level = Level::new(Kind::Location, Span::NONE, outer);
    level.place = Place::Prefix("/".into());
    level.fill(cx, items);
    let (body, nested) = body(&mut level);
    let path = Pattern::prefix("/");
    outer.own.locations.routes.push(Route { path, decisive: false, body, nested });
}

/// What a location's arguments say.
struct Head<'a> {
    place: Place,
    /// The word that holds the path.
    word: &'a Word,
    /// Where in the word a pattern begins.
    from: usize,
    ignore_case: bool,
    decisive: bool,
}

/// Reads modifier and path, which may be one word.
fn head<'a>(cx: &mut Cx, directive: &'a Directive) -> Option<Head<'a>> {
    let (modifier, word, from) = match directive.args.as_slice() {
        [modifier, word] => (modifier.value.as_slice(), word, 0),
        [word] => {
            let modifier: &[u8] = match word.value.as_slice() {
                [b'=', ..] => b"=",
                [b'^', b'~', ..] => b"^~",
                [b'~', b'*', ..] => b"~*",
                [b'~', ..] => b"~",
                _ => b"",
            };
            (modifier, word, modifier.len())
        }
        _ => return None,
    };
    let path = Text::from(word.value.get(from..).unwrap_or_default());
    let (place, ignore_case, decisive) = match modifier {
        b"" if path.first() == Some(&b'@') => (Place::Named(path), false, false),
        b"" => (Place::Prefix(path), false, false),
        b"^~" => (Place::Prefix(path), false, true),
        b"=" => (Place::Exact(path), false, false),
        b"~" => (Place::Regex(path), false, false),
        b"~*" => (Place::Regex(path), true, false),
        _ => {
            let word = directive.args.first()?;
            cx.report(
                Diagnostic::error(
                    "invalid-modifier",
                    word.span,
                    format!("invalid location modifier `{}`", word.text()),
                )
                .help("`=`, `^~`, `~`, `~*` or none"),
            );
            return None;
        }
    };
    Some(Head { place, word, from, ignore_case, decisive })
}

/// Whether a location may stand in the one around it.
fn fits(cx: &mut Cx, outer: &Level, place: &Place, word: &Word) -> bool {
    let around = match &outer.place {
        Place::Outside => return true,
        Place::Exact(path) => {
            let message = format!("location `{}` cannot be inside the exact location `{path}`", word.text());
            cx.error("misplaced-location", word.span, message);
            return false;
        }
        Place::Named(name) => {
            let message = format!("location `{}` cannot be inside the named location `{name}`", word.text());
            cx.error("misplaced-location", word.span, message);
            return false;
        }
        Place::Prefix(path) | Place::Regex(path) => path,
    };
    match place {
        Place::Named(name) => {
            let message = format!("named location `{name}` can be on the server level only");
            cx.error("misplaced-location", word.span, message);
            false
        }
        Place::Prefix(path) | Place::Exact(path) if !path.starts_with(around) => {
            let message = format!("location `{path}` is outside location `{around}`");
            cx.report(
                Diagnostic::error("misplaced-location", word.span, message)
                    .label(outer.span, "which it stands in"),
            );
            false
        }
        Place::Prefix(_) | Place::Exact(_) | Place::Regex(_) | Place::Outside => true,
    }
}

/// Whether the level has no such location yet.
fn is_new(cx: &mut Cx, outer: &mut Level, place: &Place, word: &Word) -> bool {
    let key = match place {
        Place::Prefix(path) => (false, path.clone()),
        Place::Exact(path) => (true, path.clone()),
        Place::Regex(_) | Place::Named(_) | Place::Outside => return true,
    };
    let Some(&first) = outer.own.locations.written.get(&key) else {
        outer.own.locations.written.insert(key, word.span);
        return true;
    };
    cx.report(
        Diagnostic::error("duplicate-location", word.span, format!("duplicate location `{}`", key.1))
            .label(first, "first written here"),
    );
    false
}

/// The block of a location and the table inside it.
fn body(level: &mut Level) -> (Block, Option<Table>) {
    let span = level.span;
    let mut steps = Vec::new();
    if !matches!(level.place, Place::Named(_)) {
        steps.extend(entry(level));
    }
    let program = std::mem::take(&mut level.own.program).into_steps(span);
    match level.own.limited.take() {
        Some((methods, limited)) => {
            let then = Block { steps: program, span, ..Block::default() };
            steps.push((Step::When { test: Test::Method(methods), then, otherwise: limited }, span));
        }
        None => steps.extend(program),
    }
    steps.append(&mut level.own.after);
    let (table, _) = std::mem::take(&mut level.own.locations).table();
    let set = std::mem::take(&mut level.set);
    let scope = Some(Scope { base: Base::Enclosing, set: Box::new(set) });
    (Block { label: None, scope, steps, span }, table)
}

/// What happens as soon as a location is found.
fn entry(level: &Level) -> Vec<(Step, Span)> {
    let mut steps = Vec::new();
    if level.inherited.internal {
        let absent = Reply { status: 404, content: ReplyContent::Page };
        let test = Test::Not(Box::new(Test::Internal));
        let then =
            Block { steps: vec![(Step::Respond(absent), level.span)], span: level.span, ..Block::default() };
        steps.push((Step::When { test, then, otherwise: Block::default() }, level.span));
    }
    steps.push((Step::Admit, level.span));
    steps
}

/// The route for a path without the final slash of a location that has an upstream.
///
/// Observed: the target is the location's path, escaped, with the query; the location's settings hold.
fn slash_redirect(level: &Level, place: &Place) -> Option<Slash> {
    let (Place::Prefix(path) | Place::Exact(path)) = place else { return None };
    let bare = path.strip_suffix(b"/")?;
    let exact = matches!(place, Place::Exact(_));
    let asked = matches!(level.set.handler, Some(Handler::Forward(_)));
    if !asked && !exact {
        return None;
    }
    let mut target = Template::default();
    if is_plain(path) {
        target.push(Part::Text(path.clone()));
    } else {
        target.push(Part::Escape(Escape::Path, Template::text(path.clone())));
    }
    target.push(Part::Attr(Attr::QueryMark));
    target.push(Part::Attr(Attr::Query));
    let mut steps = entry(level);
    let reply = Reply { status: 301, content: ReplyContent::Location(target) };
    steps.push((Step::Respond(reply), level.span));
    // What concerns the upstream is of no use to a redirect.
    let set = Settings {
        handler: None,
        prepare: None,
        http: Group::default(),
        uwsgi: Group::default(),
        fastcgi: Group::default(),
        scgi: Group::default(),
        memcached: Group::default(),
        grpc: Group::default(),
        ..level.set.clone()
    };
    let scope = Some(Scope { base: Base::Enclosing, set: Box::new(set) });
    let body = Block { label: None, scope, steps, span: level.span };
    let route = Route { path: Pattern::exact(bare), decisive: false, body, nested: None };
    Some(Slash { exact, asked, route })
}

/// Whether escaping a path leaves it as it is.
fn is_plain(path: &[u8]) -> bool {
    path.iter().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.~!$&'()*+,;=:@".contains(byte))
}

/// What the handler of a level is, when it says nothing or the handler is not inherited.
///
/// Observed: a nested location inherits neither an upstream nor `stub_status` nor `try_files`; `if` keeps
/// the handler of its location, and `limit_except` its upstream only; neither sees its `try_files`.
pub(super) fn settle_handler(level: &mut Level) {
    let outer = level.inherited.answers;
    let own = match level.set.handler {
        Some(Handler::Forward(_)) => Some(Answers::Upstream),
        Some(
            Handler::Respond(_)
            | Handler::Film
            | Handler::Members(_)
            | Handler::Program(_)
            | Handler::Figures(_),
        ) => Some(Answers::Reply),
        Some(Handler::Files | Handler::File | Handler::Listing | Handler::Missing(_)) => Some(Answers::Files),
        None => None,
    };
    let inherits = match level.kind {
        Kind::If => true,
        Kind::LimitExcept => outer != Answers::Reply,
        _ => false,
    };
    let prepares = level.set.prepare.is_some();
    if matches!(level.kind, Kind::Location | Kind::If | Kind::LimitExcept) {
        if own.is_none() && !inherits && outer != Answers::Files {
            level.set.handler = Some(Handler::Files);
        }
        if !prepares && level.inherited.prepares {
            level.set.prepare = Some(Block::default());
        }
    }
    level.inherited.answers = own.unwrap_or(if inherits { outer } else { Answers::Files });
    level.inherited.prepares |= prepares;
}

/// `limit_except METHOD… { … }`
///
/// Observed: `GET` stands for `HEAD` too; other methods get the block's settings and not the location's
/// program.
pub(super) fn limit_except(cx: &mut Cx, outer: &mut Level, directive: &Directive) {
    let mut methods: Vec<Name> = Vec::new();
    for word in &directive.args {
        let upper = word.value.to_ascii_uppercase();
        let Some(method) = METHODS.iter().find(|method| method.as_bytes() == upper) else {
            cx.report(
                Diagnostic::error("invalid-method", word.span, format!("invalid method `{}`", word.text()))
                    .help(format!("one of {}", METHODS.join(", "))),
            );
            continue;
        };
        let mut add = |method: &str| {
            if !methods.iter().any(|known| &**known == method.as_bytes()) {
                methods.push(method.into());
            }
        };
        add(method);
        if *method == "GET" {
            add("HEAD");
        }
    }
    let mut level = Level::new(Kind::LimitExcept, directive.head(), outer);
    level.fill(cx, directive.block());
    let scope = Some(Scope { base: Base::Enclosing, set: Box::new(std::mem::take(&mut level.set)) });
    let block = Block { label: None, scope, steps: Vec::new(), span: level.span };
    outer.own.limited = Some((methods, block));
}

const METHODS: &[&str] = &[
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "MKCOL",
    "COPY",
    "MOVE",
    "OPTIONS",
    "PROPFIND",
    "PROPPATCH",
    "LOCK",
    "UNLOCK",
    "PATCH",
];

/// `internal`
fn internal(_: &mut Cx, level: &mut Level, _: &Directive) {
    level.inherited.internal = true;
}

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("internal", internal)];
