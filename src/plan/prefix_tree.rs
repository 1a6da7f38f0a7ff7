//! Texts indexed by their beginnings: which of them a path begins with.

/// A radix tree. The children of a node lie side by side, sorted by their first byte.
#[derive(Debug, Default)]
pub(super) struct PrefixTree {
    nodes: Vec<Node>,
    /// The first byte of each node's label, for the search among siblings.
    firsts: Vec<u8>,
    labels: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    label: (u32, u32),
    children: (u32, u16),
    value: u32,
}

const NONE: u32 = u32::MAX;

impl PrefixTree {
    /// Indexes texts. Of equal ones the first counts.
    pub(super) fn new(mut texts: Vec<(&[u8], u32)>) -> Self {
        texts.sort_by_key(|(text, _)| *text);
        texts.dedup_by_key(|(text, _)| *text);
        let mut tree = Self::default();
        if texts.is_empty() {
            return tree;
        }
        tree.push(&[]);
        let mut open = vec![(0, &*texts, 0)];
        while let Some((node, mut texts, depth)) = open.pop() {
            if let Some(((text, value), rest)) = texts.split_first()
                && text.len() == depth
            {
                tree.nodes[node].value = *value;
                texts = rest;
            }
            let first = tree.nodes.len();
            for group in texts.chunk_by(|left, right| left.0[depth] == right.0[depth]) {
                let (from, to) = (group[0].0, group[group.len() - 1].0);
                // Sorted, so what the outermost two share, all share.
                let shared = from.iter().zip(to).take_while(|(left, right)| left == right).count();
                open.push((tree.nodes.len(), group, shared));
                tree.push(&from[depth..shared]);
            }
            tree.nodes[node].children = (first as u32, (tree.nodes.len() - first) as u16);
        }
        tree
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The longest text that the path begins with.
    pub(super) fn longest(&self, path: &[u8]) -> Option<u32> {
        let mut longest = None;
        self.each(path, |value| longest = Some(value));
        longest
    }

    /// Visits the texts that the path begins with, the shortest first.
    pub(super) fn each(&self, path: &[u8], mut visit: impl FnMut(u32)) {
        let Some(mut node) = self.nodes.first() else { return };
        let mut rest = path;
        loop {
            if node.value != NONE {
                visit(node.value);
            }
            let Some(next) = rest.first() else { return };
            let (first, count) = (node.children.0 as usize, usize::from(node.children.1));
            let Ok(at) = self.firsts[first..first + count].binary_search(next) else { return };
            node = &self.nodes[first + at];
            let label = &self.labels[node.label.0 as usize..node.label.1 as usize];
            match rest.strip_prefix(label) {
                Some(after) => rest = after,
                None => return,
            }
        }
    }

    fn push(&mut self, label: &[u8]) {
        let start = self.labels.len() as u32;
        self.labels.extend_from_slice(label);
        self.firsts.push(label.first().copied().unwrap_or(0));
        let label = (start, self.labels.len() as u32);
        self.nodes.push(Node { label, children: (0, 0), value: NONE });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_beginnings() {
        let texts = ["/", "/a", "/ab/", "/ab/c", "/b", "/a", "x", "/ab\u{e9}"];
        let tree = PrefixTree::new(texts.iter().zip(0..).map(|(text, at)| (text.as_bytes(), at)).collect());
        for path in ["/", "/a", "/abc", "/ab/", "/ab/cd", "/b", "", "y", "xx", "/ab\u{e9}z", "/ab\u{ea}"] {
            let mut found = Vec::new();
            tree.each(path.as_bytes(), |value| found.push(value));
            let mut expected: Vec<u32> =
                (0..8).filter(|at| *at != 5 && path.starts_with(texts[*at as usize])).collect();
            expected.sort_by_key(|at| texts[*at as usize].len());
            assert_eq!(found, expected, "{path}");
            assert_eq!(tree.longest(path.as_bytes()), expected.last().copied());
        }
        assert!(PrefixTree::new(Vec::new()).longest(b"/").is_none());
        assert_eq!(PrefixTree::new(vec![(b"", 7)]).longest(b""), Some(7));
    }
}
