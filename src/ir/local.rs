//! Steps that directories bring: configuration that is read while requests are answered.
//!
//! The configuration itself stays plain data: who can read such files comes beside it, as a [`Provider`].

use std::{fmt::Debug, path::PathBuf};

use super::{Block, HostId, Var};

/// Reads what directories bring.
pub trait Provider: Debug + Send + Sync {
    /// The files that count for requests in a folder, in the order in which they count. Of each group only the first
    /// that exists counts. None means that the host's own program is all there is.
    fn files(&self, host: HostId, folder: &[u8]) -> Vec<Vec<PathBuf>>;

    /// The rest of the program after [`super::Step::Local`] for requests in folders with those of [`Self::files`]
    /// that exist; they alone decide it. New variables are added to `vars`, which holds all that are known.
    ///
    /// Where a file cannot be used, that is what the program answers.
    fn load(&self, host: HostId, files: &[PathBuf], vars: &mut Vec<Var>) -> Loaded;
}

/// What directories bring.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loaded {
    /// The rest of the program.
    pub rest: Block,
    /// What there is to say about the files, for the error log.
    pub found: Vec<String>,
}
