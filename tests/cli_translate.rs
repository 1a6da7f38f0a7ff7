//! `translate` as people and programs call it: files, folders, standard input, parts, what is told and the exit status.

use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

/// A folder of its own for a test.
struct Place(PathBuf);

/// What a call came to.
struct Done {
    status: Option<i32>,
    out: String,
    told: String,
}

impl Place {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("triglot-translates-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("it is made");
        Self(folder)
    }

    fn with(self, name: &str, text: &str) -> Self {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("it is made");
        fs::write(path, text).expect("it is written");
        self
    }

    /// `triglot translate` with these arguments and this on its standard input.
    fn translate(&self, arguments: &[&str], input: &str) -> Done {
        let mut child = Command::new(env!("CARGO_BIN_EXE_triglot"))
            .arg("translate")
            .args(arguments)
            .current_dir(&self.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let written = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
        // Nobody has to read it.
        drop(written);
        let done = child.wait_with_output().expect("it ends");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is text");
        Done { status: done.status.code(), out: text(done.stdout), told: text(done.stderr) }
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.0.join(folder))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const REDIRECT: &str = "<VirtualHost *:8080>
    ServerName a.example
    Redirect permanent / https://b.example/
</VirtualHost>
";

const WHOLE: &str = "events {}
http {
    server {
        listen 8080;
        server_name a.example;
        location / {
            proxy_set_header Host $host;
            proxy_pass http://10.0.0.1:9000;
        }
        location /limited/ {
            limit_rate 10k;
            proxy_pass http://10.0.0.1:9000;
        }
    }
}
";

#[test]
fn the_exit_status_says_whether_something_is_lost() {
    let place = Place::new("status").with("nginx.conf", WHOLE).with("wrong.conf", "server { listen 80 }");
    let done = place.translate(&["nginx.conf", "--to", "nginx"], "");
    assert_eq!((done.status, done.told.as_str()), (Some(0), ""), "{}", done.out);
    let done = place.translate(&["nginx.conf", "--to", "iis"], "");
    assert_eq!(done.status, Some(3), "{}", done.told);
    assert!(done.told.contains("nginx.conf:11:13"), "{}", done.told);
    let done = place.translate(&["wrong.conf", "--to", "apache"], "");
    assert_eq!((done.status, done.out.as_str()), (Some(1), ""));
    assert!(done.told.contains("wrong.conf:1:"), "{}", done.told);
    let done = place.translate(&["not-there.conf", "--to", "apache"], "");
    assert_eq!(done.status, Some(1));
}

#[test]
fn strictly_nothing_is_written_where_something_is_lost() {
    let place = Place::new("strict").with("nginx.conf", WHOLE);
    let done = place.translate(&["nginx.conf", "--to", "iis", "--strict", "-o", "out/"], "");
    assert_eq!((done.status, done.out.as_str()), (Some(3), ""));
    assert!(done.told.contains("nothing is written"), "{}", done.told);
    assert!(place.names("out").is_empty());
    let done = place.translate(&["nginx.conf", "--to", "nginx", "--strict", "-o", "out/"], "");
    assert_eq!((done.status, place.names("out")), (Some(0), vec!["nginx.conf".to_owned()]), "{}", done.told);
}

#[test]
fn what_is_lost_is_told_to_programs() {
    let place = Place::new("json").with("nginx.conf", WHOLE);
    let done = place.translate(&["nginx.conf", "--to", "iis", "--report", "json"], "");
    assert_eq!(done.status, Some(3));
    let all: serde_json::Value = serde_json::from_str(&done.told).expect("it is JSON");
    let all = all.as_array().expect("it is a list");
    assert!(all.iter().any(|one| one["code"] == "lost" && one["line"] == 11), "{}", done.told);
    let done = place.translate(&["nginx.conf", "--to", "nginx", "--report", "json"], "");
    assert_eq!((done.status, done.told.trim()), (Some(0), "[]"));
}

#[test]
fn outputs_are_called_what_their_users_call_them() {
    let place = Place::new("names").with("nginx.conf", WHOLE).with("sites/shop.conf", REDIRECT);
    for (file, to, folder, name) in [
        ("nginx.conf", "apache", "a/", "httpd.conf"),
        ("nginx.conf", "iis", "b/", "applicationHost.config"),
        ("sites/shop.conf", "nginx", "c/", "shop.conf"),
    ] {
        place.translate(&[file, "--to", to, "-o", folder], "");
        assert_eq!(place.names(folder), [name], "{file} to {to}");
    }
    // A folder that holds a configuration is that configuration.
    let done = place.translate(&[".", "--to", "apache", "-o", "whole.conf"], "");
    assert!(place.0.join("whole.conf").is_file(), "{}", done.told);
}

#[test]
fn standard_input_and_parts_are_translated() {
    let place = Place::new("parts");
    let done = place.translate(&["-", "--to", "nginx"], REDIRECT);
    assert!(done.out.starts_with("server {"), "{}{}", done.out, done.told);
    // A place alone, and what is asked of the server around it is nobody's loss.
    let part = "location = /x { return 301 https://b.example/; }";
    let done = place.translate(&["-", "--to", "apache"], part);
    assert_eq!(done.status, Some(0), "{}{}", done.out, done.told);
    assert!(done.out.contains(" https://b.example/ ") && !done.out.contains("<VirtualHost"), "{}", done.out);
    let done = place.translate(
        &["-", "--to", "nginx", "--from", "apache"],
        "Redirect permanent /x https://b.example/y\n",
    );
    assert!(done.out.contains("permanent;") && !done.out.contains("server {"), "{}{}", done.out, done.told);
}

#[test]
fn a_program_behind_a_handler_is_sent_on_to_as_people_write_it() {
    let text = "<configuration><system.webServer><handlers>
<add name=\"aspNetCore\" path=\"*\" verb=\"*\" modules=\"AspNetCoreModuleV2\" resourceType=\"Unspecified\" />
</handlers>
<aspNetCore processPath=\"dotnet\" arguments=\"App.dll\" hostingModel=\"inprocess\" />
</system.webServer></configuration>
";
    let place = Place::new("program").with("web.config", text);
    let handler = "aspNetCore=http://127.0.0.1:5000";
    let done = place.translate(&["web.config", "--to", "nginx", "--handler", handler], "");
    assert_eq!(done.out.matches("proxy_pass http://127.0.0.1:5000;").count(), 1, "{}", done.out);
    assert_eq!(done.out.matches("X-Forwarded-For ").count(), 1, "{}", done.out);
    assert!(!done.out.contains("set $"), "{}", done.out);
    assert!(done.out.contains("client_max_body_size 30000000;"), "{}", done.out);
    assert!(!done.told.contains("warning[lost]"), "{}", done.told);
    let done = place.translate(&["web.config", "--to", "apache", "--handler", handler], "");
    let pass = "ProxyPass / http://127.0.0.1:5000/ timeout=120 upgrade=websocket";
    assert!(done.out.contains(pass) && !done.out.contains("RewriteRule"), "{}", done.out);
    assert!(!done.told.contains("warning[lost]"), "{}", done.told);
}

#[test]
fn folders_are_listed_where_they_were_alone() {
    let text = |options: &str| {
        format!(
            "<VirtualHost *:80>\nServerName a\nDocumentRoot /srv\n<Directory /srv>\nOptions {options}\n\
             Require all granted\n</Directory>\n</VirtualHost>\n"
        )
    };
    let place =
        Place::new("listed").with("off.conf", &text("IncludesNoExec")).with("on.conf", &text("Indexes"));
    let done = place.translate(&["off.conf", "--to", "nginx"], "");
    assert!(!done.out.contains("autoindex on"), "{}", done.out);
    let done = place.translate(&["on.conf", "--to", "nginx"], "");
    assert!(done.out.contains("autoindex on"), "{}", done.out);
}

#[test]
fn programs_behind_handlers_are_where_one_says() {
    let text = "<configuration><system.webServer><handlers>
<add name=\"node\" path=\"server.js\" verb=\"*\" modules=\"iisnode\" />
</handlers></system.webServer></configuration>
";
    let place = Place::new("handlers").with("web.config", text);
    let done = place.translate(&["web.config", "--to", "nginx"], "");
    assert_eq!((done.status, done.out.as_str()), (Some(1), ""));
    assert!(done.told.contains("--handler iisnode=http://HOST:PORT"), "{}", done.told);
    let done =
        place.translate(&["web.config", "--to", "nginx", "--handler", "iisnode=http://127.0.0.1:3000"], "");
    // What cannot be said of it in the other language is a loss with its line, as of anything else.
    assert_eq!(done.status, Some(3), "{}", done.told);
    assert!(
        done.out.contains("server {") && done.told.contains("web.config:2:1"),
        "{}{}",
        done.out,
        done.told
    );
}
