//! Settings of a place as the sections of `system.webServer`.

use super::{Render, element::Element, value::Names};
use crate::{
    ir::{
        AddressRange, Change, Edit, Expiry, Part, Recovery, RecoveryStatus, RecoveryTarget, Settings, Text,
    },
    raise::{Clients, Response, Who, responses, text_of, who},
    source::Span,
};

/// What the sections of a place say.
#[derive(Debug, Default)]
pub(super) struct Sections {
    pub(super) max_length: Option<u64>,
    pub(super) listing: Option<bool>,
    pub(super) compressed: Option<bool>,
    types: Vec<(String, String)>,
    index: Option<Vec<String>>,
    errors: Vec<Element>,
    headers: Vec<Element>,
    cache: Option<Element>,
    addresses: Option<Element>,
    pub(super) outbound: Vec<Element>,
}

impl Sections {
    /// The elements, in the order of the schema.
    pub(super) fn elements(self, inner: bool) -> Vec<Element> {
        let Self {
            max_length,
            listing,
            compressed,
            types,
            index,
            errors,
            headers,
            cache,
            addresses,
            outbound: _,
        } = self;
        let mut out = Vec::new();
        if let Some(names) = index {
            let mut files = Element::new("files").holding(Element::new("clear"));
            names.iter().for_each(|name| files.push(Element::new("add").with("value", name)));
            out.push(Element::new("defaultDocument").with("enabled", "true").holding(files));
        }
        if let Some(on) = listing {
            out.push(Element::new("directoryBrowse").with("enabled", flag(on)));
        }
        if !errors.is_empty() {
            out.push(Element { children: errors, ..Element::new("httpErrors").with("errorMode", "Custom") });
        }
        if !headers.is_empty() {
            // What is said of a path takes the place of what is said around it.
            let mut list = Element::new("customHeaders");
            if inner {
                list.push(Element::new("clear"));
            }
            list.children.extend(headers);
            out.push(Element::new("httpProtocol").holding(list));
        }
        if let Some(on) = compressed {
            out.push(
                Element::new("urlCompression")
                    .with("doStaticCompression", flag(on))
                    .with("doDynamicCompression", flag(on)),
            );
        }
        if cache.is_some() || !types.is_empty() {
            let mut content = Element::new("staticContent");
            for (extension, kind) in types {
                content.push(Element::new("remove").with("fileExtension", &extension));
                content
                    .push(Element::new("mimeMap").with("fileExtension", &extension).with("mimeType", &kind));
            }
            content.children.extend(cache);
            out.push(content);
        }
        if max_length.is_some() || addresses.is_some() {
            let mut security = Element::new("security");
            security.children.extend(addresses.map(|mut list| {
                // The entries of the path around it are there already.
                if inner {
                    list.children.insert(0, Element::new("clear"));
                }
                list
            }));
            if let Some(bytes) = max_length {
                let bytes = if bytes == 0 { u64::from(u32::MAX) } else { bytes.min(u64::from(u32::MAX)) };
                let limits =
                    Element::new("requestLimits").with("maxAllowedContentLength", &bytes.to_string());
                security.push(Element::new("requestFiltering").holding(limits));
            }
            out.push(security);
        }
        out
    }
}

fn flag(on: bool) -> &'static str {
    if on { "true" } else { "false" }
}

impl Render<'_, '_> {
    pub(super) fn types(&mut self, types: &[(Text, Text)], span: Span) {
        if types.len() > 40 {
            self.losses.remark(span, "the list of types", "IIS's own list takes its place");
            return;
        }
        self.into.types = types
            .iter()
            .map(|(extension, kind)| (format!(".{}", extension.lossy()), kind.lossy().into_owned()))
            .collect();
    }

    pub(super) fn index(&mut self, settings: &Settings, span: Span) {
        let Some(index) = &settings.files.index else { return };
        let names: Vec<_> = index.iter().filter_map(text_of).collect();
        if names.len() < index.len() {
            self.losses.lose(span, "an index with variables", "`defaultDocument` has names only");
        }
        let below = |name: &String| {
            !name.starts_with(['/', '\\']) && name.split(['/', '\\']).all(|part| part != "..")
        };
        let (names, elsewhere): (Vec<_>, Vec<_>) = names.into_iter().partition(below);
        for name in elsewhere {
            let what = format!("the index `{name}`");
            self.losses.lose(span, what, "a default document is a file in the folder or below it");
        }
        self.into.index = Some(names);
    }

