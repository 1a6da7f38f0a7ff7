//! Outbound rules: what is changed in responses.
//!
//! Reference 7. Rules on a response header are steps that run when the head is known; rules on tags and on content are
//! edits of the content that passes through. A precondition is a value that is read where a rule asks for it. Rules see
//! the response as it is after ARR's own changes, whoever answers; of a rule with `stopProcessing` on a header no later
//! rule is tried, of one on tags none at the attribute that it changed.
//!
//! Decided, where the documentation is silent: content that rules change loses `Accept-Ranges`, its validators and its
//! digests, and a part of content (206) is passed on as it is, since its `Content-Range` counts bytes of what it was.

use super::{
    CONDITION, Cx, Place, RULE, block,
    conditions::{Given, conditions},
    expression::{self, Around},
    leave,
    maps::Maps,
    pattern::{self, Reading, literal},
    vars,
};
use crate::{
    diagnostic::{Diagnostic, suggest},
    dialect::iis::effective::{Item, Value},
    ir::{
        Attr, Block, By, Change, Choice, Edit, Kind, Name, Part, Pattern, Relation, Settings, Standing, Step,
        Syntax, Template, Test, VarId, VarKind,
        settings::{Coded, ContentEdit, ContentMatch, ContentPlace, Rewriting},
    },
    source::Span,
};

type Steps = Vec<(Step, Span)>;

/// The block that rules on headers stand in.
const LABEL: &str = "outbound";

/// The attributes of the tags that `filterByTags` names.
const TAGS: &[(&str, &[(&str, &str)])] = &[
    ("A", &[("a", "href")]),
    ("Area", &[("area", "href")]),
    ("Base", &[("base", "href")]),
    ("Form", &[("form", "action")]),
    ("Frame", &[("frame", "src"), ("frame", "longdesc")]),
    ("Head", &[("head", "profile")]),
    ("IFrame", &[("iframe", "src"), ("iframe", "longdesc")]),
    ("Img", &[("img", "src"), ("img", "longdesc"), ("img", "usemap")]),
    ("Input", &[("input", "src"), ("input", "usemap")]),
    ("Link", &[("link", "href")]),
    ("Script", &[("script", "src")]),
];

/// Fields that say how content is framed.
const FRAMING: [&str; 3] = ["content-length", "transfer-encoding", "connection"];

/// Makes the variables that outbound rules set known, before anything reads one.
pub(super) fn declare(cx: &mut Cx, section: &Value) {
    for rule in section.items() {
        let name = rule.value.part("match").text("serverVariable").to_owned();
        if !name.is_empty() && vars::field(&name, "RESPONSE_").is_none() {
            vars::written(cx, &name);
        }
    }
}

