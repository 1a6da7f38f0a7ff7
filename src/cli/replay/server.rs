//! The servers as they are installed: what stands around a part of a configuration, how each is started, and its end.

use std::{
    fmt::Write as _,
    fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::{Side, stage::tool, tls};
use crate::cli::process::system;

/// How long a server may take to listen, and to end.
const PATIENCE: Duration = Duration::from_secs(15);

/// Where servers are installed: nginx's and Apache's usual places.
const PROGRAMS: [(&str, &[&str]); 2] = [
    ("nginx", &["/usr/sbin/nginx", "/usr/local/nginx/sbin/nginx", "/usr/local/sbin/nginx"]),
    ("apache", &["/usr/sbin/apache2", "/usr/sbin/httpd", "/usr/local/apache2/bin/httpd"]),
];

/// Folders of Apache's modules.
const MODULES: [&str; 4] = [
    "/usr/lib/apache2/modules",
    "/usr/lib64/httpd/modules",
    "/usr/lib/httpd/modules",
    "/usr/local/apache2/modules",
];

/// Modules that a part of a configuration may use; those that are not there, or built in, are left out.
const LOADED: &str = "mpm_event access_compat actions alias allowmethods auth_basic authn_anon authn_core authn_file \
    authz_core authz_groupfile authz_host authz_user autoindex brotli buffer deflate dir env expires ext_filter filter \
    headers include info lbmethod_bybusyness lbmethod_byrequests lbmethod_bytraffic macro mime negotiation proxy \
    proxy_ajp proxy_balancer proxy_connect proxy_fcgi proxy_hcheck proxy_http proxy_http2 proxy_scgi proxy_uwsgi \
    proxy_wstunnel ratelimit remoteip reqtimeout request rewrite sed setenvif slotmem_shm socache_shmcb speling ssl \
    status substitute unique_id userdir usertrack vhost_alias watchdog http2 log_config logio unixd version so";

/// The executable of a language's own server.
pub(super) fn program(name: &str) -> Option<&'static Path> {
    let (_, places) = PROGRAMS.iter().find(|(known, _)| *known == name)?;
    places.iter().map(Path::new).find(|path| path.exists())
}

/// A server that runs.
pub(super) struct Server {
    child: Child,
    output: PathBuf,
}

impl Server {
    /// What it said, once it has ended.
    pub(super) fn ended(&mut self) -> Option<String> {
        self.child.try_wait().ok().flatten().map(|_| said(&self.output))
    }

