//! Certificates whose names are known in the handshake: read off the worker, and kept as long as their files are as
//! they were.
//!
//! Reference: <https://nginx.org/r/ssl_certificate>

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use rustls::ServerConfig;

use super::{Judge, keys, keys::Keys, server_config};
use crate::{
    ir::{Attr, HostTls, Template, TlsAttr},
    plan::{Plan, Run, View},
};

/// How many are kept for one host.
const KEPT: usize = 1024;

/// The longest name, or what stands in place of a file.
const LONGEST: usize = 256 * 1024;

/// What a host shows.
pub(super) type Shown = (Arc<ServerConfig>, Option<Arc<Judge>>);

/// What a file was like when it was read: its length and its time.
pub(in crate::engine) type Stamp = Option<(u64, SystemTime)>;

/// Names of a chain and its key.
type Names = (Vec<u8>, Vec<u8>);

/// What was read, by its names: what its files were like, and what is shown.
type Kept = HashMap<Vec<Names>, (Vec<Stamp>, Shown)>;

/// The certificates of one host.
pub(super) struct Computed {
    tls: HostTls,
    name: Vec<u8>,
    http2: bool,
    kept: Mutex<Kept>,
}

impl std::fmt::Debug for Computed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Computed").field("tls", &self.tls).finish_non_exhaustive()
    }
}

impl Computed {
    /// Those of a host.
    pub(super) fn new(tls: &HostTls, name: &[u8], http2: bool) -> Self {
        Self { tls: tls.clone(), name: name.to_vec(), http2, kept: Mutex::default() }
    }

    /// What is shown to a client that asks for this name.
    pub(super) async fn read(self: &Arc<Self>, plan: &Plan, name: Option<&str>) -> Result<Shown, String> {
        let hello = Hello { name: name.unwrap_or_default() };
        let mut names = Vec::with_capacity(self.tls.computed.len());
        for one in &self.tls.computed {
            let value = |template: &Template| {
                let mut value = Vec::new();
                Run::default().eval(plan, &hello, template, &mut value);
                if value.len() > LONGEST || value.is_empty() || value.contains(&0) {
                    return Err("no certificate has that name".to_owned());
                }
                Ok(value)
            };
            names.push((value(&one.certificate)?, value(&one.key)?));
        }
        let own = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || own.shown(names)).await;
        read.map_err(|error| error.to_string())?
    }

    fn shown(&self, names: Vec<Names>) -> Result<Shown, String> {
        let mut stamps = Vec::new();
        for (one, (certificate, key)) in self.tls.computed.iter().zip(&names) {
            stamps.extend([stamp(&one.folder, certificate), stamp(&one.folder, key)]);
        }
        let known = |kept: &Kept| {
            kept.get(&names).filter(|(then, _)| *then == stamps).map(|(_, shown)| shown.clone())
        };
        if let Some(shown) = known(&self.kept.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(shown);
        }
        let mut found = Vec::new();
        for (one, (certificate, key)) in self.tls.computed.iter().zip(&names) {
            let paths = (place(&one.folder, certificate), place(&one.folder, key));
            let text = |value: &[u8], path: &Path| match value.strip_prefix(b"data:") {
                Some(text) => Ok(text.to_vec()),
                None => std::fs::read(path)
                    .map_err(|error| format!("cannot load certificate \"{}\": {error}", path.display())),
            };
            let (chain, secret) = (text(certificate, &paths.0)?, text(key, &paths.1)?);
            let key =
                keys::read(&chain, &secret, (paths.0.as_path(), paths.1.as_path()), &self.tls.passwords)?;
            found.push(Arc::new(key));
        }
        let (config, judge) = server_config(&self.tls, &self.name, self.http2, Arc::new(Keys::new(found)))?;
        let shown = (Arc::new(config), judge);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(names, (stamps, shown.clone()));
        Ok(shown)
    }
}

/// The file of a name; what stands for itself has none to speak of.
pub(in crate::engine) fn place(folder: &Path, name: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    if name.starts_with(b"data:") {
        return PathBuf::from("data:");
    }
    folder.join(std::ffi::OsStr::from_bytes(name))
}

/// What the file of a name is like.
pub(in crate::engine) fn stamp(folder: &Path, name: &[u8]) -> Stamp {
    let found = std::fs::metadata(place(folder, name)).ok()?;
    Some((found.len(), found.modified().ok()?))
}

/// What is known in a handshake: the name that the client asks for.
struct Hello<'a> {
    name: &'a str,
}

impl View for Hello<'_> {
    fn attr(&self, _: &Run, attr: &Attr, out: &mut Vec<u8>) -> bool {
        match attr {
            Attr::Tls(TlsAttr::ServerName) if !self.name.is_empty() => {
                out.extend_from_slice(self.name.to_ascii_lowercase().as_bytes());
                true
            }
            _ => false,
        }
    }

    fn method(&self) -> &[u8] {
        b""
    }

    fn content_length(&self) -> Option<u64> {
        None
    }

    fn status(&self) -> u16 {
        0
    }

    fn received_encoded(&self) -> bool {
        false
    }
}
