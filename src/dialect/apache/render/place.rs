//! Places as `ProxyPass`, `Alias` and sections, in an order in which they choose as the original does.

use super::{
    Render,
    bounds::{bounds, cased},
    group::{group_name, module, scheme_name},
    rewrite::{path_condition, whole},
    value::{Names, field_name, quote},
};
use crate::{
    ir::{Attr, FileKind, Part, Protocol, Settings, Template},
    raise::{
        Act, Area, Existing, Fallback, FallbackTo, Head, How, Item, Match, Pass, PassPath, Place, PlaceKind,
        Rule, Scheme, Server, Then, To, first_match, passes_of, seconds, sections, text_of, websocket_pass,
    },
    source::Span,
};

impl Render<'_, '_> {
    /// What a server does.
    pub(super) fn places(&mut self, server: &Server) {
        let area = &server.area;
        self.rewriting = false;
        let passes = passes_of(area);
        self.proxied = !passes.is_empty();
        self.tables(area);
        let common = common_head(&passes);
        if self.proxied {
            self.upstream_tls(area, &passes);
            if let Some(head) = &common {
                self.head(head, server.span);
            }
        }
        self.page.blank();
        // Rules of the server come before every place.
        let whole = whole(area);
        let rules = area.items.iter().filter_map(|item| match item {
            Item::Rule(rule) => Some(rule),
            Item::Place(_) => None,
        });
        let count = rules.clone().count() - usize::from(whole.is_some());
        rules.take(count).for_each(|rule| self.server_rule(rule));
        let places = flattened(area);
        for (at, place) in places.iter().enumerate() {
            self.place_rules(place, &places[..at]);
        }
        self.page.blank();
        for (at, place) in places.iter().enumerate() {
            self.handler(place, &places[..at], &places[at + 1..]);
        }
        if let Some((rule, pass)) = whole {
            self.comments(rule.span);
            self.pass(pass, &Match::any(), &area.settings);
        }
        if let Some(pass) = &area.pass {
            self.pass(pass, &Match::any(), &area.settings);
        }
        self.page.blank();
        if let Some(fallback) = &area.fallback {
            self.fallback(fallback, None);
        }
        // What is said of more comes first, so that what is said of less counts.
        let mut said: Vec<&Place> = places.clone();
        said.sort_by_key(|place| order(place));
        for place in said {
            self.section(place, common.as_ref(), &places);
        }
        for place in sections(area) {
            self.section(place, common.as_ref(), &places);
        }
        for line in std::mem::take(&mut self.hoisted) {
            self.page.line(line);
        }
        for (name, named) in &server.named {
            let used = named.items.iter().any(|item| matches!(item, Item::Rule(rule) if rule.acts.iter().any(|act| matches!(act, Act::Reply(_)))));
            if !used || named.pass.is_some() {
                self.losses.lose_near(
                    named.span,
                    format!("the block `{}`", name.lossy()),
                    "Apache enters no block by a name",
                    "a path of its own in `ErrorDocument` or `FallbackResource`",
                );
            }
        }
    }

    fn server_rule(&mut self, rule: &Rule) {
        if websocket_pass(rule).is_some() {
            self.need("proxy_wstunnel");
        }
        self.rule(rule, None, &[]);
    }

    /// The rules of a place, on condition that no place before it is chosen.
    fn place_rules(&mut self, place: &Place, before: &[&Place]) {
        let mut outer = Vec::new();
        let rules: Vec<&Rule> = place
            .area
            .items
            .iter()
            .filter_map(|item| match item {
                Item::Rule(rule) => Some(rule),
                Item::Place(_) => None,
            })
            .collect();
        if rules.is_empty() {
            return;
        }
        for earlier in before {
            let answers =
                earlier.area.items.iter().any(
                    |item| matches!(item, Item::Rule(rule) if rule.tests.is_empty() && rule.at.is_none()),
                );
            if !answers && earlier.at.meets(&place.at) && earlier.kind != PlaceKind::Slash {
                outer.push(path_condition(&Match { negated: true, ..earlier.at.clone() }));
            }
        }
        if place.kind == PlaceKind::Slash {
            outer.clear();
        }
        for rule in rules {
            if place.kind == PlaceKind::Slash && !self.proxied {
                continue;
            }
            // A rewrite that stays here is answered by the place's own handler.
            if let (Some(pass), true) = (&place.area.pass, stays(rule)) {
                self.rewritten(rule, pass, place, &outer);
            } else {
                self.rule(rule, Some(&place.at), &outer);
            }
        }
    }

