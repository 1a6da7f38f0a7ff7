//! `ErrorDocument`, and the pages that the server itself has.
//!
//! Observed (2.4.71): the text of an `ErrorDocument` may have variables in it; a path is redirected to internally, as
//! `GET`; a URL is redirected to with 302, but for 401, where it does not count; `default` is the server's own page.
//! The directive of the innermost section counts.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/core.html#errordocument>

use super::{
    super::{expr::lower as expr, tree::Directive, tree::Written},
    Cx, Lower, Section,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{self, Attr, Escape, Part, Recovery, RecoveryStatus, RecoveryTarget, Template},
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("ErrorDocument", error_document)];

/// `ErrorDocument status "text|/path|URL|default`
fn error_document(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let raw = directive.raw.trimmed();
    let bytes = raw.bytes();
    let end = bytes.iter().position(u8::is_ascii_whitespace).unwrap_or(bytes.len());
    let (code, rest) = (raw.slice(0..end), raw.slice(end..bytes.len()).trimmed());
    if rest.is_empty() {
        return cx.error("arguments", directive.head(), "ErrorDocument takes a status and a document");
    }
    let text = String::from_utf8_lossy(code.bytes()).into_owned();
    let number: u16 = text.parse().unwrap_or(0);
    // 500 stands for every number that it does not know.
    if !cx.config.reasons.iter().any(|(known, _)| *known == number) || !(300..600).contains(&number) {
        let message = format!("`{text}` is no status that an answer has in its place");
        return cx.report(Diagnostic::error("invalid-status", code.whole(), message));
    }
    let Some(to) = target(cx, &rest) else { return };
    let is_url = matches!(&to, RecoveryTarget::Redirect(to) if !begins_with_slash(to));
    if is_url && number == 401 {
        let message = "a URL in place of 401 is ignored: the client would never be asked for a password";
        return cx.warn("no-effect", rest.whole(), message);
    }
    let status = if is_url { RecoveryStatus::Set(302) } else { RecoveryStatus::Keep };
    let errors = section.set.answer.errors.get_or_insert_default();
    errors.retain(|known| known.statuses != [number]);
    errors.push(Recovery { statuses: vec![number], status, to });
}

fn begins_with_slash(template: &Template) -> bool {
    matches!(template.0.first(), Some(Part::Text(text)) if text.starts_with(b"/"))
}

/// What stands in place of an answer.
fn target(cx: &mut Cx, written: &Written) -> Option<RecoveryTarget> {
    let text = written.bytes();
    if let [quote @ (b'"' | b'\''), inner @ ..] = text {
        let end = if inner.last() == Some(quote) { inner.len() } else { inner.len() + 1 };
        let inner = written.slice(1..end);
        // What is quoted may be a path all the same: only a text has no slash or scheme at its beginning.
        if !(inner.bytes().starts_with(b"/") || has_scheme(inner.bytes())) {
            return Some(RecoveryTarget::Text(expr::template_of(cx, &unescaped(&inner))?));
        }
        return location(cx, &inner);
    }
    if text.eq_ignore_ascii_case(b"default") {
        return Some(RecoveryTarget::Page);
    }
    if text.starts_with(b"/") || has_scheme(text) {
        return location(cx, written);
    }
    Some(RecoveryTarget::Text(expr::template_of(cx, written)?))
}

fn location(cx: &mut Cx, written: &Written) -> Option<RecoveryTarget> {
    Some(RecoveryTarget::Redirect(expr::template_of(cx, written)?))
}

fn has_scheme(text: &[u8]) -> bool {
    let letters = text.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    letters > 0 && text[letters..].starts_with(b"://")
}

/// The text with `\"` as `"`.
fn unescaped(text: &Written) -> Written {
    let bytes = text.bytes();
    let mut out = Written::default();
    let mut from = 0;
    for at in memchr::memmem::find_iter(bytes, b"\\\"") {
        out.push(&bytes[from..at], text.span(from..at));
        from = at + 1;
    }
    out.push(&bytes[from..], text.span(from..bytes.len()));
    out
}

/// Gives the server its own pages.
pub(super) fn provide(cx: &mut Cx) {
    cx.config.base.answer.page_type = Some("text/html; charset=iso-8859-1".into());
    let statuses: Vec<(u16, ir::Text)> =
        cx.config.reasons.iter().filter(|(status, _)| *status >= 300 && *status != 304).cloned().collect();
    for (status, reason) in statuses {
        let page = page(cx, status, &reason);
        cx.config.pages.push((status, page));
    }
}

