//! Rules and places as `<rule>`, tables as `<rewriteMap>`.

use super::{
    Render,
    element::Element,
    value::{Names, keeps_host, map_name, url, variable_name},
};
use crate::{
    ir::{Attr, Kind, Part, Protocol, Query, Reply, ReplyContent, Row, Template, Test, VarKind},
    raise::{
        Act, Area, Fallback, FallbackTo, How, Match, Pass, PassPath, Place, Redirect, Rule, Scheme, Then, To,
        text_of,
    },
    source::Span,
};

impl Render<'_, '_> {
    /// A name that no rule has: its own, or the words that it was written with.
    fn rule_name(&mut self, span: Span) -> String {
        let name = self
            .notes
            .rule_name(span)
            .or_else(|| self.notes.words(span).filter(|words| !words.is_empty() && !words.starts_with('<')));
        let base = name.unwrap_or_else(|| "rule".to_owned());
        let base: String = base.chars().take(100).collect();
        let mut name = base.clone();
        let mut at = 2;
        while self.names.contains(&name) {
            name = format!("{base} ({at})");
            at += 1;
        }
        self.names.push(name.clone());
        name
    }

    fn element(&mut self, span: Span, at: &Match, stop: bool) -> Result<Element, String> {
        let pattern = super::value::expression(&url(at))?;
        let comments = self.notes.comments(span);
        let mut rule = Element { comments, ..Element::new("rule").with("name", &self.rule_name(span)) };
        if stop {
            rule = rule.with("stopProcessing", "true");
        }
        let mut found = Element::new("match").with("url", &pattern);
        if !at.ignore_case && has_letters(&pattern) {
            found = found.with("ignoreCase", "false");
        }
        if at.negated {
            found = found.with("negate", "true");
        }
        rule.push(found);
        Ok(rule)
    }

    /// The rules of a rule; `place` is around it, `outer` the conditions of it.
    pub(super) fn rule(
        &mut self,
        rule: &Rule,
        place: Option<&Match>,
        outer: &[Test],
        out: &mut Vec<Element>,
    ) {
        let Rule { at, tests, acts, span } = rule;
        let any = Match::any();
        let mut all: Vec<Test> = outer.to_vec();
        let pattern = match (at, place) {
            (Some(at), Some(place)) => {
                if !place.is_any() && !place.covers(at) {
                    all.push(path_test(place));
                }
                at
            }
            (Some(at), None) => at,
            (None, place) => place.unwrap_or(&any),
        };
        all.extend(tests.iter().cloned());
        for act in acts {
            match act {
                Act::Rule(inner) => self.rule(inner, Some(pattern), &all, out),
                Act::Set(area) => {
                    let empty = crate::ir::Settings::default();
                    if area.settings != empty || !area.edits.is_empty() {
                        self.losses.lose(*span, self.named(*span), "settings on a condition");
                    }
                }
                act => match self.act(act, pattern, &all, *span) {
                    Ok(element) => out.push(element),
                    Err(why) => self.losses.lose(*span, self.named(*span), why),
                },
            }
        }
    }

    fn act(&mut self, act: &Act, at: &Match, tests: &[Test], span: Span) -> Result<Element, String> {
        let stop = !matches!(act, Act::Assign(..))
            && !matches!(act, Act::Rewrite { then: Then::Next | Then::Choose, .. });
        let mut names = Names::of(self.config, self.assigned, Some(at));
        let (mut conditions, any) = names.conditions(tests)?;
        if let Act::Pass(pass) = act
            && pass.scheme == Scheme::Client
            && conditions.is_empty()
        {
            // The idiom for the client's scheme.
            conditions.push(Element::new("add").with("input", "{CACHE_URL}").with("pattern", "^(https?)://"));
            names.scheme = true;
        }
        let variables = if let Act::Pass(pass) = act { self.variables(pass, &names)? } else { Vec::new() };
        let mut assigned = Vec::new();
        let action = match act {
            Act::Redirect(redirect) => self.redirect(redirect, &names)?,
            Act::Reply(reply) => self.reply(reply, &names, span)?,
            Act::Rewrite { path, query, then: _ } => {
                let path = match path {
                    Some(path) => names.value(path)?,
                    None => "{URL}".to_owned(),
                };
                let (path, append) = with_query(path, query, &names)?;
                rewrite(&path, append)
            }
            Act::Assign(var, value) => {
                let name = variable_name(&self.config.var(*var).name.lossy());
                self.allow(&name);
                assigned.push(Element::new("set").with("name", &name).with("value", &names.value(value)?));
                Element::new("action").with("type", "None")
            }
            Act::Pass(pass) => self.pass(pass, at, &names, span)?,
            Act::Stop => Element::new("action").with("type", "None"),
            Act::Rule(_) | Act::Set(_) => return Err("it is no action".to_owned()),
        };
        let mut rule = self.element(span, at, stop)?;
        if !conditions.is_empty() {
            let list = Element::new("conditions");
            let list = if any { list.with("logicalGrouping", "MatchAny") } else { list };
            rule.push(Element { children: conditions, ..list });
        }
        let sets: Vec<_> = variables.into_iter().chain(assigned).collect();
        if !sets.is_empty() {
            rule.push(Element { children: sets, ..Element::new("serverVariables") });
        }
        rule.push(action);
        Ok(rule)
    }

