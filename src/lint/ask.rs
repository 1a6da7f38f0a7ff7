//! Questions that several lints ask.

use std::net::SocketAddr;

use super::{Context, Scene};
use crate::ir::{
    AddressRange, Block, Config, Edit, Jump, Kind, Member, Part, Pattern, Route, Step, Table, Template, Test,
    Upgrade,
    settings::Alias,
    walk::{self, Item},
};

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

/// Whether a pattern takes every path that another does.
pub(super) fn covers(earlier: &Pattern, later: &Pattern) -> bool {
    let fits = !earlier.ignore_case || later.ignore_case || earlier.text.eq_ignore_ascii_case(&later.text);
    match (earlier.kind, later.kind) {
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
    names_socket_path(&path.text)
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
        Part::Attr(crate::ir::Attr::PathRest) => true,
        Part::Escape(_, inner) => matches!(inner.0.as_slice(), [Part::Attr(crate::ir::Attr::PathRest)]),
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
    folders.contains(&bare).then_some(shown)
}

/// Whether everybody may ask.
pub(super) fn is_open(scene: &Scene<'_>) -> bool {
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
            matches!(edit, Edit::Set(name, value) if name.is_field(b"X-Forwarded-Proto") && !matches!(value.0.as_slice(), [Part::Attr(crate::ir::Attr::Scheme)]))
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