/// The rules in force at a place.
pub(super) fn settings(cx: &mut Cx, place: &Place, settings: &mut Settings) {
    let mut found = Vec::new();
    let section = place.site.section("system.webServer/rewrite/outboundRules", &place.path, &mut found);
    let maps = place.site.section("system.webServer/rewrite/rewriteMaps", &place.path, &mut found);
    let providers = place.site.section("system.webServer/rewrite/providers", &place.path, &mut found);
    cx.found.append(&mut found);
    // What rules on the way in set of the response.
    let mut inbound = Steps::new();
    for (name, var) in vars::all_written(cx) {
        if vars::field(&name, "RESPONSE_").is_some() {
            let value = Template::var(var);
            let set = (Step::Edit(Edit::Set(spelled(&name), value.clone())), section.span);
            let test = Test::Truthy(value);
            inbound.push((
                Step::When { test, then: block(vec![set]), otherwise: Block::default() },
                section.span,
            ));
        }
    }
    if !inbound.is_empty() {
        settings.answer.on_response.get_or_insert_default().push(block(inbound));
    }
    let rules: Vec<&Item> = section.items().iter().filter(|rule| rule.value.flag("enabled")).collect();
    if rules.is_empty() {
        return;
    }
    let mut set = Set {
        maps: Maps::of(&maps, &providers),
        section: &section,
        heads: Vec::new(),
        edits: Vec::new(),
        stops: Vec::new(),
    };
    for (at, rule) in rules.iter().enumerate() {
        set.rule(cx, rule, &rules[at + 1..]);
    }
    let Set { heads, edits, .. } = set;
    let mut steps = Steps::new();
    let names_server = |rule: &&Item| {
        vars::field(rule.value.part("match").text("serverVariable"), "RESPONSE_")
            .is_some_and(|name| name.is_field(b"server"))
    };
    if rules.iter().any(names_server) {
        // What we say ourselves is a field that rules see.
        let own = settings.answer.server.clone().unwrap_or_else(|| super::defaults::SERVER.into());
        let field = Template::attr(Attr::SentField("server".into()));
        let none = Test::Not(Box::new(Test::Present(field)));
        let add = (Step::Edit(Edit::Set("Server".into(), Template::text(own))), section.span);
        steps.push((
            Step::When { test: none, then: block(vec![add]), otherwise: Block::default() },
            section.span,
        ));
        settings.answer.server = Some("".into());
    }
    if !heads.is_empty() {
        let heads = Block { label: Some(LABEL.into()), steps: heads, ..Block::default() };
        steps.push((Step::Do(heads), section.span));
    }
    if !steps.is_empty() {
        settings.answer.on_response.get_or_insert_default().push(block(steps));
    }
    if !edits.is_empty() {
        warn_of_codings(cx, place, &section);
        let coded = if cx.options.machine.decode {
            Coded::Decode(super::status::CODED)
        } else {
            Coded::Refuse(super::status::CODED)
        };
        settings.rewriting =
            Rewriting { edits: Some(edits), coded: Some(coded), ..Rewriting::default() }.into();
    }
}

/// Says that servers behind this one may code content that rules have to read, unless a rule keeps them from it.
fn warn_of_codings(cx: &mut Cx, place: &Place, section: &Value) {
    let mut found = Vec::new();
    let inbound = ["rules", "globalRules"]
        .map(|name| place.site.section(&format!("system.webServer/rewrite/{name}"), &place.path, &mut found));
    let rules = || inbound.iter().flat_map(|rules| rules.items()).filter(|rule| rule.value.flag("enabled"));
    let proxies = rules().any(|rule| {
        let action = rule.value.part("action");
        action.is("type", "Rewrite") && action.text("url").contains("://")
    });
    let asks_plain = rules().any(|rule| {
        let set = rule.value.part("serverVariables");
        let is = |item: &Item| item.value.text("name").eq_ignore_ascii_case("HTTP_ACCEPT_ENCODING");
        set.items().iter().any(is)
    });
    if !proxies || asks_plain || cx.options.machine.decode {
        return;
    }
    let message = "compressed responses are answered with 500.52 where these rules read their content";
    if cx.found.iter().any(|one| one.message == message) {
        return;
    }
    cx.report(
        Diagnostic::warning("coded-content", section.span, message)
            .because("the client's `Accept-Encoding` reaches the server behind this one")
            .help(
                "set `HTTP_ACCEPT_ENCODING` to an empty value in the rule that rewrites to that server, or run with \
                 `--decode-responses`",
            ),
    );
}

/// Rules while they are lowered.
struct Set<'a> {
    maps: Maps,
    section: &'a Value,
    heads: Steps,
    edits: Vec<ContentEdit>,
    /// Variables that say that a rule on a header stopped all later ones.
    stops: Vec<VarId>,
}

