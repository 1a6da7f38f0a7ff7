//! What is told of the variants: fields of the response, and a list for people.

use super::{choose::Wishes, variants::Variant};
use crate::{ir::Escape, plan::escape};

/// The list as `Alternates` has it (RFC 2295 § 8.3).
pub(super) fn alternates(variants: &[Variant]) -> Vec<u8> {
    let mut out = Vec::new();
    for variant in variants {
        if !out.is_empty() {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(b"{\"");
        segment(&variant.name, &mut out);
        let quality = format!("{:.3}", variant.quality);
        let quality = quality.trim_end_matches('0').trim_end_matches('.');
        out.extend_from_slice(format!("\" {}", if quality.is_empty() { "0" } else { quality }).as_bytes());
        let languages = variant.languages.join(&b","[..]);
        let coding = variant.encoding.clone().unwrap_or_default();
        for (name, value) in [
            ("type", &variant.of),
            ("charset", &variant.charset),
            ("language", &languages),
            ("encoding", &coding),
        ] {
            if !value.is_empty() {
                out.extend_from_slice(format!(" {{{name} ").as_bytes());
                out.extend_from_slice(value);
                out.push(b'}');
            }
        }
        if let Some(length) = variant.length {
            out.extend_from_slice(format!(" {{length {length}}}").as_bytes());
        }
        out.push(b'}');
    }
    out
}

/// The fields that a choice depends on: what variants differ in.
pub(super) fn vary(variants: &[Variant], open: bool) -> Vec<u8> {
    let Some((first, others)) = variants.split_first() else { return Vec::new() };
    let differ = |what: &dyn Fn(&Variant) -> Vec<u8>| others.iter().any(|other| what(other) != what(first));
    let mut names: Vec<&[u8]> = Vec::new();
    if open {
        names.push(b"negotiate");
    }
    if differ(&|one| one.of.clone()) {
        names.push(b"accept");
    }
    if differ(&|one| one.languages.join(&b","[..])) {
        names.push(b"accept-language");
    }
    if differ(&|one| one.charset.clone()) {
        names.push(b"accept-charset");
    }
    if differ(&|one| one.encoding.clone().unwrap_or_default()) {
        names.push(b"accept-encoding");
    }
    names.join(&b","[..])
}

/// The list for people.
pub(super) fn list(variants: &[Variant]) -> Vec<u8> {
    let mut out = b"Available variants:\n<ul>\n".to_vec();
    let html = |text: &[u8], out: &mut Vec<u8>| escape(Escape::Html, text, false, out);
    for variant in variants {
        out.extend_from_slice(b"<li><a href=\"");
        html(&variant.name, &mut out);
        out.extend_from_slice(b"\">");
        html(&variant.name, &mut out);
        out.extend_from_slice(b"</a> ");
        out.extend_from_slice(&variant.description);
        let languages = variant.languages.join(&b","[..]);
        for (word, value) in [("type", &variant.of), ("language", &languages), ("charset", &variant.charset)]
        {
            if !value.is_empty() {
                out.extend_from_slice(format!(", {word} ").as_bytes());
                html(value, &mut out);
            }
        }
        if let Some(coding) = &variant.encoding {
            out.extend_from_slice(b", encoding ");
            html(coding, &mut out);
        }
        out.extend_from_slice(b"</li>\n");
    }
    out.extend_from_slice(b"</ul>\n");
    out
}

/// A segment of a path.
pub(super) fn segment(name: &[u8], out: &mut Vec<u8>) {
    escape(Escape::UriText, name, false, out);
}

/// Whether the list goes to the client.
pub(super) fn goes_out(wishes: &Wishes, chosen: bool) -> bool {
    !chosen || wishes.wants_list
}
