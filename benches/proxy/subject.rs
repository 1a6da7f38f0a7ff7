//! A proxy under measurement: its files, its process, and proof that it does what its configuration says.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::config::{self, Profile};
use crate::{load, measure, rules, sys, wire};

/// How to start a proxy: `{conf}` and `{dir}` in the command are filled in.
#[derive(Clone)]
pub struct Recipe {
    pub name: String,
    pub command: String,
    /// How it is started on a site with a web.config, `{site}` and `{port}`, if it reads one.
    pub site: Option<String>,
    /// The same for an httpd.conf; without it, nothing of Apache is measured.
    pub httpd: Option<String>,
}

/// Where and beside what the subjects run.
pub struct Site {
    pub dir: PathBuf,
    pub origin: SocketAddr,
    pub proxy_cpu: usize,
    pub load_cpu: usize,
    pub first_port: u16,
}

/// A running proxy with the configuration of one profile. It is stopped when dropped.
pub struct Subject {
    pub port: u16,
    child: Child,
    log: PathBuf,
}

impl Subject {
    /// Writes the files, starts the process on the proxy's CPU and waits until it answers as it should.
    pub fn start(recipe: &Recipe, profile: Profile, site: &Site) -> Result<Self> {
        let dir = site.dir.join(format!("{}-{}", recipe.name, profile.name()));
        fs::create_dir_all(dir.join("www/static"))?;
        fs::write(dir.join("www/static/1k.bin"), [b's'; 1024])?;
        fs::create_dir_all(dir.join("www/gzip"))?;
        fs::write(dir.join("www/gzip/page.txt"), page())?;
        certificate(&dir)?;
        let port = free_ports(site.first_port)?;
        let conf = dir.join(if profile.is_apache() { "httpd.conf" } else { "nginx.conf" });
        let mut command = if profile.is_apache() { recipe.httpd.as_ref() } else { Some(&recipe.command) };
        if profile == Profile::Site {
            fs::write(&conf, rules::nginx_conf(&dir, port, site.origin))?;
            fs::write(dir.join("www/web.config"), rules::web_config(site.origin))?;
            command = recipe.site.as_ref().or(command);
        } else {
            fs::write(&conf, config::text(profile, &dir, port, site.origin))?;
        }
        let log = dir.join("output.log");
        let output = File::create(&log)?;
        let command = command
            .context("it has no command for an httpd.conf")?
            .replace("{site}", &quote(&dir.join("www").to_string_lossy()))
            .replace("{port}", &port.to_string())
            .replace("{conf}", &quote(&conf.to_string_lossy()))
            .replace("{dir}", &quote(&dir.to_string_lossy()));
        sys::pin(site.proxy_cpu)?;
        let child = Command::new("/bin/sh")
            .args(["-c", &format!("exec {command}")])
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn();
        sys::pin(site.load_cpu)?;
        let mut subject = Self { port, child: child.with_context(|| format!("starting `{command}`"))?, log };
        subject.wait_until_up().and_then(|()| subject.prove(profile)).with_context(|| {
            let said = fs::read_to_string(&subject.log).unwrap_or_default();
            format!("{} ({} configuration) {}", recipe.name, profile.name(), said.trim())
        })?;
        Ok(subject)
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The process and its descendants.
    pub fn pids(&self) -> Vec<u32> {
        measure::tree(self.child.id())
    }

    fn wait_until_up(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("ended at once, {status}");
            }
            match load::fetch(self.address(), "/", wire::HOST) {
                Ok(_) => return Ok(()),
                Err(error) if start.elapsed() > Duration::from_secs(15) => {
                    return Err(error.context("does not answer"));
                }
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Asks the origin what it was sent: a proxy that skips work is not faster.
    fn prove(&self, profile: Profile) -> Result<()> {
        if profile == Profile::Site {
            return self.prove_rules();
        }
        for (target, host, route) in profile.probes() {
            let expected = [
                format!("host: {host}"),
                "x-real-ip: 127.0.0.1".into(),
                "x-forwarded-for: 127.0.0.1".into(),
                format!("x-route: {route}"),
            ];
            let head = Self::forwarded(self.address(), &target, &host)?;
            for line in expected {
                if !head.lines().any(|found| found == line) {
                    bail!("`{line}` is missing for {target} at {host}, in:\n{head}");
                }
            }
            let said = head.lines().find(|found| found.starts_with("connection:"));
            if said.is_some_and(|said| said != "connection: keep-alive" || !profile.is_apache()) {
                bail!("the upstream connection is not kept alive:\n{head}");
            }
        }
        if profile.is_apache() {
            return Ok(());
        }
        let fresh = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port + 1));
        let head = Self::forwarded(fresh, "/?head", wire::HOST)?;
        if !head.starts_with("get /?head http/1.0") || !head.lines().any(|line| line == "connection: close") {
            bail!("the upstream connection should not be kept alive:\n{head}");
        }
        let (status, content) = load::fetch(self.address(), "/static/1k.bin", wire::HOST)?;
        if !status.starts_with("HTTP/1.1 200") || content != [b's'; 1024] {
            bail!("the static file was answered `{status}`, {} bytes", content.len());
        }
        Ok(())
    }

