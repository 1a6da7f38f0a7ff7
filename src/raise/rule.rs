//! Rules: conditions and what is done under them.

use super::{
    Act, Area, How, Item, Losses, Match, Notes, Outline, Pass, PassPath, Place, PlaceKind, Redirect, Rule,
    Then,
    forward::Around,
    guard::{answer, guarded},
    matching::of_pattern,
    program::{Walk, push_acts},
    said::sent,
    value::{plain, resolve, text_of},
};
use crate::{
    ir::{
        Attr, Block, Config, Edit, Escape, Handler, Host, Jump, Kind, Part, Pattern, Query, Register,
        Relation, Reply, ReplyContent, Scope, Settings, Step, Template, Test, Upstream, VarKind,
        settings::Alias,
    },
    source::{SourceMap, Span},
};

impl Walk<'_, '_> {
    /// A value as it was meant.
    pub(super) fn value(&self, template: &Template) -> Template {
        self.captured(&resolve(self.config, &self.known, &plain(template)))
    }

    /// The same with captures that are properties of the request as these.
    fn captured(&self, template: &Template) -> Template {
        let mut out = Template::default();
        for part in &template.0 {
            out.push(match part {
                Part::Capture(register, number) => match self.capture(*register, *number) {
                    Some(attr) => Part::Attr(attr),
                    None => part.clone(),
                },
                Part::Escape(escape, inner) => Part::Escape(*escape, self.captured(inner)),
                part => part.clone(),
            });
        }
        out
    }

    fn capture(&self, register: Register, number: u8) -> Option<Attr> {
        let (_, known) = self.captures.iter().rev().find(|(one, _)| *one == register)?;
        known.iter().find(|(one, _)| *one == number).map(|(_, attr)| attr.clone())
    }

    /// The rules that a condition stands for: one for each side that does something.
    pub(super) fn rules(&mut self, test: &Test, then: &Block, otherwise: &Block, span: Span) -> Vec<Rule> {
        let depth = self.captures.len();
        let mut rule = Rule { at: None, tests: Vec::new(), acts: Vec::new(), span };
        let mut sound = true;
        self.conditions(test, &mut rule, &mut sound);
        let mut out = Vec::new();
        if sound {
            rule.acts = self.acts(then, span);
            let at = rule.at.clone().unwrap_or_else(Match::any);
            for act in &mut rule.acts {
                if let Act::Pass(pass) = act {
                    pass.path = same_as_place(pass.path.clone(), &at);
                }
            }
            if let Some(scope) = &then.scope {
                let settings = self.scope(scope, span);
                if let Some(act) = settings {
                    rule.acts.insert(0, act);
                }
            }
            out.push(rule);
        }
        self.captures.truncate(depth);
        let other = otherwise.steps.iter().any(|(step, _)| !matches!(step, Step::Forget(_)));
        if other || otherwise.scope.is_some() {
            let acts = self.acts(otherwise, span);
            let tests = vec![Test::Not(Box::new(test.clone()))];
            out.push(Rule { at: None, tests, acts, span });
        }
        out
    }

    /// Settings that a rule brings.
    fn scope(&mut self, scope: &Scope, span: Span) -> Option<Act> {
        let Scope { base, set } = scope;
        let mut set = (**set).clone();
        if let Some(Handler::Forward(forward)) = &set.handler
            && matches!(forward.to, Upstream::Url(_))
        {
            // Its URL is assigned.
            set.handler = None;
        }
        if set == Settings::default() {
            return None;
        }
        self.enter(&set, *base);
        let area = self.area(&set, &Match::any(), span);
        self.chain.pop();
        Some(Act::Set(Box::new(area)))
    }

