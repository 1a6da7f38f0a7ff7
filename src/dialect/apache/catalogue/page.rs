//! The catalogue as a page for people: what is honoured, what has no effect, what is refused and why.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{Catalogue, Module, Row, catalogue};

/// The page, as Markdown.
pub fn support_markdown() -> String {
    let catalogue = catalogue();
    let mut page = String::from(
        "# Directives of Apache\n\n\
         Generated from `grammar/apache/`; `BLESS=1 cargo test --test generated` writes it anew.\n\n\
         *Honoured* directives do what they do in Apache. *Inert* ones are accepted and have no effect, for the \
         reason given. A configuration with a *refused* one does not start; `triglot check` says what applies. A \
         module that *counts as loaded* is there for `<IfModule>` in a file without any `LoadModule`: a single \
         virtual host, a `.htaccess`.\n\n",
    );
    figures(&mut page, catalogue);
    honoured(&mut page, catalogue);
    reasons(&mut page, catalogue, "inert");
    reasons(&mut page, catalogue, "refused");
    third_parties(&mut page, catalogue);
    page
}

/// The page in a few sentences, as Markdown.
pub fn summary() -> String {
    let rows = catalogue().rows();
    let count = |word| rows.iter().filter(|row| row.status.word() == word).count();
    format!(
        "Of Apache's {} directives, {} are honoured, {} are accepted and have no effect here, and {} are refused at \
         start with the reason; [SUPPORT-apache.md](SUPPORT-apache.md) lists them all.\n",
        rows.len(),
        count("honoured"),
        count("inert"),
        count("refused")
    )
}

/// Rows by module, in the order of the files.
fn modules(catalogue: &Catalogue) -> Vec<(&Module, Vec<&Row>)> {
    let rows_of = |at| catalogue.rows().iter().filter(move |row| row.module == at).collect();
    catalogue.modules().iter().enumerate().map(|(at, module)| (module, rows_of(at))).collect()
}

fn figures(page: &mut String, catalogue: &Catalogue) {
    page.push_str("| module | counts as loaded | honoured | inert | refused |\n|---|---|---:|---:|---:|\n");
    let count = |rows: &[&Row], word| rows.iter().filter(|row| row.status.word() == word).count();
    let all: Vec<&Row> = catalogue.rows().iter().collect();
    let of_all = ["honoured", "inert", "refused"].map(|word| format!("**{}**", count(&all, word)));
    line(page, &format!("| **all {}** | | {} |", all.len(), of_all.join(" | ")));
    for (module, rows) in modules(catalogue) {
        let numbers = ["honoured", "inert", "refused"].map(|word| match count(&rows, word) {
            0 => String::new(),
            some => some.to_string(),
        });
        let loaded = if module.assumed { "yes" } else { "" };
        line(page, &format!("| {} | {loaded} | {} |", module.name, numbers.join(" | ")));
    }
    page.push('\n');
}

fn honoured(page: &mut String, catalogue: &Catalogue) {
    page.push_str(
        "## Honoured\n\n| directive | in | AllowOverride | arguments | default |\n|---|---|---|---|---|\n",
    );
    for (_, rows) in modules(catalogue) {
        for row in rows.into_iter().filter(|row| row.is_honoured()) {
            let places = row.places.words().join(", ");
            let overrides: Vec<_> = row.overrides.iter().map(super::Override::word).collect();
            let overrides =
                if row.overrides == super::Overrides::all() { "any".into() } else { overrides.join(", ") };
            let args = row.usage.as_deref().map_or_else(|| row.args.word().to_owned(), code);
            let default = row.default.as_deref().map(code).unwrap_or_default();
            line(
                page,
                &format!("| {} | {places} | {overrides} | {args} | {default} |", link(catalogue, row)),
            );
        }
    }
    page.push('\n');
}

/// Directives of one status under the reason they have in common.
fn reasons(page: &mut String, catalogue: &Catalogue, status: &str) {
    let title = if status == "inert" { "Inert" } else { "Refused" };
    line(page, &format!("## {title}\n\n| module | reason | directives |\n|---|---|---|"));
    for (module, rows) in modules(catalogue) {
        let mut by_reason: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for row in rows.into_iter().filter(|row| row.status.word() == status) {
            by_reason.entry(row.status.why()).or_default().push(link(catalogue, row));
        }
        for (reason, directives) in by_reason {
            line(page, &format!("| {} | {} | {} |", module.name, cell(reason), directives.join(" ")));
        }
    }
    page.push('\n');
}

fn third_parties(page: &mut String, catalogue: &Catalogue) {
    page.push_str("## Modules of others\n\nTheir directives are known by name and refused.\n\n");
    page.push_str("| module | instead |\n|---|---|\n");
    for module in catalogue.third_parties() {
        let inert = if module.inert { "accepted without effect: " } else { "" };
        line(page, &format!("| {} | {inert}{} |", cell(&module.module), cell(&module.why)));
    }
}

fn link(catalogue: &Catalogue, row: &Row) -> String {
    format!("[`{}`]({})", row.name, catalogue.doc(row))
}

fn line(page: &mut String, text: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(page, "{text}");
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{}`", cell(text)) }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_on_the_page() {
        let page = support_markdown();
        for row in catalogue().rows() {
            assert!(page.contains(&format!("[`{}`](", row.name)), "{}", row.name);
        }
    }
}
