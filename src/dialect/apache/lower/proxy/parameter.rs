//! `key=value`: parameters of workers and balancers.

use std::time::Duration;

use super::super::Cx;
use crate::{
    diagnostic::{Diagnostic, Severity, suggest},
    dialect::apache::tree::Word,
    ir::{Duty, Group, IdleConnections, Member, Name, Protocol, Share, Sticky, Text, Upgrade},
};

/// What parameters of a worker change.
pub(super) struct Worker<'w> {
    pub(super) member: &'w mut Member,
    pub(super) max: &'w mut u32,
    pub(super) idle: &'w mut Option<IdleConnections>,
}

/// All parameters of workers and balancers.
const KEYS: &[&str] = &[
    "acquire",
    "addressttl",
    "connectiontimeout",
    "disablereuse",
    "enablereuse",
    "failonstatus",
    "failontimeout",
    "flusher",
    "flushpackets",
    "flushwait",
    "forcerecovery",
    "growth",
    "hcexpr",
    "hcfails",
    "hcinterval",
    "hcmethod",
    "hcpasses",
    "hctemplate",
    "hcuri",
    "iobuffersize",
    "keepalive",
    "lbmethod",
    "lbset",
    "loadfactor",
    "max",
    "maxattempts",
    "min",
    "nofailover",
    "nonce",
    "ping",
    "receivebuffersize",
    "redirect",
    "responsefieldsize",
    "retry",
    "route",
    "scolonpathdelim",
    "secret",
    "smax",
    "status",
    "stickysession",
    "stickysessionsep",
    "timeout",
    "ttl",
    "upgrade",
];

/// Parameters that are read and change nothing, and why.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("addressttl", "names are looked up for each new connection"),
    ("flusher", "what arrives is sent on at once"),
    ("flushpackets", "what arrives is sent on at once"),
    ("flushwait", "what arrives is sent on at once"),
    ("iobuffersize", "buffers have a size of their own"),
    ("min", "connections are made when they are needed"),
    ("ping", "content follows its head at once: no `100 Continue` is waited for"),
    ("receivebuffersize", "the system chooses the sizes of its buffers"),
];

/// A time: `5`, `5s`, `500ms`, `2min`, `1h`; a bare number counts in `unit`.
pub(super) fn time(text: &str, unit: Duration) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u32 = text[..digits].parse().ok()?;
    let unit = match text[digits..].to_ascii_lowercase().as_str() {
        "" => unit,
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "mi" | "min" => Duration::from_mins(1),
        "h" => Duration::from_hours(1),
        _ => return None,
    };
    unit.checked_mul(number)
}

fn number(text: &str, from: u32, to: u32) -> Result<u32, String> {
    match text.parse() {
        Ok(number) if (from..=to).contains(&number) => Ok(number),
        _ if to == u32::MAX => Err(format!("must be a number of at least {from}")),
        _ => Err(format!("must be a number from {from} to {to}")),
    }
}

/// C's `atoi`: what is no number is 0.
pub(super) fn atoi(text: &str) -> i64 {
    let text = text.trim_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits.bytes().take_while(u8::is_ascii_digit);
    let number =
        digits.fold(0i64, |number, digit| number.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    if negative { -number } else { number }
}

/// A number as `atoi` reads it.
fn count(text: &str, most: u32) -> Result<u32, String> {
    let number = atoi(text);
    u32::try_from(number).ok().filter(|number| *number <= most).ok_or_else(|| {
        if most == u32::MAX {
            "must be a positive number".to_owned()
        } else {
            format!("must be between 0 and {most}")
        }
    })
}

/// The size of a buffer of the original.
fn buffer(text: &str) -> Result<(), String> {
    let known = matches!(atoi(text), 0 | 512..);
    if known { Ok(()) } else { Err("must be >= 512 bytes, or 0 for system default.".to_owned()) }
}

fn on(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("must be On|Off".to_owned()),
    }
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    time(text, Duration::from_secs(1)).ok_or_else(|| "has wrong format".to_owned())
}

/// Splits `key=value` and reports what is none.
pub(super) fn split<'w>(cx: &mut Cx, word: &'w Word) -> Option<(String, &'w [u8])> {
    match memchr::memchr(b'=', &word.value) {
        Some(at) if at > 0 => {
            Some((String::from_utf8_lossy(&word.value[..at]).to_ascii_lowercase(), &word.value[at + 1..]))
        }
        _ => {
            let message =
                "Invalid ProxyPass|ProxyPassMatch parameter. Parameter must be in the form 'key=value'.";
            cx.report(Diagnostic::error("invalid-parameter", word.span, message).label(word.span, ""));
            None
        }
    }
}

/// Says that a parameter is not known.
pub(super) fn unknown(cx: &mut Cx, word: &Word, key: &str) {
    let message = format!("unknown parameter `{key}`");
    let mut found = Diagnostic::error("invalid-parameter", word.span, message).label(word.span, "");
    if let Some(meant) = suggest::nearest(key, KEYS.iter().copied()) {
        found = found.help(format!("did you mean `{meant}`?"));
    }
    cx.report(found);
}

