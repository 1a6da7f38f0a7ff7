//! Rules as `rewrite`, `return`, `set` and `if`.

use std::collections::BTreeSet;

use super::{
    Names, Render,
    location::flag,
    value::{escape, quote, quote_always, regex},
};
use crate::{
    ir::{Attr, Part, Query, Register, Reply, ReplyContent, Template, Test},
    raise::{Act, How, Match, Redirect, Rule},
    source::Span,
};

impl Render<'_, '_> {
    /// A rule; `inside` is in a location.
    pub(super) fn rule(&mut self, rule: &Rule, inside: bool) {
        let Rule { at, tests, acts, span } = rule;
        self.comments(*span);
        let mut at = at.as_ref().filter(|at| !at.is_any());
        let mut acts = acts.clone();
        if acts.is_empty() {
            return;
        }
        // An `if` holds no other: where it takes one to look at the path, it is one of the conditions.
        let mut tests = tests.clone();
        let rewrites = |act: &Act| match act {
            Act::Rewrite { .. } => true,
            Act::Redirect(redirect) => {
                matches!(redirect.status, 301 | 302) && !redirect.to.0.contains(&Part::Attr(Attr::Target))
            }
            _ => false,
        };
        if let Some(path) = at
            && !tests.is_empty()
            && (path.negated || !acts.iter().all(rewrites))
        {
            let pattern = crate::ir::Pattern::regex(path.to_regex(), path.ignore_case);
            let test = Test::Match { subject: Template::attr(Attr::Path), pattern, into: path.register };
            tests.push(if path.negated { Test::Not(Box::new(test)) } else { test });
            at = None;
        }
        let condition = match self.questions(&tests, &mut acts, at, *span) {
            Ok(condition) => condition,
            Err(why) => return self.losses.lose(*span, self.named(*span), why),
        };
        // A path that is written as one has a location of its own.
        if let (Some(at), None, false) = (at, &condition, inside)
            && at.how == How::Exact
            && !at.ignore_case
            && !at.negated
            && acts.iter().all(|act| matches!(act, Act::Redirect(_) | Act::Reply(_)))
        {
            self.page.open(format!("location = {} {{", quote(&at.text)));
            for act in &acts {
                self.act(act, None, (false, inside), *span);
            }
            self.page.close("}");
            return;
        }
        match condition {
            Some(condition) => {
                self.page.open(format!("if ({condition}) {{"));
                for act in &acts {
                    self.act(act, at, (true, inside), *span);
                }
                self.page.close("}");
            }
            None => {
                for act in &acts {
                    self.act(act, at, (false, inside), *span);
                }
            }
        }
    }

    /// One question that holds when all of these do; what it takes to ask it stands before.
    fn questions(
        &mut self,
        tests: &[Test],
        acts: &mut [Act],
        at: Option<&Match>,
        span: Span,
    ) -> Result<Option<String>, String> {
        let mut all: Vec<Test> = Vec::new();
        for test in tests {
            match test {
                Test::All(inner) => all.extend(inner.iter().cloned()),
                Test::Depends(_) => {}
                test => all.push(test.clone()),
            }
        }
        let names = Names { config: self.config, assigned: self.assigned };
        let used = captures(acts, at);
        if let [one] = all.as_slice()
            && !matches!(one, Test::Any(tests) if tests.len() > 1)
            && !matches!(one, Test::Not(inner) if matches!(&**inner, Test::All(tests) | Test::Any(tests) if tests.len() > 1))
        {
            // Captures of the question are gone when the path is looked at.
            if used.is_empty() || at.is_none() {
                if let Test::InNetwork(subject, networks) = one {
                    return self.network(subject, networks, span).map(Some);
                }
                return names.condition(one, false).map(Some);
            }
        }
        if all.is_empty() {
            return Ok(None);
        }
        if used.iter().any(|(_, number)| *number == 0) {
            return Err("all that an expression matched".to_owned());
        }
        let var = self.fresh("rule");
        self.maps.push((var.clone(), Vec::new()));
        let lines = self.collect(&var, &all, &used)?;
        lines.iter().for_each(|line| self.page.line(line));
        for (register, number) in &used {
            replace(acts, *register, *number, &format!("{var}_{number}"), self);
        }
        let want: String = (0..all.len()).map(letter).collect();
        Ok(Some(format!("${var} = {want}")))
    }

