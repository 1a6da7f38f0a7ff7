//! From a host's program to what was written of it.
//!
//! Steps without a place in a file, or with that of their host, are the dialect's own way of running things: they are gone
//! through for what was written inside of them, and not said themselves.

use std::collections::BTreeSet;

use super::{
    Area, How, Item, Listen, Losses, Match, Notes, Outline, Place, PlaceKind, Rule, Server,
    guard::guarded,
    matching::{Known, of_pattern},
    value::Constants,
};
use crate::{
    ir::{
        Attr, Base, Block, Config, Handler, Host, HostId, Order, Part, Register, Route, Scope, Settings,
        Step, Table, Template, Test, Upstream, VarId,
    },
    source::Span,
};

/// Raises a configuration. `plain` is what the dialect makes of an empty one, where it writes its defaults into programs.
pub fn outline<'a>(
    config: &'a Config,
    plain: Option<&Config>,
    notes: &Notes<'_>,
    losses: &mut Losses,
) -> Outline<'a> {
    let mut outline = as_written(config, plain, notes, losses);
    outline.merge_upgrades();
    outline.hoist_edits();
    super::used::forget_unread(&mut outline);
    outline
}

/// The same before what is said in several places is put in one (see [`Outline::merge_upgrades`], [`Outline::hoist_edits`]).
pub fn as_written<'a>(
    config: &'a Config,
    plain: Option<&Config>,
    notes: &Notes<'_>,
    losses: &mut Losses,
) -> Outline<'a> {
    let mut walk = Walk::new(config, plain, notes, losses);
    let common = walk.area(&config.common, &Match::any(), Span::NONE);
    let mut together = config.base.clone();
    together.lay(&config.common, false);
    walk.chain = vec![together.clone()];
    walk.around = vec![together];
    let mut servers = Vec::new();
    for (at, host) in config.hosts.iter().enumerate() {
        let id = HostId(at as u32);
        let listens: Vec<_> =
            config.listeners.iter().filter(|one| one.hosts.contains(&id) || one.default == id).collect();
        if listens.is_empty() {
            continue;
        }
        let mut server = walk.server(host);
        server.listens = listens
            .iter()
            .map(|one| Listen {
                address: one.address.clone(),
                tls: one.tls,
                default: one.default == id,
                shared: one.hosts.len() > 1,
                options: one.options.clone(),
                span: one.span,
            })
            .collect();
        servers.push(server);
    }
    let assigned = super::used::assigned(config, &servers);
    Outline { config, common, assigned, servers }
}

/// Variables by what a program keeps in them.
#[derive(Debug, Default)]
pub(super) struct Vars {
    /// URLs that requests are sent to.
    pub(super) forward: BTreeSet<VarId>,
    /// The name of the file that a path is mapped to.
    pub(super) file: BTreeSet<VarId>,
    pub(super) rest: BTreeSet<VarId>,
    pub(super) folder: BTreeSet<VarId>,
    pub(super) name: BTreeSet<VarId>,
}

impl Vars {
    fn of(config: &Config) -> Self {
        let mut vars = Self::default();
        for host in &config.hosts {
            let blocks = std::iter::once(&host.request).chain(host.named.iter().map(|(_, block)| block));
            blocks.for_each(|block| vars.block(block));
        }
        // A file's name may be a URL as well, where its handler says that it is sent on.
        vars.forward.retain(|var| !vars.file.contains(var));
        vars
    }

    fn block(&mut self, block: &Block) {
        if let Some(Scope { set, .. }) = &block.scope {
            if let Some(Handler::Forward(forward)) = &set.handler
                && let Upstream::Url(url) = &forward.to
            {
                self.of_url(url);
            }
            set.hooks.iter().flat_map(|hook| &hook.blocks).for_each(|block| self.block(block));
        }
        for (step, _) in &block.steps {
            match step {
                Step::Do(block) => self.block(block),
                Step::When { then, otherwise, .. } => {
                    self.block(then);
                    self.block(otherwise);
                }
                Step::Route(table) => self.table(table),
                Step::Locate(locate) => {
                    self.file.insert(locate.file);
                    self.rest.insert(locate.rest);
                    self.folder.insert(locate.folder);
                    self.name.insert(locate.name);
                }
                _ => {}
            }
        }
    }

