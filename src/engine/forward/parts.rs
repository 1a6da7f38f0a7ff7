//! Responses that are asked for in parts, one after another, and sent as one.
//!
//! Whether that happens shows when the range of a part is put into a request to an upstream. The first part's head
//! becomes that of the whole response, as its `Content-Range` tells how long that is; the client's own `Range` is
//! answered from there. Each further part is asked for by the request once more, with the next range: it goes to the
//! same handler, and to the cache, where it is found by a key of its own.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_slice_module.html>; observed: nginx 1.22.1,
//! fixtures/nginx/cache/slice.conf.

use super::super::{
    cache::Kept,
    edit,
    exchange::{End, Exchange, Next},
    facts::Facts,
    files::{
        self,
        condition::{self, Verdict},
        range::{self, Selection},
    },
    filter::Chain,
    http1::field::{Known, Slice, decimal},
    response::Framing,
};
use crate::{
    ir::{Handler, settings::Level},
    plan::{Plan, Run},
};

/// What is known of a response that is sent in parts, once the first was there.
#[derive(Debug)]
pub struct Parts {
    /// Bytes of a part.
    size: u64,
    /// Where the next part begins.
    next: u64,
    /// The entity tag of all parts.
    tag: Option<Vec<u8>>,
    /// What the client gets of the whole.
    window: (u64, u64),
    /// How the client is told where the content ends.
    pub(super) framing: Framing,
    /// What the content passes through.
    pub(super) filters: Option<Box<Chain>>,
    /// Whether a part is under way that is not the first.
    pub(super) further: bool,
}

/// The part whose head is in `facts`.
#[derive(Debug)]
pub(super) struct Part {
    begin: u64,
    end: u64,
    total: u64,
    further: bool,
}

/// What of a part is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Portion {
    /// Bytes of it to leave out, and to send.
    pub(super) window: (u64, u64),
    /// Whether another part follows.
    pub(super) more: bool,
}

impl Exchange {
    /// Makes the head of a part that of the whole response; `None` where it is no part.
    pub(super) fn take_part(&mut self) -> Result<Option<Part>, Next> {
        let Some((start, size)) = self.facts.part.get() else { return Ok(None) };
        let further = self.parts.is_some();
        let status = self.facts.response.status;
        if status != 206 {
            if !further {
                self.facts.part.set(None);
                return Ok(None);
            }
            return Err(self.odd_part(format_args!("unexpected status code {status} in slice response")));
        }
        let response = &self.facts.response;
        let tag = response.known(Known::ETag).map(<[u8]>::to_vec);
        if self.parts.as_ref().is_some_and(|parts| parts.tag.is_some() && parts.tag != tag) {
            return Err(self.odd_part(format_args!("etag mismatch in slice response")));
        }
        let is_range = |name: &[u8]| name.eq_ignore_ascii_case(b"content-range");
        let field = response.fields.iter().find(|field| is_range(response.name(field)));
        let read = field.and_then(|field| content_range(response.value(field)));
        let Some((begin, end, total)) = read else {
            return Err(self.odd_part(format_args!("invalid range in slice response")));
        };
        let Some(total) = total else {
            return Err(self.odd_part(format_args!("no complete length in slice response")));
        };
        if begin != start || end != start.saturating_add(size).min(total) || end > total {
            return Err(self.odd_part(format_args!("unexpected range in slice response: {begin}-{end}")));
        }
        let response = &mut self.facts.response;
        (response.status, response.status_text, response.length) = (200, Slice::default(), Some(total));
        response.remove(b"Content-Range");
        response.remove(b"Accept-Ranges");
        response.ranges = true;
        response.modified = response.known(Known::LastModified).and_then(condition::date);
        if let Some(parts) = &mut self.parts {
            (parts.next, parts.tag) = (end, tag.or_else(|| parts.tag.take()));
        } else {
            let (window, filters) = ((0, total), None);
            let framing = Framing::None;
            let parts = Parts { size, next: end, tag, window, framing, filters, further: false };
            self.parts = Some(Box::new(parts));
        }
        Ok(Some(Part { begin, end, total, further }))
    }

    fn odd_part(&mut self, what: std::fmt::Arguments<'_>) -> Next {
        self.log(Level::Error, format_args!("{what} while reading response header from upstream"));
        self.parts = None;
        Next::End(End::Abort)
    }

