//! The upstream's head becomes the client's: what is hidden, what directs us, what is rewritten;
//! then its content is relayed, or the connection becomes a tunnel.

use super::{
    super::{
        clock,
        connect::Connection,
        edit,
        exchange::{End, Exchange, Next},
        facts::Facts,
        files::{
            self, condition,
            range::{self, Selection},
        },
        filter::{self, Broken},
        http1::{
            field::{self, Known, Line, Slice, decimal},
            target,
        },
        http2, log,
        respond::split_query,
        response::{Framing, Out},
        scratch,
        stream::Stream,
        tunnel::Tunnel,
    },
    Destination,
    relay::{Bounds, Ending, From, Relay},
    system,
};
use crate::{
    ir::{Control, Forward, Protocol, Upgrade, settings::Level},
    plan::{ForwardingPlan, Plan},
};

/// Fields of the upstream's answer that survive an internal redirect that it directed.
const REDIRECT_KEEPS: [&[u8]; 6] =
    [b"content-type", b"set-cookie", b"content-disposition", b"cache-control", b"expires", b"accept-ranges"];

impl Exchange {
    /// Answers with the response whose head is in `facts`.
    pub async fn respond(
        &mut self,
        plan: &Plan,
        forward: &Forward,
        how: &ForwardingPlan,
        to: &Destination,
        mut connection: Connection,
    ) -> Next {
        let status = self.facts.upstream_head.status;
        if status == 101 {
            if self.may_upgrade(how) && self.switched_as_asked(how) {
                return self.switch(plan, how, connection).await;
            }
            // Bytes of a protocol that the client did not ask for would be taken for its next response.
            self.log(
                Level::Error,
                format_args!(
                    "upstream switched protocols unasked while reading response header from upstream"
                ),
            );
            return Next::Status(502);
        }
        if self.caching.is_some()
            && let Some(next) = self.weigh(plan, forward, how).await
        {
            // What was asked for is here already; a refusal that it stands for may have content.
            let fit = status == 304 && !is_unfinished(&connection);
            self.end_attempt(0, 0);
            self.reuse(to, how, connection, fit);
            return next;
        }
        let mut buffering = how.buffering;
        if let Some(next) = self.follow_controls(plan, how, &mut buffering) {
            // Content that is not read here would be taken for the next response.
            let head = &self.facts.upstream_head;
            let none = self.facts.asked_head || matches!(status, 204 | 304) || head.content_length == Some(0);
            let fit = none && !head.chunked && !is_unfinished(&connection);
            self.reuse(to, how, connection, fit);
            return next;
        }
        if how.own_errors.iter().flatten().any(|(from, to)| (*from..=*to).contains(&status)) {
            self.facts.response.start(status);
            if status == 401 {
                self.copy_fields(how, &[b"www-authenticate"]);
            }
            self.end_attempt(0, 0);
            return Next::Status(status);
        }
        let recovers =
            self.settings(plan).answer.errors.iter().any(|recovery| recovery.statuses.contains(&status));
        let stored = forward.protocol == Protocol::Memcached;
        if stored && status == 404 {
            self.end_attempt(0, 0);
            self.reuse(to, how, connection, true);
            return Next::Status(404);
        }
        if how.intercept_errors && status >= 300 && recovers && !self.recovered {
            self.keep_intercepted(how, status);
            self.facts.response.start(status);
            self.copy_fields(how, &[b"www-authenticate"]);
            self.end_attempt(0, 0);
            return Next::Status(status);
        }
        self.facts.response.start(status);
        self.facts.response.forwarded = true;
        if forward.protocol == Protocol::Http {
            // What led here is not what the upstream's answer depends on; what a program says is an answer of ours.
            self.run.depends.clear();
            self.run.promised.retain(|promised| promised.always);
        }
        self.copy_status(how);
        self.copy_fields(how, &[]);
        if let Some(line) = self.facts.session_cookie.take() {
            self.facts.response.add(b"Set-Cookie", &line);
        }
        if stored {
            let kind = self.type_of_path(plan);
            self.facts.response.add(b"Content-Type", &kind);
        }
        edit::upstream_response(self, plan, how);
        if let Some(status) = filter::refuses(self, plan) {
            let text = format_args!("the content has a coding, and would have to be rewritten");
            self.log(Level::Error, text);
            self.end_attempt(0, 0);
            return Next::Status(status);
        }
        // The upstream need not have been asked with the client's method: content that the client does not get is
        // not waited for, and the connection it comes on not used again.
        let (asked_head, is_head) = (self.facts.asked_head, self.facts.is_head());
        let mut kept = self.begin_keeping(how, buffering);
        if kept.is_none() {
            // Whoever waits for its turn has waited long enough.
            self.caching = None;
        }
        let mut copy = self.begin_copy(how, buffering);
        let mute = kept.is_some() && is_head && !asked_head;
        let without = asked_head || (is_head && !mute) || matches!(status, 100..=199 | 204 | 304);
        let head = &mut self.facts.upstream_head;
        let unread = is_head && !asked_head && (head.chunked || head.content_length != Some(0));
        let missing = asked_head && !is_head;
        let begin = head.length.min(self.facts.upstream.len());
        let framed = matches!(connection.stream, Stream::Call(_));
        let from = match (without, head.chunked, head.content_length) {
            (true, ..) => From::None,
            (_, _, left) if connection.records.is_some() => {
                From::packed(connection.records.take(), left, how.keep_connection)
            }
            (_, _, Some(0)) if framed => From::Length(0),
            _ if framed => From::Stream,
            (_, true, _) => From::Chunked(Box::default()),
            (_, _, Some(left)) if stored => From::Stored { left, trailer: 0 },
            (_, _, Some(length)) => From::Length(length),
            _ => From::Close,
        };
        let unfinished = is_unfinished(&connection);
        self.facts.response.length = if head.chunked { None } else { head.content_length };
        // Whether trailers follow content of a known length shows when it ends. Only frames can have both.
        let may_trail = how.pass_trailers && matches!(from, From::Stream);
        self.facts.response.has_trailers |= may_trail && self.facts.head.version == 20;
        let known = matches!(from, From::Length(_) | From::Packed(_) | From::Stored { .. });
        let mut mute = mute;
        if kept.is_some() {
            self.prepare_ranges(how);
        }
        let part = match self.take_part() {
            Ok(part) => part,
            Err(next) => {
                self.end_attempt(0, 0);
                return next;
            }
        };
        let further = self.parts.as_ref().is_some_and(|parts| parts.further);
        if kept.is_some() && !further {
            match self.compare_kept(plan) {
                condition::Verdict::Answer => {}
                condition::Verdict::NotModified => {
                    self.parts = None;
                    files::not_modified(self);
                    mute = true;
                }
                // It is kept all the same when it comes again.
                condition::Verdict::Failed => {
                    self.forget_parts();
                    self.end_attempt(0, 0);
                    return Next::Status(412);
                }
            }
        }
        // Of an answer to HEAD only the fields tell of the part.
        let bare = asked_head && is_head;
        let mut more = false;
        let selected = match part.filter(|_| self.parts.is_some()) {
            Some(part) => self.portion(plan, &part).map(|portion| {
                more = portion.more;
                Some(portion.window)
            }),
            None => self.select_range(plan, how, known || bare, kept.is_some()),
        };
        let window = match selected {
            Ok(window) => window.filter(|_| !bare),
            Err(status) => {
                self.end_attempt(0, 0);
                return Next::Status(status);
            }
        };
        let window = if mute { Some((u64::MAX, 0)) } else { window };
        let mut out = scratch::take();
        let framing = self.head_of_parts(plan, &mut out);
        more &= framing != Framing::None;
        // The whole response is here already: one write, and no relay.
        if let (Some((length, fit)), Framing::Length(_), None) =
            (from.whole(&self.facts.upstream[begin..]), framing, window)
        {
            out.extend_from_slice(&self.facts.upstream[begin..begin + length]);
            for deposit in [&mut kept, &mut copy].into_iter().flatten() {
                deposit.push(&self.facts.upstream[begin..begin + length]);
                deposit.seal();
            }
            self.facts.upstream.truncate(begin);
            self.end_attempt(length as u64, 0);
            self.reuse(to, how, connection, fit);
            let sent = self.send(plan, &out).await;
            scratch::give(out);
            self.end_deposits([kept, copy]).await;
            self.facts.complete = sent.is_ok();
            return Next::End(if sent.is_ok() { End::Keep } else { End::Abort });
        }
        let rest = self.facts.upstream.split_off(begin);
        let scribe = matches!(from, From::Packed(_)).then(|| log::Scribe::of(self));
        let mut limit = self.limit_rate(plan);
        if further {
            limit.after = 0;
        }
        let read_rate = super::super::respond::size(&self.value(&how.limit_rate));
        let (count, each) = how.buffers;
        let bounds = Bounds {
            memory: usize::try_from(if buffering { u64::from(count) * each } else { how.buffer_size })
                .unwrap_or(usize::MAX)
                .max(4096),
            file: if buffering { how.max_temp_file } else { 0 },
            folder: &how.temp_path,
            read_timeout: how.read_timeout,
            send_timeout: self.send_timeout(plan),
            limit,
            read_rate,
            ignore_abort: how.ignore_client_abort
                || kept.is_some()
                || copy.is_some()
                || !self.content.is_done(),
            at_once: !buffering || self.is_event_stream(),
        };
        let filters = self.filters_of_parts();
        let mut relay = Relay::new(
            &mut self.stream,
            &mut connection.stream,
            &mut self.facts.buffer,
            from,
            framing,
            bounds,
            out,
        );
        relay.sent_before = self.facts.sent;
        relay.window = window;
        relay.filters = filters;
        relay.more = more;
        // What trailers say is known behind the content.
        let trails = self.facts.response.has_trailers || how.pass_trailers;
        relay.open = trails && framing == Framing::Chunked;
        relay.deposits = [kept.as_mut(), copy.as_mut()];
        relay.upload = self.upload.as_deref_mut();
        let hear = |said: &[u8]| {
            if let Some(scribe) = &scribe {
                let said = String::from_utf8_lossy(said);
                scribe.write(
                    Level::Error,
                    format_args!("FastCGI sent in stderr: \"{said}\" while reading upstream"),
                );
            }
        };
        relay.hear = scribe.is_some().then_some(&hear);
        let fed = relay.feed(&rest);
        let ending = match fed {
            Ok(()) => relay.run().await,
            Err(ending) => relay.give_up(ending).await,
        };
        let fit = !relay.overrun && !unread && !unfinished && relay.from.leaves_fit();
        let complaint = relay.complaint.take();
        let (sent, received, content) = (relay.sent, relay.received, relay.content);
        let mut filters = relay.filters.take();
        let coded = filters.as_ref().map(|filters| filters.sizes);
        let (gone, open) = (relay.gone, relay.open);
        let unfiled = relay.unfiled.take();
        let spilled = relay.spilled.take();
        let received_trailers = std::mem::take(&mut relay.received_trailers);
        self.facts.upstream_trailers = received_trailers;
        if let Some(path) = spilled {
            let path = path.display();
            self.log(
                Level::Warn,
                format_args!(
                    "an upstream response is buffered to a temporary file {path} while reading upstream"
                ),
            );
        }
        scratch::give(rest);
        self.end_deposits([kept, copy]).await;
        self.facts.sent += sent;
        self.facts.coded = coded;
        self.end_attempt(content, received);
        if let Some((level, message)) = complaint {
            self.log(level, format_args!("{message} while reading upstream"));
        }
        if let Some(message) = unfiled {
            self.log(Level::Crit, format_args!("{message} while reading upstream"));
        }
        match ending {
            Ending::Whole if more && !gone => {
                self.reuse(to, how, connection, fit);
                self.end_part(filters.take(), framing, true)
            }
            Ending::Whole if more => Next::End(End::Abort),
            Ending::Whole => {
                if self.parts.is_some() {
                    self.forget_parts();
                }
                let mut lines = Vec::new();
                if how.pass_trailers {
                    pass_trailers(how, &self.facts.upstream_trailers, &mut lines);
                }
                if framing == Framing::Frames {
                    edit::end_frames(self, plan, &lines);
                }
                if open && !gone {
                    let mut out = Vec::new();
                    edit::last_chunk(self, plan, &lines, &mut out);
                    if self.send(plan, &out).await.is_err() {
                        self.reuse(to, how, connection, fit);
                        return Next::End(End::Abort);
                    }
                }
                self.facts.complete = true;
                self.reuse(to, how, connection, fit);
                Next::End(if framing == Framing::Close || missing { End::Close } else { End::Keep })
            }
            failed => {
                // The client was there to the end of what there was.
                self.facts.complete = !matches!(failed, Ending::ClientGone(_) | Ending::ClientTimedOut);
                self.log_ending(forward, failed);
                Next::End(End::Abort)
            }
        }
    }

