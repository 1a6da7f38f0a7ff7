//! Whether an upstream is believed to be who it should be: not asked at all, or as OpenSSL would decide.
//!
//! The handshake's signature is checked in any case, also with certificates
//! that the TLS library cannot read (version 1). Chains are built by the
//! library where it can: beyond it are a leaf that is itself trusted, and a
//! leaf of version 1 right below a trusted one.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use rustls::{
    CertificateError, DigitallySignedStruct, Error, PeerMisbehaved, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::WebPkiSupportedAlgorithms,
    pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, UnixTime},
    server::{ParsedCertificate, danger::ClientCertVerifier},
};

use super::certificate::Certificate;

/// Certificates that are trusted, and others that help to reach them.
#[derive(Debug)]
pub(in crate::engine) struct Trust {
    roots: Vec<CertificateDer<'static>>,
    anchors: RootCertStore,
    others: Vec<CertificateDer<'static>>,
}

impl Default for Trust {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Trust {
    /// Only certificates that issued themselves are trusted; the rest of the file are intermediates.
    pub(in crate::engine) fn new(certificates: Vec<CertificateDer<'static>>) -> Self {
        let is_root =
            |der: &CertificateDer<'_>| Certificate::read(der).is_some_and(|read| read.is_self_issued());
        let (roots, others): (Vec<_>, Vec<_>) = certificates.into_iter().partition(is_root);
        let mut anchors = RootCertStore::empty();
        anchors.add_parsable_certificates(roots.iter().cloned());
        Self { roots, anchors, others }
    }

    /// Those that are trusted.
    pub(in crate::engine) fn anchors(&self) -> &RootCertStore {
        &self.anchors
    }

