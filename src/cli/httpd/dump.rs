//! `-S`, `-M` and `-t -D DUMP_...`: what was read, as Apache prints it.

use std::{fmt::Write as _, net::IpAddr, path::PathBuf};

use super::{args::Args, complaint::Read, layout, texts};
use crate::{
    cli::process::system,
    dialect::apache::tree::{Body, Directive, Item, directives},
    source::Span,
};

/// What the names that are defined ask for; `None` when they ask for nothing.
pub(super) fn text(args: &Args, read: &Read) -> Option<String> {
    let mut text = String::new();
    if args.defines("DUMP_INCLUDES") {
        includes(&mut text, read);
    }
    if args.defines("DUMP_MODULES") {
        text.push_str(&texts::modules(&read.loaded.surroundings.modules));
    }
    if args.defines("DUMP_VHOSTS") {
        hosts(&mut text, read);
    }
    if args.defines("DUMP_RUN_CFG") {
        running(&mut text, args, read);
    }
    (!text.is_empty()).then_some(text)
}

/// The files that were included, each with the line that did it.
fn includes(text: &mut String, read: &Read) {
    text.push_str("Included configuration files:\n");
    let first = read.sources.files().find(|(_, file)| !file.path.starts_with("<-C>"));
    if let Some((_, file)) = first {
        line(text, &format!("  (*) {}", file.path.display()));
    }
    included(text, read, &read.loaded.items, 4);
}

fn included(text: &mut String, read: &Read, items: &[Item], indent: usize) {
    for item in items {
        let Item::Directive(directive) = item else { continue };
        match &directive.body {
            Body::Included(files) => {
                let number = read.sources.position(directive.span).map_or(0, |position| position.line);
                for file in files {
                    let path = &read.sources.file(file.file).path;
                    line(text, &format!("{:indent$}({number}) {}", "", path.display()));
                    included(text, read, &file.items, indent + 2);
                }
            }
            Body::Section(section) | Body::Taken(section) => included(text, read, &section.items, indent),
            Body::None | Body::Text(_) | Body::Done => {}
        }
    }
}

/// A virtual host at one of its addresses.
struct At<'a> {
    ip: Option<IpAddr>,
    port: u16,
    host: &'a Directive,
}

fn hosts(text: &mut String, read: &Read) {
    let items = &read.loaded.items;
    let main = server_name(items).unwrap_or_else(|| "localhost".into());
    let mut all: Vec<At> = Vec::new();
    for host in directives(items).filter(|directive| directive.name() == "<VirtualHost>") {
        for word in &host.args {
            let (ip, port) = address(&word.text());
            all.push(At { ip, port, host });
        }
    }
    if all.is_empty() {
        return;
    }
    text.push_str("VirtualHost configuration:\n");
    let mut groups: Vec<(Option<IpAddr>, u16)> = Vec::new();
    for at in &all {
        if !groups.contains(&(at.ip, at.port)) {
            groups.push((at.ip, at.port));
        }
    }
    // Addresses come in the order of Apache's hash table, then the wildcards.
    groups.sort_by_key(|(ip, _)| ip.map_or(256, bucket));
    for group in groups {
        let members: Vec<&Directive> =
            all.iter().filter(|at| (at.ip, at.port) == group).map(|at| at.host).collect();
        let host = match group.0 {
            None => "*".to_owned(),
            Some(IpAddr::V6(ip)) => format!("[{ip}]"),
            Some(ip) => ip.to_string(),
        };
        let port = if group.1 == 0 { "*".to_owned() } else { group.1.to_string() };
        let shown = format!("{host}:{port}");
        let place = |host: &Directive| {
            let name = server_name(host.block()).unwrap_or_else(|| main.clone());
            format!("{name} ({})", place(read, host.span))
        };
        match members.as_slice() {
            [] => {}
            [one] => line(text, &format!("{shown:<22} {}", place(one))),
            [first, ..] => {
                line(text, &format!("{shown:<22} is a NameVirtualHost"));
                line(text, &format!("{:8} default server {}", "", place(first)));
                for member in &members {
                    line(text, &format!("{:8} port {port} namevhost {}", "", place(member)));
                    aliases(text, member);
                }
            }
        }
    }
}

