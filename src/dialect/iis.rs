//! IIS: web.config and applicationHost.config.

pub mod check;
pub mod decode;
pub mod file;
pub mod schema;
pub mod tree;
pub mod xml;
