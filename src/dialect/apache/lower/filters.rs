//! What content passes through: `SetOutputFilter`, `AddOutputFilterByType`, `FilterDeclare` and its kin, with the
//! settings of `mod_deflate` and `mod_brotli`.
//!
//! Observed (2.4.71): a response that could be coded says so in `Vary`, coded or not; `no-gzip` in the environment
//! keeps it as it is; the entity tag of what is coded ends in `-gzip` or `-br`.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/filter.html>, <https://httpd.apache.org/docs/2.4/mod/mod_deflate.html>

use std::collections::HashMap;

use super::{
    super::{expr::lower as expr, tree::Directive, tree::Word},
    Cx, Lower, Section,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Template, Test,
        settings::{Beside, Compress, Proxied, TagChange},
    },
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("AddOutputFilterByType", by_type),
    ("BrotliAlterETag", alter_tag),
    ("BrotliCompressionQuality", level),
    ("DeflateAlterEtag", alter_tag),
    ("DeflateCompressionLevel", level),
    ("FilterChain", chain),
    ("FilterDeclare", declare),
    ("FilterProvider", provider),
    ("SetOutputFilter", set),
];

/// Filters that a section declares: their providers and when these work.
#[derive(Clone, Debug, Default)]
pub(crate) struct Own {
    declared: HashMap<Vec<u8>, Vec<(Vec<u8>, Test)>>,
}

/// The settings of a filter; `None` for one that is none of these, after a report.
fn coding<'s>(cx: &mut Cx, section: &'s mut Section, word: &Word, name: &[u8]) -> Option<&'s mut Compress> {
    if name.eq_ignore_ascii_case(b"DEFLATE") {
        return Some(&mut section.set.gzip);
    }
    if name.eq_ignore_ascii_case(b"BROTLI_COMPRESS") {
        return Some(&mut section.set.brotli);
    }
    let shown = String::from_utf8_lossy(name).into_owned();
    let help = "filters that are known here are DEFLATE and BROTLI_COMPRESS";
    cx.refuse(Diagnostic::error("refused", word.span, format!("no filter `{shown}`")).help(help));
    None
}

fn names(word: &Word) -> impl Iterator<Item = &[u8]> {
    word.value.split(|byte| *byte == b';').filter(|name| !name.is_empty())
}

/// `SetOutputFilter filter[;filter...]`
fn set(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else {
        return cx.error("arguments", directive.head(), "SetOutputFilter takes one argument");
    };
    if word.is("none") {
        section.set.gzip.on = Some(false);
        section.set.brotli.on = Some(false);
        return;
    }
    for name in names(word) {
        if let Some(coding) = coding(cx, section, word, name) {
            coding.on = Some(true);
            coding.types = Some(vec!["*".into()]);
        }
    }
}

/// `AddOutputFilterByType filter[;filter...] type ...`
fn by_type(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word, types @ ..] = directive.args.as_slice() else {
        return cx.error("arguments", directive.head(), "AddOutputFilterByType takes filters and types");
    };
    for name in names(word) {
        if let Some(coding) = coding(cx, section, word, name) {
            coding.on = Some(true);
            let types = types.iter().map(|kind| kind.value.to_ascii_lowercase().into());
            coding.types.get_or_insert_default().extend(types);
        }
    }
}

/// `FilterDeclare name [kind]`
fn declare(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some(name) = directive.args.first() else {
        return cx.error("arguments", directive.head(), "FilterDeclare takes a name");
    };
    section.own.filters.declared.entry(name.value.to_ascii_lowercase()).or_default();
}

/// `FilterProvider name filter expression`
fn provider(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [name, filter, condition] = directive.args.as_slice() else {
        return cx.error(
            "arguments",
            directive.head(),
            "FilterProvider takes a name, a filter and an expression",
        );
    };
    let Some(test) = expr::test(cx, condition) else { return };
    let known = section.own.filters.declared.entry(name.value.to_ascii_lowercase()).or_default();
    known.push((filter.value.clone(), test));
}

/// `FilterChain [+=-@!]name ...`
fn chain(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    for word in &directive.args {
        let (sign, name) = match word.value.split_first() {
            Some((sign @ (b'+' | b'=' | b'-' | b'@' | b'!'), name)) => (*sign, name),
            _ => (b'+', word.value.as_slice()),
        };
        if matches!(sign, b'!' | b'-') {
            section.set.gzip.on = Some(false);
            section.set.brotli.on = Some(false);
            continue;
        }
        let providers = section.own.filters.declared.get(&name.to_ascii_lowercase()).cloned();
        let providers = match providers {
            Some(providers) => providers,
            None => vec![(name.to_vec(), Test::All(Vec::new()))],
        };
        for (filter, test) in providers {
            let test = cx.in_response(test);
            let no_gzip = unless(cx);
            let asked = cx.choice("", vec![(test, no_gzip)], "1".into());
            if let Some(coding) = coding(cx, section, word, &filter) {
                coding.on = Some(true);
                coding.types = Some(vec!["*".into()]);
                coding.unless = Some(Template::var(asked));
            }
        }
    }
}

/// `DeflateCompressionLevel 1-9`, `BrotliCompressionQuality 0-11`
fn level(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let deflate = directive.name() == "DeflateCompressionLevel";
    let most = if deflate { 9 } else { 11 };
    let number = match directive.args.as_slice() {
        [word] => word.text().parse::<u8>().ok().filter(|number| *number <= most),
        _ => None,
    };
    let Some(number) = number else {
        let message = format!("{} takes a number up to {most}", directive.name());
        return cx.error("arguments", directive.head(), message);
    };
    let coding = if deflate { &mut section.set.gzip } else { &mut section.set.brotli };
    coding.level = Some(number);
}

/// `DeflateAlterETag AddSuffix|NoChange|Remove`
fn alter_tag(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let deflate = directive.name().starts_with("Deflate");
    let change = match directive.args.as_slice() {
        [word] if word.is("AddSuffix") => TagChange::Append(if deflate { "-gzip" } else { "-br" }.into()),
        [word] if word.is("NoChange") => TagChange::Keep,
        [word] if word.is("Remove") => TagChange::Remove,
        _ => {
            let message = format!("{} takes `AddSuffix`, `NoChange` or `Remove`", directive.name());
            return cx.error("arguments", directive.head(), message);
        }
    };
    let coding = if deflate { &mut section.set.gzip } else { &mut section.set.brotli };
    coding.tag = Some(change);
}

/// `1` where the environment forbids to code content.
fn unless(cx: &mut Cx) -> Template {
    let no_gzip = Test::Present(Template::var(cx.env(b"no-gzip")));
    Template::var(cx.choice("@no-gzip", vec![(no_gzip, "1".into())], Template::default()))
}

/// What holds where nothing is written.
pub(super) fn defaults(cx: &mut Cx) {
    let unless = unless(cx);
    let coding = |level, suffix: &str| Compress {
        on: Some(false),
        level: Some(level),
        types: Some(Vec::new()),
        min_length: Some(0),
        statuses: Some(Vec::new()),
        version: Some(10),
        proxied: Some(vec![Proxied::Any]),
        unless: Some(unless.clone()),
        vary: Some(true),
        tag: Some(TagChange::Append(suffix.into())),
        beside: Some(Beside::Never),
        decode: Some(false),
    };
    cx.config.base.gzip = coding(6, "-gzip").into();
    cx.config.base.brotli = coding(5, "-br").into();
}
