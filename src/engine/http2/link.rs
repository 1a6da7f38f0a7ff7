//! Connections to upstreams over HTTP/2 (RFC 9113), which a worker's requests share.
//!
//! A task of its own moves each connection's frames, so that several requests
//! can be under way on it. Where a cluster keeps idle connections, requests
//! join one that is open as long as both sides allow another stream; where it
//! keeps none, a connection carries one request, as in HTTP/1.1.

use std::{
    cell::{Cell, RefCell},
    fmt,
    future::{Future as _, poll_fn},
    pin::{Pin, pin},
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
    time::Instant,
};

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};

use super::{
    super::{clock, clock::Turns, pool::Key, stream::Stream},
    CLOSING, SEND_BUFFER, STREAM_WINDOW,
    wire::Below,
};
use crate::{ir::IdleConnections, plan::hash::Map};

/// Requests that are under way on one connection at once.
const STREAMS: u32 = 64;

/// The longest head of a response, bytes as the protocol counts them (RFC 9113 § 6.5.2).
pub const HEAD: u32 = 64 * 1024;

/// A connection, as a request takes it.
#[derive(Clone)]
pub struct Link {
    state: Rc<State>,
    send: SendRequest<Bytes>,
}

/// What the requests on a connection and its task know of it.
pub(super) struct State {
    key: Key,
    opened: Instant,
    requests: Cell<u64>,
    active: Cell<u32>,
    /// Whether another request may begin.
    open: Cell<bool>,
    /// Since when nothing is under way.
    idle: Cell<Instant>,
    /// Bytes of content sent.
    pub(super) sent: Cell<u64>,
    /// Those that it is one of, where it is shared.
    links: Weak<Shelf>,
}

/// A worker's connections.
#[derive(Debug, Default)]
pub struct Links(Rc<Shelf>);

#[derive(Debug, Default)]
struct Shelf(RefCell<Map<u64, Kept>>);

/// Those of a cluster, oldest first.
#[derive(Debug)]
struct Kept {
    links: Vec<Link>,
    limits: IdleConnections,
}

impl Links {
    /// A connection that may carry another request. Those that may not, or were idle for too long, are let go.
    pub fn take(&self, key: &Key, limits: &IdleConnections, now: Instant) -> Option<Link> {
        let mut clusters = self.0.0.borrow_mut();
        let kept = clusters.get_mut(&key.cluster)?;
        kept.limits = *limits;
        kept.links.retain_mut(|link| link.lasts(limits, now));
        kept.links.iter_mut().find(|link| link.state.key == *key && link.has_room()).map(|link| link.clone())
    }

    /// Begins HTTP/2 on a stream; the connection is shared where settings keep any.
    pub async fn open(
        &self,
        stream: Stream,
        key: Key,
        limits: Option<&IdleConnections>,
    ) -> Result<Link, h2::Error> {
        stream.send_promptly();
        let wire = Below::new(stream);
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            // A stream whose client is slow does not hold up the others.
            .initial_connection_window_size(STREAM_WINDOW * STREAMS)
            .max_header_list_size(HEAD)
            .max_send_buffer_size(SEND_BUFFER);
        // Nothing is waited for: what it writes is gathered.
        let (send, frames) = builder.handshake::<_, Bytes>(wire.clone()).await?;
        let limits = limits.filter(|limits| limits.max > 0);
        let now = clock::moment();
        let state = Rc::new(State {
            opened: now,
            requests: Cell::new(0),
            active: Cell::new(0),
            open: Cell::new(true),
            idle: Cell::new(now),
            sent: Cell::new(0),
            links: limits.map(|_| Rc::downgrade(&self.0)).unwrap_or_default(),
            key,
        });
        let link = Link { state: Rc::clone(&state), send };
        if let Some(limits) = limits {
            let mut clusters = self.0.0.borrow_mut();
            let kept = clusters
                .entry(link.state.key.cluster)
                .or_insert_with(|| Kept { links: Vec::new(), limits: *limits });
            kept.links.push(link.clone());
        }
        tokio::task::spawn_local(Turns(Box::pin(run(frames, wire, state))));
        Ok(link)
    }

