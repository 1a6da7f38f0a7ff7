//! Whose address is the client's where connections come from proxies that tell it.

use std::net::{IpAddr, SocketAddr};

use super::{access::holds, announce::Header, edit::field, exchange::Exchange};
use crate::{
    ir::settings::{ClientAddressInForce, Level, Telling},
    plan::Plan,
};

/// Whom a proxy told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The client's IP address.
    pub ip: IpAddr,
    /// Its port; 0 where none was told.
    pub port: u16,
    /// The address as text.
    pub shown: Box<str>,
}

impl From<SocketAddr> for Identity {
    fn from(addr: SocketAddr) -> Self {
        let ip = addr.ip().to_canonical();
        Self { ip, port: addr.port(), shown: ip.to_string().into() }
    }
}

/// What came of a field.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    /// The client.
    client: Option<SocketAddr>,
    /// How much of the field was not believed, or is no address.
    left: usize,
    /// The proxies outside that were passed.
    passed: Vec<u8>,
}

/// Finds out whose address is the client's, once.
pub fn identify(exchange: &mut Exchange, plan: &Plan) {
    if exchange.facts.identity.is_some() {
        return;
    }
    let settings = &exchange.settings(plan).client_address;
    let peer = exchange.facts.client_ip();
    let announced = exchange.facts.client.announced.as_deref();
    if settings.announcement_first
        && let Some(header) = announced
    {
        if let Header::Of(announced) = header {
            exchange.facts.identity = Some(Box::new(announced.client.into()));
        }
        return;
    }
    match &settings.told {
        Telling::Nowhere => {}
        Telling::Announcement => {
            if let Some(Header::Of(announced)) = announced
                && trust(settings, peer).is_some()
            {
                exchange.facts.identity = Some(Box::new(announced.client.into()));
            }
        }
        Telling::Field(name) => {
            let facts = &exchange.facts;
            let mut value = Vec::new();
            let of_name =
                facts.head.fields.iter().filter(|field| facts.slice(field.name).eq_ignore_ascii_case(name));
            for (at, field) in of_name.enumerate() {
                value.extend_from_slice(if at > 0 { b", " } else { b"" });
                value.extend_from_slice(facts.slice(field.value));
            }
            if value.is_empty() {
                return;
            }
            let found = find(settings, peer, &facts.client.shown, &value);
            let Some(client) = found.client else { return };
            exchange.facts.identity = Some(Box::new(client.into()));
            value.truncate(found.left);
            let ignored = if value.trim_ascii().is_empty() { &[] } else { value.as_slice() };
            if settings.consumed {
                let left = (!ignored.is_empty()).then(|| ignored.to_vec());
                field::set_received(exchange, name, left.as_slice());
            }
            if !found.passed.is_empty() {
                if let Some(passed) = &settings.passed {
                    field::set_received(exchange, passed, std::slice::from_ref(&found.passed));
                }
                if let Some(var) = settings.passed_into {
                    exchange.run.assign(var, &found.passed);
                }
            }
            if !ignored.is_empty() {
                let ignored = String::from_utf8_lossy(ignored);
                exchange
                    .log(Level::Debug, format_args!("not believed of the client's address: \"{ignored}\""));
            }
        }
    }
}

/// Whether a proxy is believed, and then whether it is inside.
fn trust(settings: &ClientAddressInForce, proxy: Option<IpAddr>) -> Option<bool> {
    if settings.trusted.is_empty() {
        return settings.trusts_all.then_some(false);
    }
    let known = settings.trusted.iter().find(|known| holds(known.range, proxy));
    known.map(|known| known.inside)
}

/// Goes through a field's list from its end while what tells the address is believed.
fn find(settings: &ClientAddressInForce, peer: Option<IpAddr>, shown: &str, value: &[u8]) -> Found {
    let mut found = Found { left: value.len(), ..Found::default() };
    let mut proxy = peer;
    loop {
        let rest = &value[..found.left];
        let Some(inside) = trust(settings, proxy) else { return found };
        let Some((before, item)) = last(rest, settings.loose) else { return found };
        let Some(client) = address(item, settings.loose) else { return found };
        if settings.only_public && !inside && !is_public(client.ip()) {
            return found;
        }
        if !inside {
            if !found.passed.is_empty() {
                found.passed.extend_from_slice(b", ");
            }
            match found.client {
                Some(client) => found.passed.extend_from_slice(client.ip().to_string().as_bytes()),
                None => found.passed.extend_from_slice(shown.as_bytes()),
            }
        }
        found.client = Some(client);
        found.left = before;
        proxy = Some(client.ip());
        if !settings.chained || before == 0 {
            return found;
        }
    }
}

