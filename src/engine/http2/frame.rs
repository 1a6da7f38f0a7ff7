//! Frames on the wire: their heads, kinds, flags and error codes (RFC 9113 § 4.1, § 6, § 7).

/// The head of a frame, bytes.
pub(super) const HEAD: usize = 9;

/// The longest payload that every peer takes, and that we take, bytes (RFC 9113 § 4.2).
pub(super) const PAYLOAD: usize = 16 * 1024;

/// A flow-control window before anybody changes it, bytes (RFC 9113 § 6.9.2).
pub(super) const WINDOW: u32 = 65_535;

/// The largest flow-control window.
pub(super) const LARGEST_WINDOW: i64 = (1 << 31) - 1;

/// What a frame is (RFC 9113 § 6).
pub(super) mod kind {
    pub(in super::super) const DATA: u8 = 0;
    pub(in super::super) const HEADERS: u8 = 1;
    pub(in super::super) const PRIORITY: u8 = 2;
    pub(in super::super) const RST_STREAM: u8 = 3;
    pub(in super::super) const SETTINGS: u8 = 4;
    pub(in super::super) const PUSH_PROMISE: u8 = 5;
    pub(in super::super) const PING: u8 = 6;
    pub(in super::super) const GOAWAY: u8 = 7;
    pub(in super::super) const WINDOW_UPDATE: u8 = 8;
    pub(in super::super) const CONTINUATION: u8 = 9;
}

/// What a frame's flags say.
pub(super) mod flag {
    pub(in super::super) const ACK: u8 = 1;
    pub(in super::super) const END_STREAM: u8 = 1;
    pub(in super::super) const END_HEADERS: u8 = 4;
    pub(in super::super) const PADDED: u8 = 8;
    pub(in super::super) const PRIORITY: u8 = 0x20;
}

/// What a `SETTINGS` frame sets (RFC 9113 § 6.5.2, RFC 8441 § 3).
pub(super) mod setting {
    pub(in super::super) const HEADER_TABLE_SIZE: u16 = 1;
    pub(in super::super) const ENABLE_PUSH: u16 = 2;
    pub(in super::super) const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub(in super::super) const INITIAL_WINDOW_SIZE: u16 = 4;
    pub(in super::super) const MAX_FRAME_SIZE: u16 = 5;
    pub(in super::super) const MAX_HEADER_LIST_SIZE: u16 = 6;
    pub(in super::super) const ENABLE_CONNECT_PROTOCOL: u16 = 8;
}

/// Why a stream or a connection ends (RFC 9113 § 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code(pub(super) u32);

impl Code {
    pub(super) const NO_ERROR: Self = Self(0);
    pub(super) const PROTOCOL_ERROR: Self = Self(1);
    pub(super) const INTERNAL_ERROR: Self = Self(2);
    pub(super) const FLOW_CONTROL_ERROR: Self = Self(3);
    pub(super) const STREAM_CLOSED: Self = Self(5);
    pub(super) const FRAME_SIZE_ERROR: Self = Self(6);
    pub(super) const REFUSED_STREAM: Self = Self(7);
    pub(super) const COMPRESSION_ERROR: Self = Self(9);
    pub(super) const ENHANCE_YOUR_CALM: Self = Self(11);
}

/// An error of the whole connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// What `GOAWAY` says.
    pub(super) code: Code,
    /// What the log says that the client sent.
    pub(super) why: &'static str,
}

/// A fault of this code.
pub(super) fn fault(code: Code, why: &'static str) -> Fault {
    Fault { code, why }
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Length of the payload, bytes.
    pub(super) length: usize,
    /// See [`kind`].
    pub(super) kind: u8,
    /// See [`flag`].
    pub(super) flags: u8,
    /// The stream that it is about; 0 is the connection.
    pub(super) stream: u32,
}

impl Head {
    /// The head at the beginning of `bytes`; `None` when not all of it is there.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let &[a, b, c, kind, flags, ref stream @ ..] = bytes.first_chunk::<HEAD>()?;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        Some(Self { length, kind, flags, stream: number(*stream) })
    }

    /// The bytes that it is.
    pub(super) fn bytes(self) -> [u8; HEAD] {
        let mut out = [0; HEAD];
        out[..3].copy_from_slice(&(self.length as u32).to_be_bytes()[1..]);
        (out[3], out[4]) = (self.kind, self.flags);
        out[5..].copy_from_slice(&self.stream.to_be_bytes());
        out
    }

    /// Whether it has a flag.
    pub(super) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Writes a frame with a short payload.
pub(super) fn write(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend_from_slice(&Head { length: payload.len(), kind, flags, stream }.bytes());
    out.extend_from_slice(payload);
}

/// Four bytes of a payload as a number, without its reserved bit.
pub(super) fn number(payload: [u8; 4]) -> u32 {
    u32::from_be_bytes(payload) & 0x7fff_ffff
}

/// A payload without its padding (RFC 9113 § 6.1); `None` when the padding is longer than the payload.
pub(super) fn unpadded(head: Head, payload: &[u8]) -> Option<&[u8]> {
    if !head.has(flag::PADDED) {
        return Some(payload);
    }
    let (&padding, rest) = payload.split_first()?;
    rest.get(..rest.len().checked_sub(usize::from(padding))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_as_written() {
        let head = Head { length: 0x01_02_03, kind: kind::DATA, flags: 9, stream: 0x7fff_fff1 };
        assert_eq!(Head::read(&head.bytes()), Some(head));
        assert_eq!(Head::read(&head.bytes()[..8]), None);
    }

    #[test]
    fn padding_is_taken_off() {
        let padded = Head { length: 0, kind: kind::DATA, flags: flag::PADDED, stream: 1 };
        assert_eq!(unpadded(padded, &[2, b'a', 0, 0]), Some(&b"a"[..]));
        assert_eq!(unpadded(padded, &[1, 0]), Some(&b""[..]));
        assert_eq!(unpadded(padded, &[2, 0]), None);
        assert_eq!(unpadded(padded, &[]), None);
        assert_eq!(unpadded(Head { flags: 0, ..padded }, &[2]), Some(&[2][..]));
    }
}
