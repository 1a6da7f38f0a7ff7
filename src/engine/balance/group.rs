//! Members that share a cluster's requests: what state they are in, and which of them takes a request.
//!
//! States and counters are atomics that all workers share, so that turns are taken as if there were one
//! worker. An election reads and adds; where two happen at once both are valid turns, and what one gains
//! the other still gives back: the sum of all turns stays nought.

use std::{
    cell::RefCell,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{
            AtomicI64, AtomicU32, AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed},
        },
    },
};

use arc_swap::ArcSwap;

use super::average::Average;
use crate::{
    ir::{self, Duty, Share, State, Text},
    plan::{ForwardingPlan, SettingsId, hash::Map},
};

mod hash;
mod manner;
mod session;
mod weakly;
mod whereabouts;

pub use manner::Manner;
pub use session::Session;
use weakly::Weakly;
pub use whereabouts::Whereabouts;

/// Takes no requests.
pub const DISABLED: u32 = 1;
/// Takes no requests, and does not come back by itself.
pub const STOPPED: u32 = 1 << 1;
/// Never counts as failed.
pub const FAULTLESS: u32 = 1 << 2;
/// Takes requests of its own sessions only.
pub const DRAINING: u32 = 1 << 3;
/// Has failed a request.
pub const FAILED: u32 = 1 << 4;
/// Did not pass when its health was looked at.
pub const UNHEALTHY: u32 = 1 << 5;
/// Used for another one of its set.
pub const SPARE: u32 = 1 << 6;
/// Used when no other one of its set can be.
pub const STANDBY: u32 = 1 << 7;

/// With any of these a member cannot be used.
const UNUSABLE: u32 = DISABLED | STOPPED | FAILED | UNHEALTHY;

/// Milliseconds by a clock that never goes back.
pub type Clock = fn() -> i64;

/// What sessions call a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// Its own route; empty for none.
    pub route: Text,
    /// Who takes its sessions when it cannot be used; empty for none.
    pub redirect: Text,
}

/// The state of a member, shared by all workers.
#[derive(Debug)]
pub struct Standing {
    flags: AtomicU32,
    turn: AtomicI64,
    failed_at: AtomicI64,
    busy: AtomicU32,
    connections: AtomicU32,
    elected: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    factor: AtomicU32,
    /// Average time to a head.
    latency: Average,
    /// When the failures counted began, and how many there were.
    live: Mutex<(i64, u32)>,
    set: AtomicU32,
    routes: ArcSwap<Routes>,
}

impl Standing {
    fn new(member: &ir::Member) -> Self {
        let State { disabled, stopped, faultless, draining, failed } = member.state;
        let flag = |on: bool, flag: u32| if on { flag } else { 0 };
        let flags = flag(disabled, DISABLED)
            | flag(stopped, STOPPED)
            | flag(faultless, FAULTLESS)
            | flag(draining, DRAINING)
            | flag(failed, FAILED)
            | flag(member.duty == Duty::Spare, SPARE)
            | flag(member.duty == Duty::Standby, STANDBY);
        let routes = Routes { route: member.route.clone(), redirect: member.redirect.clone() };
        Self {
            flags: AtomicU32::new(flags),
            turn: AtomicI64::new(0),
            failed_at: AtomicI64::new(0),
            busy: AtomicU32::new(0),
            connections: AtomicU32::new(0),
            elected: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            factor: AtomicU32::new(member.factor),
            latency: Average::default(),
            live: Mutex::new((0, 0)),
            set: AtomicU32::new(u32::from(member.set)),
            routes: ArcSwap::from_pointee(routes),
        }
    }

    /// Whether it has one of these states.
    pub fn is(&self, flags: u32) -> bool {
        self.flags.load(Acquire) & flags != 0
    }

    /// Puts these states on or off.
    pub fn put(&self, flags: u32, on: bool) {
        if on {
            self.flags.fetch_or(flags, AcqRel);
        } else {
            self.flags.fetch_and(!flags, AcqRel);
        }
    }

    /// Whether a request may go to it.
    pub fn is_usable(&self) -> bool {
        !self.is(UNUSABLE)
    }

