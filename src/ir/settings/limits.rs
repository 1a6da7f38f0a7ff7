//! Settings of how much a client may ask for: rates of requests, requests at a time.

use serde::Serialize;

use super::{Level, Setting, Value};

settings! {
    /// How much may be asked for. Each limit counts by the key of its zone; an empty key is not limited.
    Limits, LimitsInForce {
        /// Rates of requests: one that is exceeded refuses the request, or delays it.
        rates: Vec<RateLimit>,
        /// The status of a request that is refused for its rate.
        rate_status: u16,
        /// The level of the log line that says so; one that is delayed is said one level lower.
        rate_level: Level,
        /// Whether it is only said.
        rate_dry_run: bool,
        /// Requests at a time: the zone, and how many.
        concurrent: Vec<ConcurrencyLimit>,
        /// The status of a request that is refused for being one too many.
        concurrent_status: u16,
        /// The level of the log line that says so.
        concurrent_level: Level,
        /// Whether it is only said.
        concurrent_dry_run: bool,
        /// What the host's requests are counted in: its place in `Config::tallies`.
        host_tally: Option<u32>,
        /// Likewise requests that are answered from here.
        tally: Option<u32>,
    }
}

/// A limit on the rate of requests with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RateLimit {
    /// The zone: its place in `Config::zones`.
    pub zone: u32,
    /// How many thousandths of a request may come ahead of the rate.
    pub burst: u64,
    /// How many of these are answered at once; the others wait for their turn.
    pub at_once: u64,
}

/// A limit on requests at a time with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ConcurrencyLimit {
    /// The zone: its place in `Config::zones`.
    pub zone: u32,
    /// How many.
    pub most: u32,
    /// The status of a request that is one too many, where it is another than `concurrent_status`.
    pub status: Option<u16>,
}

impl Setting for Level {
    fn accumulate(&mut self, over: &Self) {
        *self = *over;
    }
}
