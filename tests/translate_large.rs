//! Large configurations are translated, and compared with what was made of them, while somebody waits.

#[path = "support/large.rs"]
mod large;

use std::time::{Duration, Instant};

use triglot::{
    cli::{load::Request, translate::translate},
    dialect::{Dialect, Options},
};

/// The lines of a large installation.
const LINES: usize = 5000;

/// A build without optimisation is about this much slower than the one that people have.
const SLOWER: u32 = if cfg!(debug_assertions) { 12 } else { 1 };

fn timed(from: Dialect, to: Dialect, text: &str) {
    let path = std::env::temp_dir().join(format!(
        "triglot-large-{}-{}-{}.conf",
        from.name(),
        to.name(),
        std::process::id()
    ));
    std::fs::write(&path, text).expect("a file can be written");
    let options = Options { offline: true, ..Options::default() };
    let request = Request { path: path.clone(), dialect: Some(from), options, listen: None };
    let began = Instant::now();
    let done = translate(&request, to, true);
    let took = began.elapsed();
    let _ = std::fs::remove_file(&path);
    let output = done.text.expect("it is translated");
    assert!(output.lines().count() > LINES / 3, "{} lines", output.lines().count());
    println!("{} → {}: {took:?}", from.name(), to.name());
    if let Ok(folder) = std::env::var("LARGE") {
        std::fs::write(format!("{folder}/{}.conf", from.name()), text).expect("it can be written");
        let found: Vec<String> = done
            .found
            .iter()
            .map(|one| format!("{:?} {}\n{:?}\n", one.severity, one.message, one.notes))
            .collect();
        std::fs::write(format!("{folder}/{}-{}.found", from.name(), to.name()), found.concat())
            .expect("it can be written");
    }
    assert!(took < Duration::from_secs(2) * SLOWER, "{} → {}: {took:?}", from.name(), to.name());
}

#[test]
fn a_large_nginx_configuration_is_translated_while_somebody_waits() {
    let text = large::nginx(LINES);
    timed(Dialect::Nginx, Dialect::Apache, &text);
    timed(Dialect::Nginx, Dialect::Iis, &text);
}

#[test]
fn a_large_apache_configuration_is_translated_while_somebody_waits() {
    let text = large::apache(LINES);
    timed(Dialect::Apache, Dialect::Nginx, &text);
    timed(Dialect::Apache, Dialect::Iis, &text);
}
