//! The cookie that clients are told apart by: read, made, given.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_userid_module.html>

use std::{
    io::Write as _,
    net::IpAddr,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    access::base64,
    clock::http_date,
    exchange::Exchange,
    facts::{Facts, cookie},
};
use crate::{
    ir::settings::{Identifier, Issue, Level, Lifetime},
    plan::Plan,
};

/// Characters of Base64 that 16 bytes take; what fills up comes behind.
const LENGTH: usize = 22;

/// What the client brought.
enum Brought<'f> {
    Nothing,
    Short(&'f [u8]),
    Invalid(&'f [u8]),
    /// The cookie and what it says; the last number of that is not 0.
    Known(&'f [u8], [u8; 16]),
}

fn brought<'f>(facts: &'f Facts, which: &Identifier) -> Brought<'f> {
    let Some(value) = facts.fields(b"cookie").find_map(|line| cookie(line, &which.cookie)) else {
        return Brought::Nothing;
    };
    let Some(text) = value.get(..LENGTH) else { return Brought::Short(value) };
    match base64(text).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()) {
        Some(bytes) if bytes[12..] == [0; 4] => Brought::Nothing,
        Some(bytes) => Brought::Known(value, bytes),
        None => Brought::Invalid(value),
    }
}

/// What the client gets; nothing where what it has will do.
fn given(facts: &Facts, which: &Identifier, anew: bool) -> Option<[u8; 16]> {
    let issue = which.issue?;
    if let (Brought::Known(value, bytes), false) = (brought(facts, which), anew) {
        let marked = |mark: u8| value.get(LENGTH) == Some(&mark) && value.get(LENGTH + 1) == Some(&b'=');
        return which.mark.is_some_and(|mark| !marked(mark)).then_some(bytes);
    }
    let made = facts.identifier.get().unwrap_or_else(|| make(facts, which, issue));
    facts.identifier.set(Some(made));
    Some(made)
}

fn make(facts: &Facts, which: &Identifier, issue: Issue) -> [u8; 16] {
    static PROCESS: OnceLock<u32> = OnceLock::new();
    static LEAST_FIRST: AtomicU32 = AtomicU32::new(1);
    static GREATEST_FIRST: AtomicU32 = AtomicU32::new(0x0303_0302);
    let now = facts.worker.clock.now();
    let process = *PROCESS.get_or_init(|| (now.subsec_micros() / 20) << 16 | (std::process::id() & 0xffff));
    let seconds = now.as_secs() as u32;
    let (service, rest) = match issue {
        Issue::LeastFirst => {
            let number = LEAST_FIRST.fetch_add(0x100, Relaxed);
            (which.service.unwrap_or(0).to_le_bytes(), [seconds, process, number].map(u32::to_le_bytes))
        }
        Issue::GreatestFirst => {
            let number = GREATEST_FIRST.fetch_add(0x100, Relaxed);
            let service = match (which.service, facts.client.local.map(|local| local.ip().to_canonical())) {
                (Some(service), _) => service.to_be_bytes(),
                (None, Some(IpAddr::V4(ip))) => ip.octets(),
                (None, Some(IpAddr::V6(ip))) => {
                    let [.., a, b, c, d] = ip.octets();
                    [a, b, c, d]
                }
                (None, None) => [0; 4],
            };
            // One whose last number is 0 would be none.
            (service, [seconds, process, number.max(1)].map(u32::to_be_bytes))
        }
    };
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&service);
    for (at, part) in rest.iter().enumerate() {
        bytes[4 + 4 * at..8 + 4 * at].copy_from_slice(part);
    }
    bytes
}

/// Appends what the client brought, or gets, as people see it: `uid=` and four numbers in hexadecimal digits.
pub(super) fn show(facts: &Facts, which: &Identifier, anew: bool, gets: bool, out: &mut Vec<u8>) -> bool {
    let bytes = if gets {
        given(facts, which, anew)
    } else {
        match brought(facts, which) {
            Brought::Known(_, bytes) => Some(bytes),
            _ => None,
        }
    };
    let Some(bytes) = bytes else { return false };
    write(which, &bytes, out);
    true
}

