//! What an outline uses: forwards, groups of endpoints, variables.

use std::collections::BTreeSet;

use super::{Act, Area, FallbackTo, Item, Outline, Pass, PassPath, Rule, To, said::seconds};
use crate::ir::{
    Balance, ClusterId, Config, Edit, Part, Protocol, RecoveryTarget, Reply, ReplyContent, Template, Test,
    VarId, VarKind,
};

/// All forwards.
pub fn passes<'a>(outline: &'a Outline<'_>) -> Vec<&'a Pass> {
    let mut out = Vec::new();
    for server in &outline.servers {
        of_area(&server.area, &mut out);
        server.named.iter().for_each(|(_, area)| of_area(area, &mut out));
    }
    out
}

/// All forwards of an area.
pub fn passes_of(area: &Area) -> Vec<&Pass> {
    let mut out = Vec::new();
    of_area(area, &mut out);
    out
}

fn of_area<'a>(area: &'a Area, out: &mut Vec<&'a Pass>) {
    out.extend(&area.pass);
    for item in &area.items {
        match item {
            Item::Rule(rule) => of_rule(rule, out),
            Item::Place(place) => of_area(&place.area, out),
        }
    }
}

fn of_rule<'a>(rule: &'a Rule, out: &mut Vec<&'a Pass>) {
    for act in &rule.acts {
        match act {
            Act::Pass(pass) => out.push(pass),
            Act::Set(area) => of_area(area, out),
            Act::Rule(rule) => of_rule(rule, out),
            _ => {}
        }
    }
}

/// The groups that something is sent to, or may be, in the order in which they were written.
pub fn used_clusters(outline: &Outline<'_>) -> Vec<ClusterId> {
    let passes = passes(outline);
    let dynamic = passes.iter().any(|pass| matches!(pass.to, To::Dynamic(_)));
    let all = (0..outline.config.clusters.len()).map(|at| ClusterId(at as u32));
    all.filter(|id| {
        let declared = outline.config.cluster(*id).declared;
        passes.iter().any(|pass| pass.to == To::Cluster(*id)) || (declared && dynamic)
    })
    .collect()
}

/// Times to connect and to read of the places that send to a group: whole seconds.
pub fn timeouts(area: &Area, id: ClusterId) -> Option<(Option<u64>, Option<u64>)> {
    let mine = area.pass.as_ref().is_some_and(|pass| pass.to == To::Cluster(id));
    let http = &area.settings.http;
    if mine && (http.connect_timeout.is_some() || http.read_timeout.is_some()) {
        return Some((http.connect_timeout.map(seconds), http.read_timeout.map(seconds)));
    }
    area.items.iter().find_map(|item| match item {
        Item::Place(place) => timeouts(&place.area, id),
        Item::Rule(_) => None,
    })
}

/// The variables that an area reads, those that others read first.
pub fn used_vars(config: &Config, area: &Area) -> Vec<VarId> {
    let mut seen = Seen { config, found: Vec::new(), busy: BTreeSet::new() };
    seen.area(area);
    seen.found
}

/// The variables that a whole outline reads.
pub fn all_vars(outline: &Outline<'_>) -> Vec<VarId> {
    let mut seen = Seen { config: outline.config, found: Vec::new(), busy: BTreeSet::new() };
    seen.area(&outline.common);
    for server in &outline.servers {
        seen.area(&server.area);
        server.named.iter().for_each(|(_, area)| seen.area(area));
    }
    for id in used_clusters(outline) {
        if let Balance::Hash(key) | Balance::ConsistentHash(key) = &outline.config.cluster(id).balance {
            seen.template(key);
        }
    }
    seen.found
}

struct Seen<'a> {
    config: &'a Config,
    found: Vec<VarId>,
    busy: BTreeSet<VarId>,
}

