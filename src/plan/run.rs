//! One request's decision.

use smallvec::SmallVec;

use super::{
    EditOp, Entry, Failure, LONGEST_VALUE, Plan, SettingsId,
    observe::{Observer, Quiet},
    op::{Next, Op},
    pattern::Find,
};
use crate::ir::{
    Attr, FileKind, HostId, Locate, Lookup, Name, Negotiate, Probe, Query, Register, Reply, Template, VarId,
    settings::{Identifier, Topic},
};

mod asked;
mod branch;
mod eval;
mod likely;
mod link;
mod memory;
mod outside;

pub use outside::Promised;

use asked::Asked;
use memory::{Registers, Values};

/// What the run reads of the exchange. Implemented by the engine, by tests and by `explain`.
///
/// The run itself answers [`Attr::Path`], [`Attr::PathRest`], [`Attr::Query`], [`Attr::QueryMark`],
/// [`Attr::Param`], [`Attr::HostName`], [`Attr::DocumentRoot`], [`Attr::FilePath`], [`Attr::ScriptName`],
/// [`Attr::ScriptRest`] and, once a step has set it, [`Attr::LimitRate`].
pub trait View {
    /// Appends the value of an attribute; `false` when it is missing.
    fn attr(&self, run: &Run, attr: &Attr, out: &mut Vec<u8>) -> bool;
    /// The method now in force.
    fn method(&self) -> &[u8];
    /// `Content-Length`, where the request has one.
    fn content_length(&self) -> Option<u64>;
    /// The status of the response; 0 before there is one.
    fn status(&self) -> u16;
    /// Whether the target as received held a `%` or a `+`.
    fn received_encoded(&self) -> bool;
    /// Whether there is such a file; asked where an answer cannot wait.
    fn is_file(&self, name: &[u8], kind: FileKind) -> bool {
        let _ = (name, kind);
        false
    }
    /// Appends what stands in a file; `false` when it cannot be read.
    fn file_text(&self, name: &[u8], out: &mut Vec<u8>) -> bool {
        let _ = (name, out);
        false
    }
    /// Appends the length of a file in digits; `false` when there is none.
    fn file_size(&self, name: &[u8], out: &mut Vec<u8>) -> bool {
        let _ = (name, out);
        false
    }
    /// Appends the name of the user who owns a file, or of the group; `false` when there is none.
    fn file_owner(&self, name: &[u8], group: bool, out: &mut Vec<u8>) -> bool {
        let _ = (name, group, out);
        false
    }
    /// Appends the moment so many minutes from now as a date for cookies.
    fn cookie_date(&self, minutes: &[u8], out: &mut Vec<u8>) -> bool {
        let _ = (minutes, out);
        false
    }
    /// Appends path and query of a target, decoded and normalized as those of a request; `false` when it is none.
    fn read_target(&self, target: &[u8], merge: bool, path: &mut Vec<u8>, query: &mut Vec<u8>) -> bool {
        let _ = (merge, query);
        path.extend_from_slice(target);
        true
    }
    /// Appends the client's identifier as it came, or the one that it gets; `false` when there is none. `anew` says that
    /// it gets a new one.
    fn identifier(&self, which: &Identifier, anew: bool, given: bool, out: &mut Vec<u8>) -> bool {
        let _ = (which, anew, given, out);
        false
    }
    /// Appends the name of a file with symbolic links resolved; `false` when there is no such file.
    fn real_path(&self, name: &[u8], out: &mut Vec<u8>) -> bool {
        let _ = (name, out);
        false
    }
}