    /// Takes a test apart: what it asks of the path, and what of anything else.
    fn conditions(&mut self, test: &Test, rule: &mut Rule, sound: &mut bool) {
        match test {
            Test::All(tests) => tests.iter().for_each(|test| self.conditions(test, rule, sound)),
            Test::Match { subject, pattern, into } => {
                let subject = resolve(self.config, &self.known, subject);
                let path = match subject.0.as_slice() {
                    [Part::Attr(Attr::Path)] => Some(false),
                    [Part::Escape(Escape::Skip(1), inner)] if *inner == Template::attr(Attr::Path) => {
                        Some(true)
                    }
                    // The path below a folder.
                    [Part::Rest { of, after }] => self.below(of, after),
                    _ => None,
                };
                if let Some(skip) = path
                    && rule.at.is_none()
                {
                    let (at, known) = of_pattern(pattern, *into, skip);
                    if let Some(register) = into {
                        self.captures.push((*register, known));
                    }
                    rule.at = Some(at);
                    return;
                }
                if let Some(register) = into
                    && is_url(&subject)
                    && matches!(
                        pattern.text.0.as_slice(),
                        b"^(https?)://" | b"^(http|https)://" | b"(https?)://"
                    )
                {
                    self.captures.push((*register, vec![(1, Attr::Scheme)]));
                    return;
                }
                match self.simplified(test) {
                    Some(test) => rule.tests.push(test),
                    None => *sound = false,
                }
            }
            Test::Not(inner) => {
                if let Test::Match { subject, pattern, .. } = &**inner
                    && rule.at.is_none()
                    && matches!(subject.0.as_slice(), [Part::Attr(Attr::Path)])
                {
                    let (at, _) = of_pattern(pattern, None, false);
                    rule.at = Some(Match { negated: true, ..at });
                    return;
                }
                if let Test::Match { subject, pattern, .. } = &**inner
                    && rule.at.is_none()
                    && matches!(subject.0.as_slice(), [Part::Escape(Escape::Skip(1), _)])
                {
                    let (at, _) = of_pattern(pattern, None, true);
                    rule.at = Some(Match { negated: true, ..at });
                    return;
                }
                match self.simplified(test) {
                    Some(test) => rule.tests.push(test),
                    None => *sound = false,
                }
            }
            test => match self.simplified(test) {
                // What always holds is no condition.
                Some(Test::All(tests)) if tests.is_empty() => {}
                Some(test) => rule.tests.push(test),
                None => *sound = false,
            },
        }
    }

    /// Whether what follows `after` in `of` is the path of a request, without a slash.
    fn below(&self, of: &Template, after: &Template) -> Option<bool> {
        let file = matches!(of.0.first(), Some(Part::Var(var)) if self.vars.file.contains(var));
        let folder = text_of(after)?;
        let root = self.root.trim_end_matches('/');
        (file && folder.trim_end_matches('/') == root).then_some(true)
    }

    /// A test in fewer words; `None` when it never holds.
    fn simplified(&self, test: &Test) -> Option<Test> {
        match super::value::holds(self.config, &self.known, test, 0) {
            Some(false) => return None,
            Some(true) => return Some(Test::All(Vec::new())),
            None => {}
        }
        Some(self.simple(test))
    }

    fn simple(&self, test: &Test) -> Test {
        match test {
            Test::All(tests) => Test::All(tests.iter().map(|test| self.simple(test)).collect()),
            Test::Any(tests) => Test::Any(tests.iter().map(|test| self.simple(test)).collect()),
            Test::Not(test) => Test::Not(Box::new(self.simple(test))),
            Test::Match { subject, pattern, into } => {
                if let Some(secure) = self.secure(subject, pattern) {
                    let scheme = if secure { "https" } else { "http" };
                    return Test::Match {
                        subject: Template::attr(Attr::Scheme),
                        pattern: Pattern::exact(scheme),
                        into: None,
                    };
                }
                let subject = self.file_path(&resolve(self.config, &self.known, subject));
                Test::Match { subject, pattern: pattern.clone(), into: *into }
            }
            Test::Equal(one, other) => {
                if let (Some(text), false) = (other.as_text(), one.as_text().is_some()) {
                    return self.simple(&Test::Match {
                        subject: one.clone(),
                        pattern: Pattern::exact(text),
                        into: None,
                    });
                }
                Test::Equal(self.file_path(one), self.file_path(other))
            }
            Test::Compare {
                left,
                right,
                relation: relation @ (Relation::Equal | Relation::NotEqual),
                by,
            } if right.as_text().is_some() && *by != crate::ir::By::Integer => {
                let text = right.as_text().unwrap_or_default();
                let mut pattern = Pattern::exact(text);
                pattern.ignore_case = *by == crate::ir::By::Letters;
                let test = self.simple(&Test::Match { subject: left.clone(), pattern, into: None });
                if *relation == Relation::Equal { test } else { Test::Not(Box::new(test)) }
            }
            Test::File(name, kind) => Test::File(self.file_path(name), *kind),
            test => test.clone(),
        }
    }

