//! What content passes through: `SetOutputFilter`, `AddOutputFilterByType`, `FilterDeclare` and its kin, with the
//! settings of `mod_deflate` and `mod_brotli`.
//!
//! Observed (2.4.71): a response that could be coded says so in `Vary`, coded or not; `no-gzip` in the environment
//! keeps it as it is; the entity tag of what is coded ends in `-gzip` or `-br`.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/filter.html>, <https://httpd.apache.org/docs/2.4/mod/mod_deflate.html>

use std::collections::HashMap;

use super::{
    super::{expr::lower as expr, glob, tree::Directive, tree::Word},
    Cx, Lower, Phase, Section, walk,
};
use crate::{
    diagnostic::{Diagnostic, Severity},
    ir::{
        Base, Block, Part, Pattern, Scope, Settings, Step, Template, Test, Text,
        settings::{Beside, Compress, Proxied, TagChange},
    },
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("AddInputFilter", input),
    ("AddOutputFilter", by_extension),
    ("AddOutputFilterByType", by_type),
    ("BrotliAlterETag", alter_tag),
    ("BrotliCompressionQuality", level),
    ("DeflateAlterEtag", alter_tag),
    ("DeflateCompressionLevel", level),
    ("FilterChain", chain),
    ("FilterDeclare", declare),
    ("FilterProvider", provider),
    ("SetInputFilter", input),
    ("SetOutputFilter", set),
];

/// Filters that a section declares: their providers and when these work.
#[derive(Clone, Debug, Default)]
pub(crate) struct Own {
    declared: HashMap<Vec<u8>, Vec<(Vec<u8>, Test)>>,
    /// What `AddOutputFilterByType` was met for.
    by_type: Vec<Phase>,
    /// The filters that `FilterChain` put in.
    chained: Vec<Vec<u8>>,
}

/// Puts filters into settings, for content of these types, where `unless` is neither set nor `0`.
fn put(cx: &mut Cx, set: &mut Settings, word: &Word, name: &[u8], types: &[Text], unless: Option<&Template>) {
    let lower = name.to_ascii_lowercase();
    let coding = match &*lower {
        b"deflate" => &mut set.gzip,
        b"brotli_compress" => &mut set.brotli,
        b"inflate" => {
            set.gzip.decode_all = Some(true);
            return;
        }
        b"substitute" => {
            set.rewriting.types = Some(types.to_vec());
            if let Some(unless) = unless {
                let not = Test::Not(Box::new(Test::Truthy(unless.clone())));
                let when = cx.choice("", vec![(not, "1".into())], Template::default());
                set.rewriting.when = Some(Some(Template::var(when)));
            }
            return;
        }
        b"rate_limit" => {
            let kibibytes = |cx: &mut Cx, name: &[u8]| {
                let mut value = Template::var(cx.env(name));
                value.push(Part::Text("k".into()));
                value
            };
            set.client.limit_rate = Some(kibibytes(cx, b"rate-limit"));
            set.client.limit_rate_after = Some(kibibytes(cx, b"rate-initial-burst"));
            return;
        }
        b"includes" => return includes(cx, set, word, types),
        // What frames content and puts ranges into it is always there.
        b"byterange" | b"chunk" | b"content_length" | b"http_header" | b"core" | b"old_write" => return,
        _ => {
            let shown = String::from_utf8_lossy(name).into_owned();
            let help = "filters that are known here are DEFLATE, INFLATE, BROTLI_COMPRESS, INCLUDES, SUBSTITUTE and RATE_LIMIT";
            let message = format!("no filter `{shown}`");
            return cx.refuse(Diagnostic::error("refused", word.span, message).help(help));
        }
    };
    coding.on = Some(true);
    coding.types = Some(types.to_vec());
    if let Some(unless) = unless {
        coding.unless = Some(unless.clone());
    }
}

/// `INCLUDES` does nothing but where `Options` allow it.
fn includes(cx: &mut Cx, set: &mut Settings, word: &Word, types: &[Text]) {
    if !cx.names.includes {
        let message = "no `Options` allow server-side includes: the filter does nothing";
        return cx.report(Diagnostic::new(Severity::Note, "no-effect", message).label(word.span, ""));
    }
    set.rewriting.includes = Some(true);
    set.rewriting.include_types = Some(types.to_vec());
}

