//! A worker: one thread that serves connections with memory, pools and a clock of its own.
//!
//! What a plan needs at run time (endpoints' health, logs, certificates) is a
//! [`Serving`]; a reload replaces the worker's, and exchanges under way keep theirs.

use std::{
    cell::{Cell, OnceCell, RefCell},
    hash::{BuildHasher, Hasher, RandomState},
    net::SocketAddr,
    path::PathBuf,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{sync::Notify, task::spawn_local, time::sleep};

use super::{
    balance::Clusters,
    cache::{Caches, Store},
    clock::Clock,
    connection::Place,
    http2::Links,
    idle::Idle,
    limit::{Zone, Zones},
    local::Locals,
    log::Logs,
    maps::Maps,
    pool::Pool,
    tally::{Tallies, Tally},
    tls::Certificates,
};
use crate::{
    ir::{Address, Text},
    plan::{Plan, hash::Map},
};

/// What all workers share.
#[derive(Debug)]
pub struct Shared {
    /// Counters, one set per worker, summed when read.
    pub counters: Box<[Counters]>,
    /// The machine's name.
    pub machine_name: String,
    /// What `Server` says instead of what the configuration has.
    pub server_header: Option<Text>,
    /// By which requests ask that their way is told.
    pub explain: Option<Arc<super::explain::Key>>,
    /// The next connection's serial number.
    pub serial: AtomicU64,
    /// When the process began.
    pub began: Instant,
    /// What limits are counted in.
    pub zones: Zones,
    /// Where responses are kept.
    pub caches: Caches,
    /// What requests are counted in.
    pub tallies: Tallies,
    /// Handshakes with clients.
    pub handshakes: Handshakes,
    /// How many configurations there were.
    pub generation: AtomicU64,
    /// When the last of them came into force, in milliseconds since the epoch.
    pub loaded: AtomicU64,
}

/// Counts of TLS with clients.
#[derive(Debug, Default)]
pub struct Handshakes {
    /// Those that came to a session.
    pub done: AtomicU64,
    /// Those of them that went on with an earlier one.
    pub resumed: AtomicU64,
    /// Those that came to nothing.
    pub failed: AtomicU64,
}

impl Shared {
    /// The number of a new connection.
    pub fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Relaxed)
    }
}

/// Counters of one worker, on a cache line of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Counters {
    active: AtomicU64,
    accepted: AtomicU64,
    requests: AtomicU64,
    reading: AtomicU64,
    writing: AtomicU64,
}