    /// The name of the file that is answered with, where it is spoken of as such.
    fn file_path(&self, template: &Template) -> Template {
        let whole = |template: &Template| {
            matches!(template.0.as_slice(), [Part::Attr(Attr::DocumentRoot), Part::Attr(Attr::Path)])
                || matches!(template.0.first(), Some(Part::Var(var)) if self.vars.file.contains(var) && template.0.len() <= 2)
        };
        if whole(template) { Template::attr(Attr::FilePath) } else { template.clone() }
    }

    /// Whether a test asks for TLS, or for none.
    fn secure(&self, subject: &Template, pattern: &Pattern) -> Option<bool> {
        let (yes, no) = match subject.0.as_slice() {
            [Part::Attr(Attr::Https)] => ("on".to_owned(), String::new()),
            [Part::Attr(Attr::Scheme)] => ("https".to_owned(), "http".to_owned()),
            [Part::Attr(Attr::ServerPort)] => {
                return match &*pattern.text {
                    b"80" | b"^80$" => Some(false),
                    b"443" | b"^443$" => Some(true),
                    _ => None,
                };
            }
            [Part::Var(var)] => match &self.config.var(*var).kind {
                VarKind::Choice { choices, default } => {
                    let [choice] = choices.as_slice() else { return None };
                    if choice.test != Test::Truthy(Template::attr(Attr::Https)) {
                        return None;
                    }
                    (text_of(&choice.value)?, text_of(default)?)
                }
                _ => return None,
            },
            _ => return None,
        };
        let found = |value: &str| {
            let text = pattern.text.lossy();
            let (text, value) = if pattern.ignore_case {
                (text.to_lowercase(), value.to_lowercase())
            } else {
                (text.into_owned(), value.to_owned())
            };
            match pattern.kind {
                Kind::Exact => text == value,
                _ => match (text.strip_prefix('^'), text.strip_suffix('$')) {
                    (Some(_), Some(_)) => value == text[1..text.len() - 1],
                    (Some(start), None) => value.starts_with(start),
                    (None, Some(end)) => value.ends_with(end),
                    (None, None) => value.contains(&text),
                },
            }
        };
        match (found(&yes), found(&no)) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ => None,
        }
    }

    /// What a block does.
    pub(super) fn acts(&mut self, block: &Block, rule: Span) -> Vec<Act> {
        if let Some((before, test, rest, span)) = guarded(block) {
            let mut acts = self.acts(&before, rule);
            let rules = self.rules(&test, &rest, &Block::default(), span);
            acts.extend(rules.into_iter().map(Act::Rule));
            return acts;
        }
        let mut acts = Vec::new();
        let mut pending: Option<(Option<Template>, Query)> = None;
        let mut stay = false;
        let mut before: Option<(Span, bool)> = None;
        let steps = &block.steps;
        let mut at = 0;
        while let Some((step, span)) = steps.get(at) {
            at += 1;
            let last = before.replace((*span, matches!(step, Step::Assign { .. } | Step::Rewrite { .. })));
            match step {
                Step::Do(inner) => {
                    if let Some(scope) = &inner.scope
                        && let Some(act) = self.scope(scope, *span)
                    {
                        acts.push(act);
                    }
                    let flushed = acts.len();
                    let more = self.acts(inner, rule);
                    if more.iter().any(|act| matches!(act, Act::Pass(_))) {
                        pending = None;
                    }
                    acts.extend(more);
                    let _ = flushed;
                }
                Step::When { test, then, otherwise } => {
                    let same = |one: Span| Notes::same(one, *span);
                    let generated = same(rule)
                        || last.is_some_and(|(one, assigns)| assigns && same(one))
                        || !self.is_written(*span);
                    let vary = |step: &Step| matches!(step, Step::Promise { field, member: true, .. } if field.is_field(b"vary"));
                    let varies = !then.steps.is_empty() && then.steps.iter().all(|(step, _)| vary(step));
                    let one = one_reply(test, then, otherwise);
                    if generated || varies || one.is_some() {
                        // A choice between two ways of writing one answer.
                        if let Some(reply) = one {
                            let act = self.reply(reply);
                            answer(act, pending.take(), &mut acts);
                        }
                        continue;
                    }
                    let inner = self.rules(test, then, otherwise, *span);
                    acts.extend(inner.into_iter().map(Act::Rule));
                }
                Step::Assign { var, value } => {
                    if self.vars.forward.contains(var) {
                        if value.is_empty() {
                            continue;
                        }
                        let url = self.url(value, pending.take());
                        let pass = self.pass(&url, *span);
                        acts.push(Act::Pass(Box::new(pass)));
                    } else if self.vars.file.contains(var) {
                        if let Some(act) = self.file(value, pending.is_some(), *span) {
                            acts.push(act);
                        }
                    } else if self.is_read_next(*var, steps.get(at), *span) {
                        acts.push(self.whole_url(value, *span));
                        // What it is taken apart with.
                        while steps.get(at).is_some_and(|(step, one)| {
                            matches!(step, Step::When { .. }) && Notes::same(*one, *span)
                        }) {
                            at += 1;
                        }
                    } else if self.is_written(*span) {
                        acts.push(Act::Assign(*var, self.value(value)));
                    }
                }
                Step::Rewrite { path, query } => {
                    let path = path.as_ref().map(|path| self.value(path));
                    let query = match query {
                        Query::Keep => Query::Keep,
                        Query::Replace(query) => Query::Replace(self.value(query)),
                        Query::Prepend(query) => Query::Prepend(self.value(query)),
                    };
                    let (path, query) = match pending.take() {
                        Some((before, Query::Keep)) => (path.or(before), query),
                        Some((before, first)) => {
                            (path.or(before), if query == Query::Keep { first } else { query })
                        }
                        None => (path, query),
                    };
                    pending = Some((path, query));
                }
                Step::Target(target) => {
                    // Path and query in one: what a rule in a folder ends with.
                    let mut path = self.value(target);
                    if let [.., Part::Attr(Attr::QueryMark), Part::Attr(Attr::Query)] = path.0.as_slice() {
                        path.0.truncate(path.0.len() - 2);
                    }
                    let path = folder_path(&path);
                    let query = pending.take().map_or(Query::Keep, |(_, query)| query);
                    pending = Some((Some(path), query));
                }
                Step::Jump(jump) => match jump {
                    Jump::Exit(_) | Jump::Repeat(_) | Jump::Restart | Jump::Resume | Jump::Again(..) => {
                        let handle = stay || matches!(jump, Jump::Exit(label) if &**label == b"translate");
                        match pending.take() {
                            Some((path, query)) => {
                                let then = if handle { Then::Handle } else { Then::Choose };
                                acts.push(Act::Rewrite { path, query, then });
                            }
                            None if self.is_written(*span) || matches!(jump, Jump::Exit(_)) => {
                                acts.push(Act::Stop);
                            }
                            None => {}
                        }
                        if matches!(jump, Jump::Again(..)) {
                            self.losses.lose(
                                *span,
                                "a repetition of rules",
                                "the target runs its rules once",
                            );
                        }
                    }
                    Jump::Enter(name) => {
                        let name = name.lossy().into_owned();
                        self.losses.lose(
                            *span,
                            format!("going on at `{name}`"),
                            "a rule cannot do this in the target",
                        );
                    }
                },
                Step::AtEnd(None) => stay = true,
                Step::AtEnd(Some(_)) => {
                    if let Some((path, query)) = pending.take() {
                        acts.push(Act::Rewrite { path, query, then: Then::Next });
                    }
                }
                Step::Respond(reply) => {
                    let act = self.reply(reply);
                    answer(act, pending.take(), &mut acts);
                }
                Step::Route(table) => {
                    let mut area = Area::default();
                    let _ = table;
                    area.span = *span;
                    self.losses.lose(
                        *span,
                        "a choice of places within a rule",
                        "rules hold none in the target",
                    );
                }
                Step::Forget(_)
                | Step::Authorize(_)
                | Step::Admit
                | Step::Perform(_)
                | Step::Locate(_)
                | Step::Probe(_)
                | Step::Negotiate(_)
                | Step::Local(_)
                | Step::Trace(_)
                | Step::Complain(..)
                | Step::Identify
                | Step::Detach => {}
                Step::Unassign(_) if !self.is_written(*span) => {}
                Step::Edit(Edit::Remove(name)) if name.ends_with(b"*") => {
                    let start = name.0[..name.len() - 1].escape_ascii().to_string();
                    self.losses.remark(
                        *span,
                        format!("fields that begin with `{start}` are passed on"),
                        "they are taken away where only the server itself speaks to its programs by them",
                    );
                }
                Step::Promise { .. } if Notes::same(*span, rule) => {}
                Step::Lookup(_)
                | Step::Unassign(_)
                | Step::LimitRate(_)
                | Step::Edit(_)
                | Step::Promise { .. } => {
                    let what = self.notes.words(*span).unwrap_or_else(|| "a step".to_owned());
                    self.losses.lose(
                        *span,
                        format!("`{what}`"),
                        "what it does at this place has no counterpart",
                    );
                }
            }
        }
        if let Some((path, query)) = pending {
            acts.push(Act::Rewrite { path, query, then: if stay { Then::Handle } else { Then::Next } });
        }
        // Whoever answers leaves the rules anyway.
        let ends =
            |act: &Act| matches!(act, Act::Pass(_) | Act::Reply(_) | Act::Redirect(_) | Act::Rewrite { .. });
        if acts.iter().any(ends) {
            acts.retain(|act| !matches!(act, Act::Stop));
        }
        acts
    }

    fn is_read_next(&self, var: crate::ir::VarId, next: Option<&(Step, Span)>, span: Span) -> bool {
        let Some((Step::When { test: Test::Match { subject, .. }, .. }, at)) = next else { return false };
        Notes::same(*at, span) && matches!(subject.0.as_slice(), [Part::Var(read)] if *read == var)
    }

    /// A URL as it is assigned; a path in it that was just rewritten is the new one.
    fn url(&self, value: &Template, pending: Option<(Option<Template>, Query)>) -> Template {
        let mut url = self.value(value);
        let Some((path, query)) = pending else { return url };
        if let Some(path) = path {
            let mut out = Template::default();
            for part in url.0 {
                match part {
                    Part::Attr(Attr::Path) => path.0.iter().for_each(|part| out.push(part.clone())),
                    part => out.push(part),
                }
            }
            url = out;
        }
        let follows = matches!(url.0.as_slice(), [.., Part::Attr(Attr::QueryMark), Part::Attr(Attr::Query)]);
        match query {
            Query::Keep => {}
            Query::Replace(query) if follows => {
                url.0.truncate(url.0.len() - 2);
                if !query.is_empty() {
                    url.push(Part::Text("?".into()));
                    query.0.into_iter().for_each(|part| url.push(part));
                }
            }
            Query::Prepend(query) if follows => {
                url.0.truncate(url.0.len() - 2);
                url.push(Part::Text("?".into()));
                query.0.into_iter().for_each(|part| url.push(part));
                url.push(Part::Attr(Attr::QueryMark));
                url.push(Part::Attr(Attr::Query));
            }
            Query::Replace(_) | Query::Prepend(_) => {}
        }
        url
    }

    fn pass(&mut self, url: &Template, span: Span) -> Pass {
        let around = Around {
            config: self.config,
            effective: self.chain.last().unwrap_or(&self.config.base),
            base: &self.config.base,
            known: &self.known,
            span,
        };
        around.url(url, true, self.losses)
    }

    /// What is done with a value that may be a URL of another server, or a path.
    fn whole_url(&mut self, value: &Template, span: Span) -> Act {
        let value = self.value(value);
        let absolute = match value.0.as_slice() {
            [Part::Attr(Attr::Scheme), Part::Text(text), ..] => text.starts_with(b"://"),
            [Part::Text(text), ..] => text.lossy().contains("://"),
            _ => false,
        };
        if absolute {
            return Act::Pass(Box::new(self.pass(&value, span)));
        }
        let mut path = value;
        if !matches!(path.0.first(), Some(Part::Text(text)) if text.starts_with(b"/")) {
            let mut with = Template::text("/");
            path.0.into_iter().for_each(|part| with.push(part));
            path = with;
        }
        Act::Rewrite { path: Some(path), query: Query::Keep, then: Then::Choose }
    }

    /// What a name of a file means that a path is mapped to.
    fn file(&mut self, value: &Template, rewritten: bool, span: Span) -> Option<Act> {
        if rewritten || matches!(value.0.first(), Some(Part::Text(text)) if text.starts_with(b"proxy:")) {
            return None;
        }
        let value = self.value(value);
        let mut area = Area { span, ..Area::default() };
        match value.0.as_slice() {
            [Part::Text(folder), Part::Attr(Attr::PathRest)] => {
                area.settings.files.alias = Some(Some(Alias {
                    with: Template::text(folder.clone()),
                    cut: Some(0),
                    rewritten: false,
                }));
            }
            [Part::Text(_)] => {
                area.settings.files.alias = Some(Some(Alias { with: value, cut: None, rewritten: false }));
            }
            [Part::Text(root), Part::Attr(Attr::Path)] => {
                if root.lossy() == self.root {
                    return None;
                }
                area.settings.files.root = Some(Template::text(root.clone()));
            }
            _ => area.settings.files.alias = Some(Some(Alias { with: value, cut: None, rewritten: false })),
        }
        Some(Act::Set(Box::new(area)))
    }

    fn reply(&mut self, reply: &Reply) -> Act {
        match &reply.content {
            ReplyContent::Location(to) => {
                let mut to = self.value(to);
                let keep_query = self.takes_query(&mut to);
                // Every server puts in front of a path what the client called it.
                let own = matches!(to.0.as_slice(), [Part::Var(var), Part::Text(rest), ..]
                    if rest.starts_with(b"/") && super::value::is_origin(self.config, *var));
                if own {
                    to.0.remove(0);
                }
                Act::Redirect(Redirect { status: sent(self.config, reply.status), to, keep_query })
            }
            ReplyContent::Text(text) => {
                let status = sent(self.config, reply.status);
                Act::Reply(Reply { status, content: ReplyContent::Text(self.value(text)) })
            }
            ReplyContent::Page | ReplyContent::Empty | ReplyContent::Close => {
                Act::Reply(Reply { status: sent(self.config, reply.status), content: reply.content.clone() })
            }
        }
    }

    /// Takes the request's query off the end of a location; whether it was there.
    fn takes_query(&self, to: &mut Template) -> bool {
        match to.0.as_slice() {
            [.., Part::Attr(Attr::QueryMark) | Part::Var(_), Part::Attr(Attr::Query)] => {
                to.0.truncate(to.0.len() - 2);
                true
            }
            [.., Part::Var(var)] => {
                let of_query = match &self.config.var(*var).kind {
                    VarKind::Choice { choices, .. } => choices.iter().any(|one| reads_query(&one.value)),
                    VarKind::Table { rows, key, .. } => {
                        reads_query(key) || rows.iter().any(|row| reads_query(&row.value))
                    }
                    _ => false,
                };
                if of_query {
                    to.0.pop();
                }
                of_query
            }
            _ => false,
        }
    }

    /// Puts what a place does into its area.
    pub(super) fn settle(&mut self, at: &Match, acts: Vec<Act>, area: &mut Area, span: Span) {
        let mut rest = Vec::new();
        for act in acts {
            match act {
                Act::Pass(mut pass) => {
                    pass.path = same_as_place(pass.path, at);
                    area.pass = Some(*pass);
                }
                Act::Set(said) => {
                    let mut said = *said;
                    if let Some(Some(Alias { with, cut: Some(cut), rewritten: _ })) =
                        &mut said.settings.files.alias
                    {
                        *cut = at.text.len() as u32;
                        if let Some(folder) = text_of(with) {
                            self.aliases.push((at.text.clone(), folder));
                        }
                    }
                    super::program::join(area, said);
                }
                Act::Stop => {}
                act => rest.push(act),
            }
        }
        push_acts(area, rest, span);
    }
}

