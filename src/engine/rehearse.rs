//! One request answered without a network: the engine's own exchange over memory, for those who explain and compare.
//!
//! Everything that decides is the code that serves: what is read of the head, the host, the plan's program, the head
//! that is written to an upstream, what becomes of its answer. Only three things are made up: the client's
//! connection, what the upstream answers, and (unless the real one is asked) the file system.

use std::{
    fmt::Write as _,
    io,
    net::SocketAddr,
    rc::Rc,
    sync::{Arc, atomic::AtomicU64},
    time::Instant,
};

use super::{
    access,
    balance::{Clusters, Zones},
    clock,
    connect::{Connection, Place},
    exchange::{End, Exchange, Next},
    facts::{Attempt, Client, Facts, TlsSession},
    files,
    forward::Composed,
    http1::{field::has_token, request::Parsed, response},
    limit,
    local::Brought,
    log::Logs,
    maps::{Answer as Looked, Maps},
    pool::Key,
    resolve::{Resolved, Spot},
    stream::{Socket, Stream},
    tls::Certificates,
    worker::{Counters, Serving, Shared, Worker},
};
use crate::{
    ir::{
        Config, Duty, Endpoint, FileKind, Forward, Handler, HostId, Probe, Protocol, Role, Template, VarId,
        settings::{Fault, FileFault, Level},
    },
    plan::{Need, Plan, Run, SettingsId, encode_path, observe::Observer},
};

mod world;

use world::Staged;
pub use world::World;

/// What an upstream does when it is asked.
#[derive(Clone, Copy, Debug)]
pub enum Reaction<'a> {
    /// Nothing: the exchange ends with the request that it would send.
    Silence,
    /// It answers with this head, which has no content.
    Head(&'a [u8]),
    /// It cannot be reached.
    Failure,
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The listener it comes to.
    pub listener: usize,
    /// Its head, as bytes.
    pub head: &'a [u8],
    /// Where it comes from; `None` is a Unix socket.
    pub client: Option<SocketAddr>,
    /// The address it was sent to.
    pub local: Option<SocketAddr>,
    /// What is in the file system.
    pub world: World,
    /// What an upstream does.
    pub reaction: Reaction<'a>,
    /// Variables whose values at the end are wanted.
    pub read: &'a [VarId],
}

/// Something that happened beside the steps of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The host was chosen, and its program begins.
    Host(HostId),
    /// A file was asked for.
    File {
        /// Its name.
        name: Vec<u8>,
        /// What it was to be.
        kind: FileKind,
        /// Whether it is.
        found: bool,
    },
    /// A file was looked at.
    Located {
        /// Its name.
        name: Vec<u8>,
        /// What it is; empty when there is none.
        kind: &'static str,
    },
    /// The settings for access were asked.
    Access(bool),
    /// A key was looked up outside.
    Lookup {
        /// The key.
        key: Vec<u8>,
        /// The value.
        value: Option<Vec<u8>>,
    },
    /// A status is about to be answered.
    Status(u16),
    /// An upstream is sent this; the head in one line, empty where it is not text.
    Sent {
        /// Scheme and authority.
        to: Vec<u8>,
        /// The head.
        head: Vec<u8>,
    },
    /// The program runs again, or goes on elsewhere, for this path.
    Inside {
        /// The path.
        path: Vec<u8>,
        /// The query.
        query: Vec<u8>,
    },
    /// A line for the error log.
    Log(Level, String),
}

/// Hears of steps and of events.
pub trait Watcher: Observer {
    /// Something happened.
    fn event(&mut self, event: Event) {
        let _ = event;
    }
}

impl Watcher for crate::plan::observe::Quiet {}

/// What would be sent to an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// What is spoken.
    pub protocol: Protocol,
    /// Whether over TLS.
    pub tls: bool,
    /// The authority as configured, or the cluster's name.
    pub authority: Vec<u8>,
    /// Who may be asked: `host:port`, then `weight=N` where it is not 1, `backup`, `down`. An authority that stands
    /// for itself has none.
    pub endpoints: Vec<String>,
    /// The name the certificate is asked for and verified by.
    pub server_name: Option<Vec<u8>>,
    /// The bytes before content.
    pub head: Vec<u8>,
    /// Whether a 101 would become a tunnel.
    pub upgrade: bool,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// An upstream is asked, and nothing is known of its answer.
    Asked,
    /// This was sent to the client.
    Answered(Vec<u8>),
    /// A file is sent, behind this head.
    File {
        /// Its name.
        name: Vec<u8>,
        /// The head.
        head: Vec<u8>,
    },
    /// A folder is listed.
    Listing(Vec<u8>),
    /// The connection becomes a tunnel, after this head.
    Tunnel(Vec<u8>),
    /// The connection is closed without an answer.
    Closed,
}

