//! Too little of something: descriptors, connections, time, room on the disk. Nobody crashes, spins or lies.
//!
//! Runs on the real nginx with `SUBJECT=/usr/sbin/nginx`; what triglot promises beyond it is asserted where
//! `is_triglot()` says so.

#[path = "apps_support/all.rs"]
mod support;

#[path = "limits/connections.rs"]
mod connections;
#[path = "limits/disk.rs"]
mod disk;
#[path = "limits/frames.rs"]
mod frames;
#[path = "limits/malformed.rs"]
mod malformed;
#[path = "limits/pages.rs"]
mod pages;
#[path = "limits/time.rs"]
mod time;
#[path = "limits/tunnels.rs"]
mod tunnels;

use support::subject::Prefix;

/// A prefix with one worker and one server.
fn prefix(name: &str, port: u16, events: &str, http: &str, server: &str) -> Prefix {
    let text = format!(
        "worker_processes 1;
        error_log logs/error.log info;
        events {{ {events} }}
        http {{
            access_log logs/access.log;
            {http}
            server {{
                listen 127.0.0.1:{port};
                location / {{ return 200 \"here\\n\"; }}
                {server}
            }}
        }}
        "
    );
    Prefix::new(name, &text)
}
