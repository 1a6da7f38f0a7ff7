//! httpd.conf and .htaccess: reading, checking and lowering them.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/>; model 2.4.71.

pub mod catalogue;
pub mod envvars;
pub mod lex;
pub mod load;
pub mod modules;

pub mod parse;
pub mod tree;
pub mod variables;
