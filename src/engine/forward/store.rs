//! Copies of responses: the content of an answer with status 200 becomes a file of the name that settings say.
//!
//! The file (`deposit`) is put in its place when all of the content came, with the upstream's `Last-Modified` as its
//! time; folders that are missing are made. Who asked may leave meanwhile. What goes wrong with the file is a line in
//! the log and nothing to the client.

use std::{os::unix::ffi::OsStringExt as _, path::PathBuf};

use super::super::{
    deposit::{Deposit, Order},
    exchange::Exchange,
    files::condition,
    http1::field::Known,
};
use crate::plan::ForwardingPlan;

impl Exchange {
    /// Begins to copy the response under way, where settings ask for it.
    pub(super) fn begin_copy(&mut self, how: &ForwardingPlan, buffering: bool) -> Option<Deposit> {
        if how.store.is_empty()
            || self.serving.logs.are_kept()
            || !buffering
            || self.facts.asked_head
            || self.facts.upstream_head.status != 200
        {
            return None;
        }
        let place = self.value(&how.store);
        if place.is_empty() || place.contains(&0) {
            return None;
        }
        let facts = &self.facts;
        let mut fields = facts.upstream_head.fields.iter();
        let modified = fields.find(|field| field.known == Known::LastModified);
        let modified = modified.and_then(|field| condition::date(field.value.of(&facts.upstream)));
        let place = PathBuf::from(std::ffi::OsString::from_vec(place));
        // Who may read a file may look into the folder.
        let folders = how.store_access | (how.store_access & 0o444) >> 2;
        let expected = facts.upstream_head.content_length.filter(|_| !facts.upstream_head.chunked);
        let order = Order { place, folders, access: Some(how.store_access), modified, expected };
        Some(Deposit::begin(order, Vec::new(), None))
    }
}