    /// A rewrite whose result is sent on.
    fn rewritten(&mut self, rule: &Rule, pass: &Pass, place: &Place, outer: &[String]) {
        let mut acts = Vec::new();
        for act in &rule.acts {
            match act {
                Act::Rewrite { path: Some(path), query, then: Then::Handle } => {
                    let mut to = path.clone();
                    let mut keep = true;
                    match query {
                        crate::ir::Query::Keep => {}
                        crate::ir::Query::Replace(query) => {
                            keep = false;
                            if !query.is_empty() {
                                to.push(Part::Text("?".into()));
                                query.0.iter().for_each(|part| to.push(part.clone()));
                            }
                        }
                        crate::ir::Query::Prepend(query) => {
                            to.push(Part::Text("?".into()));
                            query.0.iter().for_each(|part| to.push(part.clone()));
                        }
                    }
                    acts.push(Act::Pass(Box::new(Pass { path: PassPath::Exact(to, keep), ..pass.clone() })));
                }
                act => acts.push(act.clone()),
            }
        }
        self.rule(&Rule { acts, ..rule.clone() }, Some(&place.at), outer);
    }

    /// Who answers for a place.
    fn handler(&mut self, place: &Place, before: &[&Place], after: &[&Place]) {
        let area = &place.area;
        let done = area.items.iter().any(|item| matches!(item, Item::Rule(rule) if rule.at.is_none() && rule.tests.is_empty() && rule.acts.iter().any(ends)));
        let sent = after.iter().any(|later| later.area.pass.is_some() && later.at.meets(&place.at));
        if done && place.kind == PlaceKind::Slash && sent {
            // It would be sent on first: `RedirectMatch` asks later than `ProxyPass` (observed: 2.4.71).
            self.page.line(format!("ProxyPassMatch {} !", quote(&cased(&place.at))));
        }
        if done {
            return;
        }
        if let Some(pass) = &area.pass {
            self.comments(place.span);
            self.pass(pass, &place.at, &area.settings);
        } else {
            if sent && place.kind != PlaceKind::Slash {
                self.comments(place.span);
                let path = &place.at;
                match path.how {
                    How::Under => self.page.line(format!("ProxyPass {} !", quote(&path.text))),
                    How::Prefix if path.text.ends_with('/') => {
                        self.page.line(format!("ProxyPass {} !", quote(&path.text)));
                    }
                    _ => self.page.line(format!("ProxyPassMatch {} !", quote(&cased(path)))),
                }
            }
            self.files_of(place);
        }
        let _ = before;
    }

