//! `resolver`: the name servers.
//!
//! Reference: <https://nginx.org/r/resolver>

use super::{
    super::{tree::Directive, values},
    Cx, Level, Lower,
    address::{self, Tail},
    parameter::{self, named},
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Text, settings::Resolve},
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("resolver", resolver)];

const PORT: u16 = 53;

fn resolver(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    servers(cx, &mut level.set.resolve, directive);
}

/// `resolver address... [valid=time] [ipv4=on|off] [ipv6=on|off] [status_zone=zone];`
pub(super) fn servers(cx: &mut Cx, set: &mut Resolve, directive: &Directive) {
    // What it says of addresses and lifetimes replaces all that an outer level said.
    let (mut list, mut valid, mut ipv4, mut ipv6) = (Vec::new(), None, true, true);
    for word in &directive.args {
        if named(word, "valid").is_some() {
            valid = parameter::parsed(cx, word, "valid", values::seconds);
        } else if named(word, "ipv4").is_some() {
            ipv4 = parameter::parsed(cx, word, "ipv4", exact_flag).unwrap_or(true);
        } else if named(word, "ipv6").is_some() {
            ipv6 = parameter::parsed(cx, word, "ipv6", exact_flag).unwrap_or(true);
        } else if named(word, "status_zone").is_some() {
            let message = "`status_zone` has no effect";
            cx.report(
                Diagnostic::note_at("inert-directive", word.span, message)
                    .because("statistics of the commercial nginx"),
            );
        } else {
            match address::address(&word.value, Tail::Refused) {
                Ok(address) if !address.unix => {
                    let mut server = address.authority.to_vec();
                    if address.port.is_none() {
                        server.extend_from_slice(format!(":{PORT}").as_bytes());
                    }
                    list.push(Text(server));
                }
                Ok(_) => parameter::invalid(cx, word, "a name server is asked over the network"),
                Err(why) => {
                    let message = format!("{why} in name server `{}`", word.text());
                    cx.error("invalid-address", word.span, message);
                }
            }
        }
    }
    if list.is_empty() {
        cx.error("no-name-server", directive.head(), "`resolver` names no server");
    }
    if !ipv4 && !ipv6 {
        let message = "with neither IPv4 nor IPv6 no name has an address";
        cx.error("no-address-family", directive.head(), message);
    }
    set.servers = Some(list);
    set.valid = Some(valid);
    set.ipv4 = Some(ipv4);
    set.ipv6 = Some(ipv6);
}

/// `on` or `off`, in this case only.
fn exact_flag(word: &[u8]) -> Result<bool, values::Fault> {
    match word {
        b"on" => Ok(true),
        b"off" => Ok(false),
        _ => Err(values::Fault::NotAFlag),
    }
}
