//! What content passes through between its source and the client's framing.
//!
//! Files, upstreams and answers of our own are all the same here. [`begin`]
//! runs when the head of a response is made: it looks at the head and at what
//! the client accepts, decides which stages the content goes through, and
//! says so in the head. The content is then pushed through piece by piece;
//! a stage holds no more of it than it needs. Where no setting in force may
//! change content nothing of this costs more than looking at one flag.
//!
//! The order of stages: what decodes, what edits, what codes.

mod accept;
mod charset;
mod code;
mod edit;
mod live;
mod recode;
mod rewriters;
mod texts;
mod whole;

#[doc(hidden)]
pub use edit::sample;

pub use code::{Decoder, Encoder};

use super::{
    exchange::Exchange,
    files::condition::date,
    forward::request::is_field_value,
    http1::field::{Known, has_token},
    response::Response,
    scratch,
};
use crate::{
    ir::settings::{Coded, CompressInForce, Proxied, RewritingInForce, TagChange},
    plan::{Coding, Plan},
};

/// The longest content that is edited as a whole, bytes.
const LONGEST: usize = 64 << 20;

/// Why content cannot be passed on: it is not what its head says.
#[derive(Debug)]
pub struct Broken(pub &'static str);

/// One stage.
#[derive(Debug)]
pub enum Stage {
    /// Takes a coding off.
    Decode(Decoder),
    /// Replaces texts.
    Texts(texts::Texts),
    /// Edits lines.
    Lines(Box<edit::Lines>),
    /// Edits attributes of elements.
    Attributes(Box<edit::Attributes>),
    /// Edits content as a whole.
    Whole(Box<whole::Whole>),
    /// Makes UTF-8 of another character set.
    Read(Box<charset::Reader>),
    /// Makes the other character set of it again.
    Write(Box<charset::Writer>),
    /// Makes another character set of it.
    Recode(recode::Recode),
    /// Puts one on.
    Code(Encoder),
}

/// The stages of one response.
#[derive(Debug, Default)]
pub struct Chain {
    stages: Vec<Stage>,
    /// Whether a stage may hold content back that was pushed.
    pub dirty: bool,
    /// Content pushed and what came out of it, bytes.
    pub sizes: (u64, u64),
}

impl Stage {
    fn push(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        match self {
            Self::Decode(stage) => return stage.push(data, out),
            Self::Lines(stage) => return stage.push(data, out),
            Self::Code(stage) => return stage.push(data, out),
            Self::Texts(stage) => stage.push(data, out),
            Self::Attributes(stage) => stage.push(data, out),
            Self::Whole(stage) => stage.push(data, out),
            Self::Read(stage) => stage.push(data, out),
            Self::Write(stage) => stage.push(data, out),
            Self::Recode(stage) => stage.push(data, out),
        }
        Ok(())
    }

    fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        match self {
            Self::Code(stage) => stage.flush(out),
            _ => Ok(()),
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        match self {
            Self::Decode(stage) => return stage.finish(out),
            Self::Lines(stage) => return stage.finish(out),
            Self::Code(stage) => return stage.finish(out),
            Self::Texts(stage) => stage.finish(out),
            Self::Attributes(stage) => stage.finish(out),
            Self::Whole(stage) => stage.finish(out),
            Self::Read(stage) => stage.finish(out),
            Self::Write(stage) => stage.finish(out),
            // The begin of a character that never came whole is nothing.
            Self::Recode(_) => {}
        }
        Ok(())
    }
}

/// What a chain is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    More,
    Flush,
    Finish,
}

impl Chain {
    /// How much is well pushed at once: a little content may become a lot.
    pub fn step(&self) -> usize {
        let expands = self.stages.iter().any(|stage| matches!(stage, Stage::Decode(_)));
        if expands { 4 * 1024 } else { 64 * 1024 }
    }

    /// Passes content on; what comes out goes to the end of `out`.
    pub fn push(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        self.dirty = true;
        self.sizes.0 += data.len() as u64;
        self.counted(out, |stages, out| pass(stages, data, Ask::More, out))
    }

