//! TLS with upstreams: whether and by whom their certificates are believed, sessions, our own certificate.
//!
//! Files are read once, at start, as long as the process may read them. The
//! rest is made when a worker first needs it and kept by what it depends on.
//!
//! Reference: <https://nginx.org/r/proxy_ssl_verify>

use std::{
    cell::RefCell,
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustls::{
    ClientConfig,
    client::{ClientSessionMemoryCache, Resumption, WebPkiServerVerifier},
    crypto::aws_lc_rs,
    pki_types::ServerName,
    sign::CertifiedKey,
};
use tokio_rustls::TlsConnector;

use super::{
    exchange::Exchange,
    forward::Trouble,
    stream::{Secured, Socket, Stream},
    tls::{self, keys},
};
use crate::{
    diagnostic::{Diagnostic, Severity},
    ir::settings::{Fault, Retry},
    plan::ForwardingPlan,
};

pub(super) mod certificate;
mod computed;
pub(super) mod verify;

use verify::{Trust, Verifier};

/// Configurations that a worker keeps.
const KEPT: usize = 1024;

/// Sessions kept for one endpoint.
const SESSIONS: usize = 8;

/// What was read from files, for all workers.
static MATERIALS: Mutex<Option<HashMap<Files, Arc<Material>>>> = Mutex::new(None);

thread_local! {
    static CONFIGS: RefCell<HashMap<Endpoint, Arc<ClientConfig>>> = RefCell::default();
}

/// Settings by their digest, and the endpoint that sessions are resumed with.
type Endpoint = (u64, Option<SocketAddr>);

/// The files that settings name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Files {
    trusted: Vec<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    passwords: Vec<PathBuf>,
    revoked: Option<PathBuf>,
}

/// What they hold.
#[derive(Debug, Default)]
struct Material {
    trust: Option<Arc<Trust>>,
    key: Option<Arc<CertifiedKey>>,
    /// Who looks into lists of what was revoked.
    lists: Option<Arc<WebPkiServerVerifier>>,
    /// What tells this reading of the files from another one.
    number: u64,
}

/// TLS towards the upstream of a request.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    digest: u64,
}

/// What a session depends on.
#[derive(Clone, Debug)]
struct Settings {
    material: Result<Arc<Material>, String>,
    versions: Vec<u8>,
    suites: Option<Vec<u16>>,
    groups: Option<Vec<u16>>,
    /// The name verified and asked for.
    name: String,
    ask: bool,
    verify: Option<u32>,
    matches: bool,
    in_time: bool,
    reuse: bool,
    /// Whether HTTP/2 is asked for (RFC 9113 § 3.3).
    frames: bool,
}

/// Reads the files of all settings in a plan, and forgets those read before.
pub fn load<'a>(all: impl Iterator<Item = &'a ForwardingPlan>) -> Result<(), Vec<Diagnostic>> {
    let (mut materials, mut found) = (HashMap::new(), Vec::new());
    for how in all {
        let files = Files::of(how);
        if files == Files::default() || materials.contains_key(&files) {
            continue;
        }
        match files.read() {
            Ok(material) => drop(materials.insert(files, Arc::new(material))),
            Err(message) => found.push(Diagnostic::new(Severity::Error, "bad-certificate", message)),
        }
    }
    found.dedup();
    if !found.is_empty() {
        return Err(found);
    }
    *MATERIALS.lock().unwrap_or_else(PoisonError::into_inner) = Some(materials);
    Ok(())
}

impl Files {
    fn of(how: &ForwardingPlan) -> Self {
        let certificate = how.tls_certificate.clone().filter(|_| how.tls_computed.is_none());
        let key = certificate.as_ref().and(how.tls_key.clone().or_else(|| certificate.clone()));
        let passwords =
            if key.is_some() || how.tls_computed.is_some() { how.tls_passwords.clone() } else { Vec::new() };
        let revoked = how.tls_revoked.clone().filter(|_| how.tls_verify);
        Self { trusted: how.tls_trusted.clone(), certificate, key, passwords, revoked }
    }

