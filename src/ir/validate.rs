//! What must hold of a configuration before it is compiled or rendered.
//!
//! A finding here is a mistake of a lowering, save those about field values and
//! ranges, which a user can cause. After it `plan` and renderers may not panic.
//! That patterns compile is found by whoever compiles them. Registers that nobody
//! writes read as empty, and named blocks that do not exist answer 500 when they
//! are entered: originals start with both.

use std::collections::HashSet;

use super::{
    AddressRange, Block, Change, ClusterId, Config, Edit, Expiry, Forward, Handler, Host, HostId, Jump, Kind,
    Listener, Name, Part, Pattern, Recovery, RecoveryStatus, Reply, Settings, Step, Table, Template, Test,
    Upstream, VarId, VarKind,
    walk::{self, Item},
};
use crate::{diagnostic::Diagnostic, source::Span};

/// Checks a configuration; nothing found means that it can be run.
pub fn validate(config: &Config) -> Vec<Diagnostic> {
    let mut check = Check { config, found: Vec::new() };
    for listener in &config.listeners {
        check.listener(listener);
    }
    for host in &config.hosts {
        check.host(host);
    }
    for cluster in &config.clusters {
        let is_member = |endpoint: &&super::Endpoint| endpoint.member.is_some() != cluster.group.is_some();
        for endpoint in cluster.endpoints.iter().filter(is_member) {
            check.say(
                "broken-ir",
                endpoint.span,
                "an endpoint is a member of no group, or a group's and no member",
            );
        }
        for endpoint in cluster.endpoints.iter().filter(|endpoint| endpoint.weight == 0) {
            check.say("out-of-range", endpoint.span, "an endpoint's weight must be at least 1");
        }
    }
    for var in &config.vars {
        if let VarKind::Network { key: _, rows, default: _, proxies, recursive: _ } = &var.kind {
            let networks = rows.iter().map(|row| (row.address, row.prefix)).chain(proxies.iter().copied());
            for (address, prefix) in networks {
                check.network(AddressRange::Network(address, prefix), var.span);
            }
        }
    }
    walk::config(config, &mut |item, span| check.item(item, span));
    check.found
}

struct Check<'c> {
    config: &'c Config,
    found: Vec<Diagnostic>,
}

/// Where a block stands, which decides what may occur in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Request,
    /// Before the handler.
    Prepare,
    /// When the response head is known.
    Response,
}

