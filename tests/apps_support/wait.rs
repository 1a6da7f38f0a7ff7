//! Waiting for something to become true, never longer than told, and never without looking.

use std::time::{Duration, Instant};

/// Time enough for anything that should happen at once, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Asks `question` until it answers, and fails naming `what` after `limit`.
#[track_caller]
pub(crate) fn until<T>(what: &str, limit: Duration, mut question: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(start.elapsed() < limit, "waited {limit:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Asks `question` for as long as `span`, and fails naming `what` the first time it is not so.
#[track_caller]
pub(crate) fn throughout(what: &str, span: Duration, mut question: impl FnMut() -> bool) {
    let start = Instant::now();
    while start.elapsed() < span {
        assert!(question(), "no longer so after {:?}: {what}", start.elapsed());
        std::thread::sleep(Duration::from_millis(20));
    }
}
