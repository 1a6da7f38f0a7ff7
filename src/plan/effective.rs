//! Settings in force: every group complete, shared where a scope does not touch it.

use std::{ops::Deref, sync::Arc};

use super::{
    EditOp, NameSet,
    hash::Map,
    pattern::{Find, Matcher},
};
use crate::ir::{
    Edit, Handler, Name, Protocol, Recovery, Register, Template, Text,
    settings::{
        AccessInForce, AnswerInForce, ClientAddressInForce, ClientInForce, CompressInForce, ContentEdit,
        ContentInForce, Fault, FilesInForce, ForwardingInForce, IndexPageInForce, LimitsInForce,
        ListingInForce, LogsInForce, NegotiationInForce, ResolveInForce, RewritingInForce,
    },
};

/// Codings of content (RFC 9110 § 8.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
    /// RFC 1952.
    Gzip,
}

impl Coding {
    /// Its name in `Content-Encoding` and `Accept-Encoding`.
    pub fn name(self) -> &'static [u8] {
        match self {
            Self::Brotli => b"br",
            Self::Zstd => b"zstd",
            Self::Gzip => b"gzip",
        }
    }

    /// What the names of files in it end with.
    pub fn extension(self) -> &'static [u8] {
        match self {
            Self::Brotli => b".br",
            Self::Zstd => b".zst",
            Self::Gzip => b".gz",
        }
    }
}

/// Names settings in force; see [`super::Plan::settings`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SettingsId(pub(super) u32);

/// A place in the compiled program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry(pub(super) u32);

/// What is in force when a request is handled.
#[derive(Clone, Debug, Default)]
pub struct Effective {
    /// Who answers.
    pub handler: Option<Arc<Handler>>,
    /// Steps run before the handler; the run takes them by itself.
    pub prepare: Option<Entry>,
    /// The blocks of each phase, by its number.
    pub hooks: Arc<Hooks>,
    /// The connection to the client.
    pub client: Arc<ClientInForce>,
    /// The content of requests.
    pub content: Arc<ContentInForce>,
    /// Answers of our own.
    pub answer: Arc<AnswerPlan>,
    /// Files.
    pub files: Arc<FilesInForce>,
    /// Who may.
    pub access: Arc<AccessInForce>,
    /// Logs.
    pub logs: Arc<LogsInForce>,
    /// Looking up names.
    pub resolve: Arc<ResolveInForce>,
    /// Forwarding, by protocol.
    pub(super) forwarding: [Arc<ForwardingPlan>; Protocol::ALL.len()],
    /// The coding `gzip`.
    pub gzip: Arc<CompressInForce>,
    /// The coding `br`.
    pub brotli: Arc<CompressInForce>,
    /// The coding `zstd`.
    pub zstd: Arc<CompressInForce>,
    /// What is rewritten in content.
    pub rewriting: Arc<RewritingPlan>,
    /// How much may be asked for.
    pub limits: Arc<LimitsInForce>,
    /// Listings of folders.
    pub listing: Arc<ListingInForce>,
    /// Listings in columns.
    pub index_page: Arc<IndexPageInForce>,
    /// Choosing among files.
    pub negotiation: Arc<NegotiationInForce>,
    /// Whose address is the client's.
    pub client_address: Arc<ClientAddressInForce>,
    /// Whether content may be changed on its way: one look for all who send a response.
    pub filters: bool,
}

/// The blocks of each phase, by its number.
pub(super) type Hooks = Vec<Vec<Entry>>;

/// Answers of our own, with what is compiled of them.
#[derive(Clone, Debug, Default)]
pub struct AnswerPlan {
    /// The settings. `types` and `on_response` are empty here: see the fields beside.
    pub settings: AnswerInForce,
    /// Types by file name extension, lower case.
    pub types: Arc<Map<Text, Text>>,
    /// The blocks run when the response head is known; [`super::Run::response_edits`] runs them.
    pub on_response: Vec<Entry>,
}

