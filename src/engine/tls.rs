//! TLS with clients: certificates by host, the handshake, what it agreed on.
//!
//! The client's hello is read first; the name in it chooses the host as a
//! `Host` field would, and that host's certificate is shown, with the versions,
//! suites and sessions of that host.
//!
//! Certificates are shown as they are in their files: whether they are to
//! anyone's liking is for the client to say.

use std::{
    collections::HashMap,
    io,
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustls::{
    HandshakeKind, ProtocolVersion, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{Acceptor, ClientHello, NoServerSessionStorage},
};
use tokio::{
    io::{AsyncWriteExt as _, Interest},
    sync::watch,
};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

use super::{
    facts::TlsSession,
    stream::{Secured, Socket},
    worker::Serving,
};
use crate::{
    diagnostic::{Diagnostic, Severity},
    ir::{Host, HostId, HostTls, settings::ResolveInForce},
    plan::{Plan, Run},
    source::Span,
};

mod clients;
mod computed;
pub mod keys;
mod names;
mod ocsp;
mod sessions;
mod staple;
mod tickets;
mod witness;

pub use clients::{Judge, Proof};
use computed::Computed;
pub(super) use computed::{Stamp, place, stamp};
use keys::Keys;
pub use names::versions;
pub use names::{groups_named, signature_named, suites_named};
pub use rustls::SignatureScheme;

/// How long a session may be resumed where nothing says so.
const LIFETIME: Duration = Duration::from_mins(5);

/// Bytes of a hello up to the end of the identifier of a session.
const BEGIN: usize = 76;

/// First byte of a TLS record that holds a handshake (RFC 8446 § 5.1).
const HANDSHAKE: u8 = 0x16;

/// A fatal alert in a record of its own: no such name (RFC 6066 § 3).
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// One that says that it is our fault (RFC 8446 § 6.2).
const INTERNAL_ERROR: [u8; 7] = [21, 3, 3, 0, 2, 2, 80];

/// What is shown to clients, for each listener with TLS.
#[derive(Debug, Default)]
pub struct Certificates {
    listeners: HashMap<usize, HashMap<HostId, Offer>>,
    /// Those whose status is asked for.
    wanted: Mutex<Vec<staple::Wanted>>,
    /// Closed with them: who asks stops then.
    alive: watch::Sender<()>,
}

/// What a host has for a handshake.
#[derive(Clone, Debug)]
enum Offer {
    /// A certificate, and who judges those of clients.
    Session(Arc<ServerConfig>, Option<Arc<Judge>>),
    /// Certificates that depend on the client's hello.
    Computed(Arc<Computed>),
    /// A refusal.
    Refusal,
}

/// What became of a connection.
#[derive(Debug)]
pub enum Accepted {
    /// A session.
    Session(Box<Secured<TlsStream<Socket>>>, TlsSession),
    /// What the client sends is no TLS. Nothing was read of it.
    Plain(Socket),
    /// Nothing, for this reason.
    Failed(String),
}

impl Certificates {
    /// Reads the certificates and keys of all hosts.
    pub fn load(plan: &Plan) -> Result<Self, Vec<Diagnostic>> {
        let config = &plan.config;
        let mut loading = Loading::default();
        let mut listeners = HashMap::new();
        for (at, listener) in config.listeners.iter().enumerate().filter(|(_, listener)| listener.tls) {
            let default = config.host(listener.default);
            if !default.tls.as_ref().is_some_and(|tls| tls.reject || tls.shows()) {
                let message = "a listener with TLS has no certificate";
                let finding = Diagnostic::error("no-certificate", listener.span, message);
                loading.found.push(finding.label(default.span, "the host that answers unknown names"));
                continue;
            }
            let mut offers = HashMap::new();
            for id in listener.hosts.iter().chain([&listener.default]) {
                let http2 = listener.http2 || plan.settings(plan.host_settings(*id)).client.http2;
                let resolve = &plan.settings(plan.host_settings(*id)).resolve;
                if let Some(offer) = loading.offer(*id, config.host(*id), http2, resolve) {
                    offers.insert(*id, offer);
                }
            }
            listeners.insert(at, offers);
        }
        if !loading.found.is_empty() {
            return Err(loading.found);
        }
        Ok(Self { listeners, wanted: Mutex::new(loading.wanted), alive: watch::Sender::new(()) })
    }

    /// Begins to ask for the status of those that are to show it.
    pub fn keep_up(&self, plan: &Arc<Plan>, logs: &Arc<super::log::Files>) {
        let wanted = std::mem::take(&mut *self.wanted.lock().unwrap_or_else(PoisonError::into_inner));
        staple::keep_up(wanted, Arc::clone(plan), Arc::clone(logs), self.alive.subscribe());
    }

    /// The offer of the host that a name chooses, or of the default.
    fn offer(&self, plan: &Plan, listener: usize, name: Option<&str>) -> Option<(HostId, &Offer)> {
        let offers = self.listeners.get(&listener)?;
        let default = plan.config.listeners.get(listener)?.default;
        let chosen = name.map_or(default, |name| {
            let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
            plan.select(listener, Some(name.as_bytes()), &mut Run::default())
        });
        let of = |host: HostId| offers.get(&host).map(|offer| (host, offer));
        of(chosen).or_else(|| of(default))
    }
}

/// What was read so far, each file once.
#[derive(Default)]
struct Loading {
    keys: HashMap<(PathBuf, PathBuf, Vec<PathBuf>), Option<Arc<rustls::sign::CertifiedKey>>>,
    offers: HashMap<(HostId, bool), Option<Offer>>,
    wanted: Vec<staple::Wanted>,
    found: Vec<Diagnostic>,
}

impl Loading {
    fn offer(
        &mut self,
        id: HostId,
        host: &Host,
        http2: bool,
        resolve: &Arc<ResolveInForce>,
    ) -> Option<Offer> {
        let key = (id, http2);
        if let Some(known) = self.offers.get(&key) {
            return known.clone();
        }
        let offer = host.tls.as_ref().and_then(|tls| {
            if tls.reject {
                return Some(Offer::Refusal);
            }
            if !tls.computed.is_empty() {
                return Some(Offer::Computed(Arc::new(Computed::new(tls, &host.name, http2))));
            }
            let mut keys = Vec::new();
            for (certificate, key, span) in &tls.certificates {
                if let Some(key) = self.key(certificate, key, &tls.passwords, *span) {
                    let key = behind(key, tls.chain.as_deref(), &mut self.found);
                    keys.push(stapled(key, tls, &mut self.found));
                }
            }
            if keys.is_empty() {
                return None;
            }
            let keys = Arc::new(Keys::new(keys));
            if let Some(how) = tls.staple.as_ref().filter(|how| how.file.is_none()) {
                let slots = keys.slots().iter();
                self.wanted.extend(slots.map(|slot| staple::Wanted::new(slot, how, resolve)));
            }
            match server_config(tls, &host.name, http2, keys) {
                Ok((config, judge)) => Some(Offer::Session(Arc::new(config), judge)),
                Err(message) => {
                    self.found.push(Diagnostic::error("no-tls", host.span, message));
                    None
                }
            }
        });
        self.offers.insert(key, offer.clone());
        offer
    }

    fn key(
        &mut self,
        certificate: &Path,
        key: &Path,
        passwords: &[PathBuf],
        span: Span,
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        let at = (certificate.to_path_buf(), key.to_path_buf(), passwords.to_vec());
        if let Some(known) = self.keys.get(&at) {
            return known.clone();
        }
        let read = keys::load(certificate, key, passwords).map(Arc::new);
        let read = read.map_err(|message| {
            let finding = Diagnostic::new(Severity::Error, "bad-certificate", message);
            self.found.push(finding.label(span, ""));
        });
        self.keys.entry(at).or_insert(read.ok()).clone()
    }
}

/// What is spoken: of each version the suites that are named, and in both these groups; all where none are named.
pub fn provider(suites: Option<&[u16]>, groups: Option<&[u16]>) -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    if let Some(suites) = suites {
        let newer = |number: u16| number >> 8 == 0x13;
        let wanted = |suite: &rustls::SupportedCipherSuite| {
            let number = u16::from(suite.suite());
            suites.contains(&number) || !suites.iter().any(|other| newer(*other) == newer(number))
        };
        provider.cipher_suites.retain(wanted);
    }
    if let Some(groups) = groups {
        provider.kx_groups = names::groups(groups);
    }
    provider
}

