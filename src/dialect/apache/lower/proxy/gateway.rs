//! `mod_proxy_fcgi`, `mod_proxy_scgi` and `mod_proxy_uwsgi`: what their programs are told of a request.
//!
//! A program gets the environment of the request and the variables of CGI over it (RFC 3875 § 4.1), as
//! `ap_add_common_vars` and `ap_add_cgi_vars` make them; those of CGI win over `SetEnv`. Observed on 2.4.71:
//!
//! - `SCRIPT_FILENAME` is `proxy:` and the URL that the request went to, encoded, without the Unix socket; with
//!   `ProxyFCGIBackendType GENERIC` the URL's path alone; of uwsgi it is decoded.
//! - `SCRIPT_NAME` is the path, and `PATH_INFO` is absent, but for files that `SetHandler` gives to a program: there
//!   they are split where the file ends. uwsgi gets the URL's decoded path as `PATH_INFO`, and what of the path
//!   stands before that as `SCRIPT_NAME`.
//! - Fields become `HTTP_NAME`, repeated ones joined; `Authorization` only with `CGIPassAuth`, `Proxy` never, and
//!   none whose name holds anything but letters, digits and hyphens.
//! - SCGI and uwsgi answer 411 to content of unknown length; `FastCGI` gets it when it is whole, with its length.
//!   (httpd streams what does not come at once and tells no length, so that most programs see nothing of it.)
//! - `nocanon` sends a query on; httpd answers 403 to it. `REQUEST_URI` is never more than path and query.
//! - A program that gives a `Location` and no status answers 302, as RFC 3875 has it; httpd answers 200. Its
//!   `Content-Length` is sent on, where httpd counts or sends chunks.
//! - Connections are not kept unless `enablereuse=on` is written, and then only over `FastCGI`.
//!
//! `ProxyFCGISetEnvIf` sees the variables of CGI and changes them: the ones that it names are put into the
//! environment before, and are sent from there.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/mod_proxy_fcgi.html>

use super::{
    super::{
        super::{
            expr::lower as expr,
            tree::{Directive, Word},
            vars::Meaning,
        },
        Cx, Lower, Phase, Section,
        mapping::when,
        walk::Steps,
    },
    target::Url,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Attr, Base, Block, Choice, Edit, Escape, Forward, GroupAttr, Handler, Kind, Name, Part, Pattern,
        Protocol, Register, Scope, Settings, Step, Syntax, Target, Template, Test, TlsAttr, Upgrade,
        Upstream, VarId, VarKind, settings::Forwarding,
    },
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("CGIPassAuth", pass_auth),
    ("CGIVar", cgi_var),
    ("ProxyFCGIBackendType", backend_type),
    ("ProxyFCGISetEnvIf", set_env_if),
];

/// Set where a file is run as a program.
pub(in crate::dialect::apache::lower) const PROGRAM: &str = "@program";

/// Captures of our own patterns.
const OWN: Register = Register('S');

/// Captures of the expression of a `ProxyFCGISetEnvIf`.
const MATCH: Register = Register('F');

/// What is spoken to gateways.
const PROTOCOLS: [Protocol; 3] = [Protocol::FastCgi, Protocol::Scgi, Protocol::Uwsgi];

/// Fields that become no `HTTP_` variable.
const NOT_PASSED: [&str; 4] = ["Content-Type", "Authorization", "Proxy-Authorization", "Proxy"];

/// Variables of the balancer that a request went to.
const BALANCER: [(&str, GroupAttr); 6] = [
    ("BALANCER_NAME", GroupAttr::Name),
    ("BALANCER_WORKER_NAME", GroupAttr::Member),
    ("BALANCER_WORKER_ROUTE", GroupAttr::Route),
    ("BALANCER_SESSION_STICKY", GroupAttr::SessionKey),
    ("BALANCER_SESSION_ROUTE", GroupAttr::SessionRoute),
    ("BALANCER_ROUTE_CHANGED", GroupAttr::Changed),
];

