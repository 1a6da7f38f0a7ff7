//! Answers of programs that are started for the request, and of files that hold what one would say (RFC 3875).
//!
//! A program has the request's content as its input, ended where the content ends, and its head as its environment:
//! what programs behind `FastCGI` are told. What it writes is read as a gateway's answer: fields, one of which may be
//! the `Status`, and content to the end of its output, whatever length it tells. Without a `Status`, a `Location` that
//! is a path is followed here, and any other is a redirect of the client with a page of ours (§ 6.2). A query without
//! `=` becomes arguments (§ 4.4), escaped for a shell.

use std::{
    ffi::OsString,
    io,
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
    rc::Rc,
};

use super::{
    super::{
        clock,
        connect::{Connection, Place},
        content::Refused,
        exchange::{End, Exchange, Next},
        facts::Attempt,
        http1::{field::Known, target},
        log,
        pool::Key,
        program::{self, Order, Running},
        respond::split_query,
        stream::{Socket, Stream},
    },
    CLIENT_GONE, Destination, Outcome, Request,
};
use crate::{
    ir::{
        Forward, Program, Protocol, Target, Template, Upstream,
        settings::{Fault, Level},
    },
    plan::{ForwardingPlan, Plan},
};

/// Most arguments of a program; where a query has more, there are none.
const ARGUMENTS: usize = 4096;

/// What a shell takes for something else than itself.
const ODD: &[u8] = b"&;`'\"|*?~<>^()[]{}$\\\n\r";

impl Exchange {
    /// Answers with what a program says.
    pub async fn run_program(&mut self, plan: &Plan, program: &Program) -> Next {
        let how = self.settings(plan).forwarding(Protocol::FastCgi);
        if self.content.was_streamed() {
            self.give_content_up();
        }
        if !self.content.is_done()
            && let Err(Refused(status)) = self.read_content(plan).await
        {
            return self.refused(status);
        }
        let file = PathBuf::from(OsString::from_vec(self.value(&program.file)));
        let name = file.display().to_string();
        let began = Some(clock::moment());
        self.facts.attempts.push(Attempt { address: Rc::from(&*name), began, ..Attempt::default() });
        self.facts.asked_head = self.facts.is_head();
        let started = if program.runs {
            self.start_program(how, &file).await.map(|(stream, running)| (stream, None, Some(running)))
        } else {
            program::read(file.clone()).await.map(|(stream, length)| (stream, Some(length), None))
        };
        // It runs as long as this function does.
        let (stream, length, _running) = match started {
            Ok(started) => started,
            Err(error) => {
                let what = if program.runs { "cannot be started" } else { "cannot be read" };
                self.log(Level::Error, format_args!("{name} {what}: {error}"));
                self.end_attempt(0, 0);
                let full = error.kind() == io::ErrorKind::QuotaExceeded;
                return Next::Status(if full { 503 } else { 500 });
            }
        };
        let connection = Connection {
            stream: Stream::Plain(Socket::Unix(stream)),
            key: Key { cluster: 0, place: Place::Unix(PathBuf::new()), tls: 0 },
            opened: clock::moment(),
            requests: 1,
            records: None,
        };
        if program.runs
            && let Err(error) = self.begin_upload_to_program(how)
        {
            self.log(Level::Crit, format_args!("reading a temporary file failed: {error}"));
            return Next::Status(500);
        }
        let next = self.hear_program(plan, how, program, connection, length).await;
        self.end_upload();
        next
    }

    async fn start_program(
        &mut self,
        how: &ForwardingPlan,
        file: &Path,
    ) -> io::Result<(tokio::net::UnixStream, Running)> {
        let mut environment = Vec::new();
        let told = self.variables(how, &mut |name, value| {
            let whole =
                !name.is_empty() && !name.contains(&b'=') && !name.contains(&0) && !value.contains(&0);
            if whole {
                environment.push((OsString::from_vec(name.to_vec()), OsString::from_vec(value.to_vec())));
            }
            Ok(())
        });
        told.map_err(io::Error::other)?;
        let order = Order { file: file.to_owned(), arguments: arguments(&self.run.query), environment };
        let scribe = log::Scribe::of(self);
        let name = file.display().to_string();
        let hear = move |line: &[u8]| {
            let line = String::from_utf8_lossy(line);
            scribe.write(Level::Error, format_args!("{name} said: \"{}\"", line.escape_debug()));
        };
        program::start(order, hear).await
    }

