//! Servers that records of services name, and health that is asked for over gRPC or has variables: none of it is in the
//! nginx installed.

use std::net::UdpSocket;
use std::time::Duration;

use crate::support::http::get;
use crate::support::subject::{Prefix, is_triglot};
use crate::support::{ports, wait};

/// Answers with these records what is asked of `_web._tcp.all.test`: priority, weight, port, host; each host is
/// 127.0.0.1.
fn name_server(records: Vec<(u16, u16, u16, &'static str)>) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("there is a port");
    let port = socket.local_addr().expect("it has one").port();
    std::thread::spawn(move || {
        let mut packet = [0; 1500];
        while let Ok((length, peer)) = socket.recv_from(&mut packet) {
            let end = 12 + packet[12..length].iter().position(|byte| *byte == 0).expect("a name ends") + 1;
            let (name, kind) = (&packet[12..end], [packet[end], packet[end + 1]]);
            let mut answers = Vec::new();
            match kind {
                [0, 33] if name == b"\x04_web\x04_tcp\x03all\x04test\0" => {
                    for (priority, weight, port, host) in &records {
                        let mut data = Vec::new();
                        for number in [priority, weight, port] {
                            data.extend(number.to_be_bytes());
                        }
                        data.push(host.len() as u8);
                        data.extend(host.bytes());
                        data.extend(b"\x04test\0");
                        answers.push(data);
                    }
                }
                [0, 1] => answers.push(vec![127, 0, 0, 1]),
                _ => {}
            }
            let mut reply = packet[..2].to_vec();
            reply.extend([0x81, 0x80, 0, 1, 0, answers.len() as u8, 0, 0, 0, 0]);
            reply.extend(&packet[12..end + 4]);
            for data in answers {
                reply.extend([0xc0, 12, kind[0], kind[1], 0, 1, 0, 0, 0, 60]);
                reply.extend((data.len() as u16).to_be_bytes());
                reply.extend(data);
            }
            let _ = socket.send_to(&reply, peer);
        }
    });
    port
}

fn origin(port: u16, text: &str) -> String {
    format!("server {{ listen 127.0.0.1:{port}; return 200 \"{text}\"; }}\n")
}

#[test]
fn records_of_a_service_name_servers_ports_and_weights() {
    if !is_triglot() {
        return;
    }
    let (port, [one, two, three]) = (ports::free(), [(); 3].map(|()| ports::free()));
    let names = name_server(vec![(20, 0, three, "c"), (10, 3, one, "a"), (10, 1, two, "b")]);
    let text = format!(
        "worker_processes 1;
        error_log logs/error.log info;
        events {{ }}
        http {{
            access_log off;
            resolver 127.0.0.1:{names} ipv6=off;
            upstream group {{ zone group 64k; server all.test service=web resolve max_fails=1 fail_timeout=60s; }}
            upstream dotted {{ zone dotted 64k; server test service=_web._tcp.all resolve weight=5; }}
            server {{
                listen 127.0.0.1:{port};
                location / {{ proxy_pass http://group; }}
                location /dotted {{ proxy_pass http://dotted; }}
            }}
            {}
        }}
        ",
        [origin(one, "one"), origin(two, "two"), origin(three, "three")].concat()
    );
    let _server = Prefix::new("service", &text).serve();
    let all = |target: &str, count: usize| {
        (0..count).map(|_| get(port, target).text()).collect::<Vec<_>>().join(" ")
    };
    wait::until("the service to be known", wait::SOON, || {
        (get(port, "/").status == 200 && get(port, "/dotted").status == 200).then_some(())
    });
    let said = all("/", 8);
    assert_eq!(said.matches("one").count(), 6, "three of four: {said}");
    assert_eq!(said.matches("two").count(), 2, "{said}");
    let said = all("/dotted", 8);
    assert_eq!(said.matches("one").count(), 4, "a weight of its own counts for all: {said}");
}

#[test]
fn other_priorities_stand_by() {
    if !is_triglot() {
        return;
    }
    let (port, [dead, other]) = (ports::free(), [(); 2].map(|()| ports::free()));
    let names = name_server(vec![(1, 1, dead, "a"), (2, 1, other, "b")]);
    let text = format!(
        "worker_processes 1;
        error_log logs/error.log info;
        events {{ }}
        http {{
            access_log off;
            resolver 127.0.0.1:{names} ipv6=off;
            upstream group {{ zone group 64k; server all.test service=web resolve; }}
            server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://group; }} }}
            {}
        }}
        ",
        origin(other, "other")
    );
    let _server = Prefix::new("service-backup", &text).serve();
    wait::until("the service to be known", wait::SOON, || (get(port, "/").text() == "other").then_some(()));
}

#[test]
fn services_of_grpc_are_asked_for_their_health() {
    if !is_triglot() {
        return;
    }
    let (port, [well, ill, none]) = (ports::free(), [(); 3].map(|()| ports::free()));
    let serving = |port: u16, status: char| {
        format!(
            "server {{
                listen 127.0.0.1:{port} http2;
                location = /grpc.health.v1.Health/Check {{
                    error_page 405 =200 /status/{status}; return 405;
                }}
                location /status {{ root status; add_trailer grpc-status 0; default_type application/grpc; error_page 405 =200 $uri; }}
                location / {{ return 200 \"{port}\"; }}
            }}\n"
        )
    };
    let text = format!(
        "worker_processes 1;
        error_log logs/error.log info;
        events {{ }}
        http {{
            access_log off;
            upstream group {{ zone group 64k; server 127.0.0.1:{well}; server 127.0.0.1:{ill}; server 127.0.0.1:{none}; }}
            upstream lenient {{ zone lenient 64k; server 127.0.0.1:{well}; server 127.0.0.1:{ill}; server 127.0.0.1:{none}; }}
            server {{
                listen 127.0.0.1:{port};
                location / {{
                    grpc_pass grpc://group;
                    health_check interval=100ms mandatory type=grpc grpc_service=an.Example;
                }}
                location /lenient {{
                    grpc_pass grpc://lenient;
                    health_check interval=100ms mandatory type=grpc grpc_status=12;
                }}
            }}
            {}
            {}
            server {{
                listen 127.0.0.1:{none} http2;
                location = /grpc.health.v1.Health/Check {{ add_header grpc-status 12; return 200; }}
                location / {{ return 200 \"{none}\"; }}
            }}
        }}
        ",
        serving(well, '1'),
        serving(ill, '2'),
    );
    let prefix = Prefix::new("health-grpc", &text);
    std::fs::create_dir_all(prefix.path().join("status/status")).expect("a folder can be made");
    for status in [1, 2] {
        let content = [0, 0, 0, 0, 2, 8, status];
        std::fs::write(prefix.path().join(format!("status/status/{status}")), content)
            .expect("it can be written");
    }
    let _server = prefix.serve();
    let answers = |target: &str| {
        let mut answers: Vec<_> = (0..9).map(|_| get(port, target).text()).collect();
        answers.sort();
        answers.dedup();
        answers
    };
    let sorted = |ports: &[u16]| {
        let mut all: Vec<_> = ports.iter().map(ToString::to_string).collect();
        all.sort();
        all
    };
    wait::until("health to be known", wait::SOON, || {
        (answers("/") == sorted(&[well]) && answers("/lenient") == sorted(&[well, none])).then_some(())
    });
    wait::throughout("who is well stays well", Duration::from_millis(500), || {
        answers("/") == sorted(&[well])
    });
}

#[test]
fn variables_say_who_is_well() {
    if !is_triglot() {
        return;
    }
    let (port, [well, ill]) = (ports::free(), [(); 2].map(|()| ports::free()));
    let text = format!(
        "worker_processes 1;
        error_log logs/error.log info;
        events {{ }}
        http {{
            access_log off;
            map $upstream_http_x_state $ready {{ default 0; ~^up 1; }}
            match fine {{ status 200; require $ready $upstream_http_x_state; }}
            upstream group {{ zone group 64k; server 127.0.0.1:{well}; server 127.0.0.1:{ill}; }}
            server {{
                listen 127.0.0.1:{port};
                location / {{ proxy_pass http://group; health_check interval=100ms mandatory match=fine; }}
            }}
            server {{ listen 127.0.0.1:{well}; add_header X-State up-and-running; return 200 well; }}
            server {{ listen 127.0.0.1:{ill}; add_header X-State down; return 200 ill; }}
        }}
        "
    );
    let _server = Prefix::new("health-require", &text).serve();
    let answers = || (0..6).map(|_| get(port, "/").text()).collect::<Vec<_>>();
    wait::until("health to be known", wait::SOON, || (answers() == ["well"; 6]).then_some(()));
}

#[test]
fn who_does_not_answer_is_asked_once_at_a_time() {
    if !is_triglot() {
        return;
    }
    let (port, silent) =
        (ports::free(), std::net::TcpListener::bind("127.0.0.1:0").expect("there is a port"));
    let at = silent.local_addr().expect("it has one").port();
    let text = format!(
        "worker_processes 1;
        error_log logs/error.log info;
        events {{ }}
        http {{
            access_log off;
            upstream group {{ zone group 64k; server 127.0.0.1:{at}; }}
            server {{
                listen 127.0.0.1:{port};
                location / {{ proxy_pass http://group; health_check interval=20ms mandatory persistent; }}
            }}
        }}
        "
    );
    let _server = Prefix::new("health-silent", &text).serve();
    silent.set_nonblocking(true).expect("it can be");
    let mut held = Vec::new();
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_secs(1) {
        match silent.accept() {
            Ok((stream, _)) => held.push(stream),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    assert_eq!(held.len(), 1, "looks at one time");
    assert_eq!(
        get(port, "/").status,
        502,
        "who was never looked at is not used, whatever is kept over reloads"
    );
}
