//! Logs of requests: `logFile` of a site, in the W3C extended format.
//!
//! The folder that files name is usually one of Windows; then a log is written where `--log-directory` says, and else none
//! is, which is said. Below it each site has a folder `W3SVC<id>`, as in the original. Fields stand in the original's
//! order, custom ones behind; times are UTC; what a rule made of a URL is not shown unless `logRewrittenUrl` asks for it.
//! The request's id that ARR sends to servers is appended to the query that is shown.
//! Reference 14; <https://learn.microsoft.com/iis/configuration/system.applicationhost/sites/site/logfile/>.

use std::path::PathBuf;

use super::{Cx, vars};
use crate::{
    diagnostic::Diagnostic,
    dialect::iis::{effective::Value, site::Site},
    ir::{
        Attr, Choice, Moment, Part, Settings, Template, Test, TimeForm, TimeUnit, VarKind,
        settings::{AccessLog, LogEscape, LogFormat, LogTarget, Period, Series},
    },
};

/// What stands at the head of a file before its fields.
const HEADING: &str =
    "#Software: Microsoft Internet Information Services 10.0\r\n#Version: 1.0\r\n#Date:\r\n#Fields:";

/// Flags, and the names of their fields, in order.
const FIELDS: &[(&str, &str)] = &[
    ("Date", "date"),
    ("Time", "time"),
    ("SiteName", "s-sitename"),
    ("ComputerName", "s-computername"),
    ("ServerIP", "s-ip"),
    ("Method", "cs-method"),
    ("UriStem", "cs-uri-stem"),
    ("UriQuery", "cs-uri-query"),
    ("ServerPort", "s-port"),
    ("UserName", "cs-username"),
    ("ClientIP", "c-ip"),
    ("ProtocolVersion", "cs-version"),
    ("UserAgent", "cs(User-Agent)"),
    ("Cookie", "cs(Cookie)"),
    ("Referer", "cs(Referer)"),
    ("Host", "cs-host"),
    ("HttpStatus", "sc-status"),
    ("HttpSubStatus", "sc-substatus"),
    ("Win32Status", "sc-win32-status"),
    ("BytesSent", "sc-bytes"),
    ("BytesRecv", "cs-bytes"),
    ("TimeTaken", "time-taken"),
];

/// The log of a site, for all its places.
pub(super) fn settings(cx: &mut Cx, site: &Site, settings: &mut Settings) {
    let Some(element) = &site.element else { return };
    let log = element.part("logFile");
    let to_file =
        log.text("logTargetW3C").split(',').any(|target| target.trim().eq_ignore_ascii_case("File"));
    if !log.flag("enabled") || !to_file {
        return;
    }
    let Some(folder) = folder(cx, site, &log) else { return };
    if !log.is("logFormat", "W3C") {
        let message = format!("the log of the site `{}` is written in the W3C format", site.name);
        let found = Diagnostic::warning("log-format", log.place("logFormat"), message);
        once(cx, found.because("it is the one there is"));
    }
    let period = match log.text("period").to_ascii_lowercase().as_str() {
        "maxsize" => Period::Size,
        "hourly" => Period::Hour,
        "weekly" => Period::Week,
        "monthly" => Period::Month,
        _ => Period::Day,
    };
    let flags = log.text("logExtFileFlags").to_owned();
    let mut heading = String::from(HEADING);
    let mut line = Template::default();
    let mut add = |name: &str, value: Template| {
        heading.push(' ');
        heading.push_str(name);
        if !line.is_empty() {
            line.push(Part::Text(" ".into()));
        }
        for part in value.0 {
            line.push(part);
        }
    };
    for (flag, name) in FIELDS {
        if flags.split(',').any(|one| one.trim().eq_ignore_ascii_case(flag)) {
            add(name, field(cx, site, flag));
        }
    }
    for item in log.part("customFields").items() {
        let source = item.value.text("sourceName");
        let value = if item.value.is("sourceType", "RequestHeader") {
            Template::attr(Attr::Field(source.to_ascii_lowercase().as_str().into()))
        } else if item.value.is("sourceType", "ResponseHeader") {
            Template::attr(Attr::SentField(source.to_ascii_lowercase().as_str().into()))
        } else {
            vars::read(cx, source, true).unwrap_or_else(|| Template::attr(Attr::Missing))
        };
        add(item.value.text("logFieldName"), one(cx, value));
    }
    heading.push_str("\r\n");
    line.push(Part::Text("\r".into()));
    let series = Series {
        folder,
        prefix: "u_ex".into(),
        period,
        size: if period == Period::Size { u64::try_from(log.number("truncateSize")).unwrap_or(0) } else { 0 },
        local: log.flag("localTimeRollover"),
        heading: heading.into(),
    };
    // What is told where somebody watches stays.
    let watched = cx.config.base.logs.access.clone().unwrap_or_default();
    settings.logs.access.get_or_insert(watched).push(AccessLog {
        to: LogTarget::Series(series, log.span),
        format: LogFormat { name: "w3c".into(), escape: LogEscape::Plus, line },
        when: None,
        buffer: 0,
        flush: None,
        gzip: None,
    });
}