impl Set<'_> {
    fn rule(&mut self, cx: &mut Cx, rule: &Item, later: &[&Item]) {
        let value = &rule.value;
        let Some(matching) = value.written_part("match") else {
            let found = Diagnostic::warning("rule-without-match", rule.span, "the rule has no `<match>`");
            return cx.report(found.because("it never fires"));
        };
        let Some(before) = self.precondition(cx, rule) else { return };
        let variable = matching.text("serverVariable");
        let tags = tags(cx, matching, self.section);
        if !variable.is_empty() && !tags.is_empty() {
            let message = "`serverVariable` and `filterByTags` exclude each other";
            return cx.report(Diagnostic::error("invalid-value", matching.place("filterByTags"), message));
        }
        if !variable.is_empty() {
            return self.header(cx, rule, matching, before);
        }
        if !tags.is_empty() || matching.text("filterByTags").eq_ignore_ascii_case("none") {
            self.content(cx, rule, matching, tags, before, later);
        }
    }

    /// What has to hold of the response; `None` when the rule never fires.
    #[expect(clippy::option_option, reason = "never, always, or when a test holds")]
    fn precondition(&self, cx: &mut Cx, rule: &Item) -> Option<Option<Test>> {
        let name = rule.value.text("preCondition");
        if name.is_empty() {
            return Some(None);
        }
        let known = self.section.part("preConditions");
        let of_name = |item: &&Item| item.value.text("name").eq_ignore_ascii_case(name);
        let Some(found) = known.items().iter().find(of_name) else {
            let message = format!("there is no precondition `{name}`");
            let found = Diagnostic::error("unknown-precondition", rule.value.place("preCondition"), message);
            let names: Vec<&str> = known.items().iter().map(|item| item.value.text("name")).collect();
            let near = suggest::nearest(name, names.iter().copied());
            cx.report(match near {
                Some(near) => found.help(format!("did you mean `{near}`?")),
                None => found.help(format!("write `<preCondition name=\"{name}\">` in `preConditions`")),
            });
            return None;
        };
        let reading = Reading::of(found.value.text("patternSyntax"));
        match conditions(cx, &found.value, reading, &self.maps, true).0 {
            Given::Always => Some(None),
            Given::Never => None,
            Given::If(test) => Some(Some(test)),
        }
    }

    /// A rule on the value of a response header, or of another variable.
    fn header(&mut self, cx: &mut Cx, rule: &Item, matching: &Value, before: Option<Test>) {
        let span = rule.span;
        let reading = Reading::of(rule.value.text("patternSyntax"));
        let name = matching.text("serverVariable");
        let Some(written) = matching.attribute("pattern") else { return };
        let Some(pattern) = pattern::pattern(cx, written, reading, matching.flag("ignoreCase")) else {
            return;
        };
        let field = vars::field(name, "RESPONSE_");
        let place = matching.place("serverVariable");
        if let Some(field) = &field
            && (FRAMING.iter().any(|one| field.is_field(one.as_bytes())) || field.is_field(b"status"))
        {
            let message = format!("`{name}` cannot be set by a rule");
            let found = Diagnostic::error("invalid-value", place, message);
            return cx.report(found.because("it follows from the response itself"));
        }
        let subject = vars::read(cx, name, true).unwrap_or_default();
        let negate = matching.flag("negate");
        let found = Test::Match {
            subject: subject.clone(),
            pattern: pattern.clone(),
            into: (!negate).then_some(RULE),
        };
        let mut tests: Vec<Test> = before.into_iter().collect();
        tests.push(if negate { Test::Not(Box::new(found)) } else { found });
        let (given, tracked) = conditions(cx, &rule.value.part("conditions"), reading, &self.maps, true);
        match given {
            Given::Always => {}
            Given::Never => return,
            Given::If(test) => tests.push(test),
        }
        let around = Around { maps: &self.maps, tracked: tracked.as_deref(), outbound: true };
        let mut then = Steps::new();
        let action = rule.value.part("action");
        if action.is("type", "Rewrite") {
            let value =
                action.attribute("value").map(|written| expression::parse(cx, written, &around).template);
            let value = value.unwrap_or_default();
            if !action.flag("replace") {
                tests.push(Test::Compare {
                    left: subject,
                    right: Template::default(),
                    relation: Relation::Equal,
                    by: By::Bytes,
                });
            }
            let step = match &field {
                Some(field) if field.is_field(b"set-cookie") && !negate && action.flag("replace") => {
                    Step::Edit(each_line(field, &pattern, value))
                }
                Some(_) => Step::Edit(Edit::Set(spelled(name), value)),
                None => Step::Assign { var: vars::written(cx, name), value },
            };
            then.push((step, span));
        }
        if rule.value.flag("stopProcessing") {
            let stop = cx.assigned(&format!("outbound stop {}", self.stops.len()));
            self.stops.push(stop);
            then.push((Step::Assign { var: stop, value: "1".into() }, span));
            then.push(leave(LABEL));
        }
        self.heads.push((Step::Forget(CONDITION), span));
        self.heads.push((Step::Forget(RULE), span));
        let test = if tests.len() == 1 { tests.remove(0) } else { Test::All(tests) };
        self.heads.push((Step::When { test, then: block(then), otherwise: Block::default() }, span));
    }

    /// A rule on attributes of tags, or on the content as a whole.
    fn content(
        &mut self,
        cx: &mut Cx,
        rule: &Item,
        matching: &Value,
        tags: Vec<(Name, Name)>,
        before: Option<Test>,
        later: &[&Item],
    ) {
        let reading = Reading::of(rule.value.text("patternSyntax"));
        let Some(written) = matching.attribute("pattern") else { return };
        let (ignore_case, negate) = (matching.flag("ignoreCase"), matching.flag("negate"));
        let whole = tags.is_empty();
        if whole && (reading == Reading::Wildcard || negate) {
            let (attribute, what) =
                if negate { ("negate", "a negated pattern") } else { ("pattern", "a wildcard") };
            let message = format!("{what} cannot be looked for in content as a whole");
            let found = Diagnostic::error("invalid-value", matching.place(attribute), message);
            return cx.report(found.help("name tags in `filterByTags`, or write an expression"));
        }
        let pattern = if whole && reading == Reading::Exact {
            // A text in the content, not all of it.
            Some(Pattern {
                kind: Kind::Regex(Syntax::Ecma),
                text: super::letters::by_bytes(&literal(&written.value), ignore_case).into(),
                ignore_case,
                groups: Vec::new(),
            })
        } else {
            pattern::pattern(cx, written, reading, ignore_case)
        };
        let Some(mut pattern) = pattern else { return };
        let expression = matches!(pattern.kind, Kind::Regex(_)) && reading == Reading::Expression;
        if whole && expression && pattern.text.iter().any(|byte| b"^$".contains(byte)) {
            // In the library of the original both stand at lines (reference 6).
            pattern.text = [&b"(?m)"[..], &pattern.text[..]].concat().into();
        }
        let (given, tracked) = conditions(cx, &rule.value.part("conditions"), reading, &self.maps, true);
        let given = match given {
            Given::Always => None,
            Given::Never => return,
            Given::If(test) => Some(test),
        };
        let around = Around { maps: &self.maps, tracked: tracked.as_deref(), outbound: true };
        let action = rule.value.part("action");
        let rewrites = action.is("type", "Rewrite");
        let stops = rule.value.flag("stopProcessing");
        let with = match action.attribute("value") {
            Some(written) if rewrites => expression::parse(cx, written, &around).template,
            // What is found stays.
            None | Some(_) if !rewrites => Template(vec![Part::Capture(RULE, 0)]),
            _ => Template::default(),
        };
        if !rewrites && (!stops || whole) {
            return;
        }
        let is_content = |rule: &&&Item| rule.value.part("match").text("serverVariable").is_empty();
        if stops && whole && later.iter().any(|rule| is_content(&rule)) {
            let message = "rules after this one still run on content";
            let found =
                Diagnostic::warning("rule-does-not-stop", rule.value.place("stopProcessing"), message);
            cx.report(
                found
                    .because("content is passed on as it comes, before it is known whether this rule will find anything in it")
                    .help("give the later rules a precondition of their own"),
            );
        }
        let find = if negate { ContentMatch::Not(pattern) } else { ContentMatch::Pattern(pattern, RULE) };
        self.edits.push(ContentEdit {
            place: if whole { ContentPlace::Whole } else { ContentPlace::Attribute(tags) },
            find,
            with,
            when: self.when(cx, before),
            given,
            most: u64::try_from(matching.number("occurrences")).unwrap_or(0),
            last: stops,
        });
    }

    /// A value that says whether the rule is tried: its precondition holds, and no rule on a header stopped it.
    fn when(&self, cx: &mut Cx, before: Option<Test>) -> Option<Template> {
        let mut tests: Vec<Test> =
            self.stops.iter().map(|stop| Test::Not(Box::new(Test::Truthy(Template::var(*stop))))).collect();
        tests.extend(before);
        let test = match tests.len() {
            0 => return None,
            1 => tests.remove(0),
            _ => Test::All(tests),
        };
        let kind = VarKind::Choice {
            choices: vec![Choice { test, value: "1".into() }],
            default: Template::default(),
        };
        // Rules share what they ask alike.
        let same = cx.config.vars.iter().position(|var| &*var.name == b"precondition" && var.kind == kind);
        let id = same.map_or_else(|| cx.fresh("precondition", kind), |at| VarId(at as u32));
        Some(Template::var(id))
    }
}

