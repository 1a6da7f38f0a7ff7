//! Range requests (RFC 9110 § 14), as `ngx_http_range_filter_module` reads and answers them (observed:
//! nginx 1.22.1).

use std::ops::Range;

use super::{
    super::{edit, exchange::Exchange, filter, http1::field::Known, response::Response},
    condition::{Asked, date},
};
use crate::{ir::settings::AnswerInForce, plan::Plan};

/// What of a response is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All of it.
    Whole,
    /// One range: 206.
    One(Range<u64>),
    /// Several, with a head before each: 206.
    Several(Vec<Range<u64>>),
    /// Nothing, as no range lies in it: 416.
    Unsatisfiable,
}

/// How many ranges are sent at most (0 is none), and how they are joined.
#[derive(Clone, Copy, Debug, Default)]
pub struct How {
    /// At most so many; 0 is none.
    pub max: Option<u32>,
    /// How they are joined.
    pub join: Option<Join>,
}

impl How {
    /// What settings say; `changed` says that content is not sent as it is.
    pub fn of(settings: &AnswerInForce, changed: bool) -> Self {
        let max = if changed { Some(0) } else { settings.max_ranges };
        let join = Join { joined: settings.max_joined_ranges, reversed: settings.max_reversed_ranges };
        Self { max, join: settings.join_ranges.then_some(join) }
    }
}

/// How many ranges may be joined to the one before, and how many of these may begin before that.
#[derive(Clone, Copy, Debug, Default)]
pub struct Join {
    joined: Option<u32>,
    reversed: Option<u32>,
}

/// Which ranges of a response of status 200 and known length are to be sent.
pub fn ranges(asked: &Asked<'_>, response: &Response, how: How) -> Selection {
    let max = how.max;
    let (Some(range), Some(length), true) = (asked.range, response.length, response.ranges) else {
        return Selection::Whole;
    };
    let Some((unit, set)) = range.split_at_checked(6) else { return Selection::Whole };
    if !unit.eq_ignore_ascii_case(b"bytes=") || set.is_empty() || max == Some(0) {
        return Selection::Whole;
    }
    let same = |text| is_same(text, response);
    if !asked.if_range.is_none_or(same) {
        return Selection::Whole;
    }
    match how.join {
        None => read(set, length, max.unwrap_or(u32::MAX)),
        Some(join) => read_joined(set, length, max.unwrap_or(u32::MAX), join),
    }
}

/// Whether `If-Range` speaks of this response (RFC 9110 § 13.1.5).
fn is_same(text: &[u8], response: &Response) -> bool {
    if text.len() >= 2 && text.ends_with(b"\"") {
        response.known(Known::ETag) == Some(text)
    } else {
        response.modified.is_some_and(|modified| date(text) == Some(modified))
    }
}

/// Reads a range set.
fn read(set: &[u8], length: u64, max: u32) -> Selection {
    let (mut ranges, mut sum) = (Vec::new(), 0u64);
    for spec in set.split(|&byte| byte == b',') {
        let Some(range) = one_spec(spec, length) else { return Selection::Unsatisfiable };
        if range.start < range.end {
            sum = sum.saturating_add(range.end - range.start);
            if ranges.len() >= max as usize {
                return Selection::Whole;
            }
            ranges.push(range);
        } else if range.start == 0 {
            return Selection::Whole;
        }
    }
    match ranges.as_slice() {
        [] => Selection::Unsatisfiable,
        _ if sum > length => Selection::Whole,
        [range] => Selection::One(range.clone()),
        _ => Selection::Several(ranges),
    }
}

