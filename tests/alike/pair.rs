//! The two servers on one configuration, an origin behind them, and the comparison of what they answer.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::both::Both;
use crate::ports;

/// The real server.
pub(crate) const ORACLE: &str = "/usr/sbin/nginx";
/// How long an answer may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// The number that stands for the port of a listener in a configuration.
pub(crate) const PORT: &str = "@PORT";

/// A folder with files to serve, and the ports of one seed.
pub(crate) struct Place {
    path: PathBuf,
    origin: u16,
    ports: [u16; 2],
}

impl Place {
    /// Makes the folder and starts the origin.
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("triglot-alike-{name}-{}", std::process::id()));
        let files = [
            ("html/index.html", "root index\n"),
            ("html/a/f.txt", "a/f\n"),
            ("html/a/index.html", "a index\n"),
            ("html/a/b/f.txt", "abf\n"),
            ("html/dir/index.php", "php\n"),
            ("html/f.txt", "f\n"),
            ("html/x.html", "xh\n"),
            ("html/sp ace.txt", "space\n"),
            ("alt/f.txt", "alt f\n"),
            ("alt/x/f.txt", "alt xf\n"),
            ("alt/index.html", "alt index\n"),
            ("users", "u:{PLAIN}p\n"),
        ];
        fs::create_dir_all(path.join("logs")).unwrap();
        for (file, text) in files {
            let file = path.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        Self { path, origin: origin(), ports: [ports::free(), ports::free()] }
    }

    /// The port of the origin.
    pub(crate) fn origin(&self) -> u16 {
        self.origin
    }

    fn write(&self, name: &str, port: u16, http: &str, servers: &[String]) -> PathBuf {
        let file = self.path.join(format!("{name}.conf"));
        let path = self.path.display();
        let text = format!(
            "daemon off; pid {path}/{name}.pid; error_log {path}/{name}.log error; events {{}}\nhttp {{ access_log off;\n{http}\n{}\n}}\n",
            servers.join("\n").replace(PORT, &port.to_string())
        );
        fs::write(&file, text).unwrap();
        file
    }

    /// Leaves out the servers that nginx refuses.
    pub(crate) fn leave_out_refused(&self, servers: &mut Vec<String>, http: &str) {
        loop {
            let file = self.write("try", self.ports[0], http, servers);
            let mut command = Command::new(ORACLE);
            let output =
                command.args(["-t", "-q", "-p"]).arg(&self.path).arg("-c").arg(&file).output().unwrap();
            if output.status.success() {
                return;
            }
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let line = said
                .rsplit(':')
                .next()
                .and_then(|rest| rest.split_whitespace().next()?.parse::<usize>().ok());
            let line = said
                .lines()
                .find_map(|line| line.rsplit_once(".conf:")?.1.trim().parse::<usize>().ok())
                .or(line)
                .unwrap_or_else(|| panic!("nginx refuses and names no line: {said}"));
            let text = fs::read_to_string(&file).unwrap();
            let mut first = text.lines().take_while(|line| !line.starts_with("server {")).count();
            let index = servers.iter().position(|server| {
                first += server.lines().count();
                line <= first
            });
            servers.remove(index.unwrap_or_else(|| panic!("line {line} is in no server: {said}")));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Starts an origin, and says at which port it listens.
pub(crate) fn origin() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", ports::free())).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    port
}

/// Tells the upstream request back; targets say the status.
fn answer(mut stream: TcpStream) {
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    while !read.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(length @ 1..) => read.extend_from_slice(&piece[..length]),
            _ => return,
        }
    }
    let end = read.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = &read[..end];
    let line =
        String::from_utf8_lossy(head.split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned();
    let port = stream.local_addr().map_or(0, |address| address.port());
    let (status, extra) = match &line {
        line if line.contains("/e") => ("404 Not Found", String::new()),
        line if line.contains("loc") || line.contains("/c") => {
            ("302 Found", format!("Location: http://127.0.0.1:{port}/up/z?q\r\n"))
        }
        _ => ("200 OK", String::new()),
    };
    let mut out = format!(
        "HTTP/1.1 {status}\r\n{extra}Connection: close\r\nContent-Type: text/up\r\nContent-Length: {}\r\n\r\n",
        head.len()
    );
    out.push_str(&String::from_utf8_lossy(head));
    let _ = stream.write_all(out.as_bytes());
    // The rest of a body is read, so that closing does not reset what was sent.
    let _ = stream.shutdown(std::net::Shutdown::Write);
    while matches!(stream.read(&mut piece), Ok(1..)) {}
}