    fn read(&self) -> Result<Material, String> {
        let trusted = |path: &PathBuf| {
            let certificates = keys::certificates(path)
                .map_err(|why| format!("cannot load trusted certificates \"{}\": {why}", path.display()))?;
            Ok::<_, String>(certificates)
        };
        let pair = |certificate: &PathBuf| {
            let key: &Path = self.key.as_ref().unwrap_or(certificate);
            keys::load(certificate, key, &self.passwords).map(Arc::new)
        };
        let certificates: Vec<_> = self.trusted.iter().map(trusted).collect::<Result<_, _>>()?;
        let trust = (!certificates.is_empty()).then(|| Arc::new(Trust::new(certificates.concat())));
        let key = self.certificate.as_ref().map(pair).transpose()?;
        let lists = match (&self.revoked, &trust) {
            (Some(path), Some(trust)) => Some(checker(path, trust)?),
            _ => None,
        };
        Ok(Material { trust, key, lists, number: next_number() })
    }

    /// What was read at start; read now when it was not.
    fn material(self) -> Result<Arc<Material>, String> {
        let mut materials = MATERIALS.lock().unwrap_or_else(PoisonError::into_inner);
        let materials = materials.get_or_insert_default();
        if let Some(known) = materials.get(&self) {
            return Ok(Arc::clone(known));
        }
        let material = Arc::new(self.read()?);
        materials.insert(self, Arc::clone(&material));
        Ok(material)
    }
}

/// Who looks into the lists of a file. Where there is nobody who may issue certificates, none is believed anyway.
fn checker(path: &Path, trust: &Trust) -> Result<Arc<WebPkiServerVerifier>, String> {
    let lists = keys::revoked(path)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let anchors = Arc::new(trust.anchors().clone());
    let builder = WebPkiServerVerifier::builder_with_provider(anchors, provider);
    let builder = builder.with_crls(lists).enforce_revocation_expiration();
    builder.build().map_err(|error| format!("cannot use revocation lists \"{}\": {error}", path.display()))
}

fn next_number() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Relaxed)
}

/// TLS as the settings in force want it for this request.
///
/// The error says which of our certificates could not be read.
pub async fn of(exchange: &mut Exchange, how: &ForwardingPlan) -> Result<Client, String> {
    let mut name = exchange.value(&how.tls_name);
    if name.is_empty() {
        name.extend_from_slice(&exchange.facts.authority);
    }
    let material = match &how.tls_computed {
        Some(computed) => Some(Box::pin(computed::read(exchange, how, computed)).await?),
        None => None,
    };
    Ok(Client::new(how, host(&String::from_utf8_lossy(&name)), material))
}

