//! What is measured: the traffic, the configuration it meets, and the target it is held to.

use crate::config::{self, Profile};
use crate::load::Traffic;
use crate::rules;
use crate::wire;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// What one unit of work is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Request,
    Handshake,
    Message,
    /// 2^30 bytes of content.
    Gibibyte,
}

/// What the README promises.
#[derive(Clone, Copy)]
pub enum Target {
    /// CPU per unit divided by that of nginx (of Apache, for a file of its own), at most.
    Ratio(f64),
    /// CPU per unit divided by that of another workload with the same subject, less one, at most.
    Growth { over: &'static str, at_most: f64 },
}

/// One line of the table.
pub struct Workload {
    pub id: &'static str,
    pub title: &'static str,
    pub profile: Profile,
    /// 0: upstream connections are kept alive; 1: they are not; 2: over TLS; 3: over HTTP/2.
    pub port: u16,
    pub connections: usize,
    pub traffic: Traffic,
    pub unit: Unit,
    pub target: Option<Target>,
}

/// Memory of idle tunnels is measured apart from the rest, on fresh processes.
pub const IDLE: &str = "ws-idle";
/// Bytes per idle tunnel, at most.
pub const IDLE_TARGET: f64 = 3.0 * 1024.0;

/// Every workload, in the order of measurement; those that are compared with one another are neighbours.
pub fn all() -> Vec<Workload> {
    use Profile::{Locations, Names, Pass, Plain, Regexes, Rules, Site};
    use Target::{Growth, Ratio};
    use Unit::{Gibibyte, Handshake, Message, Request};

    let small = || Traffic::Requests(vec![wire::get("/", wire::HOST)]);
    let paths = |count: usize, make: fn(usize) -> String| {
        Traffic::Requests((0..count).map(|n| wire::get(&make(spread(n, count)), wire::HOST)).collect())
    };
    let locations = || paths(config::ROUTES, |n| format!("/loc{n}/x"));
    let names = || {
        let host = |n| config::host_name(spread(n, config::ROUTES));
        Traffic::Requests((0..config::ROUTES).map(|n| wire::get("/", &host(n))).collect())
    };
    let row = |id, title, profile, connections, traffic, unit, target| Workload {
        id,
        title,
        profile,
        port: 0,
        connections,
        traffic,
        unit,
        target,
    };
    vec![
        row("keepalive", "1 KiB, kept alive on both sides", Plain, 64, small(), Request, Some(Ratio(0.75))),
        Workload {
            port: 1,
            ..row("fresh", "1 KiB, upstream not kept alive", Plain, 64, small(), Request, Some(Ratio(0.9)))
        },
        row(
            "logged",
            "1 KiB, with an access log",
            Plain,
            64,
            Traffic::Requests(vec![wire::get("/logged/x", wire::HOST)]),
            Request,
            None,
        ),
        row(
            "accept",
            "1 KiB, a connection per request",
            Plain,
            32,
            Traffic::OneShot(wire::get_and_close("/", wire::HOST), 200),
            Request,
            None,
        ),
        row(
            "static",
            "1 KiB file",
            Plain,
            64,
            Traffic::Requests(vec![wire::get("/static/1k.bin", wire::HOST)]),
            Request,
            None,
        ),
        row(
            "large",
            "1 MiB responses",
            Plain,
            8,
            Traffic::Requests(vec![wire::get(&format!("/?s={MIB}"), wire::HOST)]),
            Gibibyte,
            Some(Ratio(0.6)),
        ),
        row(
            "upload",
            "16 MiB uploads, buffered",
            Plain,
            4,
            Traffic::Upload(wire::post("/", 16 * MIB), 16 * MIB),
            Gibibyte,
            None,
        ),
        row(
            "upload-stream",
            "16 MiB uploads, unbuffered",
            Plain,
            4,
            Traffic::Upload(wire::post("/stream/", 16 * MIB), 16 * MIB),
            Gibibyte,
            None,
        ),
        row(
            "ws-handshake",
            "WebSocket handshakes",
            Plain,
            16,
            Traffic::OneShot(wire::websocket_handshake("/ws/echo"), 101),
            Handshake,
            None,
        ),
        row(
            "ws-small",
            "WebSocket 64 B messages, 100 tunnels",
            Plain,
            100,
            Traffic::Echo(wire::websocket_handshake("/ws/echo"), 64),
            Message,
            Some(Ratio(1.0)),
        ),
        row(
            "ws-bulk",
            "WebSocket 64 KiB frames pushed",
            Plain,
            4,
            Traffic::Push(wire::websocket_handshake("/ws/push")),
            Gibibyte,
            None,
        ),
        row(
            "kept",
            "1 KiB, kept in the cache",
            Plain,
            64,
            Traffic::Requests(vec![wire::get("/kept/x", wire::HOST)]),
            Request,
            Some(Ratio(1.0)),
        ),
        row(
            "gzip",
            "32 KiB of text, gzip level 1",
            Plain,
            16,
            Traffic::Requests(vec![wire::get_coded("/gzip/page.txt", wire::HOST)]),
            Request,
            Some(Ratio(1.0)),
        ),
        row(
            "limited",
            "1 KiB, counted by limit_req",
            Plain,
            64,
            Traffic::Requests(vec![wire::get("/limited/x", wire::HOST)]),
            Request,
            Some(Ratio(1.0)),
        ),
        row(
            "uwsgi",
            "1 KiB over uwsgi",
            Plain,
            64,
            Traffic::Requests(vec![wire::get("/uwsgi/x", wire::HOST)]),
            Request,
            Some(Ratio(1.0)),
        ),
        row(
            "fastcgi",
            "1 KiB over FastCGI, kept alive",
            Plain,
            64,
            Traffic::Requests(vec![wire::get("/fastcgi/x", wire::HOST)]),
            Request,
            Some(Ratio(1.0)),
        ),
        Workload {
            port: 2,
            ..row("tls", "1 KiB over TLS 1.3", Plain, 64, small(), Request, Some(Ratio(0.8)))
        },
        Workload {
            port: 2,
            ..row(
                "tls-handshake",
                "TLS 1.3 handshakes, ECDSA",
                Plain,
                16,
                Traffic::OneShot(wire::get_and_close("/", wire::HOST), 200),
                Handshake,
                Some(Ratio(0.55)),
            )
        },
        Workload {
            port: 3,
            ..row("frames", "1 KiB over HTTP/2", Plain, 64, Traffic::Frames, Request, Some(Ratio(0.75)))
        },
        row("locations-base", "paths of the next, plain file", Plain, 64, locations(), Request, None),
        row(
            "locations",
            "1,000 locations",
            Locations,
            64,
            locations(),
            Request,
            Some(Growth { over: "locations-base", at_most: 0.02 }),
        ),
        row("names-base", "names of the next, plain file", Plain, 64, names(), Request, None),
        row(
            "names",
            "1,000 names",
            Names,
            64,
            names(),
            Request,
            Some(Growth { over: "names-base", at_most: 0.02 }),
        ),
        row(
            "regexes",
            "300 regex locations",
            Regexes,
            64,
            paths(config::REGEXES, |n| format!("/re{n}/x.html")),
            Request,
            Some(Ratio(0.6)),
        ),
        row(
            "iis-rules",
            "100 rules of IIS with a map",
            Site,
            64,
            Traffic::Requests(
                (0..rules::RULES)
                    .map(|n| wire::get(&rules::asked(spread(n, rules::RULES)), wire::HOST))
                    .collect(),
            ),
            Request,
            Some(Ratio(1.1)),
        ),
        row("apache", "1 KiB, Apache's ProxyPass", Pass, 64, small(), Request, Some(Ratio(0.5))),
        row(
            "apache-rules",
            "300 RewriteRules, 300 ProxyPass",
            Rules,
            64,
            paths(config::REGEXES, |n| format!("/app{n}/x.html")),
            Request,
            Some(Ratio(0.5)),
        ),
    ]
}

/// The order in which a list of `count` is gone through: every one once, neighbours far apart.
fn spread(n: usize, count: usize) -> usize {
    n * 7 % count
}
