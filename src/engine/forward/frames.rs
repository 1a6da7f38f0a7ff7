//! One try over HTTP/2: a stream on a connection that other requests may share.
//!
//! What an upstream says that it has not begun with, because it goes away or
//! has too much to do, is sent once more on another connection, whatever its
//! method (RFC 9113 § 8.7), as long as its content is still at hand.

use super::{
    super::{
        clock,
        connect::Connection,
        exchange::Exchange,
        http2::{self, Call, Link},
        pool::Key,
        scratch,
        stream::Stream,
        timed::{self, Failure},
        upstream_tls,
    },
    Destination, Outcome, Request, Trouble, Upload, timed_out,
};
use crate::{
    ir::{
        Forward, Protocol,
        settings::{self, Retry},
    },
    plan::{ForwardingPlan, Plan},
};

impl Exchange {
    /// Sends the request over HTTP/2, and waits for the head of the response.
    pub(super) async fn attempt_frames(
        &mut self,
        plan: &Plan,
        forward: &Forward,
        how: &ForwardingPlan,
        to: &Destination,
        (key, tls): (Key, Option<upstream_tls::Client>),
        request: &Request,
    ) -> Outcome {
        let head = match http2::request(&request.head, to.tls) {
            Ok(head) => head,
            Err(what) => {
                let message = format!("{what} that HTTP/2 cannot have while sending request to upstream");
                let (kind, fault) = (Retry::InvalidHead, settings::Fault::Unreachable);
                return Outcome::Failed(Trouble { kind, fault, status: 500, message, stale: false });
            }
        };
        let kept = to.idle.as_ref().and_then(|limits| self.worker.links.take(&key, limits, clock::moment()));
        let stale = kept.is_some();
        let link = match kept {
            Some(link) => link,
            None => match self.link(how, to, key, tls).await {
                Ok(link) => link,
                Err(outcome) => return outcome,
            },
        };
        if let Some(attempt) = self.facts.attempt() {
            attempt.connected = Some(clock::moment());
        }
        let mut content = scratch::take();
        content.extend_from_slice(self.content_at_hand(how, request));
        let trailers = match request.protocol {
            Protocol::Grpc if !request.streamed => http2::request_trailers(self.content.trailers()),
            _ => None,
        };
        let more = request.streamed
            || trailers.is_some()
            || (request.replaced.is_none() && how.pass_content && self.content.in_file());
        let length = (!more).then_some(content.len() as u64);
        let call = match Call::begin(&link, head, length) {
            Ok(call) => call,
            Err(fault) => {
                link.close();
                return Outcome::Failed(self.unsent(&fault, stale));
            }
        };
        let mut connection = Connection {
            stream: Stream::Call(Box::new(call)),
            key: link.key().clone(),
            opened: link.opened(),
            requests: link.requests(),
            records: None,
        };
        let sent = timed::write_all(&mut connection.stream, &content, how.send_timeout).await;
        self.count_sent((request.head.len() + content.len()) as u64);
        scratch::give(content);
        if let (Some(trailers), Stream::Call(call)) = (trailers, &mut connection.stream) {
            call.finish(Some(trailers));
        }
        match sent.and_then(|()| self.begin_rest(how, &connection, request).map_err(Failure::Io)) {
            Err(Failure::TimedOut) => {
                let fault = settings::Fault::SendTimeout;
                return Outcome::Failed(timed_out(fault, "sending request to upstream", stale));
            }
            // The upstream may have answered before it closed: what it said counts.
            Ok(()) | Err(Failure::Io(_)) => {}
        }
        let outcome = self.read_head(plan, forward, how, request, connection, stale).await;
        self.count_upload();
        outcome
    }

    /// A new connection.
    async fn link(
        &mut self,
        how: &ForwardingPlan,
        to: &Destination,
        key: Key,
        tls: Option<upstream_tls::Client>,
    ) -> Result<Link, Outcome> {
        let (connection, _) = self.connect(how, &key.place.clone(), key, tls, &[]).await?;
        let Connection { stream, key, .. } = connection;
        let link = self.worker.links.open(stream, key, to.idle.as_ref()).await;
        link.map_err(|error| {
            let message = format!("HTTP/2 could not begin ({error}) while connecting to upstream");
            let (kind, fault) = (Retry::Error, settings::Fault::Unreachable);
            Outcome::Failed(Trouble { kind, fault, status: 502, message, stale: false })
        })
    }

    /// Content that is in memory and to be sent.
    fn content_at_hand<'r>(&'r self, how: &ForwardingPlan, request: &'r Request) -> &'r [u8] {
        match &request.replaced {
            Some(content) => content,
            None if how.pass_content && !request.streamed => &self.facts.content,
            None => &[],
        }
    }

    /// Why a request over HTTP/2 failed, if it did.
    pub(super) fn failed_call<'c>(&self, connection: &'c Connection) -> Option<&'c http2::Fault> {
        match &connection.stream {
            Stream::Call(call) => call.fault(),
            _ => None,
        }
    }

    /// What the failure of a request over HTTP/2 comes to before there is a head. `reused` says that its connection
    /// carried others before.
    pub(super) fn give_call_up(&mut self, connection: &Connection, reused: bool) -> Outcome {
        let fault = self.failed_call(connection).cloned().unwrap_or(http2::Fault::Closed);
        let silent = self.facts.upstream.is_empty();
        Outcome::Failed(self.unsent(&fault, reused && silent))
    }

    fn unsent(&mut self, fault: &http2::Fault, reused: bool) -> Trouble {
        let message = format!("upstream {fault} while reading response header from upstream");
        let unprocessed = matches!(fault, http2::Fault::Unprocessed(..));
        self.count_upload();
        if unprocessed
            && self.upload.as_deref_mut().is_none_or(Upload::rewind)
            && let Some(attempt) = self.facts.attempt()
        {
            // As if it had not been sent, whatever its method.
            attempt.sent = 0;
        }
        // A kept connection that goes away says nothing about the upstream; one that was just made does.
        let stale = reused && (unprocessed || *fault == http2::Fault::Closed);
        let (kind, fault) = match fault {
            _ if stale => (Retry::Error, settings::Fault::Closed),
            http2::Fault::Closed => (Retry::Error, settings::Fault::Closed),
            _ => (Retry::InvalidHead, settings::Fault::InvalidHead),
        };
        Trouble { kind, fault, status: 502, message, stale }
    }
}
