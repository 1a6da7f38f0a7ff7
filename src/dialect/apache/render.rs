//! An outline as Apache's configuration: virtual hosts, `ProxyPass`, `RewriteRule`, sections.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/>.

mod bounds;
mod certificates;
mod fields;
mod group;
mod limits;
mod logs;
mod place;
mod rewrite;
mod settings;
mod value;

use std::collections::BTreeSet;

use crate::{
    ir::{AddressRange, Config, Kind, Pattern, Settings, Template, Text, VarId},
    raise::{Clients, Losses, Notes, Outline, Page, Shape, Users, network, who},
    source::Span,
};
use value::quote;

/// The text of an outline.
pub fn render(outline: &Outline<'_>, notes: &Notes<'_>, losses: &mut Losses, shape: Shape) -> String {
    let mut render = Render {
        config: outline.config,
        assigned: &outline.assigned,
        notes,
        places: crate::ir::settings::Places::default(),
        losses,
        page: Page::new(4),
        modules: BTreeSet::new(),
        proxied: false,
        inside: shape == Shape::Inside,
        rewriting: false,
        located: false,
        hoisted: Vec::new(),
        reversed: Vec::new(),
        secure: None,
    };
    render.all(outline, shape);
    let Render { page, modules, .. } = render;
    let body = page.finish();
    if modules.is_empty() {
        return body;
    }
    let all: Vec<_> = modules.into_iter().collect();
    format!("# Modules: {}\n\n{body}", all.join(" "))
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
    /// Modules beyond those that every server has.
    modules: BTreeSet<&'static str>,
    /// Whether something of the server at hand is sent on.
    proxied: bool,
    /// Whether what is written stands in a virtual host of somebody else's.
    inside: bool,
    /// Whether rules are turned on for the host at hand.
    rewriting: bool,
    /// Whether what is said is said in a section.
    located: bool,
    /// Lines of sections that are said of the host.
    hoisted: Vec<String>,
    /// Lines that map upstreams' URLs back, of the rules of the host at hand.
    reversed: Vec<String>,
    /// Whether the host at hand is reached over TLS, where that is known.
    secure: Option<bool>,
}

impl Render<'_, '_> {
    fn all(&mut self, outline: &Outline<'_>, shape: Shape) {
        if shape == Shape::Whole {
            let mut ports: Vec<String> = Vec::new();
            for listen in outline.servers.iter().flat_map(|server| &server.listens) {
                let port = self.port(listen);
                if !ports.contains(&port) {
                    ports.push(port);
                }
            }
            for port in ports {
                self.page.line(format!("Listen {port}"));
            }
            self.page.blank();
        }
        self.common(outline);
        self.page.blank();
        self.groups(outline);
        for server in &outline.servers {
            self.server(outline, server, shape);
        }
    }

    /// What is written for all servers.
    fn common(&mut self, outline: &Outline<'_>) {
        let mut settings = outline.common.settings.clone();
        // A root of all servers is each server's own.
        settings.files.root = None;
        self.settings(&settings, Span::NONE);
    }

