//! Sites, their bindings and folders, farms and the proxy: what an applicationHost.config says.

use super::{
    Render,
    element::Element,
    rule::{farm_name, path_test},
    section::Sections,
    value::keeps_host,
};
use crate::{
    ir::{Address, Cluster, Duty, Endpoint, Kind, Role, Share, Test},
    raise::{
        Act, Area, How, Item, Match, Outline, Place, PlaceKind, Rule, Server, To, first_match, passes,
        passes_of, sections, text_of, timeouts, used_clusters,
    },
    source::Span,
};

/// Adds sections to those of the same path: none may be there twice, and no entry of a list.
fn join(known: &mut Vec<Element>, more: Vec<Element>) {
    for element in more {
        let list = ["add", "error", "remove", "clear", "mimeMap"].contains(&element.name.as_str());
        let same = |one: &&mut Element| {
            one.name == element.name && (!list || one.attributes.first() == element.attributes.first())
        };
        match known.iter_mut().find(same) {
            // What is said later takes the place of what was said.
            Some(one) if list => *one = element,
            Some(one) => {
                for (name, value) in element.attributes {
                    match one.attributes.iter_mut().find(|(known, _)| *known == name) {
                        Some((_, known)) => *known = value,
                        None => one.attributes.push((name, value)),
                    }
                }
                join(&mut one.children, element.children);
            }
            None => known.push(element),
        }
    }
}

/// Rules whose names are told apart by numbers where they are the same.
fn named_apart(mut rules: Vec<Element>) -> Vec<Element> {
    let mut seen: Vec<String> = Vec::new();
    for rule in rules.iter_mut().filter(|rule| rule.name == "rule") {
        let Some((_, name)) = rule.attributes.iter_mut().find(|(known, _)| known == "name") else { continue };
        let plain = name.clone();
        let mut number = 2;
        while seen.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            *name = format!("{plain} {number}");
            number += 1;
        }
        seen.push(name.clone());
    }
    rules
}

