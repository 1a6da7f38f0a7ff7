//! Fields of responses, expiry and pages of errors as `add_header`, `expires` and `error_page`.

use super::{
    Render,
    value::{quote, quote_always, regex},
};
use crate::{
    ir::{
        Attr, Change, Edit, Expiry, Kind, Part, Pattern, Recovery, RecoveryStatus, RecoveryTarget, Settings,
        Standing, Template, Test,
    },
    raise::{Response, responses, text_of},
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
        let mut by_type: Vec<(String, i64)> = Vec::new();
        for Response { tests, always, edit, span } in edits {
            if let Edit::Lifetime { seconds, .. } = &edit
                && let Some(kind) = tests.iter().find_map(content_type)
            {
                by_type.push((kind, *seconds));
                continue;
            }
            let tests: Vec<&Test> =
                tests.iter().filter(|test| !is_usual(test) && !always_holds(test)).collect();
            if !tests.is_empty() {
                self.conditional(&tests, &edit, always, span);
                continue;
            }
            self.comments(span);
            self.edit(&edit, always, span);
        }
        if !by_type.is_empty() {
            self.expires_by_type(&by_type, span);
        }
    }

    /// A field on a condition is one whose value is empty when it does not hold.
    fn conditional(&mut self, tests: &[&Test], edit: &Edit, always: bool, span: Span) {
        let (name, value) = match edit {
            Edit::Add(name, value) | Edit::Set(name, value) => (name.clone(), value.clone()),
            Edit::Field { name, change: Change::Set(value) | Change::Add(value), .. } => {
                (name.clone(), value.clone())
            }
            _ => return self.losses.lose(span, self.named(span), "an edit on a condition"),
        };
        let always = always && !matches!(edit, Edit::Field { standing: Standing::Own, .. });
        let [one] = tests else {
            return self.losses.lose(span, self.named(span), "a field on several conditions");
        };
        let (subject, pattern, not) = match one {
            Test::Match { subject, pattern, .. } => (subject, pattern.clone(), false),
            Test::Not(inner) => match &**inner {
                Test::Match { subject, pattern, .. } => (subject, pattern.clone(), true),
                _ => return self.losses.lose(span, self.named(span), "a field on a condition"),
            },
            Test::Truthy(subject) => (subject, Pattern::regex("^(?!0?$)", false), false),
            _ => return self.losses.lose(span, self.named(span), "a field on a condition"),
        };
        let (Some(key), Some(value)) = (self.value(subject, span), self.value(&value, span)) else { return };
        let var = self.fresh(&name.lossy());
        let row = super::group::key(&pattern);
        let (yes, no) =
            if not { ("\"\"".to_owned(), quote(&value)) } else { (quote(&value), "\"\"".to_owned()) };
        let mut lines = vec![format!("map {key} ${var} {{"), format!("    {row} {yes};")];
        if pattern.kind != Kind::Exact && super::group::takes_empty(&pattern) {
            lines.push(format!("    '' {yes};"));
        }
        lines.extend([format!("    default {no};"), "}".to_owned()]);
        self.maps.push((var.clone(), lines));
        let always = if always { " always" } else { "" };
        self.page.line(format!("add_header {} ${var}{always};", name.lossy()));
    }

    /// A name that no variable has.
    pub(super) fn fresh(&self, hint: &str) -> String {
        let base = super::value::var_name(hint);
        let taken = |name: &str| {
            self.maps.iter().any(|(known, _)| known == name)
                || self.config.vars.iter().any(|var| super::value::var_name(&var.name.lossy()) == name)
        };
        let mut name = base.clone();
        let mut at = 2;
        while taken(&name) {
            name = format!("{base}_{at}");
            at += 1;
        }
        name
    }

    fn expires_by_type(&mut self, kinds: &[(String, i64)], span: Span) {
        let var = self.fresh("expires");
        let mut lines = vec![format!("map $sent_http_content_type ${var} {{"), "    default off;".to_owned()];
        for (kind, seconds) in kinds {
            lines.push(format!(
                "    {} {};",
                regex(&format!("~^{}", super::value::escape(kind))),
                expires(*seconds)
            ));
        }
        lines.push("}".to_owned());
        self.maps.push((var.clone(), lines));
        let _ = span;
        self.page.line(format!("expires ${var};"));
    }

    fn edit(&mut self, edit: &Edit, always: bool, span: Span) {
        let line = match edit {
            Edit::Add(name, value) => self.add(&name.lossy(), value, always, span),
            Edit::Set(name, value) => self.add(&name.lossy(), value, always, span),
            Edit::Field { name, standing, change } => {
                let name = name.lossy().into_owned();
                let always = *standing == Standing::Lasting;
                match change {
                    Change::Set(value) | Change::Add(value) | Change::SetMissing(value) => {
                        self.add(&name, value, always, span)
                    }
                    Change::Append(value) | Change::Merge(value) => self.add(&name, value, always, span),
                    Change::Remove => Some(format!("proxy_hide_header {name};")),
                    Change::Replace { .. } | Change::Keep(_) => {
                        self.losses.lose(
                            span,
                            self.named(span),
                            "nginx changes no value of a response field",
                        );
                        None
                    }
                }
            }
            Edit::Remove(name) => Some(format!("proxy_hide_header {};", name.lossy())),
            Edit::Append(name, value) => self.add(&name.lossy(), value, always, span),
            Edit::Trailer(name, value) => self
                .value(value, span)
                .map(|value| format!("add_trailer {} {};", name.lossy(), quote(&value))),
            Edit::Expires(expiry) => Some(match expiry {
                Expiry::FromNow(seconds) => format!("expires {};", expires(*seconds)),
                Expiry::FromModified(seconds) => format!("expires modified {};", expires(*seconds)),
                Expiry::Daily(seconds) => format!("expires @{}h{:02}m;", seconds / 3600, seconds / 60 % 60),
                Expiry::Epoch => "expires epoch;".to_owned(),
                Expiry::Max => "expires max;".to_owned(),
                Expiry::Off => "expires off;".to_owned(),
                Expiry::Read(value) | Expiry::ReadFromModified(value) => match self.value(value, span) {
                    Some(value) if matches!(expiry, Expiry::Read(_)) => format!("expires {value};"),
                    Some(value) => format!("expires modified {value};"),
                    None => return,
                },
            }),
            Edit::Lifetime { seconds, from_modified } => {
                let from = if *from_modified { "modified " } else { "" };
                Some(format!("expires {from}{};", expires(*seconds)))
            }
            Edit::RemoveNominated
            | Edit::Received
            | Edit::Framing
            | Edit::Switch(_)
            | Edit::Reverse { .. }
            | Edit::CookieAttribute { .. }
            | Edit::Url { .. }
            | Edit::CookieDomain { .. }
            | Edit::CookiePath { .. }
            | Edit::CookieFlags { .. }
            | Edit::Echo(..) => {
                self.losses.lose(span, self.named(span), "`add_header` cannot do this");
                None
            }
        };
        if let Some(line) = line {
            self.page.line(line);
        }
    }

    fn add(&mut self, name: &str, value: &Template, always: bool, span: Span) -> Option<String> {
        let value = self.value(value, span)?;
        let value = if text_like(&value) { value } else { quote_always(&value) };
        Some(format!("add_header {name} {value}{};", if always { " always" } else { "" }))
    }

    /// Pages of errors.
    pub(super) fn errors(&mut self, settings: &Settings, span: Span) {
        let Some(errors) = &settings.answer.errors else { return };
        for Recovery { statuses, status, to } in errors {
            let statuses = &crate::raise::statuses(self.config, statuses);
            let (statuses, unknown): (Vec<u16>, Vec<u16>) =
                statuses.iter().partition(|status| (300..=599).contains(*status));
            if let Some(status) = unknown.first() {
                let what = format!("{} for {status}", self.notes.setting("answer.errors", span).0);
                self.losses.lose(span, what, "`error_page` knows statuses from 300 to 599");
            }
            if statuses.is_empty() {
                continue;
            }
            let shown: Vec<_> = statuses.iter().map(u16::to_string).collect();
            let change = match status {
                RecoveryStatus::Keep => String::new(),
                RecoveryStatus::Set(status) => format!(" ={status}"),
                RecoveryStatus::FromAnswer => " =".to_owned(),
            };
            let target = match to {
                RecoveryTarget::Redirect(path) => match self.value(path, span) {
                    Some(path) => path,
                    None => continue,
                },
                RecoveryTarget::Enter(name) => name.lossy().into_owned(),
                RecoveryTarget::Text(text) => {
                    let Some(text) = text_of(text) else {
                        self.losses.lose(
                            span,
                            "a page with variables",
                            "its text is known only when it is read",
                        );
                        continue;
                    };
                    let name = format!("@error_{}", shown.first().map_or("page", String::as_str));
                    let status = statuses.first().copied().unwrap_or(500);
                    self.answers.push(format!(
                        "location {name} {{\n    return {status} {};\n}}",
                        quote_always(&text)
                    ));
                    name
                }
                RecoveryTarget::Page => continue,
            };
            self.page.line(format!("error_page {}{change} {};", shown.join(" "), quote(&target)));
        }
    }
}

