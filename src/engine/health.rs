//! Looking at endpoints, and at members of groups, without requests: who does not answer is not used until it does again.
//!
//! One worker looks for all; what it finds is in the states that all share.

mod answer;
mod grpc;
mod watch;

use std::{
    future::poll_fn,
    rc::{Rc, Weak},
    time::Duration,
};

use tokio::{task::spawn_local, time::sleep};

use answer::Answer;

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
    plan::{ForwardingPlan, Plan},
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
        let fine = look(&serving.plan, &how, endpoint, member, &check).await;
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
async fn look(
    plan: &Plan,
    how: &ForwardingPlan,
    endpoint: &Endpoint,
    member: &Member,
    check: &Check,
) -> bool {
    let limit = match (check.timeout, how.connect_timeout) {
        (Duration::ZERO, Duration::ZERO) => LONGEST,
        (Duration::ZERO, limit) | (limit, _) => limit.min(LONGEST),
    };
    let asked = ask(how, endpoint, member, check, limit);
    let Ok(Some(answer)) = tokio::time::timeout(limit, asked).await else { return false };
    answer.is_good(plan, check)
}

/// The answer of a member.
async fn ask(
    how: &ForwardingPlan,
    endpoint: &Endpoint,
    member: &Member,
    check: &Check,
    limit: Duration,
) -> Option<Answer> {
    let places = places(endpoint).await.ok()?;
    let tls = member.tls.then_some(&*member.authority).filter(|_| check.method.is_some());
    let mut stream = reach(how, places.first()?, tls, limit).await?;
    let Some(method) = &check.method else { return Some(Answer::connected()) };
    let target = [&*member.base, &*check.target].concat();
    let slash: &[u8] = if target.starts_with(b"/") { b"" } else { b"/" };
    let version: &[u8] = if check.modern { b" HTTP/1.1\r\nHost: " } else { b" HTTP/1.0\r\nHost: " };
    let head =
        [&**method, b" ", slash, &target, version, &*member.authority, b"\r\nConnection: close\r\n\r\n"];
    timed::write_all(&mut stream, &head.concat(), limit).await.ok()?;
    let bytes = read(&mut stream, check).await.ok()?;
    let holds = check.contains.is_empty()
        || memchr::memmem::find(&bytes, b"\r\n\r\n")
            .is_some_and(|at| memchr::memmem::find(&bytes[at + 4..], &check.contains).is_some());
    Answer::read(bytes).filter(|_| holds)
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

/// As much of an answer as is looked at.
async fn read(stream: &mut Stream, check: &Check) -> Result<Vec<u8>, Failure> {
    let whole = check.content.is_some() || !check.contains.is_empty();
    // What ends the part that is looked at.
    let end: &[u8] = if check.good.is_some() { b"\r\n\r\n" } else { b"\n" };
    let mut answer = Vec::new();
    while answer.len() < CONTENT {
        let mut bytes = [0; 4096];
        let length = poll_fn(|cx| stream.poll_read(cx, &mut bytes)).await?;
        answer.extend_from_slice(&bytes[..length]);
        if length == 0 || (!whole && memchr::memmem::find(&answer, end).is_some()) {
            break;
        }
    }
    Ok(answer)
}
