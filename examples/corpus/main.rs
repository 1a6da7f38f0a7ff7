//! `make corpus CORPUS=DIR`: other people's configurations, and how far each gets.
//!
//! Reads every file below the folder as `triglot check --offline` does, and shows a table for each language. Where a folder,
//! or one right below it, has a `manifest.tsv` with a column `file` and one of what the original said, only the files in it
//! are read, and what the original accepts must parse and hold no unknown directive. The column is `nginx_t` (`pass`,
//! `fail-module`, ...), for Apache `t` (`ok`, `ok-stubbed`, `error:...`), for IIS `xml` (`well-formed`, or what is wrong;
//! files of the kind `xdt transform` are none). Programs behind handlers of IIS count as reachable.
//!
//! With `--translate` the files are also translated into the other languages ([`translations`]); `--live N` runs the
//! servers with N outputs of each direction (with `--only-live` nothing else is done), `--write FILE` writes the table,
//! `--step N` takes each Nth file.
#![expect(clippy::print_stdout, reason = "a report is what this program is for")]

mod translations;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use triglot::{
    cli::{load, report},
    diagnostic::{Diagnostic, Severity},
    dialect::{Dialect, Options, apache, iis, nginx},
    source::SourceMap,
};

/// Findings that say that something is not honoured.
const REFUSALS: [&str; 10] = [
    "handler-not-here",
    "not-yet-honoured",
    "refused",
    "refused-directive",
    "refused-handler",
    "refused-parameter",
    "refused-section",
    "refused-value",
    "refused-variable",
    "third-party-directive",
];

/// Modules of IIS whose programs count as reachable.
const HANDLERS: [&str; 6] = [
    "AspNetCoreModule",
    "AspNetCoreModuleV2",
    "httpPlatformHandler",
    "iisnode",
    "FastCgiModule",
    "CgiModule",
];

/// What is refused on purpose wherever it stands: programs that run inside the server (`mod_wsgi`, `mod_php`, `mod_perl`,
/// `mod_jk`, `mod_fcgid`, Passenger, CGI), and `WebDAV`. Beginnings of names, in lower case.
const ON_PURPOSE: [&str; 17] = [
    "application/x-httpd-",
    "cgi",
    "dav",
    "defaultmaxclassprocess",
    "fastcgi",
    "fcgid",
    "jk",
    "passenger",
    "perl",
    "php",
    "python",
    "rack",
    "rails",
    "scriptalias",
    "wsgi",
    "x-httpd-php",
    "proxy-server",
];

/// How many rows of the longer tables are shown.
const ROWS: usize = 60;

/// A file and what the real nginx says of it.
struct Entry {
    path: PathBuf,
    name: String,
    verdict: String,
    dialect: Dialect,
}

/// How far a file got.
#[derive(Default)]
struct Outcome {
    panicked: bool,
    parses: bool,
    /// Errors other than refusals, one line each.
    errors: Vec<(&'static str, String)>,
    /// What is refused: directives and variables, with how often.
    refused: BTreeMap<String, usize>,
    /// Whether there is a plan.
    compiles: bool,
}

impl Outcome {
    /// What is refused, but for what is refused on purpose.
    fn unwanted(&self) -> impl Iterator<Item = &str> {
        self.refused.keys().map(String::as_str).filter(|name| {
            let name = name.to_ascii_lowercase();
            !ON_PURPOSE.iter().any(|begin| name.starts_with(begin))
        })
    }
}

fn main() -> ExitCode {
    let (mut wanted, mut translate, mut folder) = (translations::Wanted::default(), false, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse().ok()).unwrap_or(0);
        match argument.as_str() {
            "--files" => wanted.each = true,
            "--translate" => translate = true,
            "--only-translate" => (translate, wanted.only) = (true, true),
            "--live" => wanted.live = number(),
            "--only-live" => (translate, wanted.only, wanted.only_live) = (true, true, true),
            "--step" => wanted.step = number(),
            "--write" => wanted.write = arguments.next().map(PathBuf::from),
            _ => folder = Some(argument),
        }
    }
    let Some(folder) = folder else {
        println!(
            "usage: corpus [--files] [--translate | --only-translate] [--live N] [--only-live] [--step N] [--write FILE] DIR"
        );
        return ExitCode::from(2);
    };
    let all = match all(Path::new(&folder)) {
        Ok(all) => all,
        Err(error) => {
            println!("{folder}: {error}");
            return ExitCode::from(2);
        }
    };
    let mut status = ExitCode::SUCCESS;
    if translate && !translations::report(&all, &wanted) {
        status = ExitCode::FAILURE;
    }
    for dialect in Dialect::ALL.into_iter().filter(|_| !wanted.only) {
        let entries: Vec<&Entry> = all.iter().filter(|entry| entry.dialect == dialect).collect();
        if !entries.is_empty() && !report_on(dialect, &entries, wanted.each) {
            status = ExitCode::FAILURE;
        }
    }
    status
}

