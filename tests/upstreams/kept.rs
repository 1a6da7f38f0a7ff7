//! Kept responses under hard conditions: killed in the middle, no room on the disk, everybody at once.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::http::{Connection, get};
use crate::support::subject::{Prefix, is_triglot};
use crate::support::{ports, wait};

/// An upstream that sends `length` bytes of the digit that the target ends with, slowly or not, and counts requests.
struct Source {
    port: u16,
    asked: Arc<AtomicUsize>,
}

fn source(length: usize, pieces: usize, pause: Duration) -> Source {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("a listener has an address").port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let count = Arc::clone(&count);
            std::thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0; 1];
                while !head.ends_with(b"\r\n\r\n") {
                    if stream.read(&mut byte).unwrap_or(0) == 0 {
                        return;
                    }
                    head.push(byte[0]);
                }
                count.fetch_add(1, Ordering::SeqCst);
                let target = String::from_utf8_lossy(&head);
                let digit = target.split(' ').nth(1).and_then(|it| it.bytes().last()).unwrap_or(b'x');
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nCache-Control: max-age=60\r\n\r\n"
                );
                let _ = stream.write_all(answer.as_bytes());
                for _ in 0..pieces {
                    if stream.write_all(&vec![digit; length / pieces]).is_err() {
                        return;
                    }
                    std::thread::sleep(pause);
                }
            });
        }
    });
    Source { port, asked }
}

fn configuration(port: u16, source: u16, more: &str) -> String {
    format!(
        "worker_processes 2;
        error_log logs/error.log info;
        events {{ }}
        http {{
            access_log off;
            proxy_cache_path kept keys_zone=kept:1m levels=1:2 use_temp_path=off;
            server {{
                listen 127.0.0.1:{port};
                location / {{
                    proxy_pass http://127.0.0.1:{source};
                    proxy_cache kept;
                    add_header X-Cache $upstream_cache_status;
                    {more}
                }}
            }}
        }}
        "
    )
}

/// The files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

#[test]
fn what_was_kept_survives_being_killed_and_what_was_half_is_not_served() {
    let source = source(100_000, 10, Duration::from_millis(60));
    let port = ports::free();
    let prefix = Prefix::new("kept-killed", &configuration(port, source.port, ""));
    let mut server = prefix.serve();
    assert_eq!(get(port, "/1").content, vec![b'1'; 100_000]);
    assert_eq!(get(port, "/1").field("X-Cache"), Some("HIT"));
    // Another one is on its way when everything ends.
    let mut half = Connection::open(port).expect("it accepts connections");
    half.send("GET /2 HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it is sent");
    half.exactly(20_000).expect("a part of it comes");
    server.signal("KILL");
    server.wait(wait::SOON);
    let folder = server.prefix().path().join("kept");
    assert!(!files(&folder).is_empty());
    let text = configuration(port, source.port, "");
    let again =
        Prefix::new("kept-killed-again", &text.replace("kept keys", &format!("{} keys", folder.display())));
    let server = again.serve();
    let asked = source.asked.load(Ordering::SeqCst);
    let answer = get(port, "/1");
    assert_eq!((answer.field("X-Cache"), answer.content == vec![b'1'; 100_000]), (Some("HIT"), true));
    assert_eq!(source.asked.load(Ordering::SeqCst), asked);
    let answer = get(port, "/2");
    assert_eq!((answer.field("X-Cache"), answer.content == vec![b'2'; 100_000]), (Some("MISS"), true));
    // The client has all of it before it is kept.
    wait::until("a kept response", wait::SOON, || {
        (get(port, "/2").field("X-Cache") == Some("HIT")).then_some(())
    });
    drop(server);
}

