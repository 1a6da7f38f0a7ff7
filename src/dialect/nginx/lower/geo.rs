//! `geo`: a variable by the network of an address.
//!
//! Observed on nginx 1.22.1: values have no variables; of equal networks the
//! later counts; a range may lie in an earlier one and takes its place there,
//! but may not overlap one otherwise.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_geo_module.html>

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use super::{
    super::tree::{Directive, Word, directives},
    Cx, Level, Lower,
    address::first_of,
    rewrite::variable_name,
    text,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Attr, Network, Template, Text, Var, VarKind},
};

/// What stands in a `geo` block.
#[derive(Default)]
struct Geo {
    networks: BTreeMap<(IpAddr, u8), Text>,
    /// Disjoint ranges of IPv4 addresses: first, to last and value.
    ranges: BTreeMap<u32, (u32, Text)>,
    by_range: bool,
    default: Option<Text>,
    proxies: Vec<(IpAddr, u8)>,
    recursive: bool,
}

/// `geo [$address] $variable { … }`
fn geo(cx: &mut Cx, _: &mut Level, directive: &Directive) {
    let (address, variable) = match directive.args.as_slice() {
        [variable] => (None, variable),
        [address, variable] => (Some(address), variable),
        _ => return,
    };
    let key = match address {
        None => Some(Template::attr(Attr::ClientAddr)),
        Some(word) => variable_name(cx, word)
            .and_then(|name| cx.variable(name, word.span))
            .map(|part| Template(vec![part])),
    };
    let Some(name) = variable_name(cx, variable) else { return };
    let Some(var) = cx.define(name, variable.span) else { return };
    let mut geo = Geo::default();
    for row in directives(directive.block()) {
        geo.row(cx, row);
    }
    let Some(key) = key else { return };
    let kind = VarKind::Network {
        key,
        rows: geo.rows(),
        default: geo.default.clone().unwrap_or_default(),
        proxies: geo.proxies,
        recursive: geo.recursive,
    };
    if let Some(known) = cx.config.vars.get_mut(var.0 as usize) {
        *known = Var { name: name.to_ascii_lowercase().into(), kind, span: directive.head() };
    }
}

impl Geo {
    fn row(&mut self, cx: &mut Cx, row: &Directive) {
        let [value] = row.args.as_slice() else {
            match row.name.value.as_slice() {
                b"ranges" if row.args.is_empty() => {
                    if self.networks.is_empty() {
                        self.by_range = true;
                    } else {
                        cx.error(
                            "misplaced-ranges",
                            row.name.span,
                            "`ranges` must come first in a `geo` block",
                        );
                    }
                }
                b"proxy_recursive" if row.args.is_empty() => self.recursive = true,
                _ => cx.error("invalid-row", row.head(), "a row of `geo` is a network and a value"),
            }
            return;
        };
        match row.name.value.as_slice() {
            b"default" => {
                if let Some(old) = self.default.replace(text(value)) {
                    duplicate(cx, &row.name, &old, value);
                }
            }
            b"proxy" => {
                if let Some(network) = network(cx, value) {
                    self.proxies.push(network);
                }
            }
            b"delete" => self.delete(cx, value),
            _ if self.by_range => self.range(cx, &row.name, value),
            _ => {
                if let Some(network) = network(cx, &row.name)
                    && let Some(old) = self.networks.insert(network, text(value))
                {
                    duplicate(cx, &row.name, &old, value);
                }
            }
        }
    }

    fn delete(&mut self, cx: &mut Cx, word: &Word) {
        let gone = if self.by_range {
            let Some((first, last)) = range(cx, word) else { return };
            let same = self.ranges.get(&first).is_some_and(|(end, _)| *end == last);
            if same { self.ranges.remove(&first).is_some() } else { false }
        } else {
            let Some(network) = network(cx, word) else { return };
            self.networks.remove(&network).is_some()
        };
        if !gone {
            let message = format!("there is no `{}` to delete", word.text());
            cx.warn("nothing-to-delete", word.span, message);
        }
    }

    /// Adds a range; it may take the place of a part of an earlier one.
    fn range(&mut self, cx: &mut Cx, word: &Word, value: &Word) {
        let Some((first, last)) = range(cx, word) else { return };
        let around = self.ranges.range(..=first).next_back().filter(|(_, (end, _))| *end >= first);
        let Some((&start, (end, old))) = around.map(|(start, old)| (start, old.clone())) else {
            if let Some((start, (end, _))) = self.ranges.range(first..=last).next() {
                let (start, end) = (Ipv4Addr::from_bits(*start), Ipv4Addr::from_bits(*end));
                let message = format!("range `{}` overlaps `{start}-{end}`", word.text());
                cx.error("overlapping-range", word.span, message);
                return;
            }
            self.ranges.insert(first, (last, text(value)));
            return;
        };
        if last > end {
            let (start, end) = (Ipv4Addr::from_bits(start), Ipv4Addr::from_bits(end));
            let message = format!("range `{}` overlaps `{start}-{end}`", word.text());
            cx.error("overlapping-range", word.span, message);
            return;
        }
        duplicate(cx, word, &old, value);
        if start < first {
            self.ranges.insert(start, (first - 1, old.clone()));
        }
        if last < end {
            self.ranges.insert(last + 1, (end, old));
        }
        self.ranges.insert(first, (last, text(value)));
    }

