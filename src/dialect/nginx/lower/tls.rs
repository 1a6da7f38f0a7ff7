//! Certificates and protocols of a server.

use super::Lower;

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[];
