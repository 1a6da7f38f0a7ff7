//! Servers: names, joining with the main server, the program of a host.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/vhosts/details.html>

use super::{
    super::{glob, tree::Directive},
    Cx, JOIN, Kind, Lower, Phase, Section, core, listen, logs, mapping, names,
    phase::Joins,
    proxy,
    walk::{self, Steps},
};
use crate::{
    diagnostic::Diagnostic,
    ir::{self, Base, Block, HostId, Pattern, Scope, Step, Syntax, Template, Test, Text, VarId},
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("<VirtualHost>", virtual_host),
    ("ServerAlias", server_alias),
    ("ServerName", server_name),
    ("ServerPath", server_path),
];

/// Names and addresses of a host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Own {
    /// `ServerName`: scheme, host, port.
    pub(crate) name: Option<ServerName>,
    /// `ServerAlias`, in order.
    pub(super) aliases: Vec<Text>,
    /// `ServerPath`: what lies below it is answered by this host where a request names none.
    pub(super) path: Option<Text>,
    /// The addresses of a `<VirtualHost>`.
    pub(super) addresses: Vec<listen::HostAddress>,
}

/// `ServerName [scheme://]host[:port]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerName {
    pub(crate) scheme: Option<Text>,
    pub(crate) host: Text,
    pub(crate) port: Option<u16>,
}

/// A host that was lowered, kept for `.htaccess`.
#[derive(Debug)]
pub(super) struct Host {
    /// The sections of main server and virtual host, joined.
    pub(super) section: Section,
}

/// `ServerName`
fn server_name(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let text = &word.value;
    let (scheme, rest) = match memchr::memmem::find(text, b"://") {
        Some(at) => (Some(Text::from(&text[..at])), &text[at + 3..]),
        None => (None, &text[..]),
    };
    let colon = if rest.starts_with(b"[") {
        memchr::memchr(b']', rest).and_then(|end| (rest.get(end + 1) == Some(&b':')).then_some(end + 1))
    } else {
        memchr::memrchr(b':', rest)
    };
    let (host, port) = match colon {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let number = port.map(|port| std::str::from_utf8(port).ok().and_then(|port| port.parse::<u16>().ok()));
    if number == Some(None) {
        let message = format!("`{}` has no port between 1 and 65535", word.text());
        return cx.error("invalid-port", word.span, message);
    }
    section.own.host.name = Some(ServerName { scheme, host: host.into(), port: number.flatten() });
}

/// `ServerAlias name ...`
fn server_alias(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    if section.kind == Kind::Server {
        let message = "ServerAlias only used in <VirtualHost>";
        return cx.report(Diagnostic::error("misplaced", directive.head(), message));
    }
    let names = directive.args.iter().map(|word| Text::from(word.value.as_slice()));
    section.own.host.aliases.extend(names);
}

/// `ServerPath /path`: for clients that name no host (HTTP/1.0). Observed: it counts for virtual hosts alone, is compared
/// with the path as received, and ends where a component does.
fn server_path(_: &mut Cx, section: &mut Section, directive: &Directive) {
    if let [word] = directive.args.as_slice() {
        section.own.host.path = Some(Text::from(word.value.as_slice()));
    }
}

/// `<VirtualHost address ...>`
fn virtual_host(cx: &mut Cx, outer: &mut Section, directive: &Directive) {
    let mut section = Section::new(Kind::VirtualHost, directive.head());
    for word in &directive.args {
        section.own.host.addresses.extend(listen::host_address(cx, word));
    }
    let items = directive.block().to_vec();
    cx.proxy.enter();
    section.fill(cx, &items);
    cx.proxy.leave();
    outer.sections.push(section);
}

/// Lowers the main server and its virtual hosts.
pub(super) fn lower(cx: &mut Cx, mut main: Section) -> Vec<Host> {
    let all = std::mem::take(&mut main.sections);
    let (virtual_hosts, sections): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|section| section.kind == Kind::VirtualHost);
    main.sections = sections;
    let mut hosts: Vec<Host> = Vec::new();
    for mut section in virtual_hosts {
        for join in JOIN {
            join(cx, &main, &mut section);
        }
        hosts.push(Host { section: joined(&main, section) });
    }
    hosts.insert(0, Host { section: main });
    for host in &mut hosts {
        core::finish(&mut host.section);
        names::finish(cx, &mut host.section);
        super::vhost_alias::finish(&mut host.section);
        super::userdir::finish(cx, &mut host.section);
        logs::finish(cx, &mut host.section);
    }
    super::remoteip::finish(cx, &mut hosts);
    for host in &hosts {
        let lowered = program(cx, &host.section);
        cx.config.hosts.push(lowered);
    }
    listen::attach(cx, &hosts);
    super::remoteip::attach(cx, &hosts);
    super::tls::attach(cx, &hosts);
    rename_redirected(cx);
    hosts
}

