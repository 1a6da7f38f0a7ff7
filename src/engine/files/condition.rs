//! Conditional requests (RFC 9110 § 13), in the order and with the tolerance of
//! `ngx_http_not_modified_filter_module` (observed: nginx 1.22.1).

use std::time::UNIX_EPOCH;

use super::super::{clock, facts::Facts, http1::field::Known, response::Response};

/// What a request says about which response it wants.
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "each is the field of its name")]
pub struct Asked<'a> {
    pub if_match: Option<&'a [u8]>,
    pub if_unmodified_since: Option<&'a [u8]>,
    pub if_none_match: Option<&'a [u8]>,
    pub if_modified_since: Option<&'a [u8]>,
    pub range: Option<&'a [u8]>,
    pub if_range: Option<&'a [u8]>,
}

/// What becomes of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is sent.
    Answer,
    /// The client has it: 304.
    NotModified,
    /// The client wants another one: 412.
    Failed,
}

impl<'a> Asked<'a> {
    /// What the request at hand says; of repeated fields the first counts.
    pub fn of(facts: &'a Facts) -> Self {
        let mut asked = Self::default();
        if facts.depth > 0 {
            return asked;
        }
        for field in &facts.head.fields {
            let (name, value) = (facts.slice(field.name), facts.slice(field.value));
            let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
            let place = match name.len() {
                5 if is(b"range") => &mut asked.range,
                8 if is(b"if-match") => &mut asked.if_match,
                8 if is(b"if-range") => &mut asked.if_range,
                13 if is(b"if-none-match") => &mut asked.if_none_match,
                17 if is(b"if-modified-since") => &mut asked.if_modified_since,
                19 if is(b"if-unmodified-since") => &mut asked.if_unmodified_since,
                _ => continue,
            };
            place.get_or_insert(value);
        }
        // Ranges came with HTTP/1.1 and were taken up by 1.0; a request without a head has none.
        if facts.head.version < 10 {
            asked.range = None;
        }
        asked
    }
}

/// How `If-Modified-Since` compares: a time in the future is none (RFC 9110 § 13.1.3) where the setting is 3.
pub fn since(asked: &Asked<'_>, setting: u8, now: u64) -> u8 {
    let future = || asked.if_modified_since.and_then(date).is_some_and(|date| date > now.cast_signed());
    match setting {
        3 if future() => 0,
        3 => 2,
        other => other,
    }
}

/// Whether a response of status 200 is sent. `since` says how `If-Modified-Since` compares: 0 not at all,
/// 1 for the same time, 2 for a time not before.
pub fn condition(asked: &Asked<'_>, response: &Response, since: u8) -> Verdict {
    let (tag, modified) = (response.known(Known::ETag), response.modified);
    if let Some(text) = asked.if_unmodified_since
        && modified.zip(date(text)).is_none_or(|(modified, date)| date < modified)
    {
        return Verdict::Failed;
    }
    if asked.if_match.is_some_and(|list| !lists(list, tag, false)) {
        return Verdict::Failed;
    }
    if asked.if_none_match.is_none() && asked.if_modified_since.is_none() {
        return Verdict::Answer;
    }
    if asked.if_modified_since.is_some_and(|text| is_newer(text, modified, since)) {
        return Verdict::Answer;
    }
    if asked.if_none_match.is_some_and(|list| !lists(list, tag, true)) {
        return Verdict::Answer;
    }
    Verdict::NotModified
}

fn is_newer(text: &[u8], modified: Option<i64>, since: u8) -> bool {
    match (modified, date(text), since) {
        (Some(modified), Some(date), 1) => date != modified,
        (Some(modified), Some(date), 2) => date < modified,
        _ => true,
    }
}

/// Whether a list of entity tags holds one; `weak` ignores the mark of weak tags on both sides (RFC 9110 § 8.8.3.2).
fn lists(list: &[u8], tag: Option<&[u8]>, weak: bool) -> bool {
    if list == b"*" {
        return true;
    }
    let Some(tag) = tag else { return false };
    let bare = |tag: &[u8]| -> usize { if weak && tag.starts_with(b"W/") { 2 } else { 0 } };
    let tag = &tag[bare(tag)..];
    let mut rest = list;
    while !rest.is_empty() {
        rest = &rest[bare(rest)..];
        if let Some(after) = rest.strip_prefix(tag) {
            let after = after.trim_ascii_start();
            if after.is_empty() || after.starts_with(b",") {
                return true;
            }
        }
        let comma = memchr::memchr(b',', rest).unwrap_or(rest.len());
        let next = &rest[comma..];
        let skip = next.iter().take_while(|byte| matches!(byte, b',' | b' ' | b'\t')).count();
        rest = &next[skip..];
    }
    false
}

