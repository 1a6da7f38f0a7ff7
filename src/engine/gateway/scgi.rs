//! SCGI: a request as one netstring of variables, then its content.
//!
//! The netstring is its length in decimal, `:`, each name and value ended by a
//! NUL, `,`. `CONTENT_LENGTH` comes first and is always there.
//! Reference: <https://python.ca/scgi/protocol.txt>

use super::super::exchange::Exchange;
use crate::plan::ForwardingPlan;

impl Exchange {
    /// Writes the netstring to `out`, for content of this length.
    pub fn write_scgi(
        &mut self,
        how: &ForwardingPlan,
        content: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let start = out.len();
        put(out, b"CONTENT_LENGTH", itoa::Buffer::new().format(content).as_bytes());
        self.variables(how, &mut |name, value| {
            // A NUL would end the value, and what follows it be read as another name.
            if memchr::memchr(0, name).or_else(|| memchr::memchr(0, value)).is_some() {
                return Err(format!("SCGI request variable \"{}\" contains a NUL", name.escape_ascii()));
            }
            put(out, name, value);
            Ok(())
        })?;
        let length = out.len() - start;
        out.push(b',');
        let before = format!("{length}:");
        out.splice(start..start, before.bytes());
        Ok(())
    }
}

fn put(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for text in [name, value] {
        out.extend_from_slice(text);
        out.push(0);
    }
}
