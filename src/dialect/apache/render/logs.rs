//! Logs, types, character sets, compression and substitutions as Apache's directives.

use super::{Render, value::quote};
use crate::{
    ir::{
        Attr, Part, Template, Text,
        settings::{AccessLog, ClientAddress, ErrorLog, Level, LogFormat, LogTarget, Logs},
    },
    source::Span,
};

impl Render<'_, '_> {
    pub(super) fn access_logs(&mut self, logs: &[AccessLog], span: Span) {
        for AccessLog { to, format, when, buffer: _, flush: _, gzip } in logs {
            let target = match to {
                LogTarget::File(path, at) => {
                    if let Some(path) = crate::raise::text_of(path) {
                        path
                    } else {
                        self.losses.lose(*at, "a log whose name has variables", "`CustomLog` has one file");
                        continue;
                    }
                }
                LogTarget::Series(series, at) => {
                    let near = "`|/usr/bin/rotatelogs`";
                    self.losses.lose_near(
                        *at,
                        "files that follow each other",
                        "`CustomLog` has one file",
                        near,
                    );
                    series.folder.join(format!("{}.log", series.prefix)).display().to_string()
                }
                LogTarget::Stderr => "/dev/stderr".to_owned(),
                LogTarget::Syslog(_) => {
                    self.losses.lose_near(
                        span,
                        "the log to syslog",
                        "`CustomLog` writes to files and pipes",
                        "`CustomLog \"|/usr/bin/logger -t apache\"`",
                    );
                    continue;
                }
            };
            if gzip.is_some() {
                self.losses.lose(span, "the log's compression", "Apache writes plain text");
            }
            if when.is_some() {
                self.losses.lose_near(
                    span,
                    "the log's condition",
                    "it rests on a value",
                    "`CustomLog ... env=NAME`",
                );
            }
            let format = self.format(format, span);
            self.page.line(format!("CustomLog {} {format}", quote(&target)));
        }
    }

    fn format(&mut self, format: &LogFormat, span: Span) -> String {
        let LogFormat { name, escape: _, line } = format;
        if let Some(known) = crate::raise::log_name(format) {
            return known.to_owned();
        }
        let mut out = String::new();
        for part in &line.0 {
            match part {
                Part::Text(text) => out.push_str(&text.lossy().replace('%', "%%").replace('"', "\\\"")),
                Part::Attr(attr) => {
                    if let Some(text) = logged(attr) {
                        out.push_str(&text);
                    } else {
                        self.losses.lose(
                            span,
                            format!("{} in the log format `{}`", super::value::said(attr), name.lossy()),
                            "no format of Apache writes it",
                        );
                        out.push('-');
                    }
                }
                Part::Var(var) => {
                    let name = super::value::unique(self.config, *var);
                    out.push_str(&format!("%{{{name}}}e"));
                }
                Part::Capture(..) | Part::Escape(..) | Part::Start { .. } | Part::Rest { .. } => {
                    self.losses.lose(
                        span,
                        format!("a value in the log format `{}`", name.lossy()),
                        "no format of Apache writes it",
                    );
                    out.push('-');
                }
            }
        }
        format!("\"{out}\"")
    }

