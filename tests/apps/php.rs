//! A PHP site behind php-fpm, with the locations that `WordPress` is usually given.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::http::{Connection, Response, get};
use crate::support::process::Process;
use crate::support::subject::{Prefix, Server, finish, is_triglot};
use crate::support::{ports, wait};
use crate::{configuration, folder};

fn start() -> (u16, Server, Process) {
    let port = ports::free();
    let text = configuration("php", &[(7201, port)]);
    let prefix = Prefix::new("php", &text);
    let socket = prefix.at("php.sock");
    prefix.write("nginx.conf", text.replace("/run/php/php8.2-fpm.sock", &socket));
    if !is_triglot() {
        let params =
            std::fs::read("/etc/nginx/fastcgi_params").expect("Debian's nginx brings fastcgi_params");
        prefix.write("fastcgi_params", params);
    }
    for entry in std::fs::read_dir(folder().join("php/site")).expect("the site is there") {
        let file = entry.expect("it can be listed").path();
        let name = file.file_name().expect("it has a name").to_string_lossy().into_owned();
        prefix.write(&format!("html/{name}"), std::fs::read(&file).expect("it can be read"));
    }
    let root = finish(Command::new("id").arg("-u")).stdout.starts_with(b"0\n");
    let owner = if root { "user = root\ngroup = root" } else { "" };
    let pool = std::fs::read_to_string(folder().join("php/php-fpm.conf")).expect("the pool is there");
    let pool = pool.replace("SOCKET", &socket).replace("LOG", &prefix.at("fpm.log")).replace("OWNER", owner);
    let pool = prefix.write("php-fpm.conf", pool);
    let mut command = Command::new("php-fpm8.2");
    command.args(["-n", "-F", "-R", "-y"]).arg(pool);
    let fpm = Process::start("php-fpm", &mut command, prefix.path());
    wait::until("php-fpm's socket", wait::SOON * 2, || {
        std::os::unix::net::UnixStream::connect(&socket).ok().map(drop)
    });
    (port, prefix.serve(), fpm)
}

#[track_caller]
fn ask(port: u16, request: &str, content: &[u8]) -> Response {
    let asked = || -> std::io::Result<Response> {
        let mut connection = Connection::open(port)?;
        connection.send(request.as_bytes())?;
        connection.send(content)?;
        connection.response()
    };
    asked().unwrap_or_else(|error| panic!("{request}: {error}"))
}

#[track_caller]
fn post(port: u16, target: &str, kind: &str, content: &[u8]) -> Response {
    let length = content.len();
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    );
    ask(port, &head, content)
}

