//! `triglot explain FILE METHOD URL`: what happens to a request, and why.
//!
//! The decision is the engine's own ([`crate::engine::rehearse`]) with somebody watching; nothing is sent.

use std::{collections::BTreeMap, fmt::Write as _, net::SocketAddr, process::ExitCode};

use serde_json::{Value, json};

use super::{ask::Ask, compare::read, load, place, say};
use crate::{
    compare::{Probe, decision},
    diagnostic::render::Colour,
    engine::{
        host::valid_host,
        rehearse::{Answer, Asked, Ending, Reaction, Rehearsal, Sent},
        trace::{Recorder, Step},
    },
    ir::{
        Address, Block, Config, Part, Template, VarId, print_setting,
        walk::{self, Item},
    },
    source::{SourceMap, Span},
};

mod why;

use why::{Choice, Near};

/// What an upstream is made to answer, so that it shows what becomes of it.
const ANSWERS: [(&str, &str); 4] = [
    ("200", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n"),
    ("302", "HTTP/1.1 302 Found\r\nLocation: {origin}/moved\r\nContent-Length: 0\r\n\r\n"),
    ("404", "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n"),
    ("500", "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n"),
];

/// A switch of protocols, as the key of the request wants it answered.
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// What the command line says.
#[derive(Debug)]
pub struct Arguments {
    /// The configuration.
    pub file: load::Request,
    /// The request.
    pub ask: Ask,
    /// As JSON.
    pub json: bool,
    /// Every step, also those that nothing came of.
    pub trace: bool,
    /// In colour.
    pub colour: Colour,
}

/// Everything there is to say about a request.
struct Story<'c> {
    sources: &'c SourceMap,
    config: &'c Config,
    rehearsal: &'c Rehearsal,
    probe: Probe,
    /// What the listener is, and whether it was not the one that the URL names.
    listener: usize,
    elsewhere: bool,
    host: Choice,
    routes: Vec<Choice>,
    steps: Vec<Step>,
    variables: Vec<(VarId, Option<Vec<u8>>)>,
    /// By group and field: the value and its place.
    settings: BTreeMap<String, (String, Span)>,
    answer: Answer,
    /// What the upstream says, and what the client is told then.
    reactions: Vec<(String, String)>,
}

/// Explains a request.
pub fn run(arguments: &Arguments) -> ExitCode {
    let mut sources = SourceMap::new();
    let Some(side) = read(&mut sources, &arguments.file) else { return ExitCode::from(2) };
    let mut probe = match arguments.ask.probe(&side.plan.config) {
        Ok(probe) => probe,
        Err(message) => {
            say::remark(format!("error: {message}\n"));
            return ExitCode::from(2);
        }
    };
    let exact = decision::listener(&side.plan, probe.to, probe.tls, false)
        .filter(|at| side.plan.config.listeners[*at].tls == probe.tls);
    let found = exact.or_else(|| decision::listener(&side.plan, probe.to, probe.tls, true));
    let found = found.or_else(|| (!side.plan.config.listeners.is_empty()).then_some(0));
    let Some(listener) = found else {
        say::remark("error: the configuration listens nowhere\n");
        return ExitCode::from(2);
    };
    if probe.host.is_none() {
        let name = why::usual_name(&side.plan.config, &side.plan.config.listeners[listener]);
        let from =
            name.as_ref().map_or("no server there has a name", |_| "the first name of the servers there");
        let name = name.unwrap_or_else(|| "localhost".to_owned());
        say::remark(format!(
            "note: the URL names no host; the request is for {name}, {from} (`http://HOST{}` asks for another)\n",
            String::from_utf8_lossy(&probe.target)
        ));
        probe.host = Some(name.into_bytes());
    }
    let rehearsal = match Rehearsal::new(std::sync::Arc::clone(&side.plan)) {
        Ok(rehearsal) => rehearsal,
        Err(error) => {
            say::remark(format!("error: {error}\n"));
            return ExitCode::from(2);
        }
    };
    let story = Story::of(&sources, &side.plan.config, &rehearsal, probe, listener, exact.is_none());
    if arguments.json {
        say::result(format!("{:#}\n", story.json(arguments.trace)));
    } else {
        say::result(story.text(arguments.trace, arguments.colour));
    }
    ExitCode::SUCCESS
}

