//! Certificates of upstreams: what the input's server does by itself and Apache does not.

use super::Render;
use crate::{
    ir::{Protocol, settings::Forwarding},
    raise::{Area, Pass, Scheme},
};

impl Render<'_, '_> {
    /// The switch for upstreams over TLS, where there are any, and whose names they may have.
    pub(super) fn upstream_tls(&mut self, area: &Area, passes: &[&Pass]) {
        if passes.iter().all(|pass| pass.scheme == Scheme::Plain) {
            return;
        }
        self.need("ssl");
        self.page.line("SSLProxyEngine On");
        if self.takes_any_name(area, passes) {
            // Each is on where it is not written, and the first counts only while the second is off.
            self.page.line("SSLProxyCheckPeerCN Off");
            self.page.line("SSLProxyCheckPeerName Off");
        }
    }

    /// Whether every upstream over TLS may have a certificate for another name, and nobody wrote so: then it is what the
    /// input's server does by itself. Where one is looked at, all are: Apache says it for a whole host.
    fn takes_any_name(&self, area: &Area, passes: &[&Pass]) -> bool {
        let written: [&Forwarding; 2] = [&area.settings.http, &self.config.common.http];
        let base: &Forwarding = &self.config.base.http;
        if written.iter().any(|http| http.tls_any_name.is_some() || http.tls_match_name.is_some()) {
            return false;
        }
        // What gateways are told over TLS is not said by these lines, nor checked by them.
        let mut passes = passes.iter().filter(|pass| pass.scheme != Scheme::Plain);
        if passes.clone().any(|pass| pass.protocol != Protocol::Http) {
            return false;
        }
        passes.all(|pass| {
            let set = |of: fn(&Forwarding) -> Option<bool>| {
                [&pass.settings].into_iter().chain(written).chain([base]).find_map(of).unwrap_or(false)
            };
            if set(|http| http.tls_verify) {
                set(|http| http.tls_any_name)
            } else {
                !set(|http| http.tls_match_name)
            }
        })
    }
}
