//! The order in which sections apply, and all that follows once a path is mapped.
//!
//! Order, as seen on 2.4.71: `<Directory>` and `.htaccess` from the outermost directory to the innermost, of one
//! directory all `<Directory>` first; `<DirectoryMatch>`; `<Files>`; `<Location>` in file order; `<If>`. Sections of
//! the main server come before the virtual host's, those inside other sections after those that are not. For a
//! proxied request `<Proxy>` takes the place of everything before `<Location>`.

use super::{Cx, Kind, Phase, Section, directory, mapping, negotiation};
use crate::{
    ir::{self, Block, Locate, Pattern, Step, Template, Test},
    source::Span,
};

/// Steps with their places.
pub(super) type Steps = Vec<(Step, Span)>;

/// What comes first for `<Location>` sections that say how paths are mapped.
pub(super) fn before_mapping(host: &Section) -> Steps {
    let mut steps = Steps::new();
    for section in host.sections.iter().filter(|section| section.kind == Kind::Location) {
        let mut mapping = section.clone();
        mapping.set = ir::Settings::default();
        let of_mapping = |phase: &ir::Name| {
            [Phase::Rewrite, Phase::Proxy, Phase::Alias].iter().any(|known| known.name() == *phase)
        };
        mapping.set.hooks =
            section.set.hooks.iter().filter(|hook| of_mapping(&hook.phase)).cloned().collect();
        if !mapping.set.hooks.is_empty() {
            steps.push(mapping.step());
        }
    }
    steps
}

/// Finds the file that the path was mapped to, unless the request is proxied.
pub(super) fn locate(cx: &mut Cx) -> Steps {
    let span = Span::NONE;
    let names = Locate {
        file: cx.file(),
        rest: cx.path_info(),
        folder: cx.folder(),
        name: cx.name(),
        kind: cx.kind(),
    };
    vec![(Step::Locate(names), span)]
}

/// Everything after a path is mapped, with these `.htaccess` sections.
pub(super) fn rest(cx: &mut Cx, host: &Section, local: &[Section]) -> Steps {
    let span = host.span;
    let mut steps = Steps::new();
    let sections = sections(cx, host, local);
    if !sections.is_empty() {
        let block = Block { label: Some("sections".into()), steps: sections, span, ..Block::default() };
        steps.push((Step::Do(block), span));
    }
    perform(host, local, Phase::Headers, &mut steps);
    perform(host, local, Phase::Methods, &mut steps);
    steps.push((Step::Authorize, span));
    let negotiates = negotiation::is_on(host) || local.iter().any(negotiation::is_on);
    if negotiates {
        steps.extend(negotiation::among_files(cx));
    }
    for phase in Phase::FIXUPS {
        // Those of directories come between.
        if phase == Phase::Fields {
            steps.extend(directory::steps(cx));
        }
        perform(host, local, phase, &mut steps);
    }
    steps.extend(super::proxy::notes::steps(cx));
    steps.extend(negotiation::from_lists(cx));
    steps.extend(mapping::answer(cx));
    if negotiates { negotiation::again(steps) } else { steps }
}

/// Performs a phase if any section does something there.
fn perform(host: &Section, local: &[Section], phase: Phase, steps: &mut Steps) {
    if speaks(host, phase) || local.iter().any(|section| speaks(section, phase)) {
        steps.push((Step::Perform(phase.name()), host.span));
    }
}

/// Whether a section or one inside it does something at a phase.
fn speaks(section: &Section, phase: Phase) -> bool {
    let name = phase.name();
    let mut speaks_there = false;
    ir::walk::settings(&section.set, section.span, &mut |item, _| {
        if let ir::walk::Item::Settings(set) = item {
            speaks_there |= set.hooks.iter().any(|hook| hook.phase == name);
        }
    });
    speaks_there || section.sections.iter().any(|inner| speaks(inner, phase))
}

/// The sections, in order.
fn sections(cx: &mut Cx, host: &Section, local: &[Section]) -> Steps {
    let of = |kind| host.sections.iter().filter(move |section| section.kind == kind);
    let mut files = Steps::new();
    let mut directories: Vec<&Section> = of(Kind::Directory).chain(local).collect();
    // A stable order: file order within a depth, .htaccess after all of its depth.
    directories.sort_by_key(|section| (section.depth, section.kind == Kind::Htaccess));
    files.extend(directories.into_iter().map(Section::step));
    files.extend(of(Kind::DirectoryMatch).map(Section::step));
    files.extend(of(Kind::Files).map(Section::step));
    perform(host, local, Phase::Files, &mut files);
    let proxied: Steps = of(Kind::Proxy).map(Section::step).collect();

    let mut steps = Steps::new();
    let block = |steps| Block { steps, span: host.span, ..Block::default() };
    if proxied.is_empty() {
        let test = Test::Not(Box::new(is_proxied(cx)));
        if !files.is_empty() {
            steps.push((Step::When { test, then: block(files), otherwise: Block::default() }, host.span));
        }
    } else {
        let test = is_proxied(cx);
        steps.push((Step::When { test, then: block(proxied), otherwise: block(files) }, host.span));
    }
    steps.extend(of(Kind::Location).map(Section::step));
    steps.extend(of(Kind::If).map(Section::step));
    perform(host, local, Phase::If, &mut steps);
    perform(host, local, Phase::InnerIf, &mut steps);
    steps
}

/// Whether the request is proxied.
pub(super) fn is_proxied(cx: &mut Cx) -> Test {
    Test::Match { subject: Template::var(cx.file()), pattern: Pattern::prefix("proxy:"), into: None }
}
