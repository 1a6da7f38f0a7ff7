//! Who may: `Require` and its containers, `AuthType` and what belongs to it, `Order`, `Allow`, `Deny`, `Satisfy`.
//!
//! References: <https://httpd.apache.org/docs/2.4/mod/mod_authz_core.html>,
//! <https://httpd.apache.org/docs/2.4/mod/mod_access_compat.html>. A section with any `Require` takes the place of
//! those above it unless `AuthMerging` says otherwise; one with `Order`, `Allow`, `Deny` or `Satisfy` takes the place
//! of all four.

use std::{net::IpAddr, time::Duration};

use super::{
    super::tree::{Directive, Word},
    Cx, Lower, Phase, Section, mapping,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Attr, Block, Choice, Credentials, Digest, Joined, Name, Naming, Part, Required, Requirement,
        Template, Test, Text, Var, VarId, VarKind,
    },
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("<RequireAll>", container),
    ("<RequireAny>", container),
    ("<RequireNone>", container),
    ("allow", allow),
    ("AuthBasicProvider", provider),
    ("AuthDigestAlgorithm", digest_algorithm),
    ("AuthDigestDomain", digest_domain),
    ("AuthDigestNonceLifetime", digest_lifetime),
    ("AuthDigestProvider", provider),
    ("AuthDigestQop", digest_qop),
    ("AuthGroupFile", group_file),
    ("AuthMerging", merging),
    ("AuthName", name),
    ("AllowMethods", allow_methods),
    ("AuthType", auth_type),
    ("AuthUserFile", user_file),
    ("AuthzSendForbiddenOnFailure", forbidden),
    ("deny", deny),
    ("order", order),
    ("Require", require),
    ("Satisfy", satisfy),
];

/// Set where an answer to a challenge is asked for.
pub(in crate::dialect::apache) const DIGEST: &str = "@digest";

/// What is remembered of a section.
#[derive(Clone, Debug, Default)]
pub(crate) struct Own {
    /// What stands directly in the section, or in the container at hand.
    required: Vec<(Requirement, Span)>,
    joined: Option<Joined>,
    compat: Compat,
    scheme: Option<Scheme>,
    realm: Option<Text>,
    users: Option<Vec<std::path::PathBuf>>,
    groups: Option<Vec<std::path::PathBuf>>,
    /// `AuthDigestNonceLifetime`, in seconds; less than 0 is for ever.
    lifetime: Option<i64>,
    domain: Option<Text>,
}

/// `AuthType`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    None,
    Basic,
    Digest,
}

/// `Order` and its companions.
#[derive(Clone, Debug, Default)]
struct Compat {
    /// Whether any of them was written.
    any: bool,
    order: Order,
    allow: Vec<Test>,
    deny: Vec<Test>,
    satisfy_any: Option<bool>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
    #[default]
    DenyAllow,
    AllowDeny,
    MutualFailure,
}

/// `Require ...`
fn require(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let (not, words) = match directive.args.split_first() {
        Some((first, rest)) if first.is("not") => (true, rest),
        _ => (false, directive.args.as_slice()),
    };
    let Some((kind, words)) = words.split_first() else {
        let message = "Require takes what is required";
        return cx.report(Diagnostic::error("arguments", directive.head(), message));
    };
    let Some(one) = requirement(cx, directive, kind, words) else { return };
    let one = if not { Requirement::Not(Box::new(one)) } else { one };
    let one = limited(section, one);
    section.own.access.required.push((one, directive.head()));
}

fn limited(section: &Section, of: Requirement) -> Requirement {
    match &section.limit {
        None => of,
        Some((methods, except)) => {
            Requirement::Limited { methods: methods.clone(), except: *except, of: Box::new(of) }
        }
    }
}

