//! What a file is by its name: types, encodings, languages, character sets; who answers for it.
//!
//! References: <https://httpd.apache.org/docs/2.4/mod/mod_mime.html>,
//! <https://httpd.apache.org/docs/2.4/mod/core.html#sethandler>

use super::{
    super::{
        glob,
        tree::{Directive, Word},
    },
    Cx, Lower, Phase, Section, computed_handler, filters, manager,
    mapping::when,
    program,
    proxy::gateway,
    status,
    walk::Steps,
};
use crate::{
    diagnostic::{Diagnostic, Severity},
    dialect::apache::expr::lower as expr,
    ir::{Base, Block, Handler, Pattern, Scope, Settings, Step, Template, Test, Text},
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("AddCharset", add_charset),
    ("AddDefaultCharset", default_charset),
    ("AddEncoding", add_encoding),
    ("AddHandler", add_handler),
    ("AddLanguage", add_language),
    ("AddType", add_type),
    ("DefaultType", default_type),
    ("ForceType", force_type),
    ("RemoveCharset", remove),
    ("RemoveEncoding", remove),
    ("RemoveLanguage", remove),
    ("RemoveType", remove),
    ("SetHandler", set_handler),
    ("TypesConfig", types_config),
];

/// The word and the extensions after it, in lower case and without dots.
fn by_extension(directive: &Directive) -> Option<(&Word, Vec<Text>)> {
    let (word, extensions) = directive.args.split_first()?;
    Some((word, extensions.iter().map(extension).collect()))
}

fn extension(word: &Word) -> Text {
    let name = word.value.to_ascii_lowercase();
    name.strip_prefix(b".").unwrap_or(&name).into()
}

/// `AddType type extension ...`
fn add_type(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some((word, extensions)) = by_extension(directive) else { return };
    let kind = Text::from(word.value.to_ascii_lowercase());
    let types = section.set.answer.types.get_or_insert_default();
    types.extend(extensions.iter().map(|extension| (extension.clone(), kind.clone())));
    match &*kind {
        b"application/x-type-map" => lists_are(cx, section, &extensions, directive.head()),
        // Types that name handlers.
        b"application/x-httpd-cgi" | b"httpd/send-as-is" => {
            let name = if kind.starts_with(b"httpd") {
                cx.names.programs = true;
                program::SAID
            } else {
                program::chosen(cx, &word.text(), word.span);
                program::RUN
            };
            named_are(cx, section, &extensions, Template::text(name), directive.head());
        }
        _ => {}
    }
}

/// `AddEncoding encoding extension ...`
fn add_encoding(_: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some((word, extensions)) = by_extension(directive) else { return };
    let encoding = Text::from(word.value.to_ascii_lowercase());
    let encodings = section.set.answer.encodings.get_or_insert_default();
    encodings.extend(extensions.into_iter().map(|extension| (extension, encoding.clone())));
}

/// `AddLanguage language extension ...`
fn add_language(_: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some((word, extensions)) = by_extension(directive) else { return };
    let language = Text::from(word.value.to_ascii_lowercase());
    let languages = section.set.answer.languages.get_or_insert_default();
    languages.extend(extensions.into_iter().map(|extension| (extension, language.clone())));
}

/// `AddCharset charset extension ...`
fn add_charset(_: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some((word, extensions)) = by_extension(directive) else { return };
    let charset = Text::from(word.value.to_ascii_lowercase());
    let charsets = section.set.answer.charsets.get_or_insert_default();
    charsets.extend(extensions.into_iter().map(|extension| (extension, charset.clone())));
}

/// `RemoveType extension ...` and the like: empty is as if there were none.
fn remove(_: &mut Cx, section: &mut Section, directive: &Directive) {
    let answer = &mut section.set.answer;
    let list = match directive.name() {
        "RemoveType" => &mut answer.types,
        "RemoveEncoding" => &mut answer.encodings,
        "RemoveLanguage" => &mut answer.languages,
        _ => &mut answer.charsets,
    };
    let list = list.get_or_insert_default();
    list.extend(directive.args.iter().map(|word| (extension(word), Text::new())));
}