fn noise(length: u32) -> Vec<u8> {
    (0..length).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn hash(subject: &Server, content: &[u8]) -> String {
    let file = subject.prefix().write("content.bin", content);
    let output = finish(Command::new("sha256sum").arg(file));
    String::from_utf8_lossy(&output.stdout).split(' ').next().unwrap_or_default().to_owned()
}

#[test]
fn the_front_controller_gets_what_is_no_file() {
    let (port, _subject, _fpm) = start();
    assert_eq!(get(port, "/2024/01/a-post/?p=1&q=a%20b").text(), "front /2024/01/a-post/?p=1&q=a%20b\n");
    assert_eq!(get(port, "/").text(), "front /?\n");
    let style = get(port, "/style.css");
    assert_eq!((style.status, style.text().as_str()), (200, "body { margin: 0 }\n"));
    assert!(style.field("Expires").is_some(), "{style:?}");
    assert_eq!(get(port, "/missing.php").status, 404);
    let response = ask(
        port,
        "GET /env/x?a=1 HTTP/1.1\r\nHost: localhost\r\nX-Test: yes\r\nConnection: close\r\n\r\n",
        b"",
    );
    let expected = "REQUEST_METHOD=GET\nQUERY_STRING=a=1\nREQUEST_URI=/env/x?a=1\nSCRIPT_NAME=/index.php\n\
                    DOCUMENT_URI=/index.php\nSERVER_PROTOCOL=HTTP/1.1\nCONTENT_TYPE=\nCONTENT_LENGTH=\n\
                    HTTP_X_TEST=yes\nREQUEST_SCHEME=http\n";
    assert_eq!(response.text(), expected);
    let response = ask(port, "HEAD /env HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"");
    assert_eq!(response.status, 200, "{response:?}");
}

#[test]
fn what_follows_a_script_is_split_off_and_connections_are_kept() {
    let (port, _subject, _fpm) = start();
    for _ in 0..6 {
        let text = get(port, "/info.php/more/of/it").text();
        assert!(text.starts_with("/info.php|/more/of/it|"), "{text}");
    }
}

#[test]
fn forms_and_uploads_arrive_whole() {
    let (port, subject, _fpm) = start();
    let response = post(
        port,
        "/form?x=1",
        "application/x-www-form-urlencoded",
        b"name=J%C3%B6rg&colours[]=blue&colours[]=red",
    );
    let expected = "{\"get\":{\"x\":\"1\"},\"post\":{\"name\":\"J\\u00f6rg\",\"colours\":[\"blue\",\"red\"]},\"cookies\":[]}";
    assert_eq!(response.text(), expected);
    let upload = noise(20 << 20);
    let expected = format!("POST {} {}\n", upload.len(), hash(&subject, &upload));
    for target in ["/upload", "/streamed/upload"] {
        assert_eq!(post(port, target, "application/octet-stream", &upload).text(), expected, "{target}");
    }
    let small = noise(300_000);
    let mut parts =
        b"--x\r\nContent-Disposition: form-data; name=\"doc\"; filename=\"a.bin\"\r\n\r\n".to_vec();
    parts.extend_from_slice(&small);
    parts.extend_from_slice(b"\r\n--x--\r\n");
    let response = post(port, "/file", "multipart/form-data; boundary=x", &parts);
    assert_eq!(response.text(), format!("doc a.bin 300000 {}\n", hash(&subject, &small)));
}

#[test]
fn chunks_are_content_too() {
    let (port, subject, _fpm) = start();
    let content = noise(100_000);
    let mut chunks = Vec::new();
    for piece in content.chunks(7000) {
        chunks.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        chunks.extend_from_slice(piece);
        chunks.extend_from_slice(b"\r\n");
    }
    chunks.extend_from_slice(b"0\r\n\r\n");
    let head =
        "POST /upload HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let expected = format!("POST {} {}\n", content.len(), hash(&subject, &content));
    assert_eq!(ask(port, head, &chunks).text(), expected);
}

#[test]
fn output_is_passed_on_as_it_comes() {
    let (port, _subject, _fpm) = start();
    let began = Instant::now();
    let mut connection = Connection::open(port).expect("it connects");
    connection
        .send("GET /streamed/pieces HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .expect("it is sent");
    assert_eq!(connection.exactly(12).expect("a head comes"), b"HTTP/1.1 200");
    assert!(began.elapsed() < Duration::from_millis(600), "the head came after {:?}", began.elapsed());
    let large = get(port, "/large");
    assert_eq!(large.content.len(), 320 * 65536);
    let block = |at: usize| (at / 65536 % 251) as u8;
    assert!(large.content.iter().enumerate().all(|(at, byte)| *byte == block(at)), "another content");
}

#[test]
fn statuses_are_the_programs() {
    let (port, subject, _fpm) = start();
    for status in [200, 201, 404, 410, 500, 503] {
        let response = get(port, &format!("/status/{status}"));
        assert_eq!((response.status, response.text()), (status, format!("status {status}\n")));
    }
    let away = get(port, "/away");
    assert_eq!((away.status, away.field("Location")), (302, Some("/env?from=away")), "{away:?}");
    assert_eq!(away.field("Set-Cookie"), Some("seen=yes"));
    assert_eq!(get(port, "/warn").text(), "warned\n");
    subject
        .prefix()
        .wait_for("logs/error.log", "FastCGI sent in stderr: \"PHP message: something is worth a line");
    assert_eq!(get(port, "/fatal").status, 500);
    subject.prefix().wait_for("logs/error.log", "no_such_function");
}
