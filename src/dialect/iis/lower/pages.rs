//! `httpErrors`: pages in place of our own, and pages that say what went wrong.
//!
//! Reference 11, <https://learn.microsoft.com/iis/configuration/system.webserver/httperrors/>. An `<error>` for a sub-status
//! counts before one for all of a status, `defaultPath` for what no `<error>` is for. With `errorMode="Detailed"` nothing of
//! that is sent, but a page that names status and sub-status, what they mean, the module that decided, the URL and the file.
//! `DetailedLocalOnly` is `Custom` here: who is on the same machine is usually a proxy, and a file's name is nobody else's
//! business. Files of an absolute path may stand in applicationHost.config, and in a web.config only where
//! `allowAbsolutePathsWhenDelegated` says so. Such a file is read and sent ("Error": "File: serves static content"): no handler is
//! asked for it, nor does `httpRedirect` apply; a URL that is executed has both.

use std::collections::BTreeSet;

use super::{Cx, status};
use crate::{
    diagnostic::Diagnostic,
    dialect::iis::{
        effective::{Item, Value},
        site::Site,
    },
    ir::{
        Attr, Escape, Part, Recovery, RecoveryStatus, RecoveryTarget, Settings, Template, Text, VarId,
        VarKind,
    },
};

/// Lays what a place sends for errors into its settings.
pub(super) fn errors(cx: &mut Cx, section: &Value, settings: &mut Settings) {
    let replace = section.is("existingResponse", "Replace");
    let pass = section.is("existingResponse", "PassThrough");
    settings.http.intercept_errors = Some(replace);
    let mut recoveries = Vec::new();
    if pass {
        // Whatever is there already goes out.
    } else if section.is("errorMode", "Detailed") {
        recoveries = detailed(cx, section);
    } else {
        for item in section.items().iter().filter(|item| !item.level.assumed) {
            let status = u16::try_from(item.value.number("statusCode")).unwrap_or_default();
            let statuses = match u16::try_from(item.value.number("subStatusCode")) {
                Ok(0) => vec![status],
                Ok(sub) => vec![status::of(cx, status, sub)],
                Err(_) => with_all(cx, status),
            };
            let page = Page::of(item);
            let absolute = !item.level.delegated || section.flag("allowAbsolutePathsWhenDelegated");
            recoveries.extend(page.recovery(cx, statuses, item, absolute));
        }
        // One that names a sub-status counts before one for all of a status.
        recoveries.sort_by_key(|recovery| recovery.statuses.len() > 1);
        let path = section.text("defaultPath");
        if !path.is_empty() {
            let statuses = super::defaults::error_statuses().into_iter().flat_map(|one| with_all(cx, one));
            let statuses = statuses.collect();
            let page = Page { path, mode: section.text("defaultResponseMode"), folder: "" };
            let to = page.to().unwrap_or(RecoveryTarget::Page);
            recoveries.push(Recovery { statuses, status: page.status(), to });
        }
    }
    settings.answer.errors = Some(recoveries);
}

/// The paths of this site under which files are sent for errors.
pub(super) fn files(site: &Site) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for place in site.places() {
        let section = site.section("system.webServer/httpErrors", &place, &mut Vec::new());
        let mut add = |page: Page| {
            let (url, moved) = (page.is("ExecuteURL"), page.is("Redirect"));
            if let Some(RecoveryTarget::Redirect(path)) = page.to().filter(|_| !url && !moved) {
                out.extend(path.as_text().map(|path| String::from_utf8_lossy(path).into_owned()));
            }
        };
        for item in section.items().iter().filter(|item| !item.level.assumed) {
            add(Page::of(item));
        }
        let path = section.text("defaultPath");
        if !path.is_empty() {
            add(Page { path, mode: section.text("defaultResponseMode"), folder: "" });
        }
    }
    out
}

/// A status and what we call its sub-statuses.
fn with_all(cx: &Cx, status: u16) -> Vec<u16> {
    let mut all = status::all(cx, status);
    all.insert(0, status);
    all
}

/// A page that is written.
struct Page<'v> {
    path: &'v str,
    mode: &'v str,
    folder: &'v str,
}

impl<'v> Page<'v> {
    fn of(item: &'v Item) -> Self {
        Self {
            path: item.value.text("path"),
            mode: item.value.text("responseMode"),
            folder: item.value.text("prefixLanguageFilePath"),
        }
    }