impl Seen<'_> {
    fn template(&mut self, template: &Template) {
        for part in &template.0 {
            match part {
                Part::Var(var) => self.var(*var),
                Part::Escape(_, inner) => self.template(inner),
                Part::Start { of, before } => {
                    self.template(of);
                    self.template(before);
                }
                Part::Rest { of, after } => {
                    self.template(of);
                    self.template(after);
                }
                Part::Text(_) | Part::Attr(_) | Part::Capture(..) => {}
            }
        }
    }

    fn var(&mut self, var: VarId) {
        if !self.busy.insert(var) {
            return;
        }
        match &self.config.var(var).kind {
            VarKind::Assigned | VarKind::Optional => {}
            VarKind::Choice { choices, default } => {
                for choice in choices {
                    self.test(&choice.test);
                    self.template(&choice.value);
                }
                self.template(default);
            }
            VarKind::Table { key, rows, default, .. } => {
                self.template(key);
                rows.iter().for_each(|row| self.template(&row.value));
                self.template(default);
            }
            VarKind::Network { key, .. } | VarKind::Split { key, .. } => self.template(key),
        }
        self.found.push(var);
    }

    fn test(&mut self, test: &Test) {
        match test {
            Test::All(tests) | Test::Any(tests) => tests.iter().for_each(|test| self.test(test)),
            Test::Not(test) => self.test(test),
            Test::Match { subject, .. } => self.template(subject),
            Test::Equal(one, other) => {
                self.template(one);
                self.template(other);
            }
            Test::Compare { left, right, .. } => {
                self.template(left);
                self.template(right);
            }
            Test::Present(one)
            | Test::InNetwork(one, _)
            | Test::Longer(one, _)
            | Test::Truthy(one)
            | Test::File(one, _) => {
                self.template(one);
            }
            Test::Depends(_) | Test::Method(_) | Test::Status(_) | Test::Internal => {}
        }
    }

    fn area(&mut self, area: &Area) {
        if let Some(pass) = &area.pass {
            self.pass(pass);
        }
        if let Some(fallback) = &area.fallback {
            fallback.existing.iter().for_each(|one| self.template(&one.path));
            if let FallbackTo::Path(path, _) = &fallback.to {
                self.template(path);
            }
        }
        let settings = &area.settings;
        for block in settings.answer.on_response.iter().flatten() {
            let (edits, _) = super::responses(std::slice::from_ref(block), area.span);
            for one in edits {
                one.tests.iter().for_each(|test| self.test(test));
                self.edit(&one.edit);
            }
        }
        for log in settings.logs.access.iter().flatten() {
            self.template(&log.format.line);
            if let Some(when) = &log.when {
                self.template(when);
            }
        }
        for recovery in settings.answer.errors.iter().flatten() {
            if let RecoveryTarget::Redirect(to) | RecoveryTarget::Text(to) = &recovery.to {
                self.template(to);
            }
        }
        for template in [
            &settings.files.root,
            &settings.answer.default_type,
            &settings.answer.charset,
            &settings.client.limit_rate,
        ]
        .into_iter()
        .flatten()
        {
            self.template(template);
        }
        for protocol in Protocol::ALL {
            for (_, value, _) in settings.forwarding(protocol).params.iter().flatten() {
                self.template(value);
            }
        }
        for limit in settings.limits.rates.iter().flatten() {
            if let Some(zone) = self.config.zones.get(limit.zone as usize) {
                self.template(&zone.key);
            }
        }
        for item in &area.items {
            match item {
                Item::Rule(rule) => self.rule(rule),
                Item::Place(place) => self.area(&place.area),
            }
        }
    }

    fn edit(&mut self, edit: &Edit) {
        match edit {
            Edit::Set(_, value) | Edit::Add(_, value) | Edit::Append(_, value) | Edit::Trailer(_, value) => {
                self.template(value);
            }
            Edit::Expires(crate::ir::Expiry::Read(value) | crate::ir::Expiry::ReadFromModified(value)) => {
                self.template(value);
            }
            Edit::Reverse { from, to, .. } => {
                self.template(from);
                self.template(to);
            }
            _ => {}
        }
    }

    fn pass(&mut self, pass: &Pass) {
        pass.response_edits.iter().for_each(|edit| self.edit(edit));
        if let To::Dynamic(to) = &pass.to {
            self.template(to);
        }
        if let PassPath::Exact(path, _) = &pass.path {
            self.template(path);
        }
        self.template(&pass.head.host);
        pass.head.set.iter().for_each(|(_, value, _)| self.template(value));
    }

    fn rule(&mut self, rule: &Rule) {
        rule.tests.iter().for_each(|test| self.test(test));
        for act in &rule.acts {
            match act {
                Act::Reply(Reply {
                    content: ReplyContent::Text(text) | ReplyContent::Location(text),
                    ..
                }) => self.template(text),
                Act::Reply(_) | Act::Stop => {}
                Act::Redirect(redirect) => self.template(&redirect.to),
                Act::Rewrite { path, query, .. } => {
                    if let Some(path) = path {
                        self.template(path);
                    }
                    if let crate::ir::Query::Replace(query) | crate::ir::Query::Prepend(query) = query {
                        self.template(query);
                    }
                }
                Act::Assign(var, value) => {
                    self.template(value);
                    let _ = var;
                }
                Act::Pass(pass) => self.pass(pass),
                Act::Set(area) => self.area(area),
                Act::Rule(rule) => self.rule(rule),
            }
        }
    }
}

