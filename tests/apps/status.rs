//! The status page of a virtual host's server, as monitoring programs ask for it. With
//! `SUBJECT_HTTPD=/usr/sbin/apache2` the same is asked of the original.

use std::process::Command;

use crate::support::http::get;
use crate::support::ports;
use crate::support::process::Process;
use crate::support::scratch::Scratch;

#[test]
fn programs_read_lines_and_people_a_page() {
    let scratch = Scratch::new("server-status");
    let prefix = scratch.path().display().to_string();
    let port = ports::free();
    let text = format!(
        "ServerRoot {prefix}\nPidFile {prefix}/pid\nErrorLog {prefix}/error.log\nListen 127.0.0.1:{port}\n\
         ServerName status.test\nExtendedStatus On\n<Location /server-status>\nSetHandler server-status\n\
         Require local\n</Location>\n<Location /closed>\nSetHandler server-status\nRequire ip 192.0.2.1\n</Location>\n"
    );
    let mut command;
    if let Some(original) = std::env::var_os("SUBJECT_HTTPD") {
        let modules = ["mpm_event", "authz_core", "authz_host", "status"];
        let load = |module| format!("LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so\n");
        let modules: String = modules.into_iter().map(load).collect();
        let around = format!("{modules}DefaultRuntimeDir {prefix}\nUser www-data\n");
        let file = scratch.write("httpd.conf", format!("{around}{text}"));
        command = Command::new(original);
        command.arg("-f").arg(file).arg("-DFOREGROUND");
    } else {
        let file = scratch.write("httpd.conf", text);
        command = Command::new(env!("CARGO_BIN_EXE_triglot"));
        command.args(["run", "--dialect", "apache"]).arg(file);
    }
    let _subject = Process::start("subject", &mut command, scratch.path()).listening(port);

    let lines = get(port, "/server-status?auto");
    assert_eq!((lines.status, lines.field("Content-Type")), (200, Some("text/plain; charset=ISO-8859-1")));
    let text = lines.text();
    let value = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned());
        found.unwrap_or_else(|| panic!("no {name} in\n{text}"))
    };
    for name in
        ["ServerUptimeSeconds", "Uptime", "IdleWorkers", "ConnsTotal", "ConnsAsyncKeepAlive", "Processes"]
    {
        assert!(value(name).parse::<u64>().is_ok(), "{name}: {}", value(name));
    }
    for name in ["Load1", "Load5", "Load15"] {
        assert!(value(name).parse::<f64>().is_ok(), "{name}: {}", value(name));
    }
    assert!(value("Total Accesses").parse::<u64>().is_ok());
    assert!(value("BusyWorkers").parse::<u64>().is_ok());
    assert!(value("Scoreboard").contains('_'));
    assert!(value("ServerVersion").starts_with("Apache/"));

    let page = get(port, "/server-status?refresh=7");
    assert_eq!((page.status, page.field("Content-Type")), (200, Some("text/html; charset=ISO-8859-1")));
    assert_eq!(page.field("Refresh"), Some("7"));
    assert!(page.text().contains("<h1>Apache Server Status for "), "{}", page.text());
    assert_eq!(get(port, "/closed?auto").status, 403);
}
