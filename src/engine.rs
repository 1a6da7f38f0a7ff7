//! Serving: listeners, connections, exchanges, upstreams. The only asynchronous room.

pub mod http1;
