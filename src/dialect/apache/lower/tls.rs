//! TLS with clients: which hosts have it, their certificates, who is asked for one.
//!
//! `SSLEngine` left unset turns itself on where a certificate is configured, the port is meant for HTTPS and `Listen`
//! and `<VirtualHost>` name the same address; the main server never does. Seen on 2.4.71. A port speaks TLS when the
//! first of its hosts does.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/mod_ssl.html>

use std::{path::PathBuf, time::Duration};

use super::{
    super::{
        expr::lower as expr,
        tree::{Directive, Word},
    },
    Cx, Lower, Phase, Section,
    host::Host,
    mapping,
};
use crate::{
    diagnostic::{Diagnostic, Severity},
    dialect::ciphers,
    ir::{Attr, ClientCertificates, HostId, HostTls, Template, Test},
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("H2MaxSessionStreams", streams),
    ("Protocols", protocols),
    ("SSLCACertificateFile", authorities),
    ("SSLCACertificatePath", authorities_in),
    ("SSLCARevocationCheck", revocation),
    ("SSLCARevocationFile", revoked),
    ("SSLCertificateChainFile", chain),
    ("SSLCertificateFile", certificate),
    ("SSLCertificateKeyFile", key),
    ("SSLCipherSuite", suites),
    ("SSLEngine", engine),
    ("SSLHonorCipherOrder", own_order),
    ("SSLProtocol", protocol),
    ("SSLRequire", require_expression),
    ("SSLRequireSSL", require),
    ("SSLSessionCache", session_cache),
    ("SSLSessionCacheTimeout", session_timeout),
    ("SSLSessionTicketKeyFile", ticket_key),
    ("SSLSessionTickets", tickets),
    ("SSLStrictSNIVHostCheck", strict),
    ("SSLVerifyClient", verify),
    ("SSLVerifyDepth", depth),
];

/// What is remembered of a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Own {
    /// `SSLEngine`.
    pub(crate) engine: Option<bool>,
    certificates: Vec<(PathBuf, Span)>,
    /// Whether it names a certificate itself.
    certified: bool,
    keys: Vec<PathBuf>,
    chain: Option<PathBuf>,
    versions: Option<Vec<u8>>,
    suites: Option<Vec<u16>>,
    tickets: Option<bool>,
    ticket_key: Option<PathBuf>,
    /// How many sessions are kept; 0 keeps none.
    sessions: Option<u32>,
    session_timeout: Option<Duration>,
    authorities: Option<PathBuf>,
    authorities_in: Option<PathBuf>,
    revoked: Option<PathBuf>,
    revocation: Option<bool>,
    honors_order: Option<bool>,
    /// Whether `h2` and `h2c` are spoken.
    protocols: Option<(bool, bool)>,
    streams: Option<u64>,
    verify: Option<(Verify, Span)>,
    depth: Option<u32>,
    strict: Option<bool>,
}

/// How clients are asked for certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verify {
    Optional,
    OptionalNoCa,
    Require,
}

/// A file that has to be there.
fn file(cx: &mut Cx, directive: &Directive) -> Option<(PathBuf, Span)> {
    let word = directive.args.first()?;
    let path = cx.path(&word.value);
    if !path.is_file() {
        let message = format!("{}: file '{}' does not exist or is empty", directive.name(), path.display());
        cx.missing("missing-file", word.span, message);
    }
    Some((path, word.span))
}

fn flag(cx: &mut Cx, directive: &Directive) -> Option<bool> {
    let word = directive.args.first()?;
    if word.is("on") || word.is("off") {
        return Some(word.is("on"));
    }
    let message = format!("{} must be On or Off", directive.name());
    cx.report(Diagnostic::error("invalid-value", word.span, message).label(word.span, "On or Off"));
    None
}

/// `SSLEngine On|Off|optional`
fn engine(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    if directive.args.first().is_some_and(|word| word.is("optional")) {
        let message = "SSLEngine optional is not honoured";
        let help = "browsers do not upgrade a connection to TLS: give TLS a port of its own";
        return cx.refuse(Diagnostic::error("refused", directive.head(), message).help(help));
    }
    if let Some(on) = flag(cx, directive) {
        section.own.tls.engine = Some(on);
    }
}

/// `SSLCertificateFile file`: chain and key may be in it.
fn certificate(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    section.own.tls.certificates.extend(file(cx, directive));
    section.own.tls.certified = true;
}

