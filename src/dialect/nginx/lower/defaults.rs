//! What is in force where nothing is written: nginx 1.22's defaults.

use std::{os::unix::ffi::OsStrExt as _, path::Path, time::Duration};

use super::{super::vars, Options, compress, limits};
use crate::ir::Part;
use crate::ir::{
    Attr, Block, Control, Edit, Handler, Name, Process, Protocol, Required, Settings, Template, Text,
    Upgrade,
    settings::{
        AccessLog, ErrorLog, Forwarding, Level, Listing, ListingForm, LogEscape, LogFormat, LogTarget, Retry,
        Rewriting, Telling,
    },
};
use crate::source::Span;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// Fields of an HTTP upstream's response that are not passed on.
/// Reference: <https://nginx.org/r/proxy_hide_header>
pub(super) const HIDDEN_HTTP: &[&str] = &[
    "Date",
    "Server",
    "X-Pad",
    "X-Accel-Expires",
    "X-Accel-Redirect",
    "X-Accel-Limit-Rate",
    "X-Accel-Buffering",
    "X-Accel-Charset",
];

/// Fields of a uwsgi response that are not passed on.
/// Reference: <https://nginx.org/r/uwsgi_hide_header>
pub(super) const HIDDEN_UWSGI: &[&str] =
    &["X-Accel-Expires", "X-Accel-Redirect", "X-Accel-Limit-Rate", "X-Accel-Buffering", "X-Accel-Charset"];

/// Fields of a response over `FastCGI` or SCGI that are not passed on.
/// Reference: <https://nginx.org/r/fastcgi_hide_header>, observed
pub(super) const HIDDEN_CGI: &[&str] = &[
    "Status",
    "X-Accel-Expires",
    "X-Accel-Redirect",
    "X-Accel-Limit-Rate",
    "X-Accel-Buffering",
    "X-Accel-Charset",
];

/// Fields of a gRPC response that are not passed on.
/// Reference: <https://nginx.org/r/grpc_hide_header>
pub(super) const HIDDEN_GRPC: &[&str] = &[
    "Date",
    "Server",
    "X-Accel-Expires",
    "X-Accel-Redirect",
    "X-Accel-Limit-Rate",
    "X-Accel-Buffering",
    "X-Accel-Charset",
];

/// Fields of a response over a protocol that are not passed on.
pub(super) fn hidden(protocol: Protocol) -> &'static [&'static str] {
    match protocol {
        Protocol::Http => HIDDEN_HTTP,
        Protocol::Uwsgi => HIDDEN_UWSGI,
        Protocol::FastCgi | Protocol::Scgi => HIDDEN_CGI,
        Protocol::Memcached => &[],
        Protocol::Grpc => HIDDEN_GRPC,
    }
}

/// Fields of a response that direct the server. Reference: <https://nginx.org/r/proxy_ignore_headers>
pub(super) const CONTROLS: &[(&str, Control)] = &[
    ("X-Accel-Redirect", Control::Redirect),
    ("X-Accel-Buffering", Control::Buffering),
    ("X-Accel-Limit-Rate", Control::LimitRate),
    ("X-Accel-Charset", Control::Charset),
    ("X-Accel-Expires", Control::Expires),
];

/// Those that count for a protocol: what is not buffered in any case cannot be asked to be.
pub(super) fn controls(protocol: Protocol) -> Vec<(Name, Control)> {
    let counts = |control: &Control| protocol != Protocol::Grpc || *control != Control::Buffering;
    let all = CONTROLS.iter().filter(|(_, control)| counts(control));
    all.map(|&(name, control)| (name.into(), control)).collect()
}

/// The edits of a request over gRPC where nothing else is written.
/// Observed: nginx 1.22.1 drops the last four; of `TE` see `grpc`.
pub(super) fn call_edits() -> Vec<Edit> {
    vec![
        Edit::Set("Host".into(), Template::attr(Attr::UpstreamAuthority)),
        Edit::Remove("Connection".into()),
        Edit::Remove("Keep-Alive".into()),
        Edit::Remove("Expect".into()),
        Edit::Remove("Upgrade".into()),
    ]
}

