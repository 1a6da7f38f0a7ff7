//! One request from its head to its log line: the file to read first.
//!
//! [`Exchange::run`] asks the plan what to do, lets the handler answer, and
//! follows internal redirects and recoveries until something was answered.

use std::{rc::Rc, time::Duration};

use super::{
    content::Content,
    explain::Told,
    facts::Facts,
    files, filter,
    forward::{Caching, Upload},
    host::{is_odd, valid_host},
    http1::{field::Known, target},
    idle::Seat,
    limit::Held,
    local::Brought,
    log,
    maps::{Answer, Asked},
    rehearse::Event,
    response::Response,
    stream::Stream,
    timed::Timer,
    tunnel::Tunnel,
    worker::{Serving, Worker},
};
use crate::{
    ir::{
        Handler, Lookup, Negotiate, Probe, Reply, ReplyContent, Template, settings::Level, settings::Topic,
    },
    plan::{Effective, Need, Plan, Run, SettingsId},
};

/// A client connection and the exchange on it.
#[derive(Debug)]
pub struct Exchange {
    /// The client's connection.
    pub stream: Stream,
    /// What is known.
    pub facts: Facts,
    /// The decision.
    pub run: Run,
    /// The time limit of what is waited for.
    pub timer: Timer,
    /// The worker.
    pub worker: Rc<Worker>,
    /// What the exchange began with.
    pub serving: Rc<Serving>,
    /// The request's content.
    pub content: Content,
    /// Whether the connection is kept after this exchange, as far as is known.
    pub keep: bool,
    /// Whether a recovery was applied.
    pub recovered: bool,
    /// The status that was recovered from, and the settings that were in force.
    pub first_error: Option<(u16, SettingsId)>,
    /// Whether the head of the response was sent.
    pub answered: bool,
    /// Whether the response switches protocols.
    pub upgraded: bool,
    /// Challenges of an answer that was recovered from (RFC 9110 § 11.6.1); what is sent instead has them, too.
    pub challenges: Vec<Vec<u8>>,
    /// Fields that any answer to the request has.
    pub lasting: Vec<(Vec<u8>, Vec<u8>)>,
    /// Fields of an upstream's response that survive an internal redirect it directed.
    pub kept_fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether the `Location` among them was made a whole URL by us.
    pub kept_own_location: bool,
    /// Content that is being sent to an upstream.
    pub upload: Option<Box<Upload>>,
    /// Bandwidth limit that the upstream directed, bytes per second.
    pub directed_limit: Option<u64>,
    /// Character set that the upstream directed.
    pub directed_charset: Option<Vec<u8>>,
    /// Where the connection waits for being told of changes.
    pub seat: Option<Seat>,
    /// Whether the limits in force were just looked at.
    pub limits_checked: bool,
    /// What the request has to do with a cache.
    pub caching: Option<Box<Caching>>,
    /// The client's connection, while the response is composed.
    pub composing: Option<Box<Stream>>,
    /// Whether the response was.
    pub composed: bool,
    /// What is known where the response is composed, or by who includes it.
    pub included: Option<Box<super::compose::Known>>,
    /// The same, for instructions of the other kind.
    pub page: Option<Box<super::compose::Page>>,
    /// Whether it is checked who may have what a request of our own asks for.
    pub checked: bool,
    /// Whether copies of the request were sent.
    pub copied: bool,
    /// The response that is sent in parts, while it is.
    pub parts: Option<Box<super::forward::Parts>>,
    /// Whether it asks for a kept response that is over, while that is being sent.
    pub refreshes: bool,
    /// The request as its host counts it.
    pub counted: Option<super::tally::Counted>,
    /// Places that the request holds in zones.
    pub held: Vec<Held>,
    /// What the content of the response whose head was made passes through.
    pub filters: Option<Box<filter::Chain>>,
    /// What happens to the request, where it asks that it is told.
    pub told: Option<Box<Told>>,
}

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// Ask the plan.
    Decide,
    /// Access is to be checked, which may take time.
    Authorize,
    /// Ask a program, for the plan.
    Ask(Box<(Lookup, Asked)>),
    /// Find out how a request for another target would be answered, for the plan.
    Probe(Box<Probe>),
    /// Choose one of the files that stand for a name, for the plan.
    Negotiate(Box<Negotiate>),
    /// The request is held against the limits in force, which may delay it.
    Limit,
    /// The handler in force answers.
    Handle,
    /// An answer of our own from the configuration.
    Reply(Reply),
    /// A status of our own; recoveries apply.
    Status(u16),
    /// The next part of the response is to be asked for.
    Part,
    /// The exchange is over.
    End(End),
}

