//! Inbound rules: `rules` and `globalRules` as a block of steps.
//!
//! A rule's pattern sees the decoded path without the slash in front, relative to the folder of the file that the rule
//! stands in. The pattern is tried first, then the conditions, in order; then variables are set, then the action is taken
//! (reference 5.2). A rewrite replaces path and query for later rules; one to an absolute URL ends all rules: it is kept in
//! the variable `forward`, and the program forwards there. An expanded URL is split at its first `?`: where the text before
//! it can only hold what the path held, at the `?` that is written; else when it is known.

use super::{
    CONDITION, Cx, Place, RULE, URL,
    conditions::{Given, conditions},
    expression::{self, Around, Parsed},
    inside, leave,
    maps::Maps,
    outbound,
    pattern::{self, Reading},
    prefix, steps, vars,
};
use crate::{
    diagnostic::Diagnostic,
    dialect::iis::{
        effective::{Item, Value},
        site::Site,
        tree::Attribute,
    },
    ir::{
        Attr, Block, By, Choice, Escape, Part, Pattern, Query, Relation, Reply, ReplyContent, Step, Template,
        Test, VarId, VarKind,
    },
    source::Span,
};

type Steps = Vec<(Step, Span)>;

/// The variable that says that a rule rewrote the URL, where programs are told.
pub(super) const REWRITTEN: &str = "rewritten";

/// A set of rules while it is lowered.
struct Set<'a> {
    maps: Maps,
    /// The label of the block they stand in.
    label: &'static str,
    /// The path of the place they hold for.
    path: Vec<String>,
    /// The variable that holds the URL to forward to.
    forward: VarId,
    /// Whether ARR's proxy is on.
    proxy: bool,
    /// Whether an expanded URL is escaped where it is forwarded to.
    encode: bool,
    /// Whether programs behind the rules are told what they did.
    programs: bool,
    /// The variables that may be set; `None` where all may.
    allowed: Option<Vec<String>>,
    section: &'a Value,
}

/// Makes the variables that rules of the site set known, before anything reads one.
///
/// Where its rules lead to, in lower case.
pub(super) fn declare(cx: &mut Cx, site: &Site) -> Vec<String> {
    let mut found = Vec::new();
    let mut targets = Vec::new();
    let sections = ["system.webServer/rewrite/rules", "system.webServer/rewrite/globalRules"];
    for place in site.places() {
        outbound::declare(cx, &site.section("system.webServer/rewrite/outboundRules", &place, &mut found));
        for section in sections {
            for rule in site.section(section, &place, &mut found).items() {
                let action = rule.value.part("action");
                targets.push(action.text("url").to_lowercase());
                if action.is("type", "CustomResponse") {
                    custom_status(cx, &action, None);
                }
                let set = rule.value.part("serverVariables");
                let names = set.items().iter().map(|set| set.value.text("name"));
                for name in names.filter(|name| !vars::frames(name)) {
                    vars::written(cx, name);
                }
            }
        }
    }
    targets
}

/// The global rules of a site.
pub(super) fn global(cx: &mut Cx, site: &Site, forward: VarId) -> Steps {
    let mut found = Vec::new();
    let section = site.section("system.webServer/rewrite/globalRules", &[], &mut found);
    cx.found.append(&mut found);
    let set = Set::new(cx, site, &[], &section, "global", forward);
    let rules = set.rules(cx);
    if rules.is_empty() {
        return rules;
    }
    vec![(Step::Do(Block { label: Some("global".into()), steps: rules, ..Block::default() }), Span::NONE)]
}

/// The rules in force at a place, for a block labelled `rules`.
pub(super) fn distributed(cx: &mut Cx, place: &Place, forward: VarId) -> Steps {
    let mut found = Vec::new();
    let section = place.site.section("system.webServer/rewrite/rules", &place.path, &mut found);
    cx.found.append(&mut found);
    Set::new(cx, place.site, &place.path, &section, "rules", forward).rules(cx)
}

