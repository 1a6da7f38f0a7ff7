//! Handlers that are programs: forwarded to where the command line says they are, or started beside the server.
//!
//! Reference 12; <https://learn.microsoft.com/aspnet/core/host-and-deploy/iis/web-config>,
//! <https://learn.microsoft.com/iis/extensions/httpplatformhandler/httpplatformhandler-configuration-reference>. The
//! forwarder of such a program keeps the client's `Host`, adds the client to `X-Forwarded-For`, with the port, and the scheme
//! to `X-Forwarded-Proto`, behind what a proxy in front said, passes the client's certificate on, and leaves `Location`,
//! `Content-Location` and cookies as they are, which ARR's, of the same source, does not (`GetHeaders`; `PROTOCOL_CONFIG`:
//! `m_fPreserveHostHeader = TRUE`, `m_fReverseRewriteHeaders = FALSE`). That of ASP.NET Core adds a token that the program
//! knows from its environment.
//!
//! Which URL a program gets where rules rewrote it:
//!
//! - ASP.NET Core beside the server, and `httpPlatform`, whose forwarder is its ancestor: the URL as it is now, decoded and
//!   encoded again (`ForwardingHandler` builds the request from `CookedUrl`: dotnet/aspnetcore,
//!   `OutOfProcessRequestHandler/forwardinghandler.cpp`, `URL_UTILITY::EscapeAbsPath`; dotnet/aspnetcore and
//!   aspnet/HttpAbstractions#855: the program sees the rewritten URL).
//! - ASP.NET Core in the server's process: `pRawUrl` (`IISHttpContext.GetOriginalPath`), which is as received until a
//!   rewrite replaces it.
//! - `iisnode`: the one that was asked for (tjanczuk/iisnode#271, its functional tests of URL rewriting).
//! - `FastCGI`: `REQUEST_URI` is the one that was asked for where URL Rewrite is installed (forums.iis.net on PHP), path and
//!   script are those that there are now; `IIS_WasUrlRewritten` is `1` then (Symfony's `Request::prepareRequestUri` and
//!   OpenTelemetry's `TelemetryHttpModule` rely on it).
//!
//! What follows a script in the path (`/index.php/rest`) is no part of its name: the handler for `*.php`, or for `server.js`
//! (`/server.js/debug`, which the template for Node.js of Azure keeps from its rules), takes the request
//! where `/index.php` is a file, `SCRIPT_NAME` ends there, and `PATH_INFO` is the whole path all the same, which PHP knows
//! of this server and mends ("`AllowPathInfoForScriptMappings`", false: full path; php-src, `cgi_main.c`,
//! `init_request_info`).
//!
//! `X-Original-URL` is what was asked for, where a rule rewrote it ("URL Rewrite Module Configuration Reference",
//! preserving the original URL); else it is the client's own, if it sent one.

use std::sync::Arc;

use super::{Cx, Place, block, leave, proxy, status::own, vars};
use crate::{
    diagnostic::Diagnostic,
    dialect::iis::{
        effective::{Item, Value},
        site::Site,
    },
    ir::{
        Attr, Base, Block, Choice, Cluster, ClusterId, Edit, Endpoint, FileKind, Forward, Handler, Name,
        Part, ProofAttr, Protocol, Register, Reply, ReplyContent, Role, Scope, Settings, Step, Target,
        Template, Test, TlsAttr, Upstream, VarId, VarKind,
    },
    source::Span,
};

mod fast_cgi;
mod started;

type Steps = Vec<(Step, Span)>;

/// Modules that are built in.
const BUILT_IN: [&str; 4] =
    ["StaticFileModule", "DefaultDocumentModule", "DirectoryListingModule", "ProtocolSupportModule"];

/// The block that they stand in, where one of them keeps requests from the next.
const LABEL: &str = "handlers";

/// The module that answers `OPTIONS` and `TRACE` by itself.
const PROTOCOL: &str = "ProtocolSupportModule";

