//! Names and their addresses: those of the configuration at start, the rest when requests need them.
//!
//! At start every endpoint's name is looked up by the system, all at once. One
//! that fails is tried again in the background until it is found, so that a
//! server with one dead name still starts. Endpoints that ask for it are looked
//! up again when their answer expires. Names that only a request knows go
//! through [`look_up`] and the name servers in force.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{
            AtomicU64, AtomicUsize,
            Ordering::{Acquire, Release},
        },
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::connect::Place;
use crate::{
    diagnostic::{Diagnostic, Severity, suggest},
    ir::{self, Config, settings::ResolveInForce},
    source::Span,
};

mod service;
mod system;
mod worker;

pub use service::Target;

pub use worker::{find, look_up, look_up_by_system, name_of};

/// Look-ups at one time at start.
const AT_ONCE: usize = 32;

/// The first pause after a look-up that failed, and the longest.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Lifetime of an answer of the system, which tells none.
const SYSTEM_VALID: Duration = Duration::from_secs(30);

/// Where an address as written points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spot {
    /// A socket in the file system.
    Unix(PathBuf),
    /// An address.
    Known(SocketAddr),
    /// A name and a port.
    Name(String, u16),
}

impl Spot {
    /// Reads `host`, `host:port`, `[v6]:port` or `unix:/path`.
    pub fn of(address: &[u8], default_port: u16) -> Self {
        if let Some((prefix, path)) = address.split_at_checked(5)
            && prefix.eq_ignore_ascii_case(b"unix:")
        {
            use std::os::unix::ffi::OsStringExt as _;
            return Self::Unix(std::ffi::OsString::from_vec(path.to_vec()).into());
        }
        let text = String::from_utf8_lossy(address);
        if let Ok(addr) = SocketAddr::from_str(&text) {
            return Self::Known(addr);
        }
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(&text);
        if let Ok(ip) = IpAddr::from_str(bare) {
            return Self::Known((ip, default_port).into());
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => match port.parse() {
                Ok(port) => (host, port),
                Err(_) => (&*text, default_port),
            },
            None => (&*text, default_port),
        };
        match IpAddr::from_str(host) {
            Ok(ip) => Self::Known((ip, port).into()),
            Err(_) => Self::Name(host.to_ascii_lowercase(), port),
        }
    }

    /// The places, at the addresses that a name has.
    pub fn places(self, addresses: &dyn Fn(&str) -> Arc<Vec<IpAddr>>) -> Vec<Place> {
        match self {
            Self::Unix(path) => vec![Place::Unix(path)],
            Self::Known(addr) => vec![Place::Tcp(addr)],
            Self::Name(host, port) => {
                addresses(&host).iter().map(|&ip| Place::Tcp((ip, port).into())).collect()
            }
        }
    }
}

/// The addresses of the names in a configuration, for all workers.
#[derive(Debug)]
pub struct Resolved {
    names: HashMap<String, ArcSwap<Vec<IpAddr>>>,
    services: HashMap<String, ArcSwap<Vec<Target>>>,
    generation: AtomicU64,
    /// Closed with the table: what keeps it up to date ends then.
    alive: watch::Sender<()>,
}

/// A name of the configuration.
#[derive(Debug)]
struct Wanted {
    host: String,
    /// Whether it is the name of a service.
    service: bool,
    /// How it is looked up again when the answer expires; `None` where once is enough.
    again: Option<Arc<ResolveInForce>>,
    /// What may have been meant instead.
    meant: Option<String>,
    span: Span,
}

impl Resolved {
    /// Looks up the names of all endpoints. Those that fail are findings: errors when `strict`, else warnings.
    pub fn start(config: &Config, strict: bool) -> (Arc<Self>, Vec<Diagnostic>) {
        Self::by(config, strict, &system::look_up)
    }