    /// The same for rules: what they ask for, and what ARR says.
    fn prove_rules(&self) -> Result<()> {
        for n in [0, 1, rules::RULES / 2, rules::RULES - 1] {
            let asked = format!("{}?head", rules::asked(n));
            let head = Self::forwarded(self.address(), &asked, wire::HOST)?;
            let line = format!("get {}?head http/1.1", rules::forwarded(n));
            let original = format!("x-original-url: {asked}");
            let has = |wanted: &str| head.lines().any(|found| found == wanted);
            let starts = |wanted: &str| head.lines().any(|found| found.starts_with(wanted));
            let fields =
                ["x-forwarded-for: 127.0.0.1:", "x-arr-log-id: ", "max-forwards: 10", "host: 127.0.0.1:"];
            let missing = fields.into_iter().find(|field| !starts(field));
            if !has(&line) || !has(&original) || missing.is_some() || has("connection: close") {
                bail!("`{line}`, `{original}` or {missing:?} is missing for {asked}, in:\n{head}");
            }
        }
        let (status, _) = load::fetch(self.address(), "/app1/k1", "other.test")?;
        if !status.starts_with("HTTP/1.1 404") {
            bail!("the conditions are passed over: `{status}`");
        }
        Ok(())
    }

    /// The head that the origin saw, in lower case.
    fn forwarded(address: SocketAddr, target: &str, host: &str) -> Result<String> {
        let (status, content) = load::fetch(address, target, host)?;
        if !status.starts_with("HTTP/1.1 200") {
            bail!("{target} at {host} was answered `{status}`");
        }
        Ok(String::from_utf8_lossy(&content).to_ascii_lowercase())
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let pids = self.pids();
        sys::signal(self.child.id(), libc::SIGTERM);
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(5) {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        for pid in pids {
            sys::signal(pid, libc::SIGKILL);
        }
        // The process is gone or about to be; there is nobody to tell.
        let _ = self.child.wait();
    }
}

/// 32 KiB of text as pages have it: words that come again, numbers that do not.
fn page() -> String {
    let mut text = String::new();
    let mut number = 1u32;
    while text.len() < 32 * 1024 {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.push_str(&format!(
            "<li class=\"item\"><a href=\"/item/{number}\">Item {}</a></li>\n",
            number >> 20
        ));
    }
    text
}

/// A certificate with a key for ECDSA.
fn certificate(dir: &Path) -> Result<()> {
    let made = Command::new("openssl")
        .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split(' '))
        .args(["-subj", "/CN=bench.test", "-keyout", "bench.key", "-out", "bench.pem"])
        .current_dir(dir)
        .output()
        .context("openssl")?;
    if !made.status.success() {
        bail!("openssl: {}", String::from_utf8_lossy(&made.stderr));
    }
    Ok(())
}

/// The first of four neighbouring ports, at or above `from`, that nobody listens on.
fn free_ports(from: u16) -> Result<u16> {
    let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    (from..u16::MAX - 4)
        .step_by(4)
        .find(|&port| (port..port + 4).all(free))
        .context("no four neighbouring ports are free")
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The version that a command prints, in one line.
pub fn version(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    Some(String::from_utf8_lossy(&text).lines().next()?.trim().to_owned())
}

/// A folder of this run's own, readable by the unprivileged user that nginx's workers become.
pub fn scratch_dir(base: &Path) -> Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let dir = base.join(format!("triglot-bench-{}", std::process::id()));
    fs::create_dir(&dir).with_context(|| format!("creating {}", dir.display()))?;
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755))?;
    Ok(dir)
}
