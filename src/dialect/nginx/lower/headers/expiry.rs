//! The argument of `expires`.
//!
//! Reference: <https://nginx.org/r/expires>; which value is refused with which reason: nginx 1.22.1, observed.

use super::super::{
    super::{
        tree::{Directive, Word},
        values,
    },
    Cx, template,
};
use crate::{diagnostic::Diagnostic, ir::Expiry};

const DAY: u64 = 24 * 60 * 60;

/// `[modified] time|@time|epoch|max|off|$variable`; `None` after a report.
pub(super) fn expiry(cx: &mut Cx, directive: &Directive) -> Option<Expiry> {
    let (word, modified) = match directive.args.as_slice() {
        [word] => (word, false),
        [modified, word] if modified.is("modified") => (word, true),
        [first, _] => {
            error(cx, first, "expected `modified` or nothing before the time");
            return None;
        }
        _ => return None,
    };
    if word.value.contains(&b'$') {
        let value = template(cx, word);
        return Some(if modified { Expiry::ReadFromModified(value) } else { Expiry::Read(value) });
    }
    match parse(&word.value, modified) {
        Ok(expiry) => Some(expiry),
        Err(why) => {
            error(cx, word, why);
            None
        }
    }
}

fn error(cx: &mut Cx, word: &Word, why: &str) {
    let message = format!("invalid value `{}` in `expires`", word.text());
    cx.report(Diagnostic::error("invalid-value", word.span, message).because(why));
}

fn parse(value: &[u8], modified: bool) -> Result<Expiry, &'static str> {
    match value {
        b"epoch" | b"max" | b"off" if modified => return Err("`modified` needs a time"),
        b"epoch" => return Ok(Expiry::Epoch),
        b"max" => return Ok(Expiry::Max),
        b"off" => return Ok(Expiry::Off),
        [b'@', ..] if modified => return Err("a time of day cannot go with `modified`"),
        _ => {}
    }
    if let [b'@', time @ ..] = value {
        let time = seconds(time)?;
        return match u32::try_from(time) {
            Ok(time) if u64::from(time) <= DAY => Ok(Expiry::Daily(time)),
            _ => Err("a time of day is at most 24 hours"),
        };
    }
    let (minus, time) = match value {
        [b'-', time @ ..] => (true, time),
        [b'+', time @ ..] | time => (false, time),
    };
    let time = i64::try_from(seconds(time)?).map_err(|_| "it is too large")?;
    let time = if minus { -time } else { time };
    // Zero is now, even after `modified`. Observed: nginx 1.22.1.
    Ok(if modified && time != 0 { Expiry::FromModified(time) } else { Expiry::FromNow(time) })
}

fn seconds(time: &[u8]) -> Result<u64, &'static str> {
    values::seconds(time)
        .map(|time| time.as_secs())
        .map_err(|_| "expected a time such as `1h`, `-1`, `@15h30m`, or `epoch`, `max`, `off`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (text, modified, expected) in [
            ("0", false, Some(Expiry::FromNow(0))),
            ("1h30m", false, Some(Expiry::FromNow(5400))),
            ("+1h", false, Some(Expiry::FromNow(3600))),
            ("-1", false, Some(Expiry::FromNow(-1))),
            ("-1h", true, Some(Expiry::FromModified(-3600))),
            ("1y", true, Some(Expiry::FromModified(31_536_000))),
            ("@15h30m", false, Some(Expiry::Daily(55_800))),
            ("epoch", false, Some(Expiry::Epoch)),
            ("max", false, Some(Expiry::Max)),
            ("off", false, Some(Expiry::Off)),
            ("@24h", false, Some(Expiry::Daily(86_400))),
            ("-0", false, Some(Expiry::FromNow(0))),
            ("0", true, Some(Expiry::FromNow(0))),
            ("@25h", false, None),
            ("@-1h", false, None),
            ("@1h", true, None),
            ("epoch", true, None),
            ("max", true, None),
            ("1ms", false, None),
            ("", false, None),
            ("-", false, None),
            ("foo", false, None),
        ] {
            assert_eq!(parse(text.as_bytes(), modified).ok(), expected, "{text}");
        }
    }
}
