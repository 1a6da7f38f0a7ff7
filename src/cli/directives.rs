//! `triglot directives DIALECT`: what is supported, as a page.

use crate::{catalogue, dialect::apache};

/// The page for a dialect; none when there is no such dialect.
pub fn run(dialect: &str) -> Option<String> {
    match dialect {
        "nginx" => Some(catalogue::support_markdown(dialect, catalogue::nginx())),
        "apache" => Some(apache::catalogue::support_markdown()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::run;

    #[test]
    fn known_dialects_have_a_page() {
        assert!(run("nginx").is_some_and(|page| page.contains("proxy_pass")));
        assert!(run("apache").is_some_and(|page| page.contains("ProxyPass")));
        assert!(run("nginks").is_none());
    }
}
