//! The uwsgi protocol: a request as one packet of variables, then its content.
//!
//! Packet: modifier 1 (1 byte), length of the block (2 bytes, little-endian),
//! modifier 2 (1 byte), then for each variable length and name, length and
//! value. Configured variables come first, then a variable for each request
//! field that none of them replaces.
//! Reference: <https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html>

use super::super::exchange::Exchange;
use crate::plan::ForwardingPlan;

impl Exchange {
    /// Writes the packet to `out`.
    pub fn write_uwsgi(&mut self, how: &ForwardingPlan, out: &mut Vec<u8>) -> Result<(), String> {
        let start = out.len();
        out.extend_from_slice(&[how.modifiers.0, 0, 0, how.modifiers.1]);
        for (name, template, skip_empty) in &how.params {
            let mark = out.len();
            put(out, name)?;
            out.extend_from_slice(&[0, 0]);
            let value = out.len();
            self.eval(template, out);
            let length = out.len() - value;
            if length == 0 && *skip_empty {
                out.truncate(mark);
                continue;
            }
            set_length(out, value - 2, length)?;
        }
        if how.pass_fields {
            self.write_field_variables(how, out)?;
        }
        let length = out.len() - start - 4;
        set_length(out, start + 1, length).map_err(|_| format!("uwsgi request is too big: {length}"))
    }

    /// `HTTP_NAME` for each field; repeated ones joined as lists are (RFC 9110 § 5.3).
    fn write_field_variables(&self, how: &ForwardingPlan, out: &mut Vec<u8>) -> Result<(), String> {
        let facts = &self.facts;
        let fields = &facts.head.fields;
        let mut name = Vec::new();
        for (at, field) in fields.iter().enumerate() {
            let written = facts.slice(field.name);
            let same = |other: &&super::super::http1::field::Field| {
                facts.slice(other.name).eq_ignore_ascii_case(written)
            };
            if fields[..at].iter().any(|other| same(&other)) {
                continue;
            }
            name.clear();
            name.extend_from_slice(b"HTTP_");
            name.extend(
                written.iter().map(|&byte| if byte == b'-' { b'_' } else { byte.to_ascii_uppercase() }),
            );
            if how.params.iter().any(|(param, ..)| param.0 == name) {
                continue;
            }
            put(out, &name)?;
            let separator: &[u8] = if name == b"HTTP_COOKIE" { b"; " } else { b", " };
            out.extend_from_slice(&[0, 0]);
            let value = out.len();
            for other in fields[at..].iter().filter(same) {
                if out.len() > value {
                    out.extend_from_slice(separator);
                }
                out.extend_from_slice(facts.slice(other.value));
            }
            let length = out.len() - value;
            set_length(out, value - 2, length)?;
        }
        Ok(())
    }
}

fn put(out: &mut Vec<u8>, text: &[u8]) -> Result<(), String> {
    out.extend_from_slice(&[0, 0]);
    let at = out.len() - 2;
    out.extend_from_slice(text);
    set_length(out, at, text.len())
}

fn set_length(out: &mut [u8], at: usize, length: usize) -> Result<(), String> {
    let length =
        u16::try_from(length).map_err(|_| format!("uwsgi request variable is too long: {length}"))?;
    if let Some(place) = out.get_mut(at..at + 2) {
        place.copy_from_slice(&length.to_le_bytes());
    }
    Ok(())
}
