//! Requests that cover a configuration: every route, both sides of every test, each alternative and border of a
//! pattern, encodings, methods, hosts, upgrades, clients' addresses, files that are there and files that are not.

use std::{
    collections::{BTreeSet, HashSet},
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use super::{
    probe::{Probe, encode},
    wish::{Memory, Solver, Wish, texts},
};
use crate::{
    engine::rehearse::World,
    ir::{
        Address, AddressRange, Attr, Base, Block, Config, Host, Kind, Listener, Part, Pattern, Requirement,
        Route, Settings, Step, Table, Template, VarId,
        settings::Telling,
        walk::{self, Item},
    },
};

/// Routes whose paths are tried in other spellings too: of one host, and of all of them about.
const SPELLED: usize = 64;
const SPELLED_OF_ALL: usize = 512;

/// Names of one host that are tried.
const NAMES: usize = 6;

/// Requests for a configuration, each once, in a fixed order; at most so many.
///
/// A limit takes from all hosts alike, and from each first what its own lines say least of: other spellings and methods,
/// then files that are there, then queries and upgrades.
pub fn requests(config: &Config, most: usize) -> Vec<Probe> {
    let mut all = BTreeSet::new();
    let mut order = Vec::new();
    let memory = Memory::default();
    let programs: Vec<Vec<Wish>> = config.hosts.iter().map(|host| program(config, host, &memory)).collect();
    // Round by round, so that a limit cuts every host's tail and no host whole.
    let mut queues = Vec::new();
    for listener in &config.listeners {
        let Some(to) = address(listener) else { continue };
        for id in &listener.hosts {
            let host = config.host(*id);
            let names = names(&memory, host, *id == listener.default);
            let wishes = &programs[id.0 as usize];
            queues.push(of_host(to, listener.tls, &names, wishes));
        }
    }
    let longest = queues.iter().map(Vec::len).max().unwrap_or(0);
    for round in 0..longest {
        for queue in &queues {
            if order.len() == most {
                return order;
            }
            if let Some(probe) = queue.get(round)
                && all.insert(probe.clone())
            {
                order.push(probe.clone());
            }
        }
    }
    order
}

/// Where clients reach a listener; a socket in the file system has no requests of its own.
pub fn address(listener: &Listener) -> Option<SocketAddr> {
    match &listener.address {
        Address::Tcp(address) if address.ip().is_unspecified() => {
            let here: IpAddr = match address.ip() {
                IpAddr::V4(_) => Ipv4Addr::new(192, 0, 2, 1).into(),
                IpAddr::V6(_) => "2001:db8::1".parse().unwrap_or(address.ip()),
            };
            Some((here, address.port()).into())
        }
        Address::Tcp(address) => Some(*address),
        Address::Unix(_) => None,
    }
}

/// Names that a host answers to, and for the default one a name that nobody claims.
fn names(memory: &Memory, host: &Host, default: bool) -> Vec<Option<Vec<u8>>> {
    let mut names: Vec<Option<Vec<u8>>> = Vec::new();
    for pattern in &host.names {
        let plain = texts(memory, pattern, true, false).into_iter().find(|text| is_name(text));
        names.extend(plain.map(Some));
        if matches!(pattern.kind, Kind::Wildcard | Kind::Regex(_) | Kind::Suffix) {
            let others = texts(memory, pattern, true, false).into_iter().filter(|text| is_name(text)).skip(1);
            names.extend(others.take(2).map(Some));
        }
        if names.len() >= NAMES {
            break;
        }
    }
    if default {
        names.push(Some(b"unclaimed.example".to_vec()));
    }
    if names.is_empty() {
        names.push(Some(b"unclaimed.example".to_vec()));
    }
    names
}

fn is_name(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(byte))
}

