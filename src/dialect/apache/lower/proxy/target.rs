//! URLs that requests are sent to: as written, as known by, and as a template of one request.

use super::super::{Cx, RULE};
use crate::{
    ir::{
        Attr, Base, Block, Escape, Forward, Handler, Jump, Part, Protocol, Scope, Settings, Step, Target,
        Template, Upstream,
    },
    source::Span,
};

/// Steps that send the request to `url` (without its query, which is that in force). The URL's path is encoded when
/// it is sent; `raw` sends it as it is, and the query only if it is part of it.
///
/// In a server's phase the steps have to leave the translation afterwards: see [`leave`].
pub(crate) fn forward(cx: &mut Cx, url: Template, raw: bool, span: Span) -> Vec<(Step, Span)> {
    let (at, file) = (cx.url(), cx.file());
    let mut name = Template::from("proxy:");
    name.0.push(Part::Var(at));
    let whole = Template::var(at);
    let sent = if raw {
        whole
    } else {
        Template(vec![
            Part::Escape(Escape::ForwardUrl, whole),
            Part::Attr(Attr::QueryMark),
            Part::Attr(Attr::Query),
        ])
    };
    let forward =
        Forward { protocol: Protocol::Http, tls: false, to: Upstream::Url(sent), target: Target::Received };
    let set = Settings { handler: Some(Handler::Forward(forward)), ..Settings::default() };
    let scope = Scope { base: Base::Current, set: Box::new(set) };
    let steps =
        vec![(Step::Assign { var: at, value: url }, span), (Step::Assign { var: file, value: name }, span)];
    vec![(Step::Do(Block { scope: Some(scope), steps, span, ..Block::default() }), span)]
}

/// The step that ends the translation of a path, in a server's phase.
pub(crate) fn leave(span: Span) -> (Step, Span) {
    (Step::Jump(Jump::Exit("translate".into())), span)
}

/// Text with `$0` to `$9` for the captures of [`RULE`]; whether there are any. `\$` is a dollar.
pub(super) fn with_captures(text: &[u8]) -> (Template, bool) {
    let mut template = Template::default();
    let (mut at, mut captures) = (0, false);
    let mut plain = Vec::new();
    while let Some(&byte) = text.get(at) {
        match (byte, text.get(at + 1)) {
            (b'\\', Some(next @ (b'$' | b'\\'))) => {
                plain.push(*next);
                at += 2;
            }
            (b'$', Some(digit)) if digit.is_ascii_digit() => {
                template.push(Part::Text(std::mem::take(&mut plain).into()));
                template.push(Part::Capture(RULE, digit - b'0'));
                captures = true;
                at += 2;
            }
            _ => {
                plain.push(byte);
                at += 1;
            }
        }
    }
    template.push(Part::Text(plain.into()));
    (template, captures)
}

/// Text with `${NAME}` for variables of the environment.
pub(super) fn interpolated(cx: &mut Cx, text: &[u8]) -> Template {
    let mut template = Template::default();
    let mut rest = text;
    while let Some(start) = memchr::memmem::find(rest, b"${") {
        let Some(length) = memchr::memchr(b'}', &rest[start..]) else { break };
        template.push(Part::Text(rest[..start].into()));
        template.push(Part::Var(cx.env(&rest[start + 2..start + length])));
        rest = &rest[start + length + 1..];
    }
    template.push(Part::Text(rest.into()));
    template
}

/// A URL taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// The path of a Unix socket in front of it.
    pub(crate) socket: Option<Vec<u8>>,
    /// In lower case.
    pub(crate) scheme: Vec<u8>,
    /// In lower case, without the scheme's own port.
    pub(crate) authority: Vec<u8>,
    /// From the first `/` on, if there is one.
    pub(crate) path: Vec<u8>,
}

impl Url {
    /// Reads `[unix:/path|]scheme://authority[/path]`.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let (socket, rest) = match text.split_at_checked(5) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case(b"unix:") => {
                let mark = memchr::memchr(b'|', rest)?;
                (Some(rest[..mark].to_vec()), &rest[mark + 1..])
            }
            _ => (None, text),
        };
        let colon = memchr::memchr(b':', rest)?;
        let scheme = rest[..colon].to_ascii_lowercase();
        let fine = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'+';
        if scheme.is_empty() || !scheme.iter().all(fine) {
            return None;
        }
        let behind = match (rest[colon + 1..].strip_prefix(b"//"), &socket) {
            (Some(behind), _) => behind,
            // `unix:/path|http:` is that scheme at localhost.
            (None, Some(_)) if rest.len() == colon + 1 => b"localhost",
            (None, _) => return None,
        };
        let end = memchr::memchr2(b'/', b'?', behind).unwrap_or(behind.len());
        let mut authority = behind[..end].to_ascii_lowercase();
        if let Some(at) = memchr::memrchr(b'@', &authority) {
            authority.drain(..=at);
        }
        let own = default_port(&scheme).map(|port| format!(":{port}"));
        if let Some(host) = own.and_then(|own| authority.strip_suffix(own.as_bytes()).map(<[u8]>::to_vec)) {
            authority = host;
        }
        Some(Self { socket, scheme, authority, path: behind[end..].to_vec() })
    }

    /// As it is known by and shown.
    pub(crate) fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        if let Some(socket) = &self.socket {
            text.extend_from_slice(b"unix:");
            text.extend_from_slice(socket);
            text.push(b'|');
        }
        text.extend_from_slice(&self.scheme);
        text.extend_from_slice(b"://");
        text.extend_from_slice(&self.authority);
        text.extend_from_slice(&self.path);
        text
    }
}

/// The port of a scheme that can be spoken.
pub(crate) fn default_port(scheme: &[u8]) -> Option<u16> {
    match scheme {
        b"http" | b"ws" | b"h2c" => Some(80),
        b"https" | b"wss" | b"h2" => Some(443),
        b"fcgi" => Some(8000),
        b"scgi" => Some(4000),
        b"uwsgi" => Some(3031),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_known_by_one_text() {
        for (text, expected) in [
            ("HTTP://Host:80/Path", Some("http://host/Path")),
            ("https://h:80", Some("https://h:80")),
            ("unix:/S|http:", Some("unix:/S|http://localhost")),
            ("balancer://Name/x", Some("balancer://name/x")),
            ("wss:/localhost:3000/", None),
            ("/x", None),
        ] {
            let read = Url::read(text.as_bytes()).map(|url| String::from_utf8(url.text()).unwrap());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn captures_are_seen() {
        let (template, captures) = with_captures(b"http://b/$1x\\$2");
        assert!(captures);
        assert_eq!(template.0.len(), 3);
        assert_eq!(template.0[2], Part::Text("x$2".into()));
        assert!(!with_captures(b"http://b/").1);
    }
}
