//! `triglot translate FILE --to DIALECT`: a configuration in the words of another server, and what is lost on the way.

mod live;
mod unsaid;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{
    load::{self, Request},
    run, say,
};
use crate::{
    compare,
    diagnostic::{
        self, Diagnostic, Severity,
        render::{Colour, Format, render},
    },
    dialect::Dialect,
    ir::{self, Template, Text},
    raise::{Losses, Notes, Shape, outline},
    source::SourceMap,
};
pub use live::{Replayed, Whose};
pub use unsaid::{Unsaid, unsaid};

/// How to translate.
#[derive(Clone, Debug)]
pub struct Options {
    /// The language of the output.
    pub to: Dialect,
    /// Where it is written; standard output when not given.
    pub output: Option<PathBuf>,
    /// How losses are reported.
    pub format: Format,
    /// Whether nothing is written when something is lost.
    pub strict: bool,
    /// How the output is compared with the input.
    pub verify: Verify,
}

/// How an output is compared with its input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verify {
    /// Not at all.
    No,
    /// What it means, read again, with what the input means.
    Meaning,
    /// That, and what the servers do: this program, for what is not installed.
    Live(PathBuf),
}

/// What came of a translation.
#[derive(Debug)]
pub struct Translated {
    /// The files it was read from.
    pub sources: SourceMap,
    /// The text; none when the input cannot be read.
    pub text: Option<String>,
    /// The language of the input.
    pub from: Dialect,
    /// How much of a configuration it is.
    pub shape: Shape,
    /// What is lost, what is worth knowing, and what was wrong with the input.
    pub found: Vec<Diagnostic>,
    /// What came of a replay, where one was asked for.
    pub replayed: Option<Replayed>,
}

impl Translated {
    /// Whether something is lost.
    pub fn is_lossy(&self) -> bool {
        self.found.iter().any(|one| one.severity == Severity::Warning)
    }

    /// Whether the input is wrong.
    pub fn is_wrong(&self) -> bool {
        self.text.is_none() || load::has_errors(&self.found)
    }
}

/// Translates a file: exit status 0 when nothing is lost, 3 when something is, 1 when the file is wrong.
pub fn main(request: &Request, options: &Options) -> ExitCode {
    let Options { to, output, format, strict, verify } = options;
    let done = translate(request, *to, verify);
    let colour = if *format == Format::Human { say::colour(&std::io::stderr()) } else { Colour::Never };
    say::remark(render(&done.sources, &done.found, *format, colour));
    let wrong = done.is_wrong();
    let lossy = done.is_lossy();
    let Some(text) = done.text.filter(|_| !wrong) else { return ExitCode::FAILURE };
    if lossy && *strict {
        if *format == Format::Human {
            say::remark("nothing is written: something would be lost\n");
        }
        return ExitCode::from(3);
    }
    match output {
        None => say::result(text),
        Some(path) => {
            // A name with a slash at its end is a folder's, whether it is there yet or not.
            let folder = path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/");
            let path = if folder { path.join(file_name(*to, &text, &request.path)) } else { path.clone() };
            if let Some(input) = done.sources.files().find(|(_, file)| is_same(&file.path, &path)) {
                let input = input.1.path.display();
                say::remark(format!("error: nothing is written: {input} is what is translated\n"));
                return ExitCode::from(2);
            }
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let written =
                parent.map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, text));
            if let Err(error) = written {
                say::remark(format!("error: {}\n", super::report::failed("write", &path, &error)));
                return ExitCode::FAILURE;
            }
        }
    }
    if lossy { ExitCode::from(3) } else { ExitCode::SUCCESS }
}

/// Whether two paths lead to one file.
fn is_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// The name of an output in a folder: what the target's users call such a file. A name that says of a whole configuration no
/// more than whose it is becomes that of the target; that of a site is kept.
fn file_name(to: Dialect, text: &str, input: &Path) -> String {
    const WHOLE: [&str; 5] = ["nginx", "httpd", "apache2", "apache", "applicationhost"];
    let stem = input.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let lower = stem.to_ascii_lowercase();
    let stem = if stem.is_empty() || stem == "-" || stem.starts_with('.') || lower == "web" {
        "site"
    } else if WHOLE.contains(&lower.as_str()) {
        match to {
            Dialect::Nginx => "nginx",
            Dialect::Apache => "httpd",
            Dialect::Iis => "web",
        }
    } else {
        &stem
    };
    match to {
        Dialect::Iis if text.contains("<system.applicationHost>") => "applicationHost.config".to_owned(),
        Dialect::Iis => "web.config".to_owned(),
        Dialect::Nginx | Dialect::Apache => format!("{stem}.conf"),
    }
}

