//! The same configuration and the same requests to the real server and to triglot: clients and upstreams must
//! see the same.
//!
//! `CASE=text` runs the fixtures whose name contains the text; `BLESS=1` writes the original's answers into
//! the `.http` files; `SHOW=1` prints what was seen; `JOBS=n` fixtures run at a time; `TRIGLOT_BIN=path` is
//! tested instead of the built binary; `ITSELF=1` compares the original with itself, which shows that the
//! fixtures are deterministic. Configurations in a `mistakes` folder of Apache have no requests: both must refuse them.
#![expect(clippy::print_stdout, reason = "a test runner of its own prints its results")]

#[path = "support/calls.rs"]
mod calls;
#[path = "support/client.rs"]
mod client;
#[path = "support/dns.rs"]
mod dns;
#[path = "support/fixture.rs"]
mod fixture;
#[path = "support/frames.rs"]
mod frames;
#[path = "support/gateways.rs"]
mod gateways;
#[path = "support/origin.rs"]
mod origin;
#[path = "support/original.rs"]
mod original;
#[path = "support/ports.rs"]
mod ports;
#[path = "support/server.rs"]
mod server;
#[path = "support/tls.rs"]
mod tls;
#[path = "support/view.rs"]
mod view;

use fixture::Fixture;
use original::{Original, Program};
use ports::Ports;
use server::Server;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Between pieces that must arrive apart.
const PAUSE: Duration = Duration::from_millis(30);

/// What one server showed for one fixture.
struct Seen {
    /// Normalised view of each request.
    views: Vec<Vec<String>>,
    /// `<-` and `->` lines of each request.
    recorded: Vec<Vec<String>>,
    /// Logs at the end.
    logs: Vec<String>,
}

/// What all comparisons share.
struct Bench {
    triglot: PathBuf,
    itself: bool,
    folder: PathBuf,
    tls: Arc<tls::Material>,
    bless: bool,
    show: bool,
}

fn main() -> ExitCode {
    let began = Instant::now();
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let filter = variable("CASE").unwrap_or_default();
    let mut found = Vec::new();
    for original in Original::ALL {
        collect(&root.join(original.folder()), &mut found);
    }
    found.retain(|path| path.display().to_string().contains(&filter));
    found.sort();
    if std::env::args().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    for original in Original::ALL {
        let Some(Program { path: oracle, .. }) = original.oracle() else { continue };
        if !oracle.exists() && found.iter().any(|path| Original::of(path, &root) == Some(original)) {
            println!("the oracle {} is missing: nothing can be compared", oracle.display());
            return ExitCode::FAILURE;
        }
    }
    let triglot = variable("TRIGLOT_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_triglot").to_owned()).into();
    let folder = std::env::temp_dir().join(format!("tg{:08}", std::process::id()));
    let tls = match tls::Material::make(&folder.join("tls")) {
        Ok(tls) => Arc::new(tls),
        Err(why) => {
            println!("cannot make certificates: {why}");
            return ExitCode::FAILURE;
        }
    };
    let (bless, show) = (variable("BLESS").is_some(), variable("SHOW").is_some());
    let bench = Bench { triglot, itself: variable("ITSELF").is_some(), folder, tls, bless, show };
    let jobs = variable("JOBS").and_then(|jobs| jobs.parse().ok()).unwrap_or(6);
    let next = AtomicUsize::new(0);
    let reports = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(path) = found.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let began = Instant::now();
                    let report = bench.run(path, &root);
                    if std::env::var_os("TIMES").is_some() {
                        println!("{:>6} ms {}", began.elapsed().as_millis(), path.display());
                    }
                    reports.lock().expect("no holder panics").push((path, report));
                }
            });
        }
    });
    let mut reports = reports.into_inner().expect("no holder panics");
    reports.sort_by_key(|(path, _)| *path);
    let (mut failed, mut requests) = (0, 0);
    for (_, report) in &reports {
        requests += report.requests;
        failed += usize::from(!report.failures.is_empty());
        for failure in &report.failures {
            println!("{failure}");
        }
        print!("{}", report.shown);
    }
    for (path, report) in &reports {
        if !report.failures.is_empty() {
            println!("FAILED {}", path.strip_prefix(&root).unwrap_or(path).with_extension("").display());
        }
    }
    drop(std::fs::remove_dir_all(&bench.folder));
    let passed = reports.len() - failed;
    println!(
        "{passed} passed, {failed} failed; {requests} requests in {:.1} s",
        began.elapsed().as_secs_f32()
    );
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The configuration of a fixture.
fn conf_of(http: &Path, root: &Path) -> PathBuf {
    http.with_extension(Original::of(http, root).map_or("conf", Original::extension))
}