    fn log_ending(&mut self, _: &Forward, ending: Ending) {
        match ending {
            Ending::Whole => {}
            Ending::Halted(halt) => {
                self.log_halt(&halt);
            }
            Ending::Broken(Broken(message)) => {
                self.log(Level::Error, format_args!("{message} while reading upstream"));
            }
            Ending::Truncated(what) => self
                .log(Level::Error, format_args!("upstream prematurely closed {what} while reading upstream")),
            Ending::Refused(fault) => {
                self.log(Level::Error, format_args!("upstream sent {fault} while reading upstream"));
            }
            Ending::Invalid => self.log(
                Level::Error,
                format_args!("upstream sent invalid chunked response while reading upstream"),
            ),
            Ending::UpstreamFailed(error) => {
                let fault = error.get_ref().and_then(|inner| inner.downcast_ref::<http2::Fault>());
                match fault {
                    Some(fault) => {
                        self.log(Level::Error, format_args!("upstream {fault} while reading upstream"));
                    }
                    None => self.log(
                        Level::Error,
                        format_args!("recv() failed ({}) while reading upstream", system(&error)),
                    ),
                }
            }
            Ending::UpstreamTimedOut => self.log(
                Level::Error,
                format_args!("upstream timed out (110: Connection timed out) while reading upstream"),
            ),
            Ending::ClientTimedOut => self.log(
                Level::Info,
                format_args!("client timed out (110: Connection timed out) while sending to client"),
            ),
            Ending::ClientGone(None) => self.log(
                Level::Info,
                format_args!("client prematurely closed connection while reading upstream"),
            ),
            Ending::ClientGone(Some(error)) => self
                .log(Level::Info, format_args!("send() failed ({}) while sending to client", system(&error))),
        }
    }

