//! Logs, types, compression, parameters of gateways and substitutions as nginx's directives.

use super::{Render, size, time, value::quote};
use crate::{
    ir::{
        Attr, Name, Part, Template, Text,
        settings::{AccessLog, ErrorLog, Level, LogFormat, LogTarget, Syslog},
    },
    source::Span,
};

impl Render<'_, '_> {
    pub(super) fn access_logs(&mut self, logs: &[AccessLog], span: Span) {
        if logs.is_empty() {
            self.page.line("access_log off;");
        }
        for AccessLog { to, format, when, buffer, flush, gzip } in logs {
            let Some(target) = self.target(to, span) else { continue };
            let mut line = format!("access_log {target}");
            let LogFormat { name, escape: _, line: shape } = format;
            let known = crate::raise::log_name(format) == Some("combined") || is_combined(shape);
            if !known && crate::raise::log_name(format).is_some() && shape.0.len() < 3 {
                self.losses.lose_near(
                    span,
                    "the log format `common`",
                    "it is written elsewhere",
                    "`combined`, which is written",
                );
                self.page.line(format!("{line};"));
                continue;
            }
            if !known {
                match self.format(name, shape, span) {
                    Some(name) => line.push_str(&format!(" {name}")),
                    None => continue,
                }
            } else if *buffer > 0 || gzip.is_some() || when.is_some() {
                line.push_str(" combined");
            }
            if *buffer > 0 {
                line.push_str(&format!(" buffer={}", size(*buffer)));
            }
            if let Some(level) = gzip {
                line.push_str(&format!(" gzip={level}"));
            }
            if let Some(flush) = flush {
                line.push_str(&format!(" flush={}", time(*flush)));
            }
            if let Some(when) = when
                && let Some(when) = self.value(when, span)
            {
                line.push_str(&format!(" if={when}"));
            }
            self.page.line(format!("{line};"));
        }
    }

    fn target(&mut self, to: &LogTarget, span: Span) -> Option<String> {
        Some(match to {
            LogTarget::File(path, _) => quote(&self.value(path, span)?),
            LogTarget::Series(series, at) => {
                self.losses.lose(
                    *at,
                    "files that follow each other",
                    "nginx has one file, which logrotate turns",
                );
                quote(&series.folder.join(format!("{}.log", series.prefix)).display().to_string())
            }
            LogTarget::Stderr => "stderr".to_owned(),
            LogTarget::Syslog(Syslog { server, facility: _, severity: _, tag, host_name }) => {
                let mut text = format!("syslog:server={}", server.lossy());
                if !tag.is_empty() {
                    text.push_str(&format!(",tag={}", tag.lossy()));
                }
                if !host_name {
                    text.push_str(",nohostname");
                }
                text
            }
        })
    }

    /// A format of its own, for a server: it stands before all servers.
    fn format(&mut self, name: &Name, shape: &Template, span: Span) -> Option<String> {
        let text = match (super::Names { config: self.config, assigned: self.assigned }).value(shape) {
            Ok(text) => text,
            Err(why) => {
                let name = name.lossy().into_owned();
                self.losses.lose(span, format!("the log format `{name}`"), why);
                return None;
            }
        };
        let mut own = super::value::var_name(&name.lossy());
        if own.is_empty() || own == "combined" {
            own = format!("log{}", self.maps.len() + 1);
        }
        let lines = vec![format!("log_format {own} {};", quote_single(&text))];
        if !self.maps.iter().any(|(_, known)| *known == lines) {
            self.maps.push((own.clone(), lines));
        }
        Some(own)
    }

    pub(super) fn error_logs(&mut self, logs: &[ErrorLog], span: Span) {
        for ErrorLog { to, level } in logs {
            let Some(target) = self.target(to, span) else { continue };
            let level = match level {
                Level::Debug => " debug",
                Level::Info => " info",
                Level::Notice => " notice",
                Level::Warn => " warn",
                Level::Error => "",
                Level::Crit => " crit",
                Level::Alert => " alert",
                Level::Emerg => " emerg",
            };
            self.page.line(format!("error_log {target}{level};"));
        }
    }