/// Translates a file.
pub fn translate(request: &Request, to: Dialect, verify: &Verify) -> Translated {
    let mut sources = SourceMap::new();
    // Where servers are replayed they belong to root, who listens on port 80 where no other is written.
    let root = request.options.root || matches!(verify, Verify::Live(_));
    let offline = crate::dialect::Options { offline: true, root, ..request.options.clone() };
    let request = Request { options: offline, ..request.clone() };
    let mut assumed = None;
    let from = match request.dialect {
        Some(dialect) => dialect,
        None => match load::detect(&mut sources, &request.path) {
            Ok((dialect, note)) => {
                assumed = note;
                dialect
            }
            Err(fault) => {
                let found = vec![fault];
                return Translated {
                    sources,
                    text: None,
                    from: to,
                    shape: Shape::Whole,
                    found,
                    replayed: None,
                };
            }
        },
    };
    let request = Request { dialect: Some(from), ..request };
    let lowered = load::lower(&mut sources, &request);
    let wrong = load::has_errors(&lowered.found) || !lowered.sound;
    let shape =
        sources.files().next().map_or(Shape::Whole, |(_, file)| from.shape(&request.path, &file.text));
    let mut found: Vec<Diagnostic> = lowered.found;
    found.extend(assumed);
    if wrong {
        diagnostic::sort(&mut found);
        return Translated { sources, text: None, from, shape, found, replayed: None };
    }
    let (text, losses) = print(from, to, &lowered.config, &sources, shape, &request);
    // What has no effect here is not in the output either.
    for one in &mut found {
        match one.code {
            "inert-directive" | "listen-added" | "htaccess-alone" => one.severity = Severity::Note,
            "not-yet-honoured" | "not-honoured" => {}
            _ if one.severity == Severity::Warning && !one.code.starts_with("refused") => {
                one.severity = Severity::Note;
            }
            _ => {}
        }
    }
    found.extend(losses.findings());
    let mut replayed = None;
    let read = files(&sources);
    let (path, again) = read_again(&mut sources, &request, to, &text);
    if not_compared(&again).is_none() {
        let silent = unsaid(&lowered.config, &again.config, &losses, &sources);
        found.extend(unsaid::findings(&silent, &sources));
    }
    if *verify != Verify::No {
        let given = live::Given {
            dialect: from,
            shape,
            files: read,
            prefix: request.options.prefix.clone(),
            handlers: request.options.handlers.clone(),
            config: &lowered.config,
        };
        if let Some(wrong) = not_compared(&again) {
            found.extend(wrong);
        } else {
            let mut apart = compared(from, to, &lowered.config, &again.config, REQUESTS);
            if let (Shape::Inside, Ok(apart)) = (shape, &mut apart) {
                apart.retain(|one| !is_around(one));
            }
            if let Ok(apart) = &mut apart {
                apart.retain(|one| !is_of_octets(one));
            }
            if let (Shape::Inside | Shape::Servers, Ok(apart)) = (shape, &mut apart) {
                apart.retain(|one| !is_type_of_around(one, [&lowered.config, &again.config]));
            }
            found.extend(told(&lowered.config, apart));
            if let Verify::Live(own) = verify {
                // Beside the input, which may have the same name.
                let mut main = run::absolute(&path);
                if to != Dialect::Iis {
                    main.set_file_name("triglot-replay-output.conf");
                }
                let output = live::Given {
                    dialect: to,
                    shape,
                    files: vec![(main, text.clone())],
                    prefix: request.options.prefix.clone(),
                    handlers: Vec::new(),
                    config: &again.config,
                };
                let done = live::replay(own, &given, &output);
                found.extend(done.found.iter().cloned());
                replayed = Some(done);
            }
        }
    }
    diagnostic::sort(&mut found);
    Translated { sources, text: Some(text), from, shape, found, replayed }
}

/// The files that were read, the main one first.
fn files(sources: &SourceMap) -> Vec<(PathBuf, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    sources.files().map(|(_, file)| (run::absolute(&file.path), text(&file.text))).collect()
}

/// Raises and prints a configuration.
pub fn print(
    from: Dialect,
    to: Dialect,
    config: &ir::Config,
    sources: &SourceMap,
    shape: Shape,
    request: &Request,
) -> (String, Losses) {
    let plain = plain(from, request);
    let notes = Notes::new(sources).with_names(from.setting_names());
    let mut losses = Losses::default();
    let mut outline = outline(config, plain.as_ref(), &notes, &mut losses);
    if !to.enters_blocks() {
        outline.inline_forwards();
    }
    let text = to.render(&outline, &notes, &mut losses, shape);
    (text, losses)
}

