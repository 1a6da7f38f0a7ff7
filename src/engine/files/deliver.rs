//! Content that lies in a file behind its own head, on its way to the client: conditions and ranges apply.

use std::{fs::File, sync::Arc};

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
    /// The file.
    pub file: Arc<File>,
    /// Where in it the content begins.
    pub begin: u64,
    /// How long it is.
    pub length: u64,
    /// The content, where it was read already.
    pub bytes: Option<Vec<u8>>,
}

/// Answers with the response in `facts`, whose content this is.
pub async fn deliver(exchange: &mut Exchange, plan: &Plan, content: Whole) -> Next {
    let Whole { file, begin, length, bytes } = content;
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
                return send::send_shared(exchange, plan, b"", file, &[], 0).await;
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
    let part = |from: u64, to: u64| match &bytes {
        Some(bytes) => Piece::Bytes(bytes.get(from as usize..to as usize).unwrap_or_default().to_vec()),
        None => Piece::File(begin + from..begin + to),
    };
    let pieces = match selection {
        Selection::Whole if bytes.is_some() => vec![Piece::Bytes(bytes.unwrap_or_default())],
        Selection::Whole => vec![part(0, length)],
        Selection::Unsatisfiable => {
            range::unmet(exchange, plan, length);
            return Next::Status(416);
        }
        Selection::One(range) => {
            exchange.facts.response.status_text = super::super::http1::field::Slice::default();
            range::one(&mut exchange.facts.response, &range, length);
            vec![part(range.start, range.end)]
        }
        Selection::Several(ranges) => {
            exchange.facts.response.status_text = super::super::http1::field::Slice::default();
            let boundary = exchange.worker.random() % 100_000_000_000_000_000_000;
            let heads =
                range::several(&mut exchange.facts.response, &ranges, length, &format!("{boundary:020}"));
            let mut pieces = Vec::with_capacity(heads.len() + ranges.len());
            let mut ranges = ranges.into_iter();
            for head in heads {
                pieces.push(Piece::Bytes(head));
                pieces.extend(ranges.next().map(|range| part(range.start, range.end)));
            }
            pieces
        }
    };
    send::send_shared(exchange, plan, b"a kept response", file, &pieces, length).await
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
