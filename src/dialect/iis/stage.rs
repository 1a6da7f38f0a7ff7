//! What the command line says about sites: which of them, and what is around a folder.

use std::path::Path;

use super::{bindings_of, config_of, effective::Value, file, sites};
use crate::{dialect::Options, ir::settings::Level, source::SourceMap};

/// What the command line says about sites.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stage {
    /// The site to serve; `None` is all.
    pub site: Option<Wanted>,
    /// The site around a folder, where it is another than a server's first.
    pub lone: Option<Lone>,
    /// Whether a binding for `localhost` accepts there alone.
    pub local: bool,
    /// Whether requests are told on standard output.
    pub console: bool,
    /// What the log of errors says at least.
    pub trace: Option<Level>,
    /// Whether a folder whose own file is invalid is answered with an error; else nothing is served.
    pub lenient: bool,
    /// Whether programs that handlers name are started.
    pub start: bool,
    /// What stands for `%NAME%` where the environment has no such variable.
    pub vars: Vec<(String, String)>,
}

/// A site of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The first.
    First,
    /// The one of this name, in any case.
    Name(String),
    /// The one of this number.
    Id(u32),
}

/// The site around a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lone {
    /// Its name.
    pub name: String,
    /// Its binding: `ip:port:host`.
    pub binding: String,
}

/// A site as far as it concerns who started it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// The URLs that it is bound to, without a path.
    pub bindings: Vec<String>,
    /// The paths of its applications.
    pub applications: Vec<String>,
}

impl Wanted {
    /// Whether the site of this place, name and number is meant.
    pub fn is(&self, at: usize, name: &str, id: u32) -> bool {
        match self {
            Self::First => at == 0,
            Self::Name(wanted) => wanted.to_lowercase() == name.to_lowercase(),
            Self::Id(wanted) => *wanted == id,
        }
    }
}

/// The sites that options put on stage; what is wrong with the file is said when it is read for good.
pub fn known(path: &Path, options: &Options) -> Vec<Known> {
    if let Some(Lone { name, binding }) = options.iis.lone.as_ref().filter(|_| path.is_dir()) {
        let bindings = url("http", binding).into_iter().collect();
        return vec![Known { name: name.clone(), bindings, applications: vec!["/".to_owned()] }];
    }
    let mut found = Vec::new();
    let mut sources = SourceMap::new();
    let main = if path.is_dir() { config_of(path) } else { Some(path.to_path_buf()) };
    let Some(written) = main.and_then(|main| file::read(&mut sources, &main, &mut found)) else {
        return Vec::new();
    };
    let options = Options { offline: true, ..options.clone() };
    let (sites, _) = sites(&mut sources, &written, &options, &mut found);
    let of = |site: &super::site::Site| {
        let element = site.element.as_ref()?;
        let bindings = bindings_of(element);
        let applications: Vec<String> =
            element.items().iter().filter(|item| item.name == "application").map(path_of).collect();
        Some(Known {
            name: site.name.clone(),
            bindings: bindings.iter().filter_map(|(protocol, text)| url(protocol, text)).collect(),
            applications,
        })
    };
    sites.iter().filter_map(of).collect()
}

fn path_of(item: &super::effective::Item) -> String {
    let value: &Value = &item.value;
    value.text("path").to_owned()
}

/// The URL of a binding, as the original names it.
fn url(protocol: &str, binding: &str) -> Option<String> {
    let mut parts = binding.rsplitn(3, ':');
    let (host, port, ip) = (parts.next()?, parts.next()?, parts.next()?);
    let host = match (host, ip) {
        ("", "" | "*") => "*",
        ("", ip) => ip,
        (host, _) => host,
    };
    matches!(protocol, "http" | "https").then(|| format!("{protocol}://{host}:{port}"))
}
