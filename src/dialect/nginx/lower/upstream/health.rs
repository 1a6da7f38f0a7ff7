//! `health_check` and `match`: looking at the servers of an upstream without requests.
//!
//! There is no commercial nginx here to look at; what follows is what nginx.org says of it.
//!
//! * `health_check` in a location looks at the servers of the upstream that its `proxy_pass` names, which has to have a
//!   `zone`: every 5 seconds (`interval`), up to `jitter` later, `GET` of `/` (`uri`), at another `port` where one is
//!   written. After one look in a row (`fails`) that found a server ill it is not used, after one (`passes`) that found
//!   it well it is again. Of several checks each counts.
//! * Well is a status of 2xx or 3xx, or what the block that `match` names asks for: all of `status` (codes and ranges),
//!   `header` (there or not, `=`, `!=`, `~`, `!~`), `body` (`~`, `!~`; of its first 256k).
//! * `mandatory`: a server is not used before it was found well; with `persistent` it is where it was so before a reload.
//!
//! * `require` of a `match`: its variables are neither empty nor `0`. They are those of the look: `$upstream_status`,
//!   `$upstream_http_*`, `$request_method`, and what a `map` makes of them; what only a client's request has is empty.
//! * `type=grpc` asks for the health of the server, or of `grpc_service`, by gRPC's health checking protocol; well is who
//!   answers that it is served, or with the status `grpc_status`. It comes last, but for those two, and goes with neither
//!   `uri` nor `match`.
//!
//! Reference: <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_upstream_hc_module.html>

use std::{collections::HashMap, time::Duration};

use super::super::{
    super::{
        tree::{Directive, Word, directives},
        values,
    },
    Cx, Level,
    parameter::{self, named},
    regex, template, text,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Check, ClusterId, Expectation, Forward, Handler, Name, Pattern, Protocol, Text, Upstream, Watch},
    source::Span,
};

/// A `health_check` of a level.
#[derive(Debug)]
pub(in super::super) struct Asked {
    watch: Watch,
    wanted: Option<(Text, Span)>,
}

/// What is known of checks until everything is read.
#[derive(Debug, Default)]
pub(in super::super) struct Known {
    matches: HashMap<Vec<u8>, Vec<Expectation>>,
    asked: Vec<(ClusterId, Asked)>,
}

/// `health_check [parameter...];`
pub(super) fn health_check(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let check = Check {
        method: Some("GET".into()),
        modern: false,
        target: "/".into(),
        interval: Duration::from_secs(5),
        passes: 1,
        fails: 1,
        good: None,
        content: None,
        timeout: Duration::ZERO,
        statuses: vec![(200, 399)],
        contains: Text::new(),
    };
    let mut watch = Watch {
        check,
        jitter: Duration::ZERO,
        port: None,
        tls: false,
        mandatory: false,
        persistent: false,
        service: None,
        settings: crate::ir::settings::Forwarding::default(),
        expects: Vec::new(),
        span: directive.head(),
    };
    let (mut wanted, mut uri) = (None, None);
    for (at, word) in directive.args.iter().enumerate() {
        if named(word, "type").is_some() {
            if let Some(word) = uri {
                parameter::invalid(cx, word, "it does not go with `type=grpc`");
                return;
            }
            if grpc(cx, &mut watch, &directive.args[at..]).is_none() {
                return;
            }
            break;
        }
        if named(word, "uri").or(named(word, "match")).is_some() {
            uri = Some(word);
        }
        match word.value.as_slice() {
            b"mandatory" => watch.mandatory = true,
            b"persistent" => watch.persistent = true,
            _ if named(word, "match").is_some() => {
                wanted = named(word, "match").map(|name| (Text::from(name), word.span));
            }
            _ => {
                if parameter(cx, &mut watch, word).is_none() {
                    return;
                }
            }
        }
    }
    level.own.checks.push(Asked { watch, wanted });
}

