//! Which endpoint of a cluster takes a request: one policy per file, health and load here.
//!
//! Turns, failures and connections are counted in atomics that all workers
//! share where the configuration asks for it, so that nothing here ever waits;
//! otherwise each worker has its own.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_upstream_module.html>

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use smallvec::SmallVec;

use super::{
    clock,
    connect::Place,
    resolve::{Resolved, Spot, Target},
};
use crate::{
    ir::{self, Affinity, Balance, ClusterId, HostId, IdleConnections, Role, Text},
    plan::{Plan, hash::Map},
};

mod address;
mod average;
pub mod figures;
pub mod group;
mod hash;
mod ketama;
mod learned;
mod least;
pub mod line;
mod peer;
mod random;
mod round_robin;

use group::{Group, Standings};
use learned::Table;
use line::Line;
use peer::{Health, List, Peer};

/// After so many unusable choices a policy gives way to round robin.
const TURNS: u32 = 20;

/// Clusters of authorities known only at run time that are kept.
const DYNAMIC: usize = 512;

/// Seconds by a clock that never goes back.
pub type Clock = fn() -> i64;

/// Milliseconds by the same clock as [`uptime`].
fn milliseconds() -> i64 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    (1 << 42)
        + i64::try_from(clock::since(*BEGAN.get_or_init(clock::moment)).as_millis()).unwrap_or(i64::MAX >> 1)
}

/// Seconds since long before the process began, so that an endpoint never asked counts as asked long ago.
pub fn uptime() -> i64 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    (1 << 32) + clock::since(*BEGAN.get_or_init(clock::moment)).as_secs() as i64
}

/// The clusters of a plan, as one worker sees them.
#[derive(Debug)]
pub struct Clusters {
    all: Vec<Rc<Cluster>>,
    /// Names that an authority known at run time may be: lower case.
    named: HashMap<Vec<u8>, Rc<Cluster>>,
    /// Groups by scheme and authority of their URL, with what follows; of those the longest first.
    urls: Map<Vec<u8>, Vec<(Text, Rc<Cluster>)>>,
    dynamic: RefCell<HashMap<Looked, Rc<Cluster>>>,
}

/// An authority and the places it was found at.
type Looked = (Vec<u8>, Vec<Place>);

impl Clusters {
    /// The clusters of a plan at the addresses that their names have.
    pub fn new(plan: &Plan, addresses: &Arc<Resolved>, zones: &Arc<Zones>) -> Self {
        let of = |cluster: &ir::Cluster| {
            Rc::new(Cluster::new(cluster, Arc::clone(addresses), Arc::clone(zones), uptime))
        };
        let all: Vec<_> = plan.config.clusters.iter().map(of).collect();
        let mut named = HashMap::new();
        for (cluster, of) in all.iter().zip(&plan.config.clusters) {
            named.entry(of.name.to_ascii_lowercase()).or_insert_with(|| Rc::clone(cluster));
        }
        // An authority written elsewhere serves one that names the same host and port.
        for (cluster, of) in all.iter().zip(&plan.config.clusters) {
            if let ([endpoint], false) = (of.endpoints.as_slice(), of.declared)
                && let Spot::Name(host, port) = Spot::of(&endpoint.address, endpoint.default_port)
            {
                let name = format!("{host}:{port}").to_ascii_lowercase();
                named.entry(name.into_bytes()).or_insert_with(|| Rc::clone(cluster));
            }
        }
        let mut urls = Map::<Vec<u8>, Vec<(Text, Rc<Cluster>)>>::default();
        let mut groups: Vec<_> = all.iter().filter_map(|of| Some((of.group.as_ref()?.how(), of))).collect();
        // Stable: of equals the first written, and that of all hosts before that of some.
        groups.sort_by_key(|(how, _)| (std::cmp::Reverse(how.url.len()), how.hosts.is_some()));
        for (how, cluster) in groups {
            let place = urls.entry(how.url[..origin(&how.url)].to_ascii_lowercase()).or_default();
            place.push((Text::from(&how.url[origin(&how.url)..]), Rc::clone(cluster)));
        }
        Self { all, named, urls, dynamic: RefCell::default() }
    }

    /// The cluster of an id.
    pub fn cluster(&self, id: ClusterId) -> Rc<Cluster> {
        Rc::clone(&self.all[id.0 as usize])
    }

    /// The cluster of a name, without regard to case.
    pub fn named(&self, name: &[u8]) -> Option<Rc<Cluster>> {
        self.named.get(name.to_ascii_lowercase().as_slice()).cloned()
    }

