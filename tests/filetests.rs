//! What each configuration of `fixtures/` means, and what is said about it.
//!
//! Beside `<case>.conf` stands `<case>.diag`, warnings and errors as `check` prints them, absent when there
//! are none; and, for some, `<case>.ir`, the lowered configuration. `BLESS=1` rewrites both (an empty `.ir`
//! asks for one); `CASE=text` takes the cases whose name contains the text. A configuration without errors
//! must also be sound and compile, whatever it means.
//!
//! The `=>` lines of `<case>.http` are what the plan decides without a socket (`support/decide.rs`). They must
//! agree with what the original was seen to answer, which stands above them; `BLESS=1` fills in `=> ?`.
//!
//! Configurations under `mistakes` are read as on their machine, all others as away from it: certificates
//! that a test makes and names that it resolves are not there.

#[path = "support/decide.rs"]
mod decide;
#[path = "support/fixture.rs"]
#[expect(dead_code, reason = "how a request is sent is of no interest here")]
mod fixture;

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use fixture::{Fixture, Request};
use triglot::{
    catalogue::Level,
    diagnostic::{
        Diagnostic, Severity,
        render::{Colour, Format, render},
    },
    dialect::{
        Dialect, Options,
        nginx::{self, check, load, lower, mend},
    },
    ir,
    plan::{self, Plan},
    source::SourceMap,
};

/// The folders of fixtures, each of a language.
const DIALECTS: [Dialect; 3] = Dialect::ALL;

/// All configurations with their language, their name below its folder, and the folder.
fn all() -> Vec<(PathBuf, Dialect, PathBuf, PathBuf)> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut found = Vec::new();
    for dialect in DIALECTS {
        let root = fixtures.join(dialect.name());
        for conf in configurations(&root) {
            let case = conf.strip_prefix(&root).expect("found below it").with_extension("");
            found.push((conf, dialect, case, root.clone()));
        }
    }
    found
}

#[test]
fn fixtures_mean_what_is_written_beside_them() {
    let wanted = std::env::var("CASE").unwrap_or_default();
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = String::new();
    let mut count = 0;
    for (conf, dialect, case, _) in all() {
        if !case.to_string_lossy().contains(&wanted) {
            continue;
        }
        count += 1;
        let seen = Seen::of(&conf, dialect, &case);
        if !seen.unsound.is_empty() {
            let _ = writeln!(wrong, "{}: not sound\n{}", case.display(), seen.unsound);
        }
        let diag = conf.with_extension("diag");
        let ir = conf.with_extension("ir");
        if bless {
            if seen.said.is_empty() {
                let _ = fs::remove_file(&diag);
            } else {
                fs::write(&diag, &seen.said).expect("fixtures can be written");
            }
            if ir.exists() {
                fs::write(&ir, &seen.meant).expect("fixtures can be written");
            }
            continue;
        }
        compare(&mut wrong, &diag, &seen.said, &fs::read_to_string(&diag).unwrap_or_default());
        if let Ok(written) = fs::read_to_string(&ir) {
            compare(&mut wrong, &ir, &seen.meant, &written);
        }
    }
    assert!(count > 0, "no fixture is called `{wanted}`");
    assert!(wrong.is_empty(), "\n{wrong}BLESS=1 rewrites the files");
}

#[test]
fn decisions_are_those_of_the_original() {
    let wanted = std::env::var("CASE").unwrap_or_default();
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = String::new();
    let mut cases = 0;
    for (conf, dialect, case, root) in all() {
        let http = conf.with_extension("http");
        if !http.exists() || !case.to_string_lossy().contains(&wanted) {
            continue;
        }
        let mut fixture = Fixture::read(&http, &root, &str::to_owned).unwrap_or_else(|why| panic!("{why}"));
        if fixture.requests.iter().all(|request| request.decisions.is_empty()) {
            continue;
        }
        cases += 1;
        let folder = prepared(&conf, dialect, &Path::new("decided").join(&case));
        let Some(plan) = Seen::of(&conf, dialect, &case).plan else {
            let _ = writeln!(wrong, "{}: does not compile", case.display());
            continue;
        };
        let mut changed = false;
        for request in &mut fixture.requests {
            if request.decisions.is_empty() {
                continue;
            }
            let decided: Vec<String> =
                decide::decide(&plan, request, &folder).iter().map(|line| format!("=> {line}")).collect();
            let asked = request.decisions == ["=> ?"];
            let at = format!("{}:{}: {}", http.display(), request.line, request.text[0]);
            if let Err(why) = agree(&plan, &decided, request, &folder) {
                let answers = request.recorded.join("\n  ");
                let _ = writeln!(wrong, "{at}\n  {}\n  {answers}\n  {why}", decided.join("\n  "));
            } else if asked && bless {
                request.decisions = decided;
                changed = true;
            } else if request.decisions != decided {
                let _ = writeln!(
                    wrong,
                    "{at}\n  - {}\n  + {}",
                    request.decisions.join("\n  - "),
                    decided.join("\n  + ")
                );
            }
        }
        if changed {
            let recorded: Vec<_> = fixture.requests.iter().map(|request| request.recorded.clone()).collect();
            fs::write(&http, fixture.blessed(&recorded)).expect("fixtures can be written");
        }
    }
    assert!(cases >= 25 || !wanted.is_empty(), "only {cases} fixtures have decisions");
    assert!(wrong.is_empty(), "\n{wrong}BLESS=1 fills in `=> ?`");
}