    /// Gives the upstream's connection back, or closes it.
    pub fn reuse(&mut self, to: &Destination, how: &ForwardingPlan, connection: Connection, fit: bool) {
        let head = &self.facts.upstream_head;
        // A gateway that was not asked to keep the connection closes it.
        let keeps = head.keep_alive || how.keep_connection;
        let sent = self.upload.as_ref().is_none_or(|upload| upload.is_over() && !upload.reads_client());
        let whole = head.length >= self.facts.upstream.len() && self.content.is_done() && sent;
        if let Some(limits) = to.idle.as_ref().filter(|_| fit && keeps && whole) {
            let attempt = self.facts.attempts.last();
            let ended = attempt.and_then(|attempt| attempt.whole);
            self.worker.pool.give(connection, limits, ended.unwrap_or_else(clock::moment));
        }
    }

    /// Which part of the content to send, where ranges are forced: bytes to leave out and to send. `Err` is a status.
    fn select_range(
        &mut self,
        plan: &Plan,
        how: &ForwardingPlan,
        known: bool,
        kept: bool,
    ) -> Result<Option<(u64, u64)>, u16> {
        let max = self.settings(plan).answer.max_ranges;
        let facts = &mut self.facts;
        if how.force_ranges {
            // Whether there are ranges is for us to say.
            facts.response.remove(b"Accept-Ranges");
        }
        let Some(size) =
            facts.response.length.filter(|_| how.force_ranges || (kept && facts.response.ranges))
        else {
            return Ok(None);
        };
        // What stands in for an answer of another status is given whole.
        if facts.preset.unwrap_or(facts.response.status) != 200 || filter::applies(self, plan) {
            return Ok(None);
        }
        let facts = &mut self.facts;
        let modified = facts.response.known(Known::LastModified).and_then(condition::date);
        facts.response.modified = modified;
        facts.response.ranges = max != Some(0);
        if !known || !facts.response.ranges {
            return Ok(None);
        }
        let selection = range::ranges(
            &condition::Asked::of(facts),
            &facts.response,
            range::How { max: Some(1), join: None },
        );
        match selection {
            Selection::Whole | Selection::Several(_) => Ok(None),
            Selection::One(range) => {
                facts.response.status_text = Slice::default();
                range::one(&mut facts.response, &range, size);
                Ok(Some((range.start, range.end - range.start)))
            }
            Selection::Unsatisfiable => {
                range::unmet(self, plan, size);
                Err(416)
            }
        }
    }

