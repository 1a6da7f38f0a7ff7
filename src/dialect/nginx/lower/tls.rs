//! TLS of a server: certificates, versions, sessions.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_ssl_module.html>

use std::{path::PathBuf, time::Duration};

use super::{
    super::{
        tree::{Directive, Word},
        values,
    },
    Cx, Level, Lower, template,
};
use crate::{
    diagnostic::{Diagnostic, Severity},
    dialect::ciphers,
    ir::{ComputedCertificate, HostTls, Template},
    source::Span,
};

mod clients;
mod staple;

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("ssl", everywhere),
    ("ssl_buffer_size", buffer_size),
    ("ssl_certificate", certificate),
    ("ssl_certificate_key", key),
    ("ssl_ciphers", suites),
    ("ssl_client_certificate", clients::trusted),
    ("ssl_conf_command", conf_command),
    ("ssl_crl", clients::revoked),
    ("ssl_ecdh_curve", groups),
    ("ssl_password_file", passwords),
    ("ssl_prefer_server_ciphers", own_order),
    ("ssl_protocols", protocols),
    ("ssl_reject_handshake", reject_handshake),
    ("ssl_session_cache", session_cache),
    ("ssl_session_ticket_key", ticket_key),
    ("ssl_session_tickets", session_tickets),
    ("ssl_session_timeout", session_timeout),
    ("ssl_stapling", staple::on),
    ("ssl_stapling_file", staple::file),
    ("ssl_stapling_responder", staple::responder),
    ("ssl_stapling_verify", staple::verify),
    ("ssl_trusted_certificate", clients::further),
    ("ssl_verify_client", clients::verify),
    ("ssl_verify_depth", clients::depth),
];

/// Where a certificate or key is.
#[derive(Clone, Debug)]
pub(super) enum Name {
    /// In a file.
    File(PathBuf),
    /// In a file whose name is known in the handshake, or in the name itself after `data:`.
    Computed(Template),
}

impl Name {
    pub(super) fn read(cx: &mut Cx, word: &Word) -> Option<Self> {
        if word.value.contains(&b'$') || word.value.starts_with(b"data:") {
            return Some(Self::Computed(template(cx, word)));
        }
        file(cx, word).map(Self::File)
    }

    /// As one that is known in the handshake.
    pub(super) fn computed(&self) -> Template {
        match self {
            Self::File(path) => Template::text(path.as_os_str().as_encoded_bytes()),
            Self::Computed(name) => name.clone(),
        }
    }

    /// The file, unless its name is computed.
    pub(super) fn into_file(self) -> Option<PathBuf> {
        match self {
            Self::File(path) => Some(path),
            Self::Computed(_) => None,
        }
    }
}

/// What is written of a host's TLS, handed down piece by piece.
#[derive(Clone, Debug)]
pub(super) struct Written {
    certificates: Vec<(Name, Span)>,
    keys: Vec<(Name, Span)>,
    versions: Vec<u8>,
    suites: Option<Vec<u16>>,
    tickets: bool,
    sessions: Option<u32>,
    session_timeout: Duration,
    reject: bool,
    passwords: Vec<PathBuf>,
    groups: Option<Vec<u16>>,
    own_order: bool,
    record: Option<u16>,
    ticket_keys: Vec<PathBuf>,
    staple: staple::Written,
    clients: clients::Written,
}

/// What is offered where nothing is written. nginx 1.22 would add TLS 1.0 and 1.1, which rustls does not
/// speak, and leave out 1.3, which every later version offers.
pub(super) const VERSIONS: [u8; 2] = [12, 13];

impl Default for Written {
    fn default() -> Self {
        Self {
            certificates: Vec::new(),
            keys: Vec::new(),
            versions: VERSIONS.to_vec(),
            suites: None,
            tickets: true,
            sessions: None,
            session_timeout: Duration::from_mins(5),
            reject: false,
            passwords: Vec::new(),
            groups: None,
            own_order: false,
            record: None,
            ticket_keys: Vec::new(),
            staple: staple::Written::default(),
            clients: clients::Written::default(),
        }
    }
}

