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
    /// `<Files>` inside other sections: steps that look at the file's name and put settings in force.
    Files,
    /// `<If>` inside other sections.
    If,
    /// `<If>` inside `<If>`.
    InnerIf,
    /// `SetEnvIf` of a section.
    Headers,
    /// Whether rules of a section may be used at all.
    Links,
    /// A section's `RewriteRule`.
    Rules,
    /// A section's `Redirect`.
    Redirect,
    /// `SetEnv`, `PassEnv`, `UnsetEnv`.
    Env,
    /// `DirectorySlash`, `DirectoryIndex`, `FallbackResource`.
    Dir,
    /// `RequestHeader`.
    Fields,
}

/// Whose steps come first when a virtual host is joined with the main server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joins {
    MainFirst,
    HostFirst,
    /// The main server's count for the main server alone.
    Apart,
}

impl Phase {
    /// The phases that are hooks performed after access was granted, in order.
    pub(crate) const FIXUPS: [Self; 6] =
        [Self::Links, Self::Rules, Self::Redirect, Self::Env, Self::Dir, Self::Fields];

    /// Its name in the IR.
    pub(crate) fn name(self) -> Name {
        match self {
            Self::Early => "early",
            Self::Rewrite => "rewrite",
            Self::Proxy => "proxy",
            Self::Alias => "alias",
            Self::Files => "files",
            Self::If => "if",
            Self::InnerIf => "inner-if",
            Self::Headers => "headers",
            Self::Links => "links",
            Self::Rules => "rules",
            Self::Redirect => "redirect",
            Self::Env => "env",
            Self::Dir => "dir",
            Self::Fields => "fields",
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
            Self::Rewrite => Joins::Apart,
            Self::Alias => Joins::HostFirst,
            _ => Joins::MainFirst,
        }
    }
}
