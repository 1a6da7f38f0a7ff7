//! Digest authentication (RFC 7616, of it MD5 and `qop=auth`): the challenge, the answer to it, what is told of it.
//!
//! A nonce is its time and a seal over time and realm, with a key that this process makes once: nothing is remembered
//! of it, all workers know each other's, and one of an earlier process is stale.

use std::{
    io,
    path::PathBuf,
    sync::OnceLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use md5::{Digest as _, Md5};

use super::super::{
    exchange::Exchange,
    files::read_plain,
    password::{LARGEST, same},
};
use crate::{
    ir::{Credentials, Digest, settings::Level},
    plan::Promised,
};

/// Length of a nonce: the time in base64, half a seal in hexadecimal.
const NONCE: usize = 12 + 40;

/// How long before its end a nonce is replaced.
const BEFORE: Duration = Duration::from_secs(30);

/// What the client sent.
#[derive(Debug, Default, PartialEq, Eq)]
struct Given {
    user: Vec<u8>,
    realm: Vec<u8>,
    nonce: Vec<u8>,
    uri: Vec<u8>,
    response: Vec<u8>,
    algorithm: Vec<u8>,
    cnonce: Vec<u8>,
    count: Vec<u8>,
    qop: Vec<u8>,
}

impl Given {
    /// Reads what stands behind the scheme; `None` where something is missing.
    fn read(mut text: &[u8]) -> Option<Self> {
        let mut given = Self::default();
        loop {
            text = text.trim_ascii_start();
            text = text.strip_prefix(b",").unwrap_or(text).trim_ascii_start();
            if text.is_empty() {
                break;
            }
            let equals = memchr::memchr(b'=', text)?;
            let name = text[..equals].trim_ascii().to_ascii_lowercase();
            text = text[equals + 1..].trim_ascii_start();
            let mut value = Vec::new();
            if let Some(rest) = text.strip_prefix(b"\"") {
                let mut at = 0;
                loop {
                    match rest.get(at)? {
                        b'"' => break,
                        b'\\' => {
                            at += 1;
                            value.push(*rest.get(at)?);
                        }
                        byte => value.push(*byte),
                    }
                    at += 1;
                }
                text = &rest[at + 1..];
            } else {
                let end = text.iter().position(|byte| *byte == b',').unwrap_or(text.len());
                value.extend_from_slice(text[..end].trim_ascii());
                text = &text[end..];
            }
            let place = match &*name {
                b"username" => &mut given.user,
                b"realm" => &mut given.realm,
                b"nonce" => &mut given.nonce,
                b"uri" => &mut given.uri,
                b"response" => &mut given.response,
                b"algorithm" => &mut given.algorithm,
                b"cnonce" => &mut given.cnonce,
                b"nc" => &mut given.count,
                b"qop" => &mut given.qop,
                _ => continue,
            };
            *place = value;
        }
        let mut needed = vec![&given.user, &given.nonce, &given.uri, &given.response];
        if !given.qop.is_empty() {
            needed.extend([&given.cnonce, &given.count]);
        }
        (needed.iter().all(|value| !value.is_empty()) && given.nonce.len() == NONCE).then_some(given)
    }
}

fn key() -> &'static hmac::Key {
    static KEY: OnceLock<hmac::Key> = OnceLock::new();
    KEY.get_or_init(|| {
        let mut secret = [0; 32];
        // Without randomness nothing could be sealed; the time alone would be guessed.
        if aws_lc_rs::rand::fill(&mut secret).is_err() {
            secret
                .copy_from_slice(&std::array::from_fn::<u8, 32, _>(|at| at as u8 ^ std::process::id() as u8));
        }
        hmac::Key::new(hmac::HMAC_SHA256, &secret)
    })
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(0)
}

fn nonce_of(time: u64, realm: &[u8]) -> Vec<u8> {
    let bytes = time.to_le_bytes();
    let seal = hmac::sign(key(), &[&bytes[..], realm].concat());
    let mut text = STANDARD.encode(bytes).into_bytes();
    text.extend(hex(&seal.as_ref()[..20]));
    text
}

