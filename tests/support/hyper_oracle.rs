//! What hyper reads in bytes: one request as a server, one response as a client, both in memory.

use std::{
    cell::RefCell,
    convert::Infallible,
    future::Future,
    io,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, Waker},
};

use hyper::{
    HeaderMap, Request, Response,
    body::{Body, Bytes, Frame, Incoming},
    rt::{Read, ReadBufCursor, Write},
    service::service_fn,
};

/// A message as somebody read it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Method, authority and target, or the status.
    pub(crate) start: String,
    /// Names in lower case, sorted; those of one name in order.
    pub(crate) fields: Vec<(String, String)>,
    /// The content, decoded.
    pub(crate) content: String,
}

/// Bytes to be shown and compared.
pub(crate) fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Fields in the order of their names.
pub(crate) fn sorted(mut fields: Vec<(String, String)>) -> Vec<(String, String)> {
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    fields
}

/// The first request in `input`, if hyper takes it with its content.
pub(crate) fn request(input: &[u8]) -> Option<Message> {
    let seen = Rc::new(RefCell::new(None));
    let service = service_fn(|request: Request<Incoming>| {
        let seen = Rc::clone(&seen);
        async move {
            let (head, body) = request.into_parts();
            if let Some(content) = collect(body).await {
                let uri = head.uri;
                let authority = uri.authority().map_or("", |authority| authority.as_str());
                let target = uri.path_and_query().map_or("/", |target| target.as_str());
                let fields = fields(&head.headers);
                let slash = if target.starts_with('/') { "" } else { "/" };
                let start = shown(format!("{} {authority} {slash}{target}", head.method).as_bytes());
                *seen.borrow_mut() = Some(Message { start, fields, content });
            }
            Ok::<_, Infallible>(Response::new(Nothing))
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .half_close(true)
        .keep_alive(false)
        .serve_connection(Memory::new(input, false), service);
    run(connection);
    seen.take()
}

/// The response in `input`, if hyper takes it with its content.
pub(crate) fn response(input: &[u8]) -> Option<Message> {
    let memory = Memory::new(input, true);
    let message = async {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(memory).await.ok()?;
        let request = Request::get("/").header("Host", "a").body(Nothing).ok()?;
        let mut connection = pin!(connection);
        let mut answer = pin!(async {
            let (head, body) = sender.send_request(request).await.ok()?.into_parts();
            let content = collect(body).await?;
            let start = head.status.as_str().to_owned();
            Some(Message { start, fields: fields(&head.headers), content })
        });
        std::future::poll_fn(|cx| {
            let _ = connection.as_mut().poll(cx);
            answer.as_mut().poll(cx)
        })
        .await
    };
    run(message).flatten()
}

/// Runs what waits for nothing but itself; `None` when it does wait.
fn run<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    (0..1000).find_map(|_| match future.as_mut().poll(&mut cx) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    })
}

async fn collect(body: Incoming) -> Option<String> {
    let mut body = pin!(body);
    let mut content = Vec::new();
    while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        if let Ok(data) = frame.ok()?.into_data() {
            content.extend_from_slice(&data);
        }
    }
    Some(shown(&content))
}

fn fields(headers: &HeaderMap) -> Vec<(String, String)> {
    sorted(
        headers
            .iter()
            .map(|(name, value)| (shown(name.as_str().as_bytes()), shown(value.as_bytes())))
            .collect(),
    )
}

/// No content.
struct Nothing;

impl Body for Nothing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}

/// A connection on which everything has arrived already, and what is sent is lost.
struct Memory {
    input: Vec<u8>,
    read: usize,
    /// Whether the other side speaks only when spoken to.
    waits: bool,
}

impl Memory {
    fn new(input: &[u8], waits: bool) -> Self {
        Self { input: input.to_vec(), read: 0, waits }
    }
}

impl Read for Memory {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.waits {
            return Poll::Pending;
        }
        let rest = &self.input[self.read..];
        let length = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..length]);
        self.read += length;
        Poll::Ready(Ok(()))
    }
}

impl Write for Memory {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.waits = false;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