/// What an empty configuration means, in languages that write defaults into programs.
fn plain(from: Dialect, request: &Request) -> Option<ir::Config> {
    if from != Dialect::Iis {
        return None;
    }
    let mut sources = SourceMap::new();
    let name = if request.path.is_dir() { request.path.join("web.config") } else { request.path.clone() };
    sources.add(name.clone(), b"<configuration><system.webServer/></configuration>".to_vec());
    Some(from.read(&mut sources, &name, &request.options).config)
}

/// Reads an output as if it stood beside the input.
fn read_again(
    sources: &mut SourceMap,
    request: &Request,
    to: Dialect,
    text: &str,
) -> (PathBuf, load::Lowered) {
    let folder = if request.path.is_dir() { Some(request.path.as_path()) } else { request.path.parent() };
    let path = folder.unwrap_or(Path::new("")).join(file_name(to, text, &request.path));
    sources.add(path.clone(), text.as_bytes().to_vec());
    let again =
        Request { path: path.clone(), dialect: Some(to), options: request.options.clone(), listen: None };
    let lowered = load::lower(sources, &again);
    (path, lowered)
}

/// Why an output cannot be compared.
fn not_compared(lowered: &load::Lowered) -> Option<Vec<Diagnostic>> {
    if !load::has_errors(&lowered.found) && lowered.sound {
        return None;
    }
    let wrong = lowered.found.iter().filter(|one| one.severity == Severity::Error);
    let told = wrong.map(|one| {
        let message = format!("the output cannot be compared: {}", one.message);
        let mut found = Diagnostic::new(Severity::Warning, "not-compared", message);
        found.labels.clone_from(&one.labels);
        found
    });
    Some(told.collect())
}

/// What may differ between servers of two languages.
pub fn tolerance(from: Dialect, to: Dialect) -> compare::Tolerance {
    let mut tolerance = compare::Tolerance::across();
    if [from, to].contains(&Dialect::Iis) {
        // What a server tells its own kind, unasked.
        let own = ["x-arr-log-id", "x-arr-ssl", "max-forwards", "x-original-url", "x-forwarded-for"];
        tolerance.0.extend(own.map(|name| format!("upstream field {name}")));
        tolerance.0.extend(["field x-powered-by", "on *: field x-powered-by"].map(str::to_owned));
    }
    tolerance
}

/// The requests, of at most so many made up for each, that the output handles differently, as losses.
pub fn differences(
    from: Dialect,
    to: Dialect,
    input: &ir::Config,
    output: &ir::Config,
    most: usize,
) -> Vec<Diagnostic> {
    told(input, compared(from, to, input, output, most))
}

type Differences = Result<Vec<compare::Difference>, Vec<Diagnostic>>;

fn compared(from: Dialect, to: Dialect, input: &ir::Config, output: &ir::Config, most: usize) -> Differences {
    let options = compare::Options {
        most,
        tolerance: tolerance(from, to),
        lenient: true,
        reactions: compare::Reactions::Places,
        groups: 20,
        ..compare::Options::default()
    };
    compare::compare(input, output, &options)
}

/// Differences as findings.
fn told(input: &ir::Config, apart: Differences) -> Vec<Diagnostic> {
    let limited = limits_content(input);
    match apart {
        Ok(differences) => differences
            .iter()
            .map(|one| {
                let mut found = different(one);
                if !limited && is_of_length(one) {
                    // How much content is taken where nobody says it is the servers' own affair.
                    (found.severity, found.code) = (Severity::Note, "servers-differ");
                }
                found
            })
            .collect(),
        Err(faults) => faults,
    }
}

/// Whether a request is none of a part's: nothing in it decided, and in the output nothing but the server itself did.
fn is_around(one: &compare::Difference) -> bool {
    let aspect =
        |decision: &compare::Decision, name: &str| decision.aspects.get(name).cloned().unwrap_or_default();
    let itself = |decision: &compare::Decision| match aspect(decision, "outcome").as_str() {
        "file" => true,
        "answer" => {
            aspect(decision, "status").starts_with('4')
                || !matches!(one.request.method.as_slice(), b"GET" | b"HEAD" | b"POST")
        }
        _ => false,
    };
    one.places().0.is_none_or(|place| !place.is_known()) && itself(&one.old) && itself(&one.new)
}

/// Whether all that differs is whether octets are called so (RFC 9110 § 8.3: what has no type may be taken for them).
fn is_of_octets(one: &compare::Difference) -> bool {
    let is = |change: &compare::Change| match (&change.old, &change.new) {
        (Some(value), None) | (None, Some(value)) => {
            change.aspect == "field content-type" && value == "application/octet-stream"
        }
        _ => false,
    };
    !one.changes.is_empty() && one.changes.iter().all(is)
}

