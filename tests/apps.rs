//! The tutorial cases: real applications behind an unchanged nginx.conf, used as a person would use them.
//!
//! Each case is a folder in `tests/apps` with its `nginx.conf`, in which only port numbers are replaced (each file says
//! which). `tests/setup.sh` installs the applications. `SUBJECT=/usr/sbin/nginx` runs the cases on the real nginx.

#[path = "apps_support/all.rs"]
mod support;

#[path = "apps/grpc.rs"]
mod grpc;
#[path = "apps/htaccess.rs"]
mod htaccess;
#[path = "apps/http2.rs"]
mod http2;
#[path = "apps/idle.rs"]
mod idle;
#[path = "apps/jupyter.rs"]
mod jupyter;
#[path = "apps/memcached.rs"]
mod memcached;
#[path = "apps/novnc.rs"]
mod novnc;
#[path = "apps/php.rs"]
mod php;
#[path = "apps/status.rs"]
mod status;
#[path = "apps/translated.rs"]
mod translated;
#[path = "apps/tutorial.rs"]
mod tutorial;
#[path = "apps/uwsgi.rs"]
mod uwsgi;
#[path = "apps/ws.rs"]
mod ws;
#[path = "apps/ws_log.rs"]
mod ws_log;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::process::Process;

/// The folder with the cases and their scripts.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apps")
}

/// A case's configuration with its port numbers replaced.
#[track_caller]
fn configuration(case: &str, ports: &[(u16, u16)]) -> String {
    let path = folder().join(case).join("nginx.conf");
    let mut text =
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for (written, free) in ports {
        // A port is always followed by `;` or `/`, so that no other number is taken for one.
        for end in [";", "/"] {
            let from = format!("{written}{end}");
            text = text.replace(&from, &format!("{free}{end}"));
        }
    }
    text
}

/// The Node echo server on these ports, ready.
#[track_caller]
fn echo_server(ports: &[u16], output: &Path) -> Process {
    let mut command = Command::new("node");
    command.arg(folder().join("ws-echo.js")).args(ports.iter().map(u16::to_string));
    let mut process = Process::start("ws-echo", &mut command, output);
    for port in ports {
        process = process.listening(*port);
    }
    process
}
