//! `--verify=live`: the requests that a translation is compared by, sent to the original server with the original file and
//! to the other server with the output.
//!
//! What differs there and was not told before is a loss. A server that is not installed is stood in for by our own.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::different;
use crate::{
    cli::replay::{self, Asked, Job, Ran, Side, observed},
    compare::{self, Decision, Difference, How, Probe, changes, decision, generate},
    diagnostic::{Diagnostic, Severity},
    dialect::Dialect,
    engine::rehearse::{Rehearsal, World},
    ir,
    plan::{self, Plan},
    raise::Shape,
};

/// How many requests are replayed in each of the two worlds: one without files, one with those asked for.
const REQUESTS: usize = 300;
/// The longest content that is sent.
const CONTENT: u64 = 4 << 20;

/// One of the two configurations.
#[derive(Debug)]
pub(super) struct Given<'a> {
    /// Its language.
    pub(super) dialect: Dialect,
    /// How much of a configuration it is.
    pub(super) shape: Shape,
    /// The main file, then what belongs to it.
    pub(super) files: Vec<(PathBuf, String)>,
    /// What relative paths are relative to.
    pub(super) prefix: PathBuf,
    /// Where programs behind handlers are reached, by the handlers' names.
    pub(super) handlers: Vec<(String, String)>,
    /// What it means.
    pub(super) config: &'a ir::Config,
}

/// What came of a replay.
#[derive(Clone, Debug, Default)]
pub struct Replayed {
    /// Requests that both servers answered.
    pub requests: usize,
    /// Those that were handled differently, as was told.
    pub told: usize,
    /// Those of which nobody told.
    pub untold: usize,
    /// Findings for those, and why nothing could be replayed.
    pub found: Vec<Diagnostic>,
    /// What a server said that did not start: the original one, or the other.
    pub refused: Option<(Whose, String)>,
}

/// Which of the two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The one that the input is for.
    Original,
    /// The one that the output is for.
    Target,
}

/// Replays; `own` is this program.
pub(super) fn replay(own: &Path, old: &Given<'_>, new: &Given<'_>) -> Replayed {
    let mut all = Replayed::default();
    if !replay::is_installed(old.dialect) && !replay::is_installed(new.dialect) {
        all.found.push(not_replayed("neither of the two servers is installed"));
        return all;
    }
    let plans = (plan::compile(old.config.clone()), plan::compile(new.config.clone()));
    let (Ok(from), Ok(to)) = plans else {
        all.found.push(not_replayed("one of the two cannot be compiled"));
        return all;
    };
    let (Ok(from), Ok(to)) = (Rehearsal::new(Arc::new(from)), Rehearsal::new(Arc::new(to))) else {
        all.found.push(not_replayed("no request can be tried out"));
        return all;
    };
    let probes: BTreeSet<Probe> = generate::requests(old.config, super::REQUESTS)
        .into_iter()
        .chain(generate::requests(new.config, super::REQUESTS))
        .filter(|probe| !probe.is_odd() && length(probe) <= CONTENT)
        .collect();
    let mut groups = BTreeMap::new();
    for world in [World::Empty, World::Files] {
        let chosen: Vec<&Probe> = probes.iter().filter(|probe| probe.world == world).collect();
        // Evenly over all of them, where there are more than are sent.
        let step = chosen.len().div_ceil(REQUESTS).max(1);
        let chosen: Vec<&Probe> = chosen.into_iter().step_by(step).collect();
        if chosen.is_empty() {
            continue;
        }
        let scene =
            Scene { old, new, from: &from, to: &to, tolerance: super::tolerance(old.dialect, new.dialect) };
        if !scene.world(own, &chosen, &mut all, &mut groups) {
            return all;
        }
    }
    all.found.extend(groups.into_values().map(|one: Difference| {
        let mut found = different(&one);
        found.code = "different-live";
        found.message = found.message.replacen("are handled", "are handled by the two servers", 1);
        found
    }));
    all
}

/// Why there was no replay.
fn not_replayed(why: &str) -> Diagnostic {
    Diagnostic::new(Severity::Note, "not-replayed", format!("nothing was replayed: {why}"))
}

fn length(probe: &Probe) -> u64 {
    let found = probe.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"content-length"));
    found.and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok()).unwrap_or(0)
}

struct Scene<'a> {
    old: &'a Given<'a>,
    new: &'a Given<'a>,
    from: &'a Rehearsal,
    to: &'a Rehearsal,
    tolerance: compare::Tolerance,
}

