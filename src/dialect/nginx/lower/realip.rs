//! `set_real_ip_from`, `real_ip_header`, `real_ip_recursive`: whose address is the client's.
//!
//! Observed on nginx 1.22.1: what holds for the server counts before its rewrite program, what holds for the location
//! before access is checked, if the address is not known by then; lists are read from the end, may have ports, and
//! spaces separate as commas do.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_realip_module.html>

use std::net::ToSocketAddrs as _;

use super::{super::tree::Directive, Cx, Level, Lower, address, parameter};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        AddressRange, Name,
        settings::{Telling, TrustedProxy},
    },
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] =
    &[("real_ip_header", header), ("real_ip_recursive", recursive), ("set_real_ip_from", from)];

/// `set_real_ip_from address|CIDR|unix:|name;` The first at a level drops those of the outer levels.
fn from(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let ranges: Vec<AddressRange> = if let Some((range, low_bits)) =
        address::range(&word.value).filter(|_| !word.is("all"))
    {
        if low_bits {
            let message = format!("the low bits of `{}` count for nothing", word.text());
            cx.report(
                Diagnostic::warning("low-address-bits", word.span, message)
                    .because("set beyond the length of the network"),
            );
        }
        vec![range]
    } else {
        let name = word.text();
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if !word.value.iter().all(|byte| is_name(*byte)) || word.value.is_empty() {
            return parameter::invalid(cx, word, "neither an address, nor a network, nor `unix:` or a name");
        }
        let found = if cx.options.offline { None } else { (&*name, 0).to_socket_addrs().ok() };
        let Some(found) = found else {
            let message = format!("host not found in set_real_ip_from `{name}`");
            return cx.missing("host-not-found", word.span, message);
        };
        let of = |ip: std::net::IpAddr| AddressRange::Network(ip, if ip.is_ipv4() { 32 } else { 128 });
        found.map(|found| of(found.ip())).collect()
    };
    cx.identifies = true;
    let settings = &mut level.set.client_address;
    let trusted = settings.trusted.get_or_insert_default();
    trusted.extend(ranges.into_iter().map(|range| TrustedProxy { range, inside: true }));
}

/// `real_ip_header field|X-Real-IP|X-Forwarded-For|proxy_protocol;`
fn header(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    level.set.client_address.told = Some(if word.is("proxy_protocol") {
        Telling::Announcement
    } else {
        Telling::Field(Name::from(word.value.as_slice()))
    });
}

/// `real_ip_recursive on|off;`
fn recursive(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    level.set.client_address.chained = Some(word.value.eq_ignore_ascii_case(b"on"));
}