fn parameter(cx: &mut Cx, watch: &mut Watch, word: &Word) -> Option<()> {
    let number = |cx: &mut Cx, name: &str| {
        let number = parameter::parsed(cx, word, name, values::number)?;
        Some(u32::try_from(number).unwrap_or(u32::MAX))
    };
    let check = &mut watch.check;
    if named(word, "interval").is_some() {
        check.interval = parameter::parsed(cx, word, "interval", values::time)?;
        if check.interval.is_zero() {
            parameter::invalid_value(cx, word, "it must be more than nothing");
            return None;
        }
    } else if named(word, "jitter").is_some() {
        watch.jitter = parameter::parsed(cx, word, "jitter", values::time)?;
    } else if named(word, "fails").is_some() {
        check.fails = number(cx, "fails")?.max(1);
    } else if named(word, "passes").is_some() {
        check.passes = number(cx, "passes")?.max(1);
    } else if named(word, "keepalive_time").is_some() {
        // Each look has a connection of its own.
        parameter::parsed(cx, word, "keepalive_time", values::time)?;
    } else if let Some(uri) = named(word, "uri") {
        if !uri.starts_with(b"/")
            || uri.iter().any(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control())
        {
            parameter::invalid_value(cx, word, "it must begin with `/`");
            return None;
        }
        check.target = Text::from(uri);
    } else if named(word, "port").is_some() {
        let port = number(cx, "port")?;
        let Some(port) = u16::try_from(port).ok().filter(|port| *port > 0) else {
            parameter::invalid_value(cx, word, "not a port");
            return None;
        };
        watch.port = Some(port);
    } else {
        parameter::invalid(cx, word, "see https://nginx.org/r/health_check");
        return None;
    }
    Some(())
}

/// `type=grpc [grpc_service=name] [grpc_status=code]`, which end the parameters.
fn grpc(cx: &mut Cx, watch: &mut Watch, words: &[Word]) -> Option<()> {
    let (kind, rest) = words.split_first()?;
    if named(kind, "type") != Some(b"grpc") {
        parameter::invalid_value(cx, kind, "expected `grpc`");
        return None;
    }
    let (mut service, mut status) = (Text::new(), None);
    for word in rest {
        if let Some(name) = named(word, "grpc_service") {
            service = Text::from(name);
        } else if named(word, "grpc_status").is_some() {
            let code = parameter::parsed(cx, word, "grpc_status", values::number)?;
            status = Some(u32::try_from(code).unwrap_or(u32::MAX));
        } else {
            parameter::invalid(cx, word, "after `type=grpc` only `grpc_service` and `grpc_status` may stand");
            return None;
        }
    }
    watch.check.method = Some("POST".into());
    watch.check.target = "/grpc.health.v1.Health/Check".into();
    watch.service = Some(service);
    watch.expects = vec![Expectation::Served(status)];
    Some(())
}

/// Finds whom a level's checks look at.
pub(in super::super) fn settle(cx: &mut Cx, level: &mut Level) {
    for mut asked in std::mem::take(&mut level.own.checks) {
        let span = asked.watch.span;
        let Some(Handler::Forward(Forward {
            protocol: protocol @ (Protocol::Http | Protocol::Grpc),
            tls,
            to: Upstream::Cluster(id),
            ..
        })) = &level.set.handler
        else {
            let message = "`health_check` needs a `proxy_pass` or `grpc_pass` to an upstream beside it";
            cx.error("health-check-of-nobody", span, message);
            continue;
        };
        let cluster = cx.config.cluster(*id);
        if !cluster.declared || !cluster.shared {
            let name = cluster.name.lossy().into_owned();
            let message = format!("`health_check` needs a `zone` in upstream `{name}`");
            let found = Diagnostic::error("health-check-without-zone", span, message);
            cx.report(found.help(format!("zone {name} 64k;")));
            continue;
        }
        asked.watch.tls = *tls;
        let of: &crate::ir::settings::Forwarding =
            if *protocol == Protocol::Grpc { &level.set.grpc } else { &level.set.http };
        asked.watch.settings = crate::ir::settings::Forwarding {
            version: asked.watch.service.as_ref().map(|_| 20),
            connect_timeout: of.connect_timeout,
            read_timeout: of.read_timeout,
            tls_verify: of.tls_verify,
            tls_name: of.tls_name.clone().filter(|name| name.as_text().is_some()),
            tls_server_name: of.tls_server_name,
            tls_trusted: of.tls_trusted.clone(),
            ..crate::ir::settings::Forwarding::default()
        };
        let id = *id;
        cx.health.asked.push((id, asked));
    }
}

