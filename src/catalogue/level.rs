//! The places a directive may stand in, in the servers' own words.

/// A kind of block, or the file itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Outside of any block.
    Main,
    /// `events`
    Events,
    /// `http`
    Http,
    /// `upstream` in `http`
    Upstream,
    /// `server` in `http`
    Server,
    /// `if` in `server`
    ServerIf,
    /// `location`
    Location,
    /// `if` in `location`
    If,
    /// `limit_except`
    LimitExcept,
    /// `stream`
    Stream,
    /// `upstream` in `stream`
    StreamUpstream,
    /// `server` in `stream`
    StreamServer,
    /// `mail`
    Mail,
    /// `server` in `mail`
    MailServer,
    /// `mgmt`
    Mgmt,
    /// `oidc_provider`
    OidcProvider,
    /// `acme_issuer`
    AcmeIssuer,
    /// `otel_exporter`
    OtelExporter,
}

const ALL: &[(Level, &str)] = &[
    (Level::Main, "main"),
    (Level::Events, "events"),
    (Level::Http, "http"),
    (Level::Upstream, "upstream"),
    (Level::Server, "server"),
    (Level::ServerIf, "server-if"),
    (Level::Location, "location"),
    (Level::If, "if"),
    (Level::LimitExcept, "limit_except"),
    (Level::Stream, "stream"),
    (Level::StreamUpstream, "stream-upstream"),
    (Level::StreamServer, "stream-server"),
    (Level::Mail, "mail"),
    (Level::MailServer, "mail-server"),
    (Level::Mgmt, "mgmt"),
    (Level::OidcProvider, "oidc_provider"),
    (Level::AcmeIssuer, "acme_issuer"),
    (Level::OtelExporter, "otel_exporter"),
];

impl Level {
    /// Every level.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.iter().map(|&(level, _)| level)
    }

    /// Its word in the catalogue's files.
    pub fn word(self) -> &'static str {
        ALL.iter().find(|&&(level, _)| level == self).map_or("", |&(_, word)| word)
    }

    /// The level of a word of the catalogue's files.
    pub fn from_word(word: &str) -> Option<Self> {
        ALL.iter().find(|&&(_, known)| known == word).map(|&(level, _)| level)
    }

    /// What to call it in a message.
    pub fn description(self) -> &'static str {
        match self {
            Self::Main => "the main level",
            Self::Events => "`events`",
            Self::Http => "`http`",
            Self::Upstream => "`upstream`",
            Self::Server => "`server`",
            Self::ServerIf => "`if` in `server`",
            Self::Location => "`location`",
            Self::If => "`if` in `location`",
            Self::LimitExcept => "`limit_except`",
            Self::Stream => "`stream`",
            Self::StreamUpstream => "`upstream` in `stream`",
            Self::StreamServer => "`server` in `stream`",
            Self::Mail => "`mail`",
            Self::MailServer => "`server` in `mail`",
            Self::Mgmt => "`mgmt`",
            Self::OidcProvider => "`oidc_provider`",
            Self::AcmeIssuer => "`acme_issuer`",
            Self::OtelExporter => "`otel_exporter`",
        }
    }
}

/// A set of levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels(u32);

impl Levels {
    /// Every level.
    pub const ANY: Self = Self(u32::MAX);

    /// Adds one.
    pub fn insert(&mut self, level: Level) {
        self.0 |= 1 << level as u32;
    }

    /// Whether it has one.
    pub fn contains(self, level: Level) -> bool {
        self.0 & (1 << level as u32) != 0
    }

    /// What both have.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its levels in order.
    pub fn iter(self) -> impl Iterator<Item = Level> {
        Level::all().filter(move |&level| self.contains(level))
    }
}

impl FromIterator<Level> for Levels {
    fn from_iter<I: IntoIterator<Item = Level>>(levels: I) -> Self {
        let mut set = Self::default();
        levels.into_iter().for_each(|level| set.insert(level));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_levels_correspond() {
        for level in Level::all() {
            assert_eq!(Level::from_word(level.word()), Some(level));
        }
        let set: Levels = [Level::Http, Level::If].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [Level::Http, Level::If]);
        assert!(!set.contains(Level::Server) && Levels::ANY.contains(Level::OtelExporter));
    }
}
