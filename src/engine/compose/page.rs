//! What is known while instructions are followed: variables, blocks, and what the last pattern matched.
//!
//! Whoever is included knows what is known where it is included. Observed (nginx 1.22.1): what it sets is known to
//! those included after it, and to the page itself where that waits for it.

use std::rc::Rc;

/// As many variables may be set, and blocks kept.
const MOST: usize = 4096;

/// As many bytes may they have together.
const LONGEST: usize = 4 << 20;

type Named = Vec<(Vec<u8>, Vec<u8>)>;

/// There is too much of it.
#[derive(Debug)]
pub struct Full;

/// What is known at a page.
#[derive(Clone, Debug, Default)]
pub struct Page {
    values: Rc<Named>,
    /// All that those know which are included from here on, where that is something else.
    beside: Option<Rc<Named>>,
    blocks: Rc<Named>,
    /// The groups that the last pattern matched.
    captures: Rc<Vec<Vec<u8>>>,
}

impl Page {
    /// The value of a variable; names are in lower case, a digit is a group.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        if let [digit @ b'0'..=b'9'] = name {
            return self.captures.get(usize::from(digit - b'0')).map(Vec::as_slice);
        }
        find(&self.values, name)
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &[u8], value: Vec<u8>) -> Result<(), Full> {
        if let Some(beside) = &mut self.beside {
            put(beside, name, value.clone())?;
        }
        put(&mut self.values, name, value)
    }

    /// Keeps a block; of those with one name the first counts.
    pub fn keep(&mut self, name: &[u8], block: &[u8]) -> Result<(), Full> {
        let known = find(&self.blocks, name).is_some();
        if known { Ok(()) } else { put(&mut self.blocks, name, block.to_vec()) }
    }

    /// A block.
    pub fn block(&self, name: &[u8]) -> Option<Vec<u8>> {
        find(&self.blocks, name).map(<[u8]>::to_vec)
    }

    /// Remembers what a pattern matched.
    pub fn matched(&mut self, groups: Vec<Vec<u8>>) {
        self.captures = Rc::new(groups);
    }

    /// What is known to whoever is included.
    #[must_use]
    pub fn for_part(&self) -> Self {
        let values = self.beside.as_ref().unwrap_or(&self.values);
        Self { values: Rc::clone(values), beside: None, ..self.clone() }
    }

    /// Takes what was known in the end to whoever was included.
    pub fn take_part(&mut self, part: Self, waited: bool) {
        let values = part.beside.unwrap_or(part.values);
        if waited {
            (self.values, self.beside) = (values, None);
        } else if !Rc::ptr_eq(&values, &self.values) {
            self.beside = Some(values);
        }
        (self.blocks, self.captures) = (part.blocks, part.captures);
    }
}

fn find<'n>(named: &'n Named, name: &[u8]) -> Option<&'n [u8]> {
    named.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
}

fn put(named: &mut Rc<Named>, name: &[u8], value: Vec<u8>) -> Result<(), Full> {
    let length: usize = named.iter().filter(|(known, _)| known != name).map(|(_, value)| value.len()).sum();
    if length + value.len() > LONGEST {
        return Err(Full);
    }
    let named = Rc::make_mut(named);
    let full = named.len() >= MOST;
    match named.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => *old = value,
        None if full => return Err(Full),
        None => named.push((name.to_vec(), value)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_parts_set_is_known_to_later_parts() {
        let mut page = Page::default();
        page.set(b"a", b"1".to_vec()).unwrap();
        let mut part = page.for_part();
        assert_eq!(part.get(b"a"), Some(&b"1"[..]));
        part.set(b"b", b"2".to_vec()).unwrap();
        page.take_part(part, false);
        assert_eq!((page.get(b"b"), page.for_part().get(b"b")), (None, Some(&b"2"[..])));
        page.set(b"c", b"3".to_vec()).unwrap();
        assert_eq!(page.for_part().get(b"c"), Some(&b"3"[..]));
        let part = page.for_part();
        page.take_part(part, true);
        assert_eq!(page.get(b"b"), Some(&b"2"[..]));
    }

    #[test]
    fn there_is_an_end_to_it() {
        let mut page = Page::default();
        let mut value = b"x".to_vec();
        while page.set(b"v", value.clone()).is_ok() {
            value = value.repeat(2);
        }
        assert!(value.len() <= LONGEST * 2);
        let many =
            (0..u32::MAX).take_while(|at: &u32| page.set(&at.to_le_bytes(), Vec::new()).is_ok()).count();
        assert!(many < MOST);
        assert!(page.set(b"v", Vec::new()).is_ok());
    }
}
