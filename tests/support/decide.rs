//! Decides a fixture's requests by the plan alone: a table in place of a connection, no socket, no upstream.
//!
//! A decision is written in lines, each but the last one a redirect inside of the server:
//!
//! | line | meaning |
//! |---|---|
//! | `forward CLUSTER TARGET` | sent on; `upgrade` behind it where a 101 would become a tunnel |
//! | `forward uwsgi CLUSTER` | likewise, over `uwsgi`, `fastcgi`, `scgi` or `memcached` |
//! | `files PATH` | the file that the path maps to |
//! | `reply STATUS "TEXT"` | a text of the configuration |
//! | `reply STATUS URL` | a redirect of the client |
//! | `reply STATUS` | a page of our own |
//! | `close` | no answer |
//! | `enter @NAME`, `again PATH` | `error_page` and the like: another block, another path |

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
};

use triglot::{
    engine::{
        access,
        facts::same_name,
        files::locate::locate_by,
        host::valid_host,
        http1::{
            request::{Limits, Parsed, RequestHead},
            target::{self, Received},
        },
    },
    ir::{
        Address, Attr, FileKind, Forward, Handler, Protocol, RecoveryTarget, Reply, ReplyContent, Target,
        Template, Upgrade, Upstream,
    },
    plan::{Need, Plan, Run, View, encode_path},
};

use super::fixture::Request;

/// Where the prefix is in the configuration, whatever the folder it is in.
const PREFIX: &str = "/prefix";

/// What is known of a request without sending it.
struct Table<'a> {
    plan: &'a Plan,
    bytes: &'a [u8],
    head: &'a RequestHead,
    received: Received,
    host: Vec<u8>,
    method: Option<&'static [u8]>,
    status: u16,
    client: Option<SocketAddr>,
    local: Option<SocketAddr>,
    tls: bool,
    folder: &'a Path,
}

/// The lines of a decision; empty when it is not about the configuration: what cannot be read, other
/// protocols, no such listener.
pub(crate) fn decide(plan: &Plan, request: &Request, folder: &Path) -> Vec<String> {
    let bytes = request.pieces.concat();
    let limits = Limits {
        line: 8192,
        field: 8192,
        fields: usize::MAX,
        head: 32768,
        ignore_invalid: true,
        underscores: false,
        single: true,
        asterisk: false,
    };
    let mut head = RequestHead::default();
    let Ok(Parsed::Whole) = head.parse(&bytes, 0, &limits) else { return Vec::new() };
    let Some((listener, tls)) = listener(plan, request) else { return Vec::new() };
    if tls != request.tls.is_some() {
        return Vec::new();
    }
    let mut host = Vec::new();
    let named = if head.authority.is_empty() { head.host } else { Some(head.authority) };
    if !named.is_none_or(|name| valid_host(name.of(&bytes), &mut host)) {
        return Vec::new();
    }
    let ip = |text: &str| text.parse::<IpAddr>().ok();
    let over_tcp = request.unix.is_none();
    let from = request.from.as_deref().unwrap_or(&request.to);
    let mut table = Table {
        plan,
        bytes: &bytes,
        head: &head,
        received: Received::default(),
        host,
        method: None,
        status: 0,
        client: ip(from).filter(|_| over_tcp).map(|ip| (ip, 40000).into()),
        local: ip(&request.to).filter(|_| over_tcp).map(|ip| (ip, request.port).into()),
        tls,
        folder,
    };
    let mut run = Run::default();
    let name = (!table.host.is_empty()).then_some(table.host.as_slice());
    let chosen = plan.select(listener, name, &mut run);
    let client = &plan.settings(plan.host_settings(chosen)).client;
    let received = target::normalize(
        head.target.of(&bytes),
        client.merge_slashes,
        client.backslashes,
        client.keep_slashes,
        &mut run.path,
        &mut run.query,
    );
    let Ok(received) = received else { return Vec::new() };
    table.received = received;
    run.start(plan, chosen);
    follow(plan, run, table)
}