/// The requests for one host at one listener, the plainest first.
fn of_host(to: SocketAddr, tls: bool, names: &[Option<Vec<u8>>], wishes: &[Wish]) -> Vec<Probe> {
    let mut all = Vec::new();
    let first = names.first().cloned().flatten();
    let make = |wish: &Wish, host: Option<&Vec<u8>>| {
        let mut target = match (&wish.raw, &wish.path) {
            (Some(raw), _) => raw.clone(),
            (None, Some(path)) => encode(path),
            (None, None) => b"/".to_vec(),
        };
        if let Some(query) = &wish.query {
            target.push(b'?');
            target.extend_from_slice(query);
        }
        let mut probe = Probe::get(to, tls, &target);
        probe.host = wish.host.clone().filter(|name| is_name(name)).or_else(|| host.cloned());
        if let Some(method) = &wish.method {
            probe.method.clone_from(method);
        }
        for (name, value) in &wish.fields {
            if name.eq_ignore_ascii_case(b"connection") && value.eq_ignore_ascii_case(b"upgrade") {
                probe.upgrade();
            }
            probe.set(name, value);
        }
        // A client that names a protocol asks for the switch, too (RFC 9110 § 7.8).
        let names = |fields: &[(Vec<u8>, Vec<u8>)], name: &[u8]| {
            fields.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
        };
        if names(&probe.fields, b"upgrade") && !names(&probe.fields, b"connection") {
            probe.set(b"Connection", b"Upgrade");
        }
        probe.client = wish.client.unwrap_or(probe.client);
        probe.world = wish.world.unwrap_or(probe.world);
        probe
    };
    let plain = Wish::path(b"/");
    for name in names {
        all.push(make(&plain, name.as_ref()));
    }
    // A request to TLS cannot come to a listener without, and the other way round.
    let fit = |wish: &&Wish| wish.tls.is_none_or(|wanted| wanted == tls);
    let mut sorted: Vec<&Wish> = wishes.iter().filter(fit).collect();
    sorted.sort_by_key(|wish| rank(wish));
    let late = sorted.partition_point(|wish| rank(wish) < LATE);
    for wish in &sorted[..late] {
        all.push(make(wish, first.as_ref()));
    }
    let root = make(&plain, first.as_ref());
    for other in [b"POST".as_slice(), b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"] {
        all.push(Probe { method: other.to_vec(), ..root.clone() });
    }
    all.push(Probe { old: true, ..root.clone() });
    all.push(Probe { old: true, host: None, ..root.clone() });
    all.push(Probe { client: Ipv4Addr::LOCALHOST.into(), ..root.clone() });
    all.push(Probe { client: Ipv4Addr::new(10, 1, 2, 3).into(), ..root.clone() });
    // Names of other hosts are theirs to try; of this one, other spellings.
    if let Some(name) = &first {
        let upper = name.to_ascii_uppercase();
        let with_port = [&**name, format!(":{}", to.port()).as_bytes()].concat();
        for host in [upper, with_port, [&**name, b"."].concat()] {
            all.push(Probe { host: Some(host), ..root.clone() });
        }
    }
    for wish in &sorted[late..] {
        all.push(make(wish, first.as_ref()));
    }
    for name in names.iter().skip(1) {
        for wish in wishes.iter().filter(fit).filter(|wish| wish.host.is_none()).take(24) {
            all.push(make(wish, name.as_ref()));
        }
    }
    all
}

/// From this rank on, requests come after those that every host is sent.
const LATE: u8 = 3;

/// How much of a request is a host's own: what tells its routes and tests apart first.
fn rank(wish: &Wish) -> u8 {
    let upgrades = wish.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"connection"));
    match wish {
        Wish { raw: Some(_), .. } => 4,
        Wish { world: Some(_), .. } => 3,
        Wish { method: Some(_), .. } if wish.fields.is_empty() => 2,
        Wish { query: Some(_), .. } => 1,
        _ if upgrades => 1,
        _ => 0,
    }
}

