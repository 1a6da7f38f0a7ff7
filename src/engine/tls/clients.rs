//! Certificates of clients: whether they are believed, and what is told of them.
//!
//! A client that is not believed is refused in the handshake, or afterwards by
//! an answer; which of the two is the configuration's to say.

use std::{fmt::Write as _, io::Write as _, path::PathBuf, sync::Arc};

use base64::Engine as _;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerifier as _},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use super::{
    super::upstream_tls::{
        certificate::{Certificate, date, name},
        verify::{Reason, Trust, Verifier},
    },
    keys,
};
use crate::ir::{ClientCertificates, ProofAttr};

/// Who decides about clients' certificates.
#[derive(Debug)]
pub struct Judge {
    verifier: Verifier,
    named: Vec<DistinguishedName>,
    required: bool,
    answered: bool,
    any: bool,
}

/// Reasons for which a certificate by somebody unknown is not believed.
const UNKNOWN_ISSUER: [u32; 7] = [2, 18, 19, 20, 21, 22, 27];

/// A client's certificate, and whether it is believed.
#[derive(Debug)]
pub struct Proof {
    der: Vec<u8>,
    verdict: Result<(), Reason>,
    /// Whether it counts although it is not.
    excused: bool,
}

impl Judge {
    /// Reads the files that say who is believed.
    pub fn load(clients: &ClientCertificates) -> Result<Self, String> {
        let ClientCertificates { trusted, folder, further, revoked, required, any, answered, depth } =
            clients;
        let read = |path: &Option<PathBuf>| match path {
            Some(path) => keys::certificates(path)
                .map_err(|why| format!("cannot load trusted certificates \"{}\": {why}", path.display())),
            None => Ok(Vec::new()),
        };
        let mut certificates = read(trusted)?;
        if let Some(folder) = folder {
            certificates.extend(keys::in_folder(folder).map_err(|why| {
                format!("cannot load trusted certificates of \"{}\": {why}", folder.display())
            })?);
        }
        let named = certificates.iter().filter_map(|der| Some(Certificate::read(der)?.subject_der()));
        let named = named.map(DistinguishedName::from).collect();
        certificates.extend(read(further)?);
        let lists = revoked.as_deref().map_or_else(|| Ok(Vec::new()), keys::revoked)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let trust = Arc::new(Trust::new(certificates));
        let checker = if trust.anchors().is_empty() {
            None
        } else {
            let anchors = Arc::new(trust.anchors().clone());
            let builder = WebPkiClientVerifier::builder_with_provider(anchors, provider).with_crls(lists);
            Some(builder.build().map_err(|error| error.to_string())?)
        };
        let verifier = Verifier {
            algorithms,
            trust: Some((trust, *depth)),
            name: None,
            in_time: true,
            clients: checker,
            servers: None,
        };
        Ok(Self { verifier, named, required: *required, answered: *answered, any: *any })
    }

    /// What a client showed.
    pub fn proof(&self, chain: &[CertificateDer<'_>]) -> Option<Proof> {
        let (leaf, sent) = chain.split_first()?;
        let verdict = self.verifier.chain(leaf, sent, UnixTime::now());
        let excused = self.any && verdict.is_err_and(|(code, _)| UNKNOWN_ISSUER.contains(&code));
        Some(Proof { der: leaf.to_vec(), verdict, excused })
    }
}

impl ClientCertVerifier for Judge {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.named
    }