impl Render<'_, '_> {
    /// The content of a site's `system.webServer`, and those of paths below it.
    pub(super) fn site(
        &mut self,
        outline: &Outline<'_>,
        server: &Server,
    ) -> (Vec<Element>, Vec<(String, Vec<Element>)>) {
        self.into = Sections::default();
        self.names.clear();
        self.variables.clear();
        self.maps.clear();
        let area = &server.area;
        let mut settings = outline.common.settings.clone();
        settings.lay(&area.settings, false);
        // What is said of `/` is said of all.
        let whole = |place: &&Place| place.at.is_any() && place.kind != PlaceKind::Slash;
        for place in flattened(area).into_iter().chain(sections(area)).filter(whole) {
            let mut said = place.area.settings.clone();
            said.files.root = said.files.root.take().filter(|_| settings.files.root.is_none());
            settings.lay(&said, false);
        }
        self.settings(&settings, server.span);
        self.tables(area);
        let mut rules = Vec::new();
        for item in &area.items {
            if let Item::Rule(rule) = item {
                self.rule(rule, None, &[], &mut rules);
            }
        }
        let places = flattened(area);
        for (at, place) in places.iter().enumerate() {
            self.place_rules(place, &places[..at], &places[at + 1..], area, &mut rules);
        }
        if let Some(pass) = &area.pass {
            let rule = Rule {
                at: None,
                tests: Vec::new(),
                acts: vec![Act::Pass(Box::new(pass.clone()))],
                span: pass.span,
            };
            self.rule(&rule, None, &[], &mut rules);
        }
        if let Some(fallback) = &area.fallback {
            self.fallback(fallback, &Match::any(), &mut rules);
        }
        for (name, named) in &server.named {
            self.losses.lose_near(
                named.span,
                format!("the block `{}`", name.lossy()),
                "IIS enters no block by a name",
                "a path of its own in `httpErrors`",
            );
        }
        let mut top = std::mem::take(&mut self.into);
        let mut locations = Vec::new();
        let mut said: Vec<&Place> = places.iter().copied().chain(sections(area)).collect();
        said.sort_by_key(|place| place.at.text.len());
        for place in said {
            if place.kind == PlaceKind::Slash || place.at.is_any() {
                continue;
            }
            self.into = Sections::default();
            let mut settings = place.area.settings.clone();
            settings.files.root = None;
            settings.files.alias = None;
            self.settings(&settings, place.span);
            let outbound = std::mem::take(&mut self.into.outbound);
            let elements = std::mem::take(&mut self.into).elements(true);
            top.outbound.extend(outbound);
            if elements.is_empty() {
                continue;
            }
            match location(&place.at) {
                Some(path) if path.is_empty() => merge(&mut rules, &mut locations, elements),
                Some(path) => match locations.iter_mut().find(|(known, _)| *known == path) {
                    Some((_, known)) => join(known, elements),
                    None => locations.push((path, elements)),
                },
                None => self.losses.lose_near(
                    place.span,
                    format!("the settings of {}", self.named(place.span)),
                    "a `<location>` of IIS is a path, not a pattern",
                    "`<location path=\"...\">` for each path",
                ),
            }
        }
        let outbound = std::mem::take(&mut top.outbound);
        if rules.iter().chain(&outbound).any(|rule| rule.mentions("{MapProtocol:")) {
            self.protocol_map();
        }
        let mut rewrite = Element::new("rewrite");
        let whole: Vec<Element> = locations
            .iter()
            .filter(|(path, _): &&(String, Vec<Element>)| path.is_empty())
            .flat_map(|(_, all)| all.clone())
            .collect();
        locations.retain(|(path, _)| !path.is_empty());
        if !self.maps.is_empty() {
            rewrite.push(Element { children: std::mem::take(&mut self.maps), ..Element::new("rewriteMaps") });
        }
        if !rules.is_empty() {
            rewrite.push(Element { children: rules, ..Element::new("rules") });
        }
        if !outbound.is_empty() {
            rewrite.push(Element { children: named_apart(outbound), ..Element::new("outboundRules") });
        }
        if !self.variables.is_empty() {
            let list = self.variables.iter().map(|name| Element::new("add").with("name", name)).collect();
            let allowed = Element { children: list, ..Element::new("allowedServerVariables") };
            if self.whole {
                rewrite.push(allowed);
            } else {
                let names = self.variables.join(", ");
                self.losses.remark(
                    server.span,
                    format!("the server variables {names}"),
                    "an administrator has to allow them in `allowedServerVariables`",
                );
            }
        }
        let mut out = Vec::new();
        if !rewrite.children.is_empty() {
            out.push(rewrite);
        }
        let mut own = top.elements(false);
        // What `/` says is said of all.
        join(&mut own, whole);
        out.extend(own);
        (out, locations)
    }

    fn place_rules(
        &mut self,
        place: &Place,
        before: &[&Place],
        after: &[&Place],
        area: &Area,
        out: &mut Vec<Element>,
    ) {
        let mut outer: Vec<Test> = Vec::new();
        let rules: Vec<&Rule> = place
            .area
            .items
            .iter()
            .filter_map(|item| match item {
                Item::Rule(rule) => Some(rule),
                Item::Place(_) => None,
            })
            .collect();
        // Places that have no rule of their own keep later ones away by one that does nothing.
        for earlier in before {
            if earlier.kind != PlaceKind::Slash && earlier.at.meets(&place.at) && !stops(earlier) {
                outer.push(path_test(&Match { negated: !earlier.at.negated, ..earlier.at.clone() }));
            }
        }
        let mut done = false;
        for rule in rules {
            if place.kind == PlaceKind::Slash && passes_of(area).is_empty() {
                continue;
            }
            if let (
                Some(pass),
                [Act::Rewrite { path: Some(path), query, then: crate::raise::Then::Handle }],
            ) = (&place.area.pass, rule.acts.as_slice())
            {
                // The rewritten path is the one that is sent.
                let keep = matches!(query, crate::ir::Query::Keep);
                let mut path = path.clone();
                if let crate::ir::Query::Replace(query) | crate::ir::Query::Prepend(query) = query
                    && !query.is_empty()
                {
                    path.push(crate::ir::Part::Text("?".into()));
                    query.0.iter().for_each(|part| path.push(part.clone()));
                }
                let keep = keep || matches!(query, crate::ir::Query::Prepend(_));
                let pass =
                    crate::raise::Pass { path: crate::raise::PassPath::Exact(path, keep), ..pass.clone() };
                let rule = Rule { acts: vec![Act::Pass(Box::new(pass))], ..rule.clone() };
                self.rule(&rule, Some(&place.at), &outer, out);
                continue;
            }
            done |= rule.at.is_none()
                && rule.tests.is_empty()
                && rule.acts.iter().any(|act| matches!(act, Act::Reply(_) | Act::Redirect(_)));
            self.rule(rule, Some(&place.at), &outer, out);
        }
        if done || place.kind == PlaceKind::Slash {
            return;
        }
        if let Some(fallback) = &place.area.fallback {
            self.fallback(fallback, &place.at, out);
        }
        let later = after.iter().any(|other| {
            (other.area.pass.is_some() || other.area.fallback.is_some())
                && other.at.meets(&place.at)
                && other.kind != PlaceKind::Slash
        });
        self.place(place, later, out);
        if !self.whole
            && (place.area.settings.files.alias.is_some() || place.area.settings.files.root.is_some())
        {
            self.losses.lose_near(
                place.span,
                self.named(place.span),
                "a folder elsewhere is a virtual directory of the site",
                "`<virtualDirectory>` in applicationHost.config",
            );
        }
    }