    /// Names a module that a directive comes from.
    fn need(&mut self, module: &'static str) {
        self.modules.insert(module);
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

    fn server(&mut self, outline: &Outline<'_>, server: &crate::raise::Server, shape: Shape) {
        self.page.blank();
        self.comments(server.span);
        if shape == Shape::Inside {
            self.host(outline, server);
            return;
        }
        let mut addresses: Vec<String> = Vec::new();
        for listen in &server.listens {
            let address = self.address(listen);
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        let tls = server.listens.iter().filter(|one| one.tls).count();
        if tls > 0 && tls < server.listens.len() {
            // One host on both: two virtual hosts with the same content.
            for secure in [false, true] {
                let mut some: Vec<String> = Vec::new();
                for listen in server.listens.iter().filter(|one| one.tls == secure) {
                    let address = self.address(listen);
                    if !some.contains(&address) {
                        some.push(address);
                    }
                }
                self.page.blank();
                self.page.open(format!("<VirtualHost {}>", some.join(" ")));
                self.names(server);
                if secure {
                    self.tls(server);
                }
                self.secure = Some(secure);
                self.host(outline, server);
                self.page.close("</VirtualHost>");
            }
            return;
        }
        self.page.open(format!("<VirtualHost {}>", addresses.join(" ")));
        self.names(server);
        if tls > 0 {
            self.tls(server);
        }
        self.secure = Some(tls > 0);
        self.host(outline, server);
        self.page.close("</VirtualHost>");
    }

    fn names(&mut self, server: &crate::raise::Server) {
        let mut names = Vec::new();
        for name in &server.names {
            let Pattern { kind, text, ignore_case: _, groups } = name;
            let text = text.lossy().into_owned();
            match kind {
                Kind::Exact if text.is_empty() || text == "_" => {}
                Kind::Exact => names.push(text),
                Kind::Wildcard => names.push(text),
                Kind::Regex(_) => match wildcard(&text) {
                    Some(text) => names.push(text),
                    None => self.losses.lose_near(
                        server.span,
                        format!("the name `~{text}`"),
                        "names are no regular expressions in Apache",
                        "a `ServerAlias` with `*`",
                    ),
                },
                Kind::Prefix | Kind::Suffix => {
                    self.losses.lose(server.span, format!("the name `{text}`"), "it is no whole name");
                }
            }
            if !groups.is_empty() {
                self.losses.lose(server.span, "captures of the server's name", "Apache has none");
            }
        }
        let plain = names.iter().position(|name| !name.contains(['*', '?', '[', '_']));
        if let Some(at) = plain {
            let name = names.remove(at);
            self.page.line(format!("ServerName {name}"));
        }
        if !names.is_empty() {
            self.page.line(format!("ServerAlias {}", names.join(" ")));
        }
    }

    fn tls(&mut self, server: &crate::raise::Server) {
        self.need("ssl");
        self.page.line("SSLEngine on");
        let named = |tls: &crate::ir::HostTls| !tls.certificates.is_empty() || !tls.computed.is_empty();
        if !server.tls.as_ref().is_some_and(|tls| named(tls) || tls.reject) {
            self.losses.lose_near(
                server.span,
                "the certificate of the host",
                "none is named in what was read, and Apache does not start without one",
                "`SSLCertificateFile`",
            );
        }
        let Some(tls) = &server.tls else { return };
        let crate::ir::HostTls {
            certificates,
            computed,
            versions,
            suites,
            tickets,
            sessions,
            session_timeout: _,
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
                "Apache reads them at its start",
            );
        }
        if staple.is_some() {
            self.page.line("SSLUseStapling On");
        }
        for (certificate, key, _) in certificates {
            self.page.line(format!("SSLCertificateFile {}", quote(&certificate.display().to_string())));
            if certificate != key {
                self.page.line(format!("SSLCertificateKeyFile {}", quote(&key.display().to_string())));
            }
        }
        if let Some(chain) = chain {
            self.page.line(format!("SSLCertificateChainFile {}", quote(&chain.display().to_string())));
        }
        let names: Vec<_> =
            versions.iter().map(|version| format!("+TLSv1.{}", version.saturating_sub(10))).collect();
        if versions.len() == 1 {
            self.page.line(format!("SSLProtocol -all {}", names.join(" ")));
        }
        if let Some(suites) = suites {
            let list = super::super::ciphers::names(suites);
            if list.is_empty() {
                self.losses.lose(server.span, "the list of cipher suites", "none of them has a name");
            } else {
                self.page.line(format!("SSLCipherSuite {}", list.join(":")));
            }
        }
        if !tickets {
            self.page.line("SSLSessionTickets off");
            if sessions.is_some() {
                self.losses.lose_near(
                    server.span,
                    "a cache of sessions",
                    "Apache has one for all hosts",
                    "`SSLSessionCache shmcb:FILE(SIZE)` at the top",
                );
            }
        }
        if *reject {
            self.losses.lose(server.span, "refusing handshakes", "Apache answers with some certificate");
        }
        if let Some(crate::ir::ClientCertificates {
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
                self.page.line(format!("SSLCACertificateFile {}", quote(&trusted.display().to_string())));
            }
            if let Some(folder) = folder {
                self.page.line(format!("SSLCACertificatePath {}", quote(&folder.display().to_string())));
            }
            if further.is_some() || revoked.is_some() || *any || !answered {
                self.losses.lose(
                    server.span,
                    "how clients' certificates are looked at",
                    "it is not translated",
                );
            }
            self.page.line(format!("SSLVerifyClient {}", if *required { "require" } else { "optional" }));
            self.page.line(format!("SSLVerifyDepth {depth}"));
        }
    }

    fn host(&mut self, outline: &Outline<'_>, server: &crate::raise::Server) {
        let area = &server.area;
        self.reversed.clear();
        let root = area.settings.files.root.clone().or_else(|| outline.common.settings.files.root.clone());
        if let Some(root) = root.filter(|_| !self.inside) {
            match root.as_text() {
                Some(_) => {
                    let path = self.path(&root);
                    self.page.line(format!("DocumentRoot {}", quote(&path)));
                    self.grant(&path);
                }
                None => self.losses.lose_near(
                    server.span,
                    "a root with variables",
                    "`DocumentRoot` is one folder",
                    "`VirtualDocumentRoot`",
                ),
            }
        }
        self.settings(&area.settings, server.span);
        self.errors(area, server);
        self.places(server);
    }

    /// Lets files of a folder be served.
    fn grant(&mut self, path: &str) {
        self.page.open(format!("<Directory {}>", quote(path)));
        self.page.line("AllowOverride None");
        self.page.line("Require all granted");
        self.page.close("</Directory>");
    }

    fn path(&self, template: &Template) -> String {
        crate::raise::text_of(template).unwrap_or_default()
    }

    fn address(&self, listen: &crate::raise::Listen) -> String {
        match &listen.address {
            crate::ir::Address::Tcp(address) if address.ip().is_unspecified() => {
                format!("*:{}", address.port())
            }
            crate::ir::Address::Tcp(address) => address.to_string(),
            crate::ir::Address::Unix(_) => "*:80".to_owned(),
        }
    }

    fn port(&mut self, listen: &crate::raise::Listen) -> String {
        let port = match &listen.address {
            crate::ir::Address::Tcp(address) if address.ip().is_unspecified() => address.port().to_string(),
            crate::ir::Address::Tcp(address) => address.to_string(),
            crate::ir::Address::Unix(path) => {
                self.losses.lose(
                    listen.span,
                    format!("the socket {}", path.display()),
                    "Apache listens on TCP alone",
                );
                return "80".to_owned();
            }
        };
        if listen.tls && !port.ends_with("443") { format!("{port} https") } else { port }
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
        self.logs(logs, span);
        self.client(client, span);
        self.content(content, span);
        self.answer(answer, span);
        self.files(files, span);
        if let Some(index) = &files.index {
            let names: Vec<_> = index.iter().filter_map(crate::raise::text_of).collect();
            if names.len() < index.len() {
                self.losses.lose(span, "an index with variables", "`DirectoryIndex` has names only");
            }
            self.page.line(format!("DirectoryIndex {}", names.join(" ")));
        }
        self.resolve(resolve, span);
        self.timeouts(http);
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
            if set.on == Some(true) && set.types.is_none() {
                self.compressed(group, true, &[Text::from("text/html")]);
            }
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
        if self.located {
            self.who(settings, span);
        } else {
            // It may stand in sections alone.
            let page = std::mem::replace(&mut self.page, Page::new(4));
            self.who(settings, span);
            let said = std::mem::replace(&mut self.page, page).finish();
            if !said.is_empty() {
                self.page.open("<Location />");
                said.lines().for_each(|line| self.page.line(line));
                self.page.close("</Location>");
            }
        }
        self.fields(settings, span);
    }

    /// The time of upstreams, for all of a server.
    fn timeouts(&mut self, http: &crate::ir::settings::Forwarding) {
        if let Some(time) = http.read_timeout {
            self.page.line(format!("ProxyTimeout {}", crate::raise::seconds(time)));
        }
    }

    fn who(&mut self, settings: &Settings, span: Span) {
        let crate::raise::Who { clients, users, credentials, either, more } =
            who(self.config, &settings.access);
        if more {
            self.losses.lose(span, "a requirement on who may", "it has no word in the target");
            self.page.line("Require all denied");
            return;
        }
        if let Some(credentials) = &credentials {
            let crate::ir::Credentials { realm, users, groups, asked: _, wrong: _, digest } = credentials;
            self.page.line(if digest.is_some() { "AuthType Digest" } else { "AuthType Basic" });
            if let Some(crate::ir::Digest { lifetime, domain }) = digest {
                let seconds = lifetime.map_or_else(|| "-1".to_owned(), |time| time.as_secs().to_string());
                self.page.line(format!("AuthDigestNonceLifetime {seconds}"));
                if !domain.is_empty() {
                    self.page.line(format!("AuthDigestDomain {}", domain.lossy()));
                }
            }
            if !realm.is_empty() {
                self.page.line(format!("AuthName {}", fields::quote_always(&realm.lossy())));
            }
            for file in users {
                self.page.line(format!("AuthUserFile {}", quote(&file.display().to_string())));
            }
            for file in groups {
                self.page.line(format!("AuthGroupFile {}", quote(&file.display().to_string())));
            }
        }
        let mut lines: Vec<String> = Vec::new();
        let mut nested: Option<Vec<String>> = None;
        let list = |ranges: &[AddressRange]| {
            ranges.iter().map(|range| network(*range)).collect::<Vec<_>>().join(" ")
        };
        match &clients {
            None => {}
            Some(Clients::All) => lines.push("Require all granted".to_owned()),
            Some(Clients::None) => lines.push("Require all denied".to_owned()),
            Some(Clients::Only(ranges)) => lines.push(format!("Require ip {}", list(ranges))),
            Some(Clients::But(ranges)) => {
                nested =
                    Some(vec!["Require all granted".to_owned(), format!("Require not ip {}", list(ranges))]);
            }
            Some(Clients::Rules(rules)) => {
                // The first that matches decides: each allowed one is not among those denied before it.
                let mut denied: Vec<AddressRange> = Vec::new();
                for (range, allowed) in rules {
                    if !allowed {
                        denied.push(*range);
                        continue;
                    }
                    let all = if *range == AddressRange::All {
                        "Require all granted".to_owned()
                    } else {
                        format!("Require ip {}", network(*range))
                    };
                    lines.push(if denied.is_empty() { all } else { format!("{all}\n{}", list(&denied)) });
                }
                if lines.is_empty() {
                    lines.push("Require all denied".to_owned());
                }
            }
        }
        if let Some(users) = &users {
            let line = match users {
                Users::Known => "Require valid-user".to_owned(),
                Users::Named(names) => format!(
                    "Require user {}",
                    names.iter().map(|one| quote(&one.lossy())).collect::<Vec<_>>().join(" ")
                ),
                Users::Groups(names) => format!(
                    "Require group {}",
                    names.iter().map(|one| quote(&one.lossy())).collect::<Vec<_>>().join(" ")
                ),
            };
            // Everyone from everywhere is no condition beside it.
            if clients == Some(Clients::All) && !either {
                lines.clear();
            }
            lines.push(line);
        }
        let several =
            lines.len() + usize::from(nested.is_some()) > 1 && !matches!(clients, Some(Clients::Rules(_)));
        let around = if several && !either { Some("RequireAll") } else { None };
        if let Some(around) = around {
            self.page.open(format!("<{around}>"));
        }
        for line in &lines {
            match line.split_once('\n') {
                Some((line, denied)) => {
                    self.page.open("<RequireAll>");
                    self.page.line(line);
                    self.page.line(format!("Require not ip {denied}"));
                    self.page.close("</RequireAll>");
                }
                None => self.page.line(line),
            }
        }
        if let Some(nested) = nested {
            let wrap = around.is_none();
            if wrap {
                self.page.open("<RequireAll>");
            }
            nested.iter().for_each(|line| self.page.line(line));
            if wrap {
                self.page.close("</RequireAll>");
            }
        }
        if let Some(around) = around {
            self.page.close(format!("</{around}>"));
        }
    }

    /// Says that settings are lost.
    fn lost(&mut self, group: &str, settings: &[(&str, bool)], span: Span) {
        for (key, _) in settings.iter().filter(|(_, set)| *set) {
            let key = if group.is_empty() { (*key).to_owned() } else { format!("{group}.{key}") };
            self.losses.tell(&key);
            let (what, at) = self.notes.placed(&key, span, &self.places);
            match nearest(&key) {
                Some(nearest) => self.losses.lose_near(at, what, "Apache has no such setting", nearest),
                None => self.losses.lose(at, what, "Apache has no such setting"),
            }
        }
    }

    /// Says that settings are left to the server's own way.
    fn left_out(&mut self, group: &str, settings: &[(&str, bool)], span: Span) {
        for (key, _) in settings.iter().filter(|(_, set)| *set) {
            let key = if group.is_empty() { (*key).to_owned() } else { format!("{group}.{key}") };
            self.losses.tell(&key);
            let (what, at) = self.notes.placed(&key, span, &self.places);
            self.losses.remark(at, what, "it changes no answer and is left to Apache's own way");
        }
    }
}

/// What comes near to a setting.
fn nearest(key: &str) -> Option<&'static str> {
    Some(match key {
        "limits.rates" | "limits.concurrent" => "mod_evasive or mod_qos, which are not Apache's own",
        "client.limit_rate" => "`SetOutputFilter RATE_LIMIT` with `SetEnv rate-limit`, in KiB a second",
        "client.send_timeout" => "`TimeOut`",
        "http.retry" | "http.tries" => "`failonstatus` and `maxattempts` of a balancer",
        "http.bind" => "`ProxySourceAddress`",
        _ => return None,
    })
}

