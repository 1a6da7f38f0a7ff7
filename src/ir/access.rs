//! Who may: what a request has to be, or the user who sends it.

use std::{path::PathBuf, time::Duration};

use serde::Serialize;

use super::{Name, Template, Text};

/// What is required. It may hold, be missed, be missed for want of a user, or say nothing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Requirement {
    /// The worst of those that say something.
    All(Vec<Self>),
    /// The best of those that say something.
    Any(Vec<Self>),
    /// Missed where it holds; else it says nothing.
    Not(Box<Self>),
    /// Holds when this is neither empty nor `0`.
    Holds(Template),
    /// Holds for any user.
    AnyUser,
    /// Holds for these users.
    Users(Vec<Text>),
    /// Holds for users in these groups.
    Groups(Vec<Text>),
    /// Holds for clients whose address has one of these names, or one below it, which has this address, too.
    Named(Vec<Text>),
    /// Holds for clients whose address is one of those that one of these names has.
    At(Vec<Text>),
    /// Says nothing where the method is not one of these; or, with `except`, where it is.
    Limited {
        /// The methods.
        methods: Vec<Name>,
        /// Whether all others are meant.
        except: bool,
        /// What is required.
        of: Box<Self>,
    },
}

/// How a requirement joins the one in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum Joined {
    /// It takes its place.
    #[default]
    Alone,
    /// Both are required.
    Both,
    /// One of them is.
    Either,
}

/// A requirement as a setting.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Required {
    /// What is required; `None` is nothing.
    pub what: Option<Requirement>,
    /// How it joins the one in force.
    pub joined: Joined,
}

/// How users are known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Credentials {
    /// The realm of the challenge (RFC 7617 § 2).
    pub realm: Text,
    /// Files with a line `user:hash` each; the first that knows the user decides.
    pub users: Vec<PathBuf>,
    /// Files with a line `group: user ...` each.
    pub groups: Vec<PathBuf>,
    /// The status of an answer that asks for credentials.
    pub asked: u16,
    /// The status where those that are given are wrong.
    pub wrong: u16,
    /// Asks for the answer to a challenge instead of the password (RFC 7616); files have lines `user:realm:hash` then.
    pub digest: Option<Digest>,
}

/// How answers to challenges are asked for: MD5, `qop=auth`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Digest {
    /// How long a challenge may be answered; `None` is for ever.
    pub lifetime: Option<Duration>,
    /// What else the answer counts for, as it is told; empty is not told.
    pub domain: Text,
}

/// Realm and files of users, each where it was said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Naming {
    /// The realm.
    pub realm: Option<Text>,
    /// Files of users.
    pub users: Option<Vec<PathBuf>>,
    /// Files of groups.
    pub groups: Option<Vec<PathBuf>>,
}

impl Credentials {
    /// With what was said beside them.
    #[must_use]
    pub fn named(&self, naming: &Naming) -> Self {
        let Naming { realm, users, groups } = naming;
        let mut own = self.clone();
        own.realm = realm.clone().unwrap_or(own.realm);
        own.users = users.clone().unwrap_or(own.users);
        own.groups = groups.clone().unwrap_or(own.groups);
        own
    }
}

impl Required {
    /// This one laid over another.
    #[must_use]
    pub fn over(&self, below: &Self) -> Self {
        let (Some(new), Some(old)) = (&self.what, &below.what) else {
            let joined = self.joined;
            return Self { what: self.what.clone().or_else(|| below.what.clone()), joined };
        };
        let pair = || vec![old.clone(), new.clone()];
        let what = match self.joined {
            Joined::Alone => new.clone(),
            Joined::Both => Requirement::All(pair()),
            Joined::Either => Requirement::Any(pair()),
        };
        Self { what: Some(what), joined: self.joined }
    }
}