/// A path that takes the place's prefix for itself is the one received.
fn same_as_place(path: PassPath, at: &Match) -> PassPath {
    match path {
        PassPath::Replace(with)
            if with == at.text && matches!(at.how, How::Prefix | How::Under | How::Exact) =>
        {
            PassPath::Same
        }
        path => path,
    }
}

/// The path of a rule in a folder: what it wrote below the folder that the request is in.
fn folder_path(path: &Template) -> Template {
    match path.0.as_slice() {
        [Part::Start { .. }, rest @ ..] => {
            let mut out = Template::text("/");
            rest.iter().for_each(|part| out.push(part.clone()));
            out
        }
        _ => path.clone(),
    }
}

/// Whether a value is a whole URL of the request.
fn is_url(template: &Template) -> bool {
    matches!(template.0.as_slice(), [Part::Attr(Attr::Scheme), Part::Text(text), ..] if text.starts_with(b"://"))
}

fn reads_query(template: &Template) -> bool {
    template.0.iter().any(|part| matches!(part, Part::Attr(Attr::Query)))
}

/// The answer of a choice both of whose sides answer alike; the last one, which is the usual.
fn one_reply<'a>(test: &Test, then: &'a Block, otherwise: &'a Block) -> Option<&'a Reply> {
    let of = |block: &'a Block| match block.steps.as_slice() {
        [(Step::Respond(reply), _)] => Some(reply),
        _ => None,
    };
    let (one, other) = (of(then)?, of(otherwise)?);
    let both =
        matches!((&one.content, &other.content), (ReplyContent::Location(_), ReplyContent::Location(_)));
    // What may be a whole URL is written as it is.
    let whole = matches!(test, Test::Match { pattern, .. } if pattern.text.starts_with(b"^(?:/|"));
    (both && one.status == other.status).then_some(if whole { one } else { other })
}

