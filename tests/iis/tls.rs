//! https bindings: certificates by name, clients with and without one, what a site says over https.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::support::{Folder, Origin, Server, get, port, say};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/engine/tls/testdata");

/// What a server answers over TLS, with what is told of the handshake.
fn ask(port: u16, name: &str, path: &str, more: &[&str]) -> String {
    let mut child = Command::new("openssl")
        .args(["s_client", "-quiet", "-servername", name, "-connect", &format!("127.0.0.1:{port}")])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
    let _ = child.stdin.as_mut().unwrap().write_all(request.as_bytes());
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).into_owned()
}

fn openssl(folder: &Path, arguments: &str) {
    let done = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(done.unwrap().success(), "{arguments}");
}

fn site(folder: &Folder, http: u16, https: u16, flags: &str) -> std::path::PathBuf {
    folder.write("www/index.html", "here");
    folder.write("www/secret/index.html", "secret");
    folder.write(
        "applicationHost.config",
        format!(
            r#"<configuration><system.applicationHost><sites>
            <site name="A" id="1"><application path="/"><virtualDirectory path="/" physicalPath="{0}/www" /></application><bindings>
              <binding protocol="http" bindingInformation="*:{http}:" />
              <binding protocol="https" bindingInformation="*:{https}:a.one.test" sslFlags="1" certificateHash="00" />
              <binding protocol="https" bindingInformation="*:{https}:a.two.test" sslFlags="33" />
            </bindings></site>
            <siteDefaults><hsts enabled="true" max-age="300" includeSubDomains="true" redirectHttpToHttps="true" /></siteDefaults>
            </sites></system.applicationHost>
            <location path="A/secret"><system.webServer><security><access sslFlags="{flags}" /></security></system.webServer></location>
            <system.webServer><defaultDocument><files><clear /><add value="index.html" /></files></defaultDocument>
              <staticContent><mimeMap fileExtension=".html" mimeType="text/html" /></staticContent></system.webServer></configuration>"#,
            folder.0.display()
        ),
    )
}

#[test]
fn each_name_has_its_certificate_and_http_is_sent_to_https() {
    let (http, https, folder) = (port(), port(), Folder::new());
    let file = site(&folder, http, https, "Ssl");
    let given = |name: &str, of: &str| format!("{name}{DATA}/{of}.pem,{DATA}/{of}.key");
    let (one, two) = (given("a.one.test=", "one"), given(&format!("*:{https}:a.two.test="), "two"));
    let server = Server::start(&file, &["--certificate", &one, "--certificate", &two], http);
    for (name, subject) in [("a.one.test", "CN = one.test"), ("a.two.test", "CN = two.test")] {
        let said = ask(https, name, "/secret/", &[]);
        assert!(said.contains(subject) && said.contains("200 OK") && said.ends_with("secret"), "{said}");
        assert!(said.contains("Strict-Transport-Security: max-age=300; includeSubDomains\r\n"), "{said}");
    }
    assert!(server.said().contains("TLS 1.3 is offered at this binding"), "{}", server.said());
    // A name that no binding has gets no handshake.
    assert!(!ask(https, "other.test", "/", &[]).contains("HTTP/1.1"), "{}", server.said());
    let moved = get(http, "/x?y", "");
    assert_eq!((moved.status, moved.field("Location")), (307, Some("https://a.test/x?y")));
}

#[test]
fn a_binding_without_a_certificate_is_refused_with_the_option_to_give_one() {
    let (http, https, folder) = (port(), port(), Folder::new());
    let file = site(&folder, http, https, "None");
    let output = Command::new(env!("CARGO_BIN_EXE_triglot")).arg("run").arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("no-certificate"), "{said}");
    assert!(
        said.contains(&format!("--certificate \"*:{https}:a.one.test=a.one.test.pem,a.one.test.key\"")),
        "{said}"
    );
}

