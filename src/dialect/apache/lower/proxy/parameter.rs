//! `key=value`: parameters of workers and balancers.

use std::time::Duration;

use super::super::Cx;
use crate::{
    diagnostic::{Diagnostic, suggest},
    dialect::apache::tree::Word,
    ir::{Check, Duty, Group, IdleConnections, Member, Name, Share, Sticky, Text, Upgrade},
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

fn on(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("must be On|Off".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
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
        Ok(known) if known => true,
        Ok(_) => match key {
            "secret" => {
                let message = "`secret` belongs to AJP, which is not spoken";
                let help = "use http:// to the same application server";
                cx.refuse(Diagnostic::error("refused", word.span, message).help(help));
                true
            }
            "ping" | "hctemplate" | "hcexpr" | "addressttl" => {
                let message = format!("`{key}` has no effect here");
                cx.warn("not-honoured", word.span, message);
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
        "lbset" => member.set = number(text, 0, 99)? as u8,
        "retry" => member.rest = seconds(text)?,
        "ttl" => idle(to.idle).timeout = seconds(text)?,
        "min" | "iobuffersize" | "receivebuffersize" | "flushpackets" | "flushwait" | "flusher" => {}
        "responsefieldsize" => {
            // The limit is one line's; a head has up to a hundred.
            member.settings.buffer_size = Some(u64::from(number(text, 1, u32::MAX >> 8)?) * 16);
        }
        "max" => *to.max = number(text, 0, u32::MAX)?,
        "smax" => idle(to.idle).max = number(text, 0, u32::MAX)?,
        "acquire" => {
            member.acquire = time(text, Duration::from_millis(1)).ok_or("has wrong format")?;
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
        _ => return check(member, key, text),
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

/// Health checks.
fn check(member: &mut Member, key: &str, text: &str) -> Result<bool, String> {
    if !key.starts_with("hc") || matches!(key, "hctemplate" | "hcexpr") {
        return Ok(false);
    }
    let check = member.check.get_or_insert_with(|| Check {
        method: None,
        modern: false,
        target: Text::new(),
        interval: Duration::from_secs(30),
        passes: 1,
        fails: 1,
        good: None,
        timeout: Duration::ZERO,
        statuses: Vec::new(),
        contains: Text::new(),
    });
    match key {
        "hcmethod" => {
            let upper = text.to_ascii_uppercase();
            let (method, modern) = match upper.as_str() {
                "NONE" => {
                    member.check = None;
                    return Ok(true);
                }
                "TCP" => (None, false),
                "OPTIONS" | "HEAD" | "GET" => (Some(upper.as_str()), false),
                "OPTIONS11" | "HEAD11" | "GET11" => (Some(&upper[..upper.len() - 2]), true),
                _ => {
                    return Err("must be one of: NONE, TCP, OPTIONS, HEAD, GET, and these with 11".to_owned());
                }
            };
            (check.method, check.modern) = (method.map(Text::from), modern);
        }
        "hcuri" => check.target = Text::from(text),
        "hcinterval" => {
            check.interval = seconds(text)?;
            if check.interval < Duration::from_millis(100) {
                return Err("must be at least 100 milliseconds".to_owned());
            }
        }
        "hcpasses" => check.passes = number(text, 0, u32::MAX)?.max(1),
        "hcfails" => check.fails = number(text, 0, u32::MAX)?.max(1),
        _ => return Ok(false),
    }
    Ok(true)
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
            group.attempts = Some(number(text, 0, u32::MAX)?);
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
