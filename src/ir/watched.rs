//! Files whose change has the configuration read again without anybody asking for it.

use std::path::PathBuf;

use serde::Serialize;

use super::Text;

/// Files of one name, whatever its case, in a folder or anywhere below it: when one changes, comes or goes, the
/// configuration is read again. One that is wrong then changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Watched {
    /// The folder.
    pub folder: PathBuf,
    /// Whether folders below it are meant as well.
    pub below: bool,
    /// The name.
    pub name: Text,
}