    fn issuer_of(&self, certificate: &Certificate<'_>) -> Option<Certificate<'_>> {
        let mut roots = self.roots.iter().filter_map(|der| Certificate::read(der));
        roots.find(|root| root.subject == certificate.issuer)
    }
}

/// Decides about an upstream's certificate.
#[derive(Debug)]
pub(in crate::engine) struct Verifier {
    pub(in crate::engine) algorithms: WebPkiSupportedAlgorithms,
    /// What is trusted, through how many intermediates; `None` believes anything.
    pub(in crate::engine) trust: Option<(Arc<Trust>, u32)>,
    /// The name that the certificate has to have.
    pub(in crate::engine) name: Option<String>,
    /// Who decides about chains where they are of clients.
    pub(in crate::engine) clients: Option<Arc<dyn ClientCertVerifier>>,
    /// Who looks into lists of what was revoked, where there are any.
    pub(in crate::engine) servers: Option<Arc<WebPkiServerVerifier>>,
    /// Whether it has to be in its time whatever is trusted.
    pub(in crate::engine) in_time: bool,
}

/// Why a chain is not believed, by OpenSSL's number and words.
pub(in crate::engine) type Reason = (u32, &'static str);

const NOT_SIGNED: Reason = (7, "certificate signature failure");
const NOT_YET: Reason = (9, "certificate is not yet valid");
const NO_LIST: Reason = (3, "unable to get certificate CRL");
const LIST_EXPIRED: Reason = (12, "CRL has expired");
const REVOKED: Reason = (23, "certificate revoked");
const EXPIRED: Reason = (10, "certificate has expired");
const SELF_SIGNED: Reason = (18, "self-signed certificate");
const SELF_SIGNED_IN_CHAIN: Reason = (19, "self-signed certificate in certificate chain");
const NO_ISSUER: Reason = (20, "unable to get local issuer certificate");
const NOBODY: Reason = (21, "unable to verify the first certificate");
const UNREADABLE: Reason = (50, "application verification failure");

impl Verifier {
    /// Follows the chain from the leaf to a trusted certificate.
    pub(in crate::engine) fn chain(
        &self,
        leaf: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Reason> {
        let Some((trust, depth)) = &self.trust else {
            return match Certificate::read(leaf) {
                Some(read) if self.in_time => in_time(&read, now),
                _ => Ok(()),
            };
        };
        let read = Certificate::read(leaf).ok_or(UNREADABLE)?;
        in_time(&read, now)?;
        if trust.roots.iter().any(|root| root == leaf) {
            return Ok(());
        }
        if read.is_self_issued() {
            return Err(SELF_SIGNED);
        }
        let mut between = trust.others.clone();
        between.extend(sent.iter().map(|der| der.clone().into_owned()));
        if steps(&read, &between, trust) > *depth {
            // The chain ends before a trusted certificate is reached.
            return Err(NO_ISSUER);
        }
        if !read.has_extensions {
            let issuer = trust.issuer_of(&read).ok_or(NOBODY)?;
            in_time(&issuer, now)?;
            return if self.signed_by(&read, &issuer) { Ok(()) } else { Err(NOT_SIGNED) };
        }
        let checked = if let Some(clients) = &self.clients {
            clients.verify_client_cert(leaf, &between, now).map(drop)
        } else if let Some(servers) = &self.servers {
            // Names are looked at last, and by somebody else.
            let nobody = ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            match servers.verify_server_cert(leaf, &between, &nobody, &[], now) {
                Err(Error::InvalidCertificate(
                    CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
                )) => Ok(()),
                checked => checked.map(drop),
            }
        } else {
            let parsed = ParsedCertificate::try_from(leaf).map_err(|error| reason(&error))?;
            let (anchors, algorithms) = (&trust.anchors, self.algorithms.all);
            verify_server_cert_signed_by_trust_anchor(&parsed, anchors, &between, now, algorithms)
        };
        checked.map_err(|error| match reason(&error) {
            NO_ISSUER if !has_issuer(&read, &between) => NOBODY,
            NO_ISSUER
                if sent.iter().filter_map(|der| Certificate::read(der)).any(|read| read.is_self_issued()) =>
            {
                SELF_SIGNED_IN_CHAIN
            }
            other => other,
        })
    }

    fn signed_by(&self, certificate: &Certificate<'_>, issuer: &Certificate<'_>) -> bool {
        let fits = |algorithm: &&&dyn SignatureVerificationAlgorithm| {
            *algorithm.signature_alg_id() == *certificate.algorithm
                && *algorithm.public_key_alg_id() == *issuer.key_algorithm
        };
        let mut fitting = self.algorithms.all.iter().filter(fits);
        fitting.any(|algorithm| {
            algorithm.verify_signature(issuer.key, certificate.signed, certificate.signature).is_ok()
        })
    }

    /// Checks the handshake's own signature (RFC 8446 § 4.4.3, RFC 5246 § 7.4.3).
    fn handshake(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
        tries: usize,
    ) -> Result<HandshakeSignatureValid, Error> {
        let unadvertised = PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme;
        let (_, algorithms) = self
            .algorithms
            .mapping
            .iter()
            .find(|(scheme, _)| *scheme == signed.scheme)
            .ok_or(unadvertised)?;
        let read = Certificate::read(leaf).ok_or(CertificateError::BadEncoding)?;
        let mut fitting = algorithms
            .iter()
            .take(tries)
            .filter(|algorithm| *algorithm.public_key_alg_id() == *read.key_algorithm);
        let valid = fitting
            .any(|algorithm| algorithm.verify_signature(read.key, message, signed.signature()).is_ok());
        if valid {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(CertificateError::BadSignature.into())
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.chain(leaf, sent, now).map_err(|(code, text)| {
            Error::General(format!("upstream SSL certificate verify error: ({code}:{text})"))
        })?;
        if let Some(name) = &self.name
            && !Certificate::read(leaf).is_some_and(|read| read.is_for(name))
        {
            return Err(Error::General(format!("upstream SSL certificate does not match \"{name}\"")));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.handshake(message, leaf, signed, usize::MAX)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // Here a scheme names its curve: only the first algorithm is meant.
        self.handshake(message, leaf, signed, 1)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether a certificate's issuer is among these, by name.
fn has_issuer(certificate: &Certificate<'_>, between: &[CertificateDer<'_>]) -> bool {
    between.iter().filter_map(|der| Certificate::read(der)).any(|read| read.subject == certificate.issuer)
}

/// How many certificates lie between a leaf and a trusted one, by names.
fn steps(leaf: &Certificate<'_>, between: &[CertificateDer<'_>], trust: &Trust) -> u32 {
    let mut issuer = leaf.issuer;
    for step in 0..between.len() as u32 {
        if trust.roots.iter().filter_map(|der| Certificate::read(der)).any(|root| root.subject == issuer) {
            return step;
        }
        let next =
            between.iter().filter_map(|der| Certificate::read(der)).find(|read| read.subject == issuer);
        match next {
            Some(next) => issuer = next.issuer,
            None => return step,
        }
    }
    between.len() as u32
}

fn in_time(certificate: &Certificate<'_>, now: UnixTime) -> Result<(), Reason> {
    let now = now.as_secs() as i64;
    match certificate.validity {
        (from, _) if now < from => Err(NOT_YET),
        (_, to) if now > to => Err(EXPIRED),
        _ => Ok(()),
    }
}

fn reason(error: &Error) -> Reason {
    match error {
        Error::InvalidCertificate(error) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => EXPIRED,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => NOT_YET,
            CertificateError::UnknownIssuer => NO_ISSUER,
            CertificateError::BadSignature => NOT_SIGNED,
            CertificateError::Revoked => REVOKED,
            CertificateError::UnknownRevocationStatus => NO_LIST,
            CertificateError::ExpiredRevocationList
            | CertificateError::ExpiredRevocationListContext { .. } => LIST_EXPIRED,
            _ => UNREADABLE,
        },
        _ => UNREADABLE,
    }
}
