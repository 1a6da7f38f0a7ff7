//! Session tickets (RFC 8446 § 4.6.1): sealed for one virtual server, good for a limited time.
//!
//! Keys come from files, so that several machines know them, or are made at
//! random and kept across reloads. What a ticket says of itself: when it was
//! made; whose it is goes into the seal, so that no other host's opens it.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    digest::{SHA256, digest},
};
use rustls::server::ProducesTickets;

/// Bytes of a key's name in front of each ticket.
const NAME: usize = 16;

/// Keys made at random, by whose they are.
static KEPT: Mutex<Option<HashMap<Vec<u8>, Arc<Key>>>> = Mutex::new(None);

#[derive(Debug)]
struct Key {
    name: [u8; NAME],
    seal: RandomizedNonceKey,
}

impl Key {
    fn of(secret: &[u8]) -> Option<Arc<Self>> {
        let hash = digest(&SHA256, &[b"ticket name", secret].concat());
        let name = hash.as_ref().first_chunk::<NAME>().copied()?;
        let key = digest(&SHA256, &[b"ticket key", secret].concat());
        let seal = RandomizedNonceKey::new(&AES_256_GCM, key.as_ref()).ok()?;
        Some(Arc::new(Self { name, seal }))
    }
}

/// Seals and opens tickets of one host.
#[derive(Debug)]
pub(super) struct Tickets {
    keys: Vec<Arc<Key>>,
    whose: Vec<u8>,
    lifetime: Duration,
}

impl Tickets {
    /// Tickets of `whose`, with the keys in these files, or with a random one.
    pub(super) fn new(
        files: &[impl AsRef<Path>],
        whose: Vec<u8>,
        lifetime: Option<Duration>,
    ) -> Result<Self, String> {
        let mut keys = Vec::new();
        for path in files {
            let path = path.as_ref();
            let secret = std::fs::read(path)
                .map_err(|error| format!("cannot read ticket key \"{}\": {error}", path.display()))?;
            if !matches!(secret.len(), 48 | 80) {
                return Err(format!("\"{}\" must be 48 or 80 bytes", path.display()));
            }
            keys.extend(Key::of(&secret));
        }
        if keys.is_empty() {
            let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
            let kept = kept.get_or_insert_default();
            let key = match kept.get(&whose) {
                Some(key) => Arc::clone(key),
                None => {
                    let mut secret = [0; 48];
                    aws_lc_rs::rand::fill(&mut secret).map_err(|error| error.to_string())?;
                    let key = Key::of(&secret).ok_or("no key can be made")?;
                    kept.insert(whose.clone(), Arc::clone(&key));
                    key
                }
            };
            keys.push(key);
        }
        let lifetime = lifetime.unwrap_or(Duration::from_mins(5));
        Ok(Self { keys, whose, lifetime })
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        // RFC 8446 § 4.6.1: seven days at most.
        u32::try_from(self.lifetime.as_secs()).unwrap_or(u32::MAX).min(604_800)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let key = self.keys.first()?;
        let mut data = [&now().to_be_bytes()[..], plain].concat();
        let nonce = key.seal.seal_in_place_append_tag(Aad::from(&self.whose), &mut data).ok()?;
        Some([&key.name[..], nonce.as_ref(), &data].concat())
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = cipher.split_at_checked(NAME)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let key = self.keys.iter().find(|key| key.name == name)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut data = sealed.to_vec();
        let plain = key.seal.open_in_place(nonce, Aad::from(&self.whose), &mut data).ok()?;
        let (made, plain) = plain.split_first_chunk::<8>()?;
        let age = now().saturating_sub(u64::from_be_bytes(*made));
        (age <= self.lifetime.as_secs()).then(|| plain.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_one_hosts() {
        let none: [&Path; 0] = [];
        let of = |whose: &[u8]| Tickets::new(&none, whose.to_vec(), None).unwrap();
        let (one, other, again) = (of(b"one"), of(b"other"), of(b"one"));
        let ticket = one.encrypt(b"session").unwrap();
        assert_eq!(one.decrypt(&ticket).as_deref(), Some(&b"session"[..]));
        assert_eq!(again.decrypt(&ticket).as_deref(), Some(&b"session"[..]));
        assert_eq!(other.decrypt(&ticket), None);
        for cut in 0..ticket.len() {
            assert_eq!(one.decrypt(&ticket[..cut]), None);
        }
        let mut bent = ticket;
        bent[40] ^= 1;
        assert_eq!(one.decrypt(&bent), None);
    }

    #[test]
    fn a_ticket_ends() {
        let none: [&Path; 0] = [];
        let short = Tickets::new(&none, b"short".to_vec(), Some(Duration::ZERO)).unwrap();
        let ticket = short.encrypt(b"session").unwrap();
        std::thread::sleep(Duration::from_millis(1100));
        assert_eq!(short.decrypt(&ticket), None);
    }
}
