//! Reads a fixture: `<case>.conf`, `<case>.http` and the optional folder `<case>.files/`.
//!
//! The `.http` format, in full:
//!
//! * Blocks are separated by a line `---`. A first block without a request holds options of the whole file.
//! * `## text` is a comment. `# key` or `# key: value` is an option and must be known.
//! * Then the request: start line, fields, a blank line, content. Lines of the head end with CR LF, the
//!   closing blank line is supplied, content lines are joined by LF. With `# raw` the lines are joined
//!   without anything and `\r \n \t \\ \xHH` are decoded; `\p` flushes what precedes and waits a moment.
//! * Then what the original answered, written by `BLESS=1` and checked at every run:
//!   `<- status line [Location: ..] ["content"]` and `-> ORIGIN start line`; `=>` lines are the plan's.
//! * `# fact: N` says which fact of the reference an expectation rests on where there is no original to ask.
//! * After `# differs: why`, lines `| text` are the view expected of us instead of the original's;
//!   with `# never: TEXT` any view without a line that begins with the text will do.
//!
//! File options: `logs: PATH..` (access logs to compare), `errors: LEVEL..` (error log levels to compare),
//! `mask: REGEX` (text that may differ; its first capture, or all of it; a log line that is masked as a whole
//! may be missing), `unrecorded` (no `<-` lines).
//!
//! Request options. Connection: `keep` (the previous one), `port: N`, `to: ADDR`, `from: ADDR`, `unix: PATH`,
//! `tls[: NAME]`, `tls-certificate: NAME`, `h2` (the request is a stream of HTTP/2). Sending: `raw`, `split: N`, `body: N`, `continue`, `repeat: N`,
//! `shutdown-write`, `abort`. Reading: `responses: N`, `read: close`, `idle-close`; `send: TEXT`,
//! `recv: N`, `recv: eof`, `finish` drive a tunnel. Origin: `origin[N] [MODE]: REPLY` queues the answer of
//! the next upstream request (of origin port N), MODE being `close`, `keep`, `early`, `reset` or `hang`.

use regex::bytes::Regex;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// One configuration and the requests sent to it.
pub(crate) struct Fixture {
    /// `topic/case`.
    pub(crate) name: String,
    /// The request file.
    pub(crate) http: PathBuf,
    /// Access logs to compare, relative to the prefix.
    pub(crate) logs: Vec<String>,
    /// Levels of the error log to compare.
    pub(crate) errors: Vec<String>,
    /// What may differ.
    pub(crate) masks: Vec<Regex>,
    /// Whether the original's answers are not recorded in the file.
    pub(crate) unrecorded: bool,
    /// Requests in file order.
    pub(crate) requests: Vec<Request>,
    /// The option block, as written.
    pub(crate) preamble: Vec<String>,
}

/// How an origin treats its connection around one reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// As the request's version and `Connection` say.
    Http,
    /// Close after the reply.
    Close,
    /// Keep open whatever the request says.
    Keep,
    /// Reply before the content is read, then close.
    Early,
    /// Reset the connection after the reply.
    Reset,
    /// Say what is given, then nothing more until the peer closes.
    Hang,
}

/// One scripted answer of an origin.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// Port number in the fixture's own numbering, or any.
    pub(crate) origin: Option<u16>,
    /// What happens to the connection.
    pub(crate) mode: Mode,
    /// The bytes, in pieces sent apart.
    pub(crate) pieces: Vec<Vec<u8>>,
}

/// One step of a client in a tunnel.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Send these pieces.
    Send(Vec<Vec<u8>>),
    /// Read this many bytes.
    Recv(usize),
    /// Read to the end.
    RecvEnd,
    /// Close the writing side.
    Finish,
}

