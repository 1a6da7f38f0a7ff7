//! Why this host and this route, and which others came close.

use crate::{
    engine::trace::Step,
    ir::{self, Block, Config, Host, HostId, Kind, Listener, Order, Pattern, Route, Table},
    plan::Matcher,
    source::Span,
};

/// What another choice would have needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Near {
    /// Where it is written.
    pub(super) span: Span,
    /// What it looks for.
    pub(super) pattern: String,
    /// Why it was not taken.
    pub(super) why: String,
}

/// A choice that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// What was chosen for.
    pub(super) subject: String,
    /// Where the choice is written; nothing was chosen where it is nowhere.
    pub(super) span: Span,
    /// What it looks for.
    pub(super) pattern: String,
    /// Why it was taken.
    pub(super) why: String,
    /// Others that came close.
    pub(super) near: Vec<Near>,
}

/// Others that are shown.
const NEAR: usize = 5;

/// A pattern for people.
pub(super) fn shown(pattern: &Pattern) -> String {
    let text = pattern.text.to_string();
    let case = if pattern.ignore_case { ", case apart" } else { "" };
    match pattern.kind {
        Kind::Exact => format!("exactly {text}{case}"),
        Kind::Prefix => format!("beginning with {text}{case}"),
        Kind::Suffix => format!("ending in {text}{case}"),
        Kind::Wildcard => format!("like {text}"),
        Kind::Regex(_) => format!("matching {text}{case}"),
    }
}

/// The name that most ask a listener for: the first that its default host has, else of another.
pub(super) fn usual_name(config: &Config, listener: &Listener) -> Option<String> {
    let hosts = std::iter::once(&listener.default).chain(&listener.hosts);
    let mut names = hosts.flat_map(|id| &config.host(*id).names);
    let is_name = |pattern: &&Pattern| {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b".-".contains(byte);
        pattern.kind == Kind::Exact && pattern.text.len() > 1 && pattern.text.iter().all(plain)
    };
    names.find(is_name).map(|pattern| pattern.text.to_string())
}

fn matches(pattern: &Pattern, subject: &[u8]) -> bool {
    Matcher::new(pattern).is_ok_and(|matcher| matcher.is_match(subject) == Ok(true))
}

/// Why this host answers.
pub(super) fn host(config: &Config, listener: &Listener, chosen: HostId, name: &[u8]) -> Choice {
    let host = config.host(chosen);
    let subject = String::from_utf8_lossy(name).into_owned();
    let hit = host.names.iter().find(|pattern| !name.is_empty() && matches(pattern, name));
    let mut near = Vec::new();
    for id in &listener.hosts {
        let other = config.host(*id);
        if *id == chosen {
            continue;
        }
        for pattern in &other.names {
            let too = !name.is_empty() && matches(pattern, name);
            let why = if too {
                "has the name too, and comes after it".to_owned()
            } else if let Some(why) = close_name(pattern, name) {
                why
            } else {
                continue;
            };
            near.push(Near { span: other.span, pattern: shown(pattern), why });
        }
    }
    near.truncate(NEAR);
    let (pattern, why) = match hit {
        Some(pattern) => (shown(pattern), "one of its names".to_owned()),
        None if name.is_empty() => {
            (String::new(), "the request names no host, and this is the default".to_owned())
        }
        None if listener.hosts.len() == 1 => (String::new(), "it is the only host there".to_owned()),
        None => {
            let hosts = listener.hosts.len();
            (String::new(), format!("none of {hosts} hosts has that name, and this is the default"))
        }
    };
    Choice { subject, span: host.span, pattern, why, near }
}

/// How a name came close to a pattern.
fn close_name(pattern: &Pattern, name: &[u8]) -> Option<String> {
    let text = pattern.text.to_ascii_lowercase();
    let www = [b"www.", name].concat();
    if text == www {
        return Some("only with www. in front".to_owned());
    }
    if name.strip_prefix(b"www.").is_some_and(|bare| bare == text) {
        return Some("only without www.".to_owned());
    }
    if text.strip_prefix(b"*.").is_some_and(|rest| rest == name) {
        return Some("only with something in front".to_owned());
    }
    (pattern.kind == Kind::Exact && text.len() > 4 && distance(&text, name) <= 2)
        .then(|| "spelled a little differently".to_owned())
}