fn write(which: &Identifier, bytes: &[u8; 16], out: &mut Vec<u8>) {
    out.extend_from_slice(&which.cookie);
    out.push(b'=');
    let (numbers, _) = bytes.as_chunks::<4>();
    for number in numbers {
        let _ = write!(out, "{:08X}", u32::from_le_bytes(*number));
    }
}

/// Gives the client an identifier with the response under way, where settings say so.
pub(super) fn give(exchange: &mut Exchange, plan: &Plan) {
    let settings = exchange.settings(plan);
    let Some(which) = settings.answer.identifier.as_ref().filter(|which| which.issue.is_some()) else {
        return;
    };
    if exchange.is_subrequest() {
        return;
    }
    let reset = which.reset.as_ref().map(|reset| exchange.value(reset)).unwrap_or_default();
    let anew = !reset.is_empty() && reset != b"0";
    let name = &which.cookie;
    match brought(&exchange.facts, which) {
        Brought::Nothing => {}
        Brought::Short(value) => {
            let value = value.escape_ascii();
            exchange
                .log(Level::Error, format_args!("client sent too short userid cookie \"{name}={value}\""));
        }
        Brought::Invalid(value) => {
            let value = value.escape_ascii();
            exchange.log(Level::Error, format_args!("client sent invalid userid cookie \"{name}={value}\""));
        }
        Brought::Known(_, bytes) if reset == b"log" => {
            let mut shown = Vec::new();
            write(which, &bytes, &mut shown);
            let shown = shown.escape_ascii();
            exchange.log(Level::Notice, format_args!("userid cookie \"{shown}\" was reset"));
        }
        Brought::Known(..) => {}
    }
    let Some(bytes) = given(&exchange.facts, which, anew) else { return };
    let mut line = name.to_vec();
    line.push(b'=');
    let mut text = STANDARD.encode(bytes).into_bytes();
    if let (Some(mark), Some(place)) = (which.mark, text.get_mut(LENGTH)) {
        *place = mark;
    }
    line.append(&mut text);
    match which.lasts {
        Lifetime::Session => {}
        Lifetime::Longest => line.extend_from_slice(b"; expires=Thu, 31-Dec-37 23:55:55 GMT"),
        Lifetime::For(time) => {
            let at = exchange.worker.clock.now().as_secs().saturating_add(time.as_secs());
            line.extend_from_slice(b"; expires=");
            line.extend_from_slice(cookie_date(at).as_bytes());
        }
    }
    for (attribute, value) in [(&b"; domain="[..], &which.domain), (b"; path=", &which.path)] {
        if !value.is_empty() {
            line.extend_from_slice(attribute);
            line.extend_from_slice(value);
        }
    }
    for flag in &which.flags {
        line.extend_from_slice(b"; ");
        line.extend_from_slice(flag);
    }
    let response = &mut exchange.facts.response;
    response.add_beside(b"Set-Cookie", &line);
    if !which.policy.is_empty() {
        response.add_beside(b"P3P", &which.policy);
    }
}

/// A date as cookies have it: with hyphens, and a year of two digits as long as that is understood.
pub(super) fn cookie_date(seconds: u64) -> String {
    let date = http_date(seconds.cast_signed());
    // `Tue, 01 Dec 2026 22:53:56 GMT`
    match (date.get(..8), date.get(8..11), date.get(12..16), date.get(16..)) {
        (Some(day), Some(month), Some(year), Some(time)) => {
            let (day, year) = (day.trim_end(), if year > "2037" { year } else { &year[2..] });
            format!("{}-{month}-{year}{time}", day.trim_end())
        }
        _ => date,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_cookies() {
        assert_eq!(cookie_date(1_796_165_636), "Tue, 01-Dec-26 22:53:56 GMT");
        assert_eq!(cookie_date(2_147_483_648 + 86_400 * 365), "Wed, 19-Jan-2039 03:14:08 GMT");
    }
}
