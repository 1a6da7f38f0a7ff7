//! Content that lies in a file behind its own head, on its way to the client: conditions and ranges apply.

use std::{fs::File, ops::Range, sync::Arc};

use bytes::Bytes;

use super::{
    super::{
        edit,
        exchange::{Exchange, Next},
        filter,
    },
    Piece,
    condition::{self, Asked, Verdict},
    range::{self, Selection},
    send,
};
use crate::plan::Plan;

/// The content of a response.
#[derive(Debug)]
pub struct Whole {
    /// The file; none where the content was read already.
    pub file: Option<Arc<File>>,
    /// Where in it the content begins.
    pub begin: u64,
    /// How long it is.
    pub length: u64,
    /// The content, where it was read already.
    pub bytes: Option<Bytes>,
}

impl Whole {
    /// A part of it.
    pub fn piece(&self, range: Range<u64>) -> Piece {
        match (&self.bytes, &self.file) {
            (None, Some(file)) => {
                Piece::File(Arc::clone(file), self.begin + range.start..self.begin + range.end)
            }
            (bytes, _) => {
                let bytes = bytes.as_ref().filter(|bytes| range.end <= bytes.len() as u64);
                Piece::Bytes(
                    bytes.map(|it| it.slice(range.start as usize..range.end as usize)).unwrap_or_default(),
                )
            }
        }
    }
}

/// Answers with the response in `facts`, whose content this is.
pub async fn deliver(exchange: &mut Exchange, plan: &Plan, content: Whole) -> Next {
    let length = content.length;
    let settings = exchange.settings(plan);
    let mut selection = Selection::Whole;
    if exchange.facts.response.status == 200 && exchange.facts.preset.is_none() {
        // Ranges have heads of their own, with the whole type in them. The head of a whole gets it last.
        let mut kind = None;
        if Asked::of(&exchange.facts).range.is_some() {
            let known = super::super::http1::field::Known::ContentType;
            kind = exchange.facts.response.known(known).map(<[u8]>::to_vec);
            edit::charset(exchange, plan);
        }
        let asked = Asked::of(&exchange.facts);
        match condition::condition(&asked, &exchange.facts.response, settings.answer.if_modified_since) {
            Verdict::Answer => {}
            Verdict::NotModified => {
                not_modified(exchange);
                return send::send(exchange, plan, b"", &[], 0).await;
            }
            Verdict::Failed => return exchange.unmet(),
        }
        let changed = asked.range.is_some() && filter::applies(exchange, plan);
        let asked = Asked::of(&exchange.facts);
        let how = range::How::of(&settings.answer, changed);
        selection = range::ranges(&asked, &exchange.facts.response, how);
        if let Some(kind) = kind
            && asked.range.is_some()
            && !matches!(selection, Selection::Several(_))
        {
            exchange.facts.response.set(b"Content-Type", &kind);
        }
    }
    let pieces = match selection {
        Selection::Whole => vec![content.piece(0..length)],
        Selection::Unsatisfiable => {
            range::unmet(exchange, plan, length);
            return Next::Status(416);
        }
        Selection::One(range) => {
            exchange.facts.response.status_text = super::super::http1::field::Slice::default();
            range::one(&mut exchange.facts.response, &range, length);
            vec![content.piece(range)]
        }
        Selection::Several(ranges) => {
            exchange.facts.response.status_text = super::super::http1::field::Slice::default();
            let boundary = exchange.worker.random() % 100_000_000_000_000_000_000;
            let heads =
                range::several(&mut exchange.facts.response, &ranges, length, &format!("{boundary:020}"));
            let mut pieces = Vec::with_capacity(heads.len() + ranges.len());
            let mut ranges = ranges.into_iter();
            for head in heads {
                pieces.push(Piece::Bytes(head.into()));
                pieces.extend(ranges.next().map(|range| content.piece(range)));
            }
            pieces
        }
    };
    send::send(exchange, plan, b"a kept response", &pieces, length).await
}

/// Makes the response in `facts` one that says that the client has it.
pub fn not_modified(exchange: &mut Exchange) {
    let response = &mut exchange.facts.response;
    response.status = 304;
    response.status_text = super::super::http1::field::Slice::default();
    response.length = None;
    response.ranges = false;
    response.remove(b"Content-Type");
    response.remove(b"Content-Encoding");
}
