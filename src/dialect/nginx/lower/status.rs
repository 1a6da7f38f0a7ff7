//! `stub_status`: the process's counters as text.
//!
//! Observed on nginx 1.22.1: the layout below, type `text/plain`, `GET` and `HEAD` only.

use super::{super::tree::Directive, Cx, Level, Lower};
use crate::ir::{Attr, Block, Handler, Part, Reply, ReplyContent, Stat, Step, Template, Test};

fn stub_status(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let mut text = Template::default();
    for (before, stat) in [
        ("Active connections: ", Stat::Active),
        (" \nserver accepts handled requests\n ", Stat::Accepted),
        (" ", Stat::Handled),
        (" ", Stat::Requests),
        (" \nReading: ", Stat::Reading),
        (" Writing: ", Stat::Writing),
        (" Waiting: ", Stat::Waiting),
    ] {
        text.push(Part::Text(before.into()));
        text.push(Part::Attr(Attr::Stat(stat)));
    }
    text.push(Part::Text(" \n".into()));
    level.set.handler = Some(Handler::Respond(Reply { status: 200, content: ReplyContent::Text(text) }));
    // The content has its own type, whatever the path is called.
    level.set.answer.types = Some(Vec::new());
    level.set.answer.default_type = Some("text/plain".into());
    let span = directive.head();
    let refusal = Reply { status: 405, content: ReplyContent::Page };
    let refuse = Block { steps: vec![(Step::Respond(refusal), span)], span, ..Block::default() };
    let test = Test::Method(vec!["GET".into(), "HEAD".into()]);
    let step = Step::When { test, then: Block::default(), otherwise: refuse };
    let prepare = level.set.prepare.get_or_insert_default();
    prepare.steps.push((step, span));
}

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("stub_status", stub_status)];
