//! Header compression, as the reader of blocks (RFC 7541). `encode` is the writer, `huffman` the code of both.
//!
//! A block is decoded into one piece of text with ranges over it. Memory and
//! work are bounded: a list that is longer than allowed is not kept, only
//! counted, as the table has to follow it all the same; one that is far
//! longer is a fault.

use std::collections::VecDeque;

use super::super::http1::field::Slice;

pub(super) mod encode;
mod huffman;

/// The size of the table that a peer may use of us, bytes as the standard counts them (RFC 7541 § 4.1).
pub(super) const TABLE: usize = 4096;

/// What an entry counts beside its bytes.
const OVERHEAD: usize = 32;

/// How many times the length that is allowed a list may have before it is a fault.
const PATIENCE: usize = 8;

/// The static table (RFC 7541 appendix A).
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// A block that cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Invalid {
    /// It is no block.
    Malformed,
    /// It is far too long.
    TooLong,
}

/// Fields as they were decoded.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// Their names and values.
    pub(super) text: Vec<u8>,
    /// Where in the text they are: a name, a value.
    pub(super) fields: Vec<(Slice, Slice)>,
    /// Whether there were more than allowed, which are not here.
    pub(super) overflowed: bool,
    /// Bytes so far as the standard counts them (RFC 9113 § 6.5.2).
    size: usize,
}

impl Block {
    /// Its fields: a name, a value.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|(name, value)| (name.of(&self.text), value.of(&self.text)))
    }

    fn clear(&mut self) {
        self.text.clear();
        self.fields.clear();
        (self.overflowed, self.size) = (false, 0);
    }
}

/// The table of a connection's reader.
#[derive(Debug)]
pub(super) struct Decoder {
    /// The newest first.
    entries: VecDeque<Entry>,
    /// The entries' bytes, the oldest first.
    data: Vec<u8>,
    size: usize,
    most: usize,
}

/// An entry: a name and, behind it, a value.
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: usize,
    name: usize,
    length: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { entries: VecDeque::new(), data: Vec::new(), size: 0, most: TABLE }
    }
}

impl Decoder {
    /// Decodes a whole block into `out`, which may have `limit` bytes of fields as the standard counts them.
    pub(super) fn decode(&mut self, code: &[u8], limit: usize, out: &mut Block) -> Result<(), Invalid> {
        out.clear();
        let mut rest = code;
        let mut begun = false;
        while let Some(&first) = rest.first() {
            if first & 0xe0 == 0x20 {
                // A change of the table's size comes first in a block (RFC 7541 § 4.2).
                let most = integer(&mut rest, 5)?;
                if begun || most > TABLE {
                    return Err(Invalid::Malformed);
                }
                self.most = most;
                self.make_room(0);
                continue;
            }
            begun = true;
            if first & 0x80 != 0 {
                let index = integer(&mut rest, 7)?;
                if out.overflowed {
                    out.size += self.sizes(index)?;
                } else {
                    let start = out.text.len();
                    let name = self.copy(index, true, &mut out.text)?;
                    out.keep(start, name, limit);
                }
            } else {
                let indexed = first & 0xc0 == 0x40;
                let index = integer(&mut rest, if indexed { 6 } else { 4 })?;
                let start = out.text.len();
                let name = if index == 0 {
                    string(&mut rest, &mut out.text)?;
                    out.text.len() - start
                } else {
                    self.copy(index, false, &mut out.text)?
                };
                string(&mut rest, &mut out.text)?;
                if indexed {
                    self.insert(&out.text[start..], name);
                }
                out.keep(start, name, limit);
            }
            if out.size > limit.saturating_mul(PATIENCE) {
                return Err(Invalid::TooLong);
            }
        }
        Ok(())
    }

    /// Appends the name of an entry to `out`, and its value if it is asked for; how long the name is.
    fn copy(&self, index: usize, whole: bool, out: &mut Vec<u8>) -> Result<usize, Invalid> {
        let at = index.checked_sub(1).ok_or(Invalid::Malformed)?;
        if let Some((name, value)) = STATIC.get(at) {
            out.extend_from_slice(name.as_bytes());
            if whole {
                out.extend_from_slice(value.as_bytes());
            }
            return Ok(name.len());
        }
        let entry = self.entries.get(at - STATIC.len()).ok_or(Invalid::Malformed)?;
        let length = if whole { entry.length } else { entry.name };
        out.extend_from_slice(&self.data[entry.start..entry.start + length]);
        Ok(entry.name)
    }

    /// What an entry counts.
    fn sizes(&self, index: usize) -> Result<usize, Invalid> {
        let at = index.checked_sub(1).ok_or(Invalid::Malformed)?;
        if let Some((name, value)) = STATIC.get(at) {
            return Ok(name.len() + value.len() + OVERHEAD);
        }
        let entry = self.entries.get(at - STATIC.len()).ok_or(Invalid::Malformed)?;
        Ok(entry.length + OVERHEAD)
    }

    fn insert(&mut self, field: &[u8], name: usize) {
        let size = field.len() + OVERHEAD;
        self.make_room(size);
        if size > self.most {
            return;
        }
        if self.data.len() + field.len() > 4 * TABLE {
            let gone = self.entries.back().map_or(self.data.len(), |entry| entry.start);
            self.data.drain(..gone);
            for entry in &mut self.entries {
                entry.start -= gone;
            }
        }
        self.entries.push_front(Entry { start: self.data.len(), name, length: field.len() });
        self.data.extend_from_slice(field);
        self.size += size;
    }

    /// Drops the oldest entries until there is room for `more` bytes.
    fn make_room(&mut self, more: usize) {
        while self.size + more > self.most
            && let Some(entry) = self.entries.pop_back()
        {
            self.size -= entry.length + OVERHEAD;
        }
    }
}

