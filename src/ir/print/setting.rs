//! Values of settings: after their key, or a line each below it.

use std::{path::PathBuf, time::Duration};

use super::{Printer, path_text, value};
use crate::ir::{
    AddressRange, Block, ComputedCertificate, Control, Credentials, Digest, Edit, Joined, Name, Naming,
    Pattern, Recovery, Required, Requirement, Stale, Template, Text, Upgrade, Validity, VarId,
    settings::{
        AccessLog, Alias, Beside, Coded, ConcurrencyLimit, ContentEdit, ContentMatch, ContentPlace, ErrorLog,
        Fault, FileFault, Identifier, IndexChange, IndexMark, IndexMarks, IndexSwitches, Issue, Level,
        Lifetime, ListingColumn, ListingForm, LogEscape, LogFormat, LogTarget, Proxied, RateLimit, Retry,
        Series, Syslog, TagChange, TagForm, Telling, TrustedProxy,
    },
};

impl Print for ComputedCertificate {
    fn print(&self, printer: &mut Printer<'_>) {
        let (certificate, key) =
            (value::template(printer, &self.certificate), value::template(printer, &self.key));
        printer.add(format_args!(" {certificate} key {key}"));
    }
}

/// A value that a setting may have.
pub trait Print {
    /// Prints it into the line begun.
    fn print(&self, printer: &mut Printer<'_>);

    /// Whether each in a list has a line of its own.
    fn has_lines(&self) -> bool {
        false
    }
}

macro_rules! in_line {
    ($($kind:ty: |$value:ident| $text:expr;)*) => { $(
        impl Print for $kind {
            fn print(&self, printer: &mut Printer<'_>) {
                let $value = self;
                printer.add(format_args!(" {}", $text));
            }
        }
    )* };
}

in_line! {
    bool: |on| value::flag(*on);
    u8: |number| number;
    u32: |number| number;
    u64: |number| value::size(*number);
    Duration: |time| value::duration(*time);
    Text: |text| format!("\"{text}\"");
    IndexMark: |mark| format!("{} \"{}\"=\"{}\"", value::word(&mark.by), mark.pattern, mark.mark);
    PathBuf: |path| path_text(path);
    (u32, u64): |buffers| format!("{} x {}", buffers.0, value::size(buffers.1));
    (u8, u8): |pair| format!("{} {}", pair.0, pair.1);
    (u16, u16): |pair| format!("{}-{}", pair.0, pair.1);
    (Fault, u16): |pair| format!("{}={}", value::word(&pair.0), pair.1);
    (FileFault, u16): |pair| format!("{}={}", value::word(&pair.0), pair.1);
    (Text, Text): |pair| format!("{}={}", pair.0, pair.1);
    (Name, Control): |pair| format!("{}={}", pair.0, value::word(&pair.1));
    (AddressRange, bool): |rule| format!("{} {}", if rule.1 { "allow" } else { "deny" }, value::range(rule.0));
    Retry: |retry| value::word(retry);
    Stale: |stale| value::word(stale);
    TrustedProxy: |proxy| format!("{}{}", value::range(proxy.range), if proxy.inside { " inside" } else { "" });
    Telling: |told| match told {
        Telling::Nowhere => "nowhere".to_owned(),
        Telling::Field(name) => format!("field {name}"),
        Telling::Announcement => "announcement".to_owned(),
    };
    TagForm: |form| {
        let parts = [(form.inode, "number"), (form.size, "size"), (form.modified, "time")];
        parts.into_iter().filter(|(on, _)| *on).map(|(_, part)| part).collect::<Vec<_>>().join("-")
    };
    Level: |level| value::word(level);
    Coded: |coded| match coded {
        Coded::Pass => "pass".to_owned(),
        Coded::Edit => "edit".to_owned(),
        Coded::Refuse(status) => format!("refuse {status}"),
        Coded::Decode(status) => format!("decode, else {status}"),
    };
    u16: |number| number;
    i64: |number| number;
    Proxied: |which| value::word(which);
    TagChange: |change| value::word(change);
    Beside: |which| value::word(which);
    ListingForm: |form| value::word(form);
    ListingColumn: |column| value::word(column);
}

impl Print for Identifier {
    fn print(&self, printer: &mut Printer<'_>) {
        let Self { cookie, issue, service, mark, lasts, domain, path, flags, policy, reset } = self;
        printer.add(format_args!(" \"{cookie}\""));
        printer.add(match issue {
            None => " only read",
            Some(Issue::LeastFirst) => " least first",
            Some(Issue::GreatestFirst) => " greatest first",
        });
        if let Some(service) = service {
            printer.add(format_args!(" service {service}"));
        }
        if let Some(mark) = mark {
            printer.add(format_args!(" mark {}", char::from(*mark)));
        }
        match lasts {
            Lifetime::Session => {}
            Lifetime::Longest => printer.add(" for ever"),
            Lifetime::For(time) => printer.add(format_args!(" for {}", value::duration(*time))),
        }
        for (word, text) in [("domain", domain), ("path", path), ("policy", policy)] {
            if !text.is_empty() {
                printer.add(format_args!(" {word} \"{text}\""));
            }
        }
        for flag in flags {
            printer.add(format_args!(" {flag}"));
        }
        if let Some(reset) = reset {
            printer.add(" reset ");
            printer.template(reset);
        }
    }
}

impl Print for Required {
    fn print(&self, printer: &mut Printer<'_>) {
        printer.add(match self.joined {
            Joined::Alone => "",
            Joined::Both => " and",
            Joined::Either => " or",
        });
        match &self.what {
            Some(what) => requirement(printer, what),
            None => printer.add(" nothing"),
        }
    }
}

fn requirement(printer: &mut Printer<'_>, what: &Requirement) {
    let list = |printer: &mut Printer<'_>, word: &str, all: &[Requirement]| {
        printer.add(format_args!(" {word}("));
        for one in all {
            requirement(printer, one);
        }
        printer.add(" )");
    };
    let names = |printer: &mut Printer<'_>, word: &str, names: &[Text]| {
        printer.add(format_args!(" {word}"));
        for name in names {
            printer.add(format_args!(" \"{name}\""));
        }
    };
    match what {
        Requirement::All(all) => list(printer, "all", all),
        Requirement::Any(all) => list(printer, "any", all),
        Requirement::Not(of) => {
            printer.add(" not");
            requirement(printer, of);
        }
        Requirement::Holds(template) => {
            printer.add(" ");
            printer.template(template);
        }
        Requirement::AnyUser => printer.add(" any-user"),
        Requirement::Users(users) => names(printer, "users", users),
        Requirement::Groups(groups) => names(printer, "groups", groups),
        Requirement::Named(known) => names(printer, "named", known),
        Requirement::At(known) => names(printer, "at", known),
        Requirement::Limited { methods, except, of } => {
            names(printer, if *except { "except" } else { "only" }, methods);
            requirement(printer, of);
        }
    }
}

