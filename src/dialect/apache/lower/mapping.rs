//! Which file a path stands for, and who answers for it.

use std::os::unix::ffi::OsStrExt as _;

use super::{super::tree::Directive, Cx, Lower, Section, walk::Steps};
use crate::{
    ir::{Attr, Block, Handler, Part, Reply, ReplyContent, Step, Template, Test, Text, settings::Alias},
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("DocumentRoot", document_root_is)];

/// What is remembered of a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Own {}

/// `DocumentRoot directory`
fn document_root_is(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let mut path = cx.path(&word.value).as_os_str().as_bytes().to_vec();
    while path.len() > 1 && path.ends_with(b"/") {
        path.pop();
    }
    section.set.files.root = Some(Template::text(Text::from(path)));
}

/// A path that nobody else mapped lies below the document root.
pub(super) fn document_root(cx: &mut Cx, host: &Section) -> Steps {
    let root = host.set.files.root.clone().unwrap_or_default();
    let mut value = root;
    value.push(Part::Attr(Attr::Path));
    vec![(Step::Assign { var: cx.file(), value }, host.span)]
}

/// What cannot be looked at is forbidden.
pub(super) fn refuse_unreadable(cx: &mut Cx) -> Steps {
    let test = Test::Equal(Template::var(cx.kind()), "denied".into());
    vec![when(test, vec![respond(403)])]
}

/// A path that goes on after a file does not exist.
pub(super) fn refuse_path_info(cx: &mut Cx) -> Steps {
    let rest = Test::Truthy(Template::var(cx.path_info()));
    vec![when(rest, vec![respond(404)])]
}

/// The file answers, unless somebody else was made to.
pub(super) fn answer(_: &mut Cx) -> Steps {
    Vec::new()
}

/// The handler and the mapping that hold everywhere.
pub(super) fn defaults(cx: &mut Cx) {
    let file = cx.file();
    cx.config.base.handler = Some(Handler::Files);
    cx.config.base.files.alias = Some(Some(Alias { with: Template::var(file), cut: None }));
}

/// A status of our own.
pub(super) fn respond(status: u16) -> (Step, Span) {
    (Step::Respond(Reply { status, content: ReplyContent::Page }), Span::NONE)
}

/// Steps under a condition.
pub(super) fn when(test: Test, steps: Steps) -> (Step, Span) {
    let then = Block { steps, ..Block::default() };
    (Step::When { test, then, otherwise: Block::default() }, Span::NONE)
}
