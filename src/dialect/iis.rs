//! IIS: web.config and applicationHost.config.
//!
//! There is no such server here to ask: behaviour follows its documentation and its schema files, as each module says. A lone
//! web.config, or a folder with one, is read as on a stock server with ARR's proxy on; an applicationHost.config says these
//! things itself. Reference: <https://learn.microsoft.com/iis/configuration/>,
//! <https://learn.microsoft.com/iis/extensions/url-rewrite-module/url-rewrite-module-configuration-reference>.

pub mod check;
pub mod decode;
pub mod effective;
pub mod expand;
pub mod file;
mod locks;
pub mod lower;
pub mod render;
pub mod schema;
pub mod site;
pub mod stage;
pub mod tree;
pub mod xml;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::Options;
use crate::{
    diagnostic::{Diagnostic, Severity},
    ir,
    source::{SourceMap, Span},
};
use effective::{Level, Value};
use file::Written;
use site::{Root, Site};
pub use stage::{Known, Lone, Stage, Wanted, known};

/// The lists of a stock server.
const STOCK: &str = include_str!("../../grammar/iis/stock.config");

/// Reads, checks and lowers a web.config, a folder with one, or an applicationHost.config.
pub fn read(sources: &mut SourceMap, path: &Path, options: &Options) -> (ir::Config, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let main = if path.is_dir() { config_of(path) } else { Some(path.to_path_buf()) };
    // A folder without a file of its own is a site as well, with nothing but what the server says.
    let (main, written) = match main {
        None => (path.join("web.config"), Some(Written::default())),
        Some(main) => {
            let written = file::read(sources, &main, &mut found);
            (main, written)
        }
    };
    let again = options.again && options.iis.lenient;
    // A site that is served already is answered with an error when its file cannot be understood any more.
    let broken = written.is_none();
    let written = written.or_else(|| (again && path.is_dir()).then(Written::default));
    let Some(written) = written else {
        return (ir::Config::default(), found);
    };
    let stock = {
        let mut faults = Vec::new();
        let file = sources.add("<stock server>".into(), STOCK.as_bytes().to_vec());
        let stock = file::of_text(sources, file, STOCK, &mut faults);
        debug_assert!(faults.iter().all(|fault| fault.severity == Severity::Note), "{faults:?}");
        stock
    };
    // What a web.config is called, it is: what belongs into the server's own file is refused in it.
    let is_lone = main.file_name().is_some_and(|name| name.eq_ignore_ascii_case("web.config"));
    let (mut sites, host) = if written.is_host() && !is_lone {
        sites(sources, &written, options, &mut found)
    } else {
        let mut site = lone(sources, &written, &stock, &main, options, &mut found);
        if again {
            site.files.push((main.clone(), Vec::new()));
            site.files.extend(written.named.iter().map(|named| (named.clone(), Vec::new())));
        }
        if broken {
            site.broken.push(Vec::new());
        }
        (vec![site], lower::Host { farms: None, assumed: true })
    };
    let lowering = lower::Options {
        offline: options.offline,
        root: options.root,
        handlers: options.handlers.clone(),
        trusted: if options.offline { Vec::new() } else { trusted(&options.roots, &mut found) },
        listen: None,
        machine: options.machine.clone(),
        stage: options.iis.clone(),
    };
    let (mut config, mut lowered) = lower::lower(&sites, &host, &lowering);
    if options.iis.lenient {
        let mut both: Vec<Diagnostic> = found.drain(..).chain(lowered.drain(..)).collect();
        if set_aside(sources, &mut sites, &mut both) {
            (config, lowered) = lower::lower(&sites, &host, &lowering);
            // What was said already is not said again.
            lowered.retain(|new| {
                !both.iter().any(|old| {
                    let place = |one: &Diagnostic| {
                        one.labels.first().map(|label| (label.span.file, label.span.start, label.span.end))
                    };
                    old.code == new.code && old.message == new.message && place(old) == place(new)
                })
            });
        }
        found = both;
    }
    found.extend(lowered);
    if !options.offline {
        config.process.watched = watched(sources, &sites, &written.named);
    }
    (config, found)
}

/// What has the configuration read again: every web.config below the folders of the sites, and what else was read.
fn watched(sources: &SourceMap, sites: &[Site], named: &[PathBuf]) -> Vec<ir::Watched> {
    let mut out: Vec<ir::Watched> = Vec::new();
    for root in sites.iter().flat_map(|site| site.roots.iter().rev()) {
        let covers = |one: &ir::Watched| one.below && root.folder.starts_with(&one.folder);
        if !out.iter().any(covers) {
            let folder = root.folder.clone();
            out.push(ir::Watched { folder, below: root.nested, name: "web.config".into() });
        }
    }
    // What is named and not there may come.
    let named = named.iter().chain(sites.iter().flat_map(|site| site.files.iter().map(|(path, _)| path)));
    for path in sources.files().map(|(_, file)| &file.path).chain(named) {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { continue };
        // The stock server is no file.
        let real = !path.as_os_str().as_encoded_bytes().starts_with(b"<");
        if real && !name.eq_ignore_ascii_case("web.config") {
            let name = ir::Text::from(name.as_encoded_bytes());
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            let there = folder.ancestors().find(|one| one.is_dir()).unwrap_or(folder);
            let one = ir::Watched { folder: there.to_path_buf(), below: there != folder, name };
            if !out.contains(&one) {
                out.push(one);
            }
        }
    }
    out
}

