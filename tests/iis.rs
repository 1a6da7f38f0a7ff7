//! What fixtures cannot say of a site of IIS: how farms share requests, what health checks do, memory, files of logs and
//! certificates. Expectations rest on the pages that the modules of `dialect/iis` name.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "apps_support/ports.rs"]
mod ports;
#[path = "iis/support.rs"]
mod support;

#[path = "iis/changes.rs"]
mod changes;
#[path = "iis/farms.rs"]
mod farms;
#[path = "iis/logs.rs"]
mod logs;
#[path = "iis/outbound.rs"]
mod outbound;
#[path = "iis/proxy.rs"]
mod proxy;
#[path = "iis/sockets.rs"]
mod sockets;
#[path = "iis/tls.rs"]
mod tls;