    /// Files of a place that are elsewhere.
    fn files_of(&mut self, place: &Place) {
        let settings = &place.area.settings;
        let at = &place.at;
        let target = match (&settings.files.alias, &settings.files.root) {
            (Some(Some(alias)), _) => {
                if let (Some(with), _) = (text_of(&alias.with), alias.cut) {
                    with
                } else {
                    let names = Names::of(self.config, self.assigned, Some(at));
                    match names.value(&alias.with) {
                        Ok(with) if at.how == How::Regex && !with.contains("%{") => {
                            self.page.line(format!("AliasMatch {} {}", quote(&cased(at)), quote(&with)));
                        }
                        _ => self.losses.lose(
                            place.span,
                            self.named(place.span),
                            "its folder is known only when it is read",
                        ),
                    }
                    return;
                }
            }
            (_, Some(root)) => {
                if let Some(root) = text_of(root) {
                    match at.how {
                        How::Exact | How::Prefix | How::Under => {
                            format!("{}{}", root.trim_end_matches('/'), at.text)
                        }
                        How::Regex | How::FileName => {
                            self.page.line(format!(
                                "AliasMatch {} {}",
                                quote(&format!("^(?=.*(?:{}))(/.*)$", at.to_regex())),
                                quote(&format!("{}$1", root.trim_end_matches('/')))
                            ));
                            self.grant(&root);
                            return;
                        }
                    }
                } else {
                    self.losses.lose(
                        place.span,
                        self.named(place.span),
                        "its folder is known only when it is read",
                    );
                    return;
                }
            }
            _ => return,
        };
        self.comments(place.span);
        match at.how {
            How::Exact => self.page.line(format!("AliasMatch {} {}", quote(&at.to_regex()), quote(&target))),
            How::Prefix if at.is_any() => {
                self.page.line(format!("Alias / {}", quote(&format!("{}/", target.trim_end_matches('/')))));
            }
            How::Prefix if !at.text.ends_with('/') => self.page.line(format!(
                "AliasMatch {} {}",
                quote(&format!("^{}(.*)$", super::value::escape(&at.text))),
                quote(&format!("{target}$1"))
            )),
            How::Prefix | How::Under => {
                self.page.line(format!("Alias {} {}", quote(&at.text), quote(&target)));
            }
            How::Regex | How::FileName => {
                self.page.line(format!("AliasMatch {} {}", quote(&cased(at)), quote(&target)));
            }
        }
        let folder = if target.ends_with('/') {
            target
        } else {
            target.rsplit_once('/').map_or(target.clone(), |(folder, _)| {
                if at.how == How::Exact { folder.to_owned() } else { target.clone() }
            })
        };
        if !settings.access.has("required") && !settings.access.has("rules") {
            self.grant(&folder);
        }
    }