    fn table(&mut self, table: &Table) {
        for route in &table.routes {
            self.block(&route.body);
            if let Some(table) = &route.nested {
                self.table(table);
            }
        }
    }

    fn of_url(&mut self, url: &Template) {
        for part in &url.0 {
            match part {
                Part::Var(var) => {
                    self.forward.insert(*var);
                }
                Part::Escape(_, inner) => self.of_url(inner),
                _ => {}
            }
        }
    }
}

/// The settings of all scopes of a configuration.
fn scopes(config: &Config) -> Vec<Settings> {
    fn of(block: &Block, out: &mut Vec<Settings>) {
        out.extend(block.scope.as_ref().map(|scope| (*scope.set).clone()));
        for (step, _) in &block.steps {
            match step {
                Step::Do(block) => of(block, out),
                Step::When { then, otherwise, .. } => {
                    of(then, out);
                    of(otherwise, out);
                }
                _ => {}
            }
        }
    }
    let mut out = Vec::new();
    config.hosts.iter().for_each(|host| of(&host.request, &mut out));
    out
}

/// Going through a configuration.
pub(super) struct Walk<'a, 'b> {
    pub(super) config: &'a Config,
    pub(super) notes: &'b Notes<'b>,
    pub(super) losses: &'b mut Losses,
    pub(super) host_span: Span,
    /// Settings in force, from the outside in.
    pub(super) chain: Vec<Settings>,
    /// Those of the blocks around, without what was in force when they ended.
    around: Vec<Settings>,
    pub(super) known: Constants,
    pub(super) vars: Vars,
    /// Where the files of the host are.
    pub(super) root: String,
    plain: Vec<Settings>,
    /// Captures that are properties of the request.
    pub(super) captures: Vec<(Register, Known)>,
    /// Paths and the folders that they are mapped to.
    pub(super) aliases: Vec<(String, String)>,
    /// Where sections lead, which counts before what is said of paths elsewhere: the last of them first.
    sectional: Vec<Place>,
}

impl<'a, 'b> Walk<'a, 'b> {
    pub(super) fn new(
        config: &'a Config,
        plain: Option<&Config>,
        notes: &'b Notes<'b>,
        losses: &'b mut Losses,
    ) -> Self {
        Self {
            config,
            notes,
            losses,
            host_span: Span::NONE,
            chain: vec![config.base.clone()],
            around: vec![config.base.clone()],
            known: Constants::new(),
            vars: Vars::of(config),
            root: String::new(),
            plain: plain.map(scopes).unwrap_or_default(),
            captures: Vec::new(),
            aliases: Vec::new(),
            sectional: Vec::new(),
        }
    }

    /// What is known of a host before its steps are gone through.
    pub(super) fn begin(&mut self, host: &Host) {
        self.host_span = host.span;
        self.root = self.root_of(&host.request);
        self.aliases.clear();
        self.known.clear();
        self.constants(&host.request);
    }
}

impl Walk<'_, '_> {
    /// Whether somebody wrote what has this place.
    pub(super) fn is_written(&self, span: Span) -> bool {
        self.notes.is_written(span) && !Notes::same(span, self.host_span)
    }

    pub(super) fn effective(&self) -> &Settings {
        self.chain.last().unwrap_or(&self.config.base)
    }

