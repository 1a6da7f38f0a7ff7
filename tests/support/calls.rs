//! An origin that speaks HTTP/2, in the clear or behind TLS, as `grpc_pass` and the like go to.
//!
//! A scripted reply is written as in HTTP/1.1: `HTTP/2 STATUS`, fields, a blank line, content. Of its pieces those
//! that begin with `HTTP/2 1` are interim, `!trailers` has lines of trailers behind it, `!reset N` resets the stream,
//! `!goaway LAST N` tells of going away (`*` is the stream's own number), the others are content. The stream ends
//! with the last piece but in modes `close` and `hang`; in mode `early` it is answered before its content is read.

use super::fixture::Mode;
use super::origin::{Record, Shared};
use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, server::SendResponse};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use std::cell::Cell;
use std::io::{self, Write as _};
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// What the streams of a connection share.
struct Place<'a> {
    who: &'a str,
    number: u16,
    shared: Arc<Shared>,
    /// Below the library, for frames that it does not send.
    raw: TcpStream,
    over: Rc<Cell<bool>>,
}

/// Answers on one connection.
pub(super) fn serve(
    socket: TcpStream,
    number: u16,
    who: &str,
    shared: &Arc<Shared>,
    tls: Option<Arc<rustls::ServerConfig>>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let raw = socket.try_clone()?;
    socket.set_nonblocking(true)?;
    let place = Place { who, number, shared: Arc::clone(shared), raw, over: Rc::default() };
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let socket = tokio::net::TcpStream::from_std(socket)?;
        match tls {
            None => converse(socket, place).await,
            Some(config) => {
                let stream = tokio_rustls::TlsAcceptor::from(config).accept(socket).await?;
                let connection = &stream.get_ref().1;
                let name = connection.server_name().unwrap_or("none");
                let spoken = connection.alpn_protocol().map_or("none".into(), String::from_utf8_lossy);
                let who = format!("{who} tls sni={name} alpn={spoken}");
                converse(stream, Place { who: &who, ..place }).await;
            }
        }
        Ok(())
    })
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(stream: S, place: Place<'_>) {
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(1 << 20).initial_connection_window_size(1 << 22);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else { return };
    let place = Rc::new(Place { who: place.who.to_owned().leak(), ..place });
    let mut answers = Vec::new();
    loop {
        let over = Rc::clone(&place.over);
        let ended = std::future::poll_fn(|cx| match connection.poll_accept(cx) {
            std::task::Poll::Pending if over.get() => std::task::Poll::Ready(None),
            other => other,
        });
        let Some(Ok((request, respond))) = ended.await else { break };
        // Which connection it comes on is not compared: ours are shared in other ways.
        let title = format!("{} h2", place.who);
        let place = Rc::clone(&place);
        answers.push(tokio::task::spawn_local(async move { answer(&place, title, request, respond).await }));
    }
    for answer in answers {
        let _ = tokio::time::timeout(Duration::from_secs(1), answer).await;
    }
}

async fn answer(
    place: &Place<'_>,
    title: String,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let shared = &place.shared;
    let id = shared.open(Record { title, head: head(&request), ..Record::default() });
    let start =
        format!("{} {}", request.method(), request.uri().path_and_query().map_or("", |it| it.as_str()));
    let scripted = shared.reply(place.number);
    let mode = scripted.as_ref().map_or(Mode::Http, |reply| reply.mode);
    let number = place.number;
    let pieces = scripted.map_or_else(
        || {
            let head = b"HTTP/2 200\r\ncontent-type: text/plain\r\n\r\n".to_vec();
            vec![[head, format!("{number} {start}\n").into_bytes()].concat(), b"!trailers x-end: 1".to_vec()]
        },
        |reply| reply.pieces,
    );
    let mut body = request.into_body();
    let stream = u32::from(body.stream_id());
    if mode != Mode::Early {
        read(&mut body, shared, id).await;
    }
    // It is reset when it is let go of.
    let mut content = send(place, &mut respond, &pieces, mode, stream).await;
    if mode == Mode::Early {
        read(&mut body, shared, id).await;
    }
    match mode {
        Mode::Close => {
            // What was said goes out first.
            tokio::time::sleep(super::PAUSE).await;
            place.over.set(true);
            let _ = place.raw.shutdown(std::net::Shutdown::Both);
        }
        Mode::Hang => {
            let _ = std::future::poll_fn(|cx| match &mut content {
                Some(content) => content.poll_reset(cx),
                None => respond.poll_reset(cx),
            })
            .await;
        }
        _ => {}
    }
    shared.update(id, |record| record.done = true);
}

