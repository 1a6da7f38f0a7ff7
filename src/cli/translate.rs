//! `triglot translate FILE --to DIALECT`: a configuration in the words of another server, and what is lost on the way.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{
    load::{self, Request},
    say,
};
use crate::{
    compare,
    diagnostic::{
        self, Diagnostic, Severity,
        render::{Colour, Format, render},
    },
    dialect::Dialect,
    ir,
    raise::{Losses, Notes, Shape, outline},
    source::SourceMap,
};

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
    /// Whether the output is read again and compared with the input.
    pub verify: bool,
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
pub fn run(request: &Request, options: &Options) -> ExitCode {
    let Options { to, output, format, strict, verify } = options;
    let done = translate(request, *to, *verify);
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
            let path =
                if path.is_dir() { path.join(file_name(*to, &text, &request.path)) } else { path.clone() };
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

/// The name of an output in a folder.
fn file_name(to: Dialect, text: &str, input: &Path) -> String {
    let stem =
        input.file_stem().map_or_else(|| "site".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let stem = if stem == "-" || stem.starts_with('.') || stem.eq_ignore_ascii_case("web") {
        "site".to_owned()
    } else {
        stem
    };
    match to {
        Dialect::Iis if text.contains("<system.applicationHost>") => "applicationHost.config".to_owned(),
        Dialect::Iis => "web.config".to_owned(),
        Dialect::Nginx | Dialect::Apache => format!("{stem}.conf"),
    }
}

/// Translates a file.
pub fn translate(request: &Request, to: Dialect, verify: bool) -> Translated {
    let mut sources = SourceMap::new();
    let offline = crate::dialect::Options { offline: true, ..request.options.clone() };
    let request = Request { options: offline, ..request.clone() };
    let from = match request.dialect {
        Some(dialect) => dialect,
        None => match load::detect(&mut sources, &request.path) {
            Ok(dialect) => dialect,
            Err(fault) => {
                let found = vec![fault];
                return Translated { sources, text: None, from: to, shape: Shape::Whole, found };
            }
        },
    };
    let request = Request { dialect: Some(from), ..request };
    let lowered = load::lower(&mut sources, &request);
    let wrong = load::has_errors(&lowered.found) || !lowered.sound;
    let shape =
        sources.files().next().map_or(Shape::Whole, |(_, file)| from.shape(&request.path, &file.text));
    let mut found: Vec<Diagnostic> = lowered.found;
    if wrong {
        diagnostic::sort(&mut found);
        return Translated { sources, text: None, from, shape, found };
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
    if verify {
        found.extend(differences(&mut sources, &request, to, &lowered.config, &text));
    }
    diagnostic::sort(&mut found);
    Translated { sources, text: Some(text), from, shape, found }
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

/// The requests that the output handles differently, as losses.
fn differences(
    sources: &mut SourceMap,
    request: &Request,
    to: Dialect,
    input: &ir::Config,
    text: &str,
) -> Vec<Diagnostic> {
    let folder = if request.path.is_dir() { Some(request.path.as_path()) } else { request.path.parent() };
    let path = folder.unwrap_or(Path::new("")).join(file_name(to, text, &request.path));
    sources.add(path.clone(), text.as_bytes().to_vec());
    let again = Request { path, dialect: Some(to), options: request.options.clone(), listen: None };
    let lowered = load::lower(sources, &again);
    if load::has_errors(&lowered.found) || !lowered.sound {
        let wrong = lowered.found.into_iter().filter(|one| one.severity == Severity::Error);
        return wrong
            .map(|one| {
                let message = format!("the output cannot be compared: {}", one.message);
                let mut found = Diagnostic::new(Severity::Warning, "not-compared", message);
                found.labels = one.labels;
                found
            })
            .collect();
    }
    let mut tolerance = compare::Tolerance::across();
    if [request.dialect, Some(to)].contains(&Some(Dialect::Iis)) {
        // What a server tells its own kind, unasked.
        let own = ["x-arr-log-id", "x-arr-ssl", "max-forwards", "x-original-url", "x-forwarded-for"];
        tolerance.0.extend(own.map(|name| format!("upstream field {name}")));
        tolerance.0.push("field x-powered-by".to_owned());
    }
    let options = compare::Options {
        most: REQUESTS,
        tolerance,
        lenient: true,
        reactions: false,
        groups: 20,
        ..compare::Options::default()
    };
    match compare::compare(input, &lowered.config, &options) {
        Ok(differences) => differences.iter().map(different).collect(),
        Err(faults) => faults,
    }
}

/// How many requests are made up for each side.
const REQUESTS: usize = 3000;

/// A difference as a loss: what differs, and the smallest request that shows it.
fn different(one: &compare::Difference) -> Diagnostic {
    let shown = |value: &Option<String>| {
        value.as_ref().map_or_else(|| "nothing".to_owned(), |value| format!("`{value}`"))
    };
    let change = one.changes.first();
    let what = change.map_or_else(String::new, |change| {
        format!(": {} was {}, would be {}", change.aspect, shown(&change.old), shown(&change.new))
    });
    let (severity, code, which) = if is_odd(&one.request) {
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
        one.request.shown().trim_end().replace("\r\n", " | ").replace('\n', " | ")
    ))
}

/// Whether servers of different kinds differ on a request by themselves, whatever is written: separators and dots that
/// are encoded or repeated, a host that no browser writes so, an upgrade to something unheard of.
fn is_odd(probe: &compare::Probe) -> bool {
    let path = probe.target.split(|byte| *byte == b'?').next().unwrap_or_default();
    let target = String::from_utf8_lossy(path).to_ascii_lowercase();
    // What is encoded though it need not be, or means something else than it does when it is not.
    let encoded = target.split('%').skip(1).any(|rest| {
        let byte = rest.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        byte.is_none_or(|byte| byte.is_ascii_alphanumeric() || b"%/\\?#.-_~\0".contains(&byte))
    });
    let segments = || path.split(|byte| *byte == b'/');
    let folded = target.contains("//") || segments().any(|segment| matches!(segment, b"." | b".."));
    let bare = probe.target.ends_with(b"?") || target.contains('\\');
    let usual = if probe.tls { 443 } else { 80 };
    let port = format!(":{}", probe.to.port());
    let host = probe.host.as_deref().is_none_or(|host| {
        let name = match host.strip_suffix(port.as_bytes()) {
            Some(name) if probe.to.port() != usual => name,
            _ => host,
        };
        let colon = memchr::memchr(b':', name).is_some() && !name.ends_with(b"]");
        name.is_empty() || name.iter().any(u8::is_ascii_uppercase) || colon || name.ends_with(b".")
    });
    let upgrade = probe.fields.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case(b"upgrade") && !value.eq_ignore_ascii_case(b"websocket")
    });
    let method = !["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
        .iter()
        .any(|method| method.as_bytes() == probe.method);
    encoded || folded || bare || host || upgrade || method || probe.old || !target.starts_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_is_what_browsers_do_not_send() {
        let probe = |port: u16, target: &str, host: Option<&str>| {
            let mut probe = compare::Probe::get(([192, 0, 2, 1], port).into(), false, target.as_bytes());
            probe.host = host.map(|host| host.as_bytes().to_vec());
            probe
        };
        let table = [
            (80, "/a/b?x=%2F", Some("a.test"), false),
            (80, "/.well-known/acme-challenge/x", Some("a.test"), false),
            (80, "/a%20b", Some("a.test"), false),
            (80, "/caf%C3%A9", Some("a.test"), false),
            (80, "/a+b", Some("a.test"), false),
            (8080, "/", Some("a.test:8080"), false),
            (8080, "/", Some("[::1]:8080"), false),
            (80, "/a%2Fb", Some("a.test"), true),
            (80, "/%61", Some("a.test"), true),
            (80, "/a/../b", Some("a.test"), true),
            (80, "/a//b", Some("a.test"), true),
            (80, "/a?", Some("a.test"), true),
            (80, "/", Some("a.test:80"), true),
            (80, "/", Some("A.test"), true),
            (80, "/", None, true),
        ];
        for (port, target, host, odd) in table {
            assert_eq!(is_odd(&probe(port, target, host)), odd, "{target} of {host:?}");
        }
        let options = compare::Probe { method: b"OPTIONS".to_vec(), ..probe(80, "/", Some("a.test")) };
        assert!(!is_odd(&options), "a browser asks so for leave (CORS)");
    }
}
