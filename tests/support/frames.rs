//! The client over HTTP/2: one stream for each request of a fixture that says `# h2`.
//!
//! The start line's method and target, `Host` and the other fields become the head of a stream; `Host` is the
//! `:authority` unless the request has a field `:authority`, too (empty for none).

use super::fixture::{Request, escape};
use super::view::content;
use bytes::Bytes;
use h2::{Reason, client::SendRequest};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long a connection said to stay open is watched for its end.
const GLANCE: Duration = Duration::from_millis(10);

/// A connection.
pub(crate) struct Connection {
    runtime: Runtime,
    send: SendRequest<Bytes>,
    task: JoinHandle<Result<(), h2::Error>>,
    greeting: Option<String>,
}

impl Connection {
    /// Begins HTTP/2 on a socket, after a handshake where there is a configuration for one.
    pub(crate) fn open(
        socket: TcpStream,
        tls: Option<(Arc<rustls::ClientConfig>, rustls::pki_types::ServerName<'static>)>,
    ) -> Result<Self, String> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        socket.set_nonblocking(true).map_err(|e| e.to_string())?;
        let begin = async {
            let socket = tokio::net::TcpStream::from_std(socket).map_err(|e| e.to_string())?;
            let Some((config, name)) = tls else { return begin(socket, None).await };
            let connector = tokio_rustls::TlsConnector::from(config);
            let stream =
                connector.connect(name, socket).await.map_err(|e| format!("handshake failed: {e}"))?;
            let spoken = stream.get_ref().1.alpn_protocol().unwrap_or_default();
            let greeting = format!("alpn {}", escape(spoken, 20));
            if spoken != b"h2" {
                return Err(greeting);
            }
            begin(stream, Some(greeting)).await
        };
        let (send, task, greeting) = runtime
            .block_on(async { tokio::time::timeout(PATIENCE, begin).await })
            .map_err(|_| "no HTTP/2 in time".to_owned())??;
        Ok(Self { runtime, send, task, greeting })
    }

    /// Sends `request`, reads the answer; see the other client.
    pub(crate) fn exchange(&mut self, request: &Request) -> (Vec<String>, Vec<String>, bool) {
        let mut lines: Vec<String> = self.greeting.take().into_iter().collect();
        let exchange = exchange(self.send.clone(), request, &mut lines);
        let done = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, exchange).await });
        let summary = done.unwrap_or_else(|_| "[timeout]".to_owned());
        let limit = if request.idle_close { PATIENCE } else { GLANCE };
        let task = &mut self.task;
        let over = self.runtime.block_on(async { tokio::time::timeout(limit, task).await.is_ok() });
        lines.push(if over { "[closed]" } else { "[open]" }.to_owned());
        (lines, vec![format!("<- {summary}")], !over)
    }
}

async fn begin<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: T,
    greeting: Option<String>,
) -> Result<(SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>, Option<String>), String> {
    let (send, connection) = h2::client::handshake(stream).await.map_err(|e| e.to_string())?;
    Ok((send, tokio::spawn(connection), greeting))
}