/// `ssl_certificate file;` The first at a level drops those of the outer levels.
fn certificate(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    if level.first("ssl_certificate") {
        level.inherited.tls_written.certificates.clear();
    }
    let Some(word) = directive.args.first() else { return };
    if let Some(name) = Name::read(cx, word) {
        level.inherited.tls_written.certificates.push((name, word.span));
    }
}

/// `ssl_certificate_key file;` Likewise; the first belongs to the first certificate, and so on.
fn key(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    if level.first("ssl_certificate_key") {
        level.inherited.tls_written.keys.clear();
    }
    let Some(word) = directive.args.first() else { return };
    if let Some(name) = Name::read(cx, word) {
        level.inherited.tls_written.keys.push((name, word.span));
    }
}

/// `ssl_protocols version...;`
fn protocols(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(versions) = versions(cx, directive) {
        level.first("ssl_protocols");
        level.inherited.tls_written.versions = versions;
    }
}

/// `ssl_ciphers list;` The suites of TLS 1.2; those of 1.3 are always offered.
fn suites(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    if let Some(suites) = read_suites(cx, word) {
        let before = level.inherited.tls_written.suites.take();
        level.inherited.tls_written.suites = Some(with_suites(before, suites));
    }
}

/// Whether a suite is one of TLS 1.3.
fn is_newer(suite: u16) -> bool {
    suite >> 8 == 0x13
}

/// These suites in place of those of the same version.
pub(super) fn with_suites(before: Option<Vec<u16>>, mut suites: Vec<u16>) -> Vec<u16> {
    let newer = suites.first().is_some_and(|suite| is_newer(*suite));
    suites.extend(before.into_iter().flatten().filter(|suite| is_newer(*suite) != newer));
    suites
}

/// Those of TLS 1.3 that a list names; `None` after a report when there are none.
fn newer_suites(cx: &mut Cx, word: &Word) -> Option<Vec<u16>> {
    let number = |name: &str| match name {
        "TLS_AES_128_GCM_SHA256" => Some(0x1301),
        "TLS_AES_256_GCM_SHA384" => Some(0x1302),
        "TLS_CHACHA20_POLY1305_SHA256" => Some(0x1303),
        _ => None,
    };
    let text = word.text();
    let found: Vec<u16> = text.split(':').filter_map(|name| number(name.trim())).collect();
    if found.is_empty() {
        let message = format!("none of these cipher suites is spoken: `{text}`");
        cx.report(
            Diagnostic::warning("no-cipher-suite", word.span, message)
                .because("all of TLS 1.3 that are spoken are offered instead")
                .help("TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"),
        );
        return None;
    }
    Some(found)
}

/// The suites that a list names and that are spoken; `None` after a report when there are none.
pub(super) fn read_suites(cx: &mut Cx, word: &Word) -> Option<Vec<u16>> {
    let chosen = ciphers::read(&word.text());
    if chosen.suites.is_empty() {
        let message = "none of these cipher suites is spoken";
        cx.report(
            Diagnostic::error("no-cipher-suite", word.span, message)
                .help("add `ECDHE+AESGCM:ECDHE+CHACHA20`, or leave the directive out"),
        );
        return None;
    }
    if !chosen.unspoken.is_empty() {
        let message = format!("not spoken: `{}`", chosen.unspoken.join("`, `"));
        cx.report(
            Diagnostic::new(Severity::Note, "unspoken-cipher-suite", message)
                .label(word.span, "only suites with ephemeral keys and authenticated encryption are"),
        );
    }
    Some(chosen.suites)
}

/// `ssl_reject_handshake on|off;`
fn reject_handshake(_: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(Ok(reject)) = directive.args.first().map(|word| values::flag(&word.value)) {
        level.inherited.tls_written.reject = reject;
    }
}

/// `ssl_session_tickets on|off;`
fn session_tickets(_: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(Ok(tickets)) = directive.args.first().map(|word| values::flag(&word.value)) {
        level.inherited.tls_written.tickets = tickets;
    }
}

