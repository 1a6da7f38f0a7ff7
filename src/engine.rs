//! Serving: listeners, connections, exchanges, upstreams. The only asynchronous room.
//!
//! One process, one thread per worker, each with a runtime, listening sockets,
//! upstream connections and memory of its own. The [`Server`] lives on the
//! thread that started it and talks to workers by messages; what is served is
//! an `Arc<Plan>` that a reload replaces between requests.

use std::{
    io,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::{AbortHandle, LocalSet, spawn_local},
};

use crate::{
    diagnostic::{Diagnostic, Severity},
    ir::{Address, Config, HostId, Text, settings::Level},
    plan::Plan,
};

pub mod access;
pub mod allocator;
pub mod announce;
mod authorize;
pub mod balance;
pub mod cache;
mod changes;
pub mod client_address;
pub mod clock;
pub mod compose;
pub mod connect;
pub mod connection;
pub mod content;
mod credentials;
pub mod deposit;
mod descriptors;
pub mod edit;
pub mod exchange;
pub mod explain;
pub mod facts;
mod figures;
pub mod files;
pub mod filter;
pub mod forward;
pub mod gateway;
mod health;
pub mod host;
pub mod http1;
pub mod http2;
mod identifier;
pub mod idle;
pub mod limit;
pub mod listen;
pub mod local;
pub mod log;
pub mod maps;
mod negotiate;
mod overview;
pub mod password;
pub mod pool;
mod probe;
pub mod program;
pub mod rehearse;
pub mod resolve;
pub mod respond;
pub mod response;
pub mod scratch;
pub mod splice;
pub mod stream;
pub mod subrequest;
pub mod tally;
pub mod timed;
pub mod tls;
pub mod trace;
pub mod tunnel;
pub mod upstream_tls;
pub mod worker;

use balance::{Clusters, Zones};
use listen::{Bound, Listening};
use worker::{Counters, Serving, Shared, Worker};

/// The stack of a thread that runs exchanges. Requests of our own lie inside each other up to a depth of 50; measured, a
/// page that includes itself takes 30 KiB for each. What nobody touches takes no memory.
pub const STACK: usize = 16 << 20;

/// How often idle upstream connections are looked over.
const SWEEP: Duration = Duration::from_secs(1);

/// What the command line decides.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Refuse to start when an upstream's name does not resolve.
    pub strict_names: bool,
    /// Whether the process runs as root, so that workers can change their user.
    pub root: bool,
    /// What `Server` says instead of what the configuration has; empty for no such field.
    pub server_header: Option<Text>,
    /// By which requests ask that their way is told.
    pub explain: Option<Arc<explain::Key>>,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    options: Options,
    workers: Vec<Handle>,
    shared: Arc<Shared>,
    state: Mutex<State>,
}

/// What a reload changes. Only the thread that owns the server takes the lock.
#[derive(Debug)]
struct State {
    plan: Arc<Plan>,
    bound: Vec<Arc<Bound>>,
    logs: Arc<log::Files>,
    /// Kept because looking names up again ends with it.
    #[expect(dead_code, reason = "owned, never read")]
    names: Arc<resolve::Resolved>,
    zones: Arc<Zones>,
    /// What there is to say about the plan although it is served.
    warnings: Vec<Diagnostic>,
}

