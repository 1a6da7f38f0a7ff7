//! A server process from its start to its end: what the commands that serve have in common.
//!
//! The main thread starts the engine, then waits for signals. The order at the
//! start is a promise: the background first (a fork allows no threads), then
//! limits, folders, sockets and logs, then the pid file, and only then may the
//! process that was started leave.

pub mod background;
pub mod companions;
pub mod diff;
pub mod folders;
pub mod pid_file;
pub mod signals;
pub mod system;
pub mod watch;

use std::{
    fs::File,
    os::{fd::AsFd as _, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::SystemTime,
};

use crate::{
    cli::{
        load::{self, Ready},
        report,
    },
    diagnostic::{Diagnostic, Severity},
    dialect::Dialect,
    engine::{self, Server},
    ir::{self, settings::Level},
    source::SourceMap,
};
use background::Side;
use companions::Companions;
use pid_file::PidFile;
pub use signals::Manners;
use watch::Watch;

/// What to serve and how.
pub struct Setup {
    /// Where it was read from, for reloads.
    pub request: load::Request,
    /// The files that findings point into.
    pub sources: SourceMap,
    /// How the engine runs.
    pub engine: engine::Options,
    /// Whether to go to the background.
    pub background: bool,
    /// What the log of errors calls the server.
    pub name: String,
    /// Shows what went wrong before there was a server.
    pub complain: Complain,
    /// Whether the log of errors takes the place of standard error once the server runs.
    pub capture_stderr: bool,
    /// What is said when it serves.
    pub greeting: Option<Greeting>,
    /// What signals mean.
    pub manners: Manners,
    /// When the configuration was read, or just before.
    pub read: SystemTime,
}

/// What is said when it serves.
pub struct Greeting {
    /// The lines.
    pub text: String,
    /// Where they go.
    pub say: fn(&str),
}

/// Shows findings.
pub type Complain = Box<dyn Fn(&SourceMap, &[Diagnostic])>;

/// What is remembered of the plan in force.
#[derive(Debug)]
struct Standing {
    log: Option<PathBuf>,
    pid_path: Option<PathBuf>,
    pid: Option<PidFile>,
    companions: Companions,
    watch: Watch,
}

/// Serves until a signal ends it.
pub fn serve(mut setup: Setup, ready: Ready) -> ExitCode {
    // What a folder is may not be seen any more when a file in it is gone.
    let path = &setup.request.path;
    if setup.request.dialect.is_none() && path.is_dir() {
        setup.request.dialect = Dialect::of_folder(path);
    }
    if let Err(error) = signals::keep() {
        return fail(&setup, &[plain(format!("pthread_sigmask() failed ({})", report::numbered(&error)))]);
    }
    let parent = if setup.background {
        match background::fork() {
            Ok(Side::Parent(verdict)) => {
                return if verdict.wait() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
            }
            Ok(Side::Child(parent)) => Some(parent),
            Err(error) => {
                return fail(&setup, &[plain(format!("fork() failed ({})", report::numbered(&error)))]);
            }
        }
    } else {
        None
    };
    let (server, standing) = match start(&setup, ready) {
        Ok(started) => started,
        Err(faults) => return fail(&setup, &faults),
    };
    if let Some(greeting) = &setup.greeting {
        (greeting.say)(&greeting.text);
    }
    standing.capture(setup.capture_stderr);
    if let Some(parent) = parent
        && let Err(error) = parent.tell()
    {
        server.log(Level::Alert, &format!("write() to the parent failed ({})", report::numbered(&error)));
    }
    signals::rule(setup, Arc::new(server), standing)
}

fn fail(setup: &Setup, faults: &[Diagnostic]) -> ExitCode {
    (setup.complain)(&setup.sources, faults);
    ExitCode::FAILURE
}

/// Everything up to the pid file and the watch over files.
fn start(setup: &Setup, ready: Ready) -> Result<(Server, Standing), Vec<Diagnostic>> {
    let Ready { plan, files } = ready;
    let process = plan.config.process.clone();
    prepare(&process).map_err(|fault| vec![fault])?;
    folders::make(&files, &process).map_err(|fault| vec![fault])?;
    let mut companions = Companions::default();
    drop(companions.apply(&process.companions));
    let server = Server::start(plan, setup.engine.clone())?;
    (setup.complain)(&setup.sources, &server.take_warnings());
    let mut standing =
        Standing { log: files.main_log, pid_path: None, pid: None, companions, watch: Watch::default() };
    standing.write_pid(process.pid_file.as_deref()).map_err(|fault| vec![fault])?;
    standing.watch.apply(&process.watched, setup.read);
    announce(&server, setup);
    Ok((server, standing))
}

impl Standing {
    /// Writes the pid file where the plan wants it, unless it is there already.
    fn write_pid(&mut self, path: Option<&Path>) -> Result<(), Diagnostic> {
        if self.pid_path.as_deref() == path && self.pid.is_some() {
            return Ok(());
        }
        if let Some(path) = path {
            let written = PidFile::write(path);
            self.pid = Some(written.map_err(|error| plain(report::failed("open", path, &error)))?);
        } else {
            self.pid = None;
        }
        self.pid_path = path.map(Path::to_path_buf);
        Ok(())
    }

    /// Puts the log in the place of standard error: what nobody foresaw, such as a panic, is better there than nowhere.
    fn capture(&self, wanted: bool) {
        let log = self.log.as_ref().filter(|_| wanted);
        if let Some(file) = log.and_then(|log| File::options().append(true).create(true).open(log).ok()) {
            let _ = system::replace_stream(2, file.as_fd());
        }
    }
}

/// The process itself: environment, limits, working directory. Nothing has been started yet.
fn prepare(process: &ir::Process) -> Result<(), Diagnostic> {
    let text = |text: &ir::Text| std::ffi::OsStr::from_bytes(text).to_owned();
    let keep: Vec<_> =
        process.environment.iter().map(|(name, value)| (text(name), value.as_ref().map(text))).collect();
    if !keep.is_empty() {
        system::set_environment(&keep);
    }
    if let Some(folder) = &process.working_directory {
        std::env::set_current_dir(folder).map_err(|error| plain(report::failed("chdir", folder, &error)))?;
    }
    Ok(())
}

fn announce(server: &Server, setup: &Setup) {
    server.log(Level::Notice, "using the \"epoll\" event method");
    server.log(Level::Notice, &setup.name);
    if let Ok((soft, hard)) = system::open_files() {
        server.log(Level::Notice, &format!("getrlimit(RLIMIT_NOFILE): {soft}:{hard}"));
    }
    server.log(Level::Notice, "start worker processes");
}

fn plain(message: String) -> Diagnostic {
    Diagnostic::new(Severity::Error, "start", message)
}

/// Reads the configuration again: the plan, or the lines that say what is wrong.
fn read_again(setup: &mut Setup) -> (Option<Ready>, Vec<(Level, String)>) {
    let mut sources = SourceMap::new();
    setup.read = SystemTime::now();
    setup.request.options.again = true;
    let (ready, found) = load::plan(&mut sources, &setup.request);
    let lines = lines(&sources, &found);
    setup.sources = sources;
    (ready, lines)
}

/// Findings as lines of the log; notes are for `check`.
fn lines(sources: &SourceMap, found: &[Diagnostic]) -> Vec<(Level, String)> {
    let level = |found: &Diagnostic| match found.severity {
        Severity::Note => None,
        Severity::Warning => Some(Level::Warn),
        Severity::Error => Some(Level::Emerg),
    };
    found.iter().filter_map(|found| Some((level(found)?, report::line(sources, found)))).collect()
}