    pub(super) fn who(&mut self, settings: &Settings, span: Span) {
        let Who { clients, users, credentials, either: _, more } = who(self.config, &settings.access);
        if users.is_some() || credentials.is_some() {
            self.losses.lose_near(
                span,
                "users and their passwords",
                "IIS knows the users of Windows, not those of a file",
                "`<basicAuthentication enabled=\"true\" />` with accounts of the machine",
            );
        }
        if more {
            self.losses.lose(
                span,
                "a requirement on who may",
                "it has no word in the target; nobody may instead",
            );
        }
        let (unlisted, rules): (bool, Vec<(AddressRange, bool)>) = match clients {
            _ if more => (false, Vec::new()),
            None | Some(Clients::All) => return,
            Some(Clients::None) => (false, Vec::new()),
            Some(Clients::Only(ranges)) => (false, ranges.into_iter().map(|range| (range, true)).collect()),
            Some(Clients::But(ranges)) => (true, ranges.into_iter().map(|range| (range, false)).collect()),
            Some(Clients::Rules(rules)) => {
                let last = rules
                    .iter()
                    .rev()
                    .find(|(range, _)| *range == AddressRange::All)
                    .is_none_or(|(_, allowed)| *allowed);
                (last, rules.into_iter().filter(|(range, _)| *range != AddressRange::All).collect())
            }
        };
        let mut list = Element::new("ipSecurity").with("allowUnlisted", flag(unlisted));
        for (range, allowed) in rules {
            let AddressRange::Network(address, bits) = range else {
                self.losses.lose(span, "clients on sockets of the file system", "IIS has none");
                continue;
            };
            let mut element = Element::new("add").with("ipAddress", &address.to_string());
            match address {
                std::net::IpAddr::V4(_) if bits < 32 => {
                    let mask = if bits == 0 { 0 } else { u32::MAX << (32 - u32::from(bits)) };
                    element = element.with("subnetMask", &std::net::Ipv4Addr::from(mask).to_string());
                }
                std::net::IpAddr::V6(_) if bits < 128 => {
                    let mask = if bits == 0 { 0 } else { u128::MAX << (128 - u32::from(bits)) };
                    element = element.with("subnetMask", &std::net::Ipv6Addr::from(mask).to_string());
                }
                _ => {}
            }
            // The first of an address decides.
            let known = |one: &Element| {
                one.attributes.iter().filter(|(name, _)| name != "allowed").eq(&element.attributes)
            };
            if list.children.iter().any(known) {
                continue;
            }
            list.push(element.with("allowed", flag(allowed)));
        }
        self.into.addresses = Some(list);
    }

    /// Pages of errors.
    pub(super) fn errors(&mut self, settings: &Settings, span: Span) {
        let Some(errors) = &settings.answer.errors else { return };
        for Recovery { statuses, status, to } in errors {
            let statuses = &crate::raise::statuses(self.config, statuses);
            let shown: Vec<_> = statuses.iter().map(u16::to_string).collect();
            let (what, at) = self.notes.setting("answer.errors", span);
            let what = format!("{what} for {}", shown.join(", "));
            let path = match to {
                RecoveryTarget::Redirect(path) => text_of(path),
                RecoveryTarget::Enter(_) | RecoveryTarget::Text(_) | RecoveryTarget::Page => None,
            };
            let Some(path) = path else {
                self.losses.lose_near(
                    at,
                    what,
                    "a page of `httpErrors` is a file, a path or a redirect",
                    "a file with the page",
                );
                continue;
            };
            if *status != RecoveryStatus::Keep {
                self.losses.lose(at, format!("{what}: another status"), "`httpErrors` keeps the status");
            }
            for status in statuses.iter().filter(|status| (400..=999).contains(*status)) {
                let mode = if path.starts_with('/') { "ExecuteURL" } else { "Redirect" };
                let status = status.to_string();
                self.into
                    .errors
                    .push(Element::new("remove").with("statusCode", &status).with("subStatusCode", "-1"));
                self.into.errors.push(
                    Element::new("error")
                        .with("statusCode", &status)
                        .with("path", &path)
                        .with("responseMode", mode),
                );
            }
            if statuses.iter().any(|status| *status < 400) {
                self.losses.lose(at, what, "`httpErrors` speaks of statuses from 400 on");
            }
        }
    }

