//! Modules that a server does not come with, known by the names of their directives.

use serde::Deserialize;

/// One module.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThirdParty {
    /// Its name.
    pub module: String,
    /// Its directives.
    #[serde(default)]
    pub names: Vec<String>,
    /// What its directives begin with.
    #[serde(default)]
    pub prefixes: Vec<String>,
    /// What its directives have in them.
    #[serde(default)]
    pub infixes: Vec<String>,
    /// Why it is refused, and what to use.
    pub why: String,
}

impl ThirdParty {
    /// Whether a directive of this name is one of its.
    pub fn knows(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
            || self.prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
            || self.infixes.iter().any(|infix| name.contains(infix.as_str()))
    }
}