impl Print for Credentials {
    fn print(&self, printer: &mut Printer<'_>) {
        printer.add(format_args!(" realm \"{}\"", self.realm));
        for (word, files) in [("users", &self.users), ("groups", &self.groups)] {
            for file in files {
                printer.add(format_args!(" {word} {}", path_text(file)));
            }
        }
        for (word, status) in [("asks-with", self.asked), ("wrong", self.wrong)] {
            if status != 401 {
                printer.add(format_args!(" {word} {status}"));
            }
        }
        if let Some(Digest { lifetime, domain }) = &self.digest {
            printer.add(" digest");
            if let Some(lifetime) = lifetime {
                printer.add(format_args!(" for {lifetime:?}"));
            }
            if !domain.is_empty() {
                printer.add(format_args!(" domain \"{domain}\""));
            }
        }
    }
}

impl Print for Naming {
    fn print(&self, printer: &mut Printer<'_>) {
        if let Some(realm) = &self.realm {
            printer.add(format_args!(" realm \"{realm}\""));
        }
        for (word, files) in [("users", &self.users), ("groups", &self.groups)] {
            for file in files.iter().flatten() {
                printer.add(format_args!(" {word} {}", path_text(file)));
            }
        }
    }
}

impl Print for Template {
    fn print(&self, printer: &mut Printer<'_>) {
        printer.add(" ");
        printer.template(self);
    }
}

