//! Web farms: who takes how many requests, sessions that stay, servers that fail and come back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::support::{Folder, Origin, Reply, Server, ask, get, port, say, try_get};

/// A farm of origins that say their number, on addresses of the loopback network.
struct Farm {
    port: u16,
    server: Server,
    origins: Vec<Origin>,
    healthy: Vec<Arc<AtomicBool>>,
    _folder: Folder,
}

/// `servers` are attributes of each, `routing` what stands in `applicationRequestRouting`.
fn farm(servers: &[&str], routing: &str) -> Farm {
    static NETWORK: AtomicU32 = AtomicU32::new(1);
    let network = NETWORK.fetch_add(1, Ordering::Relaxed);
    let (listen, behind, folder) = (port(), port(), Folder::new());
    let mut written = String::new();
    let (mut origins, mut healthy) = (Vec::new(), Vec::new());
    for (at, own) in servers.iter().enumerate() {
        let address = format!("127.77.{network}.{}", at + 1);
        let fine = Arc::new(AtomicBool::new(true));
        let state = Arc::clone(&fine);
        let slow = Duration::from_millis(if own.contains("slow") { 30 } else { 0 });
        let answer = move |head: &str, stream: &mut std::net::TcpStream| {
            let path = head.split(' ').nth(1).unwrap_or_default();
            if path.starts_with("/health") {
                let word = if state.load(Ordering::Relaxed) { "fine" } else { "ill" };
                return say(stream, "200 OK", "", word);
            }
            std::thread::sleep(slow);
            if path.starts_with("/drop") && !state.load(Ordering::Relaxed) {
                let _ = stream.shutdown(std::net::Shutdown::Both);
                return;
            }
            if path.starts_with("/fail") && !state.load(Ordering::Relaxed) {
                return say(stream, "503 Service Unavailable", "", "ill");
            }
            let host = head.lines().find_map(|line| line.strip_prefix("Host: ")).unwrap_or_default();
            say(stream, "200 OK", "", &format!("{at} {host}"));
        };
        origins.push(Origin::start(&address, behind, Arc::new(answer)));
        healthy.push(fine);
        let own = own.replace("slow", "");
        let weight = if own.starts_with("weight") { own.as_str() } else { "" };
        let state = if own.starts_with("enabled") { own.as_str() } else { "" };
        written.push_str(&format!(
            r#"<server address="{address}" {state}><applicationRequestRouting {weight} httpPort="{behind}" /></server>"#
        ));
    }
    let text = format!(
        r#"<configuration>
        <system.applicationHost><sites><site name="A" id="1">
          <application path="/"><virtualDirectory path="/" physicalPath="{0}" /></application>
          <bindings><binding protocol="http" bindingInformation="*:{listen}:" /></bindings>
        </site></sites></system.applicationHost>
        <webFarms><webFarm name="Farm">{written}<applicationRequestRouting>{routing}</applicationRequestRouting></webFarm></webFarms>
        <system.webServer><proxy enabled="true" /><rewrite><globalRules>
          <rule name="all" patternSyntax="Wildcard" stopProcessing="true"><match url="*" /><action type="Rewrite" url="http://farm/{{R:0}}" /></rule>
        </globalRules></rewrite></system.webServer></configuration>"#,
        folder.0.display(),
    );
    let file = folder.write("applicationHost.config", text);
    let server = Server::start(&file, &[], listen);
    Farm { port: listen, server, origins, healthy, _folder: folder }
}

impl Farm {
    fn ask(&self, path: &str, fields: &str) -> Reply {
        let reply = get(self.port, path, fields);
        assert_eq!(reply.status, 200, "{} {}", reply.head, self.server.said());
        reply
    }

    /// Who answers.
    fn who(&self, path: &str, fields: &str) -> usize {
        self.ask(path, fields).text().split(' ').next().unwrap().parse().unwrap()
    }

    /// How often each answers.
    fn counts(&self, times: usize, path: impl Fn(usize) -> String) -> Vec<u32> {
        let mut counts = vec![0; self.origins.len()];
        for at in 0..times {
            counts[self.who(&path(at), "")] += 1;
        }
        counts
    }
}

