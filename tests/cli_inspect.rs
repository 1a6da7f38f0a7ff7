//! `compare` and `explain` as people and programs call them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const OLD: &str = "events {}
http {
  map $http_upgrade $connection_upgrade { default upgrade; '' close; }
  upstream chat { server 10.0.0.1:9000; server 10.0.0.2:9000 backup; }
  server {
    listen 8081;
    server_name app.example.com;
    location /ws/ {
      proxy_pass http://chat/;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_read_timeout 1h;
    }
    location ~ \\.(gif|jpe?g)$ { root /srv; }
    location / { proxy_pass http://10.0.0.3:80; }
  }
}
";

/// A folder of its own for a test, with the two files.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("triglot-inspect-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("it is there");
        let place = Self(folder);
        place.write("old.conf", OLD);
        place.write("new.conf", &OLD.replace("jpe?g", "jpeg"));
        place
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).expect("it is there");
        path
    }

    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output = triglot(&self.0, arguments);
        let text = String::from_utf8(output.stdout).expect("it is there")
            + &String::from_utf8(output.stderr).expect("it is there");
        (output.status.code().expect("it is there"), text)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn triglot(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_triglot"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("it is there")
}

#[track_caller]
fn holds(text: &str, wanted: &[&str]) {
    for one in wanted {
        assert!(text.contains(one), "no {one:?} in\n{text}");
    }
}

