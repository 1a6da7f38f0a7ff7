//! The arguments of iisexpress: `/name:value`, in any case and order.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
    path::PathBuf,
};

use crate::{dialect::iis::Wanted, ir::settings::Level};

/// What it says when asked.
pub(super) const USAGE: &str = "IIS Express Usage:
------------------
iisexpress [/config:config-file] [/site:site-name] [/siteid:site-id] [/userhome:user-home-directory] [/systray:true|false] [/trace:trace-level]
iisexpress /path:app-path [/port:port-number] [/clr:clr-version] [/systray:true|false] [/trace:trace-level]

/config:config-file
The applicationhost.config file; otherwise the one in Documents/IISExpress/config.

/site:site-name
The site to start; otherwise the first one of the file.

/siteid:site-id
The number of the site to start.

/userhome:user-home-directory
The folder that %IIS_USER_HOME% stands for.

/path:app-path
The folder to serve. It cannot be combined with /config and what belongs to it.

/port:port-number
The port to serve it on. The default value is 8080.

/clr:clr-version
Accepted; there is no .NET Framework here.

/systray:true|false
Accepted; there is no system tray here.

/trace:trace-level
What the log of errors says: 'none' or 'n', 'info' or 'i', 'warning' or 'w', 'error' or 'e'. The default value is none.

Examples:
iisexpress /site:WebSite1
iisexpress /config:applicationhost.config
iisexpress /path:site /port:8080
";

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Args {
    pub(super) what: What,
    pub(super) home: Option<PathBuf>,
    pub(super) trace: Option<Level>,
}

/// What to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A folder.
    Path { path: PathBuf, port: u16 },
    /// A site of a file.
    Config { config: Option<PathBuf>, site: Wanted },
}

/// Reads the arguments; `None` when they ask for help.
pub(super) fn parse(words: &[OsString]) -> Result<Option<Args>, String> {
    let (mut config, mut path, mut site, mut id) = (None, None, None, None);
    let (mut port, mut clr, mut home, mut trace) = (None, false, None, None);
    for word in words {
        let shown = word.to_string_lossy();
        let wrong = || format!("The parameter '{shown}' is not valid.");
        let Some(rest) = word.as_bytes().strip_prefix(b"/").or_else(|| word.as_bytes().strip_prefix(b"-"))
        else {
            return Err(wrong());
        };
        let at = rest.iter().position(|byte| *byte == b':').unwrap_or(rest.len());
        let name = String::from_utf8_lossy(&rest[..at]).to_ascii_lowercase();
        let value = rest.get(at + 1..).unwrap_or_default();
        let text = String::from_utf8_lossy(value).into_owned();
        let file = PathBuf::from(OsStr::from_bytes(value));
        if matches!(name.as_str(), "?" | "h" | "help") {
            return Ok(None);
        }
        if value.is_empty() {
            return Err(wrong());
        }
        match name.as_str() {
            "config" => config = Some(file),
            "path" => path = Some(file),
            "site" => site = Some(text),
            "siteid" => id = Some(text.parse::<u32>().map_err(|_| wrong())?),
            "port" => {
                let number = text.parse::<u16>().ok().filter(|port| *port > 0);
                port = Some(number.ok_or_else(wrong)?);
            }
            "clr" => clr = true,
            "userhome" => home = Some(file),
            "systray" if ["true", "false"].iter().any(|one| text.eq_ignore_ascii_case(one)) => {}
            "trace" => {
                trace = match text.to_ascii_lowercase().as_str() {
                    "none" | "n" => None,
                    "info" | "i" => Some(Level::Info),
                    "warning" | "w" => Some(Level::Warn),
                    "error" | "e" => Some(Level::Error),
                    _ => return Err(wrong()),
                };
            }
            _ => return Err(wrong()),
        }
    }
    let what = match path {
        Some(_) if config.is_some() || site.is_some() || id.is_some() => {
            return Err("/path cannot be combined with /config, /site or /siteid.".to_owned());
        }
        Some(path) => What::Path { path, port: port.unwrap_or(8080) },
        None if port.is_some() || clr => return Err("/port and /clr need /path.".to_owned()),
        None => {
            let site = match (site, id) {
                (Some(_), Some(_)) => return Err("/site and /siteid cannot be combined.".to_owned()),
                (Some(name), None) => Wanted::Name(name),
                (None, Some(id)) => Wanted::Id(id),
                (None, None) => Wanted::First,
            };
            What::Config { config, site }
        }
    };
    Ok(Some(Args { what, home, trace }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Option<Args>, String> {
        parse(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_come_in_any_case_and_order() {
        let args =
            parsed(&["/PORT:99", "/Path:/a b", "/clr:v4.0", "/systray:FALSE", "/trace:w"]).unwrap().unwrap();
        assert_eq!(args.what, What::Path { path: "/a b".into(), port: 99 });
        assert_eq!(args.trace, Some(Level::Warn));
        let args = parsed(&["/config:x", "/siteid:7"]).unwrap().unwrap();
        assert_eq!(args.what, What::Config { config: Some("x".into()), site: Wanted::Id(7) });
        assert_eq!(parsed(&["/?"]), Ok(None));
        let bad: [&[&str]; 9] = [
            &["x"],
            &["/port:1"],
            &["/path:a", "/port:0"],
            &["/path:a", "/config:b"],
            &["/site:a", "/siteid:1"],
            &["/siteid:x"],
            &["/systray:maybe"],
            &["/trace:loud"],
            &["/what:ever"],
        ];
        for words in bad {
            assert!(parsed(words).is_err(), "{words:?}");
        }
    }
}
