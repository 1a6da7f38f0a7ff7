//! `map`: a variable looked up in a table.
//!
//! Observed on nginx 1.22.1: texts are compared without regard to case and
//! before patterns, which no empty value is compared with; `hostnames` holds for the rows after it and takes one final
//! dot off what is looked up; a leading `\` makes any key a text; of two maps
//! for one variable the later counts.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_map_module.html>

use std::collections::HashMap;

use regex_automata::util::syntax;

use super::{
    super::tree::{Directive, directives},
    CAPTURES, Cx, Level, Lower, regex,
    rewrite::variable_name,
    template,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Attr, Kind, Order, Part, Pattern, Register, Row, Syntax, Template, Text, Var, VarId, VarKind},
    source::Span,
};

/// `map source $variable { … }`
fn map(cx: &mut Cx, _: &mut Level, directive: &Directive) {
    let [source, variable] = directive.args.as_slice() else { return };
    let key = template(cx, source);
    let Some(name) = variable_name(cx, variable) else { return };
    let Some(var) = cx.define(name, variable.span) else { return };
    let mut table =
        Table { rows: Vec::new(), written: HashMap::new(), default: None, once: true, host_names: false };
    for row in directives(directive.block()) {
        self::row(cx, &mut table, row);
    }
    let key = if table.host_names && table.minds_final_dot() {
        without_final_dot(cx, key, directive.head())
    } else {
        key
    };
    table.leave_out_empty();
    let kind = VarKind::Table {
        key,
        order: Order::Specific,
        rows: table.rows,
        default: table.default.map(|(value, _)| value).unwrap_or_default(),
        once: table.once,
        into: CAPTURES,
    };
    if let Some(known) = cx.config.vars.get_mut(var.0 as usize) {
        *known = Var { name: name.to_ascii_lowercase().into(), kind, span: directive.head() };
    }
}

struct Table {
    rows: Vec<Row>,
    /// Texts by what is compared, and where they were written.
    written: HashMap<Text, Span>,
    default: Option<(Template, Span)>,
    once: bool,
    host_names: bool,
}

impl Table {
    /// Whether a final dot must come off before the table is searched: one with wildcards takes it off itself,
    /// except for its patterns.
    fn minds_final_dot(&self) -> bool {
        let has = |test: fn(&Kind) -> bool| self.rows.iter().any(|row| test(&row.pattern.kind));
        has(|kind| matches!(kind, Kind::Regex(_))) || !has(|kind| *kind == Kind::Wildcard)
    }
}

impl Table {
    /// An empty value is compared with texts alone (nginx 1.22.1: no expression of a map is tried for one). Where an
    /// expression could match it, it stands among the texts with what comes by default.
    fn leave_out_empty(&mut self) {
        let takes_empty = |pattern: &Pattern| {
            // Who looks around may find nothing.
            let may = || {
                let parsed = syntax::parse(&pattern.text.lossy());
                parsed.map_or(true, |parsed| parsed.properties().minimum_len() == Some(0))
            };
            matches!(pattern.kind, Kind::Regex(_)) && may()
        };
        let has = |test: &dyn Fn(&Pattern) -> bool| self.rows.iter().any(|row| test(&row.pattern));
        if has(&takes_empty) && !has(&|pattern| pattern.kind == Kind::Exact && pattern.text.is_empty()) {
            let pattern =
                Pattern { kind: Kind::Exact, text: Text::new(), ignore_case: true, groups: Vec::new() };
            let value = self.default.as_ref().map(|(value, _)| value.clone()).unwrap_or_default();
            self.rows.push(Row { pattern, value });
        }
    }
}

fn row(cx: &mut Cx, table: &mut Table, row: &Directive) {
    let word = &row.name;
    let [value] = row.args.as_slice() else {
        match word.value.as_slice() {
            b"hostnames" if row.args.is_empty() => table.host_names = true,
            b"volatile" if row.args.is_empty() => table.once = false,
            _ => cx.report(
                Diagnostic::error("invalid-row", row.head(), "a row of a map is a key and a value")
                    .help("values with spaces stand in quotes"),
            ),
        }
        return;
    };
    let value = template(cx, value);
    match word.value.as_slice() {
        b"default" => match &table.default {
            Some((_, first)) => cx.report(
                Diagnostic::error("duplicate-row", word.span, "the default of a map is given twice")
                    .label(*first, "first given here"),
            ),
            None => table.default = Some((value, word.span)),
        },
        [b'~', b'*', ..] => {
            let pattern = regex(cx, word, 2, true);
            table.rows.push(Row { pattern, value });
        }
        [b'~', ..] => {
            let pattern = regex(cx, word, 1, false);
            table.rows.push(Row { pattern, value });
        }
        key => {
            let key = key.strip_prefix(b"\\").unwrap_or(key).to_ascii_lowercase();
            text_row(cx, table, &key, &value, word.span);
        }
    }
}

fn text_row(cx: &mut Cx, table: &mut Table, key: &[u8], value: &Template, span: Span) {
    let text = |kind, text: &[u8]| Pattern { kind, text: text.into(), ignore_case: true, groups: Vec::new() };
    let stars = memchr::memchr_iter(b'*', key).count();
    let patterns = match key {
        _ if !table.host_names => vec![text(Kind::Exact, key)],
        _ if key.windows(2).any(|two| two == b"..") || stars > 1 => Vec::new(),
        [b'.', name @ ..] if !name.is_empty() => {
            vec![text(Kind::Exact, name), text(Kind::Wildcard, &[b"*", key].concat())]
        }
        [b'*', b'.', _, ..] | [_, .., b'.', b'*'] => vec![text(Kind::Wildcard, key)],
        _ if stars == 0 => vec![text(Kind::Exact, key)],
        _ => Vec::new(),
    };
    if patterns.is_empty() {
        let message = format!("invalid host name or wildcard `{}`", key.escape_ascii());
        cx.error("invalid-row", span, message);
        return;
    }
    let first = patterns.iter().find_map(|pattern| table.written.get(&pattern.text));
    if let Some(&first) = first {
        let message = format!("conflicting key `{}`", key.escape_ascii());
        cx.report(Diagnostic::error("duplicate-row", span, message).label(first, "first written here"));
        return;
    }
    for pattern in patterns {
        table.written.insert(pattern.text.clone(), span);
        table.rows.push(Row { pattern, value: value.clone() });
    }
}

/// What host names are compared with: the key without its final dot.
fn without_final_dot(cx: &mut Cx, key: Template, span: Span) -> Template {
    // These never have one.
    if matches!(key.0.as_slice(), [Part::Attr(Attr::Host | Attr::HostName)]) {
        return key;
    }
    let into = Register('D');
    let pattern = Pattern {
        kind: Kind::Regex(Syntax::PerlWhole),
        text: "^(.*)\\.$".into(),
        ignore_case: false,
        groups: Vec::new(),
    };
    let row = Row { pattern, value: Template(vec![Part::Capture(into, 1)]) };
    let id = VarId(cx.config.vars.len() as u32);
    cx.config.vars.push(Var {
        name: format!("host_name_{}", id.0).into(),
        kind: VarKind::Table {
            key: key.clone(),
            order: Order::First,
            rows: vec![row],
            default: key,
            once: false,
            into,
        },
        span,
    });
    Template::var(id)
}

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("map", map)];
