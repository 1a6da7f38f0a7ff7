//! The IR as text for people: what golden files hold and reviews read. It is not parsed back.
//!
//! Everything is taken apart without `..`, so that a new field or variant does
//! not compile until it is printed.

use std::{fmt::Write, path::Path};

use super::{
    Address, Cache, ClientCertificates, Cluster, ClusterId, Companion, Config, Endpoint, Host, HostTls,
    IdleConnections, Listener, Map, MapId, MapSource, Order, Process, Register, Role, Settings,
    SocketOptions, Staple, TcpKeepAlive, Template, VarId, Zone, settings,
};

mod error_lines;
mod group;
mod program;
mod session;
mod setting;
mod value;

pub use setting::Print;

/// The configuration without the settings, reasons and pages of its base.
pub fn print(config: &Config) -> String {
    printed(config, false)
}

/// The configuration with all that its dialect supplies.
pub fn print_base(config: &Config) -> String {
    printed(config, true)
}

/// A value of a setting as the text of the whole has it.
pub fn print_setting(config: &Config, value: &dyn settings::Setting) -> String {
    let mut printer = Printer { config, text: String::new(), depth: 0 };
    value.print(&mut printer);
    printer.text.trim().to_owned()
}

/// A template as the text of the whole has it, without quotes.
pub fn print_template(config: &Config, template: &Template) -> String {
    let printer = Printer { config, text: String::new(), depth: 0 };
    value::template(&printer, template)
}

/// Lines under construction.
#[derive(Debug)]
pub struct Printer<'c> {
    config: &'c Config,
    text: String,
    depth: usize,
}

fn printed(config: &Config, with_base: bool) -> String {
    let mut printer = Printer { config, text: String::new(), depth: 0 };
    let Config {
        process,
        base,
        reasons,
        phrases,
        pages,
        failures,
        listeners,
        hosts,
        clusters,
        vars,
        maps,
        common,
        sent_as,
        charsets,
        recodings,
        zones,
        tallies,
        counts,
        targets_by_connection,
        caches,
    } = config;
    if *targets_by_connection {
        printer.line("targets by connection");
    }
    printer.process(process);
    if with_base {
        printer.line("base");
        printer.inside(|printer| printer.settings(base));
        for (status, reason) in reasons {
            printer.line(&format!("reason {status} \"{reason}\""));
        }
        for (status, page) in pages {
            printer.line(&format!("page {status} "));
            printer.template(page);
        }
    }
    for (status, phrase) in phrases {
        printer.line(&format!("phrase {status} "));
        printer.template(phrase);
    }
    if with_base {
        for super::Failure { fault, status, reason, page } in failures {
            printer.line(&format!("failure {fault:?} {status} \"{}\" ", reason.lossy()));
            printer.template(page);
        }
        for (own, sent) in sent_as {
            printer.line(&format!("status {own} sent as {sent}"));
        }
    }
    for Cache {
        name,
        folder,
        levels,
        entries,
        inactive,
        max_size,
        min_free,
        manager: _,
        loader: _,
        span: _,
    } in caches
    {
        let levels: Vec<String> = levels.iter().map(u8::to_string).collect();
        let (folder, levels) = (path_text(folder), levels.join(":"));
        let inactive = value::duration(*inactive);
        printer.line(&format!("cache {name} {folder} levels {levels} entries {entries} inactive {inactive}"));
        if let Some(size) = max_size {
            printer.add(format_args!(" most {}", value::size(*size)));
        }
        if *min_free > 0 {
            printer.add(format_args!(" free {}", value::size(*min_free)));
        }
    }
    for Zone { name, key, rate, entries } in zones {
        printer.line(&format!("zone {name} "));
        printer.template(key);
        if *rate != 0 {
            printer.add(format_args!(" rate {}.{:03}/s", rate / 1000, rate % 1000));
        }
        printer.add(format_args!(" entries {entries}"));
    }
    for super::Tally { name, of_hosts } in tallies {
        printer.line(&format!("tally of {} {name}", if *of_hosts { "hosts" } else { "places" }));
    }
    if *counts {
        printer.line("counts");
    }
    for charset in charsets {
        printer.line(&format!("charset \"{charset}\""));
    }
    for super::Recoding { from, to, pairs } in recodings {
        printer.line(&format!("recoding \"{from}\" to \"{to}\""));
        for (byte, with) in pairs {
            printer.add(format_args!(" {byte:02x}="));
            for byte in with.iter() {
                printer.add(format_args!("{byte:02x}"));
            }
        }
    }
    if *common != Settings::default() {
        printer.line("all hosts");
        printer.inside(|printer| printer.settings(common));
    }
    for listener in listeners {
        printer.listener(listener);
    }
    for cluster in clusters {
        printer.cluster(cluster);
    }
    for map in maps {
        printer.map(map);
    }
    for var in (0..).zip(vars) {
        printer.var(VarId(var.0), var.1);
    }
    for host in (0..).zip(hosts) {
        printer.host(host.0, host.1);
    }
    if !printer.text.is_empty() {
        printer.text.push('\n');
    }
    printer.text
}