/// A virtual host on what the main server has.
fn joined(main: &Section, host: Section) -> Section {
    let Section { kind, test, path, depth, limit, set, mut steps, own, sections, span } = host;
    let mut both = main.clone();
    both.set.lay(&set, true);
    for (phase, of_main) in &main.steps {
        let of_host = steps.entry(*phase).or_default();
        match phase.joins() {
            Joins::MainFirst => {
                of_host.splice(0..0, of_main.iter().cloned());
            }
            Joins::Apart => {}
        }
    }
    both.sections.extend(sections);
    Section { kind, test, path, depth, limit, set: both.set, steps, own, sections: both.sections, span }
}

/// The program of a host.
fn program(cx: &mut Cx, host: &Section) -> ir::Host {
    let span = host.span;
    let mut set = host.set.clone();
    let block = |label: &str, steps: Steps| {
        let block = Block { label: Some(label.into()), steps, span, ..Block::default() };
        (Step::Do(block), span)
    };
    let mut steps = Steps::new();
    let answering = cx.names.own("@answering");
    for var in [cx.file(), cx.url(), cx.path_info(), cx.handler(), cx.kind()].into_iter().chain(answering) {
        steps.push((Step::Unassign(var), span));
    }
    if cx.proxy.contexts {
        steps.push((Step::Unassign(cx.own("@context_prefix")), span));
        steps.push((Step::Unassign(cx.own("@context_root")), span));
    }
    if let Some(root) = cx.names.own("@root") {
        let value = mapping::root_of(host);
        steps.push((Step::Assign { var: root, value }, span));
    }
    steps.extend(proxy::gateway::remember(cx, crate::dialect::apache::rewrite::is_on(host)));
    steps.extend(super::remoteip::identify(host));
    let inline = |phase| host.steps.get(&phase).cloned().unwrap_or_default();
    let early = inline(Phase::Early);
    if !early.is_empty() {
        steps.push(block("early", early));
    }
    steps.extend(core::refuse_other_names(host));
    steps.extend(core::refuse_encoded_slashes(cx, host));
    if in_sections(host, Phase::Rewrite) {
        let off = !crate::dialect::apache::rewrite::is_on(host);
        let value: Template = if off { "1".into() } else { Template::default() };
        steps.push((Step::Assign { var: cx.own("@rewrite-off"), value }, span));
    }
    steps.extend(walk::before_mapping(host));
    let mut translate = Steps::new();
    let mut rewrites = false;
    for phase in [Phase::Rewrite, Phase::Proxy, Phase::Alias] {
        if in_sections(host, phase) {
            if std::mem::take(&mut rewrites) {
                // Where rules changed nothing, it is the path that they looked at.
                translate.push((Step::Unassign(cx.file()), span));
            }
            translate.push((Step::Perform(phase.name()), span));
            let is_mapped = Test::Truthy(Template::var(cx.file()));
            let exit = Block {
                steps: vec![(Step::Jump(ir::Jump::Exit("translate".into())), span)],
                span,
                ..Block::default()
            };
            translate.push((Step::When { test: is_mapped, then: exit, otherwise: Block::default() }, span));
        }
        let steps = inline(phase);
        if !steps.is_empty() {
            rewrites |= phase == Phase::Rewrite;
            translate.push(block(&phase.name().lossy(), steps));
        }
    }
    translate.extend(mapping::document_root(cx, host));
    super::answered::prepare(host, &mut set, &mut translate);
    translate.splice(0..0, mapping::answer_for_server());
    steps.push(block("translate", translate));
    let test = Test::Not(Box::new(walk::is_proxied(cx)));
    let mut located = vec![super::trace::answered(host)];
    located.extend(walk::locate(cx));
    located.extend(mapping::refuse_unreadable(cx));
    if super::local::may_count(host) {
        located.push((Step::Local(cx.folder()), span));
    }
    let then = Block { steps: located, span, ..Block::default() };
    steps.push((Step::When { test, then, otherwise: Block::default() }, span));
    steps.extend(walk::rest(cx, host, &[]));
    let scope = Scope { base: Base::Enclosing, set: Box::new(set) };
    ir::Host {
        name: name(cx, host),
        names: names(host),
        tls: None,
        request: Block { label: None, scope: Some(scope), steps, span },
        named: Vec::new(),
        span,
    }
}

