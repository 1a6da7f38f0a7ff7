//! Questions that several lints ask.

use std::net::SocketAddr;

use super::{Context, Scene};
use crate::ir::{
    AddressRange, Attr, Block, Config, Edit, Host, Jump, Kind, Member, Order, Part, Pattern, Register, Route,
    Step, Table, Template, Test, Upgrade, VarId,
    settings::Alias,
    walk::{self, Item},
};
use crate::source::Span;

/// Visits every table of routes.
pub(super) fn each_table<'c>(cx: &Context<'c>, visit: &mut dyn FnMut(&'c Table)) {
    fn nested<'c>(table: &'c Table, visit: &mut dyn FnMut(&'c Table)) {
        visit(table);
        for inner in table.routes.iter().filter_map(|route| route.nested.as_ref()) {
            nested(inner, visit);
        }
    }
    for host in &cx.config.hosts {
        walk::host(host, &mut |item, _| {
            if let Item::Step(Step::Route(table)) = item {
                nested(table, visit);
            }
        });
    }
}

/// The entry that takes what this one of a table could: one before it, as far as order decides between them.
pub(super) fn taken_by(table: &Table, at: usize) -> Option<&Route> {
    let route = &table.routes[at];
    let regex = |route: &Route| matches!(route.path.kind, Kind::Regex(_));
    let mut earlier = table.routes[..at].iter();
    earlier.find(|earlier| {
        let ordered = table.order == Order::First || (regex(earlier) && regex(route));
        ordered && covers(&earlier.path, &route.path)
    })
}

/// What every text begins with that an expression takes, and what of the expression is behind that.
pub(super) fn beginning(pattern: &Pattern) -> Option<(Vec<u8>, &[u8])> {
    let text = pattern.text.strip_prefix(b"^")?;
    let (mut depth, mut escaped) = (0_i32, false);
    for &byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' => depth -= 1,
            b'|' if depth == 0 => return None,
            _ => {}
        }
    }
    let mut begin = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let (literal, wide) = match (byte, text.get(at + 1)) {
            (b'\\', Some(&next)) if next.is_ascii_punctuation() => (next, 2),
            (b'\\' | b'.' | b'[' | b'(' | b')' | b'*' | b'+' | b'?' | b'{' | b'|' | b'$' | b'^', _) => break,
            _ => (byte, 1),
        };
        if matches!(text.get(at + wide), Some(b'*' | b'?' | b'{' | b'+')) {
            break;
        }
        begin.push(literal);
        at += wide;
    }
    Some((begin, &text[at..]))
}

/// Whether a pattern takes every path that another does.
pub(super) fn covers(earlier: &Pattern, later: &Pattern) -> bool {
    let fits = !earlier.ignore_case || later.ignore_case || earlier.text.eq_ignore_ascii_case(&later.text);
    match (earlier.kind, later.kind) {
        (Kind::Regex(_), Kind::Regex(_)) => {
            let (Some((all, rest)), Some((begin, _))) = (beginning(earlier), beginning(later)) else {
                return false;
            };
            let open: [&[u8]; 5] = [b"", b".*", b"(.*)", b".*$", b"(.*)$"];
            (earlier.ignore_case || !later.ignore_case) && open.contains(&rest) && begin.starts_with(&all)
        }
        (Kind::Prefix, Kind::Prefix | Kind::Exact) => fits && later.text.starts_with(&earlier.text),
        (Kind::Exact, Kind::Exact) => earlier.text == later.text,
        _ => false,
    }
}

/// Whether a URL begins with a scheme of `WebSockets`.
pub(super) fn speaks_ws(part: &Part) -> bool {
    matches!(part, Part::Text(text) if text.starts_with(b"ws://") || text.starts_with(b"wss://"))
}

/// Whether a route is for `WebSockets`.
pub(super) fn is_socket(route: &Route) -> bool {
    let mut socket = names_socket(&route.path);
    walk::block(&route.body, false, &mut |item, _| {
        if let Item::Template(value) = item {
            socket |= value.0.first().is_some_and(speaks_ws);
        }
    });
    socket
}

/// Whether a path is called as those of `WebSockets` are.
pub(super) fn names_socket(path: &Pattern) -> bool {
    match path.kind {
        // A dot that is meant stands behind a backslash.
        Kind::Regex(_) => {
            names_socket_path(&path.text.iter().copied().filter(|byte| *byte != b'\\').collect::<Vec<_>>())
        }
        _ => names_socket_path(&path.text),
    }
}

/// Whether a test asks for such a path, perhaps among other things.
pub(super) fn asks_socket(test: &Test) -> bool {
    match test {
        Test::Match { subject, pattern, .. } => super::speaks_of_path(subject) && names_socket(pattern),
        Test::All(tests) => tests.iter().any(asks_socket),
        _ => false,
    }
}