    pub(super) fn types(&mut self, types: &[(Text, Text)], span: Span) {
        // The usual list comes in a file.
        if types.len() > 40 {
            self.page.line("include mime.types;");
            return;
        }
        let _ = span;
        let mut kinds: Vec<(&Text, Vec<String>)> = Vec::new();
        for (extension, kind) in types {
            match kinds.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, all)) => all.push(extension.lossy().into_owned()),
                None => kinds.push((kind, vec![extension.lossy().into_owned()])),
            }
        }
        self.page.open("types {");
        for (kind, extensions) in kinds {
            self.page.line(format!("{} {};", quote(&kind.lossy()), extensions.join(" ")));
        }
        self.page.close("}");
    }

    pub(super) fn compressed(&mut self, types: &[Text]) {
        if types.iter().any(|kind| kind.lossy() != "text/html") {
            self.listed("gzip_types", types);
        }
    }

    /// Types that something is for. Pages are always among them.
    pub(super) fn listed(&mut self, name: &str, types: &[Text]) {
        let all = types.iter().map(|kind| kind.lossy().into_owned());
        let others: Vec<_> = all.filter(|kind| kind != "text/html").collect();
        let words = if others.is_empty() { "text/html".to_owned() } else { others.join(" ") };
        self.page.line(format!("{name} {words};"));
    }

    pub(super) fn params(&mut self, prefix: &str, params: &[(Name, Template, bool)], span: Span) {
        for (name, value, unless_empty) in params {
            if let Some(value) = self.value(value, span) {
                let rest = if *unless_empty { " if_not_empty" } else { "" };
                self.page.line(format!("{prefix}_param {} {}{rest};", name.lossy(), quote(&value)));
            }
        }
    }

    pub(super) fn substitutions(&mut self, texts: &[(Template, Template)], span: Span) {
        for (find, with) in texts {
            if let (Some(find), Some(with)) = (self.value(find, span), self.value(with, span)) {
                self.page.line(format!("sub_filter {} {};", quote(&find), quote(&with)));
            }
        }
    }
}

/// Whether lines are those of the format that every nginx knows, however their time is written.
fn is_combined(line: &Template) -> bool {
    let attrs: Vec<&Attr> = line
        .0
        .iter()
        .filter_map(|part| match part {
            Part::Attr(attr) => Some(attr),
            _ => None,
        })
        .collect();
    let field = |attr: &Attr, name: &[u8]| matches!(attr, Attr::Field(known) | Attr::FieldList(known) if known.is_field(name) || known.0.eq_ignore_ascii_case(&name.iter().map(|byte| if *byte == b'-' { b'_' } else { *byte }).collect::<Vec<_>>()));
    match attrs.as_slice() {
        [
            Attr::ClientAddr,
            Attr::User | Attr::KnownUser | Attr::ClaimedUser,
            Attr::TimeLocal,
            Attr::RequestLine,
            Attr::Status,
            Attr::ContentBytesSent,
            referer,
            agent,
        ] => field(referer, b"referer") && field(agent, b"user-agent"),
        _ => false,
    }
}

fn quote_single(text: &str) -> String {
    if text.contains('\'') { super::value::quote_always(text) } else { format!("'{text}'") }
}

impl Render<'_, '_> {
    /// Whose address is the client's.
    pub(super) fn told(
        &mut self,
        told: &crate::ir::settings::Telling,
        set: &crate::ir::settings::ClientAddress,
        span: Span,
    ) {
        use crate::ir::settings::Telling;
        let name = match told {
            Telling::Nowhere => return,
            Telling::Field(name) => name.lossy().into_owned(),
            Telling::Announcement => "proxy_protocol".to_owned(),
        };
        for proxy in set.trusted.iter().flatten() {
            self.page.line(format!("set_real_ip_from {};", crate::raise::network(proxy.range)));
        }
        if set.trusted.as_ref().is_none_or(Vec::is_empty) && set.trusts_all == Some(true) {
            self.page.line("set_real_ip_from 0.0.0.0/0;");
        }
        self.page.line(format!("real_ip_header {name};"));
        if set.chained == Some(true) {
            self.page.line("real_ip_recursive on;");
        }
        let _ = span;
    }
}
