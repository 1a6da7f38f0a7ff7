//! Our own certificates whose names depend on the request: read off the worker, and kept as long as their files are as
//! they were.
//!
//! Observed of nginx 1.22.1: an empty name is no certificate; one that cannot be read is answered by 500, and no other
//! endpoint is tried. A session with another certificate is not resumed here; nginx does so.
//!
//! Reference: <https://nginx.org/r/proxy_ssl_certificate>

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Files, Material, keys};
use crate::{
    engine::{
        exchange::Exchange,
        tls::{Stamp, place, stamp},
    },
    ir::ComputedCertificate,
    plan::ForwardingPlan,
};

/// How many are kept.
const KEPT: usize = 1024;

/// The longest name, or what stands in place of a file.
const LONGEST: usize = 256 * 1024;

/// What was read: what its files were like then, and what is shown.
type Kept = HashMap<Pair, ([Stamp; 2], Arc<Material>)>;

static READ: Mutex<Option<Kept>> = Mutex::new(None);

/// A certificate and its key, by their names, with what else settings name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
    files: Files,
}

/// What is shown for this request, with what else the settings name. The error says what could not be read.
pub(super) async fn read(
    exchange: &mut Exchange,
    how: &ForwardingPlan,
    computed: &ComputedCertificate,
) -> Result<Arc<Material>, String> {
    let certificate = exchange.value(&computed.certificate);
    let key = exchange.value(&computed.key);
    let files = Files::of(how);
    if certificate.is_empty() {
        return if files == Files::default() { Ok(Arc::default()) } else { files.material() };
    }
    if certificate.len().max(key.len()) > LONGEST || certificate.contains(&0) || key.contains(&0) {
        return Err("no certificate has that name".to_owned());
    }
    let (pair, folder) = (Pair { certificate, key, files }, computed.folder.clone());
    let read = tokio::task::spawn_blocking(move || pair.shown(&folder)).await;
    read.map_err(|error| error.to_string())?
}

impl Pair {
    fn shown(self, folder: &Path) -> Result<Arc<Material>, String> {
        let stamps = [stamp(folder, &self.certificate), stamp(folder, &self.key)];
        let known = READ.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((then, material)) = known.as_ref().and_then(|known| known.get(&self))
            && *then == stamps
        {
            return Ok(Arc::clone(material));
        }
        drop(known);
        let (certificate, key) = (place(folder, &self.certificate), place(folder, &self.key));
        let text = |what: &str, name: &[u8], path: &Path| match name.strip_prefix(b"data:") {
            Some(text) => Ok(text.to_vec()),
            None => std::fs::read(path)
                .map_err(|error| format!("cannot load {what} \"{}\": {error}", path.display())),
        };
        let chain = text("certificate", &self.certificate, &certificate)?;
        let secret = text("certificate key", &self.key, &key)?;
        let key = keys::read(&chain, &secret, (&certificate, &key), &self.files.passwords)?;
        let rest = if self.files == Files::default() { Material::default() } else { self.files.read()? };
        let material = Arc::new(Material { key: Some(Arc::new(key)), number: super::next_number(), ..rest });
        let mut kept = READ.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.get_or_insert_default();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(self, (stamps, Arc::clone(&material)));
        Ok(material)
    }
}
