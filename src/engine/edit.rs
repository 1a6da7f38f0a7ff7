//! Edits of the response head: those in force for every response, and those of what an upstream said.

pub mod field;

use super::{
    clock::{self, http_date},
    exchange::Exchange,
    files::condition,
    filter,
    forward::request::is_field_value,
    http1::field::Known,
    stream::Stream,
};
use crate::{
    ir::{Edit, Expiry, Template, UrlMatch, settings::Level},
    plan::{EditOp, ForwardingPlan, Plan, Promised},
};

/// Applies the edits that the settings in force make to every response.
pub fn on_response(exchange: &mut Exchange, plan: &Plan) {
    promised(exchange);
    if exchange.settings(plan).answer.on_response.is_empty() {
        return;
    }
    exchange.run.begin_response(plan);
    while let Some(op) = exchange.run.response_edit(plan, &exchange.facts) {
        match &op.edit {
            Edit::Field { .. } | Edit::Echo(..) => field::response(exchange, op),
            Edit::Lifetime { seconds, from_modified } => lifetime(exchange, *seconds, *from_modified),
            Edit::Set(name, value) => match field_value(exchange, value) {
                Some(value) if value.is_empty() => exchange.facts.response.remove(name),
                // These have a place of their own in a head.
                Some(value) if matches!(Known::of(name), Known::Server | Known::ContentType) => {
                    exchange.facts.response.set(name, &value);
                }
                // The client is sent to a whole URL where settings ask for that.
                Some(value) if Known::of(name) == Known::Location => {
                    let absolute = exchange.absolute(plan, &value);
                    let response = &mut exchange.facts.response;
                    response.own_location |= absolute.is_some();
                    response.set(name, absolute.as_deref().unwrap_or(&value));
                }
                Some(value) => exchange.facts.response.set_added(name, &value),
                None => {}
            },
            Edit::Add(name, value) => {
                if let Some(value) = field_value(exchange, value).filter(|value| !value.is_empty()) {
                    exchange.facts.response.add_beside(name, &value);
                }
            }
            // What it says is known when the content is over.
            Edit::Trailer(..) => exchange.facts.response.has_trailers = true,
            Edit::Remove(name) => match name.strip_suffix(b"*") {
                Some(start) => exchange.facts.response.remove_all(start),
                None => exchange.facts.response.remove(name),
            },
            Edit::Expires(expiry) => expires(exchange, expiry),
            Edit::RemoveNominated
            | Edit::Append(..)
            | Edit::Received
            | Edit::Framing
            | Edit::Switch(_)
            | Edit::Reverse { .. }
            | Edit::CookieAttribute { .. }
            | Edit::Url { .. }
            | Edit::CookieDomain { .. }
            | Edit::CookiePath { .. }
            | Edit::CookieFlags { .. } => {}
        }
    }
}

/// Adds the fields that the decision promised.
fn promised(exchange: &mut Exchange) {
    for Promised { field, value, always, member } in std::mem::take(&mut exchange.run.promised) {
        if !is_field_value(&value) {
            exchange.log(
                Level::Error,
                format_args!("a response header value holds a line end or NUL: \"{}\"", value.escape_ascii()),
            );
        } else if (always || !exchange.facts.response.ours) && exchange.facts.response.status != 101 {
            // Of a switch of protocols there is nothing to be kept or cached.
            let response = &mut exchange.facts.response;
            if member {
                response.add_member(&field, &value);
            } else {
                response.add_beside(&field, &value);
            }
        }
    }
}

/// A value for a field; `None`, with a line in the error log, for one that cannot stand in a head.
fn field_value(exchange: &mut Exchange, template: &Template) -> Option<Vec<u8>> {
    let value = exchange.value(template);
    if is_field_value(&value) {
        return Some(value);
    }
    exchange.log(
        Level::Error,
        format_args!("a response header value holds a line end or NUL: \"{}\"", value.escape_ascii()),
    );
    None
}

