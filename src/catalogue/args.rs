//! What a directive takes, as a small grammar.
//!
//! ```text
//! args   = form *( " / " form )             the first form with the right number of words counts
//! form   = *( term ) [ "block" ]
//! term   = choice | choice "+" | choice "*" | "[" choice "]"
//! choice = alt *( "|" alt ) | "(" alt *( "|" alt ) ")"
//! alt    = kind | kind "$" | kind ">0" | literal | literal "=" kind
//! kind   = flag | number | size | offset | time | seconds | string
//! ```
//!
//! `$` allows a value with variables, which only a request can judge; `>0` rules
//! out zero. Optional terms take words from the left. An empty text means: no
//! arguments.

use std::fmt;

/// The arguments of a directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Args {
    text: String,
    forms: Vec<Form>,
    block: bool,
}

/// The kinds of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `on` or `off`.
    Flag,
    /// A number without a sign.
    Number,
    /// Bytes in memory: `k`, `m`.
    Size,
    /// Bytes in a file: `k`, `m`, `g`.
    Offset,
    /// A time to the millisecond.
    Time,
    /// A time in whole seconds.
    Seconds,
    /// Anything.
    String,
}

/// One of the things that may stand at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alt {
    /// A value.
    Value(Value),
    /// A word as it is, in any case of letters.
    Literal(String),
    /// `name=value`
    Parameter {
        /// Before the `=`.
        name: String,
        /// After it.
        value: Value,
    },
}

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// What kind.
    pub kind: Kind,
    /// Whether variables may stand in it.
    pub variables: bool,
    /// Whether zero is wrong.
    pub positive: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Form {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    choice: Vec<Alt>,
    times: Times,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Times {
    Once,
    Optional,
    Some,
    Any,
}

impl Args {
    /// Reads the grammar; the error says what is wrong in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut block = false;
        let mut forms = Vec::new();
        for form in text.split(" / ") {
            let mut terms = Vec::new();
            for word in form.split_whitespace() {
                match word {
                    "block" => block = true,
                    _ => terms.push(Term::parse(word)?),
                }
            }
            forms.push(Form { terms });
        }
        Ok(Self { text: text.to_owned(), forms, block })
    }

    /// Whether a block follows.
    pub fn block(&self) -> bool {
        self.block
    }

    /// Whether this many words can be right.
    pub fn accepts(&self, words: usize) -> bool {
        self.forms.iter().any(|form| form.accepts(words))
    }

    /// The most words that can be right; `None` for any number.
    pub fn most(&self) -> Option<usize> {
        self.forms.iter().try_fold(0, |most, form| form.most().map(|here| most.max(here)))
    }

    /// What each of this many words may be; `None` when the number is wrong.
    pub fn places(&self, words: usize) -> Option<Vec<&[Alt]>> {
        self.forms.iter().find(|form| form.accepts(words)).map(|form| form.places(words))
    }

    /// The kind of the only value it takes, when it takes exactly one of one kind.
    pub fn scalar(&self) -> Option<Kind> {
        match self.places(1)?.as_slice() {
            [[Alt::Value(value)]] => Some(value.kind),
            _ => None,
        }
    }
}

impl fmt::Display for Args {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl Form {
    fn accepts(&self, words: usize) -> bool {
        let least = self.terms.iter().filter(|term| term.least() == 1).count();
        words >= least && self.most().is_none_or(|most| words <= most)
    }

    fn most(&self) -> Option<usize> {
        self.terms.iter().try_fold(0, |sum, term| term.most().map(|most| sum + most))
    }

    fn places(&self, words: usize) -> Vec<&[Alt]> {
        let least = self.terms.iter().filter(|term| term.least() == 1).count();
        let mut spare = words.saturating_sub(least);
        let mut places = Vec::with_capacity(words);
        for term in &self.terms {
            let extra = term.most().map_or(spare, |most| spare.min(most - term.least()));
            spare -= extra;
            places.extend(std::iter::repeat_n(term.choice.as_slice(), term.least() + extra));
        }
        places
    }
}

impl Term {
    fn parse(word: &str) -> Result<Self, String> {
        let (choice, times) = match word.strip_prefix('[') {
            Some(rest) => {
                let inner = rest.strip_suffix(']').ok_or_else(|| format!("`{word}` has no `]`"))?;
                (inner, Times::Optional)
            }
            None => match (word.strip_suffix('+'), word.strip_suffix('*')) {
                (Some(inner), _) => (inner, Times::Some),
                (_, Some(inner)) => (inner, Times::Any),
                _ => (word, Times::Once),
            },
        };
        let choice = match choice.strip_prefix('(') {
            Some(rest) => rest.strip_suffix(')').ok_or_else(|| format!("`{word}` has no `)`"))?,
            None => choice,
        };
        let choice = choice.split('|').map(Alt::parse).collect::<Result<_, _>>()?;
        Ok(Self { choice, times })
    }

