//! What is known of an exchange: the request, the client, the upstreams tried,
//! the response so far. The plan reads it as a [`crate::plan::View`].

use std::{
    cell::{Cell, OnceCell},
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    announce::Header,
    client_address::Identity,
    clock,
    http1::{
        field::{Field, Slice},
        request::RequestHead,
        response::ResponseHead,
        target::Received,
    },
    limit::Limited,
    response::Response,
    scratch,
    tls::{Proof, SignatureScheme},
    tunnel::Tunnel,
    worker::Worker,
};
use crate::{
    ir::{HostId, Text},
    plan::Plan,
};

mod moment;
mod view;

pub use moment::formatted;
pub use view::same_name;
pub(in crate::engine) use view::{cookie, param};

/// The client's connection, as far as requests ask about it.
#[derive(Clone, Debug)]
pub struct Client {
    /// The client's address; `None` on a Unix socket.
    pub remote: Option<SocketAddr>,
    /// The client's IP address as text, or `unix:`.
    pub shown: Box<str>,
    /// Our address; `None` on a Unix socket.
    pub local: Option<SocketAddr>,
    /// Path of the Unix socket.
    pub path: Option<PathBuf>,
    /// Serial number of the connection.
    pub serial: u64,
    /// Requests it carried, the current one included.
    pub requests: u64,
    /// When it was accepted.
    pub opened: Instant,
    /// What a proxy announced of it.
    pub announced: Option<Box<Header>>,
    /// The TLS session.
    pub tls: Option<Box<TlsSession>>,
    /// Descriptor of the socket, for readings of the kernel.
    pub descriptor: i32,
    /// Whether the error log was told what it is.
    pub told: Cell<bool>,
}

impl Client {
    /// A connection of which only its age matters.
    pub fn unknown(opened: Instant) -> Self {
        Self {
            remote: None,
            shown: String::new().into(),
            local: None,
            path: None,
            serial: 0,
            requests: 0,
            opened,
            announced: None,
            tls: None,
            descriptor: -1,
            told: Cell::new(false),
        }
    }
}

/// What a TLS handshake agreed on.
#[derive(Clone, Debug, Default)]
pub struct TlsSession {
    /// The host whose TLS it is.
    pub host: Option<HostId>,
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// Whether that host has the name the client asked for, rather than none.
    pub named: bool,
    /// The cipher suite by its OpenSSL name.
    pub cipher: String,
    /// The name the client asked for.
    pub server_name: Option<String>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    /// The session's identifier; none is empty.
    pub identifier: Vec<u8>,
    /// The schemes of our signature and of the client's, where there was one.
    pub signatures: [Option<SignatureScheme>; 2],
    /// The application protocol agreed on.
    pub alpn: Option<String>,
    /// The group that keys were exchanged by.
    pub group: Option<u16>,
    /// The suites and groups that the client offers.
    pub offered: Arc<[Vec<u16>; 2]>,
    /// What the client showed of itself.
    pub proof: Option<Arc<Proof>>,
    /// Our own certificate, where it was shown.
    pub own: Option<Arc<Proof>>,
}

/// One try at an upstream.
#[derive(Debug, Default)]
pub struct Attempt {
    /// The endpoint's address, or the cluster's name when there was none.
    pub address: Rc<str>,
    /// Its status, or ours for its failure; 0 is none.
    pub status: u16,
    /// When it began.
    pub began: Option<Instant>,
    /// How long it waited for an endpoint to be free, where it had to.
    pub queued: Option<Duration>,
    /// When the connection was there.
    pub connected: Option<Instant>,
    /// When the response head was there.
    pub head: Option<Instant>,
    /// When the response ended.
    pub whole: Option<Instant>,
    /// Content received, bytes.
    pub length: u64,
    /// Received in all, bytes.
    pub received: u64,
    /// Sent in all, bytes.
    pub sent: u64,
    /// Begins a new forward of the same request.
    pub anew: bool,
}

