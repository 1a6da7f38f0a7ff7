//! IIS's tutorial: `JupyterLab` behind the web.config that the dialog "Add Reverse Proxy Rules" writes.
//!
//! The files are those of `fixtures/iis/seed`, in which only the server's address is replaced.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::folder;
use crate::support::process::Process;
use crate::support::scratch::Scratch;
use crate::support::websocket::WebSocket;
use crate::support::{http, ports, wait};

/// `JupyterLab` and the proxy in front of it.
struct Case {
    port: u16,
    scratch: Scratch,
    subject: Process,
    _lab: Process,
}

impl Case {
    /// Starts both, on a web.config of the seed.
    #[track_caller]
    fn start(name: &str, seed: &str, more: &str, arguments: impl Fn(&Path) -> Vec<PathBuf>) -> Self {
        let scratch = Scratch::new(name);
        let (port, server) = (ports::free(), ports::free());
        let arguments = arguments(scratch.path());
        let mut lab = begun(&scratch, server, more);
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/iis/seed").join(seed);
        let text = std::fs::read_to_string(file).expect("the seed can be read");
        assert!(text.contains("192.168.56.5:8888"));
        scratch.write("site/web.config", text.replace("192.168.56.5:8888", &format!("127.0.0.1:{server}")));
        let mut command = Command::new(env!("CARGO_BIN_EXE_triglot"));
        command.arg("run").arg(scratch.path().join("site")).args(["--listen", &format!("127.0.0.1:{port}")]);
        command.args(arguments);
        let subject = Process::start("subject", &mut command, scratch.path()).listening(port);
        listens(&mut lab, server);
        Self { port, scratch, subject, _lab: lab }
    }
}

/// `JupyterLab` on a port, begun: it imports for seconds before it listens.
#[track_caller]
pub(crate) fn begun(scratch: &Scratch, server: u16, more: &str) -> Process {
    let root = scratch.path().join("root");
    std::fs::create_dir_all(&root).expect("a folder can be made");
    let root = root.display();
    let options = format!(
        "c.ServerApp.allow_origin = '*'\nc.IdentityProvider.token = 'secret'\nc.ServerApp.allow_root = True\n\
         c.ServerApp.open_browser = False\nc.ServerApp.root_dir = '{root}'\nc.ServerApp.ip = '127.0.0.1'\n\
         c.ServerApp.port = {server}\nc.ServerApp.terminado_settings = {{'shell_command': ['/bin/sh']}}\n{more}"
    );
    let options =
        scratch.write("jupyter.py", options.replace("FOLDER", &scratch.path().display().to_string()));
    let path = folder().join("venv/bin/jupyter-lab");
    assert!(path.exists(), "{} is missing; run tests/setup.sh", path.display());
    let mut command = Command::new(path);
    command.arg(format!("--config={}", options.display())).env("HOME", scratch.path());
    command.env("IPYTHONDIR", scratch.path().join("ipython"));
    Process::start("jupyter", &mut command, scratch.path())
}

/// Waits until it listens.
#[track_caller]
pub(crate) fn listens(lab: &mut Process, server: u16) {
    wait::until("JupyterLab to listen", wait::SOON * 6, || {
        assert!(lab.exited().is_none(), "JupyterLab ended:\n{}", lab.output());
        std::net::TcpStream::connect(("127.0.0.1", server)).ok()
    });
}

#[test]
fn a_notebook_computes_and_a_terminal_obeys_in_chromium() {
    let case = Case::start("jupyter", "offload.config", "", |_| Vec::new());
    let folder_of_run = case.scratch.path();
    let mut command = Command::new("node");
    command
        .arg(folder().join("jupyter.js"))
        .arg(format!("http://127.0.0.1:{}/lab?token=secret", case.port))
        .args([folder_of_run, &folder_of_run.join("made")]);
    let mut browser = Process::start("browser", &mut command, folder_of_run);
    let status = browser.wait(wait::SOON * 18);
    assert!(status.success(), "JupyterLab cannot be used");
    assert!(folder_of_run.join("made").exists());
}

/// An authority, and a certificate of it for another name than the one that is connected to.
#[track_caller]
fn certificates(folder: &Path) {
    let script = "
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem &&
        openssl req -newkey rsa:2048 -nodes -subj /CN=lab.example -keyout lab.key -out lab.csr &&
        echo 'subjectAltName=DNS:lab.example' > lab.ext &&
        openssl x509 -req -in lab.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile lab.ext -out lab.pem";
    let made = Command::new("sh").args(["-c", script]).current_dir(folder).output().expect("sh can be run");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

const OVER_TLS: &str = "c.ServerApp.certfile = 'FOLDER/lab.pem'\nc.ServerApp.keyfile = 'FOLDER/lab.key'\n";

#[test]
fn a_trusted_server_over_tls_is_used() {
    let case = Case::start("jupyter-tls", "https.config", OVER_TLS, |folder| {
        certificates(folder);
        vec!["--ca".into(), folder.join("ca.pem")]
    });
    let page = http::get(case.port, "/api/status?token=secret");
    assert_eq!(page.status, 200, "{}", page.text());
    let mut connection = http::Connection::open(case.port).expect("it listens");
    connection
        .send("POST /api/terminals?token=secret HTTP/1.1\r\nHost: lab\r\nContent-Length: 0\r\n\r\n")
        .expect("it can be sent");
    let made = connection.response().expect("it answers");
    assert_eq!(made.status, 200, "{}", made.text());
    let mut socket =
        WebSocket::open(case.port, "/terminals/websocket/1?token=secret").expect("the upgrade passes");
    let greeting = socket.receive().expect("the terminal speaks first");
    assert!(String::from_utf8_lossy(&greeting.payload).contains("setup"), "{greeting:?}");
}

#[test]
fn an_untrusted_server_over_tls_is_refused_and_the_log_says_why() {
    let case = Case::start("jupyter-untrusted", "https.config", OVER_TLS, |folder| {
        certificates(folder);
        Vec::new()
    });
    let page = http::get(case.port, "/api/status?token=secret");
    assert_eq!(page.status, 502, "{}", page.text());
    let said = wait::until("the log to say why", wait::SOON, || {
        let said = case.subject.output();
        said.contains("while SSL handshaking to upstream").then_some(said)
    });
    assert!(
        said.contains("unable to verify the first certificate")
            || said.contains("unable to get local issuer"),
        "{said}"
    );
}
