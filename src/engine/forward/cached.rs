//! Responses that are kept: answering with one, and keeping one on its way.
//!
//! Before an upstream is asked, [`Exchange::consult`] looks whether there is a response that may be sent, and whose
//! turn it is to ask for one. What was found to be over stays at hand for when the upstream fails, or says that it
//! still holds. What the upstream answers is written to a file while it goes to the client.

use std::{sync::Arc, time::Duration};

use super::{
    super::{
        cache::{self, Hash, Kept, Lease, Meta, Store, Turn, Visit},
        clock,
        deposit::Deposit,
        edit,
        exchange::{Exchange, Next},
        files::{self, condition},
        http1::{field::Known, response::Parsed},
    },
    Destination,
    fresh::{Freshness, freshness, usual},
};
use crate::{
    ir::{
        Forward, Protocol, Stale, Template,
        settings::{Level, Retry},
    },
    plan::{ForwardingPlan, Plan},
};

/// What a request has to do with a cache.
#[derive(Debug)]
pub struct Caching {
    store: Arc<Store>,
    key: Vec<u8>,
    /// The key's digest.
    main: Hash,
    /// What the response is found by: the same, or that of a variant.
    hash: Hash,
    /// Whether what the upstream answers may be kept.
    pub(super) keeps: bool,
    /// A response that is over.
    over: Option<Kept>,
    /// The turn to ask.
    lease: Option<Lease>,
    /// What is known of the response under way.
    fresh: Freshness,
}

/// What to do after a cache was asked.
enum Found {
    /// Send this; the status says why.
    Send(Kept, &'static str),
    /// Answer this status.
    Status(u16),
    /// Ask the upstream.
    Ask,
}

/// How long a file that is about to be there is waited for: a disk that takes longer is of no use.
const SOON: Duration = Duration::from_secs(1);

/// Fields of requests that speak of what the client has, not the cache.
const CONDITIONS: [&[u8]; 6] =
    [b"if-modified-since", b"if-unmodified-since", b"if-none-match", b"if-match", b"range", b"if-range"];

impl Exchange {
    /// Answers with a kept response where there is one; `None` where the upstream is to be asked.
    pub(super) async fn consult(
        &mut self,
        plan: &Plan,
        how: &ForwardingPlan,
        forward: &Forward,
        to: &Destination,
    ) -> Option<Next> {
        if self.refreshes {
            return None;
        }
        self.caching = None;
        let name = self.value(&how.cache);
        let method = self.facts.method();
        if name.is_empty() || name == b"off" || !how.cache_methods.iter().any(|known| **known == *method) {
            return None;
        }
        let serving = std::rc::Rc::clone(&self.serving);
        let stores = serving.caches.get_or_init(|| self.worker.shared.caches.of(plan));
        let Some(store) = stores.iter().find(|store| store.name() == name) else {
            self.log(Level::Error, format_args!("cache \"{}\" not found", name.escape_ascii()));
            return Some(Next::Status(500));
        };
        if plan.config.counts {
            self.facts.cache = Some(Arc::clone(store));
        }
        let key = self.cache_key(how, forward, to);
        let main = cache::hash(&key);
        self.caching = Some(Box::new(Caching {
            store: Arc::clone(store),
            key,
            main,
            hash: main,
            keeps: true,
            over: None,
            lease: None,
            fresh: Freshness::default(),
        }));
        if self.any_holds(&how.cache_bypass) {
            self.facts.cache_status = Some("BYPASS");
            return None;
        }
        self.facts.cache_status = Some("MISS");
        match self.look(how).await {
            Found::Send(kept, status) => {
                self.facts.cache_status = Some(status);
                if let Some(lease) = self.caching.as_mut().and_then(|caching| caching.lease.take()) {
                    self.refresh(plan, lease, &kept);
                }
                Some(self.send_kept(plan, how, forward, kept).await)
            }
            Found::Status(status) => {
                self.facts.cache_status = Some("HIT");
                Some(Next::Status(status))
            }
            Found::Ask => {
                self.check_range(how);
                None
            }
        }
    }

    /// What a response is found by.
    fn cache_key(&mut self, how: &ForwardingPlan, forward: &Forward, to: &Destination) -> Vec<u8> {
        if let Some(key) = &how.cache_key {
            return self.value(key);
        }
        let mut key = if to.tls { b"https://".to_vec() } else { b"http://".to_vec() };
        if forward.protocol != Protocol::Http {
            key.clear();
            return key;
        }
        key.extend_from_slice(&self.facts.authority);
        self.write_target(forward, to, &mut key);
        key
    }