/// Leaves out what is written to a lowering's own variables that nothing of the outline reads: nobody wrote it.
pub(super) fn forget_unread(outline: &mut Outline<'_>) {
    let read = all_vars(outline);
    let config = outline.config;
    let idle = |act: &Act| matches!(act, Act::Assign(var, _) if config.var(*var).name.starts_with(b"@") && !read.contains(var));
    for server in &mut outline.servers {
        forget(&mut server.area, &idle);
        server.named.iter_mut().for_each(|(_, area)| forget(area, &idle));
    }
}

fn forget(area: &mut Area, idle: &dyn Fn(&Act) -> bool) {
    for item in &mut area.items {
        match item {
            Item::Rule(rule) => forget_in(rule, idle),
            Item::Place(place) => forget(&mut place.area, idle),
        }
    }
    // A rule that did nothing else is none.
    area.items.retain(|item| !matches!(item, Item::Rule(rule) if rule.acts.is_empty()));
}

fn forget_in(rule: &mut Rule, idle: &dyn Fn(&Act) -> bool) {
    for act in &mut rule.acts {
        match act {
            Act::Set(area) => forget(area, idle),
            Act::Rule(rule) => forget_in(rule, idle),
            _ => {}
        }
    }
    rule.acts.retain(|act| !idle(act));
}

/// The variables that rules and named groups assign.
pub(super) fn assigned(config: &Config, servers: &[super::Server]) -> BTreeSet<VarId> {
    let mut out = BTreeSet::new();
    for server in servers {
        out.extend(server.names.iter().flat_map(|name| &name.groups).map(|(_, var)| *var));
        assigned_in(&server.area, &mut out);
        server.named.iter().for_each(|(_, area)| assigned_in(area, &mut out));
    }
    for var in &config.vars {
        if let VarKind::Table { rows, .. } = &var.kind {
            out.extend(rows.iter().flat_map(|row| &row.pattern.groups).map(|(_, var)| *var));
        }
    }
    out
}

fn assigned_in(area: &Area, out: &mut BTreeSet<VarId>) {
    for item in &area.items {
        match item {
            Item::Rule(rule) => assigned_by(rule, out),
            Item::Place(place) => {
                out.extend(place.at.groups.iter().map(|(_, var)| *var));
                assigned_in(&place.area, out);
            }
        }
    }
}

fn assigned_by(rule: &Rule, out: &mut BTreeSet<VarId>) {
    out.extend(rule.at.iter().flat_map(|at| &at.groups).map(|(_, var)| *var));
    for test in &rule.tests {
        if let Test::Match { pattern, .. } = test {
            out.extend(pattern.groups.iter().map(|(_, var)| *var));
        }
    }
    for act in &rule.acts {
        match act {
            Act::Assign(var, _) => {
                out.insert(*var);
            }
            Act::Rule(rule) => assigned_by(rule, out),
            Act::Set(area) => assigned_in(area, out),
            _ => {}
        }
    }
}