/// `RESPONSE_X_Name` as the field is sent: as it is spelled, with `-` for `_`.
fn spelled(name: &str) -> Name {
    let rest = name.get("RESPONSE_".len()..).unwrap_or_default().replace('_', "-");
    // Names in capitals are those of variables, not of fields.
    if rest.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Name::from(rest);
    }
    let words = rest.split('-').map(|word| {
        let (first, more) = word.split_at(word.len().min(1));
        format!("{first}{}", more.to_ascii_lowercase())
    });
    Name::from(words.collect::<Vec<_>>().join("-"))
}

/// The whole value of each line in which a pattern is found. Where `{R:0}` is asked for, which is what was found and not the
/// line, that is a group before all others.
fn each_line(field: &Name, pattern: &Pattern, mut with: Template) -> Edit {
    let text = String::from_utf8_lossy(&pattern.text).into_owned();
    let text = if pattern.kind == Kind::Exact { format!("^{}$", literal(&text)) } else { text };
    let found = if asks_for_all(&with) {
        renumber(&mut with);
        format!("({})", pattern::renumbered(&text))
    } else {
        format!("(?:{text})")
    };
    let pattern = Pattern {
        kind: Kind::Regex(Syntax::Ecma),
        text: format!("^[\\s\\S]*?{found}[\\s\\S]*$").into(),
        ..pattern.clone()
    };
    let change = Change::Replace { pattern, into: RULE, with, all: false };
    Edit::Field { name: field.clone(), standing: Standing::Own, change }
}

