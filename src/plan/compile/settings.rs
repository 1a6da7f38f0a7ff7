//! Lays settings over settings. What many scopes write alike is made once.

use std::sync::Arc;

use crate::{
    ir::{
        Edit, Handler, Join, Name, Protocol, Settings, Template,
        settings::{
            Access, AccessInForce, Answer, Client, ClientAddress, ClientAddressInForce, ClientInForce,
            Compress, CompressInForce, Content, ContentInForce, Files, FilesInForce, Forwarding,
            ForwardingInForce, IndexPage, IndexPageInForce, Limits, LimitsInForce, Listing, ListingInForce,
            Logs, LogsInForce, Negotiation, NegotiationInForce, Resolve, ResolveInForce, Rewriting,
        },
    },
    plan::{
        AnswerPlan, ContentOp, EditOp, Effective, Entry, FieldNames, ForwardingPlan, RewritingPlan,
        effective::Hooks, hash::Map, pattern::Find,
    },
};

/// What is compiled of a scope's settings.
#[derive(Clone, Debug, Default)]
pub(in crate::plan) struct Parts {
    pub(in crate::plan) prepare: Option<Entry>,
    pub(in crate::plan) on_response: Vec<Entry>,
    /// Number of the phase, how the blocks join, the blocks.
    pub(in crate::plan) hooks: Vec<(u16, Join, Vec<Entry>)>,
    pub(in crate::plan) rewriting: Vec<ContentOp>,
    /// By protocol, where there is any.
    pub(in crate::plan) forwarding: Vec<(Protocol, ForwardingParts)>,
}

/// What is compiled of the settings for one protocol.
#[derive(Clone, Debug, Default)]
pub(in crate::plan) struct ForwardingParts {
    pub(in crate::plan) edits: Vec<Arc<EditOp>>,
    pub(in crate::plan) split: Option<Find>,
}

/// A scope that is laid over settings known only when it is reached.
#[derive(Debug)]
pub(in crate::plan) struct Layer {
    pub(in crate::plan) set: Settings,
    pub(in crate::plan) parts: Parts,
    /// Whether lists are extended.
    pub(in crate::plan) accumulate: bool,
}

impl Layer {
    /// These settings over others.
    pub(in crate::plan) fn over(&self, base: &Effective) -> Effective {
        let Self { set, parts, accumulate } = self;
        let mut memo = Memo::default();
        memo.lay(base, set, *accumulate, &mut |part| parts.of(part))
    }
}

/// Which part of [`Parts`] is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Prepare,
    Hooks,
    Response,
    Rewriting,
    Forwarding(Protocol),
}

impl Parts {
    fn of(&self, part: Part) -> Self {
        let mut parts = Self::default();
        match part {
            Part::Prepare => parts.prepare = self.prepare,
            Part::Hooks => parts.hooks.clone_from(&self.hooks),
            Part::Response => parts.on_response.clone_from(&self.on_response),
            Part::Rewriting => parts.rewriting.clone_from(&self.rewriting),
            Part::Forwarding(protocol) => {
                let of = self.forwarding.iter().filter(|part| part.0 == protocol);
                parts.forwarding.extend(of.cloned());
            }
        }
        parts
    }
}

/// Groups made so far, by the group they are laid over.
type Made<'c, W, F> = Map<usize, Vec<(&'c W, Arc<F>)>>;

/// How many results over one group are remembered.
const REMEMBERED: usize = 32;

