//! Who may: `allow`, `deny`, `satisfy`.

use super::Lower;

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[];
