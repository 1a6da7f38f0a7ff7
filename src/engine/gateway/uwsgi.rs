//! The uwsgi protocol: a request as one packet of variables, then its content.
//!
//! Packet: modifier 1 (1 byte), length of the block (2 bytes, little-endian),
//! modifier 2 (1 byte), then for each variable length and name, length and
//! value, and at last what the configuration has behind them.
//! Reference: <https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html>

use super::super::exchange::Exchange;
use crate::plan::ForwardingPlan;

impl Exchange {
    /// Writes the packet to `out`.
    pub fn write_uwsgi(&mut self, how: &ForwardingPlan, out: &mut Vec<u8>) -> Result<(), String> {
        let start = out.len();
        out.extend_from_slice(&[how.modifiers.0, 0, 0, how.modifiers.1]);
        self.variables(how, &mut |name, value| {
            for text in [name, value] {
                let length = u16::try_from(text.len())
                    .map_err(|_| format!("uwsgi request variable is too long: {}", text.len()))?;
                out.extend_from_slice(&length.to_le_bytes());
                out.extend_from_slice(text);
            }
            Ok(())
        })?;
        out.extend_from_slice(&how.packet_tail);
        let length = out.len() - start - 4;
        let length = u16::try_from(length).map_err(|_| format!("uwsgi request is too big: {length}"))?;
        out[start + 1..start + 3].copy_from_slice(&length.to_le_bytes());
        Ok(())
    }
}
