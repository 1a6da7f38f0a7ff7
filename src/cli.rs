//! The command line: one file per command, and the originals' own command lines.
//!
//! Results go to standard output, everything else to standard error. Exit
//! statuses: 0 done, 1 something is wrong with what was given, 2 usage.

pub mod accept;
pub mod ask;
pub mod check;
pub mod compare;
pub mod demo;
pub mod directives;
pub mod explain;
pub mod files;
mod fix;
pub mod httpd;
pub mod iis;
pub mod iisexpress;
pub mod ir;
pub mod load;
mod machine;
pub mod nginx;
pub mod place;
pub mod process;
pub mod replay;
pub mod report;
pub mod run;
pub mod say;
pub mod translate;

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    diagnostic::render::Format,
    dialect::{self, Dialect},
    ir::Address,
};
use load::Request;

/// Runs nginx, Apache and IIS configurations unchanged.
#[derive(Debug, Parser)]
#[command(name = "triglot", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a configuration in the foreground
    Run(Run),
    /// Say everything there is to say about files: exit status 0 when clean, 1 with errors
    Check(Check),
    /// Say which requests two configurations handle differently: exit status 0 when none, 1 when some, 2 with errors
    Compare(Compare),
    /// Say what happens to a request, and why
    Explain(Explain),
    /// Print what a configuration means
    Ir(Ir),
    /// Print the directives of a dialect and what becomes of each
    Directives {
        /// The dialect
        #[arg(default_value = "nginx")]
        dialect: DialectName,
    },
    /// Print a configuration in another server's words: exit status 0 when nothing is lost, 3 when something is
    Translate(Translate),
    /// Start origins and serve them through example configurations, with a page to click
    Demo(Demo),
    /// nginx's own command line; also chosen when the program is called `nginx`
    #[command(disable_help_flag = true)]
    Nginx {
        /// As for nginx: -p -c -e -g -t -T -q -v -V -s -h
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Apache's own command line; also chosen when the program is called `httpd` or `apache2`
    #[command(disable_help_flag = true, visible_alias = "apache2")]
    Httpd {
        /// As for Apache: -f -d -D -C -c -e -E -t -S -M -L -l -v -V -k -X -T -h
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// What IIS Manager does with dialogs
    Iis {
        /// What
        #[command(subcommand)]
        command: iis::Command,
    },
    /// IIS Express's own command line; also chosen when the program is called `iisexpress`
    #[command(disable_help_flag = true)]
    Iisexpress {
        /// As for IIS Express: /config: /site: /siteid: /path: /port: /clr: /systray: /trace: /userhome: /?
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Apache's control script; also chosen when the program is called `apachectl` or `apache2ctl`
    #[command(disable_help_flag = true, visible_alias = "apache2ctl")]
    Apachectl {
        /// start, stop, restart, graceful, graceful-stop, configtest, status, or what httpd takes
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// What says which file, and how to read it.
#[derive(Debug, Args)]
struct Reading {
    /// The language of the file; recognised when not given
    #[arg(long, value_name = "DIALECT")]
    dialect: Option<DialectName>,
    /// What relative paths are relative to; the file's folder, or the one above when that is called `conf`
    #[arg(long, value_name = "DIR")]
    prefix: Option<PathBuf>,
    /// Where a handler's program is reached that a web.config names: NAME=http://HOST:PORT, NAME being the handler's
    /// or its module's
    #[arg(long = "handler", value_name = "NAME=URL", value_parser = handler)]
    handlers: Vec<(String, String)>,
    /// A file of certificates to trust beside the system's, where a web.config leads to https servers
    #[arg(long = "ca", value_name = "FILE")]
    roots: Vec<PathBuf>,
    #[command(flatten)]
    machine: machine::Given,
}

#[derive(Debug, Args)]
struct Run {
    /// The configuration
    file: PathBuf,
    #[command(flatten)]
    reading: Reading,
    /// Accept here instead of at the only address in the file: IP:PORT, PORT or unix:PATH
    #[arg(long, value_name = "ADDR", value_parser = address)]
    listen: Option<Address>,
    /// Do not start when the name of an upstream does not resolve
    #[arg(long)]
    strict_names: bool,
    /// Start the programs that handlers of a web.config name, and stop them with the server
    #[arg(long)]
    start_handlers: bool,
    /// What the `Server` field says
    #[arg(long, value_name = "TEXT")]
    server_header: Option<String>,
    /// Tell the way of a request that has this field with this secret to the error log, by the request's id; the
    /// field itself goes no further. `NAME:@FILE` takes the secret from a file, where no list of processes shows it
    #[arg(long, value_name = "NAME:SECRET", value_parser = explain_key)]
    explain_header: Option<(String, String)>,
    /// Serve nothing: say which requests the process that serves this file would handle differently once it reads the
    /// file again. Exit status 0 when none, 1 when some, 2 when it cannot be told
    #[arg(long)]
    diff: bool,
    /// With --diff: as JSON
    #[arg(long, requires = "diff")]
    json: bool,
    /// With --diff: the process, where several serve the file
    #[arg(long, requires = "diff", value_name = "ID")]
    pid: Option<i32>,
}

#[derive(Debug, Args)]
struct Check {
    /// The files, each a configuration or, with --offline, a part of one; `-` is standard input
    #[arg(required_unless_present = "explain")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    reading: Reading,
    /// How findings are written
    #[arg(long, value_enum, default_value_t = FormatName::Human)]
    format: FormatName,
    /// The files are away from their machine: what is missing is a note, and parts are recognised
    #[arg(long)]
    offline: bool,
    /// Count warnings as errors
    #[arg(long)]
    strict: bool,
    /// List what is accepted without effect
    #[arg(long)]
    list_inert: bool,
    /// Names of upstreams that do not resolve are errors
    #[arg(long)]
    strict_names: bool,
    /// Correct in the files what can be
    #[arg(long)]
    fix: bool,
    /// With --fix: show what would be changed, and change nothing
    #[arg(long, requires = "fix")]
    dry_run: bool,
    /// Say what a code means, and nothing else
    #[arg(long, value_name = "CODE")]
    explain: Option<String>,
    /// Leave out findings that this file has: see --write-baseline
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write the findings that there are to a file, to be left out from then on
    #[arg(long, value_name = "FILE", conflicts_with_all = ["baseline", "fix"])]
    write_baseline: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Compare {
    /// The configuration as it was
    old: PathBuf,
    /// The configuration as it is to be; its language may be another
    new: PathBuf,
    #[command(flatten)]
    reading: Reading,
    /// Replay the requests of an access log and weigh by how often each was seen: common, combined, W3C or JSON,
    /// plain or gzip; `-` is standard input
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Requests to compare by, one a line: `GET https://host/path -H 'Name: value' --client IP`
    #[arg(long, value_name = "FILE")]
    requests: Option<PathBuf>,
    /// The host of logged requests whose log does not name it
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// An aspect that may differ, as it is called in the output; `*` stands for anything
    #[arg(long, value_name = "ASPECT")]
    tolerate: Vec<String>,
    /// Mind everything, even what differs between servers of different kinds whatever is written
    #[arg(long)]
    everything: bool,
    /// How many requests to make up for each of the two
    #[arg(long, value_name = "COUNT", default_value_t = 20_000)]
    most: usize,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// The files are away from their machine
    #[arg(long)]
    offline: bool,
}

#[derive(Debug, Args)]
struct Explain {
    /// The configuration
    file: PathBuf,
    /// The method
    method: String,
    /// The URL: `https://host/path?x=1`, `ws://host/path`, or a path alone
    url: String,
    #[command(flatten)]
    reading: Reading,
    /// A field of the request
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    fields: Vec<String>,
    /// Where the request comes from
    #[arg(long, value_name = "IP")]
    client: Option<std::net::IpAddr>,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Every step, also those that nothing came of
    #[arg(long)]
    trace: bool,
    /// The file is away from its machine
    #[arg(long)]
    offline: bool,
}

#[derive(Debug, Args)]
struct Ir {
    /// The configuration, or a part of one; `-` is standard input
    file: PathBuf,
    #[command(flatten)]
    reading: Reading,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// With the settings that are in force where nothing is written
    #[arg(long)]
    base: bool,
    /// The file is away from its machine
    #[arg(long)]
    offline: bool,
}

#[derive(Debug, Args)]
struct Translate {
    /// The configuration, or a part of one; a folder that holds one; `-` is standard input
    file: PathBuf,
    /// The language of the output
    #[arg(long, value_name = "DIALECT")]
    to: DialectName,
    /// The language of the file; recognised when not given
    #[arg(long, value_name = "DIALECT", alias = "dialect")]
    from: Option<DialectName>,
    /// Where a handler's program is reached that a web.config names: NAME=http://HOST:PORT, NAME being the handler's
    /// or its module's
    #[arg(long = "handler", value_name = "NAME=URL", value_parser = handler)]
    handlers: Vec<(String, String)>,
    /// Where to write: a file, or a folder; standard output when not given
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// How losses are reported on standard error
    #[arg(long, value_enum, default_value_t = ReportName::Human)]
    report: ReportName,
    /// Write nothing when something is lost
    #[arg(long)]
    strict: bool,
    /// Read the output again and compare it with the input over made-up requests; what differs is a loss. This is the
    /// default. `--verify=live` also sends them to the servers, where they are installed: the original one with the file
    /// and the other one with the output, each in namespaces of its own
    #[arg(
        long, value_enum, value_name = "HOW", overrides_with = "no_verify", num_args = 0..=1, require_equals = true,
        default_missing_value = "meaning"
    )]
    verify: Option<VerifyName>,
    /// Do not compare
    #[arg(long, overrides_with = "verify")]
    no_verify: bool,
    /// What relative paths are relative to
    #[arg(long, value_name = "DIR")]
    prefix: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum VerifyName {
    /// By what both mean
    Meaning,
    /// By that, and by what the servers do
    Live,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReportName {
    /// With the lines in question
    Human,
    /// An array of objects
    Json,
}

#[derive(Debug, Args)]
struct Demo {
    /// The first port; each configuration takes the next
    #[arg(long, default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DialectName {
    Nginx,
    Apache,
    Iis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatName {
    /// With the lines in question
    Human,
    /// One line each
    Short,
    /// An array of objects
    Json,
    /// A SARIF 2.1.0 log
    Sarif,
    /// Commands of GitHub's workflows, which annotate the lines
    Github,
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    crate::engine::allocator::settle();
    let mut words = std::env::args_os();
    let program = words.next().unwrap_or_default();
    let words: Vec<_> = words.collect();
    if Path::new(&program).file_name().is_some_and(|name| name == "nginx") {
        return nginx::main(&words);
    }
    if let Some(inside) = words.first().and_then(|word| replay::is_called(word)) {
        return inside();
    }
    if words.first().is_some_and(|word| word == "nginx") {
        return nginx::main(&words[1..]);
    }
    if iisexpress::is_called(Path::new(&program)) {
        return iisexpress::main(&words);
    }
    if words.first().is_some_and(|word| iisexpress::is_called(Path::new(word))) {
        return iisexpress::main(&words[1..]);
    }
    if let Some(control) = httpd::is_called(Path::new(&program)) {
        return httpd::main(&words, control);
    }
    if let Some(control) = words.first().and_then(|word| httpd::is_called(Path::new(word))) {
        return httpd::main(&words[1..], control);
    }
    match Cli::try_parse_from(std::iter::once(program).chain(words)) {
        Ok(cli) => say::end(cli.command.run()),
        Err(error) => {
            // A closed terminal is nobody to complain to.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}

impl Command {
    fn run(self) -> ExitCode {
        match self {
            Self::Run(Run { file, diff: true, json, pid, .. }) => process::diff::run(&file, pid, json),
            Self::Run(run) => {
                let Run { file, reading, listen, strict_names, start_handlers, server_header, .. } = run;
                run::run(run::Arguments {
                    file,
                    dialect: reading.dialect.map(Into::into),
                    prefix: reading.prefix,
                    listen,
                    strict_names,
                    server_header,
                    explain: run.explain_header,
                    handlers: reading.handlers,
                    iis: dialect::iis::Stage { start: start_handlers, lenient: true, ..Default::default() },
                    roots: reading.roots,
                    machine: reading.machine.into(),
                })
            }
            Self::Check(check) => check.run(),
            Self::Compare(compare) => compare.run(),
            Self::Explain(explain) => explain.run(),
            Self::Ir(Ir { file, reading, json, base, offline }) => {
                let request = reading.request(&file, offline, false);
                ir::run(&request, ir::Options { json, base })
            }
            Self::Directives { dialect } => {
                let dialect = Dialect::from(dialect);
                let Some(page) = directives::run(dialect.name()) else {
                    say::remark(format!("error: {} is not yet honoured\n", dialect.name()));
                    return ExitCode::FAILURE;
                };
                say::result(page);
                ExitCode::SUCCESS
            }
            Self::Translate(translate) => translate.run(),
            Self::Demo(Demo { port }) => demo::run(port),
            Self::Iis { command } => command.run(),
            Self::Iisexpress { arguments } => iisexpress::main(&arguments),
            Self::Nginx { arguments } => nginx::main(&arguments),
            Self::Httpd { arguments } => httpd::main(&arguments, false),
            Self::Apachectl { arguments } => httpd::main(&arguments, true),
        }
    }
}

impl Explain {
    fn run(self) -> ExitCode {
        let Self { file, method, url, reading, fields, client, json, trace, offline } = self;
        let file = reading.request(&file, offline, false);
        let ask = ask::Ask { method, url, fields, client };
        let colour = say::colour(&std::io::stdout());
        explain::run(&explain::Arguments { file, ask, json, trace, colour })
    }
}

impl Compare {
    fn run(self) -> ExitCode {
        let Self { old, new, reading, log, requests, host, tolerate, everything, most, json, offline } = self;
        let (old, new) = (reading.request(&old, offline, false), reading.request(&new, offline, false));
        let colour = say::colour(&std::io::stdout());
        let arguments =
            compare::Arguments { old, new, log, requests, host, tolerate, everything, most, json, colour };
        compare::run(&arguments)
    }
}

impl Check {
    fn run(self) -> ExitCode {
        let Self {
            files,
            reading,
            format,
            offline,
            strict,
            list_inert,
            strict_names,
            fix,
            dry_run,
            explain,
            baseline,
            write_baseline,
        } = self;
        if let Some(code) = explain {
            return check::explain(&code);
        }
        let requests: Vec<_> =
            files.iter().map(|file| reading.request(file, offline, strict_names)).collect();
        let format = match format {
            FormatName::Human => Format::Human,
            FormatName::Short => Format::Short,
            FormatName::Json => Format::Json,
            FormatName::Sarif => Format::Sarif,
            FormatName::Github => Format::Github,
        };
        let colour = say::colour(&std::io::stdout());
        let fix = fix.then_some(if dry_run { check::Fixing::Show } else { check::Fixing::Write });
        check::run(
            &requests,
            &check::Options { format, colour, strict, list_inert, fix, baseline, write_baseline },
        )
    }
}

impl Translate {
    fn run(self) -> ExitCode {
        let Self { file, to, from, handlers, output, report, strict, verify, no_verify, prefix } = self;
        let machine = machine::Given::default();
        let reading = Reading { dialect: from, prefix, handlers, roots: Vec::new(), machine };
        let request = reading.request(&file, true, false);
        let format = match report {
            ReportName::Human => Format::Human,
            ReportName::Json => Format::Json,
        };
        let verify = match (no_verify, verify) {
            (true, _) => translate::Verify::No,
            (false, Some(VerifyName::Live)) => {
                translate::Verify::Live(std::env::current_exe().unwrap_or_else(|_| "triglot".into()))
            }
            (false, _) => translate::Verify::Meaning,
        };
        translate::main(&request, &translate::Options { to: to.into(), output, format, strict, verify })
    }
}

impl Reading {
    /// A file to look at: as it was written on the command line, so that editors find it.
    fn request(&self, file: &Path, offline: bool, strict_names: bool) -> Request {
        let file = dialect::main_file(file);
        let located = run::located(&file, self.prefix.clone());
        let (handlers, roots) = (self.handlers.clone(), self.roots.clone());
        let options = dialect::Options {
            handlers,
            machine: self.machine.clone().into(),
            roots,
            offline,
            strict_names,
            root: process::system::is_root(),
            ..located
        };
        Request { path: file, dialect: self.dialect.map(Into::into), options, listen: None }
    }
}

impl From<DialectName> for Dialect {
    fn from(name: DialectName) -> Self {
        match name {
            DialectName::Nginx => Self::Nginx,
            DialectName::Apache => Self::Apache,
            DialectName::Iis => Self::Iis,
        }
    }
}

/// `NAME:SECRET` or `NAME:@FILE`.
fn explain_key(text: &str) -> Result<(String, String), String> {
    let (name, secret) = text.split_once(':').ok_or("not NAME:SECRET")?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(format!("`{name}` is no name of a field"));
    }
    let secret = match secret.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?,
        None => secret.to_owned(),
    };
    let secret = secret.trim();
    if secret.len() < 8 {
        return Err(
            "the secret has to have 8 characters or more: whoever guesses it fills the log".to_owned()
        );
    }
    Ok((name.to_owned(), secret.to_owned()))
}

/// `NAME=URL`
fn handler(text: &str) -> Result<(String, String), String> {
    let (name, url) = text.split_once('=').ok_or("not NAME=URL")?;
    let rest = ["http://", "https://", "fcgi://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let server = rest.map(|rest| rest.split('/').next().unwrap_or_default());
    if name.is_empty() || server.is_none_or(|server| server.is_empty() || server.contains(['@', '?', '#'])) {
        return Err("not NAME=http://HOST:PORT or NAME=fcgi://HOST:PORT".to_owned());
    }
    Ok((name.to_owned(), url.to_owned()))
}

/// `IP:PORT`, `PORT` or `unix:PATH`.
fn address(text: &str) -> Result<Address, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok(Address::Unix(path.into()));
    }
    if let Ok(port) = text.parse::<u16>() {
        return Ok(Address::Tcp(SocketAddr::from(([0, 0, 0, 0], port))));
    }
    text.parse().map(Address::Tcp).map_err(|_| "neither IP:PORT nor PORT nor unix:PATH".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_key_has_a_name_and_a_long_secret() {
        assert_eq!(explain_key("X-Why:12345678"), Ok(("X-Why".to_owned(), "12345678".to_owned())));
        assert_eq!(explain_key("X:a:b:c:d:e"), Ok(("X".to_owned(), "a:b:c:d:e".to_owned())));
        for wrong in ["X-Why", "X-Why:short", ":12345678", "X Why:12345678", "X:@/no/such/file"] {
            assert!(explain_key(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_come_in_three_forms() {
        assert_eq!(address("unix:/x"), Ok(Address::Unix("/x".into())));
        assert_eq!(address("80"), Ok(Address::Tcp(([0, 0, 0, 0], 80).into())));
        assert_eq!(address("[::1]:80"), Ok(Address::Tcp("[::1]:80".parse().unwrap())));
        assert!(address("host:80").is_err());
    }
}