    /// What sessions call it.
    pub fn routes(&self) -> Arc<Routes> {
        self.routes.load_full()
    }

    /// Calls it something else.
    pub fn rename(&self, routes: Routes) {
        self.routes.store(Arc::new(routes));
    }

    /// Its share, in hundredths.
    pub fn factor(&self) -> u32 {
        self.factor.load(Relaxed)
    }

    /// Gives it another share.
    pub fn weigh(&self, factor: u32) {
        self.factor.store(factor.max(1), Relaxed);
    }

    /// The set it is in.
    pub fn set(&self) -> u32 {
        self.set.load(Relaxed)
    }

    /// Puts it into another set.
    pub fn move_to(&self, set: u32) {
        self.set.store(set, Relaxed);
    }

    /// Requests under way.
    pub fn busy(&self) -> u32 {
        self.busy.load(Relaxed)
    }

    /// Requests that it took.
    pub fn elected(&self) -> u64 {
        self.elected.load(Relaxed)
    }

    /// Bytes sent to it, and received from it.
    pub fn traffic(&self) -> (u64, u64) {
        (self.sent.load(Relaxed), self.received.load(Relaxed))
    }

    /// Counts bytes.
    pub fn count(&self, sent: u64, received: u64) {
        self.sent.fetch_add(sent, Relaxed);
        self.received.fetch_add(received, Relaxed);
    }

    /// Takes note of how long the head of an answer took. Each counts for an eighth of the average.
    pub fn answered_in(&self, time: std::time::Duration) {
        self.latency.add(time);
    }

    fn latency(&self) -> u64 {
        self.latency.micros()
    }

    fn advance(&self) -> i64 {
        let factor = i64::from(self.factor());
        self.turn.fetch_add(factor, Relaxed);
        factor
    }

    /// What it has gained and not given back.
    pub fn turn(&self) -> i64 {
        self.turn.load(Relaxed)
    }

    /// A connection more than `max` is not to be had.
    pub fn connect(self: &Arc<Self>, max: u32) -> Option<Connected> {
        let fits = |count: u32| (max == 0 || count < max).then_some(count + 1);
        self.connections.fetch_update(AcqRel, Acquire, fits).ok().map(|_| Connected(Arc::clone(self)))
    }
}

/// A connection that counts until it is dropped.
#[derive(Debug)]
pub struct Connected(Arc<Standing>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, AcqRel);
    }
}

/// The states of members by group and URL: they outlive a plan.
#[derive(Debug, Default)]
pub struct Standings {
    known: Mutex<Weakly<(u64, Text), Standing>>,
    /// What was changed of groups.
    manners: manner::Known,
}

impl Standings {
    fn of(&self, definition: u64, name: &Text, member: &ir::Member) -> Arc<Standing> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (definition, name.clone());
        if let Some(standing) = known.get(&key) {
            return standing;
        }
        let standing = Arc::new(Standing::new(member));
        known.insert(key, &standing);
        standing
    }
}

/// A group as all workers see it.
#[derive(Debug)]
pub struct Group {
    how: ir::Group,
    number: u64,
    shared: Arc<manner::Shared>,
    members: Vec<(ir::Endpoint, ir::Member, Arc<Standing>)>,
    whereabouts: Vec<Whereabouts>,
    clock: Clock,
    /// Settings in force with those of a member over them.
    laid: RefCell<Map<(SettingsId, usize), Arc<ForwardingPlan>>>,
}

/// A member chosen. The request counts as one under way until dropped.
#[derive(Debug)]
pub struct Elected {
    /// Its number.
    pub index: usize,
    /// Its state.
    pub standing: Arc<Standing>,
    /// Whether it is not the one that the session asked for.
    pub changed: bool,
}

impl Drop for Elected {
    fn drop(&mut self) {
        self.standing.busy.fetch_sub(1, AcqRel);
    }
}

/// Why no member takes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nobody {
    /// None can be used now.
    Usable,
    /// The session's cannot be used, and it is to have no other one.
    Forced,
}

