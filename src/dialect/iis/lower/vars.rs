//! Server variables: what `{NAME}` stands for, and what becomes of those that rules set.
//!
//! Reference 5.7, 5.8, from "IIS Server Variables" and "Setting HTTP request headers and IIS server variables". A variable
//! that some rule of the site sets is one of the program: it begins as what the request says, so that a rule that does not
//! fire changes nothing, and a value that was set wins over the computed one from then on.
//!
//! `CRYPT_PROTOCOL` is a number of Schannel (`SP_PROT_TLS1_2_SERVER` is 400, `SP_PROT_TLS1_3_SERVER` 1000, hexadecimal). Decided here,
//! where no page says: names of certificates are written as RFC 4514 has them, `SCRIPT_TRANSLATED` has no prefix of Windows
//! in front, `URL_PATH_INFO` is the path, `AUTH_TYPE` what the client's credentials are. What is not here is always empty, with a
//! warning: nothing else runs in this server that would set it.

use super::Cx;
use crate::{
    ir::{Attr, Choice, Name, Part, Pattern, ProofAttr, Step, Template, Test, TlsAttr, VarId, VarKind},
    source::Span,
};

/// Names for "did you mean".
pub(super) const NAMES: &[&str] = &[
    "QUERY_STRING",
    "URL",
    "PATH_INFO",
    "SCRIPT_NAME",
    "REQUEST_URI",
    "UNENCODED_URL",
    "HTTP_URL",
    "CACHE_URL",
    "HTTP_HOST",
    "HTTP_X_ORIGINAL_URL",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PORT_SECURE",
    "HTTPS",
    "REMOTE_ADDR",
    "REMOTE_HOST",
    "REMOTE_PORT",
    "REMOTE_USER",
    "AUTH_USER",
    "LOGON_USER",
    "LOCAL_ADDR",
    "SERVER_ADDR",
    "REQUEST_METHOD",
    "HTTP_METHOD",
    "SERVER_PROTOCOL",
    "HTTP_VERSION",
    "REQUEST_FILENAME",
    "SCRIPT_FILENAME",
    "PATH_TRANSLATED",
    "DOCUMENT_ROOT",
    "APPL_PHYSICAL_PATH",
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
    "INSTANCE_ID",
    "INSTANCE_NAME",
    "APP_POOL_ID",
    "APPL_MD_PATH",
    "INSTANCE_META_PATH",
    "SERVER_SOFTWARE",
    "GATEWAY_INTERFACE",
    "CRYPT_PROTOCOL",
    "RESPONSE_STATUS",
    "ALL_HTTP",
    "ALL_RAW",
    "AUTH_TYPE",
    "UNMAPPED_REMOTE_USER",
    "MANAGED_PIPELINE_MODE",
    "SCRIPT_TRANSLATED",
    "URL_PATH_INFO",
    "CERT_FLAGS",
    "CERT_SUBJECT",
    "CERT_ISSUER",
    "CERT_SERIALNUMBER",
    "CERT_KEYSIZE",
    "HTTPS_KEYSIZE",
];

/// A header field's name from that of its variable: without the prefix, `_` as `-`, in lower case.
pub(super) fn field(name: &str, prefix: &str) -> Option<Name> {
    let head = name.get(..prefix.len())?;
    let rest = name.get(prefix.len()..).filter(|rest| !rest.is_empty())?;
    head.eq_ignore_ascii_case(prefix).then(|| Name::from(rest.replace('_', "-").to_ascii_lowercase()))
}

/// The variable of the program that stands for one that rules set.
fn key(name: &str) -> String {
    format!("set {}", name.to_uppercase().replace('-', "_"))
}

/// Whether a variable is of the path alone, so that it can hold neither a scheme nor a query of its own.
pub(super) fn is_request_path(name: &str) -> bool {
    ["URL", "PATH_INFO", "SCRIPT_NAME", "QUERY_STRING"].iter().any(|one| name.eq_ignore_ascii_case(one))
}

/// Whether a variable is a field that frames a message, and follows from that.
pub(super) fn frames(name: &str) -> bool {
    ["HTTP_", "RESPONSE_"].iter().filter_map(|prefix| field(name, prefix)).any(|field| {
        let is = |one: &str| field.is_field(one.as_bytes());
        is("content-length") || is("transfer-encoding")
    })
}

/// The variable to write for `<set name>`.
pub(super) fn written(cx: &mut Cx, name: &str) -> VarId {
    cx.assigned(&key(name))
}

