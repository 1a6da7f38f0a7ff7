//! The catalogue against the installed nginx: which names it knows, where it
//! allows them, how many arguments it takes.
//!
//! Each verdict is one `nginx -t`, and nginx stops at the first mistake. A plain
//! run therefore asks some of the questions, chosen by the directive's name;
//! `TRIGLOT_EXHAUSTIVE=1` asks all of them.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use triglot::{
    catalogue::{self, Directive, Kind, Level},
    ir::{
        Template,
        settings::{Settings, Value},
    },
};

/// Modules that are loaded when they are installed, and the catalogue's names for them.
const MODULES: &[(&str, &str)] = &[
    ("ngx_stream_module.so", "ngx_stream_"),
    ("ngx_mail_module.so", "ngx_mail_"),
    ("ngx_http_geoip_module.so", "ngx_http_geoip_module"),
    ("ngx_http_image_filter_module.so", "ngx_http_image_filter_module"),
    ("ngx_http_perl_module.so", "ngx_http_perl_module"),
    ("ngx_http_xslt_filter_module.so", "ngx_http_xslt_module"),
    ("ngx_stream_geoip_module.so", "ngx_stream_geoip_module"),
];

/// Modules that a distributor's nginx has not built in.
const ABSENT: &[&str] = &[
    "ngx_brotli",
    "zstd-nginx-module",
    "headers-more-nginx-module",
    "ngx_http_acme_module",
    "ngx_otel_module",
    "ngx_google_perftools_module",
    "ngx_http_v3_module",
    "ngx_http_upstream_hc_module",
];

/// Arguments that newer versions take than the one installed may have.
const NEWER: &[(&str, usize)] = &[("keepalive", 2)];

/// Directives that change how the rest is read.
const NOT_COMPARED: &[&str] = &["load_module"];

#[test]
fn contexts_and_arity_are_those_of_nginx() {
    let nginx = Nginx::installed();
    let names: BTreeSet<&str> =
        catalogue::nginx().names().filter(|name| !NOT_COMPARED.contains(name)).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let next = AtomicUsize::new(0);
    let asked = AtomicUsize::new(0);
    let mismatches = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (nginx, names, next, asked, mismatches) = (&nginx, &names, &next, &asked, &mismatches);
            scope.spawn(move || {
                let bench = Bench { nginx, file: nginx.folder.join(format!("{thread}.conf")), asked };
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = bench.compare(name);
                    mismatches.lock().unwrap().extend(found);
                }
            });
        }
    });
    fs::remove_dir_all(&nginx.folder).unwrap();
    let asked = asked.into_inner();
    let mut mismatches = mismatches.into_inner().unwrap();
    mismatches.sort();
    assert!(
        mismatches.is_empty(),
        "{} of {asked} verdicts differ:\n{}",
        mismatches.len(),
        mismatches.join("\n")
    );
    assert!(asked > 1000, "only {asked} questions were asked");
}

#[test]
fn settings_named_by_rows_take_their_values() {
    for row in catalogue::nginx() {
        let Some(setting) = &row.setting else { continue };
        let value = match row.args.scalar() {
            Some(Kind::Flag) => Value::Flag(true),
            Some(Kind::Number) => Value::Count(1),
            Some(Kind::Size | Kind::Offset) => Value::Bytes(1),
            Some(Kind::Time | Kind::Seconds) => Value::Time(Duration::from_secs(1)),
            Some(Kind::String) => Value::Template(Template::default()),
            None => panic!("{}: `{}` is no single value", row.name(), row.args),
        };
        // What may contain variables is a template whatever its kind, and a string may be one or none.
        let takes = |value: &Value| Settings::default().set(setting, value);
        let stored = takes(&value)
            || takes(&Value::Template(Template::default()))
            || (row.args.scalar() == Some(Kind::String) && takes(&Value::Text("".into())));
        assert!(stored, "{}: no setting `{setting}` takes its value", row.name());
    }
}

