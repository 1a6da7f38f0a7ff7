//! Reason phrases and built-in pages, as nginx 1.22.1 sends them (observed for every status).

use crate::ir::{Attr, Config, Part, Template, Text};

/// Writes reasons, pages and the statuses that are sent as another one.
pub(super) fn provide(config: &mut Config) {
    config.reasons = REASONS.iter().map(|&(status, reason)| (status, reason.into())).collect();
    for &(status, reason) in REASONS.iter().filter(|(status, _)| has_page(*status)) {
        let title = match status {
            302 => "302 Found".to_owned(),
            401 => "401 Authorization Required".to_owned(),
            _ => format!("{status} {reason}"),
        };
        config.pages.push((status, page(&title, &title, "")));
    }
    // A slot that nothing uses holds the page of 404.
    config.pages.push((498, page("404 Not Found", "404 Not Found", "")));
    for &(status, what) in SPECIAL {
        let center = format!("<center>{what}</center>\r\n");
        config.pages.push((status, page(&format!("400 {what}"), "400 Bad Request", &center)));
        config.sent_as.push((status, 400));
    }
    config.pages.sort_by_key(|(status, _)| *status);
}

fn has_page(status: u16) -> bool {
    (301..600).contains(&status) && status != 304
}

fn page(title: &str, heading: &str, more: &str) -> Template {
    let mut page = Template::default();
    page.push(Part::Text(Text::from(format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n\
         <center><h1>{heading}</h1></center>\r\n{more}<hr><center>"
    ))));
    page.push(Part::Attr(Attr::ServerToken));
    page.push(Part::Text("</center>\r\n</body>\r\n</html>\r\n".into()));
    page
}

/// Faults of a request that have a status of their own until the answer is sent.
const SPECIAL: &[(u16, &str)] = &[
    (494, "Request Header Or Cookie Too Large"),
    (495, "The SSL certificate error"),
    (496, "No required SSL certificate was sent"),
    (497, "The plain HTTP request was sent to HTTPS port"),
];

const REASONS: &[(u16, &str)] = &[
    (200, "OK"),
    (201, "Created"),
    (202, "Accepted"),
    (204, "No Content"),
    (206, "Partial Content"),
    (301, "Moved Permanently"),
    (302, "Moved Temporarily"),
    (303, "See Other"),
    (304, "Not Modified"),
    (307, "Temporary Redirect"),
    (308, "Permanent Redirect"),
    (400, "Bad Request"),
    (401, "Unauthorized"),
    (402, "Payment Required"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (405, "Not Allowed"),
    (406, "Not Acceptable"),
    (408, "Request Time-out"),
    (409, "Conflict"),
    (410, "Gone"),
    (411, "Length Required"),
    (412, "Precondition Failed"),
    (413, "Request Entity Too Large"),
    (414, "Request-URI Too Large"),
    (415, "Unsupported Media Type"),
    (416, "Requested Range Not Satisfiable"),
    (421, "Misdirected Request"),
    (429, "Too Many Requests"),
    (500, "Internal Server Error"),
    (501, "Not Implemented"),
    (502, "Bad Gateway"),
    (503, "Service Temporarily Unavailable"),
    (504, "Gateway Time-out"),
    (505, "HTTP Version Not Supported"),
    (507, "Insufficient Storage"),
];
