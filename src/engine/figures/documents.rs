//! The documents by name.
//!
//! What has no like here is left out, not made up: there is no memory in slabs, resolvers have no counts, and TLS is
//! counted for the process, not for each host.

use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Map, Value, json};

use super::{NO_PATH, Refused, only, only_each};
use crate::{
    engine::{
        balance::{
            Cluster,
            figures::{Figures as Endpoint, Use},
        },
        cache::Store,
        clock,
        exchange::Exchange,
        tally::{Answers, Tally},
        worker::Counters,
    },
    ir,
    plan::Plan,
};

/// Who asks.
pub(super) struct Asked<'a> {
    pub(super) exchange: &'a Exchange,
    pub(super) plan: &'a Plan,
    pub(super) figures: &'a ir::Figures,
    pub(super) version: u64,
}

/// The document at a path.
pub(super) fn find(asked: &Asked<'_>, names: &[&str], fields: Option<&[String]>) -> Result<Value, Refused> {
    let server = asked.figures.server.lossy();
    let document = match names {
        [] => return Ok(asked.top(&server)),
        [name] if *name == server => asked.server(),
        ["processes"] => json!({ "respawned": 0 }),
        ["connections"] => asked.connections(),
        ["slabs" | "resolvers"] => Value::Object(Map::new()),
        ["ssl"] => asked.tls(),
        ["workers", rest @ ..] if asked.version >= 9 => return asked.workers(rest, fields),
        ["http", rest @ ..] => return asked.http(rest, fields),
        _ => return Err(NO_PATH),
    };
    Ok(only(document, fields))
}

/// The object of a name, or all of them.
fn among(
    all: Map<String, Value>,
    names: &[&str],
    fields: Option<&[String]>,
    refused: Refused,
) -> Result<Value, Refused> {
    match names {
        [] => Ok(only_each(all, fields)),
        [name] => all.get(*name).cloned().map(|found| only(found, fields)).ok_or(refused),
        _ => Err(NO_PATH),
    }
}