/// `SSLCertificateKeyFile file`
fn key(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    section.own.tls.keys.extend(file(cx, directive).map(|(path, _)| path));
}

/// `SSLCertificateChainFile file`
fn chain(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    section.own.tls.chain = file(cx, directive).map(|(path, _)| path);
}

/// `SSLCACertificateFile file`
fn authorities(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    section.own.tls.authorities = file(cx, directive).map(|(path, _)| path);
}

/// `SSLCACertificatePath folder`
fn authorities_in(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let path = cx.path(&word.value);
    if !cx.options.offline && !path.is_dir() {
        let message = format!("SSLCACertificatePath: directory '{}' does not exist", path.display());
        return cx.error("no-such-file", word.span, message);
    }
    section.own.tls.authorities_in = Some(path);
}

/// `SSLProtocol [+|-]protocol ...`
fn protocol(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    match super::proxy::versions(directive) {
        Ok(versions) if versions.is_empty() => {
            let message = "no version of TLS that is spoken is left: 1.2 and 1.3 are";
            cx.report(Diagnostic::error("no-protocol", directive.head(), message).help("SSLProtocol all"));
        }
        Ok(versions) => section.own.tls.versions = Some(versions),
        Err(message) => cx.report(Diagnostic::error("invalid-value", directive.head(), message)),
    }
}

/// `SSLCipherSuite [protocol] list`
fn suites(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let word: &Word = match directive.args.as_slice() {
        // Suites of TLS 1.3 are all offered.
        [protocol, _] if protocol.is("TLSv1.3") => return,
        [word] | [_, word] => word,
        _ => return,
    };
    let chosen = ciphers::read(&word.text());
    if chosen.suites.is_empty() {
        let message = "none of these cipher suites is spoken";
        if word.value.starts_with(b"${") {
            return cx.missing(
                "no-cipher-suite",
                word.span,
                format!("{message}: the variable is not defined"),
            );
        }
        let found = Diagnostic::error("no-cipher-suite", word.span, message);
        return cx.report(found.help("add `ECDHE+AESGCM:ECDHE+CHACHA20`, or leave the directive out"));
    }
    if !chosen.unspoken.is_empty() {
        let message = format!("not spoken: `{}`", chosen.unspoken.join("`, `"));
        let found = Diagnostic::new(Severity::Note, "unspoken-cipher-suite", message);
        cx.report(found.label(word.span, "only suites with ephemeral keys and authenticated encryption are"));
    }
    section.own.tls.suites = Some(chosen.suites);
}

/// `SSLSessionCache none|nonenotnull|dbm:file|shmcb:file(size)|dc:...`
///
/// Whatever holds them there, they are in memory here.
fn session_cache(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    /// Of `shmcb`, where no size is given, in bytes; and about what a session takes.
    const SIZE: u64 = 512 * 1024;
    const SESSION: u64 = 256;
    let Some(word) = directive.args.first() else { return };
    let text = word.text().into_owned();
    let kind = text.split(':').next().unwrap_or_default().to_ascii_lowercase();
    section.own.tls.sessions = Some(match kind.as_str() {
        "none" | "nonenotnull" => 0,
        "shmcb" | "dbm" | "dc" | "memcache" | "redis" if text.len() > kind.len() + 1 => {
            let size = text.rsplit_once('(').and_then(|(_, size)| size.strip_suffix(')')?.parse().ok());
            let sessions = size.unwrap_or(SIZE) / SESSION;
            u32::try_from(sessions).unwrap_or(u32::MAX).max(1)
        }
        _ => {
            let message = format!("SSLSessionCache: '{text}' session cache not supported");
            let found = Diagnostic::error("invalid-value", word.span, message);
            return cx.report(found.label(word.span, "none, shmcb:FILE(SIZE), dbm:FILE and the like"));
        }
    });
}

/// `SSLSessionCacheTimeout seconds`
fn session_timeout(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    match word.text().parse() {
        Ok(seconds) => section.own.tls.session_timeout = Some(Duration::from_secs(seconds)),
        Err(_) => {
            let message = "SSLSessionCacheTimeout: Invalid argument";
            cx.report(Diagnostic::error("invalid-value", word.span, message).label(word.span, "seconds"));
        }
    }
}

/// `SSLSessionTicketKeyFile file`: 48 bytes.
fn ticket_key(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    section.own.tls.ticket_key = file(cx, directive).map(|(path, _)| path);
}