    /// Which bytes of the part are sent; the first part makes the response a range where one is asked for.
    /// `Err` is a status.
    pub(super) fn portion(&mut self, plan: &Plan, part: &Part) -> Result<Portion, u16> {
        if !part.further {
            let most = self.settings(plan).answer.max_ranges.map_or(1, |most| most.min(1));
            self.facts.response.ranges = most > 0;
            let asked = condition::Asked::of(&self.facts);
            let selection =
                range::ranges(&asked, &self.facts.response, range::How { max: Some(most), join: None });
            match selection {
                Selection::Whole | Selection::Several(_) => {}
                Selection::One(range) => {
                    range::one(&mut self.facts.response, &range, part.total);
                    if let Some(parts) = &mut self.parts {
                        parts.window = (range.start, range.end);
                        if parts.next.saturating_add(parts.size) <= range.start {
                            parts.next = parts.size * (range.start / parts.size);
                        }
                    }
                }
                Selection::Unsatisfiable => {
                    self.forget_parts();
                    let unmet = format!("bytes */{}", part.total);
                    self.facts.response.start(416);
                    self.facts.response.ranges = true;
                    self.facts.response.add(b"Content-Range", unmet.as_bytes());
                    return Err(416);
                }
            }
        }
        let Some(parts) = &self.parts else { return Ok(Portion { window: (0, 0), more: false }) };
        let (first, last) = parts.window;
        let from = first.clamp(part.begin, part.end);
        let to = last.clamp(from, part.end);
        Ok(Portion { window: (from - part.begin, to - from), more: parts.next < last })
    }

    /// Sends the head of the whole response, where it was not sent yet; how its content is framed.
    pub(super) fn head_of_parts(&mut self, plan: &Plan, out: &mut Vec<u8>) -> Framing {
        if let Some(parts) = self.parts.as_ref().filter(|parts| parts.further) {
            return parts.framing;
        }
        let framing = self.head(plan, out);
        match &mut self.parts {
            // There is no content to ask for, or it is taken whole before it is sent.
            _ if framing == Framing::None => self.parts = None,
            Some(parts) => parts.framing = framing,
            None => {}
        }
        framing
    }

    /// What the content passes through, from here on.
    pub(super) fn filters_of_parts(&mut self) -> Option<Box<Chain>> {
        let further = self.parts.as_mut().filter(|parts| parts.further);
        further.map_or_else(|| self.filters.take(), |parts| parts.filters.take())
    }

    /// Sends a part that was kept.
    pub(super) async fn send_kept_part(&mut self, plan: &Plan, kept: Kept, part: Part) -> Next {
        if !part.further {
            edit::charset(self, plan);
            let since = self.settings(plan).answer.if_modified_since;
            match condition::condition(&condition::Asked::of(&self.facts), &self.facts.response, since) {
                Verdict::Answer => {}
                Verdict::NotModified => {
                    self.parts = None;
                    files::not_modified(self);
                    return self.send_whole(plan, b"").await;
                }
                Verdict::Failed => {
                    self.forget_parts();
                    return Next::Status(412);
                }
            }
        }
        let portion = match self.portion(plan, &part) {
            Ok(portion) => portion,
            Err(status) => return Next::Status(status),
        };
        let (skip, length) = portion.window;
        let (from, to) = (skip.min(kept.length), (skip + length).min(kept.length));
        let content =
            files::Whole { file: kept.file, begin: kept.begin, length: kept.length, bytes: kept.content };
        let piece = content.piece(from..to);
        let mut out = super::scratch::take();
        let framing = self.head_of_parts(plan, &mut out);
        let mut filters = self.filters_of_parts();
        let more = portion.more && framing != Framing::None;
        let piece = (framing != Framing::None).then_some(piece);
        let sent = files::send::send_part(self, plan, piece, (framing, more), &mut filters, out).await;
        if !sent {
            return Next::End(End::Abort);
        }
        self.end_part(filters, framing, more)
    }

    /// After a part was sent: the next one, or the end.
    pub(super) fn end_part(&mut self, filters: Option<Box<Chain>>, framing: Framing, more: bool) -> Next {
        let further = self.parts.as_ref().is_some_and(|parts| parts.further);
        match &mut self.parts {
            Some(parts) if more => {
                parts.filters = filters;
                // Who asked for this one asks for the next.
                if further { Next::End(End::Keep) } else { Next::Part }
            }
            parts => {
                if parts.is_some() {
                    self.forget_parts();
                }
                self.facts.coded = filters.map(|filters| filters.sizes).or(self.facts.coded);
                self.facts.complete = true;
                Next::End(if framing == Framing::Close { End::Close } else { End::Keep })
            }
        }
    }

    /// Asks for the parts that are still to come, and sends them.
    pub async fn next_parts(&mut self, plan: &Plan) -> Next {
        let mut end = End::Keep;
        while let Some(mut parts) = self.parts.take() {
            parts.further = true;
            let mut twin = self.twin();
            twin.facts.part.set(Some((parts.next, parts.size)));
            twin.facts.depth = self.facts.depth.saturating_add(1);
            twin.parts = Some(parts);
            self.trade(&mut twin);
            end = Box::pin(twin.one_part(plan)).await;
            self.trade(&mut twin);
            self.facts.sent += twin.facts.sent;
            self.facts.coded = twin.facts.coded.or(self.facts.coded);
            self.facts.complete = twin.facts.complete;
            self.facts.part.set(twin.facts.part.get());
            self.parts = twin.parts.take().filter(|_| matches!(end, End::Keep));
        }
        Next::End(end)
    }

