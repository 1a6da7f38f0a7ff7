//! Named values: tables, networks and shares, indexed.

use std::net::{IpAddr, Ipv4Addr};

use super::{names::Names, question::Question};
use crate::ir::{Bucket, Network, Register, Template, Text};

/// A named value, compiled.
#[derive(Debug)]
pub(super) enum VarPlan {
    /// Written by steps and named groups.
    Assigned {
        /// Whether only groups write it: then it is missing before, not empty.
        by_groups: bool,
    },
    /// The value of the first question with the answer yes.
    Choice {
        /// Questions and values.
        choices: Vec<(Question, Template)>,
        /// The value when all say no.
        default: Template,
    },
    /// Looked up.
    Table(Box<TableVar>),
    /// The most specific network.
    Network(Box<NetworkVar>),
    /// A share of the hash space.
    Split {
        /// What is hashed.
        key: Template,
        /// Limits and values.
        buckets: Vec<Bucket>,
    },
}

#[derive(Debug)]
pub(super) struct TableVar {
    pub(super) key: Template,
    pub(super) names: Names,
    pub(super) values: Vec<Template>,
    pub(super) default: Template,
    pub(super) once: bool,
    pub(super) into: Register,
    /// Whether reading it may overwrite the register.
    pub(super) clobbers: bool,
}

#[derive(Debug)]
pub(super) struct NetworkVar {
    pub(super) key: Template,
    /// First addresses of stretches that have one value, with that, sorted.
    v4: Vec<(u128, u32)>,
    v6: Vec<(u128, u32)>,
    values: Vec<Text>,
    pub(super) proxies: Vec<(IpAddr, u8)>,
    pub(super) recursive: bool,
}

impl NetworkVar {
    /// Indexes networks.
    pub(super) fn new(
        key: Template,
        rows: &[Network],
        default: &Text,
        proxies: &[(IpAddr, u8)],
        recursive: bool,
    ) -> Self {
        let values = rows.iter().map(|row| row.value.clone()).chain([default.clone()]).collect();
        let of = |v4: bool| {
            let family = rows.iter().enumerate().filter(|(_, row)| row.address.is_ipv4() == v4);
            stretches(family.map(|(at, row)| (row.address, row.prefix, at as u32)), v4, rows.len() as u32)
        };
        Self { key, v4: of(true), v6: of(false), values, proxies: proxies.to_vec(), recursive }
    }

    /// The value of an address.
    pub(super) fn find(&self, address: IpAddr) -> &[u8] {
        let address = address.to_canonical();
        let stretches = if address.is_ipv4() { &self.v4 } else { &self.v6 };
        let number = number(address);
        let at = stretches.partition_point(|(first, _)| *first <= number);
        // The first stretch begins at 0.
        stretches.get(at.wrapping_sub(1)).map_or(&[], |(_, value)| &self.values[*value as usize])
    }

    /// The address that trusted proxies forwarded for, found in a list from its end.
    pub(super) fn forwarded(&self, mut address: IpAddr, mut list: &[u8]) -> IpAddr {
        while self.proxies.iter().any(|(network, prefix)| contains(*network, *prefix, address)) {
            let end = list.iter().rposition(|byte| !matches!(byte, b' ' | b',')).map_or(0, |last| last + 1);
            let start =
                list[..end].iter().rposition(|byte| matches!(byte, b' ' | b',')).map_or(0, |at| at + 1);
            let Some(found) = address_with_port(&list[start..end]) else { break };
            address = found;
            if !self.recursive || start == 0 {
                break;
            }
            list = &list[..start - 1];
        }
        address
    }
}

/// The address of a text; what is none stands for 255.255.255.255.
pub(super) fn address(text: &[u8]) -> IpAddr {
    parse(text).unwrap_or(IpAddr::V4(Ipv4Addr::BROADCAST))
}

