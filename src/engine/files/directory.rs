//! Listings of folders that have no index file.
//!
//! Observed: nginx 1.22.1 for every form; other looks are other forms.

use std::{ffi::OsStr, fs, io, os::unix::ffi::OsStrExt as _, os::unix::fs::MetadataExt as _};

use super::super::{
    clock::{self, http_date},
    exchange::{Exchange, Next},
    forward::system,
    http1::field::Known,
};
use crate::{
    ir::settings::{Level, ListingForm},
    plan::Plan,
};

/// Columns of a name in a page.
const NAME: usize = 50;

/// What is shown of a file.
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) folder: bool,
    pub(super) size: u64,
    pub(super) modified: i64,
}

/// Answers with a listing of a folder.
pub(super) async fn answer(exchange: &mut Exchange, plan: &Plan, folder: Vec<u8>) -> Next {
    let path = folder.clone();
    let read = tokio::task::spawn_blocking(move || entries(&path)).await;
    let listing = std::sync::Arc::clone(&exchange.settings(plan).listing);
    let mut callback = Vec::new();
    if listing.form == ListingForm::Jsonp {
        callback = exchange.value(&listing.callback);
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
        if !callback.iter().all(is_name) {
            let name = callback.escape_ascii().to_string();
            exchange.log(Level::Info, format_args!("client sent invalid callback name: \"{name}\""));
            return Next::Status(400);
        }
    }
    let mut entries = match read.unwrap_or_else(|error| Err(io::Error::other(error))) {
        Ok(entries) => entries,
        Err(error) => return refused(exchange, &folder, &error),
    };
    entries.sort_by(|one, other| other.folder.cmp(&one.folder).then_with(|| one.name.cmp(&other.name)));
    exchange.facts.response.start(200);
    let kind: &[u8] = match listing.form {
        ListingForm::Html | ListingForm::Columns => b"text/html",
        ListingForm::Json => b"application/json",
        ListingForm::Jsonp if callback.is_empty() => b"application/json",
        ListingForm::Jsonp => b"application/javascript",
        ListingForm::Xml => b"text/xml; charset=utf-8",
    };
    exchange.facts.response.add(b"Content-Type", kind);
    let mut out = Vec::new();
    match listing.form {
        ListingForm::Html | ListingForm::Columns => {
            super::super::edit::charset(exchange, plan);
            let kind = exchange.facts.response.known(Known::ContentType).unwrap_or_default();
            let utf8 = kind.to_ascii_lowercase().ends_with(b"charset=utf-8");
            html(&exchange.run.path, &entries, utf8, listing.exact_size, listing.local_time, &mut out);
        }
        ListingForm::Json | ListingForm::Jsonp => json(&entries, &callback, &mut out),
        ListingForm::Xml => xml(&entries, &mut out),
    }
    // It goes in chunks, as its length was not known when its head was made.
    exchange.facts.response.length = None;
    exchange.send_if_wanted(plan, &out).await
}

/// A folder that cannot be looked into.
pub(super) fn refused(exchange: &Exchange, folder: &[u8], error: &io::Error) -> Next {
    let (level, status) = match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG) => (Level::Error, 404),
        Some(libc::EACCES) => (Level::Error, 403),
        _ => (Level::Crit, 500),
    };
    let folder = String::from_utf8_lossy(folder);
    exchange.log(level, format_args!("opendir() \"{folder}\" failed ({})", system(error)));
    Next::Status(status)
}

/// What is in a folder, but for what is hidden.
pub(super) fn entries(folder: &[u8]) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(OsStr::from_bytes(folder))? {
        let entry = entry?;
        let name = entry.file_name().as_bytes().to_vec();
        if name.starts_with(b".") {
            continue;
        }
        // What a link leads to counts; one that leads nowhere is shown for itself.
        let Ok(known) = fs::metadata(entry.path()).or_else(|_| fs::symlink_metadata(entry.path())) else {
            continue;
        };
        entries.push(Entry { name, folder: known.is_dir(), size: known.size(), modified: known.mtime() });
    }
    Ok(entries)
}

