//! The system calls that std does not offer: epoll, CPU affinity, another process's CPU clock, hardware counters.
//!
//! Everything unsafe in the bench is here, behind functions that are not.
#![expect(unsafe_code, reason = "system calls without a safe form in std")]

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// A level-triggered readiness queue.
pub struct Epoll(OwnedFd);

/// What one `wait` brought.
pub struct Events {
    list: Vec<libc::epoll_event>,
    len: usize,
}

/// One descriptor is ready, for reading or else for writing only.
pub struct Event {
    /// The number it was registered with.
    pub token: usize,
    /// There is something to read, an end or an error included.
    pub readable: bool,
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

impl Epoll {
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the result is checked before it is owned.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: `fd` was just made and nothing else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Watches `source` for reading, and for writing when `write` says so.
    pub fn add(&self, source: &impl AsRawFd, token: usize, write: bool) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, source, token, write)
    }

    /// Changes whether `source` is watched for writing.
    pub fn modify(&self, source: &impl AsRawFd, token: usize, write: bool) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, source, token, write)
    }

    fn control(
        &self,
        operation: libc::c_int,
        source: &impl AsRawFd,
        token: usize,
        write: bool,
    ) -> io::Result<()> {
        let interest = libc::EPOLLIN | if write { libc::EPOLLOUT } else { 0 };
        let mut event = libc::epoll_event { events: interest as u32, u64: token as u64 };
        // SAFETY: both descriptors are open and `event` lives through the call.
        check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), operation, source.as_raw_fd(), &raw mut event) })?;
        Ok(())
    }

    /// Fills `events`; returns with none of them after `timeout`.
    pub fn wait(&self, events: &mut Events, timeout: Duration) -> io::Result<()> {
        events.len = 0;
        let room = events.list.len() as libc::c_int;
        // SAFETY: the kernel writes at most `room` events into a list of that length.
        let n = unsafe {
            libc::epoll_wait(
                self.0.as_raw_fd(),
                events.list.as_mut_ptr(),
                room,
                timeout.as_millis() as libc::c_int,
            )
        };
        match check(n) {
            Ok(n) => events.len = n as usize,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }
}

impl Events {
    pub fn new(room: usize) -> Self {
        Self { list: vec![libc::epoll_event { events: 0, u64: 0 }; room], len: 0 }
    }

    pub fn iter(&self) -> impl Iterator<Item = Event> {
        self.list[..self.len].iter().map(|event| {
            let bits = event.events as libc::c_int;
            let readable = bits & (libc::EPOLLIN | libc::EPOLLHUP | libc::EPOLLERR) != 0;
            Event { token: event.u64 as usize, readable }
        })
    }
}

/// The CPUs this process may run on.
pub fn allowed_cpus() -> io::Result<Vec<usize>> {
    // SAFETY: an all-zero set is a valid, empty one.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: the size is that of the set the kernel fills.
    check(unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) })?;
    // SAFETY: every index is below CPU_SETSIZE.
    Ok((0..libc::CPU_SETSIZE as usize).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }).collect())
}

/// Keeps the calling thread, and whatever it starts from here on, on one CPU.
pub fn pin(cpu: usize) -> io::Result<()> {
    if cpu >= libc::CPU_SETSIZE as usize {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: an all-zero set is a valid, empty one.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: `cpu` is below CPU_SETSIZE.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the size is that of the set the kernel reads.
    check(unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) })?;
    Ok(())
}

/// Raises the limit of open files towards `want` and says what it is now.
pub fn raise_descriptor_limit(want: u64) -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` lives through the call.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    if limit.rlim_cur < want {
        let raised = libc::rlimit { rlim_cur: want, rlim_max: limit.rlim_max.max(want) };
        let capped = libc::rlimit { rlim_cur: want.min(limit.rlim_max), rlim_max: limit.rlim_max };
        for next in [raised, capped] {
            // SAFETY: `next` lives through the call.
            if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const next) } == 0 {
                return Ok(next.rlim_cur);
            }
        }
    }
    Ok(limit.rlim_cur)
}

/// CPU time that all threads of a process have used, those that ended included, in nanoseconds.
pub fn cpu_time(pid: u32) -> Option<Duration> {
    let mut clock: libc::clockid_t = 0;
    // SAFETY: `clock` lives through the call.
    if unsafe { libc::clock_getcpuclockid(pid as libc::pid_t, &raw mut clock) } != 0 {
        return None;
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` lives through the call; the kernel refuses a clock that no longer exists.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return None;
    }
    Some(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// The unit of the times in `/proc/PID/stat`, per second.
pub fn ticks_per_second() -> f64 {
    // SAFETY: no pointers.
    unsafe { libc::sysconf(libc::_SC_CLK_TCK) as f64 }
}

/// Sends a signal to a process that the caller started.
pub fn signal(pid: u32, signal: libc::c_int) {
    // SAFETY: no pointers; a process that is gone is an error nobody needs.
    unsafe { libc::kill(pid as libc::pid_t, signal) };
}

/// `struct perf_event_attr` in its first published size; `perf_event_open(2)`.
#[repr(C)]
struct PerfEventAttr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    breakpoint_address: u64,
}

const PERF_TYPE_HARDWARE: u32 = 0;
const PERF_COUNT_HW_INSTRUCTIONS: u64 = 1;
const PERF_INHERIT: u64 = 1 << 1;
const PERF_EXCLUDE_KERNEL: u64 = 1 << 5;
const PERF_EXCLUDE_HYPERVISOR: u64 = 1 << 6;

/// Counts the user-mode instructions of one thread and of the threads it starts.
pub struct InstructionCounter(OwnedFd);

impl InstructionCounter {
    /// Attaches to a thread; fails where the machine has no counters or does not let us read them.
    pub fn attach(thread: u32) -> io::Result<Self> {
        let attr = PerfEventAttr {
            kind: PERF_TYPE_HARDWARE,
            size: size_of::<PerfEventAttr>() as u32,
            config: PERF_COUNT_HW_INSTRUCTIONS,
            sample_period: 0,
            sample_type: 0,
            read_format: 0,
            flags: PERF_INHERIT | PERF_EXCLUDE_KERNEL | PERF_EXCLUDE_HYPERVISOR,
            wakeup_events: 0,
            breakpoint_type: 0,
            breakpoint_address: 0,
        };
        // SAFETY: `attr` says its own size and lives through the call.
        let fd = unsafe {
            libc::syscall(libc::SYS_perf_event_open, &raw const attr, thread as libc::pid_t, -1, -1, 0u64)
        };
        let fd = check(fd as libc::c_int)?;
        // SAFETY: `fd` was just made and nothing else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Instructions since it was attached.
    pub fn read(&self) -> u64 {
        let mut value = 0u64;
        // SAFETY: with an empty read format the kernel writes one u64.
        let n = unsafe { libc::read(self.0.as_raw_fd(), (&raw mut value).cast(), size_of::<u64>()) };
        if n == size_of::<u64>() as isize { value } else { 0 }
    }
}