async fn exchange(send: SendRequest<Bytes>, request: &Request, lines: &mut Vec<String>) -> String {
    let (head, body) = match read(request) {
        Ok(read) => read,
        Err(why) => {
            lines.push(format!("[no request] {why}"));
            return why;
        }
    };
    let failed = |lines: &mut Vec<String>, error: &h2::Error| {
        // A connection that ends is an end, however its library words that.
        let text = match error.reason() {
            Some(reason) if error.is_reset() => format!("[reset] {reason:?}"),
            Some(Reason::NO_ERROR) | None => "[closed]".to_owned(),
            Some(reason) => format!("[goaway] {reason:?}"),
        };
        lines.push(text.clone());
        text
    };
    let mut send = match send.ready().await {
        Ok(send) => send,
        Err(error) => return failed(lines, &error),
    };
    let sent = send.send_request(head, body.is_empty());
    let (response, mut stream) = match sent {
        Ok(sent) => sent,
        Err(error) => return failed(lines, &error),
    };
    if !body.is_empty() {
        // An answer may come, and end the stream, before all was sent.
        let _ = stream.send_data(body, true);
    }
    let response = match response.await {
        Ok(response) => response,
        Err(error) => return failed(lines, &error),
    };
    let start = format!("HTTP/2 {}", response.status().as_u16());
    lines.push(start.clone());
    for (name, value) in response.headers() {
        lines.push(format!("{name}: {}", escape(value.as_bytes(), 9000)));
    }
    lines.push(String::new());
    let location = response.headers().get("location").map(|value| escape(value.as_bytes(), 900));
    let coding = response.headers().get("content-encoding");
    let response_coding = coding.map(|value| escape(value.as_bytes(), 90));
    let mut content_stream = response.into_body();
    let mut all = Vec::new();
    let mut end = None;
    while let Some(piece) = content_stream.data().await {
        match piece {
            Ok(piece) => {
                let _ = content_stream.flow_control().release_capacity(piece.len());
                all.extend_from_slice(&piece);
            }
            Err(error) => {
                end = Some(error);
                break;
            }
        }
    }
    let coding = response_coding.filter(|_| !all.is_empty());
    if let Some(plain) = coding.and_then(|coding| super::client::decoded(&coding, &all)) {
        lines.push("[decoded]".to_owned());
        all = plain;
    }
    lines.extend(content(&all));
    if end.is_none() {
        match content_stream.trailers().await {
            Ok(Some(trailers)) => {
                lines.extend(
                    trailers
                        .iter()
                        .map(|(name, value)| format!("[trailer] {name}: {}", escape(value.as_bytes(), 900))),
                );
            }
            Ok(None) => {}
            Err(error) => end = Some(error),
        }
    }
    if let Some(error) = end {
        failed(lines, &error);
    }
    super::client::summary(&start, location.as_deref(), &all)
}

/// The head and the content of a request.
fn read(request: &Request) -> Result<(http::Request<()>, Bytes), String> {
    let all = request.pieces.concat();
    let end = memchr::memmem::find(&all, b"\r\n\r\n").ok_or("no end of a head")?;
    let text = String::from_utf8_lossy(&all[..end]).into_owned();
    let mut lines = text.split("\r\n");
    let mut start = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (start.next().unwrap_or_default(), start.next().unwrap_or_default());
    let mut head = http::Request::new(());
    *head.version_mut() = http::Version::HTTP_2;
    *head.method_mut() = method.parse().map_err(|_| "no method")?;
    let fields: Vec<(&str, &str)> = lines
        .map(|line| match line[1..].split_once(':') {
            Some((name, value)) => (&line[..=name.len()], value.trim()),
            None => (line, ""),
        })
        .collect();
    let named = fields.iter().find(|(name, _)| *name == ":authority").map(|(_, value)| *value);
    let host = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("host")).map(|(_, value)| *value);
    let scheme = if request.tls.is_some() { "https" } else { "http" };
    let mut uri = http::Uri::builder().scheme(scheme).path_and_query(target);
    // The library writes none of these without an authority; a name it must have then.
    let authority = named.or(host).unwrap_or("localhost");
    if !authority.is_empty() {
        uri = uri.authority(authority);
    }
    *head.uri_mut() = match uri.build() {
        Ok(uri) => uri,
        Err(_) => http::Uri::builder().path_and_query(target).build().map_err(|e| e.to_string())?,
    };
    for (name, value) in &fields {
        let is_host = name.eq_ignore_ascii_case("host");
        if *name == ":authority" || (is_host && named.is_none()) {
            continue;
        }
        let name: http::HeaderName = name.parse().map_err(|_| format!("no field `{name}`"))?;
        let value = http::HeaderValue::from_str(value).map_err(|e| e.to_string())?;
        head.headers_mut().append(name, value);
    }
    Ok((head, Bytes::from(all[end + 4..].to_vec())))
}