    pub(super) fn any_holds(&mut self, tests: &[Template]) -> bool {
        tests.iter().any(|test| {
            let value = self.value(test);
            !value.is_empty() && value != b"0"
        })
    }

    /// Looks for a response, and waits while another request asks for it where settings say so.
    async fn look(&mut self, how: &ForwardingPlan) -> Found {
        let mut first = true;
        let mut patience = how.cache_lock_timeout;
        loop {
            let Some(caching) = self.caching.as_mut() else { return Found::Ask };
            let (store, hash, main) = (Arc::clone(&caching.store), caching.hash, caching.main);
            let now = self.worker.clock.now().as_secs();
            match store.visit(&hash, how.cache_min_uses, first, now) {
                Visit::Error(status) => return Found::Status(status),
                Visit::Scarce => {
                    caching.keeps = false;
                    return Found::Ask;
                }
                Visit::Present => match Kept::open(&store, &hash, &caching.key, now).await {
                    Ok(Some(kept)) => {
                        if !kept.meta.vary.is_empty() && kept.meta.variant != self.variant(&kept.meta.vary) {
                            let variant = self.variant(&kept.meta.vary);
                            if hash != main {
                                // The file of a variant is of another one: somebody changed what it depends on.
                                return self.take_turn(how, &store, &hash);
                            }
                            if let Some(caching) = self.caching.as_mut() {
                                caching.hash = variant;
                            }
                            first = true;
                            continue;
                        }
                        return self.judge(how, kept, now);
                    }
                    // Whether it is asked for often enough is another question.
                    Ok(None) => {
                        store.lose(&hash);
                        first = false;
                        continue;
                    }
                    Err(error) => {
                        let why = super::system(&error);
                        self.log(Level::Crit, format_args!("a kept response cannot be read ({why})"));
                        store.lose(&hash);
                        first = false;
                        continue;
                    }
                },
                Visit::Soon(gate) => {
                    if tokio::time::timeout(SOON, gate.wait()).await.is_err() {
                        caching.keeps = false;
                        return Found::Ask;
                    }
                    first = false;
                    continue;
                }
                Visit::Absent => {}
            }
            first = false;
            if !how.cache_lock {
                return Found::Ask;
            }
            let (told, until) = match store.turn(&hash, how.cache_lock_age) {
                Turn::Own(lease) => {
                    if let Some(caching) = self.caching.as_mut() {
                        caching.lease = Some(lease);
                    }
                    return Found::Ask;
                }
                Turn::Other(told, until) => (told, until),
            };
            if patience.is_zero() {
                self.log(Level::Info, format_args!("cache lock timeout"));
                if let Some(caching) = self.caching.as_mut() {
                    caching.keeps = false;
                }
                return Found::Ask;
            }
            let began = clock::moment();
            let longest = until.saturating_duration_since(began).min(patience);
            let _ = tokio::time::timeout(longest.max(Duration::from_millis(1)), told.wait()).await;
            patience = patience
                .saturating_sub(tokio::time::Instant::now().into_std().saturating_duration_since(began));
        }
    }

    fn take_turn(&mut self, how: &ForwardingPlan, store: &Arc<Store>, hash: &Hash) -> Found {
        if let Turn::Own(lease) = store.turn(hash, how.cache_lock_age)
            && let Some(caching) = self.caching.as_mut()
        {
            caching.lease = Some(lease);
        }
        Found::Ask
    }

    /// What becomes of a response that was found.
    fn judge(&mut self, how: &ForwardingPlan, kept: Kept, now: u64) -> Found {
        let Some(caching) = self.caching.as_mut() else { return Found::Ask };
        if kept.meta.valid >= now {
            return Found::Send(kept, "HIT");
        }
        let may_update = how.cache_stale.contains(&Stale::Updating)
            || kept.meta.valid.saturating_add(kept.meta.while_updating) >= now;
        match caching.store.turn(&caching.hash, how.cache_lock_age.max(Duration::from_mins(1))) {
            Turn::Other(..) if may_update => return Found::Send(kept, "UPDATING"),
            Turn::Other(..) => {}
            Turn::Own(lease) => {
                caching.lease = Some(lease);
                if may_update && how.cache_background {
                    return Found::Send(kept, "STALE");
                }
            }
        }
        self.facts.cache_status = Some("EXPIRED");
        caching.over = Some(kept);
        Found::Ask
    }

    /// The digest of the fields that a response depends on.
    fn variant(&self, vary: &[u8]) -> Hash {
        let main = self.caching.as_ref().map_or([0; 16], |caching| caching.main);
        cache::variant(&main, vary, |name| {
            let fields = self.facts.head.fields.iter();
            let of_name = fields.filter(|field| self.facts.slice(field.name).eq_ignore_ascii_case(name));
            of_name.map(|field| self.facts.slice(field.value)).collect()
        })
    }

