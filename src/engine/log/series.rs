//! Logs that begin a new file with each period or size, each file with a heading of its own.
//!
//! All workers share a series. Which file is the current one is looked at once a minute; a line goes to it without a lock.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;

use crate::{
    engine::clock,
    ir::settings::{Period, Series as How},
};

/// The series open in the process, by folder.
static OPEN: Mutex<BTreeMap<PathBuf, Weak<Series>>> = Mutex::new(BTreeMap::new());

/// A series of files.
#[derive(Debug)]
pub(super) struct Series {
    how: How,
    current: ArcSwap<Current>,
    /// The minute in which the current file was last looked at.
    minute: AtomicU64,
    changing: Mutex<()>,
}

#[derive(Debug)]
struct Current {
    name: String,
    file: File,
    size: AtomicU64,
}

/// The series of a folder; one that is open already goes on.
pub(super) fn open(how: &How) -> io::Result<Arc<Series>> {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = open.get(&how.folder).and_then(Weak::upgrade).filter(|known| known.how == *how) {
        return Ok(known);
    }
    let now = now();
    std::fs::create_dir_all(&how.folder)?;
    let current = begin(how, &first_name(how, now), now)?;
    let series = Arc::new(Series {
        how: how.clone(),
        current: ArcSwap::from_pointee(current),
        minute: AtomicU64::new(now / 60),
        changing: Mutex::new(()),
    });
    open.retain(|_, series| series.strong_count() > 0);
    open.insert(how.folder.clone(), Arc::downgrade(&series));
    Ok(series)
}

impl Series {
    /// Writes whole lines.
    pub(super) fn write(&self, lines: &[u8]) -> io::Result<()> {
        let now = now();
        let mut current = self.current.load_full();
        let full = self.how.period == Period::Size
            && current.size.load(Relaxed) + lines.len() as u64 > self.how.size
            && self.how.size > 0;
        if full || self.minute.load(Relaxed) != now / 60 {
            self.change(now, full.then_some(&current.name))?;
            current = self.current.load_full();
        }
        (&current.file).write_all(lines)?;
        current.size.fetch_add(lines.len() as u64, Relaxed);
        Ok(())
    }

    /// Where it is.
    pub(super) fn folder(&self) -> &std::path::Path {
        &self.how.folder
    }

    /// Begins the file of this moment, or the one after a full one, unless it was begun.
    fn change(&self, now: u64, full: Option<&String>) -> io::Result<()> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current.load_full();
        let name = match (self.how.period, full) {
            (Period::Size, Some(full)) if current.name == *full => next_name(&self.how, full),
            (Period::Size, _) => current.name.clone(),
            _ => name(&self.how, now),
        };
        if name != current.name || !self.how.folder.join(&name).exists() {
            std::fs::create_dir_all(&self.how.folder)?;
            self.current.store(Arc::new(begin(&self.how, &name, now)?));
        }
        self.minute.store(now / 60, Relaxed);
        Ok(())
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Opens a file and writes its heading: once more where the file is there already, as a server that starts does.
fn begin(how: &How, name: &str, now: u64) -> io::Result<Current> {
    let file = OpenOptions::new().append(true).create(true).open(how.folder.join(name))?;
    let [date, time] = clock::utc(now);
    let mut heading = Vec::new();
    for piece in how.heading.split_inclusive(|byte| *byte == b'\n') {
        heading.extend_from_slice(piece.strip_suffix(b"\r\n").unwrap_or(piece));
        if piece.starts_with(b"#Date:") {
            heading.extend_from_slice(format!(" {date} {time}").as_bytes());
        }
        heading.extend_from_slice(b"\r\n");
    }
    (&file).write_all(&heading)?;
    let size = file.metadata()?.len();
    Ok(Current { name: name.to_owned(), file, size: AtomicU64::new(size) })
}

/// The name of the file of a moment.
fn name(how: &How, now: u64) -> String {
    let (year, month, day, hour) = if how.local {
        let broken = clock::local(now);
        (broken.tm_year + 1900, broken.tm_mon + 1, broken.tm_mday, broken.tm_hour)
    } else {
        let [date, time] = clock::utc(now);
        let part = |text: &str, at: std::ops::Range<usize>| text.get(at).and_then(|text| text.parse().ok());
        let of = |at| part(&date, at).unwrap_or(0);
        (of(0..4), of(5..7), of(8..10), part(&time, 0..2).unwrap_or(0))
    };
    let prefix = &how.prefix;
    let month = format!("{:02}{month:02}", year % 100);
    match how.period {
        Period::Size => format!("{prefix}tend1.log"),
        Period::Hour => format!("{prefix}{month}{day:02}{hour:02}.log"),
        Period::Day => format!("{prefix}{month}{day:02}.log"),
        Period::Week => format!("{prefix}{month}{:02}.log", (day - 1) / 7 + 1),
        Period::Month => format!("{prefix}{month}.log"),
    }
}

/// The file to begin with: where sizes count, the last one that is there.
fn first_name(how: &How, now: u64) -> String {
    let mut first = name(how, now);
    while how.period == Period::Size && how.folder.join(next_name(how, &first)).exists() {
        first = next_name(how, &first);
    }
    first
}

fn next_name(how: &How, name: &str) -> String {
    let begin = format!("{}tend", how.prefix);
    let number = name.strip_prefix(&begin).and_then(|rest| rest.strip_suffix(".log")?.parse::<u32>().ok());
    format!("{begin}{}.log", number.unwrap_or(0).saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_their_period() {
        let how = |period| How { prefix: "u_ex".into(), period, ..How::default() };
        let at = 1_794_000_000; // 2026-11-06 21:20:00
        for (period, expected) in [
            (Period::Hour, "u_ex26110621.log"),
            (Period::Day, "u_ex261106.log"),
            (Period::Week, "u_ex261101.log"),
            (Period::Month, "u_ex2611.log"),
            (Period::Size, "u_extend1.log"),
        ] {
            assert_eq!(name(&how(period), at), expected);
        }
        assert_eq!(next_name(&how(Period::Size), "u_extend9.log"), "u_extend10.log");
    }
}
