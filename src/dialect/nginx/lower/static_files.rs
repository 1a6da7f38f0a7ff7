//! Files: `root`, `alias`, `index`, `types` and what decides about parts and dates.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_core_module.html>,
//! <https://nginx.org/en/docs/http/ngx_http_index_module.html>

use std::{collections::HashMap, os::unix::ffi::OsStrExt as _};

use super::{
    super::{
        tree::{Directive, Word, directives},
        values,
    },
    Cx, Level, Lower, Place, template_part, text,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Part, Template, Text,
        settings::{Alias, ListingForm},
    },
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("alias", alias),
    ("autoindex_format", listing_form),
    ("default_type", default_type),
    ("if_modified_since", if_modified_since),
    ("index", index),
    ("max_ranges", max_ranges),
    ("disable_symlinks", disable_symlinks),
    ("root", root),
    ("types", types),
];

/// `autoindex_format html|xml|json|jsonp;`
fn listing_form(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    level.set.listing.form = match word.value.to_ascii_lowercase().as_slice() {
        b"html" => Some(ListingForm::Html),
        b"xml" => Some(ListingForm::Xml),
        b"json" => Some(ListingForm::Json),
        b"jsonp" => Some(ListingForm::Jsonp),
        _ => None,
    };
}

/// `root path;` One slash at its end is taken off.
fn root(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = place(cx, level, directive) else { return };
    let length = word.value.strip_suffix(b"/").map_or(word.value.len(), <[u8]>::len);
    level.set.files.root = Some(path(cx, word, length));
    // Not the mapping of an outer level.
    level.set.files.alias = Some(None);
}

/// `alias path;` In place of the location's name; in one given by a pattern, the whole file name.
fn alias(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let cut = match &level.place {
        Place::Prefix(name) | Place::Exact(name) => Some(name.len() as u32),
        Place::Regex(_) | Place::Outside => None,
        Place::Named(_) => {
            let message = "`alias` cannot be used in a named location";
            let found = Diagnostic::error("alias-in-named-location", directive.name.span, message);
            cx.report(found.help("use `root`"));
            return;
        }
    };
    let Some(word) = place(cx, level, directive) else { return };
    let with = path(cx, word, word.value.len());
    level.set.files.alias = Some(Some(Alias { with, cut, rewritten: false }));
}

/// The argument of `root` or `alias`, unless the level has one of both or it is made of itself.
fn place<'d>(cx: &mut Cx, level: &mut Level, directive: &'d Directive) -> Option<&'d Word> {
    let word = directive.args.first()?;
    let other = if directive.name() == "root" { "alias" } else { "root" };
    if level.has(other) {
        let message = format!("`{}` beside `{other}`", directive.name());
        let found = Diagnostic::error("root-and-alias", directive.name.span, message);
        cx.report(found.because("only one of them can say where the files are"));
        return None;
    }
    level.first(directive.name());
    for name in ["document_root", "realpath_root"] {
        let bytes = name.as_bytes();
        let at = memchr::memmem::find_iter(&word.value, b"$")
            .find(|&at| after_dollar(&word.value[at + 1..]).starts_with(bytes));
        if let Some(at) = at {
            let message = format!("`${name}` cannot be used in `{}`", directive.name());
            let span = super::parameter::within(cx, word, at..word.value.len());
            let found = Diagnostic::error("circular-root", span, message);
            cx.report(found.because("it is made of this directive"));
            return None;
        }
    }
    Some(word)
}

/// The name after a `$`, with or without its bracket, and all that follows.
fn after_dollar(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"{").unwrap_or(text)
}

/// The first `length` bytes of a word as a path relative to the prefix. One that begins with a variable
/// is taken as it comes out.
pub(super) fn path(cx: &mut Cx, word: &Word, length: usize) -> Template {
    let mut path = Template::default();
    if !matches!(word.value.first(), Some(b'/' | b'$')) {
        let mut prefix = cx.options.prefix.as_os_str().as_bytes().to_vec();
        if prefix.last() != Some(&b'/') {
            prefix.push(b'/');
        }
        path.push(Part::Text(Text(prefix)));
    }
    for part in template_part(cx, word, 0..length).0 {
        path.push(part);
    }
    path
}

