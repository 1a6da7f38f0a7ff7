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
    let two = weights(Balance::RandomTwo, &[1, 1]);
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
