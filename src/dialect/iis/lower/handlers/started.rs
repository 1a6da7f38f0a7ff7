//! Programs that are started beside the server: command, environment, and the port they are told.
//!
//! `aspNetCore`: `ASPNETCORE_PORT`, `ASPNETCORE_APPL_PATH`, `ASPNETCORE_TOKEN`; also for `hostingModel="inprocess"`, which is
//! a matter of .NET on Windows. `httpPlatform`: `HTTP_PLATFORM_PORT`, which arguments and values may name as
//! `%HTTP_PLATFORM_PORT%`. `iisnode`: Node with the handler's script and `PORT`. `FastCgiModule`: the `scriptProcessor` with
//! `-b ADDRESS`, as PHP's takes it. A port stays with its program over reloads, so that one that is as it was goes on.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, RandomState},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{Cx, Item, Kind, Place, Value};
use crate::{diagnostic::Diagnostic, dialect::iis::expand, ir::Companion, ir::Text};

/// Where a program was told to listen, and the token it was given.
static PLACES: Mutex<BTreeMap<String, (u16, String)>> = Mutex::new(BTreeMap::new());

/// A program that will be started.
pub(super) struct Started {
    pub(super) url: String,
    pub(super) token: Option<String>,
}

/// What of a section matters.
struct Wanted {
    command: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    start_limit: Duration,
    stop_limit: Duration,
    restarts: u32,
    output: Option<PathBuf>,
}

/// Has the program of a handler started; `None` when it cannot be, which is reported.
pub(super) fn start(cx: &mut Cx, place: &Place, kind: Kind, item: &Item) -> Option<Started> {
    let script = item.value.text("path");
    if kind == Kind::IisNode && script.contains(['*', '?', ',']) {
        let message = format!("`{script}` does not say which script to start");
        let found = Diagnostic::error("no-script", item.value.place("path"), message);
        let found = found.because("the original starts a process for each script that is asked for");
        let help =
            "name one script in `path`, or say where it is reached: `--handler iisnode=http://HOST:PORT`";
        cx.report(found.help(help));
        return None;
    }
    let application = place.site.application(&place.path).to_vec();
    let folder = place.site.folder(&application)?;
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    let section = kind.section(place);
    let name = format!("{} of {}/{}", item.value.text("name"), place.site.name, application.join("/"));
    let key = format!("{} {name} {:?}", place.site.id, kind);
    let Some((port, token)) = place_of(&key) else {
        let found = Diagnostic::error("no-port", item.span, "there is no free port to give to the program");
        cx.report(found);
        return None;
    };
    let mut vars = cx.options.stage.vars.clone();
    vars.push(("HTTP_PLATFORM_PORT".to_owned(), port.to_string()));
    vars.push(("ASPNETCORE_PORT".to_owned(), port.to_string()));
    let expanded = |text: &str| expanded(text, &vars);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut wanted = match (kind, &section) {
        (Kind::AspNetCore | Kind::HttpPlatform, Some(section)) => of_section(section, &folder, &expanded),
        (Kind::IisNode, _) => {
            Wanted { command: "node".to_owned(), arguments: vec![script.to_owned()], ..Wanted::usual() }
        }
        _ => {
            let mut words = item.value.text("scriptProcessor").split('|');
            let command = expanded(words.next().unwrap_or_default());
            let mut arguments: Vec<String> =
                words.flat_map(|words| split(&expanded(words))).chain(["-b".to_owned()]).collect();
            arguments.push(address.to_string());
            Wanted { command, arguments, ..Wanted::usual() }
        }
    };
    let Some(command) = program(&wanted.command, &folder) else {
        let message = format!("the program `{}` of the handler is not on this machine", wanted.command);
        let found = Diagnostic::error("program-not-found", item.span, message);
        let module = item.value.text("modules");
        cx.report(found.help(format!("install it, or say where it is reached: `--handler {module}=URL`")));
        return None;
    };
    let mut set = |name: &str, value: String| wanted.environment.push((name.to_owned(), value));
    match kind {
        Kind::AspNetCore => {
            set("ASPNETCORE_PORT", port.to_string());
            set("ASPNETCORE_APPL_PATH", format!("/{}", application.join("/")));
            set("ASPNETCORE_TOKEN", token.clone());
            set("ASPNETCORE_IIS_HTTPAUTH", "anonymous;".to_owned());
            set("ASPNETCORE_IIS_WEBSOCKETS_SUPPORTED", "true".to_owned());
        }
        Kind::HttpPlatform => {
            set("HTTP_PLATFORM_PORT", port.to_string());
            set("HTTP_PLATFORM_APPL_PATH", format!("/{}", application.join("/")));
        }
        Kind::IisNode => set("PORT", port.to_string()),
        Kind::FastCgi => set("PHP_FCGI_MAX_REQUESTS", "10000".to_owned()),
    }
    let here = |text: String| match text.replace('\\', "/") {
        path if text.contains('\\') && folder.join(&path).exists() => path,
        _ => text,
    };
    let companion = Companion {
        name: name.as_str().into(),
        command,
        arguments: wanted.arguments.into_iter().map(|text| Text::from(here(text).as_str())).collect(),
        folder,
        environment: wanted
            .environment
            .iter()
            .map(|(name, value)| (name.as_str().into(), value.as_str().into()))
            .collect(),
        address,
        start_limit: wanted.start_limit,
        stop_limit: wanted.stop_limit,
        restarts: wanted.restarts,
        output: wanted.output,
    };
    if section.is_some_and(|section| section.number("processesPerApplication") > 1) {
        let message = "one process is started, whatever `processesPerApplication` says";
        cx.report(Diagnostic::note_at("inert-attribute", item.span, message));
    }
    let companions = &mut cx.config.process.companions;
    if !companions.contains(&companion) {
        companions.push(companion);
    }
    let scheme = if kind == Kind::FastCgi { "fcgi" } else { "http" };
    Some(Started { url: format!("{scheme}://{address}"), token: (kind == Kind::AspNetCore).then_some(token) })
}