fn listener(plan: &Plan, request: &Request) -> Option<(usize, bool)> {
    let listeners = || plan.config.listeners.iter().enumerate();
    if let Some(path) = &request.unix {
        let of_path = |address: &Address| matches!(address, Address::Unix(other) if other.ends_with(path));
        return listeners().find(|(_, one)| of_path(&one.address)).map(|(at, one)| (at, one.tls));
    }
    let ip: IpAddr = request.to.trim_matches(['[', ']']).parse().ok()?;
    let matches = |any: bool| {
        listeners().find(move |(_, one)| match one.address {
            Address::Tcp(address) => {
                address.port() == request.port
                    && if any { address.ip().is_unspecified() } else { address.ip() == ip }
            }
            Address::Unix(_) => false,
        })
    };
    matches(false).or_else(|| matches(true)).map(|(at, one)| (at, one.tls))
}

/// Goes from need to need and from status to recovery.
fn follow(plan: &Plan, mut run: Run, mut table: Table<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut recovered = false;
    loop {
        let Some(status) = step(plan, &mut run, &table, &mut lines) else { return lines };
        let settings = plan.settings(run.settings);
        let Some(recovery) = settings.recovery(status).filter(|_| !recovered) else { return lines };
        recovered = !settings.answer.recursive_errors;
        table.status = status;
        let went = match &recovery.to {
            RecoveryTarget::Page => return lines,
            RecoveryTarget::Text(template) => {
                let text = value(&mut run, plan, &table, template);
                lines.push(format!("text {}", shown(&text)));
                return lines;
            }
            RecoveryTarget::Enter(name) => {
                lines.push(format!("enter {}", name.lossy()));
                run.enter(plan, name)
            }
            RecoveryTarget::Redirect(template) => {
                let to = value(&mut run, plan, &table, template);
                if to.first() != Some(&b'/') {
                    lines.push(format!("reply 302 {}", shown(&to)));
                    return lines;
                }
                lines.push(format!("again {}", shown(&to)));
                if table.method() != b"HEAD" {
                    table.method = Some(b"GET");
                }
                let at = memchr::memchr(b'?', &to);
                let (path, query) = at.map_or((&to[..], &[][..]), |at| (&to[..at], &to[at + 1..]));
                Ok(run.restart(plan, path, query))
            }
        };
        if went != Ok(true) {
            lines.push("reply 500".to_owned());
            return lines;
        }
    }
}

/// Runs to the next end, and says it. `Some` is a status that may be recovered from.
fn step(plan: &Plan, run: &mut Run, table: &Table<'_>, lines: &mut Vec<String>) -> Option<u16> {
    loop {
        let status = match run.step(plan, table) {
            Need::File(kind) => {
                let found = table.is(&run.asked, kind);
                run.tell(found);
                continue;
            }
            Need::Locate => {
                let found = locate_by(&run.asked, |name| match table.real(name) {
                    Some(path) => path.metadata(),
                    None => Err(std::io::Error::from_raw_os_error(2)),
                });
                run.located(plan, found.length, found.folder, found.kind);
                continue;
            }
            Need::Access => {
                let rules = &plan.settings(run.settings).access.rules;
                let ip = table.client.map(|client| client.ip());
                let rule = rules.iter().find(|(range, _)| access::holds(*range, ip));
                run.tell(rule.is_none_or(|(_, allow)| *allow));
                continue;
            }
            // Files and programs are not looked at here.
            Need::Lookup(lookup) => {
                run.found(plan, table, lookup, None);
                continue;
            }
            // No other target is looked at here.
            Need::Negotiate(negotiate) => {
                run.chosen(negotiate, &[]);
                continue;
            }
            Need::Probe(probe) => {
                run.probed(probe, 404, &Run::default());
                continue;
            }
            Need::BadTarget => 400,
            Need::Edit(_) | Need::Identity | Need::Trace(_) | Need::Local => continue,
            Need::Reply(one) => return reply(plan, run, table, one, lines),
            Need::Handle => match plan.settings(run.settings).handler.clone().as_deref() {
                Some(Handler::Forward(to)) => {
                    let line = forward(plan, run, table, to);
                    lines.push(line);
                    return None;
                }
                Some(Handler::Respond(one)) => return reply(plan, run, table, one, lines),
                Some(Handler::Members(_)) => {
                    lines.push("members".to_owned());
                    return None;
                }
                Some(Handler::Program(program)) => {
                    let mut path = Vec::new();
                    run.eval(plan, table, &program.file, &mut path);
                    lines.push(format!("run {}", shown(&path)));
                    return None;
                }
                Some(Handler::Figures(_)) => {
                    lines.push("figures".to_owned());
                    return None;
                }
                Some(Handler::Missing(_)) => 500,
                Some(Handler::Files | Handler::Film | Handler::File | Handler::Listing) | None => {
                    let mut path = Vec::new();
                    run.file_path(plan, table, &mut path);
                    lines.push(format!("files {}", shown(&path)));
                    return (!table.exists(&path)).then_some(404);
                }
            },
            Need::Refused => 403,
            Need::TooLarge => 413,
            Need::Exhausted | Need::NoBlock(_) | Need::EmptyPath | Need::Failed(_) => 500,
        };
        lines.push(format!("reply {status}"));
        return Some(status);
    }
}

