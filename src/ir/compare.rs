//! Comparing two values.

use std::cmp::Ordering;

use super::{By, Relation};

impl Relation {
    /// Whether values that compare so stand in it.
    pub fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

impl By {
    /// How two values compare.
    pub fn compare(self, left: &[u8], right: &[u8]) -> Ordering {
        match self {
            Self::Bytes => left.cmp(right),
            Self::Letters => {
                left.iter().map(u8::to_ascii_lowercase).cmp(right.iter().map(u8::to_ascii_lowercase))
            }
            Self::LengthThenBytes => left.len().cmp(&right.len()).then_with(|| left.cmp(right)),
            Self::Integer => integer(left).cmp(&integer(right)),
        }
    }
}

/// The integer that a text begins with, as near as 64 bits come to it.
fn integer(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    let add = |sum: i64, digit: &u8| {
        let digit = i64::from(digit - b'0');
        sum.saturating_mul(10).saturating_add(if negative { -digit } else { digit })
    };
    digits.fold(0, add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared() {
        for (left, right, by, expected) in [
            ("10", "9", By::Bytes, Ordering::Less),
            ("10", "9", By::Integer, Ordering::Greater),
            ("x", "a", By::Integer, Ordering::Equal),
            (" 10x", "10", By::Integer, Ordering::Equal),
            ("-5", "0", By::Integer, Ordering::Less),
            ("99999999999999999999", "1", By::Integer, Ordering::Greater),
            ("-99999999999999999999", "1", By::Integer, Ordering::Less),
            ("aaa", "m", By::LengthThenBytes, Ordering::Greater),
            ("b", "a", By::LengthThenBytes, Ordering::Greater),
            ("A", "a", By::Letters, Ordering::Equal),
        ] {
            assert_eq!(by.compare(left.as_bytes(), right.as_bytes()), expected, "{left} {right} {by:?}");
        }
    }
}