    fn server(&mut self, host: &Host) -> Server {
        let Host { name: _, names, tls, request, named, span } = host;
        self.begin(host);
        let mut server = Server { names: names.clone(), tls: tls.clone(), span: *span, ..Server::default() };
        let depth = self.chain.len();
        server.area.span = *span;
        self.level(request, &mut server.area);
        let sectional = std::mem::take(&mut self.sectional);
        server.area.items.splice(0..0, sectional.into_iter().map(Item::Place));
        // How long content may be is a limit that people meet: it is said though it was a default.
        if server.area.settings.content.max_length.is_none()
            && self.config.common.content.max_length.is_none()
        {
            // Where nothing asks for it there is no limit.
            server.area.settings.content.max_length =
                if admits(request) { self.effective().content.max_length } else { Some(0) };
        }
        let inner = self.chain.len();
        for (name, block) in named {
            self.chain.truncate(inner);
            let mut area = Area { span: block.span, ..Area::default() };
            self.level(block, &mut area);
            server.named.push((name.clone(), area));
        }
        self.chain.truncate(depth);
        server
    }

    /// Where the files of a host are: the first root that its own scopes name.
    fn root_of(&self, block: &Block) -> String {
        let of = |settings: &Settings| settings.files.root.as_ref().and_then(super::text_of);
        let mut found = block.scope.as_ref().and_then(|scope| of(&scope.set));
        found = found.or_else(|| of(self.effective()));
        found.unwrap_or_default()
    }

    /// Values that a host gives to variables at every request.
    fn constants(&mut self, block: &Block) {
        let Some(scope) = &block.scope else { return };
        for hook in &scope.set.hooks {
            for (step, _) in hook.blocks.iter().flat_map(|block| &block.steps) {
                if let Step::Assign { var, value } = step
                    && value.as_text().is_some()
                {
                    self.known.insert(*var, Some(value.clone()));
                }
            }
        }
    }

    /// What a block of a host's program says.
    pub(super) fn level(&mut self, block: &Block, into: &mut Area) {
        let Block { label: _, scope, steps, span } = block;
        if let Some(Scope { base, set }) = scope {
            let mut set = (**set).clone();
            // What a lowering adds by itself, to no host in particular.
            if !span.is_known() && self.plain.is_empty() {
                set = Settings::default();
            }
            self.enter(&set, *base);
            if !self.is_written(*span) {
                self.plain.iter().for_each(|plain| set.subtract(plain));
            }
            let said = self.area(&set, &Match::any(), *span);
            join(into, said);
            self.around.push(self.effective().clone());
        }
        let guarded = guarded(block).filter(|(.., span)| self.is_written(*span));
        let steps = guarded.as_ref().map_or(steps, |(before, ..)| &before.steps);
        for (at, (step, span)) in steps.iter().enumerate() {
            self.step(step, *span, steps, at, into);
        }
        if let Some((_, test, rest, span)) = &guarded {
            self.when(test, rest, &Block::default(), *span, into);
        }
        if scope.is_some() {
            self.around.pop();
        }
    }

    /// Lays settings over those in force.
    pub(super) fn enter(&mut self, set: &Settings, base: Base) {
        let below = match base {
            Base::Enclosing => self.around.last(),
            Base::Current => None,
        };
        let mut next = below.unwrap_or_else(|| self.effective()).clone();
        next.lay(set, base == Base::Current);
        self.chain.push(next);
    }