#[derive(Debug)]
struct Handle {
    commands: UnboundedSender<Command>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Handle {
    fn is_working(&self) -> bool {
        self.thread.lock().is_ok_and(|thread| thread.as_ref().is_some_and(|thread| !thread.is_finished()))
    }
}

#[derive(Debug)]
enum Command {
    /// Serve this from now on.
    Serve(Next),
    /// Finish what is under way.
    Quit,
    /// End now.
    Stop,
}

/// What a worker is to serve.
#[derive(Clone, Debug)]
struct Next {
    plan: Arc<Plan>,
    bound: Vec<Arc<Bound>>,
    logs: Arc<log::Files>,
    names: Arc<resolve::Resolved>,
    zones: Arc<Zones>,
    maps: Arc<maps::Programs>,
    certificates: Arc<tls::Certificates>,
}

impl Server {
    /// Starts serving: on return every address is listened on and every worker accepts.
    pub fn start(plan: Plan, options: Options) -> Result<Self, Vec<Diagnostic>> {
        let count = plan.config.process.workers.map_or_else(
            || std::thread::available_parallelism().map_or(1, usize::from),
            |count| count.max(1) as usize,
        );
        let unraised = descriptors::raise(plan.config.process.descriptors, count as u64);
        let zones = Arc::<Zones>::default();
        let (next, mut warnings) = prepare(Arc::new(plan), &options, count, &zones, &[])?;
        warnings.extend(unraised);
        let shared = Arc::new(Shared {
            counters: (0..count).map(|_| Counters::default()).collect(),
            machine_name: machine_name(),
            server_header: options.server_header.clone(),
            explain: options.explain.clone(),
            serial: AtomicU64::new(1),
            began: Instant::now(),
            zones: limit::Zones::default(),
            caches: cache::Caches::default(),
            tallies: tally::Tallies::default(),
            handshakes: worker::Handshakes::default(),
            generation: AtomicU64::new(1),
            loaded: AtomicU64::new(clock::epoch()),
        });
        let user = credentials::look_up(next.plan.config.process.user.as_ref())
            .map_err(|message| vec![Diagnostic::new(Severity::Error, "unknown-user", message)])?;
        let mut workers = Vec::new();
        let (ready, started) = std::sync::mpsc::channel();
        for index in 0..count {
            let (commands, inbox) = unbounded_channel();
            let (next, shared, ready) = (next.clone(), Arc::clone(&shared), ready.clone());
            let thread = std::thread::Builder::new()
                .name(format!("worker-{index}"))
                .stack_size(STACK)
                .spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                    let done = match (runtime, credentials::become_user(user)) {
                        (Ok(runtime), Ok(())) => Ok(runtime),
                        (Err(error), _) => {
                            Err(failure("no-runtime", format!("a worker cannot be started: {error}")))
                        }
                        (_, Err(error)) => {
                            let message = format!("a worker cannot change its user: {error}");
                            Err(failure("no-privileges", message))
                        }
                    };
                    match done {
                        Ok(runtime) => {
                            let _ = ready.send(Ok(()));
                            drop(ready);
                            work(index, &runtime, shared, next, inbox);
                            // Tasks still there after a fast stop end with the runtime.
                            runtime.shutdown_timeout(Duration::from_millis(100));
                        }
                        Err(fault) => drop(ready.send(Err(fault))),
                    }
                })
                .map_err(|error| {
                    vec![failure("no-thread", format!("a worker cannot be started: {error}"))]
                })?;
            workers.push(Handle { commands, thread: Mutex::new(Some(thread)) });
        }
        drop(ready);
        for answer in started.iter().take(count) {
            answer.map_err(|fault| vec![fault])?;
        }
        let Next { plan, bound, logs, names, zones, .. } = next;
        let state = Mutex::new(State { plan, bound, logs, names, zones, warnings });
        Ok(Self { options, workers, shared, state })
    }

    /// Looks up the names of a configuration as starting does: what is said of those that are not found.
    pub fn look_up(config: &Config, options: &Options) -> Vec<Diagnostic> {
        resolve::Resolved::start(config, options.strict_names).1
    }

    /// Reads the certificates of a plan as starting does, and looks where its logs would be: what is wrong with them.
    /// Nothing is written.
    pub fn look_over(plan: &Arc<Plan>) -> Vec<Diagnostic> {
        let mut problems = Self::certificates(plan);
        problems.extend(log::Files::look(plan));
        problems
    }

    fn certificates(plan: &Arc<Plan>) -> Vec<Diagnostic> {
        let mut problems = tls::Certificates::load(plan).err().unwrap_or_default();
        problems.extend(upstream_tls::load(plan.forwarding()).err().into_iter().flatten());
        problems
    }

    /// Does what starting does before it binds, and no more: certificates are read and logs opened.
    pub fn rehearse(plan: Plan) -> Result<(), Vec<Diagnostic>> {
        let plan = Arc::new(plan);
        let mut problems = Self::certificates(&plan);
        problems.extend(log::Files::open(&plan).err().into_iter().flatten());
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Serves another plan from the next request on; when it cannot be served, nothing changes.
    pub fn reload(&self, plan: Plan) -> Result<(), Vec<Diagnostic>> {
        let Ok(mut state) = self.state.lock() else {
            return Err(vec![failure("poisoned", "the server has failed".to_owned())]);
        };
        let zones = Arc::clone(&state.zones);
        let (next, mut warnings) =
            prepare(Arc::new(plan), &self.options, self.workers.len(), &zones, &state.bound)?;
        let asked = next.plan.config.process.workers.map(|count| count.max(1) as usize);
        if let Some(asked) = asked.filter(|asked| *asked != self.workers.len()) {
            let message = format!(
                "{asked} workers are asked for and {} go on: their number changes with a restart",
                self.workers.len()
            );
            warnings.push(Diagnostic::new(Severity::Warning, "workers-stay", message));
        }
        for gone in state.bound.iter().filter(|old| !next.bound.iter().any(|new| new.address == old.address))
        {
            gone.close();
        }
        for worker in &self.workers {
            let _ = worker.commands.send(Command::Serve(next.clone()));
        }
        self.shared.generation.fetch_add(1, Relaxed);
        self.shared.loaded.store(clock::epoch(), Relaxed);
        let changes = changes::line(&state.plan.config, &next.plan.config);
        next.logs.process(&next.plan, Level::Notice, &changes);
        let Next { plan, bound, logs, names, zones, .. } = next;
        *state = State { plan, bound, logs, names, zones, warnings };
        Ok(())
    }

    /// The plan in force.
    pub fn plan(&self) -> Option<Arc<Plan>> {
        self.state.lock().ok().map(|state| Arc::clone(&state.plan))
    }

    /// What a reload would change, in one line.
    pub fn changes(old: &Plan, new: &Plan) -> String {
        changes::line(&old.config, &new.config)
    }

    /// What there is to say about the plan that came into force last; once.
    pub fn take_warnings(&self) -> Vec<Diagnostic> {
        self.state.lock().map_or_else(|_| Vec::new(), |mut state| std::mem::take(&mut state.warnings))
    }

    /// Opens all log files again by their names.
    pub fn reopen_logs(&self) {
        if let Ok(state) = self.state.lock() {
            state.logs.reopen();
        }
    }

    /// Writes a line about the process to the main error log.
    pub fn log(&self, level: Level, message: &str) {
        if let Ok(state) = self.state.lock() {
            state.logs.process(&state.plan, level, message);
        }
    }

    /// Stops gracefully: listening ends, idle connections close, exchanges and tunnels end or have had the time that
    /// their plan gives them, then this returns.
    pub fn quit(&self) {
        if let Ok(state) = self.state.lock() {
            state.bound.iter().for_each(|bound| bound.close());
        }
        for worker in &self.workers {
            let _ = worker.commands.send(Command::Quit);
        }
        while self.workers.iter().any(Handle::is_working) {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.finish();
    }

    /// Stops at once.
    pub fn stop(&self) {
        self.cut_off();
        self.finish();
    }

    fn cut_off(&self) {
        for worker in &self.workers {
            let _ = worker.commands.send(Command::Stop);
        }
    }

    fn finish(&self) {
        for worker in &self.workers {
            let thread = worker.thread.lock().map(|mut thread| thread.take());
            if let Ok(Some(thread)) = thread {
                let _ = thread.join();
            }
        }
        if let Ok(state) = self.state.lock() {
            state.logs.flush();
            state.bound.iter().for_each(|bound| bound.close());
        }
    }

    /// What all workers share: counters.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }
}

/// Does everything that can fail, before anything changes.
fn prepare(
    plan: Arc<Plan>,
    options: &Options,
    workers: usize,
    zones: &Arc<Zones>,
    old: &[Arc<Bound>],
) -> Result<(Next, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let (names, found) = resolve::Resolved::start(&plan.config, options.strict_names);
    let (mut errors, warnings): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|finding| finding.severity == Severity::Error);
    problems.append(&mut errors);
    let certificates = tls::Certificates::load(&plan).unwrap_or_else(|mut found| {
        problems.append(&mut found);
        tls::Certificates::default()
    });
    problems.extend(upstream_tls::load(plan.forwarding()).err().into_iter().flatten());
    let maps = maps::Programs::start(&plan.config).unwrap_or_else(|mut found| {
        problems.append(&mut found);
        maps::Programs::default()
    });
    let maps = Arc::new(maps);
    let logs = log::Files::open(&plan).unwrap_or_else(|mut found| {
        problems.append(&mut found);
        Arc::default()
    });
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut bound = Vec::new();
    for at in listen::to_bind(&plan.config) {
        let listener = &plan.config.listeners[at];
        if let Some(kept) = old.iter().find(|old| old.address == listener.address) {
            listen::adjust(kept, &listener.options);
            bound.push(Arc::clone(kept));
            continue;
        }
        match bind_patiently(listener, workers, old.is_empty()) {
            Ok(new) => bound.push(Arc::new(new)),
            Err(error) => problems.push(cannot_listen(listener, &error)),
        }
    }
    if problems.is_empty() {
        if !plan.config.hosts.is_empty() {
            names.keep_up(&plan.config, &plan.settings(plan.host_settings(HostId(0))).resolve);
        }
        certificates.keep_up(&plan, &logs);
        let (zones, certificates) = (Arc::clone(zones), Arc::new(certificates));
        Ok((Next { plan, bound, logs, names, zones, maps, certificates }, warnings))
    } else {
        for new in bound.iter().filter(|new| !old.iter().any(|old| Arc::ptr_eq(old, new))) {
            new.close();
        }
        Err(problems)
    }
}