/// A recorded line, short enough to read.
fn cut(line: String) -> String {
    match line.char_indices().nth(240) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

/// All request files below a folder, and the configurations that must be refused.
fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if path.extension().is_none() {
                collect(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "http")
            || path.extension().is_some_and(|extension| extension == "conf")
                && folder.ends_with("apache/mistakes")
        {
            found.push(path);
        }
    }
}

/// What to say about one fixture.
#[derive(Default)]
struct Report {
    failures: Vec<String>,
    shown: String,
    requests: usize,
}

impl Bench {
    fn run(&self, http: &Path, root: &Path) -> Report {
        for attempt in 1.. {
            let mut report = Report::default();
            let Err(why) = self.compare(http, root, &mut report) else { return report };
            // Another process of this machine may have taken a port between the two servers.
            if attempt < 4 && why.contains("ddress already in use") {
                continue;
            }
            let name = http.strip_prefix(root).unwrap_or(http).display();
            report.failures.push(format!("==== {name}: {why}"));
            return report;
        }
        Report::default()
    }

    /// What is compared with the original.
    fn subject(&self, original: Original) -> Program {
        if let Some(oracle) = original.oracle().filter(|_| self.itself) {
            return oracle;
        }
        Program { path: self.triglot.clone(), arguments: vec![original.personality().to_owned()] }
    }

    /// Both refuse a configuration, or both accept it where it says `# accepted by the original`.
    fn refused(&self, conf: &Path, original: Original, text: &str, prefix: &Path) -> Result<(), String> {
        let told = text.lines().find_map(|line| line.trim().strip_prefix("# accepted by the original:"));
        let oracle = original.oracle().map(|oracle| ("the original", oracle));
        for (who, program) in oracle.into_iter().chain([("the subject", self.subject(original))]) {
            drop(std::fs::remove_dir_all(prefix));
            std::fs::create_dir_all(prefix.join("logs")).map_err(|e| e.to_string())?;
            server::folder(&conf.with_extension("files"), prefix).map_err(|e| e.to_string())?;
            original.install(prefix, text).map_err(|e| e.to_string())?;
            let mut command = std::process::Command::new(&program.path);
            command.args(&program.arguments);
            original.test(&mut command, prefix);
            let ended = command.current_dir(prefix).output().map_err(|e| e.to_string())?;
            let accepts = told.is_some() && who == "the original";
            if ended.status.success() != accepts {
                let said = String::from_utf8_lossy(&ended.stderr);
                let what = if accepts { "refuses it" } else { "accepts it" };
                return Err(format!("{who} {what}\n{said}"));
            }
        }
        Ok(())
    }