/// What a variable of the environment is that nobody assigns: it is known when the request was sent on.
pub(in crate::dialect::apache::lower) fn known(name: &[u8]) -> Option<VarKind> {
    let mut known = BALANCER.iter();
    let (_, attr) = known.find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name))?;
    Some(VarKind::Choice { choices: Vec::new(), default: Template::attr(Attr::Group(*attr)) })
}

/// Whether a request may go to a gateway: where nothing speaks of one, nothing is prepared for it.
pub(super) fn survey(cx: &mut Cx) {
    let spoken_of = |cx: &Cx, words: &[&str]| {
        let spoken_of =
            |text: &[u8]| words.iter().any(|word| memchr::memmem::find(text, word.as_bytes()).is_some());
        cx.sources.files().any(|(_, file)| spoken_of(&file.text))
    };
    cx.proxy.gateways = spoken_of(
        cx,
        &[
            "fcgi:",
            "scgi:",
            "uwsgi:",
            "AllowOverride",
            "ProxyFCGI",
            "cgi-script",
            "ScriptAlias",
            "httpd-cgi",
            "send-as-is",
        ],
    );
    // A handler that an expression names may be any.
    let computed = |line: &[u8]| {
        let line = line.trim_ascii_start().to_ascii_lowercase();
        line.starts_with(b"sethandler") && memchr::memmem::find(&line, b"%{").is_some()
    };
    let is_computed = |text: &[u8]| text.split(|byte| *byte == b'\n').any(computed);
    cx.proxy.gateways |= cx.sources.files().any(|(_, file)| is_computed(&file.text));
    cx.proxy.contexts = cx.proxy.gateways || spoken_of(cx, &["CONTEXT_", "context_"]);
    if cx.proxy.gateways {
        // Known before hosts are lowered, so that they are assigned.
        let _ = (cx.own("@root"), cx.own("@said"), cx.own("@queried"));
    }
}

/// The value, empty where it is missing.
fn or_empty(cx: &mut Cx, value: Template) -> Template {
    cx.first_present(&[value], Template::default())
}

fn choice(cx: &mut Cx, choices: Vec<(Test, Template)>, default: Template) -> Template {
    Template::var(declared(cx, choices, default))
}

fn declared(cx: &mut Cx, choices: Vec<(Test, Template)>, default: Template) -> VarId {
    let choices = choices.into_iter().map(|(test, value)| Choice { test, value }).collect();
    let kind = VarKind::Choice { choices, default };
    match cx.config.vars.iter().position(|var| var.kind == kind) {
        Some(at) => VarId(at as u32),
        None => super::declare(cx, "@cgi", kind),
    }
}

fn matches(subject: Template, pattern: &str) -> Test {
    let kind = Kind::Regex(Syntax::PerlWhole);
    let pattern = Pattern { kind, ..Pattern::whole(pattern, false) };
    Test::Match { subject, pattern, into: Some(OWN) }
}

fn capture(number: u8) -> Template {
    Template(vec![Part::Capture(OWN, number)])
}

fn decoded(value: Template) -> Template {
    Template(vec![Part::Escape(Escape::Decode, value)])
}

/// The names of CGI's variables.
const NAMES: &[&str] = &[
    "PATH",
    "LD_LIBRARY_PATH",
    "SERVER_SIGNATURE",
    "SERVER_SOFTWARE",
    "SERVER_NAME",
    "SERVER_ADDR",
    "SERVER_PORT",
    "REMOTE_ADDR",
    "REMOTE_USER",
    "AUTH_TYPE",
    "DOCUMENT_ROOT",
    "REQUEST_SCHEME",
    "CONTEXT_PREFIX",
    "CONTEXT_DOCUMENT_ROOT",
    "SERVER_ADMIN",
    "SCRIPT_FILENAME",
    "REMOTE_PORT",
    "GATEWAY_INTERFACE",
    "SERVER_PROTOCOL",
    "REQUEST_METHOD",
    "QUERY_STRING",
    "REQUEST_URI",
    "SCRIPT_NAME",
    "PATH_INFO",
    "PATH_TRANSLATED",
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "HTTPS",
    "SSL_TLS_SNI",
    "HTTP_AUTHORIZATION",
];