/// What becomes of the connection.
#[derive(Debug)]
pub enum End {
    /// Another request may come.
    Keep,
    /// It is closed, after reading what the client still sends.
    Close,
    /// It is closed at once.
    Abort,
    /// It is a tunnel now.
    Tunnel(Box<Tunnel>),
}

impl Exchange {
    /// The settings in force.
    pub fn settings<'p>(&self, plan: &'p Plan) -> &'p Effective {
        plan.settings(self.run.settings)
    }

    /// Evaluates a template to the end of `out`; false when its value is missing.
    pub fn eval(&mut self, template: &Template, out: &mut Vec<u8>) -> bool {
        self.run.eval(&self.serving.plan, &self.facts, template, out)
    }

    /// Evaluates a template.
    pub fn value(&mut self, template: &Template) -> Vec<u8> {
        let mut out = Vec::new();
        self.eval(template, &mut out);
        out
    }

    /// Answers the request whose head is in `facts`.
    pub async fn run(&mut self, listener: usize) -> End {
        let serving = Rc::clone(&self.serving);
        let plan = &*serving.plan;
        let next = self.begin(plan, listener);
        self.drive(plan, next).await
    }

    /// Goes on from `next` until something was answered, and finishes.
    pub async fn drive(&mut self, plan: &Plan, mut next: Next) -> End {
        let end = loop {
            next = match next {
                Next::Decide => self.decide(plan),
                Next::Limit => self.limit(plan).await,
                Next::Authorize => self.authorize(plan).await,
                Next::Ask(question) => {
                    let (lookup, asked) = *question;
                    self.ask(plan, &lookup, asked).await
                }
                Next::Probe(probe) => Box::pin(self.probe(plan, &probe)).await,
                Next::Negotiate(negotiate) => self.negotiate(plan, &negotiate).await,
                Next::Handle if self.has_copies(plan) => self.copy_request(plan).await,
                Next::Handle => match self.settings(plan).handler.as_deref() {
                    Some(Handler::Forward(forward)) => self.forward(plan, forward).await,
                    Some(Handler::Members(overview)) => Box::pin(self.overview(plan, overview, true)).await,
                    Some(Handler::Program(program)) => Box::pin(self.run_program(plan, program)).await,
                    Some(Handler::Respond(reply)) => Next::Reply(reply.clone()),
                    Some(Handler::Files | Handler::Film) | None => files::serve(self, plan).await,
                    Some(Handler::File) => files::serve_one(self, plan).await,
                    Some(Handler::Listing) => files::listing::list(self, plan).await,
                    Some(Handler::Figures(figures)) => Box::pin(self.tell_figures(plan, figures)).await,
                    Some(Handler::Missing(message)) => {
                        self.log(Level::Alert, format_args!("{}", message.lossy()));
                        Next::Status(500)
                    }
                },
                Next::Reply(reply) => self.reply(plan, &reply).await,
                Next::Status(status) => {
                    self.tell(|_| Event::Status(status));
                    self.recover(plan, status).await
                }
                Next::Part => self.next_parts(plan).await,
                Next::End(end) if self.composing.is_some() => self.end_composing(plan, end).await,
                Next::End(end) => break end,
            }
        };
        self.finish(plan, end).await
    }

    /// Forgets the exchange before.
    fn clear(&mut self) {
        self.run.reset();
        self.keep = self.facts.head.keep_alive;
        self.facts.preset = None;
        self.facts.failed = None;
        self.facts.user = None;
        self.facts.claimed_user = None;
        self.recovered = false;
        self.first_error = None;
        self.answered = false;
        self.upgraded = false;
        self.challenges.clear();
        self.kept_fields.clear();
        self.kept_own_location = false;
        self.lasting.clear();
        self.directed_limit = None;
        self.directed_charset = None;
        self.filters = None;
        self.told = None;
        self.limits_checked = false;
        self.caching = None;
        self.parts = None;
        self.composed = false;
        self.included = None;
        self.page = None;
        self.checked = false;
        self.copied = false;
        self.held.clear();
        self.counted = None;
        self.facts.response.start(0);
    }

    /// Makes the listener's default host answer a request that could not be read.
    pub fn begin_refused(&mut self, plan: &Plan, listener: usize) {
        self.clear();
        self.keep = false;
        self.content = Content::default();
        self.facts.host.clear();
        self.run.start(plan, plan.config.listeners[listener].default);
    }

    /// Chooses the host of a request that is answered without its program.
    pub fn start_only(&mut self, plan: &Plan, listener: usize) {
        let _ = self.begin(plan, listener);
        self.keep = false;
    }

    /// Chooses the host and starts its program.
    pub(super) fn begin(&mut self, plan: &Plan, listener: usize) -> Next {
        let told = self.asks_to_be_told();
        let chosen = self.choose(plan, listener);
        self.told = told;
        if let Err(next) = chosen {
            return next;
        }
        if self.is_misdirected(plan) {
            self.log(Level::Error, format_args!("the handshake was with a host of other TLS"));
            return Next::Status(421);
        }
        if let Some(next) = self.unproven(plan) {
            return next;
        }
        if self.facts.head.expects_else && self.settings(plan).client.strict {
            self.log(Level::Info, format_args!("client expects what is not known"));
            self.keep = false;
            return Next::Status(417);
        }
        match self.facts.slice(self.facts.head.method) {
            b"TRACE" if self.settings(plan).client.traced => Next::Decide,
            method @ (b"TRACE" | b"CONNECT") => {
                let method = String::from_utf8_lossy(method);
                self.log(
                    Level::Info,
                    format_args!("client sent {method} method while reading client request headers"),
                );
                self.keep = false;
                Next::Status(405)
            }
            _ => Next::Decide,
        }
    }

    /// Chooses the host by what was read of the head; `Err` when host or target are invalid.
    pub fn choose(&mut self, plan: &Plan, listener: usize) -> Result<(), Next> {
        self.clear();
        let default = plan.host_settings(plan.config.listeners[listener].default);
        let strict = plan.settings(default).client.strict;
        let facts = &mut self.facts;
        // A URL with another scheme than the connection's names no host of ours; one of neither is no request.
        let odd_scheme = strict && facts.forget_other_authority();
        let named = match (facts.head.authority.is_empty(), facts.head.host) {
            (false, _) => Some(facts.head.authority),
            // HTTP/1.0 knows no hosts: an empty one is none.
            (true, host) => host.filter(|host| !(strict && host.is_empty())),
        };
        let mut host = std::mem::take(&mut facts.host);
        host.clear();
        let valid = named.is_none_or(|name| valid_host(facts.slice(name), &mut host));
        // The Host field must be valid even where the target names another one.
        let valid = valid
            && (facts.head.authority.is_empty()
                || facts.head.host.is_none_or(|name| valid_host(facts.slice(name), &mut Vec::new())));
        let valid = valid
            && !odd_scheme
            && !(strict && (named.is_some_and(|name| is_odd(facts.slice(name))) || facts.has_odd_line()));
        facts.host = host;
        let name = (!facts.host.is_empty()).then_some(facts.host.as_slice());
        let by_target = if named.is_none() && valid {
            plan.select_by_target(listener, facts.head.target.of(&facts.buffer))
        } else {
            None
        };
        let chosen = match by_target {
            Some(host) => host,
            None => plan.select(listener, if valid { name } else { None }, &mut self.run),
        };
        self.run.start(plan, chosen);
        if !plan.config.tallies.is_empty() {
            self.begin_counting(plan);
        }
        if !self.facts.head.dropped.is_empty() {
            let limits = Self::limits(plan.settings(plan.host_settings(chosen)));
            let Facts { head, buffer, .. } = &mut self.facts;
            head.take_dropped(buffer, &limits);
        }
        let normalizing = if plan.config.targets_by_connection {
            let shaken = self.facts.client.tls.as_ref().and_then(|session| session.host);
            shaken.unwrap_or(plan.config.listeners[listener].default)
        } else {
            chosen
        };
        let settings = plan.settings(plan.host_settings(normalizing));
        let facts = &mut self.facts;
        let (mut path, mut query) = (std::mem::take(&mut self.run.path), std::mem::take(&mut self.run.query));
        let normal = target::normalize(
            facts.head.target.of(&facts.buffer),
            settings.client.merge_slashes,
            settings.client.backslashes,
            settings.client.keep_slashes,
            &mut path,
            &mut query,
        );
        (self.run.path, self.run.query) = (path, query);
        self.content = Content::of(&facts.head);
        let normal = match normal {
            Ok(received) => {
                facts.received = received;
                true
            }
            Err(target::Invalid) => false,
        };
        if !normal {
            // What is wrong with the request line shows before a field is read.
            let end = self.facts.head.line.end as usize;
            let newline = memchr::memchr(b'\n', self.facts.buffer.get(end..).unwrap_or_default());
            self.facts.request_length = newline.map_or(end, |at| end + at + 1) as u64;
            self.forget_fields(0);
            self.begin_refused(plan, listener);
            self.log(
                Level::Info,
                format_args!("client sent invalid request while reading client request line"),
            );
            // There is no file of such a name (observed: Apache httpd 2.4.71).
            let target = self.facts.head.target.of(&self.facts.buffer);
            let has_nul = strict && memchr::memmem::find(target, b"%00").is_some();
            return Err(Next::Status(if has_nul { 404 } else { 400 }));
        }
        for line in &self.facts.head.dropped {
            let line = String::from_utf8_lossy(self.facts.slice(*line));
            self.log(
                Level::Info,
                format_args!(
                    "client sent invalid header line: \"{line}\" while reading client request headers"
                ),
            );
        }
        if !valid {
            let host = self.facts.head.fields.iter().position(|field| field.known == Known::Host);
            if let Some(field) = host.and_then(|at| self.facts.head.fields.get(at)) {
                self.facts.request_length = u64::from(field.value.end) + 2;
            }
            self.forget_fields(host.map_or(0, |at| at + 1));
            self.content = Content::default();
            self.facts.host.clear();
            self.log(
                Level::Info,
                format_args!("client sent invalid host header while reading client request headers"),
            );
            return Err(Next::Status(400));
        }
        Ok(())
    }

    /// Whether the request is for a host that the connection's handshake was not meant for (RFC 9110 § 15.5.20).
    fn is_misdirected(&self, plan: &Plan) -> bool {
        let Some(session) = &self.facts.client.tls else { return false };
        let (Some(shaken), chosen) = (session.host, self.run.host) else { return false };
        let Some(tls) = &plan.config.host(chosen).tls else { return false };
        if tls.named && session.server_name.is_none() && shaken != chosen {
            return true;
        }
        tls.exclusive && shaken != chosen && plan.config.host(shaken).tls.as_ref() != Some(tls)
    }

    /// Whether the client is asked to say by a certificate who it is, and has not.
    fn unproven(&mut self, plan: &Plan) -> Option<Next> {
        let session = self.facts.client.tls.as_ref()?;
        let clients = plan.config.host(self.run.host).tls.as_ref()?.clients.as_ref()?;
        if !clients.answered {
            return None;
        }
        // What was shown, was shown to the host that the handshake was with.
        let elsewhere = session.server_name.as_ref().filter(|_| session.named);
        if elsewhere.is_some_and(|name| !name.as_bytes().eq_ignore_ascii_case(&self.facts.host)) {
            self.keep = false;
            let message =
                "client attempted to request the server name different from the one that was negotiated";
            self.log(Level::Info, format_args!("{message}"));
            return Some(Next::Status(421));
        }
        let (status, message) = match &session.proof {
            Some(proof) => {
                let (code, text) = proof.refusal()?;
                (495, format!("client SSL certificate verify error: ({code}:{text})"))
            }
            None if clients.required => (496, "client sent no required SSL certificate".to_owned()),
            None => return None,
        };
        self.log(Level::Info, format_args!("{message} while reading client request headers"));
        Some(Next::Status(status))
    }

    /// Takes only the first fields for read.
    fn forget_fields(&mut self, kept: usize) {
        let head = &mut self.facts.head;
        head.fields.truncate(kept);
        (head.content_length, head.chunked, head.expect_continue) = (None, false, false);
        (head.host, head.upgrade) = (head.host.filter(|_| kept > 0), None);
    }

    /// Lets the plan decide, answering what it needs.
    pub fn decide(&mut self, plan: &Plan) -> Next {
        loop {
            let need = match &mut self.told {
                None => self.run.step(plan, &self.facts),
                Some(told) => self.run.observed(plan, &self.facts, &mut told.steps),
            };
            match need {
                Need::File(kind) => {
                    let mut found = self.is_file(plan, kind);
                    if !found && self.settings(plan).files.any_case {
                        let mut name = self.run.asked.clone();
                        files::spelling::correct(&mut name);
                        found = name != self.run.asked && files::is(&name, kind);
                    }
                    self.tell(|run| Event::File { name: run.asked.clone(), kind, found });
                    self.run.tell(found);
                }
                Need::Local => {
                    let found = self.serving.locals.find(plan, self.run.host, &self.run.asked);
                    let Some(Brought { entry, found }) = found else { continue };
                    for line in &*found {
                        self.log(Level::Alert, format_args!("{line}"));
                    }
                    let Some(entry) = entry else { return Next::Status(500) };
                    self.run.go_local(entry);
                }
                Need::Locate => {
                    let found = files::locate::locate(&self.run.asked);
                    self.tell(|run| Event::Located { name: run.asked.clone(), kind: found.kind });
                    self.run.located(plan, found.length, found.folder, found.kind);
                }
                // A request of our own goes where the client's may go.
                Need::Access if self.is_subrequest() && !self.checked => self.run.tell(true),
                Need::Access if self.is_limited(plan) => return Next::Limit,
                Need::Access if self.is_guarded(plan) => return Next::Authorize,
                Need::Access => {
                    let allowed = super::access::allowed(&self.settings(plan).access, &self.facts);
                    self.tell(|_| Event::Access(allowed));
                    if !allowed {
                        self.log_of(Topic::Access, Level::Error, format_args!("access forbidden by rule"));
                        return Next::Status(403);
                    }
                    self.run.tell(true);
                }
                // A question changes nothing of the request.
                Need::Edit(_) if self.run.probes > 0 => {}
                Need::Edit(op) => super::edit::field::request(self, op),
                Need::Probe(probe) => return Next::Probe(Box::new(probe.clone())),
                Need::Negotiate(negotiate) => return Next::Negotiate(Box::new(negotiate.clone())),
                Need::Identity => super::client_address::identify(self, plan),
                Need::Refused => return Next::Status(403),
                Need::Trace(None) if !self.settings(plan).logs.rewrite => {}
                Need::Trace(about) => {
                    let line = String::from_utf8_lossy(&self.run.asked);
                    let level = if about.is_some() { Level::Error } else { Level::Notice };
                    self.log_of(about.unwrap_or(Topic::Rewrite), level, format_args!("{line}"));
                }
                Need::Lookup(lookup) => {
                    if let Some(next) = self.look_up_in_map(plan, lookup) {
                        return next;
                    }
                }
                Need::Handle => return Next::Handle,
                Need::Reply(reply) => return Next::Reply(reply.clone()),
                Need::TooLarge => {
                    let length = self.facts.head.content_length.unwrap_or(0);
                    self.log(
                        Level::Error,
                        format_args!("client intended to send too large body: {length} bytes"),
                    );
                    self.give_content_up();
                    return Next::Status(413);
                }
                Need::Exhausted => {
                    let path = self.run.path.escape_ascii();
                    self.log(
                        Level::Error,
                        format_args!("rewrite or internal redirection cycle while processing \"{path}\""),
                    );
                    return Next::Status(500);
                }
                Need::NoBlock(name) => {
                    self.log(Level::Error, format_args!("could not find named location \"{name}\""));
                    return Next::Status(500);
                }
                Need::EmptyPath => {
                    self.log(Level::Error, format_args!("the rewritten URI has a zero length"));
                    return Next::Status(500);
                }
                Need::BadTarget => {
                    let target = self.run.path.escape_ascii();
                    self.log(Level::Error, format_args!("\"{target}\" is no path to go on with"));
                    return Next::Status(400);
                }
                Need::Failed(failure) => {
                    self.log(Level::Error, format_args!("{failure}"));
                    return Next::Status(500);
                }
            }
        }
    }

    /// Looks up what the plan needs; what a program is asked comes next.
    fn look_up_in_map(&mut self, plan: &Plan, lookup: &Lookup) -> Option<Next> {
        let serving = Rc::clone(&self.serving);
        let random = || self.worker.random();
        match serving.maps.look_up(&serving.plan.config, lookup.map, &self.run.asked, random) {
            Answer::Known(value) => {
                self.run.found(plan, &self.facts, lookup, value.as_deref());
                None
            }
            Answer::Asked(asked) => Some(Next::Ask(Box::new((lookup.clone(), asked)))),
        }
    }

    /// Waits for what a program says.
    pub async fn ask(&mut self, plan: &Plan, lookup: &Lookup, asked: Asked) -> Next {
        let value = asked.answer().await.unwrap_or_else(|_| {
            let map = self.serving.plan.config.maps.get(lookup.map.0 as usize);
            let name = map.map(|map| map.name.to_string()).unwrap_or_default();
            self.log(Level::Error, format_args!("the program of map \"{name}\" did not answer in time"));
            None
        });
        self.run.found(plan, &self.facts, lookup, value.as_deref());
        Next::Decide
    }

    /// Runs the program again for another path; the request counts as internal.
    pub fn restart(&mut self, plan: &Plan, path: &[u8], query: &[u8]) -> Next {
        self.facts.part.set(None);
        if self.run.restart(plan, path, query) {
            self.tell(|run| Event::Inside { path: run.path.clone(), query: run.query.clone() });
            return Next::Decide;
        }
        let path = String::from_utf8_lossy(path).into_owned();
        self.log(
            Level::Error,
            format_args!("rewrite or internal redirection cycle while internally redirecting to \"{path}\""),
        );
        Next::Status(500)
    }

    /// Goes on at a named block.
    pub fn enter(&mut self, plan: &Plan, name: &[u8]) -> Next {
        self.facts.part.set(None);
        match self.run.enter(plan, name) {
            Ok(true) => Next::Decide,
            Ok(false) => {
                self.log(
                    Level::Error,
                    format_args!(
                        "rewrite or internal redirection cycle while redirect to named location \"{}\"",
                        name.escape_ascii()
                    ),
                );
                Next::Status(500)
            }
            Err(_) => {
                self.log(
                    Level::Error,
                    format_args!("could not find named location \"{}\"", name.escape_ascii()),
                );
                Next::Status(500)
            }
        }
    }

    /// After the answer: the rest of the content, the log.
    async fn finish(&mut self, plan: &Plan, end: End) -> End {
        if self.told.is_some() {
            self.tell_all(plan);
        }
        if self.is_subrequest() {
            if self.settings(plan).logs.subrequests {
                self.write_log(plan);
            }
            return end;
        }
        let end = match end {
            End::Keep if !self.keep => End::Close,
            end => end,
        };
        // Observed: whatever the response said, the log line says that the connection closes.
        if !matches!(end, End::Tunnel(_)) {
            self.facts.connection = b"close";
        }
        if plan.config.counts || !plan.config.tallies.is_empty() {
            self.end_counting(plan);
        }
        let end = match end {
            End::Tunnel(mut tunnel) => {
                tunnel.places = std::mem::take(&mut self.held);
                return End::Tunnel(tunnel);
            }
            End::Abort => End::Abort,
            // What a client still sends on a stream stands in nobody's way.
            End::Close | End::Keep if self.facts.head.version == 20 => End::Keep,
            End::Close => {
                self.linger(plan).await;
                End::Close
            }
            End::Keep => self.discard(plan).await,
        };
        self.write_log(plan);
        self.held.clear();
        end
    }

    /// Writes the exchange's lines to the access logs in force.
    pub fn write_log(&mut self, plan: &Plan) {
        let serving = Rc::clone(&self.serving);
        log::access(&serving.logs, self, plan);
        self.content.remove_file();
    }

    /// Writes a line to the error logs in force.
    #[track_caller]
    pub fn log(&self, level: Level, message: std::fmt::Arguments<'_>) {
        log::error(&self.serving.logs, None, level, message, self);
    }

    /// The same, about something that the source file does not tell.
    #[track_caller]
    pub fn log_of(&self, topic: Topic, level: Level, message: std::fmt::Arguments<'_>) {
        log::error(&self.serving.logs, Some(topic), level, message, self);
    }

    /// How long one write to the client may take.
    pub fn send_timeout(&self, plan: &Plan) -> Duration {
        self.settings(plan).client.send_timeout
    }

    /// The response under way.
    pub fn response(&mut self) -> &mut Response {
        &mut self.facts.response
    }

    /// Whether the client asked for an upgrade.
    pub fn wants_upgrade(&self) -> bool {
        self.facts.head.upgrade.is_some()
    }

    /// The first received value of a field.
    pub fn received(&self, known: Known) -> Option<&[u8]> {
        let field = self.facts.head.fields.iter().find(|field| field.known == known)?;
        Some(self.facts.slice(field.value))
    }
}

/// A reply of this status that recoveries apply to.
pub fn page(status: u16) -> Reply {
    Reply { status, content: ReplyContent::Page }
}
