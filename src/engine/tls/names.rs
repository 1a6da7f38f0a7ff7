//! Names of versions and cipher suites, as OpenSSL and everyone's logs have them.

use rustls::{CipherSuite, ProtocolVersion, SupportedProtocolVersion, version};

/// The versions to offer; all when none is given.
pub fn versions(tenths: &[u8]) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let wanted = |tenth: u8| tenths.is_empty() || tenths.contains(&tenth);
    let mut versions = Vec::new();
    if wanted(13) {
        versions.push(&version::TLS13);
    }
    if wanted(12) {
        versions.push(&version::TLS12);
    }
    if versions.is_empty() {
        return Err("only versions of TLS before 1.2 are allowed, and none of those is spoken".to_owned());
    }
    Ok(versions)
}

/// The version agreed on.
pub(super) fn version(version: Option<ProtocolVersion>) -> &'static str {
    match version {
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        _ => "",
    }
}

/// A cipher suite by its OpenSSL name.
pub(super) fn cipher(suite: CipherSuite) -> String {
    let name = match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-ECDSA-CHACHA20-POLY1305",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "ECDHE-RSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "ECDHE-RSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-RSA-CHACHA20-POLY1305",
        other => return format!("{other:?}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_has_its_name() {
        for suite in rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES {
            let name = cipher(suite.suite());
            assert!(name.contains("AES") || name.contains("CHACHA20"), "{name}");
            assert_eq!(name.starts_with("TLS_"), suite.tls13().is_some(), "{name}");
        }
    }

    #[test]
    fn old_versions_alone_are_refused() {
        assert_eq!(versions(&[]).unwrap().len(), 2);
        assert_eq!(versions(&[10, 11, 12]).unwrap(), [&version::TLS12]);
        assert!(versions(&[10, 11]).is_err());
    }
}