/// When a nonce of ours was made.
fn time_of(nonce: &[u8], realm: &[u8]) -> Option<u64> {
    let bytes = STANDARD.decode(nonce.get(..12)?).ok()?;
    let time = u64::from_le_bytes(bytes.try_into().ok()?);
    same(&nonce_of(time, realm), nonce).then_some(time)
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

fn md5(parts: &[&[u8]]) -> Vec<u8> {
    hex(&Md5::digest(parts.join(&b':')))
}

/// The hash of a user in a realm, by files with a line `user:realm:hash` each.
fn hash_of(files: &[PathBuf], user: &[u8], realm: &[u8]) -> io::Result<Option<Vec<u8>>> {
    for file in files {
        let text = read_plain(file, LARGEST)?;
        for line in text.split(|byte| *byte == b'\n').filter(|line| line.first() != Some(&b'#')) {
            let mut columns = line.trim_ascii_end().splitn(3, |byte| *byte == b':');
            if columns.next() == Some(user) && columns.next() == Some(realm) {
                return Ok(columns.next().map(<[u8]>::to_vec));
            }
        }
    }
    Ok(None)
}

impl Exchange {
    /// The user whose answer to a challenge the request has; else asks for one.
    pub(super) async fn authenticate_by_digest(
        &mut self,
        credentials: &Credentials,
        digest: &Digest,
    ) -> Result<Vec<u8>, u16> {
        let ask = |exchange: &mut Self, stale: bool| {
            exchange.challenge_by_digest(credentials, digest, stale);
            Err(if stale { credentials.wrong } else { credentials.asked })
        };
        let Some(field) = self.facts.fields(b"authorization").next().map(<[u8]>::to_vec) else {
            return ask(self, false);
        };
        let given = match field.split_at_checked(7) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"digest ") => Given::read(rest),
            _ => {
                self.log(
                    Level::Error,
                    format_args!("client used wrong authentication scheme: {}", self.shown()),
                );
                return ask(self, false);
            }
        };
        let Some(given) = given else {
            self.log(
                Level::Error,
                format_args!(
                    "missing user, realm, nonce, uri, digest, cnonce, or nonce_count in authorization header: {}",
                    self.shown()
                ),
            );
            return ask(self, false);
        };
        self.facts.claimed_user = Some(given.user.clone());
        let user = given.user.escape_ascii().to_string();
        let target = self.facts.head.target.of(&self.facts.buffer).to_vec();
        if path_of(&given.uri) != path_of(&target) {
            let (uri, target) = (given.uri.escape_ascii(), target.escape_ascii());
            self.log(
                Level::Error,
                format_args!("uri mismatch - <{uri}> does not match request-uri <{target}>"),
            );
            return Err(400);
        }
        let wrong = if *given.realm != *credentials.realm {
            let realm = given.realm.escape_ascii();
            Some(format!("realm mismatch - got `{realm}' but expected `{}'", credentials.realm))
        } else if !given.algorithm.is_empty() && !given.algorithm.eq_ignore_ascii_case(b"MD5") {
            Some(format!("unknown algorithm `{}' received: {}", given.algorithm.escape_ascii(), self.shown()))
        } else {
            None
        };
        if let Some(wrong) = wrong {
            self.log(Level::Error, format_args!("{wrong}"));
            return ask(self, false);
        }
        let (files, name, realm) =
            (credentials.users.clone(), given.user.clone(), credentials.realm.to_vec());
        let read = tokio::task::spawn_blocking(move || hash_of(&files, &name, &realm)).await;
        let hash = match read {
            Ok(Ok(hash)) => hash,
            Ok(Err(error)) => {
                self.log(Level::Error, format_args!("Could not open password file: {error}"));
                return Err(500);
            }
            Err(_) => return Err(500),
        };
        let Some(hash) = hash else {
            let realm = &credentials.realm;
            self.log(
                Level::Error,
                format_args!("user `{user}' in realm `{realm}' not found: {}", self.shown()),
            );
            return ask(self, false);
        };
        if !given.qop.eq_ignore_ascii_case(b"auth") {
            let qop = given.qop.escape_ascii();
            let shown = self.shown();
            self.log(
                Level::Error,
                format_args!(
                    "invalid or missing qop value '{qop}', RFC 2069 is no longer supported: {shown}"
                ),
            );
            return ask(self, false);
        }
        let answer = |method: &[u8]| {
            let what = md5(&[method, &given.uri]);
            md5(&[&hash, &given.nonce, &given.count, &given.cnonce, &given.qop, &what])
        };
        if !same(&answer(self.facts.method()), &given.response.to_ascii_lowercase()) {
            self.log(Level::Error, format_args!("user {user}: password mismatch: {}", self.shown()));
            return ask(self, false);
        }
        let age = time_of(&given.nonce, &credentials.realm).and_then(|time| now().checked_sub(time));
        let age = age.map(Duration::from_micros);
        let fresh = age.is_some_and(|age| digest.lifetime.is_none_or(|lifetime| age <= lifetime));
        if !fresh {
            let why = if age.is_some() { "nonce expired" } else { "invalid nonce received" };
            self.log(Level::Info, format_args!("user {user}: {why}"));
            return ask(self, true);
        }
        let mut told = [b"rspauth=\"", &answer(b"")[..], b"\""].concat();
        let ends = age.zip(digest.lifetime).is_some_and(|(age, lifetime)| age + BEFORE > lifetime);
        if ends {
            told.extend_from_slice(b", nextnonce=\"");
            told.extend(nonce_of(now(), &credentials.realm));
            told.push(b'"');
        }
        told.extend_from_slice(b", cnonce=\"");
        quote(&given.cnonce, &mut told);
        told.extend_from_slice(b"\", nc=");
        told.extend(given.count.iter().filter(|byte| byte.is_ascii_hexdigit()));
        told.extend_from_slice(b", qop=auth");
        let field = "Authentication-Info".into();
        self.run.promised.push(Promised { field, value: told, always: false, member: false });
        Ok(given.user)
    }

    /// Asks for an answer (RFC 7616 § 3.3).
    pub(super) fn challenge_by_digest(&mut self, credentials: &Credentials, digest: &Digest, stale: bool) {
        let mut value = b"Digest realm=\"".to_vec();
        quote(&credentials.realm, &mut value);
        value.extend_from_slice(b"\", nonce=\"");
        value.extend(nonce_of(now(), &credentials.realm));
        value.extend_from_slice(b"\", algorithm=MD5");
        if !digest.domain.is_empty() {
            value.extend_from_slice(b", domain=\"");
            quote(&digest.domain, &mut value);
            value.push(b'"');
        }
        if stale {
            value.extend_from_slice(b", stale=true");
        }
        value.extend_from_slice(b", qop=\"auth\"");
        self.facts.response.start(401);
        self.facts.response.add(b"WWW-Authenticate", &value);
    }
}

