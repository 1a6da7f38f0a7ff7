//! IIS: web.config and applicationHost.config.

pub mod decode;
pub mod tree;
pub mod xml;