/// A name with `*` that a regular expression stands for.
fn wildcard(regex: &str) -> Option<String> {
    let inner = regex.strip_prefix('^')?.strip_suffix('$')?;
    let text = inner
        .replace("[\\s\\S]*", "*")
        .replace("[\\s\\S]", "?")
        .replace("\\x2e", ".")
        .replace("\\x2d", "-")
        .replace("\\.", ".");
    (!text.contains(['\\', '[', '(', '+', '|'])).then_some(text)
}

/// The words of settings that have no row of their own.
pub const NAMES: &[(&str, &str)] = &[
    ("answer.errors", "ErrorDocument"),
    ("answer.on_response", "Header"),
    ("files.root", "DocumentRoot"),
    ("prepare", "FallbackResource"),
    ("http.read_timeout", "ProxyTimeout"),
    ("http.intercept_errors", "ProxyErrorOverride"),
    ("http.own_errors", "ProxyErrorOverride"),
    ("content.max_length", "LimitRequestBody"),
    ("client.keepalive_timeout", "KeepAliveTimeout"),
    ("logs.access", "CustomLog"),
    ("logs.errors", "ErrorLog"),
    ("listing.on", "Options"),
    ("answer.types", "AddType"),
    ("answer.encodings", "AddEncoding"),
    ("answer.languages", "AddLanguage"),
    ("answer.charset", "AddDefaultCharset"),
    ("answer.etag", "FileETag"),
    ("client.field_limit", "LimitRequestFieldSize"),
    ("client.fields_limit", "LimitRequestFields"),
    ("client.line_limit", "LimitRequestLine"),
];