fn reply(
    plan: &Plan,
    run: &mut Run,
    table: &Table<'_>,
    reply: &Reply,
    lines: &mut Vec<String>,
) -> Option<u16> {
    let Reply { status, content } = reply;
    let (line, recovers) = match content {
        ReplyContent::Text(text) => {
            let text = shown(&value(run, plan, table, text));
            let text = if text.is_empty() { text } else { format!(" \"{text}\"") };
            (format!("reply {status}{text}"), false)
        }
        ReplyContent::Location(url) => {
            (format!("reply {status} {}", shown(&value(run, plan, table, url))), true)
        }
        ReplyContent::Page => (format!("reply {status}"), true),
        ReplyContent::Empty => (format!("reply {status} empty"), false),
        ReplyContent::Close => ("close".to_owned(), false),
    };
    lines.push(line);
    recovers.then_some(*status)
}

fn forward(plan: &Plan, run: &mut Run, table: &Table<'_>, forward: &Forward) -> String {
    let mut rest = None;
    let to = match &forward.to {
        Upstream::Cluster(id) => plan.config.cluster(*id).name.lossy().into_owned(),
        Upstream::Url(template) => return format!("forward {}", shown(&value(run, plan, table, template))),
        Upstream::Dynamic(template) => {
            let url = value(run, plan, table, template);
            let start = memchr::memmem::find(&url, b"://").map_or(0, |at| at + 3);
            let authority = &url[start..];
            let end = authority.iter().position(|byte| b"/?".contains(byte)).unwrap_or(authority.len());
            rest = (end < authority.len()).then(|| authority[end..].to_vec());
            shown(&authority[..end])
        }
    };
    if forward.protocol != Protocol::Http {
        return format!("forward {} {to}", forward.protocol.group());
    }
    let mut target = rest.unwrap_or_default();
    if target.is_empty() {
        match &forward.target {
            Target::Exact(template) => target = value(run, plan, table, template),
            Target::Received if !run.rewritten => target.extend_from_slice(table.head.target.of(table.bytes)),
            Target::Replace { cut, with } if !run.moved => {
                target = value(run, plan, table, with);
                table.path(run, *cut as usize, &mut target);
            }
            Target::Received | Target::Replace { .. } => table.path(run, 0, &mut target),
        }
    }
    if target.first() != Some(&b'/') {
        target.insert(0, b'/');
    }
    let upgrades = match &plan.settings(run.settings).forwarding(forward.protocol).upgrade {
        Upgrade::Never => false,
        Upgrade::Any | Upgrade::Only(_) => table.head.upgrade.is_some(),
    };
    format!("forward {to} {}{}", shown(&target), if upgrades { " upgrade" } else { "" })
}

fn value(run: &mut Run, plan: &Plan, table: &Table<'_>, template: &Template) -> Vec<u8> {
    let mut out = Vec::new();
    run.eval(plan, table, template, &mut out);
    out
}

/// As the recorded answers show bytes.
fn shown(bytes: &[u8]) -> String {
    super::fixture::escape(bytes, 500)
}