/// A variable of CGI; `None` for what is none, or is not sent over this protocol.
pub(in crate::dialect::apache::lower) fn value(
    cx: &mut Cx,
    name: &str,
    protocol: Protocol,
) -> Option<Template> {
    let uwsgi = protocol == Protocol::Uwsgi;
    let url_path = Template::attr(Attr::UpstreamPath);
    Some(match name {
        "PATH" => {
            let path = cx.process_env(b"PATH");
            let none = path == Template::attr(Attr::Missing);
            if none { "/bin:/usr/bin:/usr/ucb:/usr/bsd:/usr/local/bin".into() } else { path }
        }
        "LD_LIBRARY_PATH" => cx.process_env(b"LD_LIBRARY_PATH"),
        // Without the rule above it.
        "SERVER_SIGNATURE" => Template(vec![Part::Escape(Escape::Skip(5), Template::attr(Attr::Signature))]),
        "SERVER_SOFTWARE" => Template::attr(Attr::ServerToken),
        "SERVER_NAME" => Template::attr(Attr::OwnHost),
        "SERVER_ADDR" => Template::attr(Attr::ServerAddr),
        "SERVER_PORT" => Template::attr(Attr::OwnPort),
        "REMOTE_ADDR" => Template::attr(Attr::ClientAddr),
        "REMOTE_PORT" => Template::attr(Attr::ClientPort),
        "REMOTE_USER" => cx.meaning(&Meaning::User),
        "AUTH_TYPE" => cx.meaning(&Meaning::AuthType),
        "DOCUMENT_ROOT" => Template::var(cx.own("@root")),
        "REQUEST_SCHEME" => Template::attr(Attr::Scheme),
        "CONTEXT_PREFIX" => {
            let prefix = cx.meaning(&Meaning::ContextPrefix);
            or_empty(cx, prefix)
        }
        "CONTEXT_DOCUMENT_ROOT" => cx.meaning(&Meaning::ContextRoot),
        "SERVER_ADMIN" => Template::attr(Attr::Contact),
        "SCRIPT_FILENAME" => {
            let scheme: &str = match protocol {
                Protocol::FastCgi => "proxy:fcgi://",
                Protocol::Scgi => "proxy:scgi://",
                _ => "proxy:uwsgi://",
            };
            let path = if uwsgi { decoded(url_path.clone()) } else { url_path.clone() };
            let mut whole = Template(vec![Part::Text(scheme.into()), Part::Attr(Attr::UpstreamAuthority)]);
            path.0.into_iter().for_each(|part| whole.push(part));
            if protocol != Protocol::FastCgi {
                return Some(whole);
            }
            let generic = Test::Truthy(Template::var(cx.own("@generic_backend")));
            let run = Test::Truthy(Template::var(cx.own(PROGRAM)));
            let file = Template::var(cx.file());
            choice(cx, vec![(run, file), (generic, url_path)], whole)
        }
        "GATEWAY_INTERFACE" if protocol == Protocol::Scgi => return None,
        "GATEWAY_INTERFACE" => "CGI/1.1".into(),
        "SERVER_PROTOCOL" => Template::attr(Attr::Protocol),
        "REQUEST_METHOD" => Template::attr(Attr::Method),
        "QUERY_STRING" => {
            let query = Template::attr(Attr::Query);
            or_empty(cx, query)
        }
        "REQUEST_URI" => {
            let current = Test::Truthy(Template::var(cx.own("@current_uri")));
            choice(cx, vec![(current, Template::attr(Attr::Path))], Template::attr(Attr::Target))
        }
        "SCRIPT_NAME" if uwsgi => {
            let behind = uwsgi_path(cx);
            let is_root = |value: Template| Test::Equal(value, "/".into());
            let (root, path) = (Template::var(behind), Template::attr(Attr::Path));
            let bare = Test::All(vec![is_root(root.clone()), is_root(path.clone())]);
            // A lone slash is the path of the program itself; only the host's is left out.
            let choices = vec![(bare, Template::default()), (is_root(root), path)];
            choice(cx, choices, Template::attr(Attr::PathWithout(behind)))
        }
        "SCRIPT_NAME" => Template::attr(Attr::PathWithout(path_info(cx))),
        "PATH_INFO" if uwsgi => Template::var(uwsgi_path(cx)),
        "PATH_INFO" => {
            let rest = Template::var(path_info(cx));
            let own = Template::var(cx.env(b"PATH_INFO"));
            choice(cx, vec![(Test::Truthy(rest.clone()), rest)], own)
        }
        "PATH_TRANSLATED" if uwsgi => return None,
        "PATH_TRANSLATED" => {
            let rest = Template::var(path_info(cx));
            let mut translated = Template::var(cx.own("@root"));
            rest.0.iter().for_each(|part| translated.push(part.clone()));
            let own = Template::var(cx.env(b"PATH_TRANSLATED"));
            choice(cx, vec![(Test::Truthy(rest), translated)], own)
        }
        // SCGI has it first, always.
        "CONTENT_LENGTH" if protocol == Protocol::Scgi => return None,
        "CONTENT_LENGTH" => Template::attr(Attr::ContentLength),
        "CONTENT_TYPE" => Template::attr(Attr::FieldList("Content-Type".into())),
        "HTTPS" => {
            let tls = Test::Truthy(Template::attr(Attr::Https));
            choice(cx, vec![(tls, "on".into())], Template::attr(Attr::Missing))
        }
        "SSL_TLS_SNI" => Template::attr(Attr::Tls(TlsAttr::ServerName)),
        "HTTP_AUTHORIZATION" => {
            let field = Template::attr(Attr::FieldList("Authorization".into()));
            if uwsgi {
                return Some(field);
            }
            let passes = Template::var(cx.own("@pass_auth"));
            let test = Test::All(vec![Test::Truthy(passes), Test::Present(field.clone())]);
            let own = Template::var(cx.env(b"HTTP_AUTHORIZATION"));
            choice(cx, vec![(test, field)], own)
        }
        _ => return None,
    })
}

