//! What is legal and probably not meant: one file per lint, over the IR, so that each holds for every language that
//! can express the fault.
//!
//! A lint has a code, says what it is about and why, how to put it right, and brings texts on which it fires and on
//! which it does not: those are its tests, and its page in `docs/lints.md`. Lints that need the text as it is written
//! are the languages' own; what they mean is explained here with the others.

use std::collections::BTreeSet;

use crate::{
    diagnostic::{Diagnostic, Severity},
    ir::{
        Attr, Block, Change, Config, Edit, Forward, Handler, Host, HostId, Listener, Name, Part, Protocol,
        Step, Template, Upgrade, Upstream, VarId,
        settings::Forwarding,
        walk::{self, Item},
    },
    source::Span,
};

mod access_rule_unreachable;
mod administration_open;
mod alias_traversal;
mod allow_without_deny;
mod always_upgrade;
mod any_origin_with_credentials;
mod ask;
mod catch_all_before_websocket;
mod checkout_served;
mod client_chosen_upstream;
mod connection_without_upgrade;
mod constant_key;
mod cookie_not_secure;
mod default_host_by_accident;
mod endpoint_twice;
mod field_misspelled;
mod fields_lost;
mod forwards_to_itself;
mod gate_by_referer;
mod hsts_weak;
mod hsts_without_tls;
mod limit_by_client_field;
mod line_break_in_field;
mod listing_of_system;
mod no_active_endpoint;
mod open_redirect;
mod own;
mod page;
mod password_without_tls;
mod recovery_of_itself;
mod redirect_to_itself;
mod regex_blows_up;
mod retry_with_one_endpoint;
mod same_test_twice;
mod scenes;
mod secret_in_log;
mod settings_dropped;
mod shared_private_answers;
mod slash_mismatch;
mod spoofed_host;
mod status_open;
mod system_folder_served;
mod timeout_too_short;
mod trusts_every_proxy;
mod unanchored_host;
mod unlimited_content;
mod unreachable_route;
mod unreachable_rule;
mod upgrade_in_one_of_two;
mod upgrade_over_old_http;
mod upgrade_without_connection;
mod upstream_not_verified;
mod version_told;
mod websocket_extensions_hidden;
mod websocket_host_changed;
mod websocket_idle_timeout;
mod websocket_key_changed;
mod websocket_path_without_upgrade;

pub use page::{explain, page};
pub use scenes::Scene;

/// A lint.
#[derive(Debug)]
pub struct Lint {
    /// Stable, kebab-case.
    pub code: &'static str,
    /// What is wrong, in a sentence.
    pub what: &'static str,
    /// What comes of it.
    pub why: &'static str,
    /// What to write.
    pub fix: &'static str,
    /// Texts on which it fires, each in the language that it is recognised as.
    pub bad: &'static [&'static str],
    /// Texts on which it does not.
    pub good: &'static [&'static str],
    /// Looks; `None` where a language looks itself.
    pub look: Option<fn(&Context<'_>, &mut Vec<Diagnostic>)>,
}

/// All lints over the IR, by code.
pub const ALL: &[&Lint] = &[
    &access_rule_unreachable::LINT,
    &administration_open::LINT,
    &alias_traversal::LINT,
    &allow_without_deny::LINT,
    &always_upgrade::LINT,
    &any_origin_with_credentials::LINT,
    &catch_all_before_websocket::LINT,
    &checkout_served::LINT,
    &client_chosen_upstream::LINT,
    &connection_without_upgrade::LINT,
    &constant_key::LINT,
    &cookie_not_secure::LINT,
    &default_host_by_accident::LINT,
    &endpoint_twice::LINT,
    &field_misspelled::LINT,
    &fields_lost::LINT,
    &forwards_to_itself::LINT,
    &gate_by_referer::LINT,
    &hsts_weak::LINT,
    &hsts_without_tls::LINT,
    &limit_by_client_field::LINT,
    &line_break_in_field::LINT,
    &listing_of_system::LINT,
    &no_active_endpoint::LINT,
    &open_redirect::LINT,
    &password_without_tls::LINT,
    &recovery_of_itself::LINT,
    &redirect_to_itself::LINT,
    &regex_blows_up::LINT,
    &retry_with_one_endpoint::LINT,
    &same_test_twice::LINT,
    &secret_in_log::LINT,
    &settings_dropped::LINT,
    &shared_private_answers::LINT,
    &slash_mismatch::LINT,
    &spoofed_host::LINT,
    &status_open::LINT,
    &system_folder_served::LINT,
    &timeout_too_short::LINT,
    &trusts_every_proxy::LINT,
    &unanchored_host::LINT,
    &unlimited_content::LINT,
    &unreachable_route::LINT,
    &unreachable_rule::LINT,
    &upgrade_in_one_of_two::LINT,
    &upgrade_over_old_http::LINT,
    &upgrade_without_connection::LINT,
    &upstream_not_verified::LINT,
    &version_told::LINT,
    &websocket_extensions_hidden::LINT,
    &websocket_host_changed::LINT,
    &websocket_idle_timeout::LINT,
    &websocket_key_changed::LINT,
    &websocket_path_without_upgrade::LINT,
];

