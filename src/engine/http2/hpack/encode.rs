//! Header compression, as the writer of blocks (RFC 7541 § 6).
//!
//! What says the same in response after response goes into the table the
//! second time that it is seen, so that values which never come back do not
//! push out those that do. Which entries the peer still has follows from how
//! many bytes were put in after them, so nothing has to be kept of those that
//! are gone.

use super::{OVERHEAD, STATIC, TABLE, huffman};

/// Names whose last value is remembered.
const REMEMBERED: usize = 32;

/// The longest value that is remembered, bytes.
const LONGEST: usize = 256;

/// The table of a connection's writer.
#[derive(Debug)]
pub(in super::super) struct Encoder {
    slots: Vec<Slot>,
    /// Entries put in so far, and what they count.
    entries: u64,
    bytes: u64,
    /// Entries that began before are gone, whatever the sizes say.
    floor: u64,
    size: usize,
    /// The smallest size since the last block, where the size was changed (RFC 7541 § 4.2).
    changed: Option<usize>,
}

/// A name, and the value that it had last.
#[derive(Clone, Debug, Default)]
struct Slot {
    name: Vec<u8>,
    value: Vec<u8>,
    /// Its place in the static table; 0 for none.
    fixed: u8,
    /// Whether there was a value, and it is this one.
    seen: bool,
    /// Which entry has the name, and what had been put in before.
    entry: Option<(u64, u64)>,
    /// Whether that entry has this value, too.
    whole: bool,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { slots: Vec::new(), entries: 0, bytes: 0, floor: 0, size: TABLE, changed: None }
    }
}

impl Encoder {
    /// Follows what the peer allows (`SETTINGS_HEADER_TABLE_SIZE`).
    pub(in super::super) fn resize(&mut self, allowed: usize) {
        let size = allowed.min(TABLE);
        if size == self.size && self.changed.is_none() {
            return;
        }
        self.changed = Some(self.changed.unwrap_or(size).min(size));
        self.size = size;
        self.floor = self.bytes;
    }

    /// Begins a block.
    pub(in super::super) fn begin(&mut self, out: &mut Vec<u8>) {
        if let Some(least) = self.changed.take() {
            if least < self.size {
                integer(least, 5, 0x20, out);
            }
            integer(self.size, 5, 0x20, out);
        }
    }

    /// Writes the status of a response.
    pub(in super::super) fn status(&mut self, status: u16, out: &mut Vec<u8>) {
        let index = match status {
            200 => 8,
            204 => 9,
            206 => 10,
            304 => 11,
            400 => 12,
            404 => 13,
            500 => 14,
            _ => {
                let digits = [status / 100, status / 10 % 10, status % 10].map(|digit| b'0' + digit as u8);
                self.field(b":status", &digits, out);
                return;
            }
        };
        out.push(0x80 | index);
    }

    /// Writes a field; the name goes out in lower case.
    pub(in super::super) fn field(&mut self, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        if self.slots.is_empty() {
            self.slots.resize(REMEMBERED, Slot::default());
        }
        let slot = &mut self.slots[place(name)];
        if !slot.name.eq_ignore_ascii_case(name) {
            slot.name.clear();
            slot.name.extend(name.iter().map(u8::to_ascii_lowercase));
            slot.fixed = fixed(&slot.name);
            (slot.seen, slot.entry) = (false, None);
        }
        let (bytes, floor, size) = (self.bytes, self.floor, self.size as u64);
        let lives = |&(_, began): &(u64, u64)| began >= floor && bytes - began <= size;
        let entry = slot.entry.filter(lives).map(|(at, _)| STATIC.len() + (self.entries - at) as usize);
        if slot.seen && slot.value == value {
            if let Some(index) = entry.filter(|_| slot.whole) {
                integer(index, 7, 0x80, out);
                return;
            }
            let counts = name.len() + value.len() + OVERHEAD;
            if counts <= self.size / 4 {
                literal(slot, usize::from(slot.fixed), (6, 0x40), value, out);
                (slot.entry, slot.whole) = (Some((self.entries, self.bytes)), true);
                self.entries += 1;
                self.bytes += counts as u64;
                return;
            }
        }
        // What is secret is not to be guessed by what compresses well (RFC 7541 § 7.1.3).
        let secret = slot.name == b"set-cookie";
        let known = match (slot.fixed, entry) {
            (0, Some(index)) => index,
            (fixed, _) => usize::from(fixed),
        };
        literal(slot, known, (4, if secret { 0x10 } else { 0 }), value, out);
        slot.value.clear();
        // The entry of another value has the name all the same.
        slot.whole = false;
        slot.seen = !secret && value.len() <= LONGEST;
        if slot.seen {
            slot.value.extend_from_slice(value);
        }
    }
}

