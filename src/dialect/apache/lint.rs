//! What loads, runs, and cannot be what was meant: mistakes that tutorials spread, each with the line that was meant.
//!
//! Findings carry edits, so that `check --fix` can write a configuration that works.

use super::tree::{Directive, Item, Word, directives};
use crate::{
    diagnostic::Diagnostic,
    source::{SourceMap, Span},
};

/// Kinds of `%{KIND:name}`: after a dollar they would be names of maps.
const KINDS: [&str; 5] = ["HTTP", "ENV", "SSL", "LA-U", "LA-F"];

/// The certificate that Debian makes for every machine.
const SELF_SIGNED: (&str, &str) =
    ("/etc/ssl/certs/ssl-cert-snakeoil.pem", "/etc/ssl/private/ssl-cert-snakeoil.key");

/// Looks at a whole configuration.
pub(super) fn look(items: &[Item], sources: &SourceMap) -> Vec<Diagnostic> {
    let mut lint = Lint { found: Vec::new(), maps: Vec::new(), balancers: Vec::new(), sources };
    lint.collect(items);
    let main = Server::of(items);
    lint.server(&main, None);
    for directive in directives(items).filter(|directive| directive.name() == "<VirtualHost>") {
        let host = Server { section: Some(directive), ..Server::of(directive.block()) };
        lint.server(&host, Some(&main));
    }
    lint.found
}

/// The directives of a server, those of its sections too.
struct Server<'t> {
    section: Option<&'t Directive>,
    all: Vec<&'t Directive>,
}

impl<'t> Server<'t> {
    fn of(items: &'t [Item]) -> Self {
        let mut all = Vec::new();
        flatten(items, &mut all);
        Self { section: None, all }
    }

    fn named<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'t Directive> + 's {
        self.all.iter().copied().filter(move |directive| directive.name() == name)
    }

    /// The last value of a switch; `None` when it is not there.
    fn switch(&self, name: &str) -> Option<bool> {
        self.named(name).last().and_then(|directive| directive.args.first()).map(|word| word.is("on"))
    }
}

fn flatten<'t>(items: &'t [Item], all: &mut Vec<&'t Directive>) {
    for directive in directives(items) {
        all.push(directive);
        if directive.name() != "<VirtualHost>" {
            flatten(directive.block(), all);
        }
    }
}

struct Lint<'s> {
    found: Vec<Diagnostic>,
    /// Names of maps, in lower case.
    maps: Vec<Vec<u8>>,
    /// Names of balancers in lower case, and whether members have `upgrade`; with their members' URLs.
    balancers: Vec<(Vec<u8>, Vec<Word>)>,
    sources: &'s SourceMap,
}