/// What became of a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The host.
    pub host: HostId,
    /// The settings in force at the end.
    pub settings: SettingsId,
    /// The path at the end.
    pub path: Vec<u8>,
    /// The last request to an upstream.
    pub sent: Option<Sent>,
    /// How it ended.
    pub ending: Ending,
    /// Whether what was answered is a page of the server's own.
    pub page: bool,
    /// The values asked for at the end; `None` is missing.
    pub values: Vec<(VarId, Option<Vec<u8>>)>,
}

/// A plan that answers without serving.
#[derive(Debug)]
pub struct Rehearsal {
    plan: Arc<Plan>,
    worker: Rc<Worker>,
    runtime: tokio::runtime::Runtime,
}

impl Rehearsal {
    /// Nothing is opened, bound, resolved or started.
    pub fn new(plan: Arc<Plan>) -> io::Result<Self> {
        let (names, _) = Resolved::start(&Config::default(), false);
        let clusters = Clusters::new(&plan, &names, &Arc::<Zones>::default());
        let maps = Maps::new(&plan.config, &Arc::default());
        let serving =
            Serving::new(Arc::clone(&plan), clusters, Logs::kept(), maps, Arc::<Certificates>::default());
        let shared = Arc::new(Shared {
            counters: Box::new([Counters::default()]),
            machine_name: "localhost".to_owned(),
            server_header: None,
            explain: None,
            serial: AtomicU64::new(1),
            began: Instant::now(),
            zones: limit::Zones::default(),
            caches: super::cache::Caches::default(),
            tallies: super::tally::Tallies::default(),
            handshakes: super::worker::Handshakes::default(),
            generation: AtomicU64::new(1),
            loaded: AtomicU64::new(0),
        });
        let worker = Worker::new(0, shared, serving);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { plan, worker, runtime })
    }

    /// The plan.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Answers a request.
    pub fn answer(&self, asked: &Asked<'_>, watcher: &mut impl Watcher) -> Answer {
        self.runtime.block_on(self.run(asked, watcher))
    }

    /// The value of a template at the end of a request: asked again by who explains it.
    async fn run(&self, asked: &Asked<'_>, watcher: &mut impl Watcher) -> Answer {
        let plan = &*self.plan;
        let tls = plan.config.listeners[asked.listener].tls;
        let client = Client {
            remote: asked.client,
            shown: asked
                .client
                .map_or_else(|| "unix:".to_owned(), |at| at.ip().to_canonical().to_string())
                .into(),
            local: asked.local,
            path: None,
            serial: 1,
            requests: 1,
            opened: clock::moment(),
            announced: None,
            tls: None,
            descriptor: -1,
            told: std::cell::Cell::new(false),
        };
        let facts = Facts::new(&self.worker, client);
        let memory = Stream::Plain(Socket::Memory(Vec::new()));
        let mut exchange =
            Box::new(Exchange::new(Rc::clone(&self.worker), self.worker.serving(), memory, facts));
        // Equal whoever asks, so that two answers can be compared.
        exchange.facts.request_id.set(Some(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef));
        let mut stage = Stage { plan, asked, sent: None, file: None, listing: None };
        let next = stage.read(&mut exchange, tls);
        watcher.event(Event::Host(exchange.run.host));
        let end = stage.drive(&mut exchange, next, watcher).await;
        for (level, line) in exchange.serving.logs.take_kept() {
            watcher.event(Event::Log(level, line));
        }
        let written = match &mut exchange.stream {
            Stream::Plain(Socket::Memory(kept)) => std::mem::take(kept),
            _ => Vec::new(),
        };
        let ending = match (end, stage.file.take(), stage.listing.take()) {
            (None, Some(name), _) => Ending::File { name, head: written },
            (None, None, Some(name)) => Ending::Listing(name),
            (None, None, None) => Ending::Asked,
            (Some(End::Tunnel(_)), ..) => Ending::Tunnel(written),
            (Some(End::Abort), ..) if written.is_empty() => Ending::Closed,
            (Some(_), ..) => Ending::Answered(written),
        };
        let values = asked.read.iter().map(|var| {
            let mut value = Vec::new();
            let present = exchange.eval(&Template::var(*var), &mut value);
            (*var, present.then_some(value))
        });
        let values = values.collect();
        Answer {
            values,
            host: exchange.run.host,
            settings: exchange.run.settings,
            path: exchange.run.path.clone(),
            sent: stage.sent,
            ending,
            page: exchange.facts.response.ours,
        }
    }
}