fn once(cx: &mut Cx, found: Diagnostic) {
    if !cx.found.iter().any(|known| known.message == found.message) {
        cx.report(found);
    }
}

/// The folder of a site's logs.
fn folder(cx: &mut Cx, site: &Site, log: &Value) -> Option<PathBuf> {
    let own = format!("W3SVC{}", site.id);
    if let Some(folder) = &cx.options.machine.logs {
        return Some(folder.join(own));
    }
    let written = crate::dialect::iis::expand::path(log.text("directory"), &cx.options.stage.vars);
    if written.is_absolute() {
        return Some(written.join(own));
    }
    let message = format!("no log of the requests of the site `{}` is written", site.name);
    let found = Diagnostic::note_at("log-elsewhere", log.place("directory"), message);
    once(
        cx,
        found
            .because(format!("`{}` is no folder of this machine", log.text("directory")))
            .help("say where: `--log-directory DIR`"),
    );
    None
}

/// A value as one part, so that an empty one is shown as missing.
fn one(cx: &mut Cx, value: Template) -> Template {
    if value.0.len() == 1 {
        return value;
    }
    let kind = VarKind::Choice { choices: Vec::new(), default: value };
    Template::var(cx.fresh("log field", kind))
}

fn field(cx: &mut Cx, site: &Site, flag: &str) -> Template {
    let received = |name: &str| Template::attr(Attr::Field(name.into()));
    Template::attr(match flag {
        "Date" => Attr::Time(Moment::Now, TimeForm::UtcDate),
        "Time" => Attr::Time(Moment::Now, TimeForm::UtcTime),
        "SiteName" => return Template::text(format!("W3SVC{}", site.id)),
        "ComputerName" => Attr::MachineName,
        "ServerIP" => Attr::ServerAddr,
        "Method" => Attr::Method,
        "UriStem" => return rewritten(cx, "stem", "logged path", Attr::Path),
        "UriQuery" => return query(cx),
        "ServerPort" => Attr::ServerPort,
        "UserName" => Attr::KnownUser,
        "ClientIP" => Attr::ClientAddr,
        "ProtocolVersion" => Attr::Protocol,
        "UserAgent" => return received("user-agent"),
        "Cookie" => return received("cookie"),
        "Referer" => return received("referer"),
        "Host" => return received("host"),
        "HttpStatus" => Attr::Status,
        "HttpSubStatus" => return Template::var(super::status::logged(cx)),
        "Win32Status" => return "0".into(),
        "BytesSent" => Attr::BytesSent,
        "BytesRecv" => Attr::RequestLength,
        _ => Attr::Took(TimeUnit::Millis),
    })
}

/// What was asked for, or what a rule with `logRewrittenUrl` made of it.
fn rewritten(cx: &mut Cx, name: &str, asked: &str, now: Attr) -> Template {
    let (asked, shows) = (cx.assigned(asked), cx.assigned(REWRITTEN));
    let choice = Choice { test: Test::Truthy(Template::var(shows)), value: Template::attr(now) };
    Template::var(cx.var(name, || VarKind::Choice { choices: vec![choice], default: Template::var(asked) }))
}

/// The variable that says that the log shows the URL as it is now.
pub(super) const REWRITTEN: &str = "log rewritten";

/// The query that is shown: with the id that a server was sent, where one was asked.
fn query(cx: &mut Cx) -> Template {
    let query = rewritten(cx, "query shown", "logged query", Attr::Query);
    let forward = Template::var(cx.assigned("forward"));
    let mut id = Template::text("X-ARR-LOG-ID=");
    id.push(Part::Var(super::proxy::guid(cx)));
    let mut both = query.clone();
    both.push(Part::Text("&".into()));
    for part in id.clone().0 {
        both.push(part);
    }
    let sent = Test::Truthy(forward);
    let choices = vec![
        Choice { test: Test::All(vec![sent.clone(), Test::Truthy(query.clone())]), value: both },
        Choice { test: sent, value: id },
    ];
    Template::var(cx.var("logged query and id", || VarKind::Choice { choices, default: query }))
}