/// Adds the character set in force to `Content-Type`, or the one that an upstream directed in place of any.
pub fn charset(exchange: &mut Exchange, plan: &Plan) {
    let settings = exchange.settings(plan);
    let directed = exchange.directed_charset.take();
    if settings.answer.charset.is_empty() && directed.is_none() {
        return;
    }
    // Browsers once took the character set of a redirect for that of the page it leads to.
    if matches!(exchange.facts.response.status, 301 | 302) {
        return;
    }
    let Some(index) =
        exchange.facts.response.fields.iter().position(|field| field.known == Known::ContentType)
    else {
        return;
    };
    // The parts of several say it, each for itself.
    if exchange.facts.response.part.as_ref().is_some_and(|part| part.is_several()) {
        return;
    }
    let is_directed = directed.is_some();
    let name = match directed {
        Some(name) if plan.config.charsets.iter().any(|known| known.eq_ignore_ascii_case(&name)) => name,
        Some(name) => {
            exchange
                .log(Level::Error, format_args!("unknown charset \"{}\" to override", name.escape_ascii()));
            return;
        }
        None => exchange.value(&settings.answer.charset),
    };
    if name.is_empty() || name == b"off" || !is_field_value(&name) {
        return;
    }
    let response = &exchange.facts.response;
    let current = response.value(&response.fields[index]);
    let end = memchr::memchr(b';', current).unwrap_or(current.len());
    let kind = current[..end].trim_ascii();
    let has = memchr::memmem::find(&current.to_ascii_lowercase(), b"charset=").is_some();
    let listed = settings
        .answer
        .charset_types
        .iter()
        .any(|listed| listed.0 == b"*" || listed.eq_ignore_ascii_case(kind));
    if !is_directed && (!listed || (has && !settings.answer.override_charset)) {
        return;
    }
    let value = if has { kind.to_vec() } else { current.to_vec() };
    if !settings.answer.source_charset.is_empty() || has {
        let own = charset_of(current).map(<[u8]>::to_vec);
        if !recodes(exchange, plan, own, &name) {
            return;
        }
    }
    let value = [&value[..], b"; charset=", &name].concat();
    exchange.facts.response.replace(index, &value);
}

/// The character set that a type of content names.
fn charset_of(kind: &[u8]) -> Option<&[u8]> {
    let at = memchr::memmem::find(&kind.to_ascii_lowercase(), b"charset=")?;
    let label = kind[at + 8..].split(|byte| *byte == b';').next()?.trim_ascii();
    let label = label.strip_prefix(b"\"").map_or(label, |open| open.strip_suffix(b"\"").unwrap_or(open));
    Some(label)
}

/// Sees to it that content in `own`, else in the set that settings name, becomes content in another one; false where
/// nobody knows how.
fn recodes(exchange: &mut Exchange, plan: &Plan, own: Option<Vec<u8>>, wanted: &[u8]) -> bool {
    let settings = exchange.settings(plan);
    let source = own.unwrap_or_else(|| exchange.value(&settings.answer.source_charset));
    if source.is_empty() || source == b"off" || source.eq_ignore_ascii_case(wanted) {
        return true;
    }
    if filter::coding_of(&exchange.facts.response).is_some() {
        return false;
    }
    let Some(recoder) = plan.recoder(&source, wanted) else {
        let (source, wanted) = (source.escape_ascii(), wanted.escape_ascii());
        exchange.log(
            Level::Error,
            format_args!("no \"charset_map\" between the charsets \"{source}\" and \"{wanted}\""),
        );
        return false;
    };
    // What a part of a response is made of is recoded with the whole of it.
    if !exchange.is_subrequest() {
        exchange.facts.response.recode = Some(std::sync::Arc::clone(recoder));
    }
    true
}

/// Our own trailer lines, now that the content is over (RFC 9110 § 6.5).
fn trailers(exchange: &mut Exchange, plan: &Plan, out: &mut Vec<u8>) {
    if !exchange.facts.response.has_trailers {
        return;
    }
    exchange.run.begin_response(plan);
    while let Some(op) = exchange.run.response_edit(plan, &exchange.facts) {
        if let Edit::Trailer(name, value) = &op.edit
            && let Some(value) = field_value(exchange, value).filter(|value| !value.is_empty())
        {
            exchange.facts.response.add_trailer(name, &value);
            out.extend_from_slice(&[name, b": ".as_slice(), &value, b"\r\n"].concat());
        }
    }
}

/// Writes the end of chunks: the last one, these trailer lines and our own, the empty line.
pub fn last_chunk(exchange: &mut Exchange, plan: &Plan, received: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    out.extend_from_slice(received);
    trailers(exchange, plan, out);
    out.extend_from_slice(b"\r\n");
}

/// Ends content in frames, with these trailer lines and our own.
pub fn end_frames(exchange: &mut Exchange, plan: &Plan, received: &[u8]) {
    let mut lines = received.to_vec();
    trailers(exchange, plan, &mut lines);
    if let Stream::Frames(stream) = &mut exchange.stream {
        stream.finish(&lines);
    }
}

