//! Places as `location`: from an order in which the first counts to one in which the most specific does.

use super::{
    Names, Render,
    group::cluster_name,
    order::has_pass,
    value::{escape, quote, regex},
};
use crate::{
    ir::{Attr, Edit, FileKind, Part, Protocol, Query, Template, UrlMatch, settings::Alias},
    raise::{
        Act, Area, Fallback, FallbackTo, Head, How, Item, Match, Pass, PassPath, Place, PlaceKind, Rule,
        Scheme, Server, Then, To, passes_of, text_of,
    },
    source::Span,
};

/// A location.
#[derive(Clone, Debug)]
pub(super) struct Location {
    pub(super) at: Match,
    pub(super) area: Area,
    /// A prefix that keeps regular expressions away.
    pub(super) decisive: bool,
    pub(super) span: Span,
}

impl Render<'_, '_> {
    /// What a server does.
    pub(super) fn host(&mut self, server: &Server) {
        let area = &server.area;
        let passes = passes_of(area);
        self.head = common_head(&passes);
        let settings = area.settings.clone();
        self.settings(&settings, server.span);
        if let Some(head) = self.head.clone() {
            self.head(&head, "proxy", server.span);
        }
        self.page.blank();
        let specific = area.items.iter().all(|item| match item {
            Item::Place(place) => matches!(place.kind, PlaceKind::Specific(_) | PlaceKind::Slash),
            Item::Rule(_) => true,
        });
        if specific && !area.items.iter().any(|item| matches!(item, Item::Rule(rule) if has_pass(rule))) {
            self.rules(area);
            for item in &area.items {
                if let Item::Place(place) = item {
                    self.place(place);
                }
            }
            self.own_handler(area);
        } else {
            self.ordered(server);
        }
        for (name, named) in &server.named {
            self.page.blank();
            self.comments(named.span);
            self.page.open(format!("location {} {{", name.lossy()));
            self.body(named, &Match::any(), named.span);
            self.page.close("}");
        }
        for answer in std::mem::take(&mut self.answers) {
            self.page.blank();
            answer.lines().for_each(|line| self.page.line(line));
        }
    }

    /// Whoever answers for all of a server is a location as well.
    fn own_handler(&mut self, area: &Area) {
        let taken = area.items.iter().any(|item| matches!(item, Item::Place(place) if place.at.is_any()));
        if taken || (area.pass.is_none() && area.fallback.is_none()) {
            return;
        }
        self.page.blank();
        self.page.open("location / {");
        let own = Area {
            pass: area.pass.clone(),
            fallback: area.fallback.clone(),
            span: area.span,
            ..Area::default()
        };
        self.body(&own, &Match::any(), area.span);
        self.page.close("}");
    }

    fn rules(&mut self, area: &Area) {
        for item in &area.items {
            if let Item::Rule(rule) = item {
                self.rule(rule, false);
            }
        }
    }

    fn place(&mut self, place: &Place) {
        if place.kind == PlaceKind::Slash {
            return;
        }
        let decisive = matches!(place.kind, PlaceKind::Specific(true));
        self.location(&Location {
            at: place.at.clone(),
            area: place.area.clone(),
            decisive,
            span: place.span,
        });
    }

