//! Waiting for the upstream's response head, past interim responses, while the client is watched.

use std::{future::poll_fn, task::Poll, time::Duration};

use super::{
    super::{
        connect::Connection,
        exchange::Exchange,
        http1::response::Parsed,
        scratch,
        timed::{self, Failure},
    },
    Outcome, Trouble, relay, system, timed_out,
};
use crate::{
    ir::{
        Forward, Protocol,
        settings::{Level, Retry},
    },
    plan::ForwardingPlan,
};

impl Exchange {
    /// Waits for the response head, and watches the client meanwhile.
    pub(super) async fn read_head(
        &mut self,
        forward: &Forward,
        how: &ForwardingPlan,
        mut connection: Connection,
        stale: bool,
    ) -> Outcome {
        self.facts.upstream.clear();
        self.facts.upstream_trailers.clear();
        let gateway = forward.protocol != Protocol::Http;
        let limit = usize::try_from(how.buffer_size).unwrap_or(usize::MAX);
        loop {
            let read = self.read_upstream(how, &mut connection).await;
            let failed = |status, kind, message: String| {
                Outcome::Failed(Trouble { kind, status, message, stale: false })
            };
            match read {
                Watched::ClientGone => return Outcome::ClientGone,
                Watched::Failed(Failure::TimedOut) => {
                    return Outcome::Failed(timed_out("reading response header from upstream", false));
                }
                Watched::Failed(Failure::Io(error)) => {
                    let message = format!(
                        "recv() failed ({}) while reading response header from upstream",
                        system(&error)
                    );
                    return Outcome::Failed(Trouble {
                        kind: Retry::Error,
                        status: 502,
                        message,
                        stale: stale && self.facts.upstream.is_empty(),
                    });
                }
                Watched::Read(0) => {
                    if self.facts.upstream.is_empty() || self.facts.upstream.starts_with(b"HTTP/") || gateway
                    {
                        let message = "upstream prematurely closed connection while reading response header from upstream".to_owned();
                        return Outcome::Failed(Trouble {
                            kind: Retry::Error,
                            status: 502,
                            message,
                            stale: stale && self.facts.upstream.is_empty(),
                        });
                    }
                    // Too short to tell before: content without a head.
                    self.facts.upstream_head.clear();
                    self.facts.upstream_head.version = 9;
                    self.facts.upstream_head.status = 200;
                    return Outcome::Head(connection);
                }
                Watched::Read(length) => {
                    if let Some(attempt) = self.facts.attempt() {
                        attempt.received += length as u64;
                    }
                }
            }
            let parsed = self.facts.upstream_head.parse(&self.facts.upstream, gateway);
            match parsed {
                Ok(Parsed::Partial) if self.facts.upstream.len() >= limit => {
                    return failed(
                        502,
                        Retry::InvalidHead,
                        "upstream sent too big header while reading response header from upstream".to_owned(),
                    );
                }
                Ok(Parsed::Partial) => {}
                Ok(Parsed::NoHead) if stale => {
                    return failed(
                        502,
                        Retry::InvalidHead,
                        "upstream sent no valid HTTP/1.0 header while reading response header from upstream"
                            .to_owned(),
                    );
                }
                Ok(Parsed::NoHead) => {
                    self.log(Level::Error, format_args!("upstream sent no valid HTTP/1.0 header while reading response header from upstream"));
                    self.facts.upstream_head.clear();
                    self.facts.upstream_head.version = 9;
                    self.facts.upstream_head.status = 200;
                    return Outcome::Head(connection);
                }
                Ok(Parsed::Whole) if self.facts.upstream_head.length > limit => {
                    return failed(
                        502,
                        Retry::InvalidHead,
                        "upstream sent too big header while reading response header from upstream".to_owned(),
                    );
                }
                // Interim responses (RFC 9110 § 15.2) are passed on to clients that know them, 100 is answered by us.
                Ok(Parsed::Whole) if matches!(self.facts.upstream_head.status, 100 | 102..=199) => {
                    if self.interim().await.is_err() {
                        return Outcome::ClientGone;
                    }
                    if !self.facts.upstream.is_empty() {
                        // What follows may already hold the next head: look again without reading.
                        match self.facts.upstream_head.parse(&self.facts.upstream, gateway) {
                            Ok(Parsed::Whole)
                                if !matches!(self.facts.upstream_head.status, 100 | 102..=199) =>
                            {
                                return self.have_head(connection);
                            }
                            _ => {}
                        }
                    }
                }
                Ok(Parsed::Whole) => return self.have_head(connection),
                Err(refusal) => {
                    let line = refusal.line.of(&self.facts.upstream).escape_ascii();
                    let message = format!(
                        "upstream sent {}: \"{line}\" while reading response header from upstream",
                        refusal.reason
                    );
                    return failed(502, Retry::InvalidHead, message);
                }
            }
        }
    }

    fn have_head(&mut self, connection: Connection) -> Outcome {
        if let Some(attempt) = self.facts.attempt() {
            attempt.head = attempt.began.map(|began| began.elapsed());
        }
        Outcome::Head(connection)
    }

    /// Passes an interim response on and takes it out of the buffer.
    async fn interim(&mut self) -> Result<(), Failure> {
        let head = &self.facts.upstream_head;
        let (status, length) = (head.status, head.length);
        if status != 100 && self.facts.head.version == 11 {
            let text = self.facts.upstream[..length].to_vec();
            timed::write_all(&mut self.stream, &text, Duration::from_mins(1)).await?;
        }
        self.facts.upstream.drain(..length);
        Ok(())
    }

    /// Reads from the upstream, and notices when the client leaves.
    async fn read_upstream(&mut self, how: &ForwardingPlan, connection: &mut Connection) -> Watched {
        let watch = !how.ignore_client_abort && self.content.is_done();
        let (client, buffer) = (&mut self.stream, &mut self.facts.buffer);
        let into = &mut self.facts.upstream;
        let read = poll_fn(|cx| {
            scratch::with(|bytes| {
                let max = bytes.len().min(32 * 1024);
                match connection.stream.poll_read(cx, &mut bytes[..max]) {
                    Poll::Ready(Ok(length)) => {
                        into.extend_from_slice(&bytes[..length]);
                        return Poll::Ready(Ok(Some(length)));
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {}
                }
                if watch && relay::client_left(client, buffer, cx, bytes) {
                    Poll::Ready(Ok(None))
                } else {
                    Poll::Pending
                }
            })
        });
        match self.timer.within(how.read_timeout, read).await {
            Ok(Some(length)) => Watched::Read(length),
            Ok(None) => Watched::ClientGone,
            Err(failure) => Watched::Failed(failure),
        }
    }
}

/// What happened first.
enum Watched {
    Read(usize),
    Failed(Failure),
    ClientGone,
}