    fn client_auth_mandatory(&self) -> bool {
        self.required && !self.answered
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if !self.answered
            && let Err((code, text)) = self.verifier.chain(leaf, sent, now)
            && !(self.any && UNKNOWN_ISSUER.contains(&code))
        {
            return Err(match code {
                10 => CertificateError::Expired.into(),
                23 => CertificateError::Revoked.into(),
                20 | 21 => CertificateError::UnknownIssuer.into(),
                _ => Error::General(format!("client SSL certificate verify error: ({code}:{text})")),
            });
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        super::witness::proved(signed.scheme);
        self.verifier.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        super::witness::proved(signed.scheme);
        self.verifier.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

impl Proof {
    /// Our own certificate, which is believed.
    pub fn own(leaf: &[u8]) -> Self {
        Self { der: leaf.to_vec(), verdict: Ok(()), excused: false }
    }

    /// Why it does not count, if it does not.
    pub fn refusal(&self) -> Option<Reason> {
        self.verdict.err().filter(|_| !self.excused)
    }

    /// Writes what is told of it; false when it cannot be read.
    pub fn attr(&self, which: ProofAttr, now: i64, out: &mut Vec<u8>) -> bool {
        let put = |out: &mut Vec<u8>, text: &str| {
            out.extend_from_slice(text.as_bytes());
            true
        };
        match which {
            ProofAttr::Verdict => match self.verdict {
                Ok(()) => return put(out, "SUCCESS"),
                Err((_, text)) => return write!(out, "FAILED:{text}").is_ok(),
            },
            ProofAttr::Der => return put(out, &base64::engine::general_purpose::STANDARD.encode(&self.der)),
            ProofAttr::Pem => return put(out, pem(&self.der).trim_end()),
            ProofAttr::PemFolded => return put(out, &pem(&self.der).trim_end().replace('\n', "\n\t")),
            ProofAttr::PemEscaped => return put(out, &escaped(&pem(&self.der))),
            ProofAttr::Fingerprint => {
                let digest = aws_lc_rs_digest(&self.der);
                return digest.as_ref().iter().all(|byte| write!(out, "{byte:02x}").is_ok());
            }
            _ => {}
        }
        let Some(read) = Certificate::read(&self.der) else { return false };
        match which {
            ProofAttr::Subject => put(out, &name(read.subject, false)),
            ProofAttr::Issuer => put(out, &name(read.issuer, false)),
            ProofAttr::SubjectLegacy => put(out, &name(read.subject, true)),
            ProofAttr::IssuerLegacy => put(out, &name(read.issuer, true)),
            ProofAttr::Serial => {
                let digits = match read.serial {
                    [0, rest @ ..] if !rest.is_empty() => rest,
                    all => all,
                };
                digits.iter().all(|byte| write!(out, "{byte:02X}").is_ok())
            }
            ProofAttr::Begins => put(out, &date(read.validity.0)),
            ProofAttr::Ends => put(out, &date(read.validity.1)),
            ProofAttr::DaysLeft => {
                let left = read.validity.1.saturating_sub(now).max(0);
                write!(out, "{}", left / 86400).is_ok()
            }
            ProofAttr::Version => put(out, if read.has_extensions { "3" } else { "1" }),
            ProofAttr::KeyAlgorithm => algorithm(read.key_algorithm).is_some_and(|name| put(out, name)),
            ProofAttr::SignatureAlgorithm => algorithm(read.algorithm).is_some_and(|name| put(out, name)),
            ProofAttr::HostName(at) => {
                read.alternative(0x82, at).is_some_and(|name| put(out, &String::from_utf8_lossy(name)))
            }
            ProofAttr::MailAddress(at) => {
                read.alternative(0x81, at).is_some_and(|name| put(out, &String::from_utf8_lossy(name)))
            }
            _ => false,
        }
    }
}

/// The name of an algorithm, as OpenSSL has it.
fn algorithm(of: &[u8]) -> Option<&'static str> {
    const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const EC: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    const ECDSA: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
    if let Some([kind, ..]) = of.strip_prefix(RSA) {
        return Some(match kind {
            1 => "rsaEncryption",
            5 => "sha1WithRSAEncryption",
            10 => "rsassaPss",
            11 => "sha256WithRSAEncryption",
            12 => "sha384WithRSAEncryption",
            13 => "sha512WithRSAEncryption",
            _ => return None,
        });
    }
    if let Some([kind, ..]) = of.strip_prefix(ECDSA) {
        return Some(match kind {
            2 => "ecdsa-with-SHA256",
            3 => "ecdsa-with-SHA384",
            4 => "ecdsa-with-SHA512",
            _ => return None,
        });
    }
    match of {
        [0x06, 0x03, 0x2b, 0x65, 0x70, ..] => Some("ED25519"),
        _ => of.starts_with(EC).then_some("id-ecPublicKey"),
    }
}

fn aws_lc_rs_digest(data: &[u8]) -> ::aws_lc_rs::digest::Digest {
    ::aws_lc_rs::digest::digest(&::aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, data)
}

/// A certificate as text (RFC 7468).
fn pem(der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut out = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        let _ = writeln!(out, "{line}");
        rest = after;
    }
    out + "-----END CERTIFICATE-----\n"
}

/// Text as a part of a URI.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
