//! `ErrorLogFormat`, and how bad lines have to be: `LogLevel`.
//!
//! Observed (2.4.71): a field, which begins at a space or at `% `, is left out when one of its directives says nothing,
//! a message in it as well; a space behind a backslash begins none. `\` keeps the next byte; names in braces that mean
//! nothing are ignored. The request's form is written before the first line about a request, the connection's before
//! the first one about a connection. A level without a module takes back what was said of modules, in the same section
//! or outside.
//!
//! Lines here are about topics, which are called as the modules that speak of them are; there is no level below
//! `debug`, no code of an error beside the message, and no number for a thread but the system's.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/core.html#errorlogformat>

use super::{
    super::{
        super::{expr::lower::written, tree::Directive, tree::Written},
        Cx, Section,
    },
    level_of,
};
use crate::{
    diagnostic::Diagnostic,
    dialect::apache::catalogue::catalogue,
    ir::{
        Attr, Template,
        settings::{
            ErrorForm, ErrorLines, ErrorPiece, ErrorWord, Level, Levels, Missing, Setting as _, Topic,
        },
    },
};

/// What topics are called: the module that speaks of them most.
const NAMES: &[(Topic, &str)] = &[
    (Topic::Core, "core"),
    (Topic::Access, "authz_core"),
    (Topic::Rewrite, "rewrite"),
    (Topic::Upstream, "proxy"),
    (Topic::Health, "proxy_hcheck"),
    (Topic::Tls, "ssl"),
    (Topic::Http2, "http2"),
    (Topic::Program, "cgid"),
    (Topic::Compose, "include"),
    (Topic::Negotiation, "negotiation"),
    (Topic::Listing, "autoindex"),
    (Topic::ClientAddress, "remoteip"),
];

/// The form of a server that says none.
const USUAL: &str = "[%{u}t] [%-m:%l] [pid %P:tid %T] %7F: %E: [client\\ %a] %M% ,\\ referer:\\ %{Referer}i";

/// What a server says of lines.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Own {
    line: Option<ErrorForm>,
    request: Option<Vec<ErrorForm>>,
    connection: Option<Vec<ErrorForm>>,
}

/// The form where nothing is written.
pub(in super::super) fn usual() -> ErrorLines {
    let mut form = Vec::new();
    let mut words = Reader { bytes: USUAL.as_bytes(), at: 0 };
    while let Ok(Some(piece)) = words.piece() {
        form.push(piece);
    }
    let names = NAMES.iter().map(|(topic, name)| (*topic, (*name).into())).collect();
    ErrorLines { line: ErrorForm(form), names, ..ErrorLines::default() }
}

/// `ErrorLogFormat [connection|request] format`
pub(super) fn format(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let (kind, word) = match directive.args.as_slice() {
        [word] => (None, word),
        [kind, word] => (Some(kind), word),
        _ => return cx.error("arguments", directive.head(), "ErrorLogFormat takes a format"),
    };
    let own = &section.own.logs.lines;
    let mut form = ErrorForm::default();
    let text = written(word);
    let mut words = Reader { bytes: text.bytes(), at: 0 };
    let (mut further, main) = (None, kind.is_none());
    match kind {
        None => {}
        Some(kind) if kind.is("request") => further = Some(own.request.clone().unwrap_or_default()),
        Some(kind) if kind.is("connection") => further = Some(own.connection.clone().unwrap_or_default()),
        Some(kind) => {
            let message = "ErrorLogFormat type must be one of request, connection";
            return cx.error("arguments", kind.span, message);
        }
    }
    loop {
        let from = words.at;
        let piece = match words.piece() {
            Ok(Some(piece)) => piece,
            Ok(None) => break,
            Err(message) => return wrong(cx, &text, from, words.at, &message),
        };
        let at = words.at;
        if main && piece.missing == Missing::Line {
            return wrong(cx, &text, from, at, "The '+' flag cannot be used in the main error log format");
        }
        if !main && piece.word == ErrorWord::Message {
            let message = "%M cannot be used in once-per-request or once-per-connection formats";
            return wrong(cx, &text, from, at, message);
        }
        if let ErrorWord::Of(_) = &piece.word {
            let name = words.variable(from);
            let template = match name {
                Some((b'e', name)) => Some(Template::var(cx.env(name))),
                Some((b'n', name)) => Some(Template::var(cx.note(name))),
                _ => None,
            };
            let word = template.map_or(piece.word, ErrorWord::Of);
            form.0.push(ErrorPiece { word, ..piece });
            continue;
        }
        form.0.push(piece);
    }
    let own = &mut section.own.logs.lines;
    match (kind, further) {
        (None, _) if form.0.iter().all(|piece| piece.word != ErrorWord::Message) => {
            let message = "main ErrorLogFormat must contain message format string '%M'";
            cx.error("arguments", word.span, message);
        }
        (None, _) => own.line = Some(form),
        (Some(kind), Some(mut forms)) => {
            forms.push(form);
            let slot = if kind.is("request") { &mut own.request } else { &mut own.connection };
            *slot = Some(forms);
        }
        (Some(_), None) => {}
    }
}