impl<'a> Set<'a> {
    fn new(
        cx: &mut Cx,
        site: &Site,
        path: &[String],
        section: &'a Value,
        label: &'static str,
        forward: VarId,
    ) -> Self {
        let mut found = Vec::new();
        let mut of = |name: &str| site.section(name, path, &mut found);
        let maps = of("system.webServer/rewrite/rewriteMaps");
        let maps = Maps::of(&maps, &of("system.webServer/rewrite/providers"));
        let proxy = cx.host.assumed || of("system.webServer/proxy").flag("enabled");
        let allowed = of("system.webServer/rewrite/allowedServerVariables");
        let names = allowed.items().iter().map(|item| item.value.text("name").to_owned()).collect();
        let all = label == "global" || (cx.host.assumed && !allowed.written);
        cx.found.append(&mut found);
        Self {
            maps,
            label,
            path: path.to_vec(),
            forward,
            proxy,
            encode: section.flag("useOriginalURLEncoding"),
            programs: cx.programs,
            allowed: (!all).then_some(names),
            section,
        }
    }

    fn rules(&self, cx: &mut Cx) -> Steps {
        let mut out = steps();
        for rule in self.section.items().iter().filter(|rule| rule.value.flag("enabled")) {
            self.rule(cx, rule, &mut out);
        }
        out
    }

    fn rule(&self, cx: &mut Cx, rule: &Item, out: &mut Steps) {
        let base = &self.path[..rule.level.depth.min(self.path.len())];
        let reading = Reading::of(rule.value.text("patternSyntax"));
        let (pattern, text, negate) = if let Some(matching) = rule.value.written_part("match") {
            let Some(url) = matching.attribute("url") else { return };
            // What else is wrong with the rule is found all the same.
            let pattern = pattern::pattern(cx, url, reading, matching.flag("ignoreCase"))
                .unwrap_or_else(|| Pattern::regex("$^", false));
            (pattern, url.value.as_str(), matching.flag("negate"))
        } else {
            // The rules that Azure writes for Node.js have none, and are for every path: what is looked for is nothing,
            // which is everywhere.
            let found = Diagnostic::note_at("rule-without-match", rule.span, "the rule has no `<match>`");
            cx.report(found.because("it is for every path"));
            let kind = crate::ir::Kind::Regex(crate::ir::Syntax::Ecma);
            (Pattern { kind, ..Pattern::regex("", true) }, "", false)
        };
        let subject =
            Template(vec![Part::Escape(Escape::Skip(prefix(base).len() as u32), Template::attr(Attr::Path))]);
        let mut tests = Vec::new();
        if !base.is_empty() {
            tests.push(inside(base));
        }
        let matched = Test::Match { subject, pattern, into: (!negate).then_some(RULE) };
        tests.push(if negate { Test::Not(Box::new(matched)) } else { matched });

        let (given, tracked) = conditions(cx, &rule.value.part("conditions"), reading, &self.maps, false);
        let around = Around { maps: &self.maps, tracked: tracked.as_deref(), outbound: false };

        let mut then = self.variables(cx, &rule.value.part("serverVariables"), &around);
        let action = rule.value.part("action");
        let stops = self.action(cx, &action, (base, text), &around, &mut then);
        if rule.value.flag("stopProcessing") && !stops {
            then.push(leave(self.label));
        }
        match given {
            Given::Always => {}
            Given::If(test) => tests.push(test),
            // What else is wrong with it was told.
            Given::Never => return,
        }
        // What another rule captured is not this one's.
        out.push((Step::Forget(CONDITION), rule.span));
        if negate {
            out.push((Step::Forget(RULE), rule.span));
        }
        let test = if tests.len() == 1 { tests.remove(0) } else { Test::All(tests) };
        let then = Block { steps: then, span: rule.span, ..Block::default() };
        out.push((Step::When { test, then, otherwise: Block::default() }, rule.span));
    }