macro_rules! counters {
    ($($(#[$doc:meta])* $read:ident $add:ident $field:ident;)*) => { $(
        $(#[$doc])*
        pub fn $read(&self) -> u64 {
            self.$field.load(Relaxed)
        }
        /// Adds to it. Only the worker that owns the counter may call this.
        pub fn $add(&self, change: i64) {
            self.$field.store(self.$field.load(Relaxed).wrapping_add_signed(change), Relaxed);
        }
    )* };
}

impl Counters {
    counters! {
        /// Client connections open.
        active add_active active;
        /// Client connections accepted.
        accepted add_accepted accepted;
        /// Requests.
        requests add_requests requests;
        /// Connections reading a head.
        reading add_reading reading;
        /// Connections in an exchange.
        writing add_writing writing;
    }
}

/// A plan in force and what it needs at run time, per worker.
#[derive(Debug)]
pub struct Serving {
    /// The plan.
    pub plan: Arc<Plan>,
    /// The endpoints of its clusters: health, load, turn.
    pub clusters: Clusters,
    /// Its logs.
    pub logs: Logs,
    /// What is looked up outside of it.
    pub maps: Maps,
    /// Certificates of its hosts.
    pub certificates: Arc<Certificates>,
    /// What its limits are counted in, once one was looked at.
    pub zones: OnceCell<Box<[Arc<Zone>]>>,
    /// Where its responses are kept, once one was asked for.
    pub caches: OnceCell<Box<[Arc<Store>]>>,
    /// What its requests are counted in, once one was counted.
    pub tallies: OnceCell<Box<[Arc<Tally>]>>,
    /// What directories bring.
    pub locals: Locals,
    places: Map<SocketAddr, usize>,
    paths: Map<PathBuf, usize>,
    over: Cell<bool>,
    ending: Notify,
}

impl Serving {
    /// What is served by a plan.
    pub fn new(
        plan: Arc<Plan>,
        clusters: Clusters,
        logs: Logs,
        maps: Maps,
        certificates: Arc<Certificates>,
    ) -> Self {
        let (mut places, mut paths) = (Map::default(), Map::default());
        for (at, listener) in plan.config.listeners.iter().enumerate() {
            match &listener.address {
                Address::Tcp(addr) => places.insert(*addr, at),
                Address::Unix(path) => paths.insert(path.clone(), at),
            };
        }
        let (over, ending) = (Cell::new(false), Notify::new());
        let locals = Locals::default();
        let (zones, caches, tallies) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self {
            plan,
            clusters,
            logs,
            maps,
            certificates,
            zones,
            caches,
            tallies,
            locals,
            places,
            paths,
            over,
            ending,
        }
    }

    /// The listener of a connection: the address the client connected to, else the one that was bound.
    pub fn listener(&self, place: &Place) -> Option<usize> {
        match place {
            Place::Tcp { local, bound } => self.places.get(local).or_else(|| self.places.get(bound)).copied(),
            Place::Unix(path) => self.paths.get(path.as_path()).copied(),
        }
    }

    /// How long exchanges under way may go on when nothing new is served by it.
    fn patience(&self) -> Option<Duration> {
        self.plan.config.process.shutdown_timeout.filter(|timeout| !timeout.is_zero())
    }

    /// Whether exchanges can be cut off.
    pub fn is_impatient(&self) -> bool {
        self.patience().is_some()
    }

    /// Nothing new is served by it: what is under way has as long as the plan says.
    pub fn retire(self: &Rc<Self>) {
        let Some(patience) = self.patience() else { return };
        let serving = Rc::downgrade(self);
        spawn_local(async move {
            sleep(patience).await;
            if let Some(serving) = serving.upgrade() {
                serving.over.set(true);
                serving.ending.notify_waiters();
            }
        });
    }

    /// Waits until what is under way has to end.
    pub async fn over(&self) {
        while !self.over.get() {
            self.ending.notified().await;
        }
    }
}

/// A worker.
#[derive(Debug)]
pub struct Worker {
    /// Its number, from 0.
    pub index: usize,
    /// What all workers share.
    pub shared: Arc<Shared>,
    /// Time of day.
    pub clock: Clock,
    /// Idle upstream connections.
    pub pool: Pool,
    /// Connections to upstreams that requests share.
    pub links: Links,
    /// Connections open, both sides.
    pub connections: Cell<u32>,
    /// The second in which it was said last that there is no room for another one.
    pub crowded: Cell<u64>,
    /// Whether a graceful stop has begun.
    pub stopping: Cell<bool>,
    /// Tells that a connection ended while the worker stops.
    pub drain: Notify,
    /// Connections to be woken when a stop begins or another plan comes into force.
    pub idle: Idle,
    serving: RefCell<Rc<Serving>>,
    random: Cell<u64>,
}

impl Worker {
    /// A worker that serves a plan.
    pub fn new(index: usize, shared: Arc<Shared>, serving: Serving) -> Rc<Self> {
        Rc::new(Self {
            index,
            shared,
            clock: Clock::default(),
            pool: Pool::default(),
            links: Links::default(),
            connections: Cell::new(0),
            crowded: Cell::new(0),
            stopping: Cell::new(false),
            drain: Notify::new(),
            idle: Idle::default(),
            serving: RefCell::new(Rc::new(serving)),
            random: Cell::new(RandomState::new().build_hasher().finish() | 1),
        })
    }

    /// What is served now.
    pub fn serving(&self) -> Rc<Serving> {
        Rc::clone(&self.serving.borrow())
    }

    /// Whether this is what is served now.
    pub fn serves(&self, serving: &Rc<Serving>) -> bool {
        Rc::ptr_eq(&self.serving.borrow(), serving)
    }

    /// Serves something else from the next request on.
    pub fn replace(&self, serving: Serving) {
        self.serving.replace(Rc::new(serving)).retire();
        self.idle.wake();
    }

    /// Takes no more connections, and no more requests on idle ones.
    pub fn stop(&self) {
        self.stopping.set(true);
        self.serving().retire();
        self.drain.notify_waiters();
        self.idle.wake();
        self.pool.clear();
        self.links.clear();
    }

    /// This worker's counters.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters[self.index]
    }

    /// 128 bits that cannot be guessed: each half is a keyed hash, of a counter.
    pub fn random(&self) -> u128 {
        thread_local! {
            static KEYS: (RandomState, RandomState) = (RandomState::new(), RandomState::new());
        }
        let turn = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(turn);
        KEYS.with(|(one, other)| u128::from(one.hash_one(turn)) << 64 | u128::from(other.hash_one(turn)))
    }
}