/// Reads a range set, and joins ranges to the one before (RFC 9110 § 14.2). Observed: Apache httpd 2.4.71.
fn read_joined(set: &[u8], length: u64, max: u32, join: Join) -> Selection {
    if memchr::memchr_iter(b',', set).count() >= max as usize {
        return Selection::Whole;
    }
    let (mut ranges, mut sum, mut beyond) = (Vec::new(), 0u64, false);
    let (mut joined, mut reversed) = (0u32, 0u32);
    let mut last: Option<Range<u64>> = None;
    for spec in set.split(|&byte| byte == b',').take_while(|spec| !spec.is_empty()) {
        let Some(range) = strict_spec(spec, length) else { return Selection::Whole };
        if range.start >= length {
            beyond = true;
            continue;
        }
        let Some(before) = last.as_mut() else {
            last = Some(range);
            continue;
        };
        let within = range.start >= before.start && range.end <= before.end;
        let earlier = range.start < before.start && range.end >= before.start;
        let later = range.end >= before.end && range.start <= before.end;
        if earlier {
            before.start = range.start;
            reversed += 1;
        }
        if later {
            before.end = range.end;
        }
        if within || earlier || later {
            joined += 1;
        } else {
            sum = sum.saturating_add(before.end - before.start);
            ranges.push(std::mem::replace(before, range));
        }
    }
    let Some(last) = last else {
        return if beyond { Selection::Unsatisfiable } else { Selection::Whole };
    };
    sum = sum.saturating_add(last.end - last.start);
    ranges.push(last);
    let over = |count: u32, most: Option<u32>| most.is_some_and(|most| count > most);
    if sum > length || over(joined, join.joined) || over(reversed, join.reversed) {
        return Selection::Whole;
    }
    match <[Range<u64>; 1]>::try_from(ranges) {
        Ok([range]) => Selection::One(range),
        Err(ranges) => Selection::Several(ranges),
    }
}

/// Reads `first-last`, `first-` or `-count` without a space; `None` for what is none of these.
fn strict_spec(spec: &[u8], length: u64) -> Option<Range<u64>> {
    let all = |text| number(text).and_then(|(number, rest)| rest.is_empty().then_some(number));
    let dash = memchr::memchr(b'-', spec)?;
    let (first, last) = (&spec[..dash], &spec[dash + 1..]);
    if first.is_empty() {
        let count = all(last).filter(|count| *count > 0)?;
        return Some(length.saturating_sub(count)..length);
    }
    let start = all(first)?;
    if last.is_empty() {
        return Some(start..length);
    }
    let last = all(last).filter(|last| *last >= start)?;
    Some(start..last.saturating_add(1).min(length))
}

/// Reads `first-last`, `first-` or `-count`; `None` for what is none of these.
fn one_spec(spec: &[u8], length: u64) -> Option<Range<u64>> {
    let spaced = |text: &[u8]| -> usize { text.iter().take_while(|&&byte| byte == b' ').count() };
    let spec = &spec[spaced(spec)..];
    if let Some(count) = spec.strip_prefix(b"-") {
        let (count, rest) = number(count)?;
        let start = length.saturating_sub(count);
        return rest[spaced(rest)..].is_empty().then_some(start..length);
    }
    let (start, rest) = number(spec)?;
    let rest = rest[spaced(rest)..].strip_prefix(b"-")?;
    let rest = &rest[spaced(rest)..];
    if rest.is_empty() {
        return Some(start..length);
    }
    let (last, rest) = number(rest)?;
    rest[spaced(rest)..].is_empty().then(|| start..last.saturating_add(1).min(length))
}

/// A decimal number that a file may have bytes, and what follows.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(digits);
    if digits.is_empty() {
        return None;
    }
    let value =
        digits.iter().try_fold(0i64, |sum, byte| sum.checked_mul(10)?.checked_add(i64::from(byte - b'0')))?;
    Some((value.cast_unsigned(), rest))
}

/// What a response becomes that has been the whole until then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The length of what is sent.
    length: u64,
    /// What `Content-Range` says, of a single range.
    range: Option<String>,
    /// The type, of several.
    kind: Option<String>,
}

impl Part {
    /// Whether it is several ranges.
    pub fn is_several(&self) -> bool {
        self.kind.is_some()
    }
}

/// Makes the response a single range, once its fields were edited: what is said of it there is said of the whole.
pub fn one(response: &mut Response, range: &Range<u64>, size: u64) {
    response.whole = Some(size);
    let said = format!("bytes {}-{}/{size}", range.start, range.end - 1);
    response.part = Some(Box::new(Part { length: range.end - range.start, range: Some(said), kind: None }));
}

