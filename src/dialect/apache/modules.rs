//! Which modules count as loaded: what `<IfModule>` asks.
//!
//! A configuration that loads modules says so itself: what it loads counts, and what Debian's server has built in. A
//! file without any `LoadModule` (a single virtual host, a `.htaccess`) is read as if every module were loaded whose
//! row in `grammar/apache/` says `assumed`: those that are honoured here. Nothing is loaded in fact.

use std::collections::HashSet;

use super::catalogue::{self, Module};

/// What Debian's server has built in.
const BUILT_IN: [&str; 8] = [
    "core_module",
    "so_module",
    "watchdog_module",
    "http_module",
    "log_config_module",
    "logio_module",
    "version_module",
    "unixd_module",
];

/// The modules that count as loaded.
#[derive(Clone, Debug, Default)]
pub struct Modules {
    /// What `LoadModule` named.
    loaded: HashSet<Vec<u8>>,
    /// The same in order.
    order: Vec<Vec<u8>>,
    /// Whether `LoadModule` says which modules there are.
    said: bool,
}

impl Modules {
    /// Those of a configuration that loads its modules, or of one that does not.
    pub fn new(said: bool) -> Self {
        Self { said, ..Self::default() }
    }

    /// `LoadModule`
    pub fn load(&mut self, id: &[u8]) {
        if self.loaded.insert(id.to_vec()) {
            self.order.push(id.to_vec());
        }
    }

    /// Whether any was loaded.
    pub fn any_loaded(&self) -> bool {
        !self.loaded.is_empty()
    }

    /// What `LoadModule` named, in order.
    pub fn loaded(&self) -> &[Vec<u8>] {
        &self.order
    }

    /// Whether a module that Apache comes with counts as loaded.
    pub fn has(&self, module: &Module) -> bool {
        BUILT_IN.contains(&module.id.as_str())
            || self.loaded.contains(module.id.as_bytes())
            || (!self.said && module.assumed)
    }

    /// Whether the directives of a module that Apache comes with are known. Those of processes and threads are: some
    /// such module is always there.
    pub fn provides(&self, module: &Module) -> bool {
        module.id.starts_with("mpm_") || self.has(module)
    }

    /// Whether `<IfModule name>` counts: a name is an identifier or that of a source file, in its own case.
    pub fn knows(&self, name: &[u8]) -> bool {
        let modules = catalogue::catalogue().modules();
        if let Some(module) =
            modules.iter().find(|module| module.id.as_bytes() == name || module.file.as_bytes() == name)
        {
            return self.has(module);
        }
        // Others are known by what loaded them; their sources are named as those of Apache.
        let file = name.strip_prefix(b"mod_").and_then(|name| name.strip_suffix(b".c"));
        let file = match name {
            b"prefork.c" => Some(b"mpm_prefork_module".to_vec()),
            b"worker.c" => Some(b"mpm_worker_module".to_vec()),
            _ => file.map(|stem| [stem, b"_module"].concat()),
        };
        self.loaded.contains(name) || file.is_some_and(|id| self.loaded.contains(&id))
    }

    /// Every module of Apache that counts as loaded, built-in ones first.
    pub fn list(&self) -> impl Iterator<Item = (&'static Module, bool)> {
        let modules = catalogue::catalogue().modules();
        let of = |id: &[u8]| modules.iter().find(|module| module.id.as_bytes() == id);
        let built_in = BUILT_IN.iter().filter_map(move |id| of(id.as_bytes())).map(|module| (module, true));
        let assumed = modules
            .iter()
            .filter(|module| !self.said && module.assumed && !BUILT_IN.contains(&module.id.as_str()));
        let loaded = self.order.iter().filter(|_| self.said).filter_map(move |id| of(id));
        built_in.chain(assumed.chain(loaded).map(|module| (module, false)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_known_by_two_names() {
        let mut modules = Modules::new(false);
        for name in
            ["rewrite_module", "mod_rewrite.c", "event.c", "mpm_event_module", "core.c", "http_core.c"]
        {
            assert!(modules.knows(name.as_bytes()), "{name}");
        }
        for name in
            ["mod_rewrite", "Mod_Rewrite.c", "mod_php7.c", "php7_module", "prefork.c", "mod_lua.c", ""]
        {
            assert!(!modules.knows(name.as_bytes()), "{name}");
        }
        modules = Modules::new(true);
        modules.load(b"php7_module");
        modules.load(b"env_module");
        for (name, known) in
            [("mod_php7.c", true), ("mod_env.c", true), ("mod_ssl.c", false), ("mod_so.c", true)]
        {
            assert_eq!(modules.knows(name.as_bytes()), known, "{name}");
        }
        assert_eq!(modules.list().count(), 9);
        modules.load(b"mpm_prefork_module");
        assert!(modules.knows(b"prefork.c") && !modules.knows(b"event.c"));
    }
}
