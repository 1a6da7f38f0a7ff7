//! How the plan reads an exchange: every attribute and where its value comes from.

use std::{
    io::Write as _,
    net::IpAddr,
    time::{Duration, Instant},
};

use super::{Attempt, Facts, moment};
use crate::{
    engine::{
        access,
        announce::{Announced, Header},
        clock::{self, http_date},
        files,
        forward::whom,
        http1::{
            field::{Field, Known},
            target,
        },
        identifier, maps, tls,
    },
    ir::{AnnouncedAttr, Attr, FileKind, GroupAttr, ProofAttr, TcpInfo, TlsAttr, settings::Identifier},
    plan::{Run, View},
};

impl View for Facts {
    fn method(&self) -> &[u8] {
        Self::method(self)
    }

    fn content_length(&self) -> Option<u64> {
        self.head.content_length
    }

    fn status(&self) -> u16 {
        self.response.status
    }

    fn received_encoded(&self) -> bool {
        self.received.escaped || self.received.plus
    }

    fn is_file(&self, name: &[u8], kind: FileKind) -> bool {
        files::is(name, kind)
    }

    fn file_text(&self, name: &[u8], out: &mut Vec<u8>) -> bool {
        files::text(name, out)
    }

    fn file_size(&self, name: &[u8], out: &mut Vec<u8>) -> bool {
        number(out, files::length(name))
    }

    fn file_owner(&self, name: &[u8], group: bool, out: &mut Vec<u8>) -> bool {
        maps::owner(name, group, out)
    }

    fn cookie_date(&self, minutes: &[u8], out: &mut Vec<u8>) -> bool {
        let minutes = std::str::from_utf8(minutes).ok().and_then(|text| text.trim().parse::<i64>().ok());
        let now = self.worker.clock.now().as_secs().cast_signed();
        let date = http_date(now.saturating_add(minutes.unwrap_or(0).saturating_mul(60)));
        // `Wed, 21 Oct 2015` as `Wed, 21-Oct-2015`.
        let (day, time) = date.split_at(date.len().min(16));
        bytes(out, day.replacen(' ', "-", 3).replacen('-', " ", 1).as_bytes()) && bytes(out, time.as_bytes())
    }

    fn read_target(&self, text: &[u8], merge: bool, path: &mut Vec<u8>, query: &mut Vec<u8>) -> bool {
        text.starts_with(b"/") && target::normalize(text, merge, false, false, path, query).is_ok()
    }

    fn identifier(&self, which: &Identifier, anew: bool, given: bool, out: &mut Vec<u8>) -> bool {
        identifier::show(self, which, anew, given, out)
    }

    fn real_path(&self, name: &[u8], out: &mut Vec<u8>) -> bool {
        files::real(name, out)
    }