    /// `ProxyPass` for a place.
    pub(super) fn pass(&mut self, pass: &Pass, at: &Match, settings: &Settings) {
        let pass = &self.settled(pass);
        let Pass {
            protocol,
            frames: _,
            scheme,
            to,
            path,
            head,
            reverse,
            response_edits,
            settings: own,
            span,
        } = pass;
        self.need("proxy");
        self.need(module(*scheme, pass.spoken()));
        let names = Names::of(self.config, self.assigned, Some(at));
        if *protocol == Protocol::Memcached {
            self.losses.lose(*span, "answers from memcached", "Apache reads nothing from it");
            return;
        }
        if *protocol == Protocol::Grpc {
            self.losses.lose(
                *span,
                "requests over gRPC",
                "Apache's HTTP/2 proxy does not pass their trailers",
            );
            return;
        }
        let dynamic = matches!(to, To::Dynamic(_)) || *scheme == Scheme::Client;
        let mut parameters = Vec::new();
        let forwarding = settings.forwarding(*protocol);
        if !matches!(to, To::Cluster(_)) && !dynamic {
            let connect = forwarding
                .connect_timeout
                .or(own.connect_timeout.filter(|time| own.read_timeout != Some(*time)));
            if let Some(time) = connect {
                parameters.push(format!("connectiontimeout={}", seconds(time)));
            }
            if let Some(time) = forwarding.read_timeout.or(own.read_timeout) {
                parameters.push(format!("timeout={}", seconds(time)));
            }
            if head.upgrade {
                parameters.push("upgrade=websocket".to_owned());
            }
        }
        let rest = if parameters.is_empty() { String::new() } else { format!(" {}", parameters.join(" ")) };
        let exact = matches!(path, PassPath::Exact(..));
        let host = match self.upstream(pass, &names) {
            Ok(host) => host,
            Err(why) => {
                self.losses.lose(*span, self.named(*span), why);
                return;
            }
        };
        let mut reverse_to = None;
        if dynamic || (exact && at.how != How::Regex && !at.is_any()) || at.negated {
            match self.pass_url(pass, &names) {
                Ok(url) => {
                    self.engine();
                    let regex = match (path, at.how) {
                        (PassPath::Replace(_), How::Prefix | How::Under) => {
                            format!("^{}(.*)$", super::value::escape(&at.text))
                        }
                        _ => at.to_regex(),
                    };
                    let not = if at.negated { "!" } else { "" };
                    let flags = if at.ignore_case { "P,NC" } else { "P" };
                    let url =
                        if let PassPath::Replace(_) = path { url.replace("%{PATH_REST}", "$1") } else { url };
                    self.pass_rule(pass, &quote(&format!("{not}{regex}")), &url, flags);
                }
                Err(why) => self.losses.lose(*span, self.named(*span), why),
            }
        } else {
            match (at.how, path) {
                (How::Prefix, PassPath::Same) if at.text.ends_with('/') => {
                    self.page.line(format!(
                        "ProxyPass {} {}{rest}",
                        quote(&at.text),
                        quote(&format!("{host}{}", at.text))
                    ));
                    reverse_to = Some(format!("{host}{}", at.text));
                }
                (How::Under, PassPath::Same) => {
                    self.page.line(format!(
                        "ProxyPass {} {}{rest}",
                        quote(&at.text),
                        quote(&format!("{host}{}", at.text))
                    ));
                    reverse_to = Some(format!("{host}{}", at.text));
                }
                (How::Prefix | How::Under, PassPath::Replace(with))
                    if at.is_folder() && at.text.ends_with('/') == with.ends_with('/') =>
                {
                    self.page.line(format!(
                        "ProxyPass {} {}{rest}",
                        quote(&at.text),
                        quote(&format!("{host}{with}"))
                    ));
                    reverse_to = Some(format!("{host}{with}"));
                }
                (How::Prefix | How::Under, PassPath::Replace(with)) => {
                    let regex = format!("^{}(.*)$", super::value::escape(&at.text));
                    self.page.line(format!(
                        "ProxyPassMatch {} {}{rest}",
                        quote(&regex),
                        quote(&format!("{host}{with}$1"))
                    ));
                    reverse_to = Some(format!("{host}{with}"));
                }
                (How::Exact, PassPath::Replace(with)) => {
                    self.page.line(format!(
                        "ProxyPassMatch {} {}{rest}",
                        quote(&format!("^({})$", super::value::escape(&at.text))),
                        quote(&format!("{host}{with}"))
                    ));
                }
                (_, PassPath::Exact(template, query)) => match names.value(template) {
                    Ok(text) if !text.contains("%{") && (*query || !text.contains('?')) => {
                        self.page.line(format!(
                            "ProxyPassMatch {} {}{rest}",
                            quote(&cased(at)),
                            quote(&format!("{host}{text}"))
                        ));
                        if !query {
                            self.losses.lose(
                                *span,
                                "a target without the query",
                                "`ProxyPassMatch` always sends it",
                            );
                        }
                    }
                    Ok(_) | Err(_) => match self.pass_url(pass, &names) {
                        Ok(url) => {
                            self.engine();
                            self.pass_rule(pass, &quote(&at.to_regex()), &url, "P");
                        }
                        Err(why) => self.losses.lose(*span, self.named(*span), why),
                    },
                },
                _ => {
                    // What matches is sent as it is.
                    self.page.line(format!("ProxyPassMatch {} {}{rest}", quote(&cased(at)), quote(&host)));
                    reverse_to = Some(format!("{host}/"));
                }
            }
        }
        if *reverse
            && at.how != How::Regex
            && at.how != How::FileName
            && !dynamic
            && let Some(to) = reverse_to
        {
            let from = if at.how == How::Exact
                || (at.how == How::Prefix && !at.text.ends_with('/') && matches!(path, PassPath::Same))
            {
                "/".to_owned()
            } else {
                at.text.clone()
            };
            let to = if from == "/" && !at.is_any() { format!("{host}/") } else { to };
            self.page.line(format!("ProxyPassReverse {} {}", quote(&from), quote(&to)));
        }
        self.reverses(response_edits, at, *span);
    }

