//! The status of a certificate as a responder tells it, shown in handshakes: `openssl ocsp` answers.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::subject::Prefix;
use crate::support::{ports, wait};

fn openssl(folder: &Path, arguments: &str) {
    let done = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
    let done = done.expect("openssl is installed");
    assert!(done.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A responder, until dropped.
struct Responder(Child);

impl Drop for Responder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A responder that `signer` signs for; `status` is V or R.
fn responder(folder: &Path, port: u16, status: char, signer: &str) -> Responder {
    let end = if status == 'R' { "200101000000Z" } else { "" };
    let index = format!("{status}\t491231235959Z\t{end}\t1001\tunknown\t/CN=one.test\n");
    fs::write(folder.join(format!("index{port}")), index).expect("it can be written");
    let arguments = format!(
        "ocsp -port {port} -index index{port} -CA ca.pem -rsigner {signer}.pem -rkey {signer}.key -nmin 10 -ignore_err"
    );
    let child = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is installed");
    Responder(child)
}

fn certificates(folder: &Path, responder: u16) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -x509";
    openssl(folder, &format!("req {key} -keyout ca.key -out ca.pem -subj /CN=an-authority"));
    openssl(folder, &format!("req {key} -keyout other.key -out other.pem -subj /CN=somebody-else"));
    let sign = "-CA ca.pem -CAkey ca.key -addext basicConstraints=critical,CA:FALSE";
    let usage = "-addext extendedKeyUsage=OCSPSigning";
    openssl(folder, &format!("req {key} {sign} {usage} -keyout signer.key -out signer.pem -subj /CN=signer"));
    let told = format!("-addext authorityInfoAccess=OCSP;URI:http://127.0.0.1:{responder}/");
    let files = "-set_serial 0x1001 -keyout one.key -out leaf.pem -subj /CN=one.test";
    openssl(folder, &format!("req {key} {sign} {told} {files}"));
    let [leaf, authority] =
        ["leaf.pem", "ca.pem"].map(|name| fs::read_to_string(folder.join(name)).expect("it is there"));
    fs::write(folder.join("one.pem"), leaf + &authority).expect("it can be written");
}

/// What a client is shown.
fn shown(port: u16) -> String {
    let client = Command::new("openssl")
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-status"])
        .stdin(Stdio::null())
        .output()
        .expect("openssl is installed");
    String::from_utf8_lossy(&client.stdout).into_owned()
}

#[test]
fn the_status_of_a_certificate_is_asked_for_and_shown() {
    let [named, configured, revoked, strict, lenient, dead] = [(); 6].map(|()| ports::free());
    let [to_named, to_configured, to_strict] = [(); 3].map(|()| ports::free());
    let server = |port: u16, text: &str| {
        format!(
            "server {{
                listen 127.0.0.1:{port} ssl;
                ssl_certificate one.pem;
                ssl_certificate_key one.key;
                ssl_stapling on;
                {text}
                return 200 ok;
            }}\n"
        )
    };
    let text = format!(
        "worker_processes 1;
        error_log logs/error.log info;
        events {{ }}
        http {{
            access_log off;
            {}{}{}{}{}{}
        }}
        ",
        server(named, ""),
        server(configured, &format!("ssl_stapling_responder http://127.0.0.1:{to_configured};")),
        server(revoked, &format!("ssl_stapling_responder http://127.0.0.1:{to_strict}/;")),
        server(
            strict,
            &format!(
                "ssl_stapling_verify on; ssl_trusted_certificate ca.pem; ssl_stapling_responder http://127.0.0.1:{to_named}/;"
            )
        ),
        server(
            lenient,
            &format!(
                "ssl_stapling_verify on; ssl_trusted_certificate ca.pem; ssl_stapling_responder http://127.0.0.1:{to_configured}/;"
            )
        ),
        server(dead, &format!("ssl_stapling_responder http://127.0.0.1:{};", ports::free())),
    );
    let prefix = Prefix::new("stapling", &text);
    let folder = prefix.path().join("conf");
    let folder = if folder.is_dir() { folder } else { prefix.path().to_path_buf() };
    certificates(&folder, to_named);
    // By a certificate that may sign answers, by one that may not, and one that says that the certificate is revoked.
    let _responders = [
        responder(&folder, to_named, 'V', "signer"),
        responder(&folder, to_configured, 'V', "other"),
        responder(&folder, to_strict, 'R', "signer"),
    ];
    std::thread::sleep(Duration::from_millis(500));
    let _server = prefix.serve();
    let successful = |port: u16| shown(port).contains("OCSP Response Status: successful");
    for port in [named, configured, strict] {
        wait::until("the status to be shown", wait::SOON, || successful(port).then_some(()));
    }
    let answer = shown(named);
    assert!(answer.contains("Cert Status: good") && answer.contains("Serial Number: 1001"), "{answer}");
    for port in [revoked, lenient, dead] {
        for _ in 0..2 {
            assert!(shown(port).contains("OCSP response: no response sent"), "{port}: nothing good to show");
        }
    }
}
