//! Content in one character set becomes content in another.

use std::sync::Arc;

use crate::plan::{Recode as Table, Recoder};

/// Recodes content.
#[derive(Debug)]
pub struct Recode {
    recoder: Arc<Recoder>,
    /// The begin of a character that has not come whole.
    held: Vec<u8>,
}

impl Recode {
    /// Recodes as a table says.
    pub fn new(recoder: Arc<Recoder>) -> Self {
        Self { recoder, held: Vec::new() }
    }

    /// Takes content.
    pub fn push(&mut self, data: &[u8], out: &mut Vec<u8>) {
        match &self.recoder.table {
            Table::Bytes(table) => out.extend(data.iter().map(|byte| table[usize::from(*byte)])),
            Table::Widen(table) => {
                for byte in data {
                    out.extend_from_slice(&table[usize::from(*byte)]);
                }
            }
            Table::Narrow(table) => {
                let mut rest = data;
                // At most three bytes wait for the end of their character.
                while !self.held.is_empty() && !rest.is_empty() {
                    self.held.push(rest[0]);
                    rest = &rest[1..];
                    let (letter, _) = letter(&self.held);
                    if letter != Letter::Partial {
                        self.held.clear();
                        put(letter, table, out);
                    }
                }
                while let Some(first) = rest.first() {
                    if *first < 0x80 {
                        let ascii = rest.iter().take_while(|byte| **byte < 0x80).count();
                        out.extend_from_slice(&rest[..ascii]);
                        rest = &rest[ascii..];
                        continue;
                    }
                    let (letter, length) = letter(rest);
                    if letter == Letter::Partial {
                        self.held.extend_from_slice(rest);
                        return;
                    }
                    put(letter, table, out);
                    rest = &rest[length..];
                }
            }
        }
    }
}

/// What stands at the begin of a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Letter {
    Of(u32),
    Broken,
    Partial,
}

fn put(letter: Letter, table: &crate::plan::hash::Map<u32, u8>, out: &mut Vec<u8>) {
    match letter {
        Letter::Of(number) => match table.get(&number) {
            Some(byte) => out.push(*byte),
            None => out.extend_from_slice(format!("&#{number};").as_bytes()),
        },
        Letter::Broken => out.push(b'?'),
        Letter::Partial => {}
    }
}

/// The first character of some bytes, and how many it takes. A broken one takes those up to the byte that cannot be part
/// of it, this included (observed: nginx 1.22.1).
fn letter(bytes: &[u8]) -> (Letter, usize) {
    let Some(&first) = bytes.first() else { return (Letter::Partial, 0) };
    let (mut value, least, more) = match first {
        0x80..0xc2 => return (Letter::Broken, 1),
        0xf0.. => (u32::from(first & 7), 0xffff, 3),
        0xe0.. => (u32::from(first & 15), 0x7ff, 2),
        0xc2.. => (u32::from(first & 31), 0x7f, 1),
        _ => return (Letter::Of(u32::from(first)), 1),
    };
    for at in 1..=more {
        let Some(&byte) = bytes.get(at) else { return (Letter::Partial, 0) };
        if byte < 0x80 {
            return (Letter::Broken, at + 1);
        }
        value = value << 6 | u32::from(byte & 63);
    }
    let valid = value > least && value <= 0x10_ffff;
    (if valid { Letter::Of(value) } else { Letter::Broken }, more + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_may_come_in_pieces() {
        let text = "\u{41f}a\u{20ac}\u{1f600} \u{44b}".as_bytes();
        for step in 1..text.len() {
            let mut table = crate::plan::hash::Map::default();
            table.insert(0x41f, 0xf0);
            let recoder = Recoder::of(Table::Narrow(table));
            let (mut recode, mut out) = (Recode::new(Arc::new(recoder)), Vec::new());
            for piece in text.chunks(step) {
                recode.push(piece, &mut out);
            }
            assert_eq!(out, b"\xf0a&#8364;&#128512; &#1099;", "{step}");
        }
    }
}