    /// The group whose URL is the longest that this one begins with. Scheme and authority are in lower case.
    pub fn by_url(&self, host: HostId, url: &[u8]) -> Option<(Rc<Cluster>, usize)> {
        let (origin, path) = url.split_at(origin(url));
        let place = self.urls.get(origin)?;
        let serves = |group: &Group| group.how().hosts.as_ref().is_none_or(|hosts| hosts.contains(&host));
        let begins = |(prefix, cluster): &&(Text, Rc<Cluster>)| {
            path.starts_with(prefix) && cluster.group.as_ref().is_some_and(serves)
        };
        place.iter().find(begins).map(|(prefix, cluster)| (Rc::clone(cluster), origin.len() + prefix.len()))
    }

    /// All clusters.
    pub fn all(&self) -> impl Iterator<Item = &Rc<Cluster>> {
        self.all.iter()
    }

    /// A member for itself at a URL that no group has, for one request.
    pub fn passing(&self, member: ir::Member, address: Text, default_port: u16) -> Rc<Cluster> {
        Rc::new(Cluster::passing(member, address, default_port))
    }

    /// A cluster of equal endpoints for an authority that was looked up, or is a Unix socket.
    pub fn dynamic(&self, authority: &[u8], default_port: u16, addresses: &[SocketAddr]) -> Rc<Cluster> {
        let addresses: Vec<_> = match Spot::of(authority, default_port) {
            Spot::Unix(path) => vec![Place::Unix(path)],
            _ => addresses.iter().copied().map(Place::Tcp).collect(),
        };
        let key = (authority.to_vec(), addresses);
        let mut dynamic = self.dynamic.borrow_mut();
        if let Some(cluster) = dynamic.get(&key) {
            return Rc::clone(cluster);
        }
        if dynamic.len() >= DYNAMIC {
            dynamic.clear();
        }
        let cluster = Rc::new(Cluster::of_addresses(authority, &key.1));
        dynamic.insert(key, Rc::clone(&cluster));
        cluster
    }
}

/// Health and load that all workers share and that survive a reload.
#[derive(Debug, Default)]
pub struct Zones {
    health: Mutex<HashMap<(u64, Place), Weak<Health>>>,
    standings: Standings,
    /// By name and room.
    tables: Mutex<HashMap<(Text, u32), Weak<Table>>>,
    /// By the number of a cluster.
    lines: Mutex<HashMap<u64, Weak<Line>>>,
}

impl Zones {
    /// The health of an endpoint: the same for everyone who asks with the same definition.
    fn health(&self, definition: u64, place: &Place) -> Arc<Health> {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = health.get(&(definition, place.clone())).and_then(Weak::upgrade) {
            return known;
        }
        health.retain(|_, health| health.strong_count() > 0);
        let new = Arc::<Health>::default();
        health.insert((definition, place.clone()), Arc::downgrade(&new));
        new
    }

    fn table(&self, name: &Text, entries: u32) -> Arc<Table> {
        known_or(&self.tables, (name.clone(), entries), || Table::new(entries))
    }

    fn line(&self, cluster: u64) -> Arc<Line> {
        known_or(&self.lines, cluster, Line::default)
    }
}

/// What is known by a key, as long as somebody has it; else a new one.
fn known_or<K: Eq + Hash, V>(known: &Mutex<HashMap<K, Weak<V>>>, key: K, make: impl FnOnce() -> V) -> Arc<V> {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(there) = known.get(&key).and_then(Weak::upgrade) {
        return there;
    }
    known.retain(|_, there| there.strong_count() > 0);
    let made = Arc::new(make());
    known.insert(key, Arc::downgrade(&made));
    made
}

/// A cluster as one worker sees it.
#[derive(Debug)]
pub struct Cluster {
    number: u64,
    label: Rc<str>,
    balance: Balance,
    idle: Option<IdleConnections>,
    clock: Clock,
    /// Where names are looked up anew; `None` when the addresses never change.
    names: Option<Arc<Resolved>>,
    definition: Vec<ir::Endpoint>,
    generation: Cell<u64>,
    endpoints: RefCell<Rc<Endpoints>>,
    /// Where health is shared; `None` keeps it to this worker.
    zones: Option<Arc<Zones>>,
    group: Option<Group>,
    affinity: Option<Box<Affinity>>,
    /// What endpoints said of sessions.
    table: Option<Arc<Table>>,
    queue: Option<(ir::Queue, Arc<Line>)>,
    watches: Vec<ir::Watch>,
}

