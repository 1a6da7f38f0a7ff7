//! What the tests that run a whole server share: the subject, its processes, and clients that speak HTTP and WebSocket.
//!
//! The subject is this crate's own program, called as `triglot nginx ...`. `SUBJECT=/usr/sbin/nginx` puts the real
//! nginx in its place: every expectation here was taken from it, and a test that fails on it is a wrong test.

#![allow(dead_code, reason = "each test crate uses its own part of this")]
#![expect(clippy::print_stderr, reason = "what a failed test leaves behind is shown beside its message")]

pub(crate) mod http;
pub(crate) mod load;
pub(crate) mod origin;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod scratch;
pub(crate) mod subject;
pub(crate) mod wait;
pub(crate) mod websocket;
