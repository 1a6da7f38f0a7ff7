//! The original servers: what a fixture's configuration needs around it, and how a server on it is called.
//!
//! A fixture belongs to the original that its folder below `fixtures/` is called after.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A server whose configurations we read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Original {
    /// nginx.
    Nginx,
    /// Apache httpd.
    Apache,
    /// IIS, of which there is none to ask: what is recorded in a fixture rests on its documentation.
    Iis,
}

/// How a server is called.
#[derive(Clone)]
pub(crate) struct Program {
    /// The executable.
    pub(crate) path: PathBuf,
    /// Arguments before the original's own.
    pub(crate) arguments: Vec<String>,
}

/// Where Debian has Apache's modules.
const MODULES: &str = "/usr/lib/apache2/modules";

/// Modules that a fixture of Apache may use; those of this list that are built in or not installed are left out.
const LOADED: &str = "mpm_event access_compat actions alias allowmethods asis auth_basic auth_digest authn_anon authn_core authn_file \
    authz_core authz_groupfile authz_host authz_user autoindex brotli buffer cgid charset_lite data deflate dir \
    env expires ext_filter filter headers include info lbmethod_bybusyness lbmethod_byrequests lbmethod_bytraffic \
    macro mime mime_magic negotiation proxy proxy_balancer proxy_connect proxy_fcgi proxy_hcheck proxy_http \
    proxy_http2 proxy_scgi proxy_uwsgi proxy_wstunnel ratelimit remoteip reqtimeout request rewrite sed \
    setenvif slotmem_shm socache_shmcb speling ssl status substitute unique_id userdir usertrack vhost_alias \
    watchdog http2";

impl Original {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Nginx, Self::Apache, Self::Iis];

    /// The folder of its fixtures.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Apache => "apache",
            Self::Iis => "iis",
        }
    }

    /// The extension of its configurations.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Nginx | Self::Apache => "conf",
            Self::Iis => "config",
        }
    }

    /// The one whose folder, below `root`, the fixture is in.
    pub(crate) fn of(fixture: &Path, root: &Path) -> Option<Self> {
        let below = fixture.strip_prefix(root).ok()?;
        Self::ALL.into_iter().find(|one| below.starts_with(one.folder()))
    }

    /// The real server, where there is one.
    pub(crate) fn oracle(self) -> Option<Program> {
        let path = match self {
            Self::Nginx => "/usr/sbin/nginx",
            Self::Apache => "/usr/sbin/apache2",
            Self::Iis => return None,
        };
        Some(Program { path: path.into(), arguments: Vec::new() })
    }

    /// Arguments that make triglot answer to the original's own.
    pub(crate) fn personality(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Apache => "httpd",
            Self::Iis => "run",
        }
    }

    /// Name of the main file in the prefix folder.
    pub(crate) fn main_file(self) -> &'static str {
        match self {
            Self::Nginx => "nginx.conf",
            Self::Apache => "httpd.conf",
            Self::Iis => "applicationHost.config",
        }
    }

    /// The folder of the site around a lone web.config, in the prefix folder.
    const SITE: &'static str = "site";

    /// Makes what a configuration needs around it, and writes it.
    pub(crate) fn install(self, prefix: &Path, conf: &str) -> io::Result<()> {
        if self == Self::Apache {
            fs::write(prefix.join("base.conf"), base(prefix, conf))?;
            fs::create_dir_all(prefix.join("htdocs"))?;
            // Apache's workers are another user's, and have to reach the sockets of origins.
            fs::set_permissions(prefix, fs::Permissions::from_mode(0o777))?;
        }
        if self == Self::Iis {
            fs::create_dir_all(prefix.join(Self::SITE))?;
            let host = conf.contains("<system.applicationHost");
            let file =
                if host { prefix.join(self.main_file()) } else { prefix.join(Self::SITE).join("web.config") };
            return fs::write(file, conf);
        }
        let conf = match self {
            Self::Nginx | Self::Iis => conf.to_owned(),
            // On one line, so that the lines of messages are the fixture's.
            Self::Apache => format!("Include {}/base.conf\n{conf}", prefix.display()),
        };
        fs::write(prefix.join(self.main_file()), conf)
    }

    /// Its arguments, for staying in the foreground with everything below the prefix. A site without bindings
    /// of its own listens on `port`.
    pub(crate) fn start(self, command: &mut Command, prefix: &Path, port: u16) {
        match self {
            Self::Nginx => {
                let user = if is_root() { " user root;" } else { "" };
                command
                    .arg("-p")
                    .arg(format!("{}/", prefix.display()))
                    .arg("-c")
                    .arg(prefix.join(self.main_file()))
                    .args(["-e", "logs/error.log", "-g"])
                    .arg(format!("daemon off; pid logs/nginx.pid;{user}"));
            }
            Self::Apache => {
                command
                    .arg("-d")
                    .arg(prefix)
                    .arg("-f")
                    .arg(prefix.join(self.main_file()))
                    .arg("-DFOREGROUND");
            }
            Self::Iis => {
                let host = prefix.join(self.main_file());
                if host.exists() {
                    command.arg(host);
                } else {
                    command.arg(prefix.join(Self::SITE)).arg("--listen").arg(format!("127.0.0.1:{port}"));
                }
                // Where programs are, a line each.
                let handlers = fs::read_to_string(prefix.join("handlers")).unwrap_or_default();
                for handler in handlers.lines() {
                    command.args(["--handler", handler]);
                }
                for name in ["htpasswd", "htgroup"] {
                    let file = prefix.join(name);
                    if file.exists() {
                        command.arg(format!("--{name}")).arg(file);
                    }
                }
            }
        }
    }

    /// Its arguments, for only looking at the configuration.
    pub(crate) fn test(self, command: &mut Command, prefix: &Path) {
        match self {
            Self::Nginx => {
                command.arg("-p").arg(prefix).arg("-c").arg(prefix.join(self.main_file())).arg("-t");
            }
            Self::Apache => {
                command.arg("-d").arg(prefix).arg("-f").arg(prefix.join(self.main_file())).arg("-t");
            }
            Self::Iis => {
                command.arg(prefix.join(Self::SITE));
            }
        }
    }

    /// The signal after which it ends with its logs complete.
    pub(crate) fn stop_signal(self) -> &'static str {
        match self {
            Self::Nginx | Self::Iis => "-QUIT",
            Self::Apache => "-TERM",
        }
    }

    /// Whether the named log, relative to the prefix, is its error log.
    pub(crate) const ERROR_LOG: &'static str = "logs/error.log";
}

