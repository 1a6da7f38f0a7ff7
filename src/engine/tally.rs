//! Counts of what was answered: of the hosts or places that a configuration counts together, of an endpoint.
//!
//! Nothing is counted that nobody asks for. Counts are atomics that all workers add to; a reload leaves them as long as
//! the plan has what they are of.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::exchange::Exchange;
use crate::{ir::Tally as Declared, plan::Plan};

/// The counts of the process, by name.
#[derive(Debug, Default)]
pub struct Tallies(Mutex<Vec<Arc<Tally>>>);

/// Counts of hosts, or of places.
#[derive(Debug)]
pub struct Tally {
    /// Whose they are.
    pub declared: Declared,
    /// What was answered.
    pub answers: Answers,
    processing: AtomicU64,
}

/// Counts of answers.
#[derive(Debug)]
pub struct Answers {
    requests: AtomicU64,
    discarded: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
    /// From status 100 on.
    codes: Box<[AtomicU64]>,
}

/// Statuses that are told apart.
const CODES: usize = 500;

impl Default for Answers {
    fn default() -> Self {
        let codes = (0..CODES).map(|_| AtomicU64::new(0)).collect();
        let [requests, discarded, received, sent] = Default::default();
        Self { requests, discarded, received, sent, codes }
    }
}

impl Answers {
    /// A request begins.
    pub fn begin(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    /// It ends: with this status, or without an answer.
    pub fn end(&self, status: Option<u16>) {
        let code = status.and_then(|status| self.codes.get(usize::from(status).checked_sub(100)?));
        code.unwrap_or(&self.discarded).fetch_add(1, Relaxed);
    }

    /// So many bytes were received, and sent.
    pub fn moved(&self, received: u64, sent: u64) {
        self.received.fetch_add(received, Relaxed);
        self.sent.fetch_add(sent, Relaxed);
    }

    /// Requests that began.
    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// Requests that ended without an answer.
    pub fn discarded(&self) -> u64 {
        self.discarded.load(Relaxed)
    }

    /// Bytes received.
    pub fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// Bytes sent.
    pub fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// Answers by status, of those there were.
    pub fn codes(&self) -> Vec<(u16, u64)> {
        let codes = self.codes.iter().enumerate().map(|(at, count)| (at as u16 + 100, count.load(Relaxed)));
        codes.filter(|(_, count)| *count > 0).collect()
    }
}

impl Tallies {
    /// The counts of a plan.
    pub fn of(&self, plan: &Plan) -> Box<[Arc<Tally>]> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What no plan has any more.
        known.retain(|tally| Arc::strong_count(tally) > 1);
        let tally = |declared: &Declared| {
            if let Some(tally) = known.iter().find(|tally| tally.declared == *declared) {
                return Arc::clone(tally);
            }
            let (answers, processing) = (Answers::default(), AtomicU64::new(0));
            let tally = Arc::new(Tally { declared: declared.clone(), answers, processing });
            known.push(Arc::clone(&tally));
            tally
        };
        plan.config.tallies.iter().map(tally).collect()
    }
}

impl Tally {
    /// Requests under way.
    pub fn processing(&self) -> u64 {
        self.processing.load(Relaxed)
    }
}

/// A request that is counted as under way; one that is dropped before it ended was not answered.
#[derive(Debug)]
pub struct Counted {
    tally: Arc<Tally>,
    ended: bool,
}

impl Counted {
    fn new(tally: &Arc<Tally>) -> Self {
        tally.processing.fetch_add(1, Relaxed);
        tally.answers.begin();
        Self { tally: Arc::clone(tally), ended: false }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.tally.processing.fetch_sub(1, Relaxed);
        if !self.ended {
            self.tally.answers.end(None);
        }
    }
}

impl Exchange {
    fn tally(&self, plan: &Plan, index: u32) -> Option<&Arc<Tally>> {
        self.serving.tallies.get_or_init(|| self.worker.shared.tallies.of(plan)).get(index as usize)
    }

    /// Counts the request for its host.
    pub fn begin_counting(&mut self, plan: &Plan) {
        let index = self.settings(plan).limits.host_tally;
        self.counted = index.and_then(|index| self.tally(plan, index)).map(Counted::new);
    }

    /// Counts how it was answered; for the place, too, where it was answered from.
    pub fn end_counting(&mut self, plan: &Plan) {
        let place = self.settings(plan).limits.tally.and_then(|index| self.tally(plan, index));
        let counted = self.counted.as_ref();
        if let (Some(cache), Some(status)) = (&self.facts.cache, self.facts.cache_status) {
            let received = self.facts.attempts.last().map_or(0, |attempt| attempt.length);
            let from_cache = !matches!(status, "MISS" | "EXPIRED" | "BYPASS");
            cache.counts().answered(status, if from_cache { self.facts.sent } else { received });
        }
        if place.is_none() && counted.is_none() {
            return;
        }
        let (received, sent) = (self.facts.request_length, self.facts.sent);
        // Nothing was sent to a client that was gone, or is not to have an answer.
        let status = (sent > 0).then_some(self.facts.response.status);
        if let Some(place) = place {
            place.answers.begin();
            place.answers.end(status);
            place.answers.moved(received, sent);
        }
        if let Some(counted) = counted {
            counted.tally.answers.end(status);
            counted.tally.answers.moved(received, sent);
        }
        if let Some(mut counted) = self.counted.take() {
            counted.ended = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_status() {
        let answers = Answers::default();
        for status in [Some(200), Some(200), Some(599), Some(600), Some(99), None] {
            answers.begin();
            answers.end(status);
        }
        answers.moved(5, 7);
        assert_eq!((answers.requests(), answers.discarded()), (6, 3));
        assert_eq!((answers.received(), answers.sent()), (5, 7));
        assert_eq!(answers.codes(), [(200, 2), (599, 1)]);
    }
}