    /// Begins no more requests on any of them; those under way end as they would.
    pub fn clear(&self) {
        self.0.0.borrow_mut().clear();
    }
}

impl Shelf {
    /// Lets idle connections of a cluster go that are too many, old or closed.
    fn tidy(&self, cluster: u64, now: Instant) {
        let Ok(mut clusters) = self.0.try_borrow_mut() else { return };
        let Some(Kept { links, limits }) = clusters.get_mut(&cluster) else { return };
        links.retain_mut(|link| link.lasts(limits, now));
        let mut more = links.iter().filter(|link| link.state.active.get() == 0).count();
        links.retain(|link| {
            let drops = more > limits.max as usize && link.state.active.get() == 0;
            more -= usize::from(drops);
            !drops
        });
        if links.is_empty() {
            clusters.remove(&cluster);
        }
    }
}

impl Link {
    /// What it leads to.
    pub fn key(&self) -> &Key {
        &self.state.key
    }

    /// When it was made.
    pub fn opened(&self) -> Instant {
        self.state.opened
    }

    /// Requests that it carried, those under way included.
    pub fn requests(&self) -> u64 {
        self.state.requests.get()
    }

    /// Lets no other request begin on it.
    pub fn close(&self) {
        self.state.close();
    }

    /// Counts a request that begins.
    pub(super) fn begin(&self) -> (Rc<State>, SendRequest<Bytes>) {
        let state = &self.state;
        state.requests.set(state.requests.get() + 1);
        state.active.set(state.active.get() + 1);
        (Rc::clone(state), self.send.clone())
    }

    /// Whether it is kept: open, and neither worn nor idle for too long.
    fn lasts(&mut self, limits: &IdleConnections, now: Instant) -> bool {
        let state = &self.state;
        let active = state.active.get() > 0;
        let fits = state.open.get()
            && state.requests.get() < limits.requests
            && now.saturating_duration_since(state.opened) <= limits.time
            && (active || now.saturating_duration_since(state.idle.get()) < limits.timeout);
        // The peer may have said that it goes away.
        fits && !matches!(self.send.poll_ready(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err(_)))
    }

    /// Whether another stream may be under way.
    fn has_room(&self) -> bool {
        let allowed = self.send.current_max_send_streams();
        let active = self.state.active.get();
        active < STREAMS && (active as usize) < allowed
    }
}

impl State {
    /// Lets no other request begin.
    pub(super) fn close(&self) {
        self.open.set(false);
    }

    /// Counts a request that ended.
    pub(super) fn end(&self) {
        self.active.set(self.active.get().saturating_sub(1));
        if self.active.get() > 0 {
            return;
        }
        let now = clock::moment();
        self.idle.set(now);
        if let Some(links) = self.links.upgrade() {
            links.tidy(self.key.cluster, now);
        }
    }
}

/// Moves a connection's frames until it is over.
async fn run(mut frames: Connection<Below, Bytes>, wire: Below, state: Rc<State>) {
    poll_fn(|cx| {
        let done = Pin::new(&mut frames).poll(cx);
        if wire.is_flooded(&state.sent) {
            return Poll::Ready(());
        }
        // Where nothing can be written, reading tells: an answer may have come before.
        let _ = wire.poll_write_out(cx);
        done.map(drop)
    })
    .await;
    state.open.set(false);
    drop(frames);
    let rest = pin!(poll_fn(|cx| wire.poll_write_out(cx)));
    let _ = tokio::time::timeout(CLOSING, rest).await;
    if let Some(links) = state.links.upgrade() {
        links.tidy(state.key.cluster, clock::moment());
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("key", &self.state.key)
            .field("requests", &self.state.requests.get())
            .field("active", &self.state.active.get())
            .field("open", &self.state.open.get())
            .finish_non_exhaustive()
    }
}
