//! The catalogue as a page for people: what is honoured, what has no effect, what is refused and why.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{Catalogue, Directive, Status};

/// The page, as Markdown.
pub fn support_markdown(server: &str, catalogue: &Catalogue) -> String {
    let mut page = format!(
        "# Directives of {server}\n\n\
         Generated from `grammar/{server}/`; `BLESS=1 cargo test --test generated` writes it anew.\n\n\
         *Honoured* directives do what they do in {server}. *Inert* ones are accepted and have no effect, for the \
         reason given. A configuration with a *refused* one does not start, unless its value or the absence of other \
         directives makes it harmless; `triglot check` says what applies.\n\n"
    );
    summary(&mut page, catalogue);
    honoured(&mut page, catalogue);
    reasons(&mut page, catalogue, "inert");
    reasons(&mut page, catalogue, "refused");
    third_parties(&mut page, catalogue);
    page
}

/// The page in three sentences, as Markdown.
pub fn support_summary(server: &str, catalogue: &Catalogue) -> String {
    let count =
        |word| catalogue.iter().filter(|row| row.status.word() == word).map(|row| row.names.len()).sum();
    let (honoured, inert, refused): (usize, usize, usize) =
        (count("honoured"), count("inert"), count("refused"));
    format!(
        "Of {server}'s {} directives, {honoured} are honoured, {inert} are accepted and have no effect here, and \
         {refused} are refused at start with the reason. `triglot check FILE` says which of them a configuration \
         uses; [SUPPORT.md](SUPPORT.md) lists them all.\n",
        honoured + inert + refused
    )
}

/// Rows by module, in the order in which the modules first occur.
fn modules(catalogue: &Catalogue) -> Vec<(&str, Vec<&Directive>)> {
    let mut modules: Vec<(&str, Vec<&Directive>)> = Vec::new();
    for row in catalogue {
        match modules.iter_mut().find(|(name, _)| *name == row.module) {
            Some((_, rows)) => rows.push(row),
            None => modules.push((&row.module, vec![row])),
        }
    }
    modules
}

fn summary(page: &mut String, catalogue: &Catalogue) {
    let count = |rows: &[&Directive], word| rows.iter().filter(|row| row.status.word() == word).count();
    let all: Vec<&Directive> = catalogue.iter().collect();
    page.push_str("| module | honoured | inert | refused |\n|---|---:|---:|---:|\n");
    line(
        page,
        &format!(
            "| **all {}** | **{}** | **{}** | **{}** |",
            all.len(),
            count(&all, "honoured"),
            count(&all, "inert"),
            count(&all, "refused")
        ),
    );
    for (module, rows) in modules(catalogue) {
        let number = |word| match count(&rows, word) {
            0 => String::new(),
            some => some.to_string(),
        };
        line(
            page,
            &format!("| {module} | {} | {} | {} |", number("honoured"), number("inert"), number("refused")),
        );
    }
    page.push('\n');
}

fn honoured(page: &mut String, catalogue: &Catalogue) {
    page.push_str("## Honoured\n\n| directive | in | arguments | default |\n|---|---|---|---|\n");
    for (_, rows) in modules(catalogue) {
        for row in rows.into_iter().filter(|row| row.status == Status::Honoured) {
            let places: Vec<&str> = row.contexts.iter().map(super::Level::word).collect();
            let places =
                if row.contexts == super::Levels::ANY { "any".to_owned() } else { places.join(", ") };
            let (args, default) =
                (code(&row.args.to_string()), row.default.as_deref().map(code).unwrap_or_default());
            line(page, &format!("| {} | {places} | {args} | {default} |", links(row)));
        }
    }
    page.push('\n');
}

/// Directives of one status under the reason they have in common.
fn reasons(page: &mut String, catalogue: &Catalogue, status: &str) {
    let title = if status == "inert" { "Inert" } else { "Refused" };
    line(page, &format!("## {title}\n\n| reason | directives |\n|---|---|"));
    for (_, rows) in modules(catalogue) {
        let mut by_reason: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for row in rows.into_iter().filter(|row| row.status.word() == status) {
            by_reason.entry(row.status.why()).or_default().push(links(row));
        }
        for (reason, directives) in by_reason {
            line(page, &format!("| {} | {} |", cell(reason), directives.join(" ")));
        }
    }
    page.push('\n');
}

fn third_parties(page: &mut String, catalogue: &Catalogue) {
    page.push_str("## Modules of others\n\nTheir directives are known by name and refused.\n\n");
    page.push_str("| module | instead |\n|---|---|\n");
    for module in catalogue.third_parties() {
        line(page, &format!("| {} | {} |", cell(&module.module), cell(&module.why)));
    }
}

fn links(row: &Directive) -> String {
    let links = row.names.iter().map(|name| format!("[`{name}`]({})", row.doc(name)));
    links.collect::<Vec<_>>().join(" ")
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
    #[test]
    fn every_row_is_on_the_page() {
        let catalogue = super::super::nginx();
        let page = super::support_markdown("nginx", catalogue);
        for name in catalogue.names() {
            assert!(page.contains(&format!("[`{name}`](")), "{name}");
        }
    }
}