/// Tells how long the response may be kept, where nobody has said so.
fn lifetime(exchange: &mut Exchange, seconds: i64, from_modified: bool) {
    let now = exchange.worker.clock.now().as_secs().cast_signed();
    let response = &mut exchange.facts.response;
    let told = response.fields.iter().any(|field| field.known == Known::Expires);
    let base = if from_modified { response.modified } else { Some(now) };
    // What failed is not kept.
    let failed = response.status >= 400;
    let Some(base) = base.filter(|_| !told && !failed) else { return };
    let at = base.saturating_add(seconds);
    response.add(b"Expires", http_date(at).as_bytes());
    let age = format!("max-age={}", at.saturating_sub(now));
    let control = response.fields.iter().position(|field| field.known == Known::CacheControl);
    match control {
        Some(index) => {
            let field = response.fields[index];
            let value = [response.value(&field), b", ", age.as_bytes()].concat();
            response.replace(index, &value);
        }
        None => response.add(b"Cache-Control", age.as_bytes()),
    }
}

/// Sets `Expires` and `Cache-Control` by time.
fn expires(exchange: &mut Exchange, expiry: &Expiry) {
    let now = exchange.worker.clock.now().as_secs().cast_signed();
    let read = match expiry {
        Expiry::Read(template) => {
            let text = exchange.value(template);
            read_expiry(&String::from_utf8_lossy(&text))
        }
        Expiry::ReadFromModified(template) => {
            let text = exchange.value(template);
            match read_expiry(&String::from_utf8_lossy(&text)) {
                Expiry::FromNow(seconds) => Expiry::FromModified(seconds),
                _ => Expiry::Off,
            }
        }
        other => other.clone(),
    };
    let response = &exchange.facts.response;
    let modified =
        response.modified.or_else(|| response.known(Known::LastModified).and_then(condition::date));
    let (at, control) = match read {
        Expiry::Off | Expiry::Read(_) | Expiry::ReadFromModified(_) => return,
        Expiry::Epoch => ("Thu, 01 Jan 1970 00:00:01 GMT".to_owned(), "no-cache".to_owned()),
        Expiry::Max => ("Thu, 31 Dec 2037 23:55:55 GMT".to_owned(), "max-age=315360000".to_owned()),
        Expiry::FromNow(0) => (http_date(now), "max-age=0".to_owned()),
        Expiry::FromNow(seconds) => (http_date(now.saturating_add(seconds)), age(seconds)),
        Expiry::FromModified(seconds) => {
            let at = modified.unwrap_or(now).saturating_add(seconds);
            (http_date(at), age(at.saturating_sub(now)))
        }
        Expiry::Daily(second) => {
            let local = clock::local(now.cast_unsigned());
            let today =
                i64::from(local.tm_hour) * 3600 + i64::from(local.tm_min) * 60 + i64::from(local.tm_sec);
            let wait = (i64::from(second) - today).rem_euclid(24 * 3600);
            let wait = if wait == 0 { 24 * 3600 } else { wait };
            (http_date(now + wait), age(wait))
        }
    };
    let response = &mut exchange.facts.response;
    // Those that are there keep their places (observed: nginx 1.22.1).
    response.set(b"Expires", at.as_bytes());
    response.set(b"Cache-Control", control.as_bytes());
}

fn age(seconds: i64) -> String {
    if seconds < 0 { "no-cache".to_owned() } else { format!("max-age={seconds}") }
}

/// What the words of an expiry mean; anything else is off.
fn read_expiry(text: &str) -> Expiry {
    match text {
        "epoch" => Expiry::Epoch,
        "max" => Expiry::Max,
        "" | "off" => Expiry::Off,
        _ => {
            if let Some(time) = text.strip_prefix('@') {
                let time = span(time).filter(|&time| time < 24 * 3600);
                return time.map_or(Expiry::Off, |time| Expiry::Daily(time as u32));
            }
            let (sign, digits) = match text.strip_prefix('-') {
                Some(digits) => (-1, digits),
                None => (1, text.strip_prefix('+').unwrap_or(text)),
            };
            let seconds = span(digits).and_then(|seconds| i64::try_from(seconds).ok());
            seconds.map_or(Expiry::Off, |seconds| Expiry::FromNow(sign * seconds))
        }
    }
}