    fn redirect(&mut self, redirect: &Redirect, names: &Names<'_>) -> Result<Element, String> {
        let Redirect { status, to, keep_query } = redirect;
        let kind = match status {
            301 => "Permanent",
            302 => "Found",
            303 => "SeeOther",
            307 => "Temporary",
            308 => return Err("IIS redirects with 301, 302, 303 and 307; the nearest is 307".to_owned()),
            _ => return Err("no redirect of IIS has this status".to_owned()),
        };
        let mut to = to.clone();
        let mut keep = *keep_query;
        if let Some(last) = to.0.last_mut()
            && *last == Part::Attr(Attr::Target)
        {
            // The target as received: its path, and the query that is appended.
            *last = Part::Attr(Attr::Path);
            keep = true;
        }
        let url = names.value(&to)?;
        let action =
            Element::new("action").with("type", "Redirect").with("url", &url).with("redirectType", kind);
        Ok(if keep { action } else { action.with("appendQueryString", "false") })
    }

    fn reply(&mut self, reply: &Reply, names: &Names<'_>, span: Span) -> Result<Element, String> {
        let Reply { status, content } = reply;
        let action = |kind: &str| Element::new("action").with("type", kind);
        if (300..=307).contains(status) {
            return Err(format!("an answer {status} of IIS is a redirect"));
        }
        if !(200..600).contains(status) && *content != ReplyContent::Close {
            return Err(format!("a response of IIS has a status from 200 to 599, not {status}"));
        }
        Ok(match content {
            ReplyContent::Close => action("AbortRequest"),
            ReplyContent::Text(text) if !text.is_empty() => {
                let text = names.value(text)?;
                if *status < 400 {
                    self.losses.lose_near(
                        span,
                        format!("the answer {status} with a text"),
                        "its type is text/html in IIS",
                        "a file with this text",
                    );
                }
                action("CustomResponse")
                    .with("statusCode", &status.to_string())
                    .with("statusReason", reason(*status))
                    .with("statusDescription", &text)
            }
            ReplyContent::Text(_) | ReplyContent::Page | ReplyContent::Empty => action("CustomResponse")
                .with("statusCode", &status.to_string())
                .with("statusReason", reason(*status)),
            ReplyContent::Location(_) => return Err("a redirect with this status".to_owned()),
        })
    }

    /// The action that sends a request on.
    fn pass(&mut self, pass: &Pass, at: &Match, names: &Names<'_>, span: Span) -> Result<Element, String> {
        if pass.protocol != Protocol::Http {
            return Err(match pass.protocol {
                Protocol::FastCgi => "IIS starts FastCGI programs by a handler of its own".to_owned(),
                _ => "IIS speaks HTTP to upstreams".to_owned(),
            });
        }
        if pass.frames {
            return Err("IIS speaks HTTP/1.1 to upstreams".to_owned());
        }
        let scheme = match pass.scheme {
            Scheme::Plain => "http".to_owned(),
            Scheme::Tls => "https".to_owned(),
            Scheme::Client if names.scheme => "{C:1}".to_owned(),
            Scheme::Client => names.value(&Template::attr(Attr::Scheme))?,
        };
        let host = match &pass.to {
            To::Cluster(id) => farm_name(&self.config.cluster(*id).name.lossy()),
            To::Authority(text) if text.starts_with("unix:") => {
                return Err("a socket of the file system".to_owned());
            }
            To::Authority(text) => text.clone(),
            To::Dynamic(template) => names.value(template)?,
        };
        let (path, append) = match &pass.path {
            PassPath::Same => (
                match at.how {
                    How::Prefix if at.is_any() => "/{R:1}".to_owned(),
                    How::Prefix if !at.negated => format!("{}{{R:1}}", at.text),
                    How::Exact => at.text.clone(),
                    _ => "{URL}".to_owned(),
                },
                true,
            ),
            PassPath::Replace(with) => match at.how {
                How::Exact => (with.clone(), true),
                How::Under => (format!("{}/{{R:1}}", with.trim_end_matches('/')), true),
                _ => (format!("{with}{{R:1}}"), true),
            },
            PassPath::Exact(template, query) => (names.value(template)?, *query),
        };
        if pass.head.upgrade {
            // WebSockets pass by themselves.
        }
        if !pass.reverse && self.reverses(pass) {
            self.losses.remark(
                span,
                "`Location` of upstreams as it is",
                "`reverseRewriteHostInResponseHeaders` of `proxy` turns this on and off for the server",
            );
        }
        for edit in &pass.response_edits {
            let _ = edit;
            self.losses.lose_near(
                span,
                "an edit of the upstream's answer",
                "the proxy has no such edit",
                "an outbound rule",
            );
        }
        let url = format!("{scheme}://{host}{path}");
        Ok(rewrite(&url, append))
    }

