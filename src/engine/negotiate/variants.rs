//! What there is to choose from: files in a folder whose names are one name and extensions, or what a list says.

use std::{ffi::OsStr, io::Read as _, os::unix::ffi::OsStrExt as _, path::Path};

use super::{
    super::files::{kind, open_plain},
    accept,
};
use crate::plan::Effective;

/// As many files of a folder are looked at.
const MOST: usize = 1000;

/// The longest list, bytes.
const LONGEST: u64 = 1 << 20;

/// One of the things to choose from.
#[derive(Clone, Debug, Default)]
pub(super) struct Variant {
    /// The name of its file, seen from the name that was asked for.
    pub(super) name: Vec<u8>,
    /// Its type, in lower case, without parameters.
    pub(super) of: Vec<u8>,
    pub(super) charset: Vec<u8>,
    /// Its level, of HTML.
    pub(super) level: f32,
    /// How good it is whatever the client says.
    pub(super) quality: f32,
    pub(super) encoding: Option<Vec<u8>>,
    /// In lower case.
    pub(super) languages: Vec<Vec<u8>>,
    pub(super) description: Vec<u8>,
    /// Its content, where the list has it.
    pub(super) content: Option<Vec<u8>>,
    /// Its length, if that is known.
    pub(super) length: Option<u64>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What to choose from, in order.
    pub(super) variants: Vec<Variant>,
    /// A status to answer with instead.
    pub(super) status: Option<u16>,
    /// What tells whether the list is the same.
    pub(super) tag: Vec<u8>,
    /// What there is to say, for the log.
    pub(super) said: Option<String>,
}

impl Found {
    fn refused(status: u16, said: String) -> Self {
        Self { status: Some(status), said: Some(said), ..Self::default() }
    }
}

/// The type of programs.
pub(super) const PROGRAM: &[u8] = b"application/x-cgi";

/// The type of files that list variants.
const LIST: &[u8] = b"application/x-type-map";

/// Looks for files that are called `path` and extensions.
pub(super) fn beside(settings: &Effective, path: &[u8]) -> Found {
    let at = memchr::memrchr(b'/', path).map_or(0, |slash| slash + 1);
    let (folder, base) = path.split_at(at);
    let place = Path::new(OsStr::from_bytes(folder));
    let entries = match std::fs::read_dir(place) {
        Ok(entries) => entries,
        Err(error) => {
            let said = format!("cannot read directory for multi: {}: {error}", folder.escape_ascii());
            return Found::refused(403, said);
        }
    };
    let mut found = Found::default();
    let mut any = false;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.as_bytes();
        let is_extended = name.strip_prefix(base).is_some_and(|rest| rest.starts_with(b"."));
        if !is_extended || entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        any = true;
        let Ok(known) = std::fs::metadata(entry.path()) else { continue };
        if !known.is_file() || found.variants.len() == MOST {
            continue;
        }
        let (mut kind, silent) = kind::read(settings, name);
        if kind.of.is_empty() && silent.iter().any(|extension| is_handled(settings, extension)) {
            kind.of = PROGRAM.to_vec();
        }
        if !is_known(settings, name, base, &silent) || kind.of.is_empty() {
            continue;
        }
        let (of, _) = accept::entry(&kind.of);
        if of.name == LIST {
            return listed(&[folder, name].concat());
        }
        let languages = kind.language.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        found.variants.push(Variant {
            name: name.to_vec(),
            of: of.name,
            charset: of.charset,
            level: of.level,
            quality: of.quality,
            encoding: (!kind.encoding.is_empty()).then_some(kind.encoding),
            languages: languages.filter(|tag| !tag.is_empty()).map(<[u8]>::to_ascii_lowercase).collect(),
            length: Some(known.len()),
            ..Variant::default()
        });
    }
    if any && found.variants.is_empty() {
        let said = format!(
            "Negotiation: discovered file(s) matching request: {} (None could be negotiated).",
            path.escape_ascii()
        );
        return Found::refused(404, said);
    }
    // The order does not depend on the folder's.
    found
        .variants
        .sort_by(|one, other| other.quality.total_cmp(&one.quality).then_with(|| one.name.cmp(&other.name)));
    found.tag = std::fs::metadata(place).map(|known| tag(&known, false)).unwrap_or_default();
    found
}

/// Whether what a name's extensions do not say is in the name that was asked for.
fn is_known(settings: &Effective, name: &[u8], base: &[u8], silent: &[&[u8]]) -> bool {
    let negotiation = &settings.negotiation;
    let counts = |extension: &&&[u8]| {
        !(negotiation.any_extension || negotiation.handled_count && is_handled(settings, extension))
    };
    let hidden = name.iter().take_while(|byte| **byte == b'.').count();
    let extensions = name[hidden..].split(|byte| *byte == b'.').filter(|part| !part.is_empty()).count() - 1;
    let mut left = silent.iter().filter(counts).copied().peekable();
    if silent.iter().filter(counts).count() == extensions {
        return false;
    }
    for segment in base.split(|byte| *byte == b'.') {
        left.next_if(|extension| *extension == segment);
    }
    left.peek().is_none()
}

fn is_handled(settings: &Effective, extension: &[u8]) -> bool {
    settings.negotiation.handled.iter().any(|known| known.eq_ignore_ascii_case(extension))
}

