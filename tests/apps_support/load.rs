//! Constant load: threads that ask again and again until told to stop, and keep account of every answer.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use super::http::{Connection, Response};

/// How the clients treat their connections.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Style {
    /// One connection for as long as the server lets it be.
    KeepAlive,
    /// A connection for each request.
    Short,
}

/// What became of the requests.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// How often each content came, with status 200.
    pub(crate) answers: BTreeMap<String, usize>,
    /// Everything else, in words.
    pub(crate) failures: Vec<String>,
    /// Requests sent again because the server had closed an idle connection at that moment (RFC 9110 § 9.2.2, RFC 9112
    /// § 9.3.1: a client may, and must expect to).
    pub(crate) repeated: usize,
}

impl Account {
    /// How many requests were answered.
    pub(crate) fn count(&self) -> usize {
        self.answers.values().sum()
    }
}

/// Running clients.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Account>>,
}

impl Load {
    /// Starts two clients of each style.
    pub(crate) fn start(port: u16, target: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let done = Arc::new(AtomicUsize::new(0));
        let styles = [Style::KeepAlive, Style::Short, Style::KeepAlive, Style::Short];
        let clients = styles.into_iter().map(|style| {
            let (stop, done, target) = (Arc::clone(&stop), Arc::clone(&done), target.to_owned());
            std::thread::spawn(move || client(port, &target, style, &stop, &done))
        });
        Self { clients: clients.collect(), stop, done }
    }

    /// Waits until so many more requests are done.
    #[track_caller]
    pub(crate) fn run(&self, more: usize) {
        let goal = self.done.load(Ordering::Relaxed) + more;
        let what = format!("{more} more requests");
        super::wait::until(&what, super::wait::SOON, || {
            (self.done.load(Ordering::Relaxed) >= goal).then_some(())
        });
    }

    /// Stops the clients and adds up.
    pub(crate) fn finish(mut self) -> Account {
        self.stop.store(true, Ordering::Relaxed);
        let mut total = Account::default();
        for client in self.clients.drain(..) {
            let Account { answers, failures, repeated } =
                client.join().expect("a client reports and does not panic");
            for (content, count) in answers {
                *total.answers.entry(content).or_insert(0) += count;
            }
            total.failures.extend(failures);
            total.repeated += repeated;
        }
        total
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn client(port: u16, target: &str, style: Style, stop: &AtomicBool, done: &AtomicUsize) -> Account {
    let mut account = Account::default();
    let mut kept = None;
    while !stop.load(Ordering::Relaxed) {
        match ask(port, target, style, &mut kept, &mut account.repeated) {
            Ok(response) if response.status == 200 => {
                *account.answers.entry(response.text()).or_insert(0) += 1;
            }
            Ok(response) => account.failures.push(format!("{style:?}: {}", response.head)),
            Err(error) => account.failures.push(format!("{style:?}: {error}")),
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
    account
}

fn ask(
    port: u16,
    target: &str,
    style: Style,
    kept: &mut Option<Connection>,
    repeated: &mut usize,
) -> io::Result<Response> {
    if let Some(mut connection) = kept.take() {
        match connection.get(target) {
            Ok(response) => {
                keep(connection, &response, kept);
                return Ok(response);
            }
            Err(error) if ended(&error) && connection.untouched() => *repeated += 1,
            Err(error) => return Err(error),
        }
    }
    let mut connection = Connection::open(port)?;
    match style {
        Style::KeepAlive => {
            let response = connection.get(target)?;
            keep(connection, &response, kept);
            Ok(response)
        }
        Style::Short => {
            connection
                .send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))?;
            connection.response()
        }
    }
}

fn keep(connection: Connection, response: &Response, kept: &mut Option<Connection>) {
    if !response.field("Connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
        *kept = Some(connection);
    }
}

fn ended(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}
