//! mod_rewrite: rules, conditions and maps as they are written, and what they mean.

mod expansion;
mod flags;
mod rule;
mod words;