fn requirement(cx: &mut Cx, directive: &Directive, kind: &Word, words: &[Word]) -> Option<Requirement> {
    let texts = || words.iter().map(|word| Text::from(word.value.as_slice())).collect::<Vec<_>>();
    let holds = |cx: &mut Cx, test| Requirement::Holds(truth(cx, test));
    Some(match &*kind.text().to_ascii_lowercase() {
        "all" => match words {
            [word] if word.is("granted") => Requirement::Holds("1".into()),
            [word] if word.is("denied") => Requirement::Holds(Template::default()),
            _ => {
                let message = "Argument for 'Require all' must be 'granted' or 'denied'";
                cx.report(Diagnostic::error("invalid-value", directive.head(), message));
                return None;
            }
        },
        "ip" => {
            if words.is_empty() {
                let message = "'require ip' requires an argument";
                cx.report(Diagnostic::error("arguments", directive.head(), message));
                return None;
            }
            let mut networks = Vec::new();
            for word in words {
                match network(&word.text()) {
                    Some(network) => networks.push(network),
                    None => {
                        let message = format!("ip address '{}' appears to be invalid", word.text());
                        cx.report(Diagnostic::error("invalid-address", word.span, message));
                    }
                }
            }
            holds(cx, Test::InNetwork(Template::attr(Attr::ClientAddr), networks))
        }
        "local" => {
            let here = vec![
                Test::InNetwork(
                    Template::attr(Attr::ClientAddr),
                    vec![(IpAddr::from([127, 0, 0, 0]), 8), (IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), 128)],
                ),
                Test::Equal(Template::attr(Attr::ClientAddr), Template::attr(Attr::ServerAddr)),
            ];
            holds(cx, Test::Any(here))
        }
        "host" | "forward-dns" => {
            if let Some(word) = words.iter().find(|word| word.value.contains(&b'%')) {
                let message = "a name that depends on the request is not looked up";
                cx.refuse(Diagnostic::error("refused-value", word.span, message).help("write the names"));
            }
            if kind.is("host") { Requirement::Named(texts()) } else { Requirement::At(texts()) }
        }
        "method" => {
            let mut methods: Vec<Name> = texts();
            if methods.iter().any(|method| **method == *b"GET") {
                methods.push("HEAD".into());
            }
            holds(cx, Test::Method(methods))
        }
        "env" => {
            let set = |cx: &mut Cx, word: &Word| Test::Present(Template::var(cx.env(&word.value)));
            let tests = words.iter().map(|word| set(cx, word)).collect();
            holds(cx, Test::Any(tests))
        }
        "expr" => {
            let test = super::sections::expression(cx, directive, words)?;
            holds(cx, test)
        }
        "user" => Requirement::Users(texts()),
        "valid-user" => Requirement::AnyUser,
        "group" => Requirement::Groups(texts()),
        "file-owner" | "file-group" => {
            let message = "access by the owner of a file is not honoured";
            cx.refuse(Diagnostic::error("refused-value", kind.span, message).help("name the users"));
            Requirement::Holds(Template::default())
        }
        name if name.starts_with("ldap-") || name.starts_with("dbm-") || name.starts_with("dbd-") => {
            let message = format!("`Require {name}` is not honoured");
            cx.refuse(
                Diagnostic::error("refused-value", kind.span, message)
                    .help("keep the users in a file: AuthUserFile, AuthGroupFile"),
            );
            Requirement::Holds(Template::default())
        }
        _ => {
            let message = format!("Unknown Authz provider: {}", kind.text());
            cx.report(Diagnostic::error("unknown-provider", kind.span, message));
            return None;
        }
    })
}

/// `10`, `10.1`, `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `fe80::/10`.
pub(super) fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, mask) = match text.split_once('/') {
        Some((address, mask)) => (address, Some(mask)),
        None => (text, None),
    };
    let Ok(ip) = address.parse::<IpAddr>() else {
        // The beginning of one.
        let parts: Vec<u8> =
            address.trim_end_matches('.').split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
        let mut octets = [0; 4];
        octets.get_mut(..parts.len())?.copy_from_slice(&parts);
        let bits = match mask {
            Some(mask) => mask.parse().ok().filter(|bits| *bits <= 32)?,
            None => 8 * parts.len() as u8,
        };
        return Some((IpAddr::from(octets), bits));
    };
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let Some(mask) = mask else { return Some((ip, most)) };
    if let Ok(bits) = mask.parse::<u8>() {
        return (bits <= most).then_some((ip, bits));
    }
    let mask: std::net::Ipv4Addr = mask.parse().ok()?;
    let bits = u32::from(mask).leading_ones();
    (u32::from(mask).checked_shl(bits).unwrap_or(0) == 0 && ip.is_ipv4()).then_some((ip, bits as u8))
}

