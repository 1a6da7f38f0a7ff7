//! `RewriteMap`: what it names, and whose rules see it.
//!
//! Observed (2.4.71): a virtual host sees the main server's maps only where it inherits its rules; a map that nobody
//! defined gives the default, without a word.

use std::{os::unix::ffi::OsStrExt as _, path::Path};

use super::{Cx, Scene, expansion::Lookup};
use crate::{
    diagnostic::{Diagnostic, suggest},
    dialect::apache::{
        lower::Section,
        tree::{Directive, Word},
    },
    ir::{Escape, Map, MapId, MapSource, Text},
};

/// A map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `int:`
    Own(Escape),
    /// A file or a program.
    Outside(MapId),
}

/// `RewriteMap name type:source [user[:group]]`
pub(super) fn declare(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let (name, source, more) = match directive.args.as_slice() {
        [name, source] => (name, source, None),
        [name, source, more] => (name, source, Some(more)),
        _ => {
            let message =
                "RewriteMap takes two or three arguments: a name, a source, and who a program runs as";
            return cx.error("arguments", directive.head(), message);
        }
    };
    if !section.is_server() {
        return cx.error("misplaced", directive.head(), "RewriteMap not allowed here");
    }
    let Some(kind) = kind(cx, name, source, more) else { return };
    let key = name.value.clone();
    section.own.rewrite.maps.insert(key.clone(), kind);
    cx.names.maps.insert(key, kind);
}

fn kind(cx: &mut Cx, name: &Word, source: &Word, more: Option<&Word>) -> Option<Kind> {
    let text = source.value.as_slice();
    let of = |prefix: &str| text.strip_prefix(prefix.as_bytes());
    if let Some(function) = of("int:") {
        let how = match function {
            b"tolower" => Escape::Lower,
            b"toupper" => Escape::Upper,
            b"escape" => Escape::UriText,
            b"unescape" => Escape::UriDecode,
            other => {
                let other = String::from_utf8_lossy(other).into_owned();
                let mut wrong = Diagnostic::error(
                    "unknown-map-function",
                    source.span,
                    format!("RewriteMap: internal map not found:{other}"),
                );
                let known = ["toupper", "tolower", "escape", "unescape"];
                wrong = match suggest::nearest(&other, known.into_iter()) {
                    Some(meant) => wrong.help(format!("did you mean `int:{meant}`?")),
                    None => {
                        wrong.help("there are `int:toupper`, `int:tolower`, `int:escape` and `int:unescape`")
                    }
                };
                cx.report(wrong);
                return None;
            }
        };
        return Some(Kind::Own(how));
    }
    let dbm = of("dbm:").or_else(|| of("dbm=").and_then(|rest| rest.splitn(2, |byte| *byte == b':').nth(1)));
    if dbm.is_some() {
        cx.refuse(
            Diagnostic::error("refused-map", source.span, "maps in DBM files are not honoured")
                .because("no maintained reader of these formats exists")
                .help("keep the text that the file was made of, and name that: `txt:/path/map.txt` is read into memory"),
        );
        return None;
    }
    if of("dbd:").or_else(|| of("fastdbd:")).is_some() {
        cx.refuse(
            Diagnostic::error("refused-map", source.span, "maps in SQL databases are not honoured")
                .because("there is no client of a database here")
                .help("write the rows to a text file, `txt:`, or ask a program, `prg:`"),
        );
        return None;
    }
    let user = more.map(|word| {
        let mut parts = word.value.splitn(2, |byte| *byte == b':');
        let user = Text::from(parts.next().unwrap_or_default());
        (user, parts.next().map(Text::from))
    });
    let map_source = if let Some(command) = of("prg:") {
        let mut words = command.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let program = cx.path(words.next().unwrap_or_default());
        exists(cx, name, source, &program)?;
        let first = Text::from(program.as_os_str().as_bytes());
        let command = std::iter::once(first).chain(words.map(Text::from)).collect();
        MapSource::Program { command, user }
    } else {
        let (path, choose) = match (of("txt:"), of("rnd:")) {
            (Some(path), _) => (path, false),
            (None, Some(path)) => (path, true),
            (None, None) => (text, false),
        };
        let path = cx.path(path);
        exists(cx, name, source, &path)?;
        MapSource::Lines { path, choose }
    };
    let id = MapId(cx.config.maps.len() as u32);
    let shown = name.value.as_slice().into();
    cx.config.maps.push(Map { name: shown, source: map_source, span: source.span });
    Some(Kind::Outside(id))
}

/// A source has to be there when the server starts.
fn exists(cx: &mut Cx, name: &Word, source: &Word, path: &Path) -> Option<()> {
    if cx.options.offline || path.exists() {
        return Some(());
    }
    let message = format!("RewriteMap: file for map {} not found:{}", name.text(), path.display());
    cx.report(Diagnostic::error("missing-map", source.span, message).because("there is no such file"));
    None
}

/// The map of a name, where rules stand.
pub(super) fn find(cx: &Cx, scene: &Scene, name: &[u8]) -> Option<Kind> {
    match &scene.maps {
        Some(maps) => maps.get(name).copied(),
        None => cx.names.maps.get(name).copied(),
    }
}

/// A map that nobody defined.
pub(super) fn unknown(cx: &Cx, lookup: &Lookup) -> Diagnostic {
    let name = String::from_utf8_lossy(lookup.map.bytes()).into_owned();
    let whole = String::from_utf8_lossy(lookup.whole.bytes()).into_owned();
    let message = format!("there is no map called `{name}`: `{whole}` is its default, or empty");
    let found = Diagnostic::warning("unknown-map", lookup.whole.whole(), message);
    let prefixes = ["HTTP", "ENV", "SSL", "LA-U", "LA-F"];
    if prefixes.iter().any(|prefix| name.eq_ignore_ascii_case(prefix)) {
        return found
            .because("a dollar sign where a percent sign was meant")
            .help(format!("write `%{}`", &whole[1..]));
    }
    let defined = cx.names.maps.keys().map(|known| String::from_utf8_lossy(known).into_owned());
    let defined: Vec<String> = defined.collect();
    match suggest::nearest(&name, defined.iter().map(String::as_str)) {
        Some(meant) => found.help(format!("did you mean `{meant}`?")),
        None => found.because("define it with `RewriteMap` in the same server"),
    }
}
