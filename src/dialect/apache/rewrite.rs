//! `mod_rewrite`: rules, conditions and maps as they are written, and what they mean.
//!
//! # What it does (2.4.71)
//!
//! A server's rules run while the path is mapped to a file, before `ProxyPass` and `Alias`. They see the decoded path.
//! A result is a redirect, an upstream (`[P]`), a path for others to map (`[PT]`), or a file: below the document
//! root, or as it is where its first component exists and the substitution says so. Main server and virtual hosts
//! share rules only where `RewriteOptions` say so; whether the engine is on is inherited.
//!
//! A section's rules run when file and access are known. They see the file's name without the directory. A new path
//! begins the request anew, these rules included. The rules of the last section that speaks of rewriting count.
//!
//! # What it becomes
//!
//! A list of rules becomes nested blocks ([`list`]): each rule a `when`; jumps of `[C]` and `[S]` exits of labelled
//! blocks ([`jumps`]), `[N]` a repetition. What a rule that matches comes to is decided here where its text shows it
//! ([`substitution`], [`finish`]); else variables hold the result: [`Cx::file`] what it is, `@rewritten` how it was
//! made, `@redirect-code` the status that a URL is answered with. `@rewrite-end` ends rewriting for good.
//!
//! # Where it differs
//!
//! - `[P]` with a path, which the original sends to whatever host the client names, goes to this server only under a
//!   name of its own; else it is answered with 400.
//! - Nothing is requested inside the server for `-U`, `-F` and `%{LA-U:...}`: they look at paths and files.
//! - A redirect that a later rule makes a path again (`[R]` without `[L]`) is forgotten; the original answers with that path's
//!   content and the redirect's status.
//! - A server's rules with `R` are for the index of a directory, too, unless they have `NS`.
//! - The rules that a section inherits run with the prefix of the section that they are written in, unless both are for
//!   directories, and the outer one is written before the inner one.
//! - Without `RewriteBase` a relative result in a directory outside of the document root goes on with the path that
//!   led to that directory.

use std::collections::BTreeMap;

use super::{
    lower::{Cx, Kind, Lower, Phase, Section},
    tree::Directive,
};
use crate::{
    diagnostic::{Diagnostic, suggest},
    ir::{Attr, Block, Join, Jump, Name, Step, Template, Test},
    source::Span,
};

mod condition;
mod effect;
mod expansion;
mod finish;
mod flags;
mod jumps;
mod list;
mod maps;
mod rule;
mod scene;
mod substitution;
mod value;
mod words;

pub(crate) use maps::Kind as Map;
use rule::{Condition, Rule};
use scene::{Base, Dir, Names, Scene};

/// Steps with their places.
type Steps = Vec<(Step, Span)>;

/// The directives of this room.
pub(crate) const TABLE: &[(&str, Lower)] = &[
    ("RewriteBase", rewrite_base),
    ("RewriteCond", rewrite_cond),
    ("RewriteEngine", rewrite_engine),
    ("RewriteMap", maps::declare),
    ("RewriteOptions", rewrite_options),
    ("RewriteRule", rewrite_rule),
];

/// What is remembered of a section.
#[derive(Clone, Debug, Default)]
pub(crate) struct Own {
    /// Whether the section speaks of rewriting at all.
    mentioned: bool,
    engine: Option<bool>,
    options: Option<Options>,
    base: Option<Vec<u8>>,
    rules: Vec<Rule>,
    /// What the sections for directories around it have, as far as they are known.
    above: Above,
    /// Conditions of a rule to come.
    pending: Vec<Condition>,
    maps: BTreeMap<Vec<u8>, Map>,
}

/// Rules in force for the directory that a directory is in, and their options.
#[derive(Clone, Debug, Default)]
struct Above {
    rules: Vec<Rule>,
    options: Options,
}

impl Above {
    /// What is in force for a section below.
    fn under(self, own: &Own) -> Self {
        let options = own.options.unwrap_or_default();
        let down = |which| self.options.has(which) && !options.has(Options::IGNORE_INHERIT);
        let after = options.has(Options::INHERIT) || down(Options::INHERIT_DOWN);
        let before = options.has(Options::INHERIT_BEFORE) || down(Options::INHERIT_DOWN_BEFORE);
        let rules = if after {
            own.rules.iter().cloned().chain(self.rules).collect()
        } else if before {
            self.rules.into_iter().chain(own.rules.iter().cloned()).collect()
        } else {
            own.rules.clone()
        };
        Self { rules, options: own.options.unwrap_or(self.options) }
    }
}

