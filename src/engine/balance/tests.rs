//! The sequences of the original, each observed on a running server unless a comment says otherwise.

use std::{cell::Cell, fmt::Write as _, time::Duration};

use super::*;
use crate::{
    ir::{Config, Endpoint, Template},
    source::Span,
};

thread_local! {
    static NOW: Cell<i64> = const { Cell::new(1000) };
}

fn endpoint(address: &str, weight: u32) -> Endpoint {
    Endpoint {
        address: address.into(),
        default_port: 80,
        weight,
        max_connections: 0,
        max_fails: 1,
        fail_timeout: Duration::from_secs(10),
        role: Role::Active,
        resolve: false,
        service: None,
        slow_start: Duration::ZERO,
        draining: false,
        route: Text::new(),
        member: None,
        span: Span::NONE,
    }
}

fn cluster_of(balance: Balance, endpoints: Vec<Endpoint>, shared: Option<&Arc<Zones>>) -> Cluster {
    let cluster = ir::Cluster {
        name: "u".into(),
        declared: true,
        balance,
        idle: None,
        shared: shared.is_some(),
        resolve: None,
        affinity: None,
        queue: None,
        watches: Vec::new(),
        endpoints,
        group: None,
        span: Span::NONE,
    };
    let (names, _) = Resolved::start(&Config::default(), false);
    Cluster::new(&cluster, names, shared.cloned().unwrap_or_default(), || NOW.get())
}

/// Endpoints 127.0.0.1:81, :82 and so on with these weights.
fn weights(balance: Balance, weights: &[u32]) -> Cluster {
    let endpoints =
        weights.iter().enumerate().map(|(at, &weight)| endpoint(&format!("127.0.0.1:{}", 81 + at), weight));
    cluster_of(balance, endpoints.collect(), None)
}

fn number(pick: &Pick) -> u16 {
    match pick.place {
        Place::Tcp(addr) => addr.port() - 81,
        Place::Unix(_) => unreachable!("no endpoint is a Unix socket"),
    }
}

/// The endpoints that so many requests go to.
fn sequence(cluster: &Cluster, count: usize) -> String {
    let mut out = String::new();
    for _ in 0..count {
        match cluster.pick(&mut Tried::new(None, None)) {
            Some(pick) => {
                write!(out, "{} ", number(&pick)).unwrap();
                cluster.release(pick, Verdict::Succeeded);
            }
            None => out.push_str("- "),
        }
    }
    out
}

fn keyed(cluster: &Cluster, key: &str) -> u16 {
    number(&cluster.pick(&mut Tried::new(Some(key.into()), None)).unwrap())
}

#[test]
fn round_robin_is_smooth() {
    assert_eq!(sequence(&weights(Balance::RoundRobin, &[5, 1, 1]), 14), "0 0 1 0 2 0 0 0 0 1 0 2 0 0 ");
    assert_eq!(sequence(&weights(Balance::RoundRobin, &[3, 2]), 10), "0 1 0 1 0 0 1 0 1 0 ");
}

#[test]
fn a_failed_endpoint_rests_and_is_probed_once() {
    NOW.set(1000);
    let cluster = weights(Balance::RoundRobin, &[1, 1]);
    sequence(&cluster, 2);
    let pick = cluster.pick(&mut Tried::default()).unwrap();
    assert_eq!(number(&pick), 0);
    assert!(cluster.release(pick, Verdict::Failed), "max_fails is 1");
    assert_eq!(sequence(&cluster, 3), "1 1 1 ");
    NOW.set(1010);
    assert_eq!(sequence(&cluster, 3), "1 1 1 ", "the period is over only after more than ten seconds");
    NOW.set(1011);
    let mut probes = Vec::new();
    for _ in 0..4 {
        probes.push(cluster.pick(&mut Tried::default()).unwrap());
    }
    assert_eq!(probes.iter().filter(|pick| number(pick) == 0).count(), 1, "one probe in a period");
    for probe in probes {
        cluster.release(probe, Verdict::Succeeded);
    }
    assert_eq!(sequence(&cluster, 4).matches('0').count(), 2, "it is back");
}

#[test]
fn a_request_tries_each_endpoint_once_and_backups_last() {
    let mut backup = endpoint("127.0.0.1:83", 1);
    backup.role = Role::Backup;
    let mut down = endpoint("127.0.0.1:84", 1);
    down.role = Role::Down;
    let endpoints = vec![endpoint("127.0.0.1:81", 1), endpoint("127.0.0.1:82", 1), backup, down];
    let cluster = cluster_of(Balance::LeastConnections, endpoints, None);
    assert_eq!(cluster.tries(), 3);
    let mut tried = Tried::default();
    let mut picks = Vec::new();
    while let Some(pick) = cluster.pick(&mut tried) {
        picks.push(number(&pick));
    }
    assert_eq!(picks, [0, 1, 2]);
}