/// Whether this process may become another user.
fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// What every fixture of Apache is read after: modules, and everything below the prefix.
///
/// `mod_allowmethods` is there only where it is used: with it, access is asked for at every redirect to another path.
fn base(prefix: &Path, conf: &str) -> String {
    let mut out = String::new();
    // `# without: MODULE ..` leaves modules out, and `DocumentRoot` likewise.
    let left_out = conf.lines().filter_map(|line| line.strip_prefix("# without: "));
    let left_out: Vec<_> = left_out.flat_map(str::split_whitespace).collect();
    let used = |module: &&str| {
        (*module != "allowmethods" || conf.contains("AllowMethods")) && !left_out.contains(module)
    };
    for module in LOADED.split_whitespace().filter(used) {
        let file = Path::new(MODULES).join(format!("mod_{module}.so"));
        if file.exists() {
            let _ = writeln!(out, "LoadModule {module}_module {}", file.display());
        }
    }
    let prefix = prefix.display();
    let root = format!("DocumentRoot {prefix}/htdocs\n");
    let root = if left_out.contains(&"DocumentRoot") { "" } else { &root };
    let _ = write!(
        out,
        "ServerRoot {prefix}\nDefaultRuntimeDir {prefix}/logs\nPidFile {prefix}/logs/httpd.pid\n\
         ErrorLog {prefix}/logs/error.log\nLogLevel warn\nServerName fixture.test\nServerTokens Prod\n\
         {root}TypesConfig /etc/mime.types\n\
         StartServers 1\nServerLimit 1\nThreadsPerChild 24\nMaxRequestWorkers 24\nMinSpareThreads 1\nMaxSpareThreads 24\n"
    );
    if is_root() {
        out.push_str("User www-data\nGroup www-data\n");
    }
    out
}