/// Whether a `<Location>` does something at a phase that maps paths.
fn in_sections(host: &Section, phase: Phase) -> bool {
    let name = phase.name();
    let early = host.sections.iter().filter(|section| matches!(section.kind, Kind::Location | Kind::If));
    early.flat_map(|section| &section.set.hooks).any(|hook| hook.phase == name)
}

/// What a host is called.
fn name(cx: &Cx, host: &Section) -> Text {
    match &host.own.host.name {
        Some(name) => name.host.clone(),
        None => cx.options.machine.clone().into(),
    }
}

/// The names a host answers to.
pub(crate) fn names(host: &Section) -> Vec<Pattern> {
    let own = &host.own.host;
    let name = own.name.iter().map(|name| name.host.clone());
    let exact = |name: &Text| Pattern { ignore_case: true, ..Pattern::exact(name.to_ascii_lowercase()) };
    let pattern = |name: Text| {
        if name.contains(&b'*') || name.contains(&b'?') {
            let text = format!("^{}$", glob::regex(&name.to_ascii_lowercase(), glob::Slash::Like));
            let kind = ir::Kind::Regex(Syntax::PerlWhole);
            Pattern { kind, text: text.into(), ignore_case: true, groups: Vec::new() }
        } else {
            exact(&name)
        }
    };
    name.chain(own.aliases.iter().cloned()).map(pattern).collect()
}

/// After an internal redirect each variable that was set is called `REDIRECT_` and its name.
fn rename_redirected(cx: &mut Cx) {
    proxy::gateway::declare_redirected(cx);
    let envs: Vec<_> = cx.envs().map(|(name, var)| (name.to_vec(), var)).collect();
    let (keeps, renames) = (cx.keeps_env(), cx.renames());
    let span = Span::NONE;
    let mut steps = renaming(cx, &envs);
    if let Some((_, var)) = envs.iter().find(|(name, _)| name == b"redirect_status") {
        let status = Template::attr(ir::Attr::Status);
        let none = Test::Equal(status.clone(), "000".into());
        let value = Template::var(cx.choice("@redirect_status", vec![(none, "200".into())], status));
        steps.push((Step::Assign { var: *var, value }, span));
    }
    steps.push((Step::Assign { var: renames, value: "1".into() }, span));
    steps.push((Step::Unassign(cx.subrequest()), span));
    let test = Test::Present(Template::var(keeps));
    let kept = vec![(Step::Unassign(keeps), span), (Step::Unassign(renames), span)];
    let then = Block { steps: kept, ..Block::default() };
    let otherwise = Block { steps, ..Block::default() };
    let step = (Step::When { test, then, otherwise }, span);
    for host in &mut cx.config.hosts {
        host.request.steps.insert(0, mapping::when(Test::Internal, vec![step.clone()]));
    }
}

/// Gives these variables their `REDIRECT_` names.
pub(super) fn renaming(cx: &Cx, envs: &[(Vec<u8>, VarId)]) -> Steps {
    let mut envs = envs.to_vec();
    // Twice redirected is `REDIRECT_REDIRECT_`: the longer name has to be filled first.
    let depth = |name: &[u8]| memchr::memmem::find_iter(name, b"redirect_").count();
    envs.sort_by_cached_key(|(name, _)| (std::cmp::Reverse(depth(name)), name.clone()));
    let span = Span::NONE;
    let mut steps = Steps::new();
    for (name, var) in envs {
        let longer = [b"redirect_", name.as_slice()].concat();
        if let Some((_, renamed)) = cx.envs().find(|(known, _)| *known == longer) {
            let value = Template::var(var);
            let assign = (Step::Assign { var: renamed, value: value.clone() }, span);
            steps.push(mapping::when(Test::Present(value), vec![assign]));
        }
        steps.push((Step::Unassign(var), span));
    }
    steps
}

/// The number of a host.
pub(super) fn id(at: usize) -> HostId {
    HostId(at as u32)
}
