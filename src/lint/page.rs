//! What lints mean, for people: one by one, and as a page.

use super::{ALL, Lint, OWN};

/// What a code means; `None` when no lint has it.
pub fn explain(code: &str) -> Option<String> {
    ALL.iter().copied().chain(OWN.iter().copied()).find(|lint| lint.code == code).map(text)
}

fn text(lint: &Lint) -> String {
    let mut out = format!("{}: {}\n\n{}\n\nWhat to write: {}\n", lint.code, lint.what, lint.why, lint.fix);
    for (word, texts) in [("It is said of", lint.bad), ("It is not said of", lint.good)] {
        for text in texts {
            out.push_str(&format!("\n{word}:\n"));
            for line in text.trim_matches('\n').lines() {
                out.push_str(&format!("    {line}\n"));
            }
        }
    }
    out
}

/// The page with all of them.
pub fn page() -> String {
    let mut lints: Vec<&Lint> = ALL.iter().copied().chain(OWN.iter().copied()).collect();
    lints.sort_by_key(|lint| lint.code);
    let mut out = String::from(
        "<!-- Generated from src/lint: do not edit. -->\n# Lints\n\nWhat `triglot check` says of configurations that are legal and probably not what was meant. One of them by\n`triglot check --explain CODE`. A finding is accepted with a comment on its line or the one before:\n`# triglot: allow(CODE) reason`, in XML `<!-- triglot: allow(CODE) reason -->`.\n",
    );
    for lint in lints {
        out.push_str(&format!(
            "\n## {}\n\n{}\n\n{}\n\n**What to write:** {}\n",
            lint.code, lint.what, lint.why, lint.fix
        ));
        if let Some(text) = lint.bad.first() {
            out.push_str(&format!("\n```\n{}\n```\n", text.trim_matches('\n')));
        }
    }
    out
}
