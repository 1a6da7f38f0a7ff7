//! HTTP/1.1 on both sides: heads, targets, chunked framing (RFC 9112).
//!
//! No I/O here: everything works on bytes that are there, so that it can be
//! fuzzed and compared with other implementations.

pub mod chunked;
pub mod field;
pub mod request;
pub mod response;
pub mod scan;
pub mod target;
