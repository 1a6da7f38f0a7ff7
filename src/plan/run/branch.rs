//! Runs that begin with what another one came to.

use super::{Plan, Run};
use crate::ir::VarId;

impl Run {
    /// Begins the host's program for a request beside the one that `from` decides, with the same variables.
    pub fn branch(&mut self, plan: &Plan, from: &Self, path: &[u8], query: &[u8]) {
        self.reset();
        self.path.extend_from_slice(path);
        self.query.extend_from_slice(query);
        (self.rewritten, self.internal) = (true, true);
        self.values.copy(&from.values);
        self.start(plan, from.host);
    }

    /// Is where another run is that came to its handler.
    pub fn repeat(&mut self, from: &Self) {
        self.reset();
        self.host = from.host;
        self.path.extend_from_slice(&from.path);
        self.query.extend_from_slice(&from.query);
        (self.rewritten, self.moved, self.internal) = (from.rewritten, from.moved, from.internal);
        (self.settings, self.path_rest, self.place) = (from.settings, from.path_rest, from.place);
        self.prepared = from.prepared;
        self.values.copy(&from.values);
        self.registers.copy(&from.registers);
    }

    /// Takes over what variables became in a run that began as [`Self::branch`] of this one.
    pub fn take_values(&mut self, from: &mut Self) {
        std::mem::swap(&mut self.values, &mut from.values);
        from.values.copy(&self.values);
    }

    /// Writes a variable.
    pub fn write(&mut self, var: VarId, value: &[u8]) {
        self.values.set(var, value);
    }
}