/// Applies a parameter of a worker; false when it is none.
pub(super) fn worker(cx: &mut Cx, to: &mut Worker<'_>, word: &Word, key: &str, value: &[u8]) -> bool {
    let text = String::from_utf8_lossy(value).into_owned();
    match apply(to, key, &text) {
        Ok(true) => {
            if let Some((_, why)) = WITHOUT_EFFECT.iter().find(|(known, _)| *known == key) {
                let message = format!("`{key}` has no effect here");
                cx.report(Diagnostic::new(Severity::Note, "no-effect", message).label(word.span, *why));
            }
            true
        }
        Ok(false) => match key {
            "secret" if to.member.protocol == Protocol::Http => {
                let message = "`secret` belongs to AJP, which is not spoken";
                let found = Diagnostic::warning("not-honoured", word.span, message);
                cx.report(found.help("leave it out: it has no effect for other protocols"));
                true
            }
            _ => false,
        },
        Err(problem) => {
            let message = format!("{key} {problem}");
            cx.report(Diagnostic::error("invalid-value", word.span, message).label(word.span, ""));
            true
        }
    }
}

fn apply(to: &mut Worker<'_>, key: &str, text: &str) -> Result<bool, String> {
    let member = &mut *to.member;
    match key {
        "loadfactor" => {
            let factor: f64 = text.parse().map_err(|_| "must be a number between 1..100".to_owned())?;
            if !(1.0..=100.0).contains(&factor) {
                return Err("must be a number between 1..100".to_owned());
            }
            member.factor = (factor * 100.0) as u32;
        }
        "lbset" => member.set = count(text, 99)? as u8,
        "retry" if text.starts_with('-') => return Err("has wrong format".to_owned()),
        "retry" => member.rest = seconds(text).unwrap_or_default(),
        "ttl" => {
            let time = seconds(text)?;
            if time < Duration::from_secs(1) {
                return Err("must be at least one second".to_owned());
            }
            idle(to.idle).timeout = time;
        }
        "min" => count(text, u32::MAX).map(|_| ())?,
        "iobuffersize" | "receivebuffersize" => buffer(text)?,
        "flushpackets" => {
            if !["on", "off", "auto"].contains(&&*text.to_ascii_lowercase()) {
                return Err("must be on|off|auto".to_owned());
            }
        }
        "flushwait" => {
            if !(0..=1000).contains(&atoi(text)) {
                return Err("must be <= 1000, or 0 for system default of 10 millseconds.".to_owned());
            }
        }
        "flusher" => {}
        "ping" => {
            if seconds(text)?.is_zero() {
                return Err("must be at least one millisecond".to_owned());
            }
        }
        "addressttl" => {
            let known = text == "-1" || (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
            if !known {
                return Err("must be -1 or a number of seconds".to_owned());
            }
        }
        "responsefieldsize" => {
            // The limit is one line's; a head has up to a hundred.
            member.settings.buffer_size = Some(u64::from(number(text, 1, u32::MAX >> 8)?) * 16);
        }
        "max" => *to.max = count(text, u32::MAX)?,
        "smax" => idle(to.idle).max = count(text, u32::MAX)?,
        "acquire" => {
            member.acquire = time(text, Duration::from_millis(1)).ok_or("has wrong format")?;
            if member.acquire.is_zero() {
                return Err("must be at least one millisecond".to_owned());
            }
        }
        "timeout" => {
            let time = seconds(text)?;
            if time < Duration::from_secs(1) {
                return Err("must be at least one second".to_owned());
            }
            member.settings.read_timeout = Some(time);
            member.settings.send_timeout = Some(time);
            if member.settings.connect_timeout.is_none() {
                member.settings.connect_timeout = Some(time);
            }
        }
        "connectiontimeout" => {
            let time = seconds(text)?;
            if time.is_zero() {
                return Err("must be at least 1 microsecond".to_owned());
            }
            member.settings.connect_timeout = Some(time);
        }
        "keepalive" => member.settings.tcp_keepalive = Some(on(text)?),
        "disablereuse" => member.reuse = !on(text)?,
        "enablereuse" => member.reuse = on(text)?,
        "route" | "redirect" => {
            if text.len() > 63 {
                return Err("length must be < 64 characters".to_owned());
            }
            let name = if key == "route" { &mut member.route } else { &mut member.redirect };
            *name = Text::from(text);
        }
        "upgrade" => {
            if text.len() > 15 {
                return Err("must be less than 16 characters".to_owned());
            }
            member.settings.upgrade = Some(match text.to_ascii_lowercase().as_str() {
                "any" => Upgrade::Any,
                "none" => Upgrade::Never,
                _ => Upgrade::Only(text.split(',').map(|name| Name::from(name.trim())).collect()),
            });
        }
        "status" => status(member, text)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn idle(idle: &mut Option<IdleConnections>) -> &mut IdleConnections {
    idle.get_or_insert(super::member::IDLE)
}

fn status(member: &mut Member, text: &str) -> Result<(), String> {
    let mut sign = true;
    for letter in text.chars() {
        let state = &mut member.state;
        match letter.to_ascii_uppercase() {
            '+' => sign = true,
            '-' => sign = false,
            'D' => state.disabled = sign,
            'S' => state.stopped = sign,
            'I' => state.faultless = sign,
            'N' => state.draining = sign,
            'E' => state.failed = sign,
            'C' => {}
            'R' => member.duty = if sign { Duty::Spare } else { Duty::Active },
            'H' => member.duty = if sign { Duty::Standby } else { Duty::Active },
            _ => return Err("is unrecognized: letters are D, S, I, N, E, C, R and H".to_owned()),
        }
    }
    Ok(())
}

/// Applies a parameter of a balancer; false when it is none.
pub(super) fn balancer(cx: &mut Cx, group: &mut Group, word: &Word, key: &str, value: &[u8]) -> bool {
    let text = String::from_utf8_lossy(value).into_owned();
    match apply_balancer(group, key, &text) {
        Ok(known) => known,
        Err(problem) => {
            let message = format!("{key} {problem}");
            cx.report(Diagnostic::error("invalid-value", word.span, message).label(word.span, ""));
            true
        }
    }
}

fn apply_balancer(group: &mut Group, key: &str, text: &str) -> Result<bool, String> {
    let sticky = |group: &mut Group| {
        group.sticky.clone().unwrap_or(Sticky {
            cookie: Text::new(),
            param: Text::new(),
            separator: Some(b'.'),
            semicolon: false,
            force: false,
        })
    };
    let mut session = sticky(group);
    match key {
        "stickysession" => {
            if text.len() > 63 {
                return Err("length must be < 64 characters".to_owned());
            }
            let (cookie, param) = text.split_once('|').unwrap_or((text, text));
            (session.cookie, session.param) = (cookie.into(), param.into());
        }
        "stickysessionsep" => {
            session.separator = match text {
                _ if text.eq_ignore_ascii_case("off") => None,
                "" => return Err("separator must be a single character or Off".to_owned()),
                text if text.len() > 1 => {
                    return Err("separator must be a single character or Off".to_owned());
                }
                text => Some(text.as_bytes()[0]),
            };
        }
        "scolonpathdelim" => session.semicolon = on(text)?,
        "nofailover" => session.force = on(text)?,
        "lbmethod" => {
            group.share = match text.to_ascii_lowercase().as_str() {
                "byrequests" => Share::Requests,
                "bytraffic" => Share::Traffic,
                "bybusyness" => Share::Busyness,
                "heartbeat" => {
                    return Err(
                        "heartbeat is not honoured: use byrequests, bytraffic or bybusyness".to_owned()
                    );
                }
                _ => return Err(format!("`{text}` is unknown: use byrequests, bytraffic or bybusyness")),
            };
            return Ok(true);
        }
        "maxattempts" => {
            group.attempts = Some(count(text, u32::MAX)?);
            return Ok(true);
        }
        "timeout" => {
            let time = seconds(text)?;
            if time < Duration::from_secs(1) {
                return Err("must be at least one second".to_owned());
            }
            group.wait = time;
            return Ok(true);
        }
        "failonstatus" => {
            let mut statuses = Vec::new();
            for status in text.split(',').map(str::trim).filter(|status| !status.is_empty()) {
                let status = status.parse::<u16>().ok().filter(|status| (100..1000).contains(status));
                statuses.push(status.ok_or("must be one or more HTTP response codes")?);
            }
            group.failing = statuses;
            return Ok(true);
        }
        "failontimeout" => {
            group.failing_late = on(text)?;
            return Ok(true);
        }
        "forcerecovery" => {
            group.recover = on(text)?;
            return Ok(true);
        }
        "growth" => {
            group.growth = number(text, 1, 100)?;
            return Ok(true);
        }
        "nonce" => {
            group.nonce = Some(if text.eq_ignore_ascii_case("none") { Text::new() } else { text.into() });
            return Ok(true);
        }
        _ => return Ok(false),
    }
    // Without a name there are no sessions, whatever else is said of them.
    group.sticky = Some(session);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        let second = Duration::from_secs(1);
        assert_eq!(time("5", second), Some(5 * second));
        assert_eq!(time("500ms", second), Some(second / 2));
        assert_eq!(time("2min", second), Some(120 * second));
        assert_eq!(time("x", second), None);
        assert_eq!(time("5x", second), None);
    }

    #[test]
    fn states_are_letters() {
        let mut member = Member::plain("http://b", "b", false);
        status(&mut member, "+H-HD+I-D").unwrap();
        assert_eq!((member.duty, member.state.disabled, member.state.faultless), (Duty::Active, false, true));
        assert!(status(&mut member, "x").is_err());
    }
}
