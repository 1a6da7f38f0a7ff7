//! Modules that Apache does not come with, known by the names of their directives.

use serde::Deserialize;

/// One module.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThirdParty {
    /// Its name.
    pub module: String,
    /// What `LoadModule` and `<IfModule>` call it, without `_module`.
    #[serde(default)]
    pub ids: Vec<String>,
    /// Its directives.
    #[serde(default)]
    pub names: Vec<String>,
    /// What its directives begin with.
    #[serde(default)]
    pub prefixes: Vec<String>,
    /// Whether its directives are accepted without effect.
    #[serde(default)]
    pub inert: bool,
    /// Why it is refused, and what to use.
    pub why: String,
}

impl ThirdParty {
    /// Whether a directive of this name, in any case of letters, is one of its.
    pub fn knows(&self, name: &str) -> bool {
        let begins = |prefix: &String| {
            name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        self.names.iter().any(|known| known.eq_ignore_ascii_case(name)) || self.prefixes.iter().any(begins)
    }

    /// Whether `LoadModule` or `<IfModule>` mean this module by a name.
    pub fn is(&self, name: &str) -> bool {
        let stem = name.strip_suffix("_module").or_else(|| name.strip_suffix(".c")).unwrap_or(name);
        let stem = stem.strip_prefix("mod_").unwrap_or(stem);
        self.ids.iter().any(|id| id == stem)
    }
}
