//! The server under test, called as nginx.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::process::{Process, signal_process};
use super::scratch::Scratch;
use super::wait;

/// Whether the subject is triglot; the only switch for what the real nginx cannot be asked.
pub(crate) fn is_triglot() -> bool {
    let Some(path) = std::env::var_os("SUBJECT") else { return true };
    let output = Command::new(path).arg("-v").output().expect("SUBJECT can be run");
    String::from_utf8_lossy(&output.stderr).contains("triglot")
}

/// The subject's command line, up to where nginx's options begin.
pub(crate) fn command() -> Command {
    if let Some(path) = std::env::var_os("SUBJECT") {
        return Command::new(path);
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_triglot"));
    command.arg("nginx");
    command
}

/// A prefix folder with a configuration file, before and after the subject is started on it.
pub(crate) struct Prefix {
    scratch: Scratch,
}

impl Prefix {
    /// A prefix whose `nginx.conf` is `text`.
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let scratch = Scratch::new(name);
        scratch.write("nginx.conf", text);
        Self { scratch }
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.scratch.path()
    }

    /// A path below the folder, as text.
    pub(crate) fn at(&self, name: &str) -> String {
        self.path().join(name).display().to_string()
    }

    /// Writes a file below the folder.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        self.scratch.write(name, content)
    }

    /// A file's text, empty when there is none.
    pub(crate) fn read(&self, name: &str) -> String {
        self.scratch.read(name)
    }

    /// Waits until a file below the folder contains `text`.
    #[track_caller]
    pub(crate) fn wait_for(&self, name: &str, text: &str) -> String {
        let mut last = String::new();
        let what = format!("`{text}` in {name}");
        wait::until(&what, wait::SOON, || {
            last = self.read(name);
            last.contains(text).then(|| last.clone())
        })
    }

    /// The subject with this prefix and its error log; the caller adds the rest.
    pub(crate) fn command(&self) -> Command {
        let mut command = command();
        command.arg("-p").arg(self.path()).args(["-e", "logs/error.log"]);
        command
    }

    /// Runs the subject to its end, for options that do not serve.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        ran(self.command().args(arguments))
    }

    /// Starts the subject in the foreground and waits for its pid file, which promises that it listens.
    #[track_caller]
    pub(crate) fn serve(self) -> Server {
        self.serve_with("")
    }

    /// As `serve`, with more directives for the command line.
    #[track_caller]
    pub(crate) fn serve_with(self, directives: &str) -> Server {
        self.serve_within("", directives)
    }

    /// As `serve_with`, after the shell's words have set limits.
    #[track_caller]
    pub(crate) fn serve_within(self, limits: &str, directives: &str) -> Server {
        // Debian's nginx would write its pid to /run; the documented default is below the prefix.
        let directives = format!("daemon off; pid {}; {directives}", self.at("logs/nginx.pid"));
        let mut command = self.command();
        if !limits.is_empty() {
            let subject = command;
            command = Command::new("sh");
            command.args(["-c", &format!("{limits} && exec \"$0\" \"$@\"")]);
            command.arg(subject.get_program()).args(subject.get_args());
        }
        command.args(["-c", "nginx.conf", "-g", &directives]);
        if std::env::var_os("SUBJECT").is_none() || is_triglot() {
            // As `-c` is relative to the prefix, the folder in which it is started must not matter.
            command.current_dir("/");
        }
        let mut process = Process::start("subject", &mut command, self.path());
        wait::until("the subject's pid file", wait::SOON * 2, || {
            let ended = process.exited();
            assert!(ended.is_none(), "the subject ended with {ended:?}:\n{}", process.output());
            self.read("logs/nginx.pid").trim().parse::<u32>().ok()
        });
        Server { process, prefix: self }
    }
}

/// Runs a command to its end, for its words and its exit status.
#[track_caller]
pub(crate) fn ran(command: &mut Command) -> Ran {
    Ran::from(finish(command))
}

/// What a subject that ran to its end said.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its exit status.
    pub(crate) code: Option<i32>,
    /// Its standard output.
    pub(crate) stdout: String,
    /// Its standard error.
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs a command that must end by itself, and let go of its output when it does.
#[track_caller]
pub(crate) fn finish(command: &mut Command) -> Output {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let id = child.id();
    let stdout = read_apart(child.stdout.take());
    let stderr = read_apart(child.stderr.take());
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            break status;
        }
        if start.elapsed() > wait::SOON {
            signal_process("KILL", &format!("-{id}"));
            let _ = child.wait();
            let said = stderr.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
            panic!("{command:?} did not end; it said:\n{}", String::from_utf8_lossy(&said));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    // A script that reads a daemon's output waits for as long as the daemon holds on to it.
    let limit = Duration::from_secs(5);
    let stdout = stdout.recv_timeout(limit).expect("it left with its standard output still open");
    let stderr = stderr.recv_timeout(limit).expect("it left with its standard error still open");
    Output { status, stdout, stderr }
}

fn read_apart(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        let _ = sender.send(bytes);
    });
    receiver
}

/// A subject in the foreground, its prefix, and its end.
pub(crate) struct Server {
    // Before the prefix, so that it is gone when the folder is removed.
    process: Process,
    prefix: Prefix,
}

impl Server {
    /// The prefix it serves.
    pub(crate) fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// The master's process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends the master a signal.
    pub(crate) fn signal(&self, signal: &str) {
        self.process.signal(signal);
    }

    /// Whether the master still runs.
    pub(crate) fn running(&mut self) -> bool {
        self.process.exited().is_none()
    }

    /// Waits for the master to end.
    #[track_caller]
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        self.process.wait(limit)
    }

    /// Everything logged as an error, wherever it went.
    pub(crate) fn errors(&self) -> String {
        self.prefix.read("logs/error.log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- nginx.conf ---\n{}", self.prefix.read("nginx.conf"));
            eprintln!("--- logs/error.log ---\n{}", self.prefix.read("logs/error.log"));
        }
    }
}
