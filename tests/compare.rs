//! Configurations laid beside each other: equal ones are equal, and of what differs the smallest request is named.

use std::{
    fs,
    path::{Path, PathBuf},
};

use triglot::{
    compare::{Difference, Options, Tolerance, compare, generate},
    dialect::{self, Dialect},
    ir::Config,
    source::SourceMap,
};

/// The meaning of a text; each lies under a name of its own.
fn config(dialect: Dialect, text: &str) -> Config {
    let mut sources = SourceMap::new();
    let name = match dialect {
        Dialect::Nginx => "nginx.conf",
        Dialect::Apache => "httpd.conf",
        Dialect::Iis if text.contains("<system.applicationHost") => "applicationHost.config",
        Dialect::Iis => "web.config",
    };
    sources.add(PathBuf::from("/nowhere").join(name), text.as_bytes().to_vec());
    let options = dialect::Options {
        prefix: "/nowhere".into(),
        offline: true,
        parts: true,
        ..dialect::Options::default()
    };
    let meaning = dialect.read(&mut sources, &Path::new("/nowhere").join(name), &options);
    meaning.config
}

fn nginx(servers: &str) -> Config {
    config(Dialect::Nginx, &format!("events {{}}\nhttp {{\n{servers}\n}}\n"))
}

fn differences(old: &Config, new: &Config) -> Vec<Difference> {
    compare(old, new, &Options::default()).expect("both can be run")
}

/// The first difference: its request, its first aspect and both values.
#[track_caller]
fn first(old: &str, new: &str) -> (String, String, String, String) {
    let found = differences(&nginx(old), &nginx(new));
    let Some(one) = found.first() else { panic!("nothing differs") };
    let change = &one.changes[0];
    let value = |value: &Option<String>| value.clone().unwrap_or_default();
    (one.request.shown(), change.aspect.clone(), value(&change.old), value(&change.new))
}

fn four(request: &str, aspect: &str, old: &str, new: &str) -> (String, String, String, String) {
    (request.to_owned(), aspect.to_owned(), old.to_owned(), new.to_owned())
}

#[test]
fn a_configuration_is_equal_to_itself() {
    let text = "
        map $http_upgrade $connection { default upgrade; '' close; }
        upstream chat { server 10.0.0.1:9000; server 10.0.0.2:9000 backup; }
        server {
            listen 80; server_name app.example.com *.app.example.com;
            location /ws/ { proxy_pass http://chat/; proxy_http_version 1.1;
                proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection; }
            location ~ \\.(gif|jpe?g)$ { root /srv; expires 1h; }
            location / { try_files $uri $uri/ /index.php?$args; }
            location = /id { return 200 $request_id; }
        }";
    assert_eq!(differences(&nginx(text), &nginx(text)), []);
}

#[test]
fn a_route_that_goes_elsewhere_is_shown_by_its_smallest_request() {
    let old =
        "server { listen 80; location /a/ { proxy_pass http://10.0.0.1:1; } location / { return 404; } }";
    let new =
        "server { listen 80; location /a/ { proxy_pass http://10.0.0.1:2; } location / { return 404; } }";
    let shown = "GET http://unclaimed.example/a/";
    assert_eq!(first(old, new), four(shown, "upstream", "10.0.0.1:1", "10.0.0.1:2"));
}

#[test]
fn an_alternative_of_a_pattern_that_went_is_found() {
    let with = |pattern: &str| {
        format!("server {{ listen 80; location ~ {pattern} {{ return 204; }} location / {{ return 404; }} }}")
    };
    let (request, aspect, old, new) = first(&with(r"\.(gif|jpe?g|png)$"), &with(r"\.(gif|jpeg|png)$"));
    assert_eq!((request.as_str(), aspect.as_str()), ("GET http://unclaimed.example/.jpg", "status"));
    assert_eq!((old.as_str(), new.as_str()), ("204", "404"));
}

#[test]
fn an_upgrade_that_is_lost_is_found() {
    let with = |more: &str| {
        format!("server {{ listen 80; location /ws {{ proxy_pass http://10.0.0.1:1; {more} }} }}")
    };
    let upgrade = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;";
    let found = differences(&nginx(&with(upgrade)), &nginx(&with("")));
    let lost = found.iter().flat_map(|one| &one.changes).find(|change| change.aspect == "upgrade");
    let lost = lost.unwrap_or_else(|| panic!("{found:?}"));
    assert_eq!((lost.old.as_deref(), lost.new.as_deref()), (Some("tunnel"), Some("no")));
}