    /// The networks, those of ranges in order.
    fn rows(&self) -> Vec<Network> {
        let network =
            |(address, prefix): (IpAddr, u8), value: &Text| Network { address, prefix, value: value.clone() };
        let mut rows: Vec<Network> = self.networks.iter().map(|(&key, value)| network(key, value)).collect();
        for (&first, (last, value)) in &self.ranges {
            rows.extend(networks(first, *last).into_iter().map(|key| network(key, value)));
        }
        rows
    }
}

fn duplicate(cx: &mut Cx, word: &Word, old: &Text, value: &Word) {
    let message = format!("`{}` has the value `{old}` already; `{}` replaces it", word.text(), value.text());
    cx.warn("duplicate-network", word.span, message);
}

/// A network, with its meaningless bits cleared.
fn network(cx: &mut Cx, word: &Word) -> Option<(IpAddr, u8)> {
    let Some((address, prefix)) = parse_network(&word.value) else {
        let message = format!("invalid network `{}`", word.text());
        cx.report(
            Diagnostic::error("invalid-network", word.span, message)
                .help("as in `192.168.0.0/16` or `2001:db8::/32`"),
        );
        return None;
    };
    let network = first_of(address, prefix);
    if network != address {
        let message = format!("the low address bits of `{}` have no meaning", word.text());
        cx.report(
            Diagnostic::warning("low-address-bits", word.span, message)
                .help(format!("write `{network}/{prefix}`")),
        );
    }
    Some((network, prefix))
}

fn parse_network(word: &[u8]) -> Option<(IpAddr, u8)> {
    let text = std::str::from_utf8(word).ok()?;
    let (address, prefix) =
        text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let address: IpAddr = address.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        None => width,
        Some(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().ok()?
        }
        Some(_) => return None,
    };
    (prefix <= width).then_some((address, prefix))
}

/// `first-last`
fn range(cx: &mut Cx, word: &Word) -> Option<(u32, u32)> {
    let parse = || {
        let (first, last) = std::str::from_utf8(&word.value).ok()?.split_once('-')?;
        let (first, last): (Ipv4Addr, Ipv4Addr) = (first.parse().ok()?, last.parse().ok()?);
        (first <= last).then_some((first.to_bits(), last.to_bits()))
    };
    let range = parse();
    if range.is_none() {
        let message = format!("invalid range `{}`", word.text());
        cx.report(
            Diagnostic::error("invalid-range", word.span, message).help("as in `192.168.0.0-192.168.0.255`"),
        );
    }
    range
}

/// The fewest networks that make up a range of addresses.
fn networks(first: u32, last: u32) -> Vec<(IpAddr, u8)> {
    let mut networks = Vec::new();
    let mut first = u64::from(first);
    let end = u64::from(last) + 1;
    while first < end {
        let aligned = if first == 0 { 32 } else { first.trailing_zeros().min(32) };
        let fits = (end - first).ilog2();
        let bits = aligned.min(fits);
        let address = Ipv4Addr::from_bits(first as u32);
        networks.push((IpAddr::V4(address), (32 - bits) as u8));
        first += 1 << bits;
    }
    networks
}

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("geo", geo)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_become_networks() {
        let table: &[(&str, &str, &str)] = &[
            ("0.0.0.0", "255.255.255.255", "0.0.0.0/0"),
            ("10.0.0.0", "10.0.0.255", "10.0.0.0/24"),
            ("10.0.0.1", "10.0.0.1", "10.0.0.1/32"),
            ("10.0.0.1", "10.0.0.4", "10.0.0.1/32 10.0.0.2/31 10.0.0.4/32"),
            ("255.255.255.254", "255.255.255.255", "255.255.255.254/31"),
        ];
        for (first, last, expected) in table {
            let (first, last): (Ipv4Addr, Ipv4Addr) = (first.parse().unwrap(), last.parse().unwrap());
            let found: Vec<String> = networks(first.to_bits(), last.to_bits())
                .iter()
                .map(|(address, prefix)| format!("{address}/{prefix}"))
                .collect();
            assert_eq!(found.join(" "), *expected);
        }
    }
}
