//! The plan: the routing IR compiled for running.
//!
//! A decision is a machine without I/O: [`Run::step`] says what it needs, the
//! engine (or a table in a test, or `explain`) tells it, and in the end it
//! names the handler or the reply. Patterns are compiled, tables indexed and
//! the settings in force resolved before the first request.

use std::sync::{Arc, Mutex};

use crate::{
    ir::{self, HostId, Name, Template, local::Provider, settings::LogTarget},
    source::{SourceMap, Span},
};

mod compile;
mod effective;
mod escape;
pub mod hash;
mod likely;
mod name_set;
mod names;
pub mod observe;
mod op;
pub mod pattern;
mod prefix_tree;
mod question;
mod recode;
mod route;
mod run;
mod shelf;
mod store;
mod var;

pub use compile::{Added, compile};
pub use effective::{
    AnswerPlan, Coding, ContentOp, Effective, Entry, FieldNames, ForwardingPlan, Given, RewritingPlan,
    SettingsId,
};
pub use escape::{encode_path, escape};
pub use name_set::NameSet;
pub use op::EditOp;
pub use pattern::{Failure, Find, LONGEST_VALUE, Matcher, Spans, UNSET};
pub use recode::{Recode, Recoder};
pub use run::{Need, NoSuchBlock, Promised, Run, View};
pub use var::contains;

use compile::{Growth, Layer};
use hash::Map;
use names::Names;
use op::Op;
use route::RouteTable;
use shelf::Shelf;
use store::Store;
use var::VarPlan;

/// A configuration compiled for running. Shared by all workers.
#[derive(Debug)]
pub struct Plan {
    /// The configuration.
    pub config: Arc<ir::Config>,
    /// Who reads what directories bring.
    pub provider: Option<Arc<dyn Provider>>,
    /// The files that its spans name, where somebody may want to know.
    pub sources: Option<Arc<SourceMap>>,
    hosts: Vec<HostPlan>,
    listeners: Vec<ListenerPlan>,
    code: Shelf<Op>,
    spans: Shelf<Span>,
    tables: Shelf<RouteTable>,
    layers: Shelf<Layer>,
    settings: Store,
    vars: Shelf<VarPlan>,
    growth: Mutex<Growth>,
    /// Whether there is a table whose reading may overwrite captures.
    some_clobber: bool,
    /// Indices by status.
    reasons: Map<u16, u32>,
    pages: Map<u16, u32>,
    recoders: Vec<Arc<Recoder>>,
}

#[derive(Debug)]
struct HostPlan {
    settings: SettingsId,
    entry: Entry,
    named: Map<Name, Entry>,
}

#[derive(Debug)]
struct ListenerPlan {
    default: HostId,
    into: ir::Register,
    names: Arc<HostNames>,
}

#[derive(Debug)]
struct HostNames {
    names: Names,
    /// The host of each name.
    hosts: Vec<HostId>,
}

impl Plan {
    /// What is looked up in the table that a variable is; `None` for one that is no table.
    pub fn table_key(&self, var: ir::VarId) -> Option<&Template> {
        match self.vars.get(var.0 as usize)? {
            VarPlan::Table(table) => Some(&table.key),
            _ => None,
        }
    }

    /// What a table has for a key; captures of its patterns are not in it.
    pub fn table_value(&self, var: ir::VarId, key: &[u8]) -> Option<&Template> {
        match self.vars.get(var.0 as usize)? {
            VarPlan::Table(table) => Some(match table.names.find(key) {
                Ok(Some(hit)) => &table.values[hit.place as usize],
                _ => &table.default,
            }),
            _ => None,
        }
    }

    /// Settings in force.
    pub fn settings(&self, id: SettingsId) -> &Effective {
        self.settings.get(id)
    }

    /// Where the logs of all settings go.
    pub fn log_targets(&self) -> impl Iterator<Item = &LogTarget> {
        let fixed =
            self.settings.fixed().iter().map(|settings| (&settings.logs.access, &settings.logs.errors));
        let layers = self.layers.fixed().iter().flat_map(|layer| {
            let logs = &layer.set.logs;
            let access = logs.access.iter().flatten().map(|log| &log.to);
            access.chain(logs.errors.iter().flatten().map(|log| &log.to))
        });
        let logs = fixed.flat_map(|(access, errors)| {
            access.iter().map(|log| &log.to).chain(errors.iter().map(|log| &log.to))
        });
        logs.chain(layers)
    }

    /// How requests are forwarded wherever they are.
    pub fn forwarding(&self) -> impl Iterator<Item = &ForwardingPlan> {
        self.settings.fixed().iter().flat_map(|settings| settings.forwarding.iter().map(|plan| &**plan))
    }

    /// The settings in force while a head is read, and where the host's program begins.
    pub fn host_settings(&self, host: HostId) -> SettingsId {
        self.hosts[host.0 as usize].settings
    }

    /// The host of a listener that answers to a name: lower case, without port and final dot; `None` when the
    /// request has none. Named groups of a pattern become variables of the run.
    pub fn select(&self, listener: usize, host: Option<&[u8]>, run: &mut Run) -> HostId {
        let ListenerPlan { default, into, names } = &self.listeners[listener];
        let key = host.unwrap_or_default();
        // A pattern that comes to no answer is none that matches.
        let Ok(Some(hit)) = names.names.find(key) else { return *default };
        if let Some(find) = hit.find
            && find.keep > 0
        {
            // It matched a moment ago.
            let _ = run.find(find, *into, key);
        }
        names.hosts[hit.place as usize]
    }

    /// The host of a request on a listener that names none, by its target as received.
    pub fn select_by_target(&self, listener: usize, target: &[u8]) -> Option<HostId> {
        let paths = &self.config.listeners[listener].paths;
        let below = |path: &ir::Text| {
            let rest = target.strip_prefix(&path[..]);
            rest.is_some_and(|rest| path.ends_with(b"/") || matches!(rest.first(), None | Some(b'/' | b'?')))
        };
        paths.iter().find(|(path, _)| below(path)).map(|(_, host)| *host)
    }

    /// Whether a host on the listener has this name.
    pub fn knows(&self, listener: usize, host: &[u8]) -> bool {
        matches!(self.listeners[listener].names.names.find(host), Ok(Some(_)))
    }

    /// The reason phrase of a status (RFC 9112 § 4); empty when there is none.
    pub fn reason(&self, status: u16) -> &[u8] {
        self.reasons.get(&status).map_or(&[], |at| &self.config.reasons[*at as usize].1)
    }

    /// The status that a number of the program's is sent as.
    pub fn sent(&self, own: u16) -> u16 {
        self.config.sent_as.iter().find(|(known, _)| *known == own).map_or(own, |(_, sent)| *sent)
    }

    /// What makes content in one character set content in another, where that is known.
    pub fn recoder(&self, from: &[u8], to: &[u8]) -> Option<&Arc<Recoder>> {
        self.recoders.iter().find(|recoder| recoder.is(from, to))
    }

    /// The content of a reply of our own that brings none.
    pub fn page(&self, status: u16) -> Option<&Template> {
        self.pages.get(&status).map(|at| &self.config.pages[*at as usize].1)
    }
}

#[cfg(test)]
mod tests;
