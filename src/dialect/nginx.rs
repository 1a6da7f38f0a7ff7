//! nginx.conf: reading, checking and lowering it.
//!
//! Reference: <https://nginx.org/en/docs/>; baseline 1.22, with the newer syntax accepted.

pub mod lower;
pub mod tree;
mod vars;
