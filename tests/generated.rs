//! Generated text is up to date; `BLESS=1` writes it anew.

use std::{fs, path::Path};

use triglot::{catalogue, dialect::apache, lint};

#[test]
fn support_page() {
    up_to_date("SUPPORT.md", &catalogue::support_markdown("nginx", catalogue::nginx()));
}

#[test]
fn lints_page() {
    up_to_date("docs/lints.md", &lint::page());
}

#[test]
fn apache_support_page() {
    up_to_date("SUPPORT-apache.md", &apache::catalogue::support_markdown());
}

#[test]
fn readme_summary() {
    let (begin, end) = ("<!-- generated: support -->\n", "<!-- end -->\n");
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (before, rest) = readme.split_once(begin).expect("README.md marks its generated part");
    let (_, after) = rest.split_once(end).expect("and its end");
    let summary = catalogue::support_summary("nginx", catalogue::nginx());
    up_to_date("README.md", &format!("{before}{begin}{summary}{end}{after}"));
}

fn up_to_date(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, text).expect("the project can be written");
        return;
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let differing = committed.lines().zip(text.lines()).position(|(old, new)| old != new);
    let differing = differing.unwrap_or_else(|| committed.lines().count().min(text.lines().count()));
    assert!(committed == text, "{file} is stale from line {}; BLESS=1 writes it anew", differing + 1);
}
