//! Tables of names and keys: exact, by wildcard, by pattern.

use smallvec::SmallVec;

use super::{
    Failure,
    hash::Map,
    pattern::{Find, Several},
};
use crate::ir::{Kind, Order, Pattern};

/// An index over patterns, by their place in the table.
#[derive(Debug)]
pub(super) struct Names {
    order: Order,
    exact: Map<Box<[u8]>, u32>,
    /// In lower case.
    folded: Map<Box<[u8]>, u32>,
    /// `*.example.com` as `.example.com`.
    starting: Map<Box<[u8]>, u32>,
    /// `www.*` as `www.`.
    ending: Map<Box<[u8]>, u32>,
    /// Everything else, in order.
    ordered: Vec<Find>,
    places: Vec<u32>,
    several: Several,
}

/// A row that matches.
pub(super) struct Hit<'p> {
    /// Its place.
    pub(super) place: u32,
    /// Its pattern, where it may have captures.
    pub(super) find: Option<&'p Find>,
}

type Lower = SmallVec<[u8; 64]>;

impl Names {
    /// Indexes the rows of a table; `compile` is asked for those that are compared one by one.
    pub(super) fn new<'c>(
        order: Order,
        rows: impl IntoIterator<Item = &'c Pattern>,
        mut compile: impl FnMut(usize, &Pattern) -> Option<Find>,
    ) -> Self {
        let mut names = Self {
            order,
            exact: Map::default(),
            folded: Map::default(),
            starting: Map::default(),
            ending: Map::default(),
            ordered: Vec::new(),
            places: Vec::new(),
            several: Several::default(),
        };
        for (place, row) in (0..).zip(rows) {
            let text = &row.text;
            let lower = || text.to_ascii_lowercase().into_boxed_slice();
            let entry = match row.kind {
                Kind::Exact if row.ignore_case => names.folded.entry(lower()),
                Kind::Exact => names.exact.entry(text[..].into()),
                Kind::Wildcard if text.starts_with(b"*.") => names.starting.entry(lower()[1..].into()),
                Kind::Wildcard if text.ends_with(b".*") => {
                    names.ending.entry(lower()[..text.len() - 1].into())
                }
                Kind::Wildcard => names.folded.entry(lower()),
                Kind::Prefix | Kind::Suffix | Kind::Regex(_) => {
                    if let Some(find) = compile(place as usize, row) {
                        names.ordered.push(find);
                        names.places.push(place);
                    }
                    continue;
                }
            };
            entry.or_insert(place);
        }
        names.several = Several::new(&names.ordered);
        names
    }

    /// The patterns that are compared one by one and not joined.
    pub(super) fn apart(&self) -> &[Find] {
        if self.several.is_joined() { &[] } else { &self.ordered }
    }

    /// Whether a match may write captures.
    pub(super) fn captures(&self) -> bool {
        self.ordered.iter().any(|find| find.keep > 0)
    }

    /// The row that a key takes.
    pub(super) fn find(&self, key: &[u8]) -> Result<Option<Hit<'_>>, Failure> {
        let plain = match self.order {
            Order::Specific => self.specific(key),
            Order::First => self.earliest(key),
        };
        let limit = match (plain, self.order) {
            (Some(_), Order::Specific) => 0,
            (Some(place), Order::First) => self.places.partition_point(|other| *other < place),
            (None, _) => self.ordered.len(),
        };
        let found = if limit == 0 { None } else { self.several.first(&self.ordered, key, limit)? };
        Ok(match found {
            Some(at) => Some(Hit { place: self.places[at], find: Some(&self.ordered[at]) }),
            None => plain.map(|place| Hit { place, find: None }),
        })
    }

    /// Exact, the longest wildcard at the start, the longest at the end.
    fn specific(&self, key: &[u8]) -> Option<u32> {
        let wildcards = !self.starting.is_empty() || !self.ending.is_empty();
        // A name may be written with the root's dot; a text that is no name keeps it.
        let key = if wildcards { key.strip_suffix(b".").unwrap_or(key) } else { key };
        if let Some(place) = self.exact.get(key) {
            return Some(*place);
        }
        if !wildcards && self.folded.is_empty() {
            return None;
        }
        let lower = lower(key);
        if let Some(place) = self.folded.get(&*lower) {
            return Some(*place);
        }
        let starting = || memchr::memchr_iter(b'.', &lower).find_map(|dot| self.under(&lower, dot));
        let ending = || memchr::memrchr_iter(b'.', &lower).find_map(|dot| self.over(&lower, dot));
        starting().or_else(ending)
    }

    /// The first in the table, patterns left aside.
    fn earliest(&self, key: &[u8]) -> Option<u32> {
        if self.folded.is_empty() && self.starting.is_empty() && self.ending.is_empty() {
            return self.exact.get(key).copied();
        }
        let lower = lower(key);
        if self.starting.is_empty() && self.ending.is_empty() {
            return self.exact.get(key).into_iter().chain(self.folded.get(&*lower)).copied().min();
        }
        let dots = || memchr::memchr_iter(b'.', &lower);
        let wildcards = dots().filter_map(|dot| self.under(&lower, dot));
        let wildcards = wildcards.chain(dots().filter_map(|dot| self.over(&lower, dot)));
        let names = [self.exact.get(key), self.folded.get(&*lower)];
        wildcards.chain(names.into_iter().flatten().copied()).min()
    }

    fn under(&self, name: &[u8], dot: usize) -> Option<u32> {
        if dot == 0 || self.starting.is_empty() { None } else { self.starting.get(&name[dot..]).copied() }
    }

    fn over(&self, name: &[u8], dot: usize) -> Option<u32> {
        if dot + 1 == name.len() || self.ending.is_empty() {
            None
        } else {
            self.ending.get(&name[..=dot]).copied()
        }
    }
}

fn lower(key: &[u8]) -> Lower {
    let mut lower = Lower::from_slice(key);
    lower.make_ascii_lowercase();
    lower
}
