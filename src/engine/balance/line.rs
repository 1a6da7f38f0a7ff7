//! Requests that wait for an endpoint that takes them. All workers that share health share a line.

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
};

use tokio::sync::Notify;

/// Those who wait.
#[derive(Debug, Default)]
pub struct Line {
    waiting: AtomicU32,
    overflows: AtomicU64,
    /// Hears of every connection that ends.
    pub told: Notify,
}

/// A place in a line, until dropped.
#[derive(Debug)]
pub struct InLine(pub Arc<Line>);

impl Line {
    /// Takes a place; `None` when all are taken.
    pub fn join(self: &Arc<Self>, places: u32) -> Option<InLine> {
        let fits = |waiting: u32| (waiting < places).then_some(waiting + 1);
        let place = self.waiting.fetch_update(Relaxed, Relaxed, fits).ok().map(|_| InLine(Arc::clone(self)));
        if place.is_none() {
            self.overflows.fetch_add(1, Relaxed);
        }
        place
    }

    /// How many wait.
    pub fn length(&self) -> u32 {
        self.waiting.load(Relaxed)
    }

    /// How many found no place.
    pub fn overflows(&self) -> u64 {
        self.overflows.load(Relaxed)
    }

    /// Whether somebody waits.
    pub(super) fn is_waited_in(&self) -> bool {
        self.waiting.load(Relaxed) > 0
    }
}

impl Drop for InLine {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}
