//! Child processes that do not outlive their test, and whose output is shown when it fails.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::wait;

/// A running program, leader of its own process group, with its output in a file.
pub(crate) struct Process {
    name: String,
    child: Child,
    output: PathBuf,
}

impl Process {
    /// Starts `command` in a group of its own; what it prints goes to `NAME.out` in `folder`.
    pub(crate) fn start(name: &str, command: &mut Command, folder: &Path) -> Self {
        let output = folder.join(format!("{name}.out"));
        let file = File::create(&output).expect("an output file can be made");
        let again = file.try_clone().expect("a descriptor can be duplicated");
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(again)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started ({error}); run tests/setup.sh"));
        Self { name: name.to_owned(), child, output }
    }

    /// The leader's id, which is the group's as well.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the program has printed so far.
    pub(crate) fn output(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.output).unwrap_or_default()).into_owned()
    }

    /// Sends the leader a signal, by its name without `SIG`.
    pub(crate) fn signal(&self, signal: &str) {
        signal_process(signal, &self.id().to_string());
    }

    /// The leader's exit status, once it has one.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        let what = format!("{} to exit", self.name);
        wait::until(&what, limit, || self.exited())
    }

    /// Waits until something accepts connections on `port`.
    #[track_caller]
    pub(crate) fn listening(mut self, port: u16) -> Self {
        let what = format!("{} to listen on {port}", self.name);
        wait::until(&what, wait::SOON * 2, || {
            assert!(self.exited().is_none(), "{} ended:\n{}", self.name, self.output());
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        self
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- output of {} ---\n{}", self.name, self.output());
        }
        signal_process("KILL", &format!("-{}", self.id()));
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process, or to a group when the id has a minus in front.
pub(crate) fn signal_process(signal: &str, id: &str) {
    // The shell's own `kill`: no unsafe code, and no package that might be missing.
    let script = format!("kill -s {signal} -- {id}");
    let _ = Command::new("sh").args(["-c", &script]).stderr(Stdio::null()).status();
}

/// Whether a process with this id exists and has not ended (a zombie has).
pub(crate) fn alive(id: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{id}/stat")) else { return false };
    // The state follows the name, which is in parentheses and may hold anything.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}
