//! Forwards as people say them: to whom, with which path, and what the head of the request says beside what was received.

use super::{
    Head, How, Losses, Match, Pass, PassPath, Scheme, To,
    value::{Constants, plain, resolve, text_of},
};
use crate::{
    ir::{
        Attr, Cluster, Config, Edit, Forward, Part, Protocol, Settings, Target, Template, Text, Upgrade,
        Upstream, VarKind, settings::Forwarding,
    },
    source::Span,
};

/// What is known where a forward stands.
pub(super) struct Around<'a> {
    pub(super) config: &'a Config,
    /// Settings in force, the dialect's own included.
    pub(super) effective: &'a Settings,
    /// Settings of the dialect alone.
    pub(super) base: &'a Settings,
    pub(super) known: &'a Constants,
    pub(super) span: Span,
}

impl Around<'_> {
    /// The forward of a handler that names whom it is sent to.
    pub(super) fn handler(&self, forward: &Forward, at: &Match, losses: &mut Losses) -> Pass {
        let Forward { protocol, tls, to, target } = forward;
        let scheme = if *tls { Scheme::Tls } else { Scheme::Plain };
        let (to, scheme, exact) = match to {
            Upstream::Cluster(id) => {
                let cluster = self.config.cluster(*id);
                let to =
                    if cluster.declared { To::Cluster(*id) } else { To::Authority(authority_of(cluster)) };
                (to, scheme, None)
            }
            Upstream::Dynamic(url) | Upstream::Url(url) => {
                let url = self.settled(url).unwrap_or_else(|| plain(url));
                let (scheme, to, rest) = self.split(&url, scheme);
                (to, scheme, rest)
            }
        };
        let path = match (target, exact) {
            (_, Some(rest)) if !rest.is_empty() => path_of(&rest),
            (Target::Received, _) => PassPath::Same,
            (Target::Replace { cut, with }, _) => match text_of(with) {
                Some(with) if with == at.text && at.how != How::Regex => PassPath::Same,
                Some(with) if *cut as usize == at.text.len() && at.how != How::Regex => {
                    PassPath::Replace(with)
                }
                _ => {
                    let mut path = plain(with);
                    path.push(Part::Attr(Attr::PathRest));
                    PassPath::Exact(path, true)
                }
            },
            (Target::Exact(with), _) => match path_of(&plain(with)) {
                PassPath::Same => PassPath::Same,
                path => path,
            },
        };
        self.pass(*protocol, scheme, to, path, losses)
    }

    /// A URL that is one of several, all of which lead to one server with the path as it was received or rewritten: what
    /// that is every server knows by itself.
    fn settled(&self, url: &Template) -> Option<Template> {
        let [Part::Var(var)] = url.0.as_slice() else { return None };
        let VarKind::Choice { choices, default } = &self.config.var(*var).kind else { return None };
        let whole = plain(default);
        let (scheme, to, rest) = self.split(&whole, Scheme::Plain);
        let is_same =
            |rest: &Option<Template>| rest.as_ref().is_some_and(|rest| path_of(rest) == PassPath::Same);
        let alike = choices.iter().all(|choice| {
            let (other, whom, rest) = self.split(&plain(&choice.value), Scheme::Plain);
            (other, &whom) == (scheme, &to) && is_same(&rest)
        });
        (alike && is_same(&rest)).then_some(whole)
    }

    /// The forward to a whole URL.
    pub(super) fn url(&self, url: &Template, keep_query: bool, losses: &mut Losses) -> Pass {
        let (scheme, to, rest) = self.split(url, Scheme::Plain);
        let path = match rest {
            None => PassPath::Replace("/".to_owned()),
            Some(rest) => match path_of(&rest) {
                PassPath::Exact(path, query) => PassPath::Exact(path, query || keep_query),
                path => path,
            },
        };
        let protocol = match &to {
            To::Cluster(id) => self
                .config
                .cluster(*id)
                .endpoints
                .first()
                .and_then(|one| one.member.as_ref())
                .map(|one| one.protocol),
            _ => None,
        };
        if let To::Cluster(id) = &to {
            self.of_some_hosts(*id, losses);
        }
        let mut pass = self.pass(protocol.unwrap_or(Protocol::Http), scheme, to, path, losses);
        if let Some(member) = self.member(url) {
            pass.settings = member.settings.clone();
            pass.protocol = member.protocol;
            pass.frames |= member.settings.version == Some(20);
            if member.tls {
                pass.scheme = Scheme::Tls;
            }
            if !matches!(member.settings.upgrade, None | Some(Upgrade::Never)) {
                pass.head.upgrade = true;
            }
            pass.settings.upgrade = None;
        }
        pass
    }

    /// Hosts that have a group of a name for themselves share it with all others in what is written.
    fn of_some_hosts(&self, id: crate::ir::ClusterId, losses: &mut Losses) {
        let url = |cluster: &Cluster| cluster.group.as_ref().map(|group| group.url.clone());
        let mine = url(self.config.cluster(id));
        if mine.is_some() && self.config.clusters.iter().filter(|other| url(other) == mine).count() > 1 {
            let name = self.config.cluster(id).name.lossy().into_owned();
            let why = "a host changes it for itself; in the output all hosts have the same";
            losses.lose(self.span, format!("the `{name}` of each host"), why);
        }
    }

    /// The member of the longest URL that a URL begins with.
    fn member(&self, url: &Template) -> Option<&crate::ir::Member> {
        let Some(Part::Text(start)) = url.0.first() else { return None };
        let members = self.config.clusters.iter().flat_map(|cluster| &cluster.endpoints);
        let known = members.filter_map(|endpoint| endpoint.member.as_deref());
        let fits = known.filter(|member| start.starts_with(&member.url) || member.url.starts_with(start));
        fits.max_by_key(|member| member.url.len())
    }

    /// Scheme, authority and the rest of a URL.
    fn split(&self, url: &Template, default: Scheme) -> (Scheme, To, Option<Template>) {
        let mut parts = url.0.clone();
        let mut scheme = default;
        if matches!(parts.first(), Some(Part::Attr(Attr::Scheme))) {
            scheme = Scheme::Client;
            parts.remove(0);
        }
        let Some(Part::Text(first)) = parts.first().cloned() else {
            return (scheme, To::Dynamic(Template(parts)), None);
        };
        let mut text = String::from_utf8_lossy(&first).into_owned();
        for (mark, found) in [
            ("http://", Some(Scheme::Plain)),
            ("ws://", Some(Scheme::Plain)),
            ("https://", Some(Scheme::Tls)),
            ("wss://", Some(Scheme::Tls)),
            ("://", None),
        ] {
            if let Some(rest) = text.strip_prefix(mark) {
                scheme = found.unwrap_or(scheme);
                text = rest.to_owned();
                break;
            }
        }
        let group = text.find("://").map(|at| at + 3);
        if let Some(at) = group {
            let end = text[at..].find('/').map_or(text.len(), |slash| at + slash);
            let name = &text[..end];
            let cluster = self.config.clusters.iter().position(|one| {
                let url = one.group.as_ref().map_or(&one.name, |group| &group.url);
                url.is_field(name.as_bytes()) || url.is_field(format!("{name}/").as_bytes())
            });
            if let Some(id) = cluster {
                let rest = with_first(&parts, &text[end..]);
                let tls = self.config.clusters[id]
                    .endpoints
                    .first()
                    .and_then(|one| one.member.as_ref())
                    .is_some_and(|one| one.tls);
                let scheme = if tls { Scheme::Tls } else { Scheme::Plain };
                return (
                    scheme,
                    To::Cluster(crate::ir::ClusterId(id as u32)),
                    (!rest.is_empty()).then_some(rest),
                );
            }
        }
        let Some(slash) = text.find(['/', '?']) else {
            if parts.len() == 1 {
                return (scheme, self.named(text), None);
            }
            // The authority is known when it is read; what follows may be text with a slash.
            let mut authority = Template::text(text.as_str());
            let mut rest = Template::default();
            let mut done = false;
            for part in &parts[1..] {
                match part {
                    Part::Text(more) if !done => {
                        let more = String::from_utf8_lossy(more).into_owned();
                        let cut = more.find('/').unwrap_or(more.len());
                        authority.push(Part::Text(more[..cut].into()));
                        rest.push(Part::Text(more[cut..].into()));
                        done = cut < more.len();
                    }
                    part if done => rest.push(part.clone()),
                    // The rest of a path begins with its slash where it was cut before it.
                    Part::Attr(Attr::Path | Attr::Target) => {
                        rest.push(part.clone());
                        done = true;
                    }
                    part => authority.push(part.clone()),
                }
            }
            let to = match text_of(&authority) {
                Some(text) => self.named(text),
                None => To::Dynamic(authority),
            };
            return (scheme, to, done.then_some(rest));
        };
        let rest = with_first(&parts, &text[slash..]);
        (scheme, self.named(text[..slash].to_owned()), Some(rest))
    }

    /// A group of this name, or the authority.
    fn named(&self, text: String) -> To {
        let known = self
            .config
            .clusters
            .iter()
            .position(|one| one.declared && one.group.is_none() && one.name.is_field(text.as_bytes()));
        let farm =
            || self.config.clusters.iter().position(|one| one.declared && one.name.is_field(text.as_bytes()));
        match known.or_else(farm) {
            Some(id) => To::Cluster(crate::ir::ClusterId(id as u32)),
            None => To::Authority(text),
        }
    }

    fn pass(&self, protocol: Protocol, scheme: Scheme, to: To, path: PassPath, losses: &mut Losses) -> Pass {
        let forwarding = self.effective.forwarding(protocol);
        let own = self.base.forwarding(protocol);
        let mut head = self.head(forwarding, losses);
        if head.set == self.head(own, losses).set
            && own.edits == forwarding.edits
            && forwarding.edits.is_some()
        {
            // Fields that a server adds by itself are its own.
        }
        let upgrade = forwarding.upgrade.clone().unwrap_or_default();
        head.upgrade = match upgrade {
            Upgrade::Never => false,
            Upgrade::Only(_) => true,
            Upgrade::Any => head.upgrade,
        };
        if !protocol.is_http() {
            head = Head { upgrade: false, ..Head::default() };
        }
        let (reverse, response_edits) = self.responses(forwarding, &to);
        Pass {
            protocol,
            frames: forwarding.version == Some(20),
            scheme,
            to,
            path,
            head,
            reverse,
            response_edits,
            settings: Forwarding::default(),
            span: self.span,
        }
    }

    /// What edits make of a request's head.
    fn head(&self, forwarding: &Forwarding, losses: &mut Losses) -> Head {
        let mut head = Head { host: Template::attr(Attr::UpstreamAuthority), ..Head::default() };
        let is = |name: &Text, names: &[&str]| names.iter().any(|one| name.is_field(one.as_bytes()));
        let connection =
            ["Connection", "TE", "Keep-Alive", "Expect", "Proxy-Connection", "Trailer", "Transfer-Encoding"];
        for edit in forwarding.edits.iter().flatten() {
            match edit {
                Edit::Set(name, value) if is(name, &["Host"]) => {
                    head.host = resolve(self.config, self.known, value);
                }
                Edit::Set(name, value) if is(name, &["Upgrade"]) => {
                    head.upgrade |= reads_field(self.config, value, b"upgrade");
                    if text_of(value).is_some_and(|text| !text.is_empty()) {
                        head.upgrade = true;
                    }
                }
                Edit::Set(name, _) if is(name, &connection) => {}
                // What a server says of itself to its own kind.
                Edit::Set(name, _)
                    if is(name, &["X-ARR-SSL", "X-ARR-LOG-ID", "Max-Forwards", "X-Original-URL"]) => {}
                Edit::Remove(name) if is(name, &connection) || is(name, &["Upgrade"]) => {}
                Edit::Set(name, value) => {
                    let value = resolve(self.config, self.known, value);
                    let appended = value == Template::attr(Attr::ForwardedFor);
                    let value = if appended { Template::attr(Attr::ClientAddr) } else { value };
                    head.set.push((name.clone(), value, appended));
                }
                Edit::Append(name, _) if is(name, &["X-Forwarded-For"]) => {
                    head.set.push((name.clone(), Template::attr(Attr::ClientAddr), true));
                }
                Edit::Add(name, value) | Edit::Append(name, value) => {
                    head.set.push((name.clone(), resolve(self.config, self.known, value), true));
                }
                Edit::Remove(name) => head.remove.push(name.clone()),
                Edit::RemoveNominated | Edit::Received | Edit::Framing => {}
                Edit::Switch(_) => head.upgrade = true,
                Edit::Field { .. }
                | Edit::Reverse { .. }
                | Edit::CookieAttribute { .. }
                | Edit::Trailer(..)
                | Edit::Url { .. }
                | Edit::CookieDomain { .. }
                | Edit::CookiePath { .. }
                | Edit::CookieFlags { .. }
                | Edit::Expires(_)
                | Edit::Lifetime { .. }
                | Edit::Echo(..) => losses.lose(
                    self.span,
                    "an edit of the request",
                    "it has no name among the edits of a request that is sent on",
                ),
            }
        }
        head
    }

    /// Whether the upstream's URL is mapped back, and the edits of responses beside that.
    fn responses(&self, forwarding: &Forwarding, to: &To) -> (bool, Vec<Edit>) {
        let mut urls: Vec<String> = Vec::new();
        match to {
            To::Cluster(id) => {
                let cluster = self.config.cluster(*id);
                let name = cluster.name.lossy().into_owned();
                urls.push(name.rsplit("//").next().unwrap_or(&name).to_owned());
                urls.extend(cluster.endpoints.iter().map(|one| one.address.lossy().into_owned()));
            }
            To::Authority(text) => urls.push(text.clone()),
            To::Dynamic(_) => {}
        }
        let mut reverse = false;
        let mut others = Vec::new();
        for edit in forwarding.response_edits.iter().flatten() {
            let from = match edit {
                Edit::Url { from: crate::ir::UrlMatch::Text(from), .. } => text_of(from),
                Edit::Reverse { from, .. } => text_of(from),
                // Any URL of an upstream becomes the client's.
                Edit::Url { from: crate::ir::UrlMatch::Pattern(pattern, _), .. }
                    if pattern.text.starts_with(b"^https?://[^/?#]*") =>
                {
                    reverse = true;
                    continue;
                }
                Edit::CookieDomain { from: crate::ir::UrlMatch::Pattern(pattern, _), .. }
                    if &*pattern.text == b"^" =>
                {
                    continue;
                }
                _ => None,
            };
            let authority = from
                .as_deref()
                .and_then(|from| from.split_once("://"))
                .map(|(_, rest)| rest.split('/').next().unwrap_or_default().to_owned());
            match authority {
                // Of a socket the URL has the path behind `unix:`.
                Some(authority)
                    if urls.iter().any(|url| {
                        url.eq_ignore_ascii_case(&authority)
                            || (authority == "unix:" && url.starts_with("unix:"))
                    }) =>
                {
                    reverse = true;
                }
                // Those of other places.
                Some(_) if matches!(edit, Edit::Reverse { .. }) => {}
                _ => others.push(edit.clone()),
            }
        }
        (reverse, others)
    }
}

