//! `SSLOptions`: variables of TLS in the environment, for programs and whoever reads it.
//!
//! Observed (2.4.71): a variable is there when it has a value; parts of names and alternative names as far as the
//! certificate has them. Of a session that was resumed nothing is known here of our own certificate.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/mod_ssl.html#ssloptions>

use super::{super::tree::Directive, super::vars, Cx, Lower, Phase, Section, mapping::when, walk::Steps};
use crate::{
    diagnostic::Diagnostic,
    ir::{Attr, Step, Template, Test},
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("SSLOptions", options)];

/// What `StdEnvVars` stands for.
const USUAL: &[&str] = &[
    "SSL_VERSION_INTERFACE",
    "SSL_VERSION_LIBRARY",
    "SSL_PROTOCOL",
    "SSL_SECURE_RENEG",
    "SSL_COMPRESS_METHOD",
    "SSL_CIPHER",
    "SSL_CIPHER_EXPORT",
    "SSL_CIPHER_USEKEYSIZE",
    "SSL_CIPHER_ALGKEYSIZE",
    "SSL_SESSION_ID",
    "SSL_SESSION_RESUMED",
    "SSL_CLIENT_VERIFY",
];

/// What it says of each certificate.
const OF_EACH: &[&str] = &[
    "M_VERSION",
    "M_SERIAL",
    "V_START",
    "V_END",
    "S_DN",
    "I_DN",
    "A_KEY",
    "A_SIG",
    "S_DN_C",
    "S_DN_ST",
    "S_DN_L",
    "S_DN_O",
    "S_DN_OU",
    "S_DN_CN",
    "S_DN_Email",
    "I_DN_C",
    "I_DN_ST",
    "I_DN_L",
    "I_DN_O",
    "I_DN_OU",
    "I_DN_CN",
    "I_DN_Email",
    "SAN_DNS_0",
    "SAN_DNS_1",
    "SAN_DNS_2",
    "SAN_DNS_3",
    "SAN_Email_0",
    "SAN_Email_1",
];

/// `SSLOptions [+|-]option ...`
fn options(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    for word in &directive.args {
        let text = word.text();
        let (on, name) = match text.as_bytes().first() {
            Some(b'-') => (false, &text[1..]),
            Some(b'+') => (true, &text[1..]),
            _ => (true, &*text),
        };
        let names: Vec<String> = match &*name.to_ascii_lowercase() {
            "stdenvvars" => {
                let each = |of: &'static str| OF_EACH.iter().map(move |name| format!("SSL_{of}_{name}"));
                let usual = USUAL.iter().map(|name| (*name).to_owned());
                let left = std::iter::once("SSL_CLIENT_V_REMAIN".to_owned());
                usual.chain(each("CLIENT")).chain(left).chain(each("SERVER")).collect()
            }
            "exportcertdata" => vec!["SSL_SERVER_CERT".to_owned(), "SSL_CLIENT_CERT".to_owned()],
            // There is nothing of the kind to be spared, and nothing is let through against a requirement.
            "optrenegotiate" | "strictrequire" => continue,
            "fakebasicauth" | "legacydnstringformat" => {
                if on {
                    let message = format!("SSLOptions: `{name}` is not honoured");
                    let help = "let the application read `SSL_CLIENT_S_DN`, or ask with `Require expr`";
                    cx.refuse(Diagnostic::error("refused-value", word.span, message).help(help));
                }
                continue;
            }
            _ => {
                let message = format!("SSLOptions: Illegal option '{name}'");
                cx.error("invalid-value", word.span, message);
                continue;
            }
        };
        let span = directive.head();
        let mut steps = Steps::new();
        for name in names {
            let var = cx.env(name.as_bytes());
            if !on {
                steps.push((Step::Unassign(var), span));
                continue;
            }
            let Some(meaning) = vars::tls(name.as_bytes()) else { continue };
            let value = cx.meaning(&meaning);
            let assign = (Step::Assign { var, value: value.clone() }, span);
            steps.push(when(Test::Truthy(value), vec![assign]));
        }
        let (step, _) = when(Test::Truthy(Template::attr(Attr::Https)), steps);
        section.hook(Phase::Env, step, span);
    }
}
