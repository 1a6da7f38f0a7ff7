//! What a line of the error log is about, by the part of the engine that writes it.

use crate::ir::settings::Topic;

/// The topic of what a source file says.
pub(super) fn of(file: &str) -> Topic {
    let name = file.rsplit_once("engine/").map_or("", |(_, name)| name);
    let begins = |with: &[&str]| with.iter().any(|start| name.starts_with(start));
    if begins(&["forward/program", "program"]) {
        Topic::Program
    } else if begins(&[
        "forward",
        "balance",
        "gateway",
        "upstream_tls",
        "pool",
        "connect.",
        "overview",
        "tunnel",
    ]) {
        Topic::Upstream
    } else if begins(&["health"]) {
        Topic::Health
    } else if begins(&["authorize", "access", "password", "credentials"]) {
        Topic::Access
    } else if begins(&["tls"]) {
        Topic::Tls
    } else if begins(&["http2"]) {
        Topic::Http2
    } else if begins(&["compose"]) {
        Topic::Compose
    } else if begins(&["negotiate"]) {
        Topic::Negotiation
    } else if begins(&["files/listing", "files/index_page"]) {
        Topic::Listing
    } else if begins(&["maps"]) {
        Topic::Rewrite
    } else if begins(&["client_address", "announce"]) {
        Topic::ClientAddress
    } else {
        Topic::Core
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_tell_what_they_are_about() {
        for (file, topic) in [
            ("src/engine/forward/head.rs", Topic::Upstream),
            ("src/engine/forward/program.rs", Topic::Program),
            ("/somewhere/src/engine/authorize/turns.rs", Topic::Access),
            ("src/engine/connection.rs", Topic::Core),
            ("src/engine/connect.rs", Topic::Upstream),
            ("src/cli/process.rs", Topic::Core),
        ] {
            assert_eq!(of(file), topic, "{file}");
        }
    }
}
