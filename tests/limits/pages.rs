//! Pages whose instructions include each other, or make values longer and longer.

use std::fs;
use std::time::{Duration, Instant};

use crate::prefix;
use crate::support::http::{Connection, get};
use crate::support::ports;
use crate::support::subject::is_triglot;

#[test]
fn pages_that_include_each_other_twice_hold_nobody_up() {
    if !is_triglot() {
        // It gives others no turn.
        return;
    }
    let port = ports::free();
    let server = prefix("pages", port, "", "", "location /pages/ { ssi on; root html; }").serve();
    let folder = server.prefix().path().join("html/pages");
    fs::create_dir_all(&folder).expect("a folder can be made");
    let twice = "<!--#include virtual=\"/pages/two.html\"-->".repeat(2);
    fs::write(folder.join("one.html"), &twice).expect("a file can be written");
    fs::write(folder.join("two.html"), twice.replace("two", "one")).expect("a file can be written");
    let mut endless = Connection::open(port).expect("it accepts connections");
    endless.send("GET /pages/one.html HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it is sent");
    std::thread::sleep(Duration::from_millis(300));
    let began = Instant::now();
    assert_eq!(get(port, "/").text(), "here\n");
    assert!(began.elapsed() < Duration::from_secs(2), "others waited for {:?}", began.elapsed());
    server.prefix().wait_for("logs/error.log", "subrequests cycle");
}

#[test]
fn values_do_not_grow_for_ever() {
    if !is_triglot() {
        // It would take 4 GiB.
        return;
    }
    let port = ports::free();
    let server = prefix("values", port, "", "", "location /pages/ { ssi on; root html; }").serve();
    let folder = server.prefix().path().join("html/pages");
    fs::create_dir_all(&folder).expect("a folder can be made");
    let begin = "<!--#set var=\"v\" value=\"0123456789abcdef\"-->";
    let more = "<!--#set var=\"v\" value=\"$v$v$v$v\"-->".repeat(14);
    fs::write(folder.join("v.html"), format!("{begin}{more}<!--#echo var=\"v\"-->"))
        .expect("it can be written");
    let answer = get(port, "/pages/v.html");
    assert_eq!(answer.status, 200);
    assert!(answer.content.len() < 4 << 20, "{}", answer.content.len());
    server.prefix().wait_for("logs/error.log", "becomes too long");
}