/// Remembers the rules of the sections for directories that a directory is in, outermost first: those that it inherits
/// run as if they were written for it.
pub(crate) fn inherit<'s>(section: &mut Section, around: impl Iterator<Item = &'s Section>) {
    let mentioned = around.map(|section| &section.own.rewrite).filter(|own| own.mentioned);
    section.own.rewrite.above = mentioned.fold(Above::default(), Above::under);
}

/// `RewriteOptions`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Options(u16);

impl Options {
    const INHERIT: Self = Self(1);
    const INHERIT_BEFORE: Self = Self(1 << 1);
    const INHERIT_DOWN: Self = Self(1 << 2);
    const INHERIT_DOWN_BEFORE: Self = Self(1 << 3);
    const IGNORE_INHERIT: Self = Self(1 << 4);
    const NO_SLASH: Self = Self(1 << 5);
    const MERGE_BASE: Self = Self(1 << 6);
    /// What is accepted and changes nothing here.
    const OTHER: Self = Self(0);

    const NAMES: &'static [(&'static str, Self)] = &[
        ("inherit", Self::INHERIT),
        ("inheritbefore", Self::INHERIT_BEFORE),
        ("inheritdown", Self::INHERIT_DOWN),
        ("inheritdownbefore", Self::INHERIT_DOWN_BEFORE),
        ("ignoreinherit", Self::IGNORE_INHERIT),
        ("allownoslash", Self::NO_SLASH),
        ("mergebase", Self::MERGE_BASE),
        ("ignorecontextinfo", Self::OTHER),
        ("legacyprefixdocroot", Self::OTHER),
        ("allowanyuri", Self::OTHER),
        ("longurloptimization", Self::OTHER),
    ];

    fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// `RewriteEngine on|off`
fn rewrite_engine(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    section.own.rewrite.mentioned = true;
    let on = match directive.args.as_slice() {
        [word] if word.is("on") => true,
        [word] if word.is("off") => false,
        _ => return cx.error("arguments", directive.head(), "RewriteEngine must be On or Off"),
    };
    section.own.rewrite.engine = Some(on);
}

/// `RewriteOptions option ...`
fn rewrite_options(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let own = &mut section.own.rewrite;
    own.mentioned = true;
    let mut options = own.options.unwrap_or_default();
    for word in &directive.args {
        let text = word.text().to_ascii_lowercase();
        if let Some((_, option)) = Options::NAMES.iter().find(|(name, _)| *name == text) {
            options.0 |= option.0;
        } else if text.starts_with("maxredirects=") {
            cx.report(
                Diagnostic::warning("ignored-option", word.span, "MaxRedirects has no effect any more")
                    .help("use `LimitInternalRecursion`"),
            );
        } else {
            let message = format!("RewriteOptions: unknown option '{}'", word.text());
            let mut wrong = Diagnostic::error("unknown-option", word.span, message);
            let names = Options::NAMES.iter().map(|(name, _)| *name);
            if let Some(meant) = suggest::nearest(&text, names) {
                wrong = wrong.help(format!("did you mean `{meant}`?"));
            }
            cx.report(wrong);
        }
    }
    own.options = Some(options);
}

/// `RewriteBase path`
fn rewrite_base(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    section.own.rewrite.mentioned = true;
    let [word] = directive.args.as_slice() else {
        return cx.error("arguments", directive.head(), "RewriteBase takes one argument: a URL path");
    };
    if section.is_server() {
        let found = Diagnostic::error(
            "misplaced",
            directive.head(),
            "RewriteBase: only valid in per-directory config files",
        )
        .help("move it into the `<Directory>` whose rules it is for");
        return cx.report(found);
    }
    if !word.value.starts_with(b"/") {
        let found = Diagnostic::error("not-a-path", word.span, "RewriteBase: argument is not a valid URL")
            .help(format!("begin with a slash: `/{}`", word.text()));
        return cx.report(found);
    }
    let mut base = word.value.clone();
    if !base.ends_with(b"/") {
        base.push(b'/');
    }
    section.own.rewrite.base = Some(base);
}

/// `RewriteCond test pattern [flags]`
fn rewrite_cond(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let mut found = Vec::new();
    let condition = rule::condition(directive, &mut found);
    section.own.rewrite.mentioned = true;
    section.own.rewrite.pending.extend(condition);
    report(cx, "RewriteCond", found);
}

