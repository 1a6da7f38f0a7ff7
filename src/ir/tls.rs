//! TLS of a virtual host.

use std::{path::PathBuf, time::Duration};

use serde::Serialize;

use super::{Template, Text};
use crate::source::Span;

/// TLS of a virtual host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HostTls {
    /// Certificate chain and key, PEM files; several for several key types.
    pub certificates: Vec<(PathBuf, PathBuf, Span)>,
    /// Certificates whose names are known in the handshake.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub computed: Vec<ComputedCertificate>,
    /// Files with the passwords of encrypted keys, one a line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passwords: Vec<PathBuf>,
    /// Versions to offer, of `1.2` and `1.3` (in tenths: 12, 13).
    pub versions: Vec<u8>,
    /// Cipher suites to offer, by number, preferred first; of a version that has none here all that are spoken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suites: Option<Vec<u16>>,
    /// Groups for the exchange of keys, by number (RFC 8446 § 4.2.7), preferred first; `None` is all that are spoken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<u16>>,
    /// Whether our order of suites counts, not the client's.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub own_order: bool,
    /// The longest content of a record, where it is shorter than the longest possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<u16>,
    /// Whether to hand out session tickets (RFC 8446 § 4.6.1).
    pub tickets: bool,
    /// Files with the keys of tickets: the first encrypts, all decrypt. Without any, keys are made at random.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ticket_keys: Vec<PathBuf>,
    /// How many sessions are kept here, for clients that come back without a ticket; `None` keeps none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u32>,
    /// How long a session may be resumed.
    pub session_timeout: Option<Duration>,
    /// Whether to refuse handshakes.
    pub reject: bool,
    /// Certificates shown behind those of each chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<PathBuf>,
    /// What is shown of a certificate's status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub staple: Option<Staple>,
    /// Clients' certificates, where they are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients: Option<ClientCertificates>,
    /// Whether requests for this host are misdirected (RFC 9110 § 15.5.20) on a connection whose handshake was with
    /// a host of other TLS.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exclusive: bool,
    /// Whether clients that name no host in the handshake get no answer from hosts other than the default.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub named: bool,
}

impl HostTls {
    /// Whether there is a certificate to show.
    pub fn shows(&self) -> bool {
        !self.certificates.is_empty() || !self.computed.is_empty()
    }
}

/// A certificate whose name depends on the handshake. A value that begins with `data:` is itself what would be in the
/// file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ComputedCertificate {
    /// PEM file of the chain.
    pub certificate: Template,
    /// PEM file of its key.
    pub key: Template,
    /// What names are relative to.
    pub folder: PathBuf,
    /// Where it was written.
    pub span: Span,
}

/// What is shown of a certificate's status (RFC 6066 § 8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Staple {
    /// A file with a responder's answer, in place of asking one.
    pub file: Option<PathBuf>,
    /// The responder in place of the one that the certificate names.
    pub responder: Option<Text>,
    /// PEM file with issuers that the chain has not.
    pub issuers: Option<PathBuf>,
    /// Whether an answer is shown only where who issued the certificate signed it, or lets its signer do so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub verify: bool,
}

/// Asking clients for certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClientCertificates {
    /// PEM file of who may issue them, and is named to clients.
    pub trusted: Option<PathBuf>,
    /// Folder of the same: of its files those count that are called as OpenSSL looks for them, `9d66eef0.0`.
    pub folder: Option<PathBuf>,
    /// PEM file of who may issue them, too.
    pub further: Option<PathBuf>,
    /// PEM file of lists of certificates that were revoked.
    pub revoked: Option<PathBuf>,
    /// Whether a client without one is refused.
    pub required: bool,
    /// Whether one by an issuer that is not trusted is as good.
    pub any: bool,
    /// Whether who is refused is told so by an answer, after a handshake that succeeds.
    pub answered: bool,
    /// The longest chain.
    pub depth: u32,
}
