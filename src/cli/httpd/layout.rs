//! Where Apache's files are unless the command line says so: as Debian's package has them, else as Red Hat's, else as
//! Apache's own installation.

use std::path::{Path, PathBuf};

use super::args::Args;
use crate::dialect::OwnFiles;

/// Debian's pid file.
pub(super) const PID: &str = "/run/apache2.pid";
/// The log of errors, below the root.
pub(super) const ERROR_LOG: &str = "logs/error_log";

/// The roots and the main files in them, the first that is there counts.
const PLACES: [(&str, &str); 3] = [
    ("/etc/apache2", "apache2.conf"),
    ("/etc/httpd", "conf/httpd.conf"),
    ("/usr/local/apache2", "conf/httpd.conf"),
];

/// The places in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// What relative paths count from, until `ServerRoot` says otherwise.
    pub(super) root: PathBuf,
    /// The configuration file.
    pub(super) file: PathBuf,
    /// The rest.
    pub(super) files: OwnFiles,
}

impl Layout {
    /// The places that the command line leads to.
    pub(super) fn new(args: &Args) -> Self {
        let there = PLACES.iter().find(|(root, file)| Path::new(root).join(file).is_file());
        let (default_root, default_file) = there.unwrap_or(&PLACES[0]);
        let root = args.root.as_ref().map_or_else(|| PathBuf::from(default_root), absolute);
        let file = match &args.file {
            Some(file) => root.join(file),
            None => root.join(default_file),
        };
        let files = OwnFiles {
            pid: Some(PID.into()),
            // Below the server root, which the configuration may name.
            error_log: Some(ERROR_LOG.into()),
            access_log: None,
            content_temp: std::env::temp_dir(),
            http_temp: std::env::temp_dir(),
            uwsgi_temp: std::env::temp_dir(),
            fastcgi_temp: std::env::temp_dir(),
            scgi_temp: std::env::temp_dir(),
        };
        Self { root, file, files }
    }
}

fn absolute(path: &std::ffi::OsString) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_the_options() {
        let at = |root: Option<&str>, file: Option<&str>| {
            let args = Args { root: root.map(Into::into), file: file.map(Into::into), ..Args::default() };
            Layout::new(&args).file.display().to_string()
        };
        assert_eq!(at(Some("/r"), Some("f")), "/r/f");
        assert_eq!(at(Some("/r"), Some("/x/f")), "/x/f");
        assert!(at(None, None).contains("/conf/") || at(None, None).contains("/apache2."));
    }
}
