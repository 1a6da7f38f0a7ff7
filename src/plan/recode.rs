//! Character sets made of each other, compiled: a table for each direction.

use super::hash::Map;
use crate::ir::Recoding;

/// What content in one character set is in another.
#[derive(Debug)]
pub struct Recoder {
    from: Vec<u8>,
    to: Vec<u8>,
    /// How.
    pub table: Recode,
}

/// How bytes become bytes.
#[derive(Debug)]
pub enum Recode {
    /// Each byte is another one.
    Bytes(Box<[u8; 256]>),
    /// Each byte is a character of UTF-8.
    Widen(Box<[Vec<u8>; 256]>),
    /// Each character of UTF-8 beyond ASCII is a byte.
    Narrow(Map<u32, u8>),
}

impl Recoder {
    /// Both directions of a pair.
    pub(super) fn pair(recoding: &Recoding) -> [Self; 2] {
        let Recoding { from, to, pairs } = recoding;
        // What nothing is said of is a question mark, but for ASCII.
        let usual = |byte: u8| if byte < 0x80 { byte } else { b'?' };
        let (there, back) = if to.eq_ignore_ascii_case(b"utf-8") {
            let mut wide: Box<[Vec<u8>; 256]> = Box::new(std::array::from_fn(|byte| vec![usual(byte as u8)]));
            let mut narrow = Map::default();
            for (byte, with) in pairs {
                let letter = std::str::from_utf8(with).ok().and_then(|text| text.chars().next());
                if let Some(letter) = letter {
                    wide[usize::from(*byte)] = with.to_vec();
                    narrow.insert(letter as u32, *byte);
                }
            }
            (Recode::Widen(wide), Recode::Narrow(narrow))
        } else {
            let table = || Box::new(std::array::from_fn::<u8, 256, _>(|byte| usual(byte as u8)));
            let (mut there, mut back) = (table(), table());
            for (byte, with) in pairs {
                if let [with] = **with {
                    (there[usize::from(*byte)], back[usize::from(with)]) = (with, *byte);
                }
            }
            (Recode::Bytes(there), Recode::Bytes(back))
        };
        let (from, to) = (from.to_vec(), to.to_vec());
        [Self { from: from.clone(), to: to.clone(), table: there }, Self { from: to, to: from, table: back }]
    }

    /// One by its table alone.
    #[cfg(test)]
    pub fn of(table: Recode) -> Self {
        Self { from: Vec::new(), to: Vec::new(), table }
    }

    /// Whether it makes one set of another, by their names.
    pub(super) fn is(&self, from: &[u8], to: &[u8]) -> bool {
        self.from.eq_ignore_ascii_case(from) && self.to.eq_ignore_ascii_case(to)
    }

    /// Whether content keeps its length.
    pub fn keeps_length(&self) -> bool {
        matches!(self.table, Recode::Bytes(_))
    }
}
