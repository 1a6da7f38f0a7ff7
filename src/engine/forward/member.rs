//! A request to a member of a group: elected for each try, with settings, head and target of its own.
//!
//! Another member is tried only when no connection could be made to the one before, and only as long as the
//! group says, or where it says so, when the connection broke before an answer came to what may be sent twice; what a
//! member answered is passed on whatever it is.

use std::{net::SocketAddr, rc::Rc, time::Duration};

use smallvec::{SmallVec, smallvec};

use super::{
    super::{
        balance::{
            Cluster,
            group::{Connected, Elected, Group, Nobody, Standing},
        },
        clock,
        connect::Place,
        content::Refused,
        exchange::{End, Exchange, Next},
        facts::{Attempt, Grouped},
        resolve::{Spot, look_up_by_system},
        scratch,
    },
    Destination, Outcome, Request, Trouble,
    url::{self, Url},
};
use crate::{
    ir::{
        Endpoint, Forward, Member, Protocol, Target, Template, Upstream,
        settings::{Fault, Level, Retry},
    },
    plan::{ForwardingPlan, Plan},
};

/// Between two looks whether a connection is to be had.
const POLL: Duration = Duration::from_millis(5);

/// What a try at a member came to.
enum Tried {
    /// The request is answered.
    Done(Next),
    /// It failed like this.
    Failed(Fault, u16),
}

/// A group, what stands behind its members' bases, and the whole URL.
pub(super) type Whose = (Rc<Cluster>, Vec<u8>, Vec<u8>);

/// Places, with what logs call them.
type Places = SmallVec<[(Place, Rc<str>); 1]>;

/// What is sent to whichever member.
struct Errand<'p> {
    plan: &'p Plan,
    cluster: Rc<Cluster>,
    /// What stands behind the member's base.
    rest: Vec<u8>,
}

impl Exchange {
    /// Sends the request to a URL.
    pub(super) async fn forward_url(&mut self, plan: &Plan, url: &Template) -> Next {
        let (cluster, rest, text) = match self.whose(url) {
            Ok(found) => found,
            Err(status) => return Next::Status(status),
        };
        if self.content.was_streamed() {
            self.give_content_up();
        }
        let protocol = cluster.group().map_or(Some(Protocol::Http), Group::protocol);
        let how = self.settings(plan).forwarding(protocol.unwrap_or(Protocol::Http));
        let chunked = self.facts.head.chunked;
        if chunked && how.needs_length {
            self.log(Level::Error, format_args!("content of unknown length cannot be sent"));
            self.give_content_up();
            return Next::Status(411);
        }
        // A gateway is told the length first; where members differ, the one that is elected decides about framing.
        let whole = protocol.is_none_or(|protocol| chunked && protocol != Protocol::Http);
        let read = if whole { self.read_content(plan).await } else { self.read_ahead(plan, how).await };
        if let Err(Refused(status)) = read {
            return self.refused(status);
        }
        let streamed = !self.content.is_done();
        if streamed {
            self.begin_upload(plan, how, protocol.unwrap_or(Protocol::Http));
        }
        let errand = Errand { plan, cluster, rest };
        let next = self.try_members(&errand, &text, streamed).await;
        self.end_upload();
        scratch::give(text);
        scratch::give(errand.rest);
        next
    }

    /// The group of a URL, what stands behind its members' bases, and the URL; `Err` is a status.
    pub(super) fn whose(&mut self, url: &Template) -> Result<Whose, u16> {
        let mut text = scratch::take();
        self.eval(url, &mut text);
        // A query that is empty is still one.
        let received = self.facts.head.target.of(&self.facts.buffer);
        if received.ends_with(b"?") && !self.run.internal && !text.contains(&b'?') {
            text.push(b'?');
        }
        let Some(url) = Url::read(&mut text) else {
            self.log(Level::Error, format_args!("no protocol to speak with \"{}\"", text.escape_ascii()));
            return Err(500);
        };
        if url.authority_of(&text).is_empty() {
            self.log(Level::Error, format_args!("no host in upstream \"{}\"", text.escape_ascii()));
            return Err(400);
        }
        let clusters = &self.serving.clusters;
        let (cluster, rest) = match (clusters.by_url(self.run.host, &text), url::scheme(url.scheme_of(&text)))
        {
            // A member for itself gets the whole path of the URL; a group's members what stands behind its name.
            (Some((cluster, length)), _) => {
                let alone = cluster.group().is_some_and(|group| group.how().alone);
                let mut rest = scratch::take();
                put_path(&text[if alone { url.target } else { length }..], &mut rest);
                (cluster, rest)
            }
            (None, Some(scheme)) => {
                let (member, address) = url.member(&text, scheme);
                (clusters.passing(member, address, scheme.port), text[url.target..].to_vec())
            }
            (None, None) => {
                self.log(Level::Error, format_args!("no protocol to speak with \"{}\"", text.escape_ascii()));
                return Err(500);
            }
        };
        Ok((cluster, rest, text))
    }