/// Why a route was taken: one answer for each table that was asked.
pub(super) fn routes(host: &Host, steps: &[Step]) -> Vec<Choice> {
    let mut tables: Vec<(&Table, Span)> = Vec::new();
    collect(&host.request, &mut tables);
    for (_, block) in &host.named {
        collect(block, &mut tables);
    }
    let mut choices = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let Step::Routed { span, path, found } = step else { continue };
        let Some((table, _)) = tables.iter().find(|(_, known)| same(*known, *span)) else { continue };
        let after = &steps[at + 1..];
        let next = after.iter().find(|step| step.span().is_known()).map(Step::span);
        let chosen = if *found { next.and_then(|next| find(table, next, path)) } else { None };
        choices.push(choice(table, chosen, path));
    }
    choices
}

fn same(one: Span, other: Span) -> bool {
    (one.file, one.start, one.end) == (other.file, other.start, other.end)
}

fn collect<'c>(block: &'c Block, into: &mut Vec<(&'c Table, Span)>) {
    for (step, span) in &block.steps {
        match step {
            ir::Step::Do(inner) => collect(inner, into),
            ir::Step::When { then, otherwise, .. } => {
                collect(then, into);
                collect(otherwise, into);
            }
            ir::Step::Route(table) => {
                into.push((table, *span));
                for route in &table.routes {
                    collect(&route.body, into);
                }
            }
            _ => {}
        }
    }
    for hook in block.scope.iter().flat_map(|scope| &scope.set.hooks) {
        for block in &hook.blocks {
            collect(block, into);
        }
    }
}

/// The route whose body is written there: of several that one directive brings, the one that takes the path.
fn find<'c>(table: &'c Table, span: Span, path: &[u8]) -> Option<&'c Route> {
    let mut routes = Vec::new();
    all(table, &mut routes);
    routes.retain(|route| same(route.body.span, span));
    let takes = |route: &&&Route| matches(&route.path, path);
    let exact = routes.iter().find(|route| route.path.kind == Kind::Exact && matches(&route.path, path));
    exact.or_else(|| routes.iter().find(takes)).or(routes.first()).copied()
}

/// All routes, nested ones too.
fn all<'c>(table: &'c Table, into: &mut Vec<&'c Route>) {
    for route in &table.routes {
        into.push(route);
        if let Some(nested) = &route.nested {
            all(nested, into);
        }
    }
}

fn choice(table: &Table, chosen: Option<&Route>, path: &[u8]) -> Choice {
    let mut routes = Vec::new();
    all(table, &mut routes);
    let mut near = Vec::new();
    for route in &routes {
        if chosen.is_some_and(|chosen| same(chosen.body.span, route.body.span)) {
            continue;
        }
        let why = if matches(&route.path, path) {
            lost(
                table.order,
                &route.path,
                chosen.map(|chosen| &chosen.path),
                chosen.is_some_and(|one| one.decisive),
            )
        } else if let Some(why) = close(&route.path, path) {
            why
        } else {
            continue;
        };
        near.push(Near { span: route.body.span, pattern: shown(&route.path), why });
    }
    near.truncate(NEAR);
    let why = match chosen.map(|chosen| chosen.path.kind) {
        None => "no route matches".to_owned(),
        Some(Kind::Exact) => "the path is exactly this".to_owned(),
        Some(Kind::Prefix) if table.order == Order::First => "the first that matches".to_owned(),
        Some(Kind::Prefix) => "the longest beginning that matches, and no pattern takes the path".to_owned(),
        Some(_) => "the first pattern that matches".to_owned(),
    };
    let why = if chosen.is_some_and(|chosen| chosen.decisive) {
        "the longest beginning that matches, and it keeps patterns from being tried".to_owned()
    } else {
        why
    };
    Choice {
        subject: path.escape_ascii().to_string(),
        span: chosen.map_or(Span::NONE, |chosen| chosen.body.span),
        pattern: chosen.map(|chosen| shown(&chosen.path)).unwrap_or_default(),
        why,
        near,
    }
}