#[test]
fn what_is_asked_for_often_goes_with_its_file() {
    let source = source(1000, 1, Duration::ZERO);
    let port = ports::free();
    let prefix = Prefix::new("kept-often", &configuration(port, source.port, ""));
    let server = prefix.serve();
    // One connection: one worker, which may remember what it read once the file is some seconds old.
    let mut client = Connection::open(port).expect("it accepts connections");
    let mut ask = || {
        client.send("GET /7 HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it is sent");
        let answer = client.response().expect("it answers");
        (answer.field("X-Cache").map(str::to_owned).unwrap_or_default(), answer.content)
    };
    let asked = || source.asked.load(Ordering::SeqCst);
    let folder = server.prefix().path().join("kept");
    let hits = |ask: &mut dyn FnMut() -> (String, Vec<u8>), last: u8| {
        for _ in 0..4 {
            let (status, content) = ask();
            assert_eq!((status.as_str(), content.len(), content.last()), ("HIT", 1000, Some(&last)));
        }
    };
    assert_eq!(ask(), ("MISS".to_owned(), vec![b'7'; 1000]));
    wait::until("a kept response", wait::SOON, || (ask().0 == "HIT").then_some(()));
    std::thread::sleep(Duration::from_secs(3));
    let before = asked();
    hits(&mut ask, b'7');
    assert_eq!(asked(), before);
    // Written over in its place, as what holds for longer is.
    let file = files(&folder).pop().expect("there is a file");
    let mut bytes = fs::read(&file).expect("it can be read");
    *bytes.last_mut().expect("it has content") = b'8';
    fs::write(&file, &bytes).expect("it can be written");
    hits(&mut ask, b'8');
    std::thread::sleep(Duration::from_secs(3));
    hits(&mut ask, b'8');
    // And removed, as people do who want it anew.
    fs::remove_file(&file).expect("it can be removed");
    assert_eq!(ask(), ("MISS".to_owned(), vec![b'7'; 1000]));
    assert_eq!(asked(), before + 1);
}

#[test]
fn a_full_disk_is_an_error_in_the_log_and_nothing_to_the_client() {
    let source = source(200_000, 4, Duration::ZERO);
    let port = ports::free();
    // No file may have more than 32 KiB.
    let prefix = Prefix::new(
        "kept-full",
        &configuration(port, source.port, "proxy_buffering on; proxy_max_temp_file_size 0;"),
    );
    let mut server = prefix.serve_within("ulimit -f 64", "");
    for _ in 0..3 {
        let answer = get(port, "/3");
        assert_eq!((answer.status, answer.content == vec![b'3'; 200_000]), (200, true));
        assert_ne!(answer.field("X-Cache"), Some("HIT"));
        if !is_triglot() {
            break;
        }
    }
    server.prefix().wait_for("logs/error.log", "[crit]");
    assert!(server.running());
    if is_triglot() {
        let folder = server.prefix().path().join("kept");
        wait::until("what is half to go", wait::SOON, || files(&folder).is_empty().then_some(()));
    }
}

#[test]
fn with_a_lock_one_request_asks_for_all() {
    let source = source(50_000, 5, Duration::from_millis(50));
    let port = ports::free();
    let more = "proxy_cache_lock on; proxy_cache_lock_timeout 20s; proxy_cache_lock_age 20s;";
    let server = Prefix::new("kept-lock", &configuration(port, source.port, more)).serve();
    let waiting: Vec<_> = (0..16).map(|_| std::thread::spawn(move || get(port, "/4"))).collect();
    for one in waiting {
        let answer = one.join().expect("it is answered");
        assert_eq!((answer.status, answer.content == vec![b'4'; 50_000]), (200, true));
    }
    assert_eq!(source.asked.load(Ordering::SeqCst), 1);
    drop(server);
}

#[test]
fn a_lock_that_takes_too_long_is_passed_by() {
    let source = source(20_000, 4, Duration::from_millis(700));
    let port = ports::free();
    // Those whose patience ends ask for themselves and keep nothing.
    let more = "proxy_cache_lock on; proxy_cache_lock_timeout 300ms; proxy_cache_lock_age 20s;";
    let server = Prefix::new("kept-impatient", &configuration(port, source.port, more)).serve();
    let waiting: Vec<_> = (0..4).map(|_| std::thread::spawn(move || get(port, "/5"))).collect();
    for one in waiting {
        let answer = one.join().expect("it is answered");
        assert_eq!((answer.status, answer.content == vec![b'5'; 20_000]), (200, true));
    }
    assert_eq!(source.asked.load(Ordering::SeqCst), 4);
    assert_eq!(get(port, "/5").field("X-Cache"), Some("HIT"));
    drop(server);
}

#[test]
fn who_asks_leaves_and_the_next_one_has_it() {
    let source = source(60_000, 6, Duration::from_millis(80));
    let port = ports::free();
    let more = "proxy_cache_lock on;";
    let server = Prefix::new("kept-left", &configuration(port, source.port, more)).serve();
    let mut gone = Connection::open(port).expect("it accepts connections");
    gone.send("GET /6 HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it is sent");
    gone.exactly(100).expect("a part of it comes");
    drop(gone);
    let answer = get(port, "/6");
    assert_eq!((answer.status, answer.content == vec![b'6'; 60_000]), (200, true));
    assert_eq!(source.asked.load(Ordering::SeqCst), 1, "what was asked for is kept though nobody waits");
    drop(server);
}