/// `ssl_session_cache off|none|builtin[:sessions]|shared:name:size ...;`
fn session_cache(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let mut sessions = level.inherited.tls_written.sessions;
    for word in &directive.args {
        sessions = match sessions_of(&word.value) {
            Ok(none @ None) => none,
            Ok(some) => some.max(sessions),
            Err(why) => {
                let message = format!("{why} \"{}\"", word.text());
                let found = Diagnostic::error("bad-value", word.span, message);
                cx.report(found.help("ssl_session_cache shared:SSL:10m;"));
                return;
            }
        };
    }
    level.inherited.tls_written.sessions = sessions;
}

/// How many sessions a cache holds; none that is not to be.
fn sessions_of(value: &[u8]) -> Result<Option<u32>, &'static str> {
    /// Of OpenSSL, where no number is given.
    const BUILTIN: u32 = 20480;
    /// The smallest zone: eight pages.
    const SMALLEST: u64 = 8 * 4096;
    let invalid = "invalid session cache";
    match value {
        b"off" | b"none" => return Ok(None),
        b"builtin" => return Ok(Some(BUILTIN)),
        _ => {}
    }
    if let Some(number) = value.strip_prefix(b"builtin:") {
        let number = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
        return number.map(Some).ok_or(invalid);
    }
    let zone = value.strip_prefix(b"shared:").ok_or(invalid)?;
    let colon = zone.iter().position(|byte| *byte == b':').filter(|at| *at > 0).ok_or(invalid)?;
    let size = values::size(&zone[colon + 1..]).map_err(|_| invalid)?;
    if size < SMALLEST {
        return Err("too small a session cache");
    }
    // 4,000 sessions a megabyte, says the documentation.
    Ok(Some(u32::try_from(size / 256).unwrap_or(u32::MAX)))
}

/// `ssl_session_timeout time;`
fn session_timeout(_: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(Ok(timeout)) = directive.args.first().map(|word| values::seconds(&word.value)) {
        level.inherited.tls_written.session_timeout = timeout;
    }
}

/// `ssl on|off;` All addresses of the server, as `listen ... ssl` has it for one.
fn everywhere(_: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(Ok(on)) = directive.args.first().map(|word| values::flag(&word.value)) {
        level.inherited.tls_everywhere = on;
    }
}

/// `ssl_buffer_size size;`
fn buffer_size(_: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(Ok(size)) = directive.args.first().map(|word| values::size(&word.value)) {
        // A record holds 16 KiB at most (RFC 8446 § 5.1).
        level.inherited.tls_written.record = u16::try_from(size).ok().filter(|size| *size < 16 * 1024);
    }
}

/// `ssl_password_file file;`
fn passwords(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    level.inherited.tls_written.passwords = file(cx, word).into_iter().collect();
}

/// `ssl_session_ticket_key file;` The first encrypts.
fn ticket_key(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    if level.first("ssl_session_ticket_key") {
        level.inherited.tls_written.ticket_keys.clear();
    }
    let Some(word) = directive.args.first() else { return };
    if let Some(path) = file(cx, word) {
        if !matches!(std::fs::metadata(&path).map_or(48, |found| found.len()), 48 | 80) {
            let message = format!("`{}` must be 48 or 80 bytes", path.display());
            cx.report(
                Diagnostic::error("invalid-ticket-key", word.span, message)
                    .help("openssl rand 80 > ticket.key"),
            );
            return;
        }
        level.inherited.tls_written.ticket_keys.push(path);
    }
}

/// `ssl_prefer_server_ciphers on|off;`
fn own_order(_: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(Ok(own)) = directive.args.first().map(|word| values::flag(&word.value)) {
        level.inherited.tls_written.own_order = own;
    }
}

/// `ssl_ecdh_curve curve[:curve...];`
fn groups(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(groups) = directive.args.first().and_then(|word| read_groups(cx, word)) {
        level.inherited.tls_written.groups = groups;
    }
}