fn server_config(
    tls: &HostTls,
    name: &[u8],
    http2: bool,
    keys: Arc<Keys>,
) -> Result<(ServerConfig, Option<Arc<Judge>>), String> {
    let versions = versions(&tls.versions)?;
    let provider = provider(tls.suites.as_deref(), tls.groups.as_deref());
    let mut whose = name.to_vec();
    for key in keys.slots() {
        whose.extend(key.load().cert.first().map(|leaf| leaf.to_vec()).unwrap_or_default());
    }
    whose.extend_from_slice(format!("{:?}", tls.clients).as_bytes());
    let whose = ::aws_lc_rs::digest::digest(&::aws_lc_rs::digest::SHA256, &whose).as_ref().to_vec();
    let judge = tls.clients.as_ref().map(Judge::load).transpose()?.map(Arc::new);
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&versions)
        .map_err(|error| error.to_string())?;
    let config = match &judge {
        Some(judge) => config.with_client_cert_verifier(Arc::clone(judge) as _),
        None => config.with_no_client_auth(),
    };
    let mut config = config.with_cert_resolver(keys);
    // Clients that speak something else only must not take what follows for it (RFC 7301 § 3.2).
    let protocols = [&b"h2"[..], b"http/1.1", b"http/1.0", b"http/0.9"];
    config.alpn_protocols = protocols.iter().skip(usize::from(!http2)).map(|name| name.to_vec()).collect();
    config.session_storage = match tls.sessions {
        Some(most) => sessions::Sessions::of(&whose, most, tls.session_timeout.unwrap_or(LIFETIME)),
        None => Arc::new(NoServerSessionStorage {}),
    };
    if tls.tickets {
        config.ticketer = Arc::new(tickets::Tickets::new(&tls.ticket_keys, whose, tls.session_timeout)?);
    } else if tls.sessions.is_none() {
        config.send_tls13_tickets = 0;
    }
    config.ignore_client_order = tls.own_order;
    // A record's head and what encryption adds are counted, too.
    config.max_fragment_size = tls.record.map(|length| usize::from(length).max(32) + 5);
    Ok((config, judge))
}