    fn is(&self, mode: &str) -> bool {
        self.mode.eq_ignore_ascii_case(mode)
    }

    fn status(&self) -> RecoveryStatus {
        if self.is("Redirect") { RecoveryStatus::Set(302) } else { RecoveryStatus::Keep }
    }

    /// Where it leads; nothing for a file of another machine.
    fn to(&self) -> Option<RecoveryTarget> {
        let path = self.path.replace('\\', "/");
        if self.is("Redirect") || self.is("ExecuteURL") {
            return Some(RecoveryTarget::Redirect(Template::text(path)));
        }
        // A file: relative to the site, in the folder of a language where one is named.
        let folder = self.folder.replace('\\', "/");
        if is_absolute(&path) || is_absolute(&folder) {
            return None;
        }
        let mut file = String::new();
        for part in [folder.as_str(), if folder.is_empty() { "" } else { "en-US" }, path.as_str()] {
            let part = part.trim_matches('/');
            if !part.is_empty() {
                file.push('/');
                file.push_str(part);
            }
        }
        // The site's own path leads to the file; what may be asked for is not decided again.
        Some(RecoveryTarget::Redirect(Template::text(file)))
    }

    fn recovery(&self, cx: &mut Cx, statuses: Vec<u16>, item: &Item, absolute: bool) -> Option<Recovery> {
        let place = item.value.place("path");
        if self.is("ExecuteURL") && !self.path.starts_with(['/', '\\']) {
            let message = "the path of a URL begins with `/`";
            cx.report(Diagnostic::error("invalid-value", place, message));
            return None;
        }
        let Some(to) = self.to() else {
            if absolute {
                let message = "a file of another machine's path cannot be found here";
                let found = Diagnostic::warning("foreign-path", place, message);
                cx.report(
                    found
                        .because("our own page is sent")
                        .help("put the file into the site and write its path from there"),
                );
            } else {
                let message = "the path of an error's file is relative in a web.config";
                let found = Diagnostic::error("absolute-path", place, message);
                cx.report(
                    found
                        .because("`allowAbsolutePathsWhenDelegated` is not set")
                        .help("put the file into the site and write its path from there"),
                );
            }
            return None;
        };
        Some(Recovery { statuses, status: self.status(), to })
    }
}

/// Whether a path is one of a drive or of a share.
fn is_absolute(path: &str) -> bool {
    path.contains(':') || path.starts_with("//") || path.contains('%')
}

/// What sub-statuses mean: status, sub-status, the module that decides so, a sentence.
/// <https://learn.microsoft.com/troubleshoot/developer/webapps/iis/www-administration-management/http-status-code>
const MEANINGS: &[(u16, u16, &str, &str)] = &[
    (401, 1, "BasicAuthenticationModule", "The user or the password that was given is not known."),
    (401, 2, "IIS Web Core", "A user is needed, and the request names none who may."),
    (403, 1, "IIS Web Core", "Programs may not be executed here."),
    (403, 2, "IIS Web Core", "Files may not be read here."),
    (403, 3, "IIS Web Core", "Files may not be written here."),
    (403, 4, "IIS Web Core", "The page is only sent over a secure connection: write https:// in its URL."),
    (403, 5, "IIS Web Core", "The page is only sent over a connection encrypted with 128 bits."),
    (403, 6, "IpRestrictionModule", "The address of the client is one that is refused."),
    (403, 7, "IIS Web Core", "The page is only sent to clients that show a certificate."),
    (403, 13, "IIS Web Core", "The client's certificate was revoked."),
    (403, 14, "DirectoryListingModule", "The folder has no default document, and its files are not listed."),
    (403, 16, "IIS Web Core", "The client's certificate is issued by nobody who is trusted."),
    (403, 501, "DynamicIpRestrictionModule", "The client has too many requests under way."),
    (403, 502, "DynamicIpRestrictionModule", "The client sends requests too fast."),
    (404, 3, "StaticFileModule", "The extension of the file's name has no MIME type."),
    (404, 4, "IIS Web Core", "No handler is there for the request."),
    (404, 5, "RequestFilteringModule", "The URL holds a text that is refused."),
    (404, 6, "RequestFilteringModule", "The method is refused."),
    (404, 7, "RequestFilteringModule", "The extension of the file's name is refused."),
    (404, 8, "RequestFilteringModule", "A part of the path is one that is hidden."),
    (404, 10, "RequestFilteringModule", "A field of the request is too long."),
    (404, 11, "RequestFilteringModule", "The URL is escaped twice."),
    (404, 12, "RequestFilteringModule", "The URL holds characters beyond ASCII."),
    (404, 14, "RequestFilteringModule", "The URL is too long."),
    (404, 15, "RequestFilteringModule", "The query is too long."),
    (404, 18, "RequestFilteringModule", "The query holds a text that is refused."),
    (404, 19, "RequestFilteringModule", "A rule of request filtering refuses it."),
    (413, 1, "RequestFilteringModule", "The content of the request is too long."),
    (500, 19, "IIS Web Core", "The configuration of the page is invalid."),
    (500, 50, "RewriteModule", "A rule could not be applied to the request."),
    (
        500,
        52,
        "RewriteModule",
        "An outbound rule could not be applied: the content of the response is encoded.",
    ),
    (
        502,
        3,
        "ApplicationRequestRouting",
        "The server that the request was sent on to did not answer as it should.",
    ),
    (502, 4, "ApplicationRequestRouting", "No server of the farm can be reached."),
];

