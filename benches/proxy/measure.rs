//! What a process and its descendants have used: CPU time, user instructions, memory, system calls.

use std::collections::HashMap;
use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::sys::{self, InstructionCounter};

/// CPU time up to one moment.
#[derive(Clone, Copy, Default)]
pub struct Cpu {
    /// By the scheduler's clock, in nanoseconds.
    pub total: Duration,
    /// The two parts, in ticks of mostly 10 ms.
    pub user: Duration,
    pub system: Duration,
}

impl Cpu {
    pub fn since(self, earlier: Self) -> Self {
        Self {
            total: self.total.saturating_sub(earlier.total),
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }
}

/// Bytes of memory; `shared_out` divides shared pages among their users, so that a sum counts none twice.
#[derive(Clone, Copy, Default)]
pub struct Memory {
    pub resident: u64,
    pub shared_out: u64,
}

/// A process and its descendants.
pub fn tree(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(parent) = stat(pid).and_then(|fields| fields.get(1)?.parse().ok()) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = vec![root];
    let mut at = 0;
    while let Some(pid) = found.get(at) {
        found.extend(children.remove(pid).unwrap_or_default());
        at += 1;
    }
    found
}

/// The fields of `/proc/PID/stat` from the third, the state, on.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

/// CPU time of the processes; children of theirs that ended are counted in.
pub fn cpu(pids: &[u32]) -> Cpu {
    let clocks: Duration = pids.iter().filter_map(|&pid| sys::cpu_time(pid)).sum();
    let (mut user, mut system, mut ended) = (0u64, 0u64, 0u64);
    for fields in pids.iter().filter_map(|&pid| stat(pid)) {
        // utime, stime, cutime, cstime; proc(5).
        let tick = |index: usize| fields.get(index).and_then(|text| text.parse().ok()).unwrap_or(0u64);
        user += tick(11) + tick(13);
        system += tick(12) + tick(14);
        ended += tick(13) + tick(14);
    }
    let time = |ticks: u64| Duration::from_secs_f64(ticks as f64 / sys::ticks_per_second());
    Cpu { total: clocks + time(ended), user: time(user), system: time(system) }
}

/// Memory of the processes.
pub fn memory(pids: &[u32]) -> Memory {
    let mut sum = Memory::default();
    for &pid in pids {
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else { continue };
        for line in text.lines() {
            let Some((name, value)) = line.split_once(':') else { continue };
            let bytes = value.trim().trim_end_matches(" kB").parse().unwrap_or(0u64) * 1024;
            match name {
                "Rss" => sum.resident += bytes,
                "Pss" => sum.shared_out += bytes,
                _ => {}
            }
        }
    }
    sum
}

/// Counters on every thread of a process tree, or why there are none.
pub struct Instructions(Vec<InstructionCounter>);

impl Instructions {
    pub fn attach(pids: &[u32]) -> Result<Self, String> {
        let mut counters = Vec::new();
        for &pid in pids {
            for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
                let Some(thread) = task.file_name().to_str().and_then(|name| name.parse().ok()) else {
                    continue;
                };
                counters.push(InstructionCounter::attach(thread).map_err(
                    |error| match error.raw_os_error() {
                        Some(libc::ENOENT | libc::EOPNOTSUPP | libc::ENODEV) => {
                            "this machine offers no instruction counter".to_owned()
                        }
                        Some(libc::EACCES | libc::EPERM) => {
                            "not allowed; see /proc/sys/kernel/perf_event_paranoid".to_owned()
                        }
                        _ => error.to_string(),
                    },
                )?);
            }
        }
        Ok(Self(counters))
    }

    pub fn read(&self) -> u64 {
        self.0.iter().map(InstructionCounter::read).sum()
    }
}

/// Counts the system calls of the processes while `work` runs, by strace; `None` when that cannot be done.
pub fn count_system_calls<T>(pids: &[u32], work: impl FnOnce() -> T) -> (T, Option<u64>) {
    let mut command = Command::new("strace");
    command.args(["-f", "-c"]);
    for pid in pids {
        command.arg("-p").arg(pid.to_string());
    }
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let Ok(child) = child else { return (work(), None) };
    thread::sleep(Duration::from_millis(400));
    let result = work();
    sys::signal(child.id(), libc::SIGINT);
    let Ok(output) = child.wait_with_output() else { return (result, None) };
    let text = String::from_utf8_lossy(&output.stderr);
    let total = text.lines().rev().find(|line| line.trim_end().ends_with(" total"));
    // % time, seconds, usecs/call, calls.
    (result, total.and_then(|line| line.split_whitespace().nth(3)?.parse().ok()))
}
