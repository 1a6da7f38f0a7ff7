//! A program that is asked: one line in, one line out, one thread that speaks to it.

use std::{
    ffi::OsStr,
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsRawFd as _, RawFd},
        unix::{ffi::OsStrExt as _, process::CommandExt as _},
    },
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use crate::{engine::credentials, ir::Text};

/// How long an answer may take; the program is started anew after that.
const LIMIT: Duration = Duration::from_secs(10);

/// Longest answer.
const LONGEST: usize = 64 << 10;

/// How many may wait for their turn.
const QUEUE: usize = 4096;

/// How long a program that ended is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// A question and who asked it.
type Question = (Vec<u8>, oneshot::Sender<Option<Vec<u8>>>);

/// A program.
#[derive(Debug)]
pub(super) struct Program {
    questions: SyncSender<Question>,
}

impl Program {
    /// Starts it.
    pub(super) fn start(command: &[Text], user: Option<&(Text, Option<Text>)>) -> io::Result<Self> {
        let ids = credentials::ids(user).map_err(io::Error::other)?;
        let (questions, asked) = sync_channel(QUEUE);
        let spawn = {
            let command: Vec<Text> = command.to_vec();
            move || spawn(&command, ids)
        };
        let child = spawn()?;
        std::thread::Builder::new().name("map".to_owned()).spawn(move || {
            Speaker { child: Some(child), began: Instant::now(), rest: Vec::new() }.serve(&asked, &spawn);
        })?;
        Ok(Self { questions })
    }

    /// Asks; `None` when too many are waiting.
    pub(super) fn ask(&self, key: &[u8]) -> Option<oneshot::Receiver<Option<Vec<u8>>>> {
        let (answer, receiver) = oneshot::channel();
        self.questions.try_send((key.to_vec(), answer)).ok()?;
        Some(receiver)
    }
}

fn spawn(command: &[Text], ids: Option<(u32, u32)>) -> io::Result<Child> {
    let word = |text: &Text| OsStr::from_bytes(text).to_owned();
    let Some((program, arguments)) = command.split_first() else {
        return Err(io::Error::from(io::ErrorKind::NotFound));
    };
    let mut command = Command::new(word(program));
    command.args(arguments.iter().map(word)).stdin(Stdio::piped()).stdout(Stdio::piped());
    if let Some((uid, gid)) = ids {
        command.gid(gid).uid(uid);
    }
    command.spawn()
}

/// Who speaks to the program.
struct Speaker {
    child: Option<Child>,
    began: Instant,
    /// What was read behind the last answer.
    rest: Vec<u8>,
}

impl Speaker {
    fn serve(mut self, asked: &Receiver<Question>, spawn: &dyn Fn() -> io::Result<Child>) {
        // Ends when nobody can ask any more.
        while let Ok((key, answer)) = asked.recv() {
            if answer.is_closed() {
                continue;
            }
            if self.child.is_none() && self.began.elapsed() >= PAUSE {
                self.child = spawn().ok();
                self.began = Instant::now();
                self.rest.clear();
            }
            let value = self.converse(&key);
            if value.is_err() {
                self.end();
            }
            let value = value.ok().filter(|value| !value.eq_ignore_ascii_case(b"NULL"));
            let _ = answer.send(value);
        }
        self.end();
    }

    fn converse(&mut self, key: &[u8]) -> io::Result<Vec<u8>> {
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        let child = self.child.as_mut().ok_or_else(gone)?;
        let stdin = child.stdin.as_mut().ok_or_else(gone)?;
        let until = Instant::now() + LIMIT;
        wait(stdin.as_raw_fd(), libc::POLLOUT, until)?;
        stdin.write_all(&[key, b"\n"].concat())?;
        stdin.flush()?;
        let stdout = child.stdout.as_mut().ok_or_else(gone)?;
        let mut looked_at = 0;
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.rest[looked_at..]) {
                let mut line: Vec<u8> = self.rest.drain(..=looked_at + end).collect();
                line.pop();
                return Ok(line);
            }
            looked_at = self.rest.len();
            if looked_at > LONGEST {
                return Err(io::Error::from(io::ErrorKind::InvalidData));
            }
            wait(stdout.as_raw_fd(), libc::POLLIN, until)?;
            let mut buffer = [0; 4096];
            let count = stdout.read(&mut buffer)?;
            if count == 0 {
                return Err(gone());
            }
            self.rest.extend_from_slice(&buffer[..count]);
        }
    }

    /// Ends the program: its input ends, and it does if it has not by then.
    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.stdin.take());
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until a descriptor is ready.
#[expect(unsafe_code, reason = "poll has no safe interface in the libraries used")]
fn wait(descriptor: RawFd, events: i16, until: Instant) -> io::Result<()> {
    let left = until.saturating_duration_since(Instant::now());
    let mut asked = libc::pollfd { fd: descriptor, events, revents: 0 };
    // SAFETY: one live structure, and its count.
    let ready = unsafe { libc::poll(&raw mut asked, 1, left.as_millis() as libc::c_int) };
    match ready {
        0 => Err(io::Error::from(io::ErrorKind::TimedOut)),
        ready if ready < 0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_answers_in_turn_and_is_started_again() {
        let script = "while read k; do [ \"$k\" = bye ] && exit; [ \"$k\" = none ] && echo NULL || echo \"<$k>\"; done";
        let command: Vec<Text> = ["/bin/sh", "-c", script].map(Text::from).to_vec();
        let program = Program::start(&command, None).unwrap();
        let ask = |key: &str| {
            let answer = program.ask(key.as_bytes()).unwrap().blocking_recv().unwrap();
            answer.map(|value| String::from_utf8(value).unwrap())
        };
        assert_eq!(ask("a b"), Some("<a b>".to_owned()));
        assert_eq!(ask("none"), None);
        assert_eq!(ask("bye"), None);
        std::thread::sleep(PAUSE + Duration::from_millis(50));
        assert_eq!(ask("again"), Some("<again>".to_owned()));
    }
}
