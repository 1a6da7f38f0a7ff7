//! What holds where nothing is written: httpd's defaults, expanded.

use std::time::Duration;

use super::Options;
use crate::ir::{
    self, Template, Text,
    settings::{ErrorLog, Level, LogTarget, TagForm},
};

/// The process.
pub(super) fn process() -> ir::Process {
    ir::Process { workers: None, connections: 4096, ..ir::Process::default() }
}

/// The settings of a server that sets nothing.
pub(super) fn settings(options: &Options) -> ir::Settings {
    let mut set = ir::Settings::default();
    let minute = Duration::from_mins(1);
    let client = &mut set.client;
    client.head_timeout = Some(minute);
    client.head_buffer = Some(8190);
    client.large_head_buffers = Some((100, 8190));
    client.line_limit = Some(8190);
    client.field_limit = Some(8190);
    client.fields_limit = Some(100);
    client.ignore_invalid_fields = Some(false);
    client.underscores = Some(true);
    client.single_fields = Some(false);
    client.merge_slashes = Some(true);
    client.traced = Some(true);
    client.backslashes = Some(false);
    client.asterisk = Some(true);
    client.keep_slashes = Some(false);
    client.strict = Some(true);
    client.nested = Some(10);
    client.keepalive_timeout = Some(Duration::from_secs(5));
    client.close_after = Some(vec![400, 408, 411, 413, 414, 500, 501, 503]);
    client.keepalive_when_asked = Some(true);
    client.keepalive_announce = Some(Some(Duration::from_secs(5)));
    client.keepalive_requests = Some(100);
    client.http2 = Some(false);
    client.http2_streams = Some(100);
    client.keepalive_time = Some(Duration::from_hours(24 * 365));
    client.closing = Some(vec![400, 408, 411, 413, 414, 421, 500, 501, 503]);
    client.keepalive_min_timeout = Some(Duration::ZERO);
    client.send_timeout = Some(minute);
    client.lingering = Some(1);
    client.lingering_time = Some(Duration::from_secs(30));
    client.lingering_timeout = Some(Duration::from_secs(2));
    client.no_delay = Some(true);

    let content = &mut set.content;
    content.max_length = Some(1 << 30);
    content.buffer_size = Some(16 << 10);
    content.timeout = Some(minute);

    let answer = &mut set.answer;
    answer.server = Some(Text::from(options.token.clone()));
    answer.absolute_redirect = Some(true);
    answer.in_order = Some(true);
    answer.chunked = Some(true);
    answer.charset = Some(Template::default());
    answer.charset_types = Some(vec!["text/plain".into(), "text/html".into()]);
    answer.etag = Some(true);
    answer.announce_ranges = Some(true);
    answer.contact = Some("[no address given]".into());
    answer.tag = Some(Some(TagForm { inode: false, size: true, modified: true }));
    answer.join_vary = Some(true);
    answer.head_pages_have_length = Some(false);
    answer.page_type = Some("text/html; charset=iso-8859-1".into());
    answer.if_modified_since = Some(3);
    answer.conditional_text = Some(false);
    answer.dated_errors = Some(true);
    answer.raw_pages = Some(true);
    answer.first_error = Some(true);
    answer.max_ranges = Some(Some(200));
    answer.empty_lengths = Some(false);
    answer.join_ranges = Some(true);
    answer.max_joined_ranges = Some(Some(20));
    answer.max_reversed_ranges = Some(Some(20));
    answer.part_size = Some(0);

    set.files.root = Some(super::mapping::ROOT.into());
    set.files.log_missing = Some(true);
    set.files.chunk = Some(2 << 20);
    set.files.stepwise = Some(0);
    set.files.stepwise_from = Some(Template::default());
    set.files.changes = Some(Vec::new());
    set.files.change_access = Some(0o600);
    set.files.change_makes_folders = Some(false);
    set.files.change_depth = Some(0);

    set.logs.errors = Some(vec![ErrorLog { to: LogTarget::Stderr, level: Level::Warn }]);
    set.logs.lines = Some(Some(super::logs::usual()));
    set.logs.levels = Some(ir::settings::Levels::default());
    forwarding(&mut set.http, minute);
    forwarding(&mut set.uwsgi, minute);
    set.resolve.timeout = Some(Duration::from_secs(30));
    set.resolve.ipv4 = Some(true);
    set.resolve.ipv6 = Some(true);
    set
}

fn forwarding(set: &mut ir::settings::Forwarding, timeout: Duration) {
    set.version = Some(11);
    set.pass_fields = Some(true);
    set.pass_content = Some(true);
    set.buffering = Some(false);
    set.buffer_size = Some(8192);
    set.buffers = Some((8, 8192));
    set.busy_size = Some(16384);
    set.request_buffering = Some(false);
    set.connect_timeout = Some(timeout);
    set.send_timeout = Some(timeout);
    set.read_timeout = Some(timeout);
    set.tls_versions = Some(vec![12, 13]);
    set.tls_passwords = Some(Vec::new());
    set.tls_revoked = Some(None);
    set.tls_computed = Some(None);
    set.tls_suites = Some(None);
    set.tls_groups = Some(None);
    set.tls_session_reuse = Some(true);
}

/// Reason phrases as httpd has them.
pub(super) fn reasons() -> Vec<(u16, Text)> {
    let reason = |(status, reason): &(u16, &str)| (*status, Text::from(*reason));
    REASONS.iter().map(reason).collect()
}

const REASONS: &[(u16, &str)] = &[
    (100, "Continue"),
    (101, "Switching Protocols"),
    (102, "Processing"),
    (103, "Early Hints"),
    (200, "OK"),
    (201, "Created"),
    (202, "Accepted"),
    (203, "Non-Authoritative Information"),
    (204, "No Content"),
    (205, "Reset Content"),
    (206, "Partial Content"),
    (207, "Multi-Status"),
    (208, "Already Reported"),
    (226, "IM Used"),
    (300, "Multiple Choices"),
    (301, "Moved Permanently"),
    (302, "Found"),
    (303, "See Other"),
    (304, "Not Modified"),
    (305, "Use Proxy"),
    (307, "Temporary Redirect"),
    (308, "Permanent Redirect"),
    (400, "Bad Request"),
    (401, "Unauthorized"),
    (402, "Payment Required"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (405, "Method Not Allowed"),
    (406, "Not Acceptable"),
    (407, "Proxy Authentication Required"),
    (408, "Request Timeout"),
    (409, "Conflict"),
    (410, "Gone"),
    (411, "Length Required"),
    (412, "Precondition Failed"),
    (413, "Request Entity Too Large"),
    (414, "Request-URI Too Long"),
    (415, "Unsupported Media Type"),
    (416, "Requested Range Not Satisfiable"),
    (417, "Expectation Failed"),
    (421, "Misdirected Request"),
    (422, "Unprocessable Entity"),
    (423, "Locked"),
    (424, "Failed Dependency"),
    (425, "Too Early"),
    (426, "Upgrade Required"),
    (428, "Precondition Required"),
    (429, "Too Many Requests"),
    (431, "Request Header Fields Too Large"),
    (451, "Unavailable For Legal Reasons"),
    (500, "Internal Server Error"),
    (501, "Not Implemented"),
    (502, "Bad Gateway"),
    (503, "Service Unavailable"),
    (504, "Gateway Timeout"),
    (505, "HTTP Version Not Supported"),
    (506, "Variant Also Negotiates"),
    (507, "Insufficient Storage"),
    (508, "Loop Detected"),
    (510, "Not Extended"),
    (511, "Network Authentication Required"),
];
