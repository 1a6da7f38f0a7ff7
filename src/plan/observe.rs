//! What a run tells about itself, for those who explain it.

use super::Failure;
use crate::source::Span;

/// Hears of each step. The default hears nothing and costs nothing.
pub trait Observer {
    /// An operation that was written here is about to run.
    fn step(&mut self, span: Span) {
        let _ = span;
    }

    /// A subject was compared with the pattern written here.
    fn matched(&mut self, span: Span, subject: &[u8], outcome: Result<bool, Failure>) {
        let _ = (span, subject, outcome);
    }

    /// A path took a route, or none.
    fn routed(&mut self, span: Span, path: &[u8], found: bool) {
        let _ = (span, path, found);
    }
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Observer for Quiet {}
