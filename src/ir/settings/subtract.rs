//! Settings without those that are the same elsewhere: what somebody wrote, without defaults.

use super::Settings;
use crate::ir::Protocol;

impl Settings {
    /// Takes out what `base` sets to the same.
    pub fn subtract(&mut self, base: &Self) {
        if self.handler == base.handler {
            self.handler = None;
        }
        if self.prepare == base.prepare {
            self.prepare = None;
        }
        self.hooks.retain(|hook| !base.hooks.contains(hook));
        self.client.subtract(&base.client);
        self.content.subtract(&base.content);
        self.answer.subtract(&base.answer);
        self.files.subtract(&base.files);
        self.access.subtract(&base.access);
        self.logs.subtract(&base.logs);
        self.resolve.subtract(&base.resolve);
        for protocol in Protocol::ALL {
            self.forwarding_mut(protocol).subtract(base.forwarding(protocol));
        }
        self.gzip.subtract(&base.gzip);
        self.brotli.subtract(&base.brotli);
        self.zstd.subtract(&base.zstd);
        self.rewriting.subtract(&base.rewriting);
        self.limits.subtract(&base.limits);
        self.listing.subtract(&base.listing);
        self.index_page.subtract(&base.index_page);
        self.negotiation.subtract(&base.negotiation);
    }
}
