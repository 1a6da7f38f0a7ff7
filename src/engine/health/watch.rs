//! Looking at the endpoints of a cluster: each address that their names have, all of them in each turn.

use std::{
    cell::RefCell,
    collections::HashSet,
    future::poll_fn,
    hash::{BuildHasher as _, RandomState},
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};

use tokio::{task::spawn_local, time::sleep};

use super::{
    super::{balance::Cluster, connect::Place, log, timed, worker::Serving},
    Answer, LONGEST, grpc, reach,
};
use crate::{
    ir::{Expectation, HostId, Protocol, Watch, settings::Level},
    plan::{ForwardingPlan, Matcher, Plan},
};

/// The longest answer that is looked through, its head included.
const ANSWER: usize = 320 * 1024;

/// What an answer has to be, compiled.
struct Judge {
    watch: Watch,
    patterns: Vec<Option<Matcher>>,
}

/// Looks as long as the cluster is served.
pub(super) async fn watch(serving: Weak<Serving>, cluster: Rc<Cluster>, index: usize, watch: Watch) {
    let pattern = |expected: &Expectation| match expected {
        Expectation::Value(_, pattern, _) | Expectation::Content(pattern, _) => Matcher::new(pattern).ok(),
        Expectation::Status(..) | Expectation::Field(..) | Expectation::Holds(_) | Expectation::Served(_) => {
            None
        }
    };
    let patterns = watch.expects.iter().map(pattern).collect();
    let judge = Rc::new(Judge { watch, patterns });
    let Some(how) = serving.upgrade().map(|serving| forwarding(&serving, &judge.watch)) else { return };
    let (mut known, looking) = (HashSet::new(), Rc::new(RefCell::new(HashSet::new())));
    loop {
        let places = cluster.places();
        known.retain(|place| places.contains(place));
        for place in places {
            // Until they were looked at they are not used; what was known before a reload counts where that is said.
            if known.insert(place.clone()) && index == 0 && judge.watch.mandatory {
                cluster.suspect(&place, judge.watch.persistent);
            }
            // One that does not answer is not asked again before that was waited for.
            if !looking.borrow_mut().insert(place.clone()) {
                continue;
            }
            let looking = Rc::clone(&looking);
            let (serving, cluster) = (Weak::clone(&serving), Rc::clone(&cluster));
            let (judge, how) = (Rc::clone(&judge), Arc::clone(&how));
            let delay = delay(&serving, judge.watch.jitter);
            spawn_local(async move {
                sleep(delay).await;
                let answer = judge.look(&how, &cluster, &place).await;
                looking.borrow_mut().remove(&place);
                let Some(serving) = serving.upgrade() else { return };
                let fine = answer.is_some_and(|answer| judge.judge(&serving.plan, answer));
                let check = &judge.watch.check;
                if let Some(used) = cluster.look(&place, fine, check.passes, check.fails) {
                    let word = if used { "passes" } else { "fails" };
                    let label = cluster.label();
                    let message =
                        format_args!("upstream server {place} in \"{label}\" {word} its health check");
                    log::event(&serving.logs, Level::Warn, message);
                }
            });
        }
        sleep(judge.watch.check.interval).await;
        if serving.strong_count() == 0 {
            return;
        }
    }
}

/// Up to so long, at random.
fn delay(serving: &Weak<Serving>, most: Duration) -> Duration {
    let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
    if most == 0 || serving.strong_count() == 0 {
        return Duration::ZERO;
    }
    Duration::from_millis(RandomState::new().hash_one(most) % (most + 1))
}

fn forwarding(serving: &Serving, watch: &Watch) -> Arc<ForwardingPlan> {
    let settings = serving.plan.host_settings(HostId(0));
    Arc::new(serving.plan.settings(settings).forwarding(Protocol::Http).under(&watch.settings))
}

impl Judge {
    /// What an endpoint answers, if it does in time.
    async fn look(&self, how: &ForwardingPlan, cluster: &Cluster, place: &Place) -> Option<Vec<u8>> {
        let check = &self.watch.check;
        let limit = [how.connect_timeout, how.read_timeout, check.timeout];
        let limit = limit.into_iter().filter(|limit| !limit.is_zero()).min().unwrap_or(LONGEST).min(LONGEST);
        let place = match (place, self.watch.port) {
            (Place::Tcp(address), Some(port)) => Place::Tcp((address.ip(), port).into()),
            (place, _) => place.clone(),
        };
        let asked = tokio::time::timeout(limit, self.ask(how, cluster, &place, limit));
        asked.await.ok().flatten()
    }

