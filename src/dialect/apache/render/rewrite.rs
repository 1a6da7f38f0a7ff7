//! Rules as `RewriteRule`, `Redirect` and `RedirectMatch`.

use super::{
    Render,
    group::scheme_name,
    value::{Names, flagged, quote, quote_raw},
};
use crate::{
    ir::{Attr, Part, Protocol, Query, Reply, ReplyContent, Template, Test},
    raise::{Act, Area, How, Item, Match, Pass, PassPath, Redirect, Rule, Scheme, Then, To, text_of},
    source::Span,
};

impl Render<'_, '_> {
    /// A rule of a server, or of a place in it; `outer` are the conditions around it.
    pub(super) fn rule(&mut self, rule: &Rule, place: Option<&Match>, outer: &[String]) {
        let Rule { at, tests, acts, span } = rule;
        // What is known of the host's connections is no question.
        let mut known = tests.clone();
        if let Some(secure) = self.secure {
            let want = if secure { "https" } else { "http" };
            let scheme = |test: &Test| match test {
                Test::Match { subject, pattern, .. } if *subject == Template::attr(Attr::Scheme) => {
                    Some(pattern.text.lossy() == want)
                }
                _ => None,
            };
            if known.iter().any(|test| scheme(test) == Some(false)) {
                return;
            }
            known.retain(|test| scheme(test).is_none());
        }
        let tests = &known;
        self.comments(*span);
        if tests.is_empty()
            && outer.is_empty()
            && acts.len() == 1
            && self.simple(at.as_ref().or(place), &acts[0], *span)
        {
            return;
        }
        // A path of the place, and one of the rule in it: the rule's is that of the pattern.
        let mut conditions: Vec<String> = outer.to_vec();
        let pattern = match (at, place) {
            (Some(at), Some(place)) => {
                if !place.is_any() && !place.covers(at) {
                    conditions.push(path_condition(place));
                }
                Some(at)
            }
            (at, place) => at.as_ref().or(place),
        };
        let names = Names::of(self.config, self.assigned, pattern);
        for test in tests {
            match names.conditions(test) {
                Ok(lines) => conditions.extend(lines),
                Err(why) => {
                    self.losses.lose(*span, self.named(*span), why);
                    return;
                }
            }
        }
        let rest = acts.iter().any(|act| match act {
            Act::Redirect(redirect) => has_rest(&redirect.to),
            Act::Rewrite { path: Some(path), .. } => has_rest(path),
            Act::Pass(pass) => match &pass.path {
                PassPath::Replace(_) => true,
                PassPath::Exact(path, _) => has_rest(path),
                PassPath::Same => false,
            },
            _ => false,
        });
        let regex =
            pattern.map_or_else(|| "^".to_owned(), |at| if rest { rest_regex(at) } else { at.to_regex() });
        let mut flags: Vec<String> = Vec::new();
        if let Some(at) = pattern
            && at.ignore_case
        {
            flags.push("NC".to_owned());
        }
        let not = if pattern.is_some_and(|at| at.negated) { "!" } else { "" };
        let regex = quote_raw(&format!("{not}{regex}"), "\\x22");
        for act in acts {
            match self.act(act, &names, *span) {
                Ok(Some((to, more))) => {
                    self.engine();
                    let all: Vec<_> = flags.iter().cloned().chain(more).collect();
                    let flags = all.join(",");
                    let flags = if flags.contains([' ', '"']) {
                        format!(" {}", quote_raw(&format!("[{flags}]"), "%22"))
                    } else if flags.is_empty() {
                        String::new()
                    } else {
                        format!(" [{flags}]")
                    };
                    let Act::Pass(pass) = act else {
                        conditions.iter().for_each(|line| self.page.line(line));
                        self.page.line(format!("RewriteRule {regex} {}{flags}", quote_raw(&to, "%22")));
                        continue;
                    };
                    let pass = &self.settled(pass);
                    if let Some(socket) = self.socket_url(pass, &to) {
                        // First, so that `%1` stays the others'.
                        self.page.line("RewriteCond %{HTTP:Upgrade} =websocket [NC]");
                        conditions.iter().for_each(|line| self.page.line(line));
                        self.page.line(format!("RewriteRule {regex} {}{flags}", quote_raw(&socket, "%22")));
                    }
                    conditions.iter().for_each(|line| self.page.line(line));
                    self.page.line(format!("RewriteRule {regex} {}{flags}", quote_raw(&to, "%22")));
                    self.rule_reverse(pass, pattern, *span);
                }
                Ok(None) => {
                    if let Act::Rule(inner) = act {
                        let mut around = conditions.clone();
                        if let (Some(at), Some(_)) = (pattern, &inner.at) {
                            around.push(path_condition(at));
                        }
                        let place = if inner.at.is_some() { None } else { pattern };
                        self.rule(inner, place, &around);
                    } else if let Act::Set(area) = act {
                        self.conditional(tests, area, *span);
                    }
                }
                Err(why) => {
                    self.losses.lose(*span, self.named(*span), why);
                    return;
                }
            }
        }
    }