#[test]
fn the_only_endpoint_is_never_taken_out() {
    let cluster = weights(Balance::RoundRobin, &[1]);
    for _ in 0..3 {
        let pick = cluster.pick(&mut Tried::default()).unwrap();
        assert!(!cluster.release(pick, Verdict::Failed));
    }
    assert_eq!(cluster.tries(), 1);
}

#[test]
fn connections_are_limited() {
    let mut first = endpoint("127.0.0.1:81", 1);
    first.max_connections = 1;
    let cluster = cluster_of(Balance::RoundRobin, vec![first, endpoint("127.0.0.1:82", 1)], None);
    let held = cluster.pick(&mut Tried::default()).unwrap();
    assert_eq!((number(&held), sequence(&cluster, 3)), (0, "1 1 1 ".to_owned()));
    drop(held);
    assert_eq!(sequence(&cluster, 2).matches('0').count(), 1);
}

#[test]
fn addresses_are_hashed_by_network() {
    let hash = address::next(89, Some(IpAddr::from([127, 0, 0, 9])));
    assert_eq!(hash, 4040);
    assert_eq!(address::next(89, None), address::next(89, Some(IpAddr::from([0, 0, 0, 7]))));
    let cluster = weights(Balance::ClientAddress, &[1, 1, 1]);
    let pick =
        |last| number(&cluster.pick(&mut Tried::new(None, Some(IpAddr::from([127, 0, 0, last])))).unwrap());
    assert_eq!((pick(1), pick(200)), (4040 % 3, 4040 % 3));
}

#[test]
fn the_ring_has_a_point_for_each_share() {
    let cluster = weights(Balance::ConsistentHash(Template::default()), &[2, 1, 1]);
    assert_eq!(cluster.current().ring.len(), 640);
    let before: Vec<_> = (0..50).map(|key| keyed(&cluster, &key.to_string())).collect();
    assert!((0..3).all(|at| before.contains(&at)));
    let mut endpoints: Vec<_> = (81..84).map(|port| endpoint(&format!("127.0.0.1:{port}"), 1)).collect();
    endpoints[0].weight = 2;
    endpoints[2].role = Role::Down;
    let smaller = cluster_of(Balance::ConsistentHash(Template::default()), endpoints, None);
    for (key, &before) in before.iter().enumerate().filter(|(_, before)| **before != 2) {
        assert_eq!(keyed(&smaller, &key.to_string()), before, "key {key} stays where it was");
    }
}

#[test]
fn a_key_stays_at_its_endpoint() {
    let cluster = weights(Balance::Hash(Template::default()), &[1, 1, 1]);
    for key in ["a", "b", "/x?y"] {
        let first = keyed(&cluster, key);
        assert!((0..5).all(|_| keyed(&cluster, key) == first));
    }
    assert_eq!(sequence(&cluster, 3), "0 1 2 ", "without a key it is round robin");
}

#[test]
fn the_least_loaded_is_chosen() {
    let cluster = weights(Balance::LeastConnections, &[1, 1, 2]);
    let held: Vec<_> = (0..8).map(|_| cluster.pick(&mut Tried::default()).unwrap()).collect();
    let count = |at| held.iter().filter(|pick| number(pick) == at).count();
    assert_eq!((count(0), count(1), count(2)), (2, 2, 4));
    let two = weights(Balance::RandomTwo(None), &[1, 1]);
    let held: Vec<_> = (0..8).map(|_| two.pick(&mut Tried::default()).unwrap()).collect();
    let count = held.iter().filter(|pick| number(pick) == 0).count();
    assert!((3..=5).contains(&count), "{count} of 8");
}

#[test]
fn health_is_shared_and_survives() {
    NOW.set(2000);
    let zones = Arc::<Zones>::default();
    let endpoints = || vec![endpoint("127.0.0.1:81", 1), endpoint("127.0.0.1:82", 1)];
    let one = cluster_of(Balance::RoundRobin, endpoints(), Some(&zones));
    let other = cluster_of(Balance::RoundRobin, endpoints(), Some(&zones));
    let pick = one.pick(&mut Tried::default()).unwrap();
    one.release(pick, Verdict::Failed);
    assert_eq!(sequence(&other, 3), "1 1 1 ");
    drop(one);
    assert_eq!(sequence(&cluster_of(Balance::RoundRobin, endpoints(), Some(&zones)), 3), "1 1 1 ");
    assert_eq!(sequence(&cluster_of(Balance::RoundRobin, endpoints(), None), 2), "0 1 ");
}