/// Makes the response several ranges; gives back what stands before each of them and at the end.
pub fn several(response: &mut Response, ranges: &[Range<u64>], size: u64, boundary: &str) -> Vec<Vec<u8>> {
    let kind = response.known(Known::ContentType).unwrap_or_default().to_vec();
    let mut heads = Vec::with_capacity(ranges.len() + 1);
    for range in ranges {
        let mut head = format!("\r\n--{boundary}\r\n").into_bytes();
        if !kind.is_empty() {
            head.extend_from_slice(&[b"Content-Type: ", kind.as_slice(), b"\r\n"].concat());
        }
        let content_range = format!("Content-Range: bytes {}-{}/{size}\r\n\r\n", range.start, range.end - 1);
        head.extend_from_slice(content_range.as_bytes());
        heads.push(head);
    }
    heads.push(format!("\r\n--{boundary}--\r\n").into_bytes());
    let content: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    response.whole = Some(size);
    let length = content + heads.iter().map(|head| head.len() as u64).sum::<u64>();
    let kind = format!("multipart/byteranges; boundary={boundary}");
    response.part = Some(Box::new(Part { length, range: None, kind: Some(kind) }));
    heads
}

/// Makes the response one whose ranges cannot be given. Observed: what was added to the response that it stands for
/// stays, and what is added to its page comes behind that.
pub fn unmet(exchange: &mut Exchange, plan: &Plan, size: u64) {
    let vary = !exchange.settings(plan).answer.in_order && filter::varies(exchange, plan);
    edit::on_response(exchange, plan);
    let response = &mut exchange.facts.response;
    for name in [&b"Content-Type"[..], b"Last-Modified", b"ETag"] {
        response.remove(name);
    }
    response.status = 416;
    if vary {
        response.insert(0, b"Vary", b"Accept-Encoding");
    }
    response.add(b"Content-Range", format!("bytes */{size}").as_bytes());
}