impl Scene<'_> {
    /// Whether a decision asked for a folder that is there because a configuration lies in it.
    fn asks_home(&self, decision: &Decision) -> bool {
        let folders = [self.old, self.new].into_iter().flat_map(|given| &given.files);
        let mut homes = folders.flat_map(|(path, _)| path.ancestors().skip(1));
        homes.any(|home| decision.looked.contains(home.to_string_lossy().trim_end_matches('/')))
    }

    /// Replays what is asked in one world; whether there is a point in going on.
    fn world(
        &self,
        own: &Path,
        probes: &[&Probe],
        all: &mut Replayed,
        groups: &mut BTreeMap<Vec<String>, Difference>,
    ) -> bool {
        let how = How { lenient: true, reactions: true };
        let mut job = Job { sides: vec![side(self.old), side(self.new)], ..Job::default() };
        let mut expected: Vec<(&Probe, Decision, Decision)> = Vec::new();
        let mut upstreams = BTreeSet::new();
        let mut present = BTreeSet::new();
        for probe in probes {
            let Some(to) = places([self.from.plan(), self.to.plan()], probe) else { continue };
            // A client has an address of the family that it sends to.
            if to.iter().any(|(to, _)| to.is_ipv4() != probe.client.is_ipv4()) {
                continue;
            }
            let (old, new) = (decision::decide(self.from, probe, how), decision::decide(self.to, probe, how));
            for decision in [&old, &new] {
                upstreams.extend(decision.aspects.get("upstream").into_iter().flat_map(|all| endpoints(all)));
                if probe.world == World::Files {
                    present.extend(decision.aspects.get("file").map(PathBuf::from));
                }
            }
            // What is not passed on is thrown away by each server in its own way.
            let forwards = [&old, &new]
                .into_iter()
                .all(|one| one.aspects.get("outcome").is_some_and(|is| is == "forward"));
            if length(probe) > 0 && !forwards {
                continue;
            }
            // A folder that a configuration lies in is there in any world.
            if probe.world == World::Empty && [&old, &new].into_iter().any(|one| self.asks_home(one)) {
                continue;
            }
            let host = probe.host.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            job.requests.push(Asked {
                to,
                name: host.split(':').next().unwrap_or_default().to_owned(),
                client: probe.client,
                head: probe.head(),
                content: length(probe),
            });
            expected.push((probe, old, new));
        }
        job.upstreams = upstreams.into_iter().collect();
        job.present = present.into_iter().collect();
        let ran = match replay::replay(own, &job) {
            Ok(ran) => ran,
            Err(why) => {
                all.found.push(not_replayed(&why));
                return false;
            }
        };
        let (old, new) = match ran.as_slice() {
            [Ran::Refused(said), ..] => {
                all.found.push(not_replayed(&format!("the original server does not start: {said}")));
                all.refused = Some((Whose::Original, said.clone()));
                return false;
            }
            [_, Ran::Refused(said)] => {
                let message = format!("the server does not start with the output: {said}");
                all.found.push(Diagnostic::new(Severity::Warning, "not-accepted", message));
                all.refused = Some((Whose::Target, said.clone()));
                return false;
            }
            [Ran::Served(old), Ran::Served(new)] => (old, new),
            _ => return false,
        };
        let live = {
            let mut live = observed::tolerance();
            live.0.extend(self.tolerance.0.iter().cloned());
            live
        };
        let differs = |one: &Decision, other: &Decision| !changes(one, other, &self.tolerance).is_empty();
        for ((probe, one, other), (old, new)) in expected.into_iter().zip(old.iter().zip(new)) {
            all.requests += 1;
            let (mut old, mut new) = (observed::decision(old, &one), observed::decision(new, &other));
            old.relative(probe);
            new.relative(probe);
            let mut changes = changes(&old, &new, &live);
            // Fields that are added to answers are not added to a switch of protocols by all servers (observed: Apache),
            // and of those only cookies mean something there.
            let switched = |one: &Decision| one.aspects.get("status").is_some_and(|status| status == "101");
            if switched(&old) && switched(&new) {
                changes.retain(|one| !one.aspect.starts_with("field ") || one.aspect == "field set-cookie");
            }
            // What is answered for what is not there depends on the folders around it, and in a rehearsal those are there.
            let barred = |decision: &Decision| {
                decision.aspects.get("status").is_some_and(|status| ["403", "404"].contains(&&**status))
            };
            let looks = !one.looked.is_empty() || !other.looked.is_empty();
            let absent = looks && probe.world == World::Empty && barred(&one) && barred(&other);
            // The folder of a site without bindings is there, with the file that was written into it.
            let own = [self.old.dialect, self.new.dialect].contains(&Dialect::Iis)
                || barred(&one) && barred(&other);
            if changes.is_empty() || absent || own && barred(&old) && barred(&new) {
                continue;
            }
            if differs(&one, &other) {
                all.told += 1;
                continue;
            }
            all.untold += 1;
            let key: Vec<String> = changes
                .iter()
                .map(|change| change.aspect.clone())
                .chain([old.place(), new.place()].into_iter().flatten().map(|span| format!("{span:?}")))
                .collect();
            let difference = Difference { changes, request: probe.clone(), old, new, requests: 1, seen: 0 };
            let known = groups.entry(key).or_insert_with(|| difference.clone());
            if difference.request.size() < known.request.size() {
                *known = difference;
            }
        }
        true
    }
}

/// Where a request goes, for each server.
fn places(plans: [&Arc<Plan>; 2], probe: &Probe) -> Option<Vec<(SocketAddr, bool)>> {
    let place = |plan: &Arc<Plan>| {
        let at = decision::listener(plan, probe.to, probe.tls, true)?;
        let listener = &plan.config.listeners[at];
        let mut to = generate::address(listener)?;
        // A name for any address stays what the client took it for.
        if to.ip() != probe.to.ip() && to.is_ipv4() == probe.to.is_ipv4() && is_any(listener) {
            to.set_ip(probe.to.ip());
        }
        Some((to, listener.tls))
    };
    plans.into_iter().map(place).collect()
}

fn is_any(listener: &ir::Listener) -> bool {
    matches!(&listener.address, ir::Address::Tcp(address) if address.ip().is_unspecified())
}

/// The addresses in what a decision says of its upstream.
fn endpoints(all: &str) -> impl Iterator<Item = String> {
    all.split(", ").filter_map(|one| one.split(' ').next()).map(str::to_owned)
}

fn side(given: &Given<'_>) -> Side {
    let listen = given.config.listeners.iter().filter_map(|listener| match &listener.address {
        ir::Address::Tcp(address) => Some(*address),
        ir::Address::Unix(_) => None,
    });
    Side {
        program: given.dialect.name().to_owned(),
        shape: replay::shape_name(given.shape).to_owned(),
        main: given.files.first().map(|(path, _)| path.clone()).unwrap_or_default(),
        files: given.files.clone(),
        prefix: given.prefix.clone(),
        listen: listen.collect(),
        handlers: given.handlers.clone(),
    }
}
