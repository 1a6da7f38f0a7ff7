//! Places in the order of one dialect as those of another.

use super::{Area, How, Item, Match, Place, PlaceKind};

/// The places of an area in an order in which the first that matches is the one that is chosen.
///
/// Of places by how specific they are: exact ones, then prefixes that keep regular expressions away, regular expressions, and
/// the other prefixes, the longest first.
pub fn first_match(area: &Area) -> Vec<&Place> {
    let mut specific: Vec<(&Place, u8)> = Vec::new();
    let mut first = Vec::new();
    for item in &area.items {
        let Item::Place(place) = item else { continue };
        match place.kind {
            PlaceKind::First => first.push(place),
            PlaceKind::Specific(decisive) => {
                let rank = match place.at.how {
                    How::Exact => 0,
                    How::Prefix | How::Under if decisive => 1,
                    How::Regex | How::FileName => 2,
                    How::Prefix | How::Under => 3,
                };
                specific.push((place, rank));
            }
            PlaceKind::Slash => specific.push((place, 0)),
            PlaceKind::Every | PlaceKind::Folder => {}
        }
    }
    // A longer prefix inside of one that keeps regular expressions away is the longest all the same.
    let keeps: Vec<&str> =
        specific.iter().filter(|(_, rank)| *rank == 1).map(|(place, _)| place.at.text.as_str()).collect();
    let inside: Vec<bool> = specific
        .iter()
        .map(|(place, rank)| *rank == 3 && keeps.iter().any(|text| place.at.text.starts_with(text)))
        .collect();
    for ((_, rank), _) in specific.iter_mut().zip(inside).filter(|(_, inside)| *inside) {
        *rank = 1;
    }
    specific.sort_by_key(|(place, rank)| {
        let length = if *rank == 2 { 0 } else { place.at.text.len() };
        (*rank, std::cmp::Reverse(length))
    });
    specific.into_iter().map(|(place, _)| place).chain(first).collect()
}

/// The sections of an area: what is said of some paths whatever place is chosen.
pub fn sections(area: &Area) -> Vec<&Place> {
    let places = area.items.iter().filter_map(|item| match item {
        Item::Place(place) => Some(place),
        Item::Rule(_) => None,
    });
    places.filter(|place| place.is_section()).collect()
}

impl Match {
    /// Whether a prefix that ends at the end of a path's part.
    pub fn is_folder(&self) -> bool {
        self.how == How::Under || (self.how == How::Prefix && self.text.ends_with('/'))
    }
}