/// The last member of a list, and how much of the list comes before it.
fn last(list: &[u8], loose: bool) -> Option<(usize, &[u8])> {
    let separates = |byte: &u8| *byte == b',' || (loose && *byte == b' ');
    let list = if loose {
        let end = list.iter().rposition(|byte| !separates(byte))?;
        &list[..=end]
    } else {
        list
    };
    let (before, from) = match list.iter().rposition(separates) {
        Some(at) => (at, at + 1),
        None => (0, 0),
    };
    let item = list[from..].trim_ascii();
    (!item.is_empty()).then_some((before, item))
}

/// An address, with a port where that may stand there.
fn address(text: &[u8], port: bool) -> Option<SocketAddr> {
    let text = std::str::from_utf8(text).ok()?;
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip.to_canonical(), 0));
    }
    if !port {
        return None;
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    if let Some(ip) = bare.and_then(|text| text.parse::<IpAddr>().ok()) {
        return Some(SocketAddr::new(ip.to_canonical(), 0));
    }
    let addr: SocketAddr = text.parse().ok()?;
    Some(SocketAddr::new(addr.ip().to_canonical(), addr.port()))
}

/// Whether an address is one of the public network: not for private use, the own machine or the link (RFC 6890), and
/// of IPv6 among the global unicast ones (RFC 4291 § 2.4).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !(ip.is_private() || ip.is_link_local() || ip.octets()[0] == 127),
        IpAddr::V6(ip) => ip.octets()[0] & 0xe0 == 0x20,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{AddressRange, settings::TrustedProxy};

    fn settings(trusted: &[(&str, bool)]) -> ClientAddressInForce {
        let trusted = trusted.iter().map(|(ip, inside)| TrustedProxy {
            range: AddressRange::Network(ip.parse().unwrap(), 32),
            inside: *inside,
        });
        ClientAddressInForce { trusted: trusted.collect(), chained: true, ..ClientAddressInForce::default() }
    }

    #[track_caller]
    fn finds(settings: &ClientAddressInForce, value: &str, client: Option<&str>, left: &str) {
        let found = find(settings, "10.0.0.1".parse().ok(), "10.0.0.1", value.as_bytes());
        assert_eq!(found.client.map(|addr| addr.to_string()).as_deref(), client, "{value}");
        assert_eq!(&value[..found.left], left, "{value}");
    }

    #[test]
    fn lists_are_read_from_the_end() {
        let strict = settings(&[("10.0.0.1", true), ("8.8.8.8", false)]);
        finds(&strict, "1.2.3.4", Some("1.2.3.4:0"), "");
        finds(&strict, "1.1.1.1, 1.2.3.4", Some("1.2.3.4:0"), "1.1.1.1");
        finds(&strict, "1.1.1.1 ,8.8.8.8", Some("1.1.1.1:0"), "");
        finds(&strict, "x, 8.8.8.8", Some("8.8.8.8:0"), "x");
        finds(&strict, "1.1.1.1,", None, "1.1.1.1,");
        finds(&strict, "1.1.1.1:80", None, "1.1.1.1:80");
        let loose = ClientAddressInForce { loose: true, chained: false, ..strict };
        finds(&loose, "1.1.1.1 8.8.8.8:70, ", Some("8.8.8.8:70"), "1.1.1.1");
        finds(&loose, " , ", None, " , ");
        finds(&settings(&[]), "1.1.1.1", None, "1.1.1.1");
    }

    #[test]
    fn private_addresses_come_from_inside_only() {
        let outside = ClientAddressInForce { only_public: true, trusts_all: true, ..settings(&[]) };
        for private in ["10.1.1.1", "127.0.0.1", "192.168.1.1", "fe80::1", "::1"] {
            finds(&outside, private, None, private);
        }
        finds(&outside, "2001:db8::1", Some("[2001:db8::1]:0"), "");
        let inside = ClientAddressInForce { only_public: true, ..settings(&[("10.0.0.1", true)]) };
        finds(&inside, "10.1.1.1", Some("10.1.1.1:0"), "");
    }
}