impl<'c> Story<'c> {
    fn of(
        sources: &'c SourceMap,
        config: &'c Config,
        rehearsal: &'c Rehearsal,
        probe: Probe,
        listener: usize,
        elsewhere: bool,
    ) -> Self {
        let head = probe.head();
        let base = Asked {
            listener,
            head: &head,
            client: Some(SocketAddr::new(probe.client, 40000)),
            local: Some(probe.to),
            world: probe.world,
            reaction: Reaction::Silence,
            read: &[],
        };
        let mut recorder = Recorder::default();
        let answer = rehearsal.answer(&base, &mut recorder);
        let steps = recorder.steps;
        let host = config.host(answer.host);
        let mut name = Vec::new();
        if let Some(text) = &probe.host {
            valid_host(text, &mut name);
        }
        let visited = visited(&host.request, &steps);
        let mut read = Vec::new();
        for block in &visited {
            variables(block, &mut read);
        }
        let answered = rehearsal.answer(&Asked { read: &read, ..base }, &mut Recorder::default());
        let mut settings = BTreeMap::new();
        let common = std::iter::once(&config.common);
        let scopes =
            visited.iter().filter_map(|block| block.scope.as_ref().map(|scope| (&*scope.set, block.span)));
        for (set, around) in common.map(|set| (set, Span::NONE)).chain(scopes) {
            set.each(&mut |group, field, value| {
                let span = set.places.find(group, field).unwrap_or(around);
                let name = format!("{group}.{}", field.replace('_', "-"));
                settings.insert(name, (print_setting(config, value), span));
            });
        }
        let mut reactions = Vec::new();
        if let (Some(sent), Ending::Asked) = (&answer.sent, &answer.ending) {
            let origin = origin(sent);
            let switch = sent.upgrade.then_some(("101", SWITCH));
            for (status, text) in switch.into_iter().chain(ANSWERS) {
                let text = text.replace("{origin}", &origin);
                let reaction = Reaction::Head(text.as_bytes());
                let answer = rehearsal.answer(&Asked { reaction, ..base }, &mut Recorder::default());
                reactions.push((status.to_owned(), told(&answer)));
            }
            let answer =
                rehearsal.answer(&Asked { reaction: Reaction::Failure, ..base }, &mut Recorder::default());
            reactions.push(("no connection".to_owned(), told(&answer)));
        }
        Self {
            host: why::host(config, &config.listeners[listener], answer.host, &name),
            routes: why::routes(host, &steps),
            variables: answered.values,
            sources,
            config,
            rehearsal,
            probe,
            listener,
            elsewhere,
            steps,
            settings,
            answer,
            reactions,
        }
    }

    fn place(&self, span: Span) -> String {
        place::place(self.sources, span)
    }

    fn listening(&self) -> String {
        let listener = &self.config.listeners[self.listener];
        let address = match &listener.address {
            Address::Tcp(address) => address.to_string(),
            Address::Unix(path) => format!("unix:{}", path.display()),
        };
        format!("{address}{}", if listener.tls { " with TLS" } else { "" })
    }

