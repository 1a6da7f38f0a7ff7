//! Moments of an exchange and lengths of time, written as templates ask for them.

use std::{ffi::CString, io::Write as _, time::Duration};

use super::Facts;
use crate::{
    engine::{clock, worker::Counters},
    ir::{Load, Moment, Stat, TimeForm, TimeUnit},
};

/// Longest result of a format; what would be longer is left out.
const LONGEST: usize = 1024;

/// Appends a moment.
pub(super) fn write(facts: &Facts, moment: Moment, form: &TimeForm, out: &mut Vec<u8>) -> bool {
    let now = facts.worker.clock.now();
    let time = match moment {
        Moment::Now => now,
        Moment::Began => now.saturating_sub(clock::since(facts.began)),
    };
    match form {
        TimeForm::Log => {
            facts.worker.clock.texts_of(time.as_secs(), |texts| {
                for text in ["[", &texts.log, "]"] {
                    out.extend_from_slice(text.as_bytes());
                }
            });
            true
        }
        TimeForm::Format(format) => {
            formatted(format, &clock::local(time.as_secs()), out);
            true
        }
        TimeForm::UtcDate => write!(out, "{}", clock::utc(time.as_secs())[0]).is_ok(),
        TimeForm::UtcTime => write!(out, "{}", clock::utc(time.as_secs())[1]).is_ok(),
        TimeForm::Since(unit) => write!(out, "{}", units(time, *unit)).is_ok(),
        TimeForm::Fraction(TimeUnit::Micros) => write!(out, "{:06}", time.subsec_micros()).is_ok(),
        TimeForm::Fraction(TimeUnit::Millis) => write!(out, "{:03}", time.subsec_millis()).is_ok(),
        TimeForm::Fraction(TimeUnit::Seconds) => true,
    }
}

/// Whole units of time.
pub(super) fn units(time: Duration, unit: TimeUnit) -> u64 {
    match unit {
        TimeUnit::Seconds => time.as_secs(),
        TimeUnit::Millis => time.as_millis() as u64,
        TimeUnit::Micros => time.as_micros() as u64,
    }
}

/// Appends a time by a format of `strftime`.
#[expect(
    unsafe_code,
    reason = "strftime knows the locale's names and has no safe interface in the libraries used"
)]
pub fn formatted(format: &[u8], broken: &libc::tm, out: &mut Vec<u8>) {
    let Ok(format) = CString::new(format) else { return };
    let mut text = [0u8; LONGEST];
    // SAFETY: the buffer has the length that is told, the format ends in NUL, and `broken` is a live value.
    let length = unsafe {
        libc::strftime(text.as_mut_ptr().cast(), text.len(), format.as_ptr(), std::ptr::from_ref(broken))
    };
    out.extend_from_slice(text.get(..length).unwrap_or_default());
}

/// Appends how busy the machine or the process is; `false` when that is not known.
pub(super) fn load(facts: &Facts, load: Load, out: &mut Vec<u8>) -> bool {
    let shared = &facts.worker.shared;
    let open: u64 = shared.counters.iter().map(Counters::active).sum();
    let workers = shared.counters.len().max(1) as u64;
    let all = u64::from(facts.plan.config.process.connections).saturating_mul(workers).max(1);
    let busy = (open.saturating_mul(100) / all).min(100);
    match load {
        Load::Averages => averages()
            .is_some_and(|[one, five, fifteen]| write!(out, "{one:.2}/{five:.2}/{fifteen:.2}").is_ok()),
        Load::Busy => write!(out, "{busy}").is_ok(),
        Load::Idle => write!(out, "{}", 100 - busy).is_ok(),
    }
}

/// The longest line of letters for connections.
const BOARD: usize = 256;

/// Appends a counter of the process.
pub(super) fn stat(facts: &Facts, stat: Stat, out: &mut Vec<u8>) -> bool {
    let shared = &facts.worker.shared;
    let sum = |which: fn(&Counters) -> u64| shared.counters.iter().map(which).sum::<u64>();
    let workers = shared.counters.len().max(1) as u64;
    let all = u64::from(facts.plan.config.process.connections).saturating_mul(workers);
    let (reading, writing) = (sum(Counters::reading), sum(Counters::writing));
    let waiting = sum(Counters::active).saturating_sub(reading + writing);
    let number = match stat {
        Stat::Active => sum(Counters::active),
        Stat::Accepted | Stat::Handled => sum(Counters::accepted),
        Stat::Requests => sum(Counters::requests),
        Stat::Reading => reading,
        Stat::Writing => writing,
        Stat::Waiting => waiting,
        Stat::Busy => reading + writing,
        Stat::Free => all.saturating_sub(reading + writing + waiting),
        Stat::Uptime => shared.began.elapsed().as_secs(),
        Stat::Board => {
            let end = out.len() + BOARD;
            let free = all.saturating_sub(reading + writing + waiting);
            for (letter, count) in [(b'R', reading), (b'W', writing), (b'K', waiting), (b'_', free)] {
                let room = end.saturating_sub(out.len());
                let count = usize::try_from(count).unwrap_or(room).min(room);
                out.resize(out.len() + count, letter);
            }
            return true;
        }
    };
    write!(out, "{number}").is_ok()
}

#[expect(unsafe_code, reason = "no safe interface to getloadavg exists in the libraries used")]
fn averages() -> Option<[f64; 3]> {
    let mut all = [0.0; 3];
    // SAFETY: there is room for as many as are asked for.
    let known = unsafe { libc::getloadavg(all.as_mut_ptr(), 3) };
    (known == 3).then_some(all)
}