    pub(super) fn error_logs(&mut self, logs: &[ErrorLog], span: Span) {
        if logs.len() > 1 {
            self.losses.lose(span, "a second log of errors", "Apache has one");
        }
        let Some(ErrorLog { to, level }) = logs.last() else { return };
        match to {
            LogTarget::File(path, _) => {
                let path = self.path(path);
                self.page.line(format!("ErrorLog {}", quote(&path)));
            }
            LogTarget::Stderr => self.page.line("ErrorLog /dev/stderr"),
            LogTarget::Syslog(_) | LogTarget::Series(..) => self.page.line("ErrorLog syslog"),
        }
        let level = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Notice => "notice",
            Level::Warn => "warn",
            Level::Error => "error",
            Level::Crit => "crit",
            Level::Alert => "alert",
            Level::Emerg => "emerg",
        };
        if level != "warn" {
            self.page.line(format!("LogLevel {level}"));
        }
    }

    pub(super) fn types(&mut self, types: &[(Text, Text)], span: Span) {
        // The usual list is the server's own.
        if types.len() > 40 {
            self.losses.remark(span, "the list of types", "Apache's own mime.types takes its place");
            return;
        }
        let mut kinds: Vec<(&Text, Vec<String>)> = Vec::new();
        for (extension, kind) in types {
            match kinds.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, all)) => all.push(format!(".{}", extension.lossy())),
                None => kinds.push((kind, vec![format!(".{}", extension.lossy())])),
            }
        }
        for (kind, extensions) in kinds {
            self.page.line(format!("AddType {} {}", quote(&kind.lossy()), extensions.join(" ")));
        }
    }

    /// The type of files that have none by their names (2.4.71: a field that is set under `-z %{CONTENT_TYPE}` goes to files
    /// without a type, and neither to others nor to errors). Octets are what a client takes content without a type for
    /// (RFC 9110 § 8.3). Whether it can be said.
    pub(super) fn default_type(&mut self, kind: &Template) -> bool {
        let Some(text) = crate::raise::text_of(kind) else { return false };
        if !text.is_empty() && text != "application/octet-stream" {
            self.need("headers");
            self.page.line(format!("Header set Content-Type {} \"expr=-z %{{CONTENT_TYPE}}\"", quote(&text)));
        }
        true
    }

    pub(super) fn charset(&mut self, charset: &Template, span: Span) {
        match crate::raise::text_of(charset).as_deref() {
            Some("" | "off") => self.page.line("AddDefaultCharset Off"),
            Some(name) => self.page.line(format!("AddDefaultCharset {name}")),
            None => {
                self.losses.lose(span, "a character set with variables", "`AddDefaultCharset` has one name");
            }
        }
    }

    pub(super) fn compressed(&mut self, group: &str, on: bool, types: &[Text]) {
        let (module, filter) = match group {
            "gzip" => ("deflate", "DEFLATE"),
            "brotli" => ("brotli", "BROTLI_COMPRESS"),
            _ => {
                if on {
                    self.losses.lose(
                        Span::NONE,
                        format!("compression with {group}"),
                        "Apache has no module for it",
                    );
                }
                return;
            }
        };
        if !on {
            return;
        }
        self.need(module);
        self.need("filter");
        let types: Vec<_> = types.iter().map(|kind| kind.lossy().into_owned()).collect();
        if types.iter().any(|kind| kind == "*") {
            self.page.line(format!("SetOutputFilter {filter}"));
        } else {
            self.page.line(format!("AddOutputFilterByType {filter} {}", types.join(" ")));
        }
    }

    pub(super) fn substitutions(&mut self, texts: &[(Template, Template)], span: Span) {
        self.need("substitute");
        self.need("filter");
        self.page.line("AddOutputFilterByType SUBSTITUTE text/html");
        for (find, with) in texts {
            let (Some(find), Some(with)) = (crate::raise::text_of(find), crate::raise::text_of(with)) else {
                self.losses.lose(span, "a replacement with variables", "`Substitute` has fixed texts");
                continue;
            };
            let mark =
                ['|', '#', '~', '!'].into_iter().find(|mark| !find.contains(*mark) && !with.contains(*mark));
            match mark {
                Some(mark) => self
                    .page
                    .line(format!("Substitute {}", quote(&format!("s{mark}{find}{mark}{with}{mark}in")))),
                None => self.losses.lose(span, "a replacement", "every mark that could separate it is in it"),
            }
        }
    }

    pub(super) fn logs(&mut self, logs: &Logs, span: Span) {
        self.logs_of(logs, span);
    }
}