/// The same of a text.
pub(super) fn names_socket_path(path: &[u8]) -> bool {
    let text = path.to_ascii_lowercase();
    let words = text.split(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'.'));
    let known: [&[u8]; 8] =
        [b"ws", b"wss", b"websocket", b"websockets", b"socket.io", b"sockjs", b"cable", b"signalr"];
    words.into_iter().any(|word| known.contains(&word))
}

/// The member of a group that a URL leads to.
pub(super) fn member_of<'c>(config: &'c Config, url: &[u8]) -> Option<&'c Member> {
    let groups = config.clusters.iter().filter_map(|cluster| Some((cluster, cluster.group.as_ref()?)));
    let found = groups.filter(|(_, group)| !group.url.is_empty() && url.starts_with(&group.url));
    let (cluster, _) = found.max_by_key(|(_, group)| group.url.len())?;
    cluster.endpoints.iter().find_map(|endpoint| endpoint.member.as_deref())
}

/// Whether a rule of the host leads the `WebSockets` of an upstream to it by itself, before any route is asked.
pub(super) fn ruled_socket(cx: &Context<'_>, scene: &Scene<'_>, to: &[Vec<u8>]) -> bool {
    fn look(block: &Block, to: &[Vec<u8>]) -> bool {
        block.steps.iter().any(|(step, _)| match step {
            Step::Assign { value, .. } => match value.0.first() {
                Some(part @ Part::Text(text)) if speaks_ws(part) => {
                    authority_of(text).is_some_and(|(host, _)| to.contains(&host))
                }
                _ => false,
            },
            Step::Do(inner) => look(inner, to),
            Step::When { then, otherwise, .. } => look(then, to) || look(otherwise, to),
            _ => false,
        })
    }
    look(&cx.host(scene).request, to)
}

/// Whom URLs lead to, as far as that is written.
pub(super) fn hosts_of<'c>(urls: impl Iterator<Item = &'c Template>) -> Vec<Vec<u8>> {
    let text = urls.filter_map(|url| match url.0.first()? {
        Part::Text(text) => authority_of(text),
        _ => None,
    });
    text.map(|(host, _)| host).collect()
}

/// Whether the members of the forward's group say how they take `WebSockets`.
pub(super) fn own_member(config: &Config, url: &Template) -> bool {
    let begins = |group: &[u8]| matches!(url.0.first(), Some(Part::Text(text)) if text.starts_with(group));
    config
        .clusters
        .iter()
        .filter(|cluster| cluster.group.as_ref().is_some_and(|group| begins(&group.url)))
        .any(|cluster| {
            cluster.endpoints.iter().filter_map(|one| one.member.as_ref()).any(|member| {
                let upgrade = member.settings.upgrade.as_ref();
                upgrade.is_some_and(|upgrade| *upgrade != Upgrade::Never) || member.url.starts_with(b"ws")
            })
        })
}

/// Whether a mapping ends in a slash.
pub(super) fn ends_in_slash(with: &Template) -> bool {
    matches!(with.0.last(), Some(Part::Text(text)) if text.ends_with(b"/"))
}

/// What stands in the place of a prefix in a URL that ends in the rest of the path.
pub(super) fn before_rest(url: &Template) -> Option<Vec<u8>> {
    let [Part::Text(text), rest, ..] = url.0.as_slice() else { return None };
    let is_rest = match rest {
        Part::Attr(Attr::PathRest) => true,
        Part::Escape(_, inner) => matches!(inner.0.as_slice(), [Part::Attr(Attr::PathRest)]),
        _ => false,
    };
    let at = memchr::memmem::find(text, b"://")? + 3;
    let slash = memchr::memchr(b'/', &text[at..])? + at;
    is_rest.then(|| text[slash..].to_vec())
}

/// Whether a test holds for every request.
pub(super) fn takes_everything(test: &Test) -> bool {
    let all: [&[u8]; 12] = [
        b"(.*)", b".*", b"^(.*)$", b"^(.*)", b"^.*$", b"^/(.*)$", b"^/(.*)", b"^", b"^/", b"^.*", b"(.*)$",
        b"",
    ];
    match test {
        Test::Match { subject, pattern, .. } => {
            super::speaks_of_path(subject)
                && matches!(pattern.kind, Kind::Regex(_))
                && all.contains(&&*pattern.text)
        }
        Test::All(all) => all.iter().all(takes_everything),
        _ => false,
    }
}

/// Whether a block ends the list that it stands in.
pub(super) fn ends(block: &Block) -> bool {
    block.steps.iter().any(|(step, _)| match step {
        Step::Respond(_) | Step::Jump(Jump::Exit(_)) => true,
        Step::Do(inner) => ends(inner),
        _ => false,
    })
}