/// Lints that languages have of their own.
pub use own::OWN;

/// Looks at a configuration with all lints.
pub fn look(config: &Config) -> Vec<Diagnostic> {
    let cx = Context::of(config);
    let mut found = Vec::new();
    for lint in ALL {
        if let Some(look) = lint.look {
            look(&cx, &mut found);
        }
    }
    // One line that became several routes, or a host that became two, is one fault.
    let mut said = BTreeSet::new();
    found.retain(|one| {
        let place = one.labels.first().filter(|label| label.span.is_known());
        place.is_none_or(|label| said.insert((one.code, label.span.file, label.span.start, label.span.end)))
    });
    found
}

/// A configuration, ready to be looked at.
#[derive(Debug)]
pub struct Context<'c> {
    /// The configuration.
    pub config: &'c Config,
    /// Every block that brings settings.
    pub scenes: Vec<Scene<'c>>,
}

impl<'c> Context<'c> {
    /// The host of a scene.
    pub fn host(&self, scene: &Scene<'_>) -> &'c Host {
        self.config.host(scene.host)
    }

    /// The listeners that a host is reached by.
    pub fn listeners(&self, host: HostId) -> impl Iterator<Item = &'c Listener> {
        self.config.listeners.iter().filter(move |listener| listener.hosts.contains(&host))
    }

    /// Whether a host is reached over TLS at all, and whether only so.
    pub fn tls(&self, host: HostId) -> (bool, bool) {
        let mut listeners = self.listeners(host).peekable();
        let some = listeners.peek().is_some();
        let (mut any, mut all) = (false, true);
        for listener in listeners {
            any |= listener.tls;
            all &= listener.tls;
        }
        (any, some && all)
    }

    /// A setting for HTTP in force in a scene.
    pub fn http<T: Clone>(&self, scene: &Scene<'_>, of: impl Fn(&Forwarding) -> Option<T>) -> Option<T> {
        of(&scene.set.http).or_else(|| of(&self.config.base.http))
    }

    /// Scenes that forward over HTTP themselves.
    pub fn forwards(&self) -> impl Iterator<Item = (&Scene<'c>, &'c Forward)> {
        self.scenes.iter().filter_map(|scene| match scene.own.handler.as_ref()? {
            Handler::Forward(forward) if forward.protocol == Protocol::Http => Some((scene, forward)),
            _ => None,
        })
    }