    /// `<serverVariables>`
    fn variables(&self, cx: &mut Cx, variables: &Value, around: &Around) -> Steps {
        let mut out = steps();
        for set in variables.items() {
            let name = set.value.text("name");
            if vars::frames(name) {
                let message = format!("`{name}` cannot be set by a rule");
                let found = Diagnostic::error("invalid-value", set.value.place("name"), message);
                cx.report(found.because("it follows from the content itself"));
                continue;
            }
            if let Some(allowed) = &self.allowed
                && !allowed.iter().any(|one| one.eq_ignore_ascii_case(name))
            {
                let message = format!("`{name}` may not be set");
                let found = Diagnostic::warning("variable-not-allowed", set.value.place("name"), message);
                cx.report(found.because("requests for which this rule fires are answered with 500.50").help(
                    format!(
                        "add `<add name=\"{name}\" />` to `allowedServerVariables` in applicationHost.config"
                    ),
                ));
                let reply = Reply { status: super::status::own(500, 50), content: ReplyContent::Page };
                out.push((Step::Respond(reply), set.span));
                continue;
            }
            let Some(written) = set.value.attribute("value") else { continue };
            let value = expression::parse(cx, written, around).template;
            let var = vars::written(cx, name);
            let assign = (Step::Assign { var, value }, set.span);
            if set.value.flag("replace") {
                out.push(assign);
                continue;
            }
            let test = Test::Compare {
                left: Template::var(var),
                right: Template::default(),
                relation: Relation::Equal,
                by: By::Bytes,
            };
            let then = super::block(vec![assign]);
            out.push((Step::When { test, then, otherwise: Block::default() }, set.span));
        }
        out
    }

    /// The action; whether nothing comes after it.
    fn action(
        &self,
        cx: &mut Cx,
        action: &Value,
        (base, pattern): (&[String], &str),
        around: &Around,
        out: &mut Steps,
    ) -> bool {
        let span = action.span;
        match action.text("type").to_ascii_lowercase().as_str() {
            "rewrite" => {
                let Some(url) = action.attribute("url") else { return self.no_url(cx, action) };
                if action.flag("logRewrittenUrl") {
                    let var = cx.assigned(super::logging::REWRITTEN);
                    out.push((Step::Assign { var, value: "1".into() }, span));
                }
                if self.programs {
                    let var = cx.assigned(REWRITTEN);
                    out.push((Step::Assign { var, value: "1".into() }, span));
                }
                self.rewrite(cx, action, url, (base, pattern), around, out)
            }
            "redirect" => {
                let Some(url) = action.attribute("url") else { return self.no_url(cx, action) };
                redirect(cx, action, url, (base, pattern), around, out);
                true
            }
            "customresponse" => {
                let status = action.number("statusCode");
                if action.attribute("statusCode").is_none() {
                    let found = Diagnostic::error(
                        "missing-attribute",
                        span,
                        "a custom response needs a `statusCode`",
                    );
                    cx.report(found);
                    return true;
                }
                if !(200..600).contains(&status) {
                    let found = Diagnostic::error(
                        "invalid-value",
                        action.place("statusCode"),
                        "a custom response has a status from 200 to 599",
                    );
                    cx.report(found.because("no client knows what another one means"));
                    return true;
                }
                if (300..=307).contains(&status) {
                    let found = Diagnostic::error(
                        "invalid-value",
                        action.place("statusCode"),
                        "a custom response cannot have a status from 300 to 307",
                    );
                    cx.report(found.help("use an action of type Redirect"));
                    return true;
                }
                let content = match action.attribute("statusDescription") {
                    Some(text) if !text.value.is_empty() => {
                        ReplyContent::Text(expression::parse(cx, text, around).template)
                    }
                    _ => ReplyContent::Page,
                };
                let phrase = action.attribute("statusReason").filter(|phrase| phrase.value.contains('{'));
                let phrase = phrase.map(|phrase| expression::parse(cx, phrase, around).template);
                let status = custom_status(cx, action, phrase.as_ref());
                out.push((Step::Respond(Reply { status, content }), span));
                true
            }
            "abortrequest" => {
                let reply = Reply { status: 444, content: ReplyContent::Close };
                out.push((Step::Respond(reply), span));
                true
            }
            _ => false,
        }
    }

