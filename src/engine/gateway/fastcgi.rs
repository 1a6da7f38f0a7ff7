//! `FastCGI` requests: records of variables, then records of content.
//!
//! A record is a header of 8 bytes (version, type, request id, length of the
//! content, length of the padding, a reserved byte), content, padding. Every
//! connection carries one request at a time, so its id is always 1.
//! Reference: <https://fastcgi-archives.github.io/FastCGI_Specification.html>

use super::super::exchange::Exchange;
use crate::plan::ForwardingPlan;

pub(super) const VERSION: u8 = 1;
pub(super) const END_REQUEST: u8 = 3;
pub(super) const STDOUT: u8 = 6;
pub(super) const STDERR: u8 = 7;
const BEGIN_REQUEST: u8 = 1;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const RESPONDER: u8 = 1;
const KEEP_CONNECTION: u8 = 1;

/// Length of a record's header.
pub(super) const HEADER: usize = 8;

/// The most content that a record is given: what needs no padding.
const MOST: usize = 65528;

impl Exchange {
    /// Writes the records up to the end of the variables to `out`.
    pub fn write_fastcgi(&mut self, how: &ForwardingPlan, out: &mut Vec<u8>) -> Result<(), String> {
        let flags = if how.keep_connection { KEEP_CONNECTION } else { 0 };
        out.extend_from_slice(&header(BEGIN_REQUEST, 8, 0));
        out.extend_from_slice(&[0, RESPONDER, flags, 0, 0, 0, 0, 0]);
        let start = out.len();
        out.extend_from_slice(&header(PARAMS, 0, 0));
        self.variables(how, &mut |name, value| {
            for text in [name, value] {
                put_length(out, text.len())?;
            }
            out.extend_from_slice(name);
            out.extend_from_slice(value);
            Ok(())
        })?;
        let length = out.len() - start - HEADER;
        if length > MOST {
            let all = out.split_off(start + HEADER);
            out.truncate(start);
            put_records(PARAMS, &all, out);
        } else if length > 0 {
            let padding = padding(length);
            out[start..start + HEADER].copy_from_slice(&header(PARAMS, length, padding));
            out.extend_from_slice(&[0; 8][..padding]);
        } else {
            out.truncate(start);
        }
        out.extend_from_slice(&header(PARAMS, 0, 0));
        Ok(())
    }
}

/// Writes content as records.
pub fn put_content(content: &[u8], out: &mut Vec<u8>) {
    put_records(STDIN, content, out);
}

/// Writes the record that ends the content.
pub fn end_content(out: &mut Vec<u8>) {
    out.extend_from_slice(&header(STDIN, 0, 0));
}

fn put_records(kind: u8, content: &[u8], out: &mut Vec<u8>) {
    for piece in content.chunks(MOST) {
        let padding = padding(piece.len());
        out.extend_from_slice(&header(kind, piece.len(), padding));
        out.extend_from_slice(piece);
        out.extend_from_slice(&[0; 8][..padding]);
    }
}

/// Bytes that make a record's length a multiple of 8.
fn padding(length: usize) -> usize {
    length.wrapping_neg() % 8
}

fn header(kind: u8, length: usize, padding: usize) -> [u8; HEADER] {
    let [high, low] = (length as u16).to_be_bytes();
    [VERSION, kind, 0, 1, high, low, padding as u8, 0]
}

/// One byte below 128, else four with the highest bit set.
fn put_length(out: &mut Vec<u8>, length: usize) -> Result<(), String> {
    if length < 0x80 {
        out.push(length as u8);
        return Ok(());
    }
    let long = u32::try_from(length).ok().filter(|length| length >> 31 == 0);
    let long = long.ok_or_else(|| format!("FastCGI request variable is too long: {length}"))?;
    out.extend_from_slice(&(long | 1 << 31).to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_padded_and_split() {
        let mut out = Vec::new();
        put_content(b"hello", &mut out);
        assert_eq!(out, b"\x01\x05\x00\x01\x00\x05\x03\x00hello\0\0\0");
        out.clear();
        put_content(&vec![b'x'; MOST + 1], &mut out);
        assert_eq!(out[..8], [1, 5, 0, 1, 0xff, 0xf8, 0, 0]);
        assert_eq!(out[8 + MOST..][..9], [1, 5, 0, 1, 0, 1, 7, 0, b'x']);
        assert_eq!(out.len(), 8 + MOST + 16);
        out.clear();
        put_content(b"", &mut out);
        end_content(&mut out);
        assert_eq!(out, b"\x01\x05\x00\x01\x00\x00\x00\x00");
    }

    #[test]
    fn lengths_take_one_byte_or_four() {
        let mut out = Vec::new();
        for length in [0, 127, 128, 70_000] {
            put_length(&mut out, length).unwrap();
        }
        assert_eq!(out, [0, 127, 0x80, 0, 0, 128, 0x80, 1, 0x11, 0x70]);
        assert!(put_length(&mut out, 1 << 31).is_err());
    }
}