    /// Edits of responses beside the usual one.
    pub(super) fn reverses(&mut self, edits: &[crate::ir::Edit], at: &Match, span: Span) {
        use crate::ir::{Edit, UrlMatch};
        for edit in edits {
            match edit {
                Edit::CookiePath { from: UrlMatch::Text(from), to }
                | Edit::CookieDomain { from: UrlMatch::Text(from), to } => {
                    let word = if matches!(edit, Edit::CookiePath { .. }) { "Path" } else { "Domain" };
                    match (text_of(from), text_of(to)) {
                        (Some(from), Some(to)) => self.page.line(format!(
                            "ProxyPassReverseCookie{word} {} {}",
                            quote(&from),
                            quote(&to)
                        )),
                        _ => self.losses.lose(
                            span,
                            "an edit of cookies",
                            "its texts are known only when they are read",
                        ),
                    }
                }
                Edit::CookieAttribute { attribute, from, to, .. } => {
                    let word = if attribute.is_field(b"path") { "Path" } else { "Domain" };
                    self.page.line(format!(
                        "ProxyPassReverseCookie{word} {} {}",
                        quote(&from.lossy()),
                        quote(&to.lossy())
                    ));
                }
                Edit::Url { from: UrlMatch::Text(from), to, .. } => match (text_of(from), text_of(to)) {
                    (Some(from), Some(to)) => {
                        self.need("headers");
                        self.page.line(format!(
                            "Header edit Location ^{} {}",
                            quote(&super::value::escape(&from)),
                            quote(&to)
                        ));
                    }
                    _ => self.losses.lose(
                        span,
                        "an edit of `Location`",
                        "its texts are known only when they are read",
                    ),
                },
                _ => self.losses.lose(
                    span,
                    "an edit of the upstream's answer",
                    "`ProxyPassReverse` cannot do this",
                ),
            }
        }
        let _ = at;
    }

    /// Scheme and authority that requests are sent to.
    fn upstream(&mut self, pass: &Pass, names: &Names<'_>) -> Result<String, String> {
        let scheme = scheme_name(pass.scheme, pass.spoken());
        Ok(match &pass.to {
            To::Cluster(id) => format!("balancer://{}", group_name(self.config, *id)),
            To::Authority(text) => match text.strip_prefix("unix:") {
                Some(path) => format!("unix:{}|{scheme}://localhost", path.trim_end_matches(':')),
                None => format!("{scheme}://{text}"),
            },
            To::Dynamic(template) => {
                let text = names.value(template)?;
                // It may be the name of a group.
                let group = template.0.iter().any(|part| matches!(part, Part::Var(_)))
                    && template.0.len() == 1
                    && self.config.clusters.iter().any(|cluster| cluster.declared);
                let scheme = if group { "balancer" } else { scheme };
                format!("{scheme}://{text}")
            }
        })
    }

    /// The URL of a forward in a rule.
    pub(super) fn pass_url(&mut self, pass: &Pass, names: &Names<'_>) -> Result<String, String> {
        self.need("proxy");
        self.need(module(pass.scheme, pass.spoken()));
        let mut url = self.upstream(pass, names)?;
        match &pass.path {
            PassPath::Same => url.push_str("%{REQUEST_URI}"),
            PassPath::Replace(with) => {
                url.push_str(with);
                url.push_str("%{PATH_REST}");
            }
            PassPath::Exact(template, _) => {
                for part in &template.0 {
                    match part {
                        Part::Attr(Attr::PathRest) => url.push_str("$1"),
                        part => url.push_str(&names.value(&Template(vec![part.clone()]))?),
                    }
                }
            }
        }
        Ok(url)
    }

