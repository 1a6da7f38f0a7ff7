//! The configuration languages. Each lowers to the IR and knows no other.

pub mod nginx;
