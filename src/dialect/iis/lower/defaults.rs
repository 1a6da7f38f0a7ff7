//! What is in force where nothing is written, reason phrases and pages.
//!
//! Values of sections come from the schema; here is what no section says. Reference: appendix, 9.1, 15.

use std::time::Duration;

use super::status::{FORWARD, NO_SERVER, own};
use crate::ir::{
    Block, Handler, Settings, Template, Text, Upgrade,
    settings::{Coded, ErrorLog, Fault, FileFault, Forwarding, Level, LogTarget, Retry, Rewriting},
};

const KIB: u64 = 1024;

/// What `Server` says where an upstream says nothing.
pub(super) const SERVER: &str = "Microsoft-IIS/10.0";

/// All settings.
pub(super) fn settings() -> Settings {
    let mut base =
        Settings { handler: Some(Handler::Files), prepare: Some(Block::default()), ..Settings::default() };
    let two_minutes = Duration::from_mins(2);
    let client = &mut base.client;
    client.head_timeout = Some(two_minutes);
    client.head_buffer = Some(2 * KIB);
    client.large_head_buffers = Some((2, 16 * KIB));
    client.ignore_invalid_fields = Some(false);
    client.underscores = Some(true);
    client.single_fields = Some(false);
    client.merge_slashes = Some(true);
    // Whoever has the handler for it answers (`TRACEVerbHandler`: 501).
    client.traced = Some(true);
    client.backslashes = Some(true);
    client.asterisk = Some(true);
    client.nested = Some(50);
    client.keep_slashes = Some(false);
    client.keepalive_timeout = Some(two_minutes);
    client.keepalive_announce = Some(None);
    client.close_after = Some(Vec::new());
    client.keepalive_when_asked = Some(true);
    client.keepalive_requests = Some(u64::MAX);
    client.http2_streams = Some(100);
    client.keepalive_time = Some(Duration::from_hours(24 * 365));
    client.keepalive_min_timeout = Some(Duration::ZERO);
    client.keepalive_disable = Some(Vec::new());
    client.send_timeout = Some(two_minutes);
    client.lingering = Some(1);
    client.lingering_time = Some(Duration::from_secs(30));
    client.lingering_timeout = Some(Duration::from_secs(5));
    client.no_delay = Some(true);

    base.content.max_length = Some(30_000_000);
    base.content.buffer_size = Some(48 * KIB);
    base.content.timeout = Some(two_minutes);
    base.content.temp_path = Some(std::env::temp_dir().join("triglot-content"));
    base.content.in_file = Some(0);

    let answer = &mut base.answer;
    answer.server = Some(SERVER.into());
    answer.on_response = Some(Vec::new());
    answer.errors = Some(Vec::new());
    answer.recursive_errors = Some(false);
    answer.first_error = Some(false);
    answer.absolute_redirect = Some(false);
    answer.chunked = Some(true);
    answer.types = Some(Vec::new());
    answer.default_type = Some(Template::default());
    answer.page_type = Some("text/html".into());
    answer.etag = Some(true);
    answer.if_modified_since = Some(2);
    answer.conditional_text = Some(false);
    answer.max_ranges = Some(Some(100));
    answer.empty_lengths = Some(true);
    answer.join_ranges = Some(false);
    answer.max_joined_ranges = Some(None);
    answer.max_reversed_ranges = Some(None);
    answer.part_size = Some(0);

    base.files.index = Some(Vec::new());
    base.files.alias = Some(None);
    base.files.known_types = Some(false);
    base.files.faults =
        Some(vec![(FileFault::UnknownType, own(404, 3)), (FileFault::NoListing, own(403, 14))]);
    base.files.any_case = Some(true);
    base.files.log_missing = Some(false);
    base.files.chunk = Some(32 * KIB);
    base.files.stepwise = Some(0);
    base.files.stepwise_from = Some(Template::default());
    base.files.changes = Some(Vec::new());
    base.files.change_access = Some(0o600);
    base.files.change_makes_folders = Some(false);
    base.files.change_depth = Some(0);

    base.access.rules = Some(Vec::new());
    base.logs.access = Some(Vec::new());
    base.logs.errors = Some(vec![ErrorLog { to: LogTarget::Stderr, level: Level::Warn }]);
    base.logs.lines = Some(None);
    base.logs.levels = Some(crate::ir::settings::Levels::default());
    base.logs.uninitialized = Some(false);
    base.resolve.timeout = Some(Duration::from_secs(30));
    base.resolve.ipv4 = Some(true);
    base.resolve.ipv6 = Some(true);
    base.http = forwarding().into();
    base.rewriting = Rewriting {
        texts: Some(Vec::new()),
        once: Some(false),
        edits: Some(Vec::new()),
        max_line: Some(KIB * KIB),
        types: Some(vec!["*".into()]),
        keep_modified: Some(false),
        keep_tag: Some(false),
        tells_unmodified: Some(false),
        whole: Some(true),
        parts_last: Some(false),
        edits_first: Some(false),
        when: Some(None),
        charset: Some(true),
        coded: Some(Coded::Pass),
        ..Rewriting::default()
    }
    .into();
    base
}