impl Group {
    /// The group of a cluster; its members' states are those of anybody with the same definition.
    pub fn new(cluster: &ir::Cluster, how: &ir::Group, standings: &Standings, clock: Clock) -> Self {
        let definition = definition(cluster);
        let members: Vec<_> = cluster
            .endpoints
            .iter()
            .filter_map(|endpoint| {
                let member = endpoint.member.as_deref()?.clone();
                let name = if how.states.is_empty() { &member.url } else { &member.route };
                let standing = standings.of(definition, name, &member);
                Some((endpoint.clone(), member, standing))
            })
            .collect();
        let shared = standings.manners.of(definition, how);
        let whereabouts =
            members.iter().map(|(endpoint, member, _)| Whereabouts::of(endpoint, member)).collect();
        let laid = RefCell::default();
        Self { how: how.clone(), number: definition, shared, members, whereabouts, clock, laid }
    }

    /// How it was defined.
    pub fn how(&self) -> &ir::Group {
        &self.how
    }

    /// How a request is forwarded to a member where these settings are in force.
    pub fn forwarding(
        &self,
        id: SettingsId,
        base: &Arc<ForwardingPlan>,
        index: usize,
    ) -> Arc<ForwardingPlan> {
        if self.whereabouts.get(index).is_none_or(|found| found.plain) {
            return Arc::clone(base);
        }
        let Some((_, member, _)) = self.members.get(index) else { return Arc::clone(base) };
        let mut laid = self.laid.borrow_mut();
        let known = laid.entry((id, index)).or_insert_with(|| Arc::new(base.under(&member.settings)));
        Arc::clone(known)
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// What is spoken to all members; `None` where they differ.
    pub fn protocol(&self) -> Option<ir::Protocol> {
        let mut members = self.members.iter().map(|(_, member, _)| member.protocol);
        let first = members.next().unwrap_or(ir::Protocol::Http);
        members.all(|protocol| protocol == first).then_some(first)
    }

    /// A member, where it is and its state.
    pub fn member(&self, index: usize) -> Option<&(ir::Endpoint, ir::Member, Arc<Standing>)> {
        self.members.get(index)
    }

    /// Where a member is.
    pub fn whereabouts(&self, index: usize) -> Option<&Whereabouts> {
        self.whereabouts.get(index)
    }

    /// All members.
    pub fn members(&self) -> impl Iterator<Item = &(ir::Endpoint, ir::Member, Arc<Standing>)> {
        self.members.iter()
    }

    /// How many members may be tried after the first.
    pub fn attempts(&self) -> u32 {
        self.manner().attempts.unwrap_or_else(|| (self.members.len() as u32).saturating_sub(1))
    }

    /// Elects the member that takes a request of this session's route.
    pub fn elect(&self, route: Option<&[u8]>) -> Result<Elected, Nobody> {
        self.elect_by(route, &[])
    }

    /// The same where members may share by the hash of a key.
    pub fn elect_by(&self, route: Option<&[u8]>, key: &[u8]) -> Result<Elected, Nobody> {
        if self.how.alone {
            return self.members.first().map_or(Err(Nobody::Usable), |_| Ok(self.chosen(0, false)));
        }
        self.recover();
        let found = route.filter(|route| !route.is_empty()).and_then(|route| self.by_route(route, 1));
        if let Some(index) = found {
            // Sessions count as turns, over all that can be used.
            let usable = self.members.iter().filter(|(_, _, standing)| standing.is_usable());
            let total: i64 = usable.map(|(_, _, standing)| standing.advance()).sum();
            self.members[index].2.turn.fetch_sub(total, Relaxed);
            let own = self.members[index].2.routes.load();
            return Ok(self.chosen(index, route.is_some_and(|route| *own.route != *route)));
        }
        let manner = self.manner();
        if let Some(route) = route
            && manner.sticky.as_ref().is_some_and(|sticky| sticky.force)
            && self.members.iter().any(|(_, _, standing)| *standing.routes.load().route == *route)
        {
            return Err(Nobody::Forced);
        }
        let index = self.best(manner.share, key).ok_or(Nobody::Usable)?;
        Ok(self.chosen(index, manner.sticky.is_some()))
    }

    /// The least busy of the members in use that were not tried.
    pub fn elect_but(&self, tried: &[usize]) -> Option<Elected> {
        let fit = |index: &usize| {
            let standing = &self.members[*index].2;
            !tried.contains(index) && standing.is_usable() && !standing.is(DRAINING | SPARE | STANDBY)
        };
        let others = (0..self.members.len()).filter(fit);
        let index = others.min_by_key(|index| self.members[*index].2.busy.load(Relaxed))?;
        Some(self.chosen(index, self.how.sticky.is_some()))
    }

    /// Takes note that a member failed a request.
    pub fn fail(&self, standing: &Standing) -> bool {
        let counts = !self.how.alone && !standing.is(FAULTLESS);
        if counts {
            standing.failed_at.store((self.clock)(), Relaxed);
            standing.put(FAILED, true);
        }
        counts
    }

    /// Takes note of the answer to a request, or that there was none; whether the member is out of use for it now.
    pub fn lived(&self, standing: &Standing, status: Option<u16>) -> bool {
        let Some(live) = self.how.live.as_ref().filter(|live| live.failures > 0) else { return false };
        let failed = match status {
            Some(status) => live.statuses.iter().any(|(from, to)| (*from..=*to).contains(&status)),
            None => true,
        };
        if !failed || standing.is(UNHEALTHY) {
            return false;
        }
        let now = (self.clock)();
        let mut counted = standing.live.lock().unwrap_or_else(PoisonError::into_inner);
        let period = i64::try_from(live.period.as_millis()).unwrap_or(i64::MAX);
        if counted.1 == 0 || now - counted.0 > period {
            *counted = (now, 0);
        }
        counted.1 += 1;
        if counted.1 < live.failures {
            return false;
        }
        *counted = (now, 0);
        drop(counted);
        self.put_out(standing)
    }

    /// Takes a member out of use for its health, unless too few would be left; whether it is out.
    pub fn put_out(&self, standing: &Standing) -> bool {
        let others = self.members.iter().filter(|(_, _, other)| {
            !std::ptr::eq(&raw const **other, std::ptr::from_ref(standing)) && other.is_usable()
        });
        let enough = others.count() >= self.how.keep as usize;
        if enough {
            standing.put(UNHEALTHY, true);
        }
        enough
    }

    fn chosen(&self, index: usize, changed: bool) -> Elected {
        let standing = Arc::clone(&self.members[index].2);
        standing.busy.fetch_add(1, AcqRel);
        standing.elected.fetch_add(1, Relaxed);
        Elected { index, standing, changed }
    }

    /// A member that failed comes back when it has rested.
    fn retry(&self, index: usize) {
        let (_, member, standing) = &self.members[index];
        if !standing.is(FAILED) || standing.is(STOPPED) {
            return;
        }
        let rest = i64::try_from(member.rest.as_millis()).unwrap_or(i64::MAX);
        let rested = (self.clock)() - standing.failed_at.load(Relaxed) > rest;
        if standing.is(FAULTLESS) || rested {
            standing.put(FAILED, false);
        }
    }

    /// Takes all members back when all have failed.
    fn recover(&self) {
        for index in 0..self.members.len() {
            self.retry(index);
            if !self.members[index].2.is(FAILED) {
                return;
            }
        }
        if self.how.recover {
            for (_, _, standing) in &self.members {
                standing.put(FAILED, false);
            }
        }
    }

    /// The member of a route, or who takes its sessions; standbys last.
    fn by_route(&self, route: &[u8], depth: usize) -> Option<usize> {
        for standby in [false, true] {
            for (index, (_, _, standing)) in self.members.iter().enumerate() {
                let routes = standing.routes.load();
                if standing.is(STANDBY) != standby || routes.route.is_empty() || *routes.route != *route {
                    continue;
                }
                self.retry(index);
                if standing.is_usable() {
                    return Some(index);
                }
                if !routes.redirect.is_empty()
                    && depth < self.members.len()
                    && let Some(other) = self.by_route(&routes.redirect, depth + 1)
                {
                    return Some(other);
                }
            }
        }
        None
    }

    /// The best of the lowest set that has any member to use.
    fn best(&self, share: Share, key: &[u8]) -> Option<usize> {
        let highest = self.members.iter().map(|(_, _, standing)| standing.set()).max()?;
        let mut best = Best { share, key, found: None, traffic: 0, total: 0, score: 0.0 };
        for set in 0..=highest {
            let in_set = |index: &usize| self.members[*index].2.set() == set;
            let mut missing = 0;
            for index in (0..self.members.len()).filter(in_set) {
                let standing = &self.members[index].2;
                let duty = standing.is(SPARE | STANDBY);
                if standing.is(DRAINING) {
                    missing += usize::from(!duty);
                    continue;
                }
                self.retry(index);
                if duty {
                    continue;
                }
                if standing.is_usable() {
                    best.consider(&self.members, index);
                } else {
                    missing += 1;
                }
            }
            let fit = |index: &usize, flag: u32| {
                let standing = &self.members[*index].2;
                standing.is(flag) && !standing.is(DRAINING) && standing.is_usable()
            };
            let all = || (0..self.members.len()).filter(in_set);
            for index in all().filter(|index| fit(index, SPARE)).take(missing) {
                best.consider(&self.members, index);
            }
            if best.found.is_none() {
                let standbys = all().filter(|index| fit(index, STANDBY) && !fit(index, SPARE));
                for index in standbys {
                    best.consider(&self.members, index);
                }
            }
            if let Some(found) = best.found {
                if best.total > 0 {
                    self.members[found].2.turn.fetch_sub(best.total, Relaxed);
                }
                return Some(found);
            }
        }
        None
    }
}

/// The best member so far.
struct Best<'k> {
    share: Share,
    key: &'k [u8],
    score: f64,
    found: Option<usize>,
    traffic: u64,
    total: i64,
}