    /// From here on the response is one like others.
    pub(super) fn forget_parts(&mut self) {
        self.parts = None;
        self.facts.part.set(None);
    }

    /// Lets another exchange have the client's connection, or takes it back.
    fn trade(&mut self, other: &mut Self) {
        std::mem::swap(&mut self.stream, &mut other.stream);
        std::mem::swap(&mut self.facts.buffer, &mut other.facts.buffer);
        std::mem::swap(&mut self.facts.used, &mut other.facts.used);
    }

    async fn one_part(&mut self, plan: &Plan) -> End {
        let handler = self.settings(plan).handler.clone();
        let next = match handler.as_deref() {
            Some(Handler::Forward(forward)) => self.forward(plan, forward).await,
            _ => Next::Status(500),
        };
        let end = match next {
            Next::End(end) => end,
            next => {
                let status =
                    if let Next::Status(status) = next { status } else { self.facts.response.status };
                match self.odd_part(format_args!("unexpected status code {status} in slice response")) {
                    Next::End(end) => end,
                    _ => End::Abort,
                }
            }
        };
        if self.settings(plan).logs.subrequests {
            self.write_log(plan);
        }
        end
    }
}

impl Facts {
    /// The range of the part that an upstream is asked for; from here on it is asked for one.
    pub fn part_range(&self, run: &Run) -> Option<String> {
        let (begin, size) = match self.part.get() {
            Some(known) => known,
            None if self.depth > 0 || self.response.status != 0 => return None,
            None => {
                let size = self.plan.settings(run.settings).answer.part_size;
                let asked = condition::Asked::of(self);
                let begin = begin(asked.range, asked.if_range.is_some(), size);
                if size == 0 {
                    return None;
                }
                self.part.set(Some((begin, size)));
                (begin, size)
            }
        };
        Some(asked(begin, size))
    }
}

/// `bytes=first-last` of a part.
fn asked(first: u64, size: u64) -> String {
    format!("bytes={first}-{}", first.saturating_add(size) - 1)
}

/// Where the part begins that the client's range begins in, for parts of `size` bytes.
fn begin(range: Option<&[u8]>, conditional: bool, size: u64) -> u64 {
    let start = range.filter(|_| !conditional).and_then(|range| {
        let (unit, set) = range.split_at_checked(6)?;
        if !unit.eq_ignore_ascii_case(b"bytes=") || set.contains(&b',') {
            return None;
        }
        let set = set.trim_ascii_start();
        let digits = set.iter().take_while(|byte| byte.is_ascii_digit()).count();
        decimal(&set[..digits]).filter(|start| *start <= i64::MAX.cast_unsigned())
    });
    size * (start.unwrap_or(0) / size.max(1))
}

/// Reads `bytes first-last/total` (RFC 9110 § 14.4); the end is behind the last, and the total may be unknown.
fn content_range(text: &[u8]) -> Option<(u64, u64, Option<u64>)> {
    let (unit, rest) = text.split_at_checked(6)?;
    if !unit.eq_ignore_ascii_case(b"bytes ") {
        return None;
    }
    let slash = memchr::memchr(b'/', rest)?;
    let (range, total) = (&rest[..slash], rest[slash + 1..].trim_ascii());
    let dash = memchr::memchr(b'-', range)?;
    let first = decimal(range[..dash].trim_ascii())?;
    let last = decimal(range[dash + 1..].trim_ascii())?;
    let end = last.checked_add(1).filter(|end| *end > first)?;
    let total = if total == b"*" { None } else { Some(decimal(total)?) };
    Some((first, end, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read() {
        for (text, expected) in [
            ("bytes 0-3/10", Some((0, 4, Some(10)))),
            ("Bytes 4 - 7 / 10 ", Some((4, 8, Some(10)))),
            ("bytes 4-7/*", Some((4, 8, None))),
            ("bytes */10", None),
            ("bytes 7-4/10", None),
            ("bytes 0-18446744073709551615/3", None),
            ("lines 0-3/10", None),
            ("bytes", None),
            ("", None),
        ] {
            assert_eq!(content_range(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn parts_begin_where_the_range_does() {
        for (range, conditional, expected) in [
            (None, false, 0),
            (Some("bytes=9-"), false, 8),
            (Some("bytes=9-"), true, 0),
            (Some("BYTES= 4-5"), false, 4),
            (Some("bytes=-5"), false, 0),
            (Some("bytes=4-5,8-9"), false, 0),
            (Some("bytes=99999999999999999999-"), false, 0),
            (Some("bytes="), false, 0),
        ] {
            assert_eq!(begin(range.map(str::as_bytes), conditional, 4), expected, "{range:?}");
        }
        assert_eq!(begin(Some(b"bytes=9-"), false, 0), 0);
        assert_eq!(asked(8, 4), "bytes=8-11");
    }
}