    fn step(&mut self, step: &Step, span: Span, steps: &[(Step, Span)], at: usize, into: &mut Area) {
        let written = self.is_written(span);
        match step {
            Step::Do(block) => {
                let depth = self.chain.len();
                if written && block.scope.is_none() {
                    let acts = self.acts(block, span);
                    push_acts(into, acts, span);
                } else {
                    self.level(block, into);
                }
                // Settings stay in force.
                if self.chain.len() > depth + 1 {
                    let last = self.chain.pop().unwrap_or_default();
                    self.chain.truncate(depth);
                    self.chain.push(last);
                }
            }
            Step::When { test, then, otherwise } if written => self.when(test, then, otherwise, span, into),
            Step::When { then, otherwise, .. } => {
                self.level(then, into);
                self.level(otherwise, into);
            }
            Step::Route(table) => self.table(table, into),
            Step::Forget(_)
            | Step::Authorize(_)
            | Step::Admit
            | Step::Perform(_)
            | Step::Locate(_)
            | Step::Probe(_)
            | Step::Negotiate(_)
            | Step::Local(_)
            | Step::Trace(_)
            | Step::Complain(..)
            | Step::Identify
            | Step::Detach => {}
            _ if !written => {}
            Step::Respond(_)
            | Step::Rewrite { .. }
            | Step::Assign { .. }
            | Step::Jump(_)
            | Step::AtEnd(_)
            | Step::Target(_)
            | Step::Lookup(_)
            | Step::Unassign(_)
            | Step::LimitRate(_)
            | Step::Edit(_)
            | Step::Promise { .. } => {
                // Taken together with what follows it at the same level.
                if at > 0 && self.is_written(steps[at - 1].1) && is_plain(&steps[at - 1].0) {
                    return;
                }
                let run: Vec<_> = steps[at..]
                    .iter()
                    .take_while(|(step, span)| is_plain(step) && self.is_written(*span))
                    .cloned()
                    .collect();
                let block = Block { steps: run, span, ..Block::default() };
                let acts = self.acts(&block, span);
                push_acts(into, acts, span);
            }
        }
    }

    fn when(&mut self, test: &Test, then: &Block, otherwise: &Block, span: Span, into: &mut Area) {
        if let Some(places) = self.section(test)
            && only_settings(then)
        {
            for at in places {
                let kind = if self.is_folder(test) { PlaceKind::Folder } else { PlaceKind::Every };
                let mut place = self.place_of(at, kind, then, span);
                if kind == PlaceKind::Every
                    && let Some(pass) = place.area.pass.take()
                {
                    let area = Area { pass: Some(pass), span, ..Area::default() };
                    let place = Place { at: place.at.clone(), kind: PlaceKind::First, area, span };
                    // Sections may be come to twice: for their settings, and for what they lead to.
                    self.sectional.retain(|known| known.at != place.at);
                    self.sectional.insert(0, place);
                }
                if !is_nothing(&place.area) {
                    into.items.push(Item::Place(place));
                }
            }
            return;
        }
        let rules = self.rules(test, then, otherwise, span);
        into.items.extend(rules.into_iter().map(Item::Rule));
    }

    /// The paths that a test asks for, where it asks for nothing else.
    fn section(&self, test: &Test) -> Option<Vec<Match>> {
        let tests = match test {
            Test::Any(tests) => tests.as_slice(),
            Test::All(tests) if tests.len() == 1 => return self.section(&tests[0]),
            one => std::slice::from_ref(one),
        };
        let mut found: Vec<Match> = Vec::new();
        for test in tests {
            // A file by its name, where it is one.
            let test = match test {
                Test::All(all)
                    if matches!(all.first(), Some(Test::Match { .. })) && self.is_folder(&all[0]) =>
                {
                    &all[0]
                }
                test => test,
            };
            let Test::Match { subject, pattern, into } = test else { return None };
            let (at, _) = match subject.0.as_slice() {
                [Part::Attr(Attr::Path)] => of_pattern(pattern, *into, false),
                [Part::Var(var)] if self.vars.name.contains(var) => {
                    let (mut at, known) = of_pattern(pattern, *into, false);
                    at.text = if at.how == How::Regex { at.text } else { at.to_regex() };
                    at.how = How::FileName;
                    (at, known)
                }
                [Part::Var(var)] if self.vars.folder.contains(var) || self.vars.file.contains(var) => {
                    let (at, known) = of_pattern(pattern, *into, false);
                    (self.below_root(at)?, known)
                }
                _ => return None,
            };
            found.push(at);
        }
        // A path and what is below it.
        if let [one, other] = found.as_slice() {
            let (exact, prefix) = if one.how == How::Exact { (one, other) } else { (other, one) };
            let below = format!("{}/", exact.text.trim_end_matches('/'));
            if exact.how == How::Exact
                && prefix.how == How::Prefix
                && (prefix.text == below)
                && exact.ignore_case == prefix.ignore_case
            {
                return Some(vec![Match { how: How::Under, ..exact.clone() }]);
            }
            if exact.is_any() || prefix.is_any() {
                return Some(vec![Match::any()]);
            }
        }
        (!found.is_empty()).then_some(found)
    }

