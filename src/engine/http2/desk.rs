//! Tasks that carry one exchange after another.
//!
//! A task and the state of an exchange are kilobytes that would be allocated,
//! moved and freed for each stream (3,000 of 16,700 instructions of a small
//! request). So a task that has ended an exchange waits for another stream of
//! its connection, up to so many of them, and goes when the connection rests.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
};

use super::{
    super::{
        clock::Turns,
        connection::hand_over,
        exchange::{End, Exchange},
        stream::Stream,
    },
    Duplex,
    frame::Code,
    head::Refused,
};

/// Tasks of a connection that wait.
const WAITING: usize = 16;

/// What is to be done with an exchange whose head was read: the listener, and why the head is refused.
pub(super) type Job = (usize, Result<(), Refused>);

/// The tasks of a connection that wait for a stream.
#[derive(Default)]
pub(super) struct Desks {
    waiting: RefCell<Vec<Rc<Desk>>>,
    closed: Cell<bool>,
}

/// Where a task waits.
struct Desk {
    exchange: Cell<Option<Box<Exchange>>>,
    job: Cell<Option<Job>>,
    task: RefCell<Option<Waker>>,
    over: Cell<bool>,
}

impl Desks {
    /// Runs an exchange: `fill` gets one that was there before, or else makes one, and gives it back with what is to be
    /// done.
    pub(super) fn begin(self: &Rc<Self>, fill: impl FnOnce(Option<Box<Exchange>>) -> (Box<Exchange>, Job)) {
        let Some(desk) = self.waiting.borrow_mut().pop() else {
            let (exchange, job) = fill(None);
            let desk = Desk {
                exchange: Cell::new(Some(exchange)),
                job: Cell::new(Some(job)),
                task: RefCell::default(),
                over: Cell::new(false),
            };
            tokio::task::spawn_local(Turns(Box::pin(work(Rc::new(desk), Rc::clone(self)))));
            return;
        };
        let (exchange, job) = fill(desk.exchange.take());
        desk.exchange.set(Some(exchange));
        desk.job.set(Some(job));
        desk.wake();
    }

    /// Whether any task waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }

    /// Lets those go that wait.
    pub(super) fn rest(&self) {
        for desk in self.waiting.take() {
            desk.over.set(true);
            desk.wake();
        }
    }

    /// The connection is over: who ends an exchange from now on goes, too.
    pub(super) fn close(&self) {
        self.closed.set(true);
        self.rest();
    }

    /// A task has ended an exchange; whether it is to wait for another.
    fn keep(&self, desk: &Rc<Desk>) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        if self.closed.get() || waiting.len() >= WAITING {
            return false;
        }
        waiting.push(Rc::clone(desk));
        true
    }
}

impl Desk {
    fn wake(&self) {
        if let Some(task) = &*self.task.borrow() {
            task.wake_by_ref();
        }
    }
}

/// Does one job after another.
async fn work(desk: Rc<Desk>, desks: Rc<Desks>) {
    loop {
        let job = poll_fn(|cx| {
            if desk.over.get() {
                return Poll::Ready(None);
            }
            let job = desk.job.take();
            if job.is_none() {
                desk.task.borrow_mut().get_or_insert_with(|| cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(job)
        });
        let Some((listener, read)) = job.await else { return };
        let Some(mut exchange) = desk.exchange.take() else { return };
        let writing = Rc::clone(&exchange.worker);
        writing.counters().add_writing(1);
        let end = match read {
            Ok(()) => exchange.run_in_time(listener).await,
            Err((status, reason)) => exchange.refuse_frames(listener, status, reason).await,
        };
        writing.counters().add_writing(-1);
        if let End::Tunnel(tunnel) = end {
            hand_over(exchange, tunnel);
            return;
        }
        let Stream::Frames(stream) = &mut exchange.stream else { return };
        leave(stream, matches!(end, End::Abort), exchange.facts.logged_status);
        desk.exchange.set(Some(exchange));
        if !desks.keep(&desk) {
            return;
        }
    }
}

/// Ends a stream whose exchange is over.
fn leave(stream: &mut Duplex, aborted: bool, status: Option<u16>) {
    if aborted {
        // As observed: an answer that is refused differs from one that broke off.
        let refused = matches!(status, Some(444 | 408));
        stream.abort(if refused { Code::PROTOCOL_ERROR } else { Code::INTERNAL_ERROR });
    } else {
        stream.finish(&[]);
        stream.close();
    }
}