/// The endpoints of a cluster at the addresses known.
#[derive(Debug, Default)]
struct Endpoints {
    active: List,
    backup: List,
    /// One active endpoint and no backup: it is always tried.
    single: bool,
    ring: Vec<ketama::Point>,
}

/// How a try ended, for the endpoint's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It answered.
    Succeeded,
    /// It did not, or what it answered counts as a failure.
    Failed,
    /// Nothing was learned about it.
    Neutral,
}

/// An endpoint chosen. It counts as a connection until dropped.
#[derive(Debug)]
pub struct Pick {
    /// Where it is.
    pub place: Place,
    /// Its address for logs.
    pub label: Rc<str>,
    peer: Rc<Peer>,
    index: usize,
    backup: bool,
    single: bool,
    /// When it began, in milliseconds.
    began: i64,
    line: Option<Arc<Line>>,
}

impl Pick {
    /// What sessions call the endpoint; empty where nobody asks.
    pub fn session(&self) -> &str {
        &self.peer.session
    }

    /// Takes note of how long the head of an answer took.
    pub fn answered_in(&self, time: Duration) {
        self.peer.health.head.add(time);
    }

    /// And the whole of it.
    pub fn ended_in(&self, time: Duration) {
        self.peer.health.whole.add(time);
    }
}

impl Drop for Pick {
    fn drop(&mut self) {
        self.peer.health.leave(self.began);
        if let Some(line) = self.line.as_ref().filter(|line| line.is_waited_in()) {
            line.told.notify_one();
        }
    }
}

/// What a request has tried, and what it is hashed by.
#[derive(Debug, Default)]
pub struct Tried {
    key: Option<Vec<u8>>,
    client: Option<IpAddr>,
    /// What the session of the request calls its endpoint, until that was looked for.
    wanted: Option<Vec<u8>>,
    /// The endpoints as they were at the first try.
    endpoints: Option<Rc<Endpoints>>,
    backup: bool,
    marks: SmallVec<[u64; 1]>,
    turns: u32,
    hash: Option<u32>,
    rehash: u32,
}

impl Tried {
    /// A request that tried nothing yet.
    pub fn new(hash_key: Option<Vec<u8>>, client_ip: Option<IpAddr>) -> Self {
        Self { key: hash_key, client: client_ip, ..Self::default() }
    }

    /// Looks for the endpoint of a session first.
    #[must_use]
    pub fn of_session(self, wanted: Option<Vec<u8>>) -> Self {
        Self { wanted, ..self }
    }

    /// Lets an endpoint be tried again.
    pub fn forget(&mut self, pick: &Pick) {
        if pick.backup == self.backup
            && let Some(word) = self.marks.get_mut(pick.index / 64)
        {
            *word &= !(1 << (pick.index % 64));
        }
    }

    fn has(&self, index: usize) -> bool {
        self.marks.get(index / 64).is_some_and(|word| word & 1 << (index % 64) != 0)
    }

    fn mark(&mut self, index: usize) {
        let at = index / 64;
        if self.marks.len() <= at {
            self.marks.resize(at + 1, 0);
        }
        self.marks[at] |= 1 << (index % 64);
    }

    /// Goes over to the backups, of which none was tried.
    fn go_to_backup(&mut self) {
        self.backup = true;
        self.marks.clear();
    }
}

impl Cluster {
    fn new(cluster: &ir::Cluster, names: Arc<Resolved>, zones: Arc<Zones>, clock: Clock) -> Self {
        let label: Rc<str> = cluster.name.lossy().into();
        let of = |how: &ir::Group| Group::new(cluster, how, &zones.standings, milliseconds);
        let group = cluster.group.as_deref().map(of);
        let endpoints = if group.is_some() { Vec::new() } else { cluster.endpoints.clone() };
        let mut hasher = DefaultHasher::new();
        cluster.name.hash(&mut hasher);
        for endpoint in &cluster.endpoints {
            (&endpoint.address, endpoint.default_port).hash(&mut hasher);
        }
        let made = Self {
            number: hasher.finish(),
            label,
            balance: cluster.balance.clone(),
            idle: cluster.idle,
            clock,
            names: None,
            definition: endpoints,
            generation: Cell::new(names.generation()),
            endpoints: RefCell::default(),
            affinity: cluster.affinity.clone(),
            table: match cluster.affinity.as_deref() {
                Some(Affinity::Learned { table, entries, .. }) => Some(zones.table(table, *entries)),
                _ => None,
            },
            queue: cluster.queue.map(|queue| {
                let line = if cluster.shared { zones.line(hasher.finish()) } else { Arc::default() };
                (queue, line)
            }),
            watches: cluster.watches.clone(),
            zones: cluster.shared.then_some(zones),
            group,
        };
        made.endpoints.replace(Rc::new(made.build(&|endpoint| names.targets(endpoint), None)));
        Self { names: Some(names), ..made }
    }

