//! Generated configurations and requests: the answers of triglot beside those of the real nginx and the real Apache.
//!
//! For nginx, each seed makes some thirty virtual hosts out of rewriting, locations, files and proxying, leaves out those that
//! nginx refuses, and asks both servers the same requests; or it makes requests that few clients send and asks a fixed
//! configuration. For Apache, each seed makes as many virtual hosts out of sections in sections, rewriting, aliases,
//! proxying, fields, variables and access, with `.htaccess` files. `SEEDS=from..to` in the environment tries others than the usual ones; `HOSTS=n` makes more hosts.
//!
//! A difference found here becomes a fixture; what differs on purpose is not generated, and said where it is left out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "alike/apache.rs"]
mod apache;
#[path = "alike/both.rs"]
mod both;
#[path = "alike/configuration.rs"]
mod configuration;
#[path = "alike/filters.rs"]
mod filters;
#[path = "alike/httpd.rs"]
mod httpd;
#[path = "alike/pair.rs"]
mod pair;
#[path = "apps_support/ports.rs"]
mod ports;
#[path = "support/random.rs"]
mod random;
#[path = "alike/request.rs"]
mod request;

use pair::Place;
use random::Random;

/// The seeds to try: those of the environment, or the usual ones.
fn seeds(usual: std::ops::Range<u64>) -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("SEEDS") else { return usual };
    let (from, to) = text.split_once("..").expect("SEEDS is from..to");
    from.parse().unwrap()..to.parse().unwrap()
}

/// A generator whose neighbours' numbers have nothing to do with its own.
fn generator(seed: u64) -> Random {
    let mut random = Random((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for _ in 0..16 {
        random.next();
    }
    random
}

/// Whether there is an original to ask; it is said loudly where there is none, and that is a failure.
fn has_oracle(path: &str) {
    assert!(std::path::Path::new(path).exists(), "{path} is missing: tests/setup.sh installs it");
}

#[test]
fn generated_virtual_hosts_are_served_alike() {
    has_oracle(httpd::ORACLE);
    let hosts = std::env::var("HOSTS").map_or(4, |text| text.parse().unwrap());
    for seed in seeds(0..4) {
        let mut random = generator(seed);
        let origin = pair::origin();
        let mut hosts: Vec<_> = (0..hosts).map(|number| apache::host(&mut random, number, origin)).collect();
        let place = httpd::Place::new(&format!("vhosts-{seed}"), &hosts);
        place.leave_out_refused(&mut hosts);
        let both = httpd::start(&place, &hosts);
        for host in &hosts {
            for _ in 0..16 {
                let request = apache::request(&mut random, &host.name());
                both.compare(&request, || format!("seed {seed}\n{}{:?}", host.text("ROOT"), host.files));
            }
        }
    }
}

#[test]
fn generated_hosts_are_served_alike() {
    has_oracle(pair::ORACLE);
    let hosts = std::env::var("HOSTS").map_or(24, |text| text.parse().unwrap());
    for seed in seeds(0..6) {
        let mut random = generator(seed);
        let place = Place::new(&format!("hosts-{seed}"));
        let mut servers: Vec<String> =
            (0..hosts).map(|number| configuration::server(&mut random, number, place.origin())).collect();
        place.leave_out_refused(&mut servers, configuration::HTTP);
        let both = pair::start(&place, configuration::HTTP, &servers);
        for server in &servers {
            let name = configuration::name(server);
            for _ in 0..12 {
                let request = request::usual(&mut random, name);
                both.compare(&request, || format!("seed {seed}\n{server}"));
            }
        }
    }
}

#[test]
fn generated_filters_work_alike() {
    has_oracle(pair::ORACLE);
    let hosts = std::env::var("HOSTS").map_or(24, |text| text.parse().unwrap());
    for seed in seeds(0..6) {
        let mut random = generator(seed ^ 0xf117);
        let place = Place::new(&format!("filters-{seed}"));
        let mut servers: Vec<String> =
            (0..hosts).map(|number| filters::server(&mut random, number, place.origin())).collect();
        place.leave_out_refused(&mut servers, filters::HTTP);
        let both = pair::start(&place, filters::HTTP, &servers);
        for server in &servers {
            let name = configuration::name(server);
            for _ in 0..20 {
                let request = filters::request(&mut random, name);
                both.compare(&request, || format!("seed {seed}\n{server}"));
            }
        }
    }
}

#[test]
fn odd_requests_are_answered_alike() {
    has_oracle(pair::ORACLE);
    for seed in seeds(0..6) {
        let mut random = generator(seed);
        let place = Place::new(&format!("requests-{seed}"));
        let servers = request::servers(place.origin());
        let both = pair::start(&place, configuration::HTTP, &servers);
        // Both servers wait a second for more on a connection that they keep: many at once.
        let requests: Vec<Vec<u8>> = (0..160)
            .map(|_| {
                let count = [1, 1, 1, 2, 3][random.below(5)];
                (0..count).flat_map(|_| request::odd(&mut random)).collect()
            })
            .collect();
        for some in requests.chunks(32) {
            std::thread::scope(|scope| {
                for request in some {
                    scope.spawn(|| both.compare(request, || format!("seed {seed}")));
                }
            });
        }
    }
}