    /// Whether the response is a stream of events, each of which a client waits for.
    fn is_event_stream(&self) -> bool {
        let kind = self.facts.response.known(Known::ContentType);
        kind.is_some_and(|kind| kind.len() >= 17 && kind[..17].eq_ignore_ascii_case(b"text/event-stream"))
    }

    pub(super) fn end_attempt(&mut self, content: u64, received: u64) {
        if let Some(attempt) = self.facts.attempt() {
            attempt.whole = Some(clock::moment());
            attempt.length += content;
            attempt.received += received;
        }
    }

    pub(super) fn copy_status(&mut self, how: &ForwardingPlan) {
        let facts = &mut self.facts;
        let text = facts.upstream_head.status_text.of(&facts.upstream);
        let bare = how.name_statuses && text.len() == 3;
        if !text.is_empty() && !bare {
            let start = facts.response.text.len();
            facts.response.text.extend_from_slice(text);
            facts.response.status_text = Slice::new(start, facts.response.text.len());
        }
    }

    /// Copies the upstream's fields, but for those consumed, hidden or directing us; only `these` if there are any.
    pub(super) fn copy_fields(&mut self, how: &ForwardingPlan, these: &[&[u8]]) {
        let facts = &mut self.facts;
        let base = facts.response.text.len();
        facts
            .response
            .text
            .extend_from_slice(facts.upstream.get(..facts.upstream_head.length).unwrap_or(&facts.upstream));
        let moved = |slice: Slice| Slice { start: slice.start + base as u32, end: slice.end + base as u32 };
        for field in &facts.upstream_head.fields {
            if field.known == Known::ContentLength {
                facts.response.length_at = Some(facts.response.fields.len());
            }
            if matches!(
                field.known,
                Known::Connection | Known::KeepAlive | Known::TransferEncoding | Known::ContentLength
            ) {
                continue;
            }
            let name = field.name.of(&facts.upstream);
            if how.names.hidden.contains(name)
                || (how.hide_nominated && nominated(facts, name))
                || (!these.is_empty() && !these.iter().any(|kept| name.eq_ignore_ascii_case(kept)))
            {
                continue;
            }
            facts.response.fields.push(Out {
                name: moved(field.name),
                value: moved(field.value),
                known: field.known,
                added: false,
                plain: field.plain,
                lasting: false,
            });
        }
    }

