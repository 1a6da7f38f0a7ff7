//! Logs: which lines are written, what they say, and where they go.
//!
//! A line is one `write` to a file opened for appending, so that workers need
//! no lock between them; lines that may wait are collected by each worker.
//! Files are shared by all workers and outlive a reload; opening them again
//! puts the new file under the old descriptor.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
};

use super::clock::Clock;
use crate::{
    diagnostic::{Diagnostic, Severity},
    ir::settings::{self, ErrorLog, Level, LogTarget, LogsInForce},
    plan::{Plan, hash::Map},
};

mod access;
mod ahead;
mod error;
mod file;
mod form;
mod series;
mod syslog;
mod topic;

pub use access::access;
pub use ahead::{Ahead, ahead};
pub use error::{Scribe, asked, connection, error, event};

use file::{Buffer, LogFile};
use syslog::Receiver;

/// Where lines go.
#[derive(Clone, Debug)]
enum Sink {
    /// To a file.
    File(Arc<LogFile>),
    /// To files that follow each other.
    Series(Arc<series::Series>),
    /// To standard error.
    Stderr,
    /// To a syslog receiver.
    Syslog(Arc<Receiver>),
}

/// The error logs that hear of something, each from its level on.
type Errors = Vec<(Level, Sink)>;

/// The log files and receivers of a plan, shared by all workers.
#[derive(Debug, Default)]
pub struct Files {
    /// Where the process itself logs.
    errors: Errors,
    /// What lines of its own say, where they have a form.
    own: Option<form::Own>,
    /// Keeps files open while the plan is served.
    opened: Vec<Arc<LogFile>>,
    series: Vec<Arc<series::Series>>,
    receivers: Mutex<Vec<(settings::Syslog, Arc<Receiver>)>>,
}