    /// Whether a test asks for a file, and so for no path that is sent on.
    fn is_folder(&self, test: &Test) -> bool {
        match test {
            Test::Any(tests) | Test::All(tests) => tests.iter().any(|test| self.is_folder(test)),
            Test::Match { subject, .. } => {
                matches!(subject.0.as_slice(), [Part::Var(var)] if self.vars.folder.contains(var) || self.vars.file.contains(var) || self.vars.name.contains(var))
            }
            _ => false,
        }
    }

    /// The paths whose files are in a folder.
    fn below_root(&self, at: Match) -> Option<Match> {
        if at.how == How::Regex {
            return None;
        }
        let folder = at.text.trim_end_matches('/').to_owned();
        let root = self.root.trim_end_matches('/');
        if folder.is_empty() || root == folder || root.starts_with(&format!("{folder}/")) {
            return Some(Match::any());
        }
        if let Some(rest) = folder.strip_prefix(root).filter(|rest| rest.starts_with('/') && !root.is_empty())
        {
            return Some(Match {
                text: format!("{rest}{}", if at.how == How::Prefix { "/" } else { "" }),
                ..at
            });
        }
        for (path, target) in &self.aliases {
            let target = target.trim_end_matches('/');
            if folder == target || folder.starts_with(&format!("{target}/")) {
                let rest = folder.strip_prefix(target).unwrap_or_default().trim_start_matches('/');
                let path = format!("{}/{rest}", path.trim_end_matches('/'));
                let text = if at.how == How::Exact {
                    path.trim_end_matches('/').to_owned()
                } else {
                    format!("{}/", path.trim_end_matches('/'))
                };
                return Some(Match { text, ..at });
            }
        }
        None
    }

    fn table(&mut self, table: &Table, into: &mut Area) {
        let Table { order, into: register, routes } = table;
        let mut at = 0;
        while let Some(route) = routes.get(at) {
            at += 1;
            let kind = match order {
                Order::First => PlaceKind::First,
                Order::Specific if is_slash(route, routes) => PlaceKind::Slash,
                Order::Specific => PlaceKind::Specific(route.decisive),
            };
            // What nobody wrote and does nothing of its own.
            if *order == Order::Specific && route.path.text.is_empty() {
                continue;
            }
            let (mut paths, known) = of_pattern(&route.path, Some(*register), false);
            let mut body = route;
            if let Some(next) = routes.get(at)
                && *order == Order::First
                && Notes::same(route.body.span, next.body.span)
                && is_path_and_below(route, next)
            {
                body = next;
                paths.how = How::Under;
                at += 1;
            }
            self.captures.push((*register, known));
            let mut place = self.place_of(paths, kind, &body.body, body.body.span);
            if let Some(nested) = &route.nested {
                let depth = self.chain.len();
                let outer = self.around.len();
                if let Some(scope) = &route.body.scope {
                    self.enter(&scope.set, scope.base);
                    self.around.push(self.effective().clone());
                }
                self.table(nested, &mut place.area);
                self.chain.truncate(depth);
                self.around.truncate(outer);
            }
            self.captures.pop();
            into.items.push(Item::Place(place));
        }
    }

    /// What a block says of some paths.
    pub(super) fn place_of(&mut self, at: Match, kind: PlaceKind, block: &Block, span: Span) -> Place {
        let depth = self.chain.len();
        let outer = self.around.len();
        let mut area = match &block.scope {
            Some(Scope { base, set }) => {
                self.enter(set, *base);
                self.around.push(self.effective().clone());
                self.area(set, &at, span)
            }
            None => Area { span, ..Area::default() },
        };
        let steps = Block { scope: None, ..block.clone() };
        let acts = self.acts(&steps, span);
        self.settle(&at, acts, &mut area, span);
        self.chain.truncate(depth);
        self.around.truncate(outer);
        area.span = span;
        Place { at, kind, area, span }
    }
}