    fn attr(&self, run: &Run, attr: &Attr, out: &mut Vec<u8>) -> bool {
        let put = |out: &mut Vec<u8>, bytes: &[u8]| {
            out.extend_from_slice(bytes);
            true
        };
        match attr {
            // A request of our own says whose it is.
            Attr::Method if self.depth > 0 => put(out, self.slice(self.head.method)),
            Attr::Method => put(out, Self::method(self)) && !Self::method(self).is_empty(),
            Attr::Scheme => put(out, if self.client.tls.is_some() { b"https" } else { b"http" }),
            Attr::Https => put(out, if self.client.tls.is_some() { b"on" } else { b"" }),
            Attr::Protocol => put(out, self.slice(self.head.protocol)) && !self.head.protocol.is_empty(),
            Attr::RequestLine => put(out, self.slice(self.head.line)),
            Attr::RequestHead => self.head_text(out),
            Attr::RequestFields => self.fields_text(false, out),
            Attr::RequestVariables => self.fields_text(true, out),
            Attr::Target => match self.slice(self.head.target) {
                [] if self.head.length > 0 => put(out, b"/"),
                target => put(out, target),
            },
            Attr::Path => put(out, &run.path),
            Attr::PathRest => put(out, run.path.get(run.path_rest..).unwrap_or_default()),
            Attr::Query => put(out, &run.query),
            Attr::QueryMark => put(out, if run.query.is_empty() { b"" } else { b"?" }),
            Attr::Host => match self.host.as_slice() {
                [] => put(out, &self.plan.config.host(run.host).name),
                host => put(out, host),
            },
            Attr::HostName => put(out, &self.plan.config.host(run.host).name),
            Attr::MachineName => put(out, self.worker.shared.machine_name.as_bytes()),
            Attr::Field(name) => self.field(name, out),
            Attr::FieldList(name) => self.field_list(name, out),
            Attr::Authority => match (self.head.authority.is_empty(), self.head.host) {
                (false, _) => put(out, self.slice(self.head.authority)),
                (true, Some(host)) => put(out, self.slice(host)),
                (true, None) => false,
            },
            Attr::AuthorityPortMark => {
                let mut port = Vec::new();
                View::attr(self, run, &Attr::AuthorityPort, &mut port) && put(out, b":")
            }
            Attr::AuthorityPort => {
                let named = match (self.head.authority.is_empty(), self.head.host) {
                    (false, _) => self.slice(self.head.authority),
                    (true, Some(host)) => self.slice(host),
                    (true, None) => return false,
                };
                match memchr::memrchr(b':', named).map(|at| &named[at + 1..]) {
                    Some(port) if !port.is_empty() && port.iter().all(u8::is_ascii_digit) => put(out, port),
                    _ => false,
                }
            }
            Attr::Param(name) => param(&run.query, name).is_some_and(|value| put(out, value)),
            Attr::Cookie(name) => {
                let found = self.fields(b"cookie").find_map(|line| cookie(line, name));
                found.is_some_and(|value| put(out, value))
            }
            Attr::KnownUser => match &self.user {
                Some(user) => put(out, user),
                None => false,
            },
            Attr::ClaimedUser => match self.user.as_ref().or(self.claimed_user.as_ref()) {
                Some(user) => put(out, user),
                None => false,
            },
            Attr::User => access::user(self.fields(b"authorization").next(), out),
            Attr::Content => !self.content.is_empty() && put(out, &self.content),
            Attr::ContentLength => match self.head.content_length.or(self.content_length) {
                Some(length) => number(out, length),
                None => false,
            },
            Attr::ContentFile => {
                self.content_file.as_ref().is_some_and(|path| put(out, path.as_os_str().as_encoded_bytes()))
            }
            Attr::RequestLength => number(out, self.request_length),
            Attr::RequestId => {
                let id = self.request_id.get().unwrap_or_else(|| self.worker.random());
                self.request_id.set(Some(id));
                let digit = |half: u8| b"0123456789abcdef"[usize::from(half & 15)];
                let mut digits = [0; 32];
                for (two, byte) in digits.chunks_exact_mut(2).zip(id.to_be_bytes()) {
                    two.copy_from_slice(&[digit(byte >> 4), digit(byte)]);
                }
                put(out, &digits)
            }
            Attr::NotedId => self.noted.get() && self.attr(run, &Attr::RequestId, out),
            Attr::Http2 => match (self.head.version, &self.client.tls) {
                (20, Some(_)) => put(out, b"h2"),
                (20, None) => put(out, b"h2c"),
                _ => true,
            },
            Attr::Pipelined => put(out, if self.pipelined { b"p" } else { b"." }),
            Attr::Time(moment, form) => moment::write(self, *moment, form, out),
            Attr::Load(load) => moment::load(self, *load, out),
            Attr::Took(unit) => number(out, moment::units(clock::since(self.began), *unit)),
            _ => self
                .connection_attr(attr, out)
                .or_else(|| self.response_attr(attr, out))
                .unwrap_or_else(|| self.upstream_attr(run, attr, out)),
        }
    }
}

impl Facts {
    fn field(&self, name: &[u8], out: &mut Vec<u8>) -> bool {
        let separator: &[u8] = if name.eq_ignore_ascii_case(b"cookie") { b"; " } else { b", " };
        let mut found = false;
        for value in self.fields(name) {
            if std::mem::replace(&mut found, true) {
                out.extend_from_slice(separator);
            }
            out.extend_from_slice(value);
        }
        found
    }

    /// The head as lines, repeated fields joined in the place of the first.
    fn head_text(&self, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(self.slice(self.head.line));
        out.extend_from_slice(b"\r\n");
        self.fields_text(false, out);
        true
    }