impl Print for Pattern {
    fn print(&self, printer: &mut Printer<'_>) {
        printer.add(" ");
        printer.pattern(self);
    }
}

impl Print for VarId {
    fn print(&self, printer: &mut Printer<'_>) {
        let name = printer.var_name(*self);
        printer.add(format_args!(" {name}"));
    }
}

impl Print for IndexSwitches {
    fn print(&self, printer: &mut Printer<'_>) {
        for IndexChange { turn, fixed, on, off, hidden, shown } in &self.0 {
            printer.add(format_args!(" {turn}:{fixed:x}+{on:x}-{off:x}"));
            if *shown {
                printer.add(" shown");
            }
            if !hidden.is_empty() {
                hidden.print(printer);
            }
        }
    }
}

impl Print for IndexMarks {
    fn print(&self, printer: &mut Printer<'_>) {
        self.0.print(printer);
    }
}

impl<T: Print> Print for Option<T> {
    fn print(&self, printer: &mut Printer<'_>) {
        match self {
            Some(value) => value.print(printer),
            None => printer.add(" none"),
        }
    }
}

impl<T: Print> Print for Vec<T> {
    fn print(&self, printer: &mut Printer<'_>) {
        if self.is_empty() {
            printer.add(" none");
        }
        for value in self {
            if value.has_lines() {
                printer.inside(|printer| value.print(printer));
            } else {
                value.print(printer);
            }
        }
    }
}

macro_rules! own_line {
    ($($kind:ty: |$value:ident, $printer:ident| $print:expr;)*) => { $(
        impl Print for $kind {
            fn print(&self, $printer: &mut Printer<'_>) {
                let $value = self;
                $print
            }

            fn has_lines(&self) -> bool {
                true
            }
        }
    )* };
}

