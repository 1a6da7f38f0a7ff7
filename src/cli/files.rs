//! The files of the server's own that a configuration leads to: temporary folders and the log of errors.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use crate::ir::{
    self, Config, Protocol, Settings, Template,
    settings::LogTarget,
    walk::{self, Item},
};

/// Folders for temporary files, and the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// The folders; those of kept responses are among them.
    pub folders: BTreeSet<PathBuf>,
    /// The log that the process writes to, when it is a file.
    pub main_log: Option<PathBuf>,
}

impl Files {
    /// Those of a configuration. A default counts where something would use it.
    pub fn of(config: &Config) -> Self {
        let mut files = Self::default();
        let mut written: Vec<&Settings> = Vec::new();
        walk::config(config, &mut |item, _| {
            if let Item::Settings(settings) = item
                && !std::ptr::eq(settings, &raw const config.base)
            {
                written.push(settings);
            }
        });
        for settings in &written {
            files.add_folders(settings);
        }
        files.add_defaults(config);
        files.folders.extend(config.caches.iter().map(|cache| cache.folder.clone()));
        let errors = config.common.logs.errors.as_ref().or(config.base.logs.errors.as_ref());
        files.main_log = errors.into_iter().flatten().find_map(|log| log_path(&log.to));
        files
    }

    /// Defaults that are in force at some host: where neither it nor what lies around it says otherwise.
    fn add_defaults(&mut self, config: &Config) {
        let mut base = Settings::default();
        let outer = |has: &dyn Fn(&Settings) -> bool| {
            let of_host = |host: &ir::Host| host.request.scope.as_ref().is_some_and(|scope| has(&scope.set));
            has(&config.common) || config.hosts.iter().all(of_host)
        };
        if !outer(&|settings| settings.content.temp_path.is_some()) {
            base.content.temp_path.clone_from(&config.base.content.temp_path);
        }
        for protocol in Protocol::ALL {
            if !outer(&|settings| settings.forwarding(protocol).temp_path.is_some()) {
                let default = &config.base.forwarding(protocol).temp_path;
                base.forwarding_mut(protocol).temp_path.clone_from(default);
            }
        }
        self.add_folders(&base);
    }

    fn add_folders(&mut self, settings: &Settings) {
        self.folders.extend(settings.content.temp_path.clone());
        let forwarding = Protocol::ALL.into_iter().map(|protocol| settings.forwarding(protocol));
        self.folders.extend(forwarding.filter_map(|forwarding| forwarding.temp_path.clone()));
    }
}

/// The file of a log; none when its name has variables, or it is no file.
fn log_path(to: &LogTarget) -> Option<PathBuf> {
    match to {
        LogTarget::File(name, _) => fixed(name),
        LogTarget::Stderr | LogTarget::Syslog(_) | LogTarget::Series(..) => None,
    }
}

fn fixed(name: &Template) -> Option<PathBuf> {
    name.as_text().map(|text| Path::new(OsStr::from_bytes(text)).to_path_buf())
}

/// The user that the workers' files belong to, when the process may give files away.
pub fn owner(process: &ir::Process) -> Option<&ir::Text> {
    process.user.as_ref().map(|(user, _)| user)
}
