//! The lines that open and close the section of a place.

use super::value::quote;
use crate::raise::{How, Match};

/// The regular expression of a match, with its case.
pub(super) fn cased(at: &Match) -> String {
    let regex = at.to_regex();
    if at.ignore_case { format!("(?i){regex}") } else { regex }
}

/// The lines that open and close a section.
pub(super) fn bounds(at: &Match) -> (String, &'static str) {
    match at.how {
        How::FileName => {
            let text = at.text.replacen("(?:^|/)", "^", 1);
            return (format!("<FilesMatch \"{}\">", text.replace('"', "\\\"")), "</FilesMatch>");
        }
        How::Under if !at.ignore_case => return (format!("<Location {}>", quote(&at.text)), "</Location>"),
        How::Prefix if at.text.ends_with('/') && !at.ignore_case => {
            return (format!("<Location {}>", quote(&at.text)), "</Location>");
        }
        _ => {}
    }
    (format!("<LocationMatch \"{}\">", cased(at).replace('"', "\\\"")), "</LocationMatch>")
}