#[test]
fn compare_says_what_differs_and_how_it_ended() {
    let place = Place::new("compare");
    let (status, text) = place.run(&["compare", "old.conf", "new.conf"]);
    assert_eq!(status, 1, "{text}");
    holds(
        &text,
        &[
            "GET http://app.example.com:8081/.jpg",
            "old.conf:15: location ~ \\.(gif|jpe?g)$ { root /srv; }",
            "new.conf:16: location / { proxy_pass http://10.0.0.3:80; }",
            "forwards to http://10.0.0.3:80 as GET /.jpg HTTP/1.0",
        ],
    );
    let (status, text) = place.run(&["compare", "old.conf", "old.conf"]);
    assert_eq!(status, 0, "{text}");
    let (status, text) = place.run(&["compare", "old.conf", "missing.conf"]);
    assert_eq!(status, 2, "{text}");
    // The same but for a line that is none: what requests see is the same, and it would not start.
    place.write("broken.conf", &OLD.replacen("server {", "server { no_such_thing x;", 1));
    let (status, text) = place.run(&["compare", "old.conf", "broken.conf"]);
    assert_eq!(status, 2, "{text}");
    let (status, text) = place.run(&["compare", "broken.conf", "broken.conf"]);
    assert_eq!(status, 0, "{text}");
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let place = Place::new("full");
    for words in [&["translate", "old.conf", "--to", "nginx"][..], &["ir", "old.conf"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("it is there");
        let output = Command::new(env!("CARGO_BIN_EXE_triglot"))
            .args(words)
            .current_dir(&place.0)
            .stdout(full)
            .output()
            .expect("it is there");
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        holds(&String::from_utf8_lossy(&output.stderr), &["No space left on device"]);
    }
}

#[test]
fn compare_replays_a_log_and_weighs_by_it() {
    let place = Place::new("log");
    let line = |target: &str| {
        format!("10.1.2.3 - - [21/Nov/2026:10:00:00 +0000] \"GET {target} HTTP/1.1\" 200 1 \"-\" \"x\"\n")
    };
    place.write("access.log", &[line("/a.jpg"), line("/a.jpg"), line("/"), line("/ws/x")].concat());
    let (status, text) = place.run(&["compare", "old.conf", "new.conf", "--log", "access.log"]);
    assert_eq!(status, 1, "{text}");
    holds(&text, &["2 of 4 requests in the log (50.0%)", "1 difference in 3 requests"]);
    place.write(
        "requests",
        "# what matters\nGET http://app.example.com:8081/b.jpeg\n/ws/y -H 'Upgrade: websocket'\n",
    );
    let (status, text) = place.run(&["compare", "old.conf", "new.conf", "--requests", "requests"]);
    assert_eq!((status, text.as_str()), (0, "no difference in 2 requests\n"));
}

#[test]
fn compare_speaks_json() {
    let place = Place::new("json");
    let (_, text) = place.run(&["compare", "old.conf", "new.conf", "--json"]);
    let value: serde_json::Value = serde_json::from_str(&text).expect("it is there");
    let one = &value["differences"][0];
    assert_eq!(one["request"]["target"], "/.jpg");
    assert_eq!(one["changes"][0]["aspect"], "outcome");
    assert_eq!(one["old"]["place"]["line"], 15);
}

#[test]
fn explain_tells_listener_host_route_settings_and_the_request_sent() {
    let place = Place::new("explain");
    let url = "http://app.example.com:8081/ws/chat?x=1";
    let (status, text) =
        place.run(&["explain", "old.conf", "GET", url, "-H", "Upgrade: websocket", "--client", "10.1.2.3"]);
    assert_eq!(status, 0, "{text}");
    holds(
        &text,
        &[
            "0.0.0.0:8081  old.conf:6",
            "\"app.example.com\" is one of its names",
            "\"/ws/chat\" → beginning with /ws/",
            "not beginning with /: matches too, and is shorter  old.conf:16",
            "$connection_upgrade = \"upgrade\"  old.conf:3",
            "http.read-timeout 3600s  old.conf:13",
            "request to the upstream: 10.0.0.1:9000, 10.0.0.2:9000 backup (http)\n  GET /chat?x=1 HTTP/1.1\n  Upgrade: websocket\n  Connection: upgrade\n  Host: chat\n",
            "101: HTTP/1.1 101 Switching Protocols — the connection becomes a tunnel",
            "Location: http://app.example.com:8081/ws/moved",
            "no connection: HTTP/1.1 502 Bad Gateway",
        ],
    );
}

#[test]
fn explain_takes_the_usual_host_where_the_url_names_none_and_says_so() {
    let place = Place::new("host");
    let (code, text) = place.run(&["explain", "old.conf", "GET", "/ws/x"]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("the request is for app.example.com, the first name of the servers there"),
        "{text}"
    );
    assert!(text.contains("GET http://app.example.com"), "{text}");
    place.write("bare.conf", "server { listen 8080; location / { return 204; } }\n");
    let (_, text) = place.run(&["explain", "bare.conf", "GET", "/"]);
    assert!(text.contains("the request is for localhost, no server there has a name"), "{text}");
    let (_, text) = place.run(&["explain", "old.conf", "GET", "/", "-H", "Host: other.example"]);
    assert!(!text.contains("note: the URL names no host"), "{text}");
}

#[test]
fn a_language_that_is_only_assumed_is_told_with_the_way_to_name_it() {
    let place = Place::new("assumed");
    place.write("letter", "dear reader,\n");
    place.write("nothing", "");
    for arguments in [
        &["check", "letter"][..],
        &["translate", "letter", "--to", "apache"],
        &["explain", "letter", "GET", "/"],
    ] {
        let (_, text) = place.run(arguments);
        assert!(text.contains("letter is read as a file of nginx"), "{arguments:?}: {text}");
        assert!(text.contains("--dialect NAME"), "{arguments:?}: {text}");
    }
    let (_, text) = place.run(&["check", "nothing"]);
    assert!(text.contains("it is empty"), "{text}");
    for arguments in [&["check", "old.conf"][..], &["check", "--dialect", "nginx", "letter"]] {
        let (_, text) = place.run(arguments);
        assert!(!text.contains("is read as a file of"), "{arguments:?}: {text}");
    }
}

#[test]
fn explain_answers_for_a_file_as_the_server_would() {
    let place = Place::new("file");
    place.write("a.txt", "hello world\n");
    let root = place.0.display();
    place.write(
        "files.conf",
        &format!(
            "events {{}}\nhttp {{ types {{ text/plain txt; }} server {{ listen 8081; root {root}; \
             location /old {{ rewrite ^ /a.txt last; }} location /dav/ {{ dav_methods DELETE; }} }} }}\n"
        ),
    );
    let ask = |request: &[&str]| place.run(&[&["explain", "files.conf"], request].concat()).1;
    let part = ask(&["GET", "http://a/old", "-H", "Range: bytes=0-3"]);
    holds(
        &part,
        &["206 Partial Content", "Content-Range: bytes 0-3/12", "Content-Type: text/plain", "ETag: "],
    );
    holds(&ask(&["GET", "http://a/a.txt", "-H", "Range: bytes=99-"]), &["416 ", "Content-Range: bytes */12"]);
    holds(&ask(&["GET", "http://a/a.txt", "-H", "If-None-Match: *"]), &["304 Not Modified"]);
    holds(&ask(&["POST", "http://a/a.txt"]), &["405 Not Allowed"]);
    // Nothing is done.
    fs::create_dir_all(place.0.join("dav")).expect("it can be made");
    place.write("dav/x", "");
    holds(&ask(&["DELETE", "http://a/dav/x"]), &["DELETE changes "]);
    assert!(place.0.join("dav/x").exists());
    place.write(
        "vhost.conf",
        &format!(
            "<VirtualHost *:8081>\nServerName a\nDocumentRoot {root}\nAddType text/plain .txt\n\
             <Directory {root}>\nRequire all granted\n</Directory>\n</VirtualHost>\n"
        ),
    );
    let (_, text) = place.run(&["explain", "vhost.conf", "POST", "http://a:8081/a.txt"]);
    holds(&text, &["sends the file", "200 OK", "Content-Type: text/plain"]);
}

#[test]
fn explain_says_why_not() {
    let place = Place::new("why");
    let (_, text) = place.run(&["explain", "old.conf", "GET", "http://www.app.example.com:8081/WS/"]);
    holds(&text, &["it is the only host there", "not beginning with /ws/: only in another case  old.conf:8"]);
    let (_, text) = place.run(&["explain", "old.conf", "GET", "http://app.example.com/x", "--json"]);
    let value: serde_json::Value = serde_json::from_str(&text).expect("it is there");
    assert_eq!(value["listener"]["elsewhere"], true);
    assert_eq!(value["routes"][0]["pattern"], "beginning with /");
    assert_eq!(value["upstream"]["endpoints"][0], "10.0.0.3:80");
}

/// What the schema of SARIF 2.1.0 asks of a log like ours: which members there are, which must be, and what they hold.
///
/// Reference: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json>
mod sarif {
    use serde_json::Value;

    /// An object with these members only, of which the first `required` must be there.
    fn members<'v>(
        value: &'v Value,
        required: usize,
        names: &[&str],
        at: &str,
    ) -> &'v serde_json::Map<String, Value> {
        let object = value.as_object().unwrap_or_else(|| panic!("{at} is no object: {value}"));
        for name in &names[..required] {
            assert!(object.contains_key(*name), "{at} has no `{name}`: {value}");
        }
        for name in object.keys() {
            assert!(names.contains(&name.as_str()), "{at} has `{name}`, which nobody knows");
        }
        object
    }

    fn text<'v>(value: &'v Value, at: &str) -> &'v str {
        value.as_str().unwrap_or_else(|| panic!("{at} is no string: {value}"))
    }

    fn all<'v>(value: &'v Value, at: &str) -> &'v [Value] {
        value.as_array().unwrap_or_else(|| panic!("{at} is no array: {value}"))
    }

    fn message(value: &Value) {
        members(value, 1, &["text"], "message");
        text(&value["text"], "message.text");
    }

    /// § 3.28: a location; lines and columns begin with 1, offsets with 0.
    fn location(value: &Value) {
        members(value, 1, &["physicalLocation", "message"], "location");
        if let Some(said) = value.get("message") {
            message(said);
        }
        let place = &value["physicalLocation"];
        members(place, 2, &["artifactLocation", "region"], "physicalLocation");
        members(&place["artifactLocation"], 1, &["uri"], "artifactLocation");
        let uri = text(&place["artifactLocation"]["uri"], "uri");
        // A URI reference (RFC 3986 § 4.1).
        assert!(
            !uri.is_empty()
                && uri.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\\"<>^`{|}".contains(&byte)),
            "{uri}"
        );
        let names = ["startLine", "startColumn", "endLine", "endColumn", "byteOffset", "byteLength"];
        members(&place["region"], names.len(), &names, "region");
        let number = |name: &str| place["region"][name].as_u64().unwrap_or_else(|| panic!("{name}: {place}"));
        let [first, from, last, to] = ["startLine", "startColumn", "endLine", "endColumn"].map(number);
        assert!(first >= 1 && from >= 1 && to >= 1 && (first, from) <= (last, to), "{place}");
        number("byteOffset");
        number("byteLength");
    }

    pub(super) fn check(log: &Value) -> usize {
        members(log, 2, &["version", "runs", "$schema"], "log");
        assert_eq!(log["version"], "2.1.0");
        assert!(text(&log["$schema"], "$schema").starts_with("https://"));
        let [run] = all(&log["runs"], "runs") else { panic!("one run: {log}") };
        members(run, 1, &["tool", "results", "columnKind"], "run");
        assert!(["utf16CodeUnits", "unicodeCodePoints"].contains(&text(&run["columnKind"], "columnKind")));
        members(&run["tool"], 1, &["driver"], "tool");
        let driver = &run["tool"]["driver"];
        members(driver, 1, &["name", "version", "rules"], "driver");
        text(&driver["name"], "name");
        let mut codes = Vec::new();
        for rule in all(&driver["rules"], "rules") {
            members(rule, 1, &["id", "shortDescription"], "rule");
            members(&rule["shortDescription"], 1, &["text"], "shortDescription");
            text(&rule["shortDescription"]["text"], "shortDescription.text");
            codes.push(text(&rule["id"], "id"));
        }
        let mut once = codes.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), codes.len(), "rules are their own");
        let results = all(&run["results"], "results");
        for result in results {
            let names = ["message", "ruleId", "ruleIndex", "level", "locations", "relatedLocations"];
            members(result, 5, &names, "result");
            message(&result["message"]);
            let at = result["ruleIndex"].as_u64().expect("an index") as usize;
            assert_eq!(codes[at], text(&result["ruleId"], "ruleId"));
            assert!(["none", "note", "warning", "error"].contains(&text(&result["level"], "level")));
            all(&result["locations"], "locations").iter().for_each(location);
            if let Some(related) = result.get("relatedLocations") {
                all(related, "relatedLocations").iter().for_each(location);
            }
        }
        results.len()
    }
}

