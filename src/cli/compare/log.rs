//! Access logs as requests to compare by: common and combined, W3C extended, JSON; plain or gzip.
//!
//! References: <https://httpd.apache.org/docs/2.4/logs.html#accesslog>, <https://www.w3.org/TR/WD-logfile.html>.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read},
    net::IpAddr,
    path::Path,
};

use serde_json::Value;

/// The longest line that is looked at.
const LONGEST: usize = 64 << 10;

/// A request as a log tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Logged {
    /// The method.
    pub method: String,
    /// Path and query as they were received.
    pub target: String,
    /// The host asked for, where the log has it.
    pub host: Option<String>,
    /// The port it came to, likewise.
    pub port: Option<u16>,
    /// Whether over TLS, likewise.
    pub tls: Option<bool>,
    /// Where it came from, likewise.
    pub client: Option<IpAddr>,
    /// `User-Agent`, likewise.
    pub agent: Option<String>,
}

/// What was read.
#[derive(Debug, Default)]
pub struct Requests {
    /// Requests and how often each was seen.
    pub requests: BTreeMap<Logged, u64>,
    /// Lines that tell of no request.
    pub skipped: u64,
}

/// Reads a log. `-` is standard input.
pub fn read(path: &Path) -> io::Result<Requests> {
    let raw: Box<dyn Read> =
        if path.as_os_str() == "-" { Box::new(io::stdin()) } else { Box::new(std::fs::File::open(path)?) };
    let mut buffered = BufReader::new(raw);
    let packed = buffered.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    if packed {
        lines(BufReader::new(flate2::bufread::MultiGzDecoder::new(buffered)))
    } else {
        lines(buffered)
    }
}

fn lines(mut from: impl BufRead) -> io::Result<Requests> {
    let mut found = Requests::default();
    let mut fields: Vec<String> = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = (&mut from).take(LONGEST as u64).read_until(b'\n', &mut line)?;
        if length == 0 {
            return Ok(found);
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if let Some(names) = text.strip_prefix("#Fields:") {
            fields = names.split_whitespace().map(str::to_ascii_lowercase).collect();
        }
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let request = if text.starts_with('{') {
            json(text)
        } else if fields.is_empty() {
            common(text)
        } else {
            extended(&fields, text)
        };
        match request.filter(|request| request.target.starts_with('/')) {
            // People differ in what they were asked by, not in what they asked.
            Some(request) => *found.requests.entry(request).or_default() += 1,
            None => found.skipped += 1,
        }
    }
}

/// `host ident user [time] "request" status bytes "referer" "agent"`, perhaps behind `vhost:port`.
fn common(line: &str) -> Option<Logged> {
    let quote = line.find('"')?;
    let mut before = line[..quote].split_whitespace();
    let first = before.next()?;
    let second = before.next()?;
    let mut request = Logged::default();
    // `%v:%p %h …`, as Debian's vhost_combined has it.
    let client = match (first.parse().ok(), second.parse::<IpAddr>().ok()) {
        (None, Some(client)) => {
            let (host, port) = first.rsplit_once(':').unwrap_or((first, ""));
            request.host = Some(host.to_owned());
            request.port = port.parse().ok();
            Some(client)
        }
        (client, _) => client,
    };
    request.client = client;
    let mut quoted = quoted(&line[quote..]);
    let words: Vec<String> = quoted.next()?.split(' ').map(str::to_owned).collect();
    let [method, target, ..] = words.as_slice() else { return None };
    request.method.clone_from(method);
    request.put_target(target);
    // Behind status and length: the referer, then the agent.
    request.agent = quoted.nth(1).filter(|agent| agent != "-" && !agent.is_empty());
    Some(request)
}

/// The quoted parts of a line, without their quotes and backslashes.
fn quoted(line: &str) -> impl Iterator<Item = String> {
    let mut chars = line.chars();
    std::iter::from_fn(move || {
        chars.find(|c| *c == '"')?;
        let mut text = String::new();
        loop {
            match chars.next()? {
                '"' => return Some(text),
                '\\' => match chars.next()? {
                    'x' => {
                        let digits: String = chars.by_ref().take(2).collect();
                        text.push(char::from(u8::from_str_radix(&digits, 16).ok()?));
                    }
                    c => text.push(c),
                },
                c => text.push(c),
            }
        }
    })
}

/// Fields as a `#Fields` line names them.
fn extended(names: &[String], line: &str) -> Option<Logged> {
    let values: Vec<&str> = line.split(['\t', ' ']).collect();
    let get = |name: &str| {
        let at = names.iter().position(|known| known == name)?;
        values.get(at).copied().filter(|value| *value != "-")
    };
    let mut request = Logged { method: get("cs-method")?.to_owned(), ..Logged::default() };
    if let Some(uri) = get("cs-uri") {
        request.put_target(uri);
    } else {
        request.target = get("cs-uri-stem")?.to_owned();
        if let Some(query) = get("cs-uri-query") {
            request.target = format!("{}?{query}", request.target);
        }
    }
    request.host = get("cs-host").or_else(|| get("cs(host)")).map(str::to_owned);
    request.port = get("s-port").and_then(|port| port.parse().ok());
    request.tls = request.port.map(|port| port == 443);
    request.client = get("c-ip").and_then(|client| client.parse().ok());
    request.agent = get("cs(user-agent)").map(|agent| agent.replace('+', " "));
    Some(request)
}

