//! Reading and writing with a time limit between two operations.

use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::{clock, scratch, stream::Stream};

/// Why an operation failed.
#[derive(Debug)]
pub enum Failure {
    /// Nothing happened for too long.
    TimedOut,
    /// The system said no.
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Runs an operation with a limit; zero is no limit.
pub async fn within<T>(
    limit: Duration,
    operation: impl Future<Output = io::Result<T>>,
) -> Result<T, Failure> {
    if limit.is_zero() {
        return Ok(operation.await?);
    }
    let mut operation = pin!(operation);
    // What can be done at once needs no timer, and no reading of the clock.
    if let Some(done) = poll_fn(|cx| Poll::Ready(ready(operation.as_mut().poll(cx)))).await {
        return Ok(done?);
    }
    match timeout(limit, operation).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Failure::TimedOut),
    }
}

fn ready<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

/// A time limit that is used again and again: the runtime's timer is moved only when it went off too early, so that
/// setting a limit costs a reading of the clock.
#[derive(Debug, Default)]
pub struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Runs an operation with a limit; zero is no limit.
    pub async fn within<T>(
        &mut self,
        limit: Duration,
        operation: impl Future<Output = io::Result<T>>,
    ) -> Result<T, Failure> {
        let mut operation = pin!(operation);
        if limit.is_zero() {
            return Ok(operation.await?);
        }
        let mut end = None;
        poll_fn(|cx| {
            if let Poll::Ready(done) = operation.as_mut().poll(cx) {
                return Poll::Ready(Ok(done?));
            }
            let end = *end.get_or_insert_with(|| Instant::from(clock::moment()) + limit);
            let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(end)));
            loop {
                if sleep.deadline() > end {
                    sleep.as_mut().reset(end);
                }
                if sleep.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                if sleep.deadline() >= end || Instant::now() >= end {
                    return Poll::Ready(Err(Failure::TimedOut));
                }
                sleep.as_mut().reset(end);
            }
        })
        .await
    }
}

/// Reads once, at most `max` bytes, to the end of `into`; 0 is the end of the stream.
pub async fn read(stream: &mut Stream, into: &mut Vec<u8>, max: usize) -> io::Result<usize> {
    poll_fn(|cx| {
        scratch::with(|bytes| {
            let max = max.min(bytes.len());
            stream.poll_read(cx, &mut bytes[..max]).map_ok(|length| {
                if into.capacity() == 0 {
                    *into = scratch::take();
                }
                into.extend_from_slice(&bytes[..length]);
                length
            })
        })
    })
    .await
}

/// Writes everything, with a limit between two writes.
pub async fn write_all(stream: &mut Stream, data: &[u8], limit: Duration) -> Result<(), Failure> {
    let mut sent = 0;
    while sent < data.len() {
        let length = within(limit, poll_fn(|cx| stream.poll_write(cx, &data[sent..]))).await?;
        if length == 0 {
            return Err(Failure::Io(io::ErrorKind::WriteZero.into()));
        }
        sent += length;
    }
    if stream.is_plain() { Ok(()) } else { within(limit, poll_fn(|cx| stream.poll_flush(cx))).await }
}

/// Waits for one of two operations.
pub async fn first<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> Either<A, B> {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|cx| {
        if let Poll::Ready(done) = one.as_mut().poll(cx) {
            return Poll::Ready(Either::One(done));
        }
        other.as_mut().poll(cx).map(Either::Other)
    })
    .await
}

/// Which of two operations was first.
#[derive(Debug)]
pub enum Either<A, B> {
    /// The first one, which is also asked first.
    One(A),
    /// The other.
    Other(B),
}