impl Check<'_> {
    fn say(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.found.push(Diagnostic::error(code, span, message));
    }

    fn listener(&mut self, listener: &Listener) {
        let known = |host: &HostId| (host.0 as usize) < self.config.hosts.len();
        let sound = listener.hosts.contains(&listener.default) && listener.hosts.iter().all(known);
        if !sound {
            self.say("broken-ir", listener.span, "a listener needs a host that exists");
        }
    }

    fn host(&mut self, host: &Host) {
        let mut names = HashSet::new();
        for (name, block) in &host.named {
            if !names.insert(name) {
                self.say("broken-ir", block.span, format!("two named blocks are called \"{name}\""));
            }
        }
        for block in std::iter::once(&host.request).chain(host.named.iter().map(|named| &named.1)) {
            self.block(block, Place::Request, &mut Vec::new());
        }
    }

    fn item(&mut self, item: Item<'_>, span: Span) {
        match item {
            Item::Template(template) => self.template(template, span),
            Item::Pattern(pattern) => {
                for (_, var) in &pattern.groups {
                    self.var(*var, span);
                }
            }
            Item::Edit(edit) => self.edit(edit, span),
            Item::Step(Step::Promise { field, value, always: _, member: _ }) => {
                self.field(field, Some(value), span);
            }
            Item::Reply(Reply { status, content: _ }) => self.status(*status, span),
            Item::Recovery(recovery) => self.recovery(recovery, span),
            Item::Handler(handler) => match handler {
                Handler::Forward(Forward {
                    protocol: _,
                    tls: _,
                    to: Upstream::Cluster(ClusterId(id)),
                    target: _,
                }) if *id as usize >= self.config.clusters.len() => {
                    self.say("broken-ir", span, "a forward names a cluster that does not exist");
                }
                Handler::Forward(_)
                | Handler::Files
                | Handler::File
                | Handler::Film
                | Handler::Listing
                | Handler::Members(_)
                | Handler::Figures(_)
                | Handler::Program(_)
                | Handler::Respond(_)
                | Handler::Missing(_) => {}
            },
            Item::Settings(settings) => self.settings(settings, span),
            Item::Assign(var) => self.var(var, span),
            Item::Test(Test::InNetwork(_, networks)) => {
                for (address, prefix) in networks {
                    self.network(AddressRange::Network(*address, *prefix), span);
                }
            }
            Item::Block(..) | Item::Step(_) | Item::Into(_) | Item::Jump(_) | Item::Test(_) => {}
        }
    }

    fn settings(&mut self, settings: &Settings, span: Span) {
        if let Some(prepare) = &settings.prepare {
            self.block(prepare, Place::Prepare, &mut Vec::new());
        }
        for block in settings.hooks.iter().flat_map(|hook| &hook.blocks) {
            self.block(block, Place::Request, &mut Vec::new());
        }
        for block in settings.answer.on_response.iter().flatten() {
            self.block(block, Place::Response, &mut Vec::new());
        }
        for (range, _) in settings.access.rules.iter().flatten() {
            self.network(*range, span);
        }
    }

    fn network(&mut self, range: AddressRange, span: Span) {
        if let AddressRange::Network(address, prefix) = range
            && prefix > if address.is_ipv4() { 32 } else { 128 }
        {
            self.say("out-of-range", span, format!("{address} has no {prefix} bits"));
        }
    }

    fn recovery(&mut self, recovery: &Recovery, span: Span) {
        let Recovery { statuses, status, to: _ } = recovery;
        for status in statuses {
            self.status(*status, span);
        }
        if let RecoveryStatus::Set(status) = status {
            self.status(*status, span);
        }
    }

    fn status(&mut self, status: u16, span: Span) {
        if status > 999 {
            self.say("out-of-range", span, format!("{status} is no status code"));
        }
    }

    fn var(&mut self, VarId(id): VarId, span: Span) {
        if id as usize >= self.config.vars.len() {
            self.say("broken-ir", span, "a variable that does not exist is used");
        }
    }

    fn template(&mut self, template: &Template, span: Span) {
        let mut after_text = false;
        for part in &template.0 {
            let is_text = matches!(part, Part::Text(_));
            if is_text && after_text {
                self.say("broken-ir", span, "text parts of a template are adjacent");
            }
            after_text = is_text;
            match part {
                Part::Text(text) if text.is_empty() => {
                    self.say("broken-ir", span, "a text part of a template is empty");
                }
                Part::Var(var) => self.var(*var, span),
                Part::Escape(_, inner) => self.template(inner, span),
                Part::Rest { of, after: with } | Part::Start { of, before: with } => {
                    self.template(of, span);
                    self.template(with, span);
                }
                Part::Text(_) | Part::Attr(_) | Part::Capture(..) => {}
            }
        }
    }

    fn edit(&mut self, edit: &Edit, span: Span) {
        let (name, value) = match edit {
            Edit::Set(name, value)
            | Edit::Add(name, value)
            | Edit::Append(name, value)
            | Edit::Trailer(name, value) => (name, Some(value)),
            Edit::Remove(name) => (name, None),
            Edit::Field { name, standing: _, change } => match change {
                Change::Set(value)
                | Change::SetMissing(value)
                | Change::Add(value)
                | Change::Append(value)
                | Change::Merge(value)
                | Change::Replace { pattern: _, into: _, with: value, all: _ } => (name, Some(value)),
                Change::Remove => (name, None),
                Change::Keep(var) => return self.var(*var, span),
            },
            Edit::Expires(Expiry::Daily(second)) if *second >= 24 * 60 * 60 => {
                return self.say("out-of-range", span, "a day has no such second");
            }
            Edit::RemoveNominated
            | Edit::Received
            | Edit::Framing
            | Edit::Switch(_)
            | Edit::Reverse { .. }
            | Edit::CookieAttribute { .. }
            | Edit::Url { .. }
            | Edit::CookieDomain { .. }
            | Edit::CookiePath { .. }
            | Edit::CookieFlags { .. }
            | Edit::Lifetime { .. }
            | Edit::Echo(..)
            | Edit::Expires(_) => return,
        };
        self.field(name, value, span);
    }

    /// A field that is set to something or removed.
    fn field(&mut self, name: &Name, value: Option<&Template>, span: Span) {
        // Message framing belongs to the engine (RFC 9112 § 6).
        if name.is_field(b"content-length") || name.is_field(b"transfer-encoding") {
            self.say("framing-edit", span, format!("\"{name}\" is written by the proxy itself"));
        }
        if !is_token(name) {
            self.say("invalid-field-name", span, format!("\"{name}\" cannot name a field"));
        }
        let texts = value.into_iter().flat_map(|value| &value.0);
        let breaks = |part: &Part| match part {
            Part::Text(text) => memchr::memchr3(b'\r', b'\n', 0, text).is_some(),
            _ => false,
        };
        if texts.into_iter().any(breaks) {
            self.say(
                "invalid-field-value",
                span,
                format!("the value of \"{name}\" holds a line break or a NUL"),
            );
        }
    }

    fn block<'b>(&mut self, block: &'b Block, place: Place, labels: &mut Vec<&'b Name>) {
        let Block { label, scope, steps, span } = block;
        if scope.is_some() && place == Place::Response {
            self.say("broken-ir", *span, "a response block brings settings");
        }
        labels.extend(label);
        for (step, span) in steps {
            self.step(step, *span, place, labels);
        }
        if let Some(label) = label {
            labels.pop();
            let mut progress = Progress::default();
            progress.block(block, label);
            if progress.repeats && !progress.changes {
                self.say("certain-loop", *span, format!("'{label} is repeated and nothing changes"));
            }
        }
    }

    fn step<'b>(&mut self, step: &'b Step, span: Span, place: Place, labels: &mut Vec<&'b Name>) {
        let allowed = match step {
            Step::Do(_)
            | Step::When { .. }
            | Step::Assign { .. }
            | Step::Unassign(_)
            | Step::Edit(_)
            | Step::Forget(_) => true,
            Step::Jump(jump) => place != Place::Response || matches!(jump, Jump::Exit(_)),
            Step::AtEnd(jump) => place != Place::Response || matches!(jump, None | Some(Jump::Exit(_))),
            Step::Rewrite { .. }
            | Step::Target(_)
            | Step::Lookup(_)
            | Step::Promise { .. }
            | Step::LimitRate(_)
            | Step::Respond(_)
            | Step::Trace(_)
            | Step::Complain(..) => place != Place::Response,
            Step::Route(_)
            | Step::Identify
            | Step::Probe(_)
            | Step::Negotiate(_)
            | Step::Detach
            | Step::Admit
            | Step::Authorize(_)
            | Step::Perform(_)
            | Step::Locate(_)
            | Step::Local(_) => place == Place::Request,
        };
        if !allowed {
            self.say("broken-ir", span, "this step cannot occur here");
        }
        match step {
            Step::Do(block) => self.block(block, place, labels),
            Step::When { test, then, otherwise } => {
                self.test(test, span, place);
                self.block(then, place, labels);
                self.block(otherwise, place, labels);
            }
            Step::Route(table) => self.table(table, place, labels),
            Step::Jump(jump) => self.jump(jump, span, labels),
            Step::AtEnd(jump) => {
                if labels.is_empty() {
                    self.say("broken-ir", span, "no labelled block is around this step");
                }
                if let Some(jump) = jump {
                    self.jump(jump, span, labels);
                }
            }
            Step::Lookup(lookup) if lookup.map.0 as usize >= self.config.maps.len() => {
                self.say("broken-ir", span, "a map that does not exist is asked");
            }
            Step::Rewrite { .. }
            | Step::Target(_)
            | Step::Lookup(_)
            | Step::Promise { .. }
            | Step::Assign { .. }
            | Step::Unassign(_)
            | Step::LimitRate(_)
            | Step::Forget(_)
            | Step::Edit(_)
            | Step::Identify
            | Step::Probe(_)
            | Step::Negotiate(_)
            | Step::Detach
            | Step::Admit
            | Step::Authorize(_)
            | Step::Respond(_)
            | Step::Perform(_)
            | Step::Locate(_)
            | Step::Local(_)
            | Step::Trace(_)
            | Step::Complain(..) => {}
        }
    }

    fn jump(&mut self, jump: &Jump, span: Span, labels: &[&Name]) {
        match jump {
            Jump::Exit(name) | Jump::Repeat(name) | Jump::Again(name, _) if !labels.contains(&name) => {
                self.say("broken-ir", span, format!("'{name} is not around this jump"));
            }
            Jump::Exit(_)
            | Jump::Repeat(_)
            | Jump::Again(..)
            | Jump::Enter(_)
            | Jump::Restart
            | Jump::Resume => {}
        }
    }

    fn table<'b>(&mut self, table: &'b Table, place: Place, labels: &mut Vec<&'b Name>) {
        for route in &table.routes {
            let Pattern { kind, text: _, ignore_case: _, groups: _ } = &route.path;
            if *kind == Kind::Wildcard {
                self.say("broken-ir", route.body.span, "a wildcard of names stands for a path");
            }
            self.block(&route.body, place, labels);
            if let Some(nested) = &route.nested {
                self.table(nested, place, labels);
            }
        }
    }

    fn test(&mut self, test: &Test, span: Span, place: Place) {
        match test {
            Test::All(tests) | Test::Any(tests) => {
                for test in tests {
                    self.test(test, span, place);
                }
            }
            Test::Not(test) => self.test(test, span, place),
            Test::File(..) if place == Place::Response => {
                self.say("broken-ir", span, "files cannot be asked for when the response is under way");
            }
            Test::Status(_) if place != Place::Response => {
                self.say("broken-ir", span, "there is no status yet");
            }
            Test::File(..)
            | Test::Status(_)
            | Test::Match { .. }
            | Test::Equal(..)
            | Test::Compare { .. }
            | Test::Present(_)
            | Test::Depends(_)
            | Test::Longer(..)
            | Test::InNetwork(..)
            | Test::Truthy(_)
            | Test::Method(_)
            | Test::Internal => {}
        }
    }
}

