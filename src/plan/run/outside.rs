//! What a run has looked up outside of the plan, takes for a request's target, and promises to the response.

use super::{Op, Plan, Run, View};
use crate::ir::{Lookup, Name, Negotiate, Noted, Probe, Template};

/// A field that the response is to have.
#[derive(Debug)]
pub struct Promised {
    /// Its name.
    pub field: Name,
    /// Its value.
    pub value: Vec<u8>,
    /// Whether answers of our own that are errors or redirects have it, too.
    pub always: bool,
    /// Whether it is a member of a list.
    pub member: bool,
}

impl Run {
    /// Evaluates what a need speaks of.
    pub(super) fn ask_for(&mut self, plan: &Plan, view: &impl View, template: &Template) {
        let mut asked = std::mem::take(&mut self.asked);
        asked.clear();
        self.eval(plan, view, template, &mut asked);
        self.asked = asked;
    }

    /// The answer to [`super::Need::Locate`]: how much of the name is left, how much of that is the directory, and what
    /// the file is.
    pub fn located(&mut self, plan: &Plan, length: usize, folder: usize, kind: &str) {
        let Some(Op::Locate(names)) = plan.code.get(self.place as usize) else { return };
        let mut name = std::mem::take(&mut self.asked);
        let length = length.min(name.len());
        self.values.set(names.rest, &name[length..]);
        name.truncate(length);
        self.values.set(names.file, &name);
        let last = memchr::memrchr(b'/', &name).map_or(0, |slash| slash + 1);
        self.values.set(names.name, &name[last..]);
        name.truncate(folder);
        if name.last() != Some(&b'/') {
            name.push(b'/');
        }
        self.values.set(names.folder, &name);
        self.values.set(names.kind, kind.as_bytes());
        self.asked = name;
        self.told = Some(true);
    }

    /// The answer to [`super::Need::Lookup`]. Then [`Run::step`].
    pub fn found(&mut self, plan: &Plan, view: &impl View, lookup: &Lookup, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.values.set(lookup.into, value);
        } else {
            let value = self.value(plan, view, &lookup.default);
            self.values.set(lookup.into, &value);
            self.values.give_back(value);
        }
    }

    /// A run that finds out how the target in [`Run::asked`] would be answered; `None` where that was asked too often
    /// or it is no target.
    pub fn fork(&self, plan: &Plan, view: &impl View) -> Option<Self> {
        const MOST: u8 = 5;
        let mut fork = Self {
            host: self.host,
            values: self.values.clone(),
            probes: self.probes + 1,
            spent: self.spent,
            asked_for: self.asked_for.clone(),
            ..Self::default()
        };
        let merge = plan.settings(plan.host_settings(self.host)).client.merge_slashes;
        let known =
            self.probes < MOST && view.read_target(&self.asked, merge, &mut fork.path, &mut fork.query);
        fork.start(plan, self.host);
        known.then_some(fork)
    }

    /// The answer to [`crate::plan::Need::Probe`]: the status, and the run that led to it.
    pub fn probed(&mut self, probe: &Probe, status: u16, fork: &Self) {
        for (from, into) in &probe.take {
            match fork.values.get(*from) {
                Some(value) => self.values.set(*into, value),
                None => self.values.unset(*into),
            }
        }
        self.values.set(probe.status, status.to_string().as_bytes());
    }

    /// The answer to [`crate::plan::Need::Negotiate`]: what came out. Then [`Run::step`].
    pub fn chosen(&mut self, negotiate: &Negotiate, noted: &[(Noted, Vec<u8>)]) {
        for (wanted, into) in &negotiate.into {
            match noted.iter().find(|(noted, _)| noted == wanted) {
                Some((_, value)) => self.values.set(*into, value),
                None => self.values.unset(*into),
            }
        }
    }

    /// Takes path and query from a target; `false` when it is none.
    pub(super) fn target(&mut self, plan: &Plan, view: &impl View, target: &Template) -> bool {
        let target = self.value(plan, view, target);
        self.path.clear();
        self.query.clear();
        let merge = plan.settings(self.settings).client.merge_slashes;
        let read = view.read_target(&target, merge, &mut self.path, &mut self.query);
        self.values.give_back(target);
        self.path_rest = 0;
        (self.rewritten, self.moved, self.internal) = (true, true, true);
        read
    }

    pub(super) fn promised_value(&mut self, plan: &Plan, view: &impl View, value: &Template) -> Vec<u8> {
        let mut text = Vec::new();
        self.eval(plan, view, value, &mut text);
        text
    }

    /// Notes a field for the response.
    pub(super) fn promise(&mut self, field: &Name, value: Vec<u8>, always: bool, member: bool) {
        if !value.is_empty() {
            self.promised.push(Promised { field: field.clone(), value, always, member });
        }
    }
}

/// A size in bytes: digits, then `k` or `m`.
pub(super) fn size(text: &[u8]) -> Option<u64> {
    let (digits, factor) = match text.split_last()? {
        (b'k' | b'K', digits) => (digits, 1 << 10),
        (b'm' | b'M', digits) => (digits, 1 << 20),
        _ => (text, 1),
    };
    std::str::from_utf8(digits).ok()?.parse::<u64>().ok()?.checked_mul(factor)
}

/// Takes `.`, `..` and empty components out of a file's name, so that who speaks of a directory speaks of all names of
/// what is in it. Nothing is above the root.
pub(super) fn resolve(name: &mut Vec<u8>) {
    let odd = |pair: &[u8]| pair[0] == b'/' && matches!(pair[1], b'/' | b'.');
    if name.first() != Some(&b'/') || !name.windows(2).any(odd) {
        return;
    }
    let old = std::mem::take(name);
    let mut components = old[1..].split(|byte| *byte == b'/').peekable();
    while let Some(component) = components.next() {
        let last = components.peek().is_none();
        match component {
            b"" | b"." => {
                // What ends so is a directory.
                if last && !name.ends_with(b"/") {
                    name.push(b'/');
                }
                continue;
            }
            b".." => {
                let parent = memchr::memrchr(b'/', name).unwrap_or(0);
                name.truncate(parent);
                if last {
                    name.push(b'/');
                }
                continue;
            }
            _ => {}
        }
        name.push(b'/');
        name.extend_from_slice(component);
    }
    if name.is_empty() {
        name.push(b'/');
    }
}

#[cfg(test)]
mod tests {
    use super::resolve;

    /// Observed: Apache httpd 2.4.71.
    #[test]
    fn names_of_files_are_resolved() {
        for (name, expected) in [
            ("/a/b", "/a/b"),
            ("/a/.b/..c/d.", "/a/.b/..c/d."),
            ("/a//b///c", "/a/b/c"),
            ("//a", "/a"),
            ("/a/../b", "/b"),
            ("/a/./b", "/a/b"),
            ("/a/b/../../../c", "/c"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/b/.", "/a/b/"),
            ("/a//", "/a/"),
            ("/a/", "/a/"),
            ("/", "/"),
            ("//", "/"),
            ("/..", "/"),
            ("", ""),
            ("a//b", "a//b"),
        ] {
            let mut name = name.as_bytes().to_vec();
            resolve(&mut name);
            assert_eq!(name.escape_ascii().to_string(), expected);
        }
    }
}
