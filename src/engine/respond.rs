//! Answers of our own: replies, pages, redirects, recoveries; and the head of
//! every response, where edits, framing and `Connection` are decided.

mod refresh;

use std::time::Duration;

use super::{
    clock,
    clock::http_date,
    edit,
    exchange::{End, Exchange, Next},
    files::{self, condition},
    filter,
    forward::request::is_field_value,
    http1::field::{Known, Slice},
    http2::{self, Follows},
    identifier,
    response::{Framing, Out, Wire},
    scratch,
    stream::Stream,
    timed::{self, Failure},
};
use crate::{
    ir::{RecoveryStatus, RecoveryTarget, Reply, ReplyContent, settings::Level},
    plan::Plan,
};

/// How long a reason phrase that is made of a request can be.
const LONGEST_PHRASE: usize = 512;

impl Exchange {
    /// Answers as the configuration says.
    pub async fn reply(&mut self, plan: &Plan, reply: &Reply) -> Next {
        match &reply.content {
            ReplyContent::Page => Next::Status(reply.status),
            ReplyContent::Close => {
                self.facts.logged_status = Some(reply.status);
                Next::End(End::Abort)
            }
            ReplyContent::Empty => {
                self.facts.response.start(reply.status);
                self.facts.response.set_status(reply.status, plan);
                let said = files::kind::kind(self.settings(plan), &self.run.path);
                if !said.of.is_empty() {
                    self.facts.response.add(b"Content-Type", &said.of);
                }
                self.facts.response.length = Some(0);
                self.send_whole(plan, &[]).await
            }
            ReplyContent::Text(text) => {
                self.facts.response.start(reply.status);
                self.facts.response.set_status(reply.status, plan);
                let content = self.value(text);
                let kind = self.type_of_path(plan);
                if !kind.is_empty() {
                    self.facts.response.add(b"Content-Type", &kind);
                }
                self.facts.response.length = Some(content.len() as u64);
                self.send_if_wanted(plan, &content).await
            }
            ReplyContent::Location(location) => {
                self.facts.response.start(reply.status);
                let location = self.value(location);
                self.redirect(plan, reply.status, &location).await
            }
        }
    }

    /// Tells a client that waits for `100 Continue` to go on, where the answer at hand invites it to.
    pub async fn invite(&mut self, plan: &Plan) {
        if self.is_left_waiting() && self.settings(plan).client.keep_expectant {
            self.say_continue(plan).await;
        }
    }

    /// Sends content of our own, unless the client has it or wants another.
    pub async fn send_if_wanted(&mut self, plan: &Plan, content: &[u8]) -> Next {
        self.invite(plan).await;
        let answer = &self.settings(plan).answer;
        let (since, modified) = (answer.if_modified_since, answer.modified);
        if self.facts.response.status != 200 || !(answer.conditional_text || modified.is_some()) {
            return self.send_whole(plan, content).await;
        }
        let response = &mut self.facts.response;
        if let Some(modified) = modified {
            response.modified = Some(modified);
            response.add(b"Last-Modified", http_date(modified).as_bytes());
        }
        let asked = condition::Asked::of(&self.facts);
        let since = condition::since(&asked, since, self.worker.clock.now().as_secs());
        match condition::condition(&asked, &self.facts.response, since) {
            condition::Verdict::Answer => self.send_whole(plan, content).await,
            condition::Verdict::Failed => self.unmet(),
            condition::Verdict::NotModified => {
                let response = &mut self.facts.response;
                (response.status, response.length) = (304, None);
                response.remove(b"Content-Type");
                self.send_whole(plan, b"").await
            }
        }
    }

    /// A condition of the client's does not hold: what was kept of answers before goes with this one.
    pub fn unmet(&mut self) -> Next {
        self.kept_fields.clear();
        self.kept_own_location = false;
        Next::Status(412)
    }

    /// Sends the client elsewhere; a recovery in force for the status takes over, and still says where to go.
    pub async fn redirect(&mut self, plan: &Plan, status: u16, location: &[u8]) -> Next {
        let mut recoveries = self.settings(plan).answer.errors.iter();
        if self.recovered || !recoveries.any(|recovery| recovery.statuses.contains(&status)) {
            return self.redirect_at_once(plan, status, location).await;
        }
        let absolute = self.absolute(plan, location);
        let location = absolute.as_deref().unwrap_or(location);
        if is_field_value(location) {
            self.kept_fields.push((b"Location".to_vec(), location.to_vec()));
            self.kept_own_location = absolute.is_some();
        }
        self.recover(plan, status).await
    }