    /// Ends it and waits.
    pub(super) fn stop(mut self) {
        const TERM: i32 = 15;
        let _ = system::kill(self.child.id() as i32, TERM);
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn said(output: &Path) -> String {
    let text = fs::read(output).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().filter(|line| !line.contains("[warn]")).collect();
    lines[lines.len().saturating_sub(6)..].join(" ")
}

/// Starts a server; `Err` is what it said instead.
pub(super) fn start(side: &Side, number: usize, own: &Path) -> Result<Server, String> {
    let output = PathBuf::from(format!("/triglot-replay.{number}.said"));
    let file = fs::File::create(&output).map_err(|error| error.to_string())?;
    let mut command = match side.program.as_str() {
        "nginx" => nginx(side),
        "apache" => apache(side),
        _ => Ok(ours(side, own)),
    }
    .map_err(|error| error.to_string())?;
    let again = file.try_clone().map_err(|error| error.to_string())?;
    command.stdin(Stdio::null()).stdout(again).stderr(file).current_dir("/");
    let mut server = Server { child: command.spawn().map_err(|error| error.to_string())?, output };
    let began = Instant::now();
    let at: Vec<SocketAddr> = side.listen.iter().map(|listen| reached(*listen)).collect();
    while began.elapsed() < PATIENCE {
        if let Some(said) = server.ended() {
            return Err(said);
        }
        if at.first().is_none_or(|at| TcpStream::connect_timeout(at, Duration::from_millis(500)).is_ok()) {
            return Ok(server);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let why = format!("nobody listens on {at:?}: {}", said(&server.output));
    server.stop();
    Err(why)
}

/// Where a listener is reached.
fn reached(listen: SocketAddr) -> SocketAddr {
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, listen.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (std::net::Ipv6Addr::LOCALHOST, listen.port()).into(),
        _ => listen,
    }
}

/// All texts of a configuration, to look for words in.
fn text(side: &Side) -> String {
    side.files.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n")
}

/// Writes `text` beside the main file.
fn beside(side: &Side, name: &str, text: &str) -> io::Result<PathBuf> {
    let path = side.main.parent().unwrap_or(Path::new("/")).join(name);
    fs::write(&path, text)?;
    Ok(path)
}

fn nginx(side: &Side) -> io::Result<Command> {
    let main = side.main.display();
    let whole = match side.shape.as_str() {
        "whole" => side.main.clone(),
        "inside" => {
            let text = format!("events {{}}\nhttp {{ server {{ listen 80; include {main}; }} }}\n");
            beside(side, "triglot-replay.conf", &text)?
        }
        _ => beside(side, "triglot-replay.conf", &format!("events {{}}\nhttp {{ include {main}; }}\n"))?,
    };
    let text = text(side);
    let says = |name: &str| text.lines().any(|line| line.split_whitespace().next() == Some(name));
    let mut more = String::new();
    if !says("daemon") {
        more.push_str("daemon off;");
    }
    if !says("user") {
        more.push_str("user root;");
    }
    let mut command = Command::new(program("nginx").unwrap_or(Path::new("nginx")));
    command.arg("-p").arg(&side.prefix).arg("-c").arg(whole).args(["-e", "stderr", "-g", &more]);
    Ok(command)
}

fn apache(side: &Side) -> io::Result<Command> {
    let text = text(side);
    let says = |name: &str| {
        text.lines()
            .any(|line| line.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case(name)))
    };
    let mut whole = String::new();
    let prefix = side.prefix.display();
    if !says("LoadModule") {
        let folder = MODULES.iter().map(Path::new).find(|folder| folder.exists());
        for module in LOADED.split_whitespace() {
            if let Some(file) =
                folder.map(|folder| folder.join(format!("mod_{module}.so"))).filter(|file| file.exists())
            {
                let _ = writeln!(whole, "LoadModule {module}_module {}", file.display());
            }
        }
    }
    if !says("ServerRoot") {
        let _ = writeln!(whole, "ServerRoot {prefix}");
    }
    // What is written later, in the file itself, holds.
    whole.push_str(
        "ServerName replay\nPidFile /run/triglot-replay.pid\nDefaultRuntimeDir /run\nErrorLog /dev/stderr\n\
         LogFormat \"%h\" combined\nLogFormat \"%h\" common\nStartServers 1\nServerLimit 1\nThreadsPerChild 24\n\
         MaxRequestWorkers 24\nMinSpareThreads 1\nMaxSpareThreads 24\nUser www-data\nGroup www-data\n",
    );
    if !says("TypesConfig") {
        whole.push_str("TypesConfig /dev/null\n");
    }
    if !says("Listen") {
        for listen in &side.listen {
            let _ = writeln!(whole, "Listen {listen}");
        }
    }
    let main = side.main.display();
    if side
        .main
        .file_name()
        .is_some_and(|name| name.to_string_lossy().to_ascii_lowercase().contains("htaccess"))
    {
        let folder = side.main.parent().unwrap_or(Path::new("/")).display();
        let name = side.main.file_name().unwrap_or_default().display();
        let _ = writeln!(
            whole,
            "DocumentRoot {folder}\nAccessFileName {name}\n<Directory {folder}>\nAllowOverride All\n\
             Require all granted\nOptions FollowSymLinks\n</Directory>"
        );
    } else {
        let _ = writeln!(whole, "Include {main}");
    }
    let path = beside(side, "triglot-replay.conf", &whole)?;
    let mut command = Command::new(program("apache").unwrap_or(Path::new("apache2")));
    command.arg("-f").arg(path).arg("-DFOREGROUND");
    // Debian's file for its own start script, whose names its configuration uses.
    for (name, value) in [
        ("APACHE_RUN_USER", "www-data"),
        ("APACHE_RUN_GROUP", "www-data"),
        ("APACHE_PID_FILE", "/run/triglot-replay.pid"),
        ("APACHE_RUN_DIR", "/run"),
        ("APACHE_LOCK_DIR", "/run/lock"),
        ("APACHE_LOG_DIR", "/var/log/apache2"),
    ] {
        command.env(name, value);
    }
    Ok(command)
}

fn ours(side: &Side, own: &Path) -> Command {
    let mut command = Command::new(own);
    command.args(["run", "--dialect", &side.program]);
    command.arg("--certificate").arg(format!("{0},{0}", tls::FILE)).arg("--ca").arg(tls::FILE);
    let is_site = side.main.file_name().is_some_and(|name| name.eq_ignore_ascii_case("web.config"));
    command.arg(if is_site { side.main.parent().unwrap_or(Path::new("/")) } else { &side.main });
    for (name, url) in &side.handlers {
        command.arg("--handler").arg(format!("{name}={url}"));
    }
    if is_site && let Some(listen) = side.listen.first() {
        command.args(["--listen", &listen.to_string()]);
    }
    command
}

/// Writes a configuration, and what it names and is not there: certificates, folders of logs, empty files to include,
/// and users.
pub(super) fn furnish(side: &Side) -> io::Result<()> {
    for (path, text) in &side.files {
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, text)?;
    }
    for folder in ["logs", "run", "html"] {
        fs::create_dir_all(side.prefix.join(folder))?;
    }
    // An empty folder of documents answers otherwise than none.
    let _ = fs::remove_dir(side.prefix.join("html"));
    let folder = side.main.parent().unwrap_or(Path::new("/")).to_owned();
    for (_, text) in &side.files {
        for line in text.lines() {
            let mut words = line
                .split(|c: char| c.is_whitespace() || ";\"'{}".contains(c))
                .filter(|word| !word.is_empty());
            let Some(name) = words.next() else { continue };
            let name = name.to_ascii_lowercase();
            if name.starts_with('#') || name.starts_with('<') {
                continue;
            }
            for word in words {
                let relative =
                    if side.program == "nginx" && !name.contains("log") { &folder } else { &side.prefix };
                named(&name, word, relative);
            }
        }
    }
    Ok(())
}

/// Provides what a word of a directive names.
fn named(directive: &str, word: &str, folder: &Path) {
    let path = folder.join(word.split(['$', '*', '|', '%']).next().unwrap_or_default());
    let whole = !word.contains(['$', '*', '|', '%', '=']) && !word.starts_with('-');
    let directive = directive.trim_start_matches("proxy_").trim_start_matches("grpc_");
    let is_certificate =
        ["ssl_", "sslc", "sslproxyca", "sslproxym", "ssldh"].iter().any(|begin| directive.starts_with(begin))
            && ["cert", "dhparam", "crl"].iter().any(|part| directive.contains(part))
            && !directive.ends_with("path")
            && directive != "ssl_crl";
    let put = |text: &[u8]| {
        if whole && !path.exists() {
            let _ = path.parent().map(fs::create_dir_all);
            let _ = fs::write(&path, text);
        }
    };
    match directive {
        _ if is_certificate => put(&fs::read(tls::FILE).unwrap_or_default()),
        "include" | "auth_basic_user_file" | "authuserfile" | "authgroupfile" | "ssl_password_file" => {
            put(b"");
        }
        "includeoptional" | "root" | "alias" | "documentroot" => {}
        "user" | "group" if whole => person(word),
        "ssl_session_ticket_key" => put(&[7; 80]),
        _ if (directive.ends_with("path") || directive.ends_with("directory"))
            && whole
            && word.starts_with('/') =>
        {
            let _ = fs::create_dir_all(&path);
        }
        _ if directive.contains("log") || matches!(directive, "pid" | "lock_file" | "pidfile" | "mutex") => {
            let _ = path.parent().map(fs::create_dir_all);
        }
        _ => {}
    }
}

/// Makes a user and a group of a name.
fn person(name: &str) {
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
        return;
    }
    let _ =
        tool(&["sh", "-c", &format!("grep -q '^{name}:' /etc/group || echo '{name}:x:4242:' >> /etc/group")]);
    let line = format!("{name}:x:4242:4242::/:/bin/false");
    let _ = tool(&["sh", "-c", &format!("grep -q '^{name}:' /etc/passwd || echo '{line}' >> /etc/passwd")]);
}