/// The edits of a request to an HTTP upstream where nothing else is written.
/// Observed: nginx 1.22.1 sends `Host` and `Connection: close` and drops the other four.
pub(super) fn request_edits() -> Vec<Edit> {
    vec![
        Edit::Set("Host".into(), Template::attr(Attr::UpstreamAuthority)),
        Edit::Set("Connection".into(), "close".into()),
        Edit::Remove("TE".into()),
        Edit::Remove("Keep-Alive".into()),
        Edit::Remove("Expect".into()),
        Edit::Remove("Upgrade".into()),
    ]
}

/// The process where nothing is written.
pub(super) fn process(options: &Options) -> Process {
    Process {
        workers: Some(1),
        connections: 512,
        user: options.root.then(|| ("nobody".into(), None)),
        pid_file: Some(options.prefix.join("logs/nginx.pid")),
        daemon: true,
        ..Process::default()
    }
}

/// The log format that exists without being written. Reference: <https://nginx.org/r/log_format>
pub(super) fn combined() -> LogFormat {
    let mut line = Template::default();
    let field = |name: &str| Attr::Field(name.into());
    for (text, attr) in [
        ("", Attr::ClientAddr),
        (" - ", Attr::User),
        (" [", Attr::TimeLocal),
        ("] \"", Attr::RequestLine),
        ("\" ", Attr::Status),
        (" ", Attr::ContentBytesSent),
        (" \"", field("referer")),
        ("\" \"", field("user_agent")),
    ] {
        line.push(Part::Text(text.into()));
        line.push(Part::Attr(attr));
    }
    line.push(Part::Text("\"".into()));
    LogFormat { name: "combined".into(), escape: LogEscape::Hex, line }
}

/// All settings.
pub(super) fn settings(options: &Options) -> Settings {
    let mut base = Settings {
        handler: Some(Handler::Files),
        prepare: Some(Block::default()),
        http: forwarding(options, "proxy_temp", Protocol::Http).into(),
        uwsgi: forwarding(options, "uwsgi_temp", Protocol::Uwsgi).into(),
        fastcgi: forwarding(options, "fastcgi_temp", Protocol::FastCgi).into(),
        scgi: forwarding(options, "scgi_temp", Protocol::Scgi).into(),
        memcached: forwarding(options, "memcached_temp", Protocol::Memcached).into(),
        grpc: forwarding(options, "proxy_temp", Protocol::Grpc).into(),
        ..Settings::default()
    };
    base.http.edits = Some(request_edits());
    base.fastcgi.upgrade = Some(Upgrade::Never);
    // What memcached answers goes to the client as it comes, and is all content.
    base.memcached.upgrade = Some(Upgrade::Never);
    base.memcached.controls = Some(Vec::new());
    base.memcached.buffering = Some(false);
    base.memcached.max_temp_file = Some(0);
    base.memcached.pass_content = Some(false);
    base.memcached.force_ranges = Some(true);
    // Content of both sides passes as it comes.
    base.grpc.version = Some(20);
    base.grpc.edits = Some(call_edits());
    base.grpc.upgrade = Some(Upgrade::Never);
    base.grpc.buffering = Some(false);
    base.grpc.request_buffering = Some(false);
    base.grpc.max_temp_file = Some(0);
    base.grpc.pass_trailers = Some(true);
    base.gzip = compress::defaults(1).into();
    base.gzip.version = Some(11);
    base.gzip.proxied = Some(Vec::new());
    base.limits = limits::defaults().into();
    base.listing = Listing {
        on: Some(false),
        form: Some(ListingForm::Html),
        exact_size: Some(true),
        local_time: Some(false),
        callback: Some(Template::attr(Attr::Param("callback".into()))),
        columns: Some(Vec::new()),
    }
    .into();
    base.rewriting = Rewriting {
        texts: Some(Vec::new()),
        once: Some(true),
        edits: Some(Vec::new()),
        max_line: Some(MIB),
        types: Some(vec!["text/html".into()]),
        keep_modified: Some(false),
        charset: Some(false),
        coded: Some(crate::ir::settings::Coded::Edit),
        keep_tag: Some(false),
        edits_first: Some(false),
        when: Some(None),
        before: Some(Text::new()),
        after: Some(Text::new()),
        around_types: Some(vec!["text/html".into()]),
        includes: Some(false),
        include_types: Some(vec!["text/html".into()]),
        include_silently: Some(false),
        include_value_length: Some(255),
        include_keeps_modified: Some(false),
        includes_forbidden: Some(false),
        include_in_turn: Some(false),
        tells_unmodified: Some(true),
        whole: Some(false),
        parts_last: Some(true),
        include_begin: Some(Text::new()),
        include_end: Some(Text::new()),
        include_message: Some(Text::new()),
        include_undefined: Some(Text::new()),
        include_time: Some(Text::new()),
        include_values: Some(
            vars::fixed_values().map(|(name, attr)| (name.into(), Template::attr(attr))).collect(),
        ),
    }
    .into();
    base.brotli = compress::defaults(6).into();
    base.zstd = compress::defaults(1).into();
    client(&mut base);
    content(&mut base, options);
    answer(&mut base, options);
    files_access_logs(&mut base, options);
    base
}

