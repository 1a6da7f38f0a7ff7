//! Certificates and keys from PEM files (RFC 7468), and which of several is shown.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use rustls::{
    InconsistentKeys, SignatureAlgorithm, SignatureScheme,
    client::ResolvesClientCert,
    crypto::aws_lc_rs,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer,
    pem::{self, PemObject as _},
};

use super::witness::Noting;

/// A chain and its key, from their files.
pub fn load(certificate: &Path, key: &Path, passwords: &[PathBuf]) -> Result<CertifiedKey, String> {
    let chain = std::fs::read(certificate).map_err(|error| system(&error));
    let text = std::fs::read(key).map_err(|error| cannot("certificate key", key, &system(&error)))?;
    let chain = chain.map_err(|why| cannot("certificate", certificate, &why))?;
    read(&chain, &text, (certificate, key), passwords)
}

/// A chain and its key, from what their files hold.
pub fn read(
    chain: &[u8],
    text: &[u8],
    (certificate, key): (&Path, &Path),
    passwords: &[PathBuf],
) -> Result<CertifiedKey, String> {
    let chain = parsed(chain).map_err(|why| cannot("certificate", certificate, &why))?;
    let der = match PrivateKeyDer::from_pem_slice(text) {
        Ok(der) => der,
        Err(_) if memchr::memmem::find(text, b"ENCRYPTED").is_some() => {
            decrypted(text, passwords).map_err(|why| cannot("certificate key", key, &why))?
        }
        Err(pem::Error::NoItemsFound) => return Err(cannot("certificate key", key, "no key in it")),
        Err(error) => return Err(cannot("certificate key", key, &error.to_string())),
    };
    let signing = aws_lc_rs::sign::any_supported_type(&der)
        .map_err(|error| cannot("certificate key", key, &error.to_string()))?;
    let made = CertifiedKey::new(chain, signing);
    // Certificates that cannot be read here (version 1, say) may still be to the client's liking.
    if let Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) = made.keys_match() {
        let why = format!("it is not the key of \"{}\"", certificate.display());
        return Err(cannot("certificate key", key, &why));
    }
    let leaf: Arc<[u8]> = made.cert.first().map_or_else(Arc::default, |leaf| leaf.as_ref().into());
    Ok(CertifiedKey { key: Arc::new(Noting(Arc::clone(&made.key), leaf)), ..made })
}

/// The key in a file that is encrypted (RFC 5958 § 3), by the first password that opens it.
fn decrypted(text: &[u8], passwords: &[PathBuf]) -> Result<PrivateKeyDer<'static>, String> {
    const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
    const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";
    let text = String::from_utf8_lossy(text);
    let Some(begin) = text.find(BEGIN) else {
        return Err("it is encrypted in the old way: convert it with `openssl pkcs8 -topk8`".to_owned());
    };
    let end = text[begin..].find(END).map_or(text.len(), |at| begin + at + END.len());
    let (_, sealed) =
        pkcs8::SecretDocument::from_pem(&text[begin..end]).map_err(|error| error.to_string())?;
    let sealed =
        pkcs8::EncryptedPrivateKeyInfoRef::try_from(sealed.as_bytes()).map_err(|error| error.to_string())?;
    for path in passwords {
        let lines = std::fs::read_to_string(path)
            .map_err(|error| format!("cannot read passwords \"{}\": {}", path.display(), system(&error)))?;
        for password in lines.lines() {
            if let Ok(plain) = sealed.decrypt(password) {
                return Ok(PrivateKeyDer::Pkcs8(plain.as_bytes().to_vec().into()));
            }
        }
    }
    Err("it is encrypted, and no password opens it".to_owned())
}

/// All certificates in a file.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    parsed(&std::fs::read(path).map_err(|error| system(&error))?)
}

/// All certificates in the files of a folder that are called by the hash of a name and a number: `9d66eef0.0`.
pub fn in_folder(folder: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| system(&error))?;
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    names.sort();
    let mut found = Vec::new();
    for path in names.iter().filter(|path| is_hash(path)) {
        found.extend(certificates(path).map_err(|why| format!("{}: {why}", path.display()))?);
    }
    Ok(found)
}

fn is_hash(path: &Path) -> bool {
    let Some((hash, number)) = path.file_name().and_then(|name| name.to_str()?.split_once('.')) else {
        return false;
    };
    let is = |text: &str, digit: fn(&u8) -> bool| !text.is_empty() && text.as_bytes().iter().all(digit);
    hash.len() == 8 && is(hash, u8::is_ascii_hexdigit) && is(number, u8::is_ascii_digit)
}

fn parsed(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match found {
        Ok(found) if found.is_empty() => Err("no certificate in it".to_owned()),
        Ok(found) => Ok(found),
        Err(error) => Err(error.to_string()),
    }
}

/// All lists of certificates that were revoked in a file.
pub fn revoked(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    let lists: Result<Vec<_>, _> =
        CertificateRevocationListDer::pem_file_iter(path).and_then(Iterator::collect);
    let lists = lists.map_err(|error| cannot("revocation lists", path, &error.to_string()))?;
    if lists.is_empty() { Err(cannot("revocation lists", path, "none in it")) } else { Ok(lists) }
}

fn cannot(what: &str, path: &Path, why: &str) -> String {
    format!("cannot load {what} \"{}\": {why}", path.display())
}

fn system(error: &io::Error) -> String {
    error.to_string().split(" (os error").next().unwrap_or_default().to_owned()
}

/// A certificate and its key, and what is shown of its status, which changes.
pub type Slot = ArcSwap<CertifiedKey>;

/// Several certificates, for several kinds of key.
#[derive(Debug)]
pub struct Keys(Vec<Arc<Slot>>);

impl Keys {
    /// These; the cheaper kinds of key are preferred.
    pub fn new(mut keys: Vec<Arc<CertifiedKey>>) -> Self {
        keys.sort_by_key(|key| key.key.algorithm() == SignatureAlgorithm::RSA);
        Self(keys.into_iter().map(|key| Arc::new(ArcSwap::new(key))).collect())
    }

    /// Each of them.
    pub fn slots(&self) -> &[Arc<Slot>] {
        &self.0
    }

    fn choose(&self, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.iter().map(|slot| slot.load_full()).find(|key| key.key.choose_scheme(schemes).is_some())
    }
}

impl ResolvesServerCert for Keys {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.signature_schemes())
    }
}

impl ResolvesClientCert for Keys {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.choose(schemes)
    }

    fn has_certs(&self) -> bool {
        !self.0.is_empty()
    }
}