/// A value that is `1` where a test holds, else nothing.
fn truth(cx: &mut Cx, test: Test) -> Template {
    let kind =
        VarKind::Choice { choices: vec![Choice { test, value: "1".into() }], default: Template::default() };
    let known = cx.config.vars.iter().position(|var| var.kind == kind);
    let at = known.unwrap_or_else(|| {
        cx.config.vars.push(Var { name: Text::from("@test"), kind, span: Span::NONE });
        cx.config.vars.len() - 1
    });
    Template(vec![Part::Var(VarId(at as u32))])
}

/// `<RequireAll>`, `<RequireAny>`, `<RequireNone>`
fn container(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let outer = std::mem::take(&mut section.own.access.required);
    section.read(cx, directive.block());
    let inner = std::mem::replace(&mut section.own.access.required, outer);
    let kind = directive.name();
    if inner.is_empty() {
        let message = format!("{kind} directive contains no authorization directives; ignoring it");
        return cx.warn("empty-section", directive.head(), message);
    }
    let all = kind == "<RequireAll>";
    if !all {
        require_effect(cx, &inner, kind);
    }
    let list: Vec<_> = inner.into_iter().map(|(one, _)| one).collect();
    let one = match kind {
        "<RequireAll>" => Requirement::All(list),
        "<RequireAny>" => Requirement::Any(list),
        _ => Requirement::Not(Box::new(Requirement::Any(list))),
    };
    section.own.access.required.push((one, directive.head()));
}

/// What only ever denies has no effect where one of several is enough.
fn require_effect(cx: &mut Cx, inner: &[(Requirement, Span)], kind: &str) {
    for (_, span) in inner.iter().filter(|(one, _)| denies(one)) {
        let message = format!("negative Require directive has no effect in {kind} directive");
        cx.report(
            Diagnostic::error("without-effect", *span, message)
                .help("put it into <RequireAll>, beside what grants access"),
        );
    }
}

fn denies(one: &Requirement) -> bool {
    match one {
        Requirement::Not(_) => true,
        Requirement::Limited { of, .. } => denies(of),
        _ => false,
    }
}

/// `AuthMerging Off|And|Or`
fn merging(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let joined = match &*word.text().to_ascii_lowercase() {
        "off" => Joined::Alone,
        "and" => Joined::Both,
        "or" => Joined::Either,
        _ => {
            let message = "AuthMerging must be one of: Off | And | Or";
            return cx.report(Diagnostic::error("invalid-value", word.span, message));
        }
    };
    section.own.access.joined = Some(joined);
}

/// `AuthzSendForbiddenOnFailure On|Off`
fn forbidden(_: &mut Cx, section: &mut Section, directive: &Directive) {
    if let [word] = directive.args.as_slice() {
        section.set.access.forbids_users = Some(word.is("on"));
    }
}

/// `AuthDigestAlgorithm MD5`
fn digest_algorithm(cx: &mut Cx, _: &mut Section, directive: &Directive) {
    if let Some(word) = directive.args.iter().find(|word| !word.is("md5")) {
        let message = format!("Unsupported algorithm in AuthDigestAlgorithm: {}", word.text());
        cx.error("invalid-value", word.span, message);
    }
}

/// `AuthDigestQop auth`: there is no other since 2.4.
fn digest_qop(cx: &mut Cx, _: &mut Section, directive: &Directive) {
    if let Some(word) = directive.args.iter().find(|word| !word.is("auth")) {
        let message = "AuthDigestQop is deprecated: only 'auth' is supported";
        cx.error("invalid-value", word.span, message);
    }
}

/// `AuthDigestDomain URI ...`
fn digest_domain(_: &mut Cx, section: &mut Section, directive: &Directive) {
    let words: Vec<&[u8]> = directive.args.iter().map(|word| word.value.as_slice()).collect();
    let known = section.own.access.domain.take();
    let all = known.as_deref().into_iter().chain(words);
    section.own.access.domain = Some(Text::from(all.collect::<Vec<_>>().join(&b' ')));
}