/// Modules that run programs in the original itself, in .NET or by ISAPI: a stock server lists dozens of them.
const INSIDE: [&str; 5] =
    ["IsapiModule", "ManagedPipelineHandler", "CgiModule", "ServerSideIncludeModule", "TRACEVerbHandler"];

/// Where a path and a file's name are cut behind a script.
const CUT: (Register, Register) = (Register('S'), Register('T'));

/// The variable that says that a program has the request.
pub(super) const PROGRAM: &str = "program";

/// A script's path, and the file that it is.
type Script = (VarId, VarId);

/// A program behind a module, and the section that says how it is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    AspNetCore,
    HttpPlatform,
    IisNode,
    FastCgi,
}

impl Kind {
    fn of(module: &str) -> Option<Self> {
        match module.to_ascii_lowercase().as_str() {
            "aspnetcoremodule" | "aspnetcoremodulev2" => Some(Self::AspNetCore),
            "httpplatformhandler" => Some(Self::HttpPlatform),
            "iisnode" => Some(Self::IisNode),
            "fastcgimodule" => Some(Self::FastCgi),
            _ => None,
        }
    }

    /// The section with its settings.
    fn section(self, place: &Place) -> Option<Arc<Value>> {
        let name = match self {
            Self::AspNetCore => "system.webServer/aspNetCore",
            Self::HttpPlatform => "system.webServer/httpPlatform",
            Self::IisNode | Self::FastCgi => return None,
        };
        Some(place.site.section(name, &place.path, &mut Vec::new()))
    }
}

/// Whether anywhere in a site a handler may be a program.
pub(super) fn any(site: &Site) -> bool {
    let handlers = |place: &Vec<String>| site.section("system.webServer/handlers", place, &mut Vec::new());
    let program = |item: &Item| {
        let stock = |module: &str| BUILT_IN.iter().any(|one| one.eq_ignore_ascii_case(module.trim()));
        !item.level.assumed && !item.value.text("modules").split(',').any(stock)
    };
    site.places().iter().any(|place| handlers(place).items().iter().any(program))
}

/// A handler as it is lowered: what finds out whether a request is its own, and what it does with it.
struct Link {
    before: Steps,
    /// `None` where every request is.
    test: Option<Test>,
    then: Block,
    /// Whether it answers by itself, so that nothing follows.
    answers: bool,
    span: Span,
}

/// Adds what the handlers of a place do: the first one in the list that is for a request has it.
pub(super) fn programs(cx: &mut Cx, place: &Place, handlers: &Value, out: &mut Steps) {
    let links = links(cx, place, handlers);
    let last = links.len().saturating_sub(1);
    let leaves = |at: usize, link: &Link| at < last && link.test.is_some() && !link.answers;
    let chained = links.iter().enumerate().any(|(at, link)| leaves(at, link));
    let mut steps = Steps::new();
    for (at, mut link) in links.into_iter().enumerate() {
        if leaves(at, &link) {
            link.then.steps.push(leave(LABEL));
        }
        steps.append(&mut link.before);
        let step = match link.test {
            Some(test) => Step::When { test, then: link.then, otherwise: Block::default() },
            None => Step::Do(link.then),
        };
        steps.push((step, link.span));
    }
    if chained {
        let chain = Block { label: Some(LABEL.into()), steps, ..Block::default() };
        out.push((Step::Do(chain), Span::NONE));
    } else {
        out.append(&mut steps);
    }
}

