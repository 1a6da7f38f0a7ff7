//! Compression: `urlCompression` says whether, `httpCompression` what and how.
//!
//! Files are static content, all that another program answers is dynamic. The entry for a type itself counts before the
//! one for its kind (`text/*`), and that before `*/*`; a type without any is not compressed. `gzip` and `br` are built
//! in; `deflate` is not offered. On a stock server only the module for static content is installed, so that around a
//! lone web.config dynamic content is compressed where that file says so itself. Level 0 is the least effort.
//! Reference 11; <https://learn.microsoft.com/iis/configuration/system.webserver/httpcompression/>.

use super::{Cx, Place, pattern::literal};
use crate::{
    diagnostic::Diagnostic,
    dialect::iis::effective::Value,
    ir::{
        Attr, Choice, Settings, Template, Test, VarId, VarKind,
        settings::{Beside, Compress, Proxied, TagChange},
    },
};

/// Who makes the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Static,
    Dynamic,
}

/// The settings of a place for one kind of content.
pub(super) fn settings(cx: &mut Cx, place: &Place, content: Content, settings: &mut Settings) {
    let mut found = Vec::new();
    let urls = place.site.section("system.webServer/urlCompression", &place.path, &mut found);
    let how = place.site.section("system.webServer/httpCompression", &place.path, &mut found);
    cx.found.append(&mut found);
    let is_static = content == Content::Static;
    let attribute = if is_static { "doStaticCompression" } else { "doDynamicCompression" };
    let installed = is_static || !cx.host.assumed || urls.attribute(attribute).is_some();
    let wanted = urls.flag(attribute) && installed;
    let unless = unless(cx, &how, content);
    let of = |name: &str| {
        let scheme = how.items().iter().find(|item| item.value.text("name").eq_ignore_ascii_case(name));
        let scheme = scheme.filter(|item| wanted && item.value.flag(attribute))?;
        let level = if is_static { "staticCompressionLevel" } else { "dynamicCompressionLevel" };
        let most = if name == "br" { 11 } else { 9 };
        let level = u8::try_from(scheme.value.number(level)).unwrap_or(1).clamp(1, most);
        let min_length = if is_static { how.number("minFileSizeForComp") } else { 0 };
        Some(Compress {
            on: Some(true),
            level: Some(level),
            types: Some(vec!["*".into()]),
            min_length: Some(u64::try_from(min_length).unwrap_or(0)),
            statuses: Some(if is_static { vec![200] } else { Vec::new() }),
            version: Some(if how.flag("noCompressionForHttp10") { 11 } else { 10 }),
            proxied: Some(if how.flag("noCompressionForProxies") { Vec::new() } else { vec![Proxied::Any] }),
            unless: Some(Template::var(unless)),
            silent: Some(true),
            vary: Some(true),
            keep_ranges: Some(false),
            tag: Some(TagChange::Weaken),
            beside: Some(Beside::Never),
            decode: Some(false),
            decode_all: Some(false),
        })
    };
    let (gzip, brotli) = (of("gzip"), of("br"));
    settings.gzip = gzip.unwrap_or_else(off).into();
    settings.brotli = brotli.unwrap_or_else(off).into();
    for scheme in how.items() {
        let name = scheme.value.text("name");
        if !["gzip", "br"].iter().any(|one| name.eq_ignore_ascii_case(one)) {
            let found = Diagnostic::note_at(
                "inert-element",
                scheme.span,
                format!("the scheme `{name}` is not offered"),
            );
            if !cx.found.iter().any(|known| known.message == found.message) {
                cx.report(found.because("gzip and br are built in"));
            }
        }
    }
}

fn off() -> Compress {
    Compress { on: Some(false), ..Compress::default() }
}

/// A value that keeps content from being compressed: its type is none of those wanted, or a part of it is asked for.
fn unless(cx: &mut Cx, how: &Value, content: Content) -> VarId {
    let list = how.part(if content == Content::Static { "staticTypes" } else { "dynamicTypes" });
    let mut entries: Vec<(usize, String, bool)> = Vec::new();
    for item in list.items() {
        let (kind, enabled) = (item.value.text("mimeType").trim(), item.value.flag("enabled"));
        let (rank, pattern) = match kind.strip_suffix("/*") {
            Some("*") => (2, String::new()),
            Some(kind) => (1, format!("^{}/", literal(kind))),
            None => (0, format!("^{}\\s*(?:;|$)", literal(kind))),
        };
        entries.push((rank, pattern, enabled));
    }
    entries.sort_by_key(|entry| entry.0);
    let mut choices = Vec::new();
    if how.flag("noCompressionForRange") {
        let test = Test::Present(Template::attr(Attr::Field("range".into())));
        choices.push(Choice { test, value: "1".into() });
    }
    for (_, pattern, enabled) in entries {
        let subject = Template::attr(Attr::SentField("content-type".into()));
        let test = Test::Match { subject, pattern: super::letters::any_case(pattern), into: None };
        choices.push(Choice { test, value: if enabled { Template::default() } else { "1".into() } });
    }
    let kind = VarKind::Choice { choices, default: "1".into() };
    let same = cx.config.vars.iter().position(|var| &*var.name == b"not compressed" && var.kind == kind);
    same.map_or_else(|| cx.fresh("not compressed", kind), |at| VarId(at as u32))
}
