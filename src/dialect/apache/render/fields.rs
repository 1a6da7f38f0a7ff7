//! Fields of responses, expiry and pages of errors as `Header`, `Expires...` and `ErrorDocument`.

use super::{
    Render,
    value::{Names, field_name, quote},
};
use crate::{
    ir::{
        Attr, Change, Edit, Expiry, Part, Pattern, Recovery, RecoveryStatus, RecoveryTarget, ReplyContent,
        Settings, Standing, Template, Test,
    },
    raise::{Act, Area, Item, Response, Server, responses, text_of},
    source::Span,
};

impl Render<'_, '_> {
    /// What responses get.
    pub(super) fn fields(&mut self, settings: &Settings, span: Span) {
        let Some(blocks) = &settings.answer.on_response else { return };
        let (edits, others) = responses(blocks, span);
        for at in others {
            self.losses.lose(at, "what is done when the answer is known", "it is no edit of a field");
        }
        let mut active = false;
        for Response { tests, always, edit, span } in edits {
            let condition = match self.condition(&tests, &edit) {
                Ok(condition) => condition,
                Err(why) => {
                    self.losses.lose(span, "a field on a condition", why);
                    continue;
                }
            };
            self.comments(span);
            self.edit(&edit, always, &condition, &tests, &mut active, span);
        }
    }

    fn condition(&self, tests: &[Test], edit: &Edit) -> Result<String, String> {
        if matches!(edit, Edit::Lifetime { .. } | Edit::Expires(_)) {
            return Ok(String::new());
        }
        let mut parts = Vec::new();
        for test in tests {
            parts.push(match test {
                Test::Status(statuses) => {
                    let all: Vec<_> =
                        statuses.iter().map(|status| format!("%{{REQUEST_STATUS}} == {status}")).collect();
                    if all.len() > 1 { format!("({})", all.join(" || ")) } else { all.concat() }
                }
                Test::Truthy(template) => match template.0.as_slice() {
                    [Part::Var(var)] => return self.env_only(tests, *var),
                    [Part::Attr(Attr::Https)] => "%{HTTPS} == 'on'".to_owned(),
                    _ => format!("-n \"{}\"", Names::expression(self.config, self.assigned).value(template)?),
                },
                test => self.expression(test)?,
            });
        }
        Ok(if parts.is_empty() { String::new() } else { format!(" \"expr={}\"", parts.join(" && ")) })
    }

    fn env_only(&self, tests: &[Test], var: crate::ir::VarId) -> Result<String, String> {
        if tests.len() > 1 {
            return Err("several conditions on variables".to_owned());
        }
        Ok(format!(" env={}", super::value::unique(self.config, var)))
    }

    /// A test as an expression.
    pub(super) fn expression(&self, test: &Test) -> Result<String, String> {
        let names = Names::expression(self.config, self.assigned);
        match test {
            Test::All(tests) if !tests.is_empty() => {
                let all: Result<Vec<_>, _> = tests.iter().map(|test| self.expression(test)).collect();
                Ok(format!("({})", all?.join(" && ")))
            }
            Test::Any(tests) if !tests.is_empty() => {
                let all: Result<Vec<_>, _> = tests.iter().map(|test| self.expression(test)).collect();
                Ok(format!("({})", all?.join(" || ")))
            }
            Test::Not(test) => Ok(format!("!({})", self.expression(test)?)),
            Test::Match { subject, pattern, .. } => {
                let Pattern { kind, text, ignore_case, groups: _ } = pattern;
                let (text, mut subject) = (text.lossy(), names.value(subject)?);
                if !(subject.starts_with("%{")
                    && subject.ends_with('}')
                    && subject.matches("%{").count() == 1)
                {
                    subject = format!("'{}'", subject.replace('\'', "\\'"));
                }
                let flag = if *ignore_case { "i" } else { "" };
                Ok(match kind {
                    crate::ir::Kind::Exact if !ignore_case => {
                        format!("{subject} == '{}'", text.replace('\'', "\\'"))
                    }
                    crate::ir::Kind::Exact => format!("{subject} =~ m#^{}$#i", super::value::escape(&text)),
                    crate::ir::Kind::Prefix => {
                        format!("{subject} =~ m#^{}#{flag}", super::value::escape(&text))
                    }
                    crate::ir::Kind::Suffix => {
                        format!("{subject} =~ m#{}$#{flag}", super::value::escape(&text))
                    }
                    crate::ir::Kind::Wildcard => return Err("a name with a wildcard".to_owned()),
                    crate::ir::Kind::Regex(_) => format!("{subject} =~ m#{text}#{flag}"),
                })
            }
            Test::Method(methods) => {
                let all: Vec<_> =
                    methods.iter().map(|name| format!("%{{REQUEST_METHOD}} == '{}'", name.lossy())).collect();
                Ok(if all.len() > 1 { format!("({})", all.join(" || ")) } else { all.concat() })
            }
            _ => Err("an expression of Apache does not ask this".to_owned()),
        }
    }

