//! What a place answers by itself: files and their types, default documents, headers, errors, redirects, handlers.
//!
//! Reference 11 and 12, from the pages of the configuration reference for each section.

use std::collections::BTreeSet;

use super::{Cx, Place, block, path_text, pattern::literal, prefix, root_of};
use crate::{
    diagnostic::Diagnostic,
    dialect::iis::effective::{Item, Value},
    ir::{
        Attr, Base, Block, Edit, Escape, FileKind, Handler, Name, Part, Reply, ReplyContent, Scope, Settings,
        Step, Template, Test, Text,
        settings::{Alias, ListingColumn, ListingForm},
    },
    source::Span,
};

type Steps = Vec<(Step, Span)>;

/// The variable that says that the request was led to another path after it was decided.
pub(super) const AGAIN: &str = "led on";

/// The settings of a place, whoever answers.
pub(super) fn settings(cx: &mut Cx, place: &Place, settings: &mut Settings) {
    let mut found = Vec::new();
    let mut of =
        |name: &str| place.site.section(&format!("system.webServer/{name}"), &place.path, &mut found);
    let (documents, types) = (of("defaultDocument"), of("staticContent"));
    let (protocol, errors, logging) = (of("httpProtocol"), of("httpErrors"), of("httpLogging"));
    cx.found.append(&mut found);

    files(place, settings);
    let names = documents.part("files");
    let index = names.items().iter().filter(|item| is_below(cx, item));
    let index = index.map(|item| Template::text(item.value.text("value"))).collect();
    settings.files.index = Some(if documents.flag("enabled") { index } else { Vec::new() });
    if types.written {
        mime(&types, settings);
    }
    let headers = protocol.part("customHeaders");
    // The stock server's own `X-Powered-By` is not sent: what it names is not here.
    let headers = headers.items().iter().filter(|item| !item.level.assumed);
    let steps: Steps = headers.map(add).collect();
    settings.answer.on_response = Some(if steps.is_empty() { Vec::new() } else { vec![block(steps)] });
    // The redirect to https comes before any place.
    let _ = super::bindings::hsts(place.site, settings);
    if !protocol.flag("allowKeepAlive") {
        settings.client.keepalive_timeout = Some(std::time::Duration::ZERO);
    }
    if logging.flag("dontLog") {
        settings.logs.access = Some(Vec::new());
    } else {
        super::logging::settings(cx, place.site, settings);
    }
    super::pages::errors(cx, &errors, settings);
}

/// Whether a default document is in the folder or below it; else that is said, once.
fn is_below(cx: &mut Cx, item: &Item) -> bool {
    let name = item.value.text("value");
    let rooted = name.starts_with(['/', '\\']);
    if !rooted && name.split(['/', '\\']).all(|part| part != "..") {
        return true;
    }
    let place = item.value.place("value");
    let message = "a default document is a file in the folder or below it";
    let same = |one: &Diagnostic| {
        let at = one.labels.first().map(|label| (label.span.file, label.span.start));
        one.message == message && at == Some((place.file, place.start))
    };
    if !cx.found.iter().any(same) {
        let found = Diagnostic::error("invalid-value", place, message);
        cx.report(found.because("a path that leads out of the site is no URL"));
    }
    false
}

/// Where the files of a place are.
fn files(place: &Place, settings: &mut Settings) {
    let Some(root) = root_of(place.site, &place.path) else { return };
    if root.path.is_empty() {
        settings.files.root = Some(path_text(&root.folder));
        settings.files.alias = Some(None);
        return;
    }
    let cut = prefix(&root.path).len() - 1;
    settings.files.alias =
        Some(Some(Alias { with: path_text(&root.folder), cut: Some(cut as u32), rewritten: true }));
}

pub(super) fn mime(section: &Value, settings: &mut Settings) {
    let mut types: Vec<(Text, Text)> = Vec::new();
    let mut other = None;
    for item in section.items() {
        let extension = item.value.text("fileExtension").to_lowercase();
        let kind = Text::from(item.value.text("mimeType"));
        match extension.as_str() {
            ".*" => other = Some(kind),
            // A file without an extension; the engine asks for the one behind the last dot.
            "." => types.push((Text::new(), kind)),
            _ => types.push((Text::from(extension.trim_start_matches('.')), kind)),
        }
    }
    settings.files.known_types = Some(other.is_none());
    settings.answer.default_type = Some(other.map(|kind| Template::text(kind.to_vec())).unwrap_or_default());
    settings.answer.types = Some(types);
}

