//! Where frames of a WebSocket end in a stream of them (RFC 6455 § 5.2).

/// A ping without content.
pub(super) const PING: [u8; 2] = [0x89, 0];

/// The longest head: two bytes, the length in eight, the mask in four.
const HEAD: usize = 14;

/// Frames that pass in one direction.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; HEAD],
    /// How much of a head is known.
    known: usize,
    /// What is left of the frame's content.
    left: u64,
}

impl Frames {
    /// Takes note of bytes that pass.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let taken = self.left.min(bytes.len() as u64);
                self.left -= taken;
                bytes = &bytes[taken as usize..];
                continue;
            }
            self.head[self.known] = bytes[0];
            self.known += 1;
            bytes = &bytes[1..];
            if self.known == self.length() {
                self.left = self.content();
                self.known = 0;
            }
        }
    }

    /// Whether the next byte begins a frame.
    pub(super) fn is_between(&self) -> bool {
        self.known == 0 && self.left == 0
    }

    /// How long the head is, as far as that is known.
    fn length(&self) -> usize {
        if self.known < 2 {
            return 2;
        }
        let length = match self.head[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + length + if self.head[1] & 0x80 == 0 { 0 } else { 4 }
    }

    /// How long the content is that a whole head speaks of.
    fn content(&self) -> u64 {
        let bytes = match self.head[1] & 0x7f {
            126 => &self.head[2..4],
            127 => &self.head[2..10],
            short => return u64::from(short),
        };
        bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_frames_are_found_however_they_arrive() {
        let mut all = vec![0x81, 3, 1, 2, 3, 0x89, 0, 0x82, 126, 0, 200];
        all.extend([7; 200]);
        all.extend([0x82, 0x80 | 127, 0, 0, 0, 0, 0, 1, 0, 0, 9, 9, 9, 9]);
        all.extend(vec![7; 1 << 16]);
        let ends = [0, 5, 7, 211, all.len()];
        let mut frames = Frames::default();
        for at in 0..all.len() {
            assert_eq!(frames.is_between(), ends.contains(&at), "{at}");
            frames.pass(&all[at..=at]);
        }
        assert!(frames.is_between());
        let mut frames = Frames::default();
        frames.pass(&all[..all.len() - 1]);
        assert!(!frames.is_between());
        frames.pass(&[7]);
        assert!(frames.is_between());
    }
}