#[derive(Default)]
pub(super) struct Memo<'c> {
    handlers: Vec<(&'c Handler, Arc<Handler>)>,
    alike: Alike,
    client: Made<'c, Client, ClientInForce>,
    content: Made<'c, Content, ContentInForce>,
    answer: Made<'c, Answer, AnswerPlan>,
    files: Made<'c, Files, FilesInForce>,
    access: Made<'c, Access, AccessInForce>,
    logs: Made<'c, Logs, LogsInForce>,
    resolve: Made<'c, Resolve, ResolveInForce>,
    forwarding: [Made<'c, Forwarding, ForwardingPlan>; Protocol::ALL.len()],
    gzip: Made<'c, Compress, CompressInForce>,
    brotli: Made<'c, Compress, CompressInForce>,
    zstd: Made<'c, Compress, CompressInForce>,
    rewriting: Made<'c, Rewriting, RewritingPlan>,
    limits: Made<'c, Limits, LimitsInForce>,
    listing: Made<'c, Listing, ListingInForce>,
    index_page: Made<'c, IndexPage, IndexPageInForce>,
    negotiation: Made<'c, Negotiation, NegotiationInForce>,
    client_address: Made<'c, ClientAddress, ClientAddressInForce>,
}

impl<'c> Memo<'c> {
    /// The settings of a scope over others. `compile` is asked for parts that were not met before.
    pub(super) fn lay(
        &mut self,
        base: &Effective,
        set: &'c Settings,
        accumulate: bool,
        compile: &mut dyn FnMut(Part) -> Parts,
    ) -> Effective {
        let Settings {
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
            http: _,
            uwsgi: _,
            fastcgi: _,
            scgi: _,
            memcached: _,
            grpc: _,
            gzip,
            brotli,
            zstd,
            rewriting,
            limits,
            listing,
            index_page,
            negotiation,
            client_address,
            places: _,
        } = set;
        macro_rules! lay {
            ($group:ident) => {
                laid(&mut self.$group, &base.$group, &**$group, $group.is_empty(), |old| {
                    let mut new = old.clone();
                    $group.lay_over(&mut new, accumulate);
                    new
                })
            };
        }
        let mut new = Effective {
            handler: match handler {
                Some(handler) => Some(shared(&mut self.handlers, handler)),
                None => base.handler.clone(),
            },
            prepare: match prepare {
                Some(_) => compile(Part::Prepare).prepare,
                None => base.prepare,
            },
            hooks: if hooks.is_empty() {
                Arc::clone(&base.hooks)
            } else {
                Arc::new(hooked(&base.hooks, compile(Part::Hooks).hooks))
            },
            client: lay!(client),
            content: lay!(content),
            answer: laid(&mut self.answer, &base.answer, &**answer, answer.is_empty(), |old| {
                lay_answer(old, answer, accumulate, compile)
            }),
            files: lay!(files),
            access: lay!(access),
            logs: lay!(logs),
            resolve: lay!(resolve),
            forwarding: Protocol::ALL.map(|protocol| {
                let (old, written) = (base.forwarding(protocol), set.forwarding(protocol));
                let (made, alike) = (&mut self.forwarding[protocol as usize], &mut self.alike);
                laid(made, old, written, written.is_empty(), |old| {
                    let compiled = written.response_edits.is_some() || written.script_split.is_some();
                    let parts = if compiled { compile(Part::Forwarding(protocol)) } else { Parts::default() };
                    let parts = parts.forwarding.into_iter().next().map(|part| part.1).unwrap_or_default();
                    lay_forwarding(alike, old, written, accumulate, parts)
                })
            }),
            gzip: lay!(gzip),
            brotli: lay!(brotli),
            zstd: lay!(zstd),
            rewriting: laid(&mut self.rewriting, &base.rewriting, rewriting, rewriting.is_empty(), |old| {
                let mut new = old.clone();
                rewriting.lay_over(&mut new.settings, accumulate);
                new.settings.edits = Vec::new();
                if rewriting.edits.is_some() {
                    let mut more = compile(Part::Rewriting).rewriting;
                    if rewriting.edits_first == Some(true) && accumulate {
                        more.append(&mut new.edits);
                    }
                    extend(&mut new.edits, more, accumulate);
                }
                new
            }),
            limits: lay!(limits),
            listing: lay!(listing),
            index_page: lay!(index_page),
            negotiation: lay!(negotiation),
            client_address: lay!(client_address),
            filters: false,
        };
        new.filters = new.has_filters();
        new
    }
}

/// The same handler for all who write the same one.
fn shared<'c>(made: &mut Vec<(&'c Handler, Arc<Handler>)>, written: &'c Handler) -> Arc<Handler> {
    if let Some((_, known)) = made.iter().rev().find(|(known, _)| *known == written) {
        return Arc::clone(known);
    }
    let new = Arc::new(written.clone());
    if made.len() == REMEMBERED {
        made.remove(0);
    }
    made.push((written, Arc::clone(&new)));
    new
}

fn laid<'c, W: PartialEq, F>(
    made: &mut Made<'c, W, F>,
    base: &Arc<F>,
    written: &'c W,
    empty: bool,
    make: impl FnOnce(&F) -> F,
) -> Arc<F> {
    if empty {
        return Arc::clone(base);
    }
    let made = made.entry(Arc::as_ptr(base) as usize).or_default();
    if let Some((_, known)) = made.iter().rev().find(|(known, _)| *known == written) {
        return Arc::clone(known);
    }
    let new = Arc::new(make(base));
    if made.len() == REMEMBERED {
        made.remove(0);
    }
    made.push((written, Arc::clone(&new)));
    new
}