/// What a host's program tells requests apart by.
fn program(config: &Config, host: &Host, memory: &Memory) -> Vec<Wish> {
    let mut finder = Finder {
        config,
        memory,
        solver: Solver::new(config, memory),
        found: Vec::new(),
        seen: HashSet::new(),
        routes: 0,
        seen_vars: HashSet::new(),
    };
    let root = Wish::path(b"/");
    for (target, query) in [(&b"/index.html"[..], None), (b"/zzz/other.txt", None), (b"/", Some(&b"q=1"[..]))]
    {
        finder.add(Wish { query: query.map(<[u8]>::to_vec), ..Wish::path(target) });
    }
    finder.spellings(b"/zzz/other");
    finder.upgrade(&root);
    finder.block(&host.request, &root);
    for (_, block) in &host.named {
        finder.block(block, &root);
    }
    finder.settings(&config.common, &root);
    finder.settings(&config.base, &root);
    finder.found
}

struct Finder<'c> {
    config: &'c Config,
    memory: &'c Memory,
    solver: Solver<'c>,
    found: Vec<Wish>,
    seen: HashSet<Wish>,
    seen_vars: HashSet<(VarId, Wish)>,
    routes: usize,
}

impl<'c> Finder<'c> {
    fn add(&mut self, wish: Wish) {
        if self.seen.insert(wish.clone()) {
            self.found.push(wish);
        }
    }

    /// The same for a `WebSocket`, where nothing is said of that yet.
    fn upgrade(&mut self, wish: &Wish) {
        let is = |name: &[u8]| {
            let asks = [&b"connection"[..], b"upgrade"];
            asks.iter().any(|known| name.eq_ignore_ascii_case(known))
        };
        if wish.method.is_none() && !wish.fields.iter().any(|(name, _)| is(name)) {
            self.add(wish.and(&Wish::field(b"Connection", b"Upgrade")));
        }
    }

    fn block(&mut self, block: &'c Block, base: &Wish) {
        let Block { label: _, scope, steps, span: _ } = block;
        if let Some(scope) = scope {
            let _: Base = scope.base;
            self.settings(&scope.set, base);
        }
        for (step, _) in steps {
            self.step(step, base);
        }
    }

    fn step(&mut self, step: &'c Step, base: &Wish) {
        match step {
            Step::Do(block) => self.block(block, base),
            Step::When { test, then, otherwise } => {
                let yes = self.solver.solve(test, true);
                let no = self.solver.solve(test, false);
                for way in yes.iter().chain(&no) {
                    self.add(base.and(way));
                }
                // What tests the path leads somewhere, as a route does: with a query, and for a WebSocket.
                if let Some(way) = yes.iter().find(|way| way.path.is_some()) {
                    let here = base.and(way);
                    self.upgrade(&here);
                    if here.query.is_none() {
                        self.add(Wish { query: Some(b"q=1&r=%2F".to_vec()), ..here });
                    }
                }
                let inside = yes.first().map_or_else(|| base.clone(), |way| base.and(way));
                self.block(then, &inside);
                let outside = no.first().map_or_else(|| base.clone(), |way| base.and(way));
                self.block(otherwise, &outside);
            }
            Step::Route(table) => self.table(table, base),
            Step::Rewrite { path, query: _ } => {
                if let Some(path) = path {
                    self.template(path, base);
                }
            }
            Step::Assign { var: _, value } | Step::Target(value) | Step::LimitRate(value) => {
                self.template(value, base);
            }
            Step::Lookup(lookup) => self.template(&lookup.key, base),
            Step::Promise { value, .. } => self.template(value, base),
            Step::Edit(edit) => {
                let mut templates = Vec::new();
                walk::edit(edit, crate::source::Span::NONE, &mut |item, _| {
                    if let Item::Template(template) = item {
                        templates.push(template);
                    }
                });
                for template in templates {
                    self.template(template, base);
                }
            }
            Step::Respond(reply) => self.reply(reply, base),
            Step::Admit
            | Step::Unassign(_)
            | Step::Forget(_)
            | Step::Authorize(_)
            | Step::Identify
            | Step::Probe(_)
            | Step::Negotiate(_)
            | Step::Jump(_)
            | Step::AtEnd(_)
            | Step::Trace(_)
            | Step::Complain(..)
            | Step::Perform(_)
            | Step::Locate(_)
            | Step::Local(_)
            | Step::Detach => {}
        }
    }

