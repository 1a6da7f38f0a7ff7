//! The file that every subject gets, one per profile: an nginx.conf, or an httpd.conf where Apache is the measure.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

/// How many locations or names the routing profiles have.
pub const ROUTES: usize = 1000;
/// How many regex locations.
pub const REGEXES: usize = 300;

/// Which routes a file has besides the plain ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    Plain,
    Locations,
    Names,
    Regexes,
    /// Rules of a web.config; nginx gets an equivalent file of its own.
    Site,
    /// Of Apache: a virtual host that forwards.
    Pass,
    /// Of Apache: the same behind many rules, with many places.
    Rules,
}

impl Profile {
    pub const ALL: [Self; 7] =
        [Self::Plain, Self::Locations, Self::Names, Self::Regexes, Self::Site, Self::Pass, Self::Rules];

    /// Whether the file is an httpd.conf.
    pub const fn is_apache(self) -> bool {
        matches!(self, Self::Pass | Self::Rules)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Locations => "locations",
            Self::Names => "names",
            Self::Regexes => "regexes",
            Self::Site => "site",
            Self::Pass => "pass",
            Self::Rules => "rules",
        }
    }

    /// What a request must be forwarded with to show that its route was found: target, host, the route's name.
    pub fn probes(self) -> Vec<(String, String, String)> {
        let plain = ("/?head".into(), crate::wire::HOST.into(), "http/plain".into());
        let pick = |count: usize| [0, 1, count / 2, count - 1].into_iter();
        let host = || String::from(crate::wire::HOST);
        let mut probes: Vec<(String, String, String)> = match self {
            Self::Plain | Self::Site | Self::Pass => Vec::new(),
            Self::Rules => {
                pick(REGEXES).map(|n| (format!("/app{n}/?head"), host(), "http/plain".into())).collect()
            }
            Self::Locations => {
                pick(ROUTES).map(|n| (format!("/loc{n}/?head"), host(), format!("http/loc{n}"))).collect()
            }
            Self::Names => {
                pick(ROUTES).map(|n| ("/?head".into(), host_name(n), format!("http/name{n}"))).collect()
            }
            Self::Regexes => {
                pick(REGEXES).map(|n| (format!("/re{n}/x.php?head"), host(), format!("http/re{n}"))).collect()
            }
        };
        probes.push(plain);
        probes
    }
}

/// The `n`th of the names that `Profile::Names` serves.
pub fn host_name(n: usize) -> String {
    format!("h{n}.example.com")
}