#[test]
fn sarif_has_the_shape_that_its_schema_asks_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut results = 0;
    for topic in [
        "nginx/seed",
        "nginx/mistakes",
        "nginx/rewrite",
        "apache/seed",
        "apache/mistakes",
        "iis/seed",
        "iis/rules",
    ] {
        let Ok(folder) = fs::read_dir(root.join(topic)) else { continue };
        let mut files: Vec<_> = folder.flatten().map(|entry| entry.path()).collect();
        files.retain(|path| {
            path.is_file() && path.extension().is_some_and(|is| is == "conf" || is == "config")
        });
        files.sort();
        let mut command = Command::new(env!("CARGO_BIN_EXE_triglot"));
        let done =
            command.args(["check", "--offline", "--format", "sarif"]).args(&files).output().expect("it runs");
        let log = serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{topic}: {error}"));
        results += sarif::check(&log);
    }
    assert!(results > 30, "only {results}");
}

#[test]
fn a_translation_is_not_written_over_what_it_is_of() {
    let place = Place::new("over");
    for (to, output) in [("nginx", "."), ("nginx", "old.conf"), ("iis", "./old.conf")] {
        let (code, text) = place.run(&["translate", "old.conf", "--to", to, "-o", output]);
        assert_eq!(code, 2, "{text}");
        holds(&text, &["nothing is written: old.conf is what is translated"]);
        assert_eq!(fs::read_to_string(place.0.join("old.conf")).expect("it is there"), OLD);
    }
}