/// The group that a request went to; none where the member is one for itself.
#[derive(Debug)]
pub struct Grouped {
    /// Its URL.
    pub name: Text,
    /// The member's URL.
    pub member: Text,
    /// The member's route.
    pub route: Text,
    /// By which name the session was found, and the route that it asks for.
    pub session: Option<(Text, Text)>,
    /// Whether the member is not the session's.
    pub changed: bool,
}

/// What an exchange knows.
#[derive(Debug)]
pub struct Facts {
    /// The worker.
    pub worker: Rc<Worker>,
    /// The plan the exchange began with.
    pub plan: Arc<Plan>,
    /// The client's connection.
    pub client: Client,
    /// The request head, and behind it what was received and not yet used.
    pub buffer: Vec<u8>,
    /// How much of `buffer` was used.
    pub used: usize,
    /// The request head.
    pub head: RequestHead,
    /// How the path was received.
    pub received: Received,
    /// The host asked for: lower case, no port; empty when there is none.
    pub host: Vec<u8>,
    /// The client, where a proxy told of it.
    pub identity: Option<Box<Identity>>,
    /// The user whose credentials were checked.
    pub user: Option<Vec<u8>>,
    /// The user that the credentials name that were looked at last; nobody trusts it.
    pub claimed_user: Option<Vec<u8>>,
    /// A method in place of the request's.
    pub method: Option<&'static [u8]>,
    /// Whether the upstream was asked for no more than a head.
    pub asked_head: bool,
    /// A request was refused whose line began with HEAD.
    pub refused_head: bool,
    /// When the first byte of the request came.
    pub began: Instant,
    /// Bytes of the request received, head and content.
    pub request_length: u64,
    /// Whether the request came behind another one.
    pub pipelined: bool,
    /// Content that is in memory.
    pub content: Vec<u8>,
    /// Content that is in a file.
    pub content_file: Option<PathBuf>,
    /// Whether the content is whole.
    pub content_read: bool,
    /// Its length, once it is.
    pub content_length: Option<u64>,
    /// The response to the client.
    pub response: Response,
    /// A status that the answer gets whatever it is.
    pub preset: Option<u16>,
    /// What `Connection` says, as far as is decided.
    pub connection: &'static [u8],
    /// The status of an error that was met on the way to what is sent in place of another.
    pub further_error: Option<u16>,
    /// The status to be logged, where it differs from the response's.
    pub logged_status: Option<u16>,
    /// Bytes sent to the client.
    pub sent: u64,
    /// Bytes of the head among them.
    pub sent_head: u64,
    /// Whether the response was sent whole.
    pub complete: bool,
    /// The upstreams tried.
    pub attempts: Vec<Attempt>,
    /// The upstream's response head.
    pub upstream_head: ResponseHead,
    /// Its bytes, and behind it content not yet used.
    pub upstream: Vec<u8>,
    /// The upstream's trailers, as received.
    pub upstream_trailers: Vec<u8>,
    /// The target that the upstream was asked for, after scheme and address in logs.
    pub upstream_target: Vec<u8>,
    /// The scheme of the forward in force.
    pub upstream_scheme: &'static [u8],
    /// The authority of the forward in force.
    pub authority: Vec<u8>,
    /// The port where that names none.
    pub authority_default: u16,
    /// What became of the request by the limits on rates.
    pub rate_limited: Option<Limited>,
    /// What became of the request by the limits on requests at a time.
    pub concurrency_limited: Option<Limited>,
    /// Content of the response before and after it was changed on its way, bytes.
    pub coded: Option<(u64, u64)>,
    /// How the request to an upstream failed that is about to be answered.
    pub failed: Option<crate::ir::settings::Fault>,
    /// The group that the request went to.
    pub group: Option<Box<Grouped>>,
    /// Made when first asked for.
    pub request_id: Cell<Option<u128>>,
    /// Whether a line of the error log is about the request.
    pub noted: Cell<bool>,
    /// Whether the error log was told what it is.
    pub told: Cell<bool>,
    /// The identifier that the client gets, made when first asked for.
    pub identifier: Cell<Option<[u8; 16]>>,
    /// The cookie that says which endpoint the session is on from now on.
    pub session_cookie: Option<Vec<u8>>,
    /// What a cache had to say.
    pub cache_status: Option<&'static str>,
    /// The cache that was asked, where that is counted.
    pub cache: Option<Arc<super::cache::Store>>,
    /// Where the part begins that an upstream is asked for, and how long parts are; set when that is first evaluated.
    pub part: Cell<Option<(u64, u64)>>,
    /// How many requests of our own it is away from the client's; 0 is the client's.
    pub depth: u8,
    /// How many requests of our own the client's has led to so far; they all count in one place.
    pub beside: OnceCell<Rc<Cell<u32>>>,
}