    fn compare(&self, http: &Path, root: &Path, report: &mut Report) -> Result<(), String> {
        let conf =
            std::fs::read_to_string(conf_of(http, root)).map_err(|e| format!("its configuration: {e}"))?;
        let label: String = http
            .with_extension("")
            .strip_prefix(root)
            .unwrap_or(http)
            .display()
            .to_string()
            .replace('/', "-");
        let prefix = self.folder.join(label);
        let original = Original::of(http, root).ok_or("belongs to no original")?;
        let subject = self.subject(original);
        if http.extension().is_some_and(|extension| extension == "conf") {
            report.requests = 1;
            return self.refused(http, original, &conf, &prefix);
        }
        let text = std::fs::read_to_string(http).map_err(|e| e.to_string())?;
        let files = server::texts(&http.with_extension("files"));
        let ports =
            Ports::allocate(&format!("{conf}\n{text}\n{files}\n18080"), &prefix.display().to_string());
        let fixture = Fixture::read(http, root, &|text| ports.translate(text))?;
        report.requests = fixture.requests.iter().map(|request| request.repeat).sum();
        let conf = ports.translate(&conf);
        let Some(oracle) = original.oracle() else {
            return self.documented(&subject, original, &fixture, &conf, &ports, &prefix, report);
        };
        let wanted = self
            .observe(&oracle, original, &fixture, &conf, &ports, &prefix)
            .map_err(|e| format!("the original {e}"))?;
        if self.bless {
            let text = fixture.blessed(&wanted.recorded);
            std::fs::write(http, text).map_err(|e| e.to_string())?;
        } else if !fixture.unrecorded {
            for (request, recorded) in fixture.requests.iter().zip(&wanted.recorded) {
                if request.recorded != *recorded {
                    let diff = view::diff(&request.recorded, recorded);
                    let at = format!("==== {}:{}", http.display(), request.line);
                    report
                        .failures
                        .push(format!("{at}: the original answers otherwise than recorded\n{diff}"));
                }
            }
        }
        if self.show {
            for (request, view) in fixture.requests.iter().zip(&wanted.views) {
                let _ = writeln!(report.shown, "---- {}:{} {}", fixture.name, request.line, request.text[0]);
                for line in view {
                    let _ = writeln!(report.shown, "| {line}");
                }
            }
            for line in &wanted.logs {
                let _ = writeln!(report.shown, "log: {line}");
            }
        }
        let came = self
            .observe(&subject, original, &fixture, &conf, &ports, &prefix)
            .map_err(|e| format!("the subject {e}"))?;
        for ((request, wanted), came) in fixture.requests.iter().zip(&wanted.views).zip(&came.views) {
            let ours = request.differs.is_some() && !self.itself;
            if ours && !request.never.is_empty() {
                let bad = |line: &&String| request.never.iter().any(|text| line.starts_with(text.as_str()));
                let at = format!("==== {}:{} {}", http.display(), request.line, request.text[0]);
                report.failures.extend(came.iter().find(bad).map(|line| format!("{at}\n    never: {line}")));
                continue;
            }
            let wanted = if ours { &request.expected } else { wanted };
            if wanted != came {
                let mut text = format!("==== {}:{} {}\n", http.display(), request.line, request.text[0]);
                if let Some(why) = &request.differs {
                    let _ = writeln!(text, "    (differs: {why})");
                }
                report.failures.push(text + &view::diff(wanted, came));
            }
        }
        if wanted.logs != came.logs {
            let diff = view::diff(&wanted.logs, &came.logs);
            report.failures.push(format!("==== {}: logs\n{diff}", http.display()));
        }
        Ok(())
    }