/// The names that rules of this site set so far, upper case, with their variables.
pub(super) fn all_written(cx: &Cx) -> Vec<(String, VarId)> {
    cx.vars.iter().filter_map(|(name, id)| Some((name.strip_prefix("set ")?.to_owned(), *id))).collect()
}

/// The request's fields that rules of this site set so far, with their variables.
pub(super) fn fields_written(cx: &Cx) -> Vec<(Name, VarId)> {
    all_written(cx).into_iter().filter_map(|(name, var)| Some((field(&name, "HTTP_")?, var))).collect()
}

/// Gives each variable that some rule sets the value that it has without the rule.
pub(super) fn begin(cx: &mut Cx) -> Vec<(Step, Span)> {
    let mut steps = Vec::new();
    let asked = asked(cx);
    steps.push((Step::Assign { var: asked, value: Template::attr(Attr::Path) }, Span::NONE));
    for (name, attr) in [("logged path", Attr::Path), ("logged query", Attr::Query)] {
        let var = cx.assigned(name);
        steps.push((Step::Assign { var, value: Template::attr(attr) }, Span::NONE));
    }
    for (name, var) in all_written(cx) {
        let value = computed(cx, &name, false).unwrap_or_default();
        if !value.is_empty() && field(&name, "RESPONSE_").is_none() {
            steps.push((Step::Assign { var, value }, Span::NONE));
        }
    }
    steps
}

/// The value of a variable; `None` when there is none of this name.
pub(super) fn read(cx: &mut Cx, name: &str, outbound: bool) -> Option<Template> {
    // What rules set of a response is in the response by then.
    let of_response = outbound && field(name, "RESPONSE_").is_some();
    if let Some(id) = cx.vars.get(&key(name)).filter(|_| !of_response) {
        return Some(Template::var(*id));
    }
    if outbound {
        let upper = name.to_uppercase().replace('-', "_");
        match upper.as_str() {
            // What the client asked for, whatever rules made of it.
            "URL" | "PATH_INFO" | "SCRIPT_NAME" => return Some(Template::var(asked(cx))),
            "HTTP_HOST" => return Some(Template::var(super::proxy::host_sent(cx))),
            _ => {}
        }
    }
    computed(cx, name, outbound)
}

/// The path as the client asked for it, decoded.
pub(super) fn asked(cx: &mut Cx) -> VarId {
    cx.assigned("asked")
}