    fn collect(
        &mut self,
        var: &str,
        all: &[Test],
        used: &BTreeSet<(Register, u8)>,
    ) -> Result<Vec<String>, String> {
        let names = Names { config: self.config, assigned: self.assigned };
        let mut lines = vec![format!("set ${var} \"\";")];
        // What no question leaves is empty, and nginx wants to know of it.
        let kept = |register: &Register| {
            all.iter().any(|test| matches!(test, Test::Match { into: Some(one), .. } if one == register))
        };
        let unkept = used.iter().filter(|(register, _)| !kept(register));
        lines.extend(unkept.map(|(_, number)| format!("set ${var}_{number} \"\";")));
        for (at, test) in all.iter().enumerate() {
            let mark = letter(at);
            let before = if at == 0 { String::new() } else { format!("${{{var}}}") };
            let alternatives: Vec<(Test, bool)> = match test {
                Test::Any(tests) => tests.iter().map(|test| (test.clone(), false)).collect(),
                Test::Not(inner) => match &**inner {
                    Test::All(tests) => tests.iter().map(|test| (test.clone(), true)).collect(),
                    _ => vec![(test.clone(), false)],
                },
                test => vec![(test.clone(), false)],
            };
            if alternatives.len() > 1 {
                let inner = format!("{var}_{mark}");
                lines.push(format!("set ${inner} \"\";"));
                for (test, not) in &alternatives {
                    lines.push(format!("if ({}) {{", names.condition(test, *not)?));
                    lines.push(format!("    set ${inner} 1;"));
                    lines.push("}".to_owned());
                }
                lines.push(format!("if (${inner}) {{"));
            } else {
                let question = match &alternatives[0].0 {
                    Test::InNetwork(subject, networks) => self.network(subject, networks, Span::NONE)?,
                    test => Names { config: self.config, assigned: self.assigned }
                        .condition(test, alternatives[0].1)?,
                };
                lines.push(format!("if ({question}) {{"));
            }
            lines.push(format!(
                "    set ${var} {};",
                if before.is_empty() { mark.clone() } else { format!("\"{before}{mark}\"") }
            ));
            if let Test::Match { into: Some(register), .. } = test {
                for (_, number) in used.iter().filter(|(one, _)| one == register) {
                    lines.push(format!("    set ${var}_{number} ${number};"));
                }
            }
            lines.push("}".to_owned());
        }
        Ok(lines)
    }

    /// Whether an address is in one of these networks, as a variable.
    fn network(
        &mut self,
        subject: &Template,
        networks: &[(std::net::IpAddr, u8)],
        _span: Span,
    ) -> Result<String, String> {
        let key = Names { config: self.config, assigned: self.assigned }.value(subject)?;
        let var = self.fresh("network");
        let head =
            if key == "$remote_addr" { format!("geo ${var} {{") } else { format!("geo {key} ${var} {{") };
        let mut lines = vec![head, "    default 0;".to_owned()];
        for (address, bits) in networks {
            lines.push(format!(
                "    {} 1;",
                crate::raise::network(crate::ir::AddressRange::Network(*address, *bits))
            ));
        }
        lines.push("}".to_owned());
        self.maps.push((var.clone(), lines));
        Ok(format!("${var}"))
    }

    /// What a rule does: `asked` under a condition, `located` in a location.
    fn act(&mut self, act: &Act, at: Option<&Match>, (asked, located): (bool, bool), span: Span) {
        let inside = asked || located;
        let result = match act {
            Act::Redirect(redirect) => self.redirect(redirect, at, asked),
            Act::Reply(reply) => self.reply(reply, at),
            Act::Rewrite { path, query, then } => self.rewrite(path.as_ref(), query, *then, at, inside),
            Act::Assign(var, value) => self.assign(*var, value, at),
            Act::Pass(pass) => {
                // Nothing but the upstream is said on a condition.
                let host = match &pass.to {
                    crate::raise::To::Cluster(id) => super::group::cluster_name(self.config, *id),
                    crate::raise::To::Authority(text) => text.clone(),
                    crate::raise::To::Dynamic(template) => match self.value(template, span) {
                        Some(text) => text,
                        None => return,
                    },
                };
                let scheme = match pass.scheme {
                    crate::raise::Scheme::Plain => "http",
                    crate::raise::Scheme::Tls => "https",
                    crate::raise::Scheme::Client => "$scheme",
                };
                let whole = at.is_none_or(Match::is_any);
                let same = match &pass.path {
                    crate::raise::PassPath::Same => true,
                    crate::raise::PassPath::Replace(with) => with == "/" && whole,
                    crate::raise::PassPath::Exact(template, _) => {
                        match (Names { config: self.config, assigned: self.assigned }).target(template) {
                            Ok(path) => {
                                self.page.line(format!("rewrite ^ {} break;", quote(&path)));
                                true
                            }
                            Err(_) => false,
                        }
                    }
                };
                if same {
                    self.page.line(format!("proxy_pass {scheme}://{host};"));
                    Ok(())
                } else {
                    Err("a forward on a condition keeps the path".to_owned())
                }
            }
            Act::Set(area) => {
                let quiet = crate::ir::Settings {
                    answer: area.settings.answer.clone(),
                    logs: area.settings.logs.clone(),
                    ..crate::ir::Settings::default()
                };
                if area.settings == quiet && area.edits.is_empty() && located && quiet.answer.types.is_none()
                {
                    self.settings(&quiet, span);
                    Ok(())
                } else {
                    Err("settings on this condition".to_owned())
                }
            }
            Act::Rule(rule) => {
                // A question within a question.
                self.losses.lose_near(
                    rule.span,
                    self.named(rule.span),
                    "an `if` holds no other",
                    "both conditions in a `map`",
                );
                Ok(())
            }
            Act::Stop => {
                match at {
                    Some(at) => {
                        let mark = if at.negated { "!~" } else { "~" };
                        self.page.open(format!(
                            "if ($uri {mark}{} {}) {{",
                            if at.ignore_case { "*" } else { "" },
                            regex(&at.to_regex())
                        ));
                        self.page.line("break;");
                        self.page.close("}");
                    }
                    None => self.page.line("break;"),
                }
                Ok(())
            }
        };
        if let Err(why) = result {
            self.losses.lose(span, self.named(span), why);
            // Others may read it, and nginx wants to know of it.
            if let Act::Assign(var, _) = act
                && let Ok(name) = (Names { config: self.config, assigned: self.assigned }).var(*var)
            {
                self.page.line(format!("set ${name} \"\";"));
            }
        }
    }