impl Facts {
    /// What is known of a connection before its first request.
    pub fn new(worker: &Rc<Worker>, client: Client) -> Self {
        Self {
            worker: Rc::clone(worker),
            plan: Arc::clone(&worker.serving().plan),
            client,
            buffer: Vec::new(),
            used: 0,
            head: RequestHead::default(),
            received: Received::default(),
            host: Vec::new(),
            identity: None,
            user: None,
            claimed_user: None,
            method: None,
            asked_head: false,
            refused_head: false,
            began: clock::moment(),
            request_length: 0,
            pipelined: false,
            content: Vec::new(),
            content_file: None,
            content_read: false,
            content_length: None,
            response: Response::default(),
            preset: None,
            connection: b"close",
            further_error: None,
            logged_status: None,
            sent: 0,
            sent_head: 0,
            complete: false,
            attempts: Vec::new(),
            upstream_head: ResponseHead::default(),
            upstream: Vec::new(),
            upstream_trailers: Vec::new(),
            upstream_target: Vec::new(),
            upstream_scheme: b"",
            authority: Vec::new(),
            authority_default: 0,
            rate_limited: None,
            concurrency_limited: None,
            coded: None,
            failed: None,
            group: None,
            request_id: Cell::new(None),
            noted: Cell::new(false),
            told: Cell::new(false),
            identifier: Cell::new(None),
            session_cookie: None,
            cache_status: None,
            cache: None,
            part: Cell::new(None),
            depth: 0,
            beside: OnceCell::new(),
        }
    }

    /// Forgets the request, but for what the client already sent of the next one.
    pub fn next_request(&mut self) {
        let used = self.used.min(self.buffer.len());
        self.buffer.drain(..used);
        self.used = 0;
        self.head.clear();
        self.refused_head = false;
        self.received = Received::default();
        self.method = None;
        self.beside.take();
        self.identity = None;
        self.began = clock::moment();
        self.request_length = u64::from(!self.buffer.is_empty());
        self.content.clear();
        self.content_file = None;
        self.content_read = false;
        self.content_length = None;
        self.preset = None;
        self.connection = b"close";
        self.further_error = None;
        self.logged_status = None;
        self.sent = 0;
        self.sent_head = 0;
        self.complete = false;
        self.rate_limited = None;
        self.concurrency_limited = None;
        self.coded = None;
        self.attempts.clear();
        self.upstream_head.clear();
        self.upstream.clear();
        self.upstream_trailers.clear();
        self.upstream_target.clear();
        self.authority.clear();
        self.group = None;
        self.cache_status = None;
        self.cache = None;
        self.part.set(None);
        self.request_id.set(None);
        self.noted.set(false);
        self.told.set(false);
        self.identifier.set(None);
        self.session_cookie = None;
    }

    /// Gives up memory that is not needed while a tunnel is open.
    pub fn shrink(&mut self) {
        scratch::give(std::mem::take(&mut self.upstream));
        self.upstream_head.clear();
        self.upstream_head.fields = Vec::new();
        self.buffer.shrink_to_fit();
        self.head.fields.shrink_to_fit();
        self.head.dropped.shrink_to_fit();
        self.content = Vec::new();
        self.attempts.shrink_to_fit();
        self.response.shrink();
        for text in [&mut self.host, &mut self.upstream_target, &mut self.authority] {
            text.shrink_to_fit();
        }
    }