fn links(cx: &mut Cx, place: &Place, handlers: &Value) -> Vec<Link> {
    let mut links: Vec<Link> = Vec::new();
    let is_protocol = |item: &Item| item.value.text("modules").eq_ignore_ascii_case(PROTOCOL);
    for item in handlers.items().iter().filter(|item| !item.level.assumed || is_protocol(item)) {
        let span = item.span;
        if is_protocol(item) {
            let (test, then) = (own_requests(item, None), protocol(span));
            links.push(Link { before: Steps::new(), test, then, answers: true, span });
            continue;
        }
        let modules: Vec<&str> = item.value.text("modules").split(',').map(str::trim).collect();
        let one_of = |list: &[&str]| {
            modules.iter().any(|module| list.iter().any(|one| one.eq_ignore_ascii_case(module)))
        };
        if one_of(&BUILT_IN) {
            // Files, whatever is for them further down.
            let test = own_requests(item, None);
            let ends = test.is_none();
            links.push(Link { before: Steps::new(), test, then: Block::default(), answers: false, span });
            if ends {
                return links;
            }
            continue;
        }
        let name = item.value.text("name");
        let kind = modules.iter().find_map(|module| Kind::of(module));
        let is = |key: &str| key.eq_ignore_ascii_case(name) || one_of(&[key]);
        let given = cx.options.handlers.iter().find(|(key, _)| is(key)).map(|(key, url)| {
            cx.reached.insert(key.clone());
            url.clone()
        });
        let mut before = Steps::new();
        let mut answers = false;
        let script = if kind.is_some() || given.is_some() { cut(cx, item, &mut before) } else { None };
        let then = match (given, kind) {
            (Some(url), _) => reached(cx, place, (kind, script), item, &url, None),
            (None, Some(kind)) if cx.options.stage.start => match started::start(cx, place, kind, item) {
                Some(started) => {
                    reached(cx, place, (Some(kind), script), item, &started.url, started.token.as_deref())
                }
                None => continue,
            },
            (None, None) if one_of(&INSIDE) || modules == [""] || item.value.attribute("type").is_some() => {
                let message = format!("requests for the handler `{name}` are answered with 404");
                let found = Diagnostic::note_at("handler-not-here", item.span, message);
                cx.report(found.because("it runs inside of the original, in .NET or by ISAPI"));
                answers = true;
                let reply = Reply { status: 404, content: ReplyContent::Page };
                block(vec![(Step::Respond(reply), item.span)])
            }
            (None, kind) => {
                refuse(cx, place, kind, item);
                continue;
            }
        };
        let then = permitted(handlers, item).map_or(then, |status| {
            let reply = Reply { status, content: ReplyContent::Page };
            block(vec![(Step::Respond(reply), item.span)])
        });
        let test = own_requests(item, script);
        let ends = test.is_none();
        links.push(Link { before, test, then, answers, span });
        if ends {
            break;
        }
    }
    links
}

/// What `ProtocolSupportModule` answers: `OPTIONS` with 200 and the methods there are, a file or none, whatever else a
/// preflight asks; `TRACE` with 501, as long as nobody sets `EnableTraceMethod` in the registry (readings of IIS 10 published
/// with their requests: `OPTIONS` and `TRACE` for a file and for a page).
pub(super) fn protocol(span: Span) -> Block {
    let respond = |status, content| (Step::Respond(Reply { status, content }), span);
    let list: Template = "OPTIONS, TRACE, GET, HEAD, POST".into();
    let promise = |field: &str| {
        (Step::Promise { field: field.into(), value: list.clone(), always: true, member: false }, span)
    };
    let options = vec![promise("Allow"), promise("Public"), respond(200, ReplyContent::Empty)];
    let when = |method: &str, then: Steps| {
        let test = Test::Method(vec![method.into()]);
        (Step::When { test, then: block(then), otherwise: Block::default() }, span)
    };
    block(vec![when("OPTIONS", options), when("TRACE", vec![respond(501, ReplyContent::Page)])])
}

/// Tells which programs were said to be somewhere and are nobody's.
pub(super) fn unused(cx: &mut Cx, span: Span) {
    let options = cx.options;
    for (name, url) in &options.handlers {
        if cx.reached.contains(name) {
            continue;
        }
        let message = format!("no handler is called `{name}`");
        let found = Diagnostic::warning("handler-unused", span, message);
        cx.report(found.because(format!("nothing is sent to `{url}`")));
    }
}