    /// Everything beside the sites' own sections.
    pub(super) fn host_file(&mut self, outline: &Outline<'_>, configuration: &mut Element) {
        let mut sites = Element::new("sites");
        let mut locations = Vec::new();
        let mut names: Vec<String> = Vec::new();
        for (at, server) in outline.servers.iter().enumerate() {
            let mut name = site_name(server, at);
            while names.contains(&name) {
                name.push('_');
            }
            names.push(name.clone());
            sites.push(self.bindings(outline, server, &name, at + 1));
            let (content, below) = self.site(outline, server);
            if !content.is_empty() {
                locations.push((name.clone(), content));
            }
            locations.extend(below.into_iter().map(|(path, content)| (format!("{name}/{path}"), content)));
        }
        configuration.push(Element::new("system.applicationHost").holding(sites));
        let passes = passes(outline);
        let mut farms = Element::new("webFarms");
        for id in used_clusters(outline) {
            let cluster = outline.config.cluster(id);
            if cluster.declared {
                let time = outline
                    .servers
                    .iter()
                    .find_map(|server| timeouts(&server.area, id))
                    .and_then(|(_, read)| read);
                let keeps =
                    passes.iter().any(|pass| pass.to == To::Cluster(id) && keeps_host(&pass.head.host));
                let farm = self.farm(cluster, time, keeps);
                if !farms
                    .children
                    .iter()
                    .any(|known: &Element| known.attributes.first() == farm.attributes.first())
                {
                    farms.push(farm);
                }
            }
        }
        if !farms.children.is_empty() {
            configuration.push(farms);
        }
        if !passes.is_empty() {
            let mut proxy = Element::new("proxy").with("enabled", "true");
            let keeps: Vec<bool> = passes.iter().map(|pass| keeps_host(&pass.head.host)).collect();
            if keeps.contains(&true) {
                proxy = proxy.with("preserveHostHeader", "true");
                if keeps.contains(&false) {
                    self.losses.lose(
                        Span::NONE,
                        "`Host` of some upstreams",
                        "IIS keeps the client's `Host` for all of them or for none",
                    );
                }
            }
            let appends = |pass: &&crate::raise::Pass| {
                pass.head.set.iter().any(|(name, _, appended)| *appended && name.is_field(b"x-forwarded-for"))
            };
            if passes.iter().any(&appends) {
                proxy = proxy.with("includePortInXForwardedFor", "false");
                if !passes.iter().all(appends) {
                    self.losses.lose(
                        Span::NONE,
                        "`X-Forwarded-For` of some upstreams",
                        "IIS adds it to all of them or to none",
                    );
                }
            } else {
                proxy = proxy.with("xForwardedForHeaderName", "");
            }
            let mut times: Vec<u64> = Vec::new();
            for server in &outline.servers {
                read_times(&server.area, &mut times);
            }
            times.sort_unstable();
            times.dedup();
            if let Some(longest) = times.last() {
                proxy = proxy.with("timeout", &span_of(*longest));
                if times.len() > 1 {
                    self.losses.lose_near(
                        Span::NONE,
                        "times to wait for upstreams",
                        "the proxy has one for all",
                        format!("the longest, {longest} s, which is written"),
                    );
                }
            }
            configuration.push(Element::new("system.webServer").holding(proxy));
        }
        for (path, content) in locations {
            let inner = Element { children: content, ..Element::new("system.webServer") };
            configuration.push(Element::new("location").with("path", &path).holding(inner));
        }
    }

