//! A directory's listing: a plain list of links, sorted by name.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, path::Path};

use super::super::exchange::{Exchange, Next};
use crate::{
    ir::{Escape, Text, settings::Level},
    plan::{Plan, escape},
};

/// Answers with the listing of the directory that the path maps to.
pub async fn list(exchange: &mut Exchange, plan: &Plan) -> Next {
    if !matches!(exchange.facts.method(), b"GET" | b"HEAD" | b"POST") {
        return Next::Status(405);
    }
    let mut name = Vec::new();
    exchange.run.file_path(plan, &exchange.facts, &mut name);
    let hidden = exchange.settings(plan).files.hidden.clone();
    let folder = name.clone();
    // Nobody else waits for a large directory.
    let read = tokio::task::spawn_blocking(move || names(&folder, &hidden));
    let names = match read.await {
        Ok(Ok(names)) => names,
        Ok(Err(error)) => {
            let name = name.escape_ascii();
            exchange.log(Level::Error, format_args!("Can't open directory for index: {name}: {error}"));
            return Next::Status(403);
        }
        Err(_) => return Next::Status(500),
    };
    let content = page(&exchange.run.path, &names);
    let response = &mut exchange.facts.response;
    response.start(200);
    response.add(b"Content-Type", b"text/html;charset=ISO-8859-1");
    response.length = Some(content.len() as u64);
    exchange.send_whole(plan, &content).await
}

/// The names in a directory that are shown; those of directories end in a slash.
fn names(folder: &[u8], hidden: &[Text]) -> std::io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(Path::new(OsStr::from_bytes(folder)))? {
        let entry = entry?;
        let mut name = entry.file_name().as_bytes().to_vec();
        if hidden.iter().any(|pattern| matches(pattern, &name)) {
            continue;
        }
        if std::fs::metadata(entry.path()).is_ok_and(|known| known.is_dir()) {
            name.push(b'/');
        }
        names.push(name);
    }
    names.sort();
    Ok(names)
}

/// Whether `*` for any text and `?` for any byte make a pattern this name.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
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

fn page(path: &[u8], names: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    let html = |text: &[u8], out: &mut Vec<u8>| escape(Escape::Html, text, false, out);
    let shown = path.strip_suffix(b"/").filter(|path| !path.is_empty()).unwrap_or(b"/");
    out.extend_from_slice(
        b"<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\n\
          <html>\n <head>\n  <title>Index of ",
    );
    html(shown, &mut out);
    out.extend_from_slice(b"</title>\n </head>\n <body>\n<h1>Index of ");
    html(shown, &mut out);
    out.extend_from_slice(b"</h1>\n<ul>");
    let mut link = |to: &[u8], text: &[u8]| {
        let mut target = Vec::new();
        escape(Escape::UriText, to, false, &mut target);
        out.extend_from_slice(b"<li><a href=\"");
        html(&target, &mut out);
        out.extend_from_slice(b"\"> ");
        html(text, &mut out);
        out.extend_from_slice(b"</a></li>\n");
    };
    if shown != b"/" {
        let parent = memchr::memrchr(b'/', shown).map_or(0, |slash| slash + 1);
        link(&shown[..parent], b"Parent Directory");
    }
    for name in names {
        link(name, name);
    }
    out.extend_from_slice(b"</ul>\n</body></html>\n");
    out
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

    #[test]
    fn names_are_escaped() {
        let page = String::from_utf8(page(b"/a<b/", &[b"x y&\".txt".to_vec()])).unwrap();
        assert!(page.contains("<title>Index of /a&lt;b</title>"));
        assert!(page.contains("<li><a href=\"/\"> Parent Directory</a></li>"));
        assert!(
            page.contains("<a href=\"x%20y%26%22.txt\"> x y&amp;&quot;.txt</a>")
                || page.contains("x%20y&amp;%22.txt")
        );
    }
}