/// A key with what its certificate's status file says.
fn stapled(
    key: Arc<rustls::sign::CertifiedKey>,
    tls: &HostTls,
    found: &mut Vec<Diagnostic>,
) -> Arc<rustls::sign::CertifiedKey> {
    let Some(path) = tls.staple.as_ref().and_then(|staple| staple.file.as_ref()) else { return key };
    match std::fs::read(path) {
        Ok(answer) => {
            let mut stapled = rustls::sign::CertifiedKey::clone(&key);
            stapled.ocsp = Some(answer);
            Arc::new(stapled)
        }
        Err(error) => {
            let message = format!("cannot read the certificate's status \"{}\": {error}", path.display());
            found.push(Diagnostic::new(Severity::Error, "bad-certificate", message));
            key
        }
    }
}

/// A key with more certificates behind its own.
fn behind(
    key: Arc<rustls::sign::CertifiedKey>,
    chain: Option<&Path>,
    found: &mut Vec<Diagnostic>,
) -> Arc<rustls::sign::CertifiedKey> {
    let Some(path) = chain else { return key };
    match keys::certificates(path) {
        Ok(more) => {
            let mut longer = rustls::sign::CertifiedKey::clone(&key);
            longer.cert.extend(more);
            Arc::new(longer)
        }
        Err(why) => {
            let message = format!("cannot load certificate chain \"{}\": {why}", path.display());
            found.push(Diagnostic::new(Severity::Error, "bad-certificate", message));
            key
        }
    }
}

/// Shakes hands with a client, unless what it sends is no TLS.
pub async fn accept(serving: &Serving, listener: usize, socket: Socket) -> Accepted {
    let plan = &*serving.plan;
    let Some(default) = plan.config.listeners.get(listener).map(|listener| listener.default) else {
        return Accepted::Failed("the listener is gone".to_owned());
    };
    let limit = plan.settings(plan.host_settings(default)).client.head_timeout;
    let hands = shake_hands(&serving.certificates, plan, listener, socket);
    let done = if limit.is_zero() { Ok(hands.await) } else { tokio::time::timeout(limit, hands).await };
    done.unwrap_or_else(|_| Accepted::Failed("client timed out (110: Connection timed out)".to_owned()))
}

