//! Members with states of their own that share the requests of a cluster.
//!
//! Where a cluster has a group, each of its endpoints is a member: it has a
//! URL, settings of its own for what is sent to it, and a state that all
//! workers share and that people may change while the server runs.

use std::time::Duration;

use serde::Serialize;

use super::{HostId, Protocol, Template, Text, VarId, settings::Forwarding};

/// How the members of a cluster share its requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The URL that stands for the group: forwards whose URL begins with it go here.
    pub url: Text,
    /// The hosts whose forwards it serves; `None` is all.
    pub hosts: Option<Vec<HostId>>,
    /// What decides between members that can be used.
    pub share: Share,
    /// What is hashed where shares go by hash.
    pub key: Option<Template>,
    /// Whose members' states these are: groups with the same text here and members with the same route share them. Empty
    /// for none.
    pub states: Text,
    /// So many members stay in use, whatever is found of their health.
    pub keep: u32,
    /// What answers to requests tell about the health of a member.
    pub live: Option<Live>,
    /// Whether it is one member for itself: it is always used, and whatever fails, it stays in use.
    pub alone: bool,
    /// Requests of one session go to one member.
    pub sticky: Option<Sticky>,
    /// How many members are tried after the first; `None` is all others.
    pub attempts: Option<u32>,
    /// How long a request waits for a member that can be used.
    pub wait: Duration,
    /// Whether all members are taken back when all of them have failed.
    pub recover: bool,
    /// Statuses of answers after which the member counts as failed.
    pub failing: Vec<u16>,
    /// Whether one that does not answer in time counts as failed.
    pub failing_late: bool,
    /// Whether one whose name is not known counts as failed, as one that cannot be reached does.
    pub failing_unresolved: bool,
    /// Whether a request that does no harm when it is sent twice goes to another member where a connection broke before
    /// an answer came.
    pub again: bool,
    /// How many members may be added while the server runs.
    pub growth: u32,
    /// A text that changes of the group have to bring; `None` makes one at start, empty asks for none.
    pub nonce: Option<Text>,
}

/// What decides between members that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Share {
    /// Requests, by factor: at each, every member gains its factor, the first with the most takes the request
    /// and gives back what all gained. Sessions count.
    Requests,
    /// The fewest bytes sent and received, by factor.
    Traffic,
    /// The fewest requests under way; of equals the one whose turn it would be by requests.
    Busyness,
    /// The shortest time to the head of an answer, on average over the last ones; one without any comes first.
    Latency,
    /// By the hash of the group's key: a key stays with its member as long as that can be used, and members get keys
    /// by factor.
    Hash,
}

/// What answers to requests tell about the health of a member: one that fails too often is out of use until a look at its
/// health finds it well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Live {
    /// So many failures
    pub failures: u32,
    /// within so long.
    pub period: Duration,
    /// Statuses that are failures, from and to; having no answer is one.
    pub statuses: Vec<(u16, u16)>,
}

/// How a session says which member it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sticky {
    /// A cookie of this name.
    pub cookie: Text,
    /// `name=value` anywhere in the path or the query; looked for before the cookie.
    pub param: Text,
    /// The route follows the first of these in the value; `None`: it is the whole value.
    pub separator: Option<u8>,
    /// Whether `;` ends a value in the path.
    pub semicolon: bool,
    /// Whether a session whose member cannot be used is refused.
    pub force: bool,
}

/// An endpoint of a group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Member {
    /// Its URL, as people write it and as it is shown.
    pub url: Text,
    /// What is spoken.
    pub protocol: Protocol,
    /// Whether over TLS.
    pub tls: bool,
    /// The authority that requests name: host and, where it is not the scheme's, port.
    pub authority: Text,
    /// What is put before the target.
    pub base: Text,
    /// Its share relative to others, in hundredths.
    pub factor: u32,
    /// Members of a higher set are used when none of a lower one can be.
    pub set: u8,
    /// When it is used.
    pub duty: Duty,
    /// Its state at the start.
    pub state: State,
    /// What sessions call it; empty for none.
    pub route: Text,
    /// The route that takes its sessions when it cannot be used; empty for none.
    pub redirect: Text,
    /// How long it rests after a failure.
    pub rest: Duration,
    /// How long a request waits for a connection when there are as many as there may be; zero is as long as it takes.
    pub acquire: Duration,
    /// Whether connections to it are used again.
    pub reuse: bool,
    /// What is sent to it: laid over the settings in force.
    pub settings: Forwarding,
    /// How its health is looked at without requests.
    pub check: Option<Check>,
}

/// When a member is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Duty {
    /// Always.
    Active,
    /// For one of its set that cannot be.
    Spare,
    /// When no other one of its set can be.
    Standby,
}

/// What is decided about a member apart from its duty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub struct State {
    /// Takes no requests.
    pub disabled: bool,
    /// Takes no requests, and does not come back by itself.
    pub stopped: bool,
    /// Never counts as failed.
    pub faultless: bool,
    /// Takes requests of its own sessions only.
    pub draining: bool,
    /// Has failed.
    pub failed: bool,
}

/// Looking at a member's health without requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The method of the request made; `None` only connects.
    pub method: Option<Text>,
    /// Whether it is a request of HTTP/1.1.
    pub modern: bool,
    /// The target, put behind the member's base.
    pub target: Text,
    /// Between two looks.
    pub interval: Duration,
    /// So many good looks in a row and it is used again.
    pub passes: u32,
    /// So many bad looks in a row and it is not used.
    pub fails: u32,
    /// The answer is good when this, which may read its status and fields, is neither empty nor `0`; without it, when its
    /// status is one from 200 to 399, or one of `statuses`.
    pub good: Option<Template>,
    /// Takes the answer's content before that is asked.
    pub content: Option<VarId>,
    /// How long it may take in all; zero is as long as a connection may.
    pub timeout: Duration,
    /// Statuses that are good, from and to, instead of those below 400; none is these.
    pub statuses: Vec<(u16, u16)>,
    /// What the content has to hold; empty for nothing.
    pub contains: Text,
}

impl Member {
    /// A member at a URL, with nothing special about it.
    pub fn plain(url: impl Into<Text>, authority: impl Into<Text>, tls: bool) -> Self {
        Self {
            url: url.into(),
            protocol: Protocol::Http,
            tls,
            authority: authority.into(),
            base: Text::new(),
            factor: 100,
            set: 0,
            duty: Duty::Active,
            state: State::default(),
            route: Text::new(),
            redirect: Text::new(),
            rest: Duration::from_mins(1),
            acquire: Duration::ZERO,
            reuse: true,
            settings: Forwarding::default(),
            check: None,
        }
    }
}

impl Group {
    /// One member for itself.
    pub fn alone(url: impl Into<Text>) -> Self {
        Self {
            url: url.into(),
            hosts: None,
            share: Share::Requests,
            key: None,
            states: Text::new(),
            keep: 0,
            live: None,
            alone: true,
            sticky: None,
            attempts: Some(0),
            wait: Duration::ZERO,
            recover: true,
            failing: Vec::new(),
            failing_late: false,
            failing_unresolved: false,
            again: false,
            growth: 0,
            nonce: None,
        }
    }
}
