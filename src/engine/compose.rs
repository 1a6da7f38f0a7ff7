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
    filter::{coding_of, is_of, weaken},
    stream::{Kept, Stream},
};
use crate::{ir::settings::Level, plan::Plan};

/// The longest content that is composed, bytes.
const LONGEST: usize = 64 << 20;

/// The longest part, bytes.
const LONGEST_PART: usize = 32 << 20;

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
        let settings = &self.settings(plan).rewriting.settings;
        let response = &self.facts.response;
        let includes =
            settings.includes && !settings.includes_forbidden && is_of(response, &settings.include_types);
        let around = !(settings.before.is_empty() && settings.after.is_empty())
            && self.facts.depth == 0
            && response.status == 200
            && is_of(response, &settings.around_types);
        let possible =
            !self.composed && !response.bodyless && matches!(response.status, 200..=299 | 400..=599);
        possible && (includes || around) && coding_of(response).is_none()
    }

    /// Sends what was kept, composed.
    pub async fn end_composing(&mut self, plan: &Plan, end: End) -> Next {
        let Some(client) = self.composing.take() else { return Next::End(end) };
        let kept = std::mem::replace(&mut self.stream, *client);
        let Stream::Kept(kept) = kept else { return Next::End(End::Abort) };
        if matches!(end, End::Abort) {
            return Next::End(End::Abort);
        }
        if kept.overflowed {
            self.log(Level::Error, format_args!("the content is too long to be composed"));
            return Next::End(End::Abort);
        }
        self.answered = false;
        self.facts.sent = 0;
        let settings = std::sync::Arc::clone(&self.settings(plan).rewriting);
        let settings = &settings.settings;
        let mut content = kept.bytes;
        let includes = settings.includes && !settings.includes_forbidden;
        if includes && is_of(&self.facts.response, &settings.include_types) {
            content = if settings.include_in_turn {
                self.follow_instructions(plan, &content).await
            } else {
                self.include(plan, content).await
            };
            let response = &mut self.facts.response;
            if !settings.include_keeps_modified {
                response.remove(b"Last-Modified");
                response.remove(b"ETag");
                response.modified = None;
            }
        }
        let around = self.facts.depth == 0
            && self.facts.response.status == 200
            && is_of(&self.facts.response, &settings.around_types);
        if around && !settings.before.is_empty() {
            let mut whole = self.part(plan, &settings.before).await;
            whole.append(&mut content);
            content = whole;
        }
        if around && !settings.after.is_empty() {
            content.extend(self.part(plan, &settings.after).await);
        }
        let response = &mut self.facts.response;
        if !settings.include_in_turn {
            response.remove(b"Accept-Ranges");
        }
        weaken(response);
        (response.length, response.ranges) = (None, false);
        self.send_whole(plan, &content).await
    }

    /// What another request brings.
    async fn part(&mut self, plan: &Plan, target: &[u8]) -> Vec<u8> {
        let Some(mut asked) = self.subrequest(plan, target, b"", LONGEST_PART) else { return Vec::new() };
        self.ask_beside(plan, &mut asked).await;
        asked.take_kept().0
    }
}
