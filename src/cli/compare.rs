//! `triglot compare OLD NEW`: which requests two configurations handle differently.
//!
//! Exit status: 0 none, 1 some, 2 when it cannot be told, or one of the two would not start for what the other has not.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use serde_json::json;

use super::{ask::Ask, load, place, say};
use crate::{
    compare::{self, Change, Comparison, Decision, Difference, Options, Probe, Tolerance, generate},
    diagnostic::{
        Severity,
        render::{Colour, Format, render},
    },
    dialect::Dialect,
    engine::rehearse::World,
    ir::Config,
    plan::{self, Plan},
    source::{SourceMap, Span},
};

pub mod log;

/// What the command line says.
#[derive(Debug)]
pub struct Arguments {
    /// The old configuration.
    pub old: load::Request,
    /// And the new one.
    pub new: load::Request,
    /// An access log whose requests are replayed.
    pub log: Option<PathBuf>,
    /// A file of requests.
    pub requests: Option<PathBuf>,
    /// The host of requests that a log has none for.
    pub host: Option<String>,
    /// Aspects that may differ.
    pub tolerate: Vec<String>,
    /// Whether everything counts, whatever the dialects are.
    pub everything: bool,
    /// Requests to make up.
    pub most: usize,
    /// As JSON.
    pub json: bool,
    /// In colour.
    pub colour: Colour,
}

/// A configuration that was read.
pub struct Side {
    /// Its meaning, compiled.
    pub plan: Arc<Plan>,
    /// What would keep it from being started.
    faults: Vec<String>,
}

/// The language of a configuration that was read.
fn dialect(sources: &SourceMap, request: &load::Request) -> Dialect {
    let path = &request.path;
    let of_text = || {
        let (_, file) = sources.files().find(|(_, file)| file.path == *path)?;
        Some(Dialect::detect(path, &file.text))
    };
    let of_folder = || path.is_dir().then(|| Dialect::of_folder(path)).flatten();
    request.dialect.or_else(of_folder).or_else(of_text).unwrap_or(Dialect::Nginx)
}

