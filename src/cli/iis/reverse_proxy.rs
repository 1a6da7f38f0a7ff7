//! `triglot iis reverse-proxy`: the dialog "Add Reverse Proxy Rules" of IIS Manager without Windows.
//!
//! The dialog asks for a server, for SSL offloading and for the rewriting of links, and writes rules into the site's
//! web.config: <https://learn.microsoft.com/iis/extensions/url-rewrite-module/reverse-proxy-with-url-rewrite-v2-and-application-request-routing>.
//! A second run adds rules with the next number. The dialog knows no scheme; people edit the rule to have one, so that a
//! server given as `https://` is one that people edited: TLS whatever the client speaks.

use std::{
    fs,
    io::{self, BufRead, IsTerminal as _, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    str::FromStr,
};

use clap::{Args, ValueEnum};

use crate::cli::say;

mod apache;
mod nginx;
mod rules;

/// What the command line says.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The server to forward to, as http://HOST:PORT, https://HOST:PORT or HOST:PORT
    server: Option<Origin>,
    /// Speak HTTP with the server also for clients that speak HTTPS (the dialog's "Enable SSL Offloading")
    #[arg(long)]
    ssl_offload: bool,
    /// Rewrite the domain name of links in HTML: from the server's to the one that clients know
    #[arg(long, value_name = "FROM=TO")]
    outbound: Option<Outbound>,
    /// The language to write it in
    #[arg(long, value_enum, default_value_t = To::Iis)]
    to: To,
    /// The file, or the site's folder, to write to, instead of standard output; rules are added to a web.config that is
    /// there
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
}

/// A language to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum To {
    Iis,
    Nginx,
    Apache,
}

/// The server to forward to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    /// Whether TLS was asked for in so many words.
    tls: bool,
    /// Host and port, as given.
    authority: String,
}

/// Host names of links.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outbound {
    from: String,
    to: String,
}

/// What the dialog was told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answers {
    origin: Origin,
    offload: bool,
    outbound: Option<Outbound>,
}

/// How the server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
    /// As the client speaks with us.
    Clients,
}

impl Answers {
    fn scheme(&self) -> Scheme {
        match (self.origin.tls, self.offload) {
            (true, _) => Scheme::Https,
            (false, true) => Scheme::Http,
            (false, false) => Scheme::Clients,
        }
    }
}

/// A host with or without a port, as it may stand in a rule, in a directive and in an expression.
fn authority(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('/');
    let good = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    if text.is_empty() || !text.chars().all(good) {
        return Err(format!("`{text}` is not HOST or HOST:PORT"));
    }
    let behind = text.rsplit_once(']').map_or(text, |(_, behind)| behind);
    match behind.rsplit_once(':') {
        Some((host, port)) if host.contains(':') || !matches!(port.parse::<u16>(), Ok(1..)) => {
            Err(format!("`{text}`: a port is a number from 1 to 65535"))
        }
        _ => Ok(text.to_owned()),
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        if lower.starts_with("ws://") || lower.starts_with("wss://") {
            return Err("a WebSocket is forwarded as HTTP: write http:// or https://".to_owned());
        }
        let (tls, rest) = match (lower.strip_prefix("https://"), lower.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => (false, lower.as_str()),
        };
        Ok(Self { tls, authority: authority(&text[text.len() - rest.len()..])? })
    }
}

impl FromStr for Outbound {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once('=').ok_or("not FROM=TO")?;
        Ok(Self { from: authority(from)?, to: authority(to)? })
    }
}

