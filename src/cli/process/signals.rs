//! The life of a running server, told by signals.
//!
//! What a signal means is a server's own ([`Manners`]); unless told otherwise it is as in
//! <https://nginx.org/en/docs/control.html>.

use std::{
    process::ExitCode,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
};

use super::{
    Setup, Standing,
    diff::{self, InForce},
    folders, lines, read_again, system,
};
use crate::{cli::load::Ready, diagnostic::Diagnostic, engine::Server, ir::settings::Level, plan::Plan};

/// What we listen to. `SIGCHLD` is sent by ourselves, when a graceful stop is done.
const SIGNALS: [i32; 8] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGWINCH,
    libc::SIGCHLD,
];

/// Keeps the signals for this room; threads started later do not get them either.
pub fn keep() -> std::io::Result<()> {
    system::keep(&SIGNALS)?;
    // Kept and never fetched: a file that may not grow is an error of the write, and no reason to die.
    system::keep(&[libc::SIGXFSZ])
}

/// Waits for a signal that asks for the end: for commands that have nothing to reload.
pub fn wait_for_end() {
    let ends = [libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];
    while !ends.contains(&system::wait(&SIGNALS).number) {}
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Leave at once.
    Stop,
    /// Leave when everything is answered.
    Quit,
    /// Accept no connections any more, and stay.
    Rest,
    /// Read the configuration again.
    Reload,
    /// Open the logs again.
    Reopen,
    /// Both.
    ReloadAndReopen,
    /// Put another program in the place of this one.
    Replace,
    /// Nothing.
    Nothing,
}

/// What signals mean, and what the log says of them: each server has its own.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// The meaning of a signal, in the background or not.
    pub action: fn(signal: i32, background: bool) -> Action,
    /// The line of the log, from a signal's number, its name, and what becomes of it.
    pub heard: fn(signal: i32, name: &str, what: &str) -> String,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            action: |signal, background| match signal {
                libc::SIGTERM | libc::SIGINT => Action::Stop,
                libc::SIGQUIT => Action::Quit,
                libc::SIGHUP => Action::Reload,
                libc::SIGUSR1 => Action::Reopen,
                libc::SIGUSR2 => Action::Replace,
                // A shell sends it whenever its window changes: it means something in the background only.
                libc::SIGWINCH if background => Action::Rest,
                _ => Action::Nothing,
            },
            heard: |signal, name, what| format!("signal {signal} ({name}) received{what}"),
        }
    }
}

/// Obeys signals until one of them ends the process.
pub(super) fn rule(setup: Setup, server: Arc<Server>, standing: Standing) -> ExitCode {
    let (background, manners) = (setup.background, setup.manners);
    let in_force = InForce::default();
    if let Err(error) = diff::answer(&setup.request, &in_force) {
        server.log(Level::Info, &format!("what a reload would change cannot be asked: {error}"));
    }
    let mut master = Master { setup, standing, server: Some(server), last: None, drain: None, in_force };
    master.tell();
    loop {
        let signal = system::wait(&SIGNALS);
        let from = signal.from.map(|from| format!(" from {from}")).unwrap_or_default();
        let heard =
            |what: &str| (manners.heard)(signal.number, name(signal.number), &format!("{from}{what}"));
        if signal.number == libc::SIGCHLD {
            if master.is_drained() && master.drained() {
                return master.exit();
            }
            if master.standing.watch.has_changed() && !master.is_leaving() {
                master.notice("files changed, reconfiguring");
                master.reload();
            }
            continue;
        }
        match (manners.action)(signal.number, background) {
            Action::Stop => {
                master.notice(&heard(", exiting"));
                return master.stop();
            }
            Action::Quit => {
                master.notice(&heard(", shutting down"));
                if master.quit(true) {
                    return master.exit();
                }
            }
            Action::Reload | Action::ReloadAndReopen if master.is_leaving() => {
                master.notice(&heard(", ignored: shutting down"));
            }
            Action::Reload => {
                master.notice(&heard(", reconfiguring"));
                master.reload();
            }
            Action::ReloadAndReopen => {
                master.notice(&heard(", reconfiguring and reopening logs"));
                master.reload();
                master.reopen();
            }
            Action::Reopen => {
                master.notice(&heard(", reopening logs"));
                master.reopen();
            }
            Action::Rest => {
                master.notice(&heard(", stop accepting connections"));
                master.quit(false);
            }
            Action::Replace => {
                master.log(Level::Error, &heard(": the program cannot be replaced while it runs"));
            }
            Action::Nothing => {}
        }
    }
}