/// What is written of a cluster that stands for one authority.
fn authority_of(cluster: &Cluster) -> String {
    let name = cluster.name.lossy();
    match (&cluster.group, cluster.endpoints.first()) {
        // A socket in the file system is called by its place, whatever name goes to who listens there.
        (group, Some(one)) if group.is_some() || one.address.starts_with(b"unix:") => {
            one.address.lossy().into_owned()
        }
        _ => name.into_owned(),
    }
}

fn with_first(parts: &[Part], first: &str) -> Template {
    let mut out = Template::text(first);
    parts[1..].iter().for_each(|part| out.push(part.clone()));
    out
}

/// The target that a template is.
fn path_of(template: &Template) -> PassPath {
    let mut parts = template.0.clone();
    let mut query = false;
    if let [.., Part::Attr(Attr::QueryMark), Part::Attr(Attr::Query)] = parts.as_slice() {
        parts.truncate(parts.len() - 2);
        query = true;
    }
    match parts.as_slice() {
        [] => PassPath::Same,
        [Part::Attr(Attr::Path)] => PassPath::Same,
        [Part::Attr(Attr::Target)] if !query => PassPath::Same,
        [Part::Text(text), Part::Attr(Attr::PathRest)] => PassPath::Replace(text.lossy().into_owned()),
        [Part::Text(slash), Part::Attr(Attr::Path | Attr::Target)] if &**slash == b"/" => PassPath::Same,
        _ => PassPath::Exact(Template(parts), query),
    }
}

/// Whether a value has the request's field in it, if by way of a table.
fn reads_field(config: &Config, value: &Template, field: &[u8]) -> bool {
    value.0.iter().any(|part| match part {
        Part::Attr(Attr::Field(name) | Attr::FieldList(name)) => name.is_field(field),
        Part::Var(var) => match &config.var(*var).kind {
            VarKind::Table { key, .. } => reads_field(config, key, field),
            _ => false,
        },
        Part::Escape(_, inner) => reads_field(config, inner, field),
        _ => false,
    })
}