    /// Equal endpoints at these addresses.
    fn of_addresses(authority: &[u8], addresses: &[Place]) -> Self {
        let mut hasher = DefaultHasher::new();
        authority.hash(&mut hasher);
        let peers = addresses.iter().map(|place| Rc::new(Peer::equal(place.clone()))).collect();
        let active = List::new(peers);
        let single = active.peers.len() == 1;
        Self {
            number: hasher.finish(),
            label: String::from_utf8_lossy(authority).into(),
            balance: Balance::RoundRobin,
            idle: None,
            clock: uptime,
            names: None,
            definition: Vec::new(),
            generation: Cell::new(0),
            endpoints: RefCell::new(Rc::new(Endpoints { active, single, ..Endpoints::default() })),
            zones: None,
            group: None,
            affinity: None,
            table: None,
            queue: None,
            watches: Vec::new(),
        }
    }

    /// One member for itself that nobody else knows.
    fn passing(member: ir::Member, address: Text, default_port: u16) -> Self {
        let mut made = Self::of_addresses(&member.url, &[]);
        let how = ir::Group::alone(member.url.clone());
        let endpoint =
            ir::Endpoint { default_port, member: Some(Box::new(member)), ..peer::nowhere(address) };
        let cluster = ir::Cluster {
            name: how.url.clone(),
            declared: false,
            balance: Balance::RoundRobin,
            idle: None,
            shared: false,
            resolve: None,
            affinity: None,
            queue: None,
            watches: Vec::new(),
            endpoints: vec![endpoint],
            group: None,
            span: crate::source::Span::NONE,
        };
        made.group = Some(Group::new(&cluster, &how, &Standings::default(), milliseconds));
        made
    }

    /// The members among whom requests are shared, where it is a group.
    pub fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    /// Who belongs to it, as configured; nobody where it stands for an authority made when it was read.
    pub fn endpoints(&self) -> impl Iterator<Item = &ir::Endpoint> {
        let members = self.group.iter().flat_map(|group| group.members().map(|(endpoint, ..)| endpoint));
        self.definition.iter().chain(members)
    }

    /// A number that outlives plans: the same for the same name and endpoints.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Its name.
    pub fn label(&self) -> Rc<str> {
        Rc::clone(&self.label)
    }

    /// How an endpoint is chosen.
    pub fn balance(&self) -> &Balance {
        &self.balance
    }

    /// Idle connections to keep.
    pub fn idle(&self) -> Option<&IdleConnections> {
        self.idle.as_ref()
    }

    /// What keeps sessions on an endpoint.
    pub fn affinity(&self) -> Option<&Affinity> {
        self.affinity.as_deref()
    }

    /// Where requests wait for an endpoint.
    pub fn queue(&self) -> Option<&(ir::Queue, Arc<Line>)> {
        self.queue.as_ref()
    }

    /// How the health of its endpoints is looked at.
    pub fn watches(&self) -> &[ir::Watch] {
        &self.watches
    }

    /// Whether the time that endpoints take counts.
    pub fn is_timed(&self) -> bool {
        matches!(self.balance, Balance::LeastTime(_) | Balance::RandomTwo(Some(_)))
    }