fn wrong(cx: &mut Cx, text: &Written, from: usize, to: usize, message: &str) {
    let help = "formats are listed at https://httpd.apache.org/docs/2.4/mod/core.html#errorlogformat";
    cx.report(Diagnostic::error("format", text.span(from..to), message.to_owned()).help(help));
}

/// Takes a format apart.
struct Reader<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl Reader<'_> {
    fn next(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The next piece; `None` at the end.
    fn piece(&mut self) -> Result<Option<ErrorPiece>, String> {
        let Some(first) = self.next() else { return Ok(None) };
        let mut piece = ErrorPiece {
            field: first == b' ',
            word: ErrorWord::Text("".into()),
            missing: Missing::Field,
            worst: Level::Emerg,
        };
        if first != b'%' {
            piece.word = self.text();
            return Ok(Some(piece));
        }
        if self.bytes.get(self.at + 1) == Some(&b' ') {
            self.at += 2;
            let next = self.piece()?;
            return Ok(next.map(|next| ErrorPiece { field: true, ..next }));
        }
        if self.bytes.get(self.at + 1) == Some(&b'%') {
            self.at += 2;
            piece.word = ErrorWord::Text("%".into());
            return Ok(Some(piece));
        }
        let begin = self.at;
        self.at += 1;
        let mut argument: &[u8] = b"";
        let mut least = None;
        loop {
            let Some(byte) = self.next() else {
                return Err("Ran off end of error log format parsing args to some directive".to_owned());
            };
            self.at += 1;
            match byte {
                b'{' => {
                    let rest = &self.bytes[self.at..];
                    let length = memchr::memchr(b'}', rest).unwrap_or(rest.len());
                    argument = &rest[..length];
                    self.at = (self.at + length + 1).min(self.bytes.len());
                }
                b'+' => piece.missing = Missing::Line,
                b'-' => piece.missing = Missing::Hyphen,
                b'0'..=b'9' => {
                    let number: u32 = least.unwrap_or(0);
                    least = Some(number.saturating_mul(10).saturating_add(u32::from(byte - b'0')));
                }
                letter => {
                    piece.word = word(letter, argument).ok_or_else(|| {
                        let shown = String::from_utf8_lossy(&self.bytes[begin..self.at]).into_owned();
                        format!("Unrecognized error log format directive {shown}")
                    })?;
                    break;
                }
            }
        }
        piece.worst = match least {
            None | Some(0) => Level::Emerg,
            Some(1) => Level::Alert,
            Some(2) => Level::Crit,
            Some(3) => Level::Error,
            Some(4) => Level::Warn,
            Some(5) => Level::Notice,
            Some(6) => Level::Info,
            Some(7) => Level::Debug,
            // No line is that detailed.
            Some(_) => {
                piece.word = ErrorWord::Of(Template::attr(Attr::Missing));
                piece.missing = Missing::Field;
                Level::Emerg
            }
        };
        Ok(Some(piece))
    }

    /// Text up to a directive or the next field.
    fn text(&mut self) -> ErrorWord {
        let (start, mut text) = (self.at, Vec::new());
        while let Some(byte) = self.next().filter(|byte| *byte != b'%' && (*byte != b' ' || self.at == start))
        {
            self.at += 1;
            let kept = match (byte, self.next()) {
                (b'\\', Some(next)) => {
                    self.at += 1;
                    match next {
                        b'n' => b'\n',
                        b't' => b'\t',
                        b'r' => b'\r',
                        next => next,
                    }
                }
                _ => byte,
            };
            text.push(kept);
        }
        ErrorWord::Text(text.as_slice().into())
    }

    /// The letter and the name of a variable that the directive behind `from`, now read, is about.
    fn variable(&self, from: usize) -> Option<(u8, &[u8])> {
        let text = &self.bytes[from..self.at];
        let open = memchr::memchr(b'{', text)?;
        let close = open + memchr::memchr(b'}', &text[open..])?;
        Some((*text.last()?, &text[open + 1..close]))
    }
}

