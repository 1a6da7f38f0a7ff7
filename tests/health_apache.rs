//! What `mod_proxy_hcheck` looks at: members that do not answer as they should are not used until they do.
//!
//! Runs on the real Apache with `SUBJECT=/usr/sbin/apache2`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "apps_support/ports.rs"]
mod ports;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

const MODULES: &str = "mpm_event authz_core alias dir proxy proxy_http proxy_balancer proxy_hcheck slotmem_shm \
    lbmethod_byrequests";

/// A server with two members that are hosts of its own; both go away with it.
struct Case {
    root: PathBuf,
    port: u16,
    server: Child,
}

impl Case {
    /// Starts with these directives of the balancer's host, in which `ONE` and `TWO` are the members.
    fn start(name: &str, text: &str) -> Self {
        let root = std::env::temp_dir().join(format!("triglot-health-{name}-{}", std::process::id()));
        let (port, one, two) = (ports::free(), ports::free(), ports::free());
        for member in ["one", "two"] {
            let folder = root.join(member);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("name"), member).unwrap();
            fs::write(folder.join("health"), "all is fine here").unwrap();
        }
        fs::create_dir_all(root.join("logs")).unwrap();
        fs::set_permissions(&root, fs::Permissions::from_mode(0o777)).unwrap();
        let path = root.display();
        let mut conf: String = MODULES
            .split_whitespace()
            .map(|module| format!("LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so\n"))
            .collect();
        conf.push_str(&format!(
            "ServerRoot {path}\nDefaultRuntimeDir {path}\nPidFile {path}/pid\nErrorLog {path}/error.log\n\
             ServerName health.test\nUser www-data\nGroup www-data\n\
             Listen 127.0.0.1:{port}\nListen 127.0.0.1:{one}\nListen 127.0.0.1:{two}\n\
             <VirtualHost *:{one}>\nDocumentRoot {path}/one\n</VirtualHost>\n\
             <VirtualHost *:{two}>\nDocumentRoot {path}/two\n</VirtualHost>\n\
             <VirtualHost *:{port}>\n{}\n</VirtualHost>\n",
            text.replace("ONE", &format!("http://127.0.0.1:{one}"))
                .replace("TWO", &format!("http://127.0.0.1:{two}"))
        ));
        let file = root.join("httpd.conf");
        fs::write(&file, conf).unwrap();
        let mut command = match std::env::var_os("SUBJECT") {
            Some(path) => Command::new(path),
            None => Command::new(env!("CARGO_BIN_EXE_triglot")),
        };
        if std::env::var_os("SUBJECT").is_none() {
            command.arg("httpd");
        } else {
            command.arg0("apache2");
        }
        command.arg("-f").arg(&file).arg("-DFOREGROUND");
        let server = command.stdin(Stdio::null()).spawn().unwrap();
        let case = Self { root, port, server };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < PATIENCE, "it does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        case
    }

    /// Who answers one request.
    fn who(&self) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"GET /name HTTP/1.1\r\nHost: health.test\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer.rsplit("\r\n\r\n").next().unwrap_or_default().to_owned()
    }

    /// Whether the members are used: the first, the second.
    fn used(&self) -> (bool, bool) {
        let answers: Vec<String> = (0..8).map(|_| self.who()).collect();
        (answers.iter().any(|name| name == "one"), answers.iter().any(|name| name == "two"))
    }

    #[track_caller]
    fn wait_for(&self, used: (bool, bool)) {
        let began = Instant::now();
        while self.used() != used {
            assert!(began.elapsed() < PATIENCE, "members are not used as {used:?}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.root.join(file), text).unwrap();
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg("-TERM").arg(self.server.id().to_string()).status();
        let _ = self.server.wait();
        let _ = fs::remove_dir_all(&self.root);
    }
}

#[test]
fn an_expression_says_who_is_well() {
    let case = Case::start(
        "expression",
        "ProxyHCExpr fine {%{REQUEST_STATUS} =~ /^2/ && hc('body') =~ /fine/ && resp('Content-Length') -gt 3}
        ProxyHCTemplate often hcmethod=GET hcuri=/health hcinterval=100ms hcfails=2 hcexpr=fine
        <Proxy balancer://group>
            BalancerMember ONE hctemplate=often
            BalancerMember TWO hctemplate=often hcpasses=2
        </Proxy>
        ProxyPass / balancer://group/",
    );
    case.wait_for((true, true));
    fs::remove_file(case.root.join("two/health")).unwrap();
    case.wait_for((true, false));
    case.write("two/health", "it is ill");
    thread::sleep(Duration::from_secs(1));
    assert_eq!(case.used(), (true, false));
    case.write("two/health", "fine again");
    case.wait_for((true, true));
}

#[test]
fn without_an_expression_the_status_counts_and_without_a_method_nobody_looks() {
    let case = Case::start(
        "status",
        "<Proxy balancer://group>
            BalancerMember ONE hcinterval=100ms hcuri=/health
            BalancerMember TWO hcinterval=100ms hcuri=/health hcmethod=HEAD
        </Proxy>
        ProxyPass / balancer://group/",
    );
    case.wait_for((true, true));
    fs::remove_file(case.root.join("one/health")).unwrap();
    fs::remove_file(case.root.join("two/health")).unwrap();
    case.wait_for((true, false));
    thread::sleep(Duration::from_millis(500));
    assert_eq!(case.used(), (true, false));
    case.write("two/health", "back");
    case.wait_for((true, true));
}
