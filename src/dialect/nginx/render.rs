//! An outline as nginx's configuration: `server`, `location`, `upstream`, `map`.
//!
//! Reference: <https://nginx.org/en/docs/>.

mod answer;
mod fields;
mod group;
mod location;
mod logs;
mod order;
mod rewrite;
mod settings;
mod value;

use std::{collections::BTreeSet, time::Duration};

use crate::{
    ir::{
        Address, AddressRange, ClientCertificates, Config, Credentials, HostTls, Kind, Pattern, Settings,
        SocketOptions, Template, VarId,
    },
    raise::{Clients, Listen, Losses, Notes, Outline, Page, Server, Shape, Users, Who, network, who},
    source::Span,
};
use value::{Names, quote, regex};

/// The words of settings that have no row of their own.
pub const NAMES: &[(&str, &str)] = &[
    ("answer.errors", "error_page"),
    ("answer.on_response", "add_header"),
    ("files.root", "root"),
    ("files.alias", "alias"),
    ("files.index", "index"),
    ("prepare", "try_files"),
    ("logs.access", "access_log"),
    ("logs.errors", "error_log"),
    ("access.rules", "allow"),
    ("limits.rates", "limit_req"),
    ("limits.concurrent", "limit_conn"),
    ("answer.types", "types"),
    ("rewriting.texts", "sub_filter"),
    ("http.retry", "proxy_next_upstream"),
    ("http.hide", "proxy_hide_header"),
    ("resolve.servers", "resolver"),
    ("gzip.types", "gzip_types"),
    ("gzip.proxied", "gzip_proxied"),
    ("gzip.level", "gzip_comp_level"),
    ("client.large_head_buffers", "large_client_header_buffers"),
    ("uwsgi.params", "uwsgi_param"),
    ("fastcgi.params", "fastcgi_param"),
    ("http.tls_versions", "proxy_ssl_protocols"),
    ("answer.server", "server_tokens"),
];

/// The text of an outline.
pub fn render(outline: &Outline<'_>, notes: &Notes<'_>, losses: &mut Losses, shape: Shape) -> String {
    let mut render = Render {
        config: outline.config,
        assigned: &outline.assigned,
        notes,
        places: crate::ir::settings::Places::default(),
        losses,
        page: Page::new(4),
        answers: Vec::new(),
        maps: Vec::new(),
        head: None,
        has_params: false,
        rewrites: false,
        listed: false,
    };
    render.all(outline, shape);
    render.page.finish()
}

/// A rendering under way.
struct Render<'a, 'b> {
    config: &'a Config,
    /// The variables that something assigns.
    assigned: &'a BTreeSet<VarId>,
    notes: &'b Notes<'b>,
    /// Where the settings at hand were written.
    places: crate::ir::settings::Places,
    losses: &'b mut Losses,
    page: Page,
    /// Blocks of named locations that are still to be written.
    answers: Vec<String>,
    /// Tables that conditions of the servers need: name and lines.
    maps: Vec<(String, Vec<String>)>,
    /// The head of requests that is said for all of the server at hand.
    head: Option<crate::raise::Head>,
    /// Whether parameters of gateways are written.
    has_params: bool,
    /// Whether something of the server at hand changes the path.
    rewrites: bool,
    /// Whether folders are listed unless a place says otherwise.
    listed: bool,
}

impl Render<'_, '_> {
    fn all(&mut self, outline: &Outline<'_>, shape: Shape) {
        if shape == Shape::Whole {
            self.page.open("events {");
            self.page.close("}");
            self.page.blank();
            self.page.open("http {");
        }
        self.settings(&outline.common.settings, Span::NONE);
        self.page.blank();
        // What servers need before them is known when they are written.
        let before = std::mem::replace(&mut self.page, Page::new(4));
        for server in &outline.servers {
            self.server(server, shape);
        }
        let servers = std::mem::replace(&mut self.page, before).finish();
        let unset = self.unset(&servers);
        self.tables(outline);
        self.clusters(outline);
        self.page.blank();
        if shape == Shape::Inside {
            unset.iter().for_each(|line| self.page.line(line));
        }
        for line in servers.lines() {
            self.page.line(line);
            if shape != Shape::Inside && line == "server {" {
                unset.iter().for_each(|set| self.page.line(format!("    {set}")));
            }
        }
        if shape == Shape::Whole {
            self.page.close("}");
        }
    }