    /// What the head of requests says.
    fn head(&mut self, head: &Head, span: Span) {
        let Head { host, set, remove, upgrade: _ } = head;
        match host.0.as_slice() {
            [Part::Attr(Attr::UpstreamAuthority)] | [] => {}
            [Part::Attr(Attr::Host | Attr::Authority)] => self.page.line("ProxyPreserveHost On"),
            [Part::Attr(Attr::Field(name) | Attr::FieldList(name))] if name.is_field(b"host") => {
                self.page.line("ProxyPreserveHost On");
            }
            _ => match self.header_value(host) {
                Ok(value) => {
                    self.need("headers");
                    self.page.line("ProxyPreserveHost On");
                    self.page.line(format!("RequestHeader set Host {value}"));
                }
                Err(why) => self.losses.lose(span, "`Host` of what is sent on", why),
            },
        }
        if !is_own(head) {
            self.page.line("ProxyAddHeaders Off");
        }
        for (name, value, appended) in set {
            if is_own(head) && is_forwarded(&name.lossy()) {
                continue;
            }
            let verb = if *appended { "append" } else { "set" };
            if !appended && value.is_empty() {
                self.page.line(format!("RequestHeader unset {}", field_name(&name.lossy())));
                continue;
            }
            match self.header_value(value) {
                Ok(value) => {
                    self.need("headers");
                    self.page.line(format!("RequestHeader {verb} {} {value}", name.lossy()));
                }
                Err(why) => self.losses.lose(span, format!("the request field `{}`", name.lossy()), why),
            }
        }
        for name in remove {
            self.need("headers");
            self.page.line(format!("RequestHeader unset {}", name.lossy()));
        }
    }

    /// Settings of a place.
    fn section(&mut self, place: &Place, common: Option<&Head>, all: &[&Place]) {
        if place.kind == PlaceKind::Slash {
            return;
        }
        let area = &place.area;
        let mut settings = area.settings.clone();
        settings.files.root = None;
        settings.files.alias = None;
        settings.http.read_timeout = None;
        let head = area
            .pass
            .as_ref()
            .map(|pass| Head { upgrade: false, ..pass.head.clone() })
            .filter(|head| common != Some(head));
        let fallback = area.fallback.as_ref().filter(|_| place.kind != PlaceKind::Slash);
        let mut probe = std::mem::replace(&mut self.page, crate::raise::Page::new(4));
        let before = self.losses.all.len();
        let was = std::mem::replace(&mut self.proxied, area.pass.is_some());
        let located = std::mem::replace(&mut self.located, true);
        self.settings(&settings, place.span);
        self.located = located;
        if let Some(head) = &head {
            self.head(head, place.span);
        }
        if let Some(errors) = &settings.answer.errors
            && !errors.is_empty()
        {
            let server = Server::default();
            self.errors(&Area { settings: settings.clone(), span: place.span, ..Area::default() }, &server);
        }
        if let Some(fallback) = fallback {
            self.fallback(fallback, Some(&place.at));
        }
        self.proxied = was;
        std::mem::swap(&mut self.page, &mut probe);
        let said = self.placed(&probe.finish(), place.span);
        if !said.is_empty() {
            self.page.blank();
            self.comments(place.span);
            let (open, close) = bounds(&place.at);
            self.page.open(open);
            said.lines().for_each(|line| self.page.line(line));
            self.page.close(close);
            // Sections add to each other where places take each other's place.
            if matches!(place.kind, PlaceKind::Specific(_)) && settings.answer.on_response.is_some() {
                let within = all.iter().filter(|other| {
                    other.at != place.at
                        && matches!(other.kind, PlaceKind::Specific(_))
                        && place.at.covers(&other.at)
                        && !place.at.is_any()
                });
                for other in within {
                    self.losses.lose(
                        other.span,
                        self.named(other.span),
                        "fields of the place around it are added too",
                    );
                }
            }
        }
        let _ = before;
    }

