//! Idle connections to upstreams, per worker and cluster.
//!
//! A connection is kept when its response ended cleanly and the upstream did
//! not say `close`. The newest is taken first; the least recently used is
//! closed when there are too many.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use super::connect::{Connection, Place};
use crate::{ir::IdleConnections, plan::hash::Map};

/// What a connection may be used again for: the same place, and the same TLS.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The cluster, as a number that outlives plans.
    pub cluster: u64,
    /// The endpoint.
    pub place: Place,
    /// A digest of the TLS settings and the name verified; 0 is plain.
    pub tls: u64,
}

/// A worker's idle connections.
#[derive(Debug, Default)]
pub struct Pool {
    clusters: RefCell<Map<u64, Vec<Idle>>>,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
    timeout: Duration,
}

impl Pool {
    /// The connection last used for this, if it is still alive.
    pub fn take(&self, key: &Key, now: Instant) -> Option<Connection> {
        let mut clusters = self.clusters.borrow_mut();
        let idle = clusters.get_mut(&key.cluster)?;
        while let Some(at) = idle.iter().rposition(|idle| idle.connection.key == *key) {
            let mut found = idle.remove(at);
            if now.saturating_duration_since(found.since) < found.timeout
                && !found.connection.stream.disturbed()
            {
                return Some(found.connection);
            }
        }
        None
    }

    /// Keeps a connection that became idle `now`, within limits.
    pub fn give(&self, connection: Connection, limits: &IdleConnections, now: Instant) {
        if limits.max == 0
            || connection.requests >= limits.requests
            || now.saturating_duration_since(connection.opened) > limits.time
        {
            return;
        }
        let mut clusters = self.clusters.borrow_mut();
        let idle = clusters.entry(connection.key.cluster).or_default();
        if idle.len() >= limits.max as usize {
            idle.remove(0);
        }
        idle.push(Idle { connection, since: now, timeout: limits.timeout });
    }

    /// Closes what is dead or was idle for too long. Called now and then.
    pub fn sweep(&self) {
        self.clusters.borrow_mut().retain(|_, idle| {
            idle.retain_mut(|idle| {
                idle.since.elapsed() < idle.timeout && !idle.connection.stream.disturbed()
            });
            !idle.is_empty()
        });
    }

    /// Closes all.
    pub fn clear(&self) {
        self.clusters.borrow_mut().clear();
    }
}
