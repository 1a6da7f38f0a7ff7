//! What a run remembers: captures and variables, in memory that is used again.

use smallvec::SmallVec;

use crate::{
    ir::{Register, VarId},
    plan::pattern::{Failure, Find, Spans, UNSET},
};

/// The last match written to each register.
#[derive(Debug, Default)]
pub(super) struct Registers {
    all: SmallVec<[(Register, Captures); 1]>,
    spans: Spans,
}

#[derive(Clone, Debug, Default)]
struct Captures {
    subject: Vec<u8>,
    spans: Spans,
}

impl Registers {
    pub(super) fn clear(&mut self) {
        for (_, captures) in &mut self.all {
            captures.spans.clear();
        }
    }

    /// Takes over what others hold.
    pub(super) fn copy(&mut self, from: &Self) {
        self.all.clone_from(&from.all);
    }

    pub(super) fn forget(&mut self, register: Register) {
        for (other, captures) in &mut self.all {
            if *other == register {
                captures.spans.clear();
            }
        }
    }

    /// Searches; a match replaces what the register holds, a failed search leaves it alone.
    pub(super) fn find(&mut self, find: &Find, into: Register, subject: &[u8]) -> Result<bool, Failure> {
        if !find.matcher.find(subject, find.keep, &mut self.spans)? {
            return Ok(false);
        }
        let at = self.all.iter().position(|(register, _)| *register == into).unwrap_or_else(|| {
            self.all.push((into, Captures::default()));
            self.all.len() - 1
        });
        let captures = &mut self.all[at].1;
        std::mem::swap(&mut captures.spans, &mut self.spans);
        captures.subject.clear();
        captures.subject.extend_from_slice(subject);
        Ok(true)
    }

    /// Where the whole match began and ended.
    pub(super) fn whole(&self, register: Register) -> (usize, usize) {
        let captures = self.all.iter().find(|(other, _)| *other == register);
        let span = captures.and_then(|(_, captures)| captures.spans.first()).filter(|span| **span != UNSET);
        span.map_or((0, 0), |(start, end)| (*start as usize, *end as usize))
    }

    /// What a group matched; empty when it took no part.
    pub(super) fn group(&self, register: Register, group: u32) -> &[u8] {
        let captures = self.all.iter().find(|(other, _)| *other == register);
        captures.map_or(&[], |(_, captures)| part(&captures.subject, &captures.spans, group))
    }
}

/// What a group matched.
pub(super) fn part<'s>(subject: &'s [u8], spans: &Spans, group: u32) -> &'s [u8] {
    match spans.get(group as usize) {
        Some(&UNSET) | None => &[],
        Some(&(start, end)) => subject.get(start as usize..end as usize).unwrap_or_default(),
    }
}

/// Variables that have a value, and buffers to build values in.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    /// Few enough to be searched in turn.
    all: Vec<(VarId, u32, u32)>,
    bytes: Vec<u8>,
    spare: SmallVec<[Vec<u8>; 4]>,
}

/// Buffers kept for later.
const SPARE: usize = 4;

/// A buffer that grew beyond this is not kept.
const LARGE: usize = 16 << 10;

impl Values {
    pub(super) fn clear(&mut self) {
        self.all.clear();
        self.bytes.clear();
    }

    /// Takes over all values of others.
    pub(super) fn copy(&mut self, from: &Self) {
        self.all.clone_from(&from.all);
        self.bytes.clone_from(&from.bytes);
    }

    pub(super) fn get(&self, var: VarId) -> Option<&[u8]> {
        let (_, start, end) = self.all.iter().find(|(other, ..)| *other == var)?;
        self.bytes.get(*start as usize..*end as usize)
    }

    pub(super) fn set(&mut self, var: VarId, value: &[u8]) {
        let known = self.all.iter_mut().find(|(other, ..)| *other == var);
        if let Some((_, start, end)) = known {
            let length = value.len() as u32;
            if *end - *start >= length {
                let from = *start as usize;
                self.bytes[from..from + value.len()].copy_from_slice(value);
            } else {
                *start = self.bytes.len() as u32;
                self.bytes.extend_from_slice(value);
            }
            *end = *start + length;
            return;
        }
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(value);
        self.all.push((var, start, self.bytes.len() as u32));
    }

    /// Forgets a value.
    pub(super) fn unset(&mut self, var: VarId) {
        self.all.retain(|(other, ..)| *other != var);
    }

    /// An empty buffer.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Returns a buffer.
    pub(super) fn give_back(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE && buffer.capacity() <= LARGE {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}
