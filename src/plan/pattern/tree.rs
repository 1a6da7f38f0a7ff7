//! The syntax tree of a regular expression: what it matches, whatever it was written in.

/// Characters, as sorted, disjoint, inclusive ranges: bytes, or scalar values where the pattern is for UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Set(Vec<(u32, u32)>);

/// What is matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// Nothing, everywhere.
    Empty,
    /// One character.
    Char(u32),
    /// One of these.
    Set(Set),
    /// At the beginning of the subject.
    Start,
    /// At its end.
    End,
    /// At its end, or before a line feed that ends it.
    EndOrFinalNewline,
    /// At the beginning of a line.
    LineStart,
    /// At the end of a line.
    LineEnd,
    /// Between a word and what is none.
    WordEdge,
    /// Anywhere else.
    NotWordEdge,
    /// One after the other.
    Sequence(Vec<Self>),
    /// The first that leads to a match.
    Choice(Vec<Self>),
    /// A group; with a number when it captures.
    Group(Option<u32>, Box<Self>),
    /// As often as it goes.
    Repeat {
        /// What.
        node: Box<Self>,
        /// At least.
        min: u32,
        /// At most.
        max: Option<u32>,
        /// Whether as often as possible first.
        greedy: bool,
    },
    /// Once matched, not tried otherwise.
    Atomic(Box<Self>),
    /// A look ahead or behind.
    Look {
        /// Whether at what precedes.
        behind: bool,
        /// Whether it must not match.
        negative: bool,
        /// At what.
        node: Box<Self>,
    },
    /// What a group matched.
    Back {
        /// Its number.
        group: u32,
        /// Whether without regard to case.
        fold: bool,
    },
    /// One thing if a group took part, else another.
    If {
        /// Its number.
        group: u32,
        /// When it did.
        yes: Box<Self>,
        /// When it did not.
        no: Box<Self>,
    },
}

impl Set {
    /// Exactly these ranges, in any order.
    pub(super) fn of(ranges: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut set = Self(ranges.into_iter().collect());
        set.tidy();
        set
    }

    /// The ranges.
    pub(super) fn ranges(&self) -> &[(u32, u32)] {
        &self.0
    }

    /// Adds the characters of another.
    pub(super) fn add(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
        self.tidy();
    }

    /// Everything else up to `last`.
    #[must_use]
    pub(super) fn negate(&self, last: u32) -> Self {
        let mut next = 0;
        let mut ranges = Vec::new();
        for &(from, to) in &self.0 {
            if from > next {
                ranges.push((next, from - 1));
            }
            next = to.saturating_add(1);
        }
        if next <= last {
            ranges.push((next, last));
        }
        Self(ranges)
    }

    /// With the other case of each letter: ASCII, or where `utf` all that have exactly one other case.
    #[must_use]
    pub(super) fn fold(&self, utf: bool) -> Self {
        const STEP: u32 = 32;
        let mut ranges = self.0.clone();
        for &(from, to) in &self.0 {
            for (first, last, other) in [(0x41, 0x5a, STEP.cast_signed()), (0x61, 0x7a, -STEP.cast_signed())]
            {
                let (low, high) = (from.max(first), to.min(last));
                if low <= high {
                    ranges.push((low.saturating_add_signed(other), high.saturating_add_signed(other)));
                }
            }
            if utf && to >= 0x80 && to - from < 4096 {
                let letters = (from.max(0x80)..=to).filter_map(char::from_u32);
                ranges.extend(letters.flat_map(other_cases).map(|letter| (letter, letter)));
            }
        }
        Self::of(ranges)
    }

    fn tidy(&mut self) {
        self.0.sort_unstable();
        let mut tidy: Vec<(u32, u32)> = Vec::with_capacity(self.0.len());
        for &(from, to) in &self.0 {
            match tidy.last_mut() {
                Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
                _ => tidy.push((from, to)),
            }
        }
        self.0 = tidy;
    }
}

/// The single characters that differ from a letter by case.
fn other_cases(letter: char) -> impl Iterator<Item = u32> {
    let single = |mut cases: Box<dyn Iterator<Item = char>>| {
        let first = cases.next();
        first.filter(|_| cases.next().is_none()).map(u32::from)
    };
    [single(Box::new(letter.to_lowercase())), single(Box::new(letter.to_uppercase()))].into_iter().flatten()
}

impl Node {
    /// One character, in both cases where `fold`.
    pub(super) fn char(code: u32, fold: bool, utf: bool) -> Self {
        if !fold {
            return Self::Char(code);
        }
        let set = Set::of([(code, code)]).fold(utf);
        if set.ranges() == [(code, code)] { Self::Char(code) } else { Self::Set(set) }
    }

    /// Whether only a backtracking engine can match it.
    pub(super) fn needs_backtracking(&self) -> bool {
        self.any(&|node| {
            matches!(node, Self::Atomic(_) | Self::Look { .. } | Self::Back { .. } | Self::If { .. })
        })
    }

    /// Whether a line feed at the end of the subject makes a difference that needs a look ahead.
    pub(super) fn minds_final_newline(&self) -> bool {
        self.any(&|node| matches!(node, Self::EndOrFinalNewline | Self::LineStart))
    }

    fn any(&self, is: &dyn Fn(&Self) -> bool) -> bool {
        is(self)
            || match self {
                Self::Sequence(nodes) | Self::Choice(nodes) => nodes.iter().any(|node| node.any(is)),
                Self::Group(_, node)
                | Self::Atomic(node)
                | Self::Repeat { node, .. }
                | Self::Look { node, .. } => node.any(is),
                Self::If { yes, no, .. } => yes.any(is) || no.any(is),
                Self::Empty
                | Self::Char(_)
                | Self::Set(_)
                | Self::Start
                | Self::End
                | Self::EndOrFinalNewline
                | Self::LineStart
                | Self::LineEnd
                | Self::WordEdge
                | Self::NotWordEdge
                | Self::Back { .. } => false,
            }
    }
}
