//! One request to an upstream and its response back: content, tries, what the response directs.
//!
//! `request` writes the head that is sent, `relay` moves content, `respond`
//! turns the upstream's head into the client's.

use std::{rc::Rc, time::Instant};

use super::{
    balance::{Cluster, Pick, Tried, Verdict},
    clock,
    connect::{self, Connection, Place},
    content::Refused,
    exchange::{End, Exchange, Next},
    facts::Attempt,
    gateway::{fastcgi, memcached},
    pool::Key,
    respond::size,
    scratch,
    timed::{self, Failure},
    upstream_tls,
};
use crate::{
    ir::{
        Balance, Forward, IdleConnections, Protocol, Stale, Upstream,
        settings::{Fault, Level, Retry},
    },
    plan::{ForwardingPlan, Plan},
};

mod alone;
mod cached;
mod frames;
mod fresh;
mod head;
pub mod member;
pub mod parts;
mod program;
pub mod relay;
pub mod request;
pub mod respond;
mod session;
mod store;
mod upload;
mod url;
pub mod whom;

pub use alone::Composed;
pub use cached::Caching;
pub use parts::Parts;
pub use upload::Upload;

/// Whom a request goes to.
#[derive(Debug)]
pub struct Destination {
    /// The cluster.
    pub cluster: Rc<Cluster>,
    /// Whether over TLS.
    pub tls: bool,
    /// The target to send, where the forward spells it out.
    pub target: Option<Vec<u8>>,
    /// How connections to it are kept for other requests.
    pub idle: Option<IdleConnections>,
}

/// Why a try failed.
#[derive(Debug)]
pub struct Trouble {
    /// What kind of failure, as retry conditions name it.
    pub kind: Retry,
    /// What failed.
    pub fault: Fault,
    /// The status for the client when it is the last try.
    pub status: u16,
    /// What the error log says.
    pub message: String,
    /// Whether the connection was an idle one that the upstream may have closed meanwhile.
    pub stale: bool,
}

/// What a try came to.
#[derive(Debug)]
enum Outcome {
    /// A response head is in `facts`.
    Head(Connection),
    /// It failed.
    Failed(Trouble),
    /// The client left.
    ClientGone,
    /// The request's content could not be read.
    Refused(u16),
}

/// What is said when a client went while an upstream was at work.
const CLIENT_GONE: &str = "epoll_wait() reported that client prematurely closed connection, \
    so upstream connection is closed too while sending request to upstream";

impl Exchange {
    /// Sends the request on and answers with the response.
    pub async fn forward(&mut self, plan: &Plan, forward: &Forward) -> Next {
        if let Upstream::Url(url) = &forward.to {
            return self.forward_url(plan, url).await;
        }
        let settings = self.settings(plan);
        let how = settings.forwarding(forward.protocol);
        if self.facts.head.method.is_empty() {
            // A request line that could not be read gives nothing to send (observed: 500).
            self.log(Level::Error, format_args!("a request without a method cannot be forwarded"));
            return Next::Status(500);
        }
        if self.content.was_streamed() {
            self.give_content_up();
        }
        let destination = match self.destination(plan, forward).await {
            Ok(destination) => destination,
            Err(status) => return Next::Status(status),
        };
        if forward.protocol == Protocol::Memcached && !matches!(self.facts.method(), b"GET" | b"HEAD") {
            return Next::Status(405);
        }
        // Content of unknown length needs framing of its own, which HTTP/1.0 and most gateways' protocols lack.
        let may_stream = !self.facts.head.chunked
            || match forward.protocol {
                Protocol::Http => self.version_sent(how) >= 11,
                protocol => matches!(protocol, Protocol::FastCgi | Protocol::Grpc),
            };
        let mut streamed = !how.request_buffering && how.content.is_none() && how.pass_content && may_stream;
        if self.is_left_waiting() && self.content.is_done() {
            self.say_continue(plan).await;
        }
        if !self.content.is_done() && forward.protocol != Protocol::Memcached {
            let read =
                if streamed { self.read_early_content(plan).await } else { self.read_content(plan).await };
            if let Err(Refused(status)) = read {
                return self.refused(status);
            }
        }
        streamed &= !self.content.is_done();
        // What a response is found by may depend on the content (observed: nginx 1.22.1).
        if !how.cache.is_empty()
            && let Some(next) = self.consult(plan, how, forward, &destination).await
        {
            return next;
        }
        self.facts.upstream_target.clear();
        self.facts.upstream_scheme = match (forward.protocol, destination.tls) {
            (Protocol::Http, false) => b"http://",
            (Protocol::Http, true) => b"https://",
            (Protocol::Uwsgi, false) => b"uwsgi://",
            (Protocol::Uwsgi, true) => b"suwsgi://",
            (Protocol::FastCgi, _) => b"fastcgi://",
            (Protocol::Scgi, _) => b"scgi://",
            (Protocol::Memcached, _) => b"memcached://",
            (Protocol::Grpc, false) => b"grpc://",
            (Protocol::Grpc, true) => b"grpcs://",
        };
        // A value comes whoever asks for it.
        self.facts.asked_head = self.facts.is_head() && forward.protocol != Protocol::Memcached;
        let mut head = scratch::take();
        let replaced = how.content.as_ref().map(|content| self.value(content));
        let composed = self.compose(how, forward, &destination, replaced.as_deref(), &mut head);
        let key = match composed {
            Ok(key) => key,
            Err(message) => {
                self.log(Level::Error, format_args!("{message}"));
                return Next::Status(500);
            }
        };
        let request = Request { protocol: forward.protocol, head, replaced, streamed, key };
        if streamed {
            self.begin_upload(plan, how, forward.protocol);
        }
        let next = self.try_endpoints(plan, forward, how, &destination, &request).await;
        self.end_upload();
        scratch::give(request.head);
        next
    }

