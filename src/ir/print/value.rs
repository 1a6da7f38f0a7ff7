//! Values within a line.

use std::{fmt::Debug, time::Duration};

use super::Printer;
use crate::ir::{
    AddressRange, Attr, Balance, Bucket, Choice, Escape, Kind, Network, Order, Part, Pattern, Reply,
    ReplyContent, Row, Syntax, Template, Var, VarId, VarKind,
};

/// `on` or `off`.
pub(super) fn flag(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// `60s`, `1500ms`.
pub(super) fn duration(time: Duration) -> String {
    if time.subsec_nanos() == 0 { format!("{}s", time.as_secs()) } else { format!("{}ms", time.as_millis()) }
}

/// `512`, `8k`, `1m`.
pub(super) fn size(number: u64) -> String {
    const KILO: u64 = 1 << 10;
    const MEGA: u64 = 1 << 20;
    match number {
        0 => "0".to_owned(),
        number if number.is_multiple_of(MEGA) => format!("{}m", number / MEGA),
        number if number.is_multiple_of(KILO) => format!("{}k", number / KILO),
        number => number.to_string(),
    }
}

/// The name of a variant, and its content if it has one: `UpstreamField("x")` as `upstream-field x`.
pub(super) fn word(variant: &impl Debug) -> String {
    let debug = format!("{variant:?}");
    let (name, content) = debug.split_once('(').unwrap_or((&debug, ""));
    let mut word = kebab(name);
    let content = content.strip_suffix(')').unwrap_or(content);
    if !content.is_empty() {
        let quoted = content.strip_prefix('"').and_then(|content| content.strip_suffix('"'));
        word.push(' ');
        match quoted {
            Some(content) => word.push_str(content),
            None => word.push_str(&kebab(content)),
        }
    }
    word
}

fn kebab(name: &str) -> String {
    let mut word = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !word.is_empty() {
            word.push('-');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

/// A template's text, without the quotes around it.
pub(super) fn template(printer: &Printer<'_>, template: &Template) -> String {
    let part = |part: &Part| match part {
        Part::Text(plain) => plain.to_string().replace('{', "\\{"),
        Part::Attr(attr) => format!("{{{}}}", self::attr(attr)),
        Part::Var(var) => format!("{{{}}}", printer.var_name(*var)),
        Part::Capture(register, group) => format!("{{{}.{group}}}", register.0),
        Part::Start { of, before } => {
            format!("{{{} before {}}}", self::template(printer, of), self::template(printer, before))
        }
        Part::Rest { of, after } => {
            format!("{{{} after {}}}", self::template(printer, of), self::template(printer, after))
        }
        Part::Escape(Escape::Encode(how), inner) => {
            format!("{{{how} of {}}}", self::template(printer, inner))
        }
        Part::Escape(how, inner) => format!("{{{} of {}}}", word(how), self::template(printer, inner)),
    };
    template.0.iter().map(part).collect()
}

fn attr(attr: &Attr) -> String {
    match attr {
        Attr::PathRest => "rest".to_owned(),
        attr => word(attr),
    }
}

/// Addresses that an access rule speaks of.
pub(super) fn range(range: AddressRange) -> String {
    match range {
        AddressRange::All => "all".to_owned(),
        AddressRange::Unix => "unix".to_owned(),
        AddressRange::Network(address, prefix) => format!("{address}/{prefix}"),
    }
}

impl Printer<'_> {
    pub(super) fn pattern(&mut self, pattern: &Pattern) {
        let Pattern { kind, text, ignore_case, groups } = pattern;
        self.add(match kind {
            Kind::Exact => "exact",
            Kind::Prefix => "prefix",
            Kind::Suffix => "suffix",
            Kind::Wildcard => "wildcard",
            Kind::Regex(Syntax::Perl) => "regex",
            Kind::Regex(Syntax::PerlWhole) => "regex-whole",
            Kind::Regex(Syntax::Ecma) => "regex-ecma",
        });
        self.add(if *ignore_case { "/i" } else { "" });
        self.add(format_args!(" \"{text}\""));
        for (name, var) in groups {
            let var = self.var_name(*var);
            self.add(format_args!(" {name}={var}"));
        }
    }

    pub(super) fn order(&mut self, order: Order) {
        self.add(match order {
            Order::First => " first",
            Order::Specific => " specific",
        });
    }

    pub(super) fn reply(&mut self, reply: &Reply) {
        let Reply { status, content } = reply;
        self.add(format_args!("respond {status}"));
        match content {
            ReplyContent::Page => {}
            ReplyContent::Text(text) => {
                self.add(" text ");
                self.template(text);
            }
            ReplyContent::Location(location) => {
                self.add(" location ");
                self.template(location);
            }
            ReplyContent::Empty => self.add(" empty"),
            ReplyContent::Close => self.add(" close"),
        }
    }

    pub(super) fn balance(&mut self, balance: &Balance) {
        match balance {
            Balance::RoundRobin => self.add("round-robin"),
            Balance::LeastConnections => self.add("least-connections"),
            Balance::ClientAddress => self.add("client-address"),
            Balance::Random => self.add("random"),
            Balance::RandomTwo(timing) => {
                self.add("random-two");
                timing.iter().for_each(|timing| self.timing(*timing));
            }
            Balance::LeastTime(timing) => {
                self.add("least-time");
                self.timing(*timing);
            }
            Balance::Hash(key) => {
                self.add("hash ");
                self.template(key);
            }
            Balance::ConsistentHash(key) => {
                self.add("consistent-hash ");
                self.template(key);
            }
        }
    }

    pub(super) fn var(&mut self, id: VarId, var: &Var) {
        let Var { name: _, kind, span: _ } = var;
        let name = self.var_name(id);
        self.line(&format!("var {}", &name[1..]));
        match kind {
            VarKind::Assigned => self.add(" assigned"),
            VarKind::Optional => self.add(" optional"),
            VarKind::Choice { choices, default } => {
                self.add(" choice");
                self.inside(|printer| {
                    for Choice { test, value } in choices {
                        printer.line("when ");
                        printer.test(test, false);
                        printer.add(" => ");
                        printer.template(value);
                    }
                    printer.line("else => ");
                    printer.template(default);
                });
            }
            VarKind::Table { key, order, rows, default, once, into } => {
                self.add(" table ");
                self.template(key);
                self.order(*order);
                self.add(if *once { " once" } else { "" });
                self.into(*into);
                self.inside(|printer| {
                    for Row { pattern, value } in rows {
                        printer.line("");
                        printer.pattern(pattern);
                        printer.add(" => ");
                        printer.template(value);
                    }
                    printer.line("else => ");
                    printer.template(default);
                });
            }
            VarKind::Network { key, rows, default, proxies, recursive } => {
                self.add(" network ");
                self.template(key);
                for (address, prefix) in proxies {
                    self.add(format_args!(" proxy {address}/{prefix}"));
                }
                self.add(if *recursive { " recursive" } else { "" });
                self.inside(|printer| {
                    for Network { address, prefix, value } in rows {
                        printer.line(&format!("{address}/{prefix} => \"{value}\""));
                    }
                    printer.line(&format!("else => \"{default}\""));
                });
            }
            VarKind::Split { key, buckets } => {
                self.add(" split ");
                self.template(key);
                self.inside(|printer| {
                    for Bucket { below, value } in buckets {
                        match below {
                            Some(limit) => printer.line(&format!("below {limit} => \"{value}\"")),
                            None => printer.line(&format!("else => \"{value}\"")),
                        }
                    }
                });
            }
        }
    }
}