/// A time such as `1h30m` in seconds: units descend, a bare number is seconds.
fn span(text: &str) -> Option<u64> {
    const UNITS: [(u8, u64); 7] = [
        (b'y', 31_536_000),
        (b'M', 2_592_000),
        (b'w', 604_800),
        (b'd', 86_400),
        (b'h', 3600),
        (b'm', 60),
        (b's', 1),
    ];
    let (mut sum, mut number, mut digits, mut last) = (0u64, 0u64, false, 0);
    for &byte in text.as_bytes() {
        if byte.is_ascii_digit() {
            number = number.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
            digits = true;
            continue;
        }
        let place = UNITS.iter().position(|(unit, _)| *unit == byte)?;
        if !digits || place < last {
            return None;
        }
        sum = sum.checked_add(number.checked_mul(UNITS[place].1)?)?;
        (number, digits, last) = (0, false, place + 1);
    }
    if text.is_empty() { None } else { sum.checked_add(number) }
}

/// Applies the edits of what an upstream said: URLs and cookies.
pub fn upstream_response(exchange: &mut Exchange, plan: &Plan, how: &ForwardingPlan) {
    if how.response_edits.is_empty() {
        return;
    }
    for op in &how.response_edits {
        if let Edit::Append(name, value) = &op.edit
            && let Some(value) = field_value(exchange, value).filter(|value| !value.is_empty())
        {
            append(exchange, name, &value);
        }
    }
    for index in 0..exchange.facts.response.fields.len() {
        reverse(exchange, how, index);
        let response = &exchange.facts.response;
        let field = response.fields[index];
        let value = response.value(&field);
        match field.known {
            Known::Location => {
                let value = value.to_vec();
                if let Some(new) = url(exchange, how, b"location", &value) {
                    exchange.facts.response.own_location = new.starts_with(b"/");
                    let absolute = exchange.absolute(plan, &new);
                    exchange.facts.response.own_location = absolute.is_some();
                    exchange.facts.response.replace(index, absolute.as_deref().unwrap_or(&new));
                }
            }
            Known::Refresh => {
                let value = value.to_vec();
                let Some(at) = memchr::memmem::find(&value.to_ascii_lowercase(), b"url=") else { continue };
                if let Some(new) = url(exchange, how, b"refresh", &value[at + 4..]) {
                    let new = [&value[..at + 4], &new].concat();
                    exchange.facts.response.replace(index, &new);
                }
            }
            Known::SetCookie => {
                let value = value.to_vec();
                if let Some(new) = cookie(exchange, how, &value).or_else(|| attributes(how, &value)) {
                    exchange.facts.response.replace(index, &new);
                }
            }
            _ => {
                let name = response.name(&field);
                let named = |edit: &Edit| match edit {
                    Edit::Url { fields, .. } => fields.iter().any(|known| known.is_field(name)),
                    _ => false,
                };
                if !how.response_edits.iter().any(|op| named(&op.edit)) {
                    continue;
                }
                let (name, value) = (name.to_vec(), value.to_vec());
                if let Some(new) = url(exchange, how, &name, &value) {
                    exchange.facts.response.replace(index, &new);
                }
            }
        }
    }
}

/// Puts a value behind that of the field, or adds the field.
fn append(exchange: &mut Exchange, name: &[u8], value: &[u8]) {
    let response = &mut exchange.facts.response;
    let found = response.fields.iter().position(|field| response.name(field).eq_ignore_ascii_case(name));
    match found {
        Some(index) => {
            let joined = [response.value(&response.fields[index]), b", ", value].concat();
            response.replace(index, &joined);
        }
        None => response.add(name, value),
    }
}

/// Puts another beginning in place of a URL's, in the fields that edits name.
fn reverse(exchange: &mut Exchange, how: &ForwardingPlan, index: usize) {
    for op in &how.response_edits {
        let Edit::Reverse { fields, from, to } = &op.edit else { continue };
        let response = &exchange.facts.response;
        let name = response.name(&response.fields[index]);
        if !fields.iter().any(|field| field.is_field(name)) {
            continue;
        }
        let from = exchange.value(from);
        let response = &exchange.facts.response;
        let value = response.value(&response.fields[index]);
        // A path is looked for behind scheme and authority, where there are any.
        let path = if from.starts_with(b"/") { path_of(value) } else { 0 };
        let Some((begin, rest)) = value[path..].split_at_checked(from.len()) else { continue };
        if !begin.eq_ignore_ascii_case(&from) {
            continue;
        }
        let rest = rest.to_vec();
        let mut new = exchange.value(to);
        new.extend_from_slice(&rest);
        if is_field_value(&new) {
            exchange.facts.response.replace(index, &new);
        }
        return;
    }
}