/// What follows the program's name: behind a file that was given to it, or where `proxy-fcgi-pathinfo` says.
fn path_info(cx: &mut Cx) -> VarId {
    let how = Template::var(cx.env(b"proxy-fcgi-pathinfo"));
    let url = decoded(Template::attr(Attr::UpstreamPath));
    let is = |word: &str| Test::Match {
        subject: how.clone(),
        pattern: Pattern { ignore_case: true, ..Pattern::exact(word) },
        into: None,
    };
    let file = Test::Truthy(Template::var(cx.own("@gateway_file")));
    let behind = Template::var(cx.path_info());
    let none = Template::default;
    declared(
        cx,
        vec![
            (file, behind),
            (Test::Not(Box::new(Test::Present(how.clone()))), none()),
            (Test::All(vec![is("first-dot"), matches(url.clone(), r"^[^.]*\.[^/]*(/.*)$")]), capture(1)),
            (is("first-dot"), none()),
            (Test::All(vec![is("last-dot"), matches(url.clone(), r"^.*\.[^./]*(/[^.]*)$")]), capture(1)),
            (is("last-dot"), none()),
        ],
        url,
    )
}

/// A variable of CGI before the request is sent on.
fn early(cx: &mut Cx, name: &str) -> Option<Template> {
    if name != "SCRIPT_FILENAME" {
        return value(cx, name, Protocol::FastCgi);
    }
    let (file, handler) = (Template::var(cx.file()), Template::var(cx.handler()));
    let given = Test::Truthy(Template::var(cx.own("@gateway_file")));
    let behind = |subject: Template| matches(subject, r"^(?:proxy:)?unix:[^|]*\|(.*)$");
    let plain = matches(handler, r"^proxy:(.*)$");
    let with = |mut url: Template, path: Template| {
        path.0.into_iter().for_each(|part| url.push(part));
        url
    };
    let encoded = |escape, value| Template(vec![Part::Escape(escape, value)]);
    let path = encoded(Escape::ForwardPath, file);
    let named = || Template(vec![Part::Text("proxy:".into()), Part::Capture(OWN, 1)]);
    let url = Template::var(cx.url());
    let sent = with("proxy:".into(), encoded(Escape::ForwardUrl, url.clone()));
    let behind_sent = with("proxy:".into(), encoded(Escape::ForwardUrl, capture(1)));
    let socket = Test::All(vec![given.clone(), behind(Template::var(cx.handler()))]);
    let plain = Test::All(vec![given, plain]);
    let choices = vec![
        (socket, with(named(), path.clone())),
        (plain, with(named(), path)),
        (matches(url, r"^unix:[^|]*\|(.*)$"), behind_sent),
    ];
    let whole = choice(cx, choices, sent);
    let generic = Test::Truthy(Template::var(cx.own("@generic_backend")));
    let path = Test::All(vec![generic, matches(whole.clone(), r"^proxy:[a-z]+://[^/]*(/.*)$")]);
    Some(choice(cx, vec![(path, capture(1))], whole))
}

