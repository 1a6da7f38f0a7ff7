//! Generated text is up to date; `BLESS=1` writes it anew.

use std::{fs, path::Path};

use triglot::catalogue;

#[test]
fn support_page() {
    up_to_date("SUPPORT.md", &catalogue::support_markdown("nginx", catalogue::nginx()));
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
