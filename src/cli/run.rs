//! `triglot run FILE`: serves in the foreground.
//!
//! It writes the files that the configuration names and no others: without
//! `error_log`, errors go to standard error; without `access_log` there is
//! none; without `pid` there is no pid file. Temporary files without a place
//! of their own go to a folder that is removed at the end.

use std::{
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{
    load::{self, Request},
    process::{self, Setup, system},
    report, say,
};
use crate::{
    diagnostic::{
        Diagnostic, Severity,
        render::{Format, render},
    },
    dialect::{self, Dialect, Options, OwnFiles},
    engine,
    ir::Address,
    source::SourceMap,
};

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    /// The configuration.
    pub file: PathBuf,
    /// Its language; `None` to recognise it.
    pub dialect: Option<Dialect>,
    /// The address to accept on instead of the file's only one.
    pub listen: Option<Address>,
    /// What relative paths are relative to.
    pub prefix: Option<PathBuf>,
    /// Whether names of upstreams that do not resolve are errors.
    pub strict_names: bool,
    /// What `Server` says.
    pub server_header: Option<String>,
    /// The field and the secret by which a request asks that its way is told.
    pub explain: Option<(String, String)>,
    /// Where programs are reached that the configuration names: name and URL.
    pub handlers: Vec<(String, String)>,
    /// What is said about sites.
    pub iis: dialect::iis::Stage,
    /// Files of certificates to trust beside the system's.
    pub roots: Vec<PathBuf>,
    /// What a configuration leaves to the machine.
    pub machine: dialect::Machine,
}

/// Serves until a signal ends it.
pub fn run(arguments: Arguments) -> ExitCode {
    let Arguments {
        file,
        dialect,
        listen,
        prefix,
        strict_names,
        server_header,
        explain,
        handlers,
        iis,
        roots,
        machine,
    } = arguments;
    let file = dialect::main_file(&file);
    if let Some(prefix) = prefix.as_deref().filter(|prefix| !prefix.is_dir()) {
        say::remark(format!("error: --prefix: there is no folder {}\n", prefix.display()));
        return ExitCode::from(2);
    }
    let scratch = match Scratch::make() {
        Ok(scratch) => scratch,
        Err((path, error)) => {
            say::remark(format!("error: {}\n", report::failed("mkdir", &path, &error)));
            return ExitCode::FAILURE;
        }
    };
    let options = Options {
        strict_names,
        root: system::is_root(),
        files: own_files(scratch.path()),
        handlers,
        iis,
        roots,
        machine,
        ..located(&file, prefix)
    };
    let request = Request { path: absolute(&file), dialect, options, listen };
    let mut sources = SourceMap::new();
    let read = std::time::SystemTime::now();
    let (ready, found) = load::plan(&mut sources, &request);
    complain(&sources, &found);
    let Some(ready) = ready else { return ExitCode::FAILURE };
    let addresses: Vec<String> =
        ready.plan.config.listeners.iter().map(|listener| shown(&listener.address)).collect();
    let setup = Setup {
        request,
        sources,
        engine: engine::Options {
            strict_names,
            server_header: server_header.map(Into::into),
            explain: explain.map(|(name, secret)| {
                std::sync::Arc::new(engine::explain::Key::new(name.as_bytes(), secret.as_bytes()))
            }),
            root: system::is_root(),
        },
        background: false,
        name: format!("triglot/{}", env!("CARGO_PKG_VERSION")),
        complain: Box::new(complain),
        capture_stderr: false,
        greeting: Some(process::Greeting {
            text: format!("triglot {} serves {}\n", env!("CARGO_PKG_VERSION"), addresses.join(", ")),
            say: |text| say::remark(text),
        }),
        manners: process::Manners::default(),
        read,
    };
    process::serve(setup, ready)
}

/// Where relative paths start when nobody says: beside a folder called `conf`, else in the file's folder.
pub fn located(file: &Path, prefix: Option<PathBuf>) -> Options {
    let file = absolute(file);
    let folder = file.parent().unwrap_or(Path::new("/"));
    let prefix = prefix.map_or_else(
        || match folder.parent() {
            Some(above) if folder.file_name().is_some_and(|name| name == "conf") => above.to_path_buf(),
            _ => folder.to_path_buf(),
        },
        |prefix| absolute(&prefix),
    );
    Options { prefix, parts: true, ..Options::default() }
}

/// A path from the root, so that it means the same in any folder.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// An address as it is written in a configuration.
pub fn shown(address: &Address) -> String {
    match address {
        Address::Tcp(address) => address.to_string(),
        Address::Unix(path) => format!("unix:{}", path.display()),
    }
}

/// Only what the configuration names.
pub(super) fn own_files(scratch: &Path) -> OwnFiles {
    OwnFiles {
        pid: None,
        error_log: None,
        access_log: None,
        content_temp: scratch.join("content"),
        http_temp: scratch.join("http"),
        uwsgi_temp: scratch.join("uwsgi"),
        fastcgi_temp: scratch.join("fastcgi"),
        scgi_temp: scratch.join("scgi"),
    }
}

/// Shows warnings and errors; notes are for `check`.
fn complain(sources: &SourceMap, found: &[Diagnostic]) {
    let found: Vec<_> = found.iter().filter(|one| one.severity > Severity::Note).cloned().collect();
    let colour = say::colour(&std::io::stderr());
    say::remark(render(sources, &found, Format::Human, colour));
}

/// A folder for temporary files that goes when the process does.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes a new one.
    pub(super) fn make() -> Result<Self, (PathBuf, std::io::Error)> {
        let folder = std::env::temp_dir();
        let mut number = 0;
        loop {
            let path = folder.join(format!("triglot-{}-{number}", std::process::id()));
            // Workers may run as somebody else, who has to pass; what is inside is theirs alone.
            match std::fs::DirBuilder::new().mode(0o711).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err((path, error)),
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_start_where_people_expect() {
        let prefix = |file: &str, prefix: Option<&str>| {
            located(Path::new(file), prefix.map(PathBuf::from)).prefix.display().to_string()
        };
        assert_eq!(prefix("/srv/site/nginx.conf", None), "/srv/site");
        assert_eq!(prefix("/srv/site/conf/nginx.conf", None), "/srv/site");
        assert_eq!(prefix("/srv/site/conf/nginx.conf", Some("/x")), "/x");
        let here = std::env::current_dir().unwrap().display().to_string();
        assert_eq!(prefix("nginx.conf", None), here);
    }
}
