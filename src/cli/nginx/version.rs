//! `-v`, `-V` and `-h`: what programs and people ask a server first.

use std::{collections::BTreeMap, fmt::Write as _};

use super::layout;
use crate::{
    catalogue::{self, Status},
    dialect::nginx::VERSION,
};

/// The TLS library and what it computes with, as in `Cargo.lock`.
const TLS: &str = "rustls 0.23.46 (AWS-LC 1.19.0)";

/// The line of `-v`.
pub(super) fn version() -> String {
    format!("nginx version: nginx/{VERSION} (triglot {})\n", env!("CARGO_PKG_VERSION"))
}

/// The lines of `-V` after it.
pub(super) fn build() -> String {
    let mut text = format!("built with {TLS}\nTLS SNI support enabled\nconfigure arguments:");
    for (flag, honoured) in modules() {
        // Writing to a string does not fail.
        let _ = write!(text, " --{}-{flag}", if honoured { "with" } else { "without" });
    }
    text.push('\n');
    text
}

/// The lines of `-h` after that of `-v`.
pub(super) fn help() -> String {
    format!(
        "Usage: nginx [-?hvVtTq] [-s signal] [-p prefix]
             [-e filename] [-c filename] [-g directives]

Options:
  -?,-h         : this help
  -v            : show version and exit
  -V            : show version and configure options then exit
  -t            : test configuration and exit
  -T            : test configuration, dump it and exit
  -q            : suppress non-error messages during configuration testing
  -s signal     : send signal to a master process: stop, quit, reopen, reload
  -p prefix     : set prefix path (default: {})
  -e filename   : set error log file (default: {})
  -c filename   : set configuration file (default: {})
  -g directives : set global directives out of configuration file

",
        layout::PREFIX,
        layout::ERROR_LOG,
        layout::FILE,
    )
}

/// The modules that can be chosen when nginx is built, by their flag, and whether anything in them is honoured.
fn modules() -> BTreeMap<String, bool> {
    let mut modules = BTreeMap::new();
    for row in catalogue::nginx() {
        let Some(flag) = flag(row) else { continue };
        *modules.entry(flag).or_insert(false) |= row.status == Status::Honoured;
    }
    modules
}

/// `ngx_http_ssl_module` is `http_ssl_module`; what cannot be chosen, or not in the free nginx, has none.
///
/// Reference: <https://nginx.org/en/docs/configure.html>
fn flag(row: &catalogue::Directive) -> Option<String> {
    let balances = ["hash", "ip_hash", "least_conn", "random", "keepalive", "zone", "sticky"];
    let commercial = matches!(&row.status, Status::Refused { why } if why.contains("commercial"));
    let module = row.module.strip_prefix("ngx_")?;
    match module {
        _ if commercial => None,
        "http_upstream_module" if balances.contains(&row.name()) => {
            Some(format!("http_upstream_{}_module", row.name()))
        }
        "core_module"
        | "events_module"
        | "mgmt_module"
        | "otel_module"
        | "http_core_module"
        | "http_log_module"
        | "http_index_module"
        | "http_headers_module"
        | "http_acme_module"
        | "http_upstream_module"
        | "mail_realip_module"
        | "mail_auth_http_module"
        | "mail_proxy_module"
        | "stream_log_module"
        | "stream_proxy_module"
        | "stream_upstream_module" => None,
        "mail_core_module" => Some("mail".to_owned()),
        "stream_core_module" => Some("stream".to_owned()),
        _ => Some(module.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libraries_are_those_of_the_lock_file() {
        let lock = include_str!("../../../Cargo.lock");
        let of = |name: &str| {
            let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \"")).unwrap();
            rest.split_once('"').unwrap().0
        };
        assert_eq!(TLS, format!("rustls {} (AWS-LC {})", of("rustls"), of("aws-lc-rs")));
    }

    #[test]
    fn what_is_honoured_is_listed_as_built_in() {
        let text = build();
        for with in [
            "http_ssl_module",
            "http_stub_status_module",
            "http_proxy_module",
            "http_fastcgi_module",
            "http_grpc_module",
        ] {
            assert!(text.contains(&format!(" --with-{with}")), "{with}: {text}");
        }
        for without in ["http_perl_module", "stream"] {
            assert!(text.contains(&format!(" --without-{without}")), "{without}: {text}");
        }
        assert!(!text.contains("http_core_module") && !text.contains("oidc"), "{text}");
    }
}
