//! stub
use super::{facts::TlsSession, stream::Socket, worker::Serving};
use crate::{diagnostic::Diagnostic, plan::Plan};
#[derive(Debug, Default)]
pub struct Certificates;
impl Certificates {
    pub fn load(_: &Plan) -> Result<Self, Vec<Diagnostic>> {
        Ok(Self)
    }
}
pub enum Accepted {
    Session(Box<tokio_rustls::server::TlsStream<Socket>>, TlsSession),
    Plain(Socket),
    Failed(String),
}
pub async fn accept(_: &Serving, _: usize, s: Socket) -> Accepted {
    Accepted::Plain(s)
}