/// What is rewritten in content, with what is compiled of it.
#[derive(Clone, Debug, Default)]
pub struct RewritingPlan {
    /// The settings. `edits` is empty here: see the field beside.
    pub settings: RewritingInForce,
    /// The edits with their patterns; those whose pattern is none are left out.
    pub edits: Vec<ContentOp>,
}

/// An edit of content, compiled.
#[derive(Clone, Debug)]
pub struct ContentOp {
    /// The edit.
    pub edit: ContentEdit,
    /// What is looked for, where it is no text.
    pub matcher: Option<Arc<Matcher>>,
    /// What has to hold besides.
    pub given: Option<Arc<Given>>,
}

/// What has to hold besides a pattern that is found in content.
#[derive(Debug)]
pub enum Given {
    /// All of these.
    All(Vec<Self>),
    /// One of these.
    Any(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// A value matches.
    Match {
        /// The value.
        subject: Template,
        /// The pattern.
        find: Find,
        /// Where captures go.
        into: Option<Register>,
    },
}

impl RewritingPlan {
    /// Whether responses are made of others.
    pub fn composes(&self) -> bool {
        let settings = &self.settings;
        settings.includes || !settings.before.is_empty() || !settings.after.is_empty()
    }

    /// Whether nothing is rewritten.
    pub fn is_empty(&self) -> bool {
        self.settings.texts.is_empty() && self.edits.is_empty()
    }
}

/// Forwarding, with what is compiled of it. Parts that others have, too, are theirs: what many routes say alike stays
/// in the processor's caches.
#[derive(Clone, Debug, Default)]
pub struct ForwardingPlan {
    /// The settings. `edits` and `response_edits` are empty here: see the fields beside.
    pub settings: Arc<ForwardingInForce>,
    /// Edits of the request head.
    pub edits: Box<[Arc<Edit>]>,
    /// Edits of the response head, patterns compiled.
    pub response_edits: Vec<Arc<EditOp>>,
    /// What splits the path into the name of a gateway's program and the rest, compiled.
    pub split: Option<Find>,
    /// What the settings say of fields by their names.
    pub names: Arc<FieldNames>,
}

/// What settings of forwarding say of fields by their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldNames {
    /// Request fields that an edit sets or removes.
    pub replaced: NameSet,
    /// Response fields that are not passed on.
    pub hidden: NameSet,
    /// Response fields that direct us.
    pub directing: NameSet,
    /// Whether fields that `Connection` names are left out.
    pub removes_nominated: bool,
    /// Whether received fields are joined with others of their name, or appended to.
    pub joins: bool,
    /// Whether an edit says where received fields stand.
    pub received_placed: bool,
    /// Whether an edit says where framing stands.
    pub framing_placed: bool,
}

impl Deref for AnswerPlan {
    type Target = AnswerInForce;

    fn deref(&self) -> &AnswerInForce {
        &self.settings
    }
}

impl Deref for ForwardingPlan {
    type Target = ForwardingInForce;

    fn deref(&self) -> &ForwardingInForce {
        &self.settings
    }
}

impl Effective {
    /// How requests of a protocol are forwarded.
    pub fn forwarding(&self, protocol: Protocol) -> &Arc<ForwardingPlan> {
        &self.forwarding[protocol as usize]
    }