/// The path that uwsgi is told: the URL's, or what follows the file that was given to a program.
fn uwsgi_path(cx: &mut Cx) -> VarId {
    let file = Test::Truthy(Template::var(cx.own("@gateway_file")));
    let behind = Template::var(cx.path_info());
    declared(cx, vec![(file, behind)], decoded(Template::attr(Attr::UpstreamPath)))
}

/// What is told over a protocol, but for the environment.
fn parameters(cx: &mut Cx, protocol: Protocol) -> Vec<(Name, Template, bool)> {
    let mut all = Vec::new();
    if protocol == Protocol::Scgi {
        all.push(("SCGI".into(), "1".into(), false));
    }
    for &name in NAMES {
        if let Some(value) = value(cx, name, protocol) {
            let value =
                if cx.proxy.edited.contains(name.as_bytes()) { edited(cx, name, value) } else { value };
            all.push((name.into(), value, matches!(name, "REMOTE_USER" | "AUTH_TYPE" | "SSL_TLS_SNI")));
        }
    }
    for (name, attr) in BALANCER {
        all.push((name.into(), Template::attr(Attr::Group(attr)), false));
    }
    all
}

/// A variable that `ProxyFCGISetEnvIf` may have changed: that of the environment once it was put there.
fn edited(cx: &mut Cx, name: &str, value: Template) -> Template {
    let put = Test::Truthy(Template::var(marker(cx, name)));
    let own = Template::var(cx.env(name.as_bytes()));
    choice(cx, vec![(put, own)], value)
}

/// Whether a variable was put into the environment.
fn marker(cx: &mut Cx, name: &str) -> VarId {
    cx.env(&[b"@cgi:", name.as_bytes()].concat())
}

/// The environment, but for what CGI's variables are sent in place of.
fn environment(cx: &Cx, from: usize) -> Vec<(Name, Template, bool)> {
    let own = |name: &[u8]| {
        let mut known = NAMES.iter();
        name.starts_with(b"@")
            || name.starts_with(b"redirect_@")
            || super::gateway::known(name).is_some()
            || known.any(|known| known.as_bytes().eq_ignore_ascii_case(name))
    };
    let mut vars: Vec<_> =
        cx.envs().filter(|(name, var)| var.0 as usize >= from && !own(name)).map(|(_, var)| var).collect();
    vars.sort();
    let name = |var: VarId| cx.config.vars[var.0 as usize].name.clone();
    vars.into_iter().map(|var| (name(var), Template::var(var), false)).collect()
}