    /// What the endpoint of a session is called that one of them began.
    pub fn learned(&self, session: &[u8], lasts: Duration) -> Option<Vec<u8>> {
        let lasts = i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX);
        self.table.as_ref()?.find(session, lasts, (self.clock)())
    }

    /// Remembers that an endpoint began a session, or goes on with it.
    pub fn learn(&self, session: &[u8], pick: &Pick, lasts: Duration) {
        let lasts = i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX);
        if let Some(table) = &self.table {
            table.put(session, pick.session(), lasts, (self.clock)());
        }
    }

    /// Where its endpoints are, but for those that are never used.
    pub fn places(&self) -> Vec<Place> {
        let endpoints = self.current();
        let lists = [&endpoints.active, &endpoints.backup];
        let peers = lists.into_iter().flat_map(|list| &list.peers).filter(|peer| !peer.down);
        peers.map(|peer| peer.place.clone()).collect()
    }

    /// Takes the endpoint at a place out of use until it was looked at; one that was already only where that does not
    /// count.
    pub fn suspect(&self, place: &Place, earlier_looks_count: bool) {
        for peer in self.of_place(place) {
            if !earlier_looks_count || peer.health.looked.all.load(Relaxed) == 0 {
                peer.health.suspect();
            }
        }
    }

    /// Takes note of a look at the endpoint at a place; whether it is used from now on, or no longer.
    pub fn look(&self, place: &Place, fine: bool, passes: u32, fails: u32) -> Option<bool> {
        let now = (self.clock)();
        let changed = self.of_place(place).into_iter().map(|peer| peer.health.look(fine, passes, fails, now));
        changed.fold(None, Option::or)
    }

    fn of_place(&self, place: &Place) -> Vec<Rc<Peer>> {
        let endpoints = self.current();
        let lists = [&endpoints.active, &endpoints.backup];
        let peers = lists.into_iter().flat_map(|list| &list.peers);
        peers.filter(|peer| peer.place == *place).map(Rc::clone).collect()
    }

    /// How many endpoints there are to try: those not down, backups included.
    pub fn tries(&self) -> u32 {
        let endpoints = self.current();
        let up = |list: &List| list.peers.iter().filter(|peer| !peer.down).count() as u32;
        up(&endpoints.active) + up(&endpoints.backup)
    }

    /// Chooses an endpoint that was not tried yet; `None` when there is none left to use.
    pub fn pick(&self, tried: &mut Tried) -> Option<Pick> {
        let endpoints = Rc::clone(tried.endpoints.get_or_insert_with(|| self.current()));
        let now = (self.clock)();
        let wanted = tried.wanted.take();
        let index = match wanted.and_then(|wanted| endpoints.of_session(&wanted, tried, now)) {
            Some(index) => index,
            None => endpoints.choose(&self.balance, tried, now)?,
        };
        let backup = tried.backup;
        let peer = Rc::clone(endpoints.list(backup).peers.get(index)?);
        let began = milliseconds();
        peer.health.enter(began);
        let (place, label) = (peer.place.clone(), Rc::clone(&peer.label));
        let line = self.queue.as_ref().map(|(_, line)| Arc::clone(line));
        Some(Pick { place, label, peer, index, backup, single: endpoints.single, began, line })
    }

    /// Ends a try; true when its endpoint is out of rotation now because it failed.
    pub fn release(&self, pick: Pick, verdict: Verdict) -> bool {
        let disabled = self.judge(&pick, verdict);
        drop(pick);
        disabled
    }

    /// Takes note of how a try went, while it still counts as a connection.
    pub fn judge(&self, pick: &Pick, verdict: Verdict) -> bool {
        // A cluster's only endpoint is never taken out: its failures do not count.
        !pick.single && pick.peer.judge(verdict, (self.clock)())
    }

    /// The endpoints at the addresses now known.
    fn current(&self) -> Rc<Endpoints> {
        if let Some(names) = &self.names {
            let generation = names.generation();
            if self.generation.replace(generation) != generation {
                let old = Rc::clone(&self.endpoints.borrow());
                let new = self.build(&|endpoint| names.targets(endpoint), Some(&old));
                self.endpoints.replace(Rc::new(new));
            }
        }
        Rc::clone(&self.endpoints.borrow())
    }

    /// Makes the lists; endpoints that were in `old` keep their weights and health.
    fn build(&self, targets: &dyn Fn(&ir::Endpoint) -> Vec<Target>, old: Option<&Endpoints>) -> Endpoints {
        let (mut active, mut backup) = (Vec::new(), Vec::new());
        // Parts of a weight count where shares grow.
        let grows = self.definition.iter().any(|endpoint| !endpoint.slow_start.is_zero());
        let scale = if grows { 1000 } else { 1 };
        for (line, endpoint) in self.definition.iter().enumerate() {
            // Lines with the same text are the same server to the ring.
            let server =
                self.definition.iter().position(|other| other.address == endpoint.address).unwrap_or(line);
            for Target { place, weight, later } in targets(endpoint) {
                let is_backup = endpoint.role == Role::Backup || later;
                if later && (endpoint.role == Role::Backup || !self.balance.knows_backups()) {
                    continue;
                }
                // What the configuration says counts before what a record says.
                let weight = weight.filter(|_| endpoint.weight == 1).unwrap_or(endpoint.weight);
                let known = old.and_then(|old| {
                    let mut peers = old.list(is_backup).peers.iter();
                    peers.find(|peer| {
                        peer.line == line && peer.place == place && peer.weight == i64::from(weight.max(1))
                    })
                });
                let peer = known.map_or_else(
                    || {
                        let health = self.health(endpoint, &place);
                        let own =
                            (weight != endpoint.weight).then(|| ir::Endpoint { weight, ..endpoint.clone() });
                        let endpoint = own.as_ref().unwrap_or(endpoint);
                        let mut peer = Peer::new(endpoint, line, server, place.clone(), health, scale);
                        if self.affinity.is_some() {
                            peer.session = session_name(&endpoint.route, &peer.label);
                        }
                        Rc::new(peer)
                    },
                    Rc::clone,
                );
                if is_backup { backup.push(peer) } else { active.push(peer) }
            }
        }
        let (active, backup) = (List::new(active), List::new(backup));
        let ring = match self.balance {
            Balance::ConsistentHash(_) => ketama::ring(&self.definition, &active),
            _ => Vec::new(),
        };
        Endpoints { single: active.peers.len() == 1 && backup.peers.is_empty(), active, backup, ring }
    }

    fn health(&self, endpoint: &ir::Endpoint, place: &Place) -> Arc<Health> {
        let Some(zones) = &self.zones else { return Arc::default() };
        let ir::Endpoint { address, default_port, weight, max_connections, max_fails, fail_timeout, .. } =
            endpoint;
        let mut hasher = DefaultHasher::new();
        self.label.hash(&mut hasher);
        (address, default_port, weight, max_connections, max_fails, fail_timeout).hash(&mut hasher);
        zones.health(hasher.finish(), place)
    }
}

