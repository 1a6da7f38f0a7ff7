//! Connections to be woken when something changes that they do not read: a stop begins, another plan is in force.
//!
//! A connection sits down once; waiting for its next request costs nothing then.

use std::{cell::RefCell, rc::Rc, task::Waker};

/// Who is to be woken.
#[derive(Clone, Debug, Default)]
pub struct Idle(Rc<RefCell<Seats>>);

#[derive(Debug, Default)]
struct Seats {
    all: Vec<Option<Waker>>,
    free: Vec<usize>,
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
        let task = Some(task.clone());
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
        self.0.borrow().all.iter().flatten().for_each(Waker::wake_by_ref);
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
}