#[test]
fn what_rules_lose_is_found_as_what_places_lose_is() {
    let rule = config(
        Dialect::Iis,
        r#"<configuration><system.webServer><rewrite><rules><rule name="chat"><match url="^chat/(.*)" />
        <action type="Rewrite" url="http://10.0.0.1:3000/{R:1}" /></rule></rules></rewrite></system.webServer></configuration>"#,
    );
    let options = Options { tolerance: Tolerance::across(), lenient: true, ..Options::default() };
    let with = |scheme: &str, flags: &str| {
        let text = format!(
            "<VirtualHost *:80>\nRewriteEngine on\nRewriteRule ^/chat/(.*) {scheme}://10.0.0.1:3000/$1 {flags}\n</VirtualHost>\n"
        );
        let found = compare(&rule, &config(Dialect::Apache, &text), &options).expect("both can be run");
        let changes = found
            .iter()
            .filter(|one| !one.request.is_odd() && one.changes[0].aspect != "outcome")
            .flat_map(|one| &one.changes);
        let told = changes.filter(|change| ["upgrade", "upstream target"].contains(&change.aspect.as_str()));
        told.map(|change| format!("{} {:?} {:?}", change.aspect, change.old, change.new)).collect::<Vec<_>>()
    };
    assert_eq!(with("http", "[NC,P]"), [r#"upgrade Some("tunnel") Some("no")"#]);
    assert_eq!(with("ws", "[NC,P]"), Vec::<String>::new());
    let dropped = with("ws", "[NC,P,QSD]");
    assert!(
        dropped.iter().any(|one| one.starts_with("upstream target")),
        "a lost query is seen: {dropped:?}"
    );
}

#[test]
fn conditions_on_fields_addresses_methods_and_cookies_are_met() {
    let with = |condition: &str| {
        format!("server {{ listen 80; location / {{ if ({condition}) {{ return 403; }} return 204; }} }}")
    };
    for (condition, request) in [
        ("$http_user_agent ~* curl", "GET http://unclaimed.example/ -H 'user-agent: curl'"),
        ("$request_method = PATCH", "PATCH http://unclaimed.example/"),
        ("$remote_addr = 10.9.8.7", "GET http://unclaimed.example/ --client 10.9.8.7"),
        ("$cookie_beta = on", "GET http://unclaimed.example/ -H 'Cookie: beta=on'"),
        ("$arg_debug", "GET http://unclaimed.example/?debug=1"),
        ("$host = www.example.com", "GET http://www.example.com/"),
        ("-f $document_root$uri", "GET http://unclaimed.example/a (where the file exists)"),
    ] {
        let found =
            differences(&nginx(&with(condition)), &nginx("server { listen 80; location / { return 204; } }"));
        let shown: Vec<String> = found.iter().map(|one| one.request.shown()).collect();
        assert!(shown.iter().any(|one| one.eq_ignore_ascii_case(request)), "{condition}: {shown:?}");
        assert_eq!(found.len(), 1, "{condition}: {shown:?}");
    }
}

#[test]
fn deny_rules_listeners_and_headers_are_compared() {
    let plain = "server { listen 80; location / { return 204; } }";
    let denies = "server { listen 80; location / { root /x; deny 10.1.0.0/16; } }";
    let allows = "server { listen 80; location / { root /x; } }";
    let (request, aspect, ..) = first(denies, allows);
    assert_eq!(
        (request.as_str(), aspect.as_str()),
        ("GET http://unclaimed.example/ --client 10.1.0.0", "status")
    );
    let moved = nginx("server { listen 81; location / { return 204; } }");
    let outcomes: Vec<_> = differences(&nginx(plain), &moved)
        .iter()
        .map(|one| {
            (one.changes[0].old.clone().unwrap_or_default(), one.changes[0].new.clone().unwrap_or_default())
        })
        .collect();
    let pair = |old: &str, new: &str| (old.to_owned(), new.to_owned());
    assert!(outcomes.contains(&pair("answer", "nobody listens")), "{outcomes:?}");
    assert!(outcomes.contains(&pair("nobody listens", "answer")), "{outcomes:?}");
    let headed = "server { listen 80; add_header X-Frame-Options DENY; location / { return 204; } }";
    let (_, aspect, old, new) = first(plain, headed);
    assert_eq!((aspect.as_str(), old.as_str(), new.as_str()), ("field x-frame-options", "", "DENY"));
}

#[test]
fn timeouts_and_rewritten_locations_are_compared() {
    let with = |more: &str| {
        format!("server {{ listen 80; location /a/ {{ proxy_pass http://10.0.0.1/b/; {more} }} }}")
    };
    let (_, aspect, old, new) = first(&with(""), &with("proxy_read_timeout 1h;"));
    assert_eq!((aspect.as_str(), old.as_str(), new.as_str()), ("setting read timeout", "60s", "3600s"));
    let (_, aspect, old, new) = first(&with(""), &with("proxy_redirect off;"));
    assert_eq!(aspect, "on 301: field location");
    assert_ne!(old, new);
}

#[test]
fn other_dialects_are_compared_by_what_they_do() {
    let old = nginx(
        "server { listen 80; server_name a.example; location /app/ { proxy_pass http://10.0.0.1:8080/; proxy_set_header Host $http_host; } }",
    );
    let with = |path: &str| {
        config(
            Dialect::Apache,
            &format!(
                "Listen 80\n<VirtualHost *:80>\nServerName a.example\nProxyPreserveHost On\nProxyPass {path} http://10.0.0.1:8080/\nProxyPassReverse {path} http://10.0.0.1:8080/\n</VirtualHost>\n"
            ),
        )
    };
    let options = Options { tolerance: Tolerance::across(), lenient: true, ..Options::default() };
    let upstreams = |new: &Config| {
        let found = compare(&old, new, &options).expect("both can be run");
        // What needs no encoding is sent alike; of other paths the two servers make different things.
        let plain = |one: &&Difference| !one.request.target.iter().any(|byte| b"%;?".contains(byte));
        let aspects: Vec<String> = found
            .iter()
            .filter(plain)
            .filter(|one| one.request.host.as_deref() == Some(b"a.example"))
            .flat_map(|one| {
                one.changes.iter().map(|change| format!("{} {}", one.request.shown(), change.aspect))
            })
            .filter(|aspect| aspect.ends_with(" upstream") || aspect.ends_with("upstream target"))
            .collect();
        aspects
    };
    assert_eq!(upstreams(&with("/app/")), Vec::<String>::new());
    let moved = compare(&old, &with("/other/"), &options).expect("both can be run");
    assert!(moved.iter().any(|one| one.request.target == b"/app/"), "{moved:?}");
}

#[test]
fn the_same_files_give_the_same_answer() {
    let old = nginx("server { listen 80; location ~ ^/(a|b)/ { return 204; } }");
    let new = nginx("server { listen 80; location ~ ^/(a|c)/ { return 204; } }");
    assert_eq!(differences(&old, &new), differences(&old, &new));
}

#[test]
fn fixtures_are_equal_to_themselves() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/nginx/rewrite");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    files.sort();
    assert!(files.len() > 5);
    for path in files.iter().take(12) {
        let text = fs::read_to_string(path).unwrap();
        let config = config(Dialect::Nginx, &text);
        assert!(!generate::requests(&config, 500).is_empty() || config.listeners.is_empty());
        let options = Options { most: 500, ..Options::default() };
        if let Ok(found) = compare(&config, &config, &options) {
            assert_eq!(found, [], "{}", path.display());
        }
    }
}

/// What is tried out leaves nothing behind: a copy of an upstream's answer is made by who serves.
#[test]
fn nothing_is_written_where_requests_are_tried() {
    let folder = std::env::temp_dir().join(format!("triglot-compare-{}", std::process::id()));
    let text = |name: &str| {
        let place = folder.display();
        nginx(&format!(
            "server {{ listen 80; location / {{ root {place}/{name}; proxy_store on; proxy_pass http://127.0.0.1:9; }} }}"
        ))
    };
    assert!(differences(&text("copies"), &text("copies")).is_empty());
    let made = folder.exists();
    let _ = fs::remove_dir_all(&folder);
    assert!(!made, "{} was made", folder.display());
}
