//! `-s`: tells the server that the pid file names.

use std::{path::Path, process::ExitCode};

use super::{args::Signal, early_log::EarlyLog};
use crate::cli::{
    process::{pid_file, system},
    report,
};

/// Sends the signal.
pub(super) fn send(signal: Signal, pid: &Path, log: &EarlyLog) -> ExitCode {
    log.note("notice", "signal process started");
    let id = match pid_file::read(pid) {
        Ok(Ok(id)) => id,
        Ok(Err(text)) => {
            log.say("error", &format!("invalid PID number \"{text}\" in \"{}\"", pid.display()));
            return ExitCode::FAILURE;
        }
        Err(error) => {
            log.say("error", &report::failed("open", pid, &error));
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