#[test]
fn a_folder_says_what_it_lacks() {
    let place = Place::new("folder");
    fs::create_dir_all(place.0.join("empty")).expect("it is there");
    for command in ["check", "run"] {
        let (code, text) = place.run(&[command, "empty"]);
        assert_eq!(code, 1, "{text}");
        holds(&text, &["is a folder, and none of its files is a main one", "help: name the file"]);
    }
    let (code, text) = place.run(&["run", "old.conf", "--prefix", "nowhere"]);
    assert_eq!(code, 2, "{text}");
    holds(&text, &["--prefix: there is no folder nowhere"]);
}

#[test]
fn what_is_wrong_in_a_file_is_said_where_it_is_compared() {
    let place = Place::new("wrong");
    place.write("wrong.conf", &OLD.replace("listen 8081", "listenn 8081"));
    let (_, text) = place.run(&["compare", "old.conf", "wrong.conf"]);
    holds(&text, &["unknown directive `listenn`", "note: wrong.conf would not start"]);
    let (_, text) = place.run(&["compare", "old.conf", "new.conf"]);
    assert!(!text.contains("would not start"), "{text}");
}

/// What a file that is not here may put right is not held against the block that includes it.
#[test]
fn what_a_missing_file_may_put_right_is_left_open() {
    let place = Place::new("missing");
    let lost = |dialect: &str, text: &str| {
        place.write("site.conf", text);
        let (_, text) =
            place.run(&["check", "--offline", "--dialect", dialect, "--format", "short", "site.conf"]);
        text.lines().filter(|line| line.contains("fields-lost") || line.contains("status-open")).count()
    };
    let nginx = |include: &str| {
        format!(
            "events {{}}\nhttp {{\n include nowhere/types;\n server {{\n  listen 80;\n  add_header X-A a;\n  location /a {{\n   \
             {include}\n   add_header X-B b;\n  }}\n  location /b {{\n   add_header X-C c;\n  }}\n }}\n}}\n"
        )
    };
    assert_eq!((lost("nginx", &nginx("")), lost("nginx", &nginx("include nowhere/fields;"))), (2, 1));
    let apache = |include: &str| {
        format!(
            "<VirtualHost *:80>\nServerName a.example\n<Location /status>\nSetHandler server-status\n{include}\n\
             </Location>\n</VirtualHost>\n"
        )
    };
    assert_eq!(
        (lost("apache", &apache("")), lost("apache", &apache("Include nowhere/allowed.conf"))),
        (1, 0)
    );
}
