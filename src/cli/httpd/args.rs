//! Apache's command line: options in any order, several behind one dash, values glued or apart; and the words of
//! `apachectl`.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/programs/httpd.html>; the texts are those of Apache 2.4.71.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
};

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Args {
    /// What to do instead of serving; the first one counts.
    pub(super) task: Option<Task>,
    /// `-f`
    pub(super) file: Option<OsString>,
    /// `-d`
    pub(super) root: Option<OsString>,
    /// `-D`
    pub(super) defines: Vec<OsString>,
    /// `-C`, one line each
    pub(super) before: Vec<u8>,
    /// `-c`, one line each
    pub(super) after: Vec<u8>,
    /// `-e`
    pub(super) level: Option<OsString>,
    /// `-E`
    pub(super) errors: Option<OsString>,
    /// `-k`
    pub(super) signal: Option<Control>,
    /// `-t`, `-S`, `-M`
    pub(super) test: bool,
    /// `-X`
    pub(super) debug: bool,
}

/// What is done at once and needs no server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// `-v`
    Version,
    /// `-V`
    Build,
    /// `-h`
    Help,
    /// `-l`
    BuiltIn,
    /// `-L`
    Directives,
}

/// What `-k` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control {
    /// Start it.
    Start,
    /// Leave at once.
    Stop,
    /// Leave when everything is answered.
    GracefulStop,
    /// Read the configuration again at once.
    Restart,
    /// Read the configuration again, and end no connection.
    Graceful,
    /// Say whether it runs: `apachectl status`.
    Status,
}

/// What is wrong with the arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Said before the usage.
    Option(String),
    /// The usage alone.
    Usage,
}

/// Reads the arguments after the program's name.
pub(super) fn parse(words: &[OsString]) -> Result<Args, Wrong> {
    let mut args = Args::default();
    let mut words = words.iter().map(OsString::as_os_str);
    while let Some(word) = words.next() {
        let Some(letters) = word.as_bytes().strip_prefix(b"-").filter(|letters| !letters.is_empty()) else {
            return Err(Wrong::Usage);
        };
        for (at, &letter) in letters.iter().enumerate() {
            // The value is the rest of the word or the next word.
            let rest = OsStr::from_bytes(&letters[at + 1..]);
            let mut value = || {
                let value = if rest.is_empty() { words.next() } else { Some(rest) };
                let missing =
                    || Wrong::Option(format!("option requires an argument -- {}", char::from(letter)));
                value.map(OsStr::to_owned).ok_or_else(missing)
            };
            match letter {
                b'f' => args.file = Some(value()?),
                b'd' => args.root = Some(value()?),
                b'D' => args.defines.push(value()?),
                b'C' => push_line(&mut args.before, value()?),
                b'c' => push_line(&mut args.after, value()?),
                b'e' => args.level = Some(value().and_then(level)?),
                b'E' => args.errors = Some(value()?),
                b'k' => args.signal = Some(Control::parse(&value().map_err(|_| illegal(letter))?)?),
                b't' => args.test = true,
                b'S' => {
                    args.test = true;
                    args.defines.extend(["DUMP_VHOSTS".into(), "DUMP_RUN_CFG".into()]);
                }
                b'M' => {
                    args.test = true;
                    args.defines.push("DUMP_MODULES".into());
                }
                b'X' => args.debug = true,
                // The document root is looked at when a request needs it; the other is of Windows.
                b'T' | b'w' => {}
                b'v' => args.does(Task::Version),
                b'V' => args.does(Task::Build),
                b'l' => args.does(Task::BuiltIn),
                b'L' => args.does(Task::Directives),
                b'h' | b'?' => args.does(Task::Help),
                other => return Err(illegal(other)),
            }
            if b"fdDCceEk".contains(&letter) {
                break;
            }
        }
    }
    Ok(args)
}

/// Reads the arguments of `apachectl`: a word of its own, or what the server itself takes.
pub(super) fn parse_control(words: &[OsString]) -> Result<Args, Wrong> {
    let Some((first, rest)) = words.split_first() else { return Err(Wrong::Usage) };
    let control = match first.as_bytes() {
        b"configtest" => return parse(rest).map(|args| Args { test: true, ..args }),
        b"status" | b"fullstatus" => Control::Status,
        b"startssl" => Control::Start,
        word => match Control::from_word(word) {
            Some(control) => control,
            None => return parse(words),
        },
    };
    parse(rest).map(|args| Args { signal: Some(control), ..args })
}

impl Args {
    fn does(&mut self, task: Task) {
        self.task.get_or_insert(task);
    }

    /// Whether a name is defined.
    pub(super) fn defines(&self, name: &str) -> bool {
        self.defines.iter().any(|define| define == name)
    }
}

impl Control {
    fn parse(word: &OsStr) -> Result<Self, Wrong> {
        Self::from_word(word.as_bytes()).ok_or_else(|| illegal(b'k'))
    }

    fn from_word(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"start" => Self::Start,
            b"stop" => Self::Stop,
            b"graceful-stop" => Self::GracefulStop,
            b"restart" => Self::Restart,
            b"graceful" => Self::Graceful,
            _ => return None,
        })
    }
}

fn illegal(letter: u8) -> Wrong {
    Wrong::Option(format!("illegal option -- {}", char::from(letter)))
}

fn push_line(lines: &mut Vec<u8>, line: OsString) {
    lines.extend(line.into_vec());
    lines.push(b'\n');
}

fn level(word: OsString) -> Result<OsString, Wrong> {
    let levels = ["emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"];
    let traced = (1..=8).any(|number| word == format!("trace{number}").as_str());
    let known = traced || levels.iter().any(|level| word.eq_ignore_ascii_case(level));
    if known { Ok(word) } else { Err(Wrong::Usage) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn options_come_in_any_form() {
        let expected = Args {
            test: true,
            file: Some("/f".into()),
            defines: vec!["A".into()],
            before: b"X 1\n".to_vec(),
            ..Args::default()
        };
        for given in [&["-t", "-f", "/f", "-D", "A", "-C", "X 1"][..], &["-tf/f", "-DA", "-CX 1"]] {
            assert_eq!(parse(&words(given)), Ok(expected.clone()), "{given:?}");
        }
        assert!(parse(&words(&["-S"])).unwrap().defines("DUMP_VHOSTS"));
        assert_eq!(parse(&words(&["-k", "graceful"])).unwrap().signal, Some(Control::Graceful));
        assert_eq!(parse(&words(&["-vt"])).unwrap().task, Some(Task::Version));
        assert_eq!(parse_control(&words(&["graceful-stop"])).unwrap().signal, Some(Control::GracefulStop));
        assert!(parse_control(&words(&["configtest"])).unwrap().test);
        assert!(parse_control(&words(&["-t"])).unwrap().test);
    }

    #[test]
    fn mistakes_are_named_as_apache_names_them() {
        let option = |text: &str| Wrong::Option(text.to_owned());
        let table: [(&[&str], Wrong); 8] = [
            (&["-z"], option("illegal option -- z")),
            (&["-f"], option("option requires an argument -- f")),
            (&["-D"], option("option requires an argument -- D")),
            (&["-k"], option("illegal option -- k")),
            (&["-k", "foo"], option("illegal option -- k")),
            (&["-e", "bogus"], Wrong::Usage),
            (&["extra"], Wrong::Usage),
            (&["-"], Wrong::Usage),
        ];
        for (given, expected) in table {
            assert_eq!(parse(&words(given)), Err(expected), "{given:?}");
        }
    }
}
