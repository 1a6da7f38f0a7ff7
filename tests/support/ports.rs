//! Gives every port number written in a fixture a free port of this machine, and translates texts both ways.
//!
//! A fixture is a configuration that loads as it is: it listens on 18080 to 18089 and 18443 to 18445, its
//! origins are 19001 to 19005 (HTTP), 19443 (HTTPS), 17000 and 17001 (uwsgi), 17443 (uwsgi
//! over TLS), 17100 and 17101 (`FastCGI`), 17200 and 17201 (SCGI), 17300 and 17301 (memcached), 16000 and 16001 (HTTP/2), 16443
//! (HTTP/2 over TLS), 19053 (DNS), 19009 (nobody listens), and
//! its unix sockets are in `/run/`. All are five digits, so lengths do not change by the translation.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Mutex;

/// Ports in use by some fixture of this run.
static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// The numbers of one fixture.
pub(crate) struct Ports {
    /// Written number to real port.
    pub(crate) real: BTreeMap<u16, u16>,
    prefix: String,
}

/// What a written number stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The server listens here.
    Listen,
    /// An HTTP origin listens here.
    Http,
    /// An HTTPS origin listens here.
    Https,
    /// A uwsgi origin listens here.
    Uwsgi,
    /// The same over TLS.
    SecureUwsgi,
    /// A `FastCGI` origin listens here.
    FastCgi,
    /// An SCGI origin listens here.
    Scgi,
    /// A memcached origin listens here.
    Memcached,
    /// An HTTP/2 origin listens here.
    Frames,
    /// The same over TLS.
    SecureFrames,
    /// A name server listens here (UDP).
    Names,
    /// Nobody listens here.
    Dead,
}

/// What `number` stands for in a fixture, if anything.
pub(crate) fn kind(number: u16) -> Option<Kind> {
    match number {
        18080..=18089 | 18443..=18445 => Some(Kind::Listen),
        19001..=19005 => Some(Kind::Http),
        19009 => Some(Kind::Dead),
        19443 => Some(Kind::Https),
        19053 => Some(Kind::Names),
        17000 | 17001 => Some(Kind::Uwsgi),
        17443 => Some(Kind::SecureUwsgi),
        17100 | 17101 => Some(Kind::FastCgi),
        17200 | 17201 => Some(Kind::Scgi),
        17300 | 17301 => Some(Kind::Memcached),
        16000 | 16001 => Some(Kind::Frames),
        16443 => Some(Kind::SecureFrames),
        _ => None,
    }
}

impl Ports {
    /// Free ports for all numbers written in `text`; unix sockets go to the folder `prefix`.
    pub(crate) fn allocate(text: &str, prefix: &str) -> Self {
        let mut real = BTreeMap::new();
        for (start, end) in numbers(text) {
            if let Ok(number) = text[start..end].parse::<u16>()
                && kind(number).is_some()
            {
                real.entry(number).or_insert_with(free);
            }
        }
        Self { real, prefix: prefix.to_owned() }
    }

    /// No port is translated.
    pub(crate) fn none() -> Self {
        Self { real: BTreeMap::new(), prefix: "/run".to_owned() }
    }

    /// The real port of a written number.
    pub(crate) fn get(&self, number: u16) -> u16 {
        self.real.get(&number).copied().unwrap_or(number)
    }

    /// A fixture's text as this machine needs it.
    pub(crate) fn translate(&self, text: &str) -> String {
        let mut out = String::new();
        let mut done = 0;
        for (start, end) in numbers(text) {
            let real = text[start..end].parse().ok().and_then(|number: u16| self.real.get(&number));
            if let Some(real) = real {
                out.push_str(&text[done..start]);
                out.push_str(&real.to_string());
                done = end;
            }
        }
        out.push_str(&text[done..]);
        out.replace("/run/", &format!("{}/", self.prefix))
    }

    /// What a server said, in the fixture's numbers.
    pub(crate) fn restore(&self, bytes: &[u8]) -> Vec<u8> {
        let mut out = replace(bytes, format!("{}/", self.prefix).as_bytes(), b"/run/");
        out = replace(&out, self.prefix.as_bytes(), b"/run");
        for (number, real) in &self.real {
            out = replace(&out, real.to_string().as_bytes(), number.to_string().as_bytes());
        }
        out
    }
}

impl Drop for Ports {
    fn drop(&mut self) {
        if let Ok(mut taken) = TAKEN.lock() {
            for port in self.real.values() {
                taken.remove(port);
            }
        }
    }
}

/// A port below the ephemeral range that nobody uses, so no outgoing connection can take it meanwhile.
fn free() -> u16 {
    let mut taken = TAKEN.lock().expect("no holder panics");
    let mut port = 10000 + (std::process::id() * 37 % 15000) as u16;
    loop {
        port = if port >= 28000 { 10000 } else { port + 1 };
        let usable = kind(port).is_none() && !taken.contains(&port);
        if usable && TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            taken.insert(port);
            return port;
        }
    }
}

fn numbers(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        let start = i;
        while bytes.get(i).is_some_and(u8::is_ascii_digit) {
            i += 1;
        }
        if i - start == 5 {
            found.push((start, i));
        }
        if i == start {
            i += 1;
        }
    }
    found
}

/// All occurrences of `from` replaced.
pub(crate) fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = memchr::memmem::find(rest, from) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}
