//! Looking at endpoints, and at members of groups, without requests: who does not answer is not used until it does again.
//!
//! One worker looks for all; what it finds is in the states that all share.

mod watch;

use std::{
    future::poll_fn,
    rc::{Rc, Weak},
    time::Duration,
};

use tokio::{task::spawn_local, time::sleep};

use super::{
    balance::{Cluster, group},
    connect::{self, Place},
    forward::member::places,
    stream::Stream,
    timed::{self, Failure},
    upstream_tls,
    worker::{Serving, Worker},
};
use crate::{
    ir::{Check, Endpoint, HostId, Member, Protocol, settings::Level},
    plan::ForwardingPlan,
};

/// The longest that one look may take.
const LONGEST: Duration = Duration::from_mins(1);

/// Begins to look at the members of what is served, as long as it is.
pub(super) fn watch(worker: &Worker, serving: &Rc<Serving>) {
    if worker.index != 0 || serving.plan.config.hosts.is_empty() {
        return;
    }
    for cluster in serving.clusters.all() {
        for (index, watch) in cluster.watches().iter().enumerate() {
            spawn_local(watch::watch(Rc::downgrade(serving), Rc::clone(cluster), index, watch.clone()));
        }
        let Some(members) = cluster.group() else { continue };
        for (index, (_, member, _)) in members.members().enumerate() {
            if let Some(check) = &member.check {
                let task = look_on(Rc::downgrade(serving), Rc::clone(cluster), index, check.clone());
                spawn_local(task);
            }
        }
    }
}

async fn look_on(serving: Weak<Serving>, cluster: Rc<Cluster>, index: usize, check: Check) {
    let (mut good, mut bad) = (0, 0);
    loop {
        sleep(check.interval).await;
        let Some(serving) = serving.upgrade() else { return };
        let Some(members) = cluster.group() else { return };
        let Some((endpoint, member, standing)) = members.member(index) else { return };
        let host = members.how().hosts.as_ref().and_then(|hosts| hosts.first().copied()).unwrap_or(HostId(0));
        let settings = serving.plan.host_settings(host);
        let base = serving.plan.settings(settings).forwarding(Protocol::Http);
        let how = members.forwarding(settings, base, index);
        let fine = look(&how, endpoint, member, &check).await;
        (good, bad) = if fine { (good + 1, 0) } else { (0, bad + 1) };
        let out = standing.is(group::UNHEALTHY);
        let change = if out { good >= check.passes } else { bad >= check.fails };
        if change {
            if out {
                standing.put(group::UNHEALTHY, false);
            } else if !members.put_out(standing) {
                continue;
            }
            let word = if out { "passes" } else { "fails" };
            let message = format_args!("upstream server {} {word} its health check", member.url);
            super::log::event(&serving.logs, Level::Warn, message);
        }
    }
}

/// Whether a member answers as it should.
async fn look(how: &ForwardingPlan, endpoint: &Endpoint, member: &Member, check: &Check) -> bool {
    let limit = match (check.timeout, how.connect_timeout) {
        (Duration::ZERO, Duration::ZERO) => LONGEST,
        (Duration::ZERO, limit) | (limit, _) => limit.min(LONGEST),
    };
    let asked = ask(how, endpoint, member, check, limit);
    let Ok(Some(status)) = tokio::time::timeout(limit, asked).await else { return false };
    if check.statuses.is_empty() {
        return (200..400).contains(&status);
    }
    check.statuses.iter().any(|(from, to)| (*from..=*to).contains(&status))
}

/// The status of the answer; 200 where a connection is all that is asked for.
async fn ask(
    how: &ForwardingPlan,
    endpoint: &Endpoint,
    member: &Member,
    check: &Check,
    limit: Duration,
) -> Option<u16> {
    let places = places(endpoint).await.ok()?;
    let tls = member.tls.then_some(&*member.authority).filter(|_| check.method.is_some());
    let mut stream = reach(how, places.first()?, tls, limit).await?;
    let Some(method) = &check.method else { return Some(200) };
    let target = [&*member.base, &*check.target].concat();
    let slash: &[u8] = if target.starts_with(b"/") { b"" } else { b"/" };
    let version: &[u8] = if check.modern { b" HTTP/1.1\r\nHost: " } else { b" HTTP/1.0\r\nHost: " };
    let head =
        [&**method, b" ", slash, &target, version, &*member.authority, b"\r\nConnection: close\r\n\r\n"];
    timed::write_all(&mut stream, &head.concat(), limit).await.ok()?;
    let status = status(&mut stream, &check.contains).await;
    status.ok().flatten()
}

/// A connection to who is looked at; over TLS to this authority.
async fn reach(how: &ForwardingPlan, place: &Place, tls: Option<&[u8]>, limit: Duration) -> Option<Stream> {
    let options = connect::Options::default();
    let (stream, _) = connect::connect(place, &options, limit, &[]).await.ok()?;
    match tls {
        Some(authority) => {
            let client = upstream_tls::Client::for_authority(how, authority);
            client.handshake(stream, limit).await.ok()
        }
        None => Some(stream),
    }
}

/// The longest content that is looked through.
const CONTENT: usize = 1 << 20;

/// The status in the first line of an answer; none when it lacks what it has to hold.
async fn status(stream: &mut Stream, contains: &[u8]) -> Result<Option<u16>, Failure> {
    let mut answer = Vec::new();
    let holds = |answer: &[u8]| {
        let head = memchr::memmem::find(answer, b"\r\n\r\n");
        contains.is_empty()
            || head.is_some_and(|at| memchr::memmem::find(&answer[at + 4..], contains).is_some())
    };
    let most = if contains.is_empty() { 512 } else { CONTENT };
    while answer.len() < most {
        let mut bytes = [0; 4096];
        let length = poll_fn(|cx| stream.poll_read(cx, &mut bytes)).await?;
        answer.extend_from_slice(&bytes[..length]);
        if length == 0 || (answer.contains(&b'\n') && holds(&answer)) {
            break;
        }
    }
    let code = answer.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..5)).filter(|_| holds(&answer));
    Ok(code.and_then(|code| std::str::from_utf8(code).ok()?.parse().ok()))
}