/// Whether all that differs is that a file has a type that nobody wrote, and none on the other side: what types there are
/// is said for a whole server.
fn is_type_of_around(one: &compare::Difference, sides: [&ir::Config; 2]) -> bool {
    let unwritten = |value: &str| {
        sides.iter().any(|config| {
            let answer = &config.base.answer;
            let default = answer.default_type.iter().any(|default| *default == Template::text(value));
            default || answer.types.iter().flatten().any(|(_, kind)| *kind == Text::from(value))
        })
    };
    let is = |change: &compare::Change| match (&change.old, &change.new) {
        (Some(value), None) | (None, Some(value)) => {
            change.aspect == "field content-type" && unwritten(value)
        }
        _ => false,
    };
    !one.changes.is_empty() && one.changes.iter().all(is)
}

/// How many requests are made up for each side.
const REQUESTS: usize = 3000;

/// Whether somebody wrote how much content a request may have.
fn limits_content(config: &ir::Config) -> bool {
    let mut limited = false;
    ir::walk::config(config, &mut |item, _| {
        if let ir::walk::Item::Settings(settings) = item {
            // A language that writes its default everywhere says no more by it.
            let length = settings.content.max_length;
            limited |= length.is_some() && length != config.base.content.max_length;
        }
    });
    limited
}

/// Whether one side refuses a request for the length of its content alone.
fn is_of_length(one: &compare::Difference) -> bool {
    let refuses =
        |decision: &compare::Decision| decision.aspects.get("status").is_some_and(|status| status == "413");
    let has_length = one.request.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"content-length"));
    has_length && refuses(&one.old) != refuses(&one.new)
}

/// Whether all that differs is how a server by itself answers a method that a file does not take: 405, or what is allowed.
fn is_own_method(one: &compare::Difference) -> bool {
    let refuses = |decision: &compare::Decision| {
        decision.aspects.get("status").is_some_and(|status| status == "405")
            && !decision.aspects.contains_key("content")
    };
    let files = |decision: &compare::Decision| {
        matches!(decision.aspects.get("outcome").map(String::as_str), Some("answer" | "file"))
    };
    !matches!(one.request.method.as_slice(), b"GET" | b"HEAD")
        && (refuses(&one.old) || refuses(&one.new))
        && files(&one.old)
        && files(&one.new)
}

/// Whether one side asks for a length that a request with content would have (411).
fn is_without_length(one: &compare::Difference) -> bool {
    let asks =
        |decision: &compare::Decision| decision.aspects.get("status").is_some_and(|status| status == "411");
    asks(&one.old) != asks(&one.new)
}

/// A difference as a loss: what differs, and the smallest request that shows it.
fn different(one: &compare::Difference) -> Diagnostic {
    let shown = |value: &Option<String>| {
        value.as_ref().map_or_else(|| "nothing".to_owned(), |value| format!("`{}`", shortened(value)))
    };
    let change = one.changes.first();
    let what = change.map_or_else(String::new, |change| {
        format!(": {} was {}, would be {}", change.aspect, shown(&change.old), shown(&change.new))
    });
    let (severity, code, which) = if one.request.is_odd() || is_own_method(one) || is_without_length(one) {
        (Severity::Note, "servers-differ", "requests that few send")
    } else {
        (Severity::Warning, "different", "some requests")
    };
    let mut found = Diagnostic::new(severity, code, format!("{which} are handled differently{what}"));
    let (old, new) = one.places();
    if let Some(span) = old.filter(|span| span.is_known()) {
        found = found.label(span, "decided here");
    }
    if let Some(span) = new.filter(|span| span.is_known()) {
        found = found.label(span, "and here in the output");
    }
    for change in one.changes.iter().skip(1).take(4) {
        found = found.note(format!(
            "{} was {}, would be {}",
            change.aspect,
            shown(&change.old),
            shown(&change.new)
        ));
    }
    found.note(format!(
        "for example {}",
        shortened(&one.request.shown().trim_end().replace("\r\n", " | ").replace('\n', " | "))
    ))
}

/// A text that people can look at: the beginning and the end of one that is long.
fn shortened(text: &str) -> String {
    const MOST: usize = 400;
    const ENDS: usize = 100;
    let count = text.chars().count();
    if count <= MOST {
        return text.to_owned();
    }
    let (begin, end): (String, String) =
        (text.chars().take(ENDS).collect(), text.chars().skip(count - ENDS).collect());
    format!("{begin}...{end} ({count} characters)")
}
