//! httpd.conf and .htaccess: reading, checking and lowering them.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/>; model 2.4.71.

pub mod catalogue;
pub mod lex;

pub mod parse;
pub mod tree;
