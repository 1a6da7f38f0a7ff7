//! A file that is not a whole configuration: a virtual host or a `.htaccess` by itself.
//!
//! A part of a configuration is put into the section that it belongs in. What else it would find around itself is there
//! as well: a virtual host gets the `Listen` of its ports, as Debian's
//! `ports.conf` has them; a `.htaccess` gets a server on port 80 whose documents lie in its folder.

use std::{borrow::Cow, os::unix::ffi::OsStrExt as _, path::Path};

use super::{
    catalogue::Place,
    check,
    tree::{Body, Directive, Item, Items, Section, Word, Written, directives},
};
use crate::{diagnostic::Diagnostic, source::Span};

/// Whether a file is a `.htaccess`: by its name, which `AccessFileName` can change but nobody does.
pub fn is_htaccess(path: &Path) -> bool {
    path.file_name().is_some_and(|name| {
        let name = name.to_string_lossy().to_ascii_lowercase();
        name == "htaccess" || name.ends_with(".htaccess") || name.starts_with(".htaccess")
    })
}

/// Whether a tree loads its modules and so is a whole configuration.
fn is_whole(items: &[Item]) -> bool {
    directives(items).any(|directive| directive.name() == "LoadModule")
}

/// The tree of a part of a configuration in the section that it belongs in, and the name of that; a whole
/// configuration, and what fits nowhere, stays as it is.
pub fn within_section(items: Items, path: &Path) -> (Items, Option<&'static str>) {
    if is_htaccess(path) || check::misfits(&items, Place::Server) == 0 {
        return (items, None);
    }
    let folder = folder_of(path);
    let sections: [(Place, &'static str, &'static str, &[u8]); 4] = [
        (Place::Vhost, "<VirtualHost", "<VirtualHost>", b"*:80"),
        (Place::Directory, "<Directory", "<Directory>", &folder),
        (Place::Location, "<Location", "<Location>", b"/"),
        (Place::Proxy, "<Proxy", "<Proxy>", b"*"),
    ];
    let fitting = sections.into_iter().find(|(place, ..)| check::misfits(&items, *place) == 0);
    let Some((_, name, usual, arg)) = fitting else { return (items, None) };
    let mut section = directive(name, usual, &[arg], Span::NONE);
    section.body = Body::Section(Section { items, close: Span::NONE });
    (vec![Item::Directive(section)], Some(usual))
}

fn folder_of(path: &Path) -> Vec<u8> {
    let folder = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    folder.parent().unwrap_or(Path::new("/")).as_os_str().as_bytes().to_vec()
}

/// The tree with what is missing around it, and a word about that.
pub fn complete(mut items: Items, path: &Path) -> (Items, Option<Diagnostic>) {
    if is_htaccess(path) {
        return around_htaccess(items, path);
    }
    if directives(&items).any(|directive| directive.name() == "Listen") {
        return (items, None);
    }
    if is_whole(&items) {
        let message = "no listening sockets available, shutting down";
        let span = directives(&items).next().map_or(Span::NONE, |directive| directive.name.span);
        let fault = Diagnostic::error("no-listen", span, message)
            .because("nothing here or in what is included says `Listen`")
            .help("write `Listen 80`");
        return (items, Some(fault));
    }
    let hosts = directives(&items).filter(|directive| directive.name() == "<VirtualHost>");
    let mut ports: Vec<(u16, Span)> = Vec::new();
    for word in hosts.flat_map(|host| &host.args) {
        let port = port(&word.value);
        if ports.iter().all(|(known, _)| *known != port) {
            ports.push((port, word.span));
        }
    }
    if ports.is_empty() {
        ports.push((80, Span::NONE));
    }
    let shown: Vec<_> = ports.iter().map(|(port, _)| format!("`Listen {port}`")).collect();
    let message = format!("there is no `Listen`; {} is taken", shown.join(" and "));
    let found = Diagnostic::note_at("listen-added", ports[0].1, message);
    let listen = ports.iter().map(|(port, span)| simple("Listen", &[port.to_string().as_bytes()], *span));
    items.splice(0..0, listen);
    (items, Some(found))
}

fn around_htaccess(items: Items, path: &Path) -> (Items, Option<Diagnostic>) {
    let folder = folder_of(path);
    let first = directives(&items).next().map_or(Span::NONE, |directive| directive.name.span);
    let message = "a .htaccess file by itself: its folder is served on port 80";
    let found = Diagnostic::note_at("htaccess-alone", first, message);
    let mut section = directive("<Directory", "<Directory>", &[&folder], Span::NONE);
    section.body = Body::Section(Section { items, close: Span::NONE });
    let around = vec![
        simple("Listen", &[b"80"], Span::NONE),
        simple("DocumentRoot", &[&folder], Span::NONE),
        Item::Directive(section),
    ];
    (around, Some(found))
}

/// The port of a `<VirtualHost>`'s address; any port is the usual one.
fn port(address: &[u8]) -> u16 {
    let after = address.rsplit(|byte| *byte == b':').next().unwrap_or_default();
    let port = if after.len() == address.len() { None } else { std::str::from_utf8(after).ok() };
    port.and_then(|port| port.parse().ok()).unwrap_or(80)
}

fn simple(name: &'static str, args: &[&[u8]], span: Span) -> Item {
    Item::Directive(directive(name, name, args, span))
}

fn directive(name: &'static str, usual: &'static str, args: &[&[u8]], span: Span) -> Directive {
    let word = |value: &[u8]| Word { span, value: value.to_vec(), quoted: true };
    let mut raw = Written::default();
    raw.push_for(&args.join(&b' '), span);
    Directive {
        name: word(name.as_bytes()),
        usual: Cow::Borrowed(usual),
        args: args.iter().map(|value| word(value)).collect(),
        raw,
        body: Body::None,
        span,
        used: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dialect::apache::parse, source::SourceMap};

    fn listens(path: &str, text: &str) -> (Vec<String>, Option<&'static str>) {
        let mut sources = SourceMap::new();
        let file = sources.add(path.into(), text.into());
        let (items, _) = parse::parse(&sources, file);
        let (items, found) = complete(items, Path::new(path));
        let listens = directives(&items).filter(|directive| directive.name() == "Listen");
        let listens = listens.map(|directive| String::from_utf8_lossy(directive.raw()).into_owned());
        (listens.collect(), found.map(|found| found.code))
    }

    #[test]
    fn ports_are_those_of_the_hosts() {
        let text = "<VirtualHost *:80 [::1]:8080>\n</VirtualHost>\n<VirtualHost 1.2.3.4:80 _default_:*>\n</VirtualHost>";
        assert_eq!(listens("/x/site.conf", text), (vec!["80".into(), "8080".into()], Some("listen-added")));
        assert_eq!(listens("/x/site.conf", "Listen 8000"), (vec!["8000".into()], None));
        assert_eq!(
            listens("/x/site.conf", "ProxyPass / http://a"),
            (vec!["80".into()], Some("listen-added"))
        );
        assert_eq!(listens("/x/httpd.conf", "LoadModule a b"), (vec![], Some("no-listen")));
        assert_eq!(listens("/x/.htaccess", "RewriteEngine on"), (vec!["80".into()], Some("htaccess-alone")));
    }
}
