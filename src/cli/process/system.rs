//! The system calls that the standard library has no safe form of.
//!
//! Everything here is for the time before any thread is started, or for signals.

use std::{
    ffi::CString,
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// Which of two processes this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// The one that was there before.
    Parent,
    /// The new one.
    Child,
}

/// What a signal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Its number.
    pub number: i32,
    /// The process that sent it; `None` when the kernel did.
    pub from: Option<i32>,
}

/// Splits the process in two. No thread may have been started.
#[expect(unsafe_code, reason = "going to the background needs fork(2)")]
pub fn fork() -> io::Result<Fork> {
    // SAFETY: the process has one thread (see the doc comment), so the child's memory is consistent.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        _ => Ok(Fork::Parent),
    }
}

/// Begins a session without a terminal.
#[expect(unsafe_code, reason = "leaving the terminal needs setsid(2)")]
pub fn leave_terminal() -> io::Result<()> {
    // SAFETY: no pointers, no memory.
    check(unsafe { libc::setsid() }).map(drop)
}

/// Lets files be made with the mode that is asked for.
#[expect(unsafe_code, reason = "the mode of files depends on umask(2)")]
pub fn clear_umask() {
    // SAFETY: no pointers, no memory; it cannot fail.
    unsafe { libc::umask(0) };
}

/// Puts a file in the place of a standard stream: 0, 1 or 2.
#[expect(unsafe_code, reason = "replacing a standard stream needs dup2(2)")]
pub fn replace_stream(stream: i32, with: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: both are open descriptors, and no owner of the replaced one closes it.
    check(unsafe { libc::dup2(with.as_raw_fd(), stream) }).map(drop)
}

/// Whether the process may do everything.
#[expect(unsafe_code, reason = "only geteuid(2) knows")]
pub fn is_root() -> bool {
    // SAFETY: no pointers, no memory; it cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// The limit of open files: the one in force and the highest.
#[expect(unsafe_code, reason = "only getrlimit(2) knows")]
pub fn open_files() -> io::Result<(u64, u64)> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the answer.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    Ok((limit.rlim_cur, limit.rlim_max))
}

/// The user id of an account; `None` when there is no such account.
#[expect(unsafe_code, reason = "accounts come from getpwnam(3)")]
pub fn user_id(name: &[u8]) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name ends in NUL; no other thread runs that could overwrite the answer.
    let account = unsafe { libc::getpwnam(name.as_ptr()) };
    // SAFETY: not null, so it points to an account that stays until the next call.
    (!account.is_null()).then(|| unsafe { (*account).pw_uid })
}

/// Leaves of the environment what `keep` names, and sets what it gives a value for. No thread may have been started.
#[expect(unsafe_code, reason = "the environment is shared memory without a lock")]
pub fn set_environment(keep: &[(std::ffi::OsString, Option<std::ffi::OsString>)]) {
    for (name, _) in std::env::vars_os() {
        if !keep.iter().any(|(kept, _)| *kept == name) {
            // SAFETY: the process has one thread (see the doc comment).
            unsafe { std::env::remove_var(name) };
        }
    }
    for (name, value) in keep {
        if let Some(value) = value {
            // SAFETY: as above.
            unsafe { std::env::set_var(name, value) };
        }
    }
}

/// Sends a signal; 0 only asks whether it could be sent.
#[expect(unsafe_code, reason = "sending a signal needs kill(2)")]
pub fn kill(process: i32, signal: i32) -> io::Result<()> {
    // SAFETY: no pointers, no memory.
    check(unsafe { libc::kill(process, signal) }).map(drop)
}

/// Has a program that the calling thread starts end with this process, whatever ends it: SIGTERM is sent when the thread ends.
///
/// It is not SIGKILL, so that a program that started others can end them, too.
#[expect(unsafe_code, reason = "prctl(2) has to be called between fork(2) and execve(2)")]
pub fn end_with_us(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt as _;
    let us = std::process::id().cast_signed();
    let none = set_of(&[]);
    let tie = move || {
        // The signals that this process keeps for itself are no business of the program's.
        // SAFETY: the set is initialised and lives in the closure; no old mask is asked for.
        match unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) } {
            0 => {}
            number => return Err(io::Error::from_raw_os_error(number)),
        }
        // SAFETY: no pointers, no memory.
        check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) })?;
        // SAFETY: as above; it cannot fail.
        if unsafe { libc::getppid() } == us { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    };
    // SAFETY: the closure makes three system calls and allocates nothing.
    unsafe { command.pre_exec(tie) };
}

/// Keeps these signals for [`wait`], in this thread and all that it starts.
#[expect(unsafe_code, reason = "signals are kept by pthread_sigmask(3)")]
pub fn keep(signals: &[i32]) -> io::Result<()> {
    let set = set_of(signals);
    // SAFETY: `set` is initialised, and no old mask is asked for.
    match unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) } {
        0 => Ok(()),
        number => Err(io::Error::from_raw_os_error(number)),
    }
}

/// Waits for one of these signals, which are kept.
#[expect(unsafe_code, reason = "kept signals are fetched by sigwaitinfo(2)")]
pub fn wait(signals: &[i32]) -> Signal {
    let set = set_of(signals);
    loop {
        // SAFETY: all zeroes is a valid value of this C structure.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: `set` is initialised and `info` is a valid place for the answer.
        let number = unsafe { libc::sigwaitinfo(&raw const set, &raw mut info) };
        if number > 0 {
            // SAFETY: every kind of signal that a process sends has this field; others are not asked.
            let from = (info.si_code <= 0).then(|| unsafe { info.si_pid() });
            return Signal { number, from };
        }
        // Interrupted by a signal that is not kept: once more.
    }
}

#[expect(unsafe_code, reason = "a set of signals is filled by sigaddset(3)")]
fn set_of(signals: &[i32]) -> libc::sigset_t {
    // SAFETY: all zeroes is a valid value of this C structure, and sigemptyset initialises it anyway.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is valid; a number that is no signal is refused.
    unsafe {
        libc::sigemptyset(&raw mut set);
        for &signal in signals {
            libc::sigaddset(&raw mut set, signal);
        }
    }
    set
}

/// Lets everybody else go first, in this thread alone.
#[expect(unsafe_code, reason = "only setpriority(2) does")]
pub fn step_back() {
    // SAFETY: no pointers, no memory; 0 is the calling thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) };
}

/// The process and the user at the other end of a local connection, as the kernel knows them.
#[expect(unsafe_code, reason = "SO_PEERCRED has no safe form")]
pub fn other_end(socket: &std::os::unix::net::UnixStream) -> io::Result<(i32, u32)> {
    let mut found = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = libc::socklen_t::try_from(size_of::<libc::ucred>()).unwrap_or(0);
    // SAFETY: `found` and `length` are valid places for the answer, and `length` says how much `found` holds.
    check(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut found).cast(),
            &raw mut length,
        )
    })?;
    Ok((found.pid, found.uid))
}

/// The user that the process acts for.
#[expect(unsafe_code, reason = "only geteuid(2) knows")]
pub fn user() -> u32 {
    // SAFETY: no pointers, no memory; it cannot fail.
    unsafe { libc::geteuid() }
}

fn check(answer: i32) -> io::Result<i32> {
    if answer == -1 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}