/// What a directive says; `None` for an unknown one.
fn word(letter: u8, argument: &[u8]) -> Option<ErrorWord> {
    let has = |letter: u8| argument.contains(&letter);
    let missing = || Template::attr(Attr::Missing);
    Some(match letter {
        b'a' if argument == b"c" => ErrorWord::Peer,
        b'a' => ErrorWord::Client,
        b'A' => ErrorWord::Server,
        b'e' | b'n' => ErrorWord::Of(missing()),
        // What failed and how is in the message.
        b'E' => ErrorWord::Of(missing()),
        b'F' => ErrorWord::Source,
        b'i' if argument.is_empty() => ErrorWord::Of(missing()),
        b'i' => ErrorWord::Of(Template::attr(Attr::FieldList(argument.into()))),
        b'k' => ErrorWord::Of(Template::attr(Attr::ConnectionReuses)),
        b'l' => ErrorWord::Level,
        b'L' if argument == b"c" => ErrorWord::Connection(false),
        b'L' if argument == b"C" => ErrorWord::Connection(true),
        b'L' => ErrorWord::Request,
        b'm' => ErrorWord::Topic,
        b'M' => ErrorWord::Message,
        b'P' => ErrorWord::Process,
        b't' => ErrorWord::Time { compact: has(b'c'), micros: has(b'u') },
        b'T' => ErrorWord::Thread,
        b'v' => ErrorWord::Host,
        b'V' => ErrorWord::Of(Template::attr(Attr::Host)),
        _ => return None,
    })
}

/// What a virtual host has of the main server.
pub(super) fn join(main: &Own, host: &mut Own) {
    host.line = host.line.take().or_else(|| main.line.clone());
    host.request = host.request.take().or_else(|| main.request.clone());
    host.connection = host.connection.take().or_else(|| main.connection.clone());
}

/// Makes a setting of what a server says of lines.
pub(super) fn finish(host: &mut Section) {
    let Own { line, request, connection } = host.own.logs.lines.clone();
    if line.is_none() && request.is_none() && connection.is_none() {
        return;
    }
    let usual = usual();
    let named = |ErrorForm(mut pieces): ErrorForm| {
        // A server with a name of its own is called so whatever the request says.
        let asked = ErrorWord::Of(Template::attr(Attr::Host));
        let canonical = host.own.names.is_canonical();
        for piece in pieces.iter_mut().filter(|piece| canonical && piece.word == asked) {
            piece.word = ErrorWord::Host;
        }
        ErrorForm(pieces)
    };
    let all = |forms: Option<Vec<ErrorForm>>| forms.unwrap_or_default().into_iter().map(named).collect();
    let (request, connection) = (all(request), all(connection));
    let line = named(line.unwrap_or(usual.line));
    host.set.logs.lines = Some(Some(ErrorLines { line, request, connection, names: usual.names }));
}