/// One request and how to send it.
#[derive(Clone, Default)]
pub(crate) struct Request {
    /// Line number of its start in the file.
    pub(crate) line: usize,
    /// Option and comment lines, as written.
    pub(crate) options: Vec<String>,
    /// Request lines, as written.
    pub(crate) text: Vec<String>,
    /// `<-` and `->` lines.
    pub(crate) recorded: Vec<String>,
    /// `=>` lines.
    pub(crate) decisions: Vec<String>,
    /// `|` lines without their bar.
    pub(crate) expected: Vec<String>,
    /// What no line of our view may begin with.
    pub(crate) never: Vec<String>,
    /// Why our answer differs.
    pub(crate) differs: Option<String>,
    /// What an expectation rests on that no original was asked about.
    pub(crate) fact: Option<String>,
    /// Bytes to send, in pieces sent apart.
    pub(crate) pieces: Vec<Vec<u8>>,
    /// Content sent after the interim answer.
    pub(crate) late: Option<Vec<u8>>,
    /// Whether any method in it is HEAD (decides whether content is read).
    pub(crate) head: bool,
    /// Same connection as before.
    pub(crate) keep: bool,
    /// Port number in the fixture's own numbering.
    pub(crate) port: u16,
    /// Address to connect to.
    pub(crate) to: String,
    /// Address to connect from.
    pub(crate) from: Option<String>,
    /// Unix socket to connect to instead, relative to the prefix.
    pub(crate) unix: Option<String>,
    /// TLS with this server name (empty: none).
    pub(crate) tls: Option<String>,
    /// Client certificate for TLS.
    pub(crate) certificate: Option<String>,
    /// Whether over HTTP/2.
    pub(crate) frames: bool,
    /// How often to send it.
    pub(crate) repeat: usize,
    /// How many answers to read.
    pub(crate) responses: usize,
    /// Read to the end of the connection, whatever the framing.
    pub(crate) read_close: bool,
    /// After the answer, wait for the server to close.
    pub(crate) idle_close: bool,
    /// Close the writing side after sending.
    pub(crate) shutdown_write: bool,
    /// Close at once after sending, reading nothing.
    pub(crate) abort: bool,
    /// Tunnel script.
    pub(crate) steps: Vec<Step>,
    /// Answers of origins.
    pub(crate) replies: Vec<Reply>,
}

impl Fixture {
    /// Reads the fixture whose requests are in `http`, with `edit` applied to all texts that are sent.
    pub(crate) fn read(http: &Path, root: &Path, edit: &dyn Fn(&str) -> String) -> Result<Self, String> {
        let at = |line: usize, what: &str| format!("{}:{line}: {what}", http.display());
        let text = std::fs::read_to_string(http).map_err(|e| at(0, &e.to_string()))?;
        let name = http.with_extension("");
        let name = name.strip_prefix(root).unwrap_or(&name).display().to_string();
        let mut fixture = Self {
            name,
            http: http.to_path_buf(),
            logs: Vec::new(),
            errors: Vec::new(),
            masks: Vec::new(),
            unrecorded: false,
            requests: Vec::new(),
            preamble: Vec::new(),
        };
        let lines: Vec<&str> = text.lines().collect();
        let mut start = 0;
        for block in lines.split(|line| *line == "---") {
            let request = block.iter().any(|line| !line.is_empty() && !line.starts_with('#'));
            if request {
                let request = Request::parse(block, start, edit).map_err(|(line, e)| at(line, &e))?;
                fixture.requests.push(request);
            } else if start == 0 {
                for (i, line) in block.iter().enumerate() {
                    fixture.option(line).map_err(|e| at(i + 1, &e))?;
                }
                fixture.preamble = block.iter().map(ToString::to_string).collect();
            } else {
                return Err(at(start + 1, "a block without a request"));
            }
            start += block.len() + 1;
        }
        Ok(fixture)
    }

    fn option(&mut self, line: &str) -> Result<(), String> {
        let Some((key, value)) = option(line) else { return Ok(()) };
        match key {
            "logs" => self.logs = value.split_whitespace().map(str::to_owned).collect(),
            "errors" => self.errors = value.split_whitespace().map(str::to_owned).collect(),
            "mask" => self.masks.push(Regex::new(value).map_err(|e| e.to_string())?),
            "unrecorded" => self.unrecorded = true,
            _ => return Err(format!("unknown file option `{key}`")),
        }
        Ok(())
    }