    async fn ask(
        &self,
        how: &ForwardingPlan,
        cluster: &Cluster,
        place: &Place,
        limit: Duration,
    ) -> Option<Vec<u8>> {
        let check = &self.watch.check;
        let label = cluster.label();
        let tls = self.watch.tls.then_some(label.as_bytes());
        if let Some(service) = &self.watch.service {
            let stream = reach(how, place, tls, limit).await?;
            let (place, label) = (place.clone(), label.as_bytes());
            return grpc::ask(stream, place, &check.target, label, tls.is_some(), service).await;
        }
        let mut stream = reach(how, place, tls, limit).await?;
        let Some(method) = &check.method else { return Some(Vec::new()) };
        let version: &[u8] = if check.modern { b" HTTP/1.1\r\nHost: " } else { b" HTTP/1.0\r\nHost: " };
        let head =
            [method, &b" "[..], &check.target, version, label.as_bytes(), b"\r\nConnection: close\r\n\r\n"];
        timed::write_all(&mut stream, &head.concat(), limit).await.ok()?;
        let content = self.watch.expects.iter().any(|expected| matches!(expected, Expectation::Content(..)));
        let mut answer = Vec::new();
        while answer.len() < ANSWER {
            let mut bytes = [0; 4096];
            let length = poll_fn(|cx| stream.poll_read(cx, &mut bytes)).await.ok()?;
            answer.extend_from_slice(&bytes[..length]);
            if length == 0 || (!content && memchr::memmem::find(&answer, b"\r\n\r\n").is_some()) {
                break;
            }
        }
        Some(answer)
    }

    /// Whether an answer is what it has to be.
    fn judge(&self, plan: &Plan, answer: Vec<u8>) -> bool {
        if self.watch.check.method.is_none() {
            return true;
        }
        let Some(whole) = Answer::read(answer) else { return false };
        let answer = whole.bytes.as_slice();
        // A head that does not end is none.
        let Some(end) = memchr::memmem::find(answer, b"\r\n\r\n") else { return false };
        let (head, content) = (&answer[..end], &answer[end + 4..]);
        let status = whole.status;
        let within = |ranges: &[(u16, u16)]| ranges.iter().any(|(from, to)| (*from..=*to).contains(&status));
        let value = |name: &[u8]| {
            let mut lines = head.split(|byte| *byte == b'\n').skip(1);
            lines.find_map(|line| {
                let colon = memchr::memchr(b':', line)?;
                line[..colon].trim_ascii().eq_ignore_ascii_case(name).then(|| line[colon + 1..].trim_ascii())
            })
        };
        if self.watch.expects.is_empty() && !within(&self.watch.check.statuses) {
            return false;
        }
        self.watch.expects.iter().zip(&self.patterns).all(|(expected, pattern)| {
            let matches = |text: &[u8]| pattern.as_ref().is_some_and(|it| it.is_match(text).unwrap_or(false));
            match expected {
                Expectation::Status(ranges, opposite) => within(ranges) != *opposite,
                Expectation::Field(name, opposite) => value(name).is_some() != *opposite,
                Expectation::Value(name, _, opposite) => value(name).is_some_and(matches) != *opposite,
                Expectation::Content(_, opposite) => matches(content) != *opposite,
                Expectation::Holds(value) => whole.holds(plan, &self.watch.check, value),
                Expectation::Served(other) => status == 200 && grpc::serves(&value, content, *other),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Check, Pattern, settings::Forwarding};

    fn fine(judge: &Judge, answer: &[u8]) -> bool {
        let plan = crate::plan::compile(crate::ir::Config::default()).unwrap();
        judge.judge(&plan, answer.to_vec())
    }

    fn judge(expects: Vec<Expectation>) -> Judge {
        let pattern = |expected: &Expectation| match expected {
            Expectation::Value(_, pattern, _) | Expectation::Content(pattern, _) => {
                Matcher::new(pattern).ok()
            }
            _ => None,
        };
        let patterns = expects.iter().map(pattern).collect();
        let check = Check {
            method: Some("GET".into()),
            modern: false,
            target: "/".into(),
            interval: Duration::from_secs(5),
            passes: 1,
            fails: 1,
            good: None,
            content: None,
            timeout: Duration::ZERO,
            statuses: vec![(200, 399)],
            contains: crate::ir::Text::new(),
        };
        let watch = Watch {
            check,
            jitter: Duration::ZERO,
            port: None,
            tls: false,
            mandatory: false,
            persistent: false,
            service: None,
            settings: Forwarding::default(),
            expects,
            span: crate::source::Span::NONE,
        };
        Judge { watch, patterns }
    }

    #[test]
    fn a_head_without_an_end_is_no_answer() {
        let endless = [b"HTTP/1.1 200 OK\r\n".as_slice(), &b"X: y\r\n".repeat(1000)].concat();
        assert!(!fine(&judge(Vec::new()), &endless));
    }

    #[test]
    fn answers_are_judged() {
        let welcome = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\nWelcome to this place!";
        let redirect = b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n";
        let usual = judge(Vec::new());
        assert!(fine(&usual, welcome) && fine(&usual, redirect));
        assert!(
            !fine(&usual, b"HTTP/1.1 404 No\r\n\r\n") && !fine(&usual, b"nonsense") && !fine(&usual, b"")
        );
        let body =
            |opposite| judge(vec![Expectation::Content(Pattern::regex(&b"Welcome"[..], false), opposite)]);
        assert!(fine(&body(false), welcome) && !fine(&body(true), welcome) && fine(&body(true), redirect));
        let kind = judge(vec![Expectation::Value("Content-Type".into(), Pattern::exact("text/html"), false)]);
        assert!(fine(&kind, welcome) && !fine(&kind, redirect));
        let field = judge(vec![Expectation::Field("location".into(), true)]);
        assert!(fine(&field, welcome) && !fine(&field, redirect));
        let status = judge(vec![Expectation::Status(vec![(301, 303), (307, 307)], true)]);
        assert!(fine(&status, welcome) && !fine(&status, redirect));
    }
}
