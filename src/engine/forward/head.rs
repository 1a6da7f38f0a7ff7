//! Waiting for the upstream's response head, past interim responses, while the client is watched.

use std::{future::poll_fn, task::Poll, time::Duration};

use super::{
    super::{
        clock,
        connect::Connection,
        exchange::Exchange,
        http1::{field::Known, response::Parsed},
        scratch,
        timed::{self, Failure},
    },
    Outcome, Trouble, relay, system, timed_out,
    upload::{Halt, Stalled},
};
use crate::{
    ir::{
        Forward, Protocol,
        settings::{Fault, Level, Retry},
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
        let failed = |status, kind, message: String| {
            Outcome::Failed(Trouble { kind, fault: Fault::InvalidHead, status, message, stale: false })
        };
        let prematurely = |stale| {
            let message =
                "upstream prematurely closed connection while reading response header from upstream"
                    .to_owned();
            Outcome::Failed(Trouble { kind: Retry::Error, fault: Fault::Closed, status: 502, message, stale })
        };
        // What follows an interim response was read with it, and is looked at before more is read.
        let mut more = true;
        loop {
            if more {
                match self.read_upstream(how, &mut connection).await {
                    Watched::ClientGone => return Outcome::ClientGone,
                    Watched::Halted(halt) => return Outcome::Refused(self.log_halt(&halt)),
                    Watched::Moved => continue,
                    Watched::Stalled(Stalled::Client) => {
                        self.log(Level::Info, format_args!("client timed out (110: Connection timed out) while reading client request body"));
                        return Outcome::Refused(408);
                    }
                    Watched::Stalled(Stalled::Upstream) => {
                        return Outcome::Failed(timed_out(
                            Fault::SendTimeout,
                            "sending request to upstream",
                            false,
                        ));
                    }
                    Watched::Failed(Failure::TimedOut) => {
                        return Outcome::Failed(timed_out(
                            Fault::ReadTimeout,
                            "reading response header from upstream",
                            false,
                        ));
                    }
                    Watched::Failed(Failure::Io(error)) => {
                        let message = format!(
                            "recv() failed ({}) while reading response header from upstream",
                            system(&error)
                        );
                        let stale = stale && self.facts.upstream.is_empty();
                        let (kind, fault) = (Retry::Error, Fault::Closed);
                        return Outcome::Failed(Trouble { kind, fault, status: 502, message, stale });
                    }
                    Watched::Read(0) => {
                        return prematurely(stale && self.facts.upstream.is_empty());
                    }
                    Watched::Read(length) => {
                        if let Some(attempt) = self.facts.attempt() {
                            attempt.received += length as u64;
                        }
                    }
                }
            }
            more = true;
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
                    return self.headless(connection);
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
                    more = self.facts.upstream.is_empty();
                }
                Ok(Parsed::Whole) => return self.have_head(connection),
                Err(refusal) => {
                    let line = refusal.line.of(&self.facts.upstream).escape_ascii();
                    let bad = refusal.bad.map(|byte| format!("\\x{byte:02x}...")).unwrap_or_default();
                    let line = if refusal.line.is_empty() && bad.is_empty() {
                        String::new()
                    } else {
                        format!(": \"{line}{bad}\"")
                    };
                    let message = format!(
                        "upstream sent {}{line} while reading response header from upstream",
                        refusal.reason
                    );
                    return failed(502, Retry::InvalidHead, message);
                }
            }
        }
    }

    fn have_head(&mut self, connection: Connection) -> Outcome {
        if let Some(attempt) = self.facts.attempt() {
            attempt.head = Some(clock::moment());
        }
        Outcome::Head(connection)
    }

    /// Passes an interim response on and takes it out of the buffer.
    async fn interim(&mut self) -> Result<(), Failure> {
        let head = &self.facts.upstream_head;
        let (status, length) = (head.status, head.length);
        if status != 100 && self.facts.head.version == 11 {
            // Written anew: neither line ends that others read differently nor anything about framing are passed on.
            let mut text = [b"HTTP/1.1 ", head.status_text.of(&self.facts.upstream), b"\r\n"].concat();
            for field in head.fields.iter().filter(|field| {
                !matches!(
                    field.known,
                    Known::Connection | Known::KeepAlive | Known::TransferEncoding | Known::ContentLength
                )
            }) {
                text.extend_from_slice(field.name.of(&self.facts.upstream));
                text.extend_from_slice(b": ");
                text.extend_from_slice(field.value.of(&self.facts.upstream));
                text.extend_from_slice(b"\r\n");
            }
            text.extend_from_slice(b"\r\n");
            timed::write_all(&mut self.stream, &text, Duration::from_mins(1)).await?;
        }
        self.facts.upstream.drain(..length);
        Ok(())
    }

    /// Takes what came for content without a head (HTTP/0.9).
    fn headless(&mut self, connection: Connection) -> Outcome {
        self.facts.upstream_head.clear();
        self.facts.upstream_head.version = 9;
        self.facts.upstream_head.status = 200;
        self.have_head(connection)
    }

    /// Reads from the upstream, moves the upload along, and notices when the client leaves.
    async fn read_upstream(&mut self, how: &ForwardingPlan, connection: &mut Connection) -> Watched {
        let Self { stream: client, upload, facts, content, timer, .. } = self;
        let deadline = upload.as_ref().and_then(|upload| upload.deadline());
        let reads_client = upload.as_ref().is_some_and(|upload| upload.reads_client());
        let watch = !how.ignore_client_abort && !reads_client && content.is_done();
        let (buffer, into) = (&mut facts.buffer, &mut facts.upstream);
        let read = poll_fn(|cx| {
            if let Some(upload) = upload {
                match upload.poll(client, buffer, &mut connection.stream, cx) {
                    Ok(false) => {}
                    Ok(true) => return Poll::Ready(Ok(Watched::Moved)),
                    Err(halt) => return Poll::Ready(Ok(Watched::Halted(halt))),
                }
            }
            scratch::with(|bytes| {
                let max = bytes.len().min(32 * 1024);
                match connection.stream.poll_read(cx, &mut bytes[..max]) {
                    Poll::Ready(Ok(length)) => {
                        into.extend_from_slice(&bytes[..length]);
                        return Poll::Ready(Ok(Watched::Read(length)));
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {}
                }
                if watch && relay::client_left(client, buffer, cx, bytes) {
                    Poll::Ready(Ok(Watched::ClientGone))
                } else {
                    Poll::Pending
                }
            })
        });
        // The time for the answer runs when the request is sent.
        let limit = match deadline {
            Some((at, _)) => {
                at.saturating_duration_since(clock::moment().into()).max(Duration::from_millis(1))
            }
            None => how.read_timeout,
        };
        match (timer.within(limit, read).await, deadline) {
            (Ok(watched), _) => watched,
            (Err(Failure::TimedOut), Some((_, whose))) => Watched::Stalled(whose),
            (Err(failure), _) => Watched::Failed(failure),
        }
    }
}

/// What happened first.
enum Watched {
    Read(usize),
    /// Some of the request's content went on its way.
    Moved,
    Stalled(Stalled),
    Halted(Halt),
    Failed(Failure),
    ClientGone,
}