/// The groups that a list names and that are spoken, `None` among them being the library's choice; nothing after a
/// report when there are none.
#[expect(clippy::option_option, reason = "no choice of groups is one")]
pub(super) fn read_groups(cx: &mut Cx, word: &Word) -> Option<Option<Vec<u16>>> {
    let text = word.text();
    if text == "auto" {
        return Some(None);
    }
    let (mut spoken, mut unspoken) = (Vec::new(), Vec::new());
    for name in text.split(':').filter(|name| !name.is_empty()) {
        // After `?` a name may be unknown.
        let bare = name.trim_start_matches('?');
        match bare.to_ascii_lowercase().as_str() {
            "prime256v1" | "secp256r1" | "p-256" => spoken.push(0x0017),
            "secp384r1" | "p-384" => spoken.push(0x0018),
            "x25519" => spoken.push(0x001d),
            "x25519mlkem768" => spoken.push(0x11ec),
            _ => unspoken.push(bare.to_owned()),
        }
    }
    if spoken.is_empty() {
        let message = format!("none of these groups is spoken: `{text}`");
        cx.report(
            Diagnostic::warning("no-group", word.span, message)
                .because("those in use where nothing is said are offered instead")
                .help("ssl_ecdh_curve X25519:prime256v1:secp384r1;"),
        );
        return None;
    }
    if !unspoken.is_empty() {
        let message = format!("not spoken: `{}`", unspoken.join("`, `"));
        cx.report(
            Diagnostic::new(Severity::Note, "unspoken-group", message)
                .label(word.span, "X25519, P-256, P-384 and X25519MLKEM768 are"),
        );
    }
    Some(Some(spoken))
}

/// `ssl_conf_command name value;` What is said there of groups, suites and versions is said here, too.
fn conf_command(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Written { groups, suites, versions, .. } = &mut level.inherited.tls_written;
    command(cx, directive, groups, suites, versions);
}

/// A command of OpenSSL, as far as it speaks of these.
pub(super) fn command(
    cx: &mut Cx,
    directive: &Directive,
    groups: &mut Option<Vec<u16>>,
    suites: &mut Option<Vec<u16>>,
    versions: &mut Vec<u8>,
) {
    let [name, value] = directive.args.as_slice() else { return };
    let version = |text: &str| match text.to_ascii_lowercase().as_str() {
        "tlsv1.3" => 13,
        "tlsv1.2" => 12,
        _ => 0,
    };
    match name.text().to_ascii_lowercase().as_str() {
        "groups" | "curves" | "ecdhparameters" => {
            if let Some(read) = read_groups(cx, value) {
                *groups = read;
            }
        }
        "minprotocol" => {
            let least = version(&value.text());
            versions.retain(|version| *version >= least);
        }
        "maxprotocol" => {
            let most = version(&value.text()).max(12);
            versions.retain(|version| *version <= most);
        }
        "ciphersuites" | "cipherstring" => {
            let newer = name.text().eq_ignore_ascii_case("ciphersuites");
            let read = if newer { newer_suites(cx, value) } else { read_suites(cx, value) };
            if let Some(read) = read {
                *suites = Some(with_suites(suites.take(), read));
            }
        }
        "options" => cx.warn(
            "inert-parameter",
            directive.head(),
            format!("`{}` has no effect: TLS here is rustls", name.text()),
        ),
        other => {
            let message = format!("the command `{other}` of OpenSSL is not honoured");
            let found = Diagnostic::error("refused-command", name.span, message);
            cx.refuse(found.help("TLS here is rustls; `Groups`, `Ciphersuites`, `CipherString`, `MinProtocol` and `MaxProtocol` are read"));
        }
    }
}