    fn bindings(&mut self, outline: &Outline<'_>, server: &Server, name: &str, id: usize) -> Element {
        let comments = self.notes.comments(server.span);
        let mut site =
            Element { comments, ..Element::new("site").with("name", name).with("id", &id.to_string()) };
        // What is said of every path is said of the site.
        let places = flattened(&server.area);
        let whole = places.iter().find(|place| place.at.is_any() && !place.at.negated);
        let root = whole.and_then(|place| place.area.settings.files.root.as_ref());
        let root = root.or(server.area.settings.files.root.as_ref());
        let root = root.or(outline.common.settings.files.root.as_ref());
        let root = root.and_then(text_of).unwrap_or_else(|| "%SystemDrive%\\inetpub\\wwwroot".to_owned());
        let mut application = Element::new("application").with("path", "/");
        application.push(Element::new("virtualDirectory").with("path", "/").with("physicalPath", &root));
        for place in flattened(&server.area) {
            let settings = &place.area.settings;
            let folder = match (&settings.files.alias, &settings.files.root) {
                (Some(Some(alias)), _) => text_of(&alias.with),
                (_, Some(root)) => {
                    text_of(root).map(|root| format!("{}{}", root.trim_end_matches('/'), place.at.text))
                }
                _ => continue,
            };
            if place.at.is_any() && settings.files.alias.is_none() {
                continue;
            }
            match (folder, place.at.how) {
                (Some(folder), How::Prefix | How::Under) if place.at.text.len() > 1 => {
                    let path = place.at.text.trim_end_matches('/');
                    if names_file(path) && names_file(folder.trim_end_matches('/')) {
                        self.losses.lose_near(
                            place.span,
                            self.named(place.span),
                            "a virtual directory is a folder, and this looks like a file",
                            "the file in the site's folder, or a rule that rewrites to it",
                        );
                    }
                    application.push(
                        Element::new("virtualDirectory")
                            .with("path", path)
                            .with("physicalPath", folder.trim_end_matches('/')),
                    );
                }
                _ => self.losses.lose(
                    place.span,
                    self.named(place.span),
                    "a virtual directory is a path and a folder",
                ),
            }
        }
        site.push(application);
        let mut bindings = Element::new("bindings");
        let mut hosts: Vec<String> = Vec::new();
        for pattern in &server.names {
            let text = pattern.text.lossy().into_owned();
            match pattern.kind {
                Kind::Exact if text.is_empty() || text == "_" => {}
                Kind::Exact => hosts.push(text),
                Kind::Wildcard if text.starts_with("*.") => hosts.push(text),
                _ => self.losses.lose_near(
                    server.span,
                    format!("the name `{text}`"),
                    "a binding has a name, or `*.` before one",
                    "a condition on {HTTP_HOST}",
                ),
            }
        }
        let default = server.listens.iter().any(|listen| listen.default && listen.shared);
        if hosts.is_empty() || default {
            hosts.insert(0, String::new());
        }
        let mut done = Vec::new();
        for listen in &server.listens {
            let Address::Tcp(address) = &listen.address else {
                self.losses.lose(listen.span, "a socket of the file system", "IIS listens on TCP alone");
                continue;
            };
            if !listen.default && !listen.shared && hosts.len() == 1 && hosts[0].is_empty() {
                // The only one there is.
            }
            let ip = match address.ip() {
                ip if ip.is_unspecified() => "*".to_owned(),
                std::net::IpAddr::V6(ip) => format!("[{ip}]"),
                std::net::IpAddr::V4(ip) => ip.to_string(),
            };
            for host in &hosts {
                // An address is no name in a binding: its own is on the left.
                if host.contains([':', '[', ']', '/']) {
                    self.losses.lose(
                        listen.span,
                        format!("the name {host}"),
                        "a binding has names of hosts alone",
                    );
                    continue;
                }
                let information = format!("{ip}:{}:{host}", address.port());
                if done.contains(&information) {
                    continue;
                }
                if self.bound.contains(&information) {
                    self.losses.lose(
                        listen.span,
                        format!("the binding {information}"),
                        "another site has it, and IIS knows one site for each",
                    );
                    continue;
                }
                self.bound.push(information.clone());
                let protocol = if listen.tls { "https" } else { "http" };
                let mut binding = Element::new("binding")
                    .with("protocol", protocol)
                    .with("bindingInformation", &information);
                if listen.tls && !host.is_empty() {
                    binding = binding.with("sslFlags", "1");
                }
                bindings.push(binding);
                done.push(information);
            }
            if listen.tls {
                let files: Vec<_> = server
                    .tls
                    .iter()
                    .flat_map(|tls| &tls.certificates)
                    .map(|(file, ..)| file.display().to_string())
                    .collect();
                self.losses.lose_near(
                    listen.span,
                    format!("the certificate {}", files.join(", ")),
                    "a binding takes its certificate from the store of Windows",
                    "`netsh http add sslcert` after importing it",
                );
            }
        }
        if bindings.children.is_empty() {
            // A site without one would not start.
            let information = format!("*:80:site{id}");
            bindings.push(
                Element::new("binding").with("protocol", "http").with("bindingInformation", &information),
            );
        }
        site.push(bindings);
        site
    }

