//! Names of versions and cipher suites, as OpenSSL and everyone's logs have them.

use rustls::{
    CipherSuite, ProtocolVersion, SignatureScheme, SupportedProtocolVersion,
    crypto::{SupportedKxGroup, aws_lc_rs},
    version,
};

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

/// The groups of these numbers that are spoken, in their order; all where none is.
pub(super) fn groups(numbers: &[u16]) -> Vec<&'static dyn SupportedKxGroup> {
    let all = aws_lc_rs::ALL_KX_GROUPS;
    let of = |number: &u16| all.iter().find(|group| u16::from(group.name()) == *number).copied();
    let found: Vec<_> = numbers.iter().filter_map(of).collect();
    if found.is_empty() { aws_lc_rs::DEFAULT_KX_GROUPS.to_vec() } else { found }
}

/// Groups by their OpenSSL names, `:` between them; those without one as numbers.
pub fn groups_named(numbers: &[u16]) -> String {
    let name = |number: &u16| match number {
        0x0017 => "prime256v1".to_owned(),
        0x0018 => "secp384r1".to_owned(),
        0x0019 => "secp521r1".to_owned(),
        0x001d => "X25519".to_owned(),
        0x001e => "X448".to_owned(),
        0x11ec => "X25519MLKEM768".to_owned(),
        0x0100 => "ffdhe2048".to_owned(),
        0x0101 => "ffdhe3072".to_owned(),
        other => format!("0x{other:04x}"),
    };
    numbers.iter().map(name).collect::<Vec<_>>().join(":")
}

/// A scheme of signatures by its OpenSSL name, which is that of RFC 8446 § 4.2.3.
pub fn signature_named(scheme: SignatureScheme) -> String {
    match scheme {
        SignatureScheme::RSA_PKCS1_SHA1 => "rsa_pkcs1_sha1".to_owned(),
        SignatureScheme::RSA_PKCS1_SHA256 => "rsa_pkcs1_sha256".to_owned(),
        SignatureScheme::RSA_PKCS1_SHA384 => "rsa_pkcs1_sha384".to_owned(),
        SignatureScheme::RSA_PKCS1_SHA512 => "rsa_pkcs1_sha512".to_owned(),
        SignatureScheme::RSA_PSS_SHA256 => "rsa_pss_rsae_sha256".to_owned(),
        SignatureScheme::RSA_PSS_SHA384 => "rsa_pss_rsae_sha384".to_owned(),
        SignatureScheme::RSA_PSS_SHA512 => "rsa_pss_rsae_sha512".to_owned(),
        SignatureScheme::ECDSA_NISTP256_SHA256 => "ecdsa_secp256r1_sha256".to_owned(),
        SignatureScheme::ECDSA_NISTP384_SHA384 => "ecdsa_secp384r1_sha384".to_owned(),
        SignatureScheme::ECDSA_NISTP521_SHA512 => "ecdsa_secp521r1_sha512".to_owned(),
        SignatureScheme::ED25519 => "ed25519".to_owned(),
        SignatureScheme::ED448 => "ed448".to_owned(),
        other => format!("0x{:04x}", u16::from(other)),
    }
}

/// Suites by their OpenSSL names, likewise.
pub fn suites_named(numbers: &[u16]) -> String {
    let name = |number: &u16| match cipher(CipherSuite::from(*number)) {
        name if name.contains('-') || name.starts_with("TLS_") => name,
        _ => format!("0x{number:04x}"),
    };
    numbers.iter().map(name).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_has_its_name() {
        for suite in aws_lc_rs::ALL_CIPHER_SUITES {
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