    /// Does what fields of the response direct.
    pub(super) fn follow_controls(
        &mut self,
        plan: &Plan,
        how: &ForwardingPlan,
        buffering: &mut bool,
    ) -> Option<Next> {
        let facts = &self.facts;
        let mut names = facts.upstream_head.fields.iter().map(|field| field.name.of(&facts.upstream));
        if !names.any(|name| how.names.directing.contains(name)) {
            return None;
        }
        let mut redirect = None;
        for (name, control) in &how.controls {
            let facts = &self.facts;
            let mut fields = facts.upstream_head.fields.iter();
            let Some(field) = fields.find(|field| name.is_field(field.name.of(&facts.upstream))) else {
                continue;
            };
            let value = field.value.of(&facts.upstream).to_vec();
            match control {
                Control::Redirect => redirect = Some(value),
                Control::Buffering if value.eq_ignore_ascii_case(b"yes") => *buffering = true,
                Control::Buffering if value.eq_ignore_ascii_case(b"no") => *buffering = false,
                Control::LimitRate if value.eq_ignore_ascii_case(b"off") => self.directed_limit = Some(0),
                Control::LimitRate => self.directed_limit = decimal(&value).or(self.directed_limit),
                Control::Charset => self.directed_charset = Some(value),
                Control::Buffering | Control::Expires => {}
            }
        }
        let redirect = redirect?;
        self.facts.response.start(self.facts.upstream_head.status);
        let facts = &self.facts;
        let kept =
            facts.upstream_head.fields.iter().map(|field| {
                (field.name.of(&facts.upstream).to_vec(), field.value.of(&facts.upstream).to_vec())
            });
        let keeps = |name: &[u8]| REDIRECT_KEEPS.iter().any(|kept| name.eq_ignore_ascii_case(kept));
        self.kept_fields.extend(kept.filter(|(name, _)| keeps(name)));
        self.end_attempt(0, 0);
        if redirect.first() == Some(&b'@') {
            return Some(self.enter(plan, &redirect));
        }
        let (raw, query) = split_query(&redirect);
        let mut path = Vec::new();
        target::decode(raw, &mut path);
        if path.first() != Some(&b'/') || path.contains(&0) || is_unsafe(&path) {
            self.log(Level::Error, format_args!("unsafe URI \"{}\" was detected", path.escape_ascii()));
            return Some(Next::Status(404));
        }
        if !self.facts.is_head() {
            self.facts.method = Some(b"GET");
        }
        Some(self.restart(plan, &path, query))
    }

