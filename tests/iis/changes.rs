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
    assert_eq!(get(listen, "/new/deep/a.txt", "").status, 500);
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