/// Plain aliases first, then those with wildcards.
fn aliases(text: &mut String, host: &Directive) {
    let words = directives(host.block()).filter(|directive| directive.name() == "ServerAlias");
    let words: Vec<_> = words.flat_map(|directive| &directive.args).map(|word| word.text()).collect();
    for wild in [false, true] {
        let kind = if wild { "wild alias" } else { "alias" };
        for word in words.iter().filter(|word| word.contains(['*', '?']) == wild) {
            line(text, &format!("{:16} {kind} {word}", ""));
        }
    }
}

fn running(text: &mut String, args: &Args, read: &Read) {
    let loaded = &read.loaded;
    let items = &loaded.items;
    let root = &loaded.surroundings.server_root;
    let path = |name: &str, default: &str| {
        let written = value(items, name).unwrap_or_else(|| default.into());
        root.join(PathBuf::from(written)).display().to_string()
    };
    line(text, &format!("ServerRoot: \"{}\"", root.display()));
    line(
        text,
        &format!(
            "Main DocumentRoot: \"{}\"",
            path("DocumentRoot", crate::dialect::apache::lower::DOCUMENT_ROOT)
        ),
    );
    line(text, &format!("Main ErrorLog: \"{}\"", path("ErrorLog", layout::ERROR_LOG)));
    line(text, &format!("PidFile: \"{}\"", path("PidFile", layout::PID)));
    for (name, value) in loaded.surroundings.variables.defined() {
        let name = String::from_utf8_lossy(name);
        match value {
            Some(value) => line(text, &format!("Define: {name}={}", String::from_utf8_lossy(value))),
            None => line(text, &format!("Define: {name}")),
        }
    }
    let _ = args;
    let id = |name: &str| match name.strip_prefix('#') {
        Some(number) => number.parse().unwrap_or(u32::MAX),
        None => system::user_id(name.as_bytes()).unwrap_or(u32::MAX),
    };
    for (what, name) in [("User", value(items, "User")), ("Group", value(items, "Group"))] {
        let name = name.unwrap_or_else(|| "#-1".into());
        line(text, &format!("{what}: name=\"{name}\" id={}", id(&name)));
    }
}

/// The last value of a directive outside of all sections.
fn value(items: &[Item], name: &str) -> Option<String> {
    let found = directives(items).filter(|directive| directive.name() == name).last()?;
    found.args.first().map(|word| word.text().into_owned())
}

fn server_name(items: &[Item]) -> Option<String> {
    let name = value(items, "ServerName")?;
    let name = name.split_once("://").map_or(name.as_str(), |(_, name)| name);
    Some(match name.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host.to_owned(),
        _ => name.to_owned(),
    })
}

/// The address and the port of a `<VirtualHost>`; 0 is any port.
fn address(text: &str) -> (Option<IpAddr>, u16) {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().unwrap_or(0)),
        _ => (text, 0),
    };
    (host.trim_matches(['[', ']']).parse().ok(), port)
}

/// The place of an address in Apache's table: all bytes of the last four, one over the other.
fn bucket(ip: IpAddr) -> u16 {
    let last = match ip {
        IpAddr::V4(ip) => ip.octets(),
        IpAddr::V6(ip) => {
            let [.., a, b, c, d] = ip.octets();
            [a, b, c, d]
        }
    };
    u16::from(last.iter().fold(0, |all, byte| all ^ byte))
}

fn place(read: &Read, span: Span) -> String {
    let line = read.sources.position(span).map_or(0, |position| position.line);
    format!("{}:{line}", read.sources.file(span.file).path.display())
}

fn line(text: &mut String, line: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{line}");
}
