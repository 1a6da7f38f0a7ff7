//! One reverse proxy that runs nginx, Apache and IIS configurations unchanged.
//! The map of the house is `ARCHITECTURE.md`.

pub mod catalogue;
pub mod cli;
pub mod compare;
pub mod diagnostic;
pub mod dialect;
pub mod engine;
pub mod ir;
pub mod lint;
pub mod plan;
pub mod raise;
pub mod source;
