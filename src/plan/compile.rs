//! From the IR to the plan.

use std::sync::Arc;

use super::{
    ContentOp, EditOp, Effective, Entry, Given, HostPlan, Plan, Recoder, SettingsId,
    hash::Map,
    likely::{self, Likely, Rule},
    op::{Next, Op},
    pattern::{Find, Matcher},
    question::Question,
    route::{Indexes, RouteTable},
    shelf::Shelf,
    store::Store,
    var::VarPlan,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Base, Block, Change, Config, Edit, Hook, Host, Jump, Kind, Name, Part as TemplatePart, Pattern,
        Protocol, Register, Scope, Settings, Step, Template, Test, Text, UrlMatch,
        settings::{ContentEdit, ContentMatch},
        walk::{self, Item},
    },
    source::Span,
};

mod extend;
mod settings;
mod tables;

pub use extend::Added;
pub(super) use extend::Growth;
pub(super) use settings::Layer;
use settings::{ForwardingParts, Memo, Part, Parts};

/// Compiles a configuration that `ir::validate` found sound.
pub fn compile(config: impl Into<Arc<Config>>) -> Result<Plan, Vec<Diagnostic>> {
    let config = config.into();
    let mut compiler = Compiler::new(&config);
    compiler.base();
    let hosts: Vec<_> = config.hosts.iter().map(|host| compiler.host(host)).collect();
    let vars: Vec<VarPlan> = config.vars.iter().map(|var| compiler.var(var)).collect();
    let listeners = compiler.listeners();
    compiler.link();
    compiler.build_patterns();
    let Compiler { code, spans, tables, layers, settings, diagnostics, phases, read, .. } = compiler;
    if !diagnostics.is_empty() {
        return Err(diagnostics);
    }
    let clobbers = |var: &VarPlan| matches!(var, VarPlan::Table(table) if table.clobbers);
    let some_clobber = vars.iter().any(clobbers);
    let by_status = |statuses: &mut dyn Iterator<Item = u16>| {
        (0..).zip(statuses).map(|(at, status)| (status, at)).collect::<Map<u16, u32>>()
    };
    let reasons = by_status(&mut config.reasons.iter().map(|reason| reason.0));
    let pages = by_status(&mut config.pages.iter().map(|page| page.0));
    let settings = Store::new(settings);
    let recoders = config.recodings.iter().flat_map(Recoder::pair).map(Arc::new).collect();
    let growth = Growth::new(phases, read, config.vars.clone()).into();
    Ok(Plan {
        config,
        provider: None,
        sources: None,
        hosts,
        listeners,
        code: Shelf::new(code),
        spans: Shelf::new(spans),
        tables: Shelf::new(tables),
        layers: Shelf::new(layers),
        settings,
        vars: Shelf::new(vars),
        growth,
        some_clobber,
        reasons,
        pages,
        recoders,
    })
}

/// What the scopes inside a block lie on.
#[derive(Clone, Copy, Debug)]
enum Ground {
    /// These settings.
    Fixed(SettingsId),
    /// What was kept in this slot.
    Kept(u16),
}

/// How many there are of each already, in a plan that grows.
#[derive(Clone, Copy, Debug, Default)]
struct Numbers {
    code: u32,
    tables: u32,
    layers: u32,
}

struct Compiler<'c> {
    config: &'c Config,
    base: Numbers,
    code: Vec<Op>,
    spans: Vec<Span>,
    /// Where labels are in the code, by their number.
    labels: Vec<u32>,
    /// The labelled blocks around, with the labels of their begin and end.
    blocks: Vec<(&'c Name, u32, u32)>,
    /// How many slots for kept settings are taken.
    kept: u16,
    tables: Vec<RouteTable>,
    indexes: Indexes,
    /// Labels of bodies, to be replaced by places.
    layers: Vec<Layer>,
    layer_of: Map<usize, u32>,
    settings: Vec<Effective>,
    memo: Memo<'c>,
    matchers: Map<(Kind, bool, Text), Option<Arc<Matcher>>>,
    /// Patterns that are matched one by one.
    alone: Vec<(Arc<Matcher>, Span)>,
    /// The highest group that is read of each register.
    read: Map<Register, u8>,
    /// Numbers of phases.
    phases: Map<Name, u16>,
    stepped: Vec<bool>,
    diagnostics: Vec<Diagnostic>,
}