    /// What gives variables a value that are read and, since a step could not be said, never set: nginx wants to know of
    /// each.
    fn unset(&self, text: &str) -> Vec<String> {
        let mut all = Vec::new();
        for var in self.assigned {
            let name = value::unique(self.config, *var);
            let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            let holds = |text: &str, what: &str| {
                text.match_indices(what).any(|(at, _)| ends(&text[at + what.len()..]))
            };
            let read = holds(text, &format!("${name}")) || text.contains(&format!("${{{name}}}"));
            let set = holds(text, &format!("set ${name}")) || text.contains(&format!("(?<{name}>"));
            if read && !set && !text.contains(&format!("(?P<{name}>")) {
                all.push(format!("set ${name} \"\";"));
            }
        }
        all
    }

    /// Comments that stand above something.
    fn comments(&mut self, span: Span) {
        for comment in self.notes.comments(span) {
            self.page.line(if comment.is_empty() { "#".to_owned() } else { format!("# {comment}") });
        }
        if let Some(name) = self.notes.rule_name(span) {
            self.page.line(format!("# {name}"));
        }
    }

    fn server(&mut self, server: &Server, shape: Shape) {
        self.rewrites = false;
        self.page.blank();
        self.comments(server.span);
        if shape != Shape::Inside {
            self.page.open("server {");
            self.listens(server);
            self.names(server);
        }
        if server.listens.iter().any(|listen| listen.tls) {
            self.tls(server);
        }
        self.page.blank();
        self.host(server);
        if shape != Shape::Inside {
            self.page.close("}");
        }
    }

    fn listens(&mut self, server: &Server) {
        let both = |listen: &Listen| match &listen.address {
            // An address of each family on one port is written once, for IPv4 first.
            Address::Tcp(address) => address.is_ipv6() && address.ip().is_unspecified(),
            Address::Unix(_) => false,
        };
        let mut done = Vec::new();
        for listen in &server.listens {
            let Listen { address, tls, default, shared, options, span: _ } = listen;
            let mut line = String::from("listen ");
            line.push_str(&match address {
                Address::Tcp(address) if address.ip().is_unspecified() && address.is_ipv4() => {
                    address.port().to_string()
                }
                Address::Tcp(address) => address.to_string(),
                Address::Unix(path) => format!("unix:{}", path.display()),
            });
            if *default && *shared {
                line.push_str(" default_server");
            }
            if *tls {
                line.push_str(" ssl");
            }
            let SocketOptions {
                backlog,
                ipv6_only: _,
                reuse_port,
                separate: _,
                receive_buffer,
                send_buffer,
                deferred,
                fast_open,
                keep_alive,
                fib: _,
            } = options;
            if let Some(backlog) = backlog.filter(|backlog| *backlog != 511) {
                line.push_str(&format!(" backlog={backlog}"));
            }
            if *reuse_port {
                line.push_str(" reuseport");
            }
            if let Some(bytes) = receive_buffer {
                line.push_str(&format!(" rcvbuf={bytes}"));
            }
            if let Some(bytes) = send_buffer {
                line.push_str(&format!(" sndbuf={bytes}"));
            }
            if *deferred {
                line.push_str(" deferred");
            }
            if let Some(length) = fast_open {
                line.push_str(&format!(" fastopen={length}"));
            }
            if keep_alive.is_some() {
                line.push_str(" so_keepalive=on");
            }
            if done.contains(&line) {
                continue;
            }
            self.page.line(format!("{line};"));
            done.push(line);
            let _ = both;
        }
    }