struct Nginx {
    folder: PathBuf,
    modules: Vec<(PathBuf, &'static str)>,
    exhaustive: bool,
}

impl Nginx {
    fn installed() -> Self {
        let version = Command::new("nginx").arg("-v").output();
        assert!(version.is_ok(), "nginx is not installed; `make test` sets it up");
        let modules =
            MODULES.iter().map(|&(file, name)| (Path::new("/usr/lib/nginx/modules").join(file), name));
        let modules = modules.filter(|(path, _)| path.exists()).collect();
        let folder = std::env::temp_dir().join(format!("triglot-catalogue-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a temporary folder can be made");
        Self { folder, modules, exhaustive: std::env::var_os("TRIGLOT_EXHAUSTIVE").is_some() }
    }

    fn has(&self, module: &str) -> bool {
        self.modules.iter().any(|&(_, name)| name == module)
    }

    /// Levels that the installed modules have.
    fn levels(&self) -> impl Iterator<Item = Level> {
        let (stream, mail) = (self.has("ngx_stream_"), self.has("ngx_mail_"));
        Level::all().filter(move |level| match level {
            Level::Stream | Level::StreamServer | Level::StreamUpstream => stream,
            Level::Mail | Level::MailServer => mail,
            Level::Mgmt | Level::OidcProvider | Level::AcmeIssuer | Level::OtelExporter => false,
            _ => true,
        })
    }

    /// Whether the directive should be known: not when it is commercial, newer, or in a module that is not there.
    fn should_know(&self, row: &Directive) -> bool {
        let dynamic = MODULES.iter().filter(|(_, name)| row.module.starts_with(name));
        let commercial = row.status.why().starts_with("part of the commercial nginx");
        row.since.is_none()
            && row.until.is_none()
            && !commercial
            && !ABSENT.contains(&row.module.as_str())
            && dynamic.fold(true, |all, (_, name)| all && self.has(name))
    }

    /// A configuration with one directive at one level.
    fn config(&self, level: Level, directive: &str) -> String {
        let mut text = String::new();
        for (module, _) in &self.modules {
            let _ = writeln!(text, "load_module {};", module.display());
        }
        if level == Level::Events {
            let _ = writeln!(text, "events {{ {directive} }}");
        } else if !directive.starts_with("events") {
            text.push_str("events { }\n");
        }
        let (before, after) = match level {
            Level::Main => ("", ""),
            Level::Http => ("http {", "}"),
            Level::Upstream => ("http { upstream triglot {", "} }"),
            Level::Server => ("http { server {", "} }"),
            Level::ServerIf => ("http { server { if ($host) {", "} } }"),
            Level::Location => ("http { server { location / {", "} } }"),
            Level::If => ("http { server { location / { if ($host) {", "} } } }"),
            Level::LimitExcept => ("http { server { location / { limit_except GET {", "} } } }"),
            Level::Stream => ("stream {", "}"),
            Level::StreamUpstream => ("stream { upstream triglot {", "} }"),
            Level::StreamServer => ("stream { server {", "} }"),
            Level::Mail => ("mail {", "}"),
            Level::MailServer => ("mail { server {", "} }"),
            Level::Events | Level::Mgmt | Level::OidcProvider | Level::AcmeIssuer | Level::OtelExporter => {
                return text;
            }
        };
        text + before + " " + directive + " " + after + "\n"
    }
}

struct Bench<'a> {
    nginx: &'a Nginx,
    file: PathBuf,
    asked: &'a AtomicUsize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Unknown,
    Misplaced,
    WrongNumber,
    Other,
}

impl Bench<'_> {
    /// What differs for one name.
    fn compare(&self, name: &str) -> Vec<String> {
        let rows: Vec<&Directive> = catalogue::nginx().rows(name).collect();
        let mut found = Vec::new();
        let main = self.ask(Level::Main, &format!("{name};"));
        if main == Verdict::Unknown {
            if rows.iter().any(|row| self.nginx.should_know(row)) {
                found.push(format!("{name}: nginx does not know it"));
            }
            return found;
        }
        for (at, level) in self.nginx.levels().enumerate() {
            let row = rows.iter().find(|row| row.contexts.contains(level));
            if row.is_some_and(|row| !self.nginx.should_know(row)) {
                continue;
            }
            let verdict = match level {
                Level::Main => main,
                _ if self.chosen(name, at, 8) => self.ask(level, &format!("{name};")),
                _ => continue,
            };
            let allowed = verdict != Verdict::Misplaced;
            if allowed != row.is_some() {
                let verdict = if allowed { "allows" } else { "does not allow" };
                found.push(format!("{name}: nginx {verdict} it in {}", level.word()));
            }
        }
        for row in rows.iter().filter(|row| self.nginx.should_know(row)) {
            found.extend(self.compare_arity(name, row));
        }
        found
    }

    fn compare_arity(&self, name: &str, row: &Directive) -> Vec<String> {
        let mut found = Vec::new();
        let Some(level) = self.nginx.levels().find(|&level| row.contexts.contains(level)) else {
            return found;
        };
        for count in (0..7).filter(|&count| self.chosen(name, count, 5) && !NEWER.contains(&(name, count))) {
            let end = if row.args.block() { " { }" } else { ";" };
            let text = format!("{name}{}{end}", " triglot".repeat(count));
            let accepted = self.ask(level, &text) != Verdict::WrongNumber;
            if accepted != row.args.accepts(count) {
                let verdict = if accepted { "takes" } else { "does not take" };
                found.push(format!("{name}: nginx {verdict} {count} arguments in {}", level.word()));
            }
        }
        found
    }

    /// Whether a plain run asks this question: one in `share`, another one for each name.
    fn chosen(&self, name: &str, question: usize, share: usize) -> bool {
        let turn: usize = name.bytes().map(usize::from).sum();
        self.nginx.exhaustive || (turn + question).is_multiple_of(share)
    }

    fn ask(&self, level: Level, directive: &str) -> Verdict {
        self.asked.fetch_add(1, Ordering::Relaxed);
        fs::write(&self.file, self.nginx.config(level, directive)).expect("a temporary file can be written");
        let output = Command::new("nginx")
            .args(["-t", "-q", "-e", "stderr", "-p"])
            .arg(&self.nginx.folder)
            .arg("-c")
            .arg(&self.file)
            .output()
            .expect("nginx is installed");
        let said = String::from_utf8_lossy(&output.stderr);
        match () {
            () if said.contains("unknown directive") => Verdict::Unknown,
            () if said.contains("directive is not allowed here") => Verdict::Misplaced,
            () if said.contains("invalid number of arguments in") => Verdict::WrongNumber,
            () => Verdict::Other,
        }
    }
}
