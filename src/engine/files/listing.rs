//! A directory's listing for people: a plain list of links, or columns.

use std::{
    ffi::OsStr,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::Path,
    sync::Arc,
};

use super::{
    super::{
        clock::http_date,
        exchange::{Exchange, Next},
        http1::field::Known,
    },
    index_page::{self, Asked},
};
use crate::{
    ir::{
        Escape,
        settings::{IndexPageInForce, IndexSwitch, Level, TagForm},
    },
    plan::{Plan, SettingsId, escape},
};

/// Answers with the listing of the directory that the path maps to.
pub async fn list(exchange: &mut Exchange, plan: &Plan) -> Next {
    match exchange.facts.method() {
        b"GET" | b"HEAD" => {}
        // Nothing is there that takes content.
        b"POST" => return Next::Status(404),
        _ => return Next::Status(405),
    }
    let mut name = Vec::new();
    exchange.run.file_path(plan, &exchange.facts, &mut name);
    if !name.ends_with(b"/") {
        name.push(b'/');
    }
    let settings = exchange.settings(plan).clone();
    let asked = Asked::read(&settings.index_page, &exchange.run.query);
    let above = shown(&exchange.run.path) != b"/";
    let folder = name.clone();
    // Nobody else waits for a large directory.
    let read = tokio::task::spawn_blocking({
        let asked = asked.clone();
        move || names(&folder, &asked)
    });
    let names = match read.await {
        Ok(Ok(names)) => names,
        Ok(Err(error)) => {
            let name = name.escape_ascii();
            exchange.log(Level::Error, format_args!("Can't open directory for index: {name}: {error}"));
            return Next::Status(403);
        }
        Err(_) => return Next::Status(500),
    };
    let forbidden = asked.has(IndexSwitch::ShowsForbidden);
    let names = shown_to_client(exchange, plan, names, forbidden).await;
    let parent = above && !asked.hides(b"..");
    let sorted = tokio::task::spawn_blocking({
        let (plan, folder, asked) = (Arc::clone(&exchange.serving.plan), name.clone(), asked.clone());
        let settings = settings.clone();
        move || {
            let mut entries = index_page::entries(&plan, &settings, &folder, &names, parent, &asked);
            index_page::sort(&mut entries, &asked);
            entries
        }
    });
    let Ok(entries) = sorted.await else { return Next::Status(500) };
    let page = &settings.index_page;
    let header = beside(exchange, plan, &name, &page.header).await;
    let readme = beside(exchange, plan, &name, &page.readme).await;
    let mut out = Vec::new();
    let from_file = |text: &Option<(Vec<u8>, bool)>| text.as_ref().is_some_and(|(_, html)| *html);
    // A file of HTML may begin the page itself.
    if !(asked.has(IndexSwitch::NoPreamble) && from_file(&header)) {
        preamble(page, asked.has(IndexSwitch::Xhtml), &exchange.run.path, &mut out);
    }
    if let Some((text, _)) = &header {
        out.extend_from_slice(text);
    } else {
        let id: &[u8] = if page.style_sheet.is_empty() { b"<h1>" } else { b"  <h1 id=\"indextitle\">" };
        out.extend_from_slice(id);
        out.extend_from_slice(b"Index of ");
        escape(Escape::Html, shown(&exchange.run.path), false, &mut out);
        out.extend_from_slice(b"</h1>\n");
    }
    if asked.has(IndexSwitch::Fancy) {
        index_page::write(page, &asked, &exchange.run.path, &entries, &mut out);
    } else {
        list_of_links(&exchange.run.path, &entries, &mut out);
    }
    if let Some((text, _)) = &readme {
        out.extend_from_slice(text);
    }
    if !(asked.has(IndexSwitch::NoPreamble) && from_file(&readme)) {
        out.extend_from_slice(b"</body></html>\n");
    }
    let or =
        |text: &[u8], other: &str| if text.is_empty() { other.as_bytes().to_vec() } else { text.to_vec() };
    let kind = [or(&page.kind, "text/html"), or(&page.charset, "ISO-8859-1")].join(&b";charset="[..]);
    let response = &mut exchange.facts.response;
    response.start(200);
    response.add(b"Content-Type", &kind);
    // They are told; no request is compared with them.
    if asked.has(IndexSwitch::Tracked)
        && let Ok(known) = std::fs::metadata(Path::new(OsStr::from_bytes(&name)))
    {
        response.add(b"Last-Modified", http_date(known.mtime()).as_bytes());
        if settings.answer.etag && settings.answer.tag != Some(TagForm::default()) {
            response.add(b"ETag", &super::tag(settings.answer.tag, &known, known.len()));
        }
    }
    // What another request brings has left before the rest is there.
    let streamed = from_file(&header) || from_file(&readme);
    response.length = (!streamed).then_some(out.len() as u64);
    exchange.send_whole(plan, &out).await
}

