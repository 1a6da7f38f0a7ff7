//! Responses that are made of others: texts of other requests before and behind the content, or in the place of
//! instructions in it.
//!
//! Whether a response is composed is known when its head is made. From there on what the handler writes is kept
//! instead of sent; when all of it is there, the parts are asked for and everything is sent as one.

mod expression;
mod includes;
mod instructions;
mod page;
mod read;

pub use instructions::Known;
pub use page::Page;

use super::{
    exchange::{End, Exchange, Next},
    filter::{self, coding_of, is_of, weaken},
    stream::{Kept, Stream},
};
use crate::{ir::settings::Level, plan::Plan};

/// The longest content that is composed, bytes.
const LONGEST: usize = 64 << 20;

/// The longest part, bytes.
const LONGEST_PART: usize = 32 << 20;

/// Where a response has parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Parts {
    /// In the place of instructions.
    inside: bool,
    /// Before the content or behind it.
    around: bool,
}

impl Exchange {
    /// Keeps the content from here on where the response whose head is made is composed.
    pub fn begin_composing(&mut self, plan: &Plan) -> bool {
        if !self.is_composed(plan) {
            return false;
        }
        self.composed = true;
        let kept = Stream::Kept(Kept { room: LONGEST, ..Kept::default() });
        self.composing = Some(Box::new(std::mem::replace(&mut self.stream, kept)));
        true
    }

    /// Whether the response at hand will be composed.
    pub fn is_composed(&self, plan: &Plan) -> bool {
        !self.composed && !self.facts.response.bodyless && self.has_parts(plan) != Parts::default()
    }

    /// Which parts the content of the response at hand has, or would have if it had content.
    fn has_parts(&self, plan: &Plan) -> Parts {
        let all = self.settings(plan);
        let settings = &all.rewriting.settings;
        let response = &self.facts.response;
        // What a page of our own says of the request is no instruction.
        if response.ours && all.answer.raw_pages {
            return Parts::default();
        }
        let (status, last) = (response.status, settings.parts_last);
        let possible = match status {
            304 => settings.tells_unmodified,
            300..=399 => last,
            200..=599 => true,
            _ => false,
        };
        if !possible || (response.length == Some(0) && last) || (!last && coding_of(response).is_some()) {
            return Parts::default();
        }
        Parts {
            inside: settings.includes
                && !settings.includes_forbidden
                && is_of(response, &settings.include_types),
            around: !(settings.before.is_empty() && settings.after.is_empty())
                && self.facts.depth == 0
                && status == 200
                && is_of(response, &settings.around_types),
        }
    }

    /// Makes the head of a response without content the one that it would have with it.
    pub fn tell_composed(&mut self, plan: &Plan) {
        if self.composed || !self.facts.response.bodyless {
            return;
        }
        let parts = self.has_parts(plan);
        if parts != Parts::default() {
            self.forget_whole(plan, parts);
        }
    }

    /// Takes back what a head says of content without its parts.
    fn forget_whole(&mut self, plan: &Plan, parts: Parts) {
        let settings = &self.settings(plan).rewriting.settings;
        let response = &mut self.facts.response;
        if parts.inside && !settings.include_keeps_modified {
            response.remove(b"Last-Modified");
            response.remove(b"ETag");
            response.modified = None;
        }
        if !settings.include_in_turn {
            response.remove(b"Accept-Ranges");
        }
        weaken(response);
        (response.length, response.ranges) = (None, false);
    }

    /// Sends what was kept, composed.
    pub async fn end_composing(&mut self, plan: &Plan, end: End) -> Next {
        let Some(client) = self.composing.take() else { return Next::End(end) };
        let kept = std::mem::replace(&mut self.stream, *client);
        let Stream::Kept(kept) = kept else { return Next::End(End::Abort) };
        // What came of content that broke off is sent, and not ended.
        let whole = !matches!(end, End::Abort);
        if kept.overflowed {
            self.log(Level::Error, format_args!("the content is too long to be composed"));
            return Next::End(End::Abort);
        }
        self.answered = false;
        self.facts.sent = 0;
        let settings = std::sync::Arc::clone(&self.settings(plan).rewriting);
        let settings = &settings.settings;
        let parts = self.has_parts(plan);
        let mut content = kept.bytes;
        if settings.parts_last {
            content = match filter::refine(self, plan, content) {
                Ok(content) => content,
                Err(filter::Broken(why)) => {
                    self.log(Level::Error, format_args!("the content cannot be composed: {why}"));
                    return Next::End(End::Abort);
                }
            };
        }
        if parts.inside {
            content = if settings.include_in_turn {
                self.follow_instructions(plan, &content).await
            } else {
                self.include(plan, content).await
            };
        }
        if parts.around && !settings.before.is_empty() {
            let mut whole = self.part(plan, &settings.before).await;
            whole.append(&mut content);
            content = whole;
        }
        if parts.around && whole && !settings.after.is_empty() {
            content.extend(self.part(plan, &settings.after).await);
        }
        self.forget_whole(plan, parts);
        self.send_content(plan, &content, whole).await
    }

    /// What another request brings.
    async fn part(&mut self, plan: &Plan, target: &[u8]) -> Vec<u8> {
        let Some(mut asked) = self.subrequest(plan, target, b"", LONGEST_PART) else { return Vec::new() };
        self.ask_beside(plan, &mut asked).await;
        asked.take_kept().0
    }
}