/// Where the path of a URL begins; 0 for what is none.
fn path_of(url: &[u8]) -> usize {
    let Some(scheme) = memchr::memmem::find(url, b"://") else { return 0 };
    memchr::memchr(b'/', &url[scheme + 3..]).map_or(0, |at| scheme + 3 + at)
}

/// A cookie whose attributes edits replace; `None` when nothing changes.
fn attributes(how: &ForwardingPlan, line: &[u8]) -> Option<Vec<u8>> {
    let mut new = line.to_vec();
    let mut done: Vec<&[u8]> = Vec::new();
    for op in &how.response_edits {
        let Edit::CookieAttribute { attribute, from, to, ignore_case } = &op.edit else { continue };
        if done.contains(&&**attribute) {
            continue;
        }
        let Some((start, end)) = attribute_of(&new, attribute) else { continue };
        let Some(begin) = new[start..end].get(..from.len()) else { continue };
        if *begin == **from || (*ignore_case && begin.eq_ignore_ascii_case(from)) {
            new.splice(start..end, to.iter().copied());
            done.push(attribute);
        }
    }
    (!done.is_empty()).then_some(new)
}

/// Where the value of a cookie's first attribute of this name is.
fn attribute_of(line: &[u8], attribute: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    while let Some(semicolon) = memchr::memchr(b';', &line[at..]) {
        at += semicolon + 1;
        let part = &line[at..];
        let blank = part.len() - part.trim_ascii_start().len();
        let part = &part[blank..];
        if part.get(..attribute.len()).is_some_and(|name| name.eq_ignore_ascii_case(attribute))
            && let Some(value) = part[attribute.len()..].strip_prefix(b"=")
        {
            let start = at + blank + attribute.len() + 1;
            let length = memchr::memchr(b';', value).unwrap_or(value.len());
            return Some((start, start + length));
        }
    }
    None
}

/// A URL of the field of this name as the edits want it.
fn url(exchange: &mut Exchange, how: &ForwardingPlan, name: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    how.response_edits
        .iter()
        .find_map(|op| match &op.edit {
            Edit::Url { fields, from, to } if fields.iter().any(|field| field.is_field(name)) => {
                replaced(exchange, op, from, to, value, Compare::Prefix)
            }
            _ => None,
        })
        .filter(|new| is_field_value(new))
}

/// How a text is compared with a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compare {
    /// The value begins with it.
    Prefix,
    /// The same but for case and a leading dot.
    Domain,
}

/// The new value when `from` matches.
fn replaced(
    exchange: &mut Exchange,
    op: &EditOp,
    from: &UrlMatch,
    to: &Template,
    value: &[u8],
    compare: Compare,
) -> Option<Vec<u8>> {
    let rest = match (from, &op.pattern) {
        (UrlMatch::Text(text), _) => {
            let text = exchange.value(text);
            match compare {
                Compare::Prefix => value.strip_prefix(text.as_slice())?,
                Compare::Domain => {
                    let bare = value.strip_prefix(b".");
                    let name = text.strip_prefix(b".").unwrap_or(&text);
                    if !bare.unwrap_or(value).eq_ignore_ascii_case(name) {
                        return None;
                    }
                    // The dot stays: older clients take it for "and all below".
                    let mut new = if bare.is_some() { b".".to_vec() } else { Vec::new() };
                    exchange.eval(to, &mut new);
                    return Some(new);
                }
            }
        }
        (UrlMatch::Pattern(..), Some((find, register))) => {
            let found = exchange.run.find(find, *register, value);
            if !found.unwrap_or(false) {
                return None;
            }
            &[]
        }
        (UrlMatch::Pattern(..), None) => return None,
    };
    let mut new = exchange.value(to);
    new.extend_from_slice(rest);
    Some(new)
}