    /// A forward over what the host's clients come by, where that is known.
    pub(super) fn settled(&self, pass: &Pass) -> Pass {
        let scheme = match (pass.scheme, self.secure) {
            (Scheme::Client, Some(true)) => Scheme::Tls,
            (Scheme::Client, Some(false)) => Scheme::Plain,
            (scheme, _) => scheme,
        };
        Pass { scheme, ..pass.clone() }
    }

    /// A rule that sends on, one for `WebSockets` before it where they are passed on.
    pub(super) fn pass_rule(&mut self, pass: &Pass, regex: &str, url: &str, flags: &str) {
        if let Some(socket) = self.socket_url(pass, url) {
            self.page.line("RewriteCond %{HTTP:Upgrade} =websocket [NC]");
            self.page.line(format!("RewriteRule {regex} {} [{flags}]", quote(&socket)));
        }
        self.page.line(format!("RewriteRule {regex} {} [{flags}]", quote(url)));
    }

    /// The URL of a rule for the `WebSockets` of a forward, where they are passed on: a rule has no `upgrade=`.
    pub(super) fn socket_url(&mut self, pass: &Pass, url: &str) -> Option<String> {
        let http = pass.protocol == Protocol::Http && !pass.frames;
        if !pass.head.upgrade || !http || !matches!(pass.to, To::Authority(_)) {
            return None;
        }
        let rest = url.strip_prefix("http")?;
        self.need("proxy_wstunnel");
        Some(format!("ws{rest}"))
    }

    /// What maps the upstream's URLs in answers to a rule's requests back.
    fn rule_reverse(&mut self, pass: &Pass, at: Option<&Match>, span: Span) {
        if let (true, To::Authority(authority)) = (pass.reverse, &pass.to)
            && !authority.starts_with("unix:")
            && matches!(pass.scheme, Scheme::Plain | Scheme::Tls)
        {
            let origin = format!("{}://{authority}", scheme_name(pass.scheme, pass.spoken()));
            let line = match (&pass.path, at) {
                (PassPath::Replace(with), Some(at))
                    if matches!(at.how, How::Prefix | How::Under) && !at.negated =>
                {
                    format!("ProxyPassReverse {} {}", quote(&at.text), quote(&format!("{origin}{with}")))
                }
                _ => format!("ProxyPassReverse / {}", quote(&format!("{origin}/"))),
            };
            if !self.reversed.contains(&line) {
                self.page.line(&line);
                self.reversed.push(line);
            }
        }
        let at = at.cloned().unwrap_or_else(Match::any);
        self.reverses(&pass.response_edits, &at, span);
    }

    /// Settings on a condition.
    fn conditional(&mut self, tests: &[Test], area: &Area, span: Span) {
        let all: Result<Vec<_>, _> = tests.iter().map(|test| self.expression(test)).collect();
        match all {
            Ok(all) if !all.is_empty() => {
                self.page.open(format!("<If \"{}\">", all.join(" && ").replace('"', "'")));
                self.settings(&area.settings, span);
                self.request_fields(&area.edits, span);
                self.page.close("</If>");
            }
            Ok(_) => {
                self.settings(&area.settings, span);
                self.request_fields(&area.edits, span);
            }
            Err(why) => self.losses.lose(span, self.named(span), why),
        }
    }

    /// Edits of requests whoever answers.
    fn request_fields(&mut self, edits: &[crate::ir::Edit], span: Span) {
        use crate::ir::Edit;
        for edit in edits {
            let line = match edit {
                Edit::Set(name, value) => self
                    .header_value(value)
                    .map(|value| format!("RequestHeader set {} {value}", name.lossy())),
                Edit::Add(name, value) => self
                    .header_value(value)
                    .map(|value| format!("RequestHeader add {} {value}", name.lossy())),
                Edit::Append(name, value) => self
                    .header_value(value)
                    .map(|value| format!("RequestHeader append {} {value}", name.lossy())),
                Edit::Remove(name) => Ok(format!("RequestHeader unset {}", name.lossy())),
                _ => Err("`RequestHeader` cannot do this".to_owned()),
            };
            match line {
                Ok(line) => {
                    self.need("headers");
                    self.page.line(line);
                }
                Err(why) => self.losses.lose(span, "an edit of the request", why),
            }
        }
    }

