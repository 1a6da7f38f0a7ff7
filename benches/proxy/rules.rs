//! A hundred rules with conditions and a map of rewrites, as the web.config of a site of IIS and as what comes closest to
//! it in an nginx.conf: a location for each rule, conditions as `if`, the fields that ARR sends.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

/// How many rules, and how many entries the map has.
pub const RULES: usize = 100;

/// Who may ask, as a regular expression.
const HOSTS: &str = r"^(localhost|bench\.test)$";

/// What the `n`th rule is asked for.
pub fn asked(n: usize) -> String {
    format!("/app{n}/k{n}")
}

/// What it makes of that.
pub fn forwarded(n: usize) -> String {
    format!("/new{n}/v{n}")
}

/// For the original that has them.
pub fn web_config(origin: SocketAddr) -> String {
    let mut entries = String::new();
    let mut rules = String::new();
    for n in 0..RULES {
        let _ = writeln!(entries, "        <add key=\"k{n}\" value=\"v{n}\" />");
        let _ = write!(
            rules,
            r#"
      <rule name="r{n}" stopProcessing="true">
        <match url="^app{n}/(.*)$" />
        <conditions>
          <add input="{{HTTP_HOST}}" pattern="{HOSTS}" />
          <add input="{{Old:{{R:1}}}}" pattern="^(.+)$" />
        </conditions>
        <action type="Rewrite" url="http://{origin}/new{n}/{{C:1}}" />
      </rule>"#
        );
    }
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<configuration>
  <system.webServer>
    <rewrite>
      <rewriteMaps><rewriteMap name="Old" defaultValue="none">
{entries}      </rewriteMap></rewriteMaps>
      <rules>{rules}
      </rules>
    </rewrite>
  </system.webServer>
</configuration>
"#
    )
}

/// For nginx.
pub fn nginx_conf(dir: &Path, port: u16, origin: SocketAddr) -> String {
    let dir = dir.display();
    let mut entries = String::new();
    let mut locations = String::new();
    for n in 0..RULES {
        let _ = writeln!(entries, "        k{n} v{n};");
        let _ = write!(
            locations,
            r#"
        location ~* ^/app{n}/(?<rest>.*)$ {{
            if ($http_host !~* "{HOSTS}") {{ return 404; }}
            if ($old !~* "^(.+)$") {{ return 404; }}
            proxy_pass http://origin/new{n}/$old$is_args$args;
            proxy_http_version 1.1;
            proxy_redirect http:// $scheme://;
            proxy_set_header Host {origin};
            proxy_set_header Connection Keep-Alive;
            proxy_set_header X-Forwarded-For "$forwarded_for$remote_addr:$remote_port";
            proxy_set_header X-ARR-LOG-ID $request_id;
            proxy_set_header X-Original-URL $request_uri;
            proxy_set_header Max-Forwards 10;
            add_header X-Powered-By ARR/3.0;
        }}"#
        );
    }
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
    keepalive_requests 1000000000;
    map_hash_max_size 4096;

    map $rest $old {{
        default none;
{entries}    }}
    map $http_x_forwarded_for $forwarded_for {{
        '' '';
        default '$http_x_forwarded_for, ';
    }}
    upstream origin {{
        server {origin};
        keepalive 128;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} default_server;
        root {dir}/www;{locations}
    }}
}}
"
    )
}
