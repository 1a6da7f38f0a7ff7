//! `-v`, `-V`, `-h`, `-l` and `-L`: what programs and people ask a server first.

use std::fmt::Write as _;

use crate::dialect::apache::{
    VERSION,
    catalogue::{self, Override, Overrides, Place},
    modules::Modules,
};

/// The lines of `-v`.
pub(super) fn version() -> String {
    format!(
        "Server version: Apache/{VERSION} (Unix)\nServer built:   triglot {}\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// The lines of `-V`.
pub(super) fn build(root: &str, file: &str) -> String {
    format!(
        "{}Architecture:   {}-bit\nServer MPM:     event\n  threaded:     yes (fixed thread count)\n    forked:     \
         no\nServer compiled with....\n -D APR_HAS_SENDFILE\n -D APR_HAVE_IPV6\n -D HTTPD_ROOT=\"{root}\"\n -D \
         DEFAULT_PIDLOG=\"{}\"\n -D DEFAULT_ERRORLOG=\"{}\"\n -D SERVER_CONFIG_FILE=\"{file}\"\n",
        version(),
        usize::BITS,
        super::layout::PID,
        super::layout::ERROR_LOG,
    )
}

/// The lines of `-h`.
pub(super) fn usage(program: &str) -> String {
    let indent = " ".repeat(program.len());
    format!(
        "Usage: {program} [-D name] [-d directory] [-f file]
       {indent} [-C \"directive\"] [-c \"directive\"]
       {indent} [-k start|restart|graceful|graceful-stop|stop]
       {indent} [-v] [-V] [-h] [-l] [-L] [-t] [-T] [-S] [-X]
Options:
  -D name            : define a name for use in <IfDefine name> directives
  -d directory       : specify an alternate initial ServerRoot
  -f file            : specify an alternate ServerConfigFile
  -C \"directive\"     : process directive before reading config files
  -c \"directive\"     : process directive after reading config files
  -e level           : show startup errors of level (see LogLevel)
  -E file            : log startup errors to file
  -v                 : show version number
  -V                 : show compile settings
  -h                 : list available command line options (this page)
  -l                 : list compiled in modules
  -L                 : list available configuration directives
  -t -D DUMP_VHOSTS  : show parsed vhost settings
  -t -D DUMP_RUN_CFG : show parsed run settings
  -S                 : a synonym for -t -D DUMP_VHOSTS -D DUMP_RUN_CFG
  -t -D DUMP_MODULES : show all loaded modules 
  -M                 : a synonym for -t -D DUMP_MODULES
  -t -D DUMP_INCLUDES: show all included configuration files
  -t                 : run syntax check for config files
  -T                 : start without DocumentRoot(s) check
  -X                 : debug mode (only one worker, do not detach)
"
    )
}

/// The lines of `-l`.
pub(super) fn built_in() -> String {
    let mut text = String::from("Compiled in modules:\n");
    for (module, built_in) in Modules::new(true).list() {
        if built_in {
            // Writing to a string does not fail.
            let _ = writeln!(text, "  {}", module.file);
        }
    }
    text
}

/// The lines of `-M`.
pub(super) fn modules(modules: &Modules) -> String {
    let mut text = String::from("Loaded Modules:\n");
    for (module, built_in) in modules.list() {
        let _ = writeln!(text, " {} ({})", module.id, if built_in { "static" } else { "shared" });
    }
    text
}

/// The lines of `-L`.
pub(super) fn directives() -> String {
    let catalogue = catalogue::catalogue();
    let mut text = String::new();
    for row in catalogue.rows() {
        let name = row.name.trim_end_matches('>');
        let module = catalogue.module(row);
        let usage = row.usage.as_deref().unwrap_or_else(|| row.args.word());
        let (server, sections) = (row.places.contains(Place::Server), row.places.contains(Place::Directory));
        let place = match (server, sections || row.places.contains(Place::Location)) {
            (true, true) => "anywhere",
            (true, false) => "only outside <Directory>, <Files>, <Location>, or <If>",
            (false, _) => "only inside <Directory>, <Files>, <Location>, or <If>",
        };
        let htaccess = if row.overrides.is_empty() { "" } else { " and in .htaccess" };
        let _ = writeln!(text, "{name} ({})\n\t{usage}\n\tAllowed in *.conf {place}{htaccess}", module.file);
        if row.overrides == Overrides::all() {
            text.push_str("\twhen AllowOverride isn't None\n");
        } else if !row.overrides.is_empty() {
            let classes: Vec<_> = row.overrides.iter().map(Override::word).collect();
            let _ = writeln!(text, "\twhen AllowOverride includes {}", classes.join(" or "));
        }
    }
    text
}
