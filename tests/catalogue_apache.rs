//! The catalogue and the checks against the installed Apache: where it allows directives, how many arguments it wants,
//! and what it says first of configurations with mistakes.
//!
//! Each verdict is one `apache2 -t`, which stops at the first mistake. A plain run therefore asks some of the
//! questions, chosen by the directive's name; `TRIGLOT_EXHAUSTIVE=1` asks all of them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use triglot::{
    diagnostic::Severity,
    dialect::apache::{
        catalogue::{self, Args, Place, Row},
        check, load,
    },
    source::SourceMap,
};

const APACHE: &str = "/usr/sbin/apache2";
const MODULES: &str = "/usr/lib/apache2/modules";

/// Modules that exclude others, need a library that may be absent, or are for developers.
const LEFT_OUT: &[&str] =
    &["mod_mpm_prefork", "mod_mpm_worker", "mod_bucketeer", "mod_case_filter", "mod_case_filter_in"];

/// Directives that change how the rest is read, stop, or look for what is named.
const NOT_COMPARED: &[&str] = &[
    "Error",
    "ServerRoot",
    "LoadModule",
    "LoadFile",
    "Define",
    "UnDefine",
    "Include",
    "IncludeOptional",
    "Use",
    "UndefMacro",
    "MinSpareServers",
    "MaxSpareServers",
    "<Macro>",
    "<IfModule>",
    "<IfDefine>",
    "<IfFile>",
    "<IfVersion>",
    "<IfDirective>",
    "<IfSection>",
    "DefaultRuntimeDir",
];

/// Sections whose content is another language, and directives whose reader looks around by itself.
const OWN_READER: &[&str] = &["<Lua", "Lua", "MD", "<MD"];

/// The places that are asked about, and the lines around.
const PLACES: &[(Place, &str, &str)] = &[
    (Place::Server, "", ""),
    (Place::Vhost, "<VirtualHost *:80>\n", "</VirtualHost>\n"),
    (Place::Directory, "<Directory \"/x\">\n", "</Directory>\n"),
    (Place::Location, "<Location \"/x\">\n", "</Location>\n"),
    (Place::Files, "<Files \"x\">\n", "</Files>\n"),
    (Place::If, "<If \"true\">\n", "</If>\n"),
    (Place::Limit, "<Directory \"/x\">\n<Limit GET>\n", "</Limit>\n</Directory>\n"),
    (Place::Proxy, "<Proxy \"http://x/\">\n", "</Proxy>\n"),
];

/// What is compared of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// It may not stand there; Apache's words.
    Place(String),
    /// The number of arguments is wrong; the beginning of Apache's words.
    Arguments(String),
    /// Anything else.
    Other,
}

fn verdict(message: &str) -> Verdict {
    let places = [" not allowed here", " not allowed in ", " cannot occur within ", " only used in "];
    if places.iter().any(|words| message.contains(words)) {
        return Verdict::Place(message.to_owned());
    }
    let kinds = [
        "takes one argument",
        "takes two arguments",
        "takes three arguments",
        "takes 1-2 arguments",
        "takes two or three arguments",
        "takes one, two or three arguments",
        "takes one or three arguments",
        "must be On or Off",
        "requires at least one argument",
        "requires at least two arguments",
        "takes no arguments",
    ];
    // Some directives say the same in their own words and with their own name.
    let first = message.split(',').next().unwrap_or_default();
    let found = kinds.iter().find(|kind| {
        first.ends_with(**kind) || message.ends_with(**kind) || message.contains(&format!("{kind},"))
    });
    found.map_or(Verdict::Other, |kind| Verdict::Arguments((*kind).to_owned()))
}

struct Apache {
    folder: PathBuf,
    loads: String,
}

impl Apache {
    fn installed() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("triglot-catalogue-apache-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(folder.join("logs")).unwrap();
        let mut loads = format!("ServerName localhost\nDefaultRuntimeDir {}\n", folder.display());
        let mut modules: Vec<_> = fs::read_dir(MODULES)
            .expect("Apache is installed")
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".so").map(str::to_owned))
            .filter(|stem| stem.starts_with("mod_") && !LEFT_OUT.contains(&stem.as_str()))
            .collect();
        modules.sort();
        for stem in modules {
            let id = format!("{}_module", &stem[4..]);
            let _ = writeln!(loads, "LoadModule {id} {MODULES}/{stem}.so");
        }
        Self { folder, loads }
    }

    /// What it says first of a text; nothing when it accepts it.
    fn says(&self, name: &str, text: &str) -> String {
        let file = self.folder.join(name);
        fs::write(&file, format!("{}{text}", self.loads)).unwrap();
        self.says_of(&file, &[])
    }

    fn says_of(&self, file: &Path, more: &[&str]) -> String {
        let mut command = Command::new(APACHE);
        command.arg("-d").arg(&self.folder).arg("-f").arg(file).args(more).arg("-t");
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let lines: Vec<_> =
            text.lines().filter(|line| !line.contains(":warn]") && *line != "Syntax OK").collect();
        lines.join("\n")
    }
}

/// The first error of ours.
fn ours(text: &str) -> String {
    let mut sources = SourceMap::new();
    let file = sources.add("x".into(), text.into());
    let surroundings = load::Surroundings::default();
    let loaded = load::load_text(&mut sources, file, &surroundings);
    let options = check::Options { offline: false, modules: &surroundings.modules, allowed: None };
    let found = loaded.found.into_iter().chain(check::check(&loaded.items, options));
    let mut errors = found.filter(|one| one.severity == Severity::Error);
    errors.next().map(|one| one.message).unwrap_or_default()
}