/// A text inside quotes.
fn quote(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text.iter().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)) {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
}

/// Path and query of a target, whichever form it has.
fn path_of(target: &[u8]) -> &[u8] {
    match memchr::memmem::find(target, b"://") {
        Some(at) if target[..at].iter().all(u8::is_ascii_alphanumeric) => {
            let rest = &target[at + 3..];
            memchr::memchr(b'/', rest).map_or(&b"/"[..], |slash| &rest[slash..])
        }
        _ => target,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let nonce = "x".repeat(NONCE);
        let text = format!(
            r#"username="b\"b", realm="r e", nonce="{nonce}", uri="/a,b", response="1",qop=auth , nc=00000001, cnonce="c", opaque="5""#
        );
        let given = Given::read(text.as_bytes()).unwrap();
        assert_eq!((&*given.user, &*given.uri, &*given.qop), (&b"b\"b"[..], &b"/a,b"[..], &b"auth"[..]));
        for broken in [r#"username="b"#, r#"username="b\"#, "username", "", "=", "nonce=1, uri"] {
            assert_eq!(Given::read(broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn the_example_of_the_rfc() {
        // RFC 7616 § 3.9.1, MD5.
        let hash = md5(&[b"Mufasa", b"http-auth@example.org", b"Circle of Life"]);
        let what = md5(&[b"GET", b"/dir/index.html"]);
        let nonce = b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        let cnonce = b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let answer = md5(&[&hash, nonce, b"00000001", cnonce, b"auth", &what]);
        assert_eq!(answer, b"8ca523f5e9506fed4657c9700eebdbec");
    }

    #[test]
    fn nonces_are_ours_and_of_one_realm() {
        let nonce = nonce_of(12, b"r");
        assert_eq!(nonce.len(), NONCE);
        assert_eq!((time_of(&nonce, b"r"), time_of(&nonce, b"s")), (Some(12), None));
        assert_eq!(path_of(b"http://a:8/x?y"), b"/x?y");
    }
}