    fn no_url(&self, cx: &mut Cx, action: &Value) -> bool {
        let message = format!("an action of type {} needs a `url`", action.text("type"));
        cx.report(Diagnostic::error("missing-attribute", action.span, message));
        let _ = self;
        true
    }

    fn rewrite(
        &self,
        cx: &mut Cx,
        action: &Value,
        url: &Attribute,
        (base, pattern): (&[String], &str),
        around: &Around,
        out: &mut Steps,
    ) -> bool {
        let append = action.flag("appendQueryString");
        let text = url.value.as_str();
        let lower = text.to_ascii_lowercase();
        if lower.starts_with("ws://") || lower.starts_with("wss://") {
            let found =
                Diagnostic::warning("websocket-scheme", url.part(0..5), "`ws://` is no scheme of a rule");
            cx.report(
                found
                    .because("taken as a path of this site, as the original does")
                    .help("write `http://` or `https://`; requests for a WebSocket are passed on as such"),
            );
        }
        if let Some(scheme) = ["http:/", "https:/"].into_iter().find(|scheme| lower.starts_with(scheme))
            && !lower[scheme.len()..].starts_with('/')
        {
            let message = format!("`{scheme}` needs two slashes: this is taken for a path of this site");
            let found = Diagnostic::warning("one-slash", url.part(0..scheme.len()), message);
            cx.report(
                found
                    .because("names no host")
                    .help(format!("write `{scheme}/{}`", &text[scheme.len()..]))
                    .fix(url.part(scheme.len()..scheme.len()), "/"),
            );
        }
        let absolute = lower.starts_with("http://") || lower.starts_with("https://");
        let span = action.span;
        let question = top_level(text, 0, &['?']);
        let whole = Parts { url, question, append };
        if absolute {
            let start = text.find("://").map_or(0, |at| at + 3);
            let end = top_level(text, start, &['/', '?']).unwrap_or(text.len());
            // `http://host{REQUEST_URI}`: the variable brings the slash along.
            let end = url_variable(&text[..end], start).unwrap_or(end);
            if end == text.len() && text[start..].contains('{') && self.encode {
                let target = whole.template(cx, around);
                self.split(cx, target, append, Some(base), span, out);
                return true;
            }
            let authority = expression::parse_part(cx, url, 0..end, around).template;
            super::proxy::known(cx, &authority, span);
            let path = expression::parse_part(cx, url, end..question.unwrap_or(text.len()), around);
            if !self.encode && path.open {
                // As it is written: what is inserted is encoded already.
                let mut target = expression::parse(cx, url, around).template;
                if append {
                    target.push(Part::Var(rest_of_query(cx, question.is_some())));
                }
                self.forward_to(target, span, out);
                return true;
            }
            if path.open {
                let target = whole.template(cx, around);
                self.split(cx, target, append, Some(base), span, out);
                return true;
            }
            let mut path = path.template;
            if path.is_empty() {
                path = "/".into();
            }
            let query = whole.query(cx, around);
            let authority = kept(cx, authority, span, out);
            out.push((Step::Rewrite { path: Some(path), query }, span));
            self.forward_to(current_url(authority), span, out);
            return true;
        }
        let path = expression::parse_part(cx, url, 0..question.unwrap_or(text.len()), around);
        if let Some(at) = text.find("://").filter(|_| text.starts_with('{')) {
            // The scheme is the client's; the server is known.
            let end = text[at + 3..].find(['/', '?', '{']).map_or(text.len(), |end| at + 3 + end);
            if !text[end..].starts_with('{') {
                for scheme in ["http", "https"] {
                    let authority = Template::text(format!("{scheme}{}", &text[at..end]));
                    super::proxy::known(cx, &authority, span);
                }
            }
        }
        if path.open || may_be_rooted(text, pattern) {
            let begins = if text.starts_with('{') { Some(base) } else { None };
            if begins.is_none() {
                let anchored = if text.starts_with('/') { String::new() } else { prefix(base) };
                let mut target = Template::text(anchored);
                for part in whole.template(cx, around).0 {
                    target.push(part);
                }
                self.split(cx, target, append, None, span, out);
            } else {
                let target = whole.template(cx, around);
                self.split(cx, target, append, begins, span, out);
            }
            return false;
        }
        let mut target = Template::text(if text.starts_with('/') { String::new() } else { prefix(base) });
        for part in path.template.0 {
            target.push(part);
        }
        // A path that begins with a group: relative to the rule's folder, as any other that has no slash in front.
        let query = whole.query(cx, around);
        out.push((Step::Rewrite { path: Some(tidy(target)), query }, span));
        false
    }

