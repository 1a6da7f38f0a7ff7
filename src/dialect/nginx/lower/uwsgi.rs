//! `uwsgi_pass` and the directives of its module that are more than a value.

use super::Lower;

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[];