/// Why a route that matches too was not taken.
fn lost(order: Order, path: &Pattern, chosen: Option<&Pattern>, decisive: bool) -> String {
    let Some(chosen) = chosen else { return "matches".to_owned() };
    match (order, path.kind, chosen.kind) {
        (Order::First, ..) => "matches too, and comes later",
        (_, _, Kind::Exact) => "matches too, and an exact path counts first",
        (_, Kind::Prefix, Kind::Prefix) => "matches too, and is shorter",
        (_, Kind::Regex(_), Kind::Prefix) if decisive => "would match, and is not tried",
        (_, Kind::Prefix, _) => "matches too, and a pattern counts before it",
        _ => "matches too, and comes later",
    }
    .to_owned()
}

/// What would have to be different for a route to match.
fn close(pattern: &Pattern, path: &[u8]) -> Option<String> {
    let folded = Pattern { ignore_case: true, ..pattern.clone() };
    if !pattern.ignore_case && matches(&folded, path) {
        return Some("only in another case".to_owned());
    }
    let with = [path, b"/"].concat();
    if matches(pattern, &with) {
        return Some("only with a slash at the end".to_owned());
    }
    if path.len() > 1 && path.strip_suffix(b"/").is_some_and(|bare| matches(pattern, bare)) {
        return Some("only without the slash at the end".to_owned());
    }
    let second = path.iter().skip(1).position(|byte| *byte == b'/').map(|at| &path[at + 1..]);
    if second.is_some_and(|rest| rest.len() > 1 && pattern.text.len() > 2 && matches(pattern, rest)) {
        return Some("only without the first segment".to_owned());
    }
    match pattern.kind {
        Kind::Exact if path.starts_with(&pattern.text) && pattern.text.len() > 1 => {
            Some("only this very path".to_owned())
        }
        Kind::Exact | Kind::Prefix if pattern.text.len() > 3 => {
            let start = &path[..path.len().min(pattern.text.len())];
            (distance(&pattern.text, start) == 1).then(|| "spelled a little differently".to_owned())
        }
        _ => None,
    }
}

/// How many bytes to insert, remove or replace.
fn distance(one: &[u8], other: &[u8]) -> usize {
    if one.len().abs_diff(other.len()) > 2 || one.len() > 256 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, a) in one.iter().enumerate() {
        let mut before = at;
        row[0] = at + 1;
        for (place, b) in other.iter().enumerate() {
            let next = (before + usize::from(a != b)).min(row[place] + 1).min(row[place + 1] + 1);
            before = std::mem::replace(&mut row[place + 1], next);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_say_what_is_missing() {
        let close = |pattern: Pattern, path: &str| close(&pattern, path.as_bytes());
        assert_eq!(close(Pattern::prefix("/ws/"), "/ws").as_deref(), Some("only with a slash at the end"));
        assert_eq!(close(Pattern::exact("/a"), "/a/").as_deref(), Some("only without the slash at the end"));
        assert_eq!(close(Pattern::prefix("/Api/"), "/api/x").as_deref(), Some("only in another case"));
        assert_eq!(close(Pattern::prefix("/chat"), "/chta").as_deref(), None);
        assert_eq!(close(Pattern::prefix("/socket"), "/soket/x").as_deref(), None);
        assert_eq!(
            close(Pattern::prefix("/sockets"), "/sockett").as_deref(),
            Some("spelled a little differently")
        );
        assert_eq!(
            close(Pattern::regex("^/ws/(.*)", false), "/app/ws/x").as_deref(),
            Some("only without the first segment")
        );
        assert_eq!(close(Pattern::prefix("/other"), "/x"), None);
    }
}
