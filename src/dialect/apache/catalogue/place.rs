//! The places a directive may stand in, and what `AllowOverride` allows.

use std::fmt;

macro_rules! set {
    ($(#[$about:meta])* $set:ident of $one:ident) => {
        $(#[$about])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
        pub struct $set(u16);

        impl $set {
            /// None.
            pub const NONE: Self = Self(0);

            /// Whether there is none.
            pub fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// Whether one is among them.
            pub fn contains(self, one: $one) -> bool {
                self.0 & (1 << one as u16) != 0
            }

            /// What both have in common.
            #[must_use]
            pub fn intersection(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }

            /// What is in either.
            #[must_use]
            pub fn union(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// Each of them.
            pub fn iter(self) -> impl Iterator<Item = $one> {
                $one::ALL.iter().copied().filter(move |one| self.contains(*one))
            }
        }

        impl FromIterator<$one> for $set {
            fn from_iter<I: IntoIterator<Item = $one>>(all: I) -> Self {
                Self(all.into_iter().fold(0, |set, one| set | 1 << one as u16))
            }
        }

        impl fmt::Debug for $set {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.debug_set().entries(self.iter()).finish()
            }
        }
    };
}

/// A kind of section, or the file itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Outside of all sections.
    Server,
    /// `<VirtualHost>`
    Vhost,
    /// `<Directory>`, `<DirectoryMatch>`
    Directory,
    /// `<Location>`, `<LocationMatch>`
    Location,
    /// `<Files>`, `<FilesMatch>`
    Files,
    /// `<If>`, `<ElseIf>`, `<Else>`
    If,
    /// `<Limit>`, `<LimitExcept>`
    Limit,
    /// `<Proxy>`, `<ProxyMatch>`
    Proxy,
    /// Outside of all sections of a .htaccess.
    Htaccess,
}

impl Place {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Server,
        Self::Vhost,
        Self::Directory,
        Self::Location,
        Self::Files,
        Self::If,
        Self::Limit,
        Self::Proxy,
        Self::Htaccess,
    ];

    /// The word for it in the catalogue's files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Vhost => "vhost",
            Self::Directory => "directory",
            Self::Location => "location",
            Self::Files => "files",
            Self::If => "if",
            Self::Limit => "limit",
            Self::Proxy => "proxy",
            Self::Htaccess => "htaccess",
        }
    }

    /// Where it is, in a sentence.
    pub fn description(self) -> &'static str {
        match self {
            Self::Server => "outside of all sections",
            Self::Vhost => "in <VirtualHost>",
            Self::Directory => "in <Directory>",
            Self::Location => "in <Location>",
            Self::Files => "in <Files>",
            Self::If => "in <If>",
            Self::Limit => "in <Limit>",
            Self::Proxy => "in <Proxy>",
            Self::Htaccess => "in a .htaccess file",
        }
    }
}

set! {
    /// Several places.
    Places of Place
}

impl Places {
    /// Every section that applies to a part of the requests.
    pub fn dir() -> Self {
        use Place::{Directory, Files, If, Limit, Location, Proxy};
        [Directory, Location, Files, If, Limit, Proxy].into_iter().collect()
    }

    /// The places in the catalogue's words: `dir` for all sections.
    pub fn words(self) -> Vec<&'static str> {
        let dir = Self::dir();
        let whole = self.intersection(dir) == dir;
        let mut words: Vec<_> =
            self.iter().filter(|place| !(whole && dir.contains(*place))).map(Place::word).collect();
        if whole {
            let at = words.iter().position(|word| *word == "htaccess").unwrap_or(words.len());
            words.insert(at, "dir");
        }
        words
    }
}

/// What `AllowOverride` can list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Override {
    /// `AuthConfig`
    AuthConfig,
    /// `FileInfo`
    FileInfo,
    /// `Indexes`
    Indexes,
    /// `Limit`
    Limit,
    /// `Options`
    Options,
}

impl Override {
    /// All of them.
    pub const ALL: &[Self] = &[Self::AuthConfig, Self::FileInfo, Self::Indexes, Self::Limit, Self::Options];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::AuthConfig => "AuthConfig",
            Self::FileInfo => "FileInfo",
            Self::Indexes => "Indexes",
            Self::Limit => "Limit",
            Self::Options => "Options",
        }
    }

    /// The one that a word means, in any case of letters.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.word().eq_ignore_ascii_case(word))
    }
}

set! {
    /// What an `AllowOverride` lists.
    Overrides of Override
}

impl Overrides {
    /// `AllowOverride All`
    pub fn all() -> Self {
        Override::ALL.iter().copied().collect()
    }
}
