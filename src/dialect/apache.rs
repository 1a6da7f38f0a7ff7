//! httpd.conf and .htaccess: reading, checking and lowering them.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/>; model 2.4.71.

pub mod catalogue;
pub mod expr;
pub mod glob;
pub mod lex;
mod lint;
#[allow(dead_code, reason = "the seam is whole before all topics use it")]
pub mod lower;
pub mod parse;
pub mod tree;
pub mod vars;

use std::path::Path;

use super::{Meaning, Options};
use crate::source::SourceMap;

/// The version whose behaviour is the model.
pub const VERSION: &str = "2.4.71";

/// Reads, checks and lowers the file at `path` with all that it includes.
pub fn read(sources: &mut SourceMap, path: &Path, options: &Options) -> Meaning {
    let Ok(file) = sources.read(path) else { return Meaning::default() };
    let (items, mut found) = parse::parse(sources, file);
    let lowering = lower::Options {
        root: options.prefix.clone(),
        offline: options.offline,
        token: format!("Apache/{VERSION} (Unix)"),
        machine: String::new(),
    };
    let lower::Lowered { config, provider, found: of_meaning } = lower::lower(&items, sources, &lowering);
    found.extend(of_meaning);
    found.extend(lint::look(&items, sources));
    Meaning { config, provider, found }
}