/// `AuthDigestNonceLifetime seconds`: less than 0 is for ever.
fn digest_lifetime(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let Ok(seconds) = word.text().parse::<i64>() else {
        let message = format!("Invalid time in AuthDigestNonceLifetime: {}", word.text());
        return cx.error("invalid-value", word.span, message);
    };
    if seconds == 0 {
        let message = "challenges that are answered once are not honoured";
        cx.refuse(
            Diagnostic::error("refused-value", word.span, message)
                .because("all workers would have to remember each of them")
                .help("give them a short time, as 10 seconds"),
        );
    }
    section.own.access.lifetime = Some(seconds);
}

/// `AuthType Basic|Digest|None|...`
///
/// Digest, observed (2.4.71): only `qop=auth` is answered (RFC 2069 is not); a header in which something is missing, another
/// scheme, realm or algorithm, an unknown user and a wrong answer are 401 with a new challenge; a nonce that is too old
/// or not ours, behind a right answer, 401 with `stale=true`; a `uri` that is not the request's is 400. The answer to the
/// right one has `Authentication-Info`, in the last 30 seconds of a nonce with the next one. (httpd logs the user of a
/// wrong answer, too.)
fn auth_type(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let digest = word.is("digest");
    if cx.names.digests || digest {
        cx.names.digests = true;
        super::proxy::assign(cx, section, directive, DIGEST, digest);
    }
    if word.is("none") {
        section.own.access.scheme = Some(Scheme::None);
    } else {
        if !word.is("basic") && !digest {
            let message = format!("AuthType {} is not honoured", word.text());
            cx.refuse(
                Diagnostic::error("refused-value", word.span, message)
                    .help("use `AuthType Basic` over TLS, or let the upstream ask for credentials"),
            );
        }
        section.own.access.scheme = Some(if digest { Scheme::Digest } else { Scheme::Basic });
    }
}

/// `AuthBasicProvider file ...`
fn provider(cx: &mut Cx, _: &mut Section, directive: &Directive) {
    for word in directive.args.iter().filter(|word| !word.is("file")) {
        let message = format!("users of `{}` are not honoured", word.text());
        cx.refuse(
            Diagnostic::error("refused-value", word.span, message).help("keep them in an AuthUserFile"),
        );
    }
}

/// `AllowMethods reset|method ...`: those of an inner section take the place of those around it; `HEAD` is `GET`.
fn allow_methods(_: &mut Cx, section: &mut Section, directive: &Directive) {
    let span = directive.head();
    let mut steps = Vec::new();
    if !directive.args.iter().any(|word| word.is("reset")) {
        let mut methods: Vec<Name> = directive.args.iter().map(|word| word.value.as_slice().into()).collect();
        if methods.iter().any(|method| &**method == b"GET") {
            methods.push("HEAD".into());
        }
        let other = Test::Not(Box::new(Test::Method(methods)));
        steps.push(mapping::when(other, mapping::not_allowed("TRACE")));
    }
    section.replace(Phase::Methods, Block { steps, span, ..Block::default() });
}

/// `AuthName realm`
fn name(_: &mut Cx, section: &mut Section, directive: &Directive) {
    if let [word] = directive.args.as_slice() {
        section.own.access.realm = Some(word.value.as_slice().into());
    }
}

/// `AuthUserFile file`
fn user_file(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    if let [word] = directive.args.as_slice() {
        section.own.access.users = Some(vec![cx.path(&word.value)]);
    }
}

/// `AuthGroupFile file`
fn group_file(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    if let [word] = directive.args.as_slice() {
        section.own.access.groups = Some(vec![cx.path(&word.value)]);
    }
}

/// `Order deny,allow|allow,deny|mutual-failure`
fn order(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let order = match &*word.text().to_ascii_lowercase() {
        "deny,allow" => Order::DenyAllow,
        "allow,deny" => Order::AllowDeny,
        "mutual-failure" => Order::MutualFailure,
        _ => {
            let message = "unknown order";
            return cx.report(
                Diagnostic::error("invalid-value", word.span, message)
                    .help("`Order deny,allow` or `Order allow,deny`, without a space"),
            );
        }
    };
    let compat = &mut section.own.access.compat;
    compat.any = true;
    compat.order = order;
}

/// `Allow from ...`
fn allow(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let tests = from(cx, section, directive);
    section.own.access.compat.allow.extend(tests);
}