/// Binds; an address in use is tried again for a while, as a predecessor may be about to end.
fn bind_patiently(listener: &crate::ir::Listener, workers: usize, patient: bool) -> io::Result<Bound> {
    let mut tries = if patient { 5 } else { 1 };
    loop {
        tries -= 1;
        match listen::bind(listener, workers) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {
                std::thread::sleep(Duration::from_millis(500));
            }
            done => return done,
        }
    }
}

fn cannot_listen(listener: &crate::ir::Listener, error: &io::Error) -> Diagnostic {
    let address = match &listener.address {
        Address::Tcp(addr) => addr.to_string(),
        Address::Unix(path) => format!("unix:{}", path.display()),
    };
    let (code, help) = match error.kind() {
        io::ErrorKind::AddrInUse => {
            ("address-in-use", "another process listens there: stop it, or choose another port")
        }
        io::ErrorKind::PermissionDenied => {
            ("no-permission", "ports below 1024 need root or CAP_NET_BIND_SERVICE")
        }
        io::ErrorKind::AddrNotAvailable => {
            ("no-such-address", "no interface of this machine has that address")
        }
        _ => ("cannot-listen", "the system refuses this address"),
    };
    let message = format!("bind() to {address} failed ({})", forward::system(error));
    Diagnostic::error(code, listener.span, message).help(help)
}