/// `index file...;` The first at a level drops those of the outer levels.
fn index(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let files = level.set.files.index.get_or_insert_default();
    for (at, word) in directive.args.iter().enumerate() {
        if word.value.is_empty() {
            cx.error("invalid-value", word.span, "an index without a name");
            continue;
        }
        if word.value.first() == Some(&b'/') && at + 1 < directive.args.len() {
            let message = "only the last index should begin with `/`";
            let found = Diagnostic::warning("absolute-index", word.span, message);
            cx.report(found.because("redirected to without looking, so those after it are never tried"));
        }
        files.push(super::template(cx, word));
    }
}

/// `types { type extension...; }` A level's table is its own, not added to that of the outer level.
fn types(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let table = level.set.answer.types.get_or_insert_default();
    let mut place: HashMap<Text, (usize, Option<Span>)> =
        table.iter().enumerate().map(|(at, (extension, _))| (extension.clone(), (at, None))).collect();
    for row in directives(directive.block()) {
        let kind = text(&row.name);
        for word in &row.args {
            let extension = Text(word.value.to_ascii_lowercase());
            let Some(&(at, before)) = place.get(&extension) else {
                place.insert(extension.clone(), (table.len(), Some(word.span)));
                table.push((extension, kind.clone()));
                continue;
            };
            let old = std::mem::replace(&mut table[at].1, kind.clone());
            let message = format!("the extension `{}` has two types", word.text());
            let mut found = Diagnostic::warning("duplicate-extension", word.span, message).because(format!(
                "`{}` replaces `{}`",
                kind.lossy(),
                old.lossy()
            ));
            if let Some(before) = before {
                found = found.label(before, "given first here");
            }
            cx.report(found);
            place.insert(extension, (at, Some(word.span)));
        }
    }
}

/// `default_type type;`
fn default_type(_: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(word) = directive.args.first() {
        level.set.answer.default_type = Some(Template::text(text(word)));
    }
}

/// `if_modified_since off|exact|before;`
fn if_modified_since(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    level.set.answer.if_modified_since = match word.value.to_ascii_lowercase().as_slice() {
        b"off" => Some(0),
        b"exact" => Some(1),
        b"before" => Some(2),
        _ => None,
    };
}

/// `max_ranges number;`
fn max_ranges(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(Ok(number)) = directive.args.first().map(|word| values::number(&word.value)) else { return };
    level.set.answer.max_ranges = Some(Some(u32::try_from(number).unwrap_or(u32::MAX)));
}

/// `disable_symlinks off;` `disable_symlinks on|if_not_owner [from=part];`
fn disable_symlinks(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let mut from = None;
    let mut mode = None;
    for word in &directive.args {
        match word.value.as_slice() {
            b"off" => mode = Some(0),
            b"on" => mode = Some(1),
            b"if_not_owner" => mode = Some(2),
            value => {
                from = value.starts_with(b"from=").then(|| template_part(cx, word, 5..value.len())).or(from);
            }
        }
    }
    match (mode, &from, directive.args.len()) {
        (Some(_), None, 1) | (Some(1 | 2), Some(_), 2) => {}
        (Some(0), ..) => {
            let message = "\"from=\" cannot be used with \"off\" parameter";
            return cx.report(Diagnostic::error("invalid-value", directive.span, message));
        }
        _ => {
            let message = "no \"on\", \"off\", or \"if_not_owner\" parameter specified";
            return cx.report(Diagnostic::error("invalid-value", directive.span, message));
        }
    }
    level.set.files.stepwise = mode;
    level.set.files.stepwise_from = Some(from.unwrap_or_default());
}