    fn by(config: &Config, strict: bool, look_up: &Lookup) -> (Arc<Self>, Vec<Diagnostic>) {
        // Only name servers know of services: those are looked up when everything runs.
        let (services, wanted): (Vec<_>, Vec<_>) = wanted(config).into_iter().partition(|it| it.service);
        let services = services.into_iter().map(|it| (it.host, ArcSwap::default())).collect();
        let answers = all(&wanted, look_up);
        let mut findings = Vec::new();
        let mut names = HashMap::new();
        for (wanted, answer) in wanted.into_iter().zip(answers) {
            let answer = answer.unwrap_or_else(|error| {
                if wanted.again.is_none() {
                    findings.push(unresolved(&wanted, &error, strict));
                }
                Vec::new()
            });
            names.insert(wanted.host, ArcSwap::from_pointee(answer));
        }
        let table = Self { names, services, generation: AtomicU64::new(1), alive: watch::Sender::new(()) };
        (Arc::new(table), findings)
    }

    /// Grows with each change.
    pub fn generation(&self) -> u64 {
        self.generation.load(Acquire)
    }

    /// The addresses of a name, in order; none when it is not resolved.
    pub fn addresses(&self, host: &str) -> Arc<Vec<IpAddr>> {
        self.names.get(host).map(ArcSwap::load_full).unwrap_or_default()
    }

    /// Where an endpoint is, as far as that is known.
    pub fn targets(&self, endpoint: &ir::Endpoint) -> Vec<Target> {
        if let Some(service) = &endpoint.service {
            let known = self.services.get(&*service.lossy());
            return known.map(|targets| targets.load().to_vec()).unwrap_or_default();
        }
        let spot = Spot::of(&endpoint.address, endpoint.default_port);
        spot.places(&|host| self.addresses(host)).into_iter().map(Target::at).collect()
    }

    fn set_service(&self, service: &str, targets: Vec<Target>) {
        if let Some(slot) = self.services.get(service)
            && **slot.load() != targets
        {
            slot.store(Arc::new(targets));
            self.generation.fetch_add(1, Release);
        }
    }

    fn set(&self, host: &str, addresses: Vec<IpAddr>) {
        if let Some(slot) = self.names.get(host)
            && **slot.load() != addresses
        {
            slot.store(Arc::new(addresses));
            self.generation.fetch_add(1, Release);
        }
    }

    /// Keeps the table up to date on a thread of its own, as long as there is something to do and the table lives.
    /// `fallback` is for endpoints whose cluster names no servers to ask.
    pub fn keep_up(self: &Arc<Self>, config: &Config, fallback: &ResolveInForce) {
        let tasks: Vec<_> = wanted(config)
            .into_iter()
            .filter(|wanted| {
                wanted.again.is_some() || wanted.service || self.addresses(&wanted.host).is_empty()
            })
            .collect();
        if tasks.is_empty() {
            return;
        }
        let (table, fallback) = (Arc::downgrade(self), Arc::new(fallback.clone()));
        let mut alive = self.alive.subscribe();
        let work = async move {
            let tasks = tasks.into_iter().map(|wanted| {
                let (table, fallback) = (table.clone(), Arc::clone(&fallback));
                tokio::spawn(async move {
                    let mut pause = PAUSE;
                    loop {
                        let answer = renew(&wanted, &fallback).await;
                        let Some(table) = table.upgrade() else { return };
                        let mut wait = pause;
                        pause = (pause * 2).min(LONGEST_PAUSE);
                        if let Some((found, valid)) = answer {
                            match found {
                                Found::Addresses(addresses) => table.set(&wanted.host, addresses),
                                Found::Targets(targets) => table.set_service(&wanted.host, targets),
                            }
                            if wanted.again.is_none() {
                                return;
                            }
                            (wait, pause) = (valid.max(PAUSE), PAUSE);
                        }
                        drop(table);
                        tokio::time::sleep(wait).await;
                    }
                })
            });
            let tasks: Vec<_> = tasks.collect();
            let all = async {
                for task in tasks {
                    let _ = task.await;
                }
            };
            tokio::select! {
                () = all => {}
                _ = alive.changed() => {}
            }
        };
        let named = std::thread::Builder::new().name("resolve".to_owned());
        // Without the thread the names stay as they are: an upstream that is not there is answered for as such.
        let _ = named.spawn(move || {
            if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
                runtime.block_on(work);
                runtime.shutdown_background();
            }
        });
    }
}