impl<'c> Compiler<'c> {
    fn new(config: &'c Config) -> Self {
        let mut read = Map::default();
        let mut stepped = vec![false; config.vars.len()];
        walk::config(config, &mut |item, _| match item {
            Item::Template(template) => reads(template, &mut read),
            Item::Assign(var) => {
                if let Some(stepped) = stepped.get_mut(var.0 as usize) {
                    *stepped = true;
                }
            }
            _ => {}
        });
        Self { stepped, ..Self::of(config, read) }
    }

    /// One that knows what is read of registers.
    fn of(config: &'c Config, read: Map<Register, u8>) -> Self {
        Self {
            config,
            base: Numbers::default(),
            code: Vec::new(),
            spans: Vec::new(),
            labels: Vec::new(),
            blocks: Vec::new(),
            kept: 0,
            tables: Vec::new(),
            indexes: Indexes::default(),
            layers: Vec::new(),
            layer_of: Map::default(),
            settings: Vec::new(),
            memo: Memo::default(),
            matchers: Map::default(),
            alone: Vec::new(),
            read,
            phases: Map::default(),
            stepped: Vec::new(),
            diagnostics: Vec::new(),
        }
    }

    /// The settings of a host that sets nothing, as number 0.
    fn base(&mut self) {
        let nothing = Effective::default();
        let base = self.lay(&nothing, &self.config.base, false, Span::NONE);
        let base = self.lay(&base, &self.config.common, false, Span::NONE);
        self.settings.push(base);
    }

    fn host(&mut self, host: &'c Host) -> HostPlan {
        let Host { name: _, names: _, tls: _, request, named, span: _ } = host;
        let settings = match &request.scope {
            Some(scope) => self.fixed(SettingsId(0), scope, request.span),
            None => SettingsId(0),
        };
        let entry = self.here();
        self.labelled(request, Ground::Fixed(settings));
        self.emit(Op::End, request.span);
        let mut blocks = Map::default();
        for (name, block) in named {
            let entry = self.here();
            self.block(block, Ground::Fixed(settings));
            self.emit(Op::End, block.span);
            blocks.entry(name.clone()).or_insert(Entry(entry));
        }
        HostPlan { settings, entry: Entry(entry), named: blocks }
    }

    /// A block with its settings.
    fn block(&mut self, block: &'c Block, ground: Ground) {
        let kept = self.kept;
        let ground = match &block.scope {
            Some(scope) => self.enter(scope, ground, block.span),
            None => ground,
        };
        self.labelled(block, ground);
        self.kept = kept;
    }

    /// A block whose settings are in force.
    fn labelled(&mut self, block: &'c Block, ground: Ground) {
        let Block { label, scope: _, steps, span } = block;
        let Some(label) = label else { return self.steps(steps, ground) };
        let slot = self.blocks.len() as u16;
        let (begin, end) = (self.label(), self.label());
        self.place(begin);
        self.emit(Op::Open(slot), *span);
        self.blocks.push((label, begin, end));
        self.steps(steps, ground);
        self.blocks.pop();
        self.place(end);
        self.emit(Op::Close(slot), *span);
    }

    /// Steps in order; rules in a row are preceded by what tells whether they can match.
    fn steps(&mut self, steps: &'c [(Step, Span)], ground: Ground) {
        let mut rest = steps;
        while !rest.is_empty() {
            let rules = likely::row(rest);
            let length = rules.iter().map(|rule| rule.length).sum::<usize>().max(1);
            let (row, after) = rest.split_at(length);
            rest = after;
            let Some(set) = self.likely(&rules) else {
                row.iter().for_each(|(step, span)| self.step(step, *span, ground));
                continue;
            };
            let (mut places, mut row) = (Vec::with_capacity(rules.len() + 1), row);
            for (number, rule) in (0..).zip(&rules) {
                let (steps, after) = row.split_at(rule.length);
                row = after;
                places.push(self.here());
                self.emit(Op::Likely { set: Arc::clone(&set), rule: number }, rule.span);
                steps.iter().for_each(|(step, span)| self.step(step, *span, ground));
            }
            places.push(self.here());
            set.put(places);
        }
    }