/// Whether a value holds all that its rule found.
fn asks_for_all(template: &Template) -> bool {
    template.0.iter().any(|part| match part {
        Part::Capture(register, group) => (*register, *group) == (RULE, 0),
        Part::Escape(_, inner) => asks_for_all(inner),
        _ => false,
    })
}

/// Counts one group more before those of the rule.
fn renumber(template: &mut Template) {
    for part in &mut template.0 {
        match part {
            Part::Capture(register, group) if *register == RULE => *group = group.saturating_add(1),
            Part::Escape(_, inner) => renumber(inner),
            _ => {}
        }
    }
}

/// The attributes that a rule is about.
fn tags(cx: &mut Cx, matching: &Value, section: &Value) -> Vec<(Name, Name)> {
    let mut out: Vec<(Name, Name)> = Vec::new();
    for named in matching.text("filterByTags").split(',').map(str::trim) {
        if named.eq_ignore_ascii_case("CustomTags") {
            let custom = matching.text("customTags");
            let all = section.part("customTags");
            let Some(tags) =
                all.items().iter().find(|item| item.value.text("name").eq_ignore_ascii_case(custom))
            else {
                let message = format!("there are no custom tags `{custom}`");
                let found = Diagnostic::error("unknown-tags", matching.place("customTags"), message);
                cx.report(found.help(format!("write `<tags name=\"{custom}\">` in `customTags`")));
                continue;
            };
            let pairs = tags.value.items().iter();
            out.extend(pairs.map(|tag| (tag.value.text("name").into(), tag.value.text("attribute").into())));
        } else if let Some((_, pairs)) = TAGS.iter().find(|(name, _)| name.eq_ignore_ascii_case(named)) {
            out.extend(pairs.iter().map(|&(tag, attribute)| (tag.into(), attribute.into())));
        }
    }
    out
}
