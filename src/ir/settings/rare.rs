//! Settings that few scopes write: they take room only where something is written.

use std::{
    ops::{Deref, DerefMut},
    sync::LazyLock,
};

use serde::{Serialize, Serializer};

use super::Forwarding;

static NONE: LazyLock<Forwarding> = LazyLock::new(Forwarding::default);

/// How requests are forwarded over a protocol that is not the usual one.
#[derive(Clone, Debug, Default)]
pub struct Rare(Option<Box<Forwarding>>);

impl Deref for Rare {
    type Target = Forwarding;

    fn deref(&self) -> &Forwarding {
        self.0.as_deref().unwrap_or_else(|| &NONE)
    }
}

impl DerefMut for Rare {
    fn deref_mut(&mut self) -> &mut Forwarding {
        self.0.get_or_insert_default()
    }
}

impl Rare {
    /// Lays `over` on top: what it sets replaces, or extends lists when `accumulate`.
    pub fn lay(&mut self, over: &Self, accumulate: bool) {
        if let Some(over) = &over.0 {
            Forwarding::lay(self, over, accumulate);
        }
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|written| written.is_empty())
    }
}

impl From<Forwarding> for Rare {
    fn from(written: Forwarding) -> Self {
        Self(Some(Box::new(written)))
    }
}

impl PartialEq for Rare {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => self.is_empty() && other.is_empty(),
        }
    }
}

impl Serialize for Rare {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Forwarding::serialize(self, serializer)
    }
}