    /// Writes what is sent to an upstream before content; returns the key asked for, where the protocol has any.
    fn compose(
        &mut self,
        how: &ForwardingPlan,
        forward: &Forward,
        to: &Destination,
        replaced: Option<&[u8]>,
        head: &mut Vec<u8>,
    ) -> Result<Vec<u8>, String> {
        let key = self.write_head(how, forward, to, replaced, head)?;
        if self.told.is_some() {
            self.tell_sent(forward, head);
        }
        Ok(key)
    }

    fn write_head(
        &mut self,
        how: &ForwardingPlan,
        forward: &Forward,
        to: &Destination,
        replaced: Option<&[u8]>,
        head: &mut Vec<u8>,
    ) -> Result<Vec<u8>, String> {
        match forward.protocol {
            Protocol::Http | Protocol::Grpc => self.write_request(how, forward, to, replaced, head),
            Protocol::Uwsgi => self.write_uwsgi(how, head)?,
            Protocol::FastCgi => self.write_fastcgi(how, head)?,
            Protocol::Scgi => self.write_scgi(how, self.content_to_send(how), head)?,
            Protocol::Memcached => {
                let named = self.value(&how.key);
                if named.is_empty() {
                    return Err("the key of a stored value is not set".to_owned());
                }
                return Ok(memcached::put_request(&named, head));
            }
        }
        Ok(Vec::new())
    }

    fn refused(&mut self, status: u16) -> Next {
        self.give_content_up();
        match status {
            408 => {
                self.facts.logged_status = Some(408);
                Next::End(End::Abort)
            }
            status => Next::Status(status),
        }
    }

