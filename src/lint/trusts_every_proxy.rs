//! Addresses believed from everybody.

use super::{Context, Lint, warn};
use crate::{diagnostic::Diagnostic, ir::AddressRange};

pub(super) const LINT: Lint = Lint {
    code: "trusts-every-proxy",
    what: r"Every client is believed when it says whose address it is.",
    why: r"Rules, limits and logs speak of an address that the client made up.",
    fix: r"name the proxies in front of this server",
    bad: &[
        r"server { listen 80; set_real_ip_from 0.0.0.0/0; real_ip_header X-Forwarded-For; location / { root /x; } }",
    ],
    good: &[
        r"server { listen 80; set_real_ip_from 10.0.0.0/8; real_ip_header X-Forwarded-For; location / { root /x; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let all = |range: AddressRange| match range {
        AddressRange::All => true,
        AddressRange::Unix => false,
        AddressRange::Network(_, bits) => bits == 0,
    };
    for scene in &cx.scenes {
        let own = &scene.own.client_address;
        let trusted = own.trusted.iter().flatten().any(|proxy| all(proxy.range));
        if trusted {
            found.push(warn(
                &LINT,
                scene.place("client-address", "trusted"),
                "whoever connects is believed to be a proxy",
            ));
        }
    }
}
