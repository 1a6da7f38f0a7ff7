//! `stub_status`: the process's counters as text; `empty_gif`: a picture of one transparent pixel.
//!
//! Observed on nginx 1.22.1: the layout below, type `text/plain`, `GET` and `HEAD` only; the picture is of
//! 28 September 1970, and conditions apply to it.

use super::{super::tree::Directive, Cx, Level, Lower};
use crate::ir::{Attr, Block, Handler, Part, Reply, ReplyContent, Stat, Step, Template, Test, Text};

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
    answer(level, directive, text, "text/plain");
}

/// `empty_gif;`
fn empty_gif(_: &mut Cx, level: &mut Level, directive: &Directive) {
    // One black pixel that the control extension makes transparent (GIF89a).
    let mut gif = b"GIF89a".to_vec();
    gif.extend_from_slice(&[1, 0, 1, 0, 0x80, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff]);
    gif.extend_from_slice(&[0x21, 0xf9, 4, 1, 0, 0, 1, 0, 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0]);
    gif.extend_from_slice(&[2, 2, 0x4c, 1, 0, 0x3b]);
    level.set.answer.modified = Some(Some(23_349_600));
    answer(level, directive, Template::text(Text(gif)), "image/gif");
}

/// Answers `GET` and `HEAD` with content of this type.
fn answer(level: &mut Level, directive: &Directive, content: Template, kind: &str) {
    level.set.handler = Some(Handler::Respond(Reply { status: 200, content: ReplyContent::Text(content) }));
    // The content has its own type, whatever the path is called.
    level.set.answer.types = Some(Vec::new());
    level.set.answer.default_type = Some(kind.into());
    let span = directive.head();
    let refusal = Reply { status: 405, content: ReplyContent::Page };
    let refuse = Block { steps: vec![(Step::Respond(refusal), span)], span, ..Block::default() };
    let test = Test::Method(vec!["GET".into(), "HEAD".into()]);
    let step = Step::When { test, then: Block::default(), otherwise: refuse };
    let prepare = level.set.prepare.get_or_insert_default();
    prepare.steps.push((step, span));
}

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("empty_gif", empty_gif), ("stub_status", stub_status)];