/// What a name stands for.
enum Found {
    Addresses(Vec<IpAddr>),
    Targets(Vec<Target>),
}

/// Looks a name up again: where it asks for that by the name servers given, else by the system. A name that is
/// gone has no addresses; `None` says nothing about it.
async fn renew(wanted: &Wanted, fallback: &ResolveInForce) -> Option<(Found, Duration)> {
    let own = wanted.again.as_deref();
    let settings = own.map(|own| if own.servers.is_empty() { fallback } else { own });
    if let Some(settings) = settings.filter(|settings| !settings.servers.is_empty()) {
        let client = worker::client(settings).await?;
        if wanted.service {
            return match service::ask(&client, &wanted.host, settings).await {
                Ok((targets, valid)) => Some((Found::Targets(targets), valid)),
                Err(worker::NO_SUCH_NAME) => Some((Found::Targets(Vec::new()), PAUSE)),
                Err(_) => None,
            };
        }
        return match worker::ask(&client, &wanted.host, settings).await {
            Ok((addresses, valid)) => Some((Found::Addresses(addresses), valid)),
            Err(worker::NO_SUCH_NAME) => Some((Found::Addresses(Vec::new()), PAUSE)),
            Err(_) => None,
        };
    }
    if wanted.service {
        return None;
    }
    let host = wanted.host.clone();
    let answer = tokio::task::spawn_blocking(move || system::look_up(&host)).await.ok()?;
    let valid = settings.and_then(|settings| settings.valid).unwrap_or(SYSTEM_VALID);
    answer.ok().map(|addresses| (Found::Addresses(addresses), valid))
}

/// How a name is looked up at start.
type Lookup = dyn Fn(&str) -> Result<Vec<IpAddr>, String> + Sync;

/// Looks names up, many at a time.
fn all(wanted: &[Wanted], look_up: &Lookup) -> Vec<Result<Vec<IpAddr>, String>> {
    let answers = Mutex::new(vec![Ok(Vec::new()); wanted.len()]);
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((at, wanted)) = {
            let at = next.fetch_add(1, Release);
            wanted.get(at).map(|wanted| (at, wanted))
        } {
            let answer = look_up(&wanted.host);
            answers.lock().unwrap_or_else(PoisonError::into_inner)[at] = answer;
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..wanted.len().min(AT_ONCE) {
            scope.spawn(work);
        }
        work();
    });
    answers.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The names of a configuration, each once.
fn wanted(config: &Config) -> Vec<Wanted> {
    let mut wanted: Vec<Wanted> = Vec::new();
    let mut seen = HashMap::new();
    // Members of groups are looked up when a request goes to them.
    for cluster in config.clusters.iter().filter(|cluster| cluster.group.is_none()) {
        let settings = cluster.resolve.as_ref().map(|own| {
            let mut settings = config.base.resolve.clone();
            settings.lay(own, false);
            Arc::new(settings.in_force())
        });
        // A request is forwarded to it directly: the name may have been meant for a cluster that has one.
        let meant = |host: &str| {
            let declared = config.clusters.iter().filter(|other| other.declared && !cluster.declared);
            let names: Vec<_> = declared.map(|other| other.name.lossy()).collect();
            suggest::nearest(host, names.iter().map(AsRef::as_ref)).map(str::to_owned)
        };
        for endpoint in &cluster.endpoints {
            let service = endpoint.service.is_some();
            let host = match (&endpoint.service, Spot::of(&endpoint.address, endpoint.default_port)) {
                (Some(service), _) => service.lossy().into_owned(),
                (None, Spot::Name(host, _)) => host,
                (None, _) => continue,
            };
            let again = endpoint.resolve.then(|| settings.clone().unwrap_or_default());
            let at = *seen.entry((host.clone(), service)).or_insert(wanted.len());
            match wanted.get_mut(at) {
                Some(known) => known.again = known.again.take().or(again),
                None => {
                    wanted.push(Wanted { meant: meant(&host), host, service, again, span: endpoint.span });
                }
            }
        }
    }
    wanted
}

