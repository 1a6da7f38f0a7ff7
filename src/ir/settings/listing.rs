//! Settings of listings: what is answered for a folder without an index file.

use serde::Serialize;

use super::{Setting, Template, Value};

settings! {
    /// Listings of folders that have no index file.
    Listing, ListingInForce {
        /// Whether there are any; else such a folder is forbidden.
        on: bool,
        /// What they look like.
        form: ListingForm,
        /// Whether sizes are in bytes, else in rounded units.
        exact_size: bool,
        /// Whether times are local, else universal.
        local_time: bool,
        /// The function that a `Jsonp` listing calls; one without is plain JSON.
        callback: Template,
        /// What `Columns` shows of a file.
        columns: Vec<ListingColumn>,
    }
}

/// What a listing looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum ListingForm {
    /// A page with a line for each file.
    #[default]
    Html,
    /// A JSON array.
    Json,
    /// A script that calls a function with that.
    Jsonp,
    /// XML.
    Xml,
    /// A page with columns before each name, folders among the files.
    Columns,
}

/// What is shown of a file beside its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum ListingColumn {
    /// The day of its last change, in digits.
    Date,
    /// The same in words.
    LongDate,
    /// The time of that.
    Time,
    /// Its size in bytes.
    Size,
    /// The extension of its name; without it the name ends before that.
    Extension,
}

impl Setting for ListingForm {
    fn accumulate(&mut self, over: &Self) {
        *self = *over;
    }
}
