//! `-s`: tells the server that the pid file names.

use std::{path::Path, process::ExitCode};

use super::{args::Signal, early_log::EarlyLog};
use crate::cli::{
    process::{self, pid_file, system},
    report, say,
};

/// Sends the signal.
pub(super) fn send(signal: Signal, pid: &Path, log: &EarlyLog) -> ExitCode {
    log.note("notice", "signal process started");
    let id = match master(pid) {
        Ok(id) => id,
        Err(why) => {
            log.say("error", &why);
            return ExitCode::FAILURE;
        }
    };
    let number = signal.number();
    match system::kill(id, number) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log.say("alert", &format!("kill({id}, {number}) failed ({})", report::numbered(&error)));
            ExitCode::FAILURE
        }
    }
}

/// Says what a reload would change, and changes nothing.
pub(super) fn diff(pid: &Path) -> ExitCode {
    match master(pid) {
        Ok(id) => process::diff::of(id, false),
        Err(why) => {
            say::remark(format!("nginx: [error] {why}\n"));
            ExitCode::from(2)
        }
    }
}

/// The process that a pid file names.
fn master(pid: &Path) -> Result<i32, String> {
    match pid_file::read(pid) {
        Ok(Ok(id)) => Ok(id),
        Ok(Err(text)) => Err(format!("invalid PID number \"{text}\" in \"{}\"", pid.display())),
        Err(error) => Err(report::failed("open", pid, &error)),
    }
}
