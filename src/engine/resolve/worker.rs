//! Look-ups on behalf of requests: a cache per worker, one look-up for all who wait for the same name.
//!
//! Reference: <https://nginx.org/r/resolver>

use std::{
    cell::RefCell,
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    net::{IpAddr, SocketAddr},
    rc::Rc,
    time::{Duration, Instant},
};

use hickory_resolver::{
    TokioResolver,
    config::{
        ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
    },
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::op::ResponseCode,
};
use tokio::sync::watch;

use super::{super::worker::Worker, Spot, system};
use crate::ir::settings::ResolveInForce;

/// Names whose answers a worker keeps.
const KEPT: usize = 4096;

/// How long a name server may take before it, or another one, is asked again.
const EACH: Duration = Duration::from_secs(5);

/// How long a look-up may take in all where nothing says so.
const WHOLE: Duration = Duration::from_secs(30);

thread_local! {
    static CACHE: RefCell<Cache> = RefCell::default();
}

/// Why a name has no addresses: number and text, as the log has them.
pub(super) type Reason = (u32, &'static str);

/// There is no such name, or it has no address.
pub(super) const NO_SUCH_NAME: Reason = (3, "Host not found");

type Answer = Result<Rc<[IpAddr]>, Reason>;

#[derive(Default)]
struct Cache {
    clients: HashMap<u64, TokioResolver>,
    answers: HashMap<(u64, String), Entry>,
    turn: usize,
}

enum Entry {
    Known(Rc<[IpAddr]>, Instant),
    Asked(watch::Receiver<Option<Answer>>),
}

/// The addresses of a name by the name servers in force, first one turned from look-up to look-up; `Err` is what
/// the error log says.
pub async fn look_up(_: &Worker, settings: &ResolveInForce, host: &str) -> Result<Vec<IpAddr>, String> {
    find(settings, host).await
}

/// The addresses of a name by the system, in its order; kept for a while.
pub async fn look_up_by_system(host: &str) -> Result<Rc<[IpAddr]>, String> {
    type Found = (Rc<[IpAddr]>, Instant);
    thread_local! {
        static KNOWN: RefCell<HashMap<String, Found>> = RefCell::default();
    }
    let now = Instant::now();
    let known = KNOWN.with_borrow(|known| {
        let (addresses, until) = known.get(host)?;
        (now < *until).then(|| Rc::clone(addresses))
    });
    if let Some(addresses) = known {
        return Ok(addresses);
    }
    let name = host.to_owned();
    let found = tokio::task::spawn_blocking(move || system::look_up(&name)).await;
    let addresses: Rc<[IpAddr]> = found.map_err(|error| error.to_string())??.into();
    KNOWN.with_borrow_mut(|known| {
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(host.to_owned(), (Rc::clone(&addresses), now + super::SYSTEM_VALID));
    });
    Ok(addresses)
}

/// The name of an address by the system; kept for a while, as that there is none.
pub async fn name_of(address: IpAddr) -> Result<String, String> {
    type Found = (Result<String, String>, Instant);
    thread_local! {
        static KNOWN: RefCell<HashMap<IpAddr, Found>> = RefCell::default();
    }
    let now = Instant::now();
    let known = KNOWN.with_borrow(|known| {
        let (name, until) = known.get(&address)?;
        (now < *until).then(|| name.clone())
    });
    if let Some(name) = known {
        return name;
    }
    let found = tokio::task::spawn_blocking(move || system::name_of(address)).await;
    let name = found.map_err(|error| error.to_string())?;
    KNOWN.with_borrow_mut(|known| {
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(address, (name.clone(), now + super::SYSTEM_VALID));
    });
    name
}

/// The same for whoever has no worker.
pub async fn find(settings: &ResolveInForce, host: &str) -> Result<Vec<IpAddr>, String> {
    if settings.servers.is_empty() {
        return Err(format!("no resolver defined to resolve {host}"));
    }
    let host = host.to_ascii_lowercase();
    let key = (digest(settings), host);
    let mut wait = match begin(&key, settings) {
        Ok(addresses) => return Ok(addresses),
        Err(wait) => wait,
    };
    let answer = match wait.wait_for(Option::is_some).await {
        Ok(answer) => answer.clone(),
        Err(_) => None,
    };
    match answer.unwrap_or(Err((2, "Server failure"))) {
        Ok(addresses) => Ok(turned(&addresses)),
        Err((code, text)) => Err(format!("{} could not be resolved ({code}: {text})", key.1)),
    }
}

/// A known answer, or where it will come from; starts the look-up that nobody started yet.
fn begin(
    key: &(u64, String),
    settings: &ResolveInForce,
) -> Result<Vec<IpAddr>, watch::Receiver<Option<Answer>>> {
    let known = CACHE.with_borrow_mut(|cache| match cache.answers.get(key) {
        Some(Entry::Known(addresses, until)) if Instant::now() < *until => Some(Ok(Rc::clone(addresses))),
        Some(Entry::Asked(wait)) => Some(Err(wait.clone())),
        _ => None,
    });
    match known {
        Some(Ok(addresses)) => return Ok(turned(&addresses)),
        Some(Err(wait)) => return Err(wait),
        None => {}
    }
    let (done, wait) = watch::channel(None);
    CACHE.with_borrow_mut(|cache| {
        if cache.answers.len() >= KEPT {
            let now = Instant::now();
            cache.answers.retain(|_, entry| !matches!(entry, Entry::Known(_, until) if *until <= now));
            if cache.answers.len() >= KEPT {
                cache.answers.retain(|_, entry| matches!(entry, Entry::Asked(_)));
            }
        }
        cache.answers.insert(key.clone(), Entry::Asked(wait.clone()));
    });
    // A task of its own: the request that asked may end before the answer comes, and others wait for it.
    let (key, settings) = (key.clone(), settings.clone());
    tokio::task::spawn_local(async move {
        let answer = match kept_client(key.0, &settings).await {
            Some(client) => ask(&client, &key.1, &settings).await,
            None => Err((2, "Server failure")),
        };
        let answer = CACHE.with_borrow_mut(|cache| match answer {
            Ok((addresses, valid)) => {
                let addresses: Rc<[IpAddr]> = addresses.into();
                cache.answers.insert(key, Entry::Known(Rc::clone(&addresses), Instant::now() + valid));
                Ok(addresses)
            }
            Err(reason) => {
                cache.answers.remove(&key);
                Err(reason)
            }
        });
        // Nobody may be waiting any more.
        let _ = done.send(Some(answer));
    });
    Err(wait)
}

/// The addresses, beginning with another one each time.
fn turned(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let turn = CACHE.with_borrow_mut(|cache| {
        cache.turn = cache.turn.wrapping_add(1);
        cache.turn
    });
    let (before, from) = addresses.split_at(turn % addresses.len().max(1));
    [from, before].concat()
}

async fn kept_client(digest: u64, settings: &ResolveInForce) -> Option<TokioResolver> {
    if let Some(client) = CACHE.with_borrow(|cache| cache.clients.get(&digest).cloned()) {
        return Some(client);
    }
    let client = client(settings).await?;
    CACHE.with_borrow_mut(|cache| cache.clients.insert(digest, client.clone()));
    Some(client)
}

fn digest(settings: &ResolveInForce) -> u64 {
    let ResolveInForce { servers, valid, timeout, ipv4, ipv6 } = settings;
    let mut hasher = DefaultHasher::new();
    (servers, valid, timeout, ipv4, ipv6).hash(&mut hasher);
    hasher.finish()
}

/// A client of the name servers in force; `None` when none of them has an address.
pub(super) async fn client(settings: &ResolveInForce) -> Option<TokioResolver> {
    let mut servers = Vec::new();
    for server in &settings.servers {
        match Spot::of(server, 53) {
            Spot::Known(addr) => servers.push(addr),
            Spot::Name(host, port) => {
                let found = tokio::task::spawn_blocking(move || system::look_up(&host)).await.ok()?;
                servers.extend(found.unwrap_or_default().into_iter().map(|ip| SocketAddr::new(ip, port)));
            }
            Spot::Unix(_) => {}
        }
    }
    let servers = servers.into_iter().map(|addr| {
        let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
        for connection in &mut connections {
            connection.port = addr.port();
        }
        NameServerConfig::new(addr.ip(), true, connections)
    });
    let servers: Vec<_> = servers.collect();
    let config = ResolverConfig::from_name_servers(servers);
    if config.name_servers().is_empty() {
        return None;
    }
    let mut options = ResolverOpts::default();
    let timeout = whole(settings);
    options.timeout = EACH.min(timeout);
    options.attempts = usize::try_from(timeout.as_secs() / EACH.as_secs()).unwrap_or(0).clamp(1, 10);
    options.ip_strategy = match (settings.ipv4, settings.ipv6) {
        (true, false) => LookupIpStrategy::Ipv4Only,
        (false, true) => LookupIpStrategy::Ipv6Only,
        _ => LookupIpStrategy::Ipv4AndIpv6,
    };
    // Lifetimes are ours to keep, and the hosts file is not asked.
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.ndots = 0;
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_options(options)
        .build()
        .ok()
}

/// How long a look-up may take in all.
pub(super) fn whole(settings: &ResolveInForce) -> Duration {
    if settings.timeout.is_zero() { WHOLE } else { settings.timeout }
}

/// Asks, and says how long the answer holds.
pub(super) async fn ask(
    client: &TokioResolver,
    host: &str,
    settings: &ResolveInForce,
) -> Result<(Vec<IpAddr>, Duration), Reason> {
    // The final dot keeps search lists out.
    let name = if host.ends_with('.') { host.to_owned() } else { format!("{host}.") };
    let answer = match tokio::time::timeout(whole(settings), client.lookup_ip(name)).await {
        Ok(answer) => answer.map_err(|error| reason(&error))?,
        Err(_) => return Err((110, "Operation timed out")),
    };
    let addresses: Vec<_> = answer.iter().collect();
    if addresses.is_empty() {
        return Err(NO_SUCH_NAME);
    }
    let lifetime = answer.valid_until().saturating_duration_since(Instant::now());
    Ok((addresses, settings.valid.unwrap_or(lifetime)))
}

pub(super) fn reason(error: &NetError) -> Reason {
    let code = match error {
        NetError::Timeout => return (110, "Operation timed out"),
        NetError::Dns(DnsError::ResponseCode(code)) => *code,
        NetError::Dns(DnsError::NoRecordsFound(none)) => none.response_code,
        _ => ResponseCode::ServFail,
    };
    match code {
        ResponseCode::FormErr => (1, "Format error"),
        ResponseCode::NoError | ResponseCode::NXDomain => NO_SUCH_NAME,
        ResponseCode::NotImp => (4, "Unimplemented"),
        ResponseCode::Refused => (5, "Operation refused"),
        _ => (2, "Server failure"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{net::UdpSocket, task::LocalSet};

    use super::*;

    /// Answers `here.test` with 10.0.0.1 and 10.0.0.2 for a minute, everything else with "no such name"; counts.
    async fn name_server(socket: UdpSocket, asked: Rc<RefCell<Vec<Vec<u8>>>>) {
        let mut packet = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut packet).await {
            let end = 12 + packet[12..length].iter().position(|&byte| byte == 0).unwrap() + 5;
            asked.borrow_mut().push(packet[12..end].to_vec());
            let known = packet[13..].starts_with(b"here\x04test\0");
            let mut answer = packet[..end].to_vec();
            answer[2..12].copy_from_slice(&[
                0x81,
                if known { 0x80 } else { 0x83 },
                0,
                1,
                0,
                u8::from(known) * 2,
                0,
                0,
                0,
                0,
            ]);
            for last in [1, 2].into_iter().filter(|_| known) {
                answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, last]);
            }
            socket.send_to(&answer, from).await.unwrap();
        }
    }

    #[test]
    fn names_are_asked_for_once_and_kept() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let settings = ResolveInForce {
                servers: vec![socket.local_addr().unwrap().to_string().into()],
                timeout: Duration::from_secs(5),
                ipv4: true,
                ..ResolveInForce::default()
            };
            let asked = Rc::new(RefCell::new(Vec::new()));
            tokio::task::spawn_local(name_server(socket, Rc::clone(&asked)));
            let (one, other) = tokio::join!(find(&settings, "here.test"), find(&settings, "HERE.test"));
            let (one, other) = (one.unwrap(), other.unwrap());
            assert_eq!(one.len(), 2);
            assert_ne!(one, other, "the first address turns");
            find(&settings, "here.test").await.unwrap();
            assert_eq!(asked.borrow().len(), 1);
            let error = find(&settings, "gone.test").await.unwrap_err();
            assert_eq!(error, "gone.test could not be resolved (3: Host not found)");
            let error = find(&ResolveInForce::default(), "x").await.unwrap_err();
            assert_eq!(error, "no resolver defined to resolve x");
        });
    }
}