    fn reverses(&self, pass: &Pass) -> bool {
        !matches!(pass.to, To::Dynamic(_))
    }

    /// Fields of the request that a rule sets.
    fn variables(&mut self, pass: &Pass, names: &Names<'_>) -> Result<Vec<Element>, String> {
        let mut out = Vec::new();
        let host = &pass.head.host;
        let own = matches!(
            host.0.as_slice(),
            [Part::Attr(Attr::Host | Attr::Authority | Attr::Field(_) | Attr::FieldList(_))]
        );
        if keeps_host(host) && !own {
            self.allow("HTTP_HOST");
            out.push(Element::new("set").with("name", "HTTP_HOST").with("value", &names.value(host)?));
        }
        for (name, value, appended) in &pass.head.set {
            let shown = name.lossy();
            let own = ["X-ARR-SSL", "X-ARR-LOG-ID", "Max-Forwards", "X-Original-URL"];
            if own.iter().any(|one| one.eq_ignore_ascii_case(&shown))
                || (*appended && shown.eq_ignore_ascii_case("x-forwarded-for"))
            {
                continue;
            }
            let variable = format!("HTTP_{}", shown.to_ascii_uppercase().replace('-', "_"));
            if *appended && !shown.to_ascii_lowercase().starts_with("x-forwarded-") {
                self.losses.lose_near(
                    pass.span,
                    format!("appending to `{shown}`"),
                    "a server variable is set whole",
                    format!("`{variable}`, which is set"),
                );
            }
            if value.0.iter().any(|part| matches!(part, Part::Attr(Attr::Scheme))) && !names.scheme {
                self.protocol_map();
            }
            self.allow(&variable);
            let value = names.value(value)?;
            // One of a name is set: the last.
            out.retain(|known: &Element| known.attributes.first().is_none_or(|(_, name)| *name != variable));
            out.push(Element::new("set").with("name", &variable).with("value", &value));
        }
        for name in &pass.head.remove {
            let variable = format!("HTTP_{}", name.lossy().to_ascii_uppercase().replace('-', "_"));
            self.allow(&variable);
            out.push(Element::new("set").with("name", &variable).with("value", ""));
        }
        Ok(out)
    }

    pub(super) fn allow(&mut self, name: &str) {
        if !self.variables.iter().any(|known| known == name) {
            self.variables.push(name.to_owned());
        }
    }

    /// The table that makes a scheme of `{HTTPS}`.
    pub(super) fn protocol_map(&mut self) {
        let map = Element::new("rewriteMap")
            .with("name", "MapProtocol")
            .holding(Element::new("add").with("key", "on").with("value", "https"))
            .holding(Element::new("add").with("key", "off").with("value", "http"));
        if !self.maps.contains(&map) {
            self.maps.push(map);
        }
    }

    /// Tables of values.
    pub(super) fn tables(&mut self, area: &Area) {
        for id in crate::raise::used_vars(self.config, area) {
            let crate::ir::Var { name, kind, span } = self.config.var(id);
            match kind {
                VarKind::Assigned | VarKind::Optional | VarKind::Choice { .. } => {}
                VarKind::Table { key: _, order: _, rows, default, once: _, into: _ } => {
                    let comments = self.notes.comments(*span);
                    let mut map = Element {
                        comments,
                        ..Element::new("rewriteMap").with("name", &map_name(&name.lossy()))
                    };
                    match text_of(default) {
                        Some(text) if text.is_empty() => {}
                        Some(text) => map = map.with("defaultValue", &text),
                        None => self.losses.lose(
                            *span,
                            format!("the default of `{}`", name.lossy()),
                            "a rewrite map has fixed texts",
                        ),
                    }
                    for Row { pattern, value } in rows {
                        match (pattern.kind, text_of(value)) {
                            (Kind::Exact, Some(value)) => {
                                map.push(
                                    Element::new("add")
                                        .with("key", &pattern.text.lossy())
                                        .with("value", &value),
                                );
                            }
                            (_, None) => self.losses.lose(
                                *span,
                                format!("a row of `{}`", name.lossy()),
                                "its value is known only when it is read",
                            ),
                            (_, Some(_)) => self.losses.lose_near(
                                *span,
                                format!("the row `{}` of `{}`", pattern.text.lossy(), name.lossy()),
                                "a rewrite map compares whole keys",
                                "a condition with the expression",
                            ),
                        }
                    }
                    let name = map.attributes.first().cloned();
                    match self.maps.iter().find(|known| known.attributes.first() == name.as_ref()) {
                        Some(known) if known.children == map.children => {}
                        Some(_) => self.losses.lose(
                            *span,
                            format!("the table `{}`", name.map(|(_, name)| name).unwrap_or_default()),
                            "another one has this name",
                        ),
                        None => self.maps.push(map),
                    }
                }
                VarKind::Network { .. } | VarKind::Split { .. } => {
                    self.losses.lose(
                        *span,
                        format!("the value of `{}`", name.lossy()),
                        "a rewrite map compares whole keys",
                    );
                }
            }
        }
    }