    fn farm(&mut self, cluster: &Cluster, time: Option<u64>, keeps_host: bool) -> Element {
        let Cluster {
            name,
            declared: _,
            balance,
            idle: _,
            shared: _,
            resolve: _,
            affinity,
            queue,
            watches,
            endpoints,
            group,
            span,
        } = cluster;
        for (there, what) in [
            (affinity.is_some(), "sessions that stay on an endpoint"),
            (queue.is_some(), "requests that wait for an endpoint"),
            (!watches.is_empty(), "looking at the health of endpoints"),
        ] {
            if there {
                let what = format!("{what} in `{}`", name.lossy());
                self.losses.lose(
                    *span,
                    what,
                    "a farm says it in another way: see its affinity and health check",
                );
            }
        }
        let comments = self.notes.comments(*span);
        let mut farm = Element {
            comments,
            ..Element::new("webFarm").with("name", &farm_name(&name.lossy())).with("enabled", "true")
        };
        let mut weighted = false;
        for endpoint in endpoints {
            let Endpoint {
                address,
                default_port,
                weight,
                max_connections,
                max_fails: _,
                fail_timeout: _,
                role,
                resolve: _,
                service,
                slow_start,
                draining,
                route,
                member,
                span,
            } = endpoint;
            if !slow_start.is_zero() || *draining || !route.is_empty() {
                let what = format!("what is said of sessions and the share of {}", address.lossy());
                self.losses.lose(*span, what, "a farm says it in another way: see its affinity");
            }
            if let Some(service) = service {
                let what = format!("the service {service}");
                self.losses.lose(*span, what, "a farm looks up addresses, not the records of services");
            }
            let text = address.lossy().into_owned();
            if text.starts_with("unix:") {
                self.losses.lose(*span, format!("the endpoint {text}"), "a server of a farm is a machine");
                continue;
            }
            let (host, port) = match text.rsplit_once(':') {
                Some((host, port)) if port.parse::<u16>().is_ok() => {
                    (host.to_owned(), port.parse().unwrap_or(80))
                }
                _ => (text.clone(), if *default_port == 0 { 80 } else { *default_port }),
            };
            let known = |server: &Element| server.attributes.first().is_some_and(|(_, name)| *name == host);
            if farm.children.iter().any(known) {
                self.losses.lose_near(
                    *span,
                    format!("the endpoint {text}"),
                    "a farm knows its servers by their addresses, one port for each",
                    "another name of the machine in its hosts file",
                );
                continue;
            }
            let spare = *role == Role::Backup
                || member.as_ref().is_some_and(|member| member.duty != Duty::Active || member.set > 0);
            if spare {
                self.losses.lose_near(
                    *span,
                    format!("the spare endpoint {text}"),
                    "all servers of a farm take requests",
                    "a server that is disabled, as it is written",
                );
            }
            if *max_connections > 0 {
                self.losses.lose(
                    *span,
                    "a limit of connections to an endpoint",
                    "a server of a farm has none",
                );
            }
            let down = *role == Role::Down
                || spare
                || member.as_ref().is_some_and(|member| member.state.disabled || member.state.stopped);
            let mut server = Element {
                comments: self.notes.comments(*span),
                ..Element::new("server")
                    .with("address", &host)
                    .with("enabled", if down { "false" } else { "true" })
            };
            let mut routing = Element::new("applicationRequestRouting");
            let factor = member.as_ref().map_or(*weight, |member| member.factor);
            let usual = if member.is_some() { 100 } else { 1 };
            if factor != usual {
                weighted = true;
                routing =
                    routing.with("weight", &(factor * if member.is_some() { 1 } else { 100 }).to_string());
            }
            let tls = member.as_ref().is_some_and(|member| member.tls);
            if port != if tls { 443 } else { 80 } {
                routing = routing.with(if tls { "httpsPort" } else { "httpPort" }, &port.to_string());
            }
            if !routing.attributes.is_empty() {
                server.push(routing);
            }
            farm.push(server);
        }
        let _ = weighted;
        let algorithm = match (balance, group.as_deref().map(|group| group.share)) {
            (crate::ir::Balance::LeastConnections, None) | (_, Some(Share::Busyness)) => {
                Some("LeastRequests")
            }
            (_, Some(Share::Traffic)) => Some("WeightedTotalTraffic"),
            (_, Some(Share::Latency)) => Some("LeastResponseTime"),
            (crate::ir::Balance::RoundRobin, None) | (_, Some(Share::Requests)) => Some("WeightedRoundRobin"),
            _ => {
                self.losses.lose_near(
                    *span,
                    format!("the choice of an endpoint in `{}`", name.lossy()),
                    "it is by a key of the request",
                    "affinity by a cookie",
                );
                None
            }
        };
        let mut routing = Element::new("applicationRequestRouting");
        let mut protocol = Element::new("protocol");
        if let Some(time) = time {
            protocol = protocol.with("timeout", &span_of(time));
        }
        if !keeps_host {
            protocol = protocol.with("preserveHostHeader", "false");
        }
        protocol = protocol.with("includePortInXForwardedFor", "false");
        routing.push(protocol);
        if let Some(algorithm) = algorithm {
            routing.push(Element::new("loadBalancing").with("algorithm", algorithm));
        }
        if let Some(sticky) = group.as_ref().and_then(|group| group.sticky.as_ref()) {
            self.losses.lose_near(
                *span,
                format!("sessions by `{}`", sticky.cookie.lossy()),
                "a farm keeps sessions by a cookie of its own",
                "`<affinity useCookie=\"true\" />`",
            );
        }
        farm.push(routing);
        farm
    }
}

