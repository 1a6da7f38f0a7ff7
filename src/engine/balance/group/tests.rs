//! The sequences of the original, each observed on a running server unless a comment says otherwise.

use std::{cell::Cell, time::Duration};

use super::*;
use crate::{
    ir::{Balance, Cluster, Endpoint, Member, Role, Sticky},
    source::Span,
};

thread_local! {
    static NOW: Cell<i64> = const { Cell::new(1_000_000) };
}

fn endpoint(member: Member) -> Endpoint {
    Endpoint {
        address: member.authority.clone(),
        default_port: 80,
        weight: 1,
        max_connections: 0,
        max_fails: 0,
        fail_timeout: Duration::ZERO,
        role: Role::Active,
        resolve: false,
        service: None,
        slow_start: Duration::ZERO,
        draining: false,
        route: Text::new(),
        member: Some(Box::new(member)),
        span: Span::NONE,
    }
}

fn member(number: usize, factor: u32) -> Member {
    let route = format!("r{number}");
    let authority = format!("b{number}");
    Member {
        factor,
        route: route.as_str().into(),
        ..Member::plain(format!("http://b{number}"), authority, false)
    }
}

fn group_of(members: Vec<Member>, change: impl FnOnce(&mut ir::Group)) -> Group {
    let mut how = ir::Group { alone: false, attempts: None, ..ir::Group::alone("group://g") };
    change(&mut how);
    let cluster = Cluster {
        name: "g".into(),
        declared: true,
        balance: Balance::RoundRobin,
        idle: None,
        shared: true,
        resolve: None,
        affinity: None,
        queue: None,
        watches: Vec::new(),
        endpoints: members.into_iter().map(endpoint).collect(),
        group: Some(Box::new(how.clone())),
        span: Span::NONE,
    };
    Group::new(&cluster, &how, &Standings::default(), || NOW.get())
}

fn factors(factors: &[u32]) -> Group {
    let members = factors.iter().enumerate().map(|(at, &factor)| member(at + 1, factor)).collect();
    group_of(members, |how| how.sticky = Some(sticky(false)))
}

fn sticky(force: bool) -> Sticky {
    Sticky { cookie: "S".into(), param: "S".into(), separator: Some(b'.'), semicolon: false, force }
}

/// Who takes so many requests, one after the other; `-` is nobody.
fn sequence(group: &Group, count: usize) -> String {
    let one = |_| group.elect(None).map_or("-".to_owned(), |elected| (elected.index + 1).to_string());
    (0..count).map(one).collect::<Vec<_>>().join(" ")
}

fn routed(group: &Group, route: &str) -> Result<usize, Nobody> {
    group.elect(Some(route.as_bytes())).map(|elected| elected.index + 1)
}

#[test]
fn requests_are_shared_by_factor() {
    assert_eq!(sequence(&factors(&[100, 100, 100]), 6), "1 2 3 1 2 3");
    assert_eq!(sequence(&factors(&[100, 200, 300]), 12), "3 2 1 3 2 3 3 2 1 3 2 3");
    assert_eq!(sequence(&factors(&[150, 100, 225]), 16), "3 1 2 3 1 3 2 3 1 3 1 3 2 3 1 3");
}

#[test]
fn sessions_count_as_turns() {
    let group = factors(&[100, 100, 100]);
    assert_eq!((routed(&group, "r2"), routed(&group, "r2")), (Ok(2), Ok(2)));
    assert_eq!(sequence(&group, 4), "1 3 1 3");
    assert!(group.elect(Some(b"r9")).unwrap().changed);
    assert!(!group.elect(Some(b"r1")).unwrap().changed);
}