/// `SSLSessionTickets On|Off`
fn tickets(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    section.own.tls.tickets = flag(cx, directive);
}

/// `SSLStrictSNIVHostCheck On|Off`
fn strict(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    section.own.tls.strict = flag(cx, directive);
}

/// `SSLVerifyClient none|optional|require|optional_no_ca`
fn verify(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    if !section.is_server() {
        let message = "SSLVerifyClient in a section is not honoured: it needs a second handshake";
        let help = "ask for the certificate in the whole <VirtualHost>";
        return cx.refuse(Diagnostic::error("refused", directive.head(), message).help(help));
    }
    section.own.tls.verify = match word.text().to_ascii_lowercase().as_str() {
        "none" | "off" => None,
        "require" => Some((Verify::Require, word.span)),
        "optional" => Some((Verify::Optional, word.span)),
        "optional_no_ca" => Some((Verify::OptionalNoCa, word.span)),
        _ => {
            let message = format!("SSLVerifyClient: Invalid argument '{}'", word.text());
            return cx.error("invalid-value", word.span, message);
        }
    };
}

/// `SSLCARevocationFile file`
fn revoked(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    section.own.tls.revoked = file(cx, directive).map(|(path, _)| path);
}

/// `SSLCARevocationCheck chain|leaf|none [flag ...]`: lists are looked at only where this says so.
fn revocation(_: &mut Cx, section: &mut Section, directive: &Directive) {
    section.own.tls.revocation = directive.args.first().map(|word| !word.is("none"));
}

/// `SSLHonorCipherOrder On|Off`
fn own_order(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    section.own.tls.honors_order = flag(cx, directive);
}

/// `Protocols protocol ...`: `h2` counts where there is TLS, `h2c` where there is none. HTTP/1.1 is always spoken.
fn protocols(_: &mut Cx, section: &mut Section, directive: &Directive) {
    let named = |name: &str| directive.args.iter().any(|word| word.is(name));
    section.own.tls.protocols = Some((named("h2"), named("h2c")));
}

/// `H2MaxSessionStreams number`
fn streams(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    match word.text().parse() {
        Ok(number @ 1..) => section.own.tls.streams = Some(number),
        _ => cx.error("invalid-value", word.span, "value must be > 0"),
    }
}

/// `SSLVerifyDepth number`
fn depth(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    match word.text().parse() {
        Ok(depth) => section.own.tls.depth = Some(depth),
        Err(_) => cx.error("invalid-value", word.span, "SSLVerifyDepth: Invalid argument"),
    }
}

/// `SSLRequireSSL`: what comes without TLS is forbidden.
fn require(_: &mut Cx, section: &mut Section, directive: &Directive) {
    let plain = Test::Not(Box::new(Test::Truthy(Template::attr(Attr::Https))));
    let (step, _) = mapping::when(plain, vec![mapping::respond(403)]);
    section.hook(Phase::Headers, step, directive.head());
}

/// `SSLRequire expression`: what it does not hold for is forbidden.
fn require_expression(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some(test) = expr::test_of_words(cx, &directive.raw.trimmed()) else { return };
    let (step, _) = mapping::when(Test::Not(Box::new(test)), vec![mapping::respond(403)]);
    section.hook(Phase::Headers, step, directive.head());
}

/// A virtual host has what the main server has where it says nothing.
pub(super) fn join(_: &mut Cx, main: &Section, host: &mut Section) {
    let (main, own) = (&main.own.tls, &mut host.own.tls);
    own.engine = own.engine.or(main.engine);
    // Observed: the main server's certificates are shown by those alone that have none.
    if own.certificates.is_empty() {
        own.certificates.clone_from(&main.certificates);
        own.keys.clone_from(&main.keys);
    }
    own.chain = own.chain.take().or_else(|| main.chain.clone());
    own.versions = own.versions.take().or_else(|| main.versions.clone());
    own.suites = own.suites.take().or_else(|| main.suites.clone());
    own.tickets = own.tickets.or(main.tickets);
    own.ticket_key = own.ticket_key.take().or_else(|| main.ticket_key.clone());
    own.sessions = own.sessions.or(main.sessions);
    own.session_timeout = own.session_timeout.or(main.session_timeout);
    own.authorities = own.authorities.take().or_else(|| main.authorities.clone());
    own.authorities_in = own.authorities_in.take().or_else(|| main.authorities_in.clone());
    own.revoked = own.revoked.take().or_else(|| main.revoked.clone());
    own.revocation = own.revocation.or(main.revocation);
    own.honors_order = own.honors_order.or(main.honors_order);
    own.protocols = own.protocols.or(main.protocols);
    own.streams = own.streams.or(main.streams);
    own.verify = own.verify.or(main.verify);
    own.depth = own.depth.or(main.depth);
    own.strict = own.strict.or(main.strict);
}

