//! Much that flows at a time: through tunnels in both directions, up and down, to somebody who takes it slowly.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    time::Duration,
};

use crate::prefix;
use crate::support::ports;
use crate::support::subject::{Server, is_triglot};

/// How much goes each way, bytes.
const MUCH: usize = 24 << 20;

/// The byte at a place of what is sent: no two neighbours of a page's size are alike.
fn at(place: usize) -> u8 {
    (place.wrapping_mul(2_654_435_761) >> 13) as u8
}

/// An upstream that switches protocols and sends back what it gets, as it comes.
fn echo(listener: TcpListener) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection comes");
        let (mut head, mut piece) = (Vec::new(), vec![0; 300_000]);
        while !head.ends_with(b"\r\n\r\n") {
            let length = stream.read(&mut piece[..1]).expect("a head comes");
            head.extend_from_slice(&piece[..length]);
        }
        let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n";
        stream.write_all(answer.as_bytes()).expect("it is sent");
        loop {
            let length = stream.read(&mut piece).unwrap_or(0);
            if length == 0 {
                return;
            }
            stream.write_all(&piece[..length]).expect("it is sent");
        }
    })
}

/// How many descriptors of pipes the server has.
fn pipes(server: &Server) -> usize {
    let fds = std::fs::read_dir(format!("/proc/{}/fd", server.id())).expect("it runs");
    let names = fds.flatten().filter_map(|fd| std::fs::read_link(fd.path()).ok());
    names.filter(|to| to.to_string_lossy().starts_with("pipe:")).count()
}

/// Opens a tunnel, sends much and takes back the same; gives how many descriptors of pipes the server has then.
fn through(port: u16, listener: TcpListener, server: &Server) -> usize {
    let echo = echo(listener);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server is there");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("it can be set");
    stream
        .write_all(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
        .expect("it is sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head comes");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    let mut out = stream.try_clone().expect("there are descriptors");
    let sender = std::thread::spawn(move || {
        let (mut place, mut piece) = (0, Vec::new());
        // First little, then much, then little again.
        for size in [1, 100, 5000, 70_000].into_iter().cycle() {
            let size = if place > MUCH / 8 && place < MUCH / 8 * 7 { 1 << 20 } else { size };
            let size = size.min(MUCH - place);
            piece.clear();
            piece.extend((place..place + size).map(at));
            out.write_all(&piece).expect("it is taken");
            place += size;
            if place == MUCH {
                return;
            }
        }
    });
    let (mut place, mut piece) = (0, vec![0; 200_000]);
    while place < MUCH {
        let length = stream.read(&mut piece).expect("it comes");
        assert!(length > 0, "it ended at {place}");
        let wrong = piece[..length].iter().zip(place..).position(|(&byte, place)| byte != at(place));
        assert!(wrong.is_none(), "another byte at {place} + {wrong:?}");
        if (place + length) >> 22 != place >> 22 {
            std::thread::sleep(Duration::from_millis(30));
        }
        place += length;
    }
    sender.join().expect("all was taken");
    let pipes = pipes(server);
    stream.shutdown(Shutdown::Both).expect("it is open");
    echo.join().expect("nothing failed");
    pipes
}

#[test]
fn much_flows_both_ways_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    let upstream = listener.local_addr().expect("it is bound");
    let port = ports::free();
    let location = format!(
        "location /ws {{ proxy_pass http://{upstream}; proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }}"
    );
    let server = prefix("tunnels", port, "", "", &location).serve();
    let again = listener.try_clone().expect("there are descriptors");
    let before = pipes(&server);
    let first = through(port, listener, &server);
    let more = through(port, again, &server);
    if is_triglot() {
        // The kernel moved it, and the pipes are used again.
        assert!(first >= before + 2, "{before} descriptors of pipes, then {first}");
        assert!(more <= before + 4, "{before} descriptors of pipes, then {first}, then {more}");
    }
    let lines = server.prefix().read("logs/access.log");
    assert!(lines.lines().count() <= 2, "{lines}");
}

/// An upstream that takes content slowly, and says with how many bytes and whether they were the right ones.
fn sink(listener: TcpListener) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection comes");
        let (mut head, mut piece) = (Vec::new(), vec![0; 300_000]);
        while !head.ends_with(b"\r\n\r\n") {
            let length = stream.read(&mut piece[..1]).expect("a head comes");
            head.extend_from_slice(&piece[..length]);
        }
        let mut place = 0;
        while place < MUCH {
            let length = stream.read(&mut piece).expect("content comes");
            assert!(length > 0, "it ended at {place}");
            assert!(
                piece[..length].iter().zip(place..).all(|(&byte, place)| byte == at(place)),
                "at {place}"
            );
            if (place + length) >> 22 != place >> 22 {
                std::thread::sleep(Duration::from_millis(30));
            }
            place += length;
        }
        // And sends the same.
        stream
            .write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {MUCH}\r\n\r\n").as_bytes())
            .expect("it is sent");
        for start in (0..MUCH).step_by(1 << 20) {
            let piece: Vec<u8> = (start..start + (1 << 20)).map(at).collect();
            stream.write_all(&piece).expect("it is sent");
        }
    })
}

#[test]
fn much_goes_up_and_down_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    let upstream = listener.local_addr().expect("it is bound");
    let port = ports::free();
    let location = format!(
        "location /up {{ proxy_pass http://{upstream}; proxy_request_buffering off; client_max_body_size 0; }}"
    );
    let server = prefix("bulk", port, "", "", &location).serve();
    let before = pipes(&server);
    let sink = sink(listener);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server is there");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("it can be set");
    stream
        .write_all(format!("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: {MUCH}\r\n\r\n").as_bytes())
        .expect("it is sent");
    for start in (0..MUCH).step_by(1 << 20) {
        let piece: Vec<u8> = (start..start + (1 << 20)).map(at).collect();
        stream.write_all(&piece).expect("it is taken");
    }
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head comes");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&head));
    let mut content = vec![0; MUCH];
    for (at, piece) in content.chunks_mut(1 << 20).enumerate() {
        stream.read_exact(piece).expect("all of it comes");
        if at % 4 == 0 {
            std::thread::sleep(Duration::from_millis(30));
        }
    }
    assert!(content.iter().zip(0..).all(|(&byte, place)| byte == at(place)));
    sink.join().expect("it got what was sent");
    let after = pipes(&server);
    if is_triglot() {
        assert!(after >= before + 2, "{before} descriptors of pipes, then {after}");
    }
}
