//! Whether access has to be asked for: not where it was under the same circumstances before a redirect inside the server.

use super::{Run, SettingsId};
use crate::ir::Asking;

/// When access was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Under(SettingsId),
    For(Box<[u8]>),
}

impl Run {
    /// Whether access was asked for already, and need not be again; if not, it is now.
    pub(super) fn was_asked(&mut self, asking: Asking) -> bool {
        let now = match asking {
            Asking::Always => return false,
            Asking::Changed => Asked::Under(self.settings),
            Asking::Moved => Asked::For(self.path.as_slice().into()),
        };
        let was = self.asked_for.as_ref() == Some(&now);
        self.asked_for = Some(now);
        was
    }
}
