//! Tables of routes: which one a path takes.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{
    Failure,
    hash::Map,
    pattern::{Find, Several},
    prefix_tree::PrefixTree,
    shelf::Shelf,
};
use crate::ir::{Kind, Order, Pattern, Register, Text};

/// A table, indexed.
#[derive(Debug)]
pub(super) struct RouteTable {
    order: Order,
    /// Where captures go.
    pub(super) into: Register,
    routes: Box<[Entry]>,
    index: Arc<Index>,
}

/// Where in a table a path leads. Tables of the same paths share it.
#[derive(Debug)]
struct Index {
    exact: Map<Box<[u8]>, u32>,
    prefixes: PrefixTree,
    /// The same without regard to case, in lower case.
    folded: Option<Box<Folded>>,
    /// Everything else, in order.
    ordered: Vec<Find>,
    places: Vec<u32>,
    several: Several,
}

/// The indexes made so far, by what they are made of; those with patterns are each their table's own.
pub(super) type Indexes = Map<Vec<(Kind, bool, Text)>, Known>;

/// An index that others may share.
#[derive(Debug)]
pub(super) struct Known(Arc<Index>);

type Folded = (Map<Box<[u8]>, u32>, PrefixTree);

/// A route.
#[derive(Debug)]
pub(super) struct Entry {
    /// Where its body begins.
    pub(super) body: u32,
    /// How long the prefix is that it matches.
    pub(super) prefix: u32,
    pub(super) decisive: bool,
    /// The table searched on.
    pub(super) nested: Option<u32>,
}