    /// Reads as much of the content as is to be known before the request is sent.
    async fn read_ahead(&mut self, plan: &Plan, how: &ForwardingPlan) -> Result<(), Refused> {
        if self.content.is_done() {
            return Ok(());
        }
        self.read_early_content(plan).await?;
        let most = usize::try_from(how.content_ahead).unwrap_or(usize::MAX);
        while !self.content.is_done() && self.facts.content.len() < most {
            let mut content = std::mem::take(&mut self.facts.content);
            let read = self.read_piece(plan, &mut content).await;
            self.facts.content = content;
            read?;
        }
        if self.content.is_done() {
            self.facts.content_read = true;
            self.facts.content_length = Some(self.content.length);
        }
        Ok(())
    }

    async fn try_members(&mut self, errand: &Errand<'_>, url: &[u8], streamed: bool) -> Next {
        let Some(group) = errand.cluster.group() else { return Next::Status(500) };
        let mut cookies = Vec::new();
        let session = group.manner().sticky.as_ref().and_then(|_| {
            let found = self.facts.join_field(b"cookie", b", ", &mut cookies);
            group.session(url, found.then_some(cookies.as_slice()))
        });
        let route = session.as_ref().map(|session| session.route);
        let key = group.how().key.as_ref().map(|key| self.value(key)).unwrap_or_default();
        let attempts = group.attempts();
        // Those that broke a connection off, and the one to ask next for that.
        let (mut broke, mut next) = (Vec::new(), None);
        for attempt in 0.. {
            let elected = match next.take() {
                Some(elected) => elected,
                None => match self.elect(errand, route, &key).await {
                    Ok(elected) => elected,
                    Err(status) => return Next::Status(status),
                },
            };
            let index = elected.index;
            let Some((endpoint, member, standing)) = group.member(elected.index) else {
                return Next::Status(500);
            };
            let standing = std::sync::Arc::clone(standing);
            // Of a member for itself nothing is told.
            let told = || Grouped {
                name: group.how().url.clone(),
                member: member.url.clone(),
                route: elected.standing.routes().route.clone(),
                session: session.as_ref().map(|session| (session.key.clone(), session.route.into())),
                changed: elected.changed,
            };
            self.facts.group = (!group.how().alone).then(|| Box::new(told()));
            let (tried, elected) = self.at_member(errand, endpoint, member, elected, streamed).await;
            let (fault, status) = match tried {
                Tried::Done(next) => {
                    if group.how().failing.contains(&self.facts.upstream_head.status) {
                        self.fell_out(group.fail(&standing), member);
                    }
                    let out = group.lived(&standing, Some(self.facts.upstream_head.status));
                    self.fell_out(out, member);
                    return next;
                }
                Tried::Failed(fault, status) => (fault, status),
            };
            self.facts.failed = Some(fault);
            let out = group.lived(&standing, None);
            self.fell_out(out, member);
            // What a failure is answered with is the configuration's.
            let unresolved = fault == Fault::Unresolved && group.how().failing_unresolved;
            let unreachable = status == 503 || fault == Fault::Unreachable || unresolved;
            let failed = match status {
                _ if unreachable => group.fail(&standing),
                500 => group.fail(&standing),
                _ if fault == Fault::ReadTimeout && group.how().failing_late => group.fail(&standing),
                _ => false,
            };
            drop(elected);
            self.fell_out(failed, member);
            if status == 0 {
                return Next::End(End::Abort);
            }
            let another = unreachable && failed && !standing.is_usable() && attempt < attempts;
            if another {
                continue;
            }
            let harmless = !streamed && !matches!(self.facts.method(), b"POST" | b"LOCK" | b"PATCH");
            if group.how().again && harmless && matches!(fault, Fault::Closed | Fault::ClosedLater) {
                broke.push(index);
                next = group.elect_but(&broke);
            }
            if next.is_none() {
                return Next::Status(status);
            }
        }
        Next::Status(503)
    }

    fn fell_out(&self, failed: bool, member: &Member) {
        if failed {
            self.log(Level::Warn, format_args!("upstream server {} temporarily disabled", member.url));
        }
    }

