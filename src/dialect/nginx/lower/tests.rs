//! Whole configurations, lowered.

use std::path::PathBuf;

use super::{Kind, Options};

/// How tests lower.
pub(super) fn options() -> Options {
    Options {
        prefix: PathBuf::from("/p"),
        conf_prefix: PathBuf::from("/p/conf"),
        offline: false,
        strict_names: false,
        root: false,
        token: "nginx/1.22.1".into(),
        level: Kind::Main,
    }
}
