//! What the name of a file says about what is in it.

use super::super::response::Response;
use crate::{
    ir::Text,
    plan::{AnswerPlan, Effective},
};

/// What is said about a file's content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kind {
    /// Its type, character set included; empty when nothing is known.
    pub of: Vec<u8>,
    /// Its content codings, joined as a list.
    pub encoding: Vec<u8>,
    /// Its languages, likewise.
    pub language: Vec<u8>,
}

impl Kind {
    /// Says it in the fields of a response.
    pub fn tell(&self, response: &mut Response) {
        for (name, value) in [
            (&b"Content-Type"[..], &self.of),
            (b"Content-Encoding", &self.encoding),
            (b"Content-Language", &self.language),
        ] {
            if !value.is_empty() {
                response.add(name, value);
            }
        }
    }
}

/// Reads all extensions of a name: of types and character sets the last counts, others add up. What precedes the first
/// dot is none, nor are dots at the beginning.
pub fn kind(settings: &Effective, name: &[u8]) -> Kind {
    read(settings, name).0
}

/// Likewise; and the extensions that say nothing.
pub fn read<'n>(settings: &Effective, name: &'n [u8]) -> (Kind, Vec<&'n [u8]>) {
    let answer = &settings.answer;
    let mut kind = Kind::default();
    let mut charset = None;
    let mut silent = Vec::new();
    let base = &name[memchr::memrchr(b'/', name).map_or(0, |slash| slash + 1)..];
    let hidden = base.iter().take_while(|byte| **byte == b'.').count();
    for extension in base[hidden..].split(|byte| *byte == b'.').skip(1).filter(|part| !part.is_empty()) {
        let written = extension;
        let extension = extension.to_ascii_lowercase();
        let mut says = false;
        if let Some(of) = answer.types.get(&*extension).filter(|of| !of.is_empty()) {
            kind.of = of.to_vec();
            says = true;
        }
        if let Some(found) = find(&answer.charsets, &extension) {
            charset = Some(found);
            says = true;
        }
        if let Some(found) = find(&answer.encodings, &extension) {
            add(&mut kind.encoding, found);
            says = true;
        }
        if let Some(found) = find(&answer.languages, &extension) {
            add(&mut kind.language, found);
            says = true;
        }
        if !says {
            silent.push(written);
        }
    }
    if kind.language.is_empty() {
        kind.language = answer.default_language.to_vec();
    }
    if let Some(forced) = forced(answer) {
        kind.of = forced.to_vec();
    }
    if let Some(charset) = charset.filter(|_| !kind.of.is_empty()) {
        kind.of.extend_from_slice(b"; charset=");
        kind.of.extend_from_slice(charset);
    }
    (kind, silent)
}

fn forced(answer: &AnswerPlan) -> Option<&Text> {
    answer.forced_type.as_ref()
}

/// The last entry for an extension; an empty one is none.
fn find<'s>(list: &'s [(Text, Text)], extension: &[u8]) -> Option<&'s Text> {
    let found = list.iter().rev().find(|(known, _)| **known == *extension);
    found.map(|(_, value)| value).filter(|value| !value.is_empty())
}

fn add(list: &mut Vec<u8>, value: &[u8]) {
    if !list.is_empty() {
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(value);
}