#[test]
fn workers_share_the_turn_of_a_zone() {
    NOW.set(2000);
    let endpoints = || {
        [5, 1, 1]
            .iter()
            .zip(81..)
            .map(|(&weight, port)| endpoint(&format!("127.0.0.1:{port}"), weight))
            .collect::<Vec<_>>()
    };
    let zones = Arc::<Zones>::default();
    let workers = [(); 2].map(|()| cluster_of(Balance::RoundRobin, endpoints(), Some(&zones)));
    let taken: Vec<_> =
        (0..14).map(|at| number(&workers[at % 2].pick(&mut Tried::default()).unwrap())).collect();
    assert_eq!(taken, [0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0]);
}

/// Three endpoints with an affinity, the third of which is on its way out.
fn with_sessions() -> Cluster {
    let mut endpoints: Vec<_> = (81..84)
        .map(|port| Endpoint { route: "r".into(), ..endpoint(&format!("127.0.0.1:{port}"), 1) })
        .collect();
    for (at, endpoint) in endpoints.iter_mut().enumerate() {
        endpoint.route = format!("r{at}").as_str().into();
    }
    endpoints[2].draining = true;
    let made = cluster_of(Balance::RoundRobin, endpoints, None);
    let affinity = Some(Box::new(Affinity::Route(Vec::new())));
    let cluster = Cluster { affinity, ..made };
    let none = |_: &str| Arc::default();
    let targets = |endpoint: &Endpoint| {
        let places = Spot::of(&endpoint.address, endpoint.default_port).places(&none);
        places.into_iter().map(Target::at).collect()
    };
    cluster.endpoints.replace(Rc::new(cluster.build(&targets, None)));
    cluster
}

#[test]
fn sessions_find_their_endpoint() {
    let cluster = with_sessions();
    let of = |route: &str| Tried::new(None, None).of_session(Some(route.into()));
    // Who is on the way out takes its own sessions, and nothing else.
    assert_eq!(sequence(&cluster, 4), "0 1 0 1 ");
    for _ in 0..3 {
        assert_eq!(number(&cluster.pick(&mut of("r2")).unwrap()), 2);
        assert_eq!(number(&cluster.pick(&mut of("r1")).unwrap()), 1);
    }
    // One that nobody has goes where its turn takes it.
    assert!(cluster.pick(&mut of("r9")).is_some());
    // One whose endpoint failed goes elsewhere.
    let mut tried = of("r1");
    let pick = cluster.pick(&mut tried).unwrap();
    cluster.release(pick, Verdict::Failed);
    assert_eq!(number(&cluster.pick(&mut tried).unwrap()), 0);
    assert_eq!(number(&cluster.pick(&mut of("r1")).unwrap()), 0);
}

#[test]
fn names_of_endpoints_are_digests_where_nothing_is_written() {
    assert_eq!(&*session_name(b"", "127.0.0.1:80"), "cef54f47984626c9efbf070c50bfad1b");
    assert_eq!(&*session_name(b"a", "127.0.0.1:80"), "a");
}

#[test]
fn shares_grow_after_a_failure() {
    NOW.set(100_000);
    let slow = Endpoint { slow_start: Duration::from_secs(100), ..endpoint("127.0.0.1:81", 1) };
    let cluster = cluster_of(Balance::RoundRobin, vec![slow, endpoint("127.0.0.1:82", 1)], None);
    assert_eq!(sequence(&cluster, 6), "0 1 0 1 0 1 ");
    let mut tried = Tried::new(None, None);
    let pick = cluster.pick(&mut tried).unwrap();
    assert_eq!(number(&pick), 0);
    cluster.release(pick, Verdict::Failed);
    assert_eq!(sequence(&cluster, 4), "1 1 1 1 ");
    // It is tried out, answers, and is back with next to nothing.
    NOW.set(100_020);
    let mut seen = sequence(&cluster, 40);
    assert_eq!(seen.matches('0').count(), 1, "{seen}");
    NOW.set(100_070);
    seen = sequence(&cluster, 300);
    let share = seen.matches('0').count();
    assert!((90..=110).contains(&share), "a half of its weight is a third of all: {share}");
    NOW.set(100_130);
    seen = sequence(&cluster, 100);
    assert!((49..=51).contains(&seen.matches('0').count()), "{seen}");
}

#[test]
fn the_least_time_counts_with_the_connections() {
    let timing = ir::Timing { whole: false, under_way: false };
    let cluster = weights(Balance::LeastTime(timing), &[1, 1]);
    let ask = || cluster.pick(&mut Tried::new(None, None)).unwrap();
    // Of whom nothing is known comes first.
    let first = ask();
    first.answered_in(Duration::from_millis(10));
    let second = ask();
    assert_ne!(number(&first), number(&second));
    second.answered_in(Duration::from_millis(35));
    drop((first, second));
    let taken: Vec<_> = (0..4).map(|_| ask()).collect();
    let slower = taken.iter().filter(|pick| number(pick) == 1).count();
    assert_eq!(slower, 1, "10, 20, 30 ms and then 35");
}