    /// Lines that may stand in a section; what is the host's alone is said there, or lost.
    fn placed(&mut self, text: &str, span: Span) -> String {
        let mut out = String::new();
        for line in text.lines() {
            let word = line.split_whitespace().next().unwrap_or_default();
            if word.starts_with("SSLProxy") {
                let known = self.hoisted.iter().find(|known| known.split(' ').next() == Some(word));
                match known {
                    Some(known) if known != line => {
                        self.losses.lose(span, format!("`{line}`"), "Apache has one for all of a host");
                    }
                    Some(_) => {}
                    None => self.hoisted.push(line.to_owned()),
                }
            } else if HOST_ONLY.contains(&word) || word.starts_with("RemoteIP") {
                self.losses.lose(span, format!("`{line}`"), "Apache has it for a host as a whole");
            } else {
                out.push_str(line);
                out.push('\n');
            }
        }
        out
    }

    /// What is looked for before the handler.
    fn fallback(&mut self, fallback: &Fallback, at: Option<&Match>) {
        let Fallback { existing, to, span } = fallback;
        let path = |one: &Existing| one.path == Template::attr(Attr::Path);
        let usual = existing.iter().all(path);
        match to {
            FallbackTo::Status(404)
                if existing
                    .iter()
                    .all(|one| path(one) || one.path.0.first() == Some(&Part::Attr(Attr::Path))) => {}
            FallbackTo::Path(to, _) if usual && existing.iter().any(|one| one.kind == FileKind::File) => {
                match text_of(to) {
                    Some(to) if at.is_none_or(|at| at.how != How::Regex) => {
                        self.page.line(format!("FallbackResource {}", quote(&to)));
                    }
                    _ => self.losses.lose(*span, self.named(*span), "a fallback of Apache is one path"),
                }
            }
            _ => self.losses.lose_near(
                *span,
                self.named_setting("prepare", *span),
                "Apache's fallback is one path, for what is neither a file nor a folder",
                "`RewriteCond` with `-f` and `-d`",
            ),
        }
    }

    fn named_setting(&self, key: &str, span: Span) -> String {
        self.notes.setting(key, span).0
    }
}

/// Directives that stand in no section.
const HOST_ONLY: &[&str] = &[
    "CustomLog",
    "ErrorLog",
    "KeepAlive",
    "KeepAliveTimeout",
    "LimitRequestFields",
    "LimitRequestFieldSize",
    "LimitRequestLine",
    "MaxKeepAliveRequests",
    "MergeSlashes",
    "ProxyTimeout",
    "RequestReadTimeout",
];

/// Rules that end in an answer.
fn ends(act: &Act) -> bool {
    matches!(act, Act::Reply(_) | Act::Redirect(_) | Act::Pass(_))
}

/// Whether a rule rewrites for the handler of its place.
fn stays(rule: &Rule) -> bool {
    rule.acts.iter().any(|act| matches!(act, Act::Rewrite { then: Then::Handle, .. }))
}

/// Places with those inside of them, in the order in which they are chosen.
fn flattened(area: &Area) -> Vec<&Place> {
    let mut out = Vec::new();
    for place in first_match(area) {
        out.extend(flattened(&place.area));
        out.push(place);
    }
    out
}

/// Prefixes before regular expressions, the shortest first.
fn order(place: &Place) -> (u8, usize) {
    match place.at.how {
        How::Prefix | How::Under => (0, place.at.text.len()),
        How::Regex | How::FileName => (1, 0),
        How::Exact => (2, 0),
    }
}

/// The head that all forwards share.
fn common_head(passes: &[&Pass]) -> Option<Head> {
    let heads: Vec<Head> = passes
        .iter()
        .filter(|pass| pass.protocol == Protocol::Http)
        .map(|pass| Head { upgrade: false, ..pass.head.clone() })
        .collect();
    let first = heads.first()?;
    heads.iter().all(|head| head == first).then(|| first.clone())
}

fn is_forwarded(name: &str) -> bool {
    ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Server"]
        .iter()
        .any(|one| one.eq_ignore_ascii_case(name))
}

/// Whether the three fields that Apache adds by itself are added.
fn is_own(head: &Head) -> bool {
    let has =
        |name: &str| head.set.iter().any(|(known, _, appended)| *appended && known.is_field(name.as_bytes()));
    has("X-Forwarded-For") && has("X-Forwarded-Host") && has("X-Forwarded-Server")
}