    /// The ways that a forward may go, where `WebSockets` are passed on by the server itself and something says that they
    /// come: a member that is told to, or a path that is called so.
    pub fn socket_ways(&self, scene: &Scene<'c>, forward: &'c Forward) -> Vec<Way<'c>> {
        let switch = self.switch(scene);
        let mut all = Vec::new();
        for (url, span) in self.urls(scene, forward) {
            let text = |part: &'c Part| match part {
                Part::Text(text) => Some(text),
                _ => None,
            };
            let Some(text) = url.0.first().and_then(text) else { continue };
            let member = ask::member_of(self.config, text);
            let told = ask::speaks_ws(&url.0[0])
                || member.is_some_and(|member| {
                    member.settings.upgrade.as_ref().is_some_and(|upgrade| *upgrade != Upgrade::Never)
                        || member.url.starts_with(b"ws")
                });
            let path = memchr::memmem::find(text, b"://").map_or(&text[..0], |at| {
                let rest = &text[at + 3..];
                memchr::memchr(b'/', rest).map_or(&rest[..0], |slash| &rest[slash..])
            });
            let named = switch.own && ask::names_socket_path(path);
            if told || named {
                all.push(Way { settings: member.map(|member| &member.settings), told, span });
            }
        }
        if let Upstream::Dynamic(url) | Upstream::Url(url) = &forward.to
            && let Some(var) = first_var(url).filter(|_| switch.own && all.is_empty())
        {
            // A rule for such paths that sets where it goes.
            let mut visit = |item: Item<'c>, span: Span| {
                if let Item::Step(Step::When { test, then, .. }) = item
                    && ask::asks_socket(test)
                    && then
                        .steps
                        .iter()
                        .any(|(step, _)| matches!(step, Step::Assign { var: to, .. } if *to == var))
                {
                    all.push(Way { settings: None, told: false, span });
                }
            };
            walk::block(&self.host(scene).request, false, &mut visit);
        }
        all
    }

    /// The URLs that a forward may go to, each with its place: what is written there, or to the variable that it reads.
    pub fn urls(&self, scene: &Scene<'c>, forward: &'c Forward) -> Vec<(&'c Template, Span)> {
        let url = match &forward.to {
            Upstream::Dynamic(url) | Upstream::Url(url) => url,
            Upstream::Cluster(_) => return Vec::new(),
        };
        let Some(var) = first_var(url) else { return vec![(url, scene.block.span)] };
        let mut all = Vec::new();
        let mut visit = |item: Item<'c>, span: Span| {
            if let Item::Step(Step::Assign { var: to, value }) = item
                && *to == var
            {
                all.push((value, if span.is_known() { span } else { scene.block.span }));
            }
        };
        walk::block(scene.block, false, &mut visit);
        if all.is_empty() {
            let mut visit = |item: Item<'c>, span: Span| {
                if let Item::Step(Step::Assign { var: to, value }) = item
                    && *to == var
                {
                    all.push((value, span));
                }
            };
            walk::block(&self.host(scene).request, false, &mut visit);
        }
        all
    }

    /// What becomes of a request that asks for a switch.
    pub fn switch(&self, scene: &Scene<'_>) -> Switch {
        let upgrade = self.http(scene, |http| http.upgrade.clone()).unwrap_or_default();
        let edits = self.http(scene, |http| http.edits.clone()).unwrap_or_default();
        let version = self.http(scene, |http| http.version).unwrap_or(11);
        let text = |name: &str| {
            edits.iter().find_map(|edit| match edit {
                Edit::Set(known, value) | Edit::Add(known, value) if known.is_field(name.as_bytes()) => {
                    Some(value.clone())
                }
                _ => None,
            })
        };
        Switch {
            allowed: upgrade != Upgrade::Never,
            own: edits.iter().any(|edit| matches!(edit, Edit::Switch(_))),
            upgrade: text("Upgrade").filter(|value| !value.is_empty()),
            connection: text("Connection").filter(|value| !value.is_empty()),
            // As the client asked, where that is what is said.
            modern: version == 11 || version == 0,
        }
    }
}

/// A way that `WebSockets` go.
#[derive(Clone, Copy, Debug)]
pub struct Way<'c> {
    /// What is said for the member alone.
    pub settings: Option<&'c Forwarding>,
    /// Whether it is told to pass them on by itself.
    pub told: bool,
    /// Where it is written.
    pub span: Span,
}

/// What is said of a switch of protocols to an upstream.
#[derive(Clone, Debug)]
pub struct Switch {
    /// Whether a 101 may become a tunnel.
    pub allowed: bool,
    /// Whether the server passes the request for it on by itself.
    pub own: bool,
    /// What `Upgrade` is written to say.
    pub upgrade: Option<Template>,
    /// What `Connection` is written to say.
    pub connection: Option<Template>,
    /// Whether the request is one of HTTP/1.1.
    pub modern: bool,
}

impl Switch {
    /// Whether the upstream learns of it.
    pub fn passes(&self) -> bool {
        let connection = self.connection.as_ref().is_some_and(|value| !is_word(value, "close"));
        self.allowed && self.modern && (self.own || (self.upgrade.is_some() && connection))
    }
}

