//! Apache and triglot on one configuration of many virtual hosts, each with a folder of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::apache::{FILES, FOLDERS, Host};
use crate::both::Both;
use crate::ports;

/// The real server.
pub(crate) const ORACLE: &str = "/usr/sbin/apache2";

const MODULES: &str = "mpm_event access_compat alias auth_basic authn_core authz_core authz_host authz_user autoindex \
    dir env filter headers mime proxy proxy_http rewrite setenvif";

/// The hosts of one seed: their folders, and a port for each server.
pub(crate) struct Place {
    path: PathBuf,
    ports: [u16; 2],
}

impl Place {
    /// Makes the folders of these hosts.
    pub(crate) fn new(name: &str, hosts: &[Host]) -> Self {
        let path = std::env::temp_dir().join(format!("triglot-alike-{name}-{}", std::process::id()));
        fs::create_dir_all(path.join("logs")).unwrap();
        for host in hosts {
            for folder in FOLDERS {
                let below = path.join(format!("s{}", host.number)).join(folder);
                fs::create_dir_all(&below).unwrap();
                for file in FILES {
                    fs::write(below.join(file), format!("{folder}{file}\n")).unwrap();
                }
            }
            for (folder, text) in &host.files {
                let file = path.join(format!("s{}", host.number)).join(folder).join(".htaccess");
                fs::write(file, text).unwrap();
            }
        }
        for folder in [path.clone(), path.join("logs")] {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
        }
        Self { path, ports: [ports::free(), ports::free()] }
    }

    fn write(&self, name: &str, port: u16, hosts: &[Host]) -> PathBuf {
        let path = self.path.display();
        let mut text: String = MODULES
            .split_whitespace()
            .map(|module| format!("LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so\n"))
            .collect();
        text.push_str(&format!(
            "ServerRoot {path}\nDefaultRuntimeDir {path}/logs\nPidFile {path}/logs/{name}.pid\n\
             ErrorLog {path}/logs/{name}.log\nServerName main.test\nServerTokens Prod\nUser www-data\nGroup www-data\n\
             TypesConfig /etc/mime.types\nListen 127.0.0.1:{port}\nStartServers 1\nServerLimit 1\nThreadsPerChild 8\n\
             MaxRequestWorkers 8\nMinSpareThreads 1\nMaxSpareThreads 8\n"
        ));
        for host in hosts {
            text.push_str(&host.text(&self.path.join(format!("s{}", host.number)).display().to_string()));
        }
        let file = self.path.join(format!("{name}.conf"));
        fs::write(&file, text).unwrap();
        file
    }

    /// Leaves out the hosts that Apache refuses.
    pub(crate) fn leave_out_refused(&self, hosts: &mut Vec<Host>) {
        loop {
            let file = self.write("try", self.ports[0], hosts);
            let output = Command::new(ORACLE).arg("-t").arg("-f").arg(&file).output().unwrap();
            if output.status.success() {
                return;
            }
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let line =
                said.split("on line ").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse().ok());
            let line: usize = line.unwrap_or_else(|| panic!("Apache refuses and names no line: {said}"));
            let text = fs::read_to_string(&file).unwrap();
            let index = text.lines().take(line).filter(|line| line.starts_with("<VirtualHost")).count();
            assert!(index > 0, "line {line} is in no host: {said}");
            hosts.remove(index - 1);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Both servers, started on the same text.
pub(crate) fn start(place: &Place, hosts: &[Host]) -> Both {
    let file = |index: usize, name: &str| place.write(name, place.ports[index], hosts);
    let mut apache = Command::new(ORACLE);
    apache.arg0("apache2").arg("-f").arg(file(0, "apache")).arg("-DFOREGROUND");
    let mut triglot = Command::new(env!("CARGO_BIN_EXE_triglot"));
    triglot.args(["httpd", "-f"]).arg(file(1, "triglot")).arg("-DFOREGROUND");
    Both::start(&place.path, ["apache", "triglot"], place.ports, [&mut apache, &mut triglot], normal)
}

/// An answer with its fields in alphabetical order, without what differs by nature.
fn normal(answer: &[u8], port: u16) -> String {
    let text = answer.escape_ascii().to_string().replace("\\r\\n", "\n").replace("\\n", "\n");
    let text = text.replace(&port.to_string(), "PORT");
    let (head, content) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let first = lines.next().unwrap_or_default().to_owned();
    let mut fields: Vec<String> = lines
        .map(|line| match line.split_once(": ") {
            Some((name @ ("Date" | "Expires"), _)) => name.to_owned(),
            // The order in which conditions were looked at.
            Some(("Vary", names)) => {
                let mut names: Vec<_> = names.split(',').collect();
                names.sort_unstable();
                format!("Vary: {}", names.join(","))
            }
            _ => line.to_owned(),
        })
        .collect();
    fields.sort();
    format!("{first}\n{}\n\n{content}", fields.join("\n"))
}