/// Files with such extensions, or all of them, have includes: what the handler `server-parsed` is.
pub(super) fn parsed(
    cx: &mut Cx,
    section: &mut Section,
    word: &Word,
    extensions: Option<&[Word]>,
    span: Span,
) {
    let mut set = Settings::default();
    includes(cx, &mut set, word, &["*".into()]);
    let step = match extensions {
        Some(extensions) => {
            let then = Block { steps: vec![(Step::Do(block(set, span)), span)], ..Block::default() };
            Step::When { test: has_extension(cx, extensions), then, otherwise: Block::default() }
        }
        None => Step::Do(block(set, span)),
    };
    section.hook(Phase::Chain, step, span);
}

fn names(word: &Word) -> impl Iterator<Item = &[u8]> {
    word.value.split(|byte| *byte == b';').filter(|name| !name.is_empty())
}

/// A block that puts filters in force.
fn block(set: Settings, span: Span) -> Block {
    let scope = Scope { base: Base::Current, set: Box::new(set) };
    Block { scope: Some(scope), span, ..Block::default() }
}

/// `SetOutputFilter filter[;filter...]`: that of an inner section takes the place of those around it.
fn set(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else {
        return cx.error("arguments", directive.head(), "SetOutputFilter takes one argument");
    };
    let mut set = Settings::default();
    if !word.is("none") {
        for name in names(word) {
            put(cx, &mut set, word, name, &["*".into()], None);
        }
    }
    section.replace(Phase::Filters, block(set, directive.head()));
}

/// `SetInputFilter filter[;filter...]`, `AddInputFilter filter[;filter...] extension ...`
fn input(cx: &mut Cx, _: &mut Section, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    if !word.is("none") {
        let message = format!("content of requests goes through no filter `{}`", word.text());
        cx.refuse(Diagnostic::error("refused-value", word.span, message).help("let the upstream do it"));
    }
}

/// `AddOutputFilter filter[;filter...] extension ...`: of a name each extension counts, wherever it stands.
fn by_extension(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word, extensions @ ..] = directive.args.as_slice() else {
        return cx.error("arguments", directive.head(), "AddOutputFilter takes filters and extensions");
    };
    let mut set = Settings::default();
    for name in names(word) {
        put(cx, &mut set, word, name, &["*".into()], None);
    }
    let span = directive.head();
    let test = has_extension(cx, extensions);
    let step = Step::When { test, then: block(set, span), otherwise: Block::default() };
    section.hook(Phase::Chain, step, span);
}

/// Whether the file's name has one of these extensions.
pub(super) fn has_extension(cx: &mut Cx, extensions: &[Word]) -> Test {
    let bare = |word: &Word| {
        let name = word.value.as_slice();
        glob::regex(name.strip_prefix(b".").unwrap_or(name), glob::Slash::Like)
    };
    let names: Vec<_> = extensions.iter().map(bare).collect();
    let pattern = Pattern::whole(format!("^[^/]*\\.(?:{})(?:\\.[^/]*)?$", names.join("|")).as_bytes(), true);
    let named = Test::Match { subject: Template::var(cx.name()), pattern, into: None };
    Test::All(vec![Test::Not(Box::new(walk::is_proxied(cx))), named])
}

/// `AddOutputFilterByType filter[;filter...] type ...`
fn by_type(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word, types @ ..] = directive.args.as_slice() else {
        return cx.error("arguments", directive.head(), "AddOutputFilterByType takes filters and types");
    };
    let types: Vec<Text> = types.iter().map(|kind| kind.value.to_ascii_lowercase().into()).collect();
    let span = directive.head();
    for name in names(word) {
        let mut set = Settings::default();
        put(cx, &mut set, word, name, &types, None);
        let phase = match &*name.to_ascii_lowercase() {
            b"deflate" => Phase::Deflated,
            b"brotli_compress" => Phase::Brotlied,
            b"substitute" => Phase::Substituted,
            _ => Phase::Chain,
        };
        if phase != Phase::Chain && !section.own.filters.by_type.contains(&phase) {
            section.own.filters.by_type.push(phase);
            section.replace(phase, Block { span, ..Block::default() });
        }
        section.hook(phase, Step::Do(block(set, span)), span);
    }
}

/// `FilterDeclare name [kind]`
fn declare(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some(name) = directive.args.first() else {
        return cx.error("arguments", directive.head(), "FilterDeclare takes a name");
    };
    let declared = declared(cx, section);
    declared.insert(name.value.to_ascii_lowercase(), Vec::new());
}

