//! Limits that all workers keep together: rates of requests, requests at a time.
//!
//! A zone is a table from keys to counts. It is split into parts by the hash
//! of the key, each behind a lock of its own that is held for one look-up, so
//! that counts are exact whoever asks. Zones live as long as some plan has
//! them: a reload that leaves a zone as it is leaves its counts, too.

use std::{
    collections::VecDeque,
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::exchange::{Exchange, Next};
use crate::{
    ir::{
        Name, Zone as Declared,
        settings::{Level, LimitsInForce, RateLimit},
    },
    plan::{Plan, hash::Map},
};

/// Parts of a zone.
const PARTS: usize = 16;

/// The longest key.
const KEY: usize = 65_535;

/// How many counts are looked at when one is added.
const LOOKS: usize = 4;

/// After this time a count that has run out may be forgotten.
const FORGET: Duration = Duration::from_mins(1);

/// The zones of the process, by name.
#[derive(Debug, Default)]
pub struct Zones(Mutex<Vec<Arc<Zone>>>);

/// A zone.
#[derive(Debug)]
pub struct Zone {
    declared: Declared,
    parts: [Mutex<Part>; PARTS],
    entries: AtomicUsize,
    outcomes: [AtomicU64; 5],
}

#[derive(Debug, Default)]
struct Part {
    counts: Map<Arc<[u8]>, Count>,
    /// Keys, those that came first before the others.
    order: VecDeque<Arc<[u8]>>,
}

/// What is known of a key.
#[derive(Debug)]
struct Count {
    key: Arc<[u8]>,
    /// Thousandths of requests ahead of the rate.
    excess: u64,
    /// When that was; nothing was counted before.
    last: Option<Instant>,
    /// Requests under way.
    now: u32,
}

/// A request that counts as under way until it is dropped.
#[derive(Debug)]
pub struct Held {
    zone: Arc<Zone>,
    key: Arc<[u8]>,
}

impl Zones {
    /// The zones of a plan; those that were there already keep their counts.
    pub fn of(&self, plan: &Plan) -> Box<[Arc<Zone>]> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What no plan has any more.
        known.retain(|zone| Arc::strong_count(zone) > 1);
        let zone = |declared: &Declared| {
            if let Some(zone) = known.iter().find(|zone| zone.declared == *declared) {
                return Arc::clone(zone);
            }
            let parts = Default::default();
            let zone = Arc::new(Zone {
                declared: declared.clone(),
                parts,
                entries: AtomicUsize::new(0),
                outcomes: Default::default(),
            });
            known.push(Arc::clone(&zone));
            zone
        };
        plan.config.zones.iter().map(zone).collect()
    }
}

impl Zone {
    /// Its name.
    pub fn name(&self) -> &Name {
        &self.declared.name
    }

    /// Whether it counts rates; else requests at a time.
    pub fn is_of_rates(&self) -> bool {
        self.declared.rate > 0
    }

    /// How many passed, waited, were refused, and would have waited or been refused.
    pub fn outcomes(&self) -> [u64; 5] {
        self.outcomes.each_ref().map(|count| count.load(Relaxed))
    }

    fn note(&self, outcome: Limited) {
        let at = match outcome {
            Limited::Passed => 0,
            Limited::Delayed => 1,
            Limited::Rejected => 2,
            Limited::DelayedDryRun => 3,
            Limited::RejectedDryRun => 4,
        };
        self.outcomes[at].fetch_add(1, Relaxed);
    }

    /// Does something with the count of a key.
    fn with<T>(&self, key: &[u8], now: Instant, act: impl FnOnce(&mut Count) -> T) -> Option<T> {
        let hash = crc32fast::hash(key) as usize;
        let mut part = self.parts[hash % PARTS].lock().unwrap_or_else(PoisonError::into_inner);
        if !part.counts.contains_key(key) {
            self.make_room(&mut part, now);
            let key: Arc<[u8]> = key.into();
            part.order.push_back(Arc::clone(&key));
            part.counts.insert(Arc::clone(&key), Count { key, excess: 0, last: None, now: 0 });
            self.entries.fetch_add(1, Relaxed);
        }
        part.counts.get_mut(key).map(act)
    }

    /// Forgets counts that have run out, and where there is no room one that came early.
    fn make_room(&self, part: &mut Part, now: Instant) {
        for look in 0..LOOKS {
            let Some(key) = part.order.pop_front() else { return };
            let Some(count) = part.counts.get(&key) else { continue };
            let old = count.last.is_none_or(|last| now.saturating_duration_since(last) >= FORGET);
            let over = old && count.excess <= self.paid(count, now);
            let full = self.entries.load(Relaxed) >= self.declared.entries as usize;
            if count.now == 0 && (over || full && look + 1 == LOOKS) {
                part.counts.remove(&key);
                self.entries.fetch_sub(1, Relaxed);
            } else {
                part.order.push_back(key);
            }
        }
    }

    /// What the time since the last request is worth.
    fn paid(&self, count: &Count, now: Instant) -> u64 {
        let Some(last) = count.last else { return u64::MAX };
        let passed = now.saturating_duration_since(last).as_millis();
        u64::try_from(passed * u128::from(self.declared.rate) / 1000).unwrap_or(u64::MAX)
    }