    async fn try_endpoints(
        &mut self,
        plan: &Plan,
        forward: &Forward,
        how: &ForwardingPlan,
        to: &Destination,
        request: &Request,
    ) -> Next {
        let began = clock::moment();
        let cluster = &to.cluster;
        let key = match cluster.balance() {
            Balance::Hash(template) | Balance::ConsistentHash(template) => Some(self.value(template)),
            _ => None,
        };
        let session = if cluster.affinity().is_some() { self.session_of(cluster) } else { None };
        let fresh = |exchange: &mut Self| {
            Tried::new(key.clone(), exchange.facts.client_ip()).of_session(session.clone())
        };
        let mut tried = fresh(self);
        let mut queued = false;
        let mut waiting = None;
        let mut left = match how.tries {
            0 => cluster.tries(),
            limit => cluster.tries().min(limit),
        };
        let mut anew = !self.facts.attempts.is_empty();
        let mut now = began;
        loop {
            let mut pick = cluster.pick(&mut tried);
            if pick.is_none() && cluster.queue().is_some() && !std::mem::replace(&mut queued, true) {
                let (waited, anew) = self.wait_in_line(cluster, &fresh).await;
                tried = anew;
                let then = std::mem::replace(&mut now, clock::moment());
                waiting = Some(now.duration_since(then));
                pick = match waited {
                    session::Waited::Picked(pick) => Some(pick),
                    session::Waited::InVain => None,
                    session::Waited::ClientGone => {
                        self.log(Level::Info, format_args!("{CLIENT_GONE}"));
                        self.facts.logged_status = Some(499);
                        return Next::End(End::Abort);
                    }
                };
            }
            queued = true;
            let Some(pick) = pick else {
                self.facts.attempts.push(Attempt {
                    address: cluster.label(),
                    status: 502,
                    anew,
                    queued: waiting.take(),
                    ..Attempt::default()
                });
                self.log(Level::Error, format_args!("no live upstreams while connecting to upstream"));
                if let Some(next) = self.fall_back(plan, forward, how, Stale::Error).await {
                    return next;
                }
                self.keep_failure(how, 502);
                return Next::Status(502);
            };
            let attempt = Attempt {
                address: Rc::clone(&pick.label),
                began: Some(now),
                anew,
                queued: waiting.take(),
                ..Attempt::default()
            };
            self.facts.attempts.push(attempt);
            anew = false;
            left = left.saturating_sub(1);
            let counts = plan.config.counts && cluster.is_shared();
            if counts {
                pick.count_begin();
            }
            let outcome = self.attempt(plan, forward, how, to, &pick.place, request).await;
            if counts && !matches!(outcome, Outcome::Head(_)) {
                self.count_try(&pick, None);
            }
            let in_time = how.retry_timeout.is_zero() || clock::since(began) < how.retry_timeout;
            let may = |exchange: &Self, kind: Retry| {
                in_time && how.retry.contains(&kind) && exchange.may_repeat(how, request)
            };
            match outcome {
                Outcome::ClientGone => {
                    cluster.release(pick, Verdict::Neutral);
                    self.log(Level::Info, format_args!("{CLIENT_GONE}"));
                    self.facts.logged_status = Some(499);
                    return Next::End(End::Abort);
                }
                Outcome::Refused(status) => {
                    cluster.release(pick, Verdict::Neutral);
                    return self.refused(status);
                }
                Outcome::Failed(trouble) => {
                    self.log(Level::Error, format_args!("{}", trouble.message));
                    if let Some(attempt) = self.facts.attempt() {
                        attempt.status = trouble.status;
                        attempt.whole = Some(clock::moment());
                    }
                    // A kept connection that the upstream closed says nothing about its health and costs no try.
                    if trouble.stale {
                        left += 1;
                        tried.forget(&pick);
                    }
                    let verdict = if trouble.stale { Verdict::Neutral } else { Verdict::Failed };
                    let disabled = cluster.judge(&pick, verdict);
                    if counts && !trouble.stale {
                        pick.count_failure(disabled);
                    }
                    drop(pick);
                    if disabled {
                        let doing = trouble.message.rfind(" while ").map_or("", |at| &trouble.message[at..]);
                        self.log(Level::Warn, format_args!("upstream server temporarily disabled{doing}"));
                    }
                    if left > 0 && may(self, trouble.kind) {
                        now = clock::moment();
                        continue;
                    }
                    let status = trouble.status;
                    let over = cached::trouble(trouble.kind);
                    if let Some(next) = self.fall_back(plan, forward, how, over).await {
                        return next;
                    }
                    self.keep_failure(how, status);
                    return Next::Status(status);
                }
                Outcome::Head(connection) => {
                    let status = self.facts.upstream_head.status;
                    let listed = how.retry.contains(&Retry::Status(status));
                    if let Some(attempt) = self.facts.attempt() {
                        attempt.status = status;
                    }
                    if listed && left > 0 && may(self, Retry::Status(status)) {
                        let verdict =
                            if matches!(status, 403 | 404) { Verdict::Neutral } else { Verdict::Failed };
                        if counts {
                            self.count_try(&pick, Some(status));
                        }
                        let disabled = cluster.judge(&pick, verdict);
                        if counts && verdict == Verdict::Failed {
                            pick.count_failure(disabled);
                        }
                        drop(pick);
                        if disabled {
                            self.log(
                                Level::Warn,
                                format_args!("upstream server temporarily disabled while reading response header from upstream"),
                            );
                        }
                        if let Some(attempt) = self.facts.attempt() {
                            attempt.whole = Some(clock::moment());
                        }
                        now = clock::moment();
                        continue;
                    }
                    if cluster.affinity().is_some() {
                        self.begin_session(cluster, &pick, session.as_deref());
                    }
                    if (counts || cluster.is_timed())
                        && let Some(Attempt { began: Some(began), head: Some(head), .. }) =
                            self.facts.attempts.last()
                    {
                        pick.answered_in(head.saturating_duration_since(*began));
                    }
                    let mut next = self.respond(plan, forward, how, to, connection).await;
                    if cluster.affinity().is_some() {
                        self.end_session(cluster, &pick);
                    }
                    if (counts || cluster.is_timed())
                        && let Some(Attempt { began: Some(began), whole: Some(whole), .. }) =
                            self.facts.attempts.last()
                    {
                        pick.ended_in(whole.saturating_duration_since(*began));
                    }
                    if counts {
                        self.count_try(&pick, Some(status));
                    }
                    // An answer that is passed on is none of the endpoint's failures, whatever its status.
                    cluster.judge(&pick, Verdict::Succeeded);
                    if let Next::End(End::Tunnel(tunnel)) = &mut next {
                        // It stays a connection of the endpoint for as long as it lasts.
                        tunnel.hold(pick);
                    }
                    return next;
                }
            }
        }
    }