/// What is declared: for a server it holds in all sections after it.
fn declared<'s>(cx: &'s mut Cx, section: &'s mut Section) -> &'s mut HashMap<Vec<u8>, Vec<(Vec<u8>, Test)>> {
    if section.is_server() { &mut cx.names.filters } else { &mut section.own.filters.declared }
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
    let test = cx.in_response(test);
    let known = declared(cx, section).entry(name.value.to_ascii_lowercase()).or_default();
    known.push((filter.value.clone(), test));
}

/// `FilterChain [+=-@!]name ...`
fn chain(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let span = directive.head();
    for word in &directive.args {
        let (sign, name) = match word.value.split_first() {
            Some((sign @ (b'+' | b'=' | b'-' | b'@' | b'!'), name)) => (*sign, name),
            _ => (b'+', word.value.as_slice()),
        };
        if matches!(sign, b'!' | b'=') {
            for phase in [Phase::Chain, Phase::Deflated, Phase::Brotlied, Phase::Substituted] {
                section.replace(phase, Block { span, ..Block::default() });
            }
        }
        let key = name.to_ascii_lowercase();
        // What a section around this one put in stays in.
        if sign == b'-' && !section.own.filters.chained.contains(&key) {
            continue;
        }
        section.own.filters.chained.push(key.clone());
        let known = section.own.filters.declared.get(&key).or_else(|| cx.names.filters.get(&key));
        let providers = match known {
            Some(providers) => providers.clone(),
            None if sign == b'!' => continue,
            None => vec![(name.to_vec(), Test::All(Vec::new()))],
        };
        let mut set = Settings::default();
        // The first provider whose condition holds is taken.
        let mut filters: Vec<(Vec<u8>, Vec<Test>)> = Vec::new();
        let mut earlier: Vec<Test> = Vec::new();
        for (filter, test) in providers {
            let others = earlier.iter().map(|test| Test::Not(Box::new(test.clone())));
            let taken = Test::All(others.chain([test.clone()]).collect());
            earlier.push(test);
            match filters.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&filter)) {
                Some((_, tests)) => tests.push(taken),
                None => filters.push((filter, vec![taken])),
            }
        }
        for (filter, tests) in filters {
            if sign == b'-' {
                take(&mut set, &filter);
                continue;
            }
            let no_gzip = unless(cx);
            let asked = cx.choice("", vec![(Test::Any(tests), no_gzip)], "1".into());
            put(cx, &mut set, word, &filter, &["*".into()], Some(&Template::var(asked)));
        }
        section.hook(Phase::Chain, Step::Do(block(set, span)), span);
    }
}

/// Takes a filter out of settings.
fn take(set: &mut Settings, name: &[u8]) {
    match &*name.to_ascii_lowercase() {
        b"deflate" => set.gzip.on = Some(false),
        b"brotli_compress" => set.brotli.on = Some(false),
        b"inflate" => set.gzip.decode_all = Some(false),
        b"substitute" => set.rewriting.when = Some(Some(Template::default())),
        b"includes" => set.rewriting.includes = Some(false),
        _ => {}
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

/// A whole response of so many bytes is not worth a head of gzip and what else it takes.
const SMALL: u64 = 68;

/// `1` where the environment forbids to code content.
fn unless(cx: &mut Cx) -> Template {
    let no_gzip = Test::Present(Template::var(cx.env(b"no-gzip")));
    Template::var(cx.choice("@no-gzip", vec![(no_gzip, "1".into())], Template::default()))
}

/// What holds where nothing is written.
pub(super) fn defaults(cx: &mut Cx) {
    let unless = unless(cx);
    let coding = |level, least, suffix: &str| Compress {
        on: Some(false),
        level: Some(level),
        types: Some(Vec::new()),
        min_length: Some(least),
        statuses: Some(Vec::new()),
        version: Some(10),
        proxied: Some(vec![Proxied::Any]),
        unless: Some(unless.clone()),
        vary: Some(true),
        tag: Some(TagChange::Append(suffix.into())),
        beside: Some(Beside::Never),
        keep_ranges: Some(true),
        silent: Some(true),
        decode: Some(false),
        decode_all: Some(false),
    };
    cx.config.base.rewriting.max_line = Some(1 << 20);
    cx.config.base.rewriting.keep_modified = Some(true);
    cx.config.base.rewriting.keep_tag = Some(true);
    cx.config.base.gzip = coding(6, SMALL + 1, "-gzip").into();
    cx.config.base.brotli = coding(5, 0, "-br").into();
}