    /// The file again, with what the original answered.
    pub(crate) fn blessed(&self, answers: &[Vec<String>]) -> String {
        let mut out = String::new();
        if !self.preamble.is_empty() {
            out.push_str(&self.preamble.join("\n"));
            out.push_str("\n---\n");
        }
        for (i, request) in self.requests.iter().enumerate() {
            if i > 0 {
                out.push_str("---\n");
            }
            let none = Vec::new();
            let recorded = if self.unrecorded { &none } else { answers.get(i).unwrap_or(&none) };
            let expected: Vec<String> =
                request.expected.iter().map(|line| format!("| {line}").trim_end().to_owned()).collect();
            let groups = [&request.options, &request.text, recorded, &request.decisions, &expected];
            for line in groups.into_iter().flatten() {
                out.push_str(line);
                out.push('\n');
            }
        }
        out
    }
}

/// `# key: value` as a pair; comments and blank lines are none.
fn option(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix('#')?;
    if rest.starts_with('#') {
        return None;
    }
    let rest = rest.trim();
    let (key, value) = rest.split_once(':').unwrap_or((rest, ""));
    Some((key.trim(), value.strip_prefix(' ').unwrap_or(value)))
}

impl Request {
    fn parse(block: &[&str], start: usize, edit: &dyn Fn(&str) -> String) -> Result<Self, (usize, String)> {
        let mut request =
            Self { port: 18080, to: "127.0.0.1".to_owned(), repeat: 1, responses: 1, ..Self::default() };
        let mut raw = false;
        let mut split = 0;
        let mut body = None;
        let mut wait = false;
        for (i, line) in block.iter().enumerate() {
            let here = start + i + 1;
            let options_over = !request.text.is_empty();
            if let Some(rest) = line.strip_prefix('|') {
                request.expected.push(rest.strip_prefix(' ').unwrap_or(rest).to_owned());
            } else if line.starts_with("<- ") || line.starts_with("-> ") {
                request.recorded.push((*line).to_owned());
            } else if line.starts_with("=> ") {
                request.decisions.push((*line).to_owned());
            } else if options_over || !(line.is_empty() || line.starts_with('#')) {
                if !options_over {
                    request.line = here;
                }
                request.text.push((*line).to_owned());
            } else {
                request.options.push((*line).to_owned());
                let Some((key, value)) = option(line) else { continue };
                match key {
                    "raw" => raw = true,
                    "split" => split = number(value).map_err(|e| (here, e))?,
                    "body" => body = Some(number(value).map_err(|e| (here, e))?),
                    "continue" => wait = true,
                    _ => request.option(key, &edit(value)).map_err(|e| (here, e))?,
                }
            }
        }
        while request.text.last().is_some_and(String::is_empty) {
            request.text.pop();
        }
        request.assemble(raw, split, body, wait, edit);
        Ok(request)
    }