impl Printer<'_> {
    /// Begins a line.
    fn line(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.extend(std::iter::repeat_n("  ", self.depth));
        self.text.push_str(text);
    }

    /// Goes on with the line.
    fn add(&mut self, text: impl std::fmt::Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{text}");
    }

    fn inside(&mut self, print: impl FnOnce(&mut Self)) {
        self.depth += 1;
        print(self);
        self.depth -= 1;
    }

    fn companion(&mut self, companion: &Companion) {
        let Companion {
            name,
            command,
            arguments,
            folder,
            environment,
            address,
            start_limit,
            stop_limit,
            restarts,
            output,
        } = companion;
        self.line(&format!("companion {name} at {address} runs {}", path_text(command)));
        for argument in arguments {
            self.add(format_args!(" \"{argument}\""));
        }
        self.inside(|printer| {
            printer.line(&format!("in {}", path_text(folder)));
            for (name, value) in environment {
                printer.line(&format!("environment {name} \"{value}\""));
            }
            let (start, stop) = (value::duration(*start_limit), value::duration(*stop_limit));
            printer.line(&format!("starts within {start} stops within {stop} restarts {restarts}/60s"));
            if let Some(path) = output {
                printer.line(&format!("output {}", path_text(path)));
            }
        });
    }

    /// A line for each thing that is not as it is by default.
    fn process(&mut self, process: &Process) {
        let usual = Process::default();
        let Process {
            workers,
            connections,
            descriptors,
            user,
            pid_file,
            daemon,
            shutdown_timeout,
            environment,
            working_directory,
            companions,
            watched,
        } = process;
        if *workers != usual.workers {
            let count = workers.map_or("one per processor".to_owned(), |count| count.to_string());
            self.line(&format!("workers {count}"));
        }
        if *connections != usual.connections {
            self.line(&format!("connections {connections}"));
        }
        if let Some(limit) = descriptors {
            self.line(&format!("descriptors {limit}"));
        }
        if let Some((user, group)) = user {
            self.line(&format!("user {user}"));
            if let Some(group) = group {
                self.add(format_args!(" group {group}"));
            }
        }
        if let Some(path) = pid_file {
            self.line(&format!("pid-file {}", path_text(path)));
        }
        if *daemon {
            self.line("daemon");
        }
        if let Some(time) = shutdown_timeout {
            self.line(&format!("shutdown-timeout {}", value::duration(*time)));
        }
        for (name, text) in environment {
            self.line(&format!("environment {name}"));
            if let Some(text) = text {
                self.add(format_args!(" \"{text}\""));
            }
        }
        for companion in companions {
            self.companion(companion);
        }
        for crate::ir::Watched { folder, below, name } in watched {
            self.line(&format!("watched {} {name}", path_text(folder)));
            self.flag(*below, "below");
        }
        if let Some(path) = working_directory {
            self.line(&format!("working-directory {}", path_text(path)));
        }
    }

    fn listener(&mut self, listener: &Listener) {
        let Listener {
            address,
            tls,
            http2,
            announced,
            options,
            default,
            chosen: _,
            hosts,
            order,
            paths,
            into,
            span: _,
        } = listener;
        match address {
            Address::Tcp(address) => self.line(&format!("listen {address}")),
            Address::Unix(path) => self.line(&format!("listen unix:{}", path.to_string_lossy())),
        }
        self.flag(*tls, "tls");
        self.flag(*http2, "http2");
        if let Some(but) = announced {
            self.add(" announced");
            for range in but {
                self.add(format_args!(" but {}", value::range(*range)));
            }
        }
        self.options(options);
        self.flag(*order == Order::First, "first");
        self.add(format_args!(" -> {}", into.0));
        for host in hosts {
            self.add(format_args!(" host{}", host.0));
            if host == default && hosts.first() != Some(default) {
                self.add(" (default)");
            }
        }
        for (path, host) in paths {
            self.add(format_args!(" {}:host{}", path.lossy(), host.0));
        }
    }

    fn options(&mut self, options: &SocketOptions) {
        let SocketOptions {
            backlog,
            ipv6_only,
            reuse_port,
            separate,
            receive_buffer,
            send_buffer,
            deferred,
            fast_open,
            keep_alive,
            fib,
        } = options;
        self.number("backlog", backlog.map(u64::from));
        if let Some(only) = ipv6_only {
            self.add(format_args!(" ipv6-only {}", value::flag(*only)));
        }
        self.flag(*reuse_port, "reuse-port");
        self.flag(*separate, "separate");
        self.number("receive-buffer", *receive_buffer);
        self.number("send-buffer", *send_buffer);
        self.flag(*deferred, "deferred");
        self.number("fast-open", fast_open.map(u64::from));
        if let Some(TcpKeepAlive { on, idle, interval, count }) = keep_alive {
            self.add(format_args!(" tcp-keep-alive {}", value::flag(*on)));
            self.number("idle", idle.map(u64::from));
            self.number("interval", interval.map(u64::from));
            self.number("count", count.map(u64::from));
        }
        self.number("fib", fib.map(u64::from));
    }

    fn cluster(&mut self, cluster: &Cluster) {
        let Cluster {
            name,
            declared,
            balance,
            idle,
            resolve,
            shared,
            affinity,
            queue,
            watches,
            endpoints,
            group,
            span: _,
        } = cluster;
        self.line(&format!("cluster {name} "));
        self.balance(balance);
        self.flag(!declared, "implied");
        self.flag(*shared, "shared");
        if let Some(IdleConnections { max, requests, time, timeout, per_route }) = idle {
            let (time, timeout) = (value::duration(*time), value::duration(*timeout));
            self.add(format_args!(" idle {max} requests {requests} time {time} timeout {timeout}"));
            self.flag(*per_route, "per-route");
        }
        if let Some(group) = group {
            self.group(group);
        }
        if let Some(affinity) = affinity {
            self.affinity(affinity);
        }
        if let Some(super::Queue { places, timeout }) = queue {
            self.add(format_args!(" queue {places} for {}", value::duration(*timeout)));
        }
        self.inside(|printer| {
            for watch in watches {
                printer.watch(watch);
            }
            if let Some(resolve) = resolve {
                printer.settings(&Settings { resolve: resolve.clone().into(), ..Settings::default() });
            }
            for endpoint in endpoints {
                printer.endpoint(endpoint);
            }
        });
    }

    fn endpoint(&mut self, endpoint: &Endpoint) {
        let Endpoint {
            address,
            default_port,
            weight,
            max_connections,
            max_fails,
            fail_timeout,
            role,
            resolve,
            service,
            slow_start,
            draining,
            route,
            member,
            span: _,
        } = endpoint;
        self.line(&address.to_string());
        if let Some(member) = member {
            return self.member(member, *max_connections);
        }
        if *default_port != 80 {
            self.number("default-port", Some(u64::from(*default_port)));
        }
        self.number("weight", Some(u64::from(*weight)).filter(|weight| *weight != 1));
        self.number("max-connections", Some(u64::from(*max_connections)).filter(|max| *max != 0));
        self.add(format_args!(" fails {max_fails}/{}", value::duration(*fail_timeout)));
        match role {
            Role::Active => {}
            Role::Backup => self.add(" backup"),
            Role::Down => self.add(" down"),
        }
        self.flag(*resolve, "resolve");
        if let Some(service) = service {
            self.add(format_args!(" service {service}"));
        }
        self.flag(*draining, "draining");
        if !slow_start.is_zero() {
            self.add(format_args!(" slow-start {}", value::duration(*slow_start)));
        }
        if !route.is_empty() {
            self.add(format_args!(" route {route}"));
        }
    }

    fn host(&mut self, number: u32, host: &Host) {
        let Host { name, names, tls, request, named, span: _ } = host;
        self.line(&format!("host host{number}"));
        if names.first().is_none_or(|first| first.text != *name) {
            self.add(format_args!(" \"{name}\""));
        }
        for (at, pattern) in names.iter().enumerate() {
            self.add(if at == 0 { " " } else { ", " });
            self.pattern(pattern);
        }
        self.inside(|printer| {
            if let Some(tls) = tls {
                printer.tls(tls);
            }
            printer.block(request);
            for (name, block) in named {
                printer.line(&format!("named {name}"));
                printer.labelled(block);
            }
        });
    }

    fn tls(&mut self, tls: &HostTls) {
        let HostTls {
            certificates,
            computed,
            passwords,
            versions,
            suites,
            groups,
            own_order,
            record,
            tickets,
            ticket_keys,
            sessions,
            session_timeout,
            reject,
            chain,
            staple,
            clients,
            exclusive,
            named,
        } = tls;
        self.line("tls");
        for version in versions {
            self.add(format_args!(" {}.{}", version / 10, version % 10));
        }
        if let Some(suites) = suites {
            self.add(" suites");
            for suite in suites {
                self.add(format_args!(" {suite:04x}"));
            }
        }
        if let Some(groups) = groups {
            self.add(" groups");
            for group in groups {
                self.add(format_args!(" {group:04x}"));
            }
        }
        self.flag(*own_order, "own-order");
        self.number("record", record.map(u64::from));
        self.flag(*tickets, "tickets");
        for path in ticket_keys {
            self.add(format_args!(" ticket-key {}", path_text(path)));
        }
        self.number("sessions", sessions.map(u64::from));
        if let Some(time) = session_timeout {
            self.add(format_args!(" session-timeout {}", value::duration(*time)));
        }
        self.flag(*reject, "reject");
        for (certificate, key, _) in certificates {
            self.add(format_args!(" certificate {} key {}", path_text(certificate), path_text(key)));
        }
        for computed in computed {
            let (certificate, key) =
                (value::template(self, &computed.certificate), value::template(self, &computed.key));
            self.add(format_args!(" certificate {certificate} key {key}"));
        }
        for path in passwords {
            self.add(format_args!(" passwords {}", path_text(path)));
        }
        self.named_path("chain", chain.as_ref());
        if let Some(Staple { file, responder, issuers, verify }) = staple {
            self.add(" staple");
            self.named_path("file", file.as_ref());
            if let Some(url) = responder {
                self.add(format_args!(" from {url}"));
            }
            self.named_path("issuers", issuers.as_ref());
            self.flag(*verify, "verify");
        }
        if let Some(clients) = clients {
            let ClientCertificates { trusted, folder, further, revoked, required, any, answered, depth } =
                clients;
            self.add(" clients");
            self.named_path("trusted", trusted.as_ref());
            self.named_path("folder", folder.as_ref());
            self.named_path("further", further.as_ref());
            self.named_path("revoked", revoked.as_ref());
            self.add(format_args!(" depth {depth}"));
            self.flag(*required, "required");
            self.flag(*any, "any");
            self.flag(*answered, "answered");
        }
        self.flag(*exclusive, "exclusive");
        self.flag(*named, "named");
    }

    fn named_path(&mut self, name: &str, path: Option<&std::path::PathBuf>) {
        if let Some(path) = path {
            self.add(format_args!(" {name} {}", path_text(path)));
        }
    }

    fn flag(&mut self, on: bool, name: &str) {
        if on {
            self.add(format_args!(" {name}"));
        }
    }

    fn number(&mut self, name: &str, number: Option<u64>) {
        if let Some(number) = number {
            self.add(format_args!(" {name} {number}"));
        }
    }

    fn cluster_name(&self, id: ClusterId) -> String {
        let cluster = self.config.clusters.get(id.0 as usize);
        cluster.map_or_else(|| format!("cluster{}", id.0), |cluster| cluster.name.to_string())
    }

    /// The name of a variable; of several with one name, with its number.
    fn map_name(&self, id: MapId) -> String {
        self.config.maps.get(id.0 as usize).map_or_else(|| format!("map{}", id.0), |map| map.name.to_string())
    }

    fn map(&mut self, map: &Map) {
        let Map { name, source, span: _ } = map;
        self.line(&format!("map {name}"));
        match source {
            MapSource::Lines { path, choose } => {
                self.add(format_args!(" lines {}", path.display()));
                self.add(if *choose { " choose" } else { "" });
            }
            MapSource::Accounts { path } => self.add(format_args!(" accounts {}", path.display())),
            MapSource::Program { command, user } => {
                self.add(" program");
                for word in command {
                    self.add(format_args!(" {word}"));
                }
                if let Some((user, group)) = user {
                    self.add(format_args!(" as {user}"));
                    if let Some(group) = group {
                        self.add(format_args!(":{group}"));
                    }
                }
            }
        }
    }

    fn var_name(&self, id: VarId) -> String {
        let Some(var) = self.config.vars.get(id.0 as usize) else { return format!("${}", id.0) };
        let same = self.config.vars.iter().filter(|other| other.name == var.name).count();
        if same > 1 { format!("${}#{}", var.name, id.0) } else { format!("${}", var.name) }
    }

    fn into(&mut self, Register(letter): Register) {
        self.add(format_args!(" -> {letter}"));
    }

    fn template(&mut self, template: &Template) {
        let text = value::template(self, template);
        self.add(format_args!("\"{text}\""));
    }
}