    /// Sends the client elsewhere, with the page of that status.
    async fn redirect_at_once(&mut self, plan: &Plan, status: u16, location: &[u8]) -> Next {
        let absolute = self.absolute(plan, location);
        // Not the status of an error that this recovers from.
        self.facts.preset = None;
        self.facts.response.start(status);
        self.facts.response.own_location = absolute.is_some();
        self.facts.response.ours = true;
        if location.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            self.log(
                Level::Error,
                format_args!("redirect to \"{}\" holds a line end or NUL", location.escape_ascii()),
            );
            self.facts.response.start(500);
            return self.page(plan, 500).await;
        }
        if self.wants_refresh(plan, status) {
            return self.refresh_to(plan, location).await;
        }
        self.facts.response.add(b"Location", absolute.as_deref().unwrap_or(location));
        self.page(plan, status).await
    }

    /// A `Location` that begins with `/`, with scheme and authority in front where settings ask for it.
    pub fn absolute(&mut self, plan: &Plan, location: &[u8]) -> Option<Vec<u8>> {
        let settings = &self.settings(plan).answer;
        if !location.starts_with(b"/") || !settings.absolute_redirect {
            return None;
        }
        let tls = self.facts.client.tls.is_some();
        if let Some(authority) = &settings.own_authority {
            let mut out = if tls { b"https://".to_vec() } else { b"http://".to_vec() };
            self.eval(authority, &mut out);
            out.extend_from_slice(location);
            return Some(out);
        }
        let mut out = if tls { b"https://".to_vec() } else { b"http://".to_vec() };
        let host = plan.config.host(self.run.host);
        if settings.host_name_in_redirect {
            out.extend_from_slice(&host.name);
        } else if self.facts.host.is_empty() {
            let local = self.facts.client.local.map(|addr| addr.ip().to_canonical());
            out.extend_from_slice(local.map(|ip| ip.to_string()).unwrap_or_default().as_bytes());
        } else {
            out.extend_from_slice(&self.facts.host);
        }
        let port = self.facts.client.local.map_or(0, |addr| addr.port());
        if settings.port_in_redirect && port != 0 && port != if tls { 443 } else { 80 } {
            out.extend_from_slice(format!(":{port}").as_bytes());
        }
        out.extend_from_slice(location);
        Some(out)
    }

    /// A status is about to be answered: a recovery in force takes over, or the page is sent.
    pub async fn recover(&mut self, plan: &Plan, mut status: u16) -> Next {
        if self.answered {
            return Next::End(End::Abort);
        }
        self.facts.preset = None;
        if matches!(status, 400 | 413 | 414 | 493..=497 | 500 | 501) {
            self.keep = false;
        }
        if let Some((first, settings)) = self.first_error.take() {
            self.facts.further_error = Some(status);
            self.run.settings = settings;
            status = first;
        }
        let settings = self.settings(plan);
        let recovery = settings.answer.errors.iter().find(|recovery| recovery.statuses.contains(&status));
        let recovery = recovery.filter(|recovery| recovery.to != RecoveryTarget::Page);
        if let Some(recovery) = recovery.filter(|_| !self.recovered && self.facts.head.version != 0) {
            self.recovered = !settings.answer.recursive_errors;
            self.first_error = settings.answer.first_error.then_some((status, self.run.settings));
            let response = &self.facts.response;
            let challenges = response.fields.iter().filter(|field| is_challenge(response.name(field)));
            self.challenges.extend(challenges.map(|field| response.value(field).to_vec()));
            self.facts.response.start(status);
            let target = match &recovery.to {
                RecoveryTarget::Page => return self.page(plan, status).await,
                RecoveryTarget::Enter(name) => {
                    self.override_status(recovery.status, status);
                    return self.enter(plan, name);
                }
                RecoveryTarget::Text(text) => {
                    let content = self.value(text);
                    self.override_status(recovery.status, status);
                    self.facts.response.ours = true;
                    self.facts.response.add(b"Content-Type", &settings.answer.page_type);
                    self.facts.response.length = Some(content.len() as u64);
                    return self.send_whole(plan, &content).await;
                }
                RecoveryTarget::Redirect(target) => self.value(target),
            };
            self.override_status(recovery.status, status);
            if target.first() == Some(&b'/') {
                let (path, query) = split_query(&target);
                if !self.facts.is_head() {
                    self.facts.method = Some(b"GET");
                }
                return self.restart(plan, path, query);
            }
            let code = match recovery.status {
                RecoveryStatus::Set(code @ (301 | 302 | 303 | 307 | 308)) => code,
                _ => 302,
            };
            self.facts.preset = None;
            return self.redirect_at_once(plan, code, &target).await;
        }
        // What led to the error may have left fields that the page keeps: a challenge, the length to ask in.
        let kept = std::mem::take(&mut self.facts.response);
        self.facts.response.start(status);
        let all = status == 416 && kept.status == 416 && kept.ranges;
        let keeps = |name: &[u8]| all || is_challenge(name);
        for field in kept.fields.iter().filter(|field| keeps(kept.name(field))) {
            self.facts.response.add(kept.name(field), kept.value(field));
        }
        self.page(plan, status).await
    }

    fn override_status(&mut self, how: RecoveryStatus, status: u16) {
        self.facts.preset = match how {
            RecoveryStatus::Keep => Some(status),
            RecoveryStatus::Set(code) => Some(code),
            RecoveryStatus::FromAnswer => None,
        };
    }

    /// Sends the built-in page of a status; fields that are there already stay.
    pub async fn page(&mut self, plan: &Plan, status: u16) -> Next {
        if matches!(status, 444 | 499 | 408) {
            self.facts.logged_status = Some(status);
            return Next::End(End::Abort);
        }
        self.facts.response.ours = true;
        // Of the answer that it stands for.
        self.kept_fields.retain(|(name, _)| {
            [&b"accept-ranges"[..], b"last-modified", b"etag"]
                .iter()
                .all(|other| !name.eq_ignore_ascii_case(other))
        });
        self.facts.response.set_status(status, plan);
        let mut content = Vec::new();
        let failure = self.name_failure(plan, status);
        if let Some(template) = failure.map(|failure| &failure.page).or_else(|| plan.page(status)) {
            self.eval(template, &mut content);
            if status >= 400
                && self.settings(plan).answer.msie_padding
                && wants_padding(self.received(Known::UserAgent))
            {
                for _ in 0..6 {
                    content.extend_from_slice(
                        b"<!-- a padding to disable MSIE and Chrome friendly error page -->\r\n",
                    );
                }
            }
            self.facts.response.add(b"Content-Type", &self.settings(plan).answer.page_type);
        }
        self.facts.response.length = (status != 304).then_some(content.len() as u64);
        self.send_whole(plan, &content).await
    }

    /// Gives the answer the reason phrase of the failure to send the request on that it tells of, if any.
    fn name_failure<'p>(&mut self, plan: &'p Plan, status: u16) -> Option<&'p crate::ir::Failure> {
        let fault = self.facts.failed.take()?;
        let mut failures = plan.config.failures.iter();
        let failure = failures.find(|failure| failure.fault == fault && failure.status == status)?;
        let response = &mut self.facts.response;
        let start = response.text.len();
        response.text.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
        response.text.push(b' ');
        response.text.extend_from_slice(&failure.reason);
        response.status_text = Slice::new(start, response.text.len());
        Some(failure)
    }

    /// Gives the answer the reason phrase that is made for it, if any.
    fn make_phrase(&mut self, plan: &Plan) {
        let own = self.facts.response.own;
        let Some((_, template)) = plan.config.phrases.iter().find(|(status, _)| *status == own) else {
            return;
        };
        let mut phrase = self.value(template);
        phrase.truncate(LONGEST_PHRASE);
        if phrase.is_empty() || !is_field_value(&phrase) {
            return;
        }
        self.say_status(&phrase);
    }

    /// Says the status with these words.
    fn say_status(&mut self, phrase: &[u8]) {
        let response = &mut self.facts.response;
        let start = response.text.len();
        response.text.extend_from_slice(itoa::Buffer::new().format(response.status).as_bytes());
        response.text.push(b' ');
        response.text.extend_from_slice(phrase);
        response.status_text = Slice::new(start, response.text.len());
    }

    /// Sends the head in `facts.response` and all of its content.
    pub async fn send_whole(&mut self, plan: &Plan, content: &[u8]) -> Next {
        self.send_content(plan, content, true).await
    }

    /// Sends the head in `facts.response` and content; what is not all of it is broken off.
    pub async fn send_content(&mut self, plan: &Plan, content: &[u8], whole: bool) -> Next {
        let mut out = scratch::take();
        let framing = self.head(plan, &mut out);
        let mut filtered = None;
        if let Some(mut chain) = self.filters.take() {
            let coded = filtered.insert(scratch::take());
            // What is ours is never broken.
            let _ = chain.push(content, coded).and_then(|()| chain.finish(coded));
            self.facts.coded = Some(chain.sizes);
        }
        let content = filtered.as_deref().unwrap_or(content);
        if framing != Framing::None {
            match framing {
                Framing::Chunked => {
                    if !content.is_empty() {
                        out.extend_from_slice(format!("{:x}\r\n", content.len()).as_bytes());
                        out.extend_from_slice(content);
                        out.extend_from_slice(b"\r\n");
                    }
                    if whole {
                        edit::last_chunk(self, plan, &[], &mut out);
                    }
                }
                _ => out.extend_from_slice(content),
            }
        }
        let end = self.send(plan, &out).await;
        if framing == Framing::Frames && whole {
            edit::end_frames(self, plan, &[]);
        }
        scratch::give(out);
        if let Some(filtered) = filtered {
            scratch::give(filtered);
        }
        match end {
            Ok(()) if !whole => Next::End(End::Abort),
            Ok(()) => {
                self.facts.complete = true;
                Next::End(if framing == Framing::Close { End::Close } else { End::Keep })
            }
            Err(_) => Next::End(End::Abort),
        }
    }

    /// Writes bytes to the client, at the rate in force, and counts them.
    pub async fn send(&mut self, plan: &Plan, data: &[u8]) -> Result<(), Failure> {
        let timeout = self.send_timeout(plan);
        let limit = self.limit_rate(plan);
        let sent = if limit.rate == 0 {
            let sent = timed::write_all(&mut self.stream, data, timeout).await;
            if sent.is_ok() {
                self.facts.sent += data.len() as u64;
            }
            sent
        } else {
            self.send_slowly(data, timeout, limit).await
        };
        if let Err(failure) = &sent {
            self.log_send_failure(failure);
        }
        sent
    }

    /// Writes in steps of what the rate allows.
    async fn send_slowly(&mut self, data: &[u8], timeout: Duration, limit: Limit) -> Result<(), Failure> {
        let began = self.limit_began();
        let mut at = 0;
        while at < data.len() {
            let budget =
                (clock::since(began).as_secs() + 1).saturating_mul(limit.rate).saturating_add(limit.after);
            let allowed = budget.saturating_sub(self.facts.sent);
            if allowed == 0 {
                let excess = self.facts.sent + 1 - budget;
                let wait = Duration::from_millis((excess.saturating_mul(1000) / limit.rate).max(1))
                    .min(Duration::from_secs(1));
                tokio::time::sleep(wait).await;
                continue;
            }
            let end = data.len().min(at + usize::try_from(allowed).unwrap_or(usize::MAX));
            timed::write_all(&mut self.stream, &data[at..end], timeout).await?;
            self.facts.sent += (end - at) as u64;
            at = end;
        }
        Ok(())
    }

    fn limit_began(&self) -> std::time::Instant {
        self.facts.began
    }

    /// The bandwidth limit in force.
    pub fn limit_rate(&mut self, plan: &Plan) -> Limit {
        let settings = self.settings(plan);
        let rate = match (self.run.limit_rate, self.directed_limit) {
            (_, Some(rate)) | (Some(rate), None) => rate,
            (None, None) if settings.client.limit_rate.is_empty() => 0,
            (None, None) => {
                let text = self.value(&settings.client.limit_rate);
                size(&text)
            }
        };
        if rate == 0 {
            return Limit { rate, after: 0 };
        }
        let after = self.value(&settings.client.limit_rate_after);
        Limit { rate, after: size(&after) }
    }

    fn log_send_failure(&self, failure: &Failure) {
        match failure {
            Failure::TimedOut => self.log(
                Level::Info,
                format_args!("client timed out (110: Connection timed out) while sending to client"),
            ),
            Failure::Io(error) => {
                self.log(Level::Info, format_args!("send() failed ({error}) while sending to client"));
            }
        }
    }

    /// Decides framing and `Connection`, applies the edits in force, and writes the head to `out`.
    pub fn head(&mut self, plan: &Plan, out: &mut Vec<u8>) -> Framing {
        let settings = self.settings(plan);
        if let Some(status) = self.facts.preset.take() {
            self.facts.response.set_status(status, plan);
            self.facts.response.status_text = Slice::default();
        }
        self.make_phrase(plan);
        self.facts.response.bodyless =
            self.facts.is_head() || matches!(self.facts.response.status, 100..=199 | 204 | 304);
        self.restore_kept();
        let composes = settings.filters && settings.rewriting.composes();
        let parts_last = composes && settings.rewriting.settings.parts_last;
        if composes && !parts_last {
            if self.begin_composing(plan) {
                self.answered = true;
                return Framing::Close;
            }
            self.tell_composed(plan);
        }
        self.keep &= self.may_keep(plan);
        let tunnel = self.facts.response.status == 101 && self.answered_upgrade();
        self.facts.connection = self.say_connection(tunnel);
        // What is composed was edited before it got its parts.
        if !(parts_last && self.composed) {
            for (name, value) in std::mem::take(&mut self.lasting) {
                self.facts.response.add_to(&name, &value, true);
            }
            self.tell_dependence();
            edit::on_response(self, plan);
            edit::charset(self, plan);
            identifier::give(self, plan);
        }
        if parts_last {
            if self.begin_composing(plan) {
                self.answered = true;
                return Framing::Close;
            }
            self.tell_composed(plan);
        }
        self.filters = None;
        if settings.filters || self.facts.response.recode.is_some() {
            filter::begin(self, plan);
        }
        if settings.answer.in_order && std::mem::take(&mut self.facts.response.vary) {
            self.facts.response.add(b"Vary", b"Accept-Encoding");
        }
        self.tell_dependence();
        self.join_vary(plan);
        files::range::announce(&mut self.facts.response);
        for (at, challenge) in std::mem::take(&mut self.challenges).into_iter().enumerate() {
            let response = &mut self.facts.response;
            // It was known before there was a page; elsewhere it is added to one.
            let at = if settings.answer.in_order { response.fields.len() } else { at };
            response.insert(at, b"WWW-Authenticate", &challenge);
        }
        let beside = self.is_subrequest();
        let response = &mut self.facts.response;
        if response.ours && response.bodyless && !settings.answer.head_pages_have_length {
            response.length = None;
        }
        let nothing = matches!(response.status, 204 | 304) || response.length == Some(0);
        if response.bodyless && nothing && !settings.answer.empty_lengths {
            response.length = None;
        }
        if response.status == 204 {
            // RFC 9110 § 8.6 and § 15.3.5: we say nothing of content that there is not; what an upstream says
            // of its length is passed on.
            response.length = response.length.filter(|_| response.forwarded);
            if response.status_text.is_empty() {
                response.forget_content();
            }
        }
        let version = self.facts.head.version;
        let frames = version == 20 && !beside;
        let chunked = frames || (version == 11 && settings.answer.chunked && !beside);
        let framing = match response.length {
            _ if response.bodyless => Framing::None,
            Some(length) if !response.has_trailers || !chunked => {
                // Trailers that cannot be sent: observed to end the connection of an old client.
                self.keep &= !response.has_trailers || version >= 11;
                Framing::Length(length)
            }
            _ if frames => Framing::Frames,
            _ if chunked => Framing::Chunked,
            _ => Framing::Close,
        };
        response.chunked = framing == Framing::Chunked;
        self.keep &= framing != Framing::Close;
        let connection = self.say_connection(tunnel);
        self.facts.connection = connection;
        if frames {
            self.send_head(plan, framing, tunnel);
        } else if version != 9 && !beside {
            let begin = out.len();
            let when_asked = settings.client.keepalive_when_asked;
            // Without a word HTTP/1.1 keeps a connection (RFC 9112 § 9.3).
            let silent = when_asked && connection == b"keep-alive" && !self.facts.head.keep_alive_said;
            let connection: &[u8] = if silent { b"" } else { connection };
            let announce = settings.client.keepalive_announce.filter(|_| self.keep && !tunnel);
            let announce = announce.filter(|_| !when_asked || self.facts.head.keep_alive_said);
            let more = settings.client.keepalive_requests.saturating_sub(self.facts.client.requests - 1);
            let connection: &[u8] = match connection {
                b"keep-alive" if settings.answer.in_order => b"Keep-Alive",
                other => other,
            };
            let response = &self.facts.response;
            self.worker.clock.texts(|texts| {
                let wire = Wire {
                    in_order: settings.answer.in_order,
                    reason: match plan.reason(response.own) {
                        b"" => plan.reason(response.status),
                        own => own,
                    },
                    server: self.worker.shared.server_header.as_ref().unwrap_or(&settings.answer.server),
                    date: texts.http.as_bytes(),
                    framing,
                    connection,
                    keep_alive: announce.map(|time| time.as_secs()),
                    more: Some(more).filter(|_| when_asked),
                };
                response.write(&wire, out);
            });
            self.facts.sent_head = (out.len() - begin) as u64;
        }
        self.answered = true;
        framing
    }

    /// Sends the head as a frame.
    fn send_head(&mut self, plan: &Plan, framing: Framing, tunnel: bool) {
        let settings = self.settings(plan);
        let response = &self.facts.response;
        let follows = match framing {
            _ if tunnel => Follows::Tunnel,
            Framing::None => Follows::Nothing,
            Framing::Length(length) => Follows::Length(length),
            _ => Follows::Content,
        };
        let Stream::Frames(stream) = &mut self.stream else { return };
        let sent = self.worker.clock.texts(|texts| {
            let wire = Wire {
                in_order: settings.answer.in_order,
                reason: b"",
                server: self.worker.shared.server_header.as_ref().unwrap_or(&settings.answer.server),
                date: texts.http.as_bytes(),
                framing,
                connection: b"",
                keep_alive: None,
                more: None,
            };
            stream.answer(&http2::Head { response, wire: &wire, tunnel }, follows)
        });
        self.facts.sent_head = sent;
        self.facts.sent += sent;
    }

    /// Says in `Vary` what the response depends on, as far as that is known.
    fn tell_dependence(&mut self) {
        let response = &mut self.facts.response;
        let names = std::mem::take(&mut self.run.depends);
        if response.ours || response.status == 101 || names.is_empty() {
            return;
        }
        let names: Vec<&[u8]> = names.iter().map(|name| &**name).collect();
        response.add(b"Vary", &names.join(&b", "[..]));
    }

    /// Makes one line of all `Vary`, with each name once, where settings say so.
    fn join_vary(&mut self, plan: &Plan) {
        let joined = self.settings(plan).answer.join_vary;
        let response = &mut self.facts.response;
        let is_vary = |field: &&Out| response.name(field).eq_ignore_ascii_case(b"vary");
        if !joined || !response.fields.iter().any(|field| is_vary(&field)) {
            return;
        }
        let mut all: Vec<Vec<u8>> = Vec::new();
        for field in response.fields.iter().filter(is_vary) {
            for name in response.value(field).split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                if !name.is_empty() && !all.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                    all.push(name.to_vec());
                }
            }
        }
        response.set(b"Vary", &all.join(&b","[..]));
    }

    fn say_connection(&self, tunnel: bool) -> &'static [u8] {
        match (tunnel, self.keep, self.facts.head.version) {
            (true, ..) => b"upgrade",
            (_, true, 10 | 11) => b"keep-alive",
            _ => b"close",
        }
    }

    /// Whether settings allow another request on the connection.
    fn may_keep(&self, plan: &Plan) -> bool {
        let client = &self.settings(plan).client;
        let facts = &self.facts;
        !client.closing.contains(&facts.response.status)
            && !client.keepalive_timeout.is_zero()
            && facts.client.requests < client.keepalive_requests
            && (client.keepalive_time.is_zero()
                || facts.began.saturating_duration_since(facts.client.opened) <= client.keepalive_time)
            && !self.worker.stopping.get()
            && (client.close_after.is_empty() || !client.close_after.contains(&facts.response.status))
            && facts.head.version >= 10
            && (client.keep_expectant || !self.is_left_waiting())
            && (client.keepalive_disable.is_empty()
                || self.received(Known::UserAgent).is_none_or(|agent| {
                    client.keepalive_disable.iter().all(|family| !is_family(family, agent, facts.method()))
                }))
    }

    /// Puts fields that survived an internal redirect before those of the response; of types the response's own counts.
    fn restore_kept(&mut self) {
        if self.kept_fields.is_empty() {
            return;
        }
        let kept = std::mem::take(&mut self.kept_fields);
        let response = &mut self.facts.response;
        response.own_location |= self.kept_own_location;
        let typed = response.known(Known::ContentType).is_some();
        let own = std::mem::take(&mut response.fields);
        for (name, value) in kept {
            if !typed || !name.eq_ignore_ascii_case(b"content-type") {
                response.add(&name, &value);
            }
        }
        response.fields.extend(own);
    }

    /// The type that the path's extension has, unless an upstream that redirected us said which it is.
    pub fn type_of_path(&mut self, plan: &Plan) -> Vec<u8> {
        let said = self.kept_fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"content-type"));
        if let Some((_, kind)) = said {
            return kind.clone();
        }
        let settings = self.settings(plan);
        if let Some(forced) = &settings.answer.forced_type {
            return forced.to_vec();
        }
        match settings.type_of(&self.run.path) {
            Some(kind) => kind.to_vec(),
            None => self.value(&settings.answer.default_type),
        }
    }
}