#[test]
fn clients_are_asked_for_certificates() {
    let (http, https, folder) = (port(), port(), Folder::new());
    let file = site(&folder, http, https, "Ssl, SslNegotiateCert, SslRequireCert");
    openssl(&folder.0, "req -newkey rsa:2048 -nodes -days 2 -x509 -keyout ca.key -out ca.pem -subj /CN=ca");
    let own = "-keyout me.key -out me.pem -subj /CN=me -CA ca.pem -CAkey ca.key";
    openssl(
        &folder.0,
        &format!(
            "req -newkey rsa:2048 -nodes -days 2 -x509 {own} -addext basicConstraints=critical,CA:FALSE"
        ),
    );
    let all = format!("{DATA}/one.pem,{DATA}/one.key");
    let authority = folder.0.join("ca.pem").display().to_string();
    let _server = Server::start(&file, &["--certificate", &all, "--client-ca", &authority], http);
    let said = ask(https, "a.one.test", "/secret/", &[]);
    assert!(said.contains("403 Forbidden"), "{said}");
    assert!(ask(https, "a.one.test", "/", &[]).contains("200 OK"));
    let (key, own) =
        (folder.0.join("me.key").display().to_string(), folder.0.join("me.pem").display().to_string());
    let said = ask(https, "a.one.test", "/secret/", &["-cert", &own, "-key", &key]);
    assert!(said.contains("200 OK") && said.ends_with("secret"), "{said}");
}

/// `GetHeaders` of ANCM's forwarder, which is ARR's: the certificate in Base64 where there is one, else no such field.
#[test]
fn the_server_behind_is_told_the_certificate_of_a_client() {
    let (http, https, folder) = (port(), port(), Folder::new());
    openssl(&folder.0, "req -newkey rsa:2048 -nodes -days 2 -x509 -keyout ca.key -out ca.pem -subj /CN=ca");
    let answer = |head: &str, stream: &mut std::net::TcpStream| {
        let told = head.lines().filter(|line| line.to_ascii_lowercase().starts_with("x-arr-clientcert"));
        say(stream, "200 OK", "", &format!("told {}", told.collect::<Vec<_>>().join("|")));
    };
    let origin = Origin::start("127.0.0.1", 0, Arc::new(answer));
    let file = folder.write(
        "applicationHost.config",
        format!(
            r#"<configuration><system.applicationHost><sites>
            <site name="A" id="1"><application path="/"><virtualDirectory path="/" physicalPath="{0}" /></application><bindings>
              <binding protocol="http" bindingInformation="*:{http}:" />
              <binding protocol="https" bindingInformation="*:{https}:" />
            </bindings></site></sites></system.applicationHost>
            <location path="A"><system.webServer><security><access sslFlags="SslNegotiateCert" /></security></system.webServer></location>
            <system.webServer><proxy enabled="true" /><rewrite><globalRules>
              <rule name="told"><match url="^told$" /><action type="CustomResponse" statusCode="200" statusDescription="{{CERT_FLAGS}} {{CERT_SUBJECT}} {{CERT_ISSUER}} [{{CERT_SERIALNUMBER}}] {{CRYPT_PROTOCOL}} {{HTTPS_KEYSIZE}} {{HTTPS}} {{SERVER_PORT_SECURE}}" /></rule>
              <rule name="all"><match url=".*" />
              <action type="Rewrite" url="http://127.0.0.1:{1}/{{R:0}}" /></rule></globalRules></rewrite></system.webServer></configuration>"#,
            folder.0.display(),
            origin.port
        ),
    );
    let all = format!("{DATA}/one.pem,{DATA}/one.key");
    let authority = folder.0.join("ca.pem").display().to_string();
    let _server = Server::start(&file, &["--certificate", &all, "--client-ca", &authority], http);
    // What a client says of itself is not passed on.
    assert!(get(http, "/", "X-ARR-ClientCert: MIIB\r\n").text().ends_with("told "));
    let said = ask(https, "a.one.test", "/", &[]);
    assert!(said.ends_with("told "), "{said}");
    let (key, own) =
        (folder.0.join("ca.key").display().to_string(), folder.0.join("ca.pem").display().to_string());
    let said = ask(https, "a.one.test", "/", &["-cert", &own, "-key", &key]);
    let pem = std::fs::read_to_string(&own).unwrap();
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    assert!(said.ends_with(&format!("told X-ARR-ClientCert: {base64}")), "{said}");
    let said = ask(https, "a.one.test", "/told", &["-cert", &own, "-key", &key]);
    assert!(said.contains("1 CN=ca CN=ca [") && said.ends_with("] 1000 256 on 1"), "{said}");
    let said = ask(https, "a.one.test", "/told", &["-tls1_2"]);
    assert!(said.ends_with("0   [] 400 256 on 1"), "{said}");
}