    /// Lets out what is held back, as far as the codings allow.
    pub fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.dirty = false;
        self.counted(out, |stages, out| pass(stages, &[], Ask::Flush, out))
    }

    /// Ends the content.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.dirty = false;
        self.counted(out, |stages, out| pass(stages, &[], Ask::Finish, out))
    }

    fn counted(
        &mut self,
        out: &mut Vec<u8>,
        run: impl FnOnce(&mut [Stage], &mut Vec<u8>) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        let before = out.len();
        let done = run(&mut self.stages, out);
        self.sizes.1 += (out.len() - before) as u64;
        done
    }
}

/// Pushes data through stages, then asks each for what it holds back.
fn pass(stages: &mut [Stage], data: &[u8], ask: Ask, out: &mut Vec<u8>) -> Result<(), Broken> {
    let Some((first, rest)) = stages.split_first_mut() else {
        out.extend_from_slice(data);
        return Ok(());
    };
    let through = |first: &mut Stage, out: &mut Vec<u8>| {
        if !data.is_empty() {
            first.push(data, out)?;
        }
        match ask {
            Ask::More => Ok(()),
            Ask::Flush => first.flush(out),
            Ask::Finish => first.finish(out),
        }
    };
    if rest.is_empty() {
        return through(first, out);
    }
    let mut between = scratch::take();
    let done = through(first, &mut between).and_then(|()| pass(rest, &between, ask, out));
    scratch::give(between);
    done
}

/// Whether the content of the response at hand will be changed, so that ranges of it cannot be answered.
pub fn applies(exchange: &mut Exchange, plan: &Plan) -> bool {
    if exchange.settings(plan).filters
        && exchange.settings(plan).rewriting.composes()
        && exchange.is_composed(plan)
    {
        return true;
    }
    exchange.facts.response.recode.as_ref().is_some_and(|recoder| !recoder.keeps_length())
        || (exchange.settings(plan).filters && !decide(exchange, plan).is_nothing())
}

/// Decides what the content of the response at hand passes through, and says so in its head.
pub fn begin(exchange: &mut Exchange, plan: &Plan) {
    let mut decision = decide(exchange, plan);
    if exchange.composed && exchange.settings(plan).rewriting.settings.parts_last {
        // That was done before there were parts.
        (decision.decode, decision.rewrite, exchange.facts.response.recode) = (None, false, None);
    }
    exchange.facts.response.vary |= decision.vary;
    let mut chain = edits(exchange, plan, &decision);
    let response = &mut exchange.facts.response;
    if let Some((coding, settings)) = decision.code {
        change(response, &settings.tag, settings.keep_ranges);
        response.add(b"Content-Encoding", coding.name());
        if !response.bodyless {
            chain.stages.push(Stage::Code(Encoder::new(coding, settings.level)));
        }
    }
    if !chain.stages.is_empty() {
        exchange.filters = Some(Box::new(chain));
    }
}

/// Decodes and edits the whole content of the response at hand, before it gets parts.
pub fn refine(exchange: &mut Exchange, plan: &Plan, content: Vec<u8>) -> Result<Vec<u8>, Broken> {
    let decision = decide(exchange, plan);
    let mut chain = edits(exchange, plan, &decision);
    if chain.stages.is_empty() {
        return Ok(content);
    }
    let mut out = Vec::with_capacity(content.len());
    for piece in content.chunks(chain.step()) {
        chain.push(piece, &mut out)?;
        if out.len() > LONGEST {
            return Err(Broken("it is too long"));
        }
    }
    chain.finish(&mut out)?;
    Ok(out)
}

