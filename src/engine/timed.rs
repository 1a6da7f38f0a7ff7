//! Reading and writing with a time limit between two operations.

use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    time::Duration,
};

use tokio::time::timeout;

use super::{scratch, stream::Stream};

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
    match timeout(limit, operation).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Failure::TimedOut),
    }
}

/// Reads once, at most `max` bytes, to the end of `into`; 0 is the end of the stream.
pub async fn read(stream: &mut Stream, into: &mut Vec<u8>, max: usize) -> io::Result<usize> {
    poll_fn(|cx| {
        scratch::with(|bytes| {
            let max = max.min(bytes.len());
            stream.poll_read(cx, &mut bytes[..max]).map_ok(|length| {
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
    within(limit, poll_fn(|cx| stream.poll_flush(cx))).await
}

/// Waits for one of two operations.
pub async fn first<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> Either<A, B> {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|cx| {
        if let std::task::Poll::Ready(done) = one.as_mut().poll(cx) {
            return std::task::Poll::Ready(Either::One(done));
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