/// Whether a program refuses content that is too long.
fn admits(block: &Block) -> bool {
    let table = |table: &Table| table.routes.iter().any(|route| admits(&route.body));
    block.steps.iter().any(|(step, _)| match step {
        Step::Admit => true,
        Step::Do(block) => admits(block),
        Step::When { test, then, otherwise } => asks_length(test) || admits(then) || admits(otherwise),
        Step::Route(routes) => table(routes),
        _ => false,
    })
}

/// Whether a test asks how long content is.
fn asks_length(test: &Test) -> bool {
    let Test::Compare { left, .. } = test else { return false };
    matches!(left.0.as_slice(), [Part::Attr(Attr::Field(name))] if name.is_field(b"content-length"))
}

/// Whether a step stands for itself, and is no block.
fn is_plain(step: &Step) -> bool {
    matches!(
        step,
        Step::Respond(_)
            | Step::Rewrite { .. }
            | Step::Assign { .. }
            | Step::Jump(_)
            | Step::AtEnd(_)
            | Step::Target(_)
            | Step::Lookup(_)
            | Step::Unassign(_)
            | Step::LimitRate(_)
            | Step::Edit(_)
            | Step::Promise { .. }
    )
}

/// Whether a block brings settings and does nothing.
fn only_settings(block: &Block) -> bool {
    let inner = |step: &Step| match step {
        Step::Do(block) => only_settings(block),
        Step::When { .. } | Step::Perform(_) => true,
        _ => false,
    };
    (block.scope.is_some() || block.steps.is_empty()) && block.steps.iter().all(|(step, _)| inner(step))
}

/// Whether a route redirects the path of another one to the same with a slash.
fn is_slash(route: &Route, routes: &[Route]) -> bool {
    let slash = [route.path.text.0.as_slice(), b"/"].concat();
    let redirects = route.body.steps.iter().any(|(step, _)| {
        let Step::Respond(reply) = step else { return false };
        let crate::ir::ReplyContent::Location(to) = &reply.content else { return false };
        matches!(to.0.as_slice(), [Part::Text(text), Part::Attr(Attr::QueryMark), Part::Attr(Attr::Query)] if text.0 == slash)
    });
    redirects && routes.iter().any(|one| one.path.text.0 == slash)
}

fn is_path_and_below(one: &Route, next: &Route) -> bool {
    use crate::ir::Kind;
    one.path.kind == Kind::Exact
        && next.path.kind == Kind::Prefix
        && next.path.text.0 == [one.path.text.0.as_slice(), b"/"].concat()
}

/// Whether an area says nothing.
pub(super) fn is_nothing(area: &Area) -> bool {
    area.settings == Settings::default()
        && area.edits.is_empty()
        && area.pass.is_none()
        && area.fallback.is_none()
        && area.items.is_empty()
        && !area.files
}

/// Adds what is said to what is said already.
pub(super) fn join(into: &mut Area, said: Area) {
    let Area { settings, edits, pass, files, fallback, items, span: _ } = said;
    into.settings.lay(&settings, false);
    into.edits.extend(edits);
    into.pass = pass.or(into.pass.take());
    into.files |= files;
    into.fallback = fallback.or(into.fallback.take());
    into.items.extend(items);
}

/// Adds acts as rules without a condition.
pub(super) fn push_acts(into: &mut Area, acts: Vec<super::Act>, span: Span) {
    let mut run = Vec::new();
    let flush = |run: &mut Vec<super::Act>, into: &mut Area| {
        if !run.is_empty() {
            into.items.push(Item::Rule(Rule {
                at: None,
                tests: Vec::new(),
                acts: std::mem::take(run),
                span,
            }));
        }
    };
    for act in acts {
        match act {
            super::Act::Rule(rule) => {
                flush(&mut run, into);
                into.items.push(Item::Rule(rule));
            }
            act => run.push(act),
        }
    }
    flush(&mut run, into);
}