impl Endpoints {
    fn list(&self, backup: bool) -> &List {
        if backup { &self.backup } else { &self.active }
    }

    /// The index of the endpoint that a session calls so, in the list that `tried` is at or goes to for it.
    fn of_session(&self, wanted: &[u8], tried: &mut Tried, now: i64) -> Option<usize> {
        let find = |list: &List| {
            let called = |peer: &Rc<Peer>| peer.session.as_bytes() == wanted && peer.takes_sessions(now);
            list.peers.iter().position(called)
        };
        let index = match find(&self.active) {
            Some(index) => index,
            // A backup goes on with its sessions as long as it is needed.
            None if self.active.peers.iter().any(|peer| peer.usable(now)) => return None,
            None => {
                let index = find(&self.backup)?;
                tried.go_to_backup();
                index
            }
        };
        self.list(tried.backup).peers[index].probe(now);
        tried.mark(index);
        Some(index)
    }

    /// The index in the list that `tried` is at.
    fn choose(&self, balance: &Balance, tried: &mut Tried, now: i64) -> Option<usize> {
        if self.single || tried.turns > TURNS {
            return round_robin::choose(self, tried, now);
        }
        match balance {
            Balance::RoundRobin => round_robin::choose(self, tried, now),
            Balance::LeastConnections => least::choose(self, tried, None, now),
            Balance::LeastTime(timing) => least::choose(self, tried, Some(*timing), now),
            Balance::ClientAddress => address::choose(self, tried, now),
            Balance::Hash(_) => hash::choose(self, tried, now),
            Balance::ConsistentHash(_) => ketama::choose(self, tried, now),
            Balance::Random => random::choose(self, tried, now),
            Balance::RandomTwo(timing) => random::choose_of_two(self, tried, *timing, now),
        }
    }
}

/// What sessions call an endpoint: its route, else a digest of its address.
fn session_name(route: &[u8], address: &str) -> Box<str> {
    use md5::{Digest as _, Md5};
    use std::fmt::Write as _;
    if !route.is_empty() {
        return String::from_utf8_lossy(route).into();
    }
    let mut name = String::with_capacity(32);
    for byte in Md5::digest(address) {
        let _ = write!(name, "{byte:02x}");
    }
    name.into()
}

/// How much of a URL is scheme and authority.
fn origin(url: &[u8]) -> usize {
    let authority = memchr::memmem::find(url, b"://").map_or(0, |at| at + 3);
    memchr::memchr2(b'/', b'?', &url[authority..]).map_or(url.len(), |at| at + authority)
}

#[cfg(test)]
mod tests;
