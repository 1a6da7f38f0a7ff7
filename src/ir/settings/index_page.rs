//! Settings of pages that list a folder in columns.

use serde::Serialize;

use super::{Setting, Text, Value};

settings! {
    /// Pages that list a folder for people: a plain list of links, or columns with an icon, time, size and description.
    IndexPage, IndexPageInForce {
        /// Whether there are columns.
        fancy: bool,
        /// Whether these are a table's, else those of preformatted text.
        table: bool,
        /// Whether icons are links, too.
        icon_links: bool,
        /// Height of icons in pixels; 0 is not said.
        icon_height: u32,
        /// Width of icons in pixels; 0 is not said.
        icon_width: u32,
        /// Characters of a name that are shown; `u32::MAX` is as many as the longest has, 0 is 23.
        name_width: u32,
        /// Likewise of a description; 0 is as many as there is room for.
        description_width: u32,
        /// Whether folders come first.
        folders_first: bool,
        /// Whether names are sorted without regard to case.
        ignore_case: bool,
        /// Whether numbers in names are sorted as numbers.
        version_sort: bool,
        /// Whether there are no icons.
        no_icons: bool,
        /// Whether times of modification are left out.
        no_times: bool,
        /// Whether sizes are left out.
        no_sizes: bool,
        /// Whether descriptions are left out.
        no_descriptions: bool,
        /// Whether rules between headings and entries are left out.
        no_rules: bool,
        /// Whether a head of the page is left out where a file begins it.
        no_preamble: bool,
        /// Whether headings are no links that sort.
        no_sorting: bool,
        /// Whether what the query asks for does not count.
        ignore_query: bool,
        /// Whether names that the client may not have are shown, too.
        shows_forbidden: bool,
        /// Whether the title of an HTML file is its description where there is no other.
        scan_titles: bool,
        /// Whether the page has the folder's time and tag.
        tracked: bool,
        /// Whether it is XHTML.
        xhtml: bool,
        /// Whether times are like `02-Jan-2024 03:04`.
        old_times: bool,
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
