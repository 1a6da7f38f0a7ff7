//! Requests of our own beside the client's: the same host's program answers them, and what it answers goes to whoever
//! asked, not to the client.
//!
//! Such a request is an [`Exchange`] whose stream keeps what is written to it. It has the client's fields, so that
//! variables and forwarded fields say the same, but no content unless it is handed some. Access was granted before, or
//! is what is being asked about: it is neither checked again nor counted against limits. It shares the variables of
//! the request that made it.

use std::rc::Rc;

use super::{
    content::Refused,
    exchange::{Exchange, Next},
    facts::Facts,
    stream::{Kept, Stream},
};
use crate::{ir::settings::Level, plan::Plan};

/// How many of them one request of a client may lead to: pages that include each other twice would never end.
const MOST: u32 = 64_535;

/// After how many of them others get their turn.
const TURN: u32 = 16;

impl Exchange {
    /// A request for another path, not yet answered. `room` bytes of its answer's content are kept. `None`, with a line
    /// in the log, when too many lie between it and the client.
    pub fn subrequest(&self, plan: &Plan, path: &[u8], query: &[u8], room: usize) -> Option<Box<Self>> {
        let from = &self.facts;
        if from.depth >= self.settings(plan).client.nested {
            let path = path.escape_ascii();
            self.log(Level::Error, format_args!("subrequests cycle while processing \"{path}\""));
            return None;
        }
        let made = from.beside.get_or_init(Rc::default);
        made.set(made.get().saturating_add(1));
        if made.get() > MOST {
            let path = path.escape_ascii();
            self.log(Level::Error, format_args!("too many subrequests while processing \"{path}\""));
            return None;
        }
        let mut facts = Facts::new(&self.worker, from.client.clone());
        facts.plan = std::sync::Arc::clone(&from.plan);
        facts.depth = from.depth + 1;
        facts.beside = Rc::clone(made).into();
        facts.buffer = from.buffer.get(..from.head.length).unwrap_or_default().to_vec();
        facts.used = facts.buffer.len();
        facts.head = from.head.clone();
        // What the client sends is not sent here, though it can be asked for.
        facts.content_length = from.head.content_length.or(from.content_length);
        let head = &mut facts.head;
        (head.content_length, head.chunked, head.expect_continue, head.upgrade) = (None, false, false, None);
        facts.received = from.received;
        facts.host.clone_from(&from.host);
        facts.user.clone_from(&from.user);
        facts.identity.clone_from(&from.identity);
        facts.method = Some(b"GET");
        facts.began = from.began;
        facts.request_length = from.request_length;
        facts.pipelined = from.pipelined;
        facts.request_id = from.request_id.clone();
        facts.told = from.told.clone();
        facts.identifier = from.identifier.clone();
        let kept = Kept { room, ..Kept::default() };
        let serving = Rc::clone(&self.serving);
        let mut exchange = Box::new(Self::new(Rc::clone(&self.worker), serving, Stream::Kept(kept), facts));
        exchange.limits_checked = true;
        exchange.run.branch(plan, &self.run, path, query);
        Some(exchange)
    }

    /// The same request once more, with the same settings, whose answer goes nowhere.
    pub fn twin(&self) -> Box<Self> {
        let from = &self.facts;
        let mut facts = Facts::new(&self.worker, from.client.clone());
        facts.plan = std::sync::Arc::clone(&from.plan);
        facts.depth = from.depth + 1;
        facts.buffer = from.buffer.get(..from.head.length).unwrap_or_default().to_vec();
        facts.used = facts.buffer.len();
        facts.head = from.head.clone();
        let head = &mut facts.head;
        (head.content_length, head.chunked, head.expect_continue, head.upgrade) = (None, false, false, None);
        facts.received = from.received;
        facts.host.clone_from(&from.host);
        facts.user.clone_from(&from.user);
        facts.identity.clone_from(&from.identity);
        facts.method = from.method;
        facts.request_id = from.request_id.clone();
        facts.told = from.told.clone();
        facts.identifier = from.identifier.clone();
        let serving = Rc::clone(&self.serving);
        let stream = Stream::Kept(Kept::default());
        let mut exchange = Box::new(Self::new(Rc::clone(&self.worker), serving, stream, facts));
        exchange.limits_checked = true;
        exchange.run.repeat(&self.run);
        exchange
    }

    /// Answers a request made by [`Self::subrequest`]; the client's has its variables from here on.
    pub async fn ask_beside(&mut self, plan: &Plan, asked: &mut Self) {
        if self.facts.beside.get().is_some_and(|made| made.get().is_multiple_of(TURN)) {
            tokio::task::yield_now().await;
        }
        // A future that holds one of its own kind has to be boxed.
        Box::pin(asked.drive(plan, Next::Decide)).await;
        self.run.take_values(&mut asked.run);
        self.facts.request_id = asked.facts.request_id.clone();
        self.facts.identifier = asked.facts.identifier.clone();
    }

    /// What was kept of the content that the program answered with, and whether there was more.
    pub fn take_kept(&mut self) -> (Vec<u8>, bool) {
        match &mut self.stream {
            Stream::Kept(kept) => (std::mem::take(&mut kept.bytes), kept.overflowed),
            _ => (Vec::new(), false),
        }
    }

    /// Whether copies of the request are to be sent before its handler answers.
    pub fn has_copies(&self, plan: &Plan) -> bool {
        !self.copied && !self.settings(plan).content.copies.is_empty() && !self.is_subrequest()
    }

    /// Sends copies of the request to the paths in force; nobody waits for their answers.
    pub async fn copy_request(&mut self, plan: &Plan) -> Next {
        self.copied = true;
        let settings = std::sync::Arc::clone(&self.settings(plan).content);
        if settings.copies_content
            && !self.content.is_done()
            && let Err(Refused(status)) = self.read_content(plan).await
        {
            self.give_content_up();
            return Next::Status(status);
        }
        for path in &settings.copies {
            let Some(mut copy) = self.subrequest(plan, path, b"", 0) else { continue };
            copy.facts.method = self.facts.method.or_else(|| known_method(self.facts.method()));
            if settings.copies_content && self.facts.content_read {
                let content = match &self.facts.content_file {
                    Some(file) => std::fs::read(file).unwrap_or_default(),
                    None => self.facts.content.clone(),
                };
                let length = content.len() as u64;
                copy.facts.head.content_length = Some(length);
                (copy.facts.content, copy.facts.content_read) = (content, true);
                copy.facts.content_length = Some(length);
                copy.content.length = length;
            }
            tokio::task::spawn_local(async move {
                let serving = Rc::clone(&copy.serving);
                copy.drive(&serving.plan, Next::Decide).await;
            });
        }
        // They are on their way before the request itself is.
        tokio::task::yield_now().await;
        Next::Handle
    }

    /// Whether it is a request of our own.
    pub fn is_subrequest(&self) -> bool {
        self.facts.depth > 0
    }
}

/// A method that lasts as long as the process, where it is a usual one.
fn known_method(method: &[u8]) -> Option<&'static [u8]> {
    let usual: [&'static [u8]; 7] = [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS"];
    usual.into_iter().find(|known| *known == method)
}