/// Shows how files of a language do; whether nothing is wrong.
fn report_on(dialect: Dialect, entries: &[&Entry], each: bool) -> bool {
    let began = Instant::now();
    let outcomes: Vec<Outcome> = entries.iter().map(|entry| look(&entry.path, entry.dialect)).collect();
    let took = began.elapsed();
    println!("\n## {}\n", dialect.name());
    summary(entries, &outcomes);
    obstacles(&outcomes);
    errors(entries, &outcomes);
    if each {
        files(entries, &outcomes);
    }
    println!("\n{} files in {:.1} s", entries.len(), took.as_secs_f64());
    let wrong = wrong(entries, &outcomes);
    for line in &wrong {
        println!("WRONG {line}");
    }
    wrong.is_empty()
}

/// The files of a folder, or of the folders with a manifest right below it.
fn all(folder: &Path) -> io::Result<Vec<Entry>> {
    let mut parts = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.join("manifest.tsv").exists() {
            parts.push(path);
        }
    }
    if parts.is_empty() {
        return entries(folder);
    }
    parts.sort();
    let mut all = Vec::new();
    for part in parts {
        all.extend(entries(&part)?);
    }
    Ok(all)
}

/// The files of the manifest, or all files below the folder.
fn entries(folder: &Path) -> io::Result<Vec<Entry>> {
    let manifest = folder.join("manifest.tsv");
    if !manifest.exists() {
        let mut found = Vec::new();
        walk(folder, &mut found)?;
        found.sort();
        let entry = |path: PathBuf| Entry {
            name: path.strip_prefix(folder).unwrap_or(&path).display().to_string(),
            dialect: Dialect::detect(&path, &fs::read(&path).unwrap_or_default()),
            path,
            verdict: "not asked".to_owned(),
        };
        return Ok(found.into_iter().map(entry).collect());
    }
    let text = fs::read_to_string(manifest)?;
    let mut lines = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let head = lines.next().unwrap_or_default();
    let column = |name: &str| head.iter().position(|column| *column == name);
    let Some(file) = column("file") else {
        return Err(io::Error::other("manifest.tsv has no column `file`"));
    };
    let (verdict, dialect) = match column("nginx_t") {
        None if column("t").is_some() => (column("t"), Dialect::Apache),
        None if column("xml").is_some() => (column("xml"), Dialect::Iis),
        verdict => (verdict, Dialect::Nginx),
    };
    let kind = column("kind").filter(|_| dialect == Dialect::Iis);
    let entry = |row: Vec<&str>| {
        if kind.is_some_and(|at| row.get(at) == Some(&"xdt transform")) {
            return None;
        }
        let name = (*row.get(file)?).to_owned();
        let verdict = verdict.and_then(|at| row.get(at)).map_or("not asked", |verdict| verdict);
        // A transform says how another file is changed; it is none itself, whatever it is called.
        let text = if dialect == Dialect::Iis {
            fs::read(folder.join(&name)).unwrap_or_default()
        } else {
            Vec::new()
        };
        if memchr::memmem::find(&text, b"xmlns:xdt=").is_some() {
            return None;
        }
        // What is wrong with it makes no table.
        let verdict = verdict.split(':').next().filter(|_| dialect == Dialect::Iis).unwrap_or(verdict);
        Some(Entry { path: folder.join(&name), name, verdict: verdict.to_owned(), dialect })
    };
    Ok(lines.filter_map(entry).collect())
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, found)?;
        } else if path.extension().is_none_or(|extension| extension != "md" && extension != "tsv") {
            found.push(path);
        }
    }
    Ok(())
}

/// Programs behind handlers of IIS, as reachable.
fn handlers() -> Vec<(String, String)> {
    HANDLERS.map(|name| (name.to_owned(), "http://127.0.0.1:1".to_owned())).to_vec()
}

fn look(path: &Path, dialect: Dialect) -> Outcome {
    let looked = catch_unwind(AssertUnwindSafe(|| {
        let mut sources = SourceMap::new();
        let parses = sources.read(path).is_ok_and(|file| {
            let found = match dialect {
                Dialect::Apache => apache::parse::parse(&sources, file).1,
                Dialect::Nginx => nginx::parse::parse(&sources, file).1,
                Dialect::Iis => {
                    let bytes = &sources.file(file).text;
                    let Ok(text) = iis::decode::recode(bytes) else { return false };
                    let text = String::from_utf8_lossy(text.as_deref().unwrap_or(bytes)).into_owned();
                    iis::xml::read(file, &text).1
                }
            };
            !load::has_errors(&found)
        });
        let mut sources = SourceMap::new();
        let request = load::Request {
            path: path.to_path_buf(),
            dialect: Some(dialect),
            options: Options {
                offline: true,
                handlers: handlers(),
                prefix: path.parent().unwrap_or(Path::new("")).to_path_buf(),
                ..Options::default()
            },
            listen: None,
        };
        let (ready, found) = load::plan(&mut sources, &request);
        let mut outcome = Outcome { parses, compiles: ready.is_some(), ..Outcome::default() };
        for one in &found {
            if REFUSALS.contains(&one.code) && one.severity > Severity::Note {
                *outcome.refused.entry(subject(&sources, one)).or_default() += 1;
            } else if one.severity == Severity::Error {
                outcome.errors.push((one.code, report::line(&sources, one)));
            }
        }
        outcome
    }));
    looked.unwrap_or(Outcome { panicked: true, ..Outcome::default() })
}

