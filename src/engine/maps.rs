//! Maps outside of the configuration: text files that are read again when they change, and programs that are asked.
//!
//! Each worker holds the files that it was asked for; a program is one process with one thread of ours that speaks to
//! it, whoever asks, so that no worker waits in a system call.

use std::{
    cell::RefCell,
    ffi::OsStr,
    fs::File,
    io::Read as _,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::Path,
    sync::Arc,
    time::Duration,
};

use crate::{
    diagnostic::{Diagnostic, Severity},
    ir::{Config, MapId, MapSource, Text},
    plan::hash::Map,
};

mod program;

use program::Program;

/// Longest file that is read.
const LONGEST: u64 = 256 << 20;

/// How long a worker waits for a program's answer; the program itself has a little less.
const PATIENCE: Duration = Duration::from_secs(12);

/// The programs of a configuration, by map; shared by all workers, and ended with the last of them.
#[derive(Debug, Default)]
pub struct Programs(Vec<Option<Program>>);

impl Programs {
    /// Starts them.
    pub fn start(config: &Config) -> Result<Self, Vec<Diagnostic>> {
        let mut problems = Vec::new();
        let programs = config.maps.iter().map(|map| match &map.source {
            MapSource::Lines { .. } | MapSource::Accounts { .. } => None,
            MapSource::Program { command, user } => match Program::start(command, user.as_ref()) {
                Ok(program) => Some(program),
                Err(error) => {
                    let command = command.first().map(Text::lossy).unwrap_or_default();
                    let message = format!(
                        "the program \"{command}\" of map \"{}\" cannot be started: {error}",
                        map.name
                    );
                    problems
                        .push(Diagnostic::new(Severity::Error, "map-program", message).label(map.span, ""));
                    None
                }
            },
        });
        let programs = Self(programs.collect());
        if problems.is_empty() { Ok(programs) } else { Err(problems) }
    }
}

/// The maps as one worker sees them.
#[derive(Debug)]
pub struct Maps {
    files: Vec<RefCell<Lines>>,
    programs: Arc<Programs>,
}

/// A text file in memory.
#[derive(Debug, Default)]
struct Lines {
    /// What told the file as it was read: time of change, length, number.
    known: Option<(i64, i64, u64, u64)>,
    values: Map<Box<[u8]>, Box<[u8]>>,
}

/// A program's answer that is under way.
#[derive(Debug)]
pub struct Asked(tokio::sync::oneshot::Receiver<Option<Vec<u8>>>);

/// What a look-up comes to.
#[derive(Debug)]
pub enum Answer {
    /// This value, or none.
    Known(Option<Vec<u8>>),
    /// What a program says.
    Asked(Asked),
}

impl Maps {
    /// The maps of a configuration.
    pub fn new(config: &Config, programs: &Arc<Programs>) -> Self {
        Self {
            files: config.maps.iter().map(|_| RefCell::default()).collect(),
            programs: Arc::clone(programs),
        }
    }

    /// Looks a key up. `random` chooses among alternatives.
    pub fn look_up(&self, config: &Config, map: MapId, key: &[u8], random: impl FnOnce() -> u128) -> Answer {
        let at = map.0 as usize;
        match config.maps.get(at).map(|map| &map.source) {
            Some(MapSource::Lines { path, choose }) => {
                let Some(lines) = self.files.get(at) else { return Answer::Known(None) };
                let mut lines = lines.borrow_mut();
                lines.refresh(path, words);
                let value = lines.values.get(key).map(|value| match choose {
                    true => chosen(value, random()).to_vec(),
                    false => value.to_vec(),
                });
                Answer::Known(value)
            }
            Some(MapSource::Accounts { path }) => {
                let Some(lines) = self.files.get(at) else { return Answer::Known(None) };
                let mut lines = lines.borrow_mut();
                lines.refresh(path, account);
                Answer::Known(lines.values.get(key).map(|home| home.to_vec()))
            }
            Some(MapSource::Program { .. }) => match self.programs.0.get(at) {
                // A key is a line.
                Some(Some(program)) if !key.contains(&b'\n') => match program.ask(key) {
                    Some(answer) => Answer::Asked(Asked(answer)),
                    None => Answer::Known(None),
                },
                _ => Answer::Known(None),
            },
            None => Answer::Known(None),
        }
    }
}