    fn least(&self) -> usize {
        usize::from(matches!(self.times, Times::Once | Times::Some))
    }

    fn most(&self) -> Option<usize> {
        matches!(self.times, Times::Once | Times::Optional).then_some(1)
    }
}

impl Alt {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("an empty choice".to_owned());
        }
        if let Some((name, value)) = text.split_once('=')
            && let Some(value) = Value::parse(value)
        {
            return Ok(Self::Parameter { name: name.to_owned(), value });
        }
        Ok(Value::parse(text).map_or_else(|| Self::Literal(text.to_owned()), Self::Value))
    }
}

impl fmt::Display for Alt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => out.write_str(value.kind.description()),
            Self::Literal(word) => write!(out, "`{word}`"),
            Self::Parameter { name, .. } => write!(out, "`{name}=`"),
        }
    }
}

impl Value {
    fn parse(text: &str) -> Option<Self> {
        let (word, variables) = text.strip_suffix('$').map_or((text, false), |word| (word, true));
        let (word, positive) = word.strip_suffix(">0").map_or((word, false), |word| (word, true));
        let kind = match word {
            "flag" => Kind::Flag,
            "number" => Kind::Number,
            "size" => Kind::Size,
            "offset" => Kind::Offset,
            "time" => Kind::Time,
            "seconds" => Kind::Seconds,
            "string" => Kind::String,
            _ => return None,
        };
        Some(Self { kind, variables, positive })
    }
}

impl Kind {
    /// What to call it in a message.
    pub fn description(self) -> &'static str {
        match self {
            Self::Flag => "`on` or `off`",
            Self::Number => "a number",
            Self::Size | Self::Offset => "a size",
            Self::Time | Self::Seconds => "a time",
            Self::String => "a text",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        let table: &[(&str, &[usize], bool)] = &[
            ("", &[0], false),
            ("block", &[0], true),
            ("string", &[1], false),
            ("string [string] block", &[1, 2], true),
            ("off / string string", &[1, 2], false),
            ("string / string string string", &[1, 3], false),
            ("string string+", &[2, 3, 4, 5, 6, 7, 8, 9], false),
            ("string (a=number|b)*", &[1, 2, 3, 4, 5, 6, 7, 8, 9], false),
        ];
        for (text, right, block) in table {
            let args = Args::parse(text).unwrap();
            let counts: Vec<usize> = (0..10).filter(|&count| args.accepts(count)).collect();
            assert_eq!((counts.as_slice(), args.block()), (*right, *block), "{text}");
        }
    }

    #[test]
    fn words_find_their_places() {
        let args = Args::parse("string [time] number+").unwrap();
        let kinds = |words| -> Vec<String> {
            let places = args.places(words).unwrap();
            places.iter().map(|choice| choice[0].to_string()).collect()
        };
        assert_eq!(kinds(2), ["a text", "a number"]);
        assert_eq!(kinds(4), ["a text", "a time", "a number", "a number"]);
        assert!(args.places(1).is_none());
    }

    #[test]
    fn scalars() {
        let scalar = |text| Args::parse(text).unwrap().scalar();
        assert_eq!(scalar("time"), Some(Kind::Time));
        assert_eq!(scalar("off|time"), None);
        assert_eq!(scalar("string string"), None);
    }

    #[test]
    fn an_equals_sign_alone_makes_no_parameter() {
        let args = Args::parse("samesite=lax|max=number").unwrap();
        let places = args.places(1).unwrap();
        assert_eq!(places[0][0], Alt::Literal("samesite=lax".to_owned()));
        assert!(matches!(&places[0][1], Alt::Parameter { name, .. } if name == "max"));
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(Args::parse("[string").unwrap_err(), "`[string` has no `]`");
        assert_eq!(Args::parse("a||b").unwrap_err(), "an empty choice");
    }
}
