//! Names of fields, to tell quickly that one is not among them.

use crate::ir::Name;

/// Names, compared without regard to case (RFC 9110 § 5.1).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NameSet {
    /// A bit for each mark that a name here has.
    marks: u64,
    names: Box<[Name]>,
}

impl NameSet {
    /// A set of these.
    pub(super) fn new<'n>(names: impl IntoIterator<Item = &'n Name>) -> Self {
        let names: Box<[Name]> = names.into_iter().cloned().collect();
        let marks = names.iter().fold(0, |marks, name| marks | mark(name));
        Self { marks, names }
    }

    /// Whether it holds this name.
    pub fn contains(&self, name: &[u8]) -> bool {
        self.marks & mark(name) != 0 && self.names.iter().any(|other| other.is_field(name))
    }
}

/// One bit by length and first letter: few of the names in use share it.
fn mark(name: &[u8]) -> u64 {
    let first = name.first().map_or(0, |byte| usize::from(byte | 0x20));
    1 << ((name.len() * 11 + first) % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_does_not_matter() {
        let names: Vec<Name> = ["Host", "X-Real-IP", ""].iter().map(|name| (*name).into()).collect();
        let set = NameSet::new(&names);
        for (name, expected) in
            [("host", true), ("HOST", true), ("x-real-ip", true), ("", true), ("hosu", false), ("Via", false)]
        {
            assert_eq!(set.contains(name.as_bytes()), expected, "{name}");
        }
        assert!(!NameSet::default().contains(b""));
    }
}