impl Best<'_> {
    fn consider(&mut self, members: &[(ir::Endpoint, ir::Member, Arc<Standing>)], index: usize) {
        let one = &members[index].2;
        let better = match self.share {
            Share::Requests => {
                self.total += one.advance();
                self.found.is_none_or(|best| one.turn() > members[best].2.turn())
            }
            Share::Traffic => {
                let (sent, received) = one.traffic();
                let factor = u64::from(one.factor());
                let traffic = sent / factor + received / factor;
                let better = self.found.is_none() || traffic < self.traffic;
                if better {
                    self.traffic = traffic;
                }
                better
            }
            Share::Busyness => {
                self.total += one.advance();
                self.found.is_none_or(|best| {
                    let other = &members[best].2;
                    let (ours, theirs) = (one.busy(), other.busy());
                    ours < theirs || (ours == theirs && one.turn() > other.turn())
                })
            }
            Share::Latency => {
                self.total += one.advance();
                self.found.is_none_or(|best| {
                    let other = &members[best].2;
                    let (ours, theirs) = (one.latency(), other.latency());
                    ours < theirs || (ours == theirs && one.turn() > other.turn())
                })
            }
            Share::Hash => {
                let score = hash::score(self.key, &members[index].1, one.factor());
                let better = self.found.is_none() || score > self.score;
                if better {
                    self.score = score;
                }
                better
            }
        };
        if better {
            self.found = Some(index);
        }
    }
}

/// A number for a group: the same as long as it is defined the same.
fn definition(cluster: &ir::Cluster) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    let states = cluster.group.as_ref().map(|group| &group.states).filter(|states| !states.is_empty());
    states.unwrap_or(&cluster.name).hash(&mut hasher);
    // Two hosts may have groups of one name.
    let hosts = cluster.group.as_ref().and_then(|group| group.hosts.as_deref());
    if let Some([host]) = hosts {
        host.0.hash(&mut hasher);
    }
    for endpoint in &cluster.endpoints {
        if let Some(member) = &endpoint.member {
            if states.is_none() {
                member.url.hash(&mut hasher);
            }
            (member.factor, member.set, member.duty, member.state).hash(&mut hasher);
            (&member.route, &member.redirect).hash(&mut hasher);
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests;