/// An object a line; names as people give them.
fn json(line: &str) -> Option<Logged> {
    let all: Value = serde_json::from_str(line).ok()?;
    // Some keep what the client sent in an object of its own.
    let inner = all.get("request").filter(|inner| inner.is_object()).unwrap_or(&all);
    let get = |names: &[&str]| {
        names.iter().find_map(|name| match inner.get(name).or_else(|| all.get(name))? {
            Value::String(text) if !text.is_empty() && text != "-" => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    };
    let mut request = Logged::default();
    let whole = get(&["request", "request_line"]).filter(|line| line.contains(" /"));
    if let Some((method, rest)) = whole.as_deref().and_then(|line| line.split_once(' ')) {
        request.method = method.to_owned();
        request.put_target(rest.split(' ').next().unwrap_or_default());
    } else {
        request.method = get(&["method", "request_method", "http_method", "verb"])?;
        let target = get(&["request_uri", "uri", "url", "path", "target"])?;
        request.put_target(&target);
        let query = get(&["args", "query_string", "query"]);
        if let Some(query) = query.filter(|_| !request.target.contains('?')) {
            request.target = format!("{}?{}", request.target, query.trim_start_matches('?'));
        }
    }
    request.host = request.host.or_else(|| get(&["http_host", "host", "vhost", "server_name", "authority"]));
    request.port = get(&["server_port", "port"]).and_then(|port| port.parse().ok());
    request.tls = request.tls.or_else(|| get(&["scheme"]).map(|scheme| scheme == "https"));
    request.client = get(&["remote_addr", "client_ip", "remote_ip", "client", "ip", "remote_host"])
        .and_then(|client| client.parse().ok());
    request.agent = get(&["http_user_agent", "user_agent", "agent", "userAgent"]);
    Some(request)
}

impl Logged {
    /// A target, or a URL as a proxy logs it.
    fn put_target(&mut self, text: &str) {
        match text.split_once("://") {
            Some((scheme, rest)) if !scheme.contains('/') => {
                let at = rest.find(['/', '?']).unwrap_or(rest.len());
                self.tls = Some(scheme == "https");
                self.host = Some(rest[..at].to_owned());
                self.target = if rest[at..].starts_with('/') {
                    rest[at..].to_owned()
                } else {
                    format!("/{}", &rest[at..])
                };
            }
            _ => self.target = text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> Logged {
        let found = lines(text.as_bytes()).unwrap();
        assert_eq!(found.requests.len(), 1, "{found:?}");
        found.requests.into_keys().next().unwrap()
    }

    #[test]
    fn logs_are_read_in_their_formats() {
        let combined =
            "10.1.2.3 - - [21/Nov/2026:10:00:00 +0000] \"GET /a?b=1 HTTP/1.1\" 200 12 \"-\" \"curl/8\"\n";
        let request = only(combined);
        assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "/a?b=1"));
        assert_eq!(request.client, "10.1.2.3".parse().ok());
        assert_eq!(request.agent.as_deref(), Some("curl/8"));
        let request = only("a.example:443 ::1 - - [x] \"POST /x HTTP/2.0\" 200 1 \"r\" \"a \\\"q\\\"\"");
        assert_eq!((request.host.as_deref(), request.port), (Some("a.example"), Some(443)));
        assert_eq!(request.agent.as_deref(), Some("a \"q\""));
        let w3c = "#Version: 1.0\n#Fields: date time cs-method cs-uri-stem cs-uri-query s-port c-ip cs(User-Agent) cs-host\n2026-11-21 10:00:00 GET /a b=1 443 10.0.0.9 Mozilla/5.0+(X) www.example.com\n";
        let request = only(w3c);
        assert_eq!((request.target.as_str(), request.tls), ("/a?b=1", Some(true)));
        assert_eq!(request.agent.as_deref(), Some("Mozilla/5.0 (X)"));
        assert_eq!(request.host.as_deref(), Some("www.example.com"));
        let request = only(
            "{\"request\":\"GET /j?k HTTP/1.1\",\"http_host\":\"j.example\",\"remote_addr\":\"10.0.0.1\"}",
        );
        assert_eq!((request.target.as_str(), request.host.as_deref()), ("/j?k", Some("j.example")));
        let request = only(
            "{\"request\":{\"method\":\"PUT\",\"uri\":\"/c\",\"host\":\"c.example\",\"client_ip\":\"10.0.0.2\"}}",
        );
        assert_eq!((request.method.as_str(), request.target.as_str()), ("PUT", "/c"));
        assert_eq!(request.client, "10.0.0.2".parse().ok());
    }

    #[test]
    fn what_is_no_request_is_counted() {
        let text = "garbage\n1.2.3.4 - - [x] \"\\x16\\x03\" 400 0\n1.2.3.4 - - [x] \"GET /a HTTP/1.1\" 200 0\n1.2.3.4 - - [x] \"GET /a HTTP/1.1\" 200 9\n";
        let found = lines(text.as_bytes()).unwrap();
        assert_eq!(found.skipped, 2);
        assert_eq!(found.requests.values().copied().collect::<Vec<_>>(), [2]);
    }
}
