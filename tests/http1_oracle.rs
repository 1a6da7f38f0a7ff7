//! Our HTTP/1 parsers against hyper's: heads of requests and responses, content and its framing.
//!
//! Messages are made from good ones by random mutations. Where both accept a message they must read the same
//! in it. Where only we accept it, it must have one of [`LENIENCIES`]; where only hyper does, our reason must be
//! one of [`STRICTER`]. Everything runs in memory, on one thread, from a fixed seed.

#[path = "support/hyper_oracle.rs"]
mod hyper_oracle;
#[path = "support/random.rs"]
mod random;

use hyper_oracle::{Message, shown};
use random::Random;
use triglot::engine::http1::{
    chunked::{Decoder, Step},
    field::Field,
    request::{self, Limits, RequestHead},
    response::{self, ResponseHead},
};

/// How many messages are made of each kind.
const ROUNDS: usize = 60_000;

const REQUESTS: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "GET /a/b?c=d&e HTTP/1.1\r\nHost: a.test:8080\r\nAccept: text/html, */*;q=0.1\r\nCookie: a=b; c=d\r\n\r\n",
    "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world",
    "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n",
    "PUT /y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nTrailer: X-T\r\n\r\n1F\r\n\
     0123456789abcdef0123456789abcde\r\n00\r\nX-T: v\r\n\r\n",
    "GET http://a.test/x?y HTTP/1.1\r\nHost: b.test\r\nConnection: close\r\n\r\n",
    "HEAD /h HTTP/1.0\r\nConnection: keep-alive\r\nX-Empty:\r\nX-Wide: \t a b \t\r\n\r\n",
    "OPTIONS /o HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: Upgrade\n\n",
    "\r\n\r\nDELETE /d HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nX-A: 2\r\nx-a: 3\r\n\r\n",
];

const RESPONSES: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nConnection: close\r\n\r\nuntil the end",
    "HTTP/1.0 200 OK\r\nServer: x\r\n\r\nold",
    "HTTP/1.1 204 No Content\r\nSet-Cookie: a=b; Path=/\r\nSet-Cookie: c=d\r\n\r\n",
    "HTTP/1.1 302\r\nLocation: http://a/\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 \nContent-Length: 2\n\nok",
    "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 100\r\n\r\n",
];

/// What mutations put in.
const PIECES: &[&str] = &[
    "\r\n",
    "\n",
    "\r",
    " ",
    "\t",
    ":",
    ": ",
    ";",
    ",",
    "0",
    "5",
    "ffffffffffffffff",
    "10000000000000000",
    "Content-Length: 5\r\n",
    "Content-Length: +5\r\n",
    "Content-Length: 5, 5\r\n",
    "Content-Length: \r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding : chunked\r\n",
    "Transfer-Encoding: chunked, chunked\r\n",
    "Host: b\r\n",
    "X_Y: 1\r\n",
    "X: a\r\n b\r\n",
    "no colon\r\n",
    "\0",
    "\x0b",
    "\x7f",
    "\u{e9}",
    "HTTP/1.0",
    "HTTP/1.1",
    "HTTP/1.2",
    "HTTP/2.0",
    "HTTP/0.9",
    "CONNECT a:80",
    "OPTIONS *",
    "http://",
    "//",
    "#f",
    "%",
    "?",
    "@",
    "\"",
    "<",
    "{",
    "\\",
    "0\r\n\r\n",
    "0\r\nA: b\r\n\r\n",
    "1\r\nx\r\n",
    "0x5",
    "-1",
    "100",
    "101",
    "99",
    "999",
    "1000",
    "get",
    "G",
];