    /// The fields as lines, repeated ones joined in the place of the first, under their names or those of variables; whether
    /// there are any.
    fn fields_text(&self, variables: bool, out: &mut Vec<u8>) -> bool {
        let fields = &self.head.fields;
        let same =
            |one: &Field, other: &Field| self.slice(one.name).eq_ignore_ascii_case(self.slice(other.name));
        for (at, field) in fields.iter().enumerate() {
            if fields[..at].iter().any(|earlier| same(earlier, field)) {
                continue;
            }
            let name = self.slice(field.name);
            if variables {
                let letter = |byte: &u8| if *byte == b'-' { b'_' } else { byte.to_ascii_uppercase() };
                out.extend_from_slice(b"HTTP_");
                out.extend(name.iter().map(letter));
                out.push(b':');
            } else {
                out.extend_from_slice(name);
                out.extend_from_slice(b": ");
            }
            let of_name = fields[at..].iter().filter(|other| same(other, field));
            join(out, of_name, |field: &&Field, out| bytes(out, self.slice(field.value)));
            out.extend_from_slice(b"\r\n");
        }
        !fields.is_empty()
    }

    /// All values of a field of exactly this name.
    fn field_list(&self, name: &[u8], out: &mut Vec<u8>) -> bool {
        let of_name = |field: &&Field| self.slice(field.name).eq_ignore_ascii_case(name);
        join(out, self.head.fields.iter().filter(of_name), |field: &&Field, out| {
            bytes(out, self.slice(field.value))
        })
    }

    fn connection_attr(&self, attr: &Attr, out: &mut Vec<u8>) -> Option<bool> {
        Some(match attr {
            Attr::ClientAddr => match &self.identity {
                Some(identity) => bytes(out, identity.shown.as_bytes()),
                None => bytes(out, self.client.shown.as_bytes()),
            },
            Attr::PeerAddr => bytes(out, self.client.shown.as_bytes()),
            Attr::ClientAddrBinary => match self.client_ip() {
                Some(IpAddr::V4(ip)) => bytes(out, &ip.octets()),
                Some(IpAddr::V6(ip)) => bytes(out, &ip.octets()),
                None => bytes(out, b"unix:"),
            },
            // A port that nobody told is none.
            Attr::ClientPort if let Some(identity) = &self.identity => {
                identity.port == 0 || number(out, u64::from(identity.port))
            }
            Attr::Announced(which) => {
                let Some(Header::Of(announced)) = self.client.announced.as_deref() else {
                    return Some(false);
                };
                let Announced { client, server, extensions } = announced;
                match which {
                    AnnouncedAttr::ClientAddr => write!(out, "{}", client.ip()).is_ok(),
                    AnnouncedAttr::ClientPort => number(out, u64::from(client.port())),
                    AnnouncedAttr::ServerAddr => write!(out, "{}", server.ip()).is_ok(),
                    AnnouncedAttr::ServerPort => number(out, u64::from(server.port())),
                    AnnouncedAttr::Extension { kind, secure } => {
                        extensions.find(*kind, *secure).is_some_and(|value| bytes(out, value))
                    }
                    AnnouncedAttr::SecureVerify => {
                        extensions.verified().is_some_and(|verdict| number(out, u64::from(verdict)))
                    }
                }
            }
            Attr::ClientPort | Attr::PeerPort => {
                self.client.remote.is_some_and(|addr| number(out, u64::from(addr.port())))
            }
            Attr::ServerAddr => match (self.client.local, &self.client.path) {
                (Some(addr), _) => write!(out, "{}", addr.ip().to_canonical()).is_ok(),
                (None, Some(path)) => write!(out, "unix:{}", path.display()).is_ok(),
                (None, None) => false,
            },
            Attr::ServerPort => self.client.local.is_some_and(|addr| number(out, u64::from(addr.port()))),
            Attr::Connection => number(out, self.client.serial),
            Attr::ConnectionRequests => number(out, self.client.requests),
            Attr::ConnectionReuses => number(out, self.client.requests.saturating_sub(1)),
            Attr::ConnectionTime => seconds(out, clock::since(self.client.opened)),
            Attr::Tcp(which) => {
                tcp_info(self.client.descriptor, *which).is_some_and(|value| number(out, value))
            }
            Attr::Tls(which) => {
                let Some(session) = &self.client.tls else { return Some(false) };
                match which {
                    TlsAttr::Version => bytes(out, session.version.as_bytes()),
                    TlsAttr::Cipher => bytes(out, session.cipher.as_bytes()),
                    TlsAttr::ServerName => {
                        session.server_name.as_ref().is_some_and(|name| bytes(out, name.as_bytes()))
                    }
                    TlsAttr::Resumed => bytes(out, if session.resumed { b"r" } else { b"." }),
                    TlsAttr::Session => {
                        let digits = session.identifier.iter();
                        !session.identifier.is_empty()
                            && digits.fold(true, |all, byte| all & write!(out, "{byte:02x}").is_ok())
                    }
                    TlsAttr::Signature | TlsAttr::ProofSignature => {
                        let scheme = session.signatures[usize::from(*which == TlsAttr::ProofSignature)];
                        scheme.is_some_and(|scheme| bytes(out, tls::signature_named(scheme).as_bytes()))
                    }
                    TlsAttr::Alpn => session.alpn.as_ref().is_some_and(|name| bytes(out, name.as_bytes())),
                    TlsAttr::Group => {
                        session.group.is_some_and(|group| bytes(out, tls::groups_named(&[group]).as_bytes()))
                    }
                    TlsAttr::OfferedCiphers => bytes(out, tls::suites_named(&session.offered[0]).as_bytes()),
                    TlsAttr::OfferedGroups => bytes(out, tls::groups_named(&session.offered[1]).as_bytes()),
                    TlsAttr::Proof(which) => match &session.proof {
                        Some(proof) => {
                            proof.attr(*which, self.worker.clock.now().as_secs().cast_signed(), out)
                        }
                        None => *which == ProofAttr::Verdict && bytes(out, b"NONE"),
                    },
                    TlsAttr::Own(which) => session.own.as_ref().is_some_and(|own| {
                        own.attr(*which, self.worker.clock.now().as_secs().cast_signed(), out)
                    }),
                }
            }
            Attr::ProcessId => number(out, u64::from(std::process::id())),
            Attr::Now => seconds(out, self.worker.clock.now()),
            Attr::TimeLocal => self.worker.clock.texts(|texts| bytes(out, texts.log.as_bytes())),
            Attr::TimeNamed | Attr::TimeUniversal => {
                let now = self.worker.clock.now().as_secs();
                let broken = if *attr == Attr::TimeNamed { clock::local(now) } else { clock::universal(now) };
                moment::formatted(b"%A, %d-%b-%Y %H:%M:%S %Z", &broken, out);
                true
            }
            Attr::TimeIso8601 => self.worker.clock.texts(|texts| bytes(out, texts.iso.as_bytes())),
            Attr::Stat(which) => moment::stat(self, *which, out),
            _ => return None,
        })
    }