/// A bandwidth limit.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Bytes per second; 0 is none.
    pub rate: u64,
    /// Bytes before it holds.
    pub after: u64,
}

/// A number of bytes with an optional `k` or `m`; 0 when it is none.
pub fn size(text: &[u8]) -> u64 {
    let (digits, unit) = match text {
        [digits @ .., b'k' | b'K'] => (digits, 1 << 10),
        [digits @ .., b'm' | b'M'] => (digits, 1 << 20),
        digits => (digits, 1),
    };
    super::http1::field::decimal(digits).and_then(|number| number.checked_mul(unit)).unwrap_or(0)
}

/// Splits at the first `?`.
pub fn split_query(target: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'?', target) {
        Some(at) => (&target[..at], &target[at + 1..]),
        None => (target, b""),
    }
}

fn is_challenge(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"www-authenticate")
}

/// Whether a browser is of a family whose connections are not to be kept after a request of this method.
fn is_family(family: &[u8], agent: &[u8], method: &[u8]) -> bool {
    let at = |text: &[u8]| memchr::memmem::find(agent, text);
    match family {
        b"msie6" => {
            if method != b"POST" {
                return false;
            }
            let Some(begin) = at(b"MSIE ").filter(|_| at(b"Opera").is_none()) else {
                return false;
            };
            // 4 and 5, and 6 without the service pack that mended it.
            match agent.get(begin + 5..begin + 7) {
                Some([b'4' | b'5', b'.']) => true,
                Some([b'6', b'.']) => memchr::memmem::find(&agent[begin..], b"SV1").is_none(),
                _ => false,
            }
        }
        b"safari" => {
            let others: [&[u8]; 4] = [b"MSIE ", b"Opera", b"Gecko/", b"Chrome/"];
            others.iter().all(|other| at(other).is_none())
                && at(b"Safari/").is_some()
                && at(b"Mac OS X").is_some()
        }
        _ => false,
    }
}

/// Browsers that show pages of their own instead of short ones.
fn wants_padding(agent: Option<&[u8]>) -> bool {
    let Some(agent) = agent else { return false };
    let holds = |text: &[u8]| memchr::memmem::find(agent, text);
    holds(b"Chrome/").is_some() || refresh::is_old_browser(Some(agent))
}
