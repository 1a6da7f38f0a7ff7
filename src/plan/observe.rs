//! What a run tells about itself, for those who explain it.

use super::Failure;
use crate::{ir::VarId, source::Span};

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

    /// What a group of that match holds; only groups that somebody reads.
    fn captured(&mut self, span: Span, group: u32, value: &[u8]) {
        let _ = (span, group, value);
    }

    /// A question of another kind was answered.
    fn tested(&mut self, span: Span, holds: bool) {
        let _ = (span, holds);
    }

    /// A variable was written.
    fn assigned(&mut self, span: Span, var: VarId, value: &[u8]) {
        let _ = (span, var, value);
    }

    /// Path and query are now these.
    fn rewritten(&mut self, span: Span, path: &[u8], query: &[u8]) {
        let _ = (span, path, query);
    }

    /// Whether it wants to hear of what takes time to tell.
    fn is_curious(&self) -> bool {
        true
    }

    /// A path took a route, or none.
    fn routed(&mut self, span: Span, path: &[u8], found: bool) {
        let _ = (span, path, found);
    }
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Observer for Quiet {
    fn is_curious(&self) -> bool {
        false
    }
}