/// The stages before any coding is put on; says in the head what they do.
fn edits(exchange: &mut Exchange, plan: &Plan, decision: &Decision<'_>) -> Chain {
    let bodyless = exchange.facts.response.bodyless;
    let response = &mut exchange.facts.response;
    let mut chain = Chain::default();
    let Decision { decode, rewrite, .. } = *decision;
    if let Some(coding) = decode {
        response.remove(b"Content-Encoding");
        change(response, &TagChange::Weaken, false);
        if !bodyless {
            chain.stages.push(Stage::Decode(Decoder::new(coding)));
        }
    }
    if rewrite {
        let settings = exchange.settings(plan);
        let stages = rewriters::rewriters(exchange, &settings.rewriting);
        if !stages.is_empty() {
            rewritten(&mut exchange.facts.response, &settings.rewriting.settings);
        }
        if !bodyless {
            chain.stages.extend(stages);
        }
    }
    let response = &mut exchange.facts.response;
    if let Some(recoder) = response.recode.take() {
        if !recoder.keeps_length() {
            (response.length, response.ranges) = (None, false);
        }
        if !bodyless {
            chain.stages.push(Stage::Recode(recode::Recode::new(recoder)));
        }
    }
    chain
}

/// Whether other clients may get the response at hand in another coding.
pub fn varies(exchange: &mut Exchange, plan: &Plan) -> bool {
    exchange.settings(plan).filters && decide(exchange, plan).vary
}

/// What is to be done with content.
struct Decision<'p> {
    /// Whether other clients may get other content.
    vary: bool,
    decode: Option<Coding>,
    /// Whether it is rewritten.
    rewrite: bool,
    code: Option<(Coding, &'p CompressInForce)>,
}

impl Decision<'_> {
    fn is_nothing(&self) -> bool {
        self.decode.is_none() && !self.rewrite && self.code.is_none()
    }
}

fn decide<'p>(exchange: &mut Exchange, plan: &'p Plan) -> Decision<'p> {
    let mut decision = Decision { vary: false, decode: None, rewrite: false, code: None };
    let settings = exchange.settings(plan);
    let status = exchange.facts.response.status;
    let raw = exchange.facts.response.ours && settings.answer.raw_pages;
    let empty = matches!(status, 204 | 304);
    if raw || status < 200 || (empty && !settings.rewriting.settings.tells_unmodified) {
        return decision;
    }
    let mut coded = coding_of(&exchange.facts.response).map(<[u8]>::to_vec);
    let says = coded.is_some();
    if matches!(settings.rewriting.settings.coded, Coded::Refuse(_) | Coded::Decode(_)) {
        // What is not refused for it is not coded.
        coded = coded.filter(|coded| !coded.eq_ignore_ascii_case(b"identity"));
    }
    let is_coded = coded.is_some();
    if let Some(coded) = coded {
        let wanted = matches!(settings.rewriting.settings.coded, Coded::Decode(_))
            && rewriters::wanted(exchange, &settings.rewriting);
        for (coding, how) in settings.codings() {
            if (how.decode || how.decode_all || wanted) && coded.eq_ignore_ascii_case(coding.name()) {
                decision.vary |= how.vary;
                if how.decode_all || wanted || !accepted(exchange, plan, coding, how) {
                    decision.decode = Some(coding);
                }
            }
        }
        if decision.decode.is_none() && settings.rewriting.settings.coded != Coded::Edit {
            return decision;
        }
    }
    let stays_coded = is_coded && decision.decode.is_none();
    let rewriting = &settings.rewriting;
    let enough = !rewriting.settings.whole || status != 206;
    decision.rewrite = enough
        && !rewriting.is_empty()
        && exchange.facts.response.length != Some(0)
        && is_of(&exchange.facts.response, &rewriting.settings.types)
        && rewriting
            .settings
            .when
            .as_ref()
            .is_none_or(|when| !matches!(exchange.value(when).as_slice(), b"" | b"0"));
    if empty || stays_coded || (says && !is_coded) {
        return decision;
    }
    let recoded = exchange.facts.response.recode.as_ref().is_some_and(|recoder| !recoder.keeps_length());
    // What we cut ourselves is not coded: observed, the coding would have come first.
    let own = exchange.facts.response.part.is_some();
    let (partial, forwarded) = (status == 206, exchange.facts.response.forwarded);
    for (coding, how) in settings.codings() {
        if how.on && is_eligible(&exchange.facts.response, how, decision.rewrite || recoded) {
            if how.silent && ((partial || own) && forwarded || is_kept(exchange, how)) {
                continue;
            }
            decision.vary |= how.vary;
            if own || (partial && (how.silent || !forwarded)) {
                continue;
            }
            if accepted(exchange, plan, coding, how) {
                decision.code = Some((coding, how));
                break;
            }
        }
    }
    decision
}