/// To be called when all other fields are there: `Content-Range`, or that ranges may be asked for, comes last.
pub fn announce(response: &mut Response) {
    if let Some(part) = response.part.take() {
        let Part { length, range, kind } = *part;
        response.status = 206;
        response.length = Some(length);
        if let Some(range) = range {
            response.add(b"Content-Range", range.as_bytes());
        }
        if let Some(kind) = kind {
            response.set(b"Content-Type", kind.as_bytes());
        }
    }
    if !response.ranges {
        return;
    }
    match response.status {
        200 => {
            response.remove(b"Accept-Ranges");
            response.add(b"Accept-Ranges", b"bytes");
        }
        206 => {
            let text = &response.text;
            let is = |name: &[u8]| name.eq_ignore_ascii_case(b"content-range");
            if let Some(at) = response.fields.iter().position(|field| is(field.name.of(text))) {
                let field = response.fields.remove(at);
                response.fields.push(field);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response() -> Response {
        let mut response = Response::default();
        response.start(200);
        response.add(b"Content-Type", b"text/plain");
        response.add(b"ETag", b"\"1-a\"");
        response.length = Some(10);
        response.modified = date(b"Sat, 21 Nov 2026 14:45:42 GMT");
        response.ranges = true;
        response
    }

    #[test]
    fn range_sets_are_read() {
        use Selection::{One, Several, Unsatisfiable, Whole};
        for (text, expected) in [
            ("bytes=0-3", One(0..4)),
            ("BYTES=5-", One(5..10)),
            ("bytes=-3", One(7..10)),
            ("bytes=-30", One(0..10)),
            ("bytes=0-20", One(0..10)),
            ("bytes= 0 - 3 ", One(0..4)),
            ("bytes=0-1,4-5", Several(vec![0..2, 4..6])),
            ("bytes=0-1,20-", One(0..2)),
            ("bytes=20-", Unsatisfiable),
            ("bytes=abc", Unsatisfiable),
            ("bytes=3-1", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=1-2x", Unsatisfiable),
            ("bytes=99999999999999999999-", Unsatisfiable),
            ("bytes=0-5,3-9", Whole),
            ("lines=0-1", Whole),
            ("bytes=", Whole),
            ("bytes", Whole),
        ] {
            let asked = Asked { range: Some(text.as_bytes()), ..Asked::default() };
            assert_eq!(ranges(&asked, &response(), How::default()), expected, "{text}");
        }
    }

    #[test]
    fn ranges_may_be_limited_or_tied_to_a_version() {
        let of = |text: &str, if_range: Option<&str>, max| {
            let asked = Asked {
                range: Some(text.as_bytes()),
                if_range: if_range.map(str::as_bytes),
                ..Asked::default()
            };
            ranges(&asked, &response(), How { max, join: None })
        };
        assert_eq!(of("bytes=0-1", None, Some(0)), Selection::Whole);
        assert_eq!(of("bytes=0-1", None, Some(1)), Selection::One(0..2));
        assert_eq!(of("bytes=0-1,3-4", None, Some(1)), Selection::Whole);
        assert_eq!(of("bytes=0-1", Some("\"1-a\""), None), Selection::One(0..2));
        assert_eq!(of("bytes=0-1", Some("\"x\""), None), Selection::Whole);
        assert_eq!(of("bytes=0-1", Some("Sat, 21 Nov 2026 14:45:42 GMT"), None), Selection::One(0..2));
        assert_eq!(of("bytes=0-1", Some("Sat, 21 Nov 2026 14:45:43 GMT"), None), Selection::Whole);
        let empty = Response { length: Some(0), ..response() };
        let asked = Asked { range: Some(b"bytes=0-"), ..Asked::default() };
        assert_eq!(ranges(&asked, &empty, How::default()), Selection::Whole);
    }

    /// Observed: Apache httpd 2.4.71.
    #[test]
    fn ranges_are_joined() {
        use Selection::{One, Several, Unsatisfiable, Whole};
        let join = Join { joined: Some(2), reversed: Some(1) };
        let how = How { max: Some(5), join: Some(join) };
        for (text, expected) in [
            ("bytes=0-0,1-1", One(0..2)),
            ("bytes=0-4,3-8", One(0..9)),
            ("bytes=3-8,0-4", One(0..9)),
            ("bytes=0-4,2-3", One(0..5)),
            ("bytes=0-,0-", One(0..10)),
            ("bytes=6-,3-5", One(3..10)),
            ("bytes=0-0,2-2,3-3", Several(vec![0..1, 2..4])),
            ("bytes=0-0,1-1,2-2,3-3", Whole),
            ("bytes=4-4,3-3,2-2", Whole),
            ("bytes=0-0,2-2,4-4,6-6,8-8,9-9", Whole),
            ("bytes=1-2,", One(1..3)),
            ("bytes=,1-2", Whole),
            ("bytes=-3", One(7..10)),
            ("bytes=-30", One(0..10)),
            ("bytes=-0", Whole),
            ("bytes=5-3", Whole),
            ("bytes=a-b", Whole),
            ("bytes= 1-2", Whole),
            ("bytes=1-2;x", Whole),
            ("bytes=50-60,70-", Unsatisfiable),
            ("bytes=50-60,1-2", One(1..3)),
        ] {
            let asked = Asked { range: Some(text.as_bytes()), ..Asked::default() };
            assert_eq!(ranges(&asked, &response(), how), expected, "{text}");
        }
    }

    #[test]
    fn several_ranges_have_heads() {
        let mut response = response();
        let heads = several(&mut response, &[0..2, 4..6], 10, "00000000000000000001");
        assert_eq!((response.status, response.length), (200, Some(10)));
        announce(&mut response);
        assert_eq!(response.status, 206);
        // As sent by nginx 1.22.1 for the same request.
        assert_eq!(response.length, Some(198));
        let first = String::from_utf8(heads[0].clone()).unwrap();
        assert_eq!(
            first,
            "\r\n--00000000000000000001\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n"
        );
        assert_eq!(heads[2], b"\r\n--00000000000000000001--\r\n");
        let kind = response.known(Known::ContentType);
        assert_eq!(kind, Some(&b"multipart/byteranges; boundary=00000000000000000001"[..]));
    }

    #[test]
    fn what_is_said_of_ranges_comes_last() {
        let mut whole = response();
        whole.add(b"X-Added", b"1");
        announce(&mut whole);
        let last = |response: &Response| {
            let field = response.fields.last().copied().unwrap();
            (response.name(&field).to_vec(), response.value(&field).to_vec())
        };
        assert_eq!(last(&whole), (b"Accept-Ranges".to_vec(), b"bytes".to_vec()));
        let mut part = response();
        one(&mut part, &(0..2), 10);
        part.add(b"X-Added", b"1");
        announce(&mut part);
        assert_eq!(last(&part), (b"Content-Range".to_vec(), b"bytes 0-1/10".to_vec()));
    }
}
