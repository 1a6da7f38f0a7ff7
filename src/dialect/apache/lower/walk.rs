//! The order in which sections apply, and all that follows once a path is mapped.
//!
//! Order, as seen on 2.4.71: `<Directory>` and `.htaccess` from the outermost directory to the innermost, of one
//! directory all `<Directory>` first; `<DirectoryMatch>`; `<Files>`; `<Location>` in file order; `<If>`. Sections of
//! the main server come before the virtual host's, those inside other sections after those that are not. For a
//! proxied request `<Proxy>` takes the place of everything before `<Location>`.

use std::collections::BTreeSet;

use super::{super::glob, Cx, Kind, Phase, Section, directory, mapping, negotiation};
use crate::{
    ir::{self, Asking, Block, Locate, Part, Pattern, Step, Template, Test},
    source::Span,
};

/// Steps with their places.
pub(super) type Steps = Vec<(Step, Span)>;

/// What comes first for `<Location>` and `<If>` sections that say how paths are mapped.
pub(super) fn before_mapping(host: &Section) -> Steps {
    let mut steps = Steps::new();
    let of = |kind| host.sections.iter().filter(move |section| section.kind == kind);
    for section in of(Kind::Location).chain(of(Kind::If)) {
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
    let spoken = Spoken::of(host, local);
    let sections = sections(cx, &spoken, local);
    if !sections.is_empty() {
        let block = Block { label: Some("sections".into()), steps: sections, span, ..Block::default() };
        steps.push((Step::Do(block), span));
    }
    spoken.perform(Phase::Headers, &mut steps);
    spoken.perform(Phase::Methods, &mut steps);
    let asking = if cx.names.asks_paths { Asking::Moved } else { Asking::Changed };
    steps.push((Step::Authorize(asking), span));
    let negotiates = negotiation::is_on(host) || local.iter().any(negotiation::is_on);
    let mut among = 0..0;
    if negotiates {
        among.start = steps.len();
        steps.extend(negotiation::among_files(cx));
        among.end = steps.len();
    }
    for phase in Phase::FIXUPS {
        // Those of directories come between.
        if phase == Phase::Fields {
            steps.extend(directory::steps(cx));
        }
        spoken.perform(phase, &mut steps);
    }
    steps.extend(super::proxy::notes::steps(cx));
    steps.extend(negotiation::from_lists(cx));
    steps.extend(super::trace::proxied(cx, host));
    steps.extend(mapping::answer(cx, host));
    if negotiates { negotiation::again(cx, steps, among) } else { steps }
}

/// The phases at which a host's sections do something.
struct Spoken<'s> {
    host: &'s Section,
    phases: BTreeSet<ir::Name>,
}

impl<'s> Spoken<'s> {
    fn of(host: &'s Section, local: &[Section]) -> Self {
        let mut phases = BTreeSet::new();
        hear(host, &mut phases);
        for section in local {
            hear(section, &mut phases);
        }
        Self { host, phases }
    }

    /// The sections for paths, and conditions.
    fn paths(&self, steps: &mut Steps) {
        let of = |kind| self.host.sections.iter().filter(move |section| section.kind == kind);
        steps.extend(of(Kind::Location).map(Section::step));
        steps.extend(of(Kind::If).map(Section::step));
        self.perform(Phase::If, steps);
        self.perform(Phase::InnerIf, steps);
    }

    /// Performs a phase if any section does something there.
    fn perform(&self, phase: Phase, steps: &mut Steps) {
        if self.phases.contains(&phase.name()) {
            steps.push((Step::Perform(phase.name()), self.host.span));
        }
    }
}

/// The phases at which a section or one inside it does something.
fn hear(section: &Section, phases: &mut BTreeSet<ir::Name>) {
    ir::walk::settings(&section.set, section.span, &mut |item, _| {
        if let ir::walk::Item::Settings(set) = item {
            phases.extend(set.hooks.iter().map(|hook| hook.phase.clone()));
        }
    });
    for inner in &section.sections {
        hear(inner, phases);
    }
}

/// The sections that are looked at before a path is mapped, in order: those for paths, and conditions.
pub(super) fn paths(host: &Section) -> Steps {
    let spoken = Spoken::of(host, &[]);
    let mut steps = Steps::new();
    spoken.paths(&mut steps);
    steps
}

/// The sections, in order.
fn sections(cx: &mut Cx, spoken: &Spoken<'_>, local: &[Section]) -> Steps {
    let host = spoken.host;
    let of = |kind| host.sections.iter().filter(move |section| section.kind == kind);
    let mut files = Steps::new();
    let mut directories: Vec<&Section> = of(Kind::Directory).chain(local).collect();
    // A stable order: file order within a depth, .htaccess after all of its depth.
    directories.sort_by_key(|section| (section.depth, section.kind == Kind::Htaccess));
    if directories.iter().any(|section| section.kind == Kind::Directory && glob::is_glob(&section.path))
        || of(Kind::DirectoryMatch).next().is_some()
    {
        files.push(walk_once(cx, host.span));
    }
    files.extend(directories.into_iter().map(Section::step));
    files.extend(of(Kind::DirectoryMatch).map(Section::step));
    files.extend(of(Kind::Files).map(Section::step));
    spoken.perform(Phase::Files, &mut files);
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
    spoken.paths(&mut steps);
    steps
}

/// The file's name that sections for directories are compared with.
pub(super) const WALKED_FILE: &str = "@walked_file";

/// Whether that is a file's, and not a directory's.
pub(super) const WALKED_TO_FILE: &str = "@walked_to_file";

/// What a redirect inside the server leads to, a directory's index among it, is walked to only where it lies in another
/// directory than what was asked for before (observed): else that is what sections see.
fn walk_once(cx: &mut Cx, span: Span) -> (Step, Span) {
    let walked = cx.own("@walked");
    // A path that goes on below a file lies in a directory of its own.
    let folder = Template(vec![Part::Var(cx.folder()), Part::Var(cx.path_info())]);
    let (file, to_file) = (cx.own(WALKED_FILE), cx.own(WALKED_TO_FILE));
    let is_file = Test::Equal(Template::var(cx.kind()), "file".into());
    let goes_on = Test::Truthy(Template::var(cx.path_info()));
    let is_whole = Test::All(vec![is_file, Test::Not(Box::new(goes_on))]);
    let steps = vec![
        (Step::Assign { var: walked, value: folder.clone() }, span),
        (Step::Assign { var: file, value: Template::var(cx.file()) }, span),
        (Step::Unassign(to_file), span),
        mapping::when(is_whole, vec![(Step::Assign { var: to_file, value: "1".into() }, span)]),
    ];
    mapping::when(Test::Not(Box::new(Test::Equal(Template::var(walked), folder))), steps)
}

/// Whether the request is proxied.
pub(super) fn is_proxied(cx: &mut Cx) -> Test {
    Test::Match { subject: Template::var(cx.file()), pattern: Pattern::prefix("proxy:"), into: None }
}