/// `<add name value>` of a list of headers.
fn add(item: &Item) -> (Step, Span) {
    let name = Name::from(item.value.text("name"));
    (Step::Edit(Edit::Add(name, Template::text(item.value.text("value")))), item.span)
}

/// Who answers a request of a place that no rule sends elsewhere.
pub(super) fn steps(cx: &mut Cx, place: &Place, settings: &mut Settings) -> Steps {
    let mut found = Vec::new();
    let mut of =
        |name: &str| place.site.section(&format!("system.webServer/{name}"), &place.path, &mut found);
    let (redirect, types, handlers) = (of("httpRedirect"), of("staticContent"), of("handlers"));
    let browse = of("directoryBrowse");
    let protocol = of("httpProtocol");
    cx.found.append(&mut found);

    settings.handler = Some(Handler::Files);
    cache(cx, &types.part("clientCache"), settings);
    self::browse(&browse, settings);
    let mut out = Steps::new();
    if redirect.flag("enabled") {
        self::redirect(cx, place, &redirect, &protocol.part("redirectHeaders"), &mut out);
    }
    super::handlers::programs(cx, place, &handlers, &mut out);
    let pages = if out.is_empty() {
        BTreeSet::new()
    } else {
        // The same for all places of a site.
        cx.error_files.get_or_insert_with(|| super::pages::files(place.site)).clone()
    };
    if !pages.is_empty() {
        // The file for an error is sent as it is.
        let path = |page: String| Test::Equal(Template::attr(Attr::Path), Template::text(page));
        let again = Test::Truthy(Template::var(cx.assigned(AGAIN)));
        let test = Test::All(vec![again, Test::Any(pages.into_iter().map(path).collect())]);
        let otherwise = block(std::mem::take(&mut out));
        out.push((Step::When { test, then: Block::default(), otherwise }, Span::NONE));
    }
    super::handlers::files(&handlers, &mut out);
    // 405.0 of `StaticFileModule` says which methods there are (read off a server and published); where there is no file for
    // a `POST`, that is said instead.
    let reply = Reply { status: 405, content: ReplyContent::Page };
    let (field, value) = (Name::from("Allow"), "GET, HEAD, OPTIONS, TRACE".into());
    let refused = block(vec![
        (Step::Promise { field, value, always: true, member: false }, Span::NONE),
        (Step::Respond(reply), Span::NONE),
    ]);
    let there = Test::File(Template::attr(Attr::FilePath), FileKind::Any);
    let missing = Test::All(vec![
        Test::Method(["POST", "OPTIONS"].map(Name::from).to_vec()),
        Test::Not(Box::new(there)),
    ]);
    let mut fine = vec![Test::Method(["GET", "HEAD"].map(Name::from).to_vec()), missing];
    // Which methods a program takes it knows itself.
    fine.extend(cx.vars.get(super::handlers::PROGRAM).map(|id| Test::Truthy(Template::var(*id))));
    let files = Test::Any(fine);
    out.push((Step::When { test: files, then: Block::default(), otherwise: refused }, Span::NONE));
    out
}

/// `directoryBrowse`: what is shown of the files of a folder that has no default document.
fn browse(section: &Value, settings: &mut Settings) {
    let shows = |flag: &str| section.is("showFlags", flag);
    let columns = [
        ("Date", ListingColumn::Date),
        ("LongDate", ListingColumn::LongDate),
        ("Time", ListingColumn::Time),
        ("Size", ListingColumn::Size),
        ("Extension", ListingColumn::Extension),
    ];
    if section.flag("enabled") {
        settings.listing.on = Some(true);
        settings.listing.form = Some(ListingForm::Columns);
        let shown = columns.into_iter().filter(|(flag, _)| shows(flag)).map(|(_, column)| column);
        settings.listing.columns = Some(shown.collect());
    }
}

/// `clientCache`: what is said about keeping a file.
fn cache(cx: &mut Cx, section: &Value, settings: &mut Settings) {
    settings.answer.etag = Some(section.flag("setEtag"));
    let mut directives: Vec<String> = Vec::new();
    let custom = section.text("cacheControlCustom");
    if !custom.is_empty() {
        directives.push(custom.to_owned());
    }
    let mut edits = Vec::new();
    match section.text("cacheControlMode").to_ascii_lowercase().as_str() {
        "disablecache" => directives.push("no-cache".to_owned()),
        "usemaxage" => directives.push(format!("max-age={}", section.time("cacheControlMaxAge").as_secs())),
        "useexpires" => {
            let when = section.text("httpExpires");
            if httpdate::parse_http_date(when).is_ok() {
                edits.push(Edit::Set("Expires".into(), Template::text(when)));
            } else {
                let found = Diagnostic::error(
                    "invalid-value",
                    section.place("httpExpires"),
                    "this is no date of HTTP",
                );
                cx.report(found.help("write it like `Tue, 19 Jan 2038 03:14:07 GMT`"));
            }
        }
        _ => {}
    }
    if !directives.is_empty() {
        edits.push(Edit::Set("Cache-Control".into(), Template::text(directives.join(","))));
    }
    if edits.is_empty() {
        return;
    }
    let steps = edits.into_iter().map(|edit| (Step::Edit(edit), section.span)).collect();
    let test = Test::Status(vec![200, 206, 304]);
    let when = Step::When { test, then: block(steps), otherwise: Block::default() };
    settings.answer.on_response.get_or_insert_default().push(block(vec![(when, section.span)]));
}