/// The folder of the system that a scene serves, if it does.
pub(super) fn sensitive(scene: &Scene<'_>) -> Option<String> {
    let folders: [&[u8]; 9] =
        [b"/", b"/etc", b"/root", b"/home", b"/var", b"/usr", b"/proc", b"/sys", b"/var/log"];
    let alias = match &scene.own.files.alias {
        Some(Some(Alias { with, .. })) => with.as_text(),
        _ => None,
    };
    let whole = scene.path.is_none_or(|path| path.kind == Kind::Prefix && &*path.text == b"/");
    let root = scene.set.files.root.as_ref().and_then(Template::as_text).filter(|_| whole && alias.is_none());
    let folder = alias.or(root)?;
    let bare = if folder.len() > 1 { folder.strip_suffix(b"/").unwrap_or(folder) } else { folder };
    let shown = if folder.is_empty() { "/".into() } else { String::from_utf8_lossy(folder).into_owned() };
    let bare: &[u8] = if bare.is_empty() { b"/" } else { bare };
    (folders.contains(&bare) || is_of_drive(bare)).then_some(shown)
}

/// Visits the tests behind one that takes all that they could and ends the list: where each is, and where that one.
pub(super) fn each_behind_all<'c>(host: &'c Host, visit: &mut dyn FnMut(&'c Test, Span, Span)) {
    walk::host(host, &mut |item, _| {
        let Item::Block(block, false) = item else { return };
        let mut taken: Option<Span> = None;
        // Patterns that end the list, as long as the path is what it was for them.
        let mut patterns: Vec<(&Template, &Pattern, Span)> = Vec::new();
        for (step, span) in &block.steps {
            let Step::When { test, then, .. } = step else { continue };
            let other = |by: &Span| span.is_known() && (span.file, span.start) != (by.file, by.start);
            if let Some(by) = taken.filter(other) {
                visit(test, *span, by);
                continue;
            }
            let path = alone(test).filter(|(subject, _)| super::speaks_of_path(subject));
            let begins = match test {
                Test::All(tests) => tests.first().and_then(alone),
                test => alone(test),
            };
            let before = begins.and_then(|(subject, pattern)| {
                let covering =
                    |one: &&(&Template, &Pattern, Span)| *one.0 == *subject && covers(one.1, pattern);
                patterns.iter().find(covering).map(|(.., by)| *by)
            });
            if let Some(by) = before.filter(other) {
                visit(test, *span, by);
            } else if takes_everything(test) && ends(then) {
                taken = Some(*span);
            } else if !ends(then) && changes(then) {
                patterns.clear();
            } else if let Some((subject, pattern)) = path.filter(|_| ends(then)) {
                patterns.push((subject, pattern, *span));
            }
        }
    });
}

/// A test that asks one thing of one value.
fn alone(test: &Test) -> Option<(&Template, &Pattern)> {
    match test {
        Test::Match { subject, pattern, .. } => Some((subject, pattern)),
        Test::All(tests) => match tests.as_slice() {
            [one] => alone(one),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a block may change what later tests look at.
fn changes(block: &Block) -> bool {
    let mut found = false;
    walk::block(block, false, &mut |item, _| {
        found |= matches!(item, Item::Step(Step::Rewrite { .. } | Step::Assign { .. }));
    });
    found
}

/// A register that a test filled, with what it looked at and by what.
pub(super) type Bound<'c> = (Register, &'c Template, &'c Pattern);

/// Visits the steps of a host, each with the tests that had to hold and fill registers.
pub(super) fn each_bound<'c>(
    block: &'c Block,
    bound: &mut Vec<Bound<'c>>,
    visit: &mut dyn FnMut(&'c Step, Span, &[Bound<'c>]),
) {
    fn registers<'c>(test: &'c Test, into: &mut Vec<Bound<'c>>) {
        match test {
            Test::Match { subject, pattern, into: Some(register) } => {
                into.push((*register, subject, pattern));
            }
            Test::All(tests) => tests.iter().for_each(|test| registers(test, into)),
            _ => {}
        }
    }
    for (step, span) in &block.steps {
        visit(step, *span, bound);
        match step {
            Step::Do(inner) => each_bound(inner, bound, visit),
            Step::When { test, then, otherwise } => {
                let before = bound.len();
                registers(test, bound);
                each_bound(then, bound, visit);
                bound.truncate(before);
                each_bound(otherwise, bound, visit);
            }
            Step::Route(table) => {
                for route in &table.routes {
                    each_bound(&route.body, bound, visit);
                }
            }
            _ => {}
        }
    }
}

