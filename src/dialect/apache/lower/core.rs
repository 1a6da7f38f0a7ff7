//! Settings of the server itself: connections, limits, what it says of itself.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/core.html>

use std::time::Duration;

use super::{
    super::tree::{Directive, Word},
    Cx, Lower, Section, mapping,
    walk::Steps,
};
use crate::{
    diagnostic::{Diagnostic, Severity},
    ir::{Attr, Pattern, Step, Template, Test, Text, settings::TagForm},
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("AllowEncodedSlashes", encoded_slashes),
    ("FileETag", file_etag),
    ("HostnameLookups", hostname_lookups),
    ("HttpProtocolOptions", protocol_options),
    ("KeepAlive", keep_alive),
    ("KeepAliveTimeout", keep_alive_timeout),
    ("LimitInternalRecursion", internal_recursion),
    ("LimitRequestBody", request_body),
    ("LimitRequestFields", fields),
    ("LimitRequestFieldsize", field_size),
    ("LimitRequestLine", line),
    ("MaxKeepAliveRequests", keep_alive_requests),
    ("MaxRangeOverlaps", max_joined),
    ("MaxRangeReversals", max_joined),
    ("MaxRanges", max_ranges),
    ("MergeSlashes", merge_slashes),
    ("RequestReadTimeout", read_timeout),
    ("ServerRoot", server_root),
    ("ServerTokens", server_tokens),
    ("StrictHostCheck", strict_host_check),
    ("Timeout", timeout),
];

