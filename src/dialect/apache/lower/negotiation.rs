//! One of several files that stand for a name: `MultiViews`, type maps, and what is preferred.
//!
//! What 2.4.71 does, observed: where no file has the name asked for, those in its folder are looked at that are called
//! so and have extensions besides; all of these must be known to `mod_mime`, unless `MultiviewsMatch` says otherwise. The
//! one chosen takes the request over: sections are merged anew for its name, `%{REQUEST_URI}` is its path, and rules of
//! sections see it; what stands behind the name stays the path's rest. Nothing is mapped anew. A type map is looked
//! at when everything else is known, and the variant it leads to is an internal redirect.
//!
//! From then on the tags of files have that of the folder, or of the map, behind them (and no quote at the end), after
//! internal redirects, too; not so for an index of a directory. Not done is to leave out variants that the client may not have, and to spell a coding
//! `x-gzip` for clients that do.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/mod_negotiation.html>

use super::{
    super::tree::Directive,
    Cx, Lower, Section,
    mapping::{respond, when},
    walk::{self, Steps},
};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        self, Attr, Base, Block, Edit, Jump, Negotiate, Noted, Part, Query, Reply, ReplyContent, Scope,
        Settings, Step, Template, Test, Text,
    },
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("DefaultLanguage", default_language),
    ("ForceLanguagePriority", force_priority),
    ("LanguagePriority", priority),
    ("MultiviewsMatch", matching),
];

/// `DefaultLanguage language`
fn default_language(_: &mut Cx, section: &mut Section, directive: &Directive) {
    if let [word] = directive.args.as_slice() {
        section.set.answer.default_language = Some(Text::from(word.value.to_ascii_lowercase()));
    }
}

/// `LanguagePriority language ...`
fn priority(_: &mut Cx, section: &mut Section, directive: &Directive) {
    let languages = directive.args.iter().map(|word| Text::from(word.value.to_ascii_lowercase()));
    section.set.negotiation.languages.get_or_insert_default().get_or_insert_default().extend(languages);
}

/// `ForceLanguagePriority None|Prefer|Fallback ...`
fn force_priority(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let (mut prefers, mut falls_back, mut none) = (false, false, false);
    for word in &directive.args {
        match &*word.text().to_ascii_lowercase() {
            "none" => none = true,
            "prefer" => prefers = true,
            "fallback" => falls_back = true,
            _ => {
                let message = format!("Invalid ForceLanguagePriority option {}", word.text());
                return cx.report(Diagnostic::error("invalid-value", word.span, message));
            }
        }
    }
    if none && (prefers || falls_back) {
        let message = "Cannot combine ForceLanguagePriority options None with other options";
        return cx.report(Diagnostic::error("invalid-value", directive.head(), message));
    }
    section.set.negotiation.unordered = Some(!prefers);
    section.set.negotiation.falls_back = Some(falls_back);
}

/// `MultiviewsMatch Any|NegotiatedOnly|Handlers|Filters`
fn matching(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let (mut any, mut handlers) = (false, false);
    for word in &directive.args {
        match &*word.text().to_ascii_lowercase() {
            "negotiatedonly" => {}
            "any" => any = true,
            "handlers" => handlers = true,
            "filters" => {
                let message = "extensions that stand for filters do not count";
                let found = Diagnostic::error("refused-value", word.span, message);
                cx.refuse(found.help("`MultiviewsMatch Any`, or a type for the extension"));
            }
            _ => {
                let message = "Unrecognized option for MultiviewsMatch";
                return cx.report(Diagnostic::error("invalid-value", word.span, message));
            }
        }
    }
    section.set.negotiation.any_extension = Some(any);
    section.set.negotiation.handled_count = Some(handlers);
}

/// Whether a section, or one in it, lets files be chosen among.
pub(super) fn is_on(section: &Section) -> bool {
    let mut on = false;
    ir::walk::settings(&section.set, section.span, &mut |item, _| {
        if let ir::walk::Item::Settings(set) = item {
            on |= set.negotiation.on == Some(true);
        }
    });
    on || section.sections.iter().any(is_on)
}