    fn response_attr(&self, attr: &Attr, out: &mut Vec<u8>) -> Option<bool> {
        Some(match attr {
            Attr::OwnStatus if self.response.own != 0 => write!(out, "{}", self.response.own).is_ok(),
            Attr::OwnStatus => write!(out, "{:03}", self.status()).is_ok(),
            Attr::Status => write!(out, "{:03}", self.status()).is_ok(),
            Attr::BytesSent => number(out, self.sent),
            Attr::ContentBytesSent | Attr::ContentSent => {
                number(out, self.sent.saturating_sub(self.sent_head))
            }
            Attr::SentField(name) => self.sent_field(name, out),
            Attr::SentTrailer(name) => {
                let response = &self.response;
                let mut values =
                    response.trailers.iter().filter(|field| same_name(response.name(field), name));
                values.next().is_some_and(|field| bytes(out, response.value(field)))
            }
            Attr::RateLimited => self.rate_limited.is_some_and(|what| bytes(out, what.word())),
            Attr::ConcurrencyLimited => self.concurrency_limited.is_some_and(|what| bytes(out, what.word())),
            Attr::CodingRatio => match self.coded {
                Some((before, after)) if after > 0 => {
                    let hundredths = (before * 1000 / after + 5) / 10;
                    write!(out, "{}.{:02}", hundredths / 100, hundredths % 100).is_ok()
                }
                _ => false,
            },
            Attr::ConnectionFate => {
                let kept = self.connection == b"keep-alive";
                bytes(
                    out,
                    if !self.complete {
                        b"X"
                    } else if kept {
                        b"+"
                    } else {
                        b"-"
                    },
                )
            }
            Attr::Completion => bytes(out, if self.complete { b"OK" } else { b"" }),
            Attr::RequestTime => seconds(out, clock::since(self.began)),
            Attr::FurtherError => self.further_error.is_some_and(|status| {
                let reason = self.plan.reason(status);
                number(out, u64::from(status)) && bytes(out, b" ") && bytes(out, reason)
            }),
            _ => return None,
        })
    }

