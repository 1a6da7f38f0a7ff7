//! Whose address is the client's: `mod_remoteip`.
//!
//! Observed on 2.4.71: a virtual host that names any proxy has none of the main server's; without any name every
//! client is believed, as a proxy outside. What the PROXY protocol's header says comes before the field. It is a
//! matter of the address listened on: the last server of an address that says `On` or `Off` decides for all of them.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/mod_remoteip.html>

use std::net::IpAddr;

use super::{
    super::tree::{Directive, Word},
    Cx, Lower, Section, access,
    host::Host,
    walk::Steps,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        AddressRange, Name, Step,
        settings::{Telling, TrustedProxy},
    },
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("RemoteIPHeader", header),
    ("RemoteIPInternalProxy", proxies),
    ("RemoteIPInternalProxyList", list),
    ("RemoteIPProxiesHeader", proxies_header),
    ("RemoteIPProxyProtocol", announced),
    ("RemoteIPProxyProtocolExceptions", exceptions),
    ("RemoteIPTrustedProxy", proxies),
    ("RemoteIPTrustedProxyList", list),
];

/// What is remembered of a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Own {
    header: Option<Name>,
    passed: Option<Name>,
    trusted: Vec<TrustedProxy>,
    announced: Option<bool>,
    exceptions: Vec<AddressRange>,
}

/// `RemoteIPHeader field`
fn header(_: &mut Cx, section: &mut Section, directive: &Directive) {
    if let [word] = directive.args.as_slice() {
        section.own.remoteip.header = Some(word.value.as_slice().into());
    }
}

/// `RemoteIPProxiesHeader field`
fn proxies_header(_: &mut Cx, section: &mut Section, directive: &Directive) {
    if let [word] = directive.args.as_slice() {
        section.own.remoteip.passed = Some(word.value.as_slice().into());
    }
}

/// `RemoteIPInternalProxy address ...`, `RemoteIPTrustedProxy address ...`
fn proxies(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let inside = directive.name() == "RemoteIPInternalProxy";
    for word in &directive.args {
        let ranges = ranges(cx, word, &word.text());
        section.own.remoteip.trusted.extend(ranges.into_iter().map(|range| TrustedProxy { range, inside }));
    }
}

/// `RemoteIPInternalProxyList file`, `RemoteIPTrustedProxyList file`: words, up to a `#` in a line.
fn list(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let inside = directive.name() == "RemoteIPInternalProxyList";
    let path = cx.path(&word.value);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("cannot read {}: {error}", path.display());
            return cx.missing("unreadable-file", word.span, message);
        }
    };
    for line in text.lines() {
        for name in line.split('#').next().unwrap_or_default().split_ascii_whitespace() {
            let ranges = ranges(cx, word, name);
            section
                .own
                .remoteip
                .trusted
                .extend(ranges.into_iter().map(|range| TrustedProxy { range, inside }));
        }
    }
}

/// An address, a network or the addresses of a name.
fn ranges(cx: &mut Cx, word: &Word, text: &str) -> Vec<AddressRange> {
    if let Some((ip, bits)) = access::network(text) {
        return vec![AddressRange::Network(ip, bits)];
    }
    let found =
        if cx.options.offline { None } else { std::net::ToSocketAddrs::to_socket_addrs(&(text, 0)).ok() };
    let whole = |ip: IpAddr| AddressRange::Network(ip, if ip.is_ipv4() { 32 } else { 128 });
    let mut ranges: Vec<_> = found.into_iter().flatten().map(|found| whole(found.ip())).collect();
    ranges.dedup();
    if ranges.is_empty() {
        let message = format!("`{text}` is neither an address nor a name that is known");
        cx.missing("invalid-address", word.span, message);
    }
    ranges
}

/// `RemoteIPProxyProtocol On|Off`
fn announced(_: &mut Cx, section: &mut Section, directive: &Directive) {
    if let [word] = directive.args.as_slice() {
        section.own.remoteip.announced = Some(word.is("on"));
    }
}

/// `RemoteIPProxyProtocolExceptions address ...`
fn exceptions(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    for word in &directive.args {
        match access::network(&word.text()) {
            Some((ip, bits)) => section.own.remoteip.exceptions.push(AddressRange::Network(ip, bits)),
            None => {
                let message = format!("RemoteIPProxyProtocolExceptions: `{}` is no address", word.text());
                cx.report(Diagnostic::error("invalid-address", word.span, message));
            }
        }
    }
}

/// A virtual host has what it does not say itself from the main server.
pub(super) fn join(_: &mut Cx, main: &Section, host: &mut Section) {
    let (main, own) = (&main.own.remoteip, &mut host.own.remoteip);
    own.header = own.header.take().or_else(|| main.header.clone());
    own.passed = own.passed.take().or_else(|| main.passed.clone());
    if own.trusted.is_empty() {
        own.trusted.clone_from(&main.trusted);
    }
    own.exceptions.extend(&main.exceptions);
}

/// Makes settings of what was read, where any address is announced or told in a field.
pub(super) fn finish(cx: &mut Cx, hosts: &mut [Host]) {
    let announces = hosts.iter().any(|host| host.section.own.remoteip.announced == Some(true));
    for host in hosts {
        let section = &mut host.section;
        let own = section.own.remoteip.clone();
        if own.header.is_none() && !announces {
            continue;
        }
        let set = &mut section.set.client_address;
        set.told = Some(own.header.map_or(Telling::Nowhere, Telling::Field));
        set.announcement_first = Some(true);
        set.trusts_all = Some(true);
        set.chained = Some(true);
        set.only_public = Some(true);
        set.consumed = Some(true);
        set.passed = Some(own.passed);
        set.passed_into = Some(Some(cx.note(b"remoteip-proxy-ip-list")));
        set.trusted = Some(own.trusted);
    }
}

/// What comes first in the program of a host.
pub(super) fn identify(host: &Section) -> Steps {
    let told = host.set.client_address.told.is_some();
    told.then_some((Step::Identify, host.span)).into_iter().collect()
}

/// Which listeners begin with a header, once they are known.
pub(super) fn attach(cx: &mut Cx, hosts: &[Host]) {
    for listener in &mut cx.config.listeners {
        let of = |at: usize| hosts.get(at).map(|host| &host.section.own.remoteip);
        let says = |at: usize| of(at).and_then(|own| own.announced);
        let on = listener.hosts.iter().filter_map(|host| says(host.0 as usize)).next_back();
        if on.or_else(|| says(0)) == Some(true) {
            let default = of(listener.default.0 as usize);
            listener.announced = Some(default.map(|own| own.exceptions.clone()).unwrap_or_default());
        }
    }
}
