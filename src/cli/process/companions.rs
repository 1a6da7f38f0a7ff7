//! Programs beside the server: started before it serves, started again when they end, stopped with it.
//!
//! Each has a thread that starts it and waits for its end, so that the kernel can have it end with that thread: a server
//! that is killed leaves no program behind. A reload leaves a program alone that is as it was.

use std::{
    fs::{self, File},
    io,
    net::{SocketAddr, TcpStream},
    os::unix::{ffi::OsStrExt as _, process::CommandExt as _},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::system;
use crate::{cli::say, ir::Companion};

/// How often is looked whether one listens.
const LOOK: Duration = Duration::from_millis(20);

/// The programs that run.
#[derive(Debug, Default)]
pub struct Companions(Vec<Running>);

/// A program and who looks after it.
#[derive(Debug)]
struct Running {
    what: Companion,
    state: Arc<State>,
    keeper: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    stopping: AtomicBool,
    /// Its process group, while it runs.
    group: Mutex<Option<i32>>,
    /// Told when it ended.
    ended: Condvar,
}

impl Companions {
    /// Starts what is new, until it listens or cannot be waited for; what is not wanted any more stops when it is dropped.
    #[must_use = "what is not wanted any more stops when it is dropped"]
    pub fn apply(&mut self, wanted: &[Companion]) -> Self {
        let (kept, gone): (Vec<_>, Vec<_>) = self.0.drain(..).partition(|one| wanted.contains(&one.what));
        self.0 = kept;
        let new: Vec<_> =
            wanted.iter().filter(|what| !self.0.iter().any(|one| one.what == **what)).cloned().collect();
        let first = self.0.len();
        self.0.extend(new.into_iter().map(Running::start));
        for one in &self.0[first..] {
            one.wait_until_it_listens();
        }
        Self(gone)
    }

    /// Keeps others as well.
    pub fn join(&mut self, others: Self) {
        self.0.extend(others.0);
    }
}

impl Running {
    fn start(what: Companion) -> Self {
        let state = Arc::new(State::default());
        let (program, shared) = (what.clone(), Arc::clone(&state));
        let keeper = thread::spawn(move || keep(&program, &shared));
        Self { what, state, keeper: Some(keeper) }
    }

    fn wait_until_it_listens(&self) {
        let Companion { name, address, start_limit, .. } = &self.what;
        let start = Instant::now();
        while !listens(*address) {
            if self.keeper.as_ref().is_some_and(JoinHandle::is_finished) {
                return;
            }
            if start.elapsed() > *start_limit {
                say::remark(format!(
                    "warning: {name} does not listen on {address} after {} s; requests for it are answered with 502 until \
                     it does\n",
                    start_limit.as_secs()
                ));
                return;
            }
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Running {
    /// Asks it to end, and ends it when it does not.
    fn drop(&mut self) {
        self.state.stopping.store(true, SeqCst);
        let mut group = self.state.group.lock().unwrap_or_else(PoisonError::into_inner);
        for (signal, limit) in
            [(libc::SIGTERM, self.what.stop_limit), (libc::SIGKILL, Duration::from_secs(5))]
        {
            let Some(id) = *group else { break };
            let _ = system::kill(-id, signal);
            let waited = self.state.ended.wait_timeout_while(group, limit, |group| group.is_some());
            group = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(group);
        self.state.ended.notify_all();
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

fn listens(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

/// Runs it, again and again.
fn keep(what: &Companion, state: &State) {
    let mut ends: Vec<Instant> = Vec::new();
    while !state.stopping.load(SeqCst) {
        let how = match run(what, state) {
            Ok(how) => how,
            Err(error) => {
                say::remark(format!(
                    "error: {}: {} cannot be run: {error}\n",
                    what.name,
                    what.command.display()
                ));
                return;
            }
        };
        if state.stopping.load(SeqCst) {
            return;
        }
        let now = Instant::now();
        ends.retain(|end| now.duration_since(*end) < Duration::from_mins(1));
        ends.push(now);
        if ends.len() > what.restarts as usize {
            say::remark(format!(
                "error: {} {how}, more than {} times in a minute; it is not started again until the next reload\n",
                what.name, what.restarts
            ));
            return;
        }
        say::remark(format!("warning: {} {how}; it is started again\n", what.name));
        // One that ends at once should not keep a processor busy.
        let pause = Duration::from_millis(100 * (ends.len() as u64 - 1).min(50));
        let group = state.group.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = state.ended.wait_timeout_while(group, pause, |_| !state.stopping.load(SeqCst));
    }
}

/// Runs it once; how it ended.
fn run(what: &Companion, state: &State) -> io::Result<String> {
    let text = |text: &crate::ir::Text| std::ffi::OsStr::from_bytes(text).to_owned();
    let mut command = Command::new(&what.command);
    command.args(what.arguments.iter().map(text)).current_dir(&what.folder);
    command.envs(what.environment.iter().map(|(name, value)| (text(name), text(value))));
    // A group of its own: what it starts ends with it, and a terminal's Ctrl-C is for us to pass on.
    command.process_group(0).stdin(Stdio::null());
    system::end_with_us(&mut command);
    let (out, err) = match &what.output {
        Some(path) => {
            let file = output(path)?;
            (Stdio::from(file.try_clone()?), Stdio::from(file))
        }
        None => (Stdio::from(io::stderr()), Stdio::from(io::stderr())),
    };
    command.stdout(out).stderr(err);
    let mut child = {
        let mut group = state.group.lock().unwrap_or_else(PoisonError::into_inner);
        if state.stopping.load(SeqCst) {
            return Ok(String::new());
        }
        let child = command.spawn()?;
        *group = Some(child.id().cast_signed());
        child
    };
    let status = child.wait();
    *state.group.lock().unwrap_or_else(PoisonError::into_inner) = None;
    state.ended.notify_all();
    Ok(status.map_or_else(|error| format!("is lost ({error})"), |status| format!("ended ({status})")))
}

/// A new file for what it prints: the name with the time behind it.
fn output(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut name = path.as_os_str().to_owned();
    name.push(format!("_{seconds}_{}.log", std::process::id()));
    File::options().append(true).create(true).open(name)
}
