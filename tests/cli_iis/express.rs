//! Being called iisexpress: words, exit statuses, `Q`.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::support::scratch::Scratch;
use crate::support::subject::ran;
use crate::support::{http, ports, wait};

/// It, by its name.
fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_triglot"));
    command.arg0("iisexpress");
    command
}

/// A running one, with what it said so far.
struct Running {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Running {
    #[track_caller]
    fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it can be started");
        let said = Arc::new(Mutex::new(String::new()));
        let (mut out, into) = (child.stdout.take().expect("it is piped"), Arc::clone(&said));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = out.read(&mut buffer) {
                into.lock().expect("nobody panics").push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
        });
        Self { child, said }
    }

    #[track_caller]
    fn wait_for(&self, text: &str) -> String {
        wait::until(text, wait::SOON, || {
            let said = self.said.lock().expect("nobody panics").clone();
            said.contains(text).then_some(said)
        })
    }

    /// Enters `Q`; what was said after that, and the exit status.
    #[track_caller]
    fn quit(mut self) -> (String, Option<i32>) {
        self.child.stdin.take().expect("it is piped").write_all(b"Q\n").expect("it listens");
        let status = wait::until("it to stop", wait::SOON, || self.child.try_wait().expect("it is ours"));
        let said = self.wait_for("IIS Express stopped.");
        (said, status.code())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_folder_is_served_until_q_is_entered() {
    let scratch = Scratch::new("express");
    let port = ports::free();
    scratch.write("site/index.html", "front\n");
    let path = scratch.path().join("site");
    let arguments = [
        format!("/path:{}", path.display()),
        format!("/PORT:{port}"),
        "/clr:v4.0".into(),
        "/systray:false".into(),
    ];
    let running = Running::start(command().args(&arguments));
    let said = running.wait_for("Enter 'Q' to stop IIS Express\n");
    assert_eq!(
        said,
        format!(
            "Starting IIS Express ...\nSuccessfully registered URL \"http://localhost:{port}/\" for site \
             \"Development Web Site\" application \"/\"\nRegistration completed\nIIS Express is running.\nEnter 'Q' to stop \
             IIS Express\n"
        )
    );
    let page = http::get(port, "/");
    assert_eq!((page.status, page.text().as_str()), (200, "front\n"));
    running.wait_for(&format!("Request started: \"GET\" http://localhost:{port}/\nRequest ended: "));
    // Bound to the name alone.
    let mut connection = http::Connection::open(port).expect("it listens");
    connection.send("GET / HTTP/1.1\r\nHost: other.example\r\n\r\n").expect("it can be sent");
    assert_eq!(connection.response().expect("it answers").status, 400);
    // A second one on the same address.
    let second = ran(command().args(&arguments));
    assert_eq!(second.code, Some(1));
    assert!(second.stdout.contains("Failed to register URL \"http://localhost:"), "{}", second.stdout);
    assert!(second.stdout.contains("Unable to start iisexpress."), "{}", second.stdout);
    let (said, code) = running.quit();
    assert!(said.ends_with("Stopping IIS Express ...\nIIS Express stopped.\n"), "{said}");
    assert_eq!(code, Some(0));
}

#[test]
fn sites_are_chosen_by_place_name_and_number() {
    let scratch = Scratch::new("express-config");
    let ports = [ports::free(), ports::free()];
    let mut sites = String::new();
    for (at, port) in ports.iter().enumerate() {
        scratch.write(&format!("{at}/index.html"), format!("site {at}\n"));
        sites.push_str(&format!(
            "<site name=\"Site{at}\" id=\"{}\"><application path=\"/\"><virtualDirectory path=\"/\" \
             physicalPath=\"%IIS_USER_HOME%\\{at}\" /></application><application path=\"/app\"><virtualDirectory path=\"/\" \
             physicalPath=\"%IIS_USER_HOME%\\{at}\" /></application><bindings><binding protocol=\"http\" \
             bindingInformation=\":{port}:localhost\" /></bindings></site>\n",
            at + 5
        ));
    }
    let file = scratch.write(
        "applicationhost.config",
        format!(
            "<configuration><system.applicationHost><sites>\n{sites}</sites></system.applicationHost><system.webServer>\
             <defaultDocument><files><add value=\"index.html\" /></files></defaultDocument><staticContent><mimeMap \
             fileExtension=\".html\" mimeType=\"text/html\" /></staticContent></system.webServer></configuration>"
        ),
    );
    let config = format!("/config:{}", file.display());
    let home = format!("/userhome:{}", scratch.path().display());
    for (choice, at) in [(None, 0), (Some("/site:site1"), 1), (Some("/siteid:6"), 1), (Some("/siteid:5"), 0)]
    {
        let running = Running::start(command().args([&config, &home]).args(choice));
        let said = running.wait_for("Enter 'Q' to stop IIS Express\n");
        let url = format!("http://localhost:{}", ports[at]);
        let registered = format!("URL \"{url}/app/\" for site \"Site{at}\" application \"/app\"\n");
        assert!(said.contains(&registered), "{said}");
        assert!(!said.contains(&ports[1 - at].to_string()), "{said}");
        assert_eq!(http::get(ports[at], "/app/").text(), format!("site {at}\n"));
        assert_eq!(running.quit().1, Some(0));
    }
    for (wrong, words) in [
        ("/site:nobody", "The site 'nobody' does not exist in "),
        ("/siteid:77", "The site with ID '77' does not exist in "),
        ("/port:1", "/port and /clr need /path."),
        ("/nonsense:1", "The parameter '/nonsense:1' is not valid."),
    ] {
        let said = ran(command().args([&config, &home]).arg(wrong));
        assert_eq!(said.code, Some(1), "{wrong}");
        assert!(said.stdout.contains(words), "{wrong}: {}", said.stdout);
    }
    let help = ran(command().arg("/?"));
    assert_eq!(help.code, Some(0));
    assert!(help.stdout.starts_with("IIS Express Usage:"));
}
