//! Certificates made at the start of a run, and both ends of TLS for origins and clients.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, ServerConfig, ServerConnection,
    SignatureScheme, StreamOwned,
};
use std::fmt::Write as _;
use std::io;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// Names of the certificates; `ca` signs the others. Each is valid for NAME.test and *.NAME.test.
const NAMES: [&str; 4] = ["one", "two", "origin", "client"];

/// Keys, certificates and the configurations made of them.
#[derive(Debug)]
pub(crate) struct Material {
    folder: PathBuf,
    leaves: Vec<(&'static str, CertificateDer<'static>)>,
    server: Arc<ServerConfig>,
}

impl Material {
    /// Makes all certificates with openssl into `folder`.
    pub(crate) fn make(folder: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(folder).map_err(|e| e.to_string())?;
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -x509";
        openssl(folder, &format!("req {key} -keyout ca.key -out ca.pem -subj /CN=triglot-test-ca"))?;
        // As OpenSSL looks for issuers in folders.
        let mut asks = Command::new("openssl");
        asks.current_dir(folder).args(["x509", "-hash", "-noout", "-in", "ca.pem"]);
        let hash = asks.output().map_err(|e| format!("openssl: {e}"))?;
        let hash = String::from_utf8_lossy(&hash.stdout).trim().to_owned();
        std::fs::copy(folder.join("ca.pem"), folder.join(format!("{hash}.0"))).map_err(|e| e.to_string())?;
        for name in NAMES {
            let sign = "-CA ca.pem -CAkey ca.key -addext basicConstraints=critical,CA:FALSE";
            let names = format!("subjectAltName=DNS:{name}.test,DNS:*.{name}.test,IP:127.0.0.1");
            let files = format!("-keyout {name}.key -out {name}.pem -subj /CN={name}.test");
            openssl(folder, &format!("req {key} {sign} -addext {names} {files}"))?;
        }
        lists(folder)?;
        openssl(folder, "pkcs8 -topk8 -in client.key -out sealed.key -passout pass:secret")?;
        std::fs::write(folder.join("passwords"), "wrong\nsecret\n").map_err(|e| e.to_string())?;
        let chain = |name: &str| certificate(&folder.join(format!("{name}.pem")));
        let mut leaves = Vec::new();
        for name in NAMES {
            leaves.push((name, chain(name)?));
        }
        let mut roots = RootCertStore::empty();
        roots.add(chain("ca")?).map_err(|e| e.to_string())?;
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
            .allow_unauthenticated()
            .build()
            .map_err(|e| e.to_string())?;
        let server = ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![chain("origin")?], private_key(&folder.join("origin.key"))?)
            .map_err(|e| e.to_string())?;
        Ok(Self { folder: folder.to_path_buf(), leaves, server: Arc::new(server) })
    }

    /// Puts all files into the folder `to`.
    pub(crate) fn install(&self, to: &Path) -> io::Result<()> {
        std::fs::create_dir_all(to)?;
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
        Ok(())
    }

    /// The origin's end: the stream, and what the peer said in the handshake.
    pub(crate) fn accept(
        &self,
        mut socket: TcpStream,
    ) -> io::Result<(StreamOwned<ServerConnection, TcpStream>, String)> {
        let mut connection = ServerConnection::new(Arc::clone(&self.server)).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut socket)?;
        }
        let name = connection.server_name().unwrap_or("none").to_owned();
        let mut said = format!("sni={name}");
        if let Some([leaf, ..]) = connection.peer_certificates() {
            let _ = write!(said, " certificate={}", self.name(leaf));
        }
        Ok((StreamOwned::new(connection, socket), said))
    }

    /// What an origin that speaks HTTP/2 brings to a handshake.
    pub(crate) fn frames_server(&self) -> Arc<ServerConfig> {
        let mut config = ServerConfig::clone(&self.server);
        config.alpn_protocols = vec![b"h2".to_vec()];
        Arc::new(config)
    }

    /// A client's end: the stream, and the name of the certificate it was shown.
    pub(crate) fn connect(
        &self,
        mut socket: TcpStream,
        sni: &str,
        own: Option<&str>,
    ) -> Result<(StreamOwned<ClientConnection, TcpStream>, String), String> {
        let (config, name) = self.agree(sni, own, &[])?;
        let mut connection = ClientConnection::new(config, name).map_err(|e| e.to_string())?;
        while connection.is_handshaking() {
            connection.complete_io(&mut socket).map_err(|e| format!("handshake failed: {e}"))?;
        }
        let leaf = connection.peer_certificates().and_then(|chain| chain.first());
        let shown = leaf.map_or("none", |leaf| self.name(leaf)).to_owned();
        Ok((StreamOwned::new(connection, socket), shown))
    }

    /// What a client brings to a handshake, and the name it asks for.
    pub(crate) fn agree(
        &self,
        sni: &str,
        own: Option<&str>,
        protocols: &[&str],
    ) -> Result<(Arc<ClientConfig>, ServerName<'static>), String> {
        let builder =
            ClientConfig::builder().dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate));
        let mut config = match own {
            Some(own) => {
                let chain = vec![certificate(&self.folder.join(format!("{own}.pem")))?];
                let key = private_key(&self.folder.join(format!("{own}.key")))?;
                builder.with_client_auth_cert(chain, key).map_err(|e| e.to_string())?
            }
            None => builder.with_no_client_auth(),
        };
        let name = if sni.is_empty() { "127.0.0.1" } else { sni };
        let name = ServerName::try_from(name.to_owned()).map_err(|e| e.to_string())?;
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok((Arc::new(config), name))
    }

    fn name(&self, leaf: &CertificateDer<'_>) -> &'static str {
        self.leaves.iter().find(|(_, der)| der == leaf).map_or("unknown", |(name, _)| name)
    }
}

fn openssl(folder: &Path, line: &str) -> Result<(), String> {
    let output = Command::new("openssl")
        .current_dir(folder)
        .args(line.split(' '))
        .output()
        .map_err(|e| format!("openssl: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("openssl {line}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Lists of certificates that were revoked: `none.crl` has none, `origin.crl` that of the origin.
fn lists(folder: &Path) -> Result<(), String> {
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).map_err(|e| e.to_string());
    for (name, revoked) in [("none", ""), ("origin", "origin")] {
        write(&format!("{name}.index"), "")?;
        write(&format!("{name}.number"), "01\n")?;
        let config = format!(
            "[ca]\ndefault_ca=d\n[d]\ndatabase={name}.index\ncrlnumber={name}.number\ndefault_md=sha256\n\
             default_crl_days=30\ncrl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n"
        );
        write(&format!("{name}.cnf"), &config)?;
        let with = format!("ca -config {name}.cnf -keyfile ca.key -cert ca.pem");
        if !revoked.is_empty() {
            openssl(folder, &format!("{with} -revoke {revoked}.pem"))?;
        }
        openssl(folder, &format!("{with} -gencrl -out {name}.crl"))?;
    }
    Ok(())
}

fn certificate(path: &Path) -> Result<CertificateDer<'static>, String> {
    CertificateDer::from_pem_file(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Accepts whatever is shown: the certificate is compared, not trusted.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PSS_SHA384,
            SignatureScheme::RSA_PSS_SHA512,
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::RSA_PKCS1_SHA384,
            SignatureScheme::ED25519,
        ]
    }
}
