//! Which requests two configurations handle differently.
//!
//! Requests are made up from both (see [`generate`]), each is decided by the engine's own code without I/O
//! ([`crate::engine::rehearse`]), decisions are laid side by side ([`decision`]), and what differs is grouped by
//! cause: the aspects that differ and the places that decided. Of each group the smallest request is shown, made
//! smaller still while it shows the same. Nothing depends on time or chance: the same files give the same answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    diagnostic::Diagnostic,
    engine::rehearse::Rehearsal,
    ir::Config,
    plan::{self, Plan},
    source::Span,
};

pub mod decision;
pub mod generate;
pub mod probe;
pub mod shrink;
pub mod wish;

pub use decision::{Decision, How};
pub use probe::Probe;

/// What to compare, and what not to mind.
#[derive(Clone, Debug)]
pub struct Options {
    /// Requests to make up, for each of the two; 0 for none.
    pub most: usize,
    /// Requests to compare beside those, each with how often it was seen.
    pub requests: Vec<(Probe, u64)>,
    /// Aspects that may differ.
    pub tolerance: Tolerance,
    /// Whether to look at what becomes of upstreams' answers.
    pub reactions: Reactions,
    /// Whether listeners need not agree, as when one side is a part of a configuration.
    pub lenient: bool,
    /// Groups to return.
    pub groups: usize,
}

/// For which requests it is looked at what becomes of upstreams' answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reactions {
    /// For one of those that are decided at the same places.
    Places,
    /// For all.
    Each,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            most: 20_000,
            requests: Vec::new(),
            tolerance: Tolerance::default(),
            reactions: Reactions::Each,
            lenient: false,
            groups: 200,
        }
    }
}

/// Aspects that may differ, by name; a name that ends in `*` stands for all that begin so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tolerance(pub Vec<String>);

impl Tolerance {
    /// What differs between servers of different kinds, whatever is written: their own pages, names, manners of
    /// keeping connections, and settings that nobody wrote.
    pub fn across() -> Self {
        let own = [
            "setting *",
            "page",
            "page type",
            "field server",
            "field connection",
            "field keep-alive",
            "field content-length",
            "field transfer-encoding",
            "field accept-ranges",
            "field etag",
            "field last-modified",
            "field vary",
            "upstream version",
            "upstream field connection",
        ];
        let mut all: Vec<String> = own.iter().map(|name| (*name).to_owned()).collect();
        all.extend(
            own.iter()
                .filter(|name| name.starts_with("field") || name.starts_with("page"))
                .map(|name| format!("on *: {name}")),
        );
        // How a failure is told is a server's own, what is done about it is not.
        all.push("on no connection: status".to_owned());
        Self(all)
    }

    /// Whether an aspect may differ.
    pub fn allows(&self, aspect: &str) -> bool {
        self.0.iter().any(|name| fits(name, aspect))
    }
}

/// Whether a text fits a name with `*` for anything.
fn fits(name: &str, text: &str) -> bool {
    match name.split_once('*') {
        None => name == text,
        Some((before, "")) => text.starts_with(before),
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| rest.ends_with(after)),
    }
}

/// An aspect with two values; `None` where a side has it not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub aspect: String,
    /// Its value in the old configuration.
    pub old: Option<String>,
    /// And in the new one.
    pub new: Option<String>,
}

/// Requests that are handled differently for one cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What differs, the most telling first.
    pub changes: Vec<Change>,
    /// The smallest request that shows it.
    pub request: Probe,
    /// The old decision on it.
    pub old: Decision,
    /// And the new one.
    pub new: Decision,
    /// Requests that show it, of those made up or given.
    pub requests: usize,
    /// How often such requests were seen, where they were given.
    pub seen: u64,
}

impl Difference {
    /// Where the old configuration decided, and the new one.
    pub fn places(&self) -> (Option<Span>, Option<Span>) {
        (self.old.place(), self.new.place())
    }
}

