//! The compiled program: one flat list of operations.

use super::pattern::Find;
use crate::ir::{Edit, Register};

/// A change to a head, its pattern compiled.
#[derive(Debug)]
pub struct EditOp {
    /// The change.
    pub edit: Edit,
    /// The pattern of `from` or `cookie`, where that is one; for [`super::Run::find`].
    pub pattern: Option<(Find, Register)>,
}
