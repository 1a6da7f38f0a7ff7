//! What the dialog means, as an nginx.conf.

use std::net::IpAddr;

use super::{Answers, Scheme};

/// The file.
pub(super) fn file(answers: &Answers) -> String {
    let server = &answers.origin.authority;
    let host =
        server.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or(&**server, |(host, _)| host);
    let scheme = answers.scheme();
    let tls = match scheme {
        Scheme::Http => String::new(),
        Scheme::Https | Scheme::Clients => verified(host),
    };
    let secure = if scheme == Scheme::Clients {
        "        # For clients that speak HTTPS, who are passed on as https://:\n\
         \x20       # listen 443 ssl;\n\
         \x20       # ssl_certificate /etc/ssl/certs/site.pem;\n\
         \x20       # ssl_certificate_key /etc/ssl/private/site.key;\n"
    } else {
        ""
    };
    let (upstream, to) = match scheme {
        Scheme::Http => (String::new(), format!("http://{server}")),
        Scheme::Https => (String::new(), format!("https://{server}")),
        // A name in an address with variables is looked up for each request, unless it is an upstream's.
        Scheme::Clients => (
            format!("    upstream origin {{\n        server {server};\n    }}\n\n"),
            "$scheme://origin".to_owned(),
        ),
    };
    let links = answers.outbound.as_ref().map_or_else(String::new, |links| {
        let (from, to) = (&links.from, &links.to);
        let mut text = String::from(
            "\n            # Links in text/html: attributes that begin with the server's name.\n            \
             proxy_set_header Accept-Encoding \"\";\n            sub_filter_once off;\n",
        );
        for scheme in ["http", "https"] {
            for (outer, mark) in [('\'', '"'), ('"', '\'')] {
                text.push_str(&format!(
                    "            sub_filter {outer}={mark}{scheme}://{from}/{outer} {outer}={mark}{scheme}://{to}/{outer};\n"
                ));
            }
        }
        text
    });
    format!(
        "events {{\n}}\n\n\
         http {{\n\
         \x20   # A WebSocket asks for an upgrade; other requests leave the connection open.\n\
         \x20   map $http_upgrade $connection_upgrade {{\n\
         \x20       default upgrade;\n\
         \x20       ''      '';\n\
         \x20   }}\n\n\
         {upstream}\
         \x20   server {{\n\
         \x20       listen 80;\n\
         {secure}\
         \x20       client_max_body_size 30000000;\n\n\
         \x20       location / {{\n\
         \x20           proxy_pass {to};\n\
         \x20           proxy_http_version 1.1;\n\
         \x20           proxy_set_header Host {server};\n\
         \x20           proxy_set_header Upgrade $http_upgrade;\n\
         \x20           proxy_set_header Connection $connection_upgrade;\n\
         \x20           proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for:$remote_port;\n\
         \x20           proxy_set_header X-Original-URL $request_uri;\n\
         {tls}\
         \x20           # The client's host in redirects and cookies, whatever the server named.\n\
         \x20           proxy_redirect ~^https?://[^/]*(.*)$ $scheme://$http_host$1;\n\
         \x20           proxy_cookie_domain ~.* $host;\n\
         \x20           proxy_buffering off;\n\
         \x20           # For as long as a WebSocket may be silent.\n\
         \x20           proxy_read_timeout 1h;\n\
         {links}\
         \x20       }}\n\
         \x20   }}\n\
         }}\n"
    )
}

/// The server's certificate. The original passes over a wrong name, which nginx cannot: it checks the name, and knows none
/// that is an address.
fn verified(host: &str) -> String {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    if address {
        return "            # No certificate's name is an address for nginx. To have it checked, name the one it has:\n            \
                # proxy_ssl_verify on;\n            \
                # proxy_ssl_name NAME;\n            \
                # proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;\n"
            .to_owned();
    }
    format!(
        "            proxy_ssl_server_name on;\n            \
         proxy_ssl_name {host};\n            \
         proxy_ssl_verify on;\n            \
         proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;\n"
    )
}
