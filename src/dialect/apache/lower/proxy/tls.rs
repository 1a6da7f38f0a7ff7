//! `SSLProxy...`: TLS to upstreams.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/mod_ssl.html>

use super::super::{Cx, Lower, Section};
use crate::{diagnostic::Diagnostic, dialect::apache::tree::Directive, ir::settings::Forwarding};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("SSLProxyCACertificateFile", trusted),
    ("SSLProxyCheckPeerCN", check_name),
    ("SSLProxyCheckPeerExpire", check_time),
    ("SSLProxyCheckPeerName", check_name),
    ("SSLProxyCipherSuite", ciphers),
    ("SSLProxyEngine", engine),
    ("SSLProxyMachineCertificateFile", machine),
    ("SSLProxyProtocol", protocol),
    ("SSLProxyVerify", verify),
    ("SSLProxyVerifyDepth", depth),
];

fn http(section: &mut Section) -> &mut Forwarding {
    &mut section.set.http
}

/// `SSLProxyEngine On|Off`
fn engine(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    if let Some(on) = super::flag(cx, directive) {
        section.own.proxy.tls = Some(on);
        http(section).tls_forbidden = Some(!on);
    }
}

/// `SSLProxyVerify none|optional|require|optional_no_ca`
fn verify(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let on = match word.text().to_ascii_lowercase().as_str() {
        "none" | "off" | "optional_no_ca" => false,
        "require" | "optional" => true,
        _ => {
            let message = format!("SSLProxyVerify: Invalid argument '{}'", word.text());
            return cx.error("invalid-value", word.span, message);
        }
    };
    http(section).tls_verify = Some(on);
}

/// `SSLProxyVerifyDepth number`
fn depth(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    match word.text().parse() {
        Ok(depth) => http(section).tls_verify_depth = Some(depth),
        Err(_) => cx.error("invalid-value", word.span, "SSLProxyVerifyDepth: Invalid argument"),
    }
}

/// `SSLProxyCheckPeerName On|Off`, `SSLProxyCheckPeerCN On|Off`: the name counts unless both say otherwise.
fn check_name(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some(on) = super::flag(cx, directive) else { return };
    // With the name's check off, the older one still compares the common name: here both are one.
    if directive.name() == "SSLProxyCheckPeerCN" && section.set.http.tls_match_name.is_some() {
        return;
    }
    let set = http(section);
    set.tls_match_name = Some(on);
    set.tls_any_name = Some(!on);
}

/// `SSLProxyCheckPeerExpire On|Off`
fn check_time(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    if let Some(on) = super::flag(cx, directive) {
        http(section).tls_match_time = Some(on);
    }
}

/// `SSLProxyCACertificateFile file`
fn trusted(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let path = cx.path(&word.value);
    if !cx.options.offline && !path.is_file() {
        let message =
            format!("SSLProxyCACertificateFile: file '{}' does not exist or is empty", path.display());
        return cx.error("no-such-file", word.span, message);
    }
    http(section).tls_trusted = Some(vec![path]);
}

/// `SSLProxyMachineCertificateFile file`: certificate and key.
fn machine(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let path = cx.path(&word.value);
    if !cx.options.offline && !path.is_file() {
        let message =
            format!("SSLProxyMachineCertificateFile: file '{}' does not exist or is empty", path.display());
        return cx.error("no-such-file", word.span, message);
    }
    let set = http(section);
    set.tls_certificate = Some(Some(path.clone()));
    set.tls_key = Some(Some(path));
}

/// `SSLProxyProtocol [+|-]protocol ...`
fn protocol(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    match versions(directive) {
        Ok(versions) if versions.is_empty() => {
            let message = "no version of TLS that is spoken is left: 1.2 and 1.3 are";
            cx.error("no-protocol", directive.head(), message);
        }
        Ok(versions) => http(section).tls_versions = Some(versions),
        Err(message) => {
            cx.report(Diagnostic::error("invalid-value", directive.head(), message));
        }
    }
}

/// The versions that a list of protocols leaves, in tenths.
pub(in crate::dialect::apache::lower) fn versions(directive: &Directive) -> Result<Vec<u8>, String> {
    let mut chosen: Vec<u8> = Vec::new();
    let mut first = true;
    for word in &directive.args {
        let text = word.text().into_owned();
        let (sign, name) = match text.as_bytes().first() {
            Some(b'+') => (Some(true), &text[1..]),
            Some(b'-') => (Some(false), &text[1..]),
            _ => (None, text.as_str()),
        };
        let named: &[u8] = match name.to_ascii_lowercase().as_str() {
            "all" => &[12, 13],
            "tlsv1.2" => &[12],
            "tlsv1.3" => &[13],
            "tlsv1" | "tlsv1.1" | "sslv3" | "sslv2" => &[],
            _ => return Err(format!("{}: Illegal protocol '{name}'", directive.name())),
        };
        if sign.is_none() && !first {
            chosen.clear();
        }
        match sign {
            Some(false) => chosen.retain(|version| !named.contains(version)),
            _ => chosen.extend(
                named.iter().filter(|version| !chosen.contains(version)).copied().collect::<Vec<_>>(),
            ),
        }
        first = false;
    }
    chosen.sort_unstable();
    Ok(chosen)
}

/// `SSLProxyCipherSuite [protocol] suites`: what the library offers is strong.
fn ciphers(_: &mut Cx, _: &mut Section, _: &Directive) {}