impl Asked {
    /// Waits for the answer; `Err` when it takes too long.
    pub async fn answer(self) -> Result<Option<Vec<u8>>, tokio::time::error::Elapsed> {
        let answer = tokio::time::timeout(PATIENCE, self.0).await?;
        Ok(answer.ok().flatten())
    }
}

/// One of the alternatives in a value.
fn chosen(value: &[u8], random: u128) -> &[u8] {
    let count = memchr::memchr_iter(b'|', value).count() + 1;
    let at = (random % count as u128) as usize;
    value.split(|byte| *byte == b'|').nth(at).unwrap_or_default()
}

impl Lines {
    /// Reads the file again if it is not the one that was read. One that cannot be read has no keys.
    fn refresh(&mut self, path: &Path, read_line: impl Fn(&[u8]) -> Option<(&[u8], &[u8])>) {
        let known = std::fs::metadata(path)
            .ok()
            .map(|known| (known.mtime(), known.mtime_nsec(), known.len(), known.ino()));
        if known.is_some() && known == self.known {
            return;
        }
        self.known = known;
        self.values.clear();
        let mut text = Vec::new();
        let read = File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut text));
        if read.is_err() {
            self.known = None;
            return;
        }
        for line in text.split(|byte| *byte == b'\n') {
            if let Some((key, value)) = read_line(line) {
                self.values.entry(key.into()).or_insert_with(|| value.into());
            }
        }
    }
}

/// Key and value of a line of words.
fn words(line: &[u8]) -> Option<(&[u8], &[u8])> {
    if line.first().is_none_or(|first| *first == b'#' || is_space(*first)) {
        return None;
    }
    let mut words = line.split(|byte| is_space(*byte)).filter(|word| !word.is_empty());
    Some((words.next()?, words.next()?))
}

/// Name and home of an account.
fn account(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut columns = line.split(|byte| *byte == b':');
    let name = columns.next().filter(|name| !name.is_empty())?;
    let home = columns.nth(4).filter(|home| home.starts_with(b"/"))?;
    Some((name, home))
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0b | 0x0c | b'\r' | b'\n')
}

/// The owner of a file, or its group, by name.
pub fn owner(path: &[u8], group: bool, out: &mut Vec<u8>) -> bool {
    let Ok(known) = std::fs::metadata(Path::new(OsStr::from_bytes(path))) else { return false };
    let (table, id) = if group { ("/etc/group", known.gid()) } else { ("/etc/passwd", known.uid()) };
    let Ok(text) = std::fs::read(table) else { return false };
    let id = id.to_string();
    let line = text.split(|byte| *byte == b'\n').find_map(|line| {
        let mut columns = line.split(|byte| *byte == b':');
        let name = columns.next()?;
        (columns.nth(1)? == id.as_bytes()).then_some(name)
    });
    line.is_some_and(|name| {
        out.extend_from_slice(name);
        true
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(lines: &Lines, key: &str) -> Option<String> {
        lines.values.get(key.as_bytes()).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    #[test]
    fn files_are_read_again_when_they_change() {
        let path = std::env::temp_dir().join(format!("tg-map-{}", std::process::id()));
        std::fs::write(&path, "# a b\na  1 rest\n b 2\na 3\nc\nd\t4|5\r\n").unwrap();
        let mut lines = Lines::default();
        lines.refresh(&path, words);
        let seen = ["a", "b", "c", "d", "#"].map(|key| value(&lines, key));
        assert_eq!(seen, [Some("1".to_owned()), None, None, Some("4|5".to_owned()), None]);
        std::fs::write(&path, "a longer\n").unwrap();
        lines.refresh(&path, words);
        assert_eq!((value(&lines, "a"), value(&lines, "d")), (Some("longer".to_owned()), None));
        std::fs::remove_file(&path).unwrap();
        lines.refresh(&path, words);
        assert_eq!(value(&lines, "a"), None);
    }

    #[test]
    fn accounts_have_homes() {
        assert_eq!(account(b"bob:x:1:2:B:/home/bob:/bin/sh"), Some((&b"bob"[..], &b"/home/bob"[..])));
        assert_eq!((account(b"bob:x"), account(b"a:x:1:2:B::"), account(b"")), (None, None, None));
    }

    #[test]
    fn alternatives() {
        let seen: Vec<_> = (0..4).map(|random| chosen(b"a|bb|", random)).collect();
        assert_eq!(seen, [&b"a"[..], b"bb", b"", b"a"]);
    }
}