/// `AddDefaultCharset On|Off|charset`
fn default_charset(_: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let charset = if word.is("off") {
        Template::default()
    } else if word.is("on") {
        "iso-8859-1".into()
    } else {
        Template::text(word.value.as_slice())
    };
    section.set.answer.charset = Some(charset);
}

/// `ForceType type|none`
fn force_type(_: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let kind = (!word.is("none")).then(|| Text::from(word.value.to_ascii_lowercase()));
    section.set.answer.forced_type = Some(kind);
}

/// `DefaultType none`: any other value does nothing but a warning.
fn default_type(cx: &mut Cx, _: &mut Section, directive: &Directive) {
    if let [word] = directive.args.as_slice()
        && !word.is("none")
    {
        let message = "Ignoring deprecated use of DefaultType";
        cx.warn("ignored", directive.head(), message);
    }
}

/// `TypesConfig file`: lines of a type and its extensions.
fn types_config(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let path = cx.path(&word.value);
    match std::fs::read(&path) {
        Ok(text) => section.set.answer.types = Some(types(&text)),
        Err(error) => {
            let message = format!("could not open mime types config file {}: {error}", path.display());
            cx.missing("unreadable-file", word.span, message);
        }
    }
}

fn types(text: &[u8]) -> Vec<(Text, Text)> {
    let mut types = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let Some(kind) = words.next().filter(|kind| kind.first() != Some(&b'#')) else { continue };
        types.extend(words.map(|word| (Text::from(word.to_ascii_lowercase()), Text::from(kind))));
    }
    types
}

/// `AddHandler name extension ...`; `type-map` is for files that list what there is to choose from.
fn add_handler(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some((word, extensions)) = by_extension(directive) else { return };
    let name = word.value.to_ascii_lowercase();
    if name.starts_with(b"proxy:") {
        let Some(mut steps) = gateway::hand_over(cx, word) else { return };
        // What is chosen for the section comes before what is chosen by name.
        let free = Test::Not(Box::new(Test::Truthy(Template::var(cx.handler()))));
        let names: Vec<_> = extensions.iter().map(|name| glob::regex(name, glob::Slash::Like)).collect();
        let text = format!("^/(?:.*/)?[^/]+\\.(?:{})(?:\\.[^/]*)?$", names.join("|"));
        let pattern = Pattern::whole(text.as_bytes(), true);
        let named = Test::Match { subject: Template::var(cx.file()), pattern, into: None };
        let step = when(Test::All(vec![free, named]), std::mem::take(&mut steps));
        section.hook(Phase::ByName, step.0, directive.head());
        return;
    }
    section.set.negotiation.handled.get_or_insert_default().extend(extensions.iter().cloned());
    if name == b"type-map" {
        return lists_are(cx, section, &extensions, directive.head());
    }
    if name == b"server-parsed" {
        return filters::parsed(cx, section, word, directive.args.get(1..), directive.head());
    }
    let chosen = handler_of(cx, word, &name);
    if matches!(chosen, Some(Chosen::Program)) {
        return named_are(cx, section, &extensions, Template::text(name), directive.head());
    }
    if matches!(chosen, Some(Chosen::Nobody | Chosen::By(None))) {
        let message = "files of this kind are answered as all others";
        cx.report(Diagnostic::new(Severity::Note, "ignored", message).label(word.span, ""));
    }
}

/// Files with such a name list what there is to choose from.
fn lists_are(cx: &mut Cx, section: &mut Section, extensions: &[Text], span: Span) {
    cx.names.lists = true;
    named_are(cx, section, extensions, "type-map".into(), span);
}

/// Files with such a name are given to this handler.
fn named_are(cx: &mut Cx, section: &mut Section, extensions: &[Text], name: Template, span: Span) {
    let names: Vec<_> = extensions.iter().map(|name| glob::regex(name, glob::Slash::Like)).collect();
    // What is proxied begins with no slash.
    let text = format!("^/(?:.*/)?[^/]+\\.(?:{})(?:\\.[^/]*)?$", names.join("|"));
    let pattern = Pattern::whole(text.as_bytes(), true);
    let free = Test::Not(Box::new(Test::Truthy(Template::var(cx.handler()))));
    let named = Test::Match { subject: Template::var(cx.file()), pattern, into: None };
    let handler = cx.handler();
    let (step, _) =
        when(Test::All(vec![free, named]), vec![(Step::Assign { var: handler, value: name }, span)]);
    section.hook(Phase::ByName, step, span);
}

