//! Turns what was seen into lines that are compared and shown; the only place where differences are forgiven.
//!
//! What is normalised, and why:
//!
//! | what | why |
//! |---|---|
//! | `Date` | the moment of the answer; its form is checked |
//! | `Expires` near `Date` | becomes its distance from `Date` in seconds |
//! | `nginx/X.Y.Z` | the version is ours to choose |
//! | multipart boundaries (20 digits) | a counter in nginx |
//! | ports, prefix | the machine's; written as in the fixture (`ports.rs`) |
//! | time, process, connection number of error log lines | not the message |
//! | order of access log lines | a lingering connection is logged when it ends, after the next request |
//! | a reset instead of an end of the connection | depends on what was unread (`client.rs`) |
//! | chunk sizes of answers | depend on how the data arrived; the framing's kind is compared |
//! | content in a coding | compressors differ; what it decodes to is compared (`client.rs`) |
//! | whether a connection to an upstream of Apache is new | a matter of timing there |
//! | order of the variables that Apache tells a gateway; `UNIQUE_ID`, `proxy-nokeepalive` | a table's; a number of the request; what a module notes for itself |
//! | order of the fields of an answer of Apache, case of `Connection` | no meaning (RFC 9110 § 5.3, § 7.6.1) |
//! | framing of an answer of Apache that it coded | it tells the length of what was there at once |
//! | `# mask` of a fixture | said there |

use super::fixture::escape;
use super::origin::Record;
use regex::bytes::Regex;
use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::SystemTime;

static VERSION: LazyLock<Regex> = LazyLock::new(|| pattern(r"(nginx/)\d\.\d+\.\d+"));
static BOUNDARY: LazyLock<Regex> = LazyLock::new(|| pattern(r"(--|boundary=)\d{20}"));
/// `[time] [module:level] [pid 1:tid 2] [client 1.2.3.4:5]`; of the client's port nothing is kept.
static APACHE_LOG_LINE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^\[[^\]]+\] \[\w*:(\w+)\] \[pid \d+(?::tid \d+)?\] (?:\[client ([\d.a-f:]+):\d+\] )?")
});
static LOG_LINE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(\w+)\] \d+#\d+: (?:\*\d+ )?"));

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern")
}

/// Content, one line of the view to each of its lines.
pub(crate) fn content(bytes: &[u8]) -> Vec<String> {
    if bytes.len() > 8000 {
        return vec![escape(bytes, 200)];
    }
    let bytes = BOUNDARY.replace_all(bytes, b"${1}BOUNDARY".as_slice());
    bytes.split_inclusive(|byte| *byte == b'\n').map(|line| escape(line, 8000)).collect()
}

/// The view of one upstream request.
pub(crate) fn upstream(record: &Record) -> Vec<String> {
    let mut lines = vec![format!("[upstream] {}", record.title)];
    let head = record.head.strip_suffix(b"\r\n").unwrap_or(&record.head);
    lines.extend(head.split_inclusive(|b| *b == b'\n').map(|line| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        match line.strip_suffix(b"\r") {
            Some(line) => escape(line, 9000),
            None if gateway(record).is_some() => escape(line, 9000),
            None => escape(line, 9000) + "\\n",
        }
    }));
    if !record.content.is_empty() {
        lines.push("[content]".to_owned());
        lines.extend(content(&record.content));
    }
    if let Some(tunnel) = &record.tunnel {
        lines.push(format!("[tunnelled] {}", escape(tunnel, 2000)));
    }
    if !record.done {
        lines.push("[unfinished]".to_owned());
    }
    lines
}

/// The protocols of gateways, as titles have them.
const GATEWAYS: [&str; 3] = [" uwsgi", " fastcgi", " scgi"];

/// The protocol of a request that is not HTTP.
fn gateway(record: &Record) -> Option<&'static str> {
    let names = ["uwsgi", "fastcgi", "scgi", "memcached"];
    names.into_iter().find(|name| record.title.split(' ').any(|word| word == *name))
}

/// The recorded form of one upstream request.
pub(crate) fn upstream_summary(record: &Record) -> String {
    let who = record.title.split([' ', '(']).next().unwrap_or_default();
    let start = record.head.split(|b| *b == b'\n').next().unwrap_or_default();
    if let Some(gateway) = gateway(record).filter(|gateway| *gateway != "memcached") {
        return format!("-> {who} {gateway}");
    }
    format!("-> {who} {}", escape(start.strip_suffix(b"\r").unwrap_or(start), 500))
}

