//! The pages of errors and redirects, and what they are signed with.
//!
//! The sentences are httpd's, byte for byte, since clients and monitors compare them; seen on 2.4.71.

use super::{super::tree::Directive, Cx, Lower, Section};
use crate::{
    diagnostic::Diagnostic,
    ir::{Attr, Escape, Failure, Part, Template, Test, Text, settings::Fault},
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] =
    &[("ServerAdmin", server_admin), ("ServerSignature", server_signature)];

/// `ServerAdmin address`
fn server_admin(_: &mut Cx, section: &mut Section, directive: &Directive) {
    if let [word] = directive.args.as_slice() {
        section.set.answer.contact = Some(Text::from(word.value.as_slice()));
    }
}

/// `ServerSignature On|Off|EMail`
fn server_signature(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let signature = if word.is("off") {
        Template::default()
    } else if word.is("on") {
        signed(Template::attr(Attr::OwnHost))
    } else if word.is("email") {
        signed(template("<a href=\"mailto:{contact}\">{host}</a>"))
    } else {
        let message = "ServerSignature: use one of: off | on | email";
        return cx.report(Diagnostic::error("invalid-value", word.span, message));
    };
    section.set.answer.signature = Some(signature);
}

/// The line under a page.
fn signed(name: Template) -> Template {
    let mut out = template("<hr>\n<address>{token} Server at ");
    for part in name.0.into_iter().chain(template(" Port {port}</address>\n").0) {
        out.push(part);
    }
    out
}

/// A text with `{...}` for what is known only when it is sent.
fn template(text: &str) -> Template {
    let mut out = Template::default();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        out.push(Part::Text(rest[..open].into()));
        let close = rest.find('}').unwrap_or(rest.len() - 1);
        let attr = match &rest[open + 1..close] {
            "method" => Attr::Method,
            "location" => Attr::SentField("Location".into()),
            "contact" => Attr::Contact,
            "upstream" => Attr::UpstreamAuthority,
            "token" => Attr::ServerToken,
            "port" => Attr::OwnPort,
            "expect" => Attr::Field("Expect".into()),
            _ => Attr::OwnHost,
        };
        out.push(Part::Escape(Escape::Html, Template::attr(attr)));
        rest = &rest[close + 1..];
    }
    out.push(Part::Text(rest.into()));
    out
}

/// What the pages of errors say of a further error on the way to an `ErrorDocument`.
pub(super) fn further(cx: &mut Cx) {
    let what = Template::attr(Attr::FurtherError);
    let mut text: Template = "<p>Additionally, a ".into();
    text.push(Part::Attr(Attr::FurtherError));
    text.push(Part::Text(
        "\nerror was encountered while trying to use an ErrorDocument to handle the request.</p>\n".into(),
    ));
    let said = cx.choice("@further", vec![(Test::Present(what), text)], Template::default());
    for (_, page) in cx.config.pages.iter_mut().filter(|(status, _)| *status >= 400) {
        if let Some(at) = page.0.iter().rposition(|part| *part == Part::Attr(Attr::Signature)) {
            page.0.insert(at, Part::Var(said));
        }
    }
}

/// The pages of all statuses that have a reason phrase.
pub(super) fn pages(reasons: &[(u16, Text)]) -> Vec<(u16, Template)> {
    // Observed: a rule that answers 200 has a page as well, which says what the others do that have no text.
    let pages = reasons.iter().filter(|(status, _)| *status >= 200 && !matches!(*status, 204 | 205 | 304));
    let pages = pages.map(|(status, reason)| (*status, page(*status, &reason.lossy())));
    pages.chain(REFUSALS.iter().map(|(own, reason, body)| (*own, page_with(400, reason, body)))).collect()
}

/// The reason phrases of those that are sent as another status.
pub(super) fn reasons() -> Vec<(u16, Text)> {
    REFUSALS.iter().map(|(own, reason, _)| (*own, Text::from(*reason))).collect()
}