/// Gives hosts and listeners their TLS.
pub(super) fn attach(cx: &mut Cx, hosts: &[Host]) {
    let strict = hosts.first().and_then(|main| main.section.own.tls.strict) == Some(true);
    for (at, host) in hosts.iter().enumerate() {
        let on = match host.section.own.tls.engine {
            Some(on) => on,
            None => at > 0 && host.section.own.tls.certified && is_meant(cx, host),
        };
        if on {
            let tls = of_host(cx, &host.section, strict);
            cx.config.hosts[at].tls = Some(tls);
        }
        let Own { protocols, streams, .. } = &host.section.own.tls;
        if let (Some((h2, h2c)), Some(scope)) = (protocols, &mut cx.config.hosts[at].request.scope) {
            scope.set.client.http2 = Some(if on { *h2 } else { *h2c });
            scope.set.client.http2_streams = *streams;
        }
    }
    let of_hosts: Vec<bool> = cx.config.hosts.iter().map(|host| host.tls.is_some()).collect();
    for listener in &mut cx.config.listeners {
        let HostId(default) = listener.default;
        listener.tls = of_hosts.get(default as usize) == Some(&true);
    }
}

/// Whether a host without `SSLEngine` is at an address that is meant for HTTPS.
fn is_meant(cx: &Cx, host: &Host) -> bool {
    let addresses = &host.section.own.host.addresses;
    addresses.iter().any(|address| {
        let same = |socket: &&super::listen::Socket| {
            socket.https && socket.ip == address.ip && address.port == Some(socket.port)
        };
        cx.sockets.iter().any(|socket| same(&socket))
    })
}

fn of_host(cx: &mut Cx, host: &Section, strict: bool) -> HostTls {
    let own = &host.own.tls;
    if own.certificates.is_empty() {
        let message = "SSLEngine On without a certificate";
        let mut found = Diagnostic::error("no-certificate", host.span, message);
        if cx.options.offline {
            // The main server may have one, and be elsewhere.
            found.severity = Severity::Note;
        }
        cx.report(found.help("name one with `SSLCertificateFile` and `SSLCertificateKeyFile`"));
    }
    let pair = |(at, (certificate, span)): (usize, &(PathBuf, Span))| {
        (certificate.clone(), own.keys.get(at).unwrap_or(certificate).clone(), *span)
    };
    let clients = own.verify.map(|(how, span)| (own.authorities.clone(), how, span));
    let clients = clients.and_then(|(trusted, how, span)| {
        let any = how == Verify::OptionalNoCa;
        let folder = own.authorities_in.clone();
        let known = trusted.is_some() || folder.is_some();
        if !known && !any {
            let message = "certificates of clients are asked for, and nobody is trusted to issue them";
            let found = Diagnostic::error("no-authorities", span, message);
            cx.diagnostics.push(found.help("name the issuers with `SSLCACertificateFile`"));
        }
        let depth = own.depth.unwrap_or(1);
        (known || any).then(|| ClientCertificates {
            trusted,
            folder,
            further: None,
            revoked: own.revoked.clone().filter(|_| own.revocation == Some(true)),
            required: how == Verify::Require,
            any,
            answered: false,
            depth,
        })
    });
    HostTls {
        certificates: own.certificates.iter().enumerate().map(pair).collect(),
        versions: own.versions.clone().unwrap_or_else(|| vec![12, 13]),
        suites: own.suites.clone(),
        own_order: own.honors_order == Some(true),
        tickets: own.tickets.unwrap_or(true),
        ticket_keys: own.ticket_key.iter().cloned().collect(),
        sessions: own.sessions.filter(|most| *most > 0),
        session_timeout: Some(own.session_timeout.unwrap_or(Duration::from_mins(5))),
        reject: false,
        chain: own.chain.clone(),
        clients,
        exclusive: true,
        named: strict,
        ..HostTls::default()
    }
}