#[test]
fn weights_are_shares_and_a_disabled_server_has_none() {
    let farm = farm(
        &[r#"weight="100""#, r#"weight="300""#, r#"enabled="false""#],
        r#"<loadBalancing algorithm="WeightedRoundRobin" />"#,
    );
    assert_eq!(farm.counts(40, |_| "/".to_owned()), [10, 30, 0]);
    // The client's host is kept.
    assert!(farm.ask("/", "").text().ends_with(" a.test"));
}

#[test]
fn the_server_with_the_fewest_requests_under_way_takes_the_next() {
    let farm = farm(&["slow", ""], "");
    let busy: Vec<_> = (0..12)
        .map(|_| {
            let port = farm.port;
            std::thread::spawn(move || {
                for _ in 0..10 {
                    assert_eq!(get(port, "/", "").status, 200);
                }
            })
        })
        .collect();
    busy.into_iter().for_each(|thread| thread.join().unwrap());
    let (slow, fast) = (farm.origins[0].taken(), farm.origins[1].taken());
    assert_eq!(slow + fast, 120);
    assert!(slow < fast, "{slow} {fast}");
}

#[test]
fn the_server_that_answers_fastest_takes_the_next() {
    let farm = farm(&["slow", "", "slow"], r#"<loadBalancing algorithm="LeastResponseTime" />"#);
    let counts = farm.counts(40, |_| "/".to_owned());
    assert!(counts[1] >= 36 && counts[0] >= 1 && counts[2] >= 1, "{counts:?}");
}

#[test]
fn a_hash_stays_and_spreads() {
    for (how, path) in [
        (r#"<loadBalancing algorithm="RequestHash" />"#, "/x/{}?a=1"),
        (
            r#"<loadBalancing algorithm="RequestHash" hashServerVariable="QUERY_STRING" queryStringNames="id" />"#,
            "/x?id={}&t=0",
        ),
        (r#"<loadBalancing algorithm="RequestHash" hashServerVariable="URL" />"#, "/{}"),
    ] {
        let farm = farm(&["", "", ""], how);
        let ask = |at: usize| farm.who(&path.replace("{}", &at.to_string()), "");
        let first: Vec<usize> = (0..60).map(ask).collect();
        let second: Vec<usize> = (0..60).map(ask).collect();
        assert_eq!(first, second, "{how}");
        for server in 0..3 {
            let count = first.iter().filter(|who| **who == server).count();
            assert!((8..=35).contains(&count), "{how} {first:?}");
        }
        if how.contains("queryStringNames") {
            assert_eq!(farm.who("/other?t=9&id=7", ""), first[7]);
        }
    }
}

#[test]
fn hosts_stay_with_their_server() {
    let farm = farm(&["", "", ""], r#"<affinity useHostName="true" />"#);
    let first = farm.who("/a", "");
    assert!((0..10).all(|at| farm.who(&format!("/{at}"), "") == first));
}

#[test]
fn a_session_stays_with_its_server_while_that_can_be_used() {
    let farm = farm(
        &["", ""],
        r#"<affinity useCookie="true" cookieName="Mine" /><loadBalancing algorithm="WeightedRoundRobin" />
           <healthCheck url="http://farm/health" interval="00:00:01" responseMatch="fine" />"#,
    );
    let first = farm.ask("/", "");
    let cookie = first.field("Set-Cookie").unwrap().to_owned();
    let (value, attributes) = cookie.split_once(';').unwrap();
    assert!(value.starts_with("Mine=") && value.len() == 5 + 64, "{cookie}");
    assert_eq!(attributes, "Path=/;HttpOnly;Domain=a.test");
    let who = first.text().as_bytes()[0] - b'0';
    let fields = format!("Cookie: x=y; {value}\r\n");
    for _ in 0..5 {
        let again = farm.ask("/", &fields);
        assert_eq!((again.text().as_bytes()[0] - b'0', again.field("Set-Cookie")), (who, None));
    }
    // When it fails, the session moves and is told so.
    farm.healthy[usize::from(who)].store(false, Ordering::Relaxed);
    farm.server.hear("fails its health check");
    let moved = farm.ask("/", &fields);
    assert_ne!(moved.text().as_bytes()[0] - b'0', who);
    assert!(moved.field("Set-Cookie").unwrap().starts_with("Mine="));
}

#[test]
fn a_health_check_takes_a_server_out_and_back_under_load_without_an_error() {
    let farm = farm(
        &["", ""],
        r#"<healthCheck url="http://farm/health" interval="00:00:01" timeout="00:00:01" responseMatch="fine" />"#,
    );
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (port, stop) = (farm.port, Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut seen = BTreeMap::new();
                while !stop.load(Ordering::Relaxed) {
                    let status = try_get(port, "/", "").map_or(0, |reply| reply.status);
                    *seen.entry(status).or_insert(0) += 1;
                }
                seen
            })
        })
        .collect();
    farm.healthy[0].store(false, Ordering::Relaxed);
    farm.server.hear("fails its health check");
    std::thread::sleep(Duration::from_millis(200));
    let _ = farm.origins[0].taken();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(farm.origins[0].taken(), 0);
    assert!(farm.origins[1].taken() > 0);
    farm.healthy[0].store(true, Ordering::Relaxed);
    farm.server.hear("passes its health check");
    let began = Instant::now();
    while farm.origins[0].taken() == 0 {
        assert!(began.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(20));
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        let seen = client.join().unwrap();
        assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [200], "{seen:?}");
    }
}

/// A server that breaks connections off is asked three times more at most; who asked gets another one's answer.
#[test]
fn live_traffic_drains_a_server_that_breaks_off_under_load_without_an_error() {
    let farm = farm(
        &["", ""],
        r#"<healthCheck url="http://farm/health" interval="00:00:03" responseMatch="fine" liveTrafficFailures="3" />"#,
    );
    let stop = Arc::new(AtomicBool::new(false));
    let load = |_| {
        let (port, stop) = (farm.port, Arc::clone(&stop));
        std::thread::spawn(move || {
            let mut seen = BTreeMap::new();
            while !stop.load(Ordering::Relaxed) {
                let status = try_get(port, "/drop", "").map_or(0, |reply| reply.status);
                *seen.entry(status).or_insert(0) += 1;
            }
            seen
        })
    };
    let clients: Vec<_> = (0..4).map(load).collect();
    let until_asked = |farm: &Farm| {
        let began = Instant::now();
        let _ = farm.origins[0].taken();
        while farm.origins[0].taken() == 0 {
            assert!(began.elapsed() < Duration::from_secs(15), "{}", farm.server.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    // How soon depends on how busy the machine is.
    let until_left_alone = |farm: &Farm| {
        let began = Instant::now();
        loop {
            let _ = farm.origins.iter().map(Origin::taken).count();
            std::thread::sleep(Duration::from_millis(300));
            if farm.origins[0].taken() == 0 && farm.origins[1].taken() > 0 {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(15), "{}", farm.server.said());
        }
    };
    for _ in 0..2 {
        until_asked(&farm);
        farm.healthy[0].store(false, Ordering::Relaxed);
        until_left_alone(&farm);
        farm.healthy[0].store(true, Ordering::Relaxed);
        until_asked(&farm);
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        let seen = client.join().unwrap();
        assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [200], "{seen:?}");
    }
}

#[test]
fn live_traffic_takes_a_server_out_and_only_a_test_takes_it_back() {
    let farm = farm(
        &["", ""],
        r#"<loadBalancing algorithm="WeightedRoundRobin" />
           <healthCheck url="http://farm/health" interval="00:00:02" liveTrafficFailures="2" liveTrafficFailureCodes="503" statusCodeMatch="200" />"#,
    );
    farm.healthy[1].store(false, Ordering::Relaxed);
    let failed = (0..8).filter(|_| get(farm.port, "/fail", "").status == 503).count();
    assert_eq!(failed, 2);
    // The URL test looks at the status alone, and finds it well.
    farm.server.hear("passes its health check");
    assert_eq!(farm.counts(8, |_| "/".to_owned()), [4, 4]);
}

#[test]
fn as_many_stay_in_use_as_there_have_to_be() {
    let farm = farm(
        &["", ""],
        r#"<loadBalancing algorithm="WeightedRoundRobin" />
           <healthCheck url="http://farm/health" interval="00:00:01" responseMatch="fine" minServers="1" />"#,
    );
    farm.healthy[0].store(false, Ordering::Relaxed);
    farm.healthy[1].store(false, Ordering::Relaxed);
    farm.server.hear("fails its health check");
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(get(farm.port, "/", "").status, 200);
}

#[test]
fn the_server_with_the_least_traffic_takes_the_next() {
    let farm = farm(
        &[r#"weight="100""#, r#"weight="300""#, r#"weight="100""#],
        r#"<loadBalancing algorithm="WeightedTotalTraffic" />"#,
    );
    // What requests and answers weigh is the same for all but the length of the number.
    let counts = farm.counts(100, |_| "/".to_owned());
    assert!((17..=23).contains(&counts[0]) && (55..=65).contains(&counts[1]), "{counts:?}");
}

/// One that everybody asks for much takes fewer requests.
#[test]
fn traffic_is_bytes_not_requests() {
    let farm = farm(&["", ""], r#"<loadBalancing algorithm="WeightedTotalTraffic" />"#);
    let first = farm.who(&format!("/{}", "x".repeat(3000)), "");
    let next: Vec<usize> = (0..8).map(|_| farm.who("/", "")).collect();
    assert!(next.iter().all(|who| *who != first), "{first} {next:?}");
}

#[test]
fn equals_under_way_are_shared_by_weight() {
    let farm =
        farm(&[r#"weight="100""#, r#"weight="300""#], r#"<loadBalancing algorithm="LeastRequests" />"#);
    // One request at a time: nobody has any under way, so that it is a matter of weights.
    assert_eq!(farm.counts(40, |_| "/".to_owned()), [10, 30]);
}

#[test]
fn a_hash_of_any_variable_stays_and_spreads() {
    let farm =
        farm(&["", "", ""], r#"<loadBalancing algorithm="RequestHash" hashServerVariable="HTTP_X_USER" />"#);
    let ask = |at: usize| farm.who(&format!("/{}", at * 7), &format!("X-User: user{at}\r\n"));
    let first: Vec<usize> = (0..60).map(ask).collect();
    assert_eq!(first, (0..60).map(ask).collect::<Vec<_>>());
    for server in 0..3 {
        let count = first.iter().filter(|who| **who == server).count();
        assert!((8..=35).contains(&count), "{first:?}");
    }
}

/// Servers of a farm that are no servers: a name that nobody knows, a port where nobody listens.
#[test]
fn a_server_that_cannot_be_reached_or_found_costs_no_request() {
    let (listen, behind, folder) = (port(), port(), Folder::new());
    let answer = |_: &str, stream: &mut std::net::TcpStream| say(stream, "200 OK", "", "here");
    let _origin = Origin::start("127.0.0.1", behind, Arc::new(answer));
    let (host, gone) = (folder.0.display(), port());
    let text = format!(
        r#"<configuration><system.applicationHost><sites><site name="A" id="1">
          <application path="/"><virtualDirectory path="/" physicalPath="{host}" /></application>
          <bindings><binding protocol="http" bindingInformation="*:{listen}:" /></bindings></site></sites></system.applicationHost>
        <webFarms><webFarm name="Farm">
          <server address="nobody.invalid"><applicationRequestRouting httpPort="{behind}" /></server>
          <server address="127.0.0.1"><applicationRequestRouting httpPort="{behind}" /></server>
          <server address="127.0.0.2"><applicationRequestRouting httpPort="{gone}" /></server>
          <applicationRequestRouting><loadBalancing algorithm="WeightedRoundRobin" /></applicationRequestRouting></webFarm></webFarms>
        <system.webServer><proxy enabled="true" /><rewrite><globalRules><rule name="all" stopProcessing="true">
          <match url=".*" /><action type="Rewrite" url="http://farm/{{R:0}}" /></rule></globalRules></rewrite></system.webServer></configuration>"#,
    );
    let file = folder.write("applicationHost.config", text);
    let server = Server::start(&file, &[], listen);
    for _ in 0..30 {
        let reply = get(listen, "/", "");
        assert_eq!((reply.status, reply.text().as_str()), (200, "here"), "{}", server.said());
    }
    server.hear("nobody.invalid");
    assert_eq!(server.said().matches("temporarily disabled").count(), 2, "{}", server.said());
}

/// A cookie that the client made up leads nowhere, and what it says is nobody's but the client's.
#[test]
fn a_cookie_of_affinity_that_is_not_ours_is_passed_over() {
    let farm = farm(
        &["", "", r#"enabled="false""#],
        r#"<affinity useCookie="true" /><loadBalancing algorithm="WeightedRoundRobin" />"#,
    );
    let value = |reply: &Reply| {
        let cookie = reply.field("Set-Cookie").unwrap().to_owned();
        cookie.split(';').next().unwrap().to_owned()
    };
    let first = farm.ask("/", "");
    let (cookie, who) = (value(&first), first.text());
    let long = "a".repeat(6000);
    for forged in [
        "ARRAffinity=",
        "ARRAffinity",
        "ARRAffinity=deadbeef",
        "arraffinity=x",
        "=; ;ARRAffinity=\"\"",
        &format!("ARRAffinity={long}"),
    ] {
        let reply = farm.ask("/", &format!("Cookie: {forged}\r\n"));
        assert!(reply.field("Set-Cookie").is_some_and(|set| set.starts_with("ARRAffinity=")), "{forged}");
    }
    // Beside others, and in a field of its own.
    for fields in [format!("Cookie: a=b; {cookie}; c=d\r\n"), format!("Cookie: a=b\r\nCookie: {cookie}\r\n")]
    {
        for _ in 0..3 {
            let reply = farm.ask("/", &fields);
            assert_eq!((reply.text(), reply.field("Set-Cookie")), (who.clone(), None), "{fields}");
        }
    }
    // No domain where the client's host cannot be one.
    for host in ["[::1]:80", "a;Secure"] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let reply = ask(farm.port, &request).unwrap();
        if reply.status == 200 {
            assert!(!reply.field("Set-Cookie").unwrap().contains("Domain"), "{}", reply.head);
        }
    }
}

#[test]
fn a_farm_without_a_server_to_use_answers_502() {
    let farm = farm(&[r#"enabled="false""#], "");
    assert_eq!(get(farm.port, "/", "").status, 502);
}