/// Whether a place has a rule that ends the rules.
fn stops(place: &Place) -> bool {
    place.area.pass.is_some()
        || place.area.items.iter().any(|item| matches!(item, Item::Rule(rule) if rule.at.is_none() && rule.tests.is_empty() && rule.acts.iter().any(|act| matches!(act, Act::Reply(_) | Act::Redirect(_)))))
}

fn merge(_rules: &mut [Element], locations: &mut Vec<(String, Vec<Element>)>, elements: Vec<Element>) {
    locations.push((String::new(), elements));
}

/// The path of a `<location>`.
fn location(at: &Match) -> Option<String> {
    if at.negated || at.ignore_case && at.how == How::Regex {
        return None;
    }
    match at.how {
        How::Exact | How::Under | How::Prefix => Some(at.text.trim_matches('/').to_owned()),
        How::Regex | How::FileName => None,
    }
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

fn site_name(server: &Server, at: usize) -> String {
    let name = server
        .names
        .iter()
        .map(|name| name.text.lossy().into_owned())
        .find(|name| !name.is_empty() && name != "_");
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    match name {
        Some(name) if name.chars().all(plain) => name,
        _ if at == 0 => "Default Web Site".to_owned(),
        _ => format!("Site {}", at + 1),
    }
}

fn read_times(area: &Area, out: &mut Vec<u64>) {
    out.extend(area.settings.http.read_timeout.map(crate::raise::seconds));
    out.extend(area.pass.as_ref().and_then(|pass| pass.settings.read_timeout).map(crate::raise::seconds));
    for item in &area.items {
        if let Item::Place(place) = item {
            read_times(&place.area, out);
        }
    }
}

fn span_of(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let time = format!("{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    if days > 0 { format!("{days}.{time}") } else { time }
}

/// Whether a path ends as the names of files do: with a dot and letters.
fn names_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.rsplit_once('.').is_some_and(|(_, ending)| {
        (1..=5).contains(&ending.len()) && ending.bytes().all(|byte| byte.is_ascii_alphabetic())
    })
}
