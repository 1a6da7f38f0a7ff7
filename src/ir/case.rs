//! When two characters differ by case alone: one rule for names of files and for what is said of them.
//!
//! One character stands for one: that which the other's upper case is. ASCII keeps to itself (the Kelvin sign is no `k`), and so
//! does what takes another number of bytes, so that what is counted in bytes is the same in each case. NTFS's table is close to
//! that, and so is case without a culture elsewhere; what counts is that who looks for a file and who refuses it agree.

use std::{collections::HashMap, sync::OnceLock};

/// Above it no character has a case.
const LAST: u32 = 0x1_ffff;

/// The character that stands for all that differ from this one by case alone.
pub fn folded(one: char) -> char {
    if one.is_ascii() {
        return one.to_ascii_lowercase();
    }
    let mut upper = one.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(single), None) if single.len_utf8() == one.len_utf8() => single,
        _ => one,
    }
}

/// A text with each of its characters folded.
pub fn fold(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.chars().map(folded).collect() }
}

/// The same of bytes; those that are no text stay as they are.
pub fn fold_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    for part in bytes.utf8_chunks() {
        out.extend(part.valid().chars().map(folded).flat_map(|c| {
            let mut buffer = [0; 4];
            let length = c.encode_utf8(&mut buffer).len();
            buffer.into_iter().take(length)
        }));
        out.extend_from_slice(part.invalid());
    }
}

/// Whether two texts differ by case alone, if at all.
pub fn alike(one: &str, other: &str) -> bool {
    if one.is_ascii() || other.is_ascii() {
        return one.eq_ignore_ascii_case(other);
    }
    one.chars().map(folded).eq(other.chars().map(folded))
}

/// A character that is not ASCII, and those that differ from it by case alone, in their order.
pub fn cases(one: char) -> Vec<char> {
    static OTHERS: OnceLock<HashMap<char, Vec<char>>> = OnceLock::new();
    let others = OTHERS.get_or_init(|| {
        let mut others: HashMap<char, Vec<char>> = HashMap::new();
        for c in (0x80..=LAST).filter_map(char::from_u32) {
            if folded(c) != c {
                others.entry(folded(c)).or_default().push(c);
            }
        }
        others
    });
    let first = folded(one);
    let mut all = vec![first];
    all.extend(others.get(&first).into_iter().flatten());
    all.sort_unstable();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_character_stands_for_one() {
        assert_eq!(fold("\u{dc}BER-stra\u{df}e"), fold("\u{fc}ber-STRA\u{df}E"));
        assert!(alike("\u{3a3}\u{391}", "\u{3c2}\u{3b1}") && alike("\u{416}", "\u{436}"));
        // What only Unicode calls the same letter.
        for (one, other) in
            [("\u{212a}", "k"), ("\u{17f}", "s"), ("\u{131}", "i"), ("\u{df}", "\u{1e9e}"), ("\u{df}", "ss")]
        {
            assert!(!alike(one, other) && fold(one) != fold(other), "{one} {other}");
        }
        let mut out = Vec::new();
        fold_bytes(b"K\xff\xc3\x9c", &mut out);
        assert_eq!(out, b"k\xff\xc3\x9c");
        fold_bytes("\u{fc}".as_bytes(), &mut out);
        assert_eq!(&out[4..], "\u{dc}".as_bytes());
    }

    #[test]
    fn the_cases_of_a_character_are_those_that_fold_alike() {
        assert_eq!(cases('\u{fc}'), ['\u{dc}', '\u{fc}']);
        assert_eq!(cases('\u{3c3}'), ['\u{3a3}', '\u{3c2}', '\u{3c3}']);
        assert_eq!(cases('\u{4e00}'), ['\u{4e00}']);
        for c in (0x80..=0x10_ffff).filter_map(char::from_u32) {
            assert_eq!(folded(folded(c)), folded(c), "{c:?}");
            assert_eq!(folded(c).len_utf8(), c.len_utf8(), "{c:?}");
            assert!(u32::from(c) <= LAST || folded(c) == c, "{c:?}");
        }
    }
}