    /// Takes a URL that is only known when the rule fires apart: absolute, from the root, or relative to `base`. Without
    /// `base` it is a path from the root.
    fn split(
        &self,
        cx: &mut Cx,
        target: Template,
        append: bool,
        base: Option<&[String]>,
        span: Span,
        out: &mut Steps,
    ) {
        let url = cx.assigned("url");
        out.push((Step::Assign { var: url, value: target }, span));
        let take = |text: &str| Test::Match {
            subject: Template::var(url),
            pattern: Pattern {
                kind: crate::ir::Kind::Regex(crate::ir::Syntax::Ecma),
                ..Pattern::regex(text, true)
            },
            into: Some(URL),
        };
        let group = |group: u8| Part::Capture(URL, group);
        // The old query stays alone where there is no new one.
        let query = |at: u8| -> (Step, Span) {
            let new = Template(vec![group(at)]);
            if !append {
                return (Step::Rewrite { path: None, query: Query::Replace(new) }, span);
            }
            let test = Test::Compare {
                left: new.clone(),
                right: Template::default(),
                relation: Relation::NotEqual,
                by: By::Bytes,
            };
            let then = super::block(vec![(Step::Rewrite { path: None, query: Query::Prepend(new) }, span)]);
            (Step::When { test, then, otherwise: Block::default() }, span)
        };
        let rooted = |front: String, at: u8| {
            let mut path = Template::text(front);
            path.push(group(at));
            let path = Some(tidy(path));
            super::block(vec![(Step::Rewrite { path, query: Query::Keep }, span), query(at + 1)])
        };
        let from_root = rooted(String::new(), 1);
        let Some(base) = base else {
            let test = take("^([^?]*)(?:\\?([\\s\\S]*))?$");
            out.push((Step::When { test, then: from_root, otherwise: Block::default() }, span));
            return;
        };
        let mut absolute = steps();
        let path = Template(vec![Part::Text("/".into()), group(2)]);
        absolute.push((Step::Rewrite { path: Some(path), query: Query::Keep }, span));
        absolute.push(query(3));
        self.forward_to(current_url(Template(vec![group(1)])), span, &mut absolute);
        let relative = Step::When {
            test: take("^([^?]*)(?:\\?([\\s\\S]*))?$"),
            then: rooted(prefix(base), 1),
            otherwise: Block::default(),
        };
        let local = Step::When {
            test: take("^(/[^?]*)(?:\\?([\\s\\S]*))?$"),
            then: from_root,
            otherwise: super::block(vec![(relative, span)]),
        };
        out.push((
            Step::When {
                test: take("^(https?://[^/?]+)(?:/([^?]*))?(?:\\?([\\s\\S]*))?$"),
                then: super::block(absolute),
                otherwise: super::block(vec![(local, span)]),
            },
            span,
        ));
    }

    /// Another server it is, and no more rules.
    fn forward_to(&self, url: Template, span: Span, out: &mut Steps) {
        if self.proxy {
            out.push((Step::Assign { var: self.forward, value: url }, span));
            out.push(leave(self.label));
        } else {
            let reply = Reply { status: super::status::own(404, 4), content: ReplyContent::Page };
            out.push((Step::Respond(reply), span));
        }
    }
}