async fn shake_hands(certificates: &Certificates, plan: &Plan, listener: usize, socket: Socket) -> Accepted {
    let mut begin = [0; BEGIN];
    let asked = match begins(&socket, &mut begin).await {
        Ok([byte, ..]) if *byte != HANDSHAKE && byte & 0x80 == 0 => return Accepted::Plain(socket),
        Ok(hello @ [_, ..]) => resumes(hello).to_vec(),
        Ok([]) => return Accepted::Failed("client closed connection".to_owned()),
        Err(error) => return Accepted::Failed(format!("recv() failed ({error})")),
    };
    let hello = match LazyConfigAcceptor::new(Acceptor::default(), socket).await {
        Ok(hello) => hello,
        Err(error) => return Accepted::Failed(failure(&error)),
    };
    let name = hello.client_hello().server_name().map(str::to_owned);
    let (host, config, judge) = match certificates.offer(plan, listener, name.as_deref()) {
        Some((host, Offer::Session(config, judge))) => (host, Arc::clone(config), judge.clone()),
        Some((host, Offer::Computed(computed))) => match computed.read(plan, name.as_deref()).await {
            Ok((config, judge)) => (host, config, judge),
            Err(message) => {
                let mut io = hello.io;
                let _ = io.write_all(&INTERNAL_ERROR).await;
                let _ = io.shutdown().await;
                return Accepted::Failed(message);
            }
        },
        Some((_, Offer::Refusal)) | None => {
            let mut io = hello.io;
            // The client is refused either way.
            let _ = io.write_all(&UNRECOGNIZED_NAME).await;
            let _ = io.shutdown().await;
            return Accepted::Failed("SSL_do_handshake() failed (SSL: callback failed)".to_owned());
        }
    };
    let offered = offered(&hello.client_hello());
    let tickets = config.ticketer.enabled();
    let (stream, notes) = witness::watch(async { hello.into_stream(config).await }).await;
    match stream {
        Ok(stream) => {
            let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
            let proof = judge.as_deref().and_then(|judge| judge.proof(chain)).map(Arc::new);
            let wanted = name.as_deref().map(str::to_ascii_lowercase).unwrap_or_default();
            let named = plan.knows(listener, wanted.trim_end_matches('.').as_bytes());
            let plain = session(&stream, name);
            let newer = stream.get_ref().1.protocol_version() == Some(ProtocolVersion::TLSv1_3);
            let identifier = match notes.session {
                _ if newer => unlike_any(),
                _ if plain.resumed => asked,
                _ if tickets => Vec::new(),
                Some(key) => key,
                None => unlike_any(),
            };
            let signatures = if plain.resumed { [None; 2] } else { notes.signatures };
            let host = Some(host);
            let own = notes.shown.as_deref().map(|leaf| Arc::new(Proof::own(leaf)));
            let session = TlsSession { host, named, identifier, signatures, offered, proof, own, ..plain };
            Accepted::Session(Box::new(Secured::new(stream)), session)
        }
        Err(error) => Accepted::Failed(failure(&error)),
    }
}

/// The suites and groups that a client offers.
fn offered(hello: &ClientHello<'_>) -> Arc<[Vec<u16>; 2]> {
    let suites = hello.cipher_suites().iter().map(|suite| u16::from(*suite)).collect();
    let groups = hello.named_groups().unwrap_or_default().iter().map(|group| u16::from(*group)).collect();
    Arc::new([suites, groups])
}

/// An identifier as no other session has it.
fn unlike_any() -> Vec<u8> {
    let mut identifier = vec![0; 32];
    // One of zeros is no secret, and tells nothing of another.
    let _ = ::aws_lc_rs::rand::fill(&mut identifier);
    identifier
}

/// The identifier of the session that a hello asks to resume (RFC 5246 § 7.4.1.2), if it is there in one piece.
fn resumes(hello: &[u8]) -> &[u8] {
    // The record's head (5), the message's (4), the version (2), what is random (32); then it, behind its length.
    let identifier = hello.get(43..).and_then(|rest| rest.split_first());
    identifier.and_then(|(length, rest)| rest.get(..usize::from(*length))).unwrap_or_default()
}

/// What the client sends first, left where it is; nothing when it sends nothing.
async fn begins<'a>(socket: &Socket, begin: &'a mut [u8; BEGIN]) -> io::Result<&'a [u8]> {
    let length = match socket {
        Socket::Tcp(stream) => {
            let descriptor = stream.as_raw_fd();
            stream.async_io(Interest::READABLE, || peek(descriptor, begin)).await?
        }
        Socket::Unix(stream) => {
            let descriptor = stream.as_raw_fd();
            stream.async_io(Interest::READABLE, || peek(descriptor, begin)).await?
        }
        Socket::Memory(_) => 0,
    };
    Ok(&begin[..length.min(BEGIN)])
}

#[expect(unsafe_code, reason = "no library used looks at a Unix socket without reading it")]
fn peek(descriptor: i32, into: &mut [u8; BEGIN]) -> io::Result<usize> {
    // SAFETY: the descriptor is open, and the kernel writes at most what there is room for.
    let length = unsafe { libc::recv(descriptor, into.as_mut_ptr().cast(), BEGIN, libc::MSG_PEEK) };
    usize::try_from(length).map_err(|_| io::Error::last_os_error())
}

fn session(stream: &TlsStream<Socket>, server_name: Option<String>) -> TlsSession {
    let connection = stream.get_ref().1;
    TlsSession {
        host: None,
        version: names::version(connection.protocol_version()),
        cipher: connection
            .negotiated_cipher_suite()
            .map(|suite| names::cipher(suite.suite()))
            .unwrap_or_default(),
        server_name,
        resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        alpn: connection.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
        group: connection.negotiated_key_exchange_group().map(|group| u16::from(group.name())),
        ..TlsSession::default()
    }
}

/// Why a handshake failed, as the error log has it.
pub fn failure(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "peer closed connection in SSL handshake".to_owned(),
        _ => match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(error) => format!("SSL_do_handshake() failed (SSL: {error})"),
            None => format!("SSL_do_handshake() failed ({})", super::forward::system(error)),
        },
    }
}

#[cfg(test)]
pub(super) mod tests;