    /// What a rule is called in a finding.
    pub(super) fn named(&self, span: Span) -> String {
        self.notes
            .words(span)
            .filter(|words| !words.is_empty())
            .map_or_else(|| "a rule".to_owned(), |words| format!("`{words}`"))
    }

    /// What has a directive of its own; whether it was said.
    fn simple(&mut self, at: Option<&Match>, act: &Act, span: Span) -> bool {
        let Act::Redirect(redirect) = act else { return false };
        let Redirect { status, to, keep_query } = redirect;
        let any = Match::any();
        let at = at.unwrap_or(&any);
        if at.ignore_case || at.negated {
            return false;
        }
        // All of a host to another one: the path and the query come along.
        if let [Part::Text(start), Part::Attr(Attr::Target)] = to.0.as_slice()
            && at.is_any()
        {
            self.page.line(format!("Redirect {} / {}/", word(*status), quote(&start.lossy())));
            return true;
        }
        if let [Part::Text(start), Part::Attr(Attr::PathRest)] = to.0.as_slice()
            && matches!(at.how, How::Prefix | How::Under)
            && *keep_query
        {
            let folder = at.text.ends_with('/') == start.ends_with(b"/")
                && (at.how == How::Under || at.text.ends_with('/'));
            if folder {
                self.page.line(format!(
                    "Redirect {} {} {}",
                    word(*status),
                    quote(&at.text),
                    quote(&start.lossy())
                ));
                return true;
            }
        }
        let names = Names::of(self.config, self.assigned, Some(at));
        let plain = to.0.iter().all(|part| matches!(part, Part::Text(_) | Part::Capture(..) | Part::Var(_)));
        let fits = plain && !to.0.iter().any(|part| matches!(part, Part::Text(text) if text.contains(&b'?')));
        if *keep_query && fits && matches!(at.how, How::Regex | How::Exact) {
            match names.value(to) {
                Ok(to) if !to.contains("%{") => {
                    self.page.line(format!(
                        "RedirectMatch {} {} {}",
                        word(*status),
                        quote(&at.to_regex()),
                        quote(&to)
                    ));
                    return true;
                }
                _ => return false,
            }
        }
        let _ = span;
        false
    }

    /// Substitution and flags of a rule that does this; none where it is no substitution.
    fn act(
        &mut self,
        act: &Act,
        names: &Names<'_>,
        span: Span,
    ) -> Result<Option<(String, Vec<String>)>, String> {
        let flag = |text: &str| vec![text.to_owned()];
        Ok(Some(match act {
            Act::Redirect(Redirect { status, to, keep_query }) => {
                let mut parts = to.clone();
                let mut query = *keep_query;
                // The target as it was received: the path, and the query that comes along by itself.
                if let Some(last) = parts.0.last_mut()
                    && *last == Part::Attr(Attr::Target)
                {
                    *last = Part::Attr(Attr::Path);
                    query = true;
                }
                let mut to = rest_as_capture(&parts, names)?;
                let mut flags = flag(&format!("R={status}"));
                if to.contains('?') {
                    if query {
                        flags.push("QSA".to_owned());
                    }
                } else if !query {
                    flags.push("QSD".to_owned());
                }
                if to.is_empty() {
                    to = "/".to_owned();
                }
                flags.push("L".to_owned());
                (to, flags)
            }
            Act::Reply(Reply { status, content }) => {
                match content {
                    ReplyContent::Text(text) if !text.is_empty() && text_of(text).is_none() => {
                        return Err("its text has variables".to_owned());
                    }
                    ReplyContent::Text(text) if !text.is_empty() => {
                        let text = text_of(text).unwrap_or_default();
                        if *status < 400 {
                            self.losses.lose_near(
                                span,
                                format!("the text of {status}"),
                                "Apache has no answer with a text for a status below 400",
                                "a file with this text",
                            );
                        } else if super::fields::is_known(*status) {
                            self.page.line(format!(
                                "ErrorDocument {status} {}",
                                super::fields::quote_always(text.trim_end())
                            ));
                        }
                    }
                    ReplyContent::Close => {
                        self.losses.lose_near(
                            span,
                            "closing the connection without an answer",
                            "Apache always answers",
                            "status 403",
                        );
                        return Ok(Some(("-".to_owned(), flag("F"))));
                    }
                    ReplyContent::Text(_)
                    | ReplyContent::Page
                    | ReplyContent::Empty
                    | ReplyContent::Location(_) => {}
                }
                match status {
                    403 => ("-".to_owned(), flag("F")),
                    410 => ("-".to_owned(), flag("G")),
                    status if (300..400).contains(status) => {
                        return Err("a redirect without a place".to_owned());
                    }
                    status if !super::fields::is_known(*status) => {
                        return Err(format!("Apache has no status {status}"));
                    }
                    status => ("-".to_owned(), vec![format!("R={status}"), "L".to_owned()]),
                }
            }
            Act::Rewrite { path, query, then } => {
                let mut to = match path {
                    Some(path) => rest_as_capture(path, names)?,
                    None => "%{REQUEST_URI}".to_owned(),
                };
                let mut flags = Vec::new();
                match query {
                    Query::Keep => {}
                    Query::Replace(query) if query.is_empty() => flags.push("QSD".to_owned()),
                    Query::Replace(query) if *query == Template::attr(Attr::Query) => {}
                    Query::Replace(query) => {
                        let mut query = query.clone();
                        let appended = matches!(query.0.as_slice(), [.., Part::Text(text), Part::Attr(Attr::Query)] if text.ends_with(b"&"));
                        if appended {
                            query.0.pop();
                            flags.push("QSA".to_owned());
                        }
                        let text = names.value(&query)?;
                        to.push('?');
                        to.push_str(text.trim_end_matches('&'));
                    }
                    Query::Prepend(query) => {
                        to.push('?');
                        to.push_str(&names.value(query)?);
                        flags.push("QSA".to_owned());
                    }
                }
                match then {
                    Then::Next => {}
                    Then::Choose => flags.push("PT".to_owned()),
                    Then::Handle => flags.push("L".to_owned()),
                }
                (to, flags)
            }
            Act::Assign(var, value) => {
                let name = super::value::unique(self.config, *var);
                ("-".to_owned(), flag(&format!("E={name}:{}", names.value(value)?)))
            }
            Act::Pass(pass) => {
                self.proxied = true;
                let pass = self.settled(pass);
                let url = self.pass_url(&pass, names)?.replace("%{PATH_REST}", "$1");
                (String::new() + &url, vec!["P".to_owned(), "L".to_owned()])
            }
            Act::Stop => ("-".to_owned(), flag("L")),
            Act::Set(_) | Act::Rule(_) => return Ok(None),
        }))
    }