/// Reads a list of variants: their fields a line each, with an empty line between two of them.
pub(super) fn listed(path: &[u8]) -> Found {
    let place = Path::new(OsStr::from_bytes(path));
    let shown = path.escape_ascii();
    let (file, known) = match open_plain(place) {
        Ok(opened) => opened,
        Err(error) => {
            let missing = matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR));
            let status = if missing { 404 } else { 403 };
            return Found::refused(status, format!("cannot access type map file: {shown}: {error}"));
        }
    };
    let mut text = Vec::new();
    if let Err(error) = file.take(LONGEST).read_to_end(&mut text) {
        return Found::refused(403, format!("cannot access type map file: {shown}: {error}"));
    }
    let own = &path[memchr::memrchr(b'/', path).map_or(0, |slash| slash + 1)..];
    let mut found = match read(&text, own) {
        Ok(variants) => Found { variants, ..Found::default() },
        Err(said) => return Found::refused(500, format!("{said} in {shown}")),
    };
    let folder = &path[..path.len() - own.len()];
    for variant in found.variants.iter_mut().filter(|variant| variant.length.is_none()) {
        let name = [folder, &variant.name].concat();
        variant.length = std::fs::metadata(OsStr::from_bytes(&name)).ok().map(|known| known.len());
    }
    found.tag = tag(&known, true);
    found
}

/// Reads what a list says.
fn read(text: &[u8], own: &[u8]) -> Result<Vec<Variant>, String> {
    let mut variants = Vec::new();
    let mut one = Variant::default();
    let mut says = false;
    let mut lines = text.split_inclusive(|byte| *byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        if line.starts_with(b"#") {
            continue;
        }
        if line.trim_ascii().is_empty() {
            if says && !one.name.is_empty() {
                variants.push(std::mem::take(&mut one));
            }
            (one, says) = (Variant::default(), false);
            continue;
        }
        let mut line = line.to_vec();
        let is_body = line.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"body:"));
        // A line that begins with white space goes on with the one before.
        while !is_body
            && let Some(next) = lines.next_if(|next| {
                next.starts_with(b"#")
                    || next.first().is_some_and(u8::is_ascii_whitespace) && !next.trim_ascii().is_empty()
            })
        {
            if !next.starts_with(b"#") {
                line.extend_from_slice(next.trim_ascii_start());
            }
        }
        let Some(colon) = memchr::memchr(b':', &line) else {
            return Err(format!("no ':' for header {}", line.escape_ascii()));
        };
        let name = line[..colon].to_ascii_lowercase();
        let value = without_comments(line[colon + 1..].trim_ascii_start());
        if value.is_empty() {
            return Err(format!("no header body for {}", line.escape_ascii()));
        }
        says |= matches!(
            name.as_slice(),
            b"content-type" | b"content-length" | b"content-language" | b"content-encoding"
        );
        match name.as_slice() {
            b"uri" => one.name = accept::token(&value, false).0.to_vec(),
            b"content-type" => {
                let of = accept::entry(&value).0;
                (one.of, one.charset, one.level, one.quality) = (of.name, of.charset, of.level, of.quality);
            }
            b"content-length" => {
                let text = std::str::from_utf8(accept::token(&value, false).0).ok();
                let Some(length) = text.and_then(|text| text.parse().ok()) else { return Ok(variants) };
                one.length = Some(length);
            }
            b"content-language" => {
                one.languages = accept::list(&value).into_iter().map(|one| one.name).collect();
            }
            b"content-encoding" => one.encoding = Some(accept::token(&value, false).0.to_vec()),
            b"description" => {
                let flat = |byte: &u8| if *byte == b'\n' { b' ' } else { *byte };
                one.description = value.trim_ascii_end().iter().map(flat).collect();
            }
            b"body" => {
                let end = value.trim_ascii();
                let mut content = Vec::new();
                loop {
                    let Some(line) = lines.next() else { return Ok(variants) };
                    if let Some(at) = memchr::memmem::find(line, end) {
                        content.extend_from_slice(&line[..at]);
                        break;
                    }
                    content.extend_from_slice(line);
                }
                one.length = Some(content.len() as u64);
                one.content = Some(content);
                one.name = own.to_vec();
            }
            _ => {}
        }
    }
    if says && !one.name.is_empty() {
        variants.push(one);
    }
    Ok(variants)
}

/// Without what stands in parentheses, where no quotes are around it.
fn without_comments(value: &[u8]) -> Vec<u8> {
    let (mut quoted, mut inside) = (false, false);
    let blank = |byte: &u8| {
        match byte {
            b'"' if !inside => quoted = !quoted,
            b'(' if !quoted => inside = true,
            b')' if inside => {
                inside = false;
                return b' ';
            }
            _ => {}
        }
        if inside { b' ' } else { *byte }
    };
    value.iter().map(blank).collect()
}

/// What says whether a file, or a folder, is the same: its time, of a file its size, too.
fn tag(known: &std::fs::Metadata, with_size: bool) -> Vec<u8> {
    use std::os::unix::fs::MetadataExt as _;
    let micros = known.mtime().saturating_mul(1_000_000).saturating_add(known.mtime_nsec() / 1000);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let weak = now.map_or(0, |now| now.as_micros() as i64) - micros <= 1_000_000;
    let weak = if weak { "W/" } else { "" };
    let micros = micros.cast_unsigned();
    if with_size {
        format!("{weak}{:x}-{micros:x}", known.len()).into_bytes()
    } else {
        format!("{weak}{micros:x}").into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        let text = b"URI: x\n\nURI: a.html (the first)\nContent-type: text/html;\n level=2; qs=0.5\nContent-language: en, de\n\n\
                     # more\nContent-type: text/plain\nBody:--x--\nfoo\nbar--x--\n";
        let all = read(text, b"own.var").unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].name.as_slice(), all[0].quality), (&b"a.html"[..], 0.5));
        assert_eq!(all[0].languages, [b"en".to_vec(), b"de".to_vec()]);
        assert_eq!(all[1].content.as_deref(), Some(&b"foo\nbar"[..]));
        assert_eq!(all[1].name, b"own.var");
        assert!(read(b"nothing\n", b"x").is_err());
    }
}