fn hooked(old: &Hooks, hooks: Vec<(u16, Join, Vec<Entry>)>) -> Hooks {
    let mut new = old.clone();
    for (phase, join, blocks) in hooks {
        let phase = usize::from(phase);
        if new.len() <= phase {
            new.resize_with(phase + 1, Vec::new);
        }
        match join {
            Join::Replace => new[phase] = blocks,
            Join::After => new[phase].extend(blocks),
            Join::Before => {
                new[phase].splice(0..0, blocks);
            }
        }
    }
    new
}

fn lay_answer(
    old: &AnswerPlan,
    set: &Answer,
    accumulate: bool,
    compile: &mut dyn FnMut(Part) -> Parts,
) -> AnswerPlan {
    let mut new = old.clone();
    let known = new.settings.errors.len();
    set.lay_over(&mut new.settings, accumulate);
    // What is laid over counts first.
    if accumulate && set.errors.is_some() {
        new.settings.errors.rotate_left(known);
    }
    new.settings.types = Vec::new();
    new.settings.on_response = Vec::new();
    if let Some(types) = &set.types {
        let mut all = if accumulate { Map::clone(&old.types) } else { Map::default() };
        all.extend(types.iter().cloned());
        new.types = Arc::new(all);
    }
    if set.on_response.is_some() {
        let entries = compile(Part::Response).on_response;
        extend(&mut new.on_response, entries, accumulate);
    }
    new
}

/// Parts of forwarding that scopes have alike although they differ in others.
#[derive(Default)]
struct Alike {
    settings: Vec<Arc<ForwardingInForce>>,
    names: Vec<Arc<FieldNames>>,
    /// By the names of the fields edited.
    edits: Map<Name, Vec<Arc<Edit>>>,
}

impl Alike {
    fn edit(&mut self, edit: Edit) -> Arc<Edit> {
        let name = match &edit {
            Edit::Set(name, _) | Edit::Add(name, _) | Edit::Remove(name) | Edit::Append(name, _) => {
                name.clone()
            }
            _ => Name::new(),
        };
        one_of(self.edits.entry(name).or_default(), edit)
    }
}

/// The one made last that is equal, or a new one.
fn one_of<T: PartialEq>(made: &mut Vec<Arc<T>>, new: T) -> Arc<T> {
    if let Some(known) = made.iter().rev().find(|known| ***known == new) {
        return Arc::clone(known);
    }
    let new = Arc::new(new);
    if made.len() == REMEMBERED {
        made.remove(0);
    }
    made.push(Arc::clone(&new));
    new
}

impl ForwardingPlan {
    /// This with other settings laid over it that edit no response.
    #[must_use]
    pub fn under(&self, set: &Forwarding) -> Self {
        lay_forwarding(&mut Alike::default(), self, set, false, ForwardingParts::default())
    }
}

fn lay_forwarding(
    alike: &mut Alike,
    old: &ForwardingPlan,
    set: &Forwarding,
    accumulate: bool,
    parts: ForwardingParts,
) -> ForwardingPlan {
    let mut new = old.clone();
    let mut settings = ForwardingInForce::clone(&old.settings);
    set.lay_over(&mut settings, accumulate);
    settings.response_edits = Vec::new();
    if settings.omit_missing && set.params.is_some() {
        keep_last(&mut settings.params);
    }
    let written = std::mem::take(&mut settings.edits);
    if set.edits.is_some() {
        let kept = if accumulate { &*old.edits } else { &[] };
        let written = written.into_iter().map(|edit| alike.edit(edit));
        new.edits = kept.iter().cloned().chain(written).collect();
    }
    if set.response_edits.is_some() {
        extend(&mut new.response_edits, parts.edits, accumulate);
    }
    if set.script_split.is_some() {
        new.split = parts.split;
    }
    new.names = one_of(&mut alike.names, FieldNames::new(&settings, &new.edits));
    new.settings = one_of(&mut alike.settings, settings);
    new
}

/// Of variables of one name the last counts.
fn keep_last(params: &mut Vec<(Name, Template, bool)>) {
    let mut known = std::collections::HashSet::new();
    let mut kept: Vec<_> = params.drain(..).rev().filter(|(name, ..)| known.insert(name.clone())).collect();
    kept.reverse();
    *params = kept;
}

fn extend<T>(list: &mut Vec<T>, more: Vec<T>, accumulate: bool) {
    if !accumulate {
        list.clear();
    }
    list.extend(more);
}
