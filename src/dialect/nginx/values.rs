//! Values of nginx's directives: flags, numbers, sizes and times.
//!
//! Pure functions from the bytes of a word. Limits, units and their order are
//! those of nginx.
//!
//! Observed: nginx 1.22.1. Reference: <https://nginx.org/en/docs/syntax.html>

use std::time::Duration;

use thiserror::Error;

use crate::catalogue;

/// Why a word is no value of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// Neither `on` nor `off`.
    #[error("it must be `on` or `off`")]
    NotAFlag,
    /// Something else than digits.
    #[error("it must be a number, without sign, point or unit")]
    NotANumber,
    /// No digits, or an unknown unit after them.
    #[error("it must be a number of bytes, or of `k` or `m`")]
    NotASize,
    /// No digits, or an unknown unit after them.
    #[error("it must be a number of bytes, or of `k`, `m` or `g`")]
    NotAnOffset,
    /// No digits, or an unknown unit after them.
    #[error(
        "it must be a time such as `30s`, `5m` or `1h30m`; the units are `ms`, `s`, `m`, `h`, `d` and `w`"
    )]
    NotATime,
    /// No digits, or an unknown unit after them.
    #[error(
        "it must be a time such as `30s`, `5m` or `1h30m`; the units are `s`, `m`, `h`, `d`, `w`, `M` and `y`"
    )]
    NotSeconds,
    /// Units not from the greatest to the least.
    #[error("units go from the greatest to the least, each once: `1h30m`")]
    Order,
    /// More than nginx can count.
    #[error("it is too large")]
    TooLarge,
    /// Zero where there must be something.
    #[error("it must be more than zero")]
    Zero,
}

/// The largest number nginx can hold (`NGX_MAX_INT_T_VALUE`).
const MAX: u64 = i64::MAX as u64;

/// `on` or `off`, in any case.
pub fn flag(word: &[u8]) -> Result<bool, Fault> {
    match word {
        _ if word.eq_ignore_ascii_case(b"on") => Ok(true),
        _ if word.eq_ignore_ascii_case(b"off") => Ok(false),
        _ => Err(Fault::NotAFlag),
    }
}

/// Digits.
pub fn number(word: &[u8]) -> Result<u64, Fault> {
    digits(word, Fault::NotANumber)
}

/// Bytes in memory: digits, and `k` or `m` in any case.
pub fn size(word: &[u8]) -> Result<u64, Fault> {
    bytes(word, b"km", Fault::NotASize)
}

/// Bytes in a file: digits, and `k`, `m` or `g` in any case.
pub fn offset(word: &[u8]) -> Result<u64, Fault> {
    bytes(word, b"kmg", Fault::NotAnOffset)
}

/// A time to the millisecond; a bare number counts seconds.
pub fn time(word: &[u8]) -> Result<Duration, Fault> {
    span(word, MILLISECOND_UNITS, Fault::NotATime).map(Duration::from_millis)
}

/// A time in whole seconds.
pub fn seconds(word: &[u8]) -> Result<Duration, Fault> {
    span(word, SECOND_UNITS, Fault::NotSeconds).map(Duration::from_secs)
}

/// Whether a word is a value of a kind that the catalogue names.
pub fn judge(word: &[u8], expected: catalogue::Value) -> Result<(), Fault> {
    use catalogue::Kind;
    if expected.variables && word.contains(&b'$') {
        return Ok(());
    }
    let amount = match expected.kind {
        Kind::Flag => return flag(word).map(drop),
        Kind::String => return Ok(()),
        Kind::Number => number(word)?,
        Kind::Size => size(word)?,
        Kind::Offset => offset(word)?,
        Kind::Time => return time(word).map(drop),
        Kind::Seconds => return seconds(word).map(drop),
    };
    if expected.positive && amount == 0 {
        return Err(Fault::Zero);
    }
    Ok(())
}

fn digits(word: &[u8], fault: Fault) -> Result<u64, Fault> {
    if word.is_empty() || !word.iter().all(u8::is_ascii_digit) {
        return Err(fault);
    }
    let value = word.iter().try_fold(0u64, |value, digit| {
        value.checked_mul(10)?.checked_add(u64::from(digit - b'0')).filter(|&value| value <= MAX)
    });
    value.ok_or(Fault::TooLarge)
}