    /// Takes note of how a try ended.
    fn count_try(&self, pick: &Pick, status: Option<u16>) {
        let moved = self.facts.attempts.last().map_or((0, 0), |attempt| (attempt.received, attempt.sent));
        pick.count_end(status, moved.0, moved.1);
    }

    /// When the try under way began.
    fn attempt_began(&self) -> Instant {
        self.facts.attempts.last().and_then(|attempt| attempt.began).unwrap_or_else(clock::moment)
    }

    /// Whether the request may be sent once more (RFC 9110 § 9.2.2).
    fn may_repeat(&self, how: &ForwardingPlan, request: &Request) -> bool {
        let sent = self.facts.attempts.last().is_some_and(|attempt| attempt.sent > 0);
        if !sent {
            return true;
        }
        let idempotent = !matches!(self.facts.method(), b"POST" | b"LOCK" | b"PATCH");
        !request.streamed && (idempotent || how.retry.contains(&Retry::NonIdempotent))
    }

    async fn attempt(
        &mut self,
        plan: &Plan,
        forward: &Forward,
        how: &ForwardingPlan,
        to: &Destination,
        place: &Place,
        request: &Request,
    ) -> Outcome {
        let tls = if to.tls {
            match upstream_tls::of(self, how).await {
                Ok(client) => Some(client),
                Err(message) => {
                    self.log(Level::Error, format_args!("{message}"));
                    return Outcome::Refused(500);
                }
            }
        } else {
            None
        };
        let key = Key {
            cluster: to.cluster.number(),
            place: place.clone(),
            tls: tls.as_ref().map_or(0, upstream_tls::Client::digest),
        };
        if how.version == 20 {
            return self.attempt_frames(plan, forward, how, to, (key, tls), request).await;
        }
        let whole = self.head_and_content(how, request);
        let bytes = whole.as_ref().unwrap_or(&request.head);
        let reused = self.worker.pool.take(&key, self.attempt_began());
        let stale = reused.is_some();
        let (mut connection, gone) = match reused {
            Some(connection) => (connection, 0),
            None => match self.connect(how, place, key, tls, bytes).await {
                Ok(connected) => connected,
                Err(outcome) => return outcome,
            },
        };
        connection.requests += 1;
        connection.records = (forward.protocol == Protocol::FastCgi).then(Box::default);
        if let Some(attempt) = self.facts.attempt() {
            attempt.connected = Some(clock::moment());
        }
        let sent = timed::write_all(&mut connection.stream, &bytes[gone..], how.send_timeout).await;
        // Part of it may have arrived even if not all did.
        self.count_sent(bytes.len() as u64);
        let sent = match sent {
            Ok(()) => self.begin_rest(how, &connection, request).map_err(Failure::Io),
            Err(failure) => Err(failure),
        };
        if let Some(whole) = whole {
            scratch::give(whole);
        }
        match sent {
            Err(Failure::TimedOut) => {
                return Outcome::Failed(timed_out(Fault::SendTimeout, "sending request to upstream", stale));
            }
            // The upstream may have answered before it closed: what it said counts.
            Ok(()) | Err(Failure::Io(_)) => {}
        }
        let outcome = self.read_head(plan, forward, how, request, connection, stale).await;
        self.count_upload();
        outcome
    }

