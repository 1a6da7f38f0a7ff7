//! What is looked up outside of the configuration, and bytes that are percent-encoded.

use std::{fmt, path::PathBuf};

use serde::{Serialize, Serializer};

use super::{Name, Template, Text, VarId};
use crate::source::Span;

/// Index into [`super::Config::maps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct MapId(pub u32);

/// Keys and values that live outside of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Map {
    /// Its name, for people.
    pub name: Name,
    /// Where values come from.
    pub source: MapSource,
    /// Where it was written.
    pub span: Span,
}

/// Where the values of a map come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum MapSource {
    /// A text file, read again when it changed: on each line a key, white space, its value up to the next white
    /// space. The first line of a key counts; lines that begin with `#` or white space are none.
    Lines {
        /// The file.
        path: PathBuf,
        /// Whether one of the alternatives is chosen, at random, that `|` separates in a value.
        choose: bool,
    },
    /// A table of accounts (passwd(5)), read again when it changed: names, and where their homes are.
    Accounts {
        /// The file.
        path: PathBuf,
    },
    /// A program that runs as long as we do: it reads keys, a line each, and answers with a line. `NULL` in any case
    /// is no value.
    Program {
        /// The program and its arguments.
        command: Vec<Text>,
        /// The user and the group it runs as.
        user: Option<(Text, Option<Text>)>,
    },
}

/// Looks a value up, now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lookup {
    /// Where.
    pub map: MapId,
    /// What is looked up.
    pub key: Template,
    /// The value when there is none; evaluated only then.
    pub default: Template,
    /// Takes the value.
    pub into: VarId,
}

/// Which bytes are percent-encoded, and how.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Encoding {
    /// A bit for each byte that is encoded.
    pub bytes: [u64; 4],
    /// Whether a space becomes `+` instead of `%20`.
    pub plus: bool,
}

impl Encoding {
    /// Encodes the bytes for which `wanted` holds.
    pub fn of(wanted: impl Fn(u8) -> bool, plus: bool) -> Self {
        let mut bytes = [0; 4];
        for byte in (0..=255).filter(|byte| wanted(*byte)) {
            bytes[usize::from(byte >> 6)] |= 1 << (byte & 63);
        }
        Self { bytes, plus }
    }

    /// Whether a byte is encoded.
    pub fn holds(&self, byte: u8) -> bool {
        self.bytes[usize::from(byte >> 6)] & (1 << (byte & 63)) != 0
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of the printable ones, those that are fewer.
        let visible = || b' '..=b'~';
        let encoded = visible().filter(|byte| self.holds(*byte));
        let kept = visible().filter(|byte| !self.holds(*byte));
        let word = if self.plus { "encode-plus" } else { "encode" };
        let class = |bytes: &mut dyn Iterator<Item = u8>| {
            let all: Vec<u8> = bytes.collect();
            let mut text = String::new();
            for (range, shown) in [(b'0'..=b'9', "0-9"), (b'A'..=b'Z', "A-Z"), (b'a'..=b'z', "a-z")] {
                if range.clone().all(|byte| all.contains(&byte)) {
                    text.push_str(shown);
                } else {
                    text.extend(all.iter().filter(|byte| range.contains(byte)).map(|byte| char::from(*byte)));
                }
            }
            text.extend(
                all.iter().filter(|byte| !byte.is_ascii_alphanumeric()).map(|byte| char::from(*byte)),
            );
            text.replace(' ', "\\ ")
        };
        write!(f, "{word}")?;
        if encoded.clone().count() <= kept.clone().count() {
            write!(f, " {}", class(&mut { encoded }))?;
        } else {
            write!(f, " all-but {}", class(&mut { kept }))?;
        }
        match (self.holds(0), self.holds(0x7f), self.holds(0xff)) {
            (true, true, true) => Ok(()),
            (true, true, false) => write!(f, " and controls"),
            _ => write!(f, " only"),
        }
    }
}

impl fmt::Debug for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Encoding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