/// What happens in a block between its begin and its repetition.
#[derive(Default)]
struct Progress {
    repeats: bool,
    changes: bool,
}

impl Progress {
    fn block(&mut self, block: &Block, label: &Name) {
        for (step, _) in &block.steps {
            match step {
                Step::Do(block) => self.block(block, label),
                Step::When { test: _, then, otherwise } => {
                    self.block(then, label);
                    self.block(otherwise, label);
                }
                Step::Route(table) => self.table(table, label),
                Step::Jump(jump) | Step::AtEnd(Some(jump)) => {
                    self.repeats |= *jump == Jump::Repeat(label.clone());
                }
                Step::Rewrite { .. }
                | Step::Target(_)
                | Step::Assign { .. }
                | Step::Lookup(_)
                | Step::Negotiate(_)
                | Step::Unassign(_) => self.changes = true,
                Step::LimitRate(_)
                | Step::Promise { .. }
                | Step::Forget(_)
                | Step::Edit(_)
                | Step::Identify
                | Step::Probe(_)
                | Step::Detach
                | Step::Admit
                | Step::Authorize(_)
                | Step::Respond(_)
                | Step::AtEnd(None)
                | Step::Perform(_)
                | Step::Locate(_)
                | Step::Local(_)
                | Step::Trace(_)
                | Step::Complain(..) => {}
            }
        }
    }