/// `Deny from ...`
fn deny(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let tests = from(cx, section, directive);
    section.own.access.compat.deny.extend(tests);
}

fn from(cx: &mut Cx, section: &mut Section, directive: &Directive) -> Vec<Test> {
    let words = match directive.args.as_slice() {
        [from, words @ ..] if from.is("from") && !words.is_empty() => words,
        _ => {
            let message = "allow and deny must be followed by 'from'";
            cx.report(Diagnostic::error("arguments", directive.head(), message));
            return Vec::new();
        }
    };
    section.own.access.compat.any = true;
    let mut tests = Vec::new();
    for word in words {
        let text = word.text();
        let lower = text.to_ascii_lowercase();
        let test = if let Some(name) = lower.strip_prefix("env=") {
            let (not, name) = name.strip_prefix('!').map_or((false, name), |name| (true, name));
            let set = Test::Present(Template::var(cx.env(name.as_bytes())));
            if not { Test::Not(Box::new(set)) } else { set }
        } else if lower == "all" {
            Test::All(Vec::new())
        } else if let Some(network) = network(&text) {
            Test::InNetwork(Template::attr(Attr::ClientAddr), vec![network])
        } else {
            let message = format!("`{text}`: access by name needs a look-up of each client");
            cx.refuse(
                Diagnostic::error("refused-value", word.span, message)
                    .help("write the addresses of its clients"),
            );
            continue;
        };
        tests.push(match &section.limit {
            None => test,
            Some((methods, except)) => {
                let method = Test::Method(methods.clone());
                let method = if *except { Test::Not(Box::new(method)) } else { method };
                Test::All(vec![method, test])
            }
        });
    }
    tests
}

/// `Satisfy Any|All`
fn satisfy(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let any = word.is("any");
    if !any && !word.is("all") {
        let message = "Satisfy either 'any' or 'all'.";
        return cx.report(Diagnostic::error("invalid-value", word.span, message));
    }
    let compat = &mut section.own.access.compat;
    compat.any = true;
    compat.satisfy_any = Some(any);
}

/// Makes settings of what was read.
pub(super) fn settle(cx: &mut Cx, section: &mut Section) {
    let own = section.own.access.clone();
    if !own.required.is_empty() {
        require_effect(cx, &own.required, "<RequireAny>");
        let what = Requirement::Any(own.required.into_iter().map(|(one, _)| one).collect());
        let joined = own.joined.unwrap_or_default();
        section.set.access.required = Some(Required { what: Some(what), joined });
    }
    if own.compat.any {
        let compat = own.compat;
        let (allowed, denied) = (Test::Any(compat.allow), Test::Any(compat.deny));
        let not = |test| Test::Not(Box::new(test));
        let test = match compat.order {
            Order::DenyAllow => Test::Any(vec![not(denied), allowed]),
            Order::AllowDeny | Order::MutualFailure => Test::All(vec![allowed, not(denied)]),
        };
        section.set.access.gate = Some(Some(truth(cx, test)));
        section.set.access.satisfy_any = Some(compat.satisfy_any.unwrap_or(false));
    }
    credentials(section);
}

/// Realm and files are inherited one by one, so a section takes from those around it what it does not say.
fn credentials(section: &mut Section) {
    let own = &section.own.access;
    let naming = Naming { realm: own.realm.clone(), users: own.users.clone(), groups: own.groups.clone() };
    if naming != Naming::default() {
        section.set.access.naming = Some(naming);
    }
    match own.scheme {
        None => {}
        Some(Scheme::None) => section.set.access.credentials = Some(None),
        Some(scheme) => {
            let digest = (scheme == Scheme::Digest).then(|| Digest {
                lifetime: u64::try_from(own.lifetime.unwrap_or(300)).ok().map(Duration::from_secs),
                domain: own.domain.clone().unwrap_or_default(),
            });
            let credentials = Credentials {
                realm: own.realm.clone().unwrap_or_default(),
                users: own.users.clone().unwrap_or_default(),
                groups: own.groups.clone().unwrap_or_default(),
                asked: 401,
                wrong: 401,
                digest,
            };
            section.set.access.credentials = Some(Some(credentials));
        }
    }
}