    /// Whether the protocol that the upstream speaks now is the one asked for, where that is known.
    fn switched_as_asked(&self, how: &ForwardingPlan) -> bool {
        let Upgrade::Only(_) = how.upgrade else { return true };
        let facts = &self.facts;
        let asked = self.asked_switch(how);
        let mut answered = facts.upstream_head.fields.iter().filter(|field| field.known == Known::Upgrade);
        let answered = answered.next().map(|field| field.value.of(&facts.upstream));
        matches!((asked, answered), (Some(asked), Some(answered)) if asked.eq_ignore_ascii_case(answered))
    }

    fn may_upgrade(&self, how: &ForwardingPlan) -> bool {
        let Some(asked) = self.facts.head.upgrade else { return false };
        let asked = self.facts.slice(asked);
        match &how.upgrade {
            Upgrade::Never => false,
            Upgrade::Any => true,
            Upgrade::Only(names) => names.iter().any(|name| field::has_token(asked, name)),
        }
    }

    /// Sends the 101 and turns both connections into a tunnel (RFC 9110 § 7.8).
    async fn switch(&mut self, plan: &Plan, how: &ForwardingPlan, connection: Connection) -> Next {
        self.facts.response.start(101);
        self.facts.response.forwarded = true;
        self.upgraded = true;
        self.copy_status(how);
        self.copy_fields(how, &[]);
        if how.names.hidden.contains(b"upgrade") {
            // What is not passed on else says here what is spoken from now on.
            let protocol = self.asked_switch(how).map(<[u8]>::to_vec).unwrap_or_default();
            self.facts.response.add(b"Upgrade", &protocol);
        }
        edit::upstream_response(self, plan, how);
        let mut out = scratch::take();
        self.head(plan, &mut out);
        let length = self.facts.upstream_head.length.min(self.facts.upstream.len());
        let early = self.facts.upstream.split_off(length);
        out.extend_from_slice(&early);
        if let Some(attempt) = self.facts.attempt() {
            attempt.length += early.len() as u64;
        }
        let sent = self.send(plan, &out).await;
        scratch::give(out);
        if sent.is_err() {
            return Next::End(End::Abort);
        }
        let asks = !how.ping.is_zero()
            && self.asked_switch(how).is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket"));
        connection.stream.send_promptly();
        let to_upstream = self.facts.rest().to_vec();
        let head = self.facts.head.length;
        self.facts.buffer.truncate(head);
        self.facts.used = head;
        let mut tunnel = Tunnel::new(
            connection.stream,
            to_upstream,
            how.tunnel_timeout.unwrap_or(how.read_timeout),
            how.send_timeout,
            self.send_timeout(plan),
        );
        if asks {
            tunnel.ping(how.ping, &early);
        }
        Next::End(End::Tunnel(Box::new(tunnel)))
    }

    /// Whether the response under way switches protocols.
    pub fn answered_upgrade(&self) -> bool {
        self.upgraded
    }
}

/// Whether records of a response are still to come on a connection.
fn is_unfinished(connection: &Connection) -> bool {
    connection.records.as_ref().is_some_and(|records| !records.is_ended() || records.excess)
}

/// Writes those of an upstream's trailers that are passed on (RFC 9110 § 6.5.1).
fn pass_trailers(how: &ForwardingPlan, received: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(newline) = memchr::memchr(b'\n', &received[at..]) {
        let end = at + newline;
        let stop = if received[at..end].ends_with(b"\r") { end - 1 } else { end };
        let line = field::line(received, at, stop);
        at = end + 1;
        let Ok(Line::Good(field) | Line::Underscore(field) | Line::Odd(field)) = line else { continue };
        let name = field.name.of(received);
        let frames = matches!(
            field.known,
            Known::Connection | Known::KeepAlive | Known::TransferEncoding | Known::ContentLength
        );
        if !frames && !how.names.hidden.contains(name) {
            out.extend_from_slice(&[name, b": ", field.value.of(received), b"\r\n"].concat());
        }
    }
}

/// Whether `Connection` of the upstream's response names a field (RFC 9110 § 7.6.1).
fn nominated(facts: &Facts, name: &[u8]) -> bool {
    let mut fields = facts.upstream_head.fields.iter().filter(|field| field.known == Known::Connection);
    fields.any(|field| field::has_token(field.value.of(&facts.upstream), name))
}

/// Whether a path climbs with `..` segments.
fn is_unsafe(path: &[u8]) -> bool {
    path.split(|&byte| byte == b'/').any(|segment| segment == b"..")
}