/// Whether a decision can be what led to the original's answers.
fn agree(plan: &Plan, decided: &[String], request: &Request, folder: &Path) -> Result<(), String> {
    let last = decided.last().ok_or("nothing is decided")?.trim_start_matches("=> ");
    let (kind, rest) = last.split_once(' ').unwrap_or((last, ""));
    let answer = request.recorded.iter().find_map(|line| line.strip_prefix("<- ")).unwrap_or_default();
    let sent: Vec<&str> = request.recorded.iter().filter_map(|line| line.strip_prefix("-> ")).collect();
    if kind == "forward" {
        return if sent.is_empty() {
            let failed = [" 502 ", " 504 ", " 499 ", " 413 "].iter().any(|status| answer.contains(status));
            failed.then_some(()).ok_or_else(|| "the original did not forward".to_owned())
        } else {
            forwarded(plan, rest, &sent)
        };
    }
    if !sent.is_empty() {
        return Err("the original forwarded".to_owned());
    }
    let status = answer.split(' ').nth(1).unwrap_or_default();
    match kind {
        "close" if answer == "[closed]" => Ok(()),
        "files" => {
            let name = rest.strip_prefix("/prefix/").unwrap_or(rest);
            let content = fs::read_to_string(folder.join(name)).unwrap_or_default();
            let whole = format!("200 OK \"{}\"", fixture::escape(content.as_bytes(), 8000));
            let from_file = !content.is_empty() && answer.ends_with(&whole);
            let plain = ["206", "301", "304", "403", "404", "405", "416", "500"].contains(&status);
            // Of a folder its index is sent.
            (from_file
                || plain
                || name.ends_with('/')
                || content.is_empty()
                || request.head
                || answer.ends_with("..."))
            .then_some(())
            .ok_or_else(|| format!("the original sent no such file: {whole}"))
        }
        "reply" => {
            let (ours, more) = rest.split_once(' ').unwrap_or((rest, ""));
            let overridden = decided.len() > 1;
            if ours != status && !overridden {
                return Err("the original answered with another status".to_owned());
            }
            let more = more.replace("/prefix", "/run");
            let holds = more.is_empty() || request.head || answer.contains(&more) || answer.ends_with("...");
            holds.then_some(()).ok_or_else(|| "the original answered something else".to_owned())
        }
        _ => Err("the original did something else".to_owned()),
    }
}

/// Whether the requests that upstreams got go to this cluster and target.
fn forwarded(plan: &Plan, rest: &str, sent: &[&str]) -> Result<(), String> {
    let words: Vec<&str> = rest.split(' ').collect();
    let (to, target) = match words.as_slice() {
        ["uwsgi" | "fastcgi" | "scgi" | "memcached", to, ..] => (*to, None),
        [to, target, ..] => (*to, Some(*target)),
        _ => return Err("where to?".to_owned()),
    };
    let cluster = plan.config.clusters.iter().find(|cluster| cluster.name.lossy() == to);
    for one in sent {
        let words: Vec<&str> = one.split(' ').collect();
        let [port, _, ..] = words.as_slice() else { return Err(format!("what is {one}?")) };
        let of_port = |address: &str| address.ends_with(port);
        let known = cluster.map_or_else(
            || of_port(to) || to.contains("unix:"),
            |cluster| {
                cluster
                    .endpoints
                    .iter()
                    .any(|one| of_port(&one.address.lossy()) || one.address.starts_with(b"unix:"))
            },
        );
        if !known {
            return Err(format!("{to} is not at {port}"));
        }
        if let Some(target) = target
            && words.get(2) != Some(&target)
        {
            return Err(format!("the original asked for {}", words.get(2).unwrap_or(&"nothing")));
        }
    }
    Ok(())
}

/// The process has one.
static CURRENT_FOLDER: Mutex<()> = Mutex::new(());