/// What holds for forwards to gateways: as for those over HTTP, but for what is told of the request.
pub(super) fn finish(cx: &mut Cx) {
    if !cx.proxy.gateways {
        return;
    }
    let http: Forwarding = (*cx.config.base.http).clone();
    for protocol in PROTOCOLS {
        let mut set = http.clone();
        let mut told = environment(cx, 0);
        told.extend(parameters(cx, protocol));
        set.params = Some(told);
        set.edits = Some(NOT_PASSED.iter().map(|&name| Edit::Remove(name.into())).collect());
        set.omit_missing = Some(true);
        set.plain_names = Some(true);
        set.name_statuses = Some(true);
        set.needs_length = Some(protocol != Protocol::FastCgi);
        set.upgrade = Some(Upgrade::Never);
        set.hide.get_or_insert_default().push("Status".into());
        *cx.config.base.forwarding_mut(protocol) = set;
    }
}

/// The settings for a section of a `.htaccess`: it may bring variables that nobody knew before.
pub(in crate::dialect::apache::lower) fn local(cx: &mut Cx, before: usize) -> Option<Scope> {
    let told = environment(cx, before);
    let edited = cx.proxy.edited.clone();
    if told.is_empty() && edited.is_empty() {
        return None;
    }
    let mut set = Settings::default();
    for protocol in PROTOCOLS {
        let mut all = told.clone();
        let known = parameters(cx, protocol);
        all.extend(known.into_iter().filter(|(name, ..)| edited.contains(&name.0[..])));
        set.forwarding_mut(protocol).params = Some(all);
    }
    Some(Scope { base: Base::Current, set: Box::new(set) })
}

/// What a section says of forwards counts for all protocols.
pub(super) fn settle(cx: &Cx, section: &mut Section) {
    if !cx.proxy.gateways {
        return;
    }
    let http = &section.set.http;
    let said = Forwarding {
        connect_timeout: http.connect_timeout,
        send_timeout: http.send_timeout,
        read_timeout: http.read_timeout,
        own_errors: http.own_errors.clone(),
        bind: http.bind.clone(),
        ..Forwarding::default()
    };
    if !said.is_empty() {
        for protocol in PROTOCOLS {
            section.set.forwarding_mut(protocol).clone_from(&said);
        }
    }
}

/// What is told of the request before it was redirected.
const PAST: [&str; 4] =
    ["REDIRECT_STATUS", "REDIRECT_URL", "REDIRECT_QUERY_STRING", "REDIRECT_REQUEST_METHOD"];

/// Each variable gets its `REDIRECT_` name after an internal redirect.
pub(in crate::dialect::apache::lower) fn declare_redirected(cx: &mut Cx) {
    if !cx.proxy.gateways {
        return;
    }
    for name in PAST.into_iter().chain(["SCRIPT_URL", "SCRIPT_URI", "HTTP_AUTHORIZATION"]) {
        cx.env(name.as_bytes());
    }
    let named = |cx: &Cx, name: &[u8], var: VarId| {
        let written = cx.config.vars[var.0 as usize].name.to_vec();
        (!name.starts_with(b"redirect_") && !name.starts_with(b"@") && known(name).is_none())
            .then_some(written)
    };
    let names: Vec<_> = cx.envs().filter_map(|(name, var)| named(cx, name, var)).collect();
    for name in names {
        cx.env(&[b"REDIRECT_", name.as_slice()].concat());
    }
}

