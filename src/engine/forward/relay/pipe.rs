//! Content that goes from the upstream to the client without entering this process, where nothing has to look at it and
//! the client keeps up (see [`crate::engine::splice`]).

use std::task::{Context, Poll};

use tokio::time::Instant;

use super::{
    super::super::{
        clock,
        response::Framing,
        splice::{Flow, MUCH, Pipe, ROOM},
    },
    Ending, From, Relay,
};

impl Relay<'_> {
    /// How much of the content may go by a pipe now; 0 is none.
    fn by_pipe(&self) -> usize {
        let left = match self.from {
            From::Length(left) => usize::try_from(left).unwrap_or(usize::MAX),
            From::Close => usize::MAX,
            _ => return 0,
        };
        let as_it_is = matches!(self.to, Framing::Length(_) | Framing::Close)
            && self.filters.is_none()
            && self.window.is_none()
            && self.deposits.iter().all(Option::is_none)
            && self.bounds.limit.rate == 0
            && self.bounds.read_rate == 0;
        let at_once = self.waiting() == 0 && self.spill.is_none() && !self.gone;
        // Of what has a length it is known that much follows.
        let bulk = self.flow.is_bulk(matches!(self.from, From::Length(_)));
        if bulk && as_it_is && at_once && left >= MUCH { left.min(ROOM) } else { 0 }
    }

    /// Moves some content by a pipe; `None` is that it has to be read.
    pub(super) fn poll_pipe(&mut self, cx: &mut Context<'_>) -> Result<Option<bool>, Ending> {
        let most = self.by_pipe();
        if most == 0 {
            return Ok(None);
        }
        let (Some(upstream), Some(client)) = (self.upstream.bare(), self.client.bare()) else {
            return Ok(None);
        };
        let Some(mut pipe) = self.pipe.take().or_else(Pipe::take) else { return Ok(None) };
        let length = match pipe.poll_fill(upstream, most, cx).map_err(Ending::UpstreamFailed)? {
            Poll::Pending => {
                pipe.give();
                return Ok(Some(false));
            }
            Poll::Ready(Some(length)) if length > 0 => length,
            // The read that follows finds out.
            Poll::Ready(_) => return Ok(None),
        };
        let now = Instant::from(clock::moment());
        self.last_read = now;
        self.received += length as u64;
        self.content += length as u64;
        let mut slow = false;
        while pipe.held() > 0 {
            match pipe.poll_drain(client, cx) {
                Poll::Ready(Ok(length)) if length > 0 => {
                    self.sent += length as u64;
                    self.last_write = now;
                }
                Poll::Ready(Err(error)) if !self.bounds.ignore_abort => {
                    return Err(Ending::ClientGone(Some(error)));
                }
                Poll::Ready(Err(_)) => {
                    self.gone = true;
                    break;
                }
                Poll::Ready(Ok(_)) | Poll::Pending => {
                    slow = true;
                    break;
                }
            }
        }
        self.flow.note(length);
        if slow {
            // What it did not take waits like everything else, and the upstream does not.
            let rest = pipe.read().map_err(Ending::UpstreamFailed)?;
            self.keep_for_later(&rest);
            self.flow = Flow::default();
            pipe.give();
        } else {
            self.pipe = Some(pipe).filter(|pipe| pipe.held() == 0);
        }
        if let From::Length(left) = &mut self.from {
            *left -= length as u64;
            if *left == 0 {
                self.end()?;
            }
        }
        Ok(Some(true))
    }
}