/// The route found.
#[derive(Debug, Default)]
pub(super) struct Found<'p> {
    /// Where its body begins, and the length of its prefix.
    pub(super) body: Option<(u32, u32)>,
    /// Patterns that matched on the way, in order.
    pub(super) finds: SmallVec<[(&'p Find, Register); 2]>,
    /// Whether nothing else may be chosen.
    settled: bool,
}

impl RouteTable {
    /// Indexes routes; `compile` is asked for those that are compared one by one.
    pub(super) fn new<'c>(
        order: Order,
        into: Register,
        routes: Vec<Entry>,
        paths: impl IntoIterator<Item = &'c Pattern> + Clone,
        known: &mut Indexes,
        mut compile: impl FnMut(usize, &Pattern) -> Option<Find>,
    ) -> Self {
        let routes = routes.into_boxed_slice();
        let plain = |path: &Pattern| matches!(path.kind, Kind::Exact | Kind::Prefix);
        let key = paths.clone().into_iter().all(plain).then(|| {
            let part = |path: &Pattern| (path.kind, path.ignore_case, path.text.clone());
            paths.clone().into_iter().map(part).collect::<Vec<_>>()
        });
        if let Some(Known(index)) = key.as_ref().and_then(|key| known.get(key)) {
            return Self { order, into, routes, index: Arc::clone(index) };
        }
        let (mut exact, mut prefixes) = (Map::default(), Vec::new());
        let (mut folded_exact, mut folded_prefixes) = (Map::default(), Vec::new());
        let (mut ordered, mut places) = (Vec::new(), Vec::new());
        for (place, path) in (0..).zip(paths) {
            let lower = || path.text.to_ascii_lowercase();
            match (path.kind, path.ignore_case) {
                (Kind::Exact, false) => {
                    exact.entry(path.text[..].into()).or_insert(place);
                }
                (Kind::Exact, true) => {
                    folded_exact.entry(lower().into_boxed_slice()).or_insert(place);
                }
                (Kind::Prefix, false) => prefixes.push((&*path.text, place)),
                (Kind::Prefix, true) => folded_prefixes.push((lower(), place)),
                (Kind::Suffix | Kind::Wildcard | Kind::Regex(_), _) => {
                    if let Some(find) = compile(place as usize, path) {
                        ordered.push(find);
                        places.push(place);
                    }
                }
            }
        }
        let folded = !folded_exact.is_empty() || !folded_prefixes.is_empty();
        let folded = folded.then(|| {
            let prefixes = folded_prefixes.iter().map(|(text, place)| (&**text, *place)).collect();
            Box::new((folded_exact, PrefixTree::new(prefixes)))
        });
        let several = Several::new(&ordered);
        let prefixes = PrefixTree::new(prefixes);
        let index = Arc::new(Index { exact, prefixes, folded, ordered, places, several });
        known.extend(key.map(|key| (key, Known(Arc::clone(&index)))));
        Self { order, into, routes, index }
    }

    /// The patterns that are compared one by one and not joined.
    pub(super) fn apart(&self) -> &[Find] {
        if self.index.several.is_joined() { &[] } else { &self.index.ordered }
    }

    /// The route that a path takes.
    pub(super) fn find<'p>(&'p self, tables: &'p Shelf<Self>, path: &[u8]) -> Result<Found<'p>, Failure> {
        let mut found = Found::default();
        match self.order {
            Order::Specific => self.specific(tables, path, &mut found)?,
            Order::First => self.first(tables, path, &mut found)?,
        }
        Ok(found)
    }

    /// Exact; else the longest prefix and what lies in it; else, unless that was settled or the prefix is
    /// decisive, the first pattern and what lies in that; else the deepest prefix.
    fn specific<'p>(
        &'p self,
        tables: &'p Shelf<Self>,
        path: &[u8],
        found: &mut Found<'p>,
    ) -> Result<(), Failure> {
        if let Some(place) = self.exactly(path) {
            self.enter(place, found);
            found.settled = true;
            return Ok(());
        }
        let mut decisive = false;
        if let Some(place) = self.longest(path) {
            let route = self.enter(place, found);
            decisive = route.decisive;
            if let Some(nested) = route.nested.and_then(|nested| tables.get(nested as usize)) {
                nested.specific(tables, path, found)?;
            }
        }
        if found.settled || decisive || self.index.ordered.is_empty() {
            return Ok(());
        }
        if let Some(at) = self.index.several.first(&self.index.ordered, path, self.index.ordered.len())? {
            found.finds.push((&self.index.ordered[at], self.into));
            let route = self.enter(self.index.places[at], found);
            if let Some(nested) = route.nested.and_then(|nested| tables.get(nested as usize)) {
                nested.specific(tables, path, found)?;
            }
            found.settled = true;
        }
        Ok(())
    }

    fn first<'p>(
        &'p self,
        tables: &'p Shelf<Self>,
        path: &[u8],
        found: &mut Found<'p>,
    ) -> Result<(), Failure> {
        let mut plain = self.index.exact.get(path).copied();
        let mut earlier = |place: u32| plain = Some(plain.map_or(place, |known| known.min(place)));
        self.index.prefixes.each(path, &mut earlier);
        if let Some(folded) = &self.index.folded {
            let lower = path.to_ascii_lowercase();
            folded.0.get(&*lower).copied().into_iter().for_each(&mut earlier);
            folded.1.each(&lower, &mut earlier);
        }
        let limit = plain.map_or(self.index.ordered.len(), |place| {
            self.index.places.partition_point(|other| *other < place)
        });
        let pattern =
            if limit == 0 { None } else { self.index.several.first(&self.index.ordered, path, limit)? };
        let place = match pattern {
            Some(at) => {
                found.finds.push((&self.index.ordered[at], self.into));
                self.index.places[at]
            }
            None => match plain {
                Some(place) => place,
                None => return Ok(()),
            },
        };
        let route = self.enter(place, found);
        if let Some(nested) = route.nested.and_then(|nested| tables.get(nested as usize)) {
            nested.first(tables, path, found)?;
        }
        Ok(())
    }

    fn enter(&self, place: u32, found: &mut Found<'_>) -> &Entry {
        let route = &self.routes[place as usize];
        found.body = Some((route.body, route.prefix));
        route
    }

    fn exactly(&self, path: &[u8]) -> Option<u32> {
        let exact = if self.index.exact.is_empty() { None } else { self.index.exact.get(path).copied() };
        exact.or_else(|| self.index.folded.as_ref()?.0.get(&*path.to_ascii_lowercase()).copied())
    }

    fn longest(&self, path: &[u8]) -> Option<u32> {
        let plain = self.index.prefixes.longest(path);
        let Some(folded) = self.index.folded.as_ref().filter(|folded| !folded.1.is_empty()) else {
            return plain;
        };
        let folded = folded.1.longest(&path.to_ascii_lowercase());
        let length = |place: &u32| self.routes[*place as usize].prefix;
        plain.into_iter().chain(folded).max_by_key(length)
    }
}
