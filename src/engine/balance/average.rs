//! A time on average, of which all workers share one.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// In microseconds; nought is not known.
#[derive(Debug, Default)]
pub(super) struct Average(AtomicU64);

impl Average {
    /// Takes note of a time. Each counts for an eighth of the average.
    pub(super) fn add(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).min(u64::MAX >> 8);
        let next = |old: u64| Some(if old == 0 { micros } else { (old * 7 + micros) / 8 }.max(1));
        // What another worker adds at the same time is no matter.
        let _ = self.0.fetch_update(Relaxed, Relaxed, next);
    }

    /// What it is, in microseconds.
    pub(super) fn micros(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
