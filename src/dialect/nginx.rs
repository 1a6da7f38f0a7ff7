//! nginx.conf: reading, checking and lowering it.
//!
//! Reference: <https://nginx.org/en/docs/>; baseline 1.22, with the newer syntax accepted.

pub mod bundled;
pub mod check;
pub mod level;
pub mod lex;
pub mod load;
pub mod lower;
pub mod mend;
pub mod parse;
pub mod tree;
pub mod values;
mod vars;
