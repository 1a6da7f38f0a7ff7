//! What a path maps to in the file system.

use super::super::facts::Facts;
use crate::{
    ir::{Attr, Part, Template},
    plan::{Plan, Run, View},
};

/// Appends the directory that paths are mapped to; `false` when there is none.
pub fn document_root(run: &mut Run, plan: &Plan, view: &impl View, out: &mut Vec<u8>) -> bool {
    let files = &plan.settings(run.settings).files;
    let template = files.alias.as_ref().map_or(&files.root, |alias| &alias.with);
    run.eval(plan, view, template, out);
    !out.is_empty()
}

/// Appends the name of the file that the path maps to; `false` when the path was rewritten so that it is
/// shorter than the prefix which the mapping replaces.
pub fn file_path(run: &mut Run, plan: &Plan, view: &impl View, out: &mut Vec<u8>) -> bool {
    let files = &plan.settings(run.settings).files;
    let (template, cut) = match &files.alias {
        Some(alias) => (&alias.with, alias.cut),
        None => (&files.root, Some(0)),
    };
    run.eval(plan, view, template, out);
    append(&run.path, cut, out)
}

/// Appends what of the path follows the prefix.
fn append(path: &[u8], cut: Option<u32>, out: &mut Vec<u8>) -> bool {
    let Some(cut) = cut else { return true };
    path.get(cut as usize..).is_some_and(|rest| {
        out.extend_from_slice(rest);
        true
    })
}

/// Appends the value of an attribute that speaks of files: for roots made of text and attributes, which need
/// no run. `false` when the root is made of anything else.
pub fn attr(facts: &Facts, plan: &Plan, run: &Run, attr: &Attr, out: &mut Vec<u8>) -> bool {
    let files = &plan.settings(run.settings).files;
    let (template, cut) = match &files.alias {
        Some(alias) => (&alias.with, alias.cut),
        None => (&files.root, Some(0)),
    };
    let start = out.len();
    if !simple(facts, run, template, out) {
        out.truncate(start);
        return false;
    }
    match attr {
        Attr::FilePath => append(&run.path, cut, out),
        Attr::DocumentRootReal => {
            let real = real(&out[start..]);
            out.truncate(start);
            real.is_some_and(|real| {
                out.extend_from_slice(&real);
                true
            })
        }
        _ => true,
    }
}

/// A name with symbolic links resolved; `None` when there is no such file.
pub fn real(name: &[u8]) -> Option<Vec<u8>> {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    let path = std::fs::canonicalize(std::ffi::OsStr::from_bytes(name)).ok()?;
    Some(path.into_os_string().into_vec())
}

fn simple(facts: &Facts, run: &Run, template: &Template, out: &mut Vec<u8>) -> bool {
    template.0.iter().all(|part| match part {
        Part::Text(text) => {
            out.extend_from_slice(text);
            true
        }
        // A root that speaks of itself has no value.
        Part::Attr(Attr::DocumentRoot | Attr::DocumentRootReal | Attr::FilePath)
        | Part::Var(_)
        | Part::Capture(..)
        | Part::Escape(..) => false,
        Part::Attr(attr) => {
            facts.attr(run, attr, out);
            true
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_follow_the_root_or_what_replaces_a_prefix() {
        for (path, cut, before, expected) in [
            ("/a/b", Some(0), "/srv", Some("/srv/a/b")),
            ("/al3x.txt", Some(4), "/srv/sub/", Some("/srv/sub/x.txt")),
            ("/al3/x", Some(4), "/srv/sub/", Some("/srv/sub//x")),
            ("/i/x", Some(3), "/srv/sub", Some("/srv/subx")),
            ("/anything", None, "/srv/file", Some("/srv/file")),
            ("/q", Some(4), "/srv/", None),
        ] {
            let mut out = before.as_bytes().to_vec();
            let done = append(path.as_bytes(), cut, &mut out);
            assert_eq!(done.then_some(out), expected.map(|text| text.as_bytes().to_vec()), "{path}");
        }
    }

    #[test]
    fn links_are_resolved() {
        assert_eq!(real(b"/proc/../proc"), Some(b"/proc".to_vec()));
        assert_eq!(real(b"/nonexistent"), None);
    }
}