    /// How far a request is ahead of the rate, in thousandths; `Err` with the same when that is more than the burst.
    /// Only one that is within it is counted, and only if `account`.
    fn count(&self, key: &[u8], burst: u64, account: bool, now: Instant) -> Result<u64, u64> {
        let counted = self.with(key, now, |count| {
            let excess = (count.excess + 1000).saturating_sub(self.paid(count, now));
            if excess > burst {
                return Err(excess);
            }
            if account {
                count.excess = excess;
                count.last = count.last.max(Some(now));
            }
            Ok(excess)
        });
        counted.unwrap_or(Ok(0))
    }

    /// Holds a place for a request; `None` when there is none.
    fn hold(self: &Arc<Self>, key: &[u8], most: u32, now: Instant) -> Option<Held> {
        let held = self.with(key, now, |count| {
            if count.now >= most {
                return None;
            }
            count.now += 1;
            Some(Held { zone: Arc::clone(self), key: Arc::clone(&count.key) })
        });
        held.flatten()
    }

    /// Milliseconds until a request that is so far ahead has its turn.
    fn delay(&self, excess: u64, limit: &RateLimit) -> u64 {
        excess.saturating_sub(limit.at_once).saturating_mul(1000) / self.declared.rate.max(1)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let hash = crc32fast::hash(&self.key) as usize;
        let mut part = self.zone.parts[hash % PARTS].lock().unwrap_or_else(PoisonError::into_inner);
        let Some(count) = part.counts.get_mut(&self.key) else { return };
        count.now = count.now.saturating_sub(1);
    }
}

/// What became of a request that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// Not limited.
    Passed,
    /// It had to wait.
    Delayed,
    /// It was refused.
    Rejected,
    /// It would have had to wait.
    DelayedDryRun,
    /// It would have been refused.
    RejectedDryRun,
}

impl Limited {
    /// The word for it.
    pub fn word(self) -> &'static [u8] {
        match self {
            Self::Passed => b"PASSED",
            Self::Delayed => b"DELAYED",
            Self::Rejected => b"REJECTED",
            Self::DelayedDryRun => b"DELAYED_DRY_RUN",
            Self::RejectedDryRun => b"REJECTED_DRY_RUN",
        }
    }
}

impl Exchange {
    /// Whether limits are in force that the request was not held against; once asked after [`Self::limit`], not.
    pub fn is_limited(&mut self, plan: &Plan) -> bool {
        if std::mem::take(&mut self.limits_checked) {
            return false;
        }
        let limits = &self.settings(plan).limits;
        (!limits.rates.is_empty() && self.facts.rate_limited.is_none())
            || (!limits.concurrent.is_empty() && self.facts.concurrency_limited.is_none())
    }

    /// Holds the request against the limits in force, each kind once.
    pub async fn limit(&mut self, plan: &Plan) -> Next {
        let serving = Rc::clone(&self.serving);
        let zones = serving.zones.get_or_init(|| self.worker.shared.zones.of(plan));
        let limits = Arc::clone(&self.settings(plan).limits);
        self.limits_checked = true;
        if self.facts.rate_limited.is_none()
            && let Err(status) = self.limit_rates(zones, &limits).await
        {
            return Next::Status(status);
        }
        if self.facts.concurrency_limited.is_none()
            && let Err(status) = self.limit_concurrency(zones, &limits)
        {
            return Next::Status(status);
        }
        Next::Decide
    }

    /// The key that a request has in a zone.
    fn key(&mut self, zone: &Zone) -> Option<Vec<u8>> {
        let key = self.value(&zone.declared.key);
        if key.len() > KEY {
            let (name, length) = (&zone.declared.name, key.len());
            self.log(
                Level::Error,
                format_args!("the key of zone \"{name}\" is more than 65535 bytes: {length}"),
            );
            return None;
        }
        Some(key).filter(|key| !key.is_empty())
    }

