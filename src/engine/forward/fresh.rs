//! How long an upstream's response may be kept, by what it says and what settings say (RFC 9111 § 5).

use super::super::{facts::Facts, files::condition::date, http1::field::decimal};
use crate::{
    ir::{Name, Validity},
    plan::ForwardingPlan,
};

/// What a response says of keeping it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Freshness {
    /// Whether it must not be kept.
    pub(super) forbidden: bool,
    /// Until when it is good, in seconds since the epoch; 0 is not said.
    pub(super) valid: u64,
    /// Until when it may be sent while somebody asks.
    pub(super) while_updating: u64,
    /// Until when it may be sent where there is an error.
    pub(super) if_error: u64,
    /// The fields of the request that it depends on.
    pub(super) vary: Vec<u8>,
}

/// What the response at hand says. Observed (nginx 1.22.1): fields count in their order; what `X-Accel-Expires` said
/// is not changed by those that follow, and no field takes a prohibition back.
pub(super) fn freshness(facts: &Facts, how: &ForwardingPlan, now: u64) -> Freshness {
    let mut out = Freshness::default();
    let mut directed = false;
    for field in &facts.upstream_head.fields {
        let name = field.name.of(&facts.upstream);
        let Some(topic) = TOPICS.iter().position(|topic| name.eq_ignore_ascii_case(topic)) else { continue };
        if how.cache_ignores.iter().any(|ignored: &Name| ignored.is_field(name)) {
            continue;
        }
        let value = field.value.of(&facts.upstream).trim_ascii();
        match topic {
            0 => out.forbidden = true,
            1 => out.depends_on(value),
            2 if !(directed && out.valid > 0) => out.controlled(value, now),
            3 if out.valid == 0 => match date(value).and_then(|at| u64::try_from(at).ok()) {
                Some(at) if at >= now => out.valid = at,
                _ => out.forbidden = true,
            },
            4 => {
                directed = true;
                let said = match value.strip_prefix(b"@") {
                    Some(at) => decimal(at),
                    None => decimal(value).map(|age| if age == 0 { 0 } else { now.saturating_add(age) }),
                };
                match said {
                    Some(0) => out.forbidden = true,
                    Some(at) => out.valid = at,
                    None => {}
                }
            }
            _ => {}
        }
    }
    out
}

/// The fields that say something of keeping a response.
const TOPICS: [&[u8]; 5] = [b"set-cookie", b"vary", b"cache-control", b"expires", b"x-accel-expires"];

impl Freshness {
    fn depends_on(&mut self, names: &[u8]) {
        self.forbidden |= names.split(|byte| *byte == b',').any(|name| name.trim_ascii() == b"*");
        if !self.vary.is_empty() {
            self.vary.extend_from_slice(b", ");
        }
        self.vary.extend_from_slice(names);
    }

    fn controlled(&mut self, value: &[u8], now: u64) {
        let says = |word: &[u8]| find(value, word).is_some();
        self.forbidden |= says(b"no-cache") || says(b"no-store") || says(b"private");
        match seconds(value, b"s-maxage=").or_else(|| seconds(value, b"max-age=")) {
            Some(Ok(0) | Err(NoNumber)) => self.forbidden = true,
            Some(Ok(age)) => self.valid = now.saturating_add(age),
            None => {}
        }
        for (word, field) in [
            (&b"stale-while-revalidate="[..], &mut self.while_updating),
            (&b"stale-if-error="[..], &mut self.if_error),
        ] {
            match seconds(value, word) {
                Some(Ok(time)) => *field = time,
                Some(Err(NoNumber)) => self.forbidden = true,
                None => {}
            }
        }
    }
}

/// How long settings keep a response of this status; zero is not at all.
pub(super) fn usual(valid: &[Validity], status: u16) -> u64 {
    let of = valid.iter().find(|one| one.statuses.is_empty() || one.statuses.contains(&status));
    of.map_or(0, |one| one.lasts.as_secs())
}

/// Something else where seconds should be. Observed: such a response is not kept at all.
struct NoNumber;

/// The seconds behind a word, where it is there; what is longer than any time is as if it were not.
fn seconds(value: &[u8], word: &[u8]) -> Option<Result<u64, NoNumber>> {
    let rest = &value[find(value, word)? + word.len()..];
    let end = rest.iter().position(|byte| matches!(byte, b',' | b';' | b' ')).unwrap_or(rest.len());
    match &rest[..end] {
        b"" => Some(Ok(0)),
        digits if digits.iter().all(u8::is_ascii_digit) => decimal(digits).map(Ok),
        _ => Some(Err(NoNumber)),
    }
}

/// Where a word stands, without regard to case.
fn find(value: &[u8], word: &[u8]) -> Option<usize> {
    value.windows(word.len()).position(|part| part.eq_ignore_ascii_case(word))
}