    async fn connect(
        &mut self,
        how: &ForwardingPlan,
        place: &Place,
        key: Key,
        tls: Option<upstream_tls::Client>,
        first: &[u8],
    ) -> Result<(Connection, usize), Outcome> {
        let options = self.connect_options(how).map_err(Outcome::Failed)?;
        let first = if tls.is_some() { &[] } else { first };
        let connected = connect::connect(place, &options, how.connect_timeout, first).await;
        let (stream, sent) = match connected {
            Ok(connected) => connected,
            Err(Failure::TimedOut) => {
                return Err(Outcome::Failed(timed_out(Fault::Unreachable, "connecting to upstream", false)));
            }
            // It is us who have no descriptor left: no other endpoint would help, and this one did nothing wrong.
            Err(Failure::Io(error)) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
                let error = system(&error);
                self.log(
                    Level::Alert,
                    format_args!("socket() failed ({error}) while connecting to upstream"),
                );
                return Err(Outcome::Refused(500));
            }
            Err(Failure::Io(error)) => {
                let message = format!("connect() failed ({}) while connecting to upstream", system(&error));
                let trouble = Trouble {
                    kind: Retry::Error,
                    fault: Fault::Unreachable,
                    status: 502,
                    message,
                    stale: false,
                };
                return Err(Outcome::Failed(trouble));
            }
        };
        let stream = match tls {
            Some(client) => {
                stream.send_promptly();
                client.handshake(stream, how.connect_timeout).await.map_err(Outcome::Failed)?
            }
            None => stream,
        };
        Ok((Connection { stream, key, opened: clock::moment(), requests: 0, records: None }, sent))
    }

    fn connect_options(&mut self, how: &ForwardingPlan) -> Result<connect::Options, Trouble> {
        let text = self.value(&how.bind);
        let text = String::from_utf8_lossy(&text);
        let bind = match text.as_ref() {
            "" => None,
            text => {
                let parsed = text
                    .parse()
                    .map(|ip| (ip, 0))
                    .or_else(|_| text.parse::<std::net::SocketAddr>().map(|addr| (addr.ip(), addr.port())));
                Some(parsed.map_err(|_| Trouble {
                    kind: Retry::Error,
                    fault: Fault::Unreachable,
                    status: 500,
                    message: format!("invalid local address \"{text}\""),
                    stale: false,
                })?)
            }
        };
        let receive_buffer =
            if how.receive_buffer.is_empty() { 0 } else { size(&self.value(&how.receive_buffer)) };
        let send_buffer = if how.send_buffer.is_empty() { 0 } else { size(&self.value(&how.send_buffer)) };
        Ok(connect::Options {
            bind,
            transparent: how.bind_transparent,
            keep_alive: how.tcp_keepalive,
            receive_buffer,
            send_buffer,
        })
    }

    /// The head with the content that is in memory; `None` where there is no such content.
    fn head_and_content(&self, how: &ForwardingPlan, request: &Request) -> Option<Vec<u8>> {
        let content: &[u8] = match &request.replaced {
            Some(content) => content,
            None if how.pass_content && !request.streamed => &self.facts.content,
            None => &[],
        };
        let records = request.protocol == Protocol::FastCgi;
        (records || !content.is_empty()).then(|| {
            let mut whole = scratch::take();
            whole.extend_from_slice(&request.head);
            if records {
                fastcgi::put_content(content, &mut whole);
                let more = request.streamed || (how.pass_content && self.content.in_file());
                if !more {
                    fastcgi::end_content(&mut whole);
                }
            } else {
                whole.extend_from_slice(content);
            }
            whole
        })
    }

    /// What is not in memory of the content becomes an upload.
    fn begin_rest(
        &mut self,
        how: &ForwardingPlan,
        connection: &Connection,
        request: &Request,
    ) -> std::io::Result<()> {
        if request.replaced.is_none() && how.pass_content && !request.streamed {
            self.begin_upload_of_file(how, request.protocol)?;
        }
        // What is written in one go needs no setting: only a piece behind a small one would be held back.
        if self.upload.is_some() {
            connection.stream.send_promptly();
        }
        Ok(())
    }

    /// How much content is sent.
    fn content_to_send(&self, how: &ForwardingPlan) -> u64 {
        let read = self.facts.content_length.filter(|_| self.facts.content_read);
        let length = if how.pass_content { read.or(self.facts.head.content_length) } else { None };
        length.unwrap_or(0)
    }

    fn count_sent(&mut self, length: u64) {
        if let Some(attempt) = self.facts.attempt() {
            attempt.sent += length;
        }
    }
}

/// What is sent at each try.
#[derive(Debug)]
struct Request {
    protocol: Protocol,
    head: Vec<u8>,
    replaced: Option<Vec<u8>>,
    streamed: bool,
    /// The key that is asked for, as it is sent.
    key: Vec<u8>,
}

fn timed_out(fault: Fault, doing: &str, stale: bool) -> Trouble {
    let message = format!("upstream timed out (110: Connection timed out) while {doing}");
    Trouble { kind: Retry::Timeout, fault, status: 504, message, stale }
}

/// An error of the system as logs have it: number and text.
pub fn system(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => {
            let text = error.to_string();
            let text = text.split(" (os error").next().unwrap_or_default();
            format!("{code}: {text}")
        }
        None => error.to_string(),
    }
}