impl Lint<'_> {
    /// What directives may name.
    fn collect(&mut self, items: &[Item]) {
        for directive in directives(items) {
            match (directive.name(), directive.args.as_slice()) {
                ("RewriteMap", [name, ..]) => self.maps.push(name.value.clone()),
                ("<Proxy>", [name, ..]) => {
                    if let Some(name) = balancer(&name.value) {
                        let members = directives(directive.block())
                            .filter(|inner| inner.name() == "BalancerMember")
                            .filter_map(|inner| inner.args.first().cloned());
                        self.balancers.push((name, members.collect()));
                    }
                }
                _ => {}
            }
            self.collect(directive.block());
        }
    }

    fn server(&mut self, server: &Server<'_>, main: Option<&Server<'_>>) {
        for condition in server.named("RewriteCond") {
            self.condition(condition);
        }
        for rule in server.named("RewriteRule") {
            self.rule(rule);
        }
        let told = |server: &Server<'_>| {
            server.all.iter().any(|one| one.args.iter().any(|word| word.value.starts_with(b"upgrade=")))
        };
        if !told(server) && !main.is_some_and(told) {
            self.sockets(server);
        }
        let tls =
            server.switch("SSLProxyEngine").or_else(|| main.and_then(|main| main.switch("SSLProxyEngine")));
        if tls != Some(true) {
            self.upstream_tls(server);
        }
        if let Some(section) = server.section {
            self.port_443(section, server, main);
        }
    }

    /// `${HTTP:Upgrade}` is a look-up in a map called `HTTP`.
    fn condition(&mut self, directive: &Directive) {
        let Some(word) = directive.args.first() else { return };
        for kind in KINDS {
            let wrong = format!("${{{kind}:");
            if self.maps.iter().any(|map| map.eq_ignore_ascii_case(kind.as_bytes())) {
                continue;
            }
            let text = self.sources.text(word.span);
            let Some(at) = memchr::memmem::find(text, wrong.as_bytes()) else { continue };
            let dollar = word.span.start + at as u32;
            let span = Span::new(word.span.file, dollar, dollar + 1);
            let rest = String::from_utf8_lossy(&text[at + 1..]).into_owned();
            let name = rest.split_inclusive('}').next().unwrap_or_default().to_owned();
            let message =
                format!("`${name}` looks up a map called `{kind}`, which does not exist: it is always empty");
            self.found.push(
                Diagnostic::warning("unknown-map", word.span, message)
                    .because("never matches, so the rule below never runs")
                    .help(format!("a request header is `%{name}`, with a percent sign"))
                    .fix(span, "%"),
            );
        }
    }

    /// Rules for requests that ask for a WebSocket, and lead to a URL that passes none on. Observed (2.4.71): behind
    /// `http://` the fields `Upgrade` and `Connection` are not sent.
    fn sockets(&mut self, server: &Server<'_>) {
        let mut asked = false;
        for directive in &server.all {
            match (directive.name(), directive.args.as_slice()) {
                ("RewriteCond", [subject, pattern, ..]) => {
                    let subject = subject.value.to_ascii_lowercase();
                    let pattern = pattern.value.to_ascii_lowercase();
                    asked |= subject == b"%{http:upgrade}"
                        && !pattern.starts_with(b"!")
                        && memchr::memmem::find(&pattern, b"websocket").is_some();
                }
                ("RewriteRule", [_, target, ..]) => {
                    let url = target.value.to_ascii_lowercase();
                    let scheme = [&b"https://"[..], b"http://"].into_iter().find(|one| url.starts_with(one));
                    if let Some(scheme) = scheme.filter(|_| asked && proxies(directive)) {
                        let meant = if scheme.len() == 8 { "wss" } else { "ws" };
                        let text = self.sources.text(target.span);
                        let open = u32::from(matches!(text.first(), Some(b'"' | b'\'')));
                        let start = target.span.start + open;
                        let span = Span::new(target.span.file, start, start + scheme.len() as u32 - 3);
                        let found = Diagnostic::warning(
                            "websocket-scheme-missing",
                            target.span,
                            "requests for a WebSocket are sent on as ordinary ones",
                        );
                        self.found.push(
                            found
                                .because("`http` passes no `Upgrade` on")
                                .help(format!("write `{meant}://`"))
                                .fix(span, meant),
                        );
                    }
                    asked = false;
                }
                _ => {}
            }
        }
    }

    /// Targets of `[P]` rules.
    fn rule(&mut self, directive: &Directive) {
        let [pattern, target, ..] = directive.args.as_slice() else { return };
        let text = self.sources.text(target.span).to_vec();
        // Where the text of the word begins, behind a quote.
        let open = usize::from(matches!(text.first(), Some(b'"' | b'\'')));
        let value = &text[open..text.len() - open.min(text.len() - open)];
        let at = |from: usize, to: usize| {
            let start = target.span.start + open as u32;
            Span::new(target.span.file, start + from as u32, start + to as u32)
        };
        let scheme = ["wss:/", "ws:/", "https:/", "http:/"].into_iter().find(|scheme| {
            value.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme.as_bytes()))
        });
        let Some(scheme) = scheme else { return };
        let double = value.get(scheme.len()) == Some(&b'/');
        let authority = scheme.len() + usize::from(double);
        if !double {
            let message = format!("`{scheme}` needs two slashes: this is taken for a path of this server");
            self.found.push(
                Diagnostic::warning("one-slash", target.span, message)
                    .because("sent to whatever host the client names, were it not refused")
                    .help(format!("write `{scheme}/{}`", String::from_utf8_lossy(&value[authority..])))
                    .note("requests that get here are answered with 400")
                    .fix(at(authority, authority), "/"),
            );
        }
        let rest = &value[authority..];
        let end = memchr::memchr2(b'/', b'%', rest).unwrap_or(rest.len());
        self.names_balancer(target, &rest[..end], at(0, authority));
        let path = &rest[end..];
        let whole = matches!(&*pattern.value, b".*" | b"^" | b"^.*" | b"^.*$" | b"" | b"^/");
        let fixed = memchr::memchr2(b'$', b'%', value).is_none();
        if whole && fixed && matches!(path, b"" | b"/") {
            let scheme = scheme.trim_end_matches(":/");
            let name = String::from_utf8_lossy(&rest[..end]).into_owned();
            let one_line =
                format!("`ProxyPass / {}://{name}/ upgrade=websocket`", scheme.replacen("ws", "http", 1));
            self.found.push(
                Diagnostic::warning("path-lost", target.span, "every path is sent to `/`: the rule drops it")
                    .because("the path of the request is not in here")
                    .help(format!("`{scheme}://{name}%{{REQUEST_URI}}` sends it on"))
                    .help(format!("without any rule: {one_line}"))
                    .fix(at(authority + end, value.len()), "%{REQUEST_URI}"),
            );
        }
    }

    /// The name of a balancer where the name of a machine is needed.
    fn names_balancer(&mut self, target: &Word, authority: &[u8], scheme: Span) {
        let known = |(name, _): &&(Vec<u8>, Vec<Word>)| name.eq_ignore_ascii_case(authority);
        let Some((name, members)) = self.balancers.iter().find(known) else { return };
        let name = String::from_utf8_lossy(name).into_owned();
        let mut found = Diagnostic::warning(
            "balancer-as-host",
            target.span,
            format!("`{name}` is a balancer here, and no machine: its name does not resolve"),
        )
        .because("answered with 500")
        .help(format!("write `balancer://{name}`, and `upgrade=websocket` behind each BalancerMember"))
        .fix(scheme, "balancer://");
        for member in members {
            let end = Span::new(member.span.file, member.span.end, member.span.end);
            found = found.fix(end, " upgrade=websocket");
        }
        self.found.push(found);
    }

    /// TLS to upstreams is off unless it is turned on.
    fn upstream_tls(&mut self, server: &Server<'_>) {
        let is_tls = |word: &Word| {
            let text = word.value.to_ascii_lowercase();
            text.starts_with(b"https:") || text.starts_with(b"wss:")
        };
        let mut first: Option<(&Directive, &Word)> = None;
        for directive in &server.all {
            let word = match directive.name() {
                "ProxyPass" | "ProxyPassMatch" | "BalancerMember" => {
                    directive.args.iter().find(|word| is_tls(word))
                }
                "RewriteRule" => directive.args.get(1).filter(|word| is_tls(word) && proxies(directive)),
                _ => None,
            };
            if let Some(word) = word {
                first = first.or(Some((directive, word)));
            }
        }
        let Some((directive, word)) = first else { return };
        let before = server.section.map_or(directive.span.start, |_| directive.span.start);
        let indent = indentation(self.sources, directive.span);
        let place = Span::new(directive.span.file, before, before);
        let mut found = Diagnostic::warning(
            "no-upstream-tls",
            word.span,
            "TLS to upstreams is off: requests are answered with 500",
        )
        .because("needs SSLProxyEngine")
        .help("add `SSLProxyEngine On` to the virtual host");
        let in_server = server.section.is_none_or(|section| {
            directives(section.block()).any(|inner| inner.span.start == directive.span.start)
        });
        let line = format!("SSLProxyEngine On\n{indent}");
        found = match (in_server, server.section) {
            (false, Some(section)) => {
                let inner = directives(section.block()).next().map_or(section.span, |inner| inner.span);
                let place = Span::new(inner.file, inner.start, inner.start);
                found.fix(place, format!("SSLProxyEngine On\n{}", indentation(self.sources, inner)))
            }
            _ => found.fix(place, line),
        };
        self.found.push(found);
    }

    /// A virtual host at port 443 without TLS.
    fn port_443(&mut self, section: &Directive, server: &Server<'_>, main: Option<&Server<'_>>) {
        let on_443 = section.args.iter().any(|word| word.value.ends_with(b":443"));
        let said = server.switch("SSLEngine").or_else(|| main.and_then(|main| main.switch("SSLEngine")));
        let certificate = server.named("SSLCertificateFile").next().is_some();
        if !on_443 || said.is_some() || certificate {
            return;
        }
        let Some(inner) = directives(section.block()).next() else { return };
        let indent = indentation(self.sources, inner.span);
        let mut found = Diagnostic::warning(
            "plain-443",
            section.args.first().map_or(section.span, |word| word.span),
            "port 443 speaks plain HTTP here: TLS is not turned on",
        )
        .because("browsers will not connect")
        .help("add `SSLEngine On`, `SSLCertificateFile` and `SSLCertificateKeyFile`");
        let (certificate, key) = SELF_SIGNED;
        if std::path::Path::new(certificate).exists() {
            let place = Span::new(inner.span.file, inner.span.start, inner.span.start);
            let lines = [
                "SSLEngine On".to_owned(),
                format!("SSLCertificateFile {certificate}"),
                format!("SSLCertificateKeyFile {key}"),
            ];
            let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n", indent.as_str()]).collect();
            found =
                found.note("the certificate in the fix is this machine's self-signed one").fix(place, text);
        }
        self.found.push(found);
    }
}

/// Whether a rule has the flag `P`.
fn proxies(rule: &Directive) -> bool {
    let Some(flags) = rule.args.get(2) else { return false };
    let text = flags.text().to_ascii_lowercase();
    text.trim_matches(|letter| letter == '[' || letter == ']')
        .split(',')
        .any(|flag| matches!(flag.trim(), "p" | "proxy"))
}

/// The white space in front of a directive, on its line.
fn indentation(sources: &SourceMap, span: Span) -> String {
    if !span.is_known() {
        return String::new();
    }
    let text = &sources.file(span.file).text[..span.start as usize];
    let line = memchr::memrchr(b'\n', text).map_or(0, |at| at + 1);
    let blank: Vec<u8> =
        text[line..].iter().copied().take_while(|byte| matches!(byte, b' ' | b'\t')).collect();
    String::from_utf8_lossy(&blank).into_owned()
}

/// The name of a balancer in its URL, in lower case.
fn balancer(url: &[u8]) -> Option<Vec<u8>> {
    let lower = url.to_ascii_lowercase();
    let name = lower.strip_prefix(b"balancer://")?;
    let end = memchr::memchr(b'/', name).unwrap_or(name.len());
    Some(name[..end].to_vec())
}
