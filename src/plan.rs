//! The plan: the routing IR compiled for running.
//!
//! A decision is a machine without I/O: [`Run::step`] says what it needs, the
//! engine (or a table in a test, or `explain`) tells it, and in the end it
//! names the handler or the reply. Patterns are compiled, tables indexed and
//! the settings in force resolved before the first request.

use crate::{
    diagnostic::Diagnostic,
    ir::{self, HostId, Template, Text},
};

mod effective;
pub mod hash;
mod op;
pub mod pattern;
mod run;

pub use effective::{AnswerPlan, Effective, Entry, ForwardingPlan, SettingsId};
pub use op::EditOp;
pub use pattern::Failure;
pub use run::{Need, NoSuchBlock, Run, View};

/// A configuration compiled for running. Shared by all workers.
#[derive(Debug)]
pub struct Plan {
    /// The configuration. The programs of its hosts are compiled and no longer in it.
    pub config: ir::Config,
    settings: Vec<Effective>,
    host_settings: Vec<SettingsId>,
}

/// Compiles a configuration.
pub fn compile(config: ir::Config) -> Result<Plan, Vec<Diagnostic>> {
    Ok(Plan { config, settings: Vec::new(), host_settings: Vec::new() })
}

impl Plan {
    /// Settings in force.
    pub fn settings(&self, id: SettingsId) -> &Effective {
        &self.settings[id.0 as usize]
    }

    /// The settings in force while a head is read, and where the host's program begins.
    pub fn host_settings(&self, host: HostId) -> SettingsId {
        self.host_settings[host.0 as usize]
    }

    /// The host of a listener that answers to a name: lower case, without port and final dot; `None` when the
    /// request has none. Named groups of a pattern become variables of the run.
    pub fn select(&self, listener: usize, host: Option<&[u8]>, run: &mut Run) -> HostId {
        let _ = (host, run);
        self.config.listeners[listener].default
    }

    /// The reason phrase of a status (RFC 9112 § 4); empty when there is none.
    pub fn reason(&self, status: u16) -> &[u8] {
        let of = |reason: &&(u16, Text)| reason.0 == status;
        self.config.reasons.iter().find(of).map_or(&[], |reason| &reason.1)
    }

    /// The content of a reply of our own that brings none.
    pub fn page(&self, status: u16) -> Option<&Template> {
        self.config.pages.iter().find(|page| page.0 == status).map(|page| &page.1)
    }
}
