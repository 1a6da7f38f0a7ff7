//! Being called httpd, apache2 or apachectl: options, what is said and where, exit statuses, the pid file, signals.
//!
//! Runs on the real Apache with `SUBJECT=/usr/sbin/apache2`; the texts are its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "apps_support/ports.rs"]
mod ports;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// The subject's command line, up to where Apache's options begin.
fn command() -> Command {
    if let Some(path) = std::env::var_os("SUBJECT") {
        let mut command = Command::new(path);
        command.arg0("apache2");
        return command;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_triglot"));
    command.arg("httpd");
    command
}

/// A server root with a configuration, which goes away with its value.
struct Root(PathBuf);

impl Root {
    fn new(text: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("triglot-cli-apache-{}-{number}", std::process::id()));
        fs::create_dir_all(folder.join("logs")).unwrap();
        fs::create_dir_all(folder.join("htdocs")).unwrap();
        let root = Self(folder);
        root.write("httpd.conf", &format!("{}{text}", root.head()));
        root
    }

    /// What every configuration begins with: eight lines.
    fn head(&self) -> String {
        let root = self.0.display();
        let modules = "/usr/lib/apache2/modules";
        format!(
            "ServerRoot {root}\nPidFile {root}/httpd.pid\nLoadModule mpm_event_module {modules}/mod_mpm_event.so\n\
             LoadModule authz_core_module {modules}/mod_authz_core.so\n\
             LoadModule alias_module {modules}/mod_alias.so\nLoadModule macro_module {modules}/mod_macro.so\n\
             ServerName main.test\nDocumentRoot {root}/htdocs\n"
        )
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command();
        command.arg("-f").arg(self.0.join("httpd.conf")).args(arguments);
        command.env_remove("APACHE_LOG_DIR").env("NO_COLOR", "1");
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap(), &format!("{}/", self.0.display()))
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // A test that failed may have left a server behind, which nobody waits for.
        let pid = fs::read_to_string(self.0.join("httpd.pid")).unwrap_or_default();
        let line = fs::read(format!("/proc/{}/cmdline", pid.trim())).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(&*self.0.to_string_lossy()) {
            let _ = Command::new("kill").args(["-TERM", pid.trim()]).status();
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a run said; the root's name is taken out.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn of(output: Output, root: &str) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).replace(root, "");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The first lines of standard error that are no warnings.
    fn complaint(&self, lines: usize) -> String {
        let lines: Vec<_> = self.err.lines().filter(|line| !line.contains(":warn]")).take(lines).collect();
        lines.join("\n")
    }
}

fn bare(arguments: &[&str]) -> Ran {
    Ran::of(command().args(arguments).output().unwrap(), "")
}

#[test]
fn questions_are_answered_without_a_configuration() {
    let version = bare(&["-v"]);
    assert_eq!(version.code, Some(0));
    assert!(version.out.starts_with("Server version: Apache/2.4.71 ("), "{version:?}");
    let build = bare(&["-V"]);
    assert!(build.out.contains(" -D HTTPD_ROOT=\"/etc/apache2\"\n"), "{build:?}");
    assert!(build.out.contains("Server MPM:     "), "{build:?}");
    let built_in = "Compiled in modules:\n  core.c\n  mod_so.c\n  mod_watchdog.c\n  http_core.c\n  \
                    mod_log_config.c\n  mod_logio.c\n  mod_version.c\n  mod_unixd.c\n";
    assert_eq!(bare(&["-l"]).out, built_in);
    let help = bare(&["-h"]);
    assert_eq!((help.code, help.out.as_str()), (Some(1), ""));
    assert!(
        help.err.starts_with("Usage: apache2 [-D name] [-d directory] [-f file]\n               [-C"),
        "{help:?}"
    );
    assert!(help.err.ends_with("debug mode (only one worker, do not detach)\n"), "{help:?}");
}

#[test]
fn wrong_options_bring_the_usage() {
    let table: [(&[&str], &str); 6] = [
        (&["-z"], "apache2: illegal option -- z"),
        (&["-f"], "apache2: option requires an argument -- f"),
        (&["-k", "foo"], "apache2: illegal option -- k"),
        (&["-e", "bogus"], "Usage: apache2 [-D name] [-d directory] [-f file]"),
        (&["extra"], "Usage: apache2 [-D name] [-d directory] [-f file]"),
        (
            &["-t", "-f", "/nope"],
            "apache2: Could not open configuration file /nope: No such file or directory",
        ),
    ];
    for (arguments, first) in table {
        let ran = bare(arguments);
        assert_eq!((ran.code, ran.err.lines().next()), (Some(1), Some(first)), "{arguments:?}");
        assert_eq!(ran.out, "");
    }
}

#[test]
fn a_good_configuration_is_ok() {
    let root = Root::new("Listen 127.0.0.1:8080\n");
    for arguments in [&["-t"][..], &["-T", "-t"], &["-t", "-DFOO", "-C", "Define X"], &["-tc", "Define Y"]] {
        let ran = root.run(arguments);
        assert_eq!(
            (ran.code, ran.out.as_str(), ran.complaint(1).as_str()),
            (Some(0), "", "Syntax OK"),
            "{arguments:?}"
        );
    }
}

/// Mistakes that are found while reading, and those that are found when everything is read.
#[test]
fn the_first_mistake_is_said_as_apache_says_it() {
    let unknown = |name: &str| {
        format!(
            "Invalid command '{name}', perhaps misspelled or defined by a module not included in the server configuration"
        )
    };
    let table: [(&str, String); 14] = [
        ("Bogus on", format!("AH00526: Syntax error on line 9 of httpd.conf:\n{}", unknown("Bogus"))),
        ("Listen 80 \\\nb c", "AH00526: Syntax error on line 10 of httpd.conf:\nListen requires 1 or 2 arguments.".into()),
        ("AliasMatch a", "AH00526: Syntax error on line 9 of httpd.conf:\nAliasMatch takes two arguments".into()),
        ("<Location /a>\nListen 80\n</Location>", "AH00526: Syntax error on line 10 of httpd.conf:\nListen not allowed in <Location> context".into()),
        ("<VirtualHost *:80>\nListen 80\n</VirtualHost>", "AH00526: Syntax error on line 10 of httpd.conf:\nListen cannot occur within <VirtualHost> section".into()),
        ("AllowOverride None", "AH00526: Syntax error on line 9 of httpd.conf:\nAllowOverride not allowed here".into()),
        ("<Directory /x\n</Directory>", "AH00526: Syntax error on line 9 of httpd.conf:\n<Directory> directive missing closing '>'".into()),
        ("<Directory>\n</Directory>", "AH00526: Syntax error on line 9 of httpd.conf:\n<Directory> directive requires additional arguments".into()),
        ("Bogus\n<Location /a>\n</Directory>", "apache2: Syntax error on line 11 of httpd.conf: Expected </Location> but saw </Directory>".into()),
        ("Bogus\nInclude nope", "apache2: Syntax error on line 10 of httpd.conf: Could not open configuration file nope: No such file or directory".into()),
        ("Include inc/*.conf", "apache2: Syntax error on line 9 of httpd.conf: Syntax error on line 2 of inc/a.conf: unrecognized operator 'foo'".into()),
        ("Use Nope", "apache2: Syntax error on line 9 of httpd.conf: no macro defined before Use".into()),
        ("<Macro m $x>\n\n$x\n</Macro>\nUse m Bogus", format!(
            "AH00526: Syntax error on line 2 of macro 'm' (defined on line 9 of \"httpd.conf\") used on line 13 of \"httpd.conf\":\n{}", unknown("Bogus"))),
        ("<IfModule mod_alias.c>\n<IfDefine X>\nBogus\n</IfDefine>\nAlias /a\n</IfModule>\nError stop here",
         "AH00526: Syntax error on line 15 of httpd.conf:\nstop here".into()),
    ];
    for (text, expected) in table {
        // Alias alone is a mistake that its own reader finds.
        let text = text.replace("Alias /a\n", "Alias /a /b\n");
        let root = Root::new(&text);
        root.write("inc/a.conf", "# a\n<IfVersion foo 2.4>\n</IfVersion>\n");
        let ran = root.run(&["-t"]);
        let complaint = ran.complaint(expected.lines().count());
        // The real one also says what the directive is for.
        assert!(complaint.starts_with(&expected), "{text}\n{ran:#?}");
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{text}");
    }
}

#[test]
fn directives_of_the_command_line_have_no_file() {
    let root = Root::new("Listen 127.0.0.1:8080\n");
    for option in ["-c", "-C"] {
        let ran = root.run(&["-t", option, "Bogus"]);
        assert_eq!(ran.complaint(1), "AH00526: Syntax error on line 1 of -c/-C directives:", "{option}");
    }
}

#[test]
fn virtual_hosts_are_listed() {
    let root = Root::new("Listen 127.0.0.1:8080\nInclude inc/a.conf\n");
    root.write(
        "inc/a.conf",
        "<VirtualHost *:8080>\nServerName a.test\nServerAlias c.test *.d.test\n</VirtualHost>\n<VirtualHost *:8080>\n\
         ServerName b.test:99\n</VirtualHost>\n<VirtualHost 127.0.0.1:8081>\nServerName one.test\n</VirtualHost>\n\
         <VirtualHost _default_:*>\n</VirtualHost>\n<VirtualHost 127.0.0.2:8081 127.0.0.3:8081>\nServerName two.test\n\
         </VirtualHost>\n",
    );
    let expected = "\
VirtualHost configuration:
127.0.0.3:8081         two.test (inc/a.conf:13)
127.0.0.2:8081         two.test (inc/a.conf:13)
127.0.0.1:8081         one.test (inc/a.conf:8)
*:8080                 is a NameVirtualHost
         default server a.test (inc/a.conf:1)
         port 8080 namevhost a.test (inc/a.conf:1)
                 alias c.test
                 wild alias *.d.test
         port 8080 namevhost b.test (inc/a.conf:5)
*:*                    main.test (inc/a.conf:11)
";
    let ran = root.run(&["-S"]);
    let end = ran.out.find("ServerRoot").unwrap_or(ran.out.len());
    let listed = &ran.out[..end];
    assert_eq!((ran.code, listed), (Some(0), expected), "{ran:?}");
    let root_line = format!("ServerRoot: \"{}\"", root.path().display());
    for line in [
        root_line.as_str(),
        "Main DocumentRoot: \"htdocs\"",
        "PidFile: \"httpd.pid\"",
        "Define: DUMP_RUN_CFG",
    ] {
        assert!(ran.out.lines().any(|one| one == line), "no `{line}` in {}", ran.out);
    }
}

#[test]
fn modules_and_files_are_listed() {
    let root = Root::new("Listen 127.0.0.1:8080\n<IfModule mod_alias.c>\nInclude inc/*.conf\n</IfModule>\n");
    root.write("inc/a.conf", "Include inc/b.inc\n");
    root.write("inc/b.inc", "# b\n");
    let modules = root.run(&["-M"]);
    let expected = "Loaded Modules:\n core_module (static)\n so_module (static)\n watchdog_module (static)\n \
                    http_module (static)\n log_config_module (static)\n logio_module (static)\n version_module \
                    (static)\n unixd_module (static)\n mpm_event_module (shared)\n authz_core_module (shared)\n \
                    alias_module (shared)\n macro_module (shared)\n";
    assert_eq!((modules.code, modules.out.as_str()), (Some(0), expected));
    let files = root.run(&["-t", "-D", "DUMP_INCLUDES"]);
    let expected =
        "Included configuration files:\n  (*) httpd.conf\n    (11) inc/a.conf\n      (1) inc/b.inc\n";
    assert_eq!((files.code, files.out.as_str()), (Some(0), expected));
}

/// Whether a request is answered.
fn answered(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: main.test\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer.starts_with(b"HTTP/1.1 "))
    };
    ask().unwrap_or(false)
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(20), "waited for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A server in the foreground, which is killed with its value.
struct Server(Child);