/// The status to answer instead of a response whose content has a coding and would have to be rewritten.
pub fn refuses(exchange: &mut Exchange, plan: &Plan) -> Option<u16> {
    let settings = exchange.settings(plan);
    if !settings.filters || settings.rewriting.is_empty() || exchange.facts.is_head() {
        return None;
    }
    let (status, decodes) = match settings.rewriting.settings.coded {
        Coded::Pass | Coded::Edit => return None,
        Coded::Refuse(status) => (status, false),
        Coded::Decode(status) => (status, true),
    };
    let coded =
        coding_of(&exchange.facts.response).filter(|coded| !coded.eq_ignore_ascii_case(b"identity"))?;
    let known = settings.codings().iter().any(|(coding, _)| coded.eq_ignore_ascii_case(coding.name()));
    if decodes && known || matches!(exchange.facts.response.status, 100..=199 | 204 | 304) {
        return None;
    }
    rewriters::wanted(exchange, &settings.rewriting).then_some(status)
}

/// The coding that content has, by its head.
pub fn coding_of(response: &Response) -> Option<&[u8]> {
    let field = response
        .fields
        .iter()
        .find(|field| !field.added && response.name(field).eq_ignore_ascii_case(b"content-encoding"))?;
    Some(response.value(field)).filter(|value| !value.is_empty())
}

/// Whether a response is one that may be coded, whoever asked. The length of what is rewritten is not known.
fn is_eligible(response: &Response, how: &CompressInForce, rewritten: bool) -> bool {
    // Of a file of our own, what is asked for in parts would be compressed as a whole.
    let part = response.part.is_some();
    let whatever = rewritten || (how.silent && (part || response.status == 206));
    let (status, length) = if part { (200, response.whole) } else { (response.status, response.length) };
    (how.statuses.is_empty() || how.statuses.contains(&status))
        && (whatever || length.is_none_or(|length| length >= how.min_length))
        && is_of(response, &how.types)
}

/// Whether a response has one of these types; `*` is every one, and none.
pub fn is_of(response: &Response, types: &[crate::ir::Text]) -> bool {
    if types.iter().any(|any| any.0 == b"*") {
        return true;
    }
    let Some(kind) = response.known(Known::ContentType) else { return false };
    let end = memchr::memchr(b';', kind).unwrap_or(kind.len());
    let kind = kind[..end].trim_ascii_end();
    types.iter().any(|listed| listed.eq_ignore_ascii_case(kind))
}

/// Whether the client takes a coding, and the request is one that may get it.
pub fn accepted(exchange: &mut Exchange, plan: &Plan, coding: Coding, how: &CompressInForce) -> bool {
    let facts = &exchange.facts;
    if facts.depth > 0 {
        return false;
    }
    let field = |name: &[u8]| {
        let mut fields = facts.head.fields.iter();
        fields
            .find(|field| facts.slice(field.name).eq_ignore_ascii_case(name))
            .map(|it| facts.slice(it.value))
    };
    if !field(b"accept-encoding").is_some_and(|list| accept::names(list, coding.name()))
        || facts.head.version < how.version
    {
        return false;
    }
    if field(b"via").is_some() && !was_proxied_well(exchange, &how.proxied) {
        return false;
    }
    !is_kept(exchange, settings_of(exchange, plan, coding))
}

/// Whether content is left as it is for what settings say of the request.
fn is_kept(exchange: &mut Exchange, how: &CompressInForce) -> bool {
    !how.unless.is_empty() && !matches!(exchange.value(&how.unless).as_slice(), b"" | b"0")
}

