//! Many patterns in one pass: the first, in their order, that matches.

use std::cell::RefCell;

use regex_automata::{Input, MatchKind, PatternSet, meta, nfa::thompson::WhichCaptures, util::syntax};

use super::{Failure, Find, Matcher, SIZE, Test};

/// From this many on, automata are joined.
const JOIN: usize = 8;

/// An index over patterns in order.
#[derive(Debug, Default)]
pub struct Several {
    /// The automata of those that have one, in one, with their places in the list.
    joined: Option<(meta::Regex, Vec<u32>)>,
    /// The places of the others.
    alone: Vec<u32>,
    /// Whether a line feed at the end of the subject makes a difference.
    minds_final_newline: bool,
}

thread_local! {
    static HITS: RefCell<PatternSet> = RefCell::new(PatternSet::new(64));
}

impl Several {
    /// Indexes patterns.
    pub fn new(patterns: &[Find]) -> Self {
        let every = || (0..patterns.len() as u32).collect();
        let text = |find: &Find| joinable(&find.matcher).map(str::to_owned);
        let (places, texts): (Vec<u32>, Vec<String>) =
            (0..).zip(patterns).filter_map(|(at, find)| Some((at, text(find)?))).unzip();
        if texts.len() < JOIN {
            return Self { joined: None, alone: every(), minds_final_newline: false };
        }
        let syntax = syntax::Config::new().unicode(false).utf8(false);
        let config = meta::Config::new()
            .match_kind(MatchKind::All)
            .which_captures(WhichCaptures::None)
            .nfa_size_limit(Some(SIZE))
            .utf8_empty(false)
            .hybrid_cache_capacity(16 << 20);
        let Ok(joined) = meta::Builder::new().syntax(syntax).configure(config).build_many(&texts) else {
            return Self { joined: None, alone: every(), minds_final_newline: false };
        };
        let alone = (0..patterns.len() as u32).filter(|at| places.binary_search(at).is_err()).collect();
        let minds =
            |find: &Find| find.matcher.source.as_ref().is_some_and(|source| source.minds_final_newline);
        Self { joined: Some((joined, places)), alone, minds_final_newline: patterns.iter().any(minds) }
    }

    /// Whether single automata are needed for captures only.
    pub fn is_joined(&self) -> bool {
        self.joined.is_some()
    }

    /// A bit for each of `count` patterns that may match: those that cannot be joined may, always.
    pub fn hits(&self, count: usize, subject: &[u8], out: &mut Vec<u64>) {
        out.clear();
        let all = self.minds_final_newline && subject.last() == Some(&b'\n');
        let Some((joined, places)) = self.joined.as_ref().filter(|_| !all) else {
            return out.resize(count.div_ceil(64), u64::MAX);
        };
        out.resize(count.div_ceil(64), 0);
        HITS.with_borrow_mut(|hits| {
            if hits.capacity() < places.len() {
                *hits = PatternSet::new(places.len());
            }
            hits.clear();
            joined.which_overlapping_matches(&Input::new(subject), hits);
            let found = hits.iter().map(|hit| places[hit.as_usize()]);
            for place in found.chain(self.alone.iter().copied()) {
                out[place as usize / 64] |= 1 << (place % 64);
            }
        });
    }

    /// The place of the first pattern below `limit` that matches.
    pub fn first(&self, patterns: &[Find], subject: &[u8], limit: usize) -> Result<Option<usize>, Failure> {
        let each = |places: &mut dyn Iterator<Item = usize>| {
            for at in places {
                if patterns[at].matcher.is_match(subject)? {
                    return Ok(Some(at));
                }
            }
            Ok(None)
        };
        let Some((joined, places)) = &self.joined else {
            return each(&mut (0..patterns.len().min(limit)));
        };
        if self.minds_final_newline && subject.last() == Some(&b'\n') {
            return each(&mut (0..patterns.len().min(limit)));
        }
        let hit = HITS.with_borrow_mut(|hits| {
            if hits.capacity() < places.len() {
                *hits = PatternSet::new(places.len());
            }
            hits.clear();
            joined.which_overlapping_matches(&Input::new(subject), hits);
            hits.iter().next().map(|hit| places[hit.as_usize()] as usize)
        });
        let hit = hit.filter(|hit| *hit < limit);
        let before = hit.unwrap_or(limit);
        let mut alone = self.alone.iter().map(|at| *at as usize).take_while(|at| *at < before);
        Ok(each(&mut alone)?.or(hit))
    }
}

fn joinable(matcher: &Matcher) -> Option<&str> {
    match (&matcher.test, &matcher.source) {
        (Test::Literal(_) | Test::Columns(_) | Test::Automaton, Some(source)) if !source.utf => {
            source.text.as_deref()
        }
        _ => None,
    }
}