fn refuse(cx: &mut Cx, place: &Place, kind: Option<Kind>, item: &Item) {
    let (name, modules) = (item.value.text("name"), item.value.text("modules"));
    let program = if modules.is_empty() { name } else { modules };
    let message = format!("the handler `{name}` is a program of the original's ({program})");
    let scheme = if kind == Some(Kind::FastCgi) { "fcgi" } else { "http" };
    let mut help = format!("say where it is reached: `--handler {program}={scheme}://HOST:PORT`");
    if kind.is_some() {
        help.push_str("; or have it started: `run --start-handlers`");
    }
    let mut found =
        Diagnostic::error("handler-not-here", item.span, message).because("it does not run here").help(help);
    if let Some(section) = kind.and_then(|kind| kind.section(place)) {
        let command = section.text("processPath");
        if !command.is_empty() {
            found = found.note(format!("it starts `{command} {}`", section.text("arguments")));
        }
    }
    cx.report(found);
}

/// Forwards to a program at a URL.
fn reached(
    cx: &mut Cx,
    place: &Place,
    (kind, script): (Option<Kind>, Option<Script>),
    item: &Item,
    url: &str,
    token: Option<&str>,
) -> Block {
    let mut set = Settings::default();
    super::compression::settings(cx, place, super::compression::Content::Dynamic, &mut set);
    if let Some(authority) = url.strip_prefix("fcgi://") {
        let to = Upstream::Cluster(cluster(cx, authority.trim_end_matches('/'), item.span));
        set.handler = Some(Handler::Forward(Forward {
            protocol: Protocol::FastCgi,
            tls: false,
            to,
            target: Target::Received,
        }));
        set.fastcgi = fast_cgi::forwarding(cx, place, script).into();
    } else {
        let section = kind.and_then(|kind| kind.section(place));
        let authority = Template::text(url.trim_end_matches('/'));
        proxy::known(cx, &authority, item.span);
        let target = target(cx, Sees::of(kind, section.as_deref()), authority);
        set.handler = Some(Handler::Forward(Forward {
            protocol: Protocol::Http,
            tls: false,
            to: Upstream::Url(target),
            target: Target::Received,
        }));
        set.http.edits = Some(edits(cx, token));
        set.http.response_edits = Some(Vec::new());
        if let Some(section) = section {
            let limit = section.time("requestTimeout");
            set.http.read_timeout = Some(limit);
            set.http.send_timeout = Some(limit);
        }
    }
    // Nobody but the forwarder may speak for it: a client's own would say whose certificate it has, or end the program
    // (`GetHeaders` of the forwarder: all that begin so are taken away).
    let spoken = (Step::Edit(Edit::Remove("MS-ASPNETCORE*".into())), item.span);
    Block {
        scope: Some(Scope { base: Base::Current, set: Box::new(set) }),
        // Nobody wrote that a program is one.
        steps: vec![(Step::Assign { var: cx.assigned(PROGRAM), value: "1".into() }, Span::NONE), spoken],
        span: item.span,
        ..Block::default()
    }
}

/// Which URL a program sees where rules rewrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sees {
    /// The one that was asked for.
    Asked,
    /// The one that there is now.
    Current,
    /// The one that was asked for, as it was received, until a rule rewrites it.
    Received,
}

impl Sees {
    fn of(kind: Option<Kind>, section: Option<&Value>) -> Self {
        match kind {
            Some(Kind::IisNode | Kind::FastCgi) => Self::Asked,
            Some(Kind::AspNetCore)
                if section.is_some_and(|section| section.is("hostingModel", "inprocess")) =>
            {
                Self::Received
            }
            Some(Kind::AspNetCore | Kind::HttpPlatform) => Self::Current,
            None => Self::Received,
        }
    }
}

/// The URL to forward to.
fn target(cx: &mut Cx, sees: Sees, authority: Template) -> Template {
    let received = |mut authority: Template| {
        authority.push(Part::Attr(Attr::Target));
        authority
    };
    match sees {
        Sees::Asked => received(authority),
        Sees::Current => super::rules::current_url(authority),
        Sees::Received => {
            let test = Test::Truthy(Template::var(rewritten(cx)));
            let value = super::rules::current_url(authority.clone());
            let default = received(authority);
            let choices = vec![Choice { test, value }];
            Template::var(cx.fresh("program's URL", VarKind::Choice { choices, default }))
        }
    }
}

