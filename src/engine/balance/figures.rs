//! What is told of the endpoints of a cluster.

use std::{
    sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use super::{Cluster, List, Pick, peer::Peer};
use crate::{engine::tally::Answers, ir};

/// Counts of an endpoint, where they are asked for.
#[derive(Debug, Default)]
pub struct Counts {
    /// How it answered.
    pub answers: Answers,
    /// Tries that failed.
    pub fails: AtomicU64,
    /// How often it was taken out for that.
    pub outs: AtomicU64,
    /// When it was chosen last, in milliseconds since the epoch.
    pub chosen: AtomicI64,
}

/// Counts of looks at an endpoint, and of the time that it was out of use.
#[derive(Debug, Default)]
pub struct Looks {
    /// All of them.
    pub all: AtomicU64,
    /// Those that found it ill.
    pub failed: AtomicU64,
    /// How often it was taken out.
    pub outs: AtomicU64,
    /// What the last one found.
    pub last: AtomicBool,
    /// When it went out of use, in milliseconds since the epoch; nought while it is not.
    pub down_since: AtomicI64,
    /// How long it was out of use before that, in milliseconds.
    pub downtime: AtomicI64,
}

impl Looks {
    pub(super) fn out(&self) {
        let _ = self.down_since.compare_exchange(0, now(), Relaxed, Relaxed);
    }

    pub(super) fn back(&self) {
        let since = self.down_since.swap(0, Relaxed);
        if since > 0 {
            self.downtime.fetch_add((now() - since).max(0), Relaxed);
        }
    }
}

/// What there is to say of an endpoint.
#[derive(Debug)]
pub struct Figures<'c> {
    /// Its number: backups follow the others.
    pub index: usize,
    /// As it was configured.
    pub endpoint: &'c ir::Endpoint,
    /// Its address.
    pub label: &'c str,
    /// Whether it stands by.
    pub backup: bool,
    /// Its share.
    pub weight: i64,
    /// Whether and how it is used.
    pub state: Use,
    /// Connections.
    pub active: u64,
    /// What was counted; `None` before the first request.
    pub counts: Option<&'c Counts>,
    /// What was seen of it.
    pub looks: &'c Looks,
    /// How long it takes to the head of an answer, and to its end; nought is not known.
    pub times: [Duration; 2],
}

/// Whether and how an endpoint is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It is.
    Up,
    /// For its sessions.
    Draining,
    /// Not, as it was configured.
    Down,
    /// Not, for its failures.
    Unavailable,
    /// Not, until it was looked at.
    Checking,
    /// Not, for what was found.
    Unhealthy,
}

/// Milliseconds since the epoch.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

impl Cluster {
    /// Whether all workers know the same of its endpoints.
    pub fn is_shared(&self) -> bool {
        self.zones.is_some()
    }

    /// Tells what is known of each endpoint.
    pub fn figures(&self, tell: &mut dyn FnMut(Figures<'_>)) {
        let endpoints = self.current();
        let now = (self.clock)();
        let mut index = 0;
        for (list, backup) in [(&endpoints.active, false), (&endpoints.backup, true)] {
            let List { peers, .. } = list;
            for peer in peers {
                let Some(endpoint) = self.definition.get(peer.line) else { continue };
                let Peer { label, weight, health, .. } = &**peer;
                tell(Figures {
                    index,
                    endpoint,
                    label,
                    backup,
                    weight: *weight,
                    state: peer.state(now),
                    active: peer.connections(),
                    counts: health.counts.get().map(|counts| &**counts),
                    looks: &health.looked,
                    times: [&health.head, &health.whole].map(|time| Duration::from_micros(time.micros())),
                });
                index += 1;
            }
        }
    }
}

impl Pick {
    /// Takes note that a try begins.
    pub fn count_begin(&self) {
        let counts = self.counts();
        counts.answers.begin();
        counts.chosen.store(now(), Relaxed);
    }

    /// Takes note of how it ended: its status, what it received and sent, whether it failed and took the endpoint out.
    pub fn count_end(&self, status: Option<u16>, received: u64, sent: u64) {
        let answers = &self.counts().answers;
        answers.end(status);
        answers.moved(received, sent);
    }

    /// Takes note that it failed, and whether that took the endpoint out.
    pub fn count_failure(&self, out: bool) {
        let counts = self.counts();
        counts.fails.fetch_add(1, Relaxed);
        counts.outs.fetch_add(u64::from(out), Relaxed);
    }

    fn counts(&self) -> &Counts {
        self.peer.health.counts.get_or_init(Box::default)
    }
}