    fn edit(
        &mut self,
        edit: &Edit,
        always: bool,
        condition: &str,
        tests: &[Test],
        active: &mut bool,
        span: Span,
    ) {
        let table = if always { "always " } else { "" };
        // A response of ours has one field of a name; what comes from elsewhere may have more.
        let add = if self.proxied { "add" } else { "set" };
        let line = match edit {
            Edit::Set(name, value) => self.field_line(table, "set", &name.lossy(), value),
            Edit::Add(name, value) => self.field_line(table, add, &name.lossy(), value),
            Edit::Append(name, value) => self.field_line(table, "append", &name.lossy(), value),
            Edit::Remove(name) => Ok(format!("Header {table}unset {}", name.lossy())),
            Edit::Field { name, standing, change } => {
                let table = if *standing == Standing::Lasting { "always " } else { "" };
                let name = name.lossy().into_owned();
                match change {
                    Change::Set(value) => self.field_line(table, "set", &name, value),
                    Change::SetMissing(value) => self.field_line(table, "setifempty", &name, value),
                    Change::Add(value) => self.field_line(table, "add", &name, value),
                    Change::Append(value) => self.field_line(table, "append", &name, value),
                    Change::Merge(value) => self.field_line(table, "merge", &name, value),
                    Change::Remove => Ok(format!("Header {table}unset {name}")),
                    Change::Replace { pattern, with, all, .. } => text_of(with)
                        .map(|with| {
                            let star = if *all { "*" } else { "" };
                            format!(
                                "Header {table}edit{star} {name} {} {}",
                                quote(&pattern.text.lossy()),
                                quote(&with)
                            )
                        })
                        .ok_or_else(|| "its value has captures".to_owned()),
                    Change::Keep(_) => Err("it keeps a field for later".to_owned()),
                }
            }
            Edit::Expires(expiry) => {
                self.need("expires");
                if !std::mem::replace(active, true) && *expiry != Expiry::Off {
                    self.page.line("ExpiresActive On");
                }
                match expiry {
                    Expiry::FromNow(seconds) if *seconds >= 0 => {
                        Ok(format!("ExpiresDefault \"access plus {}\"", span_of_time(*seconds)))
                    }
                    Expiry::FromModified(seconds) => {
                        Ok(format!("ExpiresDefault \"modification plus {}\"", span_of_time(*seconds)))
                    }
                    Expiry::FromNow(_) | Expiry::Epoch => {
                        self.need("headers");
                        self.page.line("ExpiresDefault \"access\"");
                        Ok("Header set Cache-Control no-cache".to_owned())
                    }
                    Expiry::Max => Ok("ExpiresDefault \"access plus 10 years\"".to_owned()),
                    Expiry::Off => Ok("ExpiresActive Off".to_owned()),
                    Expiry::Daily(_) | Expiry::Read(_) | Expiry::ReadFromModified(_) => {
                        Err("it is known only when it is read".to_owned())
                    }
                }
            }
            Edit::Lifetime { seconds, from_modified } => {
                self.need("expires");
                if !std::mem::replace(active, true) {
                    self.page.line("ExpiresActive On");
                }
                let from = if *from_modified { "modification" } else { "access" };
                let kind = tests.iter().find_map(content_type);
                Ok(match kind {
                    Some(kind) => format!("ExpiresByType {kind} \"{from} plus {}\"", span_of_time(*seconds)),
                    None => format!("ExpiresDefault \"{from} plus {}\"", span_of_time(*seconds)),
                })
            }
            Edit::RemoveNominated
            | Edit::Received
            | Edit::Framing
            | Edit::Switch(_)
            | Edit::Reverse { .. }
            | Edit::CookieAttribute { .. }
            | Edit::Trailer(..)
            | Edit::Url { .. }
            | Edit::CookieDomain { .. }
            | Edit::CookiePath { .. }
            | Edit::CookieFlags { .. }
            | Edit::Echo(..) => Err("`Header` cannot do this".to_owned()),
        };
        match line {
            Ok(line) => {
                if line.starts_with("Header") {
                    self.need("headers");
                }
                self.page.line(format!("{line}{condition}"));
            }
            Err(why) => self.losses.lose(span, "an edit of the response", why),
        }
    }

