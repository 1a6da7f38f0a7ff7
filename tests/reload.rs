//! Signals to a server at work: a new configuration, a wrong one, the ends, and the logs opened anew.
//!
//! Runs on the real nginx with `SUBJECT=/usr/sbin/nginx`; what is expected here was seen there.

#[path = "apps_support/all.rs"]
mod support;

#[path = "reload/diff.rs"]
mod diff;
#[path = "reload/end.rs"]
mod end;
#[path = "reload/explain.rs"]
mod explain;
#[path = "reload/hup.rs"]
mod hup;
#[path = "reload/logs.rs"]
mod logs;

use support::http::Connection;
use support::origin::Origin;
use support::ports;
use support::subject::{Prefix, Server};
use support::websocket;

/// A subject, the upstream behind it, and the port in front.
struct Case {
    port: u16,
    origin: Origin,
    server: Server,
}

impl Case {
    #[track_caller]
    fn start(name: &str) -> Self {
        Self::start_with(name, "")
    }

    /// As `start`, with more in the `server` block.
    #[track_caller]
    fn start_with(name: &str, more: &str) -> Self {
        let (port, origin) = (ports::free(), Origin::start());
        let prefix = Prefix::new(name, &configuration("one", port, &origin, more));
        Self { port, origin, server: prefix.serve() }
    }

    /// Replaces the configuration with that of another plan, and says so to the master.
    fn reload(&self, plan: &str) {
        self.reload_with(plan, "");
    }

    /// As `reload`, with more in the `server` block.
    fn reload_with(&self, plan: &str, more: &str) {
        self.server.prefix().write("nginx.conf", configuration(plan, self.port, &self.origin, more));
        self.server.signal("HUP");
    }

    /// Waits until every new connection is served by this plan.
    #[track_caller]
    fn settled(&self, plan: &str) {
        let content = format!("{plan}\n");
        let what = format!("plan `{plan}` alone");
        let mut row = 0;
        support::wait::until(&what, support::wait::SOON, || {
            row = if support::http::get(self.port, "/").text() == content { row + 1 } else { 0 };
            (row >= 20).then_some(())
        });
    }

    #[track_caller]
    fn connect(&self) -> Connection {
        Connection::open(self.port).expect("the subject accepts connections")
    }

    /// Opens a tunnel to the upstream, which sends every byte back.
    #[track_caller]
    fn tunnel(&self, target: &str) -> Connection {
        let mut connection = self.connect();
        connection.send(websocket::request(target)).expect("a handshake is sent");
        let response = connection.response().expect("it is answered");
        assert_eq!(response.status, 101, "{response:?}");
        assert_eq!(through(&mut connection, "first"), "first");
        connection
    }
}

/// Sends a word through a tunnel and reads as many bytes.
#[track_caller]
fn through(tunnel: &mut Connection, word: &str) -> String {
    tunnel.send(word).expect("a tunnel takes bytes");
    let bytes = tunnel.exactly(word.len()).expect("they come back");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A configuration that shows its plan's name in contents, fields and log lines.
fn configuration(plan: &str, port: u16, origin: &Origin, more: &str) -> String {
    let origin = origin.port();
    format!(
        "worker_processes 2;
        error_log logs/error.log notice;
        events {{ worker_connections 1024; }}
        http {{
            log_format plan '{plan} $status $request_uri';
            access_log logs/access.log plan;
            keepalive_requests 1000000;
            server {{
                listen 127.0.0.1:{port};
                {more}
                location / {{ return 200 \"{plan}\\n\"; }}
                location /upstream {{ proxy_pass http://127.0.0.1:{origin}; }}
                location /held/ {{
                    add_header X-Plan {plan};
                    proxy_pass http://127.0.0.1:{origin};
                }}
                location /tunnel {{
                    proxy_pass http://127.0.0.1:{origin};
                    proxy_http_version 1.1;
                    proxy_set_header Upgrade $http_upgrade;
                    proxy_set_header Connection upgrade;
                }}
            }}
        }}
        "
    )
}
