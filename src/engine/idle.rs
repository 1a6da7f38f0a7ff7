//! Connections to be woken when something changes that they do not read: a stop begins, another plan is in force, room is
//! needed for others.
//!
//! A connection sits down once; waiting for its next request costs next to nothing then. Where there are as many as may
//! be, those that wait longest are let go, as nginx does (<https://nginx.org/r/worker_connections>; observed: 1.22.1).

use std::{
    cell::RefCell,
    pin::pin,
    rc::Rc,
    task::{Poll, Waker},
};

/// How many are let go at once: so many in this share, and no more than this.
const SHARE: usize = 8;
const AT_ONCE: usize = 32;

/// Who is to be woken.
#[derive(Clone, Debug, Default)]
pub struct Idle(Rc<RefCell<Seats>>);

#[derive(Debug, Default)]
struct Seats {
    all: Vec<Option<Sitter>>,
    free: Vec<usize>,
    /// Grows with each that begins to wait.
    turn: u64,
}

#[derive(Debug)]
struct Sitter {
    task: Waker,
    /// The turn in which it began to wait; `None` while it is at work.
    waits: Option<u64>,
    /// Whether its place is needed.
    leaves: bool,
}

/// A place among those to be woken, until dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Idle,
    at: usize,
}

impl Idle {
    /// Has a task woken from now on.
    pub fn sit(&self, task: &Waker) -> Seat {
        let mut seats = self.0.borrow_mut();
        let task = Some(Sitter { task: task.clone(), waits: None, leaves: false });
        let at = seats.free.pop().unwrap_or(seats.all.len());
        if at == seats.all.len() {
            seats.all.push(task);
        } else {
            seats.all[at] = task;
        }
        Seat { seats: self.clone(), at }
    }

    /// Wakes all.
    pub fn wake(&self) {
        self.0.borrow().all.iter().flatten().for_each(|sitter| sitter.task.wake_by_ref());
    }

    /// Asks some of those that wait longest to leave; how many.
    pub fn let_go(&self) -> usize {
        let mut seats = self.0.borrow_mut();
        let waiting = |sitter: &Sitter| sitter.waits.filter(|_| !sitter.leaves);
        let mut turns: Vec<u64> = seats.all.iter().flatten().filter_map(waiting).collect();
        let most = (turns.len() / SHARE).clamp(1, AT_ONCE).min(turns.len());
        if most == 0 {
            return 0;
        }
        let (_, last, _) = turns.select_nth_unstable(most - 1);
        let last = *last;
        for sitter in seats.all.iter_mut().flatten() {
            if waiting(sitter).is_some_and(|turn| turn <= last) {
                sitter.leaves = true;
                sitter.task.wake_by_ref();
            }
        }
        most
    }

    /// What a client's first words become; `None` where its place is needed before that.
    pub async fn unless_let_go<T>(&self, wait: impl Future<Output = T>) -> Option<T> {
        let mut wait = pin!(wait);
        let mut seat = None;
        std::future::poll_fn(|cx| {
            if let Poll::Ready(done) = wait.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            let seat: &Seat = seat.get_or_insert_with(|| self.sit(cx.waker()));
            seat.wait();
            if seat.leaves() { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }
}

impl Seat {
    /// It waits for its client from now on.
    pub fn wait(&self) {
        let mut seats = self.seats.0.borrow_mut();
        let seats = &mut *seats;
        if let Some(sitter) = seats.all[self.at].as_mut().filter(|sitter| sitter.waits.is_none()) {
            seats.turn += 1;
            sitter.waits = Some(seats.turn);
        }
    }

    /// It is at work.
    pub fn work(&self) {
        if let Some(sitter) = &mut self.seats.0.borrow_mut().all[self.at] {
            sitter.waits = None;
        }
    }

    /// Whether its place is needed.
    pub fn leaves(&self) -> bool {
        self.seats.0.borrow().all[self.at].as_ref().is_some_and(|sitter| sitter.leaves)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.seats.0.borrow_mut();
        let task = seats.all[self.at].take();
        seats.free.push(self.at);
        drop(seats);
        drop(task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering::Relaxed},
        },
        task::Wake,
    };

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn those_who_sit_are_woken() {
        let idle = Idle::default();
        let counts: Vec<_> = (0..3).map(|_| Arc::<Count>::default()).collect();
        let mut seats: Vec<_> = counts.iter().map(|count| idle.sit(&Arc::clone(count).into())).collect();
        idle.wake();
        seats.remove(1);
        let again = idle.sit(&Arc::clone(&counts[0]).into());
        idle.wake();
        drop((seats, again));
        idle.wake();
        let woken: Vec<_> = counts.iter().map(|count| count.0.load(Relaxed)).collect();
        assert_eq!(woken, [3, 1, 2]);
    }

    #[test]
    fn those_who_wait_longest_are_let_go() {
        let idle = Idle::default();
        assert_eq!(idle.let_go(), 0);
        let seats: Vec<_> = (0..20).map(|_| idle.sit(Waker::noop())).collect();
        // The second is at work, the first began to wait last.
        seats[2..].iter().for_each(Seat::wait);
        seats[1].wait();
        seats[1].work();
        seats[0].wait();
        assert_eq!(idle.let_go(), 2);
        let gone = || seats.iter().enumerate().filter(|(_, seat)| seat.leaves()).map(|(at, _)| at);
        assert_eq!(gone().collect::<Vec<_>>(), [2, 3]);
        assert_eq!(idle.let_go(), 2);
        assert_eq!(gone().collect::<Vec<_>>(), [2, 3, 4, 5]);
    }
}