    /// The member that takes the request, waited for as long as the group says.
    async fn elect(&mut self, errand: &Errand<'_>, route: Option<&[u8]>, key: &[u8]) -> Result<Elected, u16> {
        let Some(group) = errand.cluster.group() else { return Err(500) };
        let wait = group.manner().wait;
        let began = clock::moment();
        loop {
            match group.elect_by(route, key) {
                Ok(elected) => return Ok(elected),
                Err(Nobody::Usable) if clock::since(began) < wait => {
                    tokio::time::sleep((wait / 100).max(Duration::from_millis(1))).await;
                }
                Err(_) => {
                    self.facts.attempts.push(Attempt {
                        address: errand.cluster.label(),
                        status: 503,
                        ..Attempt::default()
                    });
                    self.log(Level::Error, format_args!("no live upstreams while connecting to upstream"));
                    return Err(self
                        .settings(errand.plan)
                        .forwarding(Protocol::Http)
                        .answer_to(Fault::NoEndpoint, 502));
                }
            }
        }
    }

    /// One member's try; it is given back unless a tunnel keeps it.
    async fn at_member(
        &mut self,
        errand: &Errand<'_>,
        endpoint: &Endpoint,
        member: &Member,
        elected: Elected,
        streamed: bool,
    ) -> (Tried, Option<Elected>) {
        let plan = errand.plan;
        let base = self.settings(plan).forwarding(member.protocol);
        let how = match errand.cluster.group() {
            Some(group) => group.forwarding(self.run.settings, base, elected.index),
            None => std::sync::Arc::clone(base),
        };
        let how = &*how;
        let failed = |exchange: &Self, fault: Fault, status: u16, message: String| {
            exchange.log(Level::Error, format_args!("{message}"));
            Tried::Failed(fault, how.answer_to(fault, status))
        };
        if member.tls && how.tls_forbidden {
            let message = format!("TLS to {} is not enabled", member.url);
            return (failed(self, Fault::NoTls, 502, message), Some(elected));
        }
        let Some(connected) = connection(&elected.standing, endpoint.max_connections, member.acquire).await
        else {
            let message = format!("no connection to {} became free", member.url);
            return (failed(self, Fault::Unreachable, 502, message), Some(elected));
        };
        let at = errand.cluster.group().and_then(|group| group.whereabouts(elected.index));
        self.name_member(member, at.map_or(0, |at| at.port));
        let known = at.and_then(|at| at.known.clone());
        let found = if let Some(known) = known { Ok(smallvec![known]) } else { labelled(endpoint).await };
        let places = match found {
            Ok(places) => places,
            Err(message) => {
                let message = format!("{} could not be resolved ({message})", member.authority);
                return (failed(self, Fault::Unresolved, 502, message), Some(elected));
            }
        };
        let forward = Forward {
            protocol: member.protocol,
            tls: member.tls,
            to: Upstream::Dynamic(Template::default()),
            target: Target::Received,
        };
        let idle = (member.reuse && !how.once).then(|| errand.cluster.idle().copied()).flatten();
        let mut target = scratch::take();
        if member.base.is_empty() {
            put_path(&errand.rest, &mut target);
        } else {
            put_path(&member.base, &mut target);
            target.extend_from_slice(&errand.rest);
        }
        self.facts.asked_head = self.facts.is_head();
        self.facts.upstream_target.clear();
        if member.protocol != Protocol::Http {
            // Nothing of it is sent but what variables say.
            self.facts.upstream_target.extend_from_slice(&target);
        }
        let to =
            Destination { cluster: Rc::clone(&errand.cluster), tls: member.tls, target: Some(target), idle };
        self.facts.upstream_scheme = match member.protocol {
            Protocol::FastCgi => b"fcgi://",
            Protocol::Scgi => b"scgi://",
            Protocol::Uwsgi => b"uwsgi://",
            _ if member.tls => b"https://",
            _ => b"http://",
        };
        let mut head = scratch::take();
        let key = match self.compose(how, &forward, &to, None, &mut head) {
            Ok(key) => key,
            Err(message) => return (failed(self, Fault::Unreachable, 500, message), Some(elected)),
        };
        let request = Request { protocol: member.protocol, head, replaced: None, streamed, key };
        let before = self.facts.attempts.len();
        let outcome = self.at_places(plan, &forward, how, &to, &places, &request).await;
        scratch::give(request.head);
        match outcome {
            Outcome::ClientGone => {
                self.log(Level::Info, format_args!("{}", super::CLIENT_GONE));
                self.facts.logged_status = Some(499);
                (Tried::Done(Next::End(End::Abort)), Some(elected))
            }
            Outcome::Refused(status) => (Tried::Done(self.refused(status)), Some(elected)),
            Outcome::Failed(trouble) => {
                let fault = match trouble.fault {
                    Fault::Closed if self.facts.client.requests > 1 => Fault::ClosedLater,
                    fault => fault,
                };
                let status = how.answer_to(fault, trouble.status);
                if let Some(attempt) = self.facts.attempt() {
                    attempt.status = status;
                    attempt.whole = Some(clock::moment());
                }
                (failed(self, fault, trouble.status, trouble.message), Some(elected))
            }
            Outcome::Head(connection) => {
                let status = self.facts.upstream_head.status;
                let began = self.facts.attempt().and_then(|attempt| {
                    attempt.status = status;
                    attempt.began
                });
                let standing = std::sync::Arc::clone(&elected.standing);
                if let Some(began) = began {
                    standing.answered_in(clock::since(began));
                }
                let mut next = self.respond(plan, &forward, how, &to, connection).await;
                let tries = self.facts.attempts.get(before..).unwrap_or_default();
                let sum = |of: fn(&Attempt) -> u64| tries.iter().map(of).sum();
                standing.count(sum(|attempt| attempt.sent), sum(|attempt| attempt.length));
                let mut elected = Some(elected);
                if let Next::End(End::Tunnel(tunnel)) = &mut next {
                    // It stays a request under way for as long as it lasts.
                    tunnel.hold((elected.take(), connected));
                }
                scratch::give(to.target.unwrap_or_default());
                (Tried::Done(next), elected)
            }
        }
    }