    /// Compares with what is recorded, where there is no original to ask: each expectation names the fact that it
    /// rests on. `BLESS=1` fills in those that are empty, for somebody to read.
    #[expect(clippy::too_many_arguments, reason = "all of them are one fixture's")]
    fn documented(
        &self,
        subject: &Program,
        original: Original,
        fixture: &Fixture,
        conf: &str,
        ports: &Ports,
        prefix: &Path,
        report: &mut Report,
    ) -> Result<(), String> {
        let came = self
            .observe(subject, original, fixture, conf, ports, prefix)
            .map_err(|e| format!("the subject {e}"))?;
        let mut answers = Vec::new();
        for ((request, came), view) in fixture.requests.iter().zip(&came.recorded).zip(&came.views) {
            let at = format!("==== {}:{} {}", fixture.http.display(), request.line, request.text[0]);
            if request.fact.is_none() {
                report.failures.push(format!("{at}\n    which fact does it rest on? `# fact: N`"));
            }
            if self.show {
                let _ = writeln!(report.shown, "{at}\n| {}", view.join("\n| "));
            }
            let empty = request.recorded.is_empty();
            answers.push(if empty { came.clone() } else { request.recorded.clone() });
            // A page of our own is ours to choose, unless the fixture says what is in it.
            let same = |(wanted, came): (&String, &String)| {
                came == wanted || came.starts_with(&format!("{wanted} \""))
            };
            let agrees = request.recorded.len() == came.len() && request.recorded.iter().zip(came).all(same);
            if !(agrees || self.bless && empty) {
                report.failures.push(format!("{at}\n{}", view::diff(&request.recorded, came)));
            }
            for line in &request.expected {
                if !view.contains(line) {
                    report.failures.push(format!("{at}\n    missing: {line}\n    {}", view.join("\n    ")));
                }
            }
            for text in &request.never {
                if let Some(line) = view.iter().find(|line| line.starts_with(text.as_str())) {
                    report.failures.push(format!("{at}\n    never: {line}"));
                }
            }
        }
        if self.bless {
            std::fs::write(&fixture.http, fixture.blessed(&answers)).map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    /// Runs one server on the fixture and everything against it.
    fn observe(
        &self,
        program: &Program,
        original: Original,
        fixture: &Fixture,
        conf: &str,
        ports: &Ports,
        prefix: &Path,
    ) -> Result<Seen, String> {
        server::prepare(fixture, original, prefix, conf, ports, &self.tls).map_err(|e| e.to_string())?;
        let origins = origin::Origins::start(ports, prefix, &self.tls).map_err(|e| e.to_string())?;
        let server = Server::start(program, original, fixture, ports, prefix)?;
        let (mut views, mut recorded) = (Vec::new(), Vec::new());
        let mut connection = None;
        for request in &fixture.requests {
            let (mut lines, mut answers) = (Vec::new(), Vec::new());
            if !request.keep {
                connection = None;
            }
            for turn in 0..request.repeat {
                if turn == 0 {
                    origins.prepare(&request.replies);
                }
                if request.keep && connection.is_none() {
                    lines.push("[the connection to keep is gone]".to_owned());
                }
                let mut open = match connection.take() {
                    Some(open) => open,
                    None => match client::Connection::open(request, ports, prefix, &self.tls) {
                        Ok(open) => open,
                        Err(why) => {
                            answers.push(format!("<- [not connected] {why}"));
                            lines.push(format!("[not connected] {why}"));
                            continue;
                        }
                    },
                };
                let (client, mut summary, stays) = open.exchange(request);
                if request.abort && !request.replies.is_empty() {
                    origins.arrival();
                }
                lines.extend(client);
                if stays {
                    connection = Some(open);
                } else {
                    drop(open);
                }
                for record in origins.take() {
                    lines.extend(view::upstream(&record));
                    summary.push(view::upstream_summary(&record));
                }
                answers.append(&mut summary);
                if !request.keep && turn + 1 < request.repeat {
                    connection = None;
                }
            }
            let finish = |lines: Vec<String>| -> Vec<String> {
                let restore =
                    |line: &String| String::from_utf8_lossy(&ports.restore(line.as_bytes())).into_owned();
                view::normalise(&lines.iter().map(restore).collect::<Vec<_>>(), &fixture.masks)
            };
            let lines = if original == Original::Apache { view::sorted(lines) } else { lines };
            views.push(finish(lines));
            recorded.push(finish(answers).into_iter().map(cut).collect());
        }
        drop(connection);
        server.stop()?;
        let mut logs = Vec::new();
        for path in &fixture.logs {
            let text =
                std::fs::read(prefix.join(path)).unwrap_or_else(|e| format!("{path}: {e}").into_bytes());
            logs.push(format!("[{path}]"));
            let mut lines = view::normalise(&view::content(&ports.restore(&text)), &fixture.masks);
            lines.sort();
            logs.extend(lines);
        }
        if !fixture.errors.is_empty() {
            let text = std::fs::read(prefix.join(Original::ERROR_LOG)).unwrap_or_default();
            logs.push("[error log]".to_owned());
            logs.extend(view::errors(&ports.restore(&text), &fixture.errors));
        }
        let mut logs = view::normalise(&logs, &fixture.masks);
        logs.retain(|line| !line.ends_with("] (masked)"));
        Ok(Seen { views, recorded, logs })
    }
}