/// `1` where a rule rewrote the URL.
fn rewritten(cx: &mut Cx) -> VarId {
    cx.assigned(super::rules::REWRITTEN)
}

/// The URL that was asked for, where a rule rewrote it; else what the client says it was.
fn original(cx: &mut Cx) -> VarId {
    let test = Test::Truthy(Template::var(rewritten(cx)));
    cx.var("original URL", || VarKind::Choice {
        choices: vec![Choice { test, value: Template::attr(Attr::Target) }],
        default: Template::attr(Attr::Field("x-original-url".into())),
    })
}

/// What the forwarder of a program changes in the head of a request.
fn edits(cx: &mut Cx, token: Option<&str>) -> Vec<Edit> {
    let client = proxy::client(cx, true);
    // What rules set stands for what was received.
    let mut set = vars::fields_written(cx);
    let mut edits = vec![
        Edit::RemoveNominated,
        Edit::Set("Host".into(), Template::attr(Attr::Field("host".into()))),
        proxy::append(cx, "X-Forwarded-For".into(), client, &mut set),
        proxy::append(cx, "X-Forwarded-Proto".into(), Template::attr(Attr::Scheme), &mut set),
        Edit::Set("X-Original-URL".into(), Template::var(original(cx))),
    ];
    let own = |field: &Name| field.starts_with(b"ms-aspnetcore");
    edits.extend(
        set.into_iter()
            .filter(|(field, _)| !own(field))
            .map(|(field, var)| Edit::Set(field, Template::var(var))),
    );
    if let Some(token) = token {
        edits.push(Edit::Set("MS-ASPNETCORE-TOKEN".into(), Template::text(token)));
    }
    if cx.options.machine.clients.is_some() {
        let certificate = Template::attr(Attr::Tls(TlsAttr::Proof(ProofAttr::Der)));
        edits.push(Edit::Set("MS-ASPNETCORE-CLIENTCERT".into(), certificate));
    }
    for name in ["TE", "Keep-Alive", "Proxy-Connection", "Expect", "Trailer"] {
        edits.push(Edit::Remove(name.into()));
    }
    edits.push(Edit::Switch("Keep-Alive".into()));
    edits
}

/// The cluster of a `FastCGI` program.
fn cluster(cx: &mut Cx, authority: &str, span: Span) -> ClusterId {
    let name = format!("fcgi://{authority}");
    let there = cx.config.clusters.iter().position(|cluster| cluster.name == name.as_str().into());
    if let Some(at) = there {
        return ClusterId(at as u32);
    }
    cx.config.clusters.push(Cluster {
        name: name.as_str().into(),
        declared: false,
        balance: crate::ir::Balance::RoundRobin,
        idle: None,
        shared: true,
        resolve: None,
        affinity: None,
        queue: None,
        watches: Vec::new(),
        group: None,
        endpoints: vec![Endpoint {
            address: authority.into(),
            default_port: 9000,
            weight: 1,
            max_connections: 0,
            max_fails: 0,
            fail_timeout: std::time::Duration::ZERO,
            role: Role::Active,
            resolve: false,
            service: None,
            slow_start: std::time::Duration::ZERO,
            draining: false,
            route: crate::ir::Text::new(),
            member: None,
            span,
        }],
        span,
    });
    ClusterId(cx.config.clusters.len() as u32 - 1)
}

/// The status of requests for a handler that needs more access than `accessPolicy` grants.
fn permitted(handlers: &Value, item: &Item) -> Option<u16> {
    let (needed, sub) = match item.value.text("requireAccess").to_ascii_lowercase().as_str() {
        "none" => return None,
        "read" => ("Read", 2),
        "write" => ("Write", 3),
        "execute" => ("Execute", 1),
        _ => ("Script", 1),
    };
    grants(handlers, needed).then_some(()).map_or(Some(own(403, sub)), |()| None)
}