/// Those of the names that the client may have, with the settings that are in force for each.
async fn shown_to_client(
    exchange: &mut Exchange,
    plan: &Plan,
    names: Vec<Vec<u8>>,
    forbidden: bool,
) -> Vec<(Vec<u8>, Option<SettingsId>)> {
    /// How many are looked at before others have their turn.
    const TURN: usize = 32;
    let folder =
        exchange.run.path[..memchr::memrchr(b'/', &exchange.run.path).map_or(0, |at| at + 1)].to_vec();
    let mut shown = Vec::with_capacity(names.len());
    for (at, name) in names.into_iter().enumerate() {
        if at % TURN == TURN - 1 {
            tokio::task::yield_now().await;
        }
        let mut target = Vec::new();
        let path = [&folder, name.strip_suffix(b"/").unwrap_or(&name)].concat();
        crate::plan::encode_path(&path, &mut target);
        exchange.run.asked = target;
        let Some((status, run)) = Box::pin(exchange.foresee(plan)).await else { continue };
        // Of what may not be had nothing else is known.
        if status < 400 {
            shown.push((name, Some(run.settings)));
        } else if forbidden && matches!(status, 401 | 403) {
            shown.push((name, None));
        }
    }
    shown
}

/// The text of a file that stands above or below a listing, and whether it is HTML; plain text is made so.
async fn beside(exchange: &mut Exchange, plan: &Plan, folder: &[u8], name: &[u8]) -> Option<(Vec<u8>, bool)> {
    const LONGEST: usize = 8 << 20;
    if name.is_empty() {
        return None;
    }
    let path = if name.starts_with(b"/") {
        name.to_vec()
    } else {
        let file = [folder, name].concat();
        if !super::is(&file, crate::ir::FileKind::File) {
            return None;
        }
        [&exchange.run.path, name].concat()
    };
    let mut asked = exchange.subrequest(plan, &path, b"", LONGEST)?;
    asked.checked = true;
    exchange.ask_beside(plan, &mut asked).await;
    let kind = asked.facts.response.known(Known::ContentType).unwrap_or_default().to_vec();
    if asked.facts.status() != 200 || !kind.starts_with(b"text/") {
        return None;
    }
    let content = asked.take_kept().0;
    if kind.starts_with(b"text/html") {
        return Some((content, true));
    }
    let mut text = b"<pre>\n".to_vec();
    escape(Escape::Html, &content, false, &mut text);
    text.extend_from_slice(b"</pre>\n");
    Some((text, false))
}

/// The beginning of a page, up to its body.
fn preamble(page: &IndexPageInForce, xhtml: bool, path: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(if xhtml {
        b"<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\"\n\
          \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n\
          <html xmlns=\"http://www.w3.org/1999/xhtml\">\n <head>\n  <title>Index of "
    } else {
        b"<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\n\
          <html>\n <head>\n  <title>Index of "
    });
    escape(Escape::Html, shown(path), false, out);
    out.extend_from_slice(b"</title>\n");
    if !page.style_sheet.is_empty() {
        out.extend_from_slice(b"  <link rel=\"stylesheet\" href=\"");
        out.extend_from_slice(&page.style_sheet);
        out.extend_from_slice(b"\" type=\"text/css\"");
        out.extend_from_slice(if xhtml { b" />\n" } else { b">\n" });
    }
    out.extend_from_slice(&page.head);
    out.extend_from_slice(b" </head>\n <body>\n");
}

/// A path without the slash at its end.
pub(super) fn shown(path: &[u8]) -> &[u8] {
    path.strip_suffix(b"/").filter(|path| !path.is_empty()).unwrap_or(b"/")
}

/// The names in a directory that are shown; those of directories end in a slash.
fn names(folder: &[u8], asked: &Asked) -> std::io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(Path::new(OsStr::from_bytes(folder)))? {
        let entry = entry?;
        let mut name = entry.file_name().as_bytes().to_vec();
        if !asked.wants(&name) {
            continue;
        }
        if std::fs::metadata(entry.path()).is_ok_and(|known| known.is_dir()) {
            name.push(b'/');
        }
        names.push(name);
    }
    Ok(names)
}

/// Whether `*` for any text and `?` for any byte make a pattern this name.
pub(super) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut seen, mut star) = (0, 0, None);
    while seen < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[seen] => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((back, taken)) = star else { return false };
                star = Some((back, taken + 1));
                (at, seen) = (back + 1, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// A plain list.
fn list_of_links(path: &[u8], entries: &[index_page::Entry], out: &mut Vec<u8>) {
    let html = |text: &[u8], out: &mut Vec<u8>| escape(Escape::Html, text, false, out);
    out.extend_from_slice(b"<ul>");
    for entry in entries {
        let here = shown(path);
        let (to, text) = if entry.name.is_empty() {
            (&here[..memchr::memrchr(b'/', here).map_or(0, |slash| slash + 1)], &b"Parent Directory"[..])
        } else {
            (entry.name.as_slice(), entry.name.as_slice())
        };
        let mut target = Vec::new();
        escape(Escape::UriText, to, false, &mut target);
        out.extend_from_slice(b"<li><a href=\"");
        html(&target, out);
        out.extend_from_slice(b"\"> ");
        html(text, out);
        out.extend_from_slice(b"</a></li>\n");
    }
    out.extend_from_slice(b"</ul>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_names() {
        for (pattern, name, expected) in [
            ("*.bak", "a.bak", true),
            (".??*", ".ht", true),
            (".??*", ".", false),
            ("*~", "a~b", false),
            ("RCS", "RCS", true),
            ("a*b*c", "axxbxbc", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}
