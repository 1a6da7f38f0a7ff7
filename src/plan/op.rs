//! The compiled program: one flat list of operations.
//!
//! An operation that asks a question goes on with the next one when the answer
//! is yes and at its `otherwise` when it is no.

use std::sync::Arc;

use super::{SettingsId, likely::Likely, pattern::Find, question::Question};
use crate::{
    ir::{
        Asking, Edit, FileKind, Locate, Lookup, Name, Negotiate, Probe, Query, Register, Reply, Template,
        VarId,
    },
    source::Span,
};

/// A change to a head, its pattern compiled.
#[derive(Debug)]
pub struct EditOp {
    /// The change.
    pub edit: Edit,
    /// The pattern of `from` or `cookie`, where that is one; for [`super::Run::find`].
    pub pattern: Option<(Find, Register)>,
    /// Where it was written.
    pub span: Span,
}

/// An operation.
#[derive(Debug)]
pub(super) enum Op {
    /// These settings.
    Use(SettingsId),
    /// A layer over the settings in force, or over those kept in a slot.
    Over {
        layer: u32,
        kept: Option<u16>,
    },
    /// Keep the settings in force in a slot, for blocks inside.
    Keep(u16),
    /// A labelled block begins: nothing is to be done at its end yet.
    Open(u16),
    /// It ends: take its jump.
    Close(u16),
    /// Replace that jump.
    AtEnd(u16, Option<Next>),
    /// Go elsewhere.
    Go(Next),
    Match {
        subject: Template,
        find: Find,
        into: Option<Register>,
        otherwise: u32,
    },
    Equal {
        left: Template,
        right: Template,
        otherwise: u32,
    },
    /// The rule that follows, unless its pattern, one of these, cannot match.
    Likely {
        set: Arc<Likely>,
        rule: u32,
    },
    /// A question without an operation of its own.
    Ask {
        question: Question,
        otherwise: u32,
    },
    Truthy {
        value: Template,
        otherwise: u32,
    },
    File {
        path: Template,
        kind: FileKind,
        otherwise: u32,
    },
    Method {
        methods: Vec<Name>,
        otherwise: u32,
    },
    Status {
        statuses: Vec<u16>,
        otherwise: u32,
    },
    Internal {
        otherwise: u32,
    },
    /// The body of the route that matches, or `otherwise` when none does.
    Route {
        table: u32,
        otherwise: u32,
    },
    Rewrite {
        path: Option<Template>,
        query: Query,
    },
    Assign {
        var: VarId,
        value: Template,
    },
    Unassign(VarId),
    Lookup(Box<Lookup>),
    Target(Template),
    Promise {
        field: Name,
        value: Template,
        always: bool,
        member: bool,
    },
    LimitRate(Template),
    Forget(Register),
    Edit(Box<EditOp>),
    Admit,
    Identify,
    Probe(Box<Probe>),
    Negotiate(Box<Negotiate>),
    Detach,
    Authorize(Asking),
    Respond(Reply),
    Trace(Template),
    /// The same at level error, about this.
    Complain(crate::ir::settings::Topic, Template),
    /// Call the blocks of the phase.
    Perform(u16),
    Locate(Locate),
    Local(VarId),
    /// The program or the block called ends.
    End,
}

/// Where to go.
#[derive(Clone, Debug)]
pub(super) enum Next {
    /// To an operation.
    To(u32),
    /// Back to one; spends budget.
    Repeat(u32),
    /// Back to one, at most so often.
    Again(u32, u32),
    /// To a named block; spends budget.
    Enter(Name),
    /// To the beginning; spends budget.
    Restart,
    Resume,
}

impl Op {
    /// The places it names, which are labels until the program is whole.
    pub(super) fn places(&mut self) -> Option<&mut u32> {
        match self {
            Self::Match { otherwise, .. }
            | Self::Equal { otherwise, .. }
            | Self::Ask { otherwise, .. }
            | Self::Truthy { otherwise, .. }
            | Self::File { otherwise, .. }
            | Self::Method { otherwise, .. }
            | Self::Status { otherwise, .. }
            | Self::Internal { otherwise }
            | Self::Route { otherwise, .. }
            | Self::Go(Next::To(otherwise) | Next::Repeat(otherwise) | Next::Again(otherwise, _))
            | Self::AtEnd(
                _,
                Some(Next::To(otherwise) | Next::Repeat(otherwise) | Next::Again(otherwise, _)),
            ) => Some(otherwise),
            Self::Use(_)
            | Self::Over { .. }
            | Self::Keep(_)
            | Self::Likely { .. }
            | Self::Open(_)
            | Self::Close(_)
            | Self::AtEnd(..)
            | Self::Go(_)
            | Self::Rewrite { .. }
            | Self::Assign { .. }
            | Self::Unassign(_)
            | Self::Lookup(_)
            | Self::Target(_)
            | Self::Promise { .. }
            | Self::LimitRate(_)
            | Self::Forget(_)
            | Self::Perform(_)
            | Self::Locate(_)
            | Self::Local(_)
            | Self::Edit(_)
            | Self::Admit
            | Self::Identify
            | Self::Probe(_)
            | Self::Negotiate(_)
            | Self::Detach
            | Self::Authorize(_)
            | Self::Respond(_)
            | Self::Trace(_)
            | Self::Complain(..)
            | Self::End => None,
        }
    }
}