/// Whether `accessPolicy` grants this; where none is written it is that of a stock server, `Read, Script`.
fn grants(handlers: &Value, access: &str) -> bool {
    match handlers.attribute("accessPolicy") {
        Some(_) => handlers.is("accessPolicy", access),
        None => matches!(access, "Read" | "Script"),
    }
}

/// Refuses to send files where that is not granted.
pub(super) fn files(handlers: &Value, out: &mut Steps) {
    if !grants(handlers, "Read") {
        let reply = Reply { status: own(403, 2), content: ReplyContent::Page };
        out.push((Step::Respond(reply), handlers.place("accessPolicy")));
    }
}

/// Finds the script in the path, where a handler is for files with an ending.
fn cut(cx: &mut Cx, item: &Item, out: &mut Steps) -> Option<Script> {
    let path = item.value.text("path");
    let names = path.split(',').filter_map(|one| {
        let one = one.trim();
        let (front, name) = one.strip_prefix('*').map_or(("/", one), |ending| ("", ending));
        // What has no dot is a folder to those who write it, and `*` alone is everything.
        let plain = name.contains('.') && !name.contains(['*', '?']) && (front == "/" || !name.contains('/'));
        plain.then(|| format!("{front}{}", super::pattern::literal(name.trim_start_matches('/'))))
    });
    let plain: Vec<String> = names.collect();
    if plain.is_empty() {
        return None;
    }
    let script = (cx.assigned("script"), cx.assigned("script's file"));
    let pattern = super::letters::any_case(format!("^(.*?(?:{}))/", plain.join("|")));
    let found = |subject, into| Test::Match { subject, pattern: pattern.clone(), into: Some(into) };
    let part = |register| Template(vec![Part::Capture(register, 1)]);
    let set = |name, file| {
        let steps = [(script.0, name), (script.1, file)];
        block(steps.map(|(var, value)| (Step::Assign { var, value }, item.span)).to_vec())
    };
    let (path, file) = (Template::attr(Attr::Path), Template::attr(Attr::FilePath));
    let test = Test::All(vec![
        found(path.clone(), CUT.0),
        found(file.clone(), CUT.1),
        Test::File(part(CUT.1), FileKind::File),
    ]);
    let (then, otherwise) = (set(part(CUT.0), part(CUT.1)), set(path, file));
    out.push((Step::When { test, then, otherwise }, item.span));
    Some(script)
}

/// Which requests are a handler's own; `None` where all are.
fn own_requests(item: &Item, script: Option<Script>) -> Option<Test> {
    let mut tests = Vec::new();
    let path = item.value.text("path");
    let (name, file) = script
        .map_or((Template::attr(Attr::Path), Template::attr(Attr::FilePath)), |(name, file)| {
            (Template::var(name), Template::var(file))
        });
    if path != "*" {
        let alternatives: Vec<String> = path
            .split(',')
            .map(|one| {
                let pattern = super::pattern::wildcard(one.trim());
                pattern.trim_start_matches('^').to_owned()
            })
            .collect();
        let text = format!("(?:^|/)(?:{})", alternatives.join("|"));
        tests.push(Test::Match { subject: name, pattern: super::letters::any_case(text), into: None });
    }
    let verbs = item.value.text("verb");
    if verbs != "*" {
        tests.push(Test::Method(verbs.split(',').map(|verb| Name::from(verb.trim())).collect()));
    }
    // A handler that wants a file is passed over where there is none.
    let wanted = match item.value.text("resourceType").to_ascii_lowercase().as_str() {
        "file" => Some(FileKind::File),
        "directory" => Some(FileKind::Directory),
        "either" => Some(FileKind::Any),
        _ => None,
    };
    if let Some(kind) = wanted {
        tests.push(Test::File(file, kind));
    }
    (!tests.is_empty()).then_some(Test::All(tests))
}