    fn sent_field(&self, name: &[u8], out: &mut Vec<u8>) -> bool {
        let response = &self.response;
        if same_name(b"content_length", name)
            && let Some(length) = response.length
        {
            return number(out, length);
        }
        if same_name(b"connection", name) {
            return bytes(out, self.connection);
        }
        if same_name(b"transfer_encoding", name) {
            return response.chunked && bytes(out, b"chunked");
        }
        let mut found = false;
        for field in response.fields.iter().filter(|field| same_name(response.name(field), name)) {
            if std::mem::replace(&mut found, true) {
                out.extend_from_slice(b", ");
            }
            out.extend_from_slice(response.value(field));
        }
        found
    }

    fn upstream_attr(&self, run: &Run, attr: &Attr, out: &mut Vec<u8>) -> bool {
        let head = &self.upstream_head;
        let named = |name: &[u8], out: &mut Vec<u8>| {
            join(
                out,
                head.fields.iter().filter(|field| same_name(field.name.of(&self.upstream), name)),
                |field: &&Field, out| bytes(out, field.value.of(&self.upstream)),
            )
        };
        match attr {
            Attr::ServerToken => bytes(out, self.plan.settings(run.settings).answer.server.as_ref()),
            Attr::LimitRate => number(out, run.limit_rate.unwrap_or(0)),
            Attr::UpstreamAuthority => !self.authority.is_empty() && bytes(out, &self.authority),
            Attr::UpstreamPath => {
                let end = memchr::memchr(b'?', &self.upstream_target).unwrap_or(self.upstream_target.len());
                bytes(out, &self.upstream_target[..end])
            }
            Attr::UpstreamPort => whom::port(&self.authority, self.authority_default)
                .is_some_and(|port| number(out, u64::from(port))),
            Attr::ForwardedFor => {
                if self.field(b"x-forwarded-for", out) {
                    out.extend_from_slice(b", ");
                }
                self.connection_attr(&Attr::ClientAddr, out).unwrap_or(false)
            }
            Attr::PartRange => self.part_range(run).is_some_and(|range| bytes(out, range.as_bytes())),
            Attr::CacheStatus => self.cache_status.is_some_and(|status| bytes(out, status.as_bytes())),
            Attr::Group(which) => self.group_attr(*which, out),
            Attr::UpstreamAddr => self.each(out, |attempt, out| bytes(out, attempt.address.as_bytes())),
            Attr::UpstreamStatus => {
                self.each(out, |attempt, out| attempt.status != 0 && number(out, u64::from(attempt.status)))
            }
            Attr::UpstreamResponseTime => self.each(out, |attempt, out| taken(out, attempt, attempt.whole)),
            Attr::UpstreamConnectTime => {
                self.each(out, |attempt, out| taken(out, attempt, attempt.connected))
            }
            Attr::UpstreamQueueTime => {
                self.each(out, |attempt, out| attempt.queued.is_some_and(|time| seconds(out, time)))
            }
            Attr::UpstreamHeaderTime => self.each(out, |attempt, out| taken(out, attempt, attempt.head)),
            Attr::UpstreamResponseLength => self.each(out, |attempt, out| number(out, attempt.length)),
            Attr::UpstreamBytesReceived => self.each(out, |attempt, out| number(out, attempt.received)),
            Attr::UpstreamBytesSent => self.each(out, |attempt, out| number(out, attempt.sent)),
            Attr::UpstreamField(name) => head.status != 0 && named(name, out),
            Attr::UpstreamTrailer(name) => {
                let mut lines = self.upstream_trailers.split(|&byte| byte == b'\n').filter_map(|line| {
                    let colon = memchr::memchr(b':', line)?;
                    same_name(&line[..colon], name).then(|| line[colon + 1..].trim_ascii())
                });
                lines.next().is_some_and(|value| bytes(out, value))
            }
            Attr::UpstreamCookie(name) => {
                let lines = head.fields.iter().filter(|field| field.known == Known::SetCookie);
                let mut values = lines.filter_map(|field| {
                    let line = field.value.of(&self.upstream);
                    let pair = line.split(|&byte| byte == b';').next()?;
                    let equals = memchr::memchr(b'=', pair)?;
                    pair[..equals]
                        .trim_ascii()
                        .eq_ignore_ascii_case(name)
                        .then(|| pair[equals + 1..].trim_ascii())
                });
                values.next().is_some_and(|value| bytes(out, value))
            }
            _ => false,
        }
    }