/// Compares, and says what differs.
pub fn run(arguments: &Arguments) -> ExitCode {
    let mut sources = SourceMap::new();
    // Both are read, so that the faults of both are shown.
    let (old, new) = (read(&mut sources, &arguments.old), read(&mut sources, &arguments.new));
    let (Some(old), Some(new)) = (old, new) else { return ExitCode::from(2) };
    let (from, to) = (dialect(&sources, &arguments.old), dialect(&sources, &arguments.new));
    let across = from != to;
    let mut tolerance = if across && !arguments.everything {
        super::translate::tolerance(from, to)
    } else {
        Tolerance::default()
    };
    tolerance.0.extend(arguments.tolerate.iter().cloned());
    let mut options = Options { most: arguments.most, tolerance, lenient: across, ..Options::default() };
    if arguments.requests.is_some() || arguments.log.is_some() {
        options.most = 0;
    }
    match given(arguments, &old.plan.config) {
        Ok(requests) => options.requests = requests,
        Err(message) => {
            say::remark(format!("error: {message}\n"));
            return ExitCode::from(2);
        }
    }
    let comparison = match compare_sides(&old, &new, &options) {
        Ok(comparison) => comparison,
        Err(found) => {
            say::remark(render(&sources, &found, Format::Human, Colour::Never));
            return ExitCode::from(2);
        }
    };
    if arguments.json {
        say::result(format!("{:#}\n", as_json(&sources, &comparison)));
    } else {
        say::result(shown(&sources, &comparison, arguments.colour));
    }
    match comparison.differences.is_empty() {
        // One that starts and one that does not are not the same, whatever requests would see.
        _ if old.faults != new.faults => ExitCode::from(2),
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Compares what was read.
pub fn compare_sides(
    old: &Side,
    new: &Side,
    options: &Options,
) -> Result<Comparison, Vec<crate::diagnostic::Diagnostic>> {
    let mut probes = Vec::new();
    if options.most > 0 {
        probes.extend(generate::requests(&old.plan.config, options.most));
        probes.extend(generate::requests(&new.plan.config, options.most));
    }
    compare::compare_plans(&old.plan, &new.plan, probes, options)
}

/// Reads one side; what keeps it from being compared is said.
pub fn read(sources: &mut SourceMap, request: &load::Request) -> Option<Side> {
    let lowered = load::lower(sources, request);
    let provider = lowered.provider.clone();
    let mut found = lowered.found;
    let plan = if lowered.sound {
        match plan::compile(lowered.config) {
            Ok(mut plan) => {
                plan.provider = provider;
                Some(plan)
            }
            Err(faults) => {
                found.extend(faults);
                None
            }
        }
    } else {
        None
    };
    found.retain(|one| one.severity == Severity::Error || one.code == load::ASSUMED);
    say::remark(render(sources, &found, Format::Human, say::colour(&std::io::stderr())));
    // What stops a start need not stop a comparison: a certificate may be on another machine.
    if plan.is_some() && load::has_errors(&found) {
        let path = request.path.display();
        say::remark(format!("note: {path} would not start; it is looked at without what is wrong in it\n"));
    }
    let errors = found.iter().filter(|one| one.severity == Severity::Error);
    let faults = errors.map(|one| format!("{}: {}", one.code, one.message)).collect();
    plan.map(|plan| Side { plan: Arc::new(plan), faults })
}

/// The requests that were given.
fn given(arguments: &Arguments, config: &Config) -> Result<Vec<(Probe, u64)>, String> {
    let mut all = Vec::new();
    let virtual_world = |mut probe: Probe| {
        // The files of this machine need not be those of the server.
        probe.world = World::Files;
        probe
    };
    if let Some(path) = &arguments.requests {
        let text = if path.as_os_str() == "-" {
            std::io::read_to_string(std::io::stdin())
        } else {
            std::fs::read_to_string(path)
        };
        let text = text.map_err(|error| super::report::failed("open", path, &error))?;
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let probe = Ask::line(line).and_then(|ask| ask.probe(config));
            let probe = probe.map_err(|message| format!("{}:{}: {message}", path.display(), at + 1))?;
            all.push((virtual_world(probe), 1));
        }
    }
    if let Some(path) = &arguments.log {
        let read = log::read(path).map_err(|error| super::report::failed("open", path, &error))?;
        if read.requests.is_empty() {
            return Err(format!(
                "{} tells of no request: common, combined, W3C and JSON are read",
                path.display()
            ));
        }
        if read.skipped > 0 {
            say::remark(format!("note: {} lines of {} tell of no request\n", read.skipped, path.display()));
        }
        let usual = usual_host(config);
        for (logged, seen) in read.requests {
            let host = logged.host.or_else(|| arguments.host.clone()).or_else(|| usual.clone());
            let scheme = match (logged.tls, logged.port) {
                (Some(true), _) | (None, Some(443)) => "https://",
                (Some(false), _) | (None, Some(_)) => "http://",
                (None, None) => "",
            };
            let port = logged.port.filter(|port| !matches!(port, 80 | 443));
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            let host = host.unwrap_or_else(|| "localhost".to_owned());
            let url = if scheme.is_empty() {
                logged.target.clone()
            } else {
                format!("{scheme}{host}{port}{}", logged.target)
            };
            let ask = Ask { method: logged.method, url, fields: Vec::new(), client: logged.client };
            let Ok(mut probe) = ask.probe(config) else { continue };
            probe.host = Some(format!("{host}{port}").into_bytes());
            if let Some(agent) = logged.agent.filter(|agent| agent.is_ascii()) {
                probe.set(b"User-Agent", agent.as_bytes());
            }
            all.push((virtual_world(probe), seen));
        }
    }
    Ok(all)
}

/// The name of the first host that has one.
fn usual_host(config: &Config) -> Option<String> {
    let named = config.hosts.iter().find(|host| !host.name.is_empty() && &*host.name != b"_");
    named.map(|host| host.name.lossy().into_owned())
}

/// Differences for people.
pub fn shown(sources: &SourceMap, comparison: &Comparison, colour: Colour) -> String {
    let paint = |code: &str, text: &str| match colour {
        Colour::Always => format!("\x1b[{code}m{text}\x1b[0m"),
        Colour::Never => text.to_owned(),
    };
    let Comparison { differences, compared, seen } = comparison;
    let mut out = String::new();
    let of = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    if differences.is_empty() {
        return format!("no difference in {}\n", of(*compared, "request"));
    }
    for (at, one) in differences.iter().enumerate() {
        let Difference { changes, request, old, new, requests, seen: times } = one;
        let head = changes.iter().map(|change| change.aspect.as_str()).take(3).collect::<Vec<_>>().join(", ");
        out.push_str(&paint("1", &format!("{}. {head}", at + 1)));
        if *seen > 0 {
            let share = *times as f64 * 100.0 / *seen as f64;
            out.push_str(&format!(" — {times} of {seen} requests in the log ({share:.1}%)"));
        } else if *requests > 1 {
            out.push_str(&format!(" — {} show it", of(*requests, "request")));
        }
        out.push_str(&format!("\n   {}\n", paint("36", &request.shown())));
        let (before, after) = one.places();
        for (word, code, decision, span) in [("old", "31", old, before), ("new", "32", new, after)] {
            out.push_str(&format!("   {}  {}\n", paint(code, word), decided(decision)));
            if let Some(span) = span {
                let (place, line) = (place::place(sources, span), place::line(sources, span));
                out.push_str(&format!("        {} {}\n", paint("2", &format!("{place}:")), line));
            }
        }
        for Change { aspect, old, new } in changes {
            let text = |value: &Option<String>| value.as_deref().map_or("(none)".to_owned(), cut);
            out.push_str(&format!("        {aspect}: {} → {}\n", text(old), text(new)));
        }
        out.push('\n');
    }
    out.push_str(&format!("{} in {}\n", of(differences.len(), "difference"), of(*compared, "request")));
    out
}

/// A text that is cut where it is long.
fn cut(text: &str) -> String {
    const LONGEST: usize = 120;
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// A decision in a sentence.
pub fn decided(decision: &Decision) -> String {
    let get = |name: &str| decision.aspects.get(name).map_or("", String::as_str);
    match get("outcome") {
        "forward" => {
            let protocol = get("upstream protocol");
            let upgrade = if get("upgrade") == "tunnel" { ", WebSocket passes" } else { "" };
            format!(
                "forwards to {protocol}://{} as {} {} {}{upgrade}",
                get("upstream"),
                get("upstream method"),
                get("upstream target"),
                get("upstream version"),
            )
        }
        "answer" => {
            let location = get("field location");
            let more = if location.is_empty() { String::new() } else { format!(" to {location}") };
            format!("answers {}{more}", get("status"))
        }
        "file" => format!("sends the file {}", get("file")),
        "listing" => format!("lists the folder {}", get("file")),
        "close" => "closes the connection".to_owned(),
        other => other.to_owned(),
    }
}

/// Differences for programs.
pub fn as_json(sources: &SourceMap, comparison: &Comparison) -> serde_json::Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let side = |decision: &Decision| {
        let span = decision.place().unwrap_or(Span::NONE);
        json!({"place": place::json(sources, span), "aspects": decision.aspects, "says": decided(decision)})
    };
    let differences = comparison.differences.iter().map(|one| {
        let Difference { changes, request, old, new, requests, seen } = one;
        let changes: Vec<_> = changes
            .iter()
            .map(|Change { aspect, old, new }| json!({"aspect": aspect, "old": old, "new": new}))
            .collect();
        let fields: Vec<_> =
            request.fields.iter().map(|(name, value)| json!([text(name), text(value)])).collect();
        json!({
            "changes": changes,
            "request": {
                "shown": request.shown(),
                "method": text(&request.method),
                "target": text(&request.target),
                "host": request.host.as_deref().map(text),
                "fields": fields,
                "client": request.client,
                "to": request.to,
                "tls": request.tls,
            },
            "old": side(old),
            "new": side(new),
            "requests": requests,
            "seen": seen,
        })
    });
    json!({
        "compared": comparison.compared,
        "seen": comparison.seen,
        "differences": differences.collect::<Vec<_>>(),
    })
}