fn client(base: &mut Settings) {
    let client = &mut base.client;
    client.head_timeout = Some(seconds(60));
    client.head_buffer = Some(KIB);
    client.large_head_buffers = Some((4, 8 * KIB));
    client.ignore_invalid_fields = Some(true);
    client.underscores = Some(false);
    client.single_fields = Some(true);
    client.merge_slashes = Some(true);
    client.traced = Some(false);
    client.backslashes = Some(false);
    client.asterisk = Some(false);
    client.keep_slashes = Some(false);
    client.keepalive_timeout = Some(seconds(75));
    client.keepalive_announce = Some(None);
    client.close_after = Some(Vec::new());
    client.keepalive_when_asked = Some(false);
    client.keepalive_requests = Some(1000);
    client.keepalive_time = Some(seconds(3600));
    client.http2 = Some(false);
    client.http2_streams = Some(128);
    client.keepalive_min_timeout = Some(seconds(0));
    client.closing = Some(Vec::new());
    client.keepalive_disable = Some(vec!["msie6".into()]);
    client.send_timeout = Some(seconds(60));
    client.lingering = Some(1);
    client.lingering_time = Some(seconds(30));
    client.lingering_timeout = Some(seconds(5));
    client.reset_timed_out = Some(false);
    client.limit_rate = Some(Template::default());
    client.limit_rate_after = Some(Template::default());
    client.no_delay = Some(true);
    client.line_limit = Some(0);
    client.field_limit = Some(0);
    client.fields_limit = Some(0);
    client.redirects = Some(None);
    client.nested = Some(50);
    client.strict = Some(false);
    client.keep_expectant = Some(true);
}

fn content(base: &mut Settings, options: &Options) {
    let content = &mut base.content;
    content.max_length = Some(MIB);
    content.buffer_size = Some(16 * KIB);
    content.timeout = Some(seconds(60));
    content.temp_path = Some(options.prefix.join("client_body_temp"));
    content.in_file = Some(0);
    content.copies = Some(Vec::new());
    content.copies_content = Some(true);
}

fn answer(base: &mut Settings, options: &Options) {
    let answer = &mut base.answer;
    answer.server = Some(options.token.as_str().into());
    answer.on_response = Some(Vec::new());
    answer.errors = Some(Vec::new());
    answer.recursive_errors = Some(false);
    answer.first_error = Some(false);
    answer.absolute_redirect = Some(true);
    answer.port_in_redirect = Some(true);
    answer.host_name_in_redirect = Some(false);
    answer.in_order = Some(false);
    answer.chunked = Some(true);
    answer.types = Some(vec![
        ("html".into(), "text/html".into()),
        ("gif".into(), "image/gif".into()),
        ("jpg".into(), "image/jpeg".into()),
    ]);
    answer.default_type = Some("text/plain".into());
    answer.page_type = Some("text/html".into());
    answer.join_vary = Some(false);
    answer.raw_pages = Some(false);
    answer.dated_errors = Some(false);
    answer.head_pages_have_length = Some(true);
    answer.charset = Some(Template::default());
    answer.charset_types = Some(names(&[
        "text/html",
        "text/xml",
        "text/plain",
        "text/vnd.wap.wml",
        "application/javascript",
        "application/rss+xml",
    ]));
    answer.override_charset = Some(false);
    answer.source_charset = Some(Template::default());
    answer.identifier = Some(None);
    answer.etag = Some(true);
    answer.tag = Some(None);
    answer.tag_more = Some(Template::default());
    answer.default_language = Some(Text::new());
    answer.encodings = Some(Vec::new());
    answer.languages = Some(Vec::new());
    answer.charsets = Some(Vec::new());
    answer.forced_type = Some(None);
    answer.own_authority = Some(None);
    answer.contact = Some(Text::new());
    answer.signature = Some(Template::default());
    answer.announce_ranges = Some(false);
    answer.if_modified_since = Some(1);
    answer.conditional_text = Some(true);
    answer.max_ranges = Some(None);
    answer.empty_lengths = Some(true);
    answer.join_ranges = Some(false);
    answer.max_joined_ranges = Some(None);
    answer.max_reversed_ranges = Some(None);
    answer.part_size = Some(0);
    answer.modified = Some(None);
    answer.msie_padding = Some(true);
    answer.msie_refresh = Some(false);
    answer.hints = Some(Vec::new());
}