    /// A location with what is in it.
    pub(super) fn location(&mut self, location: &Location) {
        let Location { at, area, decisive, span } = location;
        let heads: Vec<(String, Match)> = match at.how {
            _ if at.negated => {
                let inner = at.to_regex();
                vec![(
                    format!(
                        "~{} {}",
                        if at.ignore_case { "*" } else { "" },
                        regex(&format!("^(?!.*(?:{}))", inner.trim_start_matches('^')))
                    ),
                    at.clone(),
                )]
            }
            How::Exact if at.ignore_case => vec![(format!("~* {}", regex(&at.to_regex())), at.clone())],
            How::Exact => vec![(format!("= {}", quote(&at.text)), at.clone())],
            How::Prefix if at.ignore_case => vec![(
                format!("~* {}", regex(&at.to_regex())),
                Match { how: How::Regex, text: at.to_regex(), ..at.clone() },
            )],
            How::Prefix => {
                vec![(format!("{}{}", if *decisive { "^~ " } else { "" }, quote(&at.text)), at.clone())]
            }
            How::Under if at.ignore_case || at.text.is_empty() => {
                vec![(format!("~* {}", regex(&at.to_regex())), at.clone())]
            }
            How::Under => {
                let path = at.text.trim_end_matches('/').to_owned();
                let exact = Match { how: How::Exact, text: path.clone(), ..at.clone() };
                let below = Match { how: How::Prefix, text: format!("{path}/"), ..at.clone() };
                vec![
                    (format!("= {}", quote(&path)), exact),
                    (format!("{}{}", if *decisive { "^~ " } else { "" }, quote(&format!("{path}/"))), below),
                ]
            }
            How::Regex | How::FileName => {
                let text = at.to_regex();
                vec![(format!("~{} {}", if at.ignore_case { "*" } else { "" }, regex(&text)), at.clone())]
            }
        };
        let under = at.how == How::Under;
        for (head, path) in heads {
            let mut area = area.clone();
            if under {
                // What stands in place of the path without its slash stands before it.
                if let Some(pass) = &mut area.pass
                    && let PassPath::Replace(with) = &pass.path
                {
                    let with = with.trim_end_matches('/');
                    pass.path = PassPath::Replace(if path.how == How::Exact {
                        if with.is_empty() { "/".to_owned() } else { with.to_owned() }
                    } else {
                        format!("{with}/")
                    });
                }
                if let Some(Some(Alias { with, .. })) = &mut area.settings.files.alias
                    && let Some(text) = text_of(with)
                {
                    let text = text.trim_end_matches('/');
                    *with = Template::text(if path.how == How::Exact {
                        text.to_owned()
                    } else {
                        format!("{text}/")
                    });
                }
            }
            self.page.blank();
            self.comments(*span);
            self.page.open(format!("location {head} {{"));
            self.body(&area, &path, *span);
            self.page.close("}");
        }
    }

    /// What is in a location.
    fn body(&mut self, area: &Area, at: &Match, span: Span) {
        let mut settings = area.settings.clone();
        if let Some(Some(Alias { with, cut: _, rewritten: _ })) = settings.files.alias.take() {
            settings.files.root = None;
            self.templated("alias", &with, span);
        }
        self.settings(&settings, span);
        let mut handled = false;
        for item in &area.items {
            match item {
                Item::Rule(rule) => {
                    handled |= rule.tests.is_empty()
                        && rule.at.is_none()
                        && rule.acts.iter().any(|act| matches!(act, Act::Reply(_) | Act::Redirect(_)));
                    // What follows the place's path is asked for by its path.
                    let takes_rest = |act: &Act| matches!(act, Act::Redirect(one) if one.to.0.contains(&Part::Attr(Attr::PathRest)));
                    if rule.at.is_none() && rule.acts.iter().any(takes_rest) {
                        self.rule(&Rule { at: Some(at.clone()), ..rule.clone() }, true);
                    } else {
                        self.rule(rule, true);
                    }
                }
                Item::Place(_) => {}
            }
        }
        if let Some(fallback) = area.fallback.as_ref().filter(|_| !handled) {
            self.fallback(fallback);
        }
        if let Some(pass) = area.pass.as_ref().filter(|_| !handled) {
            self.pass(pass, at);
        }
        for item in &area.items {
            match item {
                // In a place of an expression only places of expressions can stand.
                Item::Place(place) if at.how == How::Regex && place.at.how != How::Regex => {
                    let text = place.at.to_regex();
                    let at = Match { how: How::Regex, text, ..place.at.clone() };
                    self.place(&Place { at, ..place.clone() });
                }
                Item::Place(place) => self.place(place),
                Item::Rule(_) => {}
            }
        }
    }

    /// `try_files`.
    fn fallback(&mut self, fallback: &Fallback) {
        let Fallback { existing, to, span } = fallback;
        let mut words = Vec::new();
        for one in existing {
            let Some(path) = self.value(&one.path, *span) else { return };
            match one.kind {
                FileKind::Directory => words.push(format!("{path}/")),
                FileKind::File | FileKind::NonEmpty => words.push(quote(&path)),
                FileKind::Any | FileKind::Link | FileKind::Executable => {
                    self.losses.lose(
                        *span,
                        "a look at what a file is",
                        "`try_files` asks for files and folders",
                    );
                    return;
                }
            }
        }
        words.push(match to {
            FallbackTo::Status(status) => format!("={status}"),
            FallbackTo::Named(name) => name.lossy().into_owned(),
            FallbackTo::Path(path, query) => {
                let Some(mut path) = self.value(path, *span) else { return };
                match query {
                    Query::Keep => path.push_str("$is_args$args"),
                    Query::Replace(query) if query.is_empty() => {}
                    Query::Replace(query) | Query::Prepend(query) => match self.value(query, *span) {
                        Some(query) => path.push_str(&format!("?{query}")),
                        None => return,
                    },
                }
                path
            }
        });
        self.page.line(format!("try_files {};", words.join(" ")));
    }