/// Takes files of folders that are invalid out of force, and turns what is wrong in them into warnings: their folders are
/// answered with 500.19, as in the original. Whether there are any.
fn set_aside(sources: &SourceMap, sites: &mut [Site], found: &mut [Diagnostic]) -> bool {
    let mut any = false;
    for one in found.iter_mut().filter(|one| one.severity == Severity::Error) {
        let Some(label) = one.labels.first() else { continue };
        if label.span.file == Span::NONE.file {
            continue;
        }
        let path = sources.file(label.span.file).path.clone();
        let mut set_aside = false;
        for site in sites.iter_mut() {
            set_aside |= site.break_file(sources, &path);
        }
        if set_aside {
            any = true;
            one.severity = Severity::Warning;
            one.notes
                .push("the folder of this file is answered with 500.19 until it is corrected".to_owned());
        }
    }
    any
}

/// Where systems keep the certificates that they trust (the list of Go's `crypto/x509`).
const SYSTEM_ROOTS: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The certificates that are trusted: the system's, as in the original (reference 9.6), and those given.
fn trusted(given: &[PathBuf], found: &mut Vec<Diagnostic>) -> Vec<PathBuf> {
    let system = SYSTEM_ROOTS.iter().map(PathBuf::from).find(|path| path.is_file());
    for path in given.iter().filter(|path| !path.is_file()) {
        let message = format!("there is no file {}", path.display());
        found.push(Diagnostic::new(Severity::Error, "unreadable-file", message));
    }
    system.into_iter().chain(given.iter().map(|path| std::path::absolute(path).unwrap_or_default())).collect()
}

/// The web.config of a folder, whatever its case.
pub fn config_of(folder: &Path) -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .filter(|entry| entry.file_name().eq_ignore_ascii_case("web.config"))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found.into_iter().next()
}

/// The site around a lone web.config: its folder, on a stock server.
fn lone(
    sources: &mut SourceMap,
    written: &Written,
    stock: &Written,
    main: &Path,
    options: &Options,
    found: &mut Vec<Diagnostic>,
) -> Site {
    let folder = match main.parent() {
        Some(folder) if folder.as_os_str().is_empty() => PathBuf::from("."),
        Some(folder) => folder.to_path_buf(),
        None => PathBuf::from("."),
    };
    let span = written.fragments.first().map_or(Span::NONE, |fragment| fragment.element.name_span);
    let root = Root { path: Vec::new(), folder, application: true, nested: true };
    let mut site = Site {
        name: options.iis.lone.as_ref().map_or("Default Web Site", |lone| &lone.name).to_owned(),
        id: 1,
        element: None,
        roots: vec![root],
        span,
        written: Vec::new(),
        by_section: HashMap::new(),
        merged: site::Merged::default(),
        files: Vec::new(),
        broken: Vec::new(),
    };
    site.add(stock, &[], true, true);
    site::permitted(written, found);
    site.add(written, &[], false, false);
    if !options.offline {
        site.read_folders(sources, Some(main), found);
    }
    locks::check(&site, None, found);
    site
}

/// The sites of an applicationHost.config.
fn sites(
    sources: &mut SourceMap,
    written: &Written,
    options: &Options,
    found: &mut Vec<Diagnostic>,
) -> (Vec<Site>, lower::Host) {
    let mut whole = |name: &str| -> Option<Value> {
        let mut value = Value::new(schema::schema().section(name)?.element.as_ref()?);
        let mut any = false;
        for fragment in written.fragments.iter().filter(|one| one.section == name && one.location.is_empty())
        {
            any = true;
            value.lay(&fragment.element, Level { depth: 0, assumed: false, delegated: false }, found);
        }
        any.then_some(value)
    };
    let farms = whole("webFarms");
    let all = whole("system.applicationHost/sites");
    let mut sites = Vec::new();
    let wanted = |at: usize, item: &effective::Item| {
        let id = u32::try_from(item.value.number("id")).unwrap_or(1);
        options.iis.site.as_ref().is_none_or(|wanted| wanted.is(at, item.value.text("name"), id))
    };
    let on_stage = all.iter().flat_map(Value::items).enumerate().filter(|(at, item)| wanted(*at, item));
    // Defaults of all sites, of their applications and of their virtual directories.
    let of_all = |name: &str| all.iter().find_map(|all| all.written_part(name)).cloned();
    let (site_defaults, directory_defaults) = (of_all("siteDefaults"), of_all("virtualDirectoryDefaults"));
    for (_, item) in on_stage {
        let mut item = item.clone();
        if let Some(defaults) = &site_defaults {
            item.value.fill(defaults);
        }
        if let Some(defaults) = &directory_defaults {
            item.value.fill_part("virtualDirectoryDefaults", defaults);
        }
        let mut site = Site {
            name: item.value.text("name").to_owned(),
            id: u32::try_from(item.value.number("id")).unwrap_or(1),
            element: Some(item.value.clone()),
            roots: roots(&item.value, options, found),
            span: item.span,
            written: Vec::new(),
            by_section: HashMap::new(),
            merged: site::Merged::default(),
            files: Vec::new(),
            broken: Vec::new(),
        };
        site.add(written, &[], true, false);
        if !options.offline {
            site.read_folders(sources, None, found);
            site.keep_roots(options.again && options.iis.lenient);
        }
        locks::check(&site, Some(written), found);
        sites.push(site);
    }
    if sites.is_empty() {
        let message = "there are no sites in the file";
        let found_none = Diagnostic::new(Severity::Error, "no-site", message);
        found.push(found_none.help("give the web.config, or the folder, of one"));
    }
    (sites, lower::Host { farms, assumed: false })
}

