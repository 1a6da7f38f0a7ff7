//! Files of users: who has which password, and who is in which group.
//!
//! Hashes are slow on purpose, and files are read each time, so this belongs on a thread where nobody waits.

use std::{io, path::PathBuf};

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use md5::{Digest as _, Md5};
use sha_crypt::{PasswordVerifier as _, ShaCrypt};

use super::files::read_plain;

mod des;

/// What became of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// The password is the user's.
    Right,
    /// It is not.
    Wrong,
    /// No file knows the user.
    Unknown,
}

/// The most bytes that a file of users or groups may have.
pub const LARGEST: u64 = 64 << 20;

/// Looks for a user in the files, in order: the first that has the user decides. `labelled` hashes are those that
/// directories have (RFC 2307 § 5.3): `{SSHA}`, `{PLAIN}`.
pub fn check(files: &[PathBuf], user: &[u8], password: &[u8], labelled: bool) -> io::Result<Checked> {
    for file in files {
        let text = read_plain(file, LARGEST)?;
        for line in text.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let Some(colon) = memchr::memchr(b':', line).filter(|_| line.first() != Some(&b'#')) else {
                continue;
            };
            if line[..colon] == *user {
                let hash = line[colon + 1..].split(|byte| *byte == b':').next().unwrap_or_default();
                let right = (labelled && is_labelled_of(hash, password)) || is_hash_of(hash, password);
                return Ok(if right { Checked::Right } else { Checked::Wrong });
            }
        }
    }
    Ok(Checked::Unknown)
}

/// Whether a user is in one of the groups by these files.
pub fn is_member(files: &[PathBuf], user: &[u8], groups: &[&[u8]]) -> io::Result<bool> {
    for file in files {
        let text = read_plain(file, LARGEST)?;
        for line in text.split(|byte| *byte == b'\n') {
            let Some(colon) = memchr::memchr(b':', line).filter(|_| line.first() != Some(&b'#')) else {
                continue;
            };
            let mut members = line[colon + 1..].split(u8::is_ascii_whitespace);
            if groups.contains(&line[..colon].trim_ascii()) && members.any(|member| member == user) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether a hash with a label is of this password.
fn is_labelled_of(hash: &[u8], password: &[u8]) -> bool {
    if let Some(plain) = hash.strip_prefix(b"{PLAIN}") {
        return same(plain, password);
    }
    let Some(encoded) = hash.strip_prefix(b"{SSHA}") else { return false };
    let Ok(decoded) = STANDARD.decode(encoded) else { return false };
    let Some((sum, salt)) = decoded.split_at_checked(20) else { return false };
    let salted = [password, salt].concat();
    same(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &salted).as_ref(), sum)
}

/// Whether a hash as files have them is of this password; one of a kind that is not known is of none.
pub fn is_hash_of(hash: &[u8], password: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(hash) else { return false };
    if let Some(rest) = text.strip_prefix("$apr1$") {
        return same(md5("$apr1$", password, rest.as_bytes()).as_bytes(), hash);
    }
    if let Some(rest) = text.strip_prefix("$1$") {
        return same(md5("$1$", password, rest.as_bytes()).as_bytes(), hash);
    }
    if let Some(encoded) = text.strip_prefix("{SHA}") {
        let own = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, password);
        return same(STANDARD.encode(own.as_ref()).as_bytes(), encoded.as_bytes());
    }
    if text.starts_with("$2") {
        return bcrypt::verify(password, text).unwrap_or(false);
    }
    if text.starts_with("$5$") || text.starts_with("$6$") {
        return ShaCrypt::default().verify_password(password, text).is_ok();
    }
    if hash.len() == 13 {
        return des::hash(password, hash).is_some_and(|own| same(own.as_bytes(), hash));
    }
    false
}

/// Compares in a time that does not tell where they differ.
pub fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

/// The digits of this kind of hash.
const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A thousand rounds of MD5 over password and salt, which is up to eight bytes before a `$`.
fn md5(kind: &str, password: &[u8], salt: &[u8]) -> String {
    let end = salt.iter().position(|byte| *byte == b'$').unwrap_or(salt.len()).min(8);
    let salt = &salt[..end];
    let inner = Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize();
    let mut outer = Md5::new().chain_update(password).chain_update(kind).chain_update(salt);
    let mut left = password.len();
    while left > 0 {
        outer.update(&inner[..left.min(16)]);
        left = left.saturating_sub(16);
    }
    let mut bits = password.len();
    while bits > 0 {
        outer.update(if bits & 1 == 1 { &[0][..] } else { &password[..1] });
        bits >>= 1;
    }
    let mut sum = outer.finalize();
    for round in 0..1000 {
        let mut again = Md5::new();
        again.update(if round % 2 == 1 { password } else { &sum[..] });
        if round % 3 != 0 {
            again.update(salt);
        }
        if round % 7 != 0 {
            again.update(password);
        }
        again.update(if round % 2 == 1 { &sum[..] } else { password });
        sum = again.finalize();
    }
    let mut out = format!("{kind}{}$", String::from_utf8_lossy(salt));
    let mut digits = |mut value: u32, count: u8| {
        for _ in 0..count {
            out.push(char::from(DIGITS[(value & 63) as usize]));
            value >>= 6;
        }
    };
    for [a, b, c] in [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]] {
        digits(u32::from(sum[a]) << 16 | u32::from(sum[b]) << 8 | u32::from(sum[c]), 4);
    }
    digits(u32::from(sum[11]), 2);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_all_kinds() {
        for hash in [
            "$2y$05$GP2UiM4pet.Hza5THY/9XubKS8NxuOmtocmUj9jZ7IqOf2Oiev5RK",
            "$apr1$k5eEMM6T$k4Wq4H60Wbns5q8bBKVOv.",
            "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
            "$1$saltsalt$9xy1btjgzLYfb7hivXtC//",
            "abNANd1rDfiNc",
            "$6$IEO4jg0xhwJZ3698$u70D4KXSNEPQoOsq.3gMgLg0AT1mbx1IVXQItN1Guu2c9.LmBvkDBTyDSEdIcJzgTr/8urVbvzlfLqnSbuOS5.",
        ] {
            assert!(is_hash_of(hash.as_bytes(), b"secret"), "{hash}");
            assert!(!is_hash_of(hash.as_bytes(), b"Secret"), "{hash}");
        }
        for hash in [&b"{PLAIN}secret"[..], b"{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0"] {
            assert!(is_labelled_of(hash, b"secret"));
            assert!(!is_labelled_of(hash, b"other") && !is_hash_of(hash, b"secret"));
        }
        assert!(!is_hash_of(b"secret", b"secret"));
        assert!(!is_hash_of(b"", b""));
    }
}