    /// Turns the rules on, once for a host.
    pub(super) fn engine(&mut self) {
        self.need("rewrite");
        if !std::mem::replace(&mut self.rewriting, true) {
            self.page.line("RewriteEngine On");
        }
    }
}

/// The rule that sends everything on as it is, where it is the last word of a host that has no places: `ProxyPass`.
pub(super) fn whole(area: &Area) -> Option<(&Rule, &Pass)> {
    let Item::Rule(rule) = area.items.last()? else { return None };
    let [Act::Pass(pass)] = rule.acts.as_slice() else { return None };
    let all = rule.tests.is_empty() && rule.at.as_ref().is_none_or(|at| at.is_any() && !at.negated);
    let alone = area.pass.is_none() && !area.items.iter().any(|item| matches!(item, Item::Place(_)));
    let plain = pass.path == PassPath::Same && matches!(pass.to, To::Authority(_) | To::Cluster(_));
    (all && alone && plain).then_some((rule, pass))
}

/// A value in which what follows a prefix is the first capture of its pattern.
fn rest_as_capture(template: &Template, names: &Names<'_>) -> Result<String, String> {
    let mut out = String::new();
    for part in &template.0 {
        match part {
            Part::Attr(Attr::PathRest) => out.push_str("$1"),
            part => out.push_str(&names.value(&Template(vec![part.clone()]))?),
        }
    }
    Ok(out)
}

fn has_rest(template: &Template) -> bool {
    template.0.iter().any(|part| matches!(part, Part::Attr(Attr::PathRest)))
}

/// An expression whose first capture is what follows the prefix.
fn rest_regex(at: &Match) -> String {
    match at.how {
        How::Prefix => format!("^{}(.*)$", super::value::escape(&at.text)),
        How::Under => format!("^{}(?:/(.*))?$", super::value::escape(at.text.trim_end_matches('/'))),
        How::Exact | How::Regex | How::FileName => at.to_regex(),
    }
}

/// A condition on the path.
pub(super) fn path_condition(at: &Match) -> String {
    let not = if at.negated { "!" } else { "" };
    let line =
        format!("RewriteCond %{{REQUEST_URI}} {}", quote_raw(&format!("{not}{}", at.to_regex()), "\\x22"));
    if at.ignore_case { flagged(&line, "NC") } else { line }
}

/// The word for a redirect's status.
fn word(status: u16) -> String {
    match status {
        301 => "permanent".to_owned(),
        302 => "temp".to_owned(),
        303 => "seeother".to_owned(),
        status => status.to_string(),
    }
}
