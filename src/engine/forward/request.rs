//! The head of the request that is sent to an upstream (RFC 9112 § 3, RFC 9110 § 7.6).

use super::{
    super::{
        clock::http_date,
        exchange::Exchange,
        http1::{
            field::{self, Field, Known, Lines},
            scan,
            target::{encode_controls, encode_path},
        },
    },
    Destination,
};
use crate::{
    ir::{Edit, Forward, Protocol, Target, Template, Upgrade},
    plan::ForwardingPlan,
};

impl Exchange {
    /// Writes request line and fields to `out`: fields of edits first, then framing, then what was received.
    pub fn write_request(
        &mut self,
        how: &ForwardingPlan,
        forward: &Forward,
        to: &Destination,
        replaced: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) {
        let mark = out.len();
        // What `GET` brings is kept for both.
        if self.facts.is_head() && how.cache_head_as_get && self.may_keep_response() {
            out.extend_from_slice(b"GET");
        } else {
            self.eval(&how.method, out);
        }
        if !is_token(&out[mark..]) {
            out.truncate(mark);
        }
        if out.len() == mark {
            out.extend_from_slice(self.facts.method());
        }
        self.facts.asked_head = &out[mark..] == b"HEAD";
        out.push(b' ');
        let target = out.len();
        self.write_target(forward, to, out);
        if forward.protocol == Protocol::Http {
            self.facts.upstream_target.extend_from_slice(&out[target..]);
        }
        out.extend_from_slice(if self.version_sent(how) == 10 { b" HTTP/1.0\r\n" } else { b" HTTP/1.1\r\n" });
        for edit in &how.edits {
            match &**edit {
                Edit::Set(name, value) | Edit::Add(name, value) => self.write_field(name, value, out),
                Edit::Append(name, value) => {
                    // Who names such a field in `Connection` has its own taken away, never ours.
                    let nominated = how.names.removes_nominated && self.nominated(name);
                    let sent_there = how.pass_fields && !nominated && self.has_field(name);
                    if !sent_there {
                        self.write_field(name, value, out);
                    }
                }
                Edit::Received if how.pass_fields => self.write_received(how, out),
                Edit::Framing => self.write_framing(how, replaced, out),
                Edit::Switch(otherwise) => self.write_switch(how, to, otherwise, out),
                _ => {}
            }
        }
        if !how.names.framing_placed {
            self.write_framing(how, replaced, out);
        }
        if self.caching.is_some() {
            self.write_conditions(how, out);
        }
        if how.pass_fields && !how.names.received_placed {
            self.write_received(how, out);
        }
        out.extend_from_slice(b"\r\n");
    }