/// The status of a custom response, with its sub-status and the reason phrase that it has of its own, which may be an
/// expression (the reference lists where back-references, variables, functions and maps can stand: `statusReason` is among
/// them): `phrase` is its value.
fn custom_status(cx: &mut Cx, action: &Value, phrase: Option<&Template>) -> u16 {
    let number = |name: &str| u16::try_from(action.number(name)).unwrap_or(0);
    let (status, sub) = (number("statusCode"), number("subStatusCode"));
    let written = action.text("statusReason");
    if written.contains('{') {
        return super::status::with_made_phrase(cx, (status, sub), written, phrase);
    }
    let sendable = written.chars().all(|c| c == ' ' || c.is_ascii_graphic());
    if written.is_empty() || !sendable {
        return super::status::of(cx, status, sub);
    }
    super::status::with_phrase(cx, status, sub, written)
}

/// An action's URL with where its query begins.
struct Parts<'a> {
    url: &'a Attribute,
    question: Option<usize>,
    append: bool,
}

impl Parts<'_> {
    fn template(&self, cx: &mut Cx, around: &Around) -> Template {
        expression::parse(cx, self.url, around).template
    }

    fn query(&self, cx: &mut Cx, around: &Around) -> Query {
        let end = self.url.value.len();
        let new = self.question.map(|at| expression::parse_part(cx, self.url, at + 1..end, around));
        match (new, self.append) {
            (Some(Parsed { template, .. }), true) => Query::Prepend(template),
            (Some(Parsed { template, .. }), false) => Query::Replace(template),
            (None, true) => Query::Keep,
            (None, false) => Query::Replace(Template::default()),
        }
    }
}

/// A path of this site as the kernel makes one of a URL that is set (`ir::Escape::Tidy`): what holds for a path holds for it
/// however it was put together.
fn tidy(path: Template) -> Template {
    let odd = |text: &[u8]| {
        let pair = |pair: &[u8]| pair[0] == b'/' && matches!(pair[1], b'/' | b'.');
        !text.starts_with(b"/") || text.contains(&b'\\') || text.windows(2).any(pair)
    };
    if path.as_text().is_some_and(|text| !odd(text)) {
        return path;
    }
    Template(vec![Part::Escape(Escape::Tidy, path)])
}

/// An authority that stays what it is when path and query are replaced: the URL is expanded once, with what was there before.
fn kept(cx: &mut Cx, authority: Template, span: Span, out: &mut Steps) -> Template {
    let settled =
        |part: &Part| matches!(part, Part::Text(_) | Part::Capture(..) | Part::Attr(Attr::Field(_)));
    if authority.0.iter().all(settled) {
        return authority;
    }
    let var = cx.assigned("authority");
    out.push((Step::Assign { var, value: authority }, span));
    Template::var(var)
}

/// The URL of path and query as they are now, at an authority.
pub(super) fn current_url(mut authority: Template) -> Template {
    authority.push(Part::Escape(Escape::ForwardPath, Template::attr(Attr::Path)));
    authority.push(Part::Attr(Attr::QueryMark));
    authority.push(Part::Attr(Attr::Query));
    authority
}

/// Where an item begins that is a URL or the path of one, so that it begins with a slash.
fn url_variable(text: &str, from: usize) -> Option<usize> {
    let names = [
        "REQUEST_URI",
        "UNENCODED_URL",
        "HTTP_URL",
        "URL",
        "PATH_INFO",
        "SCRIPT_NAME",
        "HTTP_X_ORIGINAL_URL",
    ];
    let outermost = |at: &usize| text[from..*at].matches('{').count() == text[from..*at].matches('}').count();
    text[from..].match_indices('{').map(|(at, _)| from + at).filter(outermost).find(|at| {
        let name = text[at + 1..].split('}').next().unwrap_or_default();
        names.iter().any(|one| one.eq_ignore_ascii_case(name))
    })
}

