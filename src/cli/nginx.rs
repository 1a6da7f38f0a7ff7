//! Being called nginx: its command line, its words, its exit statuses.
//!
//! Reference: <https://nginx.org/en/docs/switches.html>. Scripts, units,
//! certbot and logrotate know nginx by this behaviour. Results of `-T` go to
//! standard output, everything else to standard error.

mod args;
mod early_log;
mod layout;
mod signal;
mod test;
mod version;

use std::{ffi::OsString, process::ExitCode};

use super::{
    load::{self, Request},
    process::{self, Setup, system},
    say,
};
use crate::{
    dialect::{Dialect, Options, nginx::VERSION},
    engine,
    source::SourceMap,
};
use early_log::EarlyLog;
use layout::Layout;

/// Runs with the arguments after the program's name.
pub fn main(words: &[OsString]) -> ExitCode {
    let args = match args::parse(words) {
        Ok(args) => args,
        Err(text) => {
            say::remark(format!("nginx: {text}\n"));
            return ExitCode::FAILURE;
        }
    };
    if args.version {
        say::remark(version::version());
        if args.help {
            say::remark(version::help());
        }
        if args.build {
            say::remark(version::build());
        }
        if !args.test {
            return ExitCode::SUCCESS;
        }
    }
    let layout = Layout::new(&args);
    let log = EarlyLog::open(layout.files.error_log.as_deref());
    let request = Request {
        path: layout.file.clone(),
        dialect: Some(Dialect::Nginx),
        options: Options {
            prefix: layout.prefix.clone(),
            directives: args.directives.clone(),
            root: system::is_root(),
            files: layout.files.clone(),
            ..Options::default()
        },
        listen: None,
    };
    let mut sources = SourceMap::new();
    let read = std::time::SystemTime::now();
    let (ready, found) = load::plan(&mut sources, &request);
    log.findings(&sources, &found);
    let engine = engine::Options { root: system::is_root(), ..engine::Options::default() };
    if args.test {
        return test::run(&args, &layout, &sources, ready, &engine, &log);
    }
    let Some(ready) = ready else {
        // With `--diff`, 1 says that something differs.
        return if args.diff { ExitCode::from(2) } else { ExitCode::FAILURE };
    };
    if let Some(signal) = args.signal {
        let pid = ready.plan.config.process.pid_file.as_deref().unwrap_or(&layout.shown);
        if args.diff {
            return signal::diff(pid);
        }
        return signal::send(signal, pid, &log);
    }
    let setup = Setup {
        background: ready.plan.config.process.daemon,
        request,
        sources,
        engine,
        name: format!("nginx/{VERSION}"),
        capture_stderr: true,
        greeting: None,
        manners: process::Manners::default(),
        read,
        complain: Box::new(move |sources, faults| log.findings(sources, faults)),
    };
    process::serve(setup, ready)
}
