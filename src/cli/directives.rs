//! `triglot directives DIALECT`: what is supported, as a page.

use crate::catalogue;

/// The page for a dialect; none when there is no such dialect.
pub fn run(dialect: &str) -> Option<String> {
    match dialect {
        "nginx" => Some(catalogue::support_markdown(dialect, catalogue::nginx())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::run;

    #[test]
    fn known_dialects_have_a_page() {
        assert!(run("nginx").is_some_and(|page| page.contains("proxy_pass")));
        assert!(run("nginks").is_none());
    }
}
