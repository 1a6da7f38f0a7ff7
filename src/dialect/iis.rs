//! IIS: web.config and applicationHost.config.

pub mod check;
pub mod decode;
pub mod effective;
pub mod file;
pub mod schema;
pub mod site;
pub mod tree;
pub mod xml;
