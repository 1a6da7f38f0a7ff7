//! `.htaccess` files of front controllers over php-fpm: `SetHandler "proxy:unix:...|fcgi://..."`, the rules of
//! `WordPress` and those of Drupal. With `SUBJECT_HTTPD=/usr/sbin/apache2` the same is asked of the original.

use std::path::Path;
use std::process::Command;

use crate::folder;
use crate::support::http::{Connection, Response, get};
use crate::support::process::Process;
use crate::support::scratch::Scratch;
use crate::support::subject::finish;
use crate::support::{ports, wait};

struct Site {
    port: u16,
    scratch: Scratch,
    _subject: Process,
    _fpm: Process,
}

/// Modules of the original, in Debian's folder.
const MODULES: &str = "mpm_event alias authz_core autoindex authz_host dir env expires headers mime proxy proxy_fcgi rewrite setenvif";

/// Starts php-fpm and the server on a copy of a site.
#[track_caller]
fn start(name: &str) -> Site {
    let scratch = Scratch::new(&format!("htaccess-{name}"));
    copy(&folder().join("htaccess").join(name), &scratch, "site");
    let prefix = scratch.path().display().to_string();
    let socket = format!("{prefix}/php.sock");
    let root = finish(Command::new("id").arg("-u")).stdout.starts_with(b"0\n");
    let owner = if root { "user = root\ngroup = root" } else { "" };
    let pool = std::fs::read_to_string(folder().join("php/php-fpm.conf")).expect("the pool is there");
    let log = format!("{prefix}/fpm.log");
    let pool = pool.replace("SOCKET", &socket).replace("LOG", &log).replace("OWNER", owner);
    let pool = scratch.write("php-fpm.conf", pool);
    let mut command = Command::new("php-fpm8.2");
    command.args(["-n", "-F", "-R", "-y"]).arg(pool);
    let fpm = Process::start("php-fpm", &mut command, scratch.path());
    wait::until("php-fpm's socket", wait::SOON * 2, || {
        std::os::unix::net::UnixStream::connect(&socket).ok().map(drop)
    });
    let port = ports::free();
    let text = std::fs::read_to_string(folder().join("htaccess/httpd.conf")).expect("it is there");
    let text = text.replace("PORT", &port.to_string()).replace("PREFIX", &prefix);
    let mut command;
    if let Some(original) = std::env::var_os("SUBJECT_HTTPD") {
        let load = |module| format!("LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so\n");
        let modules: String = MODULES.split(' ').map(load).collect();
        let around = format!(
            "{modules}ServerRoot {prefix}\nPidFile {prefix}/pid\nErrorLog {prefix}/error.log\nDefaultRuntimeDir {prefix}\nTypesConfig /etc/mime.types\nUser www-data\n"
        );
        let file = scratch.write("httpd.conf", format!("{around}{text}"));
        command = Command::new(original);
        command.arg("-f").arg(file).arg("-DFOREGROUND");
    } else {
        let file = scratch.write("httpd.conf", text);
        command = Command::new(env!("CARGO_BIN_EXE_triglot"));
        command.args(["run", "--dialect", "apache"]).arg(file);
    }
    let subject = Process::start("subject", &mut command, scratch.path()).listening(port);
    Site { port, scratch, _subject: subject, _fpm: fpm }
}

fn copy(from: &Path, scratch: &Scratch, to: &str) {
    for entry in std::fs::read_dir(from).expect("the site is there") {
        let file = entry.expect("it can be listed").path();
        let name = format!("{to}/{}", file.file_name().expect("it has a name").to_string_lossy());
        if file.is_dir() {
            copy(&file, scratch, &name);
        } else {
            scratch.write(&name, std::fs::read(&file).expect("it can be read"));
        }
    }
}