    fn table(&mut self, table: &Table, label: &Name) {
        for route in &table.routes {
            self.block(&route.body, label);
            if let Some(nested) = &route.nested {
                self.table(nested, label);
            }
        }
    }
}

/// Whether a field can have this name (RFC 9110 § 5.1), as loosely as originals see it.
fn is_token(name: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_graphic() && *byte != b':';
    !name.is_empty() && name.iter().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Asking, Base, Order, Query, Register, Route, Scope};

    fn with(steps: Vec<Step>) -> Config {
        let steps = steps.into_iter().map(|step| (step, Span::NONE)).collect();
        let request = Block { steps, ..Block::default() };
        let host = Host {
            name: "h".into(),
            names: Vec::new(),
            tls: None,
            request,
            named: Vec::new(),
            span: Span::NONE,
        };
        Config { hosts: vec![host], ..Config::default() }
    }

    fn labelled(steps: Vec<Step>) -> Step {
        let steps = steps.into_iter().map(|step| (step, Span::NONE)).collect();
        Step::Do(Block { label: Some("l".into()), steps, ..Block::default() })
    }

    fn scoped(settings: Settings) -> Step {
        let scope = Scope { base: Base::Enclosing, set: Box::new(settings) };
        Step::Do(Block { scope: Some(scope), ..Block::default() })
    }

    #[test]
    fn each_invariant() {
        let repeat = || Step::AtEnd(Some(Jump::Repeat("l".into())));
        let status = || Step::When {
            test: Test::Status(vec![1]),
            then: Block::default(),
            otherwise: Block::default(),
        };
        let mut response = Settings::default();
        let steps = vec![(status(), Span::NONE), (Step::Authorize(Asking::Always), Span::NONE)];
        response.answer.on_response = Some(vec![Block { steps, ..Block::default() }]);
        let route = |path| Route { path, decisive: false, body: Block::default(), nested: None };
        let table =
            |path| Step::Route(Table { order: Order::First, into: Register('m'), routes: vec![route(path)] });
        let edit = |edit| Step::Edit(edit);
        let adjacent = Template(vec![Part::Text("a".into()), Part::Text("b".into())]);
        let rewrite = Step::Rewrite { path: Some("/".into()), query: Query::Keep };
        for (steps, codes) in [
            (vec![labelled(vec![rewrite, repeat()])], &[][..]),
            (vec![labelled(vec![repeat()])], &["certain-loop"]),
            (vec![repeat()], &["broken-ir", "broken-ir"]),
            (vec![Step::Jump(Jump::Exit("x".into()))], &["broken-ir"]),
            (vec![Step::Jump(Jump::Enter("x".into()))], &[]),
            (vec![Step::Assign { var: VarId(0), value: Template::default() }], &["broken-ir"]),
            (vec![Step::Trace(adjacent)], &["broken-ir"]),
            (vec![status()], &["broken-ir"]),
            (vec![scoped(response)], &["broken-ir"]),
            (vec![table(Pattern::prefix("/"))], &[]),
            (vec![table(Pattern { kind: Kind::Wildcard, ..Pattern::exact("*.a") })], &["broken-ir"]),
            (vec![edit(Edit::Set("Content-length".into(), "1".into()))], &["framing-edit"]),
            (vec![edit(Edit::Add("X".into(), "a\nb".into()))], &["invalid-field-value"]),
            (vec![edit(Edit::Remove("a b".into()))], &["invalid-field-name"]),
            (
                vec![Step::Respond(Reply { status: 1000, content: super::super::ReplyContent::Page })],
                &["out-of-range"],
            ),
        ] {
            let config = with(steps);
            let found: Vec<_> = validate(&config).iter().map(|finding| finding.code).collect();
            assert_eq!(found, codes, "{:?}", config.hosts[0].request.steps);
        }
    }
}
