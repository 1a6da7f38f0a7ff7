//! Services: records that say which targets have one, and at which ports (RFC 2782).
//!
//! As nginx 1.27.3 does it: of the first priority all targets are used, by weight; targets of other priorities stand by.
//! A record without weight counts as one of weight 1. The order is that of priority, weight (most first), target and
//! address, so that equal answers give equal lists.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use hickory_resolver::{
    TokioResolver,
    proto::rr::{RData, RecordType},
};

use super::{
    super::connect::Place,
    worker::{self, NO_SUCH_NAME, Reason},
};
use crate::ir::settings::ResolveInForce;

/// Targets of one service that are looked up.
const MOST: usize = 64;

/// One address of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where it is.
    pub place: Place,
    /// Its share; `None` where only its configuration says one.
    pub weight: Option<u32>,
    /// Whether others come first.
    pub later: bool,
}

impl Target {
    /// An address that nothing more is known of.
    pub fn at(place: Place) -> Self {
        Self { place, weight: None, later: false }
    }
}

/// Asks who has a service, and says how long the answer holds. Targets without addresses are left out; where none has
/// any there is no such service.
pub(super) async fn ask(
    client: &TokioResolver,
    service: &str,
    settings: &ResolveInForce,
) -> Result<(Vec<Target>, Duration), Reason> {
    let name = if service.ends_with('.') { service.to_owned() } else { format!("{service}.") };
    let answer = tokio::time::timeout(worker::whole(settings), client.lookup(name, RecordType::SRV)).await;
    let answer = match answer {
        Ok(answer) => answer.map_err(|error| worker::reason(&error))?,
        Err(_) => return Err((110, "Operation timed out")),
    };
    let mut valid = answer.valid_until().saturating_duration_since(Instant::now());
    let mut records: Vec<_> = answer
        .answers()
        .iter()
        .filter_map(|record| match &record.data {
            RData::SRV(srv) => {
                Some((srv.priority, std::cmp::Reverse(srv.weight.max(1)), srv.target.to_utf8(), srv.port))
            }
            _ => None,
        })
        .collect();
    records.sort();
    records.truncate(MOST);
    let first = records.first().ok_or(NO_SUCH_NAME)?.0;
    let mut targets = Vec::new();
    let mut failure = NO_SUCH_NAME;
    for (priority, weight, host, port) in records {
        match worker::ask(client, &host, settings).await {
            Ok((mut addresses, lasts)) => {
                valid = valid.min(lasts);
                addresses.sort();
                targets.extend(addresses.into_iter().map(|ip| Target {
                    place: Place::Tcp(SocketAddr::new(ip, port)),
                    weight: Some(u32::from(weight.0)),
                    later: priority != first,
                }));
            }
            // A server that does not answer says nothing about its targets: what is known goes on.
            Err(reason) if reason != NO_SUCH_NAME => failure = reason,
            Err(_) => {}
        }
    }
    if targets.is_empty() || failure != NO_SUCH_NAME {
        return Err(failure);
    }
    Ok((targets, settings.valid.unwrap_or(valid)))
}