/// What we accept and hyper does not, and why.
const LENIENCIES: &[Leniency] = &[
    ("HTTP/0.9", |seen| seen.version == 9),
    ("a field line without a colon is a field without a value", |seen| {
        seen.field_lines().any(|line| !line.contains(&b':'))
    }),
    ("names with bytes that no token has; dropped or passed on, as the settings say", |seen| {
        seen.field_lines().any(|line| !all(part(line, b':', 0), is_token))
    }),
    ("controls in values, but for CR, LF and NUL", |seen| {
        seen.field_lines().any(|line| any(line, is_control))
    }),
    ("several spaces in the first line, and spaces at its end", |seen| {
        seen.line.windows(2).any(|pair| pair == b"  ") || seen.line.ends_with(b" ")
    }),
    ("targets that RFC 3986 does not allow", |seen| !all(part(&seen.line, b' ', 1), is_target)),
    ("minor versions beyond 1", |seen| {
        let version =
            seen.line.windows(5).position(|part| part == b"HTTP/").map_or(&[][..], |at| &seen.line[at..]);
        !matches!(version.split(|&byte| byte == b' ').next(), Some(b"HTTP/1.0" | b"HTTP/1.1"))
    }),
    ("controls in the reason phrase", |seen| any(&seen.line, is_control)),
    ("a CR alone before the request line", |seen| {
        seen.head.first() == Some(&b'\r') || seen.head.starts_with(b"\n")
    }),
    ("authorities with signs that hyper does not take; the host is checked when it is chosen", |seen| {
        let authority = seen.message.start.split(' ').nth(1).unwrap_or_default();
        !authority.is_empty() && authority.parse::<http::uri::Authority>().is_err()
    }),
    ("LF alone in the framing of chunks, and text behind a size without a semicolon", |seen| {
        seen.chunked && strictly_chunked(&seen.rest) == Err(Odd::Framing)
    }),
    ("trailer lines that are no fields", |seen| {
        seen.chunked && strictly_chunked(&seen.rest) == Err(Odd::Trailer)
    }),
];

/// Why we refuse what hyper accepts.
const STRICTER: &[&str] = &[
    // Methods are in upper case, as in nginx.
    "client sent invalid method",
    // Requests without a path, and for tunnels.
    "client sent invalid request",
    // Framing: what two servers could read differently.
    "client sent duplicate header line",
    "client sent invalid \"Content-Length\" header",
    "client sent unknown \"Transfer-Encoding\"",
    "client sent \"Content-Length\" and \"Transfer-Encoding\" headers at the same time",
    "client sent HTTP/1.0 request with \"Transfer-Encoding\" header",
    "unknown \"Transfer-Encoding\"",
    "duplicate header line",
    "invalid \"Content-Length\" header",
    // RFC 9112 § 3.2; hyper leaves it to the application.
    "client sent HTTP/1.1 request without \"Host\" header",
    "client sent duplicate host header",
    // Empty lines before a response.
    "no head",
    // Only hyper makes tunnels without having asked for them.
    "an interim response is not the end",
    // Controls in chunk extensions.
    "invalid chunk",
    "\"Content-Length\" and \"Transfer-Encoding\" headers at the same time",
];

/// What is odd in chunked content.
#[derive(PartialEq, Eq)]
enum Odd {
    Framing,
    Trailer,
}

/// Walks through chunked content by the letter of RFC 9112 § 7.1.
fn strictly_chunked(mut rest: &[u8]) -> Result<(), Odd> {
    let mut left = None;
    loop {
        let end = memchr::memmem::find(rest, b"\r\n").ok_or(Odd::Framing)?;
        let line = &rest[..end];
        rest = &rest[end + 2..];
        match left {
            // The trailer section.
            Some(0) if line.is_empty() => return Ok(()),
            Some(0) if is_field(line) => {}
            Some(0) => return Err(Odd::Trailer),
            // Behind data there is an empty line.
            Some(_) if line.is_empty() => left = None,
            Some(_) => return Err(Odd::Framing),
            None => {
                let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
                let size = std::str::from_utf8(&line[..digits]).map_err(|_| Odd::Framing)?;
                let size = usize::from_str_radix(size, 16).map_err(|_| Odd::Framing)?;
                let behind = line[digits..].trim_ascii_start();
                if line.contains(&b'\n') || !(behind.is_empty() || behind.starts_with(b";")) {
                    return Err(Odd::Framing);
                }
                rest = rest.get(size..).ok_or(Odd::Framing)?;
                left = Some(size);
            }
        }
    }
}

fn is_field(line: &[u8]) -> bool {
    let name = part(line, b':', 0);
    !name.is_empty() && name.len() < line.len() && all(name, is_token) && !any(line, is_control)
}

/// One of the parts of a line between separators.
fn part(line: &[u8], separator: u8, number: usize) -> &[u8] {
    line.split(|&byte| byte == separator).nth(number).unwrap_or_default()
}

fn all(bytes: &[u8], holds: fn(u8) -> bool) -> bool {
    bytes.iter().all(|&byte| holds(byte))
}