/// The server and what is to become of it.
struct Master {
    setup: Setup,
    standing: Standing,
    /// None after `SIGWINCH`, until `SIGHUP`.
    server: Option<Arc<Server>>,
    /// The last server, for its logs.
    last: Option<Arc<Server>>,
    drain: Option<Drain>,
    in_force: InForce,
}

/// A graceful stop under way.
struct Drain {
    done: Arc<AtomicBool>,
    /// Whether the process leaves when it is done.
    leave: bool,
}

impl Master {
    fn log(&self, level: Level, message: &str) {
        if let Some(server) = self.server.as_ref().or(self.last.as_ref()) {
            server.log(level, message);
        }
    }

    fn notice(&self, message: &str) {
        self.log(Level::Notice, message);
    }

    /// Who asks what a reload would change is told of this plan.
    fn tell(&self) {
        let plan = self.server.as_ref().and_then(|server| server.plan());
        *self.in_force.lock().unwrap_or_else(PoisonError::into_inner) = plan;
    }

    fn is_leaving(&self) -> bool {
        self.drain.as_ref().is_some_and(|drain| drain.leave)
    }

    fn is_drained(&self) -> bool {
        self.drain.as_ref().is_some_and(|drain| drain.done.load(SeqCst))
    }

    /// Begins a graceful stop; `true` when there is nothing to wait for.
    fn quit(&mut self, leave: bool) -> bool {
        let Some(server) = &self.server else { return leave };
        if let Some(drain) = &mut self.drain {
            drain.leave |= leave;
            return false;
        }
        self.notice("gracefully shutting down");
        let done = Arc::new(AtomicBool::new(false));
        let (server, told) = (Arc::clone(server), Arc::clone(&done));
        thread::spawn(move || {
            server.quit();
            drop(server);
            told.store(true, SeqCst);
            // Wakes the main thread, which waits for signals alone.
            let _ = system::kill(std::process::id().cast_signed(), libc::SIGCHLD);
        });
        self.drain = Some(Drain { done, leave });
        false
    }

    /// A graceful stop is done; `true` when the process leaves.
    fn drained(&mut self) -> bool {
        self.last = self.server.take();
        self.tell();
        self.drain.take().is_none_or(|drain| drain.leave)
    }

    fn stop(mut self) -> ExitCode {
        if let Some(server) = &self.server {
            server.stop();
        }
        self.last = self.server.take().or(self.last);
        self.exit()
    }

    fn exit(self) -> ExitCode {
        self.notice("exit");
        ExitCode::SUCCESS
    }

    fn reopen(&self) {
        if let Some(server) = &self.server {
            server.reopen_logs();
        }
        self.standing.capture(self.setup.capture_stderr);
    }

    fn reload(&mut self) {
        self.notice("reconfiguring");
        let (ready, said) = read_again(&mut self.setup);
        for (level, line) in &said {
            self.log(*level, line);
        }
        let Some(Ready { plan, files }) = ready else { return };
        let process = plan.config.process.clone();
        if let Err(fault) = folders::make(&files, &process) {
            self.complain(&[fault]);
            return;
        }
        let gone = self.standing.companions.apply(&process.companions);
        if !self.replace(plan) {
            self.standing.companions.join(gone);
            return;
        }
        self.standing.watch.apply(&process.watched, self.setup.read);
        self.standing.log = files.main_log;
        self.standing.capture(self.setup.capture_stderr);
        if let Err(fault) = self.standing.write_pid(process.pid_file.as_deref()) {
            self.complain(&[fault]);
        }
        self.notice("start worker processes");
    }

    /// Puts a plan into force; the old one stays when that fails.
    fn replace(&mut self, plan: Plan) -> bool {
        let replaced = match &self.server {
            Some(server) if self.drain.is_none() => server.reload(plan),
            _ => Server::start(plan, self.setup.engine.clone()).map(|server| {
                self.last = self.server.replace(Arc::new(server));
                self.drain = None;
            }),
        };
        match replaced {
            Ok(()) => {
                self.tell();
                let warnings = self.server.as_ref().map(|server| server.take_warnings());
                self.complain(&warnings.unwrap_or_default());
                true
            }
            Err(faults) => {
                self.complain(&faults);
                false
            }
        }
    }

    fn complain(&self, faults: &[Diagnostic]) {
        for (level, line) in lines(&self.setup.sources, faults) {
            self.log(level, &line);
        }
    }
}

fn name(signal: i32) -> &'static str {
    match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGTERM => "SIGTERM",
        libc::SIGUSR1 => "SIGUSR1",
        libc::SIGUSR2 => "SIGUSR2",
        libc::SIGWINCH => "SIGWINCH",
        _ => "SIGCHLD",
    }
}
