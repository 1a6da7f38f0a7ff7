//! What a substitution comes to, as far as that shows from its text: path or URL, where its query begins.

use super::{
    Cx, Scene, Steps,
    expansion::Piece,
    rule::{Rule, Substitution},
    value,
};
use crate::ir::{Attr, Escape, Part, Query, Template};

/// What a result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// It begins with `/`.
    Path,
    /// Neither `/` nor a scheme is at its beginning.
    Relative,
    /// A URL.
    Absolute,
    /// What is expanded at its beginning decides.
    Unknown,
}

/// A substitution, taken apart.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) form: Form,
    /// Without its query.
    pub(super) path: Template,
    /// The query it brings.
    pub(super) query: Option<Template>,
    /// Expanded text that must not hold a `?`.
    pub(super) guarded: Template,
    /// Whether a `?` in what is expanded begins the query: at the first, or at the last.
    pub(super) splits: Option<bool>,
    /// Whether the URL takes no query.
    pub(super) no_query: bool,
}

/// Schemes of URLs, and whether what follows a `?` in them is a query.
const SCHEMES: &[(&str, bool)] = &[
    ("http://", true),
    ("https://", true),
    ("ws://", true),
    ("wss://", true),
    ("h2://", true),
    ("h2c://", true),
    ("balancer://", true),
    ("ajp://", true),
    ("fcgi://", true),
    ("scgi://", true),
    ("unix:", true),
    ("mailto:", true),
    ("ftp://", false),
    ("gopher://", false),
    ("ldap://", false),
    ("nntp://", false),
    ("news:", false),
];

/// A regular expression for what begins with a scheme.
pub(super) const ABSOLUTE: &str =
    "^(?i)(?:(?:https?|wss?|h2c?|balancer|ajp|[fs]cgi|ftp|gopher|ldap|nntp)://|mailto:|news:|unix:)";

/// The scheme that a text begins with, and whether its URLs have a query.
pub(super) fn scheme(text: &[u8]) -> Option<(&'static str, bool)> {
    SCHEMES.iter().copied().find(|(scheme, _)| {
        text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
    })
}

/// Takes a substitution apart.
pub(super) fn parts(
    cx: &mut Cx,
    scene: &Scene,
    rule: &Rule,
    substitution: &Substitution,
    before: &mut Steps,
) -> Parts {
    let pieces = &substitution.pieces;
    let flags = &rule.flags;
    let form = form(pieces);
    let no_query = match pieces.first() {
        Some(Piece::Text(text)) => scheme(text).is_some_and(|(_, has)| !has),
        _ => false,
    };
    let expanded: Vec<Template> = pieces
        .iter()
        .map(|piece| value::template(cx, scene, std::slice::from_ref(piece), Some(&flags.escapes), before))
        .collect();
    let mark = if no_query { None } else { mark(pieces, flags.query_last) };
    let join = |templates: &mut dyn Iterator<Item = Template>| {
        let mut joined = Template::default();
        for template in templates {
            for part in template.0 {
                joined.push(part);
            }
        }
        joined
    };
    let text = |at: usize, range: std::ops::Range<usize>| match &pieces[at] {
        Piece::Text(text) => Template::text(text[range].to_vec()),
        _ => Template::default(),
    };
    let length = |at: usize| if let Piece::Text(text) = &pieces[at] { text.len() } else { 0 };
    let (path, query) = match mark {
        Some((at, offset)) => {
            let path = join(&mut expanded[..at].iter().cloned().chain([text(at, 0..offset)]));
            let rest = text(at, offset + 1..length(at));
            (path, Some(join(&mut std::iter::once(rest).chain(expanded[at + 1..].iter().cloned()))))
        }
        None => (join(&mut expanded.iter().cloned()), None),
    };
    // What would be taken for the mark that begins the query.
    let acts = |at: usize| match mark {
        Some((place, _)) if flags.query_last => at > place,
        Some((place, _)) => at < place,
        None => true,
    };
    let risky = (0..pieces.len()).filter(|at| !no_query && acts(*at) && may_hold_mark(&pieces[*at], flags));
    let guarded = join(&mut risky.map(|at| expanded[at].clone()));
    let dynamic = !guarded.is_empty();
    let splits = (dynamic && flags.allow_3f).then_some(flags.query_last);
    // What decides shows only when it is there: all of it is cut then.
    let (path, query) = match (splits, query) {
        (Some(_), Some(query)) => (join(&mut [path, "?".into(), query].into_iter()), None),
        (_, query) => (path, query),
    };
    Parts {
        form,
        path,
        query,
        splits,
        guarded: if flags.allow_3f { Template::default() } else { guarded },
        no_query,
    }
}

/// Where the mark stands that begins the query: piece and offset.
fn mark(pieces: &[Piece], last: bool) -> Option<(usize, usize)> {
    let place = |(at, piece): (usize, &Piece)| match piece {
        Piece::Text(text) => {
            let offset = if last { memchr::memrchr(b'?', text) } else { memchr::memchr(b'?', text) };
            offset.map(|offset| (at, offset))
        }
        _ => None,
    };
    if last {
        pieces.iter().enumerate().rev().find_map(place)
    } else {
        pieces.iter().enumerate().find_map(place)
    }
}