fn settings_of<'p>(exchange: &Exchange, plan: &'p Plan, coding: Coding) -> &'p CompressInForce {
    let settings = exchange.settings(plan);
    match coding {
        Coding::Brotli => &settings.brotli,
        Coding::Zstd => &settings.zstd,
        Coding::Gzip => &settings.gzip,
    }
}

/// Whether a response that a proxy asked for is one of those that may be coded.
fn was_proxied_well(exchange: &Exchange, which: &[Proxied]) -> bool {
    let (facts, response) = (&exchange.facts, &exchange.facts.response);
    let is = |one: Proxied| which.contains(&one);
    if is(Proxied::Any) {
        return true;
    }
    if is(Proxied::Auth)
        && facts.head.fields.iter().any(|it| facts.slice(it.name).eq_ignore_ascii_case(b"authorization"))
    {
        return true;
    }
    if let Some(expires) = response.known(Known::Expires) {
        let now = match response.known(Known::Date) {
            Some(text) => date(text),
            None => Some(exchange.worker.clock.now().as_secs().cast_signed()),
        };
        return is(Proxied::Expired) && date(expires).zip(now).is_some_and(|(expires, now)| expires < now);
    }
    if response.known(Known::CacheControl).is_some() {
        let says = |word: &[u8]| {
            response
                .fields
                .iter()
                .any(|it| it.known == Known::CacheControl && has_token(response.value(it), word))
        };
        return is(Proxied::NoCache) && says(b"no-cache")
            || is(Proxied::NoStore) && says(b"no-store")
            || is(Proxied::Private) && says(b"private");
    }
    let (no_time, no_tag) = (is(Proxied::NoLastModified), is(Proxied::NoETag));
    let forbidden = no_time && response.known(Known::LastModified).is_some()
        || no_tag && response.known(Known::ETag).is_some();
    !which.is_empty() && !forbidden
}

/// Makes the entity tag of a response a weak one.
pub fn weaken(response: &mut Response) {
    retag(response, &TagChange::Weaken);
}

/// Fields that tell of content byte by byte.
const OF_THE_WHOLE: [&[u8]; 5] =
    [b"Accept-Ranges", b"Content-MD5", b"Digest", b"Content-Digest", b"Repr-Digest"];

/// Takes back what a head says of content that will be rewritten. What an upstream says of ranges stays.
fn rewritten(response: &mut Response, how: &RewritingInForce) {
    let keep_modified = how.keep_modified;
    response.length = None;
    if how.whole {
        for name in OF_THE_WHOLE {
            response.remove(name);
        }
    }
    if !how.keep_tag {
        response.ranges = false;
        retag(response, if keep_modified { &TagChange::Weaken } else { &TagChange::Remove });
    }
    if !keep_modified {
        response.remove(b"Last-Modified");
        response.modified = None;
    }
}

/// Takes back what a head says of content that will be in another coding.
fn change(response: &mut Response, tag: &TagChange, keep_ranges: bool) {
    response.length = None;
    if !keep_ranges {
        response.ranges = false;
        response.fields.retain(|field| field.known != Known::AcceptRanges || field.added);
    }
    retag(response, tag);
}

fn retag(response: &mut Response, tag: &TagChange) {
    let text = &response.text;
    let Some(index) = response.fields.iter().position(|field| field.known == Known::ETag) else { return };
    let old = response.fields[index].value.of(text);
    let new = match tag {
        TagChange::Keep => return,
        TagChange::Weaken if old.starts_with(b"W/") => return,
        TagChange::Weaken if old.starts_with(b"\"") => [b"W/", old].concat(),
        TagChange::Append(more) => match old.strip_suffix(b"\"") {
            Some(open) => [open, more, b"\""].concat(),
            None => [old, more].concat(),
        },
        TagChange::Remove | TagChange::Weaken => {
            response.fields.remove(index);
            return;
        }
    };
    if is_field_value(&new) {
        response.replace(index, &new);
    }
}
