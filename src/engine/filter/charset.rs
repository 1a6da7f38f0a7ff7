//! Character sets: content that is not UTF-8 is made UTF-8 before it is edited, and what it was afterwards.
//!
//! UTF-16 and the sets of one byte are read so; of others the edits see the bytes, in which ASCII is ASCII. What cannot
//! be read comes out as it went in; what the set has no character for is written as a reference (`&#8364;`), as browsers
//! send it. Reference: <https://encoding.spec.whatwg.org/#names-and-labels>.

use std::collections::HashMap;

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};

/// Bytes that stand for nothing are read as characters of private use from this one on.
const UNREAD: u32 = 0x10_f700;

/// Lone surrogates are read as characters of private use from this one on.
const LONE: u32 = 0x10_e000;

/// A character set that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    /// Two bytes or four; the flag is for the high byte first.
    Wide(bool),
    /// One byte.
    Single(&'static Encoding),
}

/// The set that a type of content names, where it is one that has to be read.
pub(super) fn named(kind: &[u8]) -> Option<Set> {
    let at = kind.to_ascii_lowercase().windows(8).position(|text| text == b"charset=")?;
    let label = kind[at + 8..].split(|byte| *byte == b';').next()?;
    let label = label.trim_ascii();
    let label = label.strip_prefix(b"\"").map_or(label, |open| open.strip_suffix(b"\"").unwrap_or(open));
    let encoding = Encoding::for_label(label)?;
    if encoding == UTF_16LE || encoding == UTF_16BE {
        return Some(Set::Wide(encoding == UTF_16BE));
    }
    (encoding.is_single_byte() && encoding.is_ascii_compatible()).then_some(Set::Single(encoding))
}

/// Reads a set.
#[derive(Debug)]
pub struct Reader {
    set: Set,
    table: Vec<char>,
    held: Vec<u8>,
}

/// Writes a set.
#[derive(Debug)]
pub struct Writer {
    set: Set,
    bytes: HashMap<char, u8>,
    held: Vec<u8>,
}

/// The two of a set.
pub(super) fn pair(set: Set) -> (Reader, Writer) {
    let table: Vec<char> = match set {
        Set::Wide(_) => Vec::new(),
        Set::Single(encoding) => (0..=255u8).map(|byte| read(encoding, byte)).collect(),
    };
    let bytes = (0..=255u8).zip(&table).map(|(byte, letter)| (*letter, byte)).collect();
    (Reader { set, table, held: Vec::new() }, Writer { set, bytes, held: Vec::new() })
}

fn read(encoding: &'static Encoding, byte: u8) -> char {
    let of_none = || char::from_u32(UNREAD + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER);
    let text = [byte];
    match encoding.decode_without_bom_handling_and_without_replacement(&text) {
        Some(text) => text.chars().next().unwrap_or_else(of_none),
        None => of_none(),
    }
}

impl Reader {
    /// Takes content.
    pub fn push(&mut self, data: &[u8], out: &mut Vec<u8>) {
        let Set::Wide(high_first) = self.set else {
            let mut letter = [0; 4];
            for byte in data {
                out.extend_from_slice(self.table[usize::from(*byte)].encode_utf8(&mut letter).as_bytes());
            }
            return;
        };
        self.held.extend_from_slice(data);
        let whole = self.held.len() / 2 * 2;
        let units = units(&self.held[..whole], high_first);
        // The half of a pair waits for the other.
        let half = units.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit));
        let used = units.len() - usize::from(half);
        write_units(&units[..used], out);
        self.held.drain(..used * 2);
    }

    /// Ends the content.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let held = std::mem::take(&mut self.held);
        let Set::Wide(high_first) = self.set else { return };
        write_units(&units(&held[..held.len() / 2 * 2], high_first), out);
        if let [byte] = held[held.len() / 2 * 2..] {
            put(UNREAD + u32::from(byte), out);
        }
    }
}

fn units(data: &[u8], high_first: bool) -> Vec<u16> {
    let (pairs, _) = data.as_chunks::<2>();
    let unit =
        |pair: &[u8; 2]| if high_first { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) };
    pairs.iter().map(unit).collect()
}