    /// Leaves ranges that begin far behind to the upstream.
    fn check_range(&mut self, how: &ForwardingPlan) {
        let Some(most) = how.cache_range_offset else { return };
        let asked = self.received(Known::Range).unwrap_or_default();
        let Some(spec) = asked.get(6..).filter(|_| asked[..6].eq_ignore_ascii_case(b"bytes=")) else {
            return;
        };
        let spec = spec.trim_ascii_start();
        let digits = spec.iter().take_while(|byte| byte.is_ascii_digit()).count();
        // What counts from the end begins nobody knows where.
        let start = if digits == 0 { None } else { super::super::http1::field::decimal(&spec[..digits]) };
        if start.is_none_or(|start| start >= most)
            && let Some(caching) = self.caching.as_mut()
        {
            caching.keeps = false;
        }
    }

    /// Asks for a response that is over while it is being sent.
    fn refresh(&mut self, plan: &Plan, lease: Lease, kept: &Kept) {
        let Some(caching) = &self.caching else { return };
        let mut twin = self.twin();
        twin.refreshes = true;
        twin.facts.cache_status = Some("EXPIRED");
        let over = Kept {
            meta: Arc::clone(&kept.meta),
            head: kept.head.clone(),
            read: kept.read.clone(),
            file: kept.file.clone(),
            place: kept.place,
            begin: kept.begin,
            content: kept.content.clone(),
            length: kept.length,
            hash: kept.hash,
        };
        twin.caching = Some(Box::new(Caching {
            store: Arc::clone(&caching.store),
            key: caching.key.clone(),
            main: caching.main,
            hash: caching.hash,
            keeps: true,
            over: Some(over),
            lease: Some(lease),
            fresh: Freshness::default(),
        }));
        let _ = plan;
        tokio::task::spawn_local(async move {
            let serving = std::rc::Rc::clone(&twin.serving);
            twin.drive(&serving.plan, Next::Handle).await;
        });
    }

    /// Whether the response under way may be kept.
    pub(super) fn may_keep_response(&self) -> bool {
        self.caching.as_ref().is_some_and(|caching| caching.keeps)
    }