/// What a log writes for a property.
fn logged(attr: &Attr) -> Option<String> {
    Some(match attr {
        Attr::ClientAddr => "%a".to_owned(),
        Attr::PeerAddr => "%{c}a".to_owned(),
        Attr::User | Attr::KnownUser | Attr::ClaimedUser => "%u".to_owned(),
        Attr::TimeLocal => "%{%d/%b/%Y:%H:%M:%S %z}t".to_owned(),
        Attr::TimeIso8601 => "%{%Y-%m-%dT%H:%M:%S%z}t".to_owned(),
        Attr::Time(_, crate::ir::TimeForm::Log) => "%t".to_owned(),
        Attr::RequestLine => "%r".to_owned(),
        Attr::Status => "%>s".to_owned(),
        Attr::ContentBytesSent | Attr::ContentSent => "%B".to_owned(),
        Attr::BytesSent => "%O".to_owned(),
        Attr::RequestLength => "%I".to_owned(),
        Attr::Field(name) | Attr::FieldList(name) => {
            format!("%{{{}}}i", super::value::field_name(&name.lossy()))
        }
        Attr::SentField(name) => format!("%{{{}}}o", super::value::field_name(&name.lossy())),
        Attr::Cookie(name) => format!("%{{{}}}C", name.lossy()),
        Attr::Host | Attr::HostName => "%v".to_owned(),
        Attr::ServerPort => "%p".to_owned(),
        Attr::ServerAddr => "%A".to_owned(),
        Attr::Method => "%m".to_owned(),
        Attr::Path => "%U".to_owned(),
        Attr::Query => "%q".to_owned(),
        Attr::Protocol => "%H".to_owned(),
        Attr::Scheme => "%{REQUEST_SCHEME}x".to_owned(),
        Attr::Target => "%U%q".to_owned(),
        Attr::ProcessId => "%P".to_owned(),
        Attr::Took(crate::ir::TimeUnit::Micros) => "%D".to_owned(),
        Attr::Took(crate::ir::TimeUnit::Millis) => "%{ms}T".to_owned(),
        Attr::Took(crate::ir::TimeUnit::Seconds) => "%T".to_owned(),
        Attr::ClientPort => "%{remote}p".to_owned(),
        Attr::RequestId | Attr::NotedId => "%L".to_owned(),
        _ => return None,
    })
}

impl Render<'_, '_> {
    pub(super) fn client_address(&mut self, set: &ClientAddress, span: Span) {
        let ClientAddress {
            told,
            announcement_first,
            trusted,
            trusts_all,
            chained,
            loose,
            only_public,
            consumed,
            passed,
            passed_into,
        } = set;
        if let Some(v) = told {
            self.told(v, set, span);
        }
        // Said where the place is.
        let _ = (trusted, chained);
        self.left_out(
            "",
            &[
                ("client_address.announcement_first", announcement_first.is_some()),
                ("client_address.trusts_all", trusts_all.is_some()),
                ("client_address.loose", loose.is_some()),
                ("client_address.only_public", only_public.is_some()),
                ("client_address.consumed", consumed.is_some()),
                ("client_address.passed", passed.is_some()),
                ("client_address.passed_into", passed_into.is_some()),
            ],
            span,
        );
    }

    /// Whose address is the client's.
    pub(super) fn told(&mut self, told: &crate::ir::settings::Telling, set: &ClientAddress, span: Span) {
        use crate::ir::settings::Telling;
        self.need("remoteip");
        match told {
            Telling::Nowhere => return,
            Telling::Field(name) => self.page.line(format!("RemoteIPHeader {}", name.lossy())),
            Telling::Announcement => self.page.line("RemoteIPProxyProtocol On"),
        }
        for proxy in set.trusted.iter().flatten() {
            let range = crate::raise::network(proxy.range);
            if range == "unix:" {
                self.losses.lose(
                    span,
                    "a proxy on a socket of the file system",
                    "Apache listens on TCP alone",
                );
                continue;
            }
            self.page.line(format!("RemoteIPInternalProxy {range}"));
        }
    }
}
