//! `triglot check --fix`: writes what findings would have, or shows it.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

use crate::{
    diagnostic::{Diagnostic, Fix},
    source::{FileId, SourceMap},
};

/// A file as fixes would have it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fixed {
    /// The file.
    pub(super) path: PathBuf,
    /// As it is.
    pub(super) before: Vec<u8>,
    /// As it would be.
    pub(super) after: Vec<u8>,
}

/// Applies the edits of findings to the files they are in. An edit that overlaps one before it is left out.
pub(super) fn apply(sources: &SourceMap, found: &[Diagnostic]) -> Vec<Fixed> {
    let mut edits: BTreeMap<FileId, Vec<&Fix>> = BTreeMap::new();
    for fix in found.iter().flat_map(|one| &one.fixes).filter(|fix| fix.span.is_known()) {
        let of_file = edits.entry(fix.span.file).or_default();
        let same = |other: &&Fix| {
            (other.span.start, other.span.end, &other.text) == (fix.span.start, fix.span.end, &fix.text)
        };
        if !of_file.iter().any(same) {
            of_file.push(fix);
        }
    }
    let mut fixed = Vec::new();
    for (id, mut edits) in edits {
        let file = sources.file(id);
        // Stable: what is put in at one place stays in the order of the findings.
        edits.sort_by_key(|fix| (fix.span.start, fix.span.end));
        let (mut after, mut at) = (Vec::new(), 0);
        for fix in edits {
            let (start, end) = (fix.span.start as usize, fix.span.end as usize);
            if start < at || end > file.text.len() {
                continue;
            }
            after.extend_from_slice(&file.text[at..start]);
            after.extend_from_slice(fix.text.as_bytes());
            at = end;
        }
        after.extend_from_slice(&file.text[at..]);
        fixed.push(Fixed { path: file.path.clone(), before: file.text.to_vec(), after });
    }
    fixed
}

/// The lines that differ, as `diff -u` shows them, with three lines around.
pub(super) fn diff(fixed: &Fixed) -> String {
    let lines = |text: &[u8]| -> Vec<String> {
        String::from_utf8_lossy(text).split_inclusive('\n').map(str::to_owned).collect()
    };
    let (old, new) = (lines(&fixed.before), lines(&fixed.after));
    let path = fixed.path.display();
    let mut out = format!("--- {path}\n+++ {path}\n");
    let script = script(&old, &new);
    let changed: Vec<usize> =
        script.iter().enumerate().filter(|(_, line)| line.0 != ' ').map(|(at, _)| at).collect();
    let mut at = 0;
    while at < changed.len() {
        let mut last = at;
        while last + 1 < changed.len() && changed[last + 1] - changed[last] <= 6 {
            last += 1;
        }
        let from = changed[at].saturating_sub(3);
        let to = (changed[last] + 4).min(script.len());
        let count = |upto: usize, sign: char| script[..upto].iter().filter(|line| line.0 != sign).count();
        let (old_from, new_from) = (count(from, '+'), count(from, '-'));
        let (old_count, new_count) = (count(to, '+') - old_from, count(to, '-') - new_from);
        // Writing to a String cannot fail.
        let _ = writeln!(out, "@@ -{},{old_count} +{},{new_count} @@", old_from + 1, new_from + 1);
        for (sign, line) in &script[from..to] {
            out.push(*sign);
            out.push_str(line.trim_end_matches('\n'));
            out.push('\n');
        }
        at = last + 1;
    }
    out
}

/// What stays, goes and comes, line by line: the longest common part between equal beginnings and ends.
fn script(old: &[String], new: &[String]) -> Vec<(char, String)> {
    let begin = old.iter().zip(new).take_while(|(one, other)| one == other).count();
    let end = old[begin..]
        .iter()
        .rev()
        .zip(new[begin..].iter().rev())
        .take_while(|(one, other)| one == other)
        .count();
    let (a, b) = (&old[begin..old.len() - end], &new[begin..new.len() - end]);
    let mut script: Vec<(char, String)> = old[..begin].iter().map(|line| (' ', line.clone())).collect();
    if a.len().saturating_mul(b.len()) > 4_000_000 {
        script.extend(a.iter().map(|line| ('-', line.clone())));
        script.extend(b.iter().map(|line| ('+', line.clone())));
    } else {
        let mut length = vec![vec![0u32; b.len() + 1]; a.len() + 1];
        for i in (0..a.len()).rev() {
            for j in (0..b.len()).rev() {
                length[i][j] = if a[i] == b[j] {
                    length[i + 1][j + 1] + 1
                } else {
                    length[i + 1][j].max(length[i][j + 1])
                };
            }
        }
        let (mut i, mut j) = (0, 0);
        while i < a.len() || j < b.len() {
            if i < a.len() && j < b.len() && a[i] == b[j] {
                script.push((' ', a[i].clone()));
                i += 1;
                j += 1;
            } else if i < a.len() && (j == b.len() || length[i + 1][j] >= length[i][j + 1]) {
                script.push(('-', a[i].clone()));
                i += 1;
            } else {
                script.push(('+', b[j].clone()));
                j += 1;
            }
        }
    }
    script.extend(old[old.len() - end..].iter().map(|line| (' ', line.clone())));
    script
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{diagnostic::Diagnostic, source::Span};

    #[test]
    fn edits_are_applied_once_and_never_overlap() {
        let mut sources = SourceMap::new();
        let file = sources.add("/x".into(), b"one\ntwo\nthree\n".to_vec());
        let at = |start, end| Span::new(file, start, end);
        let found = [
            Diagnostic::warning("a", at(0, 1), "a").fix(at(4, 7), "2").fix(at(0, 0), "zero\n"),
            Diagnostic::warning("b", at(0, 1), "b").fix(at(0, 0), "zero\n").fix(at(5, 6), "x"),
        ];
        let fixed = apply(&sources, &found);
        assert_eq!(fixed[0].after, b"zero\none\n2\nthree\n");
        let expected = "--- /x\n+++ /x\n@@ -1,3 +1,4 @@\n+zero\n one\n-two\n+2\n three\n";
        assert_eq!(diff(&fixed[0]), expected);
    }
}
