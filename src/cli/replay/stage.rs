//! The machine that both servers believe to run on: its file system, its network, and the order in which things happen.
//!
//! The root is an overlay of `/usr` and `/etc` and otherwise empty. There are two networks: that of the servers and
//! their clients, and behind a wire one in which every address is local and where the upstreams are. Upstreams at
//! addresses of the servers' own machine are beside them.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio},
    sync::{Arc, Mutex},
};

use super::{Arrived, Job, ORIGINS, Ran, Seen, client, names, origin, server, tls};
use crate::cli::say;

/// What arrived at upstreams beside the servers.
type Book = Arc<Mutex<Vec<Arrived>>>;

/// The ends of the wire.
const NEAR: &str = "100.127.0.1";
pub(super) const FAR: &str = "100.127.0.2";
/// This program, in the other file system.
const OWN: &str = "/triglot-replay";

/// Reads a job, runs it, and writes what came of it.
pub(super) fn main() -> ExitCode {
    let mut text = Vec::new();
    let ran = io::stdin()
        .read_to_end(&mut text)
        .map_err(|error| error.to_string())
        .and_then(|_| serde_json::from_slice::<Job>(&text).map_err(|error| error.to_string()))
        .and_then(|job| run(&job));
    match ran.and_then(|ran| serde_json::to_string(&ran).map_err(|error| error.to_string())) {
        Ok(text) => {
            say::result(text);
            ExitCode::SUCCESS
        }
        Err(why) => {
            say::remark(format!("{why}\n"));
            ExitCode::FAILURE
        }
    }
}

/// Runs a tool to its end.
pub(super) fn tool(words: &[&str]) -> Result<(), String> {
    let [program, arguments @ ..] = words else { return Ok(()) };
    let ended = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`{program}` cannot be run: {error}"))?;
    if ended.status.success() {
        return Ok(());
    }
    Err(format!("`{}` failed: {}", words.join(" "), String::from_utf8_lossy(&ended.stderr).trim()))
}

fn run(job: &Job) -> Result<Vec<Ran>, String> {
    file_system(&job.root)?;
    network(job)?;
    let identity = tls::identity()?;
    furnish(job).map_err(|error| format!("the files cannot be written: {error}"))?;
    let (near, mut far) = upstreams(job, &identity)?;
    let mut all = Vec::new();
    for (at, side) in job.sides.iter().enumerate() {
        let mut server = match server::start(side, at, Path::new(OWN)) {
            Ok(server) => server,
            Err(said) => {
                all.push(Ran::Refused(said));
                continue;
            }
        };
        let mut seen = Vec::new();
        for (number, asked) in job.requests.iter().enumerate() {
            take(&near);
            far.flush()?;
            let answer = client::ask(asked, at, client_port(number));
            let mut arrived = far.flush()?;
            arrived.extend(take(&near));
            seen.push(Seen { answer, arrived });
            if let Some(said) = server.ended() {
                return Err(format!("a server ended in the middle: {said}"));
            }
        }
        server.stop();
        all.push(Ran::Served(seen));
    }
    Ok(all)
}

/// The same for both servers, so that what they make of it is.
fn client_port(number: usize) -> u16 {
    20_000 + (number % 20_000) as u16
}

/// What came to the upstreams beside the servers since it was asked last.
fn take(near: &Mutex<Vec<Arrived>>) -> Vec<Arrived> {
    near.lock().map(|mut near| std::mem::take(&mut *near)).unwrap_or_default()
}

/// Makes the other file system and moves there.
fn file_system(root: &Path) -> Result<(), String> {
    let at = |name: &str| root.join(name).display().to_string();
    let failed = |error: io::Error| format!("the file system cannot be made: {error}");
    let own = std::env::current_exe().map_err(failed)?;
    tool(&["mount", "--make-rprivate", "/"])?;
    tool(&["mount", "-t", "tmpfs", "tmpfs", &root.display().to_string()])?;
    for name in ["usr", "etc"] {
        let (upper, work) = (at(&format!(".upper-{name}")), at(&format!(".work-{name}")));
        for folder in [&upper, &work, &at(name)] {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let options = format!("lowerdir=/{name},upperdir={upper},workdir={work}");
        tool(&["mount", "-t", "overlay", "overlay", "-o", &options, &at(name)])?;
    }
    for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
        let here = Path::new("/").join(name);
        if let Ok(target) = fs::read_link(&here) {
            std::os::unix::fs::symlink(target, at(name)).map_err(failed)?;
        } else if here.is_dir() {
            fs::create_dir_all(at(name)).map_err(failed)?;
            tool(&["mount", "--rbind", &here.display().to_string(), &at(name)])?;
        }
    }
    for name in
        ["proc", "dev", "tmp", "run/lock", "var/log/nginx", "var/log/apache2", "var/lib/nginx", "var/cache"]
    {
        fs::create_dir_all(at(name)).map_err(failed)?;
    }
    std::os::unix::fs::symlink("/run", at("var/run")).map_err(failed)?;
    tool(&["chmod", "1777", &at("tmp")])?;
    tool(&["mount", "--rbind", "/dev", &at("dev")])?;
    tool(&["mount", "-t", "proc", "proc", &at("proc")])?;
    fs::write(at(&OWN[1..]), "").map_err(failed)?;
    tool(&["mount", "--bind", &own.display().to_string(), &at(&OWN[1..])])?;
    std::os::unix::fs::chroot(root).map_err(failed)?;
    std::env::set_current_dir("/").map_err(failed)
}

