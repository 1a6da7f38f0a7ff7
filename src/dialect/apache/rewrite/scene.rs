//! Where a list of rules stands, and what is known of the server around it.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
};

use super::{Cx, Map, Steps, condition::regex, value, when};
use crate::{
    dialect::apache::lower::{Section, host_names},
    ir::{Attr, Part, Pattern, Register, Step, Template, Test, Text, VarId},
    source::Span,
};

/// Captures of our own patterns.
const OWN: Register = Register('S');

/// Where a list of rules stands.
#[derive(Debug)]
pub(super) struct Scene {
    /// The section, unless it is a server.
    pub(super) dir: Option<Dir>,
    /// The document root.
    pub(super) root: Template,
    pub(super) names: Names,
    /// The maps that a server's rules see.
    pub(super) maps: Option<BTreeMap<Vec<u8>, Map>>,
    /// Whether what rules see may be in [`Cx::file`], and not only in the path.
    pub(super) opened: Cell<bool>,
    /// Whether a rule before may have changed the query.
    pub(super) queried: Cell<bool>,
    /// Whether the block `'list` is left by a jump.
    pub(super) left: Cell<bool>,
    /// Whether a rule substitutes.
    pub(super) changes: Cell<bool>,
    /// Whether the query is compared with what it was.
    pub(super) compared: Cell<bool>,
    /// The statuses of redirects that show only at the end.
    pub(super) codes: RefCell<BTreeSet<u16>>,
}

/// A section whose rules are lowered.
#[derive(Clone, Debug)]
pub(super) struct Dir {
    /// What stands before relative results, and is taken off names of files: with a slash at the end.
    pub(super) prefix: Vec<u8>,
    pub(super) base: Base,
    /// Whether that is a directory on the disk, and not what a section is compared with.
    pub(super) is_folder: bool,
}

/// `RewriteBase`
#[derive(Clone, Debug)]
pub(super) enum Base {
    None,
    Own(Template),
    /// That of the sections before, which may have none.
    Merged(VarId),
}

/// What a server is called.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    exact: Vec<Text>,
    patterns: Vec<Pattern>,
    /// The port of `ServerName`.
    pub(super) port: Option<u16>,
}

impl Scene {
    pub(super) fn new(
        dir: Option<Dir>,
        root: Template,
        names: Names,
        maps: Option<BTreeMap<Vec<u8>, Map>>,
    ) -> Self {
        Self {
            dir,
            root,
            names,
            maps,
            opened: Cell::default(),
            queried: Cell::default(),
            left: Cell::default(),
            changes: Cell::default(),
            compared: Cell::default(),
            codes: RefCell::default(),
        }
    }

    /// Whether the file is still the path.
    pub(super) fn file_is_path(&self) -> bool {
        self.dir.is_none() && !self.opened.get()
    }

    /// What rules take for the file's name.
    pub(super) fn file(&self, cx: &mut Cx) -> Template {
        if self.file_is_path() { Template::attr(Attr::Path) } else { Template::var(cx.file()) }
    }

    /// What patterns see.
    pub(super) fn subject(&self, cx: &mut Cx) -> Template {
        let Some(dir) = &self.dir else { return self.file(cx) };
        let of = Template(vec![Part::Var(cx.file()), Part::Var(cx.path_info())]);
        Template(vec![Part::Rest { of, after: Template::text(dir.prefix.clone()) }])
    }
}

impl Dir {
    /// A value that depends on `RewriteBase`.
    fn by_base(
        &self,
        cx: &mut Cx,
        name: &str,
        make: &mut dyn FnMut(&mut Cx, Option<&Template>) -> Template,
    ) -> Template {
        match &self.base {
            Base::None => make(cx, None),
            Base::Own(base) => make(cx, Some(base)),
            Base::Merged(var) => {
                let base = Template::var(*var);
                let with = make(cx, Some(&base));
                let without = make(cx, None);
                value::choice(cx, name, vec![(Test::Truthy(base), with)], without)
            }
        }
    }

    /// A path for clients: `RewriteBase` in place of the directory.
    pub(super) fn public(&self, cx: &mut Cx, path: Template, below: bool) -> Template {
        if !below {
            return path;
        }
        self.by_base(cx, "@rewrite-public", &mut |_, base| match base {
            Some(base) => self.in_place_of_prefix(base, path.clone()),
            None => path.clone(),
        })
    }

    fn in_place_of_prefix(&self, base: &Template, path: Template) -> Template {
        let mut parts = path.0.into_iter();
        let rest = match parts.next() {
            Some(Part::Text(text)) if text.starts_with(&self.prefix) => text[self.prefix.len()..].to_vec(),
            _ => Vec::new(),
        };
        let mut out = base.clone();
        out.push(Part::Text(rest.into()));
        for part in parts {
            out.push(part);
        }
        out
    }