fn parse(text: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `10.0.0.1`, `10.0.0.1:80`, `::1`, `[::1]`, `[::1]:80`.
fn address_with_port(text: &[u8]) -> Option<IpAddr> {
    if let Some(inner) = text.strip_prefix(b"[") {
        return parse(&inner[..memchr::memchr(b']', inner)?]);
    }
    parse(text).or_else(|| parse(&text[..memchr::memrchr(b':', text)?]))
}

/// Whether a network holds an address.
pub fn contains(network: IpAddr, prefix: u8, address: IpAddr) -> bool {
    let (network, address) = (network.to_canonical(), address.to_canonical());
    if network.is_ipv4() != address.is_ipv4() {
        return false;
    }
    let width = width(network.is_ipv4());
    let shift = width.saturating_sub(u32::from(prefix));
    let start = |address| number(address).checked_shr(shift).unwrap_or(0);
    start(network) == start(address)
}

fn width(v4: bool) -> u32 {
    if v4 { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Cuts nested networks into stretches; of equal networks the last counts.
fn stretches(networks: impl Iterator<Item = (IpAddr, u8, u32)>, v4: bool, default: u32) -> Vec<(u128, u32)> {
    let last = if v4 { u128::from(u32::MAX) } else { u128::MAX };
    let ends = |(address, prefix, value): (IpAddr, u8, u32)| {
        let free = width(v4).saturating_sub(u32::from(prefix));
        let mask = 1u128.checked_shl(free).map_or(u128::MAX, |size| size - 1);
        (number(address) & !mask, number(address) | mask, value)
    };
    let mut networks: Vec<_> = networks.map(ends).collect();
    networks.sort_by_key(|(first, end, value)| (*first, std::cmp::Reverse(*end), *value));
    let mut cuts: Vec<(u128, u32)> = vec![(0, default)];
    let mut cut = |at: u128, value: u32| match cuts.last_mut() {
        Some(known) if known.0 == at => known.1 = value,
        Some(known) if known.1 == value => {}
        _ => cuts.push((at, value)),
    };
    // The networks that hold the place reached, outermost first.
    let mut around: Vec<(u128, u32)> = vec![(last, default)];
    for (first, end, value) in networks {
        while let Some(&(inner, _)) = around.last()
            && inner < first
        {
            around.pop();
            cut(inner + 1, around.last().map_or(default, |outer| outer.1));
        }
        cut(first, value);
        around.push((end, value));
    }
    while let Some((inner, _)) = around.pop() {
        if inner < last {
            cut(inner + 1, around.last().map_or(default, |outer| outer.1));
        }
    }
    cuts
}

/// The value of the first bucket whose limit is above the hash.
pub(super) fn share<'p>(buckets: &'p [Bucket], key: &[u8]) -> &'p [u8] {
    let hash = murmur2(key);
    let above = |bucket: &&Bucket| bucket.below.is_none_or(|limit| hash < limit);
    buckets.iter().find(above).map_or(&[], |bucket| &bucket.value)
}

/// `MurmurHash2`, seed 0, as its author published it.
fn murmur2(text: &[u8]) -> u32 {
    const FACTOR: u32 = 0x5bd1_e995;
    let mut hash = text.len() as u32;
    let (words, rest) = text.as_chunks::<4>();
    for word in words {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(FACTOR);
        word ^= word >> 24;
        hash = hash.wrapping_mul(FACTOR) ^ word.wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(FACTOR);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(FACTOR);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str, prefix: u8, value: &str) -> Network {
        Network { address: text.parse().unwrap(), prefix, value: value.into() }
    }

    #[test]
    fn the_longest_prefix_wins() {
        let rows = [
            network("10.0.0.0", 8, "a"),
            network("10.1.0.0", 16, "b"),
            network("10.1.2.0", 24, "c"),
            network("10.1.2.3", 32, "d"),
            network("255.255.255.255", 32, "last"),
            network("0.0.0.0", 2, "low"),
            network("2001:db8::", 32, "six"),
            network("ffff::", 16, "top"),
        ];
        let var = NetworkVar::new(Template::default(), &rows, &"none".into(), &[], false);
        for (text, value) in [
            ("10.0.0.1", "a"),
            ("10.1.0.1", "b"),
            ("10.1.2.2", "c"),
            ("10.1.2.3", "d"),
            ("10.1.2.4", "c"),
            ("10.1.3.0", "b"),
            ("10.2.0.0", "a"),
            ("11.0.0.0", "low"),
            ("64.0.0.0", "none"),
            ("255.255.255.254", "none"),
            ("bad", "last"),
            ("2001:db8::1", "six"),
            ("2001:db9::", "none"),
            ("::ffff:10.1.2.3", "d"),
            ("ffff::1", "top"),
        ] {
            assert_eq!(var.find(address(text.as_bytes())), value.as_bytes(), "{text}");
        }
    }

    #[test]
    fn forwarded_addresses() {
        let proxies = [("127.0.0.0".parse().unwrap(), 8), ("10.0.0.0".parse().unwrap(), 8)];
        let var = |recursive| NetworkVar::new(Template::default(), &[], &"".into(), &proxies, recursive);
        let ask = |recursive, list: &str| {
            var(recursive).forwarded("127.0.0.1".parse().unwrap(), list.as_bytes()).to_string()
        };
        assert_eq!(ask(false, "1.2.3.4, 10.0.0.1"), "10.0.0.1");
        assert_eq!(ask(true, "1.2.3.4, 10.0.0.1"), "1.2.3.4");
        assert_eq!(ask(true, "1.2.3.4:80 , "), "1.2.3.4");
        assert_eq!(ask(true, "[2001:db8::1]:80"), "2001:db8::1");
        assert_eq!(ask(true, "nonsense"), "127.0.0.1");
        assert_eq!(ask(true, ""), "127.0.0.1");
    }

    #[test]
    fn hashes() {
        // As computed by the reference implementation.
        assert_eq!(murmur2(b""), 0);
        assert_eq!(murmur2(b"a"), 0x9268_5f5e);
        assert_eq!(murmur2(b"abcd"), 0x2687_3021);
    }
}
