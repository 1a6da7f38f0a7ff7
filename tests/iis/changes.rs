//! Changes of files while the server runs: noticed without a signal, without a request lost.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::support::{Folder, Reply, Server, get, port};

/// A site's file that adds a field.
fn saying(value: &str) -> String {
    format!(
        "<configuration><system.webServer><httpProtocol><customHeaders><add name=\"X-V\" value=\"{value}\" />\
         </customHeaders></httpProtocol></system.webServer></configuration>"
    )
}

/// Asks until an answer is as wanted.
fn until(port: u16, path: &str, wanted: impl Fn(&Reply) -> bool, server: &Server) -> Reply {
    let began = Instant::now();
    loop {
        let reply = get(port, path, "");
        if wanted(&reply) {
            return reply;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{} {}", reply.head, server.said());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn says(value: &str) -> impl Fn(&Reply) -> bool + '_ {
    move |reply| reply.status == 200 && reply.field("X-V") == Some(value)
}

#[test]
fn a_changed_file_is_in_force_and_no_request_is_lost() {
    let (listen, folder) = (port(), Folder::new());
    folder.write("a.txt", "hello");
    folder.write("web.config", saying("0"));
    let server = Server::start(&folder.0, &["--listen", &format!("127.0.0.1:{listen}")], listen);
    assert_eq!(get(listen, "/a.txt", "").field("X-V"), Some("0"));
    let (over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let (ends, counts) = (Arc::clone(&over), Arc::clone(&asked));
    let client = std::thread::spawn(move || {
        while !ends.load(Ordering::Relaxed) {
            let reply = get(listen, "/a.txt", "");
            assert_eq!(reply.status, 200, "{}", reply.head);
            counts.fetch_add(1, Ordering::Relaxed);
        }
    });
    for version in ["1", "2", "3"] {
        folder.write("web.config", saying(version));
        until(listen, "/a.txt", says(version), &server);
    }
    // As editors save: another file takes the place.
    let new = folder.write("new.tmp", saying("4"));
    std::fs::rename(new, folder.0.join("web.config")).unwrap();
    until(listen, "/a.txt", says("4"), &server);
    std::fs::remove_file(folder.0.join("web.config")).unwrap();
    until(listen, "/a.txt", |reply| reply.status == 200 && reply.field("X-V").is_none(), &server);
    over.store(true, Ordering::Relaxed);
    client.join().unwrap();
    assert!(asked.load(Ordering::Relaxed) > 10);
}

#[test]
fn a_wrong_file_is_an_error_of_its_folder_alone() {
    let (listen, folder) = (port(), Folder::new());
    folder.write("a.txt", "hello");
    folder.write("web.config", "<configuration />");
    let server = Server::start(&folder.0, &["--listen", &format!("127.0.0.1:{listen}")], listen);
    // A folder that was not there when the server started.
    folder.write("new/deep/a.txt", "deep");
    folder.write("new/deep/web.config", saying("deep"));
    until(listen, "/new/deep/a.txt", says("deep"), &server);
    folder.write("new/deep/web.config", "<configuration><system.webServer><rewrote /></system.webServer>");
    until(listen, "/new/deep/a.txt", |reply| reply.status == 500, &server);
    assert_eq!(get(listen, "/a.txt", "").status, 200);
    server.hear("web.config");
    folder.write("new/deep/web.config", saying("again"));
    until(listen, "/new/deep/a.txt", says("again"), &server);
    // The site's own.
    folder.write("web.config", "<configuration><system.webServer><rewrite><rules><rule nme=\"x\" /></rules></rewrite></system.webServer></configuration>");
    until(listen, "/a.txt", |reply| reply.status == 500, &server);
    // Workers take a configuration up one after the other.
    until(listen, "/new/deep/a.txt", |reply| reply.status == 500, &server);
    folder.write("web.config", "<configuration");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(get(listen, "/a.txt", "").status, 500);
    folder.write("web.config", saying("fine"));
    until(listen, "/a.txt", says("fine"), &server);
}

#[test]
fn sites_of_a_server_stand_for_themselves() {
    let (one, two, folder) = (port(), port(), Folder::new());
    folder.write("one/a.txt", "one");
    folder.write("two/a.txt", "two");
    folder.write("two/web.config", "<configuration />");
    let host = |name: &str| {
        format!(
            r#"<configuration><system.applicationHost><sites>
            <site name="One" id="1"><application path="/"><virtualDirectory path="/" physicalPath="{0}/one" /></application>
              <bindings><binding protocol="http" bindingInformation="*:{one}:" /></bindings></site>
            <site name="Two" id="2"><application path="/"><virtualDirectory path="/" physicalPath="{0}/{name}" /></application>
              <bindings><binding protocol="http" bindingInformation="*:{two}:" /></bindings></site>
            </sites></system.applicationHost><system.webServer>
            <staticContent><mimeMap fileExtension=".txt" mimeType="text/plain" /></staticContent></system.webServer></configuration>"#,
            folder.0.display()
        )
    };
    let file = folder.write("applicationHost.config", host("two"));
    let server = Server::start(&file, &[], one);
    folder.write(
        "two/web.config",
        "<configuration><system.webServer><handlers><what /></handlers></system.webServer></configuration>",
    );
    until(two, "/a.txt", |reply| reply.status == 500, &server);
    assert_eq!(get(one, "/a.txt", "").text(), "one");
    // The server's own file: a wrong one changes nothing, a right one does.
    folder.write("applicationHost.config", "<configuration>");
    server.hear("applicationHost.config");
    assert_eq!(get(one, "/a.txt", "").text(), "one");
    folder.write("applicationHost.config", host("one"));
    assert_eq!(until(two, "/a.txt", |reply| reply.status == 200, &server).text(), "one");
}

#[test]
fn a_wrong_file_of_the_site_stops_the_start() {
    let folder = Folder::new();
    folder.write("web.config", "<configuration>\n<system.webServer><rewrite><rules><rule nme=\"x\" /></rules></rewrite></system.webServer></configuration>");
    let listen = format!("127.0.0.1:{}", port());
    let ended = Command::new(env!("CARGO_BIN_EXE_triglot"))
        .arg("run")
        .arg(&folder.0)
        .args(["--listen", &listen])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success() && said.contains("web.config:2:") && said.contains("`nme`"), "{said}");
}

/// A site's file whose header fields stand in another one.
fn naming(file: &str) -> String {
    format!(
        "<configuration><system.webServer>\n<httpProtocol configSource=\"{file}\" /></system.webServer></configuration>"
    )
}

/// What that other one says.
fn named(value: &str) -> String {
    format!(
        "<httpProtocol><customHeaders><add name=\"X-V\" value=\"{value}\" /></customHeaders></httpProtocol>"
    )
}

/// Starts a server that must not start; what it says.
#[track_caller]
fn refused(folder: &Folder) -> String {
    let listen = format!("127.0.0.1:{}", port());
    let mut command = Command::new(env!("CARGO_BIN_EXE_triglot"));
    let ended = command.arg("run").arg(&folder.0).args(["--listen", &listen]).output().unwrap();
    assert!(!ended.status.success());
    String::from_utf8_lossy(&ended.stderr).into_owned()
}

/// Reference 2.7 and 2.8: what is wrong with a file that `configSource` names is wrong with the file that names it.
#[test]
fn a_wrong_named_file_stops_the_start_where_it_is_the_sites() {
    let folder = Folder::new();
    folder.write("web.config", naming("part\\headers.config"));
    let said = refused(&folder);
    assert!(said.contains("web.config:2:29") && said.contains("there is no file"), "{said}");
    folder.write(
        "part/headers.config",
        "<httpProtocol>\n <customHeaders><add name=\"X-V\" value=\"1\"></httpProtocol>",
    );
    let said = refused(&folder);
    assert!(said.contains("headers.config:2:"), "{said}");
    folder.write("part/headers.config", "<httpProtocol>\n <customHeader />\n</httpProtocol>");
    let said = refused(&folder);
    assert!(said.contains("headers.config:2:") && said.contains("customHeader"), "{said}");
    folder.write("part/headers.config", "<rewrite />");
    let said = refused(&folder);
    assert!(said.contains("the root element is `<rewrite>`") && said.contains("web.config"), "{said}");
    for outside in
        ["..\\headers.config", "/etc/passwd", "C:\\headers.config", "\\\\server\\headers.config", " "]
    {
        folder.write("web.config", naming(outside));
        let said = refused(&folder);
        assert!(
            said.contains("web.config:2:29") && said.contains("in this folder or below"),
            "{outside}: {said}"
        );
    }
}

#[test]
fn a_named_file_is_followed_wherever_it_comes_from() {
    let (listen, folder) = (port(), Folder::new());
    folder.write("a.txt", "hello");
    folder.write("in/a.txt", "deep");
    folder.write("web.config", "<configuration />");
    // One that is not there, in a folder that is not there: an error of this folder alone.
    folder.write("in/web.config", naming("part\\headers.config"));
    let server = Server::start(&folder.0, &["--listen", &format!("127.0.0.1:{listen}")], listen);
    assert_eq!(get(listen, "/a.txt", "").status, 200);
    assert_eq!(get(listen, "/in/a.txt", "").status, 500);
    folder.write("in/part/headers.config", named("come"));
    until(listen, "/in/a.txt", says("come"), &server);
    folder.write("in/part/headers.config", named("changed"));
    until(listen, "/in/a.txt", says("changed"), &server);
    folder.write("in/part/headers.config", "<httpProtocol><");
    until(listen, "/in/a.txt", |reply| reply.status == 500, &server);
    assert_eq!(get(listen, "/a.txt", "").status, 200);
    server.hear("headers.config:1");
    std::fs::remove_dir_all(folder.0.join("in/part")).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(get(listen, "/in/a.txt", "").status, 500);
    // Names of files are the same whatever their case.
    folder.write("in/Part/Headers.Config", named("again"));
    until(listen, "/in/a.txt", says("again"), &server);
    // The site's own: 500.19 while it is wrong.
    folder.write("top.config", named("top"));
    folder.write("web.config", naming("top.config"));
    until(listen, "/a.txt", says("top"), &server);
    folder.write("top.config", "<httpProtocol what=\"1\" />");
    until(listen, "/a.txt", |reply| reply.status == 500, &server);
    std::fs::remove_file(folder.0.join("top.config")).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(get(listen, "/a.txt", "").status, 500);
    folder.write("top.config", named("back"));
    until(listen, "/a.txt", says("back"), &server);
}

#[test]
fn a_named_file_of_the_server_that_is_wrong_changes_nothing() {
    let (listen, folder) = (port(), Folder::new());
    folder.write("a.txt", "hello");
    let host = format!(
        r#"<configuration><system.applicationHost><sites>
        <site name="One" id="1"><application path="/"><virtualDirectory path="/" physicalPath="{}" /></application>
          <bindings><binding protocol="http" bindingInformation="*:{listen}:" /></bindings></site>
        </sites></system.applicationHost><system.webServer><httpProtocol configSource="headers.config" />
        <staticContent><mimeMap fileExtension=".txt" mimeType="text/plain" /></staticContent></system.webServer></configuration>"#,
        folder.0.display()
    );
    let file = folder.write("applicationHost.config", host);
    folder.write("headers.config", named("1"));
    let server = Server::start(&file, &[], listen);
    assert_eq!(get(listen, "/a.txt", "").field("X-V"), Some("1"));
    folder.write("headers.config", "<httpProtocol");
    server.hear("headers.config:1");
    assert_eq!(get(listen, "/a.txt", "").field("X-V"), Some("1"));
    folder.write("headers.config", named("2"));
    until(listen, "/a.txt", says("2"), &server);
}

/// A site's file that refuses everybody.
const DENIED: &str = "<configuration><system.webServer><security><authorization><clear /><add accessType=\"Deny\" users=\"*\" />\
     </authorization></security></system.webServer></configuration>";

/// Reference 2.1: the files of a path are those of its folders, however they came there.
#[test]
fn a_linked_folder_has_its_file() {
    use std::os::unix::fs::symlink;
    let (listen, folder) = (port(), Folder::new());
    folder.write("real/s.txt", "secret");
    folder.write("real/web.config", DENIED);
    folder.write("site/a.txt", "hello");
    folder.write("site/web.config", "<configuration />");
    symlink("../real", folder.0.join("site/link")).unwrap();
    symlink("..", folder.0.join("real/up")).unwrap();
    let site = folder.0.join("site");
    let server = Server::start(&site, &["--listen", &format!("127.0.0.1:{listen}")], listen);
    assert_eq!(get(listen, "/a.txt", "").status, 200);
    assert_eq!(get(listen, "/link/s.txt", "").status, 401);
    // Round and round: what is not looked into is not served.
    assert_eq!(get(listen, "/link/up/real/s.txt", "").status, 500);
    // One that comes while the server runs, and its file as it changes.
    symlink("../real", site.join("late")).unwrap();
    until(listen, "/late/s.txt", |reply| reply.status == 401, &server);
    folder.write("real/web.config", "<configuration />");
    until(listen, "/late/s.txt", |reply| reply.status == 200, &server);
    assert_eq!(get(listen, "/link/s.txt", "").status, 200);
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_not_waited_for() {
    let (listen, folder) = (port(), Folder::new());
    folder.write("a.txt", "hello");
    folder.write("sub/a.txt", "hello");
    folder.write("web.config", saying("0"));
    let mut server = Server::start(&folder.0, &["--listen", &format!("127.0.0.1:{listen}")], listen);
    let pipe = folder.0.join("sub/web.config");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Making one is no news; another change is.
    folder.write("web.config", saying("1"));
    until(listen, "/a.txt", says("1"), &server);
    assert_eq!(get(listen, "/sub/a.txt", "").status, 500);
    folder.write("web.config", saying("2"));
    until(listen, "/a.txt", says("2"), &server);
    assert!(Command::new("kill").arg(server.child.id().to_string()).status().unwrap().success());
    let began = Instant::now();
    while server.child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_secs(10), "{}", server.said());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Reference 2.5: only the administrator's file declares sections, and with them who may write them.
#[test]
fn a_folder_cannot_declare_its_locks_away() {
    let (listen, folder) = (port(), Folder::new());
    folder.write(
        "web.config",
        format!(
            "<configuration><location path=\"sub\">{}</location></configuration>",
            &DENIED[15..DENIED.len() - 16]
        ),
    );
    folder.write("sub/a.txt", "secret");
    folder.write("other/a.txt", "other");
    let server = Server::start(&folder.0, &["--listen", &format!("127.0.0.1:{listen}")], listen);
    assert_eq!(get(listen, "/sub/a.txt", "").status, 401);
    let declared = "<configuration><configSections><sectionGroup name=\"system.webServer\"><section name=\"caching\" \
         overrideModeDefault=\"Allow\" /></sectionGroup></configSections></configuration>";
    folder.write("other/web.config", declared);
    until(listen, "/other/a.txt", |reply| reply.status == 500, &server);
    // Two files whose names differ in case alone are wrong in their folder and nowhere else.
    folder.write("two/web.config", "<configuration />");
    folder.write("two/Web.Config", "<configuration />");
    folder.write("two/a.txt", "two");
    until(listen, "/two/a.txt", |reply| reply.status == 500, &server);
    folder.write("web.config", saying("1"));
    until(listen, "/sub/a.txt", says("1"), &server);
}
