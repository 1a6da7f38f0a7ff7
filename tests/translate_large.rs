//! Large configurations are translated, and compared with what was made of them, while somebody waits.
//!
//! What is measured is this thread's time on a processor, so that other tests beside it do not count.

#[path = "support/large.rs"]
mod large;

use std::time::Duration;

use triglot::{
    cli::{
        load::Request,
        translate::{Verify, translate},
    },
    dialect::{Dialect, Options},
};

/// The lines of a large installation.
const LINES: usize = 5000;

/// What people wait for; a build without optimisation takes ten times as long.
const LIMIT: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 2 });

/// What this thread has taken of a processor.
fn taken() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts it");
    let nanoseconds = text.split(' ').next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanoseconds.expect("the first number is time"))
}

fn timed(from: Dialect, to: Dialect, text: &str) {
    let name = format!("triglot-large-{}-{}-{}.conf", from.name(), to.name(), std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, text).expect("a file can be written");
    let options = Options { offline: true, ..Options::default() };
    let request = Request { path: path.clone(), dialect: Some(from), options, listen: None };
    let before = taken();
    let done = translate(&request, to, &Verify::Meaning);
    let took = taken().saturating_sub(before);
    let _ = std::fs::remove_file(&path);
    let lines = done.text.expect("it is translated").lines().count();
    assert!(lines > LINES / 3, "{lines} lines");
    assert!(took < LIMIT, "{} → {}: {took:?}", from.name(), to.name());
}

#[test]
fn a_large_nginx_configuration_is_translated_while_somebody_waits() {
    let text = large::nginx(LINES);
    assert!((LINES..LINES + 50).contains(&text.lines().count()));
    timed(Dialect::Nginx, Dialect::Apache, &text);
    timed(Dialect::Nginx, Dialect::Iis, &text);
}

#[test]
fn a_large_apache_configuration_is_translated_while_somebody_waits() {
    let text = large::apache(LINES);
    assert!((LINES..LINES + 50).contains(&text.lines().count()));
    timed(Dialect::Apache, Dialect::Nginx, &text);
    timed(Dialect::Apache, Dialect::Iis, &text);
}