fn files_access_logs(base: &mut Settings, options: &Options) {
    let files = &mut base.files;
    files.root = Some(path_template(&options.prefix.join("html")));
    files.alias = Some(None);
    files.index = Some(vec!["index.html".into()]);
    files.known_types = Some(false);
    files.faults = Some(Vec::new());
    files.any_case = Some(false);
    files.log_missing = Some(true);
    files.random = Some(false);
    files.symlinks = Some(0);
    files.chunk = Some(32 * KIB);
    files.stepwise = Some(0);
    files.stepwise_from = Some(Template::default());
    files.changes = Some(Vec::new());
    files.change_access = Some(0o600);
    files.change_makes_folders = Some(false);
    files.change_depth = Some(0);

    let from = &mut base.client_address;
    from.told = Some(Telling::Field("X-Real-IP".into()));
    from.announcement_first = Some(false);
    from.trusted = Some(Vec::new());
    from.trusts_all = Some(false);
    from.chained = Some(false);
    from.loose = Some(true);
    from.only_public = Some(false);
    from.consumed = Some(false);
    from.passed = Some(None);
    from.passed_into = Some(None);

    base.access.rules = Some(Vec::new());
    base.access.satisfy_any = Some(false);
    base.access.gate = Some(None);
    base.access.required = Some(Required::default());
    base.access.credentials = Some(None);
    base.access.naming = Some(crate::ir::Naming::default());
    base.access.forbids_users = Some(false);
    base.access.realm = Some(None);
    base.access.passwords = Some(None);
    base.access.ask = Some(Text::new());
    base.access.learned = Some(Vec::new());
    base.access.refusal_delay = Some(seconds(0));
    base.access.link = Some(Template::default());
    base.access.link_text = Some(Template::default());
    base.access.link_secret = Some(Text::new());

    let logs = &mut base.logs;
    logs.access = Some(vec![AccessLog {
        to: LogTarget::File(path_template(&options.prefix.join("logs/access.log")), Span::NONE),
        format: combined(),
        when: None,
        buffer: 0,
        flush: None,
        gzip: None,
    }]);
    logs.errors = Some(vec![ErrorLog {
        to: LogTarget::File(path_template(&options.prefix.join("logs/error.log")), Span::NONE),
        level: Level::Error,
    }]);
    logs.lines = Some(None);
    logs.levels = Some(crate::ir::settings::Levels::default());
    logs.rewrite = Some(false);
    logs.subrequests = Some(false);
    logs.uninitialized = Some(true);

    let resolve = &mut base.resolve;
    resolve.servers = Some(Vec::new());
    resolve.valid = Some(None);
    resolve.timeout = Some(seconds(30));
    resolve.ipv4 = Some(true);
    resolve.ipv6 = Some(true);
}