/// What came of a configuration.
struct Seen {
    plan: Option<Plan>,
    said: String,
    meant: String,
    /// What a sound lowering cannot have.
    unsound: String,
}

impl Seen {
    fn of(conf: &Path, dialect: Dialect, case: &Path) -> Self {
        let _alone = CURRENT_FOLDER.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = prepared(conf, dialect, case);
        // Findings name files as they are given, so from inside the folder.
        std::env::set_current_dir(&folder).expect("just made");
        let mut sources = SourceMap::new();
        let offline = !case.starts_with("mistakes");
        let (config, mut found) = match dialect {
            Dialect::Nginx => nginx(&mut sources, offline),
            Dialect::Apache | Dialect::Iis => {
                let options = Options { prefix: folder.clone(), offline, ..Options::default() };
                let meaning = dialect.read(&mut sources, Path::new(main_file(dialect, conf)), &options);
                (meaning.config, meaning.found)
            }
        };
        found.retain(|finding| finding.severity > Severity::Note);
        let own = folder.display().to_string();
        let said = render(&sources, &found, Format::Human, Colour::Never).replace(&own, "/prefix");
        let meant = ir::print(&config).replace(&own, "/prefix");
        let mut unsound = Vec::new();
        let mut plan = None;
        if found.iter().all(|finding| finding.severity < Severity::Error) {
            unsound = ir::validate(&config);
            if unsound.is_empty() {
                match plan::compile(config) {
                    Ok(compiled) => plan = Some(compiled),
                    Err(faults) => unsound = faults,
                }
            }
        }
        let unsound: Vec<Diagnostic> = unsound;
        Self { plan, said, meant, unsound: render(&sources, &unsound, Format::Human, Colour::Never) }
    }
}

/// What its servers call the main file.
fn main_file(dialect: Dialect, conf: &Path) -> &'static str {
    let has_sites = || fs::read_to_string(conf).is_ok_and(|text| text.contains("<system.applicationHost"));
    match dialect {
        Dialect::Nginx => "nginx.conf",
        Dialect::Apache => "httpd.conf",
        Dialect::Iis if has_sites() => "applicationHost.config",
        Dialect::Iis => "web.config",
    }
}

/// Reads the nginx.conf of the current folder as if it were in `/prefix`.
fn nginx(sources: &mut SourceMap, offline: bool) -> (ir::Config, Vec<Diagnostic>) {
    let loading = load::Options { prefix: PathBuf::new(), offline };
    let (mut items, mut found) = load::load(sources, Path::new("nginx.conf"), &loading);
    found.extend(mend::mend(sources, &mut items, &nginx::shape));
    found.extend(check::check(&items, Level::Main, check::Options { offline }));
    let lowering = lower::Options {
        prefix: "/prefix".into(),
        conf_prefix: "/prefix".into(),
        offline,
        strict_names: false,
        root: false,
        token: "nginx/1.22.1".into(),
        level: Level::Main,
    };
    let (config, lowered) = lower::lower(&items, sources, &lowering);
    found.extend(lowered);
    (config, found)
}

/// The configuration with the files that belong to it, in a folder of its own.
fn prepared(conf: &Path, dialect: Dialect, case: &Path) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("filetests").join(dialect.name()).join(case);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("html")).expect("the target folder can be written");
    copy(&conf.with_extension("files"), &folder);
    fs::copy(conf, folder.join(main_file(dialect, conf))).expect("a fixture can be read");
    folder
}

fn copy(from: &Path, to: &Path) {
    let Ok(entries) = fs::read_dir(from) else { return };
    for entry in entries.flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if let Ok(target) = fs::read_link(&from) {
            std::os::unix::fs::symlink(target, &to).expect("the target folder can be written");
        } else if from.is_dir() {
            fs::create_dir_all(&to).expect("the target folder can be written");
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).expect("a fixture can be read");
        }
    }
}

/// Every configuration, in order; what is in a `.files` folder belongs to another.
fn configurations(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for entry in entries {
        let extension = entry.extension().unwrap_or_default();
        if entry.is_dir() && extension != "files" {
            found.extend(configurations(&entry));
        } else if extension == "conf" || extension == "config" {
            found.push(entry);
        }
    }
    found
}

/// Says how two texts differ, line by line from the first difference.
fn compare(wrong: &mut String, path: &Path, found: &str, expected: &str) {
    if found == expected {
        return;
    }
    let same = found.lines().zip(expected.lines()).take_while(|(found, expected)| found == expected).count();
    let _ = writeln!(wrong, "{}: differs from line {}", path.display(), same + 1);
    for (sign, text) in [("-", expected), ("+", found)] {
        for line in text.lines().skip(same).take(12) {
            let _ = writeln!(wrong, "  {sign} {line}");
        }
    }
}