/// A comparison that was made.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// What is different, what was seen most first, then what most requests show.
    pub differences: Vec<Difference>,
    /// How many requests were compared.
    pub compared: usize,
    /// How often those given were seen.
    pub seen: u64,
}

/// Compares two configurations; `Err` is why one of them cannot be run at all.
pub fn compare(old: &Config, new: &Config, options: &Options) -> Result<Vec<Difference>, Vec<Diagnostic>> {
    let plan = |config: &Config| plan::compile(config.clone()).map(Arc::new);
    let mut probes = Vec::new();
    if options.most > 0 {
        probes.extend(generate::requests(old, options.most));
        probes.extend(generate::requests(new, options.most));
    }
    Ok(compare_plans(&plan(old)?, &plan(new)?, probes, options)?.differences)
}

/// Compares what two plans do with requests.
pub fn compare_plans(
    old: &Arc<Plan>,
    new: &Arc<Plan>,
    generated: Vec<Probe>,
    options: &Options,
) -> Result<Comparison, Vec<Diagnostic>> {
    let rehearse = |plan: &Arc<Plan>| {
        Rehearsal::new(Arc::clone(plan)).map_err(|error| {
            let message = format!("no request can be tried out: {error}");
            vec![Diagnostic::new(crate::diagnostic::Severity::Error, "no-runtime", message)]
        })
    };
    let pair = Pair {
        old: rehearse(old)?,
        new: rehearse(new)?,
        how: How { lenient: options.lenient, reactions: true },
        tolerance: &options.tolerance,
    };
    // Given requests count as often as they were seen, whether or not they were made up too.
    let mut all: BTreeMap<Probe, u64> = generated.into_iter().map(|probe| (probe, 0)).collect();
    for (probe, seen) in &options.requests {
        *all.entry(probe.clone()).or_default() += seen;
    }
    let mut groups: BTreeMap<Key, Group> = BTreeMap::new();
    let (compared, seen) = (all.len(), all.values().sum());
    let mut places = BTreeSet::new();
    let mut is_new = |old: &Decision, new: &Decision| {
        let place = |one: &Decision| one.place().map(|span| (span.file.0, span.start, span.end));
        let upgrade = old.aspects.get("upgrade").cloned();
        options.reactions == Reactions::Each
            || places.insert((place(old), place(new), old.settings, new.settings, upgrade))
    };
    for (probe, seen) in all {
        let Some(found) = pair.look(&probe, &mut is_new) else { continue };
        let group = groups.entry(found.key(&probe)).or_insert_with(|| Group {
            request: probe.clone(),
            count: 0,
            seen: 0,
        });
        group.count += 1;
        group.seen += seen;
        if probe.size() < group.request.size() {
            group.request = probe;
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by(|(a_key, a), (b_key, b)| (b.seen, b.count, a_key).cmp(&(a.seen, a.count, b_key)));
    let mut differences = Vec::new();
    for (key, group) in groups.into_iter().take(options.groups) {
        let request = shrink::shrink(group.request, |probe| {
            pair.look(probe, &mut |_, _| true).is_some_and(|found| found.key(probe) == key)
        });
        let Some(found) = pair.look(&request, &mut |_, _| true) else { continue };
        let Found { changes, old, new } = found;
        differences.push(Difference { changes, request, old, new, requests: group.count, seen: group.seen });
    }
    Ok(Comparison { differences, compared, seen })
}

/// What tells causes apart: the aspects that differ, where both sides decided, and whether only odd requests show it.
type Key = (Vec<String>, Option<(u32, u32)>, Option<(u32, u32)>, bool);

struct Group {
    request: Probe,
    count: usize,
    seen: u64,
}

struct Pair<'o> {
    old: Rehearsal,
    new: Rehearsal,
    how: How,
    tolerance: &'o Tolerance,
}

struct Found {
    changes: Vec<Change>,
    old: Decision,
    new: Decision,
}

impl Found {
    fn key(&self, probe: &Probe) -> Key {
        let place = |decision: &Decision| decision.place().map(|span| (span.file.0, span.start));
        let aspects = self.changes.iter().map(|change| change.aspect.clone()).collect();
        (aspects, place(&self.old), place(&self.new), probe.is_odd())
    }
}

impl Pair<'_> {
    /// What differs for a request, if anything; what becomes of answers is looked at where `reacts` says so.
    fn look(&self, probe: &Probe, reacts: &mut dyn FnMut(&Decision, &Decision) -> bool) -> Option<Found> {
        // What becomes of answers is looked at only where the requests sent are the same.
        let plain = How { reactions: false, ..self.how };
        let mut old = decision::decide(&self.old, probe, plain);
        let mut new = decision::decide(&self.new, probe, plain);
        let mut changes = changes(&old, &new, self.tolerance);
        if changes.is_empty()
            && old.aspects.get("outcome").is_some_and(|is| is == "forward")
            && reacts(&old, &new)
        {
            old = decision::decide(&self.old, probe, self.how);
            new = decision::decide(&self.new, probe, self.how);
            changes = self::changes(&old, &new, self.tolerance);
        }
        (!changes.is_empty()).then_some(Found { changes, old, new })
    }
}