/// nginx and triglot, started on the same text.
pub(crate) fn start(place: &Place, http: &str, servers: &[String]) -> Both {
    let command = |index: usize, name: &str, program: &str, first: &[&str]| {
        let mut command = Command::new(program);
        command.args(first).arg("-p").arg(&place.path);
        command.arg("-c").arg(place.write(name, place.ports[index], http, servers));
        command
    };
    let mut nginx = command(0, "nginx", ORACLE, &[]);
    let mut triglot = command(1, "triglot", env!("CARGO_BIN_EXE_triglot"), &["nginx"]);
    Both::start(&place.path, ["nginx", "triglot"], place.ports, [&mut nginx, &mut triglot], normal)
}

/// Everything that comes until the server closes.
pub(crate) fn ask(port: u16, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut out = Vec::new();
    let _ = stream.write_all(request);
    let mut piece = [0; 16384];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return out,
            Ok(length) => out.extend_from_slice(&piece[..length]),
            // A connection that is reset has said what it had to say; one that hangs shows as what it lacks.
            Err(_) => return out,
        }
    }
}

/// An answer whose content is in one piece, however it came: nginx flushes where a part ends.
fn whole(answer: &[u8]) -> Vec<u8> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return answer.to_vec() };
    let (head, mut rest) = answer.split_at(end + 4);
    let text = String::from_utf8_lossy(head).into_owned();
    let mut out: Vec<u8> = text
        .split_inclusive("\r\n")
        .filter(|line| !line.starts_with("Transfer-Encoding:") && !line.starts_with("Content-Length:"))
        .collect::<String>()
        .into_bytes();
    if let Some(at) = text.find("boundary=") {
        // The number that parts are told by.
        let boundary: String = text[at + 9..].chars().take_while(char::is_ascii_digit).collect();
        let all = String::from_utf8_lossy(answer).replace(&boundary, "BOUNDARY");
        return all
            .split_inclusive("\r\n")
            .filter(|line| !line.starts_with("Content-Length:"))
            .collect::<String>()
            .into_bytes();
    }
    if !text.contains("Transfer-Encoding: chunked") {
        out.extend_from_slice(rest);
        return out;
    }
    while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
        let size =
            std::str::from_utf8(&rest[..line]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        match size {
            Some(0) => return out,
            Some(size) if rest.len() >= line + 2 + size => {
                out.extend_from_slice(&rest[line + 2..line + 2 + size]);
                rest = rest.get(line + 4 + size..).unwrap_or_default();
            }
            _ => break,
        }
    }
    out.extend_from_slice(b"<cut>");
    out
}

/// An answer without what differs by nature: names of versions, times, ports.
fn normal(answer: &[u8], port: u16) -> String {
    let answer = whole(answer);
    let mut text = answer.escape_ascii().to_string().replace("\\r\\n", "\n").replace("\\n", "\n");
    for version in ["/1.31.5", "/1.22.1"] {
        text = text.replace(version, "");
    }
    text = text.replace(&port.to_string(), "PORT").replace("%20", " ");
    let mut out = String::new();
    for line in text.lines() {
        // What is one byte longer in one of the two programs' names makes other lengths.
        let name = line.split_once(": ").map_or(line, |(name, _)| name);
        match name {
            "Date" | "Expires" | "Content-Length" => out.push_str(name),
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out
}