/// Pages that tell why a request could not be sent on.
pub(super) fn failures() -> Vec<Failure> {
    const HEARD: &str = "The proxy server could not handle the request<p>Reason: <strong>";
    let told = |fault, status, before: &str, why: &str, after: &str| Failure {
        fault,
        status,
        reason: "Proxy Error".into(),
        page: page_with(status, "Proxy Error", &format!("{before}{HEARD}{why}</strong></p>{after}\n")),
    };
    let invalid = "<p>The proxy server received an invalid\r\nresponse from an upstream server.<br />\r\n";
    let unread = "Error reading from remote server";
    vec![
        told(Fault::Unresolved, 500, "", "DNS lookup failure for: {upstream}", "<p />"),
        told(Fault::Closed, 502, invalid, unread, "</p>"),
        told(Fault::ReadTimeout, 502, invalid, unread, "</p>"),
    ]
}

fn page(status: u16, reason: &str) -> Template {
    let own = BODIES.iter().find(|(statuses, _)| statuses.contains(&status));
    page_with(status, reason, own.map_or(FAILED, |(_, body)| *body))
}

fn page_with(status: u16, reason: &str, body: &str) -> Template {
    let mut out = template(&format!(
        "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\n\
         <html><head>\n<title>{status} {reason}</title>\n</head><body>\n<h1>{reason}</h1>\n{body}"
    ));
    out.push(Part::Attr(Attr::Signature));
    out.push(Part::Text("</body></html>\n".into()));
    out
}

/// What is sent as 400 and says more: heads that are too large, those with too many fields, and requests that went too
/// far.
pub(super) const REFUSALS: &[(u16, &str, &str)] = &[
    (
        494,
        "Bad Request",
        "<p>Your browser sent a request that this server could not understand.<br />\nSize of a request header field \
         exceeds server limit.</p>\n",
    ),
    (
        493,
        "Bad Request",
        "<p>Your browser sent a request that this server could not understand.<br />\nThe number of request header \
         fields exceeds this server's limit.</p>\n",
    ),
    (
        super::trace::UNREADABLE,
        "Proxy Error",
        "<p>Your browser sent a request that this server could not understand.<br />\nThe proxy server could not handle \
         the request<p>Reason: <strong>Max-Forwards request header could not be parsed</strong></p></p>\n",
    ),
    (
        super::trace::SPENT,
        "Proxy Error",
        "<p>Your browser sent a request that this server could not understand.<br />\nThe proxy server could not handle \
         the request<p>Reason: <strong>Max-Forwards has reached zero - proxy loop?</strong></p></p>\n",
    ),
];

const FAILED: &str = "<p>The server encountered an internal error or\nmisconfiguration and was unable to complete\n\
    your request.</p>\n<p>Please contact the server administrator at \n {contact} to inform them of the time this \
    error occurred,\n and the actions you performed just before this error.</p>\n<p>More information about this \
    error may be available\nin the server error log.</p>\n";