    /// A field, unless its value is empty or cannot stand in a head.
    fn write_field(&mut self, name: &[u8], value: &Template, out: &mut Vec<u8>) {
        let line = out.len();
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        let start = out.len();
        self.eval(value, out);
        if out.len() == start || !is_field_value(&out[start..]) {
            out.truncate(line);
        } else {
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Asks whether what is kept still holds.
    fn write_conditions(&mut self, how: &ForwardingPlan, out: &mut Vec<u8>) {
        let (modified, tag) = self.conditions(how);
        let mut line = |name: &[u8], value: &[u8]| {
            if !how.names.replaced.contains(name) {
                out.extend_from_slice(&[name, b": ", value, b"\r\n"].concat());
            }
        };
        if let Some(modified) = modified {
            line(b"If-Modified-Since", http_date(modified).as_bytes());
        }
        if let Some(tag) = tag {
            line(b"If-None-Match", tag);
        }
    }

    /// Whether the request has a field of this name.
    fn has_field(&self, name: &[u8]) -> bool {
        let facts = &self.facts;
        facts.head.fields.iter().any(|field| field.name.of(&facts.buffer).eq_ignore_ascii_case(name))
    }

    /// What `Connection` says to the upstream, and `Upgrade`.
    fn write_switch(
        &mut self,
        how: &ForwardingPlan,
        to: &Destination,
        otherwise: &Template,
        out: &mut Vec<u8>,
    ) {
        match self.asked_switch(how) {
            Some(protocol) => {
                out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: ");
                out.extend_from_slice(protocol);
                out.extend_from_slice(b"\r\n");
            }
            // HTTP/1.0 closes unless something else is said.
            None if to.idle.is_none() && self.version_sent(how) == 10 => {}
            None if to.idle.is_none() => out.extend_from_slice(b"Connection: close\r\n"),
            None => self.write_field(b"Connection", otherwise, out),
        }
    }

    /// The version of HTTP that the upstream is asked in, in tenths.
    pub fn version_sent(&self, how: &ForwardingPlan) -> u8 {
        match how.version {
            0 if self.facts.head.version == 10 => 10,
            0 => 11,
            version => version,
        }
    }

    /// The protocol that the request asks to switch to, where the settings allow it.
    pub fn asked_switch(&self, how: &ForwardingPlan) -> Option<&[u8]> {
        let asked = self.facts.slice(self.facts.head.upgrade?);
        let allowed = match &how.upgrade {
            Upgrade::Never => false,
            Upgrade::Any => true,
            Upgrade::Only(names) => names.iter().any(|name| name.is_field(asked)),
        };
        allowed.then_some(asked)
    }

    fn write_framing(&self, how: &ForwardingPlan, replaced: Option<&[u8]>, out: &mut Vec<u8>) {
        let head = &self.facts.head;
        let length = match replaced {
            Some(content) => Some(content.len() as u64),
            None if !how.pass_content => None,
            None if self.facts.content_read && (head.chunked || head.content_length.is_some()) => {
                Some(self.content.length)
            }
            None => head.content_length,
        };
        if let Some(length) = length {
            out.extend_from_slice(b"Content-Length: ");
            out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
            out.extend_from_slice(b"\r\n");
        } else if head.chunked && how.pass_content && replaced.is_none() {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
    }

    fn write_received(&mut self, how: &ForwardingPlan, out: &mut Vec<u8>) {
        if how.names.joins {
            return self.write_joined(how, out);
        }
        let facts = &self.facts;
        let mut lines = Lines::of(&facts.buffer);
        for field in &facts.head.fields {
            if matches!(field.known, Known::ContentLength | Known::TransferEncoding) {
                continue;
            }
            let name = field.name.of(&facts.buffer);
            if how.names.replaced.contains(name)
                || (how.names.removes_nominated && self.nominated(name))
                || (self.caching.is_some() && self.is_for_cache(name))
            {
                continue;
            }
            lines.write(field.name, field.value, field.plain, out);
        }
        lines.end(out);
    }

    /// The same where fields of a name become one, or have something appended.
    fn write_joined(&mut self, how: &ForwardingPlan, out: &mut Vec<u8>) {
        for at in 0..self.facts.head.fields.len() {
            let facts = &self.facts;
            let field = facts.head.fields[at];
            if matches!(field.known, Known::ContentLength | Known::TransferEncoding) {
                continue;
            }
            let name = field.name.of(&facts.buffer);
            if how.names.replaced.contains(name)
                || (how.names.removes_nominated && self.nominated(name))
                || (self.caching.is_some() && self.is_for_cache(name))
            {
                continue;
            }
            let joined = how.join_repeated && !field.added;
            let same = |other: &&Field| {
                other.name.of(&facts.buffer).eq_ignore_ascii_case(name) && !(how.join_repeated && other.added)
            };
            if joined && facts.head.fields[..at].iter().any(|other| same(&other)) {
                continue;
            }
            out.extend_from_slice(name);
            out.extend_from_slice(b": ");
            out.extend_from_slice(field.value.of(&facts.buffer));
            if joined {
                for other in facts.head.fields[at + 1..].iter().filter(same) {
                    out.extend_from_slice(b", ");
                    out.extend_from_slice(other.value.of(&facts.buffer));
                }
            }
            let appended = how.edits.iter().find_map(|edit| match &**edit {
                Edit::Append(appended, value) if appended.is_field(name) => Some(value),
                _ => None,
            });
            let follows = |other: &Field| same(&other);
            let is_last = || {
                if how.join_repeated { joined } else { !facts.head.fields[at + 1..].iter().any(follows) }
            };
            if let Some(value) = appended.filter(|_| is_last()) {
                let mark = out.len();
                out.extend_from_slice(b", ");
                let start = out.len();
                self.eval(value, out);
                if out.len() == start || !is_field_value(&out[start..]) {
                    out.truncate(mark);
                }
            }
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Whether `Connection` names a field (RFC 9110 § 7.6.1).
    fn nominated(&self, name: &[u8]) -> bool {
        let facts = &self.facts;
        facts
            .head
            .fields
            .iter()
            .filter(|field| field.known == Known::Connection)
            .any(|field| field::has_token(field.value.of(&facts.buffer), name))
    }

    pub(super) fn write_target(&mut self, forward: &Forward, to: &Destination, out: &mut Vec<u8>) {
        let start = out.len();
        if let Some(target) = &to.target {
            out.extend_from_slice(target);
        } else {
            match &forward.target {
                Target::Exact(template) => {
                    self.eval(template, out);
                }
                Target::Received if !self.run.rewritten => {
                    let target = self.facts.head.target.of(&self.facts.buffer);
                    if !target.starts_with(b"/") {
                        out.push(b'/');
                    }
                    out.extend_from_slice(target);
                }
                Target::Replace { cut, with } if !self.run.moved => {
                    self.eval(with, out);
                    self.write_path(*cut as usize, out);
                }
                Target::Received | Target::Replace { .. } => self.write_path(0, out),
            }
        }
        // What was decoded and not encoded again would end the target, or the line: a space, a line end.
        if out[start..].iter().any(|&byte| byte <= b' ' || byte == 0x7f) {
            let raw = out.split_off(start);
            encode_controls(&raw, out);
        }
        if out.len() == start {
            out.push(b'/');
        }
    }

    /// The path from `cut` on, encoded if the received one was, and the query.
    fn write_path(&self, cut: usize, out: &mut Vec<u8>) {
        let rest = self.run.path.get(cut..).unwrap_or_default();
        if self.facts.received.escaped || self.run.internal {
            encode_path(rest, out);
        } else {
            out.extend_from_slice(rest);
        }
        if !self.run.query.is_empty() {
            out.push(b'?');
            out.extend_from_slice(&self.run.query);
        }
    }
}

/// Whether it can be a method (RFC 9110 § 9.1), as what configuration made it of may not be.
fn is_token(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// Whether a value can stand in a head (RFC 9110 § 5.5).
pub fn is_field_value(value: &[u8]) -> bool {
    let control = scan::first_control(value);
    control.is_none_or(|at| !value[at..].iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)))
}