    /// Counts what went through a tunnel that has ended.
    pub fn end_tunnel(&mut self, tunnel: &Tunnel) {
        self.sent += tunnel.sent;
        if let Some(attempt) = self.attempt() {
            attempt.received += tunnel.sent;
            attempt.sent += tunnel.received;
            attempt.length += tunnel.sent;
            attempt.whole = Some(clock::moment());
        }
        self.complete = true;
    }

    /// The bytes of the request head.
    pub fn slice(&self, slice: Slice) -> &[u8] {
        slice.of(&self.buffer)
    }

    /// The method in force.
    pub fn method(&self) -> &[u8] {
        self.method.unwrap_or_else(|| self.slice(self.head.method))
    }

    /// Whether the response has no content whatever its head says.
    pub fn is_head(&self) -> bool {
        self.refused_head || self.method() == b"HEAD"
    }

    /// What was received behind the head and is not used yet.
    pub fn rest(&self) -> &[u8] {
        self.buffer.get(self.used..).unwrap_or_default()
    }

    /// The client's IP address.
    pub fn client_ip(&self) -> Option<IpAddr> {
        match &self.identity {
            Some(identity) => Some(identity.ip),
            None => self.client.remote.map(|addr| addr.ip().to_canonical()),
        }
    }

    /// Status as it is logged.
    pub fn status(&self) -> u16 {
        self.logged_status.or(self.preset).unwrap_or(self.response.status)
    }

    /// The try under way, or the last one.
    pub fn attempt(&mut self) -> Option<&mut Attempt> {
        self.attempts.last_mut()
    }

    /// Whether a line of the head is none by RFC 9112 (§ 2.2, § 3, § 5), though everybody reads it alike: a `#` in the
    /// request line, two spaces in a row or one at its end, LF without CR, a field without a colon, with a control in its
    /// value or with a name that is no token.
    pub fn has_odd_line(&self) -> bool {
        let line = self.slice(self.head.line);
        let ends = |at: u32| self.buffer.get(at as usize) == Some(&b'\r');
        let version_9 = self.head.version == 9;
        line.contains(&b'#')
            || line.windows(2).any(|pair| pair == b"  ")
            || !version_9 && (line.last() == Some(&b' ') || !ends(self.head.line.end))
            || self.head.fields.iter().any(|field| !field.plain && self.is_odd_field(field))
    }

    /// Forgets the authority of a target that is a URL with another scheme than the connection's; whether the scheme is
    /// neither `http` nor `https`.
    pub fn forget_other_authority(&mut self) -> bool {
        if self.head.authority.is_empty() {
            return false;
        }
        let end = (self.head.authority.start as usize).saturating_sub(3);
        let scheme = self.buffer.get(self.head.method.end as usize..end).unwrap_or_default().trim_ascii();
        let is = |name: &[u8]| scheme.eq_ignore_ascii_case(name);
        let (own, other): (&[u8], &[u8]) =
            if self.client.tls.is_some() { (b"https", b"http") } else { (b"http", b"https") };
        let (own, other) = (is(own), is(other));
        if !own {
            self.head.authority = Slice::default();
        }
        !own && !other
    }

    fn is_odd_field(&self, field: &Field) -> bool {
        let (name, value) = (self.slice(field.name), self.slice(field.value));
        let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        let rest = self.buffer.get(field.value.end as usize..).unwrap_or_default();
        let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
        self.buffer.get(field.name.end as usize) != Some(&b':')
            || !name.iter().all(is_token)
            || value.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f)
            || rest.get(spaces) != Some(&b'\r')
    }

    /// All values of a received field, in order.
    pub(super) fn fields<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.head
            .fields
            .iter()
            .filter(move |field| same_name(self.slice(field.name), name))
            .map(|field| self.slice(field.value))
    }
}