    /// Tries the member's places until there is a connection.
    async fn at_places(
        &mut self,
        plan: &Plan,
        forward: &Forward,
        how: &ForwardingPlan,
        to: &Destination,
        places: &[(Place, Rc<str>)],
        request: &Request,
    ) -> Outcome {
        let mut at = 0;
        loop {
            let Some((place, label)) = places.get(at) else {
                return Outcome::Failed(Trouble {
                    kind: Retry::Error,
                    fault: Fault::Unresolved,
                    status: 502,
                    message: "the upstream has no address".to_owned(),
                    stale: false,
                });
            };
            let now = Some(clock::moment());
            let attempt = Attempt { address: Rc::clone(label), began: now, ..Attempt::default() };
            self.facts.attempts.push(attempt);
            let outcome = self.attempt(plan, forward, how, to, place, request).await;
            let Outcome::Failed(trouble) = &outcome else { return outcome };
            // A kept connection that the upstream closed says nothing about it; another address may be there.
            let again = trouble.stale && self.may_repeat(how, request);
            if !again && (trouble.fault != Fault::Unreachable || at + 1 == places.len()) {
                return outcome;
            }
            at += usize::from(!again);
            self.log(Level::Error, format_args!("{}", trouble.message));
            let status = trouble.status;
            if let Some(attempt) = self.facts.attempt() {
                attempt.status = status;
                attempt.whole = Some(clock::moment());
            }
        }
    }

    /// Remembers the member's authority for the attributes that speak of it.
    pub(super) fn name_member(&mut self, member: &Member, port: u16) {
        let facts = &mut self.facts;
        facts.authority.clear();
        facts.authority.extend_from_slice(&member.authority);
        facts.authority_default = port;
    }
}

/// Writes a path, which begins with a slash.
fn put_path(path: &[u8], out: &mut Vec<u8>) {
    if !path.starts_with(b"/") {
        out.push(b'/');
    }
    out.extend_from_slice(path);
}

/// A connection that counts, waited for as long as allowed; zero waits as long as it takes.
async fn connection(standing: &std::sync::Arc<Standing>, max: u32, wait: Duration) -> Option<Connected> {
    let began = clock::moment();
    loop {
        if let Some(connected) = standing.connect(max) {
            return Some(connected);
        }
        if !wait.is_zero() && clock::since(began) >= wait {
            return None;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Where a member is now, with what logs call it.
async fn labelled(endpoint: &Endpoint) -> Result<Places, String> {
    let label = |place: Place| {
        let label = place.to_string().into();
        (place, label)
    };
    Ok(places(endpoint).await?.into_iter().map(label).collect())
}

/// Where a member is now.
pub async fn places(endpoint: &Endpoint) -> Result<Vec<Place>, String> {
    Ok(match Spot::of(&endpoint.address, endpoint.default_port) {
        Spot::Unix(path) => vec![Place::Unix(path)],
        Spot::Known(addr) => vec![Place::Tcp(addr)],
        Spot::Name(host, port) => {
            let found = look_up_by_system(&host).await?;
            found.iter().map(|&ip| Place::Tcp(SocketAddr::new(ip, port))).collect()
        }
    })
}
