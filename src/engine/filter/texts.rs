//! Texts replaced wherever they stand, also where they come in pieces.

use aho_corasick::{AhoCorasick, MatchKind};

/// Looks for several texts at once, without regard to case. What is held back is no more than the beginning of one.
#[derive(Debug)]
pub struct Texts {
    rows: Vec<(Vec<u8>, Vec<u8>)>,
    finder: Option<AhoCorasick>,
    once: bool,
    held: Vec<u8>,
}

impl Texts {
    /// These texts, with what stands in their place; empty texts are nowhere.
    pub fn new(mut rows: Vec<(Vec<u8>, Vec<u8>)>, once: bool) -> Self {
        rows.retain(|(find, _)| !find.is_empty());
        let mut texts = Self { rows, finder: None, once, held: Vec::new() };
        texts.build();
        texts
    }

    fn build(&mut self) {
        let texts = self.rows.iter().map(|(find, _)| find);
        let mut builder = AhoCorasick::builder();
        builder.ascii_case_insensitive(true).match_kind(MatchKind::LeftmostFirst);
        self.finder = builder.build(texts).ok().filter(|_| !self.rows.is_empty());
    }

    /// Takes content.
    pub fn push(&mut self, data: &[u8], out: &mut Vec<u8>) {
        if self.held.is_empty() {
            let from = self.run(data, false, out);
            self.held.extend_from_slice(&data[from..]);
            return;
        }
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(data);
        let from = self.run(&all, false, out);
        all.drain(..from);
        self.held = all;
    }

    /// Ends the content.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let all = std::mem::take(&mut self.held);
        self.run(&all, true, out);
    }

    /// Replaces what is decided; where that ends.
    fn run(&mut self, data: &[u8], end: bool, out: &mut Vec<u8>) -> usize {
        let mut at = 0;
        let mut stop = if end { data.len() } else { self.open(data) };
        while let Some(finder) = &self.finder {
            let found = finder.find(aho_corasick::Input::new(data).range(at..));
            let Some(found) = found.filter(|found| found.start() < stop || end) else { break };
            let row = found.pattern().as_usize();
            out.extend_from_slice(&data[at..found.start()]);
            out.extend_from_slice(&self.rows[row].1);
            at = found.end();
            if self.once {
                self.rows.remove(row);
                self.build();
                stop = if end { data.len() } else { self.open(data) };
            }
            stop = stop.max(at);
        }
        out.extend_from_slice(&data[at..stop.max(at)]);
        stop.max(at)
    }

    /// Where the first text begins that may go on behind the end.
    fn open(&self, data: &[u8]) -> usize {
        let longest = self.rows.iter().map(|(find, _)| find.len()).max().unwrap_or(0);
        let from = data.len().saturating_sub(longest.saturating_sub(1));
        let begins = |at: usize| {
            let tail = &data[at..];
            self.rows
                .iter()
                .any(|(find, _)| find.len() > tail.len() && find[..tail.len()].eq_ignore_ascii_case(tail))
        };
        (from..data.len()).find(|&at| begins(at)).unwrap_or(data.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(rows: &[(&str, &str)], once: bool, data: &str, step: usize) -> String {
        let rows =
            rows.iter().map(|(find, with)| (find.as_bytes().to_vec(), with.as_bytes().to_vec())).collect();
        let (mut texts, mut out) = (Texts::new(rows, once), Vec::new());
        for piece in data.as_bytes().chunks(step) {
            texts.push(piece, &mut out);
        }
        texts.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn pieces_make_no_difference() {
        let rows = [("abc", "<1>"), ("abcd", "<2>"), ("bb", ""), ("aab", "<3>")];
        for (data, once, expected) in [
            ("xABCdaaabcBBb", false, "x<1>da<3>cb"),
            ("abcabc", true, "<1>abc"),
            ("ab", false, "ab"),
            ("aabaabbb", false, "<3><3>"),
            ("", false, ""),
        ] {
            for step in 1..=data.len().max(1) {
                assert_eq!(replaced(&rows, once, data, step), expected, "{data} {step}");
            }
        }
    }

    #[test]
    fn no_more_is_held_than_a_beginning() {
        let mut texts = Texts::new(vec![(b"needle".to_vec(), b"pin".to_vec())], false);
        let mut out = Vec::new();
        texts.push(b"data: hay\n\n", &mut out);
        assert_eq!(out, b"data: hay\n\n");
        texts.push(b"a need", &mut out);
        assert_eq!(texts.held, b"need");
    }
}