/// Pairs the certificates of a level with their keys. A certificate that no `listen` uses needs its key
/// all the same.
pub(super) fn settle(cx: &mut Cx, level: &mut Level) {
    let clients = clients::settle(cx, level);
    let Written {
        certificates,
        keys,
        versions,
        suites,
        tickets,
        sessions,
        session_timeout,
        reject,
        passwords,
        groups,
        own_order,
        record,
        ticket_keys,
        staple,
        clients: written,
    } = &level.inherited.tls_written;
    let (mut pairs, mut computed) = (Vec::new(), Vec::new());
    for (at, (certificate, span)) in certificates.iter().enumerate() {
        match (certificate, keys.get(at)) {
            (Name::File(certificate), Some((Name::File(key), _))) => {
                pairs.push((certificate.clone(), key.clone(), *span));
            }
            (_, Some((key, _))) => {
                let (certificate, key) = (certificate.computed(), key.computed());
                let folder = cx.conf_path(b"");
                computed.push(ComputedCertificate { certificate, key, folder, span: *span });
            }
            // Said at the level that hosts are made from: an inner level may add the key.
            (_, None) if level.kind == super::Kind::Server => {
                let message = "no `ssl_certificate_key` for this certificate";
                cx.report(Diagnostic::error("no-certificate-key", *span, message));
                // Not as if there were no certificate, too.
                pairs.push((PathBuf::new(), PathBuf::new(), *span));
            }
            (_, None) => {}
        }
    }
    level.inherited.tls = HostTls {
        certificates: pairs,
        computed,
        versions: versions.clone(),
        suites: suites.clone(),
        tickets: *tickets,
        sessions: *sessions,
        session_timeout: Some(*session_timeout),
        reject: *reject,
        passwords: passwords.clone(),
        groups: groups.clone(),
        own_order: *own_order,
        record: *record,
        ticket_keys: ticket_keys.clone(),
        staple: staple.settle(written.further()),
        clients,
        ..HostTls::default()
    };
}

/// The versions of TLS that are named and spoken; `None` after a report when there are none.
pub(super) fn versions(cx: &mut Cx, directive: &Directive) -> Option<Vec<u8>> {
    let (mut versions, mut old) = (Vec::new(), Vec::new());
    for word in &directive.args {
        let version = match word.value.to_ascii_lowercase().as_slice() {
            b"tlsv1.2" => 12,
            b"tlsv1.3" => 13,
            b"sslv2" | b"sslv3" | b"tlsv1" | b"tlsv1.1" => {
                old.push(word);
                continue;
            }
            _ => return None,
        };
        if versions.contains(&version) {
            cx.warn("duplicate-value", word.span, format!("`{}` is given twice", word.text()));
        } else {
            versions.push(version);
        }
    }
    versions.sort_unstable();
    if let Some(word) = old.first() {
        let severity = if versions.is_empty() { Severity::Error } else { Severity::Note };
        let names: Vec<String> = old.iter().map(|word| format!("`{}`", word.text())).collect();
        let verb = if names.len() == 1 { "is" } else { "are" };
        let message = format!("{} {verb} not spoken", names.join(", "));
        let found = Diagnostic::new(severity, "old-tls-version", message)
            .label(word.span, "below TLS 1.2, which is deprecated since RFC 8996");
        cx.report(if versions.is_empty() { found.help("add `TLSv1.2 TLSv1.3`") } else { found });
    }
    Some(versions).filter(|versions| !versions.is_empty())
}

/// The path of a PEM file, which must be there; `None` after a report.
pub(super) fn file(cx: &mut Cx, word: &Word) -> Option<PathBuf> {
    let elsewhere =
        ["data:", "engine:", "store:"].iter().find(|start| word.value.starts_with(start.as_bytes()));
    if elsewhere.is_some() || word.value.contains(&b'$') {
        let why = match elsewhere {
            Some(start) => format!("`{start}` is not honoured"),
            None => "a name with variables is not yet honoured here".to_owned(),
        };
        let message = "certificates and keys are read from files at start";
        cx.refuse(Diagnostic::error("refused-certificate", word.span, message).because(why));
        return None;
    }
    let path = cx.conf_path(&word.value);
    if !path.exists() {
        cx.missing("missing-file", word.span, format!("there is no file `{}`", path.display()));
    }
    Some(path)
}