    /// Whether a field of the request stays here, as a cache answers for the client.
    pub fn is_for_cache(&self, name: &[u8]) -> bool {
        self.may_keep_response() && CONDITIONS.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// By which the upstream may say that what is kept still holds: time and tag.
    pub fn conditions(&self, how: &ForwardingPlan) -> (Option<i64>, Option<&[u8]>) {
        let over = self.caching.as_ref().filter(|_| how.cache_revalidate).and_then(|it| it.over.as_ref());
        let Some(Kept { meta, .. }) = over else { return (None, None) };
        (
            Some(meta.modified).filter(|modified| *modified >= 0),
            Some(meta.tag.as_slice()).filter(|tag| !tag.is_empty()),
        )
    }

    /// Sends the response that is over, where this trouble lets it.
    pub(super) async fn fall_back(
        &mut self,
        plan: &Plan,
        forward: &Forward,
        how: &ForwardingPlan,
        trouble: Stale,
    ) -> Option<Next> {
        let now = self.worker.clock.now().as_secs();
        let caching = self.caching.as_mut()?;
        let over = caching.over.as_ref()?;
        let lasting = over.meta.valid.saturating_add(over.meta.if_error) >= now && over.meta.if_error > 0;
        if !how.cache_stale.contains(&trouble) && !lasting {
            return None;
        }
        let kept = caching.over.take()?;
        caching.lease = None;
        self.facts.cache_status = Some("STALE");
        if self.refreshes {
            return Some(Next::End(super::End::Abort));
        }
        Some(self.send_kept(plan, how, forward, kept).await)
    }

    /// Keeps an answer of our own in memory, where settings say for how long.
    pub(super) fn keep_failure(&mut self, how: &ForwardingPlan, status: u16) {
        let now = self.worker.clock.now().as_secs();
        let Some(caching) = self.caching.take().filter(|caching| caching.keeps) else { return };
        let valid = usual(&how.cache_valid, status);
        if valid > 0 && matches!(status, 502 | 504) {
            caching.store.keep_error(&caching.hash, status, now.saturating_add(valid));
        }
    }

    /// Keeps a status that an answer of our own stands for.
    pub(super) fn keep_intercepted(&mut self, how: &ForwardingPlan, status: u16) {
        let now = self.worker.clock.now().as_secs();
        let fresh = freshness(&self.facts, how, now);
        let Some(caching) = self.caching.take().filter(|it| it.keeps && !fresh.forbidden) else { return };
        let until = if fresh.valid > 0 {
            fresh.valid
        } else {
            match usual(&how.cache_valid, status) {
                0 => return,
                lasts => now.saturating_add(lasts),
            }
        };
        caching.store.keep_error(&caching.hash, status, until);
    }

    /// What the upstream's head means to the cache: `Some` where the kept response is sent instead.
    pub(super) async fn weigh(
        &mut self,
        plan: &Plan,
        forward: &Forward,
        how: &ForwardingPlan,
    ) -> Option<Next> {
        let status = self.facts.upstream_head.status;
        let now = self.worker.clock.now().as_secs();
        self.caching.as_ref()?;
        if status == 304
            && how.cache_revalidate
            && self.caching.as_ref().is_some_and(|caching| caching.over.is_some())
        {
            return Some(self.revalidated(plan, forward, how, now).await);
        }
        if how.cache_stale.contains(&Stale::Status(status))
            && let Some(next) = self.fall_back(plan, forward, how, Stale::Status(status)).await
        {
            return Some(next);
        }
        let fresh = freshness(&self.facts, how, now);
        let caching = self.caching.as_mut()?;
        caching.keeps &= !fresh.forbidden;
        caching.fresh = fresh;
        None
    }

    /// What was over holds for longer.
    async fn revalidated(&mut self, plan: &Plan, forward: &Forward, how: &ForwardingPlan, now: u64) -> Next {
        let mut fresh = freshness(&self.facts, how, now);
        let Some(mut caching) = self.caching.take() else { return Next::Status(502) };
        let Some(mut kept) = caching.over.take() else { return Next::Status(502) };
        self.facts.cache_status = Some("REVALIDATED");
        if fresh.valid == 0 {
            // What the kept one says holds again.
            let head = std::mem::replace(&mut self.facts.upstream, kept.head.to_vec());
            if self.parse_kept(forward, None) {
                fresh = freshness(&self.facts, how, now);
            }
            let status = self.facts.upstream_head.status;
            if fresh.valid == 0 {
                fresh.valid = match usual(&how.cache_valid, status) {
                    0 => 0,
                    lasts => now.saturating_add(lasts),
                };
            }
            drop(head);
        }
        if fresh.valid > 0 {
            let meta = Arc::make_mut(&mut kept.meta);
            meta.valid = fresh.valid;
            meta.while_updating = fresh.while_updating;
            meta.if_error = fresh.if_error;
            if let Err(error) = kept.renew(&caching.store).await {
                let why = super::system(&error);
                self.log(Level::Crit, format_args!("a kept response cannot be written ({why})"));
            }
        }
        caching.lease = None;
        if self.refreshes {
            return Next::End(super::End::Abort);
        }
        self.send_kept(plan, how, forward, kept).await
    }

    /// Reads the head that was kept, which is in `facts.upstream`.
    fn parse_kept(&mut self, forward: &Forward, read: Option<&cache::Read>) -> bool {
        let facts = &mut self.facts;
        let known = read.and_then(|read| read.get()).filter(|(protocol, _)| *protocol == forward.protocol);
        if let Some((_, head)) = known {
            facts.upstream_head.copy(head);
            return true;
        }
        let parsed = match forward.protocol {
            Protocol::FastCgi => facts.upstream_head.parse_fields(&facts.upstream),
            protocol => facts.upstream_head.parse(&facts.upstream, protocol != Protocol::Http),
        };
        if !matches!(parsed, Ok(Parsed::Whole)) {
            return false;
        }
        if let Some(read) = read {
            // Where there is one already, that is of another protocol.
            let _ = read.set((forward.protocol, facts.upstream_head.clone()));
        }
        true
    }

    /// Begins to write the response under way to a file; `None` where it is not kept.
    pub(super) fn begin_keeping(&mut self, how: &ForwardingPlan, buffering: bool) -> Option<Deposit> {
        if !self.may_keep_response() || !buffering || self.any_holds(&how.cache_skip) {
            if let Some(caching) = self.caching.as_mut() {
                caching.keeps = false;
            }
            return None;
        }
        let now = self.worker.clock.now().as_secs();
        let status = self.facts.upstream_head.status;
        let mut caching = self.caching.take()?;
        let fresh = std::mem::take(&mut caching.fresh);
        let valid = match fresh.valid {
            0 => match usual(&how.cache_valid, status) {
                0 => {
                    caching.keeps = false;
                    self.caching = Some(caching);
                    return None;
                }
                lasts => now.saturating_add(lasts),
            },
            valid => valid,
        };
        let facts = &self.facts;
        let field = |known: Known| {
            let named = facts.upstream_head.fields.iter().find(|field| field.known == known);
            named.map(|field| field.value.of(&facts.upstream))
        };
        let whole = matches!(status, 200 | 206);
        let modified = field(Known::LastModified).filter(|_| whole).and_then(condition::date);
        let tag = field(Known::ETag).filter(|_| whole).map(<[u8]>::to_vec).unwrap_or_default();
        self.caching = Some(caching);
        let variant = if fresh.vary.is_empty() { [0; 16] } else { self.variant(&fresh.vary) };
        let caching = self.caching.as_mut()?;
        let meta = Meta {
            valid,
            while_updating: fresh.while_updating,
            if_error: fresh.if_error,
            modified: modified.unwrap_or(-1),
            vary: fresh.vary,
            variant,
            tag,
        };
        // What depends on nothing, or on other fields than before, is the key's own.
        let hash = if meta.vary.is_empty() { caching.main } else { caching.hash };
        let head = &self.facts.upstream_head;
        let expected = head.content_length.filter(|_| !head.chunked && !self.facts.asked_head);
        let head = self.facts.upstream.get(..head.length).unwrap_or(&self.facts.upstream);
        // Others hear of it when the file is there, however long the client takes for the rest.
        let lease = caching.lease.take();
        let status = self.facts.cache_status.unwrap_or("MISS");
        Some(cache::keep(&caching.store, (hash, &caching.key), &meta, head, expected, lease, status))
    }

    /// Ends what a request has to do with a cache, and with the files that its response became: what went wrong with
    /// those is told.
    pub(super) async fn end_deposits(&mut self, deposits: [Option<Deposit>; 2]) {
        self.caching = None;
        for deposit in deposits.into_iter().flatten() {
            if let Err(message) = deposit.settle().await {
                self.log(Level::Crit, format_args!("{message} while reading upstream"));
            }
        }
    }

    /// Sends a kept response.
    async fn send_kept(&mut self, plan: &Plan, how: &ForwardingPlan, forward: &Forward, kept: Kept) -> Next {
        self.caching = None;
        self.facts.upstream.clear();
        self.facts.upstream.extend_from_slice(&kept.head);
        if !self.parse_kept(forward, kept.read.as_ref()) {
            self.log(Level::Crit, format_args!("a kept response has no head"));
            return Next::Status(500);
        }
        let mut buffering = true;
        if let Some(next) = self.follow_controls(plan, how, &mut buffering) {
            return next;
        }
        let status = self.facts.upstream_head.status;
        self.facts.response.start(status);
        self.facts.response.forwarded = true;
        self.copy_status(how);
        self.copy_fields(how, &[]);
        edit::upstream_response(self, plan, how);
        let head = &self.facts.upstream_head;
        self.facts.response.length = head.content_length.filter(|_| !head.chunked);
        self.prepare_ranges(how);
        match self.take_part() {
            Ok(Some(part)) => return self.send_kept_part(plan, kept, part).await,
            Ok(None) => {}
            Err(next) => return next,
        }
        let content =
            files::Whole { file: kept.file, begin: kept.begin, length: kept.length, bytes: kept.content };
        files::deliver(self, plan, content).await
    }

    /// What a cache knows of the response under way: when it was modified, whether ranges of it can be given.
    pub(super) fn prepare_ranges(&mut self, how: &ForwardingPlan) {
        let response = &mut self.facts.response;
        response.modified = response.known(Known::LastModified).and_then(condition::date);
        let takes = |name: &[u8]| name.eq_ignore_ascii_case(b"accept-ranges");
        let said = response.fields.iter().any(|field| takes(response.name(field)));
        response.ranges = said || how.force_ranges;
        if said {
            response.remove(b"Accept-Ranges");
        }
    }

    /// Whether the client has the response under way, or wants another one, where it is kept.
    pub(super) fn compare_kept(&mut self, plan: &Plan) -> condition::Verdict {
        let since = self.settings(plan).answer.if_modified_since;
        if self.facts.preset.unwrap_or(self.facts.response.status) != 200 {
            return condition::Verdict::Answer;
        }
        let asked = condition::Asked::of(&self.facts);
        condition::condition(&asked, &self.facts.response, since)
    }
}

/// What a retry condition is to a cache.
pub(super) fn trouble(kind: Retry) -> Stale {
    match kind {
        Retry::Timeout => Stale::Timeout,
        Retry::InvalidHead => Stale::InvalidHead,
        Retry::Status(status) => Stale::Status(status),
        Retry::Error | Retry::NonIdempotent => Stale::Error,
    }
}