/// `httpRedirect`
fn redirect(cx: &mut Cx, place: &Place, section: &Value, headers: &Value, out: &mut Steps) {
    let status = section.code("httpResponseStatus").unwrap_or(302);
    let span = section.span;
    let answer = |location: Template| {
        let location = Template(vec![Part::Escape(Escape::Url, location)]);
        (Step::Respond(Reply { status, content: ReplyContent::Location(location) }), span)
    };
    let mut steps = Steps::new();
    if !headers.items().is_empty() {
        let set = Settings {
            answer: crate::ir::settings::Answer {
                on_response: Some(vec![block(headers.items().iter().map(add).collect())]),
                ..Default::default()
            }
            .into(),
            ..Settings::default()
        };
        let scope = Some(Scope { base: Base::Current, set: Box::new(set) });
        steps.push((Step::Do(Block { scope, ..Block::default() }), span));
    }
    let destination = section.text("destination");
    if destination.is_empty() {
        for item in section.items() {
            let pattern = super::pattern::wildcard(item.value.text("wildcard"));
            let into = super::URL;
            let test = Test::Match {
                subject: Template::attr(Attr::Path),
                pattern: super::letters::any_case(pattern),
                into: Some(into),
            };
            let to = item.value.text("destination");
            let mut then = steps.clone();
            then.push(answer(expanded(to)));
            out.push((Step::When { test, then: block(then), otherwise: Block::default() }, item.span));
        }
        if section.items().is_empty() {
            let found = Diagnostic::error(
                "missing-attribute",
                section.place("enabled"),
                "a redirect needs a `destination`",
            );
            cx.report(found);
        }
        return;
    }
    let mut location = expanded(destination);
    let literal_end = destination.ends_with('/');
    if !section.flag("exactDestination") && !destination.contains('$') {
        // What follows the path that it is written for.
        let cut = prefix(&place.path).len() - usize::from(!literal_end);
        location.push(Part::Escape(Escape::Skip(cut as u32), Template::attr(Attr::Path)));
        location.push(Part::Attr(Attr::QueryMark));
        location.push(Part::Attr(Attr::Query));
    }
    steps.push(answer(location));
    if !section.flag("childOnly") {
        out.extend(steps);
        return;
    }
    let mut own = String::from("^");
    for segment in &place.path {
        own.push('/');
        own.push_str(&literal(segment));
    }
    own.push_str("/[^/]*$");
    let test = Test::Match {
        subject: Template::attr(Attr::Path),
        pattern: super::letters::any_case(own),
        into: None,
    };
    out.push((Step::When { test, then: block(steps), otherwise: Block::default() }, span));
}

/// `$S`, `$P`, `$Q`, `$V` and `$0` to `$9` of a destination.
fn expanded(text: &str) -> Template {
    let mut out = Template::default();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push(Part::Text(rest[..at].into()));
        let letter = rest.as_bytes().get(at + 1).copied().unwrap_or_default();
        rest = &rest[(at + 2).min(rest.len())..];
        match letter.to_ascii_uppercase() {
            b'S' => out.push(Part::Attr(Attr::Path)),
            b'P' => out.push(Part::Attr(Attr::Query)),
            b'Q' => {
                out.push(Part::Attr(Attr::QueryMark));
                out.push(Part::Attr(Attr::Query));
            }
            b'V' => {
                out.push(Part::Attr(Attr::Path));
                out.push(Part::Attr(Attr::QueryMark));
                out.push(Part::Attr(Attr::Query));
            }
            digit @ b'0'..=b'9' => out.push(Part::Capture(super::URL, digit - b'0')),
            _ => {
                out.push(Part::Text("$".into()));
                if letter != 0 {
                    out.push(Part::Text(vec![letter].into()));
                }
            }
        }
    }
    out.push(Part::Text(rest.into()));
    out
}