/// The host of an authority.
fn host(authority: &str) -> &str {
    if let Some((literal, _)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return literal;
    }
    match authority.split_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

impl Client {
    /// TLS to whom an authority names.
    pub fn for_authority(how: &ForwardingPlan, authority: &[u8]) -> Self {
        Self::new(how, host(&String::from_utf8_lossy(authority)), None)
    }

    fn new(how: &ForwardingPlan, name: &str, material: Option<Arc<Material>>) -> Self {
        let material = material.map_or_else(
            || {
                let files = Files::of(how);
                // Most settings name no files: then there is nothing to look up.
                if files == Files::default() { Ok(Arc::default()) } else { files.material() }
            },
            Ok,
        );
        let (ask, verify) = (how.tls_server_name, how.tls_verify.then_some(how.tls_verify_depth));
        let matches = if verify.is_some() { !how.tls_any_name } else { how.tls_match_name };
        // An address is no name: no certificate has it.
        let nameless = how.tls_match_name && name.parse::<IpAddr>().is_ok();
        let name = &*if nameless { format!("[{name}]") } else { name.to_owned() };
        let name = if ask || matches { name.to_ascii_lowercase() } else { String::new() };
        let settings = Settings {
            material,
            versions: how.tls_versions.clone(),
            suites: how.tls_suites.clone(),
            groups: how.tls_groups.clone(),
            name,
            ask,
            verify,
            matches,
            in_time: how.tls_match_time,
            reuse: how.tls_session_reuse,
            frames: how.version == 20,
        };
        let digest = settings.digest();
        Self { settings, digest }
    }

    /// A number that tells these settings from others; never 0.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// Shakes hands with the upstream.
    pub async fn handshake(self, stream: Stream, timeout: Duration) -> Result<Stream, Trouble> {
        let Stream::Plain(socket) = stream else { return Ok(stream) };
        let place = match &socket {
            Socket::Tcp(stream) => stream.peer_addr().ok(),
            Socket::Unix(_) | Socket::Memory(_) => None,
        };
        let config = self.config(place).map_err(|message| trouble(Retry::Error, 502, &message))?;
        let connected = TlsConnector::from(config).connect(self.settings.server_name(), socket);
        let done = if timeout.is_zero() {
            Ok(connected.await)
        } else {
            tokio::time::timeout(timeout, connected).await
        };
        match done {
            Ok(Ok(stream)) => Ok(Stream::Client(Box::new(Secured::new(stream)))),
            Ok(Err(error)) => Err(trouble(Retry::Error, 502, &message(&error))),
            Err(_) => Err(trouble(Retry::Timeout, 504, "upstream timed out (110: Connection timed out)")),
        }
    }

    fn config(&self, place: Option<SocketAddr>) -> Result<Arc<ClientConfig>, String> {
        let key = (self.digest, place);
        if let Some(config) = CONFIGS.with_borrow(|configs| configs.get(&key).cloned()) {
            return Ok(config);
        }
        let config = Arc::new(self.settings.config()?);
        CONFIGS.with_borrow_mut(|configs| {
            if configs.len() >= KEPT {
                configs.clear();
            }
            configs.insert(key, Arc::clone(&config));
        });
        Ok(config)
    }
}

impl Settings {
    fn digest(&self) -> u64 {
        let Self { material, versions, suites, groups, name, ask, verify, matches, in_time, reuse, frames } =
            self;
        let mut hasher = DefaultHasher::new();
        material.as_ref().map(|material| material.number).hash(&mut hasher);
        (versions, suites, groups, name, ask, verify, matches, in_time, reuse, frames).hash(&mut hasher);
        hasher.finish() | 1
    }

    /// What the library keeps sessions by and asks for. An address is never asked for (RFC 6066 § 3).
    fn server_name(&self) -> ServerName<'static> {
        match ServerName::try_from(self.name.clone()) {
            Ok(name) if self.ask => name,
            _ => ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        }
    }

    fn config(&self) -> Result<ClientConfig, String> {
        let Self { material, versions, suites, groups, name, ask, verify, matches, in_time, reuse, frames } =
            self;
        let material = material.as_ref().map_err(Clone::clone)?;
        let provider = Arc::new(tls::provider(suites.as_deref(), groups.as_deref()));
        let verifier = Verifier {
            algorithms: provider.signature_verification_algorithms,
            trust: verify.map(|depth| (material.trust.clone().unwrap_or_default(), depth)),
            name: matches.then(|| name.clone()),
            in_time: *in_time,
            clients: None,
            servers: material.lists.clone(),
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&tls::versions(versions)?)
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match &material.key {
            Some(key) => builder.with_client_cert_resolver(Arc::new(keys::Keys::new(vec![Arc::clone(key)]))),
            None => builder.with_no_client_auth(),
        };
        config.enable_sni = *ask;
        if *frames {
            config.alpn_protocols = vec![b"h2".to_vec()];
        }
        config.resumption = if *reuse {
            Resumption::store(Arc::new(ClientSessionMemoryCache::new(SESSIONS)))
        } else {
            Resumption::disabled()
        };
        Ok(config)
    }
}

fn trouble(kind: Retry, status: u16, message: &str) -> Trouble {
    let message = format!("{message} while SSL handshaking to upstream");
    Trouble { kind, fault: Fault::Tls, status, message, stale: false }
}

/// Why a handshake failed; the verifier's own words where it refused.
fn message(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::General(refusal)) => refusal.clone(),
        _ => tls::failure(error),
    }
}

#[cfg(test)]
mod tests;