    /// What tells which of these rules can match; `None` where that is not worth while.
    fn likely(&mut self, rules: &[Rule<'c>]) -> Option<Arc<Likely>> {
        let subject = rules.first().filter(|_| rules.len() > 1)?.subject;
        let mut finds = Vec::with_capacity(rules.len());
        for rule in rules {
            finds.push(self.find(rule.pattern, None, rule.span)?);
        }
        let heads: Vec<_> = rules.iter().map(|rule| rule.head.clone()).collect();
        Likely::new(subject, &finds, &heads).map(Arc::new)
    }

    /// Puts a scope in force and says what lies on it.
    fn enter(&mut self, scope: &'c Scope, ground: Ground, span: Span) -> Ground {
        if let (Ground::Fixed(below), Base::Enclosing) = (ground, scope.base) {
            let settings = self.fixed(below, scope, span);
            self.emit(Op::Use(settings), span);
            return Ground::Fixed(settings);
        }
        let kept = match (ground, scope.base) {
            (Ground::Kept(slot), Base::Enclosing) => Some(slot),
            _ => None,
        };
        let layer = self.layer(scope, span);
        self.emit(Op::Over { layer, kept }, span);
        let slot = self.kept;
        self.kept += 1;
        self.emit(Op::Keep(slot), span);
        Ground::Kept(slot)
    }

    /// A scope over settings that are known.
    fn fixed(&mut self, below: SettingsId, scope: &'c Scope, span: Span) -> SettingsId {
        let base = self.settings[below.0 as usize].clone();
        let accumulate = scope.base == Base::Current;
        let laid = self.lay(&base, &scope.set, accumulate, span);
        self.intern(below, &base, laid)
    }

    fn intern(&mut self, below: SettingsId, base: &Effective, laid: Effective) -> SettingsId {
        if laid.is_same(base) {
            return below;
        }
        self.settings.push(laid);
        SettingsId(self.settings.len() as u32 - 1)
    }

    fn lay(&mut self, base: &Effective, set: &'c Settings, accumulate: bool, span: Span) -> Effective {
        let mut memo = std::mem::take(&mut self.memo);
        let laid = memo.lay(base, set, accumulate, &mut |part| self.part(set, part, span));
        // Blocks among the parts lie on settings not known yet, so they have put nothing in a memo.
        self.memo = memo;
        laid
    }

    fn layer(&mut self, scope: &'c Scope, span: Span) -> u32 {
        let key = std::ptr::from_ref(scope) as usize;
        if let Some(known) = self.layer_of.get(&key) {
            return *known;
        }
        let set = &*scope.set;
        let mut parts = Parts::default();
        if set.prepare.is_some() {
            parts.prepare = self.part(set, Part::Prepare, span).prepare;
        }
        if !set.hooks.is_empty() {
            parts.hooks = self.part(set, Part::Hooks, span).hooks;
        }
        parts.on_response = self.part(set, Part::Response, span).on_response;
        for protocol in Protocol::ALL {
            if !set.forwarding(protocol).is_empty() {
                parts.forwarding.extend(self.part(set, Part::Forwarding(protocol), span).forwarding);
            }
        }
        parts.rewriting = self.part(set, Part::Rewriting, span).rewriting;
        self.layers.push(Layer { set: set.clone(), parts, accumulate: scope.base == Base::Current });
        let layer = self.base.layers + self.layers.len() as u32 - 1;
        self.layer_of.insert(key, layer);
        layer
    }

    /// Compiles what is a program in settings.
    fn part(&mut self, set: &'c Settings, part: Part, span: Span) -> Parts {
        let mut parts = Parts::default();
        match part {
            Part::Prepare => {
                parts.prepare = set.prepare.as_ref().map(|block| self.aside(std::slice::from_ref(block))[0]);
            }
            Part::Hooks => {
                for Hook { phase, join, blocks } in &set.hooks {
                    let phase = self.phase(phase);
                    let blocks = self.aside(blocks);
                    parts.hooks.push((phase, *join, blocks));
                }
            }
            Part::Response => {
                parts.on_response = self.aside(set.answer.on_response.as_deref().unwrap_or_default());
            }
            Part::Rewriting => {
                let edits = set.rewriting.edits.iter().flatten();
                parts.rewriting = edits.filter_map(|edit| self.content_edit(edit, span)).collect();
            }
            Part::Forwarding(protocol) => {
                let written = set.forwarding(protocol);
                let edits = self.edits(written.response_edits.as_deref(), span);
                let split = written.script_split.as_ref().and_then(Option::as_ref).and_then(|pattern| {
                    // Both groups are read, whatever templates read.
                    let find = self.find(pattern, None, span).map(|find| Find { keep: 3, ..find });
                    self.alone(find.as_slice(), span);
                    find
                });
                parts.forwarding.push((protocol, ForwardingParts { edits, split }));
            }
        }
        parts
    }

    /// The number of a phase.
    fn phase(&mut self, name: &Name) -> u16 {
        let next = self.phases.len() as u16;
        *self.phases.entry(name.clone()).or_insert(next)
    }

    /// Blocks that are called, not run into.
    fn aside(&mut self, blocks: &'c [Block]) -> Vec<Entry> {
        if blocks.is_empty() {
            return Vec::new();
        }
        let outer = std::mem::take(&mut self.blocks);
        let (kept, after) = (self.kept, self.label());
        self.emit(Op::Go(Next::To(after)), Span::NONE);
        let mut entries = Vec::new();
        for block in blocks {
            entries.push(Entry(self.here()));
            self.kept = 1;
            self.emit(Op::Keep(0), block.span);
            self.block(block, Ground::Kept(0));
            self.emit(Op::End, block.span);
        }
        self.place(after);
        (self.blocks, self.kept) = (outer, kept);
        entries
    }

    fn edits(&mut self, edits: Option<&'c [Edit]>, span: Span) -> Vec<Arc<EditOp>> {
        edits.unwrap_or_default().iter().map(|edit| Arc::new(self.edit(edit, span))).collect()
    }

    fn edit(&mut self, edit: &Edit, span: Span) -> EditOp {
        let pattern = match edit {
            Edit::Url { from, fields: _, to: _ }
            | Edit::CookieDomain { from, to: _ }
            | Edit::CookiePath { from, to: _ }
            | Edit::CookieFlags { cookie: from, flags: _ } => match from {
                UrlMatch::Text(_) => None,
                UrlMatch::Pattern(pattern, into) => {
                    let find = self.find(pattern, Some(*into), span);
                    self.alone(find.as_slice(), span);
                    find.map(|find| (find, *into))
                }
            },
            Edit::Field {
                name: _,
                standing: _,
                change: Change::Replace { pattern, into, with: _, all: _ },
            } => {
                // The whole match is read whatever the template reads.
                let find = self.find(pattern, Some(*into), span);
                self.alone(find.as_slice(), span);
                find.map(|find| (Find { keep: find.keep.max(1), ..find }, *into))
            }
            Edit::Echo(pattern, _) => {
                let find = self.find(pattern, None, span);
                self.alone(find.as_slice(), span);
                find.map(|find| (find, Register('m')))
            }
            Edit::Field { .. }
            | Edit::Lifetime { .. }
            | Edit::Set(..)
            | Edit::Append(..)
            | Edit::Received
            | Edit::Framing
            | Edit::Switch(_)
            | Edit::Reverse { .. }
            | Edit::CookieAttribute { .. }
            | Edit::Add(..)
            | Edit::Remove(_)
            | Edit::RemoveNominated
            | Edit::Trailer(..)
            | Edit::Expires(_) => None,
        };
        EditOp { edit: edit.clone(), pattern, span }
    }

    /// An edit of content with its pattern; `None`, with a finding, when that is none.
    fn content_edit(&mut self, edit: &ContentEdit, span: Span) -> Option<ContentOp> {
        let given = match &edit.given {
            Some(test) => Some(Arc::new(self.given(test, span)?)),
            None => None,
        };
        let pattern = match &edit.find {
            ContentMatch::Text(..) => return Some(ContentOp { edit: edit.clone(), matcher: None, given }),
            ContentMatch::Pattern(pattern, _) | ContentMatch::Not(pattern) => pattern,
        };
        let find = self.find(pattern, None, span);
        self.alone(find.as_slice(), span);
        find.map(|find| ContentOp { edit: edit.clone(), matcher: Some(find.matcher), given })
    }

    /// What has to hold besides a pattern in content.
    fn given(&mut self, test: &Test, span: Span) -> Option<Given> {
        let mut all = |tests: &[Test]| {
            let all: Vec<_> = tests.iter().map(|test| self.given(test, span)).collect();
            all.into_iter().collect::<Option<Vec<_>>>()
        };
        Some(match test {
            Test::All(tests) => Given::All(all(tests)?),
            Test::Any(tests) => Given::Any(all(tests)?),
            Test::Not(test) => Given::Not(Box::new(self.given(test, span)?)),
            Test::Match { subject, pattern, into } => {
                let find = self.find(pattern, *into, span)?;
                self.alone(std::slice::from_ref(&find), span);
                Given::Match { subject: subject.clone(), find, into: *into }
            }
            _ => {
                let message = "only matches can be asked for where content is rewritten";
                self.diagnostics.push(Diagnostic::error("broken-ir", span, message));
                return None;
            }
        })
    }

    fn step(&mut self, step: &'c Step, span: Span, ground: Ground) {
        let op = match step {
            Step::Do(block) => return self.block(block, ground),
            Step::When { test, then, otherwise } => return self.when(test, then, otherwise, span, ground),
            Step::Route(table) => return self.route(table, span, ground),
            Step::Rewrite { path, query } => Op::Rewrite { path: path.clone(), query: query.clone() },
            Step::Assign { var, value } => Op::Assign { var: *var, value: value.clone() },
            Step::Unassign(var) => Op::Unassign(*var),
            Step::Lookup(lookup) => Op::Lookup(lookup.clone()),
            Step::Target(target) => Op::Target(target.clone()),
            Step::Promise { field, value, always, member } => {
                Op::Promise { field: field.clone(), value: value.clone(), always: *always, member: *member }
            }
            Step::LimitRate(rate) => Op::LimitRate(rate.clone()),
            Step::Forget(register) => Op::Forget(*register),
            Step::Edit(edit) => Op::Edit(Box::new(self.edit(edit, span))),
            Step::Admit => Op::Admit,
            Step::Identify => Op::Identify,
            Step::Probe(probe) => Op::Probe(probe.clone()),
            Step::Negotiate(negotiate) => Op::Negotiate(negotiate.clone()),
            Step::Detach => Op::Detach,
            Step::Authorize(asking) => Op::Authorize(*asking),
            Step::Respond(reply) => Op::Respond(reply.clone()),
            Step::Jump(jump) => match self.jump(jump, span) {
                Some(next) => Op::Go(next),
                None => return,
            },
            Step::AtEnd(jump) => {
                let next = jump.as_ref().and_then(|jump| self.jump(jump, span));
                match self.blocks.len().checked_sub(1) {
                    Some(slot) => Op::AtEnd(slot as u16, next),
                    None => return,
                }
            }
            Step::Trace(line) => Op::Trace(line.clone()),
            Step::Complain(topic, line) => Op::Complain(*topic, line.clone()),
            Step::Perform(phase) => Op::Perform(self.phase(phase)),
            Step::Locate(names) => Op::Locate(*names),
            Step::Local(folder) => Op::Local(*folder),
        };
        self.emit(op, span);
    }

    fn when(&mut self, test: &Test, then: &'c Block, otherwise: &'c Block, span: Span, ground: Ground) {
        let no = self.label();
        self.test(test, no, span);
        self.block(then, ground);
        if otherwise.is_empty() {
            return self.place(no);
        }
        let after = self.label();
        self.emit(Op::Go(Next::To(after)), span);
        self.place(no);
        self.block(otherwise, ground);
        self.place(after);
    }

    /// Goes on when the test holds, else to a label.
    fn test(&mut self, test: &Test, otherwise: u32, span: Span) {
        let op = match test {
            Test::All(tests) => {
                for test in tests {
                    self.test(test, otherwise, span);
                }
                return;
            }
            Test::Any(tests) => {
                let Some((last, tests)) = tests.split_last() else {
                    return self.emit(Op::Go(Next::To(otherwise)), span);
                };
                let holds = self.label();
                for test in tests {
                    let next = self.label();
                    self.test(test, next, span);
                    self.emit(Op::Go(Next::To(holds)), span);
                    self.place(next);
                }
                self.test(last, otherwise, span);
                return self.place(holds);
            }
            Test::Not(test) => {
                let not = self.label();
                self.test(test, not, span);
                self.emit(Op::Go(Next::To(otherwise)), span);
                return self.place(not);
            }
            Test::Match { subject, pattern, into } => {
                let Some(find) = self.find(pattern, *into, span) else { return };
                self.alone(std::slice::from_ref(&find), span);
                Op::Match { subject: subject.clone(), find, into: *into, otherwise }
            }
            Test::Equal(left, right) => Op::Equal { left: left.clone(), right: right.clone(), otherwise },
            Test::Compare { .. }
            | Test::Present(_)
            | Test::Longer(..)
            | Test::InNetwork(..)
            | Test::Depends(_) => {
                let Some(question) = self.question(test, span) else { return };
                Op::Ask { question, otherwise }
            }
            Test::Truthy(value) => Op::Truthy { value: value.clone(), otherwise },
            Test::File(path, kind) => Op::File { path: path.clone(), kind: *kind, otherwise },
            Test::Method(methods) => Op::Method { methods: methods.clone(), otherwise },
            Test::Status(statuses) => Op::Status { statuses: statuses.clone(), otherwise },
            Test::Internal => Op::Internal { otherwise },
        };
        self.emit(op, span);
    }

    /// A test that is answered at once. `None` when a pattern in it is wrong, which is then said.
    fn question(&mut self, test: &Test, span: Span) -> Option<Question> {
        let mut all = |tests: &[Test]| {
            let questions: Vec<_> = tests.iter().map(|test| self.question(test, span)).collect();
            questions.into_iter().collect::<Option<Vec<_>>>()
        };
        Some(match test {
            Test::All(tests) => Question::All(all(tests)?),
            Test::Any(tests) => Question::Any(all(tests)?),
            Test::Not(test) => Question::Not(Box::new(self.question(test, span)?)),
            Test::Match { subject, pattern, into } => {
                let find = self.find(pattern, *into, span)?;
                self.alone(std::slice::from_ref(&find), span);
                Question::Match { subject: subject.clone(), find, into: *into }
            }
            Test::Equal(left, right) => Question::Equal(left.clone(), right.clone()),
            Test::Compare { left, right, relation, by } => {
                Question::Compare { left: left.clone(), right: right.clone(), relation: *relation, by: *by }
            }
            Test::Present(value) => Question::Present(value.clone()),
            Test::Depends(names) => Question::Depends(names.clone()),
            Test::Longer(value, bytes) => Question::Longer(value.clone(), *bytes),
            Test::InNetwork(address, networks) => Question::InNetwork(address.clone(), networks.clone()),
            Test::Truthy(value) => Question::Truthy(value.clone()),
            Test::File(path, kind) => Question::File(path.clone(), *kind),
            Test::Method(methods) => Question::Method(methods.clone()),
            Test::Status(statuses) => Question::Status(statuses.clone()),
            Test::Internal => Question::Internal,
        })
    }

    fn jump(&mut self, jump: &Jump, span: Span) -> Option<Next> {
        let around = |name: &Name| self.blocks.iter().rev().find(|(label, ..)| *label == name);
        let next = match jump {
            Jump::Exit(name) => around(name).map(|(_, _, end)| Next::To(*end)),
            Jump::Repeat(name) => around(name).map(|(_, begin, _)| Next::Repeat(*begin)),
            Jump::Again(name, times) => around(name).map(|(_, begin, _)| Next::Again(*begin, *times)),
            Jump::Enter(name) => Some(Next::Enter(name.clone())),
            Jump::Restart => Some(Next::Restart),
            Jump::Resume => Some(Next::Resume),
        };
        if next.is_none() {
            let message = "jump to a block that is not around it";
            self.diagnostics.push(Diagnostic::error("broken-jump", span, message));
        }
        next
    }

    /// A pattern in its place. `None` when it is wrong, which is then said.
    fn find(&mut self, pattern: &Pattern, into: Option<Register>, span: Span) -> Option<Find> {
        let key = (pattern.kind, pattern.ignore_case, pattern.text.clone());
        if !self.matchers.contains_key(&key) {
            let made = match Matcher::new(pattern) {
                Ok(matcher) => Some(Arc::new(matcher)),
                Err(error) => {
                    let text = pattern.text.lossy();
                    let begin: String = text.chars().take(200).collect();
                    let more = if begin.len() < text.len() { "..." } else { "" };
                    let message = format!("invalid pattern \"{begin}{more}\": {}", error.message);
                    let note = format!("at offset {} of the pattern", error.offset);
                    self.diagnostics.push(Diagnostic::error("invalid-pattern", span, message).note(note));
                    None
                }
            };
            self.matchers.insert(key.clone(), made);
        }
        let matcher = Arc::clone(self.matchers.get(&key)?.as_ref()?);
        let mut assign = Vec::new();
        for (name, var) in &pattern.groups {
            if let Some(group) = matcher.group(name) {
                assign.push((group, *var));
            } else {
                let message = format!("pattern \"{}\" has no group \"{name}\"", pattern.text.lossy());
                self.diagnostics.push(Diagnostic::error("invalid-pattern", span, message));
            }
        }
        let read = into.and_then(|into| self.read.get(&into)).map_or(0, |highest| u32::from(*highest) + 1);
        let assigned = assign.iter().map(|(group, _)| group + 1).max().unwrap_or(0);
        Some(Find { matcher, assign: assign.into(), keep: read.max(assigned) })
    }

    fn alone(&mut self, finds: &[Find], span: Span) {
        self.alone.extend(finds.iter().map(|find| (Arc::clone(&find.matcher), span)));
    }

    fn emit(&mut self, op: Op, span: Span) {
        self.code.push(op);
        self.spans.push(span);
    }

    fn here(&self) -> u32 {
        self.base.code + self.code.len() as u32
    }

    fn label(&mut self) -> u32 {
        self.labels.push(u32::MAX);
        self.labels.len() as u32 - 1
    }

    fn place(&mut self, label: u32) {
        self.labels[label as usize] = self.here();
    }

    /// Replaces labels by places.
    fn link(&mut self) {
        for op in &mut self.code {
            if let Some(place) = op.places() {
                *place = self.labels[*place as usize];
            }
        }
    }

    /// Builds what matches single patterns. Where many are matched at once they are built when their
    /// captures are first wanted.
    fn build_patterns(&mut self) {
        for (matcher, span) in std::mem::take(&mut self.alone) {
            if let Err(error) = matcher.build() {
                self.diagnostics.push(Diagnostic::error("invalid-pattern", span, error.message));
            }
        }
    }
}

/// Notes which groups a template reads.
fn reads(template: &Template, read: &mut Map<Register, u8>) {
    for part in &template.0 {
        match part {
            TemplatePart::Capture(register, group) => {
                let highest = read.entry(*register).or_default();
                *highest = (*highest).max(*group);
            }
            TemplatePart::Escape(_, inner) => reads(inner, read),
            TemplatePart::Rest { of, after: with } | TemplatePart::Start { of, before: with } => {
                reads(of, read);
                reads(with, read);
            }
            TemplatePart::Text(_) | TemplatePart::Attr(_) | TemplatePart::Var(_) => {}
        }
    }
}

impl Block {
    /// Whether nothing is done.
    fn is_empty(&self) -> bool {
        self.scope.is_none() && self.steps.is_empty()
    }
}