/// Seconds since the epoch of a date in any of its three forms (RFC 9110 § 5.6.7).
pub fn date(text: &[u8]) -> Option<i64> {
    if let Some(time) = clock::usual_date(text) {
        return Some(time);
    }
    let text = text.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    let text = std::str::from_utf8(text).ok()?;
    // Observed: nobody asks whether the day of the week is that of the date, which the library does.
    let on_some_day = |text: &str| {
        let (_, rest) = text.split_at_checked(3).filter(|_| text.len() == 29)?;
        let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
        days.iter().find_map(|day| httpdate::parse_http_date(&format!("{day}{rest}")).ok())
    };
    let time = httpdate::parse_http_date(text).ok().or_else(|| on_some_day(text))?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs().cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_of_the_week_may_be_wrong() {
        assert_eq!(date(b"Wed, 01 Jan 2020 00:00:00 GMT"), Some(1_577_836_800));
        assert_eq!(date(b"Thu, 01 Jan 2020 00:00:00 GMT"), Some(1_577_836_800));
        assert_eq!(date(b"Thu, 41 Jan 2020 00:00:00 GMT"), None);
        assert_eq!(date("\u{e9}\u{e9}, 01 Jan 2020 00:00:00 GMT".as_bytes()), None);
    }

    const TIME: &[u8] = b"Sat, 21 Nov 2026 14:45:42 GMT";
    const BEFORE: &[u8] = b"Sat, 21 Nov 2026 14:45:41 GMT";
    const AFTER: &[u8] = b"Sat, 21 Nov 2026 14:45:43 GMT";

    fn response() -> Response {
        let mut response = Response::default();
        response.start(200);
        response.add(b"ETag", b"\"6b01ae96-a\"");
        response.modified = date(TIME);
        response
    }

    fn since(text: &[u8], how: u8) -> Verdict {
        condition(&Asked { if_modified_since: Some(text), ..Asked::default() }, &response(), how)
    }

    #[test]
    fn times_are_compared_as_settings_say() {
        for (text, how, expected) in [
            (TIME, 1, Verdict::NotModified),
            (AFTER, 1, Verdict::Answer),
            (BEFORE, 1, Verdict::Answer),
            (AFTER, 2, Verdict::NotModified),
            (BEFORE, 2, Verdict::Answer),
            (TIME, 0, Verdict::Answer),
            (b"yesterday", 1, Verdict::Answer),
            (b"Sat, 21 Nov 2026 14:45:42 GMT; length=10", 1, Verdict::NotModified),
        ] {
            assert_eq!(since(text, how), expected, "{} {how}", text.escape_ascii());
        }
    }

    #[test]
    fn tags_are_compared() {
        for (list, weak, strong) in [
            ("*", true, true),
            ("\"6b01ae96-a\"", true, true),
            ("W/\"6b01ae96-a\"", true, false),
            ("\"x\", W/\"6b01ae96-a\" , \"y\"", true, false),
            ("\"x\",\"6b01ae96-a\"", true, true),
            ("\"6b01ae96-ab\"", false, false),
            ("\"6b01ae96-a\"x", false, false),
            ("", false, false),
            (",, ,", false, false),
        ] {
            assert_eq!(lists(list.as_bytes(), Some(b"\"6b01ae96-a\""), true), weak, "{list}");
            assert_eq!(lists(list.as_bytes(), Some(b"\"6b01ae96-a\""), false), strong, "{list}");
        }
    }

    #[test]
    fn conditions_have_an_order() {
        let none = Asked::default();
        let (hit, miss): (Option<&[u8]>, Option<&[u8]>) = (Some(b"\"6b01ae96-a\""), Some(b"\"x\""));
        for (asked, expected) in [
            (none, Verdict::Answer),
            (Asked { if_match: miss, if_none_match: hit, ..none }, Verdict::Failed),
            (Asked { if_unmodified_since: Some(BEFORE), if_match: hit, ..none }, Verdict::Failed),
            (Asked { if_unmodified_since: Some(TIME), if_match: hit, ..none }, Verdict::Answer),
            (Asked { if_none_match: miss, if_modified_since: Some(TIME), ..none }, Verdict::Answer),
            (Asked { if_none_match: hit, if_modified_since: Some(BEFORE), ..none }, Verdict::Answer),
            (Asked { if_none_match: hit, if_modified_since: Some(TIME), ..none }, Verdict::NotModified),
            (Asked { if_none_match: hit, ..none }, Verdict::NotModified),
        ] {
            assert_eq!(condition(&asked, &response(), 1), expected, "{asked:?}");
        }
    }
}