fn bytes(word: &[u8], units: &[u8], fault: Fault) -> Result<u64, Fault> {
    let (&last, rest) = word.split_last().ok_or(fault)?;
    let unit = units.iter().position(|&unit| unit == last.to_ascii_lowercase());
    let Some(unit) = unit else { return digits(word, fault) };
    let value = digits(rest, fault)?;
    let scale = 1u64 << (10 * (unit + 1));
    value.checked_mul(scale).filter(|&value| value <= MAX).ok_or(Fault::TooLarge)
}

/// A unit of time: how it is written and what it counts.
type Unit = (&'static [u8], u64);

const SECOND_UNITS: &[Unit] = &[
    (b"y", 365 * 86_400),
    (b"M", 30 * 86_400),
    (b"w", 7 * 86_400),
    (b"d", 86_400),
    (b"h", 3_600),
    (b"m", 60),
    (b"s", 1),
    (b" ", 1),
];

const MILLISECOND_UNITS: &[Unit] = &[
    (b"w", 7 * 86_400_000),
    (b"d", 86_400_000),
    (b"h", 3_600_000),
    (b"m", 60_000),
    (b"s", 1_000),
    (b"ms", 1),
    (b" ", 1_000),
];

/// A sum of amounts with units. A space after a number counts as seconds, and only
/// a number without a unit may follow; spaces after a unit are nothing. A unit
/// without a number counts none of it (`1hm` is an hour), as long as there is one.
fn span(word: &[u8], units: &[Unit], fault: Fault) -> Result<u64, Fault> {
    let mut rest = word;
    let mut total = 0u64;
    let mut step = 0;
    let mut valid = false;
    while !rest.is_empty() {
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (amount, after) = rest.split_at(length);
        let amount = if length == 0 { 0 } else { digits(amount, fault)? };
        valid |= length > 0;
        let scale = if after.is_empty() {
            rest = after;
            bare(units)
        } else {
            let (at, unit, scale) = unit_at(after, units).ok_or(fault)?;
            let limit = if unit == b" " { place(b"s", units) } else { at };
            if step > limit {
                return Err(Fault::Order);
            }
            step = at + 1;
            rest = after.get(unit.len()..).unwrap_or_default();
            let spaces = rest.iter().take_while(|&&byte| byte == b' ').count();
            rest = rest.get(spaces..).unwrap_or_default();
            scale
        };
        total = amount
            .checked_mul(scale)
            .and_then(|amount| total.checked_add(amount))
            .filter(|&total| total <= MAX)
            .ok_or(Fault::TooLarge)?;
    }
    if valid { Ok(total) } else { Err(fault) }
}

/// What a number without a unit counts.
fn bare(units: &[Unit]) -> u64 {
    units.iter().find(|(unit, _)| *unit == b"s").map_or(1, |&(_, scale)| scale)
}

/// Where a unit stands in the order.
fn place(wanted: &[u8], units: &[Unit]) -> usize {
    units.iter().position(|(unit, _)| *unit == wanted).unwrap_or(units.len())
}

/// The unit that a text starts with: its place in the order, its letters, what it counts.
fn unit_at(text: &[u8], units: &[Unit]) -> Option<(usize, &'static [u8], u64)> {
    let length = if text.starts_with(b"ms") { 2 } else { 1 };
    let written = text.get(..length)?;
    let at = place(written, units);
    units.get(at).map(|&(unit, scale)| (at, unit, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Every line was put to nginx 1.22.1 with `-t`.

    #[test]
    fn flags() {
        let table = [
            ("on", Ok(true)),
            ("Off", Ok(false)),
            ("ON", Ok(true)),
            ("yes", Err(Fault::NotAFlag)),
            ("1", Err(Fault::NotAFlag)),
            ("", Err(Fault::NotAFlag)),
        ];
        for (word, expected) in table {
            assert_eq!(flag(word.as_bytes()), expected, "{word}");
        }
    }

    #[test]
    fn numbers() {
        let table = [
            ("1", Ok(1)),
            ("00005", Ok(5)),
            ("9223372036854775807", Ok(MAX)),
            ("9223372036854775808", Err(Fault::TooLarge)),
            ("99999999999999999999", Err(Fault::TooLarge)),
            ("-1", Err(Fault::NotANumber)),
            ("1.5", Err(Fault::NotANumber)),
            ("1k", Err(Fault::NotANumber)),
            ("0x1", Err(Fault::NotANumber)),
            ("", Err(Fault::NotANumber)),
        ];
        for (word, expected) in table {
            assert_eq!(number(word.as_bytes()), expected, "{word}");
        }
    }

    #[test]
    fn sizes_and_offsets() {
        let table = [
            ("1", Ok(1), Ok(1)),
            ("1k", Ok(1024), Ok(1024)),
            ("1K", Ok(1024), Ok(1024)),
            ("1M", Ok(1 << 20), Ok(1 << 20)),
            ("1g", Err(Fault::NotASize), Ok(1 << 30)),
            ("k", Err(Fault::NotASize), Err(Fault::NotAnOffset)),
            ("", Err(Fault::NotASize), Err(Fault::NotAnOffset)),
            ("1 k", Err(Fault::NotASize), Err(Fault::NotAnOffset)),
            ("1kb", Err(Fault::NotASize), Err(Fault::NotAnOffset)),
            ("8796093022207m", Ok(8_796_093_022_207 << 20), Ok(8_796_093_022_207 << 20)),
            ("8796093022208m", Err(Fault::TooLarge), Err(Fault::TooLarge)),
            ("8589934591g", Err(Fault::NotASize), Ok(8_589_934_591 << 30)),
            ("8589934592g", Err(Fault::NotASize), Err(Fault::TooLarge)),
        ];
        for (word, as_size, as_offset) in table {
            assert_eq!((size(word.as_bytes()), offset(word.as_bytes())), (as_size, as_offset), "{word}");
        }
    }

    #[test]
    fn times() {
        let table = [
            ("5", Ok(5_000)),
            ("5ms", Ok(5)),
            ("1h30m", Ok(5_400_000)),
            ("1h 30m", Ok(5_400_000)),
            ("1h30m ", Ok(5_400_000)),
            ("1m  1s", Ok(61_000)),
            ("2w3d4h5m6s7ms", Ok(1_483_506_007)),
            ("1s5", Ok(6_000)),
            ("1m5s5", Ok(70_000)),
            ("7ms5", Ok(5_007)),
            ("1m1ms", Ok(60_001)),
            ("1hm", Ok(3_600_000)),
            ("5 ", Ok(5_000)),
            ("5 5", Ok(10_000)),
            ("5  5", Ok(10_000)),
            ("5ms 5", Ok(5_005)),
            ("1s 5ms", Ok(1_005)),
            ("1sms", Ok(1_000)),
            ("15250284452w", Ok(9_223_372_036_569_600_000)),
            ("9223372036854775", Ok(9_223_372_036_854_775_000)),
            ("9223372036854776", Err(Fault::TooLarge)),
            ("30m1h", Err(Fault::Order)),
            ("1h1h", Err(Fault::Order)),
            ("1s2s", Err(Fault::Order)),
            ("1d1w", Err(Fault::Order)),
            (" 1h", Err(Fault::Order)),
            ("5 5ms", Err(Fault::Order)),
            ("1ms1s", Err(Fault::Order)),
            ("1.5s", Err(Fault::NotATime)),
            ("1M", Err(Fault::NotATime)),
            ("1y", Err(Fault::NotATime)),
            ("1S", Err(Fault::NotATime)),
            ("", Err(Fault::NotATime)),
            ("s", Err(Fault::NotATime)),
        ];
        for (word, expected) in table {
            assert_eq!(time(word.as_bytes()), expected.map(Duration::from_millis), "{word}");
        }
    }

    #[test]
    fn times_in_seconds() {
        let table = [
            ("5", Ok(5)),
            ("1M", Ok(2_592_000)),
            ("1y1M", Ok(34_128_000)),
            ("1M1w", Ok(3_196_800)),
            ("1s5", Ok(6)),
            ("292471208677y", Ok(292_471_208_677 * 31_536_000)),
            ("292471208678y", Err(Fault::TooLarge)),
            ("9223372036854775807", Ok(MAX)),
            ("9223372036854775808", Err(Fault::TooLarge)),
            ("5ms", Err(Fault::NotSeconds)),
            ("1M1y", Err(Fault::Order)),
            ("1w1M", Err(Fault::Order)),
            ("1m1M", Err(Fault::Order)),
            ("", Err(Fault::NotSeconds)),
        ];
        for (word, expected) in table {
            assert_eq!(seconds(word.as_bytes()), expected.map(Duration::from_secs), "{word}");
        }
    }
}