/// Gives each check what its answers have to be.
pub(in super::super) fn finish(cx: &mut Cx) {
    let Known { matches, asked } = std::mem::take(&mut cx.health);
    for (id, Asked { mut watch, wanted }) in asked {
        if let Some((name, span)) = wanted {
            let Some(expects) = matches.get(name.as_ref() as &[u8]) else {
                let message = format!("no `match` block is named `{name}`");
                cx.missing("unknown-match", span, message);
                continue;
            };
            watch.expects.clone_from(expects);
        }
        if let Some(cluster) = cx.config.clusters.get_mut(id.0 as usize) {
            cluster.watches.push(watch);
        }
    }
}

/// `match name { ... }`
pub(super) fn matches(cx: &mut Cx, _: &mut Level, directive: &Directive) {
    let Some(name) = directive.args.first() else { return };
    let mut expects = Vec::new();
    for row in directives(directive.block()) {
        if row.name() == "require" {
            if row.args.is_empty() {
                cx.error("invalid-row", row.head(), "`require` names variables");
            }
            for word in &row.args {
                if !word.value.starts_with(b"$") {
                    parameter::invalid(cx, word, "a variable begins with `$`");
                    continue;
                }
                let value = template(cx, word);
                expects.push(Expectation::Holds(value));
            }
            continue;
        }
        let expected = match row.name() {
            "status" => status(cx, row),
            "header" => header(cx, row),
            "body" => body(cx, row),
            _ => {
                parameter::invalid(cx, &row.name, "expected `status`, `header`, `body` or `require`");
                None
            }
        };
        expects.extend(expected);
    }
    if cx.health.matches.insert(name.value.clone(), expects).is_some() {
        let message = format!("duplicate `match` `{}`", name.text());
        cx.error("duplicate-directive", directive.head(), message);
    }
}

/// `status [!] code|from-to...;`
fn status(cx: &mut Cx, row: &Directive) -> Option<Expectation> {
    let (opposite, codes) = match row.args.split_first() {
        Some((first, rest)) if first.is("!") => (true, rest),
        _ => (false, row.args.as_slice()),
    };
    let code = |text: &[u8]| {
        let code = values::number(text).ok().filter(|code| (100..=599).contains(code));
        code.and_then(|code| u16::try_from(code).ok())
    };
    let mut ranges = Vec::new();
    for word in codes {
        let range = match memchr::memchr(b'-', &word.value) {
            Some(at) => code(&word.value[..at]).zip(code(&word.value[at + 1..])),
            None => code(&word.value).map(|code| (code, code)),
        };
        let Some(range) = range else {
            parameter::invalid(cx, word, "a status, or two with `-` between them");
            return None;
        };
        ranges.push(range);
    }
    Some(Expectation::Status(ranges, opposite))
}

/// `header name;`, `header ! name;`, `header name =|!=|~|!~ value;`
fn header(cx: &mut Cx, row: &Directive) -> Option<Expectation> {
    match row.args.as_slice() {
        [name] => Some(Expectation::Field(field(name), false)),
        [not, name] if not.is("!") => Some(Expectation::Field(field(name), true)),
        [name, operator, value] => {
            let (pattern, opposite) = match operator.value.as_slice() {
                b"=" => (Pattern::exact(text(value)), false),
                b"!=" => (Pattern::exact(text(value)), true),
                b"~" => (regex(cx, value, 0, false), false),
                b"!~" => (regex(cx, value, 0, false), true),
                _ => {
                    parameter::invalid(cx, operator, "expected `=`, `!=`, `~` or `!~`");
                    return None;
                }
            };
            Some(Expectation::Value(field(name), pattern, opposite))
        }
        _ => {
            cx.error("invalid-row", row.head(), "a `header` has a name, and perhaps an operator and a value");
            None
        }
    }
}

fn field(word: &Word) -> Name {
    Name::from(word.value.as_slice())
}

/// `body ~|!~ pattern;`
fn body(cx: &mut Cx, row: &Directive) -> Option<Expectation> {
    let [operator, value] = row.args.as_slice() else {
        cx.error("invalid-row", row.head(), "a `body` has an operator and a pattern");
        return None;
    };
    let opposite = match operator.value.as_slice() {
        b"~" => false,
        b"!~" => true,
        _ => {
            parameter::invalid(cx, operator, "expected `~` or `!~`");
            return None;
        }
    };
    Some(Expectation::Content(regex(cx, value, 0, false), opposite))
}