/// `RewriteRule pattern substitution [flags]`
fn rewrite_rule(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let mut found = Vec::new();
    let own = &mut section.own.rewrite;
    own.mentioned = true;
    let conditions = std::mem::take(&mut own.pending);
    own.rules.extend(rule::rule(directive, conditions, &mut found));
    report(cx, "RewriteRule", found);
}

/// Findings of a line, those about its flags in the original's words.
fn report(cx: &mut Cx, name: &str, found: Vec<Diagnostic>) {
    for mut one in found {
        if matches!(one.code, "bad-flags" | "unknown-flag" | "invalid-status") {
            one.message = format!("{name}: {}", one.message);
        }
        cx.report(one);
    }
}

/// When a section is whole: its rules. Those of virtual hosts wait for the main server's.
pub(crate) fn settle(cx: &mut Cx, section: &mut Section) {
    let own = &section.own.rewrite;
    if let [.., condition] = own.pending.as_slice() {
        cx.report(
            Diagnostic::warning("unused-condition", condition.span, "no rule follows this condition")
                .because("has no effect"),
        );
    }
    match section.kind {
        Kind::Server => server(cx, None, section),
        Kind::VirtualHost => {}
        _ if section.own.rewrite.mentioned => directory(cx, section),
        _ => {}
    }
}

/// Before a virtual host is joined with the main server.
pub(crate) fn join(cx: &mut Cx, main: &Section, host: &mut Section) {
    server(cx, Some(main), host);
}

/// A server's rules.
fn server(cx: &mut Cx, main: Option<&Section>, host: &mut Section) {
    let own = host.own.rewrite.clone();
    let above = main.map(|main| &main.own.rewrite);
    let engine = own.engine.or(above.and_then(|above| above.engine)).unwrap_or(false);
    let options = own.options.or(above.and_then(|above| above.options)).unwrap_or_default();
    let (mut rules, mut known) = (own.rules, own.maps);
    if let Some(above) = above {
        let down = above.options.unwrap_or_default();
        // A host without a word of its own, or in its sections, has no rules (observed: Apache httpd 2.4.71).
        let mentioned = mentioned(host);
        let down = |which| down.has(which) && !options.has(Options::IGNORE_INHERIT) && mentioned;
        let after = options.has(Options::INHERIT) || down(Options::INHERIT_DOWN);
        let before = options.has(Options::INHERIT_BEFORE) || down(Options::INHERIT_DOWN_BEFORE);
        if after || before {
            for (name, map) in &above.maps {
                known.entry(name.clone()).or_insert(*map);
            }
            if after {
                rules.extend(above.rules.iter().cloned());
            } else {
                rules.splice(0..0, above.rules.iter().cloned());
            }
        }
    }
    if let Some(on) = own.engine {
        // For sections that do not say.
        let value: Template = if on { "1".into() } else { Template::default() };
        let step = Step::Assign { var: cx.own("@rewrite-on"), value };
        host.hook(Phase::Engine, step, host.span);
    }
    host.own.rewrite.engine = Some(engine);
    // A section for paths turns these rules on, too (observed).
    let turns_on = |section: &Section| {
        matches!(section.kind, Kind::Location | Kind::If) && section.own.rewrite.engine == Some(true)
    };
    let mut around = host.sections.iter().chain(main.into_iter().flat_map(|main| &main.sections));
    if !(engine || around.any(turns_on)) || rules.is_empty() {
        return;
    }
    let root = host.set.files.root.clone().or_else(|| main.and_then(|main| main.set.files.root.clone()));
    let scene = Scene::new(
        None,
        root.unwrap_or_else(|| super::lower::DOCUMENT_ROOT.into()),
        Names::of(host),
        Some(known),
    );
    let span = host.span;
    let mut steps = Steps::new();
    let out = vec![(Step::Jump(Jump::Exit("rewrite".into())), span)];
    let ended = [cx.own("@rewrite-end"), cx.own("@rewrite-off")];
    let ended = ended.map(|var| Test::Truthy(Template::var(var))).to_vec();
    steps.push(when(Test::Any(ended), out, span));
    steps.extend(list::lower(cx, &scene, &rules, span));
    for (step, span) in steps {
        host.hook(Phase::Rewrite, step, span);
    }
}