#[test]
fn sets_spares_and_standbys() {
    let mut members: Vec<_> = (1..=5).map(|number| member(number, 100)).collect();
    members[1].duty = Duty::Spare;
    members[2].duty = Duty::Standby;
    members[3].set = 1;
    members[4].duty = Duty::Standby;
    members[4].set = 1;
    let group = group_of(members, |_| {});
    assert_eq!(sequence(&group, 2), "1 1");
    group.members[0].2.put(STOPPED, true);
    assert_eq!(sequence(&group, 2), "2 2");
    group.members[1].2.put(DISABLED, true);
    assert_eq!(sequence(&group, 2), "3 3");
    group.members[2].2.put(UNHEALTHY, true);
    assert_eq!(sequence(&group, 2), "4 4");
    group.members[3].2.put(DRAINING, true);
    assert_eq!(sequence(&group, 2), "5 5");
    group.members[4].2.put(STOPPED, true);
    assert_eq!(sequence(&group, 2), "- -");
}

#[test]
fn failures_rest_and_recover() {
    NOW.set(1_000_000);
    let group = factors(&[100, 100]);
    let first = group.elect(None).unwrap();
    assert!(group.fail(&first.standing));
    assert_eq!(sequence(&group, 3), "2 2 2");
    NOW.set(1_060_000);
    assert_eq!(sequence(&group, 1), "2", "the rest is over only after more than its time");
    NOW.set(1_060_001);
    assert!(sequence(&group, 4).contains('1'));
    // Who never fails goes on failing.
    let mut faultless = member(1, 100);
    faultless.state.faultless = true;
    let group = group_of(vec![faultless, member(2, 100)], |_| {});
    let first = group.elect(None).unwrap();
    assert!(!group.fail(&first.standing));
    // All have failed: all are taken back, unless that is off.
    for (recover, expected) in [(true, "2 1"), (false, "- -")] {
        let group = group_of(vec![member(1, 100), member(2, 100)], |how| how.recover = recover);
        for _ in 0..2 {
            let elected = group.elect(None).unwrap();
            group.fail(&elected.standing);
        }
        assert_eq!(sequence(&group, 2), expected);
    }
}

#[test]
fn a_route_that_cannot_be_used() {
    let mut first = member(1, 100);
    first.redirect = "r3".into();
    let members = || vec![first.clone(), member(2, 100), member(3, 100)];
    let group = group_of(members(), |how| how.sticky = Some(sticky(true)));
    group.members[0].2.put(STOPPED, true);
    group.members[1].2.put(STOPPED, true);
    assert_eq!(routed(&group, "r1"), Ok(3));
    assert_eq!(routed(&group, "r2"), Err(Nobody::Forced));
    assert_eq!(routed(&group, "unknown"), Ok(3));
    // Draining members keep their sessions.
    let group = factors(&[100, 100]);
    group.members[0].2.put(DRAINING, true);
    assert_eq!((routed(&group, "r1"), sequence(&group, 2)), (Ok(1), "2 2".to_owned()));
}

#[test]
fn traffic_and_busyness() {
    let group = group_of(vec![member(1, 100), member(2, 200)], |how| how.share = Share::Traffic);
    assert_eq!(sequence(&group, 2), "1 1");
    group.members[0].2.count(1000, 0);
    group.members[1].2.count(0, 1900);
    assert_eq!(sequence(&group, 1), "2");
    let group = group_of(vec![member(1, 100), member(2, 100)], |how| how.share = Share::Busyness);
    let held = group.elect(None).unwrap();
    assert_eq!((held.index, sequence(&group, 3)), (0, "2 2 2".to_owned()));
    drop(held);
    assert_eq!(sequence(&group, 1), "1", "of equals the one whose turn it is");
}

#[test]
fn the_only_member_never_fails() {
    let group = group_of(vec![member(1, 100)], |how| how.alone = true);
    let elected = group.elect(None).unwrap();
    assert!(!group.fail(&elected.standing));
    assert_eq!(sequence(&group, 2), "1 1");
}

#[test]
fn connections_are_counted() {
    let group = factors(&[100]);
    let standing = Arc::clone(&group.members[0].2);
    let held = standing.connect(1);
    assert!(held.is_some() && standing.connect(1).is_none() && standing.connect(0).is_some());
    drop(held);
    assert!(standing.connect(1).is_some());
}