/// Whether what is expanded can hold a `?`.
fn may_hold_mark(piece: &Piece, flags: &super::flags::RuleFlags) -> bool {
    match piece {
        Piece::Text(_) => false,
        Piece::Rule(_) | Piece::Condition(_) => {
            !(flags.escapes.on && value::encoding(&flags.escapes).holds(b'?'))
        }
        Piece::Variable(name) => {
            let upper = name.bytes().to_ascii_uppercase();
            let plain: [&[u8]; 12] = [
                b"HTTP_HOST",
                b"SERVER_NAME",
                b"SERVER_PORT",
                b"SERVER_ADDR",
                b"SERVER_PROTOCOL",
                b"REMOTE_ADDR",
                b"REMOTE_PORT",
                b"REQUEST_SCHEME",
                b"REQUEST_METHOD",
                b"HTTPS",
                b"DOCUMENT_ROOT",
                b"HTTP:HOST",
            ];
            !plain.contains(&upper.as_slice()) && !upper.starts_with(b"TIME")
        }
        Piece::Map(_) => true,
    }
}

fn form(pieces: &[Piece]) -> Form {
    match pieces.first() {
        None => Form::Relative,
        Some(Piece::Text(text)) if text.starts_with(b"/") => Form::Path,
        Some(Piece::Text(text)) if scheme(text).is_some() => Form::Absolute,
        Some(Piece::Text(text)) => {
            let lower = text.to_ascii_lowercase();
            let begins = |(scheme, _): &(&str, bool)| scheme.as_bytes().starts_with(&lower);
            if pieces.len() > 1 && SCHEMES.iter().any(begins) { Form::Unknown } else { Form::Relative }
        }
        Some(Piece::Variable(name)) => {
            let upper = name.bytes().to_ascii_uppercase();
            let paths: [&[u8]; 2] = [b"REQUEST_URI", b"DOCUMENT_ROOT"];
            if paths.contains(&upper.as_slice()) { Form::Path } else { Form::Unknown }
        }
        Some(Piece::Rule(_) | Piece::Condition(_) | Piece::Map(_)) => Form::Unknown,
    }
}

/// What becomes of the query, and whether it may differ from the one before.
pub(super) fn query(rule: &Rule, parts: &Parts) -> (Query, bool) {
    let flags = &rule.flags;
    if parts.no_query {
        return (Query::Replace(Template::default()), true);
    }
    let Some(query) = &parts.query else {
        return if flags.query_discard {
            (Query::Replace(Template::default()), true)
        } else {
            (Query::Keep, false)
        };
    };
    let appends = flags.query_append && !flags.query_discard;
    if !appends && query.0.as_slice() == [Part::Attr(Attr::Query)] {
        return (Query::Keep, false);
    }
    if appends && query.is_empty() {
        return (Query::Keep, false);
    }
    let mut new = query.clone();
    let mut may_end_so = !matches!(new.0.last(), Some(Part::Text(text)) if !text.ends_with(b"&"));
    if appends {
        new.push(Part::Text("&".into()));
        new.push(Part::Attr(Attr::Query));
        may_end_so = true;
    }
    if new.as_text().is_some() {
        let mut text = new.as_text().unwrap_or_default().to_vec();
        if text.ends_with(b"&") {
            text.pop();
        }
        return (Query::Replace(Template::text(text)), true);
    }
    let new = if may_end_so { Template(vec![Part::Escape(Escape::WithoutFinalAmpersand, new)]) } else { new };
    (Query::Replace(new), true)
}

/// Whether a template reads the query.
pub(super) fn reads_query(template: &Template) -> bool {
    template.0.iter().any(|part| match part {
        Part::Attr(attr) => matches!(attr, Attr::Query | Attr::QueryMark),
        Part::Escape(_, inner) => reads_query(inner),
        Part::Rest { of, after: with } | Part::Start { of, before: with } => {
            reads_query(of) || reads_query(with)
        }
        Part::Text(_) | Part::Var(_) | Part::Capture(..) => false,
    })
}

/// A path percent-encoded for a `Location`.
pub(super) fn encoded_path(path: Template) -> Template {
    match path.as_text() {
        Some(text) => Template::text(encode(text)),
        None => Template(vec![Part::Escape(Escape::UriText, path)]),
    }
}

/// A URL percent-encoded for a `Location`, from the first `/` of its path on.
pub(super) fn encoded_url(url: Template) -> Template {
    let Some(text) = url.as_text() else { return Template(vec![Part::Escape(Escape::UrlText, url)]) };
    let (head, path) = text.split_at(path_of(text));
    let encoded = if head.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"ldap://")) {
        // Marks separate the parts of such a URL (RFC 4516 § 2).
        path.split(|byte| *byte == b'?').map(encode).collect::<Vec<_>>().join(&b'?')
    } else {
        encode(path)
    };
    Template::text([head, &encoded].concat())
}

/// Where the path of a URL begins.
fn path_of(text: &[u8]) -> usize {
    let Some((scheme, _)) = scheme(text) else { return 0 };
    if !scheme.ends_with('/') {
        return scheme.len();
    }
    memchr::memchr(b'/', &text[scheme.len()..]).map_or(text.len(), |at| scheme.len() + at)
}

/// As [`Escape::UriText`] does it.
pub(super) fn encode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for &byte in text {
        if byte.is_ascii_alphanumeric() || b"$-_.+!*'(),:@&=/~;".contains(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02x}").as_bytes());
        }
    }
    out
}
