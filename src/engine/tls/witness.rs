//! What a handshake leaves no other trace of: the identifier of a session that was kept, the schemes of signatures.
//!
//! The library calls back for each within a turn of the handshake, on the worker's thread; what it says is noted
//! there, and taken at the end of the turn.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
};

use rustls::{
    SignatureAlgorithm, SignatureScheme,
    sign::{Signer, SigningKey},
};
use rustls_pki_types::SubjectPublicKeyInfoDer;

thread_local! {
    static NOTES: RefCell<Notes> = RefCell::default();
}

/// What was seen of one handshake.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// What the session is kept by.
    pub(super) session: Option<Vec<u8>>,
    /// The scheme of our signature, and of the client's.
    pub(super) signatures: [Option<SignatureScheme>; 2],
    /// The certificate that we showed.
    pub(super) shown: Option<Arc<[u8]>>,
}

/// Does what `handshake` does, and says what was seen meanwhile.
pub(super) async fn watch<T>(handshake: impl Future<Output = T>) -> (T, Notes) {
    let mut handshake = pin!(handshake);
    let mut seen = Notes::default();
    let done = poll_fn(|context| {
        NOTES.with_borrow_mut(|notes| *notes = std::mem::take(&mut seen));
        let turn = handshake.as_mut().poll(context);
        seen = NOTES.take();
        turn
    })
    .await;
    (done, seen)
}

/// A session is kept by this.
pub(super) fn kept(key: &[u8]) {
    NOTES.with_borrow_mut(|notes| notes.session = Some(key.to_vec()));
}

/// The client signed in this way.
pub(super) fn proved(scheme: SignatureScheme) {
    NOTES.with_borrow_mut(|notes| notes.signatures[1] = Some(scheme));
}

/// A key that notes how it signs, and for which certificate.
#[derive(Debug)]
pub(super) struct Noting(pub(super) Arc<dyn SigningKey>, pub(super) Arc<[u8]>);

impl SigningKey for Noting {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let signer = self.0.choose_scheme(offered)?;
        NOTES.with_borrow_mut(|notes| {
            notes.signatures[0] = Some(signer.scheme());
            notes.shown = Some(Arc::clone(&self.1));
        });
        Some(signer)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        self.0.public_key()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }
}