#[test]
fn a_lock_is_not_held_by_who_keeps_nothing_or_takes_long() {
    let source = source(30_000_000, 1, Duration::ZERO);
    let lock = "proxy_cache_lock on; proxy_cache_lock_timeout 20s; proxy_cache_lock_age 20s;";
    // One connection stays open after what is not kept, another one takes next to nothing of what is.
    for (path, more) in [("/8", "proxy_no_cache 1;"), ("/9", "")] {
        let port = ports::free();
        let text = configuration(port, source.port, &format!("{lock} {more}"));
        let server = Prefix::new("kept-slow", &text).serve();
        let mut first = Connection::open(port).expect("it accepts connections");
        first.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).expect("it is sent");
        first.exactly(if more.is_empty() { 100_000 } else { 30_000_000 }).expect("it comes");
        let began = std::time::Instant::now();
        let answer = get(port, path);
        assert_eq!((answer.status, answer.content.len()), (200, 30_000_000));
        assert!(began.elapsed() < Duration::from_secs(10), "{path} was held up: {:?}", began.elapsed());
        if more.is_empty() {
            assert_eq!(answer.field("X-Cache"), Some("HIT"), "it is there when the upstream has sent it");
        }
        drop((first, server));
    }
}

#[test]
fn what_is_over_is_sent_at_once_and_asked_for_meanwhile() {
    let source = source(30_000, 3, Duration::from_millis(200));
    let port = ports::free();
    let more = "proxy_ignore_headers Cache-Control; proxy_cache_valid 200 1s;
        proxy_cache_use_stale updating; proxy_cache_background_update on;";
    let server = Prefix::new("kept-background", &configuration(port, source.port, more)).serve();
    assert_eq!(get(port, "/7").field("X-Cache"), Some("MISS"));
    std::thread::sleep(Duration::from_millis(2300));
    let began = std::time::Instant::now();
    let answer = get(port, "/7");
    assert_eq!((answer.field("X-Cache"), answer.content.len()), (Some("STALE"), 30_000));
    assert!(began.elapsed() < Duration::from_millis(400), "nobody waits for the upstream");
    wait::until("it to be asked for", wait::SOON, || {
        (source.asked.load(Ordering::SeqCst) == 2).then_some(())
    });
    wait::until("a fresh one", wait::SOON, || {
        let status = get(port, "/7");
        matches!(status.field("X-Cache"), Some("HIT")).then_some(())
    });
    assert_eq!(source.asked.load(Ordering::SeqCst), 2);
    drop(server);
}

#[test]
fn who_has_a_lock_for_too_long_lets_one_more_ask() {
    let source = source(20_000, 4, Duration::from_millis(600));
    let port = ports::free();
    let more = "proxy_cache_lock on; proxy_cache_lock_timeout 20s; proxy_cache_lock_age 300ms;";
    let server = Prefix::new("kept-age", &configuration(port, source.port, more)).serve();
    let waiting: Vec<_> = (0..2).map(|_| std::thread::spawn(move || get(port, "/3"))).collect();
    for one in waiting {
        let answer = one.join().expect("it is answered");
        assert_eq!((answer.status, answer.content == vec![b'3'; 20_000]), (200, true));
    }
    assert_eq!(source.asked.load(Ordering::SeqCst), 2);
    assert_eq!(get(port, "/3").field("X-Cache"), Some("HIT"));
    drop(server);
}

#[test]
fn what_leaves_too_little_room_on_the_disk_is_removed() {
    let source = source(1000, 1, Duration::ZERO);
    let port = ports::free();
    let text = configuration(port, source.port, "").replace("use_temp_path=off", "min_free=900000g");
    let server = Prefix::new("kept-free", &text).serve();
    assert_eq!(get(port, "/1").field("X-Cache"), Some("MISS"));
    let folder = server.prefix().path().join("kept");
    wait::until("the file to go", Duration::from_secs(30), || files(&folder).is_empty().then_some(()));
    assert_eq!(get(port, "/1").content, vec![b'1'; 1000]);
    drop(server);
}