/// What a request was before it was redirected, and the path that rules see first.
pub(in crate::dialect::apache::lower) fn remember(cx: &mut Cx, rewrites: bool) -> Steps {
    if !cx.proxy.gateways {
        return Steps::new();
    }
    let span = Span::NONE;
    let assign = |var, value| (Step::Assign { var, value }, span);
    let (said, queried, redirected) = (cx.own("@said"), cx.own("@queried"), Test::Internal);
    let before = Template::var(cx.own("@queried"));
    let url = cx.env(b"REDIRECT_URL");
    let query = cx.env(b"REDIRECT_QUERY_STRING");
    let renamed = Test::All(vec![redirected, Test::Present(Template::var(cx.renames()))]);
    let mut past = vec![assign(url, Template::var(said))];
    // Who answers for a failure is told how it was asked for.
    let asked = cx.own("@asked_by");
    let method = cx.env(b"REDIRECT_REQUEST_METHOD");
    let failed = Test::Not(Box::new(Test::Equal(Template::attr(Attr::Status), "000".into())));
    past.push(when(failed, vec![assign(method, Template::var(asked))]));
    past.push(when(Test::Truthy(before.clone()), vec![assign(query, before)]));
    let mut steps = vec![
        when(renamed, past),
        assign(said, Template::attr(Attr::Path)),
        assign(queried, Template::attr(Attr::Query)),
        assign(asked, Template::attr(Attr::Method)),
    ];
    for var in [
        cx.own("@gateway_file"),
        cx.own(PROGRAM),
        cx.own(super::super::program::ALIASED),
        cx.own("@generic_backend"),
        cx.own("@pass_auth"),
    ] {
        steps.push((Step::Unassign(var), span));
    }
    for name in cx.proxy.edited.clone() {
        let marker = marker(cx, &String::from_utf8_lossy(&name));
        steps.push((Step::Unassign(marker), span));
    }
    if rewrites {
        let (first_url, first_uri) = (cx.env(b"REDIRECT_SCRIPT_URL"), cx.env(b"REDIRECT_SCRIPT_URI"));
        let (now_url, now_uri) = (cx.env(b"SCRIPT_URL"), cx.env(b"SCRIPT_URI"));
        let mut uri = Template(vec![Part::Attr(Attr::Scheme), Part::Text("://".into())]);
        own_authority(cx).0.into_iter().for_each(|part| uri.push(part));
        uri.push(Part::Attr(Attr::Path));
        let path = Template::attr(Attr::Path);
        let kept = cx.first_present(&[Template::var(first_url), Template::var(now_url)], path);
        let kept_uri = cx.first_present(&[Template::var(first_uri), Template::var(now_uri)], uri);
        steps.push(assign(now_url, kept));
        steps.push(assign(now_uri, kept_uri));
    }
    steps
}

/// Our host, and our port where it is not the scheme's own.
fn own_authority(cx: &mut Cx) -> Template {
    let (host, port) = (Template::attr(Attr::OwnHost), Template::attr(Attr::OwnPort));
    let own = |scheme: &str, number: &str| {
        let scheme = Test::Equal(Template::attr(Attr::Scheme), scheme.into());
        Test::All(vec![scheme, Test::Equal(port.clone(), number.into())])
    };
    let usual = Test::Any(vec![own("http", "80"), own("https", "443")]);
    let with = Template(vec![Part::Attr(Attr::OwnHost), Part::Text(":".into()), Part::Attr(Attr::OwnPort)]);
    choice(cx, vec![(usual, host)], with)
}

/// The steps that give the file to the program at a URL: `proxy:URL` as a handler.
pub(in crate::dialect::apache::lower) fn hand_over(cx: &mut Cx, word: &Word) -> Option<Steps> {
    let text = word.value.get(6..).unwrap_or_default();
    let Some(url) = Url::read(text).filter(|url| !url.authority.is_empty()) else {
        let message = format!("`{}` is no URL with scheme and host", String::from_utf8_lossy(text));
        cx.report(Diagnostic::error("invalid-url", word.span, message).label(word.span, ""));
        return None;
    };
    if url.scheme != b"balancer" && super::target::default_port(&url.scheme).is_none() {
        super::member::refuse_scheme(cx, &url, word.span);
        return None;
    }
    let span = word.span;
    if !cx.local {
        cx.proxy.handlers.push((cx.proxy.server, url.clone(), span));
    }
    let sent = Template(vec![
        Part::Text(url.text().into()),
        Part::Escape(Escape::ForwardPath, Template::var(cx.file())),
        Part::Attr(Attr::QueryMark),
        Part::Attr(Attr::Query),
    ]);
    let forward =
        Forward { protocol: Protocol::Http, tls: false, to: Upstream::Url(sent), target: Target::Received };
    let set = Settings { handler: Some(Handler::Forward(forward)), ..Settings::default() };
    let scope = Scope { base: Base::Current, set: Box::new(set) };
    let steps = vec![
        (Step::Assign { var: cx.handler(), value: Template::text(word.value.as_slice()) }, span),
        (Step::Assign { var: cx.own("@gateway_file"), value: "1".into() }, span),
    ];
    Some(vec![(Step::Do(Block { scope: Some(scope), steps, span, ..Block::default() }), span)])
}