const BODIES: &[(&[u16], &str)] = &[
    (&[300], ""),
    (&[301, 302, 307, 308], "<p>The document has moved <a href=\"{location}\">here</a>.</p>\n"),
    (&[303], "<p>The answer to your request is located <a href=\"{location}\">here</a>.</p>\n"),
    (
        &[305],
        "<p>This resource is only accessible through the proxy\n<br />\nYou will need to configure your \
         client to use that proxy.</p>\n",
    ),
    (&[400], "<p>Your browser sent a request that this server could not understand.<br />\n</p>\n"),
    (
        &[401, 407],
        "<p>This server could not verify that you\nare authorized to access the document\nrequested.  Either you \
         supplied the wrong\ncredentials (e.g., bad password), or your\nbrowser doesn't understand how to supply\nthe \
         credentials required.</p>\n",
    ),
    (&[403], "<p>You don't have permission to access this resource.</p>\n"),
    (&[404], "<p>The requested URL was not found on this server.</p>\n"),
    (&[405], "<p>The requested method {method} is not allowed for this URL.</p>\n"),
    (
        &[406],
        "<p>An appropriate representation of the requested resource could not be found on this server.</p>\n",
    ),
    (&[408], "<p>Server timeout waiting for the HTTP request from the client.</p>\n"),
    (
        &[410],
        "<p>The requested resource is no longer available on this server and there is no forwarding address.\nPlease \
         remove all references to this resource.</p>\n",
    ),
    (&[411], "<p>A request of the requested method {method} requires a valid Content-length.<br />\n</p>\n"),
    (&[412], "<p>The precondition on the request for this URL evaluated to false.</p>\n"),
    (
        &[413],
        "The requested resource does not allow request data with {method} requests, or the amount of data provided \
         in\nthe request exceeds the capacity limit.\n",
    ),
    (&[414], "<p>The requested URL's length exceeds the capacity\nlimit for this server.<br />\n</p>\n"),
    (
        &[415],
        "<p>The supplied request data is not in a format\nacceptable for processing by this resource.</p>\n",
    ),
    (
        &[416],
        "<p>None of the range-specifier values in the Range\nrequest-header field overlap the current extent\nof the \
         selected resource.</p>\n",
    ),
    (
        &[417],
        "<p>The expectation given in the Expect request-header\nfield could not be met by this server.\nThe client \
         sent<pre>\n    Expect: {expect}\n</pre>\n</p><p>Only the 100-continue expectation is supported.</p>\n",
    ),
    (
        &[421],
        "<p>The client needs a new connection for this\nrequest as the requested host name does not match\nthe Server \
         Name Indication (SNI) in use for this\nconnection.</p>\n",
    ),
    (
        &[422],
        "<p>The server understands the media type of the\nrequest entity, but was unable to process the\ncontained \
         instructions.</p>\n",
    ),
    (
        &[423],
        "<p>The requested resource is currently locked.\nThe lock must be released or proper identification\ngiven \
         before the method can be applied.</p>\n",
    ),
    (
        &[424],
        "<p>The method could not be performed on the resource\nbecause the requested action depended on another\n\
         action and that other action failed.</p>\n",
    ),
    (
        &[426],
        "<p>The requested resource can only be retrieved\nusing SSL.  The server is willing to upgrade the current\n\
         connection to SSL, but your client doesn't support it.\nEither upgrade your client, or try requesting the \
         page\nusing https://\n",
    ),
    (&[428], "<p>The request is required to be conditional.</p>\n"),
    (&[429], "<p>The user has sent too many requests\nin a given amount of time.</p>\n"),
    (&[431], "<p>The server refused this request because\nthe request header fields are too large.</p>\n"),
    (&[451], "<p>Access to this URL has been denied for legal reasons.<br />\n</p>\n"),
    (&[501], "<p>{method} not supported for current URL.<br />\n</p>\n"),
    (&[502], "<p>The proxy server received an invalid\r\nresponse from an upstream server.<br />\r\n</p>\n"),
    (
        &[503],
        "<p>The server is temporarily unable to service your\nrequest due to maintenance downtime or capacity\n\
         problems. Please try again later.</p>\n",
    ),
    (
        &[504],
        "<p>The gateway did not receive a timely response\nfrom the upstream server or application.</p>\n",
    ),
    (
        &[506],
        "<p>A variant for the requested resource\n<pre>\n\n</pre>\nis itself a negotiable resource. This indicates a \
         configuration error.</p>\n",
    ),
    (
        &[507],
        "<p>The method could not be performed on the resource\nbecause the server is unable to store the\n\
         representation needed to successfully complete the\nrequest.  There is insufficient free space left in\nyour \
         storage allocation.</p>\n",
    ),
    (&[508], "<p>The server terminated an operation because\nit encountered an infinite loop.</p>\n"),
    (
        &[510],
        "<p>A mandatory extension policy in the request is not\naccepted by the server for this resource.</p>\n",
    ),
    (&[511], "<p>The client needs to authenticate to gain\nnetwork access.</p>\n"),
];