/// Gives the servers' network its addresses.
fn network(job: &Job) -> Result<(), String> {
    tool(&["ip", "link", "set", "lo", "up"])?;
    let mut own: BTreeSet<IpAddr> = job
        .requests
        .iter()
        .flat_map(|asked| asked.to.iter().map(|(to, _)| to.ip()).chain([asked.client]))
        .collect();
    own.extend(job.sides.iter().flat_map(|side| &side.listen).map(SocketAddr::ip));
    for address in own.into_iter().filter(|address| !address.is_loopback() && !address.is_unspecified()) {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        // An address that cannot be had is one that nothing listens on.
        let _ = tool(&["ip", "addr", "add", &format!("{address}/{bits}"), "dev", "lo"]);
    }
    Ok(())
}

/// Whether an upstream is on the servers' machine.
fn is_near(job: &Job, upstream: &str) -> Option<Vec<SocketAddr>> {
    let (host, port) = upstream.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    if host == "localhost" {
        return Some(vec![([127, 0, 0, 1], port).into(), (std::net::Ipv6Addr::LOCALHOST, port).into()]);
    }
    let address: IpAddr = host.trim_matches(['[', ']']).parse().ok()?;
    let own = job.sides.iter().flat_map(|side| &side.listen).any(|listen| listen.ip() == address);
    (address.is_loopback() || own).then(|| vec![(address, port).into()])
}

/// Starts the upstreams: those beside the servers, and those behind the wire.
fn upstreams(job: &Job, identity: &tls::Identity) -> Result<(Book, Far), String> {
    let near = Book::default();
    let mut ports: BTreeSet<u16> = [80, 443].into();
    let taken: BTreeSet<u16> = job.sides.iter().flat_map(|side| &side.listen).map(SocketAddr::port).collect();
    for upstream in &job.upstreams {
        if let Some(path) = upstream.strip_prefix("unix:") {
            let path = PathBuf::from(path.trim_end_matches(':'));
            let _ = path.parent().map(fs::create_dir_all);
            origin::at_socket(&path, upstream, identity, &near);
            let _ = tool(&["chmod", "0777", &path.display().to_string()]);
        } else if let Some(addresses) = is_near(job, upstream) {
            // What the server listens on itself is answered by the server.
            for address in addresses.into_iter().filter(|address| !taken.contains(&address.port())) {
                origin::at_address(address, identity, &near);
            }
        } else if let Some(port) = upstream.rsplit_once(':').and_then(|(_, port)| port.parse().ok()) {
            ports.insert(port);
        }
    }
    for address in names::servers(job).into_iter().filter(|address| address.ip().is_loopback()) {
        names::answer_at(address, &names::Known::default());
    }
    Ok((near, Far::start(job, &ports)?))
}

/// The upstreams behind the wire.
struct Far {
    stdin: ChildStdin,
    lines: BufReader<ChildStdout>,
    child: Child,
}

impl Far {
    fn start(job: &Job, ports: &BTreeSet<u16>) -> Result<Self, String> {
        let mut child = Command::new("unshare")
            .args(["--net", OWN, ORIGINS])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("`unshare` cannot be run: {error}"))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the upstreams have no pipes".to_owned());
        };
        let mut far = Self { stdin, lines: BufReader::new(stdout), child };
        far.expect("born")?;
        let id = far.child.id().to_string();
        tool(&["ip", "link", "add", "near", "type", "veth", "peer", "name", "far"])?;
        tool(&["ip", "link", "set", "far", "netns", &id])?;
        tool(&["ip", "addr", "add", &format!("{NEAR}/30"), "dev", "near"])?;
        tool(&["ip", "link", "set", "near", "up"])?;
        tool(&["ip", "route", "add", "default", "via", FAR])?;
        let servers: Vec<SocketAddr> =
            names::servers(job).into_iter().filter(|address| !address.ip().is_loopback()).collect();
        let given = serde_json::to_string(&(ports, servers)).map_err(|error| error.to_string())?;
        writeln!(far.stdin, "{given}").map_err(|error| error.to_string())?;
        far.expect("ready")?;
        Ok(far)
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) | Err(_) => Err("the upstreams ended".to_owned()),
            Ok(_) => Ok(line.trim_end().to_owned()),
        }
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        let line = self.line()?;
        if line == word { Ok(()) } else { Err(line) }
    }

    /// What came since it was asked last.
    fn flush(&mut self) -> Result<Vec<Arrived>, String> {
        writeln!(self.stdin, "flush").map_err(|error| error.to_string())?;
        let line = self.line()?;
        serde_json::from_str(&line).map_err(|error| error.to_string())
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes the configurations and what they name.
fn furnish(job: &Job) -> io::Result<()> {
    fs::write("/etc/resolv.conf", format!("nameserver {FAR}\noptions timeout:1 attempts:1\n"))?;
    fs::write("/etc/hosts", "127.0.0.1 localhost\n::1 localhost ip6-localhost\n")?;
    for side in &job.sides {
        server::furnish(side)?;
    }
    for path in &job.present {
        if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            let _ = fs::create_dir_all(path);
        } else {
            let _ = path.parent().map(fs::create_dir_all);
            let _ = fs::write(path, "a file\n");
        }
    }
    Ok(())
}