/// What a choice is told by.
fn choice(cx: &mut Cx, listed: bool) -> Negotiate {
    let all = Test::Present(Template::var(cx.env(b"no-gzip")));
    let but_html = Test::Equal(Template::var(cx.env(b"gzip-only-text/html")), "1".into());
    let choices = vec![(all, "all".into()), (but_html, "but-html".into())];
    let plain = Template::var(cx.choice("@plain-variants", choices, Template::default()));
    let into = Noted::ALL.into_iter().map(|noted| (noted, cx.own(var(noted)))).collect();
    let language = Template::var(cx.env(b"prefer-language"));
    Negotiate { file: cx.file(), rest: cx.path_info(), listed, language, plain, into }
}

/// The variable that takes it.
fn var(noted: Noted) -> &'static str {
    match noted {
        Noted::Outcome => "@variant_outcome",
        Noted::File => "@variant_file",
        Noted::Name => "@variant_name",
        Noted::Path => "@variant_path",
        Noted::Target => "@variant_target",
        Noted::Location => "@variant_location",
        Noted::Alternates => "@variant_alternates",
        Noted::Vary => "@variant_vary",
        Noted::Manner => "@variant_manner",
        Noted::Tag => "@variant_tag",
        Noted::List => "@variants",
        Noted::Content => "@variant_content",
        Noted::Type => "@variant_type",
        Noted::Language => "@variant_language",
        Noted::Coding => "@variant_coding",
    }
}

/// The label of what is done again for the file that was chosen.
const AGAIN: &str = "negotiable";

/// Chooses among files where none has the name.
pub(super) fn among_files(cx: &mut Cx) -> Steps {
    let span = Span::NONE;
    let negotiate = choice(cx, false);
    let mut steps: Steps = vec![(Step::Negotiate(Box::new(negotiate)), span)];
    steps.extend(fields(cx));
    let (indexed, tag) = (cx.own("@indexed"), cx.own(var(Noted::Tag)));
    steps.push(when(
        Test::Truthy(Template::var(indexed)),
        vec![(Step::Unassign(tag), span), (Step::Unassign(indexed), span)],
    ));
    let (file, name, kind) = (cx.file(), cx.name(), cx.kind());
    let of = |cx: &mut Cx, noted| Template::var(cx.own(var(noted)));
    let outcome = of(cx, Noted::Outcome);
    let path = of(cx, Noted::Path);
    let chosen = vec![
        (Step::Rewrite { path: Some(path), query: Query::Keep }, span),
        (Step::Assign { var: file, value: of(cx, Noted::File) }, span),
        (Step::Assign { var: name, value: of(cx, Noted::Name) }, span),
        (Step::Assign { var: kind, value: "file".into() }, span),
        (Step::Jump(Jump::Again(AGAIN.into(), 2)), span),
    ];
    steps.push(when(Test::Equal(outcome, "choice".into()), chosen));
    steps.extend(ends(cx));
    let missing = Test::Equal(Template::var(kind), Template::default());
    let here = Test::Not(Box::new(walk::is_proxied(cx)));
    vec![when(Test::All(vec![missing, here]), steps)]
}

/// Chooses from what the file lists that answers.
pub(super) fn from_lists(cx: &mut Cx) -> Steps {
    if !cx.names.lists {
        return Vec::new();
    }
    let negotiate = choice(cx, true);
    let mut steps: Steps = vec![(Step::Negotiate(Box::new(negotiate)), Span::NONE)];
    steps.extend(fields(cx));
    let outcome = Template::var(cx.own(var(Noted::Outcome)));
    steps.push(when(Test::Equal(outcome, "choice".into()), elsewhere(cx)));
    steps.extend(ends(cx));
    let file = Test::Equal(Template::var(cx.kind()), "file".into());
    let handled = Test::Equal(Template::var(cx.handler()), "type-map".into());
    vec![when(Test::All(vec![handled, file]), steps)]
}

