//! `server` in an `upstream` block.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_upstream_module.html#server>

use std::time::Duration;

use super::super::{
    super::{
        tree::{Directive, Word},
        values,
    },
    Cx,
    address::{self, Tail},
    parameter::{self, named},
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Balance, Endpoint, Role, Text},
};

/// How long failures count where nothing else is said.
pub(super) const FAIL_TIMEOUT: Duration = Duration::from_secs(10);

/// The port of a server that has none, whatever is spoken to it.
const PORT: u16 = 80;

/// `server address [parameter...];` `None` after a report. `method` is the load balancing method above it.
pub(super) fn endpoint(cx: &mut Cx, directive: &Directive, method: Option<&Balance>) -> Option<Endpoint> {
    let (word, parameters) = directive.args.split_first()?;
    let address = match address::address(&word.value, Tail::Refused) {
        Ok(address) => address,
        Err(why) => {
            let message = format!("{why} in the address of a server");
            let mut found = Diagnostic::error("invalid-address", word.span, message);
            if word.value.starts_with(b"http://") || word.value.starts_with(b"https://") {
                found = found.because("a scheme stands in `proxy_pass`, not here");
            }
            cx.report(found);
            return None;
        }
    };
    let mut endpoint = Endpoint {
        address: address.authority.into(),
        default_port: PORT,
        weight: 1,
        max_connections: 0,
        max_fails: 1,
        fail_timeout: FAIL_TIMEOUT,
        role: Role::Active,
        resolve: false,
        service: None,
        slow_start: Duration::ZERO,
        draining: false,
        route: Text::new(),
        member: None,
        span: directive.head(),
    };
    for word in parameters {
        parameter(cx, &mut endpoint, word, method)?;
    }
    if let Some(service) = endpoint.service.take() {
        endpoint.service = Some(named_service(cx, &service, &address, &endpoint, word)?);
    }
    if endpoint.resolve && (address.unix || is_ip(address.host)) {
        // There is nothing to look up.
        endpoint.resolve = false;
    }
    Some(endpoint)
}

/// The name of the records of a service: with dots it stands before the server's, else it is the name of one over TCP.
///
/// Reference: <https://nginx.org/r/server>; the faults are those that nginx 1.27.3 tells.
fn named_service(
    cx: &mut Cx,
    service: &Text,
    address: &address::Address,
    endpoint: &Endpoint,
    word: &Word,
) -> Option<Text> {
    let fault = if service.is_empty() {
        "the service has no name"
    } else if address.unix || is_ip(address.host) {
        "a service needs the name of a domain"
    } else if address.port.is_some() {
        "a server with a service may not have a port: its records say it"
    } else if !endpoint.resolve {
        "a service needs the parameter `resolve`"
    } else {
        let name = if service.contains(&b'.') {
            [service, &b"."[..], address.host].concat()
        } else {
            [b"_", &service[..], b"._tcp.", address.host].concat()
        };
        return Some(Text(name));
    };
    cx.error("invalid-service", word.span, fault);
    None
}

fn parameter(cx: &mut Cx, endpoint: &mut Endpoint, word: &Word, method: Option<&Balance>) -> Option<()> {
    match word.value.as_slice() {
        b"backup" => {
            if method.is_some_and(|method| !method.knows_backups()) {
                return unsupported(cx, word, "the load balancing method does not know backups");
            }
            // `down` is the stronger word: such a server is not even a backup in use.
            if endpoint.role != Role::Down {
                endpoint.role = Role::Backup;
            }
        }
        b"down" => endpoint.role = Role::Down,
        b"resolve" => endpoint.resolve = true,
        b"drain" => endpoint.draining = true,
        _ if named(word, "weight").is_some() => endpoint.weight = positive(cx, word, "weight")?,
        _ if named(word, "max_fails").is_some() => endpoint.max_fails = number(cx, word, "max_fails")?,
        _ if named(word, "max_conns").is_some() => endpoint.max_connections = number(cx, word, "max_conns")?,
        _ if named(word, "fail_timeout").is_some() => {
            endpoint.fail_timeout = values::seconds(named(word, "fail_timeout")?).ok()?;
        }
        _ if named(word, "slow_start").is_some() => {
            if method.is_some_and(|method| !method.knows_backups()) {
                return unsupported(cx, word, "the load balancing method does not know shares that grow");
            }
            endpoint.slow_start = values::seconds(named(word, "slow_start")?).ok()?;
        }
        _ if named(word, "route").is_some() => {
            endpoint.route = Text::from(named(word, "route")?);
        }
        _ if named(word, "service").is_some() => {
            endpoint.service = Some(Text::from(named(word, "service")?));
        }
        // The check speaks of it.
        _ => {}
    }
    Some(())
}

fn unsupported(cx: &mut Cx, word: &Word, why: &str) -> Option<()> {
    let message = format!("the parameter `{}` is not honoured", word.text());
    cx.refuse(Diagnostic::error("refused-parameter", word.span, message).because(why));
    None
}

/// A number; of one that is none the check speaks.
fn number(_: &Cx, word: &Word, name: &str) -> Option<u32> {
    let number = values::number(named(word, name)?).ok()?;
    Some(u32::try_from(number).unwrap_or(u32::MAX))
}

fn positive(cx: &mut Cx, word: &Word, name: &str) -> Option<u32> {
    let number = number(cx, word, name)?;
    if number == 0 {
        parameter::invalid_value(cx, word, "it must be more than zero; `down` takes a server out");
        return None;
    }
    Some(number)
}

fn is_ip(host: &[u8]) -> bool {
    let host = host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")).unwrap_or(host);
    std::str::from_utf8(host).is_ok_and(|host| host.parse::<std::net::IpAddr>().is_ok())
}
