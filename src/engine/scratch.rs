//! Memory that a worker reuses: one large read buffer per thread, and a pool of small ones.

use std::cell::RefCell;

/// Bytes read at once.
pub const SCRATCH: usize = 128 * 1024;

/// How many small buffers a worker keeps.
const KEPT: usize = 256;

/// Largest buffer that goes back to the pool.
const KEPT_CAPACITY: usize = 64 * 1024;

/// Smallest; a smaller one would only have to grow again.
const LEAST: usize = 4096;

thread_local! {
    static SCRATCH_BYTES: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH]);
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Lends the thread's read buffer. Must not be called from within itself; nothing may be awaited in it.
pub fn with<T>(use_it: impl FnOnce(&mut [u8]) -> T) -> T {
    SCRATCH_BYTES.with_borrow_mut(|bytes| use_it(bytes))
}

/// An empty buffer, from the pool where there is one.
pub fn take() -> Vec<u8> {
    POOL.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(LEAST))
}

/// Gives a buffer back.
pub fn give(mut buffer: Vec<u8>) {
    if !(LEAST..=KEPT_CAPACITY).contains(&buffer.capacity()) {
        return;
    }
    buffer.clear();
    POOL.with_borrow_mut(|pool| {
        if pool.len() < KEPT {
            pool.push(buffer);
        }
    });
}
