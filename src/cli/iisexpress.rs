//! Being called iisexpress: its command line, its words, its exit statuses.
//!
//! Reference: <https://learn.microsoft.com/iis/extensions/using-iis-express/running-iis-express-from-the-command-line>; the
//! words as programs that start it wait for them (`IIS Express is running.`). What it says goes to standard output. `Q` and
//! a line end stop it; so do signals, with the same words. A binding for `localhost` accepts there alone, as without an
//! administrator's help. Where the original's words are not known, ours are plain: a wrong argument and an unknown site.

use std::{
    ffi::OsString,
    io::BufRead as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{
    load::{self, Request},
    process::{self, Manners, Setup, system},
    run, say,
};
use crate::{
    diagnostic::{
        Diagnostic, Severity,
        render::{Format, render},
    },
    dialect::{
        Dialect, Options,
        iis::{self, Known, Lone, Stage, Wanted},
    },
    engine,
    source::SourceMap,
};
use args::{Args, What};

mod args;

/// Whether a program of this name is IIS Express.
pub fn is_called(name: &Path) -> bool {
    let name = name.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase());
    matches!(name.as_deref(), Some("iisexpress" | "iisexpress.exe"))
}

/// Runs with the arguments after the program's name.
pub fn main(words: &[OsString]) -> ExitCode {
    let args = match args::parse(words) {
        Ok(Some(args)) => args,
        Ok(None) => {
            say::result(args::USAGE);
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            say::result(format!("{why}\n\n{}", args::USAGE));
            return ExitCode::FAILURE;
        }
    };
    let (file, stage) = match stage(&args) {
        Ok(staged) => staged,
        Err(why) => return unable(&why),
    };
    let scratch = match run::Scratch::make() {
        Ok(scratch) => scratch,
        Err((path, error)) => return unable(&format!("cannot make {}: {error}", path.display())),
    };
    let options = Options {
        root: system::is_root(),
        files: run::own_files(scratch.path()),
        handlers: Vec::new(),
        iis: stage,
        ..run::located(&file, None)
    };
    let request = Request { path: run::absolute(&file), dialect: Some(Dialect::Iis), options, listen: None };
    say::result("Starting IIS Express ...\n");
    let known = match known(&request) {
        Ok(known) => known,
        Err(why) => return unable(&why),
    };
    let mut sources = SourceMap::new();
    let read = std::time::SystemTime::now();
    let (ready, found) = load::plan(&mut sources, &request);
    show(&sources, &found);
    let Some(ready) = ready else { return unable("The configuration is invalid.") };
    let urls = urls(&known);
    let registered: String = urls.iter().map(|url| format!("Successfully registered URL {url}\n")).collect();
    let setup = Setup {
        request,
        sources,
        engine: engine::Options { root: system::is_root(), ..engine::Options::default() },
        background: false,
        name: format!("triglot/{}", env!("CARGO_PKG_VERSION")),
        complain: Box::new(move |sources, found| refused(sources, found, &urls)),
        capture_stderr: false,
        greeting: Some(process::Greeting {
            text: format!(
                "{registered}Registration completed\nIIS Express is running.\nEnter 'Q' to stop IIS Express\n"
            ),
            say: |text| say::result(text),
        }),
        manners: Manners::default(),
        read,
    };
    listen_for_the_end();
    let status = process::serve(setup, ready);
    if status == ExitCode::SUCCESS {
        say::result("Stopping IIS Express ...\nIIS Express stopped.\n");
    }
    drop(scratch);
    status
}

/// The file to read, and what of it is on stage.
fn stage(args: &Args) -> Result<(PathBuf, Stage), String> {
    let home = args.home.clone().unwrap_or_else(|| {
        let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        home.join("Documents/IISExpress")
    });
    let sites = home.parent().unwrap_or(Path::new("/")).join("My Web Sites");
    let vars = [("IIS_USER_HOME", &home), ("IIS_SITES_HOME", &sites)];
    let mut stage = Stage {
        local: true,
        console: true,
        start: true,
        lenient: true,
        trace: args.trace,
        vars: vars.map(|(name, value)| (name.to_owned(), value.display().to_string())).to_vec(),
        ..Stage::default()
    };
    match &args.what {
        What::Path { path, port } => {
            let path = local(path);
            if !path.is_dir() {
                return Err(format!("The system cannot find the path specified: {}", path.display()));
            }
            stage.lone = Some(Lone {
                name: "Development Web Site".to_owned(),
                binding: format!("*:{port}:localhost"),
            });
            Ok((path, stage))
        }
        What::Config { config, site } => {
            let path = config.as_deref().map_or_else(|| home.join("config/applicationhost.config"), local);
            if !path.is_file() {
                return Err(format!("The system cannot find the file specified: {}", path.display()));
            }
            stage.site = Some(site.clone());
            Ok((path, stage))
        }
    }
}

/// A path as it is, or with the slashes of this system.
fn local(path: &Path) -> PathBuf {
    if path.exists() { path.to_path_buf() } else { PathBuf::from(path.to_string_lossy().replace('\\', "/")) }
}

/// The sites that are wanted.
fn known(request: &Request) -> Result<Vec<Known>, String> {
    let known = iis::known(&request.path, &request.options);
    match (&request.options.iis.site, known.is_empty()) {
        (Some(Wanted::Name(name)), true) => {
            Err(format!("The site '{name}' does not exist in {}.", request.path.display()))
        }
        (Some(Wanted::Id(id)), true) => {
            Err(format!("The site with ID '{id}' does not exist in {}.", request.path.display()))
        }
        _ => Ok(known),
    }
}

/// What is registered, in the original's words.
fn urls(known: &[Known]) -> Vec<String> {
    let mut urls = Vec::new();
    for Known { name, bindings, applications } in known {
        for url in bindings {
            for application in applications {
                let path = if application == "/" { "/".to_owned() } else { format!("{application}/") };
                urls.push(format!("\"{url}{path}\" for site \"{name}\" application \"{application}\""));
            }
        }
    }
    urls
}

fn unable(why: &str) -> ExitCode {
    say::result(format!(
        "Unable to start iisexpress.\n\n{why}\nFor more information about the error, run iisexpress.exe with the tracing \
         switch enabled (/trace:error).\n"
    ));
    ExitCode::FAILURE
}

/// Says why it did not start, when that is an address in use in the original's words.
fn refused(sources: &SourceMap, found: &[Diagnostic], urls: &[String]) {
    if !load::has_errors(found) {
        show(sources, found);
        return;
    }
    let taken = found.iter().any(|found| found.message.contains("Address already in use"));
    if taken {
        let failed: String = urls
            .iter()
            .map(|url| {
                format!(
                    "Failed to register URL {url}. Error description: Cannot create a file when that file already exists. \
                     (0x800700b7)\n"
                )
            })
            .collect();
        say::result(failed + "Registration completed\n");
        unable("Cannot create a file when that file already exists.");
        return;
    }
    show(sources, found);
    unable("The server cannot be started.");
}

fn show(sources: &SourceMap, found: &[Diagnostic]) {
    let found: Vec<_> = found.iter().filter(|one| one.severity > Severity::Note).cloned().collect();
    say::remark(render(sources, &found, Format::Human, say::colour(&std::io::stderr())));
}

/// Stops the process when `Q` is entered. The end of the input means nothing: a service has none.
fn listen_for_the_end() {
    std::thread::spawn(|| {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if line.trim().eq_ignore_ascii_case("q") {
                let _ = system::kill(std::process::id().cast_signed(), libc::SIGTERM);
                return;
            }
        }
    });
}