/// The fields that tell of a choice.
fn fields(cx: &mut Cx) -> Steps {
    let named = [
        ("Content-Location", Noted::Location, false),
        ("Alternates", Noted::Alternates, false),
        ("Vary", Noted::Vary, true),
        ("TCN", Noted::Manner, false),
    ];
    let promise = |(field, noted, member): (&str, Noted, bool)| {
        let value = Template::var(cx.own(var(noted)));
        (Step::Promise { field: field.into(), value, always: true, member }, Span::NONE)
    };
    named.map(promise).into()
}

/// Goes on as if the variant had been asked for.
fn elsewhere(cx: &mut Cx) -> Steps {
    let target = Template::var(cx.own(var(Noted::Target)));
    vec![(Step::Target(target), Span::NONE), (Step::Jump(Jump::Restart), Span::NONE)]
}

/// What is answered at once.
fn ends(cx: &mut Cx) -> Steps {
    let span = Span::NONE;
    let outcome = Template::var(cx.own(var(Noted::Outcome)));
    let is = |what: &str| Test::Equal(outcome.clone(), what.into());
    let mut steps = vec![when(is("elsewhere"), elsewhere(cx))];
    for status in [300, 403, 404, 406, 500] {
        steps.push(when(is(&status.to_string()), vec![respond(status)]));
    }
    let mut set = Settings::default();
    let edits = [
        ("Content-Type", Noted::Type),
        ("Content-Language", Noted::Language),
        ("Content-Encoding", Noted::Coding),
        ("Accept-Ranges", Noted::Outcome),
    ];
    let edit = |(field, noted): (&str, Noted)| {
        let value = match noted {
            Noted::Outcome => "bytes".into(),
            _ => Template::var(cx.own(var(noted))),
        };
        (Step::Edit(Edit::Set(field.into(), value)), span)
    };
    let steps_of_response = edits.map(edit).into();
    set.answer.on_response = Some(vec![Block { steps: steps_of_response, ..Block::default() }]);
    let content = Template(vec![Part::Var(cx.own(var(Noted::Content)))]);
    let block = Block {
        scope: Some(Scope { base: Base::Current, set: Box::new(set) }),
        steps: vec![(Step::Respond(Reply { status: 200, content: ReplyContent::Text(content) }), span)],
        ..Block::default()
    };
    steps.push(when(is("content"), vec![(Step::Do(block), span)]));
    steps
}

/// Steps that are done again, from the settings of the server on, for the file that was chosen. What is sent to another
/// server has no file, and keeps the settings that say so.
/// `among` are those of [`among_files`].
pub(super) fn again(cx: &mut Cx, steps: Steps, among: std::ops::Range<usize>) -> Steps {
    let span = Span::NONE;
    let proxied = walk::is_proxied(cx);
    let mut others = steps.clone();
    others.drain(among);
    let sent = when(proxied.clone(), others);
    let scope = Some(Scope { base: Base::Enclosing, set: Box::default() });
    let inner = Block { scope, steps, span, ..Block::default() };
    let block =
        Block { label: Some(AGAIN.into()), steps: vec![(Step::Do(inner), span)], span, ..Block::default() };
    vec![sent, when(Test::Not(Box::new(proxied)), vec![(Step::Do(block), span)])]
}

/// The pages that list what could have been chosen, and tags that tell of the list.
pub(super) fn defaults(cx: &mut Cx) {
    let tag = cx.own(var(Noted::Tag));
    cx.config.base.answer.tag_more = Some(Template::var(tag));
    let list = cx.own(var(Noted::List));
    let listing = cx.config.pages.iter_mut().filter(|(status, _)| matches!(status, 300 | 406));
    for (_, page) in listing {
        if let Some(at) = page.0.iter().rposition(|part| *part == Part::Attr(Attr::Signature)) {
            page.0.insert(at, Part::Var(list));
        }
    }
}