/// Writes it.
pub fn run(arguments: Arguments) -> ExitCode {
    let Arguments { server, ssl_offload, outbound, to, mut output } = arguments;
    let answers = match server {
        Some(origin) => Answers { origin, offload: ssl_offload, outbound },
        None if io::stdin().is_terminal() && io::stderr().is_terminal() => {
            match ask(&mut io::stdin().lock(), &mut io::stderr().lock(), to, &mut output) {
                Ok(Some(answers)) => answers,
                Ok(None) => return ExitCode::FAILURE,
                Err(error) => {
                    say::remark(format!("error: {error}\n"));
                    return ExitCode::FAILURE;
                }
            }
        }
        None => {
            say::remark(
                "error: which server? triglot iis reverse-proxy http://HOST:PORT [--ssl-offload] [--outbound FROM=TO]\n",
            );
            return ExitCode::from(2);
        }
    };
    let scheme = answers.scheme();
    let written = match to {
        To::Iis => rules::file(&answers, output.as_deref().map(target).as_deref()),
        To::Nginx => Ok(nginx::file(&answers)),
        To::Apache => Ok(apache::file(&answers)),
    };
    let text = match written {
        Ok(text) => text,
        Err(why) => {
            say::remark(format!("error: {why}\n"));
            return ExitCode::FAILURE;
        }
    };
    let Some(path) = output.map(|path| if to == To::Iis { target(&path) } else { path }) else {
        say::result(text);
        return ExitCode::SUCCESS;
    };
    if to != To::Iis && path.exists() {
        say::remark(format!("error: {} exists already\n", path.display()));
        return ExitCode::FAILURE;
    }
    if let Err(error) = replace(&path, &text) {
        say::remark(format!("error: cannot write {}: {error}\n", path.display()));
        return ExitCode::FAILURE;
    }
    say::remark(format!("wrote {}\n", path.display()));
    if to == To::Iis {
        say::remark(format!("serve it: triglot run {} --listen 8080\n", shown_folder(&path).display()));
        if scheme == Scheme::Https {
            say::remark("a server whose certificate this machine does not trust: add --ca FILE\n");
        }
    }
    ExitCode::SUCCESS
}

/// The file that a folder is about.
fn target(path: &Path) -> PathBuf {
    if !path.is_dir() {
        return path.to_path_buf();
    }
    crate::dialect::iis::config_of(path).unwrap_or_else(|| path.join("web.config"))
}

fn shown_folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Puts a text in a file's place in one step, so that nobody reads half of it.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = PathBuf::from(name);
    fs::write(&new, text)?;
    if let Ok(old) = fs::metadata(path) {
        fs::set_permissions(&new, old.permissions())?;
    }
    fs::rename(&new, path).inspect_err(|_| drop(fs::remove_file(&new)))
}

/// Asks what the dialog asks. `None` when nothing more is said.
fn ask(
    input: &mut impl BufRead,
    screen: &mut impl Write,
    to: To,
    output: &mut Option<PathBuf>,
) -> io::Result<Option<Answers>> {
    writeln!(screen, "Add Reverse Proxy Rules\n")?;
    writeln!(screen, "Inbound Rules")?;
    let question =
        "  Server name or IP address where HTTP requests will be forwarded\n  (example: contentserver1): ";
    let Some(origin) = value::<Origin>(input, screen, question, None)? else { return Ok(None) };
    let offload = origin.tls || {
        let Some(offload) = yes(input, screen, "  Enable SSL Offloading", true)? else { return Ok(None) };
        offload
    };
    writeln!(screen, "\nOutbound Rules")?;
    let question = "  Rewrite the domain names of the links in HTTP responses";
    let Some(links) = yes(input, screen, question, false)? else { return Ok(None) };
    let mut outbound = None;
    if links {
        let known = origin.authority.clone();
        let question = format!("  From [{known}]: ");
        let Some(Host(from)) = value(input, screen, &question, Some(Host(known)))? else { return Ok(None) };
        let Some(Host(to)) = value(input, screen, "  To (example: www.contoso.com): ", None)? else {
            return Ok(None);
        };
        outbound = Some(Outbound { from, to });
    }
    if output.is_none() && to == To::Iis && io::stdout().is_terminal() {
        let path = target(Path::new("."));
        let question = if path.exists() { "Add the rules to" } else { "Write" };
        let question = format!("\n{question} {}", path.display());
        let Some(write) = yes(input, screen, &question, true)? else { return Ok(None) };
        *output = write.then_some(path);
    }
    Ok(Some(Answers { origin, offload, outbound }))
}

