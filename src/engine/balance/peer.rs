//! One endpoint at one address: its weights, its health, its load.

use std::{
    cell::Cell,
    rc::Rc,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{
    Place, Verdict,
    average::Average,
    figures::{Counts, Looks, Use},
};
use crate::ir::{self, Role};

/// Endpoints in order.
#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) peers: Vec<Rc<Peer>>,
    pub(super) total_weight: u64,
}

impl List {
    pub(super) fn new(peers: Vec<Rc<Peer>>) -> Self {
        let total_weight = peers.iter().map(|peer| peer.weight as u64).sum();
        Self { peers, total_weight }
    }

    /// The endpoint whose share of the weights holds `at`.
    pub(super) fn at_weight(&self, mut at: u64) -> Option<(usize, &Rc<Peer>)> {
        self.peers.iter().enumerate().find(|(_, peer)| {
            let weight = peer.weight as u64;
            let found = at < weight;
            at = at.wrapping_sub(weight);
            found
        })
    }
}

/// An endpoint at one of its addresses.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) place: Place,
    pub(super) label: Rc<str>,
    /// Which line it comes from.
    pub(super) line: usize,
    /// The first line with the same text.
    pub(super) server: usize,
    pub(super) down: bool,
    pub(super) weight: i64,
    /// What sessions call it; empty where nobody asks.
    pub(super) session: Box<str>,
    /// Whether it takes requests of its own sessions only.
    draining: bool,
    /// Seconds in which its share grows from nothing after it was out of use.
    slow_start: i64,
    /// What weights are multiplied by, so that a part of one can be told.
    scale: i64,
    max_connections: u32,
    max_fails: u32,
    fail_timeout: i64,
    /// Weight after failures.
    effective: Cell<i64>,
    pub(super) health: Arc<Health>,
}

/// What is known of an endpoint's health and load; workers may share it.
#[derive(Debug, Default)]
pub(super) struct Health {
    fails: AtomicU32,
    /// Weight in the turns under way. What one worker adds another may take between, so that two may choose the same
    /// endpoint at the same instant; nothing is lost of it, and what is owed to an endpoint it gets.
    current: AtomicI64,
    /// When it last failed.
    accessed: AtomicI64,
    /// When it was last tried out.
    checked: AtomicI64,
    connections: AtomicU32,
    /// When the connections there are began, added up.
    began: AtomicI64,
    /// When it was taken back into use.
    recovered: AtomicI64,
    /// Whether it was not well when it was looked at.
    ill: AtomicBool,
    /// Looks in a row that found what the last one did.
    looks: AtomicU32,
    /// What was counted, once there was something.
    pub(super) counts: OnceLock<Box<Counts>>,
    /// Counts of looks.
    pub(super) looked: Looks,
    /// Time to the head of an answer.
    pub(super) head: Average,
    /// Time to its end.
    pub(super) whole: Average,
}

impl Health {
    pub(super) fn enter(&self, now: i64) {
        self.connections.fetch_add(1, Relaxed);
        self.began.fetch_add(now, Relaxed);
    }

    pub(super) fn leave(&self, began: i64) {
        self.connections.fetch_sub(1, Relaxed);
        self.began.fetch_sub(began, Relaxed);
    }

    /// How long the connections there are have lasted, on average, in milliseconds.
    fn under_way(&self, now: i64) -> u64 {
        let count = i64::from(self.connections.load(Relaxed));
        let passed = now.saturating_mul(count).saturating_sub(self.began.load(Relaxed));
        if count == 0 { 0 } else { u64::try_from(passed / count).unwrap_or(0) }
    }

    /// Takes it out of use until it was looked at.
    pub(super) fn suspect(&self) {
        self.looked.out();
        self.ill.store(true, Relaxed);
        self.looks.store(0, Relaxed);
    }

    /// Takes note of a look; whether it is used from now on, or no longer.
    pub(super) fn look(&self, fine: bool, passes: u32, fails: u32, now: i64) -> Option<bool> {
        self.looked.all.fetch_add(1, Relaxed);
        self.looked.failed.fetch_add(u64::from(!fine), Relaxed);
        self.looked.last.store(fine, Relaxed);
        let ill = self.ill.load(Relaxed);
        if fine != ill {
            self.looks.store(0, Relaxed);
            return None;
        }
        let looks = self.looks.fetch_add(1, Relaxed) + 1;
        if looks < if fine { passes } else { fails } {
            return None;
        }
        self.looks.store(0, Relaxed);
        self.ill.store(!fine, Relaxed);
        if fine {
            self.recovered.store(now, Relaxed);
            self.looked.back();
        } else {
            self.looked.outs.fetch_add(1, Relaxed);
            self.looked.out();
        }
        Some(fine)
    }
}

impl Peer {
    pub(super) fn new(
        endpoint: &ir::Endpoint,
        line: usize,
        server: usize,
        place: Place,
        health: Arc<Health>,
        scale: i64,
    ) -> Self {
        let weight = i64::from(endpoint.weight.max(1));
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        Self {
            label: label(&place),
            place,
            line,
            server,
            down: endpoint.role == Role::Down,
            weight,
            session: Box::default(),
            draining: endpoint.draining,
            slow_start: seconds(endpoint.slow_start),
            scale,
            max_connections: endpoint.max_connections,
            max_fails: endpoint.max_fails,
            fail_timeout: seconds(endpoint.fail_timeout),
            effective: Cell::new(weight),
            health,
        }
    }