fn failure(code: &'static str, message: String) -> Diagnostic {
    Diagnostic::new(Severity::Error, code, message)
}

fn machine_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_lowercase())
        .unwrap_or_default()
}

/// The life of a worker.
fn work(
    index: usize,
    runtime: &tokio::runtime::Runtime,
    shared: Arc<Shared>,
    next: Next,
    inbox: UnboundedReceiver<Command>,
) {
    let local = LocalSet::new();
    local.block_on(runtime, async move {
        let worker = Worker::new(index, shared, serving(&next));
        health::watch(&worker, &worker.serving());
        let accepting = accept_all(&worker, &next.bound, Vec::new());
        drop(next);
        attend(&worker, accepting, inbox).await;
    });
}

fn serving(next: &Next) -> Serving {
    let clusters = Clusters::new(&next.plan, &next.names, &next.zones);
    let logs = log::Logs::new(&next.logs, &next.plan);
    let maps = maps::Maps::new(&next.plan.config, &next.maps);
    Serving::new(Arc::clone(&next.plan), clusters, logs, maps, Arc::clone(&next.certificates))
}

type Accepting = Vec<Accepts>;

/// A socket that connections are accepted on.
#[derive(Debug)]
struct Accepts {
    listening: Rc<Listening>,
    task: AbortHandle,
}

impl Accepts {
    /// Accepts no more; who waits already is still served.
    fn end(self, worker: &Rc<Worker>) {
        self.task.abort();
        listen::take_waiting(worker, &self.listening);
    }
}

/// Starts accepting on new addresses, goes on with old ones, stops on those that are gone.
fn accept_all(worker: &Rc<Worker>, bound: &[Arc<Bound>], old: Accepting) -> Accepting {
    let mut kept = Vec::new();
    for accepts in old {
        if bound.iter().any(|bound| accepts.listening.is_at(&bound.address)) {
            kept.push(accepts);
        } else {
            accepts.end(worker);
        }
    }
    for bound in bound {
        if kept.iter().any(|accepts: &Accepts| accepts.listening.is_at(&bound.address)) {
            continue;
        }
        match Listening::new(bound, worker.index) {
            Ok(listening) => {
                let listening = Rc::new(listening);
                let accepting = listen::accept(Rc::clone(worker), Rc::clone(&listening));
                kept.push(Accepts { listening, task: spawn_local(accepting).abort_handle() });
            }
            Err(error) => log::event(
                &worker.serving().logs,
                Level::Alert,
                format_args!("a listening socket cannot be shared: {error}"),
            ),
        }
    }
    kept
}

/// Follows commands until the end.
async fn attend(worker: &Rc<Worker>, mut accepting: Accepting, mut inbox: UnboundedReceiver<Command>) {
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            command = inbox.recv() => match command {
                Some(Command::Serve(next)) => {
                    let new = serving(&next);
                    // First, as who waits at an address that goes is served by the plan that knows it.
                    accepting = accept_all(worker, &next.bound, accepting);
                    worker.replace(new);
                    health::watch(worker, &worker.serving());
                }
                Some(Command::Quit) => {
                    accepting.drain(..).for_each(|accepts| accepts.end(worker));
                    worker.stop();
                }
                Some(Command::Stop) | None => return,
            },
            _ = sweep.tick() => {
                worker.pool.sweep();
                worker.serving().logs.tick();
            }
            () = worker.drain.notified(), if worker.stopping.get() => {}
        }
        if worker.stopping.get() && worker.connections.get() == 0 {
            return;
        }
    }
}
