//! What was counted of a cache, by what became of requests.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts of a cache.
#[derive(Debug, Default)]
pub struct Counts([Of; NAMES.len()]);

/// What may become of a request, as it is told; `$upstream_cache_status` has the same in capitals.
const NAMES: [&str; 7] = ["hit", "stale", "updating", "revalidated", "miss", "expired", "bypass"];

/// Counts of one outcome.
#[derive(Debug, Default)]
pub struct Of([AtomicU64; 4]);

impl Of {
    /// Responses and their bytes; responses kept and their bytes.
    pub fn read(&self) -> [u64; 4] {
        self.0.each_ref().map(|count| count.load(Relaxed))
    }
}

impl Counts {
    /// Each outcome.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, &Of)> {
        NAMES.into_iter().zip(&self.0)
    }

    fn of(&self, status: &str) -> Option<&Of> {
        let at = NAMES.iter().position(|name| name.eq_ignore_ascii_case(status))?;
        self.0.get(at)
    }

    /// A response of so many bytes, by what became of the request.
    pub fn answered(&self, status: &str, bytes: u64) {
        if let Some(Of([responses, total, ..])) = self.of(status) {
            responses.fetch_add(1, Relaxed);
            total.fetch_add(bytes, Relaxed);
        }
    }

    /// A response that is kept now.
    pub fn kept(&self, status: &str, bytes: u64) {
        if let Some(Of([.., kept, total])) = self.of(status) {
            kept.fetch_add(1, Relaxed);
            total.fetch_add(bytes, Relaxed);
        }
    }
}