    fn assign(&mut self, var: crate::ir::VarId, value: &Template, at: Option<&Match>) -> Result<(), String> {
        let names = Names { config: self.config, assigned: self.assigned };
        let (name, value) = (names.var(var)?, names.value(value)?);
        let line = format!("set ${name} {};", quote_if_empty(&value));
        match at {
            None => self.page.line(line),
            Some(at) => {
                let mark = if at.negated { "!~" } else { "~" };
                self.page.open(format!(
                    "if ($uri {mark}{} {}) {{",
                    if at.ignore_case { "*" } else { "" },
                    regex(&at.to_regex())
                ));
                self.page.line(line);
                self.page.close("}");
            }
        }
        Ok(())
    }

    /// A redirect; `asked` is under a condition.
    fn redirect(&mut self, redirect: &Redirect, at: Option<&Match>, asked: bool) -> Result<(), String> {
        let Redirect { status, to, keep_query } = redirect;
        let names = Names { config: self.config, assigned: self.assigned };
        // All that the client asked for, behind another origin: as it was sent, so that nothing decoded gets into a field.
        if at.is_none_or(Match::is_any)
            && *keep_query
            && !self.rewrites
            && let Some(mut to) = before_path(to)
        {
            to.push(Part::Attr(Attr::Target));
            self.page.line(format!("return {status} {};", quote(&names.target(&to)?)));
            return Ok(());
        }
        let target = names.target(to)?;
        let whole = Match::any();
        let takes_rest = to.0.contains(&Part::Attr(Attr::PathRest));
        let captures = to.0.iter().any(|part| matches!(part, Part::Capture(..)));
        let Some(at) = at.or_else(|| (takes_rest && !captures && !asked).then_some(&whole)) else {
            let rest = if *keep_query { "$is_args$args" } else { "" };
            self.page.line(format!("return {status} {};", quote(&format!("{target}{rest}"))));
            return Ok(());
        };
        let pattern = pattern(at, to);
        let word = match status {
            301 => Some("permanent"),
            302 => Some("redirect"),
            _ => None,
        };
        match word {
            Some(word)
                if !at.negated && !to.0.iter().any(|part| matches!(part, Part::Attr(Attr::Target))) =>
            {
                let end = if *keep_query { "" } else { "?" };
                self.page.line(format!(
                    "rewrite {} {} {word};",
                    regex(&pattern),
                    quote(&format!("{target}{end}"))
                ));
            }
            _ => {
                let mark = if at.negated { "!~" } else { "~" };
                let rest = if *keep_query { "$is_args$args" } else { "" };
                self.page.open(format!("if ($uri {mark} {}) {{", regex(&pattern)));
                self.page.line(format!("return {status} {};", quote(&format!("{target}{rest}"))));
                self.page.close("}");
            }
        }
        Ok(())
    }

    fn reply(&mut self, reply: &Reply, at: Option<&Match>) -> Result<(), String> {
        let Reply { status, content } = reply;
        let names = Names { config: self.config, assigned: self.assigned };
        let line = match content {
            ReplyContent::Text(text) if text.is_empty() => format!("return {status};"),
            ReplyContent::Text(text) => format!("return {status} {};", quote_always(&names.value(text)?)),
            ReplyContent::Page | ReplyContent::Empty => format!("return {status};"),
            ReplyContent::Location(to) => format!("return {status} {};", quote(&names.value(to)?)),
            ReplyContent::Close => "return 444;".to_owned(),
        };
        match at {
            None => self.page.line(line),
            Some(at) => {
                let mark = if at.negated { "!~" } else { "~" };
                self.page.open(format!(
                    "if ($uri {mark}{} {}) {{",
                    if at.ignore_case { "*" } else { "" },
                    regex(&at.to_regex())
                ));
                self.page.line(line);
                self.page.close("}");
            }
        }
        Ok(())
    }