/// An endpoint, whatever it was written in.
fn shown(endpoint: &Endpoint) -> String {
    let mut text = match Spot::of(&endpoint.address, endpoint.default_port) {
        Spot::Unix(path) => format!("unix:{}", path.display()),
        Spot::Known(address) => address.to_string(),
        Spot::Name(name, port) => format!("{name}:{port}"),
    };
    let (weight, backup, down) = match &endpoint.member {
        Some(member) => {
            let down = member.state.disabled || member.state.stopped;
            (member.factor, member.duty != Duty::Active || member.set > 0, down)
        }
        None => (endpoint.weight * 100, endpoint.role == Role::Backup, endpoint.role == Role::Down),
    };
    if weight != 100 {
        let _ = write!(text, " weight={}", f64::from(weight) / 100.0);
    }
    for (is, word) in [(backup, " backup"), (down, " down")] {
        if is {
            text.push_str(word);
        }
    }
    text
}

/// Whether a head asks for another protocol, so that an upstream may switch (RFC 9110 § 7.8).
fn asks_switch(head: &[u8]) -> bool {
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let modern = lines.next().is_some_and(|line| line.ends_with(b" HTTP/1.1"));
    let (mut named, mut nominated) = (false, false);
    for line in lines {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        named |= name.eq_ignore_ascii_case(b"upgrade") && !value.is_empty();
        nominated |= name.eq_ignore_ascii_case(b"connection") && has_token(value, b"upgrade");
    }
    modern && named && nominated
}

/// One request under way.
struct Stage<'a> {
    plan: &'a Plan,
    asked: &'a Asked<'a>,
    sent: Option<Sent>,
    file: Option<Vec<u8>>,
    listing: Option<Vec<u8>>,
}