    fn group_attr(&self, which: GroupAttr, out: &mut Vec<u8>) -> bool {
        let Some(group) = self.group.as_deref() else { return false };
        match which {
            GroupAttr::Name => bytes(out, &group.name),
            GroupAttr::Member => bytes(out, &group.member),
            GroupAttr::Route => bytes(out, &group.route),
            GroupAttr::SessionKey => group.session.as_ref().is_some_and(|(key, _)| bytes(out, key)),
            GroupAttr::SessionRoute => group.session.as_ref().is_some_and(|(_, route)| bytes(out, route)),
            GroupAttr::Changed => group.changed && bytes(out, b"1"),
        }
    }

    /// All received values of a field behind one another; false when there are none.
    pub fn join_field(&self, name: &[u8], separator: &[u8], out: &mut Vec<u8>) -> bool {
        let mut found = false;
        for value in self.fields(name) {
            if std::mem::replace(&mut found, true) {
                out.extend_from_slice(separator);
            }
            out.extend_from_slice(value);
        }
        found
    }

    /// One item for each upstream tried: `, ` between tries, ` : ` between forwards; `-` where one is missing.
    fn each(&self, out: &mut Vec<u8>, write: impl Fn(&Attempt, &mut Vec<u8>) -> bool) -> bool {
        for (at, attempt) in self.attempts.iter().enumerate() {
            if at > 0 {
                out.extend_from_slice(if attempt.anew { b" : " } else { b", " });
            }
            if !write(attempt, out) {
                out.push(b'-');
            }
        }
        !self.attempts.is_empty()
    }
}

fn bytes(out: &mut Vec<u8>, text: &[u8]) -> bool {
    out.extend_from_slice(text);
    true
}

fn number(out: &mut Vec<u8>, value: u64) -> bool {
    bytes(out, itoa::Buffer::new().format(value).as_bytes())
}

fn seconds(out: &mut Vec<u8>, time: Duration) -> bool {
    write!(out, "{}.{:03}", time.as_secs(), time.subsec_millis()).is_ok()
}

/// The time from the beginning of a try.
fn taken(out: &mut Vec<u8>, attempt: &Attempt, until: Option<Instant>) -> bool {
    let time = until.zip(attempt.began).map(|(until, began)| until.saturating_duration_since(began));
    time.is_some_and(|time| seconds(out, time))
}

fn join<T>(
    out: &mut Vec<u8>,
    items: impl Iterator<Item = T>,
    write: impl Fn(&T, &mut Vec<u8>) -> bool,
) -> bool {
    let mut found = false;
    for item in items {
        if std::mem::replace(&mut found, true) {
            out.extend_from_slice(b", ");
        }
        write(&item, out);
    }
    found
}

/// Whether a field's name is this one: without regard to case, `-` and `_` alike.
pub fn same_name(name: &[u8], wanted: &[u8]) -> bool {
    let fold = |byte: u8| if byte == b'-' { b'_' } else { byte.to_ascii_lowercase() };
    name.len() == wanted.len() && name.iter().zip(wanted).all(|(&one, &other)| fold(one) == fold(other))
}

/// The first parameter of this name in a query.
pub(in crate::engine) fn param<'a>(query: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    query.split(|&byte| byte == b'&').find_map(|pair| {
        let equals = memchr::memchr(b'=', pair)?;
        pair[..equals].eq_ignore_ascii_case(name).then(|| &pair[equals + 1..])
    })
}

/// The first cookie of this name in a `Cookie` line.
pub(in crate::engine) fn cookie<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    line.split(|&byte| matches!(byte, b';' | b',')).find_map(|pair| {
        let pair = pair.trim_ascii();
        let equals = memchr::memchr(b'=', pair)?;
        pair[..equals]
            .trim_ascii_end()
            .eq_ignore_ascii_case(name)
            .then(|| pair[equals + 1..].trim_ascii_start())
    })
}

#[expect(unsafe_code, reason = "no safe interface to TCP_INFO exists in the libraries used")]
fn tcp_info(descriptor: i32, which: TcpInfo) -> Option<u64> {
    // SAFETY: zeroes are a valid `tcp_info`, and the kernel writes at most `length` bytes of it.
    let info = unsafe {
        let mut info: libc::tcp_info = std::mem::zeroed();
        let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
        let done = libc::getsockopt(
            descriptor,
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        );
        (done == 0).then_some(info)?
    };
    Some(u64::from(match which {
        TcpInfo::Rtt => info.tcpi_rtt,
        TcpInfo::RttVar => info.tcpi_rttvar,
        TcpInfo::SendWindow => info.tcpi_snd_cwnd,
        TcpInfo::ReceiveSpace => info.tcpi_rcv_space,
    }))
}