    /// One of several equal endpoints, none of which was configured.
    pub(super) fn equal(place: Place) -> Self {
        Self::new(&nowhere(ir::Text::new()), 0, 0, place, Arc::default(), 1)
    }

    pub(super) fn connections(&self) -> u64 {
        u64::from(self.health.connections.load(Relaxed))
    }

    /// Whether another connection is allowed.
    pub(super) fn has_room(&self) -> bool {
        self.max_connections == 0 || self.connections() < u64::from(self.max_connections)
    }

    /// Whether it was not well when it was looked at.
    pub(super) fn is_ill(&self) -> bool {
        self.health.ill.load(Relaxed)
    }

    /// Whether it may be used: not down, not out of rotation, with room. Whole seconds.
    pub(super) fn usable(&self, now: i64) -> bool {
        !self.draining && self.takes_sessions(now)
    }

    /// Whether it may be used for its own sessions.
    pub(super) fn takes_sessions(&self, now: i64) -> bool {
        let healthy = || {
            self.max_fails == 0
                || self.health.fails.load(Relaxed) < self.max_fails
                || now - self.health.checked.load(Relaxed) > self.fail_timeout
        };
        !self.down && !self.health.ill.load(Relaxed) && healthy() && self.has_room()
    }

    /// Whether and how it is used.
    pub(super) fn state(&self, now: i64) -> Use {
        let Health { fails, checked, ill, looked, .. } = &*self.health;
        if self.down {
            Use::Down
        } else if ill.load(Relaxed) {
            if looked.all.load(Relaxed) == 0 { Use::Checking } else { Use::Unhealthy }
        } else if self.max_fails > 0
            && fails.load(Relaxed) >= self.max_fails
            && now - checked.load(Relaxed) <= self.fail_timeout
        {
            Use::Unavailable
        } else if self.draining {
            Use::Draining
        } else {
            Use::Up
        }
    }

    /// It is chosen: one request in each period finds out whether it is alive again.
    pub(super) fn probe(&self, now: i64) {
        if now - self.health.checked.load(Relaxed) > self.fail_timeout {
            self.health.checked.store(now, Relaxed);
        }
    }

    /// Takes part in a turn of the smooth round robin; gives the weight it took part with.
    pub(super) fn advance(&self, now: i64) -> i64 {
        let effective = self.effective.get();
        let gain = self.grown(effective, now);
        self.health.current.fetch_add(gain, Relaxed);
        if effective < self.weight {
            self.effective.set(effective + 1);
        }
        gain
    }

    /// Its weight in the turns under way.
    pub(super) fn current(&self) -> i64 {
        self.health.current.load(Relaxed)
    }

    /// It is chosen, and gives back what all took part with.
    pub(super) fn give_back(&self, total: i64) {
        self.health.current.fetch_sub(total, Relaxed);
    }

    /// Its share now, to be compared with those of the same list.
    pub(super) fn share(&self, now: i64) -> u64 {
        self.grown(self.weight, now).cast_unsigned()
    }

    /// How much of a weight counts after a time out of use.
    fn grown(&self, weight: i64, now: i64) -> i64 {
        let full = weight * self.scale;
        if self.slow_start == 0 {
            return full;
        }
        let passed = now - self.health.recovered.load(Relaxed);
        if passed >= self.slow_start { full } else { (full * passed.max(0) / self.slow_start).max(1) }
    }

    /// The time that it takes, in microseconds; nought is not known. `now` is in milliseconds.
    pub(super) fn time(&self, timing: ir::Timing, now: i64) -> u64 {
        let average = if timing.whole { &self.health.whole } else { &self.health.head };
        let under_way = if timing.under_way { self.health.under_way(now).saturating_mul(1000) } else { 0 };
        average.micros().max(under_way)
    }

    /// Counts the end of a try; true when it is out of rotation now.
    pub(super) fn judge(&self, verdict: Verdict, now: i64) -> bool {
        let Health { fails, accessed, checked, recovered, .. } = &*self.health;
        match verdict {
            Verdict::Failed => {
                let fails = fails.fetch_add(1, Relaxed) + 1;
                accessed.store(now, Relaxed);
                checked.store(now, Relaxed);
                if self.max_fails == 0 {
                    return false;
                }
                let less = self.weight / i64::from(self.max_fails);
                self.effective.set((self.effective.get() - less).max(0));
                let out = fails >= self.max_fails;
                if out {
                    self.health.looked.out();
                }
                out
            }
            Verdict::Succeeded | Verdict::Neutral => {
                if accessed.load(Relaxed) < checked.load(Relaxed) {
                    let before = fails.swap(0, Relaxed);
                    if before >= self.max_fails {
                        self.health.looked.back();
                    }
                    if self.slow_start > 0 && self.max_fails > 0 && before >= self.max_fails {
                        recovered.store(now, Relaxed);
                    }
                }
                false
            }
        }
    }
}

/// An endpoint that no configuration speaks of.
pub(super) fn nowhere(address: ir::Text) -> ir::Endpoint {
    ir::Endpoint {
        address,
        default_port: 0,
        weight: 1,
        max_connections: 0,
        max_fails: 1,
        fail_timeout: Duration::from_secs(10),
        role: Role::Active,
        resolve: false,
        service: None,
        slow_start: Duration::ZERO,
        draining: false,
        route: ir::Text::new(),
        member: None,
        span: crate::source::Span::NONE,
    }
}

fn label(place: &Place) -> Rc<str> {
    match place {
        Place::Tcp(addr) => addr.to_string().into(),
        Place::Unix(path) => format!("unix:{}", path.display()).into(),
    }
}
