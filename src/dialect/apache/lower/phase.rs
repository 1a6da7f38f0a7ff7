//! The steps of a request at which topics act, in the order in which they come.

use super::Kind;
use crate::ir::Name;

/// When something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Phase {
    /// The request was read: `RemoteIPHeader`, `RequestHeader ... early`, a server's `SetEnvIf`.
    Early,
    /// A server's `RewriteRule`.
    Rewrite,
    /// `ProxyPass`.
    Proxy,
    /// `Redirect` and `Alias`.
    Alias,
    /// What an answer needs that is given while the path is mapped.
    Answering,
    /// `<Files>` inside other sections: steps that look at the file's name and put settings in force.
    Files,
    /// `<If>` inside other sections.
    If,
    /// `<If>` inside `<If>`.
    InnerIf,
    /// `AllowMethods`.
    Methods,
    /// `SetEnvIf` of a section.
    Headers,
    /// What a section's rules perform first: whether the engine is on, what paths begin with.
    Engine,
    /// What they perform when it is: whether rules may be used at all.
    Links,
    /// A section's `RewriteRule`.
    Rules,
    /// A section's `Redirect`.
    Redirect,
    /// `SetEnv`, `PassEnv`, `UnsetEnv`.
    Env,
    /// `SetHandler`.
    Type,
    /// `AddHandler`, for what no `SetHandler` gave to anybody.
    ByName,
    /// A path of a directory without its slash.
    Slash,
    /// `DirectoryIndex`.
    Index,
    /// The same where a handler was set.
    HandledIndex,
    /// What is done with the file that was found for a directory.
    GoToIndex,
    /// What answers for a directory without such a file.
    Listing,
    /// `FallbackResource`.
    Fallback,
    /// `AcceptPathInfo`: what is done about a path that goes on after a file.
    PathInfo,
    /// `Options ExecCGI`: what is done about a program that nobody allowed.
    Program,
    /// `AcceptPathInfo Off`: what is done about a path that goes on after a program.
    ProgramPath,
    /// `RequestHeader`.
    Fields,
    /// `ProxyFCGISetEnvIf`.
    Gateway,
    /// `SetOutputFilter`.
    Filters,
    /// `AddOutputFilter`, `FilterChain`.
    Chain,
    /// `XBitHack`.
    Executable,
    /// `AddOutputFilterByType` of one filter: what an inner section says takes the place of what is said outside.
    Deflated,
    Brotlied,
    Substituted,
}

/// Whose steps come first when a virtual host is joined with the main server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joins {
    MainFirst,
    /// The main server's count for the main server alone.
    Apart,
}

impl Phase {
    /// The phases that are hooks performed after access was granted, in order.
    pub(crate) const FIXUPS: [Self; 13] = [
        Self::Type,
        Self::ByName,
        Self::Rules,
        Self::Redirect,
        Self::Env,
        Self::Fields,
        Self::Gateway,
        Self::Filters,
        Self::Chain,
        Self::Executable,
        Self::Deflated,
        Self::Brotlied,
        Self::Substituted,
    ];

    /// Its name in the IR.
    pub(crate) fn name(self) -> Name {
        match self {
            Self::Early => "early",
            Self::Rewrite => "rewrite",
            Self::Proxy => "proxy",
            Self::Alias => "alias",
            Self::Answering => "answering",
            Self::Files => "files",
            Self::If => "if",
            Self::InnerIf => "inner-if",
            Self::Methods => "methods",
            Self::Headers => "headers",
            Self::Engine => "engine",
            Self::Links => "links",
            Self::Rules => "rules",
            Self::Redirect => "redirect",
            Self::Env => "env",
            Self::Type => "type",
            Self::ByName => "by-name",
            Self::Slash => "slash",
            Self::Index => "index",
            Self::HandledIndex => "handled-index",
            Self::GoToIndex => "go-to-index",
            Self::Listing => "listing",
            Self::Fallback => "fallback",
            Self::PathInfo => "path-info",
            Self::Program => "program",
            Self::ProgramPath => "program-path",
            Self::Fields => "fields",
            Self::Gateway => "gateway",
            Self::Filters => "filters",
            Self::Chain => "chain",
            Self::Executable => "executable",
            Self::Deflated => "deflated",
            Self::Brotlied => "brotlied",
            Self::Substituted => "substituted",
        }
        .into()
    }

    /// Whether steps of a section of this kind stand in the program of its host; else they are a hook.
    pub(crate) fn is_inline(self, kind: Kind) -> bool {
        let server = matches!(kind, Kind::Server | Kind::VirtualHost);
        server && matches!(self, Self::Early | Self::Rewrite | Self::Proxy | Self::Alias)
    }

    /// Whether it comes before the path is mapped to a file.
    pub(crate) fn is_mapping(self) -> bool {
        matches!(self, Self::Rewrite | Self::Proxy | Self::Alias)
    }

    /// Whose steps come first.
    pub(crate) fn joins(self) -> Joins {
        match self {
            // They join their lists themselves.
            Self::Rewrite | Self::Alias => Joins::Apart,
            _ => Joins::MainFirst,
        }
    }
}
