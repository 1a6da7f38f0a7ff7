//! Two servers on the same text, the real one first: until they listen, what each answers, and their end.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::pair::{PATIENCE, ask};

/// The servers, and how their answers are compared.
pub(crate) struct Both {
    names: [&'static str; 2],
    ports: [u16; 2],
    children: [Child; 2],
    normal: fn(&[u8], u16) -> String,
}

impl Both {
    /// Starts the two commands and waits until they listen. What they say goes to files in a folder.
    pub(crate) fn start(
        folder: &Path,
        names: [&'static str; 2],
        ports: [u16; 2],
        commands: [&mut Command; 2],
        normal: fn(&[u8], u16) -> String,
    ) -> Self {
        let said = |name: &str| folder.join(format!("{name}.said"));
        let [real, own] = commands;
        let begin = |name: &str, command: &mut Command| {
            let said = File::create(said(name)).unwrap();
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn().unwrap()
        };
        let mut children = [begin(names[0], real), begin(names[1], own)];
        for (child, (port, name)) in children.iter_mut().zip(ports.iter().zip(names)) {
            let began = Instant::now();
            while TcpStream::connect(("127.0.0.1", *port)).is_err() {
                let said = || fs::read_to_string(said(name)).unwrap_or_default();
                assert!(child.try_wait().unwrap().is_none(), "{name} does not start: {}", said());
                assert!(began.elapsed() < 4 * PATIENCE, "{name} does not listen: {}", said());
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        Self { names, ports, children, normal }
    }

    /// Sends both the same bytes; `what` names what they are about where the answers differ.
    #[track_caller]
    pub(crate) fn compare(&self, request: &[u8], what: impl Fn() -> String) {
        let answers = || self.ports.map(|port| (self.normal)(&ask(port, request), port));
        let [mut real, mut own] = answers();
        if real != own {
            // A reset that overtakes an answer is no difference; what is one is there again.
            [real, own] = answers();
        }
        let [of_real, of_own] = self.names;
        assert!(
            real == own,
            "{}\n--- request\n{}\n--- {of_real}\n{real}\n--- {of_own}\n{own}",
            what(),
            request.escape_ascii()
        );
    }
}

impl Drop for Both {
    fn drop(&mut self) {
        for child in &mut self.children {
            // A master takes its workers with it only on a signal that it can handle.
            let _ = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }
}
