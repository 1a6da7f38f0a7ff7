//! The client: sends a request as the fixture says and describes everything that came back.

use super::fixture::{Request, Step, escape};
use super::frames;
use super::ports::Ports;
use super::tls;
use super::view::content;
use socket2::{Domain, SockAddr, Socket, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long a connection said to stay open is watched for a close or stray bytes.
const GLANCE: Duration = Duration::from_millis(3);

trait Stream: Read + Write {
    fn limit(&self, time: Duration);
    fn finish(&mut self);
}

impl Stream for TcpStream {
    fn limit(&self, time: Duration) {
        let _ = self.set_read_timeout(Some(time));
    }
    fn finish(&mut self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

impl Stream for UnixStream {
    fn limit(&self, time: Duration) {
        let _ = self.set_read_timeout(Some(time));
    }
    fn finish(&mut self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

impl Stream for rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    fn limit(&self, time: Duration) {
        let _ = self.sock.set_read_timeout(Some(time));
    }
    fn finish(&mut self) {
        self.conn.send_close_notify();
        let _ = self.flush();
    }
}

/// Why reading stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    End,
    Timeout,
}

/// A client connection.
pub(crate) enum Connection {
    /// HTTP/1.
    Lines(Lines),
    /// HTTP/2.
    Frames(Box<frames::Connection>),
}

/// A client connection with what was read too far.
pub(crate) struct Lines {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    greeting: Option<String>,
}

/// One answer, described.
#[derive(Default)]
struct Answer {
    lines: Vec<String>,
    summary: String,
    stays: bool,
    switched: bool,
}

impl Connection {
    /// Opens a connection as `request` says.
    pub(crate) fn open(
        request: &Request,
        ports: &Ports,
        prefix: &Path,
        tls: &tls::Material,
    ) -> Result<Self, String> {
        let plain = |stream| Self::Lines(Lines { stream, buffer: Vec::new(), greeting: None });
        if let Some(path) = &request.unix {
            let stream = UnixStream::connect(prefix.join(path)).map_err(|e| format!("{path}: {e}"))?;
            return Ok(plain(Box::new(stream)));
        }
        let to: IpAddr = request.to.parse().map_err(|_| format!("`{}` is no address", request.to))?;
        let to = SocketAddr::from((to, ports.get(request.port)));
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).map_err(|e| e.to_string())?;
        if let Some(from) = &request.from {
            let from: IpAddr = from.parse().map_err(|_| format!("`{from}` is no address"))?;
            socket.bind(&SockAddr::from(SocketAddr::from((from, 0)))).map_err(|e| e.to_string())?;
        }
        socket.connect(&SockAddr::from(to)).map_err(|e| format!("{to}: {e}"))?;
        let _ = socket.set_tcp_nodelay(true);
        let _ = socket.set_read_timeout(Some(PATIENCE));
        let socket = TcpStream::from(socket);
        if request.frames {
            let tls =
                request.tls.as_ref().map(|name| tls.agree(name, request.certificate.as_deref(), &["h2"]));
            return Ok(Self::Frames(Box::new(frames::Connection::open(socket, tls.transpose()?)?)));
        }
        if let Some(name) = &request.tls {
            let (stream, shown) = tls.connect(socket, name, request.certificate.as_deref())?;
            let greeting = Some(format!("certificate {shown}"));
            return Ok(Self::Lines(Lines { stream: Box::new(stream), buffer: Vec::new(), greeting }));
        }
        Ok(plain(Box::new(socket)))
    }

    /// Sends `request`, reads what it asks for; the view's lines, the recorded lines, and whether the
    /// connection can be used again.
    pub(crate) fn exchange(&mut self, request: &Request) -> (Vec<String>, Vec<String>, bool) {
        match self {
            Self::Lines(lines) => lines.exchange(request),
            Self::Frames(frames) => frames.exchange(request),
        }
    }
}

impl Lines {
    fn exchange(&mut self, request: &Request) -> (Vec<String>, Vec<String>, bool) {
        let mut lines: Vec<String> = self.greeting.take().into_iter().collect();
        let mut recorded = Vec::new();
        self.send(&request.pieces);
        if request.abort {
            return (lines, recorded, false);
        }
        if let Some(content) = &request.late {
            let answer = self.answer(false);
            let goes_on = answer.summary.starts_with("HTTP/1.1 100");
            lines.extend(answer.lines);
            recorded.push(format!("<- {}", answer.summary));
            if !goes_on {
                let end = self.ending(answer.stays);
                lines.push(end);
                return (lines, recorded, false);
            }
            self.send(std::slice::from_ref(content));
        }
        if request.shutdown_write {
            self.stream.finish();
        }
        let mut stays = true;
        let mut switched = false;
        for _ in 0..request.responses {
            if request.read_close {
                let stop = self.fill_while(|_| true);
                let all = std::mem::take(&mut self.buffer);
                let said = if all.is_empty() { "[closed]".to_owned() } else { escape(&all, 120) };
                recorded.push(format!("<- {said}"));
                lines.extend(content(&all));
                lines.push(if stop == Some(Stop::End) { "[closed]" } else { "[timeout]" }.to_owned());
                return (lines, recorded, false);
            }
            let mut answer = self.answer(request.head);
            while answer.summary.starts_with("HTTP/1.1 1") && !answer.switched {
                lines.append(&mut answer.lines);
                recorded.push(format!("<- {}", answer.summary));
                answer = self.answer(request.head);
            }
            lines.append(&mut answer.lines);
            recorded.push(format!("<- {}", answer.summary));
            (stays, switched) = (answer.stays, answer.switched);
            if !stays {
                break;
            }
        }
        if switched || !request.steps.is_empty() {
            for step in &request.steps {
                self.step(step, &mut lines);
            }
            return (lines, recorded, false);
        }
        let end = self.ending(stays && !request.idle_close);
        stays &= end == "[open]";
        lines.push(end);
        (lines, recorded, stays)
    }

    fn send(&mut self, pieces: &[Vec<u8>]) {
        for (i, piece) in pieces.iter().enumerate() {
            if i > 0 {
                std::thread::sleep(super::PAUSE.min(Duration::from_millis(100) / pieces.len() as u32));
            }
            // A server that has answered early may have closed: what it said is still read.
            if self.stream.write_all(piece).and_then(|()| self.stream.flush()).is_err() {
                return;
            }
        }
    }

    fn step(&mut self, step: &Step, lines: &mut Vec<String>) {
        match step {
            Step::Send(pieces) => self.send(pieces),
            Step::Finish => self.stream.finish(),
            Step::Recv(count) => {
                let stop = self.fill_while(|buffer| buffer.len() < *count);
                let rest = self.buffer.split_off((*count).min(self.buffer.len()));
                let data = std::mem::replace(&mut self.buffer, rest);
                lines.push(format!("[tunnel] {}", escape(&data, 2000)));
                lines.extend(stop.map(|stop| ending(stop).to_owned()));
            }
            Step::RecvEnd => {
                let stop = self.fill_while(|_| true);
                let data = std::mem::take(&mut self.buffer);
                lines.push(format!("[tunnel] {}", escape(&data, 2000)));
                lines.push(ending(stop.unwrap_or(Stop::End)).to_owned());
            }
        }
    }

    /// What happens to the connection after the answer.
    fn ending(&mut self, stays: bool) -> String {
        if stays {
            self.stream.limit(GLANCE);
        }
        let stop = self.fill_while(<[u8]>::is_empty);
        self.stream.limit(PATIENCE);
        match (stop, stays) {
            _ if !self.buffer.is_empty() => format!("[surplus] {}", escape(&self.buffer, 200)),
            (Some(Stop::Timeout), true) => "[open]".to_owned(),
            (Some(Stop::Timeout), false) => "[not closed in time]".to_owned(),
            _ => "[closed]".to_owned(),
        }
    }

    /// Reads while `wanted`; why it stopped before that, if it did.
    fn fill_while(&mut self, wanted: impl Fn(&[u8]) -> bool) -> Option<Stop> {
        let end = Instant::now() + PATIENCE;
        let mut chunk = [0; 16384];
        while wanted(&self.buffer) {
            if Instant::now() > end {
                return Some(Stop::Timeout);
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Some(Stop::End),
                Ok(n) => self.buffer.extend_from_slice(&chunk[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Some(Stop::Timeout);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                // A reset instead of an end depends on what was unread when the server closed.
                Err(_) => return Some(Stop::End),
            }
        }
        None
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(count.min(self.buffer.len()));
        std::mem::replace(&mut self.buffer, rest)
    }

    /// Reads one answer.
    fn answer(&mut self, head_only: bool) -> Answer {
        const MARK: &[u8] = b"\r\n\r\n";
        let begins = |buffer: &[u8]| buffer.len() < 5;
        let stop = self.fill_while(begins);
        if self.buffer.is_empty() {
            let text = ending(stop.unwrap_or(Stop::End));
            return Answer { lines: Vec::new(), summary: text.to_owned(), ..Answer::default() };
        }
        if !self.buffer.starts_with(b"HTTP/") {
            self.fill_while(|_| true);
            let all = std::mem::take(&mut self.buffer);
            let mut lines = vec!["[no head]".to_owned()];
            lines.extend(content(&all));
            return Answer { lines, summary: summary("", None, &all), ..Answer::default() };
        }
        if let Some(stop) = self.fill_while(|buffer| memchr::memmem::find(buffer, MARK).is_none()) {
            let all = std::mem::take(&mut self.buffer);
            let lines = vec![format!("[head cut] {} {}", escape(&all, 2000), ending(stop))];
            return Answer { lines, summary: "(head cut)".to_owned(), ..Answer::default() };
        }
        let end = memchr::memmem::find(&self.buffer, MARK).unwrap_or(0) + MARK.len();
        let head = self.take(end);
        let mut lines: Vec<String> = head[..end - 4]
            .split(|b| *b == b'\n')
            .map(|line| escape(line.strip_suffix(b"\r").unwrap_or(line), 9000))
            .collect();
        let field = |name: &str| {
            lines.iter().skip(1).find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let start = lines[0].clone();
        let status = start.split(' ').nth(1).unwrap_or_default().to_owned();
        let connection = field("connection").unwrap_or_default().to_ascii_lowercase();
        let (location, coding) = (field("location"), field("content-encoding"));
        let chunked = field("transfer-encoding").is_some();
        let length: Option<usize> = field("content-length").and_then(|value| value.parse().ok());
        let mut stays =
            if start.starts_with("HTTP/1.1") { connection != "close" } else { connection == "keep-alive" };
        lines.push(String::new());
        let switched = status == "101" && connection == "upgrade";
        let bodyless =
            head_only || status == "204" || status == "304" || (status.starts_with('1') && status != "101");
        let (body, framing) = if switched || bodyless {
            (Vec::new(), "none")
        } else if chunked {
            self.chunked(&mut stays)
        } else if let Some(length) = length {
            let stop = self.fill_while(|buffer| buffer.len() < length);
            stays &= stop.is_none();
            (self.take(length), if stop.is_none() { "length" } else { "length, cut" })
        } else {
            stays = false;
            let stop = self.fill_while(|_| true);
            (
                std::mem::take(&mut self.buffer),
                if stop == Some(Stop::End) { "close" } else { "close, timeout" },
            )
        };
        lines.push(format!("[framing] {framing}"));
        let body = match coding.as_deref().filter(|_| !body.is_empty()).map(|coding| decoded(coding, &body)) {
            Some(Some(body)) => {
                lines.push("[decoded]".to_owned());
                body
            }
            _ => body,
        };
        lines.extend(content(&body));
        let summary = summary(&start, location.as_deref(), &body);
        Answer { lines, summary, stays, switched }
    }

    /// Reads chunks; trailers are part of the framing's description.
    fn chunked(&mut self, stays: &mut bool) -> (Vec<u8>, &'static str) {
        let mut body = Vec::new();
        loop {
            let Some(line) = self.line() else {
                *stays = false;
                return (body, "chunked, cut");
            };
            let size = usize::from_str_radix(line.split(';').next().unwrap_or("").trim(), 16).unwrap_or(0);
            if size == 0 {
                break;
            }
            let stop = self.fill_while(|buffer| buffer.len() < size + 2);
            body.extend(self.take(size));
            if stop.is_some() {
                *stays = false;
                return (body, "chunked, cut");
            }
            self.take(2);
        }
        while let Some(line) = self.line() {
            if line.is_empty() {
                return (body, "chunked");
            }
            body.extend(format!("\n[trailer] {line}").bytes());
        }
        *stays = false;
        (body, "chunked, trailers cut")
    }

    fn line(&mut self) -> Option<String> {
        if self.fill_while(|buffer| !buffer.contains(&b'\n')).is_some() {
            return None;
        }
        let end = memchr::memchr(b'\n', &self.buffer)? + 1;
        let line = self.take(end);
        Some(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}

/// Content without its coding, and what follows it; `None` when it has none that is known, or not whole. How well
/// it is compressed is not compared.
pub(crate) fn decoded(coding: &str, body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = body;
    match coding {
        "gzip" => drop(flate2::bufread::GzDecoder::new(&mut rest).read_to_end(&mut out).ok()?),
        _ => return None,
    }
    out.extend_from_slice(rest);
    Some(out)
}

fn ending(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "[closed]",
        Stop::Timeout => "[timeout]",
    }
}

/// The recorded form: what a reader of the fixture wants to know.
pub(crate) fn summary(start: &str, location: Option<&str>, body: &[u8]) -> String {
    let mut text = start.to_owned();
    if let Some(location) = location {
        text = format!("{text} Location: {location}");
    }
    // Pages of the server and echoes of an origin are said by the status and the `->` line.
    if !(body.is_empty() || body.starts_with(b"<html>") || body.starts_with(b"190")) {
        text = format!("{text} \"{}\"", escape(body, 9000));
    }
    text.trim().to_owned()
}