    fn reply(&mut self, reply: &'c crate::ir::Reply, base: &Wish) {
        match &reply.content {
            crate::ir::ReplyContent::Text(template) | crate::ir::ReplyContent::Location(template) => {
                self.template(template, base);
            }
            _ => {}
        }
    }

    fn table(&mut self, table: &'c Table, base: &Wish) {
        for route in &table.routes {
            self.route(&route.path, route, base);
        }
    }

    fn route(&mut self, path: &Pattern, route: &'c Route, base: &Wish) {
        let inside = texts(self.memory, path, true, true);
        for text in inside.iter().chain(&texts(self.memory, path, false, true)) {
            self.add(base.and(&Wish::path(text)));
        }
        let Some(first) = inside.first() else { return };
        let here = base.and(&Wish::path(first));
        let deeper = match path.kind {
            Kind::Prefix => [&**first, if first.ends_with(b"/") { b"a" } else { b"/a" }].concat(),
            _ => first.clone(),
        };
        self.routes += 1;
        let share = SPELLED_OF_ALL / self.config.hosts.len().max(1);
        if self.routes <= SPELLED.min(share.max(2)) {
            self.spellings(&deeper);
            for method in [&b"POST"[..], b"HEAD", b"OPTIONS"] {
                self.add(Wish { method: Some(method.to_vec()), ..base.and(&Wish::path(&deeper)) });
            }
        }
        self.add(base.and(&Wish { query: Some(b"q=1&r=%2F".to_vec()), ..Wish::path(&deeper) }));
        self.upgrade(&base.and(&Wish::path(&deeper)));
        for world in [World::Files, World::Folders] {
            self.add(Wish { world: Some(world), ..base.and(&Wish::path(&deeper)) });
        }
        let folder = [deeper.trim_ascii_end(), if deeper.ends_with(b"/") { b"" } else { b"/" }].concat();
        self.add(Wish { world: Some(World::Files), ..base.and(&Wish::path(&folder)) });
        self.block(&route.body, &here);
        if let Some(nested) = &route.nested {
            self.table(nested, base);
        }
    }

    /// Other ways to write a path.
    fn spellings(&mut self, path: &[u8]) {
        let sent = encode(path);
        let cut = sent.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let (head, tail) = sent.split_at(cut + 1);
        let mut raw = vec![
            [b"/", &*sent].concat(),
            [b"/.", &*sent].concat(),
            [b"/zzz/..", &*sent].concat(),
            [&*sent, b"%20b"].concat(),
            [&*sent, b"%2Fb"].concat(),
            [&*sent, b"%3Fb"].concat(),
            [&*sent, b"%25b"].concat(),
            [&*sent, b"%C3%A9"].concat(),
            [&*sent, b";v=1"].concat(),
            [&*sent, b"?a=b%20c&a=d"].concat(),
            [&*sent, b"?"].concat(),
        ];
        if let Some((first, rest)) = tail.split_first().filter(|(first, _)| first.is_ascii_alphanumeric()) {
            raw.push([head, format!("%{first:02x}").as_bytes(), rest].concat());
        }
        for target in raw {
            self.add(Wish { raw: Some(target), ..Wish::default() });
        }
    }