    fn field_line(&self, table: &str, verb: &str, name: &str, value: &Template) -> Result<String, String> {
        Ok(format!("Header {table}{verb} {} {}", field_name(name), self.header_value(value)?))
    }

    /// A value of `Header` and `RequestHeader`.
    pub(super) fn header_value(&self, value: &Template) -> Result<String, String> {
        match value.0.as_slice() {
            [] => Ok("\"\"".to_owned()),
            [Part::Text(text)] => Ok(quote_always(&text.lossy().replace('%', "%%"))),
            [Part::Var(var)] => Ok(format!("%{{{}}}e", super::value::unique(self.config, *var))),
            _ => Ok(quote_always(&format!(
                "expr={}",
                Names::expression(self.config, self.assigned).value(value)?
            ))),
        }
    }

    /// Pages of errors.
    pub(super) fn errors(&mut self, area: &Area, server: &Server) {
        let Some(errors) = &area.settings.answer.errors else { return };
        for Recovery { statuses, status, to } in errors {
            let statuses = &crate::raise::statuses(self.config, statuses);
            let target = match to {
                RecoveryTarget::Redirect(path) => text_of(path).map(|path| quote(&path)),
                RecoveryTarget::Text(text) => text_of(text).map(|text| quote_always(&text)),
                RecoveryTarget::Page => Some("default".to_owned()),
                RecoveryTarget::Enter(name) => {
                    named_text(server, name).map(|text| quote_always(text.trim_end()))
                }
            };
            let shown: Vec<_> = statuses.iter().map(u16::to_string).collect();
            let (what, at) = self.notes.setting("answer.errors", area.span);
            let what = format!("{what} for {}", shown.join(", "));
            let Some(target) = target else {
                self.losses.lose(
                    at,
                    what,
                    "the page is known only when it is read, or another block answers",
                );
                continue;
            };
            if *status != RecoveryStatus::Keep {
                self.losses.lose(at, format!("{what}: another status"), "`ErrorDocument` keeps the status");
            }
            for status in statuses {
                if !is_known(*status) {
                    self.losses.lose(at, what.clone(), format!("Apache has no status {status}"));
                    continue;
                }
                self.page.line(format!("ErrorDocument {status} {target}"));
            }
        }
    }
}

/// Whether Apache has a status.
pub(super) fn is_known(status: u16) -> bool {
    matches!(status, 200..=208 | 226 | 300..=308 | 400..=417 | 421..=426 | 428 | 429 | 431 | 451 | 500..=508 | 510 | 511)
}

/// The text that a named block answers with.
fn named_text(server: &Server, name: &[u8]) -> Option<String> {
    let (_, area) = server.named.iter().find(|(known, _)| &**known == name)?;
    area.items.iter().find_map(|item| match item {
        Item::Rule(rule) => rule.acts.iter().find_map(|act| match act {
            Act::Reply(reply) => match &reply.content {
                ReplyContent::Text(text) => text_of(text),
                _ => None,
            },
            _ => None,
        }),
        Item::Place(_) => None,
    })
}

/// The type that a test asks of a response.
pub(super) fn content_type(test: &Test) -> Option<String> {
    let Test::Match { subject, pattern, .. } = test else { return None };
    let of =
        matches!(subject.0.as_slice(), [Part::Attr(Attr::SentField(name))] if name.is_field(b"content-type"));
    let text = pattern.text.lossy().into_owned();
    let inner = text.strip_prefix('^')?.split("[ \t]*").next()?;
    of.then(|| inner.replace('\\', ""))
}

/// A span of time in words.
fn span_of_time(seconds: i64) -> String {
    for (unit, name) in [
        (31_536_000, "year"),
        (2_592_000, "month"),
        (604_800, "week"),
        (86_400, "day"),
        (3600, "hour"),
        (60, "minute"),
    ] {
        if seconds != 0 && seconds % unit == 0 {
            let number = seconds / unit;
            return format!("{number} {name}{}", if number == 1 { "" } else { "s" });
        }
    }
    format!("{seconds} second{}", if seconds == 1 { "" } else { "s" })
}

/// In quotes.
pub(super) fn quote_always(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
