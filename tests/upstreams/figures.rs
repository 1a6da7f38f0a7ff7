//! The state of the server as `api` tells it, and what `status_zone` counts: nothing of it is in the nginx installed.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http::{Connection, get};
use crate::support::subject::{Prefix, is_triglot};
use crate::support::{ports, wait};

fn document(port: u16, target: &str) -> Value {
    let answer = get(port, target);
    assert_eq!(answer.field("Content-Type"), Some("application/json"), "{target}");
    serde_json::from_str(&answer.text()).unwrap_or_else(|why| panic!("{target}: {why}: {}", answer.text()))
}

#[test]
fn the_state_is_told_and_not_changed() {
    if !is_triglot() {
        return;
    }
    let (port, [one, two, dead]) = (ports::free(), [(); 3].map(|()| ports::free()));
    let text = format!(
        "worker_processes 2;
        error_log logs/error.log info;
        events {{ }}
        http {{
            access_log off;
            proxy_cache_path cache keys_zone=pages:1m max_size=10m;
            limit_req_zone $arg_key zone=rates:1m rate=1r/m;
            limit_conn_zone $arg_key zone=few:1m;
            upstream group {{ zone group 64k; server 127.0.0.1:{one} weight=2; server 127.0.0.1:{two} max_conns=7; server 127.0.0.1:{dead} backup; queue 3; }}
            upstream alone {{ server 127.0.0.1:{one}; }}
            server {{
                listen 127.0.0.1:{port};
                status_zone site;
                location /api {{ api write=off; status_zone off; }}
                location / {{ proxy_pass http://group; status_zone pages; }}
                location /alone {{ proxy_pass http://alone; }}
                location /missing {{ return 404; status_zone missing; }}
                location /kept {{ proxy_pass http://group; proxy_cache pages; proxy_cache_valid 1h; }}
                location /limited {{ limit_req zone=rates; limit_conn few 5; proxy_pass http://group; }}
            }}
            server {{ listen 127.0.0.1:{one}; return 200 one; }}
            server {{ listen 127.0.0.1:{two}; return 200 two; }}
        }}
        "
    );
    let _server = Prefix::new("api", &text).serve();
    for target in
        ["/a", "/b", "/c", "/missing", "/kept", "/kept", "/limited?key=a", "/limited?key=a", "/alone"]
    {
        get(port, target);
    }
    assert_eq!(document(port, "/api/"), json!([1, 2, 3, 4, 5, 6, 7, 8, 9]));
    let top = ["nginx", "processes", "connections", "slabs", "http", "resolvers", "ssl", "workers"];
    assert_eq!(document(port, "/api/9/"), json!(top));
    assert_eq!(document(port, "/api/1/")[5], "ssl");
    let server = document(port, "/api/9/nginx");
    assert_eq!(server["generation"], 1);
    let version = server["version"].as_str().expect("it has a version").to_owned();
    assert_eq!(server["address"], "127.0.0.1");
    assert_eq!(document(port, "/api/9/nginx?fields=version"), json!({ "version": version }));
    assert!(document(port, "/api/9/connections")["accepted"].as_u64() > Some(9));
    assert!(document(port, "/api/9/http/requests")["total"].as_u64() > Some(9));
    // Counts are there when the client has the answer, or a moment later.
    let zone = wait::until("requests to be counted", wait::SOON, || {
        let zone = document(port, "/api/9/http/server_zones/site");
        (zone["responses"]["codes"]["503"] == 1 && zone["processing"] == 1).then_some(zone)
    });
    assert_eq!(zone["responses"]["codes"]["404"], 1);
    assert_eq!(zone["responses"]["4xx"], 1);
    assert_eq!(zone["discarded"], 0);
    let places = document(port, "/api/9/http/location_zones");
    assert_eq!(places["pages"]["requests"], 3);
    assert_eq!(places["pages"]["responses"]["2xx"], 3);
    assert_eq!(places["missing"]["responses"]["codes"], json!({ "404": 1 }));
    assert!(places["pages"]["sent"].as_u64() > Some(300) && places["pages"]["received"].as_u64() > Some(60));
    assert_eq!(document(port, "/api/9/http/location_zones?fields="), json!(["missing", "pages"]));
    let all = document(port, "/api/9/http/upstreams");
    assert_eq!(all.as_object().map(serde_json::Map::len), Some(1), "those with a zone: {all}");
    let group = &all["group"];
    assert_eq!((&group["zone"], &group["queue"]["max_size"]), (&json!("group"), &json!(3)));
    let peers = group["peers"].as_array().expect("there are peers");
    let number = |peer: &Value, name: &str| peer[name].as_u64().unwrap_or_default();
    assert_eq!(peers.iter().map(|peer| number(peer, "requests")).sum::<u64>(), 5, "{group}");
    assert_eq!(peers.iter().map(|peer| number(&peer["responses"], "2xx")).sum::<u64>(), 5);
    assert_eq!((number(&peers[0], "weight"), number(&peers[1], "max_conns")), (2, 7));
    assert_eq!((&peers[2]["backup"], &peers[2]["state"]), (&json!(true), &json!("up")));
    assert!(number(&peers[0], "received") > 100 && number(&peers[0], "sent") > 30);
    let servers = document(port, "/api/9/http/upstreams/group/servers/");
    assert_eq!(servers[1]["server"], format!("127.0.0.1:{two}"));
    assert_eq!(document(port, "/api/9/http/upstreams/group/servers/0")["fail_timeout"], "10s");
    let cache = document(port, "/api/9/http/caches/pages");
    assert_eq!((&cache["hit"]["responses"], &cache["miss"]["responses"]), (&json!(1), &json!(1)), "{cache}");
    assert_eq!((&cache["miss"]["responses_written"], &cache["max_size"]), (&json!(1), &json!(10 << 20)));
    let rates = document(port, "/api/9/http/limit_reqs/rates");
    assert_eq!((&rates["passed"], &rates["rejected"]), (&json!(1), &json!(1)));
    assert_eq!(document(port, "/api/9/http/limit_conns/few")["passed"], 1);
    assert_eq!(document(port, "/api/9/workers/").as_array().map(Vec::len), Some(2));
    for (target, code) in [
        ("/api/10/nginx", "UnknownVersion"),
        ("/api/x", "UnknownVersion"),
        ("/api/9/http/nothing", "PathNotFound"),
        ("/api/4/http/location_zones", "PathNotFound"),
        ("/api/9/http/upstreams/alone", "UpstreamNotFound"),
        ("/api/9/http/upstreams/group/servers/9", "UpstreamServerNotFound"),
        ("/api/9/http/server_zones/other", "ServerZoneNotFound"),
    ] {
        let refusal = document(port, target);
        assert_eq!(
            (&refusal["error"]["status"], &refusal["error"]["code"]),
            (&json!(404), &json!(code)),
            "{target}"
        );
        assert_eq!(get(port, target).status, 404);
    }
    for method in ["POST", "PATCH", "DELETE"] {
        let mut connection = Connection::open(port).expect("it accepts connections");
        let target = "/api/9/http/upstreams/group/servers/";
        let request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
        connection.send(request).expect("it is sent");
        let answer = connection.response().expect("it is answered");
        assert_eq!(answer.status, 405);
        assert!(answer.text().contains("MethodDisabled"), "{}", answer.text());
    }
}

#[test]
fn who_is_out_of_use_is_told() {
    if !is_triglot() {
        return;
    }
    let (port, [dead, well]) = (ports::free(), [(); 2].map(|()| ports::free()));
    let text = format!(
        "worker_processes 1;
        error_log logs/error.log info;
        events {{ }}
        http {{
            access_log off;
            upstream group {{ zone group 64k; server 127.0.0.1:{dead} fail_timeout=1h; server 127.0.0.1:{well}; server 127.0.0.1:1 down; }}
            upstream looked {{ zone looked 64k; server 127.0.0.1:{dead}; server 127.0.0.1:{well}; }}
            server {{
                listen 127.0.0.1:{port};
                location /api {{ api; }}
                location / {{ proxy_pass http://group; }}
                location /looked {{ proxy_pass http://looked; health_check interval=100ms; }}
            }}
            server {{ listen 127.0.0.1:{well}; return 200 well; }}
        }}
        "
    );
    let _server = Prefix::new("api-out", &text).serve();
    for _ in 0..4 {
        assert_eq!(get(port, "/").text(), "well");
    }
    let peers = document(port, "/api/9/http/upstreams/group")["peers"].take();
    assert_eq!((&peers[0]["state"], &peers[0]["fails"]), (&json!("unavail"), &json!(1)));
    assert_eq!((&peers[0]["unavail"], &peers[0]["responses"]["total"]), (&json!(1), &json!(0)));
    assert!(peers[0]["downstart"].as_str().is_some_and(|text| text.ends_with('Z')));
    assert_eq!((&peers[1]["state"], &peers[2]["state"]), (&json!("up"), &json!("down")));
    let looked = wait::until("servers to be looked at", Duration::from_secs(10), || {
        let peers = document(port, "/api/9/http/upstreams/looked")["peers"].take();
        (peers[0]["state"] == "unhealthy").then_some(peers)
    });
    assert_eq!(looked[0]["health_checks"]["last_passed"], false);
    assert_eq!((&looked[0]["health_checks"]["unhealthy"], &looked[1]["state"]), (&json!(1), &json!("up")));
}