fn html(path: &[u8], entries: &[Entry], utf8: bool, exact: bool, local: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<html>\r\n<head><title>Index of ");
    escape(path, out);
    out.extend_from_slice(b"</title></head>\r\n<body>\r\n<h1>Index of ");
    escape(path, out);
    out.extend_from_slice(b"</h1><hr><pre><a href=\"../\">../</a>\r\n");
    for entry in entries {
        out.extend_from_slice(b"<a href=\"");
        encode(&entry.name, out);
        let slash: &[u8] = if entry.folder { b"/" } else { b"" };
        out.extend_from_slice(slash);
        out.extend_from_slice(b"\">");
        let text = std::str::from_utf8(&entry.name).ok().filter(|_| utf8);
        let length = text.map_or(entry.name.len(), |text| text.chars().count());
        if length > NAME {
            let cut = match text {
                Some(text) => text.char_indices().nth(NAME - 3).map_or(text.len(), |(at, _)| at),
                None => NAME - 3,
            };
            escape(&entry.name[..cut], out);
            out.extend_from_slice(b"..&gt;</a>");
        } else {
            escape(&entry.name, out);
            // A name that fills its columns has no room for the slash.
            let slash = if length < NAME { slash } else { b"" };
            out.extend_from_slice(slash);
            out.extend_from_slice(b"</a>");
            out.resize(out.len() + NAME - length - slash.len(), b' ');
        }
        let t = if local { clock::local(entry.modified.max(0).cast_unsigned()) } else { utc(entry.modified) };
        let month = clock::MONTHS.get(t.tm_mon as usize).copied().unwrap_or_default();
        let year = t.tm_year + 1900;
        let date = format!(" {:02}-{month}-{year} {:02}:{:02} ", t.tm_mday, t.tm_hour, t.tm_min);
        out.extend_from_slice(date.as_bytes());
        let size = match (entry.folder, exact) {
            (true, true) => format!("{:>19}", "-"),
            (true, false) => format!("{:>7}", "-"),
            (false, true) => format!("{:>19}", entry.size),
            (false, false) => short(entry.size),
        };
        out.extend_from_slice(size.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"</pre><hr></body>\r\n</html>\r\n");
}

/// A size in seven columns, rounded.
fn short(size: u64) -> String {
    let rounded = |unit: u64| size / unit + u64::from(size % unit > unit / 2 - 1);
    match size {
        0..=9999 => format!(" {size:>6}"),
        10_000..0x10_0000 => format!("{:>6}K", rounded(1 << 10)),
        0x10_0000..0x4000_0000 => format!("{:>6}M", rounded(1 << 20)),
        _ => format!("{:>6}G", rounded(1 << 30)),
    }
}

#[expect(unsafe_code, reason = "only libc takes times apart")]
fn utc(second: i64) -> libc::tm {
    // SAFETY: `tm` is plain data for which zeroes are valid, and both pointers are to live values.
    unsafe {
        let mut broken = std::mem::zeroed();
        let time = second as libc::time_t;
        libc::gmtime_r(&raw const time, &raw mut broken);
        broken
    }
}

fn json(entries: &[Entry], callback: &[u8], out: &mut Vec<u8>) {
    if !callback.is_empty() {
        out.extend_from_slice(b"/* callback */\r\n");
        out.extend_from_slice(callback);
        out.push(b'(');
    }
    out.push(b'[');
    for (at, entry) in entries.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"\r\n{ \"name\":\"" } else { b",\r\n{ \"name\":\"" });
        for &byte in &entry.name {
            match byte {
                b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                0x08 => out.extend_from_slice(b"\\b"),
                0x0c => out.extend_from_slice(b"\\f"),
                0..0x20 => out.extend_from_slice(format!("\\u{byte:04X}").as_bytes()),
                _ => out.push(byte),
            }
        }
        let kind = if entry.folder { "directory" } else { "file" };
        let date = http_date(entry.modified);
        out.extend_from_slice(format!("\", \"type\":\"{kind}\", \"mtime\":\"{date}\"").as_bytes());
        if !entry.folder {
            out.extend_from_slice(format!(", \"size\":{}", entry.size).as_bytes());
        }
        out.extend_from_slice(b" }");
    }
    out.extend_from_slice(if callback.is_empty() { b"\r\n]" } else { b"\r\n]);" });
}

fn xml(entries: &[Entry], out: &mut Vec<u8>) {
    out.extend_from_slice(b"<?xml version=\"1.0\"?>\r\n<list>\r\n");
    for entry in entries {
        let kind = if entry.folder { "directory" } else { "file" };
        let t = utc(entry.modified);
        let (year, month) = (t.tm_year + 1900, t.tm_mon + 1);
        let date = format!("{year:04}-{month:02}-{:02}", t.tm_mday);
        let time = format!("{:02}:{:02}:{:02}", t.tm_hour, t.tm_min, t.tm_sec);
        out.extend_from_slice(format!("<{kind} mtime=\"{date}T{time}Z\"").as_bytes());
        if !entry.folder {
            out.extend_from_slice(format!(" size=\"{}\"", entry.size).as_bytes());
        }
        out.push(b'>');
        escape(&entry.name, out);
        out.extend_from_slice(format!("</{kind}>\r\n").as_bytes());
    }
    out.extend_from_slice(b"</list>\r\n");
}

/// Text as HTML and XML have it.
pub(super) fn escape(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        match byte {
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            _ => out.push(byte),
        }
    }
}

/// A name as a segment of a path (RFC 3986 § 2.3).
fn encode(name: &[u8], out: &mut Vec<u8>) {
    for &byte in name {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn sizes_are_rounded() {
        for (size, expected) in [
            (0, "      0"),
            (9999, "   9999"),
            (10_000, "    10K"),
            (10_751, "    10K"),
            (10_752, "    11K"),
            (1_048_576, "     1M"),
            (3_000_000, "     3M"),
            (1_073_741_824, "     1G"),
        ] {
            assert_eq!(short(size), expected);
        }
    }
}