/// What a variable becomes for every request, as far as nothing is asked of it.
pub(super) fn always_assigned<'c>(
    cx: &Context<'c>,
    block: &'c Block,
    var: VarId,
) -> Vec<(&'c Template, Span)> {
    let mut all = Vec::new();
    for (step, span) in &block.steps {
        match step {
            Step::Assign { var: to, value } if *to == var => all.push((value, *span)),
            Step::Do(inner) => all.extend(always_assigned(cx, inner, var)),
            Step::When { test, then, otherwise } => {
                if takes_everything(test) {
                    all.extend(always_assigned(cx, then, var));
                }
                if cx.is_state(test) {
                    all.extend(always_assigned(cx, otherwise, var));
                }
            }
            _ => {}
        }
    }
    all
}

/// Whether a value begins with what the client wrote into the query, a field or a cookie, alone or as a test took it.
pub(super) fn is_aimed(value: &Template, bound: &[Bound<'_>]) -> bool {
    let written = |attr: &Attr| {
        matches!(attr, Attr::Param(_) | Attr::Field(_) | Attr::FieldList(_) | Attr::Cookie(_) | Attr::Query)
    };
    match value.0.first() {
        Some(Part::Escape(_, inner)) => is_aimed(inner, bound),
        Some(Part::Capture(register, group)) if *group > 0 => {
            let last = bound.iter().rev().find(|(known, ..)| known == register);
            // A group that takes anything; one of a list of words, or behind a slash, leads nowhere else.
            last.is_some_and(|(_, subject, pattern)| {
                matches!(subject.0.as_slice(), [Part::Attr(attr)] if written(attr))
                    && [&b"(.*)"[..], b"(.+)", b"([^&]+)", b"([^&]*)", b"(.*?)", b"(.+?)"]
                        .iter()
                        .any(|group| memchr::memmem::find(&pattern.text, group).is_some())
            })
        }
        _ => false,
    }
}

/// Whether a folder is a whole drive, or what its system keeps there.
fn is_of_drive(folder: &[u8]) -> bool {
    let [letter, b':', rest @ ..] = folder else { return false };
    let rest = rest.to_ascii_lowercase();
    let of_system: [&[u8]; 7] =
        [b"", b"/windows", b"/users", b"/programdata", b"/program files", b"/windows/system32", b"/inetpub"];
    letter.is_ascii_alphabetic() && of_system.contains(&rest.strip_suffix(b"/").unwrap_or(&rest))
}

/// Whether everybody may ask: nobody is denied by address or asked for a password, and no condition refuses.
pub(super) fn is_open(scene: &Scene<'_>) -> bool {
    fn refuses(block: &Block) -> bool {
        block.steps.iter().any(|(step, _)| match step {
            Step::Respond(reply) => (400..500).contains(&reply.status),
            Step::Do(inner) => refuses(inner),
            _ => false,
        })
    }
    fn guards(block: &Block) -> bool {
        block.steps.iter().any(|(step, _)| match step {
            Step::When { then, otherwise, .. } => refuses(then) || refuses(otherwise),
            Step::Do(inner) => guards(inner),
            _ => false,
        })
    }
    if guards(scene.block) {
        return false;
    }
    let access = &scene.set.access;
    let denies = access.rules.iter().flatten().any(|(range, allow)| !allow && *range == AddressRange::All);
    let asks = matches!(access.credentials, Some(Some(_)))
        || access.required.as_ref().is_some_and(|required| required.what.is_some())
        || matches!(access.gate, Some(Some(_)));
    !denies && !asks
}

/// Whether the scene seems to stand behind a server that speaks TLS: it tells the application so, or asks.
pub(super) fn behind_tls(scene: &Scene<'_>) -> bool {
    scene.conditional
        || scene.set.http.edits.iter().flatten().any(|edit| {
            matches!(edit, Edit::Set(name, value) if name.is_field(b"X-Forwarded-Proto") && !matches!(value.0.as_slice(), [Part::Attr(Attr::Scheme)]))
        })
}

/// Host and port of a URL.
pub(super) fn authority_of(url: &[u8]) -> Option<(Vec<u8>, u16)> {
    let at = memchr::memmem::find(url, b"://")?;
    let port = if &url[..at] == b"https" { 443 } else { 80 };
    let rest = &url[at + 3..];
    let end = memchr::memchr(b'/', rest).unwrap_or(rest.len());
    Some((rest[..end].to_vec(), port))
}

/// An address that needs no look-up.
pub(super) fn socket(address: &[u8], port: u16) -> Option<SocketAddr> {
    let text = std::str::from_utf8(address).ok()?;
    let local = text.replace("localhost", "127.0.0.1");
    local
        .parse()
        .ok()
        .or_else(|| Some((local.trim_matches(['[', ']']).parse::<std::net::IpAddr>().ok()?, port).into()))
}