    /// What the settings of a block tell apart.
    fn settings(&mut self, settings: &'c Settings, base: &Wish) {
        let mut templates = Vec::new();
        let mut blocks = Vec::new();
        let mut inner = 0u32;
        walk::settings(settings, crate::source::Span::NONE, &mut |item, _| match item {
            Item::Template(template) => templates.push(template),
            Item::Block(block, _) if inner == 0 => {
                blocks.push(block);
                inner += 1;
            }
            Item::Block(..) => inner += 1,
            _ => {}
        });
        for hook in &settings.hooks {
            blocks.extend(&hook.blocks);
        }
        blocks.extend(&settings.prepare);
        blocks.extend(settings.answer.on_response.iter().flatten());
        let mut seen = HashSet::new();
        for block in blocks {
            if seen.insert(std::ptr::from_ref(block)) {
                self.block(block, base);
            }
        }
        for template in templates.into_iter().take(256) {
            self.template(template, base);
        }
        for (range, _) in settings.access.rules.iter().flatten() {
            if let AddressRange::Network(address, _) = range {
                self.add(base.and(&Wish { client: Some(*address), ..Wish::default() }));
            }
        }
        if let Some(Telling::Field(name)) = &settings.client_address.told {
            let told = base.and(&Wish::field(name, b"198.51.100.20"));
            self.add(told.clone());
            for proxy in settings.client_address.trusted.iter().flatten() {
                if let AddressRange::Network(address, _) = proxy.range {
                    self.add(told.and(&Wish { client: Some(address), ..Wish::default() }));
                }
            }
        }
        if let Some(what) = settings.access.required.as_ref().and_then(|required| required.what.as_ref()) {
            self.requirement(what, base);
        }
        if let Some(most) = settings.content.max_length.filter(|most| *most > 0) {
            let length = most.saturating_add(1).to_string();
            let over =
                Wish { method: Some(b"POST".to_vec()), ..Wish::field(b"Content-Length", length.as_bytes()) };
            self.add(base.and(&over));
        }
    }

    fn requirement(&mut self, what: &'c Requirement, base: &Wish) {
        match what {
            Requirement::All(all) | Requirement::Any(all) => {
                for one in all {
                    self.requirement(one, base);
                }
            }
            Requirement::Not(one) => self.requirement(one, base),
            Requirement::Holds(template) => {
                self.template(template, base);
            }
            Requirement::Limited { methods, except: _, of } => {
                for method in methods {
                    self.add(base.and(&Wish { method: Some(method.to_vec()), ..Wish::default() }));
                }
                self.requirement(of, base);
            }
            Requirement::AnyUser
            | Requirement::Users(_)
            | Requirement::Groups(_)
            | Requirement::Named(_)
            | Requirement::At(_) => {}
        }
    }

    /// What a value is made of: each of its parts present once.
    fn template(&mut self, template: &'c Template, base: &Wish) {
        for part in &template.0 {
            self.part(part, base);
        }
    }

    fn part(&mut self, part: &'c Part, base: &Wish) {
        match part {
            Part::Attr(attr) => {
                let value: &[u8] = match attr {
                    Attr::Field(_) | Attr::FieldList(_) | Attr::Cookie(_) | Attr::Param(_) => b"probe",
                    Attr::ForwardedFor => b"198.51.100.20",
                    Attr::Query => b"q=1",
                    _ => return,
                };
                let whole = Template(vec![Part::Attr(attr.clone())]);
                if let Some(way) = self.solver.assign(&whole, value) {
                    self.add(base.and(&way));
                }
            }
            Part::Var(var) => self.var(*var, base),
            Part::Escape(_, inner) => self.template(inner, base),
            Part::Start { of, before } => {
                self.template(of, base);
                self.template(before, base);
            }
            Part::Rest { of, after } => {
                self.template(of, base);
                self.template(after, base);
            }
            Part::Text(_) | Part::Capture(..) => {}
        }
    }

    fn var(&mut self, var: VarId, base: &Wish) {
        // Once for each place that differs in more than what was found already.
        if !self.seen_vars.insert((var, base.clone())) {
            return;
        }
        for way in self.solver.rows(&self.config.var(var).kind) {
            self.add(base.and(&way));
        }
    }
}
