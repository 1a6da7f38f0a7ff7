//! Configurations as large installations have them: many sites of a few kinds, no two alike.

use std::fmt::Write as _;

/// About so many lines of nginx's language, as its main file includes them when it has `sites-enabled/*`.
pub(crate) fn nginx(lines: usize) -> String {
    let mut out = String::from(
        "events { worker_connections 1024; }\nhttp {\n    map $http_upgrade $connection_upgrade {\n        \
         default upgrade;\n        '' close;\n    }\n    map $http_user_agent $is_bot {\n        default 0;\n        \
         ~*(googlebot|bingbot|yandex) 1;\n        ~*curl 2;\n    }\n    server_tokens off;\n    gzip on;\n    \
         gzip_types text/css application/json;\n    client_max_body_size 20m;\n",
    );
    let mut site = 0;
    while out.bytes().filter(|byte| *byte == b'\n').count() < lines {
        nginx_site(&mut out, site);
        site += 1;
    }
    out.push_str("}\n");
    out
}

fn nginx_site(out: &mut String, number: usize) {
    let name = format!("site{number}.example.com");
    let (a, b) = (1 + number / 200, 1 + number % 200);
    let _ = write!(
        out,
        "    upstream app{number} {{\n        server 10.{a}.{b}.10:8080 weight=2;\n        server 10.{a}.{b}.11:8080;\n        \
         server 10.{a}.{b}.12:8080 backup;\n        keepalive 16;\n    }}\n    server {{\n        listen 80;\n        \
         server_name {name} www.{name};\n"
    );
    match number % 4 {
        0 => {
            let _ = write!(
                out,
                "        root /srv/www/{name};\n        index index.html;\n        location / {{\n            \
                 try_files $uri $uri/ @app;\n        }}\n        location @app {{\n            \
                 proxy_pass http://app{number};\n            proxy_set_header Host $host;\n            \
                 proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n        }}\n        \
                 location ~* \\.(css|js|png|svg)$ {{\n            expires 30d;\n            \
                 add_header Cache-Control public;\n        }}\n        location = /favicon.ico {{\n            \
                 access_log off;\n            return 204;\n        }}\n"
            );
        }
        1 => {
            let _ = write!(
                out,
                "        location / {{\n            proxy_pass http://app{number};\n            \
                 proxy_http_version 1.1;\n            proxy_set_header Host $host;\n            \
                 proxy_set_header X-Real-IP $remote_addr;\n            proxy_read_timeout 120s;\n        }}\n        \
                 location /ws/ {{\n            proxy_pass http://app{number}/socket/;\n            \
                 proxy_http_version 1.1;\n            proxy_set_header Upgrade $http_upgrade;\n            \
                 proxy_set_header Connection $connection_upgrade;\n            proxy_read_timeout 1h;\n        }}\n        \
                 location /api/v{v}/ {{\n            proxy_pass http://app{number}/api/;\n            \
                 proxy_set_header Host $host;\n            client_max_body_size {size}m;\n        }}\n        \
                 location /admin{number}/ {{\n            allow 10.{a}.0.0/16;\n            deny all;\n            \
                 proxy_pass http://app{number};\n        }}\n",
                v = number % 5,
                size = 1 + number % 50,
            );
        }
        2 => {
            let _ = write!(
                out,
                "        if ($host = www.{name}) {{\n            return 301 http://{name}$request_uri;\n        }}\n        \
                 rewrite ^/old{number}/(.*)$ /new/$1 permanent;\n        rewrite ^/p/([0-9]+)$ /product?id=$1 last;\n        \
                 location / {{\n            proxy_pass http://app{number};\n            proxy_redirect default;\n            \
                 add_header X-Frame-Options SAMEORIGIN always;\n            \
                 add_header Strict-Transport-Security max-age=31536000;\n        }}\n        location /product {{\n            \
                 proxy_pass http://app{number}/catalogue;\n            proxy_set_header X-Bot $is_bot;\n        }}\n        \
                 location /files/ {{\n            alias /srv/files/{number}/;\n            autoindex on;\n        }}\n"
            );
        }
        _ => {
            let _ = write!(
                out,
                "        location /app{number} {{\n            proxy_pass http://app{number};\n            \
                 proxy_set_header Host $host;\n            proxy_set_header X-Site {number};\n            \
                 error_page 502 503 /down.html;\n        }}\n        location = /down.html {{\n            \
                 root /srv/errors;\n        }}\n        location ~ ^/user/([a-z]+)/photos {{\n            \
                 return 302 /photos/$1;\n        }}\n        location ^~ /photos/ {{\n            \
                 proxy_pass http://app{number}/p/;\n            proxy_hide_header X-Powered-By;\n        }}\n        \
                 location / {{\n            return 301 /app{number}/;\n        }}\n"
            );
        }
    }
    out.push_str("    }\n");
}

/// About so many lines of Apache's language.
pub(crate) fn apache(lines: usize) -> String {
    let mut out = String::from("Listen 80\nServerTokens Prod\n");
    let mut site = 0;
    while out.bytes().filter(|byte| *byte == b'\n').count() < lines {
        apache_site(&mut out, site);
        site += 1;
    }
    out
}

fn apache_site(out: &mut String, number: usize) {
    let name = format!("site{number}.example.com");
    let (a, b) = (1 + number / 200, 1 + number % 200);
    let _ = writeln!(out, "<VirtualHost *:80>\n    ServerName {name}\n    ServerAlias www.{name}");
    match number % 3 {
        0 => {
            let _ = writeln!(
                out,
                "    ProxyPreserveHost On\n    <Proxy balancer://app{number}>\n        \
                 BalancerMember http://10.{a}.{b}.10:8080 loadfactor=2\n        \
                 BalancerMember http://10.{a}.{b}.11:8080\n    </Proxy>\n    ProxyPass /static !\n    \
                 ProxyPass / balancer://app{number}/\n    ProxyPassReverse / balancer://app{number}/\n    \
                 Header always set X-Frame-Options SAMEORIGIN\n    RequestHeader set X-Site {number}"
            );
        }
        1 => {
            let _ = writeln!(
                out,
                "    RewriteEngine On\n    RewriteCond %{{HTTP_HOST}} ^www\\.(.*)$ [NC]\n    \
                 RewriteRule ^/(.*)$ http://{name}/$1 [R=301,L]\n    RewriteCond %{{HTTP:Upgrade}} =websocket [NC]\n    \
                 RewriteRule ^/ws/(.*) ws://10.{a}.{b}.10:8080/socket/$1 [P,L]\n    \
                 RewriteRule ^/old{number}/(.*)$ /new/$1 [R=302,L]\n    \
                 ProxyPass /api http://10.{a}.{b}.10:8080/api timeout=60\n    \
                 ProxyPassReverse /api http://10.{a}.{b}.10:8080/api"
            );
        }
        _ => {
            let _ = writeln!(
                out,
                "    DocumentRoot /srv/www/{name}\n    <Directory /srv/www/{name}>\n        \
                 Require all granted\n        Options -Indexes\n    </Directory>\n    <Location /admin{number}>\n        \
                 Require ip 10.{a}.0.0/16\n        ProxyPass http://10.{a}.{b}.10:9000/\n    </Location>\n    \
                 Redirect permanent /docs{number} http://docs.example.com/\n    FallbackResource /index.html"
            );
        }
    }
    out.push_str("</VirtualHost>\n");
}