/// The head as a text, its fields by name: their order means nothing.
fn head(request: &Request<RecvStream>) -> Vec<u8> {
    let uri = request.uri();
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    let mut out = format!("{} {target} HTTP/2\r\n", request.method()).into_bytes();
    if uri.scheme_str() == Some("https") {
        out.extend(b":scheme: https\r\n");
    }
    let mut lines: Vec<Vec<u8>> = request
        .headers()
        .iter()
        .map(|(name, value)| [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat())
        .collect();
    // Which of the two it is means nothing either (RFC 9113 § 8.3.1).
    lines.extend(uri.authority().map(|authority| format!("host: {authority}\r\n").into_bytes()));
    lines.sort();
    out.extend(lines.concat());
    out.extend(b"\r\n");
    out
}

async fn read(body: &mut RecvStream, shared: &Shared, id: (usize, usize)) {
    let mut ends = true;
    while let Some(piece) = body.data().await {
        let Ok(piece) = piece else {
            ends = false;
            break;
        };
        let _ = body.flow_control().release_capacity(piece.len());
        shared.update(id, |record| record.content.extend_from_slice(&piece));
    }
    let trailers = if ends { body.trailers().await.ok().flatten() } else { None };
    for (name, value) in trailers.iter().flatten() {
        let line = [b"\n[trailer] ", name.as_str().as_bytes(), b": ", value.as_bytes()].concat();
        shared.update(id, |record| record.content.extend(line));
    }
    if !ends {
        shared.update(id, |record| record.content.extend(b"[reset]"));
    }
}

async fn send(
    place: &Place<'_>,
    respond: &mut SendResponse<Bytes>,
    pieces: &[Vec<u8>],
    mode: Mode,
    stream: u32,
) -> Option<SendStream<Bytes>> {
    let mut content: Option<SendStream<Bytes>> = None;
    let stays = matches!(mode, Mode::Close | Mode::Hang);
    for (at, piece) in pieces.iter().enumerate() {
        if at > 0 {
            tokio::time::sleep(super::PAUSE).await;
        }
        let last = at + 1 == pieces.len() && !stays;
        let text = String::from_utf8_lossy(piece).into_owned();
        if let Some(lines) = text.strip_prefix("!trailers") {
            content.as_mut()?.send_trailers(fields(lines)).ok()?;
        } else if let Some(code) = text.strip_prefix("!reset ") {
            let reason = Reason::from(code.trim().parse::<u32>().ok()?);
            match &mut content {
                Some(content) => content.send_reset(reason),
                None => respond.send_reset(reason),
            }
        } else if let Some(rest) = text.strip_prefix("!goaway ") {
            let (known, code) = rest.trim().split_once(' ')?;
            let known = if known == "*" { stream } else { known.parse().ok()? };
            let code: u32 = code.parse().ok()?;
            let frame =
                [&[0, 0, 8, 7, 0, 0, 0, 0, 0][..], &known.to_be_bytes(), &code.to_be_bytes()].concat();
            (&place.raw).write_all(&frame).ok()?;
        } else if let Some(rest) = text.strip_prefix("HTTP/2 ") {
            let (head, more) = rest.split_once("\r\n\r\n").unwrap_or((rest, ""));
            let (status, lines) = head.split_once("\r\n").unwrap_or((head, ""));
            let mut response = Response::builder().status(status.trim()).body(()).ok()?;
            *response.headers_mut() = fields(lines);
            if status.starts_with('1') {
                respond.send_informational(response).ok()?;
                continue;
            }
            let mut stream = respond.send_response(response, last && more.is_empty()).ok()?;
            if !more.is_empty() {
                let at = piece.len() - more.len();
                stream.send_data(Bytes::copy_from_slice(&piece[at..]), last).ok()?;
            }
            content = Some(stream);
        } else {
            content.as_mut()?.send_data(Bytes::copy_from_slice(piece), last).ok()?;
        }
    }
    content
}

fn fields(lines: &str) -> HeaderMap {
    let mut out = HeaderMap::new();
    for line in lines.lines() {
        let Some((name, value)) = line.trim().split_once(": ") else { continue };
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        {
            out.append(name, value);
        }
    }
    out
}