/// The line of a directive with this many words.
fn line(row: &Row, words: usize) -> String {
    let flag = row.args == Args::Flag;
    let words: Vec<_> = (0..words).map(|at| if flag { "On".to_owned() } else { format!("w{at}") }).collect();
    let words = words.join(" ");
    match row.name.strip_suffix('>') {
        Some(name) => format!("{name} {words}>\n</{}\n", &row.name[1..]),
        None => format!("{} {words}\n", row.name),
    }
}

#[test]
fn places_and_arguments_are_those_of_apache() {
    let apache = Apache::installed();
    let exhaustive = std::env::var_os("TRIGLOT_EXHAUSTIVE").is_some();
    let compared = |row: &&Row| {
        !NOT_COMPARED.contains(&row.name.as_str())
            && !OWN_READER.iter().any(|start| row.name.starts_with(start))
    };
    let rows: Vec<&Row> = catalogue::catalogue().rows().iter().filter(compared).collect();
    let (next, asked) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let differing = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let (apache, rows, next, asked, differing) = (&apache, &rows, &next, &asked, &differing);
            scope.spawn(move || {
                let name = format!("{thread}.conf");
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    for (at, (_, before, after)) in PLACES.iter().enumerate() {
                        for words in 0..4 {
                            let chosen: usize = row.name.bytes().map(usize::from).sum();
                            if !exhaustive && !(chosen + at * 4 + words).is_multiple_of(97) {
                                continue;
                            }
                            let text = format!("{before}{}{after}", line(row, words));
                            asked.fetch_add(1, Ordering::Relaxed);
                            let (real, own) = (apache.says(&name, &text), ours(&text));
                            let real = real.split_once('\n').map_or(real.as_str(), |(_, message)| message);
                            let (real_verdict, own_verdict) = (verdict(real), verdict(&own));
                            if real_verdict != own_verdict && !is_own_word(real, &real_verdict, &own_verdict)
                            {
                                differing
                                    .lock()
                                    .unwrap()
                                    .push(format!("{text}  Apache: {real}\n  ours:   {own}"));
                            }
                        }
                    }
                }
            });
        }
    });
    fs::remove_dir_all(&apache.folder).unwrap();
    let (asked, differing) = (asked.into_inner(), differing.into_inner().unwrap());
    assert!(
        differing.is_empty(),
        "{} of {asked} verdicts differ:\n{}",
        differing.len(),
        differing.join("\n")
    );
    assert!(asked > 100, "only {asked} questions");
}

/// A directive that reads its line by itself has its own words for a wrong number.
fn is_own_word(real: &str, of_real: &Verdict, of_own: &Verdict) -> bool {
    let own_reader = matches!(of_real, Verdict::Arguments(_)) && *of_own == Verdict::Other;
    let says_more = *of_real == Verdict::Other && real.contains("argument");
    own_reader && !real.contains(',') || says_more
}

/// Mistakes that are told in other words: with the value that is wrong in them, or another mistake of the line first.
const OWN_WORDS: [&str; 12] = [
    "hc_template_after",
    "hc_unknown_condition",
    "hc_unknown_template",
    "ping_zero",
    "proxy_lbmethod",
    "proxy_loadfactor",
    "proxy_location",
    "proxy_parameter",
    "proxy_status",
    "proxy_timeout",
    "rewrite_base_in_server",
    "rewrite_quotes",
];

/// Every configuration among the mistakes is refused by both, and the first mistake is the same.
#[test]
fn mistakes_are_those_of_apache() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/apache/mistakes");
    let apache = Apache::installed();
    let loads = apache.folder.join("loads.conf");
    fs::write(&loads, &apache.loads).unwrap();
    let include = format!("Include {}", loads.display());
    let mut count = 0;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        // What is refused here alone is no mistake for it.
        let ours_alone = path.file_stem().is_some_and(|stem| stem == "refused");
        if path.extension().is_none_or(|extension| extension != "conf") || ours_alone {
            continue;
        }
        count += 1;
        let files = path.with_extension("files");
        let folder = if files.is_dir() { &files } else { &folder };
        let root = format!("ServerRoot {}", folder.display());
        let real = apache.says_of(&path, &["-C", &include, "-C", &root]);
        let output = Command::new(env!("CARGO_BIN_EXE_triglot"))
            .args(["httpd", "-t", "-d"])
            .arg(folder)
            .arg("-f")
            .arg(&path)
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", path.display());
        let own = String::from_utf8_lossy(&output.stderr).into_owned();
        // The place is always the original's; the words are, but for these.
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let lines = if real.starts_with("AH00526") && !OWN_WORDS.contains(&&*stem) { 2 } else { 1 };
        let own: Vec<_> = own.lines().take(lines).collect();
        let real: Vec<_> = real.lines().take(lines).collect();
        let same = own.len() == real.len() && own.iter().zip(&real).all(|(own, real)| real.starts_with(own));
        if !same {
            wrong.push(format!("{}\n  Apache: {real:?}\n  ours:   {own:?}", path.display()));
        }
    }
    fs::remove_dir_all(&apache.folder).unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 5, "only {count} files");
}
