//! TLS of the made-up machine: one certificate for everything, and clients that trust anything.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, ServerConfig, ServerConnection,
    SignatureScheme, StreamOwned,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
};

use super::stage::tool;

/// Certificate, key and parameters in one file, which stands wherever a configuration names one of them.
pub(super) const FILE: &str = "/triglot-replay.pem";

/// What upstreams answer with.
pub(super) type Identity = Arc<ServerConfig>;

/// Makes the certificate. Its key is RSA's: where a configuration lists ciphers, those are the ones that are always in it.
pub(super) fn identity() -> Result<Identity, String> {
    let (key, certificate) = ("/triglot-replay.key", "/triglot-replay.crt");
    let script = format!(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=replay \
         -keyout {key} -out {certificate} && \
         openssl genpkey -genparam -algorithm DH -pkeyopt group:ffdhe2048 -out /triglot-replay.dh && \
         cat {certificate} {key} /triglot-replay.dh > {FILE}"
    );
    tool(&["sh", "-c", &script])?;
    load().map_err(|error| format!("the certificate cannot be used: {error}"))
}

/// Reads it again.
pub(super) fn load() -> Result<Identity, String> {
    let text = fs::read(FILE).map_err(|error| error.to_string())?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{error:?}"))?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| format!("{error:?}"))?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    config.map(Arc::new).map_err(|error| error.to_string())
}

/// A stream of either kind.
pub(super) trait Talk: Read + Write {}

impl<T: Read + Write> Talk for T {}

/// Answers a handshake.
pub(super) fn accept<S: Read + Write + 'static>(stream: S, identity: &Identity) -> Option<Box<dyn Talk>> {
    let session = ServerConnection::new(Arc::clone(identity)).ok()?;
    Some(Box::new(StreamOwned::new(session, stream)))
}

/// Begins one.
pub(super) fn connect(stream: TcpStream, name: &str) -> Option<Box<dyn Talk>> {
    let config = ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned())
        .or_else(|_| ServerName::try_from("replay.invalid".to_owned()))
        .ok()?;
    let session = ClientConnection::new(Arc::new(config), name).ok()?;
    Some(Box::new(StreamOwned::new(session, stream)))
}

/// Believes everybody.
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
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