fn path_text(path: &Path) -> String {
    format!("\"{}\"", path.as_os_str().as_encoded_bytes().escape_ascii())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        ir::{
            Asking, Attr, Balance, Base, Block, Edit, Escape, Forward, Handler, HostId, Jump, Order, Part,
            Pattern, Protocol, Query, Route, Row, Scope, Settings, Step, Table, Target, Test, Upgrade,
            Upstream, Var, VarKind,
        },
        source::Span,
    };

    fn block(steps: Vec<Step>) -> Block {
        Block { steps: steps.into_iter().map(|step| (step, Span::NONE)).collect(), ..Block::default() }
    }

    #[test]
    fn reads_as_intended() {
        let m = Register('m');
        let mut settings = Settings {
            handler: Some(Handler::Forward(Forward {
                protocol: Protocol::Http,
                tls: false,
                to: Upstream::Cluster(ClusterId(0)),
                target: Target::Replace { cut: 4, with: "/".into() },
            })),
            ..Settings::default()
        };
        settings.http.edits = Some(vec![
            Edit::Set("Host".into(), Template::attr(Attr::Host)),
            Edit::Set("Connection".into(), Template::var(VarId(0))),
        ]);
        settings.http.upgrade = Some(Upgrade::Any);
        settings.http.read_timeout = Some(Duration::from_hours(1));
        settings.http.buffers = Some((8, 4096));
        let escaped = Part::Escape(Escape::QueryIfReceivedEncoded, Template(vec![Part::Capture(m, 1)]));
        let again = block(vec![
            Step::Rewrite { path: Some("/ws/{".into()), query: Query::Prepend(Template(vec![escaped])) },
            Step::AtEnd(Some(Jump::Repeat("locate".into()))),
        ]);
        let test = Test::Match {
            subject: Template::attr(Attr::Path),
            pattern: Pattern::regex("^/(.)", true),
            into: Some(m),
        };
        let test =
            Test::All(vec![test, Test::Not(Box::new(Test::Truthy(Template::attr(Attr::Field("X".into())))))]);
        let route = Route {
            path: Pattern::prefix("/ws/"),
            decisive: true,
            body: Block {
                scope: Some(Scope { base: Base::Enclosing, set: Box::new(settings) }),
                ..Block::default()
            },
            nested: None,
        };
        let located = Block {
            label: Some("locate".into()),
            ..block(vec![
                Step::Route(Table { order: Order::Specific, into: m, routes: vec![route] }),
                Step::When { test, then: again, otherwise: block(vec![Step::Forget(m)]) },
            ])
        };
        let config = Config {
            listeners: vec![Listener {
                address: Address::Tcp("0.0.0.0:80".parse().unwrap()),
                tls: false,
                http2: false,
                announced: None,
                options: SocketOptions::default(),
                default: HostId(0),
                chosen: false,
                hosts: vec![HostId(0)],
                order: Order::Specific,
                paths: Vec::new(),
                into: m,
                span: Span::NONE,
            }],
            clusters: vec![Cluster {
                name: "chat".into(),
                declared: true,
                balance: Balance::RoundRobin,
                idle: None,
                shared: false,
                resolve: None,
                affinity: None,
                queue: None,
                watches: Vec::new(),
                endpoints: vec![Endpoint {
                    address: "10.0.0.2:9000".into(),
                    default_port: 80,
                    weight: 1,
                    max_connections: 0,
                    max_fails: 1,
                    fail_timeout: Duration::from_secs(10),
                    role: Role::Backup,
                    resolve: false,
                    service: None,
                    slow_start: Duration::ZERO,
                    draining: false,
                    route: crate::ir::Text::new(),
                    member: None,
                    span: Span::NONE,
                }],
                group: None,
                span: Span::NONE,
            }],
            vars: vec![Var {
                name: "connection_upgrade".into(),
                kind: VarKind::Table {
                    key: Template::attr(Attr::Field("upgrade".into())),
                    order: Order::Specific,
                    rows: vec![Row { pattern: Pattern::exact(""), value: "close".into() }],
                    default: "upgrade".into(),
                    once: true,
                    into: m,
                },
                span: Span::NONE,
            }],
            hosts: vec![Host {
                name: "app.example.com".into(),
                names: vec![Pattern { ignore_case: true, ..Pattern::exact("app.example.com") }],
                tls: None,
                request: block(vec![Step::Do(located), Step::Authorize(Asking::Always)]),
                named: vec![("n".into(), block(vec![Step::Admit]))],
                span: Span::NONE,
            }],
            ..Config::default()
        };
        let expected = r#"listen 0.0.0.0:80 -> m host0
cluster chat round-robin
  10.0.0.2:9000 fails 1/10s backup
var connection_upgrade table "{field upgrade}" specific once -> m
  exact "" => "close"
  else => "upgrade"
host host0 exact/i "app.example.com"
  do 'locate
    route specific -> m
      prefix "/ws/" decisive
        use enclosing
          forward http chat cut 4 with "/"
          http.edits
            set Host "{host}"
            set Connection "{$connection_upgrade}"
          http.upgrade any
          http.buffers 8 x 4k
          http.read_timeout 3600s
    when "{path}" ~ regex/i "^/(.)" -> m and not true "{field X}"
      rewrite "/ws/\{" query-before "{query-if-received-encoded of {m.1}}"
      at-end repeat 'locate
    else
      forget m
  authorize
  named n
    admit
"#;
        assert_eq!(print(&config), expected);
        assert!(print_base(&config).starts_with("base\nlisten"));
    }
}