    fn text(&self, trace: bool, colour: Colour) -> String {
        let paint = |code: &str, text: &str| match colour {
            Colour::Always => format!("\x1b[{code}m{text}\x1b[0m"),
            Colour::Never => text.to_owned(),
        };
        let title = |text: &str| paint("1", text);
        let dim = |span: Span| {
            let place = self.place(span);
            if place.is_empty() { String::new() } else { paint("2", &format!("  {place}")) }
        };
        let mut out = String::new();
        let _ = writeln!(out, "{}", paint("36", &self.probe.shown()));
        let _ = writeln!(out, "{}", title("listener"));
        let listener = &self.config.listeners[self.listener];
        let _ = writeln!(out, "  {}{}", self.listening(), dim(listener.span));
        if self.elsewhere {
            let _ = writeln!(
                out,
                "  nobody listens where the URL leads ({}): this one is taken instead",
                self.probe.to
            );
        }
        let _ = writeln!(out, "{}", title("host"));
        let name = &self.config.host(self.answer.host).name;
        let name = if name.is_empty() { "(without a name)".to_owned() } else { name.to_string() };
        let _ = writeln!(out, "  {name}: {}{}", reason(&self.host), dim(self.host.span));
        self.near(&self.host.near, &mut out, &paint);
        for choice in &self.routes {
            let _ = writeln!(out, "{}", title("route"));
            let what = if choice.pattern.is_empty() { "none" } else { &choice.pattern };
            let _ = writeln!(out, "  \"{}\" → {what}: {}{}", choice.subject, choice.why, dim(choice.span));
            self.near(&choice.near, &mut out, &paint);
        }
        let _ = writeln!(out, "{}", title("steps"));
        for line in self.steps(trace) {
            let (span, words) = line;
            if span.is_known() {
                let (place, line) = (self.place(span), place::line(self.sources, span));
                let _ = writeln!(out, "  {} {line}", paint("2", &format!("{place}:")));
            }
            if !words.is_empty() {
                let _ = writeln!(out, "      {words}");
            }
        }
        if !self.variables.is_empty() {
            let _ = writeln!(out, "{}", title("variables read"));
            for (var, value) in &self.variables {
                let var = self.config.var(*var);
                let value = value
                    .as_ref()
                    .map_or("(missing)".to_owned(), |value| format!("\"{}\"", value.escape_ascii()));
                let _ = writeln!(out, "  ${} = {value}{}", var.name, dim(var.span));
            }
        }
        if !self.settings.is_empty() {
            let _ = writeln!(out, "{}", title("settings in force that were written"));
            for (name, (value, span)) in &self.settings {
                let mut lines = value.lines();
                let first = lines.next().unwrap_or_default().trim();
                let first = if trace { first.to_owned() } else { abridged(first) };
                let _ = writeln!(out, "  {name} {first}{}", dim(*span));
                for line in lines.take(if trace { usize::MAX } else { 8 }) {
                    let _ = writeln!(out, "      {}", line.trim());
                }
            }
        }
        self.ending(&mut out, &title);
        if !self.reactions.is_empty() {
            let _ = writeln!(out, "{}", title("the client gets, when the upstream answers"));
            for (status, told) in &self.reactions {
                let mut lines = told.lines();
                let _ = writeln!(out, "  {status}: {}", lines.next().unwrap_or_default());
                for line in lines {
                    let _ = writeln!(out, "      {line}");
                }
            }
        }
        out
    }

    fn near(&self, near: &[Near], out: &mut String, paint: &dyn Fn(&str, &str) -> String) {
        for Near { span, pattern, why } in near {
            let place = paint("2", &self.place(*span));
            let _ = writeln!(out, "    not {pattern}: {why}  {place}");
        }
    }

    fn ending(&self, out: &mut String, title: &dyn Fn(&str) -> String) {
        if let Some(sent) = &self.answer.sent {
            let to = if sent.endpoints.is_empty() {
                String::from_utf8_lossy(&sent.authority).into_owned()
            } else {
                sent.endpoints.join(", ")
            };
            let protocol = if sent.tls {
                format!("{} over TLS", sent.protocol.group())
            } else {
                sent.protocol.group().to_owned()
            };
            let _ = writeln!(out, "{}", title(&format!("request to the upstream: {to} ({protocol})")));
            if let Some(name) = &sent.server_name {
                let _ = writeln!(out, "  the certificate is asked for as \"{}\"", name.escape_ascii());
            }
            for line in head_lines(&sent.head) {
                let _ = writeln!(out, "  {line}");
            }
        }
        match &self.answer.ending {
            Ending::Asked => {}
            Ending::File { name, head } => {
                let what = if head.is_empty() { "" } else { "sends the file " };
                let _ = writeln!(out, "{}", title(&format!("{what}{}", name.escape_ascii())));
            }
            Ending::Listing(name) => {
                let _ = writeln!(out, "{}", title(&format!("lists the folder {}", name.escape_ascii())));
            }
            Ending::Closed => {
                let _ = writeln!(out, "{}", title("closes the connection without an answer"));
            }
            Ending::Answered(_) | Ending::Tunnel(_) => {
                let _ = writeln!(out, "{}", title("answers"));
            }
        }
        if let Ending::Answered(bytes) | Ending::Tunnel(bytes) | Ending::File { head: bytes, .. } =
            &self.answer.ending
        {
            for line in head_lines(bytes).take(60) {
                let _ = writeln!(out, "  {line}");
            }
        }
    }

