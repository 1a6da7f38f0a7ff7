//! Expressions: `<If>`, `Require expr`, `RewriteCond expr`, conditions and values of other directives.
//!
//! [`parse`] reads one into a tree, [`lower`] makes a test or a template of that. Everything that can be decided
//! while the configuration is read is: comparisons of constants, look-ups in the environment of the process.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/expr.html>; what it leaves open was run on 2.4.71.

pub(crate) mod lower;
mod parse;
mod tree;

pub use parse::{Wrong, condition, text};
pub use tree::{Comparison, Condition, List, Piece, Regex, Word};
