//! Being called httpd, apache2 or apachectl: Apache's command line, its words, its exit statuses.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/programs/httpd.html>,
//! <https://httpd.apache.org/docs/2.4/stopping.html>. Scripts, units, certbot and logrotate know Apache by this
//! behaviour. One thing is better: a signal that asks for a restart while the configuration is broken leaves the
//! server running as it is.

mod args;
mod complaint;
mod control;
mod dump;
mod layout;
mod texts;

use std::{ffi::OsString, fs::File, io::Write as _, path::Path, process::ExitCode};

use super::{
    load::{self, Request},
    process::{self, Manners, Setup, signals::Action, system},
    say,
};
use crate::{
    dialect::{Dialect, Options, apache},
    engine,
    source::SourceMap,
};
use args::{Args, Task, Wrong};
use complaint::Read;
use layout::Layout;

/// What the server calls itself in what it says.
const PROGRAM: &str = "apache2";

/// Whether a program of this name is Apache, and whether it is its control script.
pub fn is_called(name: &Path) -> Option<bool> {
    match name.file_name()?.to_str()? {
        "httpd" | "apache2" => Some(false),
        "apachectl" | "apache2ctl" => Some(true),
        _ => None,
    }
}

/// Runs with the arguments after the program's name; `control` is for `apachectl`.
pub fn main(words: &[OsString], control: bool) -> ExitCode {
    let parsed = if control { args::parse_control(words) } else { args::parse(words) };
    let args = match parsed {
        Ok(args) => args,
        Err(wrong) => {
            if let Wrong::Option(text) = wrong {
                say::remark(format!("{PROGRAM}: {text}\n"));
            }
            say::remark(texts::usage(PROGRAM));
            return ExitCode::FAILURE;
        }
    };
    let layout = Layout::new(&args);
    match args.task {
        Some(Task::Version) => say::result(texts::version()),
        Some(Task::Build) => {
            let file = layout.file.strip_prefix(&layout.root).unwrap_or(&layout.file);
            say::result(texts::build(&layout.root.display().to_string(), &file.display().to_string()));
        }
        Some(Task::BuiltIn) => say::result(texts::built_in()),
        Some(Task::Directives) => say::result(texts::directives()),
        Some(Task::Help) => {
            say::remark(texts::usage(PROGRAM));
            return ExitCode::FAILURE;
        }
        None => return serve(&args, &layout),
    }
    ExitCode::SUCCESS
}

fn serve(args: &Args, layout: &Layout) -> ExitCode {
    let request = request(args, layout);
    let mut sources = SourceMap::new();
    let began = std::time::SystemTime::now();
    let (ready, mut found) = load::plan(&mut sources, &request);
    let read = reread(&request);
    if args.test {
        // Apache opens no sockets for it.
        found.retain(|found| found.code != "no-listen");
    }
    let complaint = complaint::text(&read, &sources, &found);
    if load::has_errors(&found) {
        complain(args, &complaint);
        return ExitCode::FAILURE;
    }
    if args.test {
        if let Some(text) = dump::text(args, &read) {
            say::result(text);
        } else {
            complain(args, &complaint);
            say::remark("Syntax OK\n");
        }
        return ExitCode::SUCCESS;
    }
    complain(args, &complaint);
    let Some(ready) = ready else { return ExitCode::FAILURE };
    if let Some(signal) = args.signal {
        let pid = ready.plan.config.process.pid_file.as_deref().unwrap_or(Path::new(layout::PID));
        if let Some(code) = control::run(signal, pid) {
            return code;
        }
    }
    let errors = args.errors.clone();
    let setup = Setup {
        background: !(args.debug || args.defines("FOREGROUND") || args.defines("NO_DETACH")),
        request,
        sources,
        engine: engine::Options { root: system::is_root(), ..engine::Options::default() },
        name: format!("Apache/{} (Unix) configured -- resuming normal operations", apache::VERSION),
        capture_stderr: true,
        greeting: None,
        complain: Box::new(move |sources, faults| {
            let read = Read { sources: SourceMap::new(), loaded: apache::load::Loaded::default() };
            write(errors.as_ref(), &complaint::text(&read, sources, faults));
        }),
        manners: Manners { action, heard },
        read: began,
    };
    process::serve(setup, ready)
}

fn request(args: &Args, layout: &Layout) -> Request {
    let text = |lines: &[u8]| {
        use std::os::unix::ffi::OsStringExt as _;
        (!lines.is_empty()).then(|| OsString::from_vec(lines.to_vec()))
    };
    Request {
        path: layout.file.clone(),
        dialect: Some(Dialect::Apache),
        options: Options {
            prefix: layout.root.clone(),
            directives: text(&args.before),
            directives_after: text(&args.after),
            defines: args.defines.clone(),
            root: system::is_root(),
            files: layout.files.clone(),
            ..Options::default()
        },
        listen: None,
    }
}

/// The configuration as it was read, for what is said about places in it.
fn reread(request: &Request) -> Read {
    let mut sources = SourceMap::new();
    let loaded = apache::load(&mut sources, &request.path, &request.options);
    Read { sources, loaded }
}

fn complain(args: &Args, text: &str) {
    write(args.errors.as_ref(), text);
}

/// To standard error, or to the file of `-E`.
fn write(file: Option<&OsString>, text: &str) {
    let opened = file.and_then(|file| File::options().append(true).create(true).open(file).ok());
    match opened {
        // Who cannot log cannot say so either.
        Some(mut file) => drop(file.write_all(text.as_bytes())),
        None => say::remark(text),
    }
}

/// What a signal asks for. Reference: <https://httpd.apache.org/docs/2.4/stopping.html>
fn action(signal: i32, _background: bool) -> Action {
    match signal {
        libc::SIGTERM | libc::SIGINT | libc::SIGQUIT => Action::Stop,
        libc::SIGHUP | libc::SIGUSR1 => Action::ReloadAndReopen,
        libc::SIGWINCH => Action::Quit,
        _ => Action::Nothing,
    }
}

/// What the log says of it.
fn heard(signal: i32, name: &str, _what: &str) -> String {
    match signal {
        libc::SIGHUP => "AH00494: SIGHUP received.  Attempting to restart".into(),
        libc::SIGUSR1 => "AH00493: SIGUSR1 received.  Doing graceful restart".into(),
        libc::SIGWINCH => "AH00492: caught SIGWINCH, shutting down gracefully".into(),
        _ => format!("AH00491: caught {name}, shutting down"),
    }
}