    /// Steps to show: places with what happened there.
    fn steps(&self, trace: bool) -> Vec<(Span, String)> {
        let plan = self.rehearsal.plan();
        let mut lines: Vec<(Span, String)> = Vec::new();
        for step in &self.steps {
            let words = step.words(plan);
            let nothing = match step {
                Step::At(_) => true,
                Step::Matched { outcome, .. } => *outcome == Ok(false),
                Step::Tested { holds, .. } => !holds,
                _ => false,
            };
            if nothing && !trace {
                continue;
            }
            let known = |span: Span| {
                lines.last().is_some_and(|(last, _)| (last.file, last.start) == (span.file, span.start))
            };
            match words {
                None if known(step.span()) => {}
                None => lines.push((step.span(), String::new())),
                Some(words) => lines.push((step.span(), words)),
            }
        }
        lines
    }

    fn json(&self, trace: bool) -> Value {
        let at = |span: Span| place::json(self.sources, span);
        let choice = |choice: &Choice| {
            let near: Vec<Value> = choice
                .near
                .iter()
                .map(|near| json!({"pattern": near.pattern, "why": near.why, "place": at(near.span)}))
                .collect();
            json!({
                "subject": choice.subject,
                "pattern": choice.pattern,
                "why": choice.why,
                "place": at(choice.span),
                "near": near,
            })
        };
        let steps: Vec<Value> = self
            .steps(trace)
            .into_iter()
            .map(|(span, words)| json!({"place": at(span), "says": words}))
            .collect();
        let variables: BTreeMap<String, Option<String>> = self
            .variables
            .iter()
            .map(|(var, value)| {
                let value = value.as_ref().map(|value| String::from_utf8_lossy(value).into_owned());
                (self.config.var(*var).name.to_string(), value)
            })
            .collect();
        let settings: BTreeMap<&String, Value> = self
            .settings
            .iter()
            .map(|(name, (value, span))| (name, json!({"value": value, "place": at(*span)})))
            .collect();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let upstream = self.answer.sent.as_ref().map(|sent| {
            json!({
                "protocol": sent.protocol.group(),
                "tls": sent.tls,
                "authority": text(&sent.authority),
                "endpoints": sent.endpoints,
                "head": text(&sent.head),
                "upgrade": sent.upgrade,
                "server_name": sent.server_name.as_deref().map(text),
            })
        });
        let (kind, bytes) = match &self.answer.ending {
            Ending::Asked => ("forward", None),
            Ending::Answered(bytes) => ("answer", Some(text(bytes))),
            Ending::File { head, .. } => ("file", Some(text(head))),
            Ending::Listing(name) => ("listing", Some(text(name))),
            Ending::Tunnel(bytes) => ("tunnel", Some(text(bytes))),
            Ending::Closed => ("close", None),
        };
        let file = match &self.answer.ending {
            Ending::File { name, .. } => Some(text(name)),
            _ => None,
        };
        let reactions: BTreeMap<&String, &String> =
            self.reactions.iter().map(|(status, told)| (status, told)).collect();
        json!({
            "request": self.probe.shown(),
            "listener": {"address": self.listening(), "elsewhere": self.elsewhere, "place": at(self.config.listeners[self.listener].span)},
            "host": choice(&self.host),
            "routes": self.routes.iter().map(choice).collect::<Vec<_>>(),
            "steps": steps,
            "variables": variables,
            "settings": settings,
            "upstream": upstream,
            "ending": {"kind": kind, "bytes": bytes, "file": file},
            "answers": reactions,
        })
    }
}