/// Whether anything in a section is about rules.
fn mentioned(section: &Section) -> bool {
    let own = &section.own.rewrite;
    own.mentioned || !own.maps.is_empty() || section.sections.iter().any(mentioned)
}

/// Whether a server's engine is on.
pub(crate) fn is_on(host: &Section) -> bool {
    host.own.rewrite.engine == Some(true)
}

/// A section's rules.
fn directory(cx: &mut Cx, section: &mut Section) {
    let own = section.own.rewrite.clone();
    let span = section.span;
    let on = cx.own("@rewrite-on");
    if let Some(engine) = own.engine {
        let value: Template = if engine { "1".into() } else { Template::default() };
        section.hook(Phase::Engine, Step::Assign { var: on, value }, span);
        if matches!(section.kind, Kind::Location | Kind::If) {
            // The server's rules heed it, too.
            let value: Template = if engine { Template::default() } else { "1".into() };
            let var = cx.own("@rewrite-off");
            section.hook(Phase::Rewrite, Step::Assign { var, value }, span);
        }
    }
    let options = own.options.unwrap_or_default();
    let mut prefix = if section.kind == Kind::If { b"*If".to_vec() } else { section.path.clone() };
    if !prefix.ends_with(b"/") {
        prefix.push(b'/');
    }
    let kept = cx.own("@rewrite-base");
    if let Some(base) = &own.base {
        let value = Template::text(base.clone());
        section.hook(Phase::Engine, Step::Assign { var: kept, value }, span);
    }
    let merges = own.base.is_none() && options.has(Options::MERGE_BASE);
    let base = match &own.base {
        Some(base) => Base::Own(Template::text(base.clone())),
        None if merges => Base::Merged(kept),
        None => Base::None,
    };
    let knows = !own.above.rules.is_empty();
    let rules = if knows { own.above.clone().under(&own).rules } else { own.rules.clone() };
    let join = if knows {
        Join::Replace
    } else if options.has(Options::INHERIT) {
        Join::Before
    } else if options.has(Options::INHERIT_BEFORE) {
        Join::After
    } else {
        Join::Replace
    };
    let mut steps = Steps::new();
    if own.engine != Some(false) {
        let file = cx.file();
        let out = || vec![(Step::Jump(Jump::Exit("rules".into())), span)];
        let mut inner = Steps::new();
        if own.engine.is_none() || merges {
            inner.push((Step::Perform(Phase::Engine.name()), span));
        }
        let mut tests = vec![Test::Truthy(Template::var(cx.own("@rewrite-end")))];
        if own.engine.is_none() {
            tests.push(Test::Not(Box::new(Test::Truthy(Template::var(on)))));
        }
        if !options.has(Options::NO_SLASH) && prefix.starts_with(b"/") && prefix.len() > 1 {
            let folder = Template::text(prefix[..prefix.len() - 1].to_vec());
            tests.push(Test::Equal(Template::var(file), folder));
        }
        inner.push(when(Test::Any(tests), out(), span));
        inner.push((Step::Perform(Phase::Links.name()), span));
        let is_folder = section.kind == Kind::Htaccess
            || section.kind == Kind::Directory && !super::glob::is_glob(&section.path);
        let dir = Dir { prefix, base, is_folder };
        let scene = Scene::new(Some(dir), Template::attr(Attr::Root), Names::default(), None);
        let listed = list::lower(cx, &scene, &rules, span);
        if scene.changes.get() {
            let from = Step::Assign { var: cx.own("@rewrite-file"), value: Template::var(file) };
            inner.push((from, span));
        }
        inner.extend(listed);
        steps.push(does(Some("rules".into()), inner, span));
    }
    section.join(Phase::Rules, join, Block { steps, span, ..Block::default() });
}

/// Steps under a condition.
fn when(test: Test, steps: Steps, span: Span) -> (Step, Span) {
    when_else(test, steps, Steps::new(), span)
}

/// Steps under a condition, and others.
fn when_else(test: Test, then: Steps, otherwise: Steps, span: Span) -> (Step, Span) {
    let block = |steps| Block { steps, span, ..Block::default() };
    let otherwise = if otherwise.is_empty() { Block::default() } else { block(otherwise) };
    (Step::When { test, then: block(then), otherwise }, span)
}

/// Steps as a block.
fn does(label: Option<Name>, steps: Steps, span: Span) -> (Step, Span) {
    (Step::Do(Block { label, steps, span, ..Block::default() }), span)
}