impl Wanted {
    fn usual() -> Self {
        Self {
            command: String::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
            start_limit: Duration::from_mins(1),
            stop_limit: Duration::from_secs(10),
            restarts: 10,
            output: None,
        }
    }
}

fn of_section(section: &Value, folder: &Path, expanded: &dyn Fn(&str) -> String) -> Wanted {
    let seconds = |name: &str, usual: u64| match u64::try_from(section.number(name)) {
        Ok(0) | Err(_) => Duration::from_secs(usual),
        Ok(seconds) => Duration::from_secs(seconds),
    };
    let output = section.flag("stdoutLogEnabled").then(|| {
        let file = expanded(section.text("stdoutLogFile")).replace('\\', "/");
        let file = if file.is_empty() { "stdout".to_owned() } else { file };
        folder.join(file.trim_start_matches("./"))
    });
    let variables = section.part("environmentVariables");
    let variable = |item: &Item| {
        let name = item.value.text("name");
        (name.to_owned(), expanded(item.value.text("value")))
    };
    Wanted {
        command: expanded(section.text("processPath")),
        arguments: split(&expanded(section.text("arguments"))),
        environment: variables.items().iter().map(variable).collect(),
        start_limit: seconds("startupTimeLimit", 120),
        stop_limit: seconds("shutdownTimeLimit", 10),
        restarts: u32::try_from(section.number("rapidFailsPerMinute")).unwrap_or(10),
        output,
    }
}

/// `%NAME%` replaced; backslashes stay.
fn expanded(text: &str, vars: &[(String, String)]) -> String {
    // The port is ours to give, whatever the environment says.
    let mut text = text.to_owned();
    for (name, value) in vars {
        let (lower, mark) = (text.to_ascii_lowercase(), format!("%{}%", name.to_ascii_lowercase()));
        if lower.contains(&mark) {
            let mut out = String::new();
            let mut from = 0;
            for (at, _) in lower.match_indices(&mark) {
                out.push_str(&text[from..at]);
                out.push_str(value);
                from = at + mark.len();
            }
            out.push_str(&text[from..]);
            text = out;
        }
    }
    expand::text(&text, &[])
}

/// The port and the token of a program.
fn place_of(key: &str) -> Option<(u16, String)> {
    let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = places.get(key) {
        return Some(known.clone());
    }
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?.local_addr().ok()?.port();
    // Keys of the standard library's hasher are random.
    let part = || RandomState::new().hash_one(key);
    let (high, low) = (part(), part());
    let token = format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    );
    places.insert(key.to_owned(), (port, token.clone()));
    Some((port, token))
}

/// The program of a path: in the application's folder, anywhere, or by its name where this system has programs.
fn program(command: &str, folder: &Path) -> Option<PathBuf> {
    let path = command.trim().trim_matches('"').replace('\\', "/");
    let name = path.rsplit('/').next().filter(|name| !name.is_empty())?;
    let bare = name.strip_suffix(".exe").or_else(|| name.strip_suffix(".EXE")).unwrap_or(name);
    let executable = |path: PathBuf| {
        use std::os::unix::fs::PermissionsExt as _;
        let runs = path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
        runs.then_some(path)
    };
    if path.contains('/') {
        let here = folder.join(&path);
        if let Some(found) = executable(here.clone()).or_else(|| executable(here.with_file_name(bare))) {
            return Some(found);
        }
    } else if let Some(found) = executable(folder.join(bare)) {
        return Some(found);
    }
    let search = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&search).find_map(|folder| executable(folder.join(bare)))
}

/// Words of a command line: blanks between them, quotes around those that have blanks.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut any, mut quoted) = (String::new(), false, false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&'"') => {
                word.extend(chars.next());
                any = true;
            }
            '"' => {
                quoted = !quoted;
                any = true;
            }
            c if c.is_whitespace() && !quoted => {
                if std::mem::take(&mut any) {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => {
                word.push(c);
                any = true;
            }
        }
    }
    if any {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_split_as_on_windows() {
        assert_eq!(split(r#".\a.dll  --x "b c" d\"e "" "#), [r".\a.dll", "--x", "b c", "d\"e", ""]);
        assert!(split(" ").is_empty());
    }

    #[test]
    fn the_port_stands_wherever_it_is_named() {
        let vars = [("HTTP_PLATFORM_PORT".to_owned(), "99".to_owned())];
        assert_eq!(expanded("--port=%http_platform_port% %HTTP_PLATFORM_PORT%", &vars), "--port=99 99");
    }

    #[test]
    fn programs_are_found_by_their_names() {
        assert!(
            program(r"C:\Windows\System32\sh.exe", Path::new("/")).is_some_and(|path| path.ends_with("sh"))
        );
        assert_eq!(program("no-such-program", Path::new("/")), None);
        assert_eq!(program("", Path::new("/")), None);
    }
}