    /// Reads the answer and passes it on.
    async fn hear_program(
        &mut self,
        plan: &Plan,
        how: &ForwardingPlan,
        program: &Program,
        connection: Connection,
        length: Option<u64>,
    ) -> Next {
        // Its answer is read as that of a gateway whose head may begin with a status line.
        let forward = Forward {
            protocol: Protocol::Scgi,
            tls: false,
            to: Upstream::Dynamic(Template::default()),
            target: Target::Received,
        };
        let request = Request {
            protocol: Protocol::Scgi,
            head: Vec::new(),
            replaced: None,
            streamed: false,
            key: Vec::new(),
        };
        let connection = match self.read_head(plan, &forward, how, &request, connection, false).await {
            Outcome::Head(connection) => connection,
            Outcome::ClientGone => {
                self.log(Level::Info, format_args!("{CLIENT_GONE}"));
                self.facts.logged_status = Some(499);
                return Next::End(End::Abort);
            }
            Outcome::Refused(status) => return self.refused(status),
            Outcome::Failed(trouble) => {
                let text = match trouble.fault {
                    Fault::Closed => "a program ended before its head was whole",
                    Fault::InvalidHead => "a program's head is malformed",
                    _ => "a program did not answer in time",
                };
                self.log(Level::Error, format_args!("{text}: {}", trouble.message));
                self.end_attempt(0, 0);
                return Next::Status(if trouble.status == 504 { 504 } else { 500 });
            }
        };
        let is_head = self.facts.is_head();
        let head = &mut self.facts.upstream_head;
        if head.version == 9 {
            self.end_attempt(0, 0);
            return Next::Status(500);
        }
        head.chunked = false;
        // A program's length is not believed; a file's is known.
        let begin = head.length as u64;
        head.content_length = length.filter(|_| !is_head).map(|length| length.saturating_sub(begin));
        if head.status_text.is_empty()
            && let Some(location) = head.get(&self.facts.upstream, Known::Location).map(<[u8]>::to_vec)
        {
            if location.first() == Some(&b'/') {
                return self.follow_location(plan, &location);
            }
            if program.runs {
                self.keep_program_fields();
                self.end_attempt(0, 0);
                return self.redirect(plan, 302, &location).await;
            }
            self.facts.upstream_head.status = 200;
        }
        let status = self.facts.upstream_head.status;
        if let Some(attempt) = self.facts.attempt() {
            attempt.status = status;
        }
        let cluster = self.serving.clusters.dynamic(b"program", 0, &[]);
        let to = Destination { cluster, tls: false, target: None, idle: None };
        self.respond(plan, &forward, how, &to, connection).await
    }

    /// What a program said of its answer stays with what is answered in its place.
    fn keep_program_fields(&mut self) {
        let facts = &self.facts;
        let all = facts.upstream_head.fields.iter();
        let others = all.filter(|field| {
            let name = field.name.of(&facts.upstream);
            let known = [&b"content-type"[..], b"status", b"connection", b"keep-alive", b"transfer-encoding"];
            !matches!(field.known, Known::Location | Known::ContentLength)
                && !known.iter().any(|known| name.eq_ignore_ascii_case(known))
        });
        let kept = others
            .map(|field| (field.name.of(&facts.upstream).to_vec(), field.value.of(&facts.upstream).to_vec()));
        let kept: Vec<_> = kept.collect();
        self.kept_fields.extend(kept);
    }

    /// Answers with what is at this path instead.
    fn follow_location(&mut self, plan: &Plan, location: &[u8]) -> Next {
        self.keep_program_fields();
        self.end_attempt(0, 0);
        let (raw, query) = split_query(location);
        let mut path = Vec::new();
        target::decode(raw, &mut path);
        if path.contains(&0) {
            return Next::Status(404);
        }
        if !self.facts.is_head() {
            self.facts.method = Some(b"GET");
        }
        self.restart(plan, &path, query)
    }
}

/// The arguments that a query makes.
fn arguments(query: &[u8]) -> Vec<OsString> {
    if query.is_empty() || query.contains(&b'=') {
        return Vec::new();
    }
    let words = query.split(|byte| *byte == b'+');
    let mut all = Vec::new();
    for word in words {
        let mut decoded = Vec::new();
        target::decode(word, &mut decoded);
        if decoded.contains(&0) || all.len() == ARGUMENTS {
            return Vec::new();
        }
        let mut escaped = Vec::with_capacity(decoded.len());
        for byte in decoded {
            if ODD.contains(&byte) {
                escaped.push(b'\\');
            }
            escaped.push(byte);
        }
        all.push(OsString::from_vec(escaped));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_become_arguments() {
        let words = |query: &str| -> Vec<String> {
            arguments(query.as_bytes()).iter().map(|word| word.to_string_lossy().into_owned()).collect()
        };
        assert_eq!(words("a+b%20c;"), ["a", "b c\\;"]);
        assert_eq!(words("a=b+c"), Vec::<String>::new());
        assert_eq!(words(""), Vec::<String>::new());
        assert_eq!(words("$(x)"), ["\\$\\(x\\)"]);
    }
}
