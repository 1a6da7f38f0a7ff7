//! nginx's command line: options in any order, several behind one dash, values glued or apart.
//!
//! Reference: <https://nginx.org/en/docs/switches.html>; the texts are those of nginx 1.22.1.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
};

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Args {
    /// `-?`, `-h`
    pub(super) help: bool,
    /// `-v`, `-V`, `-h`
    pub(super) version: bool,
    /// `-V`
    pub(super) build: bool,
    /// `-t`, `-T`
    pub(super) test: bool,
    /// `-T`
    pub(super) dump: bool,
    /// `-q`
    pub(super) quiet: bool,
    /// `-s`
    pub(super) signal: Option<Signal>,
    /// `--diff`, of ours: with `-s reload`, what that would change
    pub(super) diff: bool,
    /// `-p`
    pub(super) prefix: Option<OsString>,
    /// `-e`
    pub(super) error_log: Option<OsString>,
    /// `-c`
    pub(super) file: Option<OsString>,
    /// `-g`
    pub(super) directives: Option<OsString>,
}

/// What `-s` can send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// Leave at once.
    Stop,
    /// Leave when everything is answered.
    Quit,
    /// Open the logs again.
    Reopen,
    /// Read the configuration again.
    Reload,
}

/// Reads the arguments after the program's name; the error is nginx's own text.
pub(super) fn parse(words: &[OsString]) -> Result<Args, String> {
    let mut args = Args::default();
    let mut words = words.iter().map(OsString::as_os_str);
    while let Some(word) = words.next() {
        if word == "--diff" {
            args.diff = true;
            continue;
        }
        let Some(letters) = word.as_bytes().strip_prefix(b"-") else {
            return Err(format!("invalid option: \"{}\"", word.to_string_lossy()));
        };
        let letters = letters.iter().enumerate();
        for (at, letter) in letters {
            // The value is the rest of the word or the next word.
            let rest = OsStr::from_bytes(&word.as_bytes()[at + 2..]);
            let mut value = |missing: &str| {
                let value = if rest.is_empty() { words.next() } else { Some(rest) };
                value
                    .map(OsStr::to_owned)
                    .ok_or_else(|| format!("option \"-{}\" requires {missing}", char::from(*letter)))
            };
            match letter {
                b'?' | b'h' => (args.version, args.help) = (true, true),
                b'v' => args.version = true,
                b'V' => (args.version, args.build) = (true, true),
                b't' => args.test = true,
                b'T' => (args.test, args.dump) = (true, true),
                b'q' => args.quiet = true,
                b'p' => args.prefix = Some(value("directory name")?),
                b'e' => args.error_log = Some(value("file name")?),
                b'c' => args.file = Some(value("file name")?),
                b'g' => args.directives = Some(value("parameter")?),
                b's' => args.signal = Some(Signal::parse(&value("parameter")?)?),
                other => return Err(format!("invalid option: \"{}\"", char::from(*other))),
            }
            if b"pecgs".contains(letter) {
                break;
            }
        }
    }
    if args.diff && args.signal != Some(Signal::Reload) {
        // As for any word that nginx does not know.
        return Err("invalid option: \"-\"".to_owned());
    }
    Ok(args)
}

impl Signal {
    fn parse(word: &OsStr) -> Result<Self, String> {
        match word.as_bytes() {
            b"stop" => Ok(Self::Stop),
            b"quit" => Ok(Self::Quit),
            b"reopen" => Ok(Self::Reopen),
            b"reload" => Ok(Self::Reload),
            _ => Err(format!("invalid option: \"-s {}\"", word.to_string_lossy())),
        }
    }

    /// The signal's number.
    pub(super) fn number(self) -> i32 {
        match self {
            Self::Stop => libc::SIGTERM,
            Self::Quit => libc::SIGQUIT,
            Self::Reopen => libc::SIGUSR1,
            Self::Reload => libc::SIGHUP,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Args, String> {
        parse(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn options_come_in_any_form() {
        let expected = Args {
            test: true,
            quiet: true,
            prefix: Some("/p".into()),
            file: Some("f".into()),
            directives: Some("pid a;".into()),
            ..Args::default()
        };
        for words in [
            &["-t", "-q", "-p", "/p", "-c", "f", "-g", "pid a;"][..],
            &["-tqp", "/p", "-cf", "-gpid a;"],
            &["-g", "pid a;", "-p/p", "-qtcf"],
        ] {
            assert_eq!(parsed(words), Ok(expected.clone()), "{words:?}");
        }
        assert_eq!(parsed(&[]), Ok(Args::default()));
        assert_eq!(parsed(&["-"]), Ok(Args::default()));
        assert_eq!(parsed(&["-c", "-t"]).unwrap().file, Some("-t".into()));
        assert!(parsed(&["--diff", "-s", "reload"]).unwrap().diff);
        assert_eq!(parsed(&["-s", "reload", "-squit"]).unwrap().signal, Some(Signal::Quit));
    }

    #[test]
    fn mistakes_are_named_as_nginx_names_them() {
        let table: [(&[&str], &str); 11] = [
            (&["--diff"], "invalid option: \"-\""),
            (&["--diff", "-s", "quit"], "invalid option: \"-\""),
            (&["-z"], "invalid option: \"z\""),
            (&["-tz"], "invalid option: \"z\""),
            (&["--test"], "invalid option: \"-\""),
            (&["start"], "invalid option: \"start\""),
            (&[""], "invalid option: \"\""),
            (&["-s", "restart"], "invalid option: \"-s restart\""),
            (&["-c"], "option \"-c\" requires file name"),
            (&["-p"], "option \"-p\" requires directory name"),
            (&["-g"], "option \"-g\" requires parameter"),
        ];
        for (words, text) in table {
            assert_eq!(parsed(words), Err(text.to_owned()), "{words:?}");
        }
    }
}
