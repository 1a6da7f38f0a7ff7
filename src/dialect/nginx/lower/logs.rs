//! `log_format`, `access_log`, `error_log`.

use super::Lower;

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[];