fn write_units(units: &[u16], out: &mut Vec<u8>) {
    for letter in char::decode_utf16(units.iter().copied()) {
        match letter {
            Ok(letter) => put(letter as u32, out),
            Err(lone) => put(LONE + (u32::from(lone.unpaired_surrogate()) - 0xd800), out),
        }
    }
}

fn put(number: u32, out: &mut Vec<u8>) {
    let letter = char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
}

impl Writer {
    /// Takes content.
    pub fn push(&mut self, data: &[u8], out: &mut Vec<u8>) {
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(data);
        let mut at = 0;
        while at < held.len() {
            match std::str::from_utf8(&held[at..]) {
                Ok(text) => {
                    self.text(text, out);
                    at = held.len();
                }
                Err(fault) => {
                    let end = at + fault.valid_up_to();
                    if let Ok(text) = std::str::from_utf8(&held[at..end]) {
                        self.text(text, out);
                    }
                    at = end;
                    // Cut off, or bytes that an edit put in.
                    let Some(length) = fault.error_len() else { break };
                    self.text("\u{fffd}", out);
                    at += length;
                }
            }
        }
        held.drain(..at);
        self.held = held;
    }

    /// Ends the content.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if !std::mem::take(&mut self.held).is_empty() {
            self.text("\u{fffd}", out);
        }
    }

    fn text(&self, text: &str, out: &mut Vec<u8>) {
        for letter in text.chars() {
            let number = letter as u32;
            match self.set {
                Set::Single(_) => match self.bytes.get(&letter) {
                    Some(byte) => out.push(*byte),
                    None => out.extend_from_slice(format!("&#{number};").as_bytes()),
                },
                Set::Wide(_) if (UNREAD..UNREAD + 256).contains(&number) => out.push((number - UNREAD) as u8),
                Set::Wide(high_first) => {
                    let mut pair = [0; 2];
                    let lone = [(number.wrapping_sub(LONE).wrapping_add(0xd800)) as u16];
                    let is_lone = (LONE..LONE + 0x800).contains(&number);
                    for unit in if is_lone { &lone[..] } else { &*letter.encode_utf16(&mut pair) } {
                        let bytes = if high_first { unit.to_be_bytes() } else { unit.to_le_bytes() };
                        out.extend_from_slice(&bytes);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(set: Set, data: &[u8], step: usize) -> (Vec<u8>, Vec<u8>) {
        let (mut reader, mut writer) = pair(set);
        let (mut between, mut out) = (Vec::new(), Vec::new());
        for piece in data.chunks(step) {
            let mut some = Vec::new();
            reader.push(piece, &mut some);
            writer.push(&some, &mut out);
            between.extend_from_slice(&some);
        }
        let mut some = Vec::new();
        reader.finish(&mut some);
        between.extend_from_slice(&some);
        writer.push(&some, &mut out);
        writer.finish(&mut out);
        (between, out)
    }

    #[test]
    fn what_is_read_is_written_again() {
        let all: Vec<u8> = (0..=255).collect();
        for label in ["iso-8859-1", "windows-1253", "koi8-r", "iso-8859-8"] {
            let kind = format!("text/html; Charset=\"{label}\"");
            let set = named(kind.as_bytes()).unwrap();
            assert_eq!(through(set, &all, 7).1, all, "{label}");
        }
        let mut wide = Vec::new();
        for unit in "<a>\u{20ac}\u{1f600}".encode_utf16().chain([0xd800, 0x41, 0xdc00]) {
            wide.extend_from_slice(&unit.to_le_bytes());
        }
        wide.push(7);
        for step in 1..wide.len() {
            let (between, out) = through(named(b"text/html;charset=utf-16").unwrap(), &wide, step);
            assert!(between.starts_with("<a>\u{20ac}\u{1f600}".as_bytes()));
            assert_eq!(out, wide, "{step}");
        }
        assert_eq!(named(b"text/html; charset=utf-8"), None);
        assert_eq!(named(b"text/html; charset=shift_jis"), None);
        assert_eq!(named(b"text/html"), None);
    }

    #[test]
    fn what_a_set_has_not_is_a_reference() {
        let (_, mut writer) = pair(named(b"a/b;charset=latin1").unwrap());
        let mut out = Vec::new();
        writer.push("\u{e9}\u{3b1}".as_bytes(), &mut out);
        assert_eq!(out, b"\xe9&#945;");
    }
}