/// The aspects that differ, the most telling first.
pub fn changes(old: &Decision, new: &Decision, tolerance: &Tolerance) -> Vec<Change> {
    let names: BTreeSet<&String> = old.aspects.keys().chain(new.aspects.keys()).collect();
    let mut changes: Vec<Change> = names
        .into_iter()
        .filter(|name| !tolerance.allows(name))
        .filter(|name| !is_same(old.aspects.get(*name), new.aspects.get(*name), tolerance))
        .map(|name| Change {
            aspect: name.clone(),
            old: old.aspects.get(name).cloned(),
            new: new.aspects.get(name).cloned(),
        })
        .collect();
    changes.sort_by_key(|change| (rank(&change.aspect), change.aspect.clone()));
    // Where the outcomes are of different kinds, what one side alone has says nothing more.
    if changes.first().is_some_and(|change| change.aspect == "outcome") {
        let telling = ["outcome", "upstream", "upstream target", "status", "file", "field location"];
        let sends = |decision: &Decision| decision.aspects.contains_key("file");
        let sends = sends(old) || sends(new);
        changes.retain(|change| {
            telling.contains(&change.aspect.as_str()) && !(sends && change.aspect == "status")
        });
    }
    changes
}

/// Whether two values are the same; between servers of different kinds the case of percent-encoded bytes is no matter
/// (RFC 3986 § 6.2.2.1).
fn is_same(old: Option<&String>, new: Option<&String>, tolerance: &Tolerance) -> bool {
    let plain = |value: &String| {
        let mut bytes = value.clone().into_bytes();
        for at in 0..bytes.len().saturating_sub(2) {
            if bytes[at] == b'%' && bytes[at + 1..at + 3].iter().all(u8::is_ascii_hexdigit) {
                bytes[at + 1..at + 3].make_ascii_uppercase();
            }
        }
        bytes
    };
    let folded = || match (old, new) {
        (Some(old), Some(new)) => {
            !tolerance.0.is_empty() && old.contains('%') && old.len() == new.len() && plain(old) == plain(new)
        }
        _ => false,
    };
    old == new || folded()
}

/// How telling an aspect is.
fn rank(aspect: &str) -> u8 {
    match aspect {
        "outcome" => 0,
        "upstream" => 1,
        "status" | "file" => 2,
        "upstream protocol" | "upgrade" => 3,
        "upstream target" | "upstream method" => 4,
        _ if aspect.starts_with("upstream") => 5,
        _ if aspect.starts_with("field") || aspect == "content" => 6,
        _ if aspect.starts_with("on ") => 7,
        _ => 8,
    }
}