    /// The path that a result stands for. One below the document root that is not below the prefix that
    /// `RewriteBase` takes the place of comes out without its slash (observed), which no request can have.
    pub(super) fn url(&self, cx: &mut Cx, scene: &Scene, path: &Template, below: bool) -> Template {
        self.by_base(cx, "@rewrite-based", &mut |cx, base| {
            if below {
                return match base {
                    Some(base) => self.in_place_of_prefix(base, path.clone()),
                    None if !self.is_folder => {
                        Template(vec![Part::Rest { of: path.clone(), after: scene.root.clone() }])
                    }
                    None => {
                        let folder = self.folder(cx);
                        let elsewhere = self.in_place_of_prefix(&folder, path.clone());
                        below_root(cx, scene, path, elsewhere)
                    }
                };
            }
            let rest = |after: Template| Part::Rest { of: path.clone(), after };
            let mut root = scene.root.clone();
            if base.is_some() {
                root.push(Part::Text("/".into()));
            }
            let outside = Template(vec![rest(root)]);
            let in_place = match base {
                Some(base) => base.clone(),
                None if !self.is_folder => return outside,
                None => self.folder(cx),
            };
            if let Some(text) = path.as_text()
                && !text.starts_with(&self.prefix)
            {
                return outside;
            }
            let is_below = Test::Match {
                subject: path.clone(),
                pattern: Pattern::prefix(self.prefix.as_slice()),
                into: None,
            };
            let mut inside = in_place;
            inside.push(rest(Template::text(self.prefix.clone())));
            if base.is_none() {
                inside = below_root(cx, scene, path, inside);
            }
            value::choice(cx, "@rewrite-url", vec![(is_below, inside)], outside)
        })
    }

    /// The path that led to this directory: what the request's path has before the file's name below it.
    fn folder(&self, cx: &mut Cx) -> Template {
        let from = cx.own("@rewrite-file");
        let name = Template(vec![Part::Var(from), Part::Var(cx.path_info())]);
        let below = Template(vec![Part::Rest { of: name, after: Template::text(self.prefix.clone()) }]);
        Template(vec![Part::Start { of: Template::attr(Attr::Path), before: below }])
    }

    /// Steps that put `RewriteBase` in place of the directory in a URL.
    pub(super) fn public_url(&self, cx: &mut Cx, span: Span) -> Steps {
        let (base, merged) = match &self.base {
            Base::None => return Steps::new(),
            Base::Own(base) => (base.clone(), None),
            Base::Merged(var) => (Template::var(*var), Some(Test::Truthy(Template::var(*var)))),
        };
        if !self.prefix.starts_with(b"/") {
            return Steps::new();
        }
        let file = cx.file();
        let text = format!("^([^/]*//[^/]*){}(.*)$", super::finish::quoted(&self.prefix));
        let pattern = regex(text.as_bytes(), false);
        let test = Test::Match { subject: Template::var(file), pattern, into: Some(OWN) };
        let test = match merged {
            Some(merged) => Test::All(vec![merged, test]),
            None => test,
        };
        let mut value = Template(vec![Part::Capture(OWN, 1)]);
        for part in &base.0 {
            value.push(part.clone());
        }
        value.push(Part::Capture(OWN, 2));
        vec![when(test, vec![(Step::Assign { var: file, value }, span)], span)]
    }
}

/// What of a path lies below the document root; of one that does not, the other.
fn below_root(cx: &mut Cx, scene: &Scene, path: &Template, elsewhere: Template) -> Template {
    let rest = Template(vec![Part::Rest { of: path.clone(), after: scene.root.clone() }]);
    let lies_there = Test::Not(Box::new(Test::Equal(rest.clone(), path.clone())));
    value::choice(cx, "@rewrite-rooted", vec![(lies_there, rest)], elsewhere)
}

impl Names {
    /// The names of a host.
    pub(super) fn of(host: &Section) -> Self {
        let name = &host.own.host.name;
        let exact = name.iter().map(|name| Text::from(name.host.to_ascii_lowercase())).collect();
        let port = name.as_ref().and_then(|name| name.port);
        Self { exact, patterns: host_names(host), port }
    }

    /// Whether the client named this server.
    pub(super) fn tests(&self) -> Vec<Test> {
        let test = |pattern: &Pattern| Test::Match {
            subject: Template::attr(Attr::Host),
            pattern: pattern.clone(),
            into: None,
        };
        self.patterns.iter().map(test).collect()
    }

    /// The path of a URL that leads to this server, with the scheme it does by.
    pub(super) fn reduce(&self, url: &Template) -> Option<(&'static str, Template)> {
        let own = self.port?;
        let Some(Part::Text(text)) = url.0.first() else { return None };
        let lower = text.to_ascii_lowercase();
        let (scheme, usual) = match () {
            () if lower.starts_with(b"http://") => ("http", 80),
            () if lower.starts_with(b"https://") => ("https", 443),
            () => return None,
        };
        let start = scheme.len() + 3;
        let slash = memchr::memchr(b'/', &lower[start..]).map(|at| start + at);
        let end = match slash {
            Some(end) => end,
            None if url.0.len() == 1 => lower.len(),
            None => return None,
        };
        let authority = &lower[start..end];
        let (host, port) = match memchr::memchr(b':', authority) {
            Some(at) => (&authority[..at], std::str::from_utf8(&authority[at + 1..]).ok()?.parse().ok()?),
            None => (authority, usual),
        };
        if port != own || !self.exact.iter().any(|name| **name == *host) {
            return None;
        }
        let mut path = Template::text(if slash.is_some() { text[end..].to_vec() } else { b"/".to_vec() });
        for part in &url.0[1..] {
            path.push(part.clone());
        }
        Some((scheme, path))
    }

    /// URLs that lead to this server; the first group is their path.
    pub(super) fn own_urls(&self) -> Option<Pattern> {
        let port = self.port?;
        if self.exact.is_empty() {
            return None;
        }
        let names: Vec<_> = self.exact.iter().map(|name| super::finish::quoted(name)).collect();
        let names = names.join("|");
        let urls = match port {
            80 => format!("http://(?:{names})(?::80)?|https://(?:{names}):80"),
            443 => format!("https://(?:{names})(?::443)?|http://(?:{names}):443"),
            port => format!("https?://(?:{names}):{port}"),
        };
        Some(regex(format!("^(?i)(?:{urls})((?:/.*)?)$").as_bytes(), false))
    }
}
