//! Upstreams over sockets: sessions that stay, requests that wait, health that is looked at, responses that are kept.
//!
//! What of it nginx has runs on the real one with `SUBJECT=/usr/sbin/nginx`.

#[path = "apps_support/all.rs"]
mod support;

#[path = "upstreams/codings.rs"]
mod codings;
#[path = "upstreams/figures.rs"]
mod figures;
#[path = "upstreams/handshakes.rs"]
mod handshakes;
#[path = "upstreams/kept.rs"]
mod kept;
#[path = "upstreams/services.rs"]
mod services;
#[path = "upstreams/sessions.rs"]
mod sessions;
#[path = "upstreams/staples.rs"]
mod staples;