/// A test of a host's program in fewer words; `None` when it never holds.
pub fn simplified(config: &Config, host: &Host, test: &Test) -> Option<Test> {
    let sources = SourceMap::new();
    let (notes, mut losses) = (Notes::new(&sources), Losses::default());
    let mut walk = Walk::new(config, None, &notes, &mut losses);
    walk.begin(host);
    walk.simplified(test)
}

impl Outline<'_> {
    /// A rule that sends `WebSockets` where everything else goes too is that: one forward that lets them through.
    pub fn merge_upgrades(&mut self) {
        self.servers.iter_mut().for_each(|server| merge_upgrades(&mut server.area));
    }
}

fn merge_upgrades(area: &mut Area) {
    let mut at = 0;
    while at < area.items.len() {
        let found = match &area.items[at] {
            Item::Rule(rule) => {
                websocket_pass(rule).map(|pass| (rule.at.clone().unwrap_or_else(Match::any), pass.clone()))
            }
            Item::Place(_) => None,
        };
        let merged = found.filter(|(path, pass)| {
            area.items[at + 1..].iter_mut().any(|item| {
                let Some((place, other)) = passes(item) else { return false };
                let same = place.covers(path)
                    && path.covers(&place)
                    && other.to == pass.to
                    && other.scheme == pass.scheme
                    && same_path(&other.path, &pass.path, &place);
                other.head.upgrade |= same;
                same
            })
        });
        if merged.is_some() {
            area.items.remove(at);
        } else {
            at += 1;
        }
    }
}

