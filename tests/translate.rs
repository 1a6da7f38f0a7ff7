//! What configurations are in the words of other servers: golden files, the real servers' verdict, and the way back.
//!
//! Beside `<case>.conf` stand `<case>.to-nginx`, `<case>.to-apache` and `<case>.to-iis`, and behind the text what is lost
//! on the way, a line each. `BLESS=1` rewrites those that exist (an empty one asks for one); `CASE=text` takes the
//! cases whose name contains the text. Where nginx and Apache are installed, they accept every output; ours accepts those
//! for IIS.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
};

use triglot::{
    cli::{
        load::{self, Request},
        translate::{Translated, Verify, differences, print, translate},
    },
    diagnostic::Severity,
    dialect::{Dialect, Options},
    raise::Shape,
    source::SourceMap,
};

/// What separates a text from what is lost.
const LOST: &str = "=== lost\n";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All configurations below `fixtures/`, with their language.
fn all() -> Vec<(PathBuf, Dialect)> {
    let wanted = std::env::var("CASE").unwrap_or_default();
    let mut found = Vec::new();
    for dialect in Dialect::ALL {
        let folder = root().join("fixtures").join(dialect.name());
        for topic in fs::read_dir(folder).expect("there are fixtures").flatten() {
            for file in fs::read_dir(topic.path()).into_iter().flatten().flatten() {
                let path = file.path();
                let is = path.extension().is_some_and(|found| found == "conf" || found == "config");
                if is && path.is_file() && path.to_string_lossy().contains(&wanted) {
                    found.push((path, dialect));
                }
            }
        }
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

/// A translation as the command line would make it, in the folder of the project.
fn translated(path: &Path, from: Dialect, to: Dialect, verify: bool) -> Translated {
    let short = path.strip_prefix(root()).unwrap_or(path).to_path_buf();
    let prefix = short.parent().unwrap_or(Path::new("")).to_path_buf();
    let options = Options { prefix, offline: true, ..Options::default() };
    translate(
        &Request { path: short, dialect: Some(from), options, listen: None },
        to,
        if verify { &Verify::Meaning } else { &Verify::No },
    )
}

/// The text and what is lost.
fn shown(done: &Translated) -> String {
    let mut out = done.text.clone().unwrap_or_default();
    let mut lost: Vec<String> = Vec::new();
    for one in done.found.iter().filter(|one| one.severity > Severity::Note) {
        let label = one.labels.first();
        let line =
            label.and_then(|label| done.sources.position(label.span)).map_or(0, |position| position.line);
        let why = label.map_or("", |label| label.text.as_str());
        lost.push(format!("{line}: {}: {why}\n", one.message));
    }
    if !lost.is_empty() {
        out.push_str(LOST);
        out.extend(lost);
    }
    out
}

#[test]
fn translations_are_as_written() {
    std::env::set_current_dir(root()).expect("the project is there");
    let bless = std::env::var_os("BLESS").is_some();
    let (mut wrong, mut count) = (String::new(), 0);
    for (path, from) in all() {
        for to in Dialect::ALL {
            let golden = path.with_extension(format!("to-{}", to.name()));
            let Ok(written) = fs::read_to_string(&golden) else { continue };
            count += 1;
            let now = shown(&translated(&path, from, to, false));
            if bless {
                fs::write(&golden, now).expect("fixtures can be written");
            } else if now != written {
                let _ = writeln!(wrong, "{}: is now\n{now}", golden.display());
            }
        }
    }
    assert!(count > 0 || std::env::var_os("CASE").is_some(), "there are no translations");
    assert!(wrong.is_empty(), "\n{wrong}BLESS=1 rewrites the files");
}

/// A folder that is gone when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("triglot-translate-{}-{number}", std::process::id()));
        for inside in ["logs", "htdocs"] {
            fs::create_dir_all(path.join(inside)).expect("a folder can be made");
        }
        for file in ["mime.types", "uwsgi_params", "fastcgi_params", "scgi_params"] {
            fs::write(path.join(file), "").expect("a file can be written");
        }
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A text without what is of another machine: certificates, folders of documents and logs.
fn away(text: &str, folder: &Path) -> String {
    let here = folder.display();
    let mut out = String::new();
    for line in text.lines() {
        let word = line.split_whitespace().next().unwrap_or_default();
        let indent = &line[..line.len() - line.trim_start().len()];
        match word {
            "DocumentRoot" => {
                let _ = writeln!(out, "{indent}DocumentRoot {here}/htdocs");
            }
            "CustomLog" => {
                let _ = writeln!(out, "{indent}CustomLog {here}/logs/a combined");
            }
            "ErrorLog" | "RewriteMap" => {}
            "error_log" => {}
            "access_log" if !line.contains("off;") => {}
            // What names a certificate needs one: they are looked at elsewhere.
            word if word.starts_with("SSL")
                || word.contains("ssl_certificate")
                || word.contains("ssl_trusted")
                || word.contains("_ssl_verify")
                || word.contains("ssl_password") => {}
            "listen" => {
                let _ = writeln!(out, "{}", line.replace(" ssl", ""));
            }
            _ => {
                let _ = writeln!(out, "{line}");
            }
        }
    }
    out
}

/// The modules that Debian has and that an output may name.
const MODULES: &str = "mpm_event authz_core authz_host authz_user authz_groupfile authn_core authn_file auth_basic auth_digest access_compat \
    alias autoindex brotli deflate dir env expires filter headers lbmethod_bybusyness lbmethod_byrequests \
    lbmethod_bytraffic mime proxy proxy_balancer proxy_fcgi proxy_http proxy_scgi proxy_uwsgi proxy_wstunnel ratelimit \
    remoteip reqtimeout rewrite setenvif slotmem_shm socache_shmcb ssl status substitute";

/// Why a real server, or our own schema, refuses an output.
fn refused(to: Dialect, text: &str, shape: Shape, folder: &Path) -> Option<String> {
    let here = folder.display();
    let text = away(text, folder);
    let (command, file, whole) = match to {
        Dialect::Nginx => {
            let whole = match shape {
                Shape::Whole => text,
                Shape::Servers => format!("events {{ }}\nhttp {{\n{text}}}\n"),
                Shape::Inside if text.contains("server {") || text.contains("map ") => {
                    format!("events {{ }}\nhttp {{\n{text}}}\n")
                }
                Shape::Inside => format!("events {{ }}\nhttp {{\nserver {{\n{text}}}\n}}\n"),
            };
            let mut command = Command::new("/usr/sbin/nginx");
            command
                .args(["-t", "-q", "-e", "stderr", "-p"])
                .arg(folder)
                .arg("-c")
                .arg(folder.join("nginx.conf"));
            command.arg("-g").arg(format!("pid {here}/pid;"));
            (command, "nginx.conf", whole)
        }
        Dialect::Apache => {
            let mut whole = String::new();
            for module in MODULES.split_whitespace() {
                let path = format!("/usr/lib/apache2/modules/mod_{module}.so");
                if Path::new(&path).exists() {
                    let _ = writeln!(whole, "LoadModule {module}_module {path}");
                }
            }
            let _ = writeln!(
                whole,
                "ServerName here\nServerRoot {here}\nPidFile {here}/pid\nErrorLog {here}/logs/e"
            );
            let _ = writeln!(whole, "DefaultRuntimeDir {here}\nLogFormat \"%h\" combined");
            if !text.lines().any(|line| line.starts_with("Listen ")) {
                whole.push_str("Listen 18099\n");
            }
            whole.push_str(&text);
            let mut command = Command::new("/usr/sbin/apache2");
            command.arg("-t").arg("-f").arg(folder.join("httpd.conf"));
            (command, "httpd.conf", whole)
        }
        Dialect::Iis => {
            let name = if text.contains("<system.applicationHost>") {
                "applicationHost.config"
            } else {
                "web.config"
            };
            let mut command = Command::new(env!("CARGO_BIN_EXE_triglot"));
            command.args(["check", "--offline", "--format", "short"]).arg(folder.join(name));
            (command, name, text)
        }
    };
    let mut command = command;
    fs::write(folder.join(file), whole).expect("a file can be written");
    let output = command.output().expect("the server can be asked");
    let _ = fs::remove_file(folder.join(file));
    if output.status.success() {
        return None;
    }
    let said = if to == Dialect::Iis { output.stdout } else { output.stderr };
    let said = String::from_utf8_lossy(&said).into_owned();
    let bad: Vec<&str> = match to {
        // What is valid and not served here yet is no fault of the output.
        Dialect::Iis => said
            .lines()
            .filter(|line| line.contains("error[") && !line.contains("not-yet-honoured"))
            .collect(),
        // Names of a machine that is not this one.
        Dialect::Nginx => {
            said.lines().filter(|line| line.contains("[emerg]") && !line.contains("host not found")).collect()
        }
        Dialect::Apache => said.lines().filter(|line| !line.is_empty()).collect(),
    };
    bad.first().map(|_| bad.join(" "))
}

fn is_installed(to: Dialect) -> bool {
    match to {
        Dialect::Nginx => Path::new("/usr/sbin/nginx").exists(),
        Dialect::Apache => Path::new("/usr/sbin/apache2").exists(),
        Dialect::Iis => true,
    }
}

/// Outputs that are refused, by the file and the language: those of words that only later releases than the installed one know.
const REFUSED: &[(&str, &str)] = &[
    ("nginx/newer/early_hints", "nginx"),
    ("nginx/newer/services", "nginx"),
    ("nginx/newer/sessions", "nginx"),
    ("nginx/newer/upstream_frames", "nginx"),
];

#[test]
fn servers_accept_what_is_written() {
    std::env::set_current_dir(root()).expect("the project is there");
    let cases: Vec<_> =
        all().into_iter().filter(|(path, _)| !path.to_string_lossy().contains("/mistakes/")).collect();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(String::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                // A folder for each: the files in it have fixed names.
                let folder = Folder::new();
                while let Some((path, from)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    for to in Dialect::ALL.into_iter().filter(|to| is_installed(*to)) {
                        let done = translated(path, *from, to, false);
                        let Some(text) = &done.text else { continue };
                        let known = REFUSED.iter().any(|(name, language)| {
                            *language == to.name() && path.with_extension("").ends_with(name)
                        });
                        if let Some(why) = refused(to, text, done.shape, &folder.0).filter(|_| !known) {
                            let mut wrong = wrong.lock().expect("nobody panicked");
                            let _ = writeln!(wrong, "{} as {}: {why}", path.display(), to.name());
                        }
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("nobody panicked");
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn every_configuration_is_translated_or_refused() {
    std::env::set_current_dir(root()).expect("the project is there");
    let mut made = 0;
    for (path, from) in all() {
        for to in Dialect::ALL {
            let done = translated(&path, from, to, false);
            assert!(done.text.is_some() || done.is_wrong(), "{}", path.display());
            made += usize::from(done.text.is_some());
        }
    }
    assert!(made > 500 || std::env::var_os("CASE").is_some(), "only {made}");
}

/// What a text means that stands where the fixture does.
fn meaning(path: &Path, dialect: Dialect, text: &str) -> triglot::ir::Config {
    let short = path.strip_prefix(root()).unwrap_or(path).to_path_buf();
    let mut sources = SourceMap::new();
    sources.add(short.clone(), text.as_bytes().to_vec());
    let prefix = short.parent().unwrap_or(Path::new("")).to_path_buf();
    let options = Options { prefix, offline: true, ..Options::default() };
    load::lower(&mut sources, &Request { path: short, dialect: Some(dialect), options, listen: None }).config
}

/// A text in another language, as long as nothing is lost on the way.
fn kept(path: &Path, from: Dialect, to: Dialect, text: &str) -> Option<String> {
    let short = path.strip_prefix(root()).unwrap_or(path).to_path_buf();
    let prefix = short.parent().unwrap_or(Path::new("")).to_path_buf();
    let options = Options { prefix, offline: true, ..Options::default() };
    let mut sources = SourceMap::new();
    sources.add(short.clone(), text.as_bytes().to_vec());
    let request = Request { path: short.clone(), dialect: Some(from), options, listen: None };
    let lowered = load::lower(&mut sources, &request);
    let (text, losses) =
        print(from, to, &lowered.config, &sources, from.shape(&short, text.as_bytes()), &request);
    losses.findings().iter().all(|one| one.severity < Severity::Warning).then_some(text)
}

/// What two texts decide differently, but for requests that few send.
fn apart(path: &Path, one: (Dialect, &str), other: (Dialect, &str)) -> Vec<String> {
    let (a, b) = (meaning(path, one.0, one.1), meaning(path, other.0, other.1));
    let found = differences(one.0, other.0, &a, &b, 200);
    let shown = |one: &triglot::diagnostic::Diagnostic| format!("{}: {}", one.message, one.notes.join("; "));
    found.iter().filter(|one| one.severity >= Severity::Warning).map(shown).collect()
}

/// How many parts the fixtures are divided into for round trips, of which each run takes one; `TRIGLOT_ALL=1` takes all.
const PARTS: u64 = 3;

/// The part that a fixture is in, by what stands in it: a fixture that is changed may be in another one.
fn part(text: &str) -> u64 {
    // FNV-1a.
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash >> 32) % PARTS
}

/// What came of the round trips of all fixtures.
#[derive(Default)]
struct Trips {
    wrong: String,
    /// There, back, and the same.
    made: usize,
    /// Something was lost on the way there, or on the way back, and told.
    told: usize,
    own: usize,
    own_told: usize,
    other: Vec<String>,
}

impl Trips {
    /// All ways of one fixture.
    fn of(&mut self, path: &Path, from: Dialect, text: &str) {
        for to in Dialect::ALL {
            let name = path.strip_prefix(root()).unwrap_or(path).display().to_string();
            let Some(there) = kept(path, from, to, text) else {
                if to == from {
                    self.own_told += 1;
                } else {
                    self.told += 1;
                }
                continue;
            };
            let same = apart(path, (from, text), (to, &there)).is_empty();
            if to == from {
                self.own += usize::from(same);
                self.other.extend((!same).then_some(name));
                continue;
            }
            // What differs on one of the ways is told as a loss of that translation.
            let back = kept(path, to, from, &there).filter(|_| same);
            let Some(back) = back.filter(|back| apart(path, (to, &there), (from, back)).is_empty()) else {
                self.told += 1;
                continue;
            };
            self.made += 1;
            for line in apart(path, (from, text), (from, &back)) {
                let _ = writeln!(self.wrong, "{name} by {}: {line}", to.name());
            }
        }
    }

    fn add(&mut self, more: Self) {
        self.wrong.push_str(&more.wrong);
        self.made += more.made;
        self.told += more.told;
        self.own += more.own;
        self.own_told += more.own_told;
        self.other.extend(more.other);
    }
}

/// There and back again: where the translation means the same, and is translated without a loss, so does what comes back.
/// And in its own language, where only what `raise` makes of it and its printing could change anything: how many
/// fixtures come out the same is written down, and can only grow.
#[test]
fn round_trips_decide_the_same() {
    std::env::set_current_dir(root()).expect("the project is there");
    let asked = |name: &str| std::env::var_os(name).is_some();
    let every = asked("CASE") || asked("TRIGLOT_ALL");
    let cases: Vec<_> = all()
        .into_iter()
        .filter(|(path, _)| !path.to_string_lossy().contains("/mistakes/"))
        .filter_map(|(path, from)| fs::read_to_string(&path).ok().map(|text| (path, from, text)))
        .filter(|(.., text)| every || part(text) == 0)
        .collect();
    let (next, total) = (AtomicUsize::new(0), Mutex::new(Trips::default()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from).min(8) {
            scope.spawn(|| {
                while let Some((path, from, text)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut trips = Trips::default();
                    trips.of(path, *from, text);
                    total.lock().expect("nobody panicked").add(trips);
                }
            });
        }
    });
    let Trips { wrong, made, told, own, own_told, mut other } = total.into_inner().expect("nobody panicked");
    other.sort();
    println!("{} fixtures: {made} round trips, {told} with a loss that is told", cases.len());
    println!("in their own language: {own} the same, {own_told} with a loss, and not: {other:#?}");
    assert!(wrong.is_empty(), "\n{wrong}");
    if !asked("CASE") {
        assert!(own >= 2, "only {own} in their own language, not {other:?}");
    }
}

/// The tutorials on the real servers: what a translation means is what they do with it. Where no namespaces can be had,
/// or a server is not installed, that is told and nothing is asked.
#[test]
fn servers_do_what_translations_mean() {
    std::env::set_current_dir(root()).expect("the project is there");
    let own = PathBuf::from(env!("CARGO_BIN_EXE_triglot"));
    let (mut wrong, mut requests) = (String::new(), 0);
    for (path, from) in all() {
        let tutorials =
            ["tutorial_websocket", "corrected", "corrected_cluster", "one_line", "offload", "https"];
        if !path.parent().is_some_and(|folder| folder.ends_with("seed"))
            || !tutorials.iter().any(|name| path.file_stem().is_some_and(|stem| stem == *name))
        {
            continue;
        }
        for to in [Dialect::Nginx, Dialect::Apache].into_iter().filter(|to| *to != from) {
            let short = path.strip_prefix(root()).unwrap_or(&path).to_path_buf();
            let prefix = root().join(short.parent().unwrap_or(Path::new("")));
            let options = Options { prefix, parts: true, offline: true, ..Options::default() };
            let request = Request { path: short, dialect: Some(from), options, listen: None };
            let done = translate(&request, to, &Verify::Live(own.clone()));
            let Some(replayed) = done.replayed else { continue };
            requests += replayed.requests;
            for one in replayed.found {
                if one.severity >= Severity::Warning {
                    let _ = writeln!(
                        wrong,
                        "{} as {}: {}: {:?}",
                        path.display(),
                        to.name(),
                        one.message,
                        one.notes
                    );
                } else {
                    println!("{} as {}: {}", path.display(), to.name(), one.message);
                }
            }
        }
    }
    println!("{requests} requests");
    assert!(wrong.is_empty(), "\n{wrong}");
}