    fn option(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "keep" => self.keep = true,
            "port" => self.port = number(value)? as u16,
            "to" => value.clone_into(&mut self.to),
            "from" => self.from = Some(value.to_owned()),
            "unix" => self.unix = Some(value.to_owned()),
            "tls" => self.tls = Some(value.to_owned()),
            "tls-certificate" => self.certificate = Some(value.to_owned()),
            "h2" => self.frames = true,
            "repeat" => self.repeat = number(value)?,
            "responses" => self.responses = number(value)?,
            "read" if value == "close" => self.read_close = true,
            "idle-close" => self.idle_close = true,
            "shutdown-write" => self.shutdown_write = true,
            "abort" => self.abort = true,
            "send" => self.steps.push(Step::Send(decode(value))),
            "recv" if value == "eof" => self.steps.push(Step::RecvEnd),
            "recv" => self.steps.push(Step::Recv(number(value)?)),
            "finish" => self.steps.push(Step::Finish),
            "never" => self.never.push(value.to_owned()),
            "differs" => self.differs = Some(value.to_owned()),
            "fact" => self.fact = Some(value.to_owned()),
            _ => {
                let rest = key.strip_prefix("origin").ok_or_else(|| format!("unknown option `{key}`"))?;
                let (origin, mode) = rest.split_once(' ').unwrap_or((rest, ""));
                let origin = match origin {
                    "" => None,
                    _ => Some(number(origin)? as u16),
                };
                let mode = match mode {
                    "" => Mode::Http,
                    "close" => Mode::Close,
                    "keep" => Mode::Keep,
                    "early" => Mode::Early,
                    "reset" => Mode::Reset,
                    "hang" => Mode::Hang,
                    _ => return Err(format!("unknown origin mode `{mode}`")),
                };
                self.replies.push(Reply { origin, mode, pieces: decode(value) });
            }
        }
        Ok(())
    }

    fn assemble(
        &mut self,
        raw: bool,
        split: usize,
        body: Option<usize>,
        wait: bool,
        edit: &dyn Fn(&str) -> String,
    ) {
        let text: Vec<String> = self.text.iter().map(|line| edit(line)).collect();
        self.head = text.first().is_some_and(|line| line.starts_with("HEAD "));
        if raw {
            self.pieces = decode(&text.concat());
        } else {
            let end = text.iter().position(String::is_empty).unwrap_or(text.len());
            let content = match body {
                Some(length) => b"0123456789abcdef".iter().copied().cycle().take(length).collect(),
                None => text.get(end + 1..).unwrap_or_default().join("\n").into_bytes(),
            };
            let head = text[..end].iter().fold(String::new(), |all, line| all + line + "\r\n") + "\r\n";
            let mut bytes = head.replace("{len}", &content.len().to_string()).into_bytes();
            if wait {
                self.late = Some(content);
            } else {
                bytes.extend(content);
            }
            self.pieces = vec![bytes];
        }
        if split > 0 {
            self.pieces = self.pieces.concat().chunks(split).map(<[u8]>::to_vec).collect();
        }
    }
}

fn number(text: &str) -> Result<usize, String> {
    text.trim().parse().map_err(|_| format!("`{text}` is not a number"))
}

/// Decodes escapes; `\p` separates pieces and `\*N;x` stands for N times the byte x.
pub(crate) fn decode(text: &str) -> Vec<Vec<u8>> {
    let mut pieces = vec![Vec::new()];
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let mut out = vec![byte];
        if byte == b'\\' {
            let (&kind, tail) = rest.split_first().unwrap_or((&b'\\', &[]));
            rest = tail;
            out = match kind {
                b'r' => vec![b'\r'],
                b'n' => vec![b'\n'],
                b't' => vec![b'\t'],
                b'x' => {
                    let hex = rest.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()).unwrap_or("3f");
                    rest = rest.get(2..).unwrap_or_default();
                    vec![u8::from_str_radix(hex, 16).unwrap_or(b'?')]
                }
                b'*' => {
                    let end = rest.iter().position(|b| *b == b';').unwrap_or(0);
                    let count =
                        std::str::from_utf8(&rest[..end]).ok().and_then(|n| n.parse().ok()).unwrap_or(0);
                    let unit = rest.get(end + 1).copied().unwrap_or(b'?');
                    rest = rest.get(end + 2..).unwrap_or_default();
                    vec![unit; count]
                }
                b'p' => {
                    pieces.push(Vec::new());
                    continue;
                }
                other => vec![other],
            };
        }
        if let Some(last) = pieces.last_mut() {
            last.extend(out);
        }
    }
    pieces
}

/// Bytes as one printable line, cut after `limit` bytes.
pub(crate) fn escape(bytes: &[u8], limit: usize) -> String {
    let mut out = String::new();
    for byte in bytes.iter().take(limit) {
        match byte {
            b'\r' => out.push_str("\\r"),
            b'\n' => out.push_str("\\n"),
            b'\\' => out.push_str("\\\\"),
            0x20..=0x7e => out.push(char::from(*byte)),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    if bytes.len() > limit {
        let _ = write!(out, "... ({} bytes, crc32 {:08x})", bytes.len(), crc32fast::hash(bytes));
    }
    out
}