    fn names(&mut self, server: &Server) {
        let mut names = Vec::new();
        for name in &server.names {
            let Pattern { kind, text, ignore_case: _, groups: _ } = name;
            let text = text.lossy().into_owned();
            match kind {
                Kind::Exact if text.is_empty() => {}
                Kind::Exact | Kind::Wildcard => names.push(text),
                Kind::Regex(_) => match wildcard(&text) {
                    Some(text) => names.push(text),
                    None => names.push(regex(&format!("~{text}"))),
                },
                Kind::Prefix | Kind::Suffix => {
                    self.losses.lose(server.span, format!("the name `{text}`"), "it is no whole name");
                }
            }
        }
        if !names.is_empty() {
            self.page.line(format!("server_name {};", names.join(" ")));
        }
    }

    fn tls(&mut self, server: &Server) {
        let Some(tls) = &server.tls else { return };
        let HostTls {
            certificates,
            computed,
            versions,
            suites,
            tickets,
            sessions,
            session_timeout,
            reject,
            chain,
            clients,
            exclusive: _,
            named: _,
            passwords,
            groups,
            own_order,
            record: _,
            ticket_keys,
            staple,
        } = tls;
        if !passwords.is_empty() || groups.is_some() || !ticket_keys.is_empty() {
            self.losses.lose(
                server.span,
                "passwords of keys, groups or ticket keys",
                "they are not translated",
            );
        }
        let _ = own_order;
        if !computed.is_empty() {
            self.losses.lose(
                server.span,
                "certificates whose names have variables",
                "they are not translated",
            );
        }
        if staple.is_some() {
            self.page.line("ssl_stapling on;");
        }
        for (certificate, key, _) in certificates {
            self.page.line(format!("ssl_certificate {};", quote(&certificate.display().to_string())));
            self.page.line(format!("ssl_certificate_key {};", quote(&key.display().to_string())));
        }
        if let Some(chain) = chain {
            self.losses.lose_near(
                server.span,
                format!("the chain {}", chain.display()),
                "nginx reads the chain from the certificate's file",
                "one file with both",
            );
        }
        // What nginx takes by itself depends on its age (TLSv1.3 since 1.23.4).
        if !versions.is_empty() {
            let names: Vec<_> =
                versions.iter().map(|version| format!("TLSv1.{}", version.saturating_sub(10))).collect();
            self.page.line(format!("ssl_protocols {};", names.join(" ")));
        }
        if let Some(suites) = suites {
            let list = super::super::ciphers::names(suites);
            if list.is_empty() {
                self.losses.lose(server.span, "the list of cipher suites", "none of them has a name");
            } else {
                self.page.line(format!("ssl_ciphers {};", list.join(":")));
            }
        }
        if !tickets {
            self.page.line("ssl_session_tickets off;");
        }
        if let Some(sessions) = sessions {
            // A zone of the host's own: its name is free, its size is in pages.
            let pages = sessions.div_ceil(16).max(8);
            self.page.line(format!(
                "ssl_session_cache shared:sessions_{}:{}k;",
                server.span.start,
                pages * 4
            ));
        }
        if let Some(time) = session_timeout.filter(|time| *time != Duration::from_mins(5)) {
            self.page.line(format!("ssl_session_timeout {};", value_of_time(time)));
        }
        if *reject {
            self.page.line("ssl_reject_handshake on;");
        }
        if let Some(ClientCertificates {
            trusted,
            folder,
            required,
            depth,
            further,
            revoked,
            any,
            answered,
        }) = clients
        {
            if let Some(trusted) = trusted {
                self.page.line(format!("ssl_client_certificate {};", quote(&trusted.display().to_string())));
            }
            if folder.is_some() || further.is_some() || revoked.is_some() || *any || !answered {
                self.losses.lose(
                    server.span,
                    "how clients' certificates are looked at",
                    "it is not translated",
                );
            }
            self.page.line(format!("ssl_verify_client {};", if *required { "on" } else { "optional" }));
            self.page.line(format!("ssl_verify_depth {depth};"));
        }
    }