/// The directive or the variable that a finding is about.
fn subject(sources: &SourceMap, found: &Diagnostic) -> String {
    let text = found.labels.first().map(|label| String::from_utf8_lossy(sources.text(label.span)));
    let named = found.message.split('`').nth(1);
    let first = text.as_deref().and_then(|text| text.split_whitespace().next());
    named.or(first).unwrap_or(found.code).to_owned()
}

fn summary(entries: &[&Entry], outcomes: &[Outcome]) {
    let verdicts: BTreeSet<&str> = entries.iter().map(|entry| entry.verdict.as_str()).collect();
    println!("| the original | files | parse | no error | nothing refused | but on purpose | compile |");
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for verdict in verdicts.into_iter().map(Some).chain([None]) {
        let of: Vec<&Outcome> = entries
            .iter()
            .zip(outcomes)
            .filter(|(entry, _)| verdict.is_none_or(|verdict| entry.verdict == verdict))
            .map(|(_, outcome)| outcome)
            .collect();
        let count = |holds: &dyn Fn(&Outcome) -> bool| of.iter().filter(|outcome| holds(outcome)).count();
        println!(
            "| {} | {} | {} | {} | {} | {} | {} |",
            verdict.unwrap_or("all"),
            of.len(),
            count(&|one| one.parses),
            count(&|one| one.errors.is_empty() && !one.panicked),
            count(&|one| one.errors.is_empty() && !one.panicked && one.refused.is_empty()),
            count(&|one| one.errors.is_empty() && !one.panicked && one.unwanted().next().is_none()),
            count(&|one| one.compiles),
        );
    }
}

/// What stands in the way: in how many files, and in how many alone.
fn obstacles(outcomes: &[Outcome]) {
    let mut rows: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for outcome in outcomes {
        for (name, times) in &outcome.refused {
            let [files, alone, occurrences] = rows.entry(name).or_default();
            *files += 1;
            *occurrences += times;
            *alone += usize::from(outcome.refused.len() == 1 && outcome.errors.is_empty());
        }
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by_key(|(name, [files, ..])| (std::cmp::Reverse(*files), *name));
    println!("\n| not honoured | files | the only one in | occurrences |\n|---|---:|---:|---:|");
    for (name, [files, alone, occurrences]) in rows.iter().take(ROWS) {
        println!("| `{name}` | {files} | {alone} | {occurrences} |");
    }
    if rows.len() > ROWS {
        println!("| and {} more | | | |", rows.len() - ROWS);
    }
}

/// Errors by code, with one example each.
fn errors(entries: &[&Entry], outcomes: &[Outcome]) {
    let mut rows: BTreeMap<(&str, bool), (usize, &str)> = BTreeMap::new();
    for (entry, outcome) in entries.iter().zip(outcomes) {
        let codes: BTreeMap<_, _> = outcome.errors.iter().map(|(code, line)| (*code, line)).collect();
        for (code, line) in codes {
            rows.entry((code, accepted(entry))).or_insert((0, line)).0 += 1;
        }
    }
    println!("\n| error | in files that the original | files | for example |\n|---|---|---:|---|");
    for ((code, accepted), (files, line)) in rows {
        println!("| {code} | {} | {files} | {line} |", if accepted { "accepts" } else { "rejects" });
    }
}

/// Each file that does not get all the way, and why.
fn files(entries: &[&Entry], outcomes: &[Outcome]) {
    println!();
    for (entry, outcome) in entries.iter().zip(outcomes) {
        let mut why: Vec<&str> = outcome.unwanted().collect();
        why.extend(outcome.errors.iter().map(|(code, _)| *code));
        if !why.is_empty() {
            println!("{} ({}): {}", entry.name, entry.verdict, why.join(", "));
        }
    }
}

fn accepted(entry: &Entry) -> bool {
    ["pass", "ok", "well-formed"].iter().any(|verdict| entry.verdict.starts_with(verdict))
}

/// What must not be.
fn wrong(entries: &[&Entry], outcomes: &[Outcome]) -> Vec<String> {
    let mut lines = Vec::new();
    for (entry, outcome) in entries.iter().zip(outcomes) {
        let Entry { name, .. } = entry;
        if outcome.panicked {
            lines.push(format!("{name}: panicked"));
        } else if accepted(entry) && !outcome.parses {
            lines.push(format!("{name}: the original parses it"));
        }
        if accepted(entry) {
            let unknown = outcome.errors.iter().filter(|(code, _)| *code == "unknown-directive");
            lines.extend(unknown.map(|(_, line)| format!("{name}: the original knows this: {line}")));
        }
    }
    lines
}