    fn rewrite(
        &mut self,
        path: Option<&Template>,
        query: &Query,
        then: crate::raise::Then,
        at: Option<&Match>,
        inside: bool,
    ) -> Result<(), String> {
        let names = Names { config: self.config, assigned: self.assigned };
        if at.is_some_and(|at| at.negated) {
            return Err("a rewrite of what does not match".to_owned());
        }
        let uri = Template::attr(Attr::Path);
        let path = path.unwrap_or(&uri);
        let mut target = names.target(path)?;
        match query {
            Query::Keep => {}
            Query::Replace(query) if query.is_empty() => target.push('?'),
            Query::Replace(query) if *query == Template::attr(Attr::Query) => {}
            Query::Replace(query) => {
                let appended = matches!(query.0.as_slice(), [.., Part::Text(text), Part::Attr(Attr::Query)] if text.ends_with(b"&"));
                let mut query = query.clone();
                if appended {
                    query.0.pop();
                }
                let text = names.target(&query)?;
                target.push('?');
                target.push_str(text.trim_end_matches('&'));
                if !appended {
                    target.push('?');
                }
            }
            Query::Prepend(query) => {
                target.push('?');
                target.push_str(&names.target(query)?);
            }
        }
        let pattern = at.map_or_else(|| "^".to_owned(), |at| pattern(at, path));
        self.rewrites = true;
        self.page.line(format!("rewrite {} {}{};", regex(&pattern), quote(&target), flag(then, inside)));
        Ok(())
    }
}

/// What stands before the whole path of the request, where a value ends in that.
fn before_path(to: &Template) -> Option<Template> {
    match to.0.as_slice() {
        [start @ .., Part::Attr(Attr::Path)] if !start.is_empty() => Some(Template(start.to_vec())),
        [start @ .., Part::Text(text), Part::Attr(Attr::PathRest)] => {
            let mut before = Template(start.to_vec());
            before.push(Part::Text(text.strip_suffix(b"/")?.into()));
            Some(before)
        }
        _ => None,
    }
}

/// The regular expression of a rule, with what follows a prefix as its capture.
fn pattern(at: &Match, to: &Template) -> String {
    let rest = to.0.iter().any(|part| matches!(part, Part::Attr(Attr::PathRest)));
    let text = match at.how {
        How::Prefix if rest => format!("^{}(.*)$", escape(&at.text)),
        How::Under if rest => format!("^{}(?:/(.*))?$", escape(at.text.trim_end_matches('/'))),
        _ => at.to_regex(),
    };
    if at.ignore_case { format!("(?i){text}") } else { text }
}

/// Captures that acts read, and that are not those of the rule's own path.
fn captures(acts: &[Act], at: Option<&Match>) -> BTreeSet<(Register, u8)> {
    let mut found = BTreeSet::new();
    let own = at.and_then(|at| at.register);
    let mut of = |template: &Template| {
        for part in &template.0 {
            if let Part::Capture(register, number) = part
                && Some(*register) != own
            {
                found.insert((*register, *number));
            }
        }
    };
    for act in acts {
        match act {
            Act::Redirect(redirect) => of(&redirect.to),
            Act::Rewrite { path: Some(path), .. } => of(path),
            Act::Assign(_, value) => of(value),
            Act::Reply(Reply { content: ReplyContent::Text(text), .. }) => of(text),
            _ => {}
        }
    }
    found
}

/// Replaces a capture by a variable.
fn replace(acts: &mut [Act], register: Register, number: u8, name: &str, _render: &Render<'_, '_>) {
    let with = |template: &mut Template| {
        for part in &mut template.0 {
            if *part == Part::Capture(register, number) {
                // A field by this name reads as the variable that a condition set.
                *part = Part::Attr(Attr::Cookie(crate::ir::Text::from(format!("\u{0}{name}"))));
            }
        }
    };
    for act in acts {
        match act {
            Act::Redirect(redirect) => with(&mut redirect.to),
            Act::Rewrite { path: Some(path), .. } => with(path),
            Act::Assign(_, value) => with(value),
            Act::Reply(Reply { content: ReplyContent::Text(text), .. }) => with(text),
            _ => {}
        }
    }
}

fn letter(at: usize) -> String {
    char::from(b'a' + (at % 26) as u8).to_string()
}

fn quote_if_empty(text: &str) -> String {
    if text.is_empty() { "\"\"".to_owned() } else { quote(text) }
}