    /// What is sent on.
    pub(super) fn pass(&mut self, pass: &Pass, at: &Match) {
        let Pass { protocol, frames, scheme, to, path, head, reverse, response_edits, settings, span } = pass;
        self.forwarding(protocol.group(), settings, *span);
        if *frames && *protocol == Protocol::Http {
            self.page.line("proxy_http_version 2;");
        }
        if self.head.as_ref() != Some(head) && protocol.is_http() {
            let head = Head { upgrade: head.upgrade && !frames, ..head.clone() };
            self.head(&head, if *protocol == Protocol::Grpc { "grpc" } else { "proxy" }, *span);
        }
        let Some(host) = self.host_of(to, *span) else { return };
        self.host_field(pass);
        let name = match scheme {
            Scheme::Plain => "http",
            Scheme::Tls => "https",
            Scheme::Client => "$scheme",
        };
        let named = matches!(to, To::Authority(text) if text.bytes().any(|byte| byte.is_ascii_alphabetic()) && !text.starts_with("unix:"));
        if *scheme == Scheme::Tls && named && settings.tls_server_name.is_none() {
            let prefix = if *protocol == Protocol::Grpc { "grpc" } else { "proxy" };
            self.page.line(format!("{prefix}_ssl_server_name on;"));
        }
        let mut line = match protocol {
            Protocol::Grpc if *scheme == Scheme::Tls => format!("grpc_pass grpcs://{host}"),
            Protocol::Grpc => format!("grpc_pass {host}"),
            Protocol::Http => format!("proxy_pass {name}://{host}"),
            Protocol::Uwsgi => format!("uwsgi_pass {host}"),
            Protocol::FastCgi => format!("fastcgi_pass {host}"),
            Protocol::Scgi => format!("scgi_pass {host}"),
            Protocol::Memcached => format!("memcached_pass {host}"),
        };
        let prefix = matches!(at.how, How::Prefix | How::Exact) && !at.ignore_case && !at.negated;
        let variable = line.contains('$');
        match path {
            PassPath::Same => {}
            PassPath::Replace(with) if prefix && !variable && *protocol == Protocol::Http => {
                if host.starts_with("unix:") && !host.ends_with(':') {
                    line.push(':');
                }
                line.push_str(with);
            }
            PassPath::Replace(with) => {
                let start = literal(at);
                self.page.line(format!(
                    "rewrite {} {} break;",
                    regex(&format!("{}^{}(.*)$", if at.ignore_case { "(?i)" } else { "" }, escape(&start))),
                    quote(&format!("{with}$1"))
                ));
            }
            PassPath::Exact(template, query) => {
                let rest = template.0.iter().any(|part| matches!(part, Part::Attr(Attr::PathRest)));
                let captures = template.0.iter().any(|part| matches!(part, Part::Capture(..)));
                let template = with_capture(template);
                let Some(text) = self.value(&template, *span) else { return };
                let pattern = if rest {
                    format!("^{}(.*)$", escape(&literal(at)))
                } else if captures && at.groups.is_empty() {
                    format!("{}{}", if at.ignore_case { "(?i)" } else { "" }, at.to_regex())
                } else {
                    "^".to_owned()
                };
                let end = if *query { "" } else { "?" };
                self.page.line(format!(
                    "rewrite {} {} break;",
                    regex(&pattern),
                    quote(&format!("{text}{end}"))
                ));
            }
        }
        if *protocol != Protocol::Http && settings.params.is_none() {
            let file = match protocol {
                Protocol::Uwsgi => Some("uwsgi_params"),
                Protocol::FastCgi => Some("fastcgi_params"),
                Protocol::Scgi => Some("scgi_params"),
                Protocol::Http | Protocol::Memcached | Protocol::Grpc => None,
            };
            if let Some(file) = file.filter(|_| !self.has_params) {
                self.page.line(format!("include {file};"));
            }
        }
        self.page.line(format!("{line};"));
        if *protocol == Protocol::Http {
            self.redirects(pass, at, *reverse, response_edits, &host, variable);
        }
    }