    /// What is said by settings where they stand.
    fn settings(&mut self, settings: &Settings, span: Span) {
        let Settings {
            handler: _,
            prepare: _,
            hooks: _,
            client,
            content,
            answer,
            files,
            access,
            logs,
            resolve,
            http,
            uwsgi,
            fastcgi,
            scgi,
            memcached,
            grpc,
            gzip,
            brotli,
            zstd,
            rewriting,
            limits,
            listing,
            index_page,
            negotiation,
            client_address,
            places,
        } = settings;
        self.places = places.clone();
        if let Some(root) = &files.root {
            self.templated("root", root, span);
        }
        if let Some(index) = &files.index {
            let names: Vec<_> = index.iter().filter_map(|name| self.value(name, span)).collect();
            if names.is_empty() {
                self.losses.remark(span, "an empty list of index files", "nginx looks for one at least");
            } else {
                self.page.line(format!("index {};", names.join(" ")));
            }
        }
        self.logs(logs, span);
        self.client(client, span);
        self.content(content, span);
        self.answer(answer, span);
        self.files(files, span);
        self.resolve(resolve, span);
        self.has_params |= uwsgi.params.is_some() || fastcgi.params.is_some() || scgi.params.is_some();
        for (group, set) in [
            ("http", http),
            ("uwsgi", uwsgi),
            ("fastcgi", fastcgi),
            ("scgi", scgi),
            ("memcached", memcached),
            ("grpc", grpc),
        ] {
            self.forwarding(group, set, span);
        }
        for (group, set) in [("gzip", gzip), ("brotli", brotli), ("zstd", zstd)] {
            self.compress(group, set, span);
        }
        self.rewriting(rewriting, span);
        self.limits(limits, span);
        self.listing(listing, span);
        let mut others = Vec::new();
        index_page.each(&mut |field, _| others.push(format!("index_page.{field}")));
        negotiation.each(&mut |field, _| others.push(format!("negotiation.{field}")));
        for key in &others {
            self.lost("", &[(key, true)], span);
        }
        self.client_address(client_address, span);
        self.access(access, span);
        self.who(settings, span);
        self.errors(settings, span);
        self.fields(settings, span);
    }

    fn who(&mut self, settings: &Settings, span: Span) {
        let Who { clients, users, credentials, either, more } = who(self.config, &settings.access);
        if more {
            self.losses.lose(
                span,
                "a requirement on who may",
                "it has no word in the target; nobody may instead",
            );
            self.page.line("deny all;");
            return;
        }
        if either {
            self.page.line("satisfy any;");
        }
        match &clients {
            // It is so unless something around it says otherwise.
            Some(Clients::All) if span.is_known() && settings.access.rules.is_some() => {
                self.page.line("allow all;");
            }
            None | Some(Clients::All) => {}
            Some(Clients::None) => self.page.line("deny all;"),
            Some(Clients::Only(ranges)) => {
                self.ranges("allow", ranges);
                self.page.line("deny all;");
            }
            Some(Clients::But(ranges)) => self.ranges("deny", ranges),
            Some(Clients::Rules(rules)) => {
                for (range, allowed) in rules {
                    self.ranges(if *allowed { "allow" } else { "deny" }, &[*range]);
                }
            }
        }
        if let Some(credentials) = &credentials
            && users.is_some()
        {
            let Credentials { realm, users: files, groups: _, asked: _, wrong: _, digest } = credentials;
            if digest.is_some() {
                self.losses.lose(
                    span,
                    "digest authentication",
                    "nginx asks for passwords; their hashes are others",
                );
            }
            self.page.line(format!("auth_basic {};", value::quote_always(&realm.lossy())));
            match files.as_slice() {
                [] => {}
                [one] => {
                    self.page.line(format!("auth_basic_user_file {};", quote(&one.display().to_string())));
                }
                [one, ..] => {
                    self.losses.lose(span, "a second file of users", "nginx reads one");
                    self.page.line(format!("auth_basic_user_file {};", quote(&one.display().to_string())));
                }
            }
        }
        match users {
            None | Some(Users::Known) => {}
            Some(Users::Named(_) | Users::Groups(_)) => {
                self.losses.lose_near(
                    span,
                    "the list of users who may",
                    "nginx lets in every user of the file",
                    "a file with these users alone",
                );
            }
        }
    }

