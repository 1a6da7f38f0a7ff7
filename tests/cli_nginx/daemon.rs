//! In the background, and what holds once the pid file is there.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::small;
use crate::support::http::get;
use crate::support::process::{alive, signal_process};
use crate::support::subject::{Prefix, is_triglot, ran};
use crate::support::{ports, wait};

/// A prefix whose server, if it has one, ends with it.
struct Background {
    prefix: Prefix,
}

impl Background {
    fn new(name: &str, text: &str) -> Self {
        Self { prefix: Prefix::new(name, text) }
    }

    fn id(&self) -> Option<u32> {
        self.prefix.read("logs/nginx.pid").trim().parse().ok()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(id) = self.id() {
            // The master has a session of its own, and so a group of its own, with its workers in it.
            signal_process("KILL", &format!("-{id}"));
            // Waiting must not panic here, where a panic may be on its way already.
            let end = Instant::now() + wait::SOON;
            while alive(id) && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

#[test]
fn it_goes_to_the_background() {
    let port = ports::free();
    let background = Background::new("daemon", &small(port));
    // Reading its output to the end as a script does, which ends with the command and not with the server.
    let said = background.prefix.run(&["-c", "nginx.conf"]);
    assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (Some(0), "", ""));
    let id = wait::until("the pid file", wait::SOON, || background.id());
    assert_eq!(background.prefix.read("logs/nginx.pid"), format!("{id}\n"));
    assert_eq!(get(port, "/").text(), "small\n");
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("the process exists");
    // After the name: state, parent, group, session, terminal.
    let fields: Vec<_> = stat.rsplit_once(") ").expect("a name is in parentheses").1.split(' ').collect();
    let own = id.to_string();
    assert_eq!(
        (fields[2], fields[3], fields[4]),
        (own.as_str(), own.as_str(), "0"),
        "group, session, terminal"
    );

    let said = background.prefix.run(&["-s", "quit", "-c", "nginx.conf"]);
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    wait::until("it to end", wait::SOON, || (!alive(id)).then_some(()));
    assert_eq!(background.id(), None, "the pid file stayed");
}

#[test]
fn once_the_pid_file_is_there_everything_is() {
    let [port, second] = [ports::free(), ports::free()];
    let text = small(port)
        .replace("http {", "http {\n    client_body_temp_path body_temp;\n    proxy_temp_path proxy_temp;")
        .replace("location", &format!("listen 127.0.0.1:{second}; listen unix:SOCKET; location"));
    let background = Background::new("ready", "");
    let socket = background.prefix.at("logs/listen.sock");
    background.prefix.write("nginx.conf", text.replace("SOCKET", &socket));
    let mut child = background.prefix.command();
    let mut child = child.args(["-c", "nginx.conf"]).spawn().expect("the subject can be started");
    let start = Instant::now();
    let id = loop {
        // As fast as possible: what is promised is the order, and sleeping would hide a wrong one.
        if let Some(id) = background.id() {
            break id;
        }
        assert!(start.elapsed() < wait::SOON, "no pid file");
        std::thread::yield_now();
    };
    for port in [port, second] {
        std::net::TcpStream::connect(("127.0.0.1", port)).expect("every port listens");
    }
    std::os::unix::net::UnixStream::connect(&socket).expect("the unix socket listens");
    for name in ["body_temp", "proxy_temp", "logs/error.log"] {
        assert!(background.prefix.path().join(name).exists(), "no {name} yet");
    }
    assert!(child.wait().expect("a child can be waited for").success());
    assert!(alive(id));
}

#[test]
fn in_the_foreground_the_process_itself_is_the_master() {
    let port = ports::free();
    let mut server = Prefix::new("foreground", &small(port).replace("pid logs/nginx.pid;", "")).serve();
    assert_eq!(server.prefix().read("logs/nginx.pid"), format!("{}\n", server.id()));
    assert_eq!(get(port, "/").text(), "small\n");
    assert!(server.running());
}

#[test]
fn a_second_one_on_the_same_port_does_not_start() {
    let port = ports::free();
    let background = Background::new("first", &small(port));
    assert_eq!(background.prefix.run(&["-c", "nginx.conf"]).code, Some(0));
    let id = wait::until("the pid file", wait::SOON, || background.id());
    let said = background.prefix.run(&["-c", "nginx.conf"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let words = format!("bind() to 127.0.0.1:{port} failed (98: Address already in use)");
    assert!(said.stderr.contains(&words), "{said:?}");
    assert_eq!(background.id(), Some(id), "the pid file is still the first one's");
    assert_eq!(get(port, "/").text(), "small\n");
}

#[test]
fn it_starts_with_its_standard_streams_closed() {
    let port = ports::free();
    let background = Background::new("streams", &small(port));
    background.prefix.write("nginx.conf", format!("error_log logs/error.log notice;\n{}", small(port)));
    let subject = background.prefix.command();
    let mut shell = Command::new("sh");
    // nginx 1.22.1 loses its log when descriptors 0 or 1 are closed, since it puts /dev/null in the place of what got them.
    let closed = if is_triglot() { "<&- >&- 2>&-" } else { "2>&-" };
    shell
        .args(["-c", &format!("exec \"$0\" \"$@\" {closed}")])
        .arg(subject.get_program())
        .args(subject.get_args());
    let said = ran(shell.args(["-c", "nginx.conf"]));
    assert_eq!(said.code, Some(0));
    wait::until("the pid file", wait::SOON, || background.id());
    assert_eq!(get(port, "/").text(), "small\n");
    assert_eq!(background.prefix.run(&["-s", "reload", "-c", "nginx.conf"]).code, Some(0));
    background.prefix.wait_for("logs/error.log", "reconfiguring");
    assert_eq!(get(port, "/").text(), "small\n");
}

#[test]
fn the_pid_is_written_where_the_manual_says() {
    // Debian's build has another default, so that only the start of the documented one can be asked there.
    if !is_triglot() {
        return;
    }
    let port = ports::free();
    let background = Background::new("default", &small(port).replace("pid logs/nginx.pid;", ""));
    assert_eq!(background.prefix.run(&["-c", "nginx.conf"]).code, Some(0));
    wait::until("logs/nginx.pid", wait::SOON, || background.id());
}