fn any(bytes: &[u8], holds: fn(u8) -> bool) -> bool {
    bytes.iter().any(|&byte| holds(byte))
}

type Leniency = (&'static str, fn(&Seen) -> bool);

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_control(byte: u8) -> bool {
    (byte < b' ' && byte != b'\t') || byte == 0x7f
}

fn is_target(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte)
}

/// What we made of a message.
enum Ours {
    Whole(Seen),
    /// More is needed, or the framing of the content is broken.
    Broken(&'static str),
    Refused(&'static str),
}

/// A message as we read it.
struct Seen {
    message: Message,
    /// The first line.
    line: Vec<u8>,
    version: u8,
    /// The head and the content as they were sent.
    head: Vec<u8>,
    rest: Vec<u8>,
    chunked: bool,
}

impl Seen {
    /// The lines of the head after the first, without their ends.
    fn field_lines(&self) -> impl Iterator<Item = &[u8]> {
        let start = self.head.iter().take_while(|byte| b"\r\n".contains(byte)).count();
        self.head[start..]
            .split(|&byte| byte == b'\n')
            .skip(1)
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .filter(|line| !line.is_empty())
    }
}

#[test]
fn requests_are_read_as_hyper_reads_them() {
    run(REQUESTS, 0x9e37_79b9_7f4a_7c15, our_request, hyper_oracle::request);
}

#[test]
fn responses_are_read_as_hyper_reads_them() {
    run(RESPONSES, 0x2545_f491_4f6c_dd1d, our_response, hyper_oracle::response);
}

fn run(seeds: &[&str], seed: u64, ours: fn(&[u8]) -> Ours, theirs: fn(&[u8]) -> Option<Message>) {
    let mut random = Random(seed);
    let mut both = 0;
    for seed in seeds {
        assert!(matches!(ours(seed.as_bytes()), Ours::Whole(_)), "we refuse {seed:?}");
        assert!(theirs(seed.as_bytes()).is_some(), "hyper refuses {seed:?}");
    }
    let mut wrong = Vec::new();
    for _ in 0..ROUNDS {
        let input = mutated(&mut random, seeds);
        let text = shown(&input);
        match (ours(&input), theirs(&input)) {
            (Ours::Whole(seen), Some(message)) if seen.message == message => both += 1,
            (Ours::Whole(seen), Some(message)) => {
                wrong.push(format!("read differently:\n    {text}\n    {:?}\n    {message:?}", seen.message));
            }
            (Ours::Whole(seen), None) => {
                if !LENIENCIES.iter().any(|(_, holds)| holds(&seen)) {
                    wrong.push(format!("only we accept it:\n    {text}\n    {:?}", seen.message));
                }
            }
            (Ours::Refused(why) | Ours::Broken(why), Some(message)) if !STRICTER.contains(&why) => {
                wrong.push(format!("only hyper accepts it ({why}):\n    {text}\n    {message:?}"));
            }
            (Ours::Refused(_) | Ours::Broken(_), _) => {}
        }
    }
    // The shortest of each kind says most.
    wrong.sort_by_key(|text: &String| text.len());
    let kind = |text: &String| text.lines().next().unwrap_or_default().to_owned();
    let mut kinds: Vec<String> = wrong.iter().map(kind).collect();
    kinds.sort();
    kinds.dedup();
    let examples = kinds.iter().flat_map(|one| wrong.iter().filter(|text| kind(text) == *one).take(5));
    let examples: Vec<&str> = examples.map(String::as_str).collect();
    assert!(wrong.is_empty(), "{} messages, for example\n{}", wrong.len(), examples.join("\n"));
    assert!(both > ROUNDS / 10, "only {both} of {ROUNDS} messages were accepted by both");
}

/// A good message with a few things changed.
fn mutated(random: &mut Random, seeds: &[&str]) -> Vec<u8> {
    let mut text = random.pick(seeds).as_bytes().to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(text.len() + 1);
        let to = (at + random.below(8)).min(text.len());
        match random.below(6) {
            0 => drop(text.drain(at..to)),
            1 => {
                let piece = text[at..to].to_vec();
                let place = random.below(text.len() + 1);
                text.splice(place..place, piece);
            }
            2 => {
                if let Some(byte) = text.get_mut(at) {
                    *byte = random.below(256) as u8;
                }
            }
            3 => {
                // Before a line.
                let starts: Vec<usize> = memchr::memchr_iter(b'\n', &text).map(|at| at + 1).collect();
                let at = if starts.is_empty() { 0 } else { starts[random.below(starts.len())] };
                text.splice(at..at, random.pick(PIECES).bytes());
            }
            4 => drop(text.splice(at..to, random.pick(PIECES).bytes())),
            _ => drop(text.splice(at..at, random.pick(PIECES).bytes())),
        }
    }
    text
}

fn our_request(input: &[u8]) -> Ours {
    let limits = Limits {
        line: 8192,
        field: 8192,
        fields: usize::MAX,
        head: 32768,
        ignore_invalid: false,
        underscores: true,
        single: false,
        asterisk: false,
    };
    let mut head = RequestHead::default();
    match head.parse(input, 0, &limits) {
        Err(refusal) => return Ours::Refused(refusal.reason),
        Ok(request::Parsed::Partial) => return Ours::Broken("incomplete head"),
        Ok(request::Parsed::Whole) => {}
    }
    let content = match content(&input[head.length..], head.chunked, head.content_length) {
        Ok(content) => content,
        Err(why) => return Ours::Broken(why),
    };
    let mut target = head.target.of(input).to_vec();
    // The origin form of an absolute target without a path (RFC 9112 § 3.2.1).
    if target.first() != Some(&b'/') {
        target.insert(0, b'/');
    }
    if let Some(fragment) = memchr::memchr(b'#', &target) {
        target.truncate(fragment);
    }
    let message = Message {
        start: shown(&[head.method.of(input), b" ", head.authority.of(input), b" ", &target].concat()),
        fields: fields(&head.fields, input),
        content: shown(&content),
    };
    Ours::Whole(Seen {
        message,
        line: head.line.of(input).to_vec(),
        version: head.version,
        head: input[..head.length].to_vec(),
        rest: input[head.length..].to_vec(),
        chunked: head.chunked,
    })
}

fn our_response(input: &[u8]) -> Ours {
    let mut head = ResponseHead::default();
    match head.parse(input, false) {
        Err(refusal) => return Ours::Refused(refusal.reason),
        Ok(response::Parsed::Partial) => return Ours::Broken("incomplete head"),
        Ok(response::Parsed::NoHead) => return Ours::Refused("no head"),
        Ok(response::Parsed::Whole) => {}
    }
    if head.status < 200 {
        return Ours::Broken("an interim response is not the end");
    }
    let rest = &input[head.length..];
    let content = match head.status {
        204 | 304 => Ok(Vec::new()),
        _ if !head.chunked && head.content_length.is_none() => Ok(rest.to_vec()),
        _ => content(rest, head.chunked, head.content_length),
    };
    let content = match content {
        Ok(content) => content,
        Err(why) => return Ours::Broken(why),
    };
    let message = Message {
        start: head.status.to_string(),
        fields: fields(&head.fields, input),
        content: shown(&content),
    };
    let line = memchr::memchr(b'\n', input).unwrap_or(input.len());
    Ours::Whole(Seen {
        message,
        line: input[..line].to_vec(),
        version: head.version,
        head: input[..head.length].to_vec(),
        rest: rest.to_vec(),
        chunked: head.chunked,
    })
}

fn fields(fields: &[Field], input: &[u8]) -> Vec<(String, String)> {
    let field = |field: &Field| {
        let name = field.name.of(input).to_ascii_lowercase();
        // Tabs around a value belong to it here, as in nginx.
        (shown(&name), shown(field.value.of(input).trim_ascii()))
    };
    hyper_oracle::sorted(fields.iter().map(field).collect())
}

/// The content behind a head.
fn content(rest: &[u8], chunked: bool, length: Option<u64>) -> Result<Vec<u8>, &'static str> {
    if !chunked {
        let length = usize::try_from(length.unwrap_or(0)).map_err(|_| "incomplete content")?;
        let content = rest.get(..length).ok_or("incomplete content")?;
        return Ok(content.to_vec());
    }
    let (mut decoder, mut content, mut at) = (Decoder::new(), Vec::new(), 0);
    loop {
        match decoder.step(&rest[at..]) {
            Err(_) => return Err("invalid chunk"),
            Ok(Step::More) => return Err("incomplete content"),
            Ok(Step::End(_)) => return Ok(content),
            Ok(Step::Data { start, end }) => {
                content.extend_from_slice(&rest[at + start..at + end]);
                at += end;
            }
        }
    }
}