impl Stage<'_> {
    /// Reads the head and chooses the host.
    fn read(&mut self, exchange: &mut Exchange, tls: bool) -> Next {
        let (plan, listener) = (self.plan, self.asked.listener);
        let default = plan.config.listeners[listener].default;
        let limits = Exchange::limits(plan.settings(plan.host_settings(default)));
        exchange.facts.buffer = self.asked.head.to_vec();
        let parsed = {
            let Facts { head, buffer, .. } = &mut exchange.facts;
            head.parse(buffer, 0, &limits)
        };
        exchange.facts.used = exchange.facts.head.length;
        exchange.facts.request_length = exchange.facts.head.length as u64;
        if tls {
            exchange.facts.client.tls = Some(Box::new(self.session(exchange)));
        }
        match parsed {
            Ok(Parsed::Whole) => exchange.begin(plan, listener),
            Ok(Parsed::Partial) => {
                exchange.begin_refused(plan, listener);
                Next::Status(400)
            }
            Err(refusal) => {
                exchange.facts.head.version = if refusal.version == 0 { 11 } else { refusal.version };
                exchange.begin_refused(plan, listener);
                Next::Status(refusal.status)
            }
        }
    }

    /// A handshake with the host that the request is for.
    fn session(&self, exchange: &Exchange) -> TlsSession {
        let facts = &exchange.facts;
        let mut name = Vec::new();
        if let Some(host) = facts.head.host {
            super::host::valid_host(facts.slice(host), &mut name);
        }
        let named = (!name.is_empty()).then_some(name.as_slice());
        TlsSession {
            host: Some(self.plan.select(self.asked.listener, named, &mut Run::default())),
            version: "TLSv1.3",
            cipher: "TLS_AES_128_GCM_SHA256".to_owned(),
            server_name: named.map(|name| String::from_utf8_lossy(name).into_owned()),
            resumed: false,
            ..TlsSession::default()
        }
    }

    /// Goes on until something was answered; `None` when that is left to somebody else.
    async fn drive(
        &mut self,
        exchange: &mut Exchange,
        mut next: Next,
        watcher: &mut impl Watcher,
    ) -> Option<End> {
        let plan = self.plan;
        loop {
            for (level, line) in exchange.serving.logs.take_kept() {
                watcher.event(Event::Log(level, line));
            }
            next = match next {
                Next::Decide => self.decide(exchange, watcher),
                // What is counted is not looked at.
                Next::Limit | Next::Ask(_) => Next::Decide,
                Next::Probe(probe) => Box::pin(self.probe(exchange, &probe, watcher)).await,
                Next::Negotiate(negotiate) => exchange.negotiate(plan, &negotiate).await,
                Next::Authorize => {
                    let next = exchange.authorize(plan).await;
                    watcher.event(Event::Access(matches!(next, Next::Decide)));
                    next
                }
                Next::Handle => match exchange.settings(plan).handler.clone().as_deref() {
                    Some(Handler::Forward(forward)) => self.forward(exchange, forward).await?,
                    Some(Handler::Members(overview)) => exchange.overview(plan, overview, false).await,
                    Some(Handler::Program(program)) => {
                        let file = exchange.value(&program.file);
                        let what: &[u8] = if program.runs { b"run " } else { b"what it says: " };
                        self.file = Some([what, &file].concat());
                        return None;
                    }
                    Some(Handler::Respond(reply)) => Next::Reply(reply.clone()),
                    Some(Handler::Files | Handler::Film) | None => self.files(exchange, true).await?,
                    Some(Handler::File) => self.files(exchange, false).await?,
                    Some(Handler::Listing) => {
                        let mut name = Vec::new();
                        exchange.run.file_path(plan, &exchange.facts, &mut name);
                        self.listing = Some(name);
                        return None;
                    }
                    Some(Handler::Figures(figures)) => exchange.tell_figures(plan, figures).await,
                    Some(Handler::Missing(message)) => {
                        watcher.event(Event::Log(Level::Alert, message.lossy().into_owned()));
                        Next::Status(500)
                    }
                },
                Next::Reply(reply) => exchange.reply(plan, &reply).await,
                Next::Status(status) => {
                    watcher.event(Event::Status(status));
                    let next = exchange.recover(plan, status).await;
                    if matches!(next, Next::Decide) {
                        let (path, query) = (exchange.run.path.clone(), exchange.run.query.clone());
                        watcher.event(Event::Inside { path, query });
                    }
                    next
                }
                // The other parts are asked for in the same way.
                Next::Part => return Some(End::Keep),
                Next::End(end) => return Some(end),
            }
        }
    }

    /// Finds out how a request for another target would be answered.
    async fn probe(&mut self, exchange: &mut Exchange, probe: &Probe, watcher: &mut impl Watcher) -> Next {
        let Some(fork) = exchange.run.fork(self.plan, &exchange.facts) else {
            exchange.run.probed(probe, 500, &Run::default());
            return Next::Decide;
        };
        let outer = std::mem::replace(&mut exchange.run, fork);
        let method = exchange.facts.method.replace(b"GET");
        let mut next = Next::Decide;
        let status = loop {
            next = match next {
                Next::Decide => self.decide(exchange, watcher),
                Next::Limit | Next::Ask(_) => Next::Decide,
                Next::Authorize => exchange.authorize(self.plan).await,
                Next::Negotiate(negotiate) => exchange.negotiate(self.plan, &negotiate).await,
                Next::Probe(inner) => Box::pin(self.probe(exchange, &inner, watcher)).await,
                Next::Handle => break 200,
                Next::Reply(reply) => break reply.status,
                Next::Status(status) => break status,
                Next::Part | Next::End(_) => break 500,
            };
        };
        exchange.facts.method = method;
        let fork = std::mem::replace(&mut exchange.run, outer);
        exchange.run.probed(probe, status, &fork);
        Next::Decide
    }

    /// Lets the plan decide.
    fn decide(&mut self, exchange: &mut Exchange, watcher: &mut impl Watcher) -> Next {
        let (plan, world) = (self.plan, self.asked.world);
        loop {
            let view = Staged { facts: &exchange.facts, world };
            match exchange.run.observed(plan, &view, watcher) {
                Need::File(kind) => {
                    let found = world.is(&exchange.run.asked, kind);
                    watcher.event(Event::File { name: exchange.run.asked.clone(), kind, found });
                    exchange.run.tell(found);
                }
                Need::Local => {
                    if world != World::Real {
                        continue;
                    }
                    let found = exchange.serving.locals.find(plan, exchange.run.host, &exchange.run.asked);
                    let Some(Brought { entry, .. }) = found else { continue };
                    let Some(entry) = entry else { return Next::Status(500) };
                    exchange.run.go_local(entry);
                }
                Need::Locate => {
                    let name = exchange.run.asked.clone();
                    let (length, folder, kind) = world.locate(&name);
                    watcher.event(Event::Located { name, kind });
                    exchange.run.located(plan, length, folder, kind);
                }
                Need::Access if exchange.is_guarded(plan) => return Next::Authorize,
                Need::Access => {
                    let allowed = access::allowed(&exchange.settings(plan).access, &exchange.facts);
                    watcher.event(Event::Access(allowed));
                    if !allowed {
                        return Next::Status(403);
                    }
                    exchange.run.tell(true);
                }
                Need::Edit(_) if exchange.run.probes > 0 => {}
                Need::Edit(op) => super::edit::field::request(exchange, op),
                Need::Probe(probe) => return Next::Probe(Box::new(probe.clone())),
                Need::Negotiate(negotiate) if world == World::Real => {
                    return Next::Negotiate(Box::new(negotiate.clone()));
                }
                // Where files are made up, none stands for another.
                Need::Negotiate(negotiate) => exchange.run.chosen(negotiate, &[]),
                Need::Identity => super::client_address::identify(exchange, plan),
                Need::Trace(_) => {}
                Need::Lookup(lookup) => {
                    let key = exchange.run.asked.clone();
                    let maps = &exchange.serving.maps;
                    let found = match maps.look_up(&plan.config, lookup.map, &key, || 0) {
                        Looked::Known(value) if world == World::Real => value,
                        _ => None,
                    };
                    let view = Staged { facts: &exchange.facts, world };
                    exchange.run.found(plan, &view, lookup, found.as_deref());
                    watcher.event(Event::Lookup { key, value: found });
                }
                Need::Handle => return Next::Handle,
                Need::Reply(reply) => return Next::Reply(reply.clone()),
                Need::Refused => return Next::Status(403),
                Need::TooLarge => return Next::Status(413),
                Need::BadTarget => return Next::Status(400),
                Need::Exhausted => {
                    let line = "rewrite or internal redirection cycle".to_owned();
                    watcher.event(Event::Log(Level::Error, line));
                    return Next::Status(500);
                }
                Need::NoBlock(name) => {
                    watcher.event(Event::Log(Level::Error, format!("there is no block \"{name}\"")));
                    return Next::Status(500);
                }
                Need::EmptyPath => {
                    let line = "the rewritten path has a zero length".to_owned();
                    watcher.event(Event::Log(Level::Error, line));
                    return Next::Status(500);
                }
                Need::Failed(failure) => {
                    watcher.event(Event::Log(Level::Error, failure.to_string()));
                    return Next::Status(500);
                }
            }
        }
    }

    /// What would be sent, and what becomes of the answer.
    async fn forward(&mut self, exchange: &mut Exchange, forward: &Forward) -> Option<Next> {
        let plan = self.plan;
        let Composed { forward, how, to, head } = match exchange.compose_alone(plan, forward) {
            Ok(composed) => composed,
            Err(status) => return Some(Next::Status(status)),
        };
        let wants = exchange.asked_switch(&how).is_some() && asks_switch(&head);
        self.sent = Some(Sent {
            protocol: forward.protocol,
            tls: to.tls,
            authority: exchange.facts.authority.clone(),
            endpoints: to.cluster.endpoints().map(shown).collect(),
            server_name: to.tls.then(|| {
                let named = exchange.value(&how.tls_name);
                if named.is_empty() { exchange.facts.authority.clone() } else { named }
            }),
            head,
            upgrade: wants,
        });
        match self.asked.reaction {
            Reaction::Silence => None,
            Reaction::Failure => Some(Next::Status(how.answer_to(Fault::Unreachable, 502))),
            Reaction::Head(answer) => {
                let facts = &mut exchange.facts;
                facts.attempts.push(Attempt::default());
                facts.upstream.clear();
                facts.upstream.extend_from_slice(answer);
                facts.upstream_head.clear();
                let parsed = facts.upstream_head.parse(&facts.upstream, !forward.protocol.is_http());
                if !matches!(parsed, Ok(response::Parsed::Whole)) {
                    return Some(Next::Status(502));
                }
                let connection = Connection {
                    stream: Stream::Plain(Socket::Memory(Vec::new())),
                    key: Key { cluster: 0, place: Place::Unix(std::path::PathBuf::new()), tls: 0 },
                    opened: clock::moment(),
                    requests: 1,
                    records: None,
                };
                exchange.content = super::content::Content::default();
                Some(exchange.respond(plan, &forward, &how, &to, connection).await)
            }
        }
    }

    /// Files, by what the world says of them.
    async fn files(&mut self, exchange: &mut Exchange, folders: bool) -> Option<Next> {
        let (plan, world) = (self.plan, self.asked.world);
        let method = exchange.facts.method();
        if folders && exchange.settings(plan).files.changes.iter().any(|known| *known.0 == *method) {
            // It would be done.
            let mut what = [method, b" changes "].concat();
            exchange.run.file_path(plan, &exchange.facts, &mut what);
            self.file = Some(what);
            return None;
        }
        if !matches!(method, b"GET" | b"HEAD" | b"POST") {
            return Some(Next::Status(405));
        }
        let mut name = Vec::new();
        if !exchange.run.file_path(plan, &exchange.facts, &mut name) {
            return Some(Next::Status(500));
        }
        if world == World::Real && exchange.settings(plan).files.any_case {
            files::spelling::correct(&mut name);
        }
        if folders && exchange.run.path.ends_with(b"/") {
            for template in &exchange.settings(plan).files.index {
                let index = exchange.value(template);
                let query = exchange.run.query.clone();
                if index.starts_with(b"/") {
                    return Some(exchange.restart(plan, &index, &query));
                }
                if world.is(&[&*name, &*index].concat(), FileKind::Any) {
                    let path = [&*exchange.run.path, &*index].concat();
                    return Some(exchange.restart(plan, &path, &query));
                }
            }
            if !world.is(&name, FileKind::Directory) {
                return Some(Next::Status(404));
            }
            if exchange.settings(plan).listing.on {
                self.listing = Some(name);
                return None;
            }
            return Some(Next::Status(exchange.settings(plan).files.answer_to(FileFault::NoListing, 403)));
        }
        if folders && world.is(&name, FileKind::Directory) {
            let mut location = Vec::new();
            encode_path(&exchange.run.path, &mut location);
            location.push(b'/');
            if !exchange.run.query.is_empty() {
                location.push(b'?');
                location.extend_from_slice(&exchange.run.query);
            }
            return Some(exchange.redirect(plan, 301, &location).await);
        }
        if world == World::Real {
            // Conditions, ranges, tags, files beside it: all that it takes is known.
            let next = if folders {
                files::serve(exchange, plan).await
            } else {
                files::serve_one(exchange, plan).await
            };
            if !matches!(next, Next::End(_)) {
                return Some(next);
            }
            self.file = Some(name);
            return None;
        }
        if !world.is(&name, FileKind::File) {
            return Some(Next::Status(404));
        }
        if folders && exchange.facts.method() == b"POST" {
            return Some(Next::Status(405));
        }
        let settings = exchange.settings(plan);
        if settings.files.known_types && settings.type_of(&exchange.run.path).is_none() {
            return Some(Next::Status(settings.files.answer_to(FileFault::UnknownType, 404)));
        }
        let said = if folders {
            files::kind::Kind { of: exchange.type_of_path(plan), ..files::kind::Kind::default() }
        } else {
            files::kind::kind(settings, &name)
        };
        let response = &mut exchange.facts.response;
        response.start(200);
        said.tell(response);
        response.length = Some(0);
        let mut head = Vec::new();
        exchange.head(plan, &mut head);
        self.file = Some(name);
        if let Stream::Plain(Socket::Memory(kept)) = &mut exchange.stream {
            kept.extend_from_slice(&head);
        }
        None
    }
}