fn passes(item: &mut Item) -> Option<(Match, &mut Pass)> {
    match item {
        Item::Place(Place { at, area, kind: PlaceKind::First | PlaceKind::Specific(_), .. }) => {
            let at = at.clone();
            area.pass.as_mut().map(|pass| (at, pass))
        }
        Item::Rule(Rule { at, tests, acts, .. }) if tests.is_empty() => {
            let at = at.clone().unwrap_or_else(Match::any);
            acts.iter_mut()
                .find_map(|act| match act {
                    Act::Pass(pass) => Some(&mut **pass),
                    _ => None,
                })
                .map(|pass| (at, pass))
        }
        _ => None,
    }
}

fn same_path(one: &PassPath, other: &PassPath, at: &Match) -> bool {
    let plain = |path: &PassPath| match path {
        PassPath::Replace(with) if *with == at.text => PassPath::Same,
        path => path.clone(),
    };
    plain(one) == plain(other)
}

/// The forward of a rule that asks for nothing but a WebSocket.
pub fn websocket_pass(rule: &Rule) -> Option<&Pass> {
    let upgrade = |test: &Test| match test {
        Test::Match { subject, .. } => matches!(
            subject.0.as_slice(),
            [Part::Attr(Attr::Field(name) | Attr::FieldList(name))] if name.is_field(b"upgrade") || name.is_field(b"connection")
        ),
        _ => false,
    };
    let only = !rule.tests.is_empty() && rule.tests.iter().all(upgrade);
    match rule.acts.as_slice() {
        [Act::Pass(pass)] if only => Some(pass),
        _ => None,
    }
}
