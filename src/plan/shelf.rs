//! A list that grows while it is read: what it gave out stays where it is.

use std::{
    ops::Index,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

/// How many chunks there may be; chunk `n` holds `2^n` beyond those known at first.
const CHUNKS: usize = 24;

/// A list that grows.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    fixed: Vec<T>,
    more: [OnceLock<Box<[OnceLock<T>]>>; CHUNKS],
    length: AtomicUsize,
}

impl<T> Shelf<T> {
    pub(super) fn new(fixed: Vec<T>) -> Self {
        let length = AtomicUsize::new(fixed.len());
        Self { fixed, more: [const { OnceLock::new() }; CHUNKS], length }
    }

    /// Those known at first.
    pub(super) fn fixed(&self) -> &[T] {
        &self.fixed
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.length.load(Ordering::Acquire)
    }

    pub(super) fn get(&self, at: usize) -> Option<&T> {
        if let Some(found) = self.fixed.get(at) {
            return Some(found);
        }
        let (chunk, place) = split(at - self.fixed.len());
        self.more.get(chunk).and_then(OnceLock::get).and_then(|chunk| chunk[place].get())
    }

    /// Adds one at the end; `false` when there is no room. Only one thread at a time may do so.
    pub(super) fn push(&self, value: T) -> bool {
        let at = self.len();
        let (chunk, place) = split(at - self.fixed.len());
        let Some(slots) = self.more.get(chunk) else { return false };
        let slots = slots.get_or_init(|| (0..1 << chunk).map(|_| OnceLock::new()).collect());
        let set = slots[place].set(value).is_ok();
        self.length.store(at + 1, Ordering::Release);
        set
    }
}

impl<T> Index<usize> for Shelf<T> {
    type Output = T;

    /// Indices come from who filled the shelf; for any other the first stands in.
    fn index(&self, at: usize) -> &T {
        match self.fixed.get(at) {
            Some(found) => found,
            None => self.get(at).unwrap_or_else(|| &self.fixed[0]),
        }
    }
}

/// The chunk that an index lies in, and its place there.
fn split(index: usize) -> (usize, usize) {
    let chunk = (index + 1).ilog2() as usize;
    (chunk, index + 1 - (1 << chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_stays() {
        let shelf = Shelf::new(vec![0, 1]);
        for value in 2..100 {
            assert!(shelf.push(value));
        }
        assert_eq!(shelf.len(), 100);
        assert!((0..100).all(|at| shelf[at] == at && shelf.get(at) == Some(&at)));
        assert_eq!(shelf.get(100), None);
    }
}
