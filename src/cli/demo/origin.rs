//! What stands behind the demonstration: servers that answer with who they are, and echo over `WebSocket`s.

use std::{fmt::Write as _, io, net, sync::Arc, thread};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::{LocalSet, spawn_local},
};

use super::websocket;
use crate::engine::http1::{
    field::has_token,
    request::{Limits, Parsed, RequestHead},
};

const LIMITS: Limits = Limits {
    line: 16 << 10,
    field: 16 << 10,
    fields: usize::MAX,
    head: 32 << 10,
    ignore_invalid: true,
    underscores: true,
    single: false,
    asterisk: false,
};
/// Longest request content taken.
const LONGEST: u64 = 16 << 20;

/// What all origins answer alike.
#[derive(Debug)]
pub(super) struct Site {
    /// The page at `/`.
    pub(super) page: &'static str,
    /// What the page asks for: the configurations served.
    pub(super) seeds: String,
}

/// A bound origin.
#[derive(Debug)]
pub(super) struct Origin {
    name: &'static str,
    listener: net::TcpListener,
}

/// A request, as far as anybody here looks at it.
struct Request {
    method: String,
    path: String,
    fields: Vec<(String, String)>,
    key: Option<String>,
    keep_alive: bool,
    content: Vec<u8>,
}

impl Origin {
    /// Binds a free port of this machine.
    pub(super) fn bind(name: &'static str) -> io::Result<Self> {
        let listener = net::TcpListener::bind((net::Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        Ok(Self { name, listener })
    }

    /// Its port.
    pub(super) fn port(&self) -> io::Result<u16> {
        Ok(self.listener.local_addr()?.port())
    }
}

/// Serves them all from a thread of their own, until the process ends.
pub(super) fn serve(origins: Vec<Origin>, site: Site) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let site = Arc::new(site);
    thread::Builder::new().name("origins".to_owned()).spawn(move || {
        let local = LocalSet::new();
        for Origin { name, listener } in origins {
            let site = Arc::clone(&site);
            local.spawn_local(async move {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                accept(listener, name, site).await;
            });
        }
        runtime.block_on(local);
    })?;
    Ok(())
}

async fn accept(listener: TcpListener, name: &'static str, site: Arc<Site>) {
    loop {
        match listener.accept().await {
            // A connection that fails is the other side's affair.
            Ok((stream, _)) => drop(spawn_local(converse(stream, name, Arc::clone(&site)))),
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

/// Answers requests on one connection until it closes or becomes a WebSocket.
async fn converse(mut stream: TcpStream, name: &'static str, site: Arc<Site>) -> io::Result<()> {
    let mut input = Vec::with_capacity(16 << 10);
    while let Some(request) = read(&mut stream, &mut input).await? {
        if let Some(key) = &request.key {
            let head = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {}\r\n\r\n",
                websocket::accept(key.as_bytes())
            );
            stream.write_all(head.as_bytes()).await?;
            return websocket::echo(&mut stream, input, &greeting(name, &request), name).await;
        }
        let (kind, content) = match request.path.as_str() {
            "/" => ("text/html; charset=utf-8", site.page.to_owned()),
            "/seeds.json" => ("application/json", site.seeds.clone()),
            _ => ("text/plain; charset=utf-8", mirror(name, &request)),
        };
        let connection = if request.keep_alive { "keep-alive" } else { "close" };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nX-Origin: {name}\r\n\
             Cache-Control: no-store\r\nConnection: {connection}\r\n\r\n",
            content.len()
        );
        stream.write_all(head.as_bytes()).await?;
        if request.method != "HEAD" {
            stream.write_all(content.as_bytes()).await?;
        }
        if !request.keep_alive {
            break;
        }
    }
    stream.shutdown().await
}

/// The next request; `None` when there is none, or none that can be understood.
async fn read(stream: &mut TcpStream, input: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let mut head = RequestHead::default();
    while !matches!(head.parse(input, 0, &LIMITS), Ok(Parsed::Whole)) {
        if head.parse(input, 0, &LIMITS).is_err() || stream.read_buf(input).await? == 0 {
            return Ok(None);
        }
    }
    let length = head.content_length.unwrap_or(0);
    if head.chunked || length > LONGEST {
        return Ok(None);
    }
    let end = head.length + length as usize;
    while input.len() < end {
        if stream.read_buf(input).await? == 0 {
            return Ok(None);
        }
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let fields: Vec<(String, String)> =
        head.fields.iter().map(|field| (text(field.name.of(input)), text(field.value.of(input)))).collect();
    let upgrades = head.upgrade.is_some_and(|upgrade| has_token(upgrade.of(input), b"websocket"));
    let key = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"));
    let request = Request {
        method: text(head.method.of(input)),
        path: text(head.target.of(input)),
        key: key.filter(|_| upgrades).map(|(_, value)| value.clone()),
        fields,
        keep_alive: head.keep_alive,
        content: input[head.length..end].to_vec(),
    };
    input.drain(..end);
    Ok(Some(request))
}

impl Request {
    fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
}

/// The first message of a WebSocket: who answers, and by which way it was found.
fn greeting(name: &str, request: &Request) -> String {
    serde_json::json!({
        "origin": name,
        "path": request.path,
        "route": request.field("x-route"),
        "cluster": request.field("x-cluster"),
    })
    .to_string()
}

/// The request as it arrived, for people.
fn mirror(name: &str, request: &Request) -> String {
    let mut text = format!("{name} received:\n{} {}\n", request.method, request.path);
    for (field, value) in &request.fields {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{field}: {value}");
    }
    if !request.content.is_empty() {
        let _ = writeln!(text, "\nand {} bytes of content", request.content.len());
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    fn exchange(port: u16, request: &str) -> String {
        let mut stream = net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[test]
    fn origins_say_who_they_are() {
        let origin = Origin::bind("one").unwrap();
        let port = origin.port().unwrap();
        serve(vec![origin], Site { page: "<p>page", seeds: "[]".to_owned() }).unwrap();

        let page = exchange(port, "GET / HTTP/1.0\r\n\r\n");
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.ends_with("\r\n\r\n<p>page"), "{page}");
        let two = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcHEAD /b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        let answers = exchange(port, two);
        assert!(answers.contains("one received:\nPOST /a\nHost: h\n"), "{answers}");
        assert!(answers.contains("and 3 bytes of content\n"), "{answers}");
        assert_eq!(answers.matches("X-Origin: one\r\n").count(), 2, "{answers}");
        assert_eq!(exchange(port, "nonsense\x00\r\n\r\n"), "");

        // RFC 6455 § 5.7: a masked "Hello", and a close.
        let mut stream = net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let request = "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Cluster: c\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        stream.write_all(&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]).unwrap();
        stream.write_all(&[0x88, 0x80, 0, 0, 0, 0]).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"), "{answer}");
        assert!(answer.contains(r#""cluster":"c""#) && answer.contains(r#""origin":"one""#), "{answer}");
        assert!(answer.contains("one: Hello"), "{answer}");
    }
}
