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