    async fn limit_rates(&mut self, zones: &[Arc<Zone>], limits: &LimitsInForce) -> Result<(), u16> {
        let now = Instant::now();
        let dry = if limits.rate_dry_run { ", dry run" } else { "" };
        // Counted only when no limit refuses.
        let mut counted = Vec::new();
        for (at, limit) in limits.rates.iter().enumerate() {
            let last = at + 1 == limits.rates.len();
            let Some(zone) = zones.get(limit.zone as usize) else { continue };
            let Some(key) = self.key(zone) else { continue };
            let within = zone.count(&key, limit.burst, last, now);
            if let Err(excess) = within {
                let (whole, rest, name) = (excess / 1000, excess % 1000, &zone.declared.name);
                self.log(
                    limits.rate_level,
                    format_args!("limiting requests{dry}, excess: {whole}.{rest:03} by zone \"{name}\""),
                );
                zone.note(if limits.rate_dry_run { Limited::RejectedDryRun } else { Limited::Rejected });
                if limits.rate_dry_run {
                    self.facts.rate_limited = Some(Limited::RejectedDryRun);
                    return Ok(());
                }
                self.facts.rate_limited = Some(Limited::Rejected);
                return Err(limits.rate_status);
            }
            counted.push((limit, zone, key, within.ok().filter(|_| last)));
        }
        let mut longest: Option<(u64, u64, &Arc<Zone>)> = None;
        for (limit, zone, key, excess) in &counted {
            let excess = excess.unwrap_or_else(|| zone.count(key, u64::MAX, true, now).unwrap_or(0));
            let delay = zone.delay(excess, limit);
            zone.note(match (delay, limits.rate_dry_run) {
                (0, _) => Limited::Passed,
                (_, false) => Limited::Delayed,
                (_, true) => Limited::DelayedDryRun,
            });
            if delay > longest.map_or(0, |(delay, ..)| delay) {
                longest = Some((delay, excess, zone));
            }
        }
        let Some((delay, excess, zone)) = longest else {
            self.facts.rate_limited = (!counted.is_empty()).then_some(Limited::Passed);
            return Ok(());
        };
        let (whole, rest, name) = (excess / 1000, excess % 1000, &zone.declared.name);
        let level = match limits.rate_level {
            Level::Error => Level::Warn,
            Level::Warn => Level::Notice,
            Level::Notice => Level::Info,
            level => level,
        };
        self.log(level, format_args!("delaying request{dry}, excess: {whole}.{rest:03}, by zone \"{name}\""));
        if limits.rate_dry_run {
            self.facts.rate_limited = Some(Limited::DelayedDryRun);
            return Ok(());
        }
        self.facts.rate_limited = Some(Limited::Delayed);
        tokio::time::sleep(Duration::from_millis(delay)).await;
        Ok(())
    }

    fn limit_concurrency(&mut self, zones: &[Arc<Zone>], limits: &LimitsInForce) -> Result<(), u16> {
        let now = Instant::now();
        let before = self.held.len();
        for limit in &limits.concurrent {
            let Some(zone) = zones.get(limit.zone as usize) else { continue };
            let Some(key) = self.key(zone) else { continue };
            if let Some(held) = zone.hold(&key, limit.most, now) {
                self.held.push(held);
                zone.note(Limited::Passed);
                self.facts.concurrency_limited = Some(Limited::Passed);
                continue;
            }
            self.held.truncate(before);
            let (dry, name) =
                (if limits.concurrent_dry_run { ", dry run," } else { "" }, &zone.declared.name);
            self.log(limits.concurrent_level, format_args!("limiting connections{dry} by zone \"{name}\""));
            zone.note(if limits.concurrent_dry_run { Limited::RejectedDryRun } else { Limited::Rejected });
            if limits.concurrent_dry_run {
                self.facts.concurrency_limited = Some(Limited::RejectedDryRun);
                return Ok(());
            }
            self.facts.concurrency_limited = Some(Limited::Rejected);
            return Err(limit.status.unwrap_or(limits.concurrent_status));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Template;

    fn zone(rate: u64, entries: u32) -> Arc<Zone> {
        let declared = Declared { name: "z".into(), key: Template::default(), rate, entries };
        Arc::new(Zone {
            declared,
            parts: Default::default(),
            entries: AtomicUsize::new(0),
            outcomes: Default::default(),
        })
    }

    #[test]
    fn rates_are_counted_to_the_millisecond() {
        // Two a second, one ahead.
        let zone = zone(2000, 100);
        let start = Instant::now();
        let at = |ms: u64| zone.count(b"a", 1000, true, start + Duration::from_millis(ms));
        assert_eq!(at(0), Ok(0));
        assert_eq!(at(0), Ok(1000));
        assert_eq!(at(0), Err(2000));
        assert_eq!(at(250), Err(1500));
        assert_eq!(at(500), Ok(1000));
        assert_eq!(at(10_000), Ok(0));
        assert_eq!(zone.count(b"b", 0, true, start), Ok(0));
        assert_eq!(zone.count(b"b", 0, true, start), Err(1000));
    }

    #[test]
    fn places_are_given_back() {
        let zone = zone(0, 100);
        let now = Instant::now();
        let first = zone.hold(b"a", 2, now);
        let second = zone.hold(b"a", 2, now);
        assert!(first.is_some() && second.is_some() && zone.hold(b"a", 2, now).is_none());
        drop(second);
        assert!(zone.hold(b"a", 2, now).is_some());
        assert!(zone.hold(b"a", 1, now).is_none());
        drop(first);
        assert!(zone.hold(b"a", 1, now).is_some());
    }

    #[test]
    fn a_zone_stays_within_its_bounds() {
        let zone = zone(1, 1000);
        let now = Instant::now();
        for number in 0..20_000u32 {
            let _ = zone.count(&number.to_be_bytes(), 0, true, now);
        }
        assert!(zone.entries.load(Relaxed) <= 1000 + PARTS, "{:?}", zone.entries);
    }

    #[test]
    fn threads_share_exact_counts() {
        let zone = zone(1, 100);
        let now = Instant::now();
        let passed: usize = std::thread::scope(|scope| {
            let count = || (0..1000).filter(|_| zone.count(b"k", 99_000, true, now).is_ok()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 100);
    }
}