impl Files {
    /// Opens every log of a plan whose name is fixed.
    pub fn open(plan: &Plan) -> Result<Arc<Self>, Vec<Diagnostic>> {
        let mut files = Self::default();
        let mut problems: Vec<Diagnostic> = Vec::new();
        for target in plan.log_targets() {
            match files.sink(target) {
                Ok(Some(Sink::File(file))) => files.opened.push(file),
                Ok(Some(Sink::Series(series))) => files.series.push(series),
                Ok(_) => {}
                Err(message) if problems.iter().any(|known| known.message == message) => {}
                Err(message) => problems.push(cannot_open(target, message)),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let own = plan.config.base.logs.errors.as_deref().unwrap_or_default();
        files.errors = files.error_sinks(own);
        let logs = &plan.config.base.logs;
        files.own = logs.lines.clone().flatten().map(|lines| form::Own {
            lines,
            levels: logs.levels.clone().unwrap_or_default(),
            host: plan.config.hosts.first().map(|host| host.name.clone()).unwrap_or_default(),
        });
        Ok(Arc::new(files))
    }

    /// What stands in the way of opening the logs of a plan, as far as it can be seen without creating any.
    pub fn look(plan: &Plan) -> Vec<Diagnostic> {
        let mut problems: Vec<Diagnostic> = Vec::new();
        for target in plan.log_targets() {
            let LogTarget::File(name, _) = target else { continue };
            let Some(name) = name.as_text() else { continue };
            let Err(error) = file::look(name) else { continue };
            let message = failed(name, &error);
            if problems.iter().all(|known| known.message != message) {
                problems.push(cannot_open(target, message));
            }
        }
        problems
    }

    /// Opens all files again by their names; what collected lines go to the old ones first.
    pub fn reopen(&self) {
        for (path, error) in file::reopen_all() {
            let message = format!("open() \"{}\" failed ({})", path.display(), error::system(&error));
            error::process(&self.errors, self.own.as_ref(), Level::Emerg, &message);
        }
    }

    /// Writes a line about the process to its error logs.
    #[track_caller]
    pub fn process(&self, _: &Plan, level: Level, message: &str) {
        error::process(&self.errors, self.own.as_ref(), level, message);
    }

    /// Writes what lines wait.
    pub fn flush(&self) {
        for file in &self.opened {
            file.flush();
        }
    }

    /// Where the lines of a log go; `None` when the name of its file depends on the request.
    fn sink(&self, target: &LogTarget) -> Result<Option<Sink>, String> {
        Ok(Some(match target {
            LogTarget::File(name, _) => match name.as_text() {
                Some(name) => Sink::File(file::open(name).map_err(|error| failed(name, &error))?),
                None => return Ok(None),
            },
            LogTarget::Series(how, _) => {
                let name = how.folder.as_os_str().as_encoded_bytes();
                Sink::Series(series::open(how).map_err(|error| failed(name, &error))?)
            }
            LogTarget::Stderr => Sink::Stderr,
            LogTarget::Syslog(to) => {
                let mut known = self.receivers.lock().unwrap_or_else(PoisonError::into_inner);
                let found = known.iter().find(|(settings, _)| settings == to);
                Sink::Syslog(if let Some((_, receiver)) = found {
                    Arc::clone(receiver)
                } else {
                    let receiver = Arc::new(Receiver::new(to)?);
                    known.push((to.clone(), Arc::clone(&receiver)));
                    receiver
                })
            }
        }))
    }

    /// The sinks of error logs; one that cannot be had is left out, as [`Files::open`] has said why.
    fn error_sinks(&self, logs: &[ErrorLog]) -> Errors {
        let sink = |log: &ErrorLog| Some((log.level, self.sink(&log.to).ok().flatten()?));
        logs.iter().filter_map(sink).collect()
    }
}

fn failed(name: &[u8], error: &std::io::Error) -> String {
    format!("open() \"{}\" failed ({})", String::from_utf8_lossy(name), error::system(error))
}

fn cannot_open(target: &LogTarget, message: String) -> Diagnostic {
    match target {
        LogTarget::File(_, span) | LogTarget::Series(_, span) => {
            Diagnostic::error("cannot-open-log", *span, message)
        }
        LogTarget::Stderr | LogTarget::Syslog(_) => {
            Diagnostic::new(Severity::Error, "cannot-open-log", message)
        }
    }
}

/// The logs of a plan as one worker writes them.
#[derive(Debug)]
pub struct Logs {
    files: Arc<Files>,
    /// What is made of the settings met so far, by their address: the plan keeps them as long as these logs.
    tables: RefCell<Map<usize, Rc<Table>>>,
    /// The worker's collected lines.
    buffers: RefCell<Vec<Arc<Buffer>>>,
    /// Files whose names depend on requests.
    opened: RefCell<file::Opened>,
    clock: Clock,
    /// Lines about exchanges, where they are kept and not written.
    kept: Option<RefCell<Vec<(Level, String)>>>,
}

/// Logs in force, ready to be written.
#[derive(Debug)]
struct Table {
    access: Vec<access::Writer>,
    errors: Errors,
}

impl Logs {
    /// The logs of a plan, for the worker that calls this.
    pub fn new(files: &Arc<Files>, plan: &Plan) -> Self {
        let logs = Self {
            files: Arc::clone(files),
            tables: RefCell::default(),
            buffers: RefCell::default(),
            opened: RefCell::default(),
            clock: Clock::default(),
            kept: None,
        };
        for host in 0..plan.config.hosts.len() {
            logs.table(&plan.settings(plan.host_settings(crate::ir::HostId(host as u32))).logs);
        }
        logs
    }

    /// Logs that open nothing and keep the lines of the error log.
    pub fn kept() -> Self {
        Self {
            files: Arc::default(),
            tables: RefCell::default(),
            buffers: RefCell::default(),
            opened: RefCell::default(),
            clock: Clock::default(),
            kept: Some(RefCell::default()),
        }
    }

    /// Whether this is a rehearsal's: nothing outside of it is changed.
    pub fn are_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// The lines kept since this was asked last.
    pub fn take_kept(&self) -> Vec<(Level, String)> {
        self.kept.as_ref().map(RefCell::take).unwrap_or_default()
    }

    /// Does what is due each second.
    pub fn tick(&self) {
        file::flush_due();
        self.opened.borrow_mut().clear();
    }

    /// What is made of settings in force.
    fn table(&self, settings: &Arc<LogsInForce>) -> Rc<Table> {
        let key = Arc::as_ptr(settings) as usize;
        if let Some(table) = self.tables.borrow().get(&key) {
            return Rc::clone(table);
        }
        let table = Rc::new(self.make(settings));
        self.tables.borrow_mut().insert(key, Rc::clone(&table));
        table
    }

    fn make(&self, settings: &LogsInForce) -> Table {
        if self.kept.is_some() {
            return Table { access: Vec::new(), errors: Vec::new() };
        }
        let errors = self.files.error_sinks(&settings.errors);
        let mut access = Vec::new();
        for log in &settings.access {
            match self.files.sink(&log.to) {
                Ok(sink) => access.push(access::Writer::new(self, log, sink)),
                Err(message) => error::process(&errors, self.files.own.as_ref(), Level::Crit, &message),
            }
        }
        Table { access, errors }
    }

    /// The worker's buffer of a file; the first log that names the file decides how large it is.
    fn buffer(&self, file: &Arc<LogFile>, log: &settings::AccessLog) -> Arc<Buffer> {
        let mut buffers = self.buffers.borrow_mut();
        if let Some(known) = buffers.iter().find(|buffer| buffer.is_of(file)) {
            return Arc::clone(known);
        }
        let buffer = file::buffer(file, log.buffer, log.flush, log.gzip);
        buffers.push(Arc::clone(&buffer));
        buffer
    }
}

impl Sink {
    /// Writes a line that ends in a line feed; `severity` is the one to tell a syslog receiver, else its own.
    fn write(&self, line: &[u8], severity: Option<u8>) -> std::io::Result<()> {
        match self {
            Self::File(file) => file.write(line),
            Self::Series(series) => series.write(line),
            Self::Stderr => std::io::Write::write_all(&mut std::io::stderr(), line),
            Self::Syslog(receiver) => receiver.send(line.strip_suffix(b"\n").unwrap_or(line), severity),
        }
    }

    /// What to call it in a complaint, when it is time for another one.
    fn complaint(&self) -> Option<String> {
        match self {
            Self::File(file) => {
                file.may_complain().then(|| format!("write() to \"{}\"", file.path().display()))
            }
            Self::Series(series) => Some(format!("write() to \"{}\"", series.folder().display())),
            Self::Stderr => None,
            Self::Syslog(receiver) => receiver.may_complain().then(|| "send() to syslog".to_owned()),
        }
    }
}