impl Server {
    fn start(root: &Root) -> Self {
        let mut command = root.command(&["-DFOREGROUND"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until("the pid file", || root.path().join("httpd.pid").exists());
        Self(child)
    }

    fn ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_server_is_controlled_by_its_pid_file() {
    let port = ports::free();
    let root = Root::new(&format!("Listen 127.0.0.1:{port}\n"));
    let idle = root.run(&["-k", "stop"]);
    assert_eq!((idle.code, idle.out.as_str()), (Some(0), "httpd (no pid file) not running\n"));

    let mut server = Server::start(&root);
    let pid = fs::read_to_string(root.path().join("httpd.pid")).unwrap();
    assert_eq!(pid, format!("{}\n", server.0.id()));
    assert!(answered(port));
    let again = root.run(&["-k", "start"]);
    assert_eq!((again.code, again.out), (Some(0), format!("httpd (pid {}) already running\n", pid.trim())));

    // What is wrong is said, and the server does not notice.
    let good = fs::read_to_string(root.path().join("httpd.conf")).unwrap();
    root.write("httpd.conf", &format!("{good}Bogus\n"));
    assert_eq!(root.run(&["-k", "graceful"]).code, Some(1));
    assert!(answered(port));

    let other = ports::free();
    root.write("httpd.conf", &format!("{good}Listen 127.0.0.1:{other}\n"));
    assert_eq!(root.run(&["-k", "graceful"]).code, Some(0));
    wait_until("the new port", || answered(other));
    assert_eq!(fs::read_to_string(root.path().join("httpd.pid")).unwrap(), pid);

    assert_eq!(root.run(&["-k", "stop"]).code, Some(0));
    wait_until("the end", || server.ended());
    assert!(!root.path().join("httpd.pid").exists());
}

#[test]
fn a_graceful_restart_loses_nothing() {
    let port = ports::free();
    let root = Root::new(&format!("Listen 127.0.0.1:{port}\n"));
    let mut server = Server::start(&root);
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                let (mut asked, mut lost) = (0, 0);
                while !stop.load(Ordering::Relaxed) {
                    asked += 1;
                    lost += i32::from(!answered(port));
                }
                (asked, lost)
            })
        })
        .collect();
    for _ in 0..3 {
        thread::sleep(Duration::from_millis(150));
        assert_eq!(root.run(&["-k", "graceful"]).code, Some(0));
    }
    thread::sleep(Duration::from_millis(300));
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        let (asked, lost) = client.join().unwrap();
        assert!(asked > 5 && lost == 0, "{lost} of {asked} were lost");
    }
    assert_eq!(root.run(&["-k", "graceful-stop"]).code, Some(0));
    wait_until("the end", || server.ended());
}

#[test]
fn it_goes_to_the_background() {
    let port = ports::free();
    let root = Root::new(&format!("Listen 127.0.0.1:{port}\n"));
    assert_eq!(root.run(&["-k", "start"]).code, Some(0));
    wait_until("an answer", || answered(port));
    assert_eq!(root.run(&["-k", "restart"]).code, Some(0));
    wait_until("an answer", || answered(port));
    assert_eq!(root.run(&["-k", "stop"]).code, Some(0));
    wait_until("the end", || !root.path().join("httpd.pid").exists());
}

#[test]
fn a_missing_server_is_started_by_a_restart() {
    let port = ports::free();
    let root = Root::new(&format!("Listen 127.0.0.1:{port}\n"));
    let ran = root.run(&["-k", "graceful"]);
    assert_eq!(ran.code, Some(0));
    // The real one reads its configuration twice and says it twice.
    assert!(ran.out.starts_with("httpd not running, trying to start\n"), "{ran:?}");
    wait_until("an answer", || answered(port));
    assert_eq!(root.run(&["-k", "stop"]).code, Some(0));
}
