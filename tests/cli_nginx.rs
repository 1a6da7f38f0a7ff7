//! Being called nginx: options, what is said and where, exit statuses, the pid file, the background.
//!
//! Runs on the real nginx with `SUBJECT=/usr/sbin/nginx`; the texts are its own. What triglot promises beyond them is
//! asserted where `is_triglot()` says so, and nowhere else.

#[path = "apps_support/all.rs"]
mod support;

#[path = "cli_nginx/check.rs"]
mod check;
#[path = "cli_nginx/daemon.rs"]
mod daemon;
#[path = "cli_nginx/faults.rs"]
mod faults;
#[path = "cli_nginx/options.rs"]
mod options;
#[path = "cli_nginx/signal.rs"]
mod signal;

use support::subject::{Ran, command, ran};

/// A small configuration with its pid file where tests look for it.
fn small(port: u16) -> String {
    format!(
        "pid logs/nginx.pid;\nevents {{ }}\nhttp {{\n    server {{\n        listen 127.0.0.1:{port};\n        \
         location / {{ return 200 \"small\\n\"; }}\n    }}\n}}\n"
    )
}

/// Runs the subject with these arguments and no prefix.
#[track_caller]
fn bare(arguments: &[&str]) -> Ran {
    ran(command().args(arguments))
}
