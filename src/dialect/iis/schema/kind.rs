//! The types of attributes, and whether a value is one.

use std::time::Duration;

/// What a value may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`, whatever the case.
    Bool,
    /// A whole number within these limits.
    Number(i64, i64),
    /// `[d.]hh:mm:ss`, in seconds within these limits.
    Time(u64, u64),
    /// One of these names, whatever the case, each with the number it stands for where it has one.
    Enum(Vec<(String, Option<u16>)>),
    /// Several of these names with commas between them, whatever the case.
    Flags(Vec<String>),
    /// Any text.
    Text,
    /// Any text, in which `%VARIABLES%` are replaced.
    Path,
}

/// Why a value is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Neither `true` nor `false`.
    #[error("expected `true` or `false`")]
    Bool,
    /// Not a number.
    #[error("expected a whole number")]
    Number,
    /// A number out of bounds.
    #[error("expected a number from {0} to {1}")]
    Range(i64, i64),
    /// Not a span of time.
    #[error("expected a span of time, `hh:mm:ss` or `days.hh:mm:ss`")]
    Time,
    /// A span of time out of bounds.
    #[error("expected a span of time from {0} to {1} seconds")]
    TimeRange(u64, u64),
    /// None of these.
    #[error("expected {}", .0.join(", "))]
    Names(Vec<String>),
}

impl Kind {
    /// Reads a type of the schema.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let (name, inside) = match text.split_once('(') {
            Some((name, rest)) => (name, Some(rest.strip_suffix(')').ok_or("no `)`")?)),
            None => (text, None),
        };
        let bounds = |low: i64, high: i64| -> Result<(i64, i64), String> {
            let Some(inside) = inside else { return Ok((low, high)) };
            let (low, high) = inside.split_once("..").ok_or("bounds are a..b")?;
            let number = |text: &str| text.parse().map_err(|_| format!("`{text}` is no number"));
            Ok((number(low)?, number(high)?))
        };
        let names =
            || -> Result<Vec<&str>, String> { Ok(inside.ok_or("names are missing")?.split('|').collect()) };
        Ok(match name {
            "bool" => Self::Bool,
            "uint" => bounds(0, i64::from(u32::MAX)).map(|(low, high)| Self::Number(low, high))?,
            "int" => {
                bounds(i64::from(i32::MIN), i64::from(i32::MAX)).map(|(low, high)| Self::Number(low, high))?
            }
            "int64" => bounds(i64::MIN, i64::MAX).map(|(low, high)| Self::Number(low, high))?,
            "timeSpan" => {
                bounds(0, i64::MAX).map(|(low, high)| Self::Time(low.unsigned_abs(), high.unsigned_abs()))?
            }
            "enum" => {
                let number = |name: &str| match name.split_once('=') {
                    Some((name, number)) => {
                        let number = number.parse().map_err(|_| format!("`{number}` is no number"))?;
                        Ok((name.to_owned(), Some(number)))
                    }
                    None => Ok((name.to_owned(), None)),
                };
                Self::Enum(names()?.into_iter().map(number).collect::<Result<_, String>>()?)
            }
            "flags" => Self::Flags(names()?.into_iter().map(str::to_owned).collect()),
            "string" => Self::Text,
            "path" => Self::Path,
            other => return Err(format!("`{other}` is no type")),
        })
    }

    /// Whether a value is one of these.
    pub fn check(&self, value: &str) -> Result<(), Wrong> {
        match self {
            Self::Bool => boolean(value).map(drop).ok_or(Wrong::Bool),
            Self::Number(low, high) => {
                let number: i64 = value.parse().map_err(|_| Wrong::Number)?;
                (*low..=*high).contains(&number).then_some(()).ok_or(Wrong::Range(*low, *high))
            }
            Self::Time(low, high) => {
                let time = time(value).ok_or(Wrong::Time)?.as_secs();
                (*low..=*high).contains(&time).then_some(()).ok_or(Wrong::TimeRange(*low, *high))
            }
            Self::Enum(names) => {
                // The number that a name stands for is as good as the name.
                let is = |(name, number): &(String, Option<u16>)| {
                    name.eq_ignore_ascii_case(value)
                        || number.is_some_and(|number| value == number.to_string())
                };
                let all = || Wrong::Names(names.iter().map(|(name, _)| name.clone()).collect());
                names.iter().any(is).then_some(()).ok_or_else(all)
            }
            Self::Flags(names) => {
                let known = |flag: &str| names.iter().any(|name| name.eq_ignore_ascii_case(flag.trim()));
                value.split(',').all(known).then_some(()).ok_or_else(|| Wrong::Names(names.clone()))
            }
            Self::Text | Self::Path => Ok(()),
        }
    }

    /// The names it may be, for suggestions.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Bool => vec!["true", "false"],
            Self::Enum(names) => names.iter().map(|(name, _)| name.as_str()).collect(),
            Self::Flags(names) => names.iter().map(String::as_str).collect(),
            Self::Number(..) | Self::Time(..) | Self::Text | Self::Path => Vec::new(),
        }
    }
}

/// `true` or `false`, whatever the case.
pub fn boolean(value: &str) -> Option<bool> {
    match value {
        _ if value.eq_ignore_ascii_case("true") => Some(true),
        _ if value.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// `[d.]hh:mm:ss`
pub fn time(value: &str) -> Option<Duration> {
    let (days, clock) = match value.split_once('.') {
        Some((days, clock)) => (digits(days)?, clock),
        None => (0, value),
    };
    let mut parts = clock.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    let (hours, minutes, seconds) = (digits(hours)?, digits(minutes)?, digits(seconds)?);
    if parts.next().is_some() || hours > 23 || minutes > 59 || seconds > 59 || days > 10_675_199 {
        return None;
    }
    Some(Duration::from_secs(((days * 24 + hours) * 60 + minutes) * 60 + seconds))
}

fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.len() <= 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_of_their_type_or_not() {
        let table: &[(&str, &str, bool)] = &[
            ("bool", "True", true),
            ("bool", "1", false),
            ("uint", "4294967295", true),
            ("uint", "-1", false),
            ("uint", "4294967296", false),
            ("uint(0..100)", "101", false),
            ("int(-1..999)", "-1", true),
            ("uint", " 1", false),
            ("timeSpan", "00:02:00", true),
            ("timeSpan", "1.00:00:00", true),
            ("timeSpan", "24:00:00", false),
            ("timeSpan", "120", false),
            ("timeSpan(0..60)", "00:01:01", false),
            ("enum(A|B=3)", "b", true),
            ("enum(A|B=3)", "3", true),
            ("enum(A|B=3)", "c", false),
            ("enum(A|B=3)", "", false),
            ("flags(A|B)", "a, B", true),
            ("flags(A|B)", "A,,B", false),
            ("string", "", true),
        ];
        for (kind, value, good) in table {
            assert_eq!(Kind::read(kind).unwrap().check(value).is_ok(), *good, "{kind} {value}");
        }
    }

    #[test]
    fn spans_of_time_are_seconds() {
        assert_eq!(time("1.02:03:04"), Some(Duration::from_secs(93784)));
        for bad in [
            "",
            "1",
            "1:2",
            "1:2:3:4",
            "x:00:00",
            "-1:00:00",
            "00:60:00",
            "999999999.00:00:00",
            "1..00:00:00",
        ] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }
}