/// Pages that say what went wrong, one for each status.
fn detailed(cx: &mut Cx, section: &Value) -> Vec<Recovery> {
    let link = match section.text("detailedMoreInformationLink") {
        "" => "https://go.microsoft.com/fwlink/?LinkID=62293".to_owned(),
        link => link.to_owned(),
    };
    let where_ = wherefrom(cx);
    let mut out = Vec::new();
    for (status, phrase, sentence) in super::defaults::error_pages() {
        let subs: Vec<(u16, u16)> =
            status::all(cx, status).into_iter().map(|own| (own, status::sub(cx, own))).collect();
        for (own, sub) in [(status, 0)].into_iter().chain(subs) {
            let known = MEANINGS.iter().find(|(one, other, ..)| (*one, *other) == (status, sub));
            let (module, sentence) =
                known.map_or(("IIS Web Core", sentence), |(.., module, said)| (module, said));
            let title = format!("{status}.{sub} - {phrase}");
            let mut page = Template::text(format!(
                "<!DOCTYPE html>\r\n<html>\r\n<head><title>IIS 10.0 Detailed Error - {title}</title></head>\r\n<body>\r\n\
                 <h1>Server Error in Application \""
            ));
            page.push(Part::Escape(Escape::Html, Template::attr(Attr::HostName)));
            page.push(text(format!(
                "\"</h1>\r\n<h2>HTTP Error {title}</h2>\r\n<p>{sentence}</p>\r\n<h3>Detailed Error Information:</h3>\r\n\
                 <table>\r\n<tr><th>Module</th><td>{module}</td></tr>\r\n"
            )));
            page.push(Part::Var(where_));
            page.push(text(format!(
                "</table>\r\n<p><a href=\"{}?IIS70Error={status},{sub}\">View more information &raquo;</a></p>\r\n</body>\r\n\
                 </html>\r\n",
                link.replace('"', "&quot;")
            )));
            out.push(Recovery {
                statuses: vec![own],
                status: RecoveryStatus::Keep,
                to: RecoveryTarget::Text(page),
            });
        }
    }
    out
}

fn text(text: String) -> Part {
    Part::Text(Text::from(text))
}

/// The rows of a page that are about the request.
fn wherefrom(cx: &mut Cx) -> VarId {
    let user = Template::attr(Attr::KnownUser);
    let mut url = Template::attr(Attr::Scheme);
    url.push(Part::Text("://".into()));
    url.push(Part::Attr(Attr::Host));
    url.push(Part::Text(":".into()));
    url.push(Part::Attr(Attr::ServerPort));
    url.push(Part::Attr(Attr::Target));
    let mut rows = Template::default();
    for (name, value) in
        [("Requested URL", url), ("Physical Path", Template::attr(Attr::FilePath)), ("Logon User", user)]
    {
        rows.push(text(format!("<tr><th>{name}</th><td>")));
        rows.push(Part::Escape(Escape::Html, value));
        rows.push(Part::Text("</td></tr>\r\n".into()));
    }
    cx.var("detail", || VarKind::Choice { choices: Vec::new(), default: rows })
}
