//! What the dialog means, as an Apache configuration.

use super::{Answers, Scheme};

/// Modules it needs, with their files where Debian has them.
const MODULES: [(&str, &str); 8] = [
    ("authz_core_module", "mod_authz_core.so"),
    ("headers_module", "mod_headers.so"),
    ("proxy_module", "mod_proxy.so"),
    ("proxy_http_module", "mod_proxy_http.so"),
    ("ssl_module", "mod_ssl.so"),
    ("socache_shmcb_module", "mod_socache_shmcb.so"),
    ("filter_module", "mod_filter.so"),
    ("substitute_module", "mod_substitute.so"),
];

/// The file.
pub(super) fn file(answers: &Answers) -> String {
    let scheme = answers.scheme();
    let mut text = String::from(
        "# A whole configuration: apache2 -f FILE. Among the sites of a server, <VirtualHost> is all that is needed.\n\
         ServerName localhost\n\
         <IfModule !mpm_event_module>\n<IfModule !mpm_worker_module>\n<IfModule !mpm_prefork_module>\n    \
         LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so\n\
         </IfModule>\n</IfModule>\n</IfModule>\n",
    );
    for (name, file) in MODULES {
        let needed = match name {
            "ssl_module" | "socache_shmcb_module" => scheme != Scheme::Http,
            "filter_module" | "substitute_module" => answers.outbound.is_some(),
            _ => true,
        };
        if needed {
            text.push_str(&format!(
                "<IfModule !{name}>\n    LoadModule {name} /usr/lib/apache2/modules/{file}\n</IfModule>\n"
            ));
        }
    }
    text.push_str("ErrorLog /dev/stderr\nListen 80\n\n");
    let to = if scheme == Scheme::Https { "https" } else { "http" };
    text.push_str(&host("*:80", to, answers, ""));
    if scheme == Scheme::Clients {
        text.push_str("\n# For clients that speak HTTPS, who are passed on as https://:\n# Listen 443\n");
        let keys = "    SSLEngine On\n    SSLCertificateFile /etc/ssl/certs/site.pem\n    \
                    SSLCertificateKeyFile /etc/ssl/private/site.key\n";
        for line in host("*:443", "https", answers, keys).lines() {
            text.push_str(format!("# {line}").trim_end());
            text.push('\n');
        }
    }
    text
}

fn host(address: &str, scheme: &str, answers: &Answers, keys: &str) -> String {
    let server = &answers.origin.authority;
    let mut text = format!(
        "<VirtualHost {address}>\n{keys}    LimitRequestBody 30000000\n    AllowEncodedSlashes On\n    ProxyTimeout 120\n"
    );
    if scheme == "https" {
        text.push_str(
            "    # The chain is checked, the name is not, as in the original; `SSLProxyCheckPeerName On` checks it.\n    \
             SSLProxyEngine On\n    SSLProxyVerify require\n    SSLProxyVerifyDepth 9\n    \
             SSLProxyCACertificateFile /etc/ssl/certs/ca-certificates.crt\n    SSLProxyCheckPeerName Off\n",
        );
    }
    text.push_str(&format!(
        "    ProxyPass / {scheme}://{server}/ upgrade=websocket\n    \
         # The client's host in redirects and cookies, whatever the server named.\n    \
         Header edit Location ^https?://[^/]*(?=/) \"\"\n    \
         Header edit* Set-Cookie \"(?i);\\s*Domain=[^;]*\" \"\"\n"
    ));
    if let Some(links) = &answers.outbound {
        let (from, to) = (&links.from, &links.to);
        text.push_str(
            "    # Links in text/html: attributes that begin with the server's name.\n    \
             RequestHeader unset Accept-Encoding\n    AddOutputFilterByType SUBSTITUTE text/html\n",
        );
        for scheme in ["http", "https"] {
            for (outer, mark) in [("'", '"'), ("\"", '\'')] {
                text.push_str(&format!(
                    "    Substitute {outer}s|={mark}{scheme}://{from}/|={mark}{scheme}://{to}/|in{outer}\n"
                ));
            }
        }
    }
    text.push_str("</VirtualHost>\n");
    text
}