/// Whether a URL that begins with an item may turn out to be from the root, or absolute: only a capture of a pattern that
/// cannot begin with a slash is certain not to.
fn may_be_rooted(text: &str, pattern: &str) -> bool {
    let capture = text.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("{R:"));
    let slashes = pattern.contains("(/") || pattern.starts_with('/') || !groups_begin_segments(pattern);
    text.starts_with('{') && (!capture || slashes)
}

/// Whether each group of a pattern, or star of a wildcard, begins where a segment does: no slash comes there.
fn groups_begin_segments(pattern: &str) -> bool {
    let grouped = pattern.contains('(');
    let opens = pattern.match_indices(if grouped { '(' } else { '*' });
    opens.filter(|(at, _)| !pattern[..*at].ends_with('\\') && !pattern[at + 1..].starts_with('?')).all(
        |(at, _)| {
            let before = pattern[..at].trim_end_matches(['(', '^']).trim_end_matches("(?:");
            before.is_empty() || before.ends_with('/') || (!grouped && before.ends_with('.'))
        },
    )
}

/// The first of these characters outside of `{...}`.
fn top_level(text: &str, from: usize, wanted: &[char]) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in text.char_indices().skip_while(|(at, _)| *at < from) {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            c if depth == 0 && wanted.contains(&c) => return Some(at),
            _ => {}
        }
    }
    None
}

/// The query as received behind one that is written: `&` and it, or nothing; `?` where none is written.
fn rest_of_query(cx: &mut Cx, behind: bool) -> VarId {
    let (name, mark) = if behind { ("more query", "&") } else { ("whole query", "?") };
    let mut value = Template::text(mark);
    value.push(Part::Attr(Attr::Query));
    cx.var(name, || VarKind::Choice {
        choices: vec![Choice { test: Test::Truthy(Template::attr(Attr::QueryMark)), value }],
        default: Template::default(),
    })
}

/// A redirect of the client. Reference 5.9: a relative URL is sent as a path, which resolves equally.
fn redirect(
    cx: &mut Cx,
    action: &Value,
    url: &Attribute,
    (base, pattern): (&[String], &str),
    around: &Around,
    out: &mut Steps,
) {
    let text = url.value.as_str();
    let span = action.span;
    let status = action.code("redirectType").unwrap_or(301);
    let parsed = expression::parse(cx, url, around);
    let append = action.flag("appendQueryString");
    let scheme = text.split_once(':').is_some_and(|(scheme, _)| {
        !scheme.is_empty()
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    });
    let dynamic = may_be_rooted(text, pattern) || (text.starts_with('{') && parsed.open);
    let front = if scheme || text.starts_with('/') || dynamic { String::new() } else { prefix(base) };
    let question = top_level(text, 0, &['?']).is_some();
    let answer = |cx: &mut Cx, front: &str, question: bool| {
        let mut location = Template::text(front);
        location.push(Part::Escape(Escape::Url, parsed.template.clone()));
        if append {
            location.push(Part::Var(rest_of_query(cx, question)));
        }
        (Step::Respond(Reply { status, content: ReplyContent::Location(location) }), span)
    };
    // A value from a map may bring a query along.
    let either = |cx: &mut Cx, front: &str| {
        if question || !append || !parsed.open {
            return vec![answer(cx, front, question)];
        }
        let test = Test::Match {
            subject: parsed.template.clone(),
            pattern: Pattern::regex("\\?", false),
            into: None,
        };
        let then = super::block(vec![answer(cx, front, true)]);
        let otherwise = super::block(vec![answer(cx, front, false)]);
        vec![(Step::When { test, then, otherwise }, span)]
    };
    if !dynamic {
        out.extend(either(cx, &front));
        return;
    }
    let whole = Pattern::regex("^(?:/|[A-Za-z][A-Za-z0-9+.-]*:)", false);
    let test = Test::Match { subject: parsed.template.clone(), pattern: whole, into: None };
    let then = super::block(either(cx, ""));
    let otherwise = super::block(either(cx, &prefix(base)));
    out.push((Step::When { test, then, otherwise }, span));
}