/// A field as a literal: its name by an index, or itself where that is 0.
fn literal(slot: &Slot, index: usize, (prefix, kind): (u32, u8), value: &[u8], out: &mut Vec<u8>) {
    integer(index, prefix, kind, out);
    if index == 0 {
        string(&slot.name, out);
    }
    string(value, out);
}

/// The slot of a name, without regard to case.
fn place(name: &[u8]) -> usize {
    let hash = name
        .iter()
        .fold(name.len() as u32, |hash, &byte| (hash ^ u32::from(byte | 0x20)).wrapping_mul(0x0100_0193));
    (hash >> 16 ^ hash) as usize % REMEMBERED
}

/// Where the static table has a name; 0 when it has not.
fn fixed(name: &[u8]) -> u8 {
    STATIC.iter().position(|(known, _)| known.as_bytes() == name).map_or(0, |at| at as u8 + 1)
}

/// An integer with a prefix of so many bits, below the bits of `kind` (RFC 7541 § 5.1).
fn integer(value: usize, prefix: u32, kind: u8, out: &mut Vec<u8>) {
    let most = (1usize << prefix) - 1;
    if value < most {
        out.push(kind | value as u8);
        return;
    }
    out.push(kind | most as u8);
    let mut rest = value - most;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// A string, in the code where that is shorter (RFC 7541 § 5.2).
fn string(text: &[u8], out: &mut Vec<u8>) {
    let coded = huffman::length(text);
    if coded < text.len() {
        integer(coded, 7, 0x80, out);
        huffman::encode(text, out);
    } else {
        integer(text.len(), 7, 0, out);
        out.extend_from_slice(text);
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Block, Decoder},
        *,
    };

    /// Decodes what was written, which has to be what was meant; how long it was.
    fn sent(encoder: &mut Encoder, decoder: &mut Decoder, status: u16, fields: &[(&str, &str)]) -> usize {
        let mut out = Vec::new();
        encoder.begin(&mut out);
        encoder.status(status, &mut out);
        for (name, value) in fields {
            encoder.field(name.as_bytes(), value.as_bytes(), &mut out);
        }
        let mut block = Block::default();
        decoder.decode(&out, 1 << 20, &mut block).unwrap();
        let mut read = block.iter().map(|(name, value)| {
            (String::from_utf8(name.to_vec()).unwrap(), String::from_utf8(value.to_vec()).unwrap())
        });
        assert_eq!(read.next(), Some((":status".to_owned(), status.to_string())));
        for (name, value) in fields {
            assert_eq!(read.next(), Some((name.to_ascii_lowercase(), (*value).to_owned())));
        }
        assert_eq!(read.next(), None);
        out.len()
    }

    #[test]
    fn what_comes_again_is_one_byte() {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        let fields = [("Server", "proxy"), ("Date", "Mon, 21 Oct 2013 20:13:21 GMT"), ("X-Own", "1")];
        sent(&mut encoder, &mut decoder, 200, &fields);
        sent(&mut encoder, &mut decoder, 200, &fields);
        assert_eq!(sent(&mut encoder, &mut decoder, 200, &fields), 4);
        // Another value, and back.
        let other = [("Server", "proxy"), ("Date", "Mon, 21 Oct 2013 20:13:22 GMT"), ("X-Own", "2")];
        sent(&mut encoder, &mut decoder, 302, &other);
        sent(&mut encoder, &mut decoder, 302, &fields);
        sent(&mut encoder, &mut decoder, 302, &fields);
        assert_eq!(sent(&mut encoder, &mut decoder, 302, &fields), 4);
    }

    #[test]
    fn secrets_are_never_put_in() {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        for _ in 0..4 {
            assert!(sent(&mut encoder, &mut decoder, 200, &[("Set-Cookie", "a=0123456789")]) > 10);
        }
        assert_eq!(encoder.entries, 0);
    }

    /// Thousands of responses of all sizes of table: what is written is always what is read.
    #[test]
    fn both_tables_stay_the_same() {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        let mut seed = 1u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % below
        };
        for _ in 0..20_000 {
            if random(50) == 0 {
                for _ in 0..=random(2) {
                    encoder.resize([0, 40, 100, 300, 1000, 4096, 70_000][random(7) as usize]);
                }
            }
            let fields: Vec<(String, String)> = (0..random(12))
                .map(|_| {
                    let name = match random(3) {
                        0 => STATIC[random(61) as usize].0.to_owned(),
                        1 => format!("X-{}", random(60)),
                        _ => format!("x-{}", random(4)),
                    };
                    (name, "v".repeat(random(4) as usize * random(40) as usize))
                })
                .collect();
            let fields: Vec<(&str, &str)> =
                fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            sent(&mut encoder, &mut decoder, [200, 302, 404, 503][random(4) as usize], &fields);
        }
        assert!(encoder.entries > 1000);
    }
}
