//! `gzip` and its kin: which responses are compressed, and how.
//!
//! Observed on nginx 1.22.1: `text/html` is always one of the types; the first
//! `gzip_disable` at a level drops those of the outer levels; `Vary` goes to
//! every response that some client would get compressed, and `gzip_vary` holds
//! for the other codings too.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_gzip_module.html>

use super::{
    super::{
        tree::{Directive, Word},
        values,
    },
    Cx, Level, Lower, charset, regex,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Attr, Kind, Order, Pattern, Register, Row, Syntax, Template, Text, Var, VarId, VarKind,
        settings::{Beside, Compress, Proxied},
    },
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("gzip_types", types),
    ("gzip_comp_level", level_of_effort),
    ("gzip_http_version", version),
    ("gzip_proxied", proxied),
    ("gzip_disable", disable),
    ("gzip_vary", vary),
    ("gzip_static", beside),
    ("brotli_types", types),
    ("brotli_comp_level", level_of_effort),
    ("brotli_static", beside),
    ("zstd_types", types),
    ("zstd_comp_level", level_of_effort),
    ("zstd_static", beside),
];

/// Where the captures of `gzip_disable` go: nowhere that anybody reads.
const NOWHERE: Register = Register('Z');

/// The settings that a directive speaks of.
fn coding<'l>(level: &'l mut Level, directive: &Directive) -> &'l mut Compress {
    match directive.name().split('_').next() {
        Some("brotli") => &mut level.set.brotli,
        Some("zstd") => &mut level.set.zstd,
        _ => &mut level.set.gzip,
    }
}

/// `gzip_types type...;`
fn types(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let before = coding(level, directive).types.take();
    let types = charset::type_list(cx, directive, before);
    coding(level, directive).types = Some(types);
}

/// `gzip_comp_level level;`
fn level_of_effort(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let Ok(number) = values::number(&word.value) else { return };
    let range = match directive.name() {
        "brotli_comp_level" => 0..=11,
        "zstd_comp_level" => 1..=22,
        _ => 1..=9,
    };
    if !range.contains(&number) {
        let message = format!("value must be between {} and {}", range.start(), range.end());
        cx.error("invalid-value", word.span, message);
        return;
    }
    coding(level, directive).level = Some(number as u8);
}

/// `gzip_http_version 1.0|1.1;`
fn version(_: &mut Cx, level: &mut Level, directive: &Directive) {
    level.set.gzip.version = match directive.args.first() {
        Some(word) if word.is("1.0") => Some(10),
        Some(word) if word.is("1.1") => Some(11),
        _ => None,
    };
}

/// `gzip_proxied off|condition...;`
fn proxied(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let condition = |word: &Word| {
        Some(match word.value.to_ascii_lowercase().as_slice() {
            b"any" => Proxied::Any,
            b"expired" => Proxied::Expired,
            b"no-cache" => Proxied::NoCache,
            b"no-store" => Proxied::NoStore,
            b"private" => Proxied::Private,
            b"no_last_modified" => Proxied::NoLastModified,
            b"no_etag" => Proxied::NoETag,
            b"auth" => Proxied::Auth,
            _ => return None,
        })
    };
    let all: Vec<Proxied> = directive.args.iter().filter_map(condition).collect();
    let off = directive.args.iter().any(|word| word.is("off"));
    level.set.gzip.proxied = Some(if off { Vec::new() } else { all });
}

/// `gzip_disable regex|msie6...;` A table of what `User-Agent` says.
fn disable(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let mut rows = Vec::new();
    for word in &directive.args {
        if word.is("msie6") {
            // 4 and 5, and 6 without the service pack that mended it.
            rows.push(row("MSIE 6.*SV1", ""));
            rows.push(row("MSIE (?:[45]\\.|6)", "1"));
        } else if word.is("degradation") {
            let message = "`degradation` needs a build that hardly anybody has";
            cx.report(
                Diagnostic::error("invalid-parameter", word.span, message)
                    .because("the original is built without it, too"),
            );
        } else {
            let pattern = regex(cx, word, 0, true);
            rows.push(Row { pattern, value: "1".into() });
        }
    }
    if level.first("gzip_disable") {
        let id = VarId(cx.config.vars.len() as u32);
        let kind = VarKind::Table {
            key: Template::attr(Attr::Field("user-agent".into())),
            order: Order::Specific,
            rows,
            default: Template::default(),
            once: true,
            into: NOWHERE,
        };
        let name = format!("gzip_disable_{}", id.0).into();
        cx.config.vars.push(Var { name, kind, span: directive.head() });
        level.set.gzip.unless = Some(Template::var(id));
    } else if let Some(Template(parts)) = &level.set.gzip.unless
        && let [crate::ir::Part::Var(id)] = parts.as_slice()
        && let Some(Var { kind: VarKind::Table { rows: known, .. }, .. }) =
            cx.config.vars.get_mut(id.0 as usize)
    {
        known.append(&mut rows);
    }
}

fn row(pattern: &str, value: &str) -> Row {
    let kind = Kind::Regex(Syntax::Perl);
    let pattern = Pattern { kind, text: pattern.into(), ignore_case: false, groups: Vec::new() };
    Row { pattern, value: value.into() }
}

/// `gzip_vary on|off;`
fn vary(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    if let Ok(on) = values::flag(&word.value) {
        for coding in [&mut level.set.gzip, &mut level.set.brotli, &mut level.set.zstd] {
            coding.vary = Some(on);
        }
    }
}

/// `gzip_static off|on|always;`
fn beside(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    coding(level, directive).beside = Some(match word.value.to_ascii_lowercase().as_slice() {
        b"on" => Beside::Accepted,
        b"always" => Beside::Always,
        _ => Beside::Never,
    });
}

/// What is in force where nothing is written.
pub(super) fn defaults(level: u8) -> Compress {
    Compress {
        on: Some(false),
        level: Some(level),
        types: Some(vec![Text::from("text/html")]),
        min_length: Some(20),
        statuses: Some(vec![200, 403, 404]),
        version: Some(0),
        proxied: Some(vec![Proxied::Any]),
        unless: Some(Template::default()),
        vary: Some(false),
        tag: Some(crate::ir::settings::TagChange::Weaken),
        beside: Some(Beside::Never),
        keep_ranges: Some(false),
        silent: Some(false),
        decode: Some(false),
        decode_all: Some(false),
    }
}