    /// The rule of a place that is sent on, or that keeps later ones away.
    pub(super) fn place(&mut self, place: &Place, later: bool, out: &mut Vec<Element>) {
        let span = place.span;
        let act = match &place.area.pass {
            Some(pass) => Act::Pass(Box::new(pass.clone())),
            None if later => Act::Stop,
            None => return,
        };
        match self.act(&act, &place.at, &[], span) {
            Ok(element) => out.push(element),
            Err(why) => self.losses.lose(span, self.named(span), why),
        }
    }

    /// Files that are looked for.
    pub(super) fn fallback(&mut self, fallback: &Fallback, at: &Match, out: &mut Vec<Element>) {
        let Fallback { existing, to, span } = fallback;
        let usual = existing.iter().all(|one| one.path == Template::attr(Attr::Path));
        match to {
            FallbackTo::Status(404) => {}
            FallbackTo::Path(path, query) if usual => {
                let names = Names::of(self.config, self.assigned, Some(at));
                let made = text_of(path)
                    .ok_or_else(|| "the path is known only when it is read".to_owned())
                    .and_then(|path| with_query(path, query, &names));
                match made {
                    Ok((path, append)) => {
                        let mut rule = match self.element(*span, at, true) {
                            Ok(rule) => rule,
                            Err(why) => return self.losses.lose(*span, self.named(*span), why),
                        };
                        let mut conditions = Element::new("conditions");
                        for one in existing {
                            let kind = if one.kind == crate::ir::FileKind::Directory {
                                "IsDirectory"
                            } else {
                                "IsFile"
                            };
                            conditions.push(
                                Element::new("add")
                                    .with("input", "{REQUEST_FILENAME}")
                                    .with("matchType", kind)
                                    .with("negate", "true"),
                            );
                        }
                        rule.push(conditions);
                        rule.push(rewrite(&path, append));
                        out.push(rule);
                    }
                    Err(why) => self.losses.lose(*span, self.named(*span), why),
                }
            }
            _ => self.losses.lose(
                *span,
                self.notes.setting("prepare", *span).0,
                "a rule looks at the path of the request alone",
            ),
        }
    }
}

/// A test that a path is one of a place.
pub(super) fn path_test(at: &Match) -> Test {
    let pattern = crate::ir::Pattern::regex(at.to_regex(), at.ignore_case);
    let test = Test::Match { subject: Template::attr(Attr::Path), pattern, into: None };
    if at.negated { Test::Not(Box::new(test)) } else { test }
}

fn rewrite(url: &str, append: bool) -> Element {
    let action = Element::new("action").with("type", "Rewrite").with("url", url);
    if append { action } else { action.with("appendQueryString", "false") }
}

fn with_query(path: String, query: &Query, names: &Names<'_>) -> Result<(String, bool), String> {
    Ok(match query {
        Query::Keep => (path, true),
        Query::Replace(query) if query.is_empty() => (path, false),
        Query::Replace(query) if *query == Template::attr(Attr::Query) => (path, true),
        Query::Replace(query) => {
            let mut query = query.clone();
            let appended = matches!(query.0.as_slice(), [.., Part::Text(text), Part::Attr(Attr::Query)] if text.ends_with(b"&"));
            if appended {
                query.0.pop();
            }
            (format!("{path}?{}", names.value(&query)?.trim_end_matches('&')), appended)
        }
        Query::Prepend(query) => (format!("{path}?{}", names.value(query)?), true),
    })
}

/// Whether case matters to a pattern: letters that are no escapes.
fn has_letters(pattern: &str) -> bool {
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c.is_ascii_alphabetic() {
            return true;
        }
    }
    false
}

/// The name of a farm.
pub(super) fn farm_name(name: &str) -> String {
    name.rsplit("//").next().unwrap_or(name).trim_end_matches('/').to_owned()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        410 => "Gone",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Response",
    }
}
