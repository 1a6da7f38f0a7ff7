//! How many words a directive takes, and Apache's own words when it is another number.

/// What follows a directive's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Args {
    /// The rest of the line; the directive splits it by itself.
    Raw,
    /// Nothing.
    None,
    /// `On` or `Off`.
    Flag,
    /// One word.
    One,
    /// Two words.
    Two,
    /// Three words.
    Three,
    /// One word or two.
    OneOrTwo,
    /// One word or three.
    OneOrThree,
    /// Two words or three.
    TwoOrThree,
    /// One to three words.
    OneToThree,
    /// One word or more, each for itself.
    Each,
    /// One word, and one more or several that go with it.
    Pairs,
    /// Any number of words.
    Any,
}

const WORDS: &[(&str, Args)] = &[
    ("raw", Args::Raw),
    ("none", Args::None),
    ("flag", Args::Flag),
    ("one", Args::One),
    ("two", Args::Two),
    ("three", Args::Three),
    ("one or two", Args::OneOrTwo),
    ("one or three", Args::OneOrThree),
    ("two or three", Args::TwoOrThree),
    ("one to three", Args::OneToThree),
    ("each", Args::Each),
    ("pairs", Args::Pairs),
    ("any", Args::Any),
];

impl Args {
    /// What the catalogue's files call it.
    pub fn from_word(word: &str) -> Option<Self> {
        WORDS.iter().find(|(name, _)| *name == word).map(|(_, args)| *args)
    }

    /// The word for it in the catalogue's files.
    pub fn word(self) -> &'static str {
        WORDS.iter().find(|(_, args)| *args == self).map_or("", |(name, _)| name)
    }

    /// What is wrong with these words, as Apache says it after the directive's name; `None` when nothing is.
    ///
    /// An empty word in quotes counts as none at all, and what follows it is not looked at.
    pub fn fault(self, words: &[&[u8]]) -> Option<&'static str> {
        let given = words.iter().take_while(|word| !word.is_empty()).count();
        // What follows the words it knows is looked at, empty or not.
        let within = |least: usize, most: usize| given >= least && (given..=most).contains(&words.len());
        let flag = |word: &&[u8]| word.eq_ignore_ascii_case(b"on") || word.eq_ignore_ascii_case(b"off");
        let (right, fault) = match self {
            Self::Raw | Self::Any => (true, ""),
            Self::None => (words.is_empty(), "takes no arguments"),
            Self::Flag => (words.first().is_some_and(flag), "must be On or Off"),
            Self::One => (within(1, 1), "takes one argument"),
            Self::Two => (within(2, 2), "takes two arguments"),
            Self::Three => (within(3, 3), "takes three arguments"),
            Self::OneOrTwo => (given >= 1 && words.len() <= 2, "takes 1-2 arguments"),
            Self::OneOrThree => (
                given >= 1 && (words.len() <= 1 || (given == 3 && words.len() == 3)),
                "takes one or three arguments",
            ),
            Self::TwoOrThree => (given >= 2 && words.len() <= 3, "takes two or three arguments"),
            Self::OneToThree => (given >= 1 && words.len() <= 3, "takes one, two or three arguments"),
            Self::Each => (given >= 1, "requires at least one argument"),
            Self::Pairs => (given >= 2, "requires at least two arguments"),
        };
        (!right).then_some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_as_apache_counts_them() {
        let table: [(Args, &[&str], bool); 16] = [
            (Args::One, &["a"], true),
            (Args::One, &[""], false),
            (Args::One, &["a", "b"], false),
            (Args::One, &[], false),
            (Args::Two, &["a", "b"], true),
            (Args::Two, &["a", ""], false),
            (Args::OneOrTwo, &["a", ""], true),
            (Args::OneOrTwo, &["a", "b", "c"], false),
            (Args::TwoOrThree, &["a"], false),
            (Args::Flag, &["ON", "junk"], true),
            (Args::Flag, &["yes"], false),
            (Args::Each, &[], false),
            (Args::Each, &["a", "b", "c"], true),
            (Args::Pairs, &["a"], false),
            (Args::OneOrThree, &["a", "b"], false),
            (Args::Raw, &[], true),
        ];
        for (args, words, right) in table {
            let words: Vec<_> = words.iter().map(|word| word.as_bytes()).collect();
            assert_eq!(args.fault(&words).is_none(), right, "{args:?} {words:?}");
        }
    }
}