impl Site {
    /// The answer to a request with these further fields.
    #[track_caller]
    fn ask(&self, line: &str, fields: &str, content: &[u8]) -> Response {
        let length = content.len();
        let head = format!(
            "{line} HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\nContent-Length: {length}\r\n{fields}\r\n"
        );
        let asked = || -> std::io::Result<Response> {
            let mut connection = Connection::open(self.port)?;
            connection.send(head.as_bytes())?;
            connection.send(content)?;
            connection.response()
        };
        asked().unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// What the front controller was told, as lines.
    #[track_caller]
    fn told(&self, line: &str, fields: &str, expected: &[&str]) {
        let response = self.ask(line, fields, b"");
        let text = response.text();
        for expected in expected {
            assert!(text.lines().any(|line| line == *expected), "{line}: {expected} is not in\n{text}");
        }
    }
}

#[test]
fn wordpress_has_pretty_permalinks() {
    let site = start("wordpress");
    let front = ["SCRIPT_NAME=/index.php", "PHP_SELF=/index.php", "PATH_INFO=-", "file /index.php"];
    let told = |line, expected: &[&str]| site.told(line, "", &[expected, &front].concat());
    told("GET /", &["REQUEST_URI=/", "REDIRECT_URL=-", "REDIRECT_STATUS=-"]);
    told(
        "GET /2024/01/a-post/?replytocom=3",
        &[
            "REQUEST_URI=/2024/01/a-post/?replytocom=3",
            "QUERY_STRING=replytocom=3",
            "REDIRECT_URL=/2024/01/a-post/",
            "REDIRECT_STATUS=200",
        ],
    );
    told("GET /caf%C3%A9/a%20b", &["REQUEST_URI=/caf%C3%A9/a%20b", "REDIRECT_URL=/café/a b"]);
    told("GET /wp-json/wp/v2/posts?per_page=2", &["QUERY_STRING=per_page=2"]);
    told("DELETE /wp-json/wp/v2/posts/7", &["REQUEST_METHOD=DELETE"]);
    site.told(
        "GET /wp-json/me",
        "Authorization: Basic eDp5\r\nProxy: evil\r\n",
        &["HTTP_AUTHORIZATION=Basic eDp5", "PHP_AUTH_USER=x", "HTTP_PROXY=-"],
    );
    site.told(
        "GET /index.php/archive/7",
        "",
        &["SCRIPT_NAME=/index.php", "PATH_INFO=/archive/7", "PHP_SELF=/index.php/archive/7"],
    );
    assert_eq!(get(site.port, "/wp-content/uploads/one.txt").text(), "a picture");
    let login =
        site.ask("POST /wp-login.php", "Content-Type: application/x-www-form-urlencoded\r\n", b"log=me");
    assert_eq!((login.status, login.field("Location")), (302, Some("/wp-admin/?from=me")), "{login:?}");
    assert_eq!(login.field("Set-Cookie"), Some("wordpress_logged_in=yes; path=/"));
}

#[test]
fn wordpress_takes_uploads() {
    let site = start("wordpress");
    let content: Vec<u8> = (0..3_000_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let file = site.scratch.write("content.bin", &content);
    let hash = finish(Command::new("sha256sum").arg(file)).stdout;
    let hash = String::from_utf8_lossy(&hash).split(' ').next().unwrap_or_default().to_owned();
    let mut parts =
        b"--x\r\nContent-Disposition: form-data; name=\"async-upload\"; filename=\"a.bin\"\r\n\r\n".to_vec();
    parts.extend_from_slice(&content);
    parts.extend_from_slice(b"\r\n--x--\r\n");
    let response =
        site.ask("POST /wp-admin/async-upload", "Content-Type: multipart/form-data; boundary=x\r\n", &parts);
    assert_eq!(response.text(), format!("upload a.bin {} {hash}\n", content.len()));
}

#[test]
fn drupal_keeps_what_is_not_the_front_controllers() {
    let site = start("drupal");
    let front = ["SCRIPT_NAME=/index.php", "file /index.php"];
    let told = |line, expected: &[&str]| site.told(line, "", &[expected, &front].concat());
    told("GET /", &["REQUEST_URI=/"]);
    told(
        "GET /node/7/edit?destination=/admin",
        &["QUERY_STRING=destination=/admin", "REDIRECT_URL=/node/7/edit"],
    );
    told("GET /admin/", &["REQUEST_URI=/admin/"]);
    site.told("GET /user", "Authorization: Basic eDp5\r\n", &["PHP_AUTH_USER=x"]);
    for (path, status) in [
        ("/core/install.php", 200),
        ("/sites/other.php", 403),
        ("/sites/services.yml", 403),
        ("/autoload.php", 403),
        ("/.git/config", 403),
        ("/composer.json", 403),
        ("/favicon.ico", 404),
        ("/sites/", 403),
        ("/core/plain_a.css", 200),
    ] {
        assert_eq!(get(site.port, path).status, status, "{path}");
    }
    assert_eq!(get(site.port, "/core/install.php?a=b").text(), "install rewrite=ok&a=b\n");
    let away = get(site.port, "/install.php?a=b");
    assert_eq!((away.status, away.field("Location").is_some()), (301, true), "{away:?}");
    let style = get(site.port, "/core/plain_a.css");
    assert_eq!(style.field("X-Content-Type-Options"), Some("nosniff"));
    assert!(style.field("Expires").is_some() && get(site.port, "/").field("Expires").is_none());
}
