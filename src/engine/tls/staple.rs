//! What responders say of our certificates (RFC 6066 § 8), asked for beside all handshakes.
//!
//! As in nginx: the question goes to the responder that is configured, else to the one that the certificate names; an
//! answer that does not say that the certificate is good is not shown. A good one is shown for an hour, or as long as
//! it holds, and asked for again; one that failed after five minutes. A handshake never waits: until there is an answer
//! none is shown, which is what clients that ask for it put up with.
//!
//! Observed: nginx 1.22.1 sends `GET /<base64> HTTP/1.0` and reads `application/ocsp-response`.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::{Arc, Weak},
    time::Duration,
};

use base64::Engine as _;
use rustls::sign::CertifiedKey;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::watch,
    task::LocalSet,
};

use super::{
    keys::{self, Slot},
    ocsp::{self, Certificate},
};
use crate::{
    engine::{clock, log, resolve},
    ir::{
        Staple,
        settings::{Level, ResolveInForce},
    },
    plan::Plan,
};

/// The longest answer, its head included.
const ANSWER: u64 = 64 * 1024;

/// How long asking may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// When a responder is asked again.
const SOON: i64 = 300;
const LATER: i64 = 3600;

/// A certificate whose status is asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    slot: Weak<Slot>,
    how: Staple,
    resolve: Arc<ResolveInForce>,
}

impl Wanted {
    pub(super) fn new(slot: &Arc<Slot>, how: &Staple, resolve: &Arc<ResolveInForce>) -> Self {
        Self { slot: Arc::downgrade(slot), how: how.clone(), resolve: Arc::clone(resolve) }
    }
}

/// Asks for all of them on a thread of its own, until `alive` is gone.
pub(super) fn keep_up(
    wanted: Vec<Wanted>,
    plan: Arc<Plan>,
    logs: Arc<log::Files>,
    mut alive: watch::Receiver<()>,
) {
    if wanted.is_empty() {
        return;
    }
    // Without the thread nothing is shown.
    let _ = std::thread::Builder::new().name("staple".to_owned()).spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        LocalSet::new().block_on(&runtime, async {
            for wanted in wanted {
                tokio::task::spawn_local(renew(wanted, Arc::clone(&plan), Arc::clone(&logs)));
            }
            let _ = alive.changed().await;
        });
        runtime.shutdown_background();
    });
}

/// Asks for one of them again and again.
async fn renew(wanted: Wanted, plan: Arc<Plan>, logs: Arc<log::Files>) {
    while let Some(slot) = wanted.slot.upgrade() {
        let key = slot.load_full();
        let now = i64::try_from(clock::epoch() / 1000).unwrap_or(i64::MAX);
        let asked = tokio::time::timeout(PATIENCE, ask(&wanted, &key, now)).await;
        let found = asked.unwrap_or_else(|_| Err("the responder does not answer".to_owned()));
        let (answer, wait) = match found {
            Ok((answer, until)) => {
                (Some(answer), until.map_or(LATER, |until| (until - now).clamp(SOON, LATER)))
            }
            Err(why) => {
                let message = format!("no status of a certificate to show: {why}");
                logs.process(&plan, Level::Error, &message);
                (None, SOON)
            }
        };
        // What is over is not shown.
        let mut stapled = CertifiedKey::clone(&key);
        stapled.ocsp = answer;
        slot.store(Arc::new(stapled));
        drop(slot);
        tokio::time::sleep(Duration::from_secs(wait.unsigned_abs())).await;
    }
}

/// An answer that says that the certificate is good, and until when.
async fn ask(wanted: &Wanted, key: &CertifiedKey, now: i64) -> Result<(Vec<u8>, Option<i64>), String> {
    let Wanted { how, resolve, .. } = wanted;
    let leaf = key.cert.first().ok_or("there is no certificate")?;
    let leaf = Certificate::read(leaf).ok_or("the certificate cannot be read")?;
    let further = how.issuers.as_deref().map(|path: &Path| keys::certificates(path).unwrap_or_default());
    let further = further.unwrap_or_default();
    let mut issuers = key.cert.iter().skip(1).chain(&further).filter_map(|it| Certificate::read(it));
    let issuer =
        issuers.find(|issuer| leaf.is_issued_by(issuer)).ok_or("who issued it is not in the chain")?;
    let url = how.responder.as_deref().or(leaf.responder()).ok_or("it names no responder")?;
    let url = String::from_utf8_lossy(url);
    let rest =
        url.strip_prefix("http://").ok_or_else(|| format!("\"{url}\" is not asked: only http:// is"))?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let said = |why: &str| format!("{why}, responder: {authority}");
    let places = places(authority, resolve).await.map_err(|why| said(&why))?;
    let question = base64::engine::general_purpose::STANDARD.encode(leaf.question(&issuer));
    let question = question.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let slash = if path.ends_with('/') { "" } else { "/" };
    let request = format!("GET {path}{slash}{question} HTTP/1.0\r\nHost: {authority}\r\n\r\n");
    let mut why = "it has no address".to_owned();
    for place in places {
        match exchange(place, request.as_bytes()).await {
            Ok(answer) => {
                let content = content(&answer).ok_or_else(|| said("the answer is none"))?;
                let until = ocsp::judge(content, &leaf, &issuer, how.verify, now).map_err(&said)?;
                return Ok((content.to_vec(), until));
            }
            Err(error) => why = error.to_string(),
        }
    }
    Err(said(&why))
}

async fn places(authority: &str, resolve: &ResolveInForce) -> Result<Vec<SocketAddr>, String> {
    match resolve::Spot::of(authority.as_bytes(), 80) {
        resolve::Spot::Known(place) => Ok(vec![place]),
        resolve::Spot::Name(host, port) => {
            let found: Vec<IpAddr> = if resolve.servers.is_empty() {
                resolve::look_up_by_system(&host).await?.to_vec()
            } else {
                resolve::find(resolve, &host).await?
            };
            Ok(found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
        }
        resolve::Spot::Unix(_) => Err("it has no address".to_owned()),
    }
}

async fn exchange(place: SocketAddr, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(place).await?;
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER).read_to_end(&mut answer).await?;
    Ok(answer)
}

/// What a responder says, where that is what it says.
fn content(answer: &[u8]) -> Option<&[u8]> {
    let end = memchr::memmem::find(answer, b"\r\n\r\n")?;
    let (head, content) = (&answer[..end], &answer[end + 4..]);
    let code = head.strip_prefix(b"HTTP/1.")?.get(2..5)?;
    let mut lines = head.split(|byte| *byte == b'\n').skip(1);
    let is_answer = lines.any(|line| {
        memchr::memchr(b':', line).is_some_and(|colon| {
            line[..colon].eq_ignore_ascii_case(b"content-type")
                && line[colon + 1..].trim_ascii().eq_ignore_ascii_case(b"application/ocsp-response")
        })
    });
    (code == b"200" && is_answer).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_answer_is_none() {
        let of = |text: &'static str| content(text.as_bytes());
        assert_eq!(
            of("HTTP/1.0 200 OK\r\nContent-type: application/ocsp-response\r\n\r\nx"),
            Some(&b"x"[..])
        );
        for wrong in [
            "",
            "HTTP/1.0 200 OK\r\n\r\nx",
            "HTTP/1.0 404 No\r\nContent-Type: application/ocsp-response\r\n\r\nx",
            "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\nx",
            "x\r\n\r\n",
        ] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
