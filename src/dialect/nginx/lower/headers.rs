//! `add_header`, `add_trailer`, `expires`.

use super::Lower;

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[];