fn forwarding(options: &Options, temp: &str, protocol: Protocol) -> Forwarding {
    Forwarding {
        version: Some(10),
        edits: Some(Vec::new()),
        params: Some(Vec::new()),
        omit_missing: Some(false),
        plain_names: Some(false),
        name_statuses: Some(false),
        needs_length: Some(false),
        modifiers: Some((0, 0)),
        packet_tail: Some(Text::default()),
        script_index: Some(Text::default()),
        script_split: Some(None),
        keep_connection: Some(false),
        fatal_stderr: Some(Vec::new()),
        key: Some(Template::default()),
        gzip_flag: Some(0),
        method: Some(Template::default()),
        content: Some(None),
        pass_fields: Some(true),
        pass_content: Some(true),
        hide: Some(names(hidden(protocol))),
        controls: Some(controls(protocol)),
        response_edits: Some(Vec::new()),
        upgrade: Some(Upgrade::Any),
        buffering: Some(true),
        buffer_size: Some(4 * KIB),
        buffers: Some((8, 4 * KIB)),
        busy_size: Some(8 * KIB),
        max_temp_file: Some(1024 * MIB),
        temp_write: Some(8 * KIB),
        temp_path: Some(options.prefix.join(temp)),
        join_repeated: Some(false),
        hide_nominated: Some(false),
        content_ahead: Some(0),
        once: Some(false),
        keep_interim: Some(false),
        request_buffering: Some(true),
        connect_timeout: Some(seconds(60)),
        send_timeout: Some(seconds(60)),
        read_timeout: Some(seconds(60)),
        cache: Some(Template::default()),
        cache_key: Some(None),
        cache_bypass: Some(Vec::new()),
        cache_skip: Some(Vec::new()),
        cache_valid: Some(Vec::new()),
        cache_min_uses: Some(1),
        cache_range_offset: Some(None),
        cache_stale: Some(Vec::new()),
        cache_methods: Some(vec!["GET".into(), "HEAD".into()]),
        cache_lock: Some(false),
        cache_lock_timeout: Some(seconds(5)),
        cache_lock_age: Some(seconds(5)),
        cache_revalidate: Some(false),
        cache_head_as_get: Some(true),
        cache_background: Some(false),
        cache_ignores: Some(Vec::new()),
        faults: Some(Vec::new()),
        retry: Some(vec![Retry::Error, Retry::Timeout]),
        tries: Some(0),
        retry_timeout: Some(seconds(0)),
        own_errors: Some(None),
        intercept_errors: Some(false),
        bind: Some(Template::default()),
        bind_transparent: Some(false),
        tcp_keepalive: Some(false),
        receive_buffer: Some(Template::default()),
        send_buffer: Some(Template::default()),
        store: Some(Template::default()),
        store_access: Some(0o600),
        limit_rate: Some(Template::default()),
        ignore_client_abort: Some(false),
        force_ranges: Some(false),
        pass_trailers: Some(false),
        tunnel_timeout: Some(None),
        ping: Some(Duration::ZERO),
        head_needed: Some(false),
        tls_forbidden: Some(false),
        tls_match_name: Some(false),
        tls_any_name: Some(false),
        tls_match_time: Some(false),
        tls_verify: Some(false),
        tls_verify_depth: Some(1),
        tls_name: Some(Template::default()),
        tls_server_name: Some(false),
        tls_trusted: Some(Vec::new()),
        tls_certificate: Some(None),
        tls_key: Some(None),
        tls_computed: Some(None),
        tls_versions: Some(vec![12, 13]),
        tls_passwords: Some(Vec::new()),
        tls_revoked: Some(None),
        tls_suites: Some(None),
        tls_groups: Some(None),
        tls_session_reuse: Some(true),
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn names(names: &[&str]) -> Vec<Name> {
    names.iter().map(|&name| name.into()).collect()
}

/// A path as a template without variables.
pub(super) fn path_template(path: &Path) -> Template {
    Template::text(Text::from(path.as_os_str().as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_setting_has_a_default() {
        let base = settings(&super::super::tests::options());
        let mut set = BTreeSet::new();
        base.each(&mut |group, field, _| {
            set.insert(format!("{group}.{field}"));
        });
        let groups: &[(&str, &[&str])] = &[
            ("client", crate::ir::settings::Client::FIELDS),
            ("content", crate::ir::settings::Content::FIELDS),
            ("answer", crate::ir::settings::Answer::FIELDS),
            ("files", crate::ir::settings::Files::FIELDS),
            ("access", crate::ir::settings::Access::FIELDS),
            ("logs", crate::ir::settings::Logs::FIELDS),
            ("resolve", crate::ir::settings::Resolve::FIELDS),
            ("http", Forwarding::FIELDS),
            ("uwsgi", Forwarding::FIELDS),
            ("fastcgi", Forwarding::FIELDS),
            ("scgi", Forwarding::FIELDS),
            ("memcached", Forwarding::FIELDS),
            ("grpc", Forwarding::FIELDS),
            ("gzip", crate::ir::settings::Compress::FIELDS),
            ("brotli", crate::ir::settings::Compress::FIELDS),
            ("rewriting", Rewriting::FIELDS),
            ("limits", crate::ir::settings::Limits::FIELDS),
            ("listing", Listing::FIELDS),
            ("zstd", crate::ir::settings::Compress::FIELDS),
        ];
        for (group, fields) in groups {
            for field in *fields {
                assert!(set.contains(&format!("{group}.{field}")), "no default for {group}.{field}");
            }
        }
    }
}
