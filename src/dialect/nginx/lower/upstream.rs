//! `upstream` blocks and what stands in them.

use super::Lower;

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[];