/// The fields of each answer in order of their names, those of one name as they came.
pub(crate) fn sorted(lines: Vec<String>) -> Vec<String> {
    let decoded = lines.iter().any(|line| line == "[decoded]")
        || lines.iter().any(|line| line == "Content-Encoding: gzip");
    let frames = |line: &String| {
        ["Content-Length: ", "Transfer-Encoding: ", "[framing] "].iter().any(|begin| line.starts_with(begin))
    };
    let lines: Vec<String> = lines.into_iter().filter(|line| !(decoded && frames(line))).collect();
    let mut out: Vec<String> = Vec::with_capacity(lines.len());
    let mut rest = lines.into_iter().peekable();
    while let Some(line) = rest.next() {
        let head = (line.starts_with("HTTP/1.") || line.starts_with("HTTP/2 ")) && !line.contains('[');
        // When the original's process takes up a connection again depends on what else it does meanwhile.
        let pooled =
            line.strip_suffix(" (same connection)").or_else(|| line.strip_suffix(" (new connection)"));
        out.push(
            pooled.filter(|_| line.starts_with("[upstream]")).map_or_else(|| line.clone(), str::to_owned),
        );
        if line.starts_with("[upstream]") && GATEWAYS.iter().any(|name| line.contains(name)) {
            let mut told = Vec::new();
            while let Some(variable) = rest.next_if(|line| !line.is_empty() && !line.starts_with('[')) {
                told.push(variable);
            }
            told.retain(|line| !line.contains("UNIQUE_ID=") && !line.contains("proxy-nokeepalive="));
            told.sort();
            out.append(&mut told);
        }
        if !head {
            continue;
        }
        let mut fields = Vec::new();
        while let Some(field) = rest.next_if(|line| !line.is_empty() && !line.starts_with('[')) {
            fields.push(match field.split_once(": ") {
                Some((name, value)) if name == "Connection" => format!("{name}: {}", value.to_lowercase()),
                _ => field,
            });
        }
        fields.sort_by_key(|field| field.split(':').next().unwrap_or_default().to_lowercase());
        out.append(&mut fields);
    }
    out
}

/// Applies the table above to finished lines.
pub(crate) fn normalise(lines: &[String], masks: &[Regex]) -> Vec<String> {
    let date = lines.iter().find_map(|line| moment(date_of(line)?));
    let one = |line: &String| {
        let mut line = line.clone();
        if date_of(&line).is_some_and(|value| moment(value).is_some()) {
            line.replace_range(6.., "(now)");
        }
        if let Some(distance) = line.strip_prefix("Expires: ").and_then(|value| near(moment(value)?, date?)) {
            line = format!("Expires: (now){distance:+}s");
        }
        let bytes = VERSION.replace_all(line.as_bytes(), b"${1}VERSION".as_slice());
        let bytes = BOUNDARY.replace_all(&bytes, b"${1}BOUNDARY".as_slice());
        let mut bytes = bytes.into_owned();
        for mask in masks {
            bytes = masked(mask, &bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    lines.iter().map(one).collect()
}

fn masked(mask: &Regex, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut done = 0;
    for found in mask.captures_iter(bytes) {
        let Some(part) = found.get(1).or_else(|| found.get(0)) else { continue };
        out.extend_from_slice(&bytes[done..part.start()]);
        out.extend_from_slice(b"(masked)");
        done = part.end();
    }
    out.extend_from_slice(&bytes[done..]);
    out
}

fn moment(text: &str) -> Option<SystemTime> {
    let time = httpdate::parse_http_date(text).ok()?;
    (httpdate::fmt_http_date(time) == text).then_some(time)
}

/// Seconds from `date` to `time` if they are within about a year.
fn near(time: SystemTime, date: SystemTime) -> Option<i64> {
    let distance = match time.duration_since(date) {
        Ok(after) => after.as_secs() as i64,
        Err(before) => -(before.duration().as_secs() as i64),
    };
    (distance.abs() < 400 * 86400).then_some(distance)
}

/// Lines of an error log whose level is in `levels`, as `[level] message`.
pub(crate) fn errors(text: &[u8], levels: &[String]) -> Vec<String> {
    let mut out = Vec::new();
    for line in text.split(|b| *b == b'\n') {
        let Some(found) = LOG_LINE.captures(line).or_else(|| APACHE_LOG_LINE.captures(line)) else {
            continue;
        };
        let level = String::from_utf8_lossy(&found[1]).into_owned();
        if levels.contains(&level) {
            out.push(format!("[{level}] {}", escape(&line[found[0].len()..], 9000)));
        }
    }
    out
}

/// The lines that differ, with a little of what surrounds them: `-` is wanted, `+` is what came.
pub(crate) fn diff(wanted: &[String], came: &[String]) -> String {
    let (n, m) = (wanted.len(), came.len());
    let mut longest = vec![vec![0usize; m + 1]; n + 1];
    for i in (0..n).rev() {
        for j in (0..m).rev() {
            longest[i][j] = if wanted[i] == came[j] {
                longest[i + 1][j + 1] + 1
            } else {
                longest[i + 1][j].max(longest[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut all) = (0, 0, Vec::new());
    while i < n || j < m {
        if i < n && j < m && wanted[i] == came[j] {
            all.push((' ', &wanted[i]));
            (i, j) = (i + 1, j + 1);
        } else if i < n && (j == m || longest[i + 1][j] >= longest[i][j + 1]) {
            all.push(('-', &wanted[i]));
            i += 1;
        } else {
            all.push(('+', &came[j]));
            j += 1;
        }
    }
    let mut out = String::new();
    for (at, (sign, line)) in all.iter().enumerate() {
        let close = all[at.saturating_sub(3)..(at + 4).min(all.len())].iter().any(|(sign, _)| *sign != ' ');
        if close {
            let _ = writeln!(out, "    {sign} {line}");
        }
    }
    out
}

/// The value of a `Date`, however its name is written.
fn date_of(line: &str) -> Option<&str> {
    line.strip_prefix("Date: ").or_else(|| line.strip_prefix("date: "))
}
