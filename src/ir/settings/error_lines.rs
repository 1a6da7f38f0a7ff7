//! What lines of error logs say, where a dialect says it, and how bad they have to be by what they are about.

use serde::Serialize;

use super::{Setting, logs::Level};
use crate::ir::{Name, Template, Text};

/// What a line of the error log is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum Topic {
    /// The process, connections, heads, files, and whatever has no topic of its own.
    #[default]
    Core,
    /// Who may have what.
    Access,
    /// Steps that are told, and what is looked up outside.
    Rewrite,
    /// Upstreams and what they answer.
    Upstream,
    /// Whether upstreams are well.
    Health,
    /// TLS.
    Tls,
    /// HTTP/2.
    Http2,
    /// Programs that are started.
    Program,
    /// Responses that are made of others.
    Compose,
    /// Which of several files is chosen.
    Negotiation,
    /// Lists of folders.
    Listing,
    /// Whose address is the client's.
    ClientAddress,
}

/// The form of lines; what is not said here is as the engine has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ErrorLines {
    /// A line.
    pub line: ErrorForm,
    /// Lines before the first one about a request.
    pub request: Vec<ErrorForm>,
    /// Lines before the first one about a connection.
    pub connection: Vec<ErrorForm>,
    /// What topics are called.
    pub names: Vec<(Topic, Name)>,
}

/// A line, in pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ErrorForm(pub Vec<ErrorPiece>);

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorPiece {
    /// Whether a field begins here: what is left out where a piece of it is missing.
    pub field: bool,
    /// What it says.
    pub word: ErrorWord,
    /// What becomes of the line where it says nothing.
    pub missing: Missing,
    /// Where the line is worse than this, it says nothing.
    pub worst: Level,
}

/// What a piece says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum ErrorWord {
    /// This.
    Text(Text),
    /// The message, and which request and upstream it is about.
    Message,
    /// The line's level.
    Level,
    /// What the line is about, by its name.
    Topic,
    /// Where in the program it is written.
    Source,
    /// Now.
    Time {
        /// `2026-11-21 14:00:00` instead of `Sat Nov 21 14:00:00 2026`.
        compact: bool,
        /// With microseconds.
        micros: bool,
    },
    /// The process.
    Process,
    /// The thread.
    Thread,
    /// The client, whoever tells of it: address and port.
    Client,
    /// The other end of the connection, likewise.
    Peer,
    /// Our end of it.
    Server,
    /// The name of the host that answers, or of the first where there is none.
    Host,
    /// The identifier of the request; missing in a line about none.
    Request,
    /// The number of the connection; with `true` only in a line that is about no request.
    Connection(bool),
    /// Properties of the exchange and variables that have a value; missing where one of them is missing or empty.
    Of(Template),
}

/// What becomes of a line where a piece says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Missing {
    /// Its field is left out.
    #[default]
    Field,
    /// A hyphen takes its place.
    Hyphen,
    /// There is no line.
    Line,
}

/// The least level of lines, in place of that of their log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Levels {
    /// Of all lines.
    pub all: Option<Level>,
    /// Of lines about a topic; the last one counts.
    pub topics: Vec<(Topic, Level)>,
}

impl Levels {
    /// The least level of lines about a topic, where it is said.
    pub fn of(&self, topic: Topic) -> Option<Level> {
        let named = self.topics.iter().rev().find(|(other, _)| *other == topic);
        named.map(|(_, level)| *level).or(self.all)
    }
}

impl Setting for Levels {
    fn accumulate(&mut self, over: &Self) {
        if over.all.is_some() {
            self.clone_from(over);
        } else {
            self.topics.extend_from_slice(&over.topics);
        }
    }
}