/// As much of a value as is read; `--trace` and `--json` have all of it.
fn abridged(value: &str) -> String {
    const MOST: usize = 200;
    match value.char_indices().nth(MOST) {
        None => value.to_owned(),
        Some((at, _)) => format!("{}… ({} characters)", &value[..at], value.chars().count()),
    }
}

/// Why a host answers.
fn reason(choice: &Choice) -> String {
    if choice.pattern.is_empty() {
        choice.why.clone()
    } else {
        format!("\"{}\" is {} ({})", choice.subject, choice.why, choice.pattern)
    }
}

/// How the upstream was addressed.
fn origin(sent: &Sent) -> String {
    let scheme = if sent.tls { "https" } else { "http" };
    let host = head_lines(&sent.head).find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("host").then(|| value.to_owned())
    });
    format!("{scheme}://{}", host.unwrap_or_else(|| String::from_utf8_lossy(&sent.authority).into_owned()))
}

/// The lines of a head, and of a short text behind it.
fn head_lines(head: &[u8]) -> impl Iterator<Item = String> {
    let text = String::from_utf8_lossy(head).into_owned();
    let lines: Vec<String> = text
        .trim_end()
        .lines()
        .map(|line| line.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'"))
        .collect();
    lines.into_iter()
}

/// What the client is told: the head without what every answer has.
fn told(answer: &Answer) -> String {
    match &answer.ending {
        Ending::Asked => "another upstream is asked".to_owned(),
        Ending::Closed => "the connection is closed".to_owned(),
        Ending::Listing(name) => format!("the folder {} is listed", name.escape_ascii()),
        Ending::File { name, .. } => format!("the file {}", name.escape_ascii()),
        Ending::Answered(bytes) | Ending::Tunnel(bytes) => {
            let end = memchr::memmem::find(bytes, b"\r\n\r\n").unwrap_or(bytes.len());
            let usual = ["date", "server", "content-length", "connection", "keep-alive"];
            let lines = head_lines(&bytes[..end]).filter(|line| {
                let name = line.split(':').next().unwrap_or_default();
                !usual.iter().any(|usual| name.eq_ignore_ascii_case(usual))
            });
            let word = if matches!(answer.ending, Ending::Tunnel(_)) {
                " — the connection becomes a tunnel"
            } else {
                ""
            };
            let all: Vec<String> = lines.collect();
            match all.split_first() {
                Some((first, rest)) => [&[format!("{first}{word}")], rest].concat().join("\n"),
                None => String::new(),
            }
        }
    }
}

/// The blocks that ran, in the order of the program.
fn visited<'c>(block: &'c Block, steps: &[Step]) -> Vec<&'c Block> {
    let ran = |span: Span| {
        !span.is_known()
            || steps.iter().any(|step| {
                let at = step.span();
                (at.file, at.start, at.end) == (span.file, span.start, span.end)
            })
    };
    let mut all = Vec::new();
    walk::block(block, false, &mut |item, _| {
        if let Item::Block(block, _) = item
            && ran(block.span)
        {
            all.push(block);
        }
    });
    all
}

/// The variables that a block's own steps and settings speak of, in order.
fn variables(block: &Block, into: &mut Vec<VarId>) {
    let mut depth = 0;
    walk::block(block, false, &mut |item, _| match item {
        Item::Block(..) => depth += 1,
        Item::Template(template) if depth == 1 => of_template(template, into),
        _ => {}
    });
}

fn of_template(template: &Template, into: &mut Vec<VarId>) {
    for part in &template.0 {
        match part {
            Part::Var(var) if !into.contains(var) => into.push(*var),
            Part::Escape(_, inner) => of_template(inner, into),
            Part::Start { of, before: other } | Part::Rest { of, after: other } => {
                of_template(of, into);
                of_template(other, into);
            }
            Part::Var(_) | Part::Text(_) | Part::Attr(_) | Part::Capture(..) => {}
        }
    }
}
