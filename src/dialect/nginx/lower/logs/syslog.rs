//! `syslog:server=address,...`: a log that goes over the network.
//!
//! Reference: <https://nginx.org/en/docs/syslog.html>; names of facilities and severities: RFC 3164 § 4.1.1,
//! in the spelling of nginx.

use std::ops::Range;

use super::super::{
    super::tree::Word,
    Cx,
    address::{self, Tail},
    parameter,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Text, settings::Syslog},
};

const PORT: u16 = 514;
const LOCAL7: u8 = 23;
const LONGEST_TAG: usize = 32;

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "intern", "lpr", "news", "uucp", "clock", "authpriv", "ftp",
    "ntp", "audit", "alert", "cron", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];

const SEVERITIES: [&str; 8] = ["emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"];

/// The receiver that a word names; `None` after a report.
pub(super) fn receiver(cx: &mut Cx, word: &Word, severity: u8) -> Option<Syslog> {
    let (mut server, mut facility, mut host_name) = (None, None, true);
    let (mut severity_given, mut tag) = (None, None);
    let mut start = "syslog:".len();
    loop {
        let rest = word.value.get(start..).unwrap_or_default();
        let end = start + memchr::memchr(b',', rest).unwrap_or(rest.len());
        let part = &word.value[start..end];
        let (name, value) = match memchr::memchr(b'=', part) {
            Some(at) => (&part[..at], Some(&part[at + 1..])),
            None => (part, None),
        };
        match (name, value) {
            (b"server", Some(value)) => once(cx, word, start..end, &mut server, address(value))?,
            (b"facility", Some(value)) => {
                once(cx, word, start..end, &mut facility, position(&FACILITIES, value, "facility"))?;
            }
            (b"severity", Some(value)) => {
                once(cx, word, start..end, &mut severity_given, position(&SEVERITIES, value, "severity"))?;
            }
            (b"tag", Some(value)) => once(cx, word, start..end, &mut tag, checked_tag(value))?,
            (b"nohostname", None) => host_name = false,
            _ => {
                let unknown = "expected `server=`, `facility=`, `severity=`, `tag=` or `nohostname`";
                return fail(cx, word, start..end, unknown);
            }
        }
        start = end + 1;
        if end >= word.value.len() {
            break;
        }
    }
    let Some(server) = server else { return fail(cx, word, 0..word.value.len(), "it names no `server=`") };
    Some(Syslog {
        server,
        facility: facility.unwrap_or(LOCAL7),
        severity: severity_given.unwrap_or(severity),
        tag: tag.unwrap_or_else(|| "nginx".into()),
        host_name,
    })
}

fn fail<T>(cx: &mut Cx, word: &Word, range: Range<usize>, why: impl Into<String>) -> Option<T> {
    let span = parameter::within(cx, word, range);
    cx.report(Diagnostic::error("invalid-syslog", span, "invalid syslog receiver").because(why));
    None
}

/// Stores a parameter that may be given once; `None` after a report.
fn once<T>(
    cx: &mut Cx,
    word: &Word,
    range: Range<usize>,
    slot: &mut Option<T>,
    value: Result<T, String>,
) -> Option<()> {
    match value {
        Ok(_) if slot.is_some() => fail(cx, word, range, "given twice"),
        Ok(value) => {
            *slot = Some(value);
            Some(())
        }
        Err(why) => fail(cx, word, range, why),
    }
}

fn address(text: &[u8]) -> Result<Text, String> {
    let address = address::address(text, Tail::Refused).map_err(str::to_owned)?;
    let mut server = address.authority.to_vec();
    if !address.unix && address.port.is_none() {
        server.extend_from_slice(format!(":{PORT}").as_bytes());
    }
    Ok(Text(server))
}

fn position(names: &[&str], name: &[u8], what: &str) -> Result<u8, String> {
    let at = names.iter().position(|known| known.as_bytes() == name);
    at.map(|at| at as u8).ok_or_else(|| format!("unknown {what}: it must be one of {}", names.join(", ")))
}

fn checked_tag(tag: &[u8]) -> Result<Text, String> {
    if tag.len() > LONGEST_TAG {
        return Err(format!("a tag has at most {LONGEST_TAG} characters"));
    }
    if !tag.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
        return Err("a tag is made of letters, digits and `_`".to_owned());
    }
    Ok(tag.into())
}