impl Table<'_> {
    /// The path from `cut` on as it is sent, and the query.
    fn path(&self, run: &Run, cut: usize, out: &mut Vec<u8>) {
        let rest = run.path.get(cut..).unwrap_or_default();
        if self.received.escaped || run.internal {
            encode_path(rest, out);
        } else {
            out.extend_from_slice(rest);
        }
        if !run.query.is_empty() {
            out.push(b'?');
            out.extend_from_slice(&run.query);
        }
    }

    /// The place of a file of the configuration in the folder.
    fn real(&self, name: &[u8]) -> Option<std::path::PathBuf> {
        let name = std::str::from_utf8(name).ok()?;
        Some(self.folder.join(name.strip_prefix(PREFIX)?.trim_start_matches('/')))
    }

    fn exists(&self, name: &[u8]) -> bool {
        self.real(name).is_some_and(|path| path.exists())
    }

    fn is(&self, name: &[u8], kind: FileKind) -> bool {
        self.real(name).is_some_and(|path| match kind {
            FileKind::Any => path.exists(),
            FileKind::File => path.is_file(),
            FileKind::Directory => path.is_dir(),
            FileKind::NonEmpty => path.metadata().is_ok_and(|known| known.is_file() && known.len() > 0),
            FileKind::Link => path.is_symlink(),
            FileKind::Executable => false,
        })
    }

    fn values<'t>(&'t self, name: &'t [u8]) -> impl Iterator<Item = &'t [u8]> {
        let fields = self.head.fields.iter();
        fields
            .filter(move |field| same_name(field.name.of(self.bytes), name))
            .map(|field| field.value.of(self.bytes))
    }
}

impl View for Table<'_> {
    fn attr(&self, run: &Run, attr: &Attr, out: &mut Vec<u8>) -> bool {
        let text = |out: &mut Vec<u8>, value: &[u8]| {
            out.extend_from_slice(value);
            true
        };
        match attr {
            Attr::Method => text(out, self.method()),
            Attr::Scheme => text(out, if self.tls { b"https" } else { b"http" }),
            Attr::Https => text(out, if self.tls { b"on" } else { b"" }),
            Attr::Protocol => text(
                out,
                match self.head.version {
                    9 => b"HTTP/0.9",
                    10 => b"HTTP/1.0",
                    _ => b"HTTP/1.1",
                },
            ),
            Attr::RequestLine => text(out, self.head.line.of(self.bytes)),
            Attr::Target => text(out, self.head.target.of(self.bytes)),
            Attr::Host => match self.host.as_slice() {
                [] => text(out, &self.plan.config.host(run.host).name),
                host => text(out, host),
            },
            Attr::Field(name) => {
                let values: Vec<&[u8]> = self.values(name).collect();
                !values.is_empty() && text(out, &values.join(&b", "[..]))
            }
            Attr::Cookie(name) => self
                .values(b"cookie")
                .flat_map(|line| line.split(|&byte| byte == b';'))
                .filter_map(|pair| std::str::from_utf8(pair).ok()?.trim().split_once('='))
                .find(|(other, _)| other.trim().as_bytes().eq_ignore_ascii_case(name))
                .is_some_and(|(_, value)| text(out, value.trim().as_bytes())),
            Attr::ClientAddr => match self.client {
                Some(client) => text(out, client.ip().to_string().as_bytes()),
                None => text(out, b"unix:"),
            },
            Attr::ServerAddr => self.local.is_some_and(|local| text(out, local.ip().to_string().as_bytes())),
            Attr::ServerPort => {
                self.local.is_some_and(|local| text(out, local.port().to_string().as_bytes()))
            }
            Attr::Status => text(out, format!("{:03}", self.status).as_bytes()),
            Attr::ServerToken => text(out, b"nginx"),
            _ => false,
        }
    }

    fn method(&self) -> &[u8] {
        self.method.unwrap_or_else(|| self.head.method.of(self.bytes))
    }

    fn content_length(&self) -> Option<u64> {
        self.head.content_length
    }

    fn status(&self) -> u16 {
        self.status
    }

    fn received_encoded(&self) -> bool {
        self.received.escaped || self.received.plus
    }
}