fn unresolved(wanted: &Wanted, error: &str, strict: bool) -> Diagnostic {
    let severity = if strict { Severity::Error } else { Severity::Warning };
    let mut message = format!("host not found in upstream `{}`", wanted.host);
    if let Some(meant) = wanted.meant.as_ref().filter(|_| !strict) {
        message = format!("{message}, did you mean `{meant}`?");
    }
    let mut finding = Diagnostic::new(severity, "unresolved-host", message).label(wanted.span, error);
    if let Some(meant) = wanted.meant.as_ref().filter(|_| strict) {
        finding = finding.help(format!("did you mean `{meant}`?"));
    }
    if strict {
        return finding;
    }
    finding.note("requests to it are answered with 502 until the name is found; it is looked up again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Balance, Cluster, Endpoint, Role};

    #[test]
    fn addresses_are_read() {
        let tcp = |text: &str| Spot::Known(text.parse().unwrap());
        for (address, expected) in [
            ("unix:/run/a.sock", Spot::Unix("/run/a.sock".into())),
            ("127.0.0.1", tcp("127.0.0.1:80")),
            ("127.0.0.1:81", tcp("127.0.0.1:81")),
            ("[::1]", tcp("[::1]:80")),
            ("[::1]:81", tcp("[::1]:81")),
            ("Host", Spot::Name("host".to_owned(), 80)),
            ("host:81", Spot::Name("host".to_owned(), 81)),
        ] {
            assert_eq!(Spot::of(address.as_bytes(), 80), expected, "{address}");
        }
    }

    fn config(names: &[&str]) -> Config {
        let endpoint = |name: &&str| Endpoint {
            address: (*name).into(),
            default_port: 80,
            weight: 1,
            max_connections: 0,
            max_fails: 1,
            fail_timeout: Duration::from_secs(10),
            role: Role::Active,
            resolve: false,
            service: None,
            slow_start: Duration::ZERO,
            draining: false,
            route: ir::Text::new(),
            member: None,
            span: Span::NONE,
        };
        let cluster = Cluster {
            name: "u".into(),
            declared: true,
            balance: Balance::RoundRobin,
            idle: None,
            shared: false,
            resolve: None,
            affinity: None,
            queue: None,
            watches: Vec::new(),
            endpoints: names.iter().map(endpoint).collect(),
            group: None,
            span: Span::NONE,
        };
        Config { clusters: vec![cluster], ..Config::default() }
    }

    #[test]
    fn names_are_looked_up_at_start_and_failures_told() {
        let look_up = |host: &str| match host {
            "there" => Ok(vec![IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2])]),
            _ => Err("Name or service not known".to_owned()),
        };
        let config = config(&["there:1", "127.0.0.1", "gone", "there:2"]);
        let (table, findings) = Resolved::by(&config, false, &look_up);
        assert_eq!(table.addresses("there").len(), 2);
        assert!(table.addresses("gone").is_empty());
        let told: Vec<_> = findings.iter().map(|found| (found.severity, found.message.as_str())).collect();
        assert_eq!(told, [(Severity::Warning, "host not found in upstream `gone`")]);
        assert_eq!(Resolved::by(&config, true, &look_up).1[0].severity, Severity::Error);
        let before = table.generation();
        table.set("gone", vec![IpAddr::from([10, 0, 0, 3])]);
        assert!(table.generation() > before);
        table.set("gone", vec![IpAddr::from([10, 0, 0, 3])]);
        assert_eq!(table.generation(), before + 1);
    }
}