    /// `Host`, where it is what the group's members are called.
    fn host_field(&mut self, pass: &Pass) {
        let To::Cluster(id) = &pass.to else { return };
        let cluster = self.config.cluster(*id);
        if cluster.group.is_none()
            || pass.head.host != Template::attr(Attr::UpstreamAuthority)
            || pass.protocol != Protocol::Http
        {
            return;
        }
        match cluster.endpoints.as_slice() {
            [one] => {
                let authority = one
                    .member
                    .as_ref()
                    .map_or_else(|| one.address.clone(), |member| member.authority.clone());
                self.page.line(format!("proxy_set_header Host {};", authority.lossy()));
            }
            _ => self.losses.lose_near(
                pass.span,
                format!("`Host` of what is sent to `{}`", cluster.name.lossy()),
                "it is the member's own address; nginx sends the group's name",
                "`proxy_set_header Host $host`",
            ),
        }
    }

    /// `proxy_redirect` and what becomes of cookies.
    fn redirects(
        &mut self,
        pass: &Pass,
        at: &Match,
        reverse: bool,
        edits: &[Edit],
        host: &str,
        variable: bool,
    ) {
        let mut own = Vec::new();
        for edit in edits {
            match edit {
                Edit::Url { from: UrlMatch::Text(from), to, .. } | Edit::Reverse { from, to, .. } => {
                    if let (Some(from), Some(to)) = (self.value(from, pass.span), self.value(to, pass.span)) {
                        own.push(format!("proxy_redirect {} {};", quote(&from), quote(&to)));
                    }
                }
                Edit::CookiePath { from: UrlMatch::Text(from), to } => {
                    if let (Some(from), Some(to)) = (self.value(from, pass.span), self.value(to, pass.span)) {
                        self.page.line(format!("proxy_cookie_path {} {};", quote(&from), quote(&to)));
                    }
                }
                Edit::CookieDomain { from: UrlMatch::Text(from), to } => {
                    if let (Some(from), Some(to)) = (self.value(from, pass.span), self.value(to, pass.span)) {
                        self.page.line(format!("proxy_cookie_domain {} {};", quote(&from), quote(&to)));
                    }
                }
                Edit::CookieDomain { from: UrlMatch::Pattern(pattern, _), to } => {
                    if let Some(to) = self.with_captures(to, pass.span) {
                        let from = regex(&format!("~{}", pattern.text.lossy()));
                        self.page.line(format!("proxy_cookie_domain {from} {};", quote(&to)));
                    }
                }
                Edit::CookieAttribute { attribute, from, to, .. } => {
                    let word = if attribute.is_field(b"path") { "path" } else { "domain" };
                    self.page.line(format!(
                        "proxy_cookie_{word} {} {};",
                        quote(&from.lossy()),
                        quote(&to.lossy())
                    ));
                }
                _ => self.losses.lose(pass.span, "an edit of the upstream's answer", "it is not translated"),
            }
        }
        let automatic = !variable && matches!(at.how, How::Prefix | How::Exact) && !at.ignore_case;
        if reverse {
            let scheme = if pass.scheme == Scheme::Tls { "https" } else { "http" };
            // Members of a group answer with their own names.
            if let To::Cluster(id) = &pass.to
                && self.config.cluster(*id).group.is_some()
                && pass.head.host == Template::attr(Attr::UpstreamAuthority)
            {
                for endpoint in &self.config.cluster(*id).endpoints {
                    own.push(format!(
                        "proxy_redirect {scheme}://{}/ {};",
                        endpoint.address.lossy(),
                        quote(match at.how {
                            How::Prefix | How::Exact => &at.text,
                            _ => "/",
                        })
                    ));
                }
            } else if !automatic && !host.contains('$') {
                own.push(format!("proxy_redirect {scheme}://{host}/ /;"));
            } else if !own.is_empty() {
                own.insert(0, "proxy_redirect default;".to_owned());
            }
        } else if own.is_empty() && automatic {
            own.push("proxy_redirect off;".to_owned());
        }
        own.iter().for_each(|line| self.page.line(line));
    }

    /// A value in which captures are those of the expression beside it.
    fn with_captures(&mut self, template: &Template, span: Span) -> Option<String> {
        let mut out = String::new();
        for part in &template.0 {
            match part {
                Part::Capture(_, number) => out.push_str(&format!("${number}")),
                part => out.push_str(&self.value(&Template(vec![part.clone()]), span)?),
            }
        }
        Some(out)
    }

