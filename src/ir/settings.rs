//! What is in force when a request is handled: one field per setting, in groups.
//!
//! Every group exists twice: as written (`Client`, all fields optional: `None`
//! is "not set here") and as in force (`ClientInForce`, all fields present),
//! both from one list by the macro [`settings!`].

use std::{path::PathBuf, time::Duration};

use serde::Serialize;

use super::{
    AddressRange, Block, ComputedCertificate, Control, Credentials, Edit, Handler, Hook, Join, Name, Naming,
    Pattern, Protocol, Required, Stale, Template, Text, Upgrade, Validity, VarId,
};

mod failure;
mod group;
mod place;
mod value;

pub use failure::{Fault, FileFault, Retry};
pub use group::{Group, Grouped};
pub use place::Places;
pub use value::{Setting, Value};

/// Makes a group of settings in both forms, with merge, access by key and a walk for printing.
macro_rules! settings {
    ($(#[$doc:meta])* $group:ident, $in_force:ident { $( $(#[$field_doc:meta])* $field:ident : $kind:ty, )* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize)]
        pub struct $group { $( $(#[$field_doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$kind>, )* }

        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $in_force { $( $(#[$field_doc])* pub $field: $kind, )* }

        impl $crate::ir::settings::Grouped for $group {
            fn nothing() -> &'static Self {
                static NOTHING: $group = $group { $( $field: None, )* };
                &NOTHING
            }

            fn lay(&mut self, over: &Self, accumulate: bool) {
                $( if let Some(value) = &over.$field {
                    match (&mut self.$field, accumulate) {
                        (Some(old), true) => old.accumulate(value),
                        (slot, _) => *slot = Some(value.clone()),
                    }
                } )*
            }
        }

        impl $group {
            /// The names of the fields, in order.
            pub const FIELDS: &'static [&'static str] = &[$(stringify!($field)),*];

            /// Whether nothing is set.
            pub fn is_empty(&self) -> bool {
                true $(&& self.$field.is_none())*
            }

            /// Lays itself over settings in force: what is set replaces, or extends lists when `accumulate`.
            pub fn lay_over(&self, in_force: &mut $in_force, accumulate: bool) {
                $( if let Some(value) = &self.$field {
                    if accumulate { in_force.$field.accumulate(value) } else { in_force.$field.clone_from(value) }
                } )*
            }

            /// Takes out what `base` sets to the same.
            pub fn subtract(&mut self, base: &Self) {
                $( if self.$field.is_some() && self.$field == base.$field { self.$field = None; } )*
            }

            /// All fields; what is set nowhere is the type's default.
            pub fn in_force(&self) -> $in_force {
                $in_force { $( $field: self.$field.clone().unwrap_or_default(), )* }
            }

            /// Stores a scalar under the name of a field; `false` when there is no such field or it takes no such value.
            pub fn set(&mut self, field: &str, value: &Value) -> bool {
                match field {
                    $( stringify!($field) => { let value = <$kind as Setting>::from_value(value); let known = value.is_some(); if known { self.$field = value; } known } )*
                    _ => false,
                }
            }

            /// Whether the field of this name is set.
            pub fn has(&self, field: &str) -> bool {
                match field { $( stringify!($field) => self.$field.is_some(), )* _ => false }
            }

            /// Visits the fields that are set, in order.
            pub fn each(&self, visit: &mut dyn FnMut(&'static str, &dyn Setting)) {
                $( if let Some(value) = &self.$field { visit(stringify!($field), value); } )*
            }
        }
    };
}

mod answer;
mod client_address;
mod compress;
mod error_lines;
mod identifier;

mod index_page;
mod limits;
mod listing;
mod logs;
mod negotiation;
mod rewriting;
mod subtract;

pub use answer::{Answer, AnswerInForce, TagForm};
pub use client_address::{ClientAddress, ClientAddressInForce, Telling, TrustedProxy};
pub use error_lines::{ErrorForm, ErrorLines, ErrorPiece, ErrorWord, Levels, Missing, Topic};
pub use identifier::{Identifier, Issue, Lifetime};
pub use index_page::{
    IndexBy, IndexChange, IndexMark, IndexMarks, IndexPage, IndexPageInForce, IndexSwitch, IndexSwitches,
};
pub use limits::{ConcurrencyLimit, Limits, LimitsInForce, RateLimit};
pub use listing::{Listing, ListingColumn, ListingForm, ListingInForce};
pub use logs::{
    AccessLog, ErrorLog, Level, LogEscape, LogFormat, LogTarget, Logs, LogsInForce, Period, Series, Syslog,
};
pub use negotiation::{Negotiation, NegotiationInForce};

pub use rewriting::{Coded, ContentEdit, ContentMatch, ContentPlace, Rewriting, RewritingInForce};

pub use compress::{Beside, Compress, CompressInForce, Proxied, TagChange};

settings! {
    /// The connection to the client.
    Client, ClientInForce {
        /// How long the request head may take.
        head_timeout: Duration,
        /// First buffer for a request head, bytes.
        head_buffer: u64,
        /// Further buffers for a request head: how many, and bytes in each; no line may be longer than one.
        large_head_buffers: (u32, u64),
        /// Whether a field with an invalid name is dropped (else it is refused or passed, as names allow).
        ignore_invalid_fields: bool,
        /// Whether `_` is allowed in field names.
        underscores: bool,
        /// Whether a repeated field is refused that stands once by its definition: `Expect`, `Authorization`,
        /// `Content-Range`, and those of conditions (RFC 9110 § 5.3). Else the first counts.
        single_fields: bool,
        /// Whether TRACE is a method like any other; else it is answered 405 before the program.
        traced: bool,
        /// Whether repeated slashes in the path count as one.
        merge_slashes: bool,
        /// Whether a backslash in the path that a client asks for is a slash, also where it is escaped.
        backslashes: bool,
        /// Whether `OPTIONS *` is a request, for the path `*`.
        asterisk: bool,
        /// Whether a slash that a client escaped stays as it wrote it, also where the path is sent on.
        keep_slashes: bool,
        /// How long a connection may be idle; zero closes after each response.
        keepalive_timeout: Duration,
        /// What the `Keep-Alive` field tells the client.
        keepalive_announce: Option<Duration>,
        /// Whether it is said that the connection is kept, and how many more requests it may carry, only to
        /// clients that ask for it.
        keepalive_when_asked: bool,
        /// Statuses after which it is closed.
        close_after: Vec<u16>,
        /// Requests that one connection may carry.
        keepalive_requests: u64,
        /// Age after which a connection is closed.
        keepalive_time: Duration,
        /// Whether HTTP/2 is spoken, too (RFC 9113), beside what listeners say of that.
        http2: bool,
        /// Streams that an HTTP/2 connection may carry at a time; 0 is 128.
        http2_streams: u64,
        /// On a graceful stop, how long an idle connection is kept for a last request.
        keepalive_min_timeout: Duration,
        /// Statuses of answers after which the connection is not kept.
        closing: Vec<u16>,
        /// `User-Agent` families whose connections are not kept: `msie6`, `safari`.
        keepalive_disable: Vec<Name>,
        /// Between two writes to the client.
        send_timeout: Duration,
        /// Whether to read on after the last response: 0 never, 1 when needed, 2 always.
        lingering: u8,
        /// For how long in all.
        lingering_time: Duration,
        /// And between two reads.
        lingering_timeout: Duration,
        /// Whether a connection that timed out is reset.
        reset_timed_out: bool,
        /// Bandwidth limit of a response, bytes per second; empty or `0` is none.
        limit_rate: Template,
        /// Bytes that are sent before the limit holds.
        limit_rate_after: Template,
        /// Send data at once (`TCP_NODELAY`).
        no_delay: bool,
        /// The longest request line, bytes; 0 is as long as a buffer.
        line_limit: u64,
        /// The longest field line, bytes; 0 is as long as a buffer.
        field_limit: u64,
        /// How many fields a request may have; 0 is no limit.
        fields_limit: u64,
        /// Whether heads are held to RFC 9112 and names of hosts to RFC 1123 also where everybody reads them alike: a
        /// host that is a number or has port 0, a `#` in the target, two spaces in a row, LF without CR, a field without
        /// a colon. A URL with another scheme than the connection's names no host. What is expected of us other than
        /// `100-continue` is not met (417).
        strict: bool,
        /// Whether a client that waits for `100 Continue` is kept also where its content is not wanted: an answer
        /// other than a status's page invites it to go on, and what it sends is read and thrown away. Otherwise the
        /// connection closes, and the response says so.
        keep_expectant: bool,
        /// How often one request may be redirected internally or repeat a part of its program.
        redirects: Option<u32>,
        /// How many requests of our own may lie between one of ours and the client's.
        nested: u8,
    }
}

settings! {
    /// The content of requests.
    Content, ContentInForce {
        /// The longest allowed, bytes; 0 is no limit.
        max_length: u64,
        /// Held in memory up to this, bytes; beyond it in a temporary file.
        buffer_size: u64,
        /// Between two reads of it.
        timeout: Duration,
        /// Where temporary files go.
        temp_path: PathBuf,
        /// Always in a file: 0 no, 1 kept afterwards, 2 removed afterwards.
        in_file: u8,
        /// Paths that a copy of each request is sent to, whose answers nobody waits for.
        copies: Vec<Text>,
        /// Whether copies have the content, which is read first then.
        copies_content: bool,
    }
}

settings! {
    /// Files.
    Files, FilesInForce {
        /// What paths are appended to.
        root: Template,
        /// A mapping instead of `root`.
        alias: Option<Alias>,
        /// Names tried for a path that ends in `/`; one that begins with `/` is redirected to untested.
        index: Vec<Template>,
        /// Whether a file is only there when its type is known.
        known_types: bool,
        /// Whether the case of names does not count, where no file has exactly the name.
        any_case: bool,
        /// Whether a file that is not there is an error in the log.
        log_missing: bool,
        /// Whether a path that ends in `/` is redirected to any of the files there.
        random: bool,
        /// Symbolic links: 0 followed, 1 refused, 2 refused when owners differ.
        symlinks: u8,
        /// Whether names are opened one component after another: 0 no; 1 and no symbolic link is followed; 2 and only
        /// those are that belong to whom what they lead to belongs to.
        stepwise: u8,
        /// What a name may begin with so that links in that are followed whatever they are; empty is nothing.
        stepwise_from: Template,
        /// Methods that change files: `PUT`, `DELETE`, `MKCOL`, `COPY`, `MOVE`.
        changes: Vec<Name>,
        /// Permissions of what they make.
        change_access: u32,
        /// Whether `PUT` makes folders that are missing.
        change_makes_folders: bool,
        /// Slashes that a path that is removed has at least, but for one at its end.
        change_depth: u32,
        /// Bytes read from a file at once.
        chunk: u64,
        /// Statuses for reasons to send no file, other than the usual ones (404, 403).
        faults: Vec<(FileFault, u16)>,
    }
}

settings! {
    /// Who may.
    Access, AccessInForce {
        /// The first rule that holds decides: whether it allows. None holding allows.
        rules: Vec<(AddressRange, bool)>,
        /// Whether one of several kinds of access control is enough.
        satisfy_any: bool,
        /// What a request must be whoever sends it: neither empty nor `0`; nothing written is no condition.
        gate: Option<Template>,
        /// What is required of a request or its user.
        required: Required,
        /// How users are known; `None` is not at all.
        credentials: Option<Credentials>,
        /// What is said of that, whatever asks for credentials: sections say it piece by piece.
        naming: Naming,
        /// Whether a known user who may not is told so, not asked for another name.
        forbids_users: bool,
        /// The realm that a user and a password are asked for in (RFC 7617 § 2), beside the rules; `off` asks for none.
        /// The rules, this and `ask` are looked at in turn, each lets pass, refuses or says nothing.
        realm: Option<Template>,
        /// The file with a line `user:hash` for each user; nothing written is no condition.
        passwords: Option<Template>,
        /// The path of a request of our own whose answer decides: 2xx lets pass, 401 and 403 refuse; empty asks
        /// nobody.
        ask: Text,
        /// Variables that take a value from that answer.
        learned: Vec<(VarId, Template)>,
        /// How long the answer to who is not known waits.
        refusal_delay: Duration,
        /// The signature that a link brings: an MD5 in Base64 for URLs, perhaps a comma and when its time is over.
        link: Template,
        /// What it has to be the digest of.
        link_text: Template,
        /// Instead of both: the digest, in hexadecimal digits, is the second part of the path and of what follows it,
        /// with this behind.
        link_secret: Text,
    }
}

settings! {
    /// Looking up names.
    Resolve, ResolveInForce {
        /// Name servers, `address:port`; none is the system's.
        servers: Vec<Text>,
        /// Instead of the lifetime in the answer.
        valid: Option<Duration>,
        /// For a look-up in all.
        timeout: Duration,
        /// Whether to ask for IPv4 addresses.
        ipv4: bool,
        /// Whether to ask for IPv6 addresses.
        ipv6: bool,
    }
}

settings! {
    /// Requests to upstreams and their responses; one set per protocol.
    Forwarding, ForwardingInForce {
        /// HTTP version, in tenths: 10 or 11; 0 is the client's, up to 11.
        version: u8,
        /// Edits of the request head.
        edits: Vec<Edit>,
        /// Variables of a gateway request: name, value, whether to leave it out when empty.
        params: Vec<(Name, Template, bool)>,
        /// Whether variables of a gateway request whose value is missing are left out, and of those of one name all but
        /// the last.
        omit_missing: bool,
        /// Whether request fields whose names hold anything but letters, digits and hyphens become no variables, nor
        /// do those that frame content.
        plain_names: bool,
        /// Whether a status that comes without its reason phrase is given with ours.
        name_statuses: bool,
        /// Whether content whose length is not known ahead is refused (411).
        needs_length: bool,
        /// The two modifiers of the uwsgi protocol.
        modifiers: (u8, u8),
        /// What stands in its packet behind the variables.
        packet_tail: Text,
        /// What follows a path that ends in `/` in the name of a gateway's program.
        script_index: Text,
        /// Splits the path: its first group is the name of a gateway's program, its second what follows. Without
        /// a match the whole path is the name.
        script_split: Option<Pattern>,
        /// Whether a gateway is asked to keep the connection after its answer.
        keep_connection: bool,
        /// Texts on the standard error of a gateway's program that make its answer an invalid head.
        fatal_stderr: Vec<Text>,
        /// The key to ask for, where the protocol has keys.
        key: Template,
        /// The flag of a stored value that says it is gzip-encoded; 0 is none.
        gzip_flag: u32,
        /// The method to send; empty keeps the request's.
        method: Template,
        /// Content to send instead of the request's.
        content: Option<Template>,
        /// Whether received fields are sent.
        pass_fields: bool,
        /// Whether content is sent.
        pass_content: bool,
        /// Fields of the response that are not passed on.
        hide: Vec<Name>,
        /// Fields of the response that direct us.
        controls: Vec<(Name, Control)>,
        /// Edits of the response head, before anything else.
        response_edits: Vec<Edit>,
        /// Which `101` answers become tunnels.
        upgrade: Upgrade,
        /// Whether a slow client is decoupled from the upstream.
        buffering: bool,
        /// Buffer for the response head, bytes.
        buffer_size: u64,
        /// Buffers for the response content: how many, and bytes in each.
        buffers: (u32, u64),
        /// How much of that may be on its way to the client.
        busy_size: u64,
        /// Largest temporary file, bytes; 0 is none.
        max_temp_file: u64,
        /// Bytes written to it at once.
        temp_write: u64,
        /// Where temporary files go.
        temp_path: PathBuf,
        /// Whether repeated fields of the request are sent as one, joined with `, `.
        join_repeated: bool,
        /// Whether fields of the response that its `Connection` names are not passed on.
        hide_nominated: bool,
        /// So much of the content is read before it is sent on as it comes; content that is whole by then is
        /// sent with its length.
        content_ahead: u64,
        /// Whether connections are not kept for other requests.
        once: bool,
        /// Whether interim answers other than `101` are kept from the client.
        keep_interim: bool,
        /// Whether the whole request content is read first.
        request_buffering: bool,
        /// For a connection to be there.
        connect_timeout: Duration,
        /// Between two writes to the upstream.
        send_timeout: Duration,
        /// Between two reads from it.
        read_timeout: Duration,
        /// What a failure is answered with, where that is not 502, or 504 for what took too long; 0 closes the
        /// connection.
        faults: Vec<(Fault, u16)>,
        /// What lets another endpoint be tried.
        retry: Vec<Retry>,
        /// How many may be tried; 0 is all.
        tries: u32,
        /// For how long; zero is no limit.
        retry_timeout: Duration,
        /// Statuses of the upstream, from and to, in whose place an answer of our own is sent.
        own_errors: Option<Vec<(u16, u16)>>,
        /// Whether recoveries apply to the upstream's statuses of 300 and above.
        intercept_errors: bool,
        /// Local address to connect from; empty is the system's choice.
        bind: Template,
        /// Whether that address need not be ours (`IP_TRANSPARENT`).
        bind_transparent: bool,
        /// TCP keep-alive on the connection.
        tcp_keepalive: bool,
        /// `SO_RCVBUF` of the connection, bytes; empty or `off` is the system's choice.
        receive_buffer: Template,
        /// `SO_SNDBUF` of it, likewise.
        send_buffer: Template,
        /// Bandwidth limit of reading from the upstream, bytes per second.
        limit_rate: Template,
        /// Whether to go on when the client left.
        ignore_client_abort: bool,
        /// Whether to answer ranges whatever the upstream said.
        force_ranges: bool,
        /// Whether trailers are passed on.
        pass_trailers: bool,
        /// The file that the content of a response with status 200 is copied to when all of it came; empty is none.
        store: Template,
        /// The permissions of that file; those of folders made for it follow from them.
        store_access: u32,
        /// The name of the cache that responses are kept in; empty or `off` is none.
        cache: Template,
        /// What a response is found by; `None` is scheme, authority and target as they are sent.
        cache_key: Option<Template>,
        /// Where one of these is neither empty nor `0` no kept response is sent.
        cache_bypass: Vec<Template>,
        /// Where one of these is, none is kept.
        cache_skip: Vec<Template>,
        /// How long responses are kept that do not say it themselves; the first that has the status counts.
        cache_valid: Vec<Validity>,
        /// A response is kept when it was asked for so often.
        cache_min_uses: u32,
        /// Ranges that begin behind this go to the upstream.
        cache_range_offset: Option<u64>,
        /// What lets a response be sent whose time is over.
        cache_stale: Vec<Stale>,
        /// The methods whose responses are kept.
        cache_methods: Vec<Name>,
        /// Whether only one request at a time asks for a response that is not there.
        cache_lock: bool,
        /// How long others wait before they ask for themselves.
        cache_lock_timeout: Duration,
        /// How long the one may take before another one asks.
        cache_lock_age: Duration,
        /// Whether the upstream is asked if a response whose time is over still holds.
        cache_revalidate: bool,
        /// Whether `HEAD` is answered by what `GET` brings.
        cache_head_as_get: bool,
        /// Whether what is over is sent at once and asked for meanwhile, where that is allowed.
        cache_background: bool,
        /// Fields of the response that say nothing to the cache.
        cache_ignores: Vec<Name>,
        /// How long a tunnel may be silent; `None` is as long as the upstream may be, zero for ever.
        tunnel_timeout: Option<Duration>,
        /// How often a client is asked through a silent WebSocket whether it is there (RFC 6455 § 5.5.2); zero is never.
        ping: Duration,
        /// Whether what begins with no head is no response; else it is one of HTTP/0.9.
        head_needed: bool,
        /// TLS: whether it may not be used.
        tls_forbidden: bool,
        /// TLS: whether the certificate has to have the name even where it is not verified; an address is none.
        tls_match_name: bool,
        /// TLS: whether a certificate that is verified may have another name.
        tls_any_name: bool,
        /// TLS: whether it has to be in its time even where it is not verified.
        tls_match_time: bool,
        /// TLS: whether the certificate is verified.
        tls_verify: bool,
        /// TLS: longest chain.
        tls_verify_depth: u32,
        /// TLS: the name verified and asked for; empty is the authority's host.
        tls_name: Template,
        /// TLS: whether the name is asked for (RFC 6066 § 3).
        tls_server_name: bool,
        /// TLS: PEM files of trusted certificates.
        tls_trusted: Vec<PathBuf>,
        /// TLS: PEM file of our certificate.
        tls_certificate: Option<PathBuf>,
        /// TLS: PEM file of its key.
        tls_key: Option<PathBuf>,
        /// TLS: our certificate and its key where their names depend on the request, in place of the files above.
        tls_computed: Option<ComputedCertificate>,
        /// TLS: versions, in tenths.
        tls_versions: Vec<u8>,
        /// TLS: files with the passwords of an encrypted key, one a line.
        tls_passwords: Vec<PathBuf>,
        /// TLS: PEM file of lists of certificates that were revoked.
        tls_revoked: Option<PathBuf>,
        /// TLS: suites, by number; of a version that has none here all that are spoken.
        tls_suites: Option<Vec<u16>>,
        /// TLS: groups for the exchange of keys, by number, preferred first; `None` is the library's choice.
        tls_groups: Option<Vec<u16>>,
        /// TLS: whether sessions are resumed.
        tls_session_reuse: bool,
    }
}

/// All settings as written.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Settings {
    /// Who answers. Not inherited by a route's nested routes unless the lowering says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handler: Option<Handler>,
    /// Steps run once access was granted, before the handler: `When`, `Do`, `Rewrite`, `Respond` and `Jump`.
    /// A path written there is where the file was found; the request is forwarded as if it were not rewritten.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prepare: Option<Block>,
    /// What is run at the phases of the program that have a name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<Hook>,
    /// The connection to the client.
    pub client: Group<Client>,
    /// The content of requests.
    pub content: Group<Content>,
    /// Answers of our own.
    pub answer: Group<Answer>,
    /// Files.
    pub files: Group<Files>,
    /// Who may.
    pub access: Group<Access>,
    /// Logs.
    pub logs: Group<Logs>,
    /// Looking up names.
    pub resolve: Group<Resolve>,
    /// Forwarding over HTTP.
    pub http: Group<Forwarding>,
    /// Forwarding over uwsgi.
    pub uwsgi: Group<Forwarding>,
    /// Forwarding over `FastCGI`.
    pub fastcgi: Group<Forwarding>,
    /// Forwarding over SCGI.
    pub scgi: Group<Forwarding>,
    /// Forwarding to memcached.
    pub memcached: Group<Forwarding>,
    /// Forwarding of gRPC.
    pub grpc: Group<Forwarding>,
    /// The coding `gzip`.
    pub gzip: Group<Compress>,
    /// The coding `br`.
    pub brotli: Group<Compress>,
    /// The coding `zstd`.
    pub zstd: Group<Compress>,
    /// What is rewritten in content.
    pub rewriting: Group<Rewriting>,
    /// How much may be asked for.
    pub limits: Group<Limits>,
    /// Listings of folders.
    pub listing: Group<Listing>,
    /// Listings in columns.
    pub index_page: Group<IndexPage>,
    /// Choosing among files.
    pub negotiation: Group<Negotiation>,
    /// Whose address is the client's.
    pub client_address: Group<ClientAddress>,
    /// Where they were written, as far as that is known.
    #[serde(skip)]
    pub places: Places,
}

impl Settings {
    /// Lays `over` on top: what it sets replaces, or extends lists when `accumulate`.
    pub fn lay(&mut self, over: &Self, accumulate: bool) {
        let Self {
            handler,
            prepare,
            hooks,
            client,
            content,
            answer,
            files,
            access,
            logs,
            resolve,
            http,
            uwsgi,
            fastcgi,
            scgi,
            memcached,
            grpc,
            gzip,
            brotli,
            zstd,
            rewriting,
            limits,
            listing,
            index_page,
            negotiation,
            client_address,
            places,
        } = over;
        if handler.is_some() {
            self.handler.clone_from(handler);
        }
        if prepare.is_some() {
            self.prepare.clone_from(prepare);
        }
        for hook in hooks {
            self.hook(hook);
        }
        self.client.lay(client, accumulate);
        self.content.lay(content, accumulate);
        let known = self.answer.errors.as_ref().map_or(0, Vec::len);
        self.answer.lay(answer, accumulate);
        // What is laid over counts first.
        if let Some(errors) = self.answer.errors.as_mut().filter(|_| accumulate && answer.errors.is_some()) {
            errors.rotate_left(known);
        }
        self.files.lay(files, accumulate);
        self.access.lay(access, accumulate);
        self.logs.lay(logs, accumulate);
        self.resolve.lay(resolve, accumulate);
        self.http.lay(http, accumulate);
        self.uwsgi.lay(uwsgi, accumulate);
        self.fastcgi.lay(fastcgi, accumulate);
        self.scgi.lay(scgi, accumulate);
        self.memcached.lay(memcached, accumulate);
        self.grpc.lay(grpc, accumulate);
        self.gzip.lay(gzip, accumulate);
        self.brotli.lay(brotli, accumulate);
        self.zstd.lay(zstd, accumulate);
        self.rewriting.lay(rewriting, accumulate);
        self.limits.lay(limits, accumulate);
        self.listing.lay(listing, accumulate);
        self.index_page.lay(index_page, accumulate);
        self.negotiation.lay(negotiation, accumulate);
        self.client_address.lay(client_address, accumulate);
        self.places.0.extend_from_slice(&places.0);
    }

    /// How requests are forwarded over a protocol.
    pub fn forwarding(&self, protocol: Protocol) -> &Forwarding {
        self.forwarding_group(protocol)
    }

    fn forwarding_group(&self, protocol: Protocol) -> &Group<Forwarding> {
        match protocol {
            Protocol::Http => &self.http,
            Protocol::Uwsgi => &self.uwsgi,
            Protocol::FastCgi => &self.fastcgi,
            Protocol::Scgi => &self.scgi,
            Protocol::Memcached => &self.memcached,
            Protocol::Grpc => &self.grpc,
        }
    }

    /// The same, to be written to.
    pub fn forwarding_mut(&mut self, protocol: Protocol) -> &mut Forwarding {
        match protocol {
            Protocol::Http => &mut self.http,
            Protocol::Uwsgi => &mut self.uwsgi,
            Protocol::FastCgi => &mut self.fastcgi,
            Protocol::Scgi => &mut self.scgi,
            Protocol::Memcached => &mut self.memcached,
            Protocol::Grpc => &mut self.grpc,
        }
    }

    /// Joins the blocks of a phase to those that are there.
    pub fn hook(&mut self, hook: &Hook) {
        let Some(known) = self.hooks.iter_mut().find(|known| known.phase == hook.phase) else {
            return self.hooks.push(hook.clone());
        };
        match hook.join {
            Join::Replace => *known = hook.clone(),
            Join::After => known.blocks.extend_from_slice(&hook.blocks),
            Join::Before => {
                known.blocks.splice(0..0, hook.blocks.iter().cloned());
            }
        }
    }

    /// Stores a scalar under `group.field`; `false` when there is no such setting or it takes no such value.
    pub fn set(&mut self, key: &str, value: &Value) -> bool {
        let Some((group, field)) = key.split_once('.') else { return false };
        match group {
            "client" => self.client.set(field, value),
            "content" => self.content.set(field, value),
            "answer" => self.answer.set(field, value),
            "files" => self.files.set(field, value),
            "access" => self.access.set(field, value),
            "logs" => self.logs.set(field, value),
            "resolve" => self.resolve.set(field, value),
            "gzip" => self.gzip.set(field, value),
            "brotli" => self.brotli.set(field, value),
            "zstd" => self.zstd.set(field, value),
            "rewriting" => self.rewriting.set(field, value),
            "limits" => self.limits.set(field, value),
            "listing" => self.listing.set(field, value),
            "index_page" => self.index_page.set(field, value),
            "negotiation" => self.negotiation.set(field, value),
            "client_address" => self.client_address.set(field, value),
            _ => Protocol::ALL
                .into_iter()
                .find(|protocol| protocol.group() == group)
                .is_some_and(|protocol| self.forwarding_mut(protocol).set(field, value)),
        }
    }

    /// Visits the scalar and list settings that are set, as group, field and value.
    pub fn each(&self, visit: &mut dyn FnMut(&'static str, &'static str, &dyn Setting)) {
        if let Some(of) = self.client.written() {
            of.each(&mut |field, value| visit("client", field, value));
        }
        if let Some(of) = self.content.written() {
            of.each(&mut |field, value| visit("content", field, value));
        }
        if let Some(of) = self.answer.written() {
            of.each(&mut |field, value| visit("answer", field, value));
        }
        if let Some(of) = self.files.written() {
            of.each(&mut |field, value| visit("files", field, value));
        }
        if let Some(of) = self.access.written() {
            of.each(&mut |field, value| visit("access", field, value));
        }
        if let Some(of) = self.logs.written() {
            of.each(&mut |field, value| visit("logs", field, value));
        }
        if let Some(of) = self.resolve.written() {
            of.each(&mut |field, value| visit("resolve", field, value));
        }
        for protocol in Protocol::ALL {
            if let Some(of) = self.forwarding_group(protocol).written() {
                of.each(&mut |field, value| visit(protocol.group(), field, value));
            }
        }
        if let Some(of) = self.gzip.written() {
            of.each(&mut |field, value| visit("gzip", field, value));
        }
        if let Some(of) = self.brotli.written() {
            of.each(&mut |field, value| visit("brotli", field, value));
        }
        if let Some(of) = self.zstd.written() {
            of.each(&mut |field, value| visit("zstd", field, value));
        }
        if let Some(of) = self.rewriting.written() {
            of.each(&mut |field, value| visit("rewriting", field, value));
        }
        if let Some(of) = self.limits.written() {
            of.each(&mut |field, value| visit("limits", field, value));
        }
        if let Some(of) = self.listing.written() {
            of.each(&mut |field, value| visit("listing", field, value));
        }
        if let Some(of) = self.index_page.written() {
            of.each(&mut |field, value| visit("index-page", field, value));
        }
        if let Some(of) = self.negotiation.written() {
            of.each(&mut |field, value| visit("negotiation", field, value));
        }
        if let Some(of) = self.client_address.written() {
            of.each(&mut |field, value| visit("client-address", field, value));
        }
    }
}

/// A mapping of paths to files other than by appending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alias {
    /// What stands in place of the prefix.
    pub with: Template,
    /// Length of the prefix in bytes; `None` when `with` is the whole file name.
    pub cut: Option<u32>,
    /// Whether it holds for a path that was rewritten since the route was entered; else no file is there for that.
    pub rewritten: bool,
}