/// The text. `dir` takes logs, temporary files, `www/` and a certificate; `port` keeps upstream connections alive,
/// `port + 1` does not, `port + 2` speaks TLS 1.3 and `port + 3` HTTP/2.
pub fn text(profile: Profile, dir: &Path, port: u16, origin: SocketAddr) -> String {
    let dir = dir.display();
    let plain = forward("plain");
    let mut routes = String::new();
    let mut hosts = String::new();
    match profile {
        Profile::Plain | Profile::Site => {}
        Profile::Pass | Profile::Rules => return apache(profile, &dir.to_string(), port, origin),
        Profile::Locations => {
            for n in 0..ROUTES {
                let _ = write!(
                    routes,
                    "\n        location /loc{n}/ {{{}\n        }}",
                    forward(&format!("loc{n}"))
                );
            }
        }
        Profile::Regexes => {
            for n in 0..REGEXES {
                let forward = forward(&format!("re{n}"));
                let _ =
                    write!(routes, "\n        location ~ ^/re{n}/.*\\.(php|html)$ {{{forward}\n        }}");
            }
        }
        Profile::Names => {
            for n in 0..ROUTES {
                let _ = write!(
                    hosts,
                    "\n    server {{\n        listen 127.0.0.1:{port};\n        server_name {};\n        \
                     location / {{{}\n        }}\n    }}",
                    host_name(n),
                    forward(&format!("name{n}"))
                );
            }
        }
    }
    let (fresh, tls, frames) = (port + 1, port + 2, port + 3);
    format!(
        r"worker_processes 1;
worker_rlimit_nofile 24000;
error_log {dir}/error.log crit;
pid {dir}/nginx.pid;
events {{
    worker_connections 12000;
}}
http {{
    access_log off;
    client_body_temp_path {dir}/client_body;
    proxy_temp_path {dir}/proxy;
    uwsgi_temp_path {dir}/uwsgi;
    fastcgi_temp_path {dir}/fastcgi;
    client_max_body_size 0;
    proxy_cache_path {dir}/kept keys_zone=kept:10m;
    limit_req_zone $binary_remote_addr zone=all:10m rate=1000000r/s;
    keepalive_requests 1000000000;
    server_names_hash_max_size 4096;
    server_names_hash_bucket_size 128;

    map $http_upgrade $connection_upgrade {{
        default upgrade;
        '' '';
    }}
    upstream origin {{
        server {origin};
        keepalive 128;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} default_server;
        server_name bench.test;
        location / {{{plain}
        }}
        location /logged/ {{{plain}
            access_log {dir}/access.log combined buffer=64k;
        }}
        location /stream/ {{{plain}
            proxy_buffering off;
            proxy_request_buffering off;
        }}
        location /ws/ {{{plain}
            proxy_set_header Upgrade $http_upgrade;
            proxy_read_timeout 3600s;
        }}
        location /static/ {{
            root {dir}/www;
        }}
        location /gzip/ {{
            root {dir}/www;
            default_type text/plain;
            gzip on;
            gzip_comp_level 1;
            gzip_types text/plain;
        }}
        location /kept/ {{{plain}
            proxy_cache kept;
            proxy_cache_valid 200 1h;
        }}
        location /limited/ {{{plain}
            limit_req zone=all burst=100000 nodelay;
        }}
        location /uwsgi/ {{
            uwsgi_pass {origin};
            uwsgi_param REQUEST_METHOD $request_method;
            uwsgi_param REQUEST_URI $request_uri;
            uwsgi_param QUERY_STRING $query_string;
            uwsgi_param SERVER_NAME $server_name;
            uwsgi_param REMOTE_ADDR $remote_addr;
        }}
        location /fastcgi/ {{
            fastcgi_pass origin;
            fastcgi_keep_conn on;
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param REQUEST_URI $request_uri;
            fastcgi_param QUERY_STRING $query_string;
            fastcgi_param SERVER_NAME $server_name;
            fastcgi_param REMOTE_ADDR $remote_addr;
        }}{routes}
    }}{hosts}
    server {{
        listen 127.0.0.1:{tls} ssl;
        ssl_certificate {dir}/bench.pem;
        ssl_certificate_key {dir}/bench.key;
        ssl_protocols TLSv1.3;
        location / {{{plain}
        }}
    }}
    server {{
        listen 127.0.0.1:{frames} http2;
        location / {{{plain}
        }}
    }}
    server {{
        listen 127.0.0.1:{fresh};
        location / {{
            proxy_pass http://{origin};
            proxy_set_header Host $host;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Route $scheme/fresh;
        }}
    }}
}}
"
    )
}

/// What a proxied location says: five fields, one of them from a map, another with the route's name.
fn forward(route: &str) -> String {
    format!(
        "
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Route $scheme/{route};
            proxy_set_header Connection $connection_upgrade;"
    )
}

/// The httpd.conf: a field set, one kept, and what Debian's package has in place of limits.
fn apache(profile: Profile, dir: &str, port: u16, origin: SocketAddr) -> String {
    let modules = "/usr/lib/apache2/modules";
    let load = |name: &str| format!("LoadModule {name}_module {modules}/mod_{name}.so\n");
    let loaded = ["mpm_event", "authz_core", "headers", "rewrite", "proxy", "proxy_http"].map(load).concat();
    let mut rules = String::new();
    if profile == Profile::Rules {
        rules.push_str("    RewriteEngine On\n");
        for n in 0..REGEXES {
            let _ = writeln!(rules, "    RewriteRule ^/old{n}/(.*)$ /new{n}/$1 [R=301,L]");
        }
        for n in 0..REGEXES {
            let _ = writeln!(rules, "    ProxyPass /app{n}/ http://{origin}/app{n}/");
        }
    }
    let fresh = port + 1;
    format!(
        r"ServerRoot {dir}
PidFile {dir}/httpd.pid
ErrorLog {dir}/error.log
ServerName bench.test
User nobody
{loaded}ServerLimit 1
StartServers 1
ThreadsPerChild 96
MaxRequestWorkers 96
MinSpareThreads 1
MaxSpareThreads 96
ThreadLimit 96
MaxKeepAliveRequests 0
Listen 127.0.0.1:{port}
Listen 127.0.0.1:{fresh}
<VirtualHost 127.0.0.1:{port}>
    ServerName bench.test
    ProxyPreserveHost On
    RequestHeader set X-Real-IP 127.0.0.1
    RequestHeader set X-Route http/plain
{rules}    ProxyPass / http://{origin}/
</VirtualHost>
<VirtualHost 127.0.0.1:{fresh}>
    ServerName bench.test
    ProxyPass / http://{origin}/ disablereuse=On
</VirtualHost>
"
    )
}