/// Whether a condition asks for nothing: any value matches, and none.
fn always_holds(test: &Test) -> bool {
    let Test::Match { pattern, .. } = test else { return false };
    matches!(pattern.kind, Kind::Regex(_))
        && [".*", "(.*)", "^.*", "^(.*)", "^.*$", "^(.*)$"].contains(&&*pattern.text.lossy())
}

/// What an answer is added to anyway.
fn is_usual(test: &Test) -> bool {
    match test {
        // The answers of files: what else has a lifetime brings its own.
        Test::Status(statuses) => statuses.contains(&200) && statuses.contains(&304),
        Test::Truthy(template) => matches!(template.0.as_slice(), [Part::Var(_)]),
        _ => false,
    }
}

fn expires(seconds: i64) -> String {
    if seconds < 0 {
        return seconds.to_string();
    }
    for (unit, name) in [(31_536_000, "y"), (2_592_000, "M"), (86_400, "d"), (3600, "h"), (60, "m")] {
        if seconds != 0 && seconds % unit == 0 {
            return format!("{}{name}", seconds / unit);
        }
    }
    format!("{seconds}s")
}

/// The type that a test asks of a response.
fn content_type(test: &Test) -> Option<String> {
    let Test::Match { subject, pattern, .. } = test else { return None };
    let of =
        matches!(subject.0.as_slice(), [Part::Attr(Attr::SentField(name))] if name.is_field(b"content-type"));
    let text = pattern.text.lossy().into_owned();
    let inner = text.strip_prefix('^')?.split("[ \t]*").next()?;
    of.then(|| inner.replace('\\', ""))
}

/// Whether a value is one word.
fn text_like(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_$./:*=".contains(c))
}