/// A host as an answer.
#[derive(Clone, Debug)]
struct Host(String);

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        authority(text).map(Self)
    }
}

/// Asks until the answer is one; nothing stands for `default`.
fn value<T: FromStr<Err = String>>(
    input: &mut impl BufRead,
    screen: &mut impl Write,
    question: &str,
    default: Option<T>,
) -> io::Result<Option<T>> {
    loop {
        let Some(line) = line(input, screen, question)? else { return Ok(None) };
        if line.is_empty() && default.is_some() {
            return Ok(default);
        }
        match line.parse() {
            Ok(value) => return Ok(Some(value)),
            Err(why) => writeln!(screen, "  {why}")?,
        }
    }
}

fn yes(
    input: &mut impl BufRead,
    screen: &mut impl Write,
    question: &str,
    default: bool,
) -> io::Result<Option<bool>> {
    let question = format!("{question} [{}]? ", if default { "Y/n" } else { "y/N" });
    loop {
        let Some(line) = line(input, screen, &question)? else { return Ok(None) };
        match line.to_ascii_lowercase().as_str() {
            "" => return Ok(Some(default)),
            "y" | "yes" => return Ok(Some(true)),
            "n" | "no" => return Ok(Some(false)),
            _ => writeln!(screen, "  yes or no?")?,
        }
    }
}

fn line(input: &mut impl BufRead, screen: &mut impl Write, question: &str) -> io::Result<Option<String>> {
    write!(screen, "{question}")?;
    screen.flush()?;
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        writeln!(screen)?;
        return Ok(None);
    }
    Ok(Some(line.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_come_with_and_without_a_scheme() {
        let origin = |text: &str| text.parse::<Origin>().map(|origin| (origin.tls, origin.authority));
        assert_eq!(origin("192.168.56.5:8888"), Ok((false, "192.168.56.5:8888".to_owned())));
        assert_eq!(origin("HTTP://Host/"), Ok((false, "Host".to_owned())));
        assert_eq!(origin("https://[::1]:1"), Ok((true, "[::1]:1".to_owned())));
        for bad in
            ["", "http://", "a b", "a/b", "a:0", "a:x", "a:70000", "ws://a", "a\"b", "::1", "{HTTP_HOST}"]
        {
            assert!(origin(bad).is_err(), "{bad}");
        }
        assert!("a".parse::<Outbound>().is_err());
        assert_eq!("a:1=b".parse(), Ok(Outbound { from: "a:1".to_owned(), to: "b".to_owned() }));
    }

    #[test]
    fn the_dialog_asks_until_it_is_told() {
        let asked = |text: &str| {
            let mut screen = Vec::new();
            let answers = ask(&mut text.as_bytes(), &mut screen, To::Nginx, &mut None).unwrap();
            (answers, String::from_utf8(screen).unwrap())
        };
        let (answers, screen) = asked("no host!\nhost:1\n\nwhat\ny\n\nwww\n");
        let answers = answers.unwrap();
        assert_eq!(answers.origin.authority, "host:1");
        assert!(answers.offload && screen.contains("is not HOST") && screen.contains("yes or no?"));
        assert_eq!(answers.outbound, Some(Outbound { from: "host:1".to_owned(), to: "www".to_owned() }));
        let answers = asked("http://host\nn\n\n").0.unwrap();
        assert_eq!((answers.scheme(), answers.outbound), (Scheme::Clients, None));
        assert_eq!(asked("https://host\n\n").0.unwrap().scheme(), Scheme::Https);
        assert_eq!(asked("host\n").0, None);
    }
}