    /// What responses get.
    pub(super) fn fields(&mut self, settings: &Settings, span: Span) {
        let Some(blocks) = &settings.answer.on_response else { return };
        let (edits, others) = responses(blocks, span);
        for at in others {
            self.losses.lose(at, "what is done when the answer is known", "it is no edit of a field");
        }
        for Response { tests, always: _, edit, span } in edits {
            let usual = |test: &crate::ir::Test| {
                matches!(test, crate::ir::Test::Status(statuses) if statuses.contains(&200))
                    || matches!(test, crate::ir::Test::Truthy(template) if matches!(template.0.as_slice(), [Part::Var(_)]))
            };
            let tests: Vec<_> = tests.into_iter().filter(|test| !usual(test)).collect();
            let (name, value) = match &edit {
                Edit::Add(name, value) | Edit::Set(name, value) | Edit::Append(name, value) => {
                    (name, Some(value))
                }
                Edit::Remove(name) => (name, None),
                Edit::Field { name, change, .. } => match change {
                    Change::Set(value)
                    | Change::Add(value)
                    | Change::Append(value)
                    | Change::Merge(value)
                    | Change::SetMissing(value) => (name, Some(value)),
                    Change::Remove => (name, None),
                    Change::Replace { .. } | Change::Keep(_) => {
                        self.losses.lose_near(
                            span,
                            self.named(span),
                            "`customHeaders` changes no value",
                            "an outbound rule",
                        );
                        continue;
                    }
                },
                Edit::Expires(expiry) => {
                    self.expires(expiry, span);
                    continue;
                }
                Edit::Lifetime { seconds, .. } => {
                    if tests.is_empty() {
                        self.into.cache = Some(max_age(*seconds));
                    } else {
                        self.losses.lose_near(
                            span,
                            self.named(span),
                            "IIS keeps one lifetime for all types",
                            "`clientCache`",
                        );
                    }
                    continue;
                }
                _ => {
                    self.losses.lose(span, self.named(span), "`customHeaders` cannot do this");
                    continue;
                }
            };
            let name = name.lossy().into_owned();
            let comments = self.notes.comments(span);
            match value.map(|value| (text_of(value), value)) {
                None => {
                    self.into
                        .headers
                        .push(Element { comments, ..Element::new("remove").with("name", &name) });
                }
                Some((Some(text), _)) if tests.is_empty() => {
                    // A field has one line: several values are a list (RFC 9110 § 5.3).
                    let own = |element: &Element| {
                        element.name == "add" && element.attributes[0].1.eq_ignore_ascii_case(&name)
                    };
                    if let Some(known) = self.into.headers.iter_mut().find(|element| own(element)) {
                        let value = &mut known.attributes[1].1;
                        *value = format!("{value}, {text}");
                        continue;
                    }
                    self.into.headers.push(Element {
                        comments,
                        ..Element::new("add").with("name", &name).with("value", &text)
                    });
                }
                Some((_, value)) => {
                    // A value that depends on the request is that of an outbound rule.
                    let names = Names::of(self.config, self.assigned, None);
                    let conditions = names.conditions(&tests);
                    match (names.value(value), conditions) {
                        (Ok(value), Ok((conditions, false))) => {
                            let variable =
                                format!("RESPONSE_{}", name.to_ascii_uppercase().replace('-', "_"));
                            let mut rule = Element {
                                comments,
                                ..Element::new("rule").with("name", &format!("Header {name}"))
                            };
                            rule.push(
                                Element::new("match").with("serverVariable", &variable).with("pattern", ".*"),
                            );
                            if !conditions.is_empty() {
                                rule.push(Element { children: conditions, ..Element::new("conditions") });
                            }
                            rule.push(Element::new("action").with("type", "Rewrite").with("value", &value));
                            self.into.outbound.push(rule);
                        }
                        (Err(why), _) | (_, Err(why)) => self.losses.lose(span, self.named(span), why),
                        (Ok(_), Ok(_)) => self.losses.lose(span, self.named(span), "alternatives on a field"),
                    }
                }
            }
        }
    }

    fn expires(&mut self, expiry: &Expiry, span: Span) {
        self.into.cache = match expiry {
            Expiry::FromNow(seconds) | Expiry::FromModified(seconds) if *seconds >= 0 => {
                Some(max_age(*seconds))
            }
            Expiry::FromNow(_) | Expiry::FromModified(_) | Expiry::Epoch => {
                Some(Element::new("clientCache").with("cacheControlMode", "DisableCache"))
            }
            Expiry::Max => Some(max_age(315_360_000)),
            Expiry::Off => Some(Element::new("clientCache").with("cacheControlMode", "NoControl")),
            Expiry::Daily(_) | Expiry::Read(_) | Expiry::ReadFromModified(_) => {
                self.losses.lose_near(
                    span,
                    self.named(span),
                    "it is known only when it is read",
                    "`clientCache`",
                );
                None
            }
        };
    }
}

fn max_age(seconds: i64) -> Element {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let text = format!("{days}.{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    Element::new("clientCache").with("cacheControlMode", "UseMaxAge").with("cacheControlMaxAge", &text)
}
