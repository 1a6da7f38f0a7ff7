//! Where nginx's files are unless the command line says so.
//!
//! Without `-p`, as Debian's package has them, which is what scripts and units
//! on such a machine expect; with it, as the manual says, below the prefix.

use std::path::{Path, PathBuf};

use super::args::Args;
use crate::dialect::OwnFiles;

/// The places in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// What relative paths count from, absolute.
    pub(super) prefix: PathBuf,
    /// The configuration file as it is spoken of.
    pub(super) shown: PathBuf,
    /// The configuration file, absolute.
    pub(super) file: PathBuf,
    /// The rest.
    pub(super) files: OwnFiles,
}

/// Debian's prefix.
pub(super) const PREFIX: &str = "/usr/share/nginx/";
/// Debian's configuration file.
pub(super) const FILE: &str = "/etc/nginx/nginx.conf";
/// Debian's log of errors.
pub(super) const ERROR_LOG: &str = "/var/log/nginx/error.log";

impl Layout {
    /// The places that the command line leads to.
    pub(super) fn new(args: &Args) -> Self {
        let shown_prefix = args.prefix.as_ref().map_or(Path::new(PREFIX), Path::new);
        let prefix = std::path::absolute(shown_prefix).unwrap_or_else(|_| shown_prefix.to_path_buf());
        let default_file = if args.prefix.is_some() { "conf/nginx.conf" } else { FILE };
        let written = args.file.as_ref().map_or(Path::new(default_file), Path::new);
        let mut files = if args.prefix.is_some() { below(&prefix) } else { debian() };
        if let Some(log) = &args.error_log {
            files.error_log = (log != "stderr").then(|| prefix.join(log));
        }
        Self { shown: shown_prefix.join(written), file: prefix.join(written), prefix, files }
    }
}

/// Reference: <https://nginx.org/en/docs/configure.html>
fn below(prefix: &Path) -> OwnFiles {
    OwnFiles {
        pid: Some(prefix.join("logs/nginx.pid")),
        error_log: Some(prefix.join("logs/error.log")),
        access_log: Some(prefix.join("logs/access.log")),
        content_temp: prefix.join("client_body_temp"),
        http_temp: prefix.join("proxy_temp"),
        uwsgi_temp: prefix.join("uwsgi_temp"),
        fastcgi_temp: prefix.join("fastcgi_temp"),
        scgi_temp: prefix.join("scgi_temp"),
    }
}

/// Observed: `nginx -V` of Debian's nginx 1.22.1. Its log of errors is standard error, which a daemon loses.
fn debian() -> OwnFiles {
    OwnFiles {
        pid: Some("/run/nginx.pid".into()),
        error_log: Some(ERROR_LOG.into()),
        access_log: Some("/var/log/nginx/access.log".into()),
        content_temp: "/var/lib/nginx/body".into(),
        http_temp: "/var/lib/nginx/proxy".into(),
        uwsgi_temp: "/var/lib/nginx/uwsgi".into(),
        fastcgi_temp: "/var/lib/nginx/fastcgi".into(),
        scgi_temp: "/var/lib/nginx/scgi".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_the_options() {
        let at = |prefix: Option<&str>, file: Option<&str>, log: Option<&str>| {
            let args = Args {
                prefix: prefix.map(Into::into),
                file: file.map(Into::into),
                error_log: log.map(Into::into),
                ..Args::default()
            };
            let Layout { shown, file, files, .. } = Layout::new(&args);
            let log = files.error_log.map(|log| log.display().to_string());
            (shown.display().to_string(), file.display().to_string(), log.unwrap_or_default())
        };
        let expect = |one: &str, two: &str, three: &str| (one.to_owned(), two.to_owned(), three.to_owned());
        assert_eq!(at(None, None, None), expect(FILE, FILE, ERROR_LOG));
        assert_eq!(at(None, Some("/x/n"), Some("stderr")), expect("/x/n", "/x/n", ""));
        assert_eq!(
            at(Some("/p"), None, None),
            expect("/p/conf/nginx.conf", "/p/conf/nginx.conf", "/p/logs/error.log")
        );
        let here = std::env::current_dir().unwrap();
        assert_eq!(
            at(Some("p"), Some("sub/n"), Some("e.log")),
            expect(
                "p/sub/n",
                &here.join("p/sub/n").display().to_string(),
                &here.join("p/e.log").display().to_string()
            )
        );
    }
}