own_line! {
    Block: |block, printer| printer.block(block);
    Edit: |edit, printer| {
        printer.line("");
        printer.edit(edit);
    };
    Recovery: |recovery, printer| {
        printer.line("");
        printer.recovery(recovery);
    };
    (Name, Template, bool): |param, printer| {
        printer.line(&format!("{} ", param.0));
        printer.template(&param.1);
        printer.flag(param.2, "unless-empty");
    };
    (Name, Template): |pair, printer| {
        printer.line(&format!("{} = ", pair.0));
        printer.template(&pair.1);
    };
    (Template, Template): |pair, printer| {
        printer.line("");
        printer.template(&pair.0);
        printer.add(" => ");
        printer.template(&pair.1);
    };
    (VarId, Template): |pair, printer| {
        printer.line("");
        printer.template(&Template::var(pair.0));
        printer.add(" = ");
        printer.template(&pair.1);
    };
    Validity: |validity, printer| {
        let Validity { statuses, lasts } = validity;
        let statuses: Vec<String> = statuses.iter().map(u16::to_string).collect();
        let of = if statuses.is_empty() { "any".to_owned() } else { statuses.join(" ") };
        printer.line(&format!("{of} {}", value::duration(*lasts)));
    };
    RateLimit: |limit, printer| {
        let RateLimit { zone, burst, at_once } = limit;
        printer.line(&format!("zone {} burst {burst} at-once {at_once}", printer.zone_name(*zone)));
    };
    ConcurrencyLimit: |limit, printer| {
        let ConcurrencyLimit { zone, most, status } = limit;
        printer.line(&format!("zone {} at most {most}", printer.zone_name(*zone)));
        printer.number("else", status.map(u64::from));
    };
    ContentEdit: |edit, printer| {
        let ContentEdit { place, find, with, when, given, most, last } = edit;
        match place {
            ContentPlace::Line => printer.line("line "),
            ContentPlace::Whole => printer.line("content "),
            ContentPlace::Attribute(of) => {
                let of: Vec<String> = of.iter().map(|(tag, attribute)| format!("{tag}.{attribute}")).collect();
                printer.line(&format!("attribute {} ", of.join(",")));
            }
        }
        match find {
            ContentMatch::Text(text, ignore_case) => {
                printer.add(format_args!("text{} \"{text}\"", if *ignore_case { "/i" } else { "" }));
            }
            ContentMatch::Pattern(pattern, into) => {
                printer.pattern(pattern);
                printer.add(format_args!(" -> {}", into.0));
            }
            ContentMatch::Not(pattern) => {
                printer.add("not ");
                printer.pattern(pattern);
            }
        }
        printer.add(" => ");
        printer.template(with);
        if let Some(when) = when {
            printer.add(" when ");
            printer.template(when);
        }
        if let Some(given) = given {
            printer.add(" given ");
            printer.test(given, false);
        }
        if *most > 0 {
            printer.add(format_args!(" at most {most}"));
        }
        printer.flag(*last, "last");
    };
    AccessLog: |log, printer| {
        let AccessLog { to, format: LogFormat { name, escape, line }, when, buffer, flush, gzip } = log;
        printer.line("");
        printer.log_target(to);
        printer.add(format_args!(" format {name}"));
        match escape {
            LogEscape::Hex => {}
            LogEscape::C => printer.add(" c"),
            LogEscape::Json => printer.add(" json"),
            LogEscape::None => printer.add(" unescaped"),
            LogEscape::Plus => printer.add(" plus"),
        }
        printer.add(" ");
        printer.template(line);
        if let Some(when) = when {
            printer.add(" when ");
            printer.template(when);
        }
        if *buffer != 0 {
            printer.add(format_args!(" buffer {}", value::size(*buffer)));
        }
        if let Some(flush) = flush {
            printer.add(format_args!(" flush {}", value::duration(*flush)));
        }
        printer.number("gzip", gzip.map(u64::from));
    };
    ErrorLog: |log, printer| {
        let ErrorLog { to, level } = log;
        printer.line("");
        printer.log_target(to);
        level.print(printer);
    };
}

impl Print for Alias {
    fn print(&self, printer: &mut Printer<'_>) {
        let Self { with, cut, rewritten } = self;
        if *rewritten {
            printer.add(" for any path");
        }
        match cut {
            Some(cut) => printer.add(format_args!(" cut {cut} with ")),
            None => printer.add(" whole "),
        }
        printer.template(with);
    }
}

impl Print for Upgrade {
    fn print(&self, printer: &mut Printer<'_>) {
        match self {
            Self::Never => printer.add(" never"),
            Self::Any => printer.add(" any"),
            Self::Only(names) => {
                printer.add(" ");
                printer.names(names);
            }
        }
    }
}

impl Printer<'_> {
    fn zone_name(&self, zone: u32) -> String {
        self.config.zones.get(zone as usize).map_or_else(|| zone.to_string(), |zone| zone.name.to_string())
    }

    fn log_target(&mut self, target: &LogTarget) {
        match target {
            LogTarget::File(path, _) => {
                self.add("file ");
                self.template(path);
            }
            LogTarget::Series(Series { folder, prefix, period, size, local, heading }, _) => {
                let (folder, period) = (path_text(folder), value::word(period));
                self.add(format_args!("series {folder} {prefix} by {period}"));
                self.number("size", Some(*size).filter(|size| *size != 0));
                self.flag(*local, "local");
                self.add(format_args!(" heading \"{heading}\""));
            }
            LogTarget::Stderr => self.add("stderr"),
            LogTarget::Syslog(Syslog { server, facility, severity, tag, host_name }) => {
                self.add(format_args!("syslog {server} facility {facility} severity {severity} tag {tag}"));
                self.flag(*host_name, "host-name");
            }
        }
    }
}