/// `CGIPassAuth On|Off`
fn pass_auth(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    if let Some(on) = super::flag(cx, directive) {
        super::assign(cx, section, directive, "@pass_auth", on);
    }
}

/// `CGIVar REQUEST_URI original-uri|current-uri`
fn cgi_var(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [variable, how] = directive.args.as_slice() else { return };
    if !variable.is("REQUEST_URI") {
        let message = "CGIVar: only REQUEST_URI can be said";
        return cx.error("invalid-value", variable.span, message);
    }
    if !how.is("original-uri") && !how.is("current-uri") {
        let message = "CGIVar REQUEST_URI is original-uri or current-uri";
        return cx.error("invalid-value", how.span, message);
    }
    super::assign(cx, section, directive, "@current_uri", how.is("current-uri"));
}

/// `ProxyFCGIBackendType FPM|GENERIC`
fn backend_type(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    if !word.is("fpm") && !word.is("generic") {
        let message = "ProxyFCGIBackendType must be FPM or GENERIC";
        return cx.error("invalid-value", word.span, message);
    }
    super::assign(cx, section, directive, "@generic_backend", word.is("generic"));
}

/// `ProxyFCGISetEnvIf expression [!]variable [value]`
fn set_env_if(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [expression, variable, rest @ ..] = directive.args.as_slice() else { return };
    let span = directive.head();
    let before = cx.config.vars.len();
    let Some(test) = expr::test_into(cx, &expr::written(expression), MATCH) else { return };
    let (name, removes) = match variable.value.strip_prefix(b"!") {
        Some(name) => (name, true),
        None => (&variable.value[..], false),
    };
    if removes && !rest.is_empty() {
        let message = "ProxyFCGISetEnvIf: a variable that is removed takes no value";
        return cx.error("arguments", span, message);
    }
    let value = match rest.first() {
        Some(word) => {
            let Some(value) = expr::template_from(cx, &expr::written(word), MATCH) else { return };
            value
        }
        None => Template::default(),
    };
    // Those of CGI that are read or changed are put into the environment first.
    let written = String::from_utf8_lossy(name).to_ascii_uppercase();
    let reads = |cx: &Cx, known: &str| {
        let name = known.to_ascii_lowercase();
        let var = cx.envs().find(|(env, _)| *env == name.as_bytes()).map(|(_, var)| var);
        let asked = [expression].into_iter().chain(rest.first());
        let mut text = asked.map(|word| String::from_utf8_lossy(&word.value).to_ascii_uppercase());
        var.is_some_and(|var| var.0 as usize >= before) || text.any(|text| text.contains(known))
    };
    let mut steps = Steps::new();
    for &known in NAMES {
        if written != known && !reads(cx, known) {
            continue;
        }
        cx.proxy.edited.insert(known.as_bytes().to_vec());
        let (put, var) = (marker(cx, known), cx.env(known.as_bytes()));
        let Some(value) = early(cx, known) else { continue };
        let mut own = vec![(Step::Assign { var: put, value: "1".into() }, span)];
        let block = |step| Block { steps: vec![(step, span)], span, ..Block::default() };
        own.push((
            Step::When {
                test: Test::Present(value.clone()),
                then: block(Step::Assign { var, value }),
                otherwise: block(Step::Unassign(var)),
            },
            span,
        ));
        steps.push(when(Test::Not(Box::new(Test::Truthy(Template::var(put)))), own));
    }
    let var = cx.env(name);
    let change = if removes { Step::Unassign(var) } else { Step::Assign { var, value } };
    steps.push(when(test, vec![(change, span)]));
    let block = Block { steps, span, ..Block::default() };
    section.hook(Phase::Gateway, Step::Do(block), span);
}