/// The bindings of a site: protocol and what belongs to it.
fn bindings_of(site: &Value) -> Vec<(String, String)> {
    let of = |item: &effective::Item| {
        (item.value.text("protocol").to_ascii_lowercase(), item.value.text("bindingInformation").to_owned())
    };
    site.part("bindings").items().iter().map(of).collect()
}

/// The folders of a site's applications and virtual directories, the deepest paths first.
fn roots(site: &Value, options: &Options, found: &mut Vec<Diagnostic>) -> Vec<Root> {
    let mut roots = Vec::new();
    for application in site.items().iter().filter(|item| item.name == "application") {
        let path = site::segments(application.value.text("path"));
        let mut own = false;
        let defaults: Vec<&Value> = [&application.value, site]
            .into_iter()
            .filter_map(|one| one.written_part("virtualDirectoryDefaults"))
            .collect();
        for directory in application.value.items() {
            let mut directory = directory.clone();
            for defaults in &defaults {
                directory.value.fill(defaults);
            }
            let below = site::segments(directory.value.text("path"));
            let physical = expand::path(directory.value.text("physicalPath"), &options.iis.vars);
            own |= below.is_empty();
            roots.push(Root {
                path: path.iter().cloned().chain(below.iter().cloned()).collect(),
                folder: physical,
                application: below.is_empty(),
                nested: directory.value.flag("allowSubDirConfig"),
            });
        }
        if !own {
            let message =
                format!("the application `{}` has no virtual directory `/`", application.value.text("path"));
            found.push(
                Diagnostic::error("missing-element", application.span, message)
                    .help("add `<virtualDirectory path=\"/\" physicalPath=\"...\" />`"),
            );
        }
    }
    if !roots.iter().any(|root| root.path.is_empty()) {
        let message = "the site has no application `/`";
        found.push(
            Diagnostic::error("missing-element", site.span, message).help("add `<application path=\"/\">`"),
        );
    }
    roots.sort_by_key(|root| std::cmp::Reverse(root.path.len()));
    roots
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::{
        schema::{Element, Status, schema},
        *,
    };

    fn configurations(folder: &Path, out: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                configurations(&path, out);
            } else if path.extension().is_some_and(|extension| extension == "config") {
                out.push(path);
            }
        }
    }

    /// The honoured attributes of an element that no lowering asked for.
    fn not_asked(at: &str, element: &Element, out: &mut Vec<String>) {
        if element.status != Status::Honoured {
            return;
        }
        for (name, attribute) in &element.attributes {
            // What an item is called is there to be told from others by.
            let names = name == "name" && attribute.key.is_some();
            if attribute.status == Status::Honoured && !names && !attribute.asked.load(Ordering::Relaxed) {
                out.push(format!("{at}@{name}"));
            }
        }
        let items = element.collection.iter().flat_map(|collection| &collection.add);
        for (name, inner) in element.elements.iter().chain(items) {
            not_asked(&format!("{at}/{name}"), inner, out);
        }
    }

    #[test]
    fn what_is_called_honoured_is_asked_for() {
        let mut files = Vec::new();
        configurations(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/iis"), &mut files);
        for path in files {
            for start in [false, true] {
                let iis = Stage { start, ..Stage::default() };
                let users = start.then(|| PathBuf::from("/nowhere"));
                let machine = crate::dialect::Machine { users, ..Default::default() };
                let options = Options { offline: true, iis, machine, ..Options::default() };
                read(&mut SourceMap::new(), &path, &options);
            }
        }
        let mut left = Vec::new();
        for section in schema().sections().filter(|section| section.status == Status::Honoured) {
            if let Some(element) = &section.element {
                not_asked(&section.name, element, &mut left);
            }
        }
        assert!(left.is_empty(), "called honoured and read by nobody:\n{}", left.join("\n"));
    }
}