/// The topics that a module speaks of; none for a module that says nothing here.
fn topics(module: &str) -> &'static [Topic] {
    match module {
        "core" | "http" | "so" | "unixd" | "mpm_event" | "reqtimeout" | "log_config" => &[Topic::Core],
        "authz_core" | "authz_host" | "authz_user" | "authz_groupfile" | "authn_core" | "authn_file"
        | "auth_basic" | "auth_digest" | "access_compat" => &[Topic::Access],
        "rewrite" => &[Topic::Rewrite],
        "proxy" | "proxy_http" | "proxy_http2" | "proxy_fcgi" | "proxy_scgi" | "proxy_uwsgi"
        | "proxy_wstunnel" | "proxy_balancer" => &[Topic::Upstream],
        "proxy_hcheck" => &[Topic::Health],
        "ssl" => &[Topic::Tls],
        "http2" => &[Topic::Http2],
        "cgi" | "cgid" => &[Topic::Program],
        "include" => &[Topic::Compose],
        "negotiation" => &[Topic::Negotiation],
        "autoindex" => &[Topic::Listing],
        "remoteip" => &[Topic::ClientAddress],
        _ => &[],
    }
}

/// Whether a word of `LogLevel` names a module: one that counts as loaded or, in a file that loads none, any known.
pub(super) fn is_module(cx: &Cx, name: &str) -> bool {
    let modules = &cx.options.surroundings.modules;
    let longer = format!("{name}_module");
    modules.knows(name.as_bytes())
        || modules.knows(longer.as_bytes())
        || !modules.any_loaded() && catalogue().modules().iter().any(|module| module.id == longer)
}

/// Takes in one word of `LogLevel`, which has a level.
pub(super) fn level(section: &mut Section, module: Option<&str>, name: &str) {
    let Some(level) = level_of(name) else { return };
    let levels = section.set.logs.levels.get_or_insert_default();
    let Some(module) = module else {
        // A server's own level is that of its log.
        let all = (!section.is_server()).then_some(level);
        *section.set.logs.levels.get_or_insert_default() = Levels { all, topics: Vec::new() };
        return;
    };
    let module = module.strip_prefix("mod_").unwrap_or(module);
    let module = module.strip_suffix(".c").unwrap_or(module);
    let module = module.strip_suffix("_module").unwrap_or(module);
    for topic in topics(module) {
        // What several modules are about is said in as much detail as any of them asks for.
        let known = levels.topics.iter().find(|(other, _)| other == topic).map(|(_, level)| *level);
        let level = known.map_or(level, |known| known.min(level));
        levels.accumulate(&Levels { all: None, topics: vec![(*topic, level)] });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_taken_apart() {
        let pieces = |text: &str| {
            let mut words = Reader { bytes: text.as_bytes(), at: 0 };
            let mut found = Vec::new();
            while let Some(piece) = words.piece()? {
                found.push((piece.field, piece.word));
            }
            Ok::<_, String>(found)
        };
        let text = |text: &str| ErrorWord::Text(text.into());
        assert_eq!(
            pieces("[%l] a\\ b% %M"),
            Ok(vec![
                (false, text("[")),
                (false, ErrorWord::Level),
                (false, text("]")),
                (true, text(" a b")),
                (true, ErrorWord::Message),
            ])
        );
        assert_eq!(pieces("%x"), Err("Unrecognized error log format directive %x".to_owned()));
        assert!(pieces("%{x").is_err() && pieces("%").is_err() && pieces("% ").is_ok());
        assert!(usual().line.0.iter().any(|piece| piece.word == ErrorWord::Message));
    }
}