impl Asked<'_> {
    fn top(&self, server: &str) -> Value {
        let mut names = vec![server, "processes", "connections", "slabs", "http"];
        if self.version >= 5 {
            names.push("resolvers");
        }
        names.push("ssl");
        if self.version >= 9 {
            names.push("workers");
        }
        names.into()
    }

    fn server(&self) -> Value {
        let shared = &self.exchange.worker.shared;
        let address = self.exchange.facts.client.local.map(|addr| addr.ip().to_string()).unwrap_or_default();
        // There is one process: who rules and who works are the same.
        let process = std::process::id();
        json!({
            "version": self.figures.version.lossy(),
            "build": concat!("triglot ", env!("CARGO_PKG_VERSION")),
            "address": address,
            "generation": shared.generation.load(Relaxed),
            "load_timestamp": timestamp(shared.loaded.load(Relaxed)),
            "timestamp": timestamp(u64::try_from(self.exchange.worker.clock.now().as_millis()).unwrap_or(0)),
            "pid": process,
            "ppid": process,
        })
    }

    fn sum(&self, which: fn(&Counters) -> u64) -> u64 {
        self.exchange.worker.shared.counters.iter().map(which).sum()
    }

    fn connections(&self) -> Value {
        let busy = self.sum(Counters::reading) + self.sum(Counters::writing);
        json!({
            "accepted": self.sum(Counters::accepted),
            "dropped": 0,
            "active": busy,
            "idle": self.sum(Counters::active).saturating_sub(busy),
        })
    }

    fn tls(&self) -> Value {
        let tls = &self.exchange.worker.shared.handshakes;
        json!({
            "handshakes": tls.done.load(Relaxed),
            "handshakes_failed": tls.failed.load(Relaxed),
            "session_reuses": tls.resumed.load(Relaxed),
        })
    }

    fn workers(&self, names: &[&str], fields: Option<&[String]>) -> Result<Value, Refused> {
        let workers = self.exchange.worker.shared.counters.iter().enumerate().map(|(id, counters)| {
            let busy = counters.reading() + counters.writing();
            let worker = json!({
                "id": id,
                "pid": std::process::id(),
                "connections": {
                    "accepted": counters.accepted(),
                    "dropped": 0,
                    "active": busy,
                    "idle": counters.active().saturating_sub(busy),
                },
                "http": { "requests": { "total": counters.requests(), "current": counters.writing() } },
            });
            only(worker, fields)
        });
        let mut workers: Vec<_> = workers.collect();
        match names {
            [] => Ok(workers.into()),
            [id] => {
                let id = id.parse().ok().filter(|id: &usize| *id < workers.len());
                let code = "WorkerNotFound";
                id.map(|id| workers.swap_remove(id)).ok_or(Refused {
                    status: 404,
                    text: "worker not found",
                    code,
                })
            }
            _ => Err(NO_PATH),
        }
    }

    fn http(&self, names: &[&str], fields: Option<&[String]>) -> Result<Value, Refused> {
        let not_found = |text, code| Refused { status: 404, text, code };
        let (name, rest) = names.split_first().map_or(("", names), |(name, rest)| (*name, rest));
        match name {
            "" => {
                let mut names = vec!["requests", "server_zones"];
                if self.version >= 5 {
                    names.push("location_zones");
                }
                names.push("caches");
                if self.version >= 6 {
                    names.extend(["limit_conns", "limit_reqs"]);
                }
                names.push("upstreams");
                Ok(names.into())
            }
            "requests" if rest.is_empty() => {
                let current = self.sum(Counters::writing);
                Ok(only(json!({ "total": self.sum(Counters::requests), "current": current }), fields))
            }
            "server_zones" => {
                let refused = not_found("server zone not found", "ServerZoneNotFound");
                among(self.tallies(true), rest, fields, refused)
            }
            "location_zones" if self.version >= 5 => {
                let refused = not_found("location zone not found", "LocationZoneNotFound");
                among(self.tallies(false), rest, fields, refused)
            }
            "caches" => among(self.caches(), rest, fields, not_found("cache not found", "CacheNotFound")),
            "limit_conns" if self.version >= 6 => {
                let refused = not_found("limit_conn not found", "LimitConnNotFound");
                among(self.limits(false), rest, fields, refused)
            }
            "limit_reqs" if self.version >= 6 => {
                let refused = not_found("limit_req not found", "LimitReqNotFound");
                among(self.limits(true), rest, fields, refused)
            }
            "upstreams" => self.upstreams(rest, fields),
            _ => Err(NO_PATH),
        }
    }

    fn answers(&self, answers: Option<&Answers>) -> Value {
        let codes = answers.map(Answers::codes).unwrap_or_default();
        let of = |class: u16| -> u64 {
            codes.iter().filter(|(code, _)| code / 100 == class).map(|(_, count)| count).sum()
        };
        let mut object = Map::new();
        for class in 1..=5 {
            object.insert(format!("{class}xx"), of(class).into());
        }
        if self.version >= 7 {
            let codes = codes.iter().map(|(code, count)| (code.to_string(), Value::from(*count)));
            object.insert("codes".to_owned(), codes.collect());
        }
        object.insert("total".to_owned(), codes.iter().map(|(_, count)| count).sum::<u64>().into());
        object.into()
    }

    fn tallies(&self, of_hosts: bool) -> Map<String, Value> {
        let exchange = self.exchange;
        let all = exchange.serving.tallies.get_or_init(|| exchange.worker.shared.tallies.of(self.plan));
        let all = all.iter().filter(|tally| tally.declared.of_hosts == of_hosts);
        all.map(|tally| (tally.declared.name.to_string(), self.tally(tally))).collect()
    }

    fn tally(&self, tally: &Tally) -> Value {
        let answers = &tally.answers;
        let mut object = Map::new();
        if tally.declared.of_hosts {
            object.insert("processing".to_owned(), tally.processing().into());
        }
        object.insert("requests".to_owned(), answers.requests().into());
        object.insert("responses".to_owned(), self.answers(Some(answers)));
        object.insert("discarded".to_owned(), answers.discarded().into());
        object.insert("received".to_owned(), answers.received().into());
        object.insert("sent".to_owned(), answers.sent().into());
        object.into()
    }

    fn caches(&self) -> Map<String, Value> {
        let exchange = self.exchange;
        let stores = exchange.serving.caches.get_or_init(|| exchange.worker.shared.caches.of(self.plan));
        stores
            .iter()
            .map(|store| (String::from_utf8_lossy(store.name()).into_owned(), cache(store)))
            .collect()
    }

    fn limits(&self, of_rates: bool) -> Map<String, Value> {
        let exchange = self.exchange;
        let zones = exchange.serving.zones.get_or_init(|| exchange.worker.shared.zones.of(self.plan));
        let zones = zones.iter().filter(|zone| zone.is_of_rates() == of_rates);
        let object = |zone: &crate::engine::limit::Zone| {
            let [passed, delayed, rejected, delayed_dry_run, rejected_dry_run] = zone.outcomes();
            if of_rates {
                json!({
                    "passed": passed,
                    "delayed": delayed,
                    "rejected": rejected,
                    "delayed_dry_run": delayed_dry_run,
                    "rejected_dry_run": rejected_dry_run,
                })
            } else {
                json!({ "passed": passed, "rejected": rejected, "rejected_dry_run": rejected_dry_run })
            }
        };
        zones.map(|zone| (zone.name().to_string(), object(zone))).collect()
    }

    fn upstreams(&self, names: &[&str], fields: Option<&[String]>) -> Result<Value, Refused> {
        let refused = Refused { status: 404, text: "upstream not found", code: "UpstreamNotFound" };
        let clusters = &self.exchange.serving.clusters;
        let shared = clusters.all().filter(|cluster| cluster.is_shared() && cluster.group().is_none());
        let [name, "servers", rest @ ..] = names else {
            let all = shared.map(|cluster| (cluster.label().to_string(), self.upstream(cluster)));
            return among(all.collect(), names, fields, refused);
        };
        let cluster = shared.into_iter().find(|cluster| *cluster.label() == **name).ok_or(refused)?;
        let mut servers = Vec::new();
        cluster.figures(&mut |endpoint| servers.push(server(&endpoint)));
        match rest {
            [] => Ok(servers.into()),
            [id] => {
                let id = id.parse().ok().filter(|id: &usize| *id < servers.len());
                let (text, code) = ("server not found", "UpstreamServerNotFound");
                id.map(|id| servers.swap_remove(id)).ok_or(Refused { status: 404, text, code })
            }
            _ => Err(NO_PATH),
        }
    }

    fn upstream(&self, cluster: &Cluster) -> Value {
        let mut peers = Vec::new();
        cluster.figures(&mut |endpoint| peers.push(self.peer(&endpoint)));
        let mut object = Map::new();
        object.insert("peers".to_owned(), peers.into());
        if let Some((queue, line)) = cluster.queue() {
            let queue =
                json!({ "size": line.length(), "max_size": queue.places, "overflows": line.overflows() });
            object.insert("queue".to_owned(), queue);
        }
        object.insert("zone".to_owned(), (*cluster.label()).into());
        object.into()
    }

    fn peer(&self, endpoint: &Endpoint<'_>) -> Value {
        let Endpoint {
            index,
            endpoint: declared,
            label,
            backup,
            weight,
            state,
            active,
            counts,
            looks,
            times,
        } = endpoint;
        let answers = counts.map(|counts| &counts.answers);
        let count = |which: fn(&Answers) -> u64| answers.map_or(0, which);
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| drop(object.insert(name.to_owned(), value));
        put("id", (*index).into());
        put("server", (*label).into());
        put("name", declared.address.to_string().into());
        put("backup", (*backup).into());
        put("weight", (*weight).into());
        put("state", word(*state).into());
        put("active", (*active).into());
        if declared.max_connections > 0 {
            put("max_conns", declared.max_connections.into());
        }
        put("requests", count(Answers::requests).into());
        for (name, time) in ["header_time", "response_time"].iter().zip(times) {
            if !time.is_zero() {
                put(name, u64::try_from(time.as_millis()).unwrap_or(u64::MAX).into());
            }
        }
        put("responses", self.answers(answers));
        put("sent", count(Answers::sent).into());
        put("received", count(Answers::received).into());
        put("fails", counts.map_or(0, |counts| counts.fails.load(Relaxed)).into());
        put("unavail", counts.map_or(0, |counts| counts.outs.load(Relaxed)).into());
        let all = looks.all.load(Relaxed);
        let mut checks = json!({
            "checks": all,
            "fails": looks.failed.load(Relaxed),
            "unhealthy": looks.outs.load(Relaxed),
        });
        if let (1.., Value::Object(checks)) = (all, &mut checks) {
            checks.insert("last_passed".to_owned(), looks.last.load(Relaxed).into());
        }
        put("health_checks", checks);
        put("downtime", looks.downtime.load(Relaxed).into());
        let moments = [
            ("downstart", looks.down_since.load(Relaxed)),
            ("selected", counts.map_or(0, |it| it.chosen.load(Relaxed))),
        ];
        for (name, moment) in moments {
            if moment > 0 {
                put(name, timestamp(moment.cast_unsigned()).into());
            }
        }
        object.into()
    }
}