/// `SetHandler name|none`
fn set_handler(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let span = directive.head();
    if memchr::memmem::find(&word.value, b"%{").is_some() {
        let Some(computed) = expr::template_of(cx, &expr::written(word)) else { return };
        let steps = computed_handler::steps(cx, computed, span);
        return section.replace(Phase::Type, Block { steps, span, ..Block::default() });
    }
    let name = word.value.to_ascii_lowercase();
    if name.starts_with(b"proxy:") {
        let Some(steps) = gateway::hand_over(cx, word) else { return };
        return section.replace(Phase::Type, Block { steps, span, ..Block::default() });
    }
    if name == b"server-parsed" {
        filters::parsed(cx, section, word, None, span);
    }
    let handler = cx.handler();
    let given = cx.own("@gateway_file");
    let mut steps: Steps = vec![(Step::Unassign(given), span)];
    match handler_of(cx, word, &name) {
        None => return,
        Some(Chosen::List) => {
            cx.names.lists = true;
            steps.push((Step::Assign { var: handler, value: "type-map".into() }, span));
        }
        Some(Chosen::Status) => {
            steps.push((Step::Assign { var: handler, value: Template::text(name) }, span));
            steps.extend(status::page(cx, span));
        }
        Some(Chosen::Members) => {
            steps.push((Step::Assign { var: handler, value: Template::text(name) }, span));
            steps.extend(manager::page(cx, span));
        }
        Some(Chosen::Program) => {
            steps.push((Step::Assign { var: handler, value: Template::text(name) }, span));
        }
        Some(Chosen::Nobody) => steps.push((Step::Unassign(handler), span)),
        Some(Chosen::By(answered_by)) => {
            let set = Settings { handler: answered_by, ..Settings::default() };
            let scope = Scope { base: Base::Current, set: Box::new(set) };
            let value =
                if name == b"server-parsed" { "default-handler".into() } else { Template::text(name) };
            let block = Block {
                scope: Some(scope),
                steps: vec![(Step::Assign { var: handler, value }, span)],
                span,
                ..Block::default()
            };
            steps.push((Step::Do(block), span));
        }
    }
    section.replace(Phase::Type, Block { steps, span, ..Block::default() });
}

/// Who a handler's name stands for.
enum Chosen {
    /// The page about the server itself.
    Status,
    /// The page about balancers and their members.
    Members,
    /// What a file lists is chosen from.
    List,
    /// The file is a program, or says what one would.
    Program,
    /// Nobody was chosen: whoever answers otherwise.
    Nobody,
    /// This one; `None` is the file.
    By(Option<Handler>),
}

/// Who answers by that name. `None`, after a report, when nobody does.
fn handler_of(cx: &mut Cx, word: &Word, name: &[u8]) -> Option<Chosen> {
    match name {
        b"none" => Some(Chosen::Nobody),
        b"type-map" | b"application/x-type-map" => Some(Chosen::List),
        b"server-status" => Some(Chosen::Status),
        b"balancer-manager" => Some(Chosen::Members),
        b"default-handler" | b"server-parsed" => Some(Chosen::By(None)),
        program::RUN => {
            program::chosen(cx, &word.text(), word.span);
            Some(Chosen::Program)
        }
        program::SAID => {
            cx.names.programs = true;
            Some(Chosen::Program)
        }
        _ => {
            let text = word.text();
            let help = match name {
                name if name.starts_with(b"application/x-httpd-php") || name == b"php-script" => {
                    "run PHP with php-fpm: SetHandler \"proxy:unix:/run/php/php-fpm.sock|fcgi://localhost\""
                }
                b"fcgid-script" | b"fastcgi-script" => {
                    "run it as a FastCGI service: SetHandler \"proxy:fcgi://127.0.0.1:9000\"; or each time anew: cgi-script"
                }
                _ => "use ProxyPass to a server that does it",
            };
            let message = format!("the handler `{text}` is not honoured");
            cx.refuse(Diagnostic::error("refused-handler", word.span, message).help(help));
            None
        }
    }
}
