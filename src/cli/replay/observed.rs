//! What was seen of a request, in the words of a decision, so that what two servers did is laid side by side as what two
//! configurations mean is.

use std::collections::BTreeMap;

use super::Seen;
use crate::compare::{Decision, Tolerance, decision::shown};

/// What differs between two real servers whatever is written, beside what differs between two of other kinds.
pub fn tolerance() -> Tolerance {
    let mut tolerance = Tolerance::across();
    let own = ["field date", "field allow", "field content-language", "field upgrade", "field alt-svc"];
    tolerance.0.extend(own.map(str::to_owned));
    // A request to a gateway is made of the server's own variables.
    tolerance.0.push("upstream variable *".to_owned());
    tolerance
}

/// What was seen, where this was expected: of the endpoints of a cluster any may be asked, and pages are not read.
pub fn decision(seen: &Seen, expected: &Decision) -> Decision {
    let mut aspects = BTreeMap::new();
    let mut put = |name: &str, value: String| {
        aspects
            .entry(name.to_owned())
            .and_modify(|known: &mut String| *known = format!("{known} | {value}"))
            .or_insert(value);
    };
    if let Some(last) = seen.arrived.last() {
        let wanted = expected.aspects.get("upstream").map_or("", String::as_str);
        let at: Vec<String> = seen.arrived.iter().map(|one| endpoint(&one.at, wanted)).collect();
        put("upstream", at.join(", then "));
        put("upstream protocol", last.protocol.clone());
        let mut lines = last.head.split(|byte| *byte == b'\n');
        if last.protocol.starts_with("http") {
            let line = lines.next().unwrap_or_default().trim_ascii_end();
            let mut words = line.split(|byte| *byte == b' ').map(shown);
            for name in ["upstream method", "upstream target", "upstream version"] {
                put(name, words.next().unwrap_or_default());
            }
            // The name that a server without one is given here.
            for (name, value) in lines.filter_map(field).filter(|(_, value)| value != "replay") {
                put(&format!("upstream field {name}"), masked(&value));
            }
        } else {
            for line in lines.filter(|line| !line.is_empty()) {
                let (name, value) = shown(line)
                    .split_once('=')
                    .map_or_else(Default::default, |(name, value)| (name.to_owned(), value.to_owned()));
                put(&format!("upstream variable {name}"), value);
            }
        }
    }
    let outcome = match (seen.answer.is_empty(), seen.arrived.is_empty()) {
        (true, _) => "close",
        (_, false) => "forward",
        (_, true) => "answer",
    };
    put("outcome", outcome.to_owned());
    let end = memchr::memmem::find(&seen.answer, b"\r\n\r\n").map_or(seen.answer.len(), |at| at + 4);
    let (head, content) = seen.answer.split_at(end);
    let mut lines = head.split(|byte| *byte == b'\n');
    let status = lines.next().unwrap_or_default().split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    if !seen.answer.is_empty() {
        put("status", shown(status.trim_ascii()));
    }
    let written = expected.aspects.contains_key("content") || status == b"200" && !seen.arrived.is_empty();
    for (name, value) in lines.filter_map(field) {
        match name.as_str() {
            "content-type" if !written => put("page type", value),
            "expires" => put("field expires", "a time".to_owned()),
            _ => put(&format!("field {name}"), masked(&value)),
        }
    }
    if !content.is_empty() {
        put(if written { "content" } else { "page" }, shown(content));
    }
    Decision { aspects, ..expected.clone() }
}

/// A field of a head, its name in lower case.
fn field(line: &[u8]) -> Option<(String, String)> {
    let line = line.trim_ascii_end();
    let colon = memchr::memchr(b':', line)?;
    Some((shown(&line[..colon]).to_ascii_lowercase(), shown(line[colon + 1..].trim_ascii())))
}

/// A value without what is new each time: identifiers of many digits.
fn masked(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut run = String::new();
    let flush = |run: &mut String, out: &mut String| {
        if run.len() >= 16 && run.bytes().any(|byte| byte.is_ascii_digit()) {
            out.push_str("<id>");
        } else {
            out.push_str(run);
        }
        run.clear();
    };
    for letter in value.chars() {
        if letter.is_ascii_hexdigit() {
            run.push(letter);
        } else {
            flush(&mut run, &mut out);
            out.push(letter);
        }
    }
    flush(&mut run, &mut out);
    out
}

/// An upstream as it was expected, where it is one of those: `host:port, host:port weight=2`.
fn endpoint(seen: &str, expected: &str) -> String {
    let is = |one: &str| {
        let one = one.split(' ').next().unwrap_or_default();
        one == seen || one.trim_end_matches(':') == seen.trim_end_matches(':') || {
            let near = |text: &str| {
                let (host, port) = text.rsplit_once(':')?;
                let local = host == "localhost" || host.starts_with("127.") || host == "[::1]";
                local.then(|| port.to_owned())
            };
            near(one).is_some() && near(one) == near(seen)
        }
    };
    if expected.split(", ").any(is) { expected.to_owned() } else { seen.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::replay::Arrived;

    #[test]
    fn what_was_seen_is_told_in_aspects() {
        let seen = Seen {
            answer: b"HTTP/1.1 200 OK\r\nX-Id: 0123456789abcdef01\r\nContent-Type: text/plain\r\n\r\nok"
                .to_vec(),
            arrived: vec![Arrived {
                at: "127.0.0.1:3000".to_owned(),
                protocol: "http".to_owned(),
                head: b"GET /a HTTP/1.0\r\nHost: a\r\n\r\n".to_vec(),
            }],
        };
        let mut expected = Decision::default();
        expected.aspects.insert("upstream".to_owned(), "b:80, localhost:3000 weight=2".to_owned());
        let told = decision(&seen, &expected);
        let told: Vec<String> = told.aspects.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(
            told,
            [
                "content: ok",
                "field content-type: text/plain",
                "field x-id: <id>",
                "outcome: forward",
                "status: 200",
                "upstream: b:80, localhost:3000 weight=2",
                "upstream field host: a",
                "upstream method: GET",
                "upstream protocol: http",
                "upstream target: /a",
                "upstream version: HTTP/1.0",
            ]
        );
    }
}