/// A cookie with its `Domain`, `Path` and flags as the edits want them; `None` when nothing changes.
fn cookie(exchange: &mut Exchange, how: &ForwardingPlan, line: &[u8]) -> Option<Vec<u8>> {
    let mut parts: Vec<Vec<u8>> =
        line.split(|&byte| byte == b';').map(|part| part.trim_ascii().to_vec()).collect();
    let mut changed = false;
    for part in parts.iter_mut().skip(1) {
        let Some(equals) = memchr::memchr(b'=', part) else { continue };
        let (name, value) = (part[..equals].to_ascii_lowercase(), part[equals + 1..].to_vec());
        let new = how.response_edits.iter().find_map(|op| match &op.edit {
            Edit::CookieDomain { from, to } if name == b"domain" => {
                replaced(exchange, op, from, to, &value, Compare::Domain)
            }
            Edit::CookiePath { from, to } if name == b"path" => {
                replaced(exchange, op, from, to, &value, Compare::Prefix)
            }
            _ => None,
        });
        if let Some(new) = new.filter(|new| is_field_value(new)) {
            part.truncate(equals + 1);
            part.extend_from_slice(&new);
            changed = true;
        }
    }
    let name = parts[0].split(|&byte| byte == b'=').next().unwrap_or_default().trim_ascii().to_vec();
    let flags = how.response_edits.iter().find_map(|op| match &op.edit {
        Edit::CookieFlags { cookie, flags } if names(exchange, op, cookie, &name) => Some(flags),
        _ => None,
    });
    if let Some(flags) = flags {
        for flag in flags {
            let flag = exchange.value(flag).to_ascii_lowercase();
            changed |= set_flag(&mut parts, &String::from_utf8_lossy(&flag));
        }
    }
    changed.then(|| parts.join(&b"; "[..]))
}

fn names(exchange: &mut Exchange, op: &EditOp, cookie: &UrlMatch, name: &[u8]) -> bool {
    match (cookie, &op.pattern) {
        (UrlMatch::Text(text), _) => exchange.value(text).eq_ignore_ascii_case(name),
        (UrlMatch::Pattern(..), Some((find, register))) => {
            exchange.run.find(find, *register, name).unwrap_or(false)
        }
        (UrlMatch::Pattern(..), None) => false,
    }
}

/// Adds, replaces or removes an attribute of a cookie; whether anything changed.
fn set_flag(parts: &mut Vec<Vec<u8>>, flag: &str) -> bool {
    let (name, text): (&str, Option<&str>) = match flag {
        "secure" => ("secure", Some("Secure")),
        "httponly" => ("httponly", Some("HttpOnly")),
        "samesite=strict" => ("samesite", Some("SameSite=Strict")),
        "samesite=lax" => ("samesite", Some("SameSite=Lax")),
        "samesite=none" => ("samesite", Some("SameSite=None")),
        "samesite" => ("samesite", Some("SameSite")),
        "nosecure" => ("secure", None),
        "nohttponly" => ("httponly", None),
        "nosamesite" => ("samesite", None),
        _ => return false,
    };
    let is = |part: &Vec<u8>| {
        part.split(|&byte| byte == b'=').next().unwrap_or_default().eq_ignore_ascii_case(name.as_bytes())
    };
    let at = parts.iter().skip(1).position(is).map(|at| at + 1);
    match (at, text) {
        (Some(at), Some(text)) => parts[at] = text.as_bytes().to_vec(),
        (None, Some(text)) => parts.push(text.as_bytes().to_vec()),
        (Some(at), None) => {
            parts.remove(at);
        }
        (None, None) => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiries_are_read() {
        for (text, expected) in [
            ("1h", Expiry::FromNow(3600)),
            ("-5", Expiry::FromNow(-5)),
            ("1h30m", Expiry::FromNow(5400)),
            ("30m1h", Expiry::Off),
            ("epoch", Expiry::Epoch),
            ("max", Expiry::Max),
            ("@15h30m", Expiry::Daily(55_800)),
            ("@25h", Expiry::Off),
            ("nonsense", Expiry::Off),
            ("9223372036854775808", Expiry::Off),
            ("-9223372036854775807", Expiry::FromNow(-i64::MAX)),
            ("99999999999999999999y", Expiry::Off),
            ("", Expiry::Off),
        ] {
            assert_eq!(read_expiry(text), expected, "{text}");
        }
    }

    #[test]
    fn cookie_flags_are_set_and_removed() {
        let mut parts = vec![b"a=b".to_vec(), b"Path=/".to_vec(), b"secure".to_vec()];
        assert!(set_flag(&mut parts, "samesite=lax"));
        assert!(set_flag(&mut parts, "nosecure"));
        assert!(!set_flag(&mut parts, "nohttponly"));
        assert_eq!(parts.join(&b"; "[..]), b"a=b; Path=/; SameSite=Lax");
    }
}
