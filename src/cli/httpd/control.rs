//! `-k`: tells the server that the pid file names.

use std::{
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use super::args::Control;
use crate::cli::{
    process::{pid_file, system},
    say,
};

/// How long a stop waits for the server to leave.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who is asked.
pub(super) enum Server {
    /// It runs, with this process id.
    Runs(i32),
    /// The pid file is of a process that is gone.
    Gone(i32),
    /// There is no pid file.
    None,
}

impl Server {
    /// The server that a pid file names.
    pub(super) fn of(pid: &Path) -> Self {
        match pid_file::read(pid) {
            Ok(Ok(id)) if id == std::process::id().cast_signed() => Self::Gone(id),
            Ok(Ok(id)) if system::kill(id, 0).is_ok() => Self::Runs(id),
            Ok(Ok(id)) => Self::Gone(id),
            Ok(Err(_)) | Err(_) => Self::None,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Runs(id) => format!("httpd (pid {id})"),
            Self::Gone(id) => format!("httpd (pid {id}?)"),
            Self::None => "httpd (no pid file)".into(),
        }
    }
}

/// Does what is asked; `None` when the server is to be started.
pub(super) fn run(control: Control, pid: &Path) -> Option<ExitCode> {
    let server = Server::of(pid);
    let signal = match control {
        Control::Start => {
            let Server::Runs(_) = server else { return None };
            say::result(format!("{} already running\n", server.name()));
            return Some(ExitCode::SUCCESS);
        }
        Control::Status => {
            let runs = matches!(server, Server::Runs(_));
            say::result(format!("{} {}running\n", server.name(), if runs { "" } else { "not " }));
            return Some(if runs { ExitCode::SUCCESS } else { ExitCode::from(3) });
        }
        Control::Stop => libc::SIGTERM,
        Control::GracefulStop => libc::SIGWINCH,
        Control::Restart => libc::SIGHUP,
        Control::Graceful => libc::SIGUSR1,
    };
    let Server::Runs(id) = server else {
        if matches!(control, Control::Stop | Control::GracefulStop) {
            say::result(format!("{} not running\n", server.name()));
            return Some(ExitCode::SUCCESS);
        }
        say::result("httpd not running, trying to start\n");
        return None;
    };
    if let Err(error) = system::kill(id, signal) {
        say::remark(format!("sending signal to server: {error}\n"));
        return Some(ExitCode::FAILURE);
    }
    if control == Control::Stop {
        wait(id);
    }
    Some(ExitCode::SUCCESS)
}

/// Who stops a server wants its ports free afterwards.
fn wait(id: i32) {
    let began = Instant::now();
    while system::kill(id, 0).is_ok() && began.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(20));
    }
}