/// What C's `atoi` makes of a word.
pub(super) fn integer(word: &Word) -> i64 {
    let text = word.value.trim_ascii_start();
    let (negative, digits) = match text.first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    let number =
        digits.fold(0i64, |sum, digit| sum.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    if negative { -number } else { number }
}

/// A span of time: a number of seconds, or with a unit.
pub(super) fn seconds(word: &Word) -> Option<Duration> {
    let text = word.text().to_ascii_lowercase();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let millis = match &text[digits..] {
        "" | "s" => number.checked_mul(1000)?,
        "ms" => number,
        "mi" | "min" => number.checked_mul(60_000)?,
        "h" => number.checked_mul(3_600_000)?,
        _ => return None,
    };
    Some(Duration::from_millis(millis))
}

/// `Timeout seconds`
fn timeout(_: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let time = Duration::from_secs(u64::try_from(integer(word)).unwrap_or(0));
    section.set.client.head_timeout = Some(time);
    section.set.client.send_timeout = Some(time);
    section.set.content.timeout = Some(time);
    section.set.client.lingering_timeout = Some(time.min(Duration::from_secs(2)));
}

/// `KeepAlive On|Off`
fn keep_alive(_: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    section.own.core.keep_alive = Some(word.is("on"));
}

/// `KeepAliveTimeout time`
fn keep_alive_timeout(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    match seconds(word) {
        Some(time) => {
            section.set.client.keepalive_timeout = Some(time);
            section.set.client.keepalive_announce = Some(Some(time));
        }
        None => {
            let message = format!("KeepAliveTimeout has wrong format: {}", word.text());
            cx.report(Diagnostic::error("invalid-value", word.span, message));
        }
    }
}

/// `MaxKeepAliveRequests number`; 0 is no limit.
fn keep_alive_requests(_: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let number = u64::try_from(integer(word)).unwrap_or(0);
    section.set.client.keepalive_requests = Some(if number == 0 { u64::MAX } else { number });
}

/// `LimitRequestBody bytes`; 0 is no limit.
fn request_body(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    match word.text().parse() {
        Ok(number) => section.set.content.max_length = Some(number),
        Err(_) => {
            let message = "LimitRequestBody requires a non-negative integer.";
            cx.report(Diagnostic::error("invalid-value", word.span, message));
        }
    }
}

/// A limit that is not negative.
fn limit(cx: &mut Cx, directive: &Directive) -> Option<u64> {
    let [word] = directive.args.as_slice() else { return None };
    let number = u64::try_from(integer(word)).ok();
    if number.is_none() {
        let message = format!("{} \"{}\" must be a non-negative integer", directive.name(), word.text());
        cx.report(Diagnostic::error("invalid-value", word.span, message));
    }
    number
}

/// `LimitRequestLine bytes`
fn line(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    if let Some(number) = limit(cx, directive) {
        section.set.client.line_limit = Some(number);
    }
}

/// `LimitRequestFieldSize bytes`
fn field_size(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    if let Some(number) = limit(cx, directive) {
        section.set.client.field_limit = Some(number);
    }
}

/// `LimitRequestFields number`; 0 is no limit.
fn fields(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    if let Some(number) = limit(cx, directive) {
        section.set.client.fields_limit = Some(number);
    }
}

/// Requests inside requests take room on the stack of a worker.
const MOST_NESTED: u8 = 50;

/// `LimitInternalRecursion number [number]`
fn internal_recursion(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let mut numbers = Vec::new();
    for word in &directive.args {
        match u32::try_from(integer(word)) {
            // 0 is no limit.
            Ok(number) => numbers.push(if number == 0 { u32::MAX } else { number }),
            Err(_) => {
                let message = "LimitInternalRecursion takes one or two numbers that are not negative";
                return cx.report(Diagnostic::error("invalid-value", word.span, message));
            }
        }
    }
    let Some(redirects) = numbers.first().copied() else { return };
    // The second is for requests inside requests; one number is for both.
    let nested = numbers.get(1).copied().unwrap_or(redirects);
    section.set.client.redirects = Some(Some(redirects));
    section.set.client.nested = Some(u8::try_from(nested).unwrap_or(MOST_NESTED).min(MOST_NESTED));
}

/// `HttpProtocolOptions [Strict|Unsafe] [RegisteredMethods|LenientMethods] [Allow0.9|Require1.0]`
fn protocol_options(cx: &mut Cx, _: &mut Section, directive: &Directive) {
    for word in &directive.args {
        match &*word.text().to_ascii_lowercase() {
            "strict" | "lenientmethods" | "allow0.9" => {}
            "unsafe" => {
                let message = "requests are read strictly whatever is said here";
                let note = Diagnostic::new(Severity::Note, "ignored", message).label(word.span, "");
                cx.report(note.because("what is read in two ways is how requests are smuggled"));
            }
            "registeredmethods" | "require1.0" => {
                let message = format!("HttpProtocolOptions {} is not honoured", word.text());
                let help = "leave the default: Strict LenientMethods Allow0.9";
                cx.refuse(Diagnostic::error("refused-value", word.span, message).help(help));
            }
            _ => {
                let message = "HttpProtocolOptions accepts 'Unsafe' or 'Strict' (default), 'RegisteredMethods' or \
                               'LenientMethods' (default), and 'Require1.0' or 'Allow0.9' (default)";
                cx.error("invalid-value", word.span, message);
            }
        }
    }
}

/// `MaxRanges default|unlimited|none|number`
fn max_ranges(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    section.set.answer.max_ranges = Some(match &*word.text().to_ascii_lowercase() {
        "default" => Some(200),
        "unlimited" => None,
        "none" => Some(0),
        number => match number.parse() {
            Ok(number) => Some(number),
            Err(_) => {
                let message = "MaxRanges must be 'default', 'none', 'unlimited', or a positive integer";
                return cx.error("invalid-value", word.span, message);
            }
        },
    });
}

/// `MaxRangeOverlaps` and `MaxRangeReversals`: `default|unlimited|none|number`
fn max_joined(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let name = directive.name();
    let most = match &*word.text().to_ascii_lowercase() {
        "default" => Some(20),
        "unlimited" => None,
        "none" => Some(0),
        number => match number.parse() {
            Ok(number) => Some(number),
            Err(_) => {
                let message = format!("{name} must be 'default', 'none', 'unlimited', or a positive integer");
                return cx.error("invalid-value", word.span, message);
            }
        },
    };
    let set = &mut section.set.answer;
    let limit =
        if name == "MaxRangeOverlaps" { &mut set.max_joined_ranges } else { &mut set.max_reversed_ranges };
    *limit = Some(most);
}

/// `MergeSlashes On|Off`
fn merge_slashes(_: &mut Cx, section: &mut Section, directive: &Directive) {
    if let [word] = directive.args.as_slice() {
        section.set.client.merge_slashes = Some(word.is("on"));
    }
}

/// `ServerRoot directory`: paths after it are relative to it.
fn server_root(cx: &mut Cx, _: &mut Section, directive: &Directive) {
    if let [word] = directive.args.as_slice() {
        cx.root = cx.path(&word.value);
    }
}

/// `ServerTokens Full|OS|Minimal|Minor|Major|Prod`
fn server_tokens(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let full = cx.options.token.as_str();
    let product = full.split(' ').next().unwrap_or(full);
    let (name, version) = product.split_once('/').unwrap_or((product, ""));
    let mut parts = version.split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let token = match &*word.text().to_ascii_lowercase() {
        "full" | "os" => full.to_owned(),
        "min" | "minimal" => product.to_owned(),
        "minor" => format!("{name}/{major}.{minor}"),
        "major" => format!("{name}/{major}"),
        "prod" | "productonly" => name.to_owned(),
        _ => {
            let message = "ServerTokens takes 1 argument: 'Prod(uctOnly)' | 'Major' | 'Minor' | 'Min(imal)' | 'OS' | 'Full'";
            return cx.report(Diagnostic::error("invalid-value", word.span, message));
        }
    };
    section.set.answer.server = Some(Text::from(token));
}

/// `FileETag [+|-]part ...`: `INode`, `MTime`, `Size`, `Digest`, `All`, `None`.
fn file_etag(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let mut form = TagForm { modified: true, size: true, inode: false };
    let mut absolute = false;
    for word in &directive.args {
        let text = word.text().to_ascii_lowercase();
        let (on, name) = match text.strip_prefix('+') {
            Some(name) => (true, name),
            None => match text.strip_prefix('-') {
                Some(name) => (false, name),
                None => {
                    if !std::mem::replace(&mut absolute, true) {
                        form = TagForm::default();
                    }
                    (true, &*text)
                }
            },
        };
        match name {
            "mtime" => form.modified = on,
            "size" => form.size = on,
            "inode" => form.inode = on,
            "all" => form = TagForm { modified: true, size: true, inode: true },
            "none" => form = TagForm::default(),
            "digest" => {
                let message = "an entity tag by the file's content is not honoured";
                cx.refuse(
                    Diagnostic::error("refused-value", word.span, message)
                        .help("leave the default: MTime Size"),
                );
            }
            _ => {
                let message = format!("Unknown keyword '{}' for FileETag directive", word.text());
                return cx.report(Diagnostic::error("invalid-value", word.span, message));
            }
        }
    }
    section.set.answer.tag = Some(Some(form));
}

/// `AllowEncodedSlashes On|Off|NoDecode`
///
/// Observed: a virtual host has none of the main server's. With `NoDecode` the slash stays as it was written, is no
/// slash for sections and files, and is sent on as it is, even from `%252F`; redirects encode its percent sign. (Apache
/// forgets this where a section matches, and sends `%252F` on; here it holds there, too.) Unless it is on, a path with
/// `%2f` is not found, whoever would answer for it; the query may have one.
fn encoded_slashes(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    if !word.is("on") && !word.is("off") && !word.is("nodecode") {
        let message = "AllowEncodedSlashes must be On, Off, or NoDecode";
        return cx.error("invalid-value", word.span, message);
    }
    section.own.core.encoded_slashes = Some(!word.is("off"));
    section.own.core.keeps_slashes = word.is("nodecode");
}

/// The URL that a section's rules go on with.
pub(in crate::dialect::apache) const AGAIN: &str = "@again";

/// What becomes of a path with an encoded slash.
pub(super) fn refuse_encoded_slashes(cx: &mut Cx, host: &Section) -> Steps {
    if host.own.core.encoded_slashes == Some(true) {
        return Steps::new();
    }
    let again = if super::local::may_count(host) { Some(cx.own(AGAIN)) } else { cx.names.own(AGAIN) };
    let pattern = Pattern::whole("^[^?]*%2f", true);
    let encoded = Test::Match { subject: Template::attr(Attr::Target), pattern, into: None };
    // The answer's own page has another path, but the same target.
    let first = Test::Not(Box::new(Test::Internal));
    let mut steps = vec![mapping::when(Test::All(vec![first, encoded]), vec![mapping::respond(404)])];
    if let Some(var) = again {
        let pattern = Pattern::whole("^[^?]*%2f", true);
        let encoded = Test::Match { subject: Template::var(var), pattern, into: None };
        let forget = (Step::Unassign(var), Span::NONE);
        let refused = vec![forget.clone(), mapping::respond(404)];
        let known = vec![mapping::when(encoded, refused), forget];
        steps.push(mapping::when(Test::Internal, known));
    }
    steps
}

/// `StrictHostCheck On|Off`: whether a name that no host has is refused.
fn strict_host_check(_: &mut Cx, section: &mut Section, directive: &Directive) {
    if let [word] = directive.args.as_slice() {
        section.own.core.strict_host = Some(word.is("on"));
    }
}

/// What becomes of a request for a name that the host does not have.
pub(super) fn refuse_other_names(host: &Section) -> Steps {
    if host.own.core.strict_host != Some(true) {
        return Steps::new();
    }
    let named = |pattern| Test::Match { subject: Template::attr(Attr::Host), pattern, into: None };
    let own: Vec<_> = super::host::names(host).into_iter().map(named).collect();
    let said = Test::Present(Template::attr(Attr::Authority));
    let other = Test::Not(Box::new(Test::Any(own)));
    let first = Test::Not(Box::new(Test::Internal));
    vec![mapping::when(Test::All(vec![first, said, other]), vec![mapping::respond(400)])]
}

/// `HostnameLookups On|Off|Double`
fn hostname_lookups(cx: &mut Cx, _: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    if word.is("on") || word.is("double") {
        let message = "clients' addresses are not looked up in the DNS";
        cx.refuse(
            Diagnostic::error("refused-value", word.span, message)
                .help("leave it Off: logs have the address, and names can be looked up from them later"),
        );
    } else if !word.is("off") {
        cx.error("invalid-value", word.span, "parameter must be 'on', 'off', or 'double'");
    }
}

/// `RequestReadTimeout [handshake|header|body]=seconds[-most][,MinRate=bytes] ...`
///
/// Time that a rate adds is granted at once.
fn read_timeout(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    for word in &directive.args {
        let text = word.text().to_ascii_lowercase();
        let Some((stage, value)) = text.split_once('=') else {
            return cx.error("invalid-value", word.span, "Invalid RequestReadTimeout parameter");
        };
        let (times, rate) = match value.split_once(',') {
            Some((times, rate)) => (times, Some(rate)),
            None => (value, None),
        };
        let (least, most) = match times.split_once('-') {
            Some((least, most)) => (least, Some(most)),
            None => (times, None),
        };
        let number = |text: &str| text.parse::<u64>().ok();
        let (Some(least), Ok(most)) = (number(least), most.map(|most| number(most).ok_or(())).transpose())
        else {
            return cx.error("invalid-value", word.span, "RequestReadTimeout takes numbers of seconds");
        };
        if rate.is_some_and(|rate| rate.strip_prefix("minrate=").and_then(number).is_none()) {
            return cx.error(
                "invalid-value",
                word.span,
                "RequestReadTimeout takes MinRate=bytes after the comma",
            );
        }
        // 0 is no limit of its own, and a rate without a last moment has none.
        let known = (least > 0).then(|| Duration::from_secs(most.unwrap_or(least)));
        match stage {
            "header" if rate.is_none() || most.is_some() => section.own.core.head_time = known,
            "handshake" | "header" => {}
            "body" => section.own.core.content_time = known,
            _ => return cx.error("invalid-value", word.span, "Unknown RequestReadTimeout parameter"),
        }
        if rate.is_some() {
            let message = match stage {
                "body" => "no rate is asked for: content may keep silent for that time",
                _ => "no rate is asked for: a head may take the longest time",
            };
            cx.report(Diagnostic::new(Severity::Note, "approximated", message).label(word.span, ""));
        }
    }
}

/// What is remembered of a section.
#[derive(Clone, Debug, Default)]
pub(crate) struct Own {
    keep_alive: Option<bool>,
    /// Whether a path may have an encoded slash.
    encoded_slashes: Option<bool>,
    /// Whether it stays as it is.
    keeps_slashes: bool,
    /// Whether a name that no host has is refused.
    strict_host: Option<bool>,
    /// `RequestReadTimeout`: how long a head may take, and content keep silent.
    head_time: Option<Duration>,
    content_time: Option<Duration>,
}

/// A virtual host has the main server's `KeepAlive` unless it has its own.
pub(super) fn join(_: &mut Cx, main: &Section, host: &mut Section) {
    let own = &mut host.own.core;
    let main = &main.own.core;
    own.keep_alive = own.keep_alive.or(main.keep_alive);
    own.strict_host = own.strict_host.or(main.strict_host);
    own.head_time = own.head_time.or(main.head_time);
    own.content_time = own.content_time.or(main.content_time);
}

/// A server that keeps no connection has no time to keep it for.
pub(super) fn finish(section: &mut Section) {
    if section.own.core.keeps_slashes {
        section.set.client.keep_slashes = Some(true);
    }
    if section.own.core.keep_alive == Some(false) {
        section.set.client.keepalive_timeout = Some(Duration::ZERO);
    }
    // Both this and `Timeout` hold: the shorter one is met first.
    if let Some(time) = section.own.core.head_time {
        let known = &mut section.set.client.head_timeout;
        *known = Some(known.map_or(time, |known| known.min(time)));
    }
    if let Some(time) = section.own.core.content_time {
        let known = &mut section.set.content.timeout;
        *known = Some(known.map_or(time, |known| known.min(time)));
    }
}