    fn ranges(&mut self, word: &str, ranges: &[AddressRange]) {
        for range in ranges {
            self.page.line(format!("{word} {};", network(*range)));
        }
    }

    /// A value, or a loss.
    fn value(&mut self, template: &Template, span: Span) -> Option<String> {
        let found = Names { config: self.config, assigned: self.assigned }.value(template);
        match found {
            Ok(text) => Some(text),
            Err(why) => {
                self.losses.lose(span, self.named(span), why);
                None
            }
        }
    }

    /// A directive with a value.
    fn templated(&mut self, name: &str, template: &Template, span: Span) {
        if let Some(text) = self.value(template, span) {
            self.page.line(format!("{name} {};", quote(&text)));
        }
    }

    /// What something is called in a finding.
    fn named(&self, span: Span) -> String {
        self.notes
            .words(span)
            .filter(|words| !words.is_empty() && self.notes.is_written(span))
            .map_or_else(|| "a value".to_owned(), |words| format!("`{words}`"))
    }

    /// Says that settings are lost.
    fn lost(&mut self, group: &str, settings: &[(&str, bool)], span: Span) {
        for (key, _) in settings.iter().filter(|(_, set)| *set) {
            let key = if group.is_empty() { (*key).to_owned() } else { format!("{group}.{key}") };
            self.losses.tell(&key);
            let (what, at) = self.notes.placed(&key, span, &self.places);
            match nearest(&key) {
                Some(nearest) => self.losses.lose_near(
                    at,
                    what,
                    "nginx has no such setting, or it is not translated",
                    nearest,
                ),
                None => self.losses.lose(at, what, "nginx has no such setting, or it is not translated"),
            }
        }
    }

    /// Says that settings are left to the server's own way.
    fn left_out(&mut self, group: &str, settings: &[(&str, bool)], span: Span) {
        for (key, _) in settings.iter().filter(|(_, set)| *set) {
            let key = if group.is_empty() { (*key).to_owned() } else { format!("{group}.{key}") };
            self.losses.tell(&key);
            let (what, at) = self.notes.placed(&key, span, &self.places);
            self.losses.remark(at, what, "it changes no answer and is left to nginx's own way");
        }
    }
}

/// What comes near to a setting.
fn nearest(key: &str) -> Option<&'static str> {
    Some(match key {
        "client.field_limit" | "client.line_limit" => "`large_client_header_buffers`",
        "answer.encodings" => "`add_header Content-Encoding` in a location of its own",
        "http.retry" => "`proxy_next_upstream`",
        "http.bind" => "`proxy_bind`",
        "listing.form" => "`autoindex_format`",
        _ => return None,
    })
}

/// A name with `*` that a regular expression stands for.
fn wildcard(text: &str) -> Option<String> {
    let inner = text.strip_prefix('^')?.strip_suffix('$')?;
    let name =
        inner.replace("[\\s\\S]*", "*").replace("\\x2e", ".").replace("\\x2d", "-").replace("\\.", ".");
    // nginx has the star at the start or the end alone, and for whole labels.
    let fits = (name.starts_with("*.") && !name[1..].contains('*'))
        || (name.ends_with(".*") && !name[..name.len() - 1].contains('*'));
    (fits && !name.contains(['\\', '[', '(', '+', '|', '?'])).then_some(name)
}

/// A span of time.
fn time(time: Duration) -> String {
    value_of_time(time)
}

fn value_of_time(time: Duration) -> String {
    if time.subsec_millis() > 0 {
        return format!("{}ms", time.as_millis());
    }
    let seconds = time.as_secs();
    match seconds {
        0 => "0".to_owned(),
        seconds if seconds % 86_400 == 0 => format!("{}d", seconds / 86_400),
        seconds if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        seconds => format!("{seconds}s"),
    }
}

/// A number of bytes.
fn size(bytes: u64) -> String {
    match bytes {
        0 => "0".to_owned(),
        bytes if bytes % (1 << 20) == 0 => format!("{}m", bytes >> 20),
        bytes if bytes % 1024 == 0 => format!("{}k", bytes >> 10),
        bytes => bytes.to_string(),
    }
}