    fn host_of(&mut self, to: &To, span: Span) -> Option<String> {
        Some(match to {
            To::Cluster(id) => cluster_name(self.config, *id),
            To::Authority(text) if text.is_empty() || text.ends_with(':') && !text.starts_with("unix:") => {
                self.losses.lose(span, self.named(span), "it names no host that requests could be sent to");
                return None;
            }
            To::Authority(text) => match text.strip_prefix("unix:") {
                Some(path) => format!(
                    "unix:{}{}",
                    path.trim_end_matches(':'),
                    if path.ends_with(':') { ":" } else { "" }
                ),
                None => text.clone(),
            },
            To::Dynamic(template) => self.value(template, span)?,
        })
    }

    /// What the head of requests says.
    fn head(&mut self, head: &Head, prefix: &str, span: Span) {
        let Head { host, set, remove, upgrade } = head;
        if *upgrade {
            self.page.line("proxy_http_version 1.1;");
        }
        match host.0.as_slice() {
            [Part::Attr(Attr::UpstreamAuthority)] | [] => {}
            _ => {
                if let Some(value) = self.value(host, span) {
                    self.page.line(format!("{prefix}_set_header Host {};", quote(&value)));
                }
            }
        }
        for (name, value, appended) in set {
            let shown = name.lossy();
            if shown.starts_with("X-ARR-") || matches!(shown.as_ref(), "Max-Forwards") {
                self.losses.remark(
                    span,
                    format!("the request field `{shown}`"),
                    "the original's own way adds it",
                );
                continue;
            }
            if shown.eq_ignore_ascii_case("x-forwarded-for") && *appended {
                self.page.line(format!("{prefix}_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"));
                continue;
            }
            if let Some(value) = self.value(value, span) {
                if *appended && !shown.to_ascii_lowercase().starts_with("x-forwarded-") {
                    self.losses.lose_near(
                        span,
                        format!("appending to `{shown}`"),
                        "nginx sets a field whole",
                        format!("`proxy_set_header {shown}`, which is written"),
                    );
                }
                let value = if value.is_empty() { "\"\"".to_owned() } else { quote(&value) };
                self.page.line(format!("{prefix}_set_header {shown} {value};"));
            }
        }
        for name in remove {
            self.page.line(format!("{prefix}_set_header {} \"\";", name.lossy()));
        }
        if *upgrade {
            self.page.line("proxy_set_header Upgrade $http_upgrade;");
            self.page.line("proxy_set_header Connection $connection_upgrade;");
            let name = "connection_upgrade".to_owned();
            let lines =
                ["map $http_upgrade $connection_upgrade {", "    default upgrade;", "    '' close;", "}"];
            if !self.maps.iter().any(|(known, _)| *known == name) {
                self.maps.push((name, lines.map(str::to_owned).to_vec()));
            }
        }
    }
}

/// What a match's paths begin with.
fn literal(at: &Match) -> String {
    match at.how {
        How::Exact | How::Prefix | How::Under => at.text.clone(),
        How::Regex | How::FileName => {
            let text = at.text.strip_prefix('^').unwrap_or("/");
            let end = text.find(['(', '[', '.', '*', '+', '?', '$', '|']).unwrap_or(text.len());
            text[..end].replace('\\', "")
        }
    }
}

/// What follows the prefix as a capture.
pub(super) fn with_capture(template: &Template) -> Template {
    let mut out = Template::default();
    for part in &template.0 {
        out.push(match part {
            Part::Attr(Attr::PathRest) => Part::Capture(crate::ir::Register('R'), 1),
            part => part.clone(),
        });
    }
    out
}

/// The head that all forwards of a server share, where there are several.
fn common_head(passes: &[&Pass]) -> Option<Head> {
    let heads: Vec<&Head> =
        passes.iter().filter(|pass| pass.protocol == Protocol::Http).map(|pass| &pass.head).collect();
    let first = *heads.first()?;
    let says = !first.set.is_empty()
        || !first.remove.is_empty()
        || first.upgrade
        || first.host != Template::attr(Attr::UpstreamAuthority);
    (heads.len() > 1 && says && heads.iter().all(|head| *head == first)).then(|| first.clone())
}

/// Whether a rewrite stays in its place.
#[must_use]
pub(super) fn flag(then: Then, inside: bool) -> &'static str {
    match then {
        Then::Next => "",
        Then::Choose => " last",
        Then::Handle if inside => " break",
        Then::Handle => " last",
    }
}

impl Names<'_> {
    /// A target of a rewrite.
    pub(super) fn target(&self, template: &Template) -> Result<String, String> {
        self.value(&with_capture(template))
    }
}
