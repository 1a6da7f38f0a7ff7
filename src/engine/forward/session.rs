//! Requests of one session go to one endpoint; requests that no endpoint takes wait.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use super::{
    super::{
        balance::{Cluster, Pick, Tried},
        clock,
        exchange::Exchange,
        facts::cookie,
        identifier::cookie_date,
        scratch,
    },
    relay::client_left,
    request::is_field_value,
};
use crate::ir::{
    Affinity, Template,
    settings::{Level, Lifetime},
};

/// What came of waiting.
pub(super) enum Waited {
    Picked(Pick),
    /// There was no place to wait at, or it took too long.
    InVain,
    ClientGone,
}

impl Exchange {
    /// What the session of the request calls its endpoint.
    pub(super) fn session_of(&mut self, cluster: &Cluster) -> Option<Vec<u8>> {
        match cluster.affinity()? {
            Affinity::Cookie { name, .. } => {
                let value = self.facts.fields(b"cookie").find_map(|line| cookie(line, name));
                value.filter(|value| !value.is_empty()).map(<[u8]>::to_vec)
            }
            Affinity::Route(routes) => self.first_value(routes),
            Affinity::Learned { goes_on, lasts, .. } => {
                let session = self.first_value(goes_on)?;
                cluster.learned(&session, *lasts)
            }
        }
    }

    fn first_value(&mut self, templates: &[Template]) -> Option<Vec<u8>> {
        templates.iter().map(|template| self.value(template)).find(|value| !value.is_empty())
    }

    /// Takes note of the endpoint whose head is there: `wanted` is the one that the session asked for.
    pub(super) fn begin_session(&mut self, cluster: &Cluster, pick: &Pick, wanted: Option<&[u8]>) {
        match cluster.affinity() {
            Some(Affinity::Cookie { name, lasts, attributes })
                if wanted != Some(pick.session().as_bytes()) =>
            {
                let mut line = [name, &b"="[..], pick.session().as_bytes()].concat();
                match lasts {
                    Lifetime::Session => {}
                    Lifetime::Longest => line.extend_from_slice(b"; expires=Thu, 31-Dec-37 23:55:55 GMT"),
                    Lifetime::For(time) => {
                        let at = self.worker.clock.now().as_secs().saturating_add(time.as_secs());
                        line.extend_from_slice(b"; expires=");
                        line.extend_from_slice(cookie_date(at).as_bytes());
                    }
                }
                for (attribute, value) in attributes {
                    let value = value.as_ref().map(|value| self.value(value));
                    if value.as_ref().is_some_and(Vec::is_empty) {
                        continue;
                    }
                    line.extend_from_slice(b"; ");
                    line.extend_from_slice(attribute);
                    if let Some(value) = value {
                        line.push(b'=');
                        line.extend_from_slice(&value);
                    }
                }
                if is_field_value(&line) {
                    self.facts.session_cookie = Some(line);
                } else {
                    let line = line.escape_ascii();
                    self.log(
                        Level::Error,
                        format_args!("a session's cookie holds a line end or NUL: \"{line}\""),
                    );
                }
            }
            Some(Affinity::Learned { at_head: true, .. }) => self.end_session(cluster, pick),
            _ => {}
        }
    }

    /// Remembers a session that the endpoint began.
    pub(super) fn end_session(&mut self, cluster: &Cluster, pick: &Pick) {
        let Some(Affinity::Learned { begins, lasts, .. }) = cluster.affinity() else { return };
        if let Some(session) = self.first_value(begins) {
            cluster.learn(&session, pick, *lasts);
        }
    }

    /// Waits for an endpoint that takes the request.
    pub(super) async fn wait_in_line(
        &mut self,
        cluster: &Cluster,
        fresh: impl Fn(&mut Self) -> Tried,
    ) -> (Waited, Tried) {
        let Some((queue, line)) = cluster.queue() else { return (Waited::InVain, fresh(self)) };
        let Some(place) = line.join(queue.places) else {
            self.log(Level::Error, format_args!("upstream queue is full while connecting to upstream"));
            return (Waited::InVain, fresh(self));
        };
        let began = clock::moment();
        loop {
            let left = queue.timeout.saturating_sub(clock::since(began));
            if left.is_zero() {
                self.log(Level::Error, format_args!("upstream queue timed out while connecting to upstream"));
                return (Waited::InVain, fresh(self));
            }
            // An endpoint may come back without anybody saying so.
            let pause = tokio::time::timeout(left.min(Duration::from_millis(250)), place.0.told.notified());
            let mut pause = pin!(pause);
            let gone = poll_fn(|cx| {
                let gone =
                    scratch::with(|bytes| client_left(&mut self.stream, &mut self.facts.buffer, cx, bytes));
                if gone {
                    return Poll::Ready(true);
                }
                pause.as_mut().poll(cx).map(|_| false)
            });
            if gone.await {
                return (Waited::ClientGone, fresh(self));
            }
            let mut tried = fresh(self);
            if let Some(pick) = cluster.pick(&mut tried) {
                return (Waited::Picked(pick), tried);
            }
        }
    }
}