impl Block {
    /// Takes in the field whose bytes stand from `start` to the end, if there is room for it.
    fn keep(&mut self, start: usize, name: usize, limit: usize) {
        self.size += self.text.len() - start + OVERHEAD;
        if self.size > limit {
            self.overflowed = true;
            self.text.truncate(start);
            return;
        }
        let colon = start + name;
        self.fields.push((Slice::new(start, colon), Slice::new(colon, self.text.len())));
    }
}

/// An integer with a prefix of so many bits (RFC 7541 § 5.1), taken off the front.
fn integer(rest: &mut &[u8], prefix: u32) -> Result<usize, Invalid> {
    let (&first, mut more) = rest.split_first().ok_or(Invalid::Malformed)?;
    let most = (1usize << prefix) - 1;
    let mut value = usize::from(first) & most;
    if value == most {
        let mut shift = 0;
        loop {
            let (&byte, behind) = more.split_first().ok_or(Invalid::Malformed)?;
            more = behind;
            // Four bytes of seven bits are more than anything here can be.
            if shift > 21 {
                return Err(Invalid::Malformed);
            }
            value += usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    *rest = more;
    Ok(value)
}

/// A string (RFC 7541 § 5.2), taken off the front and appended to `out`.
fn string(rest: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Invalid> {
    let coded = rest.first().is_some_and(|first| first & 0x80 != 0);
    let length = integer(rest, 7)?;
    let (text, behind) = rest.split_at_checked(length).ok_or(Invalid::Malformed)?;
    *rest = behind;
    if coded {
        huffman::decode(text, out).map_err(|_| Invalid::Malformed)
    } else {
        out.extend_from_slice(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let hex: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        hex.chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    fn shown(decoder: &mut Decoder, hex: &str) -> Result<String, Invalid> {
        let mut block = Block::default();
        decoder.decode(&bytes(hex), 65_536, &mut block)?;
        let lines = block.iter().map(|(name, value)| {
            format!("{}={};", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
        });
        Ok(lines.collect())
    }

    /// RFC 7541 appendix C.3 and C.4: three requests on one connection.
    #[test]
    fn requests_of_the_standard() {
        for requests in [
            [
                "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
                "8286 84be 5808 6e6f 2d63 6163 6865",
                "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
            ],
            [
                "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
                "8286 84be 5886 a8eb 1064 9cbf",
                "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
            ],
        ] {
            let mut decoder = Decoder::default();
            let expected = [
                ":method=GET;:scheme=http;:path=/;:authority=www.example.com;",
                ":method=GET;:scheme=http;:path=/;:authority=www.example.com;cache-control=no-cache;",
                ":method=GET;:scheme=https;:path=/index.html;:authority=www.example.com;custom-key=custom-value;",
            ];
            for (request, expected) in requests.iter().zip(expected) {
                assert_eq!(shown(&mut decoder, request).as_deref(), Ok(expected));
            }
            assert_eq!((decoder.size, decoder.entries.len()), (164, 3));
        }
    }

    /// RFC 7541 appendix C.5: a table of 256 bytes, from which entries are dropped.
    #[test]
    fn old_entries_are_dropped() {
        let mut decoder = Decoder::default();
        let first = "3fe101 4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 \
                     303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d";
        let all = ":status=302;cache-control=private;date=Mon, 21 Oct 2013 20:13:21 GMT;\
                   location=https://www.example.com;";
        assert_eq!(shown(&mut decoder, first).as_deref(), Ok(all));
        assert_eq!((decoder.size, decoder.entries.len()), (222, 4));
        let second = all.replace("302", "307");
        assert_eq!(shown(&mut decoder, "4803 3330 37c1 c0bf"), Ok(second));
        assert_eq!((decoder.size, decoder.entries.len()), (222, 4));
    }

    #[test]
    fn the_bytes_of_the_table_stay_bounded() {
        let mut decoder = Decoder::default();
        let mut block = Block::default();
        for turn in 0..5000u32 {
            let value = format!("{turn:0100}");
            let code = [&[0x40, 1, b'n', 100][..], value.as_bytes(), &[0xbe]].concat();
            decoder.decode(&code, 1000, &mut block).unwrap();
            assert!(block.iter().all(|field| field == (b"n", value.as_bytes())));
            assert_eq!(block.fields.len(), 2);
            assert!(decoder.data.len() <= 4 * TABLE && decoder.size <= TABLE);
        }
    }

    #[test]
    fn long_lists_are_counted_and_not_kept() {
        let mut decoder = Decoder::default();
        let mut block = Block::default();
        let entry = [&[0x40, 1, b'n', 0x7f, 0x81, 0x0f][..], &[b'v'; 2048]].concat();
        decoder.decode(&entry, 4000, &mut block).unwrap();
        assert!(!block.overflowed);
        decoder.decode(&[0xbe; 3], 4000, &mut block).unwrap();
        assert!(block.overflowed && block.fields.len() == 1 && block.text.len() == 2049);
        assert_eq!(decoder.decode(&vec![0xbe; 60_000], 4000, &mut block), Err(Invalid::TooLong));
        assert!(block.text.len() <= 4000);
    }

    #[test]
    fn what_is_no_block_is_refused() {
        for code in [
            "80",
            "be",
            "c0",
            "40",
            "4001",
            "400161",
            "40016102",
            "7f",
            "7fff",
            "ff80808080800f",
            "3fe21f",
            "8220",
            "0082",
            "000180",
            "00018261",
        ] {
            assert_eq!(shown(&mut Decoder::default(), code), Err(Invalid::Malformed), "{code}");
        }
        assert_eq!(shown(&mut Decoder::default(), "203fe11f82").as_deref(), Ok(":method=GET;"));
    }
}
