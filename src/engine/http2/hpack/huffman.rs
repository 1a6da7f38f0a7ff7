//! The Huffman code of header compression (RFC 7541 § 5.2, appendix B).
//!
//! The code is canonical: codes of one length follow each other in the order
//! of their bytes, and shorter ones come first. So the lengths say it all.

/// Bits of the code of each byte.
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7,
    15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24,
    23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26,
    26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20,
    21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27,
    27, 27, 26,
];

/// Bits of the longest code.
const LONGEST: usize = 30;

/// Bits that are looked up at once; the codes of all that texts mostly consist of are no longer.
const FAST: usize = 8;

struct Tables {
    /// The code of each byte.
    codes: [u32; 256],
    /// Bytes in the order of their codes.
    order: [u8; 256],
    /// Of each length: the first code, and where in `order` its byte is.
    first: [(u32, u16); LONGEST + 1],
    /// How many codes have it.
    count: [u16; LONGEST + 1],
    /// What the next bits begin with: the byte, and the length of its code; 0 where that is longer.
    fast: [(u8, u8); 1 << FAST],
}

static TABLES: Tables = tables();

const fn tables() -> Tables {
    let mut out = Tables {
        codes: [0; 256],
        order: [0; 256],
        first: [(0, 0); LONGEST + 1],
        count: [0; LONGEST + 1],
        fast: [(0, 0); 1 << FAST],
    };
    let (mut code, mut place, mut length) = (0u32, 0u16, 1usize);
    while length <= LONGEST {
        code <<= 1;
        out.first[length] = (code, place);
        let mut byte = 0;
        while byte < 256 {
            if LENGTHS[byte] as usize == length {
                out.codes[byte] = code;
                out.order[place as usize] = byte as u8;
                out.count[length] += 1;
                if length <= FAST {
                    let mut at = (code as usize) << (FAST - length);
                    let end = (code as usize + 1) << (FAST - length);
                    while at < end {
                        out.fast[at] = (byte as u8, length as u8);
                        at += 1;
                    }
                }
                code += 1;
                place += 1;
            }
            byte += 1;
        }
        length += 1;
    }
    out
}

/// How many bytes a text takes in this code.
pub(super) fn length(text: &[u8]) -> usize {
    let bits: usize = text.iter().map(|&byte| usize::from(LENGTHS[usize::from(byte)])).sum();
    bits.div_ceil(8)
}

/// Writes a text in this code.
pub(super) fn encode(text: &[u8], out: &mut Vec<u8>) {
    let (mut bits, mut held) = (0u64, 0u32);
    for &byte in text {
        let length = u32::from(LENGTHS[usize::from(byte)]);
        bits = bits << length | u64::from(TABLES.codes[usize::from(byte)]);
        held += length;
        while held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    if held > 0 {
        // Filled up with the beginning of the end's code, which is all ones.
        out.push((bits << (8 - held)) as u8 | 0xff >> held);
    }
}

/// A text that cannot be decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Invalid;

/// Appends to `out` the text that this code stands for.
pub(super) fn decode(code: &[u8], out: &mut Vec<u8>) -> Result<(), Invalid> {
    let (mut bits, mut held, mut rest) = (0u64, 0usize, code);
    loop {
        while held <= 56
            && let Some((&byte, more)) = rest.split_first()
        {
            bits |= u64::from(byte) << (56 - held);
            held += 8;
            rest = more;
        }
        let (byte, length) = TABLES.fast[(bits >> (64 - FAST)) as usize];
        let (byte, length) = match usize::from(length) {
            0 => match long(bits) {
                Some(found) => found,
                None => break,
            },
            length => (byte, length),
        };
        if length > held {
            break;
        }
        out.push(byte);
        bits <<= length;
        held -= length;
    }
    // What is left is padding: less than a byte, all ones.
    let padding = held < 8 && rest.is_empty() && bits >> (64 - FAST) == (0xff00u64 >> held) & 0xff;
    if padding { Ok(()) } else { Err(Invalid) }
}

/// The byte that a longer code at the beginning of `bits` stands for, and that code's length.
fn long(bits: u64) -> Option<(u8, usize)> {
    for length in FAST + 1..=LONGEST {
        let code = (bits >> (64 - length)) as u32;
        let (first, place) = TABLES.first[length];
        // Codes of this length are smaller than the beginnings of longer ones.
        if code < first + u32::from(TABLES.count[length]) {
            let at = usize::from(place) + (code.checked_sub(first)? as usize);
            return TABLES.order.get(at).map(|&byte| (byte, length));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(code: &[u8]) -> Result<Vec<u8>, Invalid> {
        let mut out = Vec::new();
        decode(code, &mut out).map(|()| out)
    }

    /// The examples of RFC 7541 appendix C.4 and C.6.
    #[test]
    fn the_examples_of_the_standard() {
        for (text, code) in [
            ("www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"),
            ("no-cache", "a8eb10649cbf"),
            ("custom-value", "25a849e95bb8e8b4bf"),
            ("302", "6402"),
            ("Mon, 21 Oct 2013 20:13:21 GMT", "d07abe941054d444a8200595040b8166e082a62d1bff"),
            ("https://www.example.com", "9d29ad171863c78f0b97c8e9ae82ae43d3"),
            (
                "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
                "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
            ),
        ] {
            let mut out = Vec::new();
            encode(text.as_bytes(), &mut out);
            let shown: String = out.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(shown, code);
            assert_eq!(out.len(), length(text.as_bytes()));
            assert_eq!(decoded(&out).as_deref(), Ok(text.as_bytes()));
        }
    }

    #[test]
    fn every_byte_comes_back() {
        for first in 0..=255u8 {
            for second in 0..=255u8 {
                let mut out = Vec::new();
                encode(&[first, second], &mut out);
                assert_eq!(decoded(&out).as_deref(), Ok(&[first, second][..]));
            }
        }
    }

    #[test]
    fn what_is_no_text_is_refused() {
        // Padding of zeros, of a whole byte, and the code of the end itself.
        for code in
            [&[0x00, 0x00][..], &[0xff], &[0x1f, 0xff], &[0xff; 4], &[0xff, 0xff, 0xff, 0xfc], &[0x18]]
        {
            assert_eq!(decoded(code), Err(Invalid), "{code:?}");
        }
        assert_eq!(decoded(&[]), Ok(Vec::new()));
        assert_eq!(decoded(&[0x1f]).as_deref(), Ok(&b"a"[..]));
    }
}