fn word(state: Use) -> &'static str {
    match state {
        Use::Up => "up",
        Use::Draining => "draining",
        Use::Down => "down",
        Use::Unavailable => "unavail",
        Use::Checking => "checking",
        Use::Unhealthy => "unhealthy",
    }
}

/// How an endpoint was configured.
fn server(endpoint: &Endpoint<'_>) -> Value {
    let Endpoint { index, endpoint: declared, label, backup, weight, .. } = endpoint;
    json!({
        "id": index,
        "server": label,
        "weight": weight,
        "max_conns": declared.max_connections,
        "max_fails": declared.max_fails,
        "fail_timeout": format!("{}s", declared.fail_timeout.as_secs()),
        "slow_start": format!("{}s", declared.slow_start.as_secs()),
        "route": declared.route.to_string(),
        "backup": backup,
        "down": declared.role == ir::Role::Down,
    })
}

fn cache(store: &Store) -> Value {
    let mut object = Map::new();
    object.insert("size".to_owned(), store.size().into());
    if let Some(most) = store.max_size() {
        object.insert("max_size".to_owned(), most.into());
    }
    object.insert("cold".to_owned(), store.is_cold().into());
    for (name, counts) in store.counts().each() {
        let [responses, bytes, written, bytes_written] = counts.read();
        let counts = if matches!(name, "miss" | "expired" | "bypass") {
            json!({
                "responses": responses,
                "bytes": bytes,
                "responses_written": written,
                "bytes_written": bytes_written,
            })
        } else {
            json!({ "responses": responses, "bytes": bytes })
        };
        object.insert(name.to_owned(), counts);
    }
    object.into()
}

/// ISO 8601, by milliseconds since the epoch.
fn timestamp(milliseconds: u64) -> String {
    let broken = clock::universal(milliseconds / 1000);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        broken.tm_year + 1900,
        broken.tm_mon + 1,
        broken.tm_mday,
        broken.tm_hour,
        broken.tm_min,
        broken.tm_sec,
        milliseconds % 1000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(timestamp(1_656_414_944_467), "2022-06-28T11:15:44.467Z");
    }
}