fn page(cx: &mut Cx, status: u16, reason: &[u8]) -> Template {
    let reason = String::from_utf8_lossy(reason).replace('\'', "&#39;");
    let mut page = Template::text(format!(
        "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\n\
         <html><head>\n<title>{status} {reason}</title>\n</head><body>\n<h1>{reason}</h1>\n"
    ));
    let escaped = |attr: Attr| Part::Escape(Escape::Html, Template::attr(attr));
    let mut rest = text(status);
    while let Some(at) = rest.find('{') {
        page.push(Part::Text(rest[..at].into()));
        let end = rest[at..].find('}').map_or(rest.len(), |end| at + end + 1);
        match &rest[at..end] {
            "{location}" => page.push(escaped(Attr::SentField("Location".into()))),
            "{method}" => page.push(escaped(Attr::Method)),
            _ => {
                for part in cx.meaning(&super::super::vars::Meaning::ServerAdmin).0 {
                    page.push(part);
                }
            }
        }
        rest = &rest[end..];
    }
    page.push(Part::Text(rest.into()));
    page.push(Part::Var(cx.own("@signature")));
    page.push(Part::Text("</body></html>\n".into()));
    page
}

/// What a page says, as answered by 2.4.71.
fn text(status: u16) -> &'static str {
    match status {
        301 | 302 | 307 | 308 => "<p>The document has moved <a href=\"{location}\">here</a>.</p>\n",
        303 => "<p>The answer to your request is located <a href=\"{location}\">here</a>.</p>\n",
        400 => "<p>Your browser sent a request that this server could not understand.<br />\n</p>\n",
        401 | 407 => {
            "<p>This server could not verify that you\nare authorized to access the document\nrequested.  \
             Either you supplied the wrong\ncredentials (e.g., bad password), or your\nbrowser doesn't understand \
             how to supply\nthe credentials required.</p>\n"
        }
        403 => "<p>You don't have permission to access this resource.</p>\n",
        404 => "<p>The requested URL was not found on this server.</p>\n",
        405 => "<p>The requested method {method} is not allowed for this URL.</p>\n",
        406 => {
            "<p>An appropriate representation of the requested resource could not be found on this server.</p>\n"
        }
        408 => "<p>Server timeout waiting for the HTTP request from the client.</p>\n",
        410 => {
            "<p>The requested resource is no longer available on this server and there is no forwarding \
             address.\nPlease remove all references to this resource.</p>\n"
        }
        411 => "<p>A request of the requested method {method} requires a valid Content-length.<br />\n</p>\n",
        412 => "<p>The precondition on the request for this URL evaluated to false.</p>\n",
        413 => {
            "The requested resource does not allow request data with {method} requests, or the amount of data \
             provided in\nthe request exceeds the capacity limit.\n"
        }
        414 => "<p>The requested URL's length exceeds the capacity\nlimit for this server.<br />\n</p>\n",
        415 => {
            "<p>The supplied request data is not in a format\nacceptable for processing by this resource.</p>\n"
        }
        416 => {
            "<p>None of the range-specifier values in the Range\nrequest-header field overlap the current \
             extent\nof the selected resource.</p>\n"
        }
        417 => {
            "<p>No expectation was seen, the Expect request-header \nfield was not presented by the \
             client.\n</p><p>Only the 100-continue expectation is supported.</p>\n"
        }
        421 => {
            "<p>The client needs a new connection for this\nrequest as the requested host name does not \
             match\nthe Server Name Indication (SNI) in use for this\nconnection.</p>\n"
        }
        422 => {
            "<p>The server understands the media type of the\nrequest entity, but was unable to process \
             the\ncontained instructions.</p>\n"
        }
        423 => {
            "<p>The requested resource is currently locked.\nThe lock must be released or proper \
             identification\ngiven before the method can be applied.</p>\n"
        }
        424 => {
            "<p>The method could not be performed on the resource\nbecause the requested action depended on \
             another\naction and that other action failed.</p>\n"
        }
        428 => "<p>The request is required to be conditional.</p>\n",
        429 => "<p>The user has sent too many requests\nin a given amount of time.</p>\n",
        431 => "<p>The server refused this request because\nthe request header fields are too large.</p>\n",
        451 => "<p>Access to this URL has been denied for legal reasons.<br />\n</p>\n",
        501 => "<p>{method} not supported for current URL.<br />\n</p>\n",
        502 => "<p>The proxy server received an invalid\nresponse from an upstream server.<br />\n</p>\n",
        503 => {
            "<p>The server is temporarily unable to service your\nrequest due to maintenance downtime or \
             capacity\nproblems. Please try again later.</p>\n"
        }
        504 => {
            "<p>The gateway did not receive a timely response\nfrom the upstream server or application.</p>\n"
        }
        507 => {
            "<p>The method could not be performed on the resource\nbecause the server is unable to store \
             the\nrepresentation needed to successfully complete the\nrequest.  There is insufficient free space \
             left in\nyour storage allocation.</p>\n"
        }
        508 => "<p>The server terminated an operation because\nit encountered an infinite loop.</p>\n",
        510 => {
            "<p>A mandatory extension policy in the request is not\naccepted by the server for this resource.</p>\n"
        }
        511 => "<p>The client needs to authenticate to gain\nnetwork access.</p>\n",
        _ => {
            "<p>The server encountered an internal error or\nmisconfiguration and was unable to complete\nyour \
             request.</p>\n<p>Please contact the server administrator at \n {admin} to inform them of the time this \
             error occurred,\n and the actions you performed just before this error.</p>\n<p>More information about \
             this error may be available\nin the server error log.</p>\n"
        }
    }
}