    /// Whether every part is shared with another's.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let Self {
            handler,
            prepare,
            hooks,
            client,
            content,
            answer,
            files,
            access,
            logs,
            resolve,
            forwarding,
            gzip,
            brotli,
            zstd,
            rewriting,
            limits,
            listing,
            index_page,
            negotiation,
            client_address,
            filters: _,
        } = self;
        let same_handler = match (handler, &other.handler) {
            (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs),
            (None, None) => true,
            _ => false,
        };
        same_handler
            && *prepare == other.prepare
            && Arc::ptr_eq(hooks, &other.hooks)
            && Arc::ptr_eq(client, &other.client)
            && Arc::ptr_eq(content, &other.content)
            && Arc::ptr_eq(answer, &other.answer)
            && Arc::ptr_eq(files, &other.files)
            && Arc::ptr_eq(access, &other.access)
            && Arc::ptr_eq(logs, &other.logs)
            && Arc::ptr_eq(resolve, &other.resolve)
            && forwarding.iter().zip(&other.forwarding).all(|(ours, theirs)| Arc::ptr_eq(ours, theirs))
            && Arc::ptr_eq(gzip, &other.gzip)
            && Arc::ptr_eq(brotli, &other.brotli)
            && Arc::ptr_eq(zstd, &other.zstd)
            && Arc::ptr_eq(rewriting, &other.rewriting)
            && Arc::ptr_eq(limits, &other.limits)
            && Arc::ptr_eq(listing, &other.listing)
            && Arc::ptr_eq(index_page, &other.index_page)
            && Arc::ptr_eq(negotiation, &other.negotiation)
            && Arc::ptr_eq(client_address, &other.client_address)
    }

    /// The codings of content, best first.
    pub fn codings(&self) -> [(Coding, &Arc<CompressInForce>); 3] {
        [(Coding::Brotli, &self.brotli), (Coding::Zstd, &self.zstd), (Coding::Gzip, &self.gzip)]
    }

    /// Whether any setting may change content on its way.
    pub(super) fn has_filters(&self) -> bool {
        self.codings().iter().any(|(_, coding)| coding.on || coding.decode || coding.decode_all)
            || !self.rewriting.is_empty()
            || self.rewriting.composes()
    }

    /// The recovery for a status about to be answered: the first that lists it.
    pub fn recovery(&self, status: u16) -> Option<&Recovery> {
        self.answer.errors.iter().find(|recovery| recovery.statuses.contains(&status))
    }

    /// The type of a path by the extension of its last segment; `None` leaves `default_type`.
    pub fn type_of(&self, path: &[u8]) -> Option<&Text> {
        let name = path.rsplit(|&byte| byte == b'/').next()?;
        // A name without a dot has an empty one.
        let extension = memchr::memrchr(b'.', name).map_or(&[][..], |dot| &name[dot + 1..]);
        let mut lower = [0; 32];
        let lower = lower.get_mut(..extension.len())?;
        lower.copy_from_slice(extension);
        lower.make_ascii_lowercase();
        self.answer.types.get(&*lower)
    }
}

impl FieldNames {
    /// What is looked up per request.
    pub(super) fn new(settings: &ForwardingInForce, edits: &[Arc<Edit>]) -> Self {
        let any = |wanted: fn(&Edit) -> bool| edits.iter().any(|edit| wanted(edit));
        let switches = any(|edit| matches!(edit, Edit::Switch(_)));
        let switched: [Name; 2] = ["Connection".into(), "Upgrade".into()];
        let switched = switched.iter().filter(|_| switches);
        let named = edits.iter().filter_map(|edit| match &**edit {
            Edit::Set(name, _) | Edit::Remove(name) => Some(name),
            _ => None,
        });
        Self {
            replaced: NameSet::new(named.chain(switched)),
            hidden: NameSet::new(&settings.hide),
            directing: NameSet::new(settings.controls.iter().map(|(name, _)| name)),
            removes_nominated: any(|edit| matches!(edit, Edit::RemoveNominated)),
            joins: settings.join_repeated || any(|edit| matches!(edit, Edit::Append(..))),
            received_placed: any(|edit| matches!(edit, Edit::Received)),
            framing_placed: any(|edit| matches!(edit, Edit::Framing)),
        }
    }
}

impl ForwardingPlan {
    /// What a failure is answered with, where the settings say so.
    pub fn answer_to(&self, fault: Fault, usual: u16) -> u16 {
        let mut listed = self.settings.faults.iter();
        listed.find(|(listed, _)| *listed == fault).map_or(usual, |(_, status)| *status)
    }
}