fn computed(cx: &mut Cx, name: &str, outbound: bool) -> Option<Template> {
    let upper = name.to_uppercase().replace('-', "_");
    let attr = match upper.as_str() {
        "QUERY_STRING" => Attr::Query,
        "URL" | "PATH_INFO" | "SCRIPT_NAME" | "URL_PATH_INFO" => Attr::Path,
        "ALL_RAW" => Attr::RequestFields,
        "ALL_HTTP" => Attr::RequestVariables,
        "UNENCODED_URL" | "HTTP_URL" | "HTTP_X_ORIGINAL_URL" => Attr::Target,
        "SERVER_NAME" => Attr::Host,
        "SERVER_PORT" => Attr::ServerPort,
        "REMOTE_ADDR" | "REMOTE_HOST" => Attr::ClientAddr,
        "REMOTE_PORT" => Attr::ClientPort,
        "REMOTE_USER" | "AUTH_USER" | "LOGON_USER" | "UNMAPPED_REMOTE_USER" => Attr::User,
        "LOCAL_ADDR" | "SERVER_ADDR" => Attr::ServerAddr,
        "REQUEST_METHOD" | "HTTP_METHOD" => Attr::Method,
        "SERVER_PROTOCOL" | "HTTP_VERSION" => Attr::Protocol,
        "REQUEST_FILENAME" | "SCRIPT_FILENAME" | "PATH_TRANSLATED" | "SCRIPT_TRANSLATED" => Attr::FilePath,
        "DOCUMENT_ROOT" => Attr::DocumentRoot,
        "CONTENT_TYPE" => Attr::Field("content-type".into()),
        "CERT_SUBJECT" => Attr::Tls(TlsAttr::Proof(ProofAttr::Subject)),
        "CERT_ISSUER" => Attr::Tls(TlsAttr::Proof(ProofAttr::Issuer)),
        "CERT_SERIALNUMBER" => Attr::Tls(TlsAttr::Proof(ProofAttr::Serial)),
        "INSTANCE_NAME" => Attr::HostName,
        "RESPONSE_STATUS" if outbound => Attr::Status,
        "REQUEST_URI" => {
            let parts = [Attr::Path, Attr::QueryMark, Attr::Query];
            return Some(Template(parts.into_iter().map(Part::Attr).collect()));
        }
        "CACHE_URL" => {
            let mut out = Template::attr(Attr::Scheme);
            out.push(Part::Text("://".into()));
            out.push(Part::Attr(Attr::Host));
            out.push(Part::Text(":".into()));
            for attr in [Attr::ServerPort, Attr::Path, Attr::QueryMark, Attr::Query] {
                out.push(Part::Attr(attr));
            }
            return Some(out);
        }
        "APPL_PHYSICAL_PATH" => {
            let mut out = Template::attr(Attr::DocumentRoot);
            out.push(Part::Text("/".into()));
            return Some(out);
        }
        "AUTH_TYPE" => {
            let test = Test::Truthy(Template::attr(Attr::User));
            return Some(choose(cx, "AUTH_TYPE", vec![Choice { test, value: "Basic".into() }], ""));
        }
        "CERT_FLAGS" => {
            let test = Test::Truthy(Template::attr(Attr::Tls(TlsAttr::Proof(ProofAttr::Subject))));
            return Some(choose(cx, "CERT_FLAGS", vec![Choice { test, value: "1".into() }], "0"));
        }
        "CRYPT_PROTOCOL" => {
            let choices = [("TLSv1.2", "400"), ("TLSv1.3", "1000")].map(|(version, number)| Choice {
                test: Test::Equal(Template::attr(Attr::Tls(TlsAttr::Version)), version.into()),
                value: number.into(),
            });
            return Some(choose(cx, "CRYPT_PROTOCOL", choices.into(), ""));
        }
        "CERT_KEYSIZE" | "HTTPS_KEYSIZE" => {
            let choices = [("AES_?128", "128"), (".", "256")].map(|(cipher, bits)| Choice {
                test: Test::Match {
                    subject: Template::attr(Attr::Tls(TlsAttr::Cipher)),
                    pattern: Pattern::regex(cipher, false),
                    into: None,
                },
                value: bits.into(),
            });
            return Some(choose(cx, "HTTPS_KEYSIZE", choices.into(), ""));
        }
        "HTTPS" => return Some(Template::var(choice(cx, "HTTPS", "on", "off"))),
        "SERVER_PORT_SECURE" => return Some(Template::var(choice(cx, "SERVER_PORT_SECURE", "1", "0"))),
        "CONTENT_LENGTH" => {
            let present = Test::Truthy(Template::attr(Attr::ContentLength));
            let id = cx.var("CONTENT_LENGTH", || VarKind::Choice {
                choices: vec![Choice { test: present, value: Template::attr(Attr::ContentLength) }],
                default: "0".into(),
            });
            return Some(Template::var(id));
        }
        "MANAGED_PIPELINE_MODE" => return Some("Integrated".into()),
        "INSTANCE_ID" => return Some(Template::text(cx.site.to_string())),
        "INSTANCE_META_PATH" => return Some(Template::text(format!("/LM/W3SVC/{}", cx.site))),
        "APPL_MD_PATH" => return Some(Template::text(format!("/LM/W3SVC/{}/ROOT", cx.site))),
        "APP_POOL_ID" => return Some("DefaultAppPool".into()),
        "SERVER_SOFTWARE" => return Some("Microsoft-IIS/10.0".into()),
        "GATEWAY_INTERFACE" => return Some("CGI/1.1".into()),
        _ => {
            if let Some(name) = field(&upper, "HTTP_") {
                return Some(Template::attr(Attr::Field(name)));
            }
            let name = field(&upper, "RESPONSE_")?;
            return outbound.then(|| Template::attr(Attr::SentField(name)));
        }
    };
    Some(Template::attr(attr))
}

/// A variable that is the first of these that holds.
fn choose(cx: &mut Cx, name: &str, choices: Vec<Choice>, default: &str) -> Template {
    let default = Template::from(default);
    Template::var(cx.var(name, || VarKind::Choice { choices, default }))
}

/// A variable that says whether the client's connection is secure.
fn choice(cx: &mut Cx, name: &str, yes: &str, no: &str) -> VarId {
    let (yes, no) = (Template::from(yes), Template::from(no));
    cx.var(name, || VarKind::Choice {
        choices: vec![Choice { test: Test::Truthy(Template::attr(Attr::Https)), value: yes }],
        default: no,
    })
}
