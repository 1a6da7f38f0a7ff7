//! The profile of rules: a web.config with a hundred of them and a map, and what says the same to nginx.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

/// How many rules, half of them with conditions, and how many entries of the map.
const COUNT: usize = 100;

/// The web.config, for a subject that reads one.
pub fn web_config(origin: SocketAddr) -> String {
    let mut map = String::new();
    let mut rules = String::new();
    for n in 0..COUNT {
        let _ = writeln!(map, "<add key=\"/moved{n}\" value=\"/new{n}\" />");
        if n % 2 == 0 {
            let _ = writeln!(
                rules,
                "<rule name=\"path {n}\"><match url=\"^rule{n}/(.*)$\" /><action type=\"Rewrite\" url=\"/target{n}/{{R:1}}\" \
                 /></rule>"
            );
        } else {
            let _ = writeln!(
                rules,
                "<rule name=\"agent {n}\" stopProcessing=\"true\"><match url=\"(.*)\" /><conditions><add \
                 input=\"{{HTTP_USER_AGENT}}\" pattern=\"bot{n}/\" /></conditions><action type=\"CustomResponse\" \
                 statusCode=\"403\" /></rule>"
            );
        }
    }
    format!(
        "<configuration><system.webServer><rewrite><rewriteMaps><rewriteMap name=\"Moved\">\n{map}</rewriteMap>\
         </rewriteMaps><rules>\n{rules}<rule name=\"moved\" stopProcessing=\"true\"><match url=\"(.*)\" /><conditions><add \
         input=\"{{Moved:{{URL}}}}\" pattern=\"(.+)\" /></conditions><action type=\"Redirect\" url=\"{{C:1}}\" \
         appendQueryString=\"false\" /></rule>\n<rule name=\"proxy\" stopProcessing=\"true\"><match url=\"(.*)\" /><action \
         type=\"Rewrite\" url=\"http://{origin}/{{R:1}}\" /></rule>\n</rules></rewrite></system.webServer></configuration>\n"
    )
}

/// The nginx.conf.
pub fn nginx_conf(dir: &Path, port: u16, origin: SocketAddr) -> String {
    let dir = dir.display();
    let mut map = String::new();
    let mut rules = String::new();
    for n in 0..COUNT {
        let _ = writeln!(map, "        /moved{n} /new{n};");
        if n % 2 == 0 {
            let _ = writeln!(rules, "        rewrite ^/rule{n}/(.*)$ /target{n}/$1;");
        } else {
            let _ = writeln!(rules, "        if ($http_user_agent ~* bot{n}/) {{ return 403; }}");
        }
    }
    format!(
        "worker_processes 1;\nworker_rlimit_nofile 24000;\nerror_log {dir}/error.log crit;\npid {dir}/nginx.pid;\n\
         events {{ worker_connections 12000; }}\nhttp {{\n    access_log off;\n    client_body_temp_path {dir}/client_body;\n    \
         proxy_temp_path {dir}/proxy;\n    keepalive_requests 1000000000;\n    map_hash_max_size 4096;\n    map $uri $moved \
         {{\n        default '';\n{map}    }}\n    map $http_max_forwards $max_forwards {{ '' 10; default \
         $http_max_forwards; }}\n    upstream origin {{ server {origin}; keepalive 128; keepalive_requests 1000000000; }}\n    \
         server {{\n        listen 127.0.0.1:{port};\n{rules}        if ($moved) {{ return 301 $moved; }}\n        location / \
         {{\n            proxy_pass http://origin;\n            proxy_http_version 1.1;\n            proxy_set_header Host \
         {origin};\n            proxy_set_header Connection '';\n            proxy_set_header X-Forwarded-For \
         $proxy_add_x_forwarded_for:$remote_port;\n            proxy_set_header X-ARR-LOG-ID $request_id;\n            \
         proxy_set_header X-Original-URL $request_uri;\n            proxy_set_header Max-Forwards $max_forwards;\n            \
         add_header X-Powered-By ARR/3.0;\n            proxy_redirect ~^https?://[^/]*(.*)$ $scheme://$http_host$1;\n        \
         }}\n    }}\n}}\n"
    )
}