fn forwarding() -> Forwarding {
    let two_minutes = Duration::from_mins(2);
    Forwarding {
        version: Some(0),
        edits: Some(Vec::new()),
        pass_fields: Some(true),
        pass_content: Some(true),
        head_needed: Some(true),
        hide: Some(vec!["Date".into()]),
        response_edits: Some(Vec::new()),
        upgrade: Some(Upgrade::Only(vec!["websocket".into()])),
        buffering: Some(false),
        buffer_size: Some(64 * KIB),
        buffers: Some((8, 8 * KIB)),
        busy_size: Some(16 * KIB),
        max_temp_file: Some(0),
        temp_write: Some(16 * KIB),
        temp_path: Some(std::env::temp_dir().join("triglot-responses")),
        request_buffering: Some(false),
        connect_timeout: Some(two_minutes),
        send_timeout: Some(two_minutes),
        read_timeout: Some(two_minutes),
        // Reference 9.5: open sockets are not cut.
        tunnel_timeout: Some(Some(Duration::ZERO)),
        retry: Some(vec![Retry::Error]),
        faults: Some(
            [
                Fault::Unresolved,
                Fault::Unreachable,
                Fault::Tls,
                Fault::NoTls,
                Fault::SendTimeout,
                Fault::ReadTimeout,
                Fault::Closed,
                Fault::ClosedLater,
                Fault::InvalidHead,
            ]
            .into_iter()
            .map(|fault| (fault, FORWARD))
            .chain([(Fault::NoEndpoint, NO_SERVER)])
            .collect(),
        ),
        tries: Some(0),
        tls_verify: Some(true),
        // Reference 9.6: a wrong host name alone is accepted.
        tls_any_name: Some(true),
        tls_verify_depth: Some(9),
        tls_server_name: Some(true),
        tls_versions: Some(vec![12, 13]),
        tls_passwords: Some(Vec::new()),
        tls_revoked: Some(None),
        tls_computed: Some(None),
        tls_suites: Some(None),
        tls_groups: Some(None),
        tls_session_reuse: Some(true),
        ..Forwarding::default()
    }
}

/// Statuses with the phrase and the sentence that the original's pages have.
const PAGES: &[(u16, &str, &str)] = &[
    (400, "Bad Request", "The request could not be understood by the server."),
    (401, "Unauthorized", "You do not have permission to view this directory or page."),
    (403, "Forbidden", "You do not have permission to view this directory or page."),
    (
        404,
        "Not Found",
        "The resource you are looking for might have been removed, had its name changed, or is temporarily unavailable.",
    ),
    (
        405,
        "Method Not Allowed",
        "The page you are looking for cannot be displayed because an invalid method was used.",
    ),
    (
        406,
        "Not Acceptable",
        "The resource cannot be displayed because the file extension is not being accepted by your browser.",
    ),
    (408, "Request Timeout", "The request took too long."),
    (411, "Length Required", "The request needs a length."),
    (
        412,
        "Precondition Failed",
        "The request was not completed due to preconditions that are set in the request header.",
    ),
    (413, "Request Entity Too Large", "The content of the request is too large."),
    (414, "Request-URI Too Long", "The target of the request is too long."),
    (416, "Requested Range Not Satisfiable", "The range is not in the resource."),
    (417, "Expectation Failed", "The expectation of the request cannot be met."),
    (431, "Request Header Fields Too Large", "The header fields of the request are too large."),
    (
        500,
        "Internal Server Error",
        "There is a problem with the resource you are looking for, and it cannot be displayed.",
    ),
    (501, "Not Implemented", "Header values specify a method that is not implemented."),
    (
        502,
        "Bad Gateway",
        "Web server received an invalid response while acting as a gateway or proxy server.",
    ),
    (503, "Service Unavailable", "The service is unavailable."),
    (504, "Gateway Timeout", "The server behind this one did not answer in time."),
];

/// Phrases of statuses that have no page.
const PHRASES: &[(u16, &str)] = &[
    (101, "Switching Protocols"),
    (200, "OK"),
    (201, "Created"),
    (202, "Accepted"),
    (204, "No Content"),
    (206, "Partial Content"),
    (300, "Multiple Choices"),
    (301, "Moved Permanently"),
    (302, "Redirect"),
    (303, "See Other"),
    (304, "Not Modified"),
    (307, "Temporary Redirect"),
    (308, "Permanent Redirect"),
];

/// Reason phrases.
pub(super) fn reasons() -> Vec<(u16, Text)> {
    let pages = PAGES.iter().map(|(status, phrase, _)| (*status, Text::from(*phrase)));
    let mut all: Vec<_> =
        pages.chain(PHRASES.iter().map(|(status, phrase)| (*status, Text::from(*phrase)))).collect();
    all.sort();
    all
}

/// Pages of our own.
pub(super) fn pages() -> Vec<(u16, Template)> {
    let errors = PAGES.iter().map(|(status, phrase, sentence)| {
        let title = format!("{status} - {phrase}");
        (*status, page(&title, sentence))
    });
    let moved = [301, 302, 303, 307, 308]
        .map(|status| (status, page("Object Moved", "This document may be found elsewhere.")));
    errors.chain(moved).collect()
}

fn page(title: &str, sentence: &str) -> Template {
    Template::text(format!(
        "<!DOCTYPE html>\r\n<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<h2>{title}</h2>\r\n<p>{sentence}</p>\r\n</body>\r\n</html>\r\n"
    ))
}

/// Statuses of errors that have a page.
pub(super) fn error_statuses() -> Vec<u16> {
    PAGES.iter().map(|(status, ..)| *status).collect()
}

/// Their phrases and sentences.
pub(super) fn error_pages() -> impl Iterator<Item = (u16, &'static str, &'static str)> {
    PAGES.iter().copied()
}