/// Fields that a block of response steps adds or sets.
pub fn response_fields<'c>(block: &'c Block, into: &mut Vec<(&'c Name, &'c Template)>) {
    for (step, _) in &block.steps {
        match step {
            Step::Do(inner) => response_fields(inner, into),
            Step::When { then, otherwise, .. } => {
                response_fields(then, into);
                response_fields(otherwise, into);
            }
            step => into.extend(field_value(step)),
        }
    }
}

/// The field that a response step gives a value, and the value.
fn field_value(step: &Step) -> Option<(&Name, &Template)> {
    match step {
        Step::Edit(
            Edit::Set(name, value)
            | Edit::Add(name, value)
            | Edit::Field {
                name,
                change:
                    Change::Set(value)
                    | Change::SetMissing(value)
                    | Change::Add(value)
                    | Change::Append(value)
                    | Change::Merge(value),
                ..
            },
        ) => Some((name, value)),
        _ => None,
    }
}

/// Whether a value is the path, perhaps in another form.
pub fn speaks_of_path(subject: &Template) -> bool {
    match &*subject.0 {
        [Part::Attr(Attr::Path | Attr::Target)] => true,
        [Part::Escape(_, of) | Part::Rest { of, .. }] => speaks_of_path(of),
        _ => false,
    }
}

/// The variable that a value begins with.
fn first_var(value: &Template) -> Option<VarId> {
    match value.0.first()? {
        Part::Var(var) => Some(*var),
        Part::Escape(_, inner) => first_var(inner),
        _ => None,
    }
}

/// Whether a value is this word, without regard to case.
pub fn is_word(value: &Template, word: &str) -> bool {
    value.as_text().is_some_and(|text| text.eq_ignore_ascii_case(word.as_bytes()))
}

/// Whether a value is a text that holds another, without regard to case.
pub fn holds(value: &Template, text: &str) -> bool {
    value
        .as_text()
        .is_some_and(|all| all.to_ascii_lowercase().windows(text.len()).any(|part| part == text.as_bytes()))
}

/// Whether the client chooses what an attribute is.
pub fn is_chosen(attr: &Attr) -> bool {
    matches!(
        attr,
        Attr::Field(_)
            | Attr::FieldList(_)
            | Attr::Param(_)
            | Attr::Cookie(_)
            | Attr::Query
            | Attr::Host
            | Attr::Authority
            | Attr::Path
            | Attr::Target
    )
}

/// Whether a value is made of what the client chooses, at its beginning.
pub fn begins_chosen(value: &Template) -> bool {
    match value.0.first() {
        Some(Part::Attr(attr)) => is_chosen(attr),
        Some(Part::Escape(_, inner)) => begins_chosen(inner),
        _ => false,
    }
}

/// What a URL's authority is made of: the parts between `//` and the next `/`.
pub fn authority(url: &Template) -> Vec<&Part> {
    let mut parts = url.0.as_slice();
    // The scheme, and the text behind it; what has none says nothing of where it leads.
    if let [Part::Attr(Attr::Scheme), rest @ ..] = parts {
        parts = rest;
    }
    let [Part::Text(first), rest @ ..] = parts else { return Vec::new() };
    let Some(at) = memchr::memmem::find(first, b"://") else { return Vec::new() };
    // A socket of this machine leads nowhere else, whatever stands behind it.
    if first.starts_with(b"unix:") {
        return Vec::new();
    }
    let text = &first[at + 3..];
    // A host that is written ends the search, whatever stands behind it: `http://10.0.0.1/$x`, `http://10.0.0.1$x`.
    let whole = text.contains(&b'/') || memchr::memchr(b':', text).is_some_and(|at| at > 0);
    let path = |part: &Part| match part {
        Part::Attr(Attr::Target | Attr::Path) => true,
        Part::Escape(_, inner) => matches!(&*inner.0, [Part::Attr(Attr::Path)]),
        Part::Text(text) => text.first() == Some(&b'/'),
        _ => false,
    };
    if whole || (!text.is_empty() && rest.first().is_some_and(path)) {
        return Vec::new();
    }
    rest.iter().take_while(|part| !path(part)).filter(|part| !matches!(part, Part::Text(_))).collect()
}

/// A finding of a lint.
fn warn(lint: &Lint, span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::warning(lint.code, span, message).help(lint.fix)
}

/// One that is only worth knowing.
fn note(lint: &Lint, span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic { severity: Severity::Note, ..warn(lint, span, message) }
}
