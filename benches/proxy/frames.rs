//! What a client of HTTP/2 says and reads (RFC 9113), as far as one request at a time needs it; and TLS that believes
//! whatever is shown.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use crate::wire;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const AWAY: u8 = 7;

/// `:status: 200`, as a field that both sides know.
const OK: u8 = 0x88;

/// One connection.
#[derive(Default)]
pub struct Frames {
    out: Vec<u8>,
    arrived: Vec<u8>,
    stream: u32,
    /// Whether the head of an answer came.
    headed: bool,
}

impl Frames {
    /// What is to be sent.
    pub fn out(&self) -> &[u8] {
        &self.out
    }

    /// The next request.
    pub fn ask(&mut self) {
        self.out.clear();
        if self.stream == 0 {
            self.out.extend_from_slice(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
            // Windows that never close.
            frame(&mut self.out, SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]);
            frame(&mut self.out, 8, 0, 0, &(0x7fff_ffff_u32 - 65_535).to_be_bytes());
            frame(&mut self.out, SETTINGS, 1, 0, &[]);
            self.stream = 1;
        } else {
            self.stream += 2;
        }
        let mut head = vec![0x82, 0x86, 0x84, 0x01, wire::HOST.len() as u8];
        head.extend_from_slice(wire::HOST.as_bytes());
        head.extend_from_slice(&[0x0f, 0x2b, 13]);
        head.extend_from_slice(b"triglot-bench");
        head.extend_from_slice(&[0x0f, 0x04, 3]);
        head.extend_from_slice(b"*/*");
        frame(&mut self.out, HEADERS, 5, self.stream, &head);
        self.headed = false;
    }

    /// Reads what came, and counts content; whether an answer is complete.
    pub fn take(&mut self, bytes: &[u8], content: &mut u64) -> Result<bool, String> {
        self.arrived.extend_from_slice(bytes);
        let (mut at, mut done) = (0, false);
        while let Some(&[a, b, c, kind, flags, ..]) = self.arrived[at..].first_chunk::<9>() {
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            let Some(payload) = self.arrived.get(at + 9..at + 9 + length) else { break };
            match kind {
                DATA => *content += length as u64,
                HEADERS if !self.headed => {
                    let status = payload.iter().find(|byte| **byte & 0xe0 != 0x20);
                    if status != Some(&OK) {
                        return Err("an answer other than 200".into());
                    }
                    self.headed = true;
                }
                RESET | AWAY => return Err(format!("a frame of type {kind}")),
                PING if flags & 1 == 0 => return Err("a ping".into()),
                _ => {}
            }
            done |= matches!(kind, DATA | HEADERS) && flags & 1 == 1;
            at += 9 + length;
        }
        self.arrived.drain(..at);
        Ok(done)
    }
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// TLS 1.3 without resumption.
pub fn trusting() -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
