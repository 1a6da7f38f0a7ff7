//! Settings of pages that list a folder in columns.

use serde::Serialize;

use super::{Setting, Text, Value};

settings! {
    /// Pages that list a folder for people: a plain list of links, or columns with an icon, time, size and description.
    IndexPage, IndexPageInForce {
        /// What is on.
        switches: IndexSwitches,
        /// Height of icons in pixels; 0 is not said.
        icon_height: u32,
        /// Width of icons in pixels; 0 is not said.
        icon_width: u32,
        /// Characters of a name that are shown; `u32::MAX` is as many as the longest has, 0 is 23.
        name_width: u32,
        /// Likewise of a description; 0 is as many as there is room for.
        description_width: u32,
        /// Its type; empty is HTML.
        kind: Text,
        /// Its character set; empty is that of the platform.
        charset: Text,
        /// The file in the folder, or below the root, whose text comes first.
        header: Text,
        /// The one whose text comes last.
        readme: Text,
        /// The URL of a style sheet.
        style_sheet: Text,
        /// What is written into the head of the page.
        head: Text,
        /// What it is sorted by where nobody asks: `N`ame, `M`odification, `S`ize or `D`escription; empty is by name.
        order: Text,
        /// Whether from the last to the first.
        descending: bool,
        /// The icon of what has no other.
        default_icon: Text,
        /// Icons. Of several that match, the first one counts.
        icons: IndexMarks,
        /// What is said in their place.
        alternatives: IndexMarks,
        /// Descriptions.
        descriptions: IndexMarks,
    }
}

/// Something that a listing does or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[repr(u8)]
pub enum IndexSwitch {
    /// There are columns.
    Fancy,
    /// These are a table's, else those of preformatted text.
    Table,
    /// Icons are links, too.
    IconLinks,
    /// Folders come first.
    FoldersFirst,
    /// Names are sorted without regard to case.
    IgnoreCase,
    /// Numbers in names are sorted as numbers.
    VersionSort,
    /// There are no icons.
    NoIcons,
    /// Times of modification are left out.
    NoTimes,
    /// Sizes are left out.
    NoSizes,
    /// Descriptions are left out.
    NoDescriptions,
    /// Rules between headings and entries are left out.
    NoRules,
    /// The head of the page is left out where a file begins it.
    NoPreamble,
    /// What stands in place of an icon is part of the class of a row.
    AlternativeClass,
    /// Headings are no links that sort.
    NoSorting,
    /// What the query asks for does not count.
    IgnoreQuery,
    /// Names that the client may not have are shown, too.
    ShowsForbidden,
    /// The title of an HTML file is its description where there is no other.
    ScanTitles,
    /// The page has the folder's time and tag.
    Tracked,
    /// It is XHTML.
    Xhtml,
    /// Times are like `02-Jan-2024 03:04`.
    OldTimes,
    /// Nothing: what was said outside does not count.
    None,
}

impl IndexSwitch {
    /// Its bit.
    pub fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// What is on, in the turns in which it is found out: changes of one turn are put together before they are laid over
/// those of the turn before, which is not the same as one after another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct IndexSwitches(pub Vec<IndexChange>);

/// What a section says of switches, as bits, and of names that are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct IndexChange {
    /// Its turn; the first is that of what is in force everywhere.
    pub turn: u8,
    /// What is on, whatever was said before; nothing leaves that as it is.
    pub fixed: u32,
    /// What is on besides.
    pub on: u32,
    /// What is not.
    pub off: u32,
    /// Names that are left out, as patterns with `*` and `?`.
    pub hidden: Vec<Text>,
    /// Whether those that were left out before are not.
    pub shown: bool,
}

impl IndexChange {
    /// Lays this over another; that names are shown again counts for the next one alone.
    fn over(&self, under: &Self) -> Self {
        let none = IndexSwitch::None.bit();
        let mut hidden = self.hidden.clone();
        if !self.shown {
            hidden.extend_from_slice(&under.hidden);
        }
        let (mut fixed, mut on, mut off) = (self.fixed, 0, 0);
        if fixed & none != 0 {
            fixed = none;
        } else if fixed == 0 {
            on = (under.on | self.on) & !self.off;
            off = under.off | self.off;
            fixed = (under.fixed & !none | on) & !off;
        }
        Self { turn: self.turn, fixed, on, off, hidden, shown: false }
    }
}

impl IndexSwitches {
    /// What is on in the end, as bits, and which names are left out.
    pub fn in_force(&self) -> (u32, Vec<Text>) {
        let (mut last, others) = match self.0.split_first() {
            Some((first, others)) if first.turn == 0 => (first.clone(), others),
            _ => (IndexChange::default(), self.0.as_slice()),
        };
        for change in others {
            last = change.over(&last);
        }
        (last.fixed, last.hidden)
    }
}

impl Setting for IndexSwitches {
    fn accumulate(&mut self, over: &Self) {
        for change in &over.0 {
            match self.0.last_mut().filter(|last| last.turn == change.turn) {
                Some(last) => *last = change.over(last),
                None => self.0.push(change.clone()),
            }
        }
    }
}

/// What stands beside files: of what matches, the first counts, and what is laid over others comes before them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct IndexMarks(pub Vec<IndexMark>);

impl Setting for IndexMarks {
    fn accumulate(&mut self, over: &Self) {
        self.0.splice(0..0, over.0.iter().cloned());
    }
}

/// Something that stands beside a file in a listing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct IndexMark {
    /// What it is found by.
    pub by: IndexBy,
    /// A pattern with `*` and `?`.
    pub pattern: Text,
    /// What stands there.
    pub mark: Text,
}

/// What a mark in a listing is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum IndexBy {
    /// The file's name with its folders.
    Name,
    /// Its type.
    Type,
    /// Its content coding.
    Encoding,
}
