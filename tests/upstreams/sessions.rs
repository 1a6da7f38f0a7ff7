//! Sessions, the queue, health: none of it is in the nginx installed.

use std::fs;
use std::time::Duration;

use crate::support::http::{Connection, Response, get};
use crate::support::origin::Origin;
use crate::support::subject::{Prefix, Server, is_triglot};
use crate::support::{ports, wait};

/// Two servers that say their name, and one in front of them.
struct Case {
    server: Server,
    port: u16,
    servers: [u16; 2],
}

fn start(name: &str, upstream: &str, server: &str) -> Case {
    let (port, one, two) = (ports::free(), ports::free(), ports::free());
    let upstream =
        upstream.replace("ONE", &format!("127.0.0.1:{one}")).replace("TWO", &format!("127.0.0.1:{two}"));
    let text = format!(
        "worker_processes 2;
        error_log logs/error.log info;
        events {{ }}
        http {{
            access_log off;
            {upstream}
            server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://group; {server} }} }}
            server {{
                listen 127.0.0.1:{one};
                location / {{ add_header Set-Cookie $arg_begin; return 200 \"one\"; }}
                location /health {{ root health; try_files /one =503; }}
            }}
            server {{
                listen 127.0.0.1:{two};
                location / {{ add_header Set-Cookie $arg_begin; return 200 \"two\"; }}
                location /health {{ root health; try_files /two =503; }}
            }}
        }}
        "
    );
    let prefix = Prefix::new(name, &text);
    fs::create_dir_all(prefix.path().join("health")).expect("a folder can be made");
    for server in ["one", "two"] {
        fs::write(prefix.path().join("health").join(server), "fine").expect("a file can be written");
    }
    Case { server: prefix.serve(), port, servers: [one, two] }
}

fn with_cookie(port: u16, target: &str, cookie: &str) -> Response {
    let mut connection = Connection::open(port).expect("it accepts connections");
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n");
    connection.send(request).expect("it is sent");
    connection.response().expect("it is answered")
}

#[test]
fn a_cookie_keeps_a_session_on_its_server() {
    if !is_triglot() {
        return;
    }
    let case = start(
        "sticky-cookie",
        "upstream group { zone group 64k; server ONE; server TWO route=second; sticky cookie srv expires=1h path=/ httponly; }",
        "",
    );
    let mut names = [String::new(), String::new()];
    for _ in 0..4 {
        let answer = get(case.port, "/");
        let cookie = answer.field("Set-Cookie").expect("a first response brings the cookie").to_owned();
        assert!(cookie.contains("; expires=") && cookie.ends_with("; path=/; httponly"), "{cookie}");
        let value = cookie.split([';', '=']).nth(1).unwrap_or_default().to_owned();
        names[usize::from(answer.text() == "two")] = value;
    }
    assert_eq!(names[1], "second");
    assert_eq!(names[0].len(), 32, "a digest of 127.0.0.1:{}", case.servers[0]);
    for _ in 0..5 {
        for (name, text) in [(&names[0], "one"), (&names[1], "two")] {
            let answer = with_cookie(case.port, "/", &format!("a=b; srv={name}"));
            assert_eq!(answer.text(), text);
            assert_eq!(answer.field("Set-Cookie"), None, "the client has it");
        }
    }
    let answer = with_cookie(case.port, "/", "srv=nobody");
    assert!(answer.field("Set-Cookie").is_some(), "one that nobody has is replaced");
}

#[test]
fn sessions_are_learned_from_what_servers_say() {
    if !is_triglot() {
        return;
    }
    let case = start(
        "sticky-learn",
        "upstream group { zone group 64k; server ONE; server TWO; sticky learn create=$upstream_cookie_sid lookup=$cookie_sid zone=sessions:1m header; }",
        "",
    );
    for session in ["a", "b", "c", "d", "e"] {
        let first = get(case.port, &format!("/?begin=sid={session}")).text();
        for _ in 0..4 {
            assert_eq!(with_cookie(case.port, "/", &format!("sid={session}")).text(), first, "{session}");
        }
    }
}

#[test]
fn a_route_names_a_server() {
    if !is_triglot() {
        return;
    }
    let case = start(
        "sticky-route",
        "upstream group { server ONE route=a; server TWO route=b; sticky route $cookie_route $arg_route; }",
        "",
    );
    for _ in 0..3 {
        assert_eq!(get(case.port, "/?route=a").text(), "one");
        assert_eq!(get(case.port, "/?route=b").text(), "two");
        assert_eq!(with_cookie(case.port, "/?route=a", "route=b").text(), "two");
    }
}

#[test]
fn who_is_ill_is_not_used_until_it_is_well() {
    if !is_triglot() {
        return;
    }
    let case = start(
        "health",
        "match fine { status 200; body ~ fine; }
        upstream group { zone group 64k; server ONE; server TWO; }",
        "health_check interval=100ms uri=/health match=fine fails=2;",
    );
    let both = |case: &Case| {
        let answers: Vec<_> = (0..8).map(|_| get(case.port, "/").text()).collect();
        (answers.iter().any(|it| it == "one"), answers.iter().any(|it| it == "two"))
    };
    assert_eq!(both(&case), (true, true));
    let file = case.server.prefix().path().join("health/two");
    fs::remove_file(&file).expect("the file is there");
    wait::until("the second to be out of use", wait::SOON, || (both(&case) == (true, false)).then_some(()));
    case.server.prefix().wait_for("logs/error.log", "fails its health check");
    fs::write(&file, "ill").expect("a file can be written");
    wait::throughout("what the content says counts", Duration::from_millis(500), || {
        both(&case) == (true, false)
    });
    fs::write(&file, "fine").expect("a file can be written");
    wait::until("the second to be used again", wait::SOON, || (both(&case) == (true, true)).then_some(()));
    case.server.prefix().wait_for("logs/error.log", "passes its health check");
}

#[test]
fn requests_wait_for_a_server_with_room() {
    if !is_triglot() {
        return;
    }
    let (port, origin) = (ports::free(), Origin::start());
    let text = format!(
        "worker_processes 2;
        error_log logs/error.log info;
        events {{ }}
        http {{
            access_log off;
            upstream group {{ zone group 64k; server 127.0.0.1:{} max_conns=1; queue 1 timeout=5s; }}
            server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://group; }} }}
        }}
        ",
        origin.port()
    );
    let server = Prefix::new("queue", &text).serve();
    let ask = |target: &str| {
        let mut connection = Connection::open(port).expect("it accepts connections");
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        connection.send(request).expect("it is sent");
        connection
    };
    let mut first = ask("/held/a");
    origin.wait_held("a");
    let mut second = ask("/second");
    std::thread::sleep(Duration::from_millis(300));
    // There is one place, and it is taken.
    assert_eq!(ask("/third").response().expect("it is answered").status, 502);
    server.prefix().wait_for("logs/error.log", "upstream queue is full");
    origin.release("a");
    assert_eq!(first.response().expect("it is answered").status, 200);
    assert_eq!(second.response().expect("it waited, and is answered").status, 200);
}