/// What a run needs before it can go on, or where it ends.
#[derive(Debug)]
pub enum Need<'p> {
    /// Whether there is such a file; its path is in [`Run::asked`]. Then [`Run::tell`].
    File(FileKind),
    /// What the file in [`Run::asked`] is. Then [`Run::located`].
    Locate,
    /// Whether the directory in [`Run::asked`] brings steps of its own. Then [`Run::go_local`], or [`Run::step`].
    Local,
    /// Whether the access settings in force let the request pass. Then [`Run::tell`]; a refusal that is
    /// answered at once needs no telling.
    Access,
    /// This change to the request head. Then [`Run::step`].
    Edit(&'p EditOp),
    /// How a request for the target in [`Run::asked`] would be answered. Then [`Run::probed`].
    Probe(&'p Probe),
    /// Which of the files is chosen that stand for a name. Then [`Run::chosen`].
    Negotiate(&'p Negotiate),
    /// Whose address is the client's. Then [`Run::step`].
    Identity,
    /// The value of the key in [`Run::asked`]. Then [`Run::found`].
    Lookup(&'p Lookup),
    /// A line for the error log; it is in [`Run::asked`]. Of a trace, or a complaint about this. Then [`Run::step`].
    Trace(Option<Topic>),
    /// The end: the handler in force answers.
    Handle,
    /// The end: this answers.
    Reply(&'p Reply),
    /// The end: access was refused (403).
    Refused,
    /// The end: the content is longer than allowed (413).
    TooLarge,
    /// The end: redirected more often than allowed (500).
    Exhausted,
    /// The end: there is no named block of this name (500).
    NoBlock(&'p Name),
    /// The end: the path was rewritten to nothing (500).
    EmptyPath,
    /// The end: what the path was to be taken from is no target (400).
    BadTarget,
    /// The end: a pattern came to no answer (500).
    Failed(Failure),
}

/// There is no named block of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such named block")]
pub struct NoSuchBlock;

/// Repetitions and internal redirects that one request may have where the settings in force do not say.
const BUDGET: u32 = 10;

/// The state of one request's decision, reused for the next request of the connection.
#[derive(Debug, Default)]
pub struct Run {
    /// The host whose program runs.
    pub host: HostId,
    /// The path: decoded, normalized, as last rewritten. Set by the caller before [`Run::start`].
    pub path: Vec<u8>,
    /// The query, without `?`. Set by the caller before [`Run::start`].
    pub query: Vec<u8>,
    /// Whether path or query are no longer as received.
    pub rewritten: bool,
    /// Whether the path was rewritten since the route in force was entered.
    pub moved: bool,
    /// Whether the request was rewritten or redirected internally.
    pub internal: bool,
    /// The settings in force.
    pub settings: SettingsId,
    /// The bandwidth limit that a step has set, bytes per second; 0 is none.
    pub limit_rate: Option<u64>,
    /// Where in the path begins what follows the prefix that the route matched.
    pub path_rest: usize,
    /// What a [`Need`] speaks of.
    pub asked: Vec<u8>,
    /// Variables read before they were written, for the log; emptied by who logs them.
    pub unset_reads: SmallVec<[VarId; 2]>,
    /// Fields of the request that the response depends on.
    pub depends: Vec<Name>,
    /// Why a pattern in a table of values came to no answer, for the log.
    pub failure: Option<Failure>,
    /// Fields that the response is to have.
    pub promised: Vec<Promised>,
    place: u32,
    told: Option<bool>,
    /// When access was asked for the last time.
    asked_for: Option<Asked>,
    /// How much of the budget is spent.
    spent: u32,
    prepared: bool,
    /// Whether a path that was rewritten stays so in the routes that follow.
    detached: bool,
    /// Which block of response steps comes next, and whether there is one under way.
    block: u32,
    in_block: bool,
    /// For each labelled block around: the operation that set its jump, plus one.
    at_end: SmallVec<[u32; 4]>,
    /// Operations that were gone back to with a limit of their own, and how often.
    again: SmallVec<[(u32, u32); 1]>,
    kept: SmallVec<[SettingsId; 4]>,
    /// Where hooks that are under way return to.
    calls: SmallVec<[Call; 1]>,
    registers: Registers,
    values: Values,
    /// Which rules in a row can match.
    likely: likely::Memo,
    depth: u8,
    /// How many questions of [`Need::Probe`] it is an answer to.
    pub probes: u8,
}

/// A phase under way.
#[derive(Debug)]
struct Call {
    /// Where it was performed.
    from: u32,
    phase: u16,
    /// How many of its blocks have begun.
    begun: usize,
    /// Its blocks: those in force when it began.
    of: SettingsId,
    at_end: SmallVec<[u32; 4]>,
    kept: SmallVec<[SettingsId; 4]>,
}

impl Run {
    /// Forgets the request, keeps the memory.
    pub fn reset(&mut self) {
        self.path.clear();
        self.query.clear();
        self.rewritten = false;
        self.internal = false;
        self.moved = false;
        self.detached = false;
        self.limit_rate = None;
        self.path_rest = 0;
        self.unset_reads.clear();
        self.failure = None;
        self.spent = 0;
        self.asked_for = None;
        self.promised.clear();
        self.registers.clear();
        self.values.clear();
    }

    /// Gives up memory beyond what is in it.
    pub fn shrink(&mut self) {
        self.path.shrink_to_fit();
        self.query.shrink_to_fit();
        self.asked = Vec::new();
    }

    /// Begins the program of a host.
    pub fn start(&mut self, plan: &Plan, host: HostId) {
        self.host = host;
        self.begin(plan);
    }

    fn begin(&mut self, plan: &Plan) {
        let host = &plan.hosts[self.host.0 as usize];
        self.go(host.settings, host.entry);
    }

    fn go(&mut self, settings: SettingsId, entry: Entry) {
        self.depends.clear();
        self.settings = settings;
        self.place = entry.0;
        self.prepared = false;
        self.told = None;
        self.path_rest = 0;
        self.at_end.clear();
        self.again.clear();
        self.kept.clear();
        self.calls.clear();
        self.likely.clear();
    }

    fn spend(&mut self, plan: &Plan) -> bool {
        let budget = plan.settings(self.settings).client.redirects.unwrap_or(BUDGET);
        let left = self.spent < budget;
        self.spent += u32::from(left);
        left
    }

    /// Goes on to the next need.
    pub fn step<'p>(&mut self, plan: &'p Plan, view: &impl View) -> Need<'p> {
        self.observed(plan, view, &mut Quiet)
    }

    /// [`Self::step`], with somebody watching.
    pub fn observed<'p>(
        &mut self,
        plan: &'p Plan,
        view: &impl View,
        observer: &mut impl Observer,
    ) -> Need<'p> {
        loop {
            let at = self.place as usize;
            let op = &plan.code[at];
            observer.step(plan.spans[at]);
            self.place += 1;
            match op {
                Op::Use(settings) => self.settings = *settings,
                Op::Over { layer, kept } => {
                    let base = kept.and_then(|slot| self.kept.get(usize::from(slot)));
                    let base = *base.unwrap_or(&self.settings);
                    let over = |base: &super::Effective| plan.layers[*layer as usize].over(base);
                    self.settings = plan.settings.over(base, *layer, over);
                }
                Op::Keep(slot) => put(&mut self.kept, *slot, self.settings),
                Op::File { path, kind, otherwise } => match self.told.take() {
                    Some(true) => {}
                    Some(false) => self.place = *otherwise,
                    None => {
                        self.ask_for(plan, view, path);
                        self.place -= 1;
                        return Need::File(*kind);
                    }
                },
                Op::Route { table, otherwise } => {
                    if let Err(failure) = self.route(plan, *table, *otherwise) {
                        return Need::Failed(failure);
                    }
                    observer.routed(plan.spans[at], &self.path, self.place != *otherwise);
                }
                Op::Rewrite { path, query } => {
                    if !self.rewrite(plan, view, path.as_ref(), query) {
                        return Need::EmptyPath;
                    }
                    if self.path.len().max(self.query.len()) > LONGEST_VALUE {
                        return Need::Failed(Failure::TooLong);
                    }
                    observer.rewritten(plan.spans[at], &self.path, &self.query);
                }
                Op::Lookup(lookup) => {
                    self.ask_for(plan, view, &lookup.key);
                    return Need::Lookup(lookup);
                }
                Op::Target(target) => {
                    if !self.target(plan, view, target) {
                        return Need::BadTarget;
                    }
                }
                Op::Promise { field, value, always, member } => {
                    let text = self.promised_value(plan, view, value);
                    self.promise(field, text, *always, *member);
                }
                Op::LimitRate(rate) => {
                    let text = self.value(plan, view, rate);
                    self.limit_rate = outside::size(&text).or(self.limit_rate);
                    self.values.give_back(text);
                }
                Op::Edit(edit) => return Need::Edit(edit),
                Op::Identify => return Need::Identity,
                Op::Probe(probe) => {
                    self.ask_for(plan, view, &probe.target);
                    return Need::Probe(probe);
                }
                Op::Negotiate(negotiate) => return Need::Negotiate(negotiate),
                Op::Detach => self.detached |= self.moved,
                Op::Admit => {
                    let longest = plan.settings(self.settings).content.max_length;
                    if longest != 0 && view.content_length().is_some_and(|length| length > longest) {
                        return Need::TooLarge;
                    }
                }
                Op::Authorize(asking) => match self.told.take() {
                    Some(true) => {}
                    Some(false) => return Need::Refused,
                    None if self.was_asked(*asking) => {}
                    None => {
                        self.place -= 1;
                        return Need::Access;
                    }
                },
                Op::Respond(reply) => return Need::Reply(reply),
                Op::Complain(topic, line) => {
                    self.ask_for(plan, view, line);
                    return Need::Trace(Some(*topic));
                }
                Op::Trace(line) => {
                    if plan.settings(self.settings).logs.rewrite {
                        self.ask_for(plan, view, line);
                        return Need::Trace(None);
                    }
                }
                Op::Perform(phase) => {
                    self.calls.push(Call {
                        from: self.place,
                        phase: *phase,
                        begun: 0,
                        of: self.settings,
                        at_end: std::mem::take(&mut self.at_end),
                        kept: std::mem::take(&mut self.kept),
                    });
                    self.next_hook(plan);
                }
                Op::Locate(Locate { file, .. }) => {
                    if self.told.take().is_none() {
                        self.ask(*file);
                        outside::resolve(&mut self.asked);
                        self.place -= 1;
                        return Need::Locate;
                    }
                }
                Op::Local(folder) => {
                    self.ask(*folder);
                    return Need::Local;
                }
                Op::End if !self.calls.is_empty() => self.next_hook(plan),
                Op::End => {
                    let prepare = plan.settings(self.settings).prepare.filter(|_| !self.prepared);
                    let Some(entry) = prepare else {
                        // A further step ends here again.
                        self.place -= 1;
                        return Need::Handle;
                    };
                    self.prepared = true;
                    self.place = entry.0;
                }
                op => match self.common(plan, view, op, observer, at) {
                    Ok(None) => {}
                    Ok(Some(next)) => match self.follow(plan, next) {
                        Ok(()) => {}
                        Err(need) => return need,
                    },
                    Err(failure) => return Need::Failed(failure),
                },
            }
        }
    }

    /// What may occur in response steps too. A jump is returned.
    fn common<'p>(
        &mut self,
        plan: &'p Plan,
        view: &impl View,
        op: &'p Op,
        observer: &mut impl Observer,
        at: usize,
    ) -> Result<Option<&'p Next>, Failure> {
        let (holds, otherwise) = match op {
            Op::Match { subject, find, into, otherwise } => {
                let holds = self.compare(plan, view, subject, find, *into, |subject, outcome| {
                    observer.matched(plan.spans[at], subject, outcome);
                })?;
                if let Some(into) = into.filter(|_| holds && observer.is_curious()) {
                    for group in 1..find.keep {
                        observer.captured(plan.spans[at], group, self.registers.group(into, group));
                    }
                }
                (holds, otherwise)
            }
            Op::Likely { set, rule } => {
                // Who watches is told of each comparison.
                if !observer.is_curious()
                    && let Some(place) = self.unlikely(plan, view, set, *rule as usize, at as u32)
                {
                    self.place = place;
                }
                return Ok(None);
            }
            Op::Equal { left, right, otherwise } => {
                let left = self.value(plan, view, left);
                let right = self.value(plan, view, right);
                let holds = left == right;
                self.values.give_back(left);
                self.values.give_back(right);
                (holds, otherwise)
            }
            Op::Ask { question, otherwise } => (self.holds(plan, view, question), otherwise),
            Op::Truthy { value, otherwise } => {
                let value = self.value(plan, view, value);
                let holds = !value.is_empty() && value != b"0";
                self.values.give_back(value);
                (holds, otherwise)
            }
            Op::Method { methods, otherwise } => {
                let method = view.method();
                (methods.iter().any(|other| **other == *method), otherwise)
            }
            Op::Status { statuses, otherwise } => (statuses.contains(&view.status()), otherwise),
            Op::Internal { otherwise } => (self.internal, otherwise),
            Op::Assign { var, value } => {
                let value = self.value(plan, view, value);
                if value.len() > LONGEST_VALUE {
                    return Err(Failure::TooLong);
                }
                self.values.set(*var, &value);
                observer.assigned(plan.spans[at], *var, &value);
                self.values.give_back(value);
                return Ok(None);
            }
            Op::Unassign(var) => {
                self.values.unset(*var);
                return Ok(None);
            }
            Op::Forget(register) => {
                self.registers.forget(*register);
                return Ok(None);
            }
            Op::Open(slot) => {
                put(&mut self.at_end, *slot, 0);
                return Ok(None);
            }
            Op::AtEnd(slot, next) => {
                put(&mut self.at_end, *slot, if next.is_some() { at as u32 + 1 } else { 0 });
                return Ok(None);
            }
            Op::Close(slot) => {
                let set = self.at_end.get_mut(usize::from(*slot)).map_or(0, std::mem::take);
                let set = set.checked_sub(1).map(|at| &plan.code[at as usize]);
                return Ok(match set {
                    Some(Op::AtEnd(_, next)) => next.as_ref(),
                    _ => None,
                });
            }
            Op::Go(next) => return Ok(Some(next)),
            Op::Use(_)
            | Op::Over { .. }
            | Op::Keep(_)
            | Op::File { .. }
            | Op::Route { .. }
            | Op::Rewrite { .. }
            | Op::Lookup(_)
            | Op::Target(_)
            | Op::Promise { .. }
            | Op::LimitRate(_)
            | Op::Edit(_)
            | Op::Admit
            | Op::Identify
            | Op::Probe(_)
            | Op::Negotiate(_)
            | Op::Detach
            | Op::Authorize(_)
            | Op::Respond(_)
            | Op::Trace(_)
            | Op::Complain(..)
            | Op::Perform(_)
            | Op::Locate(_)
            | Op::Local(_)
            | Op::End => return Ok(None),
        };
        if !matches!(op, Op::Match { .. }) {
            observer.tested(plan.spans[at], holds);
        }
        if !holds {
            self.place = *otherwise;
        }
        Ok(None)
    }

    fn follow<'p>(&mut self, plan: &'p Plan, next: &'p Next) -> Result<(), Need<'p>> {
        match next {
            Next::To(place) => self.place = *place,
            Next::Repeat(place) => {
                if !self.spend(plan) {
                    return Err(Need::Exhausted);
                }
                self.place = *place;
            }
            Next::Again(place, times) => {
                let known = self.again.iter().position(|(other, _)| other == place);
                let at = known.unwrap_or_else(|| {
                    self.again.push((*place, 0));
                    self.again.len() - 1
                });
                self.again[at].1 += 1;
                if self.again[at].1 > *times {
                    return Err(Need::Exhausted);
                }
                self.place = *place;
            }
            Next::Enter(name) => match self.enter(plan, name) {
                Ok(true) => {}
                Ok(false) => return Err(Need::Exhausted),
                Err(NoSuchBlock) => return Err(Need::NoBlock(name)),
            },
            // What a question leads to is not asked.
            Next::Restart | Next::Resume if self.probes > 0 => return Err(Need::Handle),
            Next::Restart | Next::Resume => {
                if !self.spend(plan) {
                    return Err(Need::Exhausted);
                }
                self.internal = true;
                self.rewritten = true;
                let depends = std::mem::take(&mut self.depends);
                self.begin(plan);
                if matches!(next, Next::Resume) {
                    self.depends = depends;
                }
            }
        }
        Ok(())
    }

    fn route(&mut self, plan: &Plan, table: u32, otherwise: u32) -> Result<(), Failure> {
        let path = std::mem::take(&mut self.path);
        let found = plan.tables[table as usize].find(&plan.tables, &path);
        let outcome = found.and_then(|found| {
            for (find, into) in found.finds {
                self.find(find, into, &path)?;
            }
            Ok(found.body)
        });
        self.path = path;
        match outcome? {
            Some((body, prefix)) => {
                self.place = body;
                self.path_rest = prefix as usize;
                self.moved = self.detached;
            }
            None => self.place = otherwise,
        }
        Ok(())
    }

    /// `false` when nothing would be left of the path. What prepares the handler says where the file is: the
    /// request does not count as rewritten for that.
    fn rewrite(&mut self, plan: &Plan, view: &impl View, path: Option<&Template>, query: &Query) -> bool {
        let new_path = path.map(|path| self.value(plan, view, path));
        match query {
            Query::Keep => {}
            Query::Replace(query) => {
                let new = self.value(plan, view, query);
                let old = std::mem::replace(&mut self.query, new);
                self.values.give_back(old);
                self.rewritten = true;
            }
            Query::Prepend(query) => {
                let mut new = self.value(plan, view, query);
                if !self.query.is_empty() {
                    new.push(b'&');
                    new.extend_from_slice(&self.query);
                }
                let old = std::mem::replace(&mut self.query, new);
                self.values.give_back(old);
                self.rewritten = true;
            }
        }
        if let Some(new) = new_path {
            let old = std::mem::replace(&mut self.path, new);
            self.values.give_back(old);
            self.path_rest = 0;
            if !self.prepared {
                self.rewritten = true;
                self.moved = true;
                self.internal = true;
            }
            return !self.path.is_empty();
        }
        true
    }

    /// Begins the next block of the phase under way, or returns from it.
    fn next_hook(&mut self, plan: &Plan) {
        let Some(call) = self.calls.last_mut() else { return };
        let blocks = plan.settings(call.of).hooks.get(usize::from(call.phase));
        if let Some(entry) = blocks.and_then(|blocks| blocks.get(call.begun)) {
            call.begun += 1;
            self.place = entry.0;
        } else if let Some(call) = self.calls.pop() {
            self.place = call.from;
            (self.at_end, self.kept) = (call.at_end, call.kept);
        }
    }

    /// Puts the value of a variable where a need speaks of it.
    fn ask(&mut self, var: VarId) {
        self.asked.clear();
        self.asked.extend_from_slice(self.values.get(var).unwrap_or_default());
    }

    /// The answer to [`Need::Local`] where the directory brings a program: it is the rest of this one.
    pub fn go_local(&mut self, entry: Entry) {
        self.place = entry.0;
        self.calls.clear();
    }

    /// The answer to [`Need::File`] and [`Need::Access`].
    pub fn tell(&mut self, answer: bool) {
        self.told = Some(answer);
    }

    /// Internal redirect: the host's program again with this path and query; registers and variables stay.
    /// `false` when the budget is spent.
    pub fn restart(&mut self, plan: &Plan, path: &[u8], query: &[u8]) -> bool {
        if !self.spend(plan) {
            return false;
        }
        self.path.clear();
        self.path.extend_from_slice(path);
        self.query.clear();
        self.query.extend_from_slice(query);
        self.internal = true;
        self.rewritten = true;
        self.detached = false;
        self.begin(plan);
        true
    }

    /// Goes on at a named block of the host. `Ok(false)` when the budget is spent.
    pub fn enter(&mut self, plan: &Plan, name: &[u8]) -> Result<bool, NoSuchBlock> {
        let host = &plan.hosts[self.host.0 as usize];
        let entry = *host.named.get(name).ok_or(NoSuchBlock)?;
        if !self.spend(plan) {
            return Ok(false);
        }
        self.internal = true;
        self.go(host.settings, entry);
        Ok(true)
    }

    /// Goes to the first of the `on_response` blocks in force.
    pub fn begin_response(&mut self, plan: &Plan) {
        self.block = 0;
        self.next_block(plan);
    }

    fn next_block(&mut self, plan: &Plan) {
        let blocks = &plan.settings(self.settings).answer.on_response;
        self.in_block = blocks.get(self.block as usize).is_some_and(|entry| {
            self.place = entry.0;
            true
        });
        self.block += 1;
    }

    /// Runs the `on_response` blocks in force up to the next edit; `None` at the end.
    pub fn response_edit<'p>(&mut self, plan: &'p Plan, view: &impl View) -> Option<&'p EditOp> {
        while self.in_block {
            let at = self.place as usize;
            let op = &plan.code[at];
            self.place += 1;
            match op {
                Op::Edit(edit) => return Some(edit),
                Op::End => self.next_block(plan),
                op => match self.common(plan, view, op, &mut Quiet, at) {
                    Ok(Some(Next::To(place))) => self.place = *place,
                    Ok(Some(
                        Next::Repeat(_) | Next::Again(..) | Next::Enter(_) | Next::Restart | Next::Resume,
                    )) => {
                        self.next_block(plan);
                    }
                    Ok(None) => {}
                    Err(failure) => {
                        self.failure = Some(failure);
                        self.next_block(plan);
                    }
                },
            }
        }
        None
    }

    /// Runs the `on_response` blocks in force: their edits, in order.
    pub fn response_edits<'p>(&mut self, plan: &'p Plan, view: &impl View) -> SmallVec<[&'p EditOp; 8]> {
        self.begin_response(plan);
        std::iter::from_fn(|| self.response_edit(plan, view)).collect()
    }

    /// Where in its subject the last match written to a register began and ended.
    pub fn matched(&self, register: Register) -> (usize, usize) {
        self.registers.whole(register)
    }

    /// Searches `subject`; a match fills the register and assigns named groups.
    pub fn find(&mut self, find: &Find, into: Register, subject: &[u8]) -> Result<bool, Failure> {
        if find.keep == 0 {
            return find.matcher.is_match(subject);
        }
        let found = self.registers.find(find, into, subject)?;
        if found {
            for (group, var) in &find.assign {
                let value = self.registers.group(into, *group);
                self.values.set(*var, value);
            }
        }
        Ok(found)
    }

    /// The whole of the last match written to a register, and where its subject begins and ends around it.
    pub fn capture(&self, register: Register, group: u32) -> &[u8] {
        self.registers.group(register, group)
    }

    /// Writes a variable.
    pub fn assign(&mut self, var: VarId, value: &[u8]) {
        self.values.set(var, value);
    }

    /// Assigns the named groups of a pattern that matches; registers stay.
    pub(super) fn assign_groups(&mut self, find: &Find, subject: &[u8]) {
        let mut spans = super::pattern::Spans::new();
        if find.keep == 0 || find.matcher.find(subject, find.keep, &mut spans) != Ok(true) {
            return;
        }
        for (group, var) in &find.assign {
            self.values.set(*var, memory::part(subject, &spans, *group));
        }
    }
}

fn put<T: Copy + Default>(slots: &mut SmallVec<[T; 4]>, slot: u16, value: T) {
    let slot = usize::from(slot);
    if slots.len() <= slot {
        slots.resize(slot + 1, T::default());
    }
    slots[slot] = value;
}
