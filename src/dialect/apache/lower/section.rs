//! What holds directives: a server, a section, a .htaccess.

use std::collections::BTreeMap;

use super::Phase;
use crate::{
    ir::{self, Base, Block, Hook, Join, Name, Scope, Step, Test},
    source::Span,
};

/// What kind of section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// The main server.
    Server,
    VirtualHost,
    /// `<Directory>` with a path, perhaps with wildcards.
    Directory,
    /// `<DirectoryMatch>`, `<Directory ~>`.
    DirectoryMatch,
    /// `<Files>`, `<FilesMatch>`.
    Files,
    /// `<Location>`, `<LocationMatch>`.
    Location,
    /// `<Proxy>`, `<ProxyMatch>`.
    Proxy,
    /// `<If>`, `<ElseIf>`, `<Else>`.
    If,
    Htaccess,
}

/// What holds directives.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) kind: Kind,
    /// When it applies; `None` is always.
    pub(crate) test: Option<Test>,
    /// What it is compared with as written: the path, pattern or URL; of a .htaccess its directory, with a slash.
    pub(crate) path: Vec<u8>,
    /// Of a directory: its number of components.
    pub(crate) depth: usize,
    /// The methods that what is being read is for: `<Limit>`; with `true`, all others: `<LimitExcept>`.
    pub(crate) limit: Option<(Vec<Name>, bool)>,
    /// What it sets.
    pub(crate) set: ir::Settings,
    /// What it does, by phase.
    pub(crate) steps: BTreeMap<Phase, Vec<(Step, Span)>>,
    /// What topics remember until it is whole.
    pub(crate) own: Own,
    /// The sections in it, in order.
    pub(crate) sections: Vec<Self>,
    /// Its first line.
    pub(crate) span: Span,
}

/// What topics remember of a section, a field each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Own {
    /// Names and addresses of a host.
    pub(crate) host: super::host::Own,
    /// TLS with clients.
    pub(crate) tls: super::tls::Own,
    /// Changes of response fields.
    pub(crate) headers: super::headers::Own,
    /// How long responses may be kept.
    pub(crate) expires: super::expires::Own,
    /// What is sent on.
    pub(crate) proxy: super::proxy::Own,
    /// Filters of content.
    pub(crate) filters: super::filters::Own,
    /// What is logged.
    pub(crate) logs: super::logs::Own,
    /// How paths are mapped.
    pub(crate) mapping: super::mapping::Own,
    /// Rules.
    pub(crate) rewrite: crate::dialect::apache::rewrite::Own,
    pub(crate) access: super::access::Own,
    pub(crate) core: super::core::Own,
    /// `TraceEnable`: whether TRACE is answered.
    pub(crate) trace: Option<bool>,
    /// Whose address is the client's.
    pub(crate) remoteip: super::remoteip::Own,
    pub(crate) names: super::names::Own,
    pub(crate) alias: super::alias::Own,
    pub(crate) vhost_alias: super::vhost_alias::Own,
    /// Folders of users.
    pub(crate) userdir: super::userdir::Own,
    /// Programs that are started for requests.
    pub(crate) program: super::program::Own,
    pub(crate) directory: super::directory::Own,
    /// What a `.htaccess` may say.
    pub(crate) allowed: Option<super::super::check::Allowed>,
    /// The names of `.htaccess` files.
    pub(crate) access_files: Option<Vec<Vec<u8>>>,
    /// The tests of the `<If>` and `<ElseIf>` just before.
    pub(crate) chain: Vec<Test>,
}

impl Section {
    pub(crate) fn new(kind: Kind, span: Span) -> Self {
        Self {
            kind,
            test: None,
            path: Vec::new(),
            depth: 0,
            limit: None,
            set: ir::Settings::default(),
            steps: BTreeMap::new(),
            own: Own::default(),
            sections: Vec::new(),
            span,
        }
    }

    /// Whether it is the main server or a virtual host.
    pub(crate) fn is_server(&self) -> bool {
        matches!(self.kind, Kind::Server | Kind::VirtualHost)
    }

    /// Does something at a phase, after what the sections before it do there.
    pub(crate) fn hook(&mut self, phase: Phase, step: Step, span: Span) {
        if phase.is_inline(self.kind) {
            return self.steps.entry(phase).or_default().push((step, span));
        }
        let known = self.set.hooks.iter_mut().find(|hook| hook.phase == phase.name());
        match known.and_then(|hook| hook.blocks.last_mut()).filter(|block| block.scope.is_none()) {
            Some(block) if block.label.is_none() => block.steps.push((step, span)),
            _ => self.join(phase, Join::After, Block { steps: vec![(step, span)], span, ..Block::default() }),
        }
    }

    /// Does this at a phase, and nothing that the sections before it do there.
    pub(crate) fn replace(&mut self, phase: Phase, block: Block) {
        if phase.is_inline(self.kind) {
            let span = block.span;
            self.steps.insert(phase, vec![(Step::Do(block), span)]);
        } else {
            self.join(phase, Join::Replace, block);
        }
    }

    /// Adds a block to a phase that is a hook.
    pub(crate) fn join(&mut self, phase: Phase, join: Join, block: Block) {
        self.set.hook(&Hook { phase: phase.name(), join, blocks: vec![block] });
    }

    /// Its settings, as a block that puts them in force.
    pub(crate) fn block(&self) -> Block {
        let scope = Scope { base: Base::Current, set: Box::new(self.set.clone()) };
        Block { scope: Some(scope), span: self.span, ..Block::default() }
    }

    /// The step that puts its settings in force where it applies.
    pub(crate) fn step(&self) -> (Step, Span) {
        let then = self.block();
        let step = match &self.test {
            None => Step::Do(then),
            Some(test) => Step::When { test: test.clone(), then, otherwise: Block::default() },
        };
        (step, self.span)
    }
}
